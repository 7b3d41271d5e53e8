/* SPDX-License-Identifier: BSD-3-Clause */
/* libnl's objects as the structures of kern.h. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>

#include "kern/kern_priv.h"

/* Carrier: of <linux/if.h>, which does not go with <net/if.h>. */
#define FLAG_LOWER_UP 0x10000u

int
kern_errno(int nlerr)
{
	switch (nlerr < 0 ? -nlerr : nlerr) {
	case 0:
		return 0;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_NODEV:
		return -ENODEV;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_BUSY:
		return -EBUSY;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_INVAL:
		return -EINVAL;
	case NLE_OPNOTSUPP:
	case NLE_AF_NOSUPPORT:
	case NLE_PROTO_MISMATCH:
		return -ENOTSUP;
	default:
		return -EIO;
	}
}

/* A libnl address in the mapped form; false when it is none of IP. */
static bool
to_ip(const struct nl_addr *a, struct ip_addr *ip)
{
	memset(ip, 0, sizeof(*ip));
	if (a == NULL)
		return false;
	if (nl_addr_get_family(a) == AF_INET && nl_addr_get_len(a) == 4) {
		uint32_t be;

		memcpy(&be, nl_addr_get_binary_addr(a), sizeof(be));
		*ip = ip_from_v4(be);
		return true;
	}
	if (nl_addr_get_family(a) == AF_INET6 && nl_addr_get_len(a) == 16) {
		memcpy(ip->b, nl_addr_get_binary_addr(a), sizeof(ip->b));
		return true;
	}
	return false;
}

/* A network; without one, all addresses of the family. */
static void
to_net(const struct nl_addr *a, int family, struct ip_addr *ip, uint8_t *prefix)
{
	*prefix = 0;
	if (to_ip(a, ip))
		*prefix = (uint8_t)nl_addr_get_prefixlen(a);
	else if (family == AF_INET)
		*ip = ip_from_v4(0);
}

static void
to_mac(const struct nl_addr *a, struct rte_ether_addr *mac)
{
	memset(mac, 0, sizeof(*mac));
	if (a != NULL && nl_addr_get_len(a) == sizeof(mac->addr_bytes))
		memcpy(mac->addr_bytes, nl_addr_get_binary_addr(a), sizeof(mac->addr_bytes));
}

/*
 * A VLAN of 802.1Q, as the packets of ours are tagged; a service tag (802.1ad) is another tag. An
 * old kernel tells no protocol and has 802.1Q alone.
 */
static bool
is_vlan(struct rtnl_link *l, const struct kern_link *link)
{
	int protocol;

	if (!rtnl_link_is_vlan(l))
		return false;
	protocol = rtnl_link_vlan_get_protocol(l);
	if (protocol <= 0 || protocol == RTE_BE16(RTE_ETHER_TYPE_VLAN))
		return true;
	LOG_DEBUG("network device %s: its VLAN is of protocol 0x%04x and not of 802.1Q: its "
		  "addresses are the kernel's alone",
			link->name, rte_be_to_cpu_16((uint16_t)protocol));
	return false;
}

static bool
parse_link(struct rtnl_link *l, struct kern_link *link)
{
	unsigned int flags = rtnl_link_get_flags(l);
	const char *name = rtnl_link_get_name(l);
	const char *type = rtnl_link_get_type(l);

	/* the bridge tells of its ports with messages of its own family */
	if (rtnl_link_get_family(l) != AF_UNSPEC || name == NULL)
		return false;
	link->ifindex = (uint32_t)rtnl_link_get_ifindex(l);
	strlcpy(link->name, name, sizeof(link->name));
	to_mac(rtnl_link_get_addr(l), &link->mac);
	link->mtu = (uint16_t)RTE_MIN(rtnl_link_get_mtu(l), (unsigned int)UINT16_MAX);
	link->up = (flags & IFF_UP) != 0 && (flags & FLAG_LOWER_UP) != 0;
	link->master = (uint32_t)rtnl_link_get_master(l);
	link->bond = type != NULL && strcmp(type, "bond") == 0;
	if (is_vlan(l, link)) {
		link->vlan_id = (uint16_t)rtnl_link_vlan_get_id(l);
		link->lower = (uint32_t)rtnl_link_get_link(l);
	}
	return true;
}

static bool
parse_addr(struct rtnl_addr *a, struct kern_addr *addr)
{
	if (rtnl_addr_get_family(a) != AF_INET || !to_ip(rtnl_addr_get_local(a), &addr->addr))
		return false;
	addr->ifindex = (uint32_t)rtnl_addr_get_ifindex(a);
	addr->prefix = (uint8_t)rtnl_addr_get_prefixlen(a);
	to_ip(rtnl_addr_get_broadcast(a), &addr->broadcast);
	return true;
}

static bool
parse_route(struct rtnl_route *r, struct kern_route *route)
{
	struct rtnl_nexthop *nh;
	uint32_t mtu;

	if (rtnl_route_get_family(r) != AF_INET || (rtnl_route_get_flags(r) & RTM_F_CLONED) != 0)
		return false;
	route->table = rtnl_route_get_table(r);
	route->type = rtnl_route_get_type(r);
	route->metric = rtnl_route_get_priority(r);
	to_net(rtnl_route_get_dst(r), AF_INET, &route->dst, &route->prefix);
	to_ip(rtnl_route_get_pref_src(r), &route->prefsrc);
	if (rtnl_route_get_metric(r, RTAX_MTU, &mtu) == 0)
		route->mtu = mtu;
	nh = rtnl_route_get_nnexthops(r) > 0 ? rtnl_route_nexthop_n(r, 0) : NULL;
	if (nh != NULL) {
		route->ifindex = (uint32_t)rtnl_route_nh_get_ifindex(nh);
		to_ip(rtnl_route_nh_get_gateway(nh), &route->gateway);
	}
	return true;
}

static uint32_t
device_of(const char *name)
{
	unsigned int ifindex;

	if (name == NULL || name[0] == '\0')
		return 0;
	ifindex = if_nametoindex(name);
	return ifindex != 0 ? ifindex : UINT32_MAX;
}

static bool
parse_rule(struct rtnl_rule *r, struct kern_rule *rule)
{
	if (rtnl_rule_get_family(r) != AF_INET)
		return false;
	rule->priority = rtnl_rule_get_prio(r);
	rule->table = rtnl_rule_get_table(r);
	rule->action = rtnl_rule_get_action(r);
	rule->tos = rtnl_rule_get_dsfield(r);
	rule->iif = device_of(rtnl_rule_get_iif(r));
	rule->oif = device_of(rtnl_rule_get_oif(r));
	to_net(rtnl_rule_get_src(r), AF_INET, &rule->src, &rule->src_prefix);
	to_net(rtnl_rule_get_dst(r), AF_INET, &rule->dst, &rule->dst_prefix);
	return true;
}

static bool
parse_neigh(struct rtnl_neigh *n, struct kern_neigh *neigh)
{
	int state = rtnl_neigh_get_state(n);

	if (rtnl_neigh_get_family(n) != AF_INET || !to_ip(rtnl_neigh_get_dst(n), &neigh->addr))
		return false;
	neigh->ifindex = (uint32_t)rtnl_neigh_get_ifindex(n);
	neigh->state = state < 0 ? NUD_NONE : (uint16_t)state;
	to_mac(rtnl_neigh_get_lladdr(n), &neigh->mac);
	return true;
}

bool
kern_parse(enum kern_kind kind, struct nl_object *obj, struct kern_change *change)
{
	memset(change, 0, sizeof(*change));
	change->kind = kind;
	switch (kind) {
	case KERN_LINK:
		return parse_link((struct rtnl_link *)obj, &change->link);
	case KERN_ADDR:
		return parse_addr((struct rtnl_addr *)obj, &change->addr);
	case KERN_ROUTE:
		return parse_route((struct rtnl_route *)obj, &change->route);
	case KERN_RULE:
		return parse_rule((struct rtnl_rule *)obj, &change->rule);
	case KERN_NEIGH:
		return parse_neigh((struct rtnl_neigh *)obj, &change->neigh);
	default:
		return false;
	}
}
