/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum's sum of bytes that lie in one piece (RFC 1071). */
#ifndef DPVMA_NET_SUM_H
#define DPVMA_NET_SUM_H

#include <stddef.h>
#include <stdint.h>

/**
 * Ones' complement sum of @p len bytes as 16-bit words of the machine, an odd last byte being
 * followed by a zero: what rte_raw_cksum() gives, but for one of the two zeros. By vectors of what
 * the processor has. Any thread.
 */
uint16_t net_sum_bytes(const void *bytes, size_t len);

/** The same by the code for every processor, for tests. */
uint16_t net_sum_bytes_plain(const void *bytes, size_t len);

#endif
