/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several sockets behind one flow: who gets unicast, that multicast and broadcast reach all that
 * match, in order and with data of their own.
 */
#include "fake.h"

static struct udp_sock *
open_at(const char *local, bool reuse_port)
{
	struct udp_sock *s = sock_new();

	udp_options(s)->reuse_addr = !reuse_port;
	udp_options(s)->reuse_port = reuse_port;
	assert_int_equal(sock_bind(s, local, 4000), 0);
	return s;
}

static void
last_bound(void **state)
{
	struct udp_sock *a = open_at(A0, false), *b = open_at(A0, false), *c = open_at(A0, false);

	(void)state;
	assert_int_equal(fake_flows(), 1);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	udp_close(c);
	fake_rx1(0, PEER, 9, A0, 4000, 2);
	udp_close(a);
	fake_rx1(0, PEER, 9, A0, 4000, 3);
	assert_string_equal(sock_read(b), "02 03 ");
	udp_close(b);
}

/* SO_REUSEPORT: by source, always the same one, none left out. */
static void
spread(void **state)
{
	struct udp_sock *s[4];
	struct rte_mbuf *m[64];
	unsigned int seen[64] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(s); i++)
		s[i] = open_at(A0, true);
	for (unsigned int round = 0; round < 2; round++) {
		for (uint8_t port = 0; port < 64; port++)
			fake_rx1(0, PEER, 1000 + port, A0, 4000, port);
		for (unsigned int i = 0; i < RTE_DIM(s); i++) {
			unsigned int n = udp_dequeue(s[i], m, RTE_DIM(m));

			assert_in_range(n, 4, 40);
			for (unsigned int k = 0; k < n; k++) {
				unsigned int port = *rte_pktmbuf_mtod(m[k], uint8_t *);

				assert_int_equal(seen[port], round == 0 ? 0 : i + 1);
				seen[port] = i + 1;
				rte_pktmbuf_free(m[k]);
			}
		}
	}
	for (unsigned int i = 0; i < RTE_DIM(s); i++)
		udp_close(s[i]);
}

/* Many connected sockets at one address, and one that takes the rest. */
static void
peers(void **state)
{
	struct udp_sock *s[200], *rest = open_at(A0, false), *twin;
	struct fake_pkt p[200];
	char text[8];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(s); i++) {
		s[i] = open_at(A0, false);
		assert_int_equal(sock_connect(s[i], PEER, (uint16_t)(1000 + i)), 0);
	}
	assert_int_equal(fake_flows(), 1);
	for (unsigned int i = 0; i < RTE_DIM(s); i++)
		p[i] = (struct fake_pkt){ PEER, A0, (uint16_t)(1000 + i), 4000, 1, (uint8_t)i };
	fake_rx(0, p, RTE_DIM(p));
	fake_rx1(0, PEER, 999, A0, 4000, 0xaa);
	for (unsigned int i = 0; i < RTE_DIM(s); i++) {
		snprintf(text, sizeof(text), "%02x ", i & 0xff);
		assert_string_equal(sock_read(s[i]), text);
	}
	assert_string_equal(sock_read(rest), "aa ");
	/* Two with one peer: the last gets it, and the first again when that is gone. */
	twin = open_at(A0, false);
	assert_int_equal(sock_connect(twin, PEER, 1000), 0);
	fake_rx1(0, PEER, 1000, A0, 4000, 1);
	assert_string_equal(sock_read(twin), "01 ");
	udp_close(twin);
	fake_rx1(0, PEER, 1000, A0, 4000, 2);
	assert_string_equal(sock_read(s[0]), "02 ");
	udp_close(rest);
	fake_rx1(0, PEER, 999, A0, 4000, 3);
	assert_int_equal(fake_ring_count(0, RING_STAT_drop_no_socket), 1);
	for (unsigned int i = 0; i < RTE_DIM(s); i++)
		udp_close(s[i]);
}

static void
multicast_copies(void **state)
{
	struct udp_sock *any = open_at("0.0.0.0", false), *g = open_at(GROUP, false),
			*other = open_at("0.0.0.0", false);
	struct fake_pkt p[5];
	struct rte_mbuf *a, *b;

	(void)state;
	udp_options(other)->mc_all = false;
	assert_int_equal(sock_mc(any, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(sock_mc(g, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	for (unsigned int i = 0; i < RTE_DIM(p); i++)
		p[i] = (struct fake_pkt){ PEER, GROUP, 9, 4000, 1, (uint8_t)(i + 1) };
	fake_rx(0, p, RTE_DIM(p));
	/* A socket of another group on the same port number hears nothing of it. */
	fake_rx1(0, PEER, 9, "239.1.2.4", 4000, 9);
	assert_string_equal(sock_read(any), "01 02 03 04 05 ");
	assert_string_equal(sock_read(g), "01 02 03 04 05 ");
	assert_string_equal(sock_read(other), "");
	/* Each has its own length, place and stay; the data are the same. */
	fake_rx(0, p, 1);
	assert_int_equal(udp_dequeue(any, &a, 1), 1);
	assert_int_equal(udp_dequeue(g, &b, 1), 1);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(rte_pktmbuf_mtod(a, void *), rte_pktmbuf_mtod(b, void *));
	assert_int_equal(udp_packet_udp(b)->src_port, RTE_BE16(9));
	rte_pktmbuf_free(a);
	assert_int_equal(*rte_pktmbuf_mtod(b, uint8_t *), 1);
	rte_pktmbuf_free(b);
	udp_close(g);
	udp_close(any);
	udp_close(other);
	fake_rx(0, p, 1);
	assert_int_equal(fake_no_socket, 1);
}

/* Order and ownership with filters that let through different packets of one run. */
static void
filtered_copies(void **state)
{
	static const char *const from[] = { "10.0.0.2", "10.0.0.3", "10.0.0.4" };
	struct udp_sock *a = open_at("0.0.0.0", false), *b = open_at("0.0.0.0", false),
			*c = open_at("0.0.0.0", false);
	struct fake_pkt p[9];

	(void)state;
	assert_int_equal(sock_mc(a, UDP_MC_JOIN_SOURCE, GROUP, 0, from[0]), 0);
	assert_int_equal(sock_mc(b, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(sock_mc(b, UDP_MC_BLOCK, GROUP, 0, from[0]), 0);
	assert_int_equal(sock_mc(b, UDP_MC_BLOCK, GROUP, 0, from[2]), 0);
	assert_int_equal(sock_mc(c, UDP_MC_JOIN_SOURCE, GROUP, 0, from[1]), 0);
	assert_int_equal(sock_mc(c, UDP_MC_JOIN_SOURCE, GROUP, 0, from[0]), 0);
	for (unsigned int i = 0; i < RTE_DIM(p); i++)
		p[i] = (struct fake_pkt){ from[i % 3], GROUP, 9, 4000, 1, (uint8_t)i };
	fake_rx(0, p, RTE_DIM(p));
	assert_string_equal(sock_read(a), "00 03 06 ");
	assert_string_equal(sock_read(b), "01 04 07 ");
	assert_string_equal(sock_read(c), "00 01 03 04 06 07 ");
	assert_int_equal(fake_ring_count(0, RING_STAT_drop_source_filter), 3);
	udp_close(a);
	udp_close(b);
	udp_close(c);
}

static void
connected_multicast(void **state)
{
	struct udp_sock *a = open_at(GROUP, false), *b = open_at(GROUP, false);

	(void)state;
	assert_int_equal(sock_mc(a, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(sock_connect(a, PEER, 9), 0);
	fake_rx1(0, PEER, 9, GROUP, 4000, 1);
	fake_rx1(0, PEER, 8, GROUP, 4000, 2);
	assert_string_equal(sock_read(a), "01 ");
	/* IP_MULTICAST_ALL: not a member, and yet. */
	assert_string_equal(sock_read(b), "01 02 ");
	udp_options(b)->mc_all = false;
	fake_rx1(0, PEER, 9, GROUP, 4000, 3);
	assert_string_equal(sock_read(a), "03 ");
	assert_string_equal(sock_read(b), "");
	udp_close(a);
	udp_close(b);
}

/* IP_MULTICAST_ALL of a socket bound to any that joined nothing. */
static void
multicast_all(void **state)
{
	struct udp_sock *any = sock_new(), *member = sock_new();

	(void)state;
	assert_int_equal(sock_bind(any, "0.0.0.0", 4000), 0);
	assert_int_equal(sock_bind(member, "0.0.0.0", 5000), 0);
	fake_rx1(0, PEER, 9, GROUP, 4000, 1);
	assert_int_equal(sock_mc(member, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	fake_rx1(0, PEER, 9, GROUP, 4000, 2);
	fake_rx1(1, PEER, 9, GROUP, 4000, 3);
	udp_options(any)->mc_all = false;
	fake_rx1(0, PEER, 9, GROUP, 4000, 4);
	udp_options(any)->mc_all = true;
	assert_int_equal(sock_mc(member, UDP_MC_LEAVE, GROUP, 0, NULL), 0);
	fake_rx1(0, PEER, 9, GROUP, 4000, 5);
	assert_string_equal(sock_read(any), "02 ");
	assert_int_equal(fake_ring_count(0, RING_STAT_drop_not_ours), 3);
	assert_int_equal(fake_ring_count(1, RING_STAT_drop_not_ours), 1);
	udp_close(any);
	udp_close(member);
}

static void
broadcast(void **state)
{
	struct udp_sock *a = open_at("0.0.0.0", false), *b = open_at("0.0.0.0", false),
			*c = open_at("10.0.0.255", false), *d = open_at("255.255.255.255", false),
			*e = open_at(A0, false);
	struct fake_pkt mixed[] = {
		{ PEER, A1, 9, 4000, 1, 3 },
		{ PEER, "10.0.1.255", 9, 4000, 1, 4 },
		{ PEER, A1, 9, 4000, 1, 5 },
	};

	(void)state;
	fake_rx1(0, PEER, 9, "10.0.0.255", 4000, 1);
	fake_rx1(0, PEER, 9, "255.255.255.255", 4000, 2);
	fake_rx(1, mixed, RTE_DIM(mixed));
	assert_string_equal(sock_read(a), "01 02 04 ");
	/* The last bound to any gets unicast. */
	assert_string_equal(sock_read(b), "01 02 03 04 05 ");
	assert_string_equal(sock_read(c), "01 ");
	assert_string_equal(sock_read(d), "02 ");
	assert_string_equal(sock_read(e), "");
	udp_close(a);
	udp_close(b);
	udp_close(c);
	udp_close(d);
	udp_close(e);
}

/* No buffer header for a copy: that copy is lost and counted, the packet itself is not. */
static void
no_copies(void **state)
{
	struct udp_sock *a = open_at(GROUP, false), *b = open_at(GROUP, false);
	struct rte_mempool *pool;
	struct rte_mbuf *all[2048];
	unsigned int n = 0;

	(void)state;
	assert_int_equal(sock_mc(a, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(sock_mc(b, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	pool = rte_mempool_lookup("dpvma_udp_clones");
	while (n < RTE_DIM(all) && (all[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	fake_rx1(0, PEER, 9, GROUP, 4000, 1);
	assert_int_equal(STAT_GET(udp_stats(a), SOCK, rx_packets) +
					STAT_GET(udp_stats(b), SOCK, rx_packets),
			1);
	assert_int_equal(STAT_GET(udp_stats(a), SOCK, rx_drop_full) +
					STAT_GET(udp_stats(b), SOCK, rx_drop_full),
			1);
	rte_pktmbuf_free_bulk(all, n);
	udp_close(a);
	udp_close(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(last_bound),
		TEST(spread),
		TEST(peers),
		TEST(multicast_copies),
		TEST(filtered_copies),
		TEST(connected_multicast),
		TEST(multicast_all),
		TEST(broadcast),
		TEST(no_copies),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
