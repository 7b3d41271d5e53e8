/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of the device's objects. An object that others use cannot be destroyed: firmware refuses it
 * too, and here it would leave a pointer to memory that is gone.
 */
#include "hws.h"

/* The caller holds the lock. */
struct mlx5dv_devx_obj *
cx_obj_get(const struct cx_dev *d, uint32_t id, enum cx_type type)
{
	struct mlx5dv_devx_obj *o = cx_table_get(&d->objs, id);

	return o != NULL && o->type == type ? o : NULL;
}

struct mlx5dv_devx_obj *
cx_obj_use(const struct cx_dev *d, uint32_t id, enum cx_type type)
{
	struct mlx5dv_devx_obj *o = cx_obj_get(d, id, type);

	if (o != NULL)
		o->refs++;
	return o;
}

void
cx_obj_unuse(struct mlx5dv_devx_obj *o)
{
	if (o != NULL)
		o->refs--;
}

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

static void
free_cq(struct mlx5dv_devx_obj *o)
{
	if (o->cq.dev != NULL) {
		cx_cq_release(&o->cq);
		cx_events_forget(&o->cq);
	}
	cx_cq_fini(&o->cq);
	cx_umem_put(o->cq.umem);
}

/* RQ, RMP, SQ: whatever of it was made. */
static void
free_queue(struct mlx5dv_devx_obj *o)
{
	if (o->type == CX_RQ)
		cx_lro_forget(o);
	unlink_queue(&o->dev->rqs, o);
	unlink_queue(&o->dev->sqs, o);
	cx_obj_unuse(o->q.cq_obj);
	cx_obj_unuse(o->q.rmp);
	cx_umem_put(o->q.wq.umem);
}

/* Its number may be given out again: no RQ may go on counting there. The PMD does free it before
 * its queues in some orders of closing. */
static void
free_q_counter(struct mlx5dv_devx_obj *o)
{
	struct mlx5dv_devx_obj *rq;

	if (o->q_counter.id != 0)
		o->dev->q_counters[o->q_counter.id] = NULL;
	for (rq = o->dev->rqs; rq != NULL; rq = rq->next)
		if (rq->q.q_counter == o)
			rq->q.q_counter = NULL;
}

void
cx_obj_free(struct mlx5dv_devx_obj *o)
{
	/* a queue's completions may be held back in its CQ */
	cx_cq_flush_all(o->dev);
	switch (o->type) {
	case CX_CQ:
		free_cq(o);
		break;
	case CX_RQ:
	case CX_RMP:
	case CX_SQ:
		free_queue(o);
		break;
	case CX_RQT:
		cx_rqt_set(o, NULL, 0);
		break;
	case CX_TIR:
		cx_obj_unuse(o->tir.table);
		cx_obj_unuse(o->tir.rq);
		free(o->tir.nibble);
		break;
	case CX_Q_COUNTER:
		free_q_counter(o);
		break;
	case CX_FLOW_COUNTER:
		free(o->flow_counter.count);
		break;
	case CX_FT:
	case CX_RTC:
	case CX_STC:
	case CX_STE:
	case CX_DEFINER:
		cx_hws_free(o);
		break;
	default:
		break;
	}
	cx_table_del(&o->dev->objs, o->id);
	free(o);
}

int
cx_busy(struct cx_dev *d, const char *what)
{
	if (d->stat.busy_destroys++ == 0)
		cx_log(0,
				"%s: %s is in use and cannot be destroyed: destroy its users "
				"first; counted from now on",
				d->conf.name, what);
	errno = EBUSY;
	return EBUSY;
}

CX_EXPORT int
mlx5dv_devx_obj_destroy(struct mlx5dv_devx_obj *o)
{
	static const char *const name[] = { [CX_TD] = "transport domain",
		[CX_TIS] = "TIS",
		[CX_CQ] = "CQ",
		[CX_RQ] = "RQ",
		[CX_RMP] = "RMP",
		[CX_SQ] = "SQ",
		[CX_RQT] = "indirection table",
		[CX_TIR] = "TIR",
		[CX_MKEY] = "memory key",
		[CX_Q_COUNTER] = "queue counter",
		[CX_FLOW_COUNTER] = "flow counter",
		[CX_FT] = "flow table",
		[CX_RTC] = "RTC",
		[CX_STC] = "action context (STC)",
		[CX_STE] = "steering entries",
		[CX_DEFINER] = "definer" };
	struct cx_dev *d = o->dev;
	int ret = 0;

	cx_lock(d);
	if (o->refs > 0)
		ret = cx_busy(d, name[o->type]);
	else
		cx_obj_free(o);
	cx_unlock(d);
	return ret;
}

void
cx_queue_state(struct mlx5dv_devx_obj *o, uint32_t state)
{
	o->state = state;
	if (state == 0) {
		if (o->type == CX_RQ)
			cx_lro_forget(o);
		/* no completion of the queue comes after its reset */
		if (o->q.cq_obj->cq.stalled_until != 0)
			cx_cq_release(&o->q.cq_obj->cq);
		o->q.no_buf_until = o->q.stall_until = 0;
		o->q.waits = o->q.held = false;
		cx_wq_reset(&o->q.wq);
	}
}
