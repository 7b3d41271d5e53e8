/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: from the addresses and ports of a packet to its flow. This is the inside of
 * software steering, looked up for every packet that the device did not mark.
 *
 * Open addressing with linear probing at a load of one half at most. A slot is eight bytes: the
 * flow's address and sixteen bits of its hash, so that a lookup costs one cache line of slots and
 * the line of the flow, which the delivery reads anyway. Both are prefetched for a burst before
 * the first is looked at. Cycles a packet with 1, 10,000 and 100,000 flows, by test/bench/ring:
 *
 *	flow table   25   26    68
 *	rte_hash     25   29   115
 *	mark          5    6    26
 *
 * What rte_hash does not do besides: grow, and look a packet up under several keys without a copy
 * of each. The table does not shrink.
 *
 * The tables of rings are read and written under the ring's rx_lock only, so there is nothing here
 * about concurrent readers.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_hash_crc.h>
#include <rte_prefetch.h>

#include "ring/ring_priv.h"

#define SLOTS_MIN 64
/* Slots that are looked at together. */
#define WINDOW 4
#define CHUNK 32
#define SEED 0x64707661u

/* User space addresses have 48 bits on every machine that DPDK runs on. */
#define ADDR_BITS 48
#define ADDR_MASK ((UINT64_C(1) << ADDR_BITS) - 1)

struct flow_table {
	uint64_t *slots;	     /**< 0: free */
	uint32_t mask;		     /**< slots - 1 */
	uint32_t shift;		     /**< 32 - log2(slots) */
	uint32_t tier_n[FLOW_TIERS]; /**< those without a flow are not looked up */
	uint32_t n;
};

/* The key as the five words that are hashed and compared. */
struct words {
	uint64_t w[5];
};

union tail {
	struct {
		uint16_t lport, rport, vlan_id;
		uint8_t proto, zero;
	};
	uint64_t w;
};

static const union tail no_rport = {
	.lport = 0xffff, .rport = 0, .vlan_id = 0xffff, .proto = 0xff, .zero = 0xff
};
static const union tail no_rport_vlan = {
	.lport = 0xffff, .rport = 0, .vlan_id = 0, .proto = 0xff, .zero = 0xff
};
static const union tail every_vlan = { .vlan_id = FLOW_VLAN_ANY };

static __rte_always_inline struct words
words_of(const struct flow_key *key)
{
	struct words k;

	memcpy(&k, key, sizeof(k));
	return k;
}

/* The key under which a flow of that tier would match this packet. */
static __rte_always_inline struct words
words_for(const struct flow_key *key, enum flow_tier tier)
{
	struct words k = words_of(key);

	if (tier != FLOW_5TUPLE) {
		k.w[2] = k.w[3] = 0;
		if (tier != FLOW_3TUPLE)
			k.w[0] = k.w[1] = 0;
		if (tier == FLOW_ANY_VLAN)
			k.w[4] = (k.w[4] & no_rport_vlan.w) | every_vlan.w;
		else
			k.w[4] &= no_rport.w;
	}
	return k;
}

static __rte_always_inline uint32_t
hash_of(const struct words *k, enum flow_tier tier)
{
	uint32_t h = rte_hash_crc_8byte(k->w[4], SEED);

	if (tier == FLOW_5TUPLE || tier == FLOW_3TUPLE) {
		h = rte_hash_crc_8byte(k->w[1], h);
		h = rte_hash_crc_8byte(k->w[0], h);
	}
	if (tier == FLOW_5TUPLE) {
		h = rte_hash_crc_8byte(k->w[3], h);
		h = rte_hash_crc_8byte(k->w[2], h);
	}
	return h;
}

static inline enum flow_tier
tier_of(const struct flow_key *key)
{
	if ((key->remote.d[0] | key->remote.d[1]) != 0)
		return FLOW_5TUPLE;
	if ((key->local.d[0] | key->local.d[1]) != 0)
		return FLOW_3TUPLE;
	return key->vlan_id == FLOW_VLAN_ANY ? FLOW_ANY_VLAN : FLOW_ANY;
}

/* A CRC is linear: ports in a row would cluster. The multiplication spreads them. */
static __rte_always_inline uint32_t
slot_of(const struct flow_table *t, uint32_t h)
{
	return (h * 0x9e3779b1u) >> t->shift;
}

static __rte_always_inline uint64_t
tag_of(uint32_t h)
{
	return (uint64_t)h << ADDR_BITS;
}

static __rte_always_inline struct flow *
flow_at(uint64_t slot)
{
	return (struct flow *)(uintptr_t)(slot & ADDR_MASK);
}

static __rte_always_inline bool
equal(const struct flow *f, const struct words *k)
{
	struct words o = words_of(&f->key);

	return ((o.w[0] ^ k->w[0]) | (o.w[1] ^ k->w[1]) | (o.w[2] ^ k->w[2]) | (o.w[3] ^ k->w[3]) |
			       (o.w[4] ^ k->w[4])) == 0;
}

/* From slot i on, the slot with this tag; the slot found, or a free one, is returned. */
static __rte_always_inline uint32_t
probe(const struct flow_table *t, uint32_t i, uint64_t tag)
{
	uint64_t s;

	while ((s = t->slots[i]) != 0 && (s & ~ADDR_MASK) != tag)
		i = (i + 1) & t->mask;
	return i;
}

/*
 * The same, without a branch for the slots next to each other: which of them it is cannot be
 * predicted, and a wrong guess costs more than looking at all. Slots past a free one do no harm,
 * as the key is compared in the end.
 */
static __rte_always_inline uint32_t
probe_window(const struct flow_table *t, uint32_t i, uint64_t tag)
{
	unsigned int hits = 0;

	for (unsigned int j = 0; j < WINDOW; j++)
		hits |= (unsigned int)((t->slots[i + j] & ~ADDR_MASK) == tag) << j;
	return likely(hits != 0) ? i + (unsigned int)rte_bsf32(hits) : probe(t, i, tag);
}

static struct flow *
find(const struct flow_table *t, const struct words *k, uint32_t h, uint32_t *at)
{
	uint32_t i = slot_of(t, h);

	for (;;) {
		i = probe(t, i, tag_of(h));
		*at = i;
		if (t->slots[i] == 0)
			return NULL;
		if (equal(flow_at(t->slots[i]), k))
			return flow_at(t->slots[i]);
		i = (i + 1) & t->mask;
	}
}

static int
slots_alloc(struct flow_table *t, uint32_t n)
{
	size_t bytes = (n + WINDOW) * sizeof(*t->slots); /* those past the end stay free */
	void *slots;

	if (posix_memalign(&slots, RTE_CACHE_LINE_SIZE, bytes) != 0)
		return -ENOMEM;
	memset(slots, 0, bytes);
	t->slots = slots;
	t->mask = n - 1;
	t->shift = 32 - rte_log2_u32(n);
	return 0;
}

struct flow_table *
flow_table_create(void)
{
	void *p;
	struct flow_table *t;

	if (posix_memalign(&p, RTE_CACHE_LINE_SIZE, sizeof(*t)) != 0)
		return NULL;
	t = memset(p, 0, sizeof(*t));
	if (slots_alloc(t, SLOTS_MIN) != 0) {
		free(t);
		return NULL;
	}
	return t;
}

void
flow_table_free(struct flow_table *t)
{
	if (t == NULL)
		return;
	free(t->slots);
	free(t);
}

uint32_t
flow_table_count(const struct flow_table *t)
{
	return t->n;
}

struct flow *
flow_table_find(const struct flow_table *t, const struct flow_key *key)
{
	struct words k = words_of(key);
	uint32_t at;

	return find(t, &k, hash_of(&k, tier_of(key)), &at);
}

static void
put(struct flow_table *t, struct flow *f, uint32_t h)
{
	uint32_t i = slot_of(t, h);

	while (t->slots[i] != 0)
		i = (i + 1) & t->mask;
	t->slots[i] = tag_of(h) | (uintptr_t)f;
}

static uint32_t
hash_of_flow(const struct flow *f)
{
	struct words k = words_of(&f->key);

	return hash_of(&k, tier_of(&f->key));
}

static int
grow(struct flow_table *t)
{
	struct flow_table old = *t;
	int ret = slots_alloc(t, (old.mask + 1) * 2);

	if (ret != 0)
		return ret;
	for (uint32_t i = 0; i <= old.mask; i++)
		if (old.slots[i] != 0)
			put(t, flow_at(old.slots[i]), hash_of_flow(flow_at(old.slots[i])));
	free(old.slots);
	return 0;
}

int
flow_table_add(struct flow_table *t, struct flow *flow)
{
	struct words k = words_of(&flow->key);
	enum flow_tier tier = tier_of(&flow->key);
	uint32_t h = hash_of(&k, tier), at;

	if (find(t, &k, h, &at) != NULL)
		return 0;
	if ((t->n + 1) * 2 > t->mask + 1 && grow(t) != 0)
		return -ENOMEM;
	put(t, flow, h);
	t->n++;
	t->tier_n[tier]++;
	return 0;
}

bool
flow_table_del(struct flow_table *t, const struct flow *flow)
{
	struct words k = words_of(&flow->key);
	enum flow_tier tier = tier_of(&flow->key);
	uint32_t hole, i;

	if (find(t, &k, hash_of(&k, tier), &hole) != flow)
		return false;
	/* Move back what probed past the hole, so that no search ends at it too early. */
	for (i = (hole + 1) & t->mask; t->slots[i] != 0; i = (i + 1) & t->mask) {
		uint32_t home = slot_of(t, hash_of_flow(flow_at(t->slots[i])));

		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = 0;
	t->n--;
	t->tier_n[tier]--;
	return true;
}

/*
 * One tier for the packets in todo[]: hash all, then look at the slots, then at the flows, so that
 * the misses of a burst overlap. Returns how many are left without a flow, in todo[].
 */
static __rte_always_inline unsigned int
lookup_tier(const struct flow_table *t, const struct flow_key *const *keys, struct flow **flows,
		uint8_t *todo, unsigned int n, const enum flow_tier tier)
{
	uint32_t hash[CHUNK], slot[CHUNK], at;
	unsigned int left = 0;
	struct words k;

	for (unsigned int i = 0; i < n; i++) {
		k = words_for(keys[todo[i]], tier);
		hash[i] = hash_of(&k, tier);
		slot[i] = slot_of(t, hash[i]);
		rte_prefetch0(&t->slots[slot[i]]);
	}
	for (unsigned int i = 0; i < n; i++) {
		slot[i] = probe_window(t, slot[i], tag_of(hash[i]));
		rte_prefetch0(flow_at(t->slots[slot[i]]));
	}
	for (unsigned int i = 0; i < n; i++) {
		struct flow *f = flow_at(t->slots[slot[i]]);

		if (f != NULL) {
			k = words_for(keys[todo[i]], tier);
			/* Sixteen bits of hash were the same by chance: search on. */
			if (unlikely(!equal(f, &k)))
				f = find(t, &k, hash[i], &at);
		}
		flows[todo[i]] = f;
		if (f == NULL)
			todo[left++] = todo[i];
	}
	return left;
}

void
flow_table_lookup(const struct flow_table *t, const struct flow_key *const *keys,
		struct flow **flows, uint16_t n)
{
	uint8_t todo[CHUNK];

	for (unsigned int done = 0; done < n; done += CHUNK) {
		unsigned int left = RTE_MIN((unsigned int)n - done, (unsigned int)CHUNK);
		const struct flow_key *const *k = &keys[done];
		struct flow **f = &flows[done];

		for (unsigned int i = 0; i < left; i++) {
			todo[i] = i;
			f[i] = NULL;
		}
		if (t->tier_n[FLOW_5TUPLE] > 0 && left > 0)
			left = lookup_tier(t, k, f, todo, left, FLOW_5TUPLE);
		if (t->tier_n[FLOW_3TUPLE] > 0 && left > 0)
			left = lookup_tier(t, k, f, todo, left, FLOW_3TUPLE);
		if (t->tier_n[FLOW_ANY] > 0 && left > 0)
			left = lookup_tier(t, k, f, todo, left, FLOW_ANY);
		if (t->tier_n[FLOW_ANY_VLAN] > 0 && left > 0)
			left = lookup_tier(t, k, f, todo, left, FLOW_ANY_VLAN);
	}
}
