/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making segments: headers, options, the buffers of data. What is sent when is output.c's.
 *
 * A piece of the send queue is sent from the buffer it lies in: the header goes before the data,
 * and the buffer gets a second reference, so that nothing is copied and nothing allocated. While
 * the device still holds that reference the buffer must not be touched, so a piece that is sent
 * again too soon is copied.
 */
#include "tcp_priv.h"

uint32_t
ts_now(const struct tcp_conn *conn)
{
	/* RFC 7323 5.4: between 1 ms and 1 s; never 0, which some take for none */
	return (uint32_t)(conn_now(conn) / MSEC) + conn->ts_off;
}

/* The window field, and the promise it makes. */
static uint16_t
window_field(struct tcp_conn *conn, bool syn)
{
	uint8_t shift = syn ? 0 : conn->rcv_wscale;
	/* rounded down: rounding up would move the edge a little with every segment, without end */
	uint32_t field = RTE_MIN(rcvq_window(conn) >> shift, (uint32_t)UINT16_MAX);

	if (seq_gt(conn->rcv_nxt + (field << shift), conn->rcv_adv))
		conn->rcv_adv = conn->rcv_nxt + (field << shift);
	if (field == 0 && (conn->flags & F_NO_SPACE_OUT) == 0)
		COUNT(conn->engine, zero_windows_out);
	if (field == 0)
		conn->flags |= F_NO_SPACE_OUT;
	else
		conn->flags &= ~(uint32_t)F_NO_SPACE_OUT;
	return (uint16_t)field;
}

static void
options_of(struct tcp_conn *conn, bool sack, struct tcp_opts *o)
{
	o->have = 0;
	o->n_sack = 0;
	if ((conn->flags & F_TS) != 0) {
		o->have = OPT_TS;
		o->ts_val = ts_now(conn);
		o->ts_ecr = conn->ts_recent;
	}
	if (sack && (conn->flags & F_SACK) != 0 &&
			(conn->rcvq.n_ooo != 0 || conn->rcvq.has_dsack)) {
		o->n_sack = (uint8_t)rcvq_sack(conn, o->sack);
		if (o->n_sack != 0) {
			o->have |= OPT_SACK;
			COUNT_ADD(conn->engine, dsacks_out, conn->rcvq.has_dsack);
			conn->rcvq.has_dsack = false;
		}
	}
}

static inline void
fixed(const struct tcp_conn *conn, struct rte_tcp_hdr *th, uint32_t seq, uint8_t flags,
		unsigned int hdr_len)
{
	th->src_port = conn->key.lport;
	th->dst_port = conn->key.rport;
	th->sent_seq = rte_cpu_to_be_32(seq);
	th->data_off = (uint8_t)(hdr_len / 4 << 4);
	th->tcp_flags = flags;
}

/* The fixed header; everything that has an ACK tells the window and settles what was owed. */
static void
header(struct tcp_conn *conn, struct rte_tcp_hdr *th, uint32_t seq, uint8_t flags,
		unsigned int hdr_len)
{
	fixed(conn, th, seq, flags, hdr_len);
	th->rx_win = rte_cpu_to_be_16(window_field(conn, (flags & RTE_TCP_SYN_FLAG) != 0));
	th->cksum = 0;
	th->tcp_urp = 0;
	th->recv_ack = 0;
	if ((flags & RTE_TCP_ACK_FLAG) != 0) {
		th->recv_ack = rte_cpu_to_be_32(conn->rcv_nxt);
		conn->rcv_acked = conn->rcv_nxt;
		conn->ack_segs = 0;
		conn->flags &= ~(uint32_t)(F_ACK_NOW | F_ACK_PENDING);
		timer_stop(conn, TIMER_ACK);
	}
}

static void
hand_out(struct tcp_conn *conn, struct rte_mbuf **pkts, uint16_t n, uint8_t ecn)
{
	struct tcp_engine *engine = conn->engine;
	struct tcp_out out = { .key = &conn->key, .conn = conn, .ecn = ecn, .df = conn->opt.pmtud };

	engine->config.ops.output(engine->config.ctx, &out, pkts, n);
}

static void
train_leaves(struct tcp_conn *conn)
{
	struct train *t = &conn->engine->train;

	if (t->n != 0)
		hand_out(conn, t->pkts, t->n, t->ecn);
	t->n = 0;
}

void
segments_hold(struct tcp_conn *conn)
{
	conn->engine->train.open = true;
}

void
segments_flush(struct tcp_conn *conn)
{
	train_leaves(conn);
	conn->engine->train.open = false;
}

static void
emit(struct tcp_conn *conn, struct rte_mbuf *m, uint8_t ecn)
{
	struct train *t = &conn->engine->train;

	conn->segs_out++;
	if (!t->open) {
		hand_out(conn, &m, 1, ecn);
		return;
	}
	if (t->n == TRAIN_MAX || (t->n != 0 && t->ecn != ecn))
		train_leaves(conn);
	t->ecn = ecn;
	t->pkts[t->n++] = m;
}

int
segment_bare(struct tcp_conn *conn, uint32_t seq, uint8_t flags, const struct tcp_opts *o)
{
	unsigned int hdr_len = TCP_HDR_MIN + opts_len(o);
	struct rte_mbuf *m = buffer_bare(conn->engine);
	struct rte_tcp_hdr *th;

	if (m == NULL)
		return -ENOBUFS;
	th = (struct rte_tcp_hdr *)(void *)rte_pktmbuf_append(m, (uint16_t)hdr_len);
	opts_write((uint8_t *)(th + 1), o);
	header(conn, th, seq, flags, hdr_len);
	COUNT(conn->engine, segs_out);
	emit(conn, m, 0);
	return 0;
}

int
segment_ack(struct tcp_conn *conn, uint32_t seq)
{
	uint8_t flags = RTE_TCP_ACK_FLAG;
	struct tcp_opts o;

	options_of(conn, true, &o);
	if ((conn->flags & F_ECE) != 0)
		flags |= RTE_TCP_ECE_FLAG;
	COUNT(conn->engine, acks_out);
	return segment_bare(conn, seq, flags, &o);
}

/* The pieces' own buffers, linked; their second reference is the packet's. */
static struct rte_mbuf *
lend(struct sndq *q, uint32_t i, uint32_t n)
{
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t k, total = 0;

	for (k = 0; k < n; k++) {
		const struct seg *s = sndq_at(q, i + k);
		struct rte_mbuf *m = s->m;

		m->data_off = s->off;
		m->data_len = s->len;
		m->next = NULL;
		rte_mbuf_refcnt_set(m, 2);
		total += s->len;
		if (first == NULL)
			first = m;
		else
			last->next = m;
		last = m;
	}
	first->nb_segs = (uint16_t)n;
	first->pkt_len = total;
	first->ol_flags = 0;
	first->tx_offload = 0;
	return first;
}

/* A copy of one piece, or an empty buffer for a FIN alone. The first time only of a short piece
 * that is the application's. */
static struct rte_mbuf *
copy(struct tcp_conn *conn, const struct seg *s)
{
	struct rte_mbuf *m = buffer_bare(conn->engine);

	if (m == NULL || s->len == 0)
		return m;
	/* a piece never exceeds the room of a buffer of this pool */
	memcpy(rte_pktmbuf_append(m, s->len),
			s->lent ? seg_lent(s) : (const uint8_t *)s->m->buf_addr + s->off, s->len);
	if ((s->flags & SEG_SENT) != 0)
		COUNT(conn->engine, retransmit_copies);
	return m;
}

/* Zero-copy data are joined where they lie behind one another; what is sent again is copied. */
static __rte_noinline uint32_t
lent_run(const struct sndq *q, uint32_t i, uint32_t max, uint32_t limit)
{
	const struct seg *first = sndq_at(q, i);
	uint32_t k, total = 0;

	if ((first->flags & SEG_SENT) != 0 || first->len < ZC_PIECE_MIN)
		return 1;
	for (k = 0; k < max && i + k < q->n; k++) {
		const struct seg *s = sndq_at(q, i + k);

		if (total + s->len > limit || !s->lent || s->zc != first->zc)
			break;
		total += s->len;
	}
	return RTE_MAX(k, 1u);
}

uint32_t
segment_run(const struct tcp_conn *conn, uint32_t i, uint32_t max, uint32_t limit)
{
	const struct sndq *q = &conn->sndq;
	uint32_t k, total = 0;

	if (unlikely(sndq_at(q, i)->lent))
		return lent_run(q, i, max, limit);

	for (k = 0; k < max && i + k < q->n; k++) {
		const struct seg *s = sndq_at(q, i + k);

		if (total + s->len > limit || !seg_alone(s))
			break;
		total += s->len;
		if ((s->flags & SEG_FIN) != 0) {
			k++;
			break;
		}
	}
	/* alone it is copied if need be */
	return RTE_MAX(k, 1u);
}

static void
urgent_out(struct tcp_conn *conn, struct rte_tcp_hdr *th, uint32_t seq)
{
	uint32_t ahead = conn->snd_up - seq;

	if ((conn->flags & F_URG_OUT) == 0 || seq_leq(conn->snd_up, seq))
		return;
	if (ahead > UINT16_MAX)
		ahead = UINT16_MAX;
	th->tcp_flags |= RTE_TCP_URG_FLAG;
	th->tcp_urp = rte_cpu_to_be_16((uint16_t)ahead);
}

static uint8_t
data_flags(struct tcp_conn *conn, const struct seg *last, bool fresh)
{
	uint8_t flags = RTE_TCP_ACK_FLAG;

	if ((last->flags & SEG_FIN) != 0)
		flags |= RTE_TCP_FIN_FLAG;
	if ((last->flags & SEG_PUSH) != 0 && last->len != 0)
		flags |= RTE_TCP_PSH_FLAG;
	if ((conn->flags & F_ECE) != 0)
		flags |= RTE_TCP_ECE_FLAG;
	if (fresh && (conn->flags & F_CWR) != 0) {
		flags |= RTE_TCP_CWR_FLAG;
		conn->flags &= ~(uint32_t)F_CWR;
	}
	return flags;
}

/* Marks for a device that cuts the packet into segments. */
static uint32_t
offload_cut(struct tcp_conn *conn, struct rte_mbuf *m, unsigned int hdr_len, uint32_t data)
{
	if (data <= conn->snd_mss)
		return 1;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->l4_len = hdr_len & 0xff;
	m->tso_segsz = conn->snd_mss;
	return (data + conn->snd_mss - 1) / conn->snd_mss;
}

int
segment_data(struct tcp_conn *conn, uint32_t i, uint32_t n)
{
	struct tcp_engine *engine = conn->engine;
	struct sndq *q = &conn->sndq;
	const struct seg *s = sndq_at(q, i), *last = sndq_at(q, i + n - 1);
	bool fresh = (s->flags & SEG_SENT) == 0;
	uint32_t seq = s->seq, data = 0, segs, k;
	unsigned int hdr_len;
	struct rte_tcp_hdr *th;
	struct rte_mbuf *m;
	struct tcp_opts o;

	for (k = 0; k < n; k++)
		data += sndq_at(q, i + k)->len;
	/* blocks ride along where the segment has room for them */
	options_of(conn, conn->rcvq.n_ooo != 0 && data + 12 + 8 * SACK_MAX <= conn->snd_mss_base,
			&o);
	hdr_len = TCP_HDR_MIN + opts_len(&o);
	if (likely(seg_alone(s)))
		m = lend(q, i, n);
	else if (s->lent && fresh && s->len >= ZC_PIECE_MIN)
		m = zc_packet(conn, i, n, data);
	else
		m = copy(conn, s);
	if (unlikely(m == NULL))
		return -ENOBUFS;
	th = (struct rte_tcp_hdr *)(void *)rte_pktmbuf_prepend(m, (uint16_t)hdr_len);
	opts_write((uint8_t *)(th + 1), &o);
	header(conn, th, seq, data_flags(conn, last, fresh), hdr_len);
	if (unlikely((conn->flags & F_URG_OUT) != 0))
		urgent_out(conn, th, seq);
	segs = offload_cut(conn, m, hdr_len, data);
	COUNT_ADD(engine, segs_out, segs);
	COUNT_ADD(engine, bytes_out, data);
	conn->bytes_sent += data;
	conn->segs_out += segs - 1;
	if (!fresh) {
		COUNT_ADD(engine, retransmits, segs);
		conn->bytes_retrans += data;
		conn->segs_retrans += segs;
	} else {
		conn->snd_nxt = seg_end(last);
		if (data < conn->snd_mss)
			conn->snd_sml = conn->snd_nxt;
	}
	for (k = 0; k < n; k++)
		loss_sent(conn, i + k);
	conn->last_sent = engine->now;
	/* RFC 3168 6.1.5: what is sent again is not marked */
	emit(conn, m, fresh && (conn->flags & F_ECN) != 0 && data != 0 ? 2 : 0);
	if (unlikely((conn->flags & F_MARKS) != 0))
		marks_look(conn);
	return 0;
}

/* What a send of it would write besides. */
static void
fetch(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	char *line;

	if (q->ring != NULL)
		__builtin_prefetch(sndq_at(q, q->n), 1);
	for (line = (char *)conn; line < (char *)(conn + 1); line += RTE_CACHE_LINE_SIZE)
		__builtin_prefetch(line, 1);
}

int
segment_dummy(struct tcp_conn *conn, const void *data, uint16_t len)
{
	struct tcp_engine *engine = conn->engine;
	struct tcp_out out = {
		.key = &conn->key, .conn = conn, .df = conn->opt.pmtud, .dummy = true
	};
	struct rte_tcp_hdr *th;
	unsigned int hdr_len;
	struct rte_mbuf *m;
	struct tcp_opts o;

	if (buffers_data(engine, &m, 1) == 0)
		return -ENOBUFS;
	fetch(conn);
	memcpy(rte_pktmbuf_append(m, len), data, len);
	options_of(conn, false, &o);
	hdr_len = TCP_HDR_MIN + opts_len(&o);
	th = (struct rte_tcp_hdr *)(void *)rte_pktmbuf_prepend(m, (uint16_t)hdr_len);
	opts_write((uint8_t *)(th + 1), &o);
	fixed(conn, th, conn->snd_nxt, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, hdr_len);
	/* the window is no promise: it is not told */
	th->rx_win = rte_cpu_to_be_16((uint16_t)(rcvq_window(conn) >> conn->rcv_wscale));
	th->recv_ack = rte_cpu_to_be_32(conn->rcv_nxt);
	th->cksum = 0;
	th->tcp_urp = 0;
	engine->config.ops.output(engine->config.ctx, &out, &m, 1);
	return 0;
}
