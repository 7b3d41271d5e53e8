/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share and nobody else sees: the control side of a ring, what belongs
 * to a port, the flow table, the pools. All of it is guarded by the table lock, except where a
 * ring's rx_lock is named.
 */
#ifndef DPVMA_RING_PRIV_H
#define DPVMA_RING_PRIV_H

#include <sys/queue.h>

#include <rte_flow.h>
#include <rte_mempool.h>

#include "ring/ring.h"

/** @name The flow table of one ring, or of a port (flow_table.c) */
/** @{ */
/** How a flow is matched, the most specific first. */
enum flow_tier { FLOW_5TUPLE, FLOW_3TUPLE, FLOW_ANY, FLOW_ANY_VLAN, FLOW_TIERS };

struct flow_table;
struct spread;

/** NULL: no memory. */
struct flow_table *flow_table_create(void);
void flow_table_free(struct flow_table *table);
/** The flow of exactly this key. */
struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key);
/** 0, also when it is there already; -ENOMEM. A ring's table: rx_lock held. */
int flow_table_add(struct flow_table *table, struct flow *flow);
/** False when it was not there. A ring's table: rx_lock held. */
bool flow_table_del(struct flow_table *table, const struct flow *flow);
/** As ring_flow_lookup(). */
void flow_table_lookup(const struct flow_table *table, const struct flow_key *const *keys,
		struct flow **flows, uint16_t n);
uint32_t flow_table_count(const struct flow_table *table);
/** @} */

/** What makes two sockets share a ring; compared as a whole, so cleared before it is filled. */
struct ring_key {
	uint64_t id; /**< fd, user id, thread or CPU, as the logic says */
	struct ip_addr local;
	enum conf_ring_logic logic;
	int profile;
};

/** A key that shares the ring of another, since there was none left for it. */
struct ring_alias {
	SLIST_ENTRY(ring_alias) next;
	struct ring_key key;
};

/** A pool of one ring alone: it stays with the queue, so the next ring of its kind takes it up. */
struct ring_pool {
	LIST_ENTRY(ring_pool) next;
	struct rte_mempool *pool;
	const struct port *port;
	int profile;
	bool stride; /**< address-ordered */
	bool in_use;
	uint16_t rx_desc;
};

/** The control side of a ring. */
struct ring_ctl {
	struct ring ring;
	TAILQ_ENTRY(ring_ctl) next;   /**< rings of the port, in the order they were made */
	SLIST_ENTRY(ring_ctl) unused; /**< ended, and to be used again */
	struct ring_port *owner;
	uint32_t pins; /**< who keeps it alive without being a user */
	struct ring_key key;
	SLIST_HEAD(, ring_alias) aliases;
	struct ring_pool *own_pool;
	uint32_t sleepers;	     /**< calls of ring_arm() that were not undone */
	int wake_fd;		     /**< an eventfd in the ring's epoll set, -1 without */
	bool rx_fd_counts;	     /**< the interrupt's fd is an eventfd: read it to clear it */
	SLIST_HEAD(, extmem) memory; /**< registered by this ring (extmem.c) */
	rte_spinlock_t memory_lock;  /**< of the list, for those without the table lock */
};

/** What the rings of one port share. */
struct ring_port {
	struct port *port;
	TAILQ_HEAD(ring_list, ring_ctl) rings;
	unsigned int rings_n;
	TAILQ_HEAD(flow_list, flow_ctl) flows;
	TAILQ_HEAD(, spread) spreads;
	struct flow_list ending; /**< forgotten, but their rules are not gone yet */
	unsigned int stuck;	 /**< of these, not posted yet */
	struct rule_queue *queue;
	struct flow_table *all; /**< every flow of the port, for -EEXIST */
	struct flow **by_mark;	/**< what the rings read; by_mark_n entries, 0 unused */
	uint32_t by_mark_n;
	uint32_t mark_next;  /**< marks from here on were never used */
	uint32_t *mark_free; /**< those given back, first in first out, by_mark_n entries */
	uint32_t mark_free_head, mark_free_n;
	bool flat_priority; /**< the device takes no rule of another priority than 0 */
	bool refusal_told;
	uint64_t refusal_ms; /**< when, the last time */
	bool restarting;
};

/** The control side of a flow. */
struct flow_ctl {
	struct flow flow;
	TAILQ_ENTRY(flow_ctl) next;
	uint16_t rule_queue; /**< where the rule in the device leads */
	bool plain;	     /**< counted in plain_flows of its ring */
	bool wide;	     /**< other rings than its own may know it */
	/* where rules are made by a queue (rule_queue.c) */
	uint8_t table;		      /**< of its kind's, the rule's */
	uint8_t ops;		      /**< under way that name this flow */
	bool creating;		      /**< one of these makes its rule */
	bool waited;		      /**< somebody waits for it */
	bool failed;		      /**< how it ended */
	bool ends;		      /**< its rule goes as soon as it is made */
	bool stuck;		      /**< its rule is to be removed when there is room for that */
	bool forgotten;		      /**< no ring knows it: freed when nothing is under way */
	char *refused;		      /**< why the device took no rule, the last time; NULL */
	uint16_t buckets;	      /**< of its spread that lead to it */
	TAILQ_ENTRY(flow_ctl) member; /**< of its spread, in the order they came */
};

static inline struct ring_ctl *
ring_ctl(struct ring *ring)
{
	return (struct ring_ctl *)ring;
}

static inline struct flow_ctl *
flow_ctl(struct flow *flow)
{
	return (struct flow_ctl *)flow;
}

/** @name The table of rings (table.c) */
/** @{ */
/** Guards everything of the control path; may be taken again by the thread that has it. */
void table_lock(void);
void table_unlock(void);
/** In a child of fork(): nobody has the lock. */
void table_forget(void);
/** What belongs to the port, made on first use; NULL: no memory. */
struct ring_port *table_port(struct port *port);
/** The same, NULL when no ring was ever made there. */
struct ring_port *table_port_peek(const struct port *port);
void table_foreach_port(void (*cb)(struct ring_port *rp));
int table_insert(struct ring_ctl *ctl);
void table_remove(struct ring_ctl *ctl);
/** Drop a pin; the last one of a ring without users destroys it. */
void table_unpin(struct ring_ctl *ctl);
/** The nth ring there is, NULL past the end. */
struct ring_ctl *table_at(uint32_t nth);
/** Follow restarts of ports. */
int ring_table_init(void);
/** Every ring is gone: flows that were left, and what belongs to the ports. */
void ring_table_fini(void);
/** The default ring polls the queues of its port that no ring has. */
void table_update_spare(struct ring_port *rp);
/** @} */

/** Stop the queue and free the ring (alloc.c). */
void ring_destroy(struct ring_ctl *ctl);

/** @name Pools (pools.c) */
/** @{ */
int pools_init(void);
void pools_fini(void);
struct rte_mempool *pools_rx(int socket_id);
struct rte_mempool *pools_tx(int socket_id);
/** Bytes of EAL memory that can still be had on that node, huge pages that are free included. */
uint64_t pools_memory_free(int socket_id);
/** Bytes of a packet buffer for this MTU, headroom included. */
uint32_t pools_room(uint16_t mtu);
/** Bytes of memory that one such buffer takes in a pool. */
uint32_t pools_bytes_each(uint32_t room);
/** Free a pool of either kind, unless a queue is set up with it or packets are out there: false. */
bool pools_free(struct rte_mempool *pool);
/** An ordinary pool for packets of that direction; NULL with rte_errno. */
struct rte_mempool *pools_create(
		const char *name, unsigned int n, uint32_t room, int socket_id, enum ring_dir dir);
/** @} */

/** @name Pools in memory of the program (memory.c) */
/** @{ */
/** Whether ring_memory_from() was told of that direction. */
bool memory_is_given(enum ring_dir dir);
/** A pool of mbufs in it; NULL with rte_errno, EIO: the cause was logged. */
struct rte_mempool *memory_pool_create(const char *name, unsigned int n, unsigned int cache,
		uint32_t room, int socket_id, enum ring_dir dir);
/** False: it is none of those. */
bool memory_pool_free(struct rte_mempool *pool);
/** @} */

/** @name Queues of cyclic profiles (profile.c) */
/** @{ */
/**
 * What a ring of this profile asks of the port: fills @p conf and the stride fields of the ring,
 * takes or makes ctl->own_pool where it needs one.
 * @return 0, -ENOMEM with one log line
 */
int profile_queue(struct ring_ctl *ctl, const struct ring_profile *profile,
		struct port_queue_conf *conf);
/**
 * The port has refused the ordered pool with @p err: ask for a queue of the ordinary pool instead,
 * where packets are copied.
 * @return the queue or the port's refusal as a negative errno
 */
int profile_queue_plain(struct ring_ctl *ctl, const struct ring_profile *profile, int err,
		struct port_queue_conf *conf);
/**
 * Whether the memory that a socket brings will do for its profile; always for one that needs none.
 * @return 0; -EINVAL (none, too little), -EFAULT (not mapped), with one log line
 */
int profile_memory(const struct port *port, const struct ring_profile *profile,
		const struct iovec *memory);
/** The ring is gone; its pool stays with the queue. */
void profile_pool_put(struct ring_ctl *ctl);
/** Free every pool whose packets are all back. */
void profile_pools_fini(void);
/** @} */

/** @name Flows as rings come, go and restart (flow.c) */
/** @{ */
/** Teach a new ring, not polled yet, what it must know. */
int flow_teach(struct ring_ctl *ctl);
/** A port restarts: its rings are locked in between. */
void flow_port_down(struct ring_port *rp);
void flow_port_up(struct ring_port *rp);
/** Other rings may receive for this one: give it a handover ring. 0 or -ENOMEM (logged). */
int flow_handover(struct ring *ring);
void flow_port_free(struct ring_port *rp);
/** The rx_lock, which is held already while a port restarts. */
void flow_ring_lock(struct ring_port *rp, struct ring *ring);
void flow_ring_unlock(struct ring_port *rp, struct ring *ring);
/** Rules are asked for, possible, and the address is one that a rule can name. */
bool flow_wants_rule(const struct ring_port *rp, const struct flow *flow);
/** @p gauge is what the owner's count of rules changes by, @p refused of those refused. */
void flow_count_rule(struct ring_port *rp, struct ring *ring, int gauge, unsigned int refused);
/** Said for each flow where it is lost by that, else once a port. */
void flow_tell_refusal(struct ring_port *rp, const struct flow *flow, const char *why);
/** Why no rule steers it. */
const char *flow_why_software(const struct ring_port *rp, const struct flow_ctl *f);
/** @} */

/** @name Flows of one key on several rings (spread.c) */
/** @{ */
/** A power of two: the queues that one RSS action names. */
#define SPREAD_BUCKETS 128
/** Whether a flow of that ring and those flags may join @p other. */
bool spread_takes(const struct flow *other, const struct ring *ring, unsigned int flags);
/**
 * @param f has its mark, and is in no table
 * @param other a flow of that key, NULL: this is the first
 * @return 0, -ENOMEM, -ENOSPC, or on an isolated port the device's refusal; spread_leave() undoes
 *         what was done in any case
 */
int spread_join(struct ring_port *rp, struct flow_ctl *f, struct flow *other);
void spread_leave(struct ring_port *rp, struct flow_ctl *f);
/** After it left, and after every ring's rx_lock was held. */
void spread_free(struct ring_port *rp, struct flow_ctl *f);
/** Its ring is another one. 0, -ENOMEM, or as spread_join() */
int spread_moved(struct ring_port *rp, struct flow_ctl *f);
/** A port restarts. */
void spread_down(struct ring_port *rp);
/** @return flows that receive nothing more */
unsigned int spread_up(struct ring_port *rp);
void spread_port_free(struct ring_port *rp);
/** What steers it, for ring_flow_text(); 0: as a flow alone. */
size_t spread_text(const struct ring_port *rp, const struct flow_ctl *f, char *buf, size_t len);
/** The device has refused a rule after all that nobody waited for. */
void flow_refused(struct ring_port *rp, struct flow_ctl *f, const char *why);
/** @} */

/** @name Flows that end (flow_end.c) */
/** @{ */
/** They are freed, when their rules are gone. */
void flows_forget(struct ring_port *rp, struct flow_ctl *const *flows, unsigned int n);
/** Nothing is under way for it, and no ring knows it. */
void flow_free(struct ring_port *rp, struct flow_ctl *f);
/** rx_lock held, no rule leads here any more; the queue may have packets yet. */
void plain_gone(struct ring *ring);
/** @} */

/** @name Marks (mark.c) */
/** @{ */
/** Room for twice as many. 0, -ENOMEM, -ENOSPC */
int marks_grow(struct ring_port *rp);
int mark_get(struct ring_port *rp, uint32_t *mark);
void mark_put(struct ring_port *rp, uint32_t mark);
/** @} */

/** @name Rules in the device (rule.c) */
/** @{ */
/**
 * @param wait until it is there; else, where the port has a queue for rules, flow_refused() tells
 * if it will not be
 * @return 0, or the device's refusal as a negative errno with @p why filled in
 */
int rule_create(struct ring_port *rp, struct flow_ctl *f, uint16_t queue, bool wait, char *why,
		size_t len, struct rte_flow **rule);
/** The same to several queues, without a mark. Where a queue makes rules: -ENOTSUP */
int rule_create_rss(struct ring_port *rp, struct flow_ctl *f, const struct rte_flow_action_rss *rss,
		char *why, size_t len, struct rte_flow **rule);
/**
 * @param table flow_ctl.table when it was made
 * @param ends the flow ends with it and is in the list of those that end: flow_free() does not come
 * before the device is done
 */
void rule_destroy(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule, uint8_t table,
		bool ends);
/** Send what was put off, and look at what is done; wait for @p all, one second at most. */
void rule_settle(struct ring_port *rp, bool all);
/** Every rule is gone, and so is what was made for them. */
void rule_close(struct ring_port *rp);
/** Operations of all ports that are under way. */
extern uint32_t rules_under_way;
/** @} */

/** @name Sleeping and time */
/** @{ */
void sleep_init(struct ring_ctl *ctl);
void sleep_fini(struct ring_ctl *ctl);
/** The queue was set up anew: its interrupt may have another fd. */
void sleep_restart(struct ring_ctl *ctl);
/** Data path: a packet was handed over to a ring whose poller sleeps. */
void sleep_wake(struct ring *ring);

/** Register the fields and note how the port's clock runs. */
int timestamp_init(void);

/** @name Rings by descriptor (fds.c); the table lock held */
/** @{ */
/** The descriptor, or the same file under a number that was no ring's lately. */
int ring_fd_fresh(int fd);
/** ring->fd is the ring's from now on. */
void ring_fd_begin(struct ring *ring);
/** It is no more, and nobody who came by it is inside. */
void ring_fd_end(struct ring *ring);
/** In a child of fork(), without the lock: no number is a ring's. */
void fds_forget(void);
/** @} */

/** @name Memory of the application (extmem.c); the table lock held */
/** @{ */
/** The ring ends: undo what was registered by it. */
void extmem_end(struct ring_ctl *ctl);
/** Whether every page of it is there. */
bool extmem_mapped(const void *addr, size_t len);
/** @} */

/* extmem.c */
/** Physical addresses of an application's pages may change; only vdevs and mlx5 do without. */
bool extmem_needs_physical(const struct port *port, const struct rte_device *device);

/* lend.c */
void lend_fini(void);
/** In a child of fork(): no address is a buffer's. */
void lend_forget(void);
void timestamp_port(struct port *port);
/** Whether frames may be given a time (schedule.c): the port can, and its clock is not off. */
bool schedule_works(const struct port *port);
/** For timestamp_init(), before a port starts: a driver looks for the flag then. */
void schedule_init(void);
/** @} */

#endif
