/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio: a PCI device of a virtual machine. As any other, but that the PMD has the device write
 * its header of 10 or 12 bytes in front of the frame.
 */
#include "port/port.h"

static struct port_driver virtio = {
	.name = "net_virtio",
	.kernel = KERNEL_COPIES,
	.rx_prefix = 12,
};
PORT_DRIVER_REGISTER(virtio)
