/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of what is TCP's in this room: resets where nobody listens, ECN in the template,
 * segmentation by the device, chains on ports that take none, coalesced packets.
 */
#include <rte_tcp.h>

#include "world.h"

#define FIN RTE_TCP_FIN_FLAG
#define SYN RTE_TCP_SYN_FLAG
#define RST RTE_TCP_RST_FLAG
#define PSH RTE_TCP_PSH_FLAG
#define ACK RTE_TCP_ACK_FLAG

static struct frame f;

static void
segment(uint32_t seq, uint32_t ack, uint8_t flags, uint16_t len)
{
	frame_tcp_to(&f, PEER, OUR, 0,
			&(struct frame_tcp){ .sport = 1000,
					.dport = 2000,
					.seq = seq,
					.ack = ack,
					.flags = flags,
					.options = 12,
					.len = len });
}

static const struct rte_tcp_hdr *
sent_tcp(const struct sent *s)
{
	return (const struct rte_tcp_hdr *)(sent_ip(s) + 1);
}

/* RFC 9293 3.10.7.1, all its cases. */
static void
reset(void **state)
{
	static const struct {
		uint32_t seq, ack;
		uint8_t flags;
		uint16_t len;
		uint32_t rst_seq, rst_ack;
		uint8_t rst_flags;
	} cases[] = {
		{ 100, 0, SYN, 0, 0, 101, RST | ACK },
		{ 100, 77, SYN, 0, 0, 101, RST | ACK },
		{ 0xffffffff, 0, SYN, 10, 0, 10, RST | ACK },
		{ 100, 0, FIN, 5, 0, 106, RST | ACK },
		{ 100, 0, 0, 1000, 0, 1100, RST | ACK },
		{ 100, 0, 0, 0, 0, 100, RST | ACK },
		{ 100, 0x80000001, ACK, 0, 0x80000001, 0, RST },
		{ 100, 9, SYN | ACK, 0, 9, 0, RST },
		{ 100, 9, PSH | FIN | ACK, 7, 9, 0, RST },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(cases); i++) {
		const struct rte_tcp_hdr *tcp = sent_tcp(&sent[i]);

		segment(cases[i].seq, cases[i].ack, cases[i].flags, cases[i].len);
		input_one(&f);
		assert_int_equal(n_sent, i + 1);
		assert_true(sent_good(&sent[i]));
		assert_int_equal(sent[i].len, 54);
		assert_memory_equal(sent[i].b, &peer_mac, 6);
		assert_memory_equal(sent[i].b + 6, &our_mac, 6);
		assert_true(sent_ip(&sent[i])->src_addr == OUR);
		assert_true(sent_ip(&sent[i])->dst_addr == PEER);
		assert_int_equal(tcp->src_port, RTE_BE16(2000));
		assert_int_equal(tcp->dst_port, RTE_BE16(1000));
		assert_int_equal(tcp->data_off, 0x50);
		assert_int_equal(rte_be_to_cpu_32(tcp->sent_seq), cases[i].rst_seq);
		assert_int_equal(rte_be_to_cpu_32(tcp->recv_ack), cases[i].rst_ack);
		assert_int_equal(tcp->tcp_flags, cases[i].rst_flags);
		assert_int_equal(tcp->rx_win, 0);
	}
	assert_int_equal(RX(drop_no_listener), i);
	assert_int_equal(RX(resets_out), i);
	assert_int_equal(RX(drop_no_socket), 0);
	/* on a VLAN, padded, in pieces */
	frame_tcp_to(&f, PEER_VLAN, OUR_VLAN, 5,
			&(struct frame_tcp){ .sport = 1, .dport = 2, .seq = 5, .flags = SYN });
	f.len = 64;
	f.segment = 31;
	input_one(&f);
	assert_memory_equal(sent[i].b + 12, "\x81\0\0\5\x08\0", 6);
	assert_true(sent_good(&sent[i]));
	assert_int_equal(sent_tcp(&sent[i])->recv_ack, RTE_BE32(6));
}

static void
never_reset(void **state)
{
	const struct ip_addr group = V4(239, 1, 2, 3);
	const struct net_mc_filter all = { .exclude = true };
	const struct frame_tcp syn = { .sport = 1, .dport = 9, .flags = SYN };

	(void)state;
	segment(1, 2, RST, 0);
	input_one(&f);
	segment(1, 2, RST | ACK, 0);
	input_one(&f);
	assert_int_equal(RX(drop_no_listener), 2);
	assert_int_equal(net_mc_filter(&port0, &group, 0, &all), 0);
	frame_tcp_to(&f, PEER, IP(239, 1, 2, 3), 0, &syn);
	input_one(&f);
	frame_tcp_to(&f, PEER, IP(10, 1, 0, 255), 0, &syn);
	input_one(&f);
	assert_int_equal(RX(drop_no_listener), 4);
	frame_tcp_to(&f, PEER, OUR, 0, &syn); /* in a frame to everybody */
	memset(f.b, 0xff, 6);
	input_one(&f);
	frame_tcp_to(&f, PEER, IP(10, 1, 0, 9), 0, &syn); /* not ours */
	input_one(&f);
	frame_tcp_to(&f, OUR, OUR, 0, &syn); /* from ourselves */
	input_one(&f);
	frame_tcp_to(&f, IP(239, 1, 1, 1), OUR, 0, &syn); /* from a group */
	input_one(&f);
	assert_int_equal(RX(drop_not_ours), 4);
	frame_tcp_to(&f, 0, OUR, 0, &syn); /* from nobody */
	input_one(&f);
	frame_tcp_to(&f, PEER, OUR, 0, &syn); /* a broken one */
	f.b[40] ^= 1;
	f.flags = 0;
	input_one(&f);
	assert_int_equal(RX(drop_tcp), 1);
	frame_tcp_to(&f, PEER, OUR, 0, &syn); /* the kernel may have a socket, or answers itself */
	port0.kernel = KERNEL_COPIES;
	input_one(&f);
	port0.kernel = KERNEL_RESTS;
	input_one(&f);
	assert_int_equal(n_sent, 0);
	assert_int_equal(RX(resets_out), 0);
	port0.kernel = KERNEL_PEER;
	input_one(&f);
	assert_int_equal(n_sent, 1);
}

static void
reset_limit(void **state)
{
	unsigned int i;

	(void)state;
	segment(1, 2, SYN, 0);
	for (i = 0; i < 500; i++)
		input_one(&f);
	assert_int_equal(n_sent, 50);
	/* which leaves port unreachables alone */
	frame_udp(&f, 10, 1);
	input_one(&f);
	assert_int_equal(n_sent, 51);
	world_advance(20);
	n_sent = 0;
	segment(1, 2, SYN, 0);
	for (i = 0; i < 500; i++)
		input_one(&f);
	assert_int_equal(n_sent, 20);
}

static void
meet(struct net_dst *d, bool df)
{
	struct net_way w = { .dst = ip_from_v4(PEER), .ttl = 64, .proto = IPPROTO_TCP, .df = df };

	frame_arp(&f, 1, &our_mac, &peer_mac, PEER, OUR, 0);
	input_one(&f);
	assert_int_equal(net_route(&w, d), 0);
	n_sent = 0;
}

static void
ecn(void **state)
{
	static const uint8_t marks[] = { 0, 2, 2, 0, 1, 3, 2, 1, 0 };
	struct net_dst d;
	struct rte_mbuf *m;
	unsigned int i, tos;

	(void)state;
	for (tos = 0; tos < 256; tos += 51) {
		struct net_way w = { .dst = ip_from_v4(PEER),
			.ttl = 64,
			.proto = IPPROTO_TCP,
			.tos = (uint8_t)tos };

		meet(&d, true);
		assert_int_equal(net_route(&w, &d), 0);
		for (i = 0; i < RTE_DIM(marks); i++) {
			net_dst_ecn(&d, marks[i]);
			m = out_tcp(&(struct frame_tcp){ .len = 10 }, 0);
			assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
			assert_true(sent_good(&sent[i]));
			assert_int_equal(sent_ip(&sent[i])->type_of_service,
					(tos & 0xfc) | marks[i]);
		}
	}
}

static struct rte_mbuf *
large(uint16_t len, uint16_t segsz, uint8_t options)
{
	struct rte_mbuf *m = out_tcp(&(struct frame_tcp){ .sport = 7,
						     .dport = 8,
						     .seq = 0xfffff000,
						     .ack = 3,
						     .flags = FIN | PSH | ACK,
						     .options = options,
						     .len = len },
			1001);

	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->l4_len = 20 + options;
	m->tso_segsz = segsz;
	return m;
}

static void
can_tso(void)
{
	port0.caps.tx_offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
			RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	port0.caps.tx_tso = true;
}

/* Cut as the device does it, every segment is good and the data are what they were. */
static void
check_cut(struct sent *s, uint16_t len, uint16_t segsz, uint8_t options)
{
	static struct sent part[32];
	unsigned int n = sent_cut(s, part, RTE_DIM(part)), i;
	uint32_t at = 0, k, head = 54u + options;

	assert_int_equal(s->l2, 14);
	assert_int_equal(s->l3, 20);
	assert_int_equal(s->l4, 20 + options);
	assert_int_equal(s->segsz, segsz);
	assert_int_equal(n, (len + segsz - 1) / segsz);
	for (i = 0; i < n; i++) {
		assert_true(sent_good(&part[i]));
		assert_true(part[i].len <= 14u + port0.mtu);
		assert_int_equal(rte_be_to_cpu_32(sent_tcp(&part[i])->sent_seq), 0xfffff000 + at);
		assert_int_equal(
				sent_tcp(&part[i])->tcp_flags, i + 1 < n ? ACK : (FIN | PSH | ACK));
		for (k = head; k < part[i].len; k++, at++)
			assert_int_equal(part[i].b[k], (uint8_t)(at * 7 + 3));
	}
	assert_int_equal(at, len);
}

static void
tso(void **state)
{
	struct rte_mbuf *m[3];
	struct net_dst d;

	(void)state;
	can_tso();
	meet(&d, true);
	m[0] = out_tcp(&(struct frame_tcp){ .len = 10 }, 0);
	m[1] = large(9000, 1448, 12);
	m[2] = out_tcp(&(struct frame_tcp){ .len = 10 }, 0);
	assert_int_equal(net_output(&d, &ring0, m, 3), 3);
	assert_int_equal(n_sent, 3);
	assert_int_equal(sent[0].len, 64); /* in order */
	check_cut(&sent[1], 9000, 1448, 12);
	assert_true((sent[1].flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	assert_true(sent_good(&sent[0]) && sent_good(&sent[2]));
	assert_int_equal(sent_ip(&sent[1])->fragment_offset, RTE_BE16(0x4000));
	/* shorter than the MTU, but of small segments */
	n_sent = 0;
	m[0] = large(1000, 100, 0);
	assert_int_equal(net_output(&d, &ring0, m, 1), 1);
	check_cut(&sent[0], 1000, 100, 0);
	/* while the link address is being looked for */
	n_sent = 0;
	{
		struct net_way w = { .dst = V4(10, 1, 0, 3), .ttl = 64, .proto = IPPROTO_TCP };

		assert_int_equal(net_route(&w, &d), 0);
		assert_false(d.resolved);
		m[0] = large(5000, 1448, 12);
		assert_int_equal(net_output(&d, &ring0, m, 1), 1);
		frame_arp(&f, 2, &our_mac, &peer_mac, IP(10, 1, 0, 3), OUR, 0);
		n_sent = 0;
		input_one(&f);
		assert_int_equal(n_sent, 1);
		check_cut(&sent[0], 5000, 1448, 12);
	}
}

/* Without DF every segment has an identification that no other packet gets. */
static void
tso_ids(void **state)
{
	struct rte_mbuf *m;
	struct net_dst d;
	uint16_t first, next;

	(void)state;
	can_tso();
	meet(&d, false);
	m = large(9000, 1000, 0);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	m = out_tcp(&(struct frame_tcp){ .len = 10 }, 0);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	first = rte_be_to_cpu_16(sent_ip(&sent[0])->packet_id);
	next = rte_be_to_cpu_16(sent_ip(&sent[1])->packet_id);
	assert_true((uint16_t)(next - first) >= 9);
}

static void
tso_refused(void **state)
{
	struct rte_mbuf *m[2];
	struct net_dst d;

	(void)state;
	can_tso();
	meet(&d, false);
	m[0] = large(9000, 1449, 12); /* a byte too long for the way */
	m[1] = out_tcp(&(struct frame_tcp){ .len = 10 }, 0);
	assert_int_equal(net_output(&d, &ring0, m, 2), 1);
	assert_int_equal(n_sent, 1);
	m[0] = large(9000, 0, 0);
	assert_int_equal(net_output(&d, &ring0, m, 1), 0);
	m[0] = large(0, 100, 0);
	assert_int_equal(net_output(&d, &ring0, m, 1), 0);
	m[0] = large(65496, 1448, 0); /* a byte more than an IP packet */
	assert_int_equal(net_output(&d, &ring0, m, 1), 0);
	assert_int_equal(TX(tx_too_big), 4);
	m[0] = large(65495, 1448, 0);
	assert_int_equal(net_output(&d, &ring0, m, 1), 1);
	assert_int_equal(sent[n_sent - 1].len, 65535 + 14);
	port0.caps.tx_tso = false; /* never in fragments */
	m[0] = large(9000, 1449, 12);
	assert_int_equal(net_output(&d, &ring0, m, 1), 0);
	assert_int_equal(TX(tx_too_big), 5);
}

/* One packet cut by software against the same cut as a device does it. */
static void
gso_as_tso(uint16_t len, uint16_t segsz, uint8_t options, bool df, bool chains, bool offload)
{
	static struct sent part[32];
	struct rte_mbuf *m;
	unsigned int n, i;
	uint16_t first;
	struct net_dst d;

	n_sent = 0;
	can_tso();
	meet(&d, df);
	n_sent = 0;
	m = large(len, segsz, options);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	n = sent_cut(&sent[0], part, RTE_DIM(part));
	port0.caps.tx_tso = false;
	port0.caps.tx_multi_seg = chains;
	if (!offload)
		port0.caps.tx_offloads = 0;
	meet(&d, df);
	n_sent = 0;
	m = large(len, segsz, options);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	assert_int_equal(n_sent, n);
	first = rte_be_to_cpu_16(sent_ip(&sent[0])->packet_id);
	for (i = 0; i < n; i++) {
		assert_int_equal((sent[i].flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0, offload);
		assert_true((sent[i].flags & RTE_MBUF_F_TX_TCP_SEG) == 0);
		assert_true(sent_good(&sent[i]));
		assert_int_equal(sent[i].len, part[i].len);
		/* they differ in the identification and what sums it, no more */
		assert_int_equal(rte_be_to_cpu_16(sent_ip(&sent[i])->packet_id),
				(uint16_t)(first + i));
		sent_ip(&sent[i])->packet_id = sent_ip(&part[i])->packet_id;
		sent_ip(&sent[i])->hdr_checksum = sent_ip(&part[i])->hdr_checksum;
		if (offload) /* sent_good() has seen to the sum that the device finishes */
			memcpy(sent[i].b + 50, part[i].b + 50, 2);
		assert_memory_equal(sent[i].b, part[i].b, part[i].len);
	}
}

static void
gso(void **state)
{
	uint64_t packets = 0;

	(void)state;
	for (unsigned int how = 0; how < 8; how++) {
		bool df = how & 1, chains = how & 2, offload = how & 4;

		gso_as_tso(9000, 1448, 12, df, chains, offload);
		gso_as_tso(9000, 1000, 0, df, chains, offload);
		gso_as_tso(1449, 1448, 12, df, chains, offload); /* a last one of a byte */
		packets += 3;
	}
	assert_int_equal(TX(tx_gso), packets);
	assert_int_equal(TX(tx_gso_segs), 8 * (7 + 9 + 2));
	assert_int_equal(TX(tx_tso), 0); /* which room ring counts */
}

/* Without buffers for the segments the packet is lost, counted, and nothing else. */
static void
gso_no_buffers(void **state)
{
	static struct rte_mbuf *taken[65536];
	unsigned int left, chains;
	struct rte_mbuf *m;
	struct net_dst d;

	(void)state;
	for (chains = 0; chains < 2; chains++) {
		port0.caps.tx_multi_seg = chains != 0;
		meet(&d, true);
		n_sent = 0;
		m = large(9000, 1448, 12);
		left = rte_mempool_avail_count(pool) - 5;
		assert_true(left < RTE_DIM(taken));
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, left), 0);
		assert_int_equal(net_output(&d, &ring0, &m, 1), 0);
		rte_pktmbuf_free_bulk(taken, left);
		assert_int_equal(n_sent, 0);
		assert_int_equal(TX(tx_no_mbuf), chains + 1);
	}
	assert_int_equal(TX(tx_gso), 0);
}

static void
chains(void **state)
{
	struct rte_mbuf *m[3], *tail;
	struct net_dst d;
	unsigned int multi, offload, piece, i;

	(void)state;
	meet(&d, true);
	for (multi = 0; multi < 2; multi++)
		for (offload = 0; offload < 2; offload++)
			for (piece = 60; piece < 64; piece++) {
				port0.caps.tx_multi_seg = multi != 0;
				port0.caps.tx_offloads =
						offload != 0 ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : 0;
				n_sent = 0;
				for (i = 0; i < 3; i++)
					m[i] = out_tcp(&(struct frame_tcp){ .options = 40,
								       .len = (uint16_t)(500 + i) },
							(uint16_t)piece);
				/* the transport may send its buffer again: it is not written to */
				tail = m[1]->next;
				rte_mbuf_refcnt_update(tail, 1);
				assert_int_equal(net_output(&d, &ring0, m, 3), 3);
				for (i = 0; i < 3; i++) {
					assert_int_equal(sent[i].segs > 1, multi);
					assert_int_equal(sent[i].len, 34 + 60 + 500 + i);
					assert_true(sent_good(&sent[i]));
					assert_int_equal(sent[i].b[34 + 60], 3);
				}
				rte_pktmbuf_free_seg(tail);
			}
}

/* One that waits for its link address is made one buffer before. */
static void
chain_waits(void **state)
{
	struct net_way w = { .dst = V4(10, 1, 0, 3), .ttl = 64, .proto = IPPROTO_TCP };
	struct net_dst d;
	struct rte_mbuf *m = out_tcp(&(struct frame_tcp){ .len = 700 }, 300);

	(void)state;
	port0.caps.tx_multi_seg = false;
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	frame_arp(&f, 2, &our_mac, &peer_mac, IP(10, 1, 0, 3), OUR, 0);
	n_sent = 0;
	input_one(&f);
	assert_int_equal(n_sent, 1);
	assert_int_equal(sent[0].segs, 1);
	assert_int_equal(sent[0].len, 754);
	assert_true(sent_good(&sent[0]));
}

static void
no_buffer(void **state)
{
	struct rte_mempool *empty = rte_pktmbuf_pool_create("empty", 1, 0, 0, 2048, SOCKET_ID_ANY);
	struct rte_mbuf *m[3], *last = rte_pktmbuf_alloc(empty);
	struct net_dst d;

	(void)state;
	meet(&d, true);
	port0.caps.tx_multi_seg = false;
	m[0] = out_tcp(&(struct frame_tcp){ .len = 100 }, 0);
	m[1] = out_tcp(&(struct frame_tcp){ .len = 200 }, 60);
	m[2] = out_tcp(&(struct frame_tcp){ .len = 300 }, 0);
	ring0.tx_pool = empty;
	assert_int_equal(net_output(&d, &ring0, m, 3), 2);
	assert_int_equal(n_sent, 2);
	assert_int_equal(sent[0].len, 154);
	assert_int_equal(sent[1].len, 354);
	assert_int_equal(TX(tx_no_mbuf), 1);
	rte_pktmbuf_free(last);
	rte_mempool_free(empty);
}

static void
coalesced(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct rte_mbuf *m;

	(void)state;
	r->flow.key.proto = IPPROTO_TCP;
	segment(1, 2, ACK, 6000);
	f.segment = 2000;
	f.flags |= RTE_MBUF_F_RX_LRO;
	m = frame_mbuf(&f);
	m->tso_segsz = 1448;
	net_input(&ring0, &m, 1);
	assert_int_equal(r->n, 1);
	assert_true((r->flags & RTE_MBUF_F_RX_LRO) != 0);
	assert_int_equal(r->segsz, 1448);
	assert_int_equal(r->l2, 14);
	assert_int_equal(r->l3, 20);
	assert_int_equal(r->whole_len, f.len);
	assert_memory_equal(r->whole, f.b, f.len);
	/* what else the field may hold is not taken for it */
	f.flags &= ~RTE_MBUF_F_RX_LRO;
	m = frame_mbuf(&f);
	m->tso_segsz = 1448;
	net_input(&ring0, &m, 1);
	assert_int_equal(r->segsz, 0);
	/* all of a TCP header is in one piece */
	segment(1, 2, ACK, 100);
	f.segment = 14 + 20 + 25;
	input_one(&f);
	assert_int_equal(r->n, 3);
	assert_true(r->first >= 14 + 20 + 32);
	assert_memory_equal(r->whole, f.b, f.len);
}

/* Whatever a byte of the headers says, the short way and the long one find the same. */
static void
both_ways(void **state)
{
	static const uint8_t flips[] = { 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff };
	unsigned int at, i, good = 0;

	(void)state;
	for (at = 0; at < 14 + 20 + 32; at++) {
		for (i = 0; i < RTE_DIM(flips); i++) {
			struct net_packet fast = { .kind = 0 }, slow = { .kind = 0 };
			struct rte_mbuf *a, *b;
			enum net_verdict v;

			segment(1, 2, ACK, at % 2 == 0 ? 100 : 0);
			f.b[at] ^= flips[i];
			frame_sum_ip(&f);
			a = frame_mbuf(&f);
			b = frame_mbuf(&f);
			v = net_parse(&ring0, a, &fast);
			assert_int_equal(v, net_parse_slow(&ring0, b, &slow));
			if (v == NET_TRANSPORT) {
				assert_memory_equal(&fast.key, &slow.key, sizeof(fast.key));
				assert_int_equal(fast.l4_len, slow.l4_len);
				assert_int_equal(fast.l3_len, slow.l3_len);
				assert_int_equal(a->tx_offload, b->tx_offload);
				assert_int_equal(a->pkt_len, b->pkt_len);
				good++;
			}
			rte_pktmbuf_free(a);
			rte_pktmbuf_free(b);
		}
	}
	assert_true(good > 100);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(reset), T(never_reset), T(reset_limit), T(ecn),
		T(tso), T(tso_ids), T(tso_refused), T(gso), T(gso_no_buffers), T(chains),
		T(chain_waits), T(no_buffer), T(coalesced), T(both_ways) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
