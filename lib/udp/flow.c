/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One flow of a cell on one port: made, given another sink, taken away.
 */
#include <stdlib.h>

#include "conf/conf.h"
#include "udp/flow_priv.h"

/* Turns of a ring that loses its last flow of a group: more than its queue holds bursts. */
#define DRAIN_MAX 1024

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

unsigned int
flow_flags(const struct cell *c, const struct udp_sock *owner)
{
	const struct ring_profile *p = ring_profile_get(owner->rx_alloc.profile);
	unsigned int flags = 0;

	if (c->kind == LOCAL_UNICAST ||
			(c->kind == LOCAL_MULTICAST && !conf()->eth_mc_l2_only_rules))
		flags |= FLOW_RULE;
	if (p != NULL && p->type == RING_PROFILE_CYCLIC)
		flags |= FLOW_CYCLIC;
	else if (c->kind == LOCAL_UNICAST && c->rport == 0 && owner->opt.reuse_port &&
			owner->rx_alloc.logic >= CONF_RING_PER_SOCKET)
		flags |= FLOW_SPREAD;
	return flags;
}

/* The address that the ring is for when rings are by address. */
const struct ip_addr *
flow_ring_addr(const struct udp_flow *f)
{
	if (!ip_is_any(&f->key.local))
		return &f->key.local;
	return f->port->n_addrs != 0 ? &f->port->addrs[0].addr : NULL;
}

static int
flow_open(struct udp_flow *f, const struct cell *c, struct mc_group *group, struct ring *ring,
		struct sink *sink)
{
	int rc = 0;

	f->flags = flow_flags(c, f->owner);
	if (group != NULL && !(f->flags & FLOW_RULE) &&
			(f->port->caps.flow || f->port->caps.isolated)) {
		rc = l2_get(f, group);
		if (rc < 0)
			return rc;
	}
	f->ring = ring;
	if (ring == NULL)
		rc = ring_acquire(
				f->port, RING_RX, &f->owner->rx_alloc, flow_ring_addr(f), &f->ring);
	if (rc == 0) {
		rc = ring_flow_add(f->ring, &f->key, sink, f->flags, &f->flow);
		if (rc < 0 && ring == NULL)
			ring_release(f->ring);
	}
	if (rc < 0)
		l2_put(f);
	return rc;
}

/* Nothing comes here any more, and what did is for those that are left. */
static void
drain(struct ring *ring)
{
	for (unsigned int i = 0; i < DRAIN_MAX && net_poll(ring) != 0; i++)
		;
}

void
flow_close(struct udp_flow *f)
{
	ring_flow_del(f->flow);
	if (f->flow != NULL && leg_has_twin(f))
		drain(f->ring);
	seats_clear(f);
	l2_put(f);
	fan_free(f->fan);
	if (f->old_ring != NULL)
		ring_release(f->old_ring);
	ring_release(f->ring);
	LIST_REMOVE(f, next);
	free(f);
}

/* One that has all that this ring brings needs nobody who chooses. */
static struct sink *
fan_sink(struct fan *fan)
{
	if (fan->kind == LOCAL_UNICAST && fan->spread == 1 && fan->open == fan->n)
		return &fan->e[0].sock->sink;
	return &fan->sink;
}

/*
 * Put those behind the flow that are to be there. A fan is changed where it lies when it has room,
 * which it has when somebody leaves.
 */
int
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
		fan_fill(fan, e, n, f);
		ring_rx_unlock(f->ring);
		*out = fan_sink(fan);
		if (f->flow != NULL && f->flow->sink != *out)
			ring_flow_set_sink(f->flow, *out);
		return 0;
	}
	fan = fan_create(f->port, c->kind, RTE_MAX(n * 2, 4u));
	if (fan == NULL)
		return -ENOMEM;
	fan_fill(fan, e, n, f);
	*out = fan_sink(fan);
	old = f->fan;
	if (f->flow != NULL)
		ring_flow_set_sink(f->flow, *out);
	f->fan = fan;
	fan_free(old);
	return 0;
}

bool
flow_among(const struct udp_sock *s, const struct fan_entry *e, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (e[i].sock == s)
			return true;
	return false;
}

/* The socket that decides the ring of a new flow: the first that asks. */
struct udp_sock *
flow_asker(const struct cell *c, const struct port *port, const struct fan_entry *e, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (cell_asks(&e[i], c, port))
			return e[i].sock;
	return NULL;
}

struct udp_flow *
flow_at(const struct cell *c, const struct place *at)
{
	struct udp_flow *f, *first = NULL;

	LIST_FOREACH (f, &c->flows, next)
		if (flow_is_at(f, at))
			first = f;
	return first;
}

static struct udp_flow *
flow_alloc(struct cell *c, const struct place *at, struct udp_sock *owner)
{
	struct udp_flow *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->cell = c;
	LIST_INIT(&f->seats);
	f->port = at->port;
	f->owner = owner;
	f->wanted = true;
	f->key = (struct flow_key){ .local = c->kind == LOCAL_ANY ? cell_no_addr : c->local,
		.remote = c->remote,
		.lport = c->lp->port,
		.rport = c->rport,
		.vlan_id = at->vlan_id,
		.proto = IPPROTO_UDP };
	return f;
}

int
flow_new(struct cell *c, const struct place *at, struct udp_sock *owner, struct ring *ring,
		const struct fan_entry *e, uint32_t n, struct udp_flow **out)
{
	struct udp_flow *f = flow_alloc(c, at, owner);
	struct sink *sink;
	int rc = f != NULL ? flow_sinks(f, c, e, n, &sink) : -ENOMEM;

	if (rc == 0)
		rc = flow_open(f, c, at->group, ring, sink);
	if (rc < 0) {
		if (ring != NULL)
			ring_release(ring);
		if (f != NULL)
			fan_free(f->fan);
		free(f);
		return rc;
	}
	LIST_INSERT_HEAD(&c->flows, f, next);
	*out = f;
	return 0;
}
