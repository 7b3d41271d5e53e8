/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets that share a number by SO_REUSEPORT, with rings of their own: a leg on each ring, who
 * gets what arrives there, who comes and goes, and mixes with sockets that do not share.
 */
#include "fake.h"

#define PEERS 64

static struct udp_sock *
unbound(enum conf_ring_logic logic, uint32_t user_id, bool reuse_port)
{
	struct udp_sock *s = sock_new();
	struct ring_alloc alloc = *udp_ring_alloc(s, RING_RX);

	udp_options(s)->reuse_addr = true;
	udp_options(s)->reuse_port = reuse_port;
	alloc.logic = logic;
	alloc.user_id = user_id;
	assert_int_equal(udp_set_ring_alloc(s, RING_RX, &alloc), 0);
	return s;
}

static struct udp_sock *
open_at(const char *local, uint32_t user_id)
{
	struct udp_sock *s = unbound(CONF_RING_PER_USER_ID, user_id, true);

	assert_int_equal(sock_bind(s, local, 4000), 0);
	return s;
}

static struct ring *
only_ring(struct udp_sock *s)
{
	struct ring *ring = NULL;

	assert_int_equal(udp_rings(s, &ring, 1), 1);
	return ring;
}

/* From each of the peers one: how many a socket has, all of them once; which[] is by peer. */
static void
share(struct udp_sock *const *s, unsigned int n, unsigned int *had, unsigned int *which)
{
	struct rte_mbuf *m[PEERS];
	unsigned int sum = 0;

	for (uint8_t p = 0; p < PEERS; p++)
		fake_rx1(0, PEER, 1000 + p, A0, 4000, p);
	for (unsigned int i = 0; i < n; i++) {
		had[i] = udp_dequeue(s[i], m, PEERS);
		sum += had[i];
		for (unsigned int k = 0; k < had[i]; k++)
			which[*rte_pktmbuf_mtod(m[k], uint8_t *)] = i;
		rte_pktmbuf_free_bulk(m, had[i]);
	}
	assert_int_equal(sum, PEERS);
}

static void
ring_each(void **state)
{
	struct udp_sock *s[4];
	struct ring *ring[4];
	unsigned int had[4], which[PEERS];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		s[i] = open_at(A0, i + 1);
	assert_int_equal(fake_flows(), 4);
	assert_int_equal(fake_rings(), 4);
	for (unsigned int i = 0; i < 4; i++) {
		ring[i] = only_ring(s[i]);
		for (unsigned int k = 0; k < i; k++)
			assert_ptr_not_equal(ring[k], ring[i]);
		assert_non_null(fake_leg(0, A0, 4000, ring[i]));
	}
	share(s, 4, had, which);
	for (unsigned int p = 0; p < PEERS; p++)
		assert_int_equal(which[p], (1000 + p) % 4);
	/* One goes: its leg does and no other, and what waits is for those that are left. */
	fake_flow_dels = fake_polls = 0;
	udp_close(s[1]);
	assert_int_equal(fake_flow_dels, 1);
	assert_true(fake_polls > 0);
	assert_null(fake_leg(0, A0, 4000, ring[1]));
	s[1] = s[3];
	share(s, 3, had, which);
	for (unsigned int i = 0; i < 3; i++)
		assert_in_range(had[i], PEERS / 3, PEERS / 3 + 1);
	/* Another comes, and nothing else changes. */
	s[3] = open_at(A0, 9);
	assert_int_equal(fake_flow_dels, 1);
	assert_int_equal(fake_flows(), 4);
	assert_ptr_equal(only_ring(s[0]), ring[0]);
	share(s, 4, had, which);
	for (unsigned int i = 1; i < 4; i++)
		udp_close(s[i]);
	assert_int_equal(fake_flows(), 1);
	assert_ptr_equal(only_ring(s[0]), ring[0]);
	share(s, 1, had, which);
	udp_close(s[0]);
}

/* Two on each of two rings: by the ring, then by hash. */
static void
pairs(void **state)
{
	struct udp_sock *s[4];
	unsigned int had[4], which[PEERS];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		s[i] = open_at(A0, 1 + i / 2);
	assert_int_equal(fake_flows(), 2);
	assert_ptr_equal(only_ring(s[0]), only_ring(s[1]));
	assert_ptr_equal(only_ring(s[2]), only_ring(s[3]));
	assert_ptr_not_equal(only_ring(s[0]), only_ring(s[2]));
	share(s, 4, had, which);
	for (unsigned int p = 0; p < PEERS; p++)
		assert_int_equal(which[p] / 2, (1000 + p) % 2);
	for (unsigned int i = 0; i < 4; i++)
		assert_in_range(had[i], 4, 28);
	/* The leg stays for the other one. */
	fake_flow_dels = 0;
	udp_close(s[0]);
	assert_int_equal(fake_flow_dels, 0);
	share(s + 1, 3, had, which);
	assert_int_equal(had[0], PEERS / 2);
	for (unsigned int i = 1; i < 4; i++)
		udp_close(s[i]);
}

/* As without legs: one logic one ring, a reader of a ring, no place for another leg. */
static void
one_ring(void **state)
{
	struct udp_sock *a = unbound(CONF_RING_PER_INTERFACE, 0, true),
			*b = unbound(CONF_RING_PER_INTERFACE, 0, true), *s[2];
	unsigned int had[2], which[PEERS];

	(void)state;
	assert_int_equal(sock_bind(a, A0, 4001), 0);
	assert_int_equal(sock_bind(b, A0, 4001), 0);
	assert_int_equal(fake_flows(), 1);
	assert_int_equal(fake_flow(0, A0, 4001, "::", 0)->flags, FLOW_RULE);
	udp_close(a);
	udp_close(b);
	s[0] = open_at(A0, 1);
	fake_flow_error = -ENOSPC;
	s[1] = open_at(A0, 2);
	assert_int_equal(fake_flows(), 1);
	assert_ptr_equal(only_ring(s[0]), only_ring(s[1]));
	share(s, 2, had, which);
	assert_in_range(had[0], 8, 56);
	udp_close(s[0]);
	fake_flow_error = 0;
	udp_close(s[1]);
}

/* It wants all, and has all whatever ring it comes by; without it they share again. */
static void
mixed(void **state)
{
	struct udp_sock *s[3] = { open_at(A0, 1), open_at(A0, 2) };
	unsigned int had[3], which[PEERS];
	struct udp_sock *low;

	(void)state;
	s[2] = unbound(CONF_RING_PER_USER_ID, 3, false);
	assert_int_equal(sock_bind(s[2], A0, 4000), 0);
	assert_int_equal(fake_flows(), 1);
	assert_ptr_equal(only_ring(s[0]), only_ring(s[2]));
	share(s, 3, had, which);
	assert_int_equal(had[2], PEERS);
	udp_close(s[2]);
	assert_int_equal(fake_flows(), 2);
	assert_ptr_not_equal(only_ring(s[0]), only_ring(s[1]));
	share(s, 2, had, which);
	assert_int_equal(had[0], PEERS / 2);
	/* One that is bound to any is offered nothing as long as they are there, nor is it in the
	 * way. */
	low = unbound(CONF_RING_PER_USER_ID, 4, false);
	assert_int_equal(sock_bind(low, "0.0.0.0", 4000), 0);
	share(s, 2, had, which);
	assert_int_equal(had[0], PEERS / 2);
	udp_close(s[0]);
	udp_close(s[1]);
	share(&low, 1, had, which);
	udp_close(low);
}

/* The connected one has its peer's wherever they arrive, and turns every ring. */
static void
connected(void **state)
{
	struct udp_sock *s[3];
	struct ring *rings[4];
	struct fake_pkt own = { PEER, A0, 9, 4000, 1, 1 }, other = { PEER, A0, 8, 4000, 1, 2 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		s[i] = open_at(A0, i + 1);
	assert_int_equal(sock_connect(s[2], PEER, 9), 0);
	assert_int_equal(fake_flows(), 2);
	assert_int_equal(udp_rings(s[2], rings, 4), 2);
	for (unsigned int i = 0; i < 2; i++) {
		struct flow *leg = fake_leg(0, A0, 4000, only_ring(s[i]));

		fake_rx_by(leg, &own);
		fake_rx_by(leg, &other);
		assert_string_equal(sock_read(s[2]), "01 ");
		assert_string_equal(sock_read(s[i]), "02 ");
	}
	/* Not connected any more it has a ring of its own again. */
	assert_int_equal(sock_connect(s[2], NULL, 0), 0);
	assert_int_equal(fake_flows(), 3);
	only_ring(s[2]);
	for (unsigned int i = 0; i < 3; i++)
		udp_close(s[i]);
}

/* Bound to any: at each address, also where nothing steers; what is for all is. */
static void
any(void **state)
{
	struct udp_sock *s[3];
	struct ring *rings[8];
	unsigned int had[3], which[PEERS];

	(void)state;
	s[0] = open_at("0.0.0.0", 1);
	assert_int_equal(fake_flows(), PORTS);
	s[1] = open_at("0.0.0.0", 2);
	s[2] = open_at("0.0.0.0", 3);
	assert_int_equal(fake_flows(), PORTS * 4);
	/* that of each port without address too, which brings broadcasts */
	assert_int_equal(udp_rings(s[0], rings, 8), PORTS);
	assert_int_equal(udp_rings(s[1], rings, 8), 2 * PORTS);
	share(s, 3, had, which);
	for (unsigned int p = 0; p < PEERS; p++)
		assert_int_equal(which[p], (1000 + p) % 3);
	fake_rx1(0, PEER, 1000, "10.0.0.255", 4000, 7);
	for (unsigned int i = 0; i < 3; i++)
		assert_string_equal(sock_read(s[i]), "07 ");
	udp_close(s[0]);
	udp_close(s[2]);
	assert_int_equal(fake_flows(), PORTS);
	share(s + 1, 1, had, which);
	udp_close(s[1]);
}

/* Where rules alone bring packets, the ring of the socket's leg is all that it turns. */
static void
any_isolated(void **state)
{
	struct udp_sock *s[2];

	(void)state;
	fake_ports_n = 1;
	fake_ports[0].caps.flow = fake_ports[0].caps.isolated = true;
	s[0] = open_at("0.0.0.0", 1);
	s[1] = open_at("0.0.0.0", 2);
	assert_ptr_not_equal(only_ring(s[0]), only_ring(s[1]));
	udp_close(s[0]);
	only_ring(s[1]);
	udp_close(s[1]);
}

/* A device that spreads nothing: all turn the ring where all arrive. */
static void
refused(void **state)
{
	struct udp_sock *s[2];
	struct ring *rings[4];

	(void)state;
	fake_refuse_spread = true;
	s[0] = open_at(A0, 1);
	only_ring(s[0]);
	s[1] = open_at(A0, 2);
	assert_int_equal(fake_flows(), 2);
	assert_int_equal(udp_rings(s[1], rings, 4), 2);
	udp_close(s[0]);
	only_ring(s[1]);
	udp_close(s[1]);
}

/* Each to the ring of its thread, with a leg of its own, alone on it, and to one that is there. */
static void
migration(void **state)
{
	struct udp_sock *s[2];
	struct ring *first;
	unsigned int had[2], which[PEERS];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		s[i] = unbound(CONF_RING_PER_THREAD, 0, true);
		assert_int_equal(sock_bind(s[i], A0, 4000), 0);
	}
	first = only_ring(s[0]);
	assert_ptr_equal(only_ring(s[1]), first);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	fake_here = 2;
	fake_moved_away = true;
	/* whichever has it */
	sock_read(s[0]);
	sock_read(s[1]);
	fake_moved_away = false;
	assert_int_equal(fake_flows(), 2);
	assert_int_equal(fake_flow_moves, 0);
	assert_ptr_not_equal(only_ring(s[0]), only_ring(s[1]));
	share(s, 2, had, which);
	assert_int_equal(had[0], PEERS / 2);
	assert_int_equal(had[1], PEERS / 2);
	/* One alone on a leg takes it along. */
	fake_here = 3;
	fake_rx1(0, PEER, 1000, A0, 4000, 1);
	fake_rx1(0, PEER, 1001, A0, 4000, 1);
	fake_moved_away = true;
	assert_string_equal(sock_read(s[0]), "01 ");
	fake_moved_away = false;
	assert_int_equal(fake_flow_moves, 1);
	assert_int_equal(fake_flows(), 2);
	/* The other comes there. */
	fake_moved_away = true;
	assert_string_equal(sock_read(s[1]), "01 ");
	fake_moved_away = false;
	assert_int_equal(fake_flows(), 1);
	assert_ptr_equal(only_ring(s[0]), only_ring(s[1]));
	share(s, 2, had, which);
	udp_close(s[0]);
	udp_close(s[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ring_each),
		TEST(pairs),
		TEST(one_ring),
		TEST(mixed),
		TEST(connected),
		TEST(any),
		TEST(any_isolated),
		TEST(refused),
		TEST(migration),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
