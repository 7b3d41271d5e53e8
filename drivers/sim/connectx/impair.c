/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stage of a direction: a frame comes in once, meets its faults, crosses the link (shape.c) if
 * there is one, may be delayed or held back behind it, and goes on to the NIC or the wire. What has
 * to be kept is copied into buffers from free lists, which grow to a bound and no further.
 *
 * A frame that goes on late does so at the time it was due: the NIC's clock is set to that, so that
 * its completion carries the time of its arrival and not of the turn that noticed.
 */
#include "stage.h"
#include "hw.h"

#define HELD_MAX 1024	 /* frames held back for reordering */
#define HOLD_NS 10000000 /* they do not wait longer for others to pass */
#define RELEASE_MAX 256	 /* frames that go on in one turn */

static void
list_add(struct list *l, struct kept *k)
{
	k->next = NULL;
	*l->tail = k;
	l->tail = &k->next;
}

static struct kept *
list_take(struct list *l)
{
	struct kept *k = l->head;

	l->head = k->next;
	if (l->head == NULL)
		l->tail = &l->head;
	return k;
}

/* ---- the way through ---- */
static void
hand_on(const struct cx_stage *s, const struct frame *f)
{
	struct cx_dev *d = s->dev;

	if (s->dir == CX_TX) {
		cx_port_transmit(d, f->data, f->len, f->flags);
		return;
	}
	d->rx_faults = f->queue_faults;
	cx_port_deliver(d, f->data, f->len, f->flags);
	d->rx_faults = 0;
}

/* A frame has passed those that are held back. */
static void
count_passed(struct cx_stage *s)
{
	struct kept *k, *next;
	struct list rest;

	if (cx_likely(s->n_held == 0))
		return;
	k = s->held.head;
	rest = (struct list){ NULL, &rest.head };
	s->held = (struct list){ NULL, &s->held.head };
	for (; k != NULL; k = next) {
		next = k->next;
		if (--k->left > 0) {
			list_add(&s->held, k);
			continue;
		}
		s->n_held--;
		list_add(&rest, k);
	}
	while (rest.head != NULL) {
		k = list_take(&rest);
		hand_on(s, &k->f);
		cx_let_go(s, k);
	}
}

/* Behind the link. k: the frame's own copy, if it has one. */
static void
leave(struct cx_stage *s, struct frame *f, struct kept *k)
{
	uint64_t delay = f->delay;
	uint32_t reorder = f->reorder;

	if (cx_likely(delay == 0 && reorder == 0)) {
		hand_on(s, f);
		if (k != NULL)
			cx_let_go(s, k);
		count_passed(s);
		return;
	}
	if (delay != 0 ? s->n_late == LATE_MAX : s->n_held == HELD_MAX) {
		COUNT(s, stage_full);
		if (k != NULL)
			cx_let_go(s, k);
		return;
	}
	if (k == NULL && (k = cx_keep(s, f)) == NULL)
		return;
	if (delay != 0) {
		k->f.delay = 0;
		k->due = s->dev->now + delay;
		cx_late_add(s, k);
		return;
	}
	k->f.reorder = 0;
	k->left = reorder;
	k->due = s->dev->now + HOLD_NS;
	list_add(&s->held, k);
	s->n_held++;
}

/* Those whose first bit was sent since do not wait any more. */
static void
settle(struct cx_stage *s)
{
	struct kept *k;

	for (k = s->unsent; k != NULL && k->start <= s->dev->now; k = k->next)
		if (k->waits)
			s->link.backlog -= k->f.len;
	s->unsent = k;
}

static void
cross(struct cx_stage *s, struct frame *f)
{
	uint64_t start, due, now = s->dev->now;
	struct kept *k;
	bool mark;

	settle(s);
	if (!cx_link_admit(&s->link, now, f->len, &start, &due, &mark)) {
		COUNT(s, queue_drop);
		return;
	}
	k = cx_keep(s, f);
	if (k == NULL) {
		if (start > now)
			s->link.backlog -= f->len;
		return;
	}
	if (mark && cx_ecn_mark(k->data, k->f.len))
		COUNT(s, ecn_mark);
	k->start = start;
	k->due = due;
	k->waits = start > now;
	list_add(&s->crossing, k);
	if (s->unsent == NULL)
		s->unsent = k;
	COUNT(s, shaped);
}

/* A copy of the frame with one bit flipped, if it reaches that far. */
static void
corrupt(struct cx_stage *s, struct frame *f, const struct cx_verdict *v)
{
	uint32_t at = v->corrupt_at, l3 = 14;

	if (v->corrupt_at_random) {
		if (f->len > 18 && be16(f->data + 12) == 0x8100)
			l3 += 4;
		at = f->len > l3 ? l3 + (v->random >> 3) % (f->len - l3) : f->len;
	}
	if (at >= f->len || f->len > sizeof(s->scratch))
		return;
	memcpy(s->scratch, f->data, f->len);
	f->data = s->scratch;
	f->data[at] ^= 1u << (v->random & 7);
	/* it has to be verified again */
	f->flags = 0;
	COUNT(s, fault_corrupt);
}

static void
enter(struct cx_stage *s, struct frame *f)
{
	if (s->link.on)
		cross(s, f);
	else
		leave(s, f, NULL);
}

static void
device_event(struct cx_dev *d, const struct cx_verdict *v)
{
	if (v->link)
		cx_port_down(d, v->link_ns);
	if (v->remove && !d->gone) {
		/* with the next turn; nothing passes from now on */
		d->impair->remove = true;
		d->impair->remove_ns = v->remove_ns;
		d->link_up = false;
		d->down_until = UINT64_MAX;
	}
}

static bool tx_queue_faults(struct cx_stage *s, uint64_t bits);

/* A new frame: judged, and what is left of it goes in. */
static void
meet(struct cx_stage *s, struct frame *f)
{
	struct cx_dev *d = s->dev;
	struct cx_verdict v;
	uint64_t n = ++s->frames;

	if (s->faults.n == 0) {
		enter(s, f);
		return;
	}
	cx_faults_judge(&s->faults, s->seed, s->dir, n, d->now > d->epoch ? d->now - d->epoch : 0,
			&v);
	if (cx_unlikely(v.link || v.remove)) {
		device_event(d, &v);
		COUNT(s, no_link);
		return;
	}
	if (v.drop) {
		COUNT(s, fault_drop);
		return;
	}
	if (s->dir == CX_TX) {
		if (v.queue != 0 && !tx_queue_faults(s, v.queue))
			return;
	} else {
		f->queue_faults = v.queue;
	}
	if (v.corrupt)
		corrupt(s, f, &v);
	if (v.delay != 0)
		COUNT(s, fault_delay);
	if (v.reorder != 0)
		COUNT(s, fault_reorder);
	f->delay = v.delay;
	f->reorder = v.reorder;
	enter(s, f);
	if (v.dup) {
		COUNT(s, fault_dup);
		f->queue_faults = 0;
		enter(s, f);
	}
}

enum cx_rx_result
cx_stage_rx(struct cx_stage *s, uint8_t *frame, uint32_t len, unsigned int flags)
{
	struct frame f = { .data = frame, .len = len, .flags = flags & CX_RX_CSUM_OK };
	enum cx_rx_result ret;

	/* A wire that would offer the frame again does so before the stage has seen it. */
	if (flags & CX_RX_HOLD) {
		ret = cx_rx_would_take(s->dev, frame, len, flags);
		if (ret != CX_RX_TAKEN)
			return ret;
	} else if (flags & CX_RX_PAUSE &&
			cx_rx_would_take(s->dev, frame, len, flags) == CX_RX_NO_BUF) {
		return CX_RX_NO_BUF;
	}
	meet(s, &f);
	return CX_RX_TAKEN;
}

void
cx_stage_tx(struct cx_stage *s, const uint8_t *frame, uint32_t len, unsigned int flags)
{
	/* not written to: corrupt() makes a copy */
	struct frame f = { .data = (uint8_t *)(uintptr_t)frame, .len = len, .flags = flags };

	/* the rest of a send entry that is in error */
	if (cx_unlikely(s->dev->tx_syndrome != 0))
		return;
	meet(s, &f);
}

bool
cx_stage_shaped(const struct cx_stage *s)
{
	return s->link.on;
}

/* ---- faults of queues ---- */
static struct cx_fault *
next_fault(struct cx_stage *s, uint64_t *bits)
{
	struct cx_fault *f;

	while (*bits != 0) {
		f = &s->faults.at[__builtin_ctzll(*bits)];
		*bits &= *bits - 1;
		/* several frames may have been under way when its time came */
		if (f->when == WHEN_TIME && f->done)
			continue;
		f->done = true;
		return f;
	}
	return NULL;
}

/* The send queue whose entry is being carried out; false when the frame is lost. */
static bool
tx_queue_faults(struct cx_stage *s, uint64_t bits)
{
	struct cx_dev *d = s->dev;
	struct cx_fault *f;
	bool lost = false;

	/* a frame of the kernel's has no queue */
	if (d->tx_sq == NULL)
		return true;
	while ((f = next_fault(s, &bits)) != NULL) {
		if (f->action == FAULT_STALL) {
			d->tx_sq->q.stall_until = d->now + f->arg;
			d->stat.tx_fault_stall++;
		} else if (f->action == FAULT_CQE_ERROR) {
			d->tx_syndrome = f->has_arg ? f->arg : SYNDROME_LOCAL_PROTECTION;
			d->stat.tx_fault_cqe_error++;
			lost = true;
		}
	}
	return !lost;
}

/* A frame that steering gave a queue: CX_RX_TAKEN when nothing hinders it. */
enum cx_rx_result
cx_impair_rxq(struct cx_dev *d, struct mlx5dv_devx_obj *rq)
{
	struct cx_stage *s = d->stage[CX_RX];
	enum cx_rx_result ret = CX_RX_TAKEN;
	uint64_t bits = d->rx_faults;
	struct cx_fault *f;

	while (cx_unlikely((f = next_fault(s, &bits)) != NULL)) {
		if (f->action == FAULT_STALL) {
			cx_cq_stall(&rq->q.cq_obj->cq, d->now + f->arg);
			d->stat.rx_fault_stall++;
		} else if (f->action == FAULT_NO_BUF) {
			rq->q.no_buf_until = d->now + f->arg;
			ret = CX_RX_NO_BUF;
		} else if (f->action == FAULT_CQE_ERROR) {
			cx_rxq_fail(rq, f->has_arg ? f->arg : SYNDROME_LOCAL_PROTECTION);
			d->stat.rx_fault_cqe_error++;
			return CX_RX_ERROR;
		}
	}
	if (cx_unlikely(d->now < rq->q.no_buf_until))
		ret = CX_RX_NO_BUF;
	if (ret != CX_RX_TAKEN)
		d->stat.rx_fault_no_buf++;
	return ret;
}

/* ---- each turn ---- */
static uint64_t
next_due(const struct cx_stage *s, unsigned int *which)
{
	uint64_t due = UINT64_MAX;

	*which = 0;
	if (s->crossing.head != NULL)
		due = s->crossing.head->due;
	if (s->n_late > 0 && s->late[0].due < due) {
		due = s->late[0].due;
		*which = 1;
	}
	if (s->held.head != NULL && s->held.head->due < due) {
		due = s->held.head->due;
		*which = 2;
	}
	return due;
}

static struct kept *
take(struct cx_stage *s, unsigned int which)
{
	if (which == 0)
		return list_take(&s->crossing);
	if (which == 1)
		return cx_late_take(s);
	s->n_held--;
	return list_take(&s->held);
}

static bool
release(struct cx_stage *s)
{
	const struct cx_wire_ops *ops = s->dev->wire.ops;
	struct cx_dev *d = s->dev;
	uint64_t due, now = d->now;
	unsigned int which, i;
	struct kept *k;

	if (s->crossing.head == NULL && s->n_late == 0 && s->n_held == 0)
		return false;
	settle(s);
	for (i = 0; i < RELEASE_MAX; i++) {
		due = next_due(s, &which);
		if (due > now)
			break;
		if (s->dir == CX_TX && d->link_up && ops->room != NULL && !ops->room(d)) {
			d->stat.tx_waits++;
			break;
		}
		k = take(s, which);
		d->now = due;
		leave(s, &k->f, k);
	}
	d->now = now;
	return i > 0;
}

static void
clear(struct cx_stage *s)
{
	unsigned int which;

	while (next_due(s, &which) != UINT64_MAX) {
		cx_let_go(s, take(s, which));
		COUNT(s, no_link);
	}
	s->unsent = NULL;
	s->link.backlog = 0;
	s->link.free_at = 0;
}

static void
timed_events(struct cx_dev *d)
{
	struct cx_faults *list = &d->impair->timed;
	unsigned int i;

	for (i = 0; i < list->n; i++) {
		struct cx_fault *f = &list->at[i];
		struct cx_verdict v = {
			.link = f->action == FAULT_LINK,
			.remove = f->action == FAULT_REMOVE,
			.link_ns = f->arg,
			.remove_ns = f->arg,
		};

		if (d->epoch == 0 || d->now < d->epoch + f->from)
			continue;
		device_event(d, &v);
		*f = list->at[--list->n];
		i--;
	}
}

bool
cx_impair_poll(struct cx_dev *d)
{
	struct cx_impair *m = d->impair;
	bool work = false;
	unsigned int dir;

	if (m->timed.n != 0 && !d->gone)
		timed_events(d);
	if (m->remove) {
		m->remove = false;
		for (dir = 0; dir < CX_DIRS; dir++)
			if (d->stage[dir] != NULL)
				clear(d->stage[dir]);
		cx_removal(d, m->remove_ns);
	}
	for (dir = 0; dir < CX_DIRS; dir++)
		if (d->stage[dir] != NULL)
			work |= release(d->stage[dir]);
	return work;
}
