/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The order in which a stride pool hands out its slots, checked against a plain model of it; where
 * the slots lie; what bad arguments do. Receive paths of PMDs are in test_stride_rx.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "../../../drivers/mempool/stride/stride.h"
#include "eal.h"

#define N 1000 /* not a number of whole 64-bit words */
#define STRIDE 192

static struct rte_mempool *pool;
static struct stride_pool_info area;

static int
pool_up(void **state __rte_unused)
{
	pool = stride_pool_create("t", N, STRIDE, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, &area);
	return pool == NULL ? -1 : 0;
}

static int
pool_down(void **state __rte_unused)
{
	stride_pool_free(pool);
	pool = NULL;
	return rte_memzone_lookup("ST_t") == NULL ? 0 : -1;
}

/* The slot of an mbuf by the address of its data; fails where that is not a slot's address. */
static uint32_t
slot_of(const struct rte_mbuf *m)
{
	size_t off = (size_t)((char *)m->buf_addr + m->data_off - (char *)area.base);

	assert_true(off < area.len);
	assert_int_equal(off % area.stride, 0);
	return (uint32_t)(off / area.stride);
}

static void
get(struct rte_mbuf **m, unsigned int n)
{
	assert_int_equal(rte_mempool_get_bulk(pool, (void **)m, n), 0);
}

static void
put(struct rte_mbuf **m, unsigned int n)
{
	rte_mempool_put_bulk(pool, (void **)m, n);
}

static struct rte_mbuf *
alloc_one(void)
{
	struct rte_mbuf *m;

	get(&m, 1);
	rte_pktmbuf_reset(m);
	return m;
}

static void
expect_run(struct rte_mbuf **m, unsigned int n, uint32_t first)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		assert_int_equal(slot_of(m[i]), first + i);
}

static void
test_layout(void **state __rte_unused)
{
	struct rte_mbuf *m[N];
	const struct stride_pool_info *info = stride_pool_info_get(pool);
	struct rte_mempool *plain;
	unsigned int i;

	assert_int_equal(area.stride, STRIDE);
	assert_int_equal(area.n, N);
	assert_int_equal(area.len, (size_t)N * STRIDE);
	assert_int_equal((uintptr_t)area.base % RTE_CACHE_LINE_SIZE, 0);
	assert_memory_equal(info, &area, sizeof(area));
	assert_int_equal(pool->cache_size, 0);
	assert_int_equal(rte_pktmbuf_data_room_size(pool), STRIDE + RTE_PKTMBUF_HEADROOM);

	get(m, N);
	expect_run(m, N, 0);
	for (i = 0; i < N; i++) {
		char *data = (char *)area.base + (size_t)i * STRIDE;

		assert_ptr_equal(m[i]->buf_addr, data - RTE_PKTMBUF_HEADROOM);
		assert_int_equal(m[i]->buf_len, STRIDE + RTE_PKTMBUF_HEADROOM);
		assert_int_equal(rte_pktmbuf_tailroom(m[i]), STRIDE);
		assert_int_equal(rte_pktmbuf_iova(m[i]), rte_mem_virt2iova(data));
		assert_int_equal(rte_mbuf_refcnt_read(m[i]), 1);
		rte_mbuf_sanity_check(m[i], 1);
		memset(data, (int)i, STRIDE);
	}
	/* Slots do not overlap. */
	for (i = 0; i < N; i++)
		assert_int_equal(((uint8_t *)area.base)[(size_t)i * STRIDE], (uint8_t)i);
	put(m, N);

	plain = rte_pktmbuf_pool_create("plain", 7, 0, 0, 512, SOCKET_ID_ANY);
	assert_non_null(plain);
	assert_null(stride_pool_info_get(plain));
	rte_mempool_free(plain);
}

static void
test_order_and_wrap(void **state __rte_unused)
{
	struct rte_mbuf *a[N], *b[N];

	get(a, 600);
	expect_run(a, 600, 0);
	get(b, 300);
	expect_run(b, 300, 600);
	/* Freed backwards, handed out forwards; the cursor goes on to the end before it wraps. */
	for (unsigned int i = 0; i < 600; i++)
		rte_mempool_put(pool, a[599 - i]);
	get(a, 150);
	expect_run(a, 100, 900);
	expect_run(a + 100, 50, 0);
	assert_int_equal(rte_mempool_avail_count(pool), N - 450);
	put(a, 150);
	put(b, 300);
	assert_int_equal(rte_mempool_avail_count(pool), N);
}

static void
test_exhaustion(void **state __rte_unused)
{
	struct rte_mbuf *m[N + 1];

	assert_int_not_equal(rte_mempool_get_bulk(pool, (void **)m, N + 1), 0);
	assert_int_equal(rte_mempool_avail_count(pool), N);
	get(m, N - 1);
	assert_int_not_equal(rte_mempool_get_bulk(pool, (void **)m + N - 1, 2), 0);
	assert_int_equal(rte_mempool_avail_count(pool), 1);
	get(m + N - 1, 1);
	assert_int_equal(slot_of(m[N - 1]), N - 1);
	assert_int_equal(rte_mempool_avail_count(pool), 0);
	assert_int_not_equal(rte_mempool_get_bulk(pool, (void **)m, 1), 0);
	put(m, N);
	assert_int_equal(rte_mempool_avail_count(pool), N);
}

/* A burst allocates 32 and gives back what it could not use: no gap in front of the next. */
static void
test_give_back(void **state __rte_unused)
{
	struct rte_mbuf *m[N];
	uint32_t used = 0, n = 1;

	while (used + 32 <= N) {
		get(m + used, 32);
		expect_run(m + used, 32, used);
		put(m + used + n, 32 - n);
		used += n;
		n = n % 31 + 1;
	}
	put(m, used);
	get(m, N);
	expect_run(m, N, 0);
	put(m, N);
}

static void
test_double_free(void **state __rte_unused)
{
	struct rte_mbuf *m[N];

	get(m, 10);
	put(m, 10);
	put(m + 3, 2);
	assert_int_equal(stride_pool_double_free(pool), 2);
	assert_int_equal(rte_mempool_avail_count(pool), N);
	get(m, N);
	expect_run(m, N, 0);
	m[N - 1] = m[0];
	put(m, N); /* slot 0 twice, slot N - 1 not */
	assert_int_equal(stride_pool_double_free(pool), 3);
	assert_int_equal(rte_mempool_avail_count(pool), N - 1);
}

/* A clone keeps the slot of a packet that was freed before it. */
static void
test_clone(void **state __rte_unused)
{
	struct rte_mempool *plain = rte_pktmbuf_pool_create("plain", 7, 0, 0, 512, SOCKET_ID_ANY);
	struct rte_mbuf *m = alloc_one(), *c, *next;

	assert_non_null(plain);
	assert_int_equal(slot_of(m), 0);
	strcpy(rte_pktmbuf_append(m, 16), "still here");
	c = rte_pktmbuf_clone(m, plain);
	assert_non_null(c);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(pool), N - 1);
	next = alloc_one();
	assert_int_equal(slot_of(next), 1);
	memset(rte_pktmbuf_append(next, STRIDE), 0xff, STRIDE);
	assert_string_equal(rte_pktmbuf_mtod(c, char *), "still here");
	rte_pktmbuf_free(c);
	assert_int_equal(rte_mempool_avail_count(pool), N - 1);
	rte_pktmbuf_free(next);
	assert_int_equal(rte_mempool_avail_count(pool), N);
	m = alloc_one();
	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	assert_int_equal(rte_mbuf_ext_refcnt_read(m->shinfo), 1);
	rte_pktmbuf_free(m);
	rte_mempool_free(plain);
}

/* A plain model: one flag a slot, and a cursor that obeys the same two rules. */
static bool model_free[N];
static uint32_t model_cursor;

static uint32_t
model_get(void)
{
	uint32_t slot = model_cursor;

	while (!model_free[slot])
		slot = (slot + 1) % N;
	model_free[slot] = false;
	model_cursor = (slot + 1) % N;
	return slot;
}

static void
model_back(void)
{
	while (model_cursor > 0 && model_free[model_cursor - 1])
		model_cursor--;
}

static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
test_model(void **state __rte_unused)
{
	struct rte_mbuf *held[N], *swap;
	uint32_t n_held = 0;
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

	memset(model_free, true, sizeof(model_free));
	model_cursor = 0;
	for (int round = 0; round < 50000; round++) {
		uint32_t n = (uint32_t)(draw(&seed) % 130), i;

		if (draw(&seed) % 2 == 0 && n <= N - n_held) {
			get(held + n_held, n);
			for (i = 0; i < n; i++)
				assert_int_equal(slot_of(held[n_held + i]), model_get());
			n_held += n;
		} else {
			n = RTE_MIN(n, n_held);
			/* Sometimes in order from the top, sometimes from anywhere. */
			for (i = 0; i < n && draw(&seed) % 4 != 0; i++) {
				uint32_t pick = (uint32_t)(draw(&seed) % n_held);

				swap = held[n_held - 1 - i];
				held[n_held - 1 - i] = held[pick];
				held[pick] = swap;
			}
			n_held -= n;
			for (i = 0; i < n; i++)
				model_free[slot_of(held[n_held + i])] = true;
			model_back();
			put(held + n_held, n);
		}
		assert_int_equal(rte_mempool_avail_count(pool), N - n_held);
	}
	put(held, n_held);
	assert_int_equal(stride_pool_double_free(pool), 0);
}

/* Run lengths after random frees: every free run is handed out whole, the longest there is. */
static void
test_runs(void **state __rte_unused)
{
	struct rte_mbuf *m[N], *got[N];
	uint64_t seed = 12345;
	uint32_t n = 0, i, expected = 0, runs = 0;
	bool is_free[N];

	get(m, N);
	for (i = 0; i < N; i++) {
		is_free[i] = (draw(&seed) & 7) < 5;
		if (is_free[i]) {
			expected += i == 0 || !is_free[i - 1];
			got[n++] = m[i];
		}
	}
	/* Any order of freeing. */
	for (i = 0; i < n; i++) {
		uint32_t pick = (uint32_t)(draw(&seed) % n);
		struct rte_mbuf *swap = got[i];

		got[i] = got[pick];
		got[pick] = swap;
	}
	put(got, n);
	get(got, n);
	for (i = 0; i < n; i++) {
		assert_true(is_free[slot_of(got[i])]);
		assert_true(i == 0 || slot_of(got[i]) > slot_of(got[i - 1]));
		runs += i == 0 || slot_of(got[i]) != slot_of(got[i - 1]) + 1;
	}
	assert_int_equal(runs, expected);
	put(m, N);
}

#define THREADS 4
#define ROUNDS 20000

static int owner[N]; /* thread that holds a slot, + 1 */
static int broken;

static void *
stress(void *arg)
{
	int me = (int)(intptr_t)arg + 1;
	uint64_t seed = (uint64_t)me * 7919;
	struct rte_mbuf *held[N];
	uint32_t n_held = 0, i;

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = 1 + (uint32_t)(draw(&seed) % 64);

		if (n_held + n <= N / THREADS - 10 && draw(&seed) % 2 == 0) {
			if (rte_mempool_get_bulk(pool, (void **)held + n_held, n) != 0) {
				/* THREADS * (N / THREADS - 10) is less than N. */
				__atomic_store_n(&broken, 1, __ATOMIC_RELAXED);
				break;
			}
			for (i = 0; i < n; i++) {
				uint32_t slot = (uint32_t)(((char *)held[n_held + i]->buf_addr +
									   RTE_PKTMBUF_HEADROOM -
									   (char *)area.base) /
						STRIDE);

				if (__atomic_exchange_n(&owner[slot], me, __ATOMIC_ACQ_REL) != 0)
					__atomic_store_n(&broken, 2, __ATOMIC_RELAXED);
			}
			n_held += n;
		} else {
			n = RTE_MIN(n, n_held);
			n_held -= n;
			for (i = 0; i < n; i++) {
				uint32_t slot = (uint32_t)(((char *)held[n_held + i]->buf_addr +
									   RTE_PKTMBUF_HEADROOM -
									   (char *)area.base) /
						STRIDE);

				if (__atomic_exchange_n(&owner[slot], 0, __ATOMIC_ACQ_REL) != me)
					__atomic_store_n(&broken, 3, __ATOMIC_RELAXED);
			}
			put(held + n_held, n);
		}
	}
	for (i = 0; i < n_held; i++)
		__atomic_store_n(&owner[((char *)held[i]->buf_addr + RTE_PKTMBUF_HEADROOM -
							(char *)area.base) /
						 STRIDE],
				0, __ATOMIC_RELEASE);
	put(held, n_held);
	return NULL;
}

static void
test_threads(void **state __rte_unused)
{
	struct rte_mbuf *m[N];
	pthread_t t[THREADS];
	intptr_t i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, stress, (void *)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(broken, 0);
	assert_int_equal(rte_mempool_avail_count(pool), N);
	assert_int_equal(stride_pool_double_free(pool), 0);
	get(m, N);
	expect_run(m, N, 0);
	put(m, N);
}

static void
expect_error(const char *name, unsigned int n, uint32_t stride, uint32_t headroom, int err)
{
	rte_errno = 0;
	assert_null(stride_pool_create(name, n, stride, headroom, SOCKET_ID_ANY, NULL));
	assert_int_equal(rte_errno, err);
}

static void
test_errors(void **state __rte_unused)
{
	const uint32_t h = RTE_PKTMBUF_HEADROOM;
	struct rte_mempool *mp;

	expect_error(NULL, 8, 64, h, EINVAL);
	expect_error("", 8, 64, h, EINVAL);
	expect_error("a-name-that-is-longer-than-a-pool-may-have", 8, 64, h, EINVAL);
	expect_error("e", 0, 64, h, EINVAL);
	expect_error("e", UINT32_MAX, 64, h, EINVAL);
	expect_error("e", 8, 0, h, EINVAL);
	expect_error("e", 8, 32, h, EINVAL);
	expect_error("e", 8, 100, h, EINVAL);
	expect_error("e", 8, STRIDE_MAX + 64, h, EINVAL);
	expect_error("e", 8, 64, h + 64, EINVAL);
	expect_error("e", 8, 64, 0, EINVAL);
	/* More than the 256 MB that this test's EAL has; then a data area that fits without mbufs.
	 */
	expect_error("e", 65536, 16384, h, ENOMEM);
	expect_error("e", 1500000, 64, h, ENOMEM);
	assert_null(rte_memzone_lookup("ST_e"));
	assert_null(rte_mempool_lookup("e"));
	expect_error("t", 8, 64, h, EEXIST);
	/* These operations need objects of their own. */
	mp = rte_pktmbuf_pool_create_by_ops("e", 8, 0, 0, 512, SOCKET_ID_ANY, STRIDE_OPS_NAME);
	assert_null(mp);
	stride_pool_free(NULL);
}

static void
test_strides(void **state __rte_unused)
{
	static const uint32_t strides[] = { 64, 128, 1536, 2048, 9024, 16384 };

	for (unsigned int k = 0; k < RTE_DIM(strides); k++) {
		struct stride_pool_info info;
		struct rte_mempool *mp = stride_pool_create(
				"s", 65, strides[k], RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, &info);
		struct rte_mbuf *m[65];

		assert_non_null(mp);
		assert_int_equal(rte_pktmbuf_alloc_bulk(mp, m, 65), 0);
		for (unsigned int i = 0; i < 65; i++) {
			assert_ptr_equal(rte_pktmbuf_mtod(m[i], char *),
					(char *)info.base + (size_t)i * strides[k]);
			assert_non_null(rte_pktmbuf_append(m[i], (uint16_t)strides[k]));
			assert_null(rte_pktmbuf_append(m[i], 1));
		}
		rte_pktmbuf_free_bulk(m, 65);
		stride_pool_free(mp);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_layout, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_order_and_wrap, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_exhaustion, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_give_back, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_double_free, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_clone, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_model, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_runs, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_threads, pool_up, pool_down),
		cmocka_unit_test_setup_teardown(test_errors, pool_up, pool_down),
		cmocka_unit_test(test_strides),
	};
	int failed;

	if (eal_up("test_stride") < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	eal_down();
	return failed;
}
