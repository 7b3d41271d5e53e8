/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an address to the way there: route, source, next hop, and the headers that every packet to
 * it begins with.
 */
#include "net/net_priv.h"

#include <linux/rtnetlink.h>

uint32_t net_generation;

/* What routes say, before source and link address are known. */
struct way_out {
	struct port *port;
	uint16_t vlan_id;
	struct ip_addr gateway, prefsrc;
	uint16_t mtu;
	bool broadcast;
};

static int
no_way(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_PROHIBIT:
		return -EACCES;
	default:
		return -ENETUNREACH;
	}
}

/* net_lock held. */
static int
choose(const struct net_way *way, uint16_t vlan_id, bool kernel_told, struct way_out *out,
		struct net_dst *d)
{
	bool group = ip_is_multicast(&way->dst) || ip_v4(&way->dst) == UINT32_MAX;
	const struct route *r;

	*out = (struct way_out){ .port = way->port, .vlan_id = vlan_id };
	out->broadcast = ip_v4(&way->dst) == UINT32_MAX ||
			(way->port != NULL && net_is_broadcast(way->port, vlan_id, &way->dst));
	/* a given device needs no route for what goes to everybody on it */
	if (way->port != NULL && group)
		return 0;
	r = route_lookup(&way->dst, &way->src, way->port, way->ifindex, way->tos);
	if (r == NULL) {
		/* as Linux does: a given device and no route means that it is on the link */
		if (way->port != NULL)
			return 0;
		return kernel_told ? -ENETUNREACH : -EREMOTE;
	}
	switch (r->type) {
	case RTN_LOCAL:
		d->local = true;
		return -EREMOTE;
	case RTN_BROADCAST:
		out->broadcast = true;
		break;
	case RTN_UNICAST:
	case RTN_MULTICAST:
	case RTN_ANYCAST:
		break;
	default:
		return no_way(r->type);
	}
	if (r->port == NULL)
		return -EREMOTE;
	out->port = r->port;
	out->vlan_id = r->vlan_id;
	out->prefsrc = r->prefsrc;
	out->mtu = (uint16_t)RTE_MIN(r->mtu, (uint32_t)UINT16_MAX);
	if (!group && !out->broadcast)
		out->gateway = r->gateway;
	if (!out->broadcast)
		out->broadcast = net_is_broadcast(out->port, out->vlan_id, &way->dst);
	return 0;
}

static void
make_template(struct net_dst *d)
{
	static const struct rte_ether_addr unknown;
	static const struct rte_ether_addr everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	struct rte_ether_addr group;
	const struct rte_ether_addr *to = &unknown;
	struct rte_ipv4_hdr *ip;

	if (d->broadcast) {
		to = &everybody;
		d->resolved = true;
	} else if (d->multicast) {
		group = net_group_mac(&d->dst);
		to = &group;
		d->resolved = true;
	}
	d->l2_len = (uint8_t)net_link_header(
			d->hdr, to, d->port, d->vlan_id, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	d->hdr_len = (uint8_t)(d->l2_len + NET_IPV4_LEN);
	ip = (struct rte_ipv4_hdr *)(d->hdr + d->l2_len);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = d->tos,
		.fragment_offset = d->df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0,
		.time_to_live = d->ttl,
		.next_proto_id = d->proto,
		.src_addr = ip_v4(&d->src),
		.dst_addr = ip_v4(&d->dst) };
	d->hdr_sum = rte_raw_cksum(ip, sizeof(*ip));
	d->pseudo_sum = net_pseudo_sum(ip);
}

static int
resolve(const struct net_way *way, uint16_t vlan_id, bool kernel_told, struct net_dst *d,
		uint32_t *ask)
{
	const struct port_addr *a;
	struct way_out out;
	int rc = choose(way, vlan_id, kernel_told, &out, d);

	if (rc != 0)
		return rc;
	d->port = out.port;
	d->vlan_id = out.vlan_id;
	d->broadcast = out.broadcast;
	d->multicast = ip_is_multicast(&way->dst);
	d->next_hop = ip_is_any(&out.gateway) ? way->dst : out.gateway;
	if (!ip_is_any(&way->src)) {
		d->src = way->src;
	} else if (!ip_is_any(&out.prefsrc) &&
			net_own(out.port, out.vlan_id, &out.prefsrc) != NULL) {
		d->src = out.prefsrc;
	} else {
		a = net_source(out.port, out.vlan_id, &d->next_hop);
		if (a == NULL)
			return -EADDRNOTAVAIL;
		d->src = a->addr;
	}
	if (net_own(out.port, out.vlan_id, &way->dst) != NULL) {
		d->local = true;
		return -EREMOTE;
	}
	d->mtu = out.port->mtu;
	if (out.mtu >= NET_MTU_MIN && out.mtu < d->mtu)
		d->mtu = out.mtu;
	if (!d->broadcast && !d->multicast)
		d->mtu = pmtu_get(&way->dst, d->mtu);
	make_template(d);
	return d->resolved ? 0 : neigh_resolve(d, ask);
}

/* A device without an address cannot send, so the addresses name all that matter. */
static uint16_t
vlan_of(const struct port *port, uint32_t ifindex)
{
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++)
		if (port->addrs[i].ifindex == ifindex)
			return port->addrs[i].vlan_id;
	return 0;
}

int
net_route(const struct net_way *way, struct net_dst *d)
{
	bool kernel_told = kern_fd() >= 0;
	uint16_t vlan_id = 0;
	uint32_t ask = 0;
	int rc;

	*d = (struct net_dst){ .generation = __atomic_load_n(&net_generation, __ATOMIC_ACQUIRE),
		.dst = way->dst,
		.ttl = way->ttl,
		.tos = way->tos,
		.proto = way->proto,
		.df = way->df,
		.no_check = way->no_check };
	if (!ip_is_v4(&way->dst))
		return -ENETUNREACH;
	/* this host, whatever the routes say: 127/8 and, as Linux has it, 0.0.0.0 */
	if (way->dst.b[12] == 127 || ip_is_any(&way->dst)) {
		d->local = true;
		return -EREMOTE;
	}
	if (!ip_is_any(&way->src) && port_by_addr(&way->src) == NULL)
		return -EADDRNOTAVAIL;
	if (way->ifindex != 0 && way->port != NULL)
		vlan_id = vlan_of(way->port, way->ifindex);
	pthread_mutex_lock(&net_lock);
	rc = resolve(way, vlan_id, kernel_told, d, &ask);
	pthread_mutex_unlock(&net_lock);
	if (ask != 0)
		kern_neigh_resolve(ask, &d->next_hop);
	return rc;
}
