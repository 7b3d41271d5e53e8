/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll. One in which no socket of ours is, is the kernel's. A thread that sleeps in such a one
 * when the first of ours comes in must be called out: it is known.
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"

#define NS_PER_S UINT64_C(1000000000)
#define TIMEOUT_MAX_S 1000000000 /**< 31 years: no limit */

static inline __attribute__((always_inline)) int
opened(int fd)
{
	if (fresh(fd) >= 0 && mark_of(fd) != SOCK_MARK_STACK)
		mark_set(fd, SOCK_MARK_EPOLL);
	return fd;
}

EXPORT int
epoll_create(int size)
{
	return opened(libc.epoll_create(size));
}

EXPORT int
epoll_create1(int flags)
{
	return opened(os.epoll_create1(flags));
}

/*
 * Of an epoll in another dpvma must know before there is a socket of ours in the inner one. Where
 * no library is loaded yet the outer will not hear of what is added then.
 */
static const struct core *
for_control(int epfd, int op, int fd)
{
	if (op == EPOLL_CTL_ADD && mark_of(fd) == SOCK_MARK_CANDIDATE)
		candidate_adopt(fd);
	if (mark_of(fd) == SOCK_MARK_OURS || mark_of(fd) == SOCK_MARK_EPOLL ||
			mark_of(epfd) == SOCK_MARK_OURS)
		return core_loaded();
	return NULL;
}

EXPORT int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	const struct core *c = for_control(epfd, op, fd);

	return c != NULL ? c->epoll_ctl(epfd, op, fd, event) : os.epoll_ctl(epfd, op, fd, event);
}

/** @name Waiting where no socket of ours is */
/** @{ */
struct wait {
	int epfd;
	struct epoll_event *events;
	int n;
	int timeout_ms;
	const struct timespec *timeout; /**< in place of it; NULL and timeout_ms -1: for ever */
	const sigset_t *sigmask;
	bool precise; /**< by epoll_pwait2() */
};

static uint64_t
ns_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ns_of(&t);
}

/*
 * When a call of so long began at the latest: by the clock that is quickly read, and its step. Only
 * who is called out looks at it, and ends some milliseconds late rather than early.
 */
static uint64_t
begun_ns(void)
{
	static uint64_t step;
	struct timespec t;

	if (unlikely(step == 0)) {
		clock_getres(CLOCK_MONOTONIC_COARSE, &t);
		step = ns_of(&t);
	}
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return ns_of(&t) + step;
}

/* UINT64_MAX: never, or what is no time at all, as the kernel will say. */
static uint64_t
end_of(const struct wait *w)
{
	if (!w->precise)
		return w->timeout_ms < 0 ? UINT64_MAX
					 : begun_ns() + (uint64_t)w->timeout_ms * 1000000;
	if (w->timeout == NULL || w->timeout->tv_sec < 0 || w->timeout->tv_sec > TIMEOUT_MAX_S)
		return UINT64_MAX;
	return begun_ns() + ns_of(w->timeout);
}

static int
wait_dpvma(const struct wait *w, uint64_t end)
{
	uint64_t now = end != UINT64_MAX ? now_ns() : 0, left = end > now ? end - now : 0;
	struct timespec rest = {
		.tv_sec = (time_t)(left / NS_PER_S),
		.tv_nsec = (long)(left % NS_PER_S),
	};

	return core_loaded()->epoll_pwait2(
			w->epfd, w->events, w->n, end != UINT64_MAX ? &rest : NULL, w->sigmask);
}

static int
wait_kernel(const struct wait *w)
{
	if (likely(w->sigmask == NULL && !w->precise))
		return libc.epoll_wait(w->epfd, w->events, w->n, w->timeout_ms);
	return w->precise ? libc.epoll_pwait2(w->epfd, w->events, w->n, w->timeout, w->sigmask)
			  : os.epoll_pwait(w->epfd, w->events, w->n, w->timeout_ms, w->sigmask);
}

/** @name Who waits */
/** @{ */
/** A thread, once it has waited; used again after its end. */
struct waiter {
	int epfd; /**< in the kernel's wait for this one, -1: in none */
	bool taken;
	struct waiter *next;
};
static struct waiter *waiters;
static __thread struct waiter *me __attribute__((tls_model("initial-exec")));
static pthread_key_t ends; /**< its destructor hears of threads that end, also by cancellation */
static bool asymmetric;	   /**< membarrier(2) orders for both sides: waiters need no barrier */

static void
waiter_ends(void *waiter)
{
	struct waiter *w = waiter;

	w->epfd = -1;
	__atomic_store_n(&w->taken, false, __ATOMIC_RELEASE);
}

static struct waiter *
waiter_again(void)
{
	struct waiter *w = __atomic_load_n(&waiters, __ATOMIC_ACQUIRE);

	while (w != NULL && (w->taken || __atomic_exchange_n(&w->taken, true, __ATOMIC_ACQ_REL)))
		w = w->next;
	return w;
}

/* NULL for want of memory: it will hear of sockets that come when it waits the next time. */
static __attribute__((noinline)) struct waiter *
waiter_new(void)
{
	struct waiter *w = waiter_again();
	int err = errno;

	if (w == NULL && (w = calloc(1, sizeof(*w))) != NULL) {
		w->taken = true;
		w->epfd = -1;
		w->next = __atomic_load_n(&waiters, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(
				&waiters, &w->next, w, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			;
	}
	if (w != NULL)
		pthread_setspecific(ends, w);
	me = w;
	errno = err;
	return w;
}

bool
preload_waits(int epfd)
{
	struct waiter *w = __atomic_load_n(&waiters, __ATOMIC_ACQUIRE);

	if (asymmetric)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (w != NULL && __atomic_load_n(&w->epfd, __ATOMIC_RELAXED) != epfd)
		w = w->next;
	return w != NULL;
}

/* @return as epoll_wait(2); with @p again: the epoll is dpvma's now */
static int
wait_told(const struct wait *w, bool *again)
{
	struct waiter *self = likely(me != NULL) ? me : waiter_new();
	/* a handler that waits interrupts a wait, which is over then */
	int before = self != NULL ? self->epfd : -1, ret;

	if (likely(self != NULL))
		__atomic_store_n(&self->epfd, w->epfd, __ATOMIC_RELAXED);
	if (likely(asymmetric))
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* who made it dpvma's before did not see us */
	*again = mark_of(w->epfd) == SOCK_MARK_OURS;
	ret = *again ? 0 : wait_kernel(w);
	if (likely(self != NULL))
		__atomic_store_n(&self->epfd, before, __ATOMIC_RELEASE);
	return ret;
}
/** @} */

static int
wait_until(const struct wait *w)
{
	uint64_t end;
	int ret, err;
	bool again;

	if (mark_of(w->epfd) != SOCK_MARK_EPOLL || (!w->precise && w->timeout_ms == 0))
		return wait_kernel(w);
	end = end_of(w);
	ret = wait_told(w, &again);
	/* no socket of ours has ever come in: nobody was called out */
	if (likely(mark_of(w->epfd) == SOCK_MARK_EPOLL))
		return ret;
	if (ret > 0) {
		err = errno;
		ret = core_loaded()->epoll_called_out(w->epfd, w->events, ret);
		again = ret == 0;
		errno = err;
	}
	return again ? wait_dpvma(w, end) : ret;
}
/** @} */

/* An inherited number has no mark until a socket of ours comes in. */
static const struct core *
for_wait(int epfd)
{
	return mark_of(epfd) == SOCK_MARK_OURS ? core_loaded() : NULL;
}

EXPORT int
epoll_pwait(int epfd, struct epoll_event *events, int n, int timeout_ms, const sigset_t *sigmask)
{
	const struct core *c = for_wait(epfd);
	const struct wait w = { epfd, events, n, timeout_ms, NULL, sigmask, false };

	return c != NULL ? c->epoll_pwait(epfd, events, n, timeout_ms, sigmask) : wait_until(&w);
}

EXPORT int
epoll_wait(int epfd, struct epoll_event *events, int n, int timeout_ms)
{
	/* the usual one: who does not sleep need not be called out */
	if (likely(timeout_ms == 0 && mark_of(epfd) != SOCK_MARK_OURS))
		return libc.epoll_wait(epfd, events, n, 0);
	return epoll_pwait(epfd, events, n, timeout_ms, NULL);
}

EXPORT int
epoll_pwait2(int epfd, struct epoll_event *events, int n, const struct timespec *timeout,
		const sigset_t *sigmask)
{
	const struct core *c = for_wait(epfd);
	const struct wait w = { epfd, events, n, -1, timeout, sigmask, true };

	return c != NULL ? c->epoll_pwait2(epfd, events, n, timeout, sigmask) : wait_until(&w);
}

static void
register_barrier(void)
{
	asymmetric = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* The parent's other threads do not wait in the child. */
static void
in_child(void)
{
	struct waiter *w;

	for (w = waiters; w != NULL; w = w->next)
		if (w != me)
			waiter_ends(w);
	register_barrier();
}

static void __attribute__((constructor)) begin(void)
{
	int err = errno;

	pthread_key_create(&ends, waiter_ends);
	register_barrier();
	pthread_atfork(NULL, NULL, in_child);
	errno = err;
}
