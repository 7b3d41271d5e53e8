/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RACK-TLP (RFC 8985): a piece is lost when one that was sent after it was delivered and a
 * reordering window has passed since; a probe makes the peer speak when the end of what was sent
 * may be lost. What follows from a loss is recovery.c's, the timer is rto.c's.
 *
 * The walks for lost pieces are short. Pieces sent once have the times of their sequence numbers,
 * so that those below loss.scan are decided on and the first sent too late ends the walk; pieces
 * sent again have so too, unless one is sent a third time; runs of SACKed pieces are one step.
 */
#include "tcp/loss_priv.h"

#define REO_PERSIST 16u	     /* RFC 8985 6.2 step 4 */
#define TLP_SLACK (2 * MSEC) /* added to two round trips: a peer's scheduling */
#define TLP_NO_RTT (1 * SEC) /* RFC 8985 7.2 */

static inline uint32_t
step_over(const struct seg *s)
{
	return (s->flags & SEG_SACKED) != 0 ? RTE_MAX(s->skip, 1u) : 1;
}

void
rack_rescan(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	l->scan = conn->snd_una;
	l->lost_from = conn->snd_una;
}

void
piece_lost(struct tcp_conn *conn, struct seg *s)
{
	struct loss *l = &conn->loss;

	s->flags |= SEG_LOST;
	if (l->lost == 0 || seq_lt(s->seq, l->lost_from))
		l->lost_from = s->seq;
	l->lost += seg_seqs(s);
}

/* Step 4, the part that an acknowledgement changes. */
static void
adapt_window(struct tcp_conn *conn, const struct acked *a)
{
	struct loss *l = &conn->loss;

	if (l->dsack_round && seq_geq(conn->snd_una, l->reo_round))
		l->dsack_round = false;
	if (!a->dsack || l->dsack_round)
		return;
	l->dsack_round = true;
	l->reo_round = conn->snd_nxt;
	l->reo_persist = REO_PERSIST;
	if (l->reo_mult < UINT8_MAX)
		l->reo_mult++;
}

void
rack_recovered(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	if (l->reo_persist > 0)
		l->reo_persist--;
	if (l->reo_persist == 0)
		l->reo_mult = 1;
}

void
rack_update(struct tcp_conn *conn, const struct acked *a)
{
	struct loss *l = &conn->loss;

	if (a->rtt_last != 0 && a->rtt_last < l->min_rtt) /* step 1 */
		l->min_rtt = a->rtt_last;
	if (a->rack_at != 0) {
		l->rack_rtt = RTE_MAX(a->now - a->rack_at, UINT64_C(1));
		if (sent_after(a->rack_at, a->rack_end, l->rack_at, l->rack_end)) {
			l->rack_at = a->rack_at;
			l->rack_end = a->rack_end;
		}
	}
	if (unlikely(a->dsack || l->dsack_round))
		adapt_window(conn, a);
}

/* Step 4: RACK.reo_wnd. */
static uint64_t
reordering_window(const struct tcp_conn *conn)
{
	const struct loss *l = &conn->loss;
	uint64_t wnd;

	if (!l->reordering && (l->state >= REC_RECOVERY || l->sacked_segs >= DUPTHRESH))
		return 0;
	wnd = l->reo_mult * l->min_rtt / 4;
	return RTE_MIN(wnd, l->srtt);
}

struct walk {
	uint64_t now, wnd;
	uint64_t until; /* when the last of those that wait is lost */
	bool marked;
};

/* False: it was sent too late for a verdict, and so were those sent after it. */
static bool
judge(struct tcp_conn *conn, struct seg *s, struct walk *w, bool *waits)
{
	const struct loss *l = &conn->loss;
	uint64_t at;

	*waits = false;
	if (!sent_after(l->rack_at, l->rack_end, s->sent_at, seg_end(s)))
		return false;
	at = s->sent_at + l->rack_rtt + w->wnd;
	if (at <= w->now) {
		piece_lost(conn, s);
		w->marked = true;
	} else {
		*waits = true;
		w->until = RTE_MAX(w->until, at);
	}
	return true;
}

static void
walk_originals(struct tcp_conn *conn, struct walk *w)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;
	uint32_t i = seq_gt(l->scan, conn->snd_una) ? sndq_find(q, l->scan) : 0, scan = 0;
	bool waits, stays = false;

	for (; i < q->n_sent; i += step_over(sndq_at(q, i))) {
		struct seg *s = sndq_at(q, i);

		if ((s->flags & (SEG_SACKED | SEG_LOST | SEG_RETRANS)) != 0)
			continue;
		if (!judge(conn, s, w, &waits))
			break;
		if (waits && !stays) {
			stays = true;
			scan = s->seq;
		}
	}
	if (!stays)
		scan = i < q->n_sent ? sndq_at(q, i)->seq : conn->snd_nxt;
	l->scan = scan;
}

static void
walk_retransmitted(struct tcp_conn *conn, struct walk *w)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;
	bool waits;

	for (uint32_t i = 0; i < q->n_sent; i += step_over(sndq_at(q, i))) {
		struct seg *s = sndq_at(q, i);

		if (seq_geq(s->seq, l->rtx_high))
			break;
		if ((s->flags & (SEG_SACKED | SEG_LOST | SEG_RETRANS)) != SEG_RETRANS)
			continue;
		if (!judge(conn, s, w, &waits) && l->rtx_ordered)
			break;
	}
}

bool
rack_detect(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;
	struct walk w = { .now = conn_now(conn), .wnd = reordering_window(conn) };

	l->reo_at = 0;
	if (l->rack_at == 0)
		return false;
	walk_originals(conn, &w);
	if (l->retrans != 0)
		walk_retransmitted(conn, &w);
	l->reo_at = w.until;
	return w.marked;
}

void
rack_rto(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;
	bool all = (conn->flags & F_SACK) == 0 || l->rack_rtt == 0;
	uint64_t wait = l->rack_rtt + reordering_window(conn);

	l->reo_at = 0;
	for (uint32_t i = 0; i < q->n_sent; i += step_over(sndq_at(q, i))) {
		struct seg *s = sndq_at(q, i);

		if ((s->flags & (SEG_SACKED | SEG_LOST)) != 0)
			continue;
		if (all || i == 0 || s->sent_at + wait <= conn_now(conn))
			piece_lost(conn, s);
	}
	l->scan = conn->snd_una;
}

/* --- tail loss probe --- */

uint64_t
tlp_timeout(const struct tcp_conn *conn)
{
	const struct loss *l = &conn->loss;

	/* RFC 8985 7.2: what else is lost has other means of repair; 7.3: a probe at a time, and
	 * none without a round trip measured since the last */
	if ((conn->flags & F_SACK) == 0 || l->state != REC_OPEN || l->sacked != 0 || l->tlp_out ||
			!l->tlp_ready || l->backoff != 0)
		return 0;
	if (l->srtt == 0)
		return TLP_NO_RTT;
	/* a segment alone is acknowledged late */
	return 2 * l->srtt + (conn->sndq.n_sent == 1 ? DELACK_MAX : TLP_SLACK);
}

void
tlp_send(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	if (conn->sndq.n_sent == 0)
		return;
	l->tlp_retrans = false;
	if (!output_new_piece(conn)) {
		l->tlp_retrans = true;
		if (output_piece(conn, conn->sndq.n_sent - 1) != 0) {
			l->tlp_ready = false; /* the RTO has to do */
			return;
		}
	}
	COUNT(conn->engine, tlp_probes);
	l->tlp_out = true;
	l->tlp_ready = false;
	l->tlp_end = conn->snd_nxt;
	l->rto_from = conn_now(conn);
}

bool
tlp_process(struct tcp_conn *conn, const struct acked *a)
{
	struct loss *l = &conn->loss;
	uint32_t ack = conn->snd_una;

	if (!l->tlp_out || seq_lt(ack, l->tlp_end))
		return false;
	if (!l->tlp_retrans || (a->dsack && is_probe_end(conn, a->dsack_block.end))) {
		l->tlp_out = false; /* new data, or the peer has the original too */
		return false;
	}
	if (seq_gt(ack, l->tlp_end)) {
		l->tlp_out = false;
		return true;
	}
	/* both have arrived, and the peer has no D-SACK */
	if (a->advance == 0 && !a->data && a->in->opts.n_sack == 0)
		l->tlp_out = false;
	return false;
}
