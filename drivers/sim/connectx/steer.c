/* SPDX-License-Identifier: BSD-3-Clause */
/* Flow steering: mlx5dv_dr tables/matchers/rules/actions, packet parsing, RSS. */
#include "connectx.h"

/* ---- mlx5dv_dr objects ---- */
SIM_EXPORT struct mlx5dv_dr_domain *
mlx5dv_dr_domain_create(struct ibv_context *c, enum mlx5dv_dr_domain_type t)
{
	struct mlx5dv_dr_domain *d = calloc(1, sizeof(*d));

	(void)c;
	d->type = t;
	pthread_mutex_lock(&sim.lock);
	d->next = sim.domains;
	sim.domains = d;
	pthread_mutex_unlock(&sim.lock);
	return d;
}
SIM_EXPORT int
mlx5dv_dr_domain_destroy(struct mlx5dv_dr_domain *d)
{
	struct mlx5dv_dr_domain **p;

	pthread_mutex_lock(&sim.lock);
	for (p = &sim.domains; *p; p = &(*p)->next)
		if (*p == d) {
			*p = d->next;
			break;
		}
	pthread_mutex_unlock(&sim.lock);
	free(d);
	return 0;
}
SIM_EXPORT int
mlx5dv_dr_domain_sync(struct mlx5dv_dr_domain *d, uint32_t f)
{
	(void)d;
	(void)f;
	return 0;
}
SIM_EXPORT void
mlx5dv_dr_domain_set_reclaim_device_memory(struct mlx5dv_dr_domain *d, bool e)
{
	(void)d;
	(void)e;
}
SIM_EXPORT void
mlx5dv_dr_domain_allow_duplicate_rules(struct mlx5dv_dr_domain *d, bool a)
{
	(void)d;
	(void)a;
}

SIM_EXPORT struct mlx5dv_dr_table *
mlx5dv_dr_table_create(struct mlx5dv_dr_domain *d, uint32_t level)
{
	struct mlx5dv_dr_table *t = calloc(1, sizeof(*t));

	t->dmn = d;
	t->level = level;
	pthread_mutex_lock(&sim.lock);
	t->next = d->tables;
	d->tables = t;
	pthread_mutex_unlock(&sim.lock);
	return t;
}
SIM_EXPORT int
mlx5dv_dr_table_destroy(struct mlx5dv_dr_table *t)
{
	struct mlx5dv_dr_table **p;

	pthread_mutex_lock(&sim.lock);
	for (p = &t->dmn->tables; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	pthread_mutex_unlock(&sim.lock);
	free(t);
	return 0;
}

SIM_EXPORT struct mlx5dv_dr_matcher *
mlx5dv_dr_matcher_create(struct mlx5dv_dr_table *t, uint16_t prio, uint8_t crit,
		struct mlx5dv_flow_match_parameters *mask)
{
	/* bytes of the match layout the packet parser fills: outer headers only */
	const size_t known = 0x40;
	struct mlx5dv_dr_matcher *m, **p;
	unsigned int i;

	if (mask->match_sz > sizeof(m->mask)) {
		errno = EINVAL;
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	m->tbl = t;
	m->prio = prio;
	m->mask_len = mask->match_sz;
	memcpy(m->mask, mask->match_buf, mask->match_sz);
	for (i = 0; i < mask->match_sz / 4; i++) {
		if (!m->mask[i])
			continue;
		if (i * 4 >= known) {
			sim_log(2, "matcher on unmodelled match dword %u (%08x), criteria %#x", i,
					be32toh(m->mask[i]), crit);
			free(m);
			errno = EOPNOTSUPP;
			return NULL;
		}
		m->idx[m->n_idx++] = i;
	}
	pthread_mutex_lock(&sim.lock);
	for (p = &t->matchers; *p && (*p)->prio <= prio; p = &(*p)->next)
		;
	m->next = *p;
	*p = m;
	pthread_mutex_unlock(&sim.lock);
	return m;
}
SIM_EXPORT int
mlx5dv_dr_matcher_destroy(struct mlx5dv_dr_matcher *m)
{
	struct mlx5dv_dr_matcher **p;

	pthread_mutex_lock(&sim.lock);
	for (p = &m->tbl->matchers; *p; p = &(*p)->next)
		if (*p == m) {
			*p = m->next;
			break;
		}
	pthread_mutex_unlock(&sim.lock);
	free(m);
	return 0;
}

SIM_EXPORT struct mlx5dv_dr_rule *
mlx5dv_dr_rule_create(struct mlx5dv_dr_matcher *m, struct mlx5dv_flow_match_parameters *v, size_t n,
		struct mlx5dv_dr_action *a[])
{
	struct mlx5dv_dr_rule *r, **p;
	size_t i;

	if (n > 16 || v->match_sz > sizeof(r->value)) {
		errno = EINVAL;
		return NULL;
	}
	for (i = 0; i < n; i++)
		if (!a[i] || a[i]->type == A_OTHER || (a[i]->type == A_COUNT && !a[i]->obj)) {
			errno = EOPNOTSUPP;
			return NULL;
		}
	r = calloc(1, sizeof(*r));
	r->m = m;
	memcpy(r->value, v->match_buf, v->match_sz);
	for (i = 0; i < n; i++)
		r->act[r->n_act++] = a[i];
	pthread_mutex_lock(&sim.lock);
	for (p = &m->rules; *p; p = &(*p)->next)
		;
	*p = r;
	pthread_mutex_unlock(&sim.lock);
	if (sim.verbose >= 2) {
		char buf[512];
		int l = 0;

		for (i = 0; i < m->n_idx; i++)
			l += snprintf(buf + l, sizeof(buf) - l, " @%02x:%08x/%08x", m->idx[i] * 4,
					be32toh(r->value[m->idx[i]]), be32toh(m->mask[m->idx[i]]));
		buf[l] = 0;
		sim_log(2, "rule table level %u domain %u prio %u match{%s } act0=%d tir=%#x",
				m->tbl->level, m->tbl->dmn->type, m->prio, buf,
				n ? (int)a[0]->type : -1,
				n && a[n - 1]->obj ? a[n - 1]->obj->id : 0);
	}
	return r;
}
SIM_EXPORT int
mlx5dv_dr_rule_destroy(struct mlx5dv_dr_rule *r)
{
	struct mlx5dv_dr_rule **p;

	pthread_mutex_lock(&sim.lock);
	for (p = &r->m->rules; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	pthread_mutex_unlock(&sim.lock);
	free(r);
	return 0;
}

static struct mlx5dv_dr_action *
mkact(enum act_type t, struct mlx5dv_devx_obj *o, struct mlx5dv_dr_table *tb, uint32_t v)
{
	struct mlx5dv_dr_action *a = calloc(1, sizeof(*a));

	a->type = t;
	a->obj = o;
	a->tbl = tb;
	a->val = v;
	return a;
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_table(struct mlx5dv_dr_table *t)
{
	return mkact(A_TABLE, NULL, t, 0);
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_devx_tir(struct mlx5dv_devx_obj *o)
{
	return mkact(A_TIR, o, NULL, 0);
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_drop(void)
{
	return mkact(A_DROP, NULL, NULL, 0);
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_default_miss(void)
{
	return mkact(A_MISS, NULL, NULL, 0);
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_tag(uint32_t v)
{
	return mkact(A_TAG, NULL, NULL, v);
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_flow_counter(struct mlx5dv_devx_obj *o, uint32_t off)
{
	return mkact(A_COUNT, o, NULL, off);
}
SIM_EXPORT int
mlx5dv_dr_action_destroy(struct mlx5dv_dr_action *a)
{
	free(a);
	return 0;
}

SIM_EXPORT int
mlx5dv_dump_dr_rule(FILE *f, struct mlx5dv_dr_rule *r)
{
	fprintf(f, "rule %p prio %u hits %lu\n", (void *)r, r->m->prio, r->hits);
	return 0;
}
SIM_EXPORT int
mlx5dv_dump_dr_domain(FILE *f, struct mlx5dv_dr_domain *d)
{
	struct mlx5dv_dr_table *t;
	struct mlx5dv_dr_matcher *m;
	struct mlx5dv_dr_rule *r;

	for (t = d->tables; t; t = t->next)
		for (m = t->matchers; m; m = m->next)
			for (r = m->rules; r; r = r->next)
				mlx5dv_dump_dr_rule(f, r);
	return 0;
}

/* ---- packet parsing into the device match layout ---- */
static uint16_t
r16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

void
pkt_parse(struct pkt *p)
{
	uint8_t *o = (uint8_t *)p->mp;
	const uint8_t *d = p->d;
	uint32_t off = 14, l4len = 0;
	uint16_t et;
	uint8_t proto = 0;

	memset(p->mp, 0, 0x40);
	if (p->len < 14)
		return;
	memcpy(o + 0, d + 6, 6);
	memcpy(o + 8, d, 6);
	et = r16(d + 12);
	if ((et == 0x8100 || et == 0x88a8) && p->len >= 18) {
		p->has_vlan = et == 0x8100;
		p->vlan_tci = r16(d + 14);
		memcpy(o + 14, d + 14, 2);
		o[18] |= et == 0x8100 ? 0x80 : 0x40;
		et = r16(d + 16);
		off = 18;
	}
	o[6] = et >> 8;
	o[7] = et;
	p->l3_off = off;
	if (et == 0x0800 && p->len >= off + 20) {
		const uint8_t *ip = d + off;
		uint32_t ihl = (ip[0] & 15) * 4, tl = r16(ip + 2);

		if (ihl < 20 || tl < ihl || off + tl > p->len)
			return;
		proto = ip[9];
		o[16] = proto;
		o[17] = ip[1];
		o[18] |= 4 << 1;
		o[26] |= (ihl / 4) << 4;
		o[27] = ip[8];
		memcpy(o + 44, ip + 12, 4);
		memcpy(o + 60, ip + 16, 4);
		p->l3 = 2;
		p->l3_ok = true;
		p->frag = r16(ip + 6) & 0x3fff;
		if (p->frag)
			o[18] |= 0x20;
		p->l4_off = off + ihl;
		l4len = tl - ihl;
	} else if (et == 0x86dd && p->len >= off + 40) {
		const uint8_t *ip = d + off;
		uint32_t pl = r16(ip + 4);

		if (off + 40 + pl > p->len)
			return;
		proto = ip[6];
		o[16] = proto;
		o[17] = (r16(ip) >> 4) & 0xff;
		o[18] |= 6 << 1;
		o[27] = ip[7];
		memcpy(o + 32, ip + 8, 16);
		memcpy(o + 48, ip + 24, 16);
		p->l3 = 1;
		p->l3_ok = true;
		p->l4_off = off + 40;
		l4len = pl;
	} else {
		return;
	}
	if (p->frag)
		return;
	d += p->l4_off;
	if (proto == 6 && l4len >= 20) {
		uint32_t hl = (d[12] >> 4) * 4;

		if (hl < 20 || hl > l4len)
			return;
		memcpy(o + 20, d, 4);
		o[18] |= d[12] & 1;
		o[19] = d[13];
		p->pay_off = p->l4_off + hl;
		p->pay_len = l4len - hl;
		p->l4 = !(d[13] & 0x10) ? 1 : p->pay_len ? 4 : 3;
		p->l4_ok = true;
	} else if (proto == 17 && l4len >= 8) {
		memcpy(o + 28, d, 4);
		p->pay_off = p->l4_off + 8;
		p->pay_len = l4len - 8;
		p->l4 = 2;
		p->l4_ok = true;
	}
}

/* ---- RSS ---- */
static uint32_t
toeplitz(const uint8_t *key, const uint8_t *in, unsigned int n)
{
	uint32_t h = 0, w = (uint32_t)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3];
	unsigned int i, b;

	for (i = 0; i < n; i++) {
		uint8_t next = i + 4 < 40 ? key[i + 4] : 0;

		for (b = 0; b < 8; b++) {
			if (in[i] & (0x80 >> b))
				h ^= w;
			w = w << 1 | ((next >> (7 - b)) & 1);
		}
	}
	return h;
}

void
rss(struct pkt *p)
{
	struct mlx5dv_devx_obj *t = p->tir, *rqt;
	const uint8_t *o = (const uint8_t *)p->mp;
	uint8_t in[36];
	unsigned int n = 0, al = t->sel_l3 ? 16 : 4;

	p->rq = NULL;
	p->hash = 0;
	if (t->disp == 0) {
		p->rq = t->inline_rqn < 1 << 16 ? sim.objs[t->inline_rqn] : NULL;
		return;
	}
	/* selected fields: 0 src ip, 1 dst ip, 2 l4 sport, 3 l4 dport */
	if (t->sel && p->l3 == (t->sel_l3 ? 1 : 2)) {
		if (t->sel & 1)
			memcpy(in + n, o + 48 - al, al), n += al;
		if (t->sel & 2)
			memcpy(in + n, o + 64 - al, al), n += al;
		if (p->l4 && (p->l4 == 2) == t->sel_l4) {
			const uint8_t *q = o + (t->sel_l4 ? 28 : 20);

			if (t->sel & 4)
				memcpy(in + n, q, 2), n += 2;
			if (t->sel & 8)
				memcpy(in + n, q + 2, 2), n += 2;
		}
		p->hash = toeplitz(t->key, in, n);
		p->hash_type = 1;
	}
	rqt = t->rqtn < 1 << 16 ? sim.objs[t->rqtn] : NULL;
	if (!rqt || rqt->type != T_RQT || !rqt->rqn_n)
		return;
	n = rqt->rqn[p->hash % rqt->rqn_n];
	p->rq = n < 1 << 16 ? sim.objs[n] : NULL;
	if (p->rq && p->rq->type != T_RQ)
		p->rq = NULL;
}

static struct mlx5dv_dr_rule *
lookup(struct mlx5dv_dr_matcher *m, const struct pkt *p)
{
	struct mlx5dv_dr_rule *r;
	unsigned int i;

	for (; m; m = m->next)
		for (r = m->rules; r; r = r->next) {
			for (i = 0; i < m->n_idx; i++)
				if ((p->mp[m->idx[i]] ^ r->value[m->idx[i]]) & m->mask[m->idx[i]])
					break;
			if (i == m->n_idx)
				return r;
		}
	return NULL;
}

int
steer_rx(struct pkt *p)
{
	struct mlx5dv_dr_domain *d;
	struct mlx5dv_dr_table *t, *next;
	unsigned int hops;

	for (d = sim.domains; d && d->type != MLX5DV_DR_DOMAIN_TYPE_NIC_RX; d = d->next)
		;
	if (!d)
		return -1;
	for (t = d->tables; t && t->level; t = t->next)
		;
	for (hops = 0; t && hops < 64; t = next, hops++) {
		struct mlx5dv_dr_rule *r = lookup(t->matchers, p);
		unsigned int i;

		next = NULL;
		if (!r)
			return -1;
		r->hits++;
		for (i = 0; i < r->n_act; i++) {
			struct mlx5dv_dr_action *a = r->act[i];

			switch (a->type) {
			case A_DROP:
				return 0;
			case A_MISS:
				return -1;
			case A_TAG:
				p->tag = a->val & 0xffffff;
				break;
			case A_COUNT:
				if (a->val < a->obj->n) {
					a->obj->pkts[a->val]++;
					a->obj->bytes[a->val] += p->len;
				}
				break;
			case A_TABLE:
				next = a->tbl;
				break;
			case A_TIR:
				p->tir = a->obj;
				break;
			default:
				break;
			}
		}
		if (p->tir)
			return 1;
	}
	return -1;
}
