/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate kept in software: a bucket that fills at so many bytes a second and holds a burst. It is
 * kept as the time at which it will be full, so nothing has to be filled while time passes.
 * Nanoseconds of any clock that does not go back. No locks, no calls: whoever sends does it.
 */
#ifndef DPVMA_BASE_PACE_H
#define DPVMA_BASE_PACE_H

#include <stdint.h>

#define PACE_SEC UINT64_C(1000000000)
/** Bytes of one call of these functions, at most, so that nothing overflows. */
#define PACE_BYTES_MAX UINT32_MAX

struct pace {
	uint64_t rate;	  /**< bytes/s, not 0 */
	uint32_t burst;	  /**< bytes that may go at once; less than a packet: a packet */
	uint64_t full_at; /**< when the bucket is full, if nothing goes until then; 0: it is */
	uint64_t rest;	  /**< of the division, so that the rate is kept exactly */
};

/** When so many bytes may go, at the earliest: at once if that is not after now. */
static inline uint64_t
pace_at(const struct pace *p, uint32_t bytes)
{
	uint64_t spare = p->burst > bytes ? (p->burst - bytes) * PACE_SEC / p->rate : 0;

	return p->full_at > spare ? p->full_at - spare : 0;
}

/**
 * They went. Who comes late has the lateness made good out of the burst; without a burst the next
 * packet may follow earlier by it, and by half of the distance at most, so that the rate is kept
 * and packets still do not stick together.
 */
static inline void
pace_take(struct pace *p, uint32_t bytes, uint64_t now)
{
	uint64_t units = bytes * PACE_SEC + p->rest, gap = units / p->rate;
	uint64_t late = p->burst > bytes ? 0 : gap / 2, from = now > late ? now - late : 0;

	p->rest = units % p->rate;
	p->full_at = (p->full_at > from ? p->full_at : from) + gap;
}

#endif
