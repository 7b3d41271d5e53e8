/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_user: a virtio device of this process towards vhost. It merges buffers when it may. */
#include "port/port.h"

static struct port_driver virtio_user = {
	.name = "net_virtio_user",
	.kernel = KERNEL_NONE,
	.handles_scatter = true,
};
PORT_DRIVER_REGISTER(virtio_user)
