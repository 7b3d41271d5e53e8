/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of a burst that are put together here: which are, what becomes of them, and that every
 * byte of the stream is there, in order, whatever stands between.
 */
#include <rte_tcp.h>

#include "world.h"

#define ACK RTE_TCP_ACK_FLAG
#define PSH RTE_TCP_PSH_FLAG
#define FIN RTE_TCP_FIN_FLAG
#define LEN 1448
#define HDR (14 + 20 + 20 + 12)
#define MOST 64

static struct frame f;
static struct rte_mbuf *burst[MOST];
static uint16_t n_burst;
static uint32_t next_seq[2];
static uint16_t cut; /* bytes of a buffer; 0: all */

static struct receiver *
begin(void)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	r->flow.key.proto = IPPROTO_TCP;
	next_seq[0] = next_seq[1] = 1000;
	return r;
}

/* The next segment of a stream, whose bytes differ by their place. */
static uint8_t *
add(unsigned int stream, uint8_t flags, uint16_t len)
{
	struct rte_mbuf *m;

	frame_tcp_to(&f, PEER, OUR, 0,
			&(struct frame_tcp){ .sport = (uint16_t)(1000 + stream),
					.dport = 2000,
					.seq = next_seq[stream],
					.ack = 7,
					.flags = flags,
					.options = 12,
					.len = len });
	for (uint16_t i = 0; i < len; i++)
		f.b[HDR + i] = (uint8_t)((next_seq[stream] + i) * 7 +
				((next_seq[stream] + i) >> 8));
	next_seq[stream] += len;
	f.segment = cut;
	m = frame_mbuf(&f);
	burst[n_burst++] = m;
	return rte_pktmbuf_mtod(m, uint8_t *);
}

static void
datagram(void)
{
	frame_udp_to(&f, PEER, 1000, OUR, 3000, 0, 100, 1);
	burst[n_burst++] = frame_mbuf(&f);
}

static void
go(void)
{
	net_input(&ring0, burst, n_burst);
	n_burst = 0;
}

/* The last packet that arrived: so many bytes from a sequence number on, in segments of that size.
 */
static void
last_is(const struct receiver *r, uint32_t seq, uint32_t len, uint16_t segsz)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(r->whole + 14);

	assert_int_equal(r->whole_len, HDR + len);
	assert_int_equal(rte_be_to_cpu_16(ip->total_length), HDR - 14 + len);
	assert_int_equal(r->segsz, segsz);
	assert_int_equal((r->flags & RTE_MBUF_F_RX_LRO) != 0, segsz != 0);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(r->whole[HDR + i], (uint8_t)((seq + i) * 7 + ((seq + i) >> 8)));
}

static void
together(void **state)
{
	struct receiver *r = begin();

	(void)state;
	for (unsigned int n = 2; n <= 44; n++) {
		uint32_t seq = next_seq[0], before = r->n;

		for (unsigned int i = 0; i < n; i++)
			add(0, ACK, LEN);
		go();
		assert_int_equal(r->n, before + 1);
		last_is(r, seq, n * LEN, LEN);
	}
	assert_int_equal(RX(gro_packets), 43);
	assert_int_equal(RX(gro_segs), 43 * (2 + 44) / 2);
	assert_int_equal(RX(lro_packets), 0);
	/* an IP packet has 65,535 bytes at most */
	for (unsigned int i = 0; i < MOST; i++)
		add(0, ACK, LEN);
	go();
	assert_int_equal(r->n, 43 + 2);
	last_is(r, next_seq[0] - (MOST - 45) * LEN, (MOST - 45) * LEN, LEN);
}

/* PSH and a shorter segment are the end of one; what is longer, or has another flag, stands alone.
 */
static void
ends(void **state)
{
	static const struct {
		uint8_t flags[4];
		uint16_t len[4];
		unsigned int packets;
		uint32_t last;
	} cases[] = {
		{ { ACK, ACK | PSH, ACK, ACK }, { LEN, LEN, LEN, LEN }, 2, 2 * LEN },
		{ { ACK | PSH, ACK, ACK, ACK }, { LEN, LEN, LEN, LEN }, 2, 3 * LEN },
		{ { ACK, ACK, ACK, ACK | PSH }, { LEN, LEN, LEN, 10 }, 1, 3 * LEN + 10 },
		{ { ACK, ACK, ACK, ACK }, { LEN, 10, LEN, LEN }, 2, 2 * LEN },
		{ { ACK, ACK, ACK, ACK }, { 10, LEN, LEN, LEN }, 2, 3 * LEN },
		{ { ACK, ACK, ACK, ACK | FIN }, { LEN, LEN, LEN, LEN }, 2, LEN },
		{ { ACK, ACK, ACK | FIN, ACK }, { LEN, LEN, LEN, LEN }, 3, LEN },
		{ { ACK, ACK, ACK, ACK }, { LEN, LEN, LEN, 0 }, 2, 0 },
		{ { ACK, ACK, ACK, ACK }, { 0, 0, LEN, LEN }, 3, 2 * LEN },
		{ { ACK, ACK | RTE_TCP_CWR_FLAG, ACK, ACK }, { LEN, LEN, LEN, LEN }, 3, 2 * LEN },
		{ { ACK, ACK | RTE_TCP_URG_FLAG, ACK, ACK }, { LEN, LEN, LEN, LEN }, 3, 2 * LEN },
	};
	struct receiver *r = begin();

	(void)state;
	for (unsigned int c = 0; c < RTE_DIM(cases); c++) {
		uint32_t before = r->n;
		bool psh = false;

		for (unsigned int i = 0; i < 4; i++)
			add(0, cases[c].flags[i], cases[c].len[i]);
		psh = (cases[c].flags[3] & PSH) != 0;
		go();
		assert_int_equal(r->n - before, cases[c].packets);
		assert_int_equal(r->whole_len, HDR + cases[c].last);
		last_is(r, next_seq[0] - cases[c].last, cases[c].last,
				cases[c].last > LEN ? LEN : 0);
		assert_int_equal((r->whole[14 + 20 + 13] & PSH) != 0, psh);
	}
}

/* Whatever a receiver looks at in a header is the same, or the two are not put together. */
static void
headers(void **state)
{
	static const struct {
		uint16_t at;
		bool apart;
	} bytes[] = {
		{ 14 + 1, true },	     /* TOS: a mark of congestion */
		{ 14 + 5, false },	     /* identification */
		{ 14 + 20 + 7, true },	     /* sequence number */
		{ 14 + 20 + 11, true },	     /* acknowledgement */
		{ 14 + 20 + 15, true },	     /* window */
		{ 14 + 20 + 20 + 4, true },  /* options: a time stamp */
		{ 14 + 20 + 20 + 11, true }, /* options: the echo */
	};
	struct receiver *r = begin();

	(void)state;
	for (unsigned int b = 0; b < RTE_DIM(bytes); b++) {
		uint32_t before = r->n;

		add(0, ACK, LEN);
		add(0, ACK, LEN)[bytes[b].at] ^= 1;
		go();
		assert_int_equal(r->n - before, 1 + bytes[b].apart);
	}
}

/* Streams that take turns have nothing in a row; only so many of those that have are put together.
 */
static void
streams(void **state)
{
	struct receiver *r = begin();

	(void)state;
	for (unsigned int i = 0; i < 6; i++)
		add(i % 2, ACK, LEN);
	go();
	assert_int_equal(r->n, 6);
	for (unsigned int i = 0; i < 6; i++)
		add(i / 3, ACK, LEN);
	go();
	assert_int_equal(r->n, 6 + 2);
	last_is(r, next_seq[1] - 3 * LEN, 3 * LEN, LEN);
	net_gro_streams = 1;
	for (unsigned int i = 0; i < 6; i++)
		add(i / 3, ACK, LEN);
	go();
	assert_int_equal(r->n, 6 + 2 + 4);
	last_is(r, next_seq[1] - LEN, LEN, 0);
	net_gro_streams = 0;
	for (unsigned int i = 0; i < 6; i++)
		add(0, ACK, LEN);
	go();
	assert_int_equal(r->n, 6 + 2 + 4 + 6);
	/* where the device does it */
	net_gro_streams = 32;
	port0.caps.lro = true;
	for (unsigned int i = 0; i < 6; i++)
		add(0, ACK, LEN);
	go();
	port0.caps.lro = false;
	assert_int_equal(r->n, 6 + 2 + 4 + 6 + 6);
}

/* Segments in several buffers, and datagrams before, between and behind. */
static void
mixed(void **state)
{
	struct receiver *r = begin(), *udp = receiver(&ring0, OUR, 3000, 0, 0, 0);

	(void)state;
	for (cut = 100; cut < LEN; cut += 300) {
		uint32_t segments = r->n, datagrams = udp->n;

		datagram();
		add(0, ACK, LEN);
		add(0, ACK, LEN);
		datagram();
		add(0, ACK, LEN);
		add(0, ACK, LEN);
		add(0, ACK | PSH, LEN);
		datagram();
		datagram();
		go();
		assert_int_equal(r->n, segments + 2);
		last_is(r, next_seq[0] - 3 * LEN, 3 * LEN, LEN);
		assert_int_equal(udp->n, datagrams + 4);
	}
	cut = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(together, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(ends, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(headers, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(streams, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(mixed, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
