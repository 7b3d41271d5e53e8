/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmit buffers, which all connections of the process share. Data may have them all but for a
 * reserve of each engine: with every buffer in send queues none would be left for acknowledgements
 * and for what has to be sent again, and without these no queue would ever become shorter.
 */
#include "tcp_priv.h"

#define RESERVE_PART 16u /* at most such a part of the pool: small ones have many engines, too */

/* False: the pool is empty. */
static bool
refill(struct tcp_engine *engine)
{
	struct reserve *r = &engine->reserve;

	while (r->n < r->max) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(engine->config.tx_pool);

		if (m == NULL)
			return false;
		r->m[r->n++] = m;
	}
	return true;
}

/* What the device has sent and still holds. */
static void
reclaim(struct tcp_engine *engine)
{
	if (engine->config.ops.reclaim != NULL)
		engine->config.ops.reclaim(engine->config.ctx);
}

void
buffers_init(struct tcp_engine *engine)
{
	engine->reserve.max = RTE_MIN(engine->config.tx_pool->size / RESERVE_PART, RESERVE_MAX);
	refill(engine);
}

void
buffers_fini(struct tcp_engine *engine)
{
	rte_pktmbuf_free_bulk(engine->reserve.m, engine->reserve.n);
	engine->reserve.n = 0;
}

static __rte_noinline struct rte_mbuf *
scarce(struct tcp_engine *engine)
{
	struct reserve *r = &engine->reserve;
	struct rte_mbuf *m;

	reclaim(engine);
	m = rte_pktmbuf_alloc(engine->config.tx_pool);
	if (m == NULL && r->n != 0)
		m = r->m[--r->n];
	if (m == NULL)
		COUNT(engine, tx_no_mbuf);
	return m;
}

struct rte_mbuf *
buffer_bare(struct tcp_engine *engine)
{
	struct rte_mbuf *m = NULL;

	if (likely(engine->reserve.n == engine->reserve.max) || refill(engine))
		m = rte_pktmbuf_alloc(engine->config.tx_pool);
	return likely(m != NULL) ? m : scarce(engine);
}

/* The reserve comes first. */
static uint32_t
data_some(struct tcp_engine *engine, struct rte_mbuf **m, uint32_t n)
{
	struct rte_mempool *pool = engine->config.tx_pool;

	if (unlikely(engine->reserve.n != engine->reserve.max) && !refill(engine))
		return 0;
	if (likely(n > 1 && rte_pktmbuf_alloc_bulk(pool, m, n) == 0))
		return n;
	m[0] = rte_pktmbuf_alloc(pool); /* the last ones of a pool that is nearly empty */
	return m[0] != NULL ? 1 : 0;
}

uint32_t
buffers_data(struct tcp_engine *engine, struct rte_mbuf **m, uint32_t n)
{
	uint32_t got = data_some(engine, m, n);

	if (likely(got != 0))
		return got;
	reclaim(engine);
	return data_some(engine, m, n);
}
