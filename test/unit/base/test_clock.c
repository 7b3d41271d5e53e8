/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock against the kernel's, before and after it has measured the TSC, in several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#define APART 1000 /* ns that it may be beside the kernel's */
#define CALLS 300000

static uint64_t
kernels(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* @return calls that were beside the kernel's clock, or went back */
static void *
compare(void *arg)
{
	uint64_t before, now, after, last = 0, wrong = 0;

	(void)arg;
	for (int i = 0; i < CALLS; i++) {
		before = kernels();
		now = clock_ns();
		after = kernels();
		wrong += now + APART < before || now > after + APART || now < last;
		last = now;
	}
	return (void *)(uintptr_t)wrong;
}

static void
as_the_kernels(void **state)
{
	(void)state;
	/* it has not measured yet, then it has: these calls take longer than that */
	assert_null(compare(NULL));
	if (clock_speed.span == 0)
		print_message("this processor's TSC is no clock: the kernel is asked each time\n");
	assert_null(compare(NULL));
}

static void
in_threads(void **state)
{
	pthread_t threads[4];
	void *wrong;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, compare, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

/* A look that is long ago does not count. */
static void
after_a_pause(void **state)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t now;

	(void)state;
	for (int i = 0; i < 10; i++) {
		clock_ns();
		nanosleep(&pause, NULL);
		now = kernels();
		assert_true(clock_ns() + APART >= now);
		assert_true(clock_ns() <= kernels() + APART);
	}
	assert_true(clock_ms() >= now / 1000000u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_kernels),
		cmocka_unit_test(in_threads),
		cmocka_unit_test(after_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
