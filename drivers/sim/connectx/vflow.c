/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ibv_create_flow() and mlx5dv_create_flow(): rules of the kernel's tables, which frames come to
 * first. What such a rule matches becomes one matcher and one rule in the root table of the receive
 * domain.
 */
#include "connectx.h"
#include <netinet/in.h>

#define MAX_PRIORITY 15
#define MAX_ACTIONS 4

struct flow {
	struct ibv_flow pub;
	struct mlx5dv_dr_matcher *matcher;
	struct mlx5dv_dr_rule *rule;
	struct mlx5dv_dr_action *action[MAX_ACTIONS];
	unsigned int n_actions;
	bool drop;
};

/* What mlx5dv_flow_match_parameters looks like with a buffer that long. */
struct match {
	size_t size;
	uint8_t b[CX_MATCH_BYTES];
};

/* Byte offsets in the match layout, see prm.h. */
enum {
	AT_SMAC = 0,
	AT_ETHERTYPE = 6,
	AT_DMAC = 8,
	AT_VLAN = 14,
	AT_PROTO = 16,
	AT_TOS = 17,
	AT_VERSION = 18,
	AT_TCP_SPORT = 20,
	AT_UDP_SPORT = 28,
	AT_SRC_IPV6 = 32,
	AT_SRC_IPV4 = 44,
	AT_DST_IPV6 = 48,
	AT_DST_IPV4 = 60,
};
#define VERSION_MASK 0x1e
#define VERSION(n) ((n) << 1)

static void
both(struct match *m, struct match *v, unsigned int at, const void *mask, const void *val,
		unsigned int n)
{
	memcpy(m->b + at, mask, n);
	memcpy(v->b + at, val, n);
}

static void
fixed(struct match *m, struct match *v, unsigned int at, uint8_t mask, uint8_t val)
{
	m->b[at] |= mask;
	v->b[at] = (v->b[at] & ~mask) | val;
}

static int
match_spec(struct match *m, struct match *v, const struct ibv_flow_spec *s)
{
	switch (s->hdr.type) {
	case IBV_FLOW_SPEC_ETH:
		both(m, v, AT_SMAC, s->eth.mask.src_mac, s->eth.val.src_mac, 6);
		both(m, v, AT_ETHERTYPE, &s->eth.mask.ether_type, &s->eth.val.ether_type, 2);
		both(m, v, AT_DMAC, s->eth.mask.dst_mac, s->eth.val.dst_mac, 6);
		both(m, v, AT_VLAN, &s->eth.mask.vlan_tag, &s->eth.val.vlan_tag, 2);
		return 0;
	case IBV_FLOW_SPEC_IPV4:
		fixed(m, v, AT_VERSION, VERSION_MASK, VERSION(4));
		both(m, v, AT_SRC_IPV4, &s->ipv4.mask.src_ip, &s->ipv4.val.src_ip, 4);
		both(m, v, AT_DST_IPV4, &s->ipv4.mask.dst_ip, &s->ipv4.val.dst_ip, 4);
		return 0;
	case IBV_FLOW_SPEC_IPV4_EXT:
		fixed(m, v, AT_VERSION, VERSION_MASK, VERSION(4));
		both(m, v, AT_SRC_IPV4, &s->ipv4_ext.mask.src_ip, &s->ipv4_ext.val.src_ip, 4);
		both(m, v, AT_DST_IPV4, &s->ipv4_ext.mask.dst_ip, &s->ipv4_ext.val.dst_ip, 4);
		both(m, v, AT_PROTO, &s->ipv4_ext.mask.proto, &s->ipv4_ext.val.proto, 1);
		both(m, v, AT_TOS, &s->ipv4_ext.mask.tos, &s->ipv4_ext.val.tos, 1);
		return 0;
	case IBV_FLOW_SPEC_IPV6:
		fixed(m, v, AT_VERSION, VERSION_MASK, VERSION(6));
		both(m, v, AT_SRC_IPV6, s->ipv6.mask.src_ip, s->ipv6.val.src_ip, 16);
		both(m, v, AT_DST_IPV6, s->ipv6.mask.dst_ip, s->ipv6.val.dst_ip, 16);
		both(m, v, AT_PROTO, &s->ipv6.mask.next_hdr, &s->ipv6.val.next_hdr, 1);
		return 0;
	case IBV_FLOW_SPEC_TCP:
		fixed(m, v, AT_PROTO, 0xff, IPPROTO_TCP);
		both(m, v, AT_TCP_SPORT, &s->tcp_udp.mask.src_port, &s->tcp_udp.val.src_port, 2);
		both(m, v, AT_TCP_SPORT + 2, &s->tcp_udp.mask.dst_port, &s->tcp_udp.val.dst_port,
				2);
		return 0;
	case IBV_FLOW_SPEC_UDP:
		fixed(m, v, AT_PROTO, 0xff, IPPROTO_UDP);
		both(m, v, AT_UDP_SPORT, &s->tcp_udp.mask.src_port, &s->tcp_udp.val.src_port, 2);
		both(m, v, AT_UDP_SPORT + 2, &s->tcp_udp.mask.dst_port, &s->tcp_udp.val.dst_port,
				2);
		return 0;
	default:
		return -1;
	}
}

static int
add_action(struct flow *f, struct mlx5dv_dr_action *a)
{
	if (a == NULL || f->n_actions == MAX_ACTIONS)
		return -1;
	f->action[f->n_actions++] = a;
	return 0;
}

static int
read_specs(struct flow *f, struct match *m, struct match *v, const struct ibv_flow_attr *attr)
{
	const uint8_t *p = (const uint8_t *)(attr + 1);
	int i, ret;

	for (i = 0; i < attr->num_of_specs; i++) {
		const struct ibv_flow_spec *s = (const void *)p;

		if (s->hdr.type == IBV_FLOW_SPEC_ACTION_TAG) {
			ret = add_action(f, mlx5dv_dr_action_create_tag(s->flow_tag.tag_id));
		} else if (s->hdr.type == IBV_FLOW_SPEC_ACTION_DROP) {
			f->drop = true;
			ret = add_action(f, mlx5dv_dr_action_create_drop());
		} else {
			ret = match_spec(m, v, s);
		}
		if (ret != 0)
			return -1;
		p += s->hdr.size;
	}
	return 0;
}

/* Makes and destroys matchers, which flows of one mask and priority share: a flow for each would
 * make a lookup as long as their list. */
static pthread_mutex_t sharing = PTHREAD_MUTEX_INITIALIZER;

static struct mlx5dv_dr_matcher *
find_matcher(struct mlx5dv_dr_table *t, uint16_t priority, const struct match *mask)
{
	struct mlx5dv_dr_matcher *m;

	for (m = t->matchers; m != NULL; m = m->next)
		if (m->priority == priority && memcmp(m->mask, mask->b, sizeof(m->mask)) == 0)
			return m;
	return mlx5dv_dr_matcher_create(t, priority, 1, (void *)(uintptr_t)mask);
}

static void
free_flow(struct flow *f)
{
	unsigned int i;

	pthread_mutex_lock(&sharing);
	if (f->rule != NULL) {
		mlx5dv_dr_rule_destroy(f->rule);
		if (f->matcher->n_rules == 0)
			mlx5dv_dr_matcher_destroy(f->matcher);
	}
	pthread_mutex_unlock(&sharing);
	for (i = 0; i < f->n_actions; i++)
		mlx5dv_dr_action_destroy(f->action[i]);
	free(f);
}

static struct mlx5dv_dr_table *
root_table(struct ibv_context *c)
{
	struct cx_dev *dev = cx_dev_of(c);
	struct mlx5dv_dr_domain *d;

	/* one of before a removal is dead */
	if (dev->verbs_table == NULL || dev->verbs_table->domain->gone) {
		d = mlx5dv_dr_domain_create(c, MLX5DV_DR_DOMAIN_TYPE_NIC_RX);
		dev->verbs_table = d != NULL ? mlx5dv_dr_table_create(d, 0) : NULL;
	}
	return dev->verbs_table;
}

/* With the actions that it has; an errno in errno when it cannot be. */
static struct ibv_flow *
finish(struct flow *f, struct ibv_context *c, uint16_t priority, struct match *m, struct match *v)
{
	struct mlx5dv_dr_table *root;

	pthread_mutex_lock(&sharing);
	root = root_table(c);
	f->matcher = root != NULL ? find_matcher(root, priority, m) : NULL;
	if (f->matcher != NULL)
		f->rule = mlx5dv_dr_rule_create(f->matcher, (void *)v, f->n_actions, f->action);
	if (f->rule == NULL && f->matcher != NULL && f->matcher->n_rules == 0)
		mlx5dv_dr_matcher_destroy(f->matcher);
	pthread_mutex_unlock(&sharing);
	f->pub.context = c;
	return f->rule != NULL ? &f->pub : NULL;
}

static struct ibv_flow *
create_flow(struct ibv_qp *qp, struct ibv_flow_attr *attr)
{
	struct match m = { .size = sizeof(m.b) }, v = { .size = sizeof(v.b) };
	struct flow *f;

	if (attr->priority > MAX_PRIORITY) {
		errno = EINVAL;
		return NULL;
	}
	if (cx_context_gone(qp->context))
		return NULL;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	if (read_specs(f, &m, &v, attr) != 0)
		goto fail;
	if (!f->drop && add_action(f, mlx5dv_dr_action_create_dest_devx_tir(cx_qp_tir(qp))) != 0)
		goto fail;
	if (finish(f, qp->context, attr->priority, &m, &v) != NULL)
		return &f->pub;
fail:
	free_flow(f);
	errno = EOPNOTSUPP;
	return NULL;
}

static int
destroy_flow(struct ibv_flow *pub)
{
	free_flow((struct flow *)pub);
	return 0;
}

/* A mask and a priority; the matcher of the root table is made with the first rule. */
struct mlx5dv_flow_matcher {
	struct ibv_context *context;
	uint16_t priority;
	struct match mask;
};

/* False when there is something in it that the parser does not fill. */
static bool
read_match(struct match *to, const struct mlx5dv_flow_match_parameters *p)
{
	const uint8_t *b = (const uint8_t *)p->match_buf;
	size_t i;

	for (i = sizeof(to->b); i < p->match_sz; i++) {
		if (b[i] != 0) {
			cx_log(2, "matcher on byte %zu of the match layout: not modelled", i);
			return false;
		}
	}
	to->size = sizeof(to->b);
	memcpy(to->b, b, p->match_sz < sizeof(to->b) ? p->match_sz : sizeof(to->b));
	return true;
}

CX_EXPORT struct mlx5dv_flow_matcher *
mlx5dv_create_flow_matcher(struct ibv_context *c, struct mlx5dv_flow_matcher_attr *attr)
{
	struct mlx5dv_flow_matcher *m = cx_context_gone(c) ? NULL : calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	if ((attr->comp_mask & MLX5DV_FLOW_MATCHER_MASK_FT_TYPE &&
			    attr->ft_type != MLX5DV_FLOW_TABLE_TYPE_NIC_RX) ||
			attr->flags & IBV_FLOW_ATTR_FLAGS_EGRESS || attr->priority > MAX_PRIORITY ||
			!read_match(&m->mask, attr->match_mask)) {
		free(m);
		errno = EOPNOTSUPP;
		return NULL;
	}
	m->context = c;
	m->priority = attr->priority;
	return m;
}

CX_EXPORT int
mlx5dv_destroy_flow_matcher(struct mlx5dv_flow_matcher *m)
{
	free(m);
	return 0;
}

static struct mlx5dv_dr_action *
dv_action(const struct mlx5dv_flow_action_attr *a)
{
	switch (a->type) {
	case MLX5DV_FLOW_ACTION_DEST_DEVX:
		if (a->obj != NULL && a->obj->type == CX_FT)
			return cx_action_to_ft(a->obj);
		return mlx5dv_dr_action_create_dest_devx_tir(a->obj);
	case MLX5DV_FLOW_ACTION_TAG:
		return mlx5dv_dr_action_create_tag(a->tag_value);
	case MLX5DV_FLOW_ACTION_DROP:
		return mlx5dv_dr_action_create_drop();
	case MLX5DV_FLOW_ACTION_DEFAULT_MISS:
		return mlx5dv_dr_action_create_default_miss();
	default:
		cx_log(2, "action %u of a rule of the root table: not modelled", a->type);
		return NULL;
	}
}

CX_EXPORT struct ibv_flow *
mlx5dv_create_flow(struct mlx5dv_flow_matcher *m, struct mlx5dv_flow_match_parameters *value,
		size_t n, struct mlx5dv_flow_action_attr *attr)
{
	struct flow *f = cx_context_gone(m->context) ? NULL : calloc(1, sizeof(*f));
	struct match v;
	size_t i;

	if (f == NULL)
		return NULL;
	for (i = 0; i < n && add_action(f, dv_action(&attr[i])) == 0; i++)
		;
	if (i == n && read_match(&v, value) &&
			finish(f, m->context, m->priority, &m->mask, &v) != NULL)
		return &f->pub;
	free_flow(f);
	errno = EOPNOTSUPP;
	return NULL;
}

void
cx_vflow_ops(struct verbs_context *v)
{
	v->ibv_create_flow = create_flow;
	v->ibv_destroy_flow = destroy_flow;
}
