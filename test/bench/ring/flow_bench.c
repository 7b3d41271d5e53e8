/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs to find the flow of a packet, with one flow and with thousands, in random order:
 * the flow table, a rte_hash of the same keys, and the mark of the device. Each touches the flow,
 * as a delivery does. Cycles a packet; the lowest of several rounds, taken in turn.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_random.h>

#include "ring/ring_priv.h"

#define BURST 64
#define PACKETS (1u << 16)
#define ROUNDS 15
#define WAYS 3

static struct flow_key *packets;
static struct flow **flows;
static struct flow_table *table;
static struct rte_hash *hash;
static volatile uint64_t sum;

static struct flow_key
key(unsigned int i, bool connected)
{
	struct flow_key k = {
		.local = ip_from_v4(rte_cpu_to_be_32(0x0a000001 + i / 50000)),
		.lport = rte_cpu_to_be_16((uint16_t)(1024 + i % 50000)),
		.proto = IPPROTO_UDP,
	};

	if (connected) {
		k.remote = ip_from_v4(rte_cpu_to_be_32(0x0a010001 + i % 251));
		k.rport = rte_cpu_to_be_16(4000);
	}
	return k;
}

static void
by_table(const struct flow_key *const *keys, unsigned int first)
{
	struct flow *f[BURST];

	(void)first;
	flow_table_lookup(table, keys, f, BURST);
	for (unsigned int i = 0; i < BURST; i++)
		sum += f[i]->mark;
}

static void
by_hash(const struct flow_key *const *keys, unsigned int first)
{
	const void *k[BURST];
	void *f[BURST];
	uint64_t hits;

	(void)first;
	for (unsigned int i = 0; i < BURST; i++)
		k[i] = keys[i];
	rte_hash_lookup_bulk_data(hash, k, BURST, &hits, f);
	for (unsigned int i = 0; i < BURST; i++)
		sum += ((struct flow *)f[i])->mark;
}

static uint32_t *marks;

static void
by_mark(const struct flow_key *const *keys, unsigned int first)
{
	struct flow *f[BURST];

	for (unsigned int i = 0; i < BURST; i++) {
		f[i] = flows[marks[first + i]];
		rte_prefetch0(f[i]);
	}
	for (unsigned int i = 0; i < BURST; i++)
		if (memcmp(&f[i]->key, keys[i], sizeof(*keys[i])) == 0)
			sum += f[i]->mark;
}

static double
run(void (*way)(const struct flow_key *const *keys, unsigned int first))
{
	const struct flow_key *keys[BURST];
	uint64_t start = rte_rdtsc_precise();

	for (unsigned int first = 0; first < PACKETS; first += BURST) {
		for (unsigned int i = 0; i < BURST; i++)
			keys[i] = &packets[first + i];
		way(keys, first);
	}
	return (double)(rte_rdtsc_precise() - start) / PACKETS;
}

static void
setup(unsigned int n, bool connected)
{
	struct rte_hash_parameters params = { .name = "bench",
		.entries = n * 2 + 64,
		.key_len = sizeof(struct flow_key),
		.hash_func = rte_hash_crc };

	table = flow_table_create();
	hash = rte_hash_create(&params);
	flows = calloc(n, sizeof(*flows));
	for (unsigned int i = 0; i < n; i++) {
		flows[i] = aligned_alloc(RTE_CACHE_LINE_SIZE, 2 * RTE_CACHE_LINE_SIZE);
		memset(flows[i], 0, sizeof(**flows));
		flows[i]->key = key(i, connected);
		flows[i]->mark = i;
		if (flow_table_add(table, flows[i]) != 0 ||
				rte_hash_add_key_data(hash, &flows[i]->key, flows[i]) != 0)
			rte_exit(EXIT_FAILURE, "no room for flow %u\n", i);
	}
	for (unsigned int i = 0; i < PACKETS; i++) {
		marks[i] = (uint32_t)rte_rand_max(n);
		packets[i] = flows[marks[i]]->key;
		/* a 3-tuple is found whatever the sender's address is */
		if (!connected) {
			packets[i].remote = ip_from_v4(0x01020304);
			packets[i].rport = 5;
		}
	}
}

static void
teardown(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		free(flows[i]);
	free(flows);
	flow_table_free(table);
	rte_hash_free(hash);
}

int
main(int argc, char **argv)
{
	static const unsigned int counts[] = { 1, 100, 1000, 10000, 100000 };
	static void (*const ways[WAYS])(const struct flow_key *const *, unsigned int) = { by_table,
		by_hash, by_mark };
	double best[WAYS], one[WAYS];

	if (rte_eal_init(argc, argv) < 0)
		return EXIT_FAILURE;
	packets = aligned_alloc(RTE_CACHE_LINE_SIZE, PACKETS * sizeof(*packets));
	marks = calloc(PACKETS, sizeof(*marks));
	printf("%-8s %7s %12s %12s %12s   cycles a packet (times those of one flow)\n", "tuples",
			"flows", "flow table", "rte_hash", "mark");
	for (int connected = 1; connected >= 0; connected--) {
		for (unsigned int c = 0; c < RTE_DIM(counts); c++) {
			setup(counts[c], connected);
			for (unsigned int w = 0; w < WAYS; w++)
				best[w] = 1e9;
			for (unsigned int r = 0; r < ROUNDS; r++)
				for (unsigned int w = 0; w < WAYS; w++)
					if (connected || ways[w] == by_table)
						best[w] = RTE_MIN(best[w], run(ways[w]));
			if (c == 0)
				memcpy(one, best, sizeof(one));
			printf("%-8d %7u", connected ? 5 : 3, counts[c]);
			for (unsigned int w = 0; w < WAYS; w++)
				if (best[w] < 1e9)
					printf(" %5.1f (%3.1f)", best[w], best[w] / one[w]);
			printf("\n");
			teardown(counts[c]);
		}
	}
	return rte_eal_cleanup() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
