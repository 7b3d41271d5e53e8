/* SPDX-License-Identifier: BSD-3-Clause */
/* memif: shared memory to another process. Transmit queue i arrives at its receive queue i. */
#include "port/port.h"

static struct port_driver memif = {
	.name = "net_memif",
	.kernel = KERNEL_NONE,
	.sends_from = PORT_SENDS_ANY,
};
PORT_DRIVER_REGISTER(memif)
