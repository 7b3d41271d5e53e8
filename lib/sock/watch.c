/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets in epolls: how readiness gets into an epoll's list. A wake callback puts the watches of
 * its socket there and wakes who sleeps; it takes two short locks and makes a system call only when
 * somebody sleeps. What is in the list is looked at when events are asked for: the callback alone
 * tells no more than that there may be something.
 */
#include <stdlib.h>
#include <unistd.h>

#include "epoll_priv.h"

#define HARVEST 64
#define FIRST_BUCKETS 16
#define NESTS 4 /**< epolls in epolls, as deep as Linux has it */
#define IN_OUT ((unsigned int)(POLLIN | POLLOUT))

/** @name The table */
/** @{ */
static unsigned int
bucket_of(const struct epoll *ep, int fd)
{
	return (uint32_t)fd & (ep->n_buckets - 1);
}

struct watch *
watch_find(struct epoll *ep, const struct sock *s, int fd)
{
	struct watch *w = ep->n_buckets != 0 ? ep->table[bucket_of(ep, fd)] : NULL;

	while (w != NULL && (w->fd != fd || w->s != s))
		w = w->same_hash;
	return w;
}

static void
table_put(struct epoll *ep, struct watch *w)
{
	struct watch **head = &ep->table[bucket_of(ep, w->fd)];

	w->same_hash = *head;
	*head = w;
}

static int
table_room(struct epoll *ep)
{
	unsigned int n = ep->n_buckets, i;
	struct watch **old = ep->table, *w, *next;

	if (ep->n_watches < n)
		return 0;
	ep->table = calloc(n != 0 ? 2 * n : FIRST_BUCKETS, sizeof(*ep->table));
	if (ep->table == NULL) {
		ep->table = old;
		return -ENOMEM;
	}
	ep->n_buckets = n != 0 ? 2 * n : FIRST_BUCKETS;
	for (i = 0; i < n; i++)
		for (w = old[i]; w != NULL; w = next) {
			next = w->same_hash;
			table_put(ep, w);
		}
	free(old);
	return 0;
}

static void
table_take(struct epoll *ep, struct watch *w)
{
	struct watch **at = &ep->table[bucket_of(ep, w->fd)];

	while (*at != w)
		at = &(*at)->same_hash;
	*at = w->same_hash;
}
/** @} */

/** @name Telling */
/** @{ */
/* @return false: it is there already */
static bool
enlist(struct watch *w, bool front)
{
	struct epoll *ep = w->ep;
	bool new;

	rte_spinlock_lock(&ep->ready_lock);
	new = !w->ready;
	if (new) {
		w->ready = true;
		if (front)
			TAILQ_INSERT_HEAD(&ep->ready, w, of_ready);
		else
			TAILQ_INSERT_TAIL(&ep->ready, w, of_ready);
		__atomic_store_n(&ep->n_ready, ep->n_ready + 1, __ATOMIC_RELEASE);
	}
	rte_spinlock_unlock(&ep->ready_lock);
	return new;
}

void
watch_ready_again(struct watch *w, bool front)
{
	enlist(w, front);
}

/* A call found it ready. Linux tells an outer epoll once, and of every arrival. */
static void
look_at(struct watch *w)
{
	if (watch_revents(w) != 0 && enlist(w, false))
		sock_wake(w->ep->s, POLLIN);
}

struct watch *
watch_next_ready(struct epoll *ep)
{
	struct watch *w;

	rte_spinlock_lock(&ep->ready_lock);
	w = TAILQ_FIRST(&ep->ready);
	if (w != NULL) {
		TAILQ_REMOVE(&ep->ready, w, of_ready);
		w->ready = false;
		__atomic_store_n(&ep->n_ready, ep->n_ready - 1, __ATOMIC_RELAXED);
	}
	rte_spinlock_unlock(&ep->ready_lock);
	return w;
}

uint32_t
epoll_asleep(struct epoll *ep)
{
	uint32_t stirs;

	rte_spinlock_lock(&ep->snap_lock);
	ep->n_current++;
	stirs = ep->stirs;
	rte_spinlock_unlock(&ep->snap_lock);
	return stirs;
}

void
epoll_awake(struct epoll *ep, uint32_t stirs)
{
	rte_spinlock_lock(&ep->snap_lock);
	if (stirs == ep->stirs)
		ep->n_current--;
	else
		__atomic_store_n(&ep->n_outdated, ep->n_outdated - 1, __ATOMIC_RELAXED);
	rte_spinlock_unlock(&ep->snap_lock);
}

/* No event: an outer epoll must not take it for one. */
void
epoll_stir(struct epoll *ep)
{
	rte_spinlock_lock(&ep->snap_lock);
	ep->stirs++;
	__atomic_store_n(&ep->n_outdated, ep->n_outdated + ep->n_current, __ATOMIC_RELAXED);
	ep->n_current = 0;
	rte_spinlock_unlock(&ep->snap_lock);
	sock_wake_sleepers(ep->s);
	epoll_follow(ep->s);
}

static void
make_stale(struct watch *w)
{
	struct epoll *ep = w->ep;

	rte_spinlock_lock(&ep->ready_lock);
	if (!w->stale) {
		w->stale = true;
		TAILQ_INSERT_TAIL(&ep->stale, w, of_stale);
		__atomic_store_n(&ep->n_stale, ep->n_stale + 1, __ATOMIC_RELEASE);
	}
	rte_spinlock_unlock(&ep->ready_lock);
	epoll_stir(ep);
}

static struct watch *
next_stale(struct epoll *ep)
{
	struct watch *w;

	rte_spinlock_lock(&ep->ready_lock);
	w = TAILQ_FIRST(&ep->stale);
	if (w != NULL) {
		TAILQ_REMOVE(&ep->stale, w, of_stale);
		w->stale = false;
		__atomic_store_n(&ep->n_stale, ep->n_stale - 1, __ATOMIC_RELAXED);
	}
	rte_spinlock_unlock(&ep->ready_lock);
	return w;
}

/* Linux: of those with EPOLLEXCLUSIVE, the first at which somebody waits for this. */
static bool
is_taken(const struct watch *w, unsigned int events)
{
	unsigned int io = events & IN_OUT;

	/* a change of state is for everybody */
	if (events == 0 || !(w->events & EPOLLEXCLUSIVE) ||
			__atomic_load_n(&w->ep->waiting, __ATOMIC_ACQUIRE) == 0)
		return false;
	return io == 0 || (io != IN_OUT && (io & w->events) != 0);
}

/* @return whether those with EPOLLEXCLUSIVE that follow need not hear of it */
static bool
tell(struct watch *w, unsigned int events)
{
	uint32_t wanted = w->events;

	if (events == RING_CHANGED) {
		make_stale(w);
		return false;
	}
	if (w->in_kernel || (wanted & ~WATCH_HOW) == 0 || (events != 0 && !(events & wanted)))
		return false;
	enlist(w, false);
	sock_wake(w->ep->s, POLLIN);
	return is_taken(w, events);
}

void
epoll_notify(struct sock *s, unsigned int events)
{
	bool taken = false;
	struct watch *w;

	rte_spinlock_lock(&s->watch_lock);
	TAILQ_FOREACH (w, &s->watches, of_sock)
		if (!taken || !(w->events & EPOLLEXCLUSIVE))
			taken |= tell(w, events);
	rte_spinlock_unlock(&s->watch_lock);
}

void
epoll_follow(struct sock *s)
{
	if (__atomic_load_n(&s->watched, __ATOMIC_ACQUIRE) != 0)
		epoll_notify(s, RING_CHANGED);
}
void
epoll_no_room(struct sock *s)
{
	if (__atomic_load_n(&s->watched, __ATOMIC_ACQUIRE) != 0)
		epoll_notify(s, POLLOUT | POLLWRNORM | POLLWRBAND);
}
/** @} */

/** @name Whose the socket is, and its kernel half */
/** @{ */
static void
to_kernel(struct watch *w)
{
	struct epoll_event ev = { .events = w->events, .data.u64 = w->data };

	w->in_kernel = w->ep->kernel_used = true;
	w->ep->n_ours--;
	if (os.epoll_ctl(w->ep->s->fd, EPOLL_CTL_ADD, w->fd, &ev) != 0 && errno != EEXIST)
		LOG_WARNING("fd %d: the kernel did not take it into epoll %d: %s", w->fd,
				w->ep->s->fd, strerror(errno));
}

/* A number that is no name of the socket any more may be another's that is in there, too. */
static void
leave_kernel(const struct watch *w)
{
	if (sock_held(w->fd) == w->s)
		os.epoll_ctl(w->ep->s->fd, EPOLL_CTL_DEL, w->fd, NULL);
}

static void
from_kernel(struct watch *w)
{
	w->in_kernel = false;
	w->ep->n_ours++;
	leave_kernel(w);
	look_at(w);
}

static void
enter_own(const struct watch *w, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = (uint32_t)w->fd };

	if (os.epoll_ctl(w->ep->own_fd, EPOLL_CTL_ADD, fd, &ev) != 0 && errno != EEXIST)
		LOG_WARNING("fd %d: the kernel did not take it into epoll %d: %s", fd,
				w->ep->own_fd, strerror(errno));
}

static void
half_follow(struct watch *w, bool is)
{
	const struct epoll *inner = w->s->epoll;

	w->ep->n_halves += (unsigned int)is - (unsigned int)w->half;
	if (is) {
		/* though it was there: another file may be behind the number */
		enter_own(w, w->s->fd);
		if (inner != NULL)
			enter_own(w, inner->own_fd);
	} else if (w->half) {
		/* which it leaves by itself with its last name */
		if (w->s->fd >= 0)
			os.epoll_ctl(w->ep->own_fd, EPOLL_CTL_DEL, w->s->fd, NULL);
		if (inner != NULL)
			os.epoll_ctl(w->ep->own_fd, EPOLL_CTL_DEL, inner->own_fd, NULL);
		w->kernel_ready = false;
	}
	w->half = is;
}

static int
follow(struct watch *w)
{
	bool kernel = !sock_has_events(w->s);
	int err = errno, ret;

	if (kernel && !w->in_kernel)
		to_kernel(w);
	else if (!kernel && w->in_kernel)
		from_kernel(w);
	if (kernel ? w->half : w->half || w->s->os_pollable)
		half_follow(w, !kernel && w->s->os_pollable);
	ret = rings_follow(w, kernel);
	errno = err;
	return ret;
}

void
watches_follow(struct epoll *ep)
{
	struct watch *w;

	if (likely(__atomic_load_n(&ep->n_stale, __ATOMIC_ACQUIRE) == 0))
		return;
	pthread_mutex_lock(&ep->lock);
	while ((w = next_stale(ep)) != NULL) {
		if (follow(w) != 0)
			LOG_WARNING("fd %d: no memory for its rings in epoll %d: others must poll "
				    "them",
					w->fd, ep->s->fd);
	}
	pthread_mutex_unlock(&ep->lock);
}

/* A number may have been closed and opened since: what is found there by it is asked. */
static void
harvested(struct epoll *ep, int fd)
{
	struct watch *w = ep->n_buckets != 0 ? ep->table[bucket_of(ep, fd)] : NULL;

	for (; w != NULL; w = w->same_hash)
		if (w->fd == fd && w->half) {
			w->kernel_ready = true;
			__atomic_store_n(&w->s->os_told, true, __ATOMIC_RELAXED);
			enlist(w, false);
			sock_wake(ep->s, POLLIN);
		}
}

void
watches_harvest(struct epoll *ep)
{
	struct epoll_event ev[HARVEST];
	uint64_t note;
	int n, i, err = errno;

	do {
		n = os.epoll_pwait(ep->own_fd, ev, HARVEST, 0, NULL);
		for (i = 0; i < n; i++) {
			if (ev[i].data.u64 != UINT64_MAX)
				harvested(ep, (int)ev[i].data.u64);
			else if (os.read(ep->s->wake_fd, &note, sizeof(note)) < 0)
				note = 0; /* another thread took it */
		}
	} while (n == HARVEST);
	errno = err;
}

uint32_t
watch_revents(struct watch *w)
{
	uint32_t wanted = w->events, got;

	if ((wanted & ~WATCH_HOW) == 0 || w->in_kernel)
		return 0;
	got = (uint32_t)(uint16_t)w->s->ops->revents(w->s) & wanted;
	if (w->kernel_ready && (wanted & (EPOLLIN | EPOLLRDNORM)) && !(got & EPOLLIN)) {
		w->kernel_ready = kernel_readable(w->s->fd);
		if (w->kernel_ready)
			got |= wanted & (EPOLLIN | EPOLLRDNORM);
	}
	return got;
}
/** @} */

/** @name Adding, changing, removing */
/** @{ */
/* Those with EPOLLEXCLUSIVE come last, in the order in which they came. */
static int
link_sock(struct watch *w)
{
	struct sock *s = w->s;
	int ret = 0;

	rte_spinlock_lock(&s->watch_lock);
	if (s->closing)
		ret = -EBADF;
	else if (w->events & EPOLLEXCLUSIVE)
		TAILQ_INSERT_TAIL(&s->watches, w, of_sock);
	else
		TAILQ_INSERT_HEAD(&s->watches, w, of_sock);
	if (ret == 0)
		__atomic_fetch_add(&s->watched, 1, __ATOMIC_SEQ_CST);
	rte_spinlock_unlock(&s->watch_lock);
	if (ret == 0)
		sock_set_wake(s);
	return ret;
}

/* The socket may go as soon as nothing leads here from it. */
static void
unlink_sock(struct watch *w)
{
	struct sock *s = w->s;

	__atomic_fetch_sub(&s->watched, 1, __ATOMIC_SEQ_CST);
	sock_set_wake(s);
	rte_spinlock_lock(&s->watch_lock);
	TAILQ_REMOVE(&s->watches, w, of_sock);
	rte_spinlock_unlock(&s->watch_lock);
}

static unsigned int
depth_down(struct epoll *ep, const struct epoll *into, unsigned int left)
{
	unsigned int deepest = 0, d;
	struct watch *w;

	if (ep == into || left == 0)
		return left + 1;
	TAILQ_FOREACH (w, &ep->nested, of_nested) {
		d = 1 + depth_down(w->s->epoll, into, left - 1);
		deepest = RTE_MAX(deepest, d);
		if (deepest > left)
			break;
	}
	return deepest;
}

static unsigned int
depth_up(struct epoll *ep, unsigned int left)
{
	unsigned int highest = 0, d;
	struct watch *w;

	if (left == 0)
		return 1;
	rte_spinlock_lock(&ep->s->watch_lock);
	TAILQ_FOREACH (w, &ep->s->watches, of_sock) {
		d = 1 + depth_up(w->ep, left - 1);
		highest = RTE_MAX(highest, d);
	}
	rte_spinlock_unlock(&ep->s->watch_lock);
	return highest;
}

static int
nest(struct watch *w)
{
	int ret = 0;

	rte_spinlock_lock(&epoll_nest_lock);
	if (depth_down(w->s->epoll, w->ep, NESTS) + 1 + depth_up(w->ep, NESTS) > NESTS)
		ret = -ELOOP;
	else
		TAILQ_INSERT_TAIL(&w->ep->nested, w, of_nested);
	rte_spinlock_unlock(&epoll_nest_lock);
	return ret != 0 ? ret : rings_renew(w->ep);
}

static void
unnest(struct watch *w)
{
	rte_spinlock_lock(&epoll_nest_lock);
	TAILQ_REMOVE(&w->ep->nested, w, of_nested);
	rte_spinlock_unlock(&epoll_nest_lock);
	rings_renew(w->ep);
}

static struct watch *
watch_new(struct epoll *ep, struct sock *s, int fd, const struct epoll_event *ev)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->ep = ep;
	w->s = s;
	w->fd = fd;
	w->events = ev->events | EPOLLERR | EPOLLHUP;
	w->data = ev->data.u64;
	w->rings = w->few;
	__atomic_fetch_add(&ep->refs, 1, __ATOMIC_RELAXED);
	table_put(ep, w);
	ep->n_watches++;
	ep->n_ours++;
	ep->n_streams += s->stream != NULL || s->epoll != NULL;
	return w;
}

static void
watch_free(struct watch *w)
{
	struct epoll *ep = w->ep;

	table_take(ep, w);
	ep->n_watches--;
	ep->n_ours -= !w->in_kernel;
	ep->n_streams -= w->s->stream != NULL || w->s->epoll != NULL;
	if (w->rings != w->few)
		free(w->rings);
	free(w);
	epoll_unref(ep);
}

int
watch_add(struct epoll *ep, struct sock *s, int fd, const struct epoll_event *ev)
{
	struct watch *w;
	int ret;

	if (table_room(ep) != 0 || (w = watch_new(ep, s, fd, ev)) == NULL)
		return -ENOMEM;
	ret = s->epoll != NULL ? nest(w) : 0;
	if (ret == 0) {
		ret = link_sock(w);
		if (ret != 0 && s->epoll != NULL)
			unnest(w);
	}
	if (ret != 0) {
		watch_free(w);
		return ret;
	}
	ret = follow(w);
	if (ret != 0)
		watch_remove(w);
	else
		look_at(w);
	return ret;
}

int
watch_change(struct watch *w, const struct epoll_event *ev)
{
	struct epoll_event now = *ev;

	/* with the lock: a callback that saw the old ones has done with what we look at below */
	rte_spinlock_lock(&w->s->watch_lock);
	w->events = ev->events | EPOLLERR | EPOLLHUP;
	rte_spinlock_unlock(&w->s->watch_lock);
	w->data = ev->data.u64;
	if (w->in_kernel)
		return os.epoll_ctl(w->ep->s->fd, EPOLL_CTL_MOD, w->fd, &now) == 0 ? 0 : -errno;
	look_at(w);
	return 0;
}

static void
delist(struct watch *w)
{
	struct epoll *ep = w->ep;

	rte_spinlock_lock(&ep->ready_lock);
	if (w->ready) {
		TAILQ_REMOVE(&ep->ready, w, of_ready);
		__atomic_store_n(&ep->n_ready, ep->n_ready - 1, __ATOMIC_RELAXED);
	}
	if (w->stale) {
		TAILQ_REMOVE(&ep->stale, w, of_stale);
		__atomic_store_n(&ep->n_stale, ep->n_stale - 1, __ATOMIC_RELAXED);
	}
	rte_spinlock_unlock(&ep->ready_lock);
}

void
watch_remove(struct watch *w)
{
	int err = errno;

	unlink_sock(w);
	delist(w);
	if (w->half)
		half_follow(w, false);
	if (w->in_kernel)
		leave_kernel(w);
	rings_follow(w, true);
	if (w->s->epoll != NULL)
		unnest(w);
	watch_free(w);
	errno = err;
}

/* An epoll that has it, with a reference, and by which number. */
static struct epoll *
watcher(struct sock *s, int *fd)
{
	struct epoll *ep = NULL;
	struct watch *w;

	/* whoever is about to add it sees that it is being closed, or is seen here */
	rte_spinlock_lock(&s->watch_lock);
	w = TAILQ_FIRST(&s->watches);
	if (w != NULL) {
		*fd = w->fd;
		ep = w->ep;
		__atomic_fetch_add(&ep->refs, 1, __ATOMIC_RELAXED);
	}
	rte_spinlock_unlock(&s->watch_lock);
	return ep;
}

void
epoll_forget(struct sock *s)
{
	struct epoll *ep;
	struct watch *w;
	int fd;

	while ((ep = watcher(s, &fd)) != NULL) {
		pthread_mutex_lock(&ep->lock);
		w = watch_find(ep, s, fd);
		if (w != NULL)
			watch_remove(w);
		pthread_mutex_unlock(&ep->lock);
		epoll_unref(ep);
	}
}
/** @} */
