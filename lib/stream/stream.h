/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP sockets without file descriptors: ports and addresses, flows, listeners, connections, data.
 * What TCP itself does is room tcp's; here its engines are given rings, time and ways out. Errors
 * are negative errno values; nothing here blocks.
 *
 * There is one engine a ring, with a lock of its own. A delivery takes it with the ring's rx_lock
 * held, a call of the application without; under it come those of lib/net and the ring's tx_lock.
 * The control calls (bind, listen, connect, close) share one lock, which is above those of
 * lib/ring. With VMA_THREAD_MODE=0 engines have no lock, and their timers run in the calls of the
 * one thread that uses the sockets.
 *
 * Any thread may use any socket; only stream_close() must be the last call.
 */
#ifndef DPVMA_STREAM_H
#define DPVMA_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/base.h"
#include "net/net.h"
#include "ring/ring.h"
#include "stat/stat.h"
#include "tcp/tcp.h"

struct stream;

/**
 * What the socket above may set at any time; stream_apply() makes a connection or a listener hear
 * of it. What decides where packets go (bind_port, bind_ifindex, reuse_*) is looked at by
 * stream_bind(), stream_listen() and stream_connect().
 */
struct stream_options {
	struct tcp_options tcp;
	uint32_t rcv_lowat; /**< SO_RCVLOWAT: bytes from which it is readable */
	uint8_t ttl, tos;
	bool reuse_addr;
	uint32_t uid;	       /**< whose it is: one user's sockets alone share by SO_REUSEPORT */
	uint32_t bind_ifindex; /**< SO_BINDTODEVICE; 0 none */
	struct port *bind_port;
};

/**
 * Events of poll(2) that may have come about; 0: any of them, for Linux, too, tells everybody when
 * a connection's state changes. Called with the engine's lock held: must not block or call in.
 * RING_CHANGED comes without it or with it, from the control path. @p ring: the engine's, NULL for
 * RING_CHANGED.
 */
typedef void (*stream_wake_cb)(void *ctx, struct ring *ring, unsigned int events);

/** Where a socket is in its life; what TCP's state is in there is tcp_conn_state()'s. */
enum stream_phase {
	STREAM_IDLE,	   /**< neither of the following, bound or not */
	STREAM_CONNECTING, /**< and nobody has been told yet how it ended */
	STREAM_CONNECTED,  /**< connected, or it was and is over */
	STREAM_LISTENING,
};

/** @name Opening and ending */
/** @{ */
/** @param id of this socket alone, for rings per socket. 0 or -ENOMEM */
int stream_open(int id, stream_wake_cb wake, void *ctx, struct stream **s);
/**
 * As close(2): a listener's connections that nobody accepted are reset, a connection with unread
 * data too; else what is queued is sent, then FIN, and the connection lives on without its socket.
 * @param abort RST (SO_LINGER with 0)
 */
void stream_close(struct stream *s, bool abort);
struct stream_options *stream_options(struct stream *s);
void stream_apply(struct stream *s);
/**
 * IP_RECVERR: ICMP is told, and is an error at once; NULL: no more. The context is that of the wake
 * callback. Called with the engine's lock held.
 */
void stream_set_recverr(struct stream *s, net_report_cb cb);
/** Told what stream_mark() asked for, with the engine's lock held. */
typedef void (*stream_mark_cb)(void *ctx, unsigned int what, uint32_t key);
void stream_on_mark(struct stream *s, stream_mark_cb cb);
struct ring_alloc *stream_ring_alloc(struct stream *s);
/**
 * The ring by which a connection that leaves by the port will receive, from now on: it is the
 * socket's until there is a connection. NULL: none. 0, or what rings return; nothing changes then
 */
int stream_reserve(struct stream *s, struct port *port);
/** The socket's counters, brought up to date. */
struct sock_stats *stream_stats(struct stream *s);
/** The same as they are, to count in. */
struct sock_stats *stream_counters(struct stream *s);
enum stream_phase stream_phase(const struct stream *s);
/** @} */

/** @name Names */
/** @{ */
/**
 * @param[in,out] port_be network order; 0 chooses from DPVMA_EPHEMERAL_FIRST..LAST
 * @return 0; -EADDRINUSE; -EADDRNOTAVAIL (an address of nobody here); -EINVAL (bound already);
 *         -EREMOTE (an address that is no port's: the kernel's business)
 */
int stream_bind(struct stream *s, const struct ip_addr *addr, uint16_t *port_be);
void stream_local(const struct stream *s, struct ip_addr *addr, uint16_t *port_be);
/** The peer, once and as long as there is one. */
bool stream_peer(struct stream *s, struct ip_addr *addr, uint16_t *port_be);
/**
 * The headers of a packet to the peer, Ethernet to TCP without options: ports, header length and
 * the ACK flag are filled in, numbers, window, lengths and checksums are not.
 * @return their length, written when @p len suffices; -ENOTCONN; -EAGAIN while the neighbour is
 *         being asked for; as net_route()
 */
int stream_headers(struct stream *s, void *buf, uint16_t len);
/** The same whatever became of the connection since. */
bool stream_remote(struct stream *s, struct ip_addr *addr, uint16_t *port_be);
/** @} */

/** @name Listening */
/** @{ */
/**
 * Listen, or change the backlog. The socket is bound. On address any: on every port, now and later.
 * @return 0; -EADDRINUSE; -EINVAL (connected); what rings and rules return
 */
int stream_listen(struct stream *s, int backlog);
/**
 * A kernel's socket that keeps the kernel silent about this socket's connections: kept, as a
 * duplicate, as long as one of them lives. Listening or connecting.
 */
void stream_guard(struct stream *s, int fd);
/** Close those of this number on which nobody listens. @return false: there were none */
bool stream_unguard(uint16_t port_be);
/** Stop, as shutdown() does. */
void stream_unlisten(struct stream *s);
/** Connections that wait; takes no lock of the control path. */
unsigned int stream_waiting(struct stream *s);
/** Not every address could be listened at when that was asked for last. */
bool stream_partial(const struct stream *s);
/**
 * Put the oldest connection into a socket that was just opened; it inherits the options.
 * @return 0, -EAGAIN, -EINVAL (does not listen), -ENOMEM
 */
int stream_accept(struct stream *listener, struct stream *s);
/** @} */

/** @name Connecting */
/** @{ */
/**
 * Where a connection to that address would come from.
 * @return 0; -EREMOTE (the kernel's business); -ENETUNREACH (also of several hosts' addresses), and
 *         what net_route() says
 */
int stream_way(struct stream *s, const struct ip_addr *peer, struct ip_addr *local);
/**
 * A local number by which answers of that peer arrive at the socket's ring, for who has to reserve
 * it before stream_connect(). Free at the moment.
 * @return network order; 0: any is as good (the port does not spread), or none was found
 */
uint16_t stream_number(struct stream *s, const struct ip_addr *peer, uint16_t port_be);
/**
 * Send a SYN. An unbound socket is bound to what stream_way() gave.
 * @param lport_be number that the caller has reserved for it, network order; 0: choose
 * @return 0 (under way); -EISCONN, -EALREADY; -EADDRINUSE (the number: try another);
 *         -EADDRNOTAVAIL (no number left); as stream_way(); what rings and rules return
 */
int stream_connect(
		struct stream *s, const struct ip_addr *peer, uint16_t port_be, uint16_t lport_be);
/**
 * How a connect that is under way goes. Once it says how it ended the phase is CONNECTED or IDLE.
 * @return 0, -EALREADY, or why it failed, the pending error taken; -ECONNABORTED when that was
 *         taken before
 */
int stream_connect_result(struct stream *s);
/** connect(AF_UNSPEC): RST, and the socket is as new but for what bind() said. */
void stream_disconnect(struct stream *s);
/** @} */

/** @name Data */
/** @{ */
/** As tcp_send(); -EAGAIN while connecting, -EPIPE where there is no connection. */
ssize_t stream_send(struct stream *s, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags);
/** As tcp_dummy(); otherwise as stream_send(). */
ssize_t stream_dummy(struct stream *s, const struct iovec *iov, int iovcnt, unsigned int flags);
/** As tcp_recv(); 0 too when the connection is over and its error was taken. */
ssize_t stream_recv(struct stream *s, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags);
/**
 * As tcp_recv_chain(): whole buffers as one chain, without a copy. They are the caller's and count
 * in the window until stream_recv_done(), or until the connection has gone.
 * @return bytes and @p chain; otherwise as stream_recv(), and -ENOBUFS
 */
ssize_t stream_recv_chain(struct stream *s, size_t max, unsigned int bufs, struct rte_mbuf **chain);
static inline ssize_t
stream_recv_mbufs(struct stream *s, size_t max, struct rte_mbuf **chain)
{
	return stream_recv_chain(s, max, UINT16_MAX, chain);
}
void stream_recv_done(struct stream *s, size_t bytes);
/** SHUT_RD, SHUT_WR, SHUT_RDWR of a connection. 0, -ENOTCONN */
int stream_shutdown(struct stream *s, int how);
/** All that was sent is acknowledged, the FIN too; or the connection is over. */
bool stream_drained(struct stream *s);
/** Whether these bytes could be sent from where they lie: see ring_sends_from(). */
bool stream_sends_from(struct stream *s, const void *addr, size_t len);
/** tcp_send_zc(), as stream_send() is tcp_send(). */
ssize_t stream_send_zc(struct stream *s, struct tcp_zc *zc, uint32_t skip, unsigned int flags);
/** tcp_zc_close(). */
void stream_zc_close(struct stream *s, struct tcp_zc *zc);
/** Events of poll(2) that hold now. */
short stream_revents(struct stream *s);
/** Bytes to read, bytes not acknowledged, of these not sent yet, the urgent mark. -EINVAL: listens
 */
struct stream_queued {
	uint32_t rx, tx, tx_unsent;
	bool at_mark;
};
int stream_queued(struct stream *s, struct stream_queued *q);
/** The pending error, an errno or 0; taken when @p take. */
int stream_error(struct stream *s, bool take);
/** As tcp_mark(); who is told is stream_on_mark()'s. */
int stream_mark(struct stream *s, unsigned int want, uint32_t key);
/** Another pending error, or none with 0. */
void stream_put_error(struct stream *s, int err);
/** What TCP_INFO tells. 0, -ENOTCONN */
int stream_look(struct stream *s, struct tcp_snapshot *snapshot);
/** @} */

/** @name Staging: data that somebody judges before they can be read (filter.c) */
/** @{ */
/**
 * Told that data came that are to be judged. Called with the engine's lock held: must not block or
 * call in. The context is that of the wake callback.
 */
typedef void (*stream_staged_cb)(void *ctx, struct ring *ring);
/**
 * Hide from receive calls what comes from now on while nothing can be read, until it was judged:
 * what comes behind data that can be read can be read. NULL: no more. Any thread.
 */
void stream_set_stage(struct stream *s, stream_staged_cb staged);
/**
 * Take what is hidden, as stream_recv_chain(); one batch at a time.
 * @return buffers; 0: nothing is hidden
 */
unsigned int stream_stage_take(struct stream *s, unsigned int bufs, struct rte_mbuf **chain);
/**
 * The batch was judged.
 * @param passed its end, which can be read from now on, and all that came since; NULL: nothing
 * @param read bytes of it that count as read; what is neither counts as taken
 */
void stream_stage_settle(struct stream *s, struct rte_mbuf *passed, size_t read);
/** @} */

/** @name Time */
/** @{ */
/** A turn of the rings that the socket receives from, and the timers of their engines. */
unsigned int stream_poll(struct stream *s);
/**
 * The same, if nobody has taken one for a 20 us: for who only sends, whose
 * acknowledgements would wait until the send buffer is full, and its data go out of the caches.
 */
void stream_attend(struct stream *s);
/** The timers of TCP on a ring, for who polls that ring himself. Cheap as often as one likes. */
void stream_turn(const struct ring *ring);
/** When a sleeper should take a turn at the latest, ns of clock_ns(); UINT64_MAX: no need. */
uint64_t stream_due(struct stream *s);
unsigned int stream_rings(struct stream *s, struct ring **rings, unsigned int n);
/** The same with a reference of each ring, which is ring_release()'s to drop; of @p n at most. */
unsigned int stream_hold_rings(struct stream *s, struct ring **rings, unsigned int n);
/** When any engine's timers are due, ns of clock_ns(). */
uint64_t stream_next(void);
/**
 * Timers of all engines, and what a delivery could not do: flows without a connection go, listeners
 * follow ports that change. For the internal thread.
 * @return when it wants to be called again, ns
 */
uint64_t stream_progress(uint64_t now_ns);
/** @} */

/** @name The room */
/** @{ */
int stream_init(void);
/**
 * Every socket is closed. Connections get a moment to send what they still have; what is left then
 * is forgotten.
 */
void stream_fini(void);
/** The flows that bring the socket its segments, for display; the control lock is held. */
void stream_foreach_flow(struct stream *s, void (*cb)(struct flow *flow, void *ctx), void *ctx);
/** Each engine's counters and connections, for display. The label is as text. */
void stream_foreach_engine(void (*cb)(const struct ring *ring, const struct tcp_stats *stats,
					   unsigned int conns, void *ctx),
		void *ctx);
/** @} */

#endif
