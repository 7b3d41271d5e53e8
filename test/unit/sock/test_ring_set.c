/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of rings to sleep on: which are armed, and that each arming is undone, also that of a ring
 * where packets waited.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "sock/epoll_priv.h"

/* its name is a macro of cmocka's */
#include <cmocka.h>

#define RINGS 4

static struct ring rings[RINGS];
static int answer[RINGS], asked[RINGS], armed[RINGS], held[RINGS];

int __wrap_ring_arm(struct ring *ring);
int
__wrap_ring_arm(struct ring *ring)
{
	ptrdiff_t i = ring - rings;

	asked[i]++;
	armed[i] += answer[i] >= 0;
	return answer[i];
}

int __wrap_ring_disarm(struct ring *ring);
int
__wrap_ring_disarm(struct ring *ring)
{
	armed[ring - rings]--;
	return 0;
}

int __wrap_ring_fd(struct ring *ring);
int
__wrap_ring_fd(struct ring *ring)
{
	return 100 + (int)(ring - rings);
}

void __wrap_ring_release(struct ring *ring);
void
__wrap_ring_release(struct ring *ring)
{
	held[ring - rings]--;
}

static struct ring_set
all(void)
{
	struct ring_set set = { .n = RINGS };

	for (int i = 0; i < RINGS; i++) {
		set.rings[i] = &rings[i];
		asked[i] = armed[i] = answer[i] = 0;
		held[i] = 1;
	}
	return set;
}

static void
assert_left(void)
{
	for (int i = 0; i < RINGS; i++) {
		assert_int_equal(armed[i], 0);
		assert_int_equal(held[i], 0);
	}
}

static void
sleeps(void **state)
{
	struct ring_set set = all();
	struct pollfd fds[RINGS + 1];
	nfds_t n = 1;

	(void)state;
	answer[2] = -ENOTSUP;
	assert_false(ring_set_arm(&set, fds, &n));
	assert_true(set.nap);
	assert_int_equal(n, 4);
	assert_int_equal(fds[1].fd, 100);
	assert_int_equal(fds[3].fd, 103);
	assert_int_equal(armed[0] + armed[1] + armed[3], 3);
	ring_set_leave(&set);
	assert_int_equal(set.n, 0);
	assert_left();
}

static void
packets_wait(void **state)
{
	struct ring_set set = all();
	struct pollfd fds[RINGS];
	nfds_t n = 0;

	(void)state;
	answer[1] = 1;
	assert_true(ring_set_arm(&set, fds, &n));
	assert_false(set.nap);
	/* who does not sleep arms no more */
	assert_int_equal(asked[2] + asked[3], 0);
	assert_int_equal(armed[1], 1);
	ring_set_leave(&set);
	assert_left();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeps),
		cmocka_unit_test(packets_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
