/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive queue: where a segment's data go, and the window that we offer. What is kept out of
 * order is in rcvooo.c, reading in rcvread.c.
 *
 * The window counts bytes of data: out of order ones lie between rcv_nxt and the right edge, so
 * room for them is offered already and is not taken off a second time. What is offered once is
 * always taken, since buffers are bounded by bytes (rcv.h).
 */
#include <stdlib.h>

#include "tcp/rcv.h"

static __rte_always_inline void
advance(struct tcp_conn *conn, uint32_t len)
{
	conn->rcv_nxt += len;
	conn->rcvq.bytes += len;
	conn->bytes_received += len;
	COUNT_ADD(conn->engine, bytes_in, len);
}

static __rte_always_inline void
enqueue(struct rcvq *q, struct rte_mbuf *m, struct rte_mbuf *tail, unsigned int n)
{
	q->bufs += n;
	q->bufs -= chain_join(&q->head, &q->tail, m, tail);
}

static unsigned int
put_in_order(struct tcp_conn *conn, struct piece *p)
{
	struct rcvq *q = &conn->rcvq;
	unsigned int n = chain_count(p->m), bits = RCVQ_IN_ORDER;
	struct rte_mbuf *m, *tail;

	while (unlikely(!rcv_has_room(conn, n)) && q->n_ooo != 0)
		ooo_prune(conn);
	if (unlikely(!rcv_has_room(conn, n)) && (q->tail == NULL || !chain_fits(q->tail, p->m))) {
		chain_free(p->m);
		return RCVQ_DROPPED;
	}
	if (q->n_ooo != 0) {
		ooo_merge(conn, p);
		bits |= RCVQ_FILLED;
	}
	m = chain_cut(p->m, p->start - p->seq, p->end - p->start, &tail);
	enqueue(q, m, tail, chain_count(m));
	advance(conn, p->end - p->start);
	if (q->n_ooo != 0)
		ooo_advance(conn);
	return bits;
}

/*
 * What is beyond the FIN was never sent; what is beyond the window was not asked for. A FIN at the
 * edge takes no room, and some peers do not wait for a window with it.
 */
static bool
clip(const struct tcp_conn *conn, uint32_t start, uint32_t *end, bool *fin)
{
	const struct rcvq *q = &conn->rcvq;
	uint32_t edge = seq_max(conn->rcv_adv, conn->rcv_nxt);
	bool cut = false;

	if (q->fin) {
		*fin = *fin && *end == q->fin_seq;
		if (seq_gt(*end, q->fin_seq))
			*end = q->fin_seq;
	}
	if (seq_gt(*end, edge)) {
		*end = edge;
		*fin = false;
		cut = true;
	}
	if (seq_lt(*end, start))
		*end = start;
	return cut;
}

/* The stream ends at @p seq. @return false: known, or more than that has come in order already */
static bool
learn_fin(struct tcp_conn *conn, uint32_t seq)
{
	struct rcvq *q = &conn->rcvq;

	if (q->fin || seq_lt(seq, conn->rcv_nxt))
		return false;
	q->fin = true;
	q->fin_seq = seq;
	if (q->n_ooo != 0)
		ooo_drop_beyond(conn, seq);
	return true;
}

/* rcv_nxt goes over the FIN if it has come to it. */
static unsigned int
pass_fin(struct tcp_conn *conn)
{
	struct rcvq *q = &conn->rcvq;

	if (!q->fin || conn->rcv_nxt != q->fin_seq)
		return 0;
	conn->rcv_nxt++;
	conn->flags |= F_FIN_IN;
	return RCVQ_FIN | RCVQ_IN_ORDER;
}

/* No data are new. */
static unsigned int
put_no_data(struct tcp_conn *conn, struct piece *p, bool fin, bool new_fin, bool cut)
{
	chain_free(p->m);
	if (cut)
		return RCVQ_DROPPED;
	if (!fin || seq_leq(p->end, conn->rcv_nxt))
		return new_fin ? 0 : RCVQ_OLD;
	ooo_note_fin(conn);
	if (new_fin)
		return RCVQ_OOO;
	if (!p->dup)
		dsack_note(conn, p->end, p->end + 1);
	return RCVQ_OLD;
}

static __rte_noinline unsigned int
put_slow(struct tcp_conn *conn, struct rte_mbuf *m, uint32_t seq, uint32_t len, bool fin)
{
	struct piece p = { .m = m, .seq = seq, .start = seq, .end = seq + len };
	bool cut, new_fin;
	unsigned int bits;

	if (len == 0 && !fin) {
		chain_free(m);
		return 0;
	}
	cut = clip(conn, seq, &p.end, &fin);
	new_fin = fin && learn_fin(conn, p.end);
	if (fin && !new_fin && !(conn->rcvq.fin && conn->rcvq.fin_seq == p.end))
		fin = false;
	if (seq_lt(seq, conn->rcv_nxt)) {
		uint32_t old = p.end + fin;

		if (seq_gt(old, conn->rcv_nxt))
			old = conn->rcv_nxt;
		if (old != seq) {
			dsack_note(conn, seq, old);
			p.dup = true;
		}
		p.start = conn->rcv_nxt;
	}
	if (seq_geq(p.start, p.end))
		bits = put_no_data(conn, &p, fin, new_fin, cut);
	else if (p.start == conn->rcv_nxt)
		bits = put_in_order(conn, &p);
	else
		bits = ooo_put(conn, &p);
	bits |= pass_fin(conn);
	if (unlikely(conn->flags & F_URG_WAIT) && (bits & RCVQ_IN_ORDER))
		urgent_look(conn);
	return bits;
}

/*
 * A chain that is new and in order: what the device put together, or cut to its buffers. False:
 * there is padding behind the data, or no room.
 */
static __rte_noinline bool
put_chain(struct tcp_conn *conn, struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *tail, *s;
	unsigned int n = 0;
	uint32_t bytes = 0;

	for (s = m; s != NULL; s = s->next) {
		bytes += s->data_len;
		n++;
	}
	if (bytes != len || !rcv_has_room(conn, n))
		return false;
	n = chain_pack(&m, &tail);
	enqueue(&conn->rcvq, m, tail, n);
	advance(conn, len);
	return true;
}

unsigned int
rcvq_put(struct tcp_conn *conn, struct rte_mbuf *m, uint32_t seq, uint32_t len, bool fin)
{
	struct rcvq *q = &conn->rcvq;

	if (likely(seq == conn->rcv_nxt && m != NULL && len != 0 && !fin && !q->fin &&
			    q->n_ooo == 0 && seq_leq(seq + len, conn->rcv_adv) &&
			    !(conn->flags & F_URG_WAIT))) {
		if (likely(m->next == NULL && m->data_len == len && rcv_has_room(conn, 1))) {
			enqueue(q, m, m, 1);
			advance(conn, len);
			return RCVQ_IN_ORDER;
		}
		if (m->next != NULL && put_chain(conn, m, len))
			return RCVQ_IN_ORDER;
	}
	return put_slow(conn, m, seq, len, fin);
}

static uint32_t
offered(const struct tcp_conn *conn)
{
	return seq_gt(conn->rcv_adv, conn->rcv_nxt) ? conn->rcv_adv - conn->rcv_nxt : 0;
}

uint32_t
rcvq_window(const struct tcp_conn *conn)
{
	const struct rcvq *q = &conn->rcvq;
	uint32_t used = q->bytes + q->lent, size = conn->opt.rcvbuf;
	uint32_t room = size > used ? size - used : 0, now = offered(conn);
	uint32_t max = (uint32_t)UINT16_MAX << conn->rcv_wscale;

	if (room > max)
		room = max;
	if (room <= now)
		return now;
	if (room - now >= RTE_MIN(conn->rcv_mss, size / 2))
		return room;
	/* What the scale rounds off must not move the edge back while there is room for it. */
	if (now >> conn->rcv_wscale != 0)
		now = RTE_MIN(room, RTE_ALIGN_CEIL(now, UINT32_C(1) << conn->rcv_wscale));
	return now;
}

bool
rcvq_update_due(const struct tcp_conn *conn)
{
	uint32_t now = offered(conn), next, worth = conn->rcv_mss;
	uint32_t max = (uint32_t)UINT16_MAX << conn->rcv_wscale;

	if (!conn_synchronized(conn) || (conn->flags & F_FIN_IN))
		return false;
	/* While half is open the peer does not wait, and the next acknowledgement will tell. */
	if (now >= RTE_MIN(conn->opt.rcvbuf, max) / 2)
		return false;
	next = rcvq_window(conn);
	/* The peer knows whole units of the scale: less than one is a closed window to it. */
	if (now >> conn->rcv_wscale != 0)
		worth *= 2;
	return next > now && next - now >= RTE_MIN(worth, conn->opt.rcvbuf / 2);
}

void
rcvq_free(struct tcp_conn *conn)
{
	struct rcvq *q = &conn->rcvq;

	chain_free(q->head);
	for (unsigned int i = 0; i < q->n_ooo; i++)
		chain_free(q->ooo[i].head);
	free(q->ooo);
	memset(q, 0, sizeof(*q));
}
