/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: levels, what stands before a line, where lines go, and that nothing goes to standard
 * output.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

static char path[] = "/tmp/dpvma-test-log-XXXXXX";
static char text[8192];

/* What the file has; valid until the next call. */
static const char *
content(void)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

/* Lines go elsewhere, and the file is empty. */
static void
fresh(void)
{
	log_setup(LOG_LEVEL_NONE, 0, false, NULL);
	assert_int_equal(truncate(path, 0), 0);
}

static void
test_levels(void **state)
{
	int level;

	(void)state;
	for (level = LOG_LEVEL_NONE; level <= LOG_LEVEL_ALL; level++) {
		fresh();
		log_setup(level, 0, false, path);
		LOG_ERROR("e%d", 1);
		LOG_WARNING("w\n"); /* one end of line, not two */
		LOG_INFO("i");
		LOG_DETAILS("t");
		LOG_DEBUG("d");
		content();
		assert_int_equal(strstr(text, "dpvma error: e1\n") != NULL,
				level >= LOG_LEVEL_ERROR);
		assert_int_equal(strstr(text, "dpvma warning: w\n") != NULL,
				level >= LOG_LEVEL_WARNING);
		assert_int_equal(strstr(text, "dpvma info: i\n") != NULL, level >= LOG_LEVEL_INFO);
		assert_int_equal(strstr(text, "dpvma details: t\n") != NULL,
				level >= LOG_LEVEL_DETAILS);
		assert_int_equal(
				strstr(text, "dpvma debug: d\n") != NULL, level >= LOG_LEVEL_DEBUG);
		assert_null(strstr(text, "\n\n"));
		assert_null(strchr(text, '\033')); /* no colour into a file */
	}
}

static void
test_details(void **state)
{
	char want[64];
	int pid = (int)getpid(), tid = (int)gettid();
	unsigned int s, ms;
	int end = 0;

	(void)state;
	fresh();
	log_setup(LOG_LEVEL_INFO, 1, true, path);
	LOG_INFO("x");
	snprintf(want, sizeof(want), "dpvma [%d] info: x\n", tid);
	assert_string_equal(content(), want);

	fresh();
	log_setup(LOG_LEVEL_INFO, 2, true, path);
	LOG_INFO("x");
	snprintf(want, sizeof(want), "dpvma [%d/%d] info: x\n", pid, tid);
	assert_string_equal(content(), want);

	fresh();
	log_setup(LOG_LEVEL_INFO, 3, true, path);
	LOG_INFO("x");
	assert_int_equal(sscanf(content(), "dpvma %u.%3u %n", &s, &ms, &end), 2);
	snprintf(want, sizeof(want), "[%d/%d] info: x\n", pid, tid);
	assert_string_equal(text + end, want);
}

static void
test_file(void **state)
{
	char line[6000];

	(void)state;
	fresh();
	log_setup(LOG_LEVEL_INFO, 0, false, path);
	LOG_INFO("first");
	/* the same file again: goes on */
	log_setup(LOG_LEVEL_INFO, 0, true, path);
	LOG_INFO("second");
	assert_string_equal(content(), "dpvma info: first\ndpvma info: second\n");
	/* and so does one that was opened anew, as by a child of the program */
	log_setup(LOG_LEVEL_INFO, 0, false, NULL);
	log_setup(LOG_LEVEL_INFO, 0, false, path);
	assert_string_equal(content(), "dpvma info: first\ndpvma info: second\n");
	/* a line that is too long is cut and still ends */
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	LOG_INFO("%s", line);
	LOG_INFO("third");
	content();
	assert_non_null(strstr(text, "x\ndpvma info: third\n"));
	assert_true(strlen(text) < 4000);
}

static void
test_errno(void **state)
{
	(void)state;
	fresh();
	log_setup(LOG_LEVEL_INFO, 0, false, path);
	errno = ENOENT;
	LOG_INFO("%m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(content(), "dpvma info: No such file or directory\n");
}

static int cb_level;
static char cb_line[256];

static void
cb_take(int level, const char *line)
{
	cb_level = level;
	snprintf(cb_line, sizeof(cb_line), "%s", line);
}

static void
test_callback(void **state)
{
	(void)state;
	fresh();
	log_setup(LOG_LEVEL_INFO, 0, true, path);
	log_set_callback(cb_take);
	LOG_WARNING("a %d", 5);
	assert_int_equal(cb_level, LOG_LEVEL_WARNING);
	assert_string_equal(cb_line, "dpvma warning: a 5\n");
	assert_string_equal(content(), "");
	LOG_DEBUG("below");
	assert_int_equal(cb_level, LOG_LEVEL_WARNING);
	log_set_callback(NULL);
	LOG_INFO("b");
	assert_string_equal(content(), "dpvma info: b\n");
	assert_string_equal(cb_line, "dpvma warning: a 5\n");
}

/* Standard output and error go to the file while something is logged to them. */
static void
test_standard(void **state)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	int to = open(path, O_WRONLY | O_TRUNC | O_APPEND), nothing = open("/dev/null", O_WRONLY);

	(void)state;
	assert_true(out >= 0 && err >= 0 && to >= 0 && nothing >= 0);
	fflush(stdout);
	dup2(to, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
	log_setup(LOG_LEVEL_ALL, 0, false, NULL);
	LOG_ERROR("to standard error");
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	dup2(to, STDERR_FILENO);
	content();
	LOG_ERROR("second");
	log_setup(LOG_LEVEL_ERROR, 0, false, "/nonexistent/dir/log");
	LOG_ERROR("third");
	dup2(err, STDERR_FILENO);
	close(nothing);
	close(to);
	close(out);
	close(err);
	assert_string_equal(text, "");
	assert_string_equal(content(),
			"dpvma error: second\n"
			"dpvma error: log file /nonexistent/dir/log cannot be opened: No such file "
			"or "
			"directory: lines go to standard error\n"
			"dpvma error: third\n");
}

static void
test_descriptors(void **state)
{
	int before = dup(0), after, i;

	(void)state;
	close(before);
	for (i = 0; i < 10; i++) {
		log_setup(LOG_LEVEL_INFO, 0, false, path);
		log_setup(LOG_LEVEL_INFO, 0, false, NULL);
	}
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

static int
setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int
teardown(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, 0, false, NULL);
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_details),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_callback),
		cmocka_unit_test(test_standard),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
