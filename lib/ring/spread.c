/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows of one key on several rings (FLOW_SPREAD): each connection, or each peer, is one ring's.
 *
 * The members share a table of buckets, and a hash of addresses and ports chooses the bucket. Where
 * the device takes an RSS action, the rule's queues are the buckets one by one, with the key that
 * software hashes with: then both choose the same, and a rule that comes or goes moves nothing. As
 * few buckets as can be change their member when one joins or leaves, so most connections stay.
 *
 * Which ring knows which member: its own, and one that has none the first, so that whoever gets a
 * packet of the key finds the group. A packet that arrives at a member's ring stays there, unless
 * software spreads (FLOW_SOFT); at any other ring the buckets say whose it is. There is no mark, as
 * every ring has another flow; but a member alone is steered and marked like any flow.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_thash.h>

#include "ring/ring_priv.h"

/* The PMDs that know RSS actions want 40 bytes (mlx5) or 52; a hash of nine words reads 40. */
#define KEY_MAX 52

/* That of the specification of receive-side scaling, and a rest that is never read. */
static const uint8_t hash_key[KEY_MAX] __rte_aligned(4) = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b,
	0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae,
	0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
	0xbe, 0xac, 0x01, 0xfa, 0x9d, 0x38, 0xe1, 0x55, 0xc4, 0x7b, 0x12, 0x96, 0xe9, 0x0f, 0x63,
	0xd8 };

struct spread {
	TAILQ_ENTRY(spread) next;	     /**< of the port */
	struct flow *bucket[SPREAD_BUCKETS]; /**< read by every ring */
	TAILQ_HEAD(, flow_ctl) members;	     /**< in the order they came */
	unsigned int n;
	struct rte_flow *rule;
	uint8_t table;	      /**< of the rule: flow_ctl.table */
	bool all;	      /**< it leads to all of them by the buckets, or: */
	uint16_t to_queue;    /**< there */
	uint32_t to_mark;     /**< with this mark */
	struct ring *counted; /**< whose counter of rules has it */
	char refused[64];     /**< why there is no such rule */
};

static struct flow_ctl *
first_of(const struct spread *s)
{
	return TAILQ_FIRST(&s->members);
}

static struct flow_ctl *
member_at(const struct spread *s, const struct ring *ring)
{
	struct flow_ctl *f;

	TAILQ_FOREACH (f, &s->members, member)
		if (f->flow.ring == ring)
			return f;
	return NULL;
}

static unsigned int
words_of(const struct ip_addr *a, uint32_t *w)
{
	unsigned int n = ip_is_v4(a) ? 1 : 4;

	memcpy(w, a->b + sizeof(a->b) - 4 * n, 4 * n);
	for (unsigned int i = 0; i < n; i++)
		w[i] = rte_be_to_cpu_32(w[i]);
	return n;
}

struct flow *
ring_spread_flow(const struct flow *flow, const struct flow_key *key)
{
	uint32_t tuple[9], hash;
	unsigned int n;

	n = words_of(&key->remote, tuple);
	n += words_of(&key->local, tuple + n);
	tuple[n++] = (uint32_t)rte_be_to_cpu_16(key->rport) << 16 | rte_be_to_cpu_16(key->lport);
	hash = rte_softrss(tuple, n, hash_key);
	return __atomic_load_n(&flow->spread->bucket[hash % SPREAD_BUCKETS], __ATOMIC_ACQUIRE);
}

static struct flow_ctl *
extreme(const struct spread *s, bool most)
{
	struct flow_ctl *f, *best = NULL;

	TAILQ_FOREACH (f, &s->members, member)
		if (best == NULL ||
				(most ? f->buckets > best->buckets : f->buckets < best->buckets))
			best = f;
	return best;
}

static void
give_bucket(struct spread *s, unsigned int i, struct flow_ctl *to)
{
	if (s->bucket[i] != NULL)
		flow_ctl(s->bucket[i])->buckets--;
	__atomic_store_n(&s->bucket[i], &to->flow, __ATOMIC_RELEASE);
	to->buckets++;
}

/* Even shares again: those of who is gone go to others, and who has most gives until it is fair. */
static void
deal(struct spread *s, const struct flow_ctl *gone)
{
	struct flow_ctl *most, *least;
	unsigned int i;

	for (i = 0; i < SPREAD_BUCKETS; i++)
		if (s->bucket[i] == NULL || (gone != NULL && s->bucket[i] == &gone->flow))
			give_bucket(s, i, extreme(s, false));
	for (;;) {
		most = extreme(s, true);
		least = extreme(s, false);
		if (most->buckets - least->buckets <= 1)
			return;
		for (i = SPREAD_BUCKETS; s->bucket[i - 1] != &most->flow; i--)
			;
		give_bucket(s, i - 1, least);
	}
}

static int
put(struct ring_port *rp, struct ring *ring, struct flow_table *table, struct flow *flow)
{
	struct flow *old;
	int ret = 0;

	if (ring != NULL)
		flow_ring_lock(rp, ring);
	old = flow_table_find(table, &flow->key);
	if (old != flow) {
		if (old != NULL)
			flow_table_del(table, old);
		ret = flow_table_add(table, flow);
	}
	if (ring != NULL)
		flow_ring_unlock(rp, ring);
	return ret;
}

/* Every ring knows its member, or the first. Where one is replaced no memory is asked for. */
static int
teach(struct ring_port *rp, struct spread *s)
{
	struct flow_ctl *first = first_of(s), *own;
	int ret = put(rp, NULL, rp->all, &first->flow);
	struct ring_ctl *ctl;

	TAILQ_FOREACH (ctl, &rp->rings, next) {
		own = member_at(s, &ctl->ring);
		if (ret == 0)
			ret = put(rp, &ctl->ring, ctl->ring.flows,
					own != NULL ? &own->flow : &first->flow);
	}
	return ret;
}

/* What packets have to go by that reach a member's ring. */
static void
set_soft(struct ring_port *rp, struct spread *s, bool soft)
{
	struct flow_ctl *f;

	TAILQ_FOREACH (f, &s->members, member) {
		flow_ring_lock(rp, f->flow.ring);
		if (soft)
			f->flow.flags |= FLOW_SOFT;
		else
			f->flow.flags &= (uint16_t)~FLOW_SOFT;
		flow_ring_unlock(rp, f->flow.ring);
		f->flow.in_device = s->rule != NULL;
	}
}

/* The rule is one of the first member's ring. */
static void
recount(struct ring_port *rp, struct spread *s)
{
	struct ring *ring = s->rule != NULL ? first_of(s)->flow.ring : NULL;

	if (s->counted == ring)
		return;
	if (s->counted != NULL)
		flow_count_rule(rp, s->counted, -1, 0);
	if (ring != NULL)
		flow_count_rule(rp, ring, 1, 0);
	s->counted = ring;
}

/*
 * The device's list of queues is a power of two, and mlx5 indexes it with the low bits of the hash
 * as it stands, twins and all. Others want each queue once, and their own key.
 */
static int
make_rss(struct ring_port *rp, struct spread *s, char *why, size_t len, struct rte_flow **rule)
{
	struct rte_eth_dev_info info;
	uint16_t queue[SPREAD_BUCKETS];
	struct rte_flow_action_rss rss = { .queue = queue, .queue_num = SPREAD_BUCKETS };
	struct flow_ctl *f;
	int ret;

	if (rte_eth_dev_info_get(rp->port->id, &info) != 0)
		memset(&info, 0, sizeof(info));
	rss.types = first_of(s)->flow.key.proto == IPPROTO_TCP
			? RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP
			: RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
	if (ip_is_v4(&first_of(s)->flow.key.local))
		rss.types &= RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
	else
		rss.types &= RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
	if (info.hash_key_size >= 40 && info.hash_key_size <= KEY_MAX) {
		rss.key = hash_key;
		rss.key_len = info.hash_key_size;
	}
	for (unsigned int i = 0; i < SPREAD_BUCKETS; i++)
		queue[i] = s->bucket[i]->ring->queue;
	ret = rule_create_rss(rp, first_of(s), &rss, why, len, rule);
	if (ret == 0 || ret == -EEXIST)
		return ret;
	rss.queue_num = 0;
	TAILQ_FOREACH (f, &s->members, member)
		queue[rss.queue_num++] = f->flow.ring->queue;
	rss.key = NULL;
	rss.key_len = 0;
	return rule_create_rss(rp, first_of(s), &rss, why, len, rule);
}

static int
make(struct ring_port *rp, struct spread *s, bool all, char *why, size_t len,
		struct rte_flow **rule)
{
	struct flow_ctl *first = first_of(s);

	return all ? make_rss(rp, s, why, len, rule)
		   : rule_create(rp, first, first->flow.ring->queue, true, why, len, rule);
}

static void
drop_rule(struct ring_port *rp, struct spread *s)
{
	if (s->rule != NULL)
		rule_destroy(rp, first_of(s), s->rule, s->table, false);
	s->rule = NULL;
}

/* The new rule before the old one goes, unless the device takes no two of one pattern. */
static int
remake(struct ring_port *rp, struct spread *s, bool all, char *why, size_t len)
{
	struct flow_ctl *first = first_of(s);
	struct rte_flow *rule;
	int ret;

	first->table = s->rule != NULL ? s->table : UINT8_MAX;
	ret = make(rp, s, all, why, len, &rule);
	/* the place of the old one is free for sure, where the device has no other */
	if (s->rule != NULL && ret != 0 && (ret == -EEXIST || !all)) {
		drop_rule(rp, s);
		rule_settle(rp, true);
		ret = make(rp, s, all, why, len, &rule);
	}
	if (ret != 0)
		return ret;
	drop_rule(rp, s);
	/* the old one may win where both are */
	rule_settle(rp, true);
	s->rule = rule;
	s->table = first->table;
	s->all = all;
	s->to_queue = first_of(s)->flow.ring->queue;
	s->to_mark = first_of(s)->flow.mark;
	return 0;
}

static void
refused(struct ring_port *rp, struct spread *s, const char *why, bool rss)
{
	struct ring *ring = first_of(s)->flow.ring;

	snprintf(s->refused, sizeof(s->refused), "the device refused %s: %.28s",
			rss ? "RSS to queues" : "the rule", why);
	if (!rss) {
		flow_count_rule(rp, ring, 0, 1);
		flow_tell_refusal(rp, &first_of(s)->flow, why);
		return;
	}
	flow_ring_lock(rp, ring);
	STAT_INC(&ring->stats, RING, spread_refused);
	flow_ring_unlock(rp, ring);
	LOG_DETAILS("%s: the device refused to spread by RSS, software spreads: %s", rp->port->name,
			why);
}

static bool
leads_to_first(const struct spread *s)
{
	const struct flow *f = &first_of(s)->flow;

	return s->rule != NULL && !s->all && s->to_mark == f->mark && s->to_queue == f->ring->queue;
}

/* The rule for the members that there are: one to all of them, or to the first, or none. */
static int
steer(struct ring_port *rp, struct spread *s)
{
	char why[128];
	int ret;

	if (s->n > 1) {
		if (remake(rp, s, true, why, sizeof(why)) == 0)
			return 0;
		refused(rp, s, why, true);
	}
	if (leads_to_first(s))
		return 0;
	ret = remake(rp, s, false, why, sizeof(why));
	if (ret == 0)
		return 0;
	refused(rp, s, why, false);
	/* it may lead to a queue that ends */
	drop_rule(rp, s);
	rule_settle(rp, false);
	return ret;
}

/* Steer to the members that there are. 0 unless nothing steers on a port where something must. */
static int
lead(struct ring_port *rp, struct spread *s)
{
	/* A datagram may be any member's: what the port has spread by itself needs no other hash.
	 */
	bool software = conf()->spread == CONF_SPREAD_HASH &&
			!(rp->port->caps.rss && first_of(s)->flow.key.proto == IPPROTO_UDP);
	int ret = 0;

	s->refused[0] = '\0';
	if (flow_wants_rule(rp, &first_of(s)->flow)) {
		ret = steer(rp, s);
		if (s->rule != NULL)
			software = !s->all;
	}
	set_soft(rp, s, software && s->n > 1);
	recount(rp, s);
	return rp->port->caps.isolated && ret != 0 ? -ENOSPC : 0;
}

bool
spread_takes(const struct flow *other, const struct ring *ring, unsigned int flags)
{
	return (flags & FLOW_SPREAD) != 0 && other->spread != NULL &&
			member_at(other->spread, ring) == NULL;
}

int
spread_join(struct ring_port *rp, struct flow_ctl *f, struct flow *other)
{
	struct spread *s = other != NULL ? other->spread : calloc(1, sizeof(*s));
	int ret;

	if (s == NULL)
		return -ENOMEM;
	if (s->n == SPREAD_BUCKETS)
		return -ENOSPC;
	if (other == NULL) {
		TAILQ_INIT(&s->members);
		TAILQ_INSERT_TAIL(&rp->spreads, s, next);
	}
	f->flow.spread = s;
	f->wide = true;
	TAILQ_INSERT_TAIL(&s->members, f, member);
	s->n++;
	ret = rp->rings_n > 1 ? flow_handover(f->flow.ring) : 0;
	if (ret != 0)
		return ret;
	deal(s, NULL);
	ret = teach(rp, s);
	return ret == 0 ? lead(rp, s) : ret;
}

void
spread_leave(struct ring_port *rp, struct flow_ctl *f)
{
	struct spread *s = f->flow.spread;

	if (s->n == 1) {
		drop_rule(rp, s);
		recount(rp, s);
		return;
	}
	TAILQ_REMOVE(&s->members, f, member);
	s->n--;
	deal(s, f);
	/* A table entry is only replaced: there is room for it. */
	teach(rp, s);
	if (lead(rp, s) != 0)
		LOG_ERROR("%s: what is left of a group of sockets receives nothing more: %s",
				rp->port->name, s->refused);
}

void
spread_free(struct ring_port *rp, struct flow_ctl *f)
{
	struct spread *s = f->flow.spread;

	if (first_of(s) != f || s->n != 1)
		return;
	TAILQ_REMOVE(&rp->spreads, s, next);
	free(s);
}

int
spread_moved(struct ring_port *rp, struct flow_ctl *f)
{
	int ret = teach(rp, f->flow.spread);

	return ret == 0 ? lead(rp, f->flow.spread) : ret;
}

void
spread_down(struct ring_port *rp)
{
	struct spread *s;

	TAILQ_FOREACH (s, &rp->spreads, next) {
		drop_rule(rp, s);
	}
}

unsigned int
spread_up(struct ring_port *rp)
{
	unsigned int lost = 0;
	struct spread *s;

	TAILQ_FOREACH (s, &rp->spreads, next)
		lost += lead(rp, s) != 0 ? s->n : 0;
	return lost;
}

/* No ring is there any more. */
void
spread_port_free(struct ring_port *rp)
{
	struct spread *s;
	struct flow_ctl *f;

	while ((s = TAILQ_FIRST(&rp->spreads)) != NULL) {
		drop_rule(rp, s);
		TAILQ_FOREACH (f, &s->members, member)
			f->flow.spread = NULL;
		TAILQ_REMOVE(&rp->spreads, s, next);
		free(s);
	}
}

size_t
spread_text(const struct ring_port *rp, const struct flow_ctl *f, char *buf, size_t len)
{
	const struct spread *s = f->flow.spread;
	int n;

	if (s->n == 1)
		return 0;
	if (s->rule != NULL && s->all)
		n = snprintf(buf, len,
				": one of %u, RSS in the device, %u of %u buckets to queue "
				"%u",
				s->n, f->buckets, SPREAD_BUCKETS, f->flow.ring->queue);
	else if (s->rule != NULL)
		n = snprintf(buf, len,
				": one of %u, rule in the device to queue %u, software "
				"spreads, as %s",
				s->n, s->to_queue, s->refused);
	else if ((f->flow.flags & FLOW_SOFT) != 0)
		n = snprintf(buf, len,
				": one of %u, software spreads, %u of %u buckets to ring %u"
				", as %s",
				s->n, f->buckets, SPREAD_BUCKETS, f->flow.ring->index,
				flow_why_software(rp, f));
	else
		n = snprintf(buf, len, ": one of %u, ring %u has what arrives there, as %s", s->n,
				f->flow.ring->index, flow_why_software(rp, f));
	return RTE_MIN((size_t)n, len - 1);
}
