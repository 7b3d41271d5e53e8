/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fast recovery: proportional rate reduction by the numbers of RFC 6937, NewReno without SACK (RFC
 * 6582), limited transmit (RFC 3042), undo by D-SACK and by timestamps, ECN, segments too big.
 */
#include "loss_world.h"

#define RTT (100 * MSEC)
#define CC (&w.conn.cc)

static unsigned int
sent_since(unsigned int mark)
{
	return w.n_sent - mark;
}

/* RFC 6937 section 5, first figure: 20 segments, the first lost, the window halves: of 19
 * acknowledgements every second one sends. */
static void
prr_halves(void **state)
{
	unsigned int mark;

	(void)state;
	CC->cwnd = 20 * MSS;
	world_send(100 * MSS);
	assert_int_equal(w.n_sent, 20);
	world_wait(RTT);
	for (int i = 2; i <= 4; i++)
		world_ack(0, 1000, i * 1000, -1);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(CC->ssthresh, 10 * MSS);
	/* two on limited transmit, the retransmission at once */
	assert_int_equal(w.n_sent, 23);
	assert_int_equal(w.sent[22].seq, 0);
	mark = w.n_sent;
	for (int i = 5; i <= 20; i++)
		world_ack(0, 1000, i * 1000, -1);
	/* prr_delivered 17 of a flight of 22, halved: CEIL(17 * 10 / 22) less the first */
	assert_int_equal(L->prr_flight, 22 * MSS);
	assert_int_equal(L->prr_delivered, 17 * MSS);
	assert_in_range(L->prr_out, 7 * MSS, 8 * MSS);
	assert_int_equal(sent_since(mark), L->prr_out / MSS - 1);
	world_wait(RTT);
	world_ack(22000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(CC->cwnd, 10 * MSS);
	assert_int_equal(w.congestions, 1);
}

/* The second figure: 15 of 20 are lost. The pipe is below ssthresh at once: slow start reduction
 * bound, an acknowledgement sends two. */
static void
prr_bound(void **state)
{
	unsigned int mark;

	(void)state;
	CC->cwnd = 20 * MSS;
	world_send(100 * MSS);
	world_wait(RTT);
	world_ack(0, 15000, 16000, -1);
	world_ack(0, 15000, 17000, -1);
	mark = w.n_sent;
	world_ack(0, 15000, 18000, -1);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(sent_since(mark), 2);
	world_ack(0, 15000, 19000, -1);
	assert_int_equal(sent_since(mark), 4);
	world_ack(0, 15000, 20000, -1);
	assert_int_equal(sent_since(mark), 6);
	assert_true(conn_pipe(&w.conn) <= CC->ssthresh);
	/* nothing delivered, nothing sent */
	mark = w.n_sent;
	world_ack(0, 15000, 20000, -1);
	assert_int_equal(sent_since(mark), 0);
}

/* PRR never leaves the window above ssthresh, nor the pipe after it. */
static void
prr_ends(void **state)
{
	(void)state;
	CC->cwnd = 20 * MSS;
	world_send(100 * MSS);
	world_wait(RTT);
	world_ack(0, 4000, 20000, -1);
	for (uint32_t una = 1000; una <= 4000; una += 1000) {
		world_wait(RTT);
		if (una < 4000)
			world_ack(una, 4000, 20000, -1);
		assert_true(conn_pipe(&w.conn) <= CC->ssthresh);
	}
	world_ack(20000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(CC->cwnd, 10 * MSS);
}

/* --- without SACK --- */

static int
open_plain(void **state)
{
	world_open(state);
	w.conn.flags = 0;
	return 0;
}

/* RFC 3042: the first two duplicates send one new segment each, cwnd stays. */
static void
limited_transmit(void **state)
{
	(void)state;
	world_send(20 * MSS);
	w.taken = w.n_sent;
	world_wait(RTT);
	world_ack(0, -1);
	expect_sent(10000, MSS);
	expect_quiet();
	world_ack(0, -1);
	expect_sent(11000, MSS);
	expect_quiet();
	assert_int_equal(CC->cwnd, 10 * MSS);
	assert_int_equal(STAT(limited_transmit), 2);
	assert_int_equal(L->state, REC_DISORDER);
	world_ack(0, -1);
	expect_sent(0, MSS);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(STAT(dup_acks_in), 3);
}

/* RFC 5681 2: data, another window, or news make it no duplicate. */
static void
no_duplicate(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20, .len = 10, .seq = 1 };

	(void)state;
	world_send(20 * MSS);
	for (int i = 0; i < 5; i++)
		world_ack_in(&in, 0);
	in = (struct tcp_in){ .seq = 20 };
	for (uint32_t i = 1; i < 5; i++) {
		in.wnd = (1 << 20) - i;
		world_ack_in(&in, 0);
	}
	assert_int_equal(STAT(dup_acks_in), 0);
	assert_int_equal(L->dup_acks, 0);
	assert_int_equal(w.n_sent, 10);
}

/* RFC 6582: a partial acknowledgement sends the next hole; one reduction for all. */
static void
newreno(void **state)
{
	(void)state;
	world_send(10 * MSS);
	w.taken = w.n_sent;
	world_wait(RTT);
	/* 0 and 5 are lost: eight duplicates */
	for (int i = 0; i < 8; i++)
		world_ack(0, -1);
	expect_sent(0, MSS);
	expect_quiet();
	world_wait(RTT);
	world_ack(5000, -1);
	assert_int_equal(L->state, REC_RECOVERY);
	expect_sent(5000, MSS);
	expect_quiet();
	world_wait(RTT);
	world_ack(10000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(L->sacked, 0);
	assert_int_equal(w.congestions, 1);
	assert_int_equal(CC->cwnd, CC->ssthresh);
	/* duplicates after it may be of what was sent again: no second recovery */
	world_send(4 * MSS);
	for (int i = 0; i < 4; i++)
		world_ack(10000, -1);
	assert_int_equal(w.congestions, 1);
	world_ack(11000, -1);
	for (int i = 0; i < 4; i++)
		world_ack(11000, -1);
	assert_int_equal(w.congestions, 2);
}

/* --- undo --- */

static void
lose_first(void)
{
	world_send(10 * MSS);
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(CC->ssthresh, 5 * MSS);
}

/* RFC 3708: every retransmission was answered by a D-SACK. */
static void
undo_dsack(void **state)
{
	(void)state;
	lose_first();
	w.engine.now += 10 * MSEC;
	world_ack(4000, -1); /* the original, late */
	world_ack(10000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(CC->cwnd, 5 * MSS);
	world_ack(10000, 0, 1000, -1);
	assert_int_equal(STAT(undos), 1);
	assert_int_equal(w.conn.undos, 1);
	assert_int_equal(w.cc_undos, 1);
	assert_int_equal(CC->cwnd, 10 * MSS);
	assert_int_equal(CC->ssthresh, UINT32_MAX);
	assert_true(L->reordering);
	/* and once */
	world_ack(10000, 0, 1000, -1);
	assert_int_equal(STAT(undos), 1);
}

/* Two were sent again and one D-SACK came: one was needed. */
static void
no_undo(void **state)
{
	(void)state;
	CC->cwnd = 20 * MSS;
	world_send(20 * MSS);
	world_wait(RTT);
	world_ack(0, 2000, 6000, -1);
	assert_int_equal(w.n_sent, 22);
	w.engine.now += 10 * MSEC;
	world_ack(20000, -1);
	world_ack(20000, 0, 1000, -1);
	assert_int_equal(STAT(undos), 0);
	assert_int_equal(L->undo_retrans, 1);
	/* a round trip later nothing is undone any more */
	world_send(MSS);
	world_ack(21000, -1);
	world_send(MSS);
	world_ack(22000, -1);
	world_ack(22000, 1000, 2000, -1);
	assert_int_equal(STAT(undos), 0);
	assert_int_equal(CC->ssthresh, 10 * MSS);
}

/* RFC 3522: the timestamp is older than the retransmission. */
static void
undo_eifel(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20 };

	(void)state;
	in.opts.ts_ecr = ts_now(&w.conn);
	lose_first();
	w.engine.now += 10 * MSEC;
	world_ack_in(&in, 4000);
	assert_int_equal(STAT(undos), 1);
	assert_true(CC->cwnd >= 10 * MSS);
	assert_int_equal(L->state, REC_OPEN);
}

static void
no_undo_eifel(void **state)
{
	struct tcp_in in = { .wnd = 1 << 20 };

	(void)state;
	lose_first();
	in.opts.ts_ecr = ts_now(&w.conn); /* that of the retransmission */
	w.engine.now += RTT;
	world_ack_in(&in, 4000);
	assert_int_equal(STAT(undos), 0);
	assert_int_equal(L->state, REC_RECOVERY);
}

/* --- ECN --- */

static void
echo(uint32_t ack)
{
	struct tcp_in in = { .wnd = 1 << 20, .flags = RTE_TCP_ECE_FLAG };

	world_ack_in(&in, ack);
}

/* RFC 3168 6.1.2: once a window, and CWR tells the peer. */
static void
ecn(void **state)
{
	(void)state;
	w.conn.flags |= F_ECN;
	world_send(100 * MSS);
	assert_int_equal(w.n_sent, 10);
	world_wait(RTT);
	echo(1000);
	assert_int_equal(STAT(ecn_reduced), 1);
	assert_int_equal(L->state, REC_CWR);
	assert_true((w.conn.flags & F_CWR) != 0);
	assert_int_equal(CC->ssthresh, 5 * MSS);
	for (uint32_t i = 2; i < 10; i++)
		echo(i * 1000);
	assert_int_equal(STAT(ecn_reduced), 1);
	world_ack(10000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(CC->cwnd, CC->ssthresh);
	assert_true(conn_pipe(&w.conn) <= CC->ssthresh);
	echo(11000);
	assert_int_equal(STAT(ecn_reduced), 2);
	/* a loss in the same window has been answered */
	world_wait(RTT);
	w.congestions = 0;
	world_ack(11000, 12000, 14000, -1);
	world_wait(RTT);
	assert_int_equal(L->state, REC_RECOVERY);
	assert_int_equal(w.congestions, 0);
}

static void
ecn_not_agreed(void **state)
{
	(void)state;
	world_send(10 * MSS);
	echo(1000);
	assert_int_equal(STAT(ecn_reduced), 0);
	assert_int_equal(L->state, REC_OPEN);
}

/* --- others --- */

/* An ICMP made segments smaller: sent again in two parts each, the window as before. */
static void
too_big(void **state)
{
	(void)state;
	world_send(4 * MSS);
	w.taken = w.n_sent;
	w.conn.snd_mss = 600;
	loss_too_big(&w.conn);
	world_check();
	world_output();
	for (uint32_t i = 0; i < 4; i++) {
		expect_sent(i * 1000, 600);
		expect_sent(i * 1000 + 600, 400);
	}
	assert_int_equal(w.congestions, 0);
	assert_int_equal(CC->cwnd, 10 * MSS);
	assert_int_equal(L->lost, 0);
	world_wait(RTT);
	world_ack(4000, -1);
	assert_int_equal(L->state, REC_OPEN);
	assert_int_equal(w.congestions, 0);
}

/* What congestion control is told. */
static void
told(void **state)
{
	(void)state;
	world_send(20 * MSS);
	world_wait(50 * MSEC);
	world_ack(3000, -1);
	assert_int_equal(w.cc_acks, 1);
	assert_int_equal(w.cc_last.acked, 3000);
	assert_int_equal(w.cc_last.in_flight, 10 * MSS);
	assert_int_equal(w.cc_last.rtt, 50 * MSEC);
	assert_int_equal(w.cc_last.min_rtt, 50 * MSEC);
	assert_int_equal(w.cc_last.snd_una, FIRST + 3000);
	assert_true(w.cc_last.cwnd_limited);
	world_ack(3000, -1);
	assert_int_equal(w.cc_acks, 1);
	/* reordering goes on and the window still grows, by what is acknowledged */
	world_wait(20 * MSEC);
	world_ack(3000, 4000, 5000, -1);
	assert_int_equal(w.cc_acks, 1);
	world_ack(5000, -1);
	assert_int_equal(w.cc_acks, 2);
	assert_int_equal(w.cc_last.acked, 2000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)
#define P(f) cmocka_unit_test_setup_teardown(f, open_plain, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(prr_halves),
		T(prr_bound),
		T(prr_ends),
		P(limited_transmit),
		P(no_duplicate),
		P(newreno),
		T(undo_dsack),
		T(no_undo),
		T(undo_eifel),
		T(no_undo_eifel),
		T(ecn),
		T(ecn_not_agreed),
		T(too_big),
		T(told),
	};

	return cmocka_run_group_tests_name("tcp_recovery", tests, world_start, world_stop);
}
