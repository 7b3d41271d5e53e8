/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll: the calls, and the object beside the kernel's epoll. Until something is added that dpvma
 * has a say in, an epoll is the kernel's alone, and calls go straight there.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "epoll_priv.h"
#include "rate.h"

#define EXCLUSIVE_WITH                                                                             \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define TIMEOUT_MAX_S 1000000000 /**< 31 years: no limit */
#define EVENTS_MAX (INT_MAX / (int)sizeof(struct epoll_event))

static int probe_fd = -1; /**< is in no epoll, ever */
static pthread_mutex_t attach_lock = PTHREAD_MUTEX_INITIALIZER;

/** @name The object */
/** @{ */
int
epolls_init(void)
{
	if (probe_fd < 0)
		probe_fd = eventfd(0, EFD_CLOEXEC);
	return probe_fd < 0 ? -errno : epoll_kernel_init();
}

void
epoll_unref(struct epoll *ep)
{
	if (__atomic_sub_fetch(&ep->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	free(ep->table);
	free(ep->counts);
	pthread_mutex_destroy(&ep->lock);
	free(ep);
}

static void
destroy(struct sock *e)
{
	struct epoll *ep = e->epoll;
	struct ring_snap *snap;
	unsigned int i;

	pthread_mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets; i++)
		while (ep->table[i] != NULL)
			watch_remove(ep->table[i]);
	rte_spinlock_lock(&ep->snap_lock);
	snap = ep->snap;
	ep->snap = NULL;
	rte_spinlock_unlock(&ep->snap_lock);
	pthread_mutex_unlock(&ep->lock);
	rings_put(snap);
	sock_own_close(ep->own_fd);
	e->epoll = NULL;
	epoll_unref(ep);
}

static unsigned int
turn(struct sock *e)
{
	epoll_turn(e->epoll);
	return 0;
}

/* Who asks polls it by turn(): its rings are others at any time. */
static unsigned int
no_rings(struct sock *e, struct ring **rings, unsigned int n)
{
	(void)e;
	(void)rings;
	(void)n;
	return 0;
}

/* Those that are ready no longer leave the list, as in Linux. */
static bool
any_ready(struct epoll *ep)
{
	struct watch *w = NULL;
	bool is = false;

	pthread_mutex_lock(&ep->lock);
	if (ep->n_halves != 0)
		watches_harvest(ep);
	while (!is && (w = watch_next_ready(ep)) != NULL)
		is = watch_revents(w) != 0;
	if (is)
		watch_ready_again(w, true);
	pthread_mutex_unlock(&ep->lock);
	return is;
}

static short
revents(struct sock *e)
{
	watches_follow(e->epoll);
	return any_ready(e->epoll) ? POLLIN | POLLRDNORM : 0;
}

static bool
awaited(struct sock *e, short want)
{
	return (revents(e) & want) != 0;
}

static void
set_wake(struct sock *e, enum udp_wake when)
{
	(void)e;
	(void)when;
}

static uint64_t
due(struct sock *e)
{
	uint64_t rate = __atomic_load_n(&rate_next, __ATOMIC_RELAXED);

	return e->epoll->n_streams != 0 ? RTE_MIN(rate, stream_next()) : rate;
}

const struct sock_ops epoll_ops = {
	.destroy = destroy,
	.poll = turn,
	.rings = no_rings,
	.hold_rings = no_rings,
	.revents = revents,
	.awaited = awaited,
	.set_wake = set_wake,
	.due = due,
};

static struct epoll *
epoll_new(void)
{
	struct epoll *ep = aligned_alloc(
			RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*ep), RTE_CACHE_LINE_SIZE));

	if (ep == NULL)
		return NULL;
	memset(ep, 0, sizeof(*ep));
	ep->refs = 1;
	pthread_mutex_init(&ep->lock, NULL);
	rte_spinlock_init(&ep->snap_lock);
	rte_spinlock_init(&ep->ready_lock);
	TAILQ_INIT(&ep->nested);
	TAILQ_INIT(&ep->ready);
	TAILQ_INIT(&ep->stale);
	ep->own_fd = sock_own(os.epoll_create1(EPOLL_CLOEXEC));
	if (ep->own_fd >= 0)
		return ep;
	epoll_unref(ep);
	return NULL;
}

/* Linux says ENOMEM or ENOSPC where it finds no room for one more. */
static struct sock *
sock_of(int epfd, struct epoll *ep)
{
	struct epoll_event note = { .events = EPOLLIN, .data.u64 = UINT64_MAX };
	struct sock *e = sock_new(epfd);

	if (e == NULL) {
		sock_own_close(ep->own_fd);
		epoll_unref(ep);
		return NULL;
	}
	e->ops = &epoll_ops;
	e->epoll = ep;
	ep->s = e;
	e->os_pollable = true;
	e->wake_fd = sock_own(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (e->wake_fd >= 0 && os.epoll_ctl(ep->own_fd, EPOLL_CTL_ADD, e->wake_fd, &note) == 0) {
		snprintf(e->why, sizeof(e->why), "an epoll with sockets of dpvma");
		return e;
	}
	e->fd = -1;
	e->closing = true;
	sock_put(e);
	return NULL;
}

/* What was put there before it was ours, /proc tells; if it does not, there may be something. */
static bool
kernel_has_any(int epfd)
{
	char path[40], line[128];
	bool any = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epfd);
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	while (!any && fgets(line, sizeof(line), f) != NULL)
		any = strncmp(line, "tfd:", 4) == 0;
	fclose(f);
	return any;
}

static int
attach(int epfd)
{
	struct epoll *ep = epoll_new();
	struct sock *e;

	if (ep == NULL)
		return -ENOMEM;
	e = sock_of(epfd, ep);
	if (e == NULL)
		return -ENOMEM;
	ep->kernel_used = kernel_has_any(epfd);
	sock_publish(e);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	epoll_call_out(epfd);
	return 0;
}

/* The epoll of this number, made when there is none; it is one, says the kernel. */
static struct sock *
epoll_get(int epfd, int *ret)
{
	struct sock *e;

	pthread_mutex_lock(&attach_lock);
	*ret = 0;
	e = sock_get(epfd);
	if (e == NULL && (*ret = attach(epfd)) == 0) {
		e = sock_get(epfd);
		*ret = e == NULL ? -EBADF : 0;
	}
	pthread_mutex_unlock(&attach_lock);
	if (e != NULL && e->epoll == NULL) {
		sock_put(e);
		e = NULL;
		*ret = -EINVAL;
	}
	return e;
}
/** @} */

/** @name Control */
/** @{ */
/* In Linux's order: what is wrong with the descriptors, then with the events, then ELOOP. */
static int
control_locked(struct epoll *ep, int op, int fd, struct sock *s, const struct epoll_event *ev)
{
	struct watch *w = watch_find(ep, s, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		return w != NULL ? -EEXIST : watch_add(ep, s, fd, ev);
	case EPOLL_CTL_MOD:
		if (w == NULL)
			return -ENOENT;
		return w->events & EPOLLEXCLUSIVE ? -EINVAL : watch_change(w, ev);
	case EPOLL_CTL_DEL:
		if (w == NULL)
			return -ENOENT;
		watch_remove(w);
		return 0;
	default:
		return -EINVAL;
	}
}

static int
check(int epfd, int op, int fd, const struct sock *s, const struct epoll_event *ev)
{
	if (epfd == fd)
		return -EINVAL;
	if (op == EPOLL_CTL_DEL || !(ev->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD ||
			(op == EPOLL_CTL_ADD &&
					(s->epoll != NULL ||
							(ev->events & ~(uint32_t)EXCLUSIVE_WITH))))
		return -EINVAL;
	return 0;
}

/* The kernel reads what is at the address before it looks at the descriptors. */
static bool
bad_address(int op, struct epoll_event *ev)
{
	return op != EPOLL_CTL_DEL &&
			(ev == NULL || (os.epoll_ctl(-1, op, -1, ev) != 0 && errno == EFAULT));
}

static int
control(int epfd, int op, int fd, struct sock *s, struct epoll_event *ev)
{
	struct sock *e;
	int ret;

	if (bad_address(op, ev))
		return -EFAULT;
	ret = check(epfd, op, fd, s, ev);
	if (ret != 0)
		return ret;
	e = epoll_get(epfd, &ret);
	if (e == NULL)
		return ret;
	pthread_mutex_lock(&e->epoll->lock);
	ret = control_locked(e->epoll, op, fd, s, ev);
	pthread_mutex_unlock(&e->epoll->lock);
	sock_put(e);
	return ret;
}

/* To take out what is not in: says what is wrong with either. 0: they fit together. */
static int
probe(int epfd, int fd)
{
	if (os.epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

/* One of the kernel's, so far, that is an epoll as well: both become ours. */
static bool
is_kernels_epoll(int fd)
{
	/* in the child of a fork() the number may be another's */
	return sock_is_started() && probe(fd, probe_fd) == 0;
}

static bool
has(int epfd, struct sock *s, int fd)
{
	struct sock *e = sock_get(epfd);
	bool is = false;

	if (e != NULL && e->epoll != NULL) {
		pthread_mutex_lock(&e->epoll->lock);
		is = watch_find(e->epoll, s, fd) != NULL;
		pthread_mutex_unlock(&e->epoll->lock);
	}
	if (e != NULL)
		sock_put(e);
	return is;
}

/* Nothing of ours is in an epoll that is the kernel's alone. */
static int
control_first(int epfd, int op, int fd, struct sock *s, struct epoll_event *ev)
{
	int ret;

	if (op != EPOLL_CTL_ADD)
		return os.epoll_ctl(epfd, op, fd, ev) == 0 ? 0 : -errno;
	if (bad_address(op, ev))
		return -EFAULT;
	ret = probe(epfd, fd);
	return ret != 0 ? ret : control(epfd, op, fd, s, ev);
}

/* Who waits is woken by the kernel, and must ask it from then on. */
static int
control_kernels(int epfd, int op, int fd, struct epoll_event *ev, bool ours)
{
	struct sock *e = ours ? sock_get(epfd) : NULL;

	if (e != NULL && e->epoll != NULL)
		__atomic_store_n(&e->epoll->kernel_used, true, __ATOMIC_SEQ_CST);
	if (e != NULL)
		sock_put(e);
	return os.epoll_ctl(epfd, op, fd, ev) == 0 ? 0 : -errno;
}

int
dpvma_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct sock *s = sock_get(fd);
	bool ours = epoll_is_ours(epfd);
	int ret = 0, err = errno;

	if (s == NULL && op == EPOLL_CTL_ADD && sock_is_started() && epfd != fd &&
			is_kernels_epoll(fd) && (ours || probe(epfd, fd) == 0))
		s = epoll_get(fd, &ret);
	if (ret == 0 && s != NULL && (sock_has_events(s) || has(epfd, s, fd)))
		ret = ours ? control(epfd, op, fd, s, ev) : control_first(epfd, op, fd, s, ev);
	else if (ret == 0)
		ret = control_kernels(epfd, op, fd, ev, ours);
	if (s != NULL)
		sock_put(s);
	errno = err;
	return ret == 0 ? 0 : fail(ret);
}

int
dpvma_epoll_create1(int flags)
{
	int fd = os.epoll_create1(flags);

	if (fd >= 0) {
		sock_mark(fd, SOCK_MARK_EPOLL);
		epoll_made(fd);
	}
	return fd;
}
/** @} */

/** @name Waiting */
/** @{ */
static int
wait_until(int epfd, struct epoll_event *events, int n, uint64_t deadline, const sigset_t *mask)
{
	bool kicked = true;
	struct sock *e;
	int ret = 0, err = errno;

	while (kicked && ret == 0) {
		e = sock_get(epfd);
		if (e != NULL && e->epoll != NULL) {
			ret = n <= 0 || n > EVENTS_MAX
					? -EINVAL
					: epoll_wait_ours(e, events, n, deadline, mask);
			ret = ret < 0 ? fail(ret) : ret;
			kicked = false;
		} else {
			ret = epoll_wait_kernels(epfd, events, n, deadline, mask, &kicked);
		}
		if (e != NULL)
			sock_put(e);
	}
	if (ret >= 0)
		errno = err;
	return ret;
}

int
dpvma_epoll_pwait2(int epfd, struct epoll_event *events, int n, const struct timespec *timeout,
		const sigset_t *sigmask)
{
	uint64_t deadline = UINT64_MAX;

	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999)
			return fail(-EINVAL);
		deadline = 0;
		if (timeout->tv_sec > TIMEOUT_MAX_S)
			deadline = UINT64_MAX;
		else if (timeout->tv_sec != 0 || timeout->tv_nsec != 0)
			deadline = clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
					(uint64_t)timeout->tv_nsec;
	}
	return wait_until(epfd, events, n, deadline, sigmask);
}

int
dpvma_epoll_pwait(int epfd, struct epoll_event *events, int n, int timeout_ms,
		const sigset_t *sigmask)
{
	uint64_t deadline = UINT64_MAX;

	if (timeout_ms >= 0)
		deadline = timeout_ms == 0 ? 0 : clock_ns() + (uint64_t)timeout_ms * 1000000u;
	return wait_until(epfd, events, n, deadline, sigmask);
}

int
dpvma_epoll_wait(int epfd, struct epoll_event *events, int n, int timeout_ms)
{
	return dpvma_epoll_pwait(epfd, events, n, timeout_ms, NULL);
}
/** @} */
