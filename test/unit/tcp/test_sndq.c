/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue against a model, a plain array of the bytes that were given: appending, cutting,
 * trimming and finding in random order; and its limits one by one.
 */
#include <stdlib.h>

#include "loss_world.h"

#define Q (&w.conn.sndq)

static uint8_t
byte_at(uint32_t offset)
{
	return (uint8_t)(offset * 7 + (offset >> 8));
}

static uint32_t given; /* bytes ever appended */

static ssize_t
append(uint32_t len, bool push)
{
	static uint8_t data[70000];
	struct iovec iov[3] = { { data, len / 3 }, { data + len / 3, 0 },
		{ data + len / 3, len - len / 3 } };
	ssize_t n;

	for (uint32_t i = 0; i < len; i++)
		data[i] = byte_at(given + i);
	n = sndq_append(&w.conn, iov, 3, 0, UINT32_MAX, push);
	if (n > 0)
		given += (uint32_t)n;
	return n;
}

static void
mark_sent(uint32_t n)
{
	for (; n > 0 && Q->n_sent < Q->n; n--)
		assert_int_equal(output_piece(&w.conn, Q->n_sent), 0);
}

/* Everything that must hold. */
static void
check(void)
{
	uint32_t bytes = 0, charge = 0, seq = w.conn.snd_una;

	for (uint32_t i = 0; i < Q->n; i++) {
		const struct seg *s = sndq_at(Q, i);

		assert_int_equal(s->seq, seq);
		seq = seg_end(s);
		bytes += s->len;
		charge += s->len + SEG_CHARGE;
		assert_true(s->len <= MSS);
		assert_true(s->len == 0 || s->off >= RTE_PKTMBUF_HEADROOM);
		assert_true(s->len == 0 || s->off + s->len <= s->m->buf_len);
		assert_int_equal((s->flags & SEG_SENT) != 0, i < Q->n_sent);
		assert_true((s->flags & SEG_FIN) == 0 || i == Q->n - 1);
		for (uint32_t k = 0; k < s->len; k++)
			assert_int_equal(((uint8_t *)s->m->buf_addr)[s->off + k],
					byte_at(s->seq - FIRST + k));
		assert_int_equal(sndq_find(Q, s->seq), i);
		assert_int_equal(sndq_find(Q, seg_end(s) - 1), i);
	}
	assert_int_equal(sndq_find(Q, seq), Q->n);
	assert_int_equal(bytes, Q->bytes);
	assert_int_equal(charge, Q->charge);
}

static int
open_queue(void **state)
{
	given = 0;
	return world_open(state);
}

static void
trim(uint32_t una)
{
	w.conn.snd_una = una;
	sndq_trim(&w.conn, una);
}

static void
model(void **state)
{
	uint32_t i;

	(void)state;
	srand(1);
	w.conn.opt.sndbuf = 100000;
	for (unsigned int step = 0; step < 4000; step++) {
		w.n_sent = 0;
		switch (rand() % 5) {
		case 0:
			append((uint32_t)(rand() % 5000) + 1, rand() % 2 != 0);
			break;
		case 1:
			append((uint32_t)(rand() % 100) + 1, rand() % 2 != 0);
			break;
		case 2:
			mark_sent((uint32_t)rand() % 20);
			break;
		case 3:
			if (Q->n == 0)
				break;
			i = (uint32_t)rand() % Q->n;
			if (sndq_at(Q, i)->len > 1)
				assert_int_equal(
						sndq_split(&w.conn, i,
								(uint16_t)(1 + rand() % (sndq_at(Q, i)->len - 1))),
						0);
			break;
		case 4:
			trim(w.conn.snd_una + (uint32_t)rand() % (conn_flight(&w.conn) + 1));
			break;
		}
		check();
	}
	mark_sent(UINT32_MAX);
	trim(w.conn.snd_nxt);
	check();
	assert_int_equal(Q->n, 0);
	assert_int_equal(Q->charge, 0);
}

/* Small sends share a piece until it is sent. */
static void
coalesce(void **state)
{
	(void)state;
	append(100, false);
	assert_int_equal(sndq_at(Q, 0)->flags, SEG_OPEN);
	append(100, true);
	assert_int_equal(Q->n, 1);
	assert_int_equal(sndq_at(Q, 0)->len, 200);
	assert_int_equal(sndq_at(Q, 0)->flags, SEG_PUSH);
	append(900, true);
	assert_int_equal(Q->n, 2);
	assert_int_equal(sndq_at(Q, 0)->flags, 0); /* the end of a send call is in the next */
	assert_int_equal(sndq_at(Q, 1)->len, 100);
	mark_sent(2);
	append(100, true);
	assert_int_equal(Q->n, 3);
	/* somebody holds the buffer */
	rte_mbuf_refcnt_set(sndq_at(Q, 2)->m, 2);
	append(100, true);
	assert_int_equal(Q->n, 4);
	rte_mbuf_refcnt_set(sndq_at(Q, 2)->m, 1);
	check();
}

static void
skip_and_max(void **state)
{
	uint8_t data[300];
	struct iovec iov[2] = { { data, 100 }, { data + 100, 200 } };

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		data[i] = byte_at(i - 150);
	assert_int_equal(sndq_append(&w.conn, iov, 2, 150, 100, true), 100);
	assert_int_equal(sndq_append(&w.conn, iov, 2, 250, UINT32_MAX, true), 50);
	assert_int_equal(sndq_append(&w.conn, iov, 2, 300, UINT32_MAX, true), 0);
	assert_int_equal(sndq_append(&w.conn, iov, 0, 0, UINT32_MAX, true), 0);
	assert_int_equal(Q->bytes, 150);
	check();
}

static void
limits(void **state)
{
	(void)state;
	w.conn.opt.sndbuf = 3 * (MSS + SEG_CHARGE) + 100;
	assert_int_equal(append(10000, true), 3 * MSS + 36);
	assert_int_equal(append(10, true), -ENOBUFS);
	assert_true(Q->charge <= w.conn.opt.sndbuf);
	mark_sent(1);
	trim(FIRST + MSS);
	assert_int_equal(append(10000, true), MSS);
	check();
	mark_sent(10);
	trim(w.conn.snd_nxt);
	/* smaller than a segment: one at a time */
	w.conn.opt.sndbuf = 10;
	assert_int_equal(append(10000, true), MSS);
	assert_int_equal(append(1, true), -ENOBUFS);
	check();
}

static void
no_buffers(void **state)
{
	static struct rte_mbuf *taken[8191];
	unsigned int n = rte_mempool_avail_count(world_pool) - 3;

	(void)state;
	assert_int_equal(rte_pktmbuf_alloc_bulk(world_pool, taken, n), 0);
	assert_int_equal(append(10000, true), 3 * MSS);
	assert_int_equal(append(10000, true), -ENOBUFS);
	assert_int_equal(sndq_split(&w.conn, 1, 500), -ENOBUFS);
	check();
	rte_pktmbuf_free_bulk(taken, n);
	assert_int_equal(append(100, true), 100);
	check();
}

static void
fin(void **state)
{
	(void)state;
	append(1500, true);
	assert_int_equal(sndq_fin(&w.conn), 0);
	assert_int_equal(Q->n, 2);
	assert_true((sndq_at(Q, 1)->flags & SEG_FIN) != 0);
	assert_int_equal(seg_seqs(sndq_at(Q, 1)), 501);
	/* cut off, it is a piece of its own */
	assert_int_equal(sndq_split(&w.conn, 1, 500), 0);
	assert_true((sndq_at(Q, 1)->flags & SEG_FIN) == 0);
	assert_null(sndq_at(Q, 2)->m);
	check();
	mark_sent(3);
	trim(FIRST + 1500);
	assert_int_equal(Q->n, 1);
	check();
	trim(FIRST + 1501);
	assert_int_equal(Q->n, 0);
	check();
	/* acknowledged but for the FIN: its buffer goes */
	world_close(NULL);
	open_queue(NULL);
	append(100, true);
	sndq_fin(&w.conn);
	mark_sent(1);
	trim(FIRST + 100);
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
	assert_int_equal(Q->n, 1);
	trim(FIRST + 101);
	/* alone when all has been sent */
	append(0, true);
	sndq_fin(&w.conn);
	assert_null(sndq_at(Q, 0)->m);
	assert_int_equal(seg_seqs(sndq_at(Q, 0)), 1);
}

/* Memory that a queue needed once goes when it is empty; a device may still hold a chain. */
static void
memory(void **state)
{
	struct rte_mbuf *m[3];

	(void)state;
	append(60000, true);
	mark_sent(60);
	trim(w.conn.snd_nxt);
	assert_null(Q->ring);
	append(3000, true);
	mark_sent(3);
	for (uint32_t i = 0; i < 3; i++) {
		m[i] = sndq_at(Q, i)->m;
		rte_mbuf_refcnt_set(m[i], 2);
		if (i > 0)
			m[i - 1]->next = m[i];
	}
	m[0]->nb_segs = 3;
	trim(FIRST + 61000);
	assert_int_equal(rte_mbuf_refcnt_read(m[0]), 1);
	assert_int_equal(rte_mbuf_refcnt_read(m[1]), 2);
	/* the device is done: the first is freed, the others are ours again */
	rte_pktmbuf_free(m[0]);
	assert_int_equal(rte_mempool_in_use_count(world_pool), 2);
	check();
	trim(w.conn.snd_nxt);
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
	assert_non_null(Q->ring);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_queue, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(model),
		T(coalesce),
		T(skip_and_max),
		T(limits),
		T(no_buffers),
		T(fin),
		T(memory),
	};

	return cmocka_run_group_tests_name("tcp_sndq", tests, world_start, world_stop);
}
