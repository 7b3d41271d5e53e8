/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzing the way in: a few frames and a little time, all chosen by the fuzzer, go through
 * net_input() with the full room behind it. A frame lies in memory of exactly its size, so that
 * AddressSanitizer sees a byte read too far. What a sink gets is checked anew, naively, and every
 * buffer has to come back.
 *
 * An input is a row of records: flags, then a frame with its length before it.
 */
#include "world.h"

#include <stdio.h>

#define FRAMES_MAX 16

/* Bits of a record's first byte; the second holds the VLAN or the size of segments. */
#define F_IP_GOOD 0x01
#define F_L4_GOOD 0x02
#define F_BAD 0x04
#define F_STRIPPED 0x08
#define F_SEGMENTS 0x10 /* in mbufs of a pool, of so many bytes each */
#define F_TIME 0x20	/* afterwards seconds pass */
#define F_ROLE 0x40	/* the port gets another kernel role */
#define F_SUMS 0x80	/* checksums are put right first, as they are hard to guess */

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "not true: %s, line %d\n", #what, __LINE__);               \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool vouched; /* any frame so far had a good flag, or came where sums may be unfinished */

static void
check(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	static uint8_t b[70000];
	unsigned int i;

	(void)sink;
	(void)ring;
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t at = m->l2_len, len;
		const uint8_t *p;
		uint32_t sum = 0, k;

		rte_mbuf_sanity_check(m, 1);
		REQUIRE(m->pkt_len <= sizeof(b));
		p = rte_pktmbuf_read(m, 0, m->pkt_len, b);
		REQUIRE(p != NULL && m->data_len >= at + m->l3_len + 8u);
		if (p != b)
			memcpy(b, p, m->pkt_len);
		p = b + at;
		REQUIRE(at == 14 || at == 18);
		REQUIRE(p[0] >> 4 == 4 && (p[0] & 15) * 4 == m->l3_len && p[9] == IPPROTO_UDP);
		REQUIRE((p[6] & 0x3f) == 0 && p[7] == 0);
		len = (uint32_t)p[m->l3_len + 4] << 8 | p[m->l3_len + 5];
		REQUIRE(at + m->l3_len + len == m->pkt_len && len >= 8);
		REQUIRE((p[12] & 0xf0) < 0xe0 && p[12] != 127);
		for (k = 0; k < 8; k++)
			sum += (uint32_t)p[12 + k] << (k % 2 == 0 ? 8 : 0);
		sum += IPPROTO_UDP + len;
		p += m->l3_len;
		for (k = 0; k < len; k++)
			sum += (uint32_t)p[k] << (k % 2 == 0 ? 8 : 0);
		while (sum > 0xffff)
			sum = (sum & 0xffff) + (sum >> 16);
		REQUIRE(vouched || sum == 0xffff || (p[6] == 0 && p[7] == 0));
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

static void
ext_free(void *addr, void *opaque)
{
	(void)addr;
	free(opaque);
}

/* The frame at the very end of a piece of the heap. */
static struct rte_mbuf *
exact(const uint8_t *frame, uint16_t len, uint64_t flags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_mbuf_ext_shared_info *info;
	uint8_t *buf;

	REQUIRE(m != NULL);
	info = malloc(sizeof(*info) + RTE_PKTMBUF_HEADROOM + len);
	REQUIRE(info != NULL);
	buf = (uint8_t *)(info + 1);
	info->free_cb = ext_free;
	info->fcb_opaque = info;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(
			m, buf, (rte_iova_t)(uintptr_t)buf, RTE_PKTMBUF_HEADROOM + len, info);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = len;
	m->pkt_len = len;
	memcpy(buf + RTE_PKTMBUF_HEADROOM, frame, len);
	m->ol_flags |= flags;
	return m;
}

static void
sums(struct frame *f)
{
	uint16_t l2 = f->b[12] == 0x81 ? 18 : 14, l3;
	uint8_t *body;

	if (f->len < l2 + 20u || (f->b[l2 - 2] << 8 | f->b[l2 - 1]) != 0x0800)
		return;
	l3 = (f->b[l2] & 15) * 4;
	if (l3 < 20 || f->len < (uint32_t)l2 + l3 + 8)
		return;
	f->l2 = l2;
	f->l3 = l3;
	frame_sum_ip(f);
	body = f->b + l2 + l3;
	if (f->b[l2 + 9] == IPPROTO_UDP) {
		uint32_t len = (uint32_t)body[4] << 8 | body[5];

		if (len >= 8 && l2 + l3 + len <= f->len)
			frame_sum_udp(f);
	} else if (f->b[l2 + 9] == IPPROTO_ICMP || f->b[l2 + 9] == IPPROTO_IGMP) {
		uint32_t total = (uint32_t)f->b[l2 + 2] << 8 | f->b[l2 + 3];
		uint16_t sum;

		if (total < l3 + 4u || l2 + total > f->len)
			return;
		memset(body + 2, 0, 2);
		sum = (uint16_t)~rte_raw_cksum(body, total - l3);
		memcpy(body + 2, &sum, 2);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return world_start(NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t locals[] = { 0, OUR, OUR_VLAN, IP(239, 1, 2, 3) };
	const struct ip_addr group = V4(239, 1, 2, 3);
	const struct net_mc_filter all = { .exclude = true };
	struct net_way way = { .dst = ip_from_v4(PEER), .ttl = 1, .proto = IPPROTO_UDP };
	static struct frame f;
	struct net_dst d;
	struct rte_mbuf *m;
	unsigned int i, frames = 0;

	world_setup(NULL);
	vouched = false;
	for (i = 0; i < RTE_DIM(locals); i++)
		receiver(&ring0, locals[i], 2000, 0, 0, locals[i] == OUR_VLAN ? 5 : 0)
				->sink.deliver = check;
	net_mc_filter(&port0, &group, 0, &all);
	/* something waits for a neighbour, who may turn up */
	if (net_route(&way, &d) == 0) {
		m = out_udp(1, 2, 10, 1);
		net_output(&d, &ring0, &m, 1);
	}
	while (size >= 4 && frames++ < FRAMES_MAX) {
		uint8_t flags = data[0], arg = data[1];
		uint16_t len = (uint16_t)(data[2] << 8 | data[3]);

		data += 4;
		size -= 4;
		len = RTE_MIN(len, (uint16_t)RTE_MIN(size, (size_t)9000));
		memcpy(f.b, data, len);
		f.len = len;
		data += len;
		size -= len;
		f.flags = (flags & F_IP_GOOD ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0) |
				(flags & F_L4_GOOD ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0);
		if (flags & F_BAD)
			f.flags = RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
		vouched |= (f.flags & GOOD_SUMS) != 0;
		if (flags & F_STRIPPED)
			f.flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
		f.tci = arg & 15;
		f.mark = 0;
		f.segment = arg % 64 + 1;
		if (flags & F_ROLE)
			port0.kernel = arg % 5;
		vouched |= port0.kernel == KERNEL_COPIES || port0.kernel == KERNEL_BLIND;
		if (flags & F_SUMS)
			sums(&f);
		if (flags & F_SEGMENTS) {
			input_one(&f);
		} else {
			m = exact(f.b, len, f.flags);
			m->vlan_tci = f.tci;
			net_input(&ring0, &m, 1);
		}
		n_sent = 0;
		for (i = 0; (flags & F_TIME) != 0 && i < 4; i++)
			world_advance(arg * 10u);
		n_sent = 0;
	}
	world_teardown(NULL);
	return 0;
}
