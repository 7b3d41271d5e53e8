/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random commands and ring contents from a seed. There is nothing to expect of one but that the
 * process lives, reads no byte outside what it was given, and works as ever afterwards.
 */
#include "cxclient.h"
#include <sys/mman.h>

#define KEPT 64

static uint64_t state;

/* splitmix64 */
static uint64_t
rnd(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t
below(uint32_t n)
{
	return rnd() % n;
}

static struct mlx5dv_devx_obj *kept[KEPT];

static void
valid_blob(struct blob *b, const struct set *s)
{
	switch (below(9)) {
	case 0:
		blob_cq(b, s, below(2) ? AT_RX_CQ : AT_TX_CQ, DB_RX_CQ);
		break;
	case 1:
		blob_rq(b, s);
		break;
	case 2:
		blob_rmp(b, s);
		break;
	case 3:
		blob_sq(b, s);
		break;
	case 4:
		blob_rqt(b, s->rq);
		break;
	case 5:
		blob_tir(b, s->rqt);
		break;
	case 6:
	case 7:
		blob_steering(b, below(4));
		break;
	default:
		memset(b, 0, sizeof(*b));
		b->in_len = 16;
		put16(b->in, below(2) ? OP_ALLOC_FLOW_COUNTER : OP_ALLOC_Q_COUNTER);
		b->in[15] = rnd();
	}
}

static void
random_blob(struct blob *b, const struct set *s)
{
	static const uint16_t op[] = { OP_CREATE_CQ, OP_CREATE_RQ, OP_CREATE_RMP, OP_CREATE_SQ,
		OP_CREATE_RQT, OP_CREATE_TIR, OP_CREATE_TIS, OP_ALLOC_TD, OP_MODIFY_RQ,
		OP_MODIFY_SQ, OP_MODIFY_TIR, OP_MODIFY_RQT, OP_QUERY_FLOW_COUNTER,
		OP_QUERY_Q_COUNTER, OP_QUERY_HCA_CAP, OP_CREATE_FLOW_TABLE, OP_MODIFY_FLOW_TABLE,
		OP_CREATE_GENERAL_OBJECT, OP_MODIFY_GENERAL_OBJECT };
	uint32_t i, n;

	valid_blob(b, s);
	if (below(8) == 0)
		for (i = 0; i < BLOB; i++)
			b->in[i] = rnd();
	if (below(4) == 0)
		put16(b->in, op[below(sizeof(op) / sizeof(op[0]))]);
	for (n = below(6), i = 0; i < n; i++)
		b->in[2 + below(b->in_len - 2)] ^= 1u << below(8);
	for (n = below(3), i = 0; i < n; i++)
		put32(b->in + 4 + below(b->in_len / 4 - 1) * 4, below(4) ? below(0x400) : rnd());
	if (below(8) == 0)
		b->in_len = below(BLOB + 1);
}

/* The command from, and the answer to, the end of a page. */
static void
one_command(const struct blob *b, uint8_t *in, uint8_t *out)
{
	size_t out_len = below(8) ? 16 : below(80);
	struct mlx5dv_devx_obj **o = &kept[below(KEPT)];
	uint8_t *i = in + 4096 - b->in_len, *p = out + 4096 - out_len;

	memcpy(i, b->in, b->in_len);
	if (*o == NULL) {
		*o = mlx5dv_devx_obj_create(ctx, i, b->in_len, p, out_len);
		if (*o != NULL && ((*o)->type == CX_RQ || (*o)->type == CX_SQ) && below(2))
			queue_state(*o, CX_QUEUE_READY);
		return;
	}
	switch (below(4)) {
	case 0:
		if (mlx5dv_devx_obj_destroy(*o) == 0)
			*o = NULL;
		break;
	case 1:
		mlx5dv_devx_obj_query(*o, i, b->in_len, p, out_len);
		break;
	case 2:
		mlx5dv_devx_general_cmd(ctx, i, b->in_len, p, out_len);
		break;
	default:
		mlx5dv_devx_obj_modify(*o, i, b->in_len, p, out_len);
	}
}

/* In whatever order they go: users first, so after some passes none is left. */
static void
destroy_kept(void)
{
	unsigned int pass, i, left = 1;

	for (pass = 0; left > 0; pass++) {
		CHECK(pass < KEPT, "%u objects do not go", left);
		for (left = 0, i = 0; i < KEPT; i++) {
			if (kept[i] == NULL)
				continue;
			if (mlx5dv_devx_obj_destroy(kept[i]) == 0)
				kept[i] = NULL;
			else
				left++;
		}
	}
}

void
fuzz_commands(uint64_t seed, unsigned int rounds)
{
	uint8_t *in = guarded(4096), *out = guarded(4096);
	struct set s, fresh;
	unsigned int i, made = 0;
	struct blob b;

	state = seed;
	set_make(&s);
	for (i = 0; i < rounds; i++) {
		random_blob(&b, &s);
		one_command(&b, in, out);
	}
	for (i = 0; i < KEPT; i++)
		made += kept[i] != NULL;
	printf("seed %lu: %u commands, %u objects at the end\n", seed, rounds, made);
	CHECK(made > 0, "no command was taken");
	destroy_kept();
	/* rings of its own objects may have been anywhere in the set's umem */
	set_free(&s);
	set_make(&fresh);
	check_traffic(&fresh, "after random commands");
	set_free(&fresh);
}

/* Bytes anywhere in the rings; entries that are nearly right are the more dangerous ones. */
static void
spoil_rings(struct set *s)
{
	uint32_t i, n = 1 + below(12), at;

	for (i = 0; i < WQ_ENTRIES / 2; i++) {
		post_receive(s, s->mr->lkey, (uintptr_t)s->buf + below(BUF_BYTES), below(4096));
		/* half of them start with the address of the rule */
		at = below(2) ? 4096 * below(BUF_BYTES / 4096) : below(BUF_BYTES);
		post_send(s, s->mr->lkey, (uintptr_t)s->buf + at, 14 + below(4096));
	}
	for (i = 0; i < n; i++) {
		at = below(4) ? AT_RQ + below(16 * WQ_ENTRIES)
			      : AT_SQ + below(WQEBB_SIZE * WQ_ENTRIES);
		s->umem[at] = below(2) ? rnd() : s->umem[at] ^ 1u << below(8);
	}
}

static void
random_doorbells(struct set *s)
{
	static const uint32_t db[] = { DB_RX_CQ, DB_TX_CQ, DB_RQ, DB_SQ };
	uint32_t i, n = below(6);

	for (i = 0; i < n; i++)
		ring(s, db[below(4)], below(2) ? below(64) : rnd());
	*(volatile uint32_t *)(s->umem + AT_DB + 4 * below(64)) = below(2) ? rnd() : 0;
}

void
fuzz_rings(uint64_t seed, unsigned int rounds)
{
	struct cx_stats before = stats(), after;
	struct set s;
	unsigned int i, k;

	state = seed;
	set_make(&s);
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < BUF_BYTES; k += 1 + below(64))
			s.buf[k] = rnd();
		for (k = 0; k < BUF_BYTES; k += 4096)
			memcpy(s.buf + k, "\x02\0\0\0\0\x99\x02\0\0\0\0\x98\x08\0\x45", 15);
		spoil_rings(&s);
		if (below(2))
			random_doorbells(&s);
		turns();
		/* the doorbells too */
		memset(s.umem + AT_DB, 0, 0x100);
		set_reset(&s);
	}
	check_traffic(&s, "after random rings");
	after = stats();
	printf("seed %lu: %u rounds, %lu receive and %lu send errors, %lu bad keys, %lu bad "
	       "doorbells\n",
			seed, rounds, after.rx_errors - before.rx_errors,
			after.tx_errors - before.tx_errors, after.bad_lkey - before.bad_lkey,
			after.bad_doorbell - before.bad_doorbell);
	CHECK(after.tx_errors > before.tx_errors && after.rx_errors > before.rx_errors &&
					after.bad_lkey > before.bad_lkey &&
					after.bad_doorbell > before.bad_doorbell,
			"the rounds did not reach what they are for");
	set_free(&s);
}
