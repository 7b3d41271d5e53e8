/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mempool operations that hand out objects in ascending order of their slots: a bitmap of free
 * slots and a cursor. They know nothing of the data of a slot; that is laid out by stride_pool.c.
 *
 * Objects are numbered in the order in which the mempool is populated, so that their own memory
 * may lie in any number of chunks.
 */
#include <errno.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_debug.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_spinlock.h>

#include "stride_priv.h"

const char stride_ops_name[] = STRIDE_OPS_NAME;

#define WORD_SHIFT 6
#define WORD_BITS 64u
#define WORD_MASK (WORD_BITS - 1)

struct stride {
	rte_spinlock_t lock;
	uint32_t cursor; /* the search for free slots starts here; always below n */
	uint32_t free;	 /* bits set in map; written under the lock, read without it */
	uint32_t n;
	uint32_t filled; /* objects that have a slot; n when the pool is populated */
	uint64_t double_free;
	uint64_t *map; /* bit set: slot is free */
	void **objs;   /* object of a slot */
};

static inline struct stride_obj *
obj_of(void *obj)
{
	return obj;
}

static int
stride_alloc(struct rte_mempool *mp)
{
	size_t words = ((size_t)mp->size + WORD_MASK) >> WORD_SHIFT;
	size_t head = RTE_CACHE_LINE_ROUNDUP(sizeof(struct stride));
	size_t map_len = RTE_CACHE_LINE_ROUNDUP(words * sizeof(uint64_t));
	struct stride *s;

	/* Only a pool whose objects have room for the slot number may use these operations. */
	if (mp->pool_config == NULL || mp->elt_size < sizeof(struct stride_obj))
		return -EINVAL;
	s = rte_zmalloc_socket("stride", head + map_len + (size_t)mp->size * sizeof(void *),
			RTE_CACHE_LINE_SIZE, mp->socket_id);
	if (s == NULL)
		return -ENOMEM;
	rte_spinlock_init(&s->lock);
	s->n = mp->size;
	s->map = RTE_PTR_ADD(s, head);
	s->objs = RTE_PTR_ADD(s->map, map_len);
	mp->pool_data = s;
	return 0;
}

static void
stride_free(struct rte_mempool *mp)
{
	rte_free(mp->pool_data);
}

static inline uint64_t
ones(uint32_t n)
{
	return UINT64_MAX >> (WORD_BITS - n);
}

/* An object that comes for the first time, while the pool is populated, gets the next slot. */
static __rte_noinline int
stride_fill(struct stride *s, void *const *objs, unsigned int n)
{
	unsigned int i;

	if (n > s->n - s->filled)
		return -ENOBUFS;
	for (i = 0; i < n; i++) {
		uint32_t slot = s->filled++;

		obj_of(objs[i])->slot = slot;
		s->objs[slot] = objs[i];
		s->map[slot >> WORD_SHIFT] |= UINT64_C(1) << (slot & WORD_MASK);
	}
	s->free += n;
	return 0;
}

/*
 * Free slots that end right below the cursor would make a gap in front of the next bulk: start
 * with them. Every slot that is walked over here was walked over by the cursor before.
 */
static inline void
cursor_back(struct stride *s)
{
	uint32_t c = s->cursor;

	while (c > 0) {
		uint32_t bit = (c - 1) & WORD_MASK;
		uint64_t used = ~(s->map[(c - 1) >> WORD_SHIFT] << (WORD_MASK - bit));
		uint32_t run = used == 0 ? WORD_BITS : (uint32_t)__builtin_clzll(used);

		c -= run;
		if (run <= bit)
			break;
	}
	s->cursor = c;
}

/* Mark the slots of one word free. Returns how many of them were not. */
static inline uint32_t
word_put(struct stride *s, uint32_t word, uint64_t bits)
{
	uint64_t fresh = bits & ~s->map[word];

	s->map[word] |= bits;
	return (uint32_t)__builtin_popcountll(fresh);
}

static int
stride_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct stride *s = mp->pool_data;
	uint32_t word, done = 0;
	uint64_t bits = 0;
	unsigned int i;

	if (unlikely(s->filled < s->n))
		return stride_fill(s, objs, n);
	if (unlikely(n == 0))
		return 0;

	rte_spinlock_lock(&s->lock);
	word = obj_of(objs[0])->slot >> WORD_SHIFT;
	for (i = 0; i < n; i++) {
		uint32_t slot = obj_of(objs[i])->slot;

		RTE_ASSERT(slot < s->n && s->objs[slot] == objs[i]);
		/* What is freed in order lies in few words: write each of them once. */
		if ((slot >> WORD_SHIFT) != word) {
			done += word_put(s, word, bits);
			word = slot >> WORD_SHIFT;
			bits = 0;
		}
		bits |= UINT64_C(1) << (slot & WORD_MASK);
	}
	done += word_put(s, word, bits);
	if (unlikely(done != n))
		__atomic_store_n(&s->double_free, s->double_free + n - done, __ATOMIC_RELAXED);
	__atomic_store_n(&s->free, s->free + done, __ATOMIC_RELAXED);
	cursor_back(s);
	rte_spinlock_unlock(&s->lock);
	return 0;
}

static int
stride_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	struct stride *s = mp->pool_data;
	uint32_t pos;

	rte_spinlock_lock(&s->lock);
	if (unlikely(s->free < n)) {
		rte_spinlock_unlock(&s->lock);
		return -ENOBUFS;
	}
	__atomic_store_n(&s->free, s->free - n, __ATOMIC_RELAXED);
	pos = s->cursor;
	while (n > 0) {
		uint32_t word = pos >> WORD_SHIFT, skip, run;
		uint64_t bits = s->map[word] >> (pos & WORD_MASK);

		if (bits == 0) {
			pos = (word + 1) << WORD_SHIFT;
		} else {
			skip = (uint32_t)__builtin_ctzll(bits);
			bits >>= skip;
			pos += skip;
			run = bits == UINT64_MAX ? WORD_BITS : (uint32_t)__builtin_ctzll(~bits);
			run = RTE_MIN(run, n);
			if (run == 1)
				*objs = s->objs[pos];
			else
				memcpy(objs, &s->objs[pos], run * sizeof(*objs));
			s->map[word] &= ~(ones(run) << (pos & WORD_MASK));
			objs += run;
			pos += run;
			n -= run;
		}
		if (pos >= s->n)
			pos = 0;
	}
	s->cursor = pos;
	rte_spinlock_unlock(&s->lock);
	return 0;
}

static unsigned int
stride_get_count(const struct rte_mempool *mp)
{
	const struct stride *s = mp->pool_data;

	return __atomic_load_n(&s->free, __ATOMIC_RELAXED);
}

uint64_t
stride_pool_double_free(const struct rte_mempool *mp)
{
	const struct stride *s = mp->pool_data;

	return __atomic_load_n(&s->double_free, __ATOMIC_RELAXED);
}

static const struct rte_mempool_ops stride_ops = {
	.name = STRIDE_OPS_NAME,
	.alloc = stride_alloc,
	.free = stride_free,
	.enqueue = stride_enqueue,
	.dequeue = stride_dequeue,
	.get_count = stride_get_count,
};

RTE_MEMPOOL_REGISTER_OPS(stride_ops);
