/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the room does with fronts besides handing out by them (front.h): they hold datagrams that
 * belong to the queue for everybody but their owner.
 */
#ifndef DPVMA_SOCK_FRONTS_H
#define DPVMA_SOCK_FRONTS_H

#include "sock_priv.h"

/** For numbers below @p n. 0, -ENOMEM */
int fronts_init(unsigned int n);
/** The number is another socket's from now on, or nobody's. */
void front_forget(int fd);
/**
 * @p first, which was taken out of the queue, is handed out, and lent; some that wait behind it may
 * be taken out with it, for the next calls of this thread by number @p fd. The caller is a user of
 * the socket.
 */
void front_fill(struct sock *s, int fd, struct rte_mbuf *first);
/**
 * Nobody owns it any more, what was to be handed out is the first in the queue again, and what was
 * given back is freed. @return false: there was nothing to be handed out
 */
bool front_return(struct sock *s);
/** The same as the socket goes: all is freed. */
void front_end(struct sock *s);
/**
 * The calling thread has no front until front_show(): inside of a callback no packet may be given
 * back, and calls that find none at hand see to that.
 */
struct reader *front_hide(void);
void front_show(struct reader *reader);
/** Bring the socket's counters up to date. */
void front_count(struct sock *s);
/** Datagrams that were taken out of the queue and not handed out, or perhaps are just now. */
static inline bool
front_has(const struct sock *s)
{
	const struct front *f = __atomic_load_n(&s->front, __ATOMIC_ACQUIRE);

	/* in this order: they are filling until there are n */
	return unlikely(f != NULL) &&
			(__atomic_load_n(&f->filling, __ATOMIC_ACQUIRE) ||
					__atomic_load_n(&f->n, __ATOMIC_ACQUIRE) != 0);
}
/**
 * Whether one could be read. They move from the queue to the front and back: who looks at both once
 * may miss them.
 */
static inline bool
front_readable(const struct sock *s)
{
	const struct front *f = __atomic_load_n(&s->front, __ATOMIC_ACQUIRE);
	uint32_t moves;

	if (likely(f == NULL))
		return udp_readable(s->udp);
	do {
		moves = __atomic_load_n(&f->moves, __ATOMIC_ACQUIRE);
		if (udp_readable(s->udp) || front_has(s) || udp_readable(s->udp))
			return true;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&f->moves, __ATOMIC_RELAXED) != moves);
	return false;
}

#endif
