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
