/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From packets to segments: addresses, header and options of a burst, and the connection of each,
 * looked up so that the cache misses of the burst overlap. What a segment means is input.c's.
 */
#include <rte_ip.h>
#include <rte_prefetch.h>

#include "tcp_priv.h"

#define BURST 32u
#define AHEAD 3u /* connections whose lines are on their way */

/* The first @p len bytes in one piece. Rare: devices fill buffers that hold all headers. */
static __rte_noinline bool
pull(struct rte_mbuf *m, uint32_t len)
{
	if (len > m->pkt_len)
		return false;
	while (m->data_len < len) {
		struct rte_mbuf *next = m->next;
		uint16_t part;

		if (next == NULL || rte_pktmbuf_tailroom(m) == 0 || rte_mbuf_refcnt_read(m) != 1)
			return false;
		part = RTE_MIN(next->data_len, rte_pktmbuf_tailroom(m));
		part = (uint16_t)RTE_MIN(len - m->data_len, (uint32_t)part);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
				rte_pktmbuf_mtod(next, uint8_t *), part);
		m->data_len += part;
		next->data_len -= part;
		next->data_off += part;
		if (next->data_len == 0) {
			m->next = next->next;
			m->nb_segs--;
			rte_pktmbuf_free_seg(next);
		}
	}
	return true;
}

static inline bool
reachable(const struct rte_mbuf *m, uint32_t len)
{
	return likely(len <= m->data_len) || pull((struct rte_mbuf *)(uintptr_t)m, len);
}

/* Segments on the wire behind a coalesced one. Where the device does not tell their size, it is
 * what the connection knows of its peer's. */
static inline void
count_segments(struct tcp_in *in, const struct tcp_conn *conn)
{
	uint32_t size = 0;

	in->segs = 1;
	in->seg_size = (uint16_t)RTE_MIN(in->len, UINT32_C(65535));
	if (likely((in->m->ol_flags & RTE_MBUF_F_RX_LRO) == 0))
		return;
	size = in->m->tso_segsz;
	if (size == 0 && conn != NULL)
		size = conn->rcv_mss;
	if (size != 0 && in->len > size) {
		in->seg_size = (uint16_t)size;
		in->segs = (uint16_t)((in->len + size - 1) / size);
	}
}

static inline bool
single_host(uint32_t be)
{
	uint32_t a = rte_be_to_cpu_32(be);

	/* no multicast, reserved or broadcast, no "this network" (RFC 1122 3.2.1.3) */
	return a < UINT32_C(0xe0000000) && (a >> 24) != 0;
}

/* Headers into @p in; data begin at data_off then. Counts why not. */
static bool
parse(struct tcp_engine *engine, struct rte_mbuf *m, struct tcp_in *in)
{
	uint32_t off = m->l2_len, total, hdr;
	const struct rte_ipv4_hdr *ip;
	const struct rte_tcp_hdr *th;

	in->m = m;
	if (unlikely(!reachable(m, off + m->l3_len + TCP_HDR_MIN) || m->l3_len < sizeof(*ip)))
		goto too_short;
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, off);
	if (unlikely(!single_host(ip->src_addr) || !single_host(ip->dst_addr))) {
		COUNT(engine, drop_broadcast);
		return false;
	}
	th = (const struct rte_tcp_hdr *)(const void *)((const uint8_t *)ip + m->l3_len);
	hdr = (uint32_t)(th->data_off >> 4) * 4;
	off += m->l3_len;
	if (unlikely(hdr < TCP_HDR_MIN || m->pkt_len < off + hdr || !reachable(m, off + hdr)))
		goto too_short;
	/* reachable() may not have moved anything but data that come later */
	total = m->pkt_len - off - hdr;
	in->key.local = ip_from_v4(ip->dst_addr);
	in->key.remote = ip_from_v4(ip->src_addr);
	in->key.lport = th->dst_port;
	in->key.rport = th->src_port;
	in->key.zero = 0;
	in->hash = table_hash(&engine->conns, &in->key);
	in->seq = rte_be_to_cpu_32(th->sent_seq);
	in->ack = rte_be_to_cpu_32(th->recv_ack);
	in->wnd = rte_be_to_cpu_16(th->rx_win);
	in->urg = rte_be_to_cpu_16(th->tcp_urp);
	in->flags = th->tcp_flags;
	in->ecn = ip->type_of_service & 3;
	in->hdr_len = (uint16_t)hdr;
	in->unscaled = false;
	in->len = total;
	if (unlikely(!opts_parse_fast(th, hdr, &in->opts)) && opts_parse(th, hdr, &in->opts) != 0) {
		COUNT(engine, drop_options);
		return false;
	}
	/* the headers lie in the first buffer */
	m->data_off += (uint16_t)(off + hdr);
	m->data_len -= (uint16_t)(off + hdr);
	m->pkt_len -= off + hdr;
	return true;
too_short:
	COUNT(engine, drop_short);
	return false;
}

/* The lines of a connection that an in-order segment reads and writes. */
static inline void
prefetch_conn(const struct tcp_conn *conn)
{
	const char *p = (const char *)conn;
	size_t at;

	if (conn == NULL)
		return;
	for (at = RTE_CACHE_LINE_SIZE; at <= offsetof(struct tcp_conn, loss);
			at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(p + at);
}

static void
input_burst(struct tcp_engine *engine, struct rte_mbuf **pkts, uint16_t n)
{
	const struct tcp_key *keys[BURST];
	struct tcp_conn *conns[BURST];
	uint32_t hashes[BURST];
	struct tcp_in in[BURST];
	uint16_t i, k = 0;

	for (i = 0; i < n; i++) {
		if (unlikely(!parse(engine, pkts[i], &in[k]))) {
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		keys[k] = &in[k].key;
		hashes[k] = in[k].hash;
		k++;
	}
	table_find_bulk(&engine->conns, keys, hashes, conns, k);
	for (i = 0; i < k && i < AHEAD; i++)
		prefetch_conn(conns[i]);
	for (i = 0; i < k; i++) {
		struct tcp_conn *conn = conns[i];

		if (i + AHEAD < k && conns[i + AHEAD] != conn)
			prefetch_conn(conns[i + AHEAD]);

		/* made or gone by a segment before it in this burst */
		if (unlikely(conn == NULL || conn->state == TCP_S_CLOSED))
			conn = table_find(&engine->conns, &in[i].key, in[i].hash);
		count_segments(&in[i], conn);
		segment_input(engine, conn, &in[i]);
	}
}

void
tcp_input(struct tcp_engine *engine, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i, part;

	for (i = 0; i < n; i += part) {
		part = RTE_MIN((uint16_t)(n - i), (uint16_t)BURST);
		input_burst(engine, &pkts[i], part);
	}
	output_due(engine);
	engine_reap(engine);
}
