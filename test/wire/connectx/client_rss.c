/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rx_hash_symmetric of a TIR, which no driver of DPDK 22.11 asks for: OR and XOR of each pair of
 * fields go through Toeplitz, so that both directions of a flow have one hash.
 */
#include "cxclient.h"

#define IP_AT 14
#define UDP_AT 34

struct flow {
	uint32_t src, dst;
	uint16_t sport, dport;
};

static uint32_t
toeplitz(const uint8_t *key, const uint8_t *in, unsigned int n)
{
	uint32_t h = 0, window = be32(key);
	unsigned int bit;

	for (bit = 0; bit < 8 * n; bit++) {
		if (in[bit / 8] & 0x80 >> bit % 8)
			h ^= window;
		window = window << 1 | ((key[bit / 8 + 4] >> (7 - bit % 8)) & 1);
	}
	return h;
}

static uint32_t
expected(const uint8_t *key, const struct flow *f)
{
	uint8_t in[12];

	put32(in, f->src | f->dst);
	put32(in + 4, f->src ^ f->dst);
	put16(in + 8, f->sport | f->dport);
	put16(in + 10, f->sport ^ f->dport);
	return toeplitz(key, in, sizeof(in));
}

static uint32_t
hash_of(struct set *s, const struct flow *f)
{
	uint8_t *d = s->buf;
	struct hw_cqe c;

	memset(d, 0, FRAME);
	memcpy(d, "\x02\0\0\0\0\x99\x02\0\0\0\0\x98\x08\0\x45", 15);
	put16(d + IP_AT + 2, FRAME - IP_AT);
	d[IP_AT + 8] = 64;
	d[IP_AT + 9] = 17;
	put32(d + IP_AT + 12, f->src);
	put32(d + IP_AT + 16, f->dst);
	put16(d + UDP_AT, f->sport);
	put16(d + UDP_AT + 2, f->dport);
	put16(d + UDP_AT + 4, FRAME - UDP_AT);
	post_receive(s, s->mr->lkey, (uintptr_t)s->buf + 0x8000, 2048);
	post_send(s, s->mr->lkey, (uintptr_t)d, FRAME);
	CHECK(wait_cqe(s, AT_TX_CQ, &s->tx_ci, &c) == CQE_OP_REQ, "send");
	CHECK(wait_cqe(s, AT_RX_CQ, &s->rx_ci, &c) == CQE_OP_RESP_SEND, "receive");
	CHECK(c.hash_type != 0, "no hash");
	return be32toh(c.hash);
}

static int
change(struct set *s, bool symmetric, uint32_t fields, uint8_t *key)
{
	struct blob b;
	uint8_t *t = b.in + 32;

	blob_tir(&b, s->rqt);
	put16(b.in, OP_MODIFY_TIR);
	SET(b.in, F_modify_tir_in__modify_bitmask, 4);
	SET(t, F_tirc__rx_hash_symmetric, symmetric);
	SET(t + 80, F_rx_hash_field_select__l4_prot_type, 1);
	SET(t + 80, F_rx_hash_field_select__selected_fields, fields);
	memcpy(key, t + 40, CX_RSS_KEY_LEN);
	return mlx5dv_devx_obj_modify(s->tir, b.in, b.in_len, b.out, OUT);
}

void
test_symmetric(void)
{
	uint8_t key[CX_RSS_KEY_LEN];
	unsigned int i, differ = 0;
	struct set s;

	set_make(&s);
	CHECK(change(&s, true, 15, key) == 0, "symmetric");
	for (i = 0; i < 50; i++) {
		struct flow there = { 0x0a000001 + 977 * i, 0xc0a80102 - 31 * i, 1000 + i,
			60000 - 7 * i };
		struct flow back = { there.dst, there.src, there.dport, there.sport };
		uint32_t a = hash_of(&s, &there), b = hash_of(&s, &back);

		CHECK(a == b, "flow %u: %#x there, %#x back", i, a, b);
		CHECK(a == expected(key, &there), "flow %u: %#x, not %#x", i, a,
				expected(key, &there));
	}
	CHECK(change(&s, false, 15, key) == 0, "not symmetric");
	for (i = 0; i < 50; i++) {
		struct flow there = { 0x0a000001 + 977 * i, 0xc0a80102, 1000, 2000 };
		struct flow back = { there.dst, there.src, there.dport, there.sport };

		differ += hash_of(&s, &there) != hash_of(&s, &back);
	}
	CHECK(differ > 40, "%u of 50 flows differ", differ);
	/* half a pair */
	for (i = 1; i < 15; i++)
		if (i % 4 % 3 != 0 || i / 4 % 3 != 0)
			CHECK(change(&s, true, i, key) == EREMOTEIO, "fields %#x", i);
	CHECK(change(&s, true, 3, key) == 0, "addresses alone");
	set_free(&s);
}
