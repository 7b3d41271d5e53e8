/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets in epolls: the table of an epoll's watches, and how they come, change and go.
 */
#include <stdlib.h>

#include "epoll_priv.h"

#define FIRST_BUCKETS 16

/** @name The table */
/** @{ */
static unsigned int
bucket_of(const struct epoll *ep, int fd)
{
	return (uint32_t)fd & (ep->n_buckets - 1);
}

struct watch *
watch_chain(struct epoll *ep, int fd)
{
	return ep->n_buckets != 0 ? ep->table[bucket_of(ep, fd)] : NULL;
}

struct watch *
watch_find(struct epoll *ep, const struct sock *s, int fd)
{
	struct watch *w = watch_chain(ep, fd);

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
	ret = s->epoll != NULL ? epoll_nest(w) : 0;
	if (ret == 0) {
		ret = link_sock(w);
		if (ret != 0 && s->epoll != NULL)
			epoll_unnest(w);
	}
	if (ret != 0) {
		watch_free(w);
		return ret;
	}
	ret = watch_follow(w);
	if (ret != 0)
		watch_remove(w);
	else
		watch_look(w);
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
	watch_look(w);
	return 0;
}

void
watch_remove(struct watch *w)
{
	int err = errno;

	unlink_sock(w);
	watch_delist(w);
	watch_leave_kernel(w);
	rings_follow(w, true);
	if (w->s->epoll != NULL)
		epoll_unnest(w);
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
