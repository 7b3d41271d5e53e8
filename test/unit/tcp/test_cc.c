/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control by its numbers: CUBIC against the formulas of RFC 9438 in double precision,
 * over all windows, segments and round trips there are; HyStart++, NewReno, none, pauses, undo.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tcp/tcp_priv.h"

#define USEC UINT64_C(1000)
#define GB (UINT32_C(1) << 30)

static const uint32_t segments[] = { 88, 536, 1448, 8948, 65535 };
static const uint64_t round_trips[] = { USEC, 10 * USEC, 123 * USEC, MSEC, 17 * MSEC, 100 * MSEC,
	SEC, 10 * SEC };

static struct cc
cc_with(enum tcp_cc_algo algo, uint32_t mss, uint64_t now)
{
	struct cc cc;

	memset(&cc, 0xa5, sizeof(cc));
	cc_init(&cc, algo, mss, now);
	return cc;
}

/* One acknowledgement, as ack.c gives it. */
static void
ack(struct cc *cc, uint32_t bytes, uint32_t mss, uint64_t rtt, uint64_t now)
{
	const struct cc_ack a = { .acked = bytes,
		.in_flight = cc->cwnd,
		.mss = mss,
		.rtt = rtt,
		.srtt = rtt,
		.min_rtt = rtt,
		.now = now,
		.cwnd_limited = true };

	cc_ops(cc)->ack(cc, &a);
}

/* What recovery.c does, recovery itself left out. */
static void
lose(struct cc *cc, uint32_t mss, uint64_t now)
{
	cc->prior_cwnd = cc->cwnd;
	cc->prior_ssthresh = cc->ssthresh;
	cc->ssthresh = cc_ops(cc)->congestion(cc, cc->cwnd, mss, false, now);
	cc->cwnd = cc->ssthresh;
}

static void
time_out(struct cc *cc, uint32_t mss, uint64_t now)
{
	cc->prior_cwnd = cc->cwnd;
	cc->prior_ssthresh = cc->ssthresh;
	cc->ssthresh = cc_ops(cc)->timeout(cc, cc->cwnd, mss, now);
	cc->cwnd = mss;
}

static void
undo(struct cc *cc, uint64_t now)
{
	cc->cwnd = cc->prior_cwnd;
	cc->ssthresh = cc->prior_ssthresh;
	cc_ops(cc)->undo(cc, now);
}

/* RFC 9438 4 in segments and seconds, as it is written there. */
struct model {
	double cwnd, w_max, k, w_est, prior, epoch, mss;
};

static double
model_curve(const struct model *m, double t)
{
	return 0.4 * pow(t - m->k, 3) + m->w_max;
}

static void
model_begin(struct model *m, double now)
{
	if (m->w_max < m->cwnd)
		m->w_max = m->cwnd;
	m->k = cbrt((m->w_max - m->cwnd) / 0.4);
	m->epoch = now;
	m->w_est = m->cwnd;
}

static void
model_ack(struct model *m, double acked, double rtt, double now)
{
	double t = now - m->epoch, target;

	m->w_est += (m->w_est < m->prior ? 3 * 0.3 / 1.7 : 1) * acked / m->cwnd;
	m->w_est = fmin(m->w_est, (double)GB / m->mss);
	if (model_curve(m, t) < m->w_est) {
		m->cwnd = fmax(m->cwnd, m->w_est);
		return;
	}
	/* no window is larger than 2^30 bytes */
	target = fmin(model_curve(m, t + rtt), (double)GB / m->mss);
	target = fmin(fmax(target, m->cwnd), 1.5 * m->cwnd);
	m->cwnd += (target - m->cwnd) / m->cwnd * acked;
}

static void
model_lose(struct model *m)
{
	m->prior = m->cwnd;
	m->w_max = m->cwnd < m->w_max ? m->cwnd * (1 + 0.7) / 2 : m->cwnd;
	m->cwnd = fmax(0.7 * m->cwnd, 2);
}

#define assert_near(a, b, tolerance)                                                               \
	do {                                                                                       \
		double a_ = (a), b_ = (b);                                                         \
		if (!(fabs(a_ - b_) <= (tolerance)))                                               \
			fail_msg("%s is %.9g, not %.9g", #a, a_, b_);                              \
	} while (0)

/* Losses at @p window and, before it is reached again, another: each followed for some rounds. */
static void
follow(uint32_t window, uint32_t mss, uint64_t rtt, unsigned int rounds)
{
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	struct model m = { .cwnd = (double)window / mss, .mss = mss };
	unsigned int loss, r, i, acks = RTE_MIN(window / mss, 20u);
	uint64_t now = SEC;

	cc.cwnd = window;
	for (loss = 0; loss < 3; loss++) {
		/* growth is exponential at times, and so is a difference of a byte: begin alike */
		m.cwnd = (double)cc.cwnd / mss;
		model_lose(&m);
		lose(&cc, mss, now);
		assert_near(cc.cwnd, m.cwnd * mss, 1);
		m.cwnd = (double)cc.cwnd / mss;
		/* at the first, W_cubic and W_est are the same, and either way is right */
		now += rtt;
		model_begin(&m, (double)now / 1e9);
		ack(&cc, 1, mss, rtt, now);
		model_ack(&m, 1.0 / mss, (double)rtt / 1e9, (double)now / 1e9);
		for (r = 0; r < rounds; r++) {
			uint32_t each = cc.cwnd / acks;

			for (i = 0; i < acks; i++) {
				now += rtt / acks;
				ack(&cc, each, mss, rtt, now);
				model_ack(&m, (double)each / mss, (double)rtt / 1e9,
						(double)now / 1e9);
			}
			/* W_est may reach the old window an acknowledgement sooner or later */
			assert_near(cc.cwnd, m.cwnd * mss,
					8 + mss / acks / 2 + m.cwnd * mss * 1e-5);
		}
	}
}

static void
test_cubic_model(void **state)
{
	uint64_t window;
	unsigned int s, r;

	(void)state;
	for (s = 0; s < RTE_DIM(segments); s++)
		for (r = 0; r < RTE_DIM(round_trips); r++)
			for (window = RTE_MAX(1024u, 4 * segments[s]); window <= GB; window *= 3)
				follow((uint32_t)window, segments[s], round_trips[r], 40);
}

/* Round trips of one acknowledgement for each of 50 parts of the window, until @p until. */
static uint64_t
run(struct cc *cc, uint32_t mss, uint64_t rtt, uint64_t now, uint64_t until)
{
	while (now < until) {
		now += rtt / 50;
		ack(cc, cc->cwnd / 50, mss, rtt, now);
	}
	return now;
}

/* The shape itself: concave to W_max at K, convex behind it. */
static void
test_cubic_shape(void **state)
{
	const uint32_t mss = 1448, w = 10000 * mss;
	const double k = cbrt(10000 * 0.3 / 0.4);
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	uint64_t now = SEC, begin;

	(void)state;
	cc.cwnd = w;
	lose(&cc, mss, now);
	assert_int_equal(cc.ssthresh, w / 10 * 7);
	begin = now;
	now = run(&cc, mss, 100 * MSEC, now, begin + (uint64_t)(k / 2 * 1e9));
	assert_near(cc.cwnd, w - 0.3 * w / 8, w * 0.01);
	now = run(&cc, mss, 100 * MSEC, now, begin + (uint64_t)(k * 1e9));
	assert_near(cc.cwnd, w, w * 0.002);
	run(&cc, mss, 100 * MSEC, now, begin + (uint64_t)(2 * k * 1e9));
	assert_near(cc.cwnd, 1.3 * w, w * 0.01);
}

/* 4.3: with short round trips it grows as Reno does, by 9/17 and then by one segment a round. */
static void
test_cubic_reno(void **state)
{
	const uint32_t mss = 1448, w = 100 * mss;
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	uint64_t now = SEC;
	uint32_t before;

	(void)state;
	cc.cwnd = w;
	lose(&cc, mss, now);
	before = cc.cwnd;
	now = run(&cc, mss, MSEC, now, now + 20 * MSEC);
	assert_near(cc.cwnd - before, 20 * 9.0 / 17 * mss, 0.02 * 20 * mss);
	now = run(&cc, mss, MSEC, now, now + 100 * MSEC);
	before = cc.cwnd;
	assert_true(before > w);
	run(&cc, mss, MSEC, now, now + 10 * MSEC);
	assert_near(cc.cwnd - before, 10.0 * mss, 0.02 * 10 * mss);
}

/* 4.4: never by more than half in a round trip, whatever the curve says. */
static void
test_cubic_target(void **state)
{
	const uint32_t mss = 1448;
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	uint64_t now = SEC;
	uint32_t before;

	(void)state;
	cc.cwnd = 40 * mss;
	lose(&cc, mss, now);
	now += 10 * SEC;
	ack(&cc, mss, mss, 10 * SEC, now);
	now += 100 * SEC;
	before = cc.cwnd;
	ack(&cc, cc.cwnd, mss, 10 * SEC, now);
	assert_int_equal(cc.cwnd, before + before / 2);
	ack(&cc, UINT32_MAX, mss, 10 * SEC, now); /* more than the window is no more */
	assert_in_range(cc.cwnd, before * 2, before * 9 / 4);
	before = cc.cwnd;
	/* where ticks of a nanosecond count would begin again at 0 */
	ack(&cc, cc.cwnd, mss, 10 * SEC, SEC + 10 * SEC + (UINT64_C(1) << 44));
	assert_int_equal(cc.cwnd, before + before / 2);
}

/* 4.7: who lost again below its old window aims lower. */
static void
test_cubic_fast_convergence(void **state)
{
	const uint32_t mss = 1448, w = 10000 * mss;
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	const double plateau = 0.7 * 10000 * 0.85, k = cbrt((plateau - 4900) / 0.4);
	uint64_t now = SEC;

	(void)state;
	cc.cwnd = w;
	lose(&cc, mss, now);
	lose(&cc, mss, now);
	assert_near(cc.cwnd, 0.49 * w, 2);
	run(&cc, mss, 100 * MSEC, now, now + (uint64_t)(k * 1e9));
	assert_near(cc.cwnd, plateau * mss, w * 0.002);
}

/* 4.8: slow start to ssthresh; from there K is 0 and W_max is what there is. */
static void
test_cubic_timeout(void **state)
{
	const uint32_t mss = 1448, w = 10000 * mss;
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	uint64_t now = SEC;
	unsigned int i;

	(void)state;
	cc.cwnd = w;
	time_out(&cc, mss, now);
	assert_int_equal(cc.ssthresh, w / 10 * 7);
	for (i = 0; cc.cwnd < cc.ssthresh; i++) {
		assert_true(i < 6999 + 1);
		ack(&cc, mss, mss, 100 * MSEC, now);
	}
	assert_int_equal(i, 6999);
	run(&cc, mss, 100 * MSEC, now, now + 20 * SEC);
	assert_near(cc.cwnd, (7000 + 0.4 * 20 * 20 * 20) * mss, w * 0.01);
}

static void
test_cubic_reduction(void **state)
{
	struct cc cc = cc_with(TCP_CC_CUBIC, 1000, 1);

	(void)state;
	cc.cwnd = 100000;
	assert_int_equal(cc_ops(&cc)->congestion(&cc, 100000, 1000, false, 1), 70000);
	assert_int_equal(cc_ops(&cc)->congestion(&cc, 100000, 1000, true, 1), 70000);
	assert_int_equal(cc_ops(&cc)->congestion(&cc, 50000, 1000, false, 1), 35000);
	assert_int_equal(cc_ops(&cc)->congestion(&cc, 1000, 1000, false, 1), 2000);
	assert_int_equal(cc_ops(&cc)->timeout(&cc, 0, 1000, 1), 2000);
	assert_int_equal(cc_ops(&cc)->congestion(&cc, UINT32_MAX, 1000, false, 1), GB / 10 * 7 + 2);
}

static void
ack_limited(struct cc *cc, uint32_t bytes, uint32_t mss, uint64_t rtt, uint64_t now)
{
	const struct cc_ack a = { .acked = bytes, .mss = mss, .rtt = rtt, .srtt = rtt, .now = now };

	cc_ops(cc)->ack(cc, &a);
}

/* 4.2, 5.8: time with a window not used, or a pause, is none: a twin without it grows alike. */
static void
test_cubic_limited(void **state)
{
	const uint32_t mss = 1448, w = 10000 * mss;
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1), twin;
	uint64_t now = SEC, later, t;
	uint32_t before;

	(void)state;
	cc.cwnd = w;
	lose(&cc, mss, now);
	now = run(&cc, mss, 100 * MSEC, now, now + 5 * SEC);
	twin = cc;
	before = cc.cwnd;
	for (t = now; t < now + 30 * SEC; t += 100 * MSEC)
		ack_limited(&cc, mss, mss, 100 * MSEC, t + 100 * MSEC);
	assert_int_equal(cc.cwnd, before);
	later = t + 200 * MSEC;
	cc_ops(&cc)->idle(&cc, 200 * MSEC, 300 * MSEC, mss, later);
	later += 100 * MSEC;
	ack_limited(&cc, mss, mss, 100 * MSEC, later);
	assert_int_equal(cc.cwnd, before);
	run(&cc, mss, 100 * MSEC, later, later + 30 * SEC);
	run(&twin, mss, 100 * MSEC, now, now + 30 * SEC);
	assert_true(twin.cwnd > before + 1000 * mss);
	assert_near(cc.cwnd, twin.cwnd, 2);
}

static void
test_limited_never_grows(void **state)
{
	int algo, i;

	(void)state;
	for (algo = 0; algo < TCP_CC_NONE; algo++) {
		struct cc cc = cc_with(algo, 1000, 1);

		for (i = 0; i < 100; i++)
			ack_limited(&cc, 5000, 1000, MSEC, i * MSEC);
		assert_int_equal(cc.cwnd, 10000);
		lose(&cc, 1000, 100 * MSEC);
		for (i = 100; i < 300; i++)
			ack_limited(&cc, 5000, 1000, MSEC, i * MSEC);
		assert_int_equal(cc.cwnd, cc.ssthresh);
	}
}

/* RFC 5681 4.1 */
static void
test_idle(void **state)
{
	int algo;

	(void)state;
	for (algo = 0; algo < TCP_CC_NONE; algo++) {
		struct cc cc = cc_with(algo, 1448, 1);

		cc.cwnd = 1448000;
		cc_ops(&cc)->idle(&cc, 200 * MSEC, 200 * MSEC, 1448, SEC);
		assert_int_equal(cc.cwnd, 1448000);
		cc_ops(&cc)->idle(&cc, 201 * MSEC, 200 * MSEC, 1448, SEC);
		assert_int_equal(cc.cwnd, 14480);
		assert_int_equal(cc.ssthresh, UINT32_MAX);
		cc.cwnd = 1448000;
		cc.ssthresh = 20000;
		cc.acked = 1;
		cc_ops(&cc)->idle(&cc, 201 * MSEC, 200 * MSEC, 1448, SEC);
		assert_int_equal(cc.ssthresh, 1448000 / 4 * 3);
		assert_int_equal(cc.acked, 0);
		cc.cwnd = 2896; /* does not grow by it */
		cc.ssthresh = 5000;
		cc_ops(&cc)->idle(&cc, SEC, 200 * MSEC, 1448, SEC);
		assert_int_equal(cc.cwnd, 2896);
		assert_int_equal(cc.ssthresh, 5000);
	}
}

/* After a pause slow start leads back, and the curve starts from there. */
static void
test_cubic_idle(void **state)
{
	const uint32_t mss = 1448, w = 10000 * mss;
	struct cc cc = cc_with(TCP_CC_CUBIC, mss, 1);
	uint64_t now = SEC, begin;

	(void)state;
	cc.cwnd = w;
	lose(&cc, mss, now);
	now = run(&cc, mss, 100 * MSEC, now, now + 2 * SEC) + 1000 * SEC;
	cc_ops(&cc)->idle(&cc, 1000 * SEC, SEC, mss, now);
	assert_int_equal(cc.cwnd, 10 * mss);
	while (cc.cwnd < cc.ssthresh) { /* some 14 s, which are none of the curve's */
		now += 2 * MSEC;
		ack(&cc, mss, mss, 100 * MSEC, now);
	}
	assert_near(cc.cwnd, 0.7 * w, 0.1 * w);
	begin = cc.cwnd;
	run(&cc, mss, 100 * MSEC, now, now + (uint64_t)(cbrt((w - begin) / 0.4 / mss) * 1e9));
	assert_near(cc.cwnd, w, 0.002 * w);
}

/* 4.9: as if nothing had been. */
static void
test_undo(void **state)
{
	const uint32_t mss = 1448;
	unsigned int algo, rto;

	(void)state;
	for (algo = 0; algo < TCP_CC_NONE; algo++) {
		for (rto = 0; rto < 2; rto++) {
			struct cc cc = cc_with(algo, mss, 1), twin;
			uint64_t now = SEC;

			cc.cwnd = 10000 * mss;
			lose(&cc, mss, now);
			now = run(&cc, mss, 100 * MSEC, now, now + 6 * SEC);
			twin = cc;
			if (rto)
				time_out(&cc, mss, now);
			else
				lose(&cc, mss, now);
			if (rto) /* some of slow start, as F-RTO needs acknowledgements */
				ack(&cc, mss, mss, 100 * MSEC, now);
			undo(&cc, now);
			assert_int_equal(cc.cwnd, twin.cwnd);
			run(&cc, mss, 100 * MSEC, now, now + 30 * SEC);
			run(&twin, mss, 100 * MSEC, now, now + 30 * SEC);
			assert_near(cc.cwnd, twin.cwnd, mss + 1);
			/* and slow start after the undo is that of a connection without an RTO */
			cc.ssthresh = cc.cwnd + 100 * mss;
			twin = cc;
			ack(&cc, 2 * mss, mss, 100 * MSEC, now + 30 * SEC);
			assert_int_equal(cc.cwnd, twin.cwnd + 2 * mss);
		}
	}
}

/* HyStart++: rounds of a window each, all acknowledgements with the same round trip. */
struct path {
	struct cc cc;
	uint32_t mss, una;
	uint64_t now;
	bool paced;
};

static void
path_ack(struct path *p, uint32_t bytes, uint32_t nxt, uint64_t rtt)
{
	const struct cc_ack a = { .acked = bytes,
		.in_flight = p->cc.cwnd,
		.mss = p->mss,
		.snd_una = p->una += bytes,
		.snd_nxt = nxt,
		.rtt = rtt,
		.srtt = rtt,
		.min_rtt = rtt,
		.now = p->now,
		.cwnd_limited = true,
		.paced = p->paced };

	cc_ops(&p->cc)->ack(&p->cc, &a);
}

static void
path_round(struct path *p, unsigned int rounds, uint64_t rtt)
{
	for (; rounds > 0; rounds--) {
		uint32_t end = p->una + p->cc.cwnd / p->mss * p->mss;

		p->now += rtt;
		while (p->una != end)
			path_ack(p, p->mss, p->una + p->mss + p->cc.cwnd, rtt);
	}
}

static struct path
path_with(uint64_t base)
{
	struct path p = { .cc = cc_with(TCP_CC_CUBIC, 1000, 1),
		.mss = 1000,
		.una = UINT32_MAX - 5000, /* numbers wrap in the first round */
		.now = SEC };

	path_round(&p, 2, base);
	return p;
}

/* How many windows the path doubles with a given round trip before slow start is over. */
static unsigned int
rounds_until_css(struct path *p, uint64_t rtt)
{
	unsigned int i;

	for (i = 0; i < 8 && !p->cc.hystart_css; i++)
		path_round(p, 1, rtt);
	return i;
}

static void
test_hystart_steady(void **state)
{
	struct path p = path_with(20 * MSEC);

	(void)state;
	assert_int_equal(p.cc.cwnd, 40000);
	path_round(&p, 8, 20 * MSEC);
	assert_int_equal(p.cc.cwnd, 40000 << 8);
	assert_int_equal(p.cc.ssthresh, UINT32_MAX);
	assert_false(p.cc.hystart_css);
}

static void
test_hystart_threshold(void **state)
{
	static const struct {
		uint64_t base, rise;
		bool css;
	} cases[] = {
		{ 50 * USEC, 3900 * USEC, false }, /* 4 ms at least */
		{ 50 * USEC, 4100 * USEC, true },
		{ 20 * MSEC, 3900 * USEC, false },
		{ 20 * MSEC, 4100 * USEC, true },
		{ 80 * MSEC, 9900 * USEC, false }, /* an eighth */
		{ 80 * MSEC, 10100 * USEC, true },
		{ 400 * MSEC, 15900 * USEC, false }, /* 16 ms at most */
		{ 400 * MSEC, 16100 * USEC, true },
		{ 10 * SEC, 16100 * USEC, true },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(cases); i++) {
		struct path p = path_with(cases[i].base);
		unsigned int rounds = rounds_until_css(&p, cases[i].base + cases[i].rise);

		if ((rounds < 8) != cases[i].css)
			fail_msg("case %u: %u rounds", i, rounds);
		assert_int_equal(p.cc.ssthresh, UINT32_MAX);
	}
}

static void
test_hystart_exit(void **state)
{
	struct path p = path_with(20 * MSEC);
	uint32_t before = p.cc.cwnd, end = p.una + 41000, i;

	(void)state;
	/* eight samples of the longer round are needed */
	for (i = 0; i < 7; i++)
		path_ack(&p, 1000, end, 30 * MSEC);
	assert_false(p.cc.hystart_css);
	assert_int_equal(p.cc.cwnd, before + 7000);
	path_ack(&p, 1000, end, 30 * MSEC);
	assert_true(p.cc.hystart_css);
	assert_int_equal(p.cc.cwnd, before + 7250);
	/* a round of it grows by a quarter; five in all, the first in part */
	path_ack(&p, 33000, p.una + 33000 + p.cc.cwnd, 30 * MSEC);
	for (i = 0; i < 4; i++) {
		before = p.cc.cwnd;
		assert_int_equal(p.cc.ssthresh, UINT32_MAX);
		path_round(&p, 1, 30 * MSEC);
		assert_near(p.cc.cwnd, before * 1.25, 1000);
	}
	before = p.cc.cwnd;
	path_round(&p, 1, 30 * MSEC);
	assert_near(p.cc.ssthresh, before, 500);
	assert_in_range(p.cc.cwnd, p.cc.ssthresh, p.cc.ssthresh + 2 * p.mss);
}

/* Jitter: the round trip is short again, and slow start goes on. */
static void
test_hystart_resume(void **state)
{
	struct path p = path_with(20 * MSEC);
	uint32_t before;

	(void)state;
	assert_true(rounds_until_css(&p, 30 * MSEC) < 8);
	path_round(&p, 2, 30 * MSEC);
	assert_true(p.cc.hystart_css);
	path_round(&p, 1, 25 * MSEC);
	assert_false(p.cc.hystart_css);
	before = p.cc.cwnd / 1000 * 1000;
	path_round(&p, 1, 25 * MSEC);
	assert_near(p.cc.cwnd, before * 2, 1000);
	assert_int_equal(p.cc.ssthresh, UINT32_MAX);
	/* the rounds count anew */
	assert_true(rounds_until_css(&p, 50 * MSEC) < 8);
	path_round(&p, 3, 50 * MSEC);
	assert_int_equal(p.cc.ssthresh, UINT32_MAX);
}

/* Rounds in which the window was not used are none, and a pause begins anew. */
static void
test_hystart_limited(void **state)
{
	struct path p = path_with(20 * MSEC);
	struct cc_ack a = { .acked = 1000, .mss = 1000, .rtt = 30 * MSEC, .srtt = 30 * MSEC };
	unsigned int i;

	(void)state;
	assert_true(rounds_until_css(&p, 30 * MSEC) < 8);
	for (i = 0; i < 1000; i++) {
		a.snd_una = p.una += 1000;
		a.snd_nxt = p.una + 1000;
		a.now = p.now += 30 * MSEC;
		cc_ops(&p.cc)->ack(&p.cc, &a);
	}
	assert_true(p.cc.hystart_css);
	assert_int_equal(p.cc.ssthresh, UINT32_MAX);
	p.now += SEC;
	cc_ops(&p.cc)->idle(&p.cc, SEC, 200 * MSEC, 1000, p.now);
	assert_int_equal(p.cc.cwnd, 10000);
	assert_false(p.cc.hystart_css);
	path_round(&p, 1, 100 * MSEC);
	assert_false(p.cc.hystart_css);
	assert_int_equal(p.cc.cwnd, 20000);
}

/* A timeout ends it; the slow start that follows is whole. */
static void
test_hystart_timeout(void **state)
{
	struct path p = path_with(20 * MSEC);

	(void)state;
	assert_true(rounds_until_css(&p, 30 * MSEC) < 8);
	time_out(&p.cc, 1000, p.now);
	path_ack(&p, 1000, p.una + 1000, 30 * MSEC);
	assert_int_equal(p.cc.cwnd, 2000);
}

static void
test_hystart_first_only(void **state)
{
	struct path p = path_with(20 * MSEC);

	(void)state;
	time_out(&p.cc, 1000, p.now);
	p.cc.ssthresh = 10000000;
	path_round(&p, 2, 20 * MSEC);
	assert_int_equal(rounds_until_css(&p, 100 * MSEC), 8);
}

/* RFC 9406 4.3: L is 8, without a limit when paced. */
static void
test_hystart_burst(void **state)
{
	struct path p = path_with(20 * MSEC);
	uint32_t before = p.cc.cwnd;

	(void)state;
	path_ack(&p, 20000, p.una + 60000, 20 * MSEC);
	assert_int_equal(p.cc.cwnd, before + 8000);
	p.paced = true;
	path_ack(&p, 20000, p.una + 60000, 20 * MSEC);
	assert_int_equal(p.cc.cwnd, before + 28000);
}

static void
test_newreno(void **state)
{
	static const uint32_t sizes[] = { 250, 500, 1000, 2000, 4000 };
	struct cc cc = cc_with(TCP_CC_NEWRENO, 1000, 1);
	uint32_t before, sum;
	unsigned int i, r;

	(void)state;
	/* slow start: L is 2 */
	ack(&cc, 400, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 10400);
	ack(&cc, 2000, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 12400);
	ack(&cc, 9000, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 14400);
	cc.cwnd = 100000;
	lose(&cc, 1000, 1);
	assert_int_equal(cc.cwnd, 50000);
	/* a segment a round trip, whatever the acknowledgements' size */
	for (i = 0; i < RTE_DIM(sizes); i++) {
		for (r = 0; r < 4; r++) {
			before = cc.cwnd;
			for (sum = 0; sum < before; sum += sizes[i])
				ack(&cc, RTE_MIN(sizes[i], before - sum), 1000, MSEC, 1);
			assert_int_equal(cc.cwnd, before + 1000);
		}
	}
	/* one that covers many windows is one window's */
	before = cc.cwnd;
	ack(&cc, UINT32_MAX, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, before + 1000);
	ack(&cc, 1, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, before + 1000);
	/* what is over goes on to the next window */
	cc.cwnd = cc.ssthresh = 10000;
	cc.acked = 0;
	for (i = 0; i < 4; i++)
		ack(&cc, 6000, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 12000);
	assert_int_equal(cc.acked, 3000);
	lose(&cc, 1000, 1);
	assert_int_equal(cc.acked, 0);
	/* after a timeout L is 1, up to ssthresh; what is over counts in avoidance */
	cc.cwnd = 20000;
	time_out(&cc, 1000, 1);
	assert_int_equal(cc.ssthresh, 10000);
	for (i = 1; i < 10; i++) {
		assert_int_equal(cc.cwnd, i * 1000);
		ack(&cc, 5000, 1000, MSEC, 1);
	}
	assert_int_equal(cc.cwnd, 10000);
	ack(&cc, 9000, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 10000);
	ack(&cc, 1000, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 11000);
	assert_int_equal(cc_ops(&cc)->congestion(&cc, 1500, 1000, true, 1), 2000);
	/* what is over ssthresh counts in avoidance at once */
	cc.cwnd = 9500;
	cc.ssthresh = 10000;
	cc.acked = 0;
	ack(&cc, 2000, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, 10000);
	assert_int_equal(cc.acked, 1500);
}

static void
test_none(void **state)
{
	struct cc cc = cc_with(TCP_CC_NONE, 1000, 1);

	(void)state;
	assert_int_equal(cc.cwnd, GB);
	lose(&cc, 1000, 1);
	assert_int_equal(cc.cwnd, GB);
	time_out(&cc, 1000, 1);
	assert_int_equal(cc.ssthresh, GB);
	ack(&cc, 1, 1000, MSEC, 1);
	assert_int_equal(cc.cwnd, GB);
	cc_ops(&cc)->idle(&cc, SEC, MSEC, 1000, SEC);
	assert_int_equal(cc.cwnd, GB);
	undo(&cc, 1);
	/* with another it begins where it was */
	cc.ssthresh = GB;
	cc_change(&cc, TCP_CC_NEWRENO, 1);
	assert_int_equal(cc.cwnd, 10000);
	assert_int_equal(cc.ssthresh, 10000);
	assert_int_equal(cc.prior_cwnd, 10000);
	cc_init(&cc, TCP_CC_NONE, 1000, 1); /* never lost anything */
	cc_change(&cc, TCP_CC_CUBIC, 1);
	assert_int_equal(cc.ssthresh, UINT32_MAX);
	cc.cwnd = 70000;
	cc.ssthresh = 50000;
	cc_change(&cc, TCP_CC_NONE, 1);
	assert_int_equal(cc.cwnd, GB);
	cc_change(&cc, TCP_CC_CUBIC, 1);
	assert_int_equal(cc.cwnd, 70000);
	assert_int_equal(cc.ssthresh, 50000);
	assert_int_equal(cc.priv[0], 0);
	/* to the same is no change: the curve stays */
	lose(&cc, 1000, SEC);
	ack(&cc, 1000, 1000, MSEC, SEC);
	cc_change(&cc, TCP_CC_CUBIC, 2 * SEC);
	assert_int_equal(cc.priv[0], SEC);
}

static void
test_common(void **state)
{
	struct cc cc = cc_with(TCP_CC_CUBIC, 1448, 1);
	int i;

	(void)state;
	assert_int_equal(tcp_cc_by_name("cubic"), TCP_CC_CUBIC);
	assert_int_equal(tcp_cc_by_name("reno"), TCP_CC_NEWRENO);
	assert_int_equal(tcp_cc_by_name("none"), TCP_CC_NONE);
	assert_int_equal(tcp_cc_by_name("bbr"), -1);
	assert_int_equal(tcp_cc_by_name(""), -1);
	assert_int_equal(tcp_cc_by_name(NULL), -1);
	for (i = 0; i < TCP_CC_MAX; i++)
		assert_int_equal(tcp_cc_by_name(tcp_cc_name(i)), i);
	assert_null(tcp_cc_name(TCP_CC_MAX));
	/* RFC 6928 2 */
	assert_int_equal(cc_initial_window(536), 5360);
	assert_int_equal(cc_initial_window(1448), 14480);
	assert_int_equal(cc_initial_window(1460), 14600);
	assert_int_equal(cc_initial_window(4000), 14600);
	assert_int_equal(cc_initial_window(8948), 17896);
	assert_int_equal(cc.cwnd, 14480);
	assert_int_equal(cc.ssthresh, UINT32_MAX);
	assert_int_equal(cc_pacing_rate(&cc, 0), 0);
	assert_int_equal(cc_pacing_rate(&cc, 10 * MSEC), 2896000);
	cc.ssthresh = cc.cwnd;
	assert_int_equal(cc_pacing_rate(&cc, 10 * MSEC), 1737600);
	cc.cwnd = cc.ssthresh = GB;
	assert_near(cc_pacing_rate(&cc, 1000), 1.2 * GB * 1e6, 1e9);
	cc.cwnd = 88;
	assert_int_equal(cc_pacing_rate(&cc, 200 * SEC), 1);
}

/* Anything in any order: windows stay in their bounds and acknowledgements never shrink them. */
static void
test_extremes(void **state)
{
	static const uint32_t bytes[] = { 0, 1, 88, 1448, 65535, 1000000, GB, UINT32_MAX };
	uint64_t seed = 88172645463325252;
	unsigned int algo, s, i;

	(void)state;
	for (algo = 0; algo < TCP_CC_MAX; algo++) {
		for (s = 0; s < RTE_DIM(segments); s++) {
			const uint32_t mss = segments[s];
			uint64_t now = s % 2 == 0 ? 1 : UINT64_MAX / 2;
			struct cc cc = cc_with(algo, mss, now);

			for (i = 0; i < 100000; i++) {
				uint64_t rtt;
				uint32_t before = cc.cwnd;

				seed ^= seed << 13;
				seed ^= seed >> 7;
				seed ^= seed << 17;
				rtt = round_trips[seed % RTE_DIM(round_trips)];
				now += rtt >> (seed >> 8 & 15);
				switch (seed >> 16 & 255) {
				case 0:
					lose(&cc, mss, now);
					break;
				case 1:
					time_out(&cc, mss, now);
					break;
				case 2:
					if (cc.prior_cwnd != 0)
						undo(&cc, now);
					break;
				case 3:
					now += 1000000 * SEC;
					cc_ops(&cc)->idle(&cc, 1000000 * SEC, SEC, mss, now);
					break;
				default:
					ack(&cc, bytes[seed >> 24 & 7], mss, rtt, now);
					assert_true(cc.cwnd >= before);
				}
				assert_in_range(cc.cwnd, 88, GB);
				assert_true(cc_pacing_rate(&cc, rtt) > 0);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cubic_model),
		cmocka_unit_test(test_cubic_shape),
		cmocka_unit_test(test_cubic_reno),
		cmocka_unit_test(test_cubic_target),
		cmocka_unit_test(test_cubic_fast_convergence),
		cmocka_unit_test(test_cubic_timeout),
		cmocka_unit_test(test_cubic_reduction),
		cmocka_unit_test(test_cubic_limited),
		cmocka_unit_test(test_cubic_idle),
		cmocka_unit_test(test_limited_never_grows),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_hystart_steady),
		cmocka_unit_test(test_hystart_threshold),
		cmocka_unit_test(test_hystart_exit),
		cmocka_unit_test(test_hystart_resume),
		cmocka_unit_test(test_hystart_limited),
		cmocka_unit_test(test_hystart_timeout),
		cmocka_unit_test(test_hystart_first_only),
		cmocka_unit_test(test_hystart_burst),
		cmocka_unit_test(test_newreno),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests_name("tcp_cc", tests, NULL, NULL);
}
