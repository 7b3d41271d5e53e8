/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the number of connections costs, from ten to a million: finding a segment's connection and
 * its timers. Cycles each, the lowest of several rounds taken in turn, and times those of ten.
 *
 * Connections have their true size and are visited in random order. "touch" reads the
 * connections of a burst of which one knows where they are; "find" looks the burst up and then
 * reads them, as input does; "single" waits for each miss. "miss" asks for what is
 * not there, as a flood of SYNs does. "set" moves a timer that is at hand, "fire" takes one that is
 * due out and sets it again. "add" is an insertion and a deletion. No EAL: argument 1 puts the
 * connections on huge pages where the kernel has such.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <rte_random.h>

#include "tcp/tcp_priv.h"

#define BURST 32u
#define OPS (1u << 16)
#define ROUNDS 9

static struct table table;
static struct wheel wheel;
static char *memory;
static size_t conn_bytes, memory_bytes;
static uint32_t n_conns, *order;
static struct tcp_key *packets, *strangers;
static uint64_t now;
static volatile uint64_t sum;
static bool huge;

static struct tcp_conn *
conn_at(uint32_t i)
{
	return (struct tcp_conn *)(memory + i * conn_bytes);
}

static struct tcp_key
key(uint32_t i)
{
	return (struct tcp_key){
		.local = ip_from_v4(RTE_BE32(0x0a000001)),
		.remote = ip_from_v4(rte_cpu_to_be_32(0x0b000000 + i / 50000)),
		.lport = RTE_BE16(80),
		.rport = rte_cpu_to_be_16((uint16_t)(1024 + i % 50000)),
	};
}

static uint64_t
deadline(void)
{
	return now + 200 * MSEC + rte_rand() % (100 * MSEC);
}

static void
look(const struct tcp_key *from)
{
	const struct tcp_key *keys[BURST];
	uint32_t hash[BURST];
	struct tcp_conn *c[BURST];

	for (uint32_t first = 0; first < OPS; first += BURST) {
		for (uint32_t i = 0; i < BURST; i++) {
			keys[i] = &from[first + i];
			hash[i] = table_hash(&table, keys[i]);
		}
		table_find_bulk(&table, keys, hash, c, BURST);
		for (uint32_t i = 0; i < BURST; i++)
			if (c[i] != NULL)
				sum += c[i]->rcv_nxt;
	}
}

static void
find(void)
{
	look(packets);
}

static void
miss(void)
{
	look(strangers);
}

static void
touch(void)
{
	for (uint32_t first = 0; first < OPS; first += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			rte_prefetch0(conn_at(order[first + i]));
		for (uint32_t i = 0; i < BURST; i++)
			sum += conn_at(order[first + i])->rcv_nxt;
	}
}

static void
single(void)
{
	for (uint32_t i = 0; i < OPS; i++) {
		const struct tcp_key *k = &packets[i];

		sum += table_find(&table, k, table_hash(&table, k))->rcv_nxt;
	}
}

static void
add(void)
{
	for (uint32_t i = 0; i < OPS; i++) {
		struct tcp_conn *c = conn_at(order[i]);

		if (i % 8 == 0)
			for (uint32_t j = i; j < i + 8; j++)
				rte_prefetch0(conn_at(order[j]));
		table_del(&table, c);
		table_add(&table, c);
	}
}

static void
set(void)
{
	for (uint32_t first = 0; first < OPS; first += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			rte_prefetch0(&conn_at(order[first + i])->timer);
		for (uint32_t i = 0; i < BURST; i++)
			wheel_set(&wheel, &conn_at(order[first + i])->timer, deadline());
		now += 10000;
		sum += wheel_next(&wheel);
	}
}

/* Time goes on by as much as makes OPS timers fire. */
static void
fire(void)
{
	struct wheel_entry *e;

	for (uint32_t n = 0; n < OPS;) {
		now = RTE_MAX(now, wheel_next(&wheel));
		while ((e = wheel_take(&wheel, now)) != NULL) {
			wheel_set(&wheel, e, deadline());
			n++;
		}
	}
}

static const struct way {
	const char *name;
	void (*run)(void);
} ways[] = { { "touch", touch }, { "find", find }, { "single", single }, { "miss", miss },
	{ "add", add }, { "set", set }, { "fire", fire } };

static uint64_t
clock_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

/* Cycles of a nanosecond. */
static double
cycles_per_ns(void)
{
	uint64_t ns = clock_of(CLOCK_MONOTONIC), tsc = rte_rdtsc_precise(), end;

	do
		end = clock_of(CLOCK_MONOTONIC);
	while (end - ns < 50 * MSEC);
	return (double)(rte_rdtsc_precise() - tsc) / (double)(end - ns);
}

/* By the thread's own clock, so that what others do on this processor does not count. */
static double
ns_each(const struct way *way)
{
	uint64_t start = clock_of(CLOCK_THREAD_CPUTIME_ID);

	way->run();
	return (double)(clock_of(CLOCK_THREAD_CPUTIME_ID) - start) / OPS;
}

static void *
pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || (huge && madvise(p, bytes, MADV_HUGEPAGE) != 0)) {
		perror("mmap");
		exit(EXIT_FAILURE);
	}
	return p;
}

static void
setup(uint32_t n)
{
	n_conns = n;
	now = SEC;
	memory_bytes = (size_t)n * conn_bytes;
	memory = pages(memory_bytes);
	wheel_init(&wheel, now);
	if (table_init(&table, 1) != 0)
		exit(EXIT_FAILURE);
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_conn *c = conn_at(i);

		c->key = key(i);
		c->hash = table_hash(&table, &c->key);
		if (table_add(&table, c) != 0)
			exit(EXIT_FAILURE);
		wheel_set(&wheel, &c->timer, deadline());
	}
	for (uint32_t i = 0; i < OPS; i++) {
		order[i] = (uint32_t)rte_rand_max(n);
		packets[i] = conn_at(order[i])->key;
		strangers[i] = packets[i];
		strangers[i].lport = RTE_BE16(81);
	}
}

int
main(int argc, char **argv)
{
	static const uint32_t counts[] = { 10, 100, 1000, 10000, 100000, 1000000 };
	double best[RTE_DIM(ways)], ten[RTE_DIM(ways)], hz = cycles_per_ns();

	huge = argc > 1 && argv[1][0] == '1';
	rte_srand(1);
	conn_bytes = RTE_ALIGN_CEIL(sizeof(struct tcp_conn), RTE_CACHE_LINE_SIZE);
	order = calloc(OPS, sizeof(*order));
	packets = calloc(OPS, sizeof(*packets));
	strangers = calloc(OPS, sizeof(*strangers));
	printf("%7s", "conns");
	for (unsigned int w = 0; w < RTE_DIM(ways); w++)
		printf(" %13s", ways[w].name);
	printf("   cycles (times ten's); a connection %zu bytes\n", conn_bytes);
	for (unsigned int c = 0; c < RTE_DIM(counts); c++) {
		setup(counts[c]);
		for (unsigned int w = 0; w < RTE_DIM(ways); w++)
			best[w] = 1e9;
		for (unsigned int r = 0; r < ROUNDS; r++) {
			for (unsigned int w = 0; w < RTE_DIM(ways); w++) {
				double x = ns_each(&ways[w]) * hz;

				best[w] = RTE_MIN(best[w], x);
			}
		}
		if (c == 0)
			memcpy(ten, best, sizeof(ten));
		printf("%7u", counts[c]);
		for (unsigned int w = 0; w < RTE_DIM(ways); w++)
			printf(" %6.1f (%4.2f)", best[w], best[w] / ten[w]);
		printf("\n");
		table_fini(&table);
		munmap(memory, memory_bytes);
	}
	return EXIT_SUCCESS;
}
