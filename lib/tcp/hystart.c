/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyStart++ (RFC 9406): slow start ends when round trips grow longer, before the queue overflows. A
 * few rounds of slower growth (conservative slow start, CSS) first tell a queue from jitter. For
 * the first slow start alone, when ssthresh is not known yet.
 */
#include "cc_priv.h"

/* RFC 9406 4.3 */
#define MIN_RTT_THRESH 4000u  /* us */
#define MAX_RTT_THRESH 16000u /* us */
#define MIN_RTT_DIVISOR 8u
#define N_RTT_SAMPLE 8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS 5u
#define L 8u

#define NO_ROUND 0u /* hystart_now: no acknowledgement has come yet */
#define NO_RTT UINT32_MAX

void
hystart_init(struct cc *cc)
{
	cc->hystart_css = false;
	cc->hystart_now = NO_ROUND;
}

static void
round_begin(struct cc *cc, const struct cc_ack *a)
{
	cc->hystart_last = cc->hystart_now == NO_ROUND ? NO_RTT : cc->hystart_now;
	cc->hystart_now = NO_RTT;
	cc->hystart_samples = 0;
	cc->hystart_end = a->snd_nxt;
}

static void
css_enter(struct cc *cc)
{
	cc->hystart_css = true;
	cc->hystart_base = cc->hystart_now;
	cc->hystart_rounds = 0;
}

/* Enough samples of this round are there: it tells of a queue, or that there was none. */
static void
judge(struct cc *cc)
{
	uint32_t thresh;

	if (cc->hystart_css) {
		if (cc->hystart_now < cc->hystart_base)
			cc->hystart_css = false;
		return;
	}
	if (cc->hystart_last == NO_RTT)
		return;
	thresh = RTE_MIN(cc->hystart_last / MIN_RTT_DIVISOR, MAX_RTT_THRESH);
	thresh = RTE_MAX(thresh, MIN_RTT_THRESH);
	if (cc->hystart_now >= cc->hystart_last + thresh)
		css_enter(cc);
}

void
hystart_ack(struct cc *cc, const struct cc_ack *a)
{
	uint64_t rtt;

	if (cc->hystart_now == NO_ROUND || seq_geq(a->snd_una, cc->hystart_end)) {
		/* The round in which CSS began counts (RFC 9406 4.2); one in which the sender had
		 * little to say filled no queue. */
		if (cc->hystart_css && a->cwnd_limited && ++cc->hystart_rounds >= CSS_ROUNDS) {
			cc->ssthresh = cc->cwnd;
			return;
		}
		round_begin(cc, a);
	}
	if (a->rtt == 0)
		return;
	/* no round trip is 0 us, and half an hour is longer than any */
	rtt = RTE_MIN(a->rtt / 1000 + 1, UINT64_C(1) << 31);
	cc->hystart_now = (uint32_t)RTE_MIN(cc->hystart_now, rtt);
	if (cc->hystart_samples < N_RTT_SAMPLE)
		cc->hystart_samples++;
	if (cc->hystart_samples == N_RTT_SAMPLE)
		judge(cc);
}

uint32_t
hystart_bytes(const struct cc *cc, const struct cc_ack *a)
{
	uint32_t bytes = a->paced ? a->acked : RTE_MIN(a->acked, L * a->mss);

	return cc->hystart_css ? bytes / CSS_GROWTH_DIVISOR : bytes;
}
