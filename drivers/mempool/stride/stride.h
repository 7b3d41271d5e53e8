/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stride: a pktmbuf pool whose packets lie at a fixed stride in one linear area and are handed out
 * in ascending address order, so that consecutive packets of a queue get consecutive addresses on
 * every PMD that fills its buffers in the order in which it allocates them. That is the layout
 * which a multi-packet receive queue gives in hardware.
 *
 *	base             base+stride       base+2*stride
 *	|                |                 |
 *   ...+----------------+-----------------+-----------------+...
 *      | packet of slot | packet of slot  | packet of slot  |
 *      | 0              | 1               | 2               |
 *   ...+----------------+-----------------+-----------------+...
 *                  |<-->|<--------------->|
 *               headroom: buf_addr of slot 1 = base + 1 * stride - headroom
 *
 * There is no headroom between the strides: that of a slot is the tail of the slot before it.
 * So never prepend to an mbuf of such a pool.
 *
 * The mbufs have pinned external buffers and no private area. Some PMDs rest on that flag (mlx5
 * registers the data area by it), clones of a packet need it, and mlx5 turns MPRQ off for such a
 * pool: give an MPRQ queue an ordinary pool. What a user has to know of particular PMDs:
 *  - PMDs that assign ol_flags instead of adding to them lose RTE_MBUF_F_EXTERNAL. Freeing does
 *    not mind; before a received mbuf is cloned or attached to, set the flag again.
 *  - virtio writes its header of 10 or 12 bytes in front of the data, that is into the tail of the
 *    slot before. There a stride has to be at least 12 bytes longer than the longest frame.
 *  - tap with receive scatter starts the second segment at buf_addr: stride >= longest frame. It
 *    keeps all mbufs of its queue but the first, so these slots are passed over.
 *  - af_xdp over an umem that is the mempool computes data addresses from the mbuf: not usable.
 *  - Intel PMDs round the buffer down to 128 bytes (i40e, ice, iavf) or 1 KiB (ixgbe).
 */
#ifndef DPVMA_MEMPOOL_STRIDE_H
#define DPVMA_MEMPOOL_STRIDE_H

#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>

/** Name under which the mempool operations are registered. */
#define STRIDE_OPS_NAME "dpvma_stride"

/** Smallest stride in bytes; every stride is a multiple of it. */
#define STRIDE_MIN 64
/** Largest stride in bytes. */
#define STRIDE_MAX 16384

/** Where the packets of a pool lie. */
struct stride_pool_info {
	void *base;	 /**< address at which the packet of slot 0 stands */
	size_t len;	 /**< n * stride, in bytes */
	uint32_t stride; /**< distance between two slots, in bytes */
	uint32_t n;	 /**< number of slots */
};

/**
 * Create a pktmbuf pool of n strides.
 *
 * The packet of slot i stands at base + i * stride. The pool has no per-lcore cache: that is last
 * in, first out and would reverse the order. get and put may be called from any thread, also from
 * one that is not EAL's; each takes one spinlock once for the whole bulk.
 *
 * A bulk is served from a cursor upwards: free slots in ascending order, whatever lies between is
 * skipped, and only at the end of the area it goes on at slot 0. When the slots just below the
 * cursor come back, as those of a burst that a PMD allocated and could not use, the cursor goes
 * back to the first of them, so that they make no gap.
 *
 * Control path; not for the data path.
 *
 * @param name
 *   Name of the pool, at most RTE_MEMPOOL_NAMESIZE - 1 characters.
 * @param n
 *   Number of slots, 1 to 2^31.
 * @param stride
 *   Bytes from one packet to the next, a multiple of 64 from STRIDE_MIN to STRIDE_MAX.
 * @param headroom
 *   RTE_PKTMBUF_HEADROOM: PMDs write at that offset, whatever an mbuf says.
 * @param socket_id
 *   NUMA node of the memory, or SOCKET_ID_ANY.
 * @param info
 *   Filled in when the pool was created; may be NULL.
 * @return
 *   The pool, or NULL with one line in the log and rte_errno:
 *   - EINVAL: an argument is out of its range
 *   - EEXIST: there is a pool of that name
 *   - ENOMEM: not enough memory; the line tells how much was needed
 *   - ENOSPC: no memzone is left
 */
struct rte_mempool *stride_pool_create(const char *name, unsigned int n, uint32_t stride,
		uint32_t headroom, int socket_id, struct stride_pool_info *info);

/**
 * Free the pool and its data area.
 *
 * Every mbuf has to be back: queues that use the pool closed, held packets released. Those that
 * are not are counted in a line of the log, and their memory is gone all the same.
 *
 * @param mp
 *   A pool from stride_pool_create(), or NULL.
 */
void stride_pool_free(struct rte_mempool *mp);

/**
 * Where the packets of a pool lie.
 *
 * @param mp
 *   Any mempool.
 * @return
 *   The layout, valid as long as the pool; NULL for a pool of another kind.
 */
const struct stride_pool_info *stride_pool_info_get(const struct rte_mempool *mp);

/**
 * How many mbufs were put that were already there: each is an error of whoever freed twice. The
 * pool stays in order, its count stays exact.
 *
 * @param mp
 *   A pool from stride_pool_create().
 * @return
 *   The number since the pool was created. Any thread may ask.
 */
uint64_t stride_pool_double_free(const struct rte_mempool *mp);

#endif /* DPVMA_MEMPOOL_STRIDE_H */
