/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that stay where they were received: in the strides of a device's buffer, of which one
 * mbuf is kept as the anchor while the others go back to their pool at once; or in the slots of an
 * ordered pool, whose mbufs are all kept until the run is released.
 */
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include "cyclic/cyclic_priv.h"

/** Mbufs ahead whose first line is fetched while one is looked at. */
#define AHEAD 4

/**
 * What makes a packet need a second look, but for its length: zero when it does not. Reads the
 * mbuf's first cache line only.
 */
static __rte_always_inline uint64_t
oddness(const struct rte_mbuf *m, uint64_t mask, uint64_t want, const uint8_t *next,
		const struct rte_mempool *pool)
{
	return ((m->ol_flags ^ want) & mask) | (uint64_t)(m->nb_segs ^ 1) |
			(uint64_t)(rte_mbuf_refcnt_read(m) ^ 1) |
			((uintptr_t)m->pool ^ (uintptr_t)pool) |
			(((uintptr_t)m->buf_addr + m->data_off) ^ (uintptr_t)next);
}

/**
 * Take a stride's mbuf off its buffer, as rte_pktmbuf_detach() does, with what is known here: one
 * reference, an external buffer that is not pinned. It spares the pool's private data and, where
 * IO addresses are virtual ones, the header before the mbuf: a cache line a packet.
 */
static __rte_always_inline void
detach(const struct cyclic *c, struct rte_mbuf *m, uint32_t mbuf_size, uint16_t buf_len)
{
	struct rte_mbuf_ext_shared_info *shinfo = m->shinfo;

	if (likely(rte_mbuf_ext_refcnt_update(shinfo, -1) == 0))
		shinfo->free_cb(m->buf_addr, shinfo->fcb_opaque);
	m->buf_addr = (char *)m + mbuf_size;
	rte_mbuf_iova_set(m,
			(c->iova_va ? (rte_iova_t)(uintptr_t)m : rte_mempool_virt2iova(m)) +
					mbuf_size);
	m->buf_len = buf_len;
	m->data_off = RTE_MIN((uint16_t)RTE_PKTMBUF_HEADROOM, buf_len);
	m->data_len = 0;
	m->ol_flags = 0;
}

unsigned int
cyclic_extend_device(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n)
{
	const uint64_t mask = c->flags_mask, want = c->flags_want;
	const uint32_t stride = c->stride;
	struct rte_mempool *pool = c->pool;
	const uint32_t mbuf_size = sizeof(struct rte_mbuf) + rte_pktmbuf_priv_size(pool);
	const uint16_t buf_len = rte_pktmbuf_data_room_size(pool);
	uint8_t *next = c->run.next;
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t len = m->data_len;

		if (unlikely(oddness(m, mask, want, next, pool) != 0 || len > stride))
			break;
		next += stride;
		bytes += len;
		detach(c, m, mbuf_size, buf_len);
	}
	if (likely(i > 0)) {
		rte_mempool_put_bulk(pool, (void *const *)pkts, i);
		c->run.next = next;
		c->run.packets += i;
		c->run.strides += i;
		c->run.bytes += bytes;
	}
	return i;
}

unsigned int
cyclic_extend_ordered(struct cyclic *c, struct rte_mbuf **pkts, unsigned int n)
{
	const uint64_t mask = c->flags_mask, want = c->flags_want;
	const uint32_t stride = c->stride;
	struct rte_mbuf **held = &c->held[c->run.held_n];
	uint8_t *next = c->run.next;
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (i + AHEAD < n)
			rte_prefetch0(pkts[i + AHEAD]);
		if (unlikely(oddness(m, mask, want, next, c->pool) != 0 || m->data_len > stride ||
				    next == c->base + c->base_len))
			break;
		next += stride;
		bytes += m->data_len;
		held[i] = m;
	}
	c->run.next = next;
	c->run.packets += i;
	c->run.strides += i;
	c->run.held_n += i;
	c->run.bytes += bytes;
	return i;
}

bool
cyclic_in_place(const struct cyclic *c, const struct rte_mbuf *m)
{
	uintptr_t off;

	if (m->nb_segs != 1)
		return false;
	switch (c->place) {
	case PLACE_DEVICE:
		/* A driver's copy lies in the mbuf itself. */
		return m->pool == c->pool && RTE_MBUF_HAS_EXTBUF(m) &&
				!RTE_MBUF_HAS_PINNED_EXTBUF(m);
	case PLACE_ORDERED:
		off = (uintptr_t)m->buf_addr + m->data_off - (uintptr_t)c->base;
		return m->pool == c->pool && off < c->base_len && off % c->stride == 0 &&
				m->data_len <= c->stride;
	default:
		return false;
	}
}

int
cyclic_break_in_place(const struct cyclic *c, const struct rte_mbuf *m)
{
	const struct run *r = &c->run;
	const uint8_t *addr = rte_pktmbuf_mtod(m, const uint8_t *);

	if (c->place == PLACE_DEVICE) {
		if (m->shinfo->fcb_opaque != r->buffer)
			return CYCLIC_STAT_break_buffer_end;
	} else if (addr < r->next && r->next == c->base + c->base_len) {
		return CYCLIC_STAT_break_wrap;
	}
	if (addr != r->next)
		return CYCLIC_STAT_break_gap;
	if (m->data_len > c->stride)
		return CYCLIC_STAT_break_size;
	return RUN_GOES_ON;
}

void
cyclic_place(struct cyclic *c, struct rte_mbuf *m)
{
	struct run *r = &c->run;
	uint8_t *addr = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t strides = RTE_MAX(1u, (m->data_len + c->stride - 1) / c->stride);
	bool first = r->packets == 0;

	if (first) {
		cyclic_run_open(c, m, c->place);
		r->start = addr;
		r->next = addr;
		r->slot = c->stride;
		r->hdr_slot = 0;
	}
	r->packets++;
	r->strides += strides;
	r->bytes += m->data_len;
	r->next += (size_t)strides * c->stride;
	if (c->place == PLACE_ORDERED) {
		c->held[r->held_n++] = m;
	} else if (first) {
		if (m->shinfo->fcb_opaque != r->buffer) {
			r->buffer = m->shinfo->fcb_opaque;
			c->device_base = addr;
		}
		r->anchor = m;
	} else {
		rte_pktmbuf_free_seg(m);
	}
}

void
cyclic_release(struct cyclic *c)
{
	struct run *r = &c->run;

	if (r->anchor != NULL) {
		rte_pktmbuf_free_seg(r->anchor);
		r->anchor = NULL;
	}
	if (r->held_n > 0) {
		rte_pktmbuf_free_bulk(c->held, r->held_n);
		r->held_n = 0;
	}
	r->packets = 0;
	r->strides = 0;
	r->bytes = 0;
	r->returned = false;
}
