/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DevX: objects made, changed and asked by command blobs in the layouts of prm.h. A command that is
 * not modelled fails with the status the firmware would give; nothing is accepted and ignored.
 */
#include "connectx.h"
#include "hw.h"
#include "prm.h"

enum {
	OP_QUERY_HCA_CAP = 0x100,
	OP_CREATE_MKEY = 0x200,
	OP_CREATE_CQ = 0x400,
	OP_ALLOC_Q_COUNTER = 0x771,
	OP_QUERY_Q_COUNTER = 0x773,
	OP_ALLOC_TD = 0x816,
	OP_CREATE_TIR = 0x900,
	OP_MODIFY_TIR = 0x901,
	OP_CREATE_SQ = 0x904,
	OP_MODIFY_SQ = 0x905,
	OP_CREATE_RQ = 0x908,
	OP_MODIFY_RQ = 0x909,
	OP_CREATE_RMP = 0x90c,
	OP_CREATE_TIS = 0x912,
	OP_CREATE_RQT = 0x916,
	OP_MODIFY_RQT = 0x917,
	OP_ALLOC_FLOW_COUNTER = 0x939,
	OP_QUERY_FLOW_COUNTER = 0x93b,
};

/* Every command starts with its code; every answer with a status, a syndrome and an object id. */
#define CMD_OPCODE 0, 16
#define OUT_STATUS 0, 8
#define OUT_SYNDROME 0x20, 32
#define OUT_ID 0x40, 32
#define STATUS_INTERNAL 0x1
#define STATUS_BAD_OPCODE 0x2
#define STATUS_BAD_PARAM 0x3
#define STATUS_NO_RESOURCES 0xf
#define SYNDROME 0x51e51e

#define WQ_TYPE_STRIDING 3
#define LOG_MAX_QUEUE 22
#define MEM_RQ_RMP 1
#define RQ_MODIFY_VSD 2
#define TIR_LRO 1
#define TIR_TABLE 2
#define TIR_HASH 4
#define TIR_ALL (TIR_LRO | TIR_TABLE | TIR_HASH)
#define HASH_TOEPLITZ 2
#define COUNTERS_PER_BULK 128
#define LRO_UNIT 256 /* bytes, of lro_max_msg_sz */
#define NEVER_ARMED 0xffffffff

/* Must be called with the command's answer cleared. */
static int
fail(void *out, unsigned int status, int error)
{
	SET(out, OUT_STATUS, status);
	SET(out, OUT_SYNDROME, SYNDROME);
	errno = error;
	return error;
}

CX_EXPORT int
mlx5dv_devx_general_cmd(
		struct ibv_context *c, const void *in, size_t in_len, void *out, size_t out_len)
{
	unsigned int op = GET(in, CMD_OPCODE);

	(void)in_len;
	memset(out, 0, out_len);
	if (cx_context_gone(c))
		return fail(out, STATUS_INTERNAL, EIO);
	if (op == OP_QUERY_HCA_CAP) {
		/* the lowest bit tells maximum from current: they are the same */
		cx_caps_fill(GET(in, F_query_hca_cap_in__op_mod) >> 1,
				PTR(out, F_query_hca_cap_out__capability));
		return 0;
	}
	cx_log(1, "command %#x is not modelled", op);
	return fail(out, STATUS_BAD_OPCODE, EREMOTEIO);
}

/* The caller holds the lock. */
struct mlx5dv_devx_obj *
cx_obj_get(const struct cx_dev *d, uint32_t id, enum cx_type type)
{
	struct mlx5dv_devx_obj *o = cx_table_get(&d->objs, id);

	return o != NULL && o->type == type ? o : NULL;
}

/* The caller holds the lock. */
struct mlx5dv_devx_obj *
cx_obj_new(struct cx_dev *d, enum cx_type type)
{
	struct mlx5dv_devx_obj *o = aligned_alloc(64, (sizeof(*o) + 63) / 64 * 64);

	if (o == NULL)
		return NULL;
	memset(o, 0, sizeof(*o));
	o->dev = d;
	o->type = type;
	o->id = cx_table_add(&d->objs, o);
	if (o->id == 0) {
		free(o);
		return NULL;
	}
	return o;
}

static int
parse_wq(struct cx_dev *d, struct cx_wq *w, const void *ctx, unsigned int db_word)
{
	uint32_t strides = GET(ctx, F_wq__single_wqe_log_num_of_strides);
	uint32_t *db;

	w->log_size = GET(ctx, F_wq__log_wq_sz);
	w->log_entry = GET(ctx, F_wq__log_wq_stride);
	if (w->log_size > LOG_MAX_QUEUE || w->log_entry < 4 || w->log_entry > 12)
		return -1;
	w->striding = GET(ctx, F_wq__wq_type) == WQ_TYPE_STRIDING;
	/* a signed field of four bits: log2 of strides, less 9 */
	w->log_strides = 9 + (strides >= 8 ? (int)strides - 16 : (int)strides);
	w->log_stride_bytes = 6 + GET(ctx, F_wq__single_stride_log_num_of_bytes);
	w->shift = GET(ctx, F_wq__two_byte_shift_en) ? 2 : 0;
	w->buf = cx_umem_range(d, GET(ctx, F_wq__wq_umem_id), GET(ctx, F_wq__wq_umem_offset),
			1ull << (w->log_size + w->log_entry));
	db = cx_umem_range(d, GET(ctx, F_wq__dbr_umem_id), GET(ctx, F_wq__dbr_addr), 8);
	if (w->buf == NULL || db == NULL)
		return -1;
	w->db = db + db_word;
	return 0;
}

static int
create_cq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_cq_in__cq_context);
	struct cx_cq *q = &o->cq;

	q->log_size = GET(ctx, F_cqc__log_cq_size);
	if (q->log_size > LOG_MAX_QUEUE)
		return -1;
	q->compress = GET(ctx, F_cqc__cqe_comp_en);
	q->ignore_overrun = GET(ctx, F_cqc__oi);
	q->mini_format = GET(ctx, F_cqc__mini_cqe_res_format);
	q->buf = cx_umem_range(o->dev, GET(in, F_create_cq_in__cq_umem_id),
			GET(in, F_create_cq_in__cq_umem_offset), (uint64_t)CQE_SIZE << q->log_size);
	q->db = cx_umem_range(o->dev, GET(ctx, F_cqc__dbr_umem_id), GET(ctx, F_cqc__dbr_addr), 8);
	if (q->buf == NULL || q->db == NULL)
		return -1;
	/* A value that the driver never writes: its first arm word is zero, and would else look
	 * like a word that was never written. */
	q->db[DB_CQ_ARM] = q->last_arm = NEVER_ARMED;
	return cx_cq_init(o);
}

static int
create_rq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_rq_in__ctx);
	uint32_t counter = GET(ctx, F_rqc__counter_set_id);

	o->q.cq_obj = cx_obj_get(o->dev, GET(ctx, F_rqc__cqn), CX_CQ);
	o->q.keep_vlan = GET(ctx, F_rqc__vsd);
	o->q.user_index = GET(ctx, F_rqc__user_index);
	o->q.q_counter = o->dev->q_counters[counter];
	if (o->q.cq_obj == NULL)
		return -1;
	if (GET(ctx, F_rqc__mem_rq_type) == MEM_RQ_RMP) {
		o->q.rmp = cx_obj_get(o->dev, GET(ctx, F_rqc__rmpn), CX_RMP);
		if (o->q.rmp == NULL)
			return -1;
	} else if (parse_wq(o->dev, &o->q.wq, PTR(ctx, F_rqc__wq), DB_RECV) != 0) {
		return -1;
	}
	o->next = o->dev->rqs;
	o->dev->rqs = o;
	cx_log(2, "RQ %#x: 2^%u entries of %u bytes%s, 2^%u strides of 2^%u bytes", o->id,
			o->q.wq.log_size, 1 << o->q.wq.log_entry,
			o->q.wq.striding ? ", striding" : "", o->q.wq.log_strides,
			o->q.wq.log_stride_bytes);
	return 0;
}

static int
create_sq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_sq_in__ctx);

	o->q.cq_obj = cx_obj_get(o->dev, GET(ctx, F_sqc__cqn), CX_CQ);
	if (o->q.cq_obj == NULL || parse_wq(o->dev, &o->q.wq, PTR(ctx, F_sqc__wq), DB_SEND) != 0)
		return -1;
	o->next = o->dev->sqs;
	o->dev->sqs = o;
	return 0;
}

static int
parse_tir(struct mlx5dv_devx_obj *o, const void *ctx, uint64_t what)
{
	if (what & TIR_LRO) {
		o->tir.lro_usec = GET(ctx, F_tirc__lro_timeout_period_usecs);
		o->tir.lro_mask = GET(ctx, F_tirc__lro_enable_mask);
		o->tir.lro_max = GET(ctx, F_tirc__lro_max_msg_sz) * LRO_UNIT;
	}
	if (what & TIR_TABLE)
		o->tir.rqtn = GET(ctx, F_tirc__indirect_table);
	if (what & TIR_HASH) {
		const void *sel = PTR(ctx, F_tirc__rx_hash_field_selector_outer);

		o->tir.l3_ipv6 = GET(sel, F_rx_hash_field_select__l3_prot_type);
		o->tir.l4_udp = GET(sel, F_rx_hash_field_select__l4_prot_type);
		o->tir.fields = GET(sel, F_rx_hash_field_select__selected_fields);
		if (o->tir.fields != 0 &&
				(GET(ctx, F_tirc__rx_hash_symmetric) ||
						GET(ctx, F_tirc__rx_hash_fn) != HASH_TOEPLITZ))
			return -1;
		memcpy(o->tir.key, PTR(ctx, F_tirc__rx_hash_toeplitz_key), CX_RSS_KEY_LEN);
		return cx_rss_key(o);
	}
	return 0;
}

static int
create_tir(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_tir_in__ctx);

	o->tir.indirect = GET(ctx, F_tirc__disp_type);
	o->tir.inline_rqn = GET(ctx, F_tirc__inline_rqn);
	if (parse_tir(o, ctx, TIR_ALL) != 0)
		return -1;
	cx_log(2, "TIR %#x: RQT %#x, hash of %s/%s fields %#x, LRO %u, %u bytes, %u us", o->id,
			o->tir.rqtn, o->tir.l3_ipv6 ? "IPv6" : "IPv4",
			o->tir.l4_udp ? "UDP" : "TCP", o->tir.fields, o->tir.lro_mask,
			o->tir.lro_max, o->tir.lro_usec);
	return 0;
}

static int
parse_rqt(struct mlx5dv_devx_obj *o, const void *ctx)
{
	const uint8_t *list = PTR(ctx, F_rqtc__rq_num);
	uint32_t i, n = GET(ctx, F_rqtc__rqt_actual_size);
	uint32_t *rqn = calloc(n > 0 ? n : 1, sizeof(*rqn));

	if (rqn == NULL)
		return -1;
	for (i = 0; i < n; i++)
		rqn[i] = be32(list + 4 * i) & 0xffffff;
	free(o->rqt.rqn);
	o->rqt.rqn = rqn;
	o->rqt.n = n;
	return 0;
}

static int
create_q_counter(struct mlx5dv_devx_obj *o)
{
	uint32_t i;

	for (i = 1; i < 256 && o->dev->q_counters[i] != NULL; i++)
		;
	if (i == 256)
		return -1;
	o->q_counter.id = i;
	o->dev->q_counters[i] = o;
	return 0;
}

static int
create_flow_counter(struct mlx5dv_devx_obj *o, const void *in)
{
	uint32_t bulk = GET(in, F_alloc_flow_counter_in__flow_counter_bulk);

	o->flow_counter.n = bulk != 0 ? bulk * COUNTERS_PER_BULK : 1;
	o->flow_counter.count = calloc(o->flow_counter.n, sizeof(*o->flow_counter.count));
	return o->flow_counter.count != NULL ? 0 : -1;
}

static enum cx_type
type_of(unsigned int op)
{
	switch (op) {
	case OP_ALLOC_TD:
		return CX_TD;
	case OP_CREATE_TIS:
		return CX_TIS;
	case OP_CREATE_CQ:
		return CX_CQ;
	case OP_CREATE_RQ:
		return CX_RQ;
	case OP_CREATE_RMP:
		return CX_RMP;
	case OP_CREATE_SQ:
		return CX_SQ;
	case OP_CREATE_TIR:
		return CX_TIR;
	case OP_CREATE_RQT:
		return CX_RQT;
	case OP_CREATE_MKEY:
		return CX_MKEY;
	case OP_ALLOC_Q_COUNTER:
		return CX_Q_COUNTER;
	case OP_ALLOC_FLOW_COUNTER:
		return CX_FLOW_COUNTER;
	default:
		return 0;
	}
}

static int
create(struct mlx5dv_devx_obj *o, const void *in)
{
	switch (o->type) {
	case CX_CQ:
		return create_cq(o, in);
	case CX_RQ:
		return create_rq(o, in);
	case CX_RMP:
		return parse_wq(o->dev, &o->q.wq, PTR(PTR(in, F_create_rmp_in__ctx), F_rmpc__wq),
				DB_RECV);
	case CX_SQ:
		return create_sq(o, in);
	case CX_TIR:
		return create_tir(o, in);
	case CX_RQT:
		return parse_rqt(o, PTR(in, F_create_rqt_in__rqt_context));
	case CX_Q_COUNTER:
		return create_q_counter(o);
	case CX_FLOW_COUNTER:
		return create_flow_counter(o, in);
	default:
		return 0;
	}
}

static void
unlink_queue(struct mlx5dv_devx_obj **list, const struct mlx5dv_devx_obj *o)
{
	for (; *list != NULL; list = &(*list)->next) {
		if (*list == o) {
			*list = o->next;
			break;
		}
	}
}

/* Takes the object out of everything the device thread looks at. The caller holds the lock. */
static void
detach(struct mlx5dv_devx_obj *o)
{
	struct mlx5dv_devx_obj *rq;

	/* a queue's completions may be held back in its CQ */
	cx_cq_flush_all(o->dev);
	switch (o->type) {
	case CX_CQ:
		cx_cq_release(&o->cq);
		cx_events_forget(&o->cq);
		break;
	case CX_RQ:
		cx_lro_forget(o);
		unlink_queue(&o->dev->rqs, o);
		break;
	case CX_SQ:
		unlink_queue(&o->dev->sqs, o);
		break;
	case CX_Q_COUNTER:
		o->dev->q_counters[o->q_counter.id] = NULL;
		for (rq = o->dev->rqs; rq != NULL; rq = rq->next)
			if (rq->q.q_counter == o)
				rq->q.q_counter = NULL;
		break;
	default:
		break;
	}
	cx_table_del(&o->dev->objs, o->id);
}

static void
release(struct mlx5dv_devx_obj *o)
{
	switch (o->type) {
	case CX_CQ:
		cx_cq_fini(&o->cq);
		break;
	case CX_RQT:
		free(o->rqt.rqn);
		break;
	case CX_TIR:
		free(o->tir.nibble);
		break;
	case CX_FLOW_COUNTER:
		free(o->flow_counter.count);
		break;
	default:
		break;
	}
	free(o);
}

CX_EXPORT struct mlx5dv_devx_obj *
mlx5dv_devx_obj_create(
		struct ibv_context *c, const void *in, size_t in_len, void *out, size_t out_len)
{
	unsigned int op = GET(in, CMD_OPCODE);
	enum cx_type type = type_of(op);
	struct cx_dev *d = cx_dev_of(c);
	struct mlx5dv_devx_obj *o;
	uint32_t id;

	(void)in_len;
	memset(out, 0, out_len);
	if (cx_context_gone(c)) {
		fail(out, STATUS_INTERNAL, EIO);
		return NULL;
	}
	if (type == 0) {
		cx_log(1, "object command %#x is not modelled", op);
		fail(out, STATUS_BAD_OPCODE, EREMOTEIO);
		return NULL;
	}
	cx_lock(d);
	o = cx_obj_new(d, type);
	if (o == NULL) {
		cx_unlock(d);
		fail(out, STATUS_NO_RESOURCES, EREMOTEIO);
		return NULL;
	}
	if (create(o, in) != 0) {
		cx_table_del(&d->objs, o->id);
		cx_unlock(d);
		cx_log(1, "object command %#x rejected", op);
		release(o);
		fail(out, STATUS_BAD_PARAM, EREMOTEIO);
		return NULL;
	}
	id = type == CX_Q_COUNTER ? o->q_counter.id : o->id;
	cx_unlock(d);
	SET(out, OUT_ID, id);
	cx_log(3, "object command %#x: %#x", op, id);
	return o;
}

CX_EXPORT int
mlx5dv_devx_obj_destroy(struct mlx5dv_devx_obj *o)
{
	struct cx_dev *d = o->dev;

	cx_lock(d);
	detach(o);
	cx_unlock(d);
	release(o);
	return 0;
}

/* The caller holds the lock. */
void
cx_obj_set_state(struct mlx5dv_devx_obj *o, uint32_t state)
{
	o->state = state;
	if (state == 0) {
		if (o->type == CX_RQ)
			cx_lro_forget(o);
		/* no completion of the queue comes after its reset */
		if (o->q.cq_obj->cq.stalled_until != 0)
			cx_cq_release(&o->q.cq_obj->cq);
		o->q.no_buf_until = o->q.stall_until = 0;
		cx_wq_reset(&o->q.wq);
	}
}

CX_EXPORT int
mlx5dv_devx_obj_modify(
		struct mlx5dv_devx_obj *o, const void *in, size_t in_len, void *out, size_t out_len)
{
	unsigned int op = GET(in, CMD_OPCODE);
	unsigned int status = 0;

	(void)in_len;
	memset(out, 0, out_len);
	if (o->gone)
		return fail(out, STATUS_INTERNAL, EIO);
	cx_lock(o->dev);
	if (op == OP_MODIFY_RQ && o->type == CX_RQ) {
		const void *ctx = PTR(in, F_modify_rq_in__ctx);

		cx_obj_set_state(o, GET(ctx, F_rqc__state));
		if (GET(in, F_modify_rq_in__modify_bitmask) & RQ_MODIFY_VSD)
			o->q.keep_vlan = GET(ctx, F_rqc__vsd);
	} else if (op == OP_MODIFY_SQ && o->type == CX_SQ) {
		cx_obj_set_state(o, GET(PTR(in, F_modify_sq_in__ctx), F_sqc__state));
	} else if (op == OP_MODIFY_TIR && o->type == CX_TIR) {
		if (parse_tir(o, PTR(in, F_modify_tir_in__ctx),
				    GET(in, F_modify_tir_in__modify_bitmask)) != 0)
			status = STATUS_BAD_PARAM;
	} else if (op == OP_MODIFY_RQT && o->type == CX_RQT) {
		if (parse_rqt(o, PTR(in, F_modify_rqt_in__rqt_context)) != 0)
			status = STATUS_BAD_PARAM;
	} else {
		status = STATUS_BAD_OPCODE;
	}
	cx_unlock(o->dev);
	if (status == 0)
		return 0;
	cx_log(1, "modify command %#x rejected", op);
	return fail(out, status, EREMOTEIO);
}

static int
query_flow_counter(struct mlx5dv_devx_obj *o, const void *in, void *out)
{
	uint32_t i = GET(in, F_query_flow_counter_in__flow_counter_id) - o->id;
	uint8_t *stat = PTR(out, F_query_flow_counter_out__flow_statistics);

	if (i >= o->flow_counter.n)
		return STATUS_BAD_PARAM;
	put64(stat, o->flow_counter.count[i].pkts);
	put64(stat + 8, o->flow_counter.count[i].bytes);
	if (GET(in, F_query_flow_counter_in__clear))
		o->flow_counter.count[i] = (struct cx_count){ 0 };
	return 0;
}

CX_EXPORT int
mlx5dv_devx_obj_query(
		struct mlx5dv_devx_obj *o, const void *in, size_t in_len, void *out, size_t out_len)
{
	unsigned int op = GET(in, CMD_OPCODE);
	unsigned int status = 0;

	(void)in_len;
	memset(out, 0, out_len);
	if (o->gone)
		return fail(out, STATUS_INTERNAL, EIO);
	cx_lock(o->dev);
	if (op == OP_QUERY_Q_COUNTER && o->type == CX_Q_COUNTER)
		SET(out, F_query_q_counter_out__out_of_buffer,
				(uint32_t)o->q_counter.out_of_buffer);
	else if (op == OP_QUERY_FLOW_COUNTER && o->type == CX_FLOW_COUNTER)
		status = query_flow_counter(o, in, out);
	else
		status = STATUS_BAD_OPCODE;
	cx_unlock(o->dev);
	if (status == 0)
		return 0;
	cx_log(1, "query command %#x rejected", op);
	return fail(out, status, EREMOTEIO);
}
