/* SPDX-License-Identifier: BSD-3-Clause */
/* LRO: segments in order become one frame, whose payload, headers and checksums are right. */
#include "cxtest.h"
#include <rte_tcp.h>

#define SEG 1000 /* bytes of payload */
#define HEADERS 54
#define FLOWS 3
#define ACK 0x10
#define ACK_PSH 0x18
#define MAX_FRAMES 512

static int s;
static uint32_t seq[FLOWS];

static void
send_segment(unsigned int flow, uint8_t fill, uint8_t flags)
{
	struct segment seg = { .src = 0x0a630001,
		.dst = 0x0a630002,
		.sport = 30000 + flow,
		.dport = 80,
		.proto = IPPROTO_TCP,
		.flags = flags,
		.seq = seq[flow],
		.ack = 777 + fill,
		.win = 1000 + fill,
		.fill = fill,
		.len = SEG };

	peer_segment(s, &seg);
	seq[flow] += SEG;
}

/* Checks one frame and returns how many segments it holds. */
static unsigned int
check(const struct rte_mbuf *m)
{
	static uint8_t copy[65536], expect_fill[FLOWS];
	static uint32_t expect_seq[FLOWS];
	const uint8_t *f = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	const struct rte_ipv4_hdr *ip = (const void *)(f + 14);
	const struct rte_tcp_hdr *tcp = (const void *)(ip + 1);
	uint32_t len = m->pkt_len - HEADERS, flow = rte_be_to_cpu_16(tcp->src_port) - 30000, i, n;
	uint8_t last;

	CHECK(flow < FLOWS && len % SEG == 0, "%u bytes of flow %u", len, flow);
	n = len / SEG;
	CHECK(rte_be_to_cpu_16(ip->total_length) == m->pkt_len - 14, "IP length");
	CHECK(rte_be_to_cpu_32(tcp->sent_seq) == expect_seq[flow], "sequence %u instead of %u",
			rte_be_to_cpu_32(tcp->sent_seq), expect_seq[flow]);
	for (i = 0; i < len; i++)
		CHECK(f[HEADERS + i] == (uint8_t)(expect_fill[flow] + i / SEG), "payload byte %u",
				i);
	last = expect_fill[flow] + n - 1;
	CHECK(rte_be_to_cpu_32(tcp->recv_ack) == 777u + last, "ACK is not the last segment's");
	CHECK(rte_be_to_cpu_16(tcp->rx_win) == 1000u + last, "window is not the last segment's");
	CHECK(rte_raw_cksum(ip, 20) == 0xffff, "IP checksum");
	if (copy == f || m->nb_segs == 1)
		CHECK(rte_ipv4_udptcp_cksum_verify(ip, tcp) == 0, "TCP checksum");
	if (n > 1) {
		CHECK(m->ol_flags & RTE_MBUF_F_RX_LRO, "not flagged");
		/* the PMD divides the frame, not the payload */
		CHECK(m->tso_segsz == m->pkt_len / n, "segment size %u", m->tso_segsz);
	}
	expect_seq[flow] += len;
	expect_fill[flow] += n;
	return n;
}

static unsigned int
receive(unsigned int segments)
{
	struct rte_mbuf *m[MAX_FRAMES];
	unsigned int frames = 0, got = 0;

	while (got < segments) {
		CHECK(frames < MAX_FRAMES, "too many frames");
		CHECK(port_receive(&m[frames], NULL, 1, 1) == 1, "%u of %u segments", got,
				segments);
		got += check(m[frames]);
		rte_pktmbuf_free(m[frames++]);
	}
	CHECK(got == segments, "%u segments instead of %u", got, segments);
	return frames;
}

void
case_lro(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1,
		.rxd = 1024,
		.lro_size = 16000,
		.rx_offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER |
				RTE_ETH_RX_OFFLOAD_CHECKSUM };
	unsigned int i, f, frames;

	(void)c;
	port_start(&pc);
	s = peer_open(WIRE);
	/* PSH ends a session: four segments each, whatever the time it takes to send them */
	for (i = 0; i < 40; i++)
		for (f = 0; f < FLOWS; f++)
			send_segment(f, i, i % 4 == 3 ? ACK_PSH : ACK);
	frames = receive(40 * FLOWS);
	printf("%u segments became %u frames\n", 40 * FLOWS, frames);
	/* the timer may end a session early when the sender is interrupted */
	CHECK(frames >= 10 * FLOWS && frames < 20 * FLOWS, "%u frames", frames);
	/* no PSH: the timer ends it */
	send_segment(0, 40, ACK);
	frames = receive(1);
	CHECK(frames == 1, "%u frames", frames);
	/* the size limit ends it: 15 segments do not fit in 16000 bytes with headers */
	for (i = 41; i < 41 + 48; i++)
		send_segment(0, i, ACK);
	frames = receive(48);
	CHECK(frames >= 4 && frames < 24, "%u frames", frames);
	port_stop();
}
