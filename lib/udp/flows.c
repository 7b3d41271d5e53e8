/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From sockets to flows: which keys a cell needs on which ports, who is behind each, and which
 * rings a socket therefore polls. Everything is derived anew from what the sockets are now, so that
 * bind, connect, membership, migration, close and a change of ports are one and the same operation.
 */
#include <stdlib.h>

#include <rte_jhash.h>

#include "conf/conf.h"
#include "udp/udp_priv.h"

#define BUCKETS 8192
#define PLACES_MAX (PORT_MAX * (PORT_ADDRS_MAX + 1))

static LIST_HEAD(, cell) buckets[BUCKETS];
bool flows_stale;

/* A port and VLAN on which a cell's address may be reached. */
struct place {
	struct port *port;
	uint16_t vlan_id;
	struct mc_group *group; /**< of a multicast address */
};
static struct place places[PLACES_MAX]; /**< control lock held */
static unsigned int places_n;

/* What came of a socket's wishes. */
struct outcome {
	struct udp_sock *sock;
	unsigned int asked, made;
	int err;
};

/** @name Cells */
/** @{ */
static const struct ip_addr no_addr;

static unsigned int
bucket_of(uint16_t lport, const struct ip_addr *local, const struct ip_addr *remote, uint16_t rport)
{
	return rte_jhash_3words(ip_v4(local), ip_v4(remote), (uint32_t)lport << 16 | rport, 0) %
			BUCKETS;
}

static struct cell *
cell_find(const struct lport *lp, const struct ip_addr *local, const struct ip_addr *remote,
		uint16_t rport)
{
	struct cell *c;

	LIST_FOREACH (c, &buckets[bucket_of(lp->port, local, remote, rport)], same_hash)
		if (c->lp == lp && c->rport == rport && ip_equal(&c->local, local) &&
				ip_equal(&c->remote, remote))
			return c;
	return NULL;
}

static struct cell *
cell_get(struct lport *lp, const struct ip_addr *local, enum udp_local_kind kind,
		const struct ip_addr *remote, uint16_t rport)
{
	struct cell *c = cell_find(lp, local, remote, rport);

	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->lp = lp;
	c->local = *local;
	c->remote = *remote;
	c->rport = rport;
	c->kind = kind;
	TAILQ_INIT(&c->socks);
	LIST_INIT(&c->flows);
	LIST_INSERT_HEAD(&buckets[bucket_of(lp->port, local, remote, rport)], c, same_hash);
	LIST_INSERT_HEAD(&lp->cells, c, same_port);
	if (kind == LOCAL_ANY)
		lp->any = c;
	return c;
}

static void
cell_put(struct cell *c)
{
	if (!TAILQ_EMPTY(&c->socks) || !LIST_EMPTY(&c->flows))
		return;
	if (c->lp->any == c)
		c->lp->any = NULL;
	LIST_REMOVE(c, same_hash);
	LIST_REMOVE(c, same_port);
	free(c);
}

int
cell_enter(struct lport *lp, struct udp_sock *s)
{
	bool five = s->connected && s->kind == LOCAL_UNICAST && !conf()->udp_3t_rules;
	struct cell *c = cell_get(lp, &s->local, s->kind, five ? &s->peer : &no_addr,
			five ? s->head.peer_port : 0);

	if (c == NULL)
		return -ENOMEM;
	s->cell = c;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->socks, s, same_cell);
	return 0;
}

void
cell_leave(struct udp_sock *s)
{
	if (s->cell == NULL)
		return;
	TAILQ_REMOVE(&s->cell->socks, s, same_cell);
	s->cell->dirty = true;
	s->cell = NULL;
}
/** @} */

/** @name Where a cell's packets may come from, and who competes for them */
/** @{ */
static void
place_add(struct port *port, uint16_t vlan_id, struct mc_group *group)
{
	for (unsigned int i = 0; i < places_n; i++)
		if (places[i].port == port && places[i].vlan_id == vlan_id)
			return;
	if (places_n < PLACES_MAX)
		places[places_n++] = (struct place){ port, vlan_id, group };
}

static void
place_group(struct mc_group *group, void *ctx)
{
	(void)ctx;
	place_add(group->port, group->vlan_id, group);
}

/* The VLAN of the device that a socket is bound to; FLOW_VLAN_ANY when it is to none. */
static uint16_t
vlan_of(const struct udp_sock *s, const struct port *port)
{
	if (s->opt.bind_ifindex != 0)
		for (unsigned int i = 0; i < port->n_addrs; i++)
			if (port->addrs[i].ifindex == s->opt.bind_ifindex)
				return port->addrs[i].vlan_id;
	return FLOW_VLAN_ANY;
}

static void
places_any(const struct cell *c, struct port *port)
{
	const struct udp_sock *s;

	TAILQ_FOREACH (s, &c->socks, same_cell)
		place_add(port, vlan_of(s, port), NULL);
}

static void
places_broadcast(const struct cell *c, struct port *port)
{
	bool limited = ip_v4(&c->local) == INADDR_BROADCAST;

	if (port->caps.isolated)
		return;
	if (limited && port->n_addrs == 0)
		place_add(port, 0, NULL);
	for (unsigned int i = 0; i < port->n_addrs; i++)
		if (limited || ip_equal(&port->addrs[i].broadcast, &c->local))
			place_add(port, port->addrs[i].vlan_id, NULL);
}

static void
places_list(const struct cell *c)
{
	const struct port_addr *a;
	unsigned int n = port_count();

	places_n = 0;
	if (c->kind == LOCAL_MULTICAST) {
		mc_group_foreach(&c->local, place_group, NULL);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct port *port = port_get(i);

		if (c->kind == LOCAL_ANY) {
			places_any(c, port);
		} else if (c->kind == LOCAL_BROADCAST) {
			places_broadcast(c, port);
		} else {
			a = port_addr_find(port, &c->local);
			if (a != NULL)
				place_add(port, a->vlan_id, NULL);
		}
	}
}

static bool
device_fits(const struct udp_sock *s, const struct port *port, uint16_t vlan_id)
{
	uint16_t vlan;

	if (s->opt.bind_port != NULL && s->opt.bind_port != port)
		return false;
	vlan = vlan_of(s, port);
	return vlan == FLOW_VLAN_ANY || vlan == vlan_id;
}

static uint32_t
collect(const struct cell *c, const struct cell *from, const struct port *port, uint16_t vlan_id,
		struct fan_entry *out)
{
	const struct udp_member *m;
	struct udp_sock *s;
	uint32_t n = 0;

	TAILQ_FOREACH (s, &from->socks, same_cell) {
		if (!device_fits(s, port, vlan_id))
			continue;
		out[n] = (struct fan_entry){ .sock = s };
		m = c->kind == LOCAL_MULTICAST ? member_find(s, &c->local, port) : NULL;
		if (m != NULL) {
			out[n].member = true;
			/* EXCLUDE of nothing lets everything pass. */
			if (!m->filter->exclude || m->filter->n != 0)
				out[n].filter = m->filter;
		}
		n++;
	}
	return n;
}

/* Who gets packets of the cell's key there, if a flow brings them. */
static uint32_t
candidates(const struct cell *c, const struct port *port, uint16_t vlan_id, struct fan_entry *out)
{
	uint32_t n = collect(c, c, port, vlan_id, out);

	if (c->rport == 0 && c->kind != LOCAL_ANY && c->lp->any != NULL)
		n += collect(c, c->lp->any, port, vlan_id, out + n);
	return n;
}

/* Whether it takes a flow to bring them to this one. */
static bool
asks(const struct fan_entry *e, const struct cell *c, const struct port *port)
{
	bool exact = e->sock->cell == c;

	if (c->kind == LOCAL_MULTICAST)
		return e->member || (exact && e->sock->opt.mc_all);
	return exact || (c->kind == LOCAL_UNICAST && (port->caps.flow || port->caps.isolated));
}
/** @} */

/** @name One flow */
/** @{ */
static void
drop_all(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	(void)sink;
	STAT_ADD(&ring->stats, RING, drop_no_socket, n);
	rte_pktmbuf_free_bulk(pkts, n);
}
static struct sink nobody = { .deliver = drop_all };

/* VMA_ETH_MC_L2_ONLY_RULES: one rule on the group's MAC address serves every port number. */
static int
l2_get(struct udp_flow *f, struct mc_group *g)
{
	struct flow_key key = f->key;
	int rc;

	if (g->l2_users == 0) {
		key.lport = 0;
		g->l2_alloc = f->owner->rx_alloc;
		rc = ring_acquire(f->port, RING_RX, &g->l2_alloc, NULL, &g->l2_ring);
		if (rc < 0)
			return rc;
		rc = ring_flow_add(g->l2_ring, &key, &nobody, FLOW_RULE, &g->l2_flow);
		if (rc < 0) {
			ring_release(g->l2_ring);
			return rc;
		}
	}
	g->l2_users++;
	f->l2 = g;
	return 0;
}

static void
l2_put(struct udp_flow *f)
{
	struct mc_group *g = f->l2;

	if (g == NULL)
		return;
	f->l2 = NULL;
	if (--g->l2_users == 0) {
		ring_flow_del(g->l2_flow);
		ring_release(g->l2_ring);
	}
}

static unsigned int
flags_of(const struct cell *c, const struct udp_sock *owner)
{
	const struct ring_profile *p = ring_profile_get(owner->rx_alloc.profile);
	unsigned int flags = 0;

	if (c->kind == LOCAL_UNICAST ||
			(c->kind == LOCAL_MULTICAST && !conf()->eth_mc_l2_only_rules))
		flags |= FLOW_RULE;
	if (p != NULL && p->type == RING_PROFILE_CYCLIC)
		flags |= FLOW_CYCLIC;
	return flags;
}

/* The address that the ring is for when rings are by address. */
static const struct ip_addr *
ring_addr(const struct udp_flow *f)
{
	if (!ip_is_any(&f->key.local))
		return &f->key.local;
	return f->port->n_addrs != 0 ? &f->port->addrs[0].addr : NULL;
}

static int
flow_open(struct udp_flow *f, const struct cell *c, struct mc_group *group, struct sink *sink)
{
	int rc;

	f->flags = flags_of(c, f->owner);
	if (group != NULL && !(f->flags & FLOW_RULE) &&
			(f->port->caps.flow || f->port->caps.isolated)) {
		rc = l2_get(f, group);
		if (rc < 0)
			return rc;
	}
	rc = ring_acquire(f->port, RING_RX, &f->owner->rx_alloc, ring_addr(f), &f->ring);
	if (rc == 0) {
		rc = ring_flow_add(f->ring, &f->key, sink, f->flags, &f->flow);
		if (rc < 0)
			ring_release(f->ring);
	}
	if (rc < 0)
		l2_put(f);
	return rc;
}

static void
flow_close(struct udp_flow *f)
{
	ring_flow_del(f->flow);
	l2_put(f);
	fan_free(f->fan);
	if (f->old_ring != NULL)
		ring_release(f->old_ring);
	ring_release(f->ring);
	LIST_REMOVE(f, next);
	free(f);
}

/*
 * Put those behind the flow that are to be there. A fan is changed where it lies when it has room,
 * which it has when somebody leaves.
 */
static int
flow_sinks(struct udp_flow *f, const struct cell *c, const struct fan_entry *e, uint32_t n,
		struct sink **out)
{
	struct sink *single = n == 1 ? fan_single(c->kind, e) : NULL;
	struct fan *fan = f->fan, *old;

	if (single != NULL) {
		if (f->flow != NULL && f->flow->sink != single)
			ring_flow_set_sink(f->flow, single);
		f->fan = NULL;
		fan_free(fan);
		*out = single;
		return 0;
	}
	if (fan != NULL && fan->cap >= n) {
		ring_rx_lock(f->ring);
		fan_fill(fan, e, n);
		ring_rx_unlock(f->ring);
		*out = &fan->sink;
		return 0;
	}
	fan = fan_create(f->port, c->kind, RTE_MAX(n * 2, 4u));
	if (fan == NULL)
		return -ENOMEM;
	fan_fill(fan, e, n);
	old = f->fan;
	if (f->flow != NULL)
		ring_flow_set_sink(f->flow, &fan->sink);
	f->fan = fan;
	fan_free(old);
	*out = &fan->sink;
	return 0;
}

static bool
among(const struct udp_sock *s, const struct fan_entry *e, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (e[i].sock == s)
			return true;
	return false;
}

/* The socket that decides the ring of a new flow: the first that asks. */
static struct udp_sock *
asker(const struct cell *c, const struct port *port, const struct fan_entry *e, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (asks(&e[i], c, port))
			return e[i].sock;
	return NULL;
}

static struct udp_flow *
flow_at(const struct cell *c, const struct place *at)
{
	struct udp_flow *f;

	LIST_FOREACH (f, &c->flows, next)
		if (f->port == at->port && f->key.vlan_id == at->vlan_id)
			return f;
	return NULL;
}

static int
flow_new(struct cell *c, const struct place *at, struct udp_sock *owner, const struct fan_entry *e,
		uint32_t n)
{
	struct udp_flow *f = calloc(1, sizeof(*f));
	struct sink *sink;
	int rc;

	if (f == NULL)
		return -ENOMEM;
	f->port = at->port;
	f->owner = owner;
	f->wanted = true;
	f->key = (struct flow_key){ .local = c->kind == LOCAL_ANY ? no_addr : c->local,
		.remote = c->remote,
		.lport = c->lp->port,
		.rport = c->rport,
		.vlan_id = at->vlan_id,
		.proto = IPPROTO_UDP };
	rc = flow_sinks(f, c, e, n, &sink);
	if (rc == 0)
		rc = flow_open(f, c, at->group, sink);
	if (rc < 0) {
		fan_free(f->fan);
		free(f);
		return rc;
	}
	LIST_INSERT_HEAD(&c->flows, f, next);
	return 0;
}
/** @} */

/** @name Rings of a socket */
/** @{ */
static int
rings_add(struct ring ***rings, unsigned int *n, unsigned int *cap, struct ring *ring)
{
	struct ring **grown;

	for (unsigned int i = 0; i < *n; i++)
		if ((*rings)[i] == ring)
			return 0;
	if (*n == *cap) {
		grown = realloc(*rings, (*cap + 4) * sizeof(**rings));
		if (grown == NULL)
			return -ENOMEM;
		*rings = grown;
		*cap += 4;
	}
	(*rings)[(*n)++] = ring;
	return 0;
}

static int
rings_of_cell(const struct cell *c, const struct udp_sock *s, struct ring ***rings, unsigned int *n,
		unsigned int *cap)
{
	const struct udp_flow *f;
	int rc = 0;

	LIST_FOREACH (f, &c->flows, next) {
		if (!f->wanted || !device_fits(s, f->port, f->key.vlan_id))
			continue;
		if (rc == 0)
			rc = rings_add(rings, n, cap, f->ring);
		if (rc == 0 && f->l2 != NULL)
			rc = rings_add(rings, n, cap, f->l2->l2_ring);
	}
	return rc;
}

/* Poll what the flows now use. Without memory the socket polls nothing, and others must. */
static int
rings_update(struct udp_sock *s)
{
	struct ring **rings = NULL, **old;
	unsigned int n = 0, cap = 0;
	const struct cell *c;
	int rc = 0;

	if (s->cell != NULL && s->kind != LOCAL_ANY)
		rc = rings_of_cell(s->cell, s, &rings, &n, &cap);
	else if (s->cell != NULL)
		LIST_FOREACH (c, &s->cell->lp->cells, same_port)
			if (rc == 0 && c->rport == 0)
				rc = rings_of_cell(c, s, &rings, &n, &cap);
	if (rc < 0) {
		free(rings);
		rings = NULL;
		n = 0;
	}
	rte_spinlock_lock(&s->poll_lock);
	old = s->rings;
	s->rings = rings;
	s->rings_n = (uint16_t)n;
	rte_spinlock_unlock(&s->poll_lock);
	free(old);
	return rc;
}

void
flows_forget_rings(struct udp_sock *s)
{
	rte_spinlock_lock(&s->poll_lock);
	s->rings_n = 0;
	rte_spinlock_unlock(&s->poll_lock);
}

static int
rings_update_cell(const struct cell *c, struct outcome *o)
{
	struct udp_sock *s;
	int rc = 0, one;

	TAILQ_FOREACH (s, &c->socks, same_cell) {
		one = rings_update(s);
		if (s == o->sock)
			rc = one;
	}
	if (c->kind != LOCAL_ANY && c->lp->any != NULL && c->rport == 0)
		TAILQ_FOREACH (s, &c->lp->any->socks, same_cell) {
			one = rings_update(s);
			if (s == o->sock)
				rc = one;
		}
	return rc;
}
/** @} */

/** @name Renewal */
/** @{ */
static void
renew_place(struct cell *c, const struct place *at, struct outcome *o, bool *changed)
{
	struct fan_entry *e = c->lp->scratch;
	uint32_t n = candidates(c, at->port, at->vlan_id, e);
	struct udp_sock *owner = asker(c, at->port, e, n);
	struct udp_flow *f = flow_at(c, at);
	struct sink *sink;
	bool mine = false;
	int rc;

	if (owner == NULL)
		return;
	/* Where rules alone bring packets, the flow without address brings none. */
	if (o->sock != NULL && !(c->kind == LOCAL_ANY && at->port->caps.isolated))
		for (uint32_t i = 0; i < n; i++)
			mine |= e[i].sock == o->sock && asks(&e[i], c, at->port);
	if (f != NULL && f->flow == NULL) {
		flow_close(f);
		f = NULL;
	}
	if (f != NULL) {
		f->wanted = true;
		if (!among(f->owner, e, n))
			f->owner = owner;
		rc = flow_sinks(f, c, e, n, &sink);
	} else {
		rc = flow_new(c, at, owner, e, n);
		*changed |= rc == 0;
	}
	if (mine) {
		o->asked++;
		o->made += rc == 0;
	}
	if (rc < 0 && o->err == 0)
		o->err = rc;
}

/* First what is new; on return the flows that nobody wants are still there, but not wanted. */
static bool
renew_cell(struct cell *c, struct outcome *o)
{
	struct udp_flow *f;
	bool changed = false;

	c->dirty = false;
	LIST_FOREACH (f, &c->flows, next)
		f->wanted = false;
	places_list(c);
	for (unsigned int i = 0; i < places_n; i++)
		renew_place(c, &places[i], o, &changed);
	LIST_FOREACH (f, &c->flows, next)
		changed |= !f->wanted;
	return changed;
}

static void
sweep_cell(struct cell *c)
{
	struct udp_flow *f, *after;

	for (f = LIST_FIRST(&c->flows); f != NULL; f = after) {
		after = LIST_NEXT(f, next);
		if (!f->wanted)
			flow_close(f);
	}
	cell_put(c);
}

/* The socket wished for flows and got none, or memory is short: its caller goes back. */
static bool
failed(const struct outcome *o, int rc)
{
	return o->sock != NULL && (rc < 0 || (o->asked != 0 && o->made == 0));
}

/* A socket bound to any needs cells where its port and group flows can be. */
static int
cells_for_any(struct lport *lp)
{
	const struct udp_member *m;
	const struct udp_sock *s;
	unsigned int n = port_count();

	for (unsigned int i = 0; i < n; i++) {
		const struct port *port = port_get(i);

		if (!port->caps.flow && !port->caps.isolated)
			continue;
		for (unsigned int k = 0; k < port->n_addrs; k++)
			if (cell_get(lp, &port->addrs[k].addr, LOCAL_UNICAST, &no_addr, 0) == NULL)
				return -ENOMEM;
	}
	TAILQ_FOREACH (s, &lp->any->socks, same_cell)
		LIST_FOREACH (m, &s->members, next)
			if (cell_get(lp, &m->group->addr, LOCAL_MULTICAST, &no_addr, 0) == NULL)
				return -ENOMEM;
	return 0;
}

static int
renew_all(struct lport *lp, struct outcome *o)
{
	struct cell *c, *after;
	struct udp_sock *s;
	int rc = 0, one;

	if (lp->any != NULL)
		rc = cells_for_any(lp);
	LIST_FOREACH (c, &lp->cells, same_port)
		renew_cell(c, o);
	TAILQ_FOREACH (s, &lp->socks, same_port) {
		one = rings_update(s);
		if (s == o->sock && rc == 0)
			rc = one;
	}
	for (c = LIST_FIRST(&lp->cells); c != NULL && !failed(o, rc); c = after) {
		after = LIST_NEXT(c, same_port);
		sweep_cell(c);
	}
	return rc;
}

static int
renew_one(struct cell *c, struct outcome *o)
{
	int rc = 0;

	if (renew_cell(c, o))
		rc = rings_update_cell(c, o);
	else if (o->sock != NULL)
		rc = rings_update(o->sock);
	if (!failed(o, rc))
		sweep_cell(c);
	return rc;
}

int
flows_renew(struct lport *lp, struct udp_sock *s, const struct ip_addr *local)
{
	struct outcome o = { .sock = s };
	struct cell *c;
	struct cell *after;
	int rc = 0, one;

	if (local == NULL) {
		rc = renew_all(lp, &o);
	} else {
		if (ip_is_multicast(local) && lp->any != NULL &&
				cell_get(lp, local, LOCAL_MULTICAST, &no_addr, 0) == NULL)
			rc = -ENOMEM;
		/* Connected sockets may be in cells of their own at the same address. */
		for (c = LIST_FIRST(&lp->cells); c != NULL; c = after) {
			after = LIST_NEXT(c, same_port);
			if (!ip_equal(&c->local, local) || (c->rport != 0 && !c->dirty))
				continue;
			one = renew_one(c, &o);
			if (rc == 0)
				rc = one;
		}
	}
	if (s == NULL)
		return 0;
	if (rc < 0)
		return rc;
	return failed(&o, 0) ? o.err : 0;
}
/** @} */

struct udp_flow *
flows_find(const struct lport *lp, const struct port *port, const struct ip_addr *addr)
{
	struct cell *c = cell_find(lp, addr, &no_addr, 0);
	struct udp_flow *f;

	for (unsigned int pass = 0; pass < 2; pass++, c = lp->any) {
		if (c != NULL)
			LIST_FOREACH (f, &c->flows, next)
				if (f->port == port)
					return f;
	}
	return NULL;
}

/** @name Migration */
/** @{ */
/* The flow becomes a cyclic reader's, or stops being one: that takes a new one. */
static int
flow_replace(struct udp_flow *f, const struct cell *c, struct ring *to)
{
	unsigned int flags = flags_of(c, f->owner);
	struct sink *sink = f->flow->sink;
	int rc;

	ring_flow_del(f->flow);
	rc = ring_flow_add(to, &f->key, sink, flags, &f->flow);
	if (rc == 0)
		f->flags = flags;
	else if (ring_flow_add(f->ring, &f->key, sink, f->flags, &f->flow) < 0)
		f->flow = NULL;
	return rc;
}

static int
flow_migrate(struct udp_flow *f, const struct cell *c)
{
	struct ring *to, *from = f->ring;
	int rc = ring_acquire(f->port, RING_RX, &f->owner->rx_alloc, ring_addr(f), &to);

	if (rc < 0)
		return rc;
	if (flags_of(c, f->owner) != f->flags)
		rc = flow_replace(f, c, to);
	else if (to != from)
		rc = ring_flow_move(f->flow, to);
	if (rc < 0 || to == from) {
		ring_release(to);
		return rc;
	}
	f->ring = to;
	ring_rx_lock(to);
	STAT_INC(&to->stats, RING, migrations);
	ring_rx_unlock(to);
	if (f->old_ring != NULL)
		ring_release(f->old_ring);
	f->old_ring = from;
	return 0;
}

static int
cell_migrate(struct cell *c, struct udp_sock *s, bool *moved)
{
	struct outcome o = { .sock = s };
	struct udp_flow *f;
	int rc = 0, one;

	LIST_FOREACH (f, &c->flows, next) {
		if (f->owner != s)
			continue;
		one = flow_migrate(f, c);
		*moved = true;
		if (one < 0)
			rc = one;
	}
	if (*moved)
		rings_update_cell(c, &o);
	return rc;
}

int
flows_migrate(struct udp_sock *s)
{
	struct ring *old[8];
	unsigned int n;
	struct cell *c;
	bool moved = false;
	int rc = 0, one;

	if (s->cell == NULL)
		return 0;
	n = RTE_MIN(udp_rings(s, old, RTE_DIM(old)), RTE_DIM(old));
	if (s->kind != LOCAL_ANY) {
		rc = cell_migrate(s->cell, s, &moved);
	} else {
		LIST_FOREACH (c, &s->cell->lp->cells, same_port) {
			one = cell_migrate(c, s, &moved);
			if (one < 0)
				rc = one;
		}
	}
	/* What waits in the rings it leaves is handed over now. They live on as old_ring. */
	for (unsigned int i = 0; moved && i < n; i++)
		net_poll(old[i]);
	return rc;
}
/** @} */

/** @name Ports that change */
/** @{ */
void
flows_note_change(struct port *port, void *ctx)
{
	(void)port;
	(void)ctx;
	__atomic_store_n(&flows_stale, true, __ATOMIC_RELEASE);
}

static void
follow(struct lport *lp)
{
	struct outcome o = { 0 };
	int rc = renew_all(lp, &o);

	if (rc == 0)
		rc = o.err;
	if (rc < 0)
		LOG_WARNING("UDP port %u: not all flows could be made on the addresses that came: "
			    "%s",
				rte_be_to_cpu_16(lp->port), strerror(-rc));
}

void
udp_progress(void)
{
	if (!__atomic_load_n(&flows_stale, __ATOMIC_RELAXED))
		return;
	control_lock();
	/* Cleared first: a change that comes meanwhile is seen the next time. */
	if (__atomic_exchange_n(&flows_stale, false, __ATOMIC_ACQ_REL))
		lport_foreach(follow);
	control_unlock();
}
/** @} */
