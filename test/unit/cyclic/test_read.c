/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cyclic read, rule by rule: modes, what ends a run, min and max, how long data lives.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

#define PADDED(bytes)                                                                              \
	{                                                                                          \
		.type = RING_PROFILE_CYCLIC, .num = 512, .stride_bytes = (bytes),                  \
		.mode = CYCLIC_PADDED                                                              \
	}

static const struct wire_conf device = {
	.source = WIRE_DEVICE, .isolated = true, .strides = 64, .profile = PADDED(200)
};
static const struct wire_conf ordered = {
	.source = WIRE_ORDERED, .isolated = true, .strides = 1024, .profile = PADDED(200)
};
static const struct wire_conf plain = {
	.source = WIRE_PLAIN, .isolated = true, .profile = PADDED(200)
};

static struct cyclic_run run;

/* A run of n padded packets from seq on. */
static void
expect_padded(uint32_t seq, size_t n, uint32_t payload)
{
	const uint8_t *p = run.payload;

	assert_int_equal(run.packets, n);
	assert_int_equal(run.payload_len, n * 256);
	for (size_t k = 0; k < n; k++, p += 256)
		assert_true(wire_payload_is(p + 42, seq + (uint32_t)k, 0, payload));
	assert_null(run.usr_hdr);
	assert_int_equal(run.usr_hdr_len, 0);
}

static void
read_run(size_t min, size_t max)
{
	memset(&run, 0x55, sizeof(run));
	assert_int_equal(cyclic_read(wire_cyclic, min, max, false, &run), 0);
}

static void
expect_nothing(size_t min)
{
	read_run(min, 1000);
	assert_int_equal(run.packets, 0);
}

static void
send_one(uint32_t *seq, enum kind kind)
{
	struct wire_packet p = { .seq = (*seq)++, .kind = kind, .payload = 64 };

	assert_true(wire_send(&p));
}

static void
test_arguments(void **state)
{
	struct cyclic *other;

	(void)state;
	wire_up(&plain);
	assert_int_equal(cyclic_read(wire_cyclic, 0, 0, false, &run), -EINVAL);
	assert_int_equal(cyclic_read(wire_cyclic, 5, 4, false, &run), -EINVAL);
	assert_int_equal(cyclic_get(&wire_ring, &other), 0);
	assert_ptr_equal(other, wire_cyclic);
	assert_ptr_equal(cyclic_of(&wire_ring), wire_cyclic);
	wire_down();
	wire_ring.profile = 7;
	assert_int_equal(cyclic_get(&wire_ring, &other), -EOPNOTSUPP);
	assert_null(cyclic_of(&wire_ring));
	assert_int_equal(cyclic_get_shared(&wire_ring, 9, &other), -EOPNOTSUPP);
	cyclic_put(NULL);
}

static void
test_sources(void **state)
{
	void *addr;
	size_t len;
	uint32_t seq = 0;

	(void)state;
	wire_up(&device);
	assert_string_equal(cyclic_source_name(wire_cyclic), "zero-copy over device strides");
	assert_int_equal(cyclic_memory(wire_cyclic, &addr, &len), -EAGAIN);
	wire_send_good(&seq, 3, 64);
	read_run(1, 10);
	assert_int_equal(cyclic_memory(wire_cyclic, &addr, &len), 0);
	assert_ptr_equal(addr, run.payload);
	assert_int_equal(len, 64 * 256);
	assert_int_equal(STAT(copies), 0);
	wire_down();

	wire_up(&ordered);
	assert_string_equal(cyclic_source_name(wire_cyclic), "zero-copy over an ordered pool");
	assert_int_equal(cyclic_memory(wire_cyclic, &addr, &len), 0);
	assert_int_equal(len, 1024 * 256);
	wire_send_good(&seq, 3, 64);
	read_run(1, 10);
	assert_ptr_equal(addr, run.payload);
	assert_int_equal(STAT(copies), 0);
	wire_down();

	wire_up(&plain);
	assert_string_equal(cyclic_source_name(wire_cyclic), "copy");
	wire_send_good(&seq, 3, 64);
	read_run(1, 10);
	assert_int_equal(cyclic_memory(wire_cyclic, &addr, &len), 0);
	assert_ptr_equal(addr, run.payload);
	assert_int_equal((uintptr_t)addr % 64, 0);
	assert_true(len >= 512 * 256);
	assert_int_equal(STAT(copies), 3);
	wire_down();
}

/* The device's strides are not the profile's: the promised distance comes from a copy. */
static void
test_other_stride(void **state)
{
	uint32_t seq = 0;

	(void)state;
	wire_up(&device);
	cyclic_put(wire_cyclic);
	wire_ring.stride = 512;
	assert_int_equal(cyclic_get(&wire_ring, &wire_cyclic), 0);
	wire_ring.stride = 256;
	assert_string_equal(cyclic_source_name(wire_cyclic), "copy");
	wire_send_good(&seq, 5, 64);
	read_run(5, 10);
	expect_padded(0, 5, 64);
	wire_down();
}

static void
test_max_and_pending(void **state)
{
	const struct wire_conf *confs[] = { &device, &ordered, &plain };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t seq = 0;

		wire_up(confs[i]);
		wire_send_good(&seq, 50, 64);
		read_run(1, 7);
		expect_padded(0, 7, 64);
		assert_int_equal(STAT(break_max), 1);
		read_run(0, 40);
		expect_padded(7, 40, 64);
		read_run(1, 40);
		expect_padded(47, 3, 64);
		assert_int_equal(STAT(break_idle), 1);
		expect_nothing(0);
		assert_int_equal(STAT(packets), 50);
		assert_int_equal(STAT(bytes), 50 * 106);
		assert_int_equal(STAT(reads), 3);
		assert_int_equal(STAT(runs), 3);
		assert_int_equal(STAT(reads_empty), 1);
		assert_int_equal(wire_ring.stats.c[RING_STAT_rx_packets], 50);
		assert_int_equal(wire_ring.stats.c[RING_STAT_rx_bytes], 50 * 106);
		wire_down();
	}
}

static void
test_min(void **state)
{
	const struct wire_conf *confs[] = { &device, &ordered, &plain };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t seq = 0;

		wire_up(confs[i]);
		for (int k = 0; k < 4; k++) {
			wire_send_good(&seq, 2, 64);
			expect_nothing(10);
		}
		/* All but the count is as the caller left it. */
		assert_int_equal(((uint8_t *)&run.payload)[0], 0x55);
		assert_int_equal(((uint8_t *)&run.hw_timestamp)[0], 0x55);
		assert_false(cyclic_waiting(wire_cyclic));
		wire_send_good(&seq, 3, 64);
		read_run(10, 10);
		expect_padded(0, 10, 64);
		assert_true(cyclic_waiting(wire_cyclic));
		read_run(1, 10);
		expect_padded(10, 1, 64);
		wire_down();
	}
}

/* A run that cannot grow is returned though it is short. */
static void
test_min_at_break(void **state)
{
	uint32_t seq = 0;

	(void)state;
	wire_up(&device);
	wire_send_good(&seq, 60, 64);
	read_run(1, 60);
	wire_send_good(&seq, 4, 64);
	expect_nothing(10);
	wire_send_good(&seq, 3, 64);
	read_run(10, 20);
	expect_padded(60, 4, 64);
	assert_int_equal(STAT(break_buffer_end), 1);
	expect_nothing(10);
	read_run(3, 20);
	expect_padded(64, 3, 64);
	wire_down();
}

static void
test_breaks_device(void **state)
{
	uint32_t seq = 0;

	(void)state;
	wire_up(&device);
	wire_send_good(&seq, 70, 64);
	read_run(1, 1000);
	expect_padded(0, 64, 64);
	assert_int_equal(STAT(break_buffer_end), 1);
	read_run(1, 1000);
	expect_padded(64, 6, 64);

	send_one(&seq, GOOD); /* 70 */
	send_one(&seq, SKIP);
	send_one(&seq, GOOD);
	read_run(1, 1000);
	expect_padded(70, 1, 64);
	assert_int_equal(STAT(break_gap), 1);
	read_run(1, 1000);
	expect_padded(71, 2, 64);

	send_one(&seq, GOOD); /* 73 */
	send_one(&seq, COPIED);
	send_one(&seq, COPIED);
	send_one(&seq, GOOD);
	read_run(1, 1000);
	expect_padded(73, 1, 64);
	assert_int_equal(STAT(break_copied), 1);
	read_run(1, 1000);
	expect_padded(74, 2, 64);
	assert_int_equal(STAT(copies), 2);
	assert_int_equal(STAT(pool_low), 1);
	assert_int_equal(STAT(break_gap), 2);
	read_run(1, 1000);
	expect_padded(76, 1, 64);

	send_one(&seq, GOOD); /* 77 */
	send_one(&seq, SEGMENTED);
	read_run(1, 1000);
	expect_padded(77, 1, 64);
	assert_int_equal(STAT(break_segments), 1);
	read_run(1, 1000);
	expect_padded(78, 1, 64);

	send_one(&seq, GOOD); /* 79 */
	send_one(&seq, BAD);
	send_one(&seq, GOOD);
	read_run(1, 1000);
	expect_padded(79, 1, 64);
	assert_int_equal(STAT(break_bad), 1);
	read_run(1, 1000);
	expect_padded(81, 1, 64);
	assert_int_equal(STAT(drop_bad), 1);

	send_one(&seq, GOOD); /* 82 */
	send_one(&seq, SLOW);
	send_one(&seq, GOOD);
	read_run(1, 1000);
	expect_padded(82, 1, 64);
	assert_int_equal(STAT(break_foreign), 1);
	assert_int_equal(wire_foreign, 1);
	read_run(1, 1000);
	expect_padded(84, 1, 64);

	/* Software finds what the device did not check to be good: no break. */
	send_one(&seq, GOOD); /* 85 */
	send_one(&seq, UNCHECKED);
	send_one(&seq, GOOD);
	read_run(1, 1000);
	expect_padded(85, 3, 64);
	wire_down();
}

/* A frame of several strides is a run of its own. */
static void
test_long_frames(void **state)
{
	const struct wire_conf *confs[] = { &device, &plain };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct wire_packet p = { .seq = 2, .payload = 700 };
		uint32_t seq = 0;

		wire_up(confs[i]);
		wire_send_good(&seq, 2, 64);
		assert_true(wire_send(&p));
		p.seq = 3;
		p.payload = 214; /* exactly one stride */
		assert_true(wire_send(&p));
		read_run(1, 1000);
		expect_padded(0, 2, 64);
		assert_int_equal(STAT(break_size), 1);
		read_run(1, 1000);
		assert_int_equal(run.packets, 1);
		assert_int_equal(run.payload_len, 3 * 256);
		assert_true(wire_payload_is((uint8_t *)run.payload + 42, 2, 0, 700));
		assert_int_equal(STAT(break_size), 2);
		read_run(1, 1000);
		expect_padded(3, 1, 214);
		wire_down();
	}
}

static void
test_wrap(void **state)
{
	struct wire_conf conf = ordered;
	uint32_t seq = 0;

	(void)state;
	conf.strides = 640;
	wire_up(&conf);
	for (int i = 0; i < 6; i++) {
		wire_send_good(&seq, 100, 64);
		read_run(100, 100);
		expect_padded(seq - 100, 100, 64);
	}
	wire_send_good(&seq, 100, 64);
	read_run(100, 100);
	expect_padded(600, 40, 64);
	assert_int_equal(STAT(break_wrap), 1);
	read_run(1, 100);
	expect_padded(640, 60, 64);
	wire_down();

	conf = plain;
	seq = 0;
	wire_up(&conf);
	for (int i = 0; i < 5; i++) {
		wire_send_good(&seq, 100, 64);
		read_run(100, 100);
	}
	wire_send_good(&seq, 100, 64);
	read_run(100, 100);
	expect_padded(500, 12, 64);
	assert_int_equal(STAT(break_wrap), 1);
	read_run(1, 100);
	expect_padded(512, 88, 64);
	wire_down();
}

/* An ordered pool is not emptied by one run; how near it was is told. */
static void
test_ordered_limit(void **state)
{
	struct wire_conf conf = ordered;
	uint32_t seq = 0;

	(void)state;
	conf.strides = 540;
	wire_up(&conf);
	wire_send_good(&seq, 540, 64);
	read_run(1, 10000);
	expect_padded(0, 512, 64);
	assert_int_equal(STAT(break_max), 1);
	assert_int_equal(STAT(pool_low), 1);
	read_run(1, 10000);
	expect_padded(512, 28, 64);
	assert_int_equal(STAT(pool_low), 1);
	wire_down();
}

static void
test_ordered_gap(void **state)
{
	uint32_t seq = 0;

	(void)state;
	wire_up(&ordered);
	wire_send_good(&seq, 5, 64);
	send_one(&seq, SKIP);
	send_one(&seq, SEGMENTED);
	read_run(1, 1000);
	expect_padded(0, 5, 64);
	assert_int_equal(STAT(break_gap), 1);
	read_run(1, 1000);
	expect_padded(5, 1, 64);
	assert_int_equal(STAT(break_segments), 1);
	read_run(1, 1000);
	expect_padded(6, 1, 64);
	wire_down();
}

/* On a port that does not steer the reader sorts out what is not its own. */
static void
test_not_isolated(void **state)
{
	const struct wire_conf *confs[] = { &device, &ordered, &plain };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct wire_conf conf = *confs[i];
		bool copy = i == 2;
		uint32_t seq = 0;

		conf.isolated = false;
		conf.any = true;
		wire_up(&conf);
		wire_send_good(&seq, 3, 64);
		send_one(&seq, FOREIGN);
		send_one(&seq, MISSENT);
		send_one(&seq, GOOD); /* 5 */
		send_one(&seq, BAD);
		wire_send_good(&seq, 3, 64); /* 7 */
		read_run(1, 1000);
		if (copy) {
			const uint8_t *p = run.payload;

			assert_int_equal(run.packets, 4);
			assert_true(wire_payload_is(p + 3 * 256 + 42, 5, 0, 64));
		} else {
			expect_padded(0, 3, 64);
			assert_int_equal(STAT(break_foreign), 1);
			read_run(1, 1000);
			expect_padded(5, 1, 64);
		}
		assert_int_equal(STAT(break_bad), 1);
		assert_int_equal(STAT(drop_bad), 1);
		assert_int_equal(wire_foreign, 2);
		read_run(1, 1000);
		expect_padded(7, 3, 64);
		wire_down();
	}
}

/* A ring that was not made for the profile: copies, and passes the others' packets on. */
static void
test_shared(void **state)
{
	struct wire_conf conf = plain;
	uint32_t seq = 0;

	(void)state;
	conf.shared = true;
	wire_up(&conf);
	wire_send_good(&seq, 3, 64);
	send_one(&seq, FOREIGN);
	wire_send_good(&seq, 1, 64);
	read_run(1, 1000);
	assert_int_equal(run.packets, 4);
	assert_int_equal(wire_foreign, 1);
	wire_down();
}

/*
 * A plain flow on a ring whose steering is trusted otherwise: its packets are not the reader's, nor
 * are those that it leaves in the queue when it goes.
 */
static void
test_plain_flows(void **state)
{
	uint32_t seq = 0;

	(void)state;
	wire_up(&plain);
	wire_ring.plain_flows = 1;
	wire_send_good(&seq, 3, 64);
	send_one(&seq, FOREIGN);
	read_run(1, 1000);
	expect_padded(0, 3, 64);
	assert_int_equal(wire_foreign, 1);
	send_one(&seq, FOREIGN);
	wire_ring.plain_flows = 0;
	wire_ring.plain_late = true;
	expect_nothing(0);
	assert_int_equal(wire_foreign, 2);
	assert_false(wire_ring.plain_late);
	wire_send_good(&seq, 2, 64);
	read_run(1, 1000);
	expect_padded(5, 2, 64);
	wire_down();
}

/* Who does not read his packets loses the oldest before others of the ring wait for him. */
static void
test_plain_goes_on(void **state)
{
	uint32_t seq = 0;

	(void)state;
	wire_up(&plain);
	wire_ring.plain_flows = 1;
	wire_send_good(&seq, 700, 64);
	send_one(&seq, FOREIGN);
	for (int i = 0; i < 30; i++)
		wire_ring.intake(&wire_ring, wire_ring.reader);
	assert_int_equal(wire_foreign, 1);
	assert_true(STAT(drop_unread) > 0);
	wire_ring.plain_flows = 0;
	read_run(1, 1000);
	expect_padded((uint32_t)STAT(drop_unread), 700 - STAT(drop_unread), 64);
	wire_down();
}

static void
test_handover(void **state)
{
	struct rte_mempool *mp =
			rte_pktmbuf_pool_create("elsewhere", 64, 0, 0, 2176, SOCKET_ID_ANY);
	struct rte_mbuf *m;
	uint32_t seq = 0;

	(void)state;
	wire_up(&ordered);
	wire_ring.handover = rte_ring_create("handover", 64, SOCKET_ID_ANY, 0);
	wire_send_good(&seq, 1, 64);
	/* What the queue gave travels through another ring. */
	assert_int_equal(rte_eth_rx_burst(wire_ring.port_id, 0, &m, 1), 1);
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, mp, 0, UINT32_MAX);

	rte_pktmbuf_free(m);
	assert_int_equal(rte_ring_enqueue(wire_ring.handover, copy), 0);
	wire_send_good(&seq, 2, 64);
	read_run(1, 10);
	expect_padded(0, 1, 64);
	assert_int_equal(STAT(copies), 1);
	read_run(1, 10);
	expect_padded(1, 2, 64);
	assert_int_equal(wire_ring.stats.c[RING_STAT_handover_in], 1);
	rte_ring_free(wire_ring.handover);
	wire_ring.handover = NULL;
	wire_down();
	assert_int_equal(rte_mempool_avail_count(mp), 64);
	rte_mempool_free(mp);
}

/* Another thread's poll stores packets for the reader, so many and no more. */
static void
test_intake(void **state)
{
	unsigned int n, total = 0;
	uint32_t seq = 0;

	(void)state;
	wire_up(&device);
	wire_send_good(&seq, 700, 64);
	while ((n = wire_ring.intake(&wire_ring, wire_ring.reader)) > 0)
		total += n;
	assert_true(total >= 256 && total <= 512);
	assert_true(cyclic_waiting(wire_cyclic));
	for (unsigned int got = 0; got < 700; got += (unsigned int)run.packets) {
		read_run(1, 1000);
		assert_true(run.packets > 0);
		expect_padded(got, run.packets, 64);
	}
	assert_int_equal(STAT(break_gap), 0);
	wire_down();
}

static int busy;

/* In the middle of a read: what a second reader would get. */
static void
read_again(void)
{
	struct cyclic_run second;

	busy = cyclic_read(wire_cyclic, 0, 10, false, &second);
}

static void
test_busy(void **state)
{
	struct ring helper = { 0 };

	(void)state;
	wire_up(&plain);
	wire_ring.helps = &helper;
	wire_in_poll = read_again;
	read_run(0, 10);
	assert_int_equal(busy, -EBUSY);
	wire_in_poll = NULL;
	read_run(0, 10);
	wire_down();
}

/* What was returned stays, whatever arrives, until the next read; then it is given back. */
static void
test_lifetime(void **state)
{
	const struct wire_conf *confs[] = { &device, &ordered, &plain };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct cyclic_run bad;
		uint32_t seq = 0;

		wire_up(confs[i]);
		for (int round = 0; round < 200; round++) {
			uint32_t first = seq;

			wire_send_good(&seq, 20, 64);
			read_run(1, 20);
			expect_padded(first, run.packets, 64);
			wire_send_good(&seq, 20, 64);
			wire_ring.intake(&wire_ring, wire_ring.reader);
			assert_int_equal(cyclic_read(wire_cyclic, 2, 1, false, &bad), -EINVAL);
			expect_padded(first, run.packets, 64);
			seq = first + (uint32_t)run.packets;
			/* The rest is read before the next round. */
			for (uint32_t left = 40 - (uint32_t)run.packets; left > 0;) {
				read_run(1, 100);
				expect_padded(seq, run.packets, 64);
				seq += (uint32_t)run.packets;
				left -= (uint32_t)run.packets;
			}
		}
		if (i == 0)
			assert_true(wire_buffers_held() <= 1);
		expect_nothing(0);
		if (i == 0)
			assert_int_equal(wire_buffers_held(), 0);
		wire_down();
	}
}

static void
test_timestamp(void **state)
{
	const struct wire_conf *confs[] = { &device, &ordered, &plain };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct wire_packet p = { .payload = 64, .time_ns = 5000000123u };

		wire_up(confs[i]);
		assert_true(wire_send(&p));
		p.seq++;
		p.time_ns += 10;
		assert_true(wire_send(&p));
		assert_int_equal(cyclic_read(wire_cyclic, 4, 10, false, &run), 0);
		assert_int_equal(cyclic_read(wire_cyclic, 1, 10, true, &run), 0);
		assert_int_equal(run.packets, 2);
		assert_int_equal(run.hw_timestamp.tv_sec, 5);
		assert_int_equal(run.hw_timestamp.tv_nsec, 123);
		p.seq++;
		p.time_ns = 0;
		assert_true(wire_send(&p));
		assert_int_equal(cyclic_read(wire_cyclic, 1, 10, true, &run), 0);
		assert_int_equal(run.hw_timestamp.tv_sec, 0);
		wire_down();
	}
}

static void
test_elsewhere(void **state)
{
	struct ring helper = { 0 };

	(void)state;
	wire_up(&plain);
	wire_ring.helps = &helper;
	read_run(0, 10);
	assert_int_equal(wire_polls, 1);
	wire_down();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_other_stride),
		cmocka_unit_test(test_max_and_pending),
		cmocka_unit_test(test_min),
		cmocka_unit_test(test_min_at_break),
		cmocka_unit_test(test_breaks_device),
		cmocka_unit_test(test_long_frames),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_ordered_limit),
		cmocka_unit_test(test_ordered_gap),
		cmocka_unit_test(test_not_isolated),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_plain_flows),
		cmocka_unit_test(test_plain_goes_on),
		cmocka_unit_test(test_handover),
		cmocka_unit_test(test_intake),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_timestamp),
		cmocka_unit_test(test_elsewhere),
	};
	int ret;

	if (wire_init() != 0)
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	wire_fini();
	return ret;
}
