/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of the process: what was configured and no more, cut down when nobody asked for the
 * number, refused in one line with the number that would do when somebody did.
 */
#include <rte_eal.h>
#include <rte_malloc.h>

#include "ring_test.h"

static void
init(int expect)
{
	assert_true(ports_init() > 0);
	test_log[0] = '\0';
	int ret = rings_init();

	if (ret != expect)
		print_message("%s", test_log);
	assert_int_equal(ret, expect);
}

static uint64_t
in_use(void)
{
	struct rte_malloc_socket_stats s;

	assert_int_equal(rte_malloc_get_socket_stats(0, &s), 0);
	return s.heap_allocsz_bytes;
}

static unsigned int
lines(void)
{
	unsigned int n = 0;

	for (const char *c = test_log; *c != '\0'; c++)
		n += *c == '\n';
	return n;
}

static unsigned long
number_after(const char *word)
{
	const char *at = strstr(test_log, word);

	assert_non_null(at);
	return strtoul(at + strlen(word), NULL, 10);
}

static void
test_exact(void **state)
{
	struct rte_mempool *rx, *tx;

	(void)state;
	test_conf("VMA_RX_BUFS=5000", "VMA_TX_BUFS=3000", NULL);
	init(0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "5000 receive"));
	assert_non_null(strstr(test_log, "3000 transmit"));
	assert_non_null(strstr(test_log, "ordinary pages"));
	rx = pools_rx(0);
	tx = pools_tx(0);
	assert_int_equal(rx->size, 5000);
	assert_int_equal(tx->size, 3000);
	assert_int_equal(rte_pktmbuf_data_room_size(rx), 2048 + RTE_PKTMBUF_HEADROOM);
	/* a full frame fits behind the headroom */
	assert_true(rte_pktmbuf_data_room_size(tx) >= 1500 + 22 + RTE_PKTMBUF_HEADROOM);
	assert_true(rte_pktmbuf_data_room_size(tx) < 2048);
	/* ports of no node use the first */
	assert_ptr_equal(pools_rx(-1), rx);
	test_stop();
	assert_null(pools_rx(0));
}

static void
test_mtu(void **state)
{
	(void)state;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_MTU=9000", "VMA_TX_BUF_SIZE=10000",
			NULL);
	init(0);
	assert_true(rte_pktmbuf_data_room_size(pools_rx(0)) >= 9000 + 26 + RTE_PKTMBUF_HEADROOM);
	assert_true(rte_pktmbuf_data_room_size(pools_rx(0)) <
			9000 + 26 + RTE_PKTMBUF_HEADROOM + 64);
	assert_true(rte_pktmbuf_data_room_size(pools_tx(0)) >= 10000 + RTE_PKTMBUF_HEADROOM);
	test_stop();
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_MTU=65530", NULL);
	init(-EINVAL);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_MTU=65530"));
	test_stop();
}

/* The number that the line names does do. */
static void
test_too_many(void **state)
{
	uint64_t before = in_use();
	unsigned long fits;
	char set[64];

	(void)state;
	test_conf("VMA_RX_BUFS=1000000", "VMA_TX_BUFS=2000", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=1000000 needs"));
	fits = number_after("set VMA_RX_BUFS=");
	assert_true(fits > 10000 && fits < 100000);
	assert_non_null(strstr(test_log, "4096 bytes a buffer"));
	test_stop();
	assert_int_equal(in_use(), before);
	snprintf(set, sizeof(set), "VMA_RX_BUFS=%lu", fits);
	test_conf(set, "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_int_equal(pools_rx(0)->size, fits);
	test_stop();
	assert_int_equal(in_use(), before);
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=1000000", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_true(number_after("set VMA_TX_BUFS=") < 100000);
	test_stop();
	assert_int_equal(in_use(), before);
}

/* Nobody set them: what fits, both in proportion, and room for the queues. */
static void
test_defaults(void **state)
{
	(void)state;
	test_conf(NULL);
	init(0);
	assert_int_equal(lines(), 2);
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=200000"));
	assert_true(pools_rx(0)->size > 10000 && pools_rx(0)->size < 200000);
	assert_int_equal(pools_rx(0)->size / 64, pools_tx(0)->size / 64);
	assert_true(pools_memory_free(0) > 8 << 20);
	test_stop();
	/* one is set and stays, the other gives way */
	test_conf("VMA_RX_BUFS=20000", NULL);
	init(0);
	assert_int_equal(pools_rx(0)->size, 20000);
	assert_true(pools_tx(0)->size > 1000 && pools_tx(0)->size < 200000);
	test_stop();
}

static void
test_types(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 2; type++) {
		test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000",
				type == 0 ? "VMA_MEM_ALLOC_TYPE=0" : "VMA_MEM_ALLOC_TYPE=1", NULL);
		init(0);
		assert_int_equal(lines(), 1);
		test_stop();
	}
	assert_int_equal(rte_eal_has_hugepages(), 0);
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_MEM_ALLOC_TYPE=2", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_MEM_ALLOC_TYPE=2"));
	test_stop();
	/* a profile wishes for them, and does without */
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_SPEC=latency", NULL);
	init(0);
	assert_int_equal(lines(), 2);
	test_stop();
}

/* Packets that the application holds keep their pool, which the next start takes up again. */
static void
test_held(void **state)
{
	struct rte_mempool *pool;
	struct rte_mbuf *m;

	(void)state;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	pool = pools_rx(0);
	m = rte_pktmbuf_alloc(pool);
	test_stop();
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_ptr_equal(pools_rx(0), pool);
	assert_int_equal(rte_mempool_in_use_count(pool), 1);
	test_stop();
	/* other numbers: another pool beside it */
	test_conf("VMA_RX_BUFS=3000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_ptr_not_equal(pools_rx(0), pool);
	assert_int_equal(pools_rx(0)->size, 3000);
	rte_pktmbuf_free(m);
	test_stop();
}

static int
setup(void **state)
{
	(void)state;
	test_eal("128", "net_null0", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	test_eal_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_held),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
