/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_user: a virtio device of this process towards vhost. It merges buffers when it may.
 * The PMD has the device write its header of 10 or 12 bytes in front of the frame.
 */
#include "port/port.h"

static struct port_driver virtio_user = {
	.name = "net_virtio_user",
	.kernel = KERNEL_NONE,
	.handles_scatter = true,
	.rx_prefix = 12,
};
PORT_DRIVER_REGISTER(virtio_user)
