/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of reassembly: any order, doubles, overlaps, holes that never close, limits; and of the
 * way of a whole datagram from there to its socket.
 */
#include "world.h"

static struct frame whole, f;
static uint64_t seed = 12345;

static uint32_t
dice(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

static void
piece(uint32_t at, uint32_t len)
{
	frame_fragment(&whole, at, len, &f);
	input_one(&f);
}

static void
in_order(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp(&whole, 3992, 7); /* 4000 bytes of IP data */
	piece(0, 1480);
	piece(1480, 1480);
	assert_int_equal(r->n, 0);
	piece(2960, 1040);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->len[0], whole.len);
	assert_int_equal(r->payload[0], 7);
	/* as if it had never been cut, header checksum and all */
	assert_memory_equal(r->whole, whole.b, whole.len);
	assert_int_equal(RX(fragments_in), 3);
	assert_int_equal(RX(reassembled), 1);
	assert_int_equal(dropped(&ring0), 0);
}

static void
any_order(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	uint32_t at[64], i, k, n, round;

	(void)state;
	for (round = 1; round <= 60; round++) {
		uint32_t total = 8 + 200 + dice(3000), step = 8 * (16 + dice(40));

		frame_udp(&whole, (uint16_t)(total - 8), (uint16_t)round);
		frame_ip_hdr(&whole)->packet_id = (uint16_t)round;
		frame_sum_ip(&whole);
		for (n = 0; n * step < total; n++)
			at[n] = n * step;
		for (i = n - 1; i > 0; i--) {
			uint32_t t = at[i];

			k = dice(i + 1);
			at[i] = at[k];
			at[k] = t;
		}
		for (i = 0; i < n; i++) {
			assert_int_equal(r->n, round - 1);
			piece(at[i], RTE_MIN(step, total - at[i]));
			/* some come twice */
			if (i + 1 < n && dice(3) == 0)
				piece(at[i], RTE_MIN(step, total - at[i]));
		}
		assert_int_equal(r->n, round);
		assert_int_equal(r->payload[round - 1], round);
		assert_memory_equal(r->whole, whole.b, whole.len);
	}
}

/* 64 KB over an Ethernet, in reverse and in order. */
static void
largest(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	uint32_t total = 65515, n = (total + 1479) / 1480, i;

	(void)state;
	frame_udp(&whole, 65507, 9);
	for (i = 0; i < n; i++)
		piece(i * 1480, RTE_MIN(1480u, total - i * 1480));
	assert_int_equal(r->n, 1);
	assert_int_equal(r->whole_len, 14 + 65535);
	assert_memory_equal(r->whole, whole.b, whole.len);
	for (i = n; i-- > 0;)
		piece(i * 1480, RTE_MIN(1480u, total - i * 1480));
	assert_int_equal(r->n, 2);
	assert_memory_equal(r->whole, whole.b, whole.len);
	assert_int_equal(dropped(&ring0), 0);
}

static void
overlaps(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	/* first, second; the second overlaps */
	static const uint16_t cases[][4] = {
		{ 0, 800, 400, 800 },
		{ 400, 800, 0, 800 },
		{ 400, 400, 0, 1600 },
		{ 800, 800, 400, 800 },
		{ 0, 800, 0, 1600 },
	};
	unsigned int i;

	(void)state;
	frame_udp(&whole, 2392, 7);
	for (i = 0; i < RTE_DIM(cases); i++) {
		uint64_t before = RX(drop_fragment);

		frame_ip_hdr(&whole)->packet_id = (uint16_t)(i + 1);
		frame_sum_ip(&whole);
		piece(cases[i][0], cases[i][1]);
		piece(cases[i][2], cases[i][3]);
		assert_int_equal(RX(drop_fragment), before + 2);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	/* what brings nothing new does no harm */
	piece(0, 1600);
	piece(400, 800);
	piece(1600, 800);
	assert_int_equal(r->n, 1);
	assert_memory_equal(r->whole, whole.b, whole.len);
}

static void
malformed(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct rte_ipv4_hdr *ip;

	(void)state;
	frame_udp(&whole, 2392, 7);
	piece(0, 804); /* no multiple of eight, and more to come */
	assert_int_equal(RX(drop_fragment), 1);
	frame_fragment(&whole, 800, 800, &f); /* empty */
	ip = frame_ip_hdr(&f);
	ip->total_length = RTE_BE16(20);
	frame_sum_ip(&f);
	input_one(&f);
	assert_int_equal(RX(drop_fragment), 2);
	frame_fragment(&whole, 1600, 800, &f); /* beyond 64 KB */
	ip->fragment_offset = RTE_BE16(0x1fff);
	frame_sum_ip(&f);
	input_one(&f);
	assert_int_equal(RX(drop_fragment), 3);
	/* two ends */
	piece(1600, 800);
	frame_fragment(&whole, 800, 800, &f);
	ip->fragment_offset = RTE_BE16(100);
	frame_sum_ip(&f);
	input_one(&f);
	assert_int_equal(RX(drop_fragment), 5);
	/* more behind the end */
	frame_fragment(&whole, 800, 800, &f);
	ip->fragment_offset = RTE_BE16(100);
	frame_sum_ip(&f);
	input_one(&f);
	piece(1600, 800);
	assert_int_equal(RX(drop_fragment), 7);
	assert_int_equal(r->n, 0);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void
wrong_sum(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp(&whole, 2392, 7);
	whole.b[2000] ^= 1;
	piece(0, 1600);
	frame_fragment(&whole, 1600, 800, &f);
	f.flags = GOOD_SUMS; /* whatever a device means by that about a fragment */
	input_one(&f);
	assert_int_equal(r->n, 0);
	assert_int_equal(RX(drop_udp_checksum), 1);
	frame_udp_hdr(&whole)->dgram_cksum = 0;
	frame_ip_hdr(&whole)->packet_id = 99;
	piece(0, 1600);
	piece(1600, 800);
	assert_int_equal(r->n, 1);
}

static void
timeout(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp(&whole, 2392, 7);
	piece(0, 800);
	piece(1600, 800);
	world_advance(29000);
	assert_int_equal(rte_mempool_in_use_count(pool), 2);
	world_advance(2000);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	assert_int_equal(RX(drop_fragment), 2);
	piece(800, 800); /* too late: begins anew */
	assert_int_equal(r->n, 0);
	piece(0, 800);
	piece(1600, 800);
	assert_int_equal(r->n, 1);
}

static void
limits(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	unsigned int i;

	(void)state;
	/* more datagrams than the table holds: the oldest go */
	frame_udp(&whole, 2392, 7);
	for (i = 0; i < 1000; i++) {
		frame_ip_hdr(&whole)->packet_id = (uint16_t)i;
		piece(0, 800);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 256);
	assert_int_equal(RX(drop_fragment), 744);
	piece(800, 800); /* of the latest */
	piece(1600, 800);
	assert_int_equal(r->n, 1);
	world_advance(31000);
	/* more holes than a datagram may have */
	frame_udp(&whole, 2392, 7);
	for (i = 0; i < 16; i++)
		piece(16 * i, 8);
	assert_int_equal(rte_mempool_in_use_count(pool), 16);
	piece(16 * i, 8);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* Buffers are dear: a quarter of VMA_RX_BUFS at most waits, and is free again afterwards. */
static void
buffers(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	unsigned int i;

	(void)state;
	assert_int_equal(conf_set("VMA_RX_BUFS", "400"), 0);
	world_restart();
	frame_udp(&whole, 2392, 7);
	for (i = 0; i < 200; i++) {
		frame_ip_hdr(&whole)->packet_id = (uint16_t)i;
		piece(0, 800);
		piece(800, 800);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 100);
	for (i = 200; i < 600; i++) {
		frame_ip_hdr(&whole)->packet_id = (uint16_t)i;
		piece(0, 1600);
		piece(1600, 800);
	}
	assert_int_equal(r->n, 400);
	assert_in_range(rte_mempool_in_use_count(pool), 97, 100);
	assert_int_equal(conf_set("VMA_RX_BUFS", "200000"), 0);
}

/* A flow's datagrams stay in order when only some are cut. */
static void
among_whole_ones(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct frame small;

	(void)state;
	frame_udp(&small, 10, 1);
	wire_put(&small);
	frame_udp(&whole, 2392, 2);
	frame_fragment(&whole, 0, 1600, &f);
	wire_put(&f);
	frame_fragment(&whole, 1600, 800, &f);
	wire_put(&f);
	frame_udp(&small, 10, 3);
	wire_put(&small);
	wire_poll();
	assert_int_equal(r->n, 3);
	assert_int_equal(r->payload[0], 1);
	assert_int_equal(r->payload[1], 2);
	assert_int_equal(r->payload[2], 3);
	assert_int_equal(r->calls, 1);
}

static void
whose(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *v = receiver(&ring0, OUR_VLAN, 2000, 0, 0, 5);

	(void)state;
	/* not for us: takes no room */
	frame_udp_to(&whole, PEER, 1, IP(10, 1, 0, 9), 2000, 0, 2392, 7);
	piece(0, 800);
	assert_int_equal(RX(drop_not_ours), 1);
	frame_udp_to(&whole, PEER, 1, IP(239, 1, 1, 1), 2000, 0, 2392, 7);
	piece(0, 800);
	assert_int_equal(RX(drop_not_ours), 2);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	/* same numbers on another VLAN, from another source: another datagram */
	frame_udp_to(&whole, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 2392, 7);
	piece(0, 1600);
	frame_udp(&whole, 2392, 8);
	piece(1600, 800);
	assert_int_equal(r->n + v->n, 0);
	piece(0, 1600);
	assert_int_equal(r->n, 1);
	frame_udp_to(&whole, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 2392, 7);
	piece(1600, 800);
	assert_int_equal(v->n, 1);
	assert_int_equal(v->l2, 18);
	/* of a protocol that nobody uses */
	frame_udp(&whole, 2392, 8);
	frame_ip_hdr(&whole)->next_proto_id = 132;
	piece(1600, 800);
	piece(0, 1600);
	assert_int_equal(RX(drop_protocol), 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(in_order), T(any_order), T(largest), T(overlaps),
		T(malformed), T(wrong_sum), T(timeout), T(limits), T(buffers), T(among_whole_ones),
		T(whose) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
