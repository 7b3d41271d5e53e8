/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: text both ways, prefixes of both families, sockaddr both ways, mistakes refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "base/base.h"

static struct ip_addr
ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void
test_text(void **state)
{
	static const char *const good[] = { "0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1",
		"2001:db8::5", "fe80::1:2:3:4" };
	static const char *const bad[] = { "", " 192.0.2.1", "192.0.2", "192.0.2.1.", "192.0.2.256",
		"192.0.2.1/24", "host", "2001:db8:::5", "1::2::3", "010.0.0.1" };
	char buf[IP_ADDR_STRLEN];
	struct ip_addr a, before;
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(good); i++) {
		a = ip(good[i]);
		assert_ptr_equal(ip_format(&a, buf), buf);
		assert_string_equal(buf, good[i]);
	}
	memset(&before, 0xa5, sizeof(before));
	for (i = 0; i < RTE_DIM(bad); i++) {
		a = before;
		assert_int_equal(ip_parse(bad[i], &a), -EINVAL);
		assert_memory_equal(&a, &before, sizeof(a));
	}
	a = ip("192.0.2.1");
	assert_true(ip_is_v4(&a));
	assert_int_equal(ip_v4(&a), inet_addr("192.0.2.1"));
	before = ip("::ffff:192.0.2.1");
	assert_true(ip_equal(&a, &before));
}

static void
test_kinds(void **state)
{
	struct ip_addr a;

	(void)state;
	a = ip("::");
	assert_true(ip_is_any(&a));
	a = ip("0.0.0.0");
	assert_true(ip_is_any(&a));
	a = ip("0.0.0.1");
	assert_false(ip_is_any(&a));
	a = ip("224.0.0.1");
	assert_true(ip_is_multicast(&a));
	a = ip("240.0.0.1");
	assert_false(ip_is_multicast(&a));
	a = ip("ff02::1");
	assert_true(ip_is_multicast(&a));
	a = ip("fe80::1");
	assert_false(ip_is_multicast(&a));
}

static void
test_prefix(void **state)
{
	static const struct {
		const char *addr, *net;
		unsigned int prefix;
		bool in;
	} rows[] = {
		{ "192.0.2.77", "192.0.2.0", 24, true },
		{ "192.0.3.77", "192.0.2.0", 24, false },
		{ "192.0.3.77", "192.0.2.0", 23, true },
		{ "192.0.2.127", "192.0.2.0", 25, true },
		{ "192.0.2.128", "192.0.2.0", 25, false },
		{ "192.0.2.1", "192.0.2.1", 32, true },
		{ "192.0.2.2", "192.0.2.1", 32, false },
		{ "192.0.2.3", "192.0.2.2", 31, true },
		{ "10.1.2.3", "0.0.0.0", 0, true },
		{ "10.1.2.3", "::", 0, true },
		{ "2001:db8::1", "0.0.0.0", 0, false },
		{ "2001:db8::1", "::", 0, true },
		{ "2001:db8:0:1::1", "2001:db8::", 64, false },
		{ "2001:db8::1", "2001:db8::", 64, true },
		{ "2001:db8::1", "2001:db8::", 128, false },
		{ "128.0.0.1", "0.0.0.0", 1, false },
		{ "127.0.0.1", "0.0.0.0", 1, true },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(rows); i++) {
		struct ip_addr a = ip(rows[i].addr), net = ip(rows[i].net);

		if (ip_in_prefix(&a, &net, rows[i].prefix) != rows[i].in)
			fail_msg("%s in %s/%u", rows[i].addr, rows[i].net, rows[i].prefix);
	}
}

static void
test_sockaddr(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(54) };
	struct sockaddr_in back;
	struct ip_addr a, want;
	uint16_t port = 0;
	sa_family_t unix_family = AF_UNIX;

	(void)state;
	sin.sin_addr.s_addr = inet_addr("198.51.100.9");
	want = ip("198.51.100.9");
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &a, &port), 0);
	assert_true(ip_equal(&a, &want));
	assert_int_equal(port, htons(53));
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &a, NULL), 0);
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sin, sizeof(sin) - 1, &a, &port),
			-EINVAL);
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sin, 1, &a, &port), -EINVAL);
	assert_int_equal(ip_from_sockaddr(NULL, sizeof(sin), &a, &port), -EINVAL);
	ip_to_sockaddr(&a, port, &back);
	assert_memory_equal(&back, &sin, sizeof(sin));

	inet_pton(AF_INET6, "2001:db8::7", &sin6.sin6_addr);
	want = ip("2001:db8::7");
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &a, &port), 0);
	assert_true(ip_equal(&a, &want));
	assert_int_equal(port, htons(54));
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin), &a, &port),
			-EINVAL);
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&unix_family, sizeof(unix_family), &a,
					 &port),
			-EAFNOSUPPORT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
