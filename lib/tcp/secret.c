/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that a peer must not be able to guess: initial sequence numbers, timestamp offsets and
 * SYN cookies, all from MD5 over a connection's key and a secret (RFC 6528 section 3). And random
 * numbers that need no secrecy. Where the secret comes from is the engine's matter.
 *
 * A cookie:	31            3 2     0
 *		|  proof: 29   | index |
 *
 * One digest for key, peer's sequence number and minute gives two 64-bit words d0 and d1. The proof
 * is the top of d0 + index * d1, a strongly universal hash: who has seen the cookie of one index
 * knows nothing of another's. The index is hidden under low bits of d0. Two minutes are accepted,
 * so a guess is right with a probability of 2^-28.
 */
#include <md5.h>

#include "tcp/tcp_priv.h"

/*
 * ns. RFC 9293 3.4.1 has 4 us, in which 250 KB/s are sent; a request and its answer fill so many
 * ticks that the next connection of a number, which comes within a millisecond here, would begin
 * below the end of the one in TIME-WAIT, and be refused for minutes. It goes round in 4.6 minutes,
 * more than two maximum segment lives.
 */
#define ISN_TICK 64u
#define MINUTE (60 * SEC)
#define INDEX_BITS 3u
#define INDEX_MASK ((1u << INDEX_BITS) - 1)

/* What a digest is for, so that none tells anything of another. */
enum use { USE_ISN = 1, USE_TS, USE_COOKIE };

/*
 * MSS values of cookies: the least we take, the default of IPv4 and of IPv6, usual tunnels,
 * Ethernet under IPv6 and IPv4, and both with jumbo frames.
 */
static const uint16_t cookie_mss[1u << INDEX_BITS] = { MSS_MIN, MSS_DEFAULT, 1220, 1380, 1440, 1460,
	8940, 8960 };

struct digest {
	uint64_t d[2];
};

static struct digest
digest(const struct secret *s, const struct tcp_key *key, enum use use, uint32_t peer_isn,
		uint64_t minute)
{
	struct {
		uint32_t use, peer_isn;
		uint64_t minute;
		struct tcp_key key;
		struct secret secret;
	} in = { .use = use, .peer_isn = peer_isn, .minute = minute, .key = *key, .secret = *s };
	struct digest out;
	MD5_CTX ctx;

	MD5Init(&ctx);
	MD5Update(&ctx, (const uint8_t *)&in, sizeof(in));
	MD5Final((uint8_t *)&out, &ctx);
	return out;
}

uint32_t
isn_make(const struct secret *s, const struct tcp_key *key, uint64_t now)
{
	return (uint32_t)(now / ISN_TICK) + (uint32_t)digest(s, key, USE_ISN, 0, 0).d[0];
}

uint32_t
ts_offset(const struct secret *s, const struct tcp_key *key)
{
	return (uint32_t)digest(s, key, USE_TS, 0, 0).d[0];
}

static uint32_t
cookie(const struct digest *d, uint32_t index)
{
	uint32_t proof = (d->d[0] + index * d->d[1]) >> 32;

	return (proof & ~INDEX_MASK) | ((index ^ (uint32_t)d->d[0]) & INDEX_MASK);
}

uint32_t
cookie_make(const struct secret *s, const struct tcp_key *key, uint32_t peer_isn, uint16_t mss,
		uint64_t now)
{
	struct digest d = digest(s, key, USE_COOKIE, peer_isn, now / MINUTE);
	uint32_t index = INDEX_MASK;

	while (index > 0 && cookie_mss[index] > mss)
		index--;
	return cookie(&d, index);
}

uint16_t
cookie_check(const struct secret *s, const struct tcp_key *key, uint32_t peer_isn, uint32_t given,
		uint64_t now)
{
	uint64_t minute = now / MINUTE;

	for (unsigned int age = 0; age < 2; age++) {
		struct digest d = digest(s, key, USE_COOKIE, peer_isn, minute - age);
		uint32_t index = (given ^ (uint32_t)d.d[0]) & INDEX_MASK;

		if (given == cookie(&d, index))
			return cookie_mss[index];
	}
	return 0;
}

uint64_t
random_next(uint64_t *state)
{
	uint64_t x = *state;

	if (unlikely(x == 0)) /* where xorshift stays for ever */
		x = UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}
