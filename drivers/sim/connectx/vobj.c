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
#define LOG_MAX_CQ 22
#define LOG_MAX_WQ 15
#define LOG_MAX_TABLE 9
#define MAX_SGE 32

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

static uint32_t
log2_above(uint32_t n)
{
	uint32_t l = 0;

	while (l < 31 && (1u << l) < n)
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
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint8_t *page;

	pthread_mutex_lock(&lock);
	if (page == NULL)
		page = map(PAGE);
	pthread_mutex_unlock(&lock);
	return page;
}

/* All of it under one lock: commands of other threads may name it as soon as it has a number. */
static struct mlx5dv_devx_obj *
new_cq(struct cx_dev *d, uint8_t *mem, uint32_t log_size, bool compress, uint8_t format)
{
	struct mlx5dv_devx_obj *o;

	cx_lock(d);
	o = cx_obj_new(d, CX_CQ);
	if (o != NULL && cx_cq_init(o) != 0) {
		cx_obj_free(o);
		o = NULL;
	}
	if (o != NULL) {
		o->cq.buf = mem;
		o->cq.db = (uint32_t *)(mem + ((size_t)CQE_SIZE << log_size));
		o->cq.log_size = log_size;
		o->cq.compress = compress;
		o->cq.mini_format = format;
	}
	cx_unlock(d);
	return o;
}

static struct ibv_cq *
create_cq(struct ibv_context *c, int n, void *arg, bool compress, uint8_t format)
{
	struct vobj_cq *v = NULL;
	uint32_t i, log_size = n > 0 ? log2_above((uint32_t)n + 1) : 0;
	size_t ring = (size_t)CQE_SIZE << log_size;
	uint8_t *mem = NULL;

	if (cx_context_gone(c))
		return NULL;
	if (n <= 0 || log_size > LOG_MAX_CQ) {
		errno = EINVAL;
		return NULL;
	}
	v = calloc(1, sizeof(*v));
	mem = map(ring + DB_SIZE);
	if (v != NULL && mem != NULL) {
		for (i = 0; i < 1u << log_size; i++)
			((struct hw_cqe *)mem)[i].op_own = CQE_INVALID;
		v->obj = new_cq(cx_dev_of(c), mem, log_size, compress, format);
	}
	if (v == NULL || v->obj == NULL) {
		if (mem != NULL)
			munmap(mem, ring + DB_SIZE);
		free(v);
		errno = ENOMEM;
		return NULL;
	}
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
	int ret = mlx5dv_devx_obj_destroy(v->obj);

	if (ret != 0)
		return ret;
	munmap(mem, v->len);
	free(v);
	return 0;
}

/* Geometry of the ring: 0, or -1 when the device has none like it. */
static int
read_wq(struct cx_wq *w, const struct ibv_wq_init_attr *a, const struct mlx5dv_wq_init_attr *m)
{
	memset(w, 0, sizeof(*w));
	w->striding = m != NULL && m->comp_mask & MLX5DV_WQ_INIT_ATTR_MASK_STRIDING_RQ;
	w->log_entry = w->striding ? 5 : 4 + log2_above(a->max_sge);
	w->log_size = log2_above(a->max_wr);
	if (a->max_wr == 0 || w->log_size > LOG_MAX_WQ || a->max_sge > MAX_SGE)
		return -1;
	if (!w->striding)
		return 0;
	w->log_strides = m->striding_rq_attrs.single_wqe_log_num_of_strides;
	w->log_stride_bytes = m->striding_rq_attrs.single_stride_log_num_of_bytes;
	w->shift = m->striding_rq_attrs.two_byte_shift_en ? 2 : 0;
	/* the range that mlx5dv_query_device() tells */
	return w->log_strides < 3 || w->log_strides > 16 || w->log_stride_bytes < 6 ||
					w->log_stride_bytes > 13
			? -1
			: 0;
}

static struct mlx5dv_devx_obj *
new_queue(struct cx_dev *d, enum cx_type type, const struct cx_wq *w, struct mlx5dv_devx_obj *cq)
{
	struct mlx5dv_devx_obj *o, **list = type == CX_SQ ? &d->sqs : &d->rqs;

	cx_lock(d);
	o = cx_obj_new(d, type);
	if (o != NULL) {
		o->q.wq = *w;
		o->q.cq_obj = cq;
		cq->refs++;
		o->next = *list;
		*list = o;
	}
	cx_unlock(d);
	return o;
}

CX_EXPORT struct ibv_wq *
mlx5dv_create_wq(struct ibv_context *c, struct ibv_wq_init_attr *a, struct mlx5dv_wq_init_attr *m)
{
	struct vobj_wq *v;
	struct cx_wq w;
	size_t ring;

	if (cx_context_gone(c))
		return NULL;
	if (read_wq(&w, a, m) != 0) {
		errno = EINVAL;
		return NULL;
	}
	ring = (size_t)1 << (w.log_size + w.log_entry);
	v = calloc(1, sizeof(*v));
	w.buf = map(ring + DB_SIZE);
	w.db = (uint32_t *)(w.buf + ring) + DB_RECV;
	if (v != NULL && w.buf != NULL)
		v->obj = new_queue(cx_dev_of(c), CX_RQ, &w, cq_obj(a->cq));
	if (v == NULL || v->obj == NULL) {
		if (w.buf != NULL)
			munmap(w.buf, ring + DB_SIZE);
		free(v);
		errno = ENOMEM;
		return NULL;
	}
	v->obj->q.keep_vlan = !(a->create_flags & IBV_WQ_FLAGS_CVLAN_STRIPPING);
	v->len = ring + DB_SIZE;
	v->pub.context = c;
	v->pub.wq_num = v->obj->id;
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
	if (a->attr_mask & IBV_WQ_ATTR_STATE) {
		if (a->wq_state == IBV_WQS_RDY)
			cx_queue_state(o, CX_QUEUE_READY);
		else
			cx_queue_state(o, a->wq_state == IBV_WQS_ERR ? CX_QUEUE_ERROR : 0);
	}
	cx_unlock(o->dev);
	return 0;
}

static int
destroy_wq(struct ibv_wq *wq)
{
	struct vobj_wq *v = (struct vobj_wq *)wq;
	uint8_t *mem = v->obj->q.wq.buf;
	int ret = mlx5dv_devx_obj_destroy(v->obj);

	if (ret != 0)
		return ret;
	munmap(mem, v->len);
	free(v);
	return 0;
}

static struct ibv_rwq_ind_table *
create_table(struct ibv_context *c, struct ibv_rwq_ind_table_init_attr *a)
{
	struct cx_dev *d = cx_dev_of(c);
	struct mlx5dv_devx_obj **rq;
	struct vobj_table *v;
	uint32_t i, n;

	if (cx_context_gone(c))
		return NULL;
	if (a->log_ind_tbl_size > LOG_MAX_TABLE) {
		errno = EINVAL;
		return NULL;
	}
	n = 1u << a->log_ind_tbl_size;
	v = calloc(1, sizeof(*v));
	rq = calloc(n, sizeof(*rq));
	if (v != NULL && rq != NULL) {
		cx_lock(d);
		v->obj = cx_obj_new(d, CX_RQT);
		for (i = 0; v->obj != NULL && i < n; i++) {
			rq[i] = ((struct vobj_wq *)a->ind_tbl[i])->obj;
			rq[i]->refs++;
		}
		if (v->obj != NULL)
			cx_rqt_set(v->obj, rq, n);
		cx_unlock(d);
	}
	if (v == NULL || rq == NULL || v->obj == NULL) {
		free(rq);
		free(v);
		errno = ENOMEM;
		return NULL;
	}
	v->pub.context = c;
	return &v->pub;
}

static int
destroy_table(struct ibv_rwq_ind_table *t)
{
	struct vobj_table *v = (struct vobj_table *)t;
	int ret = mlx5dv_devx_obj_destroy(v->obj);

	if (ret == 0)
		free(v);
	return ret;
}

static struct mlx5dv_devx_obj *
create_tir(struct ibv_context *c, const struct ibv_qp_init_attr_ex *a)
{
	uint64_t f = a->rx_hash_conf.rx_hash_fields_mask;
	struct cx_dev *d = cx_dev_of(c);
	struct mlx5dv_devx_obj *o;

	cx_lock(d);
	o = cx_obj_new(d, CX_TIR);
	if (o == NULL)
		goto out;
	o->tir.table = ((struct vobj_table *)a->rwq_ind_tbl)->obj;
	o->tir.table->refs++;
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
		cx_obj_free(o);
		o = NULL;
	}
out:
	cx_unlock(d);
	return o;
}

static struct mlx5dv_devx_obj *
create_sq(struct ibv_context *c, const struct ibv_qp_init_attr_ex *a, size_t *len)
{
	uint32_t blocks = 1 + (a->cap.max_inline_data + 63) / WQEBB_SIZE +
			(a->max_tso_header + 63) / WQEBB_SIZE;
	uint32_t log_size = log2_above(a->cap.max_send_wr * blocks);
	struct cx_wq w = { .log_entry = 6 };
	struct mlx5dv_devx_obj *o;

	w.log_size = log_size > LOG_MAX_WQ ? LOG_MAX_WQ : log_size;
	*len = ((size_t)WQEBB_SIZE << w.log_size) + DB_SIZE;
	w.buf = map(*len);
	if (w.buf == NULL)
		return NULL;
	w.db = (uint32_t *)(w.buf + *len - DB_SIZE) + DB_SEND;
	o = new_queue(cx_dev_of(c), CX_SQ, &w, cq_obj(a->send_cq));
	if (o == NULL)
		munmap(w.buf, *len);
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
			cx_queue_state(o, 0);
	}
	cx_unlock(o->dev);
	return 0;
}

CX_EXPORT int
ibv_destroy_qp(struct ibv_qp *q)
{
	struct vobj_qp *v = (struct vobj_qp *)q;
	uint8_t *mem = v->len != 0 ? v->obj->q.wq.buf : NULL;
	int ret = mlx5dv_devx_obj_destroy(v->obj);

	if (ret != 0)
		return ret;
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
