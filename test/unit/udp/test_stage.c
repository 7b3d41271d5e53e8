/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Staged datagrams: who is told and when, batches, what passes and in which order, the limit, and
 * how staging ends with a batch out.
 */
#include "fake.h"

static unsigned int told, woken;
static struct ring *by; /* that told last */

static void
wake(void *ctx, struct ring *ring, unsigned int events)
{
	(void)ctx;
	(void)ring;
	woken += events != RING_CHANGED;
}

static void
staged(void *ctx, struct ring *ring)
{
	assert_ptr_equal(ctx, &told);
	by = ring;
	told++;
}

static struct udp_sock *
staging(void)
{
	struct udp_sock *s;

	told = woken = 0;
	assert_int_equal(udp_open(5, wake, &told, &s), 0);
	assert_int_equal(sock_bind(s, A0, 4000), 0);
	udp_set_stage(s, staged);
	return s;
}

static void
send_n(uint8_t from, unsigned int n, uint16_t len)
{
	struct fake_pkt p[64];

	for (unsigned int i = 0; i < n; i++)
		p[i] = (struct fake_pkt){ PEER, A0, 9, 4000, len, (uint8_t)(from + i) };
	fake_rx(0, p, n);
}

static uint32_t
payload(struct rte_mbuf **m, unsigned int n)
{
	uint32_t bytes = 0;

	for (unsigned int i = 0; i < n; i++)
		bytes += m[i]->pkt_len;
	return bytes;
}

/* Nobody sees them, whoever takes them is told once. */
static void
is_told(void **state)
{
	struct udp_sock *s = staging();
	struct rte_mbuf *m[64];

	(void)state;
	send_n(1, 3, 10);
	send_n(4, 2, 10);
	assert_int_equal(told, 1);
	assert_non_null(by);
	assert_int_equal(woken, 0);
	assert_false(udp_readable(s));
	assert_int_equal(udp_stage_take(s, m, 2), 2);
	assert_int_equal(*rte_pktmbuf_mtod(m[1], uint8_t *), 2);
	rte_pktmbuf_free_bulk(m, 2);
	udp_stage_settle(s, m, 0, 20);
	/* three are left: it is known that there are some */
	send_n(6, 1, 10);
	assert_int_equal(told, 1);
	assert_int_equal(udp_stage_take(s, m, 64), 4);
	/* while they are out */
	send_n(7, 1, 10);
	assert_int_equal(told, 2);
	assert_int_equal(payload(m, 4), 40);
	rte_pktmbuf_free(m[0]);
	m[0] = m[1];
	m[1] = m[3];
	rte_pktmbuf_free(m[2]);
	udp_stage_settle(s, m, 2, 40);
	assert_int_equal(woken, 1);
	assert_string_equal(sock_read(s), "04 06 ");
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_packets), 7);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_bytes), 70);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_read), 2);
	/* with one staged still */
	udp_close(s);
}

static void
ends_in_order(void **state)
{
	struct udp_sock *s = staging();
	struct rte_mbuf *m[64];

	(void)state;
	send_n(1, 4, 10);
	udp_set_stage(s, NULL);
	assert_int_equal(woken, 1);
	send_n(5, 1, 10);
	assert_string_equal(sock_read(s), "01 02 03 04 05 ");
	/* with a batch out what came later stays behind it */
	udp_set_stage(s, staged);
	send_n(6, 4, 10);
	assert_int_equal(udp_stage_take(s, m, 2), 2);
	udp_set_stage(s, NULL);
	told = 0;
	send_n(10, 1, 10);
	assert_int_equal(told, 0);
	assert_false(udp_readable(s));
	udp_stage_settle(s, m, 2, 20);
	send_n(11, 1, 10);
	assert_string_equal(sock_read(s), "06 07 08 09 0a 0b ");
	/* on again before the batch is back */
	udp_set_stage(s, staged);
	send_n(1, 2, 10);
	assert_int_equal(udp_stage_take(s, m, 1), 1);
	udp_set_stage(s, NULL);
	udp_set_stage(s, staged);
	udp_stage_settle(s, m, 1, 10);
	assert_string_equal(sock_read(s), "01 ");
	assert_int_equal(udp_stage_take(s, m, 64), 1);
	udp_stage_settle(s, m, 1, 10);
	assert_string_equal(sock_read(s), "02 ");
	udp_close(s);
}

/* What came while it was ending, and nobody was told, is told of when it does not end after all. */
static void
ends_not(void **state)
{
	struct udp_sock *s = staging();
	struct rte_mbuf *m[64];

	(void)state;
	send_n(1, 1, 10);
	assert_int_equal(udp_stage_take(s, m, 64), 1);
	udp_set_stage(s, NULL);
	told = 0;
	send_n(2, 1, 10);
	assert_int_equal(told, 0);
	udp_set_stage(s, staged);
	assert_int_equal(told, 1);
	assert_null(by);
	udp_stage_settle(s, m, 1, 10);
	assert_int_equal(udp_stage_take(s, m, 64), 1);
	udp_stage_settle(s, m, 1, 10);
	assert_string_equal(sock_read(s), "01 02 ");
	udp_close(s);
}

/* More than a batch, and then some, in batches of any size; ends with some in both parts. */
static void
long_ones(void **state)
{
	struct udp_sock *s = staging();
	struct rte_mbuf *m[64];
	unsigned int n, got = 0, sent = 0, size = 1;

	(void)state;
	for (; sent < 240; sent += 40)
		send_n((uint8_t)sent, 40, 1);
	while (got < 200) {
		n = udp_stage_take(s, m, RTE_MIN(size, 200 - got));
		size = size % 64 + 13;
		assert_true(n > 0);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(*rte_pktmbuf_mtod(m[i], uint8_t *), got + i);
		udp_stage_settle(s, m, n, n);
		got += n;
		if (got < 100 && sent < 250)
			send_n((uint8_t)sent++, 1, 1);
	}
	while (udp_stage_take(s, m, 1) != 0) {
		assert_int_equal(*rte_pktmbuf_mtod(m[0], uint8_t *), got++);
		udp_stage_settle(s, m, 1, 1);
	}
	assert_int_equal(got, sent);
	/* all that was passed is in the queue, in order */
	for (got = 0; udp_dequeue(s, m, 1) != 0; got++) {
		assert_int_equal(*rte_pktmbuf_mtod(m[0], uint8_t *), got);
		rte_pktmbuf_free(m[0]);
	}
	assert_int_equal(got, sent);
	for (sent = 0; sent < 120; sent += 40)
		send_n((uint8_t)sent, 40, 1);
	udp_set_stage(s, NULL);
	send_n(120, 1, 1);
	for (got = 0; udp_dequeue(s, m, 1) != 0; got++) {
		assert_int_equal(*rte_pktmbuf_mtod(m[0], uint8_t *), got);
		rte_pktmbuf_free(m[0]);
	}
	assert_int_equal(got, 121);
	udp_close(s);
}

/* SO_RCVBUF is for the queue, what is staged and the batch that is out, together. */
static void
limits(void **state)
{
	struct udp_sock *s = staging();
	struct rte_mbuf *m[64];
	unsigned int n;

	(void)state;
	udp_options(s)->rcvbuf = 65536;
	/* 1064 each: the sixty-second goes over the limit */
	send_n(0, 40, 1000);
	n = udp_stage_take(s, m, 20);
	udp_stage_settle(s, m, n, 20000);
	n = udp_stage_take(s, m, 10);
	send_n(40, 40, 1000);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_drop_full), 18);
	rte_pktmbuf_free_bulk(m, n);
	udp_stage_settle(s, m, 0, 10000);
	send_n(80, 20, 1000);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_drop_full), 28);
	n = udp_stage_take(s, m, 64);
	assert_int_equal(n, 42);
	assert_int_equal(*rte_pktmbuf_mtod(m[9], uint8_t *), 39);
	assert_int_equal(*rte_pktmbuf_mtod(m[31], uint8_t *), 61);
	assert_int_equal(*rte_pktmbuf_mtod(m[32], uint8_t *), 80);
	udp_stage_settle(s, m, n, 42000);
	send_n(0, 1, 1000);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_drop_full), 29);
	udp_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_told),
		TEST(ends_in_order),
		TEST(ends_not),
		TEST(long_ones),
		TEST(limits),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
