/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The round trip and the timer: RFC 6298's numbers, backoff, giving up, F-RTO in both forms (RFC
 * 5682), probes of a closed window, the peer's window, segments that are too large.
 */
#include "loss_world.h"

#define RTT (100 * MSEC)
#define CC (&w.conn.cc)

/* --- the round trip --- */

static void
estimator(void **state)
{
	(void)state;
	loss_init(&w.conn);
	assert_int_equal(L->rto, 1 * SEC);
	rtt_sample(&w.conn, 80 * MSEC);
	assert_int_equal(L->srtt, 80 * MSEC);
	assert_int_equal(L->rttvar, 40 * MSEC);
	assert_int_equal(L->rto, 280 * MSEC); /* 4 rttvar below the least variation */
	rtt_sample(&w.conn, 240 * MSEC);
	assert_int_equal(L->rttvar, 70 * MSEC);
	assert_int_equal(L->srtt, 100 * MSEC);
	assert_int_equal(L->rto, 380 * MSEC);
	rtt_sample(&w.conn, 20 * MSEC);
	assert_int_equal(L->srtt, 90 * MSEC);
	assert_int_equal(L->min_rtt, 20 * MSEC);
	for (int i = 0; i < 300; i++)
		rtt_sample(&w.conn, 500 * SEC);
	assert_int_equal(L->rto, RTO_MAX);
	/* the least is of the last five minutes */
	assert_int_equal(L->min_rtt, 20 * MSEC);
	w.engine.now += 300 * SEC;
	rtt_sample(&w.conn, 50 * MSEC);
	assert_int_equal(L->min_rtt, 50 * MSEC);
}

/* RFC 7323 appendix G: with eight samples a window each counts for less. */
static void
many_samples(void **state)
{
	(void)state;
	CC->cwnd = 100 * MSS;
	world_send(17 * MSS);
	L->srtt = 80 * MSEC;
	L->rttvar = 40 * MSEC;
	rtt_sample(&w.conn, 144 * MSEC);
	assert_int_equal(L->srtt, 81 * MSEC);
	assert_int_equal(L->rttvar, 40 * MSEC + 24 * MSEC / 32);
}

/* Karn: nothing sent twice, nor what waited for it, is measured. */
static void
karn(void **state)
{
	uint64_t srtt;

	(void)state;
	w.conn.flags = 0;
	world_send(3 * MSS);
	srtt = L->srtt;
	world_wait(L->rto);
	assert_int_equal(w.n_sent, 4);
	world_wait(10 * MSEC);
	world_ack(3000, -1);
	assert_int_equal(L->srtt, srtt);
	/* the RTO stays as it was backed off, until there is a sample */
	assert_int_equal(L->rto, 2 * (RTT + RTO_MIN));
	world_send(MSS);
	world_wait(RTT);
	world_ack(4000, -1);
	assert_true(L->rto <= RTT + RTO_MIN);
}

/* A timestamp tells that it was the second transmission: this is measured. */
static void
karn_timestamp(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20 };

	(void)state;
	w.conn.flags = F_TS;
	world_send(MSS);
	world_wait(L->rto);
	in.opts.ts_ecr = ts_now(&w.conn);
	world_wait(RTT);
	world_ack_in(&in, 1000);
	assert_true(L->rto <= RTT + RTO_MIN);
	assert_in_range(L->srtt, RTT - MSEC, RTT + MSEC);
}

/* --- the timer --- */

/* RFC 6298 5: started by the first, restarted by progress, stopped at the end. */
static void
restart(void **state)
{
	(void)state;
	w.conn.flags = 0;
	world_send(MSS);
	assert_int_equal(w.conn.deadline[TIMER_LOSS], START + L->rto);
	world_wait(50 * MSEC);
	world_send(MSS);
	assert_int_equal(w.conn.deadline[TIMER_LOSS], START + L->rto);
	world_wait(50 * MSEC);
	world_ack(1000, -1);
	assert_int_equal(w.conn.deadline[TIMER_LOSS], START + RTT + L->rto);
	world_wait(10 * MSEC);
	world_ack(1000, -1); /* no progress */
	assert_int_equal(w.conn.deadline[TIMER_LOSS], START + RTT + L->rto);
	world_ack(2000, -1);
	assert_int_equal(w.conn.deadline[TIMER_LOSS], UINT64_MAX);
	assert_int_equal(L->timer, LOSS_NONE);
}

static void
timeout(void **state)
{
	uint64_t rto = L->rto;

	(void)state;
	L->tlp_ready = false;
	world_send(10 * MSS);
	w.taken = w.n_sent;
	world_wait(rto - 1);
	expect_quiet();
	world_wait(1);
	expect_sent(0, MSS);
	assert_int_equal(STAT(rtos), 1);
	assert_int_equal(L->state, REC_LOSS);
	assert_int_equal(CC->cwnd, MSS);
	assert_int_equal(CC->ssthresh, 5 * MSS);
	assert_int_equal(L->rto, 2 * rto);
	world_wait(2 * rto - 1);
	expect_quiet();
	world_wait(1);
	expect_sent(0, MSS);
	assert_int_equal(L->rto, 4 * rto);
	assert_int_equal(CC->ssthresh, 5 * MSS);
	assert_int_equal(w.cc_timeouts, 1);
	/* slow start over what was marked */
	world_wait(RTT);
	world_ack(1000, -1);
	expect_sent(1000, MSS);
	expect_sent(2000, MSS);
	expect_quiet();
	assert_int_equal(L->backoff, 0);
	world_wait(RTT);
	world_ack(3000, -1);
	for (uint32_t seq = 3000; seq < 7000; seq += 1000)
		expect_sent(seq, MSS);
	expect_quiet();
	world_wait(RTT);
	world_ack(10000, -1);
	assert_int_equal(L->state, REC_OPEN);
}

/* RFC 8985 6.3: what was sent a moment ago is not lost yet. */
static void
recent_not_lost(void **state)
{
	(void)state;
	L->tlp_ready = false;
	world_send(2 * MSS);
	world_wait(50 * MSEC);
	world_ack(1000, -1); /* a round trip for RACK */
	world_wait(L->rto - 20 * MSEC);
	L->tlp_ready = false;
	world_send(MSS);
	world_wait(20 * MSEC);
	assert_int_equal(STAT(rtos), 1);
	assert_int_equal(L->lost, 0);
	assert_int_equal(conn_pipe(&w.conn), 2 * MSS);
}

/* RFC 1122 4.2.3.5: R2. */
static void
retries(void **state)
{
	(void)state;
	w.conn.opt.retries = 3;
	world_send(MSS);
	L->tlp_ready = false;
	loss_arm(&w.conn);
	world_wait(1000 * SEC);
	assert_int_equal(w.n_sent, 4);
	assert_int_equal(w.drops, 1);
	assert_int_equal(w.drop_error, ETIMEDOUT);
	assert_int_equal(STAT(timeouts), 1);
}

static void
soft_error(void **state)
{
	(void)state;
	w.conn.opt.retries = 1;
	w.conn.soft_error = EHOSTUNREACH;
	world_send(MSS);
	world_wait(1000 * SEC);
	assert_int_equal(w.drop_error, EHOSTUNREACH);
}

/* Progress begins the count again. */
static void
progress(void **state)
{
	(void)state;
	w.conn.flags = 0;
	w.conn.opt.retries = 2;
	world_send(4 * MSS);
	for (uint32_t i = 1; i < 4; i++) {
		while (L->backoff < 2)
			world_wait(10 * MSEC);
		world_ack(i * 1000, -1);
	}
	assert_int_equal(w.drops, 0);
}

/* RFC 5482: to the millisecond, whatever the count says. */
static void
user_timeout(void **state)
{
	(void)state;
	w.conn.opt.retries = 1;
	w.conn.opt.user_timeout_ms = 5000;
	L->tlp_ready = false;
	world_send(MSS);
	world_wait(5 * SEC - 1);
	assert_int_equal(w.drops, 0);
	world_wait(1);
	assert_int_equal(w.drops, 1);
}

/* A buffer that was not there: tried again as soon as something is sent. */
static void
no_buffer(void **state)
{
	(void)state;
	L->tlp_ready = false;
	world_send(3 * MSS);
	w.taken = w.n_sent;
	w.no_output = true;
	world_wait(L->rto);
	expect_quiet();
	w.no_output = false;
	world_output();
	expect_sent(0, MSS);
}

/* --- F-RTO --- */

static void
spurious_start(unsigned int flags)
{
	w.conn.flags = flags;
	L->tlp_ready = false;
	world_send(20 * MSS);
	world_wait(L->rto);
	assert_int_equal(STAT(rtos), 1);
	assert_int_equal(L->frto, 1);
	w.taken = w.n_sent;
	world_wait(10 * MSEC);
	/* the acknowledgement of the original: two new segments, none of the marked */
	world_ack(1000, -1);
	assert_int_equal(L->frto, 2);
	expect_sent(10000, MSS);
	expect_sent(11000, MSS);
	expect_quiet();
}

/* RFC 5682 2.1: the second acknowledges what was not sent again. */
static void
frto(void **state)
{
	for (int sack = 0; sack < 2; sack++) {
		spurious_start(sack ? F_SACK : 0);
		world_ack(2000, -1);
		assert_int_equal(STAT(frto_spurious), 1);
		assert_int_equal(STAT(undos), 1);
		assert_int_equal(L->frto, 0);
		assert_int_equal(L->lost, 0);
		assert_int_equal(L->state, REC_OPEN);
		assert_int_equal(CC->ssthresh, UINT32_MAX);
		/* RFC 4015: what was acknowledged lets new data go, no burst */
		expect_sent(12000, MSS);
		expect_quiet();
		world_close(state);
		world_open(state);
	}
}

/* The SACK form: a block among what was sent before tells the same. */
static void
frto_sacked(void **state)
{
	(void)state;
	spurious_start(F_SACK);
	world_ack(1000, 3000, 4000, -1);
	assert_int_equal(STAT(frto_spurious), 1);
}

/* A duplicate (2.1 step 3 a), or a block of the new data (3.1): the loss was real. */
static void
frto_real(void **state)
{
	spurious_start(0);
	world_ack(1000, -1);
	assert_int_equal(L->frto, 0);
	assert_int_equal(STAT(frto_spurious), 0);
	expect_sent(1000, MSS);
	world_close(state);
	world_open(state);
	spurious_start(F_SACK);
	world_ack(1000, 10000, 11000, -1);
	assert_int_equal(L->frto, 0);
	assert_int_equal(STAT(frto_spurious), 0);
	expect_sent(1000, MSS);
	assert_int_equal(L->state, REC_LOSS);
}

/* 2.1 step 2 a: a duplicate first; and nothing new to send. */
static void
frto_conventional(void **state)
{
	w.conn.flags = 0;
	world_send(20 * MSS);
	world_wait(L->rto);
	world_ack(0, -1);
	assert_int_equal(L->frto, 0);
	world_close(state);
	world_open(state);
	w.conn.flags = 0;
	world_send(10 * MSS);
	world_wait(L->rto);
	w.taken = w.n_sent;
	world_ack(1000, -1);
	assert_int_equal(L->frto, 0);
	expect_sent(1000, MSS);
	/* step 1: not in a recovery from a timeout */
	world_wait(L->rto);
	assert_int_equal(STAT(rtos), 2);
	assert_int_equal(L->frto, 0);
}

/* RFC 3522 after a timeout: the timestamp is the original's. */
static void
eifel(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20 };

	(void)state;
	in.opts.ts_ecr = ts_now(&w.conn);
	L->tlp_ready = false;
	world_send(10 * MSS);
	world_wait(L->rto);
	assert_int_equal(STAT(rtos), 1);
	world_wait(10 * MSEC);
	world_ack_in(&in, 1000);
	assert_int_equal(STAT(undos), 1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(L->lost, 0);
	assert_int_equal(w.n_sent, 11);
}

/* RFC 4015 3.2 step 6: the window comes back, but not as one burst. */
static void
eifel_burst(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20 };

	(void)state;
	in.opts.ts_ecr = ts_now(&w.conn);
	L->tlp_ready = false;
	CC->cwnd = 40 * MSS;
	world_send(100 * MSS);
	world_wait(L->rto);
	w.taken = w.n_sent;
	world_wait(10 * MSEC);
	world_ack_in(&in, 39000);
	assert_int_equal(STAT(undos), 1);
	/* an initial window, and what slow start adds for this acknowledgement */
	assert_int_equal(w.n_sent - w.taken, 12);
	assert_int_equal(CC->cwnd, 13 * MSS);
	assert_int_equal(CC->ssthresh, UINT32_MAX);
}

/* --- the peer's window --- */

static void
window_rule(void **state)
{
	struct tcp_in in = { .wnd = 500, .seq = 10 };

	(void)state;
	w.conn.snd_wscale = 2;
	world_send(MSS);
	world_ack_in(&in, 0);
	assert_int_equal(w.conn.snd_wnd, 2000);
	/* an older segment */
	in = (struct tcp_in){ .wnd = 700, .seq = 9 };
	world_ack_in(&in, 0);
	assert_int_equal(w.conn.snd_wnd, 2000);
	in = (struct tcp_in){ .wnd = 400, .seq = 10 };
	world_ack_in(&in, 1000);
	assert_int_equal(w.conn.snd_wnd, 1600);
	assert_int_equal(w.conn.snd_wnd_max, 1 << 20);
	in = (struct tcp_in){ .wnd = 0, .seq = 10 };
	world_ack_in(&in, 1000);
	world_ack_in(&in, 1000);
	assert_int_equal(STAT(zero_windows_in), 1);
}

static void
close_window(uint32_t ack)
{
	struct tcp_in in = { .wnd = 0 };

	world_ack_in(&in, ack);
}

/* RFC 9293 3.8.6.1, RFC 1122 4.2.2.17: probes further and further apart, for as long as the peer
 * answers. */
static void
zero_window(void **state)
{
	uint64_t rto;
	struct tcp_in in = { .wnd = 5000 };

	(void)state;
	w.conn.opt.retries = 8;
	world_send(10 * MSS);
	world_queue(5 * MSS);
	world_wait(RTT);
	close_window(10000);
	w.taken = w.n_sent;
	assert_int_equal(L->timer, LOSS_PROBE);
	rto = L->rto;
	world_wait(rto - 1);
	assert_int_equal(w.probes, 0);
	/* other segments of the peer do not put it off */
	close_window(10000);
	world_wait(1);
	assert_int_equal(w.probes, 1);
	assert_int_equal(STAT(zero_window_probes), 1);
	close_window(10000);
	world_wait(2 * rto - 1);
	assert_int_equal(w.probes, 1);
	world_wait(1);
	assert_int_equal(w.probes, 2);
	for (int i = 0; i < 100; i++) {
		unsigned int probes = w.probes;

		close_window(10000);
		world_wait(RTO_MAX);
		assert_in_range(w.probes, probes + 1, probes + 9);
		if (i > 20)
			assert_int_equal(w.probes, probes + 1);
	}
	assert_int_equal(w.drops, 0);
	expect_quiet();
	world_ack_in(&in, 10000);
	expect_sent(10000, MSS);
	assert_int_equal(L->probes, 0);
}

static void
zero_window_dead(void **state)
{
	(void)state;
	w.conn.opt.retries = 3;
	world_send(10 * MSS);
	world_queue(5 * MSS);
	close_window(10000);
	world_wait(1000 * SEC);
	assert_int_equal(w.probes, 3);
	assert_int_equal(w.drops, 1);
	assert_int_equal(w.drop_error, ETIMEDOUT);
}

/* RFC 9293 3.8.6: the window was taken back while data are on the way. What answers is alive. */
static void
shrunk(void **state)
{
	(void)state;
	w.conn.opt.retries = 2;
	world_send(5 * MSS);
	close_window(1000);
	for (int i = 0; i < 300; i++) {
		world_wait(2 * SEC);
		close_window(1000);
	}
	assert_int_equal(w.drops, 0);
	assert_true(STAT(rtos) > 3);
	world_wait(2000 * SEC);
	assert_int_equal(w.drops, 1);
}

/* RFC 9293 3.8.6.2.1: a window smaller than a segment that does not grow. */
static void
silly_window(void **state)
{
	struct tcp_in in = { .wnd = 300 };

	(void)state;
	world_send(10 * MSS);
	world_queue(2 * MSS);
	world_ack_in(&in, 10000);
	w.taken = w.n_sent;
	assert_int_equal(L->timer, LOSS_PROBE);
	world_wait(L->rto);
	expect_sent(10000, 300);
	expect_quiet();
	assert_int_equal(w.probes, 0);
}

/* --- too large --- */

static void
black_hole(void **state)
{
	(void)state;
	w.conn.opt.pmtud = true;
	w.conn.mtu = 1500;
	w.conn.snd_mss = 1460;
	w.conn.opt.retries = 15;
	L->tlp_ready = false;
	world_send(2 * 1460);
	w.taken = w.n_sent;
	world_wait(L->rto);
	expect_sent(0, 1460);
	world_wait(L->rto);
	expect_sent(0, 1460);
	assert_int_equal(w.conn.mtu, 1500);
	world_wait(L->rto);
	expect_sent(0, 1160);
	assert_int_equal(w.conn.mtu, 1200);
	assert_int_equal(STAT(black_holes), 1);
	world_wait(L->rto);
	expect_sent(0, 1160);
	world_wait(L->rto);
	expect_sent(0, 536);
	assert_int_equal(w.conn.mtu, 576);
	world_wait(L->rto);
	world_wait(L->rto);
	assert_int_equal(w.conn.mtu, 576);
	assert_int_equal(STAT(black_holes), 2);
}

/* Small segments vanish for other reasons, and without path MTU discovery routers cut them. */
static void
no_black_hole(void **state)
{
	(void)state;
	w.conn.opt.pmtud = true;
	w.conn.mtu = 1500;
	w.conn.snd_mss = 1460;
	world_send(500);
	world_wait(60 * SEC);
	assert_int_equal(w.conn.mtu, 1500);
	world_close(state);
	world_open(state);
	w.conn.mtu = 1500;
	w.conn.snd_mss = 1460;
	world_send(1460);
	world_wait(60 * SEC);
	assert_int_equal(w.conn.mtu, 1500);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(estimator),
		T(many_samples),
		T(karn),
		T(karn_timestamp),
		T(restart),
		T(timeout),
		T(recent_not_lost),
		T(retries),
		T(soft_error),
		T(progress),
		T(user_timeout),
		T(no_buffer),
		T(frto),
		T(frto_sacked),
		T(frto_real),
		T(frto_conventional),
		T(eifel),
		T(eifel_burst),
		T(window_rule),
		T(zero_window),
		T(zero_window_dead),
		T(shrunk),
		T(silly_window),
		T(black_hole),
		T(no_black_hole),
	};

	return cmocka_run_group_tests_name("tcp_rto", tests, world_start, world_stop);
}
