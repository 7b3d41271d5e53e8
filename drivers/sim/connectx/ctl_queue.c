/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues and objects for the control socket. They are copied some slots of the NIC's table at a
 * time: whatever the number of objects, the device waits for a few hundred of them at most.
 */
#include "ctl.h"
#include "hw.h"
#include <endian.h>

#define SLOTS 256 /* looked at in one go */

struct view {
	enum cx_type type;
	uint32_t id, cq, rmp, state;
	bool striding;
	uint8_t log_size, log_strides, log_stride_bytes;
	uint32_t pi, ci, stride, pending; /* pending: posted, or completions not yet seen */
	struct cx_count done;
	uint64_t no_buf, errors;
};

struct views {
	struct view *v;
	size_t n, room;
};

static const struct {
	enum cx_type type;
	const char *name;
} kinds[] = {
	{ CX_TD, "TD" },
	{ CX_TIS, "TIS" },
	{ CX_CQ, "CQ" },
	{ CX_RQ, "RQ" },
	{ CX_RMP, "RMP" },
	{ CX_SQ, "SQ" },
	{ CX_RQT, "RQT" },
	{ CX_TIR, "TIR" },
	{ CX_MKEY, "MKEY" },
	{ CX_Q_COUNTER, "Q_COUNTER" },
	{ CX_FLOW_COUNTER, "FLOW_COUNTER" },
	{ CX_FT, "FLOW_TABLE" },
	{ CX_RTC, "RTC" },
	{ CX_STC, "STC" },
	{ CX_STE, "STE" },
	{ CX_DEFINER, "DEFINER" },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *
kind(enum cx_type type)
{
	size_t i;

	for (i = 0; i < N_KINDS; i++)
		if (kinds[i].type == type)
			return kinds[i].name;
	return "?";
}

static const char *
state_name(uint32_t state)
{
	return state == CX_QUEUE_READY ? "ready" : state == CX_QUEUE_ERROR ? "error" : "reset";
}

/* The doorbell records are the PMD's memory, mapped as long as the object is there. */
static void
copy_cq(struct view *v, const struct cx_cq *q)
{
	v->log_size = q->log_size;
	v->pi = q->pi;
	if (q->db != NULL)
		v->pending = (q->pi - be32toh(q->db[DB_CQ_CONSUMER])) & ((2u << q->log_size) - 1);
	v->ci = q->pi - v->pending;
	v->errors = q->overruns;
}

static void
copy_wq(struct view *v, const struct mlx5dv_devx_obj *o)
{
	const struct cx_wq *w = o->q.rmp != NULL ? &o->q.rmp->q.wq : &o->q.wq;

	v->cq = o->q.cq_obj != NULL ? o->q.cq_obj->id : 0;
	v->rmp = o->q.rmp != NULL ? o->q.rmp->id : 0;
	v->state = o->state;
	v->striding = w->striding;
	v->log_size = w->log_size;
	v->log_strides = w->log_strides;
	v->log_stride_bytes = w->log_stride_bytes;
	v->stride = w->stride;
	v->ci = w->ci;
	v->pi = w->db != NULL ? (uint16_t)be32toh(*w->db) : 0;
	v->pending = (uint16_t)(v->pi - v->ci);
	v->done = o->q.done;
	v->no_buf = o->q.no_buf;
	v->errors = o->q.errors;
}

static bool
is_queue(const struct mlx5dv_devx_obj *o)
{
	return o != NULL &&
			(o->type == CX_RQ || o->type == CX_RMP || o->type == CX_SQ ||
					o->type == CX_CQ);
}

static void
copy_slots(struct cx_dev *d, struct views *all, uint32_t from)
{
	uint32_t id;

	/* the doorbells of a NIC that stands still are unmapped */
	for (id = from; !d->halted && id < from + SLOTS && id < d->objs.n_slots; id++) {
		const struct mlx5dv_devx_obj *o = d->objs.slot[id];
		struct view *v = &all->v[all->n];

		if (!is_queue(o))
			continue;
		all->n++;
		*v = (struct view){ .type = o->type, .id = id };
		if (o->type == CX_CQ)
			copy_cq(v, &o->cq);
		else
			copy_wq(v, o);
	}
}

/* All queues of the NIC; the caller frees all->v. */
static int
copy_queues(FILE *out, struct cx_dev *d, struct views *all)
{
	uint32_t from, slots = SLOTS;
	struct view *v;

	for (from = 0; from < slots; from += SLOTS) {
		if (all->room - all->n < SLOTS) {
			all->room += SLOTS;
			v = realloc(all->v, all->room * sizeof(*v));
			if (v == NULL) {
				cx_ctl_error(out, "no memory for the list");
				return -1;
			}
			all->v = v;
		}
		cx_lock(d);
		slots = d->objs.n_slots;
		copy_slots(d, all, from);
		cx_unlock(d);
	}
	return 0;
}

static void
geometry(char *text, size_t size, const struct view *v)
{
	if (v->type == CX_SQ)
		snprintf(text, size, "send");
	else if (v->rmp != 0)
		snprintf(text, size, "RMP %#x", v->rmp);
	else if (v->striding)
		snprintf(text, size, "striding %ux%u", 1u << v->log_strides,
				1u << v->log_stride_bytes);
	else
		snprintf(text, size, "plain");
}

static void
show_wqs(FILE *out, const struct views *all, enum cx_type type)
{
	const struct view *v;
	char kind_text[32];
	bool first = true;

	for (v = all->v; v < all->v + all->n; v++) {
		if (v->type != type)
			continue;
		if (first)
			fprintf(out,
					"  %-3s %-9s %-5s %-17s %7s %6s %5s %5s %6s %14s %16s %10s "
					"%6s %s\n",
					kind(type), "number", "state", "kind", "entries", "posted",
					"pi", "ci", "stride", "frames", "bytes", "no_buffer",
					"errors", "CQ");
		first = false;
		geometry(kind_text, sizeof(kind_text), v);
		fprintf(out,
				"      %-#9x %-5s %-17s %7u %6u %5u %5u %6u %14lu %16lu %10lu %6lu "
				"%#x\n",
				v->id, state_name(v->state), kind_text, 1u << v->log_size,
				v->pending, v->pi, v->ci, v->stride, v->done.pkts, v->done.bytes,
				v->no_buf, v->errors, v->cq);
	}
}

static void
show_cqs(FILE *out, const struct views *all)
{
	const struct view *v;
	bool first = true;

	for (v = all->v; v < all->v + all->n; v++) {
		if (v->type != CX_CQ)
			continue;
		if (first)
			fprintf(out, "  %-3s %-9s %23s %7s %6s %11s %11s %8s\n", "CQ", "number", "",
					"entries", "unread", "pi", "ci", "overruns");
		first = false;
		fprintf(out, "      %-#9x %23s %7u %6u %11u %11u %8lu\n", v->id, "",
				1u << v->log_size, v->pending, v->pi, v->ci, v->errors);
	}
}

void
cx_ctl_queues(FILE *out, struct cx_dev *d)
{
	struct views all = { 0 };

	if (copy_queues(out, d, &all) == 0) {
		show_wqs(out, &all, CX_RQ);
		show_wqs(out, &all, CX_RMP);
		show_wqs(out, &all, CX_SQ);
		show_cqs(out, &all);
	}
	free(all.v);
}

static void
json_queue(FILE *out, const struct view *v)
{
	char kind_text[32];

	fprintf(out, "{\"type\":\"%s\",\"number\":%u,\"entries\":%u,\"pi\":%u,\"ci\":%u",
			kind(v->type), v->id, 1u << v->log_size, v->pi, v->ci);
	if (v->type == CX_CQ) {
		fprintf(out, ",\"unread\":%u,\"overruns\":%lu}", v->pending, v->errors);
		return;
	}
	geometry(kind_text, sizeof(kind_text), v);
	fprintf(out,
			",\"state\":\"%s\",\"kind\":\"%s\",\"posted\":%u,\"stride\":%u,\"cq\":%u,"
			"\"frames\":%lu,\"bytes\":%lu,\"no_buffer\":%lu,\"errors\":%lu}",
			state_name(v->state), kind_text, v->pending, v->stride, v->cq, v->done.pkts,
			v->done.bytes, v->no_buf, v->errors);
}

void
cx_ctl_queues_json(FILE *out, struct cx_dev *d)
{
	struct views all = { 0 };
	size_t i;

	fputc('[', out);
	if (copy_queues(out, d, &all) == 0) {
		for (i = 0; i < all.n; i++) {
			if (i > 0)
				fputc(',', out);
			json_queue(out, &all.v[i]);
		}
	}
	fputc(']', out);
	free(all.v);
}

static void
show_table(FILE *out, const char *name, const struct cx_table *t)
{
	uint32_t given = t->next > t->first ? t->next - t->first : 0;

	fprintf(out, "  table %-17s %8u in use, %u slots\n", name, given - t->n_free, t->n_slots);
}

void
cx_ctl_objects(FILE *out, struct cx_dev *d)
{
	unsigned int n[CX_TYPES] = { 0 };
	struct cx_table objs, mrs, umems;
	uint32_t from, id;
	size_t i;

	for (from = 0;; from += SLOTS) {
		cx_lock(d);
		objs = d->objs;
		mrs = d->mrs;
		umems = d->umems;
		for (id = from; id < from + SLOTS && id < objs.n_slots; id++)
			if (objs.slot[id] != NULL)
				n[((struct mlx5dv_devx_obj *)objs.slot[id])->type]++;
		cx_unlock(d);
		if (from + SLOTS >= objs.n_slots)
			break;
	}
	for (i = 0; i < N_KINDS; i++)
		fprintf(out, "  %-18s %8u\n", kinds[i].name, n[kinds[i].type]);
	show_table(out, "objects", &objs);
	show_table(out, "regions", &mrs);
	show_table(out, "umems", &umems);
}
