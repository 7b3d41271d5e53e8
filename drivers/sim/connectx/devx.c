/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DevX: objects made, changed and asked by command blobs in the layouts of prm.h. A command that is
 * not modelled fails with the status the firmware would give, as does one that is shorter than what
 * is read of it; nothing is accepted and ignored.
 */
#include "hw.h"
#include "hws.h"
#include "prm.h"

/* Every command starts with its code; every answer with a status, a syndrome and an object id. */
#define CMD_OPCODE 0, 16
#define CMD_BYTES 16
#define OUT_STATUS 0, 8
#define OUT_SYNDROME 0x20, 32
#define OUT_ID 0x40, 32
#define SYNDROME 0x51e51e

#define COUNTERS_PER_BULK 128

/* Bytes from the start of a structure to the end of a field. */
#define END_(off, n) (((off) + (n) + 7) / 8)
#define END(...) END_(__VA_ARGS__)
#define START_(off, n) ((off) / 8)
#define START(...) START_(__VA_ARGS__)

#define WQ_END END(F_wq__wq_umem_offset)
#define TIRC_END END(F_tirc__rx_hash_field_selector_inner)
#define OBJECT_END END(F_general_obj_in__object)

/* The commands, how much of them is read, and how much of the answer is written. */
static const struct command {
	unsigned int op;
	enum cx_type type; /* of the object it makes, changes or asks */
	size_t in, out;
} create_commands[] = {
	{ OP_CREATE_CQ, CX_CQ, END(F_create_cq_in__cq_umem_valid), CMD_BYTES },
	{ OP_CREATE_RQ, CX_RQ, START(F_create_rq_in__ctx) + START(F_rqc__wq) + WQ_END, CMD_BYTES },
	{ OP_CREATE_RMP, CX_RMP, START(F_create_rmp_in__ctx) + START(F_rmpc__wq) + WQ_END,
			CMD_BYTES },
	{ OP_CREATE_SQ, CX_SQ, START(F_create_sq_in__ctx) + START(F_sqc__wq) + WQ_END, CMD_BYTES },
	{ OP_CREATE_RQT, CX_RQT, START(F_create_rqt_in__rqt_context) + START(F_rqtc__rq_num),
			CMD_BYTES },
	{ OP_CREATE_TIR, CX_TIR, START(F_create_tir_in__ctx) + TIRC_END, CMD_BYTES },
	{ OP_CREATE_TIS, CX_TIS, CMD_BYTES, CMD_BYTES },
	{ OP_ALLOC_TD, CX_TD, CMD_BYTES, CMD_BYTES },
	{ OP_ALLOC_Q_COUNTER, CX_Q_COUNTER, CMD_BYTES, CMD_BYTES },
	{ OP_ALLOC_FLOW_COUNTER, CX_FLOW_COUNTER, CMD_BYTES, CMD_BYTES },
	{ OP_CREATE_FLOW_TABLE, CX_FT, END(F_create_flow_table_in__ctx), CMD_BYTES },
	{ OP_CREATE_GENERAL_OBJECT, CX_DEFINER, OBJECT_END, CMD_BYTES },
	{ OP_CREATE_GENERAL_OBJECT, CX_RTC, OBJECT_END, CMD_BYTES },
	{ OP_CREATE_GENERAL_OBJECT, CX_STC, OBJECT_END, CMD_BYTES },
	{ OP_CREATE_GENERAL_OBJECT, CX_STE, OBJECT_END, CMD_BYTES },
	{ 0 },
}, modify_commands[] = {
	{ OP_MODIFY_RQ, CX_RQ, START(F_modify_rq_in__ctx) + END(F_rqc__state), CMD_BYTES },
	{ OP_MODIFY_SQ, CX_SQ, START(F_modify_sq_in__ctx) + END(F_sqc__state), CMD_BYTES },
	{ OP_MODIFY_TIR, CX_TIR, START(F_modify_tir_in__ctx) + TIRC_END, CMD_BYTES },
	{ OP_MODIFY_RQT, CX_RQT, START(F_modify_rqt_in__rqt_context) + START(F_rqtc__rq_num),
			CMD_BYTES },
	{ OP_MODIFY_FLOW_TABLE, CX_FT, END(F_modify_flow_table_in__ctx), CMD_BYTES },
	{ OP_MODIFY_GENERAL_OBJECT, CX_STC, OBJECT_END, CMD_BYTES },
	{ 0 },
}, query_commands[] = {
	{ OP_QUERY_Q_COUNTER, CX_Q_COUNTER, CMD_BYTES, END(F_query_q_counter_out__out_of_buffer) },
	{ OP_QUERY_FLOW_COUNTER, CX_FLOW_COUNTER, END(F_query_flow_counter_in__flow_counter_id),
			END(F_query_flow_counter_out__flow_statistics) },
	{ 0 },
}, general_commands[] = {
	{ OP_QUERY_HCA_CAP, 0, CMD_BYTES, END(F_query_hca_cap_out__capability) },
	{ 0 },
};

/* What commands for general objects say of their kind. */
static bool
is_kind(const struct command *cmd, const void *in)
{
	static const uint16_t kind[] = { [CX_DEFINER] = OBJ_DEFINER,
		[CX_RTC] = OBJ_RTC,
		[CX_STC] = OBJ_STC,
		[CX_STE] = OBJ_STE };

	if (cmd->op != OP_CREATE_GENERAL_OBJECT && cmd->op != OP_MODIFY_GENERAL_OBJECT)
		return true;
	return kind[cmd->type] == GET(in, F_general_obj_in__obj_type);
}

/* One command on its way: what was found out about it. */
struct call {
	const struct command *cmd;
	unsigned int op, status;
};

static int
fail(void *out, const struct call *c)
{
	cx_log(1, "command %#x: status %#x", c->op, c->status);
	SET(out, OUT_STATUS, c->status);
	SET(out, OUT_SYNDROME, SYNDROME);
	errno = c->status == STATUS_INTERNAL ? EIO : EREMOTEIO;
	return errno;
}

/*
 * Clears the answer and finds the command for an object of this type, 0 when there is none yet.
 * Returns false with a status; or with status 0 and errno, when not even that can be told.
 */
static bool
begin(struct call *c, const struct command *list, enum cx_type type, bool gone, const void *in,
		size_t in_len, void *out, size_t out_len)
{
	const struct command *cmd;

	*c = (struct call){ 0 };
	if (in_len < CMD_BYTES || out_len < CMD_BYTES) {
		errno = EINVAL;
		return false;
	}
	memset(out, 0, out_len);
	c->op = GET(in, CMD_OPCODE);
	for (cmd = list; cmd->op != 0; cmd++)
		if (cmd->op == c->op && (type == 0 || cmd->type == type) && is_kind(cmd, in))
			break;
	if (gone)
		c->status = STATUS_INTERNAL; /* the NIC was removed */
	else if (cmd->op == 0)
		c->status = STATUS_BAD_OPCODE;
	else if (in_len < cmd->in)
		c->status = STATUS_BAD_INPUT_LEN;
	else if (out_len < cmd->out)
		c->status = STATUS_BAD_OUTPUT_LEN;
	c->cmd = cmd;
	return c->status == 0;
}

CX_EXPORT int
mlx5dv_devx_general_cmd(
		struct ibv_context *ctx, const void *in, size_t in_len, void *out, size_t out_len)
{
	struct call c;

	if (!begin(&c, general_commands, 0, cx_context_gone(ctx), in, in_len, out, out_len))
		return c.status != 0 ? fail(out, &c) : EINVAL;
	/* the lowest bit tells maximum from current: they are the same */
	cx_caps_fill(cx_dev_of(ctx), GET(in, F_query_hca_cap_in__op_mod) >> 1,
			PTR(out, F_query_hca_cap_out__capability));
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

	if (GET(in, F_alloc_flow_counter_in__flow_counter_bulk_log_size) != 0)
		return -1;
	o->flow_counter.n = bulk != 0 ? bulk * COUNTERS_PER_BULK : 1;
	o->flow_counter.count = calloc(o->flow_counter.n, sizeof(*o->flow_counter.count));
	return o->flow_counter.count != NULL ? 0 : -1;
}

static int
create(struct mlx5dv_devx_obj *o, const void *in, size_t in_len)
{
	switch (o->type) {
	case CX_CQ:
		return cx_devx_create_cq(o, in);
	case CX_RQ:
		return cx_devx_create_rq(o, in);
	case CX_RMP:
		return cx_devx_create_rmp(o, in);
	case CX_SQ:
		return cx_devx_create_sq(o, in);
	case CX_TIR:
		return cx_devx_create_tir(o, in);
	case CX_RQT:
		return cx_devx_create_rqt(o, in, in_len);
	case CX_Q_COUNTER:
		return create_q_counter(o);
	case CX_FLOW_COUNTER:
		return create_flow_counter(o, in);
	case CX_FT:
		return cx_hws_create_ft(o, in);
	case CX_RTC:
		return cx_hws_create_rtc(o, in);
	case CX_STC:
		return cx_hws_create_stc(o, in);
	case CX_STE:
		return cx_hws_create_ste(o, in);
	case CX_DEFINER:
		return cx_hws_create_definer(o, in);
	default:
		return 0;
	}
}

/* Of objects that commands know by numbers of eight bits. */
static uint32_t
number(const struct mlx5dv_devx_obj *o)
{
	if (o->type == CX_Q_COUNTER)
		return o->q_counter.id;
	return o->type == CX_DEFINER ? o->definer->id : o->id;
}

CX_EXPORT struct mlx5dv_devx_obj *
mlx5dv_devx_obj_create(
		struct ibv_context *ctx, const void *in, size_t in_len, void *out, size_t out_len)
{
	struct cx_dev *d = cx_dev_of(ctx);
	struct mlx5dv_devx_obj *o;
	uint32_t id = 0;
	struct call c;

	if (!begin(&c, create_commands, 0, cx_context_gone(ctx), in, in_len, out, out_len)) {
		if (c.status != 0)
			fail(out, &c);
		return NULL;
	}
	cx_lock(d);
	o = cx_obj_new(d, c.cmd->type);
	if (o == NULL) {
		c.status = STATUS_NO_RESOURCES;
	} else if (create(o, in, in_len) != 0) {
		c.status = STATUS_BAD_PARAM;
		cx_obj_free(o);
	} else {
		id = number(o);
	}
	cx_unlock(d);
	if (c.status != 0) {
		fail(out, &c);
		return NULL;
	}
	SET(out, OUT_ID, id);
	cx_log(3, "object command %#x: %#x", c.op, id);
	return o;
}

static int
modify(struct mlx5dv_devx_obj *o, const void *in, size_t in_len)
{
	switch (o->type) {
	case CX_RQ:
		return cx_devx_modify_rq(o, in);
	case CX_SQ:
		return cx_devx_modify_sq(o, in);
	case CX_TIR:
		return cx_devx_modify_tir(o, in);
	case CX_FT:
		return cx_hws_modify_ft(o, in);
	case CX_STC:
		return cx_hws_modify_stc(o, in);
	default:
		return cx_devx_modify_rqt(o, in, in_len);
	}
}

CX_EXPORT int
mlx5dv_devx_obj_modify(
		struct mlx5dv_devx_obj *o, const void *in, size_t in_len, void *out, size_t out_len)
{
	struct call c;

	if (!begin(&c, modify_commands, o->type, o->gone, in, in_len, out, out_len))
		return c.status != 0 ? fail(out, &c) : EINVAL;
	cx_lock(o->dev);
	if (modify(o, in, in_len) != 0)
		c.status = STATUS_BAD_PARAM;
	cx_unlock(o->dev);
	return c.status != 0 ? fail(out, &c) : 0;
}

static int
query_flow_counter(struct mlx5dv_devx_obj *o, const void *in, void *out)
{
	uint32_t i = GET(in, F_query_flow_counter_in__flow_counter_id) - o->id;
	uint8_t *stat = PTR(out, F_query_flow_counter_out__flow_statistics);

	if (i >= o->flow_counter.n || GET(in, F_query_flow_counter_in__dump_to_memory))
		return -1;
	put64(stat, o->flow_counter.count[i].pkts);
	put64(stat + 8, o->flow_counter.count[i].bytes);
	if (GET(in, F_query_flow_counter_in__clear))
		o->flow_counter.count[i] = (struct cx_count){ 0 };
	return 0;
}

static int
query_q_counter(const struct mlx5dv_devx_obj *o, void *out)
{
	SET(out, F_query_q_counter_out__out_of_buffer, (uint32_t)o->q_counter.out_of_buffer);
	return 0;
}

CX_EXPORT int
mlx5dv_devx_obj_query(
		struct mlx5dv_devx_obj *o, const void *in, size_t in_len, void *out, size_t out_len)
{
	struct call c;
	int ret;

	if (!begin(&c, query_commands, o->type, o->gone, in, in_len, out, out_len))
		return c.status != 0 ? fail(out, &c) : EINVAL;
	cx_lock(o->dev);
	if (o->type == CX_Q_COUNTER)
		ret = query_q_counter(o, out);
	else
		ret = query_flow_counter(o, in, out);
	cx_unlock(o->dev);
	if (ret != 0)
		c.status = STATUS_BAD_PARAM;
	return c.status != 0 ? fail(out, &c) : 0;
}
