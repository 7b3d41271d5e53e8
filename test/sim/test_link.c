/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The link by itself: does what its parameters say, as often as they say, and the same again with
 * the same seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "sim_eal.h"
#include "sim_link.h"
#include "sim_rand.h"

#define MS UINT64_C(1000000)
#define SEC UINT64_C(1000000000)
#define POOL 4095

static struct rte_mempool *pool;
static struct sim_link wire;

/** An IPv4 packet of @p len bytes that carries its number. */
static struct rte_mbuf *
packet(uint32_t number, uint16_t len, uint8_t ecn)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv4_hdr *ip;

	assert_non_null(m);
	ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, len);
	assert_non_null(ip);
	memset(ip, 0, len);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->type_of_service = ecn;
	ip->total_length = rte_cpu_to_be_16(len);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(ip + 1, &number, sizeof(number));
	m->l2_len = 0;
	return m;
}

static uint32_t
number_of(const struct rte_mbuf *m)
{
	uint32_t number;

	memcpy(&number, rte_pktmbuf_mtod_offset(m, void *, sizeof(struct rte_ipv4_hdr)),
			sizeof(number));
	return number;
}

static void
start(const char *text, uint64_t seed)
{
	struct sim_link_params params = { 0 };
	char bad[64] = "";

	assert_int_equal(sim_link_parse(&params, text, bad, sizeof(bad)), 0);
	assert_int_equal(sim_link_init(&wire, &params, seed), 0);
}

static int
stop(void **state)
{
	(void)state;
	sim_link_fini(&wire);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

/** Puts @p n packets in, one each @p gap, and takes out what arrives. @return arrivals' hash */
static uint64_t
stream(uint32_t n, uint64_t gap, uint16_t len, uint8_t *arrived)
{
	uint64_t hash = 0, now = 0;
	struct rte_mbuf *m;

	for (uint32_t i = 1; i <= n || sim_link_next(&wire) != SIM_NEVER; i++, now += gap) {
		uint64_t at;

		if (i <= n)
			sim_link_put(&wire, now, packet(i, len, 0));
		while ((at = sim_link_next(&wire)) <= now) {
			m = sim_link_take(&wire, now);
			hash = sim_mix(hash ^ sim_mix(at) ^ number_of(m));
			if (arrived != NULL)
				arrived[number_of(m)]++;
			rte_pktmbuf_free(m);
		}
	}
	return hash;
}

static void
test_rate_and_delay(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	start("rate=8M,delay=5ms,overhead=24", 1); /* a byte a microsecond */
	for (uint32_t i = 1; i <= 10; i++)
		sim_link_put(&wire, 0, packet(i, 976, 0));
	assert_int_equal(sim_link_queued(&wire, 0), 10000);
	assert_int_equal(sim_link_queued(&wire, 3 * MS), 7000);
	for (uint32_t i = 1; i <= 10; i++) {
		assert_int_equal(sim_link_next(&wire), i * MS + 5 * MS);
		assert_null(sim_link_take(&wire, i * MS + 5 * MS - 1));
		m = sim_link_take(&wire, i * MS + 5 * MS);
		assert_int_equal(number_of(m), i);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(sim_link_next(&wire), SIM_NEVER);
	/* idle in between: a packet starts when it comes */
	sim_link_put(&wire, 50 * MS, packet(11, 976, 0));
	assert_int_equal(sim_link_next(&wire), 56 * MS);
}

static void
test_rate_without_rounding(void **state)
{
	struct rte_mbuf *m;
	uint64_t last = 0;

	(void)state;
	start("rate=7777777", 1);
	for (uint32_t i = 1; i <= 1000; i++)
		sim_link_put(&wire, 0, packet(i, 101, 0));
	while ((last = sim_link_next(&wire)) != SIM_NEVER) {
		m = sim_link_take(&wire, last);
		if (number_of(m) == 1000)
			assert_int_equal(last, UINT64_C(1000) * 101 * 8 * SEC / 7777777);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(wire.counts.taken, 1000);
}

static void
test_queue(void **state)
{
	(void)state;
	start("rate=8M,queue=3000", 1);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(sim_link_put(&wire, 0, packet(i, 1000, 0)), SIM_PASSED);
	assert_int_equal(sim_link_put(&wire, 0, packet(4, 1000, 0)), SIM_QUEUE_FULL);
	assert_int_equal(sim_link_put(&wire, MS / 2, packet(5, 501, 0)), SIM_QUEUE_FULL);
	assert_int_equal(sim_link_put(&wire, MS / 2, packet(6, 500, 0)), SIM_PASSED);
	assert_int_equal(wire.counts.queue_max, 3000);
}

static void
test_loss_frequency(void **state)
{
	(void)state;
	start("loss=0.03", 7);
	stream(100000, 1000, 60, NULL);
	/* sigma is 54 */
	assert_in_range(wire.counts.fate[SIM_LOST], 2800, 3200);
	assert_int_equal(wire.counts.fate[SIM_LOST] + wire.counts.taken, 100000);
}

static void
test_bursts(void **state)
{
	uint8_t *arrived = calloc(200001, 1);
	unsigned int losses = 0, runs = 0;

	(void)state;
	start("burst_enter=0.01,burst_leave=0.2,burst_loss=1", 3);
	stream(200000, 1000, 60, arrived);
	for (uint32_t i = 1; i <= 200000; i++) {
		losses += arrived[i] == 0;
		runs += arrived[i] == 0 && (i == 1 || arrived[i - 1] != 0);
	}
	free(arrived);
	assert_int_equal(losses, wire.counts.fate[SIM_LOST]);
	/* 1 in 21 in the bad state, for 5 packets on average */
	assert_in_range(losses, 200000 / 21 * 9 / 10, 200000 / 21 * 11 / 10);
	assert_in_range(losses * 10 / runs, 45, 55);
}

static void
test_patterns(void **state)
{
	uint8_t arrived[102] = { 0 };

	(void)state;
	start("drops=2:3:77,drop_every=10", 1);
	stream(101, 1000, 60, arrived);
	for (unsigned int i = 1; i <= 101; i++)
		assert_int_equal(arrived[i], i != 2 && i != 3 && i != 77 && i % 10 != 0);
}

static void
test_reorder(void **state)
{
	unsigned int swaps = 0;
	uint32_t last = 0;
	struct rte_mbuf *m;

	(void)state;
	start("delay=1ms,reorder=0.1,reorder_for=2500ns", 5);
	for (uint32_t i = 1; i <= 3000; i++)
		sim_link_put(&wire, i * 1000, packet(i, 60, 0));
	while ((m = sim_link_take(&wire, SEC)) != NULL) {
		swaps += number_of(m) < last;
		last = number_of(m);
		rte_pktmbuf_free(m);
	}
	assert_in_range(wire.counts.reordered, 240, 360);
	/* a late one is overtaken by two, unless those are late too */
	assert_in_range(swaps, wire.counts.reordered * 8 / 10, wire.counts.reordered);
}

static void
test_jitter(void **state)
{
	uint64_t at, least = SIM_NEVER, most = 0;

	(void)state;
	start("delay=1ms,jitter=100us", 5);
	for (uint32_t i = 1; i <= 2000; i++) {
		sim_link_put(&wire, 0, packet(i, 60, 0));
		at = sim_link_next(&wire);
		least = RTE_MIN(least, at);
		most = RTE_MAX(most, at);
		rte_pktmbuf_free(sim_link_take(&wire, SEC));
	}
	assert_in_range(least, MS, MS + 1000);
	assert_in_range(most, MS + 99000, MS + 100000);
}

static void
test_duplicates(void **state)
{
	uint8_t *arrived = calloc(10001, 1);
	unsigned int twice = 0;

	(void)state;
	start("duplicate=0.1,delay=1ms", 5);
	stream(10000, 1000, 60, arrived);
	for (unsigned int i = 1; i <= 10000; i++) {
		assert_in_range(arrived[i], 1, 2);
		twice += arrived[i] == 2;
	}
	free(arrived);
	assert_int_equal(twice, wire.counts.duplicated);
	assert_in_range(twice, 900, 1100);
}

static void
test_corruption(void **state)
{
	struct rte_mbuf *m, *good = packet(0, 100, 0);

	(void)state;
	start("corrupt=1", 5);
	for (unsigned int i = 0; i < 200; i++) {
		unsigned int bits = 0;

		sim_link_put(&wire, i, packet(0, 100, 0));
		m = sim_link_take(&wire, i);
		for (unsigned int j = 0; j < 100; j++)
			bits += (unsigned int)__builtin_popcount(rte_pktmbuf_mtod(m, uint8_t *)[j] ^
					rte_pktmbuf_mtod(good, uint8_t *)[j]);
		assert_int_equal(bits, 1);
		rte_pktmbuf_free(m);
	}
	rte_pktmbuf_free(good);
}

static void
test_ecn_mark(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	start("rate=8M,ecn_mark=2000", 1);
	for (uint32_t i = 1; i <= 4; i++)
		sim_link_put(&wire, 0, packet(i, 1000, i == 4 ? 0 : 2));
	for (uint32_t i = 1; i <= 4; i++) {
		struct rte_ipv4_hdr *ip;

		m = sim_link_take(&wire, SEC);
		ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
		/* the third saw two packets wait; the fourth does not speak ECN */
		assert_int_equal(ip->type_of_service & 3, i == 3 ? 3 : i == 4 ? 0 : 2);
		assert_int_equal(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
		rte_pktmbuf_free(m);
	}
}

/** A standing queue is cut after an interval, one that drains in time is left alone. */
static void
test_codel(void **state)
{
	uint64_t first = 0, now = 0;

	(void)state;
	start("rate=8M,codel=5ms,codel_interval=100ms", 1);
	for (uint32_t i = 1; i <= 15; i++)
		sim_link_put(&wire, 0, packet(i, 1000, 0));
	stream(0, MS, 1000, NULL);
	assert_int_equal(wire.counts.fate[SIM_AQM], 0);
	/* one packet too many each 20 ms */
	for (uint32_t i = 1; i <= 4000; i++, now += MS * 95 / 100) {
		if (sim_link_put(&wire, SEC + now, packet(i, 1000, 0)) == SIM_AQM && first == 0)
			first = now;
		while (sim_link_next(&wire) <= SEC + now)
			rte_pktmbuf_free(sim_link_take(&wire, SEC + now));
	}
	assert_in_range(first, 150 * MS, 250 * MS);
	/* near the target in the end, not at the 200 ms that 5 % of 4 s would be */
	assert_in_range(sim_link_queued(&wire, SEC + now), 0, 60000);
	assert_in_range(wire.counts.fate[SIM_AQM], 120, 220);
}

static void
test_mtu(void **state)
{
	(void)state;
	start("mtu=1500,mtu_then=1000,mtu_at=1s", 1);
	assert_int_equal(sim_link_put(&wire, 0, packet(1, 1500, 0)), SIM_PASSED);
	assert_int_equal(sim_link_put(&wire, 0, packet(1, 1501, 0)), SIM_TOO_BIG);
	assert_int_equal(sim_link_put(&wire, SEC, packet(1, 1001, 0)), SIM_TOO_BIG);
	assert_int_equal(sim_link_put(&wire, SEC, packet(1, 1000, 0)), SIM_PASSED);
}

static void
test_down(void **state)
{
	static const struct {
		uint64_t at;
		enum sim_fate fate;
	} puts[] = { { 9, SIM_PASSED }, { 10, SIM_DOWN }, { 14, SIM_DOWN }, { 15, SIM_PASSED },
		{ 29, SIM_PASSED }, { 30, SIM_DOWN }, { 35, SIM_PASSED } };

	(void)state;
	start("down_at=10ms,down_for=5ms,down_every=20ms", 1);
	for (unsigned int i = 0; i < RTE_DIM(puts); i++)
		assert_int_equal(sim_link_put(&wire, puts[i].at * MS, packet(i, 60, 0)),
				puts[i].fate);
}

static void
test_same_seed_same_trace(void **state)
{
	const char *all = "rate=100M,delay=1ms,jitter=50us,queue=20k,loss=0.02,burst_enter=0.001,"
			  "burst_leave=0.3,burst_loss=0.9,reorder=0.02,reorder_for=300us,"
			  "duplicate=0.01,corrupt=0.01";
	uint64_t hash[3];

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		start(all, i < 2 ? 11 : 12);
		hash[i] = stream(20000, 5000, 60, NULL);
		sim_link_fini(&wire);
	}
	assert_true(hash[0] == hash[1]);
	assert_true(hash[0] != hash[2]);
}

static void
test_text(void **state)
{
	const char *text = "rate=1G,delay=10ms,queue=256k,loss=0.1,drops=3:5,mtu=1500,codel=5ms";
	struct sim_link_params a = { 0 }, b = { 0 };
	char buf[512], bad[64] = "";

	(void)state;
	assert_int_equal(sim_link_parse(&a, text, bad, sizeof(bad)), 0);
	assert_int_equal(a.rate, 1000000000);
	assert_int_equal(a.delay, 10 * MS);
	assert_int_equal(a.queue, 256 * 1024);
	assert_int_equal(a.n_drops, 2);
	assert_int_equal(a.drops[1], 5);
	sim_link_format(&a, buf, sizeof(buf));
	assert_int_equal(sim_link_parse(&b, buf, bad, sizeof(bad)), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(sim_link_parse(&a, "delay=1ms,speed=3", bad, sizeof(bad)), -EINVAL);
	assert_string_equal(bad, "speed=3");
	assert_int_equal(sim_link_parse(&a, "loss=1.5", bad, sizeof(bad)), -EINVAL);
	assert_int_equal(sim_link_parse(&a, "delay=1x", bad, sizeof(bad)), -EINVAL);
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, stop)
	const struct CMUnitTest tests[] = { T(test_rate_and_delay), T(test_rate_without_rounding),
		T(test_queue), T(test_loss_frequency), T(test_bursts), T(test_patterns),
		T(test_reorder), T(test_jitter), T(test_duplicates), T(test_corruption),
		T(test_ecn_mark), T(test_codel), T(test_mtu), T(test_down),
		T(test_same_seed_same_trace), T(test_text) };
	int failed;

	if (sim_eal_up("test_sim_link", "64") != 0)
		return 1;
	pool = rte_pktmbuf_pool_create("p", POOL, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	failed = pool == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	sim_eal_down();
	return failed;
}
