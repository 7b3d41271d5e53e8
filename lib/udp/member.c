/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast membership: what each socket joined with which source filter, and what that amounts to
 * for the port. Operations and errors are those of Linux's ip_mc_source() and friends; the merge of
 * filters is RFC 3376 section 3.2.
 */
#include <stdlib.h>

#include <rte_jhash.h>

#include "udp/udp_priv.h"

#define BUCKETS 1024

/* Written with the control lock held as well; a delivery reads under the lock alone. */
static LIST_HEAD(, mc_group) buckets[BUCKETS];
static rte_rwlock_t lock = RTE_RWLOCK_INITIALIZER;

static unsigned int
bucket_of(uint32_t group_be)
{
	return rte_jhash_1word(group_be, 0) % BUCKETS;
}

bool
mc_joined(const struct port *port, uint32_t group_be)
{
	const struct mc_group *g;

	rte_rwlock_read_lock(&lock);
	LIST_FOREACH (g, &buckets[bucket_of(group_be)], next)
		if (g->port == port && ip_v4(&g->addr) == group_be)
			break;
	rte_rwlock_read_unlock(&lock);
	return g != NULL;
}

void
mc_group_foreach(const struct ip_addr *addr, void (*cb)(struct mc_group *group, void *ctx),
		void *ctx)
{
	struct mc_group *g;

	LIST_FOREACH (g, &buckets[bucket_of(ip_v4(addr))], next)
		if (ip_equal(&g->addr, addr))
			cb(g, ctx);
}

static struct mc_group *
group_get(const struct ip_addr *addr, struct port *port, uint16_t vlan_id)
{
	struct mc_group *g;

	LIST_FOREACH (g, &buckets[bucket_of(ip_v4(addr))], next)
		if (g->port == port && ip_equal(&g->addr, addr))
			return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->addr = *addr;
	g->port = port;
	g->vlan_id = vlan_id;
	LIST_INIT(&g->members);
	rte_rwlock_write_lock(&lock);
	LIST_INSERT_HEAD(&buckets[bucket_of(ip_v4(addr))], g, next);
	rte_rwlock_write_unlock(&lock);
	return g;
}

static void
group_hide(struct mc_group *g)
{
	rte_rwlock_write_lock(&lock);
	LIST_REMOVE(g, next);
	rte_rwlock_write_unlock(&lock);
}

struct udp_member *
member_find(const struct udp_sock *s, const struct ip_addr *addr, const struct port *port)
{
	struct udp_member *m;

	LIST_FOREACH (m, &s->members, next)
		if (ip_equal(&m->group->addr, addr) && (port == NULL || m->group->port == port))
			return m;
	return NULL;
}

/** @name Filters */
/** @{ */
static struct udp_filter *
filter_new(bool exclude, unsigned int n)
{
	struct udp_filter *f = malloc(sizeof(*f) + n * sizeof(f->sources[0]));

	if (f != NULL) {
		f->exclude = exclude;
		f->n = n;
	}
	return f;
}

static unsigned int
filter_index(const struct udp_filter *f, const struct ip_addr *source)
{
	unsigned int i = 0;

	while (i < f->n && !ip_equal(&f->sources[i], source))
		i++;
	return i;
}

static struct udp_filter *
filter_add(const struct udp_filter *f, const struct ip_addr *source)
{
	struct udp_filter *g = filter_new(f->exclude, f->n + 1);

	if (g != NULL) {
		memcpy(g->sources, f->sources, f->n * sizeof(f->sources[0]));
		g->sources[f->n] = *source;
	}
	return g;
}

static struct udp_filter *
filter_del(const struct udp_filter *f, unsigned int at)
{
	struct udp_filter *g = filter_new(f->exclude, f->n - 1);

	if (g != NULL) {
		memcpy(g->sources, f->sources, at * sizeof(f->sources[0]));
		memcpy(g->sources + at, f->sources + at + 1,
				(f->n - at - 1) * sizeof(f->sources[0]));
	}
	return g;
}

bool
filter_passes(const struct udp_filter *f, uint32_t source_be)
{
	if (f == NULL)
		return true;
	for (unsigned int i = 0; i < f->n; i++)
		if (ip_v4(&f->sources[i]) == source_be)
			return !f->exclude;
	return f->exclude;
}

static bool
listed(const struct ip_addr *sources, unsigned int n, const struct ip_addr *a)
{
	for (unsigned int i = 0; i < n; i++)
		if (ip_equal(&sources[i], a))
			return true;
	return false;
}

/* Whether every EXCLUDE list names the source and no INCLUDE list does. */
static bool
excluded_by_all(const struct udp_filter *const *filters, unsigned int n, const struct ip_addr *a)
{
	for (unsigned int i = 0; i < n; i++)
		if (listed(filters[i]->sources, filters[i]->n, a) != filters[i]->exclude)
			return false;
	return true;
}

int
filter_merge(const struct udp_filter *const *filters, unsigned int n, struct ip_addr *sources,
		struct net_mc_filter *merged)
{
	merged->exclude = false;
	merged->n = 0;
	merged->sources = sources;
	for (unsigned int i = 0; i < n; i++)
		merged->exclude |= filters[i]->exclude;
	for (unsigned int i = 0; i < n; i++) {
		const struct udp_filter *f = filters[i];

		/* An intersection of EXCLUDE lists is found in any one of them. */
		if (f->exclude != merged->exclude)
			continue;
		for (unsigned int k = 0; k < f->n; k++) {
			const struct ip_addr *a = &f->sources[k];

			if (listed(sources, merged->n, a) ||
					(merged->exclude && !excluded_by_all(filters, n, a)))
				continue;
			if (merged->n == UDP_SOURCES_MAX) {
				/* Too many to name: let all in, the sockets filter. */
				if (!merged->exclude)
					return -ENOBUFS;
				return 0;
			}
			sources[merged->n++] = *a;
		}
		if (merged->exclude)
			break;
	}
	return 0;
}
/** @} */

/** @name The port's side */
/** @{ */
/* Tell the port what the group's members want of it by now. */
static int
group_tell(struct mc_group *g)
{
	static struct ip_addr sources[UDP_SOURCES_MAX];
	const struct udp_filter **filters;
	struct net_mc_filter merged;
	struct udp_member *m;
	unsigned int n = 0;
	int rc;

	LIST_FOREACH (m, &g->members, same)
		n++;
	if (n == 0)
		return net_mc_filter(g->port, &g->addr, g->vlan_id, NULL);
	filters = malloc(n * sizeof(*filters));
	if (filters == NULL)
		return -ENOMEM;
	n = 0;
	LIST_FOREACH (m, &g->members, same)
		filters[n++] = m->filter;
	rc = filter_merge(filters, n, sources, &merged);
	free(filters);
	return rc < 0 ? rc : net_mc_filter(g->port, &g->addr, g->vlan_id, &merged);
}

/* Sockets bound to the group hear of it when anybody joined (IP_MULTICAST_ALL). */
static void
renew_bound(const struct mc_group *g)
{
	struct udp_sock *s;

	LIST_FOREACH (s, &bind_multicast, same_group)
		if (ip_equal(&s->local, &g->addr))
			flows_renew(lport_find(s->lport), NULL, &g->addr);
}

static int
renew_own(struct udp_sock *s, const struct mc_group *g)
{
	return s->lport == 0 ? 0 : flows_renew(lport_find(s->lport), s, &g->addr);
}

static void
group_put(struct udp_sock *s, struct mc_group *g)
{
	if (LIST_EMPTY(&g->members)) {
		group_hide(g);
		renew_own(s, g);
		renew_bound(g);
		free(g);
	} else {
		renew_own(s, g);
	}
}

static int
join(struct udp_sock *s, const struct ip_addr *addr, struct port *port, uint16_t vlan_id,
		struct udp_filter *filter)
{
	struct udp_member *m;
	struct mc_group *g;
	bool first;
	int rc;

	m = calloc(1, sizeof(*m));
	g = m != NULL && filter != NULL ? group_get(addr, port, vlan_id) : NULL;
	if (g == NULL) {
		free(m);
		free(filter);
		return -ENOMEM;
	}
	first = LIST_EMPTY(&g->members);
	m->group = g;
	m->filter = filter;
	LIST_INSERT_HEAD(&s->members, m, next);
	LIST_INSERT_HEAD(&g->members, m, same);
	s->members_n++;
	/* Flows before frames, so that the first one finds its socket. */
	rc = renew_own(s, g);
	if (rc == 0)
		rc = group_tell(g);
	if (rc == 0) {
		if (first)
			renew_bound(g);
		return 0;
	}
	LIST_REMOVE(m, next);
	LIST_REMOVE(m, same);
	s->members_n--;
	if (!first)
		group_tell(g);
	group_put(s, g);
	free(filter);
	free(m);
	return rc;
}

static void
leave(struct udp_sock *s, struct udp_member *m)
{
	struct mc_group *g = m->group;

	LIST_REMOVE(m, next);
	LIST_REMOVE(m, same);
	s->members_n--;
	group_tell(g);
	group_put(s, g);
	free(m->filter);
	free(m);
}

/* The other filter takes effect for deliveries and the port, or nothing changes. */
static int
change(struct udp_sock *s, struct udp_member *m, struct udp_filter *filter)
{
	struct udp_filter *before = m->filter;
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	m->filter = filter;
	rc = renew_own(s, m->group);
	if (rc == 0)
		rc = group_tell(m->group);
	if (rc < 0) {
		m->filter = before;
		renew_own(s, m->group);
		group_tell(m->group);
		free(filter);
		return rc;
	}
	free(before);
	return 0;
}
/** @} */

/* Add a source to the filter of that kind, or take it out. */
static int
source(struct udp_sock *s, struct udp_member *m, bool exclude, bool add, const struct ip_addr *a)
{
	const struct udp_filter *f = m->filter;
	struct udp_filter *changed;
	unsigned int at;

	if (f->exclude != exclude && f->n != 0)
		return -EINVAL;
	at = f->exclude == exclude ? filter_index(f, a) : f->n;
	if (!add) {
		if (at == f->n)
			return -EADDRNOTAVAIL;
		/* INCLUDE of nothing is no membership. */
		if (!exclude && f->n == 1) {
			leave(s, m);
			return 0;
		}
		return change(s, m, filter_del(f, at));
	}
	if (at < f->n)
		return -EADDRNOTAVAIL;
	if (f->n == UDP_SOURCES_MAX)
		return -ENOBUFS;
	if (f->exclude == exclude)
		return change(s, m, filter_add(f, a));
	/* An empty filter may change its kind. */
	changed = filter_new(exclude, 1);
	if (changed != NULL)
		changed->sources[0] = *a;
	return change(s, m, changed);
}

/* The port that the route to the group leads to, and the VLAN there. */
static int
route(const struct udp_sock *s, const struct ip_addr *group, struct port **port, uint16_t *vlan_id)
{
	const struct port_addr *a;
	struct net_way way;
	struct net_dst d;
	int rc;

	if (*port == NULL) {
		way_ask(s, group, &way);
		way.src = ip_from_v4(0);
		way.port = s->opt.bind_port;
		memset(&d, 0, sizeof(d));
		rc = net_route(&way, &d);
		if (rc == 0)
			*port = d.port;
		else if (rc == -ENETUNREACH && port_count() == 1)
			*port = port_get(0);
		else
			return rc == -ENETUNREACH ? -ENODEV : rc;
	}
	a = port_source(*port, group);
	*vlan_id = a != NULL ? a->vlan_id : 0;
	/* The device the socket is bound to may be a VLAN of the port. */
	for (unsigned int i = 0; s->opt.bind_ifindex != 0 && i < (*port)->n_addrs; i++)
		if ((*port)->addrs[i].ifindex == s->opt.bind_ifindex)
			*vlan_id = (*port)->addrs[i].vlan_id;
	return 0;
}

static int
operate(struct udp_sock *s, enum udp_mc_op op, const struct ip_addr *group, struct port *port,
		const struct ip_addr *src)
{
	bool exclude = op == UDP_MC_BLOCK || op == UDP_MC_UNBLOCK;
	bool joins = op == UDP_MC_JOIN || op == UDP_MC_JOIN_SOURCE;
	bool add = op == UDP_MC_JOIN_SOURCE || op == UDP_MC_BLOCK;
	struct udp_filter *filter;
	struct udp_member *m;
	uint16_t vlan_id = 0;
	int rc;

	if (joins) {
		rc = route(s, group, &port, &vlan_id);
		if (rc < 0)
			return rc;
	}
	m = member_find(s, group, port);
	if (op == UDP_MC_LEAVE) {
		if (m == NULL)
			return -EADDRNOTAVAIL;
		leave(s, m);
		return 0;
	}
	if (m != NULL)
		return op == UDP_MC_JOIN ? -EADDRINUSE : source(s, m, exclude, add, src);
	if (!joins)
		return -EINVAL;
	if (s->members_n == UDP_MEMBERSHIPS_MAX)
		return -ENOBUFS;
	filter = filter_new(op == UDP_MC_JOIN, op == UDP_MC_JOIN ? 0 : 1);
	if (filter != NULL && op == UDP_MC_JOIN_SOURCE)
		filter->sources[0] = *src;
	return join(s, group, port, vlan_id, filter);
}

int
udp_membership(struct udp_sock *s, enum udp_mc_op op, const struct ip_addr *group,
		struct port *port, const struct ip_addr *src)
{
	int rc;

	/* Linux looks among the memberships first */
	if (!ip_is_v4(group) || !ip_is_multicast(group))
		return op == UDP_MC_LEAVE ? -EADDRNOTAVAIL : -EINVAL;
	if (op != UDP_MC_JOIN && op != UDP_MC_LEAVE && (src == NULL || ip_is_any(src)))
		return -EINVAL;
	control_lock();
	rc = operate(s, op, group, port, src);
	control_unlock();
	return rc;
}

void
members_leave_all(struct udp_sock *s)
{
	while (!LIST_EMPTY(&s->members))
		leave(s, LIST_FIRST(&s->members));
}
