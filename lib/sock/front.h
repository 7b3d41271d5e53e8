/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams that a thread has taken out of a socket's queue at one go, to hand them out one by one
 * without a lock, without a locked instruction, and without counting itself as a user of the
 * socket: a call that takes one datagram costs some dozen instructions.
 *
 * A front is one thread's, its owner; only he touches it, and says so while he does (reader.in).
 * Who needs it otherwise, as another thread receives, or the socket goes, takes it away: he writes
 * that there is no owner, has all threads pass a memory barrier (membarrier(2)), and waits until
 * the owner is out. That costs microseconds, so a socket from which several threads receive has no
 * front after a few times. Every other receive call puts the datagrams back into the queue first.
 */
#ifndef DPVMA_SOCK_FRONT_H
#define DPVMA_SOCK_FRONT_H

#include <stddef.h>

#include <rte_spinlock.h>

#include "ring/ring.h"

#define FRONT_BACK 64 /**< given back, to be freed at once */

struct front;

/** A thread that receives so. */
struct reader {
	struct front *in; /**< which it is touching, NULL: none; written by the thread alone */
	struct reader *next;
	bool taken; /**< by a thread that lives */
} __rte_cache_aligned;

struct front {
	struct reader *owner;	/**< NULL: nobody may touch it without its lock */
	struct rte_mbuf *out;	/**< handed out last, and not given back; NULL: none */
	struct rte_mbuf *first; /**< to be handed out next, linked by ring_mbuf_link() */
	uint32_t n;		/**< so many */
	uint32_t back_n;	/**< in back */
	uint32_t serial;	/**< of the socket */
	uint16_t lost;		/**< times it was taken away by another thread */
	bool filling;		/**< some are on their way from the queue */
	rte_spinlock_t lock;	/**< for who is not the owner, and to become it */
	uint32_t moves;		/**< from the queue and back, that have begun */
	uint64_t filled, freed; /**< all that it ever had, and of these freed */
	struct rte_mbuf *back[FRONT_BACK] __rte_cache_aligned;
	uint64_t lent_told, back_told; /**< counted in the socket's statistics */
} __rte_cache_aligned;
_Static_assert(offsetof(struct front, freed) < RTE_CACHE_LINE_SIZE, "a call touches one line");

/** Of the calling thread: one that owns nothing until it got its own. */
extern __thread struct reader *front_reader __attribute__((tls_model("initial-exec")));
/** By number, where a thread has received by it. */
extern struct front **fronts;
extern uint32_t fronts_n;

/** Free what was given back; by the owner, or with the lock held. */
void front_flush(struct front *f);

/** The front behind a number if it is the calling thread's, which must front_leave() it; or NULL.
 */
static inline struct front *
front_enter(int fd)
{
	struct reader *me = front_reader;
	struct front *f;

	if (unlikely((uint32_t)fd >= __atomic_load_n(&fronts_n, __ATOMIC_ACQUIRE)))
		return NULL;
	f = __atomic_load_n(&fronts[fd], __ATOMIC_RELAXED);
	/* in one already: this is the handler of a signal that came in there */
	if (unlikely(f == NULL || me->in != NULL))
		return NULL;
	__atomic_store_n(&me->in, f, __ATOMIC_RELAXED);
	/* who takes it away has us pass a barrier in between */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&f->owner, __ATOMIC_RELAXED) == me))
		return f;
	__atomic_store_n(&me->in, NULL, __ATOMIC_RELEASE);
	return NULL;
}

static inline void
front_leave(void)
{
	__atomic_store_n(&front_reader->in, NULL, __ATOMIC_RELEASE);
}

/** The next one, lent: RING_LENT_PACKET. NULL: there is none */
static inline struct rte_mbuf *
front_take(struct front *f)
{
	struct rte_mbuf *m = f->first, *next;

	if (unlikely(f->n == 0))
		return NULL;
	f->n--;
	/* behind the last it may be anything: nobody follows it */
	next = *ring_mbuf_link(m);
	rte_mbuf_prefetch_part1(next);
	rte_mbuf_prefetch_part2(next);
	f->first = next;
	f->out = m;
	ring_lend(m, RING_LENT_PACKET, f->serial);
	return m;
}

/** The one that was handed out last comes back. @return false: it is not this one, or not lent */
static inline bool
front_take_back(struct front *f, void *packet)
{
	struct ring_meta *meta;

	if (unlikely(f->out != packet || packet == NULL))
		return false;
	/* no need to ask whether it is a packet at all, but others may have given it back */
	meta = ring_mbuf_meta((struct rte_mbuf *)packet);
	if (unlikely(meta->lent != RING_LENT_PACKET || meta->owner != f->serial))
		return false;
	meta->lent = RING_LENT_NOT;
	f->out = NULL;
	f->back[f->back_n++] = packet;
	if (unlikely(f->n == 0 || f->back_n == FRONT_BACK))
		front_flush(f);
	return true;
}

#endif
