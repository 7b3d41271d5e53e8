/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The link. As its serialiser is first in first out, a packet's whole fate is known when it is put
 * in: when its sending starts and ends, what CoDel thinks of the time it waited, when it arrives.
 * So there is no queue to run, only a heap of what is on the way.
 */
#include "sim_link.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "sim_rand.h"

#define SEC UINT64_C(1000000000)
#define CODEL_MTU 1514u /* RFC 8289 5.4: no dropping while less than a packet waits */

const char *
sim_fate_name(enum sim_fate fate)
{
	static const char *const names[] = { "passed", "lost", "queue-full", "aqm", "down",
		"too-big" };

	return names[fate];
}

static bool
probability(double p)
{
	return p >= 0 && p <= 1;
}

int
sim_link_init(struct sim_link *link, const struct sim_link_params *p, uint64_t seed)
{
	memset(link, 0, sizeof(*link));
	if (!probability(p->loss) || !probability(p->burst_enter) || !probability(p->burst_leave) ||
			!probability(p->burst_loss) || !probability(p->reorder) ||
			!probability(p->duplicate) || !probability(p->corrupt) ||
			p->n_drops > SIM_DROPS_MAX)
		return -EINVAL;
	link->params = *p;
	if (link->params.codel_interval == 0)
		link->params.codel_interval = 100000000;
	for (unsigned int i = 0; i < SIM_STREAMS; i++)
		link->random[i] = sim_mix(seed + i + 1);
	return 0;
}

void
sim_link_fini(struct sim_link *link)
{
	for (size_t i = 0; i < link->n; i++)
		rte_pktmbuf_free(link->heap[i].m);
	free(link->heap);
	memset(link, 0, sizeof(*link));
}

uint64_t
sim_link_queued(const struct sim_link *link, uint64_t now)
{
	if (link->busy_until <= now || link->params.rate == 0)
		return 0;
	return (uint64_t)((__uint128_t)(link->busy_until - now) * link->params.rate / (8 * SEC));
}

static bool
before(const struct sim_flight *a, const struct sim_flight *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void
fly(struct sim_link *link, uint64_t at, struct rte_mbuf *m)
{
	struct sim_flight f = { .at = at, .number = ++link->number, .m = m };
	size_t i = link->n++;

	if (link->n > link->room) {
		link->room = link->room == 0 ? 64 : link->room * 2;
		link->heap = realloc(link->heap, link->room * sizeof(*link->heap));
		if (link->heap == NULL)
			abort();
	}
	for (; i > 0 && before(&f, &link->heap[(i - 1) / 2]); i = (i - 1) / 2)
		link->heap[i] = link->heap[(i - 1) / 2];
	link->heap[i] = f;
}

struct rte_mbuf *
sim_link_take(struct sim_link *link, uint64_t now)
{
	struct sim_flight last;
	struct rte_mbuf *m;
	size_t i = 0, child;

	if (link->n == 0 || link->heap[0].at > now)
		return NULL;
	m = link->heap[0].m;
	last = link->heap[--link->n];
	while ((child = 2 * i + 1) < link->n) {
		if (child + 1 < link->n && before(&link->heap[child + 1], &link->heap[child]))
			child++;
		if (!before(&link->heap[child], &last))
			break;
		link->heap[i] = link->heap[child];
		i = child;
	}
	link->heap[i] = last;
	link->counts.taken++;
	return m;
}

/** The IPv4 header; NULL for anything else. */
static struct rte_ipv4_hdr *
ipv4(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip;

	if (m->data_len < m->l2_len + sizeof(*ip))
		return NULL;
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
	return ip->version == 4 ? ip : NULL;
}

/** RFC 3168: ECT becomes CE. False for a packet that is not ECT. */
static bool
ecn_mark(struct sim_link *link, struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = ipv4(m);
	uint16_t old, now;

	if (ip == NULL || (ip->type_of_service & 3) == 0)
		return false;
	memcpy(&old, ip, sizeof(old));
	ip->type_of_service |= 3;
	memcpy(&now, ip, sizeof(now));
	if (old != now) { /* RFC 1624: the checksum follows */
		uint32_t sum = (uint16_t)~ip->hdr_checksum + (uint16_t)~old + now;

		sum = (sum & 0xffff) + (sum >> 16);
		ip->hdr_checksum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	}
	link->counts.marked++;
	return true;
}

static bool
lost(struct sim_link *link)
{
	const struct sim_link_params *p = &link->params;
	bool gone = false;

	if (p->drop_every != 0 && link->counts.put % p->drop_every == 0)
		gone = true;
	if (link->next_drop < p->n_drops && link->counts.put == p->drops[link->next_drop]) {
		link->next_drop++;
		gone = true;
	}
	if (sim_rand_chance(&link->random[SIM_R_LOSS], p->loss))
		gone = true;
	if (p->burst_enter > 0) {
		double flip = link->bad ? p->burst_leave : p->burst_enter;

		if (sim_rand_chance(&link->random[SIM_R_BURST], flip))
			link->bad = !link->bad;
		if (link->bad && sim_rand_chance(&link->random[SIM_R_BURST], p->burst_loss))
			gone = true;
	}
	return gone;
}

static bool
is_down(const struct sim_link_params *p, uint64_t now)
{
	uint64_t since;

	if (p->down_for == 0 || now < p->down_at)
		return false;
	since = now - p->down_at;
	return (p->down_every != 0 ? since % p->down_every : since) < p->down_for;
}

static bool
too_big(const struct sim_link_params *p, uint64_t now, uint32_t len)
{
	uint32_t mtu = p->mtu_then != 0 && now >= p->mtu_at ? p->mtu_then : p->mtu;

	return mtu != 0 && len > mtu;
}

static uint64_t
codel_law(const struct sim_link *link, uint64_t t)
{
	return t + (uint64_t)((double)link->params.codel_interval / sqrt(link->drop_count));
}

/**
 * RFC 8289 5.5, at @p start, when the packet leaves the queue after @p waited.
 * @return true: signal congestion with this one
 */
static bool
codel(struct sim_link *link, uint64_t start, uint64_t waited, uint64_t queued)
{
	uint64_t interval = link->params.codel_interval;
	bool above = false;

	if (waited < link->params.codel || queued <= CODEL_MTU) {
		link->above_at = 0;
	} else if (link->above_at == 0) {
		link->above_at = start + interval;
	} else {
		above = start >= link->above_at;
	}
	if (!above) {
		link->dropping = false;
		return false;
	}
	if (link->dropping) {
		if (start < link->drop_next)
			return false;
		link->drop_count++;
		link->drop_next = codel_law(link, link->drop_next);
		return true;
	}
	link->dropping = true;
	if (link->drop_count - link->last_count > 1 && start - link->drop_next < 16 * interval)
		link->drop_count -= link->last_count;
	else
		link->drop_count = 1;
	link->drop_next = codel_law(link, start);
	link->last_count = link->drop_count;
	return true;
}

/** Time to send @p bytes that start at @p start; the rest of a division is kept. */
static uint64_t
serialise(struct sim_link *link, uint64_t start, uint64_t bytes)
{
	__uint128_t bits = (__uint128_t)bytes * 8 * SEC;

	if (link->params.rate == 0)
		return start;
	if (start == link->busy_until)
		bits += link->busy_rest;
	link->busy_rest = (uint64_t)(bits % link->params.rate);
	return start + (uint64_t)(bits / link->params.rate);
}

static void
flip_bit(struct sim_link *link, struct rte_mbuf *m)
{
	uint64_t bit = sim_rand_below(
			&link->random[SIM_R_BITS], (uint64_t)(m->data_len - m->l2_len) * 8);

	rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	link->counts.corrupted++;
}

/** On the wire from @p sent on. */
static void
propagate(struct sim_link *link, uint64_t sent, struct rte_mbuf *m)
{
	const struct sim_link_params *p = &link->params;
	uint64_t at = sent + p->delay;

	if (p->jitter != 0)
		at += sim_rand_below(&link->random[SIM_R_LATE], p->jitter + 1);
	if (sim_rand_chance(&link->random[SIM_R_LATE], p->reorder)) {
		at += p->reorder_for;
		link->counts.reordered++;
	}
	fly(link, at, m);
}

static enum sim_fate
fate_of(struct sim_link *link, uint64_t now, struct rte_mbuf *m, uint64_t bytes)
{
	const struct sim_link_params *p = &link->params;
	uint64_t queued = sim_link_queued(link, now), start;

	if (is_down(p, now))
		return SIM_DOWN;
	if (too_big(p, now, m->pkt_len - m->l2_len))
		return SIM_TOO_BIG;
	if (p->queue != 0 && queued + bytes > p->queue)
		return SIM_QUEUE_FULL;
	if (p->ecn_mark != 0 && queued >= p->ecn_mark)
		ecn_mark(link, m);
	start = RTE_MAX(now, link->busy_until);
	if (p->codel != 0 && codel(link, start, start - now, queued) && !ecn_mark(link, m))
		return SIM_AQM;
	if (queued + bytes > link->counts.queue_max)
		link->counts.queue_max = queued + bytes;
	link->busy_until = serialise(link, start, bytes);
	return lost(link) ? SIM_LOST : SIM_PASSED; /* on the wire, so it took its time */
}

enum sim_fate
sim_link_put(struct sim_link *link, uint64_t now, struct rte_mbuf *m)
{
	const struct sim_link_params *p = &link->params;
	enum sim_fate fate;
	struct rte_mbuf *twin;

	link->counts.put++;
	fate = fate_of(link, now, m, m->pkt_len + p->overhead);
	link->counts.fate[fate]++;
	if (fate != SIM_PASSED) {
		rte_pktmbuf_free(m);
		return fate;
	}
	link->counts.bytes += m->pkt_len;
	if (sim_rand_chance(&link->random[SIM_R_DUP], p->duplicate) &&
			(twin = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX)) != NULL) {
		twin->l2_len = m->l2_len;
		link->counts.duplicated++;
		propagate(link, link->busy_until, twin);
	}
	if (sim_rand_chance(&link->random[SIM_R_BITS], p->corrupt))
		flip_bit(link, m);
	propagate(link, link->busy_until, m);
	return fate;
}
