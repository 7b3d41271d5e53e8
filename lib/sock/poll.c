/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll and ppoll over a mixture of descriptors: spin on the rings of the offloaded ones for
 * VMA_SELECT_POLL microseconds, looking at the kernel's once in VMA_SELECT_POLL_OS_RATIO turns, then
 * sleep on everything together.
 */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sock_priv.h"

#define ON_STACK 32
#define CHECK_CLOCK 16 /**< turns between looks at the clock */

/** One call's view of its descriptors. */
struct view {
	struct pollfd *fds;
	nfds_t n;
	struct sock **socks;    /**< by position, NULL: the kernel's */
	struct pollfd *os;      /**< what the kernel is asked: positions alike, then rings, then wakers */
	nfds_t offloaded, kernels;
	struct ring *rings[SOCK_RINGS];
	unsigned int n_rings;
	struct sock *small_socks[ON_STACK];
	struct pollfd small_os[2 * ON_STACK + SOCK_RINGS];
};

static void
add_rings(struct view *v, struct sock *s)
{
	struct ring *rings[SOCK_RINGS];
	unsigned int n = RTE_MIN(udp_rings(s->udp, rings, SOCK_RINGS), (unsigned int)SOCK_RINGS), i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < v->n_rings && v->rings[j] != rings[i]; j++)
			;
		if (j == v->n_rings && v->n_rings < SOCK_RINGS)
			v->rings[v->n_rings++] = rings[i];
	}
}

static int
view_open(struct view *v, struct pollfd *fds, nfds_t n)
{
	nfds_t i;

	v->fds = fds;
	v->n = n;
	v->offloaded = v->kernels = 0;
	v->n_rings = 0;
	v->socks = v->small_socks;
	v->os = v->small_os;
	if (n > ON_STACK) {
		v->socks = malloc(n * sizeof(*v->socks));
		v->os = malloc((2 * n + SOCK_RINGS) * sizeof(*v->os));
		if (v->socks == NULL || v->os == NULL) {
			free(v->socks);
			free(v->os);
			return -ENOMEM;
		}
	}
	for (i = 0; i < n; i++) {
		struct sock *s = fds[i].fd < 0 ? NULL : sock_get(fds[i].fd);

		if (s != NULL && !s->offloaded) {
			sock_put(s);
			s = NULL;
		}
		v->socks[i] = s;
		v->os[i] = (struct pollfd){ .fd = fds[i].fd, .events = fds[i].events };
		if (s == NULL) {
			v->kernels += fds[i].fd >= 0;
			continue;
		}
		v->offloaded++;
		/* the kernel's socket is always writable: only its input counts */
		v->os[i].events &= POLLIN | POLLRDNORM;
		if (!s->os_pollable)
			v->os[i].fd = -1;
		add_rings(v, s);
	}
	return 0;
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
ready_events(const struct sock *s, short wanted)
{
	short got = POLLOUT | POLLWRNORM;

	if (udp_readable(s->udp) || s->shut_read)
		got |= POLLIN | POLLRDNORM;
	if (s->shut_read)
		got |= POLLRDHUP;
	got &= wanted;
	if (udp_has_error(s->udp))
		got |= POLLERR;
	if (s->closing)
		got |= POLLNVAL;
	return got;
}

/* Results of the offloaded ones; with @p os also what the kernel answered for all. */
static int
collect(struct view *v, bool os)
{
	int ready = 0;
	nfds_t i;

	for (i = 0; i < v->n; i++) {
		short got = os && v->os[i].fd >= 0 ? v->os[i].revents : 0;

		if (v->socks[i] != NULL)
			got |= ready_events(v->socks[i], v->fds[i].events);
		v->fds[i].revents = got;
		ready += got != 0;
	}
	return ready;
}

static int
turn(struct view *v, int *countdown)
{
	bool os = false;
	unsigned int i;

	for (i = 0; i < v->n_rings; i++)
		net_poll(v->rings[i]);
	if (conf()->select_poll_os_ratio != 0 && --*countdown <= 0) {
		*countdown = conf()->select_poll_os_ratio;
		os = poll(v->os, v->n, 0) > 0;
	}
	return collect(v, os);
}

/*
 * Arm, look once more, sleep. sigmask is in force in the sleep only; a signal that it lets through
 * and that came before ends the sleep at once, as ppoll(2) promises.
 */
static int
sleep_on(struct view *v, uint64_t deadline, const sigset_t *sigmask)
{
	nfds_t n = v->n, i;
	bool nap = false, waiting = false;
	struct timespec left;
	uint64_t now, wait;
	int ret;

	for (i = 0; i < v->n_rings; i++) {
		int armed = ring_arm(v->rings[i]);

		waiting |= armed == 1;
		nap |= armed < 0;
		if (armed == 0)
			v->os[n++] = (struct pollfd){ .fd = ring_fd(v->rings[i]), .events = POLLIN };
	}
	for (i = 0; i < v->n; i++) {
		struct sock *s = v->socks[i];

		if (s == NULL)
			continue;
		v->os[n++] = (struct pollfd){ .fd = sock_wake_fd(s), .events = POLLIN };
		__atomic_fetch_add(&s->sleepers, 1, __ATOMIC_SEQ_CST);
		waiting |= udp_readable(s->udp) || s->closing;
	}
	now = clock_ns();
	wait = waiting || deadline <= now ? 0 : deadline - now;
	if (nap)
		wait = RTE_MIN(wait, (uint64_t)conf()->nap_usec * 1000);
	left = (struct timespec){ .tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u) };
	ret = ppoll(v->os, n, wait > UINT64_MAX / 2 ? NULL : &left, sigmask);
	ret = ret < 0 ? -errno : 0;
	for (i = 0; i < v->n; i++)
		if (v->socks[i] != NULL)
			sock_awake(v->socks[i]);
	for (i = 0; i < v->n_rings; i++)
		ring_disarm(v->rings[i]);
	return ret;
}

static int
poll_offloaded(struct view *v, uint64_t deadline, const sigset_t *sigmask)
{
	int spin_us = conf()->select_poll, countdown = 1, ready, ret, turns = 0;
	uint64_t now = clock_ns(), spin_end;

	ready = turn(v, &countdown);
	if (ready != 0 || deadline <= now)
		return ready;
	spin_end = spin_us < 0 ? UINT64_MAX : now + (uint64_t)spin_us * 1000;
	for (;;) {
		while (turns++ % CHECK_CLOCK != 0 || (now = clock_ns()) < spin_end) {
			ready = turn(v, &countdown);
			if (ready != 0)
				return ready;
			if (now >= deadline)
				return 0;
			rte_pause();
		}
		ret = sleep_on(v, deadline, sigmask);
		if (ret < 0)
			return ret;
		/* asleep we waited for all: ask all, whatever the ratio says */
		countdown = 1;
		ready = turn(v, &countdown);
		if (ready != 0 || (ready = collect(v, true)) != 0)
			return ready;
		now = clock_ns();
		if (now >= deadline)
			return 0;
		spin_end = now;
		turns = 0;
	}
}

static int
poll_until(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *sigmask)
{
	struct view v;
	int ret = view_open(&v, fds, n);

	if (ret != 0)
		return ret;
	ret = poll_offloaded(&v, deadline, sigmask);
	view_close(&v);
	return ret;
}

static bool
any_offloaded(const struct pollfd *fds, nfds_t n)
{
	nfds_t i;

	for (i = 0; i < n; i++) {
		struct sock *s = fds[i].fd < 0 ? NULL : sock_get(fds[i].fd);
		bool is = s != NULL && s->offloaded;

		if (s != NULL)
			sock_put(s);
		if (is)
			return true;
	}
	return false;
}

int
dpvma_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int ret;

	if (fds == NULL || !any_offloaded(fds, n))
		return poll(fds, n, timeout_ms);
	ret = poll_until(fds, n, timeout_ms < 0 ? UINT64_MAX : clock_ns() + (uint64_t)timeout_ms * 1000000u,
			NULL);
	return ret < 0 ? fail(ret) : ret;
}

int
dpvma_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *sigmask)
{
	uint64_t deadline = UINT64_MAX;
	int ret;

	if (fds == NULL || !any_offloaded(fds, n))
		return ppoll(fds, n, timeout, sigmask);
	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999)
			return fail(-EINVAL);
		deadline = clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u + (uint64_t)timeout->tv_nsec;
	}
	ret = poll_until(fds, n, deadline, sigmask);
	return ret < 0 ? fail(ret) : ret;
}
