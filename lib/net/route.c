/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes and rules: which port and next hop lead to an address. The kernel's, as it tells them, and
 * those that follow from the configuration, in one sorted table; a lookup goes through the rules
 * and takes the longest prefix of each table, the lowest metric first, as the kernel does.
 *
 * Lookups are made once per destination, not per packet, so this is made for small size and quick
 * change: a lookup is one binary search per prefix length in use.
 */
#include "net/net_priv.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>

#define RULES_MAX 256
#define TOS_MASK 0x1c	       /* of the TOS byte, what rules compare: without precedence and ECN */
#define METRIC_LAST UINT32_MAX /* of routes that stand in for missing ones */

static struct route *routes;
static unsigned int n_routes, room;
static bool unsorted;
static uint32_t prefixes[129]; /* routes of each length */

static struct kern_rule rules[RULES_MAX];
static unsigned int n_rules;

static int
order_net(const struct route *a, const struct route *b)
{
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->prefix != b->prefix)
		return a->prefix > b->prefix ? -1 : 1;
	return memcmp(&a->dst, &b->dst, sizeof(a->dst));
}

/* Networks together, in them the best first; what was configured wins over the kernel's equal. */
static int
order(const void *x, const void *y)
{
	const struct route *a = x, *b = y;
	int c = order_net(a, b);

	if (c != 0)
		return c;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	if (a->configured != b->configured)
		return a->configured ? -1 : 1;
	return memcmp(&a->gateway, &b->gateway, sizeof(a->gateway));
}

static bool
equal(const struct route *a, const struct route *b)
{
	return a->configured == b->configured && a->metric == b->metric &&
			a->ifindex == b->ifindex && a->port == b->port &&
			ip_equal(&a->gateway, &b->gateway) && order_net(a, b) == 0;
}

static void
sort(void)
{
	unsigned int i;

	if (!unsorted)
		return;
	qsort(routes, n_routes, sizeof(*routes), order);
	memset(prefixes, 0, sizeof(prefixes));
	for (i = 0; i < n_routes; i++)
		prefixes[routes[i].prefix]++;
	unsorted = false;
}

static struct ip_addr
masked(const struct ip_addr *a, unsigned int prefix)
{
	struct ip_addr net = *a;
	unsigned int bits = ip_is_v4(a) ? prefix + 96 : prefix, i;

	for (i = 0; i < 16; i++) {
		unsigned int keep = bits >= 8 * (i + 1) ? 8 : bits <= 8 * i ? 0 : bits - 8 * i;

		net.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	return net;
}

static void
add(const struct route *r)
{
	if (n_routes == room) {
		unsigned int more = room == 0 ? 64 : room * 2;
		struct route *grown = realloc(routes, more * sizeof(*routes));

		if (grown == NULL) {
			LOG_ERROR("net: no memory for another route, %u are known", n_routes);
			return;
		}
		routes = grown;
		room = more;
	}
	routes[n_routes++] = *r;
	unsorted = true;
}

static void
del(unsigned int i)
{
	prefixes[routes[i].prefix] -= unsorted ? 0 : 1;
	memmove(&routes[i], &routes[i + 1], (n_routes - i - 1) * sizeof(*routes));
	n_routes--;
}

void
route_kernel(const struct kern_route *kr, bool gone)
{
	struct route r = { .table = kr->table,
		.dst = kr->prefix == 0 ? ip_from_v4(0) : kr->dst,
		.prefix = kr->prefix,
		.type = kr->type,
		.metric = kr->metric,
		.ifindex = kr->ifindex,
		.mtu = kr->mtu,
		.gateway = kr->gateway,
		.prefsrc = kr->prefsrc };
	unsigned int i;

	if (!ip_is_v4(&r.dst) || r.prefix > 32 || (!ip_is_any(&r.gateway) && !ip_is_v4(&r.gateway)))
		return;
	net_device(kr->ifindex, &r.port, &r.vlan_id);
	/* on a tap the kernel is the peer: its way to us is not our way */
	if (r.port != NULL && r.port->kernel == KERNEL_PEER)
		return;
	r.dst = masked(&r.dst, r.prefix);
	pthread_mutex_lock(&net_lock);
	for (i = 0; i < n_routes; i++)
		if (equal(&routes[i], &r))
			break;
	if (gone && i < n_routes)
		del(i);
	else if (!gone && i < n_routes)
		routes[i] = r;
	else if (!gone)
		add(&r);
	net_changed();
	pthread_mutex_unlock(&net_lock);
}

static bool
same_rule(const struct kern_rule *a, const struct kern_rule *b)
{
	return a->priority == b->priority && a->table == b->table && ip_equal(&a->src, &b->src) &&
			a->src_prefix == b->src_prefix && ip_equal(&a->dst, &b->dst) &&
			a->dst_prefix == b->dst_prefix && a->iif == b->iif && a->oif == b->oif &&
			a->tos == b->tos;
}

void
route_kernel_rule(const struct kern_rule *kr, bool gone)
{
	unsigned int i;

	if ((kr->src_prefix > 0 && !ip_is_v4(&kr->src)) ||
			(kr->dst_prefix > 0 && !ip_is_v4(&kr->dst)))
		return;
	pthread_mutex_lock(&net_lock);
	for (i = 0; i < n_rules; i++)
		if (same_rule(&rules[i], kr))
			break;
	if (i < n_rules) {
		memmove(&rules[i], &rules[i + 1], (n_rules - i - 1) * sizeof(*rules));
		n_rules--;
	}
	if (!gone && n_rules < RULES_MAX) {
		for (i = n_rules; i > 0 && rules[i - 1].priority > kr->priority; i--)
			rules[i] = rules[i - 1];
		rules[i] = *kr;
		n_rules++;
	} else if (!gone) {
		LOG_WARNING("net: more than %d routing rules, the one of priority %u is ignored",
				RULES_MAX, kr->priority);
	}
	net_changed();
	pthread_mutex_unlock(&net_lock);
}

/* The first route of that network, or where it would be. */
static unsigned int
lower_bound(const struct route *key)
{
	unsigned int lo = 0, hi = n_routes;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (order_net(&routes[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct route *
lookup_table(uint32_t table, const struct ip_addr *dst, const struct port *port, uint32_t ifindex)
{
	struct route key = { .table = table };
	unsigned int i;
	int prefix;

	for (prefix = 32; prefix >= 0; prefix--) {
		if (prefixes[prefix] == 0)
			continue;
		key.prefix = (uint8_t)prefix;
		key.dst = masked(dst, key.prefix);
		for (i = lower_bound(&key); i < n_routes && order_net(&routes[i], &key) == 0; i++) {
			const struct route *r = &routes[i];

			/* a device that was asked for binds all routes but those to ourselves */
			if (r->type != RTN_LOCAL &&
					((port != NULL && r->port != port) ||
							(ifindex != 0 && r->ifindex != 0 &&
									r->ifindex != ifindex)))
				continue;
			return r;
		}
	}
	return NULL;
}

static bool
rule_matches(const struct kern_rule *rule, const struct ip_addr *dst, const struct ip_addr *src,
		uint32_t ifindex, uint8_t tos)
{
	const uint32_t loopback = 1; /* "iif lo" is for what this host sends */

	if (rule->src_prefix > 0 && !ip_in_prefix(src, &rule->src, rule->src_prefix))
		return false;
	if (rule->dst_prefix > 0 && !ip_in_prefix(dst, &rule->dst, rule->dst_prefix))
		return false;
	if (rule->iif != 0 && rule->iif != loopback)
		return false;
	if (rule->oif != 0 && rule->oif != ifindex)
		return false;
	return rule->tos == 0 || rule->tos == (tos & TOS_MASK);
}

const struct route *
route_lookup(const struct ip_addr *dst, const struct ip_addr *src, const struct port *port,
		uint32_t ifindex, uint8_t tos)
{
	static const uint32_t tables[] = { RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT };
	uint32_t oif = ifindex != 0 ? ifindex : port != NULL ? port->ifindex : 0;
	const struct route *r;
	unsigned int i;

	sort();
	if (n_rules == 0) {
		for (i = 0; i < RTE_DIM(tables); i++) {
			r = lookup_table(tables[i], dst, port, ifindex);
			if (r != NULL && r->type != RTN_THROW)
				return r;
		}
		return NULL;
	}
	for (i = 0; i < n_rules; i++) {
		if (!rule_matches(&rules[i], dst, src, oif, tos))
			continue;
		r = lookup_table(rules[i].table, dst, port, ifindex);
		if (r != NULL && r->type != RTN_THROW)
			return r;
	}
	return NULL;
}

static void
configure_addr(struct port *port, const struct port_addr *a)
{
	struct route r = { .table = RT_TABLE_LOCAL,
		.dst = a->addr,
		.prefix = 32,
		.type = RTN_LOCAL,
		.configured = true,
		.vlan_id = a->vlan_id,
		.port = port,
		.prefsrc = a->addr };

	add(&r);
	if (!ip_is_any(&a->broadcast)) {
		r.dst = a->broadcast;
		r.type = RTN_BROADCAST;
		add(&r);
	}
	r.table = RT_TABLE_MAIN;
	r.type = RTN_UNICAST;
	r.prefix = a->prefix;
	r.dst = masked(&a->addr, a->prefix);
	add(&r);
	/* nobody configures routes for these, yet they lead out somewhere */
	r.metric = METRIC_LAST;
	r.type = RTN_MULTICAST;
	r.prefix = 4;
	r.dst = ip_from_v4(RTE_BE32(UINT32_C(0xe0000000)));
	add(&r);
	r.type = RTN_BROADCAST;
	r.prefix = 32;
	r.dst = ip_from_v4(UINT32_MAX);
	add(&r);
}

static void
configure_via(struct port *port, const struct ip_addr *net, uint8_t prefix,
		const struct ip_addr *via)
{
	const struct port_addr *a = port_source(port, via);
	struct route r = { .table = RT_TABLE_MAIN,
		.dst = masked(net, prefix),
		.prefix = prefix,
		.type = RTN_UNICAST,
		.configured = true,
		.vlan_id = a != NULL ? a->vlan_id : 0,
		.port = port,
		.gateway = *via };

	if (ip_is_v4(net))
		add(&r);
}

void
route_configure(void)
{
	const struct ip_addr none = ip_from_v4(0);
	unsigned int i, k, n = 0;

	pthread_mutex_lock(&net_lock);
	for (i = 0; i < n_routes; i++)
		if (!routes[i].configured)
			routes[n++] = routes[i];
	n_routes = n;
	unsorted = true;
	for (i = 0; i < port_count(); i++) {
		struct port *port = port_get(i);

		for (k = 0; k < port->n_addrs; k++)
			if (port->addrs[k].ifindex == 0 && ip_is_v4(&port->addrs[k].addr))
				configure_addr(port, &port->addrs[k]);
		if (port->conf == NULL)
			continue;
		if (port->conf->has_gateway)
			configure_via(port, &none, 0, &port->conf->gateway);
		for (k = 0; k < port->conf->routes_n; k++)
			configure_via(port, &port->conf->routes[k].net,
					port->conf->routes[k].prefix, &port->conf->routes[k].via);
	}
	net_changed();
	pthread_mutex_unlock(&net_lock);
}

void
route_foreach(void (*cb)(const struct route *r, void *ctx), void *ctx)
{
	unsigned int i;

	pthread_mutex_lock(&net_lock);
	sort();
	for (i = 0; i < n_routes; i++)
		cb(&routes[i], ctx);
	pthread_mutex_unlock(&net_lock);
}

void
route_fini(void)
{
	pthread_mutex_lock(&net_lock);
	free(routes);
	routes = NULL;
	n_routes = room = n_rules = 0;
	memset(prefixes, 0, sizeof(prefixes));
	pthread_mutex_unlock(&net_lock);
}
