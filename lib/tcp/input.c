/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment and its connection: the checks of RFC 9293 3.10.7 in its order, and the state machine.
 * What an acknowledgement means is ack.c's, where data go is rcvq.c's; nothing is sent here but by
 * asking output.c. One function a step, so that the order can be read in synchronized(); the steps
 * of the handshake are handshake.c's.
 *
 * Each step returns true when the segment has been dealt with and in->m is no longer needed.
 */
#include "tcp_priv.h"

#define PAWS_IDLE (24 * 24 * 3600 * SEC) /* RFC 7323 5.5: 24 days */

static inline void
ack_now(struct tcp_conn *conn)
{
	conn->flags |= F_ACK_NOW;
	output_later(conn);
}

static inline bool
in_window(const struct tcp_conn *conn, uint32_t seq)
{
	return seq_geq(seq, conn->rcv_nxt) && seq_lt(seq, conn->rcv_adv);
}

/* RFC 9293 3.10.7.4, the table. A closed window still takes ACK, URG and RST of a segment at its
 * edge; the data of such a segment are cut off later. */
static inline bool
acceptable(const struct tcp_conn *conn, const struct tcp_in *in)
{
	uint32_t end = in_end(in);

	if (in->seq == conn->rcv_nxt)
		return true;
	if (end == in->seq)
		return in_window(conn, in->seq);
	return in_window(conn, in->seq) || in_window(conn, end - 1) ||
			(seq_lt(in->seq, conn->rcv_nxt) && seq_gt(end, conn->rcv_nxt));
}

/*
 * The acknowledgement that an unacceptable segment gets. One without data gets it only now and
 * then, lest two ends that lost each other answer answers for ever.
 */
static void
ack_unacceptable(struct tcp_conn *conn, const struct tcp_in *in)
{
	uint64_t now = conn_now(conn);

	if (in_end(in) == in->seq) {
		if (conn->challenge_at != 0 && now - conn->challenge_at < CHALLENGE_GAP) {
			COUNT(conn->engine, challenge_limited);
			return;
		}
		conn->challenge_at = now;
	}
	ack_now(conn);
}

/* RFC 7323 5.3 R1 to R3, before the sequence number is looked at. */
static inline bool
paws(struct tcp_conn *conn, const struct tcp_in *in)
{
	if ((conn->flags & F_TS) == 0 || in_has(in, RTE_TCP_RST_FLAG))
		return false;
	if (unlikely((in->opts.have & OPT_TS) == 0)) {
		COUNT(conn->engine, drop_no_timestamp);
		return true;
	}
	if (likely(seq_geq(in->opts.ts_val, conn->ts_recent)))
		return false;
	if (conn_now(conn) - conn->ts_recent_at > PAWS_IDLE) {
		/* R3 compares with what is no longer valid */
		conn->ts_recent = in->opts.ts_val;
		return false;
	}
	COUNT(conn->engine, drop_paws);
	ack_unacceptable(conn, in);
	return true;
}

static __rte_noinline void
unacceptable(struct tcp_conn *conn, struct tcp_in *in)
{
	bool old = seq_lt(in->seq, conn->rcv_nxt);

	if (in_has(in, RTE_TCP_RST_FLAG)) {
		COUNT(conn->engine, drop_rst_seq);
		return;
	}
	if (old)
		COUNT(conn->engine, drop_old);
	else
		COUNT(conn->engine, drop_seq);
	if (conn->state == TCP_S_TIME_WAIT && in_has(in, RTE_TCP_FIN_FLAG) && old) {
		/* our last ACK was lost: 3.10.7.4, eighth step */
		conn->life_at = conn_now(conn);
		life_arm(conn);
	}
	/* D-SACK tells the peer which of its segments came twice (RFC 2883 4.1) */
	if (old && in->len != 0 && (conn->flags & F_SACK) != 0) {
		rcvq_put(conn, in->m, in->seq, in->len, false);
		in->m = NULL;
	}
	ack_unacceptable(conn, in);
}

/* RFC 5961 3.2, and RFC 1337 for TIME-WAIT. */
static __rte_noinline void
reset_in(struct tcp_conn *conn, const struct tcp_in *in)
{
	struct tcp_engine *engine = conn->engine;

	if (in->seq != conn->rcv_nxt) {
		COUNT(engine, drop_rst_in_window);
		output_challenge(conn);
		return;
	}
	if (conn->state == TCP_S_TIME_WAIT) {
		COUNT(engine, drop_state);
		return;
	}
	COUNT(engine, resets_in);
	switch (conn->state) {
	case TCP_S_SYN_RECEIVED:
		conn_drop(conn, ECONNREFUSED);
		break;
	case TCP_S_CLOSE_WAIT:
		conn_drop(conn, EPIPE);
		break;
	case TCP_S_CLOSING:
	case TCP_S_LAST_ACK:
		conn_drop(conn, 0);
		break;
	default:
		conn_drop(conn, ECONNRESET);
		break;
	}
}

/* RFC 5961 5.2: 3.10.7.4, fifth step. */
static inline bool
ack_acceptable(struct tcp_conn *conn, const struct tcp_in *in)
{
	if (likely(seq_leq(in->ack, conn->snd_nxt) &&
			    seq_geq(in->ack, conn->snd_una - conn->snd_wnd_max)))
		return true;
	if (seq_gt(in->ack, conn->snd_nxt))
		COUNT(conn->engine, drop_ack_future);
	else
		COUNT(conn->engine, drop_ack_old);
	output_challenge(conn);
	return false;
}

/* RFC 7323 4.3: the timestamp to echo is that of the segment that the last ACK was for. */
static inline void
timestamp_remember(struct tcp_conn *conn, const struct tcp_in *in)
{
	if ((in->opts.have & OPT_TS) == 0 || (conn->flags & F_TS) == 0)
		return;
	if (seq_leq(in->seq, conn->rcv_acked) && seq_geq(in->opts.ts_val, conn->ts_recent)) {
		conn->ts_recent = in->opts.ts_val;
		conn->ts_recent_at = conn_now(conn);
	}
}

static inline bool
fin_acked(const struct tcp_conn *conn)
{
	return (conn->flags & F_FIN_QUEUED) != 0 && conn->sndq.n == 0;
}

/* What an acknowledgement of our FIN means. False: the connection has ended. */
static __rte_noinline bool
closing_acked(struct tcp_conn *conn)
{
	switch (conn->state) {
	case TCP_S_FIN_WAIT_1:
		conn->state = TCP_S_FIN_WAIT_2;
		conn->life_at = conn_now(conn);
		life_arm(conn);
		return true;
	case TCP_S_CLOSING:
		conn_time_wait(conn);
		return true;
	case TCP_S_LAST_ACK:
		conn_drop(conn, 0);
		return false;
	default:
		return true;
	}
}

static inline void
delivery_rate(struct tcp_conn *conn, uint32_t acked)
{
	uint64_t now = conn_now(conn), span = now - conn->rate_at;

	conn->rate_bytes += acked;
	if (span < conn->loss.srtt || span == 0)
		return;
	conn->delivery_rate = conn->rate_bytes * SEC / span;
	conn->rate_bytes = 0;
	conn->rate_at = now;
}

/* False: the connection has ended. */
static inline bool
acknowledge(struct tcp_conn *conn, const struct tcp_in *in)
{
	uint32_t una = conn->snd_una;

	/* an old one tells nothing, its data may */
	if (seq_lt(in->ack, una)) {
		COUNT(conn->engine, drop_ack_old);
		return true;
	}
	ack_process(conn, in);
	if (unlikely(conn->state == TCP_S_CLOSED))
		return false;
	if (conn->snd_una != una) {
		conn->bytes_acked += conn->snd_una - una;
		delivery_rate(conn, conn->snd_una - una);
		conn_writable(conn);
		if (unlikely((conn->flags & F_MARKS) != 0))
			marks_look(conn);
		if (unlikely(fin_acked(conn)) && !closing_acked(conn))
			return false;
		if (conn->sndq.n == 0 && conn->opt.keepalive)
			life_arm(conn);
	}
	/* the window may have opened, data may be lost */
	if (conn->sndq.n != 0)
		output_later(conn);
	return true;
}

/* RFC 3168 6.1.3: congestion that the data met is echoed until the sender says that it heard. */
static inline void
ecn_in(struct tcp_conn *conn, const struct tcp_in *in)
{
	if (in_has(in, RTE_TCP_CWR_FLAG))
		conn->flags &= ~(uint32_t)F_ECE;
	if (in->ecn == 3 && in->len != 0) {
		COUNT_ADD(conn->engine, ecn_ce_in, in->segs);
		conn->flags |= F_ECE | F_ACK_NOW;
	}
}

/* RFC 9293 3.8.6.3, RFC 5681 4.2: an ACK for each second full segment, within 500 ms. */
static inline void
schedule_ack(struct tcp_conn *conn, const struct tcp_in *in, unsigned int put)
{
	/* for SWS avoidance: the end of a write, or a probe, says nothing of full segments */
	if (unlikely(in->seg_size > conn->rcv_mss))
		conn->rcv_mss = in->seg_size;
	conn->ack_segs += in->segs;
	if ((put & (RCVQ_FILLED | RCVQ_OOO | RCVQ_OLD | RCVQ_DROPPED | RCVQ_FIN)) != 0 ||
			conn->opt.quickack || conn->ack_segs >= 2) {
		conn->flags |= F_ACK_NOW;
	} else if (conn->quick > 0) {
		conn->quick--;
		conn->flags |= F_ACK_NOW;
	} else if ((conn->flags & F_ACK_PENDING) == 0) {
		conn->flags |= F_ACK_PENDING;
		timer_set(conn, TIMER_ACK, conn_now(conn) + DELACK_MIN);
	}
}

/* Data for an application that has gone: RFC 9293 3.10.7.4, seventh step; RFC 1122 4.2.2.13. */
static __rte_noinline void
nobody_reads(struct tcp_conn *conn)
{
	COUNT(conn->engine, drop_after_close);
	output_reset(conn);
	conn_drop(conn, 0);
}

static __rte_noinline void
fin_in(struct tcp_conn *conn)
{
	conn->flags |= F_FIN_IN;
	switch (conn->state) {
	case TCP_S_ESTABLISHED:
		conn->state = TCP_S_CLOSE_WAIT;
		break;
	case TCP_S_FIN_WAIT_1:
		/* our FIN is not acknowledged, else the state would be another */
		conn->state = TCP_S_CLOSING;
		break;
	case TCP_S_FIN_WAIT_2:
		conn_time_wait(conn);
		return;
	default:
		return;
	}
	conn_event(conn, TCP_E_READABLE);
}

static inline bool
receives(const struct tcp_conn *conn)
{
	return conn->state == TCP_S_ESTABLISHED || conn->state == TCP_S_FIN_WAIT_1 ||
			conn->state == TCP_S_FIN_WAIT_2;
}

/* Data and FIN: seventh and eighth step. */
static inline void
data_in(struct tcp_conn *conn, struct tcp_in *in)
{
	bool fin = in_has(in, RTE_TCP_FIN_FLAG);
	uint32_t bytes = conn->rcvq.bytes;
	unsigned int put;

	if (unlikely(!receives(conn))) {
		/* after the peer's FIN there is nothing more to come */
		COUNT(conn->engine, drop_state);
		ack_now(conn);
		return;
	}
	if (unlikely((conn->flags & F_ORPHAN) != 0) && in->len != 0 &&
			seq_gt(in->seq + in->len, conn->rcv_nxt)) {
		nobody_reads(conn);
		return;
	}
	put = rcvq_put(conn, in->m, in->seq, in->len, fin);
	in->m = NULL;
	if ((put & RCVQ_IN_ORDER) != 0) {
		if (unlikely((conn->flags & F_DEFERRED) != 0))
			listen_data(conn);
		if (conn->rcvq.bytes != bytes)
			conn_event(conn, TCP_E_READABLE);
	}
	if (unlikely((put & RCVQ_DROPPED) != 0))
		COUNT(conn->engine, drop_window);
	schedule_ack(conn, in, put);
	if (unlikely((put & RCVQ_FIN) != 0))
		fin_in(conn);
	output_later(conn);
}

static void
synchronized(struct tcp_conn *conn, struct tcp_in *in)
{
	if (unlikely(paws(conn, in)))
		return;
	if (unlikely(conn->state == TCP_S_SYN_RECEIVED) && handshake_syn_again(conn, in))
		return;
	if (unlikely(!acceptable(conn, in))) {
		unacceptable(conn, in);
		return;
	}
	if (unlikely(in_has(in, RTE_TCP_RST_FLAG))) {
		reset_in(conn, in);
		return;
	}
	if (unlikely(in_has(in, RTE_TCP_SYN_FLAG))) {
		COUNT(conn->engine, drop_syn_in_window);
		output_challenge(conn);
		return;
	}
	if (unlikely(!in_has(in, RTE_TCP_ACK_FLAG))) {
		COUNT(conn->engine, drop_no_ack);
		return;
	}
	if (unlikely(conn->state == TCP_S_SYN_RECEIVED) && handshake_acked(conn, in))
		return;
	if (unlikely(!ack_acceptable(conn, in)))
		return;
	timestamp_remember(conn, in);
	conn->last_received = conn_now(conn);
	if (unlikely(conn->keep_sent != 0)) {
		conn->keep_sent = 0;
		life_arm(conn);
	}
	if (!acknowledge(conn, in))
		return;
	if ((conn->flags & F_ECN) != 0)
		ecn_in(conn, in);
	if (unlikely(in_has(in, RTE_TCP_URG_FLAG)) && receives(conn))
		urgent_in(conn, in->seq, in->len, in->urg, in->m);
	if (in->len != 0 || in_has(in, RTE_TCP_FIN_FLAG))
		data_in(conn, in);
	else if ((conn->flags & F_ACK_NOW) != 0)
		output_later(conn);
}

/* Somebody else takes it as it came, with its headers. */
static bool
stray_taken(struct tcp_engine *engine, struct tcp_in *in)
{
	uint16_t hdr = (uint16_t)(in->m->l2_len + in->m->l3_len + in->hdr_len);

	if (engine->config.ops.stray == NULL || in_has(in, RTE_TCP_SYN_FLAG))
		return false;
	in->m->data_off -= hdr;
	in->m->data_len += hdr;
	in->m->pkt_len += hdr;
	if (engine->config.ops.stray(engine->config.ctx, &in->key, in->m)) {
		in->m = NULL;
		return true;
	}
	in->m->data_off += hdr;
	in->m->data_len -= hdr;
	in->m->pkt_len -= hdr;
	return false;
}

static __rte_noinline void
no_connection(struct tcp_engine *engine, struct tcp_in *in)
{
	struct tcp_listener *l;
	struct tcp_conn *conn;

	if (stray_taken(engine, in))
		return;
	l = listener_find(engine, &in->key, in->hash);
	if (l == NULL) {
		COUNT(engine, drop_no_listener);
		stray_reset(engine, in);
		return;
	}
	conn = listen_input(l, in);
	if (conn != NULL)
		synchronized(conn, in);
}

void
segment_input(struct tcp_engine *engine, struct tcp_conn *conn, struct tcp_in *in)
{
	COUNT_ADD(engine, segs_in, in->segs);
	if (conn != NULL && unlikely(conn->state == TCP_S_TIME_WAIT) &&
			handshake_in_time_wait(conn, in)) {
		COUNT(engine, time_wait_reused);
		conn_drop(conn, 0);
		conn = NULL;
	}
	if (unlikely(conn == NULL)) {
		no_connection(engine, in);
	} else {
		conn->segs_in += in->segs;
		if (likely(conn->state != TCP_S_SYN_SENT) || !handshake_syn_sent(conn, in))
			synchronized(conn, in);
	}
	if (in->m != NULL)
		in_free(in);
}
