/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets that share a number by SO_REUSEPORT, on several rings: a leg of the flow on each ring
 * that one of them has by its allocation logic. The device, or software where it does not, chooses
 * the leg (FLOW_SPREAD), the fan behind it one of the sockets with a seat there. Each fan knows all
 * sockets of the address, so that a connected one has its own wherever it arrives.
 *
 * A seat is kept until the socket leaves its cell or migrates: whoever comes or goes moves no
 * other. Its ring is asked for when it binds, as the logic may go by who calls. A number has one
 * leg, as ever, while one ring is all that its sockets have, where a cyclic reader has the flow,
 * and where the socket that is offered unicast first does not share it.
 */
#include <stdlib.h>

#include "udp/flow_priv.h"

static bool
varies(const struct udp_sock *s)
{
	return s->rx_alloc.logic >= CONF_RING_PER_SOCKET;
}

bool
legs_any_spreads(const struct lport *lp)
{
	const struct udp_sock *s;
	unsigned int sharing = 0;
	bool different = false;

	if (lp->any == NULL)
		return false;
	TAILQ_FOREACH (s, &lp->any->socks, same_cell) {
		if (s->connected || !s->opt.reuse_port)
			continue;
		sharing++;
		different |= varies(s);
	}
	return sharing > 1 && different;
}

struct udp_flow *
leg_of(const struct udp_sock *s, const struct cell *c, const struct port *port, uint16_t vlan_id)
{
	const struct udp_seat *seat;

	LIST_FOREACH (seat, &s->seats, of_sock)
		if (seat->leg->cell == c && seat->leg->port == port &&
				seat->leg->key.vlan_id == vlan_id)
			return seat->leg;
	return NULL;
}

bool
legs_on_port(const struct udp_sock *s, const struct port *port)
{
	const struct udp_seat *seat;

	LIST_FOREACH (seat, &s->seats, of_sock)
		if (seat->leg->port == port && seat->leg->wanted)
			return true;
	return false;
}

bool
leg_serves(const struct udp_flow *f, const struct udp_sock *s)
{
	const struct udp_flow *leg = leg_of(s, f->cell, f->port, f->key.vlan_id);

	if (leg == NULL || leg == f || !leg->wanted || f->flow == NULL)
		return true;
	/* All of the group's arrive at one of the rings, which hands over: whoever waits turns it.
	 */
	return (f->flow->flags & FLOW_SOFT) != 0 && f->flow->in_device;
}

bool
leg_has_twin(const struct udp_flow *f)
{
	const struct udp_flow *other;

	LIST_FOREACH (other, &f->cell->flows, next)
		if (other != f && other->flow != NULL && other->port == f->port &&
				other->key.vlan_id == f->key.vlan_id)
			return true;
	return false;
}

static void
seat_put(struct udp_seat *seat, struct udp_sock *s, struct udp_flow *leg)
{
	seat->sock = s;
	seat->leg = leg;
	LIST_INSERT_HEAD(&s->seats, seat, of_sock);
	LIST_INSERT_HEAD(&leg->seats, seat, of_leg);
}

static void
seat_free(struct udp_seat *seat)
{
	LIST_REMOVE(seat, of_sock);
	LIST_REMOVE(seat, of_leg);
	free(seat);
}

void
seats_leave(struct udp_sock *s)
{
	while (!LIST_EMPTY(&s->seats))
		seat_free(LIST_FIRST(&s->seats));
}

void
seats_clear(struct udp_flow *f)
{
	while (!LIST_EMPTY(&f->seats))
		seat_free(LIST_FIRST(&f->seats));
}

/* One that it has on the port already, for whoever calls is perhaps not who reads it. */
static int
seat_ring(const struct cell *c, const struct place *at, struct udp_sock *s, struct ring **ring)
{
	const struct udp_seat *seat;
	const struct udp_flow *f;

	*ring = NULL;
	LIST_FOREACH (seat, &s->seats, of_sock)
		if (seat->leg->port == at->port)
			*ring = seat->leg->ring;
	if (*ring == NULL && s->kind == LOCAL_ANY)
		LIST_FOREACH (f, &s->cell->flows, next)
			if (f->port == at->port && f->owner == s)
				*ring = f->ring;
	if (*ring == NULL)
		return ring_acquire(at->port, RING_RX, &s->rx_alloc, &c->local, ring);
	ring_hold(*ring);
	return 0;
}

static struct udp_flow *
leg_on(const struct cell *c, const struct place *at, const struct ring *ring)
{
	struct udp_flow *f;

	LIST_FOREACH (f, &c->flows, next)
		if (flow_is_at(f, at) && f->ring == ring)
			return f;
	return NULL;
}

/* The leg of a ring, whose reference is taken; the flow that is there when there can be no other.
 */
static struct udp_flow *
leg_get(struct cell *c, const struct place *at, struct udp_sock *s, struct ring *ring,
		const struct fan_entry *e, uint32_t n, struct udp_flow *keep, bool *changed)
{
	struct udp_flow *leg = leg_on(c, at, ring);

	if (leg != NULL) {
		ring_release(ring);
		return leg;
	}
	if (flow_new(c, at, s, ring, e, n, &leg) < 0)
		return keep;
	*changed = true;
	return leg;
}

static struct udp_flow *
seat_get(struct cell *c, const struct place *at, struct udp_sock *s, const struct fan_entry *e,
		uint32_t n, struct udp_flow *keep, bool *changed)
{
	struct udp_flow *leg = leg_of(s, c, at->port, at->vlan_id), *f;
	struct udp_seat *seat;
	struct ring *ring;

	if (leg != NULL)
		return leg;
	seat = malloc(sizeof(*seat));
	if (seat == NULL)
		return NULL;
	LIST_FOREACH (f, &c->flows, next)
		if (flow_is_at(f, at) && f->owner == s)
			leg = f;
	if (leg == NULL) {
		if (seat_ring(c, at, s, &ring) < 0)
			leg = keep;
		else
			leg = leg_get(c, at, s, ring, e, n, keep, changed);
		*changed |= leg != keep;
	}
	seat_put(seat, s, leg);
	return leg;
}

static bool
may_spread(const struct cell *c, const struct fan_entry *e, uint32_t n, const struct udp_flow *keep)
{
	if ((keep->flags & FLOW_SPREAD) == 0)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (e[i].shares && (flow_flags(c, e[i].sock) & FLOW_CYCLIC) != 0)
			return false;
	return true;
}

/* The one that migrates with a leg is one of those that have it. */
static void
renew_owners(struct cell *c, const struct place *at, const struct fan_entry *e, uint32_t n)
{
	struct udp_flow *f;

	LIST_FOREACH (f, &c->flows, next)
		f->owned = flow_is_at(f, at) && f->wanted && !LIST_EMPTY(&f->seats) &&
				leg_of(f->owner, c, f->port, f->key.vlan_id) == f &&
				flow_among(f->owner, e, n);
	for (uint32_t i = 0; i < n; i++) {
		f = e[i].shares ? leg_of(e[i].sock, c, at->port, at->vlan_id) : NULL;
		if (f == NULL || f->owned)
			continue;
		f->owner = e[i].sock;
		f->owned = true;
	}
}

void
legs_renew(struct cell *c, const struct place *at, struct fan_entry *e, uint32_t n,
		struct udp_flow *keep, bool *changed)
{
	uint32_t sharing = 0;
	struct udp_flow *f, *first = NULL;
	bool spreads = may_spread(c, e, n, keep);

	for (uint32_t i = 0; i < n; i++)
		sharing += e[i].shares;
	for (uint32_t i = 0; spreads && i < n; i++) {
		if (!e[i].shares)
			continue;
		/* One alone goes on where it is. */
		f = sharing > 1 ? seat_get(c, at, e[i].sock, e, n, keep, changed)
				: leg_of(e[i].sock, c, at->port, at->vlan_id);
		e[i].leg = f;
		if (f == NULL)
			continue;
		f->wanted = true;
		if (first == NULL)
			first = f;
	}
	if (first == NULL) {
		first = keep;
		keep->wanted = true;
	}
	for (uint32_t i = 0; i < n; i++)
		if (e[i].leg == NULL)
			e[i].leg = first;
	renew_owners(c, at, e, n);
}

bool
seat_migrate(struct udp_seat *seat, struct ring *to, int *rc)
{
	struct udp_flow *from = seat->leg, *leg;
	struct udp_sock *s = seat->sock;
	struct cell *c = from->cell;
	struct place at = { .port = from->port, .vlan_id = from->key.vlan_id };
	struct fan_entry *e = c->lp->scratch;
	uint32_t n = cell_candidates(c, at.port, at.vlan_id, e);
	bool changed;

	if (LIST_NEXT(LIST_FIRST(&from->seats), of_leg) == NULL && leg_on(c, &at, to) == NULL)
		return false;
	fan_mark(e, n);
	leg = leg_get(c, &at, s, to, e, n, NULL, &changed);
	if (leg == NULL) {
		*rc = -EEXIST;
		return true;
	}
	LIST_REMOVE(seat, of_sock);
	LIST_REMOVE(seat, of_leg);
	seat_put(seat, s, leg);
	/* Somebody may sleep on the ring that it had. */
	ring_hold(from->ring);
	if (leg->old_ring != NULL)
		ring_release(leg->old_ring);
	leg->old_ring = from->ring;
	ring_rx_lock(leg->ring);
	STAT_INC(&leg->ring->stats, RING, migrations);
	ring_rx_unlock(leg->ring);
	return true;
}
