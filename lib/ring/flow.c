/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows on the control path: who takes the packets of a key, in the device where it steers, in the
 * tables of the rings where it does not. Lookups are flow_table.c's, rules are rule.c's, marks are
 * mark.c's; how flows end is in flow_end.c.
 *
 * Which rings know a flow. One that a rule steers is known to the ring the rule leads to, and to
 * those it led to before it moved, since their queues may hold packets yet. One that no rule steers
 * can arrive anywhere, so every ring of the port knows it, those made later too. Whoever receives a
 * packet for another ring's flow hands it over.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "ring/ring_priv.h"

#define REFUSALS_MS 1000 /* between two lines about them */

/* The rings of a port that restarts are locked already. */
void
flow_ring_lock(struct ring_port *rp, struct ring *ring)
{
	if (!rp->restarting)
		ring_rx_lock(ring);
}

void
flow_ring_unlock(struct ring_port *rp, struct ring *ring)
{
	if (!rp->restarting)
		ring_rx_unlock(ring);
}

static int
learn(struct ring_port *rp, struct ring *ring, struct flow *flow)
{
	int ret;

	flow_ring_lock(rp, ring);
	ret = flow_table_add(ring->flows, flow);
	flow_ring_unlock(rp, ring);
	return ret;
}

static int
learn_all(struct ring_port *rp, struct flow *flow)
{
	struct ring_ctl *ctl;
	int ret = rp->rings_n > 1 ? flow_handover(flow->ring) : 0;

	flow_ctl(flow)->wide = true;
	TAILQ_FOREACH (ctl, &rp->rings, next)
		if (ret == 0)
			ret = learn(rp, &ctl->ring, flow);
	return ret;
}

int
flow_handover(struct ring *ring)
{
	struct ring_port *rp = ring_ctl(ring)->owner;
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *r;

	if (ring->handover != NULL)
		return 0;
	snprintf(name, sizeof(name), "dpvma_handover_%u", ring->index);
	r = rte_ring_create(
			name, (unsigned int)conf()->handover, ring->port->socket_id, RING_F_SC_DEQ);
	if (r == NULL) {
		LOG_ERROR("%s: no memory for a handover ring of %d packets (%s): give EAL more, or "
			  "lower DPVMA_HANDOVER",
				ring->port->name, conf()->handover, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	flow_ring_lock(rp, ring);
	__atomic_store_n(&ring->handover, r, __ATOMIC_RELEASE);
	flow_ring_unlock(rp, ring);
	return 0;
}

int
flow_teach(struct ring_ctl *ctl)
{
	struct ring_port *rp = ctl->owner;
	struct flow_ctl *f;
	struct ring_ctl *other;
	bool taught = false;
	int ret = 0;

	if (rp->by_mark_n == 0)
		ret = marks_grow(rp);
	ctl->ring.by_mark = rp->by_mark;
	ctl->ring.by_mark_n = rp->by_mark_n;
	TAILQ_FOREACH (f, &rp->flows, next) {
		if (ret == 0 && (!f->flow.in_device || f->flow.spread != NULL) &&
				f->flow.key.lport != 0) {
			ret = flow_table_add(ctl->ring.flows, &f->flow);
			f->wide = taught = true;
		}
	}
	if (rp->rings_n > 1 && (taught || !rp->port->caps.isolated)) {
		TAILQ_FOREACH (other, &rp->rings, next)
			if (ret == 0)
				ret = flow_handover(&other->ring);
	}
	return ret;
}

/* Rules are asked for, possible, and the address is one that a rule can name. */
bool
flow_wants_rule(const struct ring_port *rp, const struct flow *flow)
{
	return (flow->flags & FLOW_RULE) != 0 && (rp->port->caps.flow || rp->port->caps.isolated) &&
			(flow->key.local.d[0] | flow->key.local.d[1]) != 0;
}

/* @p gauge is what the owner's count of rules changes by, @p refused of those refused. */
void
flow_count_rule(struct ring_port *rp, struct ring *ring, int gauge, unsigned int refused)
{
	flow_ring_lock(rp, ring);
	STAT_ADD(&ring->stats, RING, rules, (uint64_t)(int64_t)gauge);
	STAT_ADD(&ring->stats, RING, rules_refused, refused);
	flow_ring_unlock(rp, ring);
}

static void
count_made(struct ring_port *rp, const struct flow *flow)
{
	flow_ring_lock(rp, flow->ring);
	STAT_INC(&flow->ring->stats, RING, rules);
	STAT_ADD(&flow->ring->stats, RING, rules_extra, (flow->flags & FLOW_EXTRA) != 0);
	flow_ring_unlock(rp, flow->ring);
}

/*
 * Out of line: where software steers it is said once a port; where the flow is lost by it, now and
 * then, since a device whose rules ran out refuses thousands a second.
 */
void
flow_tell_refusal(struct ring_port *rp, const struct flow *flow, const char *why)
{
	char local[IP_ADDR_STRLEN];
	uint64_t now = clock_ms();

	if ((flow->flags & FLOW_EXTRA) != 0)
		return;
	if (rp->port->caps.isolated) {
		if (rp->refusal_told && now - rp->refusal_ms < REFUSALS_MS)
			return;
		rp->refusal_ms = now;
		LOG_ERROR("%s: the device refused to steer %s port %u here: %s", rp->port->name,
				ip_format(&flow->key.local, local),
				rte_be_to_cpu_16(flow->key.lport), why);
	} else if (!rp->refusal_told) {
		LOG_DETAILS("%s: the device refused a steering rule, software steers: %s",
				rp->port->name, why);
	}
	rp->refusal_told = true;
}

static void
note_refusal(struct ring_port *rp, struct flow_ctl *f, const char *why)
{
	char text[64];

	snprintf(text, sizeof(text), "the device refused the rule: %.32s", why);
	free(f->refused);
	f->refused = strdup(text);
	flow_tell_refusal(rp, &f->flow, why);
}

void
flow_refused(struct ring_port *rp, struct flow_ctl *f, const char *why)
{
	f->flow.rule = NULL;
	if (f->forgotten)
		return;
	f->flow.in_device = false;
	flow_count_rule(rp, f->flow.ring, -1, 1);
	note_refusal(rp, f, why);
	learn_all(rp, &f->flow);
}

/* 0 when a rule steers it, or when it need not. */
static int
steer(struct ring_port *rp, struct flow_ctl *f)
{
	struct rte_flow *rule;
	char why[128];
	bool wait;
	int ret;

	if (!flow_wants_rule(rp, &f->flow))
		return 0;
	/* of those that have another way in nobody waits for the device, nor in a restart for each
	 */
	wait = (f->flow.flags & FLOW_EXTRA) == 0 && !rp->restarting;
	ret = rule_create(rp, f, f->flow.ring->queue, wait, why, sizeof(why), &rule);
	if (ret != 0) {
		flow_count_rule(rp, f->flow.ring, 0, 1);
		note_refusal(rp, f, why);
		return rp->port->caps.isolated || (f->flow.flags & FLOW_EXTRA) != 0 ? -ENOSPC : 0;
	}
	f->rule_queue = f->flow.ring->queue;
	f->flow.rule = rule;
	f->flow.in_device = true;
	count_made(rp, &f->flow);
	return 0;
}

/* A cyclic reader that trusts the steering must look at what others share its ring. */
static void
plain_comes(struct ring_port *rp, struct flow_ctl *f)
{
	if ((f->flow.flags & FLOW_CYCLIC) != 0)
		return;
	flow_ring_lock(rp, f->flow.ring);
	f->flow.ring->plain_flows++;
	flow_ring_unlock(rp, f->flow.ring);
	f->plain = true;
}

/* Every way to write "any" is zeros, so that keys are compared as words. */
static int
normalise(const struct flow_key *key, struct flow_key *k)
{
	*k = *key;
	k->zero = 0;
	if (ip_is_any(&k->local))
		memset(&k->local, 0, sizeof(k->local));
	if (ip_is_any(&k->remote))
		memset(&k->remote, 0, sizeof(k->remote));
	bool any = (k->local.d[0] | k->local.d[1]) == 0;
	bool connected = (k->remote.d[0] | k->remote.d[1]) != 0;

	if (k->proto != IPPROTO_UDP && k->proto != IPPROTO_TCP)
		return -EINVAL;
	if (any ? connected || k->lport == 0 : k->vlan_id == FLOW_VLAN_ANY)
		return -EINVAL;
	if (!connected && k->rport != 0)
		return -EINVAL;
	return 0;
}

/* First the tables, then the rule: its first packet must find the flow. */
static int
begin(struct ring_port *rp, struct flow_ctl *f)
{
	bool ports = f->flow.key.lport != 0;
	int ret = flow_table_add(rp->all, &f->flow);

	if (ret == 0 && ports)
		ret = learn(rp, f->flow.ring, &f->flow);
	if (ret == 0)
		ret = steer(rp, f);
	if (ret == 0 && !f->flow.in_device && ports)
		ret = learn_all(rp, &f->flow);
	return ret;
}

static int
add(struct ring_port *rp, struct ring *ring, const struct flow_key *k, struct sink *sink,
		unsigned int flags, struct flow **flow)
{
	void *p;
	struct flow *other = flow_table_find(rp->all, k);
	struct flow_ctl *f;
	uint32_t mark;
	int ret;

	if (other != NULL && !spread_takes(other, ring, flags))
		return -EEXIST;
	if (posix_memalign(&p, RTE_CACHE_LINE_SIZE, sizeof(*f)) != 0)
		return -ENOMEM;
	f = memset(p, 0, sizeof(*f));
	ret = mark_get(rp, &mark);
	if (ret != 0) {
		free(f);
		return ret;
	}
	f->flow = (struct flow){
		.key = *k, .sink = sink, .ring = ring, .mark = mark, .flags = (uint16_t)flags
	};
	__atomic_store_n(&rp->by_mark[mark], &f->flow, __ATOMIC_RELEASE);
	TAILQ_INSERT_TAIL(&rp->flows, f, next);
	plain_comes(rp, f);
	ret = (flags & FLOW_SPREAD) != 0 ? spread_join(rp, f, other) : begin(rp, f);
	if (ret != 0) {
		flows_forget(rp, &f, 1);
		return ret;
	}
	*flow = &f->flow;
	return 0;
}

int
ring_flow_add(struct ring *ring, const struct flow_key *key, struct sink *sink, unsigned int flags,
		struct flow **flow)
{
	struct flow_key k;
	int ret = normalise(key, &k);

	if (ret == 0 && (flags & FLOW_SPREAD) != 0 && ((flags & FLOW_CYCLIC) != 0 || k.lport == 0))
		ret = -EINVAL;
	if (ret != 0)
		return ret;
	table_lock();
	ret = add(ring_ctl(ring)->owner, ring, &k, sink, flags, flow);
	table_unlock();
	return ret;
}

void
ring_flow_set_sink(struct flow *flow, struct sink *sink)
{
	table_lock();
	ring_rx_lock(flow->ring);
	flow->sink = sink;
	ring_rx_unlock(flow->ring);
	table_unlock();
}

/*
 * Lead the rule to the new queue. The new one is made before the old one goes, so that no packet
 * falls in between; a device that takes no two rules of one pattern gets them the other way round.
 */
static int
move_rule(struct ring_port *rp, struct flow_ctl *f, uint16_t queue, char *why, size_t len)
{
	struct rte_flow *rule;
	uint8_t table = f->table;
	int ret = rule_create(rp, f, queue, true, why, len, &rule);

	if (ret == 0) {
		rule_destroy(rp, f, f->flow.rule, table, false);
		/* the old one may win where both are */
		rule_settle(rp, true);
		f->flow.rule = rule;
		f->rule_queue = queue;
		return 0;
	}
	if (ret != -EEXIST)
		return ret;
	rule_destroy(rp, f, f->flow.rule, table, false);
	f->flow.rule = NULL;
	ret = rule_create(rp, f, queue, true, why, len, &f->flow.rule);
	if (ret == 0)
		f->rule_queue = queue;
	else if (rule_create(rp, f, f->rule_queue, true, why, len, &f->flow.rule) != 0)
		f->flow.rule = NULL;
	return ret;
}

static int
move(struct ring_port *rp, struct flow_ctl *f, struct ring *to)
{
	struct ring *from = f->flow.ring;
	struct ring *first = from->index < to->index ? from : to;
	struct ring *second = first == from ? to : from;
	char why[128];
	int ret;

	if (f->flow.spread != NULL && !spread_takes(&f->flow, to, FLOW_SPREAD))
		return -EEXIST;
	ret = flow_handover(to);
	/* every ring knows somebody of a spread */
	if (ret == 0 && f->flow.key.lport != 0 && f->flow.spread == NULL)
		ret = learn(rp, to, &f->flow);
	if (ret == 0 && f->flow.key.lport != 0 && f->flow.spread == NULL)
		ret = learn(rp, from, &f->flow);
	if (ret != 0)
		return ret;
	f->wide = true;
	ring_rx_lock(first);
	ring_rx_lock(second);
	__atomic_store_n(&f->flow.ring, to, __ATOMIC_RELEASE);
	to->plain_flows += f->plain;
	STAT_INC(&to->stats, RING, migrations);
	if (f->flow.in_device && f->flow.spread == NULL) {
		STAT_ADD(&from->stats, RING, rules, UINT64_MAX);
		STAT_INC(&to->stats, RING, rules);
	}
	ring_rx_unlock(second);
	ring_rx_unlock(first);
	/* from here on it is there, whatever becomes of the rule: refusals have been said */
	if (f->flow.spread != NULL)
		(void)spread_moved(rp, f);
	if (f->flow.spread != NULL || !f->flow.in_device ||
			move_rule(rp, f, to->queue, why, sizeof(why)) == 0) {
		ring_rx_lock(from);
		if (f->plain)
			plain_gone(from);
		ring_rx_unlock(from);
		return 0;
	}
	/* The rule may lead to the old ring for as long as that lives: it goes on counting it. */
	flow_count_rule(rp, to, f->flow.rule == NULL ? -1 : 0, 1);
	note_refusal(rp, f, why);
	if (f->flow.rule == NULL) {
		f->flow.in_device = false;
		(void)learn_all(rp, &f->flow);
	}
	return 0;
}

int
ring_flow_move(struct flow *flow, struct ring *to)
{
	int ret;

	if (flow->ring == to)
		return 0;
	if (flow->ring->port != to->port)
		return -EXDEV;
	table_lock();
	ret = move(ring_ctl(to)->owner, flow_ctl(flow), to);
	table_unlock();
	return ret;
}

void
flow_port_down(struct ring_port *rp)
{
	struct flow_ctl *f;

	rule_settle(rp, true);
	TAILQ_FOREACH (f, &rp->flows, next) {
		if (f->flow.rule == NULL)
			continue;
		/* Most PMDs drop their rules when they stop, and their handles with them. */
		rule_destroy(rp, f, f->flow.rule, f->table, false);
		f->flow.rule = NULL;
	}
	spread_down(rp);
	rule_close(rp);
}

/* Of those that need a rule, or of those that can do without. @return how many are lost */
static unsigned int
steer_again(struct ring_port *rp, bool extra)
{
	unsigned int lost = 0;
	struct flow_ctl *f;

	TAILQ_FOREACH (f, &rp->flows, next) {
		bool had = f->flow.in_device, refused;

		if (f->flow.spread != NULL || ((f->flow.flags & FLOW_EXTRA) != 0) != extra)
			continue;
		f->flow.in_device = false;
		if (had)
			flow_count_rule(rp, f->flow.ring, -1, 0);
		refused = steer(rp, f) != 0 && !extra;
		if (refused || (!f->flow.in_device && learn_all(rp, &f->flow) != 0))
			lost++;
	}
	return lost;
}

void
flow_port_up(struct ring_port *rp)
{
	unsigned int lost = steer_again(rp, false) + spread_up(rp);

	lost += steer_again(rp, true);
	rule_settle(rp, true);
	if (lost > 0)
		LOG_ERROR("%s: %u flows receive nothing more after the restart of the port: close "
			  "and "
			  "open their sockets",
				rp->port->name, lost);
}

void
flow_port_free(struct ring_port *rp)
{
	struct flow_ctl *f;

	spread_port_free(rp);
	while ((f = TAILQ_FIRST(&rp->flows)) != NULL)
		flows_forget(rp, &f, 1);
	rule_close(rp);
	free(rp->by_mark);
	free(rp->mark_free);
	flow_table_free(rp->all);
}

void
ring_flow_lookup(struct ring *ring, const struct flow_key *const *keys, struct flow **flows,
		uint16_t n)
{
	flow_table_lookup(ring->flows, keys, flows, n);
}
