/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stage of a direction: a frame comes in once, meets its faults, crosses the link (shape.c) if
 * there is one, may be delayed or held back behind it, and goes on to the NIC or the wire. What has
 * to be kept is copied into buffers from free lists, which grow to a bound and no further.
 *
 * A frame that goes on late does so at the time it was due: the NIC's clock is set to that, so that
 * its completion carries the time of its arrival and not of the turn that noticed.
 */
#include "connectx.h"
#include "hw.h"
#include "impair.h"

#define SLAB_BYTES (256u << 10)
#define KEPT_MAX (256u << 20) /* bytes of buffers, in each direction */
#define LATE_MAX 65536	      /* frames delayed by faults */
#define HELD_MAX 1024	      /* frames held back for reordering */
#define HOLD_NS 10000000      /* they do not wait longer for others to pass */
#define FRAME_ROOM (CX_MAX_FRAME + 64)
#define TOO_MANY "more than %u entries in one direction"
#define RELEASE_MAX 256 /* frames that go on in one turn */

static const uint32_t class_size[] = { 256, 2048, 10240, FRAME_ROOM };
#define CLASSES (sizeof(class_size) / sizeof(class_size[0]))

struct frame {
	uint8_t *data;
	uint32_t len;
	unsigned int flags;
	uint32_t reorder;
	uint64_t delay, queue_faults;
};

struct kept {
	struct kept *next;
	uint64_t due, start; /* start: of its first bit on the link */
	uint32_t left;	     /* frames that have to pass before it */
	uint8_t class;
	bool waits; /* counts in the link's backlog */
	struct frame f;
	uint8_t data[];
};

struct slab {
	struct slab *next;
	uint8_t first[] __attribute__((aligned(16)));
};

struct list {
	struct kept *head, **tail;
};

struct late {
	uint64_t due, seq;
	struct kept *k;
};

struct cx_stage {
	struct cx_dev *dev;
	unsigned int dir;
	struct cx_faults faults;
	uint64_t frames, seed;
	struct cx_link link;
	struct list crossing, held;
	struct kept *unsent; /* of crossing: the first that still waits to be sent */
	uint32_t n_held, n_late;
	uint64_t seq;
	struct late *late; /* a heap, the earliest on top */
	struct kept *free[CLASSES];
	struct slab *slabs;
	size_t bytes;
	uint8_t scratch[FRAME_ROOM];
};

struct cx_impair {
	struct cx_faults timed; /* link events and removals at a time */
	uint64_t seed;
	bool remove;
	uint64_t remove_ns;
};

#define COUNT(s, what) ((s)->dir == CX_RX ? (s)->dev->stat.rx_##what++ : (s)->dev->stat.tx_##what++)

/* ---- buffers ---- */
static bool
grow(struct cx_stage *s, unsigned int class)
{
	size_t one = (sizeof(struct kept) + class_size[class] + 15) / 16 * 16;
	size_t i, n = SLAB_BYTES / one > 0 ? SLAB_BYTES / one : 1;
	size_t size = sizeof(struct slab) + n * one;
	struct slab *slab;

	if (s->bytes + size > KEPT_MAX)
		return false;
	slab = malloc(size);
	if (slab == NULL)
		return false;
	s->bytes += size;
	slab->next = s->slabs;
	s->slabs = slab;
	for (i = 0; i < n; i++) {
		struct kept *k = (struct kept *)(slab->first + i * one);

		k->class = class;
		k->next = s->free[class];
		s->free[class] = k;
	}
	return true;
}

/* A copy; NULL, counted, when there is no room for it. */
static struct kept *
keep(struct cx_stage *s, const struct frame *f)
{
	unsigned int class = 0;
	struct kept *k;

	while (class < CLASSES && class_size[class] < f->len)
		class ++;
	if (class == CLASSES || (s->free[class] == NULL && !grow(s, class))) {
		COUNT(s, stage_full);
		return NULL;
	}
	k = s->free[class];
	s->free[class] = k->next;
	k->f = *f;
	k->f.data = k->data;
	memcpy(k->data, f->data, f->len);
	return k;
}

static void
let_go(struct cx_stage *s, struct kept *k)
{
	k->next = s->free[k->class];
	s->free[k->class] = k;
}

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

/* ---- frames delayed by faults: a heap, in order of time and then of arrival ---- */
static bool
earlier(const struct late *a, const struct late *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void
late_add(struct cx_stage *s, struct kept *k)
{
	struct late x = { .due = k->due, .seq = s->seq++, .k = k };
	uint32_t i = s->n_late++;

	while (i > 0 && earlier(&x, &s->late[(i - 1) / 2])) {
		s->late[i] = s->late[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->late[i] = x;
}

static struct kept *
late_take(struct cx_stage *s)
{
	struct kept *k = s->late[0].k;
	struct late x = s->late[--s->n_late];
	uint32_t i = 0, child;

	for (; (child = 2 * i + 1) < s->n_late; i = child) {
		if (child + 1 < s->n_late && earlier(&s->late[child + 1], &s->late[child]))
			child++;
		if (!earlier(&s->late[child], &x))
			break;
		s->late[i] = s->late[child];
	}
	s->late[i] = x;
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
		let_go(s, k);
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
			let_go(s, k);
		count_passed(s);
		return;
	}
	if (delay != 0 ? s->n_late == LATE_MAX : s->n_held == HELD_MAX) {
		COUNT(s, stage_full);
		if (k != NULL)
			let_go(s, k);
		return;
	}
	if (k == NULL && (k = keep(s, f)) == NULL)
		return;
	if (delay != 0) {
		k->f.delay = 0;
		k->due = s->dev->now + delay;
		late_add(s, k);
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
	k = keep(s, f);
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
		return late_take(s);
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
		let_go(s, take(s, which));
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

/* ---- life ---- */
static struct cx_stage *
stage(struct cx_dev *d, unsigned int dir)
{
	struct cx_stage *s = d->stage[dir];

	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->late = malloc(LATE_MAX * sizeof(*s->late));
	if (s->late == NULL) {
		free(s);
		return NULL;
	}
	s->dev = d;
	s->dir = dir;
	s->seed = d->impair->seed;
	s->crossing.tail = &s->crossing.head;
	s->held.tail = &s->held.head;
	d->stage[dir] = s;
	return s;
}

static bool
made(struct cx_dev *d)
{
	if (d->impair == NULL) {
		d->impair = calloc(1, sizeof(*d->impair));
		if (d->impair != NULL)
			d->impair->seed = 1;
	}
	return d->impair != NULL;
}

static bool
at_a_time(const struct cx_fault *f)
{
	return f->action >= FAULT_LINK && f->when == WHEN_TIME;
}

static bool
fits(const struct cx_dev *d, const struct cx_script *s)
{
	unsigned int i, dir, timed = d != NULL && d->impair != NULL ? d->impair->timed.n : 0;
	unsigned int n[CX_DIRS];

	for (dir = 0; dir < CX_DIRS; dir++)
		n[dir] = d != NULL && d->stage[dir] != NULL ? d->stage[dir]->faults.n : 0;
	for (i = 0; i < s->n; i++) {
		if (at_a_time(&s->at[i]))
			timed++;
		for (dir = 0; dir < CX_DIRS && !at_a_time(&s->at[i]); dir++)
			n[dir] += s->at[i].dir[dir];
	}
	return timed <= CX_FAULTS_MAX && n[CX_RX] <= CX_FAULTS_MAX && n[CX_TX] <= CX_FAULTS_MAX;
}

static void
add_to(struct cx_stage *s, const struct cx_fault *f)
{
	struct cx_fault *to = &s->faults.at[s->faults.n++];

	*to = *f;
	if (f->relative && f->when == WHEN_PACKET) {
		to->from += s->frames;
		to->to = f->to > UINT64_MAX - s->frames ? UINT64_MAX : f->to + s->frames;
	}
}

/* 0, or -1 and one line in error. */
static int
add(struct cx_dev *d, const struct cx_script *s, char *error, size_t size)
{
	unsigned int i, dir;

	if (!fits(d, s)) {
		snprintf(error, size, TOO_MANY, CX_FAULTS_MAX);
		return -1;
	}
	if (!made(d))
		goto no_memory;
	if (s->seeded)
		d->impair->seed = s->seed;
	for (i = 0; i < s->n; i++) {
		const struct cx_fault *f = &s->at[i];

		if (at_a_time(f)) {
			d->impair->timed.at[d->impair->timed.n++] = *f;
			continue;
		}
		for (dir = 0; dir < CX_DIRS; dir++) {
			if (!f->dir[dir])
				continue;
			if (stage(d, dir) == NULL)
				goto no_memory;
			add_to(d->stage[dir], f);
		}
	}
	for (dir = 0; dir < CX_DIRS; dir++)
		if (d->stage[dir] != NULL)
			d->stage[dir]->seed = d->impair->seed;
	return 0;
no_memory:
	snprintf(error, size, "no memory");
	return -1;
}

int
cx_faults_add(struct cx_dev *d, const char *text, char *error, size_t size)
{
	uint64_t now = cx_clock();
	struct cx_script s;
	int ret;

	cx_lock(d);
	ret = cx_script_parse(text, &s, d->epoch != 0 ? now - d->epoch : 0, error, size);
	if (ret == 0)
		ret = add(d, &s, error, size);
	cx_unlock(d);
	return ret;
}

/* The same for a program that finds it with dlsym(). nic: NULL is the first. */
CX_EXPORT int
connectx_faults_add(const char *nic, const char *text, char *error, size_t size)
{
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++)
		if (nic == NULL || strcmp(cx_devs[i]->conf.name, nic) == 0)
			return cx_faults_add(cx_devs[i], text, error, size);
	snprintf(error, size, "no NIC %s", nic != NULL ? nic : "at all");
	return -1;
}

int
cx_impair_check(const struct cx_nic_conf *c)
{
	struct cx_link link[CX_DIRS];
	struct cx_script s;
	char error[400];

	if (cx_script_parse(c->faults, &s, 0, error, sizeof(error)) != 0) {
		cx_log(0, "%s: faults: %s", c->name, error);
		return -1;
	}
	if (!fits(NULL, &s)) {
		cx_log(0, "%s: faults: " TOO_MANY, c->name, CX_FAULTS_MAX);
		return -1;
	}
	if (cx_shape_parse(c->shape, link, error, sizeof(error)) != 0) {
		cx_log(0, "%s: shape: %s", c->name, error);
		return -1;
	}
	return 0;
}

int
cx_impair_init(struct cx_dev *d)
{
	struct cx_link link[CX_DIRS];
	char error[400];
	unsigned int dir;

	if (d->conf.faults[0] != '\0' &&
			cx_faults_add(d, d->conf.faults, error, sizeof(error)) != 0)
		return -1;
	if (cx_shape_parse(d->conf.shape, link, error, sizeof(error)) != 0)
		return -1;
	for (dir = 0; dir < CX_DIRS; dir++) {
		if (!link[dir].on)
			continue;
		if (!made(d) || stage(d, dir) == NULL)
			return -1;
		d->stage[dir]->link = link[dir];
		d->stage[dir]->link.seed = cx_mix(d->impair->seed, UINT64_MAX - dir);
	}
	return 0;
}

void
cx_impair_free(struct cx_dev *d)
{
	struct slab *slab, *next;
	unsigned int dir;

	for (dir = 0; dir < CX_DIRS; dir++) {
		if (d->stage[dir] == NULL)
			continue;
		for (slab = d->stage[dir]->slabs; slab != NULL; slab = next) {
			next = slab->next;
			free(slab);
		}
		free(d->stage[dir]->late);
		free(d->stage[dir]);
		d->stage[dir] = NULL;
	}
	free(d->impair);
	d->impair = NULL;
}
