/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rings an epoll polls: those of its sockets, counted, so that ten thousand sockets on one
 * ring cost one poll. Pollers use a snapshot that does not change and holds its rings; a change,
 * which is rare, makes another one.
 */
#include <stdlib.h>

#include "epoll_priv.h"

struct ring_snap *
rings_get(struct epoll *ep)
{
	struct ring_snap *snap;

	rte_spinlock_lock(&ep->snap_lock);
	snap = ep->snap;
	if (snap != NULL)
		__atomic_fetch_add(&snap->refs, 1, __ATOMIC_RELAXED);
	rte_spinlock_unlock(&ep->snap_lock);
	return snap;
}

void
rings_put(struct ring_snap *snap)
{
	unsigned int i;

	if (snap == NULL || __atomic_sub_fetch(&snap->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	for (i = 0; i < snap->n; i++)
		ring_release(snap->rings[i]);
	for (i = 0; i < snap->n_nested; i++)
		epoll_unref(snap->nested[i]);
	free(snap);
}

static struct ring_snap *
snap_new(unsigned int n, unsigned int n_nested)
{
	struct ring_snap *snap = malloc(sizeof(*snap) + n * sizeof(*snap->rings) +
			n_nested * sizeof(*snap->nested));

	if (snap == NULL)
		return NULL;
	*snap = (struct ring_snap){ .refs = 1, .n = n, .n_nested = n_nested };
	snap->rings = (struct ring **)(snap + 1);
	snap->nested = (struct epoll **)(snap->rings + n);
	return snap;
}

/** @name Sleepers, and changes */
/** @{ */
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
/** @} */

/* Nobody else adds to the list: that takes the epoll's lock, which the caller has. */
int
rings_renew(struct epoll *ep)
{
	struct ring_snap *snap, *old;
	unsigned int i, n = 0;
	struct watch *w;

	TAILQ_FOREACH (w, &ep->nested, of_nested)
		n++;
	snap = snap_new(ep->n_counts, n);
	if (snap == NULL)
		return -ENOMEM;
	for (i = 0; i < snap->n; i++) {
		snap->rings[i] = ep->counts[i].ring;
		ring_hold(snap->rings[i]);
	}
	n = 0;
	TAILQ_FOREACH (w, &ep->nested, of_nested) {
		snap->nested[n] = w->s->epoll;
		__atomic_fetch_add(&snap->nested[n++]->refs, 1, __ATOMIC_RELAXED);
	}
	rte_spinlock_lock(&ep->snap_lock);
	old = ep->snap;
	__atomic_store_n(&ep->snap, snap, __ATOMIC_RELEASE);
	rte_spinlock_unlock(&ep->snap_lock);
	rings_put(old);
	/* who sleeps sleeps on the old ones */
	epoll_stir(ep);
	return 0;
}

static struct ring_count *
count_of(struct epoll *ep, const struct ring *ring)
{
	unsigned int i;

	for (i = 0; i < ep->n_counts; i++)
		if (ep->counts[i].ring == ring)
			return &ep->counts[i];
	return NULL;
}

static int
count_room(struct epoll *ep, unsigned int n)
{
	struct ring_count *grown;

	if (ep->n_counts + n <= ep->cap_counts)
		return 0;
	grown = realloc(ep->counts, (ep->cap_counts + n + 8) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	ep->counts = grown;
	ep->cap_counts += n + 8;
	return 0;
}

/* With the reference that comes with it. @return whether it is new */
static bool
count_up(struct epoll *ep, struct ring *ring)
{
	struct ring_count *c = count_of(ep, ring);

	if (c != NULL) {
		c->n++;
		ring_release(ring);
		return false;
	}
	ep->counts[ep->n_counts++] = (struct ring_count){ .ring = ring, .n = 1 };
	return true;
}

/* @return whether it was the last */
static bool
count_down(struct epoll *ep, struct ring *ring)
{
	struct ring_count *c = count_of(ep, ring);

	if (--c->n != 0)
		return false;
	*c = ep->counts[--ep->n_counts];
	ring_release(ring);
	return true;
}

static int
keep(struct watch *w, struct ring **rings, unsigned int n)
{
	struct ring **room = w->few;

	if (n > WATCH_RINGS) {
		room = malloc(n * sizeof(*room));
		if (room == NULL)
			return -ENOMEM;
	}
	memcpy(room, rings, n * sizeof(*room));
	if (w->rings != w->few)
		free(w->rings);
	w->rings = room;
	w->n_rings = (uint16_t)n;
	return 0;
}

static int
give_back(struct ring **rings, unsigned int n, int ret)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		ring_release(rings[i]);
	return ret;
}

int
rings_follow(struct watch *w, bool none)
{
	struct ring *now[SOCK_RINGS], *before[SOCK_RINGS];
	unsigned int n = 0, n_before = w->n_rings, i;
	bool changed = false;

	if (!none)
		n = w->s->ops->hold_rings(w->s, now, RTE_DIM(now));
	if (n == n_before && memcmp(now, w->rings, n * sizeof(now[0])) == 0)
		return give_back(now, n, 0);
	memcpy(before, w->rings, n_before * sizeof(before[0]));
	if (count_room(w->ep, n) != 0 || keep(w, now, n) != 0)
		return give_back(now, n, -ENOMEM);
	for (i = 0; i < n; i++)
		changed |= count_up(w->ep, now[i]);
	for (i = 0; i < n_before; i++)
		changed |= count_down(w->ep, before[i]);
	/* without memory the old rings are polled on, and more than that */
	return changed ? rings_renew(w->ep) : 0;
}
