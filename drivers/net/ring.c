/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring: pointers to the sender's mbufs, in one process. A packet arrives as it was sent, of any
 * length and in segments, and transmit queue i arrives at receive queue i.
 */
#include "port/port.h"

static struct port_driver ring = {
	.name = "net_ring",
	.kernel = KERNEL_NONE,
	.handles_scatter = true,
};
PORT_DRIVER_REGISTER(ring)
