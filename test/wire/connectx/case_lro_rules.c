/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which TCP segments become one frame, and which do not. The PMD sends them itself over the loop
 * wire, in one burst: they come in one turn of the device, so its timer does not divide them. Where
 * it does for once, on a machine that was busy, the scenario is played again; a frame that holds
 * what it should not is an error at once.
 */
#include "cxtest.h"
#include <rte_ethdev.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define MAX_SEGS 320
#define TRIES 50
#define ACK 0x10
#define PSH 0x08
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define URG 0x20
#define ECE 0x40
#define CWR 0x80
#define END (ACK | PSH)
#define MARKER 7777 /* UDP port of the frame behind a scenario's */
#define LRO_USEC 1024

enum options { PLAIN, TS, TS_ODD, OTHER_12, TS_LONG };
enum damage { DMG_NONE, DMG_TCP, DMG_IP, DMG_OPTIONS, DMG_FRAGMENT };

struct seg {
	uint16_t len;
	uint8_t flags;	  /* 0: ACK */
	uint8_t frame;	  /* in which it comes out, from 0 */
	int32_t jump;	  /* bytes from where the sequence is */
	enum options opt; /* of TCP */
	uint32_t tsval, tsecr;
	uint8_t tos, ttl, flow;
	uint16_t vlan;
	enum damage damage;
	uint16_t df;
	uint32_t label; /* of IPv6 */
};

struct scenario {
	const char *name;
	struct seg seg[8];
};

/* what is not said is zero, as anywhere */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* One is played over IPv4 and IPv6, but for what IPv6 does not have. */
static const struct scenario scenarios[] = {
	{ "three and PSH", { { 1000 }, { 1000 }, { 1000, END } } },
	{ "odd lengths", { { 333 }, { 1 }, { 7 }, { 1001 }, { 3, END } } },
	{ "PSH ends and begins", { { 100, END }, { 100, END, 1 }, { 100, 0, 2 }, { 9, END, 2 } } },
	{ "FIN", { { 500 }, { 500 }, { 500, ACK | FIN, 1 } } },
	{ "FIN without payload", { { 500 }, { 500 }, { 0, ACK | FIN, 1 } } },
	{ "SYN", { { 500 }, { 500, SYN | ACK, 1 } } },
	{ "RST", { { 500 }, { 500 }, { 0, RST | ACK, 1 } } },
	{ "RST without ACK", { { 500 }, { 500 }, { 0, RST, 1 } } },
	{ "URG", { { 500 }, { 500, ACK | URG, 1 }, { 500, END, 2 } } },
	{ "ECE", { { 500 }, { 500, ACK | ECE, 1 }, { 500, END, 2 } } },
	{ "CWR", { { 500 }, { 500, ACK | CWR, 1 }, { 500, END, 2 } } },
	{ "pure ACK", { { 500 }, { 500 }, { 0, ACK, 1 }, { 500, 0, 2 }, { 500, END, 2 } } },
	{ "duplicate", { { 500 }, { 500, 0, 1, -500 }, { 500, END, 1 } } },
	{ "out of order",
			{ { 500 }, { 500, 0, 1, 500 }, { 500, 0, 2, -1000 },
					{ 500, END, 3, 500 } } },
	{ "overlap", { { 500 }, { 500, END, 1, -1 } } },
	{ "time stamps",
			{ { 500, 0, 0, 0, TS, 9, 8 }, { 500, 0, 0, 0, TS, 9, 8 },
					{ 99, END, 0, 0, TS, 9, 8 } } },
	{ "another TSval",
			{ { 500, 0, 0, 0, TS, 9, 8 }, { 500, 0, 0, 0, TS, 9, 8 },
					{ 500, 0, 1, 0, TS, 10, 8 },
					{ 99, END, 1, 0, TS, 10, 8 } } },
	{ "another TSecr",
			{ { 500, 0, 0, 0, TS, 9, 8 }, { 500, 0, 1, 0, TS, 9, 9 },
					{ 500, END, 1, 0, TS, 9, 9 } } },
	{ "time stamps after none",
			{ { 500 }, { 500, 0, 1, 0, TS, 9, 8 }, { 9, END, 1, 0, TS, 9, 8 } } },
	{ "time stamps in front of NOP NOP",
			{ { 500, 0, 0, 0, TS_ODD, 9, 8 }, { 500, END, 1, 0, TS_ODD, 9, 8 } } },
	{ "other options of twelve bytes",
			{ { 500, 0, 0, 0, OTHER_12 }, { 500, END, 1, 0, OTHER_12 } } },
	{ "more than time stamps",
			{ { 500, 0, 0, 0, TS_LONG, 9, 8 }, { 500, END, 1, 0, TS_LONG, 9, 8 } } },
	{ "minimum TTL", { { 500, .ttl = 64 }, { 500, .ttl = 60 }, { 500, END, .ttl = 62 } } },
	{ "congestion experienced",
			{ { 500, .tos = 2 }, { 500, .tos = 2 }, { 500, 0, 1, .tos = 3 },
					{ 500, END, 2, .tos = 2 } } },
	{ "DSCP", { { 500, .tos = 4 }, { 500, END, 1, .tos = 8 } } },
	{ "bad TCP checksum", { { 500 }, { 500, 0, 1, .damage = DMG_TCP }, { 500, END, 2 } } },
	{ "two flows",
			{ { 500 }, { 400, .flow = 1, .frame = 1 }, { 500, END },
					{ 401, END, 1, .flow = 1 } } },
	{ "VLAN", { { 500, .vlan = 5 }, { 500, .vlan = 5 }, { 77, END, .vlan = 5 } } },
	{ "another VLAN", { { 500, .vlan = 5 }, { 500, END, 1, .vlan = 6 } } },
	{ "VLAN after none", { { 500 }, { 500, END, 1, .vlan = 6 } } },
	{ "priority of a VLAN", { { 500, .vlan = 5 }, { 500, END, 1, .vlan = 0x2005 } } },
	{ "short, padded by the sender", { { 1 }, { 1 }, { 2, END } } },
};

static const struct scenario ipv4_only[] = {
	{ "bad IP checksum", { { 500 }, { 500, 0, 1, .damage = DMG_IP }, { 500, END, 2 } } },
	{ "IP options",
			{ { 500 }, { 500, 0, 1, .damage = DMG_OPTIONS },
					{ 500, 0, 2, .damage = DMG_OPTIONS }, { 500, END, 3 } } },
	/* no ports in a fragment: it is nobody's, and goes past the session */
	{ "fragment",
			{ { 500, 0, 1 }, { 480, 0, 0, .damage = DMG_FRAGMENT },
					{ 500, END, 2, 0 } } },
	{ "DF", { { 500, .df = 0x4000 }, { 500, END, 1 } } },
};

static const struct scenario ipv6_only[] = {
	{ "flow label",
			{ { 500, .label = 7 }, { 500, 0, .label = 7 },
					{ 500, END, 1, .label = 8 } } },
};

struct sent {
	uint8_t frame[2048];
	uint32_t len, l3, l4, pay, seq;
	uint8_t flow;
};

static struct sent sent[MAX_SEGS];
static uint32_t next_seq[2] = { 0xffffff00u, 5000 }; /* one of them wraps */
static uint16_t sport[2] = { 30000, 30001 };
static bool v6, strip;
static uint16_t last_vlan;

static uint8_t
payload(uint32_t seq)
{
	return seq * 37 ^ seq >> 8;
}

static uint32_t
put_l3(uint8_t *p, const struct seg *s, uint32_t l4_len)
{
	struct rte_ipv4_hdr *ip = (void *)p;
	struct rte_ipv6_hdr *ip6 = (void *)p;
	uint32_t hdr = s->damage == DMG_OPTIONS ? 24 : 20;

	if (v6) {
		memset(ip6, 0, sizeof(*ip6));
		ip6->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)s->tos << 20 | s->label);
		ip6->payload_len = rte_cpu_to_be_16(l4_len);
		ip6->proto = IPPROTO_TCP;
		ip6->hop_limits = s->ttl ? s->ttl : 64;
		ip6->src_addr[0] = ip6->dst_addr[0] = 0xfd;
		ip6->src_addr[15] = 1;
		ip6->dst_addr[15] = 2;
		return sizeof(*ip6);
	}
	memset(p, 0, hdr);
	if (hdr > 20)
		memset(p + 20, 1, 4); /* NOPs */
	ip->version_ihl = 0x40 | hdr / 4;
	ip->type_of_service = s->tos;
	ip->total_length = rte_cpu_to_be_16(hdr + l4_len);
	ip->fragment_offset =
			s->damage == DMG_FRAGMENT ? RTE_BE16(0x2000) : rte_cpu_to_be_16(s->df);
	ip->time_to_live = s->ttl ? s->ttl : 64;
	ip->next_proto_id = IPPROTO_TCP;
	ip->src_addr = RTE_BE32(0x0a630001);
	ip->dst_addr = RTE_BE32(0x0a630002);
	ip->hdr_checksum = ~rte_raw_cksum(p, hdr);
	if (s->damage == DMG_IP)
		ip->hdr_checksum ^= 0x101;
	return hdr;
}

static uint32_t
put_options(uint8_t *p, const struct seg *s)
{
	static const uint8_t plain[4] = { 1, 1, 8, 10 }, odd[2] = { 8, 10 };
	uint32_t ts[2] = { rte_cpu_to_be_32(s->tsval), rte_cpu_to_be_32(s->tsecr) };

	switch (s->opt) {
	case TS:
	case TS_LONG:
		memcpy(p, plain, 4);
		memcpy(p + 4, ts, 8);
		memset(p + 12, 1, 4);
		return s->opt == TS ? 12 : 16;
	case TS_ODD:
		memcpy(p, odd, 2);
		memcpy(p + 2, ts, 8);
		p[10] = p[11] = 1;
		return 12;
	case OTHER_12:
		memset(p, 1, 12);
		return 12;
	default:
		return 0;
	}
}

static void
put_l4(struct sent *t, const struct seg *s, unsigned int number)
{
	struct rte_tcp_hdr *tcp = (void *)(t->frame + t->l4);
	uint32_t opt = put_options((uint8_t *)(tcp + 1), s), i, n;
	uint32_t sum;

	n = 20 + opt + s->len;
	t->pay = t->l4 + 20 + opt;
	memset(tcp, 0, 20);
	tcp->src_port = rte_cpu_to_be_16(sport[s->flow]);
	tcp->dst_port = RTE_BE16(80);
	tcp->sent_seq = rte_cpu_to_be_32(t->seq);
	tcp->recv_ack = rte_cpu_to_be_32(777 + number);
	tcp->data_off = (20 + opt) / 4 << 4;
	tcp->tcp_flags = s->flags ? s->flags : ACK;
	tcp->rx_win = rte_cpu_to_be_16(1000 + number);
	for (i = 0; i < s->len; i++)
		t->frame[t->pay + i] = payload(t->seq + i);
	sum = rte_raw_cksum(tcp, n) +
			(v6 ? rte_ipv6_phdr_cksum((void *)(t->frame + t->l3), 0)
			    : rte_ipv4_phdr_cksum((void *)(t->frame + t->l3), 0));
	sum = (sum & 0xffff) + (sum >> 16);
	tcp->cksum = ~((sum & 0xffff) + (sum >> 16));
	if (s->damage == DMG_TCP)
		tcp->cksum ^= 0x1010;
}

static void
make(struct sent *t, const struct seg *s, unsigned int number)
{
	static const uint8_t macs[12] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x02, 0xaa, 0xbb,
		0xcc, 0xdd, 0xee };
	uint32_t at = 12, opt[] = { 0, 12, 12, 12, 16 };

	memset(t, 0, sizeof(*t));
	memcpy(t->frame, macs, 12);
	if (s->vlan) {
		t->frame[at++] = 0x81;
		t->frame[at++] = 0x00;
		t->frame[at++] = s->vlan >> 8;
		t->frame[at++] = s->vlan;
	}
	t->frame[at++] = v6 ? 0x86 : 0x08;
	t->frame[at++] = v6 ? 0xdd : 0x00;
	t->l3 = at;
	t->l4 = at + put_l3(t->frame + at, s, 20 + opt[s->opt] + s->len);
	t->flow = s->flow;
	t->seq = next_seq[s->flow] + s->jump;
	put_l4(t, s, number);
	t->len = t->pay + s->len;
	if (t->len < 60)
		t->len = 60;
	next_seq[s->flow] = t->seq + s->len;
}

static void
send_burst(unsigned int n)
{
	struct rte_mbuf *m[MAX_SEGS + 1];
	struct segment marker = {
		.src = 1, .dst = 2, .dport = MARKER, .proto = IPPROTO_UDP, .len = 60
	};
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	unsigned int i, done = 0;

	for (i = 0; i <= n; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		CHECK(m[i] != NULL, "no mbuf");
		if (i < n)
			memcpy(rte_pktmbuf_mtod(m[i], void *), sent[i].frame, sent[i].len);
		m[i]->data_len = i < n ? sent[i].len
				       : peer_frame(rte_pktmbuf_mtod(m[i], uint8_t *), &marker);
		m[i]->pkt_len = m[i]->data_len;
	}
	while (done < n + 1) {
		done += rte_eth_tx_burst(0, 0, m + done, n + 1 - done);
		CHECK(rte_get_timer_cycles() < end, "%u of %u sent", done, n + 1);
	}
}

static bool
is_marker(const uint8_t *f)
{
	return f[12] == 0x08 && f[23] == IPPROTO_UDP && f[36] == MARKER >> 8 &&
			f[37] == (MARKER & 255);
}

static unsigned int
receive_all(struct rte_mbuf **m)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	unsigned int n = 0;

	for (;;) {
		CHECK(n <= MAX_SEGS && rte_get_timer_cycles() < end, "no end after %u frames", n);
		if (port_receive(&m[n], NULL, 1, 1) == 0)
			continue;
		if (is_marker(rte_pktmbuf_mtod(m[n], uint8_t *))) {
			rte_pktmbuf_free(m[n]);
			return n;
		}
		n++;
	}
}

/* A frame of one segment: as it was sent, but for the tag. */
static void
check_single(const struct rte_mbuf *m, const uint8_t *f, const struct sent *t, const char *name)
{
	uint32_t tag = strip && last_vlan ? 4 : 0;

	CHECK(m->pkt_len == t->len - tag, "%s: %u bytes, not %u", name, m->pkt_len, t->len - tag);
	CHECK(memcmp(f, t->frame, 12) == 0 &&
					memcmp(f + 12, t->frame + 12 + tag, m->pkt_len - 12) == 0,
			"%s: a frame was changed", name);
	CHECK(!(m->ol_flags & RTE_MBUF_F_RX_LRO), "%s: a single segment is flagged", name);
}

/* One of segments first, first + 1, ...: how many of them the frame holds. */
static void
check_merged(const struct rte_mbuf *m, const uint8_t *f, const struct sent *const *t,
		unsigned int n, const char *name)
{
	uint32_t tag = strip && last_vlan ? 4 : 0, l3 = t[0]->l3 - tag, l4 = t[0]->l4 - tag,
		 pay = t[0]->pay - tag, i, len = m->pkt_len - pay;
	const struct rte_tcp_hdr *tcp = (const void *)(f + l4), *last, *first;
	uint8_t ttl = 255, k;

	first = (const void *)(t[0]->frame + t[0]->l4);
	last = (const void *)(t[n - 1]->frame + t[n - 1]->l4);
	for (i = 0; i < n; i++) {
		k = t[i]->frame[t[i]->l3 + (v6 ? 7 : 8)];
		ttl = RTE_MIN(ttl, k);
	}
	CHECK(f[l3 + (v6 ? 7 : 8)] == ttl, "%s: TTL %u, not %u", name, f[l3 + 8], ttl);
	CHECK(f[l3 + 1] == t[0]->frame[t[0]->l3 + 1], "%s: TOS", name);
	CHECK(tcp->sent_seq == first->sent_seq && tcp->src_port == first->src_port &&
					tcp->data_off == first->data_off,
			"%s: header of the first", name);
	CHECK(memcmp(tcp + 1, first + 1, pay - l4 - 20) == 0, "%s: options", name);
	CHECK(tcp->recv_ack == last->recv_ack && tcp->rx_win == last->rx_win,
			"%s: ACK and window of the last", name);
	CHECK(tcp->tcp_flags == (first->tcp_flags | last->tcp_flags), "%s: flags %x", name,
			tcp->tcp_flags);
	for (i = 0; i < len; i++)
		CHECK(f[pay + i] == payload(t[0]->seq + i), "%s: payload byte %u", name, i);
	if (v6) {
		CHECK(rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)(f + l3))->payload_len) ==
						m->pkt_len - l4,
				"%s: IPv6 length", name);
		CHECK(rte_ipv6_udptcp_cksum_verify((const void *)(f + l3), tcp) == 0,
				"%s: TCP checksum", name);
	} else {
		CHECK(rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)(f + l3))->total_length) ==
						m->pkt_len - l3,
				"%s: IP length", name);
		CHECK(rte_raw_cksum(f + l3, 20) == 0xffff, "%s: IP checksum", name);
		CHECK(rte_ipv4_udptcp_cksum_verify((const void *)(f + l3), tcp) == 0,
				"%s: TCP checksum", name);
	}
	CHECK(m->ol_flags & RTE_MBUF_F_RX_LRO && m->tso_segsz == m->pkt_len / n, "%s: flags", name);
}

/* Segments of the frames expected, in the order of frames; false: the timer divided one. */
static bool
check_frames(struct rte_mbuf **m, unsigned int n_frames, const struct seg *seg, unsigned int n,
		const char *name)
{
	static uint8_t copy[65536];
	unsigned int frame, i, got = 0, k;

	for (frame = 0; got < n_frames; frame++, got++) {
		const struct sent *t[MAX_SEGS];
		uint32_t bytes = 0, have;
		const uint8_t *f = rte_pktmbuf_read(m[got], 0, m[got]->pkt_len, copy);

		for (i = k = 0; i < n; i++) {
			if (seg[i].frame != frame)
				continue;
			t[k++] = &sent[i];
			bytes += seg[i].len;
			last_vlan = seg[i].vlan;
		}
		CHECK(k > 0, "%s: frame %u of %u more than expected", name, got, n_frames);
		if (k == 1) {
			check_single(m[got], f, t[0], name);
			continue;
		}
		have = m[got]->pkt_len - (t[0]->pay - (strip && last_vlan ? 4 : 0));
		if (have < bytes || !(m[got]->ol_flags & RTE_MBUF_F_RX_LRO))
			return false;
		CHECK(have == bytes, "%s: frame %u holds %u bytes, not %u", name, got, have, bytes);
		check_merged(m[got], f, t, k, name);
	}
	for (i = 0; i < n; i++)
		CHECK(seg[i].frame < n_frames, "%s: only %u frames", name, n_frames);
	return true;
}

static void
play(const struct seg *seg, unsigned int n, const char *name)
{
	struct rte_mbuf *m[MAX_SEGS + 2];
	unsigned int tries, i, frames;
	bool whole = false;

	for (tries = 0; !whole; tries++) {
		CHECK(tries < TRIES, "%s: never merged", name);
		for (i = 0; i < n; i++)
			make(&sent[i], &seg[i], i);
		send_burst(n);
		frames = receive_all(m);
		whole = check_frames(m, frames, seg, n, name);
		for (i = 0; i < frames; i++)
			rte_pktmbuf_free(m[i]);
	}
}

static void
play_all(const struct scenario *s, size_t n)
{
	unsigned int k;
	size_t i;

	for (i = 0; i < n; i++) {
		for (k = 0; k < RTE_DIM(s->seg) && (s[i].seg[k].len || s[i].seg[k].flags); k++)
			;
		play(s[i].seg, k, s[i].name);
	}
}

/* 255 segments are one frame, the 256th begins the next. */
static void
play_many(void)
{
	static struct seg seg[300];
	unsigned int i;

	for (i = 0; i < RTE_DIM(seg); i++)
		seg[i] = (struct seg){
			.len = 21, .frame = i / 255, .flags = i + 1 == RTE_DIM(seg) ? END : ACK
		};
	play(seg, RTE_DIM(seg), "300 segments");
}

/* The limit, from the TCP header on: 16,000 bytes hold eleven segments of 1400. */
static void
play_long(unsigned int limit)
{
	static struct seg seg[30];
	unsigned int i, fit = (limit / 256 * 256 - 20) / 1400;

	for (i = 0; i < RTE_DIM(seg); i++)
		seg[i] = (struct seg){
			.len = 1400, .frame = i / fit, .flags = i + 1 == RTE_DIM(seg) ? END : ACK
		};
	play(seg, RTE_DIM(seg), "size limit");
}

/* No PSH, nothing behind it: the time that the driver asked for, then the frame comes. */
static void
play_timer(void)
{
	struct seg seg = { .len = 700 };
	struct rte_mbuf *m;
	uint64_t t0, t, end;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		make(&sent[0], &seg, 0);
		t0 = rte_get_timer_cycles();
		end = t0 + PATIENCE * rte_get_timer_hz();
		send_burst(1);
		CHECK(receive_all(&m) == 0, "it did not wait for more");
		while (port_receive(&m, NULL, 1, 1) == 0)
			CHECK(rte_get_timer_cycles() < end, "the timer did not end it");
		t = rte_get_timer_cycles() - t0;
		CHECK(t >= rte_get_timer_hz() / 1000000 * LRO_USEC, "after %lu cycles", t);
		check_single(m, rte_pktmbuf_mtod(m, uint8_t *), &sent[0], "timer");
		rte_pktmbuf_free(m);
	}
}

/* Another connection on the same place of the device's table: each ends the other, nothing is
 * mixed. Which ports share a place is the device's own, so they are looked for; a burst that the
 * timer divided looks the same, but not three times. */
static void
play_collision(void)
{
	static const struct seg seg[] = { { 300 }, { 301, 0, 1, .flow = 1 }, { 302, END, 2 },
		{ 303, END, 3, .flow = 1 } };
	struct rte_mbuf *m[MAX_SEGS + 2];
	unsigned int i, n, same = 0, tried = 0;

	while (same < 3) {
		CHECK(tried < 8000, "no two connections share a place");
		for (i = 0; i < RTE_DIM(seg); i++)
			make(&sent[i], &seg[i], i);
		send_burst(RTE_DIM(seg));
		n = receive_all(m);
		CHECK(n >= 2 && n <= RTE_DIM(seg), "%u frames of two connections", n);
		if (n == RTE_DIM(seg)) {
			for (i = 0; i < n; i++)
				check_single(m[i], rte_pktmbuf_mtod(m[i], uint8_t *), &sent[i],
						"one place");
			same++;
		} else {
			same = 0;
			sport[1]++;
			tried++;
		}
		for (i = 0; i < n; i++)
			rte_pktmbuf_free(m[i]);
	}
	printf("ports %u and %u share a place\n", sport[0], sport[1]);
	sport[1] = 30001;
}

/* a: bytes of the PMD's limit; b: 1 strips VLAN tags */
void
case_lro_rules(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1,
		.rxd = 1024,
		.lro_size = c->a,
		.rx_offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER |
				RTE_ETH_RX_OFFLOAD_CHECKSUM };

	struct rte_eth_burst_mode mode;

	strip = c->b;
	if (strip)
		pc.rx_offloads |= RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	port_start(&pc);
	CHECK(rte_eth_rx_burst_mode_get(0, 0, &mode) == 0, "burst mode");
	CHECK((strstr(mode.info, "Multi-Packet") != NULL) == (strstr(c->name, "mprq") != NULL),
			"mode %s", mode.info);
	for (v6 = false;; v6 = true) {
		play_all(scenarios, RTE_DIM(scenarios));
		if (v6)
			play_all(ipv6_only, RTE_DIM(ipv6_only));
		else
			play_all(ipv4_only, RTE_DIM(ipv4_only));
		play_many();
		play_long(c->a);
		if (v6)
			break;
	}
	v6 = false;
	last_vlan = 0;
	play_collision();
	play_timer();
	port_stop();
}
