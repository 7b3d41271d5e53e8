/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments to packets as a sink gets them, and packets of the engine to segments. Payload is the
 * pattern of its place in the stream; what the engine sends is checked against it here.
 */
#include <inttypes.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "run.h"

static uint32_t
mix(uint32_t x)
{
	x = (x ^ (x >> 15)) * 0x2c1b3c6du;
	x = (x ^ (x >> 12)) * 0x297a2d39u;
	return x ^ (x >> 15);
}

uint8_t
pattern_out(uint32_t offset)
{
	return (uint8_t)mix(offset + 1);
}

uint8_t
pattern_in(uint32_t offset)
{
	return (uint8_t)mix(offset + 0x5a5a5a5au);
}

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static void
decode_ts(struct flow *flow, const uint8_t *p, struct segment *seg)
{
	uint32_t val = get32(p + 2);

	if (!flow->ts_known) {
		flow->ts_base = val - 1000;
		flow->ts_known = true;
	}
	flow->ts_last = val;
	seg->ts_val = val - flow->ts_base;
	seg->ts_ecr = get32(p + 6);
}

static void
decode_sack(struct flow *flow, const uint8_t *p, struct segment *seg)
{
	unsigned int i;

	seg->n_sacks = (uint8_t)((p[1] - 2) / 8);
	for (i = 0; i < seg->n_sacks && i < SEG_SACKS; i++) {
		seg->sacks[i].start = get32(p + 2 + 8 * i) - flow->irs;
		seg->sacks[i].end = get32(p + 6 + 8 * i) - flow->irs;
	}
}

static void
decode_options(struct runner *r, struct flow *flow, const uint8_t *p, unsigned int len,
		struct segment *seg)
{
	static const uint8_t lens[] = { 1, 1, 4, 3, 2, 0, 0, 0, 10 };
	unsigned int i = 0;

	while (i < len && p[i] != OPTION_EOL) {
		unsigned int size = p[i] == OPTION_NOP ? 1 : i + 1 < len ? p[i + 1] : 0;

		if (size == 0 || i + size > len || p[i] >= RTE_DIM(lens) ||
				(lens[p[i]] != 0 && lens[p[i]] != size)) {
			run_fail(r, "the engine sent malformed options");
			return;
		}
		if (seg->n_options < SEG_OPTIONS)
			seg->options[seg->n_options++] = p[i];
		if (p[i] == OPTION_MSS)
			seg->mss = get16(p + i + 2);
		else if (p[i] == OPTION_WSCALE)
			seg->wscale = p[i + 2];
		else if (p[i] == OPTION_TS)
			decode_ts(flow, p + i, seg);
		else if (p[i] == OPTION_SACK)
			decode_sack(flow, p + i, seg);
		i += size;
	}
}

static void
check_payload(struct runner *r, struct flow *flow, const struct rte_mbuf *m, unsigned int hdr,
		const struct segment *seg)
{
	uint32_t i, offset = seg->seq - 1 + ((seg->flags & FL_SYN) != 0);
	uint8_t buf[64];

	for (i = 0; i < seg->len; i++) {
		const uint8_t *p = rte_pktmbuf_read(m, hdr + i, 1, buf);

		/* A window probe may carry a byte that is acknowledged already. */
		if (p == NULL || (*p != pattern_out(offset + i) && offset + i < flow->sent)) {
			run_fail(r, "the engine sent wrong bytes at stream offset %" PRIu32,
					offset + i);
			return;
		}
		if (offset + i >= flow->sent && offset + i != UINT32_MAX) {
			run_fail(r, "the engine sent a byte that it was not given, at %" PRIu32,
					offset + i);
			return;
		}
	}
}

static void
check_shape(struct runner *r, const struct tcp_out *to, const struct rte_mbuf *m, unsigned int hdr,
		struct segment *seg)
{
	const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);

	if (th->cksum != 0)
		run_fail(r, "the engine sent a checksum that is not zero");
	if (to->ecn != 0 && to->ecn != 2)
		run_fail(r, "the engine asks for ECN bits %u", to->ecn);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		seg->tso = m->tso_segsz;
		if (m->l4_len != hdr)
			run_fail(r, "l4_len is %u, the header has %u bytes",
					(unsigned int)m->l4_len, hdr);
		if (seg->tso == 0 || seg->len <= seg->tso)
			run_fail(r, "%u bytes to be split in segments of %u", seg->len, seg->tso);
	}
	if (m->nb_segs > 1 && !r->config.multi_seg)
		run_fail(r, "the engine sent chained buffers, which the output does not take");
}

void
packet_decode(struct runner *r, struct flow *flow, const struct tcp_out *to, struct rte_mbuf *m,
		struct segment *seg)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	unsigned int hdr;

	memset(seg, 0, sizeof(*seg));
	hdr = m->data_len >= 20 ? (p[12] >> 4) * 4u : 0;
	if (hdr < 20 || hdr > m->data_len || hdr > m->pkt_len ||
			get16(p) != rte_be_to_cpu_16(flow->key.lport) ||
			get16(p + 2) != rte_be_to_cpu_16(flow->key.rport)) {
		run_fail(r, "the engine sent a segment with a wrong header");
		return;
	}
	seg->flags = p[13];
	if ((seg->flags & FL_SYN) && !flow->iss_known) {
		flow->iss = get32(p + 4);
		flow->iss_known = true;
	}
	seg->ecn = to->ecn;
	seg->seq = get32(p + 4) - flow->iss;
	if ((seg->flags & (FL_RST | FL_ACK)) == (FL_RST | FL_ACK) && get32(p + 4) == 0)
		seg->seq = 0; /* of a stray segment without ACK: RFC 9293 3.10.7.1 */
	seg->ack = get32(p + 8);
	if (seg->flags & FL_ACK)
		seg->ack -= flow->irs;
	seg->win = seg->win_max = get16(p + 14);
	seg->urg = get16(p + 18);
	seg->len = m->pkt_len - hdr;
	seg->hdr_len = -1;
	decode_options(r, flow, p + 20, hdr - 20, seg);
	check_shape(r, to, m, hdr, seg);
	check_payload(r, flow, m, hdr, seg);
}

static unsigned int
make_options(const struct flow *flow, const struct segment *seg, uint8_t *p)
{
	unsigned int n = 0, i, k;

	for (i = 0; i < seg->n_options; i++) {
		switch (seg->options[i]) {
		case OPTION_EOL:
		case OPTION_NOP:
			p[n++] = seg->options[i];
			break;
		case OPTION_MSS:
			p[n] = OPTION_MSS, p[n + 1] = 4;
			put16(p + n + 2, seg->mss);
			n += 4;
			break;
		case OPTION_WSCALE:
			p[n] = OPTION_WSCALE, p[n + 1] = 3, p[n + 2] = (uint8_t)seg->wscale;
			n += 3;
			break;
		case OPTION_SACK_OK:
			p[n] = OPTION_SACK_OK, p[n + 1] = 2;
			n += 2;
			break;
		case OPTION_SACK:
			p[n] = OPTION_SACK, p[n + 1] = (uint8_t)(2 + 8 * seg->n_sacks);
			for (k = 0, n += 2; k < seg->n_sacks; k++, n += 8) {
				put32(p + n, seg->sacks[k].start + flow->iss);
				put32(p + n + 4, seg->sacks[k].end + flow->iss);
			}
			break;
		case OPTION_TS:
			p[n] = OPTION_TS, p[n + 1] = 10;
			put32(p + n + 2, seg->ts_val);
			put32(p + n + 6, seg->ts_ecr == 0 ? 0 : seg->ts_ecr + flow->ts_base);
			n += 10;
			break;
		default:
			memcpy(p + n, seg->raw, seg->n_raw);
			n += seg->n_raw;
			break;
		}
	}
	return n;
}

static unsigned int
make_tcp(const struct runner *r, const struct flow *flow, const struct segment *seg, uint8_t *p)
{
	uint8_t options[128] = { 0 };
	struct segment with = *seg;
	unsigned int n, hdr;

	if (flow->ts_auto && !segment_has(seg, OPTION_TS) && seg->n_options + 3u < SEG_OPTIONS) {
		with.options[with.n_options++] = OPTION_NOP;
		with.options[with.n_options++] = OPTION_NOP;
		with.options[with.n_options++] = OPTION_TS;
		with.ts_val = (uint32_t)(r->now / 1000000) + 10000;
		with.ts_ecr = flow->ts_known ? flow->ts_last - flow->ts_base : 0;
	}
	n = RTE_ALIGN(make_options(flow, &with, options), 4u);
	if (n > 40)
		n = 40;
	hdr = 20 + n;
	memset(p, 0, 20);
	memcpy(p, &flow->key.rport, 2);
	memcpy(p + 2, &flow->key.lport, 2);
	put32(p + 4, seg->seq + flow->irs);
	if (seg->flags & FL_ACK)
		put32(p + 8, seg->ack + flow->iss);
	p[12] = (uint8_t)((seg->hdr_len >= 0 ? (unsigned int)seg->hdr_len : hdr) / 4 << 4);
	p[13] = seg->flags;
	put16(p + 14, seg->win);
	put16(p + 18, seg->any & ANY_URG ? 0 : seg->urg);
	memcpy(p + 20, options, n);
	return hdr;
}

static unsigned int
make_ip(const struct flow *flow, const struct segment *seg, unsigned int payload, uint8_t *p)
{
	uint8_t ecn = seg->any & ANY_ECN ? 0 : seg->ecn;

	memset(p, 0, 20);
	p[0] = 0x45;
	p[1] = ecn;
	put16(p + 2, payload + 20);
	p[8] = 64;
	p[9] = IPPROTO_TCP;
	memcpy(p + 12, &flow->key.remote.w[3], 4);
	memcpy(p + 16, &flow->key.local.w[3], 4);
	return 20;
}

/* The payload, in buffers of at most seg->chain bytes. */
static bool
make_payload(const struct segment *seg, struct rte_mbuf *head)
{
	uint32_t done = 0, offset = seg->seq - 1 + ((seg->flags & FL_SYN) != 0);
	uint32_t limit = seg->chain > 0 ? seg->chain : UINT32_MAX;
	struct rte_mbuf *last = head;
	uint32_t fill = 0;

	while (done < seg->len) {
		if (fill == limit || rte_pktmbuf_tailroom(last) == 0) {
			last->next = rte_pktmbuf_alloc(script_rx_pool);
			if (last->next == NULL)
				return false;
			last = last->next;
			head->nb_segs++;
			fill = 0;
		}
		*rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len) =
				pattern_in(offset + done);
		last->data_len++;
		head->pkt_len++;
		fill++;
		done++;
	}
	return true;
}

struct rte_mbuf *
packet_make(struct runner *r, struct flow *flow, const struct segment *seg)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(script_rx_pool);
	uint8_t tcp[160], ip[40];
	unsigned int l3, l4;

	if (m == NULL) {
		run_fail(r, "no buffer for an injected segment");
		return NULL;
	}
	l4 = make_tcp(r, flow, seg, tcp);
	l3 = make_ip(flow, seg, l4 + seg->len, ip);
	m->l2_len = r->link & 0x7f;
	m->l3_len = l3 & 0x1ff;
	memset(rte_pktmbuf_append(m, (uint16_t)r->link), 0xee, r->link);
	memcpy(rte_pktmbuf_append(m, (uint16_t)l3), ip, l3);
	memcpy(rte_pktmbuf_append(m, (uint16_t)l4), tcp, l4);
	if (!make_payload(seg, m)) {
		rte_pktmbuf_free(m);
		run_fail(r, "no buffer for an injected segment");
		return NULL;
	}
	if (seg->coalesced) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		m->tso_segsz = seg->lro;
	}
	return m;
}
