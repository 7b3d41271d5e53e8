/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where rules that a queue makes are put: for each kind of key there are templates and tables, made
 * when the first rule needs them. Facts of mlx5 with dv_flow_en=2:
 *
 * - Group 0 is slow and the kernel's; one rule of it leads all frames to group 1, where ours are.
 * - A table has a size for good: when it is full there is another, larger one.
 */
#define ALLOW_EXPERIMENTAL_API /* the calls with templates, since 22.03 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "ring/rule_priv.h"

#define GROUP 1
#define TABLE_FIRST 4096 /* rules of the first table of a kind; the next has four times as many */

const struct rte_flow_item rule_any_frame[] = { { .type = RTE_FLOW_ITEM_TYPE_ETH },
	{ .type = RTE_FLOW_ITEM_TYPE_END } };
static const struct rte_flow_action_jump to_ours = { .group = GROUP };
const struct rte_flow_action rule_jump[] = { { .type = RTE_FLOW_ACTION_TYPE_JUMP,
							     .conf = &to_ours },
	{ .type = RTE_FLOW_ACTION_TYPE_END } };

unsigned int
rule_kind(const struct flow_key *k)
{
	bool connected = (k->remote.d[0] | k->remote.d[1]) != 0;

	if (k->lport == 0)
		return 16 + (k->vlan_id != 0);
	return (ip_is_v4(&k->local) ? 0 : 1) | (k->proto == IPPROTO_TCP ? 2 : 0) |
			(connected ? 4 : 0) | (k->vlan_id != 0 ? 8 : 0);
}

static int
table_make(uint16_t port, struct rule_table *t, const struct rte_flow_item *items,
		struct rte_flow_actions_template *actions, uint32_t group, uint32_t priority)
{
	const struct rte_flow_pattern_template_attr pa = { .ingress = 1 };
	const struct rte_flow_template_table_attr ta = {
		.flow_attr = { .ingress = 1, .group = group, .priority = priority },
		.nb_flows = t->size,
	};
	struct rte_flow_error err = { 0 };

	t->pattern = rte_flow_pattern_template_create(port, &pa, items, &err);
	if (t->pattern != NULL)
		t->table = rte_flow_template_table_create(
				port, &ta, &t->pattern, 1, &actions, 1, &err);
	if (t->table != NULL)
		return 0;
	LOG_DEBUG("port %u: no table for %u rules: %s", port, t->size,
			err.message != NULL ? err.message : rte_strerror(rte_errno));
	if (t->pattern != NULL)
		rte_flow_pattern_template_destroy(port, t->pattern, &err);
	t->pattern = NULL;
	return rte_errno != 0 ? -rte_errno : -ENOSPC;
}

static void
table_free(uint16_t port, struct rule_table *t)
{
	struct rte_flow_error err = { 0 };

	if (t->table == NULL)
		return;
	rte_flow_template_table_destroy(port, t->table, &err);
	rte_flow_pattern_template_destroy(port, t->pattern, &err);
}

/* Mark and queue are each rule's own. */
int
rule_tables_open(uint16_t port, struct rule_queue *q)
{
	const struct rte_flow_actions_template_attr attr = { .ingress = 1 };
	const struct rte_flow_action_mark mark = { 0 };
	const struct rte_flow_action_queue queue = { 0 };
	const struct rte_flow_action with[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	const struct rte_flow_action masks[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error err = { 0 };

	q->actions[0] = rte_flow_actions_template_create(port, &attr, &with[1], &masks[1], &err);
	q->actions[1] = rte_flow_actions_template_create(port, &attr, with, masks, &err);
	q->jump_actions = rte_flow_actions_template_create(port, &attr, rule_jump, rule_jump, &err);
	if (q->actions[0] != NULL && q->actions[1] != NULL && q->jump_actions != NULL)
		return 0;
	LOG_DEBUG("port %u: no templates for rules: %s", port,
			err.message != NULL ? err.message : rte_strerror(rte_errno));
	return -ENOTSUP;
}

void
rule_tables_free(struct ring_port *rp)
{
	struct rule_queue *q = rp->queue;
	uint16_t port = rp->port->id;
	struct rte_flow_error err = { 0 };

	for (unsigned int k = 0; k < RULE_KINDS; k++)
		for (unsigned int i = 0; i < RULE_TABLES; i++)
			table_free(port, &q->kinds[k][i]);
	table_free(port, &q->jump);
	for (unsigned int i = 0; i < 2; i++)
		if (q->actions[i] != NULL)
			rte_flow_actions_template_destroy(port, q->actions[i], &err);
	if (q->jump_actions != NULL)
		rte_flow_actions_template_destroy(port, q->jump_actions, &err);
	free(q);
	rp->queue = NULL;
}

struct rule_table *
rule_table_of(struct ring_port *rp, const struct flow_key *k, const struct rule_pattern *p,
		unsigned int i)
{
	struct rule_table *t = &rp->queue->kinds[rule_kind(k)][i];

	if (t->table == NULL) {
		t->size = TABLE_FIRST << (2 * i);
		if (table_make(rp->port->id, t, p->items, rp->queue->actions[rule_marks(rp, k)],
				    GROUP, rule_priority(k)) != 0)
			return NULL;
	}
	return t->n < t->size ? t : NULL;
}

int
rule_table_jump(uint16_t port, struct rule_queue *q)
{
	q->jump.size = 1;
	return table_make(port, &q->jump, rule_any_frame, q->jump_actions, 0, 0);
}
