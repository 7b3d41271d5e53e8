/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way in, for every packet: take a burst, check, find the flow, deliver runs. A plain packet
 * is checked by plain.h, the next of its flow by less; all else goes through parse.c and slow.c.
 *
 * A chunk of packets goes through in passes, so that the cache misses of a pass overlap: headers,
 * marks or table, sockets, delivery.
 */
#include "net/plain.h"

/* Packets a pass; the keys of a chunk stay in the first-level cache. */
#define CHUNK 64
/* Vector drivers take packets so many at a time, and return none for fewer. */
#define BURST_UNIT 8
/* How far headers are fetched ahead: a miss to memory is some five packets of work. */
#define AHEAD 6

#define COUNT_N(ring, name, n) STAT_ADD(&(ring)->stats, RING, name, n)

void
net_port_refresh(struct net_port *np, const struct port *port)
{
	uint64_t bits = 0, mac = 0;
	unsigned int i, n = RTE_MIN(port->n_addrs, PORT_ADDRS_MAX);

	for (i = 0; i < n; i++) {
		const struct port_addr *a = &port->addrs[i];

		if (ip_is_v4(&a->addr))
			bits |= net_src_bit(ip_v4(&a->addr));
		if (ip_is_v4(&a->broadcast) && !ip_is_any(&a->broadcast))
			bits |= net_src_bit(ip_v4(&a->broadcast));
	}
	memcpy(&mac, &port->mac, sizeof(port->mac));
	np->mac = mac;
	np->src_bits = bits;
	__atomic_store_n(&np->seen, port->generation + 1, __ATOMIC_RELEASE);
	net_changed(); /* addresses are in the templates of senders */
}

enum net_verdict
net_parse(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	struct context c = context_of(ring);

	if (likely(parse_fast(&c, m, pkt)))
		return NET_TRANSPORT;
	if (parse_chain(&c, m, pkt)) {
		net_coalesced(ring, m, pkt);
		return NET_TRANSPORT;
	}
	return net_parse_slow(ring, m, pkt);
}

static __rte_always_inline bool
key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t x[5], y[5];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

/*
 * The device matched a rule made from this key, so what remains is to see that the rule was this
 * flow's: a mark may be given to a new flow while packets of the old one are on their way.
 */
static __rte_always_inline bool
flow_takes(const struct flow_key *f, const struct flow_key *k)
{
	if (((f->local.d[0] ^ k->local.d[0]) | (f->local.d[1] ^ k->local.d[1])) != 0 ||
			f->lport != k->lport || f->vlan_id != k->vlan_id || f->proto != k->proto)
		return false;
	return (f->remote.d[0] | f->remote.d[1]) == 0 ||
			(ip_equal(&f->remote, &k->remote) && f->rport == k->rport);
}

/* A flow for any address takes what is sent to us in one way or another, and nothing else. */
static __rte_noinline bool
any_takes_slow(const struct ring *ring, const struct flow_key *k)
{
	if (ip_is_multicast(&k->local))
		return net_joined(ring->port, k->vlan_id, &k->local);
	return net_own(ring->port, k->vlan_id, &k->local) != NULL ||
			net_is_broadcast(ring->port, k->vlan_id, &k->local);
}

static inline bool
any_takes(const struct ring *ring, const struct flow_key *k)
{
	const struct port_addr *a = &ring->port->addrs[0];

	return (likely(ip_equal(&a->addr, &k->local)) && a->vlan_id == k->vlan_id) ||
			any_takes_slow(ring, k);
}

/* Good packets in a row that have one key. */
struct run {
	const struct flow_key *key;
	struct flow *flow;
	uint16_t first, n;
};

static __rte_always_inline bool
flow_is_any(const struct flow *f)
{
	return (f->key.local.d[0] | f->key.local.d[1]) == 0;
}

static void
drop_not_ours(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	COUNT_N(ring, drop_not_ours, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

/* Several rings have that key, and it is not the device that has chosen this one. */
static __rte_noinline void
deliver_spread(struct ring *ring, const struct run *r, struct rte_mbuf **pkts)
{
	struct flow *f = ring_spread_flow(r->flow, r->key);
	struct ring *to = __atomic_load_n(&f->ring, __ATOMIC_ACQUIRE);

	if (to != ring) {
		COUNT_N(ring, spread_soft, r->n);
		ring_give(ring, to, pkts, r->n);
	} else if (flow_is_any(f) && !any_takes(ring, r->key)) {
		drop_not_ours(ring, pkts, r->n);
	} else {
		f->sink->deliver(f->sink, ring, pkts, r->n);
	}
}

/* Flows of other rings, of several, of cyclic readers, of nobody. */
static __rte_noinline void
deliver_elsewhere(struct ring *ring, const struct run *r, struct rte_mbuf **pkts)
{
	uint16_t i;

	if (r->flow == NULL) {
		for (i = 0; i < r->n; i++)
			net_no_flow(ring, pkts[i], r->key);
	} else if (r->flow->spread != NULL) {
		deliver_spread(ring, r, pkts);
	} else if (r->flow->ring != ring) {
		ring_give(ring, r->flow->ring, pkts, r->n);
	} else {
		/* a cyclic reader's, which is not there yet: as a socket nobody bound */
		COUNT_N(ring, drop_no_socket, r->n);
		rte_pktmbuf_free_bulk(pkts, r->n);
	}
}

/* The flow of each run: by the device's mark, where it tells the truth, or by the table. */
static __rte_always_inline void
find_flows(struct ring *ring, struct rte_mbuf *const *pkts, struct run *runs, uint16_t n)
{
	struct flow *found[CHUNK];
	const struct flow_key *miss[CHUNK];
	uint16_t where[CHUNK];
	uint16_t i, n_miss = 0;

	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[runs[i].first];

		runs[i].flow = NULL;
		if (ring->marks && likely((m->ol_flags & RTE_MBUF_F_RX_FDIR_ID) != 0)) {
			runs[i].flow = ring_flow_of_mark(ring, m->hash.fdir.hi);
			rte_prefetch0(runs[i].flow);
		}
	}
	for (i = 0; i < n; i++) {
		if (likely(runs[i].flow != NULL && flow_takes(&runs[i].flow->key, runs[i].key)))
			continue;
		miss[n_miss] = runs[i].key;
		where[n_miss++] = i;
	}
	if (n_miss == 0)
		return;
	ring_flow_lookup(ring, miss, found, n_miss);
	for (i = 0; i < n_miss; i++)
		runs[where[i]].flow = found[i];
}

/* Whether this ring is where the flow's packets are delivered. */
static __rte_always_inline bool
is_here(const struct ring *ring, const struct flow *f)
{
	return f != NULL && f->ring == ring && (f->flags & FLOW_ELSEWHERE) == 0;
}

/* A run may follow one of that sink: the connections of an engine are one sink's, each a flow. */
static __rte_always_inline bool
joins(const struct ring *ring, const struct sink *sink, const struct run *r)
{
	return is_here(ring, r->flow) && r->flow->sink == sink &&
			(!flow_is_any(r->flow) || any_takes(ring, r->key));
}

/* From good packets and their keys to their sinks: runs of one sink that touch are one to it. */
static __rte_always_inline void
deliver(struct ring *ring, struct rte_mbuf **pkts, struct run *runs, uint16_t n)
{
	uint16_t i, j;

	find_flows(ring, pkts, runs, n);
	for (i = 0; i < n; i++)
		if (runs[i].flow != NULL)
			rte_prefetch0(runs[i].flow->sink);
	for (i = 0; i < n; i = j) {
		struct run *r = &runs[i];
		struct sink *sink;

		j = i + 1;
		if (unlikely(!is_here(ring, r->flow))) {
			deliver_elsewhere(ring, r, &pkts[r->first]);
			continue;
		}
		sink = r->flow->sink;
		if (unlikely(!joins(ring, sink, r))) {
			drop_not_ours(ring, &pkts[r->first], r->n);
			continue;
		}
		for (; j < n && joins(ring, sink, &runs[j]); j++)
			r->n += runs[j].n;
		sink->deliver(sink, ring, &pkts[r->first], r->n);
	}
}

/* The second line of the mbuf holds lengths, link and next; the head is what is parsed and copied.
 */
static __rte_always_inline void
prefetch_packet(struct rte_mbuf *m, uint16_t head)
{
	const char *p = rte_pktmbuf_mtod(m, const char *);
	uint16_t at;

	rte_prefetch0(p);
	rte_mbuf_prefetch_part2(m);
	head = RTE_MIN(head, m->data_len);
	for (at = RTE_CACHE_LINE_SIZE; at < head; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(p + at);
}

/* One more packet at the end, of the last run if it has that key. */
static __rte_always_inline uint16_t
add_run(struct run *runs, uint16_t n, const struct flow_key *key, uint16_t at)
{
	if (n != 0 && key_equal(runs[n - 1].key, key)) {
		runs[n - 1].n++;
		return n;
	}
	runs[n] = (struct run){ .key = key, .first = at, .n = 1 };
	return n + 1;
}

/* Runs of segments become shorter, and all that follows moves up. */
static __rte_noinline void
gro(struct ring *ring, uint32_t streams, struct rte_mbuf **pkts, struct run *runs, uint16_t n)
{
	uint16_t i, at = 0;

	for (i = 0; i < n; i++) {
		struct run *r = &runs[i];

		if (at != r->first)
			memmove(&pkts[at], &pkts[r->first], r->n * sizeof(*pkts));
		r->first = at;
		if (r->n > 1 && r->key->proto == IPPROTO_TCP && streams != 0) {
			r->n = net_gro(ring, &pkts[at], r->n);
			streams--;
		}
		at += r->n;
	}
}

/* rx_lock held; n <= CHUNK. Returns the bytes of the packets as they came. */
static inline uint64_t
input_chunk(struct ring *ring, const struct context *c, struct rte_mbuf **pkts, uint16_t n)
{
	struct net_packet pkt[CHUNK]; /* of the first of each run */
	struct run runs[CHUNK];
	struct rte_mbuf *good[CHUNK];
	const uint8_t *pattern = NULL; /* of the last run */
	uint64_t bytes = 0;
	uint16_t i, k = 0, r = 0;
	bool tcp = false;

	for (i = 0; i < n && i < AHEAD; i++)
		prefetch_packet(pkts[i], c->head);
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (i + AHEAD < n)
			prefetch_packet(pkts[i + AHEAD], c->head);
		bytes += m->pkt_len;
		if (pattern != NULL && likely(parse_same(c, m, pattern))) {
			runs[r - 1].n++;
			good[k++] = m;
			continue;
		}
		if (likely(parse_fast(c, m, &pkt[r]))) {
			pattern = pattern_of(m, &pkt[r]);
		} else if (parse_chain(c, m, &pkt[r])) {
			net_coalesced(ring, m, &pkt[r]);
			pattern = NULL;
		} else {
			m = net_slow(ring, m, &pkt[r]);
			if (m == NULL)
				continue;
			pattern = NULL;
		}
		tcp |= pkt[r].key.proto == IPPROTO_TCP;
		r = add_run(runs, r, &pkt[r].key, k);
		good[k++] = m;
	}
	/* a run of one packet each is nothing to put together */
	if (k > r && tcp && c->gro != 0)
		gro(ring, c->gro, good, runs, r);
	if (likely(k > 0))
		deliver(ring, good, runs, r);
	return bytes;
}

static uint64_t
input(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct context c = context_of(ring);
	uint64_t bytes = 0;
	uint16_t i, part;

	for (i = 0; i < n; i += part) {
		part = RTE_MIN(n - i, CHUNK);
		bytes += input_chunk(ring, &c, &pkts[i], part);
	}
	return bytes;
}

void
net_input(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	input(ring, pkts, n);
}

void
net_input_checked(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct flow_key key[CHUNK];
	struct run runs[CHUNK];
	uint16_t i, at, part, r;

	for (at = 0; at < n; at += part) {
		part = RTE_MIN(n - at, CHUNK);
		for (i = r = 0; i < part; i++) {
			net_key(pkts[at + i], &key[r]);
			r = add_run(runs, r, &key[r], i);
		}
		deliver(ring, &pkts[at], runs, r);
	}
}

static inline unsigned int
count(struct ring *ring, uint16_t n, uint64_t bytes)
{
	if (n == 0) {
		COUNT_N(ring, rx_empty, 1);
		return 0;
	}
	COUNT_N(ring, rx_bursts, 1);
	COUNT_N(ring, rx_packets, n);
	COUNT_N(ring, rx_bytes, bytes);
	return n;
}

/* Queues of the port that no ring has; on most ports there is none. */
static __rte_noinline unsigned int
poll_spares(struct ring *ring, struct rte_mbuf **pkts)
{
	unsigned int i, total = 0;
	uint16_t n;

	for (i = 0; i < ring->spare_queues; i++) {
		n = ring_rx_spare(ring, i, pkts, ring->burst);
		if (n > 0)
			total += count(ring, n, input(ring, pkts, n));
	}
	return total;
}

static __rte_noinline unsigned int
poll_handover(struct ring *ring, struct rte_mbuf **pkts)
{
	uint16_t n = ring_rx_handover(ring, pkts, ring->burst);

	if (n > 0)
		net_input_checked(ring, pkts, n);
	return n;
}

/* A ring for a cyclic reader that is not there yet: its packets wait in the queue. */
static bool
waits_for_reader(const struct ring *ring)
{
	const struct ring_profile *profile = ring_profile_get(ring->profile);

	return profile != NULL && profile->type == RING_PROFILE_CYCLIC;
}

static __rte_always_inline unsigned int
turn_one(struct ring *ring, struct ring_harvest *harvest, uint16_t burst)
{
	struct rte_mbuf *pkts[RING_BURST_MAX];
	unsigned int total = 0;
	uint16_t n;

	if (!ring_rx_trylock(ring))
		return 0;
	if (harvest != NULL)
		ring->harvest = harvest;
	if (unlikely(ring->intake != NULL)) {
		total = ring->intake(ring, ring->reader);
	} else if (unlikely(ring->profile != 0 && waits_for_reader(ring))) {
		total = 0;
	} else {
		if (unlikely(ring->handover != NULL && !rte_ring_empty(ring->handover)))
			total = poll_handover(ring, pkts);
		n = ring_rx(ring, pkts, burst);
		if (likely(n > 0))
			total += count(ring, n, input(ring, pkts, n));
		else
			count(ring, 0, 0);
		if (unlikely(ring->spare_queues > 0))
			total += poll_spares(ring, pkts);
	}
	if (unlikely(atomic_load_explicit(&net_loop_waiting, memory_order_relaxed) != 0))
		net_loop_drain(ring);
	if (harvest != NULL)
		ring->harvest = NULL;
	ring_rx_unlock(ring);
	return total;
}

static unsigned int
poll_one(struct ring *ring)
{
	return turn_one(ring, NULL, ring->burst);
}

unsigned int
net_poll(struct ring *ring)
{
	unsigned int n = poll_one(ring);

	if (unlikely(ring->helps != NULL))
		n += poll_one(ring->helps);
	return n;
}

unsigned int
net_reap(struct ring *ring, struct ring_harvest *harvest, uint16_t want)
{
	uint16_t burst = RTE_MIN(want, ring->burst);
	unsigned int n = turn_one(ring, harvest, RTE_ALIGN_CEIL(burst, BURST_UNIT));

	if (unlikely(ring->helps != NULL))
		n += poll_one(ring->helps);
	return n;
}
