/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way in, for every packet: take a burst, check, find the flow, deliver runs. A plain packet
 * (untagged or with one VLAN tag, no IP option, no fragment, UDP or TCP, one buffer, checksums
 * vouched for by the device) stays in this file; all else leaves it through parse.c and slow.c.
 *
 * A chunk of packets goes through in passes, so that the cache misses of a pass overlap: headers,
 * marks or table, sockets, delivery.
 */
#include <rte_tcp.h>

#include "net/net_priv.h"

/* Packets a pass; the keys of a chunk stay in the first-level cache. */
#define CHUNK 64
/* Vector drivers take packets so many at a time, and return none for fewer. */
#define BURST_UNIT 8
/* How far headers are fetched ahead: a miss to memory is some five packets of work. */
#define AHEAD 6

#define GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define SAID                                                                                       \
	(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_VLAN_STRIPPED)

#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
#define MAC_MASK UINT64_C(0x0000ffffffffffff)
#else
#define MAC_MASK UINT64_C(0xffffffffffff0000)
#endif

#define MIN_FRAME (RTE_ETHER_HDR_LEN + 20 + 8)

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

/* What a burst compares with, in registers. */
struct context {
	uint64_t mac, src_bits;
	uint64_t trusted; /* flags that pass although they are not GOOD */
	uint16_t head;	  /* VMA_RX_PREFETCH_BYTES */
};

static __rte_always_inline struct context
context_of(const struct ring *ring)
{
	const struct net_port *np = net_port_of(ring->port);

	return (struct context){ .mac = np->mac,
		.src_bits = np->src_bits,
		.trusted = ring->port->trusts_sender ? 0 : UINT64_MAX,
		.head = net_prefetch };
}

static __rte_always_inline bool
tcp_fits(const struct rte_tcp_hdr *tcp, uint16_t total)
{
	uint16_t hl;

	if (unlikely(total < NET_IPV4_LEN + sizeof(*tcp)))
		return false;
	hl = tcp->data_off / 16u * 4;
	return likely(hl >= sizeof(*tcp) && hl + NET_IPV4_LEN <= total);
}

/* All checks of the plain datagram or segment at once; false for whatever is not one, or not good.
 */
static __rte_always_inline bool
parse_fast(const struct context *c, struct rte_mbuf *m, struct net_packet *pkt)
{
	static const union {
		uint8_t b[8];
		uint64_t w;
	} mask = { { 0xff, 0, 0, 0, 0, 0, 0x3f, 0xff } }, want = { { 0x45 } };
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t said = m->ol_flags & SAID, dst_mac, first;
	uint16_t type, l2 = RTE_ETHER_HDR_LEN, vlan = 0, total, len, end;
	const struct rte_ipv4_hdr *ip;
	const struct rte_udp_hdr *udp;
	uint8_t src0;

	if (unlikely(m->data_len < MIN_FRAME || m->nb_segs != 1))
		return false;
	if (unlikely((said & (GOOD | RTE_MBUF_F_RX_VLAN_STRIPPED)) != GOOD && said != c->trusted))
		return false;
	memcpy(&type, p + 12, sizeof(type));
	if (type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		uint16_t tag[2];

		memcpy(tag, p + 14, sizeof(tag));
		if (type != RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
				tag[1] != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
				m->data_len < MIN_FRAME + NET_VLAN_LEN)
			return false;
		vlan = rte_be_to_cpu_16(tag[0]) & NET_VID_MASK;
		l2 += NET_VLAN_LEN;
	}
	ip = (const struct rte_ipv4_hdr *)(p + l2);
	memcpy(&first, ip, sizeof(first));
	if (unlikely((first & mask.w) != want.w))
		return false;
	udp = (const struct rte_udp_hdr *)(ip + 1);
	total = rte_be_to_cpu_16(ip->total_length);
	if (unlikely(total > m->data_len - l2))
		return false;
	if (likely(ip->next_proto_id == IPPROTO_UDP)) {
		len = rte_be_to_cpu_16(udp->dgram_len);
		if (unlikely(len < NET_UDP_LEN || len + 20u > total))
			return false;
	} else if (ip->next_proto_id == IPPROTO_TCP) {
		len = total - NET_IPV4_LEN;
		if (!tcp_fits((const struct rte_tcp_hdr *)udp, total) ||
				(m->ol_flags & RTE_MBUF_F_RX_LRO) != 0)
			return false;
	} else {
		return false;
	}
	memcpy(&dst_mac, p, sizeof(dst_mac));
	dst_mac &= MAC_MASK;
	src0 = *(const uint8_t *)&ip->src_addr;
	/* to us, or a group's packet in a frame for groups */
	if (dst_mac != c->mac &&
			((p[0] & 1) == 0 || (*(const uint8_t *)&ip->dst_addr & 0xf0) != 0xe0))
		return false;
	if (unlikely(src0 >= 224 || src0 == 127 || (c->src_bits & net_src_bit(ip->src_addr)) != 0))
		return false;

	pkt->key.local = ip_from_v4(ip->dst_addr);
	pkt->key.remote = ip_from_v4(ip->src_addr);
	pkt->key.lport = udp->dst_port;
	pkt->key.rport = udp->src_port;
	pkt->key.vlan_id = vlan;
	pkt->key.proto = ip->next_proto_id;
	pkt->key.zero = 0;
	pkt->l2_len = l2;
	pkt->l3_len = NET_IPV4_LEN;
	pkt->l4_len = len;
	m->tx_offload = l2 | (uint64_t)NET_IPV4_LEN << RTE_MBUF_L2_LEN_BITS;
	end = l2 + NET_IPV4_LEN + len;
	if (m->data_len != end) { /* Ethernet's padding */
		m->data_len = end;
		m->pkt_len = end;
	}
	return true;
}

enum net_verdict
net_parse(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	struct context c = context_of(ring);

	if (likely(parse_fast(&c, m, pkt)))
		return NET_TRANSPORT;
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

static __rte_noinline uint16_t
filter_any(struct ring *ring, struct rte_mbuf **pkts, const struct flow_key *const *keys,
		uint16_t n)
{
	uint16_t i, k = 0;

	for (i = 0; i < n; i++) {
		if (likely(any_takes(ring, keys[i]))) {
			pkts[k++] = pkts[i];
		} else {
			COUNT_N(ring, drop_not_ours, 1);
			rte_pktmbuf_free(pkts[i]);
		}
	}
	return k;
}

/* Flows of other rings, of cyclic readers, of nobody. */
static __rte_noinline void
deliver_elsewhere(struct ring *ring, struct flow *f, struct rte_mbuf **pkts,
		const struct flow_key *const *keys, uint16_t n)
{
	uint16_t i;

	if (f == NULL) {
		for (i = 0; i < n; i++)
			net_no_flow(ring, pkts[i], keys[i]);
	} else if (f->ring != ring) {
		ring_give(ring, f->ring, pkts, n);
	} else {
		/* a cyclic reader's, which is not there yet: as a socket nobody bound */
		COUNT_N(ring, drop_no_socket, n);
		rte_pktmbuf_free_bulk(pkts, n);
	}
}

static __rte_always_inline bool
flow_is_any(const struct flow *f)
{
	return (f->key.local.d[0] | f->key.local.d[1]) == 0;
}

/* From good packets and their keys to their sinks. */
static __rte_always_inline void
deliver(struct ring *ring, struct rte_mbuf **pkts, const struct flow_key *const *keys, uint16_t n)
{
	static const struct flow same_as_before;
	struct flow *const same = (struct flow *)(uintptr_t)&same_as_before;
	struct flow *flows[CHUNK], *found[CHUNK];
	const struct flow_key *miss[CHUNK];
	uint16_t where[CHUNK];
	uint16_t i, j, n_miss = 0;

	if (ring->marks) {
		for (i = 0; i < n; i++) {
			flows[i] = NULL;
			if (likely((pkts[i]->ol_flags & RTE_MBUF_F_RX_FDIR_ID) != 0)) {
				flows[i] = ring_flow_of_mark(ring, pkts[i]->hash.fdir.hi);
				rte_prefetch0(flows[i]);
			}
		}
		for (i = 0; i < n; i++) {
			if (likely(flows[i] != NULL && flow_takes(&flows[i]->key, keys[i])))
				continue;
			flows[i] = NULL;
			miss[n_miss] = keys[i];
			where[n_miss++] = i;
		}
	} else {
		miss[0] = keys[0];
		where[0] = 0;
		n_miss = 1;
		for (i = 1; i < n; i++) {
			flows[i] = same;
			if (!key_equal(keys[i], keys[i - 1])) {
				miss[n_miss] = keys[i];
				where[n_miss++] = i;
			}
		}
	}
	if (n_miss > 0) {
		ring_flow_lookup(ring, miss, found, n_miss);
		for (i = 0; i < n_miss; i++)
			flows[where[i]] = found[i];
	}
	for (i = 0; i < n; i++) {
		if (flows[i] == same)
			flows[i] = flows[i - 1];
		else if (flows[i] != NULL && (i == 0 || flows[i] != flows[i - 1]))
			rte_prefetch0(flows[i]->sink);
	}
	for (i = 0; i < n; i = j) {
		struct flow *f = flows[i];
		uint16_t run;

		for (j = i + 1; j < n && flows[j] == f; j++)
			;
		run = j - i;
		if (unlikely(f == NULL || f->ring != ring || (f->flags & FLOW_CYCLIC) != 0)) {
			deliver_elsewhere(ring, f, &pkts[i], &keys[i], run);
			continue;
		}
		if (flow_is_any(f)) {
			run = filter_any(ring, &pkts[i], &keys[i], run);
			if (run == 0)
				continue;
		}
		f->sink->deliver(f->sink, ring, &pkts[i], run);
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

/* rx_lock held; n <= CHUNK. Returns the bytes of the packets as they came. */
static inline uint64_t
input_chunk(struct ring *ring, const struct context *c, struct rte_mbuf **pkts, uint16_t n)
{
	struct net_packet pkt[CHUNK];
	const struct flow_key *keys[CHUNK];
	struct rte_mbuf *good[CHUNK];
	uint64_t bytes = 0;
	uint16_t i, k = 0;

	for (i = 0; i < n && i < AHEAD; i++)
		prefetch_packet(pkts[i], c->head);
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (i + AHEAD < n)
			prefetch_packet(pkts[i + AHEAD], c->head);
		bytes += m->pkt_len;
		keys[k] = &pkt[k].key;
		if (unlikely(!parse_fast(c, m, &pkt[k]))) {
			m = net_slow(ring, m, &pkt[k]);
			if (m == NULL)
				continue;
		}
		good[k++] = m;
	}
	if (likely(k > 0))
		deliver(ring, good, keys, k);
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
	const struct flow_key *keys[CHUNK];
	struct flow_key key[CHUNK];
	uint16_t i, at, part;

	for (at = 0; at < n; at += part) {
		part = RTE_MIN(n - at, CHUNK);
		for (i = 0; i < part; i++) {
			net_key(pkts[at + i], &key[i]);
			keys[i] = &key[i];
		}
		deliver(ring, &pkts[at], keys, part);
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
