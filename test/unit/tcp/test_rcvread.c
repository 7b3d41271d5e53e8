/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading: vectors, looking without taking, discarding, whole buffers; what is told when there is
 * nothing; urgent data in both ways against a model of the byte stream, and in single cases as
 * Linux was seen to do.
 */
#include <stdlib.h>

#include "rcv_test.h"

static uint8_t got[65536];

static void
expect_seq(const uint8_t *data, uint32_t seq, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(data[i], byte_of(seq + (uint32_t)i));
}

static void
vectors(void **state)
{
	uint8_t a[3], b[5], c[400];
	struct iovec iov[] = { { NULL, 0 }, { a, 3 }, { got, 0 }, { b, 5 }, { c, 400 } };

	(void)state;
	rcv_begin(1000, 60000);
	put_as(BUF_OWN, 200, 1000, "0123456789", 10, false);
	assert_int_equal(tcp_recv(&conn, iov, 4, 0, 0), 8);
	assert_memory_equal(a, "012", 3);
	assert_memory_equal(b, "34567", 5);
	/* as a call that goes on where the last one ended */
	assert_int_equal(tcp_recv(&conn, iov, 5, 7, 0), 2);
	assert_int_equal(b[4], '8');
	assert_int_equal(c[0], '9');
	for (uint32_t s = 1010; s < 3010; s += 100)
		put_seq(s, 100);
	assert_int_equal(tcp_recv(&conn, iov, 5, 0, 0), 408);
	expect_seq(a, 1010, 3);
	expect_seq(b, 1013, 5);
	expect_seq(c, 1018, 400);
	assert_int_equal(tcp_recv(&conn, iov + 3, 1, 3, 0), 2);
	expect_seq(b + 3, 1418, 2);
	/* no room is no reason to wait, nor to take an error */
	conn.error = EPIPE;
	assert_int_equal(tcp_recv(&conn, iov, 1, 0, 0), 0);
	assert_int_equal(tcp_recv(&conn, iov, 0, 0, 0), 0);
	assert_int_equal(tcp_recv(&conn, iov, 5, 408, 0), 0);
	assert_int_equal(tcp_recv(&conn, iov, 5, 5000, 0), 0);
	assert_int_equal(conn.error, EPIPE);
	assert_int_equal(tcp_recv_queued(&conn), 2000 - 410);
	rcv_end();
}

static void
peek_and_discard(void **state)
{
	(void)state;
	rcv_begin(0, 60000);
	assert_int_equal(get(got, 10, TCP_RECV_PEEK), -EAGAIN);
	for (uint32_t s = 0; s < 6000; s += 1500)
		put_seq(s, 1500);
	assert_int_equal(get(got, 4000, TCP_RECV_PEEK), 4000);
	expect_seq(got, 0, 4000);
	assert_int_equal(get(NULL, 5000, TCP_RECV_PEEK | TCP_RECV_TRUNC), 5000);
	assert_int_equal(tcp_recv_queued(&conn), 6000);
	assert_int_equal(get(NULL, 1700, TCP_RECV_TRUNC), 1700);
	rcv_check();
	assert_int_equal(get(got, 60000, TCP_RECV_PEEK), 4300);
	expect_seq(got, 1700, 4300);
	assert_int_equal(get(got, 60000, 0), 4300);
	expect_seq(got, 1700, 4300);
	assert_int_equal(get(got, 1, 0), -EAGAIN);
	rcv_end();
	/* more buffers than are freed at once, and exactly so many */
	for (uint32_t n = 60; n <= 126; n++) {
		rcv_begin(0, 200000);
		conn.rcv_wscale = 2;
		rcv_ack();
		for (uint32_t i = 0; i < n; i++)
			put_seq(i * 520, 520);
		assert_int_equal(conn.rcvq.bufs, n);
		assert_int_equal(get(got, n * 520 - 1, 0), n * 520 - 1);
		expect_seq(got, 0, n * 520 - 1);
		rcv_check();
		assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS - 1);
		assert_int_equal(get(got, 60000, 0), 1);
		rcv_check();
		assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
		rcv_end();
	}
}

/* Linux: data, then the FIN or the error, once, then the end. */
static void
nothing_to_read(void **state)
{
	(void)state;
	rcv_begin(0, 60000);
	conn.state = TCP_S_SYN_SENT;
	assert_int_equal(get(got, 1, 0), -EAGAIN);
	conn.state = TCP_S_ESTABLISHED;
	put(0, "abc", 3, false);
	conn.error = ECONNRESET;
	conn.state = TCP_S_CLOSED;
	assert_int_equal(get(got, 2, 0), 2);
	assert_int_equal(get(got, 2, 0), 1);
	assert_int_equal(get(got, 2, 0), -ECONNRESET);
	assert_int_equal(get(got, 2, 0), 0);
	assert_int_equal(acks, 0);
	rcv_end();

	/* SHUT_RD: what comes can be read, and nothing waits */
	rcv_begin(0, 60000);
	put(0, "abc", 3, false);
	conn.flags |= F_SHUT_RD;
	assert_int_equal(get(got, 9, 0), 3);
	assert_int_equal(get(got, 9, 0), 0);
	put(3, "d", 1, false);
	assert_int_equal(get(got, 9, 0), 1);
	assert_int_equal(get(got, 9, 0), 0);
	rcv_end();

	/* the FIN comes before an error */
	rcv_begin(0, 60000);
	put(0, "abc", 3, true);
	conn.error = ECONNRESET;
	assert_int_equal(tcp_recv_queued(&conn), 3);
	assert_int_equal(get(got, 9, 0), 3);
	assert_int_equal(get(got, 9, 0), 0);
	assert_int_equal(get(got, 9, TCP_RECV_PEEK), 0);
	assert_int_equal(conn.error, ECONNRESET);
	rcv_end();
}

static void
check_lent(struct rte_mbuf *chain, uint32_t seq, uint32_t n)
{
	uint32_t bytes = 0;
	unsigned int segs = 0;

	assert_non_null(chain);
	for (struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		expect_seq(rte_pktmbuf_mtod(m, uint8_t *), seq + bytes, m->data_len);
		bytes += m->data_len;
		segs++;
	}
	assert_int_equal(bytes, n);
	assert_int_equal(chain->pkt_len, n);
	assert_int_equal(chain->nb_segs, segs);
	rcv_check();
}

/* So many buffers and no more; the others stay. */
static void
few_buffers(void **state)
{
	struct rte_mbuf *a, *b;

	(void)state;
	rcv_begin(0, 6000);
	for (uint32_t i = 0; i < 6000; i += 1500)
		put_seq(i, 1500);
	assert_int_equal(tcp_recv_chain(&conn, 99999, 1, &a), 1500);
	check_lent(a, 0, 1500);
	assert_int_equal(a->nb_segs, 1);
	assert_null(a->next);
	assert_int_equal(conn.rcvq.bufs, 3);
	assert_int_equal(tcp_recv_chain(&conn, 99999, 2, &b), 3000);
	check_lent(b, 1500, 3000);
	assert_int_equal(b->nb_segs, 2);
	assert_int_equal(get(got, 6000, 0), 1500);
	expect_seq(got, 4500, 1500);
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
	tcp_recv_done(&conn, 4500);
	assert_int_equal(conn.rcvq.lent, 0);
	rcv_end();
}

static void
whole_buffers(void **state)
{
	struct rte_mbuf *a, *b, *c;

	(void)state;
	rcv_begin(0, 6000);
	assert_int_equal(tcp_recv_mbufs(&conn, 100, &a), -EAGAIN);
	assert_null(a);
	for (uint32_t s = 0; s < 6000; s += 1500)
		put_seq(s, 1500);
	assert_int_equal(tcp_recv_mbufs(&conn, 0, &a), 0);
	/* only whole ones while one fits */
	assert_int_equal(tcp_recv_mbufs(&conn, 4499, &a), 3000);
	check_lent(a, 0, 3000);
	/* they count in the window until they come back */
	assert_int_equal(conn.rcvq.lent, 3000);
	assert_int_equal(rcvq_window(&conn), 0);
	assert_int_equal(acks, 0);
	tcp_recv_done(&conn, 1000);
	assert_int_equal(acks, 0);
	tcp_recv_done(&conn, 1000);
	assert_int_equal(acks, 1);
	assert_int_equal(conn.rcv_adv, 8000);
	/* a part of one: the other part stays, and is not written to while the first is out */
	assert_int_equal(tcp_recv_mbufs(&conn, 200, &b), 200);
	check_lent(b, 3000, 200);
	assert_int_equal(tcp_recv_mbufs(&conn, 99999, &c), 2800);
	check_lent(c, 3200, 2800);
	assert_int_equal(conn.rcvq.bufs, 0);
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
	rte_pktmbuf_free(c);
	put_seq(6000, 100);
	assert_int_equal(tcp_recv_mbufs(&conn, 50, &a), 50);
	put_seq(6100, 100);
	assert_int_equal(conn.rcvq.bufs, 2);
	check_lent(a, 6000, 50);
	assert_int_equal(get(got, 50, 0), 50);
	expect_seq(got, 6050, 50);
	check_lent(a, 6000, 50);
	rte_pktmbuf_free(a);
	tcp_recv_done(&conn, 999999);
	assert_int_equal(conn.rcvq.lent, 0);
	assert_int_equal(get(got, 200, 0), 100);
	expect_seq(got, 6100, 100);
	put(6200, "x", 1, true);
	assert_int_equal(tcp_recv_mbufs(&conn, 200, &a), 1);
	rte_pktmbuf_free(a);
	assert_int_equal(tcp_recv_mbufs(&conn, 200, &a), 0);
	rcv_end();
}

/* The end of what was taken goes back before what came since. */
static void
taken_and_returned(void **state)
{
	struct rte_mbuf *a, *back;

	(void)state;
	rcv_begin(0, 9000);
	for (uint32_t s = 0; s < 4500; s += 1500)
		put_seq(s, 1500);
	assert_int_equal(tcp_recv_mbufs(&conn, 9000, &a), 4500);
	back = a->next;
	a->next = NULL;
	put_seq(4500, 1500);
	tcp_recv_return(&conn, back);
	rcv_check();
	assert_int_equal(conn.rcvq.lent, 1500);
	assert_int_equal(tcp_recv_queued(&conn), 4500);
	assert_int_equal(get(got, 9000, 0), 4500);
	expect_seq(got, 1500, 4500);
	a->nb_segs = 1;
	rte_pktmbuf_free(a);
	tcp_recv_done(&conn, 1500);
	/* into a queue that is empty, and more behind it */
	put_seq(6000, 1500);
	assert_int_equal(tcp_recv_mbufs(&conn, 9000, &a), 1500);
	tcp_recv_return(&conn, a);
	rcv_check();
	put_seq(7500, 1500);
	assert_int_equal(conn.rcvq.lent, 0);
	assert_int_equal(get(got, 9000, 0), 3000);
	expect_seq(got, 6000, 3000);
	rcv_end();
}

static void
no_buffer_to_split(void **state)
{
	static struct rte_mbuf *all[N_MBUFS];
	unsigned int n = 0;
	struct rte_mbuf *a;

	(void)state;
	rcv_begin(0, 6000);
	put_seq(0, 1000);
	while ((all[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	assert_int_equal(tcp_recv_mbufs(&conn, 10, &a), -ENOBUFS);
	assert_null(a);
	rcv_check();
	rte_pktmbuf_free_bulk(all, n);
	assert_int_equal(tcp_recv_mbufs(&conn, 10, &a), 10);
	rte_pktmbuf_free(a);
	assert_int_equal(get(got, 2000, 0), 990);
	expect_seq(got, 10, 990);
	rcv_end();
}

/* A segment with URG, whose pointer is to the byte behind the urgent one. */
static unsigned int
urgent(uint32_t seq, const char *data, uint16_t urg)
{
	uint32_t len = (uint32_t)strlen(data);
	struct rte_mbuf *m = buf_make(BUF_OWN, data, len);

	urgent_in(&conn, seq, len, urg, m);
	return rcvq_put(&conn, m, seq, len, false);
}

static void
expect(const char *data)
{
	size_t n = strlen(data);

	assert_int_equal(get(got, 100, TCP_RECV_PEEK), n != 0 ? (ssize_t)n : -EAGAIN);
	assert_memory_equal(got, data, n);
	assert_int_equal(get(got, 100, 0), n != 0 ? (ssize_t)n : -EAGAIN);
	assert_memory_equal(got, data, n);
}

static void
expect_oob(int c)
{
	uint8_t byte;

	assert_int_equal(get(&byte, 1, TCP_RECV_OOB), c < 0 ? c : 1);
	if (c >= 0)
		assert_int_equal(byte, c);
}

static void
urgent_out_of_band(void **state)
{
	(void)state;
	rcv_begin(0xfffffffcu, 60000);
	expect_oob(-EINVAL);
	urgent(conn.rcv_nxt, "abcxde", 4);
	assert_int_equal(events, TCP_E_URGENT);
	assert_int_equal(n_events, 1);
	assert_int_equal(STAT_GET(&engine.stats, TCP, urgent_in), 1);
	assert_true(conn.flags & F_URG_BYTE);
	assert_false(tcp_at_mark(&conn));
	assert_int_equal(tcp_recv_queued(&conn), 3);
	expect("abc");
	assert_true(tcp_at_mark(&conn));
	assert_int_equal(tcp_recv_queued(&conn), 2);
	assert_int_equal(get(got, 1, TCP_RECV_OOB | TCP_RECV_PEEK), 1);
	assert_int_equal(get(NULL, 0, TCP_RECV_OOB), 0);
	expect_oob('x');
	expect_oob(-EINVAL);
	assert_true(tcp_at_mark(&conn));
	expect("de");
	assert_false(tcp_at_mark(&conn));
	assert_int_equal(conn.flags & (F_URG_IN | F_URG_BYTE | F_URG_WAIT), 0);
	rcv_check();
	rcv_end();

	/* the reader goes beyond: the byte is lost, even when nothing is behind it */
	rcv_begin(0, 60000);
	urgent(0, "x", 1);
	assert_true(tcp_at_mark(&conn));
	assert_int_equal(tcp_recv_queued(&conn), 0);
	assert_int_equal(get(got, 9, 0), -EAGAIN);
	assert_false(tcp_at_mark(&conn));
	expect_oob(-EINVAL);
	assert_int_equal(conn.rcvq.bytes, 0);
	rcv_end();
}

static void
urgent_inline(void **state)
{
	(void)state;
	rcv_begin(0, 60000);
	conn.opt.oob_inline = true;
	urgent(0, "abcxde", 4);
	assert_int_equal(events, TCP_E_URGENT);
	assert_int_equal(tcp_recv_queued(&conn), 3);
	expect("abc");
	assert_true(tcp_at_mark(&conn));
	assert_int_equal(tcp_recv_queued(&conn), 3);
	expect_oob(-EINVAL);
	assert_true(conn.flags & F_URG_BYTE);
	expect("xde");
	assert_false(conn.flags & F_URG_BYTE);
	assert_false(tcp_at_mark(&conn));
	rcv_end();
}

/* Announced before it comes: in a later segment, out of order, and with the window closed. */
static void
urgent_later(void **state)
{
	(void)state;
	rcv_begin(0, 60000);
	urgent(0, "abc", 6);
	assert_int_equal(n_events, 1);
	expect_oob(-EAGAIN);
	expect("abc");
	assert_false(tcp_at_mark(&conn));
	assert_int_equal(put(3, "de", 2, false), RCVQ_IN_ORDER);
	assert_int_equal(n_events, 1);
	expect("de");
	assert_true(tcp_at_mark(&conn));
	assert_int_equal(put(5, "xf", 2, false), RCVQ_IN_ORDER);
	assert_int_equal(n_events, 2);
	expect_oob('x');
	expect("f");
	rcv_end();

	rcv_begin(0, 60000);
	assert_int_equal(urgent(5, "xf", 1), RCVQ_OOO);
	expect_oob('x');
	expect_oob(-EINVAL);
	/* the same pointer in other segments is nothing new */
	urgent(0, "abcde", 6);
	assert_int_equal(n_events, 1);
	expect("abcde");
	expect_oob(-EINVAL);
	expect("f");
	urgent(5, "x", 1);
	assert_int_equal(n_events, 1);
	rcv_end();

	rcv_begin(0, 4000);
	put_seq(0, 4000);
	assert_int_equal(urgent(4000, "x", 1), RCVQ_DROPPED);
	assert_int_equal(n_events, 1);
	expect_oob(-EAGAIN);
	assert_int_equal(get(got, 4000, 0), 4000);
	put(4000, "x", 1, false);
	assert_int_equal(n_events, 2);
	expect_oob('x');
	/* without a byte, the end is the end */
	urgent(4001, "", 9);
	expect_oob(-EAGAIN);
	conn.flags |= F_SHUT_RD;
	assert_int_equal(get(got, 1, TCP_RECV_OOB), 0);
	rcv_end();
}

static void
urgent_again(void **state)
{
	(void)state;
	/* the one before becomes ordinary data */
	rcv_begin(0, 60000);
	urgent(0, "abcx", 4);
	urgent(4, "dey", 3);
	put(7, "f", 1, false);
	assert_int_equal(n_events, 2);
	expect("abcxde");
	assert_true(tcp_at_mark(&conn));
	expect_oob('y');
	expect("f");
	rcv_end();
	/* but not where the reader stands at it */
	rcv_begin(0, 60000);
	urgent(0, "abcx", 4);
	expect("abc");
	urgent(4, "dey", 3);
	put(7, "f", 1, false);
	assert_false(tcp_at_mark(&conn));
	expect("de");
	assert_true(tcp_at_mark(&conn));
	expect_oob('y');
	expect("f");
	rcv_end();
	/* whose byte has not come is none to be left out, and not to be read */
	rcv_begin(0, 60000);
	urgent(0, "abc", 4);
	expect("abc");
	assert_true(tcp_at_mark(&conn));
	urgent(3, "xyz", 3);
	expect("xy");
	urgent(6, "ab", 5);
	expect_oob(-EAGAIN);
	expect("ab");
	rcv_end();
	rcv_begin(0, 60000);
	urgent(0, "abx", 3);
	urgent(3, "c", 3);
	expect_oob(-EAGAIN);
	expect("abxc");
	rcv_end();
	/* a FIN behind it moves no mark */
	rcv_begin(0, 60000);
	urgent(0, "abcxd", 4);
	rcvq_put(&conn, NULL, 5, 0, true);
	assert_int_equal(get(got, 9, 0), 3);
	assert_true(tcp_at_mark(&conn));
	expect_oob('x');
	assert_int_equal(get(got, 9, 0), 1);
	assert_int_equal(got[0], 'd');
	assert_int_equal(get(got, 9, 0), 0);
	rcv_end();
	/* nor in line */
	rcv_begin(0, 60000);
	conn.opt.oob_inline = true;
	urgent(0, "abcx", 4);
	expect("abc");
	urgent(4, "dey", 3);
	expect("xde");
	expect("y");
	rcv_end();
	/* pointers that say nothing: zero, behind the reader, beyond the FIN */
	rcv_begin(100, 60000);
	put(100, "abc", 3, false);
	urgent(100, "abc", 0);
	urgent(100, "abc", 2);
	urgent(104, "", 0);
	rcvq_put(&conn, NULL, 105, 0, true);
	urgent(103, "d", 3);
	assert_int_equal(n_events, 0);
	urgent(103, "d", 2);
	assert_int_equal(n_events, 1);
	rcv_end();
}

static void
urgent_mbufs(void **state)
{
	struct rte_mbuf *a;

	(void)state;
	rcv_begin(0, 60000);
	urgent(0, "abcxde", 4);
	assert_int_equal(tcp_recv_mbufs(&conn, 100, &a), 3);
	assert_memory_equal(rte_pktmbuf_mtod(a, char *), "abc", 3);
	rte_pktmbuf_free(a);
	assert_true(tcp_at_mark(&conn));
	assert_int_equal(tcp_recv_mbufs(&conn, 100, &a), 2);
	assert_memory_equal(rte_pktmbuf_mtod(a, char *), "de", 2);
	rte_pktmbuf_free(a);
	assert_false(tcp_at_mark(&conn));
	expect_oob(-EINVAL);
	conn.opt.oob_inline = true;
	urgent(6, "yz", 1);
	assert_true(tcp_at_mark(&conn));
	assert_int_equal(tcp_recv_mbufs(&conn, 100, &a), 2);
	rte_pktmbuf_free(a);
	assert_int_equal(conn.flags & (F_URG_IN | F_URG_BYTE | F_URG_WAIT), 0);
	rcv_end();
}

/* The stream as a reader sees it, told byte by byte. */
static struct {
	uint8_t data[70000];
	uint32_t read, nxt, mark;
	bool marked, unread, in_line;
} model;

/* @return bytes that one call must give, at most n; the urgent byte is left out where it is */
static uint32_t
model_read(uint8_t *to, uint32_t n, bool take)
{
	uint32_t at = model.read, made = 0;

	while (made < n && at < model.nxt) {
		if (model.marked && at == model.mark) {
			if (made != 0)
				break;
			if (!model.in_line) {
				at++;
				continue;
			}
		}
		to[made++] = model.data[at++];
	}
	/* a call that stands at the mark and is asked for anything goes over it */
	if (take)
		model.read = at;
	if (take && model.marked && at > model.mark)
		model.marked = model.unread = false;
	return made;
}

static void
model_send(uint32_t base)
{
	uint32_t len = 1 + below(below(3) ? 30 : 1500);
	uint32_t urg = below(3) == 0 ? 1 + below(len) : 0, mark = model.nxt + urg - 1;
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < len; i++)
		model.data[model.nxt + i] = (uint8_t)rnd();
	m = buf_make(BUF_OWN, model.data + model.nxt, len);
	if (urg != 0) {
		if (model.marked && model.mark == model.read && !model.in_line &&
				model.read != model.nxt)
			model.read++;
		model.marked = model.unread = true;
		model.mark = mark;
		urgent_in(&conn, base + model.nxt, len, (uint16_t)urg, m);
	}
	assert_int_equal(rcvq_put(&conn, m, base + model.nxt, len, false), RCVQ_IN_ORDER);
	model.nxt += len;
}

static void
model_recv(void)
{
	static uint8_t want[70000];
	bool look = below(4) == 0;
	uint32_t max = 1 + below(below(2) ? 20 : 3000), n = model_read(want, max, !look);
	uint32_t split = below(max + 1);
	struct iovec iov[] = { { got, split }, { got + split, max - split } };
	ssize_t made = tcp_recv(&conn, iov, 2, 0, look ? TCP_RECV_PEEK : 0);

	assert_int_equal(made, n == 0 ? -EAGAIN : (ssize_t)n);
	assert_memory_equal(got, want, n);
}

static void
model_oob(void)
{
	uint8_t byte;
	ssize_t made = get(&byte, 1, TCP_RECV_OOB);

	if (model.in_line || !model.unread) {
		assert_int_equal(made, -EINVAL);
		return;
	}
	assert_int_equal(made, 1);
	assert_int_equal(byte, model.data[model.mark]);
	model.unread = false;
}

static void
urgent_random(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 400; seed++) {
		uint32_t base = 0u - 500;

		rnd_seed(seed);
		memset(&model, 0, sizeof(model));
		model.in_line = conn.opt.oob_inline = below(2);
		rcv_begin(base, 60000);
		conn.opt.oob_inline = model.in_line;
		for (int i = 0; i < 200 && model.nxt < 60000; i++) {
			switch (below(5)) {
			case 0:
			case 1:
				if (conn.rcvq.bytes < 50000)
					model_send(base);
				break;
			case 2:
				model_oob();
				break;
			default:
				model_recv();
			}
			assert_int_equal(tcp_at_mark(&conn),
					model.marked && model.mark == model.read);
			assert_int_equal(model.read + conn.rcvq.bytes, model.nxt);
			assert_int_equal((conn.flags & F_URG_BYTE) != 0, model.unread);
			assert_int_equal(tcp_recv_queued(&conn), model_read(got, 60000, false));
			rcv_check();
		}
		rcv_end();
	}
}

/* All ways of taking data, mixed: the stream is the same. */
static void
ways_mixed(void **state)
{
	(void)state;
	for (unsigned int seed = 0; seed < 200; seed++) {
		uint32_t base = 0u - 9000, read = base, held = 0, max;
		struct rte_mbuf *lent[64], *m;
		unsigned int n_lent = 0;
		ssize_t n;

		rnd_seed(seed);
		rcv_begin(base, 30000);
		loose = true;
		for (int i = 0; i < 300; i++) {
			max = 1 + below(below(2) ? 50 : 4000);
			n = 0;
			switch (below(6)) {
			case 0:
				n = get(got, max, 0);
				if (n > 0)
					expect_seq(got, read, (size_t)n);
				break;
			case 1:
				n = get(NULL, max, TCP_RECV_TRUNC);
				break;
			case 2:
				if (n_lent == RTE_DIM(lent))
					break;
				n = tcp_recv_mbufs(&conn, max, &m);
				if (n <= 0)
					break;
				check_lent(m, read, (uint32_t)n);
				lent[n_lent++] = m;
				held += (uint32_t)n;
				break;
			case 3:
				while (n_lent != 0)
					rte_pktmbuf_free(lent[--n_lent]);
				tcp_recv_done(&conn, held);
				held = 0;
				break;
			default:
				max = RTE_MIN(max, conn.rcv_adv - conn.rcv_nxt);
				max = RTE_MIN(max, (uint32_t)ROOM);
				put_seq(conn.rcv_nxt, max);
			}
			read += n > 0 ? (uint32_t)n : 0;
			assert_int_equal(conn.rcvq.lent, held);
			assert_int_equal(rcv_read_seq(&conn), read);
			assert_true(conn.rcv_adv - read + held <= conn.opt.rcvbuf);
			rcv_check();
		}
		while (n_lent != 0)
			rte_pktmbuf_free(lent[--n_lent]);
		rcv_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(peek_and_discard),
		cmocka_unit_test(nothing_to_read),
		cmocka_unit_test(few_buffers),
		cmocka_unit_test(whole_buffers),
		cmocka_unit_test(taken_and_returned),
		cmocka_unit_test(no_buffer_to_split),
		cmocka_unit_test(urgent_out_of_band),
		cmocka_unit_test(urgent_inline),
		cmocka_unit_test(urgent_later),
		cmocka_unit_test(urgent_again),
		cmocka_unit_test(urgent_mbufs),
		cmocka_unit_test(urgent_random),
		cmocka_unit_test(ways_mixed),
	};

	return cmocka_run_group_tests_name("tcp_rcvread", tests, rcv_setup, rcv_teardown);
}
