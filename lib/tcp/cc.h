/* SPDX-License-Identifier: BSD-3-Clause */
/* Congestion control (cc.c, newreno.c, cubic.c, hystart.c); cc_priv.h is theirs alone. */
#ifndef DPVMA_TCP_CC_H
#define DPVMA_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "tcp/tcp.h"

/** All window sizes in bytes. */
struct cc {
	uint32_t cwnd, ssthresh;
	uint32_t acked;	     /**< what growth left over, in the algorithm's own unit */
	uint32_t prior_cwnd; /**< before the last reduction, for an undo */
	uint32_t prior_ssthresh;
	uint8_t algo; /**< enum tcp_cc_algo */
	bool hystart_css;
	uint8_t hystart_rounds;
	uint8_t hystart_samples;
	uint32_t hystart_end; /**< sequence number at which the round ends */
	uint32_t hystart_last, hystart_now, hystart_base; /**< least round trips, us (hystart.c) */
	/** Of one algorithm; newreno.c and cubic.c define what they keep. */
	uint64_t priv[8];
};
struct cc_ack {
	uint32_t acked;	    /**< bytes newly acknowledged, cumulative and SACK */
	uint32_t in_flight; /**< bytes before this acknowledgement */
	uint32_t mss;
	uint32_t snd_una, snd_nxt;
	uint64_t rtt; /**< of this acknowledgement, 0: none */
	uint64_t srtt, min_rtt;
	uint64_t now;
	bool cwnd_limited; /**< the window was full: else it must not grow (RFC 9293, 7661) */
	bool paced; /**< segments are spread: bursts need no limit in slow start (RFC 9406) */
};
struct cc_ops {
	const char *name;
	void (*init)(struct cc *cc, uint64_t now);
	/** Outside of recovery: slow start and congestion avoidance. */
	void (*ack)(struct cc *cc, const struct cc_ack *a);
	/** Enter recovery, or ECN: @return the new ssthresh; the caller sets cwnd by PRR. */
	uint32_t (*congestion)(
			struct cc *cc, uint32_t in_flight, uint32_t mss, bool ecn, uint64_t now);
	/** A retransmission timeout. @return the new ssthresh */
	uint32_t (*timeout)(struct cc *cc, uint32_t in_flight, uint32_t mss, uint64_t now);
	/** The reduction was spurious; cwnd and ssthresh are restored by the caller. */
	void (*undo)(struct cc *cc, uint64_t now);
	/** The first data after @p idle ns without any (RFC 5681 4.1, RFC 9438 5.8). */
	void (*idle)(struct cc *cc, uint64_t idle, uint64_t rto, uint32_t mss, uint64_t now);
};
extern const struct cc_ops cc_newreno, cc_cubic, cc_none;
const struct cc_ops *cc_ops(const struct cc *cc);
/** RFC 6928: min(10 mss, max(2 mss, 14600)). */
uint32_t cc_initial_window(uint32_t mss);
void cc_init(struct cc *cc, enum tcp_cc_algo algo, uint32_t mss, uint64_t now);
/** Another algorithm in mid-connection; cwnd and ssthresh stay. */
void cc_change(struct cc *cc, enum tcp_cc_algo algo, uint64_t now);
/** bytes/s at which a window goes in a round trip: 2 cwnd in slow start, 1.2 after; 0: no srtt. */
uint64_t cc_pacing_rate(const struct cc *cc, uint64_t srtt);

#endif
