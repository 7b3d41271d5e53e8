/* SPDX-License-Identifier: BSD-3-Clause */
/* The sum of bytes, against DPDK's word by word one: every length, alignment and kind of content.
 */
#include <stdlib.h>

#include <rte_ip.h>

#include "net/sum.h"
#include "world.h"

#define MOST 300
#define LARGE 65535

static uint8_t bytes[LARGE + 64];

static uint16_t
zero_is_one(uint16_t sum)
{
	return sum == 0xffff ? 0 : sum;
}

static void
compare(unsigned int at, unsigned int len)
{
	uint16_t want = zero_is_one(rte_raw_cksum(bytes + at, len));

	assert_int_equal(zero_is_one(net_sum_bytes(bytes + at, len)), want);
	assert_int_equal(zero_is_one(net_sum_bytes_plain(bytes + at, len)), want);
}

static void
every_length(void **state)
{
	(void)state;
	srand(7);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand();
	for (unsigned int len = 0; len <= MOST; len++)
		for (unsigned int at = 0; at < 33; at++)
			compare(at, len);
	for (unsigned int at = 0; at < 33; at++)
		compare(at, LARGE);
}

/* Every carry there can be. */
static void
all_ones(void **state)
{
	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	for (unsigned int len = 0; len <= MOST; len++)
		compare(len % 33, len);
	compare(1, LARGE);
	memset(bytes, 0, sizeof(bytes));
	compare(3, LARGE);
	assert_int_equal(net_sum_bytes(bytes, LARGE), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length),
		cmocka_unit_test(all_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
