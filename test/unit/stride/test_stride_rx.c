/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets received by PMDs into a stride pool stand one stride after the other, over the borders
 * of bursts too, and return to it. The PMDs are those that need no device: null, ring, memif.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "../../../drivers/mempool/stride/stride.h"
#include "eal.h"

#define N 512
#define STRIDE 2048
#define BURST 32
#define LEN 100

static struct rte_mempool *pool, *plain;
static struct stride_pool_info area;

static int
pools_up(void **state __rte_unused)
{
	pool = stride_pool_create("rx", N, STRIDE, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, &area);
	plain = rte_pktmbuf_pool_create(
			"plain", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool == NULL || plain == NULL ? -1 : 0;
}

static int
pools_down(void **state __rte_unused)
{
	unsigned int out = rte_mempool_in_use_count(pool);

	stride_pool_free(pool);
	rte_mempool_free(plain);
	return out == 0 ? 0 : -1;
}

static uint16_t
port_add(const char *name, const char *args)
{
	uint16_t port;

	assert_int_equal(rte_eal_hotplug_add("vdev", name, args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &port), 0);
	return port;
}

static void
port_start(uint16_t port, struct rte_mempool *rx_pool)
{
	struct rte_eth_conf conf = { 0 };
	int socket = rte_eth_dev_socket_id(port);

	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 256, (unsigned int)socket, NULL, rx_pool),
			0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, 256, (unsigned int)socket, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
}

static void
port_del(uint16_t port, const char *name)
{
	rte_eth_dev_stop(port);
	rte_eal_hotplug_remove("vdev", name);
}

static uint32_t
slot_of(const struct rte_mbuf *m)
{
	size_t off = (size_t)(rte_pktmbuf_mtod(m, char *) - (char *)area.base);

	assert_ptr_equal(m->pool, pool);
	assert_true(off < area.len);
	assert_int_equal(off % STRIDE, 0);
	return (uint32_t)(off / STRIDE);
}

/* Each packet in the slot after that of the one before; at the end of the area in the first. */
static void
expect_next(struct rte_mbuf **m, unsigned int n, uint32_t *next)
{
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(slot_of(m[i]), *next);
		*next = (*next + 1) % N;
	}
}

static void
test_null(void **state __rte_unused)
{
	uint16_t port = port_add("net_null0", "size=100,copy=1"), n, want;
	struct rte_mbuf *m[2][BURST];
	uint32_t next = 0;
	unsigned int held = 0;

	port_start(port, pool);
	for (unsigned int round = 0; round < 200; round++) {
		want = (uint16_t)(1 + round % BURST);
		n = rte_eth_rx_burst(port, 0, m[round % 2], want);
		assert_int_equal(n, want);
		expect_next(m[round % 2], n, &next);
		/* The burst before this one is held until here, as a cyclic read does. */
		rte_pktmbuf_free_bulk(m[(round + 1) % 2], held);
		held = n;
	}
	rte_pktmbuf_free_bulk(m[199 % 2], held);
	port_del(port, "net_null0");
}

/* ring: the mbufs are the sender's, and so is their order. */
static void
test_ring(void **state __rte_unused)
{
	uint16_t port = port_add("net_ring0", NULL);
	struct rte_mbuf *m[BURST], *r[BURST], *held[BURST];
	uint32_t next = 0;

	port_start(port, pool);
	for (unsigned int round = 0; round < 100; round++) {
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, BURST), 0);
		for (unsigned int i = 0; i < BURST; i++)
			memset(rte_pktmbuf_append(m[i], LEN), (int)(round + i), LEN);
		assert_int_equal(rte_eth_tx_burst(port, 0, m, BURST), BURST);
		assert_int_equal(rte_eth_rx_burst(port, 0, r, BURST), BURST);
		expect_next(r, BURST, &next);
		for (unsigned int i = 0; i < BURST; i++)
			assert_int_equal(*rte_pktmbuf_mtod(r[i], uint8_t *), (uint8_t)(round + i));
		if (round > 0)
			rte_pktmbuf_free_bulk(held, BURST);
		memcpy(held, r, sizeof(held));
	}
	rte_pktmbuf_free_bulk(held, BURST);
	port_del(port, "net_ring0");
}

static void
wait_up(uint16_t port)
{
	struct rte_eth_link link;

	/* The two ends shake hands in EAL's interrupt thread: a bound, not a delay. */
	for (unsigned int ms = 0; ms < 10000; ms++) {
		if (rte_eth_link_get_nowait(port, &link) == 0 &&
				link.link_status == RTE_ETH_LINK_UP)
			return;
		rte_delay_us_sleep(1000);
	}
	fail_msg("memif did not connect");
}

static void
send_numbered(uint16_t port, uint16_t n, uint32_t *seq)
{
	struct rte_mbuf *m[BURST];

	assert_int_equal(rte_pktmbuf_alloc_bulk(plain, m, n), 0);
	for (uint16_t i = 0; i < n; i++) {
		char *data = rte_pktmbuf_append(m[i], LEN);

		memset(data, 0, LEN);
		memcpy(data, seq, sizeof(*seq));
		(*seq)++;
	}
	assert_int_equal(rte_eth_tx_burst(port, 0, m, n), n);
}

static void
test_memif(void **state __rte_unused)
{
	char args[128];
	uint16_t server, client, n, sent;
	struct rte_mbuf *m[2][BURST];
	uint32_t next = 0, seq = 0, expected = 0;
	unsigned int held = 0;

	snprintf(args, sizeof(args), "role=server,id=0,socket-abstract=yes,socket=stride_%d",
			(int)getpid());
	server = port_add("net_memif0", args);
	snprintf(args, sizeof(args), "role=client,id=0,socket-abstract=yes,socket=stride_%d",
			(int)getpid());
	client = port_add("net_memif1", args);
	port_start(server, pool);
	port_start(client, plain);
	wait_up(server);
	wait_up(client);

	/* Bursts of any size: what the PMD allocates ahead and gives back must make no gap. */
	for (unsigned int round = 0; round < 200; round++) {
		sent = (uint16_t)(1 + round * 7 % BURST);
		send_numbered(client, sent, &seq);
		n = rte_eth_rx_burst(server, 0, m[round % 2], BURST);
		assert_int_equal(n, sent);
		expect_next(m[round % 2], n, &next);
		for (uint16_t i = 0; i < n; i++) {
			assert_int_equal(*rte_pktmbuf_mtod(m[round % 2][i], uint32_t *), expected);
			expected++;
		}
		rte_pktmbuf_free_bulk(m[(round + 1) % 2], held);
		held = n;
	}
	rte_pktmbuf_free_bulk(m[199 % 2], held);
	port_del(client, "net_memif1");
	port_del(server, "net_memif0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_null, pools_up, pools_down),
		cmocka_unit_test_setup_teardown(test_ring, pools_up, pools_down),
		cmocka_unit_test_setup_teardown(test_memif, pools_up, pools_down),
	};
	int failed;

	if (eal_up("test_stride_rx") < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	eal_down();
	return failed;
}
