/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections by key: open addressing with linear probing, a load of one half at most, and the hash
 * in the slot, so that a search touches a line of slots and the connection it finds, and one that
 * finds nothing no connection at all. It knows of a connection its key and its hash.
 *
 * The array doubles when it is half full and halves below an eighth. Then there are two for a
 * while: new connections go to the new one, and each call moves a few slots out of the old one,
 * from its start. What is below the cursor (moved) is empty, and its memory goes back piece by
 * piece; a search in the old array skips it. So no call is long, and a table that an attack has
 * filled becomes small again. Deletion moves back what probed past the hole; there are no
 * tombstones but in an old array, where nothing is added any more.
 *
 * Addresses and ports are the peer's choice, so the hash must not let it choose slots. A CRC is
 * linear: keys that collide do so for every seed. This one is the multilinear one of Lemire and
 * Kaser ("Strongly universal string hashing is fast", 2014): for keys chosen without knowledge of
 * the seed two collide with a probability of 2^-32.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_prefetch.h>

#include "tcp/tcp_priv.h"

#define SLOTS_MIN 256u /* a page */
/*
 * What a call moves at most. Growing, the old array is empty after 3/32 as many calls as it has
 * slots; shrinking, after 1/21 of them: before the new one is half full in both cases.
 */
#define MOVE_SLOTS 32u
#define MOVE_USED 8u
/* Slots whose memory goes back at once; a huge page. */
#define PIECE ((2u << 20) / (uint32_t)sizeof(struct table_slot))
/* Searches that overlap. */
#define CHUNK 32u

struct words {
	uint64_t w[5];
};

static __rte_always_inline struct words
words_of(const struct tcp_key *key)
{
	struct words k;

	memcpy(&k, key, sizeof(k));
	return k;
}

static __rte_always_inline bool
equal(const struct tcp_key *a, const struct tcp_key *b)
{
	struct words x = words_of(a), y = words_of(b);

	return ((x.w[0] ^ y.w[0]) | (x.w[1] ^ y.w[1]) | (x.w[2] ^ y.w[2]) | (x.w[3] ^ y.w[3]) |
			       (x.w[4] ^ y.w[4])) == 0;
}

uint32_t
table_hash(const struct table *t, const struct tcp_key *key)
{
	struct words k = words_of(key);
	uint64_t sum = t->key[10];
	uint32_t h;

	for (unsigned int i = 0; i < 5; i++)
		sum += (t->key[2 * i] + (uint32_t)k.w[i]) * (t->key[2 * i + 1] + (k.w[i] >> 32));
	h = sum >> 32;
	/* Addresses in a row are hashes in steps; a bijection breaks these up. */
	h = (h ^ h >> 15) * UINT32_C(0x9e3779b1);
	return h ^ h >> 16;
}

static struct table_slot *
array_new(uint32_t n)
{
	size_t bytes = n * sizeof(struct table_slot);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
array_free(struct table_slot *slots, uint32_t from, uint32_t to)
{
	if (slots != NULL && from < to)
		munmap(slots + from, (to - from) * sizeof(*slots));
}

int
table_init(struct table *t, uint32_t seed)
{
	uint64_t x = seed;

	memset(t, 0, sizeof(*t));
	t->seed = seed;
	/* splitmix64: different words of any seed, zero too */
	for (unsigned int i = 0; i < RTE_DIM(t->key); i++) {
		uint64_t z = x += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		t->key[i] = z ^ z >> 31;
	}
	t->mask = SLOTS_MIN - 1;
	t->slots = array_new(SLOTS_MIN);
	return t->slots == NULL ? -ENOMEM : 0;
}

void
table_fini(struct table *t)
{
	array_free(t->slots, 0, t->mask + 1);
	array_free(t->old, t->freed, t->old_mask + 1);
	t->slots = t->old = NULL;
	t->used = t->old_used = 0;
}

/* The slot with that hash from i on, or the free one that ends the search. */
static __rte_always_inline uint32_t
probe(const struct table *t, uint32_t i, uint32_t hash)
{
	while (t->slots[i].used != 0 && t->slots[i].hash != hash)
		i = (i + 1) & t->mask;
	return i;
}

static __rte_noinline struct table_slot *
find_old(const struct table *t, const struct tcp_key *key, uint32_t hash)
{
	uint32_t size = t->old_mask + 1, i = RTE_MAX(hash & t->old_mask, t->moved);

	/* The cursor may have eaten every free slot, so the number of steps ends the search too. */
	for (uint32_t n = t->moved; n < size && t->old[i].used != 0; n++) {
		struct table_slot *s = &t->old[i];

		if (s->hash == hash && s->conn != NULL && equal(&s->conn->key, key))
			return s;
		i = i + 1 < size ? i + 1 : t->moved;
	}
	return NULL;
}

static __rte_always_inline struct tcp_conn *
find_from(const struct table *t, const struct tcp_key *key, uint32_t hash, uint32_t i)
{
	struct table_slot *s;

	for (i = probe(t, i, hash); t->slots[i].used != 0; i = probe(t, (i + 1) & t->mask, hash))
		if (likely(equal(&t->slots[i].conn->key, key)))
			return t->slots[i].conn;
	if (likely(t->old == NULL))
		return NULL;
	s = find_old(t, key, hash);
	return s == NULL ? NULL : s->conn;
}

struct tcp_conn *
table_find(const struct table *t, const struct tcp_key *key, uint32_t hash)
{
	return find_from(t, key, hash, hash & t->mask);
}

void
table_find_bulk(const struct table *t, const struct tcp_key *const *keys, const uint32_t *hashes,
		struct tcp_conn **conns, unsigned int n)
{
	uint32_t at[CHUNK];

	for (unsigned int done = 0; done < n; done += CHUNK) {
		unsigned int m = RTE_MIN(n - done, CHUNK);

		for (unsigned int i = 0; i < m; i++)
			rte_prefetch0(&t->slots[hashes[done + i] & t->mask]);
		for (unsigned int i = 0; i < m; i++) {
			uint32_t h = hashes[done + i];

			at[i] = probe(t, h & t->mask, h);
			rte_prefetch0(t->slots[at[i]].conn);
		}
		for (unsigned int i = 0; i < m; i++)
			conns[done + i] = find_from(t, keys[done + i], hashes[done + i], at[i]);
	}
}

static void
put(struct table *t, uint32_t hash, struct tcp_conn *conn)
{
	uint32_t i = hash & t->mask;

	while (t->slots[i].used != 0)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct table_slot){ .hash = hash, .used = 1, .conn = conn };
	t->used++;
}

/* Move a little out of the old array; free it behind the cursor. */
static __rte_noinline void
move(struct table *t)
{
	uint32_t size = t->old_mask + 1, to = RTE_MIN(t->moved + MOVE_SLOTS, size), end;
	uint32_t left = MOVE_USED;

	for (; t->moved < to && left > 0; t->moved++) {
		const struct table_slot *s = &t->old[t->moved];

		if (s->conn == NULL)
			continue;
		put(t, s->hash, s->conn);
		t->old_used--;
		left--;
	}
	end = t->moved == size ? size : RTE_ALIGN_FLOOR(t->moved, PIECE);
	array_free(t->old, t->freed, end);
	t->freed = end;
	if (end == size)
		t->old = NULL;
}

static __rte_noinline int
resize(struct table *t, uint32_t size)
{
	struct table_slot *slots = array_new(size);

	if (slots == NULL)
		return -ENOMEM;
	t->old = t->slots;
	t->old_mask = t->mask;
	t->old_used = t->used;
	t->moved = t->freed = 0;
	t->slots = slots;
	t->mask = size - 1;
	t->used = 0;
	return 0;
}

int
table_add(struct table *t, struct tcp_conn *conn)
{
	uint32_t size = t->mask + 1;

	/* Without memory for a larger one it goes on, slower, until an eighth is free. */
	if (t->old == NULL && t->used >= size / 2 && size < UINT32_C(1) << 31 &&
			resize(t, size * 2) != 0 && t->used >= size - size / 8)
		return -ENOMEM;
	if (t->old != NULL)
		move(t);
	put(t, conn->hash, conn);
	return 0;
}

/* Free slot hole; what probed past it moves back, so that no search ends there too early. */
static void
close_hole(struct table *t, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & t->mask; t->slots[i].used != 0; i = (i + 1) & t->mask) {
		if (((i - t->slots[i].hash) & t->mask) >= ((i - hole) & t->mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct table_slot){ .used = 0 };
	t->used--;
}

void
table_del(struct table *t, struct tcp_conn *conn)
{
	uint32_t size = t->mask + 1, i = conn->hash & t->mask;

	while (t->slots[i].used != 0 && t->slots[i].conn != conn)
		i = (i + 1) & t->mask;
	if (t->slots[i].used != 0) {
		close_hole(t, i);
	} else {
		struct table_slot *s = find_old(t, &conn->key, conn->hash);

		s->conn = NULL;
		t->old_used--;
	}
	if (t->frozen)
		return;
	if (t->old != NULL)
		move(t);
	else if (t->used < size / 8 && size > SLOTS_MIN)
		resize(t, size / 2); /* for lack of memory it stays large */
}

void
table_foreach(struct table *t, void (*cb)(struct tcp_conn *conn, void *ctx), void *ctx)
{
	uint32_t start = 0, size = t->mask + 1;

	t->frozen = true;
	if (t->old != NULL)
		for (uint32_t i = t->moved; i <= t->old_mask; i++)
			if (t->old[i].conn != NULL)
				cb(t->old[i].conn, ctx);
	/*
	 * Downwards from a free slot: what a deletion moves back was behind it in its run, and has
	 * been seen.
	 */
	while (t->slots[start].used != 0)
		start++;
	for (uint32_t n = 1; n < size; n++) {
		const struct table_slot *s = &t->slots[(start - n) & t->mask];

		if (s->used != 0)
			cb(s->conn, ctx);
	}
	t->frozen = false;
}
