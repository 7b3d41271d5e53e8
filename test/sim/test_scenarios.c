/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole connections in virtual time, by the thousand: every byte arrives, both sides end as they
 * should, nothing stands still, no buffer is lost.
 *
 *     test_scenarios KIND COUNT [FIRST [--verbose]]	that many seeds of a kind ("each": of all)
 *     test_scenarios KIND --seed N [--trace]		one of them again
 */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "sim_eal.h"
#include "sim_rand.h"

#define SEC UINT64_C(1000000000)
#define FAILURES_MAX 10

static struct sim sim;

/** A link that keeps the order and loses what it loses leaves nothing to regret. */
static void
look_for_undos(const struct scenario *s, const struct tcp_stats *stats, unsigned int i)
{
	if (s->kind == SCENARIO_order || s->kind == SCENARIO_path || s->kind == SCENARIO_all)
		return;
	/* a slow way back makes ages of round trips */
	if (s->sim.link[0].rate != s->sim.link[1].rate)
		return;
	for (unsigned int f = 0; f < s->n_flows; f++) {
		/* duplicates of what was sent again tell nothing then */
		if (!s->flow[f].opt[0].sack || !s->flow[f].opt[1].sack)
			return;
	}
	/* a timeout may be too early: a queue grows faster than the RTO learns */
	if (stats->c[TCP_STAT_undos] > stats->c[TCP_STAT_rtos])
		sim_fail(&sim,
				"host %u: %lu reductions undone, %lu timeouts, and nothing "
				"overtakes",
				i, (unsigned long)stats->c[TCP_STAT_undos],
				(unsigned long)stats->c[TCP_STAT_rtos]);
}

/** What holds when all is done. */
static void
look_at_end(const struct scenario *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct tcp_stats *stats = tcp_engine_stats(sim.host[i].engine);

		look_for_undos(s, stats, i);
		if (s->kind != SCENARIO_clean)
			continue;
		/* what fills a slow link may last for longer than an RTO */
		if (stats->c[TCP_STAT_rtos] > 0 && s->sim.link[i].rate > 10000000)
			sim_fail(&sim, "host %u: %lu timeouts though nothing was lost", i,
					(unsigned long)stats->c[TCP_STAT_rtos]);
		if (stats->c[TCP_STAT_recoveries] > 0)
			sim_fail(&sim, "host %u: %lu recoveries though nothing was lost", i,
					(unsigned long)stats->c[TCP_STAT_recoveries]);
	}
}

static void
describe(struct tcp_conn *conn, void *ctx)
{
	sim_describe(conn, ctx);
}

/** @return 0, or sim.failure says why not */
static int
run(struct scenario *s, FILE *trace, bool verbose)
{
	s->sim.trace = trace;
	if (sim_init(&sim, &s->sim) == 0) {
		uint64_t began = sim.now;

		for (unsigned int i = 0; i < s->n_flows; i++)
			sim_flow_add(&sim, &s->flow[i]);
		if (sim_run(&sim, SIM_NEVER) == 0)
			look_at_end(s);
		for (unsigned int i = 0; i < 2 && sim.failure[0] != '\0'; i++)
			tcp_foreach(sim.host[i].engine, describe, stdout);
		if (verbose)
			printf("%s %lu: %lu events, %.3f s, %lu packets, hash %016lx\n",
					scenario_name(s->kind), (unsigned long)s->seed,
					(unsigned long)sim.events, (double)(sim.now - began) / 1e9,
					(unsigned long)(sim.link[0].counts.put +
							sim.link[1].counts.put),
					(unsigned long)sim.hash);
	}
	return sim_fini(&sim);
}

static bool
one(enum scenario_kind kind, uint64_t seed, FILE *trace, bool verbose)
{
	struct scenario s;

	scenario_make(&s, kind, seed);
	if (verbose)
		scenario_print(&s, stdout);
	if (run(&s, trace, verbose) == 0)
		return true;
	printf("FAILED test_scenarios %s --seed %lu: %s\n", scenario_name(kind),
			(unsigned long)seed, sim.failure);
	if (!verbose)
		scenario_print(&s, stdout);
	fflush(stdout);
	return false;
}

static unsigned int
many(enum scenario_kind kind, uint64_t first, uint64_t count, bool verbose)
{
	unsigned int failures = 0;

	for (uint64_t i = 0; i < count && failures < FAILURES_MAX; i++)
		failures += !one(kind, first + i, NULL, verbose);
	printf("%s: %lu scenarios, %u failed\n", scenario_name(kind), (unsigned long)count,
			failures);
	return failures;
}

/** The same seed makes the same packets at the same times. */
static unsigned int
repeats(enum scenario_kind kind)
{
	struct scenario s;
	uint64_t hash;

	scenario_make(&s, kind, 1);
	run(&s, NULL, false);
	hash = sim.hash;
	scenario_make(&s, kind, 1);
	run(&s, NULL, false);
	if (hash == sim.hash)
		return 0;
	printf("FAILED %s: the same seed makes another run\n", scenario_name(kind));
	return 1;
}

int
main(int argc, char **argv)
{
	int first = argc > 1 ? scenario_by_name(argv[1]) : -1, last = first;
	unsigned int failures = 0;

	if (argc > 1 && strcmp(argv[1], "each") == 0) {
		first = 0;
		last = SCENARIO_MAX - 1;
	}
	if (argc < 3 || first < 0 || (argv[2][0] == '-' && argc < 4)) {
		fprintf(stderr,
				"usage: %s KIND COUNT [FIRST [--verbose]] | KIND --seed N "
				"[--trace]\n",
				argv[0]);
		return 2;
	}
	if (sim_eal_up("test_scenarios", "256") != 0 || sim_pools(24575, 24575) != 0) {
		fprintf(stderr, "no EAL or no memory for packets\n");
		return 1;
	}
	for (int kind = first; kind <= last; kind++) {
		if (strcmp(argv[2], "--seed") == 0) {
			failures += !one((enum scenario_kind)kind, strtoull(argv[3], NULL, 0),
					argc > 4 ? stdout : NULL, true);
		} else {
			failures += many((enum scenario_kind)kind,
					argc > 3 ? strtoull(argv[3], NULL, 0) : 1,
					strtoull(argv[2], NULL, 0), argc > 4);
			failures += repeats((enum scenario_kind)kind);
		}
	}
	sim_eal_down();
	return failures > 0;
}
