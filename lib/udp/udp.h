/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP sockets without file descriptors: ports and addresses, flows, the queue of received
 * datagrams, groups that several sockets share, sending. Errors are negative errno values; nothing
 * here blocks.
 *
 * Any thread may use any socket; only udp_close() must be the last call. Delivery runs under the
 * ring's rx_lock and takes the socket's queue lock once a run of packets; a reader takes the queue
 * lock once a batch. The control calls (open, bind, connect, membership, close, migration) share
 * one lock, which is above those of lib/ring: none of them may be called from a delivery.
 */
#ifndef DPVMA_UDP_H
#define DPVMA_UDP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <rte_mbuf.h>

#include "base/base.h"
#include "net/net.h"
#include "ring/ring.h"
#include "stat/stat.h"

struct udp_sock;

/**
 * What the socket above may set at any time; read on the next call or packet. What decides where
 * packets go (bind_ifindex, bind_port, reuse_port, deaf) is looked at by udp_bind(), udp_connect()
 * and udp_renew(). rcvbuf and want_time come first: they lie on the cache line that a delivery
 * touches.
 */
struct udp_options {
	uint32_t rcvbuf; /**< bytes of the queue; floor VMA_RX_BYTES_MIN; each packet counts
			  *   its payload plus UDP_PACKET_CHARGE, so that empty ones count too */
	bool want_time;	 /**< SO_TIMESTAMP*, SO_TIMESTAMPING: stamp on arrival */
	bool mc_all;	 /**< IP_MULTICAST_ALL */
	bool mc_loop;
	bool df;	/**< IP_MTU_DISCOVER: set DF, -EMSGSIZE over the MTU */
	bool broadcast; /**< SO_BROADCAST: else -EACCES on sending to one */
	bool reuse_addr, reuse_port;
	bool deaf;     /**< another receives for its number: no flow leads here */
	bool no_check; /**< SO_NO_CHECK: send without checksum (IPv4) */
	uint32_t uid;  /**< whose it is: one user's sockets alone share by reuse_port */
	uint8_t ttl, mc_ttl, tos;
	uint16_t gso_size;     /**< UDP_SEGMENT: 0 none */
	uint32_t bind_ifindex; /**< SO_BINDTODEVICE; 0 none */
	struct port *bind_port;
	struct port *mc_port;	/**< IP_MULTICAST_IF; NULL: by route */
	struct ip_addr mc_addr; /**< source address of that interface */
};

/** Bytes that a queued datagram counts besides its payload. */
#define UDP_PACKET_CHARGE 64
/** Most of one kind that a socket or interface may have; -ENOBUFS beyond. */
#define UDP_MEMBERSHIPS_MAX 1024
#define UDP_SOURCES_MAX 128

/**
 * Tells who waits for the socket what happened: POLLIN (the queue was empty and is not any more, or
 * whatever udp_set_wake() says), POLLERR (an error came), 0 (the receiving side was shut). Called
 * with the queue lock held: must not block, nor call in. RING_CHANGED comes without that lock, from
 * the control path. @p ring: by which it came, NULL when by none.
 */
typedef void (*udp_wake_cb)(void *ctx, struct ring *ring, unsigned int events);

/** When the wake callback is wanted; RING_CHANGED comes in any case. */
enum udp_wake {
	UDP_WAKE_NEVER,
	UDP_WAKE_READABLE, /**< at an arrival in an empty queue, as it is from the start */
	UDP_WAKE_ARRIVAL,  /**< at every one */
};

/**
 * @param id of this socket alone, for rings per socket
 * @return 0 or -ENOMEM
 */
int udp_open(int id, udp_wake_cb wake, void *ctx, struct udp_sock **sock);
/** Leave groups, remove flows, free queued packets. Waits for a delivery that is under way. */
void udp_close(struct udp_sock *sock);

struct udp_options *udp_options(struct udp_sock *sock);
/** The socket's counters; rx_packets and rx_bytes are brought up to date by this call. */
struct sock_stats *udp_stats(struct udp_sock *sock);
/** The allocation logic of a direction, to look at. */
struct ring_alloc *udp_ring_alloc(struct udp_sock *sock, enum ring_dir dir);
/**
 * Another allocation logic. A bound socket moves its flows; those that it shares with another
 * socket stay where that one has them. @return 0 or what ring_acquire() and ring_flow_add() say
 */
int udp_set_ring_alloc(struct udp_sock *sock, enum ring_dir dir, const struct ring_alloc *alloc);
/** After a change of one of those of a bound socket. 0 or as udp_bind(). */
int udp_renew(struct udp_sock *sock);

/**
 * Bind. Port 0 chooses from DPVMA_EPHEMERAL_FIRST..LAST. Address any: every port of ours, now and
 * later.
 *
 * @param[in,out] port_be network order
 * @return 0; -EADDRINUSE; -EADDRNOTAVAIL (address is no port's, nor any, nor multicast); -EINVAL
 *         (bound already); -EREMOTE (nothing to offload: the kernel's business); what rings and
 *         rules return
 */
int udp_bind(struct udp_sock *sock, const struct ip_addr *addr, uint16_t *port_be);
/**
 * Fix the peer; binds to a free port when unbound, and to the address that the route gives when
 * bound to any. NULL dissolves, and undoes what connect chose, port and address.
 *
 * @return 0, -EACCES (broadcast without SO_BROADCAST), -EINVAL (port 0), -EREMOTE (an address of
 *         this machine, or the way is the kernel's); what net_route(), rings and rules return. The
 *         socket is as it was when this fails.
 */
int udp_connect(struct udp_sock *sock, const struct ip_addr *addr, uint16_t port_be);
/**
 * A number that nobody has here by which that peer's datagrams arrive at the ring of an unbound
 * socket, to be bound to before udp_connect().
 * @param[out] ring that it leads to, with a reference that the caller drops when the socket is
 *             connected; NULL: none
 * @return network order; 0: any is as good (the port does not spread), or none was found
 */
uint16_t udp_number(struct udp_sock *sock, const struct ip_addr *peer, uint16_t port_be,
		struct ring **ring);
void udp_local(const struct udp_sock *sock, struct ip_addr *addr, uint16_t *port_be);
bool udp_peer(const struct udp_sock *sock, struct ip_addr *addr, uint16_t *port_be);

/** @name Membership: RFC 3376 and 3678 as Linux does it */
/** @{ */
enum udp_mc_op {
	UDP_MC_JOIN,
	UDP_MC_LEAVE,
	UDP_MC_JOIN_SOURCE,
	UDP_MC_LEAVE_SOURCE,
	UDP_MC_BLOCK,
	UDP_MC_UNBLOCK
};
/**
 * @param port interface; NULL: the route to the group decides, or, when leaving, the first
 *        membership of that group
 * @param source for the last four
 * @return 0; -EADDRINUSE (joined already); -EADDRNOTAVAIL (not joined; the source is in the filter
 *         already, or is not); -EINVAL (no multicast group, or a filter of the other kind, or
 *         a source operation on a group not joined); -ENODEV (no route); -ENOBUFS (too many);
 *         -EREMOTE (interface is not ours); what rings and rules return
 */
int udp_membership(struct udp_sock *sock, enum udp_mc_op op, const struct ip_addr *group,
		struct port *port, const struct ip_addr *source);
/** @} */

/** @name Receive */
/** @{ */
/** A turn of each ring the socket receives from. Packets that arrived for this socket's rings. */
unsigned int udp_poll(struct udp_sock *sock);
/**
 * Up to @p n datagrams, in order; they are the caller's. Batches cost one lock. A successful call
 * is one use of the receive rings for VMA_RING_MIGRATION_RATIO_RX.
 */
unsigned int udp_dequeue(struct udp_sock *sock, struct rte_mbuf **pkts, unsigned int n);
/**
 * All datagrams, if there are no more than @p all, else @p n < @p all, as a list by
 * ring_mbuf_link(); that of the last says nothing. All at once cost less than some.
 * @return how many
 */
unsigned int udp_dequeue_list(
		struct udp_sock *sock, struct rte_mbuf **first, unsigned int all, unsigned int n);
/** As if the list had not been taken: @p n >= 1 are the first of the queue again. */
void udp_requeue(struct udp_sock *sock, struct rte_mbuf *first, unsigned int n);
/** Without the wake callback a delivery is cheaper. */
void udp_set_wake(struct udp_sock *sock, enum udp_wake when);
/** The first, left where it is (MSG_PEEK): a new reference, which rte_pktmbuf_free() drops, or
 * NULL. */
struct rte_mbuf *udp_peek(struct udp_sock *sock);
static inline bool udp_readable(const struct udp_sock *sock);
/** Datagrams and payload bytes in the queue (FIONREAD gives the first one's). */
void udp_queued(const struct udp_sock *sock, uint32_t *pkts, uint32_t *bytes, uint32_t *first);
/** A pending asynchronous error (ICMP), taken: an errno or 0. */
int udp_take_error(struct udp_sock *sock);
bool udp_has_error(const struct udp_sock *sock);
/** Another pending error, or none with 0, as the error queue has it. */
void udp_put_error(struct udp_sock *sock, int err);
/**
 * IP_RECVERR: every error is told, also to a socket without a peer, and of a datagram that is too
 * long; NULL: no more. The context is that of the wake callback. Called with the rx_lock of a ring
 * or the socket's transmit lock held: must not call in.
 */
void udp_set_recverr(struct udp_sock *sock, net_report_cb cb);
/**
 * The rings, for sleeping; at most @p n are written. Number of all. They live until the socket is
 * bound, connected or closed anew; one that it migrates from lives until it migrates again.
 */
unsigned int udp_rings(struct udp_sock *sock, struct ring **rings, unsigned int n);
/** The same with a reference of each ring, which is ring_release()'s to drop; of @p n at most. */
unsigned int udp_hold_rings(struct udp_sock *sock, struct ring **rings, unsigned int n);
/** The flows that bring the socket its datagrams, for display; the control lock is held. */
void udp_foreach_flow(struct udp_sock *sock, void (*cb)(struct flow *flow, void *ctx), void *ctx);
/**
 * The ring that sends to the peer, or to this address; with a reference, which is ring_release()'s
 * to drop. NULL when the socket has neither peer nor local port nor group, or no way there.
 */
struct ring *udp_tx_ring(struct udp_sock *sock, const struct ip_addr *addr, uint16_t port_be);

/** A queued datagram: data starts at the payload; l2_len and l3_len tell how far the headers are.
 */
static inline const struct rte_ipv4_hdr *
udp_packet_ip(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *,
			-(int)(sizeof(struct rte_udp_hdr) + m->l3_len));
}
static inline const struct rte_udp_hdr *
udp_packet_udp(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(
			m, const struct rte_udp_hdr *, -(int)sizeof(struct rte_udp_hdr));
}
/** @} */

/** @name Staging: datagrams that somebody judges before they are in the queue (stage.c) */
/** @{ */
/**
 * Told that datagrams are staged and none were before. Called with the queue lock held, by a
 * delivery: must not block, nor call in. The context is that of the wake callback.
 */
typedef void (*udp_staged_cb)(void *ctx, struct ring *ring);
/**
 * What comes from now on is staged; NULL: no more, and what is staged goes into the queue, in
 * order, behind a batch that is being judged. Any thread.
 */
void udp_set_stage(struct udp_sock *sock, udp_staged_cb staged);
/** The first @p n at most; they count in SO_RCVBUF until settled. One batch at a time. */
unsigned int udp_stage_take(struct udp_sock *sock, struct rte_mbuf **pkts, unsigned int n);
/**
 * Of the batch that was taken these @p n are the socket's, in order; the others are the caller's.
 * @param bytes payload of the whole batch
 */
void udp_stage_settle(
		struct udp_sock *sock, struct rte_mbuf **passed, unsigned int n, uint32_t bytes);
/** @} */

/** @name Send */
/** @{ */
/** One datagram to send; addr NULL: to the peer. */
struct udp_out {
	const struct iovec *iov;
	unsigned int iovcnt;
	const struct ip_addr *addr;
	uint16_t port_be;
	int16_t tos;		   /**< -1: the socket's */
	int16_t ttl;		   /**< -1: the socket's */
	const struct ip_addr *src; /**< IP_PKTINFO; NULL: the socket's */
};
/** Datagrams that are made before the first of them is sent. */
#define UDP_SEND_CHUNK 64
/** Segments that one call may make with UDP_SEGMENT; -EINVAL beyond. */
#define UDP_SEGMENTS_MAX 64
/**
 * Send a batch; UDP_SEND_CHUNK datagrams at a time are made before they are sent together. Stops at
 * the first that cannot be. What the queue or the neighbour does not take is dropped and counted,
 * and counts as taken, unless VMA_TX_NONBLOCKED_EAGAINS. Binds to a free port when unbound.
 *
 * @param dummy walk the way with the datagrams as far as the device, send nothing
 *        (VMA_SND_FLAGS_DUMMY)
 * @return datagrams taken; when none: a pending error, which is taken; -EDESTADDRREQ, -EMSGSIZE,
 * -EACCES, -ENETUNREACH, -EHOSTUNREACH (a route says so), -EINVAL, -EPIPE (shut), -EAGAIN (queue
 * full and VMA_TX_NONBLOCKED_EAGAINS, or before its time: udp_send_at()), -ENOBUFS, -EREMOTE (way
 * is the kernel's, or an address of this machine)
 */
int udp_send(struct udp_sock *sock, const struct udp_out *out, unsigned int n, bool dummy);
/**
 * Hold sends to a rate from now on; what is sent before its time is -EAGAIN and counted (tx_paced).
 * A UDP_SEGMENT datagram is one burst.
 * @param rate bytes/s of frames, from the Ethernet header; 0: no rate
 * @param burst bytes that may go at once; less than a frame: a frame
 * @param packet usual bytes of one, which udp_send_at() tells of before there was any; 0: unknown
 * @return 0, -ENOMEM
 */
int udp_set_pacing(struct udp_sock *sock, uint64_t rate, uint32_t burst, uint16_t packet);
/**
 * When the datagram that was held back, or one as long as the last, may go: ns of clock_ns(), 0
 * when nothing holds it back.
 */
uint64_t udp_send_at(struct udp_sock *sock);
/** The clock of it; another one for tests. */
extern uint64_t (*udp_pace_clock)(void);
/**
 * The headers a packet to the peer would carry (get_socket_network_header), Ethernet to UDP, with
 * length and checksum fields as the way's template has them.
 * @return their length, written when @p len suffices; -ENOTCONN; -EAGAIN while the neighbour is
 *         being asked for; as udp_send()
 */
int udp_headers(struct udp_sock *sock, void *buf, uint16_t len);
/** The same of a datagram, complete but for the IP packet's number and the UDP checksum. */
int udp_frame_headers(struct udp_sock *sock, const struct udp_out *out, void *buf, uint16_t len);
/** @} */

/** The part of a socket that readers look at without a lock; first in struct udp_sock. */
struct udp_sock_head {
	uint32_t queued;    /**< datagrams waiting */
	int error;	    /**< pending errno */
	uint8_t shut;	    /**< 1: receive shut, 2: send shut */
	uint8_t checks;	    /**< what a delivery looks at besides */
	uint16_t peer_port; /**< network order */
};
static inline bool
udp_readable(const struct udp_sock *sock)
{
	const struct udp_sock_head *h = (const struct udp_sock_head *)(const void *)sock;

	return __atomic_load_n(&h->queued, __ATOMIC_ACQUIRE) != 0 || h->error != 0 || (h->shut & 1);
}
/** SHUT_RD, SHUT_WR, SHUT_RDWR. -ENOTCONN without a peer, but it takes effect, as on Linux. */
int udp_shutdown(struct udp_sock *sock, int how);

/** Rings and net are up. 0, -ENOMEM. */
int udp_init(void);
/** Every socket is closed. */
void udp_fini(void);
/**
 * Follow changes of ports and addresses: sockets bound to any take up new ones. For the internal
 * thread, about as often as net_progress(); udp_poll() does it as well. Cheap when nothing changed.
 */
void udp_progress(void);

#endif
