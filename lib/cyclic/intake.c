/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the ring to the reader's pending packets: bursts, packets that other rings hand over, and on
 * a port that does not steer the sorting out of what belongs to somebody else.
 */
#include <string.h>

#include <rte_prefetch.h>

#include "cyclic/cyclic_priv.h"

/** Packets ahead whose headers are fetched. */
#define AHEAD 4

/** What net_parse() has counted as corrupt; all else that it drops was for somebody else. */
static uint64_t
corrupt(const struct ring *ring)
{
	const struct ring_stats *s = &ring->stats;

	return STAT_GET(s, RING, drop_ip_header) + STAT_GET(s, RING, drop_ip_checksum) +
			STAT_GET(s, RING, drop_udp_length) + STAT_GET(s, RING, drop_udp_checksum) +
			STAT_GET(s, RING, drop_short);
}

enum cyclic_look
cyclic_look(struct cyclic *c, struct rte_mbuf *m)
{
	uint64_t before = corrupt(c->ring);

	switch (net_parse(c->ring, m, &c->parsed[0])) {
	case NET_TRANSPORT:
		return LOOK_GOOD;
	case NET_SLOW:
		net_input(c->ring, &m, 1);
		return LOOK_FOREIGN;
	default:
		rte_pktmbuf_free(m);
		if (corrupt(c->ring) == before)
			return LOOK_FOREIGN;
		STAT_INC(&c->stats, CYCLIC, drop_bad);
		return LOOK_BAD;
	}
}

/** A flow for any address takes what is sent to an address of the port's; groups have flows. */
static bool
any_takes(const struct port *port, const struct flow_key *key)
{
	for (unsigned int i = 0; i < port->n_addrs; i++)
		if (port->addrs[i].vlan_id == key->vlan_id &&
				(ip_equal(&port->addrs[i].addr, &key->local) ||
						ip_equal(&port->addrs[i].broadcast, &key->local)))
			return true;
	return false;
}

/** Do packets with this key belong to the ring's cyclic reader? */
static inline bool
ours(const struct ring *ring, const struct flow *flow, const struct flow_key *key)
{
	return flow != NULL && (flow->flags & FLOW_CYCLIC) != 0 && flow->ring == ring &&
			(!ip_is_any(&flow->key.local) || any_takes(ring->port, key));
}

static inline bool
same_key(const struct flow_key *a, const struct flow_key *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

/**
 * Keep the packets of the ring's cyclic flows, in order; pass the others to net_input().
 * @return packets kept, at the front of @p pkts
 */
static __rte_noinline unsigned int
sort_out(struct cyclic *c, struct rte_mbuf **pkts, uint8_t *before, unsigned int n)
{
	const struct flow_key *keys[RING_BURST_MAX];
	struct flow *flows[RING_BURST_MAX];
	struct rte_mbuf *foreign[RING_BURST_MAX];
	uint16_t key_of[RING_BURST_MAX];
	enum { NO_KEY = UINT16_MAX, CORRUPT = UINT16_MAX - 1 };
	bool take[RING_BURST_MAX];
	unsigned int i, kept = 0, n_foreign = 0, n_keys = 0;
	uint64_t bytes = 0, was_corrupt = corrupt(c->ring);

	for (i = 0; i < RTE_MIN(n, (unsigned int)AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (i = 0; i < n; i++) {
		struct net_packet *p = &c->parsed[i];

		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + AHEAD], void *));
		bytes += pkts[i]->pkt_len;
		key_of[i] = NO_KEY;
		switch (net_parse(c->ring, pkts[i], p)) {
		case NET_TRANSPORT:
			/* Mostly one stream: a lookup a change of key. */
			if (n_keys == 0 || !same_key(keys[n_keys - 1], &p->key))
				keys[n_keys++] = &p->key;
			key_of[i] = (uint16_t)(n_keys - 1);
			break;
		case NET_SLOW:
			break;
		default:
			rte_pktmbuf_free(pkts[i]);
			pkts[i] = NULL;
			if (corrupt(c->ring) != was_corrupt) {
				was_corrupt = corrupt(c->ring);
				STAT_INC(&c->stats, CYCLIC, drop_bad);
				key_of[i] = CORRUPT;
			}
			break;
		}
	}
	if (n_keys > 0)
		ring_flow_lookup(c->ring, keys, flows, (uint16_t)n_keys);
	for (i = 0; i < n_keys; i++)
		take[i] = ours(c->ring, flows[i], keys[i]);
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (m == NULL) {
			c->before = key_of[i] == CORRUPT ? BEFORE_BAD
							 : RTE_MAX(c->before, BEFORE_FOREIGN);
		} else if (key_of[i] != NO_KEY && take[key_of[i]]) {
			before[kept] = c->before;
			pkts[kept++] = m;
			/* counted with their run */
			if (!c->filter)
				bytes -= m->pkt_len;
			c->before = BEFORE_NOTHING;
		} else {
			c->before = RTE_MAX(c->before, BEFORE_FOREIGN);
			foreign[n_foreign++] = m;
		}
	}
	if (n_foreign > 0)
		net_input(c->ring, foreign, (uint16_t)n_foreign);
	STAT_ADD(&c->ring->stats, RING, rx_bytes, bytes);
	c->others -= RTE_MIN(c->others, n - kept);
	return kept;
}

/** Place for a burst behind the pending packets. */
static inline bool
make_room(struct cyclic *c)
{
	uint32_t n = c->tail - c->head;

	if (likely(n == 0)) {
		c->head = 0;
		c->tail = 0;
	} else if (c->tail + c->burst > PENDING_MAX) {
		if (n + c->burst > PENDING_MAX)
			return false;
		memmove(c->pending, &c->pending[c->head], n * sizeof(c->pending[0]));
		memmove(c->pending_before, &c->pending_before[c->head], n);
		c->head = 0;
		c->tail = n;
	}
	return true;
}

/** The default ring of a port that does not steer serves queues that no ring owns. */
static __rte_noinline unsigned int
from_spare(struct cyclic *c, struct rte_mbuf **pkts)
{
	unsigned int i, n = 0;

	for (i = 0; i < c->ring->spare_queues && n == 0; i++)
		n = ring_rx_spare(c->ring, i, pkts, c->burst);
	return n;
}

unsigned int
cyclic_take(struct cyclic *c)
{
	struct ring *ring = c->ring;
	struct rte_mbuf **pkts;
	unsigned int n, kept;

	if (unlikely(!make_room(c)))
		return 0;
	pkts = &c->pending[c->tail];
	n = ring_rx_handover(ring, pkts, c->burst);
	if (unlikely(n > 0)) {
		c->drained = false;
		c->tail += sort_out(c, pkts, &c->pending_before[c->tail], n);
		return n;
	}
	n = ring_rx(ring, pkts, c->burst);
	/* Some PMDs give 32 at once, whatever one asks for: a full burst is the largest there was.
	 */
	c->drained = n < c->full_burst && ring->helps == NULL;
	if (unlikely(n > c->full_burst))
		c->full_burst = n;
	if (unlikely(n == 0 && ring->spare_queues > 0))
		n = from_spare(c, pkts);
	if (n == 0) {
		/* What flows that have gone left here is gone, too. */
		ring->plain_late = false;
		STAT_INC(&ring->stats, RING, rx_empty);
		return 0;
	}
	STAT_INC(&ring->stats, RING, rx_bursts);
	STAT_ADD(&ring->stats, RING, rx_packets, n);
	kept = n;
	if (unlikely(c->filter || ring->plain_flows != 0 || ring->plain_late))
		kept = sort_out(c, pkts, &c->pending_before[c->tail], n);
	else
		memset(&c->pending_before[c->tail], BEFORE_NOTHING, n);
	c->tail += kept;
	return n;
}

static __rte_noinline void
drop_oldest(struct cyclic *c)
{
	uint32_t n = RTE_MIN((uint32_t)c->burst, c->tail - c->head);

	rte_pktmbuf_free_bulk(&c->pending[c->head], n);
	c->head += n;
	STAT_ADD(&c->stats, CYCLIC, drop_unread, n);
}

uint16_t
cyclic_intake(struct ring *ring, void *reader)
{
	struct cyclic *c = reader;

	/*
	 * Without room the packets stay in the queue until the application reads, but where they
	 * would stand in the way of those of others.
	 */
	if (unlikely(ring->plain_flows != 0 && c->tail - c->head + c->burst > PENDING_MAX))
		drop_oldest(c);
	return (uint16_t)cyclic_take(c);
}
