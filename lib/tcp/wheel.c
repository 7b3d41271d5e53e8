/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers: a hierarchical timing wheel. It knows deadlines and entries; what an entry stands for is
 * timer.c's.
 *
 * A level has 256 slots. A slot of level 0 is a tick, a slot of level L lasts 128 of level L - 1,
 * so that the rounds of two levels overlap by half:
 *
 *	level 0  |0 1 2 ...       127 128 ...      255|
 *	level 1  |  slot 0           |    slot 1      |   slot 2   ...   slot 255 |
 *
 * An entry lies in the lowest level whose round reaches its tick; from level 1 on that is two slots
 * ahead at least. The slot after the current one hence fits the level below whole, for as long as
 * the current one lasts, and its entries move down a few at a time: no single call moves a million
 * keepalive timers, as the one that turns a wheel with disjoint levels does. What has not moved
 *when its slot begins (the caller slept) moves then.
 *
 * Bitmaps say which slots are filled, so that a jump of days costs no more than the entries it
 * passes. Entries beyond the last level wait in its farthest slot.
 */
#include <limits.h>

#include "tcp/tcp_priv.h"

/* Entries that one call moves down ahead of time. */
#define MOVE_MAX 64u

#define SHIFT(level) ((level)*WHEEL_STEP)
#define SLOT_MASK (WHEEL_SLOTS - 1)

static inline uint64_t
tick_ns(uint64_t tick)
{
	return tick << WHEEL_TICK_SHIFT;
}

/* The tick at which a slot's entries must have moved down; of level 0, at which they are due. */
static inline uint64_t
slot_start(unsigned int level, uint64_t unit)
{
	return unit << SHIFT(level);
}

void
wheel_init(struct wheel *w, uint64_t now)
{
	memset(w, 0, sizeof(*w));
	w->tick = now >> WHEEL_TICK_SHIFT;
	w->next = UINT64_MAX;
}

static inline void
link_in(struct wheel *w, struct wheel_entry *e, unsigned int level, uint64_t unit)
{
	unsigned int s = unit & SLOT_MASK;
	struct wheel_entry **head = &w->slot[level][s];

	e->next = *head;
	e->prev = head;
	if (e->next != NULL)
		e->next->prev = &e->next;
	else
		w->filled[level][s / 64] |= UINT64_C(1) << (s % 64);
	*head = e;
}

/* Links e by e->at. Returns the tick at which wheel_take() has something to do with it. */
static inline uint64_t
place(struct wheel *w, struct wheel_entry *e)
{
	uint64_t t = (e->at >> WHEEL_TICK_SHIFT) + ((e->at & (tick_ns(1) - 1)) != 0);
	uint64_t unit, now;

	t = RTE_MAX(t, w->tick);
	if (t - w->tick < WHEEL_SLOTS) {
		link_in(w, e, 0, t);
		return t;
	}
	for (unsigned int level = 1;; level++) {
		unit = t >> SHIFT(level);
		now = w->tick >> SHIFT(level);
		if (level == WHEEL_LEVELS - 1)
			unit = RTE_MIN(unit, now + SLOT_MASK);
		if (unit - now < WHEEL_SLOTS) {
			link_in(w, e, level, unit);
			return slot_start(level, unit - 1);
		}
	}
}

static inline void
link_out(struct wheel *w, struct wheel_entry *e)
{
	struct wheel_entry **heads = &w->slot[0][0];
	uintptr_t at = ((uintptr_t)e->prev - (uintptr_t)heads) / sizeof(*heads);

	*e->prev = e->next;
	if (e->next != NULL)
		e->next->prev = e->prev;
	else if (at < WHEEL_LEVELS * WHEEL_SLOTS)
		(&w->filled[0][0])[at / 64] &= ~(UINT64_C(1) << (at % 64));
	e->prev = NULL;
}

void
wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t at)
{
	uint64_t next;

	if (e->prev != NULL)
		link_out(w, e);
	e->at = at;
	next = tick_ns(place(w, e));
	if (next < w->next)
		w->next = next;
}

void
wheel_del(struct wheel *w, struct wheel_entry *e)
{
	if (e->prev != NULL)
		link_out(w, e);
}

/* The first filled slot of a level from the current one on, counted since time began. */
static uint64_t
first_filled(const struct wheel *w, unsigned int level)
{
	const uint64_t *filled = w->filled[level];
	uint64_t now = w->tick >> SHIFT(level), bits;
	unsigned int from = now & SLOT_MASK, word = from / 64;

	bits = filled[word] & (UINT64_MAX << (from % 64));
	for (unsigned int i = 0; i <= WHEEL_SLOTS / 64; i++) {
		if (bits != 0) {
			unsigned int s = word * 64 + (unsigned int)rte_bsf64(bits);

			return now + ((s - from) & SLOT_MASK);
		}
		word = (word + 1) % (WHEEL_SLOTS / 64);
		bits = filled[word];
	}
	return UINT64_MAX;
}

/* Move entries of a slot of a level above 0 down, max at most. Returns how many. */
static unsigned int
move_down(struct wheel *w, unsigned int level, uint64_t unit, unsigned int max)
{
	struct wheel_entry **head = &w->slot[level][unit & SLOT_MASK], *e;
	unsigned int n;

	for (n = 0; n < max && (e = *head) != NULL; n++) {
		link_out(w, e);
		place(w, e);
	}
	return n;
}

/* Nothing is due: move some of what comes next, and find out when to look again. */
static void
turn(struct wheel *w)
{
	unsigned int left = MOVE_MAX;
	uint64_t next, unit;

	/* Lower levels first: their slots begin earlier. */
	for (unsigned int level = 1; level < WHEEL_LEVELS; level++)
		left -= move_down(w, level, (w->tick >> SHIFT(level)) + 1, left);
	next = first_filled(w, 0);
	for (unsigned int level = 1; level < WHEEL_LEVELS; level++) {
		unit = first_filled(w, level);
		if (unit != UINT64_MAX)
			next = RTE_MIN(next, slot_start(level, unit - 1));
	}
	w->next = next == UINT64_MAX ? UINT64_MAX : tick_ns(RTE_MAX(next, w->tick + 1));
}

/* An entry that is due by tick until, which stays linked; the wheel stands at its tick then. */
static struct wheel_entry *
advance(struct wheel *w, uint64_t until)
{
	for (;;) {
		uint64_t due = first_filled(w, 0), start = UINT64_MAX;
		unsigned int from = 0;

		for (unsigned int level = 1; level < WHEEL_LEVELS; level++) {
			uint64_t unit = first_filled(w, level);

			if (unit != UINT64_MAX && slot_start(level, unit) < start) {
				start = slot_start(level, unit);
				from = level;
			}
		}
		if (RTE_MIN(due, start) > until) {
			w->tick = until;
			return NULL;
		}
		if (due < start) {
			w->tick = due;
			return w->slot[0][due & SLOT_MASK];
		}
		w->tick = start;
		move_down(w, from, start >> SHIFT(from), UINT_MAX);
	}
}

struct wheel_entry *
wheel_take(struct wheel *w, uint64_t now)
{
	uint64_t until = now >> WHEEL_TICK_SHIFT;
	struct wheel_entry *e;

	if (now < w->next || until < w->tick)
		return NULL;
	e = w->slot[0][w->tick & SLOT_MASK];
	if (e == NULL)
		e = advance(w, until);
	if (e == NULL) {
		turn(w);
		return NULL;
	}
	link_out(w, e);
	return e;
}
