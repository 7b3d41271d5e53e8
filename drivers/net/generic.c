/* SPDX-License-Identifier: BSD-3-Clause */
/* Every PMD that has no file of its own: nothing is assumed about it, all is found by trying. */
#include "port/port.h"

static struct port_driver generic = {
	.name = "generic",
	/* with a network device behind it, the safe guess: the kernel may see what we see */
	.kernel = KERNEL_COPIES,
};
PORT_DRIVER_REGISTER(generic)
