/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long answers took: a histogram of TSC cycles in which each power of two has 64 steps, so that
 * a percentile is right within two hundredths and nothing is kept per answer.
 */
#include <rte_common.h>

#include "testpmd.h"

#define STEP_BITS 6

static unsigned int
slot_of(uint64_t cycles)
{
	unsigned int top;

	if (cycles < 1u << STEP_BITS)
		return (unsigned int)cycles;
	top = 63u - (unsigned int)__builtin_clzll(cycles) - STEP_BITS;
	return ((top + 1) << STEP_BITS) | (unsigned int)(cycles >> top & ((1u << STEP_BITS) - 1));
}

/* The middle of a slot. */
static double
slot_value(unsigned int slot)
{
	unsigned int top = slot >> STEP_BITS, step = slot & ((1u << STEP_BITS) - 1);

	if (top == 0)
		return step;
	return ((double)((1u << STEP_BITS) + step) + 0.5) * (double)(UINT64_C(1) << (top - 1));
}

void
tp_latency_add(struct tp_latency *l, uint64_t cycles)
{
	unsigned int slot = slot_of(cycles);

	l->slot[RTE_MIN(slot, TP_LATENCY_SLOTS - 1u)]++;
	l->n++;
	l->sum += cycles;
	if (cycles < l->min || l->n == 1)
		l->min = cycles;
	if (cycles > l->max)
		l->max = cycles;
}

void
tp_latency_sum(struct tp_latency *l, const struct tp_latency *more)
{
	unsigned int i;

	if (more->n == 0)
		return;
	for (i = 0; i < TP_LATENCY_SLOTS; i++)
		l->slot[i] += more->slot[i];
	l->min = l->n == 0 ? more->min : RTE_MIN(l->min, more->min);
	l->max = RTE_MAX(l->max, more->max);
	l->n += more->n;
	l->sum += more->sum;
}

double
tp_latency_percentile(const struct tp_latency *l, double percent)
{
	uint64_t want = (uint64_t)((double)l->n * percent / 100.0), seen = 0;
	unsigned int i;
	double value;

	for (i = 0; i < TP_LATENCY_SLOTS; i++) {
		seen += l->slot[i];
		if (seen > want)
			break;
	}
	/* a slot's middle may lie beyond what was seen */
	value = RTE_MIN((double)l->max, slot_value(i));
	return RTE_MAX((double)l->min, value);
}
