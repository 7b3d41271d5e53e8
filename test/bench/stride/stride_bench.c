/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles per mbuf for get and put in bulk: the stride pool against the mempool operations of DPDK,
 * all without a per-lcore cache, and ring with one. The pattern is that of a receive queue: some
 * bulks are always in flight and come back in the order in which they were taken.
 *
 * Usage: stride_bench [rounds]; prints one line a pool and bulk size.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "../../../drivers/mempool/stride/stride.h"

#define N 4096 /* mbufs in a pool */
#define MAX_BULK 512
#define IN_FLIGHT 4 /* bulks */

static void *flight[IN_FLIGHT][MAX_BULK];

/* Least of several measurements: the others were disturbed. */
static double
measure(struct rte_mempool *mp, unsigned int bulk, unsigned int rounds)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int k = 0; k < IN_FLIGHT; k++)
		if (rte_mempool_get_bulk(mp, flight[k], bulk) != 0)
			return -1;
	for (unsigned int turn = 0; turn < 16; turn++) {
		uint64_t start = rte_rdtsc_precise();

		for (unsigned int i = 0; i < rounds; i++) {
			void **m = flight[i % IN_FLIGHT];

			rte_mempool_put_bulk(mp, m, bulk);
			if (unlikely(rte_mempool_get_bulk(mp, m, bulk) != 0))
				return -1;
		}
		best = RTE_MIN(best, rte_rdtsc_precise() - start);
	}
	for (unsigned int k = 0; k < IN_FLIGHT; k++)
		rte_mempool_put_bulk(mp, flight[k], bulk);
	return (double)best / ((double)rounds * bulk);
}

static struct rte_mempool *
dpdk_pool(const char *name, const char *ops, unsigned int cache)
{
	return rte_pktmbuf_pool_create_by_ops(
			name, N, cache, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY, ops);
}

int
main(int argc, char **argv)
{
	static const unsigned int bulks[] = { 1, 8, 32, 128, 512 };
	unsigned int rounds = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 2000;
	char prefix[64];
	char *args[] = { argv[0], (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-shconf",
		(char *)"--no-telemetry", (char *)"-m", (char *)"256", (char *)"-l", (char *)"0",
		(char *)"--log-level=error", prefix };
	struct rte_mempool *mp[4];
	const char *names[4] = { "stride", "ring", "stack", "ring, cache 512" };
	char dir[256];
	int status = 0;

	snprintf(prefix, sizeof(prefix), "--file-prefix=stride_bench_%d", (int)getpid());
	if (rounds == 0 || rte_eal_init(RTE_DIM(args), args) < 0) {
		fprintf(stderr, "usage: stride_bench [rounds]\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	mp[0] = stride_pool_create("stride", N, 2048, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, NULL);
	mp[1] = dpdk_pool("ring", "ring_mp_mc", 0);
	mp[2] = dpdk_pool("stack", "stack", 0);
	mp[3] = dpdk_pool("cache", "ring_mp_mc", 512);
	for (unsigned int i = 0; i < RTE_DIM(mp); i++) {
		if (mp[i] == NULL) {
			fprintf(stderr, "stride_bench: pool %s: %s\n", names[i],
					rte_strerror(rte_errno));
			status = 1;
			continue;
		}
		for (unsigned int b = 0; b < RTE_DIM(bulks); b++)
			printf("%-16s bulk %3u  %6.2f cycles/mbuf (get + put)\n", names[i],
					bulks[b], measure(mp[i], bulks[b], rounds));
	}
	stride_pool_free(mp[0]);
	for (unsigned int i = 1; i < RTE_DIM(mp); i++)
		rte_mempool_free(mp[i]);
	rte_eal_cleanup();
	rmdir(dir);
	return status;
}
