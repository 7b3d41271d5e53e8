/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules by the flow queue of mlx5 (dv_flow_en=2) when it is full, late, or says no after all: what
 * the PMD tells of operations passes through the test.
 */
#define ALLOW_EXPERIMENTAL_API
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_flow.h>

#include "ring/ring.h"

#define LOCAL RTE_BE32(0x0a630002) /* 10.99.0.2 */
#define PEER RTE_BE32(0x0a630001)  /* 10.99.0.1 */
#define MANY 400
#define WAIT_MS 5000

static enum { AS_IT_IS, LATE, FAILING } told;
static int rules_there; /* created, and not destroyed */
static struct rte_flow *jumps;

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
int __real_rte_flow_pull(uint16_t port_id, uint32_t queue_id, struct rte_flow_op_result res[],
		uint16_t n, struct rte_flow_error *error);
int __wrap_rte_flow_pull(uint16_t port_id, uint32_t queue_id, struct rte_flow_op_result res[],
		uint16_t n, struct rte_flow_error *error);

static struct port *port;
static struct ring *ring;

struct rte_flow *
__wrap_rte_flow_async_create(uint16_t port_id, uint32_t queue_id,
		const struct rte_flow_op_attr *attr, struct rte_flow_template_table *table,
		const struct rte_flow_item pattern[], uint8_t pattern_index,
		const struct rte_flow_action actions[], uint8_t actions_index, void *user_data,
		struct rte_flow_error *error)
{
	struct rte_flow *flow = __real_rte_flow_async_create(port_id, queue_id, attr, table,
			pattern, pattern_index, actions, actions_index, user_data, error);

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

int
__wrap_rte_flow_pull(uint16_t port_id, uint32_t queue_id, struct rte_flow_op_result res[],
		uint16_t n, struct rte_flow_error *error)
{
	int got = told == LATE ? 0 : __real_rte_flow_pull(port_id, queue_id, res, n, error);

	for (int i = 0; told == FAILING && i < got; i++)
		res[i].status = RTE_FLOW_OP_ERROR;
	return got;
}

static void
never(struct sink *sink, struct ring *at, struct rte_mbuf **pkts, uint16_t n)
{
	(void)sink;
	(void)at;
	rte_pktmbuf_free_bulk(pkts, n);
}
static struct sink sink = { never };

static int
add(uint16_t number, unsigned int flags, struct flow **flow)
{
	struct flow_key k = {
		.local = ip_from_v4(LOCAL),
		.remote = ip_from_v4(PEER),
		.lport = rte_cpu_to_be_16(number),
		.rport = RTE_BE16(80),
		.proto = IPPROTO_TCP,
	};

	return ring_flow_add(ring, &k, &sink, FLOW_RULE | flags, flow);
}

static void
settle(void)
{
	uint64_t end = clock_ms() + WAIT_MS;

	while (ring_flow_settle())
		assert_true(clock_ms() < end);
}

static uint64_t
rules(void)
{
	return STAT_GET(&ring->stats, RING, rules);
}

static uint64_t
refused(void)
{
	return STAT_GET(&ring->stats, RING, rules_refused);
}

/* What nobody waits for is there at once, and rules follow; the next waits until one is done. */
static void
test_posted(void **state)
{
	static struct flow *f[MANY], *g;

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(add((uint16_t)(10000 + i), FLOW_EXTRA, &f[i]), 0);
	assert_int_equal(add(9999, 0, &g), 0);
	settle();
	assert_int_equal(rules(), MANY + 1);
	assert_int_equal(STAT_GET(&ring->stats, RING, rules_extra), MANY);
	assert_int_equal(rules_there, MANY + 1);
	ring_flow_del(g);
	ring_flow_del_many(f, MANY);
	assert_int_equal(rules(), 0);
	settle();
	assert_int_equal(rules_there, 0);
	assert_int_equal(refused(), 0);
}

/* The device says nothing: the queue is full, and those that go meanwhile go when it speaks. */
static void
test_late(void **state)
{
	static struct flow *f[MANY], *g;
	unsigned int n = port->caps.flow_queue;

	(void)state;
	assert_in_range(n, 2, MANY - 1);
	told = LATE;
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(add((uint16_t)(10000 + i), FLOW_EXTRA, &f[i]), 0);
	assert_int_equal(add(9999, FLOW_EXTRA, &g), -ENOSPC);
	assert_int_equal(refused(), 1);
	ring_flow_del_many(f, n / 2);
	assert_int_equal(rules(), n - n / 2);
	assert_int_equal(rules_there, n);
	/* the key is free, whatever becomes of its rule */
	assert_int_equal(add(10000, FLOW_EXTRA, &g), -ENOSPC);
	assert_true(ring_flow_settle());
	told = AS_IT_IS;
	settle();
	assert_int_equal(rules_there, n - n / 2);
	assert_int_equal(add(10000, 0, &f[0]), 0);
	/* removals that the queue has no room for wait, too */
	ring_flow_del_many(f + n / 2, n - n / 2);
	ring_flow_del(f[0]);
	settle();
	assert_int_equal(rules_there, 0);
	assert_int_equal(rules(), 0);
}

static void
test_failing(void **state)
{
	uint64_t before = refused();
	struct flow *f, *g;

	(void)state;
	assert_int_equal(add(10000, FLOW_EXTRA, &f), 0);
	assert_true(f->in_device);
	told = FAILING;
	settle();
	assert_false(f->in_device);
	assert_null(f->rule);
	assert_int_equal(refused() - before, 1);
	assert_int_equal(rules(), 0);
	/* who waits is told, whichever table is tried */
	assert_int_equal(add(10001, 0, &g), -ENOSPC);
	assert_int_equal(refused() - before, 2);
	told = AS_IT_IS;
	ring_flow_del(f);
	settle();
	assert_int_equal(rules_there, 0);
}

/* Rules that were not pulled yet when the port stops are there again when it has started. */
static void
test_restart(void **state)
{
	static struct flow *f[MANY];
	unsigned int before = port->n_queues;
	struct ring_alloc s;
	struct ring *more[16];
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(add((uint16_t)(10000 + i), i % 2 ? FLOW_EXTRA : 0, &f[i]), 0);
	ring_flow_del_many(f, 10);
	ring_alloc_init(&s, RING_RX, 200);
	s.logic = CONF_RING_PER_SOCKET;
	while (port->n_queues == before && n < RTE_DIM(more)) {
		s.sock++;
		assert_int_equal(ring_acquire(port, RING_RX, &s, NULL, &more[n]), 0);
		n++;
	}
	assert_true(port->n_queues > before);
	settle();
	assert_int_equal(rules(), MANY - 10);
	for (unsigned int i = 10; i < MANY; i++)
		assert_true(f[i]->in_device && f[i]->rule != NULL);
	ring_flow_del_many(f + 10, MANY - 10);
	settle();
	assert_int_equal(rules_there, 0);
	while (n > 0)
		ring_release(more[--n]);
}

static int
setup(void **state)
{
	struct ring_alloc s;

	(void)state;
	conf_set("DPVMA_EAL_ARGS", "-a 03:00.0,dv_flow_en=2");
	conf_set("VMA_MEM_ALLOC_TYPE", "0");
	conf_set("VMA_RX_BUFS", "65536");
	conf_set("VMA_TX_BUFS", "4096");
	conf_set("VMA_RX_WRE", "512");
	if (port_eal_start(NULL) != 0 || ports_init() != 1 || rings_init() != 0)
		return -1;
	port = port_get(0);
	ring_alloc_init(&s, RING_RX, 100);
	s.logic = CONF_RING_PER_SOCKET;
	return ring_acquire(port, RING_RX, &s, NULL, &ring);
}

static int
teardown(void **state)
{
	(void)state;
	ring_release(ring);
	rings_fini();
	ports_fini();
	port_eal_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_posted),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
