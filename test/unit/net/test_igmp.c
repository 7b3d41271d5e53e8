/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of IGMP, host side, versions 3 to 1, in virtual time; and of the MAC filter behind it. */
#include "world.h"

#define ROUTERS IP(224, 0, 0, 2)
#define V3_ROUTERS IP(224, 0, 0, 22)
#define GROUP IP(239, 1, 2, 3)

static struct frame f;
static const struct ip_addr S1 = { .w = { 0, 0, RTE_BE32(0xffff), IP(10, 9, 0, 1) } };
static const struct ip_addr S2 = { .w = { 0, 0, RTE_BE32(0xffff), IP(10, 9, 0, 2) } };
static const struct ip_addr S3 = { .w = { 0, 0, RTE_BE32(0xffff), IP(10, 9, 0, 3) } };

enum { IS_IN = 1, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK };

static int
set(uint32_t group, bool exclude, unsigned int n, const struct ip_addr *a, const struct ip_addr *b)
{
	struct ip_addr sources[2] = { a != NULL ? *a : S1, b != NULL ? *b : S1 };
	const struct net_mc_filter filter = { .exclude = exclude, .n = n, .sources = sources };
	const struct ip_addr g = ip_from_v4(group);

	return net_mc_filter(&port0, &g, 0, &filter);
}

static int
leave(uint32_t group)
{
	const struct ip_addr g = ip_from_v4(group);

	return net_mc_filter(&port0, &g, 0, NULL);
}

static void
quiet(void)
{
	world_advance(10);
	world_advance(2500);
	n_sent = 0;
}

static void
run(unsigned int ms)
{
	unsigned int i;

	for (i = 0; i < ms; i += 10)
		world_advance(10);
}

/* Headers of any IGMP message, and its checksum. */
static const uint8_t *
message(unsigned int i, uint32_t dst, uint16_t *len)
{
	struct rte_ipv4_hdr *ip;
	const uint8_t *mac = (const uint8_t *)&dst;

	assert_true(i < n_sent);
	ip = sent_ip(&sent[i]);
	*len = rte_be_to_cpu_16(ip->total_length) - 24;
	assert_true(sent_good(&sent[i]));
	assert_int_equal(ip->version_ihl, 0x46);
	assert_int_equal(ip->time_to_live, 1);
	assert_int_equal(ip->next_proto_id, IPPROTO_IGMP);
	assert_memory_equal(ip + 1, "\x94\4\0\0", 4); /* router alert */
	assert_true(ip->dst_addr == dst && ip->src_addr == OUR);
	assert_memory_equal(sent[i].b, "\1\0\x5e", 3);
	assert_memory_equal(sent[i].b + 4, mac + 2, 2);
	assert_int_equal(rte_raw_cksum((uint8_t *)(ip + 1) + 4, *len), 0xffff);
	return (const uint8_t *)(ip + 1) + 4;
}

/* Record number i of all version 3 reports that were sent; NULL behind the last. */
static const uint8_t *
record(unsigned int i)
{
	unsigned int k, n;
	const uint8_t *p, *r;
	uint16_t len;

	for (k = 0; k < n_sent; k++) {
		if (sent_ip(&sent[k])->dst_addr != V3_ROUTERS)
			continue;
		p = message(k, V3_ROUTERS, &len);
		assert_int_equal(p[0], 0x22);
		n = (unsigned int)p[6] << 8 | p[7];
		assert_true(n > 0 && sent[k].len <= 1514);
		for (r = p + 8; n > 0; n--) {
			if (i-- == 0)
				return r;
			r += 8 + 4 * (r[2] << 8 | r[3]);
		}
		assert_ptr_equal(r, p + len); /* nothing behind the last */
	}
	return NULL;
}

static unsigned int
records(void)
{
	unsigned int i = 0;

	while (record(i) != NULL)
		i++;
	return i;
}

/* What a record says; the sources in any order. */
static void
assert_record(unsigned int i, uint8_t type, uint32_t group, unsigned int n, const struct ip_addr *a,
		const struct ip_addr *b)
{
	const uint8_t *p = record(i);

	assert_non_null(p);
	assert_int_equal(p[0], type);
	assert_int_equal(p[3], n);
	assert_memory_equal(p + 4, &group, 4);
	p += 8;
	if (n == 1)
		assert_memory_equal(p, &a->w[3], 4);
	if (n == 2)
		assert_true((memcmp(p, &a->w[3], 4) == 0 && memcmp(p + 4, &b->w[3], 4) == 0) ||
				(memcmp(p, &b->w[3], 4) == 0 && memcmp(p + 4, &a->w[3], 4) == 0));
}

static void
assert_old(unsigned int i, uint8_t type, uint32_t group, uint32_t dst)
{
	uint16_t len;
	const uint8_t *p = message(i, dst, &len);

	assert_int_equal(len, 8);
	assert_int_equal(p[0], type);
	assert_memory_equal(p + 4, &group, 4);
}

static void
igmp_from(uint32_t dst, uint8_t *body, uint16_t len)
{
	uint16_t sum;

	memset(body + 2, 0, 2);
	sum = (uint16_t)~rte_raw_cksum(body, len);
	memcpy(body + 2, &sum, 2);
	frame_ip(&f, PEER, dst, IPPROTO_IGMP, 0, body, len);
}

static void
query(uint8_t code, uint32_t group, unsigned int n, const struct ip_addr *a,
		const struct ip_addr *b)
{
	uint8_t body[20] = { 0x11, code, [8] = 2, [9] = 125, [11] = (uint8_t)n };

	memcpy(body + 4, &group, 4);
	if (a != NULL)
		memcpy(body + 12, &a->w[3], 4);
	if (b != NULL)
		memcpy(body + 16, &b->w[3], 4);
	igmp_from(group == 0 ? ALL_HOSTS : group, body, (uint16_t)(12 + 4 * n));
	input_one(&f);
}

static void
old_query(uint8_t code, uint32_t group)
{
	uint8_t body[8] = { 0x11, code };

	memcpy(body + 4, &group, 4);
	igmp_from(group == 0 ? ALL_HOSTS : group, body, 8);
	input_one(&f);
}

static void
joins(void **state)
{
	(void)state;
	quiet();
	assert_int_equal(set(GROUP, true, 0, NULL, NULL), 0);
	assert_int_equal(macs, 1);
	assert_int_equal(n_sent, 0);
	world_advance(10);
	assert_int_equal(n_sent, 1);
	assert_record(0, TO_EX, GROUP, 0, NULL, NULL);
	run(1100); /* once more within a second */
	assert_int_equal(n_sent, 2);
	assert_record(1, TO_EX, GROUP, 0, NULL, NULL);
	run(5000);
	assert_int_equal(n_sent, 2);
	assert_int_equal(set(GROUP, true, 0, NULL, NULL), 0); /* nothing new */
	run(2000);
	assert_int_equal(n_sent, 2);
	assert_int_equal(leave(GROUP), 0);
	assert_int_equal(macs, 0);
	run(1200);
	assert_int_equal(n_sent, 4);
	assert_record(2, TO_IN, GROUP, 0, NULL, NULL);
	assert_record(3, TO_IN, GROUP, 0, NULL, NULL);
	assert_int_equal(leave(GROUP), 0); /* not a member */
	run(2000);
	assert_int_equal(n_sent, 4);
	assert_int_equal(macs, 0);
}

/* RFC 3376 section 5.1, the table of state changes. */
static void
changes(void **state)
{
	(void)state;
	quiet();
	set(GROUP, false, 2, &S1, &S2); /* INCLUDE () -> INCLUDE (1, 2) */
	run(1200);
	assert_int_equal(records(), 2);
	assert_record(0, ALLOW, GROUP, 2, &S1, &S2);
	assert_record(1, ALLOW, GROUP, 2, &S1, &S2);
	n_sent = 0;
	set(GROUP, false, 2, &S2, &S3); /* -> INCLUDE (2, 3) */
	run(1200);
	assert_int_equal(records(), 4);
	assert_record(0, ALLOW, GROUP, 1, &S3, NULL);
	assert_record(1, BLOCK, GROUP, 1, &S1, NULL);
	n_sent = 0;
	set(GROUP, true, 1, &S1, NULL); /* -> EXCLUDE (1) */
	run(1200);
	assert_int_equal(records(), 2);
	assert_record(0, TO_EX, GROUP, 1, &S1, NULL);
	n_sent = 0;
	set(GROUP, true, 2, &S2, &S3); /* -> EXCLUDE (2, 3) */
	run(1200);
	assert_int_equal(records(), 4);
	assert_record(0, ALLOW, GROUP, 1, &S1, NULL);
	assert_record(1, BLOCK, GROUP, 2, &S2, &S3);
	n_sent = 0;
	set(GROUP, false, 1, &S1, NULL); /* -> INCLUDE (1) */
	run(1200);
	assert_int_equal(records(), 2);
	assert_record(1, TO_IN, GROUP, 1, &S1, NULL);
	n_sent = 0;
	assert_int_equal(macs, 1);
	set(GROUP, false, 0, NULL, NULL); /* -> INCLUDE (), which is to leave */
	run(1200);
	assert_int_equal(macs, 0);
	assert_int_equal(records(), 2);
	assert_record(0, BLOCK, GROUP, 1, &S1, NULL);
	/* a change while another is being told: the first report merges them */
	n_sent = 0;
	set(GROUP, true, 0, NULL, NULL);
	world_advance(10);
	set(GROUP, true, 1, &S1, NULL);
	run(1500);
	assert_in_range(records(), 3, 4);
	assert_record(0, TO_EX, GROUP, 0, NULL, NULL);
	assert_record(1, TO_EX, GROUP, 1, &S1, NULL);
	assert_record(records() - 1, BLOCK, GROUP, 1, &S1, NULL);
}

static void
queries(void **state)
{
	unsigned int i;

	(void)state;
	quiet();
	set(GROUP, true, 1, &S1, NULL);
	set(IP(239, 1, 2, 4), false, 2, &S1, &S2);
	run(1500);
	n_sent = 0;
	query(100, 0, 0, NULL, NULL); /* general, ten seconds */
	assert_int_equal(records(), 0);
	run(10000);
	assert_int_equal(n_sent, 1); /* both in one packet */
	assert_int_equal(records(), 2);
	assert_record(0, IS_EX, GROUP, 1, &S1, NULL);
	assert_record(1, IS_IN, IP(239, 1, 2, 4), 2, &S1, &S2);
	n_sent = 0;
	query(10, GROUP, 0, NULL, NULL);
	run(1000);
	assert_int_equal(records(), 1);
	assert_record(0, IS_EX, GROUP, 1, &S1, NULL);
	/* of sources: those that may pass */
	n_sent = 0;
	query(10, GROUP, 2, &S1, &S2);
	run(1000);
	assert_int_equal(records(), 1);
	assert_record(0, IS_IN, GROUP, 1, &S2, NULL);
	n_sent = 0;
	query(10, IP(239, 1, 2, 4), 2, &S2, &S3);
	run(1000);
	assert_int_equal(records(), 1);
	assert_record(0, IS_IN, IP(239, 1, 2, 4), 1, &S2, NULL);
	n_sent = 0;
	query(10, GROUP, 1, &S1, NULL); /* excluded: nothing to say */
	run(1000);
	assert_int_equal(records(), 0);
	/* two queries of sources are answered as one; one of the group as a whole wins */
	query(100, GROUP, 1, &S2, NULL);
	query(100, GROUP, 1, &S3, NULL);
	run(10000);
	assert_int_equal(records(), 1);
	assert_record(0, IS_IN, GROUP, 2, &S2, &S3);
	n_sent = 0;
	query(100, GROUP, 1, &S2, NULL);
	query(100, GROUP, 0, NULL, NULL);
	run(10000);
	assert_int_equal(records(), 1);
	assert_record(0, IS_EX, GROUP, 1, &S1, NULL);
	/* an answer to all that is due sooner answers for a group, too */
	n_sent = 0;
	query(1, 0, 0, NULL, NULL);
	query(0x7f, GROUP, 0, NULL, NULL);
	run(13000);
	assert_int_equal(records(), 2);
	/* a group of which we are no member */
	n_sent = 0;
	query(10, IP(239, 9, 9, 9), 0, NULL, NULL);
	run(1000);
	assert_int_equal(records(), 0);
	/* delays are spread, none is longer than asked for */
	for (i = 0; i < 20; i++) {
		query(10, GROUP, 0, NULL, NULL);
		run(1000);
		assert_int_equal(records(), i + 1);
	}
	/* a float of a code: 0x8f is 31 << 3 tenths, 24.8 s */
	n_sent = 0;
	net_random_seed(7);
	query(0x8f, GROUP, 0, NULL, NULL);
	run(24800);
	assert_int_equal(records(), 1);
	assert_int_equal(RX(drop_icmp), 0);
}

static void
version2(void **state)
{
	(void)state;
	quiet();
	old_query(100, 0); /* nobody is a member yet: not even the version is noted */
	set(GROUP, true, 0, NULL, NULL);
	run(1500);
	n_sent = 0;
	old_query(100, 0);
	run(10000);
	assert_int_equal(n_sent, 1);
	assert_old(0, 0x16, GROUP, GROUP);
	/* joins and leaves in that version; sources are not told */
	set(IP(239, 1, 2, 4), false, 1, &S1, NULL);
	world_advance(10);
	assert_int_equal(n_sent, 2);
	assert_old(1, 0x16, IP(239, 1, 2, 4), IP(239, 1, 2, 4));
	run(11000);
	assert_int_equal(n_sent, 3);
	set(IP(239, 1, 2, 4), false, 2, &S1, &S2);
	run(11000);
	assert_int_equal(n_sent, 3);
	leave(IP(239, 1, 2, 4));
	run(1000);
	assert_int_equal(n_sent, 4);
	assert_old(3, 0x17, IP(239, 1, 2, 4), ROUTERS);
	/* another member answers first: we keep quiet, and leave so */
	n_sent = 0;
	old_query(100, GROUP);
	{
		uint8_t body[8] = { 0x16 };

		memcpy(body + 4, &(uint32_t){ GROUP }, 4);
		igmp_from(GROUP, body, 8);
		input_one(&f);
	}
	run(11000);
	assert_int_equal(n_sent, 0);
	leave(GROUP);
	run(1000);
	assert_int_equal(n_sent, 0);
	/* the old querier is gone: version 3 again */
	run(270000);
	set(GROUP, true, 0, NULL, NULL);
	world_advance(10);
	assert_int_equal(n_sent, 1);
	assert_record(0, TO_EX, GROUP, 0, NULL, NULL);
	/* what was to be told in version 3 is not, when an old querier comes */
	old_query(100, IP(239, 7, 7, 7));
	run(2000);
	assert_int_equal(n_sent, 1);
	/* version 1 */
	old_query(0, 0);
	run(10000);
	assert_int_equal(n_sent, 2);
	assert_old(1, 0x12, GROUP, GROUP);
	leave(GROUP);
	run(1000);
	assert_int_equal(n_sent, 2);
}

static void
malformed(void **state)
{
	uint8_t body[16] = { 0x11, 10, [8] = 2, [9] = 125, [11] = 1 };
	unsigned int i;

	(void)state;
	quiet();
	set(GROUP, true, 0, NULL, NULL);
	run(1500);
	n_sent = 0;
	for (i = 0; i < 8; i++) { /* too short */
		igmp_from(ALL_HOSTS, body, (uint16_t)i);
		input_one(&f);
	}
	assert_int_equal(RX(drop_icmp), 8);
	for (i = 9; i < 12; i++) { /* of no version */
		igmp_from(ALL_HOSTS, body, (uint16_t)i);
		input_one(&f);
	}
	assert_int_equal(RX(drop_icmp), 11);
	igmp_from(ALL_HOSTS, body, 15); /* fewer sources than it says */
	input_one(&f);
	igmp_from(ALL_HOSTS, body, 16);
	f.b[40] ^= 1; /* checksum */
	input_one(&f);
	body[11] = 0;
	igmp_from(ALL_HOSTS, body, 12);
	frame_ip_hdr(&f)->time_to_live = 2; /* from beyond a router */
	frame_sum_ip(&f);
	input_one(&f);
	igmp_from(GROUP, body, 12); /* a general query to a group */
	input_one(&f);
	assert_int_equal(RX(drop_icmp), 15);
	run(2000);
	assert_int_equal(n_sent, 0);
	igmp_from(ALL_HOSTS, body, 12);
	input_one(&f);
	run(2000);
	assert_int_equal(n_sent, 1);
	assert_int_equal(RX(igmp_in), 16);
}

static void
limits(void **state)
{
	struct ip_addr sources[129];
	struct net_mc_filter filter = { .exclude = true, .n = 129, .sources = sources };
	struct ip_addr g = V4(239, 1, 2, 3);
	unsigned int i;

	(void)state;
	quiet();
	for (i = 0; i < 129; i++)
		sources[i] = ip_from_v4(rte_cpu_to_be_32(0x0a090000 + i));
	assert_int_equal(net_mc_filter(&port0, &g, 0, &filter), -ENOBUFS);
	filter.n = 128;
	assert_int_equal(net_mc_filter(&port0, &g, 0, &filter), 0);
	world_advance(10);
	assert_int_equal(sent[0].len, 14 + 24 + 16 + 512);
	g = V4(10, 1, 2, 3);
	assert_int_equal(net_mc_filter(&port0, &g, 0, &filter), -EINVAL);
	mac_result = -ENOSPC;
	g = V4(239, 1, 2, 5);
	assert_int_equal(net_mc_filter(&port0, &g, 0, &filter), -ENOSPC);
	assert_false(net_joined(&port0, 0, &g));
	mac_result = 0;
	filter.n = 0;
	for (i = 0; i < 3000; i++) {
		g = ip_from_v4(rte_cpu_to_be_32(0xef020000 + i));
		if (net_mc_filter(&port0, &g, 0, &filter) != 0)
			break;
		assert_true(net_joined(&port0, 0, &g));
	}
	assert_int_equal(i, 2047);
	assert_int_equal(macs, i + 1);
	/* all of them are told, in packets that are as full as they may be */
	n_sent = 0;
	world_advance(10);
	assert_int_equal(records(), i);
	assert_in_range(n_sent, i / 174, i / 174 + 2);
	/* others do not seem joined, and the table takes new ones for old ones for ever */
	for (i = 0; i < 20000; i++) {
		g = ip_from_v4(rte_cpu_to_be_32(0xef100000 + i));
		assert_false(net_joined(&port0, 0, &g));
	}
	tx_room = 0;
	for (i = 0; i < 20000; i++) {
		g = ip_from_v4(rte_cpu_to_be_32(0xef020000 + i % 1000));
		assert_int_equal(net_mc_filter(&port0, &g, 0, NULL), 0);
		assert_false(net_joined(&port0, 0, &g));
		assert_int_equal(net_mc_filter(&port0, &g, 0, &filter), 0);
		assert_true(net_joined(&port0, 0, &g));
	}
}

/* Where a kernel device is, its kernel reports; the MAC filter is ours all the same. */
static void
kernel_reports(void **state)
{
	(void)state;
	port0.kernel = KERNEL_COPIES;
	set(GROUP, true, 1, &S1, NULL);
	assert_int_equal(macs, 1);
	query(10, 0, 0, NULL, NULL);
	run(3000);
	leave(GROUP);
	run(3000);
	assert_int_equal(n_sent, 0);
	assert_int_equal(macs, 0);
	/* of all hosts nobody ever reports */
	port0.kernel = KERNEL_NONE;
	quiet();
	set(ALL_HOSTS, true, 0, NULL, NULL);
	run(3000);
	query(10, 0, 0, NULL, NULL);
	run(3000);
	assert_int_equal(n_sent, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(joins), T(changes), T(queries), T(version2),
		T(malformed), T(limits), T(kernel_reports) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
