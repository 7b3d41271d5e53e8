/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The check of a plain packet, inline for the way in: untagged or with one VLAN tag, no IP option,
 * no fragment, UDP or TCP, one buffer, checksums vouched for by the device. What fails here is not
 * bad: parse.c looks at it again.
 */
#ifndef DPVMA_NET_PLAIN_H
#define DPVMA_NET_PLAIN_H

#include <rte_tcp.h>

#include "net/net_priv.h"

#define GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define SAID                                                                                       \
	(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_VLAN_STRIPPED)

#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
#define MAC_MASK UINT64_C(0x0000ffffffffffff)
#else
#define MAC_MASK UINT64_C(0xffffffffffff0000)
#endif

#define MIN_FRAME (RTE_ETHER_HDR_LEN + 20 + 8)

/* What a burst compares with, in registers. */
struct context {
	uint64_t mac, src_bits;
	uint64_t trusted; /* flags that pass although they are not GOOD */
	uint16_t head;	  /* VMA_RX_PREFETCH_BYTES */
	uint32_t gro;	  /* streams whose segments are put together here */
};

static __rte_always_inline struct context
context_of(const struct ring *ring)
{
	const struct net_port *np = net_port_of(ring->port);

	return (struct context){ .mac = np->mac,
		.src_bits = np->src_bits,
		.trusted = ring->port->trusts_sender ? 0 : UINT64_MAX,
		.head = net_prefetch,
		.gro = ring->port->caps.lro ? 0 : net_gro_streams };
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

/* One buffer with room for the headers, and checksums that the device vouches for. */
static __rte_always_inline bool
is_plain(const struct context *c, const struct rte_mbuf *m)
{
	uint64_t said = m->ol_flags & SAID;

	if (unlikely(m->data_len < MIN_FRAME || m->nb_segs != 1))
		return false;
	return likely((said & (GOOD | RTE_MBUF_F_RX_VLAN_STRIPPED)) == GOOD || said == c->trusted);
}

static __rte_always_inline bool
datagram_fits(uint16_t len, uint16_t total)
{
	return likely(len >= NET_UDP_LEN && len + 20u <= total);
}

/* What the rooms above read of the headers, and without Ethernet's padding. */
static __rte_always_inline void
set_lengths(struct rte_mbuf *m, uint16_t l2, uint16_t l4)
{
	uint16_t end = l2 + NET_IPV4_LEN + l4;

	m->tx_offload = l2 | (uint64_t)NET_IPV4_LEN << RTE_MBUF_L2_LEN_BITS;
	if (m->data_len != end) {
		m->data_len = end;
		m->pkt_len = end;
	}
}

/* The same of a packet of several buffers, which comes without padding or goes the long way. */
static __rte_always_inline bool
is_plain_chain(const struct context *c, const struct rte_mbuf *m)
{
	uint64_t said = m->ol_flags & SAID;

	if (m->data_len < MIN_FRAME)
		return false;
	return (said & (GOOD | RTE_MBUF_F_RX_VLAN_STRIPPED)) == GOOD || said == c->trusted;
}

/*
 * All checks of the plain datagram or segment at once; false for whatever is not one, or not good.
 * @p chain: of a segment only, which may have several buffers and be put together of many; its
 * tx_offload is left to the caller.
 */
static __rte_always_inline bool
parse_plain(const struct context *c, struct rte_mbuf *m, struct net_packet *pkt, bool chain)
{
	static const union {
		uint8_t b[8];
		uint64_t w;
	} mask = { { 0xff, 0, 0, 0, 0, 0, 0x3f, 0xff } }, want = { { 0x45 } };
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t dst_mac, first;
	uint16_t type, l2 = RTE_ETHER_HDR_LEN, vlan = 0, total, len;
	const struct rte_ipv4_hdr *ip;
	const struct rte_udp_hdr *udp;
	uint8_t src0;

	if (unlikely(!(chain ? is_plain_chain(c, m) : is_plain(c, m))))
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
	if (chain) {
		if (total + l2 != m->pkt_len || ip->next_proto_id != IPPROTO_TCP)
			return false;
	} else if (unlikely(total > m->data_len - l2)) {
		return false;
	}
	if (!chain && likely(ip->next_proto_id == IPPROTO_UDP)) {
		len = rte_be_to_cpu_16(udp->dgram_len);
		if (!datagram_fits(len, total))
			return false;
	} else if (ip->next_proto_id == IPPROTO_TCP) {
		len = total - NET_IPV4_LEN;
		if (chain ? !tcp_fits((const struct rte_tcp_hdr *)udp, m->data_len - l2)
			  : !tcp_fits((const struct rte_tcp_hdr *)udp,
					    total) || (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0)
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
	if (!chain)
		set_lengths(m, l2, len);
	return true;
}

static __rte_always_inline bool
parse_fast(const struct context *c, struct rte_mbuf *m, struct net_packet *pkt)
{
	return parse_plain(c, m, pkt, false);
}

/* A segment in several buffers, or put together by the device. */
static __rte_always_inline bool
parse_chain(const struct context *c, struct rte_mbuf *m, struct net_packet *pkt)
{
	return (m->nb_segs != 1 || (m->ol_flags & RTE_MBUF_F_RX_LRO) != 0) &&
			parse_plain(c, m, pkt, true);
}

/* The headers of an untagged datagram that passed, for the next one of the same flow. */
static __rte_always_inline const uint8_t *
pattern_of(const struct rte_mbuf *m, const struct net_packet *pkt)
{
	return pkt->l2_len == RTE_ETHER_HDR_LEN && pkt->key.proto == IPPROTO_UDP
			? rte_pktmbuf_mtod(m, const uint8_t *)
			: NULL;
}

static __rte_always_inline uint64_t
differs(const uint8_t *a, const uint8_t *b, unsigned int at)
{
	uint64_t x, y;

	memcpy(&x, a + at, sizeof(x));
	memcpy(&y, b + at, sizeof(y));
	return x ^ y;
}

/*
 * Datagrams mostly come several of a flow in a row. One whose headers are those of the good one
 * before, but for lengths, identification and checksums, is as good as that if its lengths are.
 */
static __rte_always_inline bool
parse_same(const struct context *c, struct rte_mbuf *m, const uint8_t *pattern)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t a, b;
	uint16_t total, len;
	uint64_t other;

	if (unlikely(!is_plain(c, m)))
		return false;
	/* Ethernet to TOS; fragment, TTL, protocol; addresses; ports */
	other = differs(p, pattern, 0) | differs(p, pattern, 8) | differs(p, pattern, 26);
	memcpy(&a, p + 20, sizeof(a));
	memcpy(&b, pattern + 20, sizeof(b));
	other |= a ^ b;
	memcpy(&a, p + 34, sizeof(a));
	memcpy(&b, pattern + 34, sizeof(b));
	if ((other | (a ^ b)) != 0)
		return false;
	memcpy(&total, p + 16, sizeof(total));
	memcpy(&len, p + 38, sizeof(len));
	total = rte_be_to_cpu_16(total);
	len = rte_be_to_cpu_16(len);
	if (unlikely(total > m->data_len - RTE_ETHER_HDR_LEN) || !datagram_fits(len, total))
		return false;
	set_lengths(m, RTE_ETHER_HDR_LEN, len);
	return true;
}

#endif
