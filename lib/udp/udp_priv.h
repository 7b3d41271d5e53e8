/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share and nobody else sees: the socket, the sockets of one local port
 * number, the cells in which they compete for packets, the flows of a cell, the fan behind a flow
 * of several sockets, multicast groups.
 *
 * Locks, from the outermost: a socket's tx_lock; the control lock; a socket's poll lock; those of
 * lib/ring; the locks of the group table and of the peer table; a socket's queue lock, under which
 * no other is taken. Wake callbacks run under it.
 */
#ifndef DPVMA_UDP_PRIV_H
#define DPVMA_UDP_PRIV_H

#include <errno.h>
#include <sys/queue.h>

#include <rte_rwlock.h>
#include <rte_spinlock.h>

#include "udp/udp.h"

/** udp_sock_head.checks */
#define CHECK_PEER 0x1	       /**< only the peer's datagrams are the socket's */
#define CHECK_WAKE 0x2	       /**< the wake callback is wanted */
#define CHECK_WAKE_ARRIVAL 0x4 /**< with a queue that is not empty, too */
#define CHECK_STAGE 0x8	       /**< what comes is staged */

struct udp_tx;
struct udp_pace;

/** A source filter; never changed once a delivery can see it. */
struct udp_filter {
	bool exclude;
	unsigned int n;
	struct ip_addr sources[];
};

/** A multicast group that sockets of this process joined on a port. */
struct mc_group {
	LIST_ENTRY(mc_group) next;
	struct ip_addr addr;
	struct port *port;
	uint16_t vlan_id;
	LIST_HEAD(, udp_member) members;
	/* with VMA_ETH_MC_L2_ONLY_RULES, the rule on the MAC address */
	struct flow *l2_flow;
	struct ring *l2_ring;
	struct ring_alloc l2_alloc; /**< of the socket that made it: the others follow */
	unsigned int l2_users;
};

/** A socket's membership in one. */
struct udp_member {
	LIST_ENTRY(udp_member) next; /**< of the socket */
	LIST_ENTRY(udp_member) same; /**< of the group */
	struct mc_group *group;
	struct udp_filter *filter;
};

/** What the local address of a socket or a flow is. */
enum udp_local_kind { LOCAL_ANY, LOCAL_UNICAST, LOCAL_MULTICAST, LOCAL_BROADCAST };

#define STAGE_FRONT 64 /**< datagrams that need no walk along their links */

/** What waits to be judged (stage.c); queue lock. */
struct udp_stage {
	struct rte_mbuf **front;       /**< the first of them, STAGE_FRONT at most; NULL: none */
	struct rte_mbuf *first, *last; /**< those behind, linked as the queue is */
	uint32_t front_n;
	uint32_t n;	/**< of both */
	uint32_t bytes; /**< as udp_sock.bytes, of those that are out, too */
	uint32_t out;	/**< taken and not settled */
	bool ending;	/**< when they are settled it is over */
	udp_staged_cb staged;
	uint64_t gone, gone_bytes; /**< that did not pass */
};

struct udp_sock {
	/* One line for a delivery; a dequeue needs no other but the consumer's. */
	struct udp_sock_head head;
	rte_spinlock_t queue_lock;
	struct sink sink;	/**< behind a flow that is this socket's alone */
	struct sink sink_any;	/**< the same, for a flow without local address */
	struct rte_mbuf *first; /**< linked by ring_mbuf_link() */
	struct rte_mbuf *last;
	uint32_t bytes; /**< queued, UDP_PACKET_CHARGE for each included */
	/**
	 * What the wake callback's context is far, in cache lines; 0: too far. A delivery fetches
	 * its first line and the consumer's: the receive call that follows reads both.
	 */
	int32_t companion;
	struct udp_options opt;

	/* A receive call. */
	uint64_t read_packets __rte_cache_aligned; /**< taken out of the queue */
	uint64_t read_bytes;
	rte_spinlock_t poll_lock; /**< guards rings */
	uint16_t rings_n, rings_cap;
	bool rx_migrates; /**< the logic is one that migrates */
	bool tx_migrates;
	struct ring **rings;
	uint32_t peer_ip; /**< IPv4, network order; with CHECK_PEER */
	struct ring_alloc rx_alloc;

	/* A send call. */
	rte_spinlock_t tx_lock __rte_cache_aligned;
	uint16_t lport; /**< network order, 0: unbound */
	bool connected;
	bool addr_bound, port_bound; /**< by bind(), not chosen by connect() or a send */
	enum udp_local_kind kind;
	struct udp_tx *tx;     /**< made by the first send */
	struct udp_pace *pace; /**< SO_MAX_PACING_RATE; NULL: none */
	struct ring_alloc tx_alloc;
	struct ip_addr local;
	struct ip_addr peer;

	/* Control. */
	udp_wake_cb wake __rte_cache_aligned;
	void *wake_ctx;
	struct udp_stage stage;
	struct cell *cell; /**< NULL: unbound */
	TAILQ_ENTRY(udp_sock) same_port;
	TAILQ_ENTRY(udp_sock) same_cell;
	LIST_ENTRY(udp_sock) same_group; /**< bound to a multicast address */
	LIST_ENTRY(udp_sock) same_peer;	 /**< in the table of error.c when watched */
	bool watched;			 /**< connected, or bound and told of every error */
	net_report_cb recverr;
	LIST_HEAD(, udp_member) members;
	unsigned int members_n;
	LIST_HEAD(, udp_seat)
	seats; /**< the ring of each address, where it shares by SO_REUSEPORT */
	struct sock_stats stats;
};
_Static_assert(offsetof(struct udp_sock, opt.rcvbuf) == 56, "a delivery touches one line");
_Static_assert(offsetof(struct udp_sock, opt.want_time) < 64, "a delivery touches one line");

static inline struct udp_sock *
sock_of_sink(struct sink *sink)
{
	return (struct udp_sock *)((char *)sink - offsetof(struct udp_sock, sink));
}

static inline struct udp_sock *
sock_of_sink_any(struct sink *sink)
{
	return (struct udp_sock *)((char *)sink - offsetof(struct udp_sock, sink_any));
}

/** @name Several sockets behind one flow (group.c) */
/** @{ */
struct fan_entry {
	struct udp_sock *sock;
	const struct udp_filter *filter; /**< of a member; NULL: every source */
	bool member;			 /**< else IP_MULTICAST_ALL decides */
	bool shares;			 /**< unicast by hash: fan_mark() */
	const struct udp_flow *leg;	 /**< of those that share: the flow that is for it */
};
struct fan {
	struct sink sink;
	struct port *port;
	enum udp_local_kind kind; /**< of the flow */
	uint32_t n;
	uint32_t open;	 /**< entries without a peer, the one that gets unicast first */
	uint32_t spread; /**< of those, how many share by hash (SO_REUSEPORT) on this ring */
	uint32_t cap;
	uint32_t peers_mask;
	uint32_t *peers; /**< open addressing, index + 1 of the entry with that peer */
	struct fan_entry e[];
};
struct fan *fan_create(struct port *port, enum udp_local_kind kind, uint32_t cap);
void fan_free(struct fan *fan);
/** Set which of them share unicast by hash. @return how many */
uint32_t fan_mark(struct fan_entry *entries, uint32_t n);
/**
 * Put the entries in, marked, at most fan->cap; no delivery is under way. Needs no memory.
 * @param leg the flow it is behind: those of it share what it brings; when none is, all do
 */
void fan_fill(struct fan *fan, const struct fan_entry *entries, uint32_t n,
		const struct udp_flow *leg);
/** Whether a delivery needs a fan, and which sink serves where not (NULL: it needs one). */
struct sink *fan_single(enum udp_local_kind kind, const struct fan_entry *entry);
/** The pool that copies of a multicast packet come from; made on first use. 0 or -ENOMEM (logged).
 */
int fan_pool(void);
void fan_pool_free(void);
/** @} */

/** @name Queue (queue.c) */
/** @{ */
/** Move the data to the payload and append; takes the packets. The rx_lock is held. */
void queue_append(struct udp_sock *sock, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
void queue_deliver(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
void queue_deliver_any(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
void queue_free(struct udp_sock *sock);
/** A linked run to the end of the queue, whatever its length; queue lock held. */
void queue_splice(struct udp_sock *sock, struct rte_mbuf *first, struct rte_mbuf *last, uint32_t n,
		uint32_t bytes);
/** A delivery's run that is linked, to the end of what is staged; queue lock held. @return taken */
uint16_t stage_append(struct udp_sock *sock, struct ring *ring, struct rte_mbuf **pkts, uint16_t n,
		uint32_t bytes, uint32_t limit);

/** The IPv4 header of a packet that starts at its Ethernet header. */
static inline const struct rte_ipv4_hdr *
frame_ip(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
}

static inline const struct rte_udp_hdr *
frame_udp(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, m->l2_len + m->l3_len);
}

/** A multicast IPv4 address in network order. */
static inline bool
ip_is_group(uint32_t be)
{
	return (be & RTE_BE32(0xf0000000)) == RTE_BE32(0xe0000000);
}

/**
 * For several receivers: a multicast or broadcast frame, or such an address; both bytes are on the
 * line that the parser read.
 */
static inline bool
frame_is_group(const struct rte_mbuf *m)
{
	return (*rte_pktmbuf_mtod(m, const uint8_t *) & 1) != 0 ||
			*(const uint8_t *)&frame_ip(m)->dst_addr >= 224;
}
/** @} */

/** @name Cells and their flows (flows.c); control lock held */
/** @{ */
/**
 * A way for packets of a cell's key to arrive: one on each port that has the address, or several
 * there, each a leg on another ring, when sockets that share by SO_REUSEPORT have different rings.
 */
struct udp_flow {
	LIST_ENTRY(udp_flow) next;
	struct cell *cell;
	LIST_HEAD(, udp_seat) seats; /**< the sockets that share what this one brings */
	struct port *port;
	struct flow_key key;
	unsigned int flags;
	struct flow *flow;
	struct ring *ring;
	struct ring *old_ring;	/**< the one before the last migration: somebody may sleep on it */
	struct udp_sock *owner; /**< whose allocation logic chose the ring */
	struct mc_group *l2;	/**< the group whose rule on the MAC address it uses */
	struct fan *fan;	/**< NULL: the sink is the owner's own */
	bool wanted;
	bool owned; /**< its owner has a seat: legs_renew() */
};
/** A socket of a group of SO_REUSEPORT has its ring. */
struct udp_seat {
	LIST_ENTRY(udp_seat) of_sock;
	LIST_ENTRY(udp_seat) of_leg;
	struct udp_sock *sock;
	struct udp_flow *leg;
};
/**
 * The sockets bound to one address and port (with VMA_UDP_3T_RULES=0 connected ones: to the same
 * peer too). Those bound to any address get what arrives here as well when no better one is there,
 * and multicast in any case; so what changes for a socket concerns its own cell, or, when it is
 * bound to any, all of its port number.
 */
struct cell {
	LIST_ENTRY(cell) same_hash;
	LIST_ENTRY(cell) same_port;
	struct lport *lp;
	struct ip_addr local;
	struct ip_addr remote; /**< all zeros: of any peer */
	uint16_t rport;
	enum udp_local_kind kind;
	bool dirty;		      /**< a socket came or went since the last renewal */
	TAILQ_HEAD(, udp_sock) socks; /**< in the order of binding */
	LIST_HEAD(, udp_flow) flows;
};
struct lport {
	uint16_t port; /**< network order */
	unsigned int socks_n;
	TAILQ_HEAD(, udp_sock) socks;
	LIST_HEAD(, cell) cells;
	struct cell *any; /**< the cell of those bound to any address, NULL without */
	bool any_spreads; /**< several of these share, and may have different rings */
	struct fan_entry *scratch;
	unsigned int scratch_n; /**< at least socks_n, so that leaving needs no memory */
};

/** Put the socket into the cell of its addresses, at the end. 0, -ENOMEM. */
int cell_enter(struct lport *lp, struct udp_sock *sock);
/** Take it out; its flows stay as they are until a renewal. */
void cell_leave(struct udp_sock *sock);
/**
 * Make the flows and sinks of the port number what its sockets ask for now: new flows first, then
 * those nobody wants any more go. On return nothing is delivered to a socket that left.
 *
 * @param sock whose success counts, NULL: none's
 * @param was any: every cell; else only that of the address (and the socket's)
 * @return 0, or what kept every flow from being made that the socket asked for; then those nobody
 *         wants are still there, for the caller who goes back and renews again
 */
int flows_renew(struct lport *lp, struct udp_sock *sock, const struct ip_addr *local);
/** Move the flows the socket owns to the rings its allocation logic names now. */
int flows_migrate(struct udp_sock *sock);
/** The flow that takes datagrams to this address on the port, NULL for none. */
struct udp_flow *flows_find(
		const struct lport *lp, const struct port *port, const struct ip_addr *addr);
/** Poll no ring for the socket any more. */
void flows_forget_rings(struct udp_sock *sock);
/** A port changed: look when there is time. Any thread, whatever lock it holds. */
void flows_note_change(struct port *port, void *ctx);
extern bool flows_stale;
/** @} */

/** @name Local ports (bind.c); control lock held */
/** @{ */
/** Also a hint without the lock. */
struct lport *lport_find(uint16_t port_be);
void lport_foreach(void (*cb)(struct lport *lp));
/** Leave the port number: on return nothing is delivered and no ring is polled. */
void bind_leave(struct udp_sock *sock);
/** Whether no socket here has the number. */
bool bind_is_free(uint16_t port_be);
/** Bind an unbound socket to any address and a free port. */
int bind_auto(struct udp_sock *sock);
/** The sockets bound to a multicast address. */
LIST_HEAD(udp_sock_list, udp_sock);
extern struct udp_sock_list bind_multicast;
/** @} */

/** @name Membership (member.c); control lock held unless said */
/** @{ */
/** Every group of that address, one a port. */
void mc_group_foreach(const struct ip_addr *addr, void (*cb)(struct mc_group *group, void *ctx),
		void *ctx);
struct udp_member *member_find(
		const struct udp_sock *sock, const struct ip_addr *addr, const struct port *port);
void members_leave_all(struct udp_sock *sock);
/** Data path: whether anybody in this process joined the group there. No lock needed. */
bool mc_joined(const struct port *port, uint32_t group_be);
/** Whether the filter lets the source pass; NULL lets all. */
bool filter_passes(const struct udp_filter *filter, uint32_t source_be);
/**
 * The filter of the interface from those of the sockets, RFC 3376 section 3.2.
 * @param sources room for UDP_SOURCES_MAX addresses
 * @return 0; -ENOBUFS (more sources than that). EXCLUDE is false and n is 0: nobody listens.
 */
int filter_merge(const struct udp_filter *const *filters, unsigned int n, struct ip_addr *sources,
		struct net_mc_filter *merged);
/** @} */

/** @name Errors (error.c) */
/** @{ */
/** Out of the table of those that hear of errors, before its addresses change. */
void error_forget(struct udp_sock *sock);
/** Into it, if it is to hear of errors as it is now. */
void error_watch(struct udp_sock *sock);
void error_icmp(const struct flow_key *key, const struct net_error *e);
/** A datagram that is too long: IP_RECVERR wants to know by how much. */
void error_too_long(struct udp_sock *sock, const struct udp_out *out, uint32_t mtu);
/** @} */

/** @name Ways (way.c) */
/** @{ */
void way_close(struct udp_sock *sock);
/** Forget ways and rings: the allocation logic, the address or the peer changed. */
void way_reset(struct udp_sock *sock);
/** The way to a peer as the socket's options are now. */
void way_ask(const struct udp_sock *sock, const struct ip_addr *dst, struct net_way *way);
/** An address that only SO_BROADCAST may send to. */
bool way_is_broadcast(const struct ip_addr *dst, const struct port *port);
/** @} */

/** The control lock (sock.c); may be taken again by the thread that has it. */
void control_lock(void);
void control_unlock(void);

#endif
