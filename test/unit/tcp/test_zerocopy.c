/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data that are sent from the application's memory: pieces that refer to it are cut and trimmed as
 * others are, packets have its very bytes, and it is given back once, when neither has any of it.
 */
#include "loss_world.h"

#define Q (&w.conn.sndq)
#define BYTES 10500u

static uint8_t memory[3][20000];
static struct tcp_zc zc[3];
static unsigned int done[3], order[8], n_done;

static void
give_back(struct tcp_zc *one)
{
	unsigned int i = (unsigned int)(one - zc);

	done[i]++;
	order[n_done++] = i;
}

static int
open_world(void **state)
{
	memset(done, 0, sizeof(done));
	n_done = 0;
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int k = 0; k < sizeof(memory[i]); k++)
			memory[i][k] = (uint8_t)(k * 7 + (k >> 8) + i);
	return world_open(state);
}

static void
lend(unsigned int i, uint32_t bytes)
{
	tcp_zc_open(&zc[i], memory[i], bytes, give_back);
	assert_int_equal(sndq_lend(&w.conn, &zc[i], 0, UINT32_MAX, true), bytes);
	tcp_zc_close(&w.engine, &zc[i]);
}

static void
send_all(void)
{
	while (Q->n_sent < Q->n)
		assert_int_equal(output_piece(&w.conn, Q->n_sent), 0);
}

static void
acknowledge(uint32_t upto)
{
	w.conn.snd_una = FIRST + upto;
	sndq_trim(&w.conn, FIRST + upto);
	zc_settle(&w.engine);
}

/* The packet has these bytes, and lies where they do. */
static void
check_packet(const struct rte_mbuf *m, const uint8_t *bytes, uint32_t len, unsigned int buffers)
{
	assert_int_equal(m->nb_segs, 1 + buffers);
	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->data_len, 0);
	assert_true(rte_pktmbuf_headroom(m) >= RTE_PKTMBUF_HEADROOM);
	for (m = m->next; m != NULL; m = m->next) {
		assert_ptr_equal(rte_pktmbuf_mtod(m, uint8_t *), bytes);
		assert_true(m->data_len != 0 && m->data_len <= len);
		bytes += m->data_len;
		len -= m->data_len;
	}
	assert_int_equal(len, 0);
}

static void
pieces(void **state)
{
	uint32_t at = 0;

	(void)state;
	lend(0, BYTES);
	assert_int_equal(Q->n, 11);
	assert_int_equal(Q->bytes, BYTES);
	assert_int_equal(Q->charge, BYTES + 11 * SEG_CHARGE);
	/* a split takes no buffer */
	assert_int_equal(sndq_split(&w.conn, 2, 300), 0);
	assert_int_equal(sndq_split(&w.conn, 11, 1), 0);
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
	assert_int_equal(Q->n, 13);
	assert_int_equal(zc[0].pieces, 13);
	for (uint32_t i = 0; i < Q->n; i++) {
		const struct seg *s = sndq_at(Q, i);

		assert_true(s->lent);
		assert_int_equal(s->lent_end, i >= Q->n - 3);
		assert_ptr_equal(seg_lent(s), memory[0] + at);
		at += s->len;
	}
	assert_int_equal(at, BYTES);
	send_all();
	acknowledge(150); /* in the middle of a piece */
	assert_ptr_equal(seg_lent(sndq_at(Q, 0)), memory[0] + 150);
	acknowledge(BYTES - 1);
	assert_int_equal(done[0], 0);
	acknowledge(BYTES);
	assert_int_equal(done[0], 1);
	assert_int_equal(Q->n, 0);
	assert_int_equal(Q->charge, 0);
	assert_int_equal(w.engine.zc_at, UINT64_MAX);
}

/* What was taken in part goes on where it ended, in the same piece. */
static void
in_parts(void **state)
{
	(void)state;
	tcp_zc_open(&zc[0], memory[0], BYTES, give_back);
	assert_int_equal(sndq_lend(&w.conn, &zc[0], 0, 1500, true), 1500);
	assert_int_equal(sndq_lend(&w.conn, &zc[0], 1500, UINT32_MAX, true), BYTES - 1500);
	assert_int_equal(Q->n, 11);
	assert_int_equal(sndq_at(Q, 1)->len, 1000);
	assert_int_equal(sndq_at(Q, 1)->flags & SEG_PUSH, 0);
	send_all();
	acknowledge(BYTES);
	assert_int_equal(done[0], 0); /* the call is not over */
	tcp_zc_close(&w.engine, &zc[0]);
	assert_int_equal(done[0], 1);
}

static void
others_between(void **state)
{
	struct iovec iov = { memory[1], 10 };

	(void)state;
	tcp_zc_open(&zc[0], memory[0], BYTES, give_back);
	assert_int_equal(sndq_lend(&w.conn, &zc[0], 0, 1500, true), 1500);
	assert_int_equal(sndq_append(&w.conn, &iov, 1, 0, UINT32_MAX, true), 10);
	assert_int_equal(sndq_lend(&w.conn, &zc[0], 1500, UINT32_MAX, true), -ESTALE);
	assert_int_equal(Q->bytes, 1510);
	tcp_zc_close(&w.engine, &zc[0]);
	send_all();
	acknowledge(1510);
	assert_int_equal(done[0], 1);
}

static void
packets(void **state)
{
	struct rte_mbuf *m[3];

	(void)state;
	w.engine.config.zc_tells = 32;
	lend(0, BYTES);
	m[0] = zc_packet(&w.conn, 0, 8, 8000);
	m[1] = zc_packet(&w.conn, 8, 3, 2500);
	assert_non_null(m[0]);
	assert_non_null(m[1]);
	check_packet(m[0], memory[0], 8000, 1);
	check_packet(m[1], memory[0] + 8000, 2500, 32); /* the device tells of it */
	w.engine.config.zc_tells = 0;
	m[2] = zc_packet(&w.conn, 8, 3, 2500);
	check_packet(m[2], memory[0] + 8000, 2500, 1);
	rte_pktmbuf_free(m[2]);
	send_all();
	acknowledge(BYTES);
	assert_int_equal(done[0], 0);			    /* the device has it still */
	assert_true(w.engine.zc_at <= w.engine.now + MSEC); /* looked at again soon */
	rte_pktmbuf_free(m[0]);
	zc_settle(&w.engine);
	assert_int_equal(done[0], 0);
	rte_pktmbuf_free(m[1]);
	zc_settle(&w.engine);
	assert_int_equal(done[0], 1);
	assert_int_equal(w.engine.zc_at, UINT64_MAX);
}

/* One of which a packet is on its way yet holds up none behind it. */
static void
each_alone(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	lend(0, 2000);
	lend(1, 2000);
	lend(2, 2000);
	m = zc_packet(&w.conn, 0, 1, 1000);
	assert_non_null(m);
	send_all();
	acknowledge(6000);
	assert_int_equal(n_done, 2);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
	rte_pktmbuf_free(m);
	zc_settle(&w.engine);
	assert_int_equal(n_done, 3);
	assert_int_equal(order[2], 0);
}

/* A packet is whole or is not made. */
static void
no_buffers(void **state)
{
	static struct rte_mbuf *taken[8191];
	unsigned int n = rte_mempool_avail_count(world_pool) - 10;

	(void)state;
	w.engine.config.zc_tells = 32;
	lend(0, 1000);
	assert_int_equal(rte_pktmbuf_alloc_bulk(world_pool, taken, n), 0);
	assert_null(zc_packet(&w.conn, 0, 1, 1000));
	assert_int_equal(rte_mempool_avail_count(world_pool), 10);
	rte_pktmbuf_free_bulk(taken, n);
	send_all();
	acknowledge(1000);
	assert_int_equal(done[0], 1);
}

/* The connection ends, the device has a packet yet. */
static void
reset(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	lend(0, BYTES);
	m = zc_packet(&w.conn, 0, 5, 5000);
	send_all();
	sndq_free(&w.conn);
	zc_settle(&w.engine);
	assert_int_equal(done[0], 0);
	rte_pktmbuf_free(m);
	zc_settle(&w.engine);
	assert_int_equal(done[0], 1);
}

/* The engine goes before the device gives up its packets. */
static void
engine_ends(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	lend(0, BYTES);
	lend(1, 100);
	m = zc_packet(&w.conn, 0, 5, 5000);
	sndq_free(&w.conn);
	zc_fini(&w.engine);
	assert_int_equal(done[0], 0);
	assert_int_equal(done[1], 1);
	rte_pktmbuf_free(m);
	assert_int_equal(done[0], 1);
}

/* A close takes a copy: the memory is free while the data are still on the way. */
static void
owned(void **state)
{
	(void)state;
	lend(0, BYTES);
	send_all();
	acknowledge(1500);
	assert_int_equal(sndq_own(&w.conn), 0);
	zc_settle(&w.engine);
	assert_int_equal(done[0], 1);
	for (uint32_t i = 0, at = 1500; i < Q->n; at += sndq_at(Q, i++)->len) {
		const struct seg *s = sndq_at(Q, i);

		assert_true(seg_alone(s));
		assert_memory_equal((uint8_t *)s->m->buf_addr + s->off, memory[0] + at, s->len);
	}
	acknowledge(BYTES);
	assert_int_equal(Q->n, 0);
	assert_int_equal(done[0], 1);
}

/* A FIN is behind the data of the last piece, and a piece of which only it is left has no data. */
static void
fin(void **state)
{
	(void)state;
	lend(0, 1500);
	assert_int_equal(sndq_fin(&w.conn), 0);
	assert_int_equal(sndq_split(&w.conn, 1, 500), 0);
	assert_true(sndq_at(Q, 1)->lent);
	assert_true(sndq_at(Q, 1)->lent_end);
	assert_false(sndq_at(Q, 2)->lent);
	assert_null(sndq_at(Q, 2)->m);
	send_all();
	acknowledge(1500);
	assert_int_equal(done[0], 1);
	acknowledge(1501);
	assert_int_equal(Q->n, 0);
	assert_int_equal(done[0], 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_world, world_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(pieces),
		T(in_parts),
		T(others_between),
		T(packets),
		T(each_alone),
		T(no_buffers),
		T(reset),
		T(engine_ends),
		T(owned),
		T(fin),
	};

	return cmocka_run_group_tests_name("tcp_zerocopy", tests, world_start, world_stop);
}
