/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping: on the Rx interrupts of the socket's rings, the kernel's socket, and an eventfd by
 * which another thread that delivered to the socket, or closed it, wakes us. A port without Rx
 * interrupts is looked at every DPVMA_NAP_USEC.
 *
 * A deliverer holds the queue lock when it asks whether somebody sleeps, and a sleeper takes that
 * lock for its last look after it has counted itself: one of the two sees the other, and delivering
 * needs no memory barrier of its own.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "callback.h"
#include "epoll_priv.h"
#include "sock_priv.h"
#include "xtreme_note.h"

#define CHECK_CLOCK 16 /**< turns between looks at the clock */
#define MASK_TURNS 100 /**< between looks for signals, if VMA_SELECT_POLL_OS_RATIO says never */

void
sock_wake(void *sock, struct ring *ring, unsigned int events)
{
	struct sock *s = sock;

	if (unlikely(conf()->socketxtreme))
		xtreme_note(s, ring, events);
	/* two at one time may count as one, which is a change all the same */
	if (events == 0 || (events & POLLIN))
		__atomic_store_n(&s->stirs, s->stirs + 1, __ATOMIC_RELEASE);
	if (__atomic_load_n(&s->watched, __ATOMIC_ACQUIRE) != 0)
		epoll_notify(s, events);
	sock_wake_sleepers(s);
}

void
sock_wake_sleepers(struct sock *s)
{
	uint64_t one = 1;

	if (__atomic_load_n(&s->sleepers, __ATOMIC_ACQUIRE) == 0)
		return;
	/* a full counter means that it is readable already */
	if (s->wake_fd >= 0 && os.write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void
sock_wake_all(struct sock *s)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	sock_wake(s, NULL, 0);
}

void
sock_set_wake(struct sock *s)
{
	enum udp_wake when = UDP_WAKE_NEVER;

	rte_spinlock_lock(&s->wake_lock);
	if (__atomic_load_n(&s->watched, __ATOMIC_RELAXED) != 0)
		when = UDP_WAKE_ARRIVAL;
	else if (__atomic_load_n(&s->sleepers, __ATOMIC_RELAXED) != 0 || conf()->socketxtreme)
		when = UDP_WAKE_READABLE;
	s->ops->set_wake(s, when);
	rte_spinlock_unlock(&s->wake_lock);
}

int
sock_asleep(struct sock *s)
{
	rte_spinlock_lock(&s->lock);
	if (s->wake_fd < 0)
		s->wake_fd = sock_own(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (__atomic_fetch_add(&s->sleepers, 1, __ATOMIC_SEQ_CST) == 0)
		sock_set_wake(s);
	rte_spinlock_unlock(&s->lock);
	return s->epoll != NULL ? s->epoll->own_fd : s->wake_fd;
}

void
sock_awake(struct sock *s)
{
	uint64_t drained;

	rte_spinlock_lock(&s->lock);
	/* the last to leave takes the note away: until then it is for all of them */
	if (__atomic_sub_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST) == 0) {
		sock_set_wake(s);
		if (s->wake_fd >= 0 && os.read(s->wake_fd, &drained, sizeof(drained)) < 0)
			drained = 0;
	}
	rte_spinlock_unlock(&s->lock);
}

void
signals_hold(sigset_t *before)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t held;
	unsigned int i;

	sigfillset(&held);
	for (i = 0; i < RTE_DIM(faults); i++)
		sigdelset(&held, faults[i]);
	pthread_sigmask(SIG_BLOCK, &held, before);
}

void
signals_release(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Which of them it was no longer matters: the next look is for those that run from now on. */
bool
sock_wait_judge(struct sock_wait *w)
{
	uint32_t sigints = __atomic_load_n(&sock_sigints, __ATOMIC_RELAXED);
	bool ends = !w->restarts || w->signals->ending != w->ending || sigints != w->sigints;

	w->all = w->signals->all;
	w->ending = w->signals->ending;
	w->sigints = sigints;
	return ends;
}

struct timespec
timespec_until(uint64_t deadline_ns, bool nap)
{
	uint64_t now = clock_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	if (nap)
		left = RTE_MIN(left, (uint64_t)conf()->nap_usec * 1000);
	return (struct timespec){ .tv_sec = (time_t)(left / 1000000000u),
		.tv_nsec = (long)(left % 1000000000u) };
}

/* Until @p now reaches @p end. */
static int
spin(const struct wait_calls *calls, void *ctx, struct sock_wait *w, int ratio, uint64_t end,
		uint64_t now)
{
	int countdown = ratio, turns = 0, ret = 0;

	while (now < end && ret == 0) {
		bool ask = ratio != 0 && --countdown <= 0;

		if (ask)
			countdown = ratio;
		ret = calls->turn(ctx, ask);
		if (ret == 0 && sock_interrupted(w))
			ret = -EINTR;
		if (++turns % CHECK_CLOCK == 0)
			now = clock_ns();
		rte_pause();
	}
	return ret;
}

/* With signals held back between the sleeps. */
static int
sleep_on(const struct wait_calls *calls, void *ctx, struct sock_wait *w, const sigset_t *sigmask)
{
	sigset_t before;
	int ret;

	signals_hold(&before);
	do
		ret = sock_interrupted(w) ? -EINTR
					  : calls->sleep(ctx, sigmask != NULL ? sigmask : &before);
	while (ret == 0 && clock_ns() < w->deadline_ns);
	signals_release(&before);
	return ret;
}

int
wait_longer(const struct wait_calls *calls, void *ctx, struct sock_wait *w, const sigset_t *sigmask,
		bool spins)
{
	int spin_us = conf()->select_poll, ratio = conf()->select_poll_os_ratio, ret = 0;
	uint64_t now = clock_ns(), end = UINT64_MAX;
	sigset_t before;

	if (now >= w->deadline_ns)
		return 0;
	if (spin_us >= 0)
		end = now + (uint64_t)spin_us * 1000;
	/* it is the kernel that lets signals through */
	if (sigmask != NULL && ratio == 0)
		ratio = MASK_TURNS;
	/* what the call's mask holds back must not come while it spins; what it lets through, that
	 * was held back, comes when the kernel is asked */
	if (sigmask != NULL)
		pthread_sigmask(SIG_BLOCK, sigmask, &before);
	if (spins)
		ret = spin(calls, ctx, w, ratio, RTE_MIN(end, w->deadline_ns), now);
	if (ret == 0 && clock_ns() < w->deadline_ns)
		ret = sleep_on(calls, ctx, w, sigmask);
	if (sigmask != NULL)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

static int
sleep_once(struct sock *s, short want, uint64_t deadline_ns, const sigset_t *sigmask)
{
	struct pollfd fds[SOCK_RINGS + 3];
	struct ring_set set = { 0 };
	struct timespec left;
	uint64_t until;
	bool waiting;
	nfds_t n = 0;
	int ret;

	fds[n++] = (struct pollfd){ .fd = sock_asleep(s), .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = s->os_pollable ? s->fd : -1, .events = POLLIN };
	/* a send runs none: they would end its sleep again and again */
	fds[n++] = (struct pollfd){ .fd = want & POLLIN ? callbacks_asleep() : -1,
		.events = POLLIN };
	set.nap |= fds[0].fd < 0;
	ring_set_hold(&set, s);
	waiting = ring_set_arm(&set, fds, &n);
	/* what came before the arming, or before a waker could see us, is seen now */
	waiting = waiting || s->closing ||
			((want & POLLIN) && (callbacks_pending() || !s->offloaded)) ||
			s->ops->awaited(s, want);
	/* a signal that is held back has its turn in any case */
	until = waiting ? 0 : RTE_MIN(deadline_ns, s->ops->due(s));
	left = timespec_until(until, set.nap);
	ret = os.ppoll(fds, n, until == UINT64_MAX && !set.nap ? NULL : &left, sigmask);
	if (ret < 0)
		ret = -errno;
	else if (ret == 0 && clock_ns() >= deadline_ns)
		ret = -EAGAIN;
	else
		ret = ret > 0 && (fds[1].revents & (POLLIN | POLLERR)) ? -EREMOTE : 0;
	callbacks_awake(fds[2].fd);
	sock_awake(s);
	ring_set_leave(&set);
	return ret;
}

int
sock_sleep(struct sock *s, short want, struct sock_wait *w, const sigset_t *sigmask)
{
	int ret = sock_interrupted(w) ? -EINTR : sleep_once(s, want, w->deadline_ns, sigmask);

	return ret == -EINTR && !sock_sleep_interrupted(w) ? 0 : ret;
}
