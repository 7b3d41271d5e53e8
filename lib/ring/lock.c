/* SPDX-License-Identifier: BSD-3-Clause */
/* Meeting another thread at a ring's locks: out of line, and counted. */
#include "ring/ring.h"

__rte_noinline bool
ring_rx_busy(struct ring *ring)
{
	/* whoever has the lock counts other things in this block */
	__atomic_fetch_add(&STAT_GET(&ring->stats, RING, rx_lock_busy), 1, __ATOMIC_RELAXED);
	return false;
}

__rte_noinline void
ring_rx_wait(struct ring *ring)
{
	__atomic_fetch_add(&ring->rx_waiters, 1, __ATOMIC_RELAXED);
	rte_spinlock_lock(&ring->rx_lock);
	__atomic_fetch_sub(&ring->rx_waiters, 1, __ATOMIC_RELAXED);
	STAT_INC(&ring->stats, RING, rx_lock_waits);
}

__rte_noinline void
ring_tx_wait(struct ring *ring)
{
	rte_spinlock_lock(&ring->tx_lock);
	STAT_INC(&ring->tx_stats, RING, tx_lock_waits);
}
