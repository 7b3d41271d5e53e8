/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware time stamps: between two readings of the device's clock, and never back. Frames of many
 * buffers (scatter), whose bytes are all there.
 */
#include "cxtest.h"
#include <rte_mbuf_dyn.h>

#define FRAMES 500

static void
check_stamps(int offset, uint64_t flag)
{
	struct segment seg = { .src = 0x0a630001,
		.dst = 0x0a630002,
		.sport = 1,
		.dport = 2,
		.proto = IPPROTO_UDP,
		.len = 100 };
	uint64_t before, after, stamp, last = 0;
	struct rte_mbuf *m;
	uint8_t frame[2048];
	unsigned int i;

	for (i = 0; i < FRAMES; i++) {
		uint32_t len = peer_frame(frame, &seg);

		CHECK(rte_eth_read_clock(0, &before) == 0, "clock");
		port_send(frame, len);
		m = port_wait(NULL, 1, "time stamp");
		CHECK(rte_eth_read_clock(0, &after) == 0, "clock");
		CHECK(m->ol_flags & flag, "no time stamp");
		stamp = *RTE_MBUF_DYNFIELD(m, offset, rte_mbuf_timestamp_t *);
		CHECK(stamp >= before && stamp <= after, "frame %u: %lu is not in %lu to %lu", i,
				stamp, before, after);
		CHECK(stamp >= last, "frame %u: back from %lu to %lu", i, last, stamp);
		last = stamp;
		rte_pktmbuf_free(m);
	}
}

static void
check_scatter(bool chained)
{
	static uint8_t frame[16384], copy[16384];
	struct segment seg = {
		.src = 0x0a630001, .dst = 0x0a630002, .sport = 1, .dport = 2, .proto = IPPROTO_UDP
	};
	struct rte_mbuf *m, *s;
	const uint8_t *d;
	uint32_t len, i, n;

	for (seg.len = 20; seg.len < 1472; seg.len += 61) {
		seg.vlan = seg.len % 2 ? 0 : 7;
		len = peer_frame(frame, &seg);
		for (i = len - seg.len; i < len; i++)
			frame[i] = i * 7 + i / 256;
		port_send(frame, len);
		m = port_wait(NULL, 1, "scatter");
		if (seg.vlan) {
			CHECK(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED && m->vlan_tci == 7, "tag");
			memmove(frame + 4, frame, 12);
		}
		n = len - (seg.vlan ? 4 : 0);
		CHECK(m->pkt_len == n, "%u bytes, not %u", m->pkt_len, n);
		d = rte_pktmbuf_read(m, 0, n, copy);
		CHECK(memcmp(d, frame + (seg.vlan ? 4 : 0), n) == 0, "%u bytes: wrong", n);
		for (i = 0, s = m; s != NULL; s = s->next)
			i += s->data_len;
		CHECK(i == n, "segments hold %u of %u bytes", i, n);
		CHECK(!chained || n < 600 || m->nb_segs > 1, "%u bytes in one buffer", n);
		rte_pktmbuf_free(m);
	}
}

/* a: 1 checks buffers smaller than frames, too; 2 those of a striding queue, which the PMD attaches
 * whole */
void
case_timestamp(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1,
		.rx_offloads = RTE_ETH_RX_OFFLOAD_TIMESTAMP | RTE_ETH_RX_OFFLOAD_VLAN_STRIP };
	uint64_t flag;
	int offset, bit;

	if (c->a) {
		pc.rx_offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
		pc.tx_offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
		pc.buffer = 512 + RTE_PKTMBUF_HEADROOM;
	}
	port_start(&pc);
	offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	CHECK(offset >= 0 && bit >= 0, "no field for time stamps");
	flag = UINT64_C(1) << bit;
	check_stamps(offset, flag);
	if (c->a)
		check_scatter(c->a == 1);
	port_stop();
}
