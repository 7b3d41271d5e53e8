/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small things that every protocol here does to a packet: headers in one piece, cutting, sums,
 * link headers, sending one packet of our own making. Nothing here is on the way of a plain
 * datagram.
 */
#include "net/net_priv.h"
#include "net/sum.h"

bool
net_pull(struct rte_mbuf *m, uint16_t len)
{
	const void *from;
	uint16_t more;
	uint8_t *to;

	if (likely(m->data_len >= len))
		return true;
	if (m->pkt_len < len)
		return false;
	/* No PMD cuts frames inside their headers, so this is for what others may hand in. */
	more = len - m->data_len;
	if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1 || rte_pktmbuf_tailroom(m) < more)
		return false;
	to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);
	from = rte_pktmbuf_read(m, m->data_len, more, to);
	if (from == NULL)
		return false;
	if (from != to) /* they lie in one segment and were only pointed to */
		memcpy(to, from, more);
	m->data_len += more;
	while (more > 0) {
		struct rte_mbuf *s = m->next;
		uint16_t cut = RTE_MIN(more, s->data_len);

		s->data_off += cut;
		s->data_len -= cut;
		more -= cut;
		if (s->data_len == 0) {
			m->next = s->next;
			m->nb_segs--;
			rte_pktmbuf_free_seg(s);
		}
	}
	return true;
}

void
net_trim(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *s = m;
	uint32_t left = len;
	uint16_t segs = 1;

	if (likely(m->pkt_len == len))
		return;
	while (left > s->data_len) {
		left -= s->data_len;
		s = s->next;
		segs++;
	}
	s->data_len = (uint16_t)left;
	if (s->next != NULL) {
		rte_pktmbuf_free(s->next);
		s->next = NULL;
	}
	m->nb_segs = segs;
	m->pkt_len = len;
}

/*
 * Segments of odd length shift the bytes of those behind them. (rte_raw_cksum_mbuf() of DPDK 22.11
 * drops carries there.)
 */
static __rte_noinline uint16_t
sum_segments(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done, part;
	uint16_t s;

	while (m != NULL && off >= m->data_len) {
		off -= m->data_len;
		m = m->next;
	}
	for (done = 0; m != NULL && done < len; done += part, m = m->next, off = 0) {
		part = RTE_MIN(m->data_len - off, len - done);
		s = net_sum_bytes(rte_pktmbuf_mtod_offset(m, const void *, off), part);
		sum += done % 2 == 0 ? s : rte_bswap16(s);
	}
	return net_fold(sum);
}

uint16_t
net_sum(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	if (likely(off + len <= m->data_len))
		return net_sum_bytes(rte_pktmbuf_mtod_offset(m, const void *, off), len);
	return sum_segments(m, off, len);
}

void
net_key(const struct rte_mbuf *m, struct flow_key *key)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(p + m->l2_len);
	const struct rte_udp_hdr *udp =
			(const struct rte_udp_hdr *)((const uint8_t *)ip + m->l3_len);
	uint16_t vlan = 0, tci;

	if (m->l2_len > RTE_ETHER_HDR_LEN) {
		memcpy(&tci, p + RTE_ETHER_HDR_LEN, sizeof(tci));
		vlan = rte_be_to_cpu_16(tci) & NET_VID_MASK;
	} else if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
		vlan = m->vlan_tci & NET_VID_MASK;
	}
	*key = (struct flow_key){ .local = ip_from_v4(ip->dst_addr),
		.remote = ip_from_v4(ip->src_addr),
		.lport = udp->dst_port,
		.rport = udp->src_port,
		.vlan_id = vlan,
		.proto = ip->next_proto_id };
}

uint32_t
net_pseudo_sum(const struct rte_ipv4_hdr *ip)
{
	uint32_t s = ip->src_addr, d = ip->dst_addr;

	return (s & 0xffff) + (s >> 16) + (d & 0xffff) + (d >> 16) +
			rte_cpu_to_be_16(ip->next_proto_id);
}

uint16_t
net_link_header(void *frame, const struct rte_ether_addr *dst, const struct port *port,
		uint16_t vlan_id, uint16_t type_be)
{
	struct rte_ether_hdr *eth = frame;
	struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(eth + 1);

	eth->dst_addr = *dst;
	eth->src_addr = port->mac;
	if (vlan_id == 0) {
		eth->ether_type = type_be;
		return RTE_ETHER_HDR_LEN;
	}
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	tag->vlan_tci = rte_cpu_to_be_16(vlan_id);
	tag->eth_proto = type_be;
	return RTE_ETHER_HDR_LEN + NET_VLAN_LEN;
}

struct rte_ether_addr
net_group_mac(const struct ip_addr *group)
{
	return (struct rte_ether_addr){ { 0x01, 0x00, 0x5e, group->b[13] & 0x7f, group->b[14],
			group->b[15] } };
}

struct rte_mbuf *
net_reply_buf(struct ring *ring, uint16_t len)
{
	struct rte_mbuf *m;

	if (ring_tx_alloc(ring, &m, 1) != 0)
		return NULL;
	if (rte_pktmbuf_append(m, len) == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

void
net_send(struct ring *ring, struct rte_mbuf *m)
{
	ring_tx(ring, &m, 1, false);
}

uint16_t
net_ip_id(uint16_t n)
{
	static _Atomic uint16_t next;

	return atomic_fetch_add_explicit(&next, n, memory_order_relaxed);
}

#define ANSWERS_PER_S 1000
#define ANSWERS_BURST 50

bool
net_limit_take(struct net_limit *limit)
{
	uint64_t now = net_now, gained;
	bool may;

	pthread_mutex_lock(&net_lock);
	if (limit->ms == 0) {
		limit->tokens = ANSWERS_BURST;
		limit->ms = RTE_MAX(now, (uint64_t)1);
	} else if (now > limit->ms) {
		gained = (now - limit->ms) * ANSWERS_PER_S / 1000;
		limit->tokens = (uint32_t)RTE_MIN((uint64_t)ANSWERS_BURST, limit->tokens + gained);
		limit->ms = now;
	}
	may = limit->tokens > 0;
	if (may)
		limit->tokens--;
	pthread_mutex_unlock(&net_lock);
	return may;
}

void
net_count_tx(struct ring *ring, enum ring_stat stat, unsigned int n)
{
	if (!ring->lockless && unlikely(!rte_spinlock_trylock(&ring->tx_lock)))
		ring_tx_wait(ring);
	ring->tx_stats.c[stat] += n;
	if (!ring->lockless)
		rte_spinlock_unlock(&ring->tx_lock);
}
