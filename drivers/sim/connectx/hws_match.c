/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a frame's steering entry, RTC after RTC. The driver picks what it compares out of a
 * layout of headers that is not that of the other tables (parse.c): it is put together here, once
 * for a frame that comes to a flow table of this kind.
 */
#include "hw.h"
#include "hws.h"
#include <netinet/in.h>

#define LAYOUT_BYTES 320
#define MAX_STEPS (4 * CX_MAX_HOPS) /* flow tables and entries, those that miss too */

/* Bytes of the layout; all of it is of the outer headers. */
enum {
	AT_DMAC = 0,
	AT_ETHERTYPE = 6,
	AT_FRAGMENT = 8,
	AT_TYPES = 9, /* of L3, of L4, of the VLAN tag: two bits each */
	AT_VLAN = 10,
	AT_SMAC = 32,
	AT_SRC_TYPES = 39, /* the same, and whether it is a fragment */
	AT_VERSION = 56,   /* and IHL */
	AT_TOS = 57,
	AT_TTL = 58,
	AT_PROTO = 59,
	AT_PORTS = 96,
	AT_L4_BITS = 100, /* data offset, right or not, fragment, and the highest TCP flag */
	AT_TCP_FLAGS = 101,
	AT_SRC_IPV4 = 256,
	AT_DST_IPV4 = 260,
	AT_DST_IPV6 = 272,
	AT_SRC_IPV6 = 304,
};

#define FRAGMENT 0x10
#define TYPES(l3, l4, vlan) ((l3) << 4 | (l4) << 2 | (vlan))
#define SRC_TYPES(l3, l4, vlan) ((l3) << 6 | (l4) << 4 | (vlan) << 2)
#define SRC_FRAGMENT 0x02
#define L4_FRAGMENT 0x02
#define L4_TCP_NS 0x01
enum { TYPE_IPV4 = 1, TYPE_IPV6 = 2 };
enum { TYPE_TCP = 1, TYPE_UDP = 2, TYPE_ICMP = 3 };
enum { TYPE_SVLAN = 1, TYPE_CVLAN = 2 };

/* The match layout of parse.c. */
enum {
	M_SMAC = 0,
	M_ETHERTYPE = 6,
	M_DMAC = 8,
	M_VLAN = 14,
	M_PROTO = 16,
	M_TOS = 17,
	M_FLAGS = 18,
	M_TCP_FLAGS = 19,
	M_TCP_PORTS = 20,
	M_IHL = 26,
	M_TTL = 27,
	M_UDP_PORTS = 28,
	M_SRC = 32,
	M_DST = 48,
	M_IPV4 = 12, /* in an address */
};
#define M_CVLAN 0x80
#define M_SVLAN 0x40
#define M_FRAGMENT 0x20

static const uint8_t modelled[LAYOUT_BYTES] = {
	[AT_DMAC... AT_ETHERTYPE + 1] = 0xff,
	[AT_FRAGMENT] = FRAGMENT,
	[AT_TYPES] = TYPES(3, 3, 3),
	[AT_VLAN... AT_VLAN + 1] = 0xff,
	[AT_SMAC... AT_SMAC + 5] = 0xff,
	[AT_SRC_TYPES] = SRC_TYPES(3, 3, 3) | SRC_FRAGMENT,
	[AT_VERSION... AT_PROTO] = 0xff,
	[AT_PORTS... AT_PORTS + 3] = 0xff,
	[AT_L4_BITS] = L4_FRAGMENT | L4_TCP_NS,
	[AT_TCP_FLAGS] = 0xff,
	[AT_SRC_IPV4... AT_DST_IPV4 + 3] = 0xff,
	[AT_DST_IPV6... AT_DST_IPV6 + 15] = 0xff,
	[AT_SRC_IPV6... AT_SRC_IPV6 + 15] = 0xff,
};

bool
cx_hws_modelled(uint32_t at, uint8_t mask)
{
	if (at < LAYOUT_BYTES && (mask & ~modelled[at]) == 0)
		return true;
	cx_log(1, "steering on bits %#x of byte %u of the header layout: not modelled", mask, at);
	return false;
}

static uint32_t
l4_type(const struct cx_pkt *p, uint8_t proto)
{
	if (p->fragment || p->l3 == L3_NONE)
		return 0;
	if (p->l4 != L4_NONE)
		return p->l4 == L4_UDP ? TYPE_UDP : TYPE_TCP;
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? TYPE_ICMP : 0;
}

static void
put_types(uint8_t *h, const struct cx_pkt *p, const uint8_t *m)
{
	uint32_t l3 = p->l3 == L3_IPV4 ? TYPE_IPV4 : p->l3 == L3_IPV6 ? TYPE_IPV6 : 0;
	uint32_t l4 = l4_type(p, m[M_PROTO]);
	uint32_t vlan = m[M_FLAGS] & M_CVLAN ? TYPE_CVLAN : m[M_FLAGS] & M_SVLAN ? TYPE_SVLAN : 0;

	h[AT_TYPES] = TYPES(l3, l4, vlan);
	h[AT_SRC_TYPES] = SRC_TYPES(l3, l4, vlan);
	if (m[M_FLAGS] & M_FRAGMENT) {
		h[AT_FRAGMENT] = FRAGMENT;
		h[AT_SRC_TYPES] |= SRC_FRAGMENT;
		h[AT_L4_BITS] = L4_FRAGMENT;
	}
}

static void
put_l3(uint8_t *h, const struct cx_pkt *p, const uint8_t *m)
{
	h[AT_VERSION] = (p->l3 == L3_IPV4 ? 4 : 6) << 4 | m[M_IHL] >> 4;
	h[AT_TOS] = m[M_TOS];
	h[AT_TTL] = m[M_TTL];
	h[AT_PROTO] = m[M_PROTO];
	if (p->l3 == L3_IPV4) {
		memcpy(h + AT_SRC_IPV4, m + M_SRC + M_IPV4, 4);
		memcpy(h + AT_DST_IPV4, m + M_DST + M_IPV4, 4);
	} else {
		memcpy(h + AT_SRC_IPV6, m + M_SRC, 16);
		memcpy(h + AT_DST_IPV6, m + M_DST, 16);
	}
}

static void
put_headers(uint8_t *h, const struct cx_pkt *p)
{
	const uint8_t *m = (const uint8_t *)p->match;

	memset(h, 0, LAYOUT_BYTES);
	memcpy(h + AT_DMAC, m + M_DMAC, 6);
	memcpy(h + AT_SMAC, m + M_SMAC, 6);
	memcpy(h + AT_ETHERTYPE, m + M_ETHERTYPE, 2);
	memcpy(h + AT_VLAN, m + M_VLAN, 2);
	put_types(h, p, m);
	if (p->l3 != L3_NONE)
		put_l3(h, p, m);
	if (p->l4 == L4_UDP) {
		memcpy(h + AT_PORTS, m + M_UDP_PORTS, 4);
	} else if (p->l4 != L4_NONE) {
		memcpy(h + AT_PORTS, m + M_TCP_PORTS, 4);
		h[AT_L4_BITS] |= m[M_FLAGS] & L4_TCP_NS;
		h[AT_TCP_FLAGS] = m[M_TCP_FLAGS];
	}
}

static struct cx_ste *
lookup(struct cx_dev *d, const struct cx_rtc *r, const uint8_t *h)
{
	const struct cx_definer *f = r->definer->definer;
	uint32_t tag[CX_TAG_WORDS] = { 0 }, hash, i;
	struct cx_ste *s;

	if (r->n_stes == 0)
		return NULL;
	for (i = 0; i < f->n; i++)
		((uint8_t *)tag)[f->pick[i].to] = h[f->pick[i].from] & f->pick[i].mask;
	hash = cx_steer_hash(tag, CX_TAG_WORDS);
	d->stat.steer_masks++;
	for (s = r->row[hash & ((1u << r->log_rows) - 1)]; s != NULL; s = s->next) {
		d->stat.steer_rules++;
		if (s->hash == hash && memcmp(s->tag, tag, sizeof(tag)) == 0)
			return s;
	}
	return NULL;
}

/* Where a frame is on its way. */
struct way {
	const struct mlx5dv_devx_obj *ft;
	struct cx_ste *ste; /* the next entry, when that is known */
};

static int
carry_out(struct cx_pkt *p, const struct cx_ste *s, struct way *w)
{
	int verdict = CX_STEER_DROP; /* what the last action says; there is always one */
	uint32_t i, place;

	w->ste = NULL;
	for (i = 0; i < s->n_stcs; i++) {
		const struct cx_stc *c = &s->rtc->stcs->stc->stc[s->stc[i]];

		switch (c->type) {
		case CX_STC_TAG:
			p->tag = s->data[c->at] & CX_TAG_MASK;
			break;
		case CX_STC_DROP:
			verdict = CX_STEER_DROP;
			break;
		case CX_STC_ALLOW:
			verdict = CX_STEER_MISS;
			break;
		case CX_STC_TO_TIR:
			p->tir = c->obj;
			verdict = CX_STEER_QUEUE;
			break;
		case CX_STC_TO_FT:
			w->ft = c->obj;
			verdict = CX_STEER_NEXT;
			break;
		case CX_STC_TO_STE:
			/* the place is in the word behind that of the action */
			place = s->data[c->at + 1] >> 6;
			if (c->obj->ste->place == NULL || place >= c->obj->ste->n ||
					c->obj->ste->place[place] == NULL)
				return CX_STEER_DROP;
			w->ste = c->obj->ste->place[place];
			verdict = CX_STEER_NEXT;
			break;
		default:
			break;
		}
	}
	return verdict;
}

int
cx_hws_steer(struct cx_dev *d, struct cx_pkt *p, const struct mlx5dv_devx_obj *ft)
{
	struct way w = { .ft = ft };
	uint8_t h[LAYOUT_BYTES];
	const struct cx_rtc *r;
	unsigned int step;
	int verdict;

	put_headers(h, p);
	for (step = 0; step < MAX_STEPS && p->n_stes < CX_MAX_HOPS; step++) {
		if (w.ste == NULL) {
			if (w.ft == NULL)
				return CX_STEER_MISS;
			if (w.ft->ft->rtc == NULL) {
				w.ft = w.ft->ft->miss;
				continue;
			}
			r = w.ft->ft->rtc->rtc;
			w.ste = lookup(d, r, h);
			if (w.ste == NULL) {
				w.ft = r->miss;
				continue;
			}
		}
		p->ste[p->n_stes++] = w.ste;
		verdict = carry_out(p, w.ste, &w);
		if (verdict != CX_STEER_NEXT)
			return verdict;
	}
	return CX_STEER_MISS;
}

int
cx_hws_outcome(struct cx_ste *s, struct cx_pkt *p, const struct mlx5dv_devx_obj **ft)
{
	struct way w = { .ste = s };
	unsigned int step;
	int verdict = CX_STEER_DROP;

	for (step = 0; step < MAX_STEPS && w.ste != NULL; step++) {
		verdict = carry_out(p, w.ste, &w);
		if (verdict != CX_STEER_NEXT)
			w.ste = NULL;
	}
	*ft = w.ft;
	return verdict == CX_STEER_NEXT ? CX_STEER_FT : verdict;
}

/* The other way round than put_headers(); ports of what is not UDP are TCP's. A mask has all bits
 * of a type or none. */
static void
to_match(const uint8_t *h, bool mask, bool udp, uint8_t *m)
{
	static const struct {
		uint16_t from, to, n;
	} same[] = {
		{ AT_DMAC, M_DMAC, 6 },
		{ AT_ETHERTYPE, M_ETHERTYPE, 2 },
		{ AT_VLAN, M_VLAN, 2 },
		{ AT_SMAC, M_SMAC, 6 },
		{ AT_TOS, M_TOS, 1 },
		{ AT_TTL, M_TTL, 1 },
		{ AT_PROTO, M_PROTO, 1 },
		{ AT_TCP_FLAGS, M_TCP_FLAGS, 1 },
		{ AT_SRC_IPV6, M_SRC, 16 },
		{ AT_DST_IPV6, M_DST, 16 },
	};
	static const uint8_t version[] = { 0, 4, 6, 15 },
			     proto[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	uint8_t types = h[AT_TYPES] | h[AT_SRC_TYPES] >> 2;
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		memcpy(m + same[i].to, h + same[i].from, same[i].n);
	for (i = 0; i < 4; i++) {
		m[M_SRC + M_IPV4 + i] |= h[AT_SRC_IPV4 + i];
		m[M_DST + M_IPV4 + i] |= h[AT_DST_IPV4 + i];
	}
	memcpy(m + (udp ? M_UDP_PORTS : M_TCP_PORTS), h + AT_PORTS, 4);
	m[M_FLAGS] = version[types >> 4 & 3] << 1;
	if ((types & 3) != 0)
		m[M_FLAGS] |= mask || (types & 3) == TYPE_CVLAN ? M_CVLAN : 0;
	if (h[AT_FRAGMENT] != 0 || h[AT_SRC_TYPES] & SRC_FRAGMENT || h[AT_L4_BITS] & L4_FRAGMENT)
		m[M_FLAGS] |= M_FRAGMENT;
	if ((types >> 2 & 3) != 0)
		m[M_PROTO] = mask ? 0xff : proto[types >> 2 & 3];
}

static void
spread(const struct cx_rtc *r, const struct cx_ste *s, uint8_t *h)
{
	const struct cx_definer *f = r->definer->definer;
	uint32_t i;

	memset(h, 0, LAYOUT_BYTES);
	for (i = 0; i < f->n; i++)
		h[f->pick[i].from] = s != NULL ? ((const uint8_t *)s->tag)[f->pick[i].to]
					       : f->pick[i].mask;
}

static bool
is_udp(const struct cx_ste *s)
{
	uint8_t h[LAYOUT_BYTES];

	if (s == NULL)
		return true;
	spread(s->rtc, s, h);
	return ((h[AT_TYPES] | h[AT_SRC_TYPES] >> 2) >> 2 & 3) != TYPE_TCP;
}

/* Where the ports of a mask are is told by the first rule: the driver has a table for each kind. */
void
cx_hws_mask(const struct cx_rtc *r, uint32_t match[CX_MATCH_WORDS])
{
	const struct cx_ste *first = NULL;
	uint8_t h[LAYOUT_BYTES];
	uint32_t i;

	for (i = 0; r->n_stes > 0 && first == NULL && i < 1u << r->log_rows; i++)
		first = r->row[i];
	memset(match, 0, CX_MATCH_BYTES);
	spread(r, NULL, h);
	to_match(h, true, is_udp(first), (uint8_t *)match);
}

void
cx_hws_value(const struct cx_ste *s, uint32_t match[CX_MATCH_WORDS])
{
	uint8_t h[LAYOUT_BYTES];

	memset(match, 0, CX_MATCH_BYTES);
	spread(s->rtc, s, h);
	to_match(h, false, is_udp(s), (uint8_t *)match);
}
