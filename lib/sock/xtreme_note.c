/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notes: sockets at which a poll of their ring shall look, because something happened while nobody
 * took it from the ring: a call of the program's turned it, or a poll had no room left. A note says
 * no more than that; what there is the poll finds at the socket.
 *
 * Also sockets by their serial number, by which buffers name whose they were.
 */
#include "sock_priv.h"
#include "xtreme_note.h"

#define LISTS 1024   /**< of rings, by index: beyond, rings share one */
#define BUCKETS 4096 /**< a power of two */

struct notes {
	rte_spinlock_t lock;
	unsigned int n; /**< read without the lock */
	TAILQ_HEAD(, sock) socks;
	bool used;
} __rte_cache_aligned;

static struct notes of_rings[LISTS];
static struct notes strays; /**< of no ring */

static struct notes *
notes_of(const struct ring *ring)
{
	return ring != NULL ? &of_rings[ring->index % LISTS] : &strays;
}

static void
put(struct notes *l, struct sock *s)
{
	rte_spinlock_lock(&l->lock);
	if (!l->used) {
		TAILQ_INIT(&l->socks);
		l->used = true;
	}
	TAILQ_INSERT_TAIL(&l->socks, s, of_notes);
	s->note_in = l;
	__atomic_store_n(&l->n, l->n + 1, __ATOMIC_RELEASE);
	rte_spinlock_unlock(&l->lock);
}

/* Lock held. */
static void
take_out(struct notes *l, struct sock *s)
{
	TAILQ_REMOVE(&l->socks, s, of_notes);
	s->note_in = NULL;
	__atomic_store_n(&l->n, l->n - 1, __ATOMIC_RELAXED);
	/* from here on who has something to tell notes it anew: the look comes after this */
	__atomic_store_n(&s->noted, NULL, __ATOMIC_SEQ_CST);
}

void
xtreme_note(struct sock *s, struct ring *ring, unsigned int events)
{
	struct notes *l = notes_of(ring), *none = NULL;

	if (unlikely(events & RING_CHANGED)) {
		xtreme_moved(s);
		return;
	}
	/* it has happened once more: it is told of once more */
	if (events & (POLLERR | POLLOUT))
		__atomic_fetch_and(&s->told, ~(events & (POLLERR | POLLOUT)), __ATOMIC_RELAXED);
	if (s->epoll == NULL &&
			__atomic_compare_exchange_n(&s->noted, &none, l, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		put(l, s);
}

static bool
unnote(struct sock *s)
{
	struct notes *l = __atomic_load_n(&s->noted, __ATOMIC_ACQUIRE);
	bool was;

	if (l == NULL)
		return false;
	rte_spinlock_lock(&l->lock);
	was = s->note_in == l;
	if (was)
		take_out(l, s);
	rte_spinlock_unlock(&l->lock);
	return was;
}

void
xtreme_moved(struct sock *s)
{
	if (unnote(s))
		xtreme_note(s, NULL, 0);
}

static struct sock *
next(struct notes *l)
{
	struct sock *s, *found;
	uint32_t serial = 0;
	int fd = -1;

	rte_spinlock_lock(&l->lock);
	s = l->n != 0 ? TAILQ_FIRST(&l->socks) : NULL;
	if (s != NULL) {
		fd = __atomic_load_n(&s->fd, __ATOMIC_RELAXED);
		serial = s->serial;
		take_out(l, s);
	}
	rte_spinlock_unlock(&l->lock);
	if (s == NULL || (found = sock_get(fd)) == NULL)
		return NULL;
	if (found == s && found->serial == serial)
		return s;
	sock_put(found);
	return NULL;
}

/* To the ring that asks, if it is one of the socket's, else to the first of those. */
static void
give_home(struct sock *s, struct ring *ring)
{
	struct ring *rings[SOCK_RINGS], *home;
	unsigned int n = s->ops->hold_rings(s, rings, RTE_DIM(rings)), i;

	if (n == 0)
		return;
	home = rings[0];
	for (i = 1; i < n; i++)
		if (rings[i] == ring)
			home = ring;
	xtreme_note(s, home, 0);
	for (i = 0; i < n; i++)
		ring_release(rings[i]);
}

static __rte_noinline void
settle(struct ring *ring)
{
	unsigned int n = __atomic_load_n(&strays.n, __ATOMIC_RELAXED);
	struct sock *s;

	for (; n != 0; n--) {
		s = next(&strays);
		if (s == NULL)
			continue;
		if (s->offloaded)
			give_home(s, ring);
		sock_put(s);
	}
}

unsigned int
xtreme_noted(struct ring *ring)
{
	if (unlikely(__atomic_load_n(&strays.n, __ATOMIC_RELAXED) != 0))
		settle(ring);
	return __atomic_load_n(&notes_of(ring)->n, __ATOMIC_ACQUIRE);
}

bool
sock_xtreme_waiting(const struct ring *ring)
{
	return conf()->socketxtreme &&
			(__atomic_load_n(&strays.n, __ATOMIC_RELAXED) != 0 ||
					__atomic_load_n(&notes_of(ring)->n, __ATOMIC_ACQUIRE) != 0);
}

struct sock *
xtreme_next(struct ring *ring)
{
	return next(notes_of(ring));
}

/** @name By serial number */
/** @{ */
static struct bucket {
	rte_spinlock_t lock;
	SLIST_HEAD(, sock) socks;
} buckets[BUCKETS];

void
xtreme_known(struct sock *s)
{
	struct bucket *b = &buckets[s->serial % BUCKETS];

	rte_spinlock_lock(&b->lock);
	SLIST_INSERT_HEAD(&b->socks, s, of_serial);
	rte_spinlock_unlock(&b->lock);
}

static void
unknow(struct sock *s)
{
	struct bucket *b = &buckets[s->serial % BUCKETS];
	struct sock *at;

	rte_spinlock_lock(&b->lock);
	SLIST_FOREACH (at, &b->socks, of_serial)
		if (at == s) {
			SLIST_REMOVE(&b->socks, s, sock, of_serial);
			break;
		}
	rte_spinlock_unlock(&b->lock);
}

/* A number of the socket; -1: it has none. @param[out] lives it has one, or will have again */
static int
name_of(uint32_t serial, bool *lives)
{
	struct bucket *b = &buckets[serial % BUCKETS];
	struct sock *s;
	int fd = -1;

	*lives = false;
	rte_spinlock_lock(&b->lock);
	SLIST_FOREACH (s, &b->socks, of_serial)
		if (s->serial == serial) {
			*lives = !__atomic_load_n(&s->closing, __ATOMIC_SEQ_CST);
			fd = __atomic_load_n(&s->fd, __ATOMIC_RELAXED);
			break;
		}
	rte_spinlock_unlock(&b->lock);
	return fd;
}

struct sock *
xtreme_of_serial(uint32_t serial)
{
	struct sock *found;
	bool lives = true;
	int fd;

	while (lives) {
		fd = name_of(serial, &lives);
		found = sock_get(fd);
		if (likely(found != NULL && found->serial == serial))
			return found;
		if (found != NULL)
			sock_put(found);
		/* one of its names goes just now, and another is s->fd in a moment */
		if (lives)
			sched_yield();
	}
	return NULL;
}
/** @} */

/* Whoever takes it from a list looks for it in the table of descriptors, where it is not. */
void
xtreme_forget(struct sock *s)
{
	unnote(s);
	unknow(s);
}
