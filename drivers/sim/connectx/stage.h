/* SPDX-License-Identifier: BSD-3-Clause */
/* The stage of a direction, shared by impair.c, its memory (keep.c) and its making (script.c). */
#ifndef CONNECTX_STAGE_H
#define CONNECTX_STAGE_H

#include "connectx.h"
#include "impair.h"

#define LATE_MAX 65536 /* frames delayed by faults */
#define FRAME_ROOM (CX_MAX_FRAME + 64)
#define CX_CLASSES 4 /* sizes of buffers */

struct slab;

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
	struct kept *free[CX_CLASSES];
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

/* keep.c. A copy; NULL, counted, when there is no room for it. */
struct kept *cx_keep(struct cx_stage *s, const struct frame *f);
void cx_let_go(struct cx_stage *s, struct kept *k);
void cx_keep_free(struct cx_stage *s);
/* Frames delayed by faults, LATE_MAX at most: the earliest is late[0]. */
void cx_late_add(struct cx_stage *s, struct kept *k);
struct kept *cx_late_take(struct cx_stage *s);

#endif
