/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that end, many at once: no ring knows them afterwards, and nobody is in the middle of
 * delivering to them. A ring's lock is taken once for all of a batch, whatever the ring knows of
 * them: who looks at a mark in this moment may have come by their address. A flow whose rule a
 * queue of the device removes is freed, and its mark used again, when that is done.
 */
#include <stdlib.h>

#include "ring/ring_priv.h"

/* So that a ring is not locked for long. */
#define BATCH 64

void
plain_gone(struct ring *ring)
{
	ring->plain_flows--;
	ring->plain_late = true;
}

static void
forget_at(struct ring *ring, struct flow_ctl *const *flows, unsigned int n)
{
	ring_rx_lock(ring);
	for (unsigned int i = 0; i < n; i++) {
		struct flow_ctl *f = flows[i];

		if (f->wide || f->flow.ring == ring)
			flow_table_del(ring->flows, &f->flow);
		if (f->flow.ring != ring)
			continue;
		if (f->flow.in_device && f->flow.spread == NULL)
			STAT_ADD(&ring->stats, RING, rules, UINT64_MAX);
		if (f->plain)
			plain_gone(ring);
	}
	ring_rx_unlock(ring);
}

void
flow_free(struct ring_port *rp, struct flow_ctl *f)
{
	TAILQ_REMOVE(&rp->ending, f, next);
	mark_put(rp, f->flow.mark);
	free(f->refused);
	free(f);
}

void
flows_forget(struct ring_port *rp, struct flow_ctl *const *flows, unsigned int n)
{
	struct ring_ctl *ctl;

	for (unsigned int i = 0; i < n; i++) {
		struct flow_ctl *f = flows[i];

		if (f->flow.spread != NULL)
			spread_leave(rp, f);
		TAILQ_REMOVE(&rp->flows, f, next);
		TAILQ_INSERT_TAIL(&rp->ending, f, next);
		if (f->flow.rule != NULL)
			rule_destroy(rp, f, f->flow.rule, f->table, true);
		flow_table_del(rp->all, &f->flow);
		__atomic_store_n(&rp->by_mark[f->flow.mark], NULL, __ATOMIC_RELEASE);
	}
	TAILQ_FOREACH (ctl, &rp->rings, next)
		forget_at(&ctl->ring, flows, n);
	for (unsigned int i = 0; i < n; i++) {
		if (flows[i]->flow.spread != NULL)
			spread_free(rp, flows[i]);
		flows[i]->forgotten = true;
		if (flows[i]->ops == 0)
			flow_free(rp, flows[i]);
	}
	rule_settle(rp, false);
}

void
ring_flow_del_many(struct flow *const *flows, unsigned int n)
{
	struct flow_ctl *batch[BATCH];
	struct ring_port *rp = NULL;
	unsigned int in = 0;

	table_lock();
	for (unsigned int i = 0; i < n; i++) {
		if (flows[i] == NULL)
			continue;
		if (in == BATCH || (in > 0 && ring_ctl(flows[i]->ring)->owner != rp)) {
			flows_forget(rp, batch, in);
			in = 0;
		}
		rp = ring_ctl(flows[i]->ring)->owner;
		batch[in++] = flow_ctl(flows[i]);
	}
	if (in > 0)
		flows_forget(rp, batch, in);
	table_unlock();
}

void
ring_flow_del(struct flow *flow)
{
	ring_flow_del_many(&flow, 1);
}

static void
settle(struct ring_port *rp)
{
	rule_settle(rp, false);
}

bool
ring_flow_settle(void)
{
	if (__atomic_load_n(&rules_under_way, __ATOMIC_RELAXED) == 0)
		return false;
	table_lock();
	table_foreach_port(settle);
	table_unlock();
	return __atomic_load_n(&rules_under_way, __ATOMIC_RELAXED) != 0;
}
