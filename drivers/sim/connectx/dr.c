/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow steering as mlx5dv_dr has it: domains of tables, tables of matchers in the order of their
 * priority, matchers of rules. A matcher has one mask, so its rules are in a hash table under their
 * masked value; the lookup (steer.c) asks each matcher once, whatever the number of rules. What
 * others use cannot be destroyed, as in rdma-core.
 */
#include "connectx.h"
#include "prm.h"

#define FIRST_BUCKETS 8

/* Bits of the match layout that parse.c fills: all of the outer headers but two reserved bytes. */
static const uint8_t modelled[CX_MATCH_BYTES] = {
	[0 ... 23] = 0xff,
	[26 ... CX_MATCH_BYTES - 1] = 0xff,
};

static bool
gone(const struct mlx5dv_dr_domain *d)
{
	if (cx_likely(!__atomic_load_n(&d->gone, __ATOMIC_RELAXED)))
		return false;
	errno = EIO;
	return true;
}

CX_EXPORT struct mlx5dv_dr_domain *
mlx5dv_dr_domain_create(struct ibv_context *c, enum mlx5dv_dr_domain_type type)
{
	struct mlx5dv_dr_domain *d = cx_context_gone(c) ? NULL : calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->dev = cx_dev_of(c);
	d->type = type;
	cx_lock(d->dev);
	d->next = d->dev->domains;
	d->dev->domains = d;
	cx_unlock(d->dev);
	return d;
}

CX_EXPORT int
mlx5dv_dr_domain_destroy(struct mlx5dv_dr_domain *d)
{
	struct cx_dev *dev = d->dev;
	struct mlx5dv_dr_domain **p;

	cx_lock(dev);
	if (d->tables != NULL) {
		cx_busy(dev, "steering domain");
		cx_unlock(dev);
		return EBUSY;
	}
	for (p = &dev->domains; *p != NULL; p = &(*p)->next) {
		if (*p == d) {
			*p = d->next;
			break;
		}
	}
	cx_unlock(dev);
	free(d);
	return 0;
}

CX_EXPORT int
mlx5dv_dr_domain_sync(struct mlx5dv_dr_domain *d, uint32_t flags)
{
	(void)d;
	(void)flags;
	return 0;
}

CX_EXPORT void
mlx5dv_dr_domain_set_reclaim_device_memory(struct mlx5dv_dr_domain *d, bool enable)
{
	(void)d;
	(void)enable;
}

CX_EXPORT void
mlx5dv_dr_domain_allow_duplicate_rules(struct mlx5dv_dr_domain *d, bool allow)
{
	(void)d;
	(void)allow;
}

/* Frames start in the table of level 0 of the receive domain made last. */
static void
find_root(struct cx_dev *dev)
{
	struct mlx5dv_dr_domain *d;
	struct mlx5dv_dr_table *t;

	dev->root = NULL;
	for (d = dev->domains; d != NULL; d = d->next) {
		if (d->type != MLX5DV_DR_DOMAIN_TYPE_NIC_RX)
			continue;
		for (t = d->tables; t != NULL; t = t->next) {
			if (t->level == 0) {
				dev->root = t;
				return;
			}
		}
	}
}

CX_EXPORT struct mlx5dv_dr_table *
mlx5dv_dr_table_create(struct mlx5dv_dr_domain *d, uint32_t level)
{
	struct mlx5dv_dr_table *t = gone(d) ? NULL : calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->domain = d;
	t->level = level;
	cx_lock(d->dev);
	t->next = d->tables;
	d->tables = t;
	find_root(d->dev);
	cx_unlock(d->dev);
	return t;
}

CX_EXPORT int
mlx5dv_dr_table_destroy(struct mlx5dv_dr_table *t)
{
	struct cx_dev *d = t->domain->dev;
	struct mlx5dv_dr_table **p;

	cx_lock(d);
	if (t->refs > 0 || t->matchers != NULL) {
		cx_busy(d, "steering table");
		cx_unlock(d);
		return EBUSY;
	}
	for (p = &t->domain->tables; *p != NULL; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	find_root(d);
	cx_unlock(d);
	free(t);
	return 0;
}

/* Takes over the mask; -1 when it asks for something that the parser does not fill. */
static int
set_mask(struct mlx5dv_dr_matcher *m, const struct mlx5dv_flow_match_parameters *mask)
{
	const uint8_t *b = (const uint8_t *)mask->match_buf;
	size_t i;

	for (i = 0; i < mask->match_sz; i++) {
		if (b[i] & ~(i < CX_MATCH_BYTES ? modelled[i] : 0)) {
			cx_log(2, "matcher on byte %zu of the match layout: not modelled", i);
			return -1;
		}
	}
	memcpy(m->mask, b, mask->match_sz < CX_MATCH_BYTES ? mask->match_sz : CX_MATCH_BYTES);
	for (i = 0; i < CX_MATCH_WORDS; i++)
		if (m->mask[i] != 0)
			m->idx[m->n_words++] = i;
	return 0;
}

CX_EXPORT struct mlx5dv_dr_matcher *
mlx5dv_dr_matcher_create(struct mlx5dv_dr_table *t, uint16_t priority, uint8_t criteria,
		struct mlx5dv_flow_match_parameters *mask)
{
	struct mlx5dv_dr_matcher *m = gone(t->domain) ? NULL : calloc(1, sizeof(*m)), **p;

	(void)criteria; /* which parts of the mask are not zero: seen from the mask */
	if (m == NULL)
		return NULL;
	if (t->domain->type != MLX5DV_DR_DOMAIN_TYPE_NIC_RX) {
		cx_log(2, "matcher of the transmit or e-switch domain: not modelled");
		free(m);
		errno = EOPNOTSUPP;
		return NULL;
	}
	if (set_mask(m, mask) != 0) {
		free(m);
		errno = EOPNOTSUPP;
		return NULL;
	}
	m->bucket = calloc(FIRST_BUCKETS, sizeof(*m->bucket));
	if (m->bucket == NULL) {
		free(m);
		return NULL;
	}
	m->bucket_mask = FIRST_BUCKETS - 1;
	m->table = t;
	m->priority = priority;
	cx_lock(t->domain->dev);
	for (p = &t->matchers; *p != NULL && (*p)->priority <= priority; p = &(*p)->next)
		;
	m->next = *p;
	*p = m;
	cx_unlock(t->domain->dev);
	return m;
}

CX_EXPORT int
mlx5dv_dr_matcher_destroy(struct mlx5dv_dr_matcher *m)
{
	struct cx_dev *d = m->table->domain->dev;
	struct mlx5dv_dr_matcher **p;

	cx_lock(d);
	if (m->n_rules > 0) {
		cx_busy(d, "matcher");
		cx_unlock(d);
		return EBUSY;
	}
	for (p = &m->table->matchers; *p != NULL; p = &(*p)->next) {
		if (*p == m) {
			*p = m->next;
			break;
		}
	}
	cx_unlock(d);
	free(m->bucket);
	free(m);
	return 0;
}

/* Of rules with one value the first made wins: append. */
static void
insert(struct mlx5dv_dr_matcher *m, struct mlx5dv_dr_rule *r)
{
	struct mlx5dv_dr_rule **p = &m->bucket[r->hash & m->bucket_mask];

	while (*p != NULL)
		p = &(*p)->next;
	r->next = NULL;
	*p = r;
}

/* One rule a bucket on average. Without memory the chains just grow longer. */
static void
grow(struct mlx5dv_dr_matcher *m)
{
	uint32_t i, old_n = m->bucket_mask + 1;
	struct mlx5dv_dr_rule **old = m->bucket, *r, *next, **bucket;

	if (m->n_rules < old_n)
		return;
	bucket = calloc(old_n * 2, sizeof(*bucket));
	if (bucket == NULL)
		return;
	m->bucket = bucket;
	m->bucket_mask = old_n * 2 - 1;
	for (i = 0; i < old_n; i++) {
		for (r = old[i]; r != NULL; r = next) {
			next = r->next;
			insert(m, r);
		}
	}
	free(old);
}

static void
log_rule(const struct mlx5dv_dr_rule *r)
{
	static const char *const verdict[] = { "next table", "drop", "queue", "kernel",
		"flow table" };
	const struct mlx5dv_dr_matcher *m = r->matcher;
	char text[400];
	uint32_t i;
	int n = 0;

	text[0] = '\0';
	for (i = 0; i < m->n_words; i++)
		n += snprintf(text + n, sizeof(text) - n, " %02x:%08x/%08x", m->idx[i] * 4,
				be32(&r->key[i]), be32(&m->mask[m->idx[i]]));
	cx_log(2, "rule: level %u, priority %u, match{%s }: %s", m->table->level, m->priority, text,
			verdict[r->verdict]);
}

static int
add_action(struct mlx5dv_dr_rule *r, struct mlx5dv_dr_action *a)
{
	if (a == NULL || (a->dev != NULL && a->dev != r->matcher->table->domain->dev))
		return -1;
	r->action[r->n_actions] = a;
	switch (a->type) {
	case CX_TO_TIR:
		r->verdict = CX_STEER_QUEUE;
		r->tir = a->obj;
		break;
	case CX_TO_TABLE:
		r->to_table = a->table;
		break;
	case CX_TO_FT:
		r->verdict = CX_STEER_FT;
		r->ft = a->obj;
		break;
	case CX_DROP:
		r->verdict = CX_STEER_DROP;
		break;
	case CX_MISS:
		r->verdict = CX_STEER_MISS;
		break;
	case CX_TAG:
		r->tagged = true;
		r->tag = a->value & CX_TAG_MASK;
		break;
	case CX_COUNT:
		if (r->n_counters == CX_RULE_COUNTERS)
			return -1;
		r->counter[r->n_counters++] = &a->obj->flow_counter.count[a->value];
		break;
	}
	r->n_actions++;
	return 0;
}

static void
free_rule(struct mlx5dv_dr_rule *r)
{
	free(r->action);
	free(r);
}

/* Without a place in its matcher yet. NULL and errno when it cannot be. */
static struct mlx5dv_dr_rule *
new_rule(struct mlx5dv_dr_matcher *m, size_t n, struct mlx5dv_dr_action *action[])
{
	size_t i, size = offsetof(struct mlx5dv_dr_rule, key) + m->n_words * sizeof(uint32_t);
	struct mlx5dv_dr_rule *r;

	size = (size + sizeof(*r) - 1) / sizeof(*r) * sizeof(*r);
	r = aligned_alloc(sizeof(*r), size);
	if (r == NULL)
		return NULL;
	memset(r, 0, size);
	r->matcher = m;
	r->action = calloc(n > 0 ? n : 1, sizeof(*r->action));
	for (i = 0; r->action != NULL && i < n; i++)
		if (add_action(r, action[i]) != 0)
			break;
	if (r->action == NULL || i < n) {
		errno = r->action == NULL ? ENOMEM : EOPNOTSUPP;
		free_rule(r);
		return NULL;
	}
	return r;
}

CX_EXPORT struct mlx5dv_dr_rule *
mlx5dv_dr_rule_create(struct mlx5dv_dr_matcher *m, struct mlx5dv_flow_match_parameters *value,
		size_t n, struct mlx5dv_dr_action *action[])
{
	uint32_t v[CX_MATCH_WORDS] = { 0 };
	struct mlx5dv_dr_rule *r = gone(m->table->domain) ? NULL : new_rule(m, n, action);
	struct cx_dev *d;
	uint32_t i;

	if (r == NULL)
		return NULL;
	memcpy(v, value->match_buf, value->match_sz < sizeof(v) ? value->match_sz : sizeof(v));
	for (i = 0; i < m->n_words; i++)
		r->key[i] = v[m->idx[i]] & m->mask[m->idx[i]];
	r->hash = cx_steer_hash(r->key, m->n_words);
	d = m->table->domain->dev;
	cx_lock(d);
	if (r->tagged && d->conf.rules != 0 && d->tagged_rules >= d->conf.rules) {
		cx_unlock(d);
		free_rule(r);
		/* as rdma-core says when there is no memory left for steering entries */
		errno = ENOMEM;
		return NULL;
	}
	d->tagged_rules += r->tagged;
	grow(m);
	insert(m, r);
	m->n_rules++;
	for (i = 0; i < r->n_actions; i++)
		__atomic_fetch_add(&r->action[i]->refs, 1, __ATOMIC_RELAXED);
	cx_unlock(m->table->domain->dev);
	if (cx_conf.verbose >= 2)
		log_rule(r);
	return r;
}

CX_EXPORT int
mlx5dv_dr_rule_destroy(struct mlx5dv_dr_rule *r)
{
	struct mlx5dv_dr_matcher *m = r->matcher;
	struct cx_dev *d = m->table->domain->dev;
	struct mlx5dv_dr_rule **p;
	uint32_t i;

	cx_lock(d);
	for (i = 0; i < r->n_actions; i++)
		__atomic_fetch_sub(&r->action[i]->refs, 1, __ATOMIC_RELEASE);
	for (p = &m->bucket[r->hash & m->bucket_mask]; *p != NULL; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			m->n_rules--;
			d->tagged_rules -= r->tagged;
			break;
		}
	}
	cx_unlock(d);
	free_rule(r);
	return 0;
}

static struct mlx5dv_dr_action *
action_new(enum cx_action_type type, struct mlx5dv_devx_obj *obj, struct mlx5dv_dr_table *table,
		uint32_t value)
{
	struct mlx5dv_dr_action *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->type = type;
	a->obj = obj;
	a->table = table;
	a->value = value;
	if (obj != NULL)
		a->dev = obj->dev;
	if (table != NULL)
		a->dev = table->domain->dev;
	if (a->dev == NULL)
		return a;
	cx_lock(a->dev);
	if (obj != NULL)
		obj->refs++;
	if (table != NULL)
		table->refs++;
	cx_unlock(a->dev);
	return a;
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_table(struct mlx5dv_dr_table *t)
{
	return action_new(CX_TO_TABLE, NULL, t, 0);
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_devx_tir(struct mlx5dv_devx_obj *o)
{
	if (o == NULL || o->type != CX_TIR) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	return action_new(CX_TO_TIR, o, NULL, 0);
}

/* To a table of hardware steering. */
struct mlx5dv_dr_action *
cx_action_to_ft(struct mlx5dv_devx_obj *o)
{
	return action_new(CX_TO_FT, o, NULL, 0);
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_drop(void)
{
	return action_new(CX_DROP, NULL, NULL, 0);
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_default_miss(void)
{
	return action_new(CX_MISS, NULL, NULL, 0);
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_tag(uint32_t value)
{
	return action_new(CX_TAG, NULL, NULL, value);
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_flow_counter(struct mlx5dv_devx_obj *o, uint32_t at)
{
	if (o == NULL || o->type != CX_FLOW_COUNTER || at >= o->flow_counter.n) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	return action_new(CX_COUNT, o, NULL, at);
}

CX_EXPORT int
mlx5dv_dr_action_destroy(struct mlx5dv_dr_action *a)
{
	struct cx_dev *d = a->dev;
	int ret = 0;

	/* Drop, default miss and tag are no NIC's: rules of several may share one. */
	if (d == NULL) {
		if (__atomic_load_n(&a->refs, __ATOMIC_ACQUIRE) > 0) {
			errno = EBUSY;
			return EBUSY;
		}
		free(a);
		return 0;
	}
	cx_lock(d);
	if (a->refs > 0) {
		ret = cx_busy(d, "steering action");
	} else {
		cx_obj_unuse(a->obj);
		if (a->table != NULL)
			a->table->refs--;
		free(a);
	}
	cx_unlock(d);
	return ret;
}

CX_EXPORT int
mlx5dv_dump_dr_rule(FILE *f, struct mlx5dv_dr_rule *r)
{
	fprintf(f, "rule %p priority %u hits %lu\n", (void *)r, r->matcher->priority, r->hits);
	return 0;
}

CX_EXPORT int
mlx5dv_dump_dr_domain(FILE *f, struct mlx5dv_dr_domain *d)
{
	struct mlx5dv_dr_matcher *m;
	struct mlx5dv_dr_table *t;
	struct mlx5dv_dr_rule *r;
	uint32_t i;

	cx_lock(d->dev);
	for (t = d->tables; t != NULL; t = t->next)
		for (m = t->matchers; m != NULL; m = m->next)
			for (i = 0; i <= m->bucket_mask; i++)
				for (r = m->bucket[i]; r != NULL; r = r->next)
					mlx5dv_dump_dr_rule(f, r);
	cx_unlock(d->dev);
	return 0;
}
