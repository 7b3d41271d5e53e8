/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generic receive offload: TCP segments of one flow that came one behind another in a burst become
 * one packet, a chain of their buffers, for ports without LRO. Not librte_gro, which costs nearly
 * as much as it saves: doc/architecture.md has the figures.
 *
 * Two are put together when nothing is lost by it: the second is next in sequence and, but for PSH
 * in it, its headers are those of the first in all that a receiver looks at; acknowledgement,
 * window, options with the time stamps, and the mark of congestion. PSH and a segment shorter than
 * the first end a packet.
 */
#include <rte_tcp.h>

#include "net/net_priv.h"

#define COUNT_N(ring, name, n) STAT_ADD(&(ring)->stats, RING, name, n)
#define TCP_HDR_MIN 20u
#define PACKET_MAX 65535u /* bytes, from the IP header */

struct segment {
	const struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	uint32_t hdr; /* bytes in front of the data, from the Ethernet header */
	uint32_t len; /* of data */
};

/* False: not one to be put together with another. */
static inline bool
segment_of(struct rte_mbuf *m, struct segment *s)
{
	uint16_t off = (uint16_t)(m->l2_len + m->l3_len);

	s->ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
	s->tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, off);
	s->hdr = off + s->tcp->data_off / 16u * 4;
	s->len = m->pkt_len - s->hdr;
	return s->len != 0 && m->l3_len == NET_IPV4_LEN &&
			(s->tcp->tcp_flags & ~RTE_TCP_PSH_FLAG) == RTE_TCP_ACK_FLAG &&
			(m->ol_flags & RTE_MBUF_F_RX_LRO) == 0;
}

static inline bool
goes_on(const struct segment *first, const struct segment *s, uint32_t seq)
{
	const struct rte_tcp_hdr *a = first->tcp, *b = s->tcp;

	return rte_be_to_cpu_32(b->sent_seq) == seq && b->recv_ack == a->recv_ack &&
			b->rx_win == a->rx_win && b->data_off == a->data_off &&
			s->len <= first->len &&
			s->ip->type_of_service == first->ip->type_of_service &&
			memcmp(a + 1, b + 1, b->data_off / 16u * 4 - TCP_HDR_MIN) == 0;
}

/* What follows the first of @p n packets goes behind it. @return how many that are, with it */
static inline uint16_t
put_together(struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *head = pkts[0], *tail;
	struct segment first, s;
	uint8_t psh = 0;
	uint32_t seq;
	uint16_t k;

	if (!segment_of(head, &first) || (first.tcp->tcp_flags & RTE_TCP_PSH_FLAG) != 0)
		return 1;
	tail = rte_pktmbuf_lastseg(head);
	seq = rte_be_to_cpu_32(first.tcp->sent_seq) + first.len;
	s.len = first.len;
	for (k = 1; k < n && psh == 0 && s.len == first.len; k++) {
		struct rte_mbuf *m = pkts[k];

		if (!segment_of(m, &s) || !goes_on(&first, &s, seq) || m->data_len < s.hdr ||
				head->pkt_len - head->l2_len + s.len > PACKET_MAX)
			break;
		psh = s.tcp->tcp_flags & RTE_TCP_PSH_FLAG;
		seq += s.len;
		m->data_off += (uint16_t)s.hdr;
		m->data_len -= (uint16_t)s.hdr;
		head->pkt_len += s.len;
		head->nb_segs += m->nb_segs;
		tail->next = m;
		tail = rte_pktmbuf_lastseg(m);
	}
	if (k == 1)
		return 1;
	first.tcp->tcp_flags |= psh;
	rte_pktmbuf_mtod_offset(head, struct rte_ipv4_hdr *, head->l2_len)->total_length =
			rte_cpu_to_be_16((uint16_t)(head->pkt_len - head->l2_len));
	head->ol_flags |= RTE_MBUF_F_RX_LRO;
	head->tso_segsz = (uint16_t)first.len;
	return k;
}

uint16_t
net_gro(struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t left = 0, i, k;

	for (i = 0; i < n; i += k) {
		k = put_together(&pkts[i], n - i);
		if (k > 1) {
			COUNT_N(ring, gro_packets, 1);
			COUNT_N(ring, gro_segs, k);
		}
		pkts[left++] = pkts[i];
	}
	return left;
}
