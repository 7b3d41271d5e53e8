/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of stream sockets no call tells: numbers that connections share and that stay taken, flows
 * that outlive their listener, engines and rings that go when nobody needs them. Both ends are
 * ours, over the cable of ../sock.
 */
#include "../sock/cable.h"
#include "conf/conf.h"
#include "stream/stream.h"

#define FIRST 40000
#define NUMBERS 3 /* that sockets may choose from */

static void
nothing(void *ctx, struct ring *ring, unsigned int events)
{
	(void)ctx;
	(void)ring;
	(void)events;
}

static struct stream *
opened(void)
{
	struct stream *s;

	assert_int_equal(stream_open(7, nothing, NULL, &s), 0);
	return s;
}

static struct ip_addr
addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static struct stream *
listens(uint16_t port, int backlog)
{
	struct ip_addr local = addr(B);
	uint16_t be = rte_cpu_to_be_16(port);
	struct stream *s = opened();

	stream_options(s)->reuse_addr = true;
	assert_int_equal(stream_bind(s, &local, &be), 0);
	assert_int_equal(stream_listen(s, backlog), 0);
	return s;
}

/* Turns for both ends until the connect has ended. */
static int
finish(struct stream *s, struct stream *other)
{
	int ret;

	for (unsigned int i = 0; i < 2000000; i++) {
		stream_poll(s);
		if (other != NULL)
			stream_poll(other);
		ret = stream_connect_result(s);
		if (ret != -EALREADY)
			return ret;
	}
	return -ETIMEDOUT;
}

static int
dial(struct stream *s, uint16_t port, struct stream *listener)
{
	struct ip_addr peer = addr(B_SEEN);
	int ret = stream_connect(s, &peer, rte_cpu_to_be_16(port), 0);

	return ret == 0 ? finish(s, listener) : ret;
}

static uint16_t
number_of(const struct stream *s)
{
	struct ip_addr a;
	uint16_t be;

	stream_local(s, &a, &be);
	return rte_be_to_cpu_16(be);
}

static struct stream *
accepted(struct stream *l)
{
	struct stream *s = opened();
	int ret = -EAGAIN;

	for (unsigned int i = 0; ret == -EAGAIN && i < 2000000; i++) {
		stream_poll(l);
		ret = stream_accept(l, s);
	}
	assert_int_equal(ret, 0);
	return s;
}

struct seen {
	unsigned int engines, conns;
};

static void
see(const struct ring *ring, const struct tcp_stats *stats, unsigned int conns, void *ctx)
{
	struct seen *seen = ctx;

	(void)ring;
	(void)stats;
	seen->engines++;
	seen->conns += conns;
}

static struct seen
look(void)
{
	struct seen seen = { 0 };

	stream_progress(clock_ns());
	stream_foreach_engine(see, &seen);
	return seen;
}

/* Until resets have arrived. */
static void
nothing_left(void)
{
	struct seen seen = look();

	for (unsigned int i = 0; seen.engines != 0 && i < 5000; i++) {
		usleep(200);
		seen = look();
	}
	assert_int_equal(seen.conns, 0);
	assert_int_equal(seen.engines, 0);
}

/* A number is for one connection to a peer, and for as many peers as there are. */
static void
numbers_are_shared(void **state)
{
	struct stream *l1 = listens(7001, 8), *l2 = listens(7002, 8);
	struct stream *c[2 * NUMBERS + 1], *s[2 * NUMBERS];
	unsigned int i, bits[2] = { 0 };

	(void)state;
	for (i = 0; i < 2 * NUMBERS; i++) {
		c[i] = opened();
		assert_int_equal(dial(c[i], i % 2 ? 7002 : 7001, i % 2 ? l2 : l1), 0);
		bits[i % 2] |= 1u << (number_of(c[i]) - FIRST);
		s[i] = accepted(i % 2 ? l2 : l1);
	}
	assert_int_equal(bits[0], (1u << NUMBERS) - 1);
	assert_int_equal(bits[1], (1u << NUMBERS) - 1);
	c[i] = opened();
	assert_int_equal(dial(c[i], 7001, l1), -EADDRNOTAVAIL);
	assert_int_equal(number_of(c[i]), 0);
	/* one that is reset gives its number back */
	stream_close(c[0], true);
	stream_close(s[0], true);
	assert_int_equal(dial(c[i], 7001, l1), 0);
	stream_close(c[i], true);
	for (i = 1; i < 2 * NUMBERS; i++)
		stream_close(c[i], true);
	for (i = 1; i < 2 * NUMBERS; i++)
		stream_close(s[i], true);
	stream_close(l1, false);
	stream_close(l2, false);
	nothing_left();
}

/* TIME-WAIT keeps the number of that peer, and bind() from it without SO_REUSEADDR. */
static void
numbers_stay_taken(void **state)
{
	struct stream *l = listens(7003, 8), *c = opened(), *s, *b = opened();
	struct ip_addr local = addr(A);
	uint16_t number, be;

	(void)state;
	assert_int_equal(dial(c, 7003, l), 0);
	number = number_of(c);
	s = accepted(l);
	assert_int_equal(stream_shutdown(c, 1), 0);
	stream_close(c, false);
	stream_poll(s);
	stream_close(s, false);
	be = rte_cpu_to_be_16(number);
	assert_int_equal(stream_bind(b, &local, &be), -EADDRINUSE);
	stream_options(b)->reuse_addr = true;
	/* what was closed had not set it */
	assert_int_equal(stream_bind(b, &local, &be), -EADDRINUSE);
	stream_close(b, false);
	stream_close(l, false);
	assert_true(look().conns != 0);
}

static void
connections_outlive_listeners(void **state)
{
	struct stream *l = listens(7004, 8), *c = opened(), *s, *c2 = opened(), *s2;
	struct iovec out = { (char *)(uintptr_t) "still", 5 };
	char buf[8];
	struct iovec in = { buf, sizeof(buf) };
	ssize_t n = -EAGAIN;

	(void)state;
	assert_int_equal(dial(c, 7004, l), 0);
	s = accepted(l);
	stream_close(l, false);
	stream_progress(clock_ns());
	assert_int_equal(stream_send(c, &out, 1, 0, 0), 5);
	while (n == -EAGAIN) {
		stream_poll(s);
		n = stream_recv(s, &in, 1, 0, 0);
	}
	assert_int_equal(n, 5);
	/* another comes by the same flow */
	l = listens(7004, 8);
	assert_int_equal(dial(c2, 7004, l), 0);
	s2 = accepted(l);
	stream_close(s2, true);
	stream_close(c2, true);
	stream_close(s, true);
	stream_close(c, true);
	stream_close(l, false);
}

/* Beyond the backlog nobody is let in before somebody was accepted. */
static void
backlog_holds(void **state)
{
	struct stream *l = listens(7005, 1), *c[NUMBERS], *s;
	struct ip_addr peer = addr(B_SEEN);
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		c[i] = opened();
		assert_int_equal(dial(c[i], 7005, l), 0);
	}
	for (i = 0; stream_waiting(l) < 2 && i < 2000000; i++)
		stream_poll(l);
	assert_int_equal(stream_waiting(l), 2);
	c[2] = opened();
	assert_int_equal(stream_connect(c[2], &peer, RTE_BE16(7005), 0), 0);
	usleep(20000);
	stream_poll(l);
	stream_poll(c[2]);
	assert_int_equal(stream_connect_result(c[2]), -EALREADY);
	s = accepted(l);
	for (i = 0; i < 3; i++)
		stream_close(c[i], true);
	stream_close(s, true);
	stream_close(l, false);
}

static int
start(void **state)
{
	(void)state;
	cable_start("DPVMA_EPHEMERAL_FIRST=40000", "DPVMA_EPHEMERAL_LAST=40002", NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_shared),
		cmocka_unit_test(connections_outlive_listeners),
		cmocka_unit_test(backlog_holds),
		cmocka_unit_test(numbers_stay_taken),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
