/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files about acknowledgements and loss share: what one acknowledgement did, and the
 * steps that ack.c takes in order.
 */
#ifndef DPVMA_TCP_LOSS_PRIV_H
#define DPVMA_TCP_LOSS_PRIV_H

#include "tcp/tcp_priv.h"

/** One acknowledgement; filled by ack.c and sack.c, read by the others. */
struct acked {
	const struct tcp_in *in;
	uint64_t now;
	uint32_t una;	    /**< snd_una before it */
	uint32_t pipe;	    /**< conn_pipe() before it */
	uint32_t advance;   /**< snd_una moved by so much */
	uint32_t delivered; /**< newly acknowledged, cumulative and SACK */
	uint64_t rtt_first; /**< of the earliest piece newly acknowledged cumulatively; 0: none */
	uint64_t rtt_last;  /**< of the latest sent of all, for congestion control */
	uint64_t rtt_sack;  /**< of the earliest newly SACKed one */
	uint64_t rtt_rtx;   /**< of the last one that was sent again, when a timestamp tells it */
	uint64_t rack_at;   /**< the latest sent piece that RACK may count, and its end */
	uint32_t rack_end;
	bool data;	     /**< the segment carries data, SYN or FIN */
	bool dup;	     /**< RFC 5681 2 */
	bool dsack;	     /**< dsack_block is good */
	bool rtx_acked;	     /**< of what was acknowledged cumulatively, a piece was sent again */
	bool original_acked; /**< a piece sent once was acknowledged, cumulatively or by SACK */
	struct sack_block dsack_block;
};

/** ack.c: piece @p s is delivered now; it was neither acknowledged nor SACKed before. */
void piece_delivered(struct tcp_conn *conn, struct seg *s, bool cumulative, struct acked *a);

/** sack.c: blocks of the segment, after snd_una has moved. */
void sack_process(struct tcp_conn *conn, struct acked *a);
/** Without SACK: duplicate acknowledgements stand for what has arrived (RFC 6582). */
void dup_ack_process(struct tcp_conn *conn, struct acked *a);
/** Forget what was SACKed: the peer may have dropped it (RFC 2018 8). */
void sack_forget(struct tcp_conn *conn);

/** rack.c: RFC 8985 6.2 steps 2 and 4, what can be said before losses are looked for. */
void rack_update(struct tcp_conn *conn, const struct acked *a);
/** Step 5. Marks pieces and sets loss.reo_at. @return true when one was marked */
bool rack_detect(struct tcp_conn *conn);
/** RFC 8985 6.3: mark the first and what has been on the way for long enough; all without SACK. */
void rack_rto(struct tcp_conn *conn);
/** A recovery ends: the reordering window shrinks after 16 of them without a D-SACK. */
void rack_recovered(struct tcp_conn *conn);
/** The next piece to be looked at is the first: after marks were taken away. */
void rack_rescan(struct tcp_conn *conn);
void piece_lost(struct tcp_conn *conn, struct seg *s);
/** Probe timeout for what is on the way, ns (RFC 8985 7.2); 0: none is to be set. */
uint64_t tlp_timeout(const struct tcp_conn *conn);
void tlp_send(struct tcp_conn *conn);
/** RFC 8985 7.4.2. @return true when the probe has repaired a loss */
bool tlp_process(struct tcp_conn *conn, const struct acked *a);

/** recovery.c: states, undo and the window, after everything else is known. */
void recovery_ack(struct tcp_conn *conn, const struct acked *a);
/** The reordering timer has marked pieces. */
void recovery_lost(struct tcp_conn *conn);
/** An RTO: state and window (RFC 5681 3.1). */
void recovery_rto(struct tcp_conn *conn);

/** rto.c: RFC 5682. @return true: the timeout was spurious */
bool frto_process(struct tcp_conn *conn, const struct acked *a);

/** A D-SACK up to @p end is of the tail loss probe; it does not count a FIN, as the probe does. */
static inline bool
is_probe_end(const struct tcp_conn *conn, uint32_t end)
{
	const struct loss *l = &conn->loss;

	return end == l->tlp_end ||
			((conn->flags & F_FIN_QUEUED) != 0 && end + 1 == l->tlp_end &&
					l->tlp_end == conn->snd_nxt);
}

/** Bytes of the peer's window that are not used. */
static inline uint32_t
window_left(const struct tcp_conn *conn)
{
	uint32_t edge = conn->snd_una + conn->snd_wnd;

	return seq_gt(edge, conn->snd_nxt) ? edge - conn->snd_nxt : 0;
}

/** RFC 8985 6.2: the order of transmissions, those of one moment by sequence number. */
static inline bool
sent_after(uint64_t t1, uint32_t end1, uint64_t t2, uint32_t end2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

/** What the timestamp clock showed at @p t. */
static inline uint32_t
ts_at(const struct tcp_conn *conn, uint64_t t)
{
	return ts_now(conn) - (uint32_t)(conn_now(conn) / MSEC - t / MSEC);
}

/** The segment's timestamp is older than @p ts: what it acknowledges was sent before. */
static inline bool
ecr_before(const struct tcp_conn *conn, const struct tcp_in *in, uint32_t ts)
{
	return (conn->flags & F_TS) != 0 && (in->opts.have & OPT_TS) != 0 && in->opts.ts_ecr != 0 &&
			seq_lt(in->opts.ts_ecr, ts);
}

#endif
