/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners over several rings of a port: each ring has connections of its own, data arrive where
 * software or the wire leads them, and what comes to another ring than its connection's reaches it
 * all the same, whoever listens there meanwhile.
 */
#include "../sock/cable.h"
#include "conf/conf.h"
#include "stream/stream.h"

#define CONNS 40
#define LISTENERS 4

static struct stream *l[LISTENERS], *c[CONNS], *s[CONNS];
static unsigned int n_conns;

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
	struct stream *stream;

	assert_int_equal(stream_open(7, nothing, NULL, &stream), 0);
	return stream;
}

/* @param ring of its own, 0: the port's */
static struct stream *
listens(uint16_t port, uint32_t ring)
{
	struct ip_addr local;
	uint16_t be = rte_cpu_to_be_16(port);
	struct stream *one = opened();

	assert_int_equal(ip_parse(B, &local), 0);
	stream_options(one)->tcp.reuse_port = true;
	if (ring != 0) {
		stream_ring_alloc(one)->logic = CONF_RING_PER_SOCKET;
		stream_ring_alloc(one)->sock = ring;
	}
	assert_int_equal(stream_bind(one, &local, &be), 0);
	assert_int_equal(stream_listen(one, 100), 0);
	return one;
}

static void
poll_ring(struct ring *ring, void *ctx)
{
	(void)ctx;
	net_poll(ring);
}

static void
turn_all(void)
{
	ring_foreach(poll_ring, NULL);
	stream_progress(clock_ns());
}

static void
add_stat(struct ring *ring, void *ctx)
{
	uint64_t *all = ctx;
	struct ring_stats sum_of;

	if (all[2] != 0 && ring->is_default)
		return;

	ring_stats_sum(ring, &sum_of);
	all[1] += sum_of.c[all[0]];
}

/* Of all rings, or of those that were made for a listener. */
static uint64_t
sum(unsigned int stat, bool own)
{
	uint64_t all[3] = { stat, 0, own };

	ring_foreach(add_stat, all);
	return all[1];
}

/* A connection to whoever has the number; how many are accepted by whom. */
static void
dial(uint16_t port, unsigned int listeners, unsigned int *got)
{
	struct stream *to = opened();
	struct ip_addr peer;
	int ret = -EALREADY;

	assert_int_equal(ip_parse(B_SEEN, &peer), 0);
	assert_int_equal(stream_connect(to, &peer, rte_cpu_to_be_16(port), 0), 0);
	for (unsigned int i = 0; ret == -EALREADY && i < 2000000; i++) {
		turn_all();
		ret = stream_connect_result(to);
	}
	assert_int_equal(ret, 0);
	c[n_conns] = to;
	s[n_conns] = opened();
	for (unsigned int i = 0; i < 2000000; i++) {
		unsigned int k = i % listeners;

		turn_all();
		if (l[k] != NULL && stream_accept(l[k], s[n_conns]) == 0) {
			got[k]++;
			n_conns++;
			return;
		}
	}
	fail_msg("nobody has accepted");
}

/* Some bytes there and back by every connection. */
static void
talk(unsigned int round)
{
	for (unsigned int i = 0; i < n_conns; i++) {
		for (unsigned int back = 0; back < 2; back++) {
			struct stream *from = back ? s[i] : c[i], *to = back ? c[i] : s[i];
			uint32_t out = round * 1000 + i * 2 + back, in = 0;
			struct iovec w = { &out, sizeof(out) }, r = { &in, sizeof(in) };
			ssize_t n = -EAGAIN;

			assert_int_equal(stream_send(from, &w, 1, 0, 0), sizeof(out));
			for (unsigned int k = 0; n == -EAGAIN && k < 2000000; k++) {
				turn_all();
				n = stream_recv(to, &r, 1, 0, 0);
			}
			assert_int_equal(n, sizeof(in));
			assert_int_equal(in, out);
		}
	}
}

static void
close_all(void)
{
	for (unsigned int i = 0; i < n_conns; i++) {
		stream_close(c[i], true);
		stream_close(s[i], true);
	}
	n_conns = 0;
	for (unsigned int i = 0; i < LISTENERS; i++)
		if (l[i] != NULL)
			stream_close(l[i], false);
	memset(l, 0, sizeof(l));
	for (unsigned int i = 0; i < 100; i++)
		turn_all();
}

static void
each_its_own(void **state)
{
	unsigned int got[LISTENERS] = { 0 };
	uint64_t soft, strays;

	(void)state;
	for (unsigned int i = 0; i < LISTENERS - 1; i++)
		l[i] = listens(7001, i + 1);
	for (unsigned int i = 0; i < CONNS / 2; i++)
		dial(7001, LISTENERS - 1, got);
	for (unsigned int i = 0; i < LISTENERS - 1; i++)
		assert_true(got[i] > 0);
	soft = sum(RING_STAT_spread_soft, true);
	strays = sum(RING_STAT_strays_handed, false);
	talk(1);
	assert_int_equal(sum(RING_STAT_strays_handed, false), strays);
	if (conf()->spread == CONF_SPREAD_HASH)
		assert_true(soft > 0);
	else
		assert_int_equal(soft, 0);
	/* one goes: its connections live on, and new ones go to the others */
	stream_close(l[0], false);
	l[0] = NULL;
	talk(2);
	assert_true(sum(RING_STAT_strays_handed, false) > strays);
	got[0] = 0;
	for (unsigned int i = 0; i < CONNS / 4; i++)
		dial(7001, LISTENERS - 1, got);
	assert_int_equal(got[0], 0);
	/* it comes back */
	l[0] = listens(7001, 1);
	talk(3);
	/* the wire leads elsewhere */
	__atomic_fetch_add(&cable_turn, 1, __ATOMIC_RELAXED);
	talk(4);
	/* each that strayed has a flow of its own after a while */
	for (uint64_t end = clock_ms() + 100; clock_ms() < end;)
		turn_all();
	talk(5);
	strays = sum(RING_STAT_strays_handed, false);
	for (uint64_t end = clock_ms() + 100; clock_ms() < end;)
		turn_all();
	talk(6);
	assert_int_equal(sum(RING_STAT_strays_handed, false), strays);
	close_all();
}

struct seen {
	unsigned int rings, conns;
};

static void
see(const struct ring *ring, const struct tcp_stats *stats, unsigned int conns, void *ctx)
{
	struct seen *seen = ctx;

	(void)stats;
	if (strcmp(ring->port->name, "net_ring_b") != 0)
		return;
	seen->rings += conns > 0;
	seen->conns += conns;
}

/* One listener with several rings: accept() takes from all, and each has connections. */
static void
one_listener(void **state)
{
	unsigned int got[LISTENERS] = { 0 };
	struct seen seen = { 0 };

	(void)state;
	l[0] = listens(7002, 0);
	for (unsigned int i = 0; i < CONNS; i++)
		dial(7002, 1, got);
	talk(1);
	stream_foreach_engine(see, &seen);
	assert_int_equal(seen.conns, CONNS);
	assert_int_equal(seen.rings, conf()->listen_rings);
	stream_close(l[0], false);
	l[0] = NULL;
	talk(2);
	close_all();
}

static int
start(void **state)
{
	(void)state;
	cable_queues = CABLE_QUEUES;
	cable_start("DPVMA_QUEUES=4", NULL);
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
		cmocka_unit_test(each_its_own),
		cmocka_unit_test(one_listener),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
