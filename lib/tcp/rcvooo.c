/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Out of order data: blocks in order of sequence numbers, between any two of which at least one
 * byte is missing; and what SACK (RFC 2018) and D-SACK (RFC 2883) tell of them.
 *
 * A byte that came first stays: a piece loses at its ends what the blocks have. A block that lies
 * inside of a piece is copied over the piece's own bytes and goes, so that a piece stays whole.
 */
#include <stdlib.h>

#include "tcp/rcv.h"

#define OOO_FIRST 8u
#define OOO_MAX 1024u /* beyond, a segment that would make one more is dropped */

/* Where a piece belongs: a new block at index at, or the ends of its neighbours. */
struct place {
	unsigned int at;
	bool left, right; /* it touches the block before at; the block at it */
};

/* The first block that ends at seq or later. */
static unsigned int
find(const struct rcvq *q, uint32_t seq)
{
	unsigned int lo = 0, hi = q->n_ooo;

	if (hi != 0 && seq_lt(q->ooo[hi - 1].end, seq))
		return hi;
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (seq_lt(q->ooo[mid].end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Take the entries out; their buffers are freed by the caller or belong to others now. */
static void
remove_blocks(struct rcvq *q, unsigned int at, unsigned int n)
{
	memmove(&q->ooo[at], &q->ooo[at + n], (q->n_ooo - at - n) * sizeof(q->ooo[0]));
	q->n_ooo -= (uint16_t)n;
	if (q->n_ooo == 0) {
		free(q->ooo);
		q->ooo = NULL;
		q->cap_ooo = 0;
	}
}

static void
drop_block(struct rcvq *q, const struct ooo *b)
{
	q->bufs -= chain_count(b->head);
	q->ooo_bytes -= b->end - b->start;
	chain_free(b->head);
}

static bool
grow(struct rcvq *q)
{
	unsigned int cap = q->cap_ooo == 0 ? OOO_FIRST : 2u * q->cap_ooo;
	struct ooo *blocks;

	if (q->n_ooo < q->cap_ooo)
		return true;
	if (cap > OOO_MAX)
		return false;
	blocks = realloc(q->ooo, cap * sizeof(*blocks));
	if (blocks == NULL)
		return false;
	q->ooo = blocks;
	q->cap_ooo = (uint16_t)cap;
	return true;
}

/* RFC 2883 4 (1): each is told of once; duplicates that hang together before that count as one. */
void
dsack_note(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
	struct rcvq *q = &conn->rcvq;

	if (!(conn->flags & F_SACK))
		return;
	if (q->has_dsack && seq_leq(start, q->dsack.end) && seq_geq(end, q->dsack.start)) {
		if (seq_lt(start, q->dsack.start))
			q->dsack.start = start;
		q->dsack.end = seq_max(q->dsack.end, end);
		return;
	}
	q->has_dsack = true;
	q->dsack = (struct sack_block){ start, end };
}

static void
note_dup(struct tcp_conn *conn, struct piece *p, uint32_t start, uint32_t end)
{
	if (!p->dup && seq_lt(start, end))
		dsack_note(conn, start, end);
	p->dup |= seq_lt(start, end);
}

/* RFC 2018 4: the block of the latest segment is the first to be told of. */
static void
note_recent(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
	struct rcvq *q = &conn->rcvq;
	uint32_t kept[SACK_MAX];
	uint8_t n = 0;

	kept[n++] = start;
	for (uint8_t i = 0; i < q->n_recent && n < SACK_MAX; i++) {
		uint32_t r = q->recent[i];

		if (seq_gt(r, conn->rcv_nxt) && (seq_lt(r, start) || seq_gt(r, end)))
			kept[n++] = r;
	}
	memcpy(q->recent, kept, sizeof(kept));
	q->n_recent = n;
}

void
ooo_note_fin(struct tcp_conn *conn)
{
	uint32_t seq = conn->rcvq.fin_seq;
	unsigned int i = find(&conn->rcvq, seq);

	/* data that end there are one block with the FIN */
	note_recent(conn, i < conn->rcvq.n_ooo ? conn->rcvq.ooo[i].start : seq, seq);
}

/*
 * Find the place of a piece and take off what the blocks have of it.
 * @return false: that was all; place.at is the block that has it
 */
static bool
fit(struct tcp_conn *conn, struct piece *p, struct place *place)
{
	struct rcvq *q = &conn->rcvq;
	unsigned int i = find(q, p->start), first;

	*place = (struct place){ .at = i };
	if (i < q->n_ooo && seq_leq(q->ooo[i].start, p->start)) {
		const struct ooo *b = &q->ooo[i];

		if (seq_geq(b->end, p->end)) {
			note_dup(conn, p, p->start, p->end);
			return false;
		}
		note_dup(conn, p, p->start, b->end);
		p->start = b->end;
		place->left = true;
		i++;
	}
	for (first = i; i < q->n_ooo && seq_lt(q->ooo[i].end, p->end); i++) {
		const struct ooo *b = &q->ooo[i];

		note_dup(conn, p, b->start, b->end);
		/* a piece that cannot be written to ends here: the rest is sent again */
		if (!chain_overwrite(p->m, b->start - p->seq, b->head, b->end - b->start))
			break;
		drop_block(q, b);
	}
	if (i != first)
		remove_blocks(q, first, i - first);
	place->at = first;
	if (first < q->n_ooo && seq_leq(q->ooo[first].start, p->end)) {
		note_dup(conn, p, q->ooo[first].start, p->end);
		p->end = q->ooo[first].start;
		place->right = true;
	}
	return true;
}

void
ooo_merge(struct tcp_conn *conn, struct piece *p)
{
	struct place place;

	fit(conn, p, &place);
}

void
ooo_advance(struct tcp_conn *conn)
{
	struct rcvq *q = &conn->rcvq;
	struct ooo b = q->ooo[0];
	uint32_t len = b.end - b.start;

	if (b.start != conn->rcv_nxt)
		return;
	q->bufs -= chain_join(&q->head, &q->tail, b.head, b.tail);
	q->ooo_bytes -= len;
	q->bytes += len;
	conn->rcv_nxt += len;
	conn->bytes_received += len;
	COUNT_ADD(conn->engine, bytes_in, len);
	remove_blocks(q, 0, 1);
}

void
ooo_prune(struct tcp_conn *conn)
{
	struct rcvq *q = &conn->rcvq;
	const struct ooo *b = &q->ooo[q->n_ooo - 1];

	COUNT_ADD(conn->engine, ooo_pruned, chain_count(b->head));
	drop_block(q, b);
	remove_blocks(q, q->n_ooo - 1u, 1);
}

void
ooo_drop_beyond(struct tcp_conn *conn, uint32_t seq)
{
	struct rcvq *q = &conn->rcvq;

	while (q->n_ooo != 0 && seq_geq(q->ooo[q->n_ooo - 1].start, seq))
		ooo_prune(conn);
	if (q->n_ooo != 0 && seq_gt(q->ooo[q->n_ooo - 1].end, seq)) {
		struct ooo *b = &q->ooo[q->n_ooo - 1];

		q->bufs -= chain_count(b->head);
		q->ooo_bytes -= b->end - seq;
		b->end = seq;
		b->head = chain_cut(b->head, 0, seq - b->start, &b->tail);
		q->bufs += chain_count(b->head);
	}
}

static void
insert(struct rcvq *q, const struct place *place, const struct piece *p, struct rte_mbuf *m,
		struct rte_mbuf *tail)
{
	struct ooo *b = &q->ooo[place->at];

	memmove(b + 1, b, (q->n_ooo - place->at) * sizeof(*b));
	q->n_ooo++;
	*b = (struct ooo){ .start = p->start, .end = p->end };
	q->bufs -= chain_join(&b->head, &b->tail, m, tail);
}

/* Put a piece that is all new at its place, where it fills a gap in whole or in part. */
static void
store(struct rcvq *q, struct place *place, const struct piece *p, struct rte_mbuf *m,
		struct rte_mbuf *tail)
{
	struct ooo *left, *right;

	if (!place->left) {
		insert(q, place, p, m, tail);
	} else {
		left = &q->ooo[--place->at];
		q->bufs -= chain_join(&left->head, &left->tail, m, tail);
		left->end = p->end;
	}
	if (!place->right)
		return;
	left = &q->ooo[place->at];
	right = left + 1;
	q->bufs -= chain_join(&left->head, &left->tail, right->head, right->tail);
	left->end = right->end;
	remove_blocks(q, place->at + 1, 1);
}

/*
 * Dropping the segment that arrives is better than dropping what a SACK block has told of; and
 * ooo_prune() makes room for in-order data.
 */
static bool
has_room(const struct tcp_conn *conn, const struct piece *p)
{
	const struct rcvq *q = &conn->rcvq;
	unsigned int i;

	if (likely(rcv_has_room(conn, chain_count(p->m))))
		return true;
	i = find(q, p->start);
	return i < q->n_ooo && seq_leq(q->ooo[i].start, p->start) &&
			chain_fits(q->ooo[i].tail, p->m);
}

static unsigned int
drop_piece(struct tcp_conn *conn, struct piece *p)
{
	COUNT(conn->engine, ooo_pruned);
	chain_free(p->m);
	return RCVQ_DROPPED;
}

unsigned int
ooo_put(struct tcp_conn *conn, struct piece *p)
{
	struct rcvq *q = &conn->rcvq;
	struct place place;
	struct rte_mbuf *m, *tail;
	const struct ooo *b;

	if (!has_room(conn, p))
		return drop_piece(conn, p);
	if (!fit(conn, p, &place)) {
		b = &q->ooo[place.at];
		note_recent(conn, b->start, b->end);
		chain_free(p->m);
		return RCVQ_OLD;
	}
	if (!place.left && !grow(q))
		return drop_piece(conn, p);
	m = chain_cut(p->m, p->start - p->seq, p->end - p->start, &tail);
	q->bufs += chain_count(m);
	q->ooo_bytes += p->end - p->start;
	store(q, &place, p, m, tail);
	b = &q->ooo[place.at];
	note_recent(conn, b->start, b->end);
	COUNT(conn->engine, ooo_in);
	return RCVQ_OOO;
}

/* The block with that number in it; data that end at the FIN have it with them. */
static bool
block_with(const struct tcp_conn *conn, uint32_t seq, struct sack_block *block)
{
	const struct rcvq *q = &conn->rcvq;
	bool fin = q->fin && seq_gt(q->fin_seq, conn->rcv_nxt);
	unsigned int i = find(q, fin && seq == q->fin_seq ? seq : seq + 1);

	if (i < q->n_ooo && seq_leq(q->ooo[i].start, seq)) {
		*block = (struct sack_block){ q->ooo[i].start, q->ooo[i].end };
		block->end += fin && block->end == q->fin_seq;
		return true;
	}
	if (fin && seq == q->fin_seq) {
		*block = (struct sack_block){ seq, seq + 1 };
		return true;
	}
	return false;
}

static unsigned int
add_block(const struct tcp_conn *conn, uint32_t seq, struct sack_block *blocks, unsigned int first,
		unsigned int n)
{
	struct sack_block b;

	if (n == SACK_MAX || !block_with(conn, seq, &b))
		return n;
	for (unsigned int i = first; i < n; i++) {
		if (blocks[i].start == b.start)
			return n;
	}
	blocks[n] = b;
	return n + 1;
}

unsigned int
rcvq_sack(struct tcp_conn *conn, struct sack_block blocks[SACK_MAX])
{
	struct rcvq *q = &conn->rcvq;
	unsigned int n = 0, first = 0;

	if (!(conn->flags & F_SACK))
		return 0;
	if (unlikely(q->has_dsack)) {
		q->has_dsack = false;
		blocks[n++] = q->dsack;
		first = 1;
		COUNT(conn->engine, dsacks_out);
		/* RFC 2883 4 (4): the block that the duplicate is part of comes second */
		if (seq_gt(q->dsack.start, conn->rcv_nxt))
			n = add_block(conn, q->dsack.start, blocks, first, n);
	}
	for (unsigned int i = 0; i < q->n_recent; i++)
		n = add_block(conn, q->recent[i], blocks, first, n);
	for (unsigned int i = q->n_ooo; i != 0 && n < SACK_MAX; i--)
		n = add_block(conn, q->ooo[i - 1].start, blocks, first, n);
	return n;
}
