/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data of a connection and what poll(2) says of a socket: each a call into the engine with its lock
 * held, and what sockets say where TCP has nothing to say.
 */
#include <poll.h>
#include <sys/socket.h>

#include "stream/stream_priv.h"

#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

static bool
opening(const struct tcp_conn *conn)
{
	enum tcp_state state = tcp_conn_state(conn);

	return state == TCP_S_SYN_SENT || state == TCP_S_SYN_RECEIVED;
}

ssize_t
stream_dummy(struct stream *s, const struct iovec *iov, int iovcnt, unsigned int flags)
{
	struct stream_engine *e = s->engine;
	ssize_t ret = -EPIPE;

	if (e == NULL)
		return ret;
	engine_enter(e);
	if (likely(s->conn != NULL))
		ret = tcp_dummy(s->conn, iov, iovcnt, flags);
	engine_leave(e);
	return ret;
}

/* What a send says; engine locked. */
static inline ssize_t
sent(struct stream *s, ssize_t ret)
{
	if (likely(ret > 0))
		STAT_ADD(&s->stats, SOCK, tx_bytes, (uint64_t)ret);
	else if (ret == -ENOTCONN)
		ret = opening(s->conn) ? -EAGAIN : -EPIPE;
	return ret;
}

/* The same without a connection. */
static __rte_noinline ssize_t
not_sent(struct stream *s)
{
	int err = s->error;

	s->error = 0;
	return err != 0 ? -err : -EPIPE;
}

ssize_t
stream_send(struct stream *s, const struct iovec *iov, int iovcnt, size_t skip, unsigned int flags)
{
	struct stream_engine *e = s->engine;
	ssize_t ret;

	if (unlikely(e == NULL))
		return -EPIPE;
	engine_enter(e);
	ret = likely(s->conn != NULL) ? sent(s, tcp_send(s->conn, iov, iovcnt, skip, flags))
				      : not_sent(s);
	engine_leave(e);
	return ret;
}

bool
stream_sends_from(struct stream *s, const void *addr, size_t len)
{
	return s->engine != NULL && ring_sends_from(s->engine->ring, addr, len);
}

ssize_t
stream_send_zc(struct stream *s, struct tcp_zc *zc, uint32_t skip, unsigned int flags)
{
	struct stream_engine *e = s->engine;
	ssize_t ret;

	if (unlikely(e == NULL))
		return -EPIPE;
	engine_enter(e);
	ret = likely(s->conn != NULL) ? sent(s, tcp_send_zc(s->conn, zc, skip, flags))
				      : not_sent(s);
	engine_leave(e);
	return ret;
}

void
stream_zc_close(struct stream *s, struct tcp_zc *zc)
{
	struct stream_engine *e = s->engine;

	/* that no engine has ever seen */
	if (e == NULL) {
		zc->done(zc);
		return;
	}
	engine_enter(e);
	tcp_zc_close(e->tcp, zc);
	engine_leave(e);
}

/* What a receive says where there is no connection any more; engine locked. */
static ssize_t
without_conn(struct stream *s)
{
	int err = s->error;

	s->error = 0;
	if (err != 0)
		return -err;
	return s->phase != STREAM_IDLE ? 0 : -ENOTCONN;
}

ssize_t
stream_recv(struct stream *s, const struct iovec *iov, int iovcnt, size_t skip, unsigned int flags)
{
	struct stream_engine *e = s->engine;
	ssize_t ret = -ENOTCONN;

	if (unlikely(e == NULL))
		return ret;
	engine_enter(e);
	if (likely(s->conn != NULL)) {
		ret = likely(s->filter == 0) ? tcp_recv(s->conn, iov, iovcnt, skip, flags)
					     : filter_recv(s, iov, iovcnt, skip, flags);
		if (ret == -ENOTCONN)
			ret = opening(s->conn) ? -EAGAIN : 0;
	} else {
		ret = without_conn(s);
	}
	engine_leave(e);
	return ret;
}

ssize_t
stream_recv_chain(struct stream *s, size_t max, unsigned int bufs, struct rte_mbuf **chain)
{
	struct stream_engine *e = s->engine;
	ssize_t ret = -ENOTCONN;

	*chain = NULL;
	if (unlikely(e == NULL))
		return ret;
	engine_enter(e);
	if (likely(s->conn != NULL)) {
		ret = likely(s->filter == 0) ? tcp_recv_chain(s->conn, max, bufs, chain)
					     : filter_chain(s, max, bufs, chain);
		if (ret == -ENOTCONN)
			ret = opening(s->conn) ? -EAGAIN : 0;
	} else {
		ret = without_conn(s);
	}
	engine_leave(e);
	return ret;
}

void
stream_recv_done(struct stream *s, size_t bytes)
{
	struct stream_engine *e = s->engine;

	if (e == NULL)
		return;
	engine_enter(e);
	if (s->conn != NULL)
		tcp_recv_done(s->conn, bytes);
	engine_leave(e);
}

int
stream_shutdown(struct stream *s, int how)
{
	struct stream_engine *e = s->engine;
	int ret = -ENOTCONN;

	if (e == NULL)
		return ret;
	engine_enter(e);
	if (s->conn != NULL && !opening(s->conn)) {
		ret = tcp_shutdown(s->conn, how);
		if (ret == 0)
			s->shut |= how == SHUT_RD ? 1 : how == SHUT_WR ? 2 : 3;
	}
	engine_leave(e);
	return ret;
}

bool
stream_drained(struct stream *s)
{
	struct stream_engine *e = s->engine;
	bool done = true;

	if (e == NULL)
		return done;
	engine_enter(e);
	if (s->conn != NULL) {
		switch (tcp_conn_state(s->conn)) {
		case TCP_S_CLOSED:
		case TCP_S_FIN_WAIT_2:
		case TCP_S_TIME_WAIT:
			break;
		default:
			done = false;
		}
	}
	engine_leave(e);
	return done;
}

bool
stream_ended(enum tcp_state state)
{
	switch (state) {
	case TCP_S_CLOSED:
	case TCP_S_CLOSE_WAIT:
	case TCP_S_CLOSING:
	case TCP_S_LAST_ACK:
	case TCP_S_TIME_WAIT:
		return true;
	default:
		return false;
	}
}

/* Linux, tcp_poll(). Engine locked. */
static short
revents(struct stream *s)
{
	struct tcp_conn *conn = s->conn;
	enum tcp_state state = tcp_conn_state(conn);
	unsigned int ready = tcp_ready(conn);
	bool no_rx = (s->shut & 1) != 0 || stream_ended(state);
	bool no_tx = (s->shut & 2) != 0 || state == TCP_S_CLOSED;
	short got = 0;

	if (state == TCP_S_CLOSED || (no_rx && no_tx))
		got |= POLLHUP;
	if (no_rx)
		got |= IN | POLLRDHUP;
	if (ready & TCP_E_ERROR)
		got |= POLLERR;
	if (opening(conn))
		return got;
	if ((ready & TCP_E_READABLE) && stream_visible(s) >= s->opt.rcv_lowat)
		got |= IN;
	if (no_tx || (ready & TCP_E_WRITABLE))
		got |= OUT;
	else
		tcp_want_space(conn);
	if (ready & TCP_E_URGENT)
		got |= POLLPRI;
	return got;
}

short
stream_revents(struct stream *s)
{
	struct stream_engine *e = s->engine;
	short got = OUT | POLLHUP;

	if (s->phase == STREAM_LISTENING)
		return stream_waiting(s) != 0 ? IN : 0;
	if (s->error != 0)
		got |= POLLERR;
	if (e == NULL)
		return got;
	engine_enter(e);
	if (s->conn != NULL)
		got = revents(s);
	engine_leave(e);
	return got;
}

int
stream_queued(struct stream *s, struct stream_queued *q)
{
	struct stream_engine *e = s->engine;

	memset(q, 0, sizeof(*q));
	if (s->phase == STREAM_LISTENING)
		return -EINVAL;
	if (e == NULL)
		return 0;
	engine_enter(e);
	if (s->conn != NULL && !opening(s->conn)) {
		q->rx = stream_visible(s);
		q->tx = tcp_send_queued(s->conn, &q->tx_unsent);
		q->at_mark = tcp_at_mark(s->conn);
	}
	engine_leave(e);
	return 0;
}

int
stream_error(struct stream *s, bool take)
{
	struct stream_engine *e = s->engine;
	int err = 0;

	if (e == NULL)
		return 0;
	engine_enter(e);
	if (s->conn != NULL) {
		err = tcp_error(s->conn, take);
	} else {
		err = s->error;
		s->error = take ? 0 : err;
	}
	engine_leave(e);
	return err;
}

int
stream_mark(struct stream *s, unsigned int want, uint32_t key)
{
	struct stream_engine *e = s->engine;
	int ret = -ENOTCONN;

	if (e == NULL)
		return ret;
	engine_enter(e);
	if (s->conn != NULL)
		ret = tcp_mark(s->conn, want, key);
	engine_leave(e);
	return ret;
}

void
stream_put_error(struct stream *s, int err)
{
	struct stream_engine *e = s->engine;

	if (e == NULL) {
		s->error = err;
		return;
	}
	engine_enter(e);
	if (s->conn != NULL)
		tcp_put_error(s->conn, err);
	else
		s->error = err;
	engine_leave(e);
}

int
stream_look(struct stream *s, struct tcp_snapshot *snapshot)
{
	struct stream_engine *e = s->engine;
	int ret = -ENOTCONN;

	if (e == NULL)
		return ret;
	engine_enter(e);
	if (s->conn != NULL) {
		tcp_look(s->conn, snapshot);
		ret = 0;
	}
	engine_leave(e);
	return ret;
}

struct sock_stats *
stream_stats(struct stream *s)
{
	struct tcp_snapshot look;

	if (stream_look(s, &look) == 0) {
		STAT_GET(&s->stats, SOCK, rx_packets) = look.segs_in;
		STAT_GET(&s->stats, SOCK, rx_bytes) = look.bytes_received;
		STAT_GET(&s->stats, SOCK, tx_packets) = look.segs_out;
	}
	return &s->stats;
}

struct sock_stats *
stream_counters(struct stream *s)
{
	return &s->stats;
}
