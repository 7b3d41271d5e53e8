/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader of a ring: made and given back here, and the read itself, which gathers pending
 * packets and bursts into a run until something ends it. Where a packet lies and what moves it is
 * the sources' matter.
 */
#include <errno.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>

#include "cyclic/cyclic_priv.h"

/** Packets for others that one read passes on before it returns with what it has. */
#define OTHERS_MAX (4 * RING_BURST_MAX)

#define CHECKSUM_GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define CHECKSUM_BAD (RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD)
/** Of cyclic.flags_mask: what the device says about checksums. */
#define CHECKSUM (CHECKSUM_GOOD | CHECKSUM_BAD)

/** Copy a packet that cannot stay where it is. The packet is taken unless it ends the run first. */
static int
settle_copy(struct cyclic *c, struct rte_mbuf *m)
{
	int why = cyclic_copy_one(c, m);

	if (why > 0)
		return why;
	c->head++;
	if (why == RUN_GOES_ON) {
		/* With a stride that fits, a driver copies only for want of buffers. */
		if (c->place == PLACE_DEVICE && m->nb_segs == 1 &&
				m->data_len + (uint32_t)RTE_PKTMBUF_HEADROOM <= c->stride)
			c->pool_low = true;
		if (c->run.strides > c->run.packets)
			why = CYCLIC_STAT_break_size;
	} else if (why == -EMSGSIZE) {
		STAT_INC(&c->stats, CYCLIC, drop_oversize);
		c->error = why;
		why = CYCLIC_STAT_break_size;
	} else {
		STAT_INC(&c->stats, CYCLIC, drop_bad);
		why = CYCLIC_STAT_break_bad;
	}
	rte_pktmbuf_free(m);
	return why;
}

/**
 * Put the next pending packet into the run with all the care that the fast loops spare, or take it
 * away when it belongs nowhere.
 * @return why the run ends in front of the packet or with it, or RUN_GOES_ON
 */
static __rte_noinline int
settle(struct cyclic *c)
{
	struct rte_mbuf *m = c->pending[c->head];
	uint8_t before = c->pending_before[c->head];
	struct run *r = &c->run;
	bool in_place;
	int why;

	if (before == BEFORE_BAD) {
		c->pending_before[c->head] = BEFORE_NOTHING;
		if (r->packets > 0)
			return CYCLIC_STAT_break_bad;
	}
	if (((m->ol_flags ^ c->flags_want) & c->flags_mask & CHECKSUM) != 0) {
		switch (cyclic_look(c, m)) {
		case LOOK_GOOD:
			/* Software has said it now. */
			m->ol_flags &= ~(c->flags_mask & CHECKSUM);
			m->ol_flags |= c->flags_want & CHECKSUM;
			break;
		case LOOK_BAD:
			c->head++;
			return CYCLIC_STAT_break_bad;
		default:
			c->head++;
			c->others -= RTE_MIN(c->others, 1u);
			/* A copied run misses nothing. */
			return c->place == PLACE_COPY ? RUN_GOES_ON : CYCLIC_STAT_break_foreign;
		}
	}
	in_place = cyclic_in_place(c, m);
	if (r->packets > 0 && in_place != (r->place != PLACE_COPY)) {
		if (in_place)
			return CYCLIC_STAT_break_gap;
		return m->nb_segs > 1 ? CYCLIC_STAT_break_segments : CYCLIC_STAT_break_copied;
	}
	if (!in_place)
		return settle_copy(c, m);
	why = r->packets > 0 ? cyclic_break_in_place(c, m) : RUN_GOES_ON;
	if (why == CYCLIC_STAT_break_gap && before == BEFORE_FOREIGN)
		why = CYCLIC_STAT_break_foreign;
	if (why != RUN_GOES_ON)
		return why;
	c->head++;
	if (m->data_len > c->stride)
		why = CYCLIC_STAT_break_size;
	cyclic_place(c, m);
	return why;
}

/** What of @p n pending packets continues the open run without a second look. */
static inline unsigned int
extend(struct cyclic *c, unsigned int n)
{
	struct rte_mbuf **pkts = &c->pending[c->head];
	const uint8_t *bad;

	if (likely(c->run.place == PLACE_DEVICE))
		return cyclic_extend_device(c, pkts, n);
	if (c->run.place == PLACE_ORDERED)
		return cyclic_extend_ordered(c, pkts, n);
	/* A copied run on an ordered pool: only the addresses tell what need not be copied. */
	if (c->place == PLACE_ORDERED)
		return 0;
	/* In place, what is missing shows in the address; here it would not. */
	bad = memchr(&c->pending_before[c->head], BEFORE_BAD, n);
	if (unlikely(bad != NULL))
		n = (unsigned int)(bad - &c->pending_before[c->head]);
	return n == 0 ? 0 : c->copy.pack(c, pkts, n);
}

/** On a port that does not steer, our packets may have come in at its default ring. */
static __rte_noinline unsigned int
take_elsewhere(struct cyclic *c)
{
	unsigned int n = net_poll(c->ring->helps);

	c->others -= RTE_MIN(c->others, n);
	return n;
}

/**
 * Add packets to the run until something ends it. Returns what: an enum cyclic_stat.
 * @param enough packets with which it returns when the queue was just found drained
 */
static int
gather(struct cyclic *c, size_t enough, size_t max)
{
	struct run *r = &c->run;
	unsigned int n, done;
	int why;

	for (;;) {
		if (r->packets >= max)
			return CYCLIC_STAT_break_max;
		n = c->tail - c->head;
		if (n == 0) {
			if (c->drained && r->packets >= enough)
				return CYCLIC_STAT_break_idle;
			if (likely(cyclic_take(c) > 0))
				continue;
			if (unlikely(c->ring->helps != NULL) && c->others > 0 &&
					take_elsewhere(c) > 0)
				continue;
			return CYCLIC_STAT_break_idle;
		}
		n = (unsigned int)RTE_MIN(n, max - r->packets);
		done = r->packets > 0 ? extend(c, n) : 0;
		c->head += done;
		if (likely(done == n))
			continue;
		why = settle(c);
		if (why != RUN_GOES_ON && (r->packets > 0 || c->error != 0))
			return why;
		if (unlikely(c->others == 0))
			return CYCLIC_STAT_break_idle;
	}
}

/** Hand the run over; it stays held until the next read. */
static void
give(struct cyclic *c, struct cyclic_run *out)
{
	struct run *r = &c->run;
	struct cyclic_stats *s = &c->stats;

	r->returned = true;
	out->payload = r->start;
	out->packets = r->packets;
	out->payload_len = (size_t)r->strides * r->slot;
	out->usr_hdr = r->hdr_slot != 0 ? r->hdr_start : NULL;
	out->usr_hdr_len = (size_t)r->packets * r->hdr_slot;
	STAT_INC(s, CYCLIC, reads);
	STAT_INC(s, CYCLIC, runs);
	STAT_ADD(s, CYCLIC, packets, r->packets);
	STAT_ADD(s, CYCLIC, bytes, r->bytes);
	if (!c->filter)
		STAT_ADD(&c->ring->stats, RING, rx_bytes, r->bytes);
}

/** Does the pool still have a burst for the queue? Once a read, a few loads. */
static inline bool
ran_low(const struct cyclic *c)
{
	return c->pool_low ||
			(c->place == PLACE_ORDERED && rte_mempool_avail_count(c->pool) < c->burst);
}

static int
read_locked(struct cyclic *c, size_t min, size_t max, bool want_time, struct cyclic_run *out)
{
	struct run *r = &c->run;
	int why;

	if (likely(r->returned))
		cyclic_release(c);
	out->packets = 0;
	if (unlikely(c->error != 0 && r->packets == 0)) {
		why = c->error;
		c->error = 0;
		return why;
	}
	c->others = OTHERS_MAX;
	c->pool_low = false;
	c->drained = false;
	why = gather(c, RTE_MAX(min, (size_t)1), RTE_MIN(max, (size_t)c->run_max));
	if (unlikely(ran_low(c)))
		STAT_INC(&c->stats, CYCLIC, pool_low);
	if (r->packets == 0 || (r->packets < min && why == CYCLIC_STAT_break_idle)) {
		STAT_INC(&c->stats, CYCLIC, reads_empty);
		why = r->packets == 0 ? c->error : 0;
		c->error = r->packets == 0 ? 0 : c->error;
		return why;
	}
	give(c, out);
	c->stats.c[why]++;
	if (want_time) {
		out->hw_timestamp.tv_sec = (time_t)(r->time_ns / 1000000000u);
		out->hw_timestamp.tv_nsec = (long)(r->time_ns % 1000000000u);
	}
	return 0;
}

int
cyclic_read(struct cyclic *c, size_t min, size_t max, bool want_time, struct cyclic_run *run)
{
	struct ring *ring = c->ring;
	int ret;

	if (unlikely(min > max || max == 0))
		return -EINVAL;
	if (unlikely(!ring_rx_trylock(ring))) {
		if (__atomic_load_n(&c->reading, __ATOMIC_RELAXED))
			return -EBUSY;
		ring_rx_lock(ring);
	}
	__atomic_store_n(&c->reading, true, __ATOMIC_RELAXED);
	ret = read_locked(c, min, max, want_time, run);
	__atomic_store_n(&c->reading, false, __ATOMIC_RELAXED);
	ring_rx_unlock(ring);
	return ret;
}

/** Where packets will lie and which of them need a second look. */
static void
set_up(struct cyclic *c, const struct ring_profile *profile, bool shared)
{
	const struct port *port = c->ring->port;
	struct ring *ring = c->ring;

	c->stride = ring_profile_padded_stride(profile);
	c->place = PLACE_COPY;
	if (profile->mode == CYCLIC_PADDED && !profile->external && !shared &&
			ring->stride == c->stride) {
		if (ring->striding)
			c->place = PLACE_DEVICE;
		else if (ring->stride_pool)
			c->place = PLACE_ORDERED;
	}
	c->run_max = UINT32_MAX;
	if (c->place == PLACE_ORDERED) {
		c->base = ring->stride_base;
		c->base_len = (size_t)ring->strides * ring->stride;
		c->run_max = RTE_MAX(profile->num, 1u);
		c->run_max = RTE_MIN(c->run_max, ring->strides);
	}
	c->pool = ring->rx_pool;
	c->burst = RTE_MIN(ring->burst, RING_BURST_MAX);
	c->iova_va = rte_eal_iova_mode() == RTE_IOVA_VA;
	c->time_flag = ring_mbuf_timestamp_flag;
	/*
	 * Where the device steers and checks, what it says of a packet is enough. Elsewhere every
	 * packet is parsed when it is taken, and its flags say nothing more. Rules for a group's
	 * link address alone let packets for other ports in.
	 */
	c->filter = shared || !ring->isolated || conf()->eth_mc_l2_only_rules ||
			!(port->trusts_sender || (port->ip_rx_checksum && port->l4_rx_checksum));
	if (!c->filter) {
		c->flags_mask = port->trusts_sender ? CHECKSUM_BAD : CHECKSUM;
		c->flags_want = port->trusts_sender ? 0 : CHECKSUM_GOOD;
	}
	if (c->place == PLACE_DEVICE) {
		c->flags_mask |= RTE_MBUF_F_EXTERNAL;
		c->flags_want |= RTE_MBUF_F_EXTERNAL;
	}
}

static struct cyclic *
make(struct ring *ring, const struct ring_profile *profile, bool shared)
{
	int node = ring->port->socket_id;
	struct cyclic *c;

	c = rte_zmalloc_socket("cyclic", sizeof(*c), RTE_CACHE_LINE_SIZE, node);
	if (c == NULL)
		goto none;
	c->ring = ring;
	set_up(c, profile, shared);
	if (c->place == PLACE_ORDERED) {
		c->held = rte_zmalloc_socket("cyclic", c->run_max * sizeof(*c->held), 0, node);
		if (c->held == NULL)
			goto none;
	}
	if (cyclic_copy_init(c, profile) != 0)
		goto fail;
	return c;
none:
	LOG_ERROR("cyclic ring: no memory for a reader of %u strides: give EAL more (-m, huge "
		  "pages)",
			profile->num);
fail:
	if (c != NULL)
		rte_free(c->held);
	rte_free(c);
	return NULL;
}

/** ring->reader_end. */
static void
end(struct ring *ring __rte_unused, void *reader)
{
	cyclic_put(reader);
}

static int
attach(struct ring *ring, const struct ring_profile *profile, bool shared, struct cyclic **cyclic)
{
	struct cyclic *c;

	if (profile == NULL || profile->type != RING_PROFILE_CYCLIC)
		return -EOPNOTSUPP;
	/* a ring that was made to send by */
	if (profile->external && ring->memory.iov_base == NULL)
		return -EOPNOTSUPP;
	c = make(ring, profile, shared);
	if (c == NULL)
		return -ENOMEM;
	ring_rx_lock(ring);
	if (ring->intake == cyclic_intake) {
		*cyclic = ring->reader; /* another thread was faster */
	} else {
		*cyclic = c;
		ring->reader = c;
		ring->reader_end = end;
		ring->intake = cyclic_intake;
	}
	ring_rx_unlock(ring);
	if (*cyclic != c) {
		cyclic_copy_fini(c);
		rte_free(c->held);
		rte_free(c);
	}
	return 0;
}

struct cyclic *
cyclic_of(const struct ring *ring)
{
	return ring->intake == cyclic_intake ? ring->reader : NULL;
}

int
cyclic_get(struct ring *ring, struct cyclic **cyclic)
{
	const struct ring_profile *profile;

	*cyclic = cyclic_of(ring);
	if (likely(*cyclic != NULL))
		return 0;
	profile = ring_profile_get(ring->profile);
	if (ring->shared_profile != 0 && (profile == NULL || profile->type != RING_PROFILE_CYCLIC))
		return attach(ring, ring_profile_get(ring->shared_profile), true, cyclic);
	return attach(ring, profile, false, cyclic);
}

int
cyclic_get_shared(struct ring *ring, int profile, struct cyclic **cyclic)
{
	*cyclic = cyclic_of(ring);
	if (*cyclic != NULL)
		return 0;
	return attach(ring, ring_profile_get(profile), ring->profile != profile, cyclic);
}

void
cyclic_put(struct cyclic *c)
{
	struct ring *ring;

	if (c == NULL)
		return;
	ring = c->ring;
	ring_rx_lock(ring);
	ring->intake = NULL;
	ring->reader_end = NULL;
	ring->reader = NULL;
	cyclic_release(c);
	if (c->tail > c->head)
		rte_pktmbuf_free_bulk(&c->pending[c->head], c->tail - c->head);
	ring_rx_unlock(ring);
	cyclic_copy_fini(c);
	rte_free(c->held);
	rte_free(c);
}

bool
cyclic_waiting(const struct cyclic *c)
{
	/* A run that was too short for its reader does not count: it has been told. */
	return c->tail != c->head;
}

const struct cyclic_stats *
cyclic_stats(const struct cyclic *c)
{
	return &c->stats;
}

const char *
cyclic_source_name(const struct cyclic *c)
{
	switch (c->place) {
	case PLACE_DEVICE:
		return "zero-copy over device strides";
	case PLACE_ORDERED:
		return "zero-copy over an ordered pool";
	default:
		return "copy";
	}
}

int
cyclic_memory(const struct cyclic *c, void **addr, size_t *len)
{
	switch (c->place) {
	case PLACE_DEVICE:
		if (c->device_base == NULL)
			return -EAGAIN;
		*addr = c->device_base;
		*len = (size_t)c->ring->strides * c->stride;
		break;
	case PLACE_ORDERED:
		*addr = c->base;
		*len = c->base_len;
		break;
	default:
		*addr = c->copy.payload;
		*len = c->copy.payload_len;
		break;
	}
	return 0;
}
