/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings by the number that the application knows them by. It may name one that has ended, or end
 * one in another thread while it uses it; so a lookup that loses against the end finds nothing,
 * memory of rings is only ever used for rings, and a number is not given to another ring soon.
 */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "ring/ring_priv.h"

/* Larger numbers are searched. */
#define FDS 65536
/* So many rings later a number may name another one: who keeps one for longer is beyond help, and
 * select() and the limit of open files want small numbers.
 */
#define RETIRED 64

static struct ring *by_fd[FDS];
static int retired[RETIRED]; /* numbers plus one, 0 for none */
static unsigned int retired_next;
static int top;	       /* no number from here on was ever a ring's, of those below FDS */
static bool forgotten; /* a child of fork(): rings are its parent's */

static struct ring *
search_fd(int fd)
{
	struct ring *found = NULL;
	struct ring_ctl *ctl;

	if (forgotten)
		return NULL;
	table_lock();
	for (uint32_t i = 0; found == NULL && (ctl = table_at(i)) != NULL; i++)
		if (ctl->ring.fd == fd)
			found = &ctl->ring;
	table_unlock();
	return found;
}

struct ring *
ring_by_fd(int fd)
{
	if (unlikely(fd < 0))
		return NULL;
	if (likely(fd < FDS))
		return __atomic_load_n(&by_fd[fd], __ATOMIC_ACQUIRE);
	return search_fd(fd);
}

struct ring *
ring_enter(int fd)
{
	struct ring *ring = ring_by_fd(fd);

	if (unlikely(ring == NULL) || ring->lockless)
		return ring;
	/* Pairs with ring_fd_end(): either it sees us, or we see that the ring has no name. */
	__atomic_fetch_add(&ring->callers, 1, __ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&ring->fd, __ATOMIC_SEQ_CST) == fd))
		return ring;
	ring_leave(ring);
	return NULL;
}

/* One that has no user any more is about to end. */
static bool
hold_if_used(struct ring *ring)
{
	uint32_t refs = __atomic_load_n(&ring->refs, __ATOMIC_RELAXED);

	while (refs != 0)
		if (__atomic_compare_exchange_n(&ring->refs, &refs, refs + 1, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	return false;
}

struct ring *
ring_hold_by_fd(int fd)
{
	struct ring *ring = ring_enter(fd);
	bool held;

	if (unlikely(ring == NULL))
		return NULL;
	held = hold_if_used(ring);
	ring_leave(ring);
	return held ? ring : NULL;
}

struct ring *
ring_pin(int fd)
{
	struct ring *ring;

	if (ring_by_fd(fd) == NULL)
		return NULL;
	table_lock();
	ring = ring_by_fd(fd);
	if (ring != NULL)
		ring_ctl(ring)->pins++;
	table_unlock();
	return ring;
}

void
ring_unpin(struct ring *ring)
{
	table_unpin(ring_ctl(ring));
}

static bool
is_retired(int fd)
{
	for (unsigned int i = 0; i < RETIRED; i++)
		if (retired[i] == fd + 1)
			return true;
	return false;
}

int
ring_fd_fresh(int fd)
{
	while (fd >= 0 && is_retired(fd)) {
		int other = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);

		if (other < 0)
			break; /* a number that was a ring's is better than no ring */
		close(fd);
		fd = other;
	}
	return fd;
}

void
ring_fd_begin(struct ring *ring)
{
	if (ring->fd >= FDS)
		return;
	top = RTE_MAX(top, ring->fd + 1);
	__atomic_store_n(&by_fd[ring->fd], ring, __ATOMIC_RELEASE);
}

void
fds_forget(void)
{
	forgotten = true;
	for (int fd = 0; fd < top; fd++)
		by_fd[fd] = NULL;
}

void
ring_fd_end(struct ring *ring)
{
	int fd = ring->fd;

	if (fd < FDS)
		__atomic_store_n(&by_fd[fd], NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&ring->fd, -1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ring->callers, __ATOMIC_SEQ_CST) != 0)
		sched_yield();
	retired[retired_next++ % RETIRED] = fd + 1;
}
