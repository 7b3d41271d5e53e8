/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of routes and rules, of the kernel and of the configuration; of who polls rings when nobody
 * does; and of what a destination is that leads nowhere.
 */
#include "world.h"

#include <linux/rtnetlink.h>

static struct frame f;

static struct net_way
way(uint32_t dst)
{
	return (struct net_way){ .dst = ip_from_v4(dst), .ttl = 64, .proto = IPPROTO_UDP };
}

static int
route(uint32_t dst, struct net_dst *d)
{
	struct net_way w = way(dst);

	return net_route(&w, d);
}

static void
kernel_route(uint32_t table, uint32_t dst, uint8_t prefix, uint32_t ifindex, uint32_t gateway,
		uint8_t type, uint32_t metric, bool gone)
{
	struct kern_route r = { .table = table,
		.dst = ip_from_v4(dst),
		.prefix = prefix,
		.ifindex = ifindex,
		.gateway = ip_from_v4(gateway),
		.metric = metric,
		.type = type };

	if (gateway == 0)
		memset(&r.gateway, 0, sizeof(r.gateway));
	kernel->route(&r, gone, kernel->ctx);
}

static void
connected(void **state)
{
	struct net_dst d;

	(void)state;
	assert_int_equal(route(PEER, &d), 0);
	assert_ptr_equal(d.port, &port0);
	assert_true(ip_v4(&d.next_hop) == PEER);
	assert_int_equal(route(IP(10, 2, 0, 7), &d), 0);
	assert_ptr_equal(d.port, &port1);
	assert_true(ip_v4(&d.src) == IP(10, 2, 0, 1));
	assert_int_equal(d.mtu, 1400);
	assert_int_equal(route(IP(10, 3, 0, 7), &d), -EREMOTE);
	assert_false(d.local);
	assert_int_equal(route(OUR, &d), -EREMOTE);
	assert_true(d.local);
	assert_int_equal(route(IP(10, 1, 0, 255), &d), 0);
	assert_true(d.broadcast);
	assert_int_equal(route(IP(239, 1, 1, 1), &d), 0); /* a port that nobody routes for */
	assert_true(d.multicast);
	assert_ptr_equal(d.port, &port0);
}

static void
configured(void **state)
{
	static struct conf_port c = { .has_gateway = true, .routes_n = 1 };
	struct net_dst d;

	(void)state;
	c.gateway = V4(10, 1, 0, 254);
	c.routes[0].net = V4(10, 7, 0, 0);
	c.routes[0].prefix = 16;
	c.routes[0].via = V4(10, 5, 0, 99);
	port0.conf = &c;
	world_restart();
	assert_int_equal(route(IP(8, 8, 8, 8), &d), 0);
	assert_true(ip_v4(&d.next_hop) == IP(10, 1, 0, 254));
	assert_true(ip_v4(&d.src) == OUR);
	assert_int_equal(route(IP(127, 1, 2, 3), &d), -EREMOTE); /* never by a gateway */
	assert_true(d.local);
	assert_int_equal(route(0, &d), -EREMOTE);
	assert_true(d.local);
	assert_int_equal(route(IP(10, 7, 3, 3), &d), 0);
	assert_true(ip_v4(&d.next_hop) == IP(10, 5, 0, 99));
	assert_int_equal(d.vlan_id, 5);
	assert_true(ip_v4(&d.src) == OUR_VLAN);
}

static void
source(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;

	(void)state;
	w.src = V4(10, 1, 0, 1);
	assert_int_equal(net_route(&w, &d), 0);
	w.src = V4(10, 2, 0, 1); /* ours, of another port: RFC 1122's weak model, as Linux */
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(ip_v4(&d.src) == IP(10, 2, 0, 1));
	w.src = V4(10, 1, 0, 9);
	assert_int_equal(net_route(&w, &d), -EADDRNOTAVAIL);
	w = way(IP(9, 9, 9, 9));
	w.port = &port1; /* no route, but a device: on the link */
	assert_int_equal(net_route(&w, &d), 0);
	assert_ptr_equal(d.port, &port1);
	assert_true(ip_v4(&d.next_hop) == IP(9, 9, 9, 9));
	port1.n_addrs = 0;
	port1.generation++;
	w = way(IP(255, 255, 255, 255));
	w.port = &port1;
	assert_int_equal(net_route(&w, &d), -EADDRNOTAVAIL);
}

/* Ports with a kernel device: 7 and 8; 9 is VLAN 5 on 7; 3 is not ours. */
static void
with_kernel(void)
{
	port0.kernel = port1.kernel = KERNEL_RESTS;
	port0.ifindex = 7;
	port1.ifindex = 8;
	port0.addrs[0].ifindex = 7;
	port0.addrs[1].ifindex = 9;
	port1.addrs[0].ifindex = 8;
	kernel_vlan = (struct kern_link){ .ifindex = 9, .lower = 7, .vlan_id = 5 };
	world_restart();
	kernel_route(RT_TABLE_LOCAL, OUR, 32, 7, 0, RTN_LOCAL, 0, false);
	kernel_route(RT_TABLE_LOCAL, IP(10, 1, 0, 255), 32, 7, 0, RTN_BROADCAST, 0, false);
	kernel_route(RT_TABLE_LOCAL, IP(127, 0, 0, 0), 8, 1, 0, RTN_LOCAL, 0, false);
	kernel_route(RT_TABLE_MAIN, IP(10, 1, 0, 0), 24, 7, 0, RTN_UNICAST, 0, false);
	kernel_route(RT_TABLE_MAIN, IP(10, 5, 0, 0), 24, 9, 0, RTN_UNICAST, 0, false);
	kernel_route(RT_TABLE_MAIN, IP(10, 2, 0, 0), 24, 8, 0, RTN_UNICAST, 0, false);
	kernel_route(RT_TABLE_MAIN, 0, 0, 3, IP(192, 168, 0, 1), RTN_UNICAST, 0, false);
}

static void
kernel_routes(void **state)
{
	struct net_dst d;

	(void)state;
	with_kernel();
	assert_int_equal(route(PEER, &d), 0);
	assert_ptr_equal(d.port, &port0);
	assert_int_equal(route(PEER_VLAN, &d), 0);
	assert_int_equal(d.vlan_id, 5);
	assert_ptr_equal(d.port, &port0);
	assert_true(ip_v4(&d.src) == OUR_VLAN);
	assert_int_equal(route(IP(8, 8, 8, 8), &d), -EREMOTE); /* through eth0 */
	assert_int_equal(route(IP(127, 0, 0, 1), &d), -EREMOTE);
	assert_true(d.local);
	assert_int_equal(route(IP(10, 1, 0, 255), &d), 0);
	assert_true(d.broadcast);
	/* longest prefix, then metric */
	kernel_route(RT_TABLE_MAIN, IP(8, 0, 0, 0), 8, 7, PEER, RTN_UNICAST, 10, false);
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 0, 0), 16, 8, IP(10, 2, 0, 2), RTN_UNICAST, 50, false);
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 0, 0), 16, 7, IP(10, 1, 0, 3), RTN_UNICAST, 20, false);
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 0, 0), 16, 8, IP(10, 2, 0, 4), RTN_UNICAST, 30, false);
	assert_int_equal(route(IP(8, 8, 8, 8), &d), 0);
	assert_true(ip_v4(&d.next_hop) == IP(10, 1, 0, 3));
	assert_int_equal(route(IP(8, 9, 8, 8), &d), 0);
	assert_true(ip_v4(&d.next_hop) == PEER);
	/* one goes: the next best, and templates are void */
	assert_int_equal(route(IP(8, 8, 8, 8), &d), 0);
	d.resolved = true;
	assert_true(net_dst_valid(&d));
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 0, 0), 16, 7, IP(10, 1, 0, 3), RTN_UNICAST, 20, true);
	assert_false(net_dst_valid(&d));
	assert_int_equal(route(IP(8, 8, 8, 8), &d), 0);
	assert_true(ip_v4(&d.next_hop) == IP(10, 2, 0, 4));
	/* a bound device binds the route */
	{
		struct net_way w = way(IP(8, 8, 8, 8));

		w.port = &port0;
		assert_int_equal(net_route(&w, &d), 0);
		assert_true(ip_v4(&d.next_hop) == PEER);
		w.dst = V4(239, 1, 1, 1);
		w.ifindex = 9;
		assert_int_equal(net_route(&w, &d), 0);
		assert_int_equal(d.vlan_id, 5);
	}
	/* what leads nowhere */
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 1, 0), 24, 0, 0, RTN_BLACKHOLE, 0, false);
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 2, 0), 24, 0, 0, RTN_UNREACHABLE, 0, false);
	kernel_route(RT_TABLE_MAIN, IP(8, 8, 3, 0), 24, 0, 0, RTN_PROHIBIT, 0, false);
	assert_int_equal(route(IP(8, 8, 1, 1), &d), -EINVAL);
	assert_int_equal(route(IP(8, 8, 2, 1), &d), -EHOSTUNREACH);
	assert_int_equal(route(IP(8, 8, 3, 1), &d), -EACCES);
	kernel_route(RT_TABLE_MAIN, 0, 0, 3, IP(192, 168, 0, 1), RTN_UNICAST, 0, true);
	assert_int_equal(route(IP(9, 9, 9, 9), &d), -ENETUNREACH);
}

static void
details(void **state)
{
	struct kern_route r = { .table = RT_TABLE_MAIN,
		.dst = V4(20, 0, 0, 0),
		.prefix = 8,
		.ifindex = 7,
		.gateway = V4(10, 1, 0, 2),
		.prefsrc = V4(10, 1, 0, 7),
		.mtu = 1280,
		.type = RTN_UNICAST };
	struct net_dst d;

	(void)state;
	port0.addrs[2] = port0.addrs[0];
	port0.addrs[2].addr = V4(10, 1, 0, 7);
	port0.n_addrs = 3;
	with_kernel();
	kernel->route(&r, false, kernel->ctx);
	assert_int_equal(route(IP(20, 1, 1, 1), &d), 0);
	assert_int_equal(d.mtu, 1280);
	assert_true(ip_v4(&d.src) == IP(10, 1, 0, 7));
	r.mtu = 0; /* told anew */
	kernel->route(&r, false, kernel->ctx);
	assert_int_equal(route(IP(20, 1, 1, 1), &d), 0);
	assert_int_equal(d.mtu, 1500);
	kernel->route(&r, true, kernel->ctx);
	assert_int_equal(route(IP(20, 1, 1, 1), &d), -EREMOTE);
	/* routes of the other family are not ours */
	memset(r.dst.b, 0x20, sizeof(r.dst.b));
	r.prefix = 64;
	kernel->route(&r, false, kernel->ctx);
	assert_int_equal(route(IP(20, 1, 1, 1), &d), -EREMOTE);
}

static void
rules(void **state)
{
	struct kern_rule any[] = { { .priority = 0, .table = RT_TABLE_LOCAL },
		{ .priority = 32766, .table = RT_TABLE_MAIN },
		{ .priority = 32767, .table = RT_TABLE_DEFAULT } };
	struct kern_rule by_src = {
		.priority = 100, .table = 77, .src = V4(10, 2, 0, 1), .src_prefix = 32
	};
	struct kern_rule by_tos = { .priority = 200, .table = 78, .tos = 0x10 };
	struct net_way w = way(IP(8, 8, 8, 8));
	struct net_dst d;
	int i;

	(void)state;
	with_kernel();
	for (i = 2; i >= 0; i--)
		kernel->rule(&any[i], false, kernel->ctx);
	kernel->rule(&by_tos, false, kernel->ctx);
	kernel->rule(&by_src, false, kernel->ctx);
	kernel_route(77, 0, 0, 8, IP(10, 2, 0, 254), RTN_UNICAST, 0, false);
	kernel_route(78, IP(8, 0, 0, 0), 8, 7, IP(10, 1, 0, 254), RTN_UNICAST, 0, false);
	kernel_route(77, IP(8, 8, 4, 0), 24, 0, 0, RTN_THROW, 0, false);
	assert_int_equal(net_route(&w, &d), -EREMOTE);
	w.src = V4(10, 2, 0, 1);
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(ip_v4(&d.next_hop) == IP(10, 2, 0, 254));
	w.dst = V4(8, 8, 4, 4); /* thrown out of that table */
	assert_int_equal(net_route(&w, &d), -EREMOTE);
	w.dst = V4(10, 1, 0, 1); /* the local table comes first */
	assert_int_equal(net_route(&w, &d), -EREMOTE);
	assert_true(d.local);
	w = way(IP(8, 8, 8, 8));
	w.tos = 0x10;
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(ip_v4(&d.next_hop) == IP(10, 1, 0, 254));
	kernel->rule(&by_tos, true, kernel->ctx);
	assert_int_equal(net_route(&w, &d), -EREMOTE);
}

/* Against a search that just looks at everything. */
static void
against_model(void **state)
{
	static struct {
		uint32_t dst, gateway;
		uint8_t prefix;
		bool there;
	} model[500];
	uint64_t seed = 99;
	unsigned int i, k;
	struct net_dst d;

	(void)state;
	with_kernel();
	kernel_route(RT_TABLE_MAIN, 0, 0, 3, IP(192, 168, 0, 1), RTN_UNICAST, 0, true);
	for (i = 0; i < 4000; i++) {
		uint32_t addr;
		int best = -1;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		k = (unsigned int)(seed >> 40) % 500;
		if (i < 500 || i % 4 == 0) {
			if (i < 500) {
				k = i;
				model[k].prefix = (uint8_t)(8 + (seed >> 33) % 20);
				/* 64.x.y.z: few enough to lie in each other, each different */
				model[k].dst = (0x40000000u | ((uint32_t)(seed >> 35) & 0x3fffff)) &
						(uint32_t)(0xffffffff00000000u >> model[k].prefix);
				model[k].gateway = 0x0a010000 + 2 + k % 200;
				for (unsigned int j = 0; j < k; j++)
					if (model[j].dst == model[k].dst &&
							model[j].prefix == model[k].prefix)
						model[k].prefix = 0;
			}
			if (model[k].prefix == 0)
				continue;
			model[k].there = !model[k].there;
			kernel_route(RT_TABLE_MAIN, rte_cpu_to_be_32(model[k].dst), model[k].prefix,
					7, rte_cpu_to_be_32(model[k].gateway), RTN_UNICAST, 0,
					!model[k].there);
			continue;
		}
		addr = 0x40000000u | ((uint32_t)(seed >> 31) & 0x3fffff);
		for (k = 0; k < 500; k++)
			if (model[k].there &&
					((addr ^ model[k].dst) >> (32 - model[k].prefix)) == 0 &&
					(best < 0 || model[k].prefix > model[best].prefix))
				best = (int)k;
		if (best < 0) {
			assert_int_equal(route(rte_cpu_to_be_32(addr), &d), -ENETUNREACH);
		} else {
			assert_int_equal(route(rte_cpu_to_be_32(addr), &d), 0);
			assert_int_equal(rte_be_to_cpu_32(ip_v4(&d.next_hop)), model[best].gateway);
		}
	}
}

static void
changes(void **state)
{
	struct net_dst d;

	(void)state;
	assert_int_equal(route(IP(10, 77, 0, 9), &d), -EREMOTE);
	port0.addrs[0].addr = V4(10, 77, 0, 1);
	port0.addrs[0].broadcast = V4(10, 77, 0, 255);
	port0.generation++;
	on_change(&port0, NULL);
	assert_int_equal(route(IP(10, 77, 0, 9), &d), 0);
	assert_int_equal(route(PEER, &d), -EREMOTE);
}

/* Nobody polls: the packets come all the same, but not more at a time than allowed. */
static void
unattended(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	unsigned int i;

	(void)state;
	world_advance(10);
	for (i = 0; i < 300; i++) {
		frame_udp(&f, 10, 1);
		wire_put(&f);
	}
	world_advance(10);
	assert_int_equal(r->n, 300);
	/* somebody polls: left alone */
	for (i = 0; i < 3; i++) {
		wire_put(&f);
		wire_put(&f);
		ring0.burst = 8;
		net_poll(&ring0);
		assert_int_equal(r->n, 302 + 2 * i);
		wire_put(&f);
		world_advance(10);
		assert_int_equal(r->n, 302 + 2 * i);
		net_poll(&ring0);
		r->n--;
	}
	/* left to the program altogether */
	assert_int_equal(conf_set("VMA_PROGRESS_ENGINE_INTERVAL", "0"), 0);
	wire_put(&f);
	i = r->n;
	world_advance(1000);
	world_advance(1000);
	assert_int_equal(r->n, i);
	net_poll(&ring0);
	/* and looked after at longer intervals */
	assert_int_equal(conf_set("VMA_PROGRESS_ENGINE_INTERVAL", "100"), 0);
	world_advance(100);
	wire_put(&f);
	i = r->n;
	world_advance(90);
	assert_int_equal(r->n, i);
	world_advance(10);
	assert_int_equal(r->n, i + 1);
	assert_int_equal(conf_set("VMA_PROGRESS_ENGINE_INTERVAL", "10"), 0);
	net_poll(&ring0);
	world_advance(10); /* notes that it was polled */
	wire_put(&f);
	i = r->n;
	world_advance(10); /* and that it was not */
	assert_int_equal(r->n, i + 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(connected), T(configured), T(source),
		T(kernel_routes), T(details), T(rules), T(against_model), T(changes),
		T(unattended) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
