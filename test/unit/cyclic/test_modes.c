/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modes that are packed by copy: what of a frame goes where, at what distance, and what happens
 * to datagrams that do not fit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

static struct cyclic_run run;

static struct wire_conf
conf_of(enum cyclic_mode mode, uint16_t stride_bytes, uint16_t hdr_bytes)
{
	struct wire_conf conf = {
		.source = WIRE_PLAIN,
		.isolated = true,
		.profile = {
			.type = RING_PROFILE_CYCLIC,
			.num = 300,
			.stride_bytes = stride_bytes,
			.hdr_bytes = hdr_bytes,
			.mode = mode,
		},
	};

	return conf;
}

static void
read_run(size_t min, size_t max)
{
	memset(&run, 0x55, sizeof(run));
	assert_int_equal(cyclic_read(wire_cyclic, min, max, false, &run), 0);
}

/* Are these the network headers of our packets? */
static void
expect_net(const uint8_t *h, bool vlan, uint32_t payload)
{
	uint32_t l2 = vlan ? 18 : 14;

	assert_int_equal(h[0], 0x02);
	assert_int_equal(h[12], vlan ? 0x81 : 0x08);
	assert_int_equal(h[l2], 0x45);
	assert_int_equal(h[l2 + 24] << 8 | h[l2 + 25], payload + 8);
}

/* Sends n packets, reads them, and checks all of it. */
static void
round_of(enum cyclic_mode mode, uint16_t stride_bytes, uint16_t hdr_bytes, uint32_t payload,
		bool vlan, uint32_t *seq, unsigned int n)
{
	uint32_t net = vlan ? 46 : 42, first = *seq;
	uint32_t slot = mode == CYCLIC_RAW ? net + stride_bytes : stride_bytes;
	uint32_t hdr_slot =
			mode == CYCLIC_RAW ? 0 : hdr_bytes + (mode == CYCLIC_SEPARATE ? net : 0);
	unsigned int done = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct wire_packet p = { .seq = (*seq)++, .payload = payload, .vlan = vlan };

		assert_true(wire_send(&p));
	}
	while (done < n) {
		const uint8_t *p, *h;

		read_run(1, 1000);
		assert_true(run.packets >= 1 && run.packets <= n - done);
		assert_int_equal(run.payload_len, run.packets * slot);
		assert_int_equal(run.usr_hdr_len, run.packets * hdr_slot);
		assert_int_equal(run.usr_hdr == NULL, hdr_slot == 0);
		p = run.payload;
		h = run.usr_hdr;
		for (size_t k = 0; k < run.packets; k++, p += slot, h += hdr_slot) {
			uint32_t s = first + done + (uint32_t)k;
			uint32_t in_hdr = mode == CYCLIC_RAW ? 0 : RTE_MIN(payload, hdr_bytes);
			const uint8_t *user = h;

			if (mode == CYCLIC_RAW) {
				expect_net(p, vlan, payload);
				assert_true(wire_payload_is(p + net, s, 0, payload));
				continue;
			}
			if (mode == CYCLIC_SEPARATE) {
				expect_net(h, vlan, payload);
				user += net;
			}
			assert_true(wire_payload_is(user, s, 0, in_hdr));
			assert_true(wire_payload_is(p, s, in_hdr, payload - in_hdr));
		}
		done += (unsigned int)run.packets;
	}
}

static void
test_modes(void **state)
{
	static const uint16_t strides[] = { 1, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 200, 256,
		700, 1400 };
	static const uint16_t hdrs[] = { 0, 3, 16, 50 };

	(void)state;
	for (enum cyclic_mode mode = CYCLIC_RAW; mode <= CYCLIC_SEPARATE; mode++) {
		for (unsigned int i = 0; i < RTE_DIM(strides); i++) {
			for (unsigned int h = 0; h < RTE_DIM(hdrs); h++) {
				uint16_t hdr = hdrs[h], bytes = strides[i];
				uint32_t payload = bytes + hdr, seq = 0;
				struct wire_conf conf = conf_of(mode, bytes, hdr);

				if ((mode == CYCLIC_RAW && hdr != 0) || payload < 4)
					continue;
				wire_up(&conf);
				/* More than once around the buffer. */
				for (int r = 0; r < 8; r++)
					round_of(mode, bytes, hdr, payload, false, &seq, 100);
				/* And a little less than a slot. */
				if (payload > 5)
					round_of(mode, bytes, hdr, payload - 1, false, &seq, 10);
				assert_int_equal(STAT(copies), STAT(packets));
				wire_down();
			}
		}
	}
}

/* With a tag the network headers are longer, and so is what a packet takes. */
static void
test_vlan(void **state)
{
	(void)state;
	for (enum cyclic_mode mode = CYCLIC_RAW; mode <= CYCLIC_SEPARATE; mode++) {
		struct wire_conf conf = conf_of(mode, 100, 0);
		struct wire_packet p = { .payload = 100 };
		uint32_t seq = 0;

		wire_up(&conf);
		round_of(mode, 100, 0, 100, true, &seq, 400);
		/* Both kinds at once: the distance changes where one follows the other. */
		p.seq = seq++;
		assert_true(wire_send(&p));
		p.seq = seq++;
		p.vlan = true;
		assert_true(wire_send(&p));
		read_run(1, 10);
		if (mode == CYCLIC_RAW) {
			assert_int_equal(run.packets, 1);
			assert_int_equal(run.payload_len, 142);
			assert_int_equal(STAT(break_gap), 1);
			read_run(1, 10);
			assert_int_equal(run.payload_len, 146);
		} else if (mode == CYCLIC_STRIP) {
			assert_int_equal(run.packets, 2);
		}
		wire_down();
	}
}

static void
test_oversize(void **state)
{
	(void)state;
	for (enum cyclic_mode mode = CYCLIC_RAW; mode <= CYCLIC_SEPARATE; mode++) {
		struct wire_conf conf = conf_of(mode, 100, mode == CYCLIC_RAW ? 0 : 20);
		struct wire_packet p = { .payload = mode == CYCLIC_RAW ? 101 : 121 };
		uint32_t seq = 0;

		wire_up(&conf);
		/* Alone: the error at once. */
		assert_true(wire_send(&p));
		assert_int_equal(cyclic_read(wire_cyclic, 1, 10, false, &run), -EMSGSIZE);
		assert_int_equal(run.packets, 0);
		read_run(1, 10);
		assert_int_equal(run.packets, 0);
		/* Between others: these first, then the error, then the rest. */
		wire_send_good(&seq, 3, 80);
		assert_true(wire_send(&p));
		wire_send_good(&seq, 2, 80);
		read_run(5, 10);
		assert_int_equal(run.packets, 3);
		assert_int_equal(STAT(break_size), 1);
		assert_int_equal(cyclic_read(wire_cyclic, 1, 10, false, &run), -EMSGSIZE);
		read_run(1, 10);
		assert_int_equal(run.packets, 2);
		assert_int_equal(STAT(drop_oversize), 2);
		wire_down();
	}
}

/* Segments do not matter where everything is copied; the frame's padding does not either. */
static void
test_segments_and_padding(void **state)
{
	(void)state;
	for (enum cyclic_mode mode = CYCLIC_RAW; mode <= CYCLIC_SEPARATE; mode++) {
		struct wire_conf conf = conf_of(mode, 300, 0);
		struct wire_packet p = { .payload = 300, .kind = SEGMENTED };
		uint32_t off = mode == CYCLIC_RAW ? 42 : 0, slot = 300 + off, seq = 0;

		wire_up(&conf);
		wire_send_good(&seq, 1, 300);
		p.seq = seq++;
		assert_true(wire_send(&p));
		wire_send_good(&seq, 1, 300);
		/* So short that the first segment does not hold the headers. */
		p.payload = 20;
		p.seq = seq++;
		assert_true(wire_send(&p));
		read_run(1, 10);
		assert_int_equal(run.packets, 4);
		for (uint32_t k = 0; k < 4; k++)
			assert_true(wire_payload_is((uint8_t *)run.payload + k * slot + off, k, 0,
					k == 3 ? 20 : 300));
		if (mode == CYCLIC_SEPARATE)
			expect_net((uint8_t *)run.usr_hdr + 3 * 42, false, 20);
		wire_down();

		/* 10 bytes of payload in a frame of 60. */
		conf = conf_of(mode, 10, 0);
		wire_up(&conf);
		seq = 0;
		round_of(mode, 10, 0, 10, false, &seq, 20);
		wire_down();
	}
}

/* A frame that says it is UDP and is not: taken for a bad one. */
static void
test_malformed(void **state)
{
	struct wire_conf conf = conf_of(CYCLIC_STRIP, 100, 0);
	struct wire_packet p = { .payload = 100, .kind = BAD };

	(void)state;
	wire_up(&conf);
	p.kind = MALFORMED;
	assert_true(wire_send(&p));
	p.kind = GOOD;
	p.seq = 1;
	assert_true(wire_send(&p));
	read_run(1, 10);
	assert_int_equal(run.packets, 1);
	assert_true(wire_payload_is(run.payload, 1, 0, 100));
	assert_int_equal(STAT(drop_bad), 1);
	wire_down();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_oversize),
		cmocka_unit_test(test_segments_and_padding),
		cmocka_unit_test(test_malformed),
	};
	int ret;

	if (wire_init() != 0)
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	wire_fini();
	return ret;
}
