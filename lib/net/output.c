/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way out: link and IP headers from the destination's template before what a transport made,
 * checksums, and the ring. What does not fit the MTU and what has no link address yet leaves this
 * file.
 *
 * The IP header's checksum is always finished here: all of it but two words is summed in the
 * template, so three additions are cheaper than asking the device. The transport's covers the data
 * and is left to devices that can.
 */
#include "net/net_priv.h"

/* Where the checksum lies in a transport header; 0: it has none. */
static inline uint16_t
checksum_at(uint8_t proto)
{
	return proto == IPPROTO_UDP	       ? offsetof(struct rte_udp_hdr, dgram_cksum)
			: proto == IPPROTO_TCP ? 16
					       : 0;
}

static inline bool
checksum_offloaded(const struct net_dst *d)
{
	const uint64_t can = d->port->caps.tx_offloads;

	return d->proto == IPPROTO_UDP ? (can & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0
				       : (can & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
}

/* m begins with its transport header, the field zero. */
static __rte_noinline void
checksum_soft(const struct net_dst *d, struct rte_mbuf *m)
{
	uint16_t at = checksum_at(d->proto), sum;
	uint32_t len = m->pkt_len;

	if (at == 0)
		return;
	sum = net_fold(d->pseudo_sum + rte_cpu_to_be_16((uint16_t)len) + net_sum(m, 0, len));
	sum = (uint16_t)~sum;
	/* zero means none in UDP (RFC 768) */
	if (sum == 0 && d->proto == IPPROTO_UDP)
		sum = 0xffff;
	*rte_pktmbuf_mtod_offset(m, uint16_t *, at) = sum;
}

/* The device adds the data to the sum of the pseudo header, which it finds in the field. */
static inline void
checksum_offload(const struct net_dst *d, struct rte_mbuf *m)
{
	*rte_pktmbuf_mtod_offset(m, uint16_t *, checksum_at(d->proto)) =
			net_fold(d->pseudo_sum + rte_cpu_to_be_16((uint16_t)m->pkt_len));
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 |
			(d->proto == IPPROTO_UDP ? RTE_MBUF_F_TX_UDP_CKSUM
						 : RTE_MBUF_F_TX_TCP_CKSUM);
	m->tx_offload = rte_mbuf_tx_offload(d->l2_len, d->hdr_len - d->l2_len, 0, 0, 0, 0, 0);
}

/* Headers before the transport's; the caller saw to the headroom. */
static inline void
put_headers(const struct net_dst *d, struct rte_mbuf *m, uint16_t id)
{
	uint8_t *p;
	struct rte_ipv4_hdr *ip;

	m->data_off -= d->hdr_len;
	m->data_len += d->hdr_len;
	m->pkt_len += d->hdr_len;
	p = rte_pktmbuf_mtod(m, uint8_t *);
	/* 34 or 38 bytes: two fixed moves, the second of which overlaps the first */
	memcpy(p, d->hdr, 32);
	memcpy(p + d->hdr_len - 8, d->hdr + d->hdr_len - 8, 8);
	ip = (struct rte_ipv4_hdr *)(p + d->l2_len);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(m->pkt_len - d->l2_len));
	ip->packet_id = rte_cpu_to_be_16(id);
	ip->hdr_checksum = (uint16_t)~net_fold(
			(uint32_t)d->hdr_sum + ip->total_length + ip->packet_id);
}

/* A packet of several segments, of which each fits the way, and all of it is an IP packet. */
static inline bool
has_segments(const struct net_dst *d, const struct rte_mbuf *m)
{
	uint16_t l3 = d->hdr_len - d->l2_len;

	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 && m->tso_segsz != 0 &&
			m->pkt_len > m->l4_len && m->l4_len + m->tso_segsz <= d->mtu - l3 &&
			m->pkt_len + l3 <= UINT16_MAX;
}

/* Identifications are counted up from the first. */
static uint16_t
ids_of(const struct net_dst *d, const struct rte_mbuf *m, uint16_t id)
{
	return d->df ? id : net_ip_id((uint16_t)((m->pkt_len - m->l4_len) / m->tso_segsz + 1));
}

/*
 * The device makes segments of it and sums every header; the transport's pseudo header is summed
 * without its length. Returns false when it cannot.
 */
static __rte_noinline bool
output_tso(const struct net_dst *d, struct rte_mbuf *m, uint16_t id)
{
	uint16_t l3 = d->hdr_len - d->l2_len;
	struct rte_ipv4_hdr *ip;

	if (unlikely(!d->port->caps.tx_tso || !has_segments(d, m)))
		return false;
	id = ids_of(d, m, id);
	*rte_pktmbuf_mtod_offset(m, uint16_t *, checksum_at(IPPROTO_TCP)) = net_fold(d->pseudo_sum);
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM;
	m->l2_len = d->l2_len;
	m->l3_len = l3;
	put_headers(d, m, id);
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, d->l2_len);
	ip->hdr_checksum = 0;
	return true;
}

/* In one new buffer, for a port that takes no chains. NULL: freed and counted. */
static __rte_noinline struct rte_mbuf *
output_one_buffer(struct ring *ring, struct rte_mbuf *m)
{
	struct rte_mbuf *one = rte_pktmbuf_copy(m, ring->tx_pool, 0, UINT32_MAX);

	rte_pktmbuf_free(m);
	if (likely(one != NULL && one->nb_segs == 1))
		return one;
	rte_pktmbuf_free(one);
	net_count_tx(ring, RING_STAT_tx_no_mbuf, 1);
	return NULL;
}

/* The same by software. Returns packets accepted, 0 or 1. */
static __rte_noinline uint16_t
output_gso(const struct net_dst *d, struct ring *ring, struct rte_mbuf *m, uint16_t id)
{
	m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	m->l2_len = d->l2_len;
	m->l3_len = d->hdr_len - d->l2_len;
	put_headers(d, m, ids_of(d, m, id));
	return segment_send(d, ring, m, checksum_offloaded(d));
}

/* Longer than the way allows. Returns packets accepted, 0 or 1. */
static __rte_noinline uint16_t
output_big(const struct net_dst *d, struct ring *ring, struct rte_mbuf *m, uint16_t id)
{
	uint32_t total = m->pkt_len + d->hdr_len - d->l2_len;

	if (!d->port->caps.tx_tso && has_segments(d, m))
		return output_gso(d, ring, m, id);
	if (d->df || total > UINT16_MAX || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) {
		net_count_tx(ring, RING_STAT_tx_too_big, 1);
		rte_pktmbuf_free(m);
		return 0;
	}
	if (!d->no_check)
		checksum_soft(d, m);
	put_headers(d, m, id);
	return fragment_send(ring, m, d->l2_len, d->mtu) ? 1 : 0;
}

/*
 * The application may take its memory away while the frame waits: a device that sends from anywhere
 * would read it then.
 */
static __rte_noinline struct rte_mbuf *
output_own(struct ring *ring, struct rte_mbuf *m)
{
	struct rte_mbuf *own = rte_pktmbuf_copy(m, ring->tx_pool, 0, UINT32_MAX);

	if (own != NULL) {
		own->tx_offload = m->tx_offload;
		own->ol_flags &= ~RTE_MBUF_F_EXTERNAL;
	} else {
		net_count_tx(ring, RING_STAT_tx_no_mbuf, 1);
	}
	rte_pktmbuf_free(m);
	return own;
}

/* A frame to wait for its link address, or NULL: freed and counted. */
static struct rte_mbuf *
prepare_unresolved(const struct net_dst *d, struct ring *ring, struct rte_mbuf *m, uint16_t id)
{
	uint32_t total = m->pkt_len + d->hdr_len - d->l2_len;
	bool tso = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;

	if (m->nb_segs > 1 && RTE_MBUF_HAS_EXTBUF(m->next)) {
		m = output_own(ring, m);
		if (m == NULL)
			return NULL;
	}
	if (tso ? !output_tso(d, m, id) : total > UINT16_MAX || (d->df && total > d->mtu)) {
		net_count_tx(ring, RING_STAT_tx_too_big, 1);
		rte_pktmbuf_free(m);
		return NULL;
	}
	m->hash.usr = tso ? UINT16_MAX : d->mtu; /* see neigh_hold() */
	if (tso)
		return m;
	if (m->nb_segs > 1 && !d->port->caps.tx_multi_seg && total <= d->mtu) {
		m = output_one_buffer(ring, m);
		if (m == NULL)
			return NULL;
	}
	if (!d->no_check) {
		if (total <= d->mtu && checksum_offloaded(d) && checksum_at(d->proto) != 0)
			checksum_offload(d, m);
		else
			checksum_soft(d, m);
	}
	put_headers(d, m, id);
	m->l2_len = d->l2_len;
	return m;
}

/* The link address is missing: whole frames wait for it, those too long before fragmentation. */
static __rte_noinline uint16_t
output_unresolved(struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i, k = 0, id = net_ip_id(n);

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = prepare_unresolved(d, ring, pkts[i], id + i);

		if (m != NULL)
			pkts[k++] = m;
	}
	return neigh_hold(d, ring, pkts, k);
}

uint16_t
net_output(struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t l3 = d->hdr_len - d->l2_len, room = d->mtu - l3;
	uint16_t i, start = 0, accepted = 0, id;
	bool soft = !d->no_check;
	bool offload = soft && checksum_at(d->proto) != 0 && checksum_offloaded(d);
	bool chains = d->port->caps.tx_multi_seg;

	if (unlikely(!d->resolved))
		return output_unresolved(d, ring, pkts, n);
	if (unlikely(d->ttl == 0)) {
		/* for this host only (RFC 1112 6.1): net_loopback() has brought it there */
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	if (d->neigh != NULL && !d->neigh->used)
		d->neigh->used = true;
	id = net_ip_id(n);
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool tso = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;

		if (tso && likely(output_tso(d, m, id + i)))
			continue;
		if (unlikely(m->nb_segs > 1 && !chains && m->pkt_len <= room))
			m = pkts[i] = output_one_buffer(ring, m);
		if (unlikely(m == NULL || m->pkt_len > room || tso)) {
			/* what came before goes first */
			if (i > start)
				accepted += ring_tx(ring, &pkts[start], i - start, false);
			if (m != NULL)
				accepted += output_big(d, ring, m, id + i);
			start = i + 1;
			continue;
		}
		if (likely(offload))
			checksum_offload(d, m);
		else if (soft)
			checksum_soft(d, m);
		put_headers(d, m, id + i);
	}
	if (i > start)
		accepted += ring_tx(ring, &pkts[start], i - start, false);
	return accepted;
}

void
net_dummy(const struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t room = d->mtu - (d->hdr_len - d->l2_len);

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (!d->resolved || m->pkt_len > room)
			continue;
		if (!d->no_check && checksum_at(d->proto) != 0 && checksum_offloaded(d))
			checksum_offload(d, m);
		else if (!d->no_check)
			checksum_soft(d, m);
		put_headers(d, m, 0);
	}
	ring_tx_warm(ring);
	/* the next send gets the same ones */
	rte_pktmbuf_free_bulk(pkts, n);
}
