/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tap_relay FD_A FD_B A_TO_B B_TO_A SEED: a simulated link in each direction between two TAP
 * devices whose descriptors it inherits, in real time. It is the very link the simulation has, so
 * two kernels and two engines can be given the same network. Ends when standard input does.
 *
 * A frame that the relay reads late is late by that much; what this came to is printed at the end.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_ether.h>

#include "sim_eal.h"
#include "sim_link.h"

#define POOL 60000
#define BURST 64

struct way {
	struct sim_link link;
	int from, to;
	uint64_t late_max, late_sum, refused;
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/** @return frames read */
static unsigned int
take_in(struct way *way, struct rte_mempool *pool)
{
	unsigned int n;

	for (n = 0; n < BURST; n++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		ssize_t len;

		if (m == NULL)
			break;
		len = read(way->from, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));
		if (len < RTE_ETHER_HDR_LEN) {
			rte_pktmbuf_free(m);
			break;
		}
		rte_pktmbuf_append(m, (uint16_t)len);
		m->l2_len = RTE_ETHER_HDR_LEN;
		sim_link_put(&way->link, now_ns(), m);
	}
	return n;
}

/** @return frames written */
static unsigned int
give_out(struct way *way)
{
	struct rte_mbuf *m;
	uint64_t now = now_ns(), due;
	unsigned int n = 0;

	while (n < BURST && (due = sim_link_next(&way->link)) <= now) {
		m = sim_link_take(&way->link, now);
		way->late_sum += now - due;
		way->late_max = RTE_MAX(way->late_max, now - due);
		if (write(way->to, rte_pktmbuf_mtod(m, void *), m->data_len) < 0)
			way->refused++;
		rte_pktmbuf_free(m);
		n++;
	}
	return n;
}

static void
relay(struct way way[2], struct rte_mempool *pool)
{
	struct pollfd fds[3] = { { .fd = way[0].from, .events = POLLIN },
		{ .fd = way[1].from, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

	for (;;) {
		unsigned int moved = 0;
		uint64_t now, next;
		struct timespec wait;

		for (unsigned int i = 0; i < 2; i++)
			moved += take_in(&way[i], pool) + give_out(&way[i]);
		if (moved > 0)
			continue;
		next = RTE_MIN(sim_link_next(&way[0].link), sim_link_next(&way[1].link));
		now = now_ns();
		next = next > now ? next - now : 0;
		next = RTE_MIN(next, UINT64_C(1000000000));
		wait = (struct timespec){ .tv_sec = (time_t)(next / 1000000000u),
			.tv_nsec = (long)(next % 1000000000u) };
		if (ppoll(fds, 3, &wait, NULL) > 0 && fds[2].revents != 0)
			return;
	}
}

static void
report(const char *name, const struct way *way)
{
	const struct sim_link_counts *c = &way->link.counts;

	printf("%s: %lu frames,", name, (unsigned long)c->put);
	for (int f = 0; f < SIM_FATES; f++)
		printf(" %lu %s,", (unsigned long)c->fate[f], sim_fate_name((enum sim_fate)f));
	printf(" %lu refused; queue at most %lu bytes; late %lu us on average, %lu at most\n",
			(unsigned long)way->refused, (unsigned long)c->queue_max,
			(unsigned long)(c->taken > 0 ? way->late_sum / c->taken / 1000 : 0),
			(unsigned long)way->late_max / 1000);
}

int
main(int argc, char **argv)
{
	struct way way[2] = { 0 };
	struct rte_mempool *pool;
	char bad[128] = "";

	if (argc != 6) {
		fprintf(stderr, "usage: %s FD_A FD_B A_TO_B B_TO_A SEED\n", argv[0]);
		return 2;
	}
	if (sim_eal_up("tap_relay", "256") != 0)
		return 1;
	pool = rte_pktmbuf_pool_create("relay", POOL, 256, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	for (int i = 0; i < 2; i++) {
		struct sim_link_params params = { 0 };

		if (sim_link_parse(&params, argv[3 + i], bad, sizeof(bad)) != 0 ||
				sim_link_init(&way[i].link, &params,
						strtoull(argv[5], NULL, 0) + (uint64_t)i) != 0) {
			fprintf(stderr, "%s: what is '%s'?\n", argv[0], bad);
			return 2;
		}
		way[i].from = atoi(argv[1 + i]);
		way[i].to = atoi(argv[2 - i]);
	}
	if (pool == NULL) {
		fprintf(stderr, "%s: no memory for frames\n", argv[0]);
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	puts("ready");
	fflush(stdout);
	relay(way, pool);
	report("a to b", &way[0]);
	report("b to a", &way[1]);
	for (int i = 0; i < 2; i++)
		sim_link_fini(&way[i].link);
	sim_eal_down();
	return 0;
}
