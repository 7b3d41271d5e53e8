/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 8985: losses by time, the reordering window and how it adapts, lost retransmissions, and the
 * tail loss probe in both kinds with all answers to it.
 */
#include "loss_world.h"

#define RTT (100 * MSEC)

/* Section 3.1: the last of three arrives, the others are lost; a quarter of min_rtt later. */
static void
reordering_timer(void **state)
{
	(void)state;
	world_send(3 * MSS);
	w.taken = w.n_sent;
	world_wait(RTT);
	world_ack(0, 2000, 3000, -1);
	expect_quiet();
	assert_int_equal(L->state, REC_DISORDER);
	assert_int_equal(L->timer, LOSS_REO);
	assert_int_equal(w.conn.deadline[TIMER_LOSS], START + RTT + RTT / 4);
	world_wait(RTT / 4 - 1);
	expect_quiet();
	world_wait(1);
	expect_sent(0, MSS);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(STAT(rack_timeouts), 1);
	assert_int_equal(STAT(recoveries), 1);
	/* PRR: the second follows the first one's acknowledgement */
	world_wait(RTT);
	world_ack(1000, 2000, 3000, -1);
	expect_sent(1000, MSS);
	world_wait(RTT);
	world_ack(3000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(L->timer, LOSS_NONE);
	assert_int_equal(STAT(rtos), 0);
}

/* Three SACKed segments and no reordering seen: no window, RFC 5681's threshold. */
static void
threshold(void **state)
{
	(void)state;
	world_send(5 * MSS);
	w.taken = w.n_sent;
	world_wait(RTT);
	world_ack(0, 1000, 2000, -1);
	world_ack(0, 1000, 3000, -1);
	expect_quiet();
	world_ack(0, 1000, 4000, -1);
	expect_sent(0, MSS);
	expect_quiet();
	assert_int_equal(L->state, REC_RECOVERY);
}

/* Step 3: a segment below one that was delivered, sent once, was reordered; then the threshold is
 * no sign of loss any more. */
static void
reordered(void **state)
{
	(void)state;
	world_send(8 * MSS);
	w.taken = w.n_sent;
	world_wait(RTT);
	world_ack(0, 1000, 2000, -1);
	assert_false(L->reordering);
	world_ack(2000, -1);
	assert_true(L->reordering);
	world_ack(2000, 3000, 7000, -1);
	expect_quiet();
	assert_int_equal(L->timer, LOSS_REO);
	world_wait(RTT / 4);
	expect_sent(2000, MSS);
	/* in recovery the window stays: RFC 8985 6.2 step 4 */
	assert_int_equal(L->state, REC_RECOVERY);
}

/* Without reordering there is no window in recovery, however little is SACKed. */
static void
no_window_in_recovery(void **state)
{
	(void)state;
	world_send(5 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	world_wait(RTT);
	world_ack(4000, -1);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(L->sacked_segs, 0);
	assert_int_equal(L->reo_at, 0);
	assert_true((sndq_at(&w.conn.sndq, 0)->flags & SEG_RETRANS) !=
			0); /* 4000, marked at once */
}

/* One ACK with a new cumulative number and new blocks above is not reordering. */
static void
not_reordered(void **state)
{
	(void)state;
	world_send(8 * MSS);
	world_wait(RTT);
	world_ack(2000, 5000, 6000, 3000, 4000, -1);
	assert_false(L->reordering);
	/* nor is a hole that a retransmission filled */
	world_ack(2000, 5000, 8000, 3000, 4000, -1);
	assert_int_equal(L->state, REC_RECOVERY);
	world_wait(RTT);
	world_ack(5000, 5000, 8000, -1);
	assert_false(L->reordering);
}

/* Pieces of one burst have one time; their numbers order them (RACK_sent_after). */
static void
same_time(void **state)
{
	(void)state;
	world_send(6 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	/* 0 is before the block and lost; 4000 and 5000 are after it and wait for news */
	assert_int_equal(w.sent[6].seq, 0);
	assert_int_equal(w.n_sent, 7);
	assert_int_equal(L->reo_at, 0);
}

/* RFC 8985 3.2: a retransmission is lost; what was sent after it and is SACKed tells. */
static void
lost_retransmission(void **state)
{
	(void)state;
	w.conn.cc.cwnd = 6 * MSS;
	world_send(20 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	assert_int_equal(w.sent[6].seq, 0); /* again */
	world_wait(5 * MSEC);
	world_ack(0, 1000, 6000, -1);
	assert_true(w.n_sent > 7);
	assert_int_equal(w.sent[7].seq, 6000);
	w.taken = w.n_sent;
	world_wait(RTT);
	world_ack(0, 1000, 7000, -1); /* sent after the retransmission */
	expect_sent(0, MSS);
	assert_int_equal(w.sent[w.taken - 1].times, 3);
	assert_int_equal(STAT(rtos), 0);
	/* one reduction for all of it */
	assert_int_equal(w.congestions, 1);
}

/* An ACK that comes sooner after the retransmission than any round trip is of the original. */
static void
ambiguous(void **state)
{
	uint64_t rack_at;

	(void)state;
	w.conn.flags &= ~(uint32_t)F_TS;
	world_send(5 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	rack_at = L->rack_at;
	assert_int_equal(rack_at, START);
	world_wait(RTT / 2);
	world_ack(1000, 1000, 4000, -1);
	assert_int_equal(L->rack_at, rack_at);
}

/* With timestamps the peer says which it was. */
static void
timestamp_tells(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20 };
	uint32_t before = ts_now(&w.conn), again;

	(void)state;
	world_send(5 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	again = ts_now(&w.conn);
	world_wait(2 * RTT);
	in.opts.ts_ecr = before;
	in.opts.n_sack = 1;
	in.opts.sack[0] = (struct sack_block){ FIRST + 1000, FIRST + 4000 };
	L->undo_ok = false;
	world_ack_in(&in, 1000);
	assert_int_equal(L->rack_at, START);
	world_close(state);
	world_open(state);
	world_send(5 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	world_wait(2 * RTT);
	in.opts.ts_ecr = again;
	world_ack_in(&in, 1000);
	assert_int_equal(L->rack_at, START + RTT);
}

/* Step 4: a D-SACK makes the window grow once a round; 16 recoveries without one reset it. */
static void
adaptation(void **state)
{
	(void)state;
	world_send(10 * MSS);
	world_wait(RTT);
	world_ack(5000, 1000, 2000, -1);
	assert_int_equal(STAT(dsacks_in), 1);
	assert_int_equal(L->reo_mult, 2);
	world_ack(5000, 2000, 3000, -1);
	assert_int_equal(L->reo_mult, 2); /* the same round */
	world_ack(10000, 3000, 4000, -1);
	assert_int_equal(L->reo_mult, 3);
	L->reordering = true;
	world_send(4 * MSS);
	world_wait(RTT);
	world_ack(10000, 11000, 12000, -1);
	/* 3/4 of min_rtt */
	assert_int_equal(L->reo_at, w.engine.now + RTT * 3 / 4);
	world_wait(RTT);
	for (int i = 0; i < 15; i++)
		rack_recovered(&w.conn);
	assert_int_equal(L->reo_mult, 3);
	rack_recovered(&w.conn);
	assert_int_equal(L->reo_mult, 1);
}

/* The window is a smoothed round trip at most. */
static void
adaptation_limit(void **state)
{
	(void)state;
	L->reo_mult = 200;
	L->reordering = true;
	world_send(4 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 2000, -1);
	assert_int_equal(L->reo_at, w.engine.now + L->srtt);
}

/* --- tail loss probe --- */

static void
probe_new(void **state)
{
	(void)state;
	w.conn.cc.cwnd = 4 * MSS;
	world_send(6 * MSS);
	w.taken = w.n_sent;
	assert_int_equal(w.n_sent, 4);
	assert_int_equal(L->timer, LOSS_TLP);
	world_wait(2 * RTT);
	expect_quiet();
	world_wait(2 * MSEC);
	expect_sent(4000, MSS);
	assert_int_equal(STAT(tlp_probes), 1);
	assert_true(L->tlp_out);
	assert_false(L->tlp_retrans);
	/* the RTO runs from the probe on, and no second probe */
	assert_int_equal(L->timer, LOSS_RTO);
	assert_int_equal(w.conn.deadline[TIMER_LOSS], w.engine.now + L->rto);
	world_wait(RTT);
	world_ack(5000, -1);
	assert_false(L->tlp_out);
	assert_int_equal(STAT(tlp_recoveries), 0);
	assert_int_equal(w.congestions, 0);
}

static void
probe_again(void)
{
	world_send(4 * MSS);
	w.taken = w.n_sent;
	world_wait(2 * RTT + 2 * MSEC);
	expect_sent(3000, MSS);
	assert_true(L->tlp_out && L->tlp_retrans);
}

/* The last was lost and the probe repaired it: the window has to know (7.4.2, second case). */
static void
probe_repairs(void **state)
{
	(void)state;
	probe_again();
	world_ack(3000, -1);
	assert_int_equal(w.congestions, 0);
	world_wait(RTT);
	world_ack(4000, -1);
	assert_int_equal(w.congestions, 0); /* not known yet */
	world_send(MSS);
	world_wait(RTT);
	world_ack(5000, -1);
	assert_int_equal(STAT(tlp_recoveries), 1);
	assert_int_equal(w.congestions, 1);
	assert_false(L->tlp_out);
	assert_int_equal(L->state, REC_OPEN);
}

/* Both arrived: D-SACK says so (first case). */
static void
probe_dsack(void **state)
{
	(void)state;
	probe_again();
	world_ack(4000, -1);
	world_ack(4000, 3000, 4000, -1);
	assert_false(L->tlp_out);
	world_send(MSS);
	world_wait(RTT);
	world_ack(5000, -1);
	assert_int_equal(w.congestions, 0);
}

/* Or a duplicate of a peer without D-SACK (third case). */
static void
probe_duplicate(void **state)
{
	(void)state;
	probe_again();
	world_ack(4000, -1);
	assert_true(L->tlp_out);
	world_ack(4000, -1);
	assert_false(L->tlp_out);
	assert_int_equal(w.congestions, 0);
}

/* The probe's SACK shows that more was lost: RACK does the rest. */
static void
probe_reveals(void **state)
{
	(void)state;
	probe_again();
	world_wait(RTT);
	world_ack(1000, 3000, 4000, -1);
	expect_sent(1000, MSS); /* at once: it was sent two round trips before the probe */
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(STAT(rtos), 0);
}

/* 7.2: a segment alone may be acknowledged late; the probe is never after the RTO. */
static void
probe_when(void **state)
{
	(void)state;
	world_send(MSS);
	assert_int_equal(L->timer, LOSS_TLP);
	assert_int_equal(
			w.conn.deadline[TIMER_LOSS], START + RTE_MIN(2 * RTT + DELACK_MAX, L->rto));
	world_wait(RTT);
	world_ack(1000, -1);
	assert_int_equal(L->timer, LOSS_NONE);
	/* without a round trip since the last probe there is none */
	L->tlp_ready = false;
	world_send(MSS);
	assert_int_equal(L->timer, LOSS_RTO);
	world_ack(2000, -1);
	world_send(2 * MSS);
	assert_int_equal(L->timer, LOSS_TLP);
	/* nor with anything SACKed */
	world_ack(2000, 3000, 4000, -1);
	assert_int_not_equal(L->timer, LOSS_TLP);
}

/* A probe that finds no buffer leaves it to the RTO. */
static void
probe_fails(void **state)
{
	(void)state;
	world_send(2 * MSS);
	w.no_output = true;
	world_wait(2 * RTT + 2 * MSEC);
	assert_false(L->tlp_out);
	assert_int_equal(L->timer, LOSS_RTO);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(reordering_timer),
		T(threshold),
		T(reordered),
		T(no_window_in_recovery),
		T(not_reordered),
		T(same_time),
		T(lost_retransmission),
		T(ambiguous),
		T(timestamp_tells),
		T(adaptation),
		T(adaptation_limit),
		T(probe_new),
		T(probe_repairs),
		T(probe_dsack),
		T(probe_duplicate),
		T(probe_reveals),
		T(probe_when),
		T(probe_fails),
	};

	return cmocka_run_group_tests_name("tcp_rack", tests, world_start, world_stop);
}
