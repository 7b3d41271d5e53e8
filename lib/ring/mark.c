/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Marks: the number that a flow's rule puts on its packets, an index into a table of the port that
 * all its rings read.
 */
#include <errno.h>
#include <stdlib.h>

#include "ring/ring_priv.h"

/* The device's MARK has 24 bits, and mlx5 keeps the last few for itself. */
#define MARK_LIMIT 0xffff00u
/* Marks that rest before they are used again, so that a late packet does not meet a new flow. */
#define MARK_REST 32
#define MARKS_MIN 64

int
marks_grow(struct ring_port *rp)
{
	uint32_t n = rp->by_mark_n == 0 ? MARKS_MIN : rp->by_mark_n * 2;
	struct flow **marks, **old = rp->by_mark;
	uint32_t *rest;
	struct ring_ctl *ctl;

	if (rp->by_mark_n >= MARK_LIMIT)
		return -ENOSPC;
	marks = calloc(n, sizeof(*marks));
	rest = calloc(n, sizeof(*rest));
	if (marks == NULL || rest == NULL) {
		free(marks);
		free(rest);
		return -ENOMEM;
	}
	if (rp->by_mark_n > 0)
		memcpy(marks, old, rp->by_mark_n * sizeof(*marks));
	for (uint32_t i = 0; i < rp->mark_free_n; i++)
		rest[i] = rp->mark_free[(rp->mark_free_head + i) % rp->by_mark_n];
	free(rp->mark_free);
	rp->mark_free = rest;
	rp->mark_free_head = 0;
	rp->by_mark = marks;
	rp->by_mark_n = n;
	if (rp->mark_next == 0)
		rp->mark_next = 1; /* 0 is a packet without a mark */
	TAILQ_FOREACH (ctl, &rp->rings, next) {
		ring_rx_lock(&ctl->ring);
		ctl->ring.by_mark = marks;
		ctl->ring.by_mark_n = n;
		ring_rx_unlock(&ctl->ring);
	}
	free(old);
	return 0;
}

static uint32_t
mark_pop(struct ring_port *rp)
{
	uint32_t mark = rp->mark_free[rp->mark_free_head];

	rp->mark_free_head = (rp->mark_free_head + 1) % rp->by_mark_n;
	rp->mark_free_n--;
	return mark;
}

int
mark_get(struct ring_port *rp, uint32_t *mark)
{
	if (rp->mark_next >= RTE_MIN(rp->by_mark_n, MARK_LIMIT)) {
		int ret = rp->mark_free_n >= MARK_REST ? -EAGAIN : marks_grow(rp);

		if (ret != 0) {
			if (rp->mark_free_n == 0)
				return ret;
			*mark = mark_pop(rp);
			return 0;
		}
	}
	*mark = rp->mark_next++;
	return 0;
}

void
mark_put(struct ring_port *rp, uint32_t mark)
{
	rp->mark_free[(rp->mark_free_head + rp->mark_free_n) % rp->by_mark_n] = mark;
	rp->mark_free_n++;
}
