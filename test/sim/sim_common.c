/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools, and how a simulation fails.
 */
#include <errno.h>
#include <stdarg.h>

#include "sim.h"

struct rte_mempool *sim_tx_pool, *sim_wire_pool;

int
sim_pools(unsigned int tx, unsigned int wire)
{
	sim_tx_pool = rte_pktmbuf_pool_create("sim_tx", tx, 256, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	sim_wire_pool = rte_pktmbuf_pool_create(
			"sim_wire", wire, 256, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	return sim_tx_pool == NULL || sim_wire_pool == NULL ? -ENOMEM : 0;
}

void
sim_fail(struct sim *sim, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (sim->failure[0] != '\0')
		return;
	n = snprintf(sim->failure, sizeof(sim->failure), "%.6f s: ", (double)sim->now / 1e9);
	va_start(ap, fmt);
	vsnprintf(sim->failure + n, sizeof(sim->failure) - (size_t)n, fmt, ap);
	va_end(ap);
}
