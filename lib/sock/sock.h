/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What room sock offers to the room above it: the stack behind a file descriptor. Programs use
 * dpvma.h.
 */
#ifndef DPVMA_SOCK_H
#define DPVMA_SOCK_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "dpvma.h"
#include "ring/ring.h"
#include "stat/stat.h"

struct udp_sock;

/** @return rings the socket receives from, at most @p n of them written; 0 when it is not offloaded
 */
int sock_rings(int fd, struct ring **rings, int n);

/**
 * The descriptors of these rings.
 * @return how many were written, 0 when there are none; -EMFILE, -ENOMEM... with one log line
 */
int sock_ring_fds(int fd, int *ring_fds, unsigned int n);

/**
 * The descriptor of the ring that sends to the peer of the socket, or without one to @p to.
 * @return it; -EINVAL (not offloaded, no address), -ENODATA (UDP: not connected, bound or in a
 * group, or no way there; TCP: no ring yet), -EMFILE, -ENOMEM...
 */
int sock_tx_ring_fd(int fd, const struct sockaddr *to, socklen_t len);

/**
 * The headers a packet to the peer carries.
 * @param[in,out] len room in @p buf, then bytes written; @p buf NULL: bytes needed
 * @return 0; -1 with errno EINVAL (no socket of ours, no @p len), ENOTCONN (also of one that is not
 *         offloaded), ENOBUFS, EAGAIN while the neighbour is being asked for
 */
int sock_headers(int fd, void *buf, uint16_t *len);

/** @name socketxtreme: what came by a ring, whichever socket it is for */
/** @{ */
#define SOCK_XTREME_PACKET (UINT64_C(1) << 32)
#define SOCK_XTREME_ACCEPTED (UINT64_C(1) << 33)

/** Buffers of one datagram, or of consecutive segments of one connection. */
struct sock_packet {
	uint64_t num_bufs;
	uint16_t total_len;
	struct ring_meta *buffs;
	struct timespec hw_timestamp; /**< zero: the device told none */
};
/** The application's array: what a poll writes there it writes once. */
struct sock_completion {
	struct sock_packet packet; /**< with SOCK_XTREME_PACKET */
	uint64_t events;	   /**< low half: of epoll */
	uint64_t user_data;	   /**< SO_VMA_USER_DATA, the descriptor without */
	struct sockaddr_in src;	   /**< sender or peer */
	int listen_fd;		   /**< with SOCK_XTREME_ACCEPTED; user_data is the connection's */
};
/**
 * What came by a ring, or for a socket, or for those in an epoll: first what was seen before, then
 * a turn of the ring or rings. Any thread; two that poll the same ring share what comes.
 * @param fd of a ring, of a socket of ours, or of an epoll that has one
 * @param n > 0
 * @return completions, 0: none; -EOPNOTSUPP: VMA_SOCKETXTREME is off; -EINVAL; -EBADFD: no such
 *         thing, which counts as a mistake
 */
int sock_xtreme_poll(int fd, struct sock_completion *completions, unsigned int n);
/**
 * Take one reference off every buffer of the packets. Bytes of a connection do not count in its
 * window from then on; a connection that is closed meanwhile does not matter. Any thread.
 * @return 0; -EOPNOTSUPP; -EINVAL: no packets, one without buffers, or a buffer that the
 *         application does not have, which counts as a mistake; those before it were taken
 */
int sock_xtreme_free(const struct sock_packet *packets, int n);
/** One reference more, or less, of one buffer. How many there are then; errors as above. */
int sock_xtreme_ref_buff(struct ring_meta *buff);
int sock_xtreme_free_buff(struct ring_meta *buff);
/** Whether a poll would find something there without a packet from the wire. */
bool sock_xtreme_waiting(const struct ring *ring);
/** @} */

/**
 * Who gives the table that getsockopt(-1, SOL_SOCKET, SO_VMA_GET_API) stores; NULL: there is none,
 * the call is the kernel's.
 */
void sock_set_api(void *(*get)(void));

/** @name Receiving without a copy (lend.c); datagrams at hand, front.h */
/** @{ */
/** Buffers of a stream that make one packet at most: how much is given back at once. */
#define SOCK_LOAN_BUFS 32
/** A receive call that takes the buffers themselves. */
struct sock_loan {
	/* asked for */
	int flags;	     /**< as recvmsg()'s */
	bool forced;	     /**< fail where it would have to be copied */
	unsigned int pieces; /**< of a stream: buffers there is room for; 0: no room for any packet
			      */
	void *buf;	     /**< for what has to be copied */
	size_t len;
	size_t written;	       /**< of buf, bytes that the caller may write otherwise */
	struct sockaddr *from; /**< NULL: not wanted */
	socklen_t *fromlen;
	/* given */
	struct rte_mbuf *first; /**< packets linked by ring_mbuf_link(), NULL: none, was copied */
	bool kernels;		/**< the descriptor is not offloaded: all was the kernel's */
	int got;		/**< msg_flags of what was copied */
};
/**
 * Receive: the packets are the application's until sock_lent_back(), RING_LENT_PACKET of the
 * socket's serial. Of datagrams one, as it came; of a stream as many buffers as there are and as
 * there is room for, as packets of SOCK_LOAN_BUFS. Waits as recvmsg() does. What the kernel's
 * socket has, and what is to be peeked at, is copied, and so is all of what is not offloaded.
 * @return bytes; 0: the end, or an empty datagram; -ENOBUFS (no pieces), -EOPNOTSUPP (forced, but
 *         it would be a copy), -EFAULT, -EINVAL (the address), as recvmsg()
 */
ssize_t sock_lend(int fd, struct sock_loan *loan);
/** Whom a datagram is from, as recvfrom() writes it; where sock_lent_room() finds room for it. */
void sock_lent_name(struct rte_mbuf *m, struct sockaddr *from, socklen_t *fromlen);
/** 0; -EFAULT, -EINVAL: as recvfrom() says it, but before anything is taken. */
int sock_named_room(struct sockaddr *from, socklen_t *fromlen);
static inline int
sock_lent_room(struct sockaddr *from, socklen_t *fromlen)
{
	return likely(from == NULL) ? 0 : sock_named_room(from, fromlen);
}
/** How its packets are given back: SOCK_DGRAM, SOCK_STREAM; -EINVAL: not offloaded. */
int sock_lender(int fd);
/**
 * Packets that the application has come back, those that a callback held, too. Of a stream's the
 * window opens. Stops at the first that is not the socket's to take, which is counted. A socket
 * that has become the kernel's takes what it lent before.
 * @return how many came back; none: -EINVAL (not offloaded), -ENOENT, -EDEADLK (inside a callback)
 */
int sock_lent_back(int fd, void *const *packets, unsigned int n);
/** @} */

/**
 * Have packet buffers lie in memory that the program gives (ring_memory_from()).
 * @return 0; -EINVAL: a function is missing, or dpvma has started
 */
int sock_memory_from(bool rx, bool tx, const struct ring_memory *functions);

/** A mistake of the program, which was refused: counted for the process. Any thread. */
void sock_misused(enum extra_stat what);

/** @name Receive callbacks (callback.c) */
/** @{ */
/** What becomes of a packet; as the table has them. */
enum sock_verdict {
	SOCK_DROP, /**< it goes back to its pool; to TCP it counts as read */
	SOCK_PASS, /**< it is the socket's, for receive calls */
	SOCK_HOLD, /**< the application has it, RING_LENT_PACKET of the socket's serial */
};

struct sock_callback;
/** A batch of one socket's packets that are to be judged; read only but for verdicts. */
struct sock_judging {
	int fd;
	struct rte_mbuf **pkts; /**< data start at the payload */
	unsigned int n;
	uint8_t *verdicts;		/**< enum sock_verdict of each, to be written */
	const struct sockaddr_in *from; /**< NULL: as the packet's headers say */
	const struct sockaddr_in *to;
	uint32_t ready_pkts; /**< in the queue before the first of them */
	uint32_t ready_bytes;
	bool wants_hw, wants_sw;    /**< times; swtime of the packets holds if they do */
	bool one_passes_all;	    /**< behind the first that passes no other is asked about */
	const uint32_t *generation; /**< differs from began once the callback changed */
	uint32_t began;
	uint32_t serial; /**< of the socket, by which they are lent */
	void *sock;
	/** The packet about which the application is asked, for who gives it back meanwhile. */
	struct rte_mbuf **asking;
	unsigned int held; /**< those that it keeps, */
	size_t held_bytes; /**< and their bytes */
};
/** Before each packet of which the application is asked. */
static inline void
sock_judging_ask(const struct sock_judging *j, struct rte_mbuf *m)
{
	__atomic_store_n(j->asking, m, __ATOMIC_RELEASE);
}
/**
 * SOCK_HOLD: it is the application's at once, as another thread may have it already, and gives it
 * back while others of the batch are judged. It is not to be looked at any more.
 */
static inline void
sock_judging_hold(struct sock_judging *j, struct rte_mbuf *m)
{
	j->held++;
	j->held_bytes += m->pkt_len;
	ring_lend(m, RING_LENT_PACKET, j->serial);
}
/**
 * Judge them in order, with sock_judging_ask() before each and sock_judging_hold() as soon as one
 * is held. The application's function is called in here, which may change, close and send whatever
 * it likes; no lock is held.
 * @return how many were judged: all, unless the generation changed or one_passes_all says so
 */
typedef unsigned int (*sock_judge)(
		const struct sock_callback *callback, struct sock_judging *judging);

struct sock_callback {
	sock_judge judge;
	void (*function)(void); /**< the application's, of a type that judge knows */
	void *context;
};

/**
 * Judge what the socket receives from now on, from within receive, poll, select and epoll calls of
 * the application's threads. One that was there is replaced, in the middle of a batch, too; another
 * thread may be in it still. NULL: none, and packets that nobody has judged pass.
 * @return 0, -EINVAL (not offloaded), -ENOMEM
 */
int sock_set_callback(int fd, const struct sock_callback *callback);
/** The calling thread is inside of one: what would wait for packets does not, and none runs. */
bool sock_in_callback(void);
/** The device's time of a packet, ns of CLOCK_REALTIME; 0: it has none. */
uint64_t sock_judged_time(const struct sock_judging *judging, const struct rte_mbuf *m);
/** @} */

/**
 * VMA's thread_offload: whether sockets that the thread opens from now on are offloaded. Of another
 * thread it counts from its next socket on; the last word wins.
 * @return 0, -ESRCH: there is no such thread (any more), -ENOMEM
 */
int sock_thread_offload(pthread_t thread, bool on);

#endif
