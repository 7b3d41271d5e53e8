/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Membership: what each operation returns, what the port is told (RFC 3376 section 3.2), and which
 * flows exist for it.
 */
#include "fake.h"

#define S1 "10.0.0.2"
#define S2 "10.0.0.3"
#define S3 "10.0.0.4"

/* "E" or "I" and the last digits of the sources in order of value; "-": left. */
static const char *
told(unsigned int port)
{
	static char text[64];
	struct fake_filter *f = fake_filter(port, GROUP);
	unsigned int at;

	if (f == NULL || !f->present)
		return "-";
	at = (unsigned int)snprintf(text, sizeof(text), "%c", f->exclude ? 'E' : 'I');
	for (unsigned int last = 0; last < 256; last++)
		for (unsigned int i = 0; i < f->n; i++)
			if (f->sources[i].b[15] == last)
				at += (unsigned int)snprintf(
						text + at, sizeof(text) - at, "%u", last);
	return text;
}

static void
operations(void **state)
{
	static const struct {
		enum udp_mc_op op;
		const char *src;
		int rc;
		const char *told;
	} t[] = {
		{ UDP_MC_LEAVE, NULL, -EADDRNOTAVAIL, "-" },
		{ UDP_MC_BLOCK, S1, -EINVAL, "-" },
		{ UDP_MC_UNBLOCK, S1, -EINVAL, "-" },
		{ UDP_MC_LEAVE_SOURCE, S1, -EINVAL, "-" },
		{ UDP_MC_JOIN_SOURCE, NULL, -EINVAL, "-" },
		{ UDP_MC_JOIN, NULL, 0, "E" },
		{ UDP_MC_JOIN, NULL, -EADDRINUSE, "E" },
		{ UDP_MC_BLOCK, S1, 0, "E2" },
		{ UDP_MC_BLOCK, S1, -EADDRNOTAVAIL, "E2" },
		{ UDP_MC_BLOCK, S2, 0, "E23" },
		{ UDP_MC_JOIN_SOURCE, S3, -EINVAL, "E23" },
		{ UDP_MC_UNBLOCK, S3, -EADDRNOTAVAIL, "E23" },
		{ UDP_MC_UNBLOCK, S1, 0, "E3" },
		{ UDP_MC_UNBLOCK, S2, 0, "E" },
		/* An empty filter may turn round. */
		{ UDP_MC_JOIN_SOURCE, S1, 0, "I2" },
		{ UDP_MC_JOIN_SOURCE, S1, -EADDRNOTAVAIL, "I2" },
		{ UDP_MC_JOIN_SOURCE, S2, 0, "I23" },
		{ UDP_MC_BLOCK, S1, -EINVAL, "I23" },
		{ UDP_MC_LEAVE_SOURCE, S3, -EADDRNOTAVAIL, "I23" },
		{ UDP_MC_LEAVE_SOURCE, S1, 0, "I3" },
		/* The last source is the membership. */
		{ UDP_MC_LEAVE_SOURCE, S2, 0, "-" },
		{ UDP_MC_JOIN_SOURCE, S3, 0, "I4" },
		{ UDP_MC_LEAVE, NULL, 0, "-" },
	};
	struct udp_sock *s = sock_new();

	(void)state;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		int rc = sock_mc(s, t[i].op, GROUP, 0, t[i].src);

		if (rc != t[i].rc || strcmp(told(0), t[i].told) != 0)
			fail_msg("row %u: %d %s, expected %d %s", i, rc, told(0), t[i].rc,
					t[i].told);
	}
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, "10.1.1.1", 0, NULL), -EINVAL);
	udp_close(s);
}

/* Filters of several sockets, each "E..." or "I...", and what they amount to. */
static void
merged(void **state)
{
	static const char *const t[][4] = {
		{ "I2", NULL, NULL, "I2" },
		{ "I2", "I3", NULL, "I23" },
		{ "I23", "I34", NULL, "I234" },
		{ "E", "I2", NULL, "E" },
		{ "E2", NULL, NULL, "E2" },
		{ "E23", "E34", NULL, "E3" },
		{ "E2", "E3", NULL, "E" },
		{ "E23", "I3", NULL, "E2" },
		/* The three examples of RFC 3376 section 3.2. */
		{ "E234", "E345", "I5", "E34" },
		{ "E234", "E345", "I45", "E3" },
		{ "I234", "I345", NULL, "I2345" },
		{ "E23", "E", "I2", "E" },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		struct udp_sock *s[3] = { NULL };

		for (unsigned int k = 0; k < 3 && t[i][k] != NULL; k++) {
			bool exclude = t[i][k][0] == 'E';
			char src[] = "10.0.0.0";

			s[k] = sock_new();
			if (exclude)
				assert_int_equal(sock_mc(s[k], UDP_MC_JOIN, GROUP, 0, NULL), 0);
			for (const char *c = t[i][k] + 1; *c != '\0'; c++) {
				src[7] = *c;
				assert_int_equal(sock_mc(s[k],
								 exclude ? UDP_MC_BLOCK
									 : UDP_MC_JOIN_SOURCE,
								 GROUP, 0, src),
						0);
			}
		}
		if (strcmp(told(0), t[i][3]) != 0)
			fail_msg("row %u: %s, expected %s", i, told(0), t[i][3]);
		for (unsigned int k = 0; k < 3; k++)
			if (s[k] != NULL)
				udp_close(s[k]);
		assert_string_equal(told(0), "-");
	}
}

static void
flows(void **state)
{
	struct udp_sock *s = sock_new(), *g = sock_new();

	(void)state;
	fake_ports[0].caps.flow = true;
	/* Before and after binding; a socket bound to an address hears no multicast. */
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(fake_flows(), 0);
	assert_int_equal(sock_bind(s, A1, 4000), 0);
	assert_int_equal(fake_flows(), 1);
	udp_close(s);
	s = sock_new();
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	assert_int_equal(fake_flow(0, GROUP, 4000, "::", 0)->flags, FLOW_RULE);
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, 1, NULL), 0);
	assert_non_null(fake_flow(1, GROUP, 4000, "::", 0));
	/* No port given: the first of that group. */
	assert_int_equal(sock_mc(s, UDP_MC_LEAVE, GROUP, -1, NULL), 0);
	assert_int_equal(sock_mc(s, UDP_MC_LEAVE, GROUP, -1, NULL), 0);
	assert_null(fake_flow(0, GROUP, 4000, "::", 0));
	assert_null(fake_flow(1, GROUP, 4000, "::", 0));
	/* No port given: the route's. */
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, -1, NULL), 0);
	assert_non_null(fake_flow(0, GROUP, 4000, "::", 0));
	/* Bound to the group, joined by somebody else, and by nobody. */
	assert_int_equal(sock_bind(g, GROUP, 5000), 0);
	assert_non_null(fake_flow(0, GROUP, 5000, "::", 0));
	assert_int_equal(sock_mc(s, UDP_MC_LEAVE, GROUP, 0, NULL), 0);
	assert_null(fake_flow(0, GROUP, 5000, "::", 0));
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, 1, NULL), 0);
	assert_non_null(fake_flow(1, GROUP, 5000, "::", 0));
	udp_close(s);
	assert_null(fake_flow(1, GROUP, 5000, "::", 0));
	udp_close(g);
}

static void
failures(void **state)
{
	struct udp_sock *s = sock_new(), *t = sock_new();

	(void)state;
	udp_options(s)->reuse_addr = udp_options(t)->reuse_addr = true;
	assert_int_equal(sock_bind(s, "0.0.0.0", 4000), 0);
	fake_filter_error = -ENOBUFS;
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, 0, NULL), -ENOBUFS);
	assert_null(fake_flow(0, GROUP, 4000, "::", 0));
	fake_filter_error = 0;
	fake_flow_error = -ENOSPC;
	assert_int_equal(sock_mc(s, UDP_MC_JOIN, GROUP, 0, NULL), -ENOSPC);
	fake_flow_error = 0;
	assert_string_equal(told(0), "-");
	/* A filter that cannot be changed is as it was. */
	assert_int_equal(sock_mc(s, UDP_MC_JOIN_SOURCE, GROUP, 0, S1), 0);
	fake_filter_error = -ENOBUFS;
	assert_int_equal(sock_mc(s, UDP_MC_JOIN_SOURCE, GROUP, 0, S2), -ENOBUFS);
	fake_filter_error = 0;
	fake_rx1(0, S1, 9, GROUP, 4000, 1);
	fake_rx1(0, S2, 9, GROUP, 4000, 2);
	assert_string_equal(sock_read(s), "01 ");
	assert_int_equal(fake_ring_count(0, RING_STAT_drop_source_filter), 1);
	/* Sources have a limit. */
	for (unsigned int i = 1; i < UDP_SOURCES_MAX; i++) {
		char src[16];

		snprintf(src, sizeof(src), "10.0.2.%u", i);
		assert_int_equal(sock_mc(s, UDP_MC_JOIN_SOURCE, GROUP, 0, src), 0);
	}
	assert_int_equal(sock_mc(s, UDP_MC_JOIN_SOURCE, GROUP, 0, S3), -ENOBUFS);
	/* Together they have the same: another socket's is refused, what was stays. */
	assert_int_equal(sock_mc(t, UDP_MC_JOIN_SOURCE, GROUP, 0, S3), -ENOBUFS);
	assert_int_equal(fake_filter(0, GROUP)->n, UDP_SOURCES_MAX);
	udp_close(s);
	udp_close(t);
}

/* VMA_ETH_MC_L2_ONLY_RULES: one rule for all port numbers, software behind it. */
static void
l2_only(void **state)
{
	struct udp_sock *a = sock_new(), *b = sock_new();

	(void)state;
	fake_ports[0].caps.flow = true;
	assert_int_equal(conf_set("VMA_ETH_MC_L2_ONLY_RULES", "1"), 0);
	assert_int_equal(sock_bind(a, GROUP, 4000), 0);
	assert_int_equal(sock_bind(b, GROUP, 5000), 0);
	assert_int_equal(sock_mc(a, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(fake_flow(0, GROUP, 0, "::", 0)->flags, FLOW_RULE);
	assert_int_equal(fake_flow(0, GROUP, 4000, "::", 0)->flags, 0);
	assert_int_equal(fake_flow(0, GROUP, 5000, "::", 0)->flags, 0);
	assert_int_equal(fake_flows(), 3);
	udp_close(b);
	assert_int_equal(fake_flows(), 2);
	assert_int_equal(sock_mc(a, UDP_MC_LEAVE, GROUP, 0, NULL), 0);
	assert_int_equal(fake_flows(), 0);
	udp_close(a);
	assert_int_equal(conf_set("VMA_ETH_MC_L2_ONLY_RULES", "0"), 0);
}

/* A feed handler: many sockets on one port number, each with its own group. */
static void
many(void **state)
{
	struct udp_sock *s[300];
	char group[16];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(s); i++) {
		s[i] = sock_new();
		snprintf(group, sizeof(group), "239.2.%u.%u", i >> 8, i & 255);
		assert_int_equal(sock_bind(s[i], group, 4000), 0);
		/* The stand-in of the filter table is small. */
		fake_reset(NULL);
		assert_int_equal(sock_mc(s[i], UDP_MC_JOIN, group, 0, NULL), 0);
	}
	assert_int_equal(fake_flows(), RTE_DIM(s));
	for (unsigned int i = 0; i < RTE_DIM(s); i++) {
		snprintf(group, sizeof(group), "239.2.%u.%u", i >> 8, i & 255);
		fake_rx1(0, PEER, 9, group, 4000, (uint8_t)i);
	}
	for (unsigned int i = 0; i < RTE_DIM(s); i++) {
		char text[8];

		snprintf(text, sizeof(text), "%02x ", i & 255);
		assert_string_equal(sock_read(s[i]), text);
		fake_reset(NULL);
		udp_close(s[i]);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(operations),
		TEST(merged),
		TEST(flows),
		TEST(failures),
		TEST(l2_only),
		TEST(many),
	};

	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
