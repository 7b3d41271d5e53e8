/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What holds of a connection whatever the peer and the application do: counts equal a recount,
 * queues hang together, something will happen when something waits. And of each packet sent.
 */
#include "fuzz_tcp.h"

#include <rte_mbuf.h>

#include "tcp/tcp_priv.h"

static void
check_send_queue(const struct tcp_conn *conn)
{
	const struct sndq *q = &conn->sndq;
	uint32_t bytes = 0, sacked = 0, lost = 0, retrans = 0, seq, i;

	REQUIRE(q->n_sent <= q->n);
	if (q->n == 0) {
		REQUIRE(q->bytes == 0 && q->charge == 0);
		return;
	}
	REQUIRE(q->ring != NULL && q->n <= q->mask + 1 && (q->mask & (q->mask + 1)) == 0);
	seq = sndq_at(q, 0)->seq;
	REQUIRE(seq == conn->snd_una);
	for (i = 0; i < q->n; i++) {
		const struct seg *s = sndq_at(q, i);

		REQUIRE(s->seq == seq);
		REQUIRE(s->len != 0 || (s->flags & SEG_FIN) != 0);
		REQUIRE((s->m == NULL) == (s->len == 0));
		REQUIRE((s->flags & SEG_FIN) == 0 || i == q->n - 1);
		REQUIRE(((s->flags & SEG_SENT) != 0) == (i < q->n_sent));
		if (s->m != NULL) {
			REQUIRE(rte_mbuf_refcnt_read(s->m) >= 1);
			REQUIRE(s->off >= TCP_HDR_MAX && s->off + s->len <= s->m->buf_len);
			REQUIRE(((uint8_t *)s->m->buf_addr)[s->off] == stream_byte(s->seq));
		}
		if (i >= q->n_sent)
			REQUIRE((s->flags & (SEG_SACKED | SEG_LOST | SEG_RETRANS)) == 0);
		else
			REQUIRE(s->sent_at <= conn_now(conn));
		REQUIRE((s->flags & (SEG_SACKED | SEG_LOST)) != (SEG_SACKED | SEG_LOST));
		bytes += s->len;
		seq += seg_seqs(s);
		sacked += (s->flags & SEG_SACKED) != 0 ? seg_seqs(s) : 0;
		lost += (s->flags & SEG_LOST) != 0 ? seg_seqs(s) : 0;
		if ((s->flags & (SEG_RETRANS | SEG_SACKED)) == SEG_RETRANS)
			retrans += seg_seqs(s);
		if (i + 1 == q->n_sent)
			REQUIRE(seq == conn->snd_nxt);
	}
	if (q->n_sent == 0)
		REQUIRE(conn->snd_nxt == conn->snd_una);
	REQUIRE(bytes == q->bytes && q->charge == bytes + q->n * SEG_CHARGE);
	REQUIRE(lost == conn->loss.lost && retrans == conn->loss.retrans);
	if ((conn->flags & F_SACK) != 0)
		REQUIRE(sacked == conn->loss.sacked);
	else
		REQUIRE(sacked == 0 && conn->loss.sacked <= conn_flight(conn));
}

static uint32_t
chain_bytes(const struct rte_mbuf *m, const struct rte_mbuf *tail, uint32_t *bufs)
{
	uint32_t bytes = 0;

	for (; m != NULL; m = m->next) {
		REQUIRE(m->data_len != 0 && m->data_off + m->data_len <= m->buf_len);
		REQUIRE(m->next != NULL || m == tail);
		bytes += m->data_len;
		++*bufs;
	}
	return bytes;
}

static void
check_receive_queue(const struct tcp_conn *conn)
{
	const struct rcvq *q = &conn->rcvq;
	uint32_t bufs = 0, ooo = 0, i, before = conn->rcv_nxt;

	REQUIRE(chain_bytes(q->head, q->tail, &bufs) == q->bytes);
	REQUIRE((q->head == NULL) == (q->tail == NULL) || q->head == NULL);
	REQUIRE(q->n_ooo <= q->cap_ooo);
	for (i = 0; i < q->n_ooo; i++) {
		const struct ooo *o = &q->ooo[i];

		REQUIRE(seq_gt(o->start, before) && seq_gt(o->end, o->start));
		REQUIRE(chain_bytes(o->head, o->tail, &bufs) == o->end - o->start);
		ooo += o->end - o->start;
		before = o->end;
	}
	REQUIRE(ooo == q->ooo_bytes && bufs == q->bufs);
	REQUIRE(seq_leq(before, conn->rcv_adv + q->fin));
	if (q->fin)
		REQUIRE(seq_leq(before, q->fin_seq) ||
				(conn->rcv_nxt == q->fin_seq + 1 && q->n_ooo == 0));
	REQUIRE(q->n_recent <= SACK_MAX);
}

/* Where something waits for the peer, a timer waits with it. */
static void
check_timers(const struct tcp_conn *conn)
{
	uint64_t first = UINT64_MAX;
	unsigned int t;

	for (t = 0; t < TIMER_MAX; t++)
		first = RTE_MIN(first, conn->deadline[t]);
	if (first != UINT64_MAX)
		REQUIRE(conn->timer.prev != NULL && conn->timer.at <= first);
	if (conn->state == TCP_S_SYN_SENT || conn->state == TCP_S_SYN_RECEIVED ||
			conn->state == TCP_S_TIME_WAIT)
		REQUIRE(timer_runs(conn, TIMER_LIFE));
	if (conn->sndq.n_sent != 0)
		REQUIRE(timer_runs(conn, TIMER_LOSS));
	if (conn->sndq.n != 0)
		REQUIRE(first != UINT64_MAX);
	if ((conn->flags & F_ACK_PENDING) != 0)
		REQUIRE(timer_runs(conn, TIMER_ACK));
	if ((conn->flags & F_ORPHAN) != 0)
		REQUIRE(first != UINT64_MAX);
}

void
check_conn(const struct tcp_conn *conn)
{
	REQUIRE(conn->state != TCP_S_CLOSED);
	REQUIRE(seq_leq(conn->snd_una, conn->snd_nxt));
	REQUIRE(conn->snd_mss >= MSS_MIN - 40 && conn->snd_mss <= conn->snd_mss_base);
	REQUIRE(conn->cc.cwnd <= UINT32_MAX / 2);
	if (conn_synchronized(conn)) {
		REQUIRE(conn->cc.cwnd != 0 && conn->cc.ssthresh != 0);
		REQUIRE(seq_leq(conn->rcv_nxt, conn->rcv_adv + ((conn->flags & F_FIN_IN) != 0)));
		REQUIRE(seq_leq(conn->rcv_acked, conn->rcv_nxt));
		REQUIRE(conn->loss.rto >= RTO_MIN && conn->loss.rto <= RTO_MAX);
	} else if (conn->state == TCP_S_SYN_RECEIVED) {
		REQUIRE(conn->snd_nxt == conn->iss + 1 && conn->sndq.n == 0);
	}
	if (conn->state == TCP_S_TIME_WAIT)
		REQUIRE(conn->sndq.n == 0 &&
				(conn->flags & (F_FIN_QUEUED | F_FIN_IN)) ==
						(F_FIN_QUEUED | F_FIN_IN));
	if (conn->state == TCP_S_FIN_WAIT_2)
		REQUIRE(conn->sndq.n == 0);
	check_send_queue(conn);
	check_receive_queue(conn);
	check_timers(conn);
}

static void
one(struct tcp_conn *conn, void *ctx)
{
	unsigned int *n = ctx;

	check_conn(conn);
	++*n;
}

void
check_engine(struct tcp_engine *engine)
{
	unsigned int n = 0;

	tcp_foreach(engine, one, &n);
	REQUIRE(n == tcp_engine_conns(engine));
	REQUIRE(TAILQ_EMPTY(&engine->due));
}

/* Data that go out are those that were given, and no more than the peer takes. */
static void
check_data(const struct tcp_conn *conn, struct note *note, const struct rte_mbuf *m, uint32_t skip,
		uint32_t seq, uint32_t len, uint32_t end)
{
	uint32_t k = 0, i;

	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (i = skip; i < m->data_len; i++)
			REQUIRE(p[i] == stream_byte(seq + k++));
		skip = 0;
	}
	REQUIRE(k == len);
	if (end == seq)
		return;
	REQUIRE(seq_geq(seq, conn->snd_una) && seq_leq(end, conn->snd_nxt));
	if (note->sent && seq_leq(end, note->sent_end))
		return;
	/* new, so within the window, but for a FIN, which takes no room */
	REQUIRE(!note->sent || seq_leq(seq, note->sent_end));
	if (len != 0)
		REQUIRE(seq_leq(seq + len, conn->snd_una + conn->snd_wnd));
	note->sent_end = end;
	note->sent = 1;
}

/* What we offer we never take back, but for what the scale rounds off (RFC 7323 2.4), which is
 * still accepted, and for a SYN, which cannot say more than 64 KB; what we acknowledged neither. */
static void
check_ack(const struct tcp_conn *conn, struct note *note, uint32_t ack, uint32_t window, bool syn)
{
	uint32_t edge = ack + window;

	REQUIRE(ack == conn->rcv_nxt);
	if (note->offered) {
		REQUIRE(seq_geq(ack, note->acked));
		REQUIRE(syn || seq_gt(edge + (UINT32_C(1) << conn->rcv_wscale), note->edge));
		edge = seq_max(edge, note->edge);
	}
	REQUIRE(seq_leq(edge, conn->rcv_adv + ((conn->flags & F_FIN_IN) != 0)));
	note->acked = ack;
	note->edge = edge;
	note->offered = 1;
}

void
check_output(const struct tcp_out *out, const struct rte_mbuf *m)
{
	const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	const struct tcp_conn *conn = out->conn;
	struct tcp_opts opts;
	uint32_t hdr, len, seq, end, window;
	struct note *note;

	rte_mbuf_sanity_check(m, 1);
	REQUIRE(m->data_len >= TCP_HDR_MIN);
	hdr = (uint32_t)(th->data_off >> 4) * 4;
	REQUIRE(hdr >= TCP_HDR_MIN && m->data_len >= hdr && (th->data_off & 15) == 0);
	REQUIRE(th->cksum == 0);
	REQUIRE(th->src_port == out->key->lport && th->dst_port == out->key->rport);
	REQUIRE(opts_parse(th, hdr, &opts) == 0);
	seq = rte_be_to_cpu_32(th->sent_seq);
	len = m->pkt_len - hdr;
	if (conn == NULL) {
		REQUIRE(len == 0);
		return;
	}
	note = tcp_extra(out->conn);
	end = seq + len + ((th->tcp_flags & RTE_TCP_FIN_FLAG) != 0);
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) {
		REQUIRE(m->l4_len == hdr && m->tso_segsz == conn->snd_mss && len > conn->snd_mss);
		REQUIRE(len <= conn->engine->config.tso_max);
	} else {
		REQUIRE(len <= conn->snd_mss_base);
		REQUIRE(len == 0 || hdr + len + 20 <= conn->mtu);
	}
	REQUIRE(conn->engine->config.multi_seg || m->nb_segs == 1);
	if ((th->tcp_flags & RTE_TCP_URG_FLAG) != 0)
		REQUIRE(th->tcp_urp != 0);
	if ((th->tcp_flags & RTE_TCP_SYN_FLAG) != 0) {
		REQUIRE(len == 0 && seq == conn->iss);
		end = seq;
	}
	if ((th->tcp_flags & RTE_TCP_RST_FLAG) == 0)
		check_data(conn, note, m, hdr, seq, len, end);
	if ((th->tcp_flags & (RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG)) == RTE_TCP_ACK_FLAG) {
		bool syn = (th->tcp_flags & RTE_TCP_SYN_FLAG) != 0;

		window = (uint32_t)rte_be_to_cpu_16(th->rx_win) << (syn ? 0 : conn->rcv_wscale);
		check_ack(conn, note, rte_be_to_cpu_32(th->recv_ack), window, syn);
	}
}
