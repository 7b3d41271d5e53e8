/* SPDX-License-Identifier: BSD-3-Clause */
/* A link of a given rate, delay and queue, measured by the times in completions. */
#include "cxtest.h"

#define MS 1000000ull
#define BURST 32

static struct numbered got[1000];

/* a: datagrams of 1000 bytes, b: bit/s, which do not divide what a frame takes */
void
case_shape_rate(const struct test_case *c)
{
	/* headers, and 24 bytes of preamble, FCS and gap */
	const uint64_t bits = (1000 + 42 + 24) * 8, ns = bits * 1000000000 / c->b;
	unsigned int i, n, exact = 0;
	uint64_t gap, all, should;

	numbered_start(RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	n = numbered_receive(got, RTE_DIM(got));
	CHECK(n == c->a, "%u of %u", n, c->a);
	for (i = 1; i < n; i++) {
		CHECK(got[i].number == i, "arrival %u: number %lu", i, got[i].number);
		gap = got[i].arrived - got[i - 1].arrived;
		CHECK(gap >= ns, "%u: %lu ns after the one before", i, gap);
		exact += gap <= ns + 1;
	}
	all = got[n - 1].arrived - got[0].arrived;
	should = (n - 1) * bits * 1000000000 / c->b;
	printf("%u of %u gaps exact, %lu ns, %lu at that rate\n", exact, n - 1, all, should);
	CHECK(all <= should * 105 / 100, "too slow: %lu ns", all);
	CHECK(all + 1 >= should, "too fast: %lu ns", all);
	/* when the link was never idle, fractions of nanoseconds have added up */
	CHECK(exact >= (n - 1) * 9 / 10, "%u gaps", exact);
	CHECK(exact < n - 1 || all <= should + 1, "%lu ns too slow", all - should);
	port_stop();
}

/* 20 ms and up to 5 more, nothing overtakes */
void
case_shape_delay(const struct test_case *c)
{
	uint64_t d, min = UINT64_MAX, max = 0;
	unsigned int i, n;

	numbered_start(RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	n = numbered_receive(got, RTE_DIM(got));
	CHECK(n == c->a, "%u of %u", n, c->a);
	for (i = 0; i < n; i++) {
		d = got[i].arrived - got[i].stamp;
		CHECK(got[i].number == i, "arrival %u: number %lu", i, got[i].number);
		CHECK(d >= 20 * MS && d <= 25 * MS, "number %u: %lu ns", i, d);
		CHECK(i == 0 || got[i].arrived >= got[i - 1].arrived, "time goes backwards");
		CHECK(got[i].seen >= got[i].arrived, "seen before it came");
		min = RTE_MIN(d, min);
		max = RTE_MAX(d, max);
	}
	printf("%lu to %lu ns\n", min, max);
	CHECK(max - min >= 2 * MS, "no jitter");
	port_stop();
}

/* One is being sent, ten of 100 bytes wait, the others are lost. */
void
case_shape_queue(const struct test_case *c)
{
	unsigned int i, n;

	numbered_start(RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	numbered_send(0, BURST);
	n = numbered_receive(got, RTE_DIM(got));
	CHECK(n == 11, "%u arrived", n);
	for (i = 0; i < n; i++) {
		CHECK(got[i].number == i, "arrival %u: number %lu", i, got[i].number);
		/* sent one after the other, the first at once; noticed in the turn that follows */
		CHECK(got[i].arrived - got[i].stamp >= (i + 1) * (uint64_t)c->b, "%lu ns",
				got[i].arrived - got[i].stamp);
	}
	/* empty again: as before */
	numbered_send(100, BURST);
	n = numbered_receive(got, RTE_DIM(got));
	CHECK(n == 11 && got[0].number == 100, "%u arrived the second time", n);
	port_stop();
}

#define LEN 1000
static const uint8_t src6[16] = { 0xfd, [15] = 1 }, dst6[16] = { 0xfd, [15] = 2 };

static struct rte_mbuf *
ecn_frame(unsigned int i)
{
	struct segment seg = { .src = 0x0a630002,
		.dst = 0x0a630001,
		.sport = 1000 + i,
		.dport = 2,
		.proto = IPPROTO_UDP,
		.len = LEN - 42 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv4_hdr *ip;
	uint8_t *f;

	CHECK(m != NULL, "no mbuf");
	if (i % 3 == 2) {
		seg.src6 = src6;
		seg.dst6 = dst6;
		seg.len -= 20;
	}
	f = (uint8_t *)rte_pktmbuf_append(m, LEN);
	CHECK(f != NULL && peer_frame(f, &seg) == LEN, "length");
	if (i % 3 == 2) {
		f[15] |= 1 << 4; /* ECT(1) */
	} else if (i % 3 == 0) {
		ip = (void *)(f + 14);
		ip->type_of_service = 2; /* ECT(0) */
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	return m;
}

/* 5000 bytes may wait unmarked: frames 7 to 16, the last that the queue has room for. */
void
case_shape_ecn(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024 };
	struct rte_mbuf *m[BURST];
	unsigned int i, n, ecn, expected;

	(void)c;
	port_start(&pc);
	for (i = 0; i < BURST; i++)
		m[i] = ecn_frame(i);
	CHECK(rte_eth_tx_burst(0, 0, m, BURST) == BURST, "not sent");
	n = port_receive(m, NULL, BURST, 1);
	CHECK(n == 16, "%u arrived", n);
	for (i = 0; i < n; i++) {
		const uint8_t *f = rte_pktmbuf_mtod(m[i], const uint8_t *);

		if (i % 3 == 2) {
			CHECK(f[12] == 0x86 && (f[14] & 0xf0) == 0x60, "frame %u: no IPv6", i);
			ecn = (f[15] >> 4) & 3;
			expected = i >= 6 ? 3 : 1;
		} else {
			CHECK(rte_raw_cksum(f + 14, 20) == 0xffff, "frame %u: checksum", i);
			ecn = f[15] & 3;
			expected = i % 3 == 1 ? 0 : i >= 6 ? 3 : 2;
		}
		CHECK(ecn == expected, "frame %u: ECN %u, not %u", i, ecn, expected);
		rte_pktmbuf_free(m[i]);
	}
	port_stop();
}
