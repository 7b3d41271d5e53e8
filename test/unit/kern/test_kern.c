/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's links, addresses, routes, rules and neighbours, as "ip" makes them in a namespace of
 * this process: what exists at start, what changes, what a late subscriber is told, and what is
 * found out after more changes than the socket holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "kern/kern.h"

#define SKIP 77
#define MAX 4096

/* A subscriber that keeps what it was told, as the rooms above do. */
struct view {
	struct kern_link links[MAX];
	struct kern_addr addrs[MAX];
	struct kern_route routes[MAX];
	struct kern_rule rules[MAX];
	struct kern_neigh neighs[MAX];
	unsigned int n_links, n_addrs, n_routes, n_rules, n_neighs;
	unsigned int told, gone;
};

static struct view view, late;
static bool overran;

static void
on_line(int level, const char *line)
{
	(void)level;
	overran |= strstr(line, "lost") != NULL;
}

/* clang-format off */
#define KEEP(type, list, n, same)                                                                  \
static void                                                                                        \
on_##type(const struct kern_##type *e, bool gone, void *ctx)                                       \
{                                                                                                  \
	struct view *v = ctx;                                                                      \
	unsigned int i;                                                                            \
                                                                                                   \
	v->told++;                                                                                 \
	v->gone += gone;                                                                           \
	for (i = 0; i < v->n; i++) {                                                               \
		const struct kern_##type *o = &v->list[i];                                         \
		if (same)                                                                          \
			break;                                                                     \
	}                                                                                          \
	if (gone && i < v->n)                                                                      \
		v->list[i] = v->list[--v->n];                                                      \
	else if (!gone && i < MAX)                                                                 \
		v->list[i] = *e, v->n += i == v->n;                                                \
}
KEEP(link, links, n_links, o->ifindex == e->ifindex)
KEEP(addr, addrs, n_addrs, o->ifindex == e->ifindex && ip_equal(&o->addr, &e->addr) &&
	o->prefix == e->prefix)
KEEP(route, routes, n_routes, memcmp(o, e, sizeof(*o)) == 0)
KEEP(rule, rules, n_rules, memcmp(o, e, sizeof(*o)) == 0)
KEEP(neigh, neighs, n_neighs, o->ifindex == e->ifindex && ip_equal(&o->addr, &e->addr))
/* clang-format on */

static const struct kern_events events = { on_link, on_addr, on_route, on_rule, on_neigh, &view };

static void
sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* All that has happened, as notifications come in one order and none is on its way any more. */
static void
settle(void)
{
	struct pollfd p = { .fd = kern_fd(), .events = POLLIN };

	do
		assert_true(kern_poll() >= 0);
	while (poll(&p, 1, 20) > 0);
}

static struct ip_addr
ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static const struct kern_addr *
addr_of(const struct view *v, const char *text)
{
	struct ip_addr a = ip(text);
	unsigned int i;

	for (i = 0; i < v->n_addrs; i++)
		if (ip_equal(&v->addrs[i].addr, &a))
			return &v->addrs[i];
	return NULL;
}

static const struct kern_route *
route_of(const struct view *v, const char *text, uint8_t prefix, uint32_t table)
{
	struct ip_addr a = ip(text);
	unsigned int i;

	for (i = 0; i < v->n_routes; i++)
		if (ip_equal(&v->routes[i].dst, &a) && v->routes[i].prefix == prefix &&
				v->routes[i].table == table)
			return &v->routes[i];
	return NULL;
}

static const struct kern_neigh *
neigh_of(const char *text)
{
	struct ip_addr a = ip(text);
	unsigned int i;

	for (i = 0; i < view.n_neighs; i++)
		if (ip_equal(&view.neighs[i].addr, &a))
			return &view.neighs[i];
	return NULL;
}

static int
setup(void **state)
{
	(void)state;
	/* exists before the start */
	sh("ip link add k0 type veth peer name k1 && ip link set k0 address 02:00:00:00:00:10 mtu "
	   "1400"
	   " && ip link set k1 up && ip link set k0 up && ip addr add 192.0.2.1/24 brd + dev k0");
	if (kern_subscribe(&events) != 0)
		return -1;
	return kern_start();
}

static int
teardown(void **state)
{
	(void)state;
	kern_stop();
	kern_unsubscribe(&view);
	return kern_fd() == -1 ? 0 : -1;
}

static void
test_start(void **state)
{
	const struct kern_link *link = kern_link_by_name("k0");
	const struct kern_addr *addr = addr_of(&view, "192.0.2.1");
	const struct kern_route *route = route_of(&view, "192.0.2.0", 24, RT_TABLE_MAIN);
	struct ip_addr brd = ip("192.0.2.255");
	unsigned int i, main_rules = 0;

	(void)state;
	assert_non_null(link);
	assert_ptr_equal(kern_link_by_index(link->ifindex), link);
	assert_int_equal(link->ifindex, if_nametoindex("k0"));
	assert_int_equal(link->mtu, 1400);
	assert_int_equal(link->mac.addr_bytes[5], 0x10);
	assert_true(link->up);
	assert_int_equal(link->lower, 0);
	assert_non_null(addr);
	assert_int_equal(addr->ifindex, link->ifindex);
	assert_int_equal(addr->prefix, 24);
	assert_true(ip_equal(&addr->broadcast, &brd));
	assert_non_null(route);
	assert_int_equal(route->ifindex, link->ifindex);
	assert_int_equal(route->type, RTN_UNICAST);
	assert_true(ip_is_any(&route->gateway));
	assert_non_null(route_of(&view, "192.0.2.1", 32, RT_TABLE_LOCAL));
	for (i = 0; i < view.n_rules; i++)
		main_rules += view.rules[i].table == RT_TABLE_MAIN &&
				view.rules[i].priority == 32766 &&
				view.rules[i].action == FR_ACT_TO_TBL;
	assert_int_equal(main_rules, 1);
	/* one more start, one more stop */
	assert_int_equal(kern_start(), 0);
	kern_stop();
	assert_true(kern_fd() >= 0);
}

static void
test_addresses(void **state)
{
	(void)state;
	sh("ip addr add 198.51.100.1/25 dev k0 && ip addr add 2001:db8::1/64 dev k0");
	settle();
	assert_non_null(addr_of(&view, "198.51.100.1"));
	assert_int_equal(addr_of(&view, "198.51.100.1")->prefix, 25);
	sh("ip addr del 198.51.100.1/25 dev k0");
	settle();
	assert_null(addr_of(&view, "198.51.100.1"));
}

static void
test_links(void **state)
{
	const struct kern_link *link;

	(void)state;
	sh("ip link set k0 mtu 1300 && ip link set k1 down");
	settle();
	link = kern_link_by_name("k0");
	assert_int_equal(link->mtu, 1300);
	assert_false(link->up);
	sh("ip link set k1 up");
	settle();
	assert_true(kern_link_by_name("k0")->up);
}

static void
test_vlan(void **state)
{
	const struct kern_link *link;
	uint32_t vlan;

	(void)state;
	if (system("ip link add link k0 name k0.7 type vlan id 7 2>/dev/null") != 0)
		skip(); /* a kernel without VLANs */
	sh("ip link set k0.7 up && ip addr add 203.0.113.1/24 dev k0.7");
	settle();
	link = kern_link_by_name("k0.7");
	assert_non_null(link);
	vlan = link->ifindex;
	assert_int_equal(link->vlan_id, 7);
	assert_int_equal(link->lower, kern_link_by_name("k0")->ifindex);
	assert_int_equal(addr_of(&view, "203.0.113.1")->ifindex, vlan);
	sh("ip link del k0.7");
	settle();
	assert_null(kern_link_by_name("k0.7"));
	assert_null(kern_link_by_index(vlan));
	assert_null(addr_of(&view, "203.0.113.1"));
}

static void
test_routes(void **state)
{
	const struct kern_route *route;
	struct ip_addr gateway = ip("192.0.2.9"), other = ip("192.0.2.8"), src = ip("192.0.2.1");
	unsigned int before;

	(void)state;
	sh("ip route add default via 192.0.2.9 && ip route add 10.0.0.0/8 via 192.0.2.9 src "
	   "192.0.2.1 "
	   "metric 7 mtu 1200 && ip route add blackhole 10.9.0.0/16 && "
	   "ip route add 10.8.0.0/16 dev k0 table 99");
	settle();
	route = route_of(&view, "0.0.0.0", 0, RT_TABLE_MAIN);
	assert_non_null(route);
	assert_true(ip_equal(&route->gateway, &gateway));
	route = route_of(&view, "10.0.0.0", 8, RT_TABLE_MAIN);
	assert_int_equal(route->metric, 7);
	assert_int_equal(route->mtu, 1200);
	assert_true(ip_equal(&route->prefsrc, &src));
	assert_int_equal(route_of(&view, "10.9.0.0", 16, RT_TABLE_MAIN)->type, RTN_BLACKHOLE);
	assert_non_null(route_of(&view, "10.8.0.0", 16, 99));
	/* replaced: the old one is told to be gone */
	before = view.n_routes;
	sh("ip route replace default via 192.0.2.8");
	settle();
	assert_int_equal(view.n_routes, before);
	assert_true(ip_equal(&route_of(&view, "0.0.0.0", 0, RT_TABLE_MAIN)->gateway, &other));
	sh("ip route del default && ip route flush table 99");
	settle();
	assert_null(route_of(&view, "0.0.0.0", 0, RT_TABLE_MAIN));
	assert_null(route_of(&view, "10.8.0.0", 16, 99));
}

static void
test_rules(void **state)
{
	struct ip_addr src = ip("192.0.2.0");
	unsigned int i, found = 0;

	(void)state;
	sh("ip rule add from 192.0.2.0/24 iif k0 lookup 99 priority 500");
	settle();
	for (i = 0; i < view.n_rules; i++)
		if (view.rules[i].priority == 500) {
			found++;
			assert_int_equal(view.rules[i].table, 99);
			assert_int_equal(view.rules[i].src_prefix, 24);
			assert_true(ip_equal(&view.rules[i].src, &src));
			assert_int_equal(view.rules[i].dst_prefix, 0);
			assert_int_equal(view.rules[i].iif, if_nametoindex("k0"));
			assert_int_equal(view.rules[i].oif, 0);
		}
	assert_int_equal(found, 1);
	sh("ip rule del priority 500");
	settle();
	for (i = 0; i < view.n_rules; i++)
		assert_int_not_equal(view.rules[i].priority, 500);
}

/* The far end of k0's wire. */
static int
arp_socket(void)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)if_nametoindex("k1") };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sll, sizeof(sll)), 0);
	return fd;
}

/* Wait for a request for @p addr, and answer with a MAC that ends in 7. */
static void
answer_arp(int fd, const struct ip_addr *addr)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct ether_arp *arp;
	uint8_t frame[256];

	arp = (struct ether_arp *)(frame + sizeof(struct ether_header));
	do {
		assert_int_equal(poll(&p, 1, 2000), 1);
		assert_true(recv(fd, frame, sizeof(frame), 0) >= 42);
	} while (arp->arp_op != htons(ARPOP_REQUEST) || memcmp(arp->arp_tpa, &addr->w[3], 4) != 0);
	memcpy(frame, frame + 6, 6);
	memcpy(arp->arp_tha, arp->arp_sha, 6);
	memcpy(arp->arp_tpa, arp->arp_spa, 4);
	memcpy(arp->arp_spa, &addr->w[3], 4);
	memcpy(arp->arp_sha, "\x02\0\0\0\0\x07", 6);
	memcpy(frame + 6, arp->arp_sha, 6);
	arp->arp_op = htons(ARPOP_REPLY);
	assert_int_equal(send(fd, frame, 42, 0), 42);
}

static void
test_neighbours(void **state)
{
	struct ip_addr a = ip("192.0.2.5"), b = ip("192.0.2.6"), unknown = ip("192.0.2.7");
	uint32_t k0 = kern_link_by_name("k0")->ifindex;
	int fd;

	(void)state;
	sh("ip neigh add 192.0.2.5 lladdr 02:00:00:00:00:05 nud stale dev k0 && "
	   "ip neigh add 192.0.2.6 lladdr 02:00:00:00:00:06 nud permanent dev k0");
	settle();
	assert_int_equal(neigh_of("192.0.2.5")->state, NUD_STALE);
	assert_int_equal(neigh_of("192.0.2.5")->mac.addr_bytes[5], 5);
	assert_int_equal(kern_neigh_confirm(k0, &a), 0);
	assert_int_equal(kern_neigh_confirm(k0, &b), 0);
	assert_int_equal(kern_neigh_confirm(k0, &unknown), -ENOENT);
	settle();
	assert_int_equal(neigh_of("192.0.2.5")->state, NUD_REACHABLE);
	assert_int_equal(neigh_of("192.0.2.5")->mac.addr_bytes[5], 5);
	assert_int_equal(neigh_of("192.0.2.6")->state, NUD_PERMANENT);
	/* the kernel asks, and tells of the answer that is given here */
	fd = arp_socket();
	assert_int_equal(kern_neigh_resolve(k0, &unknown), 0);
	answer_arp(fd, &unknown);
	close(fd);
	settle();
	assert_non_null(neigh_of("192.0.2.7"));
	assert_int_equal(neigh_of("192.0.2.7")->state, NUD_REACHABLE);
	assert_int_equal(neigh_of("192.0.2.7")->mac.addr_bytes[5], 7);
	assert_true(kern_neigh_resolve(9999, &a) < 0);
	sh("ip neigh del 192.0.2.6 dev k0");
	settle();
	assert_true(neigh_of("192.0.2.6") == NULL || neigh_of("192.0.2.6")->state == NUD_FAILED);
}

/* Who comes late is told what there is, and the others nothing. */
static void
test_late(void **state)
{
	struct kern_events e = events;
	unsigned int told = view.told;

	(void)state;
	e.ctx = &late;
	assert_int_equal(kern_subscribe(&e), 0);
	assert_int_equal(view.told, told);
	assert_int_equal(late.n_links, view.n_links);
	assert_int_equal(late.n_addrs, view.n_addrs);
	assert_int_equal(late.n_routes, view.n_routes);
	assert_int_equal(late.n_rules, view.n_rules);
	assert_int_equal(late.gone, 0);
	kern_unsubscribe(&late);
	told = late.told;
	sh("ip addr add 198.51.100.7/32 dev k0");
	settle();
	assert_int_equal(late.told, told);
	assert_non_null(addr_of(&view, "198.51.100.7"));
	sh("ip addr del 198.51.100.7/32 dev k0");
	settle();
}

/* Far more than the socket holds: some notifications are lost, nothing of what they told is. */
static void
test_overrun(void **state)
{
	unsigned int round, before;
	FILE *f;
	int i;

	(void)state;
	settle();
	before = view.n_routes;
	/* existing at the overrun: must be told as gone, and as changed */
	sh("ip route add 172.16.0.0/16 dev k0 table 77 && ip route add 172.17.0.0/16 dev k0 table "
	   "77");
	settle();
	assert_int_equal(view.n_routes, before + 2);
	sh("ip route del 172.16.0.0/16 dev k0 table 77 && "
	   "ip route replace 172.17.0.0/16 via 192.0.2.9 table 77");
	for (round = 0; round < 12; round++) {
		f = popen("ip -batch -", "w");
		assert_non_null(f);
		for (i = 0; i < 3000; i++)
			fprintf(f, "route %s 10.%d.%d.0/24 dev k0 table 88\n",
					round == 11 || round % 2 == 0 ? "replace" : "del", i / 250,
					i % 250);
		assert_int_equal(pclose(f), 0);
	}
	log_setup(LOG_LEVEL_DEBUG, 0, false, NULL);
	log_set_callback(on_line);
	settle();
	assert_true(overran);
	assert_null(route_of(&view, "172.16.0.0", 16, 77));
	assert_false(ip_is_any(&route_of(&view, "172.17.0.0", 16, 77)->gateway));
	assert_int_equal(view.n_routes, before + 1 + 3000);
	sh("ip route flush table 88 && ip route flush table 77");
	settle();
	assert_int_equal(view.n_routes, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_overrun),
	};

	if (unshare(CLONE_NEWNET) != 0) {
		perror("a network namespace is not permitted");
		return SKIP;
	}
	sh("ip link set lo up");
	return cmocka_run_group_tests(tests, setup, teardown);
}
