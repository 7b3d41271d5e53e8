/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The window of RFC 5681 with appropriate byte counting (RFC 3465): bytes acknowledged count, not
 * acknowledgements. The recovery that gave NewReno its name (RFC 6582) is recovery.c's.
 */
#include "cc_priv.h"

struct newreno {
	bool after_rto; /* slow start follows a timeout */
};
_Static_assert(sizeof(struct newreno) <= sizeof(((struct cc *)0)->priv), "fits");

static struct newreno *
newreno(struct cc *cc)
{
	return (struct newreno *)cc->priv;
}

static void
newreno_init(struct cc *cc, uint64_t now)
{
	(void)now;
	newreno(cc)->after_rto = false;
}

static void
newreno_ack(struct cc *cc, const struct cc_ack *a)
{
	uint32_t acked = a->acked;

	if (!a->cwnd_limited)
		return;
	if (cc_in_slow_start(cc)) {
		/* RFC 3465 2.3: L is 2, after a timeout 1, when one ACK may stand for data that
		 * arrived long ago */
		acked = cc_slow_start(cc, acked, newreno(cc)->after_rto ? a->mss : 2 * a->mss);
		if (acked == 0)
			return;
	}
	newreno(cc)->after_rto = false;
	/* RFC 3465 2.1: a segment for each window of bytes */
	cc->acked += RTE_MIN(acked, cc->cwnd);
	if (cc->acked >= cc->cwnd) {
		cc->acked -= cc->cwnd;
		cc_grow(cc, a->mss);
	}
}

/* RFC 5681 (4). ECN is answered like a loss (RFC 3168 6.1.2). */
static uint32_t
newreno_congestion(struct cc *cc, uint32_t in_flight, uint32_t mss, bool ecn, uint64_t now)
{
	(void)ecn, (void)now;
	cc->acked = 0;
	return RTE_MAX(in_flight / 2, 2 * mss);
}

static uint32_t
newreno_timeout(struct cc *cc, uint32_t in_flight, uint32_t mss, uint64_t now)
{
	newreno(cc)->after_rto = true;
	return newreno_congestion(cc, in_flight, mss, false, now);
}

static void
newreno_undo(struct cc *cc, uint64_t now)
{
	(void)now;
	newreno(cc)->after_rto = false;
}

static void
newreno_idle(struct cc *cc, uint64_t idle, uint64_t rto, uint32_t mss, uint64_t now)
{
	(void)now;
	cc_restart(cc, idle, rto, mss);
}

const struct cc_ops cc_newreno = {
	.name = "reno",
	.init = newreno_init,
	.ack = newreno_ack,
	.congestion = newreno_congestion,
	.timeout = newreno_timeout,
	.undo = newreno_undo,
	.idle = newreno_idle,
};
