/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of ICMP: echo, port unreachable and its limits, errors about packets of ours. */
#include "world.h"

#include <errno.h>

static struct frame f;

static void
icmp_from(uint32_t src, uint32_t dst, uint8_t type, uint8_t code, const void *body, uint16_t len,
		uint16_t vlan)
{
	static uint8_t m[10000];
	uint16_t sum;

	memset(m, 0, 8);
	m[0] = type;
	m[1] = code;
	memcpy(m + 4, body, len);
	sum = (uint16_t)~rte_raw_cksum(m, len + 4u);
	memcpy(m + 2, &sum, 2);
	frame_ip(&f, src, dst, IPPROTO_ICMP, vlan, m, len + 4);
}

static bool
icmp_good(const struct sent *s)
{
	const struct rte_ipv4_hdr *ip = sent_ip(s);
	uint16_t len = rte_be_to_cpu_16(ip->total_length) - 20;

	return ip->next_proto_id == IPPROTO_ICMP && rte_raw_cksum(ip + 1, len) == 0xffff;
}

static void
echo(void **state)
{
	static uint8_t body[5000];
	unsigned int i, len;

	(void)state;
	for (i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 3);
	for (len = 4; len < 300; len += 37) {
		n_sent = 0;
		icmp_from(PEER, OUR, 8, 0, body, (uint16_t)len, 0);
		f.flags = 0;
		input_one(&f);
		assert_int_equal(n_sent, 1);
		assert_true(sent_good(&sent[0]) && icmp_good(&sent[0]));
		assert_memory_equal(sent[0].b, &peer_mac, 6);
		assert_memory_equal(sent[0].b + 6, &our_mac, 6);
		assert_true(sent_ip(&sent[0])->src_addr == OUR);
		assert_true(sent_ip(&sent[0])->dst_addr == PEER);
		assert_int_equal(sent[0].b[34], 0); /* reply */
		assert_memory_equal(sent[0].b + 38, body, len);
	}
	n_sent = 0;
	icmp_from(PEER_VLAN, OUR_VLAN, 8, 0, body, 100, 5);
	input_one(&f);
	assert_memory_equal(sent[0].b + 12, "\x81\0\0\5\x08\0", 6);
	assert_true(sent_good(&sent[0]) && icmp_good(&sent[0]));
	/* the tag taken out on the way in is there on the way out */
	n_sent = 0;
	icmp_from(PEER_VLAN, OUR_VLAN, 8, 0, body, 100, 0);
	f.flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	f.tci = 5;
	input_one(&f);
	assert_memory_equal(sent[0].b + 12, "\x81\0\0\5\x08\0", 6);
	assert_int_equal(sent[0].len, 18 + 20 + 104);
	/* larger than the MTU: it came in fragments, it goes in fragments */
	n_sent = 0;
	icmp_from(PEER, OUR, 8, 0, body, 4000, 0);
	{
		static struct frame part;

		frame_fragment(&f, 0, 2000, &part);
		input_one(&part);
		frame_fragment(&f, 2000, 2004, &part);
		input_one(&part);
	}
	assert_int_equal(n_sent, 3);
	assert_int_equal(sent[0].b[34], 0);
	/* with options, which the reply has not */
	n_sent = 0;
	icmp_from(PEER, OUR, 8, 0, body, 40, 0);
	memmove(f.b + 38, f.b + 34, f.len - 34);
	memcpy(f.b + 34, "\x94\4\0\0", 4);
	f.len += 4;
	f.b[14] = 0x46;
	frame_ip_hdr(&f)->total_length = rte_cpu_to_be_16((uint16_t)(f.len - 14));
	frame_sum_ip(&f);
	input_one(&f);
	assert_int_equal(n_sent, 1);
	assert_int_equal(sent[0].len, 34 + 44);
	assert_true(sent_good(&sent[0]) && icmp_good(&sent[0]));
}

static void
no_echo(void **state)
{
	uint8_t body[40] = { 0 };

	(void)state;
	icmp_from(PEER, IP(10, 1, 0, 255), 8, 0, body, 40, 0); /* to everybody */
	input_one(&f);
	icmp_from(PEER, IP(10, 1, 0, 9), 8, 0, body, 40, 0); /* to another */
	input_one(&f);
	icmp_from(PEER, OUR_VLAN, 8, 0, body, 40, 0); /* on another VLAN */
	input_one(&f);
	icmp_from(0, OUR, 8, 0, body, 40, 0); /* from nobody */
	input_one(&f);
	icmp_from(PEER, OUR, 0, 0, body, 40, 0); /* a reply */
	input_one(&f);
	assert_int_equal(RX(drop_icmp), 0);
	icmp_from(PEER, OUR, 8, 0, body, 40, 0);
	f.b[60] ^= 1;
	input_one(&f);
	assert_int_equal(RX(drop_icmp), 1);
	icmp_from(PEER, OUR, 8, 0, body, 3, 0); /* seven bytes */
	input_one(&f);
	assert_int_equal(RX(drop_icmp), 2);
	assert_int_equal(RX(icmp_in), 7);
	/* the kernel does it */
	port0.kernel = KERNEL_RESTS;
	icmp_from(PEER, OUR, 8, 0, body, 40, 0);
	input_one(&f);
	port0.kernel = KERNEL_COPIES;
	input_one(&f);
	assert_int_equal(n_sent, 0);
	port0.kernel = KERNEL_PEER;
	input_one(&f);
	port0.kernel = KERNEL_BLIND;
	input_one(&f);
	assert_int_equal(n_sent, 2);
}

static void
unreachable(void **state)
{
	unsigned int i;

	(void)state;
	frame_udp(&f, 1000, 1);
	input_one(&f);
	assert_int_equal(n_sent, 1);
	assert_true(sent_good(&sent[0]) && icmp_good(&sent[0]));
	assert_int_equal(sent[0].len, 14 + 576);
	assert_memory_equal(sent[0].b + 34, "\3\3", 2);
	assert_memory_equal(sent[0].b + 42, f.b + 14, 548); /* what it is about */
	assert_memory_equal(sent[0].b, &peer_mac, 6);
	assert_int_equal(RX(icmp_unreachable_out), 1);
	assert_int_equal(RX(drop_no_socket), 1);
	frame_udp(&f, 4, 1); /* a short one */
	f.len = 60;
	input_one(&f);
	assert_int_equal(sent[1].len, 14 + 28 + 32);
	frame_udp_to(&f, PEER_VLAN, 1, OUR_VLAN, 9, 5, 20, 1);
	input_one(&f);
	assert_memory_equal(sent[2].b + 12, "\x81\0\0\5\x08\0", 6);
	/* a flood gets no flood */
	for (i = 0; i < 500; i++)
		input_one(&f);
	assert_int_equal(n_sent, 50);
	world_advance(20);
	n_sent = 0;
	for (i = 0; i < 500; i++)
		input_one(&f);
	assert_int_equal(n_sent, 20);
}

static void
never_unreachable(void **state)
{
	const struct ip_addr group = V4(239, 1, 2, 3);
	const struct net_mc_filter all = { .exclude = true };

	(void)state;
	assert_int_equal(net_mc_filter(&port0, &group, 0, &all), 0);
	frame_udp_to(&f, PEER, 1, IP(239, 1, 2, 3), 9, 0, 20, 1);
	input_one(&f);
	frame_udp_to(&f, PEER, 1, IP(10, 1, 0, 255), 9, 0, 20, 1);
	input_one(&f);
	assert_int_equal(RX(drop_no_socket), 2);
	frame_udp_to(&f, PEER, 1, IP(10, 1, 0, 9), 9, 0, 20, 1); /* not ours */
	input_one(&f);
	frame_udp_to(&f, 0, 1, OUR, 9, 0, 20, 1); /* from nobody */
	input_one(&f);
	port0.kernel = KERNEL_COPIES; /* the kernel may have a socket, or answers itself */
	frame_udp(&f, 20, 1);
	input_one(&f);
	port0.kernel = KERNEL_RESTS;
	input_one(&f);
	assert_int_equal(n_sent, 0);
	assert_int_equal(RX(icmp_unreachable_out), 0);
}

static unsigned int errors;
static struct flow_key error_key;
static int error_no;
static uint32_t error_seq;
static struct net_error error;
static uint8_t error_quote[128];

static void
on_error(const struct flow_key *key, const struct net_error *e)
{
	assert_true(e->quote_len <= sizeof(error_quote));
	error = *e;
	memcpy(error_quote, e->quote, e->quote_len);
	error_seq = e->seq;
	error_key = *key;
	error_no = e->err;
	errors++;
}

/* The message says that our datagram to the peer's port 2 failed. */
static void
about_ours(uint8_t type, uint8_t code, uint32_t src, uint16_t quoted)
{
	uint8_t body[100] = { 0 };
	static struct frame about;

	frame_udp_to(&about, src, 1, PEER, 2, 0, 20, 1);
	memcpy(body + 4, about.b + 14, quoted);
	icmp_from(IP(10, 1, 0, 77), OUR, type, code, body, (uint16_t)(4 + quoted), 0);
}

static void
tells(void **state)
{
	static const struct {
		uint8_t type, code;
		int err;
	} cases[] = { { 3, 0, ENETUNREACH }, { 3, 1, EHOSTUNREACH }, { 3, 2, ENOPROTOOPT },
		{ 3, 3, ECONNREFUSED }, { 3, 4, EMSGSIZE }, { 3, 13, EHOSTUNREACH },
		{ 11, 0, EHOSTUNREACH }, { 12, 0, EPROTO } };
	unsigned int i, len;

	(void)state;
	errors = 0;
	net_on_icmp_error(IPPROTO_UDP, on_error);
	for (i = 0; i < RTE_DIM(cases); i++) {
		about_ours(cases[i].type, cases[i].code, OUR, 28);
		input_one(&f);
		assert_int_equal(errors, i + 1);
		assert_int_equal(error_no, cases[i].err);
		assert_true(ip_v4(&error_key.local) == OUR && ip_v4(&error_key.remote) == PEER);
		assert_int_equal(error_key.lport, RTE_BE16(1));
		assert_int_equal(error_key.rport, RTE_BE16(2));
		assert_int_equal(error_key.proto, IPPROTO_UDP);
		assert_int_equal(error.type, cases[i].type);
		assert_int_equal(error.code, cases[i].code);
		assert_true(ip_v4(&error.offender) == IP(10, 1, 0, 77));
		assert_int_equal(error.quote_len, 8);
		assert_memory_equal(error_quote, "\0\1\0\2", 4);
	}
	/* with more of it; what lies behind the packet that is quoted is not its own */
	for (i = 29; i < 96; i++) {
		about_ours(3, 3, OUR, (uint16_t)i);
		input_one(&f);
		assert_int_equal(error.quote_len, RTE_MIN(i - 20, 28u));
		assert_memory_equal(error_quote, "\0\1\0\2", 4);
	}
	errors = 0;
	about_ours(3, 200, OUR, 28); /* no such code */
	input_one(&f);
	about_ours(5, 0, OUR, 28); /* redirect */
	input_one(&f);
	about_ours(3, 3, PEER, 28); /* we sent no such thing */
	input_one(&f);
	assert_int_equal(RX(drop_icmp), 0);
	for (len = 0; len < 28; len++) { /* says too little */
		about_ours(3, 3, OUR, (uint16_t)len);
		input_one(&f);
		assert_int_equal(RX(drop_icmp), len + 1);
	}
	about_ours(3, 3, OUR, 28);
	f.b[42] = 0x4f; /* what it quotes has a header longer than the quote */
	memset(f.b + 36, 0, 2);
	{
		uint16_t sum = (uint16_t)~rte_raw_cksum(f.b + 34, f.len - 34);

		memcpy(f.b + 36, &sum, 2);
	}
	input_one(&f);
	assert_int_equal(RX(drop_icmp), 29);
	assert_int_equal(errors, 0);
	assert_int_equal(n_sent, 0); /* errors are never answered */
	about_ours(3, 3, OUR, 28);   /* about a fragment that has no ports */
	f.b[42 + 7] = 1;
	memset(f.b + 36, 0, 2);
	{
		uint16_t sum = (uint16_t)~rte_raw_cksum(f.b + 34, f.len - 34);

		memcpy(f.b + 36, &sum, 2);
	}
	input_one(&f);
	assert_int_equal(errors, 0);
	/* nobody listens for TCP */
	about_ours(3, 3, OUR, 28);
	f.b[42 + 9] = IPPROTO_TCP;
	memset(f.b + 36, 0, 2);
	{
		uint16_t sum = (uint16_t)~rte_raw_cksum(f.b + 34, f.len - 34);

		memcpy(f.b + 36, &sum, 2);
	}
	input_one(&f);
	assert_int_equal(errors, 0);
	/* until somebody wants to know: the sequence number follows the ports */
	net_on_icmp_error(IPPROTO_TCP, on_error);
	input_one(&f);
	assert_int_equal(errors, 1);
	assert_int_equal(error_key.proto, IPPROTO_TCP);
	assert_int_equal(error_seq,
			(uint32_t)f.b[66] << 24 | f.b[67] << 16 | f.b[68] << 8 | f.b[69]);
	assert_int_not_equal(error_seq, 0);
	errors = 0;
	about_ours(3, 3, OUR, 28);
	f.segment = 11;
	input_one(&f);
	assert_int_equal(errors, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(echo), T(no_echo), T(unreachable),
		T(never_unreachable), T(tells) };

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
