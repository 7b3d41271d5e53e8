/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stage keeps frames in: buffers of a few sizes from free lists, which grow to a bound and
 * no further, and a heap of those that faults delay.
 */
#include "stage.h"

#define SLAB_BYTES (256u << 10)
#define KEPT_MAX (256u << 20) /* bytes of buffers, in each direction */

static const uint32_t class_size[CX_CLASSES] = { 256, 2048, 10240, FRAME_ROOM };

struct slab {
	struct slab *next;
	uint8_t first[] __attribute__((aligned(16)));
};

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

struct kept *
cx_keep(struct cx_stage *s, const struct frame *f)
{
	unsigned int class = 0;
	struct kept *k;

	while (class < CX_CLASSES && class_size[class] < f->len)
		class ++;
	if (class == CX_CLASSES || (s->free[class] == NULL && !grow(s, class))) {
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

void
cx_let_go(struct cx_stage *s, struct kept *k)
{
	k->next = s->free[k->class];
	s->free[k->class] = k;
}

void
cx_keep_free(struct cx_stage *s)
{
	struct slab *slab, *next;

	for (slab = s->slabs; slab != NULL; slab = next) {
		next = slab->next;
		free(slab);
	}
	free(s->late);
}

/* ---- frames delayed by faults: a heap, in order of time and then of arrival ---- */
static bool
earlier(const struct late *a, const struct late *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

void
cx_late_add(struct cx_stage *s, struct kept *k)
{
	struct late x = { .due = k->due, .seq = s->seq++, .k = k };
	uint32_t i = s->n_late++;

	while (i > 0 && earlier(&x, &s->late[(i - 1) / 2])) {
		s->late[i] = s->late[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->late[i] = x;
}

struct kept *
cx_late_take(struct cx_stage *s)
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
