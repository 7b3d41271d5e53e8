/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses and MTU of a port: from the configuration where it names them, else from the kernel's
 * network device behind the port, of which this file follows the changes. The device of a VLAN on
 * top of it brings addresses with a VLAN id.
 *
 * The data path reads addrs[] without a lock: an address is complete before n_addrs tells of it.
 * While one is taken away, a packet may be judged by the one that fills its place.
 */
#include <errno.h>

#include "kern/kern.h"
#include "port/port_priv.h"

#define MTU_DEFAULT RTE_ETHER_MTU

static bool follows_kernel; /* kern_start() worked */

static struct ip_addr
broadcast_of(const struct ip_addr *addr, uint8_t prefix)
{
	if (!ip_is_v4(addr) || prefix >= 31)
		return (struct ip_addr){ 0 };
	return ip_from_v4(ip_v4(addr) | rte_cpu_to_be_32(UINT32_MAX >> prefix));
}

static bool
addr_add(struct port *port, const struct port_addr *addr)
{
	char text[IP_ADDR_STRLEN];
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++) {
		struct port_addr *have = &port->addrs[i];

		if (!ip_equal(&have->addr, &addr->addr) || have->ifindex != addr->ifindex)
			continue;
		if (have->prefix == addr->prefix && ip_equal(&have->broadcast, &addr->broadcast))
			return false;
		have->prefix = addr->prefix;
		have->broadcast = addr->broadcast;
		return true;
	}
	if (port->n_addrs == PORT_ADDRS_MAX) {
		LOG_WARNING("port %s has more than %u addresses: %s is not used; take some away",
				port->name, PORT_ADDRS_MAX, ip_format(&addr->addr, text));
		return false;
	}
	port->addrs[port->n_addrs] = *addr;
	__atomic_store_n(&port->n_addrs, port->n_addrs + 1, __ATOMIC_RELEASE);
	return true;
}

static bool
addr_del_at(struct port *port, unsigned int i)
{
	port->addrs[i] = port->addrs[port->n_addrs - 1];
	__atomic_store_n(&port->n_addrs, port->n_addrs - 1, __ATOMIC_RELEASE);
	return true;
}

static bool
addr_del(struct port *port, const struct ip_addr *addr, uint32_t ifindex)
{
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++)
		if (port->addrs[i].ifindex == ifindex && ip_equal(&port->addrs[i].addr, addr))
			return addr_del_at(port, i);
	return false;
}

/* The kernel's addresses are this port's, unless the configuration gave others. */
static bool
takes_kernel_addrs(const struct port *port)
{
	return port->ifindex != 0 && port->kernel != KERNEL_NONE && port->kernel != KERNEL_PEER &&
			(port->conf == NULL || port->conf->addrs_n == 0);
}

static uint16_t
bounded_mtu(const struct port *port, uint32_t mtu, const char *from)
{
	if (conf()->mtu > 0 && (port->ifindex == 0 || (uint32_t)conf()->mtu < mtu)) {
		mtu = (uint32_t)conf()->mtu;
		from = "VMA_MTU";
	}
	if (mtu > port->caps.max_mtu) {
		LOG_WARNING("port %s takes packets of at most %u bytes: %s=%u is not possible, %u "
			    "is "
			    "used",
				port->name, port->caps.max_mtu, from, mtu, port->caps.max_mtu);
		mtu = port->caps.max_mtu;
	}
	return (uint16_t)mtu;
}

static void
mtu_init(struct port *port)
{
	const struct kern_link *link = follows_kernel ? kern_link_by_index(port->ifindex) : NULL;

	if (port->conf != NULL && port->conf->mtu != 0) {
		port->mtu = bounded_mtu(port, port->conf->mtu, "mtu");
	} else if (link != NULL) {
		port->mtu = bounded_mtu(port, link->mtu, "MTU of the network device");
	} else {
		/* not what ethdev reports, which is what somebody set before */
		port->mtu = bounded_mtu(
				port, RTE_MIN((uint16_t)MTU_DEFAULT, port->caps.max_mtu), "MTU");
	}
}

/* The kernel's device of a VLAN on the port, 0: it has none. */
static uint32_t
vlan_device(const struct port *port, uint16_t vlan_id)
{
	struct if_nameindex *all = follows_kernel && port->ifindex != 0 ? if_nameindex() : NULL;
	const struct kern_link *link;
	uint32_t found = 0;
	unsigned int i;

	for (i = 0; all != NULL && all[i].if_index != 0 && found == 0; i++) {
		link = kern_link_by_index(all[i].if_index);
		if (link != NULL && link->lower == port->ifindex && link->vlan_id == vlan_id)
			found = link->ifindex;
	}
	if_freenameindex(all);
	return found;
}

/*
 * Without a device of the VLAN the kernel neither asks for neighbours there nor answers, and where
 * it gets ARP's frames nobody else can.
 */
static uint32_t
device_of(const struct port *port, const struct conf_addr *a)
{
	char text[IP_ADDR_STRLEN];
	uint32_t ifindex;

	if (a->vlan_id == 0)
		return port->kernel == KERNEL_PEER ? 0 : port->ifindex;
	if (port->kernel != KERNEL_RESTS && port->kernel != KERNEL_COPIES)
		return 0;
	ifindex = vlan_device(port, a->vlan_id);
	if (ifindex == 0)
		LOG_WARNING("port %s: nobody answers ARP for %s in VLAN %u, as the kernel has no "
			    "device of it: make one (ip link add link %s name %s.%u type vlan id "
			    "%u), or give both ends the other's neigh=, and lo the address",
				port->name, ip_format(&a->addr, text), a->vlan_id, port->netdev,
				port->netdev, a->vlan_id, a->vlan_id);
	return ifindex;
}

int
port_addrs_init(struct port *port)
{
	unsigned int i;

	mtu_init(port);
	for (i = 0; port->conf != NULL && i < port->conf->addrs_n; i++) {
		const struct conf_addr *a = &port->conf->addrs[i];
		const struct port_addr addr = {
			.addr = a->addr,
			.prefix = a->prefix,
			.broadcast = broadcast_of(&a->addr, a->prefix),
			.vlan_id = a->vlan_id,
			.ifindex = device_of(port, a),
		};

		addr_add(port, &addr);
	}
	return 0;
}

/* The port whose wire a network device of the kernel uses, and the VLAN it uses there. */
static struct port *
port_of_device(uint32_t ifindex, uint16_t *vlan_id)
{
	const struct kern_link *link = kern_link_by_index(ifindex);
	unsigned int i;

	*vlan_id = 0;
	for (i = 0; i < n_ports; i++)
		if (ports[i]->ifindex == ifindex)
			return ports[i];
	if (link == NULL || link->vlan_id == 0)
		return NULL;
	*vlan_id = link->vlan_id;
	for (i = 0; i < n_ports; i++)
		if (ports[i]->ifindex == link->lower)
			return ports[i];
	return NULL;
}

static void
on_addr(const struct kern_addr *addr, bool gone, void *ctx)
{
	struct port_addr a = {
		.addr = addr->addr,
		.broadcast = addr->broadcast,
		.prefix = addr->prefix,
		.ifindex = addr->ifindex,
	};
	struct port *port = port_of_device(addr->ifindex, &a.vlan_id);
	char text[IP_ADDR_STRLEN];
	bool changed;

	RTE_SET_USED(ctx);
	if (port == NULL || !takes_kernel_addrs(port))
		return;
	/* the kernel's routes have one for the network though the address was added without */
	if (ip_is_any(&a.broadcast))
		a.broadcast = broadcast_of(&a.addr, a.prefix);
	changed = gone ? addr_del(port, &a.addr, a.ifindex) : addr_add(port, &a);
	if (!changed)
		return;
	LOG_DEBUG("port %s: address %s/%u %s", port->name, ip_format(&a.addr, text), a.prefix,
			gone ? "gone" : "there");
	port_changed(port);
}

static void
on_own_link(struct port *port, const struct kern_link *link)
{
	bool changed = false, up;
	uint16_t mtu;

	port->queues->netdev_down = !link->up;
	up = port_link_is_up(port);
	if (up != port->up) {
		port->up = up;
		changed = true;
	}
	if (strcmp(port->netdev, link->name) != 0) {
		strlcpy(port->netdev, link->name, sizeof(port->netdev));
		changed = true;
	}
	if (port->kernel != KERNEL_PEER && !rte_is_same_ether_addr(&port->mac, &link->mac)) {
		port->mac = link->mac;
		changed = true;
	}
	mtu = port->conf != NULL && port->conf->mtu != 0
			? port->mtu
			: bounded_mtu(port, link->mtu, "MTU of the network device");
	if (mtu > port->mtu && port->started) {
		/* buffers and queues were made for the MTU at start */
		LOG_INFO("port %s: %s has MTU %u now, %u stays in use until the program starts "
			 "anew",
				port->name, port->netdev, link->mtu, port->mtu);
	} else if (mtu != port->mtu) {
		port->mtu = mtu;
		changed = true;
	}
	if (changed)
		port_changed(port);
}

static void
on_link(const struct kern_link *link, bool gone, void *ctx)
{
	bool changed = false;
	unsigned int i, j;

	RTE_SET_USED(ctx);
	for (i = 0; i < n_ports; i++) {
		struct port *port = ports[i];

		if (port->ifindex == link->ifindex && !gone) {
			on_own_link(port, link);
			continue;
		}
		if (!gone)
			continue;
		/* with a device its addresses go */
		for (j = port->n_addrs; j-- > 0;)
			if (port->addrs[j].ifindex == link->ifindex && takes_kernel_addrs(port))
				changed |= addr_del_at(port, j);
		if (port->ifindex == link->ifindex) {
			LOG_WARNING("port %s: its network device %s is gone", port->name,
					link->name);
			port->ifindex = 0;
			port->queues->netdev_down = true;
			port->up = false;
			changed = true;
		}
		if (changed)
			port_changed(port);
	}
}

static int kern_ctx; /* its address names this subscription */

int
port_kern_start(void)
{
	/* said there; ports without a network device do without */
	follows_kernel = kern_start() == 0;
	return 0;
}

int
port_kern_follow(void)
{
	const struct kern_events events = { .link = on_link, .addr = on_addr, .ctx = &kern_ctx };
	unsigned int i;
	int ret;

	if (follows_kernel) {
		ret = kern_subscribe(&events);
		if (ret != 0)
			return ret;
	}
	for (i = 0; i < n_ports; i++) {
		struct port *port = ports[i];

		if (port->n_addrs != 0)
			continue;
		if (takes_kernel_addrs(port))
			LOG_INFO("port %s has no address: give its network device one (ip addr add "
				 "192.0.2.1/24 dev %s), or set DPVMA_PORTS='%s=192.0.2.1/24'",
					port->name, port->netdev, port->name);
		else
			LOG_INFO("port %s has no address: set DPVMA_PORTS='%s=192.0.2.1/24'",
					port->name, port->name);
	}
	return 0;
}

void
port_kern_stop(void)
{
	if (!follows_kernel)
		return;
	kern_unsubscribe(&kern_ctx);
	kern_stop();
	follows_kernel = false;
}
