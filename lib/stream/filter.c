/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data that are not the reader's yet: with staging on, what comes to a queue from which nothing can
 * be read is hidden. Somebody takes it, a batch at a time and without a lock, and gives its end
 * back, which can be read then, and with it all that lies behind; or nothing. When all was read
 * what comes next is hidden again.
 *
 * They lie in TCP's queue all the time, so that the window knows them.
 */
#include <poll.h>

#include "stream/stream_priv.h"

#define IN (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)

static bool
has_data(const struct stream *s)
{
	return s->conn != NULL && tcp_recv_queued(s->conn) != 0;
}

static void
hide_when_empty(struct stream *s)
{
	if ((s->filter & FILTER_ON) && !has_data(s))
		s->filter |= FILTER_HIDES;
}

/* The end and errors are no data: they are seen once nothing is hidden. */
static bool
is_hidden(const struct stream *s)
{
	return (s->filter & FILTER_HIDES) && ((s->filter & FILTER_OUT) || has_data(s));
}

ssize_t
filter_recv(struct stream *s, const struct iovec *iov, int iovcnt, size_t skip, unsigned int flags)
{
	ssize_t ret;

	if (!(flags & TCP_RECV_OOB) && is_hidden(s))
		return -EAGAIN;
	ret = tcp_recv(s->conn, iov, iovcnt, skip, flags);
	hide_when_empty(s);
	return ret;
}

ssize_t
filter_chain(struct stream *s, size_t max, unsigned int bufs, struct rte_mbuf **chain)
{
	ssize_t ret;

	if (is_hidden(s))
		return -EAGAIN;
	ret = tcp_recv_chain(s->conn, max, bufs, chain);
	hide_when_empty(s);
	return ret;
}

/* @return false: nothing is hidden */
static bool
tell(struct stream *s, struct ring *ring)
{
	if (!(s->filter & FILTER_HIDES))
		return false;
	if (has_data(s) && !(s->filter & FILTER_TOLD)) {
		s->filter |= FILTER_TOLD;
		s->staged(s->wake_ctx, ring);
	}
	return true;
}

bool
filter_event(struct stream *s, struct ring *ring)
{
	return !tell(s, ring);
}

/* What is in the queue can be read. */
static void
show(struct stream *s)
{
	s->filter &= (uint8_t)~FILTER_HIDES;
	if (has_data(s) && tcp_recv_queued(s->conn) >= s->opt.rcv_lowat && s->wake != NULL)
		s->wake(s->wake_ctx, s->engine->ring, IN);
}

static void
set(struct stream *s, stream_staged_cb staged)
{
	if (staged != NULL) {
		s->staged = staged;
		s->filter |= FILTER_ON;
		hide_when_empty(s);
	} else if (s->filter & FILTER_ON) {
		s->filter &= (uint8_t)~FILTER_ON;
		/* the batch that is out comes before the rest: its settling shows both */
		if (!(s->filter & FILTER_OUT))
			show(s);
	}
}

void
stream_set_stage(struct stream *s, stream_staged_cb staged)
{
	struct stream_engine *e = s->engine;

	if (e == NULL) {
		set(s, staged);
		return;
	}
	engine_enter(e);
	set(s, staged);
	engine_leave(e);
}

unsigned int
stream_stage_take(struct stream *s, unsigned int bufs, struct rte_mbuf **chain)
{
	struct stream_engine *e = s->engine;
	unsigned int n = 0;

	if (e == NULL)
		return 0;
	engine_enter(e);
	s->filter &= (uint8_t)~FILTER_TOLD;
	if ((s->filter & FILTER_HIDES) && has_data(s) &&
			tcp_recv_chain(s->conn, INT32_MAX, bufs, chain) > 0) {
		s->filter |= FILTER_OUT;
		n = (*chain)->nb_segs;
	}
	engine_leave(e);
	return n;
}

void
stream_stage_settle(struct stream *s, struct rte_mbuf *passed, size_t read)
{
	struct stream_engine *e = s->engine;
	bool ours;

	engine_enter(e);
	/* unless the connection has gone, or is another */
	ours = (s->filter & FILTER_OUT) && s->conn != NULL;
	s->filter &= (uint8_t)~FILTER_OUT;
	if (ours && passed != NULL)
		tcp_recv_return(s->conn, passed);
	if (ours && read != 0)
		tcp_recv_done(s->conn, read);
	if ((ours && passed != NULL) || !(s->filter & FILTER_ON))
		show(s);
	/* a batch may end at the urgent mark */
	tell(s, e->ring);
	engine_leave(e);
	if (!ours && passed != NULL)
		rte_pktmbuf_free_bulk(&passed, 1);
}
