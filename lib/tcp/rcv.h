/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the receive queue share: chains of buffers that hold nothing but data, linked
 * by next. Of a chained buffer data_off and data_len count; pkt_len and nb_segs do not.
 *
 * A chain keeps this against tiny segments: of two neighbours the second is larger than COPY_MAX or
 * did not fit behind the data of the first, when that could be written. So with buffers of 2 KB
 * there are at most bytes / 256 + 1.
 */
#ifndef DPVMA_TCP_RCV_H
#define DPVMA_TCP_RCV_H

#include "tcp/tcp_priv.h"

#define COPY_MAX 512u /* a copy up to this size costs less than a buffer that is mostly empty */

/** A segment's data on their way into the queue. */
struct piece {
	struct rte_mbuf *m; /**< begins at seq */
	uint32_t seq;
	uint32_t start, end; /**< what of it is new */
	bool dup;	     /**< a D-SACK tells of its first part that is not new */
};

/** The data of @p m fit behind those of @p tail, and nobody else sees that buffer. */
static __rte_always_inline bool
chain_fits(const struct rte_mbuf *tail, const struct rte_mbuf *m)
{
	return m->data_len <= COPY_MAX && RTE_MBUF_DIRECT(tail) &&
			m->data_len <= rte_pktmbuf_tailroom(tail) &&
			rte_mbuf_refcnt_read(tail) == 1;
}

static inline void
chain_free(struct rte_mbuf *head)
{
	if (head != NULL)
		rte_pktmbuf_free_bulk(&head, 1);
}

/** Sequence number of the next byte to be read. */
static inline uint32_t
rcv_read_seq(const struct tcp_conn *conn)
{
	const struct rcvq *q = &conn->rcvq;

	return conn->rcv_nxt - q->bytes - (q->fin && seq_gt(conn->rcv_nxt, q->fin_seq));
}

/* rcvchain.c */
/** Free what is empty, and copy together what is tiny. @return buffers from @p head to @p tail */
unsigned int chain_pack(struct rte_mbuf **head, struct rte_mbuf **tail);
/**
 * Leave of @p m the @p len bytes behind the first @p skip, free the rest, and copy together what is
 * tiny. @return the new head and @p tail; NULL for no byte
 */
struct rte_mbuf *chain_cut(struct rte_mbuf *m, uint32_t skip, uint32_t len, struct rte_mbuf **tail);
/**
 * Chain @p b, whose last buffer is @p b_tail, goes behind the chain from @p *head to @p *tail.
 * @return buffers of @p b that its data left and that were freed
 */
unsigned int chain_join(struct rte_mbuf **head, struct rte_mbuf **tail, struct rte_mbuf *b,
		struct rte_mbuf *b_tail);
/**
 * Copy @p len bytes of @p src, a chain, over those of @p dst from @p off on.
 * @return false: a buffer of @p dst has other users, and nothing was copied
 */
bool chain_overwrite(struct rte_mbuf *dst, uint32_t off, const struct rte_mbuf *src, uint32_t len);
/** Byte @p off of a chain that has so many. */
uint8_t chain_byte(const struct rte_mbuf *m, uint32_t off);
unsigned int chain_count(const struct rte_mbuf *m);

/* rcvooo.c */
/** A piece beyond rcv_nxt. Takes p->m. @return RCVQ_OOO, RCVQ_OLD or RCVQ_DROPPED */
unsigned int ooo_put(struct tcp_conn *conn, struct piece *p);
/**
 * A piece that begins at rcv_nxt loses what the blocks have; those that lie inside of it go, what
 * they had is in it then.
 */
void ooo_merge(struct tcp_conn *conn, struct piece *p);
/** The first block goes to the end of the queue if it begins at rcv_nxt, which moves. */
void ooo_advance(struct tcp_conn *conn);
/** Drop the block that is farthest. */
void ooo_prune(struct tcp_conn *conn);
/** Drop what lies beyond @p seq: the stream ends there. */
void ooo_drop_beyond(struct tcp_conn *conn, uint32_t seq);
/** A FIN came before the data that precede it: it is the latest to be told of. */
void ooo_note_fin(struct tcp_conn *conn);
/** Tell of a duplicate with the next acknowledgement. */
void dsack_note(struct tcp_conn *conn, uint32_t start, uint32_t end);

/* rcvq.c */
/** @p n more buffers are within the limit. */
static inline bool
rcv_has_room(const struct tcp_conn *conn, unsigned int n)
{
	const struct rcvq *q = &conn->rcvq;
	uint32_t bytes = RTE_MAX(conn->opt.rcvbuf, q->bytes + q->ooo_bytes);

	return q->bufs + n <= 64 + bytes / 256;
}

/* rcvread.c */
/** The reader has passed the next @p n bytes of the queue: free what they alone were in. */
void rcv_skip(struct tcp_conn *conn, uint32_t n);

/* rcvurg.c */
/** rcv_nxt has moved while F_URG_WAIT is set: the urgent byte may be there. */
void urgent_look(struct tcp_conn *conn);
/** MSG_OOB: as tcp_recv() with TCP_RECV_OOB. */
ssize_t urgent_read(struct tcp_conn *conn, uint8_t *to, bool peek);

#endif /* DPVMA_TCP_RCV_H */
