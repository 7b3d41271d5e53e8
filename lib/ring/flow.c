/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows on the control path: who takes the packets of a key, in the device where it steers, in the
 * tables of the rings where it does not. Lookups are flow_table.c's, rules are rule.c's.
 *
 * Which rings know a flow. One that a rule steers is known to the ring the rule leads to, and to
 * those it led to before it moved, since their queues may hold packets yet. One that no rule steers
 * can arrive anywhere, so every ring of the port knows it, those made later too. Whoever receives a
 * packet for another ring's flow hands it over.
 *
 * Before a flow is freed, it is taken out of the tables and every ring's rx_lock was held once:
 * whoever had a pointer to it from a table or a mark is done with it then.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "ring/ring_priv.h"

/* The device's MARK has 24 bits, and mlx5 keeps the last few for itself. */
#define MARK_LIMIT 0xffff00u
/* Marks that rest before they are used again, so that a late packet does not meet a new flow. */
#define MARK_REST 32
#define MARKS_MIN 64

static int
marks_grow(struct ring_port *rp)
{
	uint32_t n = rp->by_mark_n == 0 ? MARKS_MIN : rp->by_mark_n * 2;
	struct flow **marks, **old = rp->by_mark;
	uint32_t *rest;
	struct ring_ctl *ctl;

	if (rp->by_mark_n >= MARK_LIMIT)
		return -ENOSPC;
	marks = calloc(n, sizeof(*marks));
	rest = calloc(n, sizeof(*rest));
	if (marks == NULL || rest == NULL) {
		free(marks);
		free(rest);
		return -ENOMEM;
	}
	if (rp->by_mark_n > 0)
		memcpy(marks, old, rp->by_mark_n * sizeof(*marks));
	for (uint32_t i = 0; i < rp->mark_free_n; i++)
		rest[i] = rp->mark_free[(rp->mark_free_head + i) % rp->by_mark_n];
	free(rp->mark_free);
	rp->mark_free = rest;
	rp->mark_free_head = 0;
	rp->by_mark = marks;
	rp->by_mark_n = n;
	if (rp->mark_next == 0)
		rp->mark_next = 1; /* 0 is a packet without a mark */
	TAILQ_FOREACH (ctl, &rp->rings, next) {
		ring_rx_lock(&ctl->ring);
		ctl->ring.by_mark = marks;
		ctl->ring.by_mark_n = n;
		ring_rx_unlock(&ctl->ring);
	}
	free(old);
	return 0;
}

static uint32_t
mark_pop(struct ring_port *rp)
{
	uint32_t mark = rp->mark_free[rp->mark_free_head];

	rp->mark_free_head = (rp->mark_free_head + 1) % rp->by_mark_n;
	rp->mark_free_n--;
	return mark;
}

static int
mark_get(struct ring_port *rp, uint32_t *mark)
{
	if (rp->mark_next >= RTE_MIN(rp->by_mark_n, MARK_LIMIT)) {
		int ret = rp->mark_free_n >= MARK_REST ? -EAGAIN : marks_grow(rp);

		if (ret != 0) {
			if (rp->mark_free_n == 0)
				return ret;
			*mark = mark_pop(rp);
			return 0;
		}
	}
	*mark = rp->mark_next++;
	return 0;
}

static void
mark_put(struct ring_port *rp, uint32_t mark)
{
	rp->mark_free[(rp->mark_free_head + rp->mark_free_n) % rp->by_mark_n] = mark;
	rp->mark_free_n++;
}

/* The rings of a port that restarts are locked already. */
static void
lock_unless_restarting(struct ring_port *rp, struct ring *ring)
{
	if (!rp->restarting)
		ring_rx_lock(ring);
}

static void
unlock_unless_restarting(struct ring_port *rp, struct ring *ring)
{
	if (!rp->restarting)
		ring_rx_unlock(ring);
}

static int
learn(struct ring_port *rp, struct ring *ring, struct flow *flow)
{
	int ret;

	lock_unless_restarting(rp, ring);
	ret = flow_table_add(ring->flows, flow);
	unlock_unless_restarting(rp, ring);
	return ret;
}

static int
learn_all(struct ring_port *rp, struct flow *flow)
{
	struct ring_ctl *ctl;
	int ret = rp->rings_n > 1 ? flow_handover(flow->ring) : 0;

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
	lock_unless_restarting(rp, ring);
	__atomic_store_n(&ring->handover, r, __ATOMIC_RELEASE);
	unlock_unless_restarting(rp, ring);
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
		if (ret == 0 && !f->flow.in_device && f->flow.key.lport != 0) {
			ret = flow_table_add(ctl->ring.flows, &f->flow);
			taught = true;
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
static bool
wants_rule(const struct ring_port *rp, const struct flow *flow)
{
	return (flow->flags & FLOW_RULE) != 0 && (rp->port->caps.flow || rp->port->caps.isolated) &&
			(flow->key.local.d[0] | flow->key.local.d[1]) != 0;
}

/* @p gauge is what the owner's count of rules changes by, @p refused of those refused. */
static void
count_rule(struct ring_port *rp, struct ring *ring, int gauge, unsigned int refused)
{
	lock_unless_restarting(rp, ring);
	STAT_ADD(&ring->stats, RING, rules, (uint64_t)(int64_t)gauge);
	STAT_ADD(&ring->stats, RING, rules_refused, refused);
	unlock_unless_restarting(rp, ring);
}

/* Out of line: said for each flow where it is lost by that, else once a port. */
static void
tell_refusal(struct ring_port *rp, const struct flow *flow, const char *why)
{
	char local[IP_ADDR_STRLEN];

	if (rp->port->caps.isolated) {
		LOG_ERROR("%s: the device refused to steer %s port %u here: %s", rp->port->name,
				ip_format(&flow->key.local, local),
				rte_be_to_cpu_16(flow->key.lport), why);
	} else if (!rp->refusal_told) {
		rp->refusal_told = true;
		LOG_DETAILS("%s: the device refused a steering rule, software steers: %s",
				rp->port->name, why);
	}
}

/* 0 when a rule steers it, or when it need not. */
static int
steer(struct ring_port *rp, struct flow_ctl *f)
{
	struct rte_flow *rule;
	char why[128];
	int ret;

	if (!wants_rule(rp, &f->flow))
		return 0;
	ret = rule_create(rp, f, f->flow.ring->queue, why, sizeof(why), &rule);
	if (ret != 0) {
		count_rule(rp, f->flow.ring, 0, 1);
		snprintf(f->refused, sizeof(f->refused), "the device refused the rule: %.32s", why);
		tell_refusal(rp, &f->flow, why);
		return rp->port->caps.isolated ? ret : 0;
	}
	f->rule_queue = f->flow.ring->queue;
	f->flow.rule = rule;
	f->flow.in_device = true;
	count_rule(rp, f->flow.ring, 1, 0);
	return 0;
}

/* A cyclic reader that trusts the steering must look at what others share its ring. */
static void
plain_comes(struct ring_port *rp, struct flow_ctl *f)
{
	if ((f->flow.flags & FLOW_CYCLIC) != 0)
		return;
	lock_unless_restarting(rp, f->flow.ring);
	f->flow.ring->plain_flows++;
	unlock_unless_restarting(rp, f->flow.ring);
	f->plain = true;
}

/* rx_lock held, no rule leads here any more; the queue may have packets yet. */
static void
plain_gone(struct ring *ring)
{
	ring->plain_flows--;
	ring->plain_late = true;
}

/* No ring knows it afterwards, and nobody is in the middle of delivering to it. */
static void
forget(struct ring_port *rp, struct flow_ctl *f)
{
	struct ring_ctl *ctl;

	if (f->flow.rule != NULL)
		rule_destroy(rp, f->flow.rule);
	TAILQ_REMOVE(&rp->flows, f, next);
	flow_table_del(rp->all, &f->flow);
	__atomic_store_n(&rp->by_mark[f->flow.mark], NULL, __ATOMIC_RELEASE);
	TAILQ_FOREACH (ctl, &rp->rings, next) {
		ring_rx_lock(&ctl->ring);
		flow_table_del(ctl->ring.flows, &f->flow);
		if (&ctl->ring == f->flow.ring) {
			if (f->flow.in_device)
				STAT_ADD(&ctl->ring.stats, RING, rules, UINT64_MAX);
			if (f->plain)
				plain_gone(&ctl->ring);
		}
		ring_rx_unlock(&ctl->ring);
	}
	mark_put(rp, f->flow.mark);
	free(f);
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

static int
add(struct ring_port *rp, struct ring *ring, const struct flow_key *k, struct sink *sink,
		unsigned int flags, struct flow **flow)
{
	void *p;
	struct flow_ctl *f;
	uint32_t mark;
	int ret;

	if (flow_table_find(rp->all, k) != NULL)
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
	ret = flow_table_add(rp->all, &f->flow);
	/* First the tables, then the rule: its first packet must find the flow. */
	if (ret == 0 && k->lport != 0)
		ret = learn(rp, ring, &f->flow);
	if (ret == 0) {
		plain_comes(rp, f);
		ret = steer(rp, f);
	}
	if (ret == 0 && !f->flow.in_device && k->lport != 0)
		ret = learn_all(rp, &f->flow);
	if (ret != 0) {
		forget(rp, f);
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

	if (ret != 0)
		return ret;
	table_lock();
	ret = add(ring_ctl(ring)->owner, ring, &k, sink, flags, flow);
	table_unlock();
	return ret;
}

void
ring_flow_del(struct flow *flow)
{
	if (flow == NULL)
		return;
	table_lock();
	forget(ring_ctl(flow->ring)->owner, flow_ctl(flow));
	table_unlock();
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
	int ret = rule_create(rp, f, queue, why, len, &rule);

	if (ret == 0) {
		rule_destroy(rp, f->flow.rule);
		f->flow.rule = rule;
		f->rule_queue = queue;
		return 0;
	}
	if (ret != -EEXIST)
		return ret;
	rule_destroy(rp, f->flow.rule);
	f->flow.rule = NULL;
	ret = rule_create(rp, f, queue, why, len, &f->flow.rule);
	if (ret == 0)
		f->rule_queue = queue;
	else if (rule_create(rp, f, f->rule_queue, why, len, &f->flow.rule) != 0)
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

	ret = flow_handover(to);
	if (ret == 0 && f->flow.key.lport != 0)
		ret = learn(rp, to, &f->flow);
	if (ret == 0 && f->flow.key.lport != 0)
		ret = learn(rp, from, &f->flow);
	if (ret != 0)
		return ret;
	ring_rx_lock(first);
	ring_rx_lock(second);
	__atomic_store_n(&f->flow.ring, to, __ATOMIC_RELEASE);
	to->plain_flows += f->plain;
	STAT_INC(&to->stats, RING, migrations);
	if (f->flow.in_device) {
		STAT_ADD(&from->stats, RING, rules, UINT64_MAX);
		STAT_INC(&to->stats, RING, rules);
	}
	ring_rx_unlock(second);
	ring_rx_unlock(first);
	if (!f->flow.in_device || move_rule(rp, f, to->queue, why, sizeof(why)) == 0) {
		ring_rx_lock(from);
		if (f->plain)
			plain_gone(from);
		ring_rx_unlock(from);
		return 0;
	}
	/* The rule may lead to the old ring for as long as that lives: it goes on counting it. */
	count_rule(rp, to, f->flow.rule == NULL ? -1 : 0, 1);
	snprintf(f->refused, sizeof(f->refused), "the device refused the rule: %.32s", why);
	tell_refusal(rp, &f->flow, why);
	if (f->flow.rule == NULL) {
		f->flow.in_device = false;
		return learn_all(rp, &f->flow);
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

	TAILQ_FOREACH (f, &rp->flows, next) {
		if (f->flow.rule == NULL)
			continue;
		/* Most PMDs drop their rules when they stop, and their handles with them. */
		rule_destroy(rp, f->flow.rule);
		f->flow.rule = NULL;
	}
}

void
flow_port_up(struct ring_port *rp)
{
	struct flow_ctl *f;
	unsigned int lost = 0;

	TAILQ_FOREACH (f, &rp->flows, next) {
		bool had = f->flow.in_device;

		f->flow.in_device = false;
		if (had)
			count_rule(rp, f->flow.ring, -1, 0);
		if (steer(rp, f) != 0 || (!f->flow.in_device && learn_all(rp, &f->flow) != 0))
			lost++;
	}
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

	while ((f = TAILQ_FIRST(&rp->flows)) != NULL)
		forget(rp, f);
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
