/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What congestion control algorithms share among themselves: the largest window, slow start, the
 * window after a pause. The rest of the room sees struct cc_ops alone.
 */
#ifndef DPVMA_CC_PRIV_H
#define DPVMA_CC_PRIV_H

#include "tcp_priv.h"

/* No peer offers more (RFC 7323 2.3), and sums of two windows stay below 2^32. */
#define CWND_MAX (UINT32_C(1) << 30)

static inline bool
cc_in_slow_start(const struct cc *cc)
{
	return cc->cwnd < cc->ssthresh;
}

static inline void
cc_grow(struct cc *cc, uint32_t bytes)
{
	if (cc->cwnd < CWND_MAX)
		cc->cwnd += RTE_MIN(bytes, CWND_MAX - cc->cwnd);
}

/**
 * Slow start with @p acked bytes, of which @p limit count (RFC 3465).
 * @return what is left of them for congestion avoidance
 */
static inline uint32_t
cc_slow_start(struct cc *cc, uint32_t acked, uint32_t limit)
{
	uint32_t room = cc->ssthresh - cc->cwnd, counts = RTE_MIN(acked, limit);

	cc_grow(cc, RTE_MIN(counts, room));
	return counts > room ? counts - room : 0;
}

/** The window to begin again with after a pause. False: the pause was too short for that. */
bool cc_restart(struct cc *cc, uint64_t idle, uint64_t rto, uint32_t mss);

/** HyStart++ has a say until the first ssthresh is known. */
void hystart_init(struct cc *cc);
/** Follow rounds and round trips; may set ssthresh. Before or after the window has grown. */
void hystart_ack(struct cc *cc, const struct cc_ack *a);
/** Bytes that slow start counts for this acknowledgement. */
uint32_t hystart_bytes(const struct cc *cc, const struct cc_ack *a);

#endif
