/* SPDX-License-Identifier: BSD-3-Clause */
#include "flowq.h"

#define QUEUE_SIZE 256
#define QUEUES 2
#define PULL 64

struct flowq flowq;

/* Postponed, so that one doorbell is for many. */
static const struct rte_flow_op_attr later = { .postpone = 1 };

void
flowq_configure(void)
{
	const struct rte_flow_port_attr attr = { 0 };
	const struct rte_flow_queue_attr queue = { .size = QUEUE_SIZE };
	const struct rte_flow_queue_attr *queues[QUEUES] = { &queue, &queue };
	struct rte_flow_error fe = { 0 };
	int ret = rte_flow_configure(port_id, &attr, QUEUES, queues, &fe);

	CHECK(ret == 0, "configure: %d, %s", ret, fe.message);
}

struct rte_flow_template_table *
flowq_table(uint32_t group, uint32_t priority, uint32_t n, const struct rte_flow_item *pattern,
		const struct rte_flow_action *actions, const struct rte_flow_action *masks)
{
	const struct rte_flow_pattern_template_attr pa = { .ingress = 1 };
	const struct rte_flow_actions_template_attr aa = { .ingress = 1 };
	const struct rte_flow_template_table_attr ta = {
		.flow_attr = { .ingress = 1, .group = group, .priority = priority },
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

static void
pull(void)
{
	struct rte_flow_op_result res[PULL];
	struct rte_flow_error fe = { 0 };
	int i, n = rte_flow_pull(port_id, flowq.queue, res, PULL, &fe);

	CHECK(n >= 0, "pull: %d, %s", n, fe.message);
	for (i = 0; i < n; i++) {
		CHECK(res[i].user_data == &flowq, "a result that is nobody's");
		if (res[i].status == RTE_FLOW_OP_SUCCESS)
			flowq.done++;
		else
			flowq.failed++;
	}
	flowq.under_way -= n;
}

void
flowq_wait(void)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_push(port_id, flowq.queue, &fe) == 0, "push: %s", fe.message);
	while (flowq.under_way > 0) {
		pull();
		CHECK(rte_get_timer_cycles() < end, "%u operations never end", flowq.under_way);
	}
}

static void
enqueued(void)
{
	if (++flowq.under_way == PULL)
		flowq_wait();
}

struct rte_flow *
flowq_add(struct rte_flow_template_table *t, const struct rte_flow_item *pattern,
		const struct rte_flow_action *actions)
{
	struct rte_flow_error fe = { 0 };
	struct rte_flow *f = rte_flow_async_create(
			port_id, flowq.queue, &later, t, pattern, 0, actions, 0, &flowq, &fe);

	if (f != NULL)
		enqueued();
	return f;
}

void
flowq_remove(struct rte_flow *f)
{
	struct rte_flow_error fe = { 0 };
	int ret = rte_flow_async_destroy(port_id, flowq.queue, &later, f, &flowq, &fe);

	CHECK(ret == 0, "destroy: %d, %s", ret, fe.message);
	enqueued();
}

struct rte_flow *
flowq_jump(void)
{
	static const struct rte_flow_action_jump jump = { .group = FLOWQ_GROUP };
	static const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	static const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_JUMP, .conf = &jump },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_template_table *t = flowq_table(0, 0, 1, pattern, actions, actions);
	struct rte_flow *f = flowq_add(t, pattern, actions);

	CHECK(f != NULL, "jump: refused");
	flowq_wait();
	CHECK(flowq.failed == 0, "jump: failed");
	return f;
}
