/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the way in: what is delivered and in which shape, what is dropped and by which reason,
 * how packets are grouped and whom they go to.
 */
#include "world.h"

static struct frame f;

static void
plain(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		frame_udp(&f, 64, (uint16_t)(i + 1));
		wire_put(&f);
	}
	assert_int_equal(wire_poll(), 100);
	assert_int_equal(r->n, 100);
	assert_int_equal(r->calls, 2); /* 64 and 36: one run a burst */
	assert_int_equal(lookups, 2);
	for (i = 0; i < 100; i++) {
		assert_int_equal(r->payload[i], i + 1);
		assert_int_equal(r->len[i], 14 + 28 + 64);
	}
	assert_int_equal(r->l2, 14);
	assert_int_equal(r->l3, 20);
	assert_memory_equal(r->whole, f.b, f.len);
	assert_int_equal(RX(rx_packets), 100);
	assert_int_equal(RX(rx_bytes), 100 * (14 + 28 + 64));
	assert_int_equal(RX(rx_bursts), 2);
	assert_int_equal(RX(rx_empty), 1);
	assert_int_equal(dropped(&ring0), 0);
}

static void
vlan(void **state)
{
	struct receiver *tagged = receiver(&ring0, OUR_VLAN, 2000, 0, 0, 5);
	struct receiver *untagged = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 20, 77);
	input_one(&f);
	assert_int_equal(tagged->n, 1);
	assert_int_equal(tagged->payload[0], 77);
	assert_int_equal(tagged->l2, 18);
	/* taken out by the device */
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 0, 20, 78);
	f.flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	f.tci = 0x2000 | 5;
	input_one(&f);
	assert_int_equal(tagged->n, 2);
	assert_int_equal(tagged->l2, 14);
	/* VLAN 0: a priority and no VLAN */
	frame_udp_to(&f, PEER, 1, OUR, 2000, 5, 20, 79);
	f.b[14] = 0x60;
	f.b[15] = 0;
	input_one(&f);
	assert_int_equal(untagged->n, 1);
	/* an address of another VLAN */
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 6, 20, 80);
	input_one(&f);
	assert_int_equal(RX(drop_not_ours), 1);
	/* two tags */
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 20, 80);
	f.b[16] = 0x81;
	f.b[17] = 0;
	input_one(&f);
	assert_int_equal(RX(drop_ethertype), 1);
	assert_int_equal(tagged->n + untagged->n, 3);
}

static void
padding(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp(&f, 4, 1); /* 46 bytes, padded to 60 by the sender's device */
	f.len = 60;
	input_one(&f);
	assert_int_equal(r->len[0], 46);
	/* and behind the datagram, inside IP */
	frame_udp(&f, 10, 1);
	frame_udp_hdr(&f)->dgram_len = RTE_BE16(8 + 6);
	frame_sum_udp(&f);
	input_one(&f);
	assert_int_equal(r->len[1], 14 + 28 + 6);
	/* across segments: the last one goes */
	frame_udp(&f, 30, 1);
	f.len += 200;
	f.segment = 80;
	input_one(&f);
	assert_int_equal(r->len[2], 14 + 28 + 30);
	frame_udp(&f, 0, 0);
	f.len = 60;
	input_one(&f);
	assert_int_equal(r->len[3], 42);
	assert_int_equal(dropped(&ring0), 0);
}

static void
truncated(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *v = receiver(&ring0, OUR_VLAN, 2000, 0, 0, 5);
	uint32_t len, cut, kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		if (kind < 2)
			frame_udp_to(&f, PEER, 1, OUR, 2000, 0, 30, 1);
		else
			frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 30, 1);
		len = f.len;
		for (cut = 0; cut < len; cut++) {
			uint64_t before = dropped(&ring0);

			f.len = cut;
			f.segment = kind % 2 == 1 ? 9 : 0;
			input_one(&f);
			assert_int_equal(dropped(&ring0), before + 1);
		}
	}
	assert_int_equal(RX(drop_short), dropped(&ring0) - RX(drop_ethertype));
	assert_int_equal(r->n + v->n, 0);
}

/* Headers spread over tiny segments are still read right. */
static void
segments(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	uint16_t seg;

	(void)state;
	for (seg = 1; seg < 80; seg++) {
		frame_udp(&f, 40, seg);
		f.segment = seg;
		f.flags = seg % 2 == 0 ? GOOD_SUMS : 0;
		input_one(&f);
		assert_int_equal(r->n, seg);
		assert_int_equal(r->payload[seg - 1], seg);
		assert_memory_equal(r->whole, f.b, f.len);
	}
	assert_int_equal(dropped(&ring0), 0);
}

struct damage {
	const char *what;
	uint16_t at; /* from the IP header */
	uint8_t value;
	bool sums; /* made right again */
	enum ring_stat reason;
};

static void
damaged(void **state)
{
	static const struct damage damages[] = {
		{ "version", 0, 0x65, true, RING_STAT_drop_ip_header },
		{ "header length 4", 0, 0x41, true, RING_STAT_drop_ip_header },
		{ "header length beyond", 0, 0x4f, true, RING_STAT_drop_ip_header },
		{ "total beyond the frame", 2, 1, true, RING_STAT_drop_short },
		{ "total below the header", 3, 19, true, RING_STAT_drop_ip_header },
		{ "total below UDP", 3, 27, true, RING_STAT_drop_udp_length },
		{ "header checksum", 10, 0x5a, false, RING_STAT_drop_ip_checksum },
		{ "protocol", 9, 132, true, RING_STAT_drop_protocol },
		{ "source multicast", 12, 224, true, RING_STAT_drop_not_ours },
		{ "source loopback", 12, 127, true, RING_STAT_drop_not_ours },
		{ "source class E", 12, 250, true, RING_STAT_drop_not_ours },
		{ "source ours", 15, 1, true, RING_STAT_drop_not_ours },
		{ "source broadcast", 15, 255, true, RING_STAT_drop_not_ours },
		{ "destination not ours", 19, 9, true, RING_STAT_drop_not_ours },
		{ "port nobody has", 23, 9, true, RING_STAT_drop_no_socket },
		{ "UDP length 7", 25, 7, true, RING_STAT_drop_udp_length },
		{ "UDP length beyond", 25, 200, true, RING_STAT_drop_udp_length },
		{ "UDP length one beyond", 25, 39, true, RING_STAT_drop_udp_length },
		{ "UDP checksum", 26, 0x5a, false, RING_STAT_drop_udp_checksum },
		{ "payload", 40, 0x5a, false, RING_STAT_drop_udp_checksum },
	};
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < 2 * RTE_DIM(damages); i++) {
		const struct damage *d = &damages[i / 2];
		uint64_t before = counted(&ring0, d->reason), all = dropped(&ring0);

		/* with nobody to vouch for the sums, and with a device that does */
		if (i % 2 == 1 && !d->sums)
			continue;
		frame_udp(&f, 30, 1);
		f.flags = i % 2 == 0 ? 0 : GOOD_SUMS;
		f.b[14 + d->at] = d->value;
		if (d->sums && d->at != 0) {
			frame_sum_ip(&f);
			if (d->at != 25 && d->at > 3)
				frame_sum_udp(&f);
		} else if (d->at == 0 && d->value != 0x4f) {
			frame_sum_ip(&f);
		}
		f.len += i % 4 < 2 ? 0 : 8; /* padding must not make up for it */
		input_one(&f);
		if (counted(&ring0, d->reason) != before + 1 || dropped(&ring0) != all + 1)
			fail_msg("%s: counted %ju, all %ju", d->what,
					(uintmax_t)(counted(&ring0, d->reason) - before),
					(uintmax_t)(dropped(&ring0) - all));
	}
	assert_int_equal(r->n, 0);
	frame_udp(&f, 30, 1);
	f.flags = 0;
	input_one(&f);
	assert_int_equal(r->n, 1); /* undamaged it passes */
}

static void
link_damage(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp(&f, 30, 1);
	f.b[5] = 9; /* a MAC address that is not ours */
	input_one(&f);
	assert_int_equal(RX(drop_not_ours), 1);
	frame_udp(&f, 30, 1);
	memset(f.b, 0xff, 6); /* to everybody, yet for one */
	input_one(&f);
	assert_int_equal(RX(drop_not_ours), 2);
	frame_udp(&f, 30, 1);
	f.b[12] = 0x86; /* IPv6 */
	f.b[13] = 0xdd;
	input_one(&f);
	assert_int_equal(RX(drop_ethertype), 1);
	f.b[12] = 0x88; /* LLDP */
	f.b[13] = 0xcc;
	input_one(&f);
	assert_int_equal(RX(drop_ethertype), 2);
	f.b[12] = 0x00; /* 802.3 with a length */
	f.b[13] = 0x30;
	input_one(&f);
	assert_int_equal(RX(drop_ethertype), 3);
	assert_int_equal(r->n, 0);
}

static void
checksums(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	/* flagged bad, but right: some devices flag what they do not parse */
	frame_udp(&f, 31, 1);
	f.flags = RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	input_one(&f);
	assert_int_equal(r->n, 1);
	/* flagged good: believed */
	frame_udp(&f, 31, 1);
	f.b[50] ^= 1;
	input_one(&f);
	assert_int_equal(r->n, 2);
	/* none: the data is right, the field is not filled in */
	f.flags = RTE_MBUF_F_RX_IP_CKSUM_NONE | RTE_MBUF_F_RX_L4_CKSUM_NONE;
	input_one(&f);
	assert_int_equal(r->n, 3);
	/* the IP header vouched for, the datagram not */
	f.flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	input_one(&f);
	assert_int_equal(RX(drop_udp_checksum), 1);
	/* none was sent */
	f.flags = 0;
	frame_udp_hdr(&f)->dgram_cksum = 0;
	input_one(&f);
	assert_int_equal(r->n, 4);
	/* a wire that is memory of this machine */
	port0.trusts_sender = true;
	frame_udp(&f, 31, 1);
	f.b[50] ^= 1;
	f.flags = 0;
	input_one(&f);
	assert_int_equal(r->n, 5);
	f.flags = RTE_MBUF_F_RX_L4_CKSUM_BAD; /* but not against its word */
	input_one(&f);
	assert_int_equal(RX(drop_udp_checksum), 2);
	/* odd lengths and every bit of a datagram count */
	port0.trusts_sender = false;
	frame_udp(&f, 33, 1);
	f.flags = 0;
	f.segment = 47;
	f.b[f.len - 1] ^= 0x80;
	input_one(&f);
	assert_int_equal(RX(drop_udp_checksum), 3);
	f.b[f.len - 1] ^= 0x80;
	input_one(&f);
	assert_int_equal(r->n, 6);
}

/* A veth's other end leaves the datagram's sum to nobody: only where a kernel device is below. */
static void
unfinished_checksum(void **state)
{
	static const enum port_kernel roles[] = { KERNEL_NONE, KERNEL_PEER, KERNEL_RESTS,
		KERNEL_COPIES, KERNEL_BLIND };
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(roles); i++) {
		port0.kernel = roles[i];
		frame_udp(&f, 31, 1);
		f.flags = 0;
		frame_udp_hdr(&f)->dgram_cksum = rte_ipv4_phdr_cksum(frame_ip_hdr(&f), 0);
		input_one(&f);
		assert_int_equal(r->n, i < 3 ? 0 : i - 2);
		frame_udp_hdr(&f)->dgram_cksum ^= 1;
		input_one(&f);
		assert_int_equal(r->n, i < 3 ? 0 : i - 2);
	}
	assert_int_equal(RX(drop_udp_checksum), 2 * RTE_DIM(roles) - 2);
}

static void
options(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	static const struct {
		uint8_t opt[4];
		bool good;
	} cases[] = {
		{ { 1, 1, 1, 0 }, true },     /* no operation, end */
		{ { 0x94, 4, 0, 0 }, true },  /* router alert */
		{ { 0x83, 3, 4, 0 }, false }, /* loose source route */
		{ { 0x89, 3, 4, 0 }, false }, /* strict source route */
		{ { 7, 5, 4, 0 }, false },    /* longer than the header */
		{ { 7, 1, 4, 0 }, false },    /* no room for itself */
		{ { 1, 1, 1, 7 }, false },    /* its length is missing */
		{ { 0, 7, 9, 9 }, true },     /* behind the end nothing counts */
	};
	unsigned int i, good = 0;

	(void)state;
	for (i = 0; i < RTE_DIM(cases); i++) {
		frame_udp(&f, 30, 1);
		memmove(f.b + 38, f.b + 34, f.len - 34);
		memcpy(f.b + 34, cases[i].opt, 4);
		f.len += 4;
		f.l3 = 24;
		f.b[14] = 0x46;
		frame_ip_hdr(&f)->total_length = rte_cpu_to_be_16((uint16_t)(f.len - 14));
		frame_sum_ip(&f);
		f.flags = 0;
		input_one(&f);
		good += cases[i].good ? 1 : 0;
		assert_int_equal(r->n, good);
		if (cases[i].good)
			assert_int_equal(r->l3, 24);
	}
	assert_int_equal(RX(drop_ip_header), RTE_DIM(cases) - good);
}

static void
tiers(void **state)
{
	struct receiver *any = receiver(&ring0, 0, 2000, 0, 0, 0);
	struct receiver *bound = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *connected = receiver(&ring0, OUR, 2000, PEER, 1000, 0);

	(void)state;
	frame_udp(&f, 10, 1);
	input_one(&f);
	assert_int_equal(connected->n, 1);
	frame_udp_to(&f, PEER, 1001, OUR, 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(bound->n, 1);
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 2000, 5, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 1);
	frame_udp_to(&f, PEER, 1, IP(10, 1, 0, 255), 2000, 0, 10, 1); /* broadcasts */
	input_one(&f);
	frame_udp_to(&f, PEER, 1, IP(255, 255, 255, 255), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 3);
	/* any is any of ours */
	frame_udp_to(&f, PEER, 1, IP(10, 1, 0, 9), 2000, 0, 10, 1);
	input_one(&f);
	frame_udp_to(&f, PEER, 1, IP(10, 5, 0, 255), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 3);
	assert_int_equal(RX(drop_not_ours), 2);
}

static void
any_multicast(void **state)
{
	struct receiver *any = receiver(&ring0, 0, 2000, 0, 0, 0);
	const struct ip_addr group = V4(239, 1, 2, 3);
	const struct net_mc_filter all = { .exclude = true };

	(void)state;
	frame_udp_to(&f, PEER, 1, IP(239, 1, 2, 3), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 0);
	assert_int_equal(RX(drop_not_ours), 1);
	assert_int_equal(net_mc_filter(&port0, &group, 0, &all), 0);
	input_one(&f);
	assert_int_equal(any->n, 1);
	/* the same MAC address, another group */
	frame_udp_to(&f, PEER, 1, IP(239, 129, 2, 3), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 1);
	assert_int_equal(net_mc_filter(&port0, &group, 0, NULL), 0);
	frame_udp_to(&f, PEER, 1, IP(239, 1, 2, 3), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 1);
	assert_int_equal(RX(drop_not_ours), 3);
}

static void
runs(void **state)
{
	struct receiver *a = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *b = receiver(&ring0, OUR, 2001, 0, 0, 0);
	static const uint16_t ports[] = { 2000, 2000, 2001, 2001, 2001, 9, 2000, 2001 };
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(ports); i++) {
		frame_udp_to(&f, PEER, 1, OUR, ports[i], 0, 10, (uint16_t)(i + 1));
		wire_put(&f);
	}
	wire_poll();
	assert_int_equal(a->n, 3);
	assert_int_equal(b->n, 4);
	assert_int_equal(a->calls, 2);
	assert_int_equal(b->calls, 2);
	assert_int_equal(lookups, 5); /* one a change */
	assert_int_equal(a->payload[2], 7);
	assert_int_equal(b->payload[3], 8);
	assert_int_equal(RX(drop_no_socket), 1);
}

/* The flows of one sink in a row are one delivery to it: an engine has one for each connection. */
static void
runs_of_a_sink(void **state)
{
	struct receiver *a = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *b = receiver(&ring0, OUR, 2001, 0, 0, 0);
	struct receiver *any = receiver(&ring0, 0, 2002, 0, 0, 0);
	struct receiver *other = receiver(&ring0, OUR, 2003, 0, 0, 0);
	static const uint16_t ports[] = { 2000, 2001, 2001, 2002, 2000, 2003, 2001, 2000 };

	(void)state;
	b->flow.sink = any->flow.sink = &a->sink;
	for (unsigned int i = 0; i < RTE_DIM(ports); i++) {
		frame_udp_to(&f, PEER, 1, OUR, ports[i], 0, 10, (uint16_t)(i + 1));
		wire_put(&f);
	}
	/* for any address, but not ours: it must not slip through behind its neighbours */
	frame_udp_to(&f, PEER, 1, OUR + 1, 2002, 0, 10, 99);
	wire_put(&f);
	wire_poll();
	assert_int_equal(a->n, 7);
	assert_int_equal(a->calls, 2);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(a->payload[i], i + 1);
	assert_int_equal(other->calls, 1);
	assert_int_equal(RX(drop_not_ours), 1);
}

static void
marks(void **state)
{
	struct receiver *a = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *b = receiver(&ring0, OUR, 2001, PEER, 1000, 0);
	struct flow *by_mark[] = { NULL, &a->flow, &b->flow };

	(void)state;
	ring0.marks = ring0.isolated = true;
	ring0.by_mark = by_mark;
	ring0.by_mark_n = RTE_DIM(by_mark);
	frame_udp(&f, 10, 1);
	f.mark = 1;
	wire_put(&f);
	wire_put(&f);
	frame_udp_to(&f, PEER, 1000, OUR, 2001, 0, 10, 2);
	f.mark = 2;
	wire_put(&f);
	wire_poll();
	assert_int_equal(a->n, 2);
	assert_int_equal(b->n, 1);
	assert_int_equal(lookups, 0);
	/* stale marks: the table decides */
	frame_udp(&f, 10, 3);
	f.mark = 2;
	wire_put(&f);
	f.mark = 77;
	wire_put(&f);
	f.mark = 0;
	wire_put(&f);
	frame_udp_to(&f, PEER, 1001, OUR, 2001, 0, 10, 4); /* not from whom b is connected to */
	f.mark = 2;
	wire_put(&f);
	wire_poll();
	assert_int_equal(a->n, 5);
	assert_int_equal(b->n, 1);
	assert_int_equal(lookups, 2); /* one a run */
	assert_int_equal(RX(drop_no_socket), 1);
	frame_udp_to(&f, PEER, 1000, OUR, 2000, 5, 10, 4); /* on a VLAN */
	f.mark = 1;
	input_one(&f);
	assert_int_equal(a->n, 5);
	assert_int_equal(RX(drop_not_ours), 1);
}

/* What follows in a row with the same headers is looked at as closely as the first. */
static void
in_a_row(void **state)
{
	struct receiver *a = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *b = receiver(&ring0, OUR, 2001, 0, 0, 0);
	struct frame g;

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		frame_udp(&f, 10 + i, (uint8_t)i);
		wire_put(&f);
	}
	/* the same but for one field each: another port, sender, length, or a flaw */
	frame_udp_to(&f, PEER, 1000, OUR, 2001, 0, 10, 20);
	wire_put(&f);
	frame_udp_to(&f, PEER, 1001, OUR, 2001, 0, 10, 21);
	wire_put(&f);
	frame_udp(&f, 10, 22);
	wire_put(&f);
	g = f;
	g.b[14 + 3] = (uint8_t)(g.len - 14 + 1); /* IP says more than there is */
	wire_put(&g);
	g = f;
	g.b[34 + 5] = 7; /* UDP says less than its header */
	wire_put(&g);
	g = f;
	g.b[34 + 5]++; /* and more than IP */
	wire_put(&g);
	g = f;
	g.b[14 + 6] = 0x20; /* a fragment, which waits for the others */
	wire_put(&g);
	g = f;
	g.b[14]++; /* an option */
	wire_put(&g);
	frame_udp(&f, 10, 23);
	wire_put(&f);
	wire_poll();
	assert_int_equal(a->n, 10);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(a->payload[i], i);
	assert_int_equal(a->payload[8], 22);
	assert_int_equal(a->payload[9], 23);
	assert_int_equal(b->n, 2);
	assert_int_equal(b->payload[0], 20);
	assert_int_equal(b->payload[1], 21);
	assert_int_equal(RX(drop_udp_length), 2);
	assert_int_equal(RX(drop_ip_header) + RX(drop_short), 2);
	assert_int_equal(RX(fragments_in), 1);
}

static void
elsewhere(void **state)
{
	struct receiver *r = receiver(&ring1, OUR, 2000, 0, 0, 0);
	struct receiver *c = receiver(&ring0, OUR, 2001, 0, 0, 0);
	struct flow_key key;
	struct rte_mbuf *m;

	(void)state;
	frame_udp(&f, 10, 5);
	f.len = 60;
	wire_put(&f);
	wire_poll();
	assert_int_equal(r->n, 0);
	assert_int_equal(given, 1);
	m = given_packet();
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 52); /* in the shape a sink gets */
	net_key(m, &key);
	assert_true(ip_v4(&key.local) == OUR && ip_v4(&key.remote) == PEER);
	assert_int_equal(key.lport, RTE_BE16(2000));
	assert_int_equal(key.rport, RTE_BE16(1000));
	net_input_checked(&ring1, &m, 1);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->payload[0], 5);
	/* a cyclic reader's flow, and no reader */
	c->flow.flags = FLOW_CYCLIC;
	frame_udp_to(&f, PEER, 1, OUR, 2001, 0, 10, 1);
	input_one(&f);
	assert_int_equal(c->n, 0);
	assert_int_equal(RX(drop_no_socket), 1);
}

/* Several rings have the key: software chooses, where the device has not. */
static void
spread(void **state)
{
	struct receiver *r0 = receiver(&ring0, OUR, 2000, 0, 0, 0);
	struct receiver *r1 = receiver(&ring1, OUR, 2001, 0, 0, 0); /* the same in another table */
	struct spread s = { { &r0->flow, &r1->flow } };
	struct rte_mbuf *m;

	(void)state;
	r0->flow.spread = r1->flow.spread = &s;
	r0->flow.flags = FLOW_SPREAD;
	/* the device spreads: what arrives stays */
	frame_udp_to(&f, PEER, 1001, OUR, 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(r0->n, 1);
	assert_int_equal(given, 0);
	/* software spreads */
	r0->flow.flags |= FLOW_SOFT;
	input_one(&f);
	assert_int_equal(r0->n, 1);
	assert_int_equal(given, 1);
	assert_int_equal(RX(spread_soft), 1);
	m = given_packet();
	assert_non_null(m);
	rte_pktmbuf_free(m);
	frame_udp_to(&f, PEER, 1002, OUR, 2000, 0, 10, 7);
	input_one(&f);
	assert_int_equal(r0->n, 2);
	assert_int_equal(r0->payload[1], 7);
	assert_int_equal(given, 1);
	/* a ring that has none of its own found another's: it may be given to a third */
	s.of_rport[1] = &r0->flow;
	frame_udp_to(&f, PEER, 1003, OUR, 2001, 0, 10, 8);
	input_one(&f);
	assert_int_equal(r0->n, 3);
	assert_int_equal(r0->payload[2], 8);
	assert_int_equal(RX(spread_soft), 1);
}

static uint16_t
intake(struct ring *ring, void *reader)
{
	struct rte_mbuf *pkts[8];
	uint16_t n = ring_rx(ring, pkts, 8);

	(*(int *)reader)++;
	net_input(ring, pkts, n);
	return n;
}

static void
readers(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);
	int calls = 0;

	(void)state;
	frame_udp(&f, 10, 1);
	wire_put(&f);
	ring0.profile = 1; /* cyclic, nobody reads yet: packets wait */
	assert_int_equal(net_poll(&ring0), 0);
	assert_int_equal(r->n, 0);
	ring0.reader = &calls;
	ring0.intake = intake;
	assert_int_equal(net_poll(&ring0), 1);
	assert_int_equal(calls, 1);
	assert_int_equal(r->n, 1);
	ring0.intake = NULL;
	ring0.profile = 0;
}

static void
locked(void **state)
{
	struct receiver *r = receiver(&ring0, OUR, 2000, 0, 0, 0);

	(void)state;
	frame_udp(&f, 10, 1);
	wire_put(&f);
	rte_spinlock_lock(&ring0.rx_lock);
	assert_int_equal(net_poll(&ring0), 0);
	ring1.port_id = ring0.port_id;
	rte_spinlock_unlock(&ring0.rx_lock);
	/* a ring that depends on the default one gives it a turn */
	ring1.helps = &ring0;
	ring1.queue = 0;
	assert_int_equal(net_poll(&ring1), 1);
	assert_int_equal(r->n + given, 1);
	assert_int_equal(rte_spinlock_is_locked(&ring0.rx_lock), 0);
}

static void
parse(void **state)
{
	struct net_packet pkt;
	struct rte_mbuf *m;

	(void)state;
	frame_udp_to(&f, PEER_VLAN, 11, OUR_VLAN, 22, 5, 10, 1);
	m = frame_mbuf(&f);
	assert_int_equal(net_parse(&ring0, m, &pkt), NET_TRANSPORT);
	assert_int_equal(pkt.l2_len, 18);
	assert_int_equal(pkt.l3_len, 20);
	assert_int_equal(pkt.l4_len, 18);
	assert_int_equal(pkt.key.vlan_id, 5);
	assert_int_equal(pkt.key.lport, RTE_BE16(22));
	assert_int_equal(pkt.key.rport, RTE_BE16(11));
	assert_int_equal(m->l2_len, 18);
	rte_pktmbuf_free(m);
	frame_arp(&f, 1, &our_mac, &peer_mac, PEER, OUR, 0);
	m = frame_mbuf(&f);
	assert_int_equal(net_parse(&ring0, m, &pkt), NET_SLOW);
	rte_pktmbuf_free(m);
	frame_udp(&f, 10, 1);
	f.len = 40;
	m = frame_mbuf(&f);
	assert_int_equal(net_parse(&ring0, m, &pkt), NET_DROP);
	rte_pktmbuf_free(m);
	assert_int_equal(RX(drop_short), 1);
}

static void
tcp(void **state)
{
	uint8_t seg[20] = { 0, 1, 0, 2, [12] = 0x50 };
	struct net_packet pkt;
	struct rte_mbuf *m;

	(void)state;
	frame_ip(&f, PEER, OUR, IPPROTO_TCP, 0, seg, sizeof(seg));
	m = frame_mbuf(&f);
	assert_int_equal(net_parse(&ring0, m, &pkt), NET_TRANSPORT);
	assert_int_equal(pkt.key.proto, IPPROTO_TCP);
	assert_int_equal(pkt.key.lport, RTE_BE16(2));
	rte_pktmbuf_free(m);
	f.flags = 0;
	input_one(&f); /* its checksum is wrong */
	assert_int_equal(RX(drop_tcp), 1);
	seg[12] = 0x60; /* longer than it is */
	frame_ip(&f, PEER, OUR, IPPROTO_TCP, 0, seg, sizeof(seg));
	input_one(&f);
	seg[12] = 0x40;
	frame_ip(&f, PEER, OUR, IPPROTO_TCP, 0, seg, sizeof(seg));
	input_one(&f);
	frame_ip(&f, PEER, OUR, IPPROTO_TCP, 0, seg, 19);
	input_one(&f);
	assert_int_equal(RX(drop_tcp), 4);
}

/* Addresses change while packets come. */
static void
readdressed(void **state)
{
	struct receiver *any = receiver(&ring0, 0, 2000, 0, 0, 0);

	(void)state;
	frame_udp_to(&f, PEER, 1, IP(10, 1, 0, 77), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 0);
	port0.addrs[0].addr = V4(10, 1, 0, 77);
	port0.generation++;
	input_one(&f);
	assert_int_equal(any->n, 1);
	frame_udp_to(&f, IP(10, 1, 0, 77), 1, IP(10, 1, 0, 77), 2000, 0, 10, 1);
	input_one(&f);
	assert_int_equal(any->n, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(plain), T(vlan), T(padding), T(truncated),
		T(segments), T(damaged), T(link_damage), T(checksums), T(unfinished_checksum),
		T(options), T(tiers), T(any_multicast), T(runs), T(runs_of_a_sink), T(marks),
		T(in_a_row), T(elsewhere), T(spread), T(readers), T(locked), T(parse), T(tcp),
		T(readdressed) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
