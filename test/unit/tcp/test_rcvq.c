/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receive queue against a model that knows of every byte whether and with what value it came
 * first; SACK and D-SACK as the examples of the RFCs have them; FINs, windows, tiny segments.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rcv_test.h"

#define STREAM 65536u /* bytes of the model, with what must never be taken */

/* What the peer sends is another value each time, so that a byte taken twice shows. */
static struct {
	uint32_t isn;
	uint32_t len;	    /* the FIN comes after so many */
	uint32_t read, nxt; /* offsets */
	uint32_t edge;	    /* right edge of the window */
	bool fin, passed;
	bool have[STREAM];
	uint8_t value[STREAM];
} model;

#define LARGE 60000u /* a coalesced segment */

static uint8_t bytes[STREAM];

static void
blocks_are(const uint32_t *want, unsigned int n)
{
	struct sack_block b[SACK_MAX];

	assert_int_equal(rcvq_sack(&conn, b), n);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(b[i].start, want[2 * i]);
		assert_int_equal(b[i].end, want[2 * i + 1]);
	}
}
#define BLOCKS(...)                                                                                \
	blocks_are((const uint32_t[]){ __VA_ARGS__ },                                              \
			sizeof((const uint32_t[]){ __VA_ARGS__ }) / (2 * sizeof(uint32_t)))
#define NO_BLOCKS() blocks_are(NULL, 0)

/* A segment as the RFCs write one: first and last byte. */
static unsigned int
segment(uint32_t first, uint32_t last)
{
	unsigned int bits = put_seq(first, last - first + 1);

	rcv_check();
	return bits;
}

static void
model_begin(uint32_t isn, uint32_t rcvbuf, uint8_t wscale)
{
	memset(&model, 0, sizeof(model));
	model.isn = isn;
	model.len = 20000 + below(20000);
	rcv_begin(isn, rcvbuf);
	conn.rcv_wscale = wscale;
	rcv_ack();
	model.edge = conn.rcv_adv - isn;
}

/* Which bytes the queue has now. Those it dropped for want of room or of a buffer to write to are
 * taken from the model; @p strict allows none. */
static void
model_compare(const bool *before, bool strict)
{
	static bool has[STREAM];
	const struct rcvq *q = &conn.rcvq;
	uint32_t nxt = conn.rcv_nxt - model.isn - (conn.flags & F_FIN_IN ? 1 : 0);

	memset(has, 0, sizeof(has));
	memset(has, 1, nxt);
	for (unsigned int i = 0; i < q->n_ooo; i++)
		memset(has + (q->ooo[i].start - model.isn), 1, q->ooo[i].end - q->ooo[i].start);
	for (uint32_t i = 0; i < STREAM; i++) {
		if (has[i] == model.have[i])
			continue;
		assert_true(model.have[i]);
		assert_false(strict);
		assert_false(before[i]);
		model.have[i] = false;
	}
	while (model.have[model.nxt])
		model.nxt++;
	assert_int_equal(model.nxt, nxt);
	assert_int_equal(q->bytes, nxt - model.read);
	model.passed = model.fin && model.nxt == model.len;
	assert_int_equal((conn.flags & F_FIN_IN) != 0, model.passed);
}

static struct rte_mbuf *
random_chain(uint32_t len, bool mixed)
{
	struct rte_mbuf *head = NULL, **link = &head;
	uint32_t at = 0;

	do {
		uint32_t each = RTE_MIN(len - at, below(4) == 0 ? below(40) : 1 + below(ROOM));
		enum buf_kind kind = mixed && below(3) == 0 ? below(BUF_KINDS) : BUF_OWN;

		*link = buf_make(kind, bytes + at, each);
		link = &(*link)->next;
		at += each;
	} while (at < len);
	return head;
}

static void
model_put(uint32_t off, uint32_t len, bool fin, bool mixed)
{
	static bool before[STREAM];
	uint32_t old_nxt = model.nxt, had_ooo = conn.rcvq.n_ooo, fresh = 0;
	bool was_passed = model.passed;
	unsigned int bits;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)rnd();
	memcpy(before, model.have, sizeof(before));
	model.fin |= fin && off + len <= model.edge;
	for (uint32_t i = off; i < off + len && i < model.edge; i++) {
		if (model.have[i] || (model.fin && i >= model.len))
			continue;
		model.have[i] = true;
		model.value[i] = bytes[i - off];
		fresh++;
	}
	bits = rcvq_put(&conn, len == 0 && below(2) ? NULL : random_chain(len, mixed),
			model.isn + off, len, fin);
	rcv_check();
	model_compare(before, !mixed);
	assert_int_equal((bits & RCVQ_IN_ORDER) != 0,
			model.nxt != old_nxt || model.passed != was_passed);
	assert_int_equal((bits & RCVQ_FILLED) != 0, model.nxt != old_nxt && had_ooo != 0);
	assert_int_equal((bits & RCVQ_FIN) != 0, model.passed && !was_passed);
	if (!mixed && fresh == 0 && len != 0 && !fin)
		assert_true(bits == RCVQ_OLD || bits == RCVQ_DROPPED);
	if (!mixed && fresh != 0)
		assert_true(bits & (RCVQ_IN_ORDER | RCVQ_OOO));
}

/* The blocks told of are blocks there are, none twice; an old one is the D-SACK. */
static void
model_sack(void)
{
	struct sack_block b[SACK_MAX];
	bool dsack = conn.rcvq.has_dsack;
	unsigned int n = rcvq_sack(&conn, b), blocks = conn.rcvq.n_ooo;

	assert_false(conn.rcvq.has_dsack);
	assert_true(n >= RTE_MIN(SACK_MAX, blocks + dsack));
	for (unsigned int i = 0; i < n; i++) {
		uint32_t from = b[i].start - model.isn, to = b[i].end - model.isn;

		assert_true(from < to);
		for (uint32_t k = from; k < to; k++)
			assert_true(model.have[k] || (model.fin && k == model.len));
		if (i == 0 && dsack)
			continue;
		assert_true(from > model.nxt);
		assert_false(model.have[from - 1]);
		assert_false(model.have[to]);
		for (unsigned int k = dsack; k < i; k++)
			assert_true(b[k].start != b[i].start);
	}
}

static void
model_ack(void)
{
	uint32_t old = model.edge, used = conn.rcvq.bytes + conn.rcvq.lent, room;

	model_sack();
	rcv_ack();
	model.edge = conn.rcv_adv - model.isn;
	assert_true(model.edge >= old);
	room = used < conn.opt.rcvbuf ? conn.opt.rcvbuf - used : 0;
	/* what it offers it can hold, and SWS: the edge moves by a worthwhile step */
	if (model.edge != old && conn.rcv_wscale == 0) {
		assert_true(model.edge <= model.nxt + room);
		assert_true(model.edge - old >= RTE_MIN(conn.rcv_mss, conn.opt.rcvbuf / 2));
	}
}

static void
model_read(uint32_t max)
{
	static uint8_t got[STREAM];
	uint32_t have = model.nxt - model.read, want = RTE_MIN(max, have);
	ssize_t n = get(got, max, 0);

	if (want == 0) {
		assert_int_equal(n, model.passed ? 0 : -EAGAIN);
		return;
	}
	assert_int_equal(n, want);
	assert_memory_equal(got, model.value + model.read, want);
	model.read += want;
	model.edge = conn.rcv_adv - model.isn; /* a window update may have gone out */
	rcv_check();
}

static void
model_step(bool mixed)
{
	static const uint32_t sizes[] = { 4, 40, 600, 1449, 5000 };
	uint32_t len = below(sizes[below(RTE_DIM(sizes))]), off, span;
	bool fin;

	switch (below(8)) {
	case 0:
		model_read(1 + below(3000));
		return;
	case 1:
		model_ack();
		return;
	case 2:
		off = model.nxt;
		break;
	default:
		span = model.edge - model.nxt + 300;
		if (below(2))
			span = RTE_MIN(span, UINT32_C(3000));
		off = model.nxt + below(span + 300);
		off = off > 300 ? off - 300 : 0;
	}
	/* nothing beyond the end, but when the FIN is known: then it must be ignored */
	if (!model.fin || below(4)) {
		off = RTE_MIN(off, model.len);
		len = RTE_MIN(len, model.len - off);
	}
	fin = off + len == model.len && below(2);
	if (len != 0 || fin)
		model_put(off, len, fin, mixed);
}

static void
model_finish(void)
{
	while (!model.passed) {
		uint32_t len = RTE_MIN(UINT32_C(1448), model.len - model.nxt);

		model_ack();
		if (len > model.edge - model.nxt)
			len = model.edge - model.nxt;
		model_put(model.nxt, len, model.nxt + len == model.len, false);
		model_read(2000);
	}
	while (model.read < model.nxt)
		model_read(1 + below(9000));
	model_read(100);
	assert_int_equal(STAT_GET(&engine.stats, TCP, bytes_in), model.len);
	assert_int_equal(conn.bytes_received, model.len);
	assert_int_equal(conn.rcv_nxt, model.isn + model.len + 1);
}

static void
random_overlaps(void **state)
{
	static const uint8_t scales[] = { 0, 0, 2, 7 };

	(void)state;
	for (unsigned int seed = 0; seed < 250; seed++) {
		bool mixed = seed % 5 == 4;

		rnd_seed(seed);
		model_begin(below(3) ? 0u - below(20000) : (uint32_t)rnd(), 2000 + below(14000),
				scales[below(4)]);
		for (int i = 0; i < 250 && !model.passed; i++)
			model_step(mixed);
		model_finish();
		rcv_end();
	}
}

/* RFC 2018 section 8: segments of 500 bytes from 5000 on. */
static void
rfc2018_examples(void **state)
{
	(void)state;
	rcv_begin(5000, 65000);
	for (uint32_t s = 5000; s < 7000; s += 500)
		assert_int_equal(segment(s, s + 499), RCVQ_IN_ORDER);
	NO_BLOCKS();
	assert_int_equal(conn.rcv_nxt, 7000);
	rcv_end();

	rcv_begin(5000, 65000);
	for (uint32_t s = 5500; s < 9000; s += 500) {
		assert_int_equal(segment(s, s + 499), RCVQ_OOO);
		BLOCKS(5500, s + 500);
	}
	rcv_end();

	rcv_begin(5000, 65000);
	segment(5000, 5499);
	NO_BLOCKS();
	segment(6000, 6499);
	BLOCKS(6000, 6500);
	segment(7000, 7499);
	BLOCKS(7000, 7500, 6000, 6500);
	segment(8000, 8499);
	BLOCKS(8000, 8500, 7000, 7500, 6000, 6500);
	assert_int_equal(segment(6500, 6999), RCVQ_OOO);
	BLOCKS(6000, 7500, 8000, 8500);
	assert_int_equal(segment(5500, 5999), RCVQ_IN_ORDER | RCVQ_FILLED);
	assert_int_equal(conn.rcv_nxt, 7500);
	BLOCKS(8000, 8500);
	rcv_end();
}

/* More blocks than fit: each is told of again until it is pushed out, the latest first. */
static void
sack_order(void **state)
{
	(void)state;
	rcv_begin(0, 65000);
	for (uint32_t s = 1000; s <= 6000; s += 1000)
		segment(s, s + 9);
	BLOCKS(6000, 6010, 5000, 5010, 4000, 4010, 3000, 3010);
	segment(1010, 1019);
	BLOCKS(1000, 1020, 6000, 6010, 5000, 5010, 4000, 4010);
	/* merged, a block is told of once; what there is besides fills the rest */
	segment(4010, 5999);
	BLOCKS(5000, 5010, 4000, 6010, 1000, 1020, 3000, 3010);
	BLOCKS(4000, 6010, 1000, 1020, 3000, 3010, 2000, 2010);
	/* what grows is told of first, and pushes no other out */
	rcv_end();
	rcv_begin(0, 65000);
	segment(3000, 3009);
	segment(1000, 1009);
	for (uint32_t s = 2000; s < 2100; s += 10)
		segment(s, s + 9);
	BLOCKS(2000, 2100, 1000, 1010, 3000, 3010);
	/* nor does what is in order by now */
	segment(5000, 5009);
	segment(4000, 4009);
	segment(1500, 1509);
	segment(200, 209);
	segment(0, 3009);
	rcvq_sack(&conn, (struct sack_block[SACK_MAX]){ { 0, 0 } });
	segment(6000, 6009);
	segment(7000, 7009);
	BLOCKS(7000, 7010, 6000, 6010, 4000, 4010, 5000, 5010);
	rcv_end();
	/* without SACK, nothing is told and no duplicate kept to be told of */
	rcv_begin(0, 65000);
	segment(1000, 1019);
	segment(2000, 2009);
	segment(3000, 3009);
	segment(4000, 4009);
	conn.flags &= ~(uint32_t)F_SACK;
	NO_BLOCKS();
	segment(1000, 1019);
	conn.flags |= F_SACK;
	BLOCKS(1000, 1020, 4000, 4010, 3000, 3010, 2000, 2010);
	assert_int_equal(STAT_GET(&engine.stats, TCP, dsacks_out), 0);
	rcv_end();
}

/* RFC 2883 section 4, one after the other. */
static void
rfc2883_whole(void **state)
{
	(void)state;
	/* 4.1.1: a duplicate below the acknowledgement */
	rcv_begin(3000, 65000);
	segment(3000, 3499);
	segment(3500, 3999);
	assert_int_equal(segment(3000, 3499), RCVQ_OLD);
	BLOCKS(3000, 3500);
	NO_BLOCKS();
	/* two before the acknowledgement goes */
	segment(3000, 3499);
	segment(3500, 3999);
	BLOCKS(3000, 4000);
	rcv_end();
	/* 4.1.2: with out of order data */
	rcv_begin(3000, 65000);
	segment(3000, 3499);
	segment(3500, 3999);
	segment(4500, 4999);
	BLOCKS(4500, 5000);
	assert_int_equal(segment(3000, 3499), RCVQ_OLD);
	BLOCKS(3000, 3500, 4500, 5000);
	BLOCKS(4500, 5000);
	rcv_end();
	/* 4.1.3: of an out of order segment */
	rcv_begin(3500, 65000);
	segment(3500, 3999);
	segment(4500, 4999);
	BLOCKS(4500, 5000);
	segment(5000, 5499);
	BLOCKS(4500, 5500);
	segment(6000, 6499);
	assert_int_equal(segment(5000, 5499), RCVQ_OLD);
	BLOCKS(5000, 5500, 4500, 5500, 6000, 6500);
	assert_int_equal(STAT_GET(&engine.stats, TCP, dsacks_out), 1);
	rcv_end();
}

static void
rfc2883_partial(void **state)
{
	(void)state;
	/* 4.2.1: a part that is a duplicate */
	rcv_begin(500, 65000);
	segment(500, 999);
	segment(2000, 2499);
	BLOCKS(2000, 2500);
	segment(1000, 1499);
	BLOCKS(2000, 2500);
	assert_int_equal(segment(1000, 1999), RCVQ_IN_ORDER | RCVQ_FILLED);
	assert_int_equal(conn.rcv_nxt, 2500);
	BLOCKS(1000, 1500);
	rcv_end();
	/* 4.2.2: two of them below the acknowledgement: the first is told of */
	rcv_begin(500, 65000);
	segment(500, 999);
	segment(3000, 3499);
	segment(1000, 1499);
	segment(2000, 2499);
	BLOCKS(2000, 2500, 3000, 3500);
	segment(1000, 2499);
	assert_int_equal(conn.rcv_nxt, 2500);
	BLOCKS(1000, 1500, 3000, 3500);
	rcv_end();
	/* 4.2.3: two of them above */
	rcv_begin(500, 65000);
	segment(500, 999);
	segment(3500, 3999);
	segment(1500, 1999);
	segment(2500, 2999);
	BLOCKS(2500, 3000, 1500, 2000, 3500, 4000);
	assert_int_equal(segment(1500, 2999), RCVQ_OOO);
	BLOCKS(1500, 2000, 1500, 3000, 3500, 4000);
	rcv_end();
	/* a block inside of the segment, and another segment before the acknowledgement goes */
	rcv_begin(500, 65000);
	segment(1500, 1999);
	segment(1000, 2999);
	segment(5000, 5499);
	BLOCKS(1500, 2000, 1000, 3000, 5000, 5500);
	rcv_end();
}

static void
first_wins(void **state)
{
	uint8_t got[64];

	(void)state;
	rcv_begin(0, 65000);
	put(10, "bbbbb", 5, false);
	put(20, "ccccc", 5, false);
	put(8, "xxxxxxxxxxxxxxxxxxxx", 20, false); /* 8 to 27 */
	put(24, "yyyyyyyy", 8, false);
	put(0, "zzzzzzzzzzzzzzzz", 16, false);
	assert_int_equal(get(got, 64, 0), 32);
	assert_memory_equal(got, "zzzzzzzzxxbbbbbxxxxxcccccxxxyyyy", 32);
	rcv_end();
	/* buffers that others see too are not written to: the rest is to be sent again */
	rcv_begin(0, 65000);
	put(10, "bbbbb", 5, false);
	assert_int_equal(put_as(BUF_SHARED, 50, 5, "xxxxxxxxxxxxxxxxxxxx", 20, false), RCVQ_OOO);
	BLOCKS(10, 15, 5, 15);
	rcv_end();
	rcv_begin(0, 65000);
	put(10, "bbbbb", 5, false);
	assert_int_equal(put_as(BUF_CLONE, 50, 5, "xxxxxxxxxxxxxxxxxxxx", 20, false), RCVQ_OOO);
	rcv_check();
	BLOCKS(10, 15, 5, 15);
	put(15, "e", 1, false);
	put(0, "aaaaa", 5, false);
	assert_int_equal(get(got, 64, 0), 16);
	assert_memory_equal(got, "aaaaaxxxxxbbbbbe", 16);
	rcv_end();
}

static void
fin_order(void **state)
{
	uint8_t got[64];

	(void)state;
	/* before its data, alone; what is beyond is ignored */
	rcv_begin(100, 65000);
	assert_int_equal(rcvq_put(&conn, NULL, 110, 0, true), RCVQ_OOO);
	BLOCKS(110, 111);
	assert_int_equal(rcvq_put(&conn, NULL, 110, 0, true), RCVQ_OLD);
	BLOCKS(110, 111, 110, 111);
	assert_int_equal(put(110, "xyz", 3, false), RCVQ_OLD);
	BLOCKS(110, 111);
	assert_int_equal(put(105, "fghijXXX", 8, false), RCVQ_OOO);
	BLOCKS(105, 111);
	assert_int_equal(put(100, "abcdeFG", 7, true), RCVQ_IN_ORDER | RCVQ_FILLED | RCVQ_FIN);
	assert_int_equal(conn.rcv_nxt, 111);
	assert_int_equal(get(got, 64, 0), 10);
	assert_memory_equal(got, "abcdefghij", 10);
	assert_int_equal(get(got, 64, 0), 0);
	/* again, with data and without: only told of */
	rcvq_sack(&conn, (struct sack_block[SACK_MAX]){ { 0, 0 } });
	assert_int_equal(put(108, "XY", 2, true), RCVQ_OLD);
	BLOCKS(108, 111);
	assert_int_equal(put(111, "Z", 1, false), RCVQ_OLD);
	assert_int_equal(put(112, "Z", 1, true), RCVQ_OLD);
	assert_int_equal(conn.rcv_nxt, 111);
	rcv_end();
	/* data beyond had come: they go; where the data in order are beyond, the FIN does not count
	 */
	rcv_begin(100, 65000);
	put(105, "fghij", 5, false);
	put(112, "mn", 2, false);
	assert_int_equal(put(102, "cd", 2, true), RCVQ_OOO);
	assert_int_equal(conn.rcvq.n_ooo, 1);
	assert_int_equal(put(100, "ab", 2, false), RCVQ_IN_ORDER | RCVQ_FILLED | RCVQ_FIN);
	assert_int_equal(conn.rcv_nxt, 105);
	rcv_end();
	rcv_begin(100, 65000);
	put(104, "efghij", 6, false);
	put(102, "cdX", 3, true); /* in the middle of a block: up to it */
	rcv_check();
	assert_int_equal(conn.rcvq.fin_seq, 105);
	assert_int_equal(put(100, "ab", 2, false), RCVQ_IN_ORDER | RCVQ_FILLED | RCVQ_FIN);
	assert_int_equal(get(got, 64, 0), 5);
	assert_memory_equal(got, "abcde", 5);
	rcv_end();
	rcv_begin(100, 65000);
	put(103, "def", 3, false);
	assert_int_equal(rcvq_put(&conn, NULL, 103, 0, true), RCVQ_OOO); /* right before a block */
	rcv_check();
	assert_int_equal(conn.rcvq.n_ooo, 0);
	assert_int_equal(conn.rcvq.bufs, 0);
	BLOCKS(103, 104);
	rcv_end();
	rcv_begin(100, 65000);
	put(100, "abcdef", 6, false);
	assert_int_equal(put(100, "abc", 3, true), RCVQ_OLD);
	assert_false(conn.rcvq.fin);
	assert_int_equal(rcvq_put(&conn, NULL, 106, 0, true), RCVQ_IN_ORDER | RCVQ_FIN);
	rcv_end();
}

static void
window_edges(void **state)
{
	(void)state;
	rcv_begin(0xfffffc00u, 3000);
	conn.rcv_mss = 1000;
	assert_int_equal(rcvq_window(&conn), 3000);
	assert_int_equal(put_seq(conn.rcv_nxt, 2500), RCVQ_IN_ORDER);
	assert_int_equal(rcvq_window(&conn), 500);
	/* cut at the edge; a FIN behind what was cut does not count, one at the edge does */
	assert_int_equal(put(conn.rcv_nxt, bytes, 700, true), RCVQ_IN_ORDER);
	assert_int_equal(conn.rcvq.bytes, 3000);
	assert_int_equal(rcvq_window(&conn), 0);
	assert_int_equal(put(conn.rcv_nxt, "x", 1, false), RCVQ_DROPPED);
	assert_int_equal(put(conn.rcv_nxt + 1, "x", 1, true), RCVQ_DROPPED);
	assert_int_equal(rcvq_put(&conn, NULL, conn.rcv_nxt, 0, true), RCVQ_IN_ORDER | RCVQ_FIN);
	assert_int_equal(rcvq_window(&conn), 0);
	rcv_end();

	/* a smaller buffer takes nothing back; out of order data change no window */
	rcv_begin(0, 10000);
	conn.opt.rcvbuf = 4000;
	assert_int_equal(rcvq_window(&conn), 10000);
	put_seq(5000, 1000);
	assert_int_equal(rcvq_window(&conn), 10000);
	put_seq(0, 1000);
	assert_int_equal(rcvq_window(&conn), 9000);
	rcv_end();
}

static void
window_scale(void **state)
{
	(void)state;
	/* no more than the field can say, and then no updates for what it cannot */
	rcv_begin(0, 1 << 20);
	assert_int_equal(rcvq_window(&conn), 65535);
	put_seq(0, 20000);
	rcv_ack();
	assert_int_equal(conn.rcv_adv, 20000 + 65535);
	assert_int_equal(get(bytes, 20000, 0), 20000);
	assert_int_equal(acks, 0);
	conn.rcv_wscale = 3;
	assert_int_equal(rcvq_window(&conn), 65535 << 3);
	rcv_end();

	/* rounding down does not take back what was offered while there is room */
	rcv_begin(0, 64000);
	conn.rcv_wscale = 7;
	conn.rcv_adv = 32000;
	conn.rcvq.lent = 64000 - 33000;
	for (uint32_t n = 1; n < 128; n++) {
		put_seq(conn.rcv_nxt, 1);
		assert_true(conn.rcv_nxt + (rcvq_window(&conn) >> 7 << 7) >= 32000);
	}
	/* less than a unit is closed */
	conn.rcv_adv = conn.rcv_nxt + 100;
	assert_int_equal(rcvq_window(&conn) >> 7 << 7,
			(64000 - conn.rcvq.bytes - conn.rcvq.lent) >> 7 << 7);
	conn.rcvq.lent = 64000 - conn.rcvq.bytes - 1000;
	assert_int_equal(rcvq_window(&conn), 100);
	assert_false(rcvq_update_due(&conn));
	conn.rcvq.lent -= 548;
	assert_true(rcvq_update_due(&conn));
	conn.rcvq.lent = 0;
	rcv_end();
}

static void
window_updates(void **state)
{
	uint8_t got[8192];

	(void)state;
	rcv_begin(0, 8000);
	conn.rcv_mss = 1000;
	put_seq(0, 8000);
	assert_int_equal(rcvq_window(&conn), 0);
	/* closed: one segment is worth telling */
	get(got, 999, 0);
	assert_int_equal(rcvq_window(&conn), 0);
	assert_int_equal(acks, 0);
	get(got, 1, 0);
	assert_int_equal(acks, 1);
	assert_int_equal(conn.rcv_adv, 9000);
	/* open: two */
	get(got, 1999, 0);
	assert_int_equal(acks, 1);
	get(got, 1, 0);
	assert_int_equal(acks, 2);
	assert_int_equal(conn.rcv_adv, 11000);
	/* or half of the buffer */
	conn.rcv_mss = 60000;
	get(got, 3999, 0);
	assert_int_equal(acks, 2);
	get(got, 1, 0);
	assert_int_equal(acks, 3);
	assert_int_equal(STAT_GET(&engine.stats, TCP, window_updates), 3);
	/* nobody is told after the FIN, or before there is a connection */
	rcvq_put(&conn, NULL, 8000, 0, true);
	conn.rcv_adv = conn.rcv_nxt;
	assert_false(rcvq_update_due(&conn));
	conn.flags &= ~(uint32_t)F_FIN_IN;
	assert_true(rcvq_update_due(&conn));
	conn.state = TCP_S_SYN_RECEIVED;
	assert_false(rcvq_update_due(&conn));
	rcv_end();
}

/* One byte a segment, or in any small sizes: buffers are bounded by bytes. */
static void
tiny_in_order(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < BUF_KINDS; kind++) {
		if (kind == BUF_SHARED)
			continue;
		for (uint32_t max = 1; max <= 2000; max = max * 3 + 1) {
			rnd_seed(max);
			rcv_begin(0u - 20000, 60000);
			for (uint32_t n, sent = 0; sent < 59000; sent += n) {
				n = RTE_MIN(1 + below(max), 59000 - sent);
				n = RTE_MIN(n, (uint32_t)ROOM);
				assert_int_equal(put_as(kind, n, conn.rcv_nxt, bytes, n, false),
						RCVQ_IN_ORDER);
				if (sent > 1000 && conn.rcvq.bufs > conn.rcvq.bytes / 256 + 1)
					fail_msg("kind %u max %u: %u buffers hold %u bytes", kind,
							max, conn.rcvq.bufs, conn.rcvq.bytes);
			}
			if (max <= COPY_MAX)
				assert_true(conn.rcvq.bufs <= 59000 / (ROOM - COPY_MAX) + 1);
			rcv_check();
			rcv_end();
		}
	}
}

/* Buffers that cannot be written to: beyond the limit the queue takes no more, and never breaks. */
static void
tiny_shared(void **state)
{
	uint32_t taken = 0;

	(void)state;
	rcv_begin(0, 20000);
	while (put_as(BUF_SHARED, 1, conn.rcv_nxt, "x", 1, false) == RCVQ_IN_ORDER)
		taken++;
	assert_int_equal(taken, 64 + 20000 / 256);
	assert_int_equal(conn.rcvq.bufs, taken);
	rcv_check();
	assert_int_equal(get(bytes, 10, 0), 10);
	/* the last buffer that the limit allows is ours, so that what fits into it is still taken
	 */
	for (unsigned int i = 0; i < 9; i++)
		put_as(BUF_SHARED, 1, conn.rcv_nxt, "x", 1, false);
	assert_int_equal(put(conn.rcv_nxt, "x", 1, false), RCVQ_IN_ORDER);
	assert_int_equal(put_as(BUF_SHARED, 600, conn.rcv_nxt, bytes, 600, false), RCVQ_DROPPED);
	assert_int_equal(put(conn.rcv_nxt, "x", 1, false), RCVQ_IN_ORDER);
	assert_int_equal(conn.rcvq.bufs, taken);
	rcv_end();
	/* a smaller buffer does not break what was offered */
	rcv_begin(0, 60000);
	conn.opt.rcvbuf = 100;
	for (unsigned int i = 0; i < 60000 / 520; i++)
		assert_int_equal(put_seq(conn.rcv_nxt, 520), RCVQ_IN_ORDER);
	rcv_end();
}

/* Every second byte: a buffer each, so that few are kept; in order data push the farthest out. */
static void
tiny_out_of_order(void **state)
{
	unsigned int kept = 0, limit = 64 + 60000 / 256;
	uint64_t pruned;
	uint8_t got;

	(void)state;
	rcv_begin(0, 60000);
	for (uint32_t s = 1; s < 60000; s += 2)
		kept += put_seq(s, 1) == RCVQ_OOO;
	assert_int_equal(kept, limit);
	assert_int_equal(conn.rcvq.bufs, limit);
	assert_int_equal(STAT_GET(&engine.stats, TCP, ooo_pruned), 30000 - kept);
	assert_int_equal(STAT_GET(&engine.stats, TCP, ooo_in), kept);
	rcv_check();
	/* one that goes behind a block's data needs no buffer */
	assert_int_equal(put_seq(2 * limit, 1), RCVQ_OOO);
	rcv_check();
	pruned = STAT_GET(&engine.stats, TCP, ooo_pruned);
	assert_int_equal(put_seq(0, 1), RCVQ_IN_ORDER | RCVQ_FILLED);
	assert_int_equal(STAT_GET(&engine.stats, TCP, ooo_pruned), pruned + 1);
	assert_int_equal(conn.rcv_nxt, 2);
	for (uint32_t s = 2; s < 60000; s++) {
		put_seq(s, 1);
		assert_true(conn.rcvq.bufs <= limit);
	}
	rcv_check();
	assert_int_equal(conn.rcvq.bytes, 60000);
	assert_true(conn.rcvq.bufs <= 60000 / (ROOM - 1) + 1);
	for (uint32_t s = 0; s < 60000; s++) {
		assert_int_equal(get(&got, 1, 0), 1);
		assert_int_equal(got, byte_of(s));
	}
	rcv_end();
}

/* Small data leave foreign memory, unless somebody else looks at them there. */
static void
small_foreign(void **state)
{
	struct rte_mbuf *m = buf_make(BUF_EXT, "abc", 3);

	(void)state;
	rcv_begin(0, 6000);
	rcvq_put(&conn, m, 0, 3, false);
	assert_false(RTE_MBUF_HAS_EXTBUF(m));
	assert_int_equal(get(bytes, 9, 0), 3);
	assert_memory_equal(bytes, "abc", 3);
	m = buf_make(BUF_EXT, "def", 3);
	rte_mbuf_refcnt_update(m, 1);
	rcvq_put(&conn, m, 3, 3, false);
	assert_true(RTE_MBUF_HAS_EXTBUF(m));
	assert_int_equal(get(bytes, 9, 0), 3);
	assert_memory_equal(bytes, "def", 3);
	rte_pktmbuf_free(m);
	rcv_end();
}

/* No more than so many blocks, whatever the buffer. */
static void
many_blocks(void **state)
{
	unsigned int kept = 0;

	(void)state;
	rcv_begin(0, 1 << 20);
	conn.rcv_wscale = 5;
	rcv_ack();
	for (uint32_t s = 2; s < 8000; s += 2)
		kept += put_seq(s, 1) == RCVQ_OOO;
	assert_int_equal(kept, 1024);
	assert_int_equal(conn.rcvq.n_ooo, 1024);
	assert_int_equal(put_seq(2 * 1024 + 1, 5), RCVQ_OOO); /* makes none more */
	assert_int_equal(put_seq(1, 2 * 1024), RCVQ_OOO);
	rcv_check();
	assert_int_equal(conn.rcvq.n_ooo, 1);
	assert_int_equal(put_seq(0, 1), RCVQ_IN_ORDER | RCVQ_FILLED);
	assert_int_equal(conn.rcv_nxt, 2 * 1024 + 6);
	rcv_end();
}

/* A coalesced segment: a long chain, longer than what is said of it, with empty buffers in it. */
static void
coalesced(void **state)
{
	static uint8_t got[65536];
	struct rte_mbuf *head = buf_make(BUF_OWN, bytes, 0), *m = head;

	(void)state;
	rnd_seed(7);
	for (uint32_t i = 0; i < LARGE; i++)
		bytes[i] = (uint8_t)rnd();
	rcv_begin(0, 65000);
	for (uint32_t at = 0; at < LARGE; at += 1500) {
		m = m->next = buf_make(BUF_EXT, bytes + at, 1500);
		m = m->next = buf_make(BUF_OWN, bytes, 0);
	}
	m->next = buf_make(BUF_OWN, bytes, 6); /* padding */
	assert_int_equal(rcvq_put(&conn, head, 0, LARGE, false), RCVQ_IN_ORDER);
	rcv_check();
	assert_int_equal(get(got, sizeof(got), 0), LARGE);
	assert_memory_equal(got, bytes, LARGE);
	/* of one buffer, with padding */
	assert_int_equal(rcvq_put(&conn, buf_make(BUF_OWN, "abcdef", 6), LARGE, 2, false),
			RCVQ_IN_ORDER);
	rcv_check();
	/* foreign memory is not written to, even behind the data */
	assert_int_equal(put_as(BUF_EXT, 600, LARGE + 2, bytes, 600, false), RCVQ_IN_ORDER);
	assert_int_equal(put(LARGE + 602, "ab", 2, false), RCVQ_IN_ORDER);
	assert_int_equal(conn.rcvq.bufs, 3);
	assert_int_equal(get(got, sizeof(got), 0), 604);
	assert_int_equal(rcvq_put(&conn, buf_make(BUF_OWN, "abcdef", 6), LARGE + 604, 0, false), 0);
	rcv_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc2018_examples),
		cmocka_unit_test(sack_order),
		cmocka_unit_test(rfc2883_whole),
		cmocka_unit_test(rfc2883_partial),
		cmocka_unit_test(first_wins),
		cmocka_unit_test(fin_order),
		cmocka_unit_test(window_edges),
		cmocka_unit_test(window_scale),
		cmocka_unit_test(window_updates),
		cmocka_unit_test(tiny_in_order),
		cmocka_unit_test(tiny_shared),
		cmocka_unit_test(tiny_out_of_order),
		cmocka_unit_test(small_foreign),
		cmocka_unit_test(many_blocks),
		cmocka_unit_test(coalesced),
		cmocka_unit_test(random_overlaps),
	};

	return cmocka_run_group_tests_name("tcp_rcvq", tests, rcv_setup, rcv_teardown);
}
