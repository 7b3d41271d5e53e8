/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue: what the application gave, in pieces of a segment each, from the oldest that the
 * peer has not acknowledged to the newest. It copies data in and frees them; which pieces are sent,
 * and which are lost, others decide.
 */
#include <stdlib.h>

#include "tcp/tcp_priv.h"

#define RING_MIN 4u  /* a request and its answer need no more */
#define RING_KEEP 8u /* an empty ring of at most so many pieces stays */
#define ALLOC_MAX 32u

static int
reserve(struct sndq *q, uint32_t more)
{
	uint32_t cap = q->ring == NULL ? 0 : q->mask + 1;
	uint32_t want = cap == 0 ? RING_MIN : cap;
	struct seg *ring;

	while (want < q->n + more)
		want *= 2;
	if (likely(want == cap))
		return 0;
	ring = malloc(want * sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->n; i++)
		ring[i] = *sndq_at(q, i);
	free(q->ring);
	q->ring = ring;
	q->mask = want - 1;
	q->head = 0;
	return 0;
}

static void
release_ring(struct sndq *q)
{
	free(q->ring);
	q->ring = NULL;
	q->mask = 0;
	q->head = 0;
}

static inline uint32_t
end_seq(const struct tcp_conn *conn)
{
	const struct sndq *q = &conn->sndq;

	return q->n == 0 ? conn->snd_nxt : seg_end(sndq_at(q, q->n - 1));
}

/* The slot behind the last one, which reserve() has made. */
static struct seg *
push(struct tcp_conn *conn, struct rte_mbuf *m, uint16_t len, uint8_t flags)
{
	struct sndq *q = &conn->sndq;
	uint32_t seq = end_seq(conn);
	struct seg *s = sndq_at(q, q->n);

	*s = (struct seg){
		.m = m, .seq = seq, .len = len, .off = RTE_PKTMBUF_HEADROOM, .flags = flags
	};
	q->n++;
	q->bytes += len;
	q->charge += len + SEG_CHARGE;
	return s;
}

/* --- appending --- */

/* Where in the caller's vectors the next byte is. */
struct source {
	const struct iovec *iov;
	size_t off;
};

static size_t
source_open(struct source *src, const struct iovec *iov, int iovcnt, size_t skip)
{
	size_t total = 0;

	for (; iovcnt > 0 && skip >= iov->iov_len; iov++, iovcnt--)
		skip -= iov->iov_len;
	src->iov = iov;
	src->off = skip;
	for (int i = 0; i < iovcnt; i++)
		total += iov[i].iov_len;
	return iovcnt > 0 ? total - skip : 0;
}

static void
source_copy(struct source *src, uint8_t *to, uint32_t len)
{
	while (len != 0) {
		size_t n = src->iov->iov_len - src->off;

		if (n > len)
			n = len;
		memcpy(to, (const uint8_t *)src->iov->iov_base + src->off, n);
		to += n;
		len -= (uint32_t)n;
		src->off += n;
		if (src->off == src->iov->iov_len) {
			src->iov++;
			src->off = 0;
		}
	}
}

static inline uint8_t *
piece_data(const struct seg *s)
{
	return (uint8_t *)s->m->buf_addr + s->off;
}

static inline const uint8_t *
piece_bytes(const struct seg *s)
{
	return unlikely(s->lent) ? seg_lent(s) : piece_data(s);
}

static uint16_t
piece_max(const struct tcp_conn *conn)
{
	uint16_t room = rte_pktmbuf_data_room_size(conn->engine->config.tx_pool) -
			RTE_PKTMBUF_HEADROOM;
	uint16_t mss = conn->snd_mss != 0 ? conn->snd_mss : MSS_DEFAULT;

	return RTE_MIN(room, mss);
}

static inline uint32_t
charge_left(const struct tcp_conn *conn)
{
	const struct sndq *q = &conn->sndq;

	return conn->opt.sndbuf > q->charge ? conn->opt.sndbuf - q->charge : 0;
}

/* Data bytes that new pieces of @p max may hold until sndbuf is full. */
static uint32_t
new_room(const struct tcp_conn *conn, uint16_t max)
{
	uint32_t left = charge_left(conn), whole = left / (max + SEG_CHARGE);
	uint32_t rest = left % (max + SEG_CHARGE);
	uint32_t room = whole * max + (rest > SEG_CHARGE ? rest - SEG_CHARGE : 0);

	/* a buffer smaller than a segment still lets one through at a time */
	return conn->sndq.n == 0 ? RTE_MAX(room, (uint32_t)max) : room;
}

/* Into the last piece, if it has not been sent and nobody else looks at its buffer. */
static uint32_t
fill_last(struct tcp_conn *conn, struct source *src, uint32_t len, uint16_t max)
{
	struct sndq *q = &conn->sndq;
	uint32_t room;
	struct seg *s;

	if (q->n == q->n_sent)
		return 0;
	s = sndq_at(q, q->n - 1);
	if ((s->flags & SEG_FIN) != 0 || s->len >= max || !seg_alone(s))
		return 0;
	room = RTE_MIN((uint32_t)(max - s->len), (uint32_t)(s->m->buf_len - s->off - s->len));
	room = RTE_MIN(room, charge_left(conn));
	len = RTE_MIN(len, room);
	if (len == 0)
		return 0;
	source_copy(src, piece_data(s) + s->len, len);
	s->len = (uint16_t)(s->len + len);
	s->flags &= (uint8_t)~SEG_PUSH;
	q->bytes += len;
	q->charge += len;
	return len;
}

static uint32_t
fill_new(struct tcp_conn *conn, struct source *src, uint32_t len, uint16_t max)
{
	struct rte_mbuf *m[ALLOC_MAX];
	uint32_t done = 0, n, i;

	len = RTE_MIN(len, new_room(conn, max));
	if (reserve(&conn->sndq, (len + max - 1) / max) != 0)
		return 0;
	while (done < len) {
		n = RTE_MIN((len - done + max - 1) / max, ALLOC_MAX);
		n = buffers_data(conn->engine, m, n);
		if (n == 0)
			break;
		for (i = 0; i < n; i++) {
			uint16_t part = (uint16_t)RTE_MIN(len - done, (uint32_t)max);

			source_copy(src, piece_data(push(conn, m[i], part, 0)), part);
			done += part;
		}
	}
	return done;
}

ssize_t
sndq_append(struct tcp_conn *conn, const struct iovec *iov, int iovcnt, size_t skip, uint32_t max,
		bool push_it)
{
	struct sndq *q = &conn->sndq;
	uint16_t size = piece_max(conn);
	struct source src;
	size_t total = source_open(&src, iov, iovcnt, skip);
	uint32_t len = (uint32_t)RTE_MIN(total, (size_t)max);
	uint32_t done;
	struct seg *s;

	if (len == 0)
		return 0;
	if (q->n > q->n_sent)
		sndq_at(q, q->n - 1)->flags &= (uint8_t)~SEG_OPEN;
	done = fill_last(conn, &src, len, size);
	if (done < len)
		done += fill_new(conn, &src, len - done, size);
	if (done == 0)
		return -ENOBUFS;
	s = sndq_at(q, q->n - 1);
	s->flags |= push_it ? SEG_PUSH : SEG_OPEN;
	return done;
}

/* A buffer that was sent may still be linked to the next one's: each is freed alone. */
static inline void
free_data(struct tcp_conn *conn, struct seg *s)
{
	if (unlikely(s->lent))
		zc_put(conn->engine, s->zc);
	else if (s->m != NULL)
		rte_pktmbuf_free_seg(s->m);
	s->m = NULL;
	s->lent = s->lent_end = false;
}

/* The last piece, if it has not been sent and ends where these bytes go on. */
static uint32_t
lend_last(struct tcp_conn *conn, const struct tcp_zc *zc, uint32_t len, uint16_t max)
{
	struct sndq *q = &conn->sndq;
	struct seg *s = q->n > q->n_sent ? sndq_at(q, q->n - 1) : NULL;

	if (s == NULL || !s->lent || s->zc != zc || s->len >= max)
		return 0;
	len = RTE_MIN(len, (uint32_t)(max - s->len));
	len = RTE_MIN(len, charge_left(conn));
	s->len = (uint16_t)(s->len + len);
	q->bytes += len;
	q->charge += len;
	return len;
}

static uint32_t
lend_new(struct tcp_conn *conn, struct tcp_zc *zc, uint32_t len, uint16_t max)
{
	uint32_t done = 0;

	len = RTE_MIN(len, new_room(conn, max));
	if (reserve(&conn->sndq, (len + max - 1) / max) != 0)
		return 0;
	while (done < len) {
		uint16_t part = (uint16_t)RTE_MIN(len - done, (uint32_t)max);
		struct seg *s = push(conn, NULL, part, 0);

		s->zc = zc;
		s->lent = true;
		zc->pieces++;
		done += part;
	}
	return done;
}

ssize_t
sndq_lend(struct tcp_conn *conn, struct tcp_zc *zc, uint32_t skip, uint32_t max, bool push_it)
{
	struct sndq *q = &conn->sndq;
	uint16_t size = piece_max(conn);
	uint32_t len = RTE_MIN(zc->len - skip, max), done;
	struct seg *s;

	if (size < ZC_PIECE_MIN) {
		zc->stale = true;
		return -ESTALE;
	}
	if (!zc->placed) {
		zc->seq = end_seq(conn) - skip;
		zc->placed = true;
	}
	if (zc->seq + skip != end_seq(conn)) {
		zc->stale = true;
		return -ESTALE;
	}
	if (q->n > q->n_sent)
		sndq_at(q, q->n - 1)->flags &= (uint8_t)~SEG_OPEN;
	done = lend_last(conn, zc, len, size);
	if (done != 0)
		sndq_at(q, q->n - 1)->flags &= (uint8_t)~SEG_PUSH;
	if (done < len)
		done += lend_new(conn, zc, len - done, size);
	if (done == 0)
		return -ENOBUFS;
	s = sndq_at(q, q->n - 1);
	s->flags |= push_it ? SEG_PUSH : SEG_OPEN;
	s->lent_end = true;
	/* a short last one leaves in a packet of its own and is copied, one that a window cuts too
	 */
	if (s->len < 2 * ZC_PIECE_MIN && q->n - q->n_sent > 1)
		sndq_at(q, q->n - 2)->lent_end = true;
	return done;
}

int
sndq_own(struct tcp_conn *conn)
{
	for (uint32_t i = 0; i < conn->sndq.n; i++) {
		struct seg *s = sndq_at(&conn->sndq, i);
		struct rte_mbuf *m;

		if (likely(!s->lent))
			continue;
		if (buffers_data(conn->engine, &m, 1) == 0)
			return -ENOBUFS;
		memcpy((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, seg_lent(s), s->len);
		free_data(conn, s);
		s->m = m;
		s->off = RTE_PKTMBUF_HEADROOM;
	}
	return 0;
}

int
sndq_fin(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	struct seg *s = q->n > q->n_sent ? sndq_at(q, q->n - 1) : NULL;

	if (s != NULL && (s->flags & SEG_FIN) == 0) {
		s->flags = (s->flags & (uint8_t)~SEG_OPEN) | SEG_FIN | SEG_PUSH;
		return 0;
	}
	if (reserve(q, 1) != 0)
		return -ENOMEM;
	push(conn, NULL, 0, SEG_FIN);
	return 0;
}

/* --- cutting and freeing --- */

/* Room for a piece behind @p i, by moving the shorter side. */
static void
open_gap(struct sndq *q, uint32_t i)
{
	uint32_t k;

	if (i < q->n / 2) {
		q->head--;
		for (k = 0; k <= i; k++)
			*sndq_at(q, k) = *sndq_at(q, k + 1);
	} else {
		for (k = q->n; k > i + 1; k--)
			*sndq_at(q, k) = *sndq_at(q, k - 1);
	}
	q->n++;
}

int
sndq_split(struct tcp_conn *conn, uint32_t i, uint16_t len)
{
	struct sndq *q = &conn->sndq;
	struct rte_mbuf *m = NULL;
	struct seg *s, *tail;
	uint16_t rest;

	if (reserve(q, 1) != 0)
		return -ENOMEM;
	s = sndq_at(q, i);
	rest = s->len - len;
	if (rest != 0 && s->lent) {
		s->zc->pieces++;
	} else if (rest != 0) {
		/* of the reserve for the first only, which everything waits for */
		if (i == 0)
			m = buffer_bare(conn->engine);
		else if (buffers_data(conn->engine, &m, 1) == 0)
			m = NULL;
		if (m == NULL)
			return -ENOBUFS;
		memcpy((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, piece_bytes(s) + len, rest);
	}
	open_gap(q, i);
	s = sndq_at(q, i);
	tail = sndq_at(q, i + 1);
	*tail = *s;
	if (likely(!s->lent) || rest == 0) {
		tail->m = m;
		tail->lent = tail->lent_end = false;
	}
	tail->seq = s->seq + len;
	tail->len = rest;
	tail->off = RTE_PKTMBUF_HEADROOM;
	s->len = len;
	s->flags &= (uint8_t) ~(SEG_FIN | SEG_PUSH | SEG_OPEN);
	q->charge += SEG_CHARGE;
	if ((s->flags & SEG_SENT) != 0)
		q->n_sent++;
	if ((s->flags & SEG_SACKED) != 0)
		conn->loss.sacked_segs++;
	return 0;
}

static __rte_noinline void
trim_part(struct tcp_conn *conn, struct seg *s, uint32_t gone)
{
	struct sndq *q = &conn->sndq;

	gone = RTE_MIN(gone, (uint32_t)s->len);
	s->seq += gone;
	s->off = (uint16_t)(s->off + gone);
	s->len = (uint16_t)(s->len - gone);
	q->bytes -= gone;
	q->charge -= gone;
	if (s->len == 0)
		free_data(conn, s);
}

void
sndq_trim(struct tcp_conn *conn, uint32_t una)
{
	struct sndq *q = &conn->sndq;

	while (q->n_sent != 0) {
		struct seg *s = sndq_at(q, 0);

		if (seq_gt(seg_end(s), una)) {
			if (unlikely(seq_lt(s->seq, una)))
				trim_part(conn, s, una - s->seq);
			return;
		}
		free_data(conn, s);
		q->bytes -= s->len;
		q->charge -= s->len + SEG_CHARGE;
		q->head++;
		q->n--;
		q->n_sent--;
	}
	if (q->n == 0 && q->ring != NULL && q->mask >= RING_KEEP)
		release_ring(q);
}

uint32_t
sndq_find(const struct sndq *q, uint32_t seq)
{
	uint32_t low = 0, high = q->n;

	/* the first piece that ends after seq */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (seq_gt(seg_end(sndq_at(q, mid)), seq))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

void
sndq_free(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;

	for (uint32_t i = 0; i < q->n; i++)
		free_data(conn, sndq_at(q, i));
	release_ring(q);
	memset(q, 0, sizeof(*q));
}
