/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP engine: packets and a clock in, packets out. It knows no device, no socket, no wall clock
 * and no thread: whoever calls serialises all calls on one engine, tells it the time with
 * tcp_clock(), and sends what it gives to tcp_ops.output. So a test runs whole connections over a
 * simulated link in virtual time.
 *
 * In: tcp_input() takes IP packets that passed their checksums. Calls: listen, connect, send, recv,
 * shutdown, close. Out: tcp_ops.output and tcp_ops.event, both called from within tcp_input(),
 * tcp_timers() and the calls; they must not call back into the engine.
 *
 * All errors are negative errno values, all times nanoseconds of the caller's monotonic clock.
 */
#ifndef DPVMA_TCP_H
#define DPVMA_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/base.h"
#include "stat/stat.h"

struct tcp_engine;
struct tcp_conn;
struct tcp_listener;

/** Network order. 40 bytes without a hole, so that it is hashed and compared as five words. */
struct tcp_key {
	struct ip_addr local;
	struct ip_addr remote;
	uint16_t lport;
	uint16_t rport;
	uint32_t zero;
};
_Static_assert(sizeof(struct tcp_key) == 40, "five 64-bit words");

/** RFC 9293 section 3.3.2. */
enum tcp_state {
	TCP_S_CLOSED,
	TCP_S_SYN_SENT,
	TCP_S_SYN_RECEIVED,
	TCP_S_ESTABLISHED,
	TCP_S_FIN_WAIT_1,
	TCP_S_FIN_WAIT_2,
	TCP_S_CLOSE_WAIT,
	TCP_S_CLOSING,
	TCP_S_LAST_ACK,
	TCP_S_TIME_WAIT,
};
/** "ESTABLISHED" and so on. */
const char *tcp_state_name(enum tcp_state state);

enum tcp_cc_algo { TCP_CC_CUBIC, TCP_CC_NEWRENO, TCP_CC_NONE, TCP_CC_MAX };
/** "cubic", "reno", "none"; -1 for a name that is none. */
int tcp_cc_by_name(const char *name);
const char *tcp_cc_name(enum tcp_cc_algo algo);

/**
 * What the socket above decides; a listener's connections inherit its own. Change it with
 * tcp_set_options(); those marked (SYN) count only when a connection is opened.
 */
struct tcp_options {
	uint32_t sndbuf;	  /**< bytes that may wait unacknowledged, SO_SNDBUF */
	uint32_t rcvbuf;	  /**< bytes offered at most, SO_RCVBUF; (SYN) for the scale */
	uint32_t user_timeout_ms; /**< RFC 5482, TCP_USER_TIMEOUT; 0: the retries decide */
	uint32_t keep_idle_s;	  /**< TCP_KEEPIDLE */
	uint32_t keep_interval_s; /**< TCP_KEEPINTVL */
	uint32_t lowat;		  /**< free bytes of sndbuf from which it is writable; 0: a third */
	uint32_t notsent_lowat;	  /**< TCP_NOTSENT_LOWAT: bytes that may wait unsent; 0: all */
	int32_t fin_wait_s;	  /**< TCP_LINGER2: of FIN-WAIT-2 without an owner; < 0: none */
	uint64_t pacing_rate;	  /**< bytes/s at most, SO_MAX_PACING_RATE; 0: no limit */
	uint32_t pacing_burst;	  /**< of it, bytes that may go at once; 0: what is late by 1 ms */
	uint16_t mss;		  /**< largest segment to send and to announce, 0: by MTU (SYN) */
	uint8_t keep_count;	  /**< TCP_KEEPCNT */
	uint8_t syn_retries;	  /**< TCP_SYNCNT */
	uint8_t retries;	  /**< RTOs in a row before ETIMEDOUT (RFC 1122 R2) */
	uint8_t cc;		  /**< enum tcp_cc_algo */
	bool keepalive;		  /**< SO_KEEPALIVE */
	bool nodelay;		  /**< TCP_NODELAY: no Nagle */
	bool cork;		  /**< TCP_CORK: full segments only, for 200 ms at most */
	bool quickack;		  /**< TCP_QUICKACK: acknowledge every segment */
	bool oob_inline;	  /**< SO_OOBINLINE */
	bool timestamps;	  /**< (SYN) RFC 7323 */
	bool sack;		  /**< (SYN) RFC 2018 */
	bool window_scaling;	  /**< (SYN) RFC 7323 */
	bool ecn;		  /**< (SYN) ask for it; a peer that asks gets it */
	bool pacing;		  /**< spread segments over the round trip */
	bool pmtud;		  /**< packets carry DF, and ICMP makes segments smaller */
	bool defer_accept;	  /**< TCP_DEFER_ACCEPT: accepted with the first data */
	bool recverr;		  /**< IP_RECVERR: what ICMP says is an error at once */
	bool reuse_port;	  /**< SO_REUSEPORT: several listeners share an address */
};
/** What a connection has when nobody says otherwise: everything on, CUBIC, Linux's times. */
void tcp_options_default(struct tcp_options *opt);

/** What happened, OR-ed. */
enum tcp_event {
	TCP_E_CONNECTED = 0x01, /**< the handshake is done */
	TCP_E_READABLE = 0x02,	/**< data or the end of it */
	TCP_E_WRITABLE = 0x04,	/**< room again after a send was refused or cut short */
	TCP_E_ERROR = 0x08,	/**< see tcp_error() */
	TCP_E_ACCEPT = 0x10,	/**< of a listener: tcp_accept() has a connection */
	TCP_E_URGENT = 0x20,	/**< urgent data are announced: POLLPRI, SIGURG */
	TCP_E_CLOSED = 0x40,	/**< both directions ended; POLLHUP */
};

/** Where packets go that the engine makes. */
struct tcp_out {
	const struct tcp_key *key;
	struct tcp_conn *conn; /**< NULL: an answer to a stray segment, or a SYN cookie */
	uint8_t ecn;	       /**< the two bits for the IP header: 0, or 2 for ECT(0) */
	bool df;	       /**< don't fragment */
	bool dummy;	       /**< go the way with it, free it, send nothing */
};

struct tcp_ops {
	/**
	 * Send. The packets begin with their TCP header, checksum zero; they are the callee's. One
	 * that is larger than the MSS has RTE_MBUF_F_TX_TCP_SEG, tso_segsz and l4_len set. A buffer
	 * may have a second reference: the engine writes to it again only when it has its own
	 * alone.
	 */
	void (*output)(void *ctx, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n);
	/** @param owner as given to tcp_connect(), tcp_set_owner() or tcp_listen(). */
	void (*event)(void *ctx, void *owner, unsigned int events);
	/** A connection object goes, whose extra bytes may hold something. May be NULL. */
	void (*gone)(void *ctx, struct tcp_conn *conn);
	/**
	 * IP packet bytes on the way to the peer, at the start and after a loss of many; 0: no way.
	 */
	uint16_t (*mtu)(void *ctx, const struct tcp_key *key);
	/**
	 * The pool is empty: make the device give back what it has sent. Drivers do so when they
	 * send more, and perhaps nothing can be sent without it. May be NULL.
	 */
	void (*reclaim)(void *ctx);
	/** What tcp_mark() asked for, TCP_MARK_*. May be NULL. */
	void (*mark)(void *ctx, void *owner, unsigned int what, uint32_t key);
	/**
	 * A segment without SYN that has no connection here, before a listener or RST answers: true
	 * when the callee has taken it, in the state in which it came. May be NULL.
	 */
	bool (*stray)(void *ctx, const struct tcp_key *key, struct rte_mbuf *m);
};

struct tcp_config {
	struct tcp_ops ops;
	void *ctx;
	struct rte_mempool *tx_pool; /**< RTE_PKTMBUF_HEADROOM of 128 at least in front of data */
	uint64_t seed;	     /**< of everything random and of the secrets; 0: from the system */
	uint32_t conn_extra; /**< bytes behind each connection, for tcp_extra() */
	uint32_t max_conns;  /**< 0: no limit but memory */
	uint32_t syn_rate;   /**< SYNs/s a listener takes, VMA_TCP_MAX_SYN_RATE; 0: all */
	/** Buffers of a packet with which zero-copy data end, so that the device tells when it has
	 * sent them (port_driver.tx_tells); 0: it need not. */
	uint16_t zc_tells;
	uint32_t tso_max;      /**< bytes of one segment handed out, 0: one MSS each */
	uint32_t time_wait_ms; /**< 2 MSL; 0: 60,000 */
	bool multi_seg;	       /**< output takes chained buffers */
};
/** @return 0, -ENOMEM, -EINVAL (ops or pool missing, headroom too small; logged) */
int tcp_engine_create(const struct tcp_config *config, struct tcp_engine **engine);
/** Forgets every connection without a word to the peers, and frees all. */
void tcp_engine_destroy(struct tcp_engine *engine);

/** @name Time and packets */
/** @{ */
/** It is now @p now_ns; never runs backwards. Before each burst of calls. */
void tcp_clock(struct tcp_engine *engine, uint64_t now_ns);
/**
 * Take packets in the state in which a sink gets them: data begin at the link header (l2_len may be
 * 0), l2_len and l3_len are set, the IP packet is whole and its checksums are good. A coalesced one
 * (RTE_MBUF_F_RX_LRO with tso_segsz) counts as many. What has no connection and no listener is
 * answered with RST, as RFC 9293 3.10.7.1 says. Acknowledgements go out before it returns.
 */
void tcp_input(struct tcp_engine *engine, struct rte_mbuf **pkts, uint16_t n);
/** The connection of that key, in whatever state but CLOSED; NULL: there is none. */
struct tcp_conn *tcp_find(const struct tcp_engine *engine, const struct tcp_key *key);
/** Run what is due. @return time of the next, UINT64_MAX for none */
uint64_t tcp_timers(struct tcp_engine *engine);
/** The same without running: when tcp_timers() wants to be called. A lower bound. */
uint64_t tcp_next_timer(const struct tcp_engine *engine);
/**
 * ICMP said something about a segment of ours. A hard error counts only if @p seq lies in what is
 * on the way (RFC 5927).
 * @param err an errno; EMSGSIZE with @p mtu for fragmentation needed
 */
void tcp_icmp(struct tcp_engine *engine, const struct tcp_key *key, uint32_t seq, int err,
		uint16_t mtu);
/**
 * The owner of a connection that is being opened and has recverr, if such a message is about its
 * SYN: it may keep the message. Before tcp_icmp(), which ends the attempt. NULL: nobody's
 */
void *tcp_icmp_owner(
		const struct tcp_engine *engine, const struct tcp_key *key, uint32_t seq, int err);
/** @} */

/** @name Opening */
/** @{ */
/**
 * @param local any: every address; port in network order
 * @param backlog connections that wait for tcp_accept(), and as many half open ones; beyond, SYN
 *        cookies
 * @param opt with reuse_port, connections are spread by a hash of the key over all listeners of the
 *        address and number, which all have it
 * @return 0, -EADDRINUSE, -ENOMEM
 */
int tcp_listen(struct tcp_engine *engine, const struct ip_addr *local, uint16_t lport,
		unsigned int backlog, const struct tcp_options *opt, void *owner,
		struct tcp_listener **listener);
void tcp_listener_set(
		struct tcp_listener *listener, unsigned int backlog, const struct tcp_options *opt);
/** Half open connections and those nobody accepted are reset. */
void tcp_listener_close(struct tcp_listener *listener);
/** The oldest that is established; NULL for none. Give it an owner at once. */
struct tcp_conn *tcp_accept(struct tcp_listener *listener);
unsigned int tcp_accept_waiting(const struct tcp_listener *listener);

/**
 * Send a SYN. The caller chose a free local port.
 * @return 0; -EADDRINUSE (the key is taken; a TIME-WAIT of it that allows it is used again),
 *         -ENETUNREACH (no MTU: no way), -ENOBUFS, -ENOMEM
 */
int tcp_connect(struct tcp_engine *engine, const struct tcp_key *key, const struct tcp_options *opt,
		void *owner, struct tcp_conn **conn);
/** Whether a connection with that key is there. */
bool tcp_key_in_use(const struct tcp_engine *engine, const struct tcp_key *key);
/** @} */

/** @name Data */
/** @{ */
#define TCP_SEND_MORE 0x1 /**< MSG_MORE: more follows, hold back what fills no segment */
#define TCP_SEND_OOB 0x2  /**< the last byte is urgent */
/**
 * Copy into the send queue and send what may go.
 * @param skip bytes of @p iov to leave out at its start
 * @return bytes taken, > 0 or 0 for an empty @p iov; -EAGAIN (full; TCP_E_WRITABLE follows);
 *         -ENOTCONN; -EPIPE (our side was shut); the pending error, which is taken
 */
ssize_t tcp_send(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags);
/**
 * Bytes of the application's that are sent from where they lie. The memory of this structure is the
 * caller's, and is in use from tcp_zc_open() until done().
 */
struct tcp_zc {
	/** The engine's reference, and one of every packet on its way that has bytes of these. */
	struct rte_mbuf_ext_shared_info shared;
	const uint8_t *base;
	uint32_t len;
	/** The engine's: where the first byte is in the stream, and pieces that refer to these. */
	uint32_t seq, pieces;
	bool placed;
	bool stale; /**< the rest has to be copied, as tcp_send_zc() said */
	TAILQ_ENTRY(tcp_zc) next;
	/**
	 * Nothing refers to the bytes any more: the peer has them, or the connection has ended, and
	 * no packet with them is left. Called once, in any order, by whoever is in the engine; when
	 * the engine goes first, by whoever frees the last packet.
	 */
	void (*done)(struct tcp_zc *zc);
};
/** @param base not to be changed before done() */
void tcp_zc_open(struct tcp_zc *zc, const void *base, uint32_t len, void (*done)(struct tcp_zc *));
/**
 * As tcp_send() of what follows the first @p skip bytes, without a copy; with multi_seg only. What
 * is sent again is copied then, so the bytes are to be readable until done().
 * @return as tcp_send(); -ESTALE: somebody else's bytes came between, or segments
 *         are too small: the rest has to be copied
 */
ssize_t tcp_send_zc(struct tcp_conn *conn, struct tcp_zc *zc, uint32_t skip, unsigned int flags);
/** No more of it will be sent: done() is called when what was is done with, perhaps at once. */
void tcp_zc_close(struct tcp_engine *engine, struct tcp_zc *zc);
/**
 * As if it were sent: a segment is made and goes as far as the device, and the connection stays as
 * it is, sequence numbers and timers (VMA_SND_FLAGS_DUMMY).
 * @param flags of tcp_send()
 * @return the bytes; -EAGAIN: something waits unsent, or these would not go as one segment at once
 *         (more than one vector or none, larger than the segment, the peer's window or the
 *         congestion window, TCP_SEND_MORE, no buffer); otherwise as tcp_send()
 */
ssize_t tcp_dummy(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, unsigned int flags);
/** Free bytes of the send buffer. */
uint32_t tcp_send_room(const struct tcp_conn *conn);
/** Bytes not acknowledged yet (SIOCOUTQ), and of those not sent yet (SIOCOUTQNSD). */
uint32_t tcp_send_queued(const struct tcp_conn *conn, uint32_t *unsent);

#define TCP_RECV_PEEK 0x1
#define TCP_RECV_OOB 0x2   /**< the urgent byte */
#define TCP_RECV_TRUNC 0x4 /**< discard instead of copying */
/**
 * Copy data out. Stops at the urgent mark as sockets do.
 * @return bytes; 0 at the end (FIN) or for an empty @p iov; -EAGAIN; -ENOTCONN; -EINVAL (no urgent
 *         byte); the pending error, which is taken, once all data before it were read
 */
ssize_t tcp_recv(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags);
/**
 * Take whole buffers without a copy, as one chain; they are the caller's and count in the window
 * until tcp_recv_done(). The last is cut where @p max or the urgent mark lies in it; they are to be
 * read only.
 * @param bufs most buffers of the chain, at least 1
 * @return bytes and @p chain, or as tcp_recv(); -ENOBUFS: no buffer to cut the first one
 */
ssize_t tcp_recv_chain(
		struct tcp_conn *conn, size_t max, unsigned int bufs, struct rte_mbuf **chain);
/** However many they are. */
static inline ssize_t
tcp_recv_mbufs(struct tcp_conn *conn, size_t max, struct rte_mbuf **chain)
{
	return tcp_recv_chain(conn, max, UINT16_MAX, chain);
}
void tcp_recv_done(struct tcp_conn *conn, size_t bytes);
/** Put the end of what was taken last back in its place; nothing was read since. */
void tcp_recv_return(struct tcp_conn *conn, struct rte_mbuf *chain);
/** Bytes that can be read before the urgent mark, at the mark those behind it (SIOCINQ). */
uint32_t tcp_recv_queued(const struct tcp_conn *conn);
/** The next byte is the urgent mark (sockatmark). */
bool tcp_at_mark(const struct tcp_conn *conn);
#define TCP_MARK_SENT 0x1  /**< it went for the first time */
#define TCP_MARK_ACKED 0x2 /**< the peer has it */
/**
 * Tell by tcp_ops.mark what becomes of the last byte of the send queue; at once, what it has come
 * to already.
 * @param key comes along
 * @return 0; -ENOTCONN, -ENOMEM; -ENOBUFS: too many that have not come to it yet
 */
int tcp_mark(struct tcp_conn *conn, unsigned int want, uint32_t key);
/** Somebody waits for room: TCP_E_WRITABLE follows as if a send had been refused. */
void tcp_want_space(struct tcp_conn *conn);
/** enum tcp_event that hold now: READABLE, WRITABLE, ERROR, URGENT, CLOSED. */
unsigned int tcp_ready(const struct tcp_conn *conn);
/** @} */

/** @name Ending */
/** @{ */
/** SHUT_RD, SHUT_WR, SHUT_RDWR. @return 0, -ENOTCONN */
int tcp_shutdown(struct tcp_conn *conn, int how);
/**
 * The owner goes. Unread data make a RST (RFC 1122 4.2.2.13, RFC 2525 2.17); else what is queued is
 * sent, then FIN; a FIN-WAIT-2 without an owner lasts fin_wait_s. No events follow; @p conn must
 * not be used any more.
 */
void tcp_close(struct tcp_conn *conn);
/** RST, and the connection is gone (SO_LINGER with 0). */
void tcp_abort(struct tcp_conn *conn);
/** @} */

/** @name Looking and setting */
/** @{ */
void tcp_set_options(struct tcp_conn *conn, const struct tcp_options *opt);
const struct tcp_options *tcp_get_options(const struct tcp_conn *conn);
void tcp_set_owner(struct tcp_conn *conn, void *owner);
void *tcp_owner(const struct tcp_conn *conn);
/** The connection's conn_extra bytes, zero at first, at least 8-byte aligned. */
void *tcp_extra(struct tcp_conn *conn);
struct tcp_conn *tcp_conn_of_extra(void *extra);
const struct tcp_key *tcp_conn_key(const struct tcp_conn *conn);
struct tcp_engine *tcp_conn_engine(const struct tcp_conn *conn);
enum tcp_state tcp_conn_state(const struct tcp_conn *conn);
/** The pending error, an errno or 0; taken when @p take. */
int tcp_error(struct tcp_conn *conn, bool take);
/** Another one, or none with 0. */
void tcp_put_error(struct tcp_conn *conn, int err);

/** What TCP_INFO tells; times in ns, the rest as its name says. */
struct tcp_snapshot {
	enum tcp_state state;
	uint8_t snd_wscale, rcv_wscale;
	bool timestamps, sack, wscale, ecn;
	bool in_recovery, in_rto;
	uint8_t backoff; /**< RTOs in a row */
	uint32_t mss, rcv_mss, pmtu;
	uint32_t cwnd, ssthresh; /**< bytes */
	uint32_t snd_wnd, rcv_wnd;
	uint32_t in_flight, unsent, lost, sacked; /**< bytes */
	uint64_t srtt, rttvar, min_rtt, rto;
	uint64_t bytes_sent, bytes_acked, bytes_received, bytes_retransmitted;
	uint64_t segs_out, segs_in, segs_retransmitted;
	uint32_t reordering;		     /**< segments */
	uint32_t undos;			     /**< recoveries that proved spurious */
	uint64_t pacing_rate, delivery_rate; /**< bytes/s */
	uint64_t last_sent, last_received;   /**< times of data */
};
void tcp_look(const struct tcp_conn *conn, struct tcp_snapshot *snapshot);

/** To be counted: the caller's thread had to wait for another one before it could enter. */
void tcp_engine_waited(struct tcp_engine *engine);
/** The engine's counters. */
const struct tcp_stats *tcp_engine_stats(const struct tcp_engine *engine);
/** Connection objects there are, those in TIME-WAIT too. */
unsigned int tcp_engine_conns(const struct tcp_engine *engine);
/** Bytes of one connection object with its extra, what a table and the timers add not counted. */
size_t tcp_conn_size(const struct tcp_engine *engine);
void tcp_foreach(
		struct tcp_engine *engine, void (*cb)(struct tcp_conn *conn, void *ctx), void *ctx);
/** @} */

#endif
