/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The peers of fuzz_tcp: segments of any kind, their numbers relative to the connection, and those
 * that a good peer would send.
 *
 * Every other packet lies in memory of exactly its size, so that AddressSanitizer sees a byte read
 * too far; the others lie in buffers of a pool, where the engine may copy others behind them.
 */
#include "fuzz_tcp_world.h"

#include <rte_ip.h>

#define LEN_MAX 20000u
#define IP_HDR 20u

struct segment {
	uint8_t flags, ecn;
	uint32_t seq, ack, len, urg;
	uint16_t wnd;
	uint8_t options[40];
	uint8_t options_len;
	uint32_t split; /* where the second buffer begins, 0: one buffer */
	uint16_t lro;
};

static void
ext_free(void *addr, void *opaque)
{
	(void)addr;
	free(opaque);
}

static void
exact(struct rte_mbuf *m, uint16_t len)
{
	struct rte_mbuf_ext_shared_info *info = malloc(sizeof(*info) + len);
	uint8_t *buf = (uint8_t *)(info + 1);

	REQUIRE(info != NULL);
	info->free_cb = ext_free;
	info->fcb_opaque = info;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, buf, (rte_iova_t)(uintptr_t)buf, len, info);
	m->data_off = 0;
}

static struct rte_mbuf *
buffer(const uint8_t *bytes, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w.rx_pool);

	REQUIRE(m != NULL);
	if (w.packets % 2 == 0 || len > rte_pktmbuf_tailroom(m))
		exact(m, len);
	m->data_len = len;
	m->pkt_len = len;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, len);
	return m;
}

/* Whatever connection a segment with URG met, one that it made too. */
static void
note_urgent(void)
{
	struct tcp_conn *conn;
	unsigned int i;

	for (i = 0; i < PEERS; i++) {
		conn = w.peers[i].urgent ? conn_of(&w.peers[i]) : NULL;
		if (conn != NULL)
			note_of(conn)->urgent = 1;
		w.peers[i].urgent = false;
	}
}

static void
give(struct rte_mbuf *m, bool more)
{
	if (rte_mempool_avail_count(w.rx_pool) < 64) {
		rte_pktmbuf_free(m);
	} else {
		w.batch[w.n_batch++] = m;
	}
	if (more && w.n_batch < BATCH_MAX)
		return;
	w.inside = true;
	tcp_input(w.engine, w.batch, w.n_batch);
	w.inside = false;
	w.n_batch = 0;
	note_urgent();
}

/* @p hdr: the TCP header with its options; data follow as the stream has them. */
static void
packet(struct peer *peer, const uint8_t *hdr, uint32_t hdr_len, const struct segment *s, bool more)
{
	static uint8_t b[IP_HDR + TCP_HDR_MAX + LEN_MAX];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)b;
	uint32_t total = IP_HDR + hdr_len + s->len, first = total, i;
	uint32_t data = s->seq + ((s->flags & RTE_TCP_SYN_FLAG) != 0);
	struct rte_mbuf *m, *second;

	memset(b, 0, IP_HDR);
	ip->version_ihl = 0x45;
	ip->type_of_service = s->ecn;
	ip->total_length = rte_cpu_to_be_16((uint16_t)total);
	ip->time_to_live = 64;
	ip->next_proto_id = 6;
	ip->src_addr = peer->key.remote.w[3];
	ip->dst_addr = peer->key.local.w[3];
	memcpy(b + IP_HDR, hdr, hdr_len);
	for (i = 0; i < s->len; i++)
		b[IP_HDR + hdr_len + i] = stream_byte(data + i);
	if (s->split != 0 && s->split < total)
		first = s->split;
	w.packets++;
	peer->urgent |= (s->flags & RTE_TCP_URG_FLAG) != 0;
	m = buffer(b, (uint16_t)first);
	if (first < total) {
		second = buffer(b + first, (uint16_t)(total - first));
		m->next = second;
		m->nb_segs = 2;
		m->pkt_len = total;
	}
	m->l2_len = 0;
	m->l3_len = IP_HDR;
	if (s->lro != 0) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = s->lro;
	}
	give(m, more);
}

static void
send_segment(struct peer *peer, struct segment *s, bool more)
{
	uint8_t b[TCP_HDR_MAX] = { 0 };
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(void *)b;
	uint32_t hdr_len = TCP_HDR_MIN + RTE_ALIGN(s->options_len, 4u);

	th->src_port = peer->key.rport;
	th->dst_port = peer->key.lport;
	th->sent_seq = rte_cpu_to_be_32(s->seq);
	th->recv_ack = rte_cpu_to_be_32(s->ack);
	th->data_off = (uint8_t)(hdr_len / 4 << 4);
	th->tcp_flags = s->flags;
	th->rx_win = rte_cpu_to_be_16(s->wnd);
	th->tcp_urp = rte_cpu_to_be_16((uint16_t)s->urg);
	memcpy(b + TCP_HDR_MIN, s->options, s->options_len);
	s->len = RTE_MIN(s->len, LEN_MAX);
	if ((s->flags & RTE_TCP_SYN_FLAG) != 0)
		peer->seq = s->seq + 1;
	packet(peer, b, hdr_len, s, more);
}

static void
put_option(struct segment *s, const void *bytes, uint8_t len)
{
	if (s->options_len + len > sizeof(s->options))
		return;
	memcpy(s->options + s->options_len, bytes, len);
	s->options_len += len;
}

static uint32_t
peer_clock(void)
{
	return (uint32_t)(w.now / MSEC) + 0xfffff000u; /* which wraps after four seconds */
}

static void
option_ts(const struct peer *peer, struct segment *s, uint32_t val, uint32_t ecr)
{
	uint8_t b[12] = { 1, 1, 8, 10 };
	uint32_t words[2] = { rte_cpu_to_be_32(peer_clock() + val),
		rte_cpu_to_be_32((s->flags & RTE_TCP_ACK_FLAG) != 0 ? peer->ts + ecr : 0) };

	memcpy(b + 4, words, 8);
	put_option(s, b, sizeof(b));
}

static void
option_sack(const struct tcp_conn *conn, struct segment *s)
{
	uint8_t b[36] = { 1, 1, 5 }, n = u8() % 5, i;

	for (i = 0; i < n; i++) {
		uint32_t first = u8(), pieces = u8(), off = s8(), edge[2];
		const struct sndq *q = conn != NULL ? &conn->sndq : NULL;

		if (q != NULL && first < q->n) {
			uint32_t last = RTE_MIN(first + pieces, q->n - 1);

			edge[0] = sndq_at(q, first)->seq + off;
			edge[1] = seg_end(sndq_at(q, last));
		} else {
			edge[0] = s->ack + first * 512 + off;
			edge[1] = s->ack + (first + pieces) * 512;
		}
		edge[0] = rte_cpu_to_be_32(edge[0]);
		edge[1] = rte_cpu_to_be_32(edge[1]);
		memcpy(b + 4 + 8 * i, edge, 8);
	}
	b[3] = (uint8_t)(2 + 8 * n);
	put_option(s, b, (uint8_t)(4 + 8 * n));
}

static void
option_raw(struct segment *s)
{
	uint8_t len = u8(), b[40], i;

	len = RTE_MIN(len, (uint8_t)sizeof(b));
	for (i = 0; i < len; i++)
		b[i] = u8();
	put_option(s, b, len);
}

static void
options_syn(struct segment *s, uint16_t mss, uint8_t scale, bool sack)
{
	uint8_t b[] = { 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss };
	uint8_t ws[] = { 1, 3, 3, scale }, ok[] = { 1, 1, 4, 2 };

	put_option(s, b, sizeof(b));
	if (scale != 255)
		put_option(s, ws, sizeof(ws));
	if (sack)
		put_option(s, ok, sizeof(ok));
}

static uint32_t
seq_from(const struct peer *peer, const struct tcp_conn *conn, uint8_t base, uint32_t len)
{
	uint32_t next = conn != NULL && conn->state != TCP_S_SYN_SENT ? conn->rcv_nxt : peer->seq;

	switch (base & 7) {
	case SEQ_NEAR:
		return next + s8();
	case SEQ_FAR:
		return next + s16();
	case SEQ_EDGE:
		return (conn != NULL ? conn->rcv_adv : next) + s8();
	case SEQ_FIRST:
		return (conn != NULL ? conn->irs : next) + s8();
	case SEQ_ANY:
		return u32();
	case SEQ_AGAIN:
		return next - len;
	case SEQ_HOLE:
		return next + 536 * s8();
	default:
		return next;
	}
}

static uint32_t
ack_from(const struct peer *peer, const struct tcp_conn *conn, uint8_t base)
{
	uint32_t next = conn != NULL ? conn->snd_nxt : peer->ack;
	uint32_t una = conn != NULL ? conn->snd_una : peer->ack, i;

	switch (base >> 3 & 7) {
	case ACK_OLDEST:
		return una;
	case ACK_FAR:
		return una + s16();
	case ACK_NEAR:
		return next + s8();
	case ACK_PIECE:
		i = u8();
		return conn != NULL && i < conn->sndq.n ? seg_end(sndq_at(&conn->sndq, i))
							: una + i;
	case ACK_FIRST:
		return (conn != NULL ? conn->iss : next) + s8();
	case ACK_ANY:
		return u32();
	case ACK_PART:
		return una + u8();
	default:
		return next;
	}
}

static void
op_segment(struct peer *peer, bool more)
{
	struct tcp_conn *conn = conn_of(peer);
	struct segment s = { .flags = u8(), .wnd = UINT16_MAX };
	uint8_t base = u8(), extra = u8(), scale;
	uint16_t mss;

	s.len = u8() * 8u;
	s.ecn = base >> 6;
	s.seq = seq_from(peer, conn, base, s.len);
	s.ack = ack_from(peer, conn, base);
	if ((extra & X_WINDOW) != 0)
		s.wnd = u16();
	if ((extra & X_TS) != 0) {
		uint32_t val = s8();

		option_ts(peer, &s, val, s8());
	}
	if ((extra & X_SACK) != 0)
		option_sack(conn, &s);
	if ((extra & X_OPTIONS) != 0)
		option_raw(&s);
	if ((extra & X_SYN) != 0) {
		mss = u16();
		scale = u8();
		options_syn(&s, mss, scale == 255 ? 255 : scale & 0x7f, (scale & 0x80) == 0);
	}
	if ((extra & X_SPLIT) != 0)
		s.split = u8() * 8u;
	if ((extra & X_LRO) != 0)
		s.lro = u8() * 8u;
	if ((extra & X_ODD) != 0)
		s.len += u8();
	if ((s.flags & RTE_TCP_URG_FLAG) != 0)
		s.urg = u16();
	send_segment(peer, &s, more);
}

static void
op_raw(struct peer *peer)
{
	uint8_t b[TCP_HDR_MAX] = { 0 };
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(void *)b;
	uint32_t len = u8() % (TCP_HDR_MAX + 1u), i;
	struct tcp_conn *conn = conn_of(peer);
	struct segment s = { .len = 0 };

	len = RTE_MAX(len, TCP_HDR_MIN);
	for (i = 4; i < len; i++)
		b[i] = u8();
	th->src_port = peer->key.rport;
	th->dst_port = peer->key.lport;
	/* relative, as 32 bits are hard to guess */
	th->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(th->sent_seq) +
			(conn != NULL ? conn->rcv_nxt : peer->seq));
	th->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(th->recv_ack) +
			(conn != NULL ? conn->snd_nxt : peer->ack));
	/* what is beyond the header that it announces are data */
	i = (uint32_t)(th->data_off >> 4) * 4;
	s.flags = th->tcp_flags;
	s.seq = rte_be_to_cpu_32(th->sent_seq);
	if (i >= TCP_HDR_MIN && i < len) {
		s.len = len - i;
		len = i;
	}
	packet(peer, b, len, &s, false);
}

/* --- peers that behave --- */

static void
reply(struct peer *peer, uint8_t flags, uint32_t len)
{
	struct tcp_conn *conn = conn_of(peer);
	struct segment s = { .flags = flags | RTE_TCP_ACK_FLAG, .wnd = UINT16_MAX, .len = len };

	s.seq = seq_from(peer, conn, SEQ_NEXT, 0);
	s.ack = ack_from(peer, conn, BASE_ACK(ACK_NEXT));
	if (conn != NULL && (conn->flags & F_TS) != 0)
		option_ts(peer, &s, 0, 0);
	send_segment(peer, &s, false);
}

void
peer_ack(struct peer *peer)
{
	struct tcp_conn *conn = conn_of(peer);
	struct segment s = { .flags = RTE_TCP_ACK_FLAG, .wnd = UINT16_MAX };

	if (conn == NULL)
		return;
	/* as if all that it said it had sent were so: else its window is an old one */
	s.seq = seq_max(conn->rcv_nxt, conn->snd_wl1);
	s.ack = conn->snd_nxt;
	/* whatever timestamps came before, this one is not old */
	if ((conn->flags & F_TS) != 0)
		option_ts(peer, &s, conn->ts_recent - peer_clock(), 0);
	send_segment(peer, &s, false);
}

static void
op_sack_all(struct peer *peer)
{
	struct tcp_conn *conn = conn_of(peer);
	struct segment s = { .flags = RTE_TCP_ACK_FLAG, .wnd = UINT16_MAX };
	uint32_t first = u8(), edge[2];
	uint8_t b[12] = { 1, 1, 5, 10 };

	if (conn == NULL || first >= conn->sndq.n_sent)
		return;
	s.seq = conn->rcv_nxt;
	s.ack = conn->snd_una;
	if ((conn->flags & F_TS) != 0)
		option_ts(peer, &s, 0, 0);
	edge[0] = rte_cpu_to_be_32(sndq_at(&conn->sndq, first)->seq);
	edge[1] = rte_cpu_to_be_32(conn->snd_nxt);
	memcpy(b + 4, edge, 8);
	put_option(&s, b, sizeof(b));
	send_segment(peer, &s, false);
}

static void
op_open(struct peer *peer)
{
	struct segment s = { .flags = RTE_TCP_SYN_FLAG, .wnd = UINT16_MAX, .seq = 1000 };
	uint8_t how = u8();
	bool passive = peer < w.peers + PEERS / 2;
	struct tcp_options opt;

	if (!passive) {
		tcp_options_default(&opt);
		opt.ecn = (how & OPEN_ECN) != 0;
		app_connect(peer, &opt);
		s.flags |= RTE_TCP_ACK_FLAG;
		s.ack = peer->ack;
	}
	if ((how & OPEN_ECN) != 0)
		s.flags |= RTE_TCP_ECE_FLAG | (passive ? RTE_TCP_CWR_FLAG : 0);
	if ((how & OPEN_SMALL) != 0)
		s.wnd = 1000;
	options_syn(&s, (how & OPEN_MSS) != 0 ? 536 : 1460, (how & OPEN_SCALE) != 0 ? 7 : 255,
			(how & OPEN_SACK) != 0);
	if ((how & OPEN_TS) != 0)
		option_ts(peer, &s, 0, 0);
	send_segment(peer, &s, false);
	if (passive && (how & OPEN_SMALL) != 0) {
		s.flags = RTE_TCP_ACK_FLAG;
		s.seq++;
		s.ack = peer->ack;
		s.options_len = 0;
		if ((how & OPEN_TS) != 0)
			option_ts(peer, &s, 0, 0);
		send_segment(peer, &s, false);
	} else if (passive) {
		reply(peer, 0, 0);
	}
	app_accept();
}

static void
op_icmp(struct peer *peer)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH,
		ENOPROTOOPT, EPROTO };
	int err = errors[u8() % RTE_DIM(errors)];
	struct tcp_conn *conn = conn_of(peer);
	uint32_t seq = (conn != NULL ? conn->snd_una : peer->ack) + 16 * s8();
	uint16_t mtu = u8() * 16u;

	w.inside = true;
	tcp_icmp(w.engine, &peer->key, seq, err, mtu);
	w.inside = false;
}

void
peer_op(unsigned int op, struct peer *peer)
{
	switch (op) {
	case OP_SEGMENT:
	case OP_SEGMENT_MORE:
		op_segment(peer, op == OP_SEGMENT_MORE);
		break;
	case OP_RAW:
		op_raw(peer);
		break;
	case OP_ACK_ALL:
		reply(peer, 0, 0);
		break;
	case OP_DATA:
		reply(peer, RTE_TCP_PSH_FLAG, u8() * 16u);
		break;
	case OP_FIN:
		reply(peer, RTE_TCP_FIN_FLAG, 0);
		break;
	case OP_RST:
		reply(peer, RTE_TCP_RST_FLAG, 0);
		break;
	case OP_SACK_ALL:
		op_sack_all(peer);
		break;
	case OP_OPEN:
		op_open(peer);
		break;
	default:
		op_icmp(peer);
		break;
	}
}
