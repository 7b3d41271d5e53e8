/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling buffers of ours from whatever else an application hands in: the memory of the pools,
 * sorted by address. What lies there is an mbuf if it names the pool, on the line on which the
 * field of ring_meta lies, too; nothing outside of a pool is read.
 *
 * Pools come and go on the control path. A reader takes no lock: it looks through a table that
 * nobody changes, and tables that were replaced stay until the room ends.
 */
#include <errno.h>
#include <stdlib.h>

#include "ring/ring_priv.h"

struct piece {
	uintptr_t begin, end;
	const struct rte_mempool *pool;
};

struct pieces {
	struct pieces *replaced;
	unsigned int n;
	struct piece piece[];
};

static struct pieces *pieces;
static rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER; /* of changes */

/** @name Changing the table */
/** @{ */
struct filling {
	struct pieces *to;
	const struct rte_mempool *pool;
};

static void
put(struct pieces *to, const struct piece *p)
{
	unsigned int i = to->n++;

	for (; i > 0 && to->piece[i - 1].begin > p->begin; i--)
		to->piece[i] = to->piece[i - 1];
	to->piece[i] = *p;
}

static void
put_chunk(struct rte_mempool *mp, void *opaque, struct rte_mempool_memhdr *chunk, unsigned int i)
{
	struct filling *f = opaque;
	struct piece p = { (uintptr_t)chunk->addr, (uintptr_t)chunk->addr + chunk->len, f->pool };

	(void)mp, (void)i;
	put(f->to, &p);
}

/* A copy of the table without that pool, and room for @p more; lock held. */
static struct pieces *
copy_without(const struct rte_mempool *pool, unsigned int more)
{
	unsigned int n = pieces != NULL ? pieces->n : 0;
	struct pieces *copy = calloc(1, sizeof(*copy) + (n + more) * sizeof(copy->piece[0]));

	if (copy == NULL)
		return NULL;
	for (unsigned int i = 0; i < n; i++)
		if (pieces->piece[i].pool != pool)
			put(copy, &pieces->piece[i]);
	copy->replaced = pieces;
	return copy;
}

int
ring_pool_known(struct rte_mempool *pool)
{
	struct filling f = { .pool = pool };

	rte_spinlock_lock(&lock);
	f.to = copy_without(pool, pool->nb_mem_chunks);
	if (f.to != NULL) {
		rte_mempool_mem_iter(pool, put_chunk, &f);
		__atomic_store_n(&pieces, f.to, __ATOMIC_RELEASE);
	}
	rte_spinlock_unlock(&lock);
	return f.to != NULL ? 0 : -ENOMEM;
}

void
ring_pool_forgotten(const struct rte_mempool *pool)
{
	struct pieces *copy;

	rte_spinlock_lock(&lock);
	copy = copy_without(pool, 0);
	/* without memory for that, none is known until another comes */
	if (copy != NULL)
		__atomic_store_n(&pieces, copy, __ATOMIC_RELEASE);
	else if (pieces != NULL)
		pieces->n = 0;
	rte_spinlock_unlock(&lock);
}

void
lend_fini(void)
{
	struct pieces *old;

	while (pieces != NULL && pieces->replaced != NULL) {
		old = pieces->replaced;
		pieces->replaced = old->replaced;
		free(old);
	}
}

/* What is left of the table is the parent's to free. */
void
lend_forget(void)
{
	pieces = NULL;
}
/** @} */

static const struct piece *
find(const struct pieces *t, uintptr_t address)
{
	unsigned int low = 0, high = t->n;

	while (low < high) {
		unsigned int middle = (low + high) / 2;
		const struct piece *p = &t->piece[middle];

		if (address < p->begin)
			high = middle;
		else if (address >= p->end)
			low = middle + 1;
		else
			return p;
	}
	return NULL;
}

bool
ring_mbuf_find(const void *address, struct ring_found *found)
{
	const struct pieces *t = __atomic_load_n(&pieces, __ATOMIC_ACQUIRE);
	uintptr_t at = (uintptr_t)address;
	const struct piece *p;

	if (unlikely(t == NULL || at % RTE_CACHE_LINE_SIZE != 0))
		return false;
	p = find(t, at);
	if (unlikely(p == NULL || p->end - at < sizeof(struct rte_mbuf)) ||
			((const struct rte_mbuf *)address)->pool != p->pool)
		return false;
	found->begin = p->begin;
	found->size = p->end - p->begin - sizeof(struct rte_mbuf) + 1;
	found->pool = p->pool;
	return true;
}

bool
ring_mbuf_is(const void *address)
{
	struct ring_found found;

	return ring_mbuf_find(address, &found);
}

/** @name References */
/** @{ */
/* What is wrong with it; 0: it is lent as a buffer. */
static int
judge(uint16_t lent)
{
	switch (lent & RING_LENT_KIND) {
	case RING_LENT_BUFF:
		return 0;
	case RING_LENT_NOT:
		return -EALREADY;
	default:
		return -ENOENT;
	}
}

int
ring_lent_more(void *mbuf)
{
	struct ring_meta *meta;
	uint16_t lent;
	int ret;

	if (!ring_mbuf_is(mbuf))
		return -EFAULT;
	meta = ring_mbuf_meta((struct rte_mbuf *)mbuf);
	lent = __atomic_load_n(&meta->lent, __ATOMIC_RELAXED);
	do {
		ret = judge(lent);
		if (ret == 0 && lent / RING_LENT_MORE == RING_LENT_MOST)
			ret = -EOVERFLOW;
		if (ret != 0)
			return ret;
	} while (!__atomic_compare_exchange_n(&meta->lent, &lent, (uint16_t)(lent + RING_LENT_MORE),
			false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return lent / RING_LENT_MORE + 2;
}

int
ring_lent_less_slow(struct rte_mbuf *mbuf, bool *unpaid)
{
	struct ring_meta *meta = ring_mbuf_meta(mbuf);
	uint16_t lent = __atomic_load_n(&meta->lent, __ATOMIC_RELAXED), now;
	int ret;

	do {
		ret = judge(lent);
		if (ret != 0)
			return ret;
		now = lent < RING_LENT_MORE ? RING_LENT_NOT
					    : (uint16_t)((lent - RING_LENT_MORE) | RING_LENT_PAID);
	} while (!__atomic_compare_exchange_n(
			&meta->lent, &lent, now, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	*unpaid = (lent & RING_LENT_PAID) == 0;
	return now == RING_LENT_NOT ? 0 : lent / RING_LENT_MORE;
}
/** @} */
