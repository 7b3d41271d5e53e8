/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of objects by id. They double when full; a freed id is the next one given out, so that a
 * program that makes and destroys rules for days stays in a small table. The caller holds cx.lock.
 */
#include "connectx.h"

static int
grow(struct cx_table *t)
{
	uint32_t n = t->n_slots ? t->n_slots * 2 : 1024;
	void **slot;
	uint32_t *ids;

	slot = realloc(t->slot, n * sizeof(*slot));
	if (slot == NULL)
		return -1;
	t->slot = slot;
	ids = realloc(t->free_ids, n * sizeof(*ids));
	if (ids == NULL)
		return -1;
	t->free_ids = ids;
	memset(slot + t->n_slots, 0, (n - t->n_slots) * sizeof(*slot));
	t->n_slots = n;
	return 0;
}

uint32_t
cx_table_add(struct cx_table *t, void *object)
{
	uint32_t id;

	if (t->n_free > 0) {
		id = t->free_ids[--t->n_free];
	} else {
		if (t->next < t->first)
			t->next = t->first;
		while (t->next >= t->n_slots) {
			if (t->next >= t->limit || grow(t) != 0) {
				errno = ENOMEM;
				return 0;
			}
		}
		if (t->next >= t->limit) {
			errno = ENOMEM;
			return 0;
		}
		id = t->next++;
	}
	t->slot[id] = object;
	return id;
}

void
cx_table_del(struct cx_table *t, uint32_t id)
{
	if (cx_table_get(t, id) == NULL)
		return;
	t->slot[id] = NULL;
	t->free_ids[t->n_free++] = id;
}
