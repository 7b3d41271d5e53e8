/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data path of a ring that is not inline: sending, and giving packets to the ring that owns
 * their flow. No allocation, no system call (but to wake a sleeper), no log line.
 */
#include <errno.h>
#include <pthread.h>

#include "ring/ring_priv.h"

static void
tx_lock(struct ring *ring)
{
	if (!ring->lockless && unlikely(!rte_spinlock_trylock(&ring->tx_lock)))
		ring_tx_wait(ring);
}

static void
tx_unlock(struct ring *ring)
{
	if (!ring->lockless)
		rte_spinlock_unlock(&ring->tx_lock);
}

/* The device takes what it has room for, and some take a few packets at a time. */
static inline uint16_t
tx_burst(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = 0, k;

	do {
		k = rte_eth_tx_burst(ring->port_id, ring->queue, pkts + sent, n - sent);
		sent += k;
	} while (k > 0 && sent < n);
	return sent;
}

/* Let the driver fill in what its offloads want. What it can never send is freed; the rest moves
 * up. */
static __rte_noinline uint16_t
tx_prepare(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t ok = 0;

	while (ok < n) {
		ok += rte_eth_tx_prepare(ring->port_id, ring->queue, pkts + ok, n - ok);
		if (likely(ok == n))
			break;
		rte_pktmbuf_free(pkts[ok]);
		STAT_INC(&ring->tx_stats, RING, tx_full);
		n--;
		memmove(&pkts[ok], &pkts[ok + 1], (n - ok) * sizeof(*pkts));
	}
	return n;
}

static __rte_noinline void
tx_drop(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	STAT_ADD(&ring->tx_stats, RING, tx_full, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

/** What of a burst is counted. */
struct tx_sum {
	uint64_t bytes, tso, segs;
};

static inline void
tx_sum(struct tx_sum *sum, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		sum->bytes += m->pkt_len;
		if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
			uint32_t data = m->pkt_len - m->l2_len - m->l3_len - m->l4_len;

			sum->tso++;
			sum->segs += (data + m->tso_segsz - 1) / m->tso_segsz;
		}
	}
}

/* The queue is full: what it did not take is not counted. */
static __rte_noinline void
tx_sum_less(struct tx_sum *sum, struct rte_mbuf **pkts, uint16_t n)
{
	struct tx_sum less = { 0 };

	tx_sum(&less, pkts, n);
	sum->bytes -= less.bytes;
	sum->tso -= less.tso;
	sum->segs -= less.segs;
}

uint16_t
ring_tx(struct ring *ring, struct rte_mbuf **pkts, uint16_t n, bool keep)
{
	struct tx_sum sum = { 0 };
	uint16_t all = n, sent;

	tx_lock(ring);
	if (ring->tx_prepare)
		n = tx_prepare(ring, pkts, n);
	tx_sum(&sum, pkts, n);
	sent = tx_burst(ring, pkts, n);
	if (unlikely(sent < n)) {
		tx_sum_less(&sum, pkts + sent, n - sent);
		if (!keep)
			tx_drop(ring, pkts + sent, n - sent);
	}
	STAT_ADD(&ring->tx_stats, RING, tx_packets, sent);
	STAT_ADD(&ring->tx_stats, RING, tx_bytes, sum.bytes);
	STAT_ADD(&ring->tx_stats, RING, tx_tso, sum.tso);
	STAT_ADD(&ring->tx_stats, RING, tx_tso_segs, sum.segs);
	tx_unlock(ring);
	return sent + (all - n);
}

/*
 * A driver frees what it has sent when it sends more, and with every buffer in its queue nobody
 * can: ask for it. Some do it when they send nothing, some when told to, and mlx5 when it is asked
 * how far it has come.
 */
static void
tx_reclaim(struct ring *ring, uint32_t n)
{
	struct rte_mbuf *none = NULL;

	rte_eth_tx_burst(ring->port_id, ring->queue, &none, 0);
	rte_eth_tx_done_cleanup(ring->port_id, ring->queue, n);
	rte_eth_tx_descriptor_status(ring->port_id, ring->queue, 0);
}

void
ring_tx_reclaim(struct ring *ring)
{
	tx_lock(ring);
	tx_reclaim(ring, 0);
	tx_unlock(ring);
}

/* A burst of none runs the driver's function up to its queue; the status is in the ring itself. */
void
ring_tx_warm(struct ring *ring)
{
	struct rte_mbuf *none = NULL;

	tx_lock(ring);
	rte_eth_tx_burst(ring->port_id, ring->queue, &none, 0);
	rte_eth_tx_descriptor_status(ring->port_id, ring->queue, 0);
	tx_unlock(ring);
}

static __rte_noinline int
tx_alloc_slow(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	int ret;

	tx_lock(ring);
	tx_reclaim(ring, n);
	ret = rte_pktmbuf_alloc_bulk(ring->tx_pool, pkts, n);
	if (ret != 0)
		STAT_ADD(&ring->tx_stats, RING, tx_no_mbuf, n);
	tx_unlock(ring);
	return ret == 0 ? 0 : -ENOBUFS;
}

int
ring_tx_alloc(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	ring_thread();
	if (likely(rte_pktmbuf_alloc_bulk(ring->tx_pool, pkts, n) == 0))
		return 0;
	return tx_alloc_slow(ring, pkts, n);
}

void
ring_give(struct ring *from, struct ring *to, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_ring *r = __atomic_load_n(&to->handover, __ATOMIC_ACQUIRE);
	unsigned int taken = 0;

	if (likely(r != NULL))
		taken = rte_ring_mp_enqueue_burst(r, (void **)pkts, n, NULL);
	STAT_ADD(&from->stats, RING, handover_out, taken);
	if (unlikely(taken < n)) {
		STAT_ADD(&from->stats, RING, handover_full, n - taken);
		rte_pktmbuf_free_bulk(pkts + taken, n - taken);
	}
	/* The sleeper says so first and then looks at the ring; here it is the other way round. */
	rte_atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&to->wanted, __ATOMIC_RELAXED)) && taken > 0)
		sleep_wake(to);
}

void
ring_stats_sum(const struct ring *ring, struct ring_stats *sum)
{
	for (unsigned int i = 0; i < RING_STAT_MAX; i++)
		sum->c[i] = ring->stats.c[i] + ring->tx_stats.c[i];
}

/* Threads of the application: their lcore id goes back when they end. */
static pthread_key_t thread_end;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static __thread bool thread_tried;

static void
thread_leave(void *arg)
{
	RTE_SET_USED(arg);
	rte_thread_unregister();
}

static void
thread_key(void)
{
	pthread_key_create(&thread_end, thread_leave);
}

__rte_noinline void
ring_thread_register(void)
{
	if (thread_tried)
		return;
	thread_tried = true;
	pthread_once(&thread_once, thread_key);
	if (rte_thread_register() != 0)
		LOG_DEBUG("this thread works without buffer caches: EAL has no lcore id left for "
			  "it");
	else
		pthread_setspecific(thread_end, &thread_tried);
}

void
ring_thread_forget(void)
{
	if (thread_tried)
		pthread_setspecific(thread_end, NULL);
}
