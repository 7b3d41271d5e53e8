/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of rings: those that a call which waits for several sockets polls, and those whose Rx
 * interrupts end a sleep. A sleeper holds its rings, as its sockets may have others meanwhile; who
 * changes them wakes it.
 */
#include "epoll_priv.h"

bool
sock_migrates(const struct sock *s)
{
	const struct ring_alloc *alloc;

	if (s->udp == NULL)
		return s->epoll != NULL;
	alloc = udp_ring_alloc(s->udp, RING_RX);
	return alloc->logic >= CONF_RING_PER_THREAD && alloc->ratio >= 0;
}

static void
add_one(struct ring_set *set, struct ring *ring)
{
	unsigned int i;

	for (i = 0; i < set->n; i++)
		if (set->rings[i] == ring)
			return;
	if (set->n == SOCK_RINGS)
		set->nap = true;
	else
		set->rings[set->n++] = ring;
	/* queues without an owner have no interrupt that we could wait for */
	if (ring->spare_queues != 0)
		set->nap = true;
}

/* Packets for this ring may arrive at the port's default ring. */
static void
add_ring(struct ring_set *set, struct ring *ring)
{
	add_one(set, ring);
	if (ring->helps != NULL)
		add_one(set, ring->helps);
}

void
ring_set_add(struct ring_set *set, struct sock *s)
{
	struct ring *rings[SOCK_RINGS];
	unsigned int n, i;

	if (sock_migrates(s))
		return;
	n = RTE_MIN(s->ops->rings(s, rings, RTE_DIM(rings)), (unsigned int)RTE_DIM(rings));
	for (i = 0; i < n; i++)
		add_ring(set, rings[i]);
}

/* The caller's references see to it that the rings are there; the set has its own. */
static void
hold(struct ring_set *set, struct ring *const *rings, unsigned int n)
{
	unsigned int i, held = set->n;

	for (i = 0; i < n; i++) {
		add_ring(set, rings[i]);
		while (held < set->n)
			ring_hold(set->rings[held++]);
	}
}

void
ring_set_hold_epoll(struct ring_set *set, struct epoll *ep)
{
	struct ring_snap *snap = rings_get(ep);
	unsigned int i;

	if (snap == NULL)
		return;
	hold(set, snap->rings, snap->n);
	for (i = 0; i < snap->n_nested; i++)
		ring_set_hold_epoll(set, snap->nested[i]);
	rings_put(snap);
}

void
ring_set_hold(struct ring_set *set, struct sock *s)
{
	struct ring *rings[SOCK_RINGS];
	unsigned int n;

	if (s->epoll != NULL) {
		ring_set_hold_epoll(set, s->epoll);
		return;
	}
	n = s->ops->hold_rings(s, rings, RTE_DIM(rings));
	hold(set, rings, n);
	while (n != 0)
		ring_release(rings[--n]);
}

bool
ring_set_arm(struct ring_set *set, struct pollfd *fds, nfds_t *n)
{
	bool waiting = false;
	unsigned int i;

	for (i = 0; i < set->n; i++) {
		int ret;

		set->armed[i] = false;
		if (waiting)
			continue;
		ret = ring_arm(set->rings[i]);
		/* one where packets wait counts us, too */
		set->armed[i] = ret >= 0;
		waiting = ret == 1;
		set->nap |= ret < 0;
		if (ret == 0)
			fds[(*n)++] = (struct pollfd){ .fd = ring_fd(set->rings[i]),
				.events = POLLIN };
	}
	return waiting;
}

void
ring_set_leave(struct ring_set *set)
{
	unsigned int i;

	for (i = 0; i < set->n; i++) {
		if (set->armed[i])
			ring_disarm(set->rings[i]);
		ring_release(set->rings[i]);
	}
	set->n = 0;
}
