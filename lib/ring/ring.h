/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings: one receive queue, one transmit queue, the pools behind them, the lock, and the flows that
 * are steered to them. Which sockets share a ring is the ring allocation logic's; which packets
 * arrive at a ring is a steering rule's in the device, or the flow table's where there is none.
 *
 * The data path (ring_rx, ring_tx, flow lookup) is inline, in data.c or in flow_table.c; all else
 * is control path: it may take locks, allocate and talk to the device, and must not be called with
 * a ring's rx_lock or tx_lock held.
 *
 * Locks: rx_lock guards the receive queue, the flow table and all that a delivery touches; tx_lock
 * the transmit queue. A poller tries rx_lock and goes on when another thread has it. With
 * VMA_THREAD_MODE=0 both are no-ops. Order: port, ring table, rx_lock, tx_lock.
 * Only the control path holds the rx_lock of more than one ring.
 */
#ifndef DPVMA_RING_H
#define DPVMA_RING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

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
#define RING_SPARE_MAX 64

struct ring;
struct flow;

/** @name Ring profiles (vma_add_ring_profile) */
/** @{ */
enum ring_profile_type { RING_PROFILE_PACKET, RING_PROFILE_CYCLIC, RING_PROFILE_EXTERNAL };
enum cyclic_mode { CYCLIC_RAW, CYCLIC_STRIP, CYCLIC_SEPARATE, CYCLIC_PADDED };

struct ring_profile {
	enum ring_profile_type type;
	uint32_t num;	       /**< strides wanted at least */
	uint16_t stride_bytes; /**< payload bytes a packet */
	uint16_t hdr_bytes;    /**< of the application's own header */
	enum cyclic_mode mode;
	bool external; /**< packets are put into memory of the application: ring_alloc.memory */
};

/** Bytes of Ethernet, IPv4 and UDP header in front of the payload that a profile speaks of. */
#define RING_PROFILE_NET_HDR 42

/**
 * Register a profile; an equal one (every field) gives the key it has. Profiles stay for the life
 * of the process. Any thread.
 * @return key >= 1, or -EINVAL with one log line (field and range), -ENOMEM
 */
int ring_profile_add(const struct ring_profile *profile);
/** NULL for a key that was never given; 0 is none. Valid for the life of the process. */
const struct ring_profile *ring_profile_get(int key);
/** Bytes from one packet to the next in padded mode: a power of two that holds the frame. */
uint32_t ring_profile_padded_stride(const struct ring_profile *profile);

/** How packets lie that are copied: payload slots, behind them from a cache line on header slots.
 */
struct ring_copy_layout {
	uint32_t n;		   /**< slots */
	uint32_t slot, hdr_slot;   /**< bytes of one */
	size_t payload_len, bytes; /**< of the payload slots, and of all */
};
/** @param num slots at least; there are more, as a burst or the longest frame is to fit */
static inline struct ring_copy_layout ring_profile_copy_layout(
		const struct ring_profile *profile, uint32_t num);
/** @} */

/**
 * Among the events of poll(2) that a socket's room tells the one above: it receives by other rings
 * now.
 */
#define RING_CHANGED 0x10000u

/** @name Who shares a ring */
/** @{ */
enum ring_dir { RING_RX, RING_TX };

/** The allocation logic of one socket in one direction, with what migration needs to remember. */
struct ring_alloc {
	enum conf_ring_logic logic; /**< CONF_RING_PER_INTERFACE... */
	int profile;		    /**< key, 0: none */
	uint32_t user_id;	    /**< for CONF_RING_PER_USER_ID */
	uint32_t sock;		    /**< for CONF_RING_PER_SOCKET */
	uint32_t creator;	    /**< thread id, for CONF_RING_PER_THREAD */
	int32_t ratio;		    /**< VMA_RING_MIGRATION_RATIO_*, -1: never */
	int32_t away;		    /**< uses in a row from elsewhere */
	bool lro;		    /**< of TCP: a port that starts for it puts segments together */
	struct iovec memory;	    /**< of the application, for an external profile; else empty */
	uint64_t here;		    /**< thread, or core + 1, the ring was taken for; 0: none yet */
};

/**
 * Fill from the options: VMA_RING_ALLOCATION_LOGIC_*, VMA_RING_MIGRATION_RATIO_*. To be called by
 * the thread that creates the socket. Transmit rings never migrate while VMA_TSO is on.
 */
void ring_alloc_init(struct ring_alloc *alloc, enum ring_dir dir, int sock);

/**
 * The ring for a socket: an existing one of the same key, a new one, or, when the port has no queue
 * left or VMA_RING_LIMIT_PER_INTERFACE is reached, the least used one. A ring is a queue pair, so
 * receive and transmit logic that amount to the same key give the same ring.
 *
 * Per thread the ring is that of the creator until the socket migrated; per core that of the CPU
 * the caller runs on, and CONF_RING_PER_CORE_ATTACH pins the caller to it.
 *
 * @param[in,out] alloc here and away are set
 * @param local the socket's local address, for CONF_RING_PER_IP; NULL for any
 * @param[out] ring with one more reference
 * @return 0, -ENOMEM, -ENODEV, -EINVAL (unknown profile), or what the device said; one log line for
 *         each
 */
int ring_acquire(struct port *port, enum ring_dir dir, struct ring_alloc *alloc,
		const struct ip_addr *local, struct ring **ring);
/** One more reference, for who has a ring's address from somebody that holds it. */
static inline void ring_hold(struct ring *ring);
/**
 * Drop a reference; the last one stops the queue and gives it back. Whatever still waits in the
 * queue is lost, so after ring_flow_move() poll the old ring once more before.
 */
void ring_release(struct ring *ring);

/**
 * Called once per receive or send call of a socket with per-thread or per-core logic: true when it
 * should migrate (the caller then acquires the new ring and moves its flows). A few instructions.
 */
bool ring_alloc_migrate(struct ring_alloc *alloc);
/** @} */

/** @name Flows */
/** @{ */
/** vlan_id of a key whose local address is any: frames of every VLAN and untagged ones. */
#define FLOW_VLAN_ANY 0xffff

/**
 * Network order throughout; remote and rport zero for a 3-tuple. 40 bytes without a hole.
 *
 * lport zero makes a rule without ports and never matches in software: with a multicast local
 * address that is a rule on the MAC address alone (VMA_ETH_MC_L2_ONLY_RULES), and the flows of the
 * sockets behind it are added without FLOW_RULE.
 */
struct flow_key {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t lport;
	uint16_t rport;
	uint16_t vlan_id; /**< host order, 0 untagged */
	uint8_t proto;	  /**< IPPROTO_UDP, IPPROTO_TCP */
	uint8_t zero;
};
_Static_assert(sizeof(struct flow_key) == 40, "hashed as five 64-bit words");

/**
 * What receives the packets of a flow, or of several. @p pkts start at the Ethernet header, are
 * trimmed to the IP length, have l2_len and l3_len set, passed all checks, and belong to the sink
 * from now on. Called with the ring's rx_lock held, for runs of packets of one sink.
 */
struct sink {
	void (*deliver)(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
};

#define FLOW_RULE 0x1	/**< steer in the device when it can; on an isolated port it must */
#define FLOW_CYCLIC 0x2 /**< belongs to the ring's cyclic reader, not to the sink */
/**
 * One of several flows of this key, each on another ring of the port: connections are spread over
 * them by a hash of addresses and ports, and stay where they are as far as can be when one comes or
 * goes. Alone it is as any flow. Not for a key without ports, nor with FLOW_CYCLIC.
 */
#define FLOW_SPREAD 0x4
/** Internal, with FLOW_SPREAD: what reaches the ring may be for another, ring_spread_flow() says.
 */
#define FLOW_SOFT 0x8
/** Of a flow of this very ring: its packets are not simply for its sink. */
#define FLOW_ELSEWHERE (FLOW_CYCLIC | FLOW_SOFT)
/** With FLOW_RULE: a wider flow brings its packets as well, so without a rule there is no flow. */
#define FLOW_EXTRA 0x10

/** What every packet of the flow reads fills the first cache line. */
struct flow {
	struct flow_key key; /**< an address that is any is all zeros here */
	struct sink *sink;
	struct ring *ring; /**< that takes its packets */
	uint32_t mark;	   /**< index in the port's table, given to the device as MARK */
	uint16_t flags;
	bool in_device;	       /**< a rule steers it */
	struct rte_flow *rule; /**< NULL as well while the port restarts, and with FLOW_SPREAD */
	struct spread *spread; /**< what it shares with others of its key; NULL: alone for good */
};

/**
 * Steer packets of @p key to @p ring and @p sink. On a port that does not steer, every ring of the
 * port learns the flow, so that whichever receives it hands it over.
 * Local address "any" is a software entry that matches last and makes no rule.
 *
 * @return 0, -EINVAL (not UDP or TCP, a remote address with local any, FLOW_VLAN_ANY with another),
 *         -EEXIST (the key is taken on this port; with FLOW_SPREAD by a flow without it, or by one
 *         of this ring), -ENOMEM, -ENOSPC (table full, or as many flows of the key as there are
 *         buckets; on an isolated port, or with FLOW_EXTRA, the device refused the rule, which is
 *         counted)
 */
int ring_flow_add(struct ring *ring, const struct flow_key *key, struct sink *sink,
		unsigned int flags, struct flow **flow);
/** On return no ring knows the flow and its sink is not called any more. NULL: nothing. */
void ring_flow_del(struct flow *flow);
/** The same with many, of whichever ports: each ring is locked once for dozens of them. */
void ring_flow_del_many(struct flow *const *flows, unsigned int n);
/**
 * Where a port has a queue for rules: what was put off, and what became of it. Flows that were
 * removed are freed, those with FLOW_EXTRA may lose their rule. Cheap when there is nothing.
 * @return whether something is under way yet
 */
bool ring_flow_settle(void);
/**
 * Move to another ring of the same port without losing a packet that is on its way: the old ring
 * hands over what still waits in its queue.
 * @return 0, -EXDEV (another port), -EEXIST (that ring has another flow of this key), -ENOMEM. A
 * rule that the device will not move stays where it is, is counted (rules_refused), and the old
 * ring hands the packets over.
 */
int ring_flow_move(struct flow *flow, struct ring *to);
/** Put another sink behind the flow (a second socket joined the group, the last but one left). */
void ring_flow_set_sink(struct flow *flow, struct sink *sink);

#define RING_FLOW_TEXT 192 /**< bytes that hold any */
/**
 * The flow's pattern, and the rule that steers it (mark, queue) or why software does. Takes the
 * lock of the ring table; the flow must not go meanwhile.
 */
void ring_flow_text(struct flow *flow, char *buf, size_t len);

/**
 * Data path, rx_lock held: the flows of @p n keys of packets, the most specific match first
 * (5-tuple, 3-tuple, any address). NULL where there is none. The cache misses of a burst overlap,
 * so hand in bursts.
 */
void ring_flow_lookup(struct ring *ring, const struct flow_key *const *keys, struct flow **flows,
		uint16_t n);
/**
 * Data path, rx_lock of any ring of the port held: the flow that has this packet, by the hash of
 * its key.
 * @param flow any with FLOW_SPREAD of that key
 */
struct flow *ring_spread_flow(const struct flow *flow, const struct flow_key *key);
/** Data path: the flow the device marked; the caller compares the key, a late packet may be stale.
 */
static inline struct flow *ring_flow_of_mark(const struct ring *ring, uint32_t mark);
/** @} */

/**
 * Takes datagrams from a ring in place of their sockets while it turns that ring: net_reap().
 */
struct ring_harvest {
	/**
	 * Datagrams of one socket, as its queue would get them. rx_lock and the queue's lock are
	 * held: must not call in.
	 * @param ctx that of the socket's wake callback
	 * @return how many were taken, from the first on
	 */
	uint16_t (*take)(struct ring_harvest *harvest, void *ctx, struct rte_mbuf **pkts,
			uint16_t n);
};

/** One cache line for what every burst reads, one for what it writes, then the control fields. */
struct ring {
	/* read by every burst */
	uint16_t port_id;      /**< ethdev */
	uint16_t queue;	       /**< Rx and Tx queue */
	uint16_t burst;	       /**< DPVMA_RX_BURST */
	bool lockless;	       /**< VMA_THREAD_MODE=0 */
	bool isolated;	       /**< every packet here matched one of our rules */
	bool marks;	       /**< rules carry a MARK */
	bool is_default;       /**< gets what no rule took; others poll it too */
	uint16_t spare_queues; /**< default ring of a port that does not steer: queues no ring owns,
				*   to be polled with ring_rx_spare() */
	uint32_t by_mark_n;
	struct flow *const *by_mark;
	struct port *port;
	struct ring *helps; /**< the port's default ring when this one depends on it, else NULL */
	struct rte_ring *handover; /**< packets other rings received for flows of this one */
	/**
	 * Set by a cyclic reader: takes a burst in place of the ordinary way, keeps its own packets
	 * and passes the rest to net_input(). rx_lock held. Returns packets taken.
	 */
	uint16_t (*intake)(struct ring *ring, void *reader);
	/**
	 * Set with it: the ring ends, give back what the reader holds. Called before the queue is
	 * given back, without rx_lock; no poller knows the ring any more.
	 */
	void (*reader_end)(struct ring *ring, void *reader);
	bool wanted; /**< somebody sleeps: wake him for packets handed over */

	/* written by every burst */
	rte_spinlock_t rx_lock __rte_cache_aligned;
	uint32_t rx_waiters;	      /**< of ring_rx_lock(); pollers let them go first */
	struct ring_harvest *harvest; /**< of who turns it, while he does; NULL: packets are for
				       *   sockets */
	void *reader;
	struct flow_table *flows;
	uint32_t plain_flows; /**< of this ring, without FLOW_CYCLIC: a reader looks flows up */
	bool plain_late;      /**< one has gone; the reader clears it when the queue is empty */
	uint32_t callers;     /**< between ring_enter() and ring_leave() */
	struct ring_stats stats;

	rte_spinlock_t tx_lock __rte_cache_aligned;
	bool tx_times;	 /**< frames may be given a time: ring_mbuf_send_at() */
	bool tx_prepare; /**< the device finishes checksums or segments */
	struct rte_mempool *tx_pool;
	struct ring_stats tx_stats;

	/* control */
	struct rte_mempool *rx_pool __rte_cache_aligned;
	uint32_t index; /**< in the ring table */
	uint32_t refs;
	int fd;	   /**< an epoll fd: the ring's name towards applications, readable when
		    *   the armed queue has packets; -1 until ring_fd() */
	int rx_fd; /**< Rx interrupt, -ENOTSUP without */
	int profile;
	int shared_profile;    /**< of the first cyclic socket that got no queue of its own and
				*   shares this one, 0: none */
	struct iovec memory;   /**< where an external profile has packets copied to */
	bool striding;	       /**< the device strides here */
	bool stride_pool;      /**< an address-ordered pool is behind the queue */
	uint32_t stride;       /**< bytes, 0 unless one of the two */
	uint32_t strides;      /**< in one buffer, or in the whole pool */
	uint8_t *stride_base;  /**< of the ordered pool */
	uint64_t last_poll_ms; /**< for the progress engine: attended or not */
	struct ring_alloc alloc;
	struct ip_addr local;
	enum ring_dir dir;	   /**< it was made for */
	bool armed;		   /**< by its descriptor, besides threads that sleep on it */
	uint32_t moderation_count; /**< ring_moderate() */
	uint32_t moderation_usec;
	uint16_t spare[RING_SPARE_MAX];
};

static inline struct ring_copy_layout
ring_profile_copy_layout(const struct ring_profile *p, uint32_t num)
{
	/* the longest frame that may come in segments: it takes several strides of padded mode */
	const uint32_t frame_max = 65535 + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	const uint32_t net = RING_PROFILE_NET_HDR + RTE_VLAN_HLEN;
	struct ring_copy_layout l = { .n = RTE_MAX((uint32_t)RING_BURST_MAX, num) };

	switch (p->mode) {
	case CYCLIC_PADDED:
		l.slot = ring_profile_padded_stride(p);
		l.n = RTE_MAX(l.n, (frame_max + l.slot - 1) / l.slot);
		break;
	case CYCLIC_RAW:
		l.slot = p->stride_bytes + net;
		break;
	case CYCLIC_SEPARATE:
		l.hdr_slot = net;
		/* fall through */
	default:
		l.slot = p->stride_bytes;
		l.hdr_slot += p->hdr_bytes;
		break;
	}
	l.payload_len = (size_t)l.n * l.slot;
	l.bytes = RTE_CACHE_LINE_ROUNDUP(l.payload_len) + (size_t)l.n * l.hdr_slot;
	return l;
}

static inline void
ring_hold(struct ring *ring)
{
	__atomic_fetch_add(&ring->refs, 1, __ATOMIC_RELAXED);
}

static inline void
ring_leave(struct ring *ring)
{
	if (!ring->lockless)
		__atomic_fetch_sub(&ring->callers, 1, __ATOMIC_RELEASE);
}

static inline struct flow *
ring_flow_of_mark(const struct ring *ring, uint32_t mark)
{
	return mark < ring->by_mark_n ? ring->by_mark[mark] : NULL;
}

/** @name Data path */
/** @{ */
/** Counts; false. */
bool ring_rx_busy(struct ring *ring);
/** Waits, and counts that it had to. */
void ring_rx_wait(struct ring *ring);
void ring_tx_wait(struct ring *ring);

/** For pollers: false when somebody has the lock or waits for it, so that no poller starves them.
 */
static inline bool
ring_rx_trylock(struct ring *ring)
{
	if (ring->lockless ||
			(__atomic_load_n(&ring->rx_waiters, __ATOMIC_RELAXED) == 0 &&
					likely(rte_spinlock_trylock(&ring->rx_lock))))
		return true;
	return ring_rx_busy(ring);
}

/** For those that must: waits for the poller's burst to end. */
static inline void
ring_rx_lock(struct ring *ring)
{
	if (!ring->lockless && unlikely(!rte_spinlock_trylock(&ring->rx_lock)))
		ring_rx_wait(ring);
}

static inline void
ring_rx_unlock(struct ring *ring)
{
	if (!ring->lockless)
		rte_spinlock_unlock(&ring->rx_lock);
}

/**
 * Make the calling thread known to EAL, so that mempool caches work for it; undone when the thread
 * ends. Without effect on a thread that is EAL's, on one that registered, and when EAL has no room
 * for another. Called by ring_rx() and ring_tx_alloc().
 */
void ring_thread_register(void);
/** In a child of fork(): the thread has nothing to give back when it ends. */
void ring_thread_forget(void);

static inline void
ring_thread(void)
{
	if (unlikely(rte_lcore_id() == LCORE_ID_ANY))
		ring_thread_register();
}

/** A burst from the device, eight at least: vector drivers return none for a few. rx_lock held. */
static inline uint16_t
ring_rx(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	ring_thread();
	return rte_eth_rx_burst(ring->port_id, ring->queue, pkts, n);
}

/** A burst from the default ring's spare queue @p i < spare_queues; rx_lock held. */
static inline uint16_t
ring_rx_spare(struct ring *ring, unsigned int i, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(ring->port_id, ring->spare[i], pkts, n);
}

/**
 * Packets other rings received for this one, in the state in which a sink gets them; counted. Their
 * flow has to be looked up again, it may have moved or gone. rx_lock held.
 */
static inline uint16_t
ring_rx_handover(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	unsigned int got;

	if (likely(ring->handover == NULL || rte_ring_empty(ring->handover)))
		return 0;
	got = rte_ring_sc_dequeue_burst(ring->handover, (void **)pkts, n, NULL);
	STAT_ADD(&ring->stats, RING, handover_in, got);
	return got;
}

/**
 * Give packets to the ring that owns their flow, and wake it if it sleeps. What it does not take is
 * dropped and counted. The rx_lock of @p from is held.
 */
void ring_give(struct ring *from, struct ring *to, struct rte_mbuf **pkts, uint16_t n);

/**
 * Send a burst. Takes tx_lock. Packets that do not fit are freed and counted unless @p keep; those
 * that the device can never send are freed and counted in any case, and count as taken.
 * @return packets taken
 */
uint16_t ring_tx(struct ring *ring, struct rte_mbuf **pkts, uint16_t n, bool keep);

/** Transmit buffers, all or none: 0 or -ENOBUFS (counted). */
int ring_tx_alloc(struct ring *ring, struct rte_mbuf **pkts, uint16_t n);

/** Make the driver free what the device has sent, for one who takes buffers of tx_pool itself. */
void ring_tx_reclaim(struct ring *ring);
/**
 * Bring into the caches what a send touches of the ring and of the driver's queue, and send
 * nothing. Any thread; takes the tx_lock.
 */
void ring_tx_warm(struct ring *ring);
/** @} */

/** @name Sleeping */
/** @{ */
/**
 * The ring's fd for applications (vma_get_socket_rings_fds); created on first use.
 * @return the fd, or -EMFILE, -ENOMEM... with one log line
 */
int ring_fd(struct ring *ring);
/**
 * The ring with that fd, NULL for none. No lock and a few instructions for fds below 65536. Only
 * for who knows that the ring does not end meanwhile; ring_enter() and ring_pin() see to that.
 */
struct ring *ring_by_fd(int fd);
/** The same with one more reference, whatever other threads do to its sockets meanwhile. */
struct ring *ring_hold_by_fd(int fd);
/**
 * The same for one call on the data path: the ring ends only after ring_leave(). In between, no
 * call of the control path.
 */
struct ring *ring_enter(int fd);
static inline void ring_leave(struct ring *ring);
/** The same for calls of the control path, which ring_unpin() ends; that may be the ring's end. */
struct ring *ring_pin(int fd);
void ring_unpin(struct ring *ring);
/**
 * Arm the Rx interrupt: the ring's fd becomes readable with the next packet. Takes rx_lock. Each
 * call that did not fail is to be undone by one ring_disarm(), of the same thread or another; while
 * one of several still counts the interrupt stays on.
 * @return 0 armed; 1 packets are waiting already: do not sleep; -ENOTSUP: nap instead; or as
 *         ring_fd()
 */
int ring_arm(struct ring *ring);
/**
 * Take the pending notifications and turn the interrupt off. Takes rx_lock. Without effect on a
 * ring that cannot be armed.
 * @return how many there were: 0, 1 or 2 (packets arrived, packets were handed over)
 */
int ring_disarm(struct ring *ring);
/** CQ moderation has no ethdev call: kept and reported, -ENOTSUP. */
int ring_moderate(struct ring *ring, uint32_t count, uint32_t period_usec);
/** @} */

/** @name Memory of the application (extmem.c) */
/** @{ */
/**
 * Make memory known to EAL and to the device of the ring, which may then read and write it: packets
 * may lie there. What the range shares with another of this or another ring is mapped once. EAL is
 * told of whole pages; the device too, but one that has keys for ranges (mlx5), which is told of
 * these bytes. A bus without mappings (vdev) needs none.
 *
 * @param[out] key a number of the range on this device, at least 1; the same range has the same. It
 *             is no key of the device's, which ethdev does not show.
 * @return 0; -EINVAL (no address, no length, past the end of memory), -EFAULT (not mapped), -EEXIST
 *         (it begins or ends in another range and goes beyond that, on a device with keys: one
 *         packet across would need both), -EOPNOTSUPP (physical addresses, --iova-mode=pa), -ENODEV
 *         (the device is gone), -ENOMEM, or as EAL or the driver says; one log line for all but
 *         -EINVAL
 */
int ring_memory_add(struct ring *ring, void *addr, size_t len, uint32_t *key);
/**
 * Undo one ring_memory_add() of that ring; the ring's end undoes them all. The device must not be
 * using the memory.
 * @return 0; -ENOENT: this ring has not registered exactly this
 */
int ring_memory_del(struct ring *ring, void *addr, size_t len);
/**
 * Whether the ring's device sends from these bytes: they lie in one range that this ring has
 * registered or in EAL's memory, or the PMD sends from anywhere; and the port takes chains, as
 * headers lie elsewhere. Data path, any thread.
 */
bool ring_sends_from(struct ring *ring, const void *addr, size_t len);
/** @} */

/** Every ring there is, for the progress engine and statistics; a reference is taken while in @p
 * cb. */
void ring_foreach(void (*cb)(struct ring *ring, void *ctx), void *ctx);
/**
 * Memory is about to be unmapped. In EAL's interrupt thread: come back when every burst that began
 * before is over. Rings without locks (VMA_THREAD_MODE=0) are not waited for.
 */
void rings_before_unmap(void);

/** Counters of both directions added up; a snapshot, any thread. */
void ring_stats_sum(const struct ring *ring, struct ring_stats *sum);

/**
 * Pools as VMA_RX_BUFS, VMA_TX_BUFS, VMA_MEM_ALLOC_TYPE say; ports exist, EAL is up.
 *
 * @return 0; -ENOMEM with one log line that names the variable, the bytes needed and free and the
 *         number that would do. Numbers nobody set are cut down to what fits, which an info line
 *         tells.
 */
int rings_init(void);
/**
 * Give every ring and pool back; before ports_fini(). A pool that a queue is still set up with, or
 * of which the application holds packets, stays until ring_pools_fini() or rings_init() takes it up
 * again.
 */
void rings_fini(void);
/**
 * In a child of fork(), which has neither the devices nor their memory: from now on no descriptor
 * is a ring's and no address a buffer's. What a signal handler may call.
 */
void rings_forget(void);
/** After ports_fini(): free the pools that rings_fini() had to leave to the queues. */
void ring_pools_fini(void);

/** Functions of the program that give the memory of packet buffers. */
struct ring_memory {
	void *(*alloc)(size_t len);    /**< NULL: there is none */
	void (*release)(void *memory); /**< when nothing needs it any more; NULL: never */
};
/**
 * Where packet buffers of one direction lie: in memory that these give, one area for each pool,
 * instead of EAL's. Pools that the device's driver makes for itself stay where they are. For pools
 * that are made later; control path, before rings_init().
 * @return 0; -EINVAL: no function to allocate by
 */
int ring_memory_from(enum ring_dir dir, const struct ring_memory *functions);

/** What a buffer is to the application that has it in hand. */
enum ring_lent {
	RING_LENT_NOT,
	RING_LENT_PACKET, /**< the first buffer of a packet: recvfrom_zcopy(), a callback's HOLD */
	RING_LENT_BUFF,	  /**< one buffer: socketxtreme */
};

/**
 * What dpvma keeps in an mbuf, registered with rte_mbuf_dynfield_register(): it lies on the second
 * line of the mbuf, with next and pool. A packet is in one queue or in the hands of the
 * application, never both, so both use the same bytes; as lent it is the vma_buff_t of the extra
 * API, in whose tail nobody looks.
 */
struct ring_meta {
	union {
		struct {
			struct rte_mbuf *link; /**< next packet of a socket's queue */
			uint64_t swtime;       /**< of the burst that brought it, ns */
		};
		struct {
			struct ring_meta *next;
			void *payload;
		};
	};
	uint16_t len;
	uint16_t lent;	/**< enum ring_lent; NOT in a queue and in a pool; BUFF with what follows */
	uint32_t owner; /**< who lent it: a socket's serial number */
};
_Static_assert(sizeof(struct ring_meta) == 24, "the dynamic fields of an mbuf are few");

extern int ring_mbuf_meta_offset;
static inline struct ring_meta *
ring_mbuf_meta(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, ring_mbuf_meta_offset, struct ring_meta *);
}
static inline struct rte_mbuf *
ring_mbuf_of_meta(struct ring_meta *meta)
{
	return (struct rte_mbuf *)((char *)meta - ring_mbuf_meta_offset);
}
static inline struct rte_mbuf **
ring_mbuf_link(struct rte_mbuf *m)
{
	return &ring_mbuf_meta(m)->link;
}

/** @name Buffers in the hands of the application (lend.c) */
/** @{ */
static inline void
ring_lend(struct rte_mbuf *m, enum ring_lent how, uint32_t owner)
{
	struct ring_meta *meta = ring_mbuf_meta(m);

	meta->lent = (uint16_t)how;
	meta->owner = owner;
}
/** Whether an mbuf of a pool that ring_pool_known() was told of is at that address; reads nothing
 * there before that is sure. Any thread, no lock. */
bool ring_mbuf_is(const void *address);
/** Where the last one was: many of a call are looked for there first. Zero at the start. */
struct ring_found {
	uintptr_t begin, size;
	const struct rte_mempool *pool;
};
/** As ring_mbuf_is(), in all pools; notes where it was. */
bool ring_mbuf_find(const void *address, struct ring_found *found);
static inline bool
ring_mbuf_near(const void *address, struct ring_found *found)
{
	uintptr_t at = (uintptr_t)address;

	if (likely(at - found->begin < found->size && at % RTE_CACHE_LINE_SIZE == 0 &&
			    ((const struct rte_mbuf *)address)->pool == found->pool))
		return true;
	return ring_mbuf_find(address, found);
}
/**
 * Take back what the application hands in.
 * @return 0: the caller's again; -EFAULT: no buffer of ours; -EALREADY: nobody has lent it, or it
 *         was given back; -ENOENT: lent otherwise, or by another than @p owner
 */
static inline int
ring_lent_back(void *mbuf, enum ring_lent how, uint32_t owner)
{
	struct ring_meta *meta;

	if (unlikely(!ring_mbuf_is(mbuf)))
		return -EFAULT;
	meta = ring_mbuf_meta((struct rte_mbuf *)mbuf);
	if (unlikely(meta->lent != (uint16_t)how || meta->owner != owner))
		return meta->lent == RING_LENT_NOT ? -EALREADY : -ENOENT;
	meta->lent = RING_LENT_NOT;
	return 0;
}
/** @name What `lent` has besides RING_LENT_BUFF */
/** @{ */
#define RING_LENT_KIND 0x0f /**< enum ring_lent */
#define RING_LENT_PAID 0x10 /**< the bytes do not count in a window any more */
#define RING_LENT_MORE 0x20 /**< one reference besides the first */
#define RING_LENT_MOST (UINT16_MAX / RING_LENT_MORE) /**< references besides the first */
/** @} */
/**
 * One more reference to a buffer that was lent as RING_LENT_BUFF. Any thread.
 * @return how many there are; -EFAULT, -EALREADY, -ENOENT: as ring_lent_back(); -EOVERFLOW
 */
int ring_lent_more(void *mbuf);
/**
 * One less, of what is known to be an mbuf of ours. Any thread.
 * @param[out] unpaid its bytes count no more from now on; they did until now
 * @return how many are left; 0: the buffer is the caller's again; -EALREADY, -ENOENT
 */
int ring_lent_less_slow(struct rte_mbuf *mbuf, bool *unpaid);
static inline int
ring_lent_less(struct rte_mbuf *mbuf, bool *unpaid)
{
	struct ring_meta *meta = ring_mbuf_meta(mbuf);

	if (unlikely(__atomic_load_n(&meta->lent, __ATOMIC_RELAXED) != RING_LENT_BUFF))
		return ring_lent_less_slow(mbuf, unpaid);
	/* nobody else has it */
	meta->lent = RING_LENT_NOT;
	*unpaid = true;
	return 0;
}
/** A pool whose packets the application may come to have. 0, -ENOMEM; and before it is freed. */
int ring_pool_known(struct rte_mempool *pool);
void ring_pool_forgotten(const struct rte_mempool *pool);
/** @} */
/** The device's Rx timestamp in ns when (ol_flags & ring_mbuf_timestamp_flag), else unset. */
extern int ring_mbuf_timestamp_offset;
extern uint64_t ring_mbuf_timestamp_flag;
/**
 * The time at which the device sends a frame, where ring->tx_times: ns of CLOCK_REALTIME, in the
 * field of the receive timestamp. What is behind it in the queue waits with it. 0: no such flag.
 */
extern uint64_t ring_mbuf_send_at_flag;
static inline void
ring_mbuf_send_at(struct rte_mbuf *m, uint64_t ns)
{
	*RTE_MBUF_DYNFIELD(m, ring_mbuf_timestamp_offset, rte_mbuf_timestamp_t *) = ns;
	m->ol_flags |= ring_mbuf_send_at_flag;
}
/** The clock of it now, ns. */
extern uint64_t (*ring_send_clock)(void);
/** When a burst was taken, ns of CLOCK_REALTIME; written only for sockets that want it. */
static inline uint64_t *
ring_mbuf_swtime(struct rte_mbuf *m)
{
	return &ring_mbuf_meta(m)->swtime;
}
/**
 * The device's timestamp as nanoseconds of CLOCK_REALTIME, as VMA_HW_TS_CONVERSION says; 0 when the
 * packet has none or it cannot be converted. Any thread; no system call but about once a second.
 */
uint64_t ring_timestamp_ns(const struct ring *ring, const struct rte_mbuf *m);

/** How the timestamps of one burst become nanoseconds: asked for once for all of them. */
struct ring_clock {
	enum { RING_CLOCK_NONE, RING_CLOCK_RAW, RING_CLOCK_SYNCED } kind;
	uint64_t ticks, ns; /**< a moment by both clocks */
	double ns_per_tick;
};
/** @param m one of the burst, with a timestamp */
void ring_clock_of(const struct ring *ring, const struct rte_mbuf *m, struct ring_clock *clock);
/** As ring_timestamp_ns(), of a packet with a timestamp. */
static inline uint64_t
ring_clock_ns(const struct ring_clock *clock, const struct rte_mbuf *m)
{
	uint64_t ticks = *RTE_MBUF_DYNFIELD(
			m, ring_mbuf_timestamp_offset, const rte_mbuf_timestamp_t *);

	if (unlikely(clock->kind != RING_CLOCK_SYNCED))
		return clock->kind == RING_CLOCK_RAW ? ticks : 0;
	return clock->ns +
			(uint64_t)(int64_t)((double)(int64_t)(ticks - clock->ticks) *
					clock->ns_per_tick);
}

#endif
