/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random traffic and random reads against a model of the rules, from a fixed seed: whatever
 * arrives and however it is read, every good packet is returned once, in order, unchanged until the
 * next read, at the promised distance; nothing else is; and runs are as long as the rules allow.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

#define PACKETS 60000
#define ROUNDS 12

static uint32_t rng_state;

static uint32_t
rng(uint32_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 17;
	rng_state ^= rng_state << 5;
	return rng_state % below;
}

/* What is to come back, in order. */
static struct {
	uint32_t seq, payload;
} expected[PACKETS];
static uint32_t n_expected, n_returned, n_dropped_size;
static struct cyclic_run run;
static struct wire_conf setup;
static uint32_t longest;

static bool
fits(const struct wire_packet *p)
{
	switch (setup.profile.mode) {
	case CYCLIC_PADDED:
		return true;
	case CYCLIC_RAW:
		return p->payload <= setup.profile.stride_bytes;
	default:
		return p->payload <= (uint32_t)setup.profile.stride_bytes + setup.profile.hdr_bytes;
	}
}

static enum kind
random_kind(void)
{
	enum kind kind = rng(12) == 0 ? (enum kind)rng(KINDS) : GOOD;

	/* Where the device steers nobody else's flow arrives. */
	if (kind == MALFORMED || ((kind == FOREIGN || kind == MISSENT) && setup.isolated))
		kind = GOOD;
	return kind;
}

static void
send_some(uint32_t *seq, uint32_t n)
{
	while (n-- > 0 && *seq < PACKETS) {
		struct wire_packet p = { .seq = *seq, .kind = random_kind(), .payload = 64 };

		if (rng(10) == 0)
			p.payload = 8 + rng(longest);
		if (setup.source == WIRE_ORDERED && wire_frame_len(&p) > wire_ring.stride)
			p.payload = 64;
		if (!wire_send(&p))
			return;
		(*seq)++;
		if (p.kind == BAD || p.kind == FOREIGN || p.kind == MISSENT || p.kind == SLOW)
			continue;
		if (!fits(&p)) {
			n_dropped_size++;
			continue;
		}
		expected[n_expected].seq = p.seq;
		expected[n_expected++].payload = p.payload;
	}
}

/* Is the run still the expected packets from @p from on? */
static void
check_run(uint32_t from)
{
	enum cyclic_mode mode = setup.profile.mode;
	uint32_t slot = (uint32_t)(run.payload_len / run.packets);
	const uint8_t *p = run.payload;

	if (mode == CYCLIC_PADDED && run.packets > 1)
		assert_int_equal(slot, ring_profile_padded_stride(&setup.profile));
	for (size_t k = 0; k < run.packets; k++, p += slot) {
		uint32_t seq = expected[from + k].seq, payload = expected[from + k].payload;
		uint32_t net = mode == CYCLIC_PADDED || mode == CYCLIC_RAW ? 42 : 0;
		uint32_t in_hdr =
				net != 0 ? 0 : RTE_MIN(payload, (uint32_t)setup.profile.hdr_bytes);

		assert_true(wire_payload_is(p + net, seq, in_hdr, payload - in_hdr));
	}
}

static uint64_t
breaks(void)
{
	uint64_t n = 0;

	for (int i = CYCLIC_STAT_break_buffer_end; i <= CYCLIC_STAT_break_idle; i++)
		n += cyclic_stats(wire_cyclic)->c[i];
	return n;
}

static void
traffic(uint32_t seed)
{
	uint32_t seq = 0, errors = 0, idle = 0;

	rng_state = seed;
	n_expected = n_returned = n_dropped_size = 0;
	wire_up(&setup);
	while (seq < PACKETS || idle < 3) {
		size_t max = 1 + rng(300), min = rng(4) == 0 ? rng((uint32_t)max + 1) : rng(2);
		uint64_t was_idle = STAT(break_idle);
		uint32_t first = n_returned;
		int ret;

		send_some(&seq, rng(200));
		if (seq == PACKETS)
			min = 1;
		ret = cyclic_read(wire_cyclic, min, max, false, &run);
		if (ret == -EMSGSIZE) {
			errors++;
			continue;
		}
		assert_int_equal(ret, 0);
		idle = run.packets == 0 ? idle + 1 : 0;
		if (run.packets == 0)
			continue;
		assert_true(run.packets <= max);
		/* Fewer than wanted only when the run could not go on. */
		if (run.packets < min)
			assert_int_equal(STAT(break_idle), was_idle);
		n_returned += (uint32_t)run.packets;
		assert_true(n_returned <= n_expected);
		check_run(first);
		send_some(&seq, rng(100));
		if (rng(3) == 0)
			wire_ring.intake(&wire_ring, wire_ring.reader);
		check_run(first);
	}
	assert_int_equal(n_returned, n_expected);
	assert_int_equal(STAT(packets), n_expected);
	assert_int_equal(STAT(drop_oversize), n_dropped_size);
	assert_true(errors <= n_dropped_size && (errors > 0) == (n_dropped_size > 0));
	assert_int_equal(breaks(), STAT(runs));
	wire_down();
}

static void
test_random(void **state)
{
	static const struct {
		enum wire_source source;
		enum cyclic_mode mode;
		uint16_t stride_bytes, hdr_bytes;
		uint32_t strides;
	} kinds[] = {
		{ WIRE_DEVICE, CYCLIC_PADDED, 200, 0, 64 },
		{ WIRE_DEVICE, CYCLIC_PADDED, 200, 0, 7 },
		{ WIRE_ORDERED, CYCLIC_PADDED, 200, 0, 2048 },
		{ WIRE_PLAIN, CYCLIC_PADDED, 200, 0, 0 },
		{ WIRE_PLAIN, CYCLIC_RAW, 100, 0, 0 },
		{ WIRE_PLAIN, CYCLIC_STRIP, 100, 16, 0 },
		{ WIRE_PLAIN, CYCLIC_SEPARATE, 100, 0, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(kinds) * ROUNDS; i++) {
		unsigned int k = i % RTE_DIM(kinds);

		setup = (struct wire_conf){
			.source = kinds[k].source,
			.isolated = rng_state % 2 == 0,
			.any = rng_state % 3 == 0,
			.strides = kinds[k].strides,
			.burst = (uint16_t)(8 + i * 31 % 249),
			.profile = {
				.type = RING_PROFILE_CYCLIC,
				.num = 64 + i * 100,
				.stride_bytes = kinds[k].stride_bytes,
				.hdr_bytes = kinds[k].hdr_bytes,
				.mode = kinds[k].mode,
			},
		};
		longest = kinds[k].mode == CYCLIC_PADDED ? (kinds[k].strides == 7 ? 1400 : 2000)
							 : 140;
		traffic(i + 1);
	}
}

/*
 * Everything waits before one read after another: the runs are exactly those that the rules give,
 * found here from the list of packets alone.
 */
static void
test_exact_runs(void **state)
{
	enum { N = 4000, STRIDES = 32 };
	static struct wire_packet sent[N];

	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++) {
		uint32_t at = 0, in_buffer = 0, i;

		setup = (struct wire_conf){
			.source = WIRE_DEVICE,
			.isolated = true,
			.strides = STRIDES,
			.profile = { RING_PROFILE_CYCLIC, N, 200, 0, CYCLIC_PADDED },
		};
		rng_state = seed;
		wire_up(&setup);
		/* As many as the device has buffers for. */
		for (i = 0; i < STRIDES * 11; i++) {
			sent[i] = (struct wire_packet){ .seq = i,
				.payload = 64,
				.kind = rng(8) == 0 ? (rng(2) == 0 ? BAD : COPIED) : GOOD };
			assert_true(wire_send(&sent[i]));
		}
		while (at < i) {
			uint32_t n = 0, from;
			bool copied;

			while (at < i && sent[at].kind == BAD) {
				at++;
				in_buffer = (in_buffer + 1) % STRIDES;
			}
			from = at;
			copied = at < i && sent[at].kind == COPIED;
			while (at < i && sent[at].kind != BAD &&
					(sent[at].kind == COPIED) == copied) {
				/* Copied packets lie in the reader's buffer, whatever the device's.
				 */
				if (n > 0 && in_buffer == 0 && !copied)
					break;
				n++;
				at++;
				in_buffer = (in_buffer + 1) % STRIDES;
			}
			assert_int_equal(cyclic_read(wire_cyclic, 0, N, false, &run), 0);
			assert_int_equal(run.packets, n);
			for (uint32_t k = 0; k < n; k++)
				assert_true(wire_payload_is((uint8_t *)run.payload + k * 256 + 42,
						sent[from + k].seq, 0, 64));
		}
		wire_down();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_exact_runs),
	};
	int ret;

	if (wire_init() != 0)
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	wire_fini();
	return ret;
}
