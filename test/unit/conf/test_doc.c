/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doc/parameters.md is what conf_doc() writes, and both it and --help name every variable.
 */
#include "conf_test.h"

static char *
text_of(void (*write)(FILE *))
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	write(f);
	fclose(f);
	return text;
}

static char *
file_of(const char *path)
{
	FILE *f = fopen(path, "r"), *out;
	char *text = NULL;
	size_t size = 0;
	int c;

	if (f == NULL)
		fail_msg("%s cannot be read", path);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	while ((c = fgetc(f)) != EOF)
		fputc(c, out);
	fclose(f);
	fclose(out);
	return text;
}

static void
test_doc(void **state)
{
	char *want = text_of(conf_doc), *got = file_of(PARAMETERS_MD);
	unsigned int line = 1;
	const char *w, *g;

	(void)state;
	for (w = want, g = got; *w != '\0' && *w == *g; w++, g++)
		line += *w == '\n';
	if (*w != *g)
		fail_msg("doc/parameters.md differs from the table in line %u: write it anew with "
			 "conf-doc",
				line);
	free(want);
	free(got);
}

static void
test_doc_ignores_environment(void **state)
{
	char *a, *b;

	(void)state;
	load(NULL);
	a = text_of(conf_doc);
	load("VMA_SPEC=latency", "VMA_RX_WRE=77", NULL);
	b = text_of(conf_doc);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void
test_all_named(void **state)
{
	static const char *const names[] = {
#define NAME(field, name, ...) #name,
#define CONF_BOOL NAME
#define CONF_INT NAME
#define CONF_ENUM NAME
#define CONF_STR NAME
#define CONF_CPUS NAME
#define CONF_PTR NAME
#include "conf/options.h"
	};
	char *doc = text_of(conf_doc), *help = text_of(conf_help), text[96];
	unsigned int i;

	(void)state;
	assert_true(RTE_DIM(names) > 100);
	for (i = 0; i < RTE_DIM(names); i++) {
		snprintf(text, sizeof(text), "\n| `%s` | ", names[i]);
		if (strstr(doc, text) == NULL)
			fail_msg("%s is not in doc/parameters.md", names[i]);
		snprintf(text, sizeof(text), "\n  %s (", names[i]);
		if (strstr(help, text) == NULL)
			fail_msg("%s is not in --help", names[i]);
	}
	assert_non_null(strstr(doc, "| `VMA_RX_WRE` | `16000` | at least 1 descriptors | "));
	assert_non_null(strstr(
			doc, "| `VMA_TX_WRE_BATCHING` | `64` | 1..64 descriptors, clamped | "));
	assert_non_null(strstr(doc, "| `VMA_HUGETBL` | set VMA_MEM_ALLOC_TYPE=2"));
	free(doc);
	free(help);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc),
		cmocka_unit_test(test_doc_ignores_environment),
		cmocka_unit_test(test_all_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
