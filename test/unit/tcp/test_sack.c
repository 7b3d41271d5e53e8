/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard: good blocks, blocks that lie, D-SACK, what is counted, and that a block which
 * comes again costs next to nothing.
 */
#include "loss_world.h"

#define RTT (100 * MSEC)

static bool
sacked(uint32_t i)
{
	return (sndq_at(&w.conn.sndq, i)->flags & SEG_SACKED) != 0;
}

static void
blocks(void **state)
{
	(void)state;
	L->reordering = true; /* so that nothing is lost meanwhile */
	world_send(10 * MSS);
	world_wait(RTT);
	world_ack(0, 2000, 4000, 8000, 9000, 5000, 6000, -1);
	assert_int_equal(L->sacked, 4 * MSS);
	assert_int_equal(L->sacked_segs, 4);
	assert_int_equal(L->fack, FIRST + 9000);
	assert_true(sacked(2) && sacked(3) && sacked(5) && sacked(8));
	assert_false(sacked(0) || sacked(1) || sacked(4) || sacked(6) || sacked(7) || sacked(9));
	/* the same again, larger, and the holes between: each counts once */
	world_ack(0, 2000, 6000, -1);
	assert_int_equal(L->sacked, 5 * MSS);
	assert_int_equal(sndq_at(&w.conn.sndq, 2)->skip, 4);
	world_ack(0, 1000, 10000, -1);
	assert_int_equal(L->sacked, 9 * MSS);
	assert_int_equal(sndq_at(&w.conn.sndq, 1)->skip, 9);
	/* through the middle of a run */
	world_ack(4000, 5000, 10000, -1);
	assert_int_equal(L->sacked, 6 * MSS);
	world_ack(10000, -1);
	assert_int_equal(L->sacked, 0);
	assert_int_equal(STAT(sacks_in), 4);
}

static void
lies(void **state)
{
	(void)state;
	world_send(5 * MSS);
	world_ack(1000, -1);
	w.engine.now += RTT;
	/* never sent, in whole or in part; inverted; empty; below; a huge one */
	world_ack(1000, 9000, 20000, -1);
	world_ack(1000, 4000, 100000, -1);
	world_ack(1000, 4000, 3000, -1);
	world_ack(1000, 3000, 3000, -1);
	world_ack(1000, 3000, 0x40000000, -1);
	world_ack(1000, 2000, 0, -1);
	assert_int_equal(L->sacked, 0);
	/* pieces that it has only a part of are not there */
	world_ack(1000, 2500, 3500, -1);
	assert_int_equal(L->sacked, 0);
	world_ack(1000, 2500, 4500, -1);
	assert_int_equal(L->sacked, MSS);
	assert_true(sacked(2));
	/* what is acknowledged already is cut off: an old segment */
	world_ack(1000, 500, 2000, 3000, 4000, -1);
	assert_int_equal(L->sacked, 2 * MSS);
	assert_true(sacked(0));
}

/* Without having agreed on SACK its blocks mean nothing. */
static void
not_agreed(void **state)
{
	(void)state;
	w.conn.flags &= ~(uint32_t)F_SACK;
	world_send(5 * MSS);
	world_ack(0, 1000, 5000, -1);
	assert_int_equal(STAT(sacks_in), 0);
	for (uint32_t i = 0; i < 5; i++)
		assert_false(sacked(i));
}

static void
duplicates(void **state)
{
	struct tcp_in in = { .wnd = 60000 };

	(void)state;
	world_send(9 * MSS);
	w.engine.now += RTT;
	world_ack(5000, 3000, 4000, -1);
	assert_int_equal(STAT(dsacks_in), 1);
	assert_int_equal(L->sacked, 0);
	/* within the second block */
	world_ack(5000, 6000, 7000, 6000, 8000, -1);
	assert_int_equal(STAT(dsacks_in), 2);
	assert_int_equal(L->sacked, 2 * MSS);
	/* two blocks apart are none, nor is one far below what can still be on the way */
	world_ack(5000, 8000, 9000, 6000, 8000, -1);
	assert_int_equal(STAT(dsacks_in), 2);
	assert_int_equal(L->sacked, 3 * MSS);
	w.conn.snd_wnd_max = 0;
	in.opts.n_sack = 1;
	in.opts.sack[0] = (struct sack_block){ FIRST + 5000 - 65536, FIRST + 1000 };
	world_ack_in(&in, 5000);
	assert_int_equal(STAT(dsacks_in), 2);
	world_ack(5000, 3000, 2000, -1);
	assert_int_equal(STAT(dsacks_in), 2);
}

/* An acknowledgement in the middle of a piece. */
static void
cut(void **state)
{
	(void)state;
	L->reordering = true;
	world_send(4 * MSS);
	w.engine.now += RTT;
	world_ack(500, -1);
	assert_int_equal(conn_flight(&w.conn), 3500);
	assert_int_equal(w.cc_last.acked, 500);
	world_ack(500, 500, 3000, -1);
	assert_int_equal(L->sacked, 2500);
	world_ack(2500, 2500, 3000, -1);
	assert_int_equal(L->sacked, 500);
	world_ack(4000, -1);
	assert_int_equal(L->sacked | L->lost | L->retrans, 0);
}

/* RFC 2018 8: the timeout finds the first piece SACKed; all of it counts as missing. */
static void
reneged(void **state)
{
	(void)state;
	world_send(4 * MSS);
	w.taken = w.n_sent;
	world_wait(RTT);
	world_ack(0, 1000, 4000, -1);
	expect_sent(0, MSS);
	world_wait(RTT);
	world_ack(1000, -1); /* but no block any more */
	assert_int_equal(L->sacked, 3 * MSS);
	world_wait(L->rto);
	assert_int_equal(STAT(rtos), 1);
	assert_int_equal(L->sacked, 0);
	expect_sent(1000, MSS);
	world_wait(RTT);
	world_ack(1000, 3000, 4000, -1);
	assert_int_equal(L->sacked, MSS);
	assert_true(L->srtt <= RTT + MSEC);
	world_ack(2000, -1);
	world_wait(RTT);
	world_ack(4000, -1);
	assert_int_equal(L->state, REC_OPEN);
	/* what was SACKed twice says nothing of the round trip: 100 ms is all that was measured */
	assert_true(L->srtt <= RTT + MSEC);
}

/* RFC 2018 8 and RFC 6675 5.1: without a sign of that, what is SACKed is not sent again. */
static void
kept(void **state)
{
	(void)state;
	world_send(4 * MSS);
	w.engine.now += RTT;
	world_ack(0, 2000, 4000, -1);
	w.taken = w.n_sent;
	world_wait(2 * SEC);
	assert_true(STAT(rtos) >= 1);
	assert_int_equal(L->sacked, 2 * MSS);
	for (; w.taken < w.n_sent; w.taken++)
		assert_true(w.sent[w.taken].seq < 2000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(blocks),
		T(lies),
		T(not_agreed),
		T(duplicates),
		T(cut),
		T(reneged),
		T(kept),
	};

	return cmocka_run_group_tests_name("tcp_sack", tests, world_start, world_stop);
}
