/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scenarios made from a number: the network, the hosts, what they agree on and what the
 * applications do. Each kind stresses one thing and leaves the rest as it comes.
 */
#ifndef TEST_SIM_SCENARIO_H
#define TEST_SIM_SCENARIO_H

#include "sim.h"

#define SCENARIO_FLOWS_MAX 8

/* X(name, what it is about) */
#define SCENARIO_KINDS(X)                                                                          \
	X(clean, "a link without faults: nothing is sent twice")                                   \
	X(loss, "random, burst and patterned loss, corruption")                                    \
	X(order, "reordering, jitter, duplicates")                                                 \
	X(window, "slow and pausing readers, small buffers")                                       \
	X(talk, "requests and answers, small writes")                                              \
	X(end, "every way to open and end a connection")                                           \
	X(path, "the MTU changes, the link goes down")                                             \
	X(card, "segmentation, coalescing, buffers that stay with the card")                       \
	X(crowd, "several connections over a narrow place, ECN, CoDel")                            \
	X(all, "everything at once")
enum scenario_kind {
#define SCENARIO_ENUM(name, help) SCENARIO_##name,
	SCENARIO_KINDS(SCENARIO_ENUM) SCENARIO_MAX
#undef SCENARIO_ENUM
};
const char *scenario_name(enum scenario_kind kind);
/** -1 for a name that is none. */
int scenario_by_name(const char *name);

struct scenario {
	enum scenario_kind kind;
	uint64_t seed;
	struct sim_params sim;
	unsigned int n_flows;
	struct sim_flow_params flow[SCENARIO_FLOWS_MAX];
};
void scenario_make(struct scenario *s, enum scenario_kind kind, uint64_t seed);
/** For whoever reads a failure. */
void scenario_print(const struct scenario *s, FILE *f);

#endif /* TEST_SIM_SCENARIO_H */
