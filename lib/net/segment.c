/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP packets of several segments on a port whose device cuts none: librte_gso cuts them, without
 * copying the data. Nobody sends in bulk this way: what the engine has in buffers of a segment each
 * goes out of these for a third of the cycles. It is there for what was made for a port that could.
 */
#include "net/net_priv.h"

#include <rte_gso.h>
#include <rte_tcp.h>

#define OUT_MAX 1024 /* segments of 64 KB at the smallest size that TCP agrees to, 88 bytes */

/* What librte_gso leaves to others. The segment begins with its link header. */
static void
finish(const struct net_dst *d, struct rte_mbuf *m, bool first, bool offload)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, d->l2_len);
	struct rte_tcp_hdr *th = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, d->hdr_len);
	uint32_t len = m->pkt_len - d->hdr_len, pseudo;

	/* RFC 3168 6.1.2: once, with the first new data */
	if (!first)
		th->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	pseudo = d->pseudo_sum + rte_cpu_to_be_16((uint16_t)len);
	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	th->cksum = 0;
	if (offload) {
		th->cksum = net_fold(pseudo);
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
		m->tx_offload = rte_mbuf_tx_offload(
				d->l2_len, d->hdr_len - d->l2_len, 0, 0, 0, 0, 0);
	} else {
		th->cksum = (uint16_t)~net_fold(pseudo + net_sum(m, d->hdr_len, len));
	}
}

/* In one buffer each, for a port that takes no chains. False: none was left. */
static bool
linearize(struct ring *ring, struct rte_mbuf **seg, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *one = rte_pktmbuf_copy(seg[i], ring->tx_pool, 0, UINT32_MAX);

		if (one == NULL || one->nb_segs != 1) {
			rte_pktmbuf_free(one);
			return false;
		}
		rte_pktmbuf_free(seg[i]);
		seg[i] = one;
	}
	return true;
}

uint16_t
segment_send(const struct net_dst *d, struct ring *ring, struct rte_mbuf *frame, bool offload)
{
	struct rte_mbuf *seg[OUT_MAX];
	const struct rte_gso_ctx ctx = {
		.direct_pool = ring->tx_pool,
		.indirect_pool = ring->tx_pool,
		.gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
		.gso_size = (uint16_t)(d->hdr_len + frame->l4_len + frame->tso_segsz),
	};
	int n = rte_gso_segment(frame, &ctx, seg, OUT_MAX);
	uint16_t sent = 0, i, part;

	if (n == 0) { /* it is no larger than a segment */
		rte_pktmbuf_refcnt_update(frame, 1);
		seg[0] = frame;
		n = 1;
	}
	rte_pktmbuf_free(frame); /* the segments hold what they need of it */
	if (n < 0 || (!d->port->caps.tx_multi_seg && !linearize(ring, seg, (uint16_t)n))) {
		rte_pktmbuf_free_bulk(seg, n < 0 ? 0 : (unsigned int)n);
		net_count_tx(ring, RING_STAT_tx_no_mbuf, 1);
		return 0;
	}
	for (i = 0; i < n; i++)
		finish(d, seg[i], i == 0, offload);
	for (i = 0; i < n; i += part) {
		part = (uint16_t)RTE_MIN(n - i, RING_BURST_MAX);
		sent += ring_tx(ring, &seg[i], part, false);
	}
	net_count_tx(ring, RING_STAT_tx_gso, 1);
	net_count_tx(ring, RING_STAT_tx_gso_segs, sent);
	return sent == n;
}
