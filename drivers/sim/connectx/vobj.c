/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs queue objects (used by the PMD without DevX or with dv_flow_en=0),
 * layered on the same ring engines as the DevX objects. */
#include "connectx.h"
#include <unistd.h>
#include <sys/mman.h>

static struct mlx5dv_devx_obj *
new_obj(enum sim_type t)
{
	struct mlx5dv_devx_obj *o = calloc(1, sizeof(*o));

	pthread_mutex_lock(&sim.lock);
	o->type = t;
	o->id = sim.next_id++;
	sim.objs[o->id & 0xffff] = o;
	pthread_mutex_unlock(&sim.lock);
	return o;
}
static uint32_t
lg2(uint32_t n)
{
	uint32_t l = 0;

	while ((1u << l) < n)
		l++;
	return l;
}
static void *
ring(size_t n)
{
	return mmap(NULL, (n + 8191) & ~4095ul, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
}
static uint8_t *
uar_page(void)
{
	static uint8_t *u;

	return u ? u : (u = ring(4096));
}

struct v_cq {
	struct ibv_cq pub;
	struct mlx5dv_devx_obj *o;
};
struct v_wq {
	struct ibv_wq pub;
	struct mlx5dv_devx_obj *o;
};
struct v_qp {
	struct ibv_qp pub;
	struct mlx5dv_devx_obj *o;
};
struct v_it {
	struct ibv_rwq_ind_table pub;
	struct mlx5dv_devx_obj *o;
};

static struct ibv_cq *
mkcq(struct ibv_context *c, int n, void *x, bool comp, uint32_t fmt)
{
	struct v_cq *v = calloc(1, sizeof(struct ibv_cq_ex) + sizeof(*v));
	struct mlx5dv_devx_obj *o = new_obj(T_CQ);
	uint32_t i;

	o->cq.log_sz = lg2(n + 1);
	o->cq.buf = ring((64u << o->cq.log_sz) + 64);
	o->cq.db = (void *)(o->cq.buf + (64u << o->cq.log_sz));
	o->cq.comp_en = comp;
	o->cq.fmt = fmt;
	for (i = 0; i < 1u << o->cq.log_sz; i++)
		o->cq.buf[64 * i + 63] = 0xf1;
	v->pub.context = c;
	v->pub.cq_context = x;
	v->pub.cqe = (1 << o->cq.log_sz) - 1;
	/* the object pointer lives behind the largest public view of a CQ */
	*(struct mlx5dv_devx_obj **)((uint8_t *)v + sizeof(struct ibv_cq_ex)) = o;
	return &v->pub;
}
static struct mlx5dv_devx_obj *
cqo(struct ibv_cq *c)
{
	return *(struct mlx5dv_devx_obj **)((uint8_t *)c + sizeof(struct ibv_cq_ex));
}
SIM_EXPORT struct ibv_cq *
ibv_create_cq(struct ibv_context *c, int n, void *x, struct ibv_comp_channel *ch, int v)
{
	(void)ch;
	(void)v;
	return mkcq(c, n, x, false, 0);
}
SIM_EXPORT struct ibv_cq_ex *
mlx5dv_create_cq(
		struct ibv_context *c, struct ibv_cq_init_attr_ex *a, struct mlx5dv_cq_init_attr *m)
{
	bool comp = m->comp_mask & MLX5DV_CQ_INIT_ATTR_MASK_COMPRESSED_CQE;

	return (struct ibv_cq_ex *)mkcq(c, a->cqe, a->cq_context, comp,
			m->cqe_comp_res_format == MLX5DV_CQE_RES_FORMAT_CSUM_STRIDX ? 3 : 0);
}
SIM_EXPORT int
ibv_destroy_cq(struct ibv_cq *c)
{
	mlx5dv_devx_obj_destroy(cqo(c));
	free(c);
	return 0;
}

SIM_EXPORT struct ibv_wq *
mlx5dv_create_wq(struct ibv_context *c, struct ibv_wq_init_attr *a, struct mlx5dv_wq_init_attr *m)
{
	struct v_wq *v = calloc(1, sizeof(*v));
	struct mlx5dv_devx_obj *o = new_obj(T_RQ);
	struct sim_wq *w = &o->wq;

	w->striding = m && m->comp_mask & MLX5DV_WQ_INIT_ATTR_MASK_STRIDING_RQ;
	if (w->striding) {
		w->log_strides = m->striding_rq_attrs.single_wqe_log_num_of_strides;
		w->log_stride_bytes = m->striding_rq_attrs.single_stride_log_num_of_bytes;
		w->shift2 = m->striding_rq_attrs.two_byte_shift_en ? 2 : 0;
	}
	w->log_stride = w->striding ? 5 : 4 + lg2(a->max_sge);
	w->log_sz = lg2(a->max_wr);
	w->buf = ring((1u << (w->log_sz + w->log_stride)) + 64);
	w->db = (void *)(w->buf + (1u << (w->log_sz + w->log_stride)));
	o->vsd = !(a->create_flags & IBV_WQ_FLAGS_CVLAN_STRIPPING);
	o->cqo = cqo(a->cq);
	v->o = o;
	v->pub.context = c;
	v->pub.wq_num = o->id;
	v->pub.cq = a->cq;
	return &v->pub;
}
static struct ibv_wq *
create_wq(struct ibv_context *c, struct ibv_wq_init_attr *a)
{
	return mlx5dv_create_wq(c, a, NULL);
}
static int
modify_wq(struct ibv_wq *w, struct ibv_wq_attr *a)
{
	struct mlx5dv_devx_obj *o = ((struct v_wq *)w)->o;

	pthread_mutex_lock(&sim.lock);
	if (a->attr_mask & IBV_WQ_ATTR_STATE) {
		o->state = a->wq_state == IBV_WQS_RDY;
		if (!o->state)
			o->wq.ci = o->wq.strd = 0;
	}
	pthread_mutex_unlock(&sim.lock);
	return 0;
}
static int
destroy_wq(struct ibv_wq *w)
{
	mlx5dv_devx_obj_destroy(((struct v_wq *)w)->o);
	free(w);
	return 0;
}
static struct ibv_rwq_ind_table *
create_it(struct ibv_context *c, struct ibv_rwq_ind_table_init_attr *a)
{
	struct v_it *v = calloc(1, sizeof(*v));
	struct mlx5dv_devx_obj *o = new_obj(T_RQT);
	uint32_t i;

	o->rqn_n = 1u << a->log_ind_tbl_size;
	o->rqn = calloc(o->rqn_n, 4);
	for (i = 0; i < o->rqn_n; i++)
		o->rqn[i] = a->ind_tbl[i]->wq_num;
	v->o = o;
	v->pub.context = c;
	return &v->pub;
}
static int
destroy_it(struct ibv_rwq_ind_table *t)
{
	mlx5dv_devx_obj_destroy(((struct v_it *)t)->o);
	free(t);
	return 0;
}

static struct ibv_qp *
create_qp_ex(struct ibv_context *c, struct ibv_qp_init_attr_ex *a)
{
	struct v_qp *v = calloc(1, sizeof(*v));
	struct mlx5dv_devx_obj *o;

	if (a->comp_mask & IBV_QP_INIT_ATTR_IND_TABLE) {
		uint64_t f = a->rx_hash_conf.rx_hash_fields_mask;

		o = new_obj(T_TIR);
		o->disp = 1;
		o->rqtn = ((struct v_it *)a->rwq_ind_tbl)->o->id;
		if (a->rx_hash_conf.rx_hash_key)
			memcpy(o->key, a->rx_hash_conf.rx_hash_key, 40);
		o->sel_l3 = !!(f & (IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6));
		o->sel_l4 = !!(f & (IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP));
		o->sel = 0;
		if (f & (IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_SRC_IPV6))
			o->sel |= 1;
		if (f & (IBV_RX_HASH_DST_IPV4 | IBV_RX_HASH_DST_IPV6))
			o->sel |= 2;
		if (f & (IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_SRC_PORT_TCP))
			o->sel |= 4;
		if (f & (IBV_RX_HASH_DST_PORT_UDP | IBV_RX_HASH_DST_PORT_TCP))
			o->sel |= 8;
	} else {
		uint32_t bb = 1 + (a->cap.max_inline_data + 63) / 64 +
				(a->max_tso_header + 63) / 64;
		struct sim_wq *w;

		o = new_obj(T_SQ);
		w = &o->wq;
		w->log_sz = lg2(a->cap.max_send_wr * bb);
		if (w->log_sz > 15)
			w->log_sz = 15;
		w->buf = ring((64u << w->log_sz) + 64);
		w->db = (uint32_t *)(w->buf + (64u << w->log_sz)) + 1;
		o->cqo = cqo(a->send_cq);
		pthread_mutex_lock(&sim.lock);
		o->next = sim.sqs;
		sim.sqs = o;
		pthread_mutex_unlock(&sim.lock);
	}
	v->o = o;
	v->pub.context = c;
	v->pub.qp_num = o->id;
	v->pub.qp_type = a->qp_type;
	return &v->pub;
}
SIM_EXPORT struct ibv_qp *
mlx5dv_create_qp(
		struct ibv_context *c, struct ibv_qp_init_attr_ex *a, struct mlx5dv_qp_init_attr *m)
{
	(void)m;
	return create_qp_ex(c, a);
}
SIM_EXPORT struct ibv_qp *
ibv_create_qp(struct ibv_pd *p, struct ibv_qp_init_attr *a)
{
	/* ibv_create_qp_ex() with nothing but a PD lands here (inline in verbs.h) */
	struct ibv_qp_init_attr_ex x = { .send_cq = a->send_cq,
		.recv_cq = a->recv_cq,
		.cap = a->cap,
		.qp_type = a->qp_type,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = p };

	return create_qp_ex(p->context, &x);
}
SIM_EXPORT int
ibv_modify_qp(struct ibv_qp *q, struct ibv_qp_attr *a, int m)
{
	struct mlx5dv_devx_obj *o = ((struct v_qp *)q)->o;

	pthread_mutex_lock(&sim.lock);
	if (m & IBV_QP_STATE) {
		o->state = a->qp_state == IBV_QPS_RTS;
		if (a->qp_state == IBV_QPS_RESET)
			o->wq.ci = 0;
	}
	pthread_mutex_unlock(&sim.lock);
	return 0;
}
SIM_EXPORT int
ibv_destroy_qp(struct ibv_qp *q)
{
	mlx5dv_devx_obj_destroy(((struct v_qp *)q)->o);
	free(q);
	return 0;
}
SIM_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_ibv_qp(struct ibv_qp *q)
{
	return mlx5dv_dr_action_create_dest_devx_tir(((struct v_qp *)q)->o);
}

SIM_EXPORT int
mlx5dv_init_obj(struct mlx5dv_obj *b, uint64_t t)
{
	if (t & MLX5DV_OBJ_PD) {
		b->pd.out->pdn = 0x11;
		b->pd.out->comp_mask = 0;
	}
	if (t & MLX5DV_OBJ_CQ) {
		struct mlx5dv_devx_obj *o = cqo(b->cq.in);

		*b->cq.out = (struct mlx5dv_cq){ .buf = o->cq.buf,
			.dbrec = (void *)o->cq.db,
			.cqe_cnt = 1u << o->cq.log_sz,
			.cqe_size = 64,
			.cq_uar = uar_page(),
			.cqn = o->id };
	}
	if (t & MLX5DV_OBJ_RWQ) {
		struct mlx5dv_devx_obj *o = ((struct v_wq *)b->rwq.in)->o;

		*b->rwq.out = (struct mlx5dv_rwq){ .buf = o->wq.buf,
			.dbrec = (void *)o->wq.db,
			.wqe_cnt = 1u << o->wq.log_sz,
			.stride = 1u << o->wq.log_stride };
	}
	if (t & MLX5DV_OBJ_QP) {
		struct mlx5dv_devx_obj *o = ((struct v_qp *)b->qp.in)->o;
		struct mlx5dv_qp *q = b->qp.out;
		uint64_t want = q->comp_mask;

		memset(q, 0, sizeof(*q));
		q->dbrec = (void *)(o->wq.db - 1);
		q->sq.buf = o->wq.buf;
		q->sq.wqe_cnt = 1u << o->wq.log_sz;
		q->sq.stride = 64;
		q->bf.reg = uar_page() + 0x800;
		q->uar_mmap_offset = 3 << 8 << 12;
		q->tisn = 1;
		q->comp_mask = want;
	}
	return 0;
}

/* transport domain of a raw QP: asked for by the PMD when DevX is on */
SIM_EXPORT int
mlx5dv_devx_qp_query(struct ibv_qp *q, const void *in, size_t il, void *out, size_t ol)
{
	(void)q;
	(void)in;
	(void)il;
	memset(out, 0, ol);
	return 0;
}
SIM_EXPORT int
mlx5dv_devx_wq_query(struct ibv_wq *q, const void *in, size_t il, void *out, size_t ol)
{
	(void)q;
	(void)in;
	(void)il;
	memset(out, 0, ol);
	return 0;
}

/* ---- ibv_create_flow: specs become a matcher + rule in a root table ---- */
struct v_flow {
	struct ibv_flow pub;
	struct mlx5dv_dr_matcher *m;
	struct mlx5dv_dr_rule *r;
	struct mlx5dv_dr_action *a[3];
	int n;
};
static struct mlx5dv_dr_table *vroot;

static void
both(uint8_t *m, uint8_t *v, unsigned int off, const void *mask, const void *val, unsigned int n)
{
	memcpy(m + off, mask, n);
	memcpy(v + off, val, n);
}
static void
fix(uint8_t *m, uint8_t *v, unsigned int off, uint8_t mask, uint8_t val)
{
	m[off] |= mask;
	v[off] = (v[off] & ~mask) | val;
}

static struct ibv_flow *
create_flow(struct ibv_qp *qp, struct ibv_flow_attr *at)
{
	struct {
		size_t sz;
		uint8_t b[0x40];
	} mask = { .sz = 0x40 }, val = { .sz = 0x40 };
	struct v_flow *f;
	uint8_t *p = (uint8_t *)(at + 1), *m = mask.b, *v = val.b;
	struct mlx5dv_dr_action *drop = NULL;
	int i, acts = 0;

	if (at->priority > 15) {
		errno = EINVAL;
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	for (i = 0; i < at->num_of_specs; i++) {
		struct ibv_flow_spec *s = (void *)p;
		unsigned int ty = s->hdr.type & ~IBV_FLOW_SPEC_INNER;

		if (s->hdr.type & IBV_FLOW_SPEC_INNER)
			goto unsup;
		switch (ty) {
		case IBV_FLOW_SPEC_ETH:
			both(m, v, 0, s->eth.mask.src_mac, s->eth.val.src_mac, 6);
			both(m, v, 6, &s->eth.mask.ether_type, &s->eth.val.ether_type, 2);
			both(m, v, 8, s->eth.mask.dst_mac, s->eth.val.dst_mac, 6);
			both(m, v, 14, &s->eth.mask.vlan_tag, &s->eth.val.vlan_tag, 2);
			break;
		case IBV_FLOW_SPEC_IPV4:
		case IBV_FLOW_SPEC_IPV4_EXT:
			fix(m, v, 18, 0x1e, 4 << 1);
			both(m, v, 44, &s->ipv4.mask.src_ip, &s->ipv4.val.src_ip, 4);
			both(m, v, 60, &s->ipv4.mask.dst_ip, &s->ipv4.val.dst_ip, 4);
			if (ty == IBV_FLOW_SPEC_IPV4_EXT) {
				both(m, v, 16, &s->ipv4_ext.mask.proto, &s->ipv4_ext.val.proto, 1);
				both(m, v, 17, &s->ipv4_ext.mask.tos, &s->ipv4_ext.val.tos, 1);
			}
			break;
		case IBV_FLOW_SPEC_IPV6:
			fix(m, v, 18, 0x1e, 6 << 1);
			both(m, v, 32, s->ipv6.mask.src_ip, s->ipv6.val.src_ip, 16);
			both(m, v, 48, s->ipv6.mask.dst_ip, s->ipv6.val.dst_ip, 16);
			both(m, v, 16, &s->ipv6.mask.next_hdr, &s->ipv6.val.next_hdr, 1);
			break;
		case IBV_FLOW_SPEC_TCP:
		case IBV_FLOW_SPEC_UDP:
			fix(m, v, 16, 0xff, ty == IBV_FLOW_SPEC_TCP ? 6 : 17);
			both(m, v, ty == IBV_FLOW_SPEC_TCP ? 20 : 28, &s->tcp_udp.mask.src_port,
					&s->tcp_udp.val.src_port, 2);
			both(m, v, ty == IBV_FLOW_SPEC_TCP ? 22 : 30, &s->tcp_udp.mask.dst_port,
					&s->tcp_udp.val.dst_port, 2);
			break;
		case IBV_FLOW_SPEC_ACTION_TAG:
			f->a[acts++] = mlx5dv_dr_action_create_tag(s->flow_tag.tag_id);
			break;
		case IBV_FLOW_SPEC_ACTION_DROP:
			drop = mlx5dv_dr_action_create_drop();
			break;
		default:
			goto unsup;
		}
		p += s->hdr.size;
	}
	f->a[acts++] = drop ? drop : mlx5dv_dr_action_create_dest_devx_tir(((struct v_qp *)qp)->o);
	f->n = acts;
	if (!vroot)
		vroot = mlx5dv_dr_table_create(
				mlx5dv_dr_domain_create(qp->context, MLX5DV_DR_DOMAIN_TYPE_NIC_RX),
				0);
	f->m = mlx5dv_dr_matcher_create(vroot, at->priority, 1, (void *)&mask);
	f->r = f->m ? mlx5dv_dr_rule_create(f->m, (void *)&val, acts, f->a) : NULL;
	if (f->r) {
		f->pub.context = qp->context;
		return &f->pub;
	}
unsup:
	free(f);
	errno = EOPNOTSUPP;
	return NULL;
}
static int
destroy_flow(struct ibv_flow *fl)
{
	struct v_flow *f = (void *)fl;
	int i;

	mlx5dv_dr_rule_destroy(f->r);
	mlx5dv_dr_matcher_destroy(f->m);
	for (i = 0; i < f->n; i++)
		mlx5dv_dr_action_destroy(f->a[i]);
	free(f);
	return 0;
}

void vobj_ops(struct verbs_context *v);
void
vobj_ops(struct verbs_context *v)
{
	v->create_wq = create_wq;
	v->modify_wq = modify_wq;
	v->destroy_wq = destroy_wq;
	v->create_rwq_ind_table = create_it;
	v->destroy_rwq_ind_table = destroy_it;
	v->create_qp_ex = create_qp_ex;
	v->ibv_create_flow = create_flow;
	v->ibv_destroy_flow = destroy_flow;
}
