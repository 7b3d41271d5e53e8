/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an acknowledgement does, in order: the peer's window, what it has now (cumulatively, then
 * by SACK), the round trip, RACK, recovery and congestion control, the timer. Also the account of
 * what is sent, which is the other half of the same counts. The decisions are in the files that it
 * calls.
 */
#include "tcp/loss_priv.h"

/*
 * RFC 9293 3.10.7.4: old segments must not bring back an old window. One that acknowledges more is
 * not old, even if it was sent again and has an old sequence number: its window counts from its own
 * acknowledgement, and the old one would reach beyond.
 */
static void
window_update(struct tcp_conn *conn, const struct tcp_in *in)
{
	uint32_t wnd = likely(!in->unscaled) ? in->wnd << conn->snd_wscale : in->wnd;

	if (seq_leq(in->ack, conn->snd_una) &&
			(seq_gt(conn->snd_wl1, in->seq) ||
					(conn->snd_wl1 == in->seq &&
							seq_gt(conn->snd_wl2, in->ack))))
		return;
	conn->snd_wl1 = in->seq;
	conn->snd_wl2 = in->ack;
	if (unlikely(wnd == 0 && conn->snd_wnd != 0))
		COUNT(conn->engine, zero_windows_in);
	conn->snd_wnd = wnd;
	if (wnd > conn->snd_wnd_max)
		conn->snd_wnd_max = wnd;
}

/* RFC 5681 2. */
static inline bool
is_dup(const struct tcp_conn *conn, const struct acked *a, uint32_t old_wnd)
{
	return a->advance == 0 && !a->data && conn->snd_nxt != conn->snd_una &&
			conn->snd_wnd == old_wnd;
}

/*
 * RFC 8985 6.2 step 2: an acknowledgement of a piece sent twice may be the first one's. Its
 * timestamp tells when the piece is acknowledged cumulatively. For one that is SACKed the peer
 * echoes what last arrived in order (RFC 7323 4.3), so that the least round trip has to tell.
 */
static inline bool
rack_takes(const struct tcp_conn *conn, const struct seg *s, bool cumulative, const struct acked *a)
{
	if (likely((s->flags & SEG_RETRANS) == 0))
		return true;
	return a->now - s->sent_at >= conn->loss.min_rtt &&
			!(cumulative && ecr_before(conn, a->in, ts_at(conn, s->sent_at)));
}

void
piece_delivered(struct tcp_conn *conn, struct seg *s, bool cumulative, struct acked *a)
{
	struct loss *l = &conn->loss;
	uint32_t seqs = seg_seqs(s), end = s->seq + seqs;
	uint64_t rtt = RTE_MAX(a->now - s->sent_at, UINT64_C(1));
	bool takes = rack_takes(conn, s, cumulative, a);

	a->delivered += seqs;
	if (unlikely((s->flags & (SEG_LOST | SEG_RETRANS | SEG_FORGOT)) != 0)) {
		if ((s->flags & SEG_LOST) != 0)
			l->lost -= seqs;
		if ((s->flags & SEG_RETRANS) != 0)
			l->retrans -= seqs;
		if (cumulative && (s->flags & (SEG_RETRANS | SEG_FORGOT)) != 0)
			a->rtx_acked = true;
		if ((s->flags & SEG_FORGOT) != 0)
			return;
	}
	if (takes && sent_after(s->sent_at, end, a->rack_at, a->rack_end)) {
		a->rack_at = s->sent_at;
		a->rack_end = end;
	}
	if (unlikely((s->flags & SEG_RETRANS) != 0)) {
		/* the last of those that the timestamp may be of, whatever min_rtt is: it may be
		 * that of late acknowledgements */
		if (cumulative && !ecr_before(conn, a->in, ts_at(conn, s->sent_at)) &&
				(a->rtt_rtx == 0 || rtt < a->rtt_rtx))
			a->rtt_rtx = rtt;
	} else {
		a->original_acked = true;
		if (cumulative && a->rtt_first == 0)
			a->rtt_first = rtt;
		else if (!cumulative && a->rtt_sack == 0)
			a->rtt_sack = rtt;
		a->rtt_last = rtt;
		/* step 3 */
		if (unlikely(seq_lt(end, l->fack)))
			l->reordering = true;
	}
	if (seq_gt(end, l->fack))
		l->fack = end;
}

/* A piece acknowledged in part: its counts go with it, but it tells no time. */
static __rte_noinline void
part_acked(struct tcp_conn *conn, struct seg *s, uint32_t n, struct acked *a)
{
	struct loss *l = &conn->loss;

	if ((s->flags & SEG_SACKED) != 0) {
		l->sacked -= n;
		return;
	}
	a->delivered += n;
	if ((s->flags & SEG_LOST) != 0)
		l->lost -= n;
	if ((s->flags & SEG_RETRANS) != 0) {
		l->retrans -= n;
		a->rtx_acked = true;
	}
}

static void
cumulative(struct tcp_conn *conn, struct acked *a)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;
	uint32_t ack = a->in->ack;

	for (uint32_t i = 0; i < q->n_sent; i++) {
		struct seg *s = sndq_at(q, i);

		if (seq_gt(seg_end(s), ack)) {
			if (unlikely(seq_lt(s->seq, ack)))
				part_acked(conn, s, ack - s->seq, a);
			break;
		}
		if (unlikely((s->flags & SEG_SACKED) != 0)) {
			l->sacked -= seg_seqs(s);
			l->sacked_segs--;
		} else {
			piece_delivered(conn, s, true, a);
		}
	}
	conn->snd_una = ack;
	sndq_trim(conn, ack);
	l->backoff = 0;
	l->first_rto_at = 0;
	l->rto_from = a->now;
	l->hold = false;
	if (seq_lt(l->fack, ack))
		l->fack = ack;
	if (seq_lt(l->scan, ack))
		l->scan = ack;
}

/*
 * RFC 6298 3 (Karn): nothing that was sent twice is measured, nor what had to wait for such a
 * piece; unless a timestamp tells which transmission it was. Else a path with much loss would keep
 * the RTO that the timeouts have backed off.
 */
static inline void
measure(struct tcp_conn *conn, const struct acked *a)
{
	uint64_t rtt = a->rtx_acked ? 0 : a->rtt_first;

	if (rtt == 0)
		rtt = a->rtt_sack;
	if (rtt == 0 && (conn->flags & F_TS) != 0 && (a->in->opts.have & OPT_TS) != 0 &&
			a->in->opts.ts_ecr != 0)
		rtt = a->rtt_rtx;
	if (likely(rtt != 0))
		rtt_sample(conn, rtt);
}

/* Nothing is in doubt: every piece was sent once and has its acknowledgement in order. */
static inline bool
calm(const struct loss *l, const struct tcp_in *in)
{
	return l->state == REC_OPEN && in->opts.n_sack == 0 &&
			(l->sacked | l->lost | l->retrans) == 0 &&
			!(l->tlp_out | l->undo_ok | l->dsack_round) && l->dup_acks == 0 &&
			(in->flags & RTE_TCP_ECE_FLAG) == 0;
}

static inline void
scoreboard(struct tcp_conn *conn, struct acked *a)
{
	if ((conn->flags & F_SACK) == 0)
		dup_ack_process(conn, a);
	else if (a->in->opts.n_sack != 0)
		sack_process(conn, a);
}

/* Something is on the way or waits for a window. */
static bool
process(struct tcp_conn *conn, const struct tcp_in *in)
{
	struct loss *l = &conn->loss;
	uint32_t old_wnd = conn->snd_wnd;
	struct acked a = {
		.in = in,
		.now = conn_now(conn),
		.una = conn->snd_una,
		.pipe = conn_pipe(conn),
		.advance = in->ack - conn->snd_una,
		.data = in->len != 0 || (in->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)) != 0,
	};
	bool quiet = calm(l, in);

	window_update(conn, in);
	l->silent = 0; /* RFC 1122 4.2.2.17: a peer that answers is there */
	if (conn->snd_wnd != 0)
		l->probes = 0;
	if (a.advance != 0)
		cumulative(conn, &a);
	a.dup = is_dup(conn, &a, old_wnd);
	if (a.dup)
		COUNT(conn->engine, dup_acks_in);
	if (unlikely(!quiet || a.dup))
		scoreboard(conn, &a);
	measure(conn, &a);
	rack_update(conn, &a);
	recovery_ack(conn, &a);
	loss_arm(conn);
	return a.advance != 0;
}

bool
ack_process(struct tcp_conn *conn, const struct tcp_in *in)
{
	/* one who only receives: nothing is on the way that it could tell of */
	if (conn->sndq.n == 0 && !conn->loss.tlp_out && in->opts.n_sack == 0 &&
			(in->flags & RTE_TCP_ECE_FLAG) == 0) {
		window_update(conn, in);
		return false;
	}
	return process(conn, in);
}

/* --- what is sent --- */

static __rte_noinline void
sent_again(struct tcp_conn *conn, uint32_t i, struct seg *s)
{
	struct loss *l = &conn->loss;
	uint32_t seqs = seg_seqs(s), next;

	if (l->retrans == 0) {
		l->retrans_ts = ts_now(conn);
		l->rtx_ordered = true;
		l->rtx_high = s->seq;
	}
	if (seq_lt(s->seq, l->rtx_high))
		l->rtx_ordered = false;
	else
		l->rtx_high = s->seq + seqs;
	if ((s->flags & SEG_RETRANS) == 0) {
		s->flags |= SEG_RETRANS;
		l->retrans += seqs;
	}
	if ((s->flags & SEG_LOST) != 0) {
		s->flags &= (uint8_t)~SEG_LOST;
		l->lost -= seqs;
		if (l->lost != 0 && (next = loss_next(conn, 0)) > i && next < conn->sndq.n_sent)
			l->lost_from = sndq_at(&conn->sndq, next)->seq;
	}
	if (l->undo_ok && l->state >= REC_RECOVERY) {
		l->undo_retrans++;
		l->undo_sent = true;
	}
	if (i == 0) /* RFC 6675 5: the timer is for this one now */
		l->rto_from = conn_now(conn);
}

void
loss_sent(struct tcp_conn *conn, uint32_t i)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;
	struct seg *s = sndq_at(q, i);

	if (likely((s->flags & SEG_SENT) == 0)) {
		s->flags = (s->flags & (uint8_t)~SEG_OPEN) | SEG_SENT;
		if (q->n_sent == 0) {
			l->rto_from = conn_now(conn); /* RFC 6298 5.1 */
			l->fack = l->scan = s->seq;
		}
		q->n_sent = i + 1;
		if (unlikely(l->state == REC_DISORDER && conn_flight(conn) > conn->cc.cwnd))
			COUNT(conn->engine, limited_transmit);
	} else {
		sent_again(conn, i, s);
	}
	s->sent_at = conn_now(conn);
	if (s->times < UINT8_MAX)
		s->times++;
	if (unlikely(l->state >= REC_CWR))
		l->prr_out += seg_seqs(s);
}

uint32_t
loss_next(const struct tcp_conn *conn, uint32_t from)
{
	const struct sndq *q = &conn->sndq;
	const struct loss *l = &conn->loss;
	uint32_t i = from;

	/* RFC 5682: until the timeout has proved right only its first piece was sent again */
	if (l->lost == 0 || l->frto != 0)
		return q->n_sent;
	if (seq_gt(l->lost_from, conn->snd_una))
		i = RTE_MAX(i, sndq_find(q, l->lost_from));
	while (i < q->n_sent) {
		const struct seg *s = sndq_at(q, i);

		if ((s->flags & SEG_LOST) != 0)
			return i;
		i += (s->flags & SEG_SACKED) != 0 ? RTE_MAX(s->skip, 1u) : 1;
	}
	return q->n_sent;
}

uint32_t
loss_room(const struct tcp_conn *conn, bool new_data)
{
	uint32_t cwnd = conn->cc.cwnd, pipe = conn_pipe(conn);

	/* Limited transmit needs no bytes of its own: pipe is less by what was SACKed, or by a
	 * segment for each duplicate acknowledgement, while cwnd stays (RFC 3042, RFC 6675). */
	if (unlikely(conn->loss.frto != 0) && (!new_data || conn->loss.frto == 1))
		return 0;
	return cwnd > pipe ? cwnd - pipe : 0;
}
