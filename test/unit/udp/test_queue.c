/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of one socket: order, limits, looking without taking, waking, time stamps, what a
 * datagram looks like to its reader, errors and shutting.
 */
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <time.h>

#include "fake.h"

static unsigned int woken;

static void
wake(void *ctx, struct ring *ring, unsigned int events)
{
	(void)ring;
	assert_ptr_equal(ctx, &woken);
	woken += events != RING_CHANGED;
}

static struct udp_sock *
bound(void)
{
	struct udp_sock *s;

	woken = 0;
	assert_int_equal(udp_open(5, wake, &woken, &s), 0);
	assert_int_equal(sock_bind(s, A0, 4000), 0);
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

static void
order(void **state)
{
	struct udp_sock *s = bound();
	struct rte_mbuf *m[64];
	unsigned int n;

	(void)state;
	assert_int_equal(udp_dequeue(s, m, 4), 0);
	send_n(0, 5, 1);
	send_n(5, 1, 1);
	assert_int_equal(udp_dequeue(s, m, 0), 0);
	n = udp_dequeue(s, m, 2);
	send_n(6, 30, 1);
	n += udp_dequeue(s, m + n, 1);
	n += udp_dequeue(s, m + n, 33);
	assert_int_equal(n, 36);
	assert_false(udp_readable(s));
	send_n(36, 2, 1);
	assert_true(udp_readable(s));
	n += udp_dequeue(s, m + n, 20);
	assert_int_equal(n, 38);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(*rte_pktmbuf_mtod(m[i], uint8_t *), i);
	rte_pktmbuf_free_bulk(m, n);
	udp_close(s);
}

static void
contents(void **state)
{
	struct udp_sock *s = bound();
	struct fake_pkt p = { PEER, A0, 9, 4000, 100, 7 };
	struct rte_mbuf *m, *got;
	struct flow *f = fake_flow(0, A0, 4000, "::", 0);
	uint32_t pkts, bytes, first;

	(void)state;
	fake_rx(0, &p, 1);
	assert_int_equal(udp_dequeue(s, &got, 1), 1);
	assert_int_equal(got->pkt_len, 100);
	assert_int_equal(rte_pktmbuf_mtod(got, uint8_t *)[99], 106);
	assert_int_equal(udp_packet_ip(got)->src_addr, RTE_BE32(0x0a000009));
	assert_int_equal(udp_packet_udp(got)->src_port, RTE_BE16(9));
	rte_pktmbuf_free(got);
	/* A datagram shorter than the packet, in one segment and in two. */
	for (unsigned int segs = 1; segs <= 2; segs++) {
		m = fake_frame(&p);
		rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34)->dgram_len = RTE_BE16(48);
		if (segs == 2) {
			struct rte_mbuf *tail = fake_frame(&p);

			rte_pktmbuf_adj(tail, 42);
			assert_int_equal(rte_pktmbuf_trim(m, 80), 0);
			assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
		}
		f->sink->deliver(f->sink, f->ring, &m, 1);
		udp_queued(s, &pkts, &bytes, &first);
		assert_int_equal(pkts, 1);
		assert_int_equal(bytes, 40);
		assert_int_equal(first, 40);
		assert_int_equal(udp_dequeue(s, &got, 1), 1);
		assert_int_equal(got->pkt_len, 40);
		assert_int_equal(got->data_len, segs == 1 ? 40 : 20);
		if (segs == 2)
			assert_int_equal(got->next->data_len, 20);
		rte_pktmbuf_free(got);
	}
	udp_queued(s, &pkts, &bytes, &first);
	assert_int_equal(pkts + bytes + first, 0);
	udp_close(s);
}

/* Each counts its payload and the charge; what comes when the limit is reached is dropped. */
static void
limits(void **state)
{
	struct udp_sock *s = bound();
	const uint32_t each = 1000 + UDP_PACKET_CHARGE;
	uint32_t pkts, bytes, fit;

	(void)state;
	/* The floor holds against a smaller SO_RCVBUF. */
	udp_options(s)->rcvbuf = 1;
	fit = (65536 + each - 1) / each;
	for (unsigned int i = 0; i < 10; i++)
		send_n(0, 10, 1000);
	udp_queued(s, &pkts, &bytes, NULL);
	assert_int_equal(pkts, fit);
	assert_int_equal(bytes, fit * 1000);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_drop_full), 100 - fit);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_packets), fit);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_bytes), fit * 1000);
	sock_read(s);
	/* More, and empty datagrams have a limit too. */
	udp_options(s)->rcvbuf = 80000;
	for (unsigned int i = 0; i < 40; i++)
		send_n(0, 50, 0);
	udp_queued(s, &pkts, &bytes, NULL);
	assert_int_equal(pkts, 80000 / UDP_PACKET_CHARGE);
	assert_int_equal(bytes, 0);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_packets), fit + pkts);
	udp_close(s);
}

static void
peek(void **state)
{
	struct udp_sock *s = bound();
	struct rte_mbuf *m, *got;

	(void)state;
	assert_null(udp_peek(s));
	send_n(3, 2, 1);
	m = udp_peek(s);
	assert_int_equal(*rte_pktmbuf_mtod(m, uint8_t *), 3);
	/* It outlives the reader's. */
	assert_int_equal(udp_dequeue(s, &got, 1), 1);
	assert_ptr_equal(got, m);
	rte_pktmbuf_free(got);
	assert_int_equal(*rte_pktmbuf_mtod(m, uint8_t *), 3);
	rte_pktmbuf_free(m);
	assert_string_equal(sock_read(s), "04 ");
	udp_close(s);
}

static void
wakes(void **state)
{
	struct udp_sock *s = bound();

	(void)state;
	send_n(0, 3, 1);
	send_n(0, 3, 1);
	assert_int_equal(woken, 1);
	sock_read(s);
	send_n(0, 1, 1);
	assert_int_equal(woken, 2);
	udp_set_wake(s, UDP_WAKE_NEVER);
	sock_read(s);
	send_n(0, 1, 1);
	assert_int_equal(woken, 2);
	udp_set_wake(s, UDP_WAKE_READABLE);
	sock_read(s);
	send_n(0, 1, 1);
	assert_int_equal(woken, 3);
	udp_close(s);
}

static void
stamps(void **state)
{
	struct udp_sock *s = bound();
	struct rte_mbuf *m;
	struct timespec ts;
	uint64_t before;

	(void)state;
	udp_options(s)->want_time = true;
	clock_gettime(CLOCK_REALTIME, &ts);
	before = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	send_n(0, 1, 1);
	assert_int_equal(udp_dequeue(s, &m, 1), 1);
	clock_gettime(CLOCK_REALTIME, &ts);
	assert_in_range(*ring_mbuf_swtime(m), before,
			(uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec);
	rte_pktmbuf_free(m);
	udp_close(s);
}

static void
icmp(const char *local, const char *remote, uint16_t rport, int err, uint8_t type, uint8_t code)
{
	struct flow_key k = { .local = addr(local),
		.remote = addr(remote),
		.lport = RTE_BE16(4000),
		.rport = rte_cpu_to_be_16(rport),
		.proto = IPPROTO_UDP };

	struct net_error e = { .err = err, .type = type, .code = code };

	fake_icmp(&k, &e);
}

/* ICMP reaches the socket with that peer, and of the errors those that Linux tells. */
static void
asynchronous(void **state)
{
	struct udp_sock *s = bound();

	(void)state;
	icmp(A0, PEER, 9, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
	assert_int_equal(udp_take_error(s), 0);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	icmp(A0, PEER, 8, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
	icmp(A0, "10.0.0.8", 9, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
	icmp(A1, PEER, 9, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
	icmp(A0, PEER, 9, EHOSTUNREACH, ICMP_UNREACH, ICMP_UNREACH_HOST);
	icmp(A0, PEER, 9, ENETUNREACH, ICMP_UNREACH, ICMP_UNREACH_NET);
	icmp(A0, PEER, 9, EHOSTUNREACH, ICMP_TIMXCEED, 0);
	icmp(A0, PEER, 9, EMSGSIZE, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG);
	assert_false(udp_has_error(s));
	assert_false(udp_readable(s));
	assert_int_equal(woken, 0);
	icmp(A0, PEER, 9, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
	assert_int_equal(woken, 1);
	assert_true(udp_readable(s));
	assert_true(udp_has_error(s));
	assert_int_equal(udp_take_error(s), ECONNREFUSED);
	assert_int_equal(udp_take_error(s), 0);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, errors), 1);
	udp_options(s)->df = true;
	icmp(A0, PEER, 9, EMSGSIZE, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG);
	assert_int_equal(udp_take_error(s), EMSGSIZE);
	/* Without a peer again it hears nothing; closed, it is not found. */
	assert_int_equal(sock_connect(s, NULL, 0), 0);
	icmp(A0, PEER, 9, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
	assert_int_equal(udp_take_error(s), 0);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	udp_close(s);
	icmp(A0, PEER, 9, ECONNREFUSED, ICMP_UNREACH, ICMP_UNREACH_PORT);
}

static void
shut(void **state)
{
	struct udp_sock *s = bound();
	struct udp_out o = { .tos = -1, .ttl = -1 };

	(void)state;
	assert_int_equal(udp_shutdown(s, 77), -EINVAL);
	assert_int_equal(udp_shutdown(s, SHUT_RD), -ENOTCONN);
	assert_int_equal(woken, 1);
	assert_true(udp_readable(s));
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(udp_shutdown(s, SHUT_WR), 0);
	assert_int_equal(udp_send(s, &o, 1, false), -EPIPE);
	udp_close(s);
}

/* Taken as a list, and put back as if it had not been taken. */
static void
lists(void **state)
{
	struct udp_sock *s = bound();
	struct rte_mbuf *m[64], *first = NULL, *at;
	uint32_t pkts, bytes, len;
	unsigned int n;

	(void)state;
	assert_int_equal(udp_dequeue_list(s, &first, 10, 5), 0);
	assert_null(first);
	send_n(0, 10, 7);
	/* more than all: some of them */
	assert_int_equal(udp_dequeue_list(s, &first, 9, 4), 4);
	udp_queued(s, &pkts, &bytes, &len);
	assert_int_equal(pkts, 6);
	assert_int_equal(bytes, 42);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_read), 4);
	at = first;
	for (n = 0; n < 4; n++, at = *ring_mbuf_link(at))
		assert_int_equal(*rte_pktmbuf_mtod(at, uint8_t *), n);
	/* without the first of them */
	at = *ring_mbuf_link(first);
	rte_pktmbuf_free(first);
	udp_requeue(s, at, 3);
	udp_queued(s, &pkts, &bytes, &len);
	assert_int_equal(pkts, 9);
	assert_int_equal(bytes, 63);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_read), 1);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, rx_bytes), 70);
	/* all, into an empty queue, and what comes then is behind them */
	assert_int_equal(udp_dequeue_list(s, &first, 9, 1), 9);
	assert_false(udp_readable(s));
	udp_requeue(s, first, 9);
	assert_true(udp_readable(s));
	send_n(10, 1, 7);
	assert_int_equal(udp_dequeue(s, m, 64), 10);
	for (n = 0; n < 10; n++)
		assert_int_equal(*rte_pktmbuf_mtod(m[n], uint8_t *), n + 1);
	rte_pktmbuf_free_bulk(m, 10);
	send_n(0, 1, 7);
	assert_int_equal(udp_dequeue_list(s, &first, 1, 1), 1);
	udp_requeue(s, first, 1);
	/* what is in the queue again goes with it */
	udp_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order),
		TEST(contents),
		TEST(limits),
		TEST(peek),
		TEST(wakes),
		TEST(stamps),
		TEST(asynchronous),
		TEST(shut),
		TEST(lists),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
