/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers in the hands of the application: what is one of ours and what is not, whatever address is
 * asked about, as pools come and go; lending, and each way of giving back wrongly.
 */
#include <sys/mman.h>

#include "ring_test.h"

#define SIZE 1023

static struct rte_mempool *
pool(const char *name)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create(
			name, SIZE, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	assert_non_null(mp);
	return mp;
}

static void
is_one(struct rte_mempool *mp, void *opaque, void *mbuf, unsigned int i)
{
	unsigned int *n = opaque;

	(void)mp, (void)i;
	assert_true(ring_mbuf_is(mbuf));
	/* nothing else of it is */
	for (size_t off = 1; off < mp->elt_size; off += 61)
		assert_false(ring_mbuf_is((char *)mbuf + off));
	assert_false(ring_mbuf_is((char *)mbuf + RTE_CACHE_LINE_SIZE));
	(*n)++;
}

static void
is_none(struct rte_mempool *mp, void *opaque, void *mbuf, unsigned int i)
{
	(void)mp, (void)opaque, (void)i;
	assert_false(ring_mbuf_is(mbuf));
}

static void
test_addresses(void **state)
{
	static char memory[4096] __attribute__((aligned(64)));
	struct rte_mempool *a = pool("a"), *b = pool("b"), *c = pool("c");
	char *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int n = 0;

	(void)state;
	rte_mempool_obj_iter(a, is_none, NULL);
	assert_int_equal(ring_pool_known(a), 0);
	assert_int_equal(ring_pool_known(b), 0);
	assert_int_equal(ring_pool_known(c), 0);
	rte_mempool_obj_iter(a, is_one, &n);
	rte_mempool_obj_iter(b, is_one, &n);
	rte_mempool_obj_iter(c, is_one, &n);
	assert_int_equal(n, 3 * SIZE);
	assert_false(ring_mbuf_is(NULL));
	assert_false(ring_mbuf_is((void *)(uintptr_t)64));
	assert_false(ring_mbuf_is((void *)UINTPTR_MAX));
	assert_false(ring_mbuf_is((void *)(UINTPTR_MAX - 63)));
	assert_false(ring_mbuf_is(memory + 64));
	/* not even looked at */
	assert_false(ring_mbuf_is(nothing + 64));
	/* one goes, the others stay */
	ring_pool_forgotten(b);
	rte_mempool_obj_iter(b, is_none, NULL);
	rte_mempool_obj_iter(a, is_one, &n);
	rte_mempool_obj_iter(c, is_one, &n);
	assert_int_equal(n, 5 * SIZE);
	/* known twice is known once */
	assert_int_equal(ring_pool_known(a), 0);
	rte_mempool_obj_iter(a, is_one, &n);
	ring_pool_forgotten(a);
	rte_mempool_obj_iter(a, is_none, NULL);
	ring_pool_forgotten(c);
	rte_mempool_obj_iter(c, is_none, NULL);
	munmap(nothing, 4096);
	rte_mempool_free(a);
	rte_mempool_free(b);
	rte_mempool_free(c);
}

static void
test_lending(void **state)
{
	struct rte_mempool *mp = pool("lent");
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp), *other = rte_pktmbuf_alloc(mp);
	char memory[256];

	(void)state;
	assert_int_equal(ring_pool_known(mp), 0);
	assert_int_equal(ring_lent_back(m, RING_LENT_PACKET, 7), -EALREADY);
	ring_lend(m, RING_LENT_PACKET, 7);
	assert_int_equal(ring_lent_back(m, RING_LENT_PACKET, 8), -ENOENT);
	assert_int_equal(ring_lent_back(m, RING_LENT_BUFF, 7), -ENOENT);
	assert_int_equal(ring_lent_back(other, RING_LENT_PACKET, 7), -EALREADY);
	assert_int_equal(ring_lent_back(memory, RING_LENT_PACKET, 7), -EFAULT);
	assert_int_equal(ring_lent_back((char *)m + 64, RING_LENT_PACKET, 7), -EFAULT);
	assert_int_equal(ring_lent_back(rte_pktmbuf_mtod(m, void *), RING_LENT_PACKET, 7), -EFAULT);
	assert_int_equal(ring_lent_back(m, RING_LENT_PACKET, 7), 0);
	assert_int_equal(ring_lent_back(m, RING_LENT_PACKET, 7), -EALREADY);
	/* as one of a packet's buffers; what the queue keeps there is not the same bytes */
	*ring_mbuf_link(other) = m;
	ring_lend(other, RING_LENT_BUFF, 9);
	assert_ptr_equal(*ring_mbuf_link(other), m);
	assert_ptr_equal(ring_mbuf_of_meta(ring_mbuf_meta(other)), other);
	assert_int_equal(ring_lent_back(other, RING_LENT_BUFF, 9), 0);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(other);
	/* a buffer that has been in hands is as new for who gets it next */
	m = rte_pktmbuf_alloc(mp);
	assert_int_equal(ring_lent_back(m, RING_LENT_BUFF, 9), -EALREADY);
	rte_pktmbuf_free(m);
	ring_pool_forgotten(mp);
	assert_int_equal(ring_lent_back(m, RING_LENT_PACKET, 7), -EFAULT);
	rte_mempool_free(mp);
}

static int
start(void **state)
{
	(void)state;
	test_eal("128", "net_ring0", NULL);
	test_start("DPVMA_PORTS=net_ring0=10.0.0.1/24", "VMA_RX_BUFS=2048", "VMA_TX_BUFS=2048",
			NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	test_stop();
	test_eal_stop();
	return 0;
}

/* The pools of rings themselves. */
static void
test_own_pools(void **state)
{
	unsigned int n = 0;

	(void)state;
	rte_mempool_obj_iter(pools_rx(0), is_one, &n);
	rte_mempool_obj_iter(pools_tx(0), is_one, &n);
	assert_int_equal(n, 4096);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_pools),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_lending),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
