/* SPDX-License-Identifier: BSD-3-Clause */
/* What the generator sends arrives whole, in order and once; what does not fit is counted. */
#include "cxtest.h"
#include <rte_udp.h>

#define FIRST_PORT 5000
#define MAX_PORTS 16
#define PAYLOAD 42 /* offset of it in the frame */

static uint64_t expect[MAX_PORTS], last_stamp;

static void
check_datagram(const struct rte_mbuf *m, unsigned int ports)
{
	static uint8_t copy[2048];
	const uint8_t *f = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	const struct rte_ipv4_hdr *ip = (const void *)(f + 14);
	const struct rte_udp_hdr *udp = (const void *)(ip + 1);
	unsigned int port = rte_be_to_cpu_16(udp->dst_port) - FIRST_PORT;
	uint32_t end = 34 + rte_be_to_cpu_16(udp->dgram_len), i;
	uint64_t number, stamp;

	CHECK(f != NULL && m->pkt_len >= 60, "length %u", m->pkt_len);
	CHECK(port < ports, "destination port %u", port + FIRST_PORT);
	memcpy(&number, f + PAYLOAD, 8);
	memcpy(&stamp, f + PAYLOAD + 8, 8);
	number = rte_be_to_cpu_64(number);
	stamp = rte_be_to_cpu_64(stamp);
	CHECK(number == expect[port], "port %u: number %lu instead of %lu", port, number,
			expect[port]);
	expect[port]++;
	CHECK(stamp >= last_stamp, "time goes backwards");
	last_stamp = stamp;
	for (i = PAYLOAD + 16; i < end; i++)
		CHECK(f[i] == (uint8_t)number, "byte %u is %u, not %u", i, f[i], (uint8_t)number);
	CHECK(rte_ipv4_cksum(ip) == 0 || ip->hdr_checksum != 0, "no IP checksum");
	CHECK(rte_ipv4_udptcp_cksum_verify(ip, udp) == 0, "UDP checksum of number %lu", number);
	CHECK((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
			"flags %lx", m->ol_flags);
	CHECK((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
			"flags %lx", m->ol_flags);
}

/* a: datagrams, b: ports */
void
case_gen(const struct test_case *c)
{
	struct port_conf pc = {
		.rxqs = 1, .rxd = 1024, .rx_offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM
	};
	struct rte_mbuf *m[64];
	struct rte_eth_burst_mode mode;
	struct rte_eth_stats st;
	unsigned int got = 0, n, i;

	/* the PMD wants more descriptors than strides of a buffer */
	if (sscanf(c->name, "geometry-%u", &n) == 1)
		pc.rxd = RTE_MAX(1024u, 2u << n);
	port_start(&pc);
	CHECK(rte_eth_rx_burst_mode_get(0, 0, &mode) == 0, "burst mode");
	if (strncmp(c->name, "geometry", 8) == 0)
		CHECK(strstr(mode.info, strstr(c->name, "scalar") ? "Multi-Packet" : "MPRQ Vec"),
				"mode %s", mode.info);
	while (got < c->a) {
		m[0] = port_next();
		CHECK(m[0] != NULL, "%u datagrams came, not %u", got, c->a);
		n = 1;
		if (c->a - got > 1)
			n += port_receive(m + 1, NULL, RTE_MIN(RTE_DIM(m), c->a - got) - 1, 1);
		for (i = 0; i < n; i++) {
			check_datagram(m[i], c->b);
			rte_pktmbuf_free(m[i]);
		}
		got += n;
	}
	CHECK(port_receive(m, NULL, 1, 1) == 0, "more than %u datagrams", c->a);
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	CHECK(st.imissed == 0, "%lu missed by a wire that waits", st.imissed);
	port_stop();
}

/* a: datagrams, at full rate on a port that is not polled for a while */
void
case_overload(const struct test_case *c)
{
	/* isolated, so that nothing of the kernel comes; the generator waits for the rule */
	struct port_conf pc = { .rxqs = 1, .rxd = 1024, .isolated = true };
	struct rte_flow_action_queue queue = { .index = 0 };
	struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_eth_stats st = { 0 };
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	uint64_t polled = 0;
	struct rte_mbuf *m[64];
	uint16_t i, r;

	port_start(&pc);
	port_udp_rule(0, 0, 0, FIRST_PORT, 0, actions);
	while (st.imissed < c->a / 4 && rte_get_timer_cycles() < end) {
		rte_delay_us_sleep(1000);
		CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	}
	CHECK(st.imissed >= c->a / 4, "%lu missed though nobody polled", st.imissed);
	while (polled + st.imissed < c->a && rte_get_timer_cycles() < end) {
		r = rte_eth_rx_burst(0, 0, m, RTE_DIM(m));
		for (i = 0; i < r; i++)
			rte_pktmbuf_free(m[i]);
		polled += r;
		if (r == 0)
			CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	}
	rte_delay_us_sleep(10000);
	CHECK(rte_eth_rx_burst(0, 0, m, RTE_DIM(m)) == 0, "more than %u", c->a);
	CHECK(rte_eth_stats_get(0, &st) == 0, "stats");
	CHECK(polled + st.imissed == c->a, "%lu received and %lu missed of %u", polled, st.imissed,
			c->a);
	CHECK(st.ipackets == polled, "%lu packets counted, %lu received", st.ipackets, polled);
	port_stop();
}
