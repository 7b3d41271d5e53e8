/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share: the socket, engines, local ports, flows.
 *
 * Locks, from the outermost: the control lock (sock.c), a socket's desk lock, those of lib/ring up
 * to the rx_lock, the list of engines, an engine, those of lib/net and the tx_lock. dead_lock
 * (flow.c) is innermost.
 */
#ifndef DPVMA_STREAM_PRIV_H
#define DPVMA_STREAM_PRIV_H

#include <errno.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include <rte_spinlock.h>

#include "conf/conf.h"
#include "stream/stream.h"

/** Looking at the clock costs as much as an empty poll: pollers do so this often. */
#define CHECKS_PER_S 50000
/** An engine without a look for so long is nobody's but the internal thread's. */
#define UNATTENDED_PER_S 100

#define ENGINES_MAX 64 /**< that one listener has: two a port */

/** @name Engines (engine.c, way.c) */
/** @{ */
#define WAYS 32 /**< a power of two */
/** A way that no connection has of its own: of answers to strangers, and before a connection. */
struct way {
	struct net_dst d;
	struct ip_addr src; /**< as asked */
	uint8_t ttl, tos;
	bool used;
};
/** A segment that found no way; told to the engine when it has returned. */
struct trouble {
	struct tcp_key key;
	uint32_t seq;
	uint32_t mtu;
	int err;
};
#define TROUBLES 8

/** A segment of a connection that is not here; with its headers. */
struct stray {
	struct tcp_key key;
	struct rte_mbuf *m;
};
#define STRAYS 64 /**< of one delivery: as many packets as there are in one */

struct stream_engine {
	struct tcp_engine *tcp;
	struct ring *ring;
	bool lockless;
	unsigned int refs; /**< flows; control lock */
	struct sink sink;
	TAILQ_ENTRY(stream_engine) next;
	uint64_t no_rules_before; /**< ms of clock_ms(): the device has refused one; control lock */
	rte_spinlock_t lock __rte_cache_aligned;
	uint64_t due;	    /**< of the next timer, ns; written with the lock, read without */
	uint64_t check_tsc; /**< no look at the clock before */
	const struct stream *opening; /**< whose SYN is being sent */
	unsigned int troubles;
	struct trouble trouble[TROUBLES];
	struct way ways[WAYS];
	TAILQ_HEAD(young_list, conn_extra) young; /**< may get a rule of their own, oldest first */
	unsigned int strays;			  /**< of the delivery that is under way */
	bool strays_asked;			  /**< nobody else has it */
	struct stray stray[STRAYS];
	struct young_list making; /**< get one at present */
};

/** Behind each connection of the engine. */
struct conn_extra {
	struct net_dst d;	  /**< the way, renewed when it is not valid */
	struct stream_flow *flow; /**< that brings its segments; NULL until accepted */
	union {
		TAILQ_ENTRY(conn_extra) next_young;
		struct flow *own; /**< that brings them besides, with a rule for them alone */
	};
	uint32_t since;	   /**< ms of clock_ms(), when it began to wait for one */
	uint8_t own_state; /**< OWN_* */
	uint8_t ttl, tos;
	bool set;    /**< ttl and tos are */
	bool orphan; /**< its socket is closed: counted in the flow */
	bool reuse;  /**< SO_REUSEADDR of the socket that it had */
	bool share;  /**< the same of SO_REUSEPORT */
};
static inline struct conn_extra *
extra_of(struct tcp_conn *conn)
{
	return tcp_extra(conn);
}

/** Each engine after another, NULL before the first and behind the last; control lock held. */
struct stream_engine *engine_next(const struct stream_engine *engine);
/** The engine of a ring, made on first need; holds the ring. 0, -ENOMEM, -EINVAL */
int engine_get(struct ring *ring, struct stream_engine **engine);
void engine_put(struct stream_engine *engine);
/** Every engine, for one that has none at hand; under the list's lock. */
void engine_foreach(void (*cb)(struct stream_engine *engine, void *ctx), void *ctx);
/** Timers when they are due. Cheap when they are not. */
void engine_timers(struct stream_engine *engine);
/** The engine of a ring, NULL for none; it may end meanwhile, and is to be tried then. */
struct stream_engine *engine_of(const struct ring *ring);
/** Somebody polls its ring and keeps its timers. */
bool engine_attended(const struct stream_engine *engine);
/** Timers by this clock, unless another thread is in the engine. @return the next */
uint64_t engine_run(struct stream_engine *engine, uint64_t now);
/** All engines go, with what connections they have. */
void engines_free(void);

/** Lock, and tell it the time. */
void engine_enter(struct stream_engine *engine);
void engine_leave(struct stream_engine *engine);

/** tcp_ops.output, mtu and reclaim */
void way_output(void *ctx, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n);
uint16_t way_mtu(void *ctx, const struct tcp_key *key);
void way_reclaim(void *ctx);
/** The way of a connection; the engine's lock held. 0, -EAGAIN without the link address yet, or as
 * net_route() */
int way_of(struct stream_engine *engine, struct tcp_conn *conn, struct net_dst **d);
/** @} */

/** @name Segments of connections of another engine (stray.c) */
/** @{ */
/** From now on there may be some. */
void stray_expect(void);
/** tcp_ops.stray */
bool stray_take(void *ctx, const struct tcp_key *key, struct rte_mbuf *m);
/** Give them to those who have the connections, or back to @p engine; no engine locked. */
void strays_hand(struct stream_engine *engine, struct ring *ring, struct stray *strays,
		unsigned int n);
/** @} */

/** @name Local ports (number.c); control lock held */
/** @{ */
struct lport {
	uint16_t port; /**< network order */
	TAILQ_HEAD(, stream) streams;
	RB_HEAD(flow_tree, stream_flow) flows;
};
struct lport *number_find(uint16_t port_be);
/** Free it when nobody has it. */
void number_put(struct lport *lp);
void number_foreach(void (*cb)(struct lport *lp, void *ctx), void *ctx);
/** Whether Linux would let the socket have it. */
bool number_conflict(const struct stream *s, const struct ip_addr *addr, uint16_t port_be,
		bool listening);
/** A number that conflicts with nobody, and that @p ok takes; 0: none. */
uint16_t number_choose(const struct stream *s, const struct ip_addr *addr, bool share,
		bool (*ok)(uint16_t port_be, void *ctx), void *ctx);
/** What a number is to be besides free; both get the number in network order. */
struct number_wish {
	bool (*fit)(uint16_t *port_be, void *ctx); /**< makes it suit; false: it cannot */
	bool (*ok)(uint16_t port_be, void *ctx);
	void *ctx;
};
/** As number_choose() with @p share, after some tries only; 0: none of those. */
uint16_t number_fit(const struct stream *s, const struct ip_addr *addr, struct number_wish *wish);
/** Put the socket there. 0, -ENOMEM */
int number_enter(struct stream *s, const struct ip_addr *addr, uint16_t port_be);
void number_leave(struct stream *s);
/** @} */

/** @name Flows (flow.c) */
/** @{ */
/**
 * What brings segments to an engine. Listeners and connections share one, and it outlives the
 * listener while connections that came by it live.
 */
struct stream_flow {
	RB_ENTRY(stream_flow) next; /**< of the local port */
	struct lport *lp;
	struct port *port;
	struct flow_key key;
	struct ring *ring;
	struct stream_engine *engine;
	struct flow *flow;    /**< NULL: with spread, nobody listens here and others do elsewhere */
	bool spread;	      /**< one of several of this key, each of another ring */
	uint32_t seats;	      /**< listeners that have it; control lock */
	uint32_t refs;	      /**< atomic */
	uint32_t left;	      /**< atomic: connections whose socket is closed */
	uint32_t left_strict; /**< atomic: of these, without SO_REUSEADDR */
	uint32_t left_alone;  /**< atomic: and without SO_REUSEPORT */
	int guard;	      /**< of stream_guard(), -1: none */
	bool dead;	      /**< in the list of those to be looked at; dead_lock */
	SLIST_ENTRY(stream_flow) next_dead;
};
/** By port and key. */
int flow_compare(const struct stream_flow *a, const struct stream_flow *b);
RB_PROTOTYPE(flow_tree, stream_flow, next, flow_compare)
/** With one more reference, made when there is none of that key; control lock held. */
int flow_get(struct lport *lp, struct port *port, const struct flow_key *key,
		struct ring_alloc *alloc, struct stream_flow **flow);
/** The first of that key, whether others share it or not, or NULL; control lock held. */
struct stream_flow *flow_first(struct lport *lp, struct port *port, const struct flow_key *key);
/**
 * The same for a listener that shares its number over rings: the flow of its own ring. One of
 * another ring at which nobody listens any more is left to strays.
 */
int flow_get_seat(struct lport *lp, struct port *port, const struct flow_key *key,
		struct ring_alloc *alloc, bool spread, struct stream_flow **flow);
/** Its desk is there: what others do not get comes. 0, -EADDRINUSE, or as ring_flow_add() */
int flow_open_seat(struct stream_flow *flow);
/** The listener leaves it; the reference stays. */
void flow_unseat(struct stream_flow *flow);
static inline struct stream_flow *
flow_hold(struct stream_flow *flow)
{
	__atomic_fetch_add(&flow->refs, 1, __ATOMIC_RELAXED);
	return flow;
}
/** Any lock may be held: the flow goes with the next flow_reap(). */
void flow_put(struct stream_flow *flow);
/** Free flows that nobody has; control lock held. */
void flow_reap(void);
/** All, whoever has them; their engines are still there. */
void flows_free(void);
/** tcp_ops.gone */
void flow_conn_gone(void *ctx, struct tcp_conn *conn);
/** @} */

/** @name Flows of accepted connections (own.c) */
/** @{ */
enum own_state { OWN_NONE, OWN_YOUNG, OWN_MAKING, OWN_HAS };
/** It was accepted, its flow is set: it gets one of its own if it stays. Engine locked. */
void own_want(struct stream_engine *engine, struct tcp_conn *conn);
/** The same for one whose segments come elsewhere, whether the device steers or not. */
void own_want_stray(struct stream_engine *engine, struct tcp_conn *conn);
/** It needs none any more. Engine locked, in a delivery or not. */
void own_end(struct stream_engine *engine, struct conn_extra *extra);
/** Whether own_reap() has something to do. */
bool own_ended(void);
/** Remove those that ended; control lock held. */
void own_reap(void);
/** Make some; control lock held. */
void own_run(void);
/** When it wants to be called again, ns. */
uint64_t own_due(uint64_t now);
/** That of a socket's connection, or NULL; control lock held, so that it stays. */
struct flow *own_of(struct stream *s);
/** All go. */
void own_free(void);
/** @} */

/** @name The socket */
/** @{ */
/** Where a listener waits: one in each engine. */
struct desk {
	struct stream_engine *engine;
	struct tcp_listener *listener;
};

/** struct stream.filter */
#define FILTER_ON 0x1	 /**< data are judged */
#define FILTER_HIDES 0x2 /**< those in the queue are not yet */
#define FILTER_OUT 0x4	 /**< a batch is being judged */
#define FILTER_TOLD 0x8	 /**< that there are some */

struct stream {
	enum stream_phase phase;
	struct stream_engine *engine; /**< of the connection; stays until the socket is closed */
	struct tcp_conn *conn;	      /**< under the engine's lock */
	struct stream_flow *flow;     /**< of the connection, now or before: keeps the engine */
	uint8_t shut;		      /**< 1: receive, 2: send */
	uint8_t filter;		      /**< FILTER_*; engine locked, or there is none */
	int error;		      /**< pending without a connection, an errno */
	stream_wake_cb wake;
	void *wake_ctx;
	net_report_cb report; /**< IP_RECVERR */
	stream_mark_cb mark;
	stream_staged_cb staged;
	struct stream_options opt;

	/* control lock */
	struct lport *lp; /**< NULL: unbound */
	struct ip_addr local;
	bool addr_bound, port_bound; /**< by bind(), not chosen by connect() */
	TAILQ_ENTRY(stream) same_port;
	struct ring_alloc alloc;
	struct ring *reserved;	    /**< of stream_reserve(), NULL: none */
	struct ring *aimed;	    /**< that answers are to come to, until the connect */
	struct stream_flow **seats; /**< of a listener: flows that lead to its desks */
	unsigned int n_seats, cap_seats;
	int backlog;
	bool partial;		  /**< of a listener: not every address has a seat */
	rte_spinlock_t desk_lock; /**< a listener's desks */
	struct desk *desks;
	unsigned int n_desks;
	unsigned int next_desk; /**< whose turn it is at accept(); control lock */
	struct sock_stats stats;
};

void stream_control_lock(void);
void stream_control_unlock(void);

/** The peer has ended its direction, or there is none any more. */
bool stream_ended(enum tcp_state state);
/** @name Data that are judged first (filter.c); engine locked, filter is not 0 */
/** @{ */
/** As tcp_recv(), and tcp_recv_chain(), of what can be read. */
ssize_t filter_recv(struct stream *s, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags);
ssize_t filter_chain(struct stream *s, size_t max, unsigned int bufs, struct rte_mbuf **chain);
/** Data came. @return false: they are hidden, and nobody is to be woken */
bool filter_event(struct stream *s, struct ring *ring);
/** @} */
/** Bytes that can be read; engine locked. */
static inline uint32_t
stream_visible(const struct stream *s)
{
	return unlikely(s->filter & FILTER_HIDES) ? 0 : tcp_recv_queued(s->conn);
}

/** tcp_ops.mark */
void stream_marked(void *ctx, void *owner, unsigned int what, uint32_t key);
/** tcp_ops.event */
void stream_event(void *ctx, void *owner, unsigned int events);
/** The connection is this socket's from now on; engine locked. */
void stream_own(struct stream *s, struct stream_engine *e, struct tcp_conn *conn,
		struct stream_flow *flow);

/** aim.c: the number for a connection whose answers arrive at its ring, which is kept in aimed; 0:
 * any will do. Control lock */
uint16_t aim_number(struct stream *s, const struct ip_addr *peer, uint16_t port_be,
		const struct net_dst *d);
/** aim.c: the ring that was kept is not needed any more. */
void aim_over(struct stream *s);
/** aim.c: count a connection whose segments come by another ring. */
void aim_check(const struct stream_flow *flow, const struct tcp_key *key);
/** connect.c: whether no connection has that number and peer. */
struct candidate {
	struct tcp_key key;
	bool used;
};
bool candidate_is_free(uint16_t port_be, struct candidate *c);
/** connect.c: how the peer is reached. As stream_way() */
int connect_way(const struct stream *s, const struct ip_addr *peer, struct net_dst *d);

/** listen.c: listeners on any address take up ports and addresses that came. Control lock held. */
void listen_follow(void);
/** Its options changed. */
void listen_apply(struct stream *s);
extern bool listen_stale;
/** @} */

#endif
