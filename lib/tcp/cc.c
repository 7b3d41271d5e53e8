/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of congestion control algorithms and what does not depend on one: the first window, the
 * window after a pause, the pacing rate; and the algorithm that is none. It does not decide what a
 * loss is, nor how the window shrinks during recovery: recovery.c does.
 */
#include "cc_priv.h"

static const struct cc_ops *const algorithms[TCP_CC_MAX] = {
	[TCP_CC_CUBIC] = &cc_cubic,
	[TCP_CC_NEWRENO] = &cc_newreno,
	[TCP_CC_NONE] = &cc_none,
};

const struct cc_ops *
cc_ops(const struct cc *cc)
{
	return algorithms[cc->algo];
}

int
tcp_cc_by_name(const char *name)
{
	int i;

	for (i = 0; name != NULL && i < TCP_CC_MAX; i++)
		if (strcmp(name, algorithms[i]->name) == 0)
			return i;
	return -1;
}

const char *
tcp_cc_name(enum tcp_cc_algo algo)
{
	return (unsigned int)algo < TCP_CC_MAX ? algorithms[algo]->name : NULL;
}

uint32_t
cc_initial_window(uint32_t mss)
{
	uint32_t floor = RTE_MAX(2 * mss, UINT32_C(14600));

	return RTE_MIN(10 * mss, floor);
}

void
cc_init(struct cc *cc, enum tcp_cc_algo algo, uint32_t mss, uint64_t now)
{
	memset(cc, 0, sizeof(*cc));
	cc->algo = (uint8_t)algo;
	cc->cwnd = cc_initial_window(mss);
	cc->ssthresh = UINT32_MAX; /* RFC 5681 3.1: arbitrarily high */
	cc_ops(cc)->init(cc, now);
}

/* The window that a connection without congestion control goes back to when it gets one. */
#define NONE_CWND(cc) ((cc)->priv[0])

void
cc_change(struct cc *cc, enum tcp_cc_algo algo, uint64_t now)
{
	if (cc->algo == algo)
		return;
	if (cc->algo == TCP_CC_NONE) {
		cc->cwnd = cc->prior_cwnd = (uint32_t)NONE_CWND(cc);
		if (cc->ssthresh == CWND_MAX) /* after a loss; recovery ends with this window */
			cc->ssthresh = cc->cwnd;
	}
	cc->algo = (uint8_t)algo;
	cc->acked = 0;
	memset(cc->priv, 0, sizeof(cc->priv));
	cc_ops(cc)->init(cc, now);
}

uint64_t
cc_pacing_rate(const struct cc *cc, uint64_t srtt)
{
	uint64_t rate;

	if (srtt == 0)
		return 0;
	/* At most 2^30 * 10^9 * 12, which is below 2^64. */
	if (cc_in_slow_start(cc))
		rate = cc->cwnd * 2 * SEC / srtt;
	else
		rate = cc->cwnd * SEC * 12 / 10 / srtt;
	return RTE_MAX(rate, UINT64_C(1));
}

/*
 * RFC 5681 4.1: after a pause of more than an RTO nothing is left of the ACK clock, so the window
 * is the initial one. What was learnt of the path is kept in ssthresh (RFC 7661 4.4.3), so that
 * slow start gets most of it back.
 */
bool
cc_restart(struct cc *cc, uint64_t idle, uint64_t rto, uint32_t mss)
{
	uint32_t restart = cc_initial_window(mss);

	if (idle <= rto || cc->cwnd <= restart)
		return false;
	cc->ssthresh = RTE_MAX(cc->ssthresh, cc->cwnd - cc->cwnd / 4);
	cc->cwnd = restart;
	cc->acked = 0;
	return true;
}

/*
 * None: for networks in which nothing is lost for congestion, or somebody else takes care of it.
 * The window is as large as any, and each acknowledgement makes it so again if recovery has set
 * another.
 */
static void
none_init(struct cc *cc, uint64_t now)
{
	(void)now;
	NONE_CWND(cc) = cc->cwnd;
	cc->cwnd = CWND_MAX;
}

static void
none_ack(struct cc *cc, const struct cc_ack *a)
{
	(void)a;
	cc->cwnd = CWND_MAX;
}

static uint32_t
none_congestion(struct cc *cc, uint32_t in_flight, uint32_t mss, bool ecn, uint64_t now)
{
	(void)cc, (void)in_flight, (void)mss, (void)ecn, (void)now;
	return CWND_MAX;
}

static uint32_t
none_timeout(struct cc *cc, uint32_t in_flight, uint32_t mss, uint64_t now)
{
	(void)cc, (void)in_flight, (void)mss, (void)now;
	return CWND_MAX;
}

static void
none_undo(struct cc *cc, uint64_t now)
{
	(void)cc, (void)now;
}

static void
none_idle(struct cc *cc, uint64_t idle, uint64_t rto, uint32_t mss, uint64_t now)
{
	(void)cc, (void)idle, (void)rto, (void)mss, (void)now;
}

const struct cc_ops cc_none = {
	.name = "none",
	.init = none_init,
	.ack = none_ack,
	.congestion = none_congestion,
	.timeout = none_timeout,
	.undo = none_undo,
	.idle = none_idle,
};
