/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware steering: rules through flow queues by the thousand. Frames that find one come marked to
 * its queue, the others are the kernel's.
 */
#include "flowq.h"

#define SRC 0x0a630001 /* 10.99.0.1 */
#define DST 0x0a630002
#define FIRST_PORT 1000
#define MARK(i) (7 + (i))
#define RXQS 2
#define MAX_RULES 32768

static int wire, netdev;

/* eth / ipv4 dst is / udp dst is / end, mark / queue / end */
static struct rte_flow_template_table *
make_rules(uint32_t n)
{
	static const struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = RTE_BE32(UINT32_MAX) };
	static const struct rte_flow_item_udp udp = { .hdr.dst_port = RTE_BE16(UINT16_MAX) };
	static const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .mask = &ip },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .mask = &udp },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	static const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	return flowq_table(FLOWQ_GROUP, 0, n, pattern, actions, actions);
}

static struct rte_flow *
add_rule(struct rte_flow_template_table *t, unsigned int i)
{
	const struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = RTE_BE32(DST) };
	const struct rte_flow_item_udp udp = { .hdr.dst_port = rte_cpu_to_be_16(FIRST_PORT + i) };
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action_mark mark = { .id = MARK(i) };
	const struct rte_flow_action_queue queue = { .index = i % RXQS };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	return flowq_add(t, pattern, actions);
}

static void
send_to(unsigned int i, uint8_t proto)
{
	struct segment s = { .src = SRC,
		.dst = DST,
		.sport = 9,
		.dport = FIRST_PORT + i,
		.proto = proto,
		.fill = i,
		.len = 100 };

	peer_segment(wire, &s);
}

static void
expect_rule(unsigned int i)
{
	struct rte_mbuf *m;
	uint16_t q;

	send_to(i, IPPROTO_UDP);
	m = port_wait(&q, RXQS, "a frame that has a rule");
	CHECK(q == i % RXQS, "port %u: queue %u", FIRST_PORT + i, q);
	CHECK(m->ol_flags & RTE_MBUF_F_RX_FDIR_ID && m->hash.fdir.hi == MARK(i), "port %u: mark %u",
			FIRST_PORT + i, m->hash.fdir.hi);
	CHECK(*rte_pktmbuf_mtod_offset(m, rte_be16_t *, 36) == rte_cpu_to_be_16(FIRST_PORT + i),
			"port %u: another frame", FIRST_PORT + i);
	rte_pktmbuf_free(m);
}

static void
expect_kernel(unsigned int i, uint8_t proto, const char *what)
{
	uint8_t frame[2048];
	int n;

	send_to(i, proto);
	n = peer_receive(netdev, frame, sizeof(frame), PATIENCE * 1000);
	CHECK(n > 0, "%s: port %u: not at the kernel", what, FIRST_PORT + i);
	CHECK((frame[36] << 8 | frame[37]) == (int)(FIRST_PORT + i), "%s: another frame", what);
}

static uint64_t
counter(const char *name)
{
	return ctl_number(ctl_ask("stats"), name);
}

/* The first and the last rule as the control socket shows them. */
static void
expect_shown(unsigned int n)
{
	char request[32], line[128];
	const char *text;
	unsigned int i;

	snprintf(request, sizeof(request), "rules %u", n + 100);
	text = ctl_ask(request);
	for (i = 0; i < n; i += n - 1) {
		snprintf(line, sizeof(line), " udp_dport=%u dst=10.99.0.2 -> TIR ", FIRST_PORT + i);
		CHECK(strstr(text, line) != NULL, "no%sin: %.400s", line, text);
	}
	snprintf(line, sizeof(line), " }: rules %u, hits ", n);
	CHECK(strstr(text, line) != NULL, "no%sin: %.400s", line, text);
	CHECK(strstr(text, " -> flow table ") != NULL, "no jump in: %.400s", text);
	CHECK(ctl_number(ctl_ask("objects"), "RTC") >= 1, "%s", ctl_ask("objects"));
}

static double
per_second(unsigned int n, uint64_t since)
{
	return n * (double)rte_get_timer_hz() / (rte_get_timer_cycles() - since);
}

static void
insert_all(struct rte_flow_template_table *t, struct rte_flow **flow, unsigned int n)
{
	uint64_t t0 = rte_get_timer_cycles();
	unsigned int i;

	for (i = 0; i < n; i++) {
		flow[i] = add_rule(t, i);
		CHECK(flow[i] != NULL, "rule %u", i);
	}
	flowq_wait();
	printf("%.0f rules inserted a second\n", per_second(n, t0));
	CHECK(flowq.failed == 0, "%u failed", flowq.failed);
	CHECK(counter("hws_written") == n, "%lu written", counter("hws_written"));
}

/* Every second rule, from the first one that is said. */
static void
remove_half(struct rte_flow **flow, unsigned int first, unsigned int n)
{
	uint64_t t0 = rte_get_timer_cycles();
	unsigned int i;

	for (i = first; i < n; i += 2)
		flowq_remove(flow[i]);
	flowq_wait();
	printf("%.0f rules removed a second\n", per_second(n / 2, t0));
	CHECK(flowq.failed == 0, "%u failed", flowq.failed);
}

/* a: rules, an even number; b: 1 when some of them find their row of the device's table full. */
void
case_hws(const struct test_case *c)
{
	static struct rte_flow *flow[MAX_RULES];
	struct port_conf pc = { .rxqs = RXQS, .isolated = true, .before_start = flowq_configure };
	unsigned int i, step = 1 + c->a / 2000 * 2; /* odd: rules of either queue */
	struct rte_flow_template_table *rules;
	struct rte_flow *jump;

	flowq.queue = c->b; /* either of the two does */
	port_start(&pc);
	wire = peer_open(WIRE);
	netdev = peer_open(NETDEV);
	rules = make_rules(c->a);
	expect_kernel(0, IPPROTO_UDP, "no rule at all");
	jump = flowq_jump();
	expect_kernel(0, IPPROTO_UDP, "a jump to nothing");

	insert_all(rules, flow, c->a);
	CHECK((counter("hws_refused") > 0) == c->b, "%lu refused", counter("hws_refused"));
	for (i = 0; i < c->a; i += step)
		expect_rule(i);
	if (c->b == 0)
		expect_shown(c->a);
	expect_kernel(c->a, IPPROTO_UDP, "another port");
	expect_kernel(0, IPPROTO_TCP, "another protocol");

	remove_half(flow, 0, c->a);
	for (i = 1; i < c->a; i += 2 * step)
		expect_rule(i);
	for (i = 0; i < c->a; i += 20 * step)
		expect_kernel(i, IPPROTO_UDP, "a rule that is gone");
	remove_half(flow, 1, c->a);
	CHECK(counter("hws_removed") == c->a, "%lu removed", counter("hws_removed"));
	for (i = 1; i < c->a; i += 20 * step)
		expect_kernel(i, IPPROTO_UDP, "no rule any more");
	CHECK(flowq.done == 2 * c->a + 1, "%u operations", flowq.done);
	flowq_remove(jump);
	flowq_wait();
	expect_kernel(0, IPPROTO_UDP, "no jump any more");
	port_stop();
}
