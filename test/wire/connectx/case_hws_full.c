/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware steering: a table that is full, a rule that the device refuses, and a port that is
 * closed with rules in it.
 */
#include "flowq.h"

#define DST 0x0a630002
#define RULES 64 /* as many as the table is made for */
#define FIRST_PORT 2000

static const struct rte_flow_item_ipv4 ip_mask = { .hdr.dst_addr = RTE_BE32(UINT32_MAX) };
static const struct rte_flow_item_udp udp_mask = { .hdr.dst_port = RTE_BE16(UINT16_MAX) };
static const struct rte_flow_action_queue queue = { .index = 0 };

static struct rte_flow *
add(struct rte_flow_template_table *t, unsigned int i, const struct rte_flow_action *actions)
{
	const struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = RTE_BE32(DST) };
	const struct rte_flow_item_udp udp = { .hdr.dst_port = rte_cpu_to_be_16(FIRST_PORT + i) };
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};

	return flowq_add(t, pattern, actions);
}

static struct rte_flow_template_table *
make_table(uint32_t priority, const struct rte_flow_action *actions)
{
	static const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .mask = &ip_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .mask = &udp_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};

	return flowq_table(FLOWQ_GROUP, priority, RULES, pattern, actions, actions);
}

/* The driver counts the rules of a table itself; when one goes there is room again. */
static void
full(struct rte_flow_template_table *t, const struct rte_flow_action *actions)
{
	static struct rte_flow *flow[2 * RULES];
	unsigned int n = 0, done = flowq.done;

	while (n < 2 * RULES && (flow[n] = add(t, n, actions)) != NULL)
		n++;
	flowq_wait();
	printf("%u rules in a table for %u\n", n, RULES);
	CHECK(n >= RULES && n < 2 * RULES, "%u rules in a table for %u", n, RULES);
	CHECK(flowq.done == done + n && flowq.failed == 0, "%u failed", flowq.failed);
	flowq_remove(flow[0]);
	flowq_wait();
	CHECK(flowq.done == done + n + 1 && flowq.failed == 0, "not removed");
	CHECK(add(t, n, actions) != NULL, "no room where one went");
	flowq_wait();
	CHECK(flowq.done == done + n + 2 && flowq.failed == 0, "not added");
}

/* One that takes a VLAN tag away, which is not modelled. */
static void
refused(void)
{
	static const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_OF_POP_VLAN },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_template_table *t = make_table(1, actions);
	unsigned int done = flowq.done;
	struct rte_flow *f = add(t, 0, actions);

	CHECK(f != NULL, "refused at once");
	flowq_wait();
	CHECK(flowq.failed == 1 && flowq.done == done, "not refused");
	/* the driver's memory of it goes in the same way as that of one that worked */
	flowq_remove(f);
	flowq_wait();
	CHECK(flowq.failed == 1 && flowq.done == done + 1, "a refused rule is not removed");
}

void
case_hws_full(const struct test_case *c)
{
	static const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct port_conf pc = { .rxqs = 1, .isolated = true, .before_start = flowq_configure };

	(void)c;
	port_start(&pc);
	flowq_jump();
	full(make_table(0, actions), actions);
	refused();
	port_stop();
	CHECK(ctl_number(ctl_ask("stats"), "busy_destroys") == 0, "closed in the wrong order");
}
