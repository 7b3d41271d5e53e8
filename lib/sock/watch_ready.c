/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How readiness gets into an epoll's list. A wake callback puts the watches of its socket there and
 * wakes who sleeps; it takes two short locks and makes a system call only when somebody sleeps.
 * What is in the list is looked at when events are asked for: the callback alone tells no more than
 * that there may be something.
 */
#include "epoll_priv.h"

#define IN_OUT ((unsigned int)(POLLIN | POLLOUT))

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
void
watch_look(struct watch *w)
{
	if (watch_revents(w) != 0 && enlist(w, false))
		sock_wake(w->ep->s, NULL, POLLIN);
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

struct watch *
watch_next_stale(struct epoll *ep)
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
	sock_wake(w->ep->s, NULL, POLLIN);
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

void
watch_delist(struct watch *w)
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
