/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost: the other side of virtio. Transmit queue i arrives at the peer's receive queue i. */
#include "port/port.h"

static struct port_driver vhost = {
	.name = "net_vhost",
	.kernel = KERNEL_NONE,
	.sends_from = PORT_SENDS_ANY,
	.handles_scatter = true,
};
PORT_DRIVER_REGISTER(vhost)
