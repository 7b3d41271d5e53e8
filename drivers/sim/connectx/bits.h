/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Big-endian bit fields and words, the form of everything the device reads or writes. A field of
 * prm.h is a pair "offset, width", both in bits from the start of its structure:
 * GET(buf, F_x__y), SET(buf, F_x__y, value), PTR(buf, F_x__y).
 */
#ifndef CONNECTX_BITS_H
#define CONNECTX_BITS_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
bits_get(const void *p, size_t off, size_t n)
{
	const uint8_t *b = p;
	uint64_t v = 0;
	size_t i, end = off + n;

	if (!(off & 7) && !(n & 7)) {
		for (i = off / 8; i < end / 8; i++)
			v = v << 8 | b[i];
		return v;
	}
	for (i = off; i < end; i++)
		v = v << 1 | ((b[i >> 3] >> (7 - (i & 7))) & 1);
	return v;
}

static inline void
bits_set(void *p, size_t off, size_t n, uint64_t v)
{
	uint8_t *b = p;
	size_t i;

	for (i = 0; i < n; i++) {
		size_t pos = off + n - 1 - i;
		uint8_t m = 1u << (7 - (pos & 7));

		if (v >> i & 1)
			b[pos >> 3] |= m;
		else
			b[pos >> 3] &= ~m;
	}
}

static inline void *
bits_ptr(const void *p, size_t off, size_t n)
{
	(void)n;
	return (uint8_t *)(uintptr_t)p + off / 8;
}

/* Two levels, so that a field's pair becomes two arguments. */
#define GET_(p, off, n) bits_get(p, off, n)
#define GET(p, ...) GET_(p, __VA_ARGS__)
#define SET_(p, off, n, v) bits_set(p, off, n, v)
#define SET(p, ...) SET_(p, __VA_ARGS__)
#define PTR_(p, off, n) bits_ptr(p, off, n)
#define PTR(p, ...) PTR_(p, __VA_ARGS__)

static inline uint16_t
be16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t
be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void
put16(void *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put32(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put64(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

#endif
