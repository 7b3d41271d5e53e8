/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a frame's rule, table after table. Nothing is counted on the way: a frame that is held
 * back and offered again must count once, so cx_steer_commit() does it when the frame is gone.
 */
#include "hws.h"

/* Multiply and rotate: the words are addresses and ports, which differ in few bits. */
uint32_t
cx_steer_hash(const uint32_t *key, uint32_t n)
{
	uint64_t h = n;
	uint32_t i;

	for (i = 0; i < n; i++) {
		h = (h ^ key[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h ^ h >> 32;
}

static struct mlx5dv_dr_rule *
lookup(struct cx_dev *d, const struct mlx5dv_dr_matcher *m, const struct cx_pkt *p)
{
	uint32_t key[CX_MATCH_WORDS], hash, i;
	struct mlx5dv_dr_rule *r;

	for (; m != NULL; m = m->next) {
		if (m->n_rules == 0)
			continue;
		for (i = 0; i < m->n_words; i++)
			key[i] = p->match[m->idx[i]] & m->mask[m->idx[i]];
		hash = cx_steer_hash(key, m->n_words);
		d->stat.steer_masks++;
		for (r = m->bucket[hash & m->bucket_mask]; r != NULL; r = r->next) {
			d->stat.steer_rules++;
			if (r->hash == hash && memcmp(r->key, key, m->n_words * 4) == 0)
				return r;
		}
	}
	return NULL;
}

int
cx_steer(struct cx_dev *d, struct cx_pkt *p)
{
	struct mlx5dv_dr_table *t = d->root;
	struct mlx5dv_dr_rule *r;
	unsigned int hops;

	for (hops = 0; t != NULL && hops < CX_MAX_HOPS; t = r->to_table, hops++) {
		r = lookup(d, t->matchers, p);
		if (r == NULL)
			return CX_STEER_MISS;
		p->hit[p->n_hits++] = r;
		if (r->tagged)
			p->tag = r->tag;
		if (r->verdict == CX_STEER_FT)
			return cx_hws_steer(d, p, r->ft);
		p->tir = r->tir;
		if (r->verdict != CX_STEER_NEXT)
			return r->verdict;
	}
	return CX_STEER_MISS;
}

void
cx_steer_commit(const struct cx_pkt *p)
{
	unsigned int i, k;

	for (i = 0; i < p->n_hits; i++) {
		struct mlx5dv_dr_rule *r = p->hit[i];

		r->hits++;
		r->matcher->hits++;
		for (k = 0; k < r->n_counters; k++) {
			r->counter[k]->pkts++;
			r->counter[k]->bytes += p->len;
		}
	}
	for (i = 0; i < p->n_stes; i++) {
		p->ste[i]->hits++;
		p->ste[i]->rtc->hits++;
	}
}
