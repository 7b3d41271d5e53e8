/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC (RFC 9438), with HyStart++ in its first slow start. Windows are bytes, so that Equation 1
 *is W_cubic(t) = C * mss * (t - K)^3 + W_max,	C = 0.4 with times in ticks of 2^-20 s. All
 *arithmetic is of 64 bits; what each step can reach stands beside it, for windows up to 2^30 and
 *segments from 20 to 65535 bytes.
 *
 * Choices: after ECN beta stays 0.7 (4.6), as RFC 8511's 0.85 is an experiment that counts on every
 * marking queue being short. Flight size, not cwnd, makes ssthresh (4.6).
 */
#include "cc_priv.h"

#define TICK_BITS 20
#define NS_MAX (512 * SEC - 1) /* 2^29 ticks; C * 20 B * (512 s)^3 is 2^30 already */

/* The curve of one stage of congestion avoidance; a copy of it is what an undo brings back. */
struct curve {
	uint64_t epoch; /* when it began, 0: with the next acknowledgement */
	uint32_t k;	/* ticks */
	uint32_t w_max;
	uint32_t w_est; /* what Reno would have by now (4.3) */
	uint32_t prior; /* cwnd before the reduction; W_est beyond it grows as fast as Reno */
};
struct cubic {
	struct curve curve, saved;
	uint64_t seen;	   /* the last acknowledgement or pause */
	uint64_t est_left; /* of W_est's growth, in 1/(17 cwnd) bytes */
};
_Static_assert(sizeof(struct cubic) <= sizeof(((struct cc *)0)->priv), "fits");

static struct cubic *
cubic(struct cc *cc)
{
	return (struct cubic *)cc->priv;
}

#define ROOT_BITS 8

/* The cube root of v < 2^63, with ROOT_BITS behind the point: once in a stage. */
static uint32_t
cube_root(uint64_t v)
{
	uint64_t r = 0, try;
	int bit;

	for (bit = 20; bit >= 0; bit--) { /* (2^21 - 1)^3 is below 2^63 */
		try = r | UINT64_C(1) << bit;
		if (try * try * try <= v)
			r = try;
	}
	if (r == 0)
		return 0;
	/* the rest is at most 3 r^2 + 3 r, some 2^44: a line is as good as the curve */
	v -= r * r * r;
	return (uint32_t)((r << ROOT_BITS) + (v << ROOT_BITS) / (3 * r * r + 3 * r + 1));
}

/* Equation 2: K = cbrt((W_max - cwnd_epoch) / (C mss)), in ticks. */
static uint32_t
curve_k(uint32_t rise, uint32_t mss)
{
	/* rise / 0.4 <= 2^31.4, so v <= 2^61.4 / mss, in 2^-30 s^3 */
	uint64_t v = (uint64_t)rise * 5 / 2 << 30;
	unsigned int scale = 10 + ROOT_BITS;

	v /= mss;
	/* as many bits as there is room for: three of v are one of the root */
	for (; v != 0 && v < UINT64_C(1) << 60; scale++)
		v <<= 3;
	v = cube_root(v);
	/* some 382 s for 48 bytes, which is 88 without options */
	return (uint32_t)(scale > TICK_BITS ? v >> (scale - TICK_BITS) : v << (TICK_BITS - scale));
}

/* C * mss * t^3 in bytes, of a time below 2^29. */
static uint64_t
cube_bytes(uint64_t t, uint32_t mss)
{
	uint64_t v = t * t >> 24; /* <= 2^34, in 2^-16 s^2 */

	v = v * t >> 16;		     /* <= 2^47, in 2^-20 s^3 */
	return v * mss / 5 * 2 >> TICK_BITS; /* from 2^63 */
}

/* W_cubic at @p ns after the stage began. */
static uint32_t
curve_at(const struct curve *c, uint64_t ns, uint32_t mss)
{
	uint64_t t = (RTE_MIN(ns, NS_MAX) << TICK_BITS) / SEC, w;

	if (t < c->k) {
		w = cube_bytes(c->k - t, mss);
		return w < c->w_max ? c->w_max - (uint32_t)w : 0;
	}
	w = c->w_max + cube_bytes(t - c->k, mss);
	return (uint32_t)RTE_MIN(w, CWND_MAX);
}

static void
cubic_init(struct cc *cc, uint64_t now)
{
	cubic(cc)->seen = now;
	hystart_init(cc);
}

/* Congestion avoidance begins, with Equation 1 from cwnd_epoch = cwnd. */
static void
stage_begin(struct cc *cc, uint32_t mss, uint64_t now)
{
	struct cubic *c = cubic(cc);

	c->curve.epoch = RTE_MAX(now, UINT64_C(1));
	c->curve.w_est = cc->cwnd;
	c->est_left = 0;
	cc->acked = 0;
	if (c->curve.w_max <= cc->cwnd) { /* 4.8, 4.10: after a timeout or slow start */
		c->curve.w_max = cc->cwnd;
		c->curve.k = 0;
	} else {
		c->curve.k = curve_k(c->curve.w_max - cc->cwnd, mss);
	}
}

/* 4.3, Equation 4: alpha is 3 (1 - 0.7) / (1 + 0.7) = 9/17 until the old window is reached. */
static void
estimate_reno(struct cc *cc, uint32_t acked, uint32_t mss)
{
	struct cubic *c = cubic(cc);
	uint64_t unit = 17 * (uint64_t)cc->cwnd;

	c->est_left += (uint64_t)acked * mss * (c->curve.w_est < c->curve.prior ? 9 : 17);
	/* acked <= cwnd, so that it is at most a segment and what was left */
	c->curve.w_est += (uint32_t)(c->est_left / unit);
	c->est_left %= unit;
	c->curve.w_est = RTE_MIN(c->curve.w_est, CWND_MAX);
}

static void
avoid_congestion(struct cc *cc, uint32_t acked, const struct cc_ack *a)
{
	struct cubic *c = cubic(cc);
	uint32_t target;
	uint64_t grown;

	if (c->curve.epoch == 0)
		stage_begin(cc, a->mss, a->now);
	acked = RTE_MIN(acked, cc->cwnd);
	estimate_reno(cc, acked, a->mss);
	if (curve_at(&c->curve, a->now - c->curve.epoch, a->mss) < c->curve.w_est) {
		cc->cwnd = RTE_MAX(cc->cwnd, c->curve.w_est);
		cc->acked = 0;
		return;
	}
	/* 4.4, 4.5: to where the curve is in a round trip, but by half at most */
	target = curve_at(&c->curve, a->now - c->curve.epoch + a->srtt, a->mss);
	target = RTE_MIN(target, cc->cwnd + cc->cwnd / 2);
	target = RTE_MAX(target, cc->cwnd);
	grown = (uint64_t)(target - cc->cwnd) * acked + cc->acked; /* <= 2^60 */
	cc->acked = (uint32_t)(grown % cc->cwnd);
	cc_grow(cc, (uint32_t)(grown / cc->cwnd));
}

/* 4.2, 5.8: time in which the window was not used is no time of the curve. */
static void
stand_still(struct cubic *c, uint64_t now)
{
	if (c->curve.epoch != 0)
		c->curve.epoch += now - RTE_MAX(c->seen, c->curve.epoch);
}

static void
cubic_ack(struct cc *cc, const struct cc_ack *a)
{
	struct cubic *c = cubic(cc);
	uint32_t acked = a->acked;

	if (cc->ssthresh == UINT32_MAX)
		hystart_ack(cc, a);
	if (!a->cwnd_limited) {
		stand_still(c, a->now);
	} else {
		if (cc_in_slow_start(cc))
			acked = cc_slow_start(cc, hystart_bytes(cc, a), UINT32_MAX);
		if (acked != 0 && !cc_in_slow_start(cc))
			avoid_congestion(cc, acked, a);
	}
	c->seen = a->now;
}

/* 4.6 and 4.7 */
static uint32_t
cubic_congestion(struct cc *cc, uint32_t in_flight, uint32_t mss, bool ecn, uint64_t now)
{
	struct curve *c = &cubic(cc)->curve;
	uint64_t flight = RTE_MIN(in_flight, CWND_MAX);

	(void)ecn, (void)now;
	cubic(cc)->saved = *c;
	/* fast convergence: another flow wants its share */
	c->w_max = cc->cwnd < c->w_max ? (uint32_t)((uint64_t)cc->cwnd * 17 / 20) : cc->cwnd;
	c->prior = cc->cwnd;
	c->epoch = 0;
	cc->hystart_css = false;
	return (uint32_t)RTE_MAX(flight * 7 / 10, 2 * mss);
}

/* 4.8: the next stage knows no W_max. */
static uint32_t
cubic_timeout(struct cc *cc, uint32_t in_flight, uint32_t mss, uint64_t now)
{
	uint32_t ssthresh = cubic_congestion(cc, in_flight, mss, false, now);

	cubic(cc)->curve.w_max = 0;
	return ssthresh;
}

/* 4.9 */
static void
cubic_undo(struct cc *cc, uint64_t now)
{
	(void)now;
	cubic(cc)->curve = cubic(cc)->saved;
	cc->acked = 0;
}

static void
cubic_idle(struct cc *cc, uint64_t idle, uint64_t rto, uint32_t mss, uint64_t now)
{
	struct cubic *c = cubic(cc);

	stand_still(c, now);
	c->seen = now;
	if (!cc_restart(cc, idle, rto, mss))
		return;
	c->curve.epoch = 0; /* slow start comes first */
	hystart_init(cc);
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.ack = cubic_ack,
	.congestion = cubic_congestion,
	.timeout = cubic_timeout,
	.undo = cubic_undo,
	.idle = cubic_idle,
};
