/* SPDX-License-Identifier: BSD-3-Clause */
/* Secrets (secret.c): keyed MD5, as RFC 6528 section 3 has it. */
#ifndef DPVMA_TCP_SECRET_H
#define DPVMA_TCP_SECRET_H

#include <stdint.h>

#include "tcp/tcp.h"

struct secret {
	uint8_t key[16];
};
/** RFC 6528: a clock of 64 ns plus a hash of the key. */
uint32_t isn_make(const struct secret *s, const struct tcp_key *key, uint64_t now);
/** Added to the millisecond clock, so that timestamps tell nothing (RFC 7323 7.1). */
uint32_t ts_offset(const struct secret *s, const struct tcp_key *key);
/**
 * SYN cookie: a sequence number that holds, under a hash, the minute and the index of an MSS.
 * @param peer_isn of the SYN
 */
uint32_t cookie_make(const struct secret *s, const struct tcp_key *key, uint32_t peer_isn,
		uint16_t mss, uint64_t now);
/** @return the MSS (a value of the table at or below the peer's), or 0: no cookie of the last two
 * minutes */
uint16_t cookie_check(const struct secret *s, const struct tcp_key *key, uint32_t peer_isn,
		uint32_t cookie, uint64_t now);
/** Seeded random numbers for everything that needs no secrecy: xorshift. */
uint64_t random_next(uint64_t *state);

#endif
