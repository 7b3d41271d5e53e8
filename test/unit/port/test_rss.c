/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports that spread by RSS: how the table is shared out, that the device has what it was given,
 * where a tuple arrives, and numbers that are made to arrive elsewhere. net_null keeps a table and
 * a key as a device does, but moves no packets by them, so it is asked for here.
 */
#include <netinet/in.h>

#include <rte_random.h>
#include <rte_thash.h>

#include "port_test.h"

unsigned int port_rss_fill(
		uint16_t *table, unsigned int n, const uint16_t *queues, unsigned int n_queues);

#define ENTRIES 128 /* of net_null */

/* A PMD that forgets what it was told. */
static bool deaf_table, deaf_key;

int __real_rte_eth_dev_rss_reta_update(
		uint16_t port, struct rte_eth_rss_reta_entry64 *conf, uint16_t n);
int __wrap_rte_eth_dev_rss_reta_update(
		uint16_t port, struct rte_eth_rss_reta_entry64 *conf, uint16_t n);
int __real_rte_eth_dev_rss_hash_update(uint16_t port, struct rte_eth_rss_conf *conf);
int __wrap_rte_eth_dev_rss_hash_update(uint16_t port, struct rte_eth_rss_conf *conf);

static unsigned int written; /* entries, since it was last set to 0 */

int
__wrap_rte_eth_dev_rss_reta_update(uint16_t port, struct rte_eth_rss_reta_entry64 *conf, uint16_t n)
{
	unsigned int i;

	for (i = 0; i < n / RTE_ETH_RETA_GROUP_SIZE; i++)
		written += (unsigned int)__builtin_popcountll(conf[i].mask);
	return deaf_table ? 0 : __real_rte_eth_dev_rss_reta_update(port, conf, n);
}

int
__wrap_rte_eth_dev_rss_hash_update(uint16_t port, struct rte_eth_rss_conf *conf)
{
	return deaf_key ? 0 : __real_rte_eth_dev_rss_hash_update(port, conf);
}

static unsigned int
count(const uint16_t *table, unsigned int n, uint16_t queue)
{
	unsigned int i, has = 0;

	for (i = 0; i < n; i++)
		has += table[i] == queue;
	return has;
}

/* As few entries move as can, and shares differ by one at most. */
static void
test_fill(void **state)
{
	const uint16_t one[] = { 0 }, two[] = { 0, 5 }, three[] = { 0, 5, 2 }, left[] = { 0, 2 };
	uint16_t table[ENTRIES], before[ENTRIES];
	unsigned int i;

	(void)state;
	memset(table, 0xff, sizeof(table));
	assert_int_equal(port_rss_fill(table, ENTRIES, one, 1), ENTRIES);
	assert_int_equal(count(table, ENTRIES, 0), ENTRIES);
	assert_int_equal(port_rss_fill(table, ENTRIES, two, 2), ENTRIES / 2);
	assert_int_equal(count(table, ENTRIES, 5), ENTRIES / 2);
	memcpy(before, table, sizeof(table));
	assert_int_equal(port_rss_fill(table, ENTRIES, two, 2), 0);
	assert_memory_equal(table, before, sizeof(table));
	/* 43, 43, 42: what the new one has, and nothing else, has moved */
	assert_int_equal(port_rss_fill(table, ENTRIES, three, 3), 42);
	assert_int_equal(count(table, ENTRIES, 2), 42);
	for (i = 0; i < ENTRIES; i++)
		assert_true(table[i] == before[i] || table[i] == 2);
	memcpy(before, table, sizeof(table));
	assert_int_equal(port_rss_fill(table, ENTRIES, left, 2), 43);
	assert_int_equal(count(table, ENTRIES, 0), ENTRIES / 2);
	assert_int_equal(count(table, ENTRIES, 2), ENTRIES / 2);
	for (i = 0; i < ENTRIES; i++)
		assert_true(table[i] == before[i] || before[i] == 5);
	/* more queues than entries: the first ones have one each */
	memset(table, 0xff, sizeof(table));
	assert_int_equal(port_rss_fill(table, 2, three, 3), 2);
	assert_true(table[0] != table[1]);
}

static struct port *
begin(void)
{
	struct port *port;

	written = 0;
	assert_true(ports_init() > 0);
	test_log[0] = '\0';
	port = port_by_name("net_null0");
	assert_non_null(port);
	return port;
}

static void
device_table(const struct port *port, uint16_t *table)
{
	struct rte_eth_rss_reta_entry64 groups[ENTRIES / RTE_ETH_RETA_GROUP_SIZE];
	unsigned int i;

	for (i = 0; i < RTE_DIM(groups); i++)
		groups[i].mask = UINT64_MAX;
	assert_int_equal(rte_eth_dev_rss_reta_query(port->id, groups, ENTRIES), 0);
	for (i = 0; i < ENTRIES; i++)
		table[i] = groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
}

static struct port_tuple
any_tuple(uint8_t proto)
{
	return (struct port_tuple){
		.remote = ip_from_v4((uint32_t)rte_rand()),
		.local = ip_from_v4((uint32_t)rte_rand()),
		.rport = (uint16_t)rte_rand(),
		.lport = (uint16_t)rte_rand(),
		.proto = proto,
	};
}

/* As a device does it: its own key and table, over the header's bytes in their order. */
static uint16_t
device_queue(const uint8_t *key, const uint16_t *table, const struct port_tuple *t)
{
	uint32_t header[3] = { ip_v4(&t->remote), ip_v4(&t->local) };
	unsigned int i;

	memcpy((uint8_t *)&header[2], &t->rport, 2);
	memcpy((uint8_t *)&header[2] + 2, &t->lport, 2);
	for (i = 0; i < 3; i++)
		header[i] = rte_be_to_cpu_32(header[i]);
	return table[rte_softrss(header, 3, key) % ENTRIES];
}

/* Three rings: the device has our key, entries lead to queues in use, tuples arrive as told. */
static void
test_queues(void **state)
{
	struct rte_mempool *pool = test_pool("rss", 8191);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;
	struct port_tuple t;
	uint16_t table[ENTRIES], spares[8];
	uint8_t key[40];
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = sizeof(key) };
	unsigned int i, k, hits[3] = { 0 };
	uint16_t before;
	int q;

	(void)state;
	test_conf("VMA_RX_WRE=256", "DPVMA_STEERING=rss", NULL);
	port = begin();
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_true(port->caps.rss);
	assert_int_equal(port->n_queues, 4);
	device_table(port, table);
	assert_int_equal(count(table, ENTRIES, 0), ENTRIES);
	assert_int_equal(port_spares(port, spares, 8), 0); /* nothing arrives there */
	written = 0;
	assert_int_equal(port_queue_get(port, &want), 1);
	assert_int_equal(written, ENTRIES / 2);
	assert_int_equal(port_queue_get(port, &want), 2);
	device_table(port, table);
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(port->id, &conf), 0);
	for (i = 0; i < 3; i++)
		assert_in_range(count(table, ENTRIES, (uint16_t)i), 42, 43);
	for (i = 0; i < 30000; i++) {
		t = any_tuple(i % 2 ? IPPROTO_TCP : IPPROTO_UDP);
		q = port_rss_queue(port, &t);
		assert_int_equal(q, device_queue(key, table, &t));
		hits[q]++;
		/* any number becomes one of each queue, near by, and then stays */
		for (k = 0; k < 3; k++) {
			before = rte_be_to_cpu_16(t.lport);
			assert_true(port_rss_fit(port, &t, (uint16_t)k));
			assert_int_equal(device_queue(key, table, &t), k);
			assert_true((before ^ rte_be_to_cpu_16(t.lport)) < ENTRIES);
			before = t.lport;
			assert_true(port_rss_fit(port, &t, (uint16_t)k));
			assert_int_equal(t.lport, before);
		}
	}
	for (i = 0; i < 3; i++)
		assert_in_range(hits[i], 9000, 11000);
	assert_false(port_rss_fit(port, &t, 3)); /* nobody's */
	t.remote.b[0] = 1;			 /* IPv6 */
	assert_int_equal(port_rss_queue(port, &t), -ENOTSUP);
	/* one goes: the others have its entries, and somebody polls what was on its way */
	port_queue_put(port, 1);
	device_table(port, table);
	assert_int_equal(count(table, ENTRIES, 1), 0);
	assert_int_equal(count(table, ENTRIES, 0), ENTRIES / 2);
	assert_int_equal(port_spares(port, spares, 8), 1);
	assert_int_equal(spares[0], 1);
	/* a restart, with more queues, keeps everything */
	assert_int_equal(port_queue_get(port, &want), 1);
	assert_int_equal(port_queue_get(port, &want), 3);
	assert_int_equal(port_queue_get(port, &want), 4);
	assert_int_equal(port->n_queues, 8);
	device_table(port, table);
	for (i = 0; i < 5; i++)
		assert_in_range(count(table, ENTRIES, (uint16_t)i), 25, 26);
	memset(key, 0, sizeof(key));
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(port->id, &conf), 0);
	t = any_tuple(IPPROTO_TCP);
	assert_int_equal(port_rss_queue(port, &t), device_queue(key, table, &t));
	ports_fini();
	assert_string_equal(test_log, "");
}

/* Numbers of one peer: as many different ones as there are for a queue, nearly. */
static void
test_numbers(void **state)
{
	struct rte_mempool *pool = test_pool("numbers", 4095);
	struct port_queue_conf want = { .pool = pool };
	struct port_tuple t = any_tuple(IPPROTO_TCP);
	static bool seen[UINT16_MAX + 1];
	unsigned int i, different = 0;
	struct port *port;

	(void)state;
	test_conf("VMA_RX_WRE=256", "DPVMA_STEERING=rss", NULL);
	port = begin();
	for (i = 0; i < 4; i++)
		assert_int_equal(port_queue_get(port, &want), i);
	for (i = 0; i <= UINT16_MAX; i++) {
		t.lport = rte_cpu_to_be_16((uint16_t)i);
		assert_true(port_rss_fit(port, &t, 2));
		different += !seen[t.lport];
		seen[t.lport] = true;
	}
	/* a quarter of them arrives there, and those stay as they are */
	assert_int_equal(different, (UINT16_MAX + 1) / 4);
	ports_fini();
}

static void
refused(const char *option, const char *line)
{
	struct rte_mempool *pool = test_pool(line, 4095);
	struct port_queue_conf want = { .pool = pool };
	struct port_tuple t = any_tuple(IPPROTO_TCP);
	uint16_t spares[8];
	struct port *port;

	test_conf("VMA_RX_WRE=256", "DPVMA_STEERING=rss", option, NULL);
	port = begin();
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_false(port->caps.rss);
	assert_non_null(strstr(test_log, line));
	assert_ptr_equal(strchr(test_log, '\n'), test_log + strlen(test_log) - 1);
	assert_int_equal(port_rss_queue(port, &t), -ENOTSUP);
	assert_false(port_rss_fit(port, &t, 0));
	/* as without RSS: what came to a queue that nobody has is polled */
	assert_int_equal(port_spares(port, spares, 8), port->n_queues - 1);
	ports_fini();
}

/* What the device does not keep is said once, and software takes over. */
static void
test_refused(void **state)
{
	(void)state;
	deaf_table = true;
	refused(NULL, "redirection table");
	deaf_table = false;
	deaf_key = true;
	refused(NULL, "RSS key");
	deaf_key = false;
	refused("DPVMA_QUEUES=1", "DPVMA_QUEUES=1");
}

/* The other words: no rules there, and net_null's table is not believed. */
static void
test_modes(void **state)
{
	const char *const words[] = { "auto", "rules", "software" };
	struct rte_mempool *pool = test_pool("modes", 4095);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;
	char option[64];
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(words); i++) {
		snprintf(option, sizeof(option), "DPVMA_STEERING=%s", words[i]);
		test_conf("VMA_RX_WRE=256", option, NULL);
		port = begin();
		assert_int_equal(port_queue_get(port, &want), 0);
		assert_false(port->caps.rss);
		assert_int_equal(port->n_queues, 1);
		if (i == 1)
			assert_non_null(strstr(test_log, "no DPVMA_STEERING=rules here"));
		else
			assert_string_equal(test_log, "");
		ports_fini();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_modes),
	};
	int ret;

	test_eal("net_null0", NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
