/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings of sockets: which they poll, migration with the flows that are theirs, cyclic profiles; and
 * closing while another thread delivers.
 */
#include <pthread.h>

#include "fake.h"

static void
per_socket(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(a, RING_RX);
	struct ring *ra[2], *rb[2];

	(void)state;
	assert_int_equal(udp_rings(a, ra, 2), 0);
	assert_int_equal(udp_poll(a), 0);
	alloc.logic = CONF_RING_PER_SOCKET;
	assert_int_equal(udp_set_ring_alloc(a, RING_RX, &alloc), 0);
	assert_int_equal(sock_bind(a, A0, 4000), 0);
	assert_int_equal(sock_bind(b, A0, 4001), 0);
	assert_int_equal(udp_rings(a, ra, 2), 1);
	assert_int_equal(udp_rings(b, rb, 2), 1);
	assert_ptr_not_equal(ra[0], rb[0]);
	assert_int_equal(udp_poll(a), 1);
	udp_close(a);
	udp_close(b);
}

/* Those who share a flow share its ring; it stays when its owner goes. */
static void
shared(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(a, RING_RX);
	struct ring *ra, *rb;

	(void)state;
	udp_options(a)->reuse_addr = udp_options(b)->reuse_addr = true;
	alloc.logic = CONF_RING_PER_SOCKET;
	assert_int_equal(udp_set_ring_alloc(a, RING_RX, &alloc), 0);
	assert_int_equal(sock_bind(a, A0, 4000), 0);
	assert_int_equal(sock_bind(b, A0, 4000), 0);
	assert_int_equal(udp_rings(a, &ra, 1), 1);
	assert_int_equal(udp_rings(b, &rb, 1), 1);
	assert_ptr_equal(ra, rb);
	udp_close(a);
	assert_int_equal(udp_rings(b, &rb, 1), 1);
	assert_ptr_equal(ra, rb);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	assert_string_equal(sock_read(b), "01 ");
	udp_close(b);
}

static void
migration(void **state)
{
	struct udp_sock *s = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(s, RING_RX);
	struct ring *before[2], *after[2];

	(void)state;
	alloc.logic = CONF_RING_PER_THREAD;
	assert_int_equal(udp_set_ring_alloc(s, RING_RX, &alloc), 0);
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	assert_int_equal(udp_rings(s, before, 2), 2);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	/* The thread reads from elsewhere; one that finds nothing is no use of the ring. */
	fake_here = 2;
	fake_moved_away = true;
	assert_string_equal(sock_read(s), "01 ");
	assert_int_equal(fake_flow_moves, 2);
	assert_int_equal(fake_polls, 2);
	assert_int_equal(udp_rings(s, after, 2), 2);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < 2; k++)
			assert_ptr_not_equal(before[i], after[k]);
	assert_int_equal(fake_ring_count(0, RING_STAT_migrations), 1);
	/* Those it left live until the next time, for whoever sleeps on them. */
	assert_int_equal(fake_rings(), 4);
	sock_read(s);
	assert_int_equal(fake_flow_moves, 2);
	fake_rx1(0, PEER, 9, A0, 4000, 2);
	fake_here = 3;
	assert_string_equal(sock_read(s), "02 ");
	assert_int_equal(fake_flow_moves, 4);
	assert_int_equal(fake_rings(), 4);
	udp_close(s);
}

static void
migration_off(void **state)
{
	struct udp_sock *s = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(s, RING_RX);

	(void)state;
	alloc.logic = CONF_RING_PER_THREAD;
	alloc.ratio = -1;
	assert_int_equal(udp_set_ring_alloc(s, RING_RX, &alloc), 0);
	assert_int_equal(sock_bind(s, A0, 4000), 0);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	fake_here = 2;
	fake_moved_away = true;
	assert_string_equal(sock_read(s), "01 ");
	assert_int_equal(fake_flow_moves, 0);
	udp_close(s);
}

static struct ring *
tx_ring(struct udp_sock *s, const char *to)
{
	struct ip_addr a = addr(to);
	struct ring *ring = udp_tx_ring(s, &a, htons(9));

	if (ring != NULL)
		ring_release(ring);
	return ring;
}

/* Bound, or in a group: the ring of the address, before anything was sent. */
static void
transmit_to(void **state)
{
	struct udp_sock *s = sock_new();
	struct ring *ring;

	(void)state;
	assert_int_equal(sock_bind(s, A0, 4000), 0);
	ring = tx_ring(s, PEER);
	assert_non_null(ring);
	assert_ptr_equal(tx_ring(s, PEER), ring);
	/* no way there */
	assert_null(tx_ring(s, "192.168.1.1"));
	assert_int_equal(fake_sent_n, 0);
	udp_close(s);
}

static void
transmit(void **state)
{
	struct udp_sock *s = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(s, RING_TX);
	struct udp_out o = { .tos = -1, .ttl = -1 };
	struct ring *before, *after;

	(void)state;
	alloc.logic = CONF_RING_PER_CORE;
	assert_null(tx_ring(s, PEER));
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(udp_set_ring_alloc(s, RING_TX, &alloc), 0);
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	before = tx_ring(s, PEER);
	assert_ptr_equal(fake_sent[1].ring, before);
	assert_ptr_not_equal(fake_sent[0].ring, before);
	fake_here = 2;
	fake_moved_away = true;
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	/* a peer is a peer, whatever address is asked for */
	after = tx_ring(s, "192.168.1.1");
	assert_ptr_not_equal(before, after);
	assert_ptr_equal(fake_sent[2].ring, after);
	udp_close(s);
}

/* A cyclic profile, before binding and after: the flow belongs to the ring's reader. */
static void
cyclic(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(a, RING_RX), back = alloc;
	struct ring *ra, *rb;

	(void)state;
	alloc.logic = CONF_RING_PER_USER_ID;
	alloc.user_id = 5;
	alloc.profile = 7;
	assert_int_equal(udp_set_ring_alloc(a, RING_RX, &alloc), 0);
	assert_int_equal(sock_bind(a, A0, 4000), 0);
	assert_int_equal(fake_flow(0, A0, 4000, "::", 0)->flags, FLOW_RULE | FLOW_CYCLIC);
	assert_int_equal(sock_bind(b, A0, 4001), 0);
	assert_int_equal(fake_flow(0, A0, 4001, "::", 0)->flags, FLOW_RULE);
	assert_int_equal(udp_set_ring_alloc(b, RING_RX, &alloc), 0);
	assert_int_equal(fake_flow(0, A0, 4001, "::", 0)->flags, FLOW_RULE | FLOW_CYCLIC);
	/* One user id is one ring. */
	assert_int_equal(udp_rings(a, &ra, 1), 1);
	assert_int_equal(udp_rings(b, &rb, 1), 1);
	assert_ptr_equal(ra, rb);
	assert_int_equal(udp_set_ring_alloc(b, RING_RX, &back), 0);
	assert_int_equal(fake_flow(0, A0, 4001, "::", 0)->flags, FLOW_RULE);
	/* The device refuses: as before. */
	fake_flow_refuse_rules = true;
	assert_int_not_equal(udp_set_ring_alloc(b, RING_RX, &alloc), 0);
	assert_int_equal(udp_ring_alloc(b, RING_RX)->profile, 0);
	udp_close(a);
	udp_close(b);
}

/* Deliveries from a thread while sockets of the same and of another flow come and go. */
static bool stop;

/* Whoever waits for a processor holds few packets: the pool has more than two full queues. */
static void
share_shallow(struct udp_sock *s)
{
	udp_options(s)->reuse_addr = true;
	udp_options(s)->rcvbuf = 65536;
}

static void *
deliver(void *arg)
{
	struct flow *stays = arg;
	struct fake_pkt p = { PEER, A0, 9, 4000, 1, 0 };

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct rte_mbuf *m[4];

		for (unsigned int i = 0; i < RTE_DIM(m); i++)
			m[i] = fake_frame(&p);
		ring_rx_lock(stays->ring);
		stays->sink->deliver(stays->sink, stays->ring, m, RTE_DIM(m));
		ring_rx_unlock(stays->ring);
	}
	return NULL;
}

static void
close_while_delivering(void **state)
{
	struct udp_sock *stays = sock_new(), *s;
	struct rte_mbuf *m[64];
	uint64_t reads = 0, other = 0;
	pthread_t thread;

	(void)state;
	share_shallow(stays);
	assert_int_equal(sock_bind(stays, A0, 4000), 0);
	__atomic_store_n(&stop, false, __ATOMIC_RELAXED);
	assert_int_equal(
			pthread_create(&thread, NULL, deliver, fake_flow(0, A0, 4000, "::", 0)), 0);
	for (unsigned int i = 0; i < 500 || reads == 0 || other == 0; i++) {
		unsigned int n;

		s = sock_new();
		share_shallow(s);
		assert_int_equal(sock_bind(s, A0, 4000), 0);
		if (i % 3 == 0)
			assert_int_equal(sock_connect(s, PEER, 9), 0);
		n = udp_dequeue(s, m, RTE_DIM(m));
		rte_pktmbuf_free_bulk(m, n);
		other += n;
		n = udp_dequeue(stays, m, RTE_DIM(m));
		rte_pktmbuf_free_bulk(m, n);
		reads += n;
		assert_true(i < 1000000);
		udp_close(s);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	udp_close(stays);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(per_socket),
		TEST(shared),
		TEST(migration),
		TEST(migration_off),
		TEST(transmit),
		TEST(transmit_to),
		TEST(cyclic),
		TEST(close_while_delivering),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
