/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive timestamps against a device clock and a system clock that the test turns: every
 * conversion, the measured speed, a system clock that is set, and a device that cannot be read.
 */
#include <time.h>

#include "ring_test.h"

#define GHZ 1000000000u

int __wrap_rte_eth_read_clock(uint16_t port_id, uint64_t *ticks);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_clock_gettime(clockid_t id, struct timespec *ts);

static bool turned; /* the test's clocks are in use */
static bool readable = true;
static uint64_t now_ns, now_ticks;
static unsigned int looks;

int
__wrap_rte_eth_read_clock(uint16_t port_id, uint64_t *ticks)
{
	(void)port_id;
	if (!readable)
		return -ENOTSUP;
	looks++;
	*ticks = now_ticks;
	return 0;
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!turned || id != CLOCK_REALTIME)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(now_ns / GHZ);
	ts->tv_nsec = (long)(now_ns % GHZ);
	return 0;
}

/* The device counts 3 ticks in 2 ns. */
static void
pass(uint64_t ns)
{
	now_ns += ns;
	now_ticks += ns / 2 * 3;
}

static struct ring ring;
static struct port fake;
static struct rte_mbuf mbuf;

static uint64_t
stamp(uint64_t ticks)
{
	mbuf.ol_flags = ring_mbuf_timestamp_flag;
	*RTE_MBUF_DYNFIELD(&mbuf, ring_mbuf_timestamp_offset, rte_mbuf_timestamp_t *) = ticks;
	return ring_timestamp_ns(&ring, &mbuf);
}

static void
start(const char *conversion, uint16_t index)
{
	test_conf(conversion, NULL);
	assert_int_equal(timestamp_init(), 0);
	fake.index = index; /* each has a clock of its own */
	fake.caps.hw_timestamp = true;
	ring.port = &fake;
	turned = true;
	now_ns = 1700000000ull * GHZ;
	now_ticks = 5000000;
	looks = 0;
	timestamp_port(&fake);
}

static void
assert_near(uint64_t is, uint64_t should, uint64_t by)
{
	assert_true(is >= should - by && is <= should + by);
}

static void
test_sync(void **state)
{
	uint64_t ticks;

	(void)state;
	readable = true;
	start("VMA_HW_TS_CONVERSION=3", 0);
	assert_int_equal(looks, 1);
	/* too soon to know how fast it runs */
	assert_int_equal(stamp(now_ticks), 0);
	pass(10000000);
	assert_near(stamp(now_ticks), now_ns, 1000);
	/* a packet of 3 us ago */
	assert_near(stamp(now_ticks - 4500), now_ns - 3000, 10);
	looks = 0;
	for (unsigned int i = 0; i < 1000; i++) {
		pass(500000);
		assert_near(stamp(now_ticks), now_ns, 1000);
	}
	/* half a second of packets, and nobody looked */
	assert_int_equal(looks, 0);
	for (unsigned int i = 0; i < 10; i++) {
		pass(600000000);
		assert_near(stamp(now_ticks), now_ns, 1000);
	}
	assert_true(looks >= 3 && looks <= 10);
	/* no flag, no time */
	ticks = now_ticks;
	mbuf.ol_flags = 0;
	assert_int_equal(ring_timestamp_ns(&ring, &mbuf), 0);
	/* somebody sets the system's clock: the next looks follow it */
	now_ns += 3600ull * GHZ;
	for (unsigned int i = 0; i < 4; i++) {
		pass(1100000000);
		stamp(now_ticks);
	}
	assert_near(stamp(now_ticks), now_ns, 1000);
	now_ns -= 7200ull * GHZ;
	for (unsigned int i = 0; i < 4; i++) {
		pass(1100000000);
		stamp(now_ticks);
	}
	assert_near(stamp(now_ticks), now_ns, 1000);
	assert_true(now_ticks > ticks);
}

static void
test_others(void **state)
{
	(void)state;
	readable = true;
	start("VMA_HW_TS_CONVERSION=0", 1);
	pass(10000000);
	assert_int_equal(stamp(now_ticks), 0);
	start("VMA_HW_TS_CONVERSION=1", 2);
	pass(10000000);
	assert_int_equal(stamp(now_ticks), now_ticks);
	start("VMA_HW_TS_CONVERSION=4", 3);
	pass(10000000);
	assert_int_equal(stamp(now_ticks), now_ticks);
	start("VMA_HW_TS_CONVERSION=2", 4);
	assert_int_equal(stamp(now_ticks), now_ticks);
	pass(10000000);
	assert_near(stamp(now_ticks), now_ns, 1000);
}

static void
test_unreadable(void **state)
{
	(void)state;
	readable = false;
	start("VMA_HW_TS_CONVERSION=3", 5);
	pass(10000000);
	assert_int_equal(stamp(now_ticks), 0);
	start("VMA_HW_TS_CONVERSION=2", 6);
	pass(10000000);
	assert_int_equal(stamp(now_ticks), now_ticks);
}

static int
setup(void **state)
{
	(void)state;
	test_eal("64", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	turned = false;
	test_eal_stop();
	return 0;
}

/* Frames are given a time where the device can and its clock is not seen to be another one. */
static void
test_schedule(void **state)
{
	(void)state;
	start("VMA_HW_TS_CONVERSION=3", 7);
	assert_true(ring_mbuf_send_at_flag != 0 &&
			ring_mbuf_send_at_flag != ring_mbuf_timestamp_flag);
	readable = true;
	now_ticks = now_ns + 900000;
	assert_false(schedule_works(&fake));
	fake.caps.tx_scheduled = true;
	assert_true(schedule_works(&fake));
	/* TAI, a counter of its own, and one that is behind */
	now_ticks = now_ns + 37ull * GHZ;
	assert_false(schedule_works(&fake));
	now_ticks = 5000000;
	assert_false(schedule_works(&fake));
	now_ticks = now_ns - 1100000;
	assert_false(schedule_works(&fake));
	/* nobody can read it: whoever asked for it knows */
	readable = false;
	assert_true(schedule_works(&fake));
	ring_mbuf_send_at(&mbuf, 12345);
	assert_int_equal(*RTE_MBUF_DYNFIELD(&mbuf, ring_mbuf_timestamp_offset, uint64_t *), 12345);
	assert_true((mbuf.ol_flags & ring_mbuf_send_at_flag) != 0);
	fake.caps.tx_scheduled = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_schedule),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
