/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap: files, or a network device of which the kernel sees every frame too (then dev_info names
 * it). Frames longer than a buffer arrive in segments.
 */
#include "port/port.h"

static struct port_driver pcap = {
	.name = "net_pcap",
	.kernel = KERNEL_COPIES,
	.sends_from = PORT_SENDS_ANY,
	.handles_scatter = true,
};
PORT_DRIVER_REGISTER(pcap)
