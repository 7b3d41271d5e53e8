/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that say something wrong in one place, blobs that end too early, and objects in use. */
#include "cxclient.h"
#include <sys/mman.h>

typedef void (*maker)(struct blob *b, const struct set *s);

static void
rx_cq_blob(struct blob *b, const struct set *s)
{
	blob_cq(b, s, AT_RX_CQ, DB_RX_CQ);
}

static void
striding_blob(struct blob *b, const struct set *s)
{
	uint8_t *w = b->in + 32 + 48;

	blob_rq(b, s);
	SET(w, F_wq__wq_type, 3);
	SET(w, F_wq__log_wq_stride, 5);
	SET(w, F_wq__single_wqe_log_num_of_strides, 1);
}

static void
rmp_rq_blob(struct blob *b, const struct set *s)
{
	blob_rq(b, s);
	SET(b->in + 32, F_rqc__mem_rq_type, 1);
	SET(b->in + 32, F_rqc__rmpn, id_of(s->rq));
}

static void
rqt_blob(struct blob *b, const struct set *s)
{
	blob_rqt(b, s->rq);
}

static void
tir_blob(struct blob *b, const struct set *s)
{
	blob_tir(b, s->rqt);
}

static void
direct_tir_blob(struct blob *b, const struct set *s)
{
	blob_tir(b, s->rqt);
	SET(b->in + 32, F_tirc__disp_type, 0);
	SET(b->in + 32, F_tirc__inline_rqn, id_of(s->rq));
}

/* Where a structure starts in its command: bits. */
#define CQC 128
#define CTX 256
#define WQ (CTX + 384)
#define OTHER UINT64_MAX      /* instead of a value: the number of an object of another type */
#define UMEM (UINT64_MAX - 1) /* the number of a umem that is not there */

struct wrong {
	const char *what;
	maker make;
	size_t base, off, n;
	uint64_t value;
};

#define W(what, make, base, field, value)                                                          \
	{                                                                                          \
		what, make, base, field, value                                                     \
	}

static const struct wrong wrongs[] = {
	W("CQ of 2^23", rx_cq_blob, CQC, F_cqc__log_cq_size, 23),
	W("CQ of 2^31", rx_cq_blob, CQC, F_cqc__log_cq_size, 31),
	W("CQ beyond its umem", rx_cq_blob, CQC, F_cqc__log_cq_size, 10),
	W("CQ with entries of 128 bytes", rx_cq_blob, CQC, F_cqc__cqe_sz, 1),
	W("CQ in no umem", rx_cq_blob, 0, F_create_cq_in__cq_umem_id, UMEM),
	W("CQ behind its umem", rx_cq_blob, 0, F_create_cq_in__cq_umem_offset, UMEM_BYTES),
	W("CQ that wraps", rx_cq_blob, 0, F_create_cq_in__cq_umem_offset, UINT64_MAX - 63),
	W("CQ unaligned", rx_cq_blob, 0, F_create_cq_in__cq_umem_offset, 8),
	W("CQ doorbell in no umem", rx_cq_blob, CQC, F_cqc__dbr_umem_id, UMEM),
	W("CQ doorbell behind", rx_cq_blob, CQC, F_cqc__dbr_addr, UMEM_BYTES - 4),
	W("CQ doorbell unaligned", rx_cq_blob, CQC, F_cqc__dbr_addr, AT_DB + 2),
	W("RQ on no CQ", blob_rq, CTX, F_rqc__cqn, 0xabcdef),
	W("RQ on an RQ for CQ", blob_rq, CTX, F_rqc__cqn, OTHER),
	W("RQ with a counter that is not", blob_rq, CTX, F_rqc__counter_set_id, 200),
	W("RQ of a kind that is not", blob_rq, CTX, F_rqc__mem_rq_type, 5),
	W("RQ with FCS", blob_rq, CTX, F_rqc__scatter_fcs, 1),
	W("RQ with a list", blob_rq, WQ, F_wq__wq_type, 0),
	W("RQ with a striding list", blob_rq, WQ, F_wq__wq_type, 2),
	W("RQ of 2^16", blob_rq, WQ, F_wq__log_wq_sz, 16),
	W("RQ of 2^31", blob_rq, WQ, F_wq__log_wq_sz, 31),
	W("RQ beyond its umem", blob_rq, WQ, F_wq__log_wq_sz, 12),
	W("RQ with entries of 8 bytes", blob_rq, WQ, F_wq__log_wq_stride, 3),
	W("RQ with entries of 2^15", blob_rq, WQ, F_wq__log_wq_stride, 15),
	W("RQ in no umem", blob_rq, WQ, F_wq__wq_umem_id, UMEM),
	W("RQ behind its umem", blob_rq, WQ, F_wq__wq_umem_offset, UMEM_BYTES - 64),
	W("RQ that wraps", blob_rq, WQ, F_wq__wq_umem_offset, UINT64_MAX - 63),
	W("RQ unaligned", blob_rq, WQ, F_wq__wq_umem_offset, AT_RQ + 4),
	W("RQ doorbell in no umem", blob_rq, WQ, F_wq__dbr_umem_id, UMEM),
	W("RQ doorbell behind", blob_rq, WQ, F_wq__dbr_addr, UMEM_BYTES),
	W("striding RQ with 2^2 strides", striding_blob, WQ, F_wq__single_wqe_log_num_of_strides,
			9),
	W("striding RQ with 2 strides", striding_blob, WQ, F_wq__single_wqe_log_num_of_strides, 8),
	W("striding RQ with entries of 16", striding_blob, WQ, F_wq__log_wq_stride, 4),
	W("striding RQ with entries of 64", striding_blob, WQ, F_wq__log_wq_stride, 6),
	W("RQ on an RQ for RMP", rmp_rq_blob, CTX, F_rqc__vsd, 1),
	W("RMP with a list", blob_rmp, WQ, F_wq__wq_type, 0),
	W("RMP beyond its umem", blob_rmp, WQ, F_wq__log_wq_sz, 15),
	W("SQ on no CQ", blob_sq, CTX, F_sqc__cqn, 1),
	W("SQ that strides", blob_sq, WQ, F_wq__wq_type, 3),
	W("SQ with entries of 32 bytes", blob_sq, WQ, F_wq__log_wq_stride, 5),
	W("SQ with entries of 128 bytes", blob_sq, WQ, F_wq__log_wq_stride, 7),
	W("SQ behind its umem", blob_sq, WQ, F_wq__wq_umem_offset, UMEM_BYTES - 512),
	W("RQT of nothing", rqt_blob, CTX, F_rqtc__rqt_actual_size, 0),
	W("RQT longer than its command", rqt_blob, CTX, F_rqtc__rqt_actual_size, 2),
	W("RQT longer than its maximum", rqt_blob, CTX, F_rqtc__rqt_actual_size, 9),
	W("RQT with a maximum of 2^15", rqt_blob, CTX, F_rqtc__rqt_max_size, 0x8000),
	W("RQT of no RQ", rqt_blob, CTX, F_rqtc__rq_num, 0xffffff),
	W("RQT of a CQ", rqt_blob, CTX, F_rqtc__rq_num, OTHER),
	W("TIR of a kind that is not", tir_blob, CTX, F_tirc__disp_type, 7),
	W("TIR on no RQT", tir_blob, CTX, F_tirc__indirect_table, 0xffffff),
	W("TIR on an RQ for RQT", tir_blob, CTX, F_tirc__indirect_table, OTHER),
	W("TIR on no RQ", direct_tir_blob, CTX, F_tirc__inline_rqn, 0xffffff),
	W("TIR on a CQ", direct_tir_blob, CTX, F_tirc__inline_rqn, OTHER),
	W("TIR with an inline hash", tir_blob, CTX, F_tirc__rx_hash_fn, 1),
	W("TIR with LRO of 8", tir_blob, CTX, F_tirc__lro_enable_mask, 8),
	W("TIR on inner headers", tir_blob, CTX, F_tirc__rx_hash_field_selector_inner, 3),
	W("TIR on an SPI", tir_blob, CTX + 640, F_rx_hash_field_select__selected_fields, 16),
};

static void
set_field(struct blob *b, const struct wrong *w, const struct set *s)
{
	uint64_t v = w->value;

	if (v == UMEM)
		v = s->u->umem_id + 77;
	if (v == OTHER) /* an SQ is nothing that any of them takes */
		v = id_of(s->sq);
	bits_set(b->in + w->base / 8, w->off, w->n, v);
}

static void
check_wrongs(struct set *s)
{
	struct mlx5dv_devx_obj *o;
	struct blob b;
	size_t i;

	for (i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		wrongs[i].make(&b, s);
		set_field(&b, &wrongs[i], s);
		errno = 0;
		o = create(&b);
		CHECK(o == NULL, "%s was made", wrongs[i].what);
		CHECK(status_of(&b) == STATUS_BAD_PARAM && errno == EREMOTEIO, "%s: status %#x, %m",
				wrongs[i].what, status_of(&b));
	}
	printf("%zu commands refused\n", i);
}

/* A blob of every length up to the whole one, its last byte before a page that faults. */
static void
check_length(const struct blob *whole, const char *what)
{
	struct mlx5dv_devx_obj *o;
	uint8_t *in = guarded(4096), *out = guarded(4096), *i, *p;
	size_t n, made = 0;

	for (n = 0; n <= whole->in_len; n++) {
		i = in + 4096 - n;
		p = out + 4096 - 16;
		memcpy(i, whole->in, n);
		o = mlx5dv_devx_obj_create(ctx, i, n, p, 16);
		CHECK(o != NULL || n < whole->in_len, "%s: whole, but refused: %#x", what, p[0]);
		if (o != NULL) {
			made++;
			CHECK(mlx5dv_devx_obj_destroy(o) == 0, "%s", what);
		} else if (n >= 16) {
			CHECK(p[0] == STATUS_BAD_INPUT_LEN || p[0] == STATUS_BAD_PARAM,
					"%s of %zu bytes: status %#x", what, n, p[0]);
		}
	}
	CHECK(made > 0 && made < whole->in_len, "%s: %zu lengths taken", what, made);
	/* and an answer that has no room */
	for (n = 0; n < 16; n++) {
		o = mlx5dv_devx_obj_create(ctx, whole->in, whole->in_len, out + 4096 - n, n);
		CHECK(o == NULL && errno == EINVAL, "%s: answer of %zu bytes", what, n);
	}
}

static void
check_queries(struct set *s)
{
	uint8_t *out = guarded(8192);
	uint8_t in[32] = { 0 };
	size_t n;

	put16(in, OP_QUERY_Q_COUNTER);
	for (n = 0; n < 52; n++)
		CHECK(mlx5dv_devx_obj_query(s->counter, in, sizeof(in), out + 8192 - n, n) != 0,
				"queue counter: answer of %zu bytes", n);
	CHECK(mlx5dv_devx_obj_query(s->counter, in, 16, out + 8192 - 52, 52) == 0, "query");
	CHECK(mlx5dv_devx_obj_query(s->counter, in, 15, out, 52) == EINVAL, "short query");
	CHECK(mlx5dv_devx_obj_query(s->rq, in, 16, out, 52) == EREMOTEIO, "query of an RQ");
	put16(in, OP_QUERY_HCA_CAP);
	for (n = 0; n < 4112; n += 16)
		CHECK(mlx5dv_devx_general_cmd(ctx, in, sizeof(in), out + 8192 - n, n) != 0,
				"capabilities: answer of %zu bytes", n);
	CHECK(mlx5dv_devx_general_cmd(ctx, in, 16, out + 8192 - 4112, 4112) == 0, "capabilities");
	put16(in, 0x10d);
	CHECK(mlx5dv_devx_general_cmd(ctx, in, 32, out, 4112) == EREMOTEIO, "0x10d");
	CHECK(out[0] == STATUS_BAD_OPCODE, "0x10d: status %#x", out[0]);
}

static void
check_modify(struct set *s)
{
	struct blob b;
	uint32_t state;

	for (state = 0; state < 16; state++) {
		if (state == 0 || state == CX_QUEUE_READY || state == CX_QUEUE_ERROR)
			continue;
		blob_state(&b, OP_MODIFY_RQ, state);
		CHECK(mlx5dv_devx_obj_modify(s->rq, b.in, b.in_len, b.out, OUT) == EREMOTEIO,
				"RQ in state %u", state);
		blob_state(&b, OP_MODIFY_SQ, state);
		CHECK(mlx5dv_devx_obj_modify(s->sq, b.in, b.in_len, b.out, OUT) == EREMOTEIO,
				"SQ in state %u", state);
	}
	blob_state(&b, OP_MODIFY_SQ, 1);
	CHECK(mlx5dv_devx_obj_modify(s->rq, b.in, b.in_len, b.out, OUT) == EREMOTEIO,
			"RQ changed as an SQ");
	CHECK(b.out[0] == STATUS_BAD_OPCODE, "status %#x", b.out[0]);
	/* a table that is refused stays what it was */
	blob_rqt(&b, s->sq);
	put16(b.in, OP_MODIFY_RQT);
	CHECK(mlx5dv_devx_obj_modify(s->rqt, b.in, b.in_len, b.out, OUT) == EREMOTEIO, "RQT");
	blob_tir(&b, s->rq);
	put16(b.in, OP_MODIFY_TIR);
	SET(b.in, F_modify_tir_in__modify_bitmask, 7);
	CHECK(mlx5dv_devx_obj_modify(s->tir, b.in, b.in_len, b.out, OUT) == EREMOTEIO, "TIR");
	check_traffic(s, "after refused changes");
}

void
test_commands(void)
{
	static const unsigned int unknown[] = { 0, 0x101, OP_CREATE_MKEY, 0x500, 0x91c, 0xffff };
	struct blob b;
	struct set s;
	uint8_t *hole;
	size_t i;

	set_make(&s);
	check_traffic(&s, "at first");
	check_wrongs(&s);
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		blob_rq(&b, &s);
		put16(b.in, unknown[i]);
		CHECK(create(&b) == NULL && status_of(&b) == STATUS_BAD_OPCODE, "command %#x",
				unknown[i]);
	}
	rx_cq_blob(&b, &s);
	check_length(&b, "CQ");
	blob_rq(&b, &s);
	check_length(&b, "RQ");
	blob_rmp(&b, &s);
	check_length(&b, "RMP");
	blob_sq(&b, &s);
	check_length(&b, "SQ");
	blob_rqt(&b, s.rq);
	check_length(&b, "RQT");
	blob_tir(&b, s.rqt);
	check_length(&b, "TIR");
	check_queries(&s);
	check_modify(&s);
	hole = guarded(8192);
	CHECK(munmap(hole + 4096, 4096) == 0, "munmap: %m");
	CHECK(mlx5dv_devx_umem_reg(ctx, hole, 8192, 0) == NULL, "umem of no memory");
	CHECK(ibv_reg_mr_iova2(pd, hole, 8192, 0, 1) == NULL, "region of no memory");
	CHECK(ibv_reg_mr_iova2(pd, NULL, SIZE_MAX, 0, 1) == NULL, "region of all memory");
	CHECK(ibv_reg_mr_iova2(pd, &b, 0, 0, 1) == NULL, "region of nothing");
	set_free(&s);
}

static uint64_t n_busy;

#define BUSY(call)                                                                                 \
	do {                                                                                       \
		errno = 0;                                                                         \
		CHECK((call) == EBUSY && errno == EBUSY, "%m");                                    \
		n_busy++;                                                                          \
	} while (0)

/* Each object in use refuses to go, and is still what it was. */
void
test_busy(void)
{
	struct mlx5dv_dr_action *jump;
	struct mlx5dv_dr_table *next;
	struct mlx5dv_devx_obj *rmp, *shared;
	uint64_t before = stats().busy_destroys;
	struct blob b;
	struct set s;

	set_make(&s);
	blob_rmp(&b, &s);
	rmp = create(&b);
	CHECK(rmp != NULL, "RMP: %#x", status_of(&b));
	rmp_rq_blob(&b, &s);
	SET(b.in + 32, F_rqc__rmpn, id_of(rmp));
	shared = create(&b);
	CHECK(shared != NULL, "RQ on an RMP: %#x", status_of(&b));
	next = mlx5dv_dr_table_create(s.domain, 1);
	jump = mlx5dv_dr_action_create_dest_table(next);
	n_busy = 0;
	BUSY(mlx5dv_devx_obj_destroy(s.rx_cq));
	BUSY(mlx5dv_devx_obj_destroy(s.tx_cq));
	BUSY(mlx5dv_devx_obj_destroy(s.rq));
	BUSY(mlx5dv_devx_obj_destroy(s.rqt));
	BUSY(mlx5dv_devx_obj_destroy(s.tir));
	BUSY(mlx5dv_devx_obj_destroy(rmp));
	BUSY(mlx5dv_devx_umem_dereg(s.u));
	BUSY(mlx5dv_dr_action_destroy(s.to_tir));
	BUSY(mlx5dv_dr_matcher_destroy(s.matcher));
	BUSY(mlx5dv_dr_table_destroy(s.table));
	BUSY(mlx5dv_dr_table_destroy(next));
	BUSY(mlx5dv_dr_domain_destroy(s.domain));
	CHECK(stats().busy_destroys - before == n_busy, "%lu counted, not %lu",
			stats().busy_destroys - before, n_busy);
	check_traffic(&s, "after refused destroys");
	CHECK(mlx5dv_dr_action_destroy(jump) == 0 && mlx5dv_dr_table_destroy(next) == 0, "jump");
	CHECK(mlx5dv_devx_obj_destroy(shared) == 0 && mlx5dv_devx_obj_destroy(rmp) == 0, "RMP");
	set_free(&s);
	CHECK(stats().busy_destroys - before == n_busy, "a destroy in order was refused");
}
