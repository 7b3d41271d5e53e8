/* SPDX-License-Identifier: BSD-3-Clause */
/* af_xdp: its program redirects every frame of the queue, so the kernel's stack sees none. */
#include "port/port.h"

static struct port_driver af_xdp = {
	.name = "net_af_xdp",
	.kernel = KERNEL_BLIND,
};
PORT_DRIVER_REGISTER(af_xdp)
