/* SPDX-License-Identifier: BSD-3-Clause */
/* The stand-ins and makers of rcv_test.h. */
#include <stdlib.h>

#include "rcv_test.h"
#include "../stride/eal.h"

struct tcp_engine engine;
struct tcp_conn conn;
struct rte_mempool *pool;
unsigned int events, n_events, acks;
bool loose;
static uint64_t random_state;
/* what tests hold of BUF_SHARED, until rcv_end() */
static struct rte_mbuf *shared[N_MBUFS];
static unsigned int n_shared;
static unsigned int n_ext; /* foreign memory that is in use */

void
conn_event(struct tcp_conn *c, unsigned int e)
{
	assert_ptr_equal(c, &conn);
	events |= e;
	n_events++;
}

void
output_ack(struct tcp_conn *c)
{
	assert_ptr_equal(c, &conn);
	acks++;
	rcv_ack();
}

int
tcp_error(struct tcp_conn *c, bool take)
{
	int error = c->error;

	if (take)
		c->error = 0;
	return error;
}

uint64_t
rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

void
rnd_seed(uint64_t seed)
{
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int i = 0; i < 8; i++)
		rnd();
}

uint32_t
below(uint32_t n)
{
	return (uint32_t)((rnd() >> 16) % n);
}

int
rcv_setup(void **state)
{
	(void)state;
	if (eal_up("tcp_rcv") != 0)
		return -1;
	pool = rte_pktmbuf_pool_create("rcv", N_MBUFS, 0, 0, ROOM + RTE_PKTMBUF_HEADROOM, 0);
	return pool == NULL ? -1 : 0;
}

int
rcv_teardown(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	eal_down();
	return 0;
}

void
rcv_begin(uint32_t nxt, uint32_t rcvbuf)
{
	memset(&engine.stats, 0, sizeof(engine.stats));
	memset(&conn, 0, sizeof(conn));
	conn.engine = &engine;
	conn.state = TCP_S_ESTABLISHED;
	conn.flags = F_SACK;
	conn.opt.rcvbuf = rcvbuf;
	conn.rcv_nxt = nxt;
	conn.rcv_adv = nxt;
	conn.rcv_mss = 1448;
	events = n_events = acks = 0;
	loose = false;
	rcv_ack();
}

void
rcv_end(void)
{
	rcvq_free(&conn);
	while (n_shared != 0) {
		struct rte_mbuf *m = shared[--n_shared];

		m->next = NULL; /* the queue's link is still in it */
		rte_pktmbuf_free(m);
	}
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
	assert_int_equal(n_ext, 0);
	assert_null(conn.rcvq.ooo);
}

uint32_t
rcv_ack(void)
{
	uint32_t wnd = rcvq_window(&conn), said = wnd >> conn.rcv_wscale << conn.rcv_wscale;

	assert_true(wnd >> conn.rcv_wscale <= UINT16_MAX);
	if (seq_gt(conn.rcv_nxt + said, conn.rcv_adv))
		conn.rcv_adv = conn.rcv_nxt + said;
	return said;
}

static void
ext_free(void *addr, void *opaque)
{
	(void)opaque;
	free(addr);
	n_ext--;
}

static void
ext_attach(struct rte_mbuf *m, uint32_t len)
{
	uint16_t size = (uint16_t)(len + 256);
	void *mem = malloc(size);
	struct rte_mbuf_ext_shared_info *info =
			rte_pktmbuf_ext_shinfo_init_helper(mem, &size, ext_free, NULL);

	assert_non_null(info);
	rte_pktmbuf_attach_extbuf(m, mem, 0, size, info);
	m->data_off = 64;
	n_ext++;
}

struct rte_mbuf *
buf_make(enum buf_kind kind, const void *data, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *other;

	assert_non_null(m);
	if (kind == BUF_EXT)
		ext_attach(m, len);
	memcpy(rte_pktmbuf_mtod(m, void *), data, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = 12345; /* nobody may rely on it */
	if (kind == BUF_SHARED) {
		rte_mbuf_refcnt_update(m, 1);
		shared[n_shared++] = m;
	} else if (kind == BUF_CLONE) {
		other = rte_pktmbuf_alloc(pool);
		assert_non_null(other);
		rte_pktmbuf_attach(other, m);
		rte_pktmbuf_free(m);
		m = other;
	}
	return m;
}

unsigned int
put_as(enum buf_kind kind, uint32_t each, uint32_t seq, const void *data, uint32_t len, bool fin)
{
	struct rte_mbuf *head = NULL, **link = &head;

	for (uint32_t at = 0; at < len; at += each) {
		*link = buf_make(kind, (const char *)data + at, RTE_MIN(each, len - at));
		link = &(*link)->next;
	}
	return rcvq_put(&conn, head, seq, len, fin);
}

unsigned int
put(uint32_t seq, const void *data, uint32_t len, bool fin)
{
	return put_as(BUF_OWN, ROOM, seq, data, len, fin);
}

uint8_t
byte_of(uint32_t seq)
{
	return (uint8_t)(seq * 31 + (seq >> 8) * 7 + (seq >> 16));
}

unsigned int
put_seq(uint32_t seq, uint32_t len)
{
	uint8_t data[65536];

	assert_true(len <= sizeof(data));
	for (uint32_t i = 0; i < len; i++)
		data[i] = byte_of(seq + i);
	return put(seq, data, len, false);
}

ssize_t
get(void *to, size_t len, unsigned int flags)
{
	struct iovec iov = { to, len };

	return tcp_recv(&conn, &iov, 1, 0, flags);
}

static unsigned int
check_chain(const struct rte_mbuf *head, const struct rte_mbuf *tail, uint32_t bytes)
{
	const struct rte_mbuf *last = NULL;
	unsigned int n = 0;

	for (const struct rte_mbuf *m = head; m != NULL; m = m->next) {
		assert_true(m->data_len != 0);
		assert_true(m->data_len <= bytes);
		bytes -= m->data_len;
		if (last != NULL && !loose)
			assert_false(chain_fits(last, m));
		last = m;
		n++;
	}
	assert_int_equal(bytes, 0);
	assert_ptr_equal(last, tail);
	return n;
}

void
rcv_check(void)
{
	const struct rcvq *q = &conn.rcvq;
	uint32_t at = conn.rcv_nxt, bytes = 0;
	unsigned int n = check_chain(q->head, q->tail, q->bytes);

	for (unsigned int i = 0; i < q->n_ooo; i++) {
		const struct ooo *b = &q->ooo[i];

		assert_true(seq_gt(b->start, at));
		assert_true(seq_gt(b->end, b->start));
		n += check_chain(b->head, b->tail, b->end - b->start);
		bytes += b->end - b->start;
		at = b->end;
	}
	assert_int_equal(bytes, q->ooo_bytes);
	assert_int_equal(n, q->bufs);
	assert_true(q->n_ooo <= q->cap_ooo);
	if (q->n_ooo == 0)
		assert_null(q->ooo);
	else
		assert_true(seq_leq(at, conn.rcv_adv));
	if (q->fin && q->n_ooo != 0)
		assert_true(seq_leq(at, q->fin_seq));
}
