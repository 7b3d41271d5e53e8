/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules that a send queue writes: a table that is full, rules that are not there, objects and
 * entries that say something wrong, and objects in use.
 */
#include "cxclient.h"
#include "hws.h"

#define OBJECT_BYTES 144
#define FT_BYTES 64
#define LOG_STCS 3
#define LOG_STES 2
#define LOG_DEPTH 1 /* one row of two places */
#define TAG 0x123456
#define ENTRY 128
#define SECOND_WORD 272, 8 /* of a definer's selectors */

/* Contexts of the STC object. */
enum { STC_NOP, STC_TAG, STC_TO_TIR, STC_VLAN, STC_UNSET };
/* Words of an entry that have an action's data. */
enum { WORD_COUNT = 0, WORD_HIT = 3, WORD_ONE = 5 };
/* Where the tag has the Ethernet destination that the definer below picks. */
enum { TAG_DMAC_15_0 = 28, TAG_DMAC_47_16 = 32 };

struct steering {
	struct mlx5dv_devx_obj *ft, *definer, *stcs, *stes, *rtc;
	uint32_t definer_id;
};

static void
blob_object(struct blob *b, unsigned int op, unsigned int kind)
{
	memset(b, 0, sizeof(*b));
	b->in_len = OBJECT_BYTES;
	put16(b->in, op);
	SET(b->in, F_general_obj_in__obj_type, kind);
}

static void
blob_definer(struct blob *b, const struct steering *h)
{
	uint8_t *d = b->in + 16;
	uint8_t *mask = PTR(d, F_definer__match_mask);

	(void)h;
	blob_object(b, OP_CREATE_GENERAL_OBJECT, OBJ_DEFINER);
	SET(d, F_definer__format_id, CX_DEFINER_SELECT);
	/* words 0 and 1 are selected as the first two: 3, 2, 1, 0 is their order */
	SET(d, SECOND_WORD, 1);
	memset(mask + TAG_DMAC_47_16, 0xff, 4);
	memset(mask + TAG_DMAC_15_0, 0xff, 2);
}

static void
blob_stcs(struct blob *b, const struct steering *h)
{
	(void)h;
	blob_object(b, OP_CREATE_GENERAL_OBJECT, OBJ_STC);
	SET(b->in, F_general_obj_in__log_obj_range, LOG_STCS);
}

static void
blob_stes(struct blob *b, const struct steering *h)
{
	(void)h;
	blob_object(b, OP_CREATE_GENERAL_OBJECT, OBJ_STE);
	SET(b->in, F_general_obj_in__log_obj_range, LOG_STES);
}

static void
blob_rtc(struct blob *b, const struct steering *h)
{
	uint8_t *r = b->in + 16;

	blob_object(b, OP_CREATE_GENERAL_OBJECT, OBJ_RTC);
	SET(r, F_rtc__log_depth, LOG_DEPTH);
	SET(r, F_rtc__ste_format_0, CX_STE_8DW);
	SET(r, F_rtc__match_definer_0, h->definer_id);
	SET(r, F_rtc__stc_id, id_of(h->stcs));
	SET(r, F_rtc__ste_table_base_id, id_of(h->stes));
}

static void
blob_ft(struct blob *b, unsigned int op)
{
	memset(b, 0, sizeof(*b));
	b->in_len = FT_BYTES;
	put16(b->in, op);
}

void
blob_steering(struct blob *b, unsigned int which)
{
	switch (which) {
	case 0:
		blob_ft(b, OP_CREATE_FLOW_TABLE);
		break;
	case 1:
		blob_definer(b, NULL);
		break;
	case 2:
		blob_stcs(b, NULL);
		break;
	default:
		blob_stes(b, NULL);
	}
}

static void
blob_stc(struct blob *b, uint32_t at, uint32_t type, uint32_t word, uint32_t id)
{
	uint8_t *c = b->in + 16;

	blob_object(b, OP_MODIFY_GENERAL_OBJECT, OBJ_STC);
	SET(b->in, F_general_obj_in__obj_offset, at);
	SET(c, F_stc__action_type, type);
	SET(c, F_stc__ste_action_offset, word);
	SET(c, F_stc__param_id, id);
}

static int
change(struct mlx5dv_devx_obj *o, struct blob *b)
{
	return mlx5dv_devx_obj_modify(o, b->in, b->in_len, b->out, sizeof(b->out));
}

static struct mlx5dv_devx_obj *
must(struct blob *b, const char *what)
{
	struct mlx5dv_devx_obj *o = create(b);

	CHECK(o != NULL, "%s: status %#x", what, status_of(b));
	return o;
}

static void
set_stc(const struct steering *h, uint32_t at, uint32_t type, uint32_t word, uint32_t id)
{
	struct blob b;

	blob_stc(&b, at, type, word, id);
	CHECK(change(h->stcs, &b) == 0, "context %u: status %#x", at, status_of(&b));
}

static void
point_to(const struct steering *h, const struct mlx5dv_devx_obj *rtc)
{
	struct blob b;

	blob_ft(&b, OP_MODIFY_FLOW_TABLE);
	SET(b.in, F_modify_flow_table_in__modify_field_select, 2);
	SET(b.in + 24, F_flow_table_context__rtc_id_0, rtc != NULL ? id_of(rtc) : 0);
	CHECK(change(h->ft, &b) == 0, "flow table: status %#x", status_of(&b));
}

static void
steering_make(struct steering *h, const struct set *s)
{
	struct blob b;

	blob_ft(&b, OP_CREATE_FLOW_TABLE);
	h->ft = must(&b, "flow table");
	blob_definer(&b, h);
	h->definer = must(&b, "definer");
	h->definer_id = be32(b.out + 8);
	blob_stcs(&b, h);
	h->stcs = must(&b, "contexts");
	blob_stes(&b, h);
	h->stes = must(&b, "entries");
	blob_rtc(&b, h);
	h->rtc = must(&b, "RTC");
	set_stc(h, STC_NOP, CX_STC_NOP, WORD_COUNT, 0);
	set_stc(h, STC_TAG, CX_STC_TAG, WORD_ONE, 0);
	set_stc(h, STC_TO_TIR, CX_STC_TO_TIR, WORD_HIT, id_of(s->tir));
	set_stc(h, STC_VLAN, CX_STC_HEADER_REMOVE, WORD_ONE, 0);
	point_to(h, h->rtc);
}

/* One half of an entry: it may be the last block of the ring, and the other one the first. */
static uint8_t *
block(struct set *s)
{
	return s->umem + AT_SQ + WQEBB_SIZE * (s->sq_pi++ % WQ_ENTRIES);
}

/* A rule for frames to 02:00:00:00:00:last; its completion is in c. */
static unsigned int
write_rule(struct set *s, uint32_t rtc, uint32_t op, uint8_t last, uint32_t action,
		struct hw_cqe *c)
{
	uint16_t index = s->sq_pi;
	struct hw_wqe_ctrl ctrl = {
		.opcode = WQE_TABLE_ACCESS,
		.index = htobe16(index),
		.segs = ENTRY / WQE_SEG_SIZE,
		.fm_ce_se = 2 << 2,
		.imm = htobe32(rtc),
	};
	uint8_t *b = block(s);
	unsigned int got;

	memset(b, 0, WQEBB_SIZE);
	memcpy(b, &ctrl, sizeof(ctrl));
	put32(b + 16, op << 28);
	put32(b + 20, 2u << 29 | STC_NOP);
	put32(b + 24, STC_TO_TIR);
	put32(b + 28, action);
	b = block(s);
	memset(b, 0, WQEBB_SIZE);
	put32(b + 4 * WORD_ONE, TAG);
	b[20 + TAG_DMAC_47_16] = 0x02;
	b[20 + TAG_DMAC_15_0 + 1] = last;
	ring(s, DB_SQ, s->sq_pi);
	got = wait_cqe(s, AT_TX_CQ, &s->tx_ci, c);
	CHECK(be16toh(c->counter) == index, "completion of entry %u, not %u", be16toh(c->counter),
			index);
	return got;
}

enum { ADD, REMOVE };

static void
expect(struct set *s, const struct steering *h, uint32_t op, uint8_t last, uint32_t action,
		bool refused, const char *what)
{
	uint64_t before = stats().hws_refused;
	struct hw_cqe c;

	CHECK(write_rule(s, id_of(h->rtc), op, last, action, &c) == CQE_OP_REQ, "%s: in error",
			what);
	CHECK(be32toh(c.byte_cnt) >> 31 == refused, "%s: %s", what, refused ? "taken" : "refused");
	CHECK(stats().hws_refused == before + refused, "%s: counted", what);
}

static void
full_table(struct set *s, const struct steering *h)
{
	expect(s, h, REMOVE, 0x99, STC_TAG, true, "remove from nothing");
	expect(s, h, ADD, 0x99, STC_TAG, false, "first rule");
	expect(s, h, ADD, 0x98, STC_TAG, false, "second rule");
	expect(s, h, ADD, 0x97, STC_TAG, true, "third rule of a row of two");
	expect(s, h, ADD, 0x99, STC_NOP, false, "the first one again");
	expect(s, h, REMOVE, 0x97, STC_TAG, true, "remove what was refused");
	expect(s, h, REMOVE, 0x98, STC_TAG, false, "remove the second rule");
	expect(s, h, REMOVE, 0x98, STC_TAG, true, "remove it twice");
	expect(s, h, ADD, 0x97, STC_TAG, false, "third rule where the second was");
	expect(s, h, ADD, 0x99, STC_TAG, false, "the first one as it was");
	expect(s, h, REMOVE, 0x97, STC_TAG, false, "remove the third rule");
	expect(s, h, ADD, 0x96, STC_VLAN, true, "an action that is not modelled");
	CHECK(h->rtc->rtc->n_stes == 1, "%u rules are left", h->rtc->rtc->n_stes);
}

/* Errors of the driver's put the queue in error. */
static void
wrong_entries(struct set *s, const struct steering *h)
{
	static const struct {
		const char *what;
		uint32_t rtc, op, action;
	} wrong[] = {
		{ "an RTC that is not", 0xffffff, ADD, STC_TAG },
		{ "an operation that is not", 0, 5, STC_TAG },
		{ "a context that was never set", 0, ADD, STC_UNSET },
		{ "a context beyond the last", 0, ADD, 1 << LOG_STCS },
	};
	struct hw_cqe c;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK(write_rule(s, wrong[i].rtc != 0 ? wrong[i].rtc : id_of(h->rtc), wrong[i].op,
				      0x95, wrong[i].action, &c) == CQE_OP_REQ_ERR,
				"%s: no error", wrong[i].what);
		CHECK(((uint8_t *)&c)[CQE_SYNDROME_AT] == SYNDROME_QP_OPERATION, "%s",
				wrong[i].what);
		set_reset(s);
	}
	CHECK(h->rtc->rtc->n_stes == 1, "%u rules are left", h->rtc->rtc->n_stes);
}

static void
wrong_objects(const struct steering *h)
{
#define OBJECT 128
	static const struct {
		const char *what;
		void (*make)(struct blob *b, const struct steering *h);
		size_t base, off, n;
		uint64_t value;
	} wrong[] = {
#define W(what, make, field, value) { what, make, OBJECT, field, value }
		W("definer of another format", blob_definer, F_definer__format_id, 2),
		W("definer with a field that is not modelled", blob_definer, SECOND_WORD, 12),
		W("RTC of the transmit domain", blob_rtc, F_rtc__table_type, 1),
		W("RTC without a definer", blob_rtc, F_rtc__match_definer_0, 0),
		W("RTC with a definer that is not", blob_rtc, F_rtc__match_definer_0, 200),
		W("RTC by hash with the trivial definer", blob_rtc, F_rtc__match_definer_0,
				CX_TRIVIAL_DEFINER),
		W("RTC with contexts that are not", blob_rtc, F_rtc__stc_id, 0xabcdef),
		W("RTC with entries that are not", blob_rtc, F_rtc__ste_table_base_id, 0xabcdef),
		W("RTC beyond its entries", blob_rtc, F_rtc__ste_table_offset, 3),
		W("RTC far beyond its entries", blob_rtc, F_rtc__ste_table_offset, UINT32_MAX),
		W("RTC of more rows than entries", blob_rtc, F_rtc__log_hash_size, 2),
		W("RTC of 2^255 rows", blob_rtc, F_rtc__log_hash_size, 255),
		W("RTC too deep", blob_rtc, F_rtc__log_depth, 7),
		W("RTC of another format", blob_rtc, F_rtc__ste_format_0, 7),
		W("RTC with ranges", blob_rtc, F_rtc__ste_format_1, 7),
		W("RTC that misses to nothing", blob_rtc, F_rtc__miss_flow_table_id, 0xabcdef),
	};
	struct mlx5dv_devx_obj *o;
	struct blob b;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		wrong[i].make(&b, h);
		bits_set(b.in, wrong[i].base + wrong[i].off, wrong[i].n, wrong[i].value);
		o = create(&b);
		CHECK(o == NULL && status_of(&b) == STATUS_BAD_PARAM, "%s was made", wrong[i].what);
	}
	blob_stcs(&b, h);
	SET(b.in, F_general_obj_in__obj_type, 0x1234);
	CHECK(create(&b) == NULL && status_of(&b) == STATUS_BAD_OPCODE, "a kind that is not");
}

static void
wrong_changes(const struct steering *h)
{
	struct blob b;

	blob_stc(&b, 1 << LOG_STCS, CX_STC_NOP, 0, 0);
	CHECK(change(h->stcs, &b) != 0, "a context beyond the last");
	blob_stc(&b, STC_UNSET, CX_STC_NOP, CX_STE_WORDS, 0);
	CHECK(change(h->stcs, &b) != 0, "a word beyond the last");
	blob_stc(&b, STC_UNSET, CX_STC_TO_STE, CX_STE_WORDS - 1, 0);
	SET(b.in + 16, F_stc__param_ste_obj_id, id_of(h->stes));
	CHECK(change(h->stcs, &b) != 0, "a place beyond the last word");
	blob_stc(&b, STC_UNSET, CX_STC_TO_TIR, WORD_HIT, id_of(h->ft));
	CHECK(change(h->stcs, &b) != 0, "a flow table as TIR");
	blob_stc(&b, STC_UNSET, CX_STC_TO_FT, WORD_HIT, 0);
	CHECK(change(h->stcs, &b) != 0, "no flow table");
	blob_stc(&b, STC_UNSET, 0x14, WORD_COUNT, 0);
	CHECK(change(h->stcs, &b) != 0, "a counter");
	blob_ft(&b, OP_MODIFY_FLOW_TABLE);
	SET(b.in, F_modify_flow_table_in__modify_field_select, 2);
	SET(b.in + 24, F_flow_table_context__rtc_id_0, 0xabcdef);
	CHECK(change(h->ft, &b) != 0, "a flow table to no RTC");
	blob_ft(&b, OP_MODIFY_FLOW_TABLE);
	SET(b.in, F_modify_flow_table_in__modify_field_select, 1);
	SET(b.in + 24, F_flow_table_context__table_miss_action, 1);
	SET(b.in + 24, F_flow_table_context__table_miss_id, id_of(h->ft));
	CHECK(change(h->ft, &b) != 0, "a flow table that misses to itself");
}

static void
busy(struct mlx5dv_devx_obj *o, const char *what)
{
	CHECK(mlx5dv_devx_obj_destroy(o) == EBUSY, "%s in use was destroyed", what);
}

void
test_hws(void)
{
	struct mlx5dv_flow_matcher_attr attr = { .type = IBV_FLOW_ATTR_NORMAL };
	struct {
		size_t size;
		uint8_t b[CX_MATCH_BYTES];
	} all = { .size = CX_MATCH_BYTES };
	struct mlx5dv_flow_action_attr to_ft = { .type = MLX5DV_FLOW_ACTION_DEST_DEVX };
	struct mlx5dv_flow_matcher *m;
	struct ibv_flow *f;
	struct steering h;
	struct set s;

	set_make(&s);
	steering_make(&h, &s);
	full_table(&s, &h);
	wrong_entries(&s, &h);
	wrong_objects(&h);
	wrong_changes(&h);
	attr.match_mask = (void *)&all;
	m = mlx5dv_create_flow_matcher(ctx, &attr);
	CHECK(m != NULL, "matcher: %m");
	to_ft.obj = h.ft;
	f = mlx5dv_create_flow(m, (void *)&all, 1, &to_ft);
	CHECK(f != NULL, "rule of the root table: %m");
	check_traffic(&s, "by a rule that a queue wrote");
	CHECK(h.rtc->rtc->hits == 1, "%lu hits", h.rtc->rtc->hits);
	busy(h.ft, "flow table");
	busy(h.rtc, "RTC");
	busy(h.definer, "definer");
	busy(h.stcs, "contexts");
	busy(h.stes, "entries");
	busy(s.tir, "TIR");
	CHECK(ibv_destroy_flow(f) == 0 && mlx5dv_destroy_flow_matcher(m) == 0, "root rule");
	point_to(&h, NULL);
	CHECK(mlx5dv_devx_obj_destroy(h.rtc) == 0, "RTC, with a rule in it");
	CHECK(mlx5dv_devx_obj_destroy(h.ft) == 0, "flow table");
	CHECK(mlx5dv_devx_obj_destroy(h.stes) == 0, "entries");
	CHECK(mlx5dv_devx_obj_destroy(h.stcs) == 0, "contexts");
	CHECK(mlx5dv_devx_obj_destroy(h.definer) == 0, "definer");
	set_free(&s);
}
