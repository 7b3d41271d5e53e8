/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options: each one, each form of being malformed, what counts in SYNs only, the round trip of
 * every combination, and random bytes with the end of memory right behind them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_random.h>

#include "tcp/tcp_priv.h"

#define ALL_SYN (OPT_MSS | OPT_WS | OPT_TS | OPT_SACK_OK)

static uint8_t *page_end; /* behind it nothing can be read */
static struct tcp_opts got;

static struct rte_tcp_hdr *
header(const uint8_t *options, unsigned int len, uint8_t flags)
{
	struct rte_tcp_hdr *th = (struct rte_tcp_hdr *)(page_end - sizeof(*th) - len);

	memset(th, 0, sizeof(*th));
	th->tcp_flags = flags;
	if (len > 0)
		memcpy(th + 1, options, len);
	return th;
}

static int
parse(const uint8_t *options, unsigned int len, uint8_t flags)
{
	memset(&got, 0xee, sizeof(got));
	return opts_parse(header(options, len, flags), TCP_HDR_MIN + len, &got);
}
#define PARSE(flags, ...)                                                                          \
	parse((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), flags)
#define SYN RTE_TCP_SYN_FLAG
#define ACK RTE_TCP_ACK_FLAG

static void
test_each(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL, 0, SYN), 0);
	assert_int_equal(got.have, 0);
	assert_int_equal(PARSE(SYN, 2, 4, 0x05, 0xb4), 0);
	assert_int_equal(got.have, OPT_MSS);
	assert_int_equal(got.mss, 1460);
	assert_int_equal(PARSE(SYN, 1, 3, 3, 7), 0);
	assert_int_equal(got.have, OPT_WS);
	assert_int_equal(got.wscale, 7);
	assert_int_equal(PARSE(SYN, 1, 3, 3, 255), 0);
	assert_int_equal(got.wscale, 14);
	assert_int_equal(PARSE(SYN, 3, 3, 14, 0), 0);
	assert_int_equal(got.wscale, 14);
	assert_int_equal(PARSE(SYN, 4, 2, 0, 0), 0);
	assert_int_equal(got.have, OPT_SACK_OK);
	assert_int_equal(PARSE(ACK, 8, 10, 1, 2, 3, 4, 0xfa, 0xfb, 0xfc, 0xfd, 0, 0), 0);
	assert_int_equal(got.have, OPT_TS);
	assert_int_equal(got.ts_val, 0x01020304);
	assert_int_equal(got.ts_ecr, 0xfafbfcfd);
	assert_int_equal(PARSE(ACK, 1, 1, 5, 10, 0, 0, 1, 0, 0xff, 0, 0, 2), 0);
	assert_int_equal(got.have, OPT_SACK);
	assert_int_equal(got.n_sack, 1);
	assert_int_equal(got.sack[0].start, 0x100);
	assert_int_equal(got.sack[0].end, 0xff000002);
	/* ours and others together, in any order */
	assert_int_equal(PARSE(SYN, 30, 3, 9, 4, 2, 1, 3, 3, 0, 254, 2, 2, 4, 1, 0), 0);
	assert_int_equal(got.have, OPT_SACK_OK | OPT_WS | OPT_MSS);
	assert_int_equal(got.wscale, 0);
	assert_int_equal(got.mss, 256);
}

static void
test_blocks(void **state)
{
	uint8_t o[40] = { 1, 1, 5, 0 };

	(void)state;
	for (unsigned int n = 1; n <= 4; n++) {
		o[3] = 2 + n * 8;
		for (unsigned int i = 0; i < n * 8; i++)
			o[4 + i] = n * 16 + i;
		assert_int_equal(parse(o, 4 + n * 8, ACK), 0);
		assert_int_equal(got.have, OPT_SACK);
		assert_int_equal(got.n_sack, n);
		for (unsigned int i = 0; i < n; i++) {
			uint32_t b = n * 16 + i * 8;

			assert_int_equal(got.sack[i].start,
					b << 24 | (b + 1) << 16 | (b + 2) << 8 | (b + 3));
			assert_int_equal(got.sack[i].end,
					(b + 4) << 24 | (b + 5) << 16 | (b + 6) << 8 | (b + 7));
		}
	}
}

static void
test_syn_only(void **state)
{
	(void)state;
	assert_int_equal(PARSE(ACK, 2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 0, 0), 0);
	assert_int_equal(got.have, 0);
	assert_int_equal(PARSE(SYN | ACK, 2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 0, 0), 0);
	assert_int_equal(got.have, OPT_MSS | OPT_WS | OPT_SACK_OK);
}

/* The last counts, and one of a wrong length does not take it back. */
static void
test_repeated(void **state)
{
	(void)state;
	assert_int_equal(PARSE(SYN, 2, 4, 1, 1, 2, 4, 2, 2), 0);
	assert_int_equal(got.mss, 0x202);
	assert_int_equal(PARSE(SYN, 2, 4, 2, 2, 2, 3, 9, 1), 0);
	assert_int_equal(got.mss, 0x202);
	assert_int_equal(PARSE(ACK, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 5, 10, 0,
					 0, 0, 8, 0, 0, 0, 9),
			0);
	assert_int_equal(got.n_sack, 1);
	assert_int_equal(got.sack[0].start, 8);
}

/* Every kind with every length: what is not its own is skipped, what runs over the end is refused.
 */
static void
test_lengths(void **state)
{
	static const uint8_t flag[] = {
		[2] = OPT_MSS, [3] = OPT_WS, [4] = OPT_SACK_OK, [5] = OPT_SACK, [8] = OPT_TS
	};
	static const uint8_t right[] = { [2] = 4, [3] = 3, [4] = 2, [8] = 10 };
	uint8_t o[40];

	(void)state;
	for (unsigned int kind = 2; kind < 256; kind++) {
		for (unsigned int len = 0; len < 256; len++) {
			memset(o, 1, sizeof(o));
			o[0] = kind;
			o[1] = len;
			if (len < 2 || len > sizeof(o)) {
				assert_int_equal(parse(o, sizeof(o), SYN), -EBADMSG);
				assert_int_equal(got.have, 0);
				assert_int_equal(got.n_sack, 0);
				continue;
			}
			assert_int_equal(parse(o, sizeof(o), SYN), 0);
			if (kind == 5 ? len > 2 && len % 8 == 2
				      : kind < RTE_DIM(right) && right[kind] == len)
				assert_int_equal(got.have, flag[kind]);
			else
				assert_int_equal(got.have, 0);
			/* exactly to the end, and a byte beyond it */
			assert_int_equal(parse(o, len, SYN), 0);
			assert_int_equal(parse(o, len - 1, SYN), -EBADMSG);
			assert_int_equal(got.have, 0);
		}
	}
}

static void
test_malformed(void **state)
{
	(void)state;
	/* a kind, and then the end */
	assert_int_equal(PARSE(SYN, 1, 1, 1, 2), -EBADMSG);
	/* what was good before is not used either */
	assert_int_equal(PARSE(SYN, 2, 4, 5, 0xb4, 4, 2, 8, 10), -EBADMSG);
	assert_int_equal(got.have, 0);
	assert_int_equal(PARSE(SYN, 8, 0, 0, 0), -EBADMSG);
	assert_int_equal(PARSE(SYN, 8, 1, 0, 0), -EBADMSG);
	/* behind the end of the list there may be anything */
	assert_int_equal(PARSE(SYN, 4, 2, 0, 2, 0, 0, 2, 4), 0);
	assert_int_equal(got.have, OPT_SACK_OK);
	assert_int_equal(PARSE(ACK, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0);
	assert_int_equal(got.have, 0);
	assert_int_equal(PARSE(ACK, 5, 2, 0, 0), 0);
	assert_int_equal(got.have, 0);
}

static void
assert_opts_equal(const struct tcp_opts *a, const struct tcp_opts *b, unsigned int n_sack)
{
	assert_int_equal(a->have, b->have);
	if ((a->have & OPT_MSS) != 0)
		assert_int_equal(a->mss, b->mss);
	if ((a->have & OPT_WS) != 0)
		assert_int_equal(a->wscale, b->wscale);
	if ((a->have & OPT_TS) != 0) {
		assert_int_equal(a->ts_val, b->ts_val);
		assert_int_equal(a->ts_ecr, b->ts_ecr);
	}
	assert_int_equal(a->n_sack, n_sack);
	assert_memory_equal(a->sack, b->sack, n_sack * sizeof(a->sack[0]));
}

/* Every combination, with every number of blocks: written as announced, read as written. */
static void
test_round_trip(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 32u * (SACK_MAX + 1); i++) {
		struct tcp_opts o = { .have = i % 32,
			.mss = 0x1234,
			.wscale = 11,
			.ts_val = 0x89abcdef,
			.ts_ecr = 0x76543210,
			.n_sack = i / 32 };
		uint8_t buf[TCP_HDR_MAX - TCP_HDR_MIN + 1];
		unsigned int len, fit;

		for (unsigned int b = 0; b < SACK_MAX; b++)
			o.sack[b] = (struct sack_block){ 0xf0000000 + b, b << 8 };
		memset(buf, 0xdd, sizeof(buf));
		len = opts_write(buf, &o);
		assert_int_equal(len, opts_len(&o));
		assert_int_equal(len % 4, 0);
		assert_true(len <= TCP_HDR_MAX - TCP_HDR_MIN);
		assert_int_equal(buf[len], 0xdd);
		assert_int_equal(parse(buf, len, SYN), 0);
		fit = (o.have & OPT_SACK) != 0 ? got.n_sack : 0;
		assert_true(fit == o.n_sack || len + 8 > TCP_HDR_MAX - TCP_HDR_MIN ||
				(o.have & OPT_SACK) == 0);
		if (fit == 0)
			o.have &= ~OPT_SACK;
		assert_opts_equal(&got, &o, fit);
	}
}

/* The numbers that others count on. */
static void
test_sizes(void **state)
{
	struct tcp_opts o = { .have = ALL_SYN };

	(void)state;
	assert_int_equal(opts_len(&o), 20);
	o = (struct tcp_opts){ .have = OPT_TS };
	assert_int_equal(opts_len(&o), 12);
	o = (struct tcp_opts){ .have = OPT_TS | OPT_SACK, .n_sack = 4 };
	assert_int_equal(opts_len(&o), 12 + 4 + 3 * 8);
	o = (struct tcp_opts){ .have = OPT_SACK, .n_sack = 4 };
	assert_int_equal(opts_len(&o), 4 + 4 * 8);
	o = (struct tcp_opts){ .have = OPT_SACK, .n_sack = 200 };
	assert_int_equal(opts_len(&o), 4 + 4 * 8);
	o = (struct tcp_opts){ .have = OPT_SACK };
	assert_int_equal(opts_len(&o), 0);
}

/* The short way says the same as the long one, where it says something. */
static void
test_fast(void **state)
{
	struct tcp_opts o = { .have = OPT_TS, .ts_val = 77, .ts_ecr = 0xfffffffe }, fast;
	uint8_t buf[40];
	unsigned int len = opts_write(buf, &o);

	(void)state;
	assert_true(opts_parse_fast(header(buf, len, ACK), TCP_HDR_MIN + len, &fast));
	assert_opts_equal(&fast, &o, 0);
	assert_true(opts_parse_fast(header(buf, 0, ACK), TCP_HDR_MIN, &fast));
	assert_int_equal(fast.have, 0);
	buf[1] = 0;
	assert_false(opts_parse_fast(header(buf, len, ACK), TCP_HDR_MIN + len, &fast));
	o = (struct tcp_opts){ .have = OPT_SACK, .n_sack = 1 };
	len = opts_write(buf, &o);
	assert_int_equal(len, 12);
	assert_false(opts_parse_fast(header(buf, len, ACK), TCP_HDR_MIN + len, &fast));
}

/* Random bytes, small ones mostly, so that kinds and lengths are often good. */
static void
test_garbage(void **state)
{
	unsigned int good = 0, bad = 0, sacks = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000000; i++) {
		unsigned int len = (unsigned int)rte_rand_max(11) * 4;
		uint8_t o[40];
		int ret;

		for (unsigned int j = 0; j < len; j++)
			o[j] = (uint8_t)rte_rand_max(rte_rand_max(4) != 0 ? 12 : 256);
		ret = parse(o, len, rte_rand_max(2) != 0 ? SYN : ACK);
		assert_true(ret == 0 || ret == -EBADMSG);
		assert_true((got.have & ~(ALL_SYN | OPT_SACK)) == 0);
		assert_true(got.n_sack <= SACK_MAX);
		assert_int_equal(got.n_sack > 0, (got.have & OPT_SACK) != 0);
		assert_true((got.have & OPT_WS) == 0 || got.wscale <= 14);
		assert_true(ret == 0 || got.have == 0);
		good += ret == 0;
		bad += ret != 0;
		sacks += got.n_sack > 0;
	}
	assert_true(good > 10000);
	assert_true(bad > 10000);
	assert_true(sacks > 100);
}

static int
setup(void **state)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(
			NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	rte_srand(23);
	if (p == MAP_FAILED || mprotect(p + size, size, PROT_NONE) != 0)
		return -1;
	page_end = p + size;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_syn_only),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_fast),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
