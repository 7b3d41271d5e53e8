/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast MACs that a port lets in: by the device's list, else by all multicast, else by
 * promiscuous mode, whichever the PMD has. One that has none of them (memif, ring) filters nothing.
 * An isolated port needs none: rules take the frames, and the kernel's own membership opens the
 * NIC.
 */
#include <errno.h>

#include <rte_errno.h>

#include "port/port_priv.h"

static void
apply(struct port *port)
{
	struct port_queues *qs = port->queues;
	struct rte_ether_addr list[PORT_MC_MAX];
	unsigned int i;
	int ret;

	if (!port->started || port->caps.isolated)
		return;
	for (i = 0; i < qs->n_mc; i++)
		list[i] = qs->mc[i].mac;
	ret = rte_eth_dev_set_mc_addr_list(port->id, list, qs->n_mc);
	if (ret == 0)
		return;
	if (qs->n_mc == 0) {
		if (qs->mc_all)
			rte_eth_allmulticast_disable(port->id);
		if (qs->mc_promiscuous)
			rte_eth_promiscuous_disable(port->id);
		qs->mc_all = qs->mc_promiscuous = false;
		return;
	}
	if (qs->mc_all || qs->mc_promiscuous)
		return;
	if (rte_eth_allmulticast_get(port->id) == 1 || rte_eth_promiscuous_get(port->id) == 1)
		return;
	qs->mc_all = rte_eth_allmulticast_enable(port->id) == 0;
	if (!qs->mc_all)
		qs->mc_promiscuous = rte_eth_promiscuous_enable(port->id) == 0;
	LOG_DEBUG("port %s: multicast by %s", port->name,
			qs->mc_all			     ? "all multicast"
					: qs->mc_promiscuous ? "promiscuous mode"
							     : "no filter");
}

void
port_mc_restore(struct port *port)
{
	if (port->queues->n_mc != 0)
		apply(port);
}

int
port_mc_add(struct port *port, const struct rte_ether_addr *mac)
{
	struct port_queues *qs = port->queues;
	unsigned int i;
	int ret = 0;

	if (!rte_is_multicast_ether_addr(mac))
		return -EINVAL;
	port_lock(port);
	for (i = 0; i < qs->n_mc; i++)
		if (rte_is_same_ether_addr(&qs->mc[i].mac, mac))
			break;
	if (i < qs->n_mc) {
		qs->mc[i].refs++;
	} else if (i == PORT_MC_MAX) {
		ret = -ENOSPC;
	} else {
		qs->mc[i].mac = *mac;
		qs->mc[i].refs = 1;
		qs->n_mc++;
		apply(port);
	}
	port_unlock(port);
	return ret;
}

void
port_mc_del(struct port *port, const struct rte_ether_addr *mac)
{
	struct port_queues *qs = port->queues;
	unsigned int i;

	port_lock(port);
	for (i = 0; i < qs->n_mc; i++)
		if (rte_is_same_ether_addr(&qs->mc[i].mac, mac))
			break;
	if (i < qs->n_mc && --qs->mc[i].refs == 0) {
		qs->mc[i] = qs->mc[--qs->n_mc];
		apply(port);
	}
	port_unlock(port);
}
