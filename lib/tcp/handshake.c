/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments that begin a connection: in SYN-SENT (RFC 9293 3.10.7.3), in SYN-RECEIVED, and a SYN
 * that meets TIME-WAIT. Who listens is listen.c's; the order of the checks of which these are steps
 * is input.c's.
 *
 * Each returns true when the segment has been dealt with.
 */
#include "tcp_priv.h"

/* Take SYN off: what follows treats the rest of the segment. ECE and CWR beside a SYN negotiate and
 * tell of no congestion (RFC 3168 6.1.1). */
static void
strip_syn(struct tcp_in *in)
{
	in->flags &= (uint8_t) ~(RTE_TCP_SYN_FLAG | RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG);
	in->unscaled = true;
	in->seq++;
}

/* The window of a segment, as it counts: a SYN's is never scaled (RFC 7323 2.2). */
static void
window_init(struct tcp_conn *conn, const struct tcp_in *in, bool scaled)
{
	conn->snd_wnd = scaled ? in->wnd << conn->snd_wscale : in->wnd;
	conn->snd_wnd_max = RTE_MAX(conn->snd_wnd_max, conn->snd_wnd);
	conn->snd_wl1 = in->seq;
	conn->snd_wl2 = in->ack;
}

/* The peer's sequence numbers begin here. */
static void
receive_from(struct tcp_conn *conn, const struct tcp_in *in)
{
	conn->irs = in->seq;
	conn->rcv_nxt = conn->rcv_acked = conn->rcv_up = in->seq + 1;
	/* what our SYN offered */
	conn->rcv_adv = conn->rcv_nxt + RTE_MIN(conn->opt.rcvbuf, (uint32_t)UINT16_MAX);
	conn_negotiate(conn, &in->opts);
}

/* RFC 3168 6.1.1: our SYN asked; the SYN-ACK says ECE and not CWR. */
static void
ecn_answered(struct tcp_conn *conn, const struct tcp_in *in)
{
	if (conn->opt.ecn && in_has(in, RTE_TCP_ECE_FLAG) && !in_has(in, RTE_TCP_CWR_FLAG))
		conn->flags |= F_ECN;
}

static void
simultaneous_open(struct tcp_conn *conn, struct tcp_in *in)
{
	receive_from(conn, in);
	if (conn->opt.ecn && in_has(in, RTE_TCP_ECE_FLAG) && in_has(in, RTE_TCP_CWR_FLAG))
		conn->flags |= F_ECN;
	window_init(conn, in, false);
	conn->state = TCP_S_SYN_RECEIVED;
	conn->syn_times = 0;
	output_syn(conn);
	life_arm(conn);
}

static void
syn_acked(struct tcp_conn *conn, struct tcp_in *in)
{
	receive_from(conn, in);
	ecn_answered(conn, in);
	window_init(conn, in, false);
	conn->snd_una = in->ack;
	timer_stop(conn, TIMER_LIFE);
	conn_established(conn);
	conn->flags |= F_ACK_NOW;
	output_later(conn);
	strip_syn(in);
}

bool
handshake_syn_sent(struct tcp_conn *conn, struct tcp_in *in)
{
	struct tcp_engine *engine = conn->engine;
	bool ack = in_has(in, RTE_TCP_ACK_FLAG);

	if (ack && in->ack != conn->iss + 1) {
		COUNT(engine, drop_ack_future);
		if (!in_has(in, RTE_TCP_RST_FLAG))
			stray_reset(engine, in);
		return true;
	}
	if (in_has(in, RTE_TCP_RST_FLAG)) {
		/* without ACK it may be anybody's */
		if (ack) {
			COUNT(engine, resets_in);
			conn_drop(conn, ECONNREFUSED);
		} else {
			COUNT(engine, drop_rst_seq);
		}
		return true;
	}
	if (!in_has(in, RTE_TCP_SYN_FLAG)) {
		COUNT(engine, drop_state);
		return true;
	}
	if (!ack) {
		/* data in a bare SYN are sent again by the peer */
		simultaneous_open(conn, in);
		return true;
	}
	syn_acked(conn, in);
	return false;
}

bool
handshake_syn_again(struct tcp_conn *conn, struct tcp_in *in)
{
	if (conn->state != TCP_S_SYN_RECEIVED || !in_has(in, RTE_TCP_SYN_FLAG) ||
			in->seq != conn->irs || in_has(in, RTE_TCP_RST_FLAG))
		return false;
	if (in_has(in, RTE_TCP_ACK_FLAG)) {
		/* simultaneous open: the other's SYN-ACK; its acknowledgement is what we wait for
		 */
		strip_syn(in);
		conn->flags |= F_ACK_NOW;
		return false;
	}
	COUNT(conn->engine, retransmits);
	output_syn(conn);
	return true;
}

bool
handshake_acked(struct tcp_conn *conn, struct tcp_in *in)
{
	if (in->ack != conn->snd_nxt) {
		COUNT(conn->engine, drop_ack_future);
		stray_reset(conn->engine, in);
		return true;
	}
	if ((conn->flags & F_ACCEPTING) != 0 && !listen_established(conn)) {
		/* as if it had not come: the SYN-ACK is sent again, and it with it */
		COUNT(conn->engine, drop_backlog);
		return true;
	}
	window_init(conn, in, true);
	conn->snd_una = in->ack;
	conn_established(conn);
	return false;
}

bool
handshake_in_time_wait(struct tcp_conn *conn, const struct tcp_in *in)
{
	bool newer;

	if (!in_has(in, RTE_TCP_SYN_FLAG) || in_has(in, RTE_TCP_ACK_FLAG) ||
			in_has(in, RTE_TCP_RST_FLAG))
		return false;
	if ((conn->flags & F_TS) != 0 && (in->opts.have & OPT_TS) != 0)
		newer = seq_gt(in->opts.ts_val, conn->ts_recent) ||
				(in->opts.ts_val == conn->ts_recent &&
						seq_gt(in->seq, conn->rcv_nxt));
	else
		newer = seq_gt(in->seq, conn->rcv_nxt);
	return newer && listener_find(conn->engine, &conn->key, conn->hash) != NULL;
}
