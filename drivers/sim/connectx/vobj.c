/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CQs, WQs, indirection tables and QPs made with verbs, which the PMD does without DevX or with
 * dv_flow_en=0. Each is a DevX object whose rings this file allocates. Flow rules: vflow.c.
 */
#include "connectx.h"
#include "hw.h"
#include <sys/mman.h>

#define PAGE 4096
#define DB_SIZE 64 /* doorbell records behind the ring, on a line of their own */
#define PD_NUMBER 0x11
#define UAR_NON_CACHED 3
#define LOG_MAX_SQ 15

struct vobj_cq {
	/* the PMD looks at either */
	union {
		struct ibv_cq pub;
		struct ibv_cq_ex ex;
	};
	struct mlx5dv_devx_obj *obj;
	size_t len;
};

struct vobj_wq {
	struct ibv_wq pub;
	struct mlx5dv_devx_obj *obj;
	size_t len;
};

struct vobj_qp {
	struct ibv_qp pub;
	struct mlx5dv_devx_obj *obj;
	size_t len;
};

struct vobj_table {
	struct ibv_rwq_ind_table pub;
	struct mlx5dv_devx_obj *obj;
};

static struct mlx5dv_devx_obj *
new_obj(struct ibv_context *c, enum cx_type type)
{
	struct cx_dev *d = cx_dev_of(c);
	struct mlx5dv_devx_obj *o;

	cx_lock(d);
	o = cx_obj_new(d, type);
	cx_unlock(d);
	return o;
}

static uint32_t
log2_above(uint32_t n)
{
	uint32_t l = 0;

	while ((1u << l) < n)
		l++;
	return l;
}

static void *
map(size_t len)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return m == MAP_FAILED ? NULL : m;
}

static uint8_t *
uar_page(void)
{
	static uint8_t *page;

	if (page == NULL)
		page = map(PAGE);
	return page;
}

static struct ibv_cq *
create_cq(struct ibv_context *c, int n, void *arg, bool compress, uint8_t format)
{
	uint32_t i, log_size = log2_above(n + 1);
	size_t ring = (size_t)CQE_SIZE << log_size;
	struct mlx5dv_devx_obj *o;
	struct vobj_cq *v;
	uint8_t *mem;

	if (cx_context_gone(c))
		return NULL;
	v = calloc(1, sizeof(*v));
	o = new_obj(c, CX_CQ);
	mem = map(ring + DB_SIZE);
	if (v == NULL || o == NULL || mem == NULL || cx_cq_init(o) != 0) {
		if (mem != NULL)
			munmap(mem, ring + DB_SIZE);
		if (o != NULL)
			mlx5dv_devx_obj_destroy(o);
		free(v);
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < 1u << log_size; i++)
		((struct hw_cqe *)mem)[i].op_own = CQE_INVALID;
	o->cq.buf = mem;
	o->cq.db = (uint32_t *)(mem + ring);
	o->cq.log_size = log_size;
	o->cq.compress = compress;
	o->cq.mini_format = format;
	v->obj = o;
	v->len = ring + DB_SIZE;
	v->pub.context = c;
	v->pub.cq_context = arg;
	v->pub.cqe = (1 << log_size) - 1;
	return &v->pub;
}

static struct mlx5dv_devx_obj *
cq_obj(struct ibv_cq *c)
{
	return ((struct vobj_cq *)c)->obj;
}

CX_EXPORT struct ibv_cq *
ibv_create_cq(struct ibv_context *c, int n, void *arg, struct ibv_comp_channel *channel, int vector)
{
	(void)channel;
	(void)vector;
	return create_cq(c, n, arg, false, 0);
}

CX_EXPORT struct ibv_cq_ex *
mlx5dv_create_cq(
		struct ibv_context *c, struct ibv_cq_init_attr_ex *a, struct mlx5dv_cq_init_attr *m)
{
	bool compress = m->comp_mask & MLX5DV_CQ_INIT_ATTR_MASK_COMPRESSED_CQE;
	uint8_t format = m->cqe_comp_res_format == MLX5DV_CQE_RES_FORMAT_CSUM_STRIDX
			? MINI_CSUM_STRIDE
			: MINI_HASH;

	return (struct ibv_cq_ex *)create_cq(c, a->cqe, a->cq_context, compress, format);
}

CX_EXPORT int
ibv_destroy_cq(struct ibv_cq *c)
{
	struct vobj_cq *v = (struct vobj_cq *)c;
	uint8_t *mem = v->obj->cq.buf;

	mlx5dv_devx_obj_destroy(v->obj);
	munmap(mem, v->len);
	free(v);
	return 0;
}

CX_EXPORT struct ibv_wq *
mlx5dv_create_wq(struct ibv_context *c, struct ibv_wq_init_attr *a, struct mlx5dv_wq_init_attr *m)
{
	bool striding = m != NULL && m->comp_mask & MLX5DV_WQ_INIT_ATTR_MASK_STRIDING_RQ;
	uint32_t log_entry = striding ? 5 : 4 + log2_above(a->max_sge);
	uint32_t log_size = log2_above(a->max_wr);
	size_t ring = (size_t)1 << (log_size + log_entry);
	struct mlx5dv_devx_obj *o;
	struct vobj_wq *v;
	struct cx_wq *w;
	uint8_t *mem;

	if (cx_context_gone(c))
		return NULL;
	v = calloc(1, sizeof(*v));
	mem = map(ring + DB_SIZE);
	o = new_obj(c, CX_RQ);
	if (v == NULL || mem == NULL || o == NULL) {
		if (mem != NULL)
			munmap(mem, ring + DB_SIZE);
		if (o != NULL)
			mlx5dv_devx_obj_destroy(o);
		free(v);
		errno = ENOMEM;
		return NULL;
	}
	w = &o->q.wq;
	w->striding = striding;
	if (striding) {
		w->log_strides = m->striding_rq_attrs.single_wqe_log_num_of_strides;
		w->log_stride_bytes = m->striding_rq_attrs.single_stride_log_num_of_bytes;
		w->shift = m->striding_rq_attrs.two_byte_shift_en ? 2 : 0;
	}
	w->log_entry = log_entry;
	w->log_size = log_size;
	w->buf = mem;
	w->db = (uint32_t *)(mem + ring) + DB_RECV;
	o->q.keep_vlan = !(a->create_flags & IBV_WQ_FLAGS_CVLAN_STRIPPING);
	o->q.cq_obj = cq_obj(a->cq);
	v->obj = o;
	v->len = ring + DB_SIZE;
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
modify_wq(struct ibv_wq *wq, struct ibv_wq_attr *a)
{
	struct mlx5dv_devx_obj *o = ((struct vobj_wq *)wq)->obj;

	if (o->gone)
		return EIO;
	cx_lock(o->dev);
	if (a->attr_mask & IBV_WQ_ATTR_STATE)
		cx_obj_set_state(o, a->wq_state == IBV_WQS_RDY ? CX_QUEUE_READY : 0);
	cx_unlock(o->dev);
	return 0;
}

static int
destroy_wq(struct ibv_wq *wq)
{
	struct vobj_wq *v = (struct vobj_wq *)wq;
	uint8_t *mem = v->obj->q.wq.buf;

	mlx5dv_devx_obj_destroy(v->obj);
	munmap(mem, v->len);
	free(v);
	return 0;
}

static struct ibv_rwq_ind_table *
create_table(struct ibv_context *c, struct ibv_rwq_ind_table_init_attr *a)
{
	uint32_t i, n = 1u << a->log_ind_tbl_size;
	struct mlx5dv_devx_obj *o;
	struct vobj_table *v;

	if (cx_context_gone(c))
		return NULL;
	v = calloc(1, sizeof(*v));
	o = new_obj(c, CX_RQT);
	if (v == NULL || o == NULL || (o->rqt.rqn = calloc(n, sizeof(*o->rqt.rqn))) == NULL) {
		if (o != NULL)
			mlx5dv_devx_obj_destroy(o);
		free(v);
		errno = ENOMEM;
		return NULL;
	}
	for (i = 0; i < n; i++)
		o->rqt.rqn[i] = a->ind_tbl[i]->wq_num;
	o->rqt.n = n;
	v->obj = o;
	v->pub.context = c;
	return &v->pub;
}

static int
destroy_table(struct ibv_rwq_ind_table *t)
{
	struct vobj_table *v = (struct vobj_table *)t;

	mlx5dv_devx_obj_destroy(v->obj);
	free(v);
	return 0;
}

static struct mlx5dv_devx_obj *
create_tir(struct ibv_context *c, const struct ibv_qp_init_attr_ex *a)
{
	uint64_t f = a->rx_hash_conf.rx_hash_fields_mask;
	struct mlx5dv_devx_obj *o = new_obj(c, CX_TIR);

	if (o == NULL)
		return NULL;
	o->tir.indirect = 1;
	o->tir.rqtn = ((struct vobj_table *)a->rwq_ind_tbl)->obj->id;
	if (a->rx_hash_conf.rx_hash_key != NULL)
		memcpy(o->tir.key, a->rx_hash_conf.rx_hash_key, CX_RSS_KEY_LEN);
	o->tir.l3_ipv6 = (f & (IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6)) != 0;
	o->tir.l4_udp = (f & (IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP)) != 0;
	if (f & (IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_SRC_IPV6))
		o->tir.fields |= 1;
	if (f & (IBV_RX_HASH_DST_IPV4 | IBV_RX_HASH_DST_IPV6))
		o->tir.fields |= 2;
	if (f & (IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_SRC_PORT_TCP))
		o->tir.fields |= 4;
	if (f & (IBV_RX_HASH_DST_PORT_UDP | IBV_RX_HASH_DST_PORT_TCP))
		o->tir.fields |= 8;
	if (cx_rss_key(o) != 0) {
		mlx5dv_devx_obj_destroy(o);
		return NULL;
	}
	return o;
}

static struct mlx5dv_devx_obj *
create_sq(struct ibv_context *c, const struct ibv_qp_init_attr_ex *a, size_t *len)
{
	uint32_t blocks = 1 + (a->cap.max_inline_data + 63) / WQEBB_SIZE +
			(a->max_tso_header + 63) / WQEBB_SIZE;
	uint32_t log_size = log2_above(a->cap.max_send_wr * blocks);
	struct mlx5dv_devx_obj *o = new_obj(c, CX_SQ);
	struct cx_wq *w;
	uint8_t *mem;

	if (o == NULL)
		return NULL;
	if (log_size > LOG_MAX_SQ)
		log_size = LOG_MAX_SQ;
	*len = ((size_t)WQEBB_SIZE << log_size) + DB_SIZE;
	mem = map(*len);
	if (mem == NULL) {
		mlx5dv_devx_obj_destroy(o);
		return NULL;
	}
	w = &o->q.wq;
	w->log_size = log_size;
	w->log_entry = 6;
	w->buf = mem;
	w->db = (uint32_t *)(mem + *len - DB_SIZE) + DB_SEND;
	o->q.cq_obj = cq_obj(a->send_cq);
	cx_lock(o->dev);
	o->next = o->dev->sqs;
	o->dev->sqs = o;
	cx_unlock(o->dev);
	return o;
}

static struct ibv_qp *
create_qp(struct ibv_context *c, struct ibv_qp_init_attr_ex *a)
{
	struct vobj_qp *v = cx_context_gone(c) ? NULL : calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	if (a->comp_mask & IBV_QP_INIT_ATTR_IND_TABLE)
		v->obj = create_tir(c, a);
	else
		v->obj = create_sq(c, a, &v->len);
	if (v->obj == NULL) {
		free(v);
		errno = ENOMEM;
		return NULL;
	}
	v->pub.context = c;
	v->pub.qp_num = v->obj->id;
	v->pub.qp_type = a->qp_type;
	return &v->pub;
}

CX_EXPORT struct ibv_qp *
mlx5dv_create_qp(
		struct ibv_context *c, struct ibv_qp_init_attr_ex *a, struct mlx5dv_qp_init_attr *m)
{
	(void)m;
	return create_qp(c, a);
}

/* ibv_create_qp_ex() with nothing but a PD lands here: it is inline in verbs.h. */
CX_EXPORT struct ibv_qp *
ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *a)
{
	struct ibv_qp_init_attr_ex x = {
		.send_cq = a->send_cq,
		.recv_cq = a->recv_cq,
		.cap = a->cap,
		.qp_type = a->qp_type,
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = pd,
	};

	return create_qp(pd->context, &x);
}

CX_EXPORT int
ibv_modify_qp(struct ibv_qp *q, struct ibv_qp_attr *a, int mask)
{
	struct mlx5dv_devx_obj *o = ((struct vobj_qp *)q)->obj;

	if (o->gone)
		return EIO;
	cx_lock(o->dev);
	if (mask & IBV_QP_STATE) {
		o->state = a->qp_state == IBV_QPS_RTS ? CX_QUEUE_READY : 0;
		if (a->qp_state == IBV_QPS_RESET && o->type == CX_SQ)
			cx_obj_set_state(o, 0);
	}
	cx_unlock(o->dev);
	return 0;
}

CX_EXPORT int
ibv_destroy_qp(struct ibv_qp *q)
{
	struct vobj_qp *v = (struct vobj_qp *)q;
	uint8_t *mem = v->len != 0 ? v->obj->q.wq.buf : NULL;

	mlx5dv_devx_obj_destroy(v->obj);
	if (mem != NULL)
		munmap(mem, v->len);
	free(v);
	return 0;
}

struct mlx5dv_devx_obj *
cx_qp_tir(struct ibv_qp *q)
{
	return ((struct vobj_qp *)q)->obj;
}

CX_EXPORT struct mlx5dv_dr_action *
mlx5dv_dr_action_create_dest_ibv_qp(struct ibv_qp *q)
{
	return mlx5dv_dr_action_create_dest_devx_tir(cx_qp_tir(q));
}

static void
show_cq(struct mlx5dv_cq *out, const struct mlx5dv_devx_obj *o)
{
	*out = (struct mlx5dv_cq){
		.buf = o->cq.buf,
		.dbrec = (void *)(uintptr_t)o->cq.db,
		.cqe_cnt = 1u << o->cq.log_size,
		.cqe_size = CQE_SIZE,
		.cq_uar = uar_page(),
		.cqn = o->id,
	};
}

static void
show_qp(struct mlx5dv_qp *out, const struct mlx5dv_devx_obj *o)
{
	uint64_t want = out->comp_mask;

	memset(out, 0, sizeof(*out));
	out->dbrec = (uint32_t *)(uintptr_t)o->q.wq.db - DB_SEND;
	out->sq.buf = o->q.wq.buf;
	out->sq.wqe_cnt = 1u << o->q.wq.log_size;
	out->sq.stride = WQEBB_SIZE;
	out->bf.reg = uar_page() + 0x800;
	out->uar_mmap_offset = (uint64_t)UAR_NON_CACHED << 8 << 12;
	out->tisn = 1;
	out->comp_mask = want;
}

CX_EXPORT int
mlx5dv_init_obj(struct mlx5dv_obj *b, uint64_t type)
{
	if (type & MLX5DV_OBJ_PD) {
		b->pd.out->pdn = PD_NUMBER;
		b->pd.out->comp_mask = 0;
	}
	if (type & MLX5DV_OBJ_CQ)
		show_cq(b->cq.out, cq_obj(b->cq.in));
	if (type & MLX5DV_OBJ_RWQ) {
		const struct cx_wq *w = &((struct vobj_wq *)b->rwq.in)->obj->q.wq;

		*b->rwq.out = (struct mlx5dv_rwq){
			.buf = w->buf,
			.dbrec = (void *)(uintptr_t)w->db,
			.wqe_cnt = 1u << w->log_size,
			.stride = 1u << w->log_entry,
		};
	}
	if (type & MLX5DV_OBJ_QP)
		show_qp(b->qp.out, ((struct vobj_qp *)b->qp.in)->obj);
	return 0;
}

/* The PMD asks for the transport domain of a raw QP when DevX is there; any number will do. */
CX_EXPORT int
mlx5dv_devx_qp_query(struct ibv_qp *q, const void *in, size_t in_len, void *out, size_t out_len)
{
	(void)q;
	(void)in;
	(void)in_len;
	memset(out, 0, out_len);
	return 0;
}

CX_EXPORT int
mlx5dv_devx_wq_query(struct ibv_wq *q, const void *in, size_t in_len, void *out, size_t out_len)
{
	(void)q;
	(void)in;
	(void)in_len;
	memset(out, 0, out_len);
	return 0;
}

void
cx_vobj_ops(struct verbs_context *v)
{
	v->create_wq = create_wq;
	v->modify_wq = modify_wq;
	v->destroy_wq = destroy_wq;
	v->create_rwq_ind_table = create_table;
	v->destroy_rwq_ind_table = destroy_table;
	v->create_qp_ex = create_qp;
}
