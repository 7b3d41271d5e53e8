/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash is Toeplitz's as rte_softrss() computes it, and the queue is the table's. */
#include "cxtest.h"
#include <rte_thash.h>

#define QUEUES 4
#define FRAMES 256
#define RETA_MAX 512

static uint16_t reta[RETA_MAX];
static unsigned int reta_size;

static void
read_reta(void)
{
	struct rte_eth_rss_reta_entry64 e[RETA_MAX / 64];
	struct rte_eth_dev_info di;
	unsigned int i;

	CHECK(rte_eth_dev_info_get(0, &di) == 0, "info");
	reta_size = di.reta_size;
	CHECK(reta_size > 0 && reta_size <= RETA_MAX, "table of %u", reta_size);
	memset(e, 0xff, sizeof(e));
	CHECK(rte_eth_dev_rss_reta_query(0, e, reta_size) == 0, "table");
	for (i = 0; i < reta_size; i++)
		reta[i] = e[i / 64].reta[i % 64];
}

static uint32_t
expected_hash(const uint8_t *f)
{
	uint32_t tuple[9], n = 0, i;
	bool v6 = f[12] == 0x86;
	const uint8_t *addr = v6 ? f + 22 : f + 26;
	const uint8_t *l4 = f + (v6 ? 54 : 34);

	for (i = 0; i < (v6 ? 8u : 2u); i++) {
		memcpy(&tuple[n], addr + 4 * i, 4);
		tuple[n] = rte_be_to_cpu_32(tuple[n]);
		n++;
	}
	tuple[n++] = (uint32_t)l4[0] << 24 | l4[1] << 16 | l4[2] << 8 | l4[3];
	return rte_softrss(tuple, n, toeplitz_key);
}

static void
send_all(int s)
{
	static const uint8_t src6[16] = { 0xfd, 0, 0x11, 0x22, [15] = 1 };
	uint8_t dst6[16] = { 0xfd, 0, 0x11, 0x22, [15] = 2 };
	unsigned int i;

	for (i = 0; i < FRAMES; i++) {
		struct segment seg = { .src = 0x0a630001 + i * 7,
			.dst = 0x0a630002 + i / 3,
			.sport = 1024 + i * 13,
			.dport = 80 + i % 11,
			.proto = i & 1 ? IPPROTO_UDP : IPPROTO_TCP,
			.flags = 0x10,
			.len = 64 };

		if (i & 2) {
			seg.src6 = src6;
			seg.dst6 = dst6;
			dst6[14] = i;
		}
		peer_segment(s, &seg);
	}
}

void
case_rss(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = QUEUES,
		.rss = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP,
		.rx_offloads = RTE_ETH_RX_OFFLOAD_RSS_HASH };
	unsigned int n, i, used[QUEUES] = { 0 }, v6 = 0;
	struct rte_mbuf *m[FRAMES];
	uint16_t queue[FRAMES];
	int s;

	(void)c;
	port_start(&pc);
	read_reta();
	s = peer_open(WIRE);
	send_all(s);
	n = port_receive(m, queue, FRAMES, QUEUES);
	CHECK(n == FRAMES, "%u of %u frames", n, FRAMES);
	for (i = 0; i < n; i++) {
		const uint8_t *f = rte_pktmbuf_mtod(m[i], const uint8_t *);
		uint32_t h = expected_hash(f);

		v6 += f[12] == 0x86;
		CHECK(m[i]->ol_flags & RTE_MBUF_F_RX_RSS_HASH, "no hash");
		CHECK(m[i]->hash.rss == h, "hash %08x instead of %08x", m[i]->hash.rss, h);
		CHECK(queue[i] == reta[h % reta_size], "queue %u instead of %u", queue[i],
				reta[h % reta_size]);
		used[queue[i]]++;
		rte_pktmbuf_free(m[i]);
	}
	CHECK(v6 == FRAMES / 2, "%u frames of IPv6", v6);
	for (i = 0; i < QUEUES; i++)
		CHECK(used[i] > 0, "queue %u got nothing", i);
	port_stop();
}
