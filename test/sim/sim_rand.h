/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers of a simulation: splitmix64, so that any seed is a good one and a run repeats on
 * every machine.
 */
#ifndef TEST_SIM_RAND_H
#define TEST_SIM_RAND_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t
sim_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t
sim_rand(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return sim_mix(*state);
}

/** Uniform in 0 .. n - 1; @p n > 0. */
static inline uint64_t
sim_rand_below(uint64_t *state, uint64_t n)
{
	return sim_rand(state) % n;
}

/** Uniform in [0, 1). */
static inline double
sim_rand_unit(uint64_t *state)
{
	return (double)(sim_rand(state) >> 11) * 0x1p-53;
}

/** No number is drawn for what never happens, so that switching a fault off moves no other. */
static inline bool
sim_rand_chance(uint64_t *state, double p)
{
	return p > 0 && sim_rand_unit(state) < p;
}

#endif /* TEST_SIM_RAND_H */
