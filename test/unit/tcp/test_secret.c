/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Secrets: the clock in sequence numbers, what each depends on, how long a cookie is good and for
 * whom, and that guesses are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_random.h>

#include "tcp/tcp_priv.h"

#define MINUTE (60 * SEC)

static const struct secret secret = { .key = "0123456789abcde" };
static const struct secret other = { .key = "0123456789abcdf" };

static struct tcp_key
key(uint16_t rport)
{
	return (struct tcp_key){
		.local = ip_from_v4(RTE_BE32(0x0a000001)),
		.remote = ip_from_v4(RTE_BE32(0x0a000002)),
		.lport = RTE_BE16(80),
		.rport = rte_cpu_to_be_16(rport),
	};
}

static void
test_isn_clock(void **state)
{
	struct tcp_key k = key(1);
	uint64_t minutes = UINT64_C(5) * 60 * SEC;
	uint32_t first = isn_make(&secret, &k, 0), last = first;

	(void)state;
	/* one each 64 ns, and round after 4.6 minutes */
	for (uint64_t t = 0; t < minutes; t += 12345678) {
		uint32_t isn = isn_make(&secret, &k, t);

		assert_int_equal((uint32_t)(isn - first), (uint32_t)(t / 64));
		assert_true(seq_leq(last, isn));
		last = isn;
	}
	assert_int_equal(isn_make(&secret, &k, 63), first);
	assert_int_equal(isn_make(&secret, &k, 64), first + 1);
}

/* Every byte of the key and the secret change sequence number, offset and cookie. */
static void
test_depends(void **state)
{
	struct tcp_key k = key(1);
	uint32_t isn = isn_make(&secret, &k, 0), off = ts_offset(&secret, &k);
	uint32_t c = cookie_make(&secret, &k, 5, 1460, 0);

	(void)state;
	assert_int_not_equal(isn, off);
	assert_int_not_equal(isn_make(&other, &k, 0), isn);
	assert_int_not_equal(ts_offset(&other, &k), off);
	assert_int_equal(ts_offset(&secret, &k), off);
	assert_int_not_equal(cookie_make(&other, &k, 5, 1460, 0), c);
	assert_int_not_equal(cookie_make(&secret, &k, 6, 1460, 0), c);
	assert_int_not_equal(cookie_make(&secret, &k, 5, 1460, MINUTE), c);
	assert_int_equal(cookie_make(&secret, &k, 5, 1460, MINUTE - 1), c);
	for (unsigned int i = 0; i < offsetof(struct tcp_key, zero); i++) {
		struct tcp_key changed = k;

		((uint8_t *)&changed)[i] ^= 0x80;
		assert_int_not_equal(isn_make(&secret, &changed, 0), isn);
		assert_int_not_equal(ts_offset(&secret, &changed), off);
		assert_int_not_equal(cookie_make(&secret, &changed, 5, 1460, 0), c);
		assert_int_equal(cookie_check(&secret, &changed, 5, c, 0), 0);
	}
}

/* Whatever the peer announced, the cookie remembers no more, and the usual sizes exactly. */
static void
test_cookie_mss(void **state)
{
	static const uint16_t usual[] = { 88, 536, 1220, 1440, 1460, 8940, 8960 };
	struct tcp_key k = key(2);
	unsigned int values = 0;
	uint16_t last = 0;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(usual); i++)
		assert_int_equal(cookie_check(&secret, &k, 9,
						 cookie_make(&secret, &k, 9, usual[i], 0), 0),
				usual[i]);
	for (uint32_t mss = MSS_MIN; mss <= UINT16_MAX; mss++) {
		uint32_t c = cookie_make(&secret, &k, mss, (uint16_t)mss, MINUTE);
		uint16_t got = cookie_check(&secret, &k, mss, c, MINUTE);

		assert_in_range(got, MSS_MIN, mss);
		assert_true(got >= last);
		values += got != last;
		last = got;
	}
	assert_int_equal(values, 8);
	/* below the least the least comes back, as the engine would take it */
	assert_int_equal(cookie_check(&secret, &k, 9, cookie_make(&secret, &k, 9, 0, 0), 0),
			MSS_MIN);
}

static void
test_cookie_age(void **state)
{
	struct tcp_key k = key(3);

	(void)state;
	for (unsigned int i = 0; i < 500; i++) {
		uint64_t made = rte_rand_max(1000 * MINUTE), end = (made / MINUTE + 2) * MINUTE;
		uint32_t peer_isn = (uint32_t)rte_rand(), c;

		c = cookie_make(&secret, &k, peer_isn, 1460, made);
		assert_int_equal(cookie_check(&secret, &k, peer_isn, c, made), 1460);
		assert_int_equal(cookie_check(&secret, &k, peer_isn, c, made + MINUTE), 1460);
		assert_int_equal(cookie_check(&secret, &k, peer_isn, c, end - 1), 1460);
		assert_int_equal(cookie_check(&secret, &k, peer_isn, c, end), 0);
		assert_int_equal(cookie_check(&secret, &k, peer_isn, c, end + 1000 * MINUTE), 0);
		assert_int_equal(cookie_check(&secret, &k, peer_isn + 1, c, made), 0);
		assert_int_equal(cookie_check(&other, &k, peer_isn, c, made), 0);
		/* from the future: a minute that is not yet */
		if (made >= MINUTE)
			assert_int_equal(cookie_check(&secret, &k, peer_isn, c, made - MINUTE), 0);
	}
	/* in the first minute there is no minute before */
	assert_int_equal(cookie_check(&secret, &k, 1, cookie_make(&secret, &k, 1, 536, 0), 0), 536);
}

/* Guesses, and good cookies with a few bits turned: 2^-28 each is none in so many. */
static void
test_cookie_forged(void **state)
{
	struct tcp_key k = key(4);
	unsigned int good = 0;

	(void)state;
	for (unsigned int i = 0; i < 300000; i++)
		good += cookie_check(&secret, &k, 77, (uint32_t)rte_rand(), 5 * MINUTE) != 0;
	for (unsigned int i = 0; i < 2000; i++) {
		uint32_t c = cookie_make(&secret, &k, i, 1460, 5 * MINUTE);

		for (unsigned int bit = 0; bit < 32; bit++)
			good += cookie_check(&secret, &k, i, c ^ UINT32_C(1) << bit, 5 * MINUTE) !=
					0;
		/* another MSS in the cookie of this one: the three low bits */
		for (uint32_t x = 1; x < 8; x++)
			good += cookie_check(&secret, &k, i, c ^ x, 5 * MINUTE) != 0;
	}
	assert_int_equal(good, 0);
}

/* All bits of cookies vary, those of the index too: an observer reads no MSS from them. */
static void
test_cookie_hides(void **state)
{
	unsigned int ones[32] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 4000; i++) {
		struct tcp_key k = key((uint16_t)i);
		uint32_t c = cookie_make(&secret, &k, 1, 1460, 0);

		for (unsigned int bit = 0; bit < 32; bit++)
			ones[bit] += c >> bit & 1;
	}
	for (unsigned int bit = 0; bit < 32; bit++)
		assert_in_range(ones[bit], 1800, 2200); /* 6 sigma */
}

static void
test_random(void **state)
{
	uint64_t a = 1, b = 1, c = 0, ones[64] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		uint64_t x = random_next(&a);

		assert_true(x == random_next(&b));
		for (unsigned int bit = 0; bit < 64; bit++)
			ones[bit] += x >> bit & 1;
	}
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_in_range(ones[bit], 49000, 51000);
	/* zero is no seed that stays */
	assert_true(random_next(&c) != random_next(&c));
	assert_true(c != 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_isn_clock),
		cmocka_unit_test(test_depends),
		cmocka_unit_test(test_cookie_mss),
		cmocka_unit_test(test_cookie_age),
		cmocka_unit_test(test_cookie_forged),
		cmocka_unit_test(test_cookie_hides),
		cmocka_unit_test(test_random),
	};

	rte_srand(22);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
