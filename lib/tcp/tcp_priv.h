/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share and nobody else sees: the connection, its send and receive
 * queues, the engine, and the functions by which the parts reach each other.
 *
 * A segment's way in: parse.c (headers, lookup) -> input.c (RFC 9293 3.10.7 in its order) -> ack.c
 * (what the peer has: scoreboard, round trip, loss, congestion) -> rcvq.c (what we have) ->
 * output.c (what may go now, acknowledgements last) -> segment.c, the only place where segments of
 * a connection are made. handshake.c and listen.c have what comes before a connection, stray.c what
 * has none; conn.c makes and ends connections; timer.c runs what is due.
 *
 * Sequence numbers are host order and compared with seq_lt() and its kin. Times are ns.
 */
#ifndef DPVMA_TCP_PRIV_H
#define DPVMA_TCP_PRIV_H

#include <errno.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

#include "tcp/cc.h"
#include "tcp/secret.h"
#include "tcp/table.h"
#include "tcp/tcp.h"
#include "tcp/wheel.h"

#define MSEC UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

#define TCP_HDR_MIN 20u
#define TCP_HDR_MAX 60u
#define MSS_DEFAULT 536u /* RFC 9293 3.7.1 */
#define MSS_MIN 88u	 /* smaller ones are an attack on our header overhead */
#define WSCALE_MAX 14u	 /* RFC 7323 2.3 */
#define SACK_MAX 4u	 /* blocks that fit the options */
#define RTO_MIN (200 * MSEC)
#define RTO_INIT (1000 * MSEC)	/* RFC 6298 2.1 */
#define RTO_AFTER_SYN (3 * SEC) /* RFC 6298 5.7 */
#define RTO_MAX (120 * SEC)
#define DELACK_MIN (40 * MSEC)
#define DELACK_MAX (200 * MSEC)
#define DUPTHRESH 3u
#define CHALLENGE_GAP (5 * MSEC) /* between answers to what is out of place, a connection */

/** @name Sequence numbers, modulo 2^32 (RFC 9293 3.4) */
/** @{ */
static inline bool
seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
static inline bool
seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}
static inline bool
seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}
static inline bool
seq_geq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}
static inline uint32_t
seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}
/** @} */

/** @name Options on the wire (option.c) */
/** @{ */
struct sack_block {
	uint32_t start, end; /**< host order, end not included */
};
enum { OPT_MSS = 0x01, OPT_WS = 0x02, OPT_TS = 0x04, OPT_SACK_OK = 0x08, OPT_SACK = 0x10 };
struct tcp_opts {
	uint8_t have; /**< OPT_* */
	uint8_t wscale;
	uint8_t n_sack;
	uint16_t mss;
	uint32_t ts_val, ts_ecr;
	struct sack_block sack[SACK_MAX];
};
/**
 * Parse the options of a header of @p hdr_len bytes, all of it in memory. Unknown ones are skipped,
 * repeated ones count once (the last), those of a wrong length are ignored; MSS, window scale and
 * SACK-permitted are read in SYNs only (RFC 9293 3.1, RFC 7323 2.2, RFC 2018 2).
 * @return 0, -EBADMSG: an option runs over the end or has a length below 2
 */
int opts_parse(const struct rte_tcp_hdr *th, unsigned int hdr_len, struct tcp_opts *opts);
/** The short way: no options, or NOP NOP TS alone. False: ask opts_parse(). */
static inline bool
opts_parse_fast(const struct rte_tcp_hdr *th, unsigned int hdr_len, struct tcp_opts *opts)
{
	const uint8_t *p = (const uint8_t *)(th + 1);
	uint32_t w[3];

	opts->have = 0;
	opts->n_sack = 0;
	if (hdr_len == TCP_HDR_MIN)
		return true;
	if (hdr_len != TCP_HDR_MIN + 12)
		return false;
	memcpy(w, p, sizeof(w));
	if (w[0] != RTE_BE32(UINT32_C(0x0101080a)))
		return false;
	opts->have = OPT_TS;
	opts->ts_val = rte_be_to_cpu_32(w[1]);
	opts->ts_ecr = rte_be_to_cpu_32(w[2]);
	return true;
}
/**
 * Write the options in opts->have, padded to four bytes, as many SACK blocks of n_sack as fit in
 * TCP_HDR_MAX. @return bytes written
 */
unsigned int opts_write(uint8_t *p, const struct tcp_opts *opts);
/** The bytes opts_write() will write. */
unsigned int opts_len(const struct tcp_opts *opts);
/** @} */

/** @name Send queue (sndq.c) */
/** @{ */
enum {
	SEG_SENT = 0x01,    /**< has been sent at least once */
	SEG_SACKED = 0x02,  /**< the peer has it */
	SEG_LOST = 0x04,    /**< and not sent again since */
	SEG_RETRANS = 0x08, /**< has been sent more than once */
	SEG_FIN = 0x10,	    /**< carries our FIN, after its data; counts one sequence number */
	SEG_PUSH = 0x20,    /**< the end of what a send call gave */
	SEG_OPEN = 0x40,    /**< unsent and growing: MSG_MORE */
	SEG_FORGOT = 0x80,  /**< was SACKED, and perhaps dropped: what comes later tells no time */
};
/**
 * A piece of the send queue: at most one segment (snd_mss) and one buffer of data, or bytes of the
 * application's. 32 bytes, in one array in order of sequence numbers, so that looking through the
 * scoreboard is a walk over few cache lines and finding a number is a binary search.
 */
struct seg {
	union {
		struct rte_mbuf *m; /**< NULL: a FIN alone */
		struct tcp_zc *zc;  /**< with lent: the bytes lie there */
	};
	uint64_t sent_at; /**< the last time */
	uint32_t seq;
	uint16_t len;  /**< bytes of data */
	uint16_t off;  /**< of the data from m->buf_addr */
	uint8_t flags; /**< SEG_* */
	uint8_t times; /**< transmissions, saturating */
	bool lent;     /**< zero copy */
	bool lent_end; /**< one of the last that one call gave: the device is to tell of it */
	uint32_t skip; /**< SEG_SACKED: so many from here on are, at least; 0 is 1 */
};
_Static_assert(sizeof(struct seg) == 32, "two a cache line");
/** Indices count from the oldest unacknowledged piece; a FIFO ring of a power of two. */
struct sndq {
	struct seg *ring; /**< NULL or small while empty */
	uint32_t mask, head;
	uint32_t n;	 /**< pieces */
	uint32_t n_sent; /**< of these, with SEG_SENT: the first n_sent */
	uint32_t bytes;	 /**< of data in all pieces */
	uint32_t charge; /**< what counts against sndbuf: bytes, and SEG_CHARGE a piece */
};
#define SEG_CHARGE 64u
/** Shorter pieces are copied on their way out: the parts of a packet that is to be told of would be
 * so short that drivers copy them into descriptors, and then they count for nothing. */
#define ZC_PIECE_MIN 512u

static inline struct seg *
sndq_at(const struct sndq *q, uint32_t i)
{
	return &q->ring[(q->head + i) & q->mask];
}
static inline uint32_t
seg_seqs(const struct seg *s)
{
	return s->len + ((s->flags & SEG_FIN) != 0);
}
static inline uint32_t
seg_end(const struct seg *s)
{
	return s->seq + seg_seqs(s);
}
static inline const uint8_t *
seg_lent(const struct seg *s)
{
	return s->zc->base + (s->seq - s->zc->seq);
}
/** Nobody else looks at its buffer: it can be sent from there, or be written to. */
static inline bool
seg_alone(const struct seg *s)
{
	return !s->lent && s->m != NULL && rte_mbuf_refcnt_read(s->m) == 1;
}
/**
 * The same without a copy: pieces that refer to @p zc, from its byte @p skip on.
 * @return bytes, less than asked when sndbuf ends; -ENOBUFS for none at all; -ESTALE
 */
ssize_t sndq_lend(struct tcp_conn *conn, struct tcp_zc *zc, uint32_t skip, uint32_t max, bool push);
/** Copy what is the application's into buffers of our own. 0, -ENOBUFS: there are too few */
int sndq_own(struct tcp_conn *conn);
/** zerocopy.c: packets of the queue have dropped a piece of it. */
void zc_put(struct tcp_engine *engine, struct tcp_zc *zc);
/** Tell of those that nothing refers to any more. */
void zc_settle(struct tcp_engine *engine);
void zc_fini(struct tcp_engine *engine);
/** A packet's data: pieces @p i to i + n - 1, which segment_run() allows, behind an empty buffer
 * for the header. NULL: no buffers */
struct rte_mbuf *zc_packet(struct tcp_conn *conn, uint32_t i, uint32_t n, uint32_t bytes);
/**
 * Copy data to the end: first into the room of the last piece while that is unsent, then into new
 * pieces of at most snd_mss bytes.
 * @return bytes copied, less than asked when buffers or sndbuf end; -ENOBUFS for none at all
 */
ssize_t sndq_append(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, size_t skip,
		uint32_t max, bool push);
/** Put our FIN at the end. 0, -ENOMEM */
int sndq_fin(struct tcp_conn *conn);
/** Cut piece @p i behind @p len bytes; flags and times go to both. 0, -ENOBUFS, -ENOMEM */
int sndq_split(struct tcp_conn *conn, uint32_t i, uint16_t len);
/** Free what is acknowledged up to @p una; a piece in part acknowledged is cut at its start. */
void sndq_trim(struct tcp_conn *conn, uint32_t una);
/** Index of the piece that holds @p seq, or that begins first after it; n for none. */
uint32_t sndq_find(const struct sndq *q, uint32_t seq);
void sndq_free(struct tcp_conn *conn);
/** @} */

/** @name Receive queue (rcvq.c, rcvooo.c, rcvread.c, rcvurg.c) */
/** @{ */
/** Out of order data that hang together. */
struct ooo {
	uint32_t start, end;
	struct rte_mbuf *head, *tail; /**< chained by next, trimmed so that nothing overlaps */
};
struct rcvq {
	struct rte_mbuf *head, *tail; /**< in order, chained by next; packet fields are not kept */
	uint32_t bytes;		      /**< that can be read */
	uint32_t lent;		      /**< taken by tcp_recv_mbufs(), not yet given back */
	struct ooo *ooo;	      /**< by sequence number, NULL while there is none */
	uint32_t bufs;		      /**< buffers in both, for the limit against tiny segments */
	uint16_t n_ooo, cap_ooo;
	uint32_t ooo_bytes;
	uint32_t recent[SACK_MAX]; /**< a number in each block, latest first (RFC 2018 4) */
	uint8_t n_recent;
	bool has_dsack; /**< dsack is to be reported once */
	bool fin;	/**< a FIN is known, at fin_seq; rcv_nxt is beyond when it came in order */
	uint32_t fin_seq;
	struct sack_block dsack; /**< RFC 2883 */
};
/**
 * Data of a segment: in order it is appended and what waited behind it follows, out of order it is
 * kept, what is old is dropped and, with SACK, becomes a D-SACK. Data before rcv_nxt and beyond
 * the window are cut off. conn->rcv_nxt moves; bytes_received, the counters bytes_in, ooo_in and
 * ooo_pruned, and F_FIN_IN follow. Takes @p m. A segment that is old from end to end comes here
 * too, for its D-SACK. A FIN right at the edge of the window is taken.
 *
 * @param m data begin at data_off, @p len bytes in one or several buffers; NULL: a FIN alone
 * @return bits: what happened
 */
enum {
	RCVQ_IN_ORDER = 0x1, /**< rcv_nxt moved */
	RCVQ_FILLED = 0x2,   /**< and a hole was filled, in whole or in part: acknowledge at once */
	RCVQ_OOO = 0x4,	     /**< kept out of order: acknowledge at once */
	RCVQ_OLD = 0x8,	     /**< nothing new: acknowledge at once */
	RCVQ_DROPPED = 0x10, /**< beyond the window, or no room */
	RCVQ_FIN = 0x20,     /**< rcv_nxt moved over the peer's FIN */
};
unsigned int rcvq_put(
		struct tcp_conn *conn, struct rte_mbuf *m, uint32_t seq, uint32_t len, bool fin);
/** SACK blocks for an acknowledgement: a D-SACK first, then the latest. @return their number */
unsigned int rcvq_sack(struct tcp_conn *conn, struct sack_block blocks[SACK_MAX]);
/** The window to offer now, bytes (not scaled, but within what the scale can say): what the buffer
 * has free, never taking back what was offered, and SWS avoidance (RFC 9293 3.8.6.2.2). Who says it
 * rounds down to the scale and sets rcv_adv to the right edge that it said, never back. */
uint32_t rcvq_window(const struct tcp_conn *conn);
/** A reader has taken data: whether the window grew enough to tell the peer. */
bool rcvq_update_due(const struct tcp_conn *conn);
void rcvq_free(struct tcp_conn *conn);
/**
 * A segment carries URG; before rcvq_put() of the same segment. Sets the mark (rcv_up: the urgent
 * byte itself, the one before the pointer, RFC 6093 3.1), raises TCP_E_URGENT when it is new, and
 * again if its byte comes in a later segment. POLLPRI holds while F_URG_BYTE is set.
 *
 * @param m as for rcvq_put(), which takes it; only looked at here
 */
void urgent_in(struct tcp_conn *conn, uint32_t seq, uint32_t len, uint16_t urg,
		const struct rte_mbuf *m);
/** @} */

/** @name The connection */
/** @{ */
enum timer {
	TIMER_LOSS, /**< RTO, tail loss probe, reordering, or window probe: conn->loss_timer says */
	TIMER_ACK,  /**< delayed acknowledgement */
	TIMER_LIFE, /**< handshake, keepalive, FIN-WAIT-2, TIME-WAIT */
	TIMER_SEND, /**< pacing, and the end of what TCP_CORK and MSG_MORE hold back */
	TIMER_MAX
};
enum loss_timer { LOSS_NONE, LOSS_RTO, LOSS_TLP, LOSS_REO, LOSS_PROBE };
enum recovery { REC_OPEN, REC_DISORDER, REC_CWR, REC_RECOVERY, REC_LOSS };

enum {
	F_TS = 1 << 0, /**< timestamps were agreed on */
	F_SACK = 1 << 1,
	F_WSCALE = 1 << 2,
	F_ECN = 1 << 3,		/**< agreed on */
	F_ACK_NOW = 1 << 4,	/**< acknowledge before tcp_input() returns */
	F_ACK_PENDING = 1 << 5, /**< TIMER_ACK runs */
	F_ORPHAN = 1 << 6,	/**< the owner has closed it */
	F_SHUT_RD = 1 << 7,
	F_FIN_QUEUED = 1 << 8,	  /**< our FIN is in the send queue */
	F_WANT_SPACE = 1 << 9,	  /**< a send was refused: TCP_E_WRITABLE is due */
	F_ECE = 1 << 10,	  /**< echo congestion until CWR comes (RFC 3168 6.1.3) */
	F_CWR = 1 << 11,	  /**< say CWR with the next new data */
	F_URG_OUT = 1 << 12,	  /**< urgent data up to snd_up */
	F_URG_IN = 1 << 13,	  /**< urgent mark at rcv_up, not yet passed */
	F_URG_BYTE = 1 << 14,	  /**< urg_byte is there to be read */
	F_DUE = 1 << 15,	  /**< in the engine's list of those that have to send */
	F_CWND_LIMITED = 1 << 16, /**< in this round trip the window was full */
	F_FIN_IN = 1 << 17,	  /**< the peer's FIN was received in order */
	F_DEFERRED = 1 << 18,	  /**< TCP_DEFER_ACCEPT waits for data */
	F_MORE = 1 << 19,	  /**< the last send said MORE */
	F_CORKED = 1 << 20,	  /**< a part of a segment is held back until cork_at */
	F_NO_SPACE_OUT = 1 << 21, /**< the last window we offered was zero */
	F_READY = 1 << 22,	  /**< of these, in the list of those that wait to be accepted */
	F_FINISHED = 1 << 23,	  /**< out of every list; conn_finish() was here */
	F_URG_WAIT = 1 << 24,	  /**< the byte at rcv_up has not come yet */
	F_ACCEPTING = 1 << 25,	  /**< in one of its listener's lists */
	F_MARKS = 1 << 26,	  /**< bytes are marked that did not come to it yet */
};

/** Loss recovery: RFC 8985, 6298, 5682, 6937, 6675 (ack.c, sack.c, rack.c, rto.c, recovery.c). */
struct loss {
	uint8_t state;	  /**< enum recovery */
	uint8_t timer;	  /**< enum loss_timer */
	uint8_t backoff;  /**< RTOs in a row */
	uint8_t dup_acks; /**< without SACK: RFC 5681 */
	uint8_t probes;	  /**< of a closed window, in a row: the exponent of their distance */
	uint8_t silent;	  /**< of these, since the peer last answered */
	uint8_t reo_mult; /**< reordering window, quarters of min_rtt (RFC 8985 6.2 step 4) */
	uint8_t reo_persist;
	uint8_t frto;	      /**< 0: off, else the step of RFC 5682 that the next ACK decides */
	bool reordering : 1;  /**< has been seen */
	bool dsack_round : 1; /**< reo_mult grew in the round that ends at reo_round */
	bool tlp_out : 1;     /**< a probe is on the way, ends at tlp_end */
	bool tlp_retrans : 1; /**< and it was a retransmission */
	bool tlp_ready : 1;   /**< a round trip was measured since the last probe */
	bool undo_ok : 1;     /**< the last reduction can be undone: undo_marker is set */
	bool undo_sent : 1;   /**< something was sent again since */
	bool rtx_ordered : 1; /**< retransmissions grow with their sequence numbers */
	bool hold : 1;	      /**< duplicates may be of retransmissions (RFC 6582 4.1) */
	uint32_t sacked; /**< bytes; without SACK a segment for each duplicate acknowledgement */
	uint32_t sacked_segs;
	uint32_t lost;	       /**< bytes marked and not sent again */
	uint32_t retrans;      /**< bytes sent again and not yet acknowledged */
	uint32_t fack;	       /**< highest number acknowledged, SACK or not */
	uint32_t recover;      /**< snd_nxt when recovery began; after it, when it ended */
	uint32_t undo_marker;  /**< snd_una when it began */
	uint32_t undo_retrans; /**< retransmissions since that no D-SACK has answered */
	/** Our TS clock (Eifel) when the first of the retransmissions was sent that have had no
	 * answer since then, be it in an earlier recovery. */
	uint32_t retrans_ts;
	uint32_t tlp_end;
	uint32_t reo_round;
	uint32_t prr_delivered, prr_out, prr_flight; /**< RFC 6937 */
	uint32_t scan;	     /**< below, what was sent once has been decided on */
	uint32_t lost_from;  /**< no piece below is SEG_LOST */
	uint32_t rtx_high;   /**< end of the highest retransmission */
	uint32_t rack_end;   /**< RACK.end_seq */
	uint32_t min_rtt_at; /**< ms */
	uint64_t rack_at;    /**< RACK.xmit_ts, 0: nothing delivered yet */
	uint64_t rack_rtt;
	uint64_t reo_at;	    /**< when pieces sent before rack_at are lost; 0: none waits */
	uint64_t srtt, rttvar, rto; /**< srtt 0: no sample */
	uint64_t min_rtt;
	uint64_t rto_from;     /**< the RTO runs from here (RFC 6298 5) */
	uint64_t first_rto_at; /**< when the peer last made progress before the timeouts */
};

struct tcp_conn {
	/* Lookup and the in-order way in. */
	struct tcp_key key;
	uint32_t hash;
	uint8_t state; /**< enum tcp_state */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t quick; /**< segments still to acknowledge at once: start, after idle, TCP_QUICKACK
			*/
	struct tcp_engine *engine;
	uint32_t flags; /**< F_* */
	uint32_t rcv_nxt;
	uint32_t rcv_adv;   /**< right edge of the window we offered */
	uint32_t rcv_acked; /**< rcv_nxt as the last segment we sent had it */
	uint32_t rcv_mss;   /**< the peer's segments, estimated, for delayed acknowledgement and SWS
			     */
	uint32_t ts_recent;
	uint32_t snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1, snd_wl2, snd_wnd_max;
	uint32_t ts_off;
	uint16_t snd_mss;      /**< data bytes of a segment, options taken off */
	uint16_t snd_mss_base; /**< with the options of no segment taken off: by MTU and the peer */
	uint64_t ts_recent_at;
	/* What every segment counts and sets. */
	TAILQ_ENTRY(tcp_conn) due; /**< has something to send */
	void *owner;
	uint64_t last_received; /**< time of any acceptable segment */
	uint64_t bytes_received;
	uint32_t ack_segs; /**< segments' worth of data since the last acknowledgement */
	uint32_t segs_in, segs_out;
	uint8_t keep_sent;  /**< keepalive probes without an answer */
	uint8_t error;	    /**< errno pending */
	uint8_t soft_error; /**< reported if the connection times out */
	uint8_t syn_times;  /**< SYNs or SYN-ACKs sent */
	struct rcvq rcvq;
	uint64_t deadline[TIMER_MAX]; /**< UINT64_MAX: off */
	struct wheel_entry timer;
	struct tcp_options opt;
	/* What is sent and acknowledged. */
	struct sndq sndq;
	struct loss loss;
	struct cc cc;
	uint64_t last_sent; /**< time of data */
	uint64_t bytes_sent, bytes_acked, bytes_retrans;
	uint32_t segs_retrans;
	uint32_t snd_sml; /**< end of the last small segment: Nagle in Minshall's form */
	uint64_t rate_at, rate_bytes; /**< delivery rate over the last round */
	uint64_t delivery_rate;
	/* Rarely. */
	struct tcp_listener *listener; /**< until accepted */
	struct marks *marks;	       /**< NULL until there is one */
	TAILQ_ENTRY(tcp_conn) link;    /**< of the listener's half open or waiting ones */
	uint64_t pace_next;	       /**< no data before */
	uint64_t cork_at;	       /**< with F_CORKED */
	uint64_t life_at;	       /**< when the state's life timer began */
	uint64_t challenge_at;	       /**< RFC 5961 7: of the last challenge */
	uint64_t mtu_retry; /**< when a path that became narrow is tried anew; 0: it did not */
	uint32_t life_una;  /**< snd_una of an orphan then: whether it still gets on */
	uint32_t iss, irs;
	uint32_t snd_up, rcv_up;
	uint32_t undos;
	uint16_t mtu;
	uint16_t peer_mss;
	uint8_t urg_byte;
};

/** One connection as callers and tests see the extra bytes. */
static inline void *
conn_extra(struct tcp_conn *conn)
{
	return conn + 1;
}
/** Segments that output() makes in one turn of a connection, handed out together. */
#define TRAIN_MAX 32u
struct train {
	bool open;
	uint8_t ecn; /**< of all of them */
	uint16_t n;
	struct rte_mbuf *pkts[TRAIN_MAX];
};

/** Transmit buffers that data never get. */
#define RESERVE_MAX 64u
struct reserve {
	struct rte_mbuf *m[RESERVE_MAX];
	uint32_t n, max;
};

struct tcp_engine {
	struct tcp_config config;
	uint64_t now;
	struct table conns;
	struct wheel wheel;
	struct tcp_stats stats;
	TAILQ_HEAD(, tcp_conn) due; /**< to send when the burst has been taken in */
	/**
	 * Gone, linked by link: freed when the engine's callers are left, so that whoever is on the
	 * way through a connection may find it CLOSED but never freed.
	 */
	TAILQ_HEAD(, tcp_conn) dead;
	TAILQ_HEAD(, tcp_conn) ended; /**< CLOSED, and their owners have not closed them yet */
	LIST_HEAD(, tcp_listener) listeners[64]; /**< by local port */
	struct secret secret;
	uint64_t random;
	unsigned int n_conns;
	struct tcp_conn *free_conns; /**< cache of objects, linked by their owner field */
	unsigned int n_free;
	bool ending;		   /**< being destroyed: no events, the table stays as it is */
	uint64_t challenge_second; /**< engine-wide limit of RFC 5961 7 */
	uint32_t challenge_count;
	struct train train;
	struct reserve reserve;
	TAILQ_HEAD(, tcp_zc) zc; /**< acknowledged or given up, and perhaps on the device's way */
	uint64_t zc_at;		 /**< when to look whether they still are; UINT64_MAX: none is */
};

static inline uint64_t
conn_now(const struct tcp_conn *conn)
{
	return conn->engine->now;
}

#define COUNT_ADD(engine, name, n) STAT_ADD(&(engine)->stats, TCP, name, n)
#define COUNT(engine, name) COUNT_ADD(engine, name, 1)

/** A connection in a state in which data may be sent or are still to be acknowledged. */
static inline bool
conn_synchronized(const struct tcp_conn *conn)
{
	return conn->state >= TCP_S_ESTABLISHED;
}
/** Sequence numbers sent and not acknowledged. */
static inline uint32_t
conn_flight(const struct tcp_conn *conn)
{
	return conn->snd_nxt - conn->snd_una;
}
/** RFC 6675 "pipe": what is thought to be in the network, bytes. */
static inline uint32_t
conn_pipe(const struct tcp_conn *conn)
{
	uint32_t out = conn->snd_nxt - conn->snd_una;
	uint32_t gone = conn->loss.sacked + conn->loss.lost;

	return gone < out ? out - gone : 0;
}
/** @} */

/** @name Input */
/** @{ */
/** A segment, parsed. */
struct tcp_in {
	struct tcp_key key;
	uint32_t hash;
	uint32_t seq, ack;
	uint32_t len;	   /**< bytes of data */
	uint32_t wnd;	   /**< as in the header, not scaled */
	uint16_t urg;	   /**< urgent pointer */
	uint8_t flags;	   /**< RTE_TCP_*_FLAG */
	uint8_t ecn;	   /**< of the IP header */
	uint16_t segs;	   /**< segments on the wire: more than one when coalesced */
	uint16_t seg_size; /**< data bytes of one of them */
	uint16_t hdr_len;  /**< of TCP */
	bool unscaled;	   /**< a SYN's window (RFC 7323 2.2) */
	struct tcp_opts opts;
	struct rte_mbuf *m; /**< data begin at data_off when it is given to rcvq_put(); NULL: taken
			     */
};
static inline uint32_t
in_end(const struct tcp_in *in)
{
	return in->seq + in->len + ((in->flags & RTE_TCP_SYN_FLAG) != 0) +
			((in->flags & RTE_TCP_FIN_FLAG) != 0);
}
/** Free the packet and count why. */
#define DROP(engine, in, why)                                                                      \
	do {                                                                                       \
		COUNT(engine, why);                                                                \
		in_free(in);                                                                       \
	} while (0)
static inline void
in_free(struct tcp_in *in)
{
	rte_pktmbuf_free(in->m);
	in->m = NULL;
}

static inline bool
in_has(const struct tcp_in *in, uint8_t flag)
{
	return (in->flags & flag) != 0;
}

/** The segment and its connection (NULL: none); takes in->m. */
void segment_input(struct tcp_engine *engine, struct tcp_conn *conn, struct tcp_in *in);

/* handshake.c: true when the segment has been dealt with */
/** In SYN-SENT; false: the handshake is done, data may follow in the same segment. */
bool handshake_syn_sent(struct tcp_conn *conn, struct tcp_in *in);
/** A SYN that is sent again for want of an answer. */
bool handshake_syn_again(struct tcp_conn *conn, struct tcp_in *in);
/** In SYN-RECEIVED the peer has our SYN: a passive or simultaneous open ends. */
bool handshake_acked(struct tcp_conn *conn, struct tcp_in *in);
/**
 * Whether a segment for a connection in TIME-WAIT may begin a new one: a SYN whose timestamp, or
 * without timestamps its sequence number, is beyond what the old one used (RFC 6191 2, RFC 1122
 * 4.2.2.13).
 */
bool handshake_in_time_wait(struct tcp_conn *conn, const struct tcp_in *in);

/* listen.c */
struct tcp_listener {
	LIST_ENTRY(tcp_listener) next;
	struct tcp_engine *engine;
	struct ip_addr local; /**< all zeros: any */
	uint16_t lport;
	bool cookies; /**< sent not long ago: an ACK may be one */
	unsigned int backlog, n_half, n_ready;
	struct tcp_options opt;
	void *owner;
	TAILQ_HEAD(, tcp_conn) half, ready;
	uint64_t cookie_at;
	uint64_t syn_second;
	uint32_t syn_count;
};
struct tcp_listener *listener_find(
		struct tcp_engine *engine, const struct tcp_key *key, uint32_t hash);
/** A segment for a listener: RFC 9293 3.10.7.2. Takes in->m. @return the connection, to go on with
 * the segment (a good cookie), or NULL */
struct tcp_conn *listen_input(struct tcp_listener *l, struct tcp_in *in);
/** The handshake of a passive connection is done: to the ready ones. False: no room, it stays. */
bool listen_established(struct tcp_conn *conn);
/** It goes, or is accepted: out of the listener's lists. */
void listen_forget(struct tcp_conn *conn);

/** Data came for a connection that waited for them (TCP_DEFER_ACCEPT). */
void listen_data(struct tcp_conn *conn);

/* stray.c: answers without a connection; take nothing */
/** RST for a segment (RFC 9293 3.10.7.1). */
void stray_reset(struct tcp_engine *engine, const struct tcp_in *in);
/** What a cookie's timestamp says of the SYN: the window scale, and SACK-permitted. */
#define COOKIE_NO_SCALE UINT32_C(0xf)
#define COOKIE_SACK UINT32_C(0x10)
#define COOKIE_BITS UINT32_C(0x1f)
/** SYN-ACK with a cookie. */
void stray_cookie(struct tcp_listener *l, const struct tcp_in *in);

/* conn.c */
/** A new object in the table, options and defaults set, no timer. @return 0, -ENOMEM */
int conn_create(struct tcp_engine *engine, const struct tcp_key *key, uint32_t hash,
		const struct tcp_options *opt, struct tcp_conn **conn);
/** Options of the peer's SYN, ours taken into account: flags, scales, snd_mss. */
void conn_negotiate(struct tcp_conn *conn, const struct tcp_opts *opts);
/** The smallest shift that lets the whole buffer be offered (RFC 7323 2.2). */
uint8_t scale_for(uint32_t rcvbuf);
/** snd_mss from mtu, peer_mss, options; when smaller, the unsent is cut on its way out. */
void conn_set_mss(struct tcp_conn *conn);
/** The path takes packets of @p mtu only; for ten minutes, then conn_widen() asks anew. */
void conn_narrow(struct tcp_conn *conn, uint16_t mtu);
/** While mtu_retry is set, before new data are taken. */
void conn_widen(struct tcp_conn *conn);
/** Established: congestion control, timers, events. */
void conn_established(struct tcp_conn *conn);
/** End with an error for the owner (0: none), then as conn_free(). Sends nothing. */
void conn_drop(struct tcp_conn *conn, int error);
/** CLOSED, out of every list; the object goes with engine_reap() if nobody owns it, else when the
 * owner closes it. */
void conn_finish(struct tcp_conn *conn);
/** Free those that are gone. At the end of every public call. */
void engine_reap(struct tcp_engine *engine);
void conn_event(struct tcp_conn *conn, unsigned int events);
/** mark.c: with F_MARKS, after snd_nxt or snd_una moved. */
void marks_look(struct tcp_conn *conn);
void marks_free(struct tcp_conn *conn);
/** TCP_E_WRITABLE, if somebody waits for it and it holds. */
static inline void
conn_writable(struct tcp_conn *conn)
{
	if (unlikely((conn->flags & F_WANT_SPACE) != 0) &&
			(tcp_ready(conn) & TCP_E_WRITABLE) != 0) {
		conn->flags &= ~(uint32_t)F_WANT_SPACE;
		conn_event(conn, TCP_E_WRITABLE);
	}
}
void conn_time_wait(struct tcp_conn *conn);

/* timer.c */
void timer_set(struct tcp_conn *conn, enum timer t, uint64_t at);
static inline void
timer_stop(struct tcp_conn *conn, enum timer t)
{
	conn->deadline[t] = UINT64_MAX;
}
static inline bool
timer_runs(const struct tcp_conn *conn, enum timer t)
{
	return conn->deadline[t] != UINT64_MAX;
}
/** TIMER_LIFE as state, options and what is on the way ask for. */
void life_arm(struct tcp_conn *conn);
/** @} */

/** @name Acknowledgements and loss (ack.c, sack.c, rack.c, rto.c, recovery.c) */
/** @{ */
/** At the start of a connection; RTO_INIT. */
void loss_init(struct tcp_conn *conn);
/**
 * An acceptable acknowledgement in a synchronized state: snd_una <= ack <= snd_nxt. SACK blocks and
 * D-SACK, round trip, RACK, F-RTO, recovery, congestion control; the queue is trimmed, snd_una and
 * the window move, TIMER_LOSS is set anew. Sends nothing: output follows.
 * @param data the segment carries data or FIN, so that it is no duplicate acknowledgement
 * @return true when something new was acknowledged
 */
bool ack_process(struct tcp_conn *conn, const struct tcp_in *in);
/** A round trip was measured, @p rtt > 0: RFC 6298 2. */
void rtt_sample(struct tcp_conn *conn, uint64_t rtt);
/** TIMER_LOSS ran out: RTO, tail loss probe, reordering or window probe by loss.timer. Sends. */
void loss_timeout(struct tcp_conn *conn);
/** Set TIMER_LOSS as what is on the way asks for: probe of a closed window, reordering, tail loss
 * probe, RTO. After each transmission and acknowledgement. */
void loss_arm(struct tcp_conn *conn);
/**
 * Output sent piece @p i: times, flags and the counts of struct loss follow.
 */
void loss_sent(struct tcp_conn *conn, uint32_t i);
/** Bytes that congestion control lets go now, in recovery by PRR; with @p new_data also what
 * limited transmit adds (RFC 3042). */
uint32_t loss_room(const struct tcp_conn *conn, bool new_data);
/** Index of the next piece to send again, the first SEG_LOST from @p from on; n_sent for none. */
uint32_t loss_next(const struct tcp_conn *conn, uint32_t from);
/** An ICMP said that segments were too big: what is on the way and too big is lost, without
 * congestion (RFC 8899 and RFC 5681 say nothing of loss here). */
void loss_too_big(struct tcp_conn *conn);
/** @} */

/** @name Output (output.c, segment.c) */
/** @{ */
/** buffer.c: the reserve is filled, and freed. */
void buffers_init(struct tcp_engine *engine);
void buffers_fini(struct tcp_engine *engine);
/** For what is sent and forgotten, of the reserve if need be. @return NULL: none (counted) */
struct rte_mbuf *buffer_bare(struct tcp_engine *engine);
/** For data that wait for their acknowledgement. @return so many of @p n; 0: none */
uint32_t buffers_data(struct tcp_engine *engine, struct rte_mbuf **m, uint32_t n);
/** Send what may go, retransmissions first; an acknowledgement if one is due and nothing carried
 * it. */
void output(struct tcp_conn *conn);
/** Call output() for it at the end of the burst. */
void output_later(struct tcp_conn *conn);
/** All that output_later() asked for. */
void output_due(struct tcp_engine *engine);
/** Piece @p i now, whatever the windows say: tail loss probe, RTO. @return 0, -ENOBUFS */
int output_piece(struct tcp_conn *conn, uint32_t i);
/** One new piece, if there is one and the peer's window takes it: tail loss probe. False: none. */
bool output_new_piece(struct tcp_conn *conn);
void output_ack(struct tcp_conn *conn);
/** An acknowledgement with an old sequence number, which makes the peer answer: keepalive, window
 * probe. */
void output_probe(struct tcp_conn *conn);
/** SYN or SYN-ACK, by the state. */
void output_syn(struct tcp_conn *conn);
void output_reset(struct tcp_conn *conn);
/** RFC 5961: an acknowledgement, at most so many a second. */
void output_challenge(struct tcp_conn *conn);
/** Segment of pieces @p i to i + n - 1, which segment_run() allows; counts of the connection
 * follow. 0, -ENOBUFS */
int segment_data(struct tcp_conn *conn, uint32_t i, uint32_t n);
/** Whether so many bytes, at least one, would go at once as one segment, and nothing waits. */
bool output_would_go(struct tcp_conn *conn, uint32_t len);
/** Such a segment of data that is not queued, as far as the device. 0, -ENOBUFS */
int segment_dummy(struct tcp_conn *conn, const void *data, uint16_t len);
/** Pieces from @p i on that can go in one packet of at most @p limit bytes without a copy, at most
 * @p max; at least 1. */
uint32_t segment_run(const struct tcp_conn *conn, uint32_t i, uint32_t max, uint32_t limit);
/** Segments of this connection wait from now on until segments_flush(), or until they are many. */
void segments_hold(struct tcp_conn *conn);
void segments_flush(struct tcp_conn *conn);
/** A segment without data. 0, -ENOBUFS */
int segment_bare(struct tcp_conn *conn, uint32_t seq, uint8_t flags, const struct tcp_opts *o);
int segment_ack(struct tcp_conn *conn, uint32_t seq);
/** The clock behind our timestamps. */
uint32_t ts_now(const struct tcp_conn *conn);
/** @} */

#endif
