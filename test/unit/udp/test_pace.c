/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate for what is sent (SO_MAX_PACING_RATE), with a clock of the test's own: when each frame
 * leaves, what goes at once, what a late sender makes good, and what counts.
 */
#include "fake.h"

#define HDRS 42u
#define LEN 1400u
#define FRAME (LEN + HDRS)
#define SEC UINT64_C(1000000000)

static uint8_t data[65507];
static uint64_t now;

static uint64_t
test_clock(void)
{
	return now;
}

static struct udp_sock *
paced_sock(uint64_t rate, uint32_t burst, uint16_t packet)
{
	struct udp_sock *s = sock_new();

	now = 1000 * SEC;
	udp_pace_clock = test_clock;
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	assert_int_equal(udp_set_pacing(s, rate, burst, packet), 0);
	return s;
}

static int
send_many(struct udp_sock *s, unsigned int n, uint32_t len)
{
	struct iovec iov = { data, len };
	struct udp_out o[UDP_SEND_CHUNK];

	for (unsigned int i = 0; i < n; i++)
		o[i] = (struct udp_out){ .iov = &iov, .iovcnt = 1, .tos = -1, .ttl = -1 };
	if (fake_sent_n + n > FAKE_SENT_MAX)
		fake_sent_n = 0;
	return udp_send(s, o, n, false);
}

static int
send_len(struct udp_sock *s, uint32_t len)
{
	return send_many(s, 1, len);
}

/* Sends the moment it may, as a blocking sender does. */
static uint64_t
send_in_time(struct udp_sock *s, uint32_t len)
{
	uint64_t at;

	if (send_len(s, len) == 1)
		return now;
	at = udp_send_at(s);
	assert_true(at > now);
	now = at - 1;
	assert_int_equal(send_len(s, len), -EAGAIN);
	now = at;
	assert_int_equal(send_len(s, len), 1);
	return now;
}

/* One frame after the other at equal distances, to the nanosecond; none is lost to rounding. */
static void
gaps(void **state)
{
	/* 1442 bytes in 9613.33 ns */
	const uint64_t rate = 150000000;
	struct udp_sock *s = paced_sock(rate, 0, 0);
	uint64_t start, at, before;

	(void)state;
	start = before = send_in_time(s, LEN);
	/* after a pause the first distance is the shorter by half */
	start += FRAME * SEC / rate / 2;
	for (uint64_t i = 1; i <= 10000; i++, before = at) {
		at = send_in_time(s, LEN);
		if (i > 1)
			assert_in_range(at - before, 9613, 9614);
		/* the sum is exact: half a distance more or less for the first */
		assert_in_range(at, start + (i - 1) * FRAME * SEC / rate,
				start + (i - 1) * FRAME * SEC / rate + 2);
	}
	udp_close(s);
}

/* After a pause a burst goes at once, whole frames of it, then the rate holds. */
static void
bursts(void **state)
{
	const uint64_t rate = 125000000;
	struct udp_sock *s = paced_sock(rate, 10 * FRAME + FRAME / 2, 0);
	uint64_t first;

	(void)state;
	for (int round = 0; round < 3; round++) {
		first = now;
		assert_int_equal(send_many(s, 20, LEN), 10);
		assert_int_equal(send_len(s, LEN), -EAGAIN);
		/* half a frame was left in the bucket */
		assert_int_equal(udp_send_at(s) - now, FRAME * SEC / rate / 2);
		for (int i = 0; i < 5; i++)
			send_in_time(s, LEN);
		assert_int_equal(now - first, FRAME * SEC / rate * 9 / 2);
		now += 20 * FRAME * SEC / rate;
	}
	/* two of three: a pause too short for the bucket to fill */
	assert_int_equal(send_many(s, 20, LEN), 10);
	now += 3 * FRAME * SEC / rate;
	assert_int_equal(send_many(s, 20, LEN), 3);
	udp_close(s);
}

/* Frames of any size, at any time: never more than the burst and the rate allow, in any window. */
static void
never_more(void **state)
{
	enum { N = 600 };
	static uint64_t times[N], upto[N + 1];
	const uint64_t rate = 12500000, burst = 9000;
	struct udp_sock *s = paced_sock(rate, burst, 0);
	uint32_t random = 12345;

	(void)state;
	for (int i = 0; i < N; i++) {
		uint32_t len = (random = random * 1664525 + 1013904223) >> 16;

		len = len % 8900 + 1;
		if (random >> 4 & 1)
			now += (random >> 8) % 500000;
		times[i] = send_in_time(s, len);
		upto[i + 1] = upto[i] + len + HDRS;
	}
	for (int i = 0; i < N; i++)
		for (int k = i; k < N; k++)
			assert_true(upto[k + 1] - upto[i] <=
					burst + (times[k] - times[i]) * rate / SEC + 1);
	udp_close(s);
}

/* Late by some microseconds now and then: the rate is kept, and frames stay apart. */
static void
lateness(void **state)
{
	const uint64_t rate = 144200000, gap = 10000; /* ns */
	struct udp_sock *s = paced_sock(rate, 0, 0);
	uint64_t start = now, before = 0;
	uint32_t random = 1;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		if (send_len(s, LEN) != 1) {
			now = udp_send_at(s);
			random = random * 1664525 + 1013904223;
			/* a quarter of them, by up to 4 us */
			if (random >> 30 == 0)
				now += (random >> 8) % 4000;
			assert_int_equal(send_len(s, LEN), 1);
		}
		if (before != 0)
			assert_true(now - before >= gap / 2);
		before = now;
	}
	/* 99.9 % of the rate and never more */
	assert_in_range(now - start, 9998 * gap, 10009 * gap);
	udp_close(s);
}

/* A video of 60 frames a second, each of 4,320 packets that are spread over it. */
static void
frames(void **state)
{
	enum { PACKETS = 4320, FPS = 60 };
	/* as much as the frame needs in 15/16 of its time */
	const uint64_t rate = (uint64_t)PACKETS * FRAME * FPS * 16 / 15;
	struct udp_sock *s = paced_sock(rate, 4 * FRAME, 0);
	uint64_t start = now, at, last;

	(void)state;
	for (uint64_t f = 0; f < 3; f++) {
		now = RTE_MAX(now, start + f * SEC / FPS);
		last = now;
		for (int i = 0; i < PACKETS; i++, last = at) {
			at = send_in_time(s, LEN);
			if (i < 4)
				assert_int_equal(at, last);
			else
				assert_in_range(at - last, FRAME * SEC / rate,
						FRAME * SEC / rate + 1);
		}
		/* all of it is out, just in its time */
		assert_in_range(now - start - f * SEC / FPS, SEC / FPS * 93 / 100,
				SEC / FPS * 94 / 100);
	}
	udp_close(s);
}

/* Of a batch goes what may; it is told when the next may, and that it was held back. */
static void
batches(void **state)
{
	struct udp_sock *s = paced_sock(FRAME * 1000, 3 * FRAME, 0);

	(void)state;
	assert_int_equal(udp_send_at(s), 0);
	assert_int_equal(send_many(s, 5, LEN), 3);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_paced), 1);
	assert_int_equal(fake_sent_n, 3);
	assert_int_equal(udp_send_at(s) - now, SEC / 1000);
	assert_int_equal(send_many(s, 5, LEN), -EAGAIN);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_paced), 2);
	/* a shorter one may go earlier; no more than it was asked for waits */
	now += SEC / 2000 + 1;
	assert_int_equal(send_len(s, LEN), -EAGAIN);
	assert_int_equal(send_len(s, LEN / 2 - HDRS), 1);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_paced), 3);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_packets), 4);
	udp_close(s);
}

/* What does not go counts nothing: a refusal, a dummy, a queue without room. */
static void
not_sent(void **state)
{
	struct udp_sock *s = paced_sock(FRAME * 1000, FRAME, 0);
	struct iovec iov = { data, LEN };
	struct udp_out o = { .iov = &iov, .iovcnt = 1, .tos = -1, .ttl = -1 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(udp_send(s, &o, 1, true), 1);
	iov.iov_len = 70000;
	assert_int_equal(udp_send(s, &o, 1, false), -EMSGSIZE);
	iov.iov_len = LEN;
	fake_tx_buffers = 0;
	assert_int_equal(udp_send(s, &o, 1, false), -ENOBUFS);
	fake_tx_buffers = UINT32_MAX;
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(fake_sent_n, 1);
	/* a dummy goes while a datagram must wait */
	assert_int_equal(udp_send(s, &o, 1, false), -EAGAIN);
	assert_int_equal(udp_send(s, &o, 1, true), 1);
	/* what can never go is told at once */
	iov.iov_len = 70000;
	assert_int_equal(udp_send(s, &o, 1, false), -EMSGSIZE);
	udp_close(s);
}

/* Segments of one datagram are frames each, and one burst. */
static void
segments(void **state)
{
	struct udp_sock *s = paced_sock(1000000, 0, 0);

	(void)state;
	udp_options(s)->gso_size = 1000;
	now += SEC;
	assert_int_equal(send_len(s, 5500), 1);
	assert_int_equal(send_len(s, 5500), -EAGAIN);
	/* 5,752 bytes in as many microseconds, less the half that a pause gives */
	assert_int_equal(udp_send_at(s) - now, 5752000 / 2);
	udp_close(s);
}

/* Set, changed and taken away at any time; what is usual is asked for before anything was sent. */
static void
changes(void **state)
{
	struct udp_sock *s = paced_sock(FRAME, FRAME, FRAME);
	static const uint64_t fast[] = { UINT32_MAX, UINT64_C(50000000000), UINT64_MAX - 1 };

	(void)state;
	assert_int_equal(send_len(s, LEN), 1);
	/* less the half that a pause gives */
	assert_int_equal(udp_send_at(s) - now, SEC / 2);
	assert_int_equal(udp_set_pacing(s, FRAME * 10, FRAME, FRAME), 0);
	assert_int_equal(send_len(s, LEN), 1);
	assert_int_equal(udp_send_at(s) - now, SEC / 20);
	assert_int_equal(udp_set_pacing(s, 0, 0, 0), 0);
	assert_int_equal(udp_send_at(s), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(send_len(s, LEN), 1);
	/* nothing overflows at any rate */
	for (unsigned int i = 0; i < RTE_DIM(fast); i++) {
		assert_int_equal(udp_set_pacing(s, fast[i], UINT32_MAX, 0), 0);
		assert_int_equal(send_many(s, UDP_SEND_CHUNK, LEN), UDP_SEND_CHUNK);
	}
	/* a byte a second, a burst of all there is: it waits for ages and not less */
	assert_int_equal(udp_set_pacing(s, 1, 0, 0), 0);
	assert_int_equal(send_len(s, 65507), 1);
	assert_int_equal(send_len(s, 65507), -EAGAIN);
	assert_in_range(udp_send_at(s) - now, 32000 * SEC, 66000 * SEC);
	udp_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gaps),
		TEST(bursts),
		TEST(never_more),
		TEST(lateness),
		TEST(frames),
		TEST(batches),
		TEST(not_sent),
		TEST(segments),
		TEST(changes),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
