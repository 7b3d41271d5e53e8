/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of several buffers, as a device that puts segments together or cuts long ones to its
 * buffers gives them, in order: at every edge of the short way in, with the queue in every state.
 */
#include "rcv_test.h"

#define MOST 66000u

static uint8_t sent[MOST], got[MOST];
static const uint32_t sizes[] = { 1, 6, 100, COPY_MAX - 1, COPY_MAX, COPY_MAX + 1, 1448, ROOM - 1,
	ROOM };

static void
fill(uint32_t from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sent[i] = byte_of(from + i);
}

static void
read_all(uint32_t len)
{
	assert_int_equal(conn.rcvq.bytes, len);
	assert_int_equal(get(got, sizeof(got), 0), len);
	assert_memory_equal(got, sent, len);
}

/* Buffers of every size and kind, behind a queue that is empty or ends in a buffer with room. */
static void
in_order(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(sizes) * BUF_KINDS * 4; i++) {
		uint32_t each = sizes[i % RTE_DIM(sizes)], n = 2 + i % 7;
		enum buf_kind kind = i / RTE_DIM(sizes) % BUF_KINDS;
		uint32_t before = i / (RTE_DIM(sizes) * BUF_KINDS) % 2 * 300,
			 len = before + n * each;

		rcv_begin(0u - 3000, 65000);
		fill(0u - 3000, len);
		if (before != 0)
			assert_int_equal(put(0u - 3000, sent, before, false), RCVQ_IN_ORDER);
		/* with the last buffer short of one byte, and full */
		len -= i / (RTE_DIM(sizes) * BUF_KINDS * 2) % 2;
		assert_int_equal(put_as(kind, each, 0u - 3000 + before, sent + before, len - before,
						 false),
				RCVQ_IN_ORDER);
		assert_int_equal(conn.rcv_nxt, 0u - 3000 + len);
		if (kind != BUF_SHARED)
			rcv_check();
		read_all(len);
		rcv_end();
	}
}

/* Up to the right edge of the window all is taken, beyond it what fits. */
static void
window(void **state)
{
	(void)state;
	for (uint32_t over = 0; over < 3; over++) {
		rcv_begin(100, 9000);
		fill(100, 9002);
		assert_int_equal(put_as(BUF_OWN, 1500, 100, sent, 9000 - 1 + over, false),
				RCVQ_IN_ORDER);
		rcv_check();
		read_all(RTE_MIN(9000u, 9000 - 1 + over));
		rcv_end();
	}
}

/* A FIN with it, one that is known, a hole before it or behind it: the long way, the same bytes. */
static void
not_alone(void **state)
{
	(void)state;
	fill(0, 12000);
	rcv_begin(0, 65000);
	assert_int_equal(put_as(BUF_EXT, 1448, 0, sent, 5000, true), RCVQ_IN_ORDER | RCVQ_FIN);
	read_all(5000);
	rcv_end();

	rcv_begin(0, 65000);
	assert_int_equal(put_as(BUF_EXT, 1448, 6000, sent + 6000, 6000, false), RCVQ_OOO);
	assert_int_equal(put_as(BUF_EXT, 1448, 0, sent, 6000, false), RCVQ_IN_ORDER | RCVQ_FILLED);
	rcv_check();
	read_all(12000);
	rcv_end();

	rcv_begin(0, 65000);
	assert_int_equal(put_as(BUF_EXT, 1448, 0, sent, 3000, false), RCVQ_IN_ORDER);
	/* half of it is known */
	assert_int_equal(put_as(BUF_EXT, 1000, 1500, sent + 1500, 4500, false), RCVQ_IN_ORDER);
	rcv_check();
	read_all(6000);
	rcv_end();
}

/* Buffers are bounded by SO_RCVBUF for chains as for single ones. */
static void
bounded(void **state)
{
	const uint32_t rcvbuf = 16384, most = 64 + rcvbuf / 256;
	uint32_t at = 0;
	unsigned int bits;

	(void)state;
	rcv_begin(0, rcvbuf);
	fill(0, rcvbuf);
	do {
		bits = put_as(BUF_SHARED, 20, at, sent + at, 100, false);
		at += 100;
	} while (bits == RCVQ_IN_ORDER && at + 100 < rcvbuf);
	assert_int_equal(bits, RCVQ_DROPPED);
	assert_true(conn.rcvq.bufs <= most && conn.rcvq.bufs + 5 > most);
	read_all(at - 100);
	rcv_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(window),
		cmocka_unit_test(not_alone),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, rcv_setup, rcv_teardown);
}
