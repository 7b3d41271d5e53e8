/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the mempool operations (stride_ops.c) and the pool built on them (stride_pool.c) share.
 */
#ifndef DPVMA_MEMPOOL_STRIDE_PRIV_H
#define DPVMA_MEMPOOL_STRIDE_PRIV_H

#include <rte_mbuf.h>
#include <rte_memzone.h>

#include "stride.h"

/*
 * An object of the pool. The slot number stands on the cache line of the shared information, which
 * freeing an mbuf with a pinned buffer has just read.
 */
struct stride_obj {
	struct rte_mbuf mbuf;
	struct rte_mbuf_ext_shared_info shinfo;
	uint32_t slot;
};

/* Private data of the pool, behind struct rte_mempool. */
struct stride_pool_priv {
	struct rte_pktmbuf_pool_private mbp; /* first: DPDK finds it by place */
	const struct rte_memzone *mz;	     /* the data area */
	struct stride_pool_info info;
};

/*
 * Name of the operations. A variable of stride_ops.c, so that whoever links the pool links the
 * constructor that registers them.
 */
extern const char stride_ops_name[];

#endif /* DPVMA_MEMPOOL_STRIDE_PRIV_H */
