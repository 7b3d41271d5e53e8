/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rings that a socket polls, which are those of its flows; and migration, when its allocation
 * logic names others.
 */
#include <stdlib.h>

#include "udp/flow_priv.h"

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
		if (!f->wanted || !cell_device_fits(s, f->port, f->key.vlan_id) ||
				!leg_serves(f, s))
			continue;
		/* Where rules alone bring packets, the flow without address brings none. */
		if (c->kind == LOCAL_ANY && f->port->caps.isolated && legs_on_port(s, f->port))
			continue;
		if (rc == 0)
			rc = rings_add(rings, n, cap, f->ring);
		if (rc == 0 && f->l2 != NULL)
			rc = rings_add(rings, n, cap, f->l2->l2_ring);
	}
	return rc;
}

/* Poll what the flows now use. Without memory the socket polls nothing, and others must. */
int
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
	if (s->wake != NULL)
		s->wake(s->wake_ctx, NULL, RING_CHANGED);
	return rc;
}

static void
show_cell(const struct cell *c, const struct udp_sock *s, void (*cb)(struct flow *flow, void *ctx),
		void *ctx)
{
	const struct udp_flow *f;

	LIST_FOREACH (f, &c->flows, next)
		if (f->flow != NULL && cell_device_fits(s, f->port, f->key.vlan_id) &&
				leg_serves(f, s))
			cb(f->flow, ctx);
}

void
udp_foreach_flow(struct udp_sock *s, void (*cb)(struct flow *flow, void *ctx), void *ctx)
{
	const struct cell *c;

	control_lock();
	if (s->cell != NULL && s->kind != LOCAL_ANY)
		show_cell(s->cell, s, cb, ctx);
	else if (s->cell != NULL)
		LIST_FOREACH (c, &s->cell->lp->cells, same_port)
			if (c->rport == 0)
				show_cell(c, s, cb, ctx);
	control_unlock();
}

void
flows_forget_rings(struct udp_sock *s)
{
	rte_spinlock_lock(&s->poll_lock);
	s->rings_n = 0;
	rte_spinlock_unlock(&s->poll_lock);
	if (s->wake != NULL)
		s->wake(s->wake_ctx, NULL, RING_CHANGED);
}

int
rings_update_cell(const struct cell *c, const struct udp_sock *sock)
{
	struct udp_sock *s;
	int rc = 0, one;

	TAILQ_FOREACH (s, &c->socks, same_cell) {
		one = rings_update(s);
		if (s == sock)
			rc = one;
	}
	if (c->kind != LOCAL_ANY && c->lp->any != NULL && c->rport == 0)
		TAILQ_FOREACH (s, &c->lp->any->socks, same_cell) {
			one = rings_update(s);
			if (s == sock)
				rc = one;
		}
	return rc;
}

/* The flow becomes a cyclic reader's, or stops being one: that takes a new one. */
static int
flow_replace(struct udp_flow *f, const struct cell *c, struct ring *to)
{
	unsigned int flags = flow_flags(c, f->owner);
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

/* The flow goes to the ring, whose reference is taken. */
static int
flow_migrate(struct udp_flow *f, const struct cell *c, struct ring *to)
{
	struct ring *from = f->ring;
	int rc = 0;

	if (((flow_flags(c, f->owner) ^ f->flags) & FLOW_CYCLIC) != 0)
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

static struct udp_seat *
seat_on(struct udp_sock *s, const struct udp_flow *f)
{
	struct udp_seat *seat;

	LIST_FOREACH (seat, &s->seats, of_sock)
		if (seat->leg == f)
			return seat;
	return NULL;
}

/* What a socket's logic names for one of its flows: the flow goes there, or its seat. */
static int
migrate_one(struct udp_flow *f, const struct cell *c, struct udp_sock *s, bool *reseated)
{
	struct udp_seat *seat = seat_on(s, f);
	struct ring *to;
	int rc = ring_acquire(f->port, RING_RX, &s->rx_alloc, flow_ring_addr(f), &to);

	if (rc < 0)
		return rc;
	if (seat != NULL && to != f->ring && seat_migrate(seat, to, &rc)) {
		*reseated = true;
		return rc;
	}
	return flow_migrate(f, c, to);
}

static int
cell_migrate(struct cell *c, struct udp_sock *s, bool *moved)
{
	struct udp_flow *f, *after;
	bool reseated = false;
	int rc = 0, one;

	/* New legs come at the head. */
	for (f = LIST_FIRST(&c->flows); f != NULL; f = after) {
		after = LIST_NEXT(f, next);
		if (f->owner != s && seat_on(s, f) == NULL)
			continue;
		one = migrate_one(f, c, s, &reseated);
		*moved = true;
		if (one < 0)
			rc = one;
	}
	if (reseated)
		flows_renew_cell(c);
	else if (*moved)
		rings_update_cell(c, s);
	return rc;
}

int
flows_migrate(struct udp_sock *s)
{
	struct ring *old[8];
	unsigned int n;
	struct cell *c, *after;
	bool moved = false;
	int rc = 0, one;

	if (s->cell == NULL)
		return 0;
	n = RTE_MIN(udp_rings(s, old, RTE_DIM(old)), RTE_DIM(old));
	if (s->kind != LOCAL_ANY) {
		rc = cell_migrate(s->cell, s, &moved);
	} else {
		for (c = LIST_FIRST(&s->cell->lp->cells); c != NULL; c = after) {
			/* one without a flow left goes */
			after = LIST_NEXT(c, same_port);
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
