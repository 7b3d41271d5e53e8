/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive side scaling: the Toeplitz hash and the indirection table. The hash is linear, so a TIR
 * keeps for each nibble of the input what each of its sixteen values adds: a lookup for each half
 * byte instead of a loop over bits.
 */
#include "connectx.h"
#include "hw.h"

#define NIBBLES (2 * CX_RSS_INPUT_MAX)

enum { FIELD_SRC_IP = 1, FIELD_DST_IP = 2, FIELD_SPORT = 4, FIELD_DPORT = 8 };

/* The 32 bits of the key from bit on; zeros behind its end. */
static uint32_t
key_window(const uint8_t *key, unsigned int bit)
{
	uint32_t w = 0;
	unsigned int i;

	for (i = bit; i < bit + 32; i++)
		w = w << 1 | (i < 8 * CX_RSS_KEY_LEN ? (key[i / 8] >> (7 - i % 8)) & 1 : 0);
	return w;
}

int
cx_rss_key(struct mlx5dv_devx_obj *tir)
{
	unsigned int n, v, b;

	if (tir->tir.nibble == NULL)
		tir->tir.nibble = malloc(NIBBLES * sizeof(*tir->tir.nibble));
	if (tir->tir.nibble == NULL)
		return -1;
	for (n = 0; n < NIBBLES; n++) {
		for (v = 0; v < 16; v++) {
			uint32_t h = 0;

			for (b = 0; b < 4; b++)
				if (v & (8 >> b))
					h ^= key_window(tir->tir.key, 4 * n + b);
			tir->tir.nibble[n][v] = h;
		}
	}
	return 0;
}

static uint32_t
toeplitz(const struct mlx5dv_devx_obj *tir, const uint8_t *in, unsigned int n)
{
	const uint32_t(*t)[16] = (const uint32_t(*)[16])tir->tir.nibble;
	uint32_t h = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		h ^= t[2 * i][in[i] >> 4] ^ t[2 * i + 1][in[i] & 15];
	return h;
}

/*
 * What rx_hash_symmetric makes of a pair of fields of n bytes: their OR and their XOR, so that both
 * directions of a flow give the same. Linux calls it RXH_XFRM_SYM_OR_XOR and sets that bit for it.
 */
static void
fold_pair(uint8_t *pair, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint8_t a = pair[i], b = pair[n + i];

		pair[i] = a | b;
		pair[n + i] = a ^ b;
	}
}

static void
hash(struct cx_pkt *p)
{
	const struct mlx5dv_devx_obj *t = p->tir;
	const uint8_t *m = (const uint8_t *)p->match;
	unsigned int n = 0, addr = t->tir.l3_ipv6 ? 16 : 4;
	/* addresses end where those of IPv6 do, see parse.c; ports of TCP, then of UDP */
	const uint8_t *ports = m + (t->tir.l4_udp ? 28 : 20);
	uint8_t in[CX_RSS_INPUT_MAX];

	if (p->l3 != (t->tir.l3_ipv6 ? L3_IPV6 : L3_IPV4))
		return;
	if (t->tir.fields & FIELD_SRC_IP) {
		memcpy(in, m + 48 - addr, addr);
		n = addr;
	}
	if (t->tir.fields & FIELD_DST_IP) {
		memcpy(in + n, m + 64 - addr, addr);
		n += addr;
	}
	/* both or neither are there, see parse_hash() of devx_rss.c */
	if (t->tir.symmetric && n > 0)
		fold_pair(in, addr);
	if (p->l4 != L4_NONE && (p->l4 == L4_UDP) == (t->tir.l4_udp != 0)) {
		if (t->tir.fields & FIELD_SPORT) {
			memcpy(in + n, ports, 2);
			n += 2;
		}
		if (t->tir.fields & FIELD_DPORT) {
			memcpy(in + n, ports + 2, 2);
			n += 2;
			if (t->tir.symmetric)
				fold_pair(in + n - 4, 2);
		}
	}
	p->hash = toeplitz(t, in, n);
	p->hashed = true;
}

/* Finds the frame's queue. */
void
cx_rss(struct cx_pkt *p)
{
	const struct mlx5dv_devx_obj *t = p->tir;

	if (t->tir.fields != 0)
		hash(p);
	if (t->tir.table != NULL)
		p->rq = t->tir.table->rqt.rq[p->hash % t->tir.table->rqt.n];
	else
		p->rq = t->tir.rq;
}
