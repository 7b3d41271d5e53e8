/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stride pool behind the PMDs that read from the kernel, af_packet and tap: each packet in the
 * slot after that of the one before. The two are ends of one interface in a network namespace
 * that goes with the process. Skipped where there is no right to make one.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

#define N 1024
#define STRIDE 2048
#define BURST 32
#define LEN 100
#define QUEUE 64	  /* descriptors */
#define ETHER_TYPE 0x88b5 /* for experiments: no one in the kernel wants it */
#define SKIPPED 77

static struct rte_mempool *plain;

static uint16_t
port_up(const char *name, const char *args, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = { 0 };
	uint16_t port;

	assert_int_equal(rte_eal_hotplug_add("vdev", name, args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &port), 0);
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, QUEUE, 0, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, QUEUE, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
	return port;
}

static void
send_numbered(uint16_t port, uint16_t n, uint32_t *seq)
{
	struct rte_mbuf *m[BURST];

	assert_int_equal(rte_pktmbuf_alloc_bulk(plain, m, n), 0);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *data = (uint8_t *)rte_pktmbuf_append(m[i], LEN);

		memset(data, 0xff, LEN);
		data[12] = ETHER_TYPE >> 8;
		data[13] = ETHER_TYPE & 0xff;
		memcpy(data + 14, seq, sizeof(*seq));
		(*seq)++;
	}
	assert_int_equal(rte_eth_tx_burst(port, 0, m, n), n);
}

/* The kernel delivers when it likes: a bound, not a delay. */
static uint16_t
receive(uint16_t port, struct rte_mbuf **m, uint16_t n)
{
	uint16_t got = 0;

	for (unsigned int ms = 0; got < n && ms < 5000; ms++) {
		got += rte_eth_rx_burst(port, 0, m + got, n - got);
		if (got < n)
			rte_delay_us_sleep(1000);
	}
	return got;
}

/*
 * Every packet at the next address, in bursts of any size. Slots 1 to kept - 1 stay in the hands
 * of the PMD and are left out.
 */
static void
check_order(uint16_t from, uint16_t to, const struct stride_pool_info *area, uint32_t kept)
{
	struct rte_mbuf *m[2][BURST];
	uint32_t seq = 0, expected = 0, slot, next = 0;
	uint16_t held = 0, n, want;

	for (unsigned int round = 0; round < 150; round++) {
		struct rte_mbuf **r = m[round % 2];

		want = (uint16_t)(1 + round * 7 % BURST);
		send_numbered(from, want, &seq);
		n = receive(to, r, want);
		assert_int_equal(n, want);
		for (uint16_t i = 0; i < n; i++) {
			size_t off = (size_t)(rte_pktmbuf_mtod(r[i], char *) - (char *)area->base);

			assert_true(off < area->len);
			assert_int_equal(off % STRIDE, 0);
			slot = (uint32_t)(off / STRIDE);
			assert_int_equal(slot, next);
			next = slot == 0 ? kept : (slot + 1) % N;
			assert_memory_equal(rte_pktmbuf_mtod_offset(r[i], char *, 14), &expected,
					sizeof(expected));
			expected++;
		}
		rte_pktmbuf_free_bulk(m[(round + 1) % 2], held);
		held = n;
	}
	rte_pktmbuf_free_bulk(m[149 % 2], held);
}

static void
test_kernel(void **state __rte_unused)
{
	struct stride_pool_info tap_area, packet_area;
	struct rte_mempool *tap_pool, *packet_pool;
	uint16_t tap, packet;

	tap_pool = stride_pool_create(
			"tap", N, STRIDE, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, &tap_area);
	packet_pool = stride_pool_create(
			"packet", N, STRIDE, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, &packet_area);
	plain = rte_pktmbuf_pool_create(
			"plain", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(tap_pool);
	assert_non_null(packet_pool);
	assert_non_null(plain);
	tap = port_up("net_tap0", "iface=stride0", tap_pool);
	packet = port_up("net_af_packet0", "iface=stride0,blocksz=4096,framesz=2048,framecnt=512",
			packet_pool);

	check_order(tap, packet, &packet_area, 1);
	/* tap fills its queue once, then replaces the first mbuf of it for each packet. */
	check_order(packet, tap, &tap_area, QUEUE);

	rte_eth_dev_stop(packet);
	rte_eth_dev_stop(tap);
	rte_eal_hotplug_remove("vdev", "net_af_packet0");
	rte_eal_hotplug_remove("vdev", "net_tap0");
	assert_int_equal(rte_mempool_in_use_count(packet_pool), 0);
	assert_int_equal(rte_mempool_in_use_count(tap_pool), 0);
	stride_pool_free(packet_pool);
	stride_pool_free(tap_pool);
	rte_mempool_free(plain);
}

/* A namespace of our own, in which the kernel says nothing by itself. */
static int
namespace_up(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
		return -1;
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			fprintf(stderr, "disable_ipv6: %s\n", strerror(errno));
		close(fd);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kernel) };
	int failed;

	if (namespace_up() < 0) {
		fprintf(stderr, "skipped: needs a network namespace and /dev/net/tun\n");
		return SKIPPED;
	}
	if (eal_up("test_stride_kernel") < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	eal_down();
	return failed;
}
