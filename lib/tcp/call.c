/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application asks for: connect, send, shutdown, close (RFC 9293 3.10.1 to 3.10.5).
 * Receiving is rcvread.c's, listening listen.c's.
 */
#include <sys/socket.h>

#include "tcp_priv.h"

#define REUSE_AFTER (1 * SEC) /* TIME-WAIT: the peer's timestamp clock has moved by then */
#define REUSE_ISN_STEP 65537u /* beyond every window of the old connection without scaling */

/* The key is taken: only by a connection in TIME-WAIT that its timestamps let go (RFC 6191). */
static bool
time_wait_reusable(const struct tcp_conn *old)
{
	return old->state == TCP_S_TIME_WAIT && (old->flags & F_TS) != 0 &&
			conn_now(old) - old->life_at >= REUSE_AFTER;
}

int
tcp_connect(struct tcp_engine *engine, const struct tcp_key *key, const struct tcp_options *opt,
		void *owner, struct tcp_conn **out)
{
	uint32_t hash = table_hash(&engine->conns, key);
	struct tcp_conn *conn, *old = table_find(&engine->conns, key, hash);
	uint32_t after = 0;
	int ret;

	if (old != NULL) {
		if (!time_wait_reusable(old))
			return -EADDRINUSE;
		after = old->snd_nxt + REUSE_ISN_STEP;
		COUNT(engine, time_wait_reused);
		conn_drop(old, 0);
		engine_reap(engine);
	}
	ret = conn_create(engine, key, hash, opt, &conn);
	if (ret != 0)
		return ret;
	if (after != 0)
		conn->iss = conn->snd_una = conn->snd_nxt = conn->snd_up = conn->snd_sml = after;
	conn->owner = owner;
	conn->state = TCP_S_SYN_SENT;
	COUNT(engine, opens_active);
	output_syn(conn);
	life_arm(conn);
	*out = conn;
	return 0;
}

bool
tcp_key_in_use(const struct tcp_engine *engine, const struct tcp_key *key)
{
	return table_find(&engine->conns, key, table_hash(&engine->conns, key)) != NULL;
}

/* Why nothing can be sent; 0: it can. */
static int
send_refused(struct tcp_conn *conn)
{
	int err;

	if (unlikely(conn->error != 0)) {
		err = tcp_error(conn, true);
		return -err;
	}
	if ((conn->flags & F_FIN_QUEUED) != 0)
		return -EPIPE;
	switch (conn->state) {
	case TCP_S_ESTABLISHED:
	case TCP_S_CLOSE_WAIT:
		return 0;
	case TCP_S_SYN_SENT:
	case TCP_S_SYN_RECEIVED:
		conn->flags |= F_WANT_SPACE;
		return -EAGAIN;
	default:
		return -EPIPE;
	}
}

ssize_t
tcp_dummy(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, unsigned int flags)
{
	int ret = send_refused(conn);

	if (ret != 0)
		return ret;
	if (flags != 0 || iovcnt != 1 || iov->iov_len == 0 || iov->iov_len > UINT16_MAX ||
			!output_would_go(conn, (uint32_t)iov->iov_len) ||
			segment_dummy(conn, iov->iov_base, (uint16_t)iov->iov_len) != 0)
		return -EAGAIN;
	return (ssize_t)iov->iov_len;
}

/* TCP_NOTSENT_LOWAT: a segment more than what may wait, as Linux fills the one that it has begun.
 */
static __rte_noinline uint32_t
unsent_room(const struct tcp_conn *conn, uint32_t room)
{
	uint32_t unsent, more;

	tcp_send_queued(conn, &unsent);
	if (unsent >= conn->opt.notsent_lowat)
		return 0;
	more = RTE_MAX(conn->opt.notsent_lowat - unsent, (uint32_t)conn->snd_mss);
	return RTE_MIN(room, more);
}

uint32_t
tcp_send_room(const struct tcp_conn *conn)
{
	uint32_t room = conn->sndq.charge < conn->opt.sndbuf ? conn->opt.sndbuf - conn->sndq.charge
							     : 0;

	return likely(conn->opt.notsent_lowat == 0) ? room : unsent_room(conn, room);
}

/* What every send begins with: 0 and the room there is, or why nothing can be sent. */
static ssize_t
send_begin(struct tcp_conn *conn, uint32_t *room)
{
	int ret = send_refused(conn);

	if (unlikely(ret != 0))
		return ret;
	*room = tcp_send_room(conn);
	if (*room == 0) {
		conn->flags |= F_WANT_SPACE;
		return -EAGAIN;
	}
	if (unlikely(conn->mtu_retry != 0))
		conn_widen(conn);
	return 0;
}

/* And ends with: so many bytes of those asked for were queued, and go as far as they may. */
static ssize_t
send_end(struct tcp_conn *conn, ssize_t sent, size_t asked, unsigned int flags)
{
	if (unlikely(sent <= 0)) {
		conn->flags |= F_WANT_SPACE;
		/* with nothing in flight no acknowledgement makes room: the caller tries again */
		return -EAGAIN;
	}
	if ((size_t)sent < asked)
		conn->flags |= F_WANT_SPACE;
	conn->flags &= ~(uint32_t)F_MORE;
	if ((flags & TCP_SEND_MORE) != 0)
		conn->flags |= F_MORE;
	if (unlikely((flags & TCP_SEND_OOB) != 0) && (size_t)sent == asked) {
		/* the pointer is to the byte after the urgent one (RFC 6093 3.1) */
		conn->snd_up = conn->snd_una + conn->sndq.bytes;
		conn->flags |= F_URG_OUT;
	}
	output(conn);
	return sent;
}

ssize_t
tcp_send(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags)
{
	size_t asked = 0;
	ssize_t sent;
	uint32_t room;
	int i;

	for (i = 0; i < iovcnt; i++)
		asked += iov[i].iov_len;
	if (asked <= skip)
		return send_refused(conn);
	asked -= skip;
	sent = send_begin(conn, &room);
	if (unlikely(sent != 0))
		return sent;
	sent = sndq_append(conn, iov, iovcnt, skip, (uint32_t)RTE_MIN(asked, (size_t)room),
			(flags & TCP_SEND_MORE) == 0);
	return send_end(conn, sent, asked, flags);
}

ssize_t
tcp_send_zc(struct tcp_conn *conn, struct tcp_zc *zc, uint32_t skip, unsigned int flags)
{
	uint32_t room;
	ssize_t sent = send_begin(conn, &room);

	if (unlikely(sent != 0))
		return sent;
	sent = sndq_lend(conn, zc, skip, room, (flags & TCP_SEND_MORE) == 0);
	return sent == -ESTALE ? sent : send_end(conn, sent, zc->len - skip, flags);
}

void
tcp_want_space(struct tcp_conn *conn)
{
	conn->flags |= F_WANT_SPACE;
}

uint32_t
tcp_send_queued(const struct tcp_conn *conn, uint32_t *unsent)
{
	uint32_t data = conn->sndq.bytes, flight = conn_flight(conn);

	if (unsent != NULL)
		*unsent = data > flight ? data - flight : 0;
	return data;
}

/* Our FIN behind what is queued. False: no memory, the connection was reset instead. */
static bool
send_fin(struct tcp_conn *conn)
{
	if ((conn->flags & F_FIN_QUEUED) != 0)
		return true;
	if (sndq_fin(conn) != 0) {
		output_reset(conn);
		conn_drop(conn, ENOBUFS);
		return false;
	}
	conn->flags |= F_FIN_QUEUED;
	conn->flags &= ~(uint32_t)F_MORE;
	conn->state = conn->state == TCP_S_CLOSE_WAIT ? TCP_S_LAST_ACK : TCP_S_FIN_WAIT_1;
	conn->life_at = conn_now(conn);
	return true;
}

int
tcp_shutdown(struct tcp_conn *conn, int how)
{
	if (conn->state == TCP_S_CLOSED || conn->state == TCP_S_SYN_SENT)
		return -ENOTCONN;
	if (how != SHUT_WR) {
		conn->flags |= F_SHUT_RD;
		conn_event(conn, TCP_E_READABLE);
	}
	if (how != SHUT_RD &&
			(conn->state == TCP_S_ESTABLISHED || conn->state == TCP_S_CLOSE_WAIT) &&
			send_fin(conn))
		output(conn);
	engine_reap(conn->engine);
	return 0;
}

void
tcp_abort(struct tcp_conn *conn)
{
	struct tcp_engine *engine = conn->engine;

	conn->flags |= F_ORPHAN;
	if ((conn->flags & F_FINISHED) != 0) {
		TAILQ_REMOVE(&engine->ended, conn, link);
		TAILQ_INSERT_TAIL(&engine->dead, conn, link);
	} else {
		/* RFC 9293 3.10.5: in the other states nobody waits for it */
		if (conn->state == TCP_S_SYN_RECEIVED || conn->state == TCP_S_ESTABLISHED ||
				conn->state == TCP_S_FIN_WAIT_1 ||
				conn->state == TCP_S_FIN_WAIT_2 || conn->state == TCP_S_CLOSE_WAIT)
			output_reset(conn);
		conn_finish(conn);
	}
	engine_reap(engine);
}

void
tcp_close(struct tcp_conn *conn)
{
	struct tcp_engine *engine = conn->engine;

	if ((conn->flags & F_FINISHED) != 0 || conn->state == TCP_S_SYN_SENT ||
			(conn->rcvq.bytes != 0 && conn->state != TCP_S_TIME_WAIT)) {
		tcp_abort(conn);
		return;
	}
	conn->flags |= F_ORPHAN;
	/* nobody will be told any more when memory may be used again: what cannot be copied is not
	 * sent */
	if (unlikely(sndq_own(conn) != 0)) {
		tcp_abort(conn);
		return;
	}
	switch (conn->state) {
	case TCP_S_SYN_RECEIVED:
		/* as RFC 9293 3.10.4 has it nothing was sent: there is nothing to finish */
		output_reset(conn);
		conn_finish(conn);
		break;
	case TCP_S_ESTABLISHED:
	case TCP_S_CLOSE_WAIT:
		if (send_fin(conn))
			output(conn);
		break;
	case TCP_S_FIN_WAIT_2:
		conn->life_at = engine->now;
		break;
	default:
		break;
	}
	if (conn->state != TCP_S_CLOSED)
		life_arm(conn);
	engine_reap(engine);
}

/* RFC 5927 4.1: it must speak of something that is on the way */
static bool
on_the_way(const struct tcp_conn *conn, uint32_t seq)
{
	return seq_geq(seq, conn->snd_una) && seq_lt(seq, conn->snd_nxt);
}

void *
tcp_icmp_owner(const struct tcp_engine *engine, const struct tcp_key *key, uint32_t seq, int err)
{
	const struct tcp_conn *conn =
			table_find(&engine->conns, key, table_hash(&engine->conns, key));

	if (conn == NULL || !conn->opt.recverr || (conn->flags & F_ORPHAN) != 0 ||
			err == EMSGSIZE || !on_the_way(conn, seq) ||
			(conn->state != TCP_S_SYN_SENT && conn->state != TCP_S_SYN_RECEIVED))
		return NULL;
	return conn->owner;
}

void
tcp_icmp(struct tcp_engine *engine, const struct tcp_key *key, uint32_t seq, int err, uint16_t mtu)
{
	struct tcp_conn *conn = table_find(&engine->conns, key, table_hash(&engine->conns, key));

	if (conn == NULL)
		return;
	if (!on_the_way(conn, seq)) {
		COUNT(engine, icmp_ignored);
		return;
	}
	COUNT(engine, icmp_in);
	if (err == EMSGSIZE) {
		mtu = RTE_MAX(mtu, (uint16_t)(40 + MSS_DEFAULT));
		if (!conn->opt.pmtud || mtu >= conn->mtu || !conn_synchronized(conn))
			return;
		COUNT(engine, pmtu_reduced);
		conn_narrow(conn, mtu);
		loss_too_big(conn);
		output(conn);
	} else if (conn->state == TCP_S_SYN_SENT) {
		/* an attempt ends with whatever is said of it, as on Linux (RFC 5461 4.1) */
		conn_drop(conn, err == ENOPROTOOPT ? ECONNREFUSED : err);
	} else if (conn->opt.recverr) {
		conn->error = (uint8_t)err;
		conn_event(conn, TCP_E_ERROR);
	} else {
		/* told if the connection fails for good (RFC 1122 4.2.3.9, RFC 5461) */
		conn->soft_error = (uint8_t)err;
	}
	engine_reap(engine);
}
