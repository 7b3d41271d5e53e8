/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bonding: one port of several others. EAL is told of it by
 * --vdev=net_bonding0,mode=1,slave=...,slave=..., after the devices that it names. Facts below are
 * those of the PMD:
 *
 * - The slaves that its arguments name are taken when it is first configured, and marked as slaves
 *   from then on; its offloads, queues and descriptors are what the slaves have in common, so there
 *   are none before.
 * - Its event of the link is for the bond as a whole. That another slave is the active one now, it
 *   tells nobody, and sends nothing by which switches would learn it.
 * - Rules and isolation are passed on to every slave. Receive interrupts, and queues that are set
 * up while it runs, it has not.
 * - LACP (mode 4) is spoken from its receive and transmit functions, which must be called at least
 *   every 100 ms, with nothing to send, too. In isolation LACP's frames are the kernel's.
 * - In all modes but LACP it gives the slaves its address, and does not start over one that takes
 *   none, as memif.
 * - In LACP it drops multicast and broadcast, ARP's too, unless it is told to take all of it, which
 *   it can be when a slave can.
 * - In LACP it needs memory for pools of its own, and ends the process when there is none.
 *
 * Its functions are not linked, as not every DPDK has this PMD; they are looked up in the file that
 * the driver is in.
 */
/* RTLD_NOLOAD, dladdr() */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "kern/kern.h"
#include "port/port.h"

/* rte_eth_bond.h is not installed everywhere; these numbers are its ABI. */
#define MODE_ACTIVE_BACKUP 1
#define MODE_8023AD 4
#define MODE_TLB 5
#define MODE_ALB 6
#define STATE_DISTRIBUTING 0x20

/* The first members of struct rte_eth_bond_8023ad_slave_info, and room for the others. */
struct lacp_state {
	int selected;
	uint8_t actor, rest[123];
};

static struct {
	int (*mode)(uint16_t id);
	int (*primary)(uint16_t id);
	int (*slaves)(uint16_t id, uint16_t *slaves, uint16_t n);
	int (*lacp)(uint16_t id, uint16_t slave, struct lacp_state *state);
} api;

static void *
symbol(void *file, const char *name, const char *later)
{
	void *found = dlsym(file, name);

	return found != NULL ? found : dlsym(file, later);
}

/* The PMD is loaded by EAL, with its names hidden from others. */
static void
find_api(uint16_t id)
{
	struct rte_eth_dev_info info;
	void *file = NULL;
	Dl_info where;

	if (api.mode != NULL || rte_eth_dev_info_get(id, &info) != 0 || info.device == NULL)
		return;
	if (dladdr(rte_dev_driver(info.device), &where) != 0)
		file = dlopen(where.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
	if (file == NULL)
		return;
	*(void **)&api.mode = dlsym(file, "rte_eth_bond_mode_get");
	*(void **)&api.primary = dlsym(file, "rte_eth_bond_primary_get");
	/* the latter since DPDK 23.11 */
	*(void **)&api.slaves = symbol(file, "rte_eth_bond_slaves_get", "rte_eth_bond_members_get");
	*(void **)&api.lacp = symbol(
			file, "rte_eth_bond_8023ad_slave_info", "rte_eth_bond_8023ad_member_info");
	dlclose(file);
}

static int
mode_of(uint16_t id)
{
	return api.mode != NULL ? api.mode(id) : -ENOTSUP;
}

static uint16_t
parts(uint16_t id, uint16_t *ids, uint16_t n)
{
	int have = api.slaves != NULL ? api.slaves(id, ids, n) : 0;

	return (uint16_t)RTE_MAX(have, 0);
}

static int
check_slaves(uint16_t id, const char *name)
{
	uint16_t ids[RTE_MAX_ETHPORTS], n = parts(id, ids, RTE_MAX_ETHPORTS), i;
	char slave[RTE_ETH_NAME_MAX_LEN];
	struct rte_ether_addr mac;

	if (n == 0 && api.slaves != NULL)
		LOG_WARNING("port %s has no slaves: give it some, as "
			    "--vdev=%s,mode=1,slave=0000:03:00.0,slave=0000:04:00.0",
				name, name);
	for (i = 0; i < n && mode_of(id) != MODE_8023AD; i++) {
		if (rte_eth_macaddr_get(ids[i], &mac) != 0 ||
				rte_eth_dev_default_mac_addr_set(ids[i], &mac) != -ENOTSUP)
			continue;
		rte_eth_dev_get_name_by_port(ids[i], slave);
		LOG_ERROR("port %s cannot give its slave %s an address, as every mode but 4 does: "
			  "give it mode=4",
				name, slave);
		return -ENOTSUP;
	}
	return 0;
}

static int
gather(uint16_t id)
{
	const struct rte_eth_conf plain = { 0 };
	uint16_t ids[RTE_MAX_ETHPORTS];
	char name[RTE_ETH_NAME_MAX_LEN];
	int ret = 0;

	find_api(id);
	if (parts(id, ids, RTE_MAX_ETHPORTS) != 0)
		return 0; /* the program has made it */
	rte_eth_dev_get_name_by_port(id, name);
	ret = rte_eth_dev_configure(id, 1, 1, &plain);
	if (ret == -EBUSY)
		return 0; /* said when a queue is asked for */
	if (ret != 0) {
		LOG_ERROR("port %s cannot have its slaves (%s): correct slave= in its arguments; "
			  "each must exist, and be no other bond's",
				name, rte_strerror(-ret));
		return ret;
	}
	return check_slaves(id, name);
}

/*
 * The kernel's bond, when its slaves are the network devices of ours. Other masters, a bridge or a
 * VRF, do not make one link of them.
 */
static uint32_t
netdev(uint16_t id)
{
	uint16_t ids[RTE_MAX_ETHPORTS], n = parts(id, ids, RTE_MAX_ETHPORTS), i;
	const struct kern_link *link, *master = NULL;
	struct rte_eth_dev_info info;

	for (i = 0; i < n; i++) {
		if (rte_eth_dev_info_get(ids[i], &info) != 0 || info.if_index == 0)
			return 0;
		link = kern_link_by_index(info.if_index);
		if (link == NULL || link->master == 0)
			return 0;
		if (master != NULL && master->ifindex != link->master)
			return 0;
		master = kern_link_by_index(link->master);
		if (master == NULL || !master->bond)
			return 0;
	}
	return master != NULL ? master->ifindex : 0;
}

static int
probe(struct port *port)
{
	int mode = mode_of(port->id);

	if (port->kernel == KERNEL_RESTS && mode == MODE_8023AD) {
		LOG_ERROR("port %s: the kernel's bond %s gets the frames of LACP, and speaks it: "
			  "give this one mode=2",
				port->name, port->netdev);
		return -EINVAL;
	}
	if (port->kernel == KERNEL_RESTS)
		port_isolate(port);
	port->needs_bursts = mode == MODE_8023AD;
	if (port->needs_bursts && rte_eth_allmulticast_enable(port->id) != 0 &&
			rte_eth_promiscuous_enable(port->id) != 0)
		LOG_WARNING("port %s drops broadcast in LACP, as no slave can be told to take all: "
			    "ARP does not work; give both ends the other's neigh=, or mode=1",
				port->name);
	if (port->needs_bursts && conf()->thread_mode == CONF_THREAD_SINGLE)
		LOG_WARNING("port %s: with VMA_THREAD_MODE=0 LACP is spoken only while the program "
			    "calls: in a pause of three seconds its links are lost; give another "
			    "VMA_THREAD_MODE, or mode=1",
				port->name);
	return 0;
}

/* In the modes with one slave that receives for the bond: another one does now. */
static bool
moved(struct port *port)
{
	int mode = mode_of(port->id), now;
	int before = (int)(intptr_t)port->priv - 1;

	if (mode != MODE_ACTIVE_BACKUP && mode != MODE_TLB && mode != MODE_ALB)
		return false;
	now = api.primary(port->id);
	if (now < 0 || now == before)
		return false;
	port->priv = (void *)(intptr_t)(now + 1);
	if (before >= 0)
		LOG_DEBUG("port %s: ethdev %d is the active one now", port->name, now);
	return before >= 0;
}

/*
 * Its link is up with that of a slave; with LACP frames go only where both ends have agreed, some
 * seconds later.
 */
static bool
carries(const struct port *port)
{
	uint16_t ids[RTE_MAX_ETHPORTS], n, i;
	struct lacp_state state;

	if (!port->needs_bursts || api.lacp == NULL)
		return true;
	n = parts(port->id, ids, RTE_MAX_ETHPORTS);
	for (i = 0; i < n; i++)
		if (api.lacp(port->id, ids[i], &state) == 0 &&
				(state.actor & STATE_DISTRIBUTING) != 0)
			return true;
	return false;
}

static struct port_driver bonding = {
	.name = "net_bonding",
	.kernel = KERNEL_RESTS,
	.gather = gather,
	.parts = parts,
	.netdev = netdev,
	.probe = probe,
	.moved = moved,
	.carries = carries,
};
PORT_DRIVER_REGISTER(bonding)
