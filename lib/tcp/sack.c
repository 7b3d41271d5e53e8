/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard: what the peer has received out of order, by its SACK blocks (RFC 2018), what it
 * has received twice (RFC 2883), and for a peer without SACK what its duplicate acknowledgements
 * tell. It concludes nothing about losses: rack.c and recovery.c do.
 *
 * A peer sends the same blocks again and again, the latest a little larger. Runs of SACKed pieces
 * are remembered in their first piece (seg.skip), so that a block costs a binary search and the
 * pieces that are new in it.
 */
#include "tcp/loss_priv.h"

/*
 * RFC 2883 4: the first block is a duplicate when it lies below the acknowledgement, or within the
 * second block. What lies far below was never on the way together with what is now.
 */
static bool
is_dsack(const struct tcp_conn *conn, const struct acked *a)
{
	const struct tcp_opts *o = &a->in->opts;
	const struct sack_block *b = o->sack;
	uint32_t una = conn->snd_una;

	if (!seq_lt(b->start, b->end) || seq_gt(b->end, conn->snd_nxt))
		return false;
	if (seq_leq(b->end, una))
		return una - b->start <= a->advance + RTE_MAX(conn->snd_wnd_max, UINT32_C(65535));
	return o->n_sack > 1 && seq_geq(b->start, b[1].start) && seq_leq(b->end, b[1].end) &&
			seq_lt(b[1].start, b[1].end) && seq_leq(b[1].end, conn->snd_nxt);
}

static void
dsack(struct tcp_conn *conn, struct acked *a)
{
	struct loss *l = &conn->loss;
	const struct sack_block *b = &a->in->opts.sack[0];
	uint32_t segs = (b->end - b->start + conn->snd_mss - 1) / conn->snd_mss;

	COUNT(conn->engine, dsacks_in);
	a->dsack = true;
	a->dsack_block = *b;
	/* each tells of a retransmission that was for nothing; a probe's is tlp_process()'s */
	if (l->tlp_out && l->tlp_retrans && is_probe_end(conn, b->end))
		return;
	if (l->undo_ok && seq_gt(b->end, l->undo_marker))
		l->undo_retrans -= RTE_MIN(l->undo_retrans, segs);
}

static void
mark(struct tcp_conn *conn, struct seg *s, struct acked *a)
{
	struct loss *l = &conn->loss;

	piece_delivered(conn, s, false, a);
	s->flags = (s->flags & (uint8_t)~SEG_LOST) | SEG_SACKED;
	l->sacked += seg_seqs(s);
	l->sacked_segs++;
}

static void
block(struct tcp_conn *conn, const struct sack_block *b, struct acked *a)
{
	struct sndq *q = &conn->sndq;
	uint32_t first = sndq_find(q, b->start), i;
	struct seg *s;

	/* a piece that the block has only the end of is not there */
	if (first < q->n_sent && seq_lt(sndq_at(q, first)->seq, b->start))
		first++;
	for (i = first; i < q->n_sent;) {
		s = sndq_at(q, i);
		if ((s->flags & SEG_SACKED) != 0) {
			i += RTE_MAX(s->skip, 1u);
			continue;
		}
		if (seq_gt(seg_end(s), b->end))
			break;
		mark(conn, s, a);
		i++;
	}
	if (i > first)
		sndq_at(q, first)->skip = i - first;
}

/* Blocks that say something of what is on the way, in order of sequence numbers. */
static unsigned int
sorted(const struct tcp_conn *conn, const struct acked *a, struct sack_block *out)
{
	const struct tcp_opts *o = &a->in->opts;
	unsigned int n = 0, k;

	for (unsigned int i = a->dsack ? 1 : 0; i < o->n_sack; i++) {
		struct sack_block b = o->sack[i];

		/* RFC 5961 5 in spirit: what was never sent cannot be there */
		if (!seq_lt(b.start, b.end) || seq_leq(b.end, conn->snd_una) ||
				seq_gt(b.end, conn->snd_nxt))
			continue;
		if (seq_lt(b.start, conn->snd_una))
			b.start = conn->snd_una;
		for (k = n++; k > 0 && seq_gt(out[k - 1].start, b.start); k--)
			out[k] = out[k - 1];
		out[k] = b;
	}
	return n;
}

void
sack_process(struct tcp_conn *conn, struct acked *a)
{
	struct sack_block b[SACK_MAX];
	unsigned int n;

	COUNT(conn->engine, sacks_in);
	if (is_dsack(conn, a))
		dsack(conn, a);
	/* ascending, as RFC 8985 6.2 step 3 wants it: else one ACK looks like reordering */
	n = sorted(conn, a, b);
	for (unsigned int i = 0; i < n; i++)
		block(conn, &b[i], a);
}

void
dup_ack_process(struct tcp_conn *conn, struct acked *a)
{
	struct loss *l = &conn->loss;
	uint32_t out = conn_flight(conn), head, n;

	if (a->advance != 0) {
		/* a partial acknowledgement: the hole, and of what was behind it a part */
		n = a->advance - RTE_MIN(a->advance, (uint32_t)conn->snd_mss);
		n = RTE_MIN(n, l->sacked);
		a->delivered -= n;
		l->sacked -= n;
		if (l->state < REC_RECOVERY || l->sacked > out)
			l->sacked = 0;
		l->dup_acks = 0;
	} else if (a->dup && l->state != REC_LOSS) {
		if (l->dup_acks < UINT8_MAX)
			l->dup_acks++;
		head = seg_seqs(sndq_at(&conn->sndq, 0));
		n = out - RTE_MIN(out, head + l->sacked);
		n = RTE_MIN(n, (uint32_t)conn->snd_mss);
		l->sacked += n;
		a->delivered += n;
	}
	l->sacked_segs = l->dup_acks;
}

__rte_noinline void
sack_forget(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;

	for (uint32_t i = 0; i < q->n_sent; i++) {
		struct seg *s = sndq_at(q, i);

		s->skip = 0;
		if ((s->flags & SEG_SACKED) == 0)
			continue;
		s->flags = (s->flags & (uint8_t)~SEG_SACKED) | SEG_FORGOT;
		if ((s->flags & SEG_RETRANS) != 0)
			l->retrans += seg_seqs(s);
	}
	l->sacked = 0;
	l->sacked_segs = 0;
	l->dup_acks = 0;
	/* retransmissions that are missing again may be anywhere */
	l->rtx_ordered = false;
	l->rtx_high = conn->snd_nxt;
	rack_rescan(conn);
}
