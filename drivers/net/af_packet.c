/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * af_packet: the kernel sees a copy of every frame. Stopping the port closes its sockets, and
 * starting it again does not open them, so it is never restarted.
 */
#include "port/port.h"

static struct port_driver af_packet = {
	.name = "net_af_packet",
	.kernel = KERNEL_COPIES,
	.sends_from = PORT_SENDS_ANY,
	.stop_is_final = true,
};
PORT_DRIVER_REGISTER(af_packet)
