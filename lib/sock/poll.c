/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll and ppoll, and what select (select.c) is made of, over a mixture of descriptors: spin on the
 * rings of the offloaded ones for VMA_SELECT_POLL microseconds, looking at the kernel's once in
 * VMA_SELECT_POLL_OS_RATIO turns, then sleep on everything together.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "callback.h"
#include "net/net.h"
#include "rate.h"
#include "sock_priv.h"
#include "user.h"

#define ON_STACK 128 /**< descriptors of a call that needs no allocation */

/** One call's view of its descriptors. */
struct view {
	struct pollfd *fds;
	nfds_t n;
	struct sock **socks; /**< by position, NULL: the kernel's */
	struct pollfd *os;   /**< what the kernel is asked: positions alike, then rings, then wakers
			      */
	nfds_t offloaded;
	nfds_t os_n; /**< descriptors that the kernel has a say in */
	const sigset_t *sigmask;
	struct sock_wait wait;
	bool only_asked; /**< POLLERR and POLLHUP count where they are asked for, as in select */
	bool hushed; /**< the kernel tells only of what does not count, and would at once again */
	bool timed;  /**< some have times at which something happens: TCP's timers, a rate */
	bool migrating; /**< some sockets' rings may change: they are polled one by one */
	bool unbound;	/**< some datagram sockets have no port yet, and with it no rings */
	struct ring_set set;
	struct sock *small_socks[ON_STACK];
	struct pollfd small_os[2 * ON_STACK + SOCK_RINGS + 1];
};

static int
view_memory(struct view *v)
{
	v->socks = v->small_socks;
	v->os = v->small_os;
	if (likely(v->n <= ON_STACK))
		return 0;
	v->socks = malloc(v->n * sizeof(*v->socks));
	v->os = malloc((2 * v->n + SOCK_RINGS + 1) * sizeof(*v->os));
	if (v->socks != NULL && v->os != NULL)
		return 0;
	free(v->socks);
	free(v->os);
	return -ENOMEM;
}

static void
view_add(struct view *v, nfds_t i, struct sock *s)
{
	if (s != NULL && !sock_has_events(s)) {
		sock_put(s);
		s = NULL;
	}
	v->socks[i] = s;
	v->os[i] = (struct pollfd){ .fd = v->fds[i].fd, .events = v->fds[i].events };
	if (s != NULL) {
		v->offloaded++;
		/* the kernel's socket is always writable: only its input counts */
		v->os[i].events &= POLLIN | POLLRDNORM;
		v->os[i].fd = s->os_pollable ? s->fd : -1;
		v->migrating |= sock_migrates(s);
		v->timed |= s->stream != NULL || s->epoll != NULL || s->paced;
		v->unbound |= s->udp != NULL && !s->bound;
		ring_set_add(&v->set, s);
	}
	v->os_n += v->os[i].fd >= 0;
}

static void
view_clear(struct view *v)
{
	v->offloaded = v->os_n = 0;
	v->migrating = v->timed = v->unbound = false;
	v->set.n = 0;
	v->set.nap = false;
}

static int
view_open(struct view *v, struct pollfd *fds, nfds_t n, const sigset_t *sigmask)
{
	nfds_t i;

	v->fds = fds;
	v->n = n;
	v->hushed = false;
	v->sigmask = sigmask;
	v->wait = (struct sock_wait){ 0 };
	if (view_memory(v) != 0)
		return -ENOMEM;
	view_clear(v);
	for (i = 0; i < n; i++)
		view_add(v, i, v->fds[i].fd < 0 ? NULL : sock_get(v->fds[i].fd));
	return 0;
}

/* Other threads bind sockets, which have rings from then on or are the kernel's, join and leave. */
static void
view_again(struct view *v)
{
	nfds_t i;

	view_clear(v);
	for (i = 0; i < v->n; i++)
		view_add(v, i, v->socks[i]);
}

/* For turns that do not sleep. */
static bool
bound_meanwhile(const struct view *v)
{
	nfds_t i;

	for (i = 0; v->unbound && i < v->n; i++)
		if (v->socks[i] != NULL && v->socks[i]->udp != NULL &&
				(v->socks[i]->bound || !v->socks[i]->offloaded))
			return true;
	return false;
}

static void
view_close(struct view *v)
{
	nfds_t i;

	for (i = 0; i < v->n; i++)
		if (v->socks[i] != NULL)
			sock_put(v->socks[i]);
	if (v->socks != v->small_socks) {
		free(v->socks);
		free(v->os);
	}
}

static short
ready_events(struct sock *s, short wanted)
{
	short got = s->ops->revents(s) & (short)(wanted | POLLERR | POLLHUP);

	return s->closing ? got | POLLNVAL : got;
}

/* Results of the offloaded ones; with @p asked also what the kernel answered for all. */
static int
collect(struct view *v, bool asked)
{
	int ready = 0, told = 0;
	nfds_t i;

	for (i = 0; i < v->n; i++) {
		short got = asked && v->os[i].fd >= 0 ? v->os[i].revents : 0;

		if (v->socks[i] != NULL && got != 0)
			__atomic_store_n(&v->socks[i]->os_told, true, __ATOMIC_RELAXED);
		if (v->socks[i] != NULL)
			got |= ready_events(v->socks[i], v->fds[i].events);
		else
			told |= got;
		if (v->only_asked)
			got &= (short)(v->fds[i].events | POLLNVAL);
		v->fds[i].revents = got;
		ready += got != 0;
	}
	v->hushed = v->only_asked && ready == 0 && told != 0;
	return ready;
}

static void
poll_rings(struct view *v)
{
	unsigned int i;
	nfds_t k;

	for (i = 0; i < v->set.n; i++) {
		net_poll(v->set.rings[i]);
		stream_turn(v->set.rings[i]);
	}
	if (v->timed)
		rate_turn();
	for (k = 0; v->migrating && k < v->n; k++)
		if (v->socks[k] != NULL && sock_migrates(v->socks[k]))
			v->socks[k]->ops->poll(v->socks[k]);
	callbacks_turn();
}

/** What the kernel has now; signals that sigmask lets through come here. 0, 1 or -EINTR. */
static int
ask_kernel(struct view *v)
{
	static const struct timespec none;
	int ret;

	if (v->os_n == 0 && v->sigmask == NULL)
		return 0;
	ret = os.ppoll(v->os, v->n, &none, v->sigmask);
	return ret < 0 ? -errno : ret > 0;
}

static int
turn(void *view, bool ask)
{
	struct view *v = view;
	int asked = 0;

	if (unlikely(bound_meanwhile(v)))
		view_again(v);
	poll_rings(v);
	if (ask)
		asked = ask_kernel(v);
	return asked < 0 ? asked : collect(v, asked != 0);
}

/*
 * The first look. When offloaded sockets are ready the kernel is asked only in one of
 * VMA_SELECT_SKIP_OS calls, so that its descriptors do not wait for ever.
 */
static int
first_turn(struct view *v)
{
	static __thread int calls;
	int ready, asked;

	poll_rings(v);
	ready = collect(v, false);
	if (ready != 0 && (v->os_n == 0 || ++calls < conf()->select_skip_os))
		return ready;
	calls = 0;
	asked = ask_kernel(v);
	return asked < 0 ? asked : collect(v, asked != 0);
}

/*
 * The look of the socket may tell more than was asked for: what is not wanted does not end a sleep.
 * It takes the lock that lets no waker miss us, so it comes first.
 */
static bool
awaited(const struct view *v, nfds_t i)
{
	struct sock *s = v->socks[i];
	short want = v->fds[i].events, counts = v->only_asked ? want | POLLNVAL : ~0;

	return s->closing || !sock_has_events(s) ||
			(s->ops->awaited(s, want | POLLERR) &&
					(ready_events(s, want) & counts) != 0);
}

/* When one of them has a timer before the deadline, that is it. */
static uint64_t
earliest(const struct view *v, uint64_t deadline)
{
	nfds_t i;

	for (i = 0; v->timed && i < v->n; i++)
		if (v->socks[i] != NULL)
			deadline = RTE_MIN(deadline, v->socks[i]->ops->due(v->socks[i]));
	return deadline;
}

/*
 * Arm, look once more, sleep. sigmask is in force in the sleep only; a signal that it lets through
 * and that came before ends the sleep at once, as ppoll(2) promises.
 */
static int
sleep_on(struct view *v, uint64_t deadline, const sigset_t *sigmask)
{
	struct ring_set set = { .nap = v->hushed };
	struct timespec left;
	nfds_t n = v->n, i, first = v->hushed ? v->n : 0;
	int ret, callbacks;
	bool waiting;

	for (i = 0; i < v->n; i++) {
		if (v->socks[i] == NULL)
			continue;
		v->os[n] = (struct pollfd){ .fd = sock_asleep(v->socks[i]), .events = POLLIN };
		set.nap |= v->os[n++].fd < 0;
		ring_set_hold(&set, v->socks[i]);
		/* a name of it was closed, and wakes those whom we are one of now */
		if (v->os[i].fd >= 0)
			v->os[i].fd = v->socks[i]->fd;
	}
	callbacks = callbacks_asleep();
	v->os[n++] = (struct pollfd){ .fd = callbacks, .events = POLLIN };
	waiting = ring_set_arm(&set, v->os, &n) || callbacks_pending();
	for (i = 0; i < v->n && !waiting; i++)
		waiting = v->socks[i] != NULL && awaited(v, i);
	deadline = earliest(v, deadline);
	left = timespec_until(waiting ? 0 : deadline, set.nap);
	ret = os.ppoll(v->os + first, n - first,
			!waiting && deadline == UINT64_MAX && !set.nap ? NULL : &left, sigmask);
	ret = ret < 0 ? -errno : 0;
	callbacks_awake(callbacks);
	for (i = 0; i < v->n; i++)
		if (v->socks[i] != NULL)
			sock_awake(v->socks[i]);
	ring_set_leave(&set);
	return ret;
}

static int
sleep_turn(void *view, const sigset_t *sigmask)
{
	struct view *v = view;
	int ret;

	view_again(v);
	ret = sleep_on(v, v->wait.deadline_ns, sigmask);
	if (ret == 0 && v->hushed)
		ret = ask_kernel(v);
	if (ret < 0)
		return ret;
	poll_rings(v);
	/* asleep we waited for all: what the kernel answered counts, whatever the ratio */
	return collect(v, true);
}

static int
poll_offloaded(struct view *v, uint64_t deadline)
{
	static const struct wait_calls calls = { .turn = turn, .sleep = sleep_turn };
	int ready;

	v->wait.deadline_ns = deadline;
	sock_wait_begin(&v->wait);
	ready = first_turn(v);
	/* inside of a callback nothing comes of waiting */
	if (ready != 0 || sock_in_callback())
		return ready;
	return wait_longer(&calls, v, &v->wait, v->sigmask, true);
}

int
poll_wait(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *sigmask, bool only_asked)
{
	struct view v;
	int ret = view_open(&v, fds, n, sigmask);

	if (ret != 0)
		return ret;
	v.only_asked = only_asked;
	ret = v.offloaded == 0 ? -EREMOTE : poll_offloaded(&v, deadline);
	view_close(&v);
	return ret;
}

int
poll_timeout(const struct timespec *timeout)
{
	if (!user_in(timeout, sizeof(*timeout)))
		return -EFAULT;
	return timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999 ? -EINVAL
											   : 0;
}

int
poll_deadline(const struct timespec *timeout, uint64_t *deadline)
{
	const time_t forever = INT64_MAX / 1000000000;
	int ret;

	*deadline = UINT64_MAX;
	if (timeout == NULL)
		return 0;
	ret = poll_timeout(timeout);
	if (ret != 0)
		return ret;
	if (timeout->tv_sec < forever)
		*deadline = clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
				(uint64_t)timeout->tv_nsec;
	return 0;
}

/* What cannot be an array of them is the kernel's to complain of. */
static bool
user_fds(struct pollfd *fds, nfds_t n)
{
	return n <= SOCK_MARKS && user_in(fds, n * sizeof(*fds));
}

/* Ours, or an epoll that may become so. Where there are marks they say it all. */
static inline bool
is_for_us(int fd)
{
	uint8_t mark;

	if ((uint32_t)fd >= SOCK_MARKS)
		return false;
	if (unlikely(sock_marks == NULL))
		return sock_is_ours(fd) || epoll_maybe(fd);
	mark = __atomic_load_n(&sock_marks[fd], __ATOMIC_ACQUIRE);
	return mark == SOCK_MARK_OURS || mark == SOCK_MARK_EPOLL;
}

static inline bool
any_ours(const struct pollfd *fds, nfds_t n)
{
	nfds_t i;

	for (i = 0; i < n; i++)
		if (is_for_us(fds[i].fd))
			return true;
	return false;
}

/* -EREMOTE of the one is the other's to do. */
static int
wait_for(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *sigmask)
{
	int ret;

	if (unlikely(!user_out(fds, n * sizeof(*fds))))
		return fail(-EFAULT);
	do {
		ret = poll_wait(fds, n, deadline, sigmask, false);
		if (ret == -EREMOTE)
			ret = epoll_poll_kernels(fds, n, deadline, sigmask);
	} while (ret == -EREMOTE);
	return ret < 0 ? fail(ret) : ret;
}

int
dpvma_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	uint64_t deadline = UINT64_MAX;

	if (!user_fds(fds, n) || !any_ours(fds, n))
		return os.poll(fds, n, timeout_ms);
	if (timeout_ms >= 0)
		deadline = timeout_ms == 0 ? 0 : clock_ns() + (uint64_t)timeout_ms * 1000000u;
	return wait_for(fds, n, deadline, NULL);
}

int
dpvma_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask)
{
	uint64_t deadline;
	int ret;

	if (!user_fds(fds, n) || !any_ours(fds, n))
		return os.ppoll(fds, n, timeout, sigmask);
	ret = poll_deadline(timeout, &deadline);
	if (ret == 0 && sigmask != NULL && !user_in(sigmask, sizeof(*sigmask)))
		ret = -EFAULT;
	return ret != 0 ? fail(ret) : wait_for(fds, n, deadline, sigmask);
}
