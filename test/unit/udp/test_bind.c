/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which sockets may have the same address and port, what bind and connect return, and which flows
 * follow: on ports that steer, on those that do not, and when addresses come and go.
 */
#include "fake.h"

#define NONE 0
#define REUSE 1 /* SO_REUSEADDR */
#define RPORT 2 /* SO_REUSEPORT */

static void
reuse(struct udp_sock *s, int how)
{
	udp_options(s)->reuse_addr = how & REUSE;
	udp_options(s)->reuse_port = how & RPORT;
}

/* As Linux 6.1 answers to a second bind of the same port. */
static void
conflicts(void **state)
{
	static const struct {
		const char *first;
		int first_how;
		const char *second;
		int second_how;
		int rc;
	} t[] = {
		{ "0.0.0.0", NONE, "0.0.0.0", NONE, -EADDRINUSE },
		{ "0.0.0.0", NONE, A0, NONE, -EADDRINUSE },
		{ A0, NONE, "0.0.0.0", NONE, -EADDRINUSE },
		{ A0, NONE, A0, NONE, -EADDRINUSE },
		{ A0, NONE, A1, NONE, 0 },
		{ A0, REUSE, A0, NONE, -EADDRINUSE },
		{ A0, NONE, A0, REUSE, -EADDRINUSE },
		{ A0, REUSE, A0, REUSE, 0 },
		{ A0, REUSE, A0, RPORT, -EADDRINUSE },
		{ A0, RPORT, A0, RPORT, 0 },
		{ A0, RPORT, A0, NONE, -EADDRINUSE },
		{ A0, RPORT | REUSE, A0, REUSE, 0 },
		{ "0.0.0.0", REUSE, A0, REUSE, 0 },
		{ "0.0.0.0", RPORT, A0, RPORT, 0 },
		{ GROUP, NONE, GROUP, NONE, -EADDRINUSE },
		{ GROUP, NONE, "239.9.9.9", NONE, 0 },
		{ GROUP, REUSE, "0.0.0.0", REUSE, 0 },
		{ GROUP, NONE, "0.0.0.0", NONE, -EADDRINUSE },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		struct udp_sock *a = sock_new(), *b = sock_new();
		int rc;

		reuse(a, t[i].first_how);
		reuse(b, t[i].second_how);
		assert_int_equal(sock_bind(a, t[i].first, 4000), 0);
		rc = sock_bind(b, t[i].second, 4000);
		if (rc != t[i].rc)
			fail_msg("row %u: %d, expected %d", i, rc, t[i].rc);
		udp_close(b);
		udp_close(a);
	}
}

/* Devices part what addresses do not. */
static void
devices(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new(), *c = sock_new();

	(void)state;
	udp_options(a)->bind_port = &fake_ports[0];
	udp_options(a)->bind_ifindex = 11;
	udp_options(b)->bind_port = &fake_ports[1];
	udp_options(b)->bind_ifindex = 12;
	assert_int_equal(sock_bind(a, "0.0.0.0", 4000), 0);
	assert_int_equal(sock_bind(b, "0.0.0.0", 4000), 0);
	assert_int_equal(sock_bind(c, "0.0.0.0", 4000), -EADDRINUSE);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	fake_rx1(1, PEER, 9, A1, 4000, 2);
	assert_string_equal(sock_read(a), "01 ");
	assert_string_equal(sock_read(b), "02 ");
	/* Not a device of ours. */
	udp_options(c)->bind_ifindex = 99;
	assert_int_equal(sock_bind(c, "0.0.0.0", 4001), -EREMOTE);
	/* The address is another device's. */
	udp_options(c)->bind_ifindex = 12;
	udp_options(c)->bind_port = &fake_ports[1];
	assert_int_equal(sock_bind(c, A0, 4001), -EREMOTE);
	udp_close(a);
	udp_close(b);
	udp_close(c);
}

static void
errors(void **state)
{
	struct udp_sock *s = sock_new();

	(void)state;
	assert_int_equal(sock_bind(s, "10.9.9.9", 4000), -EADDRNOTAVAIL);
	assert_int_equal(sock_bind(s, "127.0.0.1", 4000), -EREMOTE);
	assert_int_equal(sock_bind(s, "::1", 4000), -EREMOTE);
	fake_ports_n = 0;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), -EREMOTE);
	fake_ports_n = PORTS;
	fake_flow_error = -ENOSPC;
	assert_int_equal(sock_bind(s, A0, 4000), -ENOSPC);
	fake_flow_error = -EEXIST;
	assert_int_equal(sock_bind(s, A0, 4000), -EADDRINUSE);
	/* Nothing was left, and one port of two is enough for any. */
	assert_int_equal(fake_flows() + fake_rings(), 0);
	assert_int_equal(sock_port(s), 0);
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	assert_int_equal(fake_flows(), 1);
	fake_flow_error = 0;
	assert_int_equal(sock_bind(s, A0, 4001), -EINVAL);
	udp_close(s);
}

static void
ephemeral(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new(), *c = sock_new();

	(void)state;
	assert_int_equal(conf_set("DPVMA_EPHEMERAL_FIRST", "50000"), 0);
	assert_int_equal(conf_set("DPVMA_EPHEMERAL_LAST", "50001"), 0);
	assert_int_equal(sock_bind(a, A0, 0), 0);
	assert_int_equal(sock_bind(b, A0, 0), 0);
	assert_int_equal(sock_port(a) + sock_port(b), 100001);
	assert_int_equal(sock_bind(c, A0, 0), -EADDRINUSE);
	/* Another address does not conflict: the ports are shared. */
	assert_int_equal(sock_bind(c, A1, 0), 0);
	udp_close(a);
	udp_close(b);
	udp_close(c);
	assert_int_equal(conf_set("DPVMA_EPHEMERAL_FIRST", "32768"), 0);
	assert_int_equal(conf_set("DPVMA_EPHEMERAL_LAST", "60999"), 0);
}

/* Any: one software flow a port, and rules for the addresses where rules steer. */
static void
flows_of_any(void **state)
{
	struct udp_sock *s = sock_new();
	struct ring *rings[4];

	(void)state;
	fake_ports[1].caps.flow = true;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	assert_int_equal(fake_flows(), 3);
	assert_int_equal(fake_flow(0, "::", 4000, "::", 0)->flags, 0);
	assert_int_equal(fake_flow(0, "::", 4000, "::", 0)->key.vlan_id, FLOW_VLAN_ANY);
	assert_non_null(fake_flow(1, "::", 4000, "::", 0));
	assert_int_equal(fake_flow(1, A1, 4000, "::", 0)->flags, FLOW_RULE);
	assert_int_equal(udp_rings(s, rings, 4), 2);
	/* An address comes, a port loses its only one. */
	fake_ports[1].addrs[1] = fake_ports[1].addrs[0];
	fake_ports[1].addrs[1].addr = addr("10.0.2.1");
	fake_ports[1].addrs[1].vlan_id = 5;
	fake_ports[1].n_addrs = 2;
	/* Nobody said so yet. */
	udp_progress();
	assert_int_equal(fake_flows(), 3);
	fake_port_changed(1);
	udp_progress();
	assert_int_equal(fake_flows(), 4);
	assert_int_equal(fake_flow(1, "10.0.2.1", 4000, "::", 0)->key.vlan_id, 5);
	fake_ports[1].n_addrs = 0;
	fake_port_changed(1);
	assert_int_equal(udp_poll(s), 2);
	assert_int_equal(fake_flows(), 2);
	udp_close(s);
}

/* Where rules alone bring packets, a socket that got none of them is not ours. */
static void
isolated(void **state)
{
	struct udp_sock *s = sock_new();

	(void)state;
	fake_ports_n = 1;
	fake_ports[0].caps.isolated = true;
	fake_ports[0].caps.flow = true;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	assert_int_equal(fake_flows(), 2);
	udp_close(s);
	s = sock_new();
	assert_int_equal(sock_bind(s, "255.255.255.255", 4000), -EREMOTE);
	assert_int_equal(sock_bind(s, "10.0.0.255", 4000), -EREMOTE);
	fake_flow_refuse_rules = true;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), -ENOTSUP);
	assert_int_equal(sock_bind(s, A0, 4000), -ENOTSUP);
	udp_close(s);
}

/* The address that the route gives, and datagrams of the peer alone, before and after. */
static void
connected(void **state)
{
	struct udp_sock *s = sock_new();
	struct ip_addr a;
	uint16_t port;

	(void)state;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	fake_rx1(0, "10.0.0.8", 9, A0, 4000, 1);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	udp_local(s, &a, &port);
	assert_true(ip_equal(&a,
			&(struct ip_addr){
					.w = { 0, 0, RTE_BE32(0xffff), RTE_BE32(0x0a000001) } }));
	assert_int_equal(fake_flows(), 1);
	fake_rx1(0, "10.0.0.8", 9, A0, 4000, 2);
	fake_rx1(0, PEER, 8, A0, 4000, 3);
	fake_rx1(0, PEER, 9, A0, 4000, 4);
	assert_int_equal(fake_ring_count(0, RING_STAT_drop_no_socket), 2);
	assert_true(udp_peer(s, &a, &port));
	assert_int_equal(port, rte_cpu_to_be_16(9));
	/* Another peer, then none. */
	assert_int_equal(sock_connect(s, "10.0.0.8", 9), 0);
	fake_rx1(0, PEER, 9, A0, 4000, 5);
	fake_rx1(0, "10.0.0.8", 9, A0, 4000, 6);
	assert_int_equal(sock_connect(s, NULL, 0), 0);
	assert_false(udp_peer(s, &a, &port));
	assert_int_equal(fake_flows(), 2);
	fake_rx1(1, PEER, 9, A1, 4000, 7);
	assert_string_equal(sock_read(s), "01 04 06 07 ");
	udp_close(s);
}

static void
connect_fails(void **state)
{
	struct udp_sock *s = sock_new();
	struct ip_addr a;
	uint16_t port;

	(void)state;
	assert_int_equal(sock_connect(s, "192.168.1.1", 9), -ENETUNREACH);
	assert_int_equal(sock_connect(s, "127.0.0.1", 9), -EREMOTE);
	assert_int_equal(sock_connect(s, "0.0.0.0", 9), -EREMOTE);
	assert_int_equal(sock_connect(s, A1, 9), -EREMOTE);
	assert_int_equal(sock_connect(s, PEER, 0), -EINVAL);
	assert_int_equal(sock_connect(s, "10.0.0.255", 9), -EACCES);
	/* What connect would have bound is not bound. */
	assert_int_equal(sock_port(s), 0);
	assert_int_equal(fake_flows() + fake_rings(), 0);
	/* A bound and connected socket stays so. */
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	assert_int_equal(sock_connect(s, "192.168.1.1", 9), -ENETUNREACH);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	fake_rx1(0, "10.0.0.8", 9, A0, 4000, 2);
	assert_true(udp_peer(s, &a, &port));
	/* No flow can be made: as before too. */
	assert_int_equal(sock_connect(s, NULL, 0), 0);
	fake_flow_error = -ENOSPC;
	assert_int_equal(sock_connect(s, PEER, 9), -ENOSPC);
	fake_flow_error = 0;
	assert_false(udp_peer(s, &a, &port));
	fake_rx1(0, "10.0.0.8", 9, A0, 4000, 3);
	assert_string_equal(sock_read(s), "01 03 ");
	udp_close(s);
	/* Unbound before: dissolving unbinds. */
	s = sock_new();
	udp_options(s)->broadcast = true;
	assert_int_equal(sock_connect(s, "10.0.0.255", 9), 0);
	assert_int_not_equal(sock_port(s), 0);
	assert_int_equal(sock_connect(s, NULL, 0), 0);
	assert_int_equal(sock_port(s), 0);
	assert_int_equal(fake_flows(), 0);
	udp_close(s);
}

/* VMA_UDP_3T_RULES=0: a flow for the peer alone. */
static void
five_tuples(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new(), *c = sock_new(), *d = sock_new();

	(void)state;
	assert_int_equal(conf_set("VMA_UDP_3T_RULES", "0"), 0);
	reuse(a, REUSE);
	reuse(b, REUSE);
	reuse(c, REUSE);
	reuse(d, REUSE);
	assert_int_equal(sock_bind(a, A0, 4000), 0);
	assert_int_equal(sock_bind(b, A0, 4000), 0);
	assert_int_equal(sock_bind(c, A0, 4000), 0);
	assert_int_equal(sock_connect(b, PEER, 9), 0);
	assert_int_equal(sock_connect(c, PEER, 10), 0);
	assert_int_equal(fake_flows(), 3);
	assert_int_equal(fake_flow(0, A0, 4000, PEER, 9)->flags, FLOW_RULE);
	fake_rx1(0, PEER, 8, A0, 4000, 1);
	fake_rx1(0, PEER, 9, A0, 4000, 2);
	fake_rx1(0, PEER, 10, A0, 4000, 3);
	/* The same peer twice: the last one gets it. */
	assert_int_equal(sock_bind(d, A0, 4000), 0);
	assert_int_equal(sock_connect(d, PEER, 9), 0);
	assert_int_equal(fake_flows(), 3);
	fake_rx1(0, PEER, 9, A0, 4000, 4);
	assert_string_equal(sock_read(a), "01 ");
	assert_string_equal(sock_read(b), "02 ");
	assert_string_equal(sock_read(c), "03 ");
	assert_string_equal(sock_read(d), "04 ");
	udp_close(d);
	fake_rx1(0, PEER, 9, A0, 4000, 5);
	assert_string_equal(sock_read(b), "05 ");
	assert_int_equal(sock_connect(b, NULL, 0), 0);
	assert_int_equal(fake_flows(), 2);
	udp_close(a);
	udp_close(b);
	udp_close(c);
	assert_int_equal(conf_set("VMA_UDP_3T_RULES", "1"), 0);
}

/* Bound to an address and to any, on a port that does not steer. */
static void
specific_before_any(void **state)
{
	struct udp_sock *any = sock_new(), *one = sock_new();

	(void)state;
	reuse(any, REUSE);
	reuse(one, REUSE);
	assert_int_equal(sock_bind(one, A0, 4000), 0);
	assert_int_equal(sock_bind(any, "0.0.0.0", 4000), 0);
	fake_rx1(0, PEER, 9, A0, 4000, 1);
	fake_rx1(1, PEER, 9, A1, 4000, 2);
	/* When the peer is another, what the connected one does not take is the other's. */
	assert_int_equal(sock_connect(one, PEER, 9), 0);
	fake_rx1(0, PEER, 9, A0, 4000, 3);
	fake_rx1(0, PEER, 8, A0, 4000, 4);
	assert_string_equal(sock_read(one), "01 03 ");
	assert_string_equal(sock_read(any), "02 04 ");
	udp_close(one);
	fake_rx1(0, PEER, 9, A0, 4000, 5);
	assert_string_equal(sock_read(any), "05 ");
	udp_close(any);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(conflicts),
		TEST(devices),
		TEST(errors),
		TEST(ephemeral),
		TEST(flows_of_any),
		TEST(isolated),
		TEST(connected),
		TEST(connect_fails),
		TEST(five_tuples),
		TEST(specific_before_any),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
