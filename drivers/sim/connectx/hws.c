/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects of hardware steering. Whatever the queues and the lookup rely on is checked here, once;
 * an action or a header field that is not modelled is refused.
 */
#include "hws.h"
#include "prm.h"

#define TABLE_NIC_RX 0
#define LOG_MAX_ROWS 22
#define MODIFY_FT_MISS 1
#define MODIFY_FT_RTC 2
#define FT_MISS_DEFAULT 0
#define FT_MISS_TABLE 1
#define DW_SELECTORS 9
#define BYTE_SELECTORS 8

/* The object of a command that makes or changes one. */
static const void *
object(const void *in)
{
	return PTR(in, F_general_obj_in__object);
}

/* A reference to an object that a field names; 0 is none. False when it is not there. */
static bool
refer(struct mlx5dv_devx_obj **to, const struct cx_dev *d, uint32_t id, enum cx_type type)
{
	struct mlx5dv_devx_obj *o = id != 0 ? cx_obj_use(d, id, type) : NULL;

	if (id != 0 && o == NULL)
		return false;
	cx_obj_unuse(*to);
	*to = o;
	return true;
}

int
cx_hws_create_ft(struct mlx5dv_devx_obj *o, const void *in)
{
	o->ft = calloc(1, sizeof(*o->ft));
	if (o->ft == NULL)
		return -1;
	o->ft->type = GET(in, F_create_flow_table_in__table_type);
	return 0;
}

/* One by offset is no table that a frame is looked up in. */
static bool
set_rtc(struct mlx5dv_devx_obj *o, uint32_t id)
{
	const struct mlx5dv_devx_obj *rtc = cx_obj_get(o->dev, id, CX_RTC);

	if (rtc != NULL && rtc->rtc->by_offset)
		return false;
	return refer(&o->ft->rtc, o->dev, id, CX_RTC);
}

int
cx_hws_modify_ft(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_modify_flow_table_in__ctx);
	uint32_t what = GET(in, F_modify_flow_table_in__modify_field_select);
	uint32_t action = GET(ctx, F_flow_table_context__table_miss_action);
	uint32_t miss = GET(ctx, F_flow_table_context__table_miss_id);

	if ((what & ~(MODIFY_FT_MISS | MODIFY_FT_RTC)) != 0)
		return -1;
	if (what & MODIFY_FT_MISS) {
		if (action != FT_MISS_DEFAULT &&
				(action != FT_MISS_TABLE || miss == 0 || miss == o->id))
			return -1;
		if (!refer(&o->ft->miss, o->dev, action == FT_MISS_TABLE ? miss : 0, CX_FT))
			return -1;
	}
	if (what & MODIFY_FT_RTC && !set_rtc(o, GET(ctx, F_flow_table_context__rtc_id_0)))
		return -1;
	return 0;
}

int
cx_hws_create_stc(struct mlx5dv_devx_obj *o, const void *in)
{
	uint32_t log = GET(in, F_general_obj_in__log_obj_range);

	if (log > CX_LOG_MAX_STC)
		return -1;
	o->stc = calloc(1, sizeof(*o->stc) + (sizeof(o->stc->stc[0]) << log));
	if (o->stc == NULL)
		return -1;
	o->stc->n = 1u << log;
	return 0;
}

/* What the action leads to, in use; false when that is not there, or the action not modelled. */
static bool
stc_target(const struct cx_dev *d, const void *stc, uint32_t type, struct mlx5dv_devx_obj **obj)
{
	uint32_t id = GET(stc, F_stc__param_id);

	*obj = NULL;
	switch (type) {
	case CX_STC_REMOVE_WORDS:
	case CX_STC_HEADER_REMOVE:
	case CX_STC_HEADER_INSERT:
		/* The driver sets up those of VLAN tags whether a rule will have them or not: rules
		 * with them are refused. */
		return true;
	case CX_STC_NOP:
	case CX_STC_TAG:
	case CX_STC_DROP:
	case CX_STC_ALLOW:
		return true;
	case CX_STC_TO_TIR:
		return id != 0 && refer(obj, d, id, CX_TIR);
	case CX_STC_TO_FT:
		return id != 0 && refer(obj, d, id, CX_FT);
	case CX_STC_TO_STE:
		id = GET(stc, F_stc__param_ste_obj_id);
		return id != 0 && refer(obj, d, id, CX_STE);
	default:
		cx_log(1, "%s: steering action %#x is not modelled", d->conf.name, type);
		return false;
	}
}

int
cx_hws_modify_stc(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *stc = object(in);
	uint32_t at = GET(in, F_general_obj_in__obj_offset);
	uint32_t type = GET(stc, F_stc__action_type);
	uint32_t word = GET(stc, F_stc__ste_action_offset);
	struct mlx5dv_devx_obj *obj;
	struct cx_stc *s;

	/* one that leads to an entry has its place in the word behind */
	if (at >= o->stc->n || word >= CX_STE_WORDS - 1u + (type != CX_STC_TO_STE) ||
			!stc_target(o->dev, stc, type, &obj))
		return -1;
	s = &o->stc->stc[at];
	cx_obj_unuse(s->obj);
	*s = (struct cx_stc){ .set = true, .type = type, .at = word, .obj = obj };
	return 0;
}

int
cx_hws_create_ste(struct mlx5dv_devx_obj *o, const void *in)
{
	uint32_t log = GET(in, F_general_obj_in__log_obj_range);

	if (log > CX_LOG_MAX_STE)
		return -1;
	o->ste = calloc(1, sizeof(*o->ste));
	if (o->ste == NULL)
		return -1;
	o->ste->n = 1u << log;
	return 0;
}

static bool
pick(struct cx_definer *f, uint32_t from, uint32_t to, uint8_t mask)
{
	if (mask == 0)
		return true;
	if (!cx_hws_modelled(from, mask))
		return false;
	f->pick[f->n].from = from;
	f->pick[f->n].to = to;
	f->pick[f->n++].mask = mask;
	return true;
}

/* Selector i of a list that commands hold as 3, 2, 1, 0, 7, 6, 5, 4. */
static uint32_t
selector(const void *definer, size_t first, size_t width, uint32_t i)
{
	return bits_get(definer, first + width * ((i & 4) + 3 - (i & 3)), width);
}

static bool
new_definer(struct mlx5dv_devx_obj *o)
{
	uint32_t id;

	for (id = 1; id < CX_TRIVIAL_DEFINER && o->dev->definers[id] != NULL; id++)
		;
	o->definer = id < CX_TRIVIAL_DEFINER ? calloc(1, sizeof(*o->definer)) : NULL;
	if (o->definer == NULL)
		return false;
	o->definer->id = id;
	o->dev->definers[id] = o;
	return true;
}

/* A tag has the selected words of the header layout from the last selector to the first, and
 * behind them the selected bytes in the same order. */
int
cx_hws_create_definer(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *definer = object(in);
	const uint8_t *mask = PTR(definer, F_definer__match_mask);
	uint32_t i, k, from, to;

	if (GET(definer, F_definer__format_id) != CX_DEFINER_SELECT)
		return -1;
	if (!new_definer(o))
		return -1;
	for (i = 0; i < DW_SELECTORS; i++) {
		from = i == 8 ? GET(definer, F_definer__format_select_dw8)
			      : selector(definer, F_definer__format_select_dw3, i);
		to = 4 * (DW_SELECTORS - 1 - i);
		for (k = 0; k < 4; k++)
			if (!pick(o->definer, 4 * from + k, to + k, mask[to + k]))
				return -1;
	}
	for (i = 0; i < BYTE_SELECTORS; i++) {
		to = 4 * DW_SELECTORS + BYTE_SELECTORS - 1 - i;
		from = selector(definer, F_definer__format_select_byte3, i);
		if (!pick(o->definer, from, to, mask[to]))
			return -1;
	}
	return 0;
}

static bool
rtc_objects(struct mlx5dv_devx_obj *o, const void *rtc)
{
	uint32_t id = GET(rtc, F_rtc__match_definer_0), stcs = GET(rtc, F_rtc__stc_id);
	uint32_t stes = GET(rtc, F_rtc__ste_table_base_id);

	struct mlx5dv_devx_obj *definer;

	if (id != CX_TRIVIAL_DEFINER) {
		definer = id < CX_TRIVIAL_DEFINER ? o->dev->definers[id] : NULL;
		if (definer == NULL)
			return false;
		definer->refs++;
		o->rtc->definer = definer;
	}
	return stcs != 0 && stes != 0 && refer(&o->rtc->stcs, o->dev, stcs, CX_STC) &&
			refer(&o->rtc->stes, o->dev, stes, CX_STE) &&
			refer(&o->rtc->miss, o->dev, GET(rtc, F_rtc__miss_flow_table_id), CX_FT);
}

/* By offset: entries have places, of which the STE object has the pointers. */
static bool
rtc_places(struct cx_rtc *r)
{
	struct cx_ste_range *range = r->stes->ste;

	if (range->place == NULL)
		range->place = calloc(range->n, sizeof(struct cx_ste *));
	return range->place != NULL;
}

int
cx_hws_create_rtc(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *rtc = object(in);
	uint32_t mode = GET(rtc, F_rtc__update_index_mode);
	uint32_t format = GET(rtc, F_rtc__ste_format_0);
	struct cx_rtc *r;

	if (GET(rtc, F_rtc__table_type) != TABLE_NIC_RX ||
			(mode != CX_RTC_BY_HASH && mode != CX_RTC_BY_OFFSET) ||
			GET(rtc, F_rtc__access_index_mode) != 0 ||
			(format != CX_STE_8DW && format != CX_STE_11DW) ||
			GET(rtc, F_rtc__ste_format_1) != 0)
		return -1;
	r = o->rtc = calloc(1, sizeof(*o->rtc));
	if (r == NULL)
		return -1;
	r->log_rows = GET(rtc, F_rtc__log_hash_size);
	r->log_depth = GET(rtc, F_rtc__log_depth);
	r->base = GET(rtc, F_rtc__ste_table_offset);
	r->by_offset = mode == CX_RTC_BY_OFFSET;
	if (r->log_rows > LOG_MAX_ROWS || r->log_depth > CX_RTC_LOG_MAX_DEPTH ||
			!rtc_objects(o, rtc) || r->base > r->stes->ste->n ||
			1ull << (r->log_rows + r->log_depth) > r->stes->ste->n - r->base)
		return -1;
	if (r->by_offset)
		return rtc_places(r) ? 0 : -1;
	if (r->definer == NULL)
		return -1;
	r->row = calloc(1u << r->log_rows, sizeof(struct cx_ste *));
	return r->row != NULL ? 0 : -1;
}

static void
free_places(struct cx_rtc *r)
{
	uint32_t i, n = 1u << (r->log_rows + r->log_depth);
	struct cx_ste **place = r->stes->ste->place;

	if (place == NULL)
		return;
	for (i = r->base; i < r->base + n; i++) {
		if (place[i] != NULL && place[i]->rtc == r) {
			free(place[i]);
			place[i] = NULL;
		}
	}
}

static void
free_rtc(struct cx_rtc *r)
{
	struct cx_ste *s, *next;
	uint32_t i;

	if (r == NULL)
		return;
	if (r->by_offset && r->stes != NULL && r->n_stes > 0)
		free_places(r);
	for (i = 0; r->row != NULL && i < 1u << r->log_rows; i++) {
		for (s = r->row[i]; s != NULL; s = next) {
			next = s->next;
			free(s);
		}
	}
	free(r->row);
	cx_obj_unuse(r->definer);
	cx_obj_unuse(r->stcs);
	cx_obj_unuse(r->stes);
	cx_obj_unuse(r->miss);
	free(r);
}

static void
free_stcs(struct cx_stc_range *s)
{
	uint32_t i;

	for (i = 0; s != NULL && i < s->n; i++)
		cx_obj_unuse(s->stc[i].obj);
	free(s);
}

static void
free_ft(struct cx_ft *ft)
{
	if (ft == NULL)
		return;
	cx_obj_unuse(ft->rtc);
	cx_obj_unuse(ft->miss);
	free(ft);
}

void
cx_hws_free(struct mlx5dv_devx_obj *o)
{
	switch (o->type) {
	case CX_FT:
		free_ft(o->ft);
		break;
	case CX_RTC:
		free_rtc(o->rtc);
		break;
	case CX_STC:
		free_stcs(o->stc);
		break;
	case CX_STE:
		if (o->ste != NULL)
			free(o->ste->place);
		free(o->ste);
		break;
	default:
		if (o->definer != NULL && o->dev->definers[o->definer->id] == o)
			o->dev->definers[o->definer->id] = NULL;
		free(o->definer);
		break;
	}
}
