/* SPDX-License-Identifier: BSD-3-Clause */
/* memif: shared memory to another process. Transmit queue i arrives at its receive queue i. */
#include <string.h>

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>

#include "port/port.h"

/* Without a copy, descriptors name places in the memory that was shared, which is EAL's alone. */
static int
probe(struct port *port)
{
	struct rte_eth_dev_info info;
	const struct rte_devargs *args = NULL;

	if (rte_eth_dev_info_get(port->id, &info) == 0 && info.device != NULL)
		args = rte_dev_devargs(info.device);
	if (args != NULL && args->args != NULL && strstr(args->args, "zero-copy=yes") != NULL)
		port->sends_from = PORT_SENDS_OWN;
	return 0;
}

static struct port_driver memif = {
	.name = "net_memif",
	.kernel = KERNEL_NONE,
	.probe = probe,
	.sends_from = PORT_SENDS_ANY,
};
PORT_DRIVER_REGISTER(memif)
