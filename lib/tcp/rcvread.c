/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application's side of the receive queue: copying out, taking whole buffers, how much there
 * is, and the window update when reading has made room. Where reading stops at urgent data and goes
 * on behind them is here; the urgent byte itself is in rcvurg.c.
 */
#include "tcp/rcv.h"

#define FREE_BATCH 64u /* buffers read whose headers are still in the cache */

/* Where to copy: an iovec array that is being filled. */
struct sink {
	const struct iovec *iov;
	size_t off; /* in the first */
	int n;
	bool discard;
};

/* @return bytes of room, which the reader wants */
static size_t
sink_init(struct sink *s, const struct iovec *iov, int iovcnt, size_t skip, unsigned int flags)
{
	size_t room = 0;

	while (iovcnt > 0 && skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		iovcnt--;
	}
	*s = (struct sink){ .iov = iov, .off = skip, .n = iovcnt };
	s->discard = (flags & TCP_RECV_TRUNC) != 0;
	for (int i = 0; i < iovcnt; i++)
		room += iov[i].iov_len;
	return iovcnt > 0 ? room - skip : 0;
}

/* The caller has seen that there is room. */
static __rte_always_inline void
sink_put(struct sink *s, const char *from, size_t len)
{
	for (;;) {
		size_t part = RTE_MIN(len, s->iov->iov_len - s->off);

		memcpy((char *)s->iov->iov_base + s->off, from, part);
		s->off += part;
		if (likely(part == len))
			return;
		from += part;
		len -= part;
		s->iov++;
		s->off = 0;
	}
}

/* The next buffer's data, and the header of the one behind it: its first line tells where its data
 * are, the second what follows. */
static __rte_always_inline void
prefetch(const struct rte_mbuf *next)
{
	if (next == NULL)
		return;
	rte_prefetch0(rte_pktmbuf_mtod(next, const char *));
	rte_prefetch0(rte_pktmbuf_mtod_offset(next, const char *, RTE_CACHE_LINE_SIZE));
	if (next->next != NULL) {
		rte_mbuf_prefetch_part1(next->next);
		rte_mbuf_prefetch_part2(next->next);
	}
}

/* The urgent mark was passed: what was not read of it is lost, as on Linux. */
static __rte_noinline void
pass_mark(struct tcp_conn *conn)
{
	if (seq_gt(rcv_read_seq(conn), conn->rcv_up))
		conn->flags &= ~(uint32_t)(F_URG_IN | F_URG_BYTE | F_URG_WAIT);
}

/* Take @p n bytes off the queue and give them to @p s if that is not NULL. */
static __rte_always_inline void
consume(struct tcp_conn *conn, uint32_t n, struct sink *s)
{
	struct rcvq *q = &conn->rcvq;
	struct rte_mbuf *m = q->head, *batch = m, *last = NULL;
	unsigned int held = 0;
	uint32_t left = n;

	while (left != 0) {
		struct rte_mbuf *next = m->next;
		uint32_t part = RTE_MIN(left, (uint32_t)m->data_len);

		prefetch(next);
		if (s != NULL)
			sink_put(s, rte_pktmbuf_mtod(m, const char *), part);
		left -= part;
		if (part < m->data_len) {
			m->data_off += (uint16_t)part;
			m->data_len -= (uint16_t)part;
			break;
		}
		last = m;
		m = next;
		q->bufs--;
		if (++held == FREE_BATCH) {
			last->next = NULL;
			rte_pktmbuf_free_bulk(&batch, 1);
			batch = m;
			held = 0;
		}
	}
	if (held != 0) {
		last->next = NULL;
		rte_pktmbuf_free_bulk(&batch, 1);
	}
	q->head = m;
	if (m == NULL)
		q->tail = NULL;
	q->bytes -= n;
	if (unlikely(conn->flags & F_URG_IN))
		pass_mark(conn);
}

void
rcv_skip(struct tcp_conn *conn, uint32_t n)
{
	consume(conn, n, NULL);
}

static void
peek(const struct rcvq *q, uint32_t from, uint32_t n, struct sink *s)
{
	for (const struct rte_mbuf *m = q->head; n != 0; m = m->next) {
		uint32_t part;

		if (from >= m->data_len) {
			from -= m->data_len;
			continue;
		}
		part = RTE_MIN(n, m->data_len - from);
		sink_put(s, rte_pktmbuf_mtod_offset(m, const char *, from), part);
		n -= part;
		from = 0;
	}
}

/*
 * Bytes that one call may read. Reading stops at the mark; a call that begins there leaves out the
 * urgent byte, of which @p hole tells, or in line goes over it.
 */
static __rte_always_inline uint32_t
readable(const struct tcp_conn *conn, uint32_t *hole)
{
	uint32_t bytes = conn->rcvq.bytes, at;

	*hole = 0;
	if (likely(!(conn->flags & F_URG_IN)))
		return bytes;
	at = conn->rcv_up - rcv_read_seq(conn);
	if (at >= bytes)
		return bytes;
	if (at != 0)
		return at;
	if (!conn->opt.oob_inline)
		*hole = 1;
	return bytes - *hole;
}

/* Why nothing can be read: 0 at the end, the pending error, which is taken, -EAGAIN. */
static ssize_t
rcv_nothing(struct tcp_conn *conn)
{
	if (conn->flags & F_FIN_IN)
		return 0;
	if (conn->error != 0)
		return -tcp_error(conn, true);
	if ((conn->flags & F_SHUT_RD) || conn->state == TCP_S_CLOSED)
		return 0;
	return -EAGAIN;
}

static void
tell_window(struct tcp_conn *conn)
{
	if (!rcvq_update_due(conn))
		return;
	COUNT(conn->engine, window_updates);
	output_ack(conn);
}

static __rte_noinline ssize_t
recv_oob(struct tcp_conn *conn, struct sink *s, unsigned int flags)
{
	uint8_t byte;
	ssize_t n = urgent_read(conn, &byte, (flags & TCP_RECV_PEEK) != 0);

	if (n == 1 && !s->discard)
		sink_put(s, (const char *)&byte, 1);
	return n;
}

ssize_t
tcp_recv(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, size_t skip,
		unsigned int flags)
{
	struct sink s;
	size_t want = sink_init(&s, iov, iovcnt, skip, flags);
	uint32_t hole, n;

	if (unlikely(want == 0))
		return 0;
	if (unlikely(flags & TCP_RECV_OOB))
		return recv_oob(conn, &s, flags);
	n = readable(conn, &hole);
	if (unlikely(flags & TCP_RECV_PEEK)) {
		n = (uint32_t)RTE_MIN(want, (size_t)n);
		if (!s.discard)
			peek(&conn->rcvq, hole, n, &s);
		return n != 0 ? (ssize_t)n : rcv_nothing(conn);
	}
	if (unlikely(hole != 0))
		rcv_skip(conn, hole);
	if (unlikely(n == 0))
		return rcv_nothing(conn);
	n = (uint32_t)RTE_MIN(want, (size_t)n);
	if (likely(!s.discard))
		consume(conn, n, &s);
	else
		rcv_skip(conn, n);
	tell_window(conn);
	return n;
}

/*
 * A buffer of its own that refers to the first @p len bytes of the queue, which all are in its
 * first buffer.
 */
static struct rte_mbuf *
split(struct rcvq *q, uint16_t len)
{
	struct rte_mbuf *m = q->head, *part = rte_pktmbuf_alloc(m->pool);

	if (part == NULL)
		return NULL;
	rte_pktmbuf_attach(part, m);
	part->data_len = len;
	part->next = NULL;
	m->data_off += len;
	m->data_len -= len;
	return part;
}

/* Whole buffers from the head of the queue, @p max bytes and @p bufs of them at most; the packet
 * fields are made. */
static uint32_t
detach(struct rcvq *q, uint32_t max, unsigned int bufs, struct rte_mbuf **chain)
{
	struct rte_mbuf *first = q->head, *last = NULL, *m = first;
	uint32_t bytes = 0;
	uint16_t n = 0;

	while (m != NULL && bytes + m->data_len <= max && n < bufs) {
		bytes += m->data_len;
		n++;
		last = m;
		m = m->next;
	}
	q->bufs -= n;
	if (last == NULL) {
		first = split(q, (uint16_t)max);
		if (first == NULL)
			return 0;
		bytes = max;
		n = 1;
	} else {
		last->next = NULL;
		q->head = m;
		if (m == NULL)
			q->tail = NULL;
	}
	first->pkt_len = bytes;
	first->nb_segs = n;
	*chain = first;
	return bytes;
}

ssize_t
tcp_recv_chain(struct tcp_conn *conn, size_t max, unsigned int bufs, struct rte_mbuf **chain)
{
	struct rcvq *q = &conn->rcvq;
	uint32_t hole, n;

	*chain = NULL;
	if (max == 0)
		return 0;
	n = readable(conn, &hole);
	if (unlikely(hole != 0))
		rcv_skip(conn, hole);
	if (n == 0)
		return rcv_nothing(conn);
	n = detach(q, (uint32_t)RTE_MIN(max, (size_t)n), RTE_MIN(bufs, (unsigned int)UINT16_MAX),
			chain);
	if (n == 0)
		return -ENOBUFS;
	q->bytes -= n;
	q->lent += n;
	if (unlikely(conn->flags & F_URG_IN))
		pass_mark(conn);
	return n;
}

void
tcp_recv_done(struct tcp_conn *conn, size_t bytes)
{
	struct rcvq *q = &conn->rcvq;

	q->lent -= (uint32_t)RTE_MIN(bytes, (size_t)q->lent);
	tell_window(conn);
}

/* What came since lies behind it: nobody else takes from the queue meanwhile. */
void
tcp_recv_return(struct tcp_conn *conn, struct rte_mbuf *chain)
{
	struct rcvq *q = &conn->rcvq;
	struct rte_mbuf *last = chain;
	uint32_t bytes = chain->data_len, n = 1;

	for (; last->next != NULL; n++) {
		last = last->next;
		bytes += last->data_len;
	}
	last->next = q->head;
	if (q->head == NULL)
		q->tail = last;
	q->head = chain;
	q->bufs += n;
	q->bytes += bytes;
	q->lent -= RTE_MIN(bytes, q->lent);
}

uint32_t
tcp_recv_queued(const struct tcp_conn *conn)
{
	uint32_t hole;

	return readable(conn, &hole);
}

bool
tcp_at_mark(const struct tcp_conn *conn)
{
	return (conn->flags & F_URG_IN) && conn->rcv_up == rcv_read_seq(conn);
}
