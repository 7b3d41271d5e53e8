/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options, from and to the wire: end, NOP, MSS, window scale, timestamps, SACK-permitted, SACK.
 * What they mean for a connection is decided elsewhere; here every byte may be an attacker's.
 */
#include "tcp/tcp_priv.h"

enum { KIND_END, KIND_NOP, KIND_MSS, KIND_WS, KIND_SACK_OK, KIND_SACK, KIND_TS = 8 };

#define LEN_MSS 4u
#define LEN_WS 3u
#define LEN_SACK_OK 2u
#define LEN_TS 10u
#define LEN_BLOCK 8u
#define ROOM (TCP_HDR_MAX - TCP_HDR_MIN)

static inline uint32_t
get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return rte_be_to_cpu_32(v);
}

static inline uint8_t *
put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static void
parse_sack(const uint8_t *p, unsigned int len, struct tcp_opts *opts)
{
	unsigned int n = (len - 2) / LEN_BLOCK;

	if (n == 0 || (len - 2) % LEN_BLOCK != 0)
		return;
	opts->have |= OPT_SACK;
	opts->n_sack = RTE_MIN(n, SACK_MAX);
	for (unsigned int i = 0; i < opts->n_sack; i++) {
		opts->sack[i].start = get32(p + 2 + i * LEN_BLOCK);
		opts->sack[i].end = get32(p + 6 + i * LEN_BLOCK);
	}
}

/* p: kind and length, then len - 2 bytes, all there. */
static void
parse_one(const uint8_t *p, unsigned int len, bool syn, struct tcp_opts *opts)
{
	switch (p[0]) {
	case KIND_MSS:
		if (!syn || len != LEN_MSS)
			break;
		opts->have |= OPT_MSS;
		opts->mss = (uint16_t)(p[2] << 8 | p[3]);
		break;
	case KIND_WS:
		if (!syn || len != LEN_WS)
			break;
		opts->have |= OPT_WS;
		opts->wscale = RTE_MIN(p[2], WSCALE_MAX); /* RFC 7323 2.3 */
		break;
	case KIND_SACK_OK:
		if (syn && len == LEN_SACK_OK)
			opts->have |= OPT_SACK_OK;
		break;
	case KIND_SACK:
		parse_sack(p, len, opts);
		break;
	case KIND_TS:
		if (len != LEN_TS)
			break;
		opts->have |= OPT_TS;
		opts->ts_val = get32(p + 2);
		opts->ts_ecr = get32(p + 6);
		break;
	}
}

int
opts_parse(const struct rte_tcp_hdr *th, unsigned int hdr_len, struct tcp_opts *opts)
{
	const uint8_t *p = (const uint8_t *)(th + 1), *end = (const uint8_t *)th + hdr_len;
	bool syn = (th->tcp_flags & RTE_TCP_SYN_FLAG) != 0;

	memset(opts, 0, sizeof(*opts));
	while (p < end && *p != KIND_END) {
		if (*p == KIND_NOP) {
			p++;
			continue;
		}
		if (end - p < 2 || p[1] < 2 || p[1] > end - p) {
			opts->have = opts->n_sack = 0;
			return -EBADMSG;
		}
		parse_one(p, p[1], syn, opts);
		p += p[1];
	}
	return 0;
}

/* Bytes of all but the SACK blocks. */
static unsigned int
fixed_len(uint8_t have)
{
	unsigned int len = 0;

	if ((have & OPT_MSS) != 0)
		len += LEN_MSS;
	if ((have & OPT_WS) != 0)
		len += 1 + LEN_WS;
	/* SACK-permitted takes the place of the two NOPs before the timestamps. */
	if ((have & OPT_TS) != 0)
		len += 2 + LEN_TS;
	else if ((have & OPT_SACK_OK) != 0)
		len += 2 + LEN_SACK_OK;
	return len;
}

/* SACK blocks that fit beside len bytes of others. */
static unsigned int
blocks(const struct tcp_opts *opts, unsigned int len)
{
	unsigned int n = (ROOM - 4 - len) / LEN_BLOCK;

	if ((opts->have & OPT_SACK) == 0)
		return 0;
	n = RTE_MIN(n, SACK_MAX);
	return RTE_MIN(n, opts->n_sack);
}

unsigned int
opts_len(const struct tcp_opts *opts)
{
	unsigned int len = fixed_len(opts->have), n = blocks(opts, len);

	return len + (n > 0 ? 4 + n * LEN_BLOCK : 0);
}

unsigned int
opts_write(uint8_t *p, const struct tcp_opts *opts)
{
	unsigned int n = blocks(opts, fixed_len(opts->have));
	const uint8_t *start = p;
	uint32_t pair = KIND_NOP << 8 | KIND_NOP;

	if ((opts->have & OPT_MSS) != 0)
		p = put32(p, (uint32_t)KIND_MSS << 24 | LEN_MSS << 16 | opts->mss);
	if ((opts->have & OPT_SACK_OK) != 0)
		pair = KIND_SACK_OK << 8 | LEN_SACK_OK;
	/* The four bytes that opts_parse_fast() looks for, or SACK-permitted in front (RFC 7323 A).
	 */
	if ((opts->have & OPT_TS) != 0) {
		p = put32(p, pair << 16 | KIND_TS << 8 | LEN_TS);
		p = put32(p, opts->ts_val);
		p = put32(p, opts->ts_ecr);
	} else if ((opts->have & OPT_SACK_OK) != 0) {
		p = put32(p, (uint32_t)(KIND_NOP << 8 | KIND_NOP) << 16 | pair);
	}
	if ((opts->have & OPT_WS) != 0)
		p = put32(p, (uint32_t)KIND_NOP << 24 | KIND_WS << 16 | LEN_WS << 8 | opts->wscale);
	if (n > 0) {
		p = put32(p,
				(uint32_t)(KIND_NOP << 8 | KIND_NOP) << 16 | KIND_SACK << 8 |
						(2 + n * LEN_BLOCK));
		for (unsigned int i = 0; i < n; i++) {
			p = put32(p, opts->sack[i].start);
			p = put32(p, opts->sack[i].end);
		}
	}
	return (unsigned int)(p - start);
}
