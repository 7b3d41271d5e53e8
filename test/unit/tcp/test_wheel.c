/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timing wheel against a list of deadlines: nothing early, nothing more than a tick late, and
 * wheel_next() never after what is due; deadlines from now to days ahead, moves, deletions, jumps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_random.h>

#include "tcp/tcp_priv.h"

#define TICK (UINT64_C(1) << WHEEL_TICK_SHIFT)
#define HOUR (3600 * SEC)
#define ENTRIES 300u

static struct wheel wheel;
static uint64_t now;

static unsigned int
take_all(void)
{
	unsigned int n = 0;

	while (wheel_take(&wheel, now) != NULL)
		n++;
	assert_true(wheel_next(&wheel) > now);
	return n;
}

/* Sleep as a poller does, from one wheel_next() to the next, until something fires. */
static uint64_t
sleep_until_fired(unsigned int *turns)
{
	for (*turns = 0;; ++*turns) {
		assert_true(wheel_next(&wheel) < UINT64_MAX);
		assert_true(*turns < 100000);
		now = RTE_MAX(now, wheel_next(&wheel));
		if (take_all() != 0)
			return now;
	}
}

static int
setup(void **state)
{
	(void)state;
	rte_srand(20);
	now = 12345 * SEC + 6789;
	wheel_init(&wheel, now);
	return 0;
}

static void
test_empty(void **state)
{
	(void)state;
	assert_true(sizeof(wheel) <= 8192 + 256);
	assert_true(wheel_next(&wheel) == UINT64_MAX);
	assert_null(wheel_take(&wheel, now));
	assert_null(wheel_take(&wheel, now + 100 * HOUR));
	assert_true(wheel_next(&wheel) == UINT64_MAX);
}

/* One entry, at distances around every border of levels, from many phases of the wheel. */
static void
test_distances(void **state)
{
	struct wheel_entry e = { 0 };
	unsigned int turns;

	(void)state;
	for (unsigned int bit = 0; bit < 50; bit++) {
		for (int around = -2; around <= 2; around++) {
			for (unsigned int phase = 0; phase < 20; phase++) {
				uint64_t d = (UINT64_C(1) << bit) +
						(int64_t)around * (int64_t)TICK / 2;
				uint64_t at = (int64_t)d < 0 ? now : now + d, fired;

				wheel_set(&wheel, &e, at);
				assert_true(wheel_next(&wheel) <= at + TICK);
				fired = sleep_until_fired(&turns);
				assert_true(fired >= at);
				assert_true(fired < at + TICK);
				/* one turn a level, and one for each 9 hours */
				assert_true(turns <= WHEEL_LEVELS + (d >> 44));
				assert_null(e.prev);
				now += rte_rand_max(UINT64_C(1) << (20 + phase));
				take_all();
			}
		}
	}
}

static void
test_due_now(void **state)
{
	struct wheel_entry e = { 0 };

	(void)state;
	wheel_set(&wheel, &e, now - HOUR);
	assert_ptr_equal(wheel_take(&wheel, now), &e);
	take_all();
	wheel_set(&wheel, &e, 0);
	assert_true(wheel_next(&wheel) <= now);
	assert_ptr_equal(wheel_take(&wheel, now), &e);
	take_all();
	/* later in this tick */
	now = (now / TICK + 1) * TICK;
	take_all();
	wheel_set(&wheel, &e, now + 1);
	assert_null(wheel_take(&wheel, now + 1));
	assert_ptr_equal(wheel_take(&wheel, now + TICK), &e);
}

static void
test_delete(void **state)
{
	struct wheel_entry e[3] = { 0 };

	(void)state;
	wheel_del(&wheel, &e[0]);
	for (unsigned int i = 0; i < 3; i++)
		wheel_set(&wheel, &e[i], now + SEC);
	wheel_del(&wheel, &e[1]);
	assert_null(e[1].prev);
	wheel_del(&wheel, &e[1]);
	now += 2 * SEC;
	assert_int_equal(take_all(), 2);
	for (unsigned int i = 0; i < 3; i++) {
		assert_null(e[i].prev);
		wheel_set(&wheel, &e[i], now + MSEC);
	}
	for (unsigned int i = 0; i < 3; i++)
		wheel_del(&wheel, &e[i]);
	for (unsigned int i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS / 64; i++)
		assert_true((&wheel.filled[0][0])[i] == 0);
	now += 2 * MSEC;
	assert_int_equal(take_all(), 0);
	assert_true(wheel_next(&wheel) == UINT64_MAX);
}

/* UINT64_MAX and its neighbours must not wrap round. */
static void
test_never(void **state)
{
	struct wheel_entry e[2] = { 0 };

	(void)state;
	wheel_set(&wheel, &e[0], UINT64_MAX);
	wheel_set(&wheel, &e[1], UINT64_MAX - TICK + 1);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(take_all(), 0);
		assert_true(wheel_next(&wheel) < UINT64_MAX);
		now += 7 * HOUR + rte_rand_max(HOUR);
	}
}

/* Years in one step: every entry fires once, whatever its level. */
static void
test_jump(void **state)
{
	static struct wheel_entry e[2000];

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		uint64_t last = 0, year = 365 * 24 * HOUR;

		for (unsigned int i = 0; i < RTE_DIM(e); i++)
			wheel_set(&wheel, &e[i],
					now + rte_rand_max(UINT64_C(1) << rte_rand_max(54)));
		now += year;
		for (unsigned int i = 0; i < RTE_DIM(e); i++) {
			struct wheel_entry *f = wheel_take(&wheel, now);

			/* in order of ticks */
			assert_non_null(f);
			assert_true(f->at + TICK > last);
			last = RTE_MAX(last, f->at);
		}
		assert_int_equal(take_all(), 0);
		assert_true(wheel_next(&wheel) == UINT64_MAX);
	}
}

/* Steps down that all entries have before them. */
static unsigned int
steps_left(void)
{
	unsigned int n = 0;

	for (unsigned int i = WHEEL_SLOTS; i < WHEEL_LEVELS * WHEEL_SLOTS; i++)
		for (struct wheel_entry *e = (&wheel.slot[0][0])[i]; e != NULL; e = e->next)
			n += i / WHEEL_SLOTS;
	return n;
}

/*
 * Many that lie in one slot of a high level: a call that is made when wheel_next() asks for it
 * moves a bounded part, and none fires late for that.
 */
static void
test_move_in_parts(void **state)
{
	enum { N = 4000, MOST = 64 * (WHEEL_LEVELS - 1) };
	struct wheel_entry *e = calloc(N, sizeof(*e)), *f;
	uint64_t at = now + 2 * HOUR;
	unsigned int fired = 0, before, left;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		wheel_set(&wheel, &e[i], at + i % 16 * TICK);
	before = steps_left();
	assert_int_equal(before, (WHEEL_LEVELS - 1) * N);
	while (fired < N) {
		now = wheel_next(&wheel);
		while ((f = wheel_take(&wheel, now)) != NULL) {
			assert_in_range(now, f->at, f->at + TICK - 1);
			fired++;
		}
		assert_true(wheel_next(&wheel) > now);
		left = steps_left();
		assert_true(before - left <= MOST);
		before = left;
	}
	free(e);
}

/* More than are moved ahead of time, and a caller that comes when it likes: none is forgotten. */
static void
test_crowd(void **state)
{
	enum { N = 100000 };
	struct wheel_entry *e = calloc(N, sizeof(*e)), *f;
	unsigned int fired = 0;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		wheel_set(&wheel, &e[i], now + rte_rand_max(2 * SEC));
	while (fired < N) {
		uint64_t last = 0, was = now;

		now += rte_rand_max(400 * TICK);
		while ((f = wheel_take(&wheel, now)) != NULL) {
			assert_true(f->at <= now);
			/* else it should have come the last time */
			assert_true(f->at + TICK > was);
			assert_true(f->at + TICK > last);
			last = RTE_MAX(last, f->at);
			fired++;
		}
		assert_true(wheel_next(&wheel) > now);
	}
	free(e);
}

/* A random life, with everything checked against the list. */
static void
test_model(void **state)
{
	static struct wheel_entry e[ENTRIES];
	static bool in[ENTRIES];

	(void)state;
	memset(e, 0, sizeof(e));
	for (unsigned int step = 0; step < 200000; step++) {
		unsigned int i = (unsigned int)rte_rand_max(ENTRIES);
		uint64_t what = rte_rand_max(100), first = UINT64_MAX;
		struct wheel_entry *f;

		if (what < 60) {
			uint64_t at = now + rte_rand_max(UINT64_C(1) << (10 + rte_rand_max(37)));

			wheel_set(&wheel, &e[i], at);
			in[i] = true;
			assert_true(e[i].at == at);
			continue;
		}
		if (what < 70) {
			wheel_del(&wheel, &e[i]);
			in[i] = false;
			continue;
		}
		for (i = 0; i < ENTRIES; i++)
			if (in[i] && e[i].at < first)
				first = e[i].at;
		first = RTE_MAX(first, now);
		assert_true(first == UINT64_MAX || wheel_next(&wheel) < first + TICK);
		if (what < 98)
			now += rte_rand_max(UINT64_C(1) << rte_rand_max(40));
		else
			now += rte_rand_max(UINT64_C(1) << 46);
		while ((f = wheel_take(&wheel, now)) != NULL) {
			i = (unsigned int)(f - e);
			assert_true(in[i]);
			assert_true(f->at <= now);
			in[i] = false;
			if (rte_rand_max(8) == 0) {
				wheel_set(&wheel, f, now + rte_rand_max(SEC));
				in[i] = true;
			}
		}
		assert_true(wheel_next(&wheel) > now);
		for (i = 0; i < ENTRIES; i++) {
			assert_int_equal(in[i], e[i].prev != NULL);
			if (in[i])
				assert_true(e[i].at + TICK > now);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, setup),
		cmocka_unit_test_setup(test_distances, setup),
		cmocka_unit_test_setup(test_due_now, setup),
		cmocka_unit_test_setup(test_delete, setup),
		cmocka_unit_test_setup(test_never, setup),
		cmocka_unit_test_setup(test_jump, setup),
		cmocka_unit_test_setup(test_move_in_parts, setup),
		cmocka_unit_test_setup(test_crowd, setup),
		cmocka_unit_test_setup(test_model, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
