/* SPDX-License-Identifier: BSD-3-Clause */
/* Internet checksums (RFC 1071): sums of 16-bit words in native order, folded at the end. */
#include "connectx.h"
#include "hw.h"

uint64_t
cx_sum(const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint64_t s = 0, w;
	uint32_t i;
	uint16_t v;

	/* 32-bit halves cannot overflow 64 bits in a frame; folding makes them 16-bit words */
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&w, p + i, 8);
		s += (w & 0xffffffff) + (w >> 32);
	}
	for (; i + 2 <= len; i += 2) {
		memcpy(&v, p + i, 2);
		s += v;
	}
	if (i < len)
		s += le16toh(p[i]);
	return s;
}

uint16_t
cx_fold(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* The pseudo header of TCP and UDP: addresses, length, protocol. */
uint64_t
cx_sum_pseudo(const struct cx_pkt *p, uint32_t l4_len, uint8_t proto)
{
	const uint8_t *ip = p->data + p->l3_off;
	uint64_t s = p->l3 == L3_IPV4 ? cx_sum(ip + 12, 8) : cx_sum(ip + 8, 32);

	return s + htobe16(l4_len) + htobe16(proto);
}
