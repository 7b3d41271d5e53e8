/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sleeping: on the Rx interrupts of the socket's rings, the kernel's socket, and an eventfd by which
 * another thread that delivered to the socket, or closed it, wakes us. A port without Rx interrupts
 * is looked at every DPVMA_NAP_USEC.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sock_priv.h"

void
sock_wake(void *sock)
{
	struct sock *s = sock;
	uint64_t one = 1;

	if (__atomic_load_n(&s->sleepers, __ATOMIC_SEQ_CST) == 0)
		return;
	/* a full counter means that it is readable already */
	if (s->wake_fd >= 0 && write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

int
sock_wake_fd(struct sock *s)
{
	rte_spinlock_lock(&s->lock);
	if (s->wake_fd < 0)
		s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rte_spinlock_unlock(&s->lock);
	return s->wake_fd;
}

void
sock_awake(struct sock *s)
{
	uint64_t drained;

	__atomic_fetch_sub(&s->sleepers, 1, __ATOMIC_SEQ_CST);
	/* nothing there: nobody woke us, or another sleeper took it */
	if (read(s->wake_fd, &drained, sizeof(drained)) < 0)
		return;
}

static struct timespec
until(uint64_t deadline_ns, bool nap)
{
	uint64_t now = clock_ns(), left = deadline_ns > now ? deadline_ns - now : 0;

	if (nap)
		left = RTE_MIN(left, (uint64_t)conf()->nap_usec * 1000);
	return (struct timespec){ .tv_sec = (time_t)(left / 1000000000u),
		.tv_nsec = (long)(left % 1000000000u) };
}

int
sock_sleep(struct sock *s, uint64_t deadline_ns)
{
	struct pollfd fds[SOCK_RINGS + 2];
	struct ring *rings[SOCK_RINGS];
	unsigned int n_rings = udp_rings(s->udp, rings, SOCK_RINGS), i, n = 0;
	struct timespec left;
	bool nap = false, ready = false;
	int ret = 0;

	n_rings = RTE_MIN(n_rings, (unsigned int)SOCK_RINGS);
	fds[n++] = (struct pollfd){ .fd = sock_wake_fd(s), .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = s->os_pollable ? s->fd : -1, .events = POLLIN };
	__atomic_fetch_add(&s->sleepers, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < n_rings; i++) {
		int armed = ring_arm(rings[i]);

		ready |= armed == 1;
		nap |= armed < 0;
		if (armed == 0)
			fds[n++] = (struct pollfd){ .fd = ring_fd(rings[i]), .events = POLLIN };
	}
	/* what came before the arming, or before a waker could see us, is seen now */
	if (!ready && !udp_readable(s->udp) && !s->closing) {
		left = until(deadline_ns, nap);
		ret = ppoll(fds, n, deadline_ns == UINT64_MAX && !nap ? NULL : &left, NULL);
		if (ret < 0)
			ret = -errno;
		else if (ret == 0 && clock_ns() >= deadline_ns)
			ret = -EAGAIN;
		else
			ret = ret > 0 && (fds[1].revents & (POLLIN | POLLERR)) ? -EREMOTE : 0;
	}
	sock_awake(s);
	for (i = 0; i < n_rings; i++)
		ring_disarm(rings[i]);
	return ret;
}
