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

/* Longer than the way allows. Returns packets accepted, 0 or 1. */
static __rte_noinline uint16_t
output_big(const struct net_dst *d, struct ring *ring, struct rte_mbuf *m, uint16_t id)
{
	uint32_t total = m->pkt_len + d->hdr_len - d->l2_len;

	if (d->df || total > UINT16_MAX) {
		net_count_tx(ring, RING_STAT_tx_too_big, 1);
		rte_pktmbuf_free(m);
		return 0;
	}
	if (!d->no_check)
		checksum_soft(d, m);
	put_headers(d, m, id);
	return fragment_send(ring, m, d->l2_len, d->mtu) ? 1 : 0;
}

/* The link address is missing: whole frames wait for it, those too long before fragmentation. */
static __rte_noinline uint16_t
output_unresolved(struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i, k = 0, id = net_ip_id(n);

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t total = m->pkt_len + d->hdr_len - d->l2_len;

		if (total > UINT16_MAX || (d->df && total > d->mtu)) {
			net_count_tx(ring, RING_STAT_tx_too_big, 1);
			rte_pktmbuf_free(m);
			continue;
		}
		if (!d->no_check) {
			if (total <= d->mtu && checksum_offloaded(d) && checksum_at(d->proto) != 0)
				checksum_offload(d, m);
			else
				checksum_soft(d, m);
		}
		put_headers(d, m, id + i);
		m->hash.usr = d->mtu; /* see neigh_hold() */
		m->l2_len = d->l2_len;
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

		if (unlikely(m->pkt_len > room)) {
			/* what came before goes first */
			if (i > start)
				accepted += ring_tx(ring, &pkts[start], i - start, false);
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
