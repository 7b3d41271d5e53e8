/* SPDX-License-Identifier: BSD-3-Clause */
/* The numbers of a device, for programs that know devices by them. */
#include <errno.h>
#include <stdio.h>

#include <rte_dev.h>

#include "port/port_priv.h"

int
port_ids(const struct port *port, struct port_ids *ids)
{
	struct rte_eth_dev_info info;
	const char *text;

	if (port->driver->vendor == 0)
		return -EOPNOTSUPP;
	if (rte_eth_dev_info_get(port->id, &info) != 0 || info.device == NULL)
		return -ENODEV;
	/* the PCI bus says "vendor_id=15b3, device_id=1017" */
	text = rte_dev_bus_info(info.device);
	text = text != NULL ? strstr(text, "device_id=") : NULL;
	if (text == NULL || sscanf(text, "device_id=%x", &ids->part) != 1)
		return -EOPNOTSUPP;
	ids->vendor = port->driver->vendor;
	return 0;
}
