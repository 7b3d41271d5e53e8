/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rte_flow on the model: queue, mark, drop, count, jump, priorities; isolated mode, in which frames
 * without a rule are the kernel's; ten thousand rules at the price of one.
 */
#include "cxtest.h"

#define SRC 0x0a630001 /* 10.99.0.1 */
#define DST 0x0a630002
#define DPORT 5000
#define MARK 77
#define ROUNDS 7 /* of 10,000 counters: more over time than numbers of 16 bits */

static int wire, netdev;

static void
send_to(uint16_t sport, uint16_t dport)
{
	struct segment s = { .src = SRC,
		.dst = DST,
		.sport = sport,
		.dport = dport,
		.proto = IPPROTO_UDP,
		.fill = 'x',
		.len = 100 };

	peer_segment(wire, &s);
}

/* Expects one frame, at the queue or, when queue is -1, at the kernel, or nowhere when it is -2. */
static void
expect(int queue, bool marked, const char *what)
{
	uint8_t frame[2048];
	struct rte_mbuf *m;
	uint16_t q;

	if (queue == -1) {
		CHECK(peer_receive(netdev, frame, sizeof(frame), 5000) > 0, "%s: kernel", what);
		return;
	}
	if (queue == -2) {
		CHECK(peer_receive(netdev, frame, sizeof(frame), 100) == 0, "%s: kernel", what);
		CHECK(port_receive(&m, &q, 1, 2) == 0, "%s: queue %u", what, q);
		return;
	}
	CHECK(port_receive(&m, &q, 1, 2) == 1, "%s: no frame", what);
	CHECK(q == queue, "%s: queue %u", what, q);
	CHECK(!!(m->ol_flags & RTE_MBUF_F_RX_FDIR_ID) == marked, "%s: mark", what);
	CHECK(!marked || m->hash.fdir.hi == MARK, "%s: mark %u", what, m->hash.fdir.hi);
	rte_pktmbuf_free(m);
}

static uint64_t
count_of(struct rte_flow *f)
{
	struct rte_flow_action count[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_query_count qc = { .reset = 1 };
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_query(0, f, count, &qc, &fe) == 0, "query: %s", fe.message);
	CHECK(qc.hits_set && qc.bytes_set, "no counts");
	CHECK(qc.bytes == qc.hits * (42 + 100), "%lu bytes for %lu frames", qc.bytes, qc.hits);
	return qc.hits;
}

static void
destroy(struct rte_flow *f)
{
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_destroy(0, f, &fe) == 0, "destroy: %s", fe.message);
}

static void
check_jump(const struct rte_flow_action *to_queue)
{
	struct rte_flow_attr root = { .ingress = 1, .group = 0 },
			     group = { .ingress = 1, .group = 3 };
	struct rte_flow_item_udp udp = { .hdr.dst_port = RTE_BE16(DPORT + 9) };
	struct rte_flow_item_udp mask = { .hdr.dst_port = RTE_BE16(UINT16_MAX) };
	struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_action_jump jump = { .group = 3 };
	struct rte_flow_action to_group[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_JUMP, .conf = &jump },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow *a, *b;

	a = rte_flow_create(0, &root, pattern, to_group, &fe);
	CHECK(a != NULL, "jump: %s", fe.message);
	b = rte_flow_create(0, &group, pattern, to_queue, &fe);
	CHECK(b != NULL, "rule of group 3: %s", fe.message);
	send_to(1, DPORT + 9);
	expect(1, false, "after a jump");
	destroy(b);
	send_to(1, DPORT + 9);
	expect(-1, false, "in a group without rules");
	destroy(a);
}

void
case_flow(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 2, .isolated = true };
	struct rte_flow_action_queue q0 = { .index = 0 }, q1 = { .index = 1 };
	struct rte_flow_action_mark mark = { .id = MARK };
	struct rte_flow_action to_q0[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q0 },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_action to_q1[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q1 },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_action marked[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q1 },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_action drop[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_DROP },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow *five, *three, *dropped;
	struct segment back = { .src = DST,
		.dst = SRC,
		.sport = 1,
		.dport = 2,
		.proto = IPPROTO_UDP,
		.fill = 'k',
		.len = 50 };
	uint8_t frame[2048];

	(void)c;
	port_start(&pc);
	wire = peer_open(WIRE);
	netdev = peer_open(NETDEV);
	send_to(1000, DPORT);
	expect(-1, false, "no rule at all");
	five = port_udp_rule(SRC, DST, 1000, DPORT, 0, marked);
	send_to(1000, DPORT);
	expect(1, true, "5-tuple");
	send_to(1001, DPORT);
	expect(-1, false, "another source port");
	three = port_udp_rule(0, DST, 0, DPORT, 1, to_q0);
	send_to(1001, DPORT);
	expect(0, false, "3-tuple");
	send_to(1000, DPORT);
	expect(1, true, "5-tuple before 3-tuple");
	CHECK(count_of(five) == 2, "count of the 5-tuple");
	CHECK(count_of(five) == 0, "count was reset");
	dropped = port_udp_rule(0, DST, 0, DPORT + 1, 0, drop);
	send_to(1000, DPORT + 1);
	send_to(1001, DPORT + 1);
	expect(-2, false, "drop");
	CHECK(count_of(dropped) == 2, "count of the dropped");
	check_jump(to_q1);
	destroy(five);
	send_to(1000, DPORT);
	expect(0, false, "3-tuple alone");
	destroy(three);
	destroy(dropped);
	send_to(1000, DPORT);
	expect(-1, false, "no rule any more");
	/* the other way: what the kernel sends on its interface goes to the wire */
	peer_segment(netdev, &back);
	CHECK(peer_receive(wire, frame, sizeof(frame), 5000) == 42 + 50, "from the kernel");
	port_stop();
}

/* Seconds to receive n datagrams; checks that all of them are marked, or none. */
static double
receive(unsigned int n, bool marked)
{
	uint64_t t0 = rte_get_timer_cycles();
	struct rte_mbuf *m[64];
	unsigned int got = 0, k, i;
	uint32_t port;

	while (got < n) {
		k = port_receive(m, NULL, RTE_DIM(m), 1);
		CHECK(k > 0, "nothing comes after %u", got);
		for (i = 0; i < k; i++) {
			port = rte_be_to_cpu_16(*rte_pktmbuf_mtod_offset(m[i], rte_be16_t *, 36));
			CHECK(!marked || m[i]->hash.fdir.hi == port, "mark %u of port %u",
					m[i]->hash.fdir.hi, port);
			rte_pktmbuf_free(m[i]);
		}
		got += k;
	}
	return (double)(rte_get_timer_cycles() - t0) / rte_get_timer_hz();
}

/* Takes what is under way, so that what comes next is steered by the rules of now. */
static void
drain(void)
{
	struct rte_mbuf *m[64];
	unsigned int n, i, left = 8192;

	while (left > 0) {
		n = port_receive(m, NULL, RTE_MIN(RTE_DIM(m), left), 1);
		for (i = 0; i < n; i++)
			rte_pktmbuf_free(m[i]);
		left -= n;
		if (n == 0)
			return;
	}
}

/* a: rules. The generator runs all the time, at full rate. */
void
case_rules(const struct test_case *c)
{
	static struct rte_flow *flow[10000];
	struct port_conf pc = { .rxqs = 1, .rxd = 1024, .isolated = true };
	struct rte_flow_action_queue q0 = { .index = 0 };
	struct rte_flow_action_mark mark;
	struct rte_flow_action marked[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q0 },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	const uint32_t src = 0x0a640001; /* the generator's */
	double one, many, t, create = 0;
	unsigned int i, round;

	port_start(&pc);
	mark.id = 1;
	port_udp_rule(0, DST, 0, 0, 1, marked);
	receive(20000, false);
	one = receive(200000, false);
	for (round = 0; round < ROUNDS; round++) {
		t = rte_get_timer_cycles();
		for (i = 0; i < c->a; i++) {
			mark.id = DPORT + i;
			flow[i] = port_udp_rule(src, DST, 40000, DPORT + i, 0, marked);
		}
		create += (rte_get_timer_cycles() - t) / rte_get_timer_hz();
		if (round < ROUNDS - 1)
			for (i = 0; i < c->a; i++)
				destroy(flow[i]);
	}
	drain();
	many = receive(200000, true);
	printf("%.0f ns a datagram with 1 rule, %.0f with %u; %.1f us to make one\n", one * 5000,
			many * 5000, c->a + 1, create / ROUNDS / c->a * 1e6);
	/* a scan would cost a hundred times as much; the margin is for a machine that is busy */
	CHECK(many < 5 * one + 1, "%.3f s with one rule, %.3f s with %u", one, many, c->a);
	port_stop();
}

/* a: rules, made and destroyed while the device never rests: it must make room for each. */
void
case_control(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1, .rxd = 1024, .isolated = true };
	struct rte_flow_action_queue q0 = { .index = 0 };
	struct rte_flow_action to_q0[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q0 },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	uint64_t t, longest = 0, t0;
	unsigned int i;

	port_start(&pc);
	port_udp_rule(0, DST, 0, DPORT, 0, to_q0);
	t0 = rte_get_timer_cycles();
	for (i = 0; i < c->a; i++) {
		t = rte_get_timer_cycles();
		destroy(port_udp_rule(0, DST, 0, DPORT + 1 + i, 0, to_q0));
		t = rte_get_timer_cycles() - t;
		longest = RTE_MAX(longest, t);
	}
	t0 = (rte_get_timer_cycles() - t0) / c->a;
	printf("%.1f us to make and destroy a rule, %.1f us the longest\n",
			t0 * 1e6 / rte_get_timer_hz(), longest * 1e6 / rte_get_timer_hz());
	CHECK(t0 < rte_get_timer_hz() / 1000, "more than 1 ms a rule");
	port_stop();
}
