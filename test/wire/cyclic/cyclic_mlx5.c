/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cyclic read over striding queues of mlx5, in every mode, with checked payload. The wire sends
 * datagrams to 10.99.0.2:5000 and 5001 as fast as they are taken, each with its number in front and
 * the number's low byte behind.
 *
 * Arguments: bytes of a stride, strides of a buffer, bytes of payload.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_byteorder.h>

#include "cyclic/cyclic.h"
#include "kern/kern.h"
#include "net/net.h"

#define LOCAL RTE_BE32(0x0a630002) /* 10.99.0.2 */
#define STAMP 16
#define WAIT_MS 10000

static uint32_t stride, strides, payload;
static struct port *port;
static char last_line[4096];
static struct ring *ring;
static struct cyclic *cyclic;
static struct flow *flows[2];
static struct cyclic_run run;
static uint64_t next_number[2];
static bool number_known[2];

static void
on_line(int level, const char *line)
{
	if (level <= LOG_LEVEL_WARNING) {
		fprintf(stderr, "%s\n", line);
		snprintf(last_line, sizeof(last_line), "%s", line);
	}
}

static void
deliver(struct sink *sink, struct ring *r, struct rte_mbuf **pkts, uint16_t n)
{
	(void)sink;
	(void)r;
	(void)pkts;
	fail_msg("%u packets went past the reader", n);
}
static struct sink sink = { .deliver = deliver };

static void
add_flow(unsigned int i)
{
	const struct flow_key key = {
		.local = ip_from_v4(LOCAL),
		.lport = rte_cpu_to_be_16((uint16_t)(5000 + i)),
		.proto = IPPROTO_UDP,
	};

	assert_int_equal(ring_flow_add(ring, &key, &sink, FLOW_RULE | FLOW_CYCLIC, &flows[i]), 0);
	number_known[i] = false;
}

static void
open_ring(enum cyclic_mode mode, uint16_t stride_bytes, uint16_t hdr_bytes)
{
	const struct ring_profile profile = {
		.type = RING_PROFILE_CYCLIC,
		.num = 2 * strides,
		.stride_bytes = stride_bytes,
		.hdr_bytes = hdr_bytes,
		.mode = mode,
	};
	struct ring_alloc alloc;
	struct ip_addr local = ip_from_v4(LOCAL);

	ring_alloc_init(&alloc, RING_RX, 1);
	alloc.logic = CONF_RING_PER_USER_ID;
	alloc.user_id = 1;
	alloc.profile = ring_profile_add(&profile);
	assert_true(alloc.profile > 0);
	if (ring_acquire(port, RING_RX, &alloc, &local, &ring) != 0)
		fail_msg("ring: %s", last_line);
	assert_int_equal(cyclic_get(ring, &cyclic), 0);
	/* The wire waits with a datagram for which there is no rule. */
	add_flow(0);
	add_flow(1);
}

static void
close_ring(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (flows[i] != NULL)
			ring_flow_del(flows[i]);
	flows[0] = flows[1] = NULL;
	cyclic_put(cyclic);
	ring_release(ring);
}

/* Packets of the next run; fails when none comes. */
static void
read_run(size_t min, size_t max)
{
	uint64_t end = clock_ms() + WAIT_MS;

	do
		assert_int_equal(cyclic_read(cyclic, min, max, false, &run), 0);
	while (run.packets == 0 && clock_ms() < end);
	if (run.packets == 0) {
		stat_print(stderr, &stat_ring, ring->stats.c);
		stat_print(stderr, &stat_cyclic, cyclic_stats(cyclic)->c);
		fail_msg("nothing came in %u ms", WAIT_MS);
	}
	assert_true(run.packets <= max);
}

/* Is it the datagram, from byte from on? What does not hold its number is not compared in order. */
static void
check_payload(const uint8_t *p, uint64_t number, uint32_t from, uint32_t len)
{
	uint32_t i;

	for (i = RTE_MAX(from, (uint32_t)STAMP); i < from + len; i++)
		assert_int_equal(p[i - from], (uint8_t)number);
}

static uint64_t
number_of(const uint8_t *p)
{
	uint64_t number;

	memcpy(&number, p, sizeof(number));
	return rte_be_to_cpu_64(number);
}

/* The next of its port: none is missing, none comes twice. */
static void
check_number(size_t which, uint64_t number)
{
	if (number_known[which])
		assert_int_equal(number, next_number[which]);
	number_known[which] = true;
	next_number[which] = number + 1;
}

/* Whole frames at a distance; @p again: they were looked at before. */
static void
check_frames(size_t slot, bool again)
{
	const uint8_t *p = run.payload;
	size_t k;

	for (k = 0; k < run.packets; k++, p += slot) {
		unsigned int which = (unsigned int)(p[36] << 8 | p[37]) - 5000;
		uint64_t number = number_of(p + 42);

		assert_true(which < 2);
		check_payload(p + 42, number, 0, payload);
		if (!again)
			check_number(which, number);
	}
}

static uint64_t
counter(enum cyclic_stat which)
{
	return cyclic_stats(cyclic)->c[which];
}

/* Zero copy, and two flows of one user id in one stream: runs from one end of a buffer to the
 * other. */
static void
test_padded(void **state)
{
	size_t packets = 0, runs = 0, full = 0;

	(void)state;
	open_ring(CYCLIC_PADDED, (uint16_t)(stride - 42), 0);
	assert_string_equal(cyclic_source_name(cyclic), "zero-copy over device strides");
	while (packets < 20 * strides) {
		read_run(strides, 4 * strides);
		assert_int_equal(run.payload_len, run.packets * stride);
		check_frames(stride, false);
		packets += run.packets;
		runs++;
		full += run.packets == strides;
	}
	/* The first run began where the queue stood; a wire that waits loses nothing. */
	printf("%zu packets in %zu runs, %zu of them whole buffers\n", packets, runs, full);
	assert_true(full >= runs - 2);
	assert_int_equal(counter(CYCLIC_STAT_copies), 0);
	assert_int_equal(counter(CYCLIC_STAT_pool_low), 0);
	assert_int_equal(counter(CYCLIC_STAT_drop_bad), 0);
	/* Nothing but the buffer's end, or a wire that is slow for a moment, ends a run. */
	assert_int_equal(counter(CYCLIC_STAT_break_buffer_end) + counter(CYCLIC_STAT_break_idle),
			runs);
	assert_true(number_known[0] && number_known[1]);
	close_ring();
}

/* However long it is looked at: what was returned does not change, and the device goes on. */
static void
test_lifetime(void **state)
{
	unsigned int i;

	(void)state;
	open_ring(CYCLIC_PADDED, (uint16_t)(stride - 42), 0);
	for (i = 0; i < 60; i++) {
		read_run(1, 1 + i * 7);
		check_frames(stride, false);
		usleep(1000); /* the wire fills the queue meanwhile */
		ring_rx_lock(ring);
		ring->intake(ring, ring->reader);
		ring_rx_unlock(ring);
		check_frames(stride, true);
	}
	assert_int_equal(counter(CYCLIC_STAT_copies), 0);
	close_ring();
}

static void
test_raw(void **state)
{
	size_t packets = 0;

	(void)state;
	open_ring(CYCLIC_RAW, (uint16_t)payload, 0);
	assert_string_equal(cyclic_source_name(cyclic), "copy");
	while (packets < 4 * strides) {
		read_run(1, 500);
		assert_int_equal(run.payload_len, run.packets * (payload + 42));
		check_frames(payload + 42, false);
		packets += run.packets;
	}
	assert_int_equal(counter(CYCLIC_STAT_copies), counter(CYCLIC_STAT_packets));
	close_ring();
}

static void
headers_apart(enum cyclic_mode mode)
{
	const uint16_t hdr = 20, body = (uint16_t)(payload - hdr);
	const uint32_t net = mode == CYCLIC_SEPARATE ? 42 : 0;
	size_t packets = 0, k;

	open_ring(mode, body, hdr);
	while (packets < 4 * strides) {
		const uint8_t *p, *h;

		read_run(1, 500);
		assert_int_equal(run.payload_len, run.packets * body);
		assert_int_equal(run.usr_hdr_len, run.packets * (hdr + net));
		p = run.payload;
		h = run.usr_hdr;
		for (k = 0; k < run.packets; k++, p += body, h += hdr + net) {
			uint64_t number = number_of(h + net);

			/* The wire takes its ports by turns, which is all that tells here. */
			check_number((packets + k) & 1, number);
			check_payload(h + net, number, 0, hdr);
			check_payload(p, number, hdr, body);
		}
		packets += run.packets;
	}
	close_ring();
}

static void
test_strip(void **state)
{
	(void)state;
	headers_apart(CYCLIC_STRIP);
}

static void
test_separate(void **state)
{
	(void)state;
	headers_apart(CYCLIC_SEPARATE);
}

static int
setup(void **state)
{
	char text[16];

	(void)state;
	log_set_callback(on_line);
	conf_set("DPVMA_EAL_ARGS", "-a 03:00.0");
	snprintf(text, sizeof(text), "%u", stride);
	conf_set("DPVMA_MPRQ_STRIDE", text);
	snprintf(text, sizeof(text), "%u", strides);
	conf_set("DPVMA_MPRQ_STRIDES", text);
	conf_set("VMA_MEM_ALLOC_TYPE", "0");
	conf_set("VMA_RX_BUFS", "16384");
	conf_set("VMA_TX_BUFS", "2048");
	if (port_eal_start(NULL) != 0 || ports_init() != 1)
		return -1;
	/* the model makes the kernel's device, so it is there only now */
	if (system("ip link set cx0 up && ip addr add 10.99.0.2/24 dev cx0") != 0)
		return -1;
	kern_poll();
	if (rings_init() != 0 || net_init() != 0)
		return -1;
	port = port_get(0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	net_fini();
	rings_fini();
	ports_fini();
	port_eal_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padded),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_strip),
		cmocka_unit_test(test_separate),
	};

	if (argc != 4)
		return 2;
	stride = (uint32_t)atoi(argv[1]);
	strides = (uint32_t)atoi(argv[2]);
	payload = (uint32_t)atoi(argv[3]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
