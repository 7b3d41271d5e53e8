/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking at a connection and changing its options; nothing here is on the data path but
 * tcp_ready().
 */
#include "tcp_priv.h"

#define BUF_MIN 2048u
#define BUF_MAX (UINT32_C(1) << 30) /* RFC 7323 2.3: what the largest scale can offer */

const char *
tcp_state_name(enum tcp_state state)
{
	static const char *const names[] = { "CLOSED", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",
		"FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT" };

	return (unsigned int)state < RTE_DIM(names) ? names[state] : "?";
}

struct tcp_conn *
tcp_find(const struct tcp_engine *engine, const struct tcp_key *key)
{
	return table_find(&engine->conns, key, table_hash(&engine->conns, key));
}

void
tcp_options_default(struct tcp_options *opt)
{
	*opt = (struct tcp_options){
		.sndbuf = 1u << 20,
		.rcvbuf = 1u << 20,
		.keep_idle_s = 7200,
		.fin_wait_s = 60,
		.keep_interval_s = 75,
		.keep_count = 9,
		.syn_retries = 6,
		.retries = 15,
		.cc = TCP_CC_CUBIC,
		.timestamps = true,
		.sack = true,
		.window_scaling = true,
		.pmtud = true,
	};
}

static uint32_t
buffer_size(uint32_t bytes)
{
	return bytes < BUF_MIN ? BUF_MIN : bytes > BUF_MAX ? BUF_MAX : bytes;
}

void
tcp_set_options(struct tcp_conn *conn, const struct tcp_options *opt)
{
	struct tcp_options before = conn->opt;

	conn->opt = *opt;
	conn->opt.sndbuf = buffer_size(opt->sndbuf);
	conn->opt.rcvbuf = buffer_size(opt->rcvbuf);
	if (opt->mss != before.mss && opt->mss != 0 && conn_synchronized(conn))
		conn_set_mss(conn);
	if (opt->cc != before.cc && conn_synchronized(conn))
		cc_change(&conn->cc, opt->cc, conn_now(conn));
	if (!conn_synchronized(conn))
		return;
	if (opt->keepalive != before.keepalive || opt->keep_idle_s != before.keep_idle_s ||
			opt->keep_interval_s != before.keep_interval_s)
		life_arm(conn);
	/* what was held back may go now */
	if ((before.cork && !opt->cork) || (!before.nodelay && opt->nodelay))
		conn->flags &= ~(uint32_t)(F_MORE | F_CORKED);
	if (opt->quickack && (conn->flags & F_ACK_PENDING) != 0)
		conn->flags |= F_ACK_NOW;
	output(conn);
	engine_reap(conn->engine);
}

const struct tcp_options *
tcp_get_options(const struct tcp_conn *conn)
{
	return &conn->opt;
}

void
tcp_set_owner(struct tcp_conn *conn, void *owner)
{
	conn->owner = owner;
}

void *
tcp_owner(const struct tcp_conn *conn)
{
	return conn->owner;
}

void *
tcp_extra(struct tcp_conn *conn)
{
	return conn_extra(conn);
}

struct tcp_conn *
tcp_conn_of_extra(void *extra)
{
	return (struct tcp_conn *)extra - 1;
}

const struct tcp_key *
tcp_conn_key(const struct tcp_conn *conn)
{
	return &conn->key;
}

struct tcp_engine *
tcp_conn_engine(const struct tcp_conn *conn)
{
	return conn->engine;
}

enum tcp_state
tcp_conn_state(const struct tcp_conn *conn)
{
	return conn->state;
}

int
tcp_error(struct tcp_conn *conn, bool take)
{
	int err = conn->error;

	if (take)
		conn->error = 0;
	return err;
}

void
tcp_put_error(struct tcp_conn *conn, int err)
{
	conn->error = (uint8_t)err;
}

static bool
writable(const struct tcp_conn *conn)
{
	uint32_t lowat = conn->opt.lowat != 0 ? conn->opt.lowat : conn->opt.sndbuf / 3;

	if ((conn->flags & F_FIN_QUEUED) != 0 || conn->state == TCP_S_CLOSED)
		return true;
	if (conn->state != TCP_S_ESTABLISHED && conn->state != TCP_S_CLOSE_WAIT)
		return false;
	if (unlikely(conn->opt.notsent_lowat != 0))
		return tcp_send_room(conn) != 0 &&
				conn->opt.sndbuf - conn->sndq.charge >=
				RTE_MIN(lowat, conn->opt.sndbuf);
	return tcp_send_room(conn) >= RTE_MIN(lowat, conn->opt.sndbuf);
}

unsigned int
tcp_ready(const struct tcp_conn *conn)
{
	bool closed = conn->state == TCP_S_CLOSED || conn->state == TCP_S_TIME_WAIT;
	unsigned int events = 0;

	if (tcp_recv_queued(conn) != 0 || (conn->flags & (F_FIN_IN | F_SHUT_RD)) != 0 || closed ||
			conn->error != 0)
		events |= TCP_E_READABLE;
	if (writable(conn))
		events |= TCP_E_WRITABLE;
	if (conn->error != 0)
		events |= TCP_E_ERROR;
	if ((conn->flags & F_URG_BYTE) != 0)
		events |= TCP_E_URGENT;
	if (closed || ((conn->flags & F_FIN_IN) != 0 && (conn->flags & F_FIN_QUEUED) != 0))
		events |= TCP_E_CLOSED;
	return events;
}

void
tcp_look(const struct tcp_conn *conn, struct tcp_snapshot *s)
{
	const struct loss *l = &conn->loss;

	*s = (struct tcp_snapshot){
		.state = conn->state,
		.snd_wscale = conn->snd_wscale,
		.rcv_wscale = conn->rcv_wscale,
		.timestamps = (conn->flags & F_TS) != 0,
		.sack = (conn->flags & F_SACK) != 0,
		.wscale = (conn->flags & F_WSCALE) != 0,
		.ecn = (conn->flags & F_ECN) != 0,
		.in_recovery = l->state == REC_RECOVERY,
		.in_rto = l->state == REC_LOSS,
		.backoff = l->backoff,
		.mss = conn->snd_mss,
		.rcv_mss = conn->rcv_mss,
		.pmtu = conn->mtu,
		.cwnd = conn->cc.cwnd,
		.ssthresh = conn->cc.ssthresh,
		.snd_wnd = conn->snd_wnd,
		.rcv_wnd = conn->rcv_adv - conn->rcv_nxt,
		.in_flight = conn_pipe(conn),
		.lost = l->lost,
		.sacked = l->sacked,
		.srtt = l->srtt,
		.rttvar = l->rttvar,
		.min_rtt = l->min_rtt,
		.rto = l->rto,
		.bytes_sent = conn->bytes_sent,
		.bytes_acked = conn->bytes_acked,
		.bytes_received = conn->bytes_received,
		.bytes_retransmitted = conn->bytes_retrans,
		.segs_out = conn->segs_out,
		.segs_in = conn->segs_in,
		.segs_retransmitted = conn->segs_retrans,
		.undos = conn->undos,
		.reordering = l->reordering ? l->reo_mult : 0,
		.pacing_rate = conn->opt.pacing ? cc_pacing_rate(&conn->cc, l->srtt)
						: conn->opt.pacing_rate,
		.delivery_rate = conn->delivery_rate,
		.last_sent = conn->last_sent,
		.last_received = conn->last_received,
	};
	tcp_send_queued(conn, &s->unsent);
}
