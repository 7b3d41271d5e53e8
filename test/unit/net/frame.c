/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for the tests of world.h, made byte by byte, with none of the code under test. */
#include <rte_tcp.h>

#include "world.h"

/* RFC 1071, the slow and obvious way. */
static uint32_t
add_words(const uint8_t *p, uint32_t len, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

static uint16_t
complement(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint16_t
udp_sum(const uint8_t *ip, const uint8_t *udp, uint32_t len)
{
	return complement(add_words(udp, len, add_words(ip + 12, 8, ip[9] + len)));
}

struct rte_ipv4_hdr *
frame_ip_hdr(struct frame *f)
{
	return (struct rte_ipv4_hdr *)(f->b + f->l2);
}

struct rte_udp_hdr *
frame_udp_hdr(struct frame *f)
{
	return (struct rte_udp_hdr *)(f->b + f->l2 + f->l3);
}

void
frame_sum_ip(struct frame *f)
{
	uint8_t *ip = f->b + f->l2;

	put16(ip + 10, 0);
	put16(ip + 10, complement(add_words(ip, (ip[0] & 15) * 4u, 0)));
}

void
frame_sum_udp(struct frame *f)
{
	uint8_t *udp = f->b + f->l2 + f->l3;
	uint16_t sum;

	put16(udp + 6, 0);
	sum = udp_sum(f->b + f->l2, udp, get16(udp + 4));
	put16(udp + 6, sum == 0 ? 0xffff : sum);
}

static void
link(struct frame *f, uint32_t dst, uint16_t vlan, uint16_t type)
{
	const uint8_t *d = (const uint8_t *)&dst;

	memset(f, 0, offsetof(struct frame, b) + 128);
	f->flags = GOOD_SUMS;
	f->mark = f->tci = f->segment = 0;
	if ((d[0] & 0xf0) == 0xe0)
		memcpy(f->b, (uint8_t[]){ 1, 0, 0x5e, d[1] & 0x7f, d[2], d[3] }, 6);
	else if (d[3] == 0xff)
		memset(f->b, 0xff, 6);
	else
		memcpy(f->b, &our_mac, 6);
	memcpy(f->b + 6, &peer_mac, 6);
	f->l2 = 14;
	if (vlan != 0) {
		put16(f->b + 12, 0x8100);
		put16(f->b + 14, vlan);
		f->l2 = 18;
	}
	put16(f->b + f->l2 - 2, type);
}

void
frame_ip(struct frame *f, uint32_t src, uint32_t dst, uint8_t proto, uint16_t vlan,
		const void *body, uint16_t len)
{
	uint8_t *ip;

	link(f, dst, vlan, 0x0800);
	f->l3 = 20;
	ip = f->b + f->l2;
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20u + len);
	put16(ip + 4, 7);
	ip[8] = proto == IPPROTO_IGMP ? 1 : 64;
	ip[9] = proto;
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	memcpy(ip + 20, body, len);
	f->len = f->l2 + 20u + len;
	frame_sum_ip(f);
}

void
frame_udp_to(struct frame *f, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
		uint16_t vlan, uint16_t len, uint16_t tag)
{
	static uint8_t body[66000];
	uint32_t i;

	put16(body, sport);
	put16(body + 2, dport);
	put16(body + 4, 8u + len);
	put16(body + 6, 0);
	for (i = 0; i < len; i++)
		body[8 + i] = (uint8_t)(i * 7 + tag);
	if (len >= 2)
		put16(body + 8, tag);
	frame_ip(f, src, dst, IPPROTO_UDP, vlan, body, (uint16_t)(8 + len));
	frame_sum_udp(f);
}

void
frame_tcp_to(struct frame *f, uint32_t src, uint32_t dst, uint16_t vlan,
		const struct frame_tcp *tcp)
{
	static uint8_t body[66000];
	uint32_t hl = 20u + tcp->options, i, v;

	memset(body, 0, 20);
	put16(body, tcp->sport);
	put16(body + 2, tcp->dport);
	v = rte_cpu_to_be_32(tcp->seq);
	memcpy(body + 4, &v, 4);
	v = rte_cpu_to_be_32(tcp->ack);
	memcpy(body + 8, &v, 4);
	body[12] = (uint8_t)(hl / 4 << 4);
	body[13] = tcp->flags;
	memset(body + 20, 1, tcp->options);
	for (i = 0; i < tcp->len; i++)
		body[hl + i] = (uint8_t)(i * 7 + 3);
	frame_ip(f, src, dst, IPPROTO_TCP, vlan, body, (uint16_t)(hl + tcp->len));
	put16(f->b + f->l2 + 36, udp_sum(f->b + f->l2, f->b + f->l2 + 20, hl + tcp->len));
}

void
frame_udp(struct frame *f, uint16_t len, uint16_t tag)
{
	frame_udp_to(f, PEER, 1000, OUR, 2000, 0, len, tag);
}

void
frame_arp(struct frame *f, uint16_t op, const struct rte_ether_addr *to,
		const struct rte_ether_addr *sha, uint32_t sip, uint32_t tip, uint16_t vlan)
{
	uint8_t *p;

	link(f, OUR, vlan, 0x0806);
	memcpy(f->b, to, 6);
	memcpy(f->b + 6, sha, 6);
	p = f->b + f->l2;
	memset(p, 0, 46);
	memcpy(p, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, (uint8_t)op }, 8);
	memcpy(p + 8, sha, 6);
	memcpy(p + 14, &sip, 4);
	memcpy(p + 24, &tip, 4);
	f->len = f->l2 + 46u; /* padded */
}

void
frame_fragment(const struct frame *whole, uint32_t at, uint32_t len, struct frame *f)
{
	uint32_t total = get16(whole->b + whole->l2 + 2) - whole->l3;
	uint8_t *ip;

	*f = *whole;
	ip = f->b + f->l2;
	memcpy(ip + f->l3, whole->b + whole->l2 + whole->l3 + at, len);
	put16(ip + 2, f->l3 + len);
	put16(ip + 6, at / 8 | (at + len < total ? 0x2000 : 0));
	f->len = f->l2 + f->l3 + len;
	f->flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	frame_sum_ip(f);
}

struct rte_mbuf *
frame_mbuf(const struct frame *f)
{
	uint16_t step = f->segment != 0 ? f->segment : RTE_PKTMBUF_HEADROOM + 1900;
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t at = 0, part;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		assert_non_null(m);
		part = RTE_MIN(f->len - at, (uint32_t)step);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), f->b + at, part);
		at += part;
		if (first == NULL) {
			first = m;
		} else {
			last->next = m;
			first->nb_segs++;
			first->pkt_len += part;
		}
		last = m;
	} while (at < f->len);
	first->ol_flags =
			f->flags | (f->mark != 0 ? RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID : 0);
	first->hash.fdir.hi = f->mark;
	first->vlan_tci = f->tci;
	return first;
}

struct rte_ipv4_hdr *
sent_ip(const struct sent *s)
{
	uint32_t l2 = get16(s->b + 12) == 0x8100 ? 18 : 14;

	return (struct rte_ipv4_hdr *)(uintptr_t)(s->b + l2);
}

/* What a device does: the sum of all, the pseudo header's in the field included, into the field. */
static bool
offload(const struct sent *s, uint8_t *ip, uint8_t *l4, uint32_t len)
{
	uint64_t asked = s->flags & RTE_MBUF_F_TX_L4_MASK;
	uint16_t sum;

	if (asked == 0)
		return true;
	if (asked != (ip[9] == IPPROTO_UDP ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM) ||
			s->l2 != ip - s->b || s->l3 != 20 || (s->flags & RTE_MBUF_F_TX_IPV4) == 0)
		return false;
	sum = complement(add_words(l4, len, 0));
	put16(l4 + (ip[9] == IPPROTO_UDP ? 6 : 16),
			sum == 0 && ip[9] == IPPROTO_UDP ? 0xffff : sum);
	return true;
}

bool
sent_good(struct sent *s)
{
	uint8_t *ip = (uint8_t *)sent_ip(s), *l4 = ip + (ip[0] & 15) * 4u;
	uint32_t len = get16(ip + 2) - (ip[0] & 15) * 4u;

	if (complement(add_words(ip, (ip[0] & 15) * 4u, 0)) != 0)
		return false;
	if ((ip[9] != IPPROTO_UDP && ip[9] != IPPROTO_TCP) || (get16(ip + 6) & 0x3fff) != 0)
		return true;
	return offload(s, ip, l4, len) && udp_sum(ip, l4, len) == 0;
}

unsigned int
sent_cut(const struct sent *s, struct sent *parts, unsigned int max)
{
	uint32_t head = s->l2 + s->l3 + s->l4, at, part;
	unsigned int n = 0;

	for (at = head; at < s->len && n < max; at += part, n++) {
		uint8_t *ip = parts[n].b + s->l2, *tcp = ip + s->l3;
		uint32_t seq;

		part = RTE_MIN(s->len - at, (uint32_t)s->segsz);
		parts[n].len = head + part;
		parts[n].flags = 0;
		memcpy(parts[n].b, s->b, head);
		memcpy(parts[n].b + head, s->b + at, part);
		put16(ip + 2, s->l3 + s->l4 + part);
		put16(ip + 4, get16(ip + 4) + n);
		if (get16(ip + 10) == 0 && (s->flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
			put16(ip + 10, complement(add_words(ip, s->l3, 0)));
		memcpy(&seq, tcp + 4, 4);
		seq = rte_cpu_to_be_32(rte_be_to_cpu_32(seq) + at - head);
		memcpy(tcp + 4, &seq, 4);
		if (at + part < s->len)
			tcp[13] &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
		/* the length is the device's to add to the pseudo header's sum in the field */
		put16(tcp + 16, complement(add_words(tcp, s->l4 + part, s->l4 + part)));
	}
	return n;
}

struct rte_mbuf *
out_tcp(const struct frame_tcp *tcp, uint16_t segment)
{
	static struct frame f;

	frame_tcp_to(&f, OUR, PEER, 0, tcp);
	memmove(f.b, f.b + 34, f.len - 34);
	f.len -= 34;
	put16(f.b + 16, 0);
	f.flags = 0;
	f.segment = segment;
	return frame_mbuf(&f);
}

struct rte_mbuf *
out_udp(uint16_t sport, uint16_t dport, uint16_t len, uint16_t tag)
{
	static struct frame f;
	struct rte_mbuf *m;

	frame_udp_to(&f, OUR, sport, PEER, dport, 0, len, tag);
	memmove(f.b, f.b + 34, f.len - 34);
	f.len -= 34;
	put16(f.b + 6, 0);
	f.flags = 0;
	m = frame_mbuf(&f);
	return m;
}
