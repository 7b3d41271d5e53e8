/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers: a hierarchical wheel (wheel.c). */
#ifndef DPVMA_TCP_WHEEL_H
#define DPVMA_TCP_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

/**
 * A connection has one entry in the wheel and several deadlines; the entry stands for the earliest
 * or for a time before it. A deadline that moves back costs nothing: the entry fires early and is
 * put in again.
 */
#define WHEEL_TICK_SHIFT 16 /**< 65.5 us */
#define WHEEL_BITS 8
#define WHEEL_STEP 7   /**< a slot lasts 2^7 slots of the level below: half of its round */
#define WHEEL_LEVELS 4 /**< 2^45 ns: 9.7 hours; what is later waits at the far end */
#define WHEEL_SLOTS (1u << WHEEL_BITS)
struct wheel_entry {
	struct wheel_entry *next, **prev; /**< prev NULL: not in the wheel */
	uint64_t at;			  /**< ns */
};
struct wheel {
	uint64_t tick; /**< all before have run */
	uint64_t next; /**< ns: nothing to do before; UINT64_MAX: empty */
	uint64_t filled[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	struct wheel_entry *slot[WHEEL_LEVELS][WHEEL_SLOTS];
};
void wheel_init(struct wheel *w, uint64_t now);
/** Put in, or move. Never fires before @p at, at most a tick after. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t at);
void wheel_del(struct wheel *w, struct wheel_entry *e);
/**
 * Take one entry that is due out of the wheel, NULL when there is none up to @p now. The caller may
 * set and delete any entry before it calls again. Call it until it says NULL: that moves the wheel
 * on, with a bounded part of the entries that go from one level to the next.
 */
struct wheel_entry *wheel_take(struct wheel *w, uint64_t now);
/**
 * A lower bound of when the next is due, or wheel_take() has entries to move; UINT64_MAX: none.
 * After wheel_take() said NULL it is later than the time given there.
 */
static inline uint64_t
wheel_next(const struct wheel *w)
{
	return w->next;
}

#endif
