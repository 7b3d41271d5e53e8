/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that wait for an epoll while it is the kernel's. When it becomes ours they would not hear
 * of sockets of ours. An event that nobody asked for, by a descriptor that is always readable,
 * calls them out one after the other: its data is an address of ours.
 */
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "epoll_priv.h"

static uint16_t in_kernel[SOCK_MARKS]; /**< threads, by number of the epoll */
static uint8_t made[SOCK_MARKS / 8];   /**< numbers that were an epoll's once */
static int kick_fd = -1;

bool
epoll_is_kick(const struct epoll_event *ev)
{
	return ev->data.u64 == (uintptr_t)&kick_fd;
}

static void
kick(int epfd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT,
		.data.u64 = (uintptr_t)&kick_fd };

	if (os.epoll_ctl(epfd, EPOLL_CTL_ADD, kick_fd, &ev) != 0 && errno == EEXIST)
		os.epoll_ctl(epfd, EPOLL_CTL_MOD, kick_fd, &ev);
}

/* Counted here, or by who interposes libc's calls. */
static bool
any_in_kernel(int epfd)
{
	if ((uint32_t)epfd >= SOCK_MARKS)
		return false;
	return __atomic_load_n(&in_kernel[epfd], __ATOMIC_SEQ_CST) != 0 ||
			(sock_epoll_waits != NULL && sock_epoll_waits(epfd));
}

void
epoll_kicked(int epfd)
{
	if (any_in_kernel(epfd))
		kick(epfd);
	else
		os.epoll_ctl(epfd, EPOLL_CTL_DEL, kick_fd, NULL);
}

void
epoll_call_out(int epfd)
{
	if (any_in_kernel(epfd))
		kick(epfd);
}

static int
drop_kick(int epfd, struct epoll_event *events, int n, bool *kicked)
{
	int i;

	for (i = 0; i < n; i++)
		if (unlikely(epoll_is_kick(&events[i]))) {
			events[i] = events[--n];
			*kicked = true;
			epoll_kicked(epfd);
		}
	return n;
}

int
dpvma_epoll_called_out(int epfd, struct epoll_event *events, int n)
{
	bool kicked = false;

	return drop_kick(epfd, events, n, &kicked);
}

int
epoll_kernel_init(void)
{
	if (kick_fd < 0)
		kick_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	return kick_fd < 0 ? -errno : 0;
}

bool
epoll_is_ours(int epfd)
{
	struct sock *e = sock_get(epfd);
	bool is = e != NULL && e->epoll != NULL;

	if (e != NULL)
		sock_put(e);
	return is;
}

/** @name epoll_wait */
/** @{ */
static int
kernel_until(int epfd, struct epoll_event *events, int n, uint64_t deadline, const sigset_t *mask)
{
	struct timespec left;
	int ret;

	if (deadline == 0 || deadline == UINT64_MAX)
		return os.epoll_pwait(epfd, events, n, deadline == 0 ? 0 : -1, mask);
	left = timespec_until(deadline, false);
	ret = (int)syscall(SYS_epoll_pwait2, epfd, events, n, &left, mask, (size_t)(_NSIG / 8));
	if (ret >= 0 || errno != ENOSYS)
		return ret;
	/* before Linux 5.11: never too early */
	return os.epoll_pwait(epfd, events, n,
			(int)RTE_MIN(left.tv_sec * 1000 + (left.tv_nsec + 999999) / 1000000,
					(long)INT_MAX),
			mask);
}

/* Also when the thread is cancelled in its sleep. */
static void
wait_over(void *threads)
{
	if (threads != NULL)
		__atomic_fetch_sub((uint16_t *)threads, 1, __ATOMIC_SEQ_CST);
}

/* @return events; 0 with @p kicked: the epoll is another now, look again */
int
epoll_wait_kernels(int epfd, struct epoll_event *events, int n, uint64_t deadline,
		const sigset_t *mask, bool *kicked)
{
	bool counted = (uint32_t)epfd < SOCK_MARKS && deadline != 0;
	int ret, err;

	*kicked = false;
	if (counted)
		__atomic_fetch_add(&in_kernel[epfd], 1, __ATOMIC_SEQ_CST);
	pthread_cleanup_push(wait_over, counted ? &in_kernel[epfd] : NULL);
	/* who made it ours before did not see us */
	if (counted && epoll_is_ours(epfd)) {
		*kicked = true;
		ret = 0;
	} else {
		ret = kernel_until(epfd, events, n, deadline, mask);
	}
	err = errno;
	pthread_cleanup_pop(1);
	if (*kicked)
		epoll_kicked(epfd);
	else
		ret = drop_kick(epfd, events, ret, kicked);
	errno = err;
	return ret;
}
/** @} */

/** @name poll */
/** @{ */
void
epoll_made(int epfd)
{
	if ((uint32_t)epfd < SOCK_MARKS)
		__atomic_fetch_or(&made[epfd / 8], (uint8_t)(1u << epfd % 8), __ATOMIC_RELAXED);
}

bool
epoll_maybe(int fd)
{
	if ((uint32_t)fd >= SOCK_MARKS)
		return false;
	return sock_marked(fd) == SOCK_MARK_EPOLL ||
			(__atomic_load_n(&made[fd / 8], __ATOMIC_RELAXED) >> fd % 8 & 1) != 0;
}

/** What one call of poll has been counted for. */
struct polled {
	unsigned int n;
	int fd[8]; /**< of more epolls in one call, those beyond do not call it out */
	bool ours; /**< one is, now */
};

static void
enter(struct polled *polled, const struct pollfd *fds, nfds_t n)
{
	nfds_t i;

	polled->n = 0;
	polled->ours = false;
	for (i = 0; i < n && polled->n < RTE_DIM(polled->fd); i++)
		if (epoll_maybe(fds[i].fd)) {
			polled->fd[polled->n++] = fds[i].fd;
			__atomic_fetch_add(&in_kernel[fds[i].fd], 1, __ATOMIC_SEQ_CST);
			/* who made it ours before did not see us */
			polled->ours |= epoll_is_ours(fds[i].fd);
		}
}

/* Those that are ours now have called us out. Also when the thread is cancelled in its sleep. */
static void
leave(void *polled)
{
	struct polled *p = polled;
	unsigned int i;

	p->ours = false;
	for (i = 0; i < p->n; i++) {
		__atomic_fetch_sub(&in_kernel[p->fd[i]], 1, __ATOMIC_SEQ_CST);
		if (epoll_is_ours(p->fd[i])) {
			epoll_kicked(p->fd[i]);
			p->ours = true;
		}
	}
}

int
epoll_poll_kernels(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *sigmask)
{
	struct timespec left = timespec_until(deadline, false);
	struct polled p;
	int ret = 0, err;

	enter(&p, fds, n);
	pthread_cleanup_push(leave, &p);
	if (!p.ours)
		ret = os.ppoll(fds, n, deadline == UINT64_MAX ? NULL : &left, sigmask);
	err = errno;
	pthread_cleanup_pop(1);
	if (p.ours && ret >= 0)
		ret = -EREMOTE;
	else if (ret < 0)
		ret = -err;
	errno = err;
	return ret;
}
/** @} */
