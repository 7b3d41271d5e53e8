/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memif's PMD unmaps the shared memory of a peer that has gone in EAL's interrupt thread. It marks
 * the port as down first, but a burst that had looked at the mark before goes on in memory that is
 * not there any more, and the process dies of its peer's end. So the memory waits for the bursts.
 */
#include <rte_interrupts.h>

#include "ring/ring_priv.h"

static void
pass(struct ring *ring, void *ctx)
{
	(void)ctx;
	if (ring->lockless)
		return;
	ring_rx_lock(ring);
	ring_rx_unlock(ring);
	rte_spinlock_lock(&ring->tx_lock);
	rte_spinlock_unlock(&ring->tx_lock);
}

void
rings_before_unmap(void)
{
	if (rte_thread_is_intr())
		ring_foreach(pass, NULL);
}
