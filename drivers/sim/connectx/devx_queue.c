/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DevX commands for queues. Whatever the data path relies on is checked here, once: rings and
 * doorbell records inside their umems, sizes and strides in the range the device says it has.
 */
#include "connectx.h"
#include "hw.h"
#include "prm.h"

#define WQ_TYPE_CYCLIC 1
#define WQ_TYPE_STRIDING 3
#define LOG_MAX_CQ 22
#define LOG_MAX_WQ 15 /* indexes of entries have 16 bits */
#define LOG_MAX_ENTRY 10
#define LOG_SEG 4
#define LOG_STRIDING_ENTRY 5
#define LOG_WQEBB 6
#define LOG_STRIDES_MIN 3
#define LOG_STRIDES_MAX 16
#define RING_ALIGN 64
#define DB_ALIGN 8
#define DB_BYTES 8
#define MEM_RQ_INLINE 0
#define MEM_RQ_RMP 1
#define RQ_MODIFY_VSD 2
#define NEVER_ARMED 0xffffffff
#define CQE_SIZE_64 0

static bool
state_ok(uint32_t state)
{
	return state == 0 || state == CX_QUEUE_READY || state == CX_QUEUE_ERROR;
}

static int
parse_strides(struct cx_wq *w, const void *ctx)
{
	uint32_t strides = GET(ctx, F_wq__single_wqe_log_num_of_strides);
	/* a signed field of four bits: log2 of strides, less 9 */
	int log = 9 + (strides >= 8 ? (int)strides - 16 : (int)strides);

	if (log < LOG_STRIDES_MIN || log > LOG_STRIDES_MAX || w->log_entry != LOG_STRIDING_ENTRY)
		return -1;
	w->striding = true;
	w->log_strides = log;
	w->log_stride_bytes = 6 + GET(ctx, F_wq__single_stride_log_num_of_bytes);
	w->shift = GET(ctx, F_wq__two_byte_shift_en) ? 2 : 0;
	return 0;
}

static int
parse_wq(struct cx_dev *d, struct cx_wq *w, const void *ctx, unsigned int db_word)
{
	uint32_t type = GET(ctx, F_wq__wq_type), *db;

	w->log_size = GET(ctx, F_wq__log_wq_sz);
	w->log_entry = GET(ctx, F_wq__log_wq_stride);
	if (w->log_size > LOG_MAX_WQ || w->log_entry < LOG_SEG || w->log_entry > LOG_MAX_ENTRY)
		return -1;
	if (type == WQ_TYPE_STRIDING) {
		if (parse_strides(w, ctx) != 0)
			return -1;
	} else if (type != WQ_TYPE_CYCLIC) {
		return -1;
	}
	w->buf = cx_umem_get(d, GET(ctx, F_wq__wq_umem_id), GET(ctx, F_wq__wq_umem_offset),
			1ull << (w->log_size + w->log_entry), RING_ALIGN, &w->umem[0]);
	db = cx_umem_get(d, GET(ctx, F_wq__dbr_umem_id), GET(ctx, F_wq__dbr_addr), DB_BYTES,
			DB_ALIGN, &w->umem[1]);
	if (w->buf == NULL || db == NULL)
		return -1;
	w->db = db + db_word;
	return 0;
}

int
cx_devx_create_cq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_cq_in__cq_context);
	struct cx_cq *q = &o->cq;

	q->log_size = GET(ctx, F_cqc__log_cq_size);
	if (q->log_size > LOG_MAX_CQ || GET(ctx, F_cqc__cqe_sz) != CQE_SIZE_64)
		return -1;
	q->compress = GET(ctx, F_cqc__cqe_comp_en);
	q->ignore_overrun = GET(ctx, F_cqc__oi);
	q->mini_format = GET(ctx, F_cqc__mini_cqe_res_format);
	q->buf = cx_umem_get(o->dev, GET(in, F_create_cq_in__cq_umem_id),
			GET(in, F_create_cq_in__cq_umem_offset), (uint64_t)CQE_SIZE << q->log_size,
			RING_ALIGN, &q->umem[0]);
	q->db = cx_umem_get(o->dev, GET(ctx, F_cqc__dbr_umem_id), GET(ctx, F_cqc__dbr_addr),
			DB_BYTES, DB_ALIGN, &q->umem[1]);
	if (q->buf == NULL || q->db == NULL)
		return -1;
	/* A value that the driver never writes: its first arm word is zero, and would else look
	 * like a word that was never written. */
	q->db[DB_CQ_ARM] = q->last_arm = NEVER_ARMED;
	return cx_cq_init(o);
}

int
cx_devx_create_rmp(struct mlx5dv_devx_obj *o, const void *in)
{
	return parse_wq(o->dev, &o->q.wq, PTR(PTR(in, F_create_rmp_in__ctx), F_rmpc__wq), DB_RECV);
}

int
cx_devx_create_rq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_rq_in__ctx);
	uint32_t counter = GET(ctx, F_rqc__counter_set_id), kind = GET(ctx, F_rqc__mem_rq_type);

	o->q.cq_obj = cx_obj_use(o->dev, GET(ctx, F_rqc__cqn), CX_CQ);
	o->q.keep_vlan = GET(ctx, F_rqc__vsd);
	o->q.user_index = GET(ctx, F_rqc__user_index);
	o->q.q_counter = o->dev->q_counters[counter];
	if (o->q.cq_obj == NULL || (counter != 0 && o->q.q_counter == NULL) ||
			GET(ctx, F_rqc__scatter_fcs))
		return -1;
	if (kind == MEM_RQ_RMP) {
		o->q.rmp = cx_obj_use(o->dev, GET(ctx, F_rqc__rmpn), CX_RMP);
		if (o->q.rmp == NULL)
			return -1;
	} else if (kind != MEM_RQ_INLINE ||
			parse_wq(o->dev, &o->q.wq, PTR(ctx, F_rqc__wq), DB_RECV) != 0) {
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

int
cx_devx_create_sq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_sq_in__ctx);

	o->q.cq_obj = cx_obj_use(o->dev, GET(ctx, F_sqc__cqn), CX_CQ);
	if (o->q.cq_obj == NULL || parse_wq(o->dev, &o->q.wq, PTR(ctx, F_sqc__wq), DB_SEND) != 0 ||
			o->q.wq.striding || o->q.wq.log_entry != LOG_WQEBB)
		return -1;
	o->q.non_wire = GET(ctx, F_sqc__non_wire);
	o->next = o->dev->sqs;
	o->dev->sqs = o;
	return 0;
}

int
cx_devx_modify_rq(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_modify_rq_in__ctx);
	uint32_t state = GET(ctx, F_rqc__state);

	if (!state_ok(state))
		return -1;
	cx_queue_state(o, state);
	if (GET(in, F_modify_rq_in__modify_bitmask) & RQ_MODIFY_VSD)
		o->q.keep_vlan = GET(ctx, F_rqc__vsd);
	return 0;
}

int
cx_devx_modify_sq(struct mlx5dv_devx_obj *o, const void *in)
{
	uint32_t state = GET(PTR(in, F_modify_sq_in__ctx), F_sqc__state);

	if (!state_ok(state))
		return -1;
	cx_queue_state(o, state);
	return 0;
}
