/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One flow of a cell on one port: made, given another sink, taken away.
 */
#include <stdlib.h>

#include "conf/conf.h"
#include "udp/flow_priv.h"

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
flow_open(struct udp_flow *f, const struct cell *c, struct mc_group *group, struct sink *sink)
{
	int rc;

	f->flags = flow_flags(c, f->owner);
	if (group != NULL && !(f->flags & FLOW_RULE) &&
			(f->port->caps.flow || f->port->caps.isolated)) {
		rc = l2_get(f, group);
		if (rc < 0)
			return rc;
	}
	rc = ring_acquire(f->port, RING_RX, &f->owner->rx_alloc, flow_ring_addr(f), &f->ring);
	if (rc == 0) {
		rc = ring_flow_add(f->ring, &f->key, sink, f->flags, &f->flow);
		if (rc < 0)
			ring_release(f->ring);
	}
	if (rc < 0)
		l2_put(f);
	return rc;
}

void
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
	struct udp_flow *f;

	LIST_FOREACH (f, &c->flows, next)
		if (f->port == at->port && f->key.vlan_id == at->vlan_id)
			return f;
	return NULL;
}

int
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
	f->key = (struct flow_key){ .local = c->kind == LOCAL_ANY ? cell_no_addr : c->local,
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
