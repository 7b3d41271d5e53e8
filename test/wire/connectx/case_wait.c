/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that are sent at a time; when the device sent them, its capture says. */
#include "cxtest.h"
#include <rte_mbuf_dyn.h>

#define FRAMES 64
#define GAP 200001ull	   /* ns, between two of them */
#define AHEAD 100000000ull /* of the first, so that all are posted before it */
#define NS 1000000000ull
#define CLOCKS 1000000ull /* that of the capture and the device's were read one after the other */

static int field;
static uint64_t flag;

static uint32_t
frame_of(uint8_t *frame)
{
	struct segment seg = { .src = 0x0a630001,
		.dst = 0x0a630002,
		.sport = 1,
		.dport = 2,
		.proto = IPPROTO_UDP,
		.len = 100 };

	return peer_frame(frame, &seg);
}

static struct rte_mbuf *
make(uint64_t at)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t frame[256];
	uint32_t len = frame_of(frame);

	CHECK(m != NULL, "no mbuf");
	memcpy(rte_pktmbuf_append(m, len), frame, len);
	if (at != 0) {
		*RTE_MBUF_DYNFIELD(m, field, rte_mbuf_timestamp_t *) = at;
		m->ol_flags |= flag;
	}
	return m;
}

static void
post(struct rte_mbuf **m, unsigned int n)
{
	unsigned int sent = 0;

	while (sent < n)
		sent += rte_eth_tx_burst(0, 0, m + sent, n - sent);
}

static uint64_t
device_time(void)
{
	uint64_t now;

	CHECK(rte_eth_read_clock(0, &now) == 0, "clock");
	return now;
}

/* When the device sent the first n frames of ours, by the capture; less than n while it has not. */
static unsigned int
sent_at(uint64_t *at, unsigned int n)
{
	const char *path = strstr(getenv("CONNECTX_WIRE"), "out=") + 4;
	uint8_t ours[256], frame[2048];
	uint32_t len = frame_of(ours), h[4];
	unsigned int got = 0;
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		return 0;
	fseek(f, 24, SEEK_SET);
	while (got < n && fread(h, sizeof(h), 1, f) == 1) {
		CHECK(h[2] <= sizeof(frame), "record of %u bytes", h[2]);
		if (fread(frame, 1, h[2], f) != h[2])
			break;
		if (h[2] == len && memcmp(frame, ours, len) == 0)
			at[got++] = h[0] * NS + h[1];
	}
	fclose(f);
	return got;
}

static void
sent_all(uint64_t *at, unsigned int n)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();

	while (sent_at(at, n) < n)
		CHECK(rte_get_timer_cycles() < end, "not sent");
}

/* Posted at once, sent one by one, across the end of a second. */
static void
check_times(uint64_t *at)
{
	uint64_t base = (device_time() + AHEAD) / NS * NS + NS - FRAMES / 2 * GAP;
	struct rte_mbuf *m[FRAMES];
	unsigned int i;

	for (i = 0; i < FRAMES; i++)
		m[i] = make(base + i * GAP);
	post(m, FRAMES);
	CHECK(device_time() < base, "posted too late to tell");
	sent_all(at, FRAMES);
	CHECK(at[0] > base - CLOCKS && at[0] < base + CLOCKS, "the first: %ld ns off",
			(long)(at[0] - base));
	for (i = 0; i < FRAMES; i++)
		CHECK(at[i] - at[0] == i * GAP, "frame %u: %ld ns off", i,
				(long)(at[i] - at[0] - i * GAP));
}

/* What is behind a frame waits with it; a time that has passed holds nothing. */
static void
check_order(uint64_t *at)
{
	uint64_t now = device_time(), due = now + AHEAD;
	struct rte_mbuf *m[] = { make(due), make(0), make(now - NS), make(now - 3 * NS) };
	unsigned int i;

	post(m, RTE_DIM(m));
	sent_all(at, FRAMES + 4);
	for (i = FRAMES; i < FRAMES + 4; i++)
		CHECK(at[i] + CLOCKS >= due, "frame %u is early by %lu ns", i, due - at[i]);
	now = device_time();
	m[0] = make(now - NS);
	post(m, 1);
	sent_all(at, FRAMES + 5);
	CHECK(at[FRAMES + 4] + CLOCKS >= now, "sent before it was posted");
}

/* a: the device can; else the driver must not offer it */
void
case_wait(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1 };
	struct rte_eth_dev_info info;
	uint64_t at[FRAMES + 5];

	CHECK(rte_eth_dev_info_get(0, &info) == 0, "info");
	CHECK(!(info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP) == !c->a, "offload");
	if (!c->a)
		return;
	/* the driver looks for them when the port starts */
	CHECK(rte_mbuf_dyn_tx_timestamp_register(&field, &flag) == 0, "no field");
	pc.tx_offloads = RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP;
	port_start(&pc);
	check_times(at);
	check_order(at);
	port_stop();
}
