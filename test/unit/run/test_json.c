/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON that telemetry sends, and JSON that no one should: of a process that is not what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static void
members(void **state)
{
	static const char greeting[] = "{\"version\":\"DPDK 22.11.11\",\"pid\": 1234 ,"
				       "\"max_output_len\":16384}";
	long n = 0;

	(void)state;
	assert_true(json_number(json_member(greeting, "pid"), &n));
	assert_int_equal(n, 1234);
	assert_true(json_number(json_member(greeting, "max_output_len"), &n));
	assert_int_equal(n, 16384);
	assert_non_null(json_member(greeting, "version"));
	assert_false(json_number(json_member(greeting, "version"), &n));
	assert_null(json_member(greeting, "pi"));
	assert_null(json_member(greeting, "pidx"));
	assert_false(json_number(json_member(greeting, "no"), &n));
	/* a name inside a value is none of the object's */
	assert_true(json_number(json_member("{\"a\":{\"b\":1},\"b\":2}", "b"), &n));
	assert_int_equal(n, 2);
	assert_true(json_number(json_member("{\"a\":\"\\\"b\\\":\",\"b\":-3}", "b"), &n));
	assert_int_equal(n, -3);
}

static void
items(void **state)
{
	const char *item;
	long n, sum = 0;

	(void)state;
	for (item = json_first(" [ 1, 20 ,300 ]"); item != NULL; item = json_next(item)) {
		assert_true(json_number(item, &n));
		sum += n;
	}
	assert_int_equal(sum, 321);
	assert_null(json_first("[]"));
	assert_null(json_first("{ }"));
	assert_null(json_first("7"));
	item = json_first("[{\"a\":[1,2]},\"x,]\",null]");
	assert_non_null(item);
	item = json_next(item);
	assert_memory_equal(item, "\"x,]\"", 5);
	item = json_next(item);
	assert_memory_equal(item, "null", 4);
	assert_null(json_next(item));
}

/* What is printed of a text, freed by the caller. */
static char *
printed(const char *text)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	assert_non_null(f);
	json_print(text, f);
	fclose(f);
	return out;
}

static void
printing(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "{\"fd\":7,\"why\":\"a rule, line 3\"}", "fd: 7\nwhy: a rule, line 3\n" },
		{ "{\"a\":{\"b\":[1,\"x\"]},\"c\":null}", "a: \n  b: \n    1\n    x\nc: null\n" },
		{ "[{\"a\":1},{\"a\":2}]", "-\n  a: 1\n-\n  a: 2\n" },
		{ "\"say \\\"hi\\\" C:\\\\x\"", "say \"hi\" C:\\x\n" },
		{ "{\"a\":\"one\\nline\"}", "a: one line\n" },
		{ "\"\033[2J\"", "?[2J\n" },
		{ "{}", "" },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = printed(cases[i].json);

		assert_string_equal(out, cases[i].text);
		free(out);
	}
}

/* Every beginning of a good text, and texts with each byte changed, end without a fault. */
static void
malformed(void **state)
{
	static const char good[] =
			"{\"/dpvma/explain\":[{\"fd\":3,\"why\":\"x\\\"y\",\"n\":[-1,{}]},"
			"true,\"\"]}";
	static const char bytes[] = "{}[]\",:\\ 0a";
	char text[sizeof(good)], *copy;
	size_t i, j;
	long n;

	(void)state;
	for (i = 0; i < sizeof(good); i++) {
		/* of exactly that size, so that a sanitizer sees a byte too many */
		copy = strndup(good, i);
		assert_non_null(copy);
		free(printed(copy));
		json_number(json_member(copy, "fd"), &n);
		free(copy);
	}
	for (i = 0; i + 1 < sizeof(good); i++)
		for (j = 0; bytes[j] != '\0'; j++) {
			memcpy(text, good, sizeof(good));
			text[i] = bytes[j];
			free(printed(text));
			json_member(text, "/dpvma/explain");
		}
	assert_null(json_skip("\"no end"));
	assert_null(json_skip("[1,2"));
	assert_null(json_skip("]"));
	assert_null(json_next("1"));
}

/* A thousand brackets are not a thousand calls. */
static void
deep(void **state)
{
	char text[2001];

	(void)state;
	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	text[2000] = '\0';
	free(printed(text));
	assert_ptr_equal(json_skip(text), text + 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members),
		cmocka_unit_test(items),
		cmocka_unit_test(printing),
		cmocka_unit_test(malformed),
		cmocka_unit_test(deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
