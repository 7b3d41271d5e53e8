/* SPDX-License-Identifier: BSD-3-Clause */
/* Fronts: filling, taking away, counting; what is done for each datagram is in front.h. */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "front.h"
#include "fronts.h"
#include "sock_priv.h"

#define LOST_MAX 16 /**< times it is taken away before the socket goes without */
#define ALL 128	    /**< datagrams that are taken at once if there are no more, */
#define SOME 64	    /**< and if there are */

static struct reader nobody; /* owns nothing, ever; what threads write there nobody reads */
__thread struct reader *front_reader __attribute__((tls_model("initial-exec"))) = &nobody;
struct front **fronts;
uint32_t fronts_n;

/** @name Readers: never freed, as who takes a front away looks at its owner */
/** @{ */
static struct reader *readers;
static pthread_key_t ends;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool possible; /* the kernel has membarrier(2) */

static void
reader_ends(void *reader)
{
	front_reader = &nobody;
	__atomic_store_n(&((struct reader *)reader)->taken, false, __ATOMIC_RELEASE);
}

static void
prepare(void)
{
	possible = pthread_key_create(&ends, reader_ends) == 0 &&
			syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ==
					0;
}

/* One whose thread has ended; fronts that it owned are the new thread's then. */
static struct reader *
reader_again(void)
{
	struct reader *r = __atomic_load_n(&readers, __ATOMIC_ACQUIRE);

	while (r != NULL && __atomic_exchange_n(&r->taken, true, __ATOMIC_ACQUIRE))
		r = r->next;
	return r;
}

static struct reader *
reader_new(void)
{
	struct reader *r = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*r));

	if (r == NULL)
		return NULL;
	*r = (struct reader){ .taken = true, .next = __atomic_load_n(&readers, __ATOMIC_RELAXED) };
	while (!__atomic_compare_exchange_n(
			&readers, &r->next, r, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return r;
}

static struct reader *
reader_get(void)
{
	struct reader *r = front_reader;

	if (likely(r != &nobody))
		return r;
	pthread_once(&once, prepare);
	r = possible ? reader_again() : NULL;
	if (possible && r == NULL)
		r = reader_new();
	if (r == NULL || pthread_setspecific(ends, r) != 0)
		return NULL;
	front_reader = r;
	return r;
}

struct reader *
front_hide(void)
{
	struct reader *r = front_reader;

	front_reader = &nobody;
	return r;
}

void
front_show(struct reader *reader)
{
	front_reader = reader;
}

/* All threads have passed a memory barrier. */
static void
barrier_everywhere(void)
{
	while (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
		/* a child of fork() is another process */
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}
/** @} */

/** @name Counting */
/** @{ */
static void
tell(uint64_t now, uint64_t *told, uint64_t *counter)
{
	*counter += now - *told;
	*told = now;
}

void
front_count(struct sock *s)
{
	struct front *f = s->front;
	struct sock_stats *stats = s->ops->counters(s);

	if (f == NULL)
		return;
	tell(f->filled - f->n, &f->lent_told, &STAT_GET(stats, SOCK, rx_lent));
	tell(f->freed + f->back_n, &f->back_told, &STAT_GET(stats, SOCK, rx_lent_back));
}

void
front_flush(struct front *f)
{
	rte_pktmbuf_free_bulk(f->back, f->back_n);
	f->freed += f->back_n;
	f->back_n = 0;
}

/* What it has to be handed out is not any more: @return how many, linked from f->first */
static uint32_t
empty(struct front *f)
{
	uint32_t n = f->n;

	front_flush(f);
	f->out = NULL;
	f->filled -= n;
	__atomic_store_n(&f->n, 0, __ATOMIC_RELEASE);
	return n;
}
/** @} */

/** @name Taking away */
/** @{ */
/*
 * Lock held. @return false: a handler of a signal interrupted its own thread in there: nothing may
 * be touched
 */
static bool
disown(struct front *f)
{
	struct reader *owner = f->owner, *me = front_reader;

	if (owner == NULL)
		return true;
	if (owner == me && me->in == f)
		return false;
	__atomic_store_n(&f->owner, NULL, __ATOMIC_SEQ_CST);
	if (owner == me)
		return true;
	f->lost += f->lost < LOST_MAX;
	barrier_everywhere();
	while (__atomic_load_n(&owner->in, __ATOMIC_ACQUIRE) == f)
		sched_yield();
	return true;
}

/* Who counted himself as a sleeper meanwhile may have looked where they were not. */
static void
seen_again(struct sock *s)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	sock_wake_sleepers(s);
}

bool
front_return(struct sock *s)
{
	struct front *f = s->front;
	uint32_t n = 0;

	rte_spinlock_lock(&f->lock);
	if (disown(f)) {
		/* they are in both for a moment, never in none */
		__atomic_fetch_add(&f->moves, 1, __ATOMIC_ACQ_REL);
		if (f->n != 0)
			udp_requeue(s->udp, f->first, f->n);
		n = empty(f);
	}
	rte_spinlock_unlock(&f->lock);
	if (n != 0)
		seen_again(s);
	return n != 0;
}

void
front_end(struct sock *s)
{
	struct front *f = s->front;
	struct rte_mbuf *m;
	uint32_t n;

	if (f == NULL)
		return;
	rte_spinlock_lock(&f->lock);
	if (disown(f)) {
		m = f->first;
		for (n = empty(f); n != 0; n--) {
			struct rte_mbuf *next = *ring_mbuf_link(m);

			rte_pktmbuf_free(m);
			m = next;
		}
		memset(f, 0, sizeof(*f));
	} else {
		/* as it is, for the call that goes on behind the handler */
		s->front = NULL;
	}
	rte_spinlock_unlock(&f->lock);
}
/** @} */

/** @name Filling */
/** @{ */
/* Whether the thread may take more than one out of the queue: @return how many, 0: no */
static unsigned int
room(const struct sock *s, const struct front *f, const struct reader *me)
{
	/* who is told of each one, or waits for one, is not to miss any by it */
	if (unlikely(conf()->rx_cq_drain_rate_nsec != 0 ||
			    __atomic_load_n(&s->sleepers, __ATOMIC_RELAXED) != 0))
		return 0;
	if (unlikely(f->lost == LOST_MAX || me->in != NULL || f->n != 0 ||
			    (f->owner != NULL && f->owner != me)))
		return 0;
	/* the kernel's half has its turns as often as ever */
	if (unlikely(s->os_pollable) && s->os_countdown <= ALL)
		return s->os_countdown > 1 ? (unsigned int)s->os_countdown - 1 : 0;
	return ALL;
}

static struct front *
front_of(struct sock *s)
{
	struct front *f = s->front, *none = NULL;

	if (likely(f != NULL))
		return f;
	f = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*f));
	if (f == NULL)
		return NULL;
	memset(f, 0, sizeof(*f));
	if (__atomic_compare_exchange_n(
			    &s->front, &none, f, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return f;
	free(f);
	return none;
}

/* @return true: it is the calling thread's, and @p first was handed out by it */
static bool
own(struct sock *s, struct front *f, struct rte_mbuf *first)
{
	struct reader *me = sock_in_callback() ? NULL : reader_get();
	unsigned int all, n = 0;

	if (me == NULL)
		return false;
	rte_spinlock_lock(&f->lock);
	all = room(s, f, me);
	if (likely(all != 0)) {
		front_flush(f);
		__atomic_fetch_add(&f->moves, 1, __ATOMIC_ACQ_REL);
		__atomic_store_n(&f->filling, udp_readable(s->udp), __ATOMIC_SEQ_CST);
		n = udp_dequeue_list(s->udp, &f->first, all, RTE_MIN(all, (unsigned int)SOME));
		f->serial = s->serial;
		f->out = first;
		f->filled += n + 1;
		__atomic_store_n(&f->n, n, __ATOMIC_RELEASE);
		__atomic_store_n(&f->filling, false, __ATOMIC_RELEASE);
		__atomic_store_n(&f->owner, me, __ATOMIC_RELEASE);
		if (unlikely(s->os_pollable))
			s->os_countdown -= (int)n;
	}
	rte_spinlock_unlock(&f->lock);
	if (n != 0)
		seen_again(s);
	return all != 0;
}

/* Calls by this number find it. */
static void
named(struct sock *s, int fd, struct front *f)
{
	if (likely(fronts[fd] == f))
		return;
	__atomic_store_n(&fronts[fd], f, __ATOMIC_SEQ_CST);
	/* the number was closed meanwhile, and who did so had looked here before */
	if (unlikely(__atomic_load_n(&sock_table[fd], __ATOMIC_SEQ_CST) != s))
		front_forget(fd);
}

void
front_fill(struct sock *s, int fd, struct rte_mbuf *first)
{
	struct front *f = front_of(s);

	ring_lend(first, RING_LENT_PACKET, s->serial);
	if (likely(f != NULL && own(s, f, first)))
		named(s, fd, f);
	else
		STAT_INC(udp_stats(s->udp), SOCK, rx_lent);
}
/** @} */

/** @name Numbers */
/** @{ */
int
fronts_init(unsigned int n)
{
	void *p;

	if (fronts != NULL)
		return 0;
	/* pages come when they are touched */
	p = mmap(NULL, n * sizeof(*fronts), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	fronts = p;
	__atomic_store_n(&fronts_n, n, __ATOMIC_RELEASE);
	return 0;
}

void
front_forget(int fd)
{
	if (__atomic_load_n(&fronts[fd], __ATOMIC_SEQ_CST) != NULL)
		__atomic_store_n(&fronts[fd], NULL, __ATOMIC_RELEASE);
}
/** @} */
