/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poll of socketxtreme: what was noted, then a turn of the ring, whose datagrams become
 * completions without having been in a queue; or the same for one socket, or those of an epoll.
 */
#include "callback.h"
#include "epoll_priv.h"
#include "xtreme.h"
#include "xtreme_note.h"

/* What is left for want of room waits for the next poll, behind what others have. */
static __rte_noinline void
serve_noted(struct reap *r, unsigned int n)
{
	struct sock *s;

	for (; n != 0 && r->at != r->end; n--) {
		s = xtreme_next(r->ring);
		if (s == NULL)
			continue;
		if (xtreme_serve(s, r))
			xtreme_note(s, r->ring, 0);
		sock_put(s);
	}
}

static void
poll_ring(struct ring *ring, struct reap *r)
{
	unsigned int n = xtreme_noted(ring);
	size_t want;

	r->ring = ring;
	if (unlikely(n != 0))
		serve_noted(r, n);
	want = (size_t)(r->end - r->at);
	/* what comes would only be queued behind what waits */
	if (unlikely(want == 0))
		return;
	net_reap(ring, &r->harvest, (uint16_t)RTE_MIN(want, (size_t)RING_BURST_MAX));
	stream_turn(ring);
	callbacks_turn();
	n = xtreme_noted(ring);
	if (unlikely(n != 0))
		serve_noted(r, n);
}

static void
poll_sock(struct sock *s, struct reap *r)
{
	bool more = xtreme_serve(s, r);

	if (r->at == r->end) {
		if (more)
			xtreme_note(s, NULL, 0);
		return;
	}
	s->ops->poll(s);
	callbacks_turn();
	if (xtreme_serve(s, r))
		xtreme_note(s, NULL, 0);
}

/* Its sockets that are ready perhaps, each once. */
static void
serve_epoll(struct epoll *ep, struct reap *r)
{
	unsigned int n;
	struct watch *w;
	bool more;

	pthread_mutex_lock(&ep->lock);
	for (n = ep->n_ready; n != 0 && r->at != r->end; n--) {
		w = watch_next_ready(ep);
		if (w == NULL)
			break;
		more = w->s->epoll == NULL && xtreme_serve(w->s, r);
		/* what is ready still is so for epoll_wait(), too */
		if (more || watch_revents(w) != 0)
			watch_ready_again(w, false);
	}
	pthread_mutex_unlock(&ep->lock);
}

static void
poll_epoll(struct epoll *ep, struct reap *r)
{
	serve_epoll(ep, r);
	if (r->at == r->end)
		return;
	epoll_turn(ep);
	callbacks_turn();
	serve_epoll(ep, r);
}

static __rte_noinline int
poll_other(int fd, struct reap *r)
{
	struct sock *s = sock_get_named(fd);
	bool ours = s != NULL && sock_has_events(s);

	if (!ours)
		sock_misused(EXTRA_STAT_stale_ring);
	else if (s->epoll != NULL)
		poll_epoll(s->epoll, r);
	else
		poll_sock(s, r);
	if (s != NULL)
		sock_put(s);
	return ours ? 0 : -EBADFD;
}

int
sock_xtreme_poll(int fd, struct sock_completion *completions, unsigned int n)
{
	struct reap r = { .harvest.take = xtreme_take,
		.at = completions,
		.end = completions + n,
		.clock_port = UINT16_MAX };
	struct ring *ring;
	int ret = 0;

	if (unlikely(!conf()->socketxtreme))
		return -EOPNOTSUPP;
	if (unlikely(completions == NULL || n == 0))
		return -EINVAL;
	ring = ring_hold_by_fd(fd);
	if (likely(ring != NULL)) {
		poll_ring(ring, &r);
		ring_release(ring);
	} else {
		ret = poll_other(fd, &r);
	}
	return ret < 0 ? ret : (int)(r.at - completions);
}
