/* SPDX-License-Identifier: BSD-3-Clause */
/* DevX commands for what spreads frames over queues: TIRs and indirection tables. */
#include "connectx.h"
#include "prm.h"

#define TIR_LRO 1
#define TIR_TABLE 2
#define TIR_HASH 4
#define TIR_ALL (TIR_LRO | TIR_TABLE | TIR_HASH)
#define DIRECT 0
#define INDIRECT 1
#define HASH_TOEPLITZ 2
#define LRO_UNIT 256 /* bytes, of lro_max_msg_sz */
#define LRO_IP_VERSIONS 3
#define RQT_MAX 512 /* log_max_rqt_size of caps.c */

#define SRC_DST_IP 3
#define SRC_DST_PORT 12
#define ALL_FIELDS (SRC_DST_IP | SRC_DST_PORT)

static int
parse_hash(struct mlx5dv_devx_obj *o, const void *ctx)
{
	const void *sel = PTR(ctx, F_tirc__rx_hash_field_selector_outer);
	uint32_t fields = GET(sel, F_rx_hash_field_select__selected_fields);
	bool symmetric = GET(ctx, F_tirc__rx_hash_symmetric);

	if (fields & ~ALL_FIELDS || GET(ctx, F_tirc__rx_hash_field_selector_inner) != 0)
		return -1;
	if (fields != 0 && GET(ctx, F_tirc__rx_hash_fn) != HASH_TOEPLITZ)
		return -1;
	/* half a pair cannot be symmetric */
	if (symmetric &&
			((fields & SRC_DST_IP) % SRC_DST_IP != 0 ||
					(fields & SRC_DST_PORT) % SRC_DST_PORT != 0))
		return -1;
	o->tir.l3_ipv6 = GET(sel, F_rx_hash_field_select__l3_prot_type);
	o->tir.l4_udp = GET(sel, F_rx_hash_field_select__l4_prot_type);
	o->tir.fields = fields;
	o->tir.symmetric = symmetric;
	memcpy(o->tir.key, PTR(ctx, F_tirc__rx_hash_toeplitz_key), CX_RSS_KEY_LEN);
	return cx_rss_key(o);
}

static int
parse_tir(struct mlx5dv_devx_obj *o, const void *ctx, uint64_t what)
{
	struct mlx5dv_devx_obj *table = NULL;

	if (what & ~(uint64_t)TIR_ALL)
		return -1;
	if (what & TIR_LRO && GET(ctx, F_tirc__lro_enable_mask) & ~LRO_IP_VERSIONS)
		return -1;
	if (what & TIR_TABLE) {
		table = cx_obj_use(o->dev, GET(ctx, F_tirc__indirect_table), CX_RQT);
		if (table == NULL)
			return -1;
	}
	/* the last that can fail: a command that is refused changes nothing */
	if (what & TIR_HASH && parse_hash(o, ctx) != 0) {
		cx_obj_unuse(table);
		return -1;
	}
	if (what & TIR_TABLE) {
		cx_obj_unuse(o->tir.table);
		o->tir.table = table;
	}
	if (what & TIR_LRO) {
		o->tir.lro_usec = GET(ctx, F_tirc__lro_timeout_period_usecs);
		o->tir.lro_mask = GET(ctx, F_tirc__lro_enable_mask);
		o->tir.lro_max = GET(ctx, F_tirc__lro_max_msg_sz) * LRO_UNIT;
	}
	return 0;
}

int
cx_devx_create_tir(struct mlx5dv_devx_obj *o, const void *in)
{
	const void *ctx = PTR(in, F_create_tir_in__ctx);
	uint32_t kind = GET(ctx, F_tirc__disp_type);

	if (kind == DIRECT) {
		o->tir.rq = cx_obj_use(o->dev, GET(ctx, F_tirc__inline_rqn), CX_RQ);
		if (o->tir.rq == NULL || parse_tir(o, ctx, TIR_LRO | TIR_HASH) != 0)
			return -1;
	} else if (kind != INDIRECT || parse_tir(o, ctx, TIR_ALL) != 0) {
		return -1;
	}
	cx_log(2, "TIR %#x: %s %#x, hash of %s/%s fields %#x, LRO %u, %u bytes, %u us", o->id,
			kind == DIRECT ? "RQ" : "RQT",
			kind == DIRECT ? o->tir.rq->id : o->tir.table->id,
			o->tir.l3_ipv6 ? "IPv6" : "IPv4", o->tir.l4_udp ? "UDP" : "TCP",
			o->tir.fields, o->tir.lro_mask, o->tir.lro_max, o->tir.lro_usec);
	return 0;
}

int
cx_devx_modify_tir(struct mlx5dv_devx_obj *o, const void *in)
{
	uint64_t what = GET(in, F_modify_tir_in__modify_bitmask);

	if (what & TIR_TABLE && o->tir.table == NULL)
		return -1;
	return parse_tir(o, PTR(in, F_modify_tir_in__ctx), what);
}

void
cx_rqt_set(struct mlx5dv_devx_obj *o, struct mlx5dv_devx_obj **rq, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < o->rqt.n; i++)
		cx_obj_unuse(o->rqt.rq[i]);
	free(o->rqt.rq);
	o->rqt.rq = rq;
	o->rqt.n = n;
}

/* ctx: n bytes */
static int
parse_rqt(struct mlx5dv_devx_obj *o, const void *ctx, size_t bytes)
{
	const uint8_t *list = PTR(ctx, F_rqtc__rq_num);
	uint32_t i, n = GET(ctx, F_rqtc__rqt_actual_size);
	struct mlx5dv_devx_obj **rq;

	if (n == 0 || n > o->rqt.max || n > (bytes - (list - (const uint8_t *)ctx)) / 4)
		return -1;
	rq = calloc(n, sizeof(*rq));
	if (rq == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		rq[i] = cx_obj_use(o->dev, be32(list + 4 * i) & 0xffffff, CX_RQ);
		if (rq[i] == NULL)
			break;
	}
	if (i < n) {
		while (i-- > 0)
			cx_obj_unuse(rq[i]);
		free(rq);
		return -1;
	}
	cx_rqt_set(o, rq, n);
	return 0;
}

int
cx_devx_create_rqt(struct mlx5dv_devx_obj *o, const void *in, size_t n)
{
	const uint8_t *ctx = PTR(in, F_create_rqt_in__rqt_context);

	o->rqt.max = GET(ctx, F_rqtc__rqt_max_size);
	if (o->rqt.max > RQT_MAX)
		return -1;
	return parse_rqt(o, ctx, n - (ctx - (const uint8_t *)in));
}

int
cx_devx_modify_rqt(struct mlx5dv_devx_obj *o, const void *in, size_t n)
{
	const uint8_t *ctx = PTR(in, F_modify_rqt_in__rqt_context);

	return parse_rqt(o, ctx, n - (ctx - (const uint8_t *)in));
}
