/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate that the device keeps: which times datagrams are given, how far ahead, and who has to be
 * paced in software all the same. The clocks are the test's; the device's is another one.
 */
#include "fake.h"

#define LEN 1400u
#define FRAME (LEN + 42u)
#define SEC UINT64_C(1000000000)
#define RATE (FRAME * UINT64_C(1000)) /* a frame a millisecond */
#define GAP (SEC / 1000)
#define AHEAD (10 * GAP) /* what the device is given before its time, at most */
#define OFF (UINT64_C(1700000000) * SEC)

static uint8_t data[9000];
static uint64_t now;

static uint64_t
test_clock(void)
{
	return now;
}

static uint64_t
device_clock(void)
{
	return now + OFF;
}

static struct udp_sock *
paced_sock(uint64_t rate, uint32_t burst)
{
	struct udp_sock *s = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(s, RING_TX);

	now = 1000 * SEC;
	udp_pace_clock = test_clock;
	ring_send_clock = device_clock;
	fake_ports[0].caps.tx_scheduled = true;
	alloc.logic = CONF_RING_PER_SOCKET;
	alloc.sock = 7;
	assert_int_equal(udp_set_ring_alloc(s, RING_TX, &alloc), 0);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	assert_int_equal(udp_set_pacing(s, rate, burst, 0), 0);
	return s;
}

static int
send_many(struct udp_sock *s, unsigned int n, size_t len)
{
	struct iovec iov = { data, len };
	struct udp_out o[200];

	for (unsigned int i = 0; i < n; i++)
		o[i] = (struct udp_out){ .iov = &iov, .iovcnt = 1, .tos = -1, .ttl = -1 };
	return udp_send(s, o, n, false);
}

/* The first goes at once; the others at equal distances, ten ahead, and then the sender waits. */
static void
times(void **state)
{
	struct udp_sock *s = paced_sock(RATE, 0);
	uint64_t start;

	(void)state;
	assert_int_equal(send_many(s, 1, LEN), 1);
	/* no ring was known yet, so it says when the time itself is */
	start = udp_send_at(s);
	assert_int_equal(send_many(s, 100, LEN), 10);
	assert_int_equal(send_many(s, 100, LEN), -EAGAIN);
	assert_int_equal(fake_sent_n, 11);
	assert_int_equal(fake_sent[0].at, 0);
	for (unsigned int i = 1; i < 11; i++)
		assert_int_equal(fake_sent[i].at, start + OFF + (i - 1) * GAP);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_scheduled), 10);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_paced), 2);
	/* told to come when half of them have left, to send as many again */
	assert_int_equal(udp_send_at(s), start + 10 * GAP - AHEAD / 2);
	now = udp_send_at(s);
	assert_int_equal(send_many(s, 100, LEN), 6);
	for (unsigned int i = 11; i < 17; i++)
		assert_int_equal(fake_sent[i].at, start + OFF + (i - 1) * GAP);
	udp_close(s);
}

/* A burst goes at once, without times; what exceeds it has one. */
static void
bursts(void **state)
{
	struct udp_sock *s = paced_sock(RATE, 3 * FRAME);

	(void)state;
	send_many(s, 1, LEN);
	assert_int_equal(send_many(s, 5, LEN), 5);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(fake_sent[i].at, 0);
	for (unsigned int i = 3; i < 6; i++)
		assert_int_equal(fake_sent[i].at, now + OFF + (i - 2) * GAP);
	udp_close(s);
}

/* Fast: more than a chunk at once, and a quarter of the queue (VMA_TX_WRE) at most. */
static void
fast(void **state)
{
	struct udp_sock *s = paced_sock(FRAME * UINT64_C(1000000), 0);
	unsigned int quarter = (unsigned int)conf()->tx_wre / 4;

	(void)state;
	assert_in_range(quarter, 65, 190);
	send_many(s, 1, LEN);
	assert_in_range(send_many(s, 200, LEN), quarter, quarter + 1);
	for (unsigned int i = 2; i < fake_sent_n; i++)
		assert_int_equal(fake_sent[i].at - fake_sent[i - 1].at, 1000);
	udp_close(s);
}

/* A queue that takes no more: what did not go has used up no time. */
static void
full(void **state)
{
	struct udp_sock *s = paced_sock(RATE, 0);

	(void)state;
	send_many(s, 1, LEN);
	fake_tx_buffers = 0;
	assert_int_equal(send_many(s, 3, LEN), -ENOBUFS);
	fake_tx_buffers = UINT32_MAX;
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_scheduled), 0);
	assert_int_equal(send_many(s, 1, LEN), 1);
	assert_true(fake_sent[1].at - OFF - now <= GAP);
	udp_close(s);
}

static void
assert_software(struct udp_sock *s, size_t len)
{
	fake_sent_n = 0;
	assert_int_equal(send_many(s, 1, len), 1);
	assert_int_equal(send_many(s, 1, len), -EAGAIN);
	assert_true(udp_send_at(s) > now);
	now = udp_send_at(s);
	assert_int_equal(send_many(s, 1, len), 1);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_scheduled), 0);
	for (unsigned int i = 0; i < fake_sent_n; i++)
		assert_int_equal(fake_sent[i].at, 0);
	udp_close(s);
}

/* A device that cannot; a ring that others use too; what leaves as several packets. */
static void
software(void **state)
{
	struct udp_sock *s = paced_sock(RATE, 0);
	struct ring_alloc alloc = *udp_ring_alloc(s, RING_TX);

	(void)state;
	alloc.logic = CONF_RING_PER_INTERFACE;
	assert_int_equal(udp_set_ring_alloc(s, RING_TX, &alloc), 0);
	assert_software(s, LEN);
	s = paced_sock(RATE, 0);
	fake_ports[0].caps.tx_scheduled = false;
	assert_software(s, LEN);
	s = paced_sock(RATE, 0);
	assert_software(s, 4000);
	s = paced_sock(RATE, 0);
	udp_options(s)->gso_size = 1000;
	assert_software(s, 3000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(times),
		TEST(bursts),
		TEST(fast),
		TEST(full),
		TEST(software),
	};

	setenv("VMA_TX_WRE", "512", 1);
	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
