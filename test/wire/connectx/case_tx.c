/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent: inline or by pointer, in pieces, with checksums, segmented, tagged; and looped
 * back. */
#include "cxtest.h"
#include <rte_tcp.h>

#define SRC 0x0a630002
#define DST 0x0a630001

static int s;

/* A frame in pieces, as an application would build it: headers, then payload in other mbufs. */
static struct rte_mbuf *
make(const struct segment *seg, uint32_t headers)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pool), *m;
	uint32_t len, off, n;
	uint8_t f[16384];

	len = peer_frame(f, seg);
	CHECK(first != NULL, "no mbuf");
	memcpy(rte_pktmbuf_append(first, headers), f, headers);
	for (off = headers; off < len; off += n) {
		n = RTE_MIN(len - off, 1500u);
		m = rte_pktmbuf_alloc(pool);
		CHECK(m != NULL, "no mbuf");
		memcpy(rte_pktmbuf_append(m, n), f + off, n);
		CHECK(rte_pktmbuf_chain(first, m) == 0, "chain");
	}
	first->l2_len = 14;
	first->l3_len = 20;
	first->l4_len = headers - 34;
	return first;
}

static void
check_frame(const uint8_t *f, int len, uint32_t payload, uint8_t fill, const char *what)
{
	const struct rte_ipv4_hdr *ip = (const void *)(f + 14);
	uint32_t i, hdr = ip->next_proto_id == IPPROTO_TCP ? 54 : 42;

	CHECK(len == (int)(hdr + payload), "%s: %d bytes", what, len);
	CHECK(rte_be_to_cpu_16(ip->total_length) == len - 14, "%s: IP length", what);
	CHECK(rte_raw_cksum(ip, 20) == 0xffff, "%s: IP checksum", what);
	CHECK(rte_ipv4_udptcp_cksum_verify(ip, ip + 1) == 0, "%s: L4 checksum", what);
	for (i = 0; i < payload; i++)
		CHECK(f[hdr + i] == fill, "%s: byte %u", what, i);
}

static void
spoil_checksums(struct rte_mbuf *m, uint32_t l4_at)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv4_hdr *ip = (void *)(f + 14);
	uint16_t pseudo;

	ip->hdr_checksum = 0;
	pseudo = rte_ipv4_phdr_cksum(ip, m->ol_flags);
	memcpy(f + l4_at, &pseudo, 2);
}

static void
check_tso(void)
{
	struct segment seg = { .src = SRC,
		.dst = DST,
		.sport = 1,
		.dport = 2,
		.proto = IPPROTO_TCP,
		.flags = 0x19,
		.seq = 1000,
		.fill = 9,
		.len = 4500 };
	struct rte_mbuf *m = make(&seg, 54);
	uint8_t f[2048];
	unsigned int i;
	int n;

	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
			RTE_MBUF_F_TX_TCP_CKSUM;
	m->tso_segsz = 1000;
	spoil_checksums(m, 50);
	CHECK(rte_eth_tx_burst(0, 0, &m, 1) == 1, "TSO: not sent");
	for (i = 0; i < 5; i++) {
		const struct rte_tcp_hdr *tcp = (const void *)(f + 34);

		n = peer_receive(s, f, sizeof(f), PATIENCE * 1000);
		check_frame(f, n, i < 4 ? 1000 : 500, 9, "TSO");
		CHECK(rte_be_to_cpu_32(tcp->sent_seq) == 1000 + 1000 * i, "TSO: sequence");
		CHECK(tcp->tcp_flags == (i < 4 ? 0x10 : 0x19), "TSO: flags %x", tcp->tcp_flags);
	}
}

/* a: insert a VLAN tag too; for that the PMD wants inline data, or it has no Tx function */
void
case_tx(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1,
		.tx_offloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |
				RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	struct segment seg = {
		.src = SRC, .dst = DST, .sport = 1, .dport = 2, .proto = IPPROTO_UDP
	};
	struct rte_mbuf *m[32];
	uint8_t f[2048];
	unsigned int i;
	int n;

	if (c->a)
		pc.tx_offloads |= RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
	port_start(&pc);
	s = peer_open(WIRE);
	/* from a few bytes, which the PMD puts inline, to what it points to */
	for (i = 0; i < RTE_DIM(m); i++) {
		seg.len = 18 + i * 45;
		seg.fill = i;
		m[i] = make(&seg, 42);
		m[i]->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
				RTE_MBUF_F_TX_UDP_CKSUM;
		spoil_checksums(m[i], 40);
	}
	CHECK(rte_eth_tx_burst(0, 0, m, RTE_DIM(m)) == RTE_DIM(m), "not sent");
	for (i = 0; i < RTE_DIM(m); i++) {
		n = peer_receive(s, f, sizeof(f), PATIENCE * 1000);
		check_frame(f, n, 18 + i * 45, i, "UDP");
	}
	check_tso();
	if (!c->a) {
		port_stop();
		return;
	}
	seg.len = 100;
	m[0] = make(&seg, 42);
	m[0]->ol_flags = RTE_MBUF_F_TX_VLAN;
	m[0]->vlan_tci = 0x123;
	CHECK(rte_eth_tx_burst(0, 0, m, 1) == 1, "VLAN: not sent");
	n = peer_receive(s, f, sizeof(f), PATIENCE * 1000);
	CHECK(n == 42 + 100 && peer_vlan == 0x123, "VLAN: %d bytes, tag %x", n, peer_vlan);
	port_stop();
}

/* What is sent comes back, whole and in order, many times round the wire's ring. */
void
case_loop(const struct test_case *c)
{
	struct port_conf pc = {
		.rxqs = 1, .rxd = 1024, .tx_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS
	};
	struct segment seg = {
		.src = SRC, .dst = DST, .sport = 1, .dport = 2, .proto = IPPROTO_UDP
	};
	const unsigned int rounds = 400, burst = 32;
	unsigned int r, i;
	struct rte_mbuf *m[32];
	uint8_t f[2048];

	(void)c;
	port_start(&pc);
	for (r = 0; r < rounds; r++) {
		for (i = 0; i < burst; i++) {
			seg.fill = r + i;
			seg.len = 18 + (r * burst + i) * 7 % 1400;
			m[i] = make(&seg, 42);
		}
		CHECK(rte_eth_tx_burst(0, 0, m, burst) == burst, "round %u: not sent", r);
		CHECK(port_receive(m, NULL, burst, 1) == burst, "round %u: lost", r);
		for (i = 0; i < burst; i++) {
			seg.fill = r + i;
			seg.len = 18 + (r * burst + i) * 7 % 1400;
			CHECK(m[i]->pkt_len == peer_frame(f, &seg), "round %u: length", r);
			CHECK(memcmp(rte_pktmbuf_mtod(m[i], void *), f, m[i]->pkt_len) == 0,
					"round %u: frame %u", r, i);
			rte_pktmbuf_free(m[i]);
		}
	}
	port_stop();
}
