/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive timestamps of the device, and what they are in nanoseconds of CLOCK_REALTIME. A device
 * counts ticks of a clock of its own, whose speed ethdev does not tell: it is measured against the
 * system's clock between one look at both and a later one, and measured again about once a second.
 */
/* rte_eth_read_clock() and the seqlock are older than their stable ABI. */
#define ALLOW_EXPERIMENTAL_API
#include <errno.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_mbuf_dyn.h>
#include <rte_seqlock.h>

#include "ring/ring_priv.h"

/* A speed is worth something when the looks are so far apart, in ns. */
#define MEASURE_MIN 2000000u

int ring_mbuf_meta_offset = -1;
int ring_mbuf_timestamp_offset = -1;
uint64_t ring_mbuf_timestamp_flag;

/* ns = base_ns + (ticks - base_ticks) * ns_per_tick */
struct rate {
	uint64_t base_ticks, base_ns;
	double ns_per_tick;
	double ticks_per_s; /* when to measure again */
};

struct clock_of_port {
	bool known;    /**< the port was looked at */
	bool readable; /**< rte_eth_read_clock() works */
	rte_seqlock_t lock;
	uint64_t last_ticks, last_ns;
	struct rate rate; /**< ns_per_tick 0: not measured yet */
};

static struct clock_of_port clocks[PORT_MAX];

int
timestamp_init(void)
{
	static const struct rte_mbuf_dynfield meta = {
		.name = "dpvma_meta",
		.size = sizeof(struct ring_meta),
		.align = __alignof__(struct ring_meta),
	};

	ring_mbuf_meta_offset = rte_mbuf_dynfield_register(&meta);
	if (ring_mbuf_meta_offset < 0 ||
			rte_mbuf_dyn_rx_timestamp_register(&ring_mbuf_timestamp_offset,
					&ring_mbuf_timestamp_flag) != 0) {
		int err = rte_errno;

		LOG_ERROR("no room in the mbuf for fields of 24 and 8 bytes (%s): the program has "
			  "registered too many of its own",
				rte_strerror(err));
		return -err;
	}
	schedule_init();
	return 0;
}

static uint64_t
realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Both clocks at one moment: the system's before and after the device's, the mean counts. */
static bool
look(uint16_t port_id, uint64_t *ticks, uint64_t *ns)
{
	uint64_t before = realtime_ns();

	if (rte_eth_read_clock(port_id, ticks) != 0)
		return false;
	*ns = before + (realtime_ns() - before) / 2;
	return true;
}

void
timestamp_port(struct port *port)
{
	struct clock_of_port *c = &clocks[port->index];

	if (c->known || !port->caps.hw_timestamp)
		return;
	rte_seqlock_init(&c->lock);
	c->readable = look(port->id, &c->last_ticks, &c->last_ns);
	c->known = true;
}

/* How fast the device's clock ran since the last look, and what it shows now. */
static void
measured(struct clock_of_port *c, uint64_t ticks, uint64_t ns)
{
	double ns_per_tick = (double)(ns - c->last_ns) / (double)(ticks - c->last_ticks);
	double before = c->rate.ns_per_tick;

	/* Nobody's quartz is off by a percent: the system's clock was set. */
	if (before == 0 || (ns_per_tick > before * 0.99 && ns_per_tick < before * 1.01)) {
		c->rate.ns_per_tick = ns_per_tick;
		c->rate.ticks_per_s = (double)NS_PER_S / ns_per_tick;
	}
	c->rate.base_ticks = ticks;
	c->rate.base_ns = ns;
}

static __rte_noinline void
measure(struct clock_of_port *c, uint16_t port_id)
{
	uint64_t ticks, ns;

	rte_seqlock_write_lock(&c->lock);
	if (look(port_id, &ticks, &ns)) {
		bool forward = ns > c->last_ns && ticks > c->last_ticks;

		if (forward && ns - c->last_ns > MEASURE_MIN)
			measured(c, ticks, ns);
		/* a short first measurement counts until a long one is there */
		if (!forward || ns - c->last_ns > NS_PER_S / 2) {
			c->last_ticks = ticks;
			c->last_ns = ns;
		}
	}
	rte_seqlock_write_unlock(&c->lock);
}

static struct rate
rate_of(struct clock_of_port *c)
{
	struct rate r;
	uint32_t seq;

	do {
		seq = rte_seqlock_read_begin(&c->lock);
		r = c->rate;
	} while (rte_seqlock_read_retry(&c->lock, seq));
	return r;
}

/* False when the device's clock cannot be related to the system's. */
static bool
rate_at(const struct ring *ring, uint64_t ticks, struct rate *r)
{
	struct clock_of_port *c = &clocks[ring->port->index];

	if (!c->known || !c->readable)
		return false;
	*r = rate_of(c);
	if (unlikely(r->ns_per_tick == 0 ||
			    (double)(int64_t)(ticks - r->base_ticks) > r->ticks_per_s)) {
		measure(c, ring->port_id);
		*r = rate_of(c);
	}
	return r->ns_per_tick != 0;
}

void
ring_clock_of(const struct ring *ring, const struct rte_mbuf *m, struct ring_clock *clock)
{
	uint64_t ticks = *RTE_MBUF_DYNFIELD(
			m, ring_mbuf_timestamp_offset, const rte_mbuf_timestamp_t *);
	enum conf_hw_ts how = conf()->hw_ts_conversion;
	struct rate r;

	clock->kind = RING_CLOCK_NONE;
	if (how == CONF_HW_TS_OFF)
		return;
	/* the device's clock is disciplined and counts ns of real time */
	if (how == CONF_HW_TS_RAW || how == CONF_HW_TS_PTP) {
		clock->kind = RING_CLOCK_RAW;
	} else if (rate_at(ring, ticks, &r)) {
		clock->kind = RING_CLOCK_SYNCED;
		clock->ticks = r.base_ticks;
		clock->ns = r.base_ns;
		clock->ns_per_tick = r.ns_per_tick;
	} else if (how == CONF_HW_TS_BEST) {
		clock->kind = RING_CLOCK_RAW;
	}
}

uint64_t
ring_timestamp_ns(const struct ring *ring, const struct rte_mbuf *m)
{
	struct ring_clock clock;

	if ((m->ol_flags & ring_mbuf_timestamp_flag) == 0)
		return 0;
	ring_clock_of(ring, m, &clock);
	return ring_clock_ns(&clock, m);
}
