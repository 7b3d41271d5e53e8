/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every check of a received packet, in full: what the short way in input.c could not tell to be a
 * plain good datagram comes here. A failure is counted by its reason, with one exception: what a
 * device flags as bad is checked again in software, as some flag whatever they cannot parse.
 */
#include "net/net_priv.h"

#include <netinet/ip.h>

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)
#define TCP_HDR_MIN 20
#define TCP_SUM_AT 16

/* Whether the device's word (or the wire's nature) spares us the sum. */
static bool
vouched(const struct ring *ring, const struct rte_mbuf *m, uint64_t mask, uint64_t good)
{
	uint64_t said = m->ol_flags & mask;

	/* "none" has the good bit too: the field is not right, but the data is (virtio, memif) */
	return (said & good) != 0 || (said == 0 && ring->port->trusts_sender);
}

static void
vouch(struct rte_mbuf *m, uint64_t mask, uint64_t good)
{
	m->ol_flags = (m->ol_flags & ~mask) | good;
}

/* RFC 791 3.1: well-formed, and no source route, which RFC 7126 says to drop. */
static bool
options_ok(const uint8_t *opt, unsigned int len)
{
	unsigned int i = 0;

	while (i < len && opt[i] != IPOPT_EOL) {
		if (opt[i] == IPOPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= len || opt[i + 1] < 2 || i + opt[i + 1] > len)
			return false;
		if (opt[i] == IPOPT_LSRR || opt[i] == IPOPT_SSRR)
			return false;
		i += opt[i + 1];
	}
	return true;
}

/* An address that can have sent this (RFC 1122 3.2.1.3): 0.0.0.0 asks for one by DHCP. */
static bool
source_ok(const struct port *port, const struct rte_ipv4_hdr *ip, uint16_t vlan_id)
{
	uint8_t first = *(const uint8_t *)&ip->src_addr;
	struct ip_addr src = ip_from_v4(ip->src_addr);

	if (first >= 224 || first == 127)
		return false;
	return port_addr_find(port, &src) == NULL && !net_is_broadcast(port, vlan_id, &src);
}

/*
 * A sender in the same kernel, at the other end of a veth or bridge, leaves the sum to a device
 * that never comes: the field holds the pseudo header's. The PMDs on top of a kernel device do not
 * pass on that it is so, but it is as hard to hit by chance as the right sum.
 */
static bool
unfinished(const struct port *port, const struct rte_udp_hdr *udp, bool is_udp, uint16_t pseudo)
{
	uint16_t field = udp->dgram_cksum;

	if (port->kernel != KERNEL_COPIES && port->kernel != KERNEL_BLIND)
		return false;
	if (!is_udp)
		memcpy(&field, (const uint8_t *)udp + TCP_SUM_AT, sizeof(field));
	return field == pseudo;
}

/* How large the segments of a coalesced one were, without headers, is the transport's to know. */
void
net_coalesced(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt)
{
	const struct port *port = ring->port;
	uint32_t off = pkt->l2_len + pkt->l3_len, data, segs, size = 0;

	if ((m->ol_flags & RTE_MBUF_F_RX_LRO) != 0 && pkt->key.proto == IPPROTO_TCP) {
		size = m->tso_segsz;
		data = pkt->l4_len - rte_pktmbuf_mtod_offset(m, const uint8_t *, off)[12] / 16u * 4;
		if (size != 0 && port->driver != NULL && port->driver->lro_whole) {
			segs = RTE_MAX(m->pkt_len / size, 1u);
			size = (data + segs - 1) / segs;
		} else if (size == 0) {
			/* not said: full ones by the MTU, whose headers have no options */
			size = RTE_MIN(data, (uint32_t)port->mtu - NET_IPV4_LEN - TCP_HDR_MIN);
		}
		COUNT(ring, lro_packets);
		STAT_ADD(&ring->stats, RING, lro_segs, size != 0 ? (data + size - 1) / size : 1);
	}
	m->tx_offload = rte_mbuf_tx_offload(pkt->l2_len, pkt->l3_len, 0, size, 0, 0, 0);
}

enum net_verdict
net_parse_transport(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	uint16_t off = pkt->l2_len + pkt->l3_len;
	const struct rte_ipv4_hdr *ip;
	const struct rte_udp_hdr *udp;
	bool is_udp = pkt->key.proto == IPPROTO_UDP;
	uint16_t len = pkt->l4_len;

	if (len < (is_udp ? NET_UDP_LEN : TCP_HDR_MIN) ||
			!net_pull(m, off + (is_udp ? NET_UDP_LEN : TCP_HDR_MIN)))
		goto bad_length;
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
	udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, off);
	if (is_udp) {
		len = rte_be_to_cpu_16(udp->dgram_len);
		if (len < NET_UDP_LEN || len > pkt->l4_len)
			goto bad_length;
	} else {
		unsigned int hl = ((const uint8_t *)udp)[12] / 16u * 4;

		if (hl < TCP_HDR_MIN || hl > len || !net_pull(m, (uint16_t)(off + hl)))
			goto bad_length;
		ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
		udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, off);
	}
	/* a zero is none: RFC 768 */
	if (!(is_udp && udp->dgram_cksum == 0) &&
			!vouched(ring, m, RTE_MBUF_F_RX_L4_CKSUM_MASK,
					RTE_MBUF_F_RX_L4_CKSUM_GOOD)) {
		uint32_t pseudo = net_pseudo_sum(ip) + rte_cpu_to_be_16(len);

		if (net_fold(net_sum(m, off, len) + pseudo) != 0xffff &&
				!unfinished(ring->port, udp, is_udp, net_fold(pseudo))) {
			if (is_udp)
				COUNT(ring, drop_udp_checksum);
			else
				COUNT(ring, drop_tcp);
			return NET_DROP;
		}
	}
	vouch(m, RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	pkt->l4_len = len;
	pkt->key.lport = udp->dst_port;
	pkt->key.rport = udp->src_port;
	net_trim(m, off + len);
	net_coalesced(ring, m, pkt);
	return NET_TRANSPORT;

bad_length:
	if (is_udp)
		COUNT(ring, drop_udp_length);
	else
		COUNT(ring, drop_tcp);
	return NET_DROP;
}

static enum net_verdict
parse_ip(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	const struct port *port = ring->port;
	uint32_t room = m->pkt_len - pkt->l2_len;
	const struct rte_ipv4_hdr *ip;
	uint16_t hl, total;

	if (!net_pull(m, pkt->l2_len + NET_IPV4_LEN)) {
		COUNT(ring, drop_short);
		return NET_DROP;
	}
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
	hl = (uint16_t)(ip->version_ihl & 0xf) * 4;
	total = rte_be_to_cpu_16(ip->total_length);
	if (ip->version_ihl >> 4 != 4 || hl < NET_IPV4_LEN || total < hl) {
		COUNT(ring, drop_ip_header);
		return NET_DROP;
	}
	if (total > room || !net_pull(m, pkt->l2_len + hl)) {
		COUNT(ring, drop_short);
		return NET_DROP;
	}
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
	if (!vouched(ring, m, RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_GOOD)) {
		if (rte_raw_cksum(ip, hl) != 0xffff) {
			COUNT(ring, drop_ip_checksum);
			return NET_DROP;
		}
		vouch(m, RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_GOOD);
	}
	if (!options_ok((const uint8_t *)(ip + 1), hl - NET_IPV4_LEN)) {
		COUNT(ring, drop_ip_header);
		return NET_DROP;
	}
	pkt->l3_len = hl;
	pkt->l4_len = total - hl;
	pkt->key.local = ip_from_v4(ip->dst_addr);
	pkt->key.remote = ip_from_v4(ip->src_addr);
	pkt->key.proto = ip->next_proto_id;
	/* RFC 1122 3.3.6: a frame to everybody may not carry a packet to one */
	if (!source_ok(port, ip, pkt->key.vlan_id) ||
			(rte_is_multicast_ether_addr(
					 rte_pktmbuf_mtod(m, const struct rte_ether_addr *)) &&
					!ip_is_multicast(&pkt->key.local) &&
					!net_is_broadcast(
							port, pkt->key.vlan_id, &pkt->key.local))) {
		COUNT(ring, drop_not_ours);
		return NET_DROP;
	}
	net_trim(m, pkt->l2_len + (uint32_t)total);
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) !=
			0) {
		pkt->kind = NET_SLOW_FRAGMENT;
		return NET_SLOW;
	}
	switch (ip->next_proto_id) {
	case IPPROTO_UDP:
	case IPPROTO_TCP:
		return net_parse_transport(ring, m, pkt);
	case IPPROTO_ICMP:
		pkt->kind = NET_SLOW_ICMP;
		return NET_SLOW;
	case IPPROTO_IGMP:
		pkt->kind = NET_SLOW_IGMP;
		return NET_SLOW;
	default:
		COUNT(ring, drop_protocol);
		return NET_DROP;
	}
}

enum net_verdict
net_parse_slow(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	const struct rte_ether_hdr *eth;
	uint16_t type;

	memset(pkt, 0, sizeof(*pkt));
	if (!net_pull(m, RTE_ETHER_HDR_LEN)) {
		COUNT(ring, drop_short);
		return NET_DROP;
	}
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	type = eth->ether_type;
	pkt->l2_len = RTE_ETHER_HDR_LEN;
	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
		/* the kernel under af_packet takes the tag out whatever we ask */
		pkt->key.vlan_id = m->vlan_tci & NET_VID_MASK;
	} else if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *tag;

		if (!net_pull(m, RTE_ETHER_HDR_LEN + NET_VLAN_LEN)) {
			COUNT(ring, drop_short);
			return NET_DROP;
		}
		eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
		tag = (const struct rte_vlan_hdr *)(eth + 1);
		pkt->key.vlan_id = rte_be_to_cpu_16(tag->vlan_tci) & NET_VID_MASK;
		type = tag->eth_proto;
		pkt->l2_len += NET_VLAN_LEN;
	}
	if (!rte_is_multicast_ether_addr(&eth->dst_addr) &&
			!rte_is_same_ether_addr(&eth->dst_addr, &ring->port->mac)) {
		COUNT(ring, drop_not_ours);
		return NET_DROP;
	}
	switch (type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		return parse_ip(ring, m, pkt);
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		pkt->kind = NET_SLOW_ARP;
		return NET_SLOW;
	default:
		COUNT(ring, drop_ethertype);
		return NET_DROP;
	}
}
