/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a frame's headers into the device's match layout (fte_match_set_lyr_2_4 of prm.h) and
 * into what a completion says of them. Outer headers: Ethernet, one VLAN tag, IPv4, IPv6, TCP, UDP.
 */
#include "connectx.h"
#include "hw.h"
#include <net/ethernet.h>
#include <netinet/in.h>

#define ETH_LEN 14
#define VLAN_LEN 4
#define IPV4_MIN 20
#define IPV6_LEN 40
#define TCP_MIN 20
#define UDP_LEN 8
#define TCP_ACK 0x10

/* Bytes of the match layout, and bits inside them. */
enum {
	M_SMAC = 0,
	M_ETHERTYPE = 6,
	M_DMAC = 8,
	M_VLAN = 14,
	M_PROTO = 16,
	M_TOS = 17,
	M_FLAGS = 18, /* cvlan, svlan, fragment, IP version, highest TCP flag */
	M_TCP_FLAGS = 19,
	M_TCP_PORTS = 20,
	M_OK = 26, /* IHL, then what is right */
	M_TTL = 27,
	M_UDP_PORTS = 28,
	M_SRC_IPV6 = 32,
	M_SRC_IPV4 = 44,
	M_DST_IPV6 = 48,
	M_DST_IPV4 = 60,
};
#define M_CVLAN 0x80
#define M_SVLAN 0x40
#define M_FRAGMENT 0x20
#define M_VERSION(n) ((n) << 1)
#define M_L3_OK 0x08
#define M_L4_OK 0x04
#define M_IPV4_CSUM_OK 0x02
#define M_L4_CSUM_OK 0x01

struct ctx {
	uint8_t *m; /* match layout */
	bool verify, strict;
	uint8_t proto;
	uint32_t l4_len;
};

static uint16_t
parse_l2(struct cx_pkt *p, uint8_t *m)
{
	const uint8_t *d = p->data;
	uint16_t type = be16(d + 12);

	memcpy(m + M_SMAC, d + 6, 6);
	memcpy(m + M_DMAC, d, 6);
	p->l3_off = ETH_LEN;
	if ((type == ETHERTYPE_VLAN || type == 0x88a8) && p->len >= ETH_LEN + VLAN_LEN) {
		p->vlan = type == ETHERTYPE_VLAN;
		p->vlan_tci = be16(d + 14);
		memcpy(m + M_VLAN, d + 14, 2);
		m[M_FLAGS] |= p->vlan ? M_CVLAN : M_SVLAN;
		type = be16(d + 16);
		p->l3_off += VLAN_LEN;
	}
	put16(m + M_ETHERTYPE, type);
	return type;
}

static bool
parse_ipv4(struct cx_pkt *p, struct ctx *c)
{
	const uint8_t *ip = p->data + p->l3_off;
	uint32_t left = p->len - p->l3_off, ihl, total;

	if (left < IPV4_MIN)
		return false;
	ihl = (ip[0] & 15) * 4;
	total = c->strict ? be16(ip + 2) : left;
	if (ihl < IPV4_MIN || total < ihl || total > left)
		return false;
	c->proto = ip[9];
	c->l4_len = total - ihl;
	c->m[M_PROTO] = ip[9];
	c->m[M_TOS] = ip[1];
	c->m[M_FLAGS] |= M_VERSION(4);
	c->m[M_OK] |= (ihl / 4) << 4;
	c->m[M_TTL] = ip[8];
	memcpy(c->m + M_SRC_IPV4, ip + 12, 4);
	memcpy(c->m + M_DST_IPV4, ip + 16, 4);
	p->l3 = L3_IPV4;
	/* more fragments, or an offset (RFC 791) */
	p->fragment = (be16(ip + 6) & 0x3fff) != 0;
	if (p->fragment)
		c->m[M_FLAGS] |= M_FRAGMENT;
	p->l4_off = p->l3_off + ihl;
	p->l3_ok = !c->verify || cx_fold(cx_sum(ip, ihl)) == 0xffff;
	if (p->l3_ok)
		c->m[M_OK] |= M_L3_OK | M_IPV4_CSUM_OK;
	return true;
}

static bool
parse_ipv6(struct cx_pkt *p, struct ctx *c)
{
	const uint8_t *ip = p->data + p->l3_off;
	uint32_t left = p->len - p->l3_off, payload;

	if (left < IPV6_LEN)
		return false;
	payload = c->strict ? be16(ip + 4) : left - IPV6_LEN;
	if (payload > left - IPV6_LEN)
		return false;
	c->proto = ip[6];
	c->l4_len = payload;
	c->m[M_PROTO] = ip[6];
	c->m[M_TOS] = be16(ip) >> 4;
	c->m[M_FLAGS] |= M_VERSION(6);
	c->m[M_OK] |= M_L3_OK;
	c->m[M_TTL] = ip[7];
	memcpy(c->m + M_SRC_IPV6, ip + 8, 16);
	memcpy(c->m + M_DST_IPV6, ip + 24, 16);
	p->l3 = L3_IPV6;
	p->l3_ok = true;
	p->l4_off = p->l3_off + IPV6_LEN;
	if (c->proto == IPPROTO_FRAGMENT) {
		p->fragment = true;
		c->m[M_FLAGS] |= M_FRAGMENT;
	}
	return true;
}

static void
parse_l4(struct cx_pkt *p, struct ctx *c)
{
	const uint8_t *d = p->data + p->l4_off;
	uint32_t hdr;

	if (c->proto == IPPROTO_TCP && c->l4_len >= TCP_MIN) {
		hdr = (d[12] >> 4) * 4;
		if (hdr < TCP_MIN || hdr > c->l4_len)
			return;
		memcpy(c->m + M_TCP_PORTS, d, 4);
		c->m[M_FLAGS] |= d[12] & 1;
		c->m[M_TCP_FLAGS] = d[13];
		p->pay_len = c->l4_len - hdr;
		if (!(d[13] & TCP_ACK))
			p->l4 = L4_TCP;
		else
			p->l4 = p->pay_len > 0 ? L4_TCP_ACK : L4_TCP_EMPTY_ACK;
	} else if (c->proto == IPPROTO_UDP && c->l4_len >= UDP_LEN) {
		hdr = UDP_LEN;
		memcpy(c->m + M_UDP_PORTS, d, 4);
		p->pay_len = c->l4_len - hdr;
		p->l4 = L4_UDP;
	} else {
		return;
	}
	p->pay_off = p->l4_off + hdr;
	c->m[M_OK] |= M_L4_OK;
	p->l4_ok = !c->verify || (p->l4 == L4_UDP && d[6] == 0 && d[7] == 0) ||
			cx_fold(cx_sum(d, c->l4_len) + cx_sum_pseudo(p, c->l4_len, c->proto)) ==
					0xffff;
	if (p->l4_ok)
		c->m[M_OK] |= M_L4_CSUM_OK;
}

static inline void
parse(struct cx_pkt *p, bool verify, bool strict)
{
	struct ctx c = { .m = (uint8_t *)p->match, .verify = verify, .strict = strict };
	bool ip = false;
	uint16_t type;

	memset(p->match, 0, sizeof(p->match));
	if (p->len < ETH_LEN)
		return;
	type = parse_l2(p, c.m);
	if (type == ETHERTYPE_IP)
		ip = parse_ipv4(p, &c);
	else if (type == ETHERTYPE_IPV6)
		ip = parse_ipv6(p, &c);
	if (ip && !p->fragment)
		parse_l4(p, &c);
}

void
cx_parse(struct cx_pkt *p, bool verify)
{
	parse(p, verify, true);
}

void
cx_parse_headers(struct cx_pkt *p)
{
	parse(p, false, false);
}
