/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of ARP and of neighbours: asking, answering, waiting, growing old, failing; with a kernel
 * that resolves and without. All in virtual time.
 */
#include "world.h"

static struct frame f;
static const struct rte_ether_addr other_mac = { { 0x02, 0, 0, 0, 0, 0x33 } };
static const struct rte_ether_addr everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct rte_ether_addr zero_mac;

static struct net_way
way(uint32_t dst)
{
	return (struct net_way){ .dst = ip_from_v4(dst), .ttl = 64, .proto = IPPROTO_UDP };
}

static void
reply(uint32_t who, const struct rte_ether_addr *mac)
{
	frame_arp(&f, 2, &our_mac, mac, who, OUR, 0);
	input_one(&f);
}

/* Sent ARP message number i: its fields. */
static void
assert_arp(unsigned int i, uint16_t op, const struct rte_ether_addr *to, uint32_t sip,
		const struct rte_ether_addr *tha, uint32_t tip)
{
	const uint8_t *p = sent[i].b;

	assert_true(i < n_sent);
	assert_memory_equal(p, to, 6);
	assert_memory_equal(p + 6, &our_mac, 6);
	if (p[12] == 0x81)
		p += 4;
	assert_memory_equal(p + 12, "\x08\x06\0\1\x08\0\6\4\0", 9);
	assert_int_equal(p[21], op);
	assert_memory_equal(p + 22, &our_mac, 6);
	assert_memory_equal(p + 28, &sip, 4);
	assert_memory_equal(p + 32, tha, 6);
	assert_memory_equal(p + 38, &tip, 4);
}

/* Past what is said when a port comes up. */
static void
quiet(void)
{
	world_advance(10);
	world_advance(2500);
	n_sent = 0;
}

static uint16_t
send_n(struct net_dst *d, unsigned int n, uint16_t tag)
{
	struct rte_mbuf *m[32];
	unsigned int i;

	for (i = 0; i < n; i++)
		m[i] = out_udp(1, 2, 10, (uint16_t)(tag + i));
	return net_output(d, &ring0, m, (uint16_t)n);
}

static void
answers(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;

	(void)state;
	frame_arp(&f, 1, &everybody, &peer_mac, PEER, OUR, 0);
	input_one(&f);
	assert_int_equal(n_sent, 1);
	assert_arp(0, 2, &peer_mac, OUR, &peer_mac, PEER);
	/* who asks us will be answered: known from then on */
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.resolved);
	/* on its VLAN only */
	frame_arp(&f, 1, &everybody, &peer_mac, PEER_VLAN, OUR_VLAN, 5);
	input_one(&f);
	assert_int_equal(n_sent, 2);
	assert_arp(1, 2, &peer_mac, OUR_VLAN, &peer_mac, PEER_VLAN);
	assert_memory_equal(sent[1].b + 12, "\x81\0\0\5", 4);
	frame_arp(&f, 1, &everybody, &peer_mac, PEER, OUR_VLAN, 0);
	input_one(&f);
	/* for another */
	frame_arp(&f, 1, &everybody, &peer_mac, PEER, IP(10, 1, 0, 9), 0);
	input_one(&f);
	assert_int_equal(n_sent, 2);
	/* a probe (RFC 5227) is answered, and nobody learnt from it */
	frame_arp(&f, 1, &everybody, &peer_mac, 0, OUR, 0);
	input_one(&f);
	assert_int_equal(n_sent, 3);
	assert_int_equal(RX(arp_in), 5);
	assert_int_equal(RX(drop_arp), 0);
}

static void
malformed(void **state)
{
	static const struct {
		uint8_t at, value;
	} damages[] = { { 1, 6 }, { 2, 0x86 }, { 4, 8 }, { 5, 16 }, { 7, 3 }, { 7, 0 }, { 8, 0x03 },
		{ 14, 224 }, { 14, 127 }, { 17, 255 } };
	unsigned int i;
	uint32_t len;

	(void)state;
	for (i = 0; i < RTE_DIM(damages); i++) {
		frame_arp(&f, 1, &our_mac, &peer_mac, PEER, OUR, 0);
		f.b[14 + damages[i].at] = damages[i].value;
		input_one(&f);
		assert_int_equal(RX(drop_arp), i + 1);
	}
	for (len = 14; len < 42; len++) {
		frame_arp(&f, 1, &our_mac, &peer_mac, PEER, OUR, 0);
		f.len = len;
		input_one(&f);
		assert_int_equal(RX(drop_short), len - 13);
	}
	assert_int_equal(n_sent, 0);
}

static void
resolves(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	unsigned int i;

	(void)state;
	quiet();
	assert_int_equal(net_route(&w, &d), 0);
	assert_false(d.resolved);
	assert_int_equal(send_n(&d, 3, 1), 3);
	assert_int_equal(n_sent, 1);
	assert_arp(0, 1, &everybody, OUR, &zero_mac, PEER);
	assert_int_equal(send_n(&d, 1, 4), 1); /* no second request at once */
	assert_int_equal(n_sent, 1);
	reply(PEER, &peer_mac);
	assert_int_equal(n_sent, 5);
	for (i = 1; i < 5; i++) {
		assert_true(sent_good(&sent[i]));
		assert_memory_equal(sent[i].b, &peer_mac, 6);
		assert_int_equal(sent[i].b[43], i); /* in order */
	}
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(net_dst_valid(&d));
	assert_int_equal(send_n(&d, 2, 5), 2);
	assert_int_equal(n_sent, 7);
}

/* A datagram of several fragments waits as one. */
static void
big_one_waits(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	struct rte_mbuf *m = out_udp(1, 2, 20000, 1);
	unsigned int i;

	(void)state;
	quiet();
	port0.caps.tx_offloads = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	assert_int_equal(send_n(&d, 1, 9), 1);
	n_sent = 0;
	reply(PEER, &peer_mac);
	assert_int_equal(n_sent, 14 + 1);
	for (i = 0; i < n_sent; i++) {
		assert_true(sent_good(&sent[i]));
		assert_memory_equal(sent[i].b, &peer_mac, 6);
	}
}

static void
few_wait(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	unsigned int i;

	(void)state;
	quiet();
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(send_n(&d, 5, 1), 5);
	assert_int_equal(send_n(&d, 20, 6), 8); /* the latest */
	assert_int_equal(TX(tx_no_neighbour), 17);
	n_sent = 0;
	reply(PEER, &peer_mac);
	assert_int_equal(n_sent, 8);
	for (i = 0; i < 8; i++)
		assert_int_equal(sent[i].b[43], 18 + i);
}

/* A request that was lost because the link was not there is made anew when it comes up. */
static void
link_comes_up(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;

	(void)state;
	quiet();
	port0.up = false;
	on_change(&port0, NULL);
	assert_int_equal(net_route(&w, &d), 0);
	send_n(&d, 1, 1);
	assert_int_equal(n_sent, 1);
	world_advance(100);
	assert_int_equal(n_sent, 1);
	port0.up = true;
	on_change(&port0, NULL);
	world_advance(10);
	assert_int_equal(n_sent, 2);
	/* another change is not the link's */
	on_change(&port0, NULL);
	world_advance(10);
	assert_int_equal(n_sent, 2);
	assert_arp(1, 1, &everybody, OUR, &zero_mac, PEER);
	world_advance(1000);
	assert_int_equal(n_sent, 3);
}

static void
fails(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	unsigned int i;

	(void)state;
	quiet();
	assert_int_equal(net_route(&w, &d), 0);
	send_n(&d, 2, 1);
	for (i = 0; i < 29; i++)
		world_advance(100);
	assert_int_equal(n_sent, 3);
	for (i = 0; i < 50; i++)
		world_advance(100);
	assert_int_equal(n_sent, 6); /* VMA_NEIGH_NUM_ERR_RETRIES is 1 */
	for (i = 0; i < 6; i++)
		assert_arp(i, 1, &everybody, OUR, &zero_mac, PEER);
	assert_int_equal(TX(tx_no_neighbour), 2);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	/* failed right now */
	w = way(IP(10, 1, 0, 3));
	assert_int_equal(net_route(&w, &d), 0);
	for (i = 0; i < 7; i++)
		world_advance(1000);
	assert_int_equal(net_route(&w, &d), -EHOSTUNREACH);
	assert_int_equal(send_n(&d, 1, 1), 0);
	n_sent = 0;
	world_advance(1100);
	assert_int_equal(n_sent, 0);
	/* a way that was kept asks anew, too */
	assert_int_equal(send_n(&d, 1, 1), 1);
	assert_int_equal(n_sent, 1);
	for (i = 0; i < 10 && net_route(&w, &d) == 0; i++)
		world_advance(1000);
	assert_int_equal(net_route(&w, &d), -EHOSTUNREACH);
	n_sent = 0;
	world_advance(1100);
	/* and tried anew on demand */
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(send_n(&d, 1, 1), 1);
	assert_int_equal(n_sent, 1);
	reply(IP(10, 1, 0, 3), &peer_mac);
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.resolved);
}

static struct {
	unsigned int n;
	struct flow_key key;
	struct net_error e;
} told;

static void
on_error(const struct flow_key *key, const struct net_error *e)
{
	/* transports have locks that come before net's */
	assert_int_equal(pthread_mutex_trylock(&net_lock), 0);
	pthread_mutex_unlock(&net_lock);
	told.n++;
	told.key = *key;
	told.e = *e;
}

/* What waited in vain is told to its transport as host unreachable, once. */
static void
unreached(void **state)
{
	struct net_way w = way(IP(10, 5, 0, 77));
	struct net_dst d;
	struct rte_mbuf *m;
	unsigned int i;

	(void)state;
	quiet();
	memset(&told, 0, sizeof(told));
	net_on_icmp_error(IPPROTO_TCP, on_error);
	w.proto = IPPROTO_TCP;
	assert_int_equal(net_route(&w, &d), 0);
	m = out_tcp(&(struct frame_tcp){ .sport = 7, .dport = 8, .seq = 0x01020304, .flags = 2 },
			0);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	for (i = 0; i < 100; i++)
		world_advance(100);
	assert_int_equal(told.n, 1);
	assert_true(ip_v4(&told.key.local) == OUR_VLAN);
	assert_true(ip_v4(&told.key.remote) == IP(10, 5, 0, 77));
	assert_int_equal(told.key.lport, RTE_BE16(7));
	assert_int_equal(told.key.rport, RTE_BE16(8));
	assert_int_equal(told.key.vlan_id, 5);
	assert_int_equal(told.key.proto, IPPROTO_TCP);
	assert_int_equal(told.e.err, EHOSTUNREACH);
	assert_int_equal(told.e.type, 3);
	assert_int_equal(told.e.code, 1);
	assert_int_equal(told.e.seq, 0x01020304);
	assert_true(ip_v4(&told.e.offender) == OUR_VLAN);
	assert_int_equal(told.e.quote_len, 0);
	/* one that answers is nobody's trouble */
	w = way(PEER);
	w.proto = IPPROTO_TCP;
	assert_int_equal(net_route(&w, &d), 0);
	m = out_tcp(&(struct frame_tcp){ .sport = 7, .dport = 8, .flags = 2 }, 0);
	assert_int_equal(net_output(&d, &ring0, &m, 1), 1);
	reply(PEER, &peer_mac);
	for (i = 0; i < 10; i++)
		world_advance(100);
	assert_int_equal(told.n, 1);
}

static void
ages(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;
	unsigned int i;

	(void)state;
	quiet();
	assert_int_equal(net_route(&w, &d), 0);
	send_n(&d, 1, 1);
	reply(PEER, &peer_mac);
	assert_int_equal(net_route(&w, &d), 0);
	n_sent = 0;
	/* stale after ten seconds; nobody asks as long as nobody uses it */
	for (i = 0; i < 20; i++)
		world_advance(1000);
	assert_int_equal(n_sent, 0);
	assert_true(net_dst_valid(&d));
	/* used: three to its own address, then three to all; and it stays in use */
	send_n(&d, 1, 1);
	assert_int_equal(n_sent, 1);
	n_sent = 0;
	for (i = 0; i < 6; i++) {
		world_advance(1000);
		assert_int_equal(n_sent, i + 1);
		assert_arp(i, 1, i < 3 ? &peer_mac : &everybody, OUR, &zero_mac, PEER);
		assert_true(net_dst_valid(&d));
	}
	world_advance(1000);
	assert_false(net_dst_valid(&d));
	assert_int_equal(net_route(&w, &d), -EHOSTUNREACH);
	/* an answer in time keeps it */
	world_advance(2000);
	assert_int_equal(net_route(&w, &d), 0);
	send_n(&d, 1, 1);
	reply(PEER, &peer_mac);
	assert_int_equal(net_route(&w, &d), 0);
	for (i = 0; i < 12; i++)
		world_advance(1000);
	send_n(&d, 1, 1);
	world_advance(1000);
	n_sent = 0;
	reply(PEER, &peer_mac);
	for (i = 0; i < 8; i++)
		world_advance(1000);
	assert_int_equal(n_sent, 0);
	assert_true(net_dst_valid(&d));
	/* one that nobody uses is forgotten */
	for (i = 0; i < 320; i++)
		world_advance(1000);
	assert_false(net_dst_valid(&d));
}

static void
moves(void **state)
{
	struct net_way w = way(PEER);
	struct net_dst d;

	(void)state;
	quiet();
	assert_int_equal(net_route(&w, &d), 0);
	send_n(&d, 1, 1);
	reply(PEER, &peer_mac);
	assert_int_equal(net_route(&w, &d), 0);
	/* it says so to all */
	frame_arp(&f, 1, &everybody, &other_mac, PEER, PEER, 0);
	input_one(&f);
	assert_false(net_dst_valid(&d));
	assert_int_equal(net_route(&w, &d), 0);
	assert_memory_equal(d.hdr, &other_mac, 6);
	/* the same again changes nothing */
	input_one(&f);
	assert_true(net_dst_valid(&d));
}

struct tally {
	unsigned int n;
};

static void
tally(const struct neigh *n, void *ctx)
{
	(void)n;
	((struct tally *)ctx)->n++;
}

static void
flood(void **state)
{
	struct net_way w = way(PEER);
	struct tally t = { 0 };
	struct net_dst d;
	unsigned int i;

	(void)state;
	quiet();
	/* gratuitous, replies unasked for, requests for others: no entry */
	for (i = 0; i < 2000; i++) {
		uint32_t who = rte_cpu_to_be_32(RTE_IPV4(10, 1, 0, 0) + 10 + i % 200);

		frame_arp(&f, 1 + i % 2, i % 3 == 0 ? &our_mac : &everybody, &peer_mac, who,
				i % 2 == 0 ? who : IP(10, 1, 0, 9), 0);
		input_one(&f);
	}
	neigh_foreach(tally, &t);
	assert_int_equal(t.n, 0);
	/* those that ask for us: no more than the table holds, and the one in use survives */
	assert_int_equal(net_route(&w, &d), 0);
	send_n(&d, 1, 1);
	reply(PEER, &peer_mac);
	assert_int_equal(net_route(&w, &d), 0);
	for (i = 0; i < 10000; i++) {
		frame_arp(&f, 1, &our_mac, &other_mac, rte_cpu_to_be_32(RTE_IPV4(11, 0, 0, 1) + i),
				OUR, 0);
		n_sent = 0;
		input_one(&f);
	}
	neigh_foreach(tally, &t);
	assert_int_equal(t.n, NEIGH_MAX);
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.resolved);
	assert_memory_equal(d.hdr, &peer_mac, 6);
}

static void
conflict(void **state)
{
	(void)state;
	frame_arp(&f, 2, &everybody, &other_mac, OUR, OUR, 0);
	input_one(&f);
	assert_int_equal(logs, 1);
	assert_non_null(strstr(last_log, "10.1.0.1"));
	assert_non_null(strstr(last_log, "02:00:00:00:00:33"));
	input_one(&f); /* not a line a packet */
	assert_int_equal(logs, 1);
	world_advance(11000);
	input_one(&f);
	assert_int_equal(logs, 2);
	/* what we sent ourselves, come back */
	frame_arp(&f, 1, &everybody, &our_mac, OUR, OUR, 0);
	input_one(&f);
	assert_int_equal(logs, 2);
	assert_int_equal(RX(drop_arp), 4);
}

static void
announces(void **state)
{
	(void)state;
	world_advance(10);
	assert_int_equal(n_sent, 2); /* two addresses; port 1 is down */
	assert_arp(0, 1, &everybody, OUR, &zero_mac, OUR);
	assert_arp(1, 1, &everybody, OUR_VLAN, &zero_mac, OUR_VLAN);
	world_advance(1000);
	assert_int_equal(n_sent, 2);
	world_advance(1100);
	assert_int_equal(n_sent, 4);
	world_advance(5000);
	assert_int_equal(n_sent, 4);
	/* another address */
	port0.addrs[0].addr = V4(10, 1, 0, 8);
	port0.generation++;
	on_change(&port0, NULL);
	world_advance(10);
	assert_int_equal(n_sent, 6);
	assert_arp(4, 1, &everybody, IP(10, 1, 0, 8), &zero_mac, IP(10, 1, 0, 8));
}

/* Where a kernel answers, we say nothing, and it resolves. */
static void
kernel_resolves(void **state)
{
	struct net_way w = way(PEER);
	struct kern_neigh kn = { .ifindex = 7, .addr = V4(10, 1, 0, 2), .mac = peer_mac };
	struct net_dst d;
	unsigned int i;

	(void)state;
	port0.kernel = KERNEL_COPIES;
	port0.ifindex = 7;
	world_restart();
	assert_non_null(kernel);
	world_advance(10);
	frame_arp(&f, 1, &everybody, &peer_mac, PEER, OUR, 0);
	input_one(&f);
	frame_arp(&f, 2, &everybody, &other_mac, OUR, OUR, 0);
	input_one(&f);
	assert_int_equal(n_sent, 0);
	assert_int_equal(logs, 0);
	assert_int_equal(net_route(&w, &d), 0);
	assert_false(d.resolved);
	assert_int_equal(kernel_asked, 1);
	assert_true(ip_equal(&kernel_asked_for, &w.dst));
	assert_int_equal(send_n(&d, 2, 1), 2);
	assert_int_equal(n_sent, 0);
	kn.state = 0x01; /* incomplete */
	kernel->neigh(&kn, false, kernel->ctx);
	world_advance(10);
	assert_int_equal(n_sent, 0);
	/* an attempt that began before us fails: it is asked again, and they wait */
	kn.state = 0x20;
	kernel->neigh(&kn, false, kernel->ctx);
	assert_int_equal(kernel_asked, 2);
	assert_int_equal(net_route(&w, &d), 0);
	kn.state = 0x02; /* reachable */
	kernel->neigh(&kn, false, kernel->ctx);
	world_advance(10);
	assert_int_equal(n_sent, 2);
	assert_memory_equal(sent[0].b, &peer_mac, 6);
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.resolved);
	/* it does not see our packets, so it is asked again while they flow */
	for (i = 0; i < 20; i++) {
		send_n(&d, 1, 1);
		world_advance(1000);
	}
	assert_in_range(kernel_asked, 3, 6);
	assert_true(net_dst_valid(&d));
	/* collected there: still good here */
	kernel->neigh(&kn, true, kernel->ctx);
	assert_true(net_dst_valid(&d));
	/* another MAC address */
	kn.mac = other_mac;
	kn.state = 0x04; /* stale */
	kernel->neigh(&kn, false, kernel->ctx);
	assert_false(net_dst_valid(&d));
	assert_int_equal(net_route(&w, &d), 0);
	assert_memory_equal(d.hdr, &other_mac, 6);
	/* failed */
	kn.state = 0x20;
	kernel->neigh(&kn, false, kernel->ctx);
	assert_false(net_dst_valid(&d));
	assert_int_equal(net_route(&w, &d), -EHOSTUNREACH);
	/* no answer from the kernel at all */
	world_advance(1500);
	n_sent = 0;
	assert_int_equal(net_route(&w, &d), 0);
	assert_int_equal(send_n(&d, 2, 1), 2);
	world_advance(5000);
	assert_int_equal(TX(tx_no_neighbour), 2);
	assert_int_equal(n_sent, 0);
}

/* On a tap the kernel's own table is the peer's. */
static void
kernel_is_peer(void **state)
{
	struct net_way w = way(PEER);
	struct kern_neigh kn = {
		.ifindex = 7, .addr = V4(10, 1, 0, 2), .mac = other_mac, .state = 2
	};
	struct net_dst d;

	(void)state;
	port0.kernel = KERNEL_PEER;
	port0.ifindex = 7;
	world_restart();
	quiet();
	kernel->neigh(&kn, false, kernel->ctx);
	assert_int_equal(net_route(&w, &d), 0);
	assert_false(d.resolved);
	assert_int_equal(kernel_asked, 0);
	send_n(&d, 1, 1);
	assert_arp(0, 1, &everybody, OUR, &zero_mac, PEER);
}

static void
configured(void **state)
{
	static struct conf_port c = { .neighs_n = 1 };
	struct net_way w = way(PEER);
	struct net_dst d;
	unsigned int i;

	(void)state;
	c.neighs[0].addr = V4(10, 1, 0, 2);
	c.neighs[0].mac = other_mac;
	port0.conf = &c;
	world_restart();
	assert_int_equal(net_route(&w, &d), 0);
	assert_true(d.resolved);
	assert_memory_equal(d.hdr, &other_mac, 6);
	quiet();
	for (i = 0; i < 400; i++) {
		send_n(&d, 1, 1);
		world_advance(1000);
		assert_int_equal(n_sent, 1); /* nobody is asked */
		n_sent = 0;
	}
	/* nor believed */
	frame_arp(&f, 1, &everybody, &peer_mac, PEER, OUR, 0);
	input_one(&f);
	assert_true(net_dst_valid(&d));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(answers), T(malformed), T(resolves), T(big_one_waits),
		T(few_wait), T(link_comes_up), T(fails), T(unreached), T(ages), T(moves), T(flood),
		T(conflict), T(announces), T(kernel_resolves), T(kernel_is_peer), T(configured) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
