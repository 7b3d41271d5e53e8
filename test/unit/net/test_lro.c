/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that the device put together of several segments: the short way in and the long one find
 * the same, what is said of the segments is right whichever way the PMD says it, and is counted.
 */
#include <rte_tcp.h>

#include "world.h"

#define ACK RTE_TCP_ACK_FLAG
#define LEN 6000

static struct frame f;
static struct port_driver whole = { .name = "whole", .lro_whole = true };

static struct receiver *
begin(uint16_t vlan)
{
	struct receiver *r = receiver(&ring0, vlan != 0 ? OUR_VLAN : OUR, 2000, 0, 0, vlan);

	r->flow.key.proto = IPPROTO_TCP;
	frame_tcp_to(&f, vlan != 0 ? PEER_VLAN : PEER, vlan != 0 ? OUR_VLAN : OUR, vlan,
			&(struct frame_tcp){ .sport = 1000,
					.dport = 2000,
					.seq = 1,
					.ack = 2,
					.flags = ACK,
					.options = 12,
					.len = LEN });
	f.flags |= RTE_MBUF_F_RX_LRO;
	return r;
}

static void
put(uint16_t segsz)
{
	struct rte_mbuf *m = frame_mbuf(&f);

	m->tso_segsz = segsz;
	net_input(&ring0, &m, 1);
}

/* Of one buffer, and cut at every byte from the middle of the headers on. */
static void
every_cut(void **state)
{
	(void)state;
	for (uint16_t vlan = 0; vlan <= 5; vlan += 5) {
		struct receiver *r = begin(vlan);
		unsigned int n = r->n;

		for (f.segment = 0; f.segment < 200; f.segment += f.segment == 0 ? 42 : 1) {
			/* the device vouches for the sums: the short way; or does not */
			for (unsigned int vouched = 0; vouched < 2; vouched++) {
				f.flags = RTE_MBUF_F_RX_LRO | (vouched ? GOOD_SUMS : 0);
				put(1448);
				assert_int_equal(r->n, ++n);
				assert_int_equal(r->segsz, 1448);
				assert_int_equal(r->l2, vlan != 0 ? 18 : 14);
				assert_int_equal(r->l3, 20);
				assert_int_equal(r->whole_len, f.len);
				assert_memory_equal(r->whole, f.b, f.len);
				n = r->n;
			}
			if (n + 4 > TAKEN_MAX)
				r->n = n = 0;
		}
		assert_true(RX(lro_packets) > 300);
		assert_int_equal(RX(lro_segs), 5 * RX(lro_packets));
		assert_int_equal(dropped(&ring0), 0);
		world_teardown(state);
		world_setup(state);
	}
}

/* mlx5 divides the whole frame by the segments in it; others tell their data bytes, or nothing. */
static void
segment_size(void **state)
{
	struct receiver *r = begin(0);

	(void)state;
	for (uint16_t segs = 2; segs <= 60; segs++) {
		ring0.port->driver = &whole;
		put((uint16_t)(f.len / segs));
		ring0.port->driver = NULL;
		assert_int_equal(r->segsz, (LEN + segs - 1) / segs);
		assert_int_equal((LEN + r->segsz - 1) / r->segsz, segs);
	}
	assert_int_equal(RX(lro_packets), 59);
	assert_int_equal(RX(lro_segs), 59 * (2 + 60) / 2);
	put(0);
	assert_int_equal(r->segsz, 1460);
	assert_int_equal(RX(lro_segs), 59 * (2 + 60) / 2 + 5);
	/* what the field holds otherwise is nothing */
	f.flags &= ~RTE_MBUF_F_RX_LRO;
	put(1448);
	assert_int_equal(r->segsz, 0);
	f.segment = 2000;
	put(1448);
	assert_int_equal(r->segsz, 0);
	assert_int_equal(RX(lro_packets), 60);
}

/* Lengths that lie: what is longer than the packet is dropped, padding is cut off. */
static void
lengths(void **state)
{
	struct receiver *r = begin(0);

	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		f.segment = cut ? 2000 : 0;
		f.len += 10;
		put(1448);
		f.len -= 10;
		assert_int_equal(r->n, cut + 1);
		assert_int_equal(r->whole_len, f.len);
		assert_memory_equal(r->whole, f.b, f.len);
		f.len--;
		put(1448);
		f.len++;
		assert_int_equal(r->n, cut + 1);
		assert_int_equal(RX(drop_short), cut + 1);
	}
	/* a TCP header longer than the packet */
	frame_tcp_to(&f, PEER, OUR, 0,
			&(struct frame_tcp){
					.sport = 1000, .dport = 2000, .flags = ACK, .len = 8 });
	f.b[14 + 20 + 12] = 15 << 4;
	f.flags |= RTE_MBUF_F_RX_LRO;
	put(1448);
	assert_int_equal(r->n, 2);
	assert_int_equal(RX(drop_tcp), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_cut, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(segment_size, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(lengths, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
