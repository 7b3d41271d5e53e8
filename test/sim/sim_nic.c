/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a network card does with segments: splits large ones on their way out, puts small ones
 * together on their way in, makes and checks checksums. And it holds the engine to its contract.
 */
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "sim.h"
#include "sim_rand.h"

#define IP_LEN ((uint32_t)sizeof(struct rte_ipv4_hdr))

static bool
keeps_contract(struct sim_host *host, const struct tcp_out *out, const struct rte_mbuf *m,
		const struct rte_tcp_hdr *th, uint32_t hdr_len)
{
	bool tso = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	uint32_t data = m->pkt_len - hdr_len;

	if (th->cksum != 0)
		sim_fail(host->sim, "output: checksum is not zero");
	else if (hdr_len < sizeof(*th) || hdr_len > m->data_len)
		sim_fail(host->sim, "output: header of %u in %u bytes", hdr_len, m->data_len);
	else if (m->nb_segs > 1 && !host->params.multi_seg)
		sim_fail(host->sim, "output: %u buffers, but one was agreed on", m->nb_segs);
	else if (rte_pktmbuf_headroom(m) < 40)
		sim_fail(host->sim, "output: headroom of %u", rte_pktmbuf_headroom(m));
	else if (out->ecn != 0 && out->ecn != 2)
		sim_fail(host->sim, "output: ECN bits %u", out->ecn);
	else if (tso && (m->l4_len != hdr_len || m->tso_segsz == 0 || data <= m->tso_segsz))
		sim_fail(host->sim, "output: TSO of %u with l4_len %u, tso_segsz %u", data,
				m->l4_len, m->tso_segsz);
	else if (tso && (host->params.tso_max == 0 || data > host->params.tso_max))
		sim_fail(host->sim, "output: TSO of %u, at most %u", data, host->params.tso_max);
	else if (tso && (th->tcp_flags & (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG)) != 0)
		sim_fail(host->sim, "output: TSO with flags %x", th->tcp_flags);
	else if (IP_LEN + (tso ? hdr_len + m->tso_segsz : m->pkt_len) > host->params.mtu)
		sim_fail(host->sim, "output: packet of %u beyond the MTU",
				IP_LEN + (tso ? hdr_len + m->tso_segsz : m->pkt_len));
	return host->sim->failure[0] == '\0';
}

/** Room for @p len bytes at the end, in new buffers if need be; copied from @p from at @p off. */
static bool
append(struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t off, uint32_t len)
{
	while (len > 0) {
		struct rte_mbuf *last = rte_pktmbuf_lastseg(to), *more;
		uint16_t part = (uint16_t)RTE_MIN(len, rte_pktmbuf_tailroom(last));
		void *p;
		const void *src;

		if (part == 0) {
			more = rte_pktmbuf_alloc(sim_wire_pool);
			if (more == NULL || rte_pktmbuf_chain(to, more) != 0)
				return false;
			continue;
		}
		p = rte_pktmbuf_append(to, part);
		src = rte_pktmbuf_read(from, off, part, p);
		if (src == NULL)
			return false;
		if (src != p)
			memcpy(p, src, part);
		off += part;
		len -= part;
	}
	return true;
}

/** Both headers of the frame that carries @p len bytes at @p off of the segment's data. */
static void
headers(struct sim_host *host, const struct tcp_out *out, const struct rte_mbuf *m, uint32_t off,
		uint32_t len, struct rte_mbuf *frame)
{
	const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	uint32_t hdr_len = (uint32_t)(th->data_off >> 4) * 4;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(frame, IP_LEN);
	struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)rte_pktmbuf_append(frame, (uint16_t)hdr_len);

	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = out->ecn,
		.total_length = rte_cpu_to_be_16((uint16_t)(IP_LEN + hdr_len + len)),
		.packet_id = rte_cpu_to_be_16(host->ip_id++),
		.fragment_offset = out->df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = ip_v4(&out->key->local),
		.dst_addr = ip_v4(&out->key->remote) };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(t, th, hdr_len);
	t->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(th->sent_seq) + off);
	if (off > 0) /* RFC 3168 and the cards: CWR with the first alone */
		t->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (off + hdr_len + len < m->pkt_len)
		t->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
}

static uint16_t
checksum(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, m->l2_len);
	uint32_t at = m->l2_len + IP_LEN, sum = rte_ipv4_phdr_cksum(ip, 0);
	uint16_t raw = 0;

	rte_raw_cksum_mbuf(m, at, m->pkt_len - at, &raw);
	sum += raw;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static struct rte_mbuf *
frame_of(struct sim_host *host, const struct tcp_out *out, const struct rte_mbuf *m,
		uint32_t hdr_len, uint32_t off, uint32_t len)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(sim_wire_pool);
	struct rte_tcp_hdr *th;

	if (frame == NULL)
		return NULL;
	headers(host, out, m, off, len, frame);
	if (!append(frame, m, hdr_len + off, len)) {
		rte_pktmbuf_free(frame);
		return NULL;
	}
	th = rte_pktmbuf_mtod_offset(frame, struct rte_tcp_hdr *, IP_LEN);
	th->cksum = (uint16_t)~checksum(frame);
	return frame;
}

int
sim_nic_split(struct sim_host *host, const struct tcp_out *out, struct rte_mbuf *m,
		struct rte_mbuf **frames, unsigned int max)
{
	const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	uint32_t hdr_len = (uint32_t)(th->data_off >> 4) * 4, data, size, off = 0;
	unsigned int n = 0;

	if (!keeps_contract(host, out, m, th, hdr_len))
		return -1;
	data = m->pkt_len - hdr_len;
	size = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ? m->tso_segsz : data;
	do {
		uint32_t len = RTE_MIN(size, data - off);

		if (n == max) {
			sim_fail(host->sim, "output: TSO of more than %u segments", max);
			break;
		}
		frames[n] = frame_of(host, out, m, hdr_len, off, len);
		if (frames[n] == NULL) {
			sim_fail(host->sim, "the pool of the wire is empty");
			break;
		}
		n++;
		off += len;
	} while (off < data);
	return (int)n;
}

bool
sim_nic_good(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	const struct rte_tcp_hdr *th;

	if (m->data_len < IP_LEN + sizeof(*th) || ip->version_ihl != RTE_IPV4_VHL_DEF ||
			rte_raw_cksum(ip, IP_LEN) != 0xffff ||
			rte_be_to_cpu_16(ip->total_length) != m->pkt_len)
		return false;
	th = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, IP_LEN);
	return (th->data_off >> 4) * 4u >= sizeof(*th) &&
			(th->data_off >> 4) * 4u <= m->pkt_len - IP_LEN && checksum(m) == 0xffff;
}

/** May @p m go behind @p head, whose data end at @p next? */
static bool
follows(const struct sim_host *host, const struct rte_mbuf *head, uint32_t next,
		const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *hi = rte_pktmbuf_mtod(head, const struct rte_ipv4_hdr *);
	const struct rte_ipv4_hdr *mi = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	const struct rte_tcp_hdr *ht = (const struct rte_tcp_hdr *)(hi + 1);
	const struct rte_tcp_hdr *mt = (const struct rte_tcp_hdr *)(mi + 1);
	uint32_t opt_len = (uint32_t)(ht->data_off >> 4) * 4 - (uint32_t)sizeof(*ht);
	uint32_t hdr_len = IP_LEN + (uint32_t)sizeof(*ht) + opt_len;
	uint32_t size = head->tso_segsz != 0 ? head->tso_segsz : head->pkt_len - hdr_len;

	if (hi->src_addr != mi->src_addr || hi->dst_addr != mi->dst_addr ||
			hi->type_of_service != mi->type_of_service ||
			ht->src_port != mt->src_port || ht->dst_port != mt->dst_port ||
			ht->data_off != mt->data_off || rte_be_to_cpu_32(mt->sent_seq) != next)
		return false;
	/* nothing but ACK and data before, PSH may end it; the last may be shorter */
	if (ht->tcp_flags != RTE_TCP_ACK_FLAG ||
			(mt->tcp_flags & ~RTE_TCP_PSH_FLAG) != RTE_TCP_ACK_FLAG)
		return false;
	if (size == 0 || m->pkt_len <= hdr_len || m->pkt_len - hdr_len > size ||
			head->pkt_len + m->pkt_len > UINT16_MAX)
		return false;
	if (host->params.lro == SIM_LRO_LAST_ACK)
		return opt_len == 0 || opt_len == 12;
	return ht->recv_ack == mt->recv_ack && ht->rx_win == mt->rx_win &&
			memcmp(ht + 1, mt + 1, opt_len) == 0;
}

/** @p m goes behind @p head. @return false: nothing may follow it */
static bool
merge(struct sim_host *host, struct rte_mbuf *head, struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *hi = rte_pktmbuf_mtod(head, struct rte_ipv4_hdr *);
	struct rte_tcp_hdr *ht = (struct rte_tcp_hdr *)(hi + 1);
	const struct rte_tcp_hdr *mt =
			rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, IP_LEN);
	uint32_t tcp_len = (uint32_t)(ht->data_off >> 4) * 4, data = m->pkt_len - IP_LEN - tcp_len;
	bool more;

	if (head->tso_segsz == 0) {
		head->tso_segsz = (uint16_t)(head->pkt_len - IP_LEN - tcp_len);
		head->ol_flags |= RTE_MBUF_F_RX_LRO;
	}
	if (host->params.lro == SIM_LRO_LAST_ACK) {
		ht->recv_ack = mt->recv_ack;
		ht->rx_win = mt->rx_win;
		memcpy(ht + 1, mt + 1, tcp_len - sizeof(*ht));
	}
	ht->tcp_flags |= mt->tcp_flags & RTE_TCP_PSH_FLAG;
	more = data == head->tso_segsz && (mt->tcp_flags & RTE_TCP_PSH_FLAG) == 0;
	rte_pktmbuf_adj(m, (uint16_t)(IP_LEN + tcp_len));
	/* a card writes on in the same buffer, software chains */
	if (sim_rand_chance(&host->random, 0.5) && m->nb_segs == 1 &&
			rte_pktmbuf_tailroom(rte_pktmbuf_lastseg(head)) >= m->data_len) {
		memcpy(rte_pktmbuf_append(head, m->data_len), rte_pktmbuf_mtod(m, void *),
				m->data_len);
		rte_pktmbuf_free(m);
	} else {
		rte_pktmbuf_chain(head, m);
	}
	hi->total_length = rte_cpu_to_be_16((uint16_t)head->pkt_len);
	host->counts.coalesced++;
	return more;
}

unsigned int
sim_nic_coalesce(struct sim_host *host, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int kept = 0, segs = 0, max = host->params.lro_max;
	uint32_t next = 0;
	bool open = false;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct rte_tcp_hdr *th =
				rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, IP_LEN);
		uint32_t data = m->pkt_len - IP_LEN - (uint32_t)(th->data_off >> 4) * 4;

		if (open && segs < max && follows(host, pkts[kept - 1], next, m)) {
			open = merge(host, pkts[kept - 1], m);
			segs++;
			next += data;
			continue;
		}
		pkts[kept++] = m;
		next = rte_be_to_cpu_32(th->sent_seq) + data;
		segs = 1;
		open = true;
	}
	return kept;
}
