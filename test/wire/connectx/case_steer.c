/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering: masks, priorities, groups, counters; kinds of rules that the model does not have, which
 * must fail when they are made; rules by the ten thousand, at the price of their masks, made and
 * destroyed while traffic of others flows.
 */
#include "cxtest.h"
#include <pthread.h>
#include <sched.h>
#include <pthread.h>
#include <unistd.h>

#define QUEUES 4
#define SRC 0x0a630001
#define DST 0x0a630002
#define NO_RULE QUEUES
#define GEN_SRC 0x0a640001 /* the generator's */
#define NUMBER_AT 42

struct match {
	uint32_t src, src_mask, dst, dst_mask;
	uint16_t sport, sport_mask, dport, dport_mask;
};

static struct rte_flow *
rule(const struct match *m, uint32_t group, uint32_t priority,
		const struct rte_flow_action *actions)
{
	struct rte_flow_attr attr = { .ingress = 1, .group = group, .priority = priority };
	struct rte_flow_item_ipv4 ip = { .hdr.src_addr = rte_cpu_to_be_32(m->src),
		.hdr.dst_addr = rte_cpu_to_be_32(m->dst) };
	struct rte_flow_item_ipv4 ip_mask = { .hdr.src_addr = rte_cpu_to_be_32(m->src_mask),
		.hdr.dst_addr = rte_cpu_to_be_32(m->dst_mask) };
	struct rte_flow_item_udp udp = { .hdr.src_port = rte_cpu_to_be_16(m->sport),
		.hdr.dst_port = rte_cpu_to_be_16(m->dport) };
	struct rte_flow_item_udp udp_mask = { .hdr.src_port = rte_cpu_to_be_16(m->sport_mask),
		.hdr.dst_port = rte_cpu_to_be_16(m->dport_mask) };
	struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip, .mask = &ip_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow *f = rte_flow_create(0, &attr, pattern, actions, &fe);

	CHECK(f != NULL, "rule: %s", fe.message);
	return f;
}

static void
destroy(struct rte_flow *f)
{
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_destroy(0, f, &fe) == 0, "destroy: %s", fe.message);
}

static const struct rte_flow_action_queue q[QUEUES] = { { 0 }, { 1 }, { 2 }, { 3 } };
#define TO(n)                                                                                      \
	(const struct rte_flow_action[])                                                           \
	{                                                                                          \
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q[n] },                             \
		{                                                                                  \
			.type = RTE_FLOW_ACTION_TYPE_END                                           \
		}                                                                                  \
	}
#define BIT32 UINT32_MAX
#define BIT16 UINT16_MAX

static uint32_t
build(uint8_t *f, uint32_t src, uint16_t sport, uint16_t dport)
{
	struct segment s = { .src = src,
		.dst = DST,
		.sport = sport,
		.dport = dport,
		.proto = IPPROTO_UDP,
		.fill = 's',
		.len = 50 };

	return peer_frame(f, &s);
}

/* The frame, and one behind it that the last rule sends to queue 0: what has not come by then was
 * not for a queue. */
static void
expect(unsigned int queue, uint32_t src, uint16_t sport, uint16_t dport, const char *what)
{
	uint8_t f[256], behind[256];
	uint32_t len = build(f, src, sport, dport);
	struct rte_mbuf *m;
	uint16_t at, seen = NO_RULE;

	port_send(f, len);
	port_send(behind, build(behind, 0x01010101, 1, 65000));
	for (;;) {
		m = port_wait(&at, QUEUES, what);
		if (memcmp(rte_pktmbuf_mtod(m, void *), behind, len) == 0)
			break;
		CHECK(memcmp(rte_pktmbuf_mtod(m, void *), f, len) == 0, "%s: another frame", what);
		seen = at;
		rte_pktmbuf_free(m);
	}
	rte_pktmbuf_free(m);
	/* queues are polled in turn: one that is looked at later may still hold it */
	if (seen == NO_RULE && queue != NO_RULE) {
		m = port_wait(&seen, QUEUES, what);
		rte_pktmbuf_free(m);
	}
	CHECK(seen == queue, "%s: queue %u, not %u", what, seen, queue);
}

static void
check_masks(void)
{
	struct rte_flow *net, *host, *ports, *range;

	net = rule(&(struct match){ .src = 0x0a630000, .src_mask = 0xffffff00 }, 0, 2, TO(1));
	host = rule(&(struct match){ .src = SRC, .src_mask = BIT32 }, 0, 1, TO(2));
	ports = rule(&(struct match){ .dport = 5000, .dport_mask = BIT16 }, 0, 0, TO(3));
	range = rule(&(struct match){ .sport = 0x1230, .sport_mask = 0xfff0 }, 0, 0, TO(0));
	expect(1, 0x0a6300fe, 1, 1, "prefix");
	expect(NO_RULE, 0x0a6301fe, 1, 1, "outside the prefix");
	expect(2, SRC, 1, 1, "host before prefix");
	expect(3, SRC, 1, 5000, "port before host");
	expect(0, SRC, 0x123f, 1, "range of ports");
	expect(2, SRC, 0x1240, 1, "outside the range");
	destroy(host);
	expect(1, SRC, 1, 1, "prefix when the host is gone");
	destroy(net);
	expect(NO_RULE, SRC, 1, 1, "nothing");
	destroy(ports);
	destroy(range);
}

static void
check_priorities(void)
{
	struct match m = { .dport = 6000, .dport_mask = BIT16 };
	struct rte_flow *low, *high, *middle;

	low = rule(&m, 0, 2, TO(3));
	expect(3, SRC, 1, 6000, "priority 2");
	high = rule(&m, 0, 0, TO(1));
	expect(1, SRC, 1, 6000, "priority 0 over 2");
	middle = rule(&m, 0, 1, TO(2));
	expect(1, SRC, 1, 6000, "priority 0 over 1");
	destroy(high);
	expect(2, SRC, 1, 6000, "priority 1 over 2");
	destroy(middle);
	expect(3, SRC, 1, 6000, "priority 2 again");
	destroy(low);
	expect(NO_RULE, SRC, 1, 6000, "none");
}

static uint64_t
hits(struct rte_flow *f, bool reset)
{
	struct rte_flow_action count[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_query_count qc = { .reset = reset };
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_query(0, f, count, &qc, &fe) == 0, "query: %s", fe.message);
	CHECK(qc.bytes == qc.hits * (42 + 50), "%lu bytes for %lu frames", qc.bytes, qc.hits);
	return qc.hits;
}

/* One value in two groups; a chain of groups, each of which counts. */
static void
check_groups(void)
{
	struct match any = { .dport = 7000, .dport_mask = BIT16 }, one = any, two = any;
	struct rte_flow *f[8];
	unsigned int i;

	one.sport = 1;
	two.sport = 2;
	one.sport_mask = two.sport_mask = BIT16;
#define JUMP(n)                                                                                    \
	(const struct rte_flow_action[])                                                           \
	{                                                                                          \
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },                                            \
				{ .type = RTE_FLOW_ACTION_TYPE_JUMP,                               \
					.conf = &(const struct rte_flow_action_jump){ n } },       \
		{                                                                                  \
			.type = RTE_FLOW_ACTION_TYPE_END                                           \
		}                                                                                  \
	}
	f[0] = rule(&any, 1, 0, TO(1));
	f[1] = rule(&any, 2, 0, TO(2));
	f[2] = rule(&one, 0, 0, JUMP(1));
	f[3] = rule(&two, 0, 0, JUMP(2));
	expect(1, SRC, 1, 7000, "group 1");
	expect(2, SRC, 2, 7000, "group 2");
	expect(NO_RULE, SRC, 3, 7000, "no group");
	CHECK(hits(f[2], false) == 1 && hits(f[3], true) == 1, "counts");
	expect(2, SRC, 2, 7000, "group 2 again");
	CHECK(hits(f[3], false) == 1 && hits(f[2], true) == 1 && hits(f[2], false) == 0,
			"counts after a reset");
	destroy(f[1]);
	expect(NO_RULE, SRC, 2, 7000, "an empty group");
	destroy(f[0]);
	destroy(f[2]);
	destroy(f[3]);
	any.dport = 7100;
	f[7] = rule(&any, 17, 0, TO(3));
	for (i = 0; i < 7; i++)
		f[i] = rule(&any, i == 0 ? 0 : 10 + i, 0, JUMP(11 + i));
	expect(3, SRC, 1, 7100, "through eight groups");
	for (i = 0; i < 7; i++)
		CHECK(hits(f[i], false) == 1, "count of hop %u", i);
	for (i = 0; i < 8; i++)
		destroy(f[i]);
}

/* What the model does not have. */
static void
check_refused(void)
{
	static const struct rte_flow_item_vlan tag = { .tci = RTE_BE16(5) };
	static const struct rte_flow_item_vxlan vni = { .vni = { 1, 2, 3 } };
	static const struct rte_flow_item_meta meta = { .data = 7 };
	static const struct rte_flow_item_tag reg = { .data = 7, .index = 0 };
	static const struct rte_flow_item_gre gre = { .protocol = RTE_BE16(0x800) };
	static const struct rte_flow_action_meter meter = { .mtr_id = 1 };
	static const struct rte_flow_action_set_ttl ttl = { .ttl_value = 3 };
	static const struct rte_flow_action_set_mac mac = { .mac_addr = { 2, 1 } };
	static const struct rte_flow_action_set_meta set_meta = { .data = 1, .mask = 1 };
	static const struct rte_flow_action_of_push_vlan push = { .ethertype = RTE_BE16(0x8100) };
	static const struct {
		const char *what;
		struct rte_flow_attr attr;
		struct rte_flow_item item[4];  /* behind Ethernet */
		struct rte_flow_action action; /* before the queue */
	} no[] = {
#define I(t, ...) { .type = RTE_FLOW_ITEM_TYPE_##t, __VA_ARGS__ }
		{ "VXLAN", { .ingress = 1 }, { I(IPV4), I(UDP), I(VXLAN, .spec = &vni) }, { 0 } },
		{ "GRE", { .ingress = 1 }, { I(IPV4), I(GRE, .spec = &gre) }, { 0 } },
		{ "inner IPv4", { .ingress = 1 }, { I(IPV4), I(IPV4) }, { 0 } },
		{ "MPLS", { .ingress = 1 }, { I(MPLS) }, { 0 } },
		{ "second VLAN", { .ingress = 1 },
				{ I(VLAN, .spec = &tag), I(VLAN, .spec = &tag), I(IPV4) }, { 0 } },
		{ "metadata", { .ingress = 1 }, { I(META, .spec = &meta), I(IPV4) }, { 0 } },
		{ "register", { .ingress = 1 }, { I(TAG, .spec = &reg), I(IPV4) }, { 0 } },
		{ "egress", { .egress = 1 }, { I(IPV4) }, { 0 } },
		{ "transfer", { .transfer = 1, .ingress = 1 }, { I(IPV4) }, { 0 } },
		{ "meter", { .ingress = 1 }, { I(IPV4) },
				{ .type = RTE_FLOW_ACTION_TYPE_METER, .conf = &meter } },
		{ "TTL", { .ingress = 1 }, { I(IPV4) },
				{ .type = RTE_FLOW_ACTION_TYPE_SET_TTL, .conf = &ttl } },
		{ "MAC", { .ingress = 1 }, { I(IPV4) },
				{ .type = RTE_FLOW_ACTION_TYPE_SET_MAC_DST, .conf = &mac } },
		{ "set metadata", { .ingress = 1 }, { I(IPV4) },
				{ .type = RTE_FLOW_ACTION_TYPE_SET_META, .conf = &set_meta } },
		{ "pop VLAN", { .ingress = 1, .group = 1 }, { I(VLAN, .spec = &tag), I(IPV4) },
				{ .type = RTE_FLOW_ACTION_TYPE_OF_POP_VLAN } },
		{ "push VLAN", { .ingress = 1, .group = 1 }, { I(IPV4) },
				{ .type = RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN, .conf = &push } },
		{ "decapsulation", { .ingress = 1, .group = 1 }, { I(IPV4), I(UDP), I(VXLAN) },
				{ .type = RTE_FLOW_ACTION_TYPE_VXLAN_DECAP } },
	};
	struct rte_flow *good;
	size_t i;

	for (i = 0; i < RTE_DIM(no); i++) {
		struct rte_flow_item pattern[6] = { { .type = RTE_FLOW_ITEM_TYPE_ETH } };
		struct rte_flow_action actions[] = { no[i].action, TO(0)[0],
			{ .type = RTE_FLOW_ACTION_TYPE_END } };
		struct rte_flow_error fe = { 0 };
		struct rte_flow *f;

		if (actions[0].type == RTE_FLOW_ACTION_TYPE_END)
			actions[0].type = RTE_FLOW_ACTION_TYPE_VOID;
		memcpy(pattern + 1, no[i].item, sizeof(no[i].item));
		f = rte_flow_create(0, &no[i].attr, pattern, actions, &fe);
		CHECK(f == NULL, "%s: made", no[i].what);
		CHECK(fe.type != RTE_FLOW_ERROR_TYPE_NONE, "%s: no reason given", no[i].what);
		printf("%s: %s\n", no[i].what, fe.message ? fe.message : "-");
	}
	good = rule(&(struct match){ .dport = 1, .dport_mask = BIT16 }, 0, 0, TO(2));
	expect(2, SRC, 1, 1, "after rules that were refused");
	destroy(good);
}

void
case_steer(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = QUEUES, .isolated = true };

	(void)c;
	port_start(&pc);
	rule(&(struct match){ .dport = 65000, .dport_mask = BIT16 }, 0, 2, TO(0));
	check_masks();
	check_priorities();
	check_groups();
	check_refused();
	port_stop();
}

/* ---- many rules ---- */
static uint64_t next_number[8];
static bool started[8];

/* Each datagram of the ports from 5000 on, in order and marked with its port. */
static void
take(unsigned int queue, unsigned int want)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz(), n64;
	struct rte_mbuf *m[64];
	unsigned int got = 0, n, i;
	const uint8_t *d;
	uint16_t port;

	while (got < want) {
		n = rte_eth_rx_burst(0, queue, m, RTE_DIM(m));
		CHECK(n > 0 || rte_get_timer_cycles() < end, "%u of %u", got, want);
		if (n > 0)
			end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
		for (i = 0; i < n; i++) {
			d = rte_pktmbuf_mtod(m[i], const uint8_t *);
			port = (d[36] << 8 | d[37]) - 5000;
			CHECK(port < RTE_DIM(started), "port %u", port + 5000);
			memcpy(&n64, d + NUMBER_AT, 8);
			n64 = rte_be_to_cpu_64(n64);
			CHECK(!started[port] || n64 == next_number[port],
					"port %u: number %lu, not %lu", port + 5000, n64,
					next_number[port]);
			CHECK(m[i]->ol_flags & RTE_MBUF_F_RX_FDIR_ID &&
							m[i]->hash.fdir.hi == 100u + port,
					"port %u: mark %u", port + 5000, m[i]->hash.fdir.hi);
			started[port] = true;
			next_number[port] = n64 + 1;
			rte_pktmbuf_free(m[i]);
		}
		got += n;
	}
}

static void
traffic_rules(void)
{
	struct rte_flow_action_mark mark;
	struct rte_flow_action marked[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q[0] },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(started); i++) {
		mark.id = 100 + i;
		rule(&(struct match){ .dport = 5000 + i, .dport_mask = BIT16 }, 0, 1, marked);
	}
}

/* a: rules of five fields, half as many of three; run.sh looks at the rules compared. */
void
case_steer_many(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .isolated = true };
	struct match five = { GEN_SRC, BIT32, DST, BIT32, 1, BIT16, 0, BIT16 },
		     three = { 0, 0, 0, BIT32, 0, 0, 0, BIT16 };
	struct rte_flow **f = calloc(c->a * 3 / 2, sizeof(*f));
	unsigned int i, n = 0;

	CHECK(f != NULL, "no memory");
	port_start(&pc);
	traffic_rules();
	take(0, 5000);
	for (i = 0; i < c->a; i++) {
		five.sport = 1 + i % 100;
		five.dport = 10000 + i / 100;
		f[n++] = rule(&five, 0, 0, TO(0));
		if (i % 2) {
			three.dst = DST + i % 7;
			three.dport = 20000 + i;
			f[n++] = rule(&three, 0, 0, TO(0));
		}
		if (i % 8 == 0)
			take(0, 32);
	}
	take(0, 50000);
	for (i = 0; i < n; i++) {
		destroy(f[i]);
		if (i % 8 == 0)
			take(0, 32);
	}
	take(0, 5000);
	printf("%u rules made and destroyed\n", n);
	free(f);
	port_stop();
}

/* ---- another thread ---- */
struct churn {
	unsigned int rounds;
	bool done; /* atomic */
};

static void *
churn(void *arg)
{
	cpu_set_t all;
	int cpu;
	struct churn *w = arg;
	struct rte_flow *f[16];
	unsigned int i, k;

	/* Not on the processor of the thread that made this one: a mempool's ring makes one wait
	 * for the other, and where that is preempted it waits for a time slice. */
	CPU_ZERO(&all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &all);
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all);

	for (i = 0; i < w->rounds; i++) {
		for (k = 0; k < RTE_DIM(f); k++)
			f[k] = rule(&(struct match){ .dport = 9000 + i + k, .dport_mask = BIT16 },
					0, k % 3, TO(k % 2));
		for (k = 0; k < RTE_DIM(f); k++)
			destroy(f[k]);
		/* a queue, with its completions and its ring */
		CHECK(rte_eth_dev_rx_queue_stop(0, 1) == 0, "queue stop");
		CHECK(rte_eth_dev_rx_queue_start(0, 1) == 0, "queue start");
	}
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* a: rounds of rules and a queue that come and go, while this thread receives at full rate */
void
case_steer_churn(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 2, .isolated = true };
	struct churn w = { .rounds = c->a };
	pthread_t t;

	port_start(&pc);
	traffic_rules();
	take(0, 1000);
	CHECK(pthread_create(&t, NULL, churn, &w) == 0, "thread");
	while (!__atomic_load_n(&w.done, __ATOMIC_ACQUIRE))
		take(0, 64);
	pthread_join(t, NULL);
	take(0, 1000);
	port_stop();
}
