/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams that are not the socket's yet: with staging on, a delivery appends to a list of its own
 * and tells; somebody without a lock takes a batch from there, judges it, and settles: what passed
 * goes into the queue, in order, the rest is his. Both lists count against SO_RCVBUF, and so does
 * the batch that is being judged.
 *
 * One batch at a time is out: who takes sees to that.
 */
#include <stdlib.h>

#include "udp/udp_priv.h"

/* What fits of a run, as bytes. The lock is held. */
static __rte_noinline uint16_t
fitting(struct rte_mbuf **pkts, uint16_t n, uint32_t room, uint32_t *bytes)
{
	uint16_t fit = 0;

	for (*bytes = 0; fit < n && *bytes < room; fit++)
		*bytes += pkts[fit]->pkt_len + UDP_PACKET_CHARGE;
	return fit;
}

uint16_t
stage_append(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n,
		uint32_t bytes, uint32_t limit)
{
	struct udp_stage *st = &s->stage;
	uint32_t used = s->bytes + st->bytes;
	uint16_t fit = n;

	if (unlikely(used + bytes > limit)) {
		fit = fitting(pkts, n, used < limit ? limit - used : 0, &bytes);
		STAT_ADD(&s->stats, SOCK, rx_drop_full, n - fit);
		if (fit == 0)
			return 0;
	}
	if (likely(st->n == st->front_n && st->n + fit <= STAGE_FRONT && st->front != NULL)) {
		memcpy(st->front + st->n, pkts, fit * sizeof(*pkts));
		st->front_n += fit;
	} else {
		if (st->n == st->front_n)
			st->first = pkts[0];
		else
			*ring_mbuf_link(st->last) = pkts[0];
		st->last = pkts[fit - 1];
	}
	st->bytes += bytes;
	st->n += fit;
	if (st->n == fit && !st->ending)
		st->staged(s->wake_ctx, ring);
	return fit;
}

/* One list of all. The lock is held. */
static void
join(struct udp_stage *st)
{
	bool more = st->n != st->front_n;

	for (uint32_t i = st->front_n; i-- > 0;) {
		if (i + 1 < st->front_n)
			*ring_mbuf_link(st->front[i]) = st->front[i + 1];
		else if (more)
			*ring_mbuf_link(st->front[i]) = st->first;
		else
			st->last = st->front[i];
	}
	if (st->front_n != 0)
		st->first = st->front[0];
	st->front_n = 0;
}

/* All of it goes into the queue, and what comes from now on does. The lock is held. */
static void
end(struct udp_sock *s)
{
	struct udp_stage *st = &s->stage;

	s->head.checks &= (uint8_t)~CHECK_STAGE;
	join(st);
	if (st->n != 0)
		queue_splice(s, st->first, st->last, st->n, st->bytes);
	st->n = st->bytes = 0;
	st->ending = false;
}

void
udp_set_stage(struct udp_sock *s, udp_staged_cb staged)
{
	struct rte_mbuf **front = NULL;

	/* without it the links have to do */
	if (staged != NULL && s->stage.front == NULL)
		front = malloc(STAGE_FRONT * sizeof(*front));
	rte_spinlock_lock(&s->queue_lock);
	if (front != NULL && s->stage.front == NULL) {
		s->stage.front = front;
		front = NULL;
	}
	if (staged != NULL) {
		s->stage.staged = staged;
		s->stage.ending = false;
		s->head.checks |= CHECK_STAGE;
		/* what came while it was ending was not told of */
		if (s->stage.n != 0)
			staged(s->wake_ctx, NULL);
	} else if (s->head.checks & CHECK_STAGE) {
		/* what is being judged comes before the rest: then its settling ends it */
		if (s->stage.out != 0)
			s->stage.ending = true;
		else
			end(s);
	}
	rte_spinlock_unlock(&s->queue_lock);
	free(front);
}

/* Of those that are linked; where the next batch begins is known once this one was walked. */
static void
walk(struct udp_stage *st, struct rte_mbuf **pkts, unsigned int n)
{
	struct rte_mbuf *m = st->first;

	for (unsigned int i = 0; i < n; i++) {
		pkts[i] = m;
		if (i + 1 < n || st->n != 0)
			m = *ring_mbuf_link(m);
	}
	st->first = m;
}

unsigned int
udp_stage_take(struct udp_sock *s, struct rte_mbuf **pkts, unsigned int n)
{
	struct udp_stage *st = &s->stage;
	unsigned int fast;

	rte_spinlock_lock(&s->queue_lock);
	n = RTE_MIN(n, st->n);
	st->n -= n;
	st->out = n;
	fast = RTE_MIN(n, st->front_n);
	if (likely(fast != 0)) {
		memcpy(pkts, st->front, fast * sizeof(*pkts));
		st->front_n -= fast;
		if (unlikely(st->front_n != 0))
			memmove(st->front, st->front + fast, st->front_n * sizeof(*pkts));
	}
	if (unlikely(n != fast))
		walk(st, pkts + fast, n - fast);
	rte_spinlock_unlock(&s->queue_lock);
	return n;
}

void
udp_stage_settle(struct udp_sock *s, struct rte_mbuf **passed, unsigned int n, uint32_t bytes)
{
	struct udp_stage *st = &s->stage;
	uint32_t queued = n * UDP_PACKET_CHARGE;

	for (unsigned int i = 0; i < n; i++) {
		queued += passed[i]->pkt_len;
		if (i + 1 < n)
			*ring_mbuf_link(passed[i]) = passed[i + 1];
	}
	rte_spinlock_lock(&s->queue_lock);
	st->bytes -= bytes + st->out * UDP_PACKET_CHARGE;
	st->gone += st->out - n;
	st->gone_bytes += bytes + n * UDP_PACKET_CHARGE - queued;
	st->out = 0;
	if (n != 0)
		queue_splice(s, passed[0], passed[n - 1], (uint16_t)n, queued);
	if (unlikely(st->ending))
		end(s);
	rte_spinlock_unlock(&s->queue_lock);
}
