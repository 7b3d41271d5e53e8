/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting on an epoll that has sockets of ours: turns of its rings, whose deliveries put sockets
 * into the list of those that are ready perhaps; a look at these; the kernel's events now and then;
 * and a sleep on all of it together. Whoever goes leaves a note when there is more, as Linux does,
 * so one sleeper that wakes suffices.
 */
#include <signal.h>
#include <unistd.h>

#include "callback.h"
#include "epoll_priv.h"
#include "net/net.h"
#include "rate.h"
#include "user.h"

/** One call. */
struct call {
	struct epoll *ep;
	struct epoll_event *events;
	int n;
	const sigset_t *sigmask;
	struct ring_snap *snap;
	struct sock_wait wait;
};

/** @name Turns */
/** @{ */
static void
turn_snap(const struct ring_snap *snap)
{
	unsigned int i;

	for (i = 0; i < snap->n; i++) {
		net_poll(snap->rings[i]);
		stream_turn(snap->rings[i]);
	}
	for (i = 0; i < snap->n_nested; i++)
		epoll_turn(snap->nested[i]);
}

void
epoll_turn(struct epoll *ep)
{
	struct ring_snap *snap;

	watches_follow(ep);
	snap = rings_get(ep);
	if (snap != NULL)
		turn_snap(snap);
	rings_put(snap);
}

static void
turn_rings(struct call *c)
{
	watches_follow(c->ep);
	if (unlikely(__atomic_load_n(&c->ep->snap, __ATOMIC_ACQUIRE) != c->snap)) {
		rings_put(c->snap);
		c->snap = rings_get(c->ep);
	}
	if (c->snap != NULL)
		turn_snap(c->snap);
	rate_turn();
	callbacks_turn();
}
/** @} */

/** @name Taking events */
/** @{ */
static void
give(const struct watch *w, struct epoll_event *ev, uint32_t events)
{
	ev->events = events;
	ev->data.u64 = w->data;
}

static void
switch_off(struct watch *w)
{
	rte_spinlock_lock(&w->s->watch_lock);
	w->events &= WATCH_HOW;
	rte_spinlock_unlock(&w->s->watch_lock);
}

/*
 * Ours, each at most once. What is level-triggered goes to the end of the list and is looked at
 * again the next time; so everyone has his turn, however few are asked for.
 */
static int
take_ours(struct epoll *ep, struct epoll_event *events, int n)
{
	unsigned int left;
	struct watch *w;
	uint32_t got;
	int taken = 0;

	if (__atomic_load_n(&ep->n_ready, __ATOMIC_ACQUIRE) == 0)
		return 0;
	pthread_mutex_lock(&ep->lock);
	for (left = __atomic_load_n(&ep->n_ready, __ATOMIC_ACQUIRE); left != 0 && taken < n;
			left--) {
		w = watch_next_ready(ep);
		if (w == NULL)
			break;
		got = watch_revents(w);
		if (got == 0)
			continue;
		if (unlikely(events == NULL || !user_out(&events[taken], sizeof(*events)))) {
			watch_ready_again(w, true);
			taken = taken != 0 ? taken : -EFAULT;
			break;
		}
		give(w, &events[taken++], got);
		if (w->events & EPOLLONESHOT)
			switch_off(w);
		else if (!(w->events & EPOLLET))
			watch_ready_again(w, false);
	}
	pthread_mutex_unlock(&ep->lock);
	return taken;
}

/* The kernel's, without what it says to us alone. */
static int
take_kernels(struct epoll *ep, struct epoll_event *events, int n)
{
	int got = os.epoll_pwait(ep->s->fd, events, n, 0, NULL), i;

	if (got < 0)
		return -errno;
	for (i = 0; i < got; i++)
		if (unlikely(epoll_is_kick(&events[i]))) {
			events[i] = events[--got];
			epoll_kicked(ep->s->fd);
		}
	return got;
}

/** @param kernel it has something: it comes first, as it is asked less often */
static int
collect(struct call *c, bool kernel)
{
	int n = kernel ? take_kernels(c->ep, c->events, c->n) : 0, ours;

	if (n < 0 || n == c->n)
		return n;
	ours = take_ours(c->ep, c->events != NULL ? c->events + n : NULL, c->n - n);
	return ours < 0 && n == 0 ? ours : n + RTE_MAX(ours, 0);
}

static void
harvest(struct epoll *ep)
{
	pthread_mutex_lock(&ep->lock);
	watches_harvest(ep);
	pthread_mutex_unlock(&ep->lock);
}

/* Signals that sigmask lets through come here. 0, 1 (epoll_wait(2) would not wait) or -EINTR. */
static int
ask_kernel(struct call *c)
{
	struct pollfd fds[2] = { { .fd = c->ep->s->fd, .events = POLLIN },
		{ .fd = c->ep->own_fd, .events = POLLIN } };
	static const struct timespec none;

	if (!c->ep->kernel_used && c->ep->n_halves == 0 && c->sigmask == NULL)
		return 0;
	if (os.ppoll(fds, RTE_DIM(fds), &none, c->sigmask) < 0)
		return -errno;
	if (fds[1].revents != 0)
		harvest(c->ep);
	return fds[0].revents != 0;
}
/** @} */

/** @name Waiting */
/** @{ */
static int
first_turn(struct call *c)
{
	struct epoll *ep = c->ep;
	int ret = 0, asked;

	turn_rings(c);
	if (__atomic_load_n(&ep->n_ready, __ATOMIC_ACQUIRE) != 0 &&
			__atomic_add_fetch(&ep->skipped, 1, __ATOMIC_RELAXED) <
					(unsigned int)conf()->select_skip_os)
		ret = collect(c, false);
	if (ret != 0)
		return ret;
	__atomic_store_n(&ep->skipped, 0, __ATOMIC_RELAXED);
	asked = ask_kernel(c);
	return asked < 0 ? asked : collect(c, asked != 0);
}

static int
turn(void *call, bool ask)
{
	struct call *c = call;
	int asked = 0, ret;

	turn_rings(c);
	if (ask)
		asked = ask_kernel(c);
	ret = asked < 0 ? asked : collect(c, asked != 0);
	return ret == 0 && c->ep->s->closing ? -EBADF : ret;
}

static bool
pending(struct epoll *ep)
{
	bool is;

	/* with the lock: whoever put something there before has seen us, or is seen */
	rte_spinlock_lock(&ep->ready_lock);
	is = ep->n_ready != 0 || ep->n_stale != 0;
	rte_spinlock_unlock(&ep->ready_lock);
	return is || ep->s->closing;
}

/* Arm, look once more, sleep; what woke us is asked. 0, 1 (the kernel has something) or -EINTR. */
static int
sleep_once(struct call *c, const sigset_t *sigmask)
{
	struct pollfd fds[SOCK_RINGS + 3];
	struct ring_set set = { 0 };
	uint64_t until = c->wait.deadline_ns;
	struct timespec left;
	uint32_t stirs;
	nfds_t n = 0;
	int ret;

	fds[n++] = (struct pollfd){ .fd = c->ep->s->fd, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = sock_asleep(c->ep->s), .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = callbacks_asleep(), .events = POLLIN };
	stirs = epoll_asleep(c->ep);
	ring_set_hold_epoll(&set, c->ep);
	if (ring_set_arm(&set, fds, &n) || pending(c->ep) || callbacks_pending())
		until = 0;
	else
		until = RTE_MIN(until, epoll_ops.due(c->ep->s));
	left = timespec_until(until, set.nap);
	ret = os.ppoll(fds, n, until == UINT64_MAX && !set.nap ? NULL : &left, sigmask);
	ret = ret < 0 ? -errno : fds[0].revents != 0;
	if (ret >= 0 && fds[1].revents != 0)
		harvest(c->ep);
	callbacks_awake(fds[2].fd);
	sock_awake(c->ep->s);
	ring_set_leave(&set);
	epoll_awake(c->ep, stirs);
	return ret;
}

static int
sleep_turn(void *call, const sigset_t *sigmask)
{
	struct call *c = call;
	int ret = sleep_once(c, sigmask);

	if (ret < 0)
		return ret;
	turn_rings(c);
	return c->ep->s->closing ? -EBADF : collect(c, ret != 0);
}

/*
 * Whoever goes may have taken a note that others sleep on: there is more than was asked for, rings
 * are to be waited for that they do not know, or the epoll is closed.
 */
static void
leave(struct sock *e)
{
	const struct epoll *ep = e->epoll;

	if (__atomic_load_n(&ep->n_ready, __ATOMIC_ACQUIRE) != 0 ||
			__atomic_load_n(&ep->n_outdated, __ATOMIC_RELAXED) != 0 || e->closing)
		sock_wake_sleepers(e);
}

int
epoll_wait_ours(struct sock *e, struct epoll_event *events, int n, uint64_t deadline,
		const sigset_t *sigmask)
{
	static const struct wait_calls calls = { .turn = turn, .sleep = sleep_turn };
	struct call c = { .ep = e->epoll, .events = events, .n = n, .sigmask = sigmask };
	int ret;

	c.wait.deadline_ns = deadline;
	sock_wait_begin(&c.wait);
	ret = first_turn(&c);
	/* inside of a callback nothing comes of waiting */
	if (ret == 0 && deadline != 0 && !sock_in_callback()) {
		__atomic_fetch_add(&c.ep->waiting, 1, __ATOMIC_SEQ_CST);
		ret = wait_longer(&calls, &c, &c.wait, sigmask, c.ep->n_ours != 0);
		__atomic_fetch_sub(&c.ep->waiting, 1, __ATOMIC_SEQ_CST);
	}
	rings_put(c.snap);
	leave(e);
	return ret;
}
/** @} */
