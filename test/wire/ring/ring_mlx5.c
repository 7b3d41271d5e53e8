/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings on a port that steers: rules with a mark on isolated mlx5, what no rule takes stays with
 * the kernel, moves and restarts that lose nothing, interrupts, striding queues. What the port
 * sends comes back to it.
 */
#define ALLOW_EXPERIMENTAL_API /* rte_flow_async_create() and its like */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "ring/ring.h"

#define LOCAL RTE_BE32(0x0a630002)  /* 10.99.0.2 */
#define PEER RTE_BE32(0x0a630001)   /* 10.99.0.1 */
#define OTHER RTE_BE32(0x0a630009)  /* 10.99.0.9 */
#define GROUP RTE_BE32(0xe0010203u) /* 224.1.2.3 */
#define STRIDE 2048
#define PAYLOAD 1400
#define BURST 32
#define WAIT_MS 5000

/* What the device is made to refuse. */
static enum { NOTHING, EVERYTHING, PRIORITIES, TWINS, RSS } refuses;
static unsigned int rules_there; /* of those that were created meanwhile */

struct rte_flow *__real_rte_flow_create(uint16_t port_id, const struct rte_flow_attr *attr,
		const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		struct rte_flow_error *error);
struct rte_flow *__wrap_rte_flow_create(uint16_t port_id, const struct rte_flow_attr *attr,
		const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		struct rte_flow_error *error);
int __real_rte_flow_destroy(uint16_t port_id, struct rte_flow *flow, struct rte_flow_error *error);
int __wrap_rte_flow_destroy(uint16_t port_id, struct rte_flow *flow, struct rte_flow_error *error);

/* Where a queue makes rules. */
struct rte_flow *__real_rte_flow_async_create(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow_template_table *table,
		const struct rte_flow_item pattern[], uint8_t pattern_index,
		const struct rte_flow_action actions[], uint8_t actions_index, void *user_data,
		struct rte_flow_error *error);
struct rte_flow *__wrap_rte_flow_async_create(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow_template_table *table,
		const struct rte_flow_item pattern[], uint8_t pattern_index,
		const struct rte_flow_action actions[], uint8_t actions_index, void *user_data,
		struct rte_flow_error *error);
int __real_rte_flow_async_destroy(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow *flow, void *user_data,
		struct rte_flow_error *error);
int __wrap_rte_flow_async_destroy(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow *flow, void *user_data,
		struct rte_flow_error *error);
static struct rte_flow *jumps; /* the rule that leads to ours */
static const char *devargs = "";

static struct port *port;
static struct ring *a, *b;
static char last_line[4096];

struct counted {
	struct sink sink;
	unsigned int packets;
};
static struct counted none;

struct rte_flow *
__wrap_rte_flow_create(uint16_t port_id, const struct rte_flow_attr *attr,
		const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		struct rte_flow_error *error)
{
	struct rte_flow *flow;

	if (refuses == EVERYTHING ||
			(refuses == RSS && actions[0].type == RTE_FLOW_ACTION_TYPE_RSS) ||
			(refuses == PRIORITIES && attr->priority != 0) ||
			(refuses == TWINS && rules_there > 0)) {
		rte_flow_error_set(error, refuses == TWINS ? EEXIST : ENOSPC,
				RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL, "no room for a rule");
		return NULL;
	}
	flow = __real_rte_flow_create(port_id, attr, pattern, actions, error);
	rules_there += flow != NULL;
	return flow;
}

int
__wrap_rte_flow_destroy(uint16_t port_id, struct rte_flow *flow, struct rte_flow_error *error)
{
	rules_there--;
	return __real_rte_flow_destroy(port_id, flow, error);
}

struct rte_flow *
__wrap_rte_flow_async_create(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow_template_table *table,
		const struct rte_flow_item pattern[], uint8_t pattern_index,
		const struct rte_flow_action actions[], uint8_t actions_index, void *user_data,
		struct rte_flow_error *error)
{
	struct rte_flow *flow;

	if (refuses == EVERYTHING) {
		rte_flow_error_set(error, ENOSPC, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
				"no room for a rule");
		return NULL;
	}
	flow = __real_rte_flow_async_create(port_id, queue_id, attr, table, pattern, pattern_index,
			actions, actions_index, user_data, error);
	if (actions[0].type == RTE_FLOW_ACTION_TYPE_JUMP)
		jumps = flow;
	else
		rules_there += flow != NULL;
	return flow;
}

int
__wrap_rte_flow_async_destroy(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow *flow, void *user_data,
		struct rte_flow_error *error)
{
	rules_there -= flow != jumps;
	return __real_rte_flow_async_destroy(port_id, queue_id, attr, flow, user_data, error);
}

static void
on_line(int level, const char *line)
{
	if (level <= LOG_LEVEL_WARNING)
		snprintf(last_line, sizeof(last_line), "%s", line);
}

static struct flow_key
key(uint32_t local, uint16_t lport, uint32_t remote, uint16_t rport)
{
	struct flow_key k = {
		.local = ip_from_v4(local),
		.lport = rte_cpu_to_be_16(lport),
		.rport = rte_cpu_to_be_16(rport),
		.proto = IPPROTO_UDP,
	};

	if (remote != 0)
		k.remote = ip_from_v4(remote);
	return k;
}

static struct flow *
add(struct ring *ring, struct flow_key k)
{
	struct flow *f = NULL;
	int ret = ring_flow_add(ring, &k, &none.sink, FLOW_RULE, &f);

	if (ret != 0)
		fail_msg("flow: %d, %s", ret, last_line);
	return f;
}

/* Out by ring a: a datagram with its number in front. */
static void
send_one(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport, uint16_t payload,
		uint32_t number)
{
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	struct rte_mbuf *m;

	assert_int_equal(ring_tx_alloc(a, &m, 1), 0);
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(
			m, sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + payload);
	assert_non_null(eth);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	udp = (struct rte_udp_hdr *)(ip + 1);
	memset(eth, 0, sizeof(*eth) + sizeof(*ip) + sizeof(*udp));
	rte_ether_addr_copy(&port->mac, &eth->dst_addr);
	if (dst == GROUP)
		eth->dst_addr = (struct rte_ether_addr){ { 0x01, 0x00, 0x5e, 1, 2, 3 } };
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = 0x45,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = src,
		.dst_addr = dst,
		.total_length = rte_cpu_to_be_16(sizeof(*ip) + sizeof(*udp) + payload) };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){ .src_port = rte_cpu_to_be_16(sport),
		.dst_port = rte_cpu_to_be_16(dport),
		.dgram_len = rte_cpu_to_be_16(sizeof(*udp) + payload) };
	memcpy(udp + 1, &number, sizeof(number));
	assert_int_equal(ring_tx(a, &m, 1, false), 1);
}

/* Taken from a ring and not looked at yet: vector drivers give nothing to who asks for one. */
static struct waiting {
	const struct ring *ring;
	struct rte_mbuf *pkts[BURST];
	uint16_t n, next;
} waiting;

/* The next packet of a ring, NULL when none comes in that time. */
static struct rte_mbuf *
receive(struct ring *ring, unsigned int ms)
{
	uint64_t end = clock_ms() + ms;

	if (waiting.next == waiting.n || waiting.ring != ring) {
		assert_int_equal(waiting.next, waiting.n);
		waiting.ring = ring;
		waiting.next = waiting.n = 0;
		do {
			ring_rx_lock(ring);
			waiting.n = ring_rx(ring, waiting.pkts, BURST);
			ring_rx_unlock(ring);
		} while (waiting.n == 0 && clock_ms() < end);
	}
	return waiting.n > 0 ? waiting.pkts[waiting.next++] : NULL;
}

static uint32_t
number_of(const struct rte_mbuf *m)
{
	uint32_t number;

	memcpy(&number, rte_pktmbuf_mtod_offset(m, const void *, RING_PROFILE_NET_HDR),
			sizeof(number));
	return number;
}

/* It arrives at that ring, with the mark of that flow. */
static void
expect(struct ring *ring, const struct flow *f, uint32_t number)
{
	struct rte_mbuf *m = receive(ring, WAIT_MS);

	assert_non_null(m);
	assert_int_equal(number_of(m), number);
	if (f != NULL) {
		assert_true((m->ol_flags & RTE_MBUF_F_RX_FDIR_ID) != 0);
		assert_int_equal(m->hash.fdir.hi, f->mark);
		assert_ptr_equal(ring_flow_of_mark(ring, m->hash.fdir.hi), f);
	} else {
		assert_false((m->ol_flags & RTE_MBUF_F_RX_FDIR_ID) != 0);
	}
	rte_pktmbuf_free(m);
}

static void
expect_nothing(struct ring *ring)
{
	assert_null(receive(ring, 50));
}

static unsigned long
kernel_packets(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/sys/class/net/cx0/statistics/rx_packets", "r");

	/* sysfs shows the namespace it was mounted in; ip asks the one it runs in */
	if (f != NULL)
		fclose(f);
	f = popen("ip -s link show cx0 | awk '/RX:/ { getline; print $2 }'", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &n), 1);
	pclose(f);
	return n;
}

static int
setup(void **state)
{
	struct ring_alloc s;
	char eal_args[64];

	(void)state;
	log_set_callback(on_line);
	snprintf(eal_args, sizeof(eal_args), "-a 03:00.0%s%s", devargs[0] != '\0' ? "," : "",
			devargs);
	conf_set("DPVMA_EAL_ARGS", eal_args);
	conf_set("DPVMA_MPRQ_STRIDE", "2048");
	conf_set("DPVMA_MPRQ_STRIDES", "64");
	conf_set("VMA_MEM_ALLOC_TYPE", "0");
	conf_set("VMA_RX_BUFS", "65536");
	conf_set("VMA_TX_BUFS", "8192");
	conf_set("VMA_RX_WRE", "1000");
	if (port_eal_start(NULL) != 0 || ports_init() != 1 || rings_init() != 0)
		return -1;
	port = port_get(0);
	if (system("ip link set cx0 up") != 0)
		return -1;
	ring_alloc_init(&s, RING_RX, 100);
	s.logic = CONF_RING_PER_SOCKET;
	if (ring_acquire(port, RING_RX, &s, NULL, &a) != 0)
		return -1;
	s.sock = 101;
	return ring_acquire(port, RING_RX, &s, NULL, &b);
}

static int
teardown(void **state)
{
	(void)state;
	ring_release(a);
	ring_release(b);
	rings_fini();
	ports_fini();
	port_eal_stop();
	return 0;
}

/* Every buffer is in a queue of the device's: those it has sent come back to who asks for some. */
static void
test_reclaim(void **state)
{
	static struct rte_mbuf *taken[8192];
	uint64_t end = clock_ms() + WAIT_MS;
	unsigned int n = 0;
	struct rte_mbuf *m;
	int ret;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		send_one(PEER, 4000, LOCAL, 5000, 64, i);
	while ((taken[n] = rte_pktmbuf_alloc(a->tx_pool)) != NULL)
		n++;
	assert_true(n < RTE_DIM(taken));
	do {
		ret = ring_tx_alloc(a, &m, 1);
	} while (ret != 0 && clock_ms() < end);
	assert_int_equal(ret, 0);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(taken, n);
}

static void
test_ring(void **state)
{
	(void)state;
	assert_true(a->isolated);
	assert_true(a->marks);
	assert_false(a->is_default);
	assert_null(b->helps);
	assert_int_not_equal(a->queue, b->queue);
	assert_int_equal(a->spare_queues, 0);
	assert_true(a->rx_fd >= 0);
}

static void
test_steering(void **state)
{
	struct flow_key k5 = key(LOCAL, 5000, PEER, 4000), k3 = key(LOCAL, 5000, 0, 0);
	struct flow *three, *five;
	unsigned long before = kernel_packets();

	(void)state;
	/* nobody here: the kernel's */
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	expect_nothing(a);
	expect_nothing(b);
	assert_true(kernel_packets() > before);
	three = add(a, k3);
	assert_true(three->in_device);
	assert_non_null(three->rule);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 1);
	send_one(PEER, 4000, LOCAL, 5000, 64, 2);
	expect(a, three, 2);
	/* the more specific one wins, whichever was there first */
	five = add(b, k5);
	send_one(PEER, 4000, LOCAL, 5000, 64, 3);
	expect(b, five, 3);
	send_one(PEER, 4001, LOCAL, 5000, 64, 4);
	expect(a, three, 4);
	send_one(OTHER, 4000, LOCAL, 5000, 64, 5);
	expect(a, three, 5);
	/* another port, another address */
	before = kernel_packets();
	send_one(PEER, 4000, LOCAL, 5001, 64, 6);
	send_one(PEER, 4000, OTHER, 5000, 64, 7);
	expect_nothing(a);
	expect_nothing(b);
	assert_true(kernel_packets() >= before + 2);
	ring_flow_del(five);
	assert_int_equal(STAT_GET(&b->stats, RING, rules), 0);
	send_one(PEER, 4000, LOCAL, 5000, 64, 8);
	expect(a, three, 8);
	ring_flow_del(three);
	before = kernel_packets();
	send_one(PEER, 4000, LOCAL, 5000, 64, 9);
	expect_nothing(a);
	assert_true(kernel_packets() > before);
	assert_string_equal(last_line, "");
}

/* A flow without a rule is software's; on an isolated port it receives what other rules bring. */
static void
test_software(void **state)
{
	struct flow_key k = key(LOCAL, 5000, 0, 0), any = key(0, 5000, 0, 0);
	const struct flow_key *keys[1] = { &k };
	struct flow *f, *found;

	(void)state;
	assert_int_equal(ring_flow_add(b, &any, &none.sink, FLOW_RULE, &f), 0);
	assert_false(f->in_device);
	assert_null(f->rule);
	ring_rx_lock(a);
	ring_flow_lookup(a, keys, &found, 1);
	ring_rx_unlock(a);
	assert_ptr_equal(found, f);
	/* whoever receives it can hand it over */
	assert_non_null(b->handover);
	ring_flow_del(f);
}

/* On an isolated port a refusal is the caller's to know: said, counted, and nothing is left. */
static void
test_refusal(void **state)
{
	struct flow_key k = key(LOCAL, 5000, 0, 0);
	struct flow *f;

	(void)state;
	assert_int_equal(rules_there, 0);
	refuses = EVERYTHING;
	assert_int_equal(ring_flow_add(a, &k, &none.sink, FLOW_RULE, &f), -ENOSPC);
	assert_non_null(strstr(last_line, "10.99.0.2"));
	assert_non_null(strstr(last_line, "no room for a rule"));
	assert_int_equal(STAT_GET(&a->stats, RING, rules_refused), 1);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 0);
	last_line[0] = '\0';
	refuses = NOTHING;
	/* the key is free; a move that is refused leaves the rule, and the old ring hands over */
	f = add(a, k);
	refuses = EVERYTHING;
	assert_int_equal(ring_flow_move(f, b), 0);
	refuses = NOTHING;
	assert_ptr_equal(f->ring, b);
	assert_true(f->in_device);
	assert_int_equal(STAT_GET(&b->stats, RING, rules_refused), 1);
	assert_non_null(b->handover);
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	expect(a, f, 1);
	/* a device that takes no two rules of one pattern */
	refuses = TWINS;
	assert_int_equal(ring_flow_move(f, a), 0);
	assert_int_equal(ring_flow_move(f, b), 0);
	refuses = NOTHING;
	assert_true(f->in_device);
	assert_int_equal(rules_there, 1);
	send_one(PEER, 4000, LOCAL, 5000, 64, 2);
	expect(b, f, 2);
	ring_flow_del(f);
	assert_int_equal(rules_there, 0);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 0);
	assert_int_equal(STAT_GET(&b->stats, RING, rules), 0);
	last_line[0] = '\0';
}

/* Last, since it is remembered: a device with one priority gets all rules there. */
static void
test_priorities(void **state)
{
	struct flow *f;

	(void)state;
	refuses = PRIORITIES;
	f = add(a, key(LOCAL, 5000, 0, 0));
	refuses = NOTHING;
	assert_true(f->in_device);
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	expect(a, f, 1);
	ring_flow_del(f);
}

/* VLANs and IPv6 make rules too; the model's wire has neither. */
static void
test_other_keys(void **state)
{
	struct flow_key tagged = key(LOCAL, 5000, 0, 0), six = tagged;
	struct flow *f, *g;

	(void)state;
	tagged.vlan_id = 5;
	f = add(a, tagged);
	g = add(b, key(LOCAL, 5000, 0, 0));
	assert_true(f->in_device);
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	expect(b, g, 1);
	ring_flow_del(f);
	ring_flow_del(g);
	assert_int_equal(ip_parse("2001:db8::2", &six.local), 0);
	six.proto = IPPROTO_TCP;
	f = add(a, six);
	assert_true(f->in_device);
	ring_flow_del(f);
	/* a definer has not room for both addresses and the ports */
	if (devargs[0] != '\0')
		return;
	f = add(a, six);
	assert_int_equal(ip_parse("2001:db8::1", &six.remote), 0);
	six.rport = RTE_BE16(80);
	g = add(a, six);
	assert_true(f->in_device && g->in_device);
	ring_flow_del(f);
	ring_flow_del(g);
}

static void
test_multicast(void **state)
{
	struct flow *f = add(b, key(GROUP, 5000, 0, 0)), *l2;
	struct flow_key soft = key(GROUP, 6000, 0, 0);

	(void)state;
	send_one(PEER, 4000, GROUP, 5000, 64, 1);
	expect(b, f, 1);
	send_one(PEER, 4000, GROUP, 5001, 64, 2);
	expect_nothing(b);
	ring_flow_del(f);
	/* by MAC address alone: every port, and software finds the flow */
	l2 = add(a, key(GROUP, 0, 0, 0));
	assert_int_equal(ring_flow_add(a, &soft, &none.sink, 0, &f), 0);
	assert_false(f->in_device);
	send_one(PEER, 4000, GROUP, 6000, 64, 3);
	expect(a, NULL, 3);
	send_one(PEER, 4000, GROUP, 6001, 64, 4);
	expect(a, NULL, 4);
	ring_flow_del(f);
	ring_flow_del(l2);
	send_one(PEER, 4000, GROUP, 6000, 64, 5);
	expect_nothing(a);
}

/* Sent while the flow goes to and fro: each arrives once, at one ring or the other. */
static void
test_move(void **state)
{
	static unsigned char seen[4000];
	struct flow *f = add(a, key(LOCAL, 5000, 0, 0));
	uint64_t end = clock_ms() + WAIT_MS;
	uint64_t moved = STAT_GET(&b->stats, RING, migrations);
	unsigned int sent = 0, got = 0, at_b = 0;
	struct rte_mbuf *pkts[BURST];

	(void)state;
	while (got < RTE_DIM(seen) && clock_ms() < end) {
		/* what is on its way when a queue makes rules is led by the one or the other */
		unsigned int ahead = devargs[0] != '\0' && f->ring == b ? 10 : 256;

		if (sent < RTE_DIM(seen) && sent < got + ahead) {
			send_one(PEER, 4000, LOCAL, 5000, 64, sent++);
			if (sent % 100 == 0)
				assert_int_equal(ring_flow_move(f, f->ring == a ? b : a), 0);
		}
		for (unsigned int r = 0; r < 2; r++) {
			struct ring *ring = r == 0 ? a : b;
			uint16_t n = ring_rx(ring, pkts, BURST);

			for (uint16_t i = 0; i < n; i++) {
				assert_ptr_equal(ring_flow_of_mark(ring, pkts[i]->hash.fdir.hi), f);
				seen[number_of(pkts[i])]++;
			}
			got += n;
			at_b += r == 1 ? n : 0;
			rte_pktmbuf_free_bulk(pkts, n);
		}
	}
	assert_int_equal(got, RTE_DIM(seen));
	for (unsigned int i = 0; i < RTE_DIM(seen); i++)
		assert_int_equal(seen[i], 1);
	/* rules followed, it was not software alone */
	assert_true(at_b > RTE_DIM(seen) / 4);
	assert_true(f->in_device);
	assert_ptr_equal(f->ring, a);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 1);
	assert_int_equal(STAT_GET(&b->stats, RING, rules), 0);
	assert_int_equal(STAT_GET(&b->stats, RING, migrations) - moved, 20);
	ring_flow_del(f);
}

#define MANY 10000

static void
test_many(void **state)
{
	static struct flow *flows[MANY];

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		flows[i] = add(i % 2 ? a : b, key(LOCAL, (uint16_t)(20000 + i), 0, 0));
	for (unsigned int i = 0; i < MANY; i += 97) {
		send_one(PEER, 4000, LOCAL, (uint16_t)(20000 + i), 64, i);
		expect(i % 2 ? a : b, flows[i], i);
	}
	for (unsigned int i = 0; i < MANY; i++)
		ring_flow_del(flows[i]);
	send_one(PEER, 4000, LOCAL, 20000, 64, 1);
	expect_nothing(b);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 0);
}

/* A ring more than the port has queues for restarts it: rules are there again, fds too. */
static void
test_restart(void **state)
{
	struct flow *f = add(a, key(LOCAL, 5000, 0, 0)), *g;
	unsigned int before = port->n_queues, n = 0;
	struct ring *more[8];
	struct ring_alloc s;

	(void)state;
	ring_alloc_init(&s, RING_RX, 200);
	s.logic = CONF_RING_PER_SOCKET;
	assert_true(ring_fd(a) >= 0);
	while (n < RTE_DIM(more) && port->n_queues == before) {
		assert_int_equal(ring_acquire(port, RING_RX, &s, NULL, &more[n]), 0);
		s.sock++;
		n++;
	}
	assert_true(port->n_queues > before);
	assert_true(f->in_device);
	assert_non_null(f->rule);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 1);
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	expect(a, f, 1);
	g = add(more[n - 1], key(LOCAL, 5001, 0, 0));
	send_one(PEER, 4000, LOCAL, 5001, 64, 2);
	expect(more[n - 1], g, 2);
	ring_flow_del(f);
	ring_flow_del(g);
	while (n > 0)
		ring_release(more[--n]);
}

static struct flow *
join(struct ring *ring)
{
	struct flow_key k = key(LOCAL, 5000, 0, 0);
	struct flow *f = NULL;

	assert_int_equal(ring_flow_add(ring, &k, &none.sink, FLOW_RULE | FLOW_SPREAD, &f), 0);
	return f;
}

/* The device's queue of each of many peers is that of the flow which software has for it. */
static void
expect_spread(const struct flow *any, unsigned int rings)
{
	struct flow_key k = key(LOCAL, 5000, 0, 0);
	unsigned int got[2] = { 0, 0 };

	for (uint16_t i = 0; i < 64; i++) {
		struct flow *f;

		k.remote = ip_from_v4(i % 2 ? PEER : OTHER);
		k.rport = rte_cpu_to_be_16(4000 + i);
		f = ring_spread_flow(any, &k);
		send_one(ip_v4(&k.remote), 4000 + i, LOCAL, 5000, 64, i);
		expect(f->ring, rings == 1 ? f : NULL, i);
		got[f->ring == b]++;
	}
	assert_true(rings == 1 ? got[0] == 64 || got[1] == 64 : got[0] > 16 && got[1] > 16);
}

/* Two flows of one key: RSS in the device, by the very hash that software has. */
static void
test_spread(void **state)
{
	struct flow *f, *g;
	char text[RING_FLOW_TEXT];

	(void)state;
	f = join(a);
	expect_spread(f, 1);
	g = join(b);
	assert_int_equal(STAT_GET(&a->stats, RING, spread_refused), 0);
	assert_int_equal((f->flags | g->flags) & FLOW_SOFT, 0);
	assert_true(f->in_device && g->in_device);
	assert_int_equal(rules_there, 1);
	ring_flow_text(g, text, sizeof(text));
	assert_non_null(strstr(text, "one of 2, RSS in the device, 64 of 128 buckets"));
	expect_spread(f, 2);
	/* the first goes, and comes back; a device that takes no two rules of one pattern */
	ring_flow_del(f);
	assert_int_equal(rules_there, 1);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 0);
	assert_int_equal(STAT_GET(&b->stats, RING, rules), 1);
	expect_spread(g, 1);
	refuses = TWINS;
	f = join(a);
	refuses = NOTHING;
	assert_int_equal(rules_there, 1);
	expect_spread(g, 2);
	ring_flow_del(f);
	ring_flow_del(g);
	assert_int_equal(rules_there, 0);
	assert_int_equal(STAT_GET(&b->stats, RING, rules), 0);
}

/* The device has no RSS for us: all goes to the first, and software spreads. */
static void
test_spread_refused(void **state)
{
	struct flow *f, *g;
	char text[RING_FLOW_TEXT];

	(void)state;
	f = join(a);
	refuses = RSS;
	g = join(b);
	assert_int_equal(STAT_GET(&a->stats, RING, spread_refused), 1);
	assert_true((f->flags & FLOW_SOFT) != 0 && (g->flags & FLOW_SOFT) != 0);
	assert_int_equal(rules_there, 1);
	ring_flow_text(g, text, sizeof(text));
	assert_non_null(strstr(text, "software spreads, as the device refused RSS"));
	for (uint16_t i = 0; i < 8; i++) {
		send_one(PEER, 4000 + i, LOCAL, 5000, 64, i);
		expect(a, f, i);
	}
	/* the rule follows the first */
	ring_flow_del(f);
	expect_spread(g, 1);
	f = join(a);
	refuses = NOTHING;
	/* the next time that somebody comes or goes it is asked again */
	ring_flow_del(f);
	f = join(a);
	assert_int_equal((f->flags | g->flags) & FLOW_SOFT, 0);
	expect_spread(f, 2);
	/* nothing at all on an isolated port: the caller's to know, and the others stay */
	ring_flow_del(f);
	refuses = EVERYTHING;
	struct flow_key k = key(LOCAL, 5000, 0, 0);
	assert_int_equal(ring_flow_add(a, &k, &none.sink, FLOW_RULE | FLOW_SPREAD, &f), 0);
	assert_true((f->flags & FLOW_SOFT) != 0);
	refuses = NOTHING;
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	expect(b, g, 1);
	ring_flow_del(g);
	ring_flow_del(f);
	assert_int_equal(rules_there, 0);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 0);
	assert_int_equal(STAT_GET(&b->stats, RING, rules), 0);
	last_line[0] = '\0';
}

/* A restart of the port puts it back. */
static void
test_spread_restart(void **state)
{
	struct flow *f, *g;
	unsigned int before = port->n_queues, n = 0;
	struct ring *more[16];
	struct ring_alloc s;

	(void)state;
	f = join(a);
	g = join(b);
	ring_alloc_init(&s, RING_RX, 400);
	s.logic = CONF_RING_PER_SOCKET;
	while (n < RTE_DIM(more) && port->n_queues == before) {
		assert_int_equal(ring_acquire(port, RING_RX, &s, NULL, &more[n]), 0);
		s.sock++;
		n++;
	}
	assert_true(port->n_queues > before);
	assert_int_equal(rules_there, 1);
	assert_int_equal(STAT_GET(&a->stats, RING, rules), 1);
	expect_spread(f, 2);
	ring_flow_del(f);
	ring_flow_del(g);
	while (n > 0)
		ring_release(more[--n]);
}

static bool
readable(struct ring *ring, int ms)
{
	struct pollfd p = { .fd = ring_fd(ring), .events = POLLIN };

	assert_true(p.fd >= 0);
	return poll(&p, 1, ms) == 1;
}

static void
test_sleep(void **state)
{
	struct flow *f = add(a, key(LOCAL, 5000, 0, 0));
	struct rte_mbuf *m;

	(void)state;
	assert_int_equal(ring_arm(a), 0);
	assert_false(readable(a, 50));
	send_one(PEER, 4000, LOCAL, 5000, 64, 1);
	assert_true(readable(a, WAIT_MS));
	assert_true(ring_disarm(a) >= 1);
	assert_false(readable(a, 0));
	/* a packet that waits is told instead */
	assert_int_equal(ring_arm(a), 1);
	ring_disarm(a);
	expect(a, f, 1);
	/* two sleep: one wakes, takes the packet, and the other hears of the next */
	assert_int_equal(ring_arm(a), 0);
	assert_int_equal(ring_arm(a), 0);
	send_one(PEER, 4000, LOCAL, 5000, 64, 2);
	assert_true(readable(a, WAIT_MS));
	expect(a, f, 2);
	assert_true(ring_disarm(a) >= 1);
	send_one(PEER, 4000, LOCAL, 5000, 64, 3);
	assert_true(readable(a, WAIT_MS));
	ring_disarm(a);
	expect(a, f, 3);
	/* what another ring received for this one wakes it as well */
	assert_int_equal(ring_arm(b), 0);
	send_one(PEER, 4000, LOCAL, 5000, 64, 4);
	m = receive(a, WAIT_MS);
	assert_non_null(m);
	assert_false(readable(b, 20));
	assert_non_null(b->handover);
	ring_rx_lock(a);
	ring_give(a, b, &m, 1);
	ring_rx_unlock(a);
	assert_true(readable(b, WAIT_MS));
	assert_true(ring_disarm(b) >= 1);
	assert_int_equal(ring_rx_handover(b, &m, 1), 1);
	rte_pktmbuf_free(m);
	assert_true(STAT_GET(&a->stats, RING, sleeps) >= 3);
	ring_flow_del(f);
}

/* The ring of a padded profile: the device strides, and posts as many as were asked for. */
static void
test_cyclic(void **state)
{
	struct ring_profile p = { .type = RING_PROFILE_CYCLIC,
		.num = 3000,
		.stride_bytes = PAYLOAD,
		.mode = CYCLIC_PADDED };
	struct rte_eth_rxq_info info;
	unsigned int got = 0, steps = 0;
	struct ring_alloc s;
	uint8_t *last = NULL;
	struct ring *ring;
	struct flow *f;

	(void)state;
	ring_alloc_init(&s, RING_RX, 300);
	s.logic = CONF_RING_PER_USER_ID;
	s.profile = ring_profile_add(&p);
	assert_int_equal(ring_acquire(port, RING_RX, &s, NULL, &ring), 0);
	assert_true(ring->striding);
	assert_false(ring->stride_pool);
	assert_int_equal(ring->stride, STRIDE);
	assert_int_equal(ring->strides, 64);
	assert_int_equal(rte_eth_rx_queue_info_get(port->id, ring->queue, &info), 0);
	assert_true(info.nb_desc >= 3000);
	f = add(ring, key(LOCAL, 5000, 0, 0));
	for (uint32_t i = 0; i < 640; i++) {
		struct rte_mbuf *m;

		send_one(PEER, 4000, LOCAL, 5000, PAYLOAD, i);
		m = receive(ring, WAIT_MS);
		assert_non_null(m);
		assert_int_equal(number_of(m), i);
		steps += rte_pktmbuf_mtod(m, uint8_t *) == last + STRIDE;
		last = rte_pktmbuf_mtod(m, uint8_t *);
		got++;
		rte_pktmbuf_free(m);
	}
	/* one stride after another but where a buffer ends */
	assert_true(steps >= 640 - 640 / 64 - 2);
	ring_flow_del(f);
	ring_release(ring);
	/* a stride of another size than the device's: copied, and said once */
	p.stride_bytes = 200;
	s.profile = ring_profile_add(&p);
	assert_int_equal(ring_acquire(port, RING_RX, &s, NULL, &ring), 0);
	assert_false(ring->striding);
	assert_int_equal(ring->stride, 0);
	ring_release(ring);
}

#define SPREAD 3 /* the last of the tests */

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_steering),
		cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_software),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_multicast),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_cyclic),
		cmocka_unit_test(test_priorities),
		/* the device spreads by rules that are made one by one only */
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_spread_refused),
		cmocka_unit_test(test_spread_restart),
	};

	size_t n = RTE_DIM(tests);

	if (argc > 1) {
		devargs = argv[1];
		n -= SPREAD;
	}
	return _cmocka_run_group_tests("tests", tests, n, setup, teardown);
}
