/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion queues: writing completions, alone or as compressed sessions. The owner bit of an
 * entry must change last, as the PMD polls it without a lock.
 */
#include "connectx.h"
#include "hw.h"

#define MIN_SESSION 3 /* fewer completions are not worth a title */

/* Entries not consumed, as of the index last seen. The PMD keeps 16 bits of the consumer index of a
 * Tx CQ: only the bits that a ring of this size needs can be compared. */
static inline uint32_t
used(const struct cx_cq *q)
{
	return (q->pi - q->seen_ci) & ((2u << q->log_size) - 1);
}

static inline bool
room(const struct cx_cq *q)
{
	return used(q) < 1u << q->log_size;
}

/* Takes over the consumer index unless it is ahead of the device's: such a queue has no room. */
static void
read_doorbell(struct cx_cq *q)
{
	uint32_t seen = q->seen_ci;

	q->seen_ci = be32toh(__atomic_load_n(&q->db[DB_CQ_CONSUMER], __ATOMIC_ACQUIRE));
	if (cx_likely(used(q) <= 1u << q->log_size))
		return;
	if (q->dev->stat.bad_doorbell++ == 0)
		cx_log(0,
				"%s: consumer index %u of a completion queue is ahead of %u, what "
				"is in it: refused, counted from now on",
				q->dev->conf.name, q->seen_ci, q->pi);
	q->seen_ci = seen;
}

int
cx_cq_init(struct mlx5dv_devx_obj *cq)
{
	struct cx_cq *q = &cq->cq;

	q->dev = cq->dev;
	q->held = aligned_alloc(CQE_SIZE, (1 + CX_COMP_MAX) * sizeof(*q->held));
	q->pend = q->held != NULL ? q->held + 1 : NULL;
	return q->held != NULL ? 0 : -1;
}

void
cx_cq_fini(struct cx_cq *q)
{
	free(q->held);
}

bool
cx_cq_room(struct cx_cq *q)
{
	if (cx_likely(room(q)))
		return true;
	if (q->ignore_overrun)
		return true;
	read_doorbell(q);
	return room(q);
}

static struct hw_cqe *
slot(const struct cx_cq *q, uint32_t i)
{
	return (struct hw_cqe *)(q->buf +
			((size_t)(i & ((1u << q->log_size) - 1)) << CQE_LOG_SIZE));
}

static inline void
write_cqe(const struct cx_cq *q, uint32_t i, const struct hw_cqe *c, uint8_t op_format)
{
	uint8_t *d = (uint8_t *)slot(q, i);
	union {
		uint64_t word;
		uint8_t byte[8];
	} last;

	memcpy(d, c, CQE_SIZE - 8);
	memcpy(&last, (const uint8_t *)c + CQE_SIZE - 8, 8);
	last.byte[7] = op_format | ((i >> q->log_size) & 1);
	__atomic_store_n((uint64_t *)(d + CQE_SIZE - 8), last.word, __ATOMIC_RELEASE);
}

/* A title, then arrays of eight mini completions at the entries +1, +8, +16 ... */
static void
write_session(struct cx_cq *q, uint32_t at, uint32_t n)
{
	struct hw_cqe title = q->pend[0];
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint32_t group = i / MINI_PER_CQE;
		uint8_t *mini = (uint8_t *)slot(q, at + (group ? MINI_PER_CQE * group : 1)) +
				MINI_SIZE * (i % MINI_PER_CQE);

		if (q->mini_format == MINI_HASH) {
			memcpy(mini, &q->pend[i].hash, 4);
		} else {
			memcpy(mini, &q->pend[i].csum, 2);
			memcpy(mini + 2, &q->pend[i].counter, 2);
		}
		memcpy(mini + 4, &q->pend[i].byte_cnt, 4);
	}
	title.byte_cnt = htobe32(n);
	write_cqe(q, at, &title, title.op_own | MINI_FORMAT << 2);
	q->dev->stat.comp_sessions++;
	q->dev->stat.comp_cqes += n;
}

static void
flush(struct cx_cq *q)
{
	uint32_t i, n = q->pend_n;

	if (q->holding) {
		q->holding = false;
		write_cqe(q, q->held_at, q->held, q->held->op_own);
	}
	q->pend_n = 0;
	if (n >= MIN_SESSION) {
		write_session(q, q->pend_at, n);
		return;
	}
	for (i = 0; i < n; i++)
		write_cqe(q, q->pend_at + i, &q->pend[i], q->pend[i].op_own);
}

void
cx_cq_flush_all(struct cx_dev *d)
{
	struct cx_cq *q;

	struct cx_cq *stalled = NULL;

	while ((q = d->flush_list) != NULL) {
		d->flush_list = q->flush_next;
		if (cx_unlikely(q->stalled_until != 0)) {
			if (d->now < q->stalled_until) {
				q->flush_next = stalled;
				stalled = q;
				continue;
			}
			q->stalled_until = 0;
		}
		q->on_flush_list = false;
		flush(q);
	}
	d->flush_list = stalled;
}

/* Whether b can stand in a session that a is the title of: the PMD copies the rest from there. */
static bool
joinable(const struct cx_cq *q, const struct hw_cqe *a, const struct hw_cqe *b)
{
	return a->wqe_id == b->wqe_id && a->hdr_type == b->hdr_type && a->vlan == b->vlan &&
			a->segs <= 1 && b->segs <= 1 && a->flow_tag == b->flow_tag &&
			!((a->byte_cnt | b->byte_cnt) & htobe32(CQE_FILLER)) &&
			(q->mini_format == MINI_HASH || a->hash == b->hash);
}

static void
flush_later(struct cx_cq *q)
{
	if (!q->on_flush_list) {
		q->on_flush_list = true;
		q->flush_next = q->dev->flush_list;
		q->dev->flush_list = q;
	}
}

/* The PMD reads in order: behind the first completion, which is held back, none is seen. So there
 * are no sessions while a queue is stalled. */
void
cx_cq_stall(struct cx_cq *q, uint64_t until)
{
	if (q->stalled_until == 0)
		flush(q);
	if (until > q->stalled_until)
		q->stalled_until = until;
	flush_later(q);
}

void
cx_cq_release(struct cx_cq *q)
{
	struct cx_cq **p;

	q->stalled_until = 0;
	flush(q);
	for (p = &q->dev->flush_list; q->on_flush_list && *p != NULL; p = &(*p)->flush_next) {
		if (*p == q) {
			*p = q->flush_next;
			break;
		}
	}
	q->on_flush_list = false;
}

static void
hold_back(struct cx_cq *q, const struct hw_cqe *c, unsigned int opcode)
{
	/* The vector path of the PMD indexes its rings linearly: a session must never cross the
	 * end of the CQ. */
	if (q->pend_n > 0 &&
			(q->pend_n == CX_COMP_MAX || (q->pi & ((1u << q->log_size) - 1)) == 0 ||
					!joinable(q, &q->pend[0], c)))
		flush(q);
	if (q->pend_n == 0)
		q->pend_at = q->pi;
	q->pend[q->pend_n] = *c;
	q->pend[q->pend_n++].op_own = opcode << 4;
	q->pi++;
	flush_later(q);
}

static bool
may_compress(const struct cx_cq *q, unsigned int opcode)
{
	if (!q->compress || !q->dev->conf.cqe_comp || opcode != CQE_OP_RESP_SEND ||
			(q->mini_format != MINI_HASH && q->mini_format != MINI_CSUM_STRIDE) ||
			q->stalled_until != 0)
		return false;
	return true;
}

void
cx_cq_post(struct cx_cq *q, const struct hw_cqe *c, unsigned int opcode)
{
	if (cx_unlikely(!cx_cq_room(q))) {
		q->overruns++;
		if (q->dev->stat.cq_overrun++ == 0)
			cx_log(0, "completion queue overrun, counted from now on");
		return;
	}
	if (cx_unlikely(may_compress(q, opcode))) {
		hold_back(q, c, opcode);
		return;
	}
	if (cx_unlikely(q->pend_n > 0))
		flush(q);
	if (!q->holding) {
		*q->held = *c;
		q->held->op_own = opcode << 4;
		q->held_at = q->pi++;
		q->holding = true;
		flush_later(q);
		return;
	}
	write_cqe(q, q->pi, c, opcode << 4);
	q->pi++;
	/* the PMD reads these lines: fetch the next one before it is needed */
	__builtin_prefetch(slot(q, q->pi + 2), 1);
}
