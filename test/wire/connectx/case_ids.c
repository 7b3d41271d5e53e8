/* SPDX-License-Identifier: BSD-3-Clause */
/* What is made and destroyed again and again stays in tables of the same size. */
#include "cxtest.h"
#include <rte_dev.h>
#include <rte_memory.h>

#define DST 0x0a630002
#define REGION (1u << 21) /* bytes */

static void
destroy(struct rte_flow *f)
{
	struct rte_flow_error fe = { 0 };

	CHECK(rte_flow_destroy(port_id, f, &fe) == 0, "destroy: %s", fe.message);
}

/* All sorts of rules, each of which makes objects: a counter, a mark, a TIR of its own. */
static void
rules(unsigned int n)
{
	struct rte_flow_action_queue q = { .index = 0 };
	struct rte_flow_action_mark mark = { .id = 7 };
	uint16_t queues[] = { 0, 1 };
	struct rte_flow_action_rss rss = {
		.types = RTE_ETH_RSS_IP,
		.key_len = sizeof(toeplitz_key),
		.key = toeplitz_key,
		.queue_num = 2,
		.queue = queues,
	};
	struct rte_flow_action one[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_action spread[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	unsigned int i;

	for (i = 0; i < n; i++) {
		mark.id = 1 + i % 1000;
		q.index = i & 1;
		destroy(port_udp_rule(0, DST, 0, 1 + i % 50000, 0, i % 3 ? one : spread));
	}
}

/* Memory of the application's own, registered with the NIC. */
static void
regions(unsigned int n)
{
	static uint8_t memory[REGION] __attribute__((aligned(REGION)));
	struct rte_eth_dev_info info;
	unsigned int i;

	CHECK(rte_eth_dev_info_get(port_id, &info) == 0, "info");
	CHECK(rte_extmem_register(memory, sizeof(memory), NULL, 0, 4096) == 0, "register");
	for (i = 0; i < n; i++) {
		CHECK(rte_dev_dma_map(info.device, memory, 0, sizeof(memory)) == 0, "map");
		CHECK(rte_dev_dma_unmap(info.device, memory, 0, sizeof(memory)) == 0, "unmap");
	}
	CHECK(rte_extmem_unregister(memory, sizeof(memory)) == 0, "unregister");
}

static void
queues(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		CHECK(rte_eth_dev_stop(port_id) == 0, "stop");
		CHECK(rte_eth_dev_start(port_id) == 0, "start");
	}
}

/* a: rules, b: starts */
void
case_ids(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 2, .rxd = 64, .isolated = true };
	static char before[4096];
	unsigned int i;

	port_start(&pc);
	for (i = 0; i < 4; i++) {
		/* the first round fills the caches of the driver */
		if (i == 1)
			snprintf(before, sizeof(before), "%s", ctl_ask("objects"));
		rules(c->a);
		queues(c->b);
		regions(c->a);
	}
	CHECK(strcmp(before, ctl_ask("objects")) == 0, "before\n%safter\n%s", before,
			ctl_ask("objects"));
	CHECK(ctl_number(before, "RQ") >= 2, "%s", before);
	CHECK(strstr(before, "table objects") != NULL, "%s", before);
	port_stop();
}
