/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules by the flow queue of a port (rte_flow_async_create() and its like): posted, pushed
 * together, and pulled when they are done. For each kind of key there are tables, made when the
 * first rule needs them. Facts of mlx5 with dv_flow_en=2:
 *
 * - Group 0 is slow and the kernel's; one rule of it leads all frames to group 1, where ours are.
 * - A table has a size for good: when it is full there is another, larger one.
 * - A rule with the pattern of another in the same table takes its place, so a flow that moves gets
 *   its next rule in another table before the old one goes.
 * - A rule cannot be removed before it is made.
 */
#define ALLOW_EXPERIMENTAL_API /* the calls with templates, since 22.03 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "ring/rule_priv.h"

#define BURST 32
#define WAIT_MS 1000

uint32_t rules_under_way;

static const struct rte_flow_op_attr later = { .postpone = 1 };
/* What the user data of an operation say besides the flow, whose address ends in zeros. */
#define OP_DESTROY 1u
#define OP_JUMP 2u

/** @name What is under way */
/** @{ */
static void post_destroy(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule);

static void
table_left(struct ring_port *rp, const struct flow_ctl *f, uint8_t table)
{
	rp->queue->kinds[rule_kind(&f->flow.key)][table].n--;
}

static void
created(struct ring_port *rp, struct flow_ctl *f, bool failed)
{
	struct rte_flow *rule = f->flow.rule;

	f->creating = false;
	f->failed = failed;
	if (f->waited)
		return;
	if (f->ends) {
		post_destroy(rp, f, rule);
	} else if (failed) {
		/* the handle is there whatever became of the rule */
		table_left(rp, f, f->table);
		flow_refused(rp, f, "it was refused after it was posted");
		post_destroy(rp, NULL, rule);
	}
}

static void
done(struct ring_port *rp, const struct rte_flow_op_result *r)
{
	uintptr_t data = (uintptr_t)r->user_data;
	struct flow_ctl *f = (struct flow_ctl *)(data & ~(uintptr_t)(OP_DESTROY | OP_JUMP));
	bool failed = r->status != RTE_FLOW_OP_SUCCESS;

	/* of a queue that was given up */
	if (rp->queue->under_way == 0)
		return;
	rp->queue->under_way--;
	__atomic_fetch_sub(&rules_under_way, 1, __ATOMIC_RELAXED);
	if ((data & OP_JUMP) != 0)
		rp->queue->to_group_done = !failed;
	if (f == NULL)
		return;
	f->ops--;
	if ((data & OP_DESTROY) == 0)
		created(rp, f, failed);
	if (f->forgotten && f->ops == 0)
		flow_free(rp, f);
}

static unsigned int
pull(struct ring_port *rp)
{
	struct rte_flow_op_result r[BURST];
	struct rte_flow_error err = { 0 };
	int n = rte_flow_pull(rp->port->id, 0, r, BURST, &err);

	/* a device that is gone, or stopped by somebody else */
	if (n < 0)
		rp->queue->dead = true;
	for (int i = 0; i < n; i++)
		done(rp, &r[i]);
	return (unsigned int)RTE_MAX(n, 0);
}

static void
push(struct ring_port *rp)
{
	struct rte_flow_error err = { 0 };

	if (rte_flow_push(rp->port->id, 0, &err) != 0)
		rp->queue->dead = true;
}

static void
posted(struct rule_queue *q)
{
	q->under_way++;
	__atomic_fetch_add(&rules_under_way, 1, __ATOMIC_RELAXED);
}

/* Room for one operation more. */
static bool
room(struct ring_port *rp)
{
	struct rule_queue *q = rp->queue;
	uint64_t end = clock_ms() + WAIT_MS;

	if (q->under_way >= q->depth)
		push(rp);
	while (q->under_way >= q->depth && !q->dead && clock_ms() < end)
		pull(rp);
	return q->under_way < q->depth && !q->dead;
}

static void
post_destroy(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule)
{
	struct rte_flow_error err = { 0 };
	int ret;

	if (rp->queue->under_way >= rp->queue->depth && f != NULL) {
		/* not from here: completions may be what led here */
		f->stuck = true;
		f->ops++;
		rp->stuck++;
		__atomic_fetch_add(&rules_under_way, 1, __ATOMIC_RELAXED);
		return;
	}
	ret = rte_flow_async_destroy(
			rp->port->id, 0, &later, rule, (void *)((uintptr_t)f | OP_DESTROY), &err);
	if (ret != 0) {
		LOG_DEBUG("%s: a steering rule could not be removed: %s", rp->port->name,
				err.message != NULL ? err.message : rte_strerror(-ret));
		return;
	}
	posted(rp->queue);
	if (f != NULL)
		f->ops++;
}

static void
unstick(struct ring_port *rp)
{
	struct flow_ctl *f, *next;

	for (f = TAILQ_FIRST(&rp->ending); f != NULL && rp->stuck > 0; f = next) {
		next = TAILQ_NEXT(f, next);
		if (!f->stuck)
			continue;
		if (rp->queue->under_way >= rp->queue->depth)
			return;
		f->stuck = false;
		rp->stuck--;
		__atomic_fetch_sub(&rules_under_way, 1, __ATOMIC_RELAXED);
		post_destroy(rp, f, f->flow.rule);
		f->ops--;
		if (f->forgotten && f->ops == 0)
			flow_free(rp, f);
	}
}

static void
queue_settle(struct ring_port *rp, bool all)
{
	struct rule_queue *q = rp->queue;
	uint64_t end = all ? clock_ms() + WAIT_MS : 0;

	if (q == NULL || (q->under_way == 0 && rp->stuck == 0))
		return;
	do {
		push(rp);
		while (pull(rp) == BURST)
			;
		unstick(rp);
	} while (q->under_way + rp->stuck > 0 && !q->dead && clock_ms() < end);
}
/** @} */

/** @name Operations */
/** @{ */
static bool
await(struct ring_port *rp, const bool *busy)
{
	uint64_t end = clock_ms() + WAIT_MS;

	push(rp);
	while (__atomic_load_n(busy, __ATOMIC_RELAXED) && !rp->queue->dead && clock_ms() < end)
		pull(rp);
	return !*busy;
}

/* Every frame to where our rules are. */
static int
open_group(struct ring_port *rp)
{
	struct rule_queue *q = rp->queue;
	uint64_t end = clock_ms() + WAIT_MS;
	struct rte_flow_error err = { 0 };
	int ret;

	ret = rule_table_jump(rp->port->id, q);
	if (ret != 0)
		return ret;
	q->to_group = rte_flow_async_create(rp->port->id, 0, &later, q->jump.table, rule_any_frame,
			0, rule_jump, 0, (void *)(uintptr_t)OP_JUMP, &err);
	if (q->to_group == NULL)
		return -rte_errno;
	posted(q);
	push(rp);
	while (q->under_way > 0 && !q->dead && clock_ms() < end)
		pull(rp);
	return q->to_group_done ? 0 : -EIO;
}

static int
queue_open(struct ring_port *rp)
{
	int ret;

	if (rp->queue != NULL)
		return 0;
	rp->queue = calloc(1, sizeof(*rp->queue));
	if (rp->queue == NULL)
		return -ENOMEM;
	rp->queue->depth = rp->port->caps.flow_queue;
	ret = rule_tables_open(rp->port->id, rp->queue);
	if (ret == 0)
		ret = open_group(rp);
	if (ret != 0) {
		__atomic_fetch_sub(&rules_under_way, rp->queue->under_way, __ATOMIC_RELAXED);
		rule_tables_free(rp);
	}
	return ret;
}

static struct rte_flow *
post_create(struct ring_port *rp, struct flow_ctl *f, struct rule_table *t,
		const struct rule_pattern *p, uint16_t queue, struct rte_flow_error *err)
{
	struct rte_flow_action_mark mark = { .id = f->flow.mark };
	struct rte_flow_action_queue q = { .index = queue };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &q },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	bool marks = rule_marks(rp, &f->flow.key);
	struct rte_flow *rule = rte_flow_async_create(rp->port->id, 0, &later, t->table, p->items,
			0, marks ? actions : &actions[1], 0, f, err);

	if (rule != NULL) {
		posted(rp->queue);
		f->ops++;
		f->creating = true;
		t->n++;
	}
	return rule;
}

/* Out of line is the end of what was waited for in vain: it is removed once it is made. */
static int
wait_for(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule, struct rule_table *t)
{
	bool there = await(rp, &f->creating);

	f->waited = false;
	if (there && !f->failed)
		return 0;
	if (!there) {
		if (f->flow.rule == NULL)
			f->flow.rule = rule;
		return -ETIMEDOUT;
	}
	t->n--;
	post_destroy(rp, NULL, rule);
	return -ENOSPC;
}

static int
queue_create(struct ring_port *rp, struct flow_ctl *f, uint16_t queue,
		const struct rte_flow_action_rss *rss, bool wait, char *why, size_t len,
		struct rte_flow **rule)
{
	const char *said = "no table has room for it";
	struct rte_flow_error err = { 0 };
	struct rule_pattern p;
	uint8_t before;
	int ret = queue_open(rp);

	snprintf(why, len, "%s", ret != 0 ? "the queue for rules cannot be used" : said);
	if (ret != 0)
		return ret;
	/* the queues would be those of a template, and change with each member */
	if (rss != NULL) {
		snprintf(why, len, "not by a flow queue");
		return -ENOTSUP;
	}
	ret = -ENOSPC;
	rule_pattern(&p, &f->flow.key, true);
	for (unsigned int i = 0; i < RULE_TABLES && ret == -ENOSPC; i++) {
		/* that of the rule that goes */
		bool mine = (f->flow.rule != NULL || f->flow.spread != NULL) && f->table == i;
		struct rule_table *t = mine ? NULL : rule_table_of(rp, &f->flow.key, &p, i);

		if (t == NULL)
			continue;
		if (!room(rp))
			return -EAGAIN;
		/* one that is late counts there, too */
		before = f->table;
		f->table = (uint8_t)i;
		f->waited = wait;
		*rule = post_create(rp, f, t, &p, queue, &err);
		ret = *rule == NULL ? -ENOSPC : wait ? wait_for(rp, f, *rule, t) : 0;
		if (ret != 0 && ret != -ETIMEDOUT)
			f->table = before;
	}
	if (ret != 0 && err.message != NULL)
		snprintf(why, len, "%s", err.message);
	return ret;
}

static void
queue_destroy(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule, uint8_t table,
		bool ends)
{
	if (rp->queue == NULL)
		return;
	table_left(rp, f, table);
	/* one that is not made yet goes when it is */
	if (ends && f->creating) {
		f->ends = true;
		return;
	}
	if (room(rp) || ends)
		post_destroy(rp, ends ? f : NULL, rule);
}

/* What the device has not done by now it will not do. */
static void
abandon(struct ring_port *rp)
{
	struct flow_ctl *f;

	if (rp->queue->under_way + rp->stuck > 0)
		LOG_WARNING("%s: %u operations on flow rules do not end", rp->port->name,
				rp->queue->under_way + rp->stuck);
	__atomic_fetch_sub(&rules_under_way, rp->queue->under_way + rp->stuck, __ATOMIC_RELAXED);
	rp->queue->under_way = rp->stuck = 0;
	TAILQ_FOREACH (f, &rp->flows, next) {
		f->ops = 0;
		f->creating = false;
	}
	while ((f = TAILQ_FIRST(&rp->ending)) != NULL)
		flow_free(rp, f);
}

static void
queue_close(struct ring_port *rp)
{
	struct rule_queue *q = rp->queue;

	if (q == NULL)
		return;
	if (q->to_group != NULL && room(rp))
		post_destroy(rp, NULL, q->to_group);
	queue_settle(rp, true);
	abandon(rp);
	rule_tables_free(rp);
}
/** @} */

const struct rule_ops rule_queue_ops = {
	.create = queue_create,
	.destroy = queue_destroy,
	.settle = queue_settle,
	.close = queue_close,
};
