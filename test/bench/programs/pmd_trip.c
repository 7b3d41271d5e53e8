/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a wire itself costs: two bare PMD loops that give each other one frame.
 *
 *   pmd_trip EAL-ARGUMENTS -- echo BYTES            gives back what comes, until a frame of 60
 * bytes pmd_trip EAL-ARGUMENTS -- ask BYTES ROUNDS      median and minimum of the round trips, ns
 *   pmd_trip core ROUNDS                            the same for a cache line between two cores
 *
 * The first port is used; nothing of the stack takes part.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#define GOODBYE 60
#define WARM_UP 1000
#define PATIENCE_S 20

static struct rte_mempool *pool;

static void
stop(const char *why)
{
	fprintf(stderr, "pmd_trip: %s\n", why);
	exit(1);
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* EAL knows the TSC's speed only when it was started. */
static double
ns_per_cycle(void)
{
	struct timespec a, b;
	uint64_t start;

	if (rte_get_tsc_hz() != 0)
		return 1e9 / (double)rte_get_tsc_hz();
	clock_gettime(CLOCK_MONOTONIC, &a);
	start = rte_rdtsc();
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 20000000);
	return (double)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec) /
			(double)(rte_rdtsc() - start);
}

static void
report(uint64_t *trips, unsigned int n)
{
	double ns = ns_per_cycle();

	qsort(trips, n, sizeof(*trips), by_value);
	printf("median %.0f min %.0f\n", (double)trips[n / 2] * ns, (double)trips[0] * ns);
}

/** @name A cache line */
/** @{ */
static volatile uint64_t line __rte_cache_aligned;
static unsigned int rounds;

static void
pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		stop("two processors are needed");
}

static void *
other(void *arg)
{
	(void)arg;
	pin(1);
	for (uint64_t i = 0; i < rounds; i++) {
		while (line != 2 * i + 1)
			;
		line = 2 * i + 2;
	}
	return NULL;
}

static void
cores(void)
{
	uint64_t *trips = malloc(rounds * sizeof(*trips)), start;
	pthread_t thread;

	if (trips == NULL)
		stop("no memory");
	pin(0);
	if (pthread_create(&thread, NULL, other, NULL) != 0)
		stop("no thread");
	for (uint64_t i = 0; i < rounds; i++) {
		start = rte_rdtsc();
		line = 2 * i + 1;
		while (line != 2 * i + 2)
			;
		trips[i] = rte_rdtsc() - start;
	}
	pthread_join(thread, NULL);
	report(trips, rounds);
}
/** @} */

/** @name Frames */
/** @{ */
static void
start_port(void)
{
	struct rte_eth_conf conf = { 0 };

	if (rte_eth_dev_count_avail() == 0)
		stop("no port");
	pool = rte_pktmbuf_pool_create("trip", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL || rte_eth_dev_configure(0, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(0, 0, 1024, 0, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(0, 0, 1024, 0, NULL) != 0 ||
			rte_eth_dev_start(0) != 0)
		stop("the port does not start");
}

static struct rte_mbuf *
take(void)
{
	uint64_t end = rte_rdtsc() + PATIENCE_S * rte_get_tsc_hz();
	struct rte_mbuf *m;

	while (rte_eth_rx_burst(0, 0, &m, 1) == 0)
		if (rte_rdtsc() > end)
			stop("no frame came");
	return m;
}

static void
give(struct rte_mbuf *m)
{
	while (rte_eth_tx_burst(0, 0, &m, 1) == 0)
		;
}

static struct rte_mbuf *
frame(uint16_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL || rte_pktmbuf_append(m, bytes) == NULL)
		stop("no buffer");
	memset(rte_pktmbuf_mtod(m, void *), 0, bytes);
	return m;
}

static void
echo(void)
{
	struct rte_mbuf *m;

	while ((m = take())->pkt_len != GOODBYE)
		give(m);
	rte_pktmbuf_free(m);
}

/* Until the other end is up frames are lost. */
static void
greet(uint16_t bytes)
{
	uint64_t end = rte_rdtsc() + PATIENCE_S * rte_get_tsc_hz(), again = 0;
	struct rte_mbuf *m;

	while (rte_eth_rx_burst(0, 0, &m, 1) == 0) {
		if (rte_rdtsc() < again)
			continue;
		if (again > end)
			stop("nobody answers");
		again = rte_rdtsc() + rte_get_tsc_hz() / 100;
		m = frame(bytes);
		if (rte_eth_tx_burst(0, 0, &m, 1) == 0)
			rte_pktmbuf_free(m);
	}
	do
		rte_pktmbuf_free(m);
	while (rte_eth_rx_burst(0, 0, &m, 1) != 0);
}

static void
ask(uint16_t bytes)
{
	uint64_t *trips = malloc(rounds * sizeof(*trips)), start;
	struct rte_mbuf *m;

	if (trips == NULL)
		stop("no memory");
	greet(bytes);
	for (unsigned int i = 0; i < WARM_UP + rounds; i++) {
		m = frame(bytes);
		start = rte_rdtsc();
		give(m);
		rte_pktmbuf_free(take());
		trips[i < WARM_UP ? 0 : i - WARM_UP] = rte_rdtsc() - start;
	}
	give(frame(GOODBYE));
	report(trips, rounds);
}
/** @} */

static unsigned int
number(int argc, char **argv, int i, unsigned int most)
{
	unsigned long n = i < argc ? strtoul(argv[i], NULL, 10) : 0;

	if (n == 0 || n > most)
		stop("a number is missing or out of range");
	return (unsigned int)n;
}

int
main(int argc, char **argv)
{
	uint16_t bytes;
	int n;

	if (argc > 1 && strcmp(argv[1], "core") == 0) {
		rounds = number(argc, argv, 2, 100000000);
		cores();
		return 0;
	}
	n = rte_eal_init(argc, argv);
	if (n < 0)
		stop("EAL does not start");
	argc -= n;
	argv += n;
	if (argc < 3)
		stop("echo BYTES or ask BYTES ROUNDS");
	bytes = (uint16_t)number(argc, argv, 2, 1518);
	start_port();
	if (strcmp(argv[1], "echo") == 0) {
		echo();
	} else {
		rounds = number(argc, argv, 3, 100000000);
		ask(bytes);
	}
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	rte_eal_cleanup();
	return 0;
}
