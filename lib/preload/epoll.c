/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll. One in which no socket of ours is, is the kernel's. A thread that sleeps in such a one
 * when the first of ours comes in must be called out: it is counted.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <time.h>

#include "preload.h"

#define NS_PER_S UINT64_C(1000000000)
#define TIMEOUT_MAX_S 1000000000 /**< 31 years: no limit */

uint16_t preload_waiters[SOCK_MARKS];

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
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* UINT64_MAX: never, or what is no time at all, as the kernel will say. */
static uint64_t
end_of(const struct wait *w)
{
	if (!w->precise)
		return w->timeout_ms < 0 ? UINT64_MAX
					 : now_ns() + (uint64_t)w->timeout_ms * 1000000;
	if (w->timeout == NULL || w->timeout->tv_sec < 0 || w->timeout->tv_sec > TIMEOUT_MAX_S)
		return UINT64_MAX;
	return now_ns() + (uint64_t)w->timeout->tv_sec * NS_PER_S + (uint64_t)w->timeout->tv_nsec;
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

/* Also when the thread is cancelled in its sleep. */
static void
leave(uint16_t **waiters)
{
	__atomic_fetch_sub(*waiters, 1, __ATOMIC_SEQ_CST);
}

/* @return as epoll_wait(2); with @p again: the epoll is dpvma's now */
static int
wait_counted(const struct wait *w, bool *again)
{
	uint16_t *waiters __attribute__((cleanup(leave))) = &preload_waiters[w->epfd];

	__atomic_fetch_add(waiters, 1, __ATOMIC_SEQ_CST);
	/* who made it dpvma's before did not see us */
	*again = mark_of(w->epfd) == SOCK_MARK_OURS;
	return *again ? 0 : wait_kernel(w);
}

static int
wait_until(const struct wait *w)
{
	uint64_t end;
	int ret, err;
	bool again;

	/* who does not sleep need not be called out */
	if (mark_of(w->epfd) == SOCK_MARK_NONE || mark_of(w->epfd) == SOCK_MARK_STACK ||
			(!w->precise && w->timeout_ms == 0))
		return wait_kernel(w);
	end = end_of(w);
	ret = wait_counted(w, &again);
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

/* The parent's threads do not wait in the child. */
static void
in_child(void)
{
	int fd;

	for (fd = 0; (fd = mark_next(fd)) < (int)SOCK_MARKS; fd++)
		__atomic_store_n(&preload_waiters[fd], 0, __ATOMIC_RELAXED);
}

static void __attribute__((constructor)) begin(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
