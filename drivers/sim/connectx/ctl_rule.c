/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering for the control socket: the matchers of all tables with the number of their rules and
 * hits, and the first rules of each, up to a limit. All of it is copied in one go, so the limits
 * are what bounds the time that the device waits.
 */
#include "ctl.h"
#include "hws.h"
#include <arpa/inet.h>

#define MATCHERS 1024 /* shown of one NIC: the verbs path makes one for each rule */

/* Fields of the match layout (prm.h), by their place in bits. */
enum form { FORM_NUMBER, FORM_HEX, FORM_MAC, FORM_IP };

static const struct {
	const char *name;
	uint16_t at, bits;
	enum form form;
} fields[] = {
	{ "smac", 0, 48, FORM_MAC },
	{ "ethertype", 48, 16, FORM_HEX },
	{ "dmac", 64, 48, FORM_MAC },
	{ "vlan_prio", 112, 3, FORM_NUMBER },
	{ "vlan_cfi", 115, 1, FORM_NUMBER },
	{ "vid", 116, 12, FORM_NUMBER },
	{ "proto", 128, 8, FORM_NUMBER },
	{ "dscp", 136, 6, FORM_NUMBER },
	{ "ecn", 142, 2, FORM_NUMBER },
	{ "cvlan", 144, 1, FORM_NUMBER },
	{ "svlan", 145, 1, FORM_NUMBER },
	{ "fragment", 146, 1, FORM_NUMBER },
	{ "ip_version", 147, 4, FORM_NUMBER },
	{ "tcp_flags", 151, 9, FORM_HEX },
	{ "tcp_sport", 160, 16, FORM_NUMBER },
	{ "tcp_dport", 176, 16, FORM_NUMBER },
	{ "ihl", 208, 4, FORM_NUMBER },
	{ "ip_ok", 212, 4, FORM_HEX },
	{ "ttl", 216, 8, FORM_NUMBER },
	{ "udp_sport", 224, 16, FORM_NUMBER },
	{ "udp_dport", 240, 16, FORM_NUMBER },
	{ "src", 256, 128, FORM_IP },
	{ "dst", 384, 128, FORM_IP },
};

struct rule {
	uint32_t key[CX_MATCH_WORDS]; /* spread over the layout */
	uint8_t verdict;
	bool tagged, counted;
	uint32_t tag, tir, level;
	uint64_t hits;
};

struct matcher {
	uint32_t level, n_rules, mask[CX_MATCH_WORDS];
	uint32_t rtc; /* number of one, 0: of the other tables */
	uint16_t priority;
	uint64_t hits;
	size_t first, end; /* of its rules in the list */
};

struct copy {
	struct matcher *m;
	struct rule *r;
	size_t n_m, n_r, limit;
	bool more; /* matchers than there is room for */
};

static void
copy_rule(struct rule *to, const struct mlx5dv_dr_rule *r)
{
	const struct mlx5dv_dr_matcher *m = r->matcher;
	uint32_t i;

	memset(to, 0, sizeof(*to));
	for (i = 0; i < m->n_words; i++)
		to->key[m->idx[i]] = r->key[i];
	to->verdict = r->verdict;
	to->tagged = r->tagged;
	to->counted = r->n_counters > 0;
	to->tag = r->tag;
	to->tir = r->tir != NULL ? r->tir->id : 0;
	to->level = r->to_table != NULL ? r->to_table->level : 0;
	to->hits = r->hits;
}

static void
copy_matcher(struct copy *c, const struct mlx5dv_dr_matcher *m)
{
	const struct mlx5dv_dr_rule *r;
	struct matcher *to;
	uint32_t i, left = m->n_rules;

	if (c->n_m == MATCHERS) {
		c->more = true;
		return;
	}
	to = &c->m[c->n_m++];
	*to = (struct matcher){ .level = m->table->level,
		.n_rules = m->n_rules,
		.priority = m->priority,
		.hits = m->hits,
		.first = c->n_r };
	memcpy(to->mask, m->mask, sizeof(to->mask));
	for (i = 0; i <= m->bucket_mask && left > 0 && c->n_r < c->limit; i++)
		for (r = m->bucket[i]; r != NULL && c->n_r < c->limit; r = r->next, left--)
			copy_rule(&c->r[c->n_r++], r);
	to->end = c->n_r;
}

static void
copy_ste(struct rule *to, struct cx_ste *s)
{
	const struct mlx5dv_devx_obj *ft = NULL;
	struct cx_pkt p = { 0 };

	memset(to, 0, sizeof(*to));
	cx_hws_value(s, to->key);
	to->verdict = cx_hws_outcome(s, &p, &ft);
	to->tag = p.tag;
	to->tagged = p.tag != 0;
	if (to->verdict == CX_STEER_FT)
		to->tir = ft != NULL ? ft->id : 0;
	else
		to->tir = p.tir != NULL ? p.tir->id : 0;
	to->hits = s->hits;
}

/* An RTC of hardware steering is shown as a matcher. */
static void
copy_rtc(struct copy *c, const struct mlx5dv_devx_obj *o)
{
	const struct cx_rtc *r = o->rtc;
	struct matcher *to;
	struct cx_ste *s;
	uint32_t i;

	if (c->n_m == MATCHERS) {
		c->more = true;
		return;
	}
	to = &c->m[c->n_m++];
	*to = (struct matcher){
		.rtc = o->id, .n_rules = r->n_stes, .hits = r->hits, .first = c->n_r
	};
	cx_hws_mask(r, to->mask);
	for (i = 0; i < 1u << r->log_rows && c->n_r < c->limit && r->n_stes > 0; i++)
		for (s = r->row[i]; s != NULL && c->n_r < c->limit; s = s->next)
			copy_ste(&c->r[c->n_r++], s);
	to->end = c->n_r;
}

/* The receive domains: in the others nothing is modelled. */
static void
copy_all(struct cx_dev *dev, struct copy *c)
{
	const struct mlx5dv_dr_domain *d;
	const struct mlx5dv_dr_matcher *m;
	const struct mlx5dv_dr_table *t;
	const struct mlx5dv_devx_obj *o;
	uint32_t i;

	cx_lock(dev);
	for (i = 0; i < dev->objs.n_slots && !c->more; i++) {
		o = cx_obj_get(dev, i, CX_RTC);
		if (o != NULL && !o->rtc->by_offset)
			copy_rtc(c, o);
	}
	for (d = dev->domains; d != NULL; d = d->next)
		for (t = d->type == MLX5DV_DR_DOMAIN_TYPE_NIC_RX ? d->tables : NULL; t != NULL;
				t = t->next)
			for (m = t->matchers; m != NULL && !c->more; m = m->next)
				copy_matcher(c, m);
	cx_unlock(dev);
}

static bool
is_zero(const uint8_t *b, unsigned int at, unsigned int n)
{
	for (; n > 0; n--, at++)
		if (bits_get(b, at, 1) != 0)
			return false;
	return true;
}

static void
put_mac(FILE *out, const uint8_t *b)
{
	fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

/* An IPv4 address is in the last word of the field. */
static void
put_ip(FILE *out, const uint8_t *b, bool v4)
{
	char text[INET6_ADDRSTRLEN];

	fputs(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? b + 12 : b, text, sizeof(text)), out);
}

static void
put_value(FILE *out, enum form form, const uint8_t *b, unsigned int at, unsigned int n, bool v4)
{
	switch (form) {
	case FORM_NUMBER:
		fprintf(out, "%u", (uint32_t)bits_get(b, at, n));
		break;
	case FORM_HEX:
		fprintf(out, "%#x", (uint32_t)bits_get(b, at, n));
		break;
	case FORM_MAC:
		put_mac(out, b + at / 8);
		break;
	case FORM_IP:
		put_ip(out, b + at / 8, v4);
		break;
	}
}

/* The fields that the mask has; with their values when there is a key, with parts of the mask where
 * it is not all of the field. */
static void
put_match(FILE *out, const uint32_t *mask_words, const uint32_t *key)
{
	const uint8_t *mask = (const uint8_t *)mask_words;
	uint8_t ones[16];
	size_t i;

	memset(ones, 0xff, sizeof(ones));
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		unsigned int at = fields[i].at, n = fields[i].bits;
		bool v4 = n == 128 && is_zero(mask, at, 96), whole;

		if (is_zero(mask, at, n))
			continue;
		if (n < 48)
			whole = bits_get(mask, at, n) == bits_get(ones, 0, n);
		else
			whole = memcmp(mask + at / 8 + (v4 ? 12 : 0), ones, v4 ? 4 : n / 8) == 0;
		fprintf(out, " %s", fields[i].name);
		if (key != NULL) {
			fputc('=', out);
			put_value(out, fields[i].form, (const uint8_t *)key, at, n, v4);
		}
		if (!whole) {
			fputc('/', out);
			put_value(out, fields[i].form == FORM_NUMBER ? FORM_HEX : fields[i].form,
					mask, at, n, v4);
		}
	}
}

static void
put_verdict(FILE *out, const struct rule *r)
{
	switch (r->verdict) {
	case CX_STEER_NEXT:
		fprintf(out, " -> level %u", r->level);
		break;
	case CX_STEER_DROP:
		fputs(" -> drop", out);
		break;
	case CX_STEER_QUEUE:
		fprintf(out, " -> TIR %#x", r->tir);
		break;
	case CX_STEER_FT:
		fprintf(out, " -> flow table %#x", r->tir);
		break;
	default:
		fputs(" -> kernel", out);
		break;
	}
	if (r->tagged)
		fprintf(out, ", tag %u", r->tag);
	if (r->counted)
		fputs(", counted", out);
	fprintf(out, ", hits %lu\n", r->hits);
}

static void
show(FILE *out, const struct copy *c)
{
	const struct matcher *m;
	size_t i;

	for (m = c->m; m < c->m + c->n_m; m++) {
		if (m->rtc != 0)
			fprintf(out, "  RTC %#x, mask{", m->rtc);
		else
			fprintf(out, "  level %u, priority %u, mask{", m->level, m->priority);
		put_match(out, m->mask, NULL);
		fprintf(out, " }: rules %u, hits %lu\n", m->n_rules, m->hits);
		for (i = m->first; i < m->end; i++) {
			fputs("   ", out);
			put_match(out, m->mask, c->r[i].key);
			put_verdict(out, &c->r[i]);
		}
		if (m->end - m->first < m->n_rules)
			fprintf(out, "    and %zu more rules\n", m->n_rules - (m->end - m->first));
	}
	if (c->more)
		fprintf(out, "  and more matchers than the %u above\n", MATCHERS);
}

void
cx_ctl_rules(FILE *out, struct cx_dev *d, unsigned int limit)
{
	struct copy c = { .limit = limit };

	c.m = calloc(MATCHERS, sizeof(*c.m));
	c.r = calloc(limit > 0 ? limit : 1, sizeof(*c.r));
	if (c.m != NULL && c.r != NULL) {
		copy_all(d, &c);
		show(out, &c);
	} else {
		cx_ctl_error(out, "no memory for the list");
	}
	free(c.m);
	free(c.r);
}
