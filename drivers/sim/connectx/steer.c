/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a frame's rule, table after table. Nothing is counted on the way: a frame that is held
 * back and offered again must count once, so cx_steer_commit() does it when the frame is gone.
 */
#include "connectx.h"

#define MAX_HOPS 64
#define TAG_MASK 0xffffff

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
lookup(const struct mlx5dv_dr_matcher *m, const struct cx_pkt *p)
{
	uint32_t key[CX_MATCH_WORDS], hash, i;
	struct mlx5dv_dr_rule *r;

	for (; m != NULL; m = m->next) {
		if (m->n_rules == 0)
			continue;
		for (i = 0; i < m->n_words; i++)
			key[i] = p->match[m->idx[i]] & m->mask[m->idx[i]];
		hash = cx_steer_hash(key, m->n_words);
		for (r = m->bucket[hash & m->bucket_mask]; r != NULL; r = r->next)
			if (r->hash == hash && memcmp(r->key, key, m->n_words * 4) == 0)
				return r;
	}
	return NULL;
}

static int
apply(const struct mlx5dv_dr_rule *r, struct cx_pkt *p, struct mlx5dv_dr_table **next)
{
	unsigned int i;

	for (i = 0; i < r->n_actions; i++) {
		const struct mlx5dv_dr_action *a = r->action[i];

		switch (a->type) {
		case CX_DROP:
			return CX_STEER_DROP;
		case CX_MISS:
			return CX_STEER_MISS;
		case CX_TAG:
			p->tag = a->value & TAG_MASK;
			break;
		case CX_COUNT:
			if (p->n_counters < CX_PKT_COUNTERS) {
				p->counter[p->n_counters].obj = a->obj;
				p->counter[p->n_counters++].at = a->value;
			}
			break;
		case CX_TO_TABLE:
			*next = a->table;
			break;
		case CX_TO_TIR:
			p->tir = a->obj;
			break;
		}
	}
	return CX_STEER_QUEUE;
}

int
cx_steer(struct cx_pkt *p)
{
	struct mlx5dv_dr_table *t = cx.root, *next;
	struct mlx5dv_dr_rule *r;
	unsigned int hops;
	int ret;

	for (hops = 0; t != NULL && hops < MAX_HOPS; t = next, hops++) {
		next = NULL;
		r = lookup(t->matchers, p);
		if (r == NULL)
			return CX_STEER_MISS;
		if (p->n_hits < CX_PKT_COUNTERS)
			p->hit[p->n_hits++] = r;
		ret = apply(r, p, &next);
		if (ret != CX_STEER_QUEUE || p->tir != NULL)
			return ret;
	}
	return CX_STEER_MISS;
}

void
cx_steer_commit(const struct cx_pkt *p)
{
	unsigned int i;

	for (i = 0; i < p->n_hits; i++)
		p->hit[i]->hits++;
	for (i = 0; i < p->n_counters; i++) {
		struct mlx5dv_devx_obj *o = p->counter[i].obj;

		o->flow_counter.pkts[p->counter[i].at]++;
		o->flow_counter.bytes[p->counter[i].at] += p->len;
	}
}
