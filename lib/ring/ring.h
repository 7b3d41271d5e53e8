/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings: one receive queue, one transmit queue, the pools behind them, the lock, and the flows that
 * are steered to them. Which sockets share a ring is the ring allocation logic's; which packets
 * arrive at a ring is a steering rule's in the device, or the flow table's where there is none.
 *
 * The data path (ring_rx, ring_tx, flow lookup) is inline or in ring_data.c; all else is control
 * path and may take locks, allocate and talk to the device.
 *
 * Locks: rx_lock guards the receive queue, the flow table and all that a delivery touches; tx_lock
 * the transmit queue. A poller tries rx_lock and goes on when another thread has it. With
 * VMA_THREAD_MODE=0 both are no-ops. Order: ring table, then port, then rx_lock, then tx_lock.
 */
#ifndef DPVMA_RING_H
#define DPVMA_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "base/base.h"
#include "conf/conf.h"
#include "port/port.h"
#include "stat/stat.h"

#define RING_BURST_MAX 256

struct ring;
struct flow;

/** @name Ring profiles (vma_add_ring_profile) */
/** @{ */
enum ring_profile_type { RING_PROFILE_PACKET, RING_PROFILE_CYCLIC, RING_PROFILE_EXTERNAL };
enum cyclic_mode { CYCLIC_RAW, CYCLIC_STRIP, CYCLIC_SEPARATE, CYCLIC_PADDED };

struct ring_profile {
	enum ring_profile_type type;
	uint32_t num;         /**< strides wanted at least */
	uint16_t stride_bytes; /**< payload bytes a packet */
	uint16_t hdr_bytes;   /**< of the application's own header */
	enum cyclic_mode mode;
};

/**
 * Register a profile; an equal one (every field) gives the key it has.
 * @return key >= 1, or -EINVAL with one log line (field and range), -ENOMEM
 */
int ring_profile_add(const struct ring_profile *profile);
const struct ring_profile *ring_profile_get(int key);
/** Bytes from one packet to the next in padded mode: a power of two that holds the frame. */
uint32_t ring_profile_padded_stride(const struct ring_profile *profile);
/** @} */

/** @name Who shares a ring */
/** @{ */
enum ring_dir { RING_RX, RING_TX };

/** The allocation logic of one socket in one direction, with what migration needs to remember. */
struct ring_alloc {
	enum conf_ring_logic logic; /**< CONF_RING_PER_INTERFACE... */
	int profile;                /**< key, 0: none */
	uint32_t user_id;           /**< for CONF_RING_PER_USER_ID */
	uint32_t fd;                /**< for CONF_RING_PER_SOCKET */
	uint32_t creator;           /**< thread id, for CONF_RING_PER_THREAD */
	int32_t ratio;              /**< VMA_RING_MIGRATION_RATIO_*, -1: never */
	int32_t away;               /**< uses in a row from elsewhere */
	uint64_t here;              /**< thread or core the ring was taken for */
};

/** Fill from the options: VMA_RING_ALLOCATION_LOGIC_*, VMA_RING_MIGRATION_RATIO_*. */
void ring_alloc_init(struct ring_alloc *alloc, enum ring_dir dir, int fd);

/**
 * The ring for a socket: an existing one of the same key, a new one, or, when the port has no queue
 * left or VMA_RING_LIMIT_PER_INTERFACE is reached, the least used one.
 *
 * @param local the socket's local address, for CONF_RING_PER_IP
 * @param[out] ring with one more reference
 * @return 0, -ENOMEM, -ENODEV, or what the device said; one log line for each
 */
int ring_acquire(struct port *port, enum ring_dir dir, const struct ring_alloc *alloc,
		const struct ip_addr *local, struct ring **ring);
/** Drop a reference; the last one stops the queue and gives it back. */
void ring_release(struct ring *ring);

/**
 * Called once per receive or send call of a socket with per-thread or per-core logic: true when it
 * should migrate (the caller then acquires the new ring and moves its flows). A few instructions.
 */
bool ring_alloc_migrate(struct ring_alloc *alloc);
/** @} */

/** @name Flows */
/** @{ */
/** Network order throughout; remote and rport zero for a 3-tuple. 40 bytes without a hole. */
struct flow_key {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t lport;
	uint16_t rport;
	uint16_t vlan_id; /**< host order, 0 untagged */
	uint8_t proto;    /**< IPPROTO_UDP, IPPROTO_TCP */
	uint8_t zero;
};
_Static_assert(sizeof(struct flow_key) == 40, "hashed as five 64-bit words");

/**
 * What receives the packets of a flow. @p pkts start at the Ethernet header, are trimmed to the IP
 * length, have l2_len and l3_len set, passed all checks, and belong to the sink from now on. Called
 * with the ring's rx_lock held, for runs of packets of one flow.
 */
struct sink {
	void (*deliver)(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
};

#define FLOW_RULE 0x1   /**< steer in the device when it can; on an isolated port it must */
#define FLOW_CYCLIC 0x2 /**< belongs to the ring's cyclic reader, not to the sink */

struct flow {
	struct flow_key key;
	struct sink *sink;
	struct ring *ring;        /**< that takes its packets */
	uint32_t mark;            /**< index in the port's table, given to the device as MARK */
	uint16_t flags;
	bool in_device;           /**< a rule steers it */
	struct rte_flow *rule;
};

/**
 * Steer packets of @p key to @p ring and @p sink. On a port that does not steer, every ring of the
 * port learns the flow, so that whichever receives it hands it over.
 * Local address "any" is a software entry that matches last and makes no rule.
 *
 * @return 0, -EEXIST (the key is taken on this port), -ENOMEM, -ENOSPC (table full), or on an
 *         isolated port the device's refusal
 */
int ring_flow_add(struct ring *ring, const struct flow_key *key, struct sink *sink, unsigned int flags,
		struct flow **flow);
void ring_flow_del(struct flow *flow);
/** Move to another ring of the same port without losing a packet that is on its way. */
int ring_flow_move(struct flow *flow, struct ring *to);
/** Put another sink behind the flow (a second socket joined the group, the last but one left). */
void ring_flow_set_sink(struct flow *flow, struct sink *sink);

/**
 * Data path, rx_lock held: the flows of @p n keys, the most specific match first (5-tuple, 3-tuple,
 * any address). NULL where there is none.
 */
void ring_flow_lookup(struct ring *ring, const struct flow_key *const *keys, struct flow **flows,
		uint16_t n);
/** Data path: the flow the device marked; the caller compares the key, a late packet may be stale. */
static inline struct flow *ring_flow_of_mark(const struct ring *ring, uint32_t mark);
/** Number of flows that have a remote address: with none the 5-tuple lookup is skipped. */
/** @} */

/** One cache line for what every burst reads, one for what it writes, then the control fields. */
struct ring {
	/* read by every burst */
	uint16_t port_id;          /**< ethdev */
	uint16_t queue;            /**< Rx and Tx queue */
	uint16_t burst;            /**< DPVMA_RX_BURST */
	bool lockless;             /**< VMA_THREAD_MODE=0 */
	bool isolated;             /**< every packet here matched one of our rules */
	bool marks;                /**< rules carry a MARK */
	bool is_default;           /**< gets what no rule took; others poll it too */
	uint16_t spare_queues;     /**< default ring of a port that does not steer: queues no ring owns */
	struct flow *const *by_mark;
	uint32_t by_mark_n;
	struct port *port;
	struct ring *helps;        /**< the port's default ring when this one depends on it, else NULL */
	struct rte_ring *handover; /**< packets other rings received for flows of this one */
	/**
	 * Set by a cyclic reader: takes a burst in place of the ordinary way, keeps its own packets
	 * and passes the rest to net_input(). rx_lock held. Returns packets taken.
	 */
	uint16_t (*intake)(struct ring *ring, void *reader);
	void *reader;

	/* written by every burst */
	rte_spinlock_t rx_lock __rte_cache_aligned;
	uint32_t rx_lock_owner_hint;
	struct ring_stats stats;

	rte_spinlock_t tx_lock __rte_cache_aligned;
	struct rte_mempool *tx_pool;
	struct ring_stats tx_stats;

	/* control */
	struct rte_mempool *rx_pool __rte_cache_aligned;
	struct flow_table *flows;
	uint32_t index;            /**< in the ring table */
	uint32_t refs;
	int fd;                    /**< an epoll fd: the ring's name towards applications, readable when
				    *   the armed queue has packets; -1 until ring_fd() */
	int rx_fd;                 /**< Rx interrupt, -ENOTSUP without */
	int profile;
	bool striding;             /**< the device strides here */
	bool stride_pool;          /**< an address-ordered pool is behind the queue */
	uint32_t stride;           /**< bytes, 0 unless one of the two */
	uint32_t strides;          /**< in one buffer, or in the whole pool */
	uint8_t *stride_base;      /**< of the ordered pool */
	uint64_t last_poll_ms;     /**< for the progress engine: attended or not */
	struct ring_alloc alloc;
	struct ip_addr local;
	enum ring_dir dir;
};

static inline struct flow *
ring_flow_of_mark(const struct ring *ring, uint32_t mark)
{
	return mark < ring->by_mark_n ? ring->by_mark[mark] : NULL;
}

/** @name Data path */
/** @{ */
static inline bool
ring_rx_trylock(struct ring *ring)
{
	return ring->lockless || rte_spinlock_trylock(&ring->rx_lock);
}

static inline void
ring_rx_lock(struct ring *ring)
{
	if (!ring->lockless)
		rte_spinlock_lock(&ring->rx_lock);
}

static inline void
ring_rx_unlock(struct ring *ring)
{
	if (!ring->lockless)
		rte_spinlock_unlock(&ring->rx_lock);
}

/** A burst from the device; rx_lock held. */
static inline uint16_t
ring_rx(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(ring->port_id, ring->queue, pkts, n);
}

/** Packets other rings received for this one; rx_lock held. */
static inline uint16_t
ring_rx_handover(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	if (likely(ring->handover == NULL || rte_ring_empty(ring->handover)))
		return 0;
	return rte_ring_sc_dequeue_burst(ring->handover, (void **)pkts, n, NULL);
}

/** Give packets to the ring that owns their flow; what it does not take is dropped and counted. */
void ring_give(struct ring *from, struct ring *to, struct rte_mbuf **pkts, uint16_t n);

/**
 * Send a burst. Takes tx_lock. Packets that do not fit are freed and counted unless @p keep.
 * @return packets taken by the device
 */
uint16_t ring_tx(struct ring *ring, struct rte_mbuf **pkts, uint16_t n, bool keep);

/** Transmit buffers, all or none: 0 or -ENOBUFS (counted). */
int ring_tx_alloc(struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
/** @} */

/** @name Sleeping */
/** @{ */
/** The ring's fd for applications (vma_get_socket_rings_fds); created on first use. */
int ring_fd(struct ring *ring);
struct ring *ring_by_fd(int fd);
/**
 * Arm the Rx interrupt: the ring's fd becomes readable with the next packet.
 * @return 0 armed; 1 packets are waiting already, nothing armed; -ENOTSUP: nap instead
 */
int ring_arm(struct ring *ring);
/** Take the pending notifications and turn the interrupt off; number taken. */
int ring_disarm(struct ring *ring);
/** CQ moderation has no ethdev call: kept and reported, -ENOTSUP. */
int ring_moderate(struct ring *ring, uint32_t count, uint32_t period_usec);
/** @} */

/** Every ring there is, for the progress engine and statistics; a reference is taken while in @p cb. */
void ring_foreach(void (*cb)(struct ring *ring, void *ctx), void *ctx);

/** Pools as VMA_RX_BUFS, VMA_TX_BUFS, VMA_MEM_ALLOC_TYPE say; ports exist, EAL is up. */
int rings_init(void);
void rings_fini(void);

/**
 * Fields that dpvma keeps in an mbuf, registered with rte_mbuf_dynfield_register().
 * link: the next packet of a socket's queue.
 */
extern int ring_mbuf_link_offset;
static inline struct rte_mbuf **
ring_mbuf_link(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, ring_mbuf_link_offset, struct rte_mbuf **);
}
/** The device's Rx timestamp in ns when (ol_flags & ring_mbuf_timestamp_flag), else unset. */
extern int ring_mbuf_timestamp_offset;
extern uint64_t ring_mbuf_timestamp_flag;
/** When a burst was taken, ns of CLOCK_REALTIME; written only for sockets that want it. */
extern int ring_mbuf_swtime_offset;
static inline uint64_t *
ring_mbuf_swtime(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, ring_mbuf_swtime_offset, uint64_t *);
}
/** The device's timestamp as nanoseconds of CLOCK_REALTIME, as VMA_HW_TS_CONVERSION says. */
uint64_t ring_timestamp_ns(const struct ring *ring, const struct rte_mbuf *m);

#endif
