/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RST for TCP segments that no flow takes, where no kernel answers for the port: as long as nobody
 * here has a TCP socket, and for ports without one. Segments that reach a transport are answered by
 * it.
 */
#include "net/net_priv.h"

#include <rte_tcp.h>

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)

#define TTL 64

/* Sequence numbers that the segment takes (RFC 9293 3.3.1). */
static uint32_t
seg_len(const struct rte_mbuf *m, const struct rte_tcp_hdr *tcp)
{
	uint32_t headers = m->l2_len + m->l3_len + tcp->data_off / 16u * 4;

	return m->pkt_len - headers + ((tcp->tcp_flags & RTE_TCP_SYN_FLAG) != 0) +
			((tcp->tcp_flags & RTE_TCP_FIN_FLAG) != 0);
}

static void
write_ip(struct rte_ipv4_hdr *ip, uint32_t src, uint32_t dst)
{
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(sizeof(*ip) + sizeof(struct rte_tcp_hdr)),
		.packet_id = rte_cpu_to_be_16(net_ip_id(1)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = src,
		.dst_addr = dst };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* RFC 9293 3.10.7.1: the reset has to be acceptable to whoever sent the segment. */
static void
write_tcp(struct rte_tcp_hdr *rst, const struct rte_tcp_hdr *tcp, uint32_t len)
{
	*rst = (struct rte_tcp_hdr){ .src_port = tcp->dst_port,
		.dst_port = tcp->src_port,
		.data_off = sizeof(*rst) / 4 << 4,
		.tcp_flags = RTE_TCP_RST_FLAG };
	if ((tcp->tcp_flags & RTE_TCP_ACK_FLAG) != 0) {
		rst->sent_seq = tcp->recv_ack;
	} else {
		rst->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + len);
		rst->tcp_flags |= RTE_TCP_ACK_FLAG;
	}
}

void
tcp_reset(struct ring *ring, const struct rte_mbuf *m, const struct flow_key *key)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
	const struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(
			m, const struct rte_tcp_hdr *, m->l2_len + m->l3_len);
	uint16_t l2 = RTE_ETHER_HDR_LEN + (key->vlan_id != 0 ? NET_VLAN_LEN : 0);
	struct net_port *np = net_port_of(ring->port);
	struct rte_ipv4_hdr *out;
	struct rte_tcp_hdr *rst;
	struct rte_mbuf *r;
	char *p;

	if ((tcp->tcp_flags & RTE_TCP_RST_FLAG) != 0 || ip->src_addr == 0 ||
			!net_limit_take(&np->resets))
		return;
	r = net_reply_buf(ring, l2 + NET_IPV4_LEN + sizeof(*rst));
	if (r == NULL)
		return;
	p = rte_pktmbuf_mtod(r, char *);
	net_link_header(p, &eth->src_addr, ring->port, key->vlan_id, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	out = (struct rte_ipv4_hdr *)(p + l2);
	write_ip(out, ip->dst_addr, ip->src_addr);
	rst = (struct rte_tcp_hdr *)(out + 1);
	write_tcp(rst, tcp, seg_len(m, tcp));
	rst->cksum = (uint16_t)~net_fold(net_pseudo_sum(out) + RTE_BE16(sizeof(*rst)) +
			rte_raw_cksum(rst, sizeof(*rst)));
	net_send(ring, r);
	COUNT(ring, resets_out);
}
