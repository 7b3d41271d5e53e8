/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware steering: rules through flow queues (dv_flow_en=2), by the thousand. Frames that find
 * one come marked to its queue, the others are the kernel's.
 */
#include "cxtest.h"

#define SRC 0x0a630001 /* 10.99.0.1 */
#define DST 0x0a630002
#define FIRST_PORT 1000
#define QUEUE_SIZE 256
#define FLOW_QUEUE 0
#define GROUP 1
#define RXQS 2
#define PULL 64

static int wire, netdev;

/* What operations end in; the number of those that are under way. */
static struct {
	unsigned int under_way, done, failed;
} ops;

static void
configure(void)
{
	const struct rte_flow_port_attr attr = { 0 };
	const struct rte_flow_queue_attr queue = { .size = QUEUE_SIZE };
	const struct rte_flow_queue_attr *queues[] = { &queue };
	struct rte_flow_error fe = { 0 };
	int ret = rte_flow_configure(port_id, &attr, 1, queues, &fe);

	CHECK(ret == 0, "configure: %d, %s", ret, fe.message);
}

/* ---- templates ---- */
static const struct rte_flow_item_ipv4 ip_mask = { .hdr.dst_addr = RTE_BE32(UINT32_MAX) };
static const struct rte_flow_item_udp udp_mask = { .hdr.dst_port = RTE_BE16(UINT16_MAX) };
static const struct rte_flow_item_tcp tcp_mask = { .hdr.dst_port = RTE_BE16(UINT16_MAX) };
static const struct rte_flow_action_jump jump = { .group = GROUP };

static struct rte_flow_template_table *
make_table(uint32_t group, uint32_t n, const struct rte_flow_item *pattern,
		const struct rte_flow_action *actions, const struct rte_flow_action *masks)
{
	const struct rte_flow_pattern_template_attr pa = { .ingress = 1 };
	const struct rte_flow_actions_template_attr aa = { .ingress = 1 };
	const struct rte_flow_template_table_attr ta = {
		.flow_attr = { .ingress = 1, .group = group },
		.nb_flows = n,
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow_pattern_template *pt;
	struct rte_flow_actions_template *at;
	struct rte_flow_template_table *t;

	pt = rte_flow_pattern_template_create(port_id, &pa, pattern, &fe);
	CHECK(pt != NULL, "pattern: %s", fe.message);
	at = rte_flow_actions_template_create(port_id, &aa, actions, masks, &fe);
	CHECK(at != NULL, "actions: %s", fe.message);
	t = rte_flow_template_table_create(port_id, &ta, &pt, 1, &at, 1, &fe);
	CHECK(t != NULL, "table of group %u: %s", group, fe.message);
	return t;
}

/* All frames of a kind to the group where the rules are: eth / end, or eth / ipv4 / end. */
static struct rte_flow_template_table *
make_root(void)
{
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_JUMP, .conf = &jump },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	return make_table(0, 4, pattern, actions, actions);
}

/* eth / ipv4 dst is / udp or tcp dst is / end, mark / queue / end */
static struct rte_flow_template_table *
make_rules(uint32_t n, bool tcp)
{
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .mask = &ip_mask },
		{ .type = tcp ? RTE_FLOW_ITEM_TYPE_TCP : RTE_FLOW_ITEM_TYPE_UDP,
				.mask = tcp ? (const void *)&tcp_mask : &udp_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action_mark mark = { 0 };
	const struct rte_flow_action_queue queue = { 0 };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	/* both are the rule's */
	const struct rte_flow_action masks[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};

	return make_table(GROUP, n, pattern, actions, masks);
}

/* ---- the queue ---- */
static void
pull(void)
{
	struct rte_flow_op_result res[PULL];
	struct rte_flow_error fe = { 0 };
	int i, n = rte_flow_pull(port_id, FLOW_QUEUE, res, PULL, &fe);

	CHECK(n >= 0, "pull: %d, %s", n, fe.message);
	for (i = 0; i < n; i++)
		if (res[i].status == RTE_FLOW_OP_SUCCESS)
			ops.done++;
		else
			ops.failed++;
	ops.under_way -= n;
}

static void
push_and_pull(void)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_push(port_id, FLOW_QUEUE, &fe) == 0, "push: %s", fe.message);
	while (ops.under_way > 0) {
		pull();
		CHECK(rte_get_timer_cycles() < end, "%u operations never end", ops.under_way);
	}
}

/* Postponed operations, so that one doorbell is for many. */
static const struct rte_flow_op_attr later = { .postpone = 1 };

static void
enqueued(void)
{
	if (++ops.under_way == PULL)
		push_and_pull();
}

static struct rte_flow *
add_rule(struct rte_flow_template_table *t, bool tcp, unsigned int i)
{
	const struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = RTE_BE32(DST) };
	const struct rte_flow_item_udp udp = { .hdr.dst_port = rte_cpu_to_be_16(FIRST_PORT + i) };
	const struct rte_flow_item_tcp tcp_port = {
		.hdr.dst_port = rte_cpu_to_be_16(FIRST_PORT + i),
	};
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip },
		{ .type = tcp ? RTE_FLOW_ITEM_TYPE_TCP : RTE_FLOW_ITEM_TYPE_UDP,
				.spec = tcp ? (const void *)&tcp_port : &udp },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action_mark mark = { .id = 7 + i };
	const struct rte_flow_action_queue queue = { .index = i % RXQS };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow *f = rte_flow_async_create(
			port_id, FLOW_QUEUE, &later, t, pattern, 0, actions, 0, &ops, &fe);

	if (f != NULL)
		enqueued();
	return f;
}

static void
remove_rule(struct rte_flow *f)
{
	struct rte_flow_error fe = { 0 };
	int ret = rte_flow_async_destroy(port_id, FLOW_QUEUE, &later, f, &ops, &fe);

	CHECK(ret == 0, "destroy: %d, %s", ret, fe.message);
	enqueued();
}

static struct rte_flow *
add_jump(struct rte_flow_template_table *t)
{
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4 },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_JUMP, .conf = &jump },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow *f = rte_flow_async_create(
			port_id, FLOW_QUEUE, &later, t, pattern, 0, actions, 0, &ops, &fe);

	CHECK(f != NULL, "jump: %s", fe.message);
	enqueued();
	push_and_pull();
	return f;
}

/* ---- frames ---- */
static void
send_to(unsigned int i, bool tcp)
{
	struct segment s = { .src = SRC,
		.dst = DST,
		.sport = 9,
		.dport = FIRST_PORT + i,
		.proto = tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.fill = i,
		.len = 100 };

	peer_segment(wire, &s);
}

static void
expect_rule(unsigned int i, bool tcp)
{
	struct rte_mbuf *m;
	uint16_t q;

	send_to(i, tcp);
	m = port_wait(&q, RXQS, "a frame that has a rule");
	CHECK(q == i % RXQS, "port %u: queue %u", FIRST_PORT + i, q);
	CHECK(m->ol_flags & RTE_MBUF_F_RX_FDIR_ID && m->hash.fdir.hi == 7 + i, "port %u: mark %u",
			FIRST_PORT + i, m->hash.fdir.hi);
	CHECK(*rte_pktmbuf_mtod_offset(m, rte_be16_t *, 36) == rte_cpu_to_be_16(FIRST_PORT + i),
			"port %u: another frame", FIRST_PORT + i);
	rte_pktmbuf_free(m);
}

static void
expect_kernel(unsigned int i, bool tcp, const char *what)
{
	uint8_t frame[2048];
	int n;

	send_to(i, tcp);
	n = peer_receive(netdev, frame, sizeof(frame), PATIENCE * 1000);
	CHECK(n > 0, "%s: port %u: not at the kernel", what, FIRST_PORT + i);
	CHECK((frame[36] << 8 | frame[37]) == (int)(FIRST_PORT + i), "%s: another frame", what);
}

static uint64_t
counter(const char *name)
{
	return ctl_number(ctl_ask("stats"), name);
}

/* a: rules. */
void
case_hws(const struct test_case *c)
{
	static struct rte_flow *flow[65536];
	struct port_conf pc = { .rxqs = RXQS, .isolated = true, .before_start = configure };
	struct rte_flow_template_table *root, *rules;
	struct rte_flow *to_group;
	unsigned int i, step = c->a > 1000 ? c->a / 1000 : 1;
	uint64_t t0;
	double s;

	port_start(&pc);
	wire = peer_open(WIRE);
	netdev = peer_open(NETDEV);
	root = make_root();
	rules = make_rules(c->a, false);
	expect_kernel(0, false, "no rule at all");
	to_group = add_jump(root);
	CHECK(ops.failed == 0, "the jump failed");
	expect_kernel(0, false, "a jump to nothing");

	t0 = rte_get_timer_cycles();
	for (i = 0; i < c->a; i++) {
		flow[i] = add_rule(rules, false, i);
		CHECK(flow[i] != NULL, "rule %u", i);
	}
	push_and_pull();
	s = (double)(rte_get_timer_cycles() - t0) / rte_get_timer_hz();
	printf("%.0f rules inserted per second\n", c->a / s);
	CHECK(ops.failed == 0 && ops.done == c->a + 1, "%u failed", ops.failed);
	CHECK(counter("hws_written") - counter("hws_removed") == c->a, "rules: %s",
			ctl_ask("rules"));
	for (i = 0; i < c->a; i += step)
		expect_rule(i, false);
	expect_kernel(c->a, false, "another port");
	expect_kernel(0, true, "another protocol");

	for (i = 0; i < c->a; i += 2)
		remove_rule(flow[i]);
	push_and_pull();
	expect_rule(1, false);
	expect_kernel(2, false, "a rule that is gone");
	t0 = rte_get_timer_cycles();
	for (i = 1; i < c->a; i += 2)
		remove_rule(flow[i]);
	push_and_pull();
	s = (double)(rte_get_timer_cycles() - t0) / rte_get_timer_hz();
	printf("%.0f rules removed per second\n", c->a / 2 / s);
	CHECK(ops.failed == 0 && ops.done == 2 * c->a + 1, "%u failed", ops.failed);
	for (i = 0; i < c->a; i += 10 * step)
		expect_kernel(i, false, "no rule any more");
	remove_rule(to_group);
	push_and_pull();
	expect_kernel(0, false, "no jump any more");
	port_stop();
}
