/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What losses, timeouts and ECN do to the window: the states of loss recovery, proportional rate
 * reduction (RFC 6937), NewReno for a peer without SACK (RFC 6582), the end of recovery, and the
 * undo of a reduction that proved unnecessary (RFC 3522, 3708, 4015). The sizes of windows are the
 * congestion control's, the verdict that something is lost is rack.c's.
 */
#include "tcp/loss_priv.h"

/* --- entering --- */

/* RFC 5681 (4), RFC 3168 6.1.2: once a window. */
static void
save_window(struct tcp_conn *conn)
{
	struct cc *cc = &conn->cc;

	cc->prior_cwnd = cc->cwnd;
	cc->prior_ssthresh = cc->ssthresh;
	if ((conn->flags & F_ECN) != 0)
		conn->flags |= F_CWR;
}

/* RFC 5681 3.2 step 2: what limited transmit sent beyond the window does not count. */
static uint32_t
flight_size(const struct tcp_conn *conn)
{
	uint32_t flight = conn_flight(conn);

	return RTE_MIN(flight, conn->cc.cwnd);
}

/* @p window: what is halved, or as the algorithm has it */
static void
reduce(struct tcp_conn *conn, uint32_t window, bool ecn)
{
	struct loss *l = &conn->loss;

	save_window(conn);
	conn->cc.ssthresh = cc_ops(&conn->cc)->congestion(
			&conn->cc, window, conn->snd_mss, ecn, conn_now(conn));
	l->prr_delivered = 0;
	l->prr_out = 0;
	l->prr_flight = conn_flight(conn);
	l->recover = conn->snd_nxt;
}

static void
undo_init(struct tcp_conn *conn, uint32_t retrans)
{
	struct loss *l = &conn->loss;

	l->undo_ok = true;
	l->undo_sent = false;
	l->undo_marker = conn->snd_una;
	l->undo_retrans = retrans;
}

/*
 * RFC 6937, with the slow start reduction bound. @p force: the first retransmission must not wait
 * (RFC 5681 3.2 step 3).
 */
static void
prr(struct tcp_conn *conn, uint32_t delivered, bool force)
{
	struct loss *l = &conn->loss;
	struct cc *cc = &conn->cc;
	uint32_t pipe = conn_pipe(conn), limit;
	int64_t send;

	if (cc->algo == TCP_CC_NONE)
		return;
	l->prr_delivered += delivered;
	if (pipe > cc->ssthresh) {
		uint64_t flight = RTE_MAX(l->prr_flight, 1u);
		uint64_t due = ((uint64_t)l->prr_delivered * cc->ssthresh + flight - 1) / flight;

		send = (int64_t)due - l->prr_out;
	} else {
		limit = l->prr_delivered > l->prr_out ? l->prr_delivered - l->prr_out : 0;
		limit = RTE_MAX(limit, delivered) + conn->snd_mss;
		send = RTE_MIN(cc->ssthresh - pipe, limit);
	}
	send = RTE_MAX(send, force ? (int64_t)conn->snd_mss : 0);
	cc->cwnd = pipe + (uint32_t)send;
}

/* Of what is on the way, what was sent again: each may yet be answered by a D-SACK, be it a probe
 * or an earlier recovery's, and be it SACKed. */
static uint32_t
count_retrans(const struct sndq *q)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < q->n_sent; i++)
		n += (sndq_at(q, i)->flags & SEG_RETRANS) != 0;
	return n;
}

static void
enter(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	COUNT(conn->engine, recoveries);
	/* what ECN told of the same window has been answered */
	if (l->state != REC_CWR) {
		reduce(conn, flight_size(conn), false);
		undo_init(conn, count_retrans(&conn->sndq));
	} else {
		l->undo_ok = false;
		l->recover = conn->snd_nxt;
	}
	l->tlp_out = false;
	l->state = REC_RECOVERY;
}

void
recovery_lost(struct tcp_conn *conn)
{
	if (conn->loss.state < REC_RECOVERY)
		enter(conn);
	if (conn->loss.state == REC_RECOVERY)
		prr(conn, 0, true);
}

/* Congestion without loss: the window shrinks as data arrive. */
static void
enter_cwr(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	COUNT(conn->engine, ecn_reduced);
	/* RFC 3168 6.1.2 halves cwnd: that little is left on the way is no matter */
	reduce(conn, conn->cc.cwnd, true);
	l->undo_ok = false;
	if (conn_flight(conn) == 0)
		conn->cc.cwnd = RTE_MIN(conn->cc.cwnd, conn->cc.ssthresh);
	else
		l->state = REC_CWR;
}

/* RFC 8985 7.4: the probe's loss was all that was lost, and it is repaired. */
static void
probe_repaired(struct tcp_conn *conn)
{
	COUNT(conn->engine, tlp_recoveries);
	if (conn->loss.state >= REC_CWR)
		return;
	reduce(conn, conn->cc.cwnd, false);
	conn->loss.undo_ok = false;
	conn->cc.cwnd = RTE_MIN(conn->cc.cwnd, conn->cc.ssthresh);
}

void
recovery_rto(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;
	struct cc *cc = &conn->cc;
	bool again = l->state == REC_LOSS && seq_lt(conn->snd_una, l->recover);
	bool undo = l->state < REC_CWR || l->undo_ok;
	uint32_t ssthresh;

	/* A peer that dropped what it SACKed (RFC 2018 8) is seen by the first piece, which is
	 * SACKed and still not acknowledged. Else it is kept, as RFC 6675 5.1 allows. */
	if ((conn->flags & F_SACK) == 0 || (sndq_at(&conn->sndq, 0)->flags & SEG_SACKED) != 0)
		sack_forget(conn);
	/* RFC 5681 3.1: once, however often the timer runs out for the same piece */
	if (l->backoff <= 1) {
		if (l->state < REC_CWR || l->state == REC_LOSS)
			save_window(conn);
		ssthresh = cc_ops(cc)->timeout(
				cc, flight_size(conn), conn->snd_mss, conn_now(conn));
		if (l->state == REC_CWR || l->state == REC_RECOVERY)
			ssthresh = RTE_MIN(ssthresh, cc->ssthresh);
		cc->ssthresh = ssthresh;
	}
	if (cc->algo != TCP_CC_NONE)
		cc->cwnd = conn->snd_mss;
	rack_rto(conn);
	l->state = REC_LOSS;
	l->tlp_out = false;
	l->recover = conn->snd_nxt;
	undo_init(conn, count_retrans(&conn->sndq));
	l->undo_ok = undo;
	/* RFC 5682 2.1 step 1 */
	l->frto = again ? 0 : 1;
}

/* --- leaving --- */

static void
state_from_scoreboard(struct loss *l)
{
	l->state = l->sacked != 0 || l->dup_acks != 0 ? REC_DISORDER : REC_OPEN;
}

static void
leave(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	if (l->state != REC_LOSS)
		conn->cc.cwnd = conn->cc.ssthresh; /* RFC 6937, RFC 6582 3.2 step 3 */
	if (l->state != REC_CWR)
		rack_recovered(conn);
	l->hold = conn->snd_una == l->recover;
	l->recover = conn->snd_nxt;
	l->frto = 0;
	if ((conn->flags & F_SACK) == 0)
		l->sacked = l->dup_acks = 0;
	state_from_scoreboard(l);
}

static __rte_noinline void
unmark(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;

	for (uint32_t i = 0; i < q->n_sent; i++)
		sndq_at(q, i)->flags &= (uint8_t)~SEG_LOST;
	conn->loss.lost = 0;
	rack_rescan(conn);
}

/* The last reduction was for nothing (RFC 4015). @p acked: bytes that told so */
static void
recovery_undo(struct tcp_conn *conn, uint32_t acked)
{
	struct loss *l = &conn->loss;
	struct cc *cc = &conn->cc;
	uint32_t cwnd = cc->prior_cwnd;

	COUNT(conn->engine, undos);
	conn->undos++;
	unmark(conn);
	cc->ssthresh = RTE_MAX(cc->ssthresh, cc->prior_ssthresh);
	if (l->state == REC_LOSS) {
		/* RFC 4015 3.2 step 6: not the whole window at once; slow start brings the rest */
		acked = RTE_MIN(acked, cc_initial_window(conn->snd_mss));
		cc->ssthresh = RTE_MAX(cc->ssthresh, cwnd);
		cwnd = RTE_MIN(cwnd, conn_pipe(conn) + acked);
	}
	cc->cwnd = RTE_MAX(cc->cwnd, cwnd);
	cc_ops(cc)->undo(cc, conn_now(conn));
	l->undo_ok = false;
	l->frto = 0;
	/* what made it look lost was reordering, or a delay that the window has to allow for */
	l->reordering = true;
	if ((conn->flags & F_SACK) == 0)
		l->sacked = l->dup_acks = 0;
	state_from_scoreboard(l);
}

/*
 * RFC 3522: what was sent again is acknowledged with a timestamp from before. RFC 3708: D-SACKs
 * have answered every retransmission.
 */
static bool
was_spurious(struct tcp_conn *conn, const struct acked *a)
{
	const struct loss *l = &conn->loss;

	if (l->undo_sent && a->dsack && l->undo_retrans == 0)
		return true;
	return l->undo_sent && l->state >= REC_RECOVERY && a->rtx_acked &&
			ecr_before(conn, a->in, l->retrans_ts);
}

static void
try_undo(struct tcp_conn *conn, const struct acked *a)
{
	struct loss *l = &conn->loss;

	if (was_spurious(conn, a))
		recovery_undo(conn, a->advance);
	else if (l->state < REC_CWR && seq_gt(conn->snd_una, l->recover))
		l->undo_ok = false;
	/* congestion was told of in another way: RFC 4015 3.2 */
	if (l->undo_ok && (a->in->flags & RTE_TCP_ECE_FLAG) != 0 && (conn->flags & F_ECN) != 0)
		l->undo_ok = false;
}

/* --- an acknowledgement --- */

/* RFC 6582: the third duplicate, and each partial acknowledgement, tell that the first is lost. */
static bool
newreno_detect(struct tcp_conn *conn, const struct acked *a)
{
	const struct loss *l = &conn->loss;
	struct seg *s;

	if (conn->sndq.n_sent == 0 || l->state == REC_LOSS)
		return false;
	s = sndq_at(&conn->sndq, 0);
	if ((s->flags & SEG_LOST) != 0)
		return false;
	if (l->state == REC_RECOVERY ? a->advance == 0 : (l->dup_acks < DUPTHRESH || l->hold))
		return false;
	piece_lost(conn, s);
	return true;
}

static void
grow(struct tcp_conn *conn, const struct acked *a)
{
	const struct loss *l = &conn->loss;
	struct cc_ack ca = {
		.acked = l->state == REC_LOSS ? a->delivered : a->advance,
		.in_flight = a->pipe,
		.mss = conn->snd_mss,
		.snd_una = conn->snd_una,
		.snd_nxt = conn->snd_nxt,
		.rtt = a->rtx_acked ? 0 : a->rtt_last,
		.srtt = l->srtt,
		.min_rtt = l->min_rtt,
		.now = a->now,
		.paced = conn->opt.pacing,
		.cwnd_limited = (conn->flags & F_CWND_LIMITED) != 0 || l->state == REC_LOSS,
	};

	cc_ops(&conn->cc)->ack(&conn->cc, &ca);
}

static __rte_noinline void
doubtful(struct tcp_conn *conn, const struct acked *a)
{
	struct loss *l = &conn->loss;
	bool ece = (a->in->flags & RTE_TCP_ECE_FLAG) != 0 && (conn->flags & F_ECN) != 0;
	bool lost, reducing, first = false;

	if (tlp_process(conn, a))
		probe_repaired(conn);
	if (l->undo_ok)
		try_undo(conn, a);
	if (l->frto != 0 && frto_process(conn, a)) {
		COUNT(conn->engine, frto_spurious);
		recovery_undo(conn, a->advance);
	}
	reducing = l->state == REC_CWR || l->state == REC_RECOVERY;
	if (l->state >= REC_CWR && seq_geq(conn->snd_una, l->recover))
		leave(conn);
	lost = (conn->flags & F_SACK) != 0 ? rack_detect(conn) : newreno_detect(conn, a);
	if (l->state < REC_CWR) {
		if (!reducing && a->advance != 0 && !lost && !ece)
			grow(conn, a);
		state_from_scoreboard(l);
		if (ece)
			enter_cwr(conn);
	}
	if (l->state < REC_RECOVERY && (lost || l->lost != 0)) {
		enter(conn);
		first = true;
	}
	if (l->state == REC_LOSS) {
		if (a->advance != 0 && l->frto == 0)
			grow(conn, a);
	} else if (l->state >= REC_CWR && (a->delivered != 0 || first)) {
		/* RFC 6582 3.2 step 5: what a partial acknowledgement tells of is sent at once */
		prr(conn, a->delivered, first || (lost && (conn->flags & F_SACK) == 0));
	}
}

void
recovery_ack(struct tcp_conn *conn, const struct acked *a)
{
	const struct loss *l = &conn->loss;

	if (likely(l->state == REC_OPEN && (l->sacked | l->lost | l->retrans) == 0 && !a->dsack &&
			    !(l->tlp_out | l->undo_ok) && l->dup_acks == 0 &&
			    (a->in->flags & RTE_TCP_ECE_FLAG) == 0)) {
		if (a->advance != 0)
			grow(conn, a);
		return;
	}
	doubtful(conn, a);
}

/* --- too big --- */

void
loss_too_big(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;
	bool any = false;

	for (uint32_t i = 0; i < q->n_sent; i++) {
		struct seg *s = sndq_at(q, i);

		if (s->len <= conn->snd_mss || (s->flags & (SEG_SACKED | SEG_LOST)) != 0)
			continue;
		piece_lost(conn, s);
		any = true;
	}
	/* duplicates stood for some of these: they count once */
	if (any && (conn->flags & F_SACK) == 0)
		l->sacked = l->sacked_segs = l->dup_acks = 0;
	if (!any || l->state >= REC_RECOVERY)
		return;
	/* The state in which lost pieces are sent again while the window stays as it is. */
	l->state = REC_LOSS;
	l->recover = conn->snd_nxt;
	l->frto = 0;
	l->undo_ok = false;
	l->tlp_out = false;
}
