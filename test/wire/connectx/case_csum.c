/* SPDX-License-Identifier: BSD-3-Clause */
/* What the device says of received checksums and VLAN tags. */
#include "cxtest.h"

#define SRC 0x0a630002
#define DST 0x0a630001

static int s;

static void
expect_flags(const uint8_t *frame, uint32_t len, bool ip_good, bool l4_good, const char *what)
{
	struct rte_mbuf *m;

	peer_send(s, frame, len);
	CHECK(port_receive(&m, NULL, 1, 1) == 1, "%s: lost", what);
	CHECK(((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD) ==
					ip_good,
			"%s: IP, flags %lx", what, m->ol_flags);
	CHECK(((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD) ==
					l4_good,
			"%s: L4, flags %lx", what, m->ol_flags);
	rte_pktmbuf_free(m);
}

/* IPv6 has no checksum of its own: nothing is ever wrong with it. */
static void
check_ipv6(struct segment seg)
{
	static const uint8_t proto[] = { IPPROTO_UDP, IPPROTO_TCP };
	static const uint8_t src[16] = { 0xfd, [15] = 1 }, dst[16] = { 0xfd, [15] = 2 };
	uint8_t f[2048];
	unsigned int i;
	uint32_t len;

	seg.src6 = src;
	seg.dst6 = dst;
	for (i = 0; i < RTE_DIM(proto); i++) {
		seg.proto = proto[i];
		len = peer_frame(f, &seg);
		expect_flags(f, len, true, true, "IPv6, right");
		f[len - 1] ^= 0x10;
		expect_flags(f, len, true, false, "IPv6, payload changed");
		f[len - 1] ^= 0x10;
		f[23] ^= 1; /* of the source: in the pseudo header */
		expect_flags(f, len, true, false, "IPv6, address changed");
	}
}

/* The checksum of a fragment's payload is in another one's: it is not said to be good. */
static void
check_fragment(struct segment seg)
{
	static const uint16_t offset[] = { 0x2000, 0x2064, 0x0064 };
	struct rte_ipv4_hdr *ip;
	uint8_t f[2048];
	unsigned int i;
	uint32_t len;

	seg.proto = IPPROTO_UDP;
	for (i = 0; i < RTE_DIM(offset); i++) {
		len = peer_frame(f, &seg);
		ip = (void *)(f + 14);
		ip->fragment_offset = rte_cpu_to_be_16(offset[i]);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		expect_flags(f, len, true, false, "fragment");
		f[22]--;
		expect_flags(f, len, false, false, "fragment, IP header changed");
	}
}

void
case_csum(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1,
		.rx_offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP };
	static const uint8_t proto[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct segment seg = {
		.src = DST, .dst = SRC, .sport = 1, .dport = 2, .fill = 7, .len = 101
	};
	struct rte_mbuf *m;
	uint8_t f[2048];
	unsigned int i;
	uint32_t len;

	(void)c;
	port_start(&pc);
	s = peer_open(WIRE);
	for (i = 0; i < RTE_DIM(proto); i++) {
		seg.proto = proto[i];
		len = peer_frame(f, &seg);
		expect_flags(f, len, true, true, "right");
		f[len - 1] ^= 0x10;
		expect_flags(f, len, true, false, "payload changed");
		f[len - 1] ^= 0x10;
		f[22]--; /* the TTL */
		expect_flags(f, len, false, true, "IP header changed");
	}
	check_ipv6(seg);
	check_fragment(seg);
	seg.proto = IPPROTO_UDP;
	len = peer_frame(f, &seg);
	f[40] = f[41] = 0;
	expect_flags(f, len, true, true, "no UDP checksum");
	seg.vlan = 0x2123;
	peer_segment(s, &seg);
	CHECK(port_receive(&m, NULL, 1, 1) == 1, "VLAN: lost");
	CHECK(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED && m->vlan_tci == 0x2123, "VLAN: tag %x",
			m->vlan_tci);
	CHECK(m->pkt_len == len && rte_pktmbuf_mtod(m, uint8_t *)[12] == 0x08,
			"VLAN: not stripped");
	rte_pktmbuf_free(m);
	port_stop();
}
