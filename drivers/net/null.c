/* SPDX-License-Identifier: BSD-3-Clause */
/* null: receives frames that nobody sent, of zeros, and sends to nobody. */
#include "port/port.h"

static struct port_driver null_driver = {
	.name = "net_null",
	.kernel = KERNEL_NONE,
	.idle_hash = true, /* every queue receives, whatever the table says */
};
PORT_DRIVER_REGISTER(null_driver)
