/* SPDX-License-Identifier: BSD-3-Clause */
/* The mlx5dv part of the ABI: device queries, UARs, umems and DevX objects. */
#include "connectx.h"
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

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
#define ST_BAD_OP 0x2
#define ST_BAD_PARAM 0x3

SIM_EXPORT struct ibv_context *
mlx5dv_open_device(struct ibv_device *d, struct mlx5dv_context_attr *a)
{
	extern struct ibv_context *ibv_open_device(struct ibv_device *);

	(void)a;
	if (getenv("CONNECTX_DEVX") && !atoi(getenv("CONNECTX_DEVX"))) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	return ibv_open_device(d);
}
SIM_EXPORT int
mlx5dv_set_context_attr(struct ibv_context *c, enum mlx5dv_set_ctx_attr_type t, void *a)
{
	(void)c;
	(void)t;
	(void)a;
	return 0;
}
SIM_EXPORT int
mlx5dv_query_device(struct ibv_context *c, struct mlx5dv_context *o)
{
	uint64_t want = o->comp_mask;

	(void)c;
	o->version = 1;
	o->flags = MLX5DV_CONTEXT_FLAGS_CQE_V1 | MLX5DV_CONTEXT_FLAGS_MPW_ALLOWED |
			MLX5DV_CONTEXT_FLAGS_ENHANCED_MPW;
	o->comp_mask = 0;
	if (want & MLX5DV_CONTEXT_MASK_SWP) {
		memset(&o->sw_parsing_caps, 0, sizeof(o->sw_parsing_caps));
		o->comp_mask |= MLX5DV_CONTEXT_MASK_SWP;
	}
	if (want & MLX5DV_CONTEXT_MASK_STRIDING_RQ) {
		o->striding_rq_caps = (struct mlx5dv_striding_rq_caps){
			.min_single_stride_log_num_of_bytes = 6,
			.max_single_stride_log_num_of_bytes = 13,
			.min_single_wqe_log_num_of_strides = 3,
			.max_single_wqe_log_num_of_strides = 16,
			.supported_qpts = 1 << IBV_QPT_RAW_PACKET
		};
		o->comp_mask |= MLX5DV_CONTEXT_MASK_STRIDING_RQ;
	}
	if (want & MLX5DV_CONTEXT_MASK_TUNNEL_OFFLOADS) {
		o->tunnel_offloads_caps = 0;
		o->comp_mask |= MLX5DV_CONTEXT_MASK_TUNNEL_OFFLOADS;
	}
	return 0;
}
SIM_EXPORT int
_mlx5dv_query_port(struct ibv_context *c, uint32_t p, struct mlx5dv_port *i, size_t l)
{
	(void)c;
	(void)p;
	memset(i, 0, l);
	return 0;
}
/* ---- UAR, umem, EQ, channels ---- */
SIM_EXPORT struct mlx5dv_devx_uar *
mlx5dv_devx_alloc_uar(struct ibv_context *c, uint32_t flags)
{
	static uint32_t page = 1;
	struct mlx5dv_devx_uar *u = calloc(1, sizeof(*u));
	uint8_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)c;
	u->base_addr = m;
	u->reg_addr = m + 0x800;
	u->page_id = page++;
	/* bits 8.. of the page offset tell the mapping: 3 = non-cached, 2 = BlueFlame (WC) */
	u->mmap_off = (off_t)((flags == MLX5DV_UAR_ALLOC_TYPE_NC ? 3 : 0) << 8 | u->page_id) * 4096;
	return u;
}
SIM_EXPORT void
mlx5dv_devx_free_uar(struct mlx5dv_devx_uar *u)
{
	munmap(u->base_addr, 4096);
	free(u);
}
SIM_EXPORT struct mlx5dv_devx_umem *
mlx5dv_devx_umem_reg(struct ibv_context *c, void *a, size_t l, uint32_t acc)
{
	struct sim_umem *u = calloc(1, sizeof(*u));
	unsigned int i;

	(void)c;
	(void)acc;
	pthread_mutex_lock(&sim.lock);
	for (i = 1; i < 4096 && sim.umems[i]; i++)
		;
	u->pub.umem_id = i;
	u->addr = a;
	u->len = l;
	sim.umems[i] = u;
	pthread_mutex_unlock(&sim.lock);
	return &u->pub;
}
SIM_EXPORT int
mlx5dv_devx_umem_dereg(struct mlx5dv_devx_umem *u)
{
	pthread_mutex_lock(&sim.lock);
	sim.umems[u->umem_id] = NULL;
	pthread_mutex_unlock(&sim.lock);
	free(u);
	return 0;
}
static void *
umem_ptr(uint32_t id, uint64_t off)
{
	struct sim_umem *u = id < 4096 ? sim.umems[id] : NULL;

	return u && off < u->len ? (uint8_t *)u->addr + off : NULL;
}
SIM_EXPORT int
mlx5dv_devx_query_eqn(struct ibv_context *c, uint32_t v, uint32_t *eqn)
{
	(void)c;
	(void)v;
	*eqn = 7;
	return 0;
}

struct sim_comp {
	struct mlx5dv_devx_cmd_comp pub;
};
SIM_EXPORT struct mlx5dv_devx_cmd_comp *
mlx5dv_devx_create_cmd_comp(struct ibv_context *c)
{
	struct sim_comp *s = calloc(1, sizeof(*s));

	(void)c;
	s->pub.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return &s->pub;
}
SIM_EXPORT void
mlx5dv_devx_destroy_cmd_comp(struct mlx5dv_devx_cmd_comp *c)
{
	close(c->fd);
	free(c);
}
SIM_EXPORT int
mlx5dv_devx_get_async_cmd_comp(
		struct mlx5dv_devx_cmd_comp *c, struct mlx5dv_devx_async_cmd_hdr *r, size_t l)
{
	(void)c;
	(void)r;
	(void)l;
	errno = EAGAIN;
	return EAGAIN;
}
SIM_EXPORT struct mlx5dv_devx_event_channel *
mlx5dv_devx_create_event_channel(
		struct ibv_context *c, enum mlx5dv_devx_create_event_channel_flags f)
{
	struct sim_chan *e = calloc(1, sizeof(*e));

	(void)c;
	(void)f;
	e->pub.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
	return &e->pub;
}
SIM_EXPORT void
mlx5dv_devx_destroy_event_channel(struct mlx5dv_devx_event_channel *e)
{
	close(e->fd);
	free(e);
}
SIM_EXPORT int
mlx5dv_devx_subscribe_devx_event(struct mlx5dv_devx_event_channel *e, struct mlx5dv_devx_obj *o,
		uint16_t sz, uint16_t n[], uint64_t k)
{
	(void)sz;
	(void)n;
	if (o && o->type == T_CQ) { /* completion events only */
		pthread_mutex_lock(&sim.lock);
		o->cq.chan = (struct sim_chan *)e;
		o->cq.cookie = k;
		o->cq.ev_next = sim.ev_cqs;
		sim.ev_cqs = &o->cq;
		pthread_mutex_unlock(&sim.lock);
	}
	return 0;
}
SIM_EXPORT int
mlx5dv_devx_subscribe_devx_event_fd(
		struct mlx5dv_devx_event_channel *e, int fd, struct mlx5dv_devx_obj *o, uint16_t n)
{
	(void)e;
	(void)fd;
	(void)o;
	(void)n;
	return 0;
}
SIM_EXPORT ssize_t
mlx5dv_devx_get_event(struct mlx5dv_devx_event_channel *e, struct mlx5dv_devx_async_event_hdr *d,
		size_t l)
{
	struct sim_chan *ch = (struct sim_chan *)e;
	uint64_t v;

	if (l < sizeof(*d) || read(e->fd, &v, 8) != 8) {
		errno = l < sizeof(*d) ? EINVAL : EAGAIN;
		return -1;
	}
	pthread_mutex_lock(&sim.lock);
	d->cookie = ch->q[ch->t++ % 64];
	pthread_mutex_unlock(&sim.lock);
	return sizeof(*d);
}

/* ---- capabilities ---- */
static void
fill_caps(unsigned int type, void *c)
{
	switch (type) {
	case 0x00: /* general */
		if (getenv("CONNECTX_MINCAPS")) {
			SET(c, F_cmd_hca_cap__eth_net_offloads, 1);
			break;
		}
		SET(c, F_cmd_hca_cap__max_wqe_sz_sq, 1024);
		SET(c, F_cmd_hca_cap__log_max_rqt_size, 9);
		SET(c, F_cmd_hca_cap__relaxed_ordering_write, 1);
		SET(c, F_cmd_hca_cap__relaxed_ordering_read, 1);
		SET(c, F_cmd_hca_cap__eth_net_offloads, 1);
		SET(c, F_cmd_hca_cap__num_lag_ports, 1);
		SET(c, F_cmd_hca_cap__device_frequency_khz, 1000000);
		SET(c, F_cmd_hca_cap__log_max_cq, 20);
		SET(c, F_cmd_hca_cap__log_max_qp, 17);
		SET(c, F_cmd_hca_cap__log_max_cq_sz, 22);
		SET(c, F_cmd_hca_cap__log_max_qp_sz, 15);
		SET(c, F_cmd_hca_cap__log_max_mrw_sz, 0x40);
		SET(c, F_cmd_hca_cap__log_max_pd, 20);
		SET(c, F_cmd_hca_cap__log_max_srq, 17);
		SET(c, F_cmd_hca_cap__log_max_srq_sz, 15);
		SET(c, F_cmd_hca_cap__cqe_compression, 0);
		SET(c, F_cmd_hca_cap__hca_cap_2, 1);
		SET(c, F_cmd_hca_cap__nic_flow_table, 1);
		SET(c, F_cmd_hca_cap__mem_rq_rmp, 1);
		SET(c, F_cmd_hca_cap__log_max_rmp, 10);
		break;
	case 0x20: /* general 2 */
		SET(c, F_cmd_hca_cap_2__log_min_stride_wqe_sz, 9);
		break;
	case 0x01: /* ethernet offloads */
		SET(c, F_per_protocol_networking_offload_caps__csum_cap, 1);
		SET(c, F_per_protocol_networking_offload_caps__vlan_cap, 1);
		SET(c, F_per_protocol_networking_offload_caps__lro_cap, 1);
		SET(c, F_per_protocol_networking_offload_caps__lro_max_msg_sz_mode, 0);
		SET(c, F_per_protocol_networking_offload_caps__lro_min_mss_size, 0);
		SET(c, F_per_protocol_networking_offload_caps__max_lso_cap, 18);
		SET(c, F_per_protocol_networking_offload_caps__wqe_inline_mode, 2);
		SET(c, F_per_protocol_networking_offload_caps__wqe_vlan_insert, 1);
		SET(c, F_per_protocol_networking_offload_caps__rss_ind_tbl_cap, 9);
		{
			static const uint32_t per[4] = { 32, 64, 128, 1024 };
			uint8_t *p = PTR(c,
					F_per_protocol_networking_offload_caps__lro_timer_supported_periods);
			int i;

			for (i = 0; i < 4; i++) {
				uint32_t v = htobe32(per[i]);

				memcpy(p + 4 * i, &v, 4);
			}
		}
		break;
	default:
		break;
	}
}

static int
cmd_fail(void *out, int st, int err)
{
	bset(out, 0, 8, st);
	bset(out, 0x20, 32, 0x51e51e);
	errno = err;
	return err;
}

SIM_EXPORT int
mlx5dv_devx_general_cmd(struct ibv_context *c, const void *in, size_t il, void *out, size_t ol)
{
	unsigned int op = bget(in, 0, 16);

	(void)c;
	(void)il;
	memset(out, 0, ol);
	if (op == OP_QUERY_HCA_CAP) {
		unsigned int m = GET(in, F_query_hca_cap_in__op_mod);

		fill_caps(m >> 1, PTR(out, F_query_hca_cap_out__capability));
		return 0;
	}
	sim_log(1, "general cmd %#x unsupported", op);
	return cmd_fail(out, ST_BAD_OP, EREMOTEIO);
}

/* ---- objects ---- */
static struct mlx5dv_devx_obj *
by_id(uint32_t id, enum sim_type t)
{
	struct mlx5dv_devx_obj *o = id < (1 << 16) ? sim.objs[id] : NULL;

	return o && (o->type == t) ? o : NULL;
}

static int
parse_wq(struct sim_wq *w, const void *ctx, int db_idx)
{
	int s;
	uint32_t *db;

	w->log_sz = GET(ctx, F_wq__log_wq_sz);
	w->log_stride = GET(ctx, F_wq__log_wq_stride);
	w->striding = GET(ctx, F_wq__wq_type) == 3;
	s = GET(ctx, F_wq__single_wqe_log_num_of_strides);
	w->log_strides = 9 + (s >= 8 ? s - 16 : s);
	w->log_stride_bytes = 6 + GET(ctx, F_wq__single_stride_log_num_of_bytes);
	w->shift2 = GET(ctx, F_wq__two_byte_shift_en) ? 2 : 0;
	w->buf = umem_ptr(GET(ctx, F_wq__wq_umem_id), GET(ctx, F_wq__wq_umem_offset));
	db = umem_ptr(GET(ctx, F_wq__dbr_umem_id), GET(ctx, F_wq__dbr_addr));
	w->db = db ? db + db_idx : NULL;
	return w->buf && w->db ? 0 : -1;
}

static void
parse_tir(struct mlx5dv_devx_obj *o, const void *t, uint64_t mask)
{
	if (mask & 1) { /* LRO */
		o->lro_usec = GET(t, F_tirc__lro_timeout_period_usecs);
		o->lro_mask = GET(t, F_tirc__lro_enable_mask);
		o->lro_max = GET(t, F_tirc__lro_max_msg_sz) * 256;
	}
	if (mask & 2)
		o->rqtn = GET(t, F_tirc__indirect_table);
	if (mask & 4) {
		const void *h = PTR(t, F_tirc__rx_hash_field_selector_outer);

		o->hash_fn = GET(t, F_tirc__rx_hash_fn);
		memcpy(o->key, PTR(t, F_tirc__rx_hash_toeplitz_key), 40);
		o->sel_l3 = GET(h, F_rx_hash_field_select__l3_prot_type);
		o->sel_l4 = GET(h, F_rx_hash_field_select__l4_prot_type);
		o->sel = GET(h, F_rx_hash_field_select__selected_fields);
	}
}

static int
parse_rqt(struct mlx5dv_devx_obj *o, const void *r)
{
	const uint8_t *l = PTR(r, F_rqtc__rq_num);
	uint32_t i, n = GET(r, F_rqtc__rqt_actual_size);

	free(o->rqn);
	o->rqn = calloc(n ? n : 1, sizeof(uint32_t));
	o->rqn_n = n;
	for (i = 0; i < n; i++)
		o->rqn[i] = bget(l, i * 32 + 8, 24);
	return 0;
}

SIM_EXPORT struct mlx5dv_devx_obj *
mlx5dv_devx_obj_create(struct ibv_context *c, const void *in, size_t il, void *out, size_t ol)
{
	unsigned int op = bget(in, 0, 16);
	struct mlx5dv_devx_obj *o = calloc(1, sizeof(*o));
	const void *ctx;
	int bad = 0;
	uint32_t outid;

	(void)c;
	(void)il;
	memset(out, 0, ol);
	pthread_mutex_lock(&sim.lock);
	o->id = sim.next_id++;
	outid = o->id;
	switch (op) {
	case OP_ALLOC_TD:
		o->type = T_TD;
		break;
	case OP_CREATE_TIS:
		o->type = T_TIS;
		break;
	case OP_ALLOC_Q_COUNTER:
		o->type = T_QCTR;
		outid = o->id & 0xff ? o->id & 0xff : 1;
		break;
	case OP_CREATE_CQ:
		o->type = T_CQ;
		ctx = PTR(in, F_create_cq_in__cq_context);
		o->cq.log_sz = GET(ctx, F_cqc__log_cq_size);
		o->cq.comp_en = GET(ctx, F_cqc__cqe_comp_en);
		o->cq.oi = GET(ctx, F_cqc__oi);
		o->cq.fmt = GET(ctx, F_cqc__mini_cqe_res_format);
		o->cq.buf = umem_ptr(GET(in, F_create_cq_in__cq_umem_id),
				GET(in, F_create_cq_in__cq_umem_offset));
		o->cq.db = umem_ptr(GET(ctx, F_cqc__dbr_umem_id), GET(ctx, F_cqc__dbr_addr));
		bad = !o->cq.buf || !o->cq.db;
		/* an arm word the driver never writes: lets the first arm (all
		 * zero) be told from "never armed" without trapping the UAR */
		if (!bad)
			o->cq.db[1] = o->cq.last_arm = 0xffffffff;
		break;
	case OP_CREATE_RQ:
		o->type = T_RQ;
		ctx = PTR(in, F_create_rq_in__ctx);
		o->cqo = by_id(GET(ctx, F_rqc__cqn), T_CQ);
		o->vsd = GET(ctx, F_rqc__vsd);
		o->user_index = GET(ctx, F_rqc__user_index);
		if (GET(ctx, F_rqc__mem_rq_type) == 1) {
			o->rmp = by_id(GET(ctx, F_rqc__rmpn), T_RMP);
			bad = !o->rmp;
		} else {
			bad = parse_wq(&o->wq, PTR(ctx, F_rqc__wq), 0);
		}
		bad |= !o->cqo;
		if (!bad) {
			o->next = sim.rqs;
			sim.rqs = o;
		}
		sim_log(2, "RQ %#x: 2^%u wqes of %u bytes%s strides 2^%u x 2^%u bytes", o->id,
				o->wq.log_sz, 1 << o->wq.log_stride,
				o->wq.striding ? ", striding" : "", o->wq.log_strides,
				o->wq.log_stride_bytes);
		break;
	case OP_CREATE_RMP:
		o->type = T_RMP;
		bad = parse_wq(&o->wq, PTR(PTR(in, F_create_rmp_in__ctx), F_rmpc__wq), 0);
		break;
	case OP_CREATE_SQ:
		o->type = T_SQ;
		ctx = PTR(in, F_create_sq_in__ctx);
		o->cqo = by_id(GET(ctx, F_sqc__cqn), T_CQ);
		bad = parse_wq(&o->wq, PTR(ctx, F_sqc__wq), 1) || !o->cqo;
		if (!bad) {
			o->next = sim.sqs;
			sim.sqs = o;
		}
		break;
	case OP_CREATE_TIR:
		o->type = T_TIR;
		ctx = PTR(in, F_create_tir_in__ctx);
		o->disp = GET(ctx, F_tirc__disp_type);
		o->inline_rqn = GET(ctx, F_tirc__inline_rqn);
		parse_tir(o, ctx, 7);
		sim_log(2, "TIR %#x: rqt %#x sel l3=%u l4=%u fields=%#x lro mask=%u max=%u usec=%u",
				o->id, o->rqtn, o->sel_l3, o->sel_l4, o->sel, o->lro_mask,
				o->lro_max, o->lro_usec);
		break;
	case OP_CREATE_RQT:
		o->type = T_RQT;
		parse_rqt(o, PTR(in, F_create_rqt_in__rqt_context));
		break;
	case OP_CREATE_MKEY:
		o->type = T_MKEY;
		break;
	case OP_ALLOC_FLOW_COUNTER: {
		uint32_t b = GET(in, F_alloc_flow_counter_in__flow_counter_bulk);

		o->type = T_FCTR;
		o->n = b ? b * 128 : 1;
		o->pkts = calloc(o->n, 8);
		o->bytes = calloc(o->n, 8);
		break;
	}
	default:
		sim_log(1, "obj create op %#x unsupported", op);
		bad = 1;
	}
	if (bad || o->id >= 1 << 16) {
		pthread_mutex_unlock(&sim.lock);
		sim_log(1, "obj create op %#x rejected", op);
		free(o);
		cmd_fail(out, ST_BAD_PARAM, EREMOTEIO);
		return NULL;
	}
	sim.objs[o->id] = o;
	pthread_mutex_unlock(&sim.lock);
	bset(out, 0x40, 32, outid); /* object number: low 24 (or 32, 8) bits of dword 2 */
	sim_log(3, "create op %#x -> %#x", op, o->id);
	return o;
}

SIM_EXPORT int
mlx5dv_devx_obj_destroy(struct mlx5dv_devx_obj *o)
{
	struct mlx5dv_devx_obj **pp;

	pthread_mutex_lock(&sim.lock);
	cq_flush_all();
	if (o->type == T_CQ) {
		struct sim_cq **cp;

		for (cp = &sim.ev_cqs; *cp; cp = &(*cp)->ev_next)
			if (*cp == &o->cq) {
				*cp = o->cq.ev_next;
				break;
			}
	}
	if (o->type == T_RQ)
		lro_flush_rq(o);
	for (pp = o->type == T_SQ ? &sim.sqs : &sim.rqs; *pp; pp = &(*pp)->next)
		if (*pp == o) {
			*pp = o->next;
			break;
		}
	sim.objs[o->id] = NULL;
	pthread_mutex_unlock(&sim.lock);
	free(o->cq.pend);
	free(o->rqn);
	free(o->pkts);
	free(o->bytes);
	free(o);
	return 0;
}

SIM_EXPORT int
mlx5dv_devx_obj_modify(struct mlx5dv_devx_obj *o, const void *in, size_t il, void *out, size_t ol)
{
	unsigned int op = bget(in, 0, 16);
	const void *ctx;

	(void)il;
	memset(out, 0, ol);
	pthread_mutex_lock(&sim.lock);
	switch (op) {
	case OP_MODIFY_RQ: {
		uint64_t m = GET(in, F_modify_rq_in__modify_bitmask);

		ctx = PTR(in, F_modify_rq_in__ctx);
		o->state = GET(ctx, F_rqc__state);
		if (m & 2)
			o->vsd = GET(ctx, F_rqc__vsd);
		if (o->state == 0) { /* RST */
			lro_flush_rq(o);
			o->wq.ci = 0;
			o->wq.strd = 0;
		}
		break;
	}
	case OP_MODIFY_SQ:
		o->state = GET(PTR(in, F_modify_sq_in__ctx), F_sqc__state);
		if (o->state == 0)
			o->wq.ci = 0;
		break;
	case OP_MODIFY_TIR:
		parse_tir(o, PTR(in, F_modify_tir_in__ctx),
				GET(in, F_modify_tir_in__modify_bitmask));
		break;
	case OP_MODIFY_RQT:
		parse_rqt(o, PTR(in, F_modify_rqt_in__rqt_context));
		break;
	default:
		pthread_mutex_unlock(&sim.lock);
		sim_log(1, "obj modify op %#x unsupported", op);
		return cmd_fail(out, ST_BAD_OP, EREMOTEIO);
	}
	pthread_mutex_unlock(&sim.lock);
	return 0;
}

SIM_EXPORT int
mlx5dv_devx_obj_query(struct mlx5dv_devx_obj *o, const void *in, size_t il, void *out, size_t ol)
{
	unsigned int op = bget(in, 0, 16);
	int ret = 0;

	(void)il;
	memset(out, 0, ol);
	pthread_mutex_lock(&sim.lock);
	if (op == OP_QUERY_Q_COUNTER) {
		SET(out, F_query_q_counter_out__out_of_buffer, sim.rx_nobuf & 0xffffffff);
	} else if (op == OP_QUERY_FLOW_COUNTER && o->type == T_FCTR) {
		uint32_t id = GET(in, F_query_flow_counter_in__flow_counter_id) - o->id;
		uint8_t *s = PTR(out, F_query_flow_counter_out__flow_statistics);

		if (id < o->n) {
			bset(s, 0, 64, o->pkts[id]);
			bset(s, 64, 64, o->bytes[id]);
			if (GET(in, F_query_flow_counter_in__clear))
				o->pkts[id] = o->bytes[id] = 0;
		}
	} else {
		sim_log(1, "obj query op %#x unsupported", op);
		ret = cmd_fail(out, ST_BAD_OP, EREMOTEIO);
	}
	pthread_mutex_unlock(&sim.lock);
	return ret;
}

/* ---- not modelled ---- */
#define STUB_PTR(name, ...)                                                                        \
	SIM_EXPORT void *name(void)                                                                \
	{                                                                                          \
		sim_log(1, #name " not modelled");                                                 \
		errno = EOPNOTSUPP;                                                                \
		return NULL;                                                                       \
	}
#define STUB_INT(name)                                                                             \
	SIM_EXPORT int name(void)                                                                  \
	{                                                                                          \
		sim_log(1, #name " not modelled");                                                 \
		errno = EOPNOTSUPP;                                                                \
		return EOPNOTSUPP;                                                                 \
	}
