/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock of timers and deadlines: CLOCK_MONOTONIC, and between two looks at it the TSC, which
 * costs a third. A thread looks again after a millisecond, so that what the kernel does to its
 * clock (slewing, a sleep of the machine) arrives that soon, and an error of the measured speed of
 * the TSC stays below some nanoseconds.
 */
#include <time.h>

#include <rte_cpuflags.h>

#include "base/base.h"

#define TRIES 4
#define APART_TICKS                                                                                \
	4096		 /* between two reads of the TSC that have one of the clock between them   \
			  */
#define SPAN_NS 1000000u /* between looks */
#define MEASURE_NS UINT64_C(10000000) /* that a measurement of the speed takes at least */

__thread struct clock_last clock_last __attribute__((tls_model("initial-exec")));
struct clock_speed clock_speed;

static struct clock_last first; /**< where the measurement began; ns 0: not yet */
static uint8_t measuring; /**< 1: a thread is at it, 2: done, or there is nothing to measure */

static uint64_t
look(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A TSC that changes its speed, or stops, measures nothing. */
static void
measure(uint64_t tsc, uint64_t ns)
{
	uint8_t idle = 0;

	if (!__atomic_compare_exchange_n(
			    &measuring, &idle, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	idle = 0;
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_INVTSC) != 1) {
		idle = 2;
	} else if (first.ns == 0) {
		first = (struct clock_last){ .tsc = tsc, .ns = ns };
	} else if (ns - first.ns >= MEASURE_NS && tsc > first.tsc) {
		double ns_per_tick = (double)(ns - first.ns) / (double)(tsc - first.tsc);

		clock_speed.mult = (uint64_t)(ns_per_tick * 4294967296.0);
		__atomic_store_n(&clock_speed.span, (uint64_t)(SPAN_NS / ns_per_tick),
				__ATOMIC_RELEASE);
		idle = 2;
	}
	__atomic_store_n(&measuring, idle, __ATOMIC_RELEASE);
}

/* Both clocks at one time. False: something came between, each time. */
static bool
read_both(uint64_t *tsc, uint64_t *ns)
{
	uint64_t before;
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		before = rte_rdtsc();
		*ns = look();
		*tsc = rte_rdtsc();
		if (*tsc - before < APART_TICKS)
			return true;
	}
	return false;
}

uint64_t
clock_look(void)
{
	uint64_t tsc, ns, was;

	if (!read_both(&tsc, &ns))
		return ns;
	if (unlikely(__atomic_load_n(&measuring, __ATOMIC_RELAXED) != 2))
		measure(tsc, ns);
	if (__atomic_load_n(&clock_speed.span, __ATOMIC_ACQUIRE) == 0)
		return ns;
	/* not behind what this thread was told last, which may have been ahead by nanoseconds */
	was = clock_last.ns + clock_since(tsc);
	if (clock_last.ns != 0 && was > ns && was - ns < SPAN_NS / 1000)
		ns = was;
	clock_last = (struct clock_last){ .tsc = tsc, .ns = ns };
	return ns;
}
