/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of the process: what was configured and no more, cut down when nobody asked for the
 * number, refused in one line with the number that would do when somebody did.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "ring_physical.h"
#include "ring_test.h"

static void
init(int expect)
{
	assert_true(ports_init() > 0);
	test_log[0] = '\0';
	int ret = rings_init();

	if (ret != expect)
		print_message("%s", test_log);
	assert_int_equal(ret, expect);
}

static uint64_t
in_use(void)
{
	struct rte_malloc_socket_stats s;

	assert_int_equal(rte_malloc_get_socket_stats(0, &s), 0);
	return s.heap_allocsz_bytes;
}

static unsigned int
lines(void)
{
	unsigned int n = 0;

	for (const char *c = test_log; *c != '\0'; c++)
		n += *c == '\n';
	return n;
}

static unsigned long
number_after(const char *word)
{
	const char *at = strstr(test_log, word);

	assert_non_null(at);
	return strtoul(at + strlen(word), NULL, 10);
}

static void
test_exact(void **state)
{
	struct rte_mempool *rx, *tx;

	(void)state;
	test_conf("VMA_RX_BUFS=5000", "VMA_TX_BUFS=3000", NULL);
	init(0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "5000 receive"));
	assert_non_null(strstr(test_log, "3000 transmit"));
	assert_non_null(strstr(test_log, "ordinary pages"));
	rx = pools_rx(0);
	tx = pools_tx(0);
	assert_int_equal(rx->size, 5000);
	assert_int_equal(tx->size, 3000);
	assert_int_equal(rte_pktmbuf_data_room_size(rx), 2048 + RTE_PKTMBUF_HEADROOM);
	/* a full frame fits behind the headroom */
	assert_true(rte_pktmbuf_data_room_size(tx) >= 1500 + 22 + RTE_PKTMBUF_HEADROOM);
	assert_true(rte_pktmbuf_data_room_size(tx) < 2048);
	/* ports of no node use the first */
	assert_ptr_equal(pools_rx(-1), rx);
	test_stop();
	assert_null(pools_rx(0));
}

static void
test_mtu(void **state)
{
	(void)state;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_MTU=9000", "VMA_TX_BUF_SIZE=10000",
			NULL);
	init(0);
	assert_true(rte_pktmbuf_data_room_size(pools_rx(0)) >= 9000 + 26 + RTE_PKTMBUF_HEADROOM);
	assert_true(rte_pktmbuf_data_room_size(pools_rx(0)) <
			9000 + 26 + RTE_PKTMBUF_HEADROOM + 64);
	assert_true(rte_pktmbuf_data_room_size(pools_tx(0)) >= 10000 + RTE_PKTMBUF_HEADROOM);
	test_stop();
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_MTU=65530", NULL);
	init(-EINVAL);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_MTU=65530"));
	test_stop();
}

/* The number that the line names does do. */
static void
test_too_many(void **state)
{
	uint64_t before = in_use();
	unsigned long fits;
	char set[64];

	(void)state;
	test_conf("VMA_RX_BUFS=1000000", "VMA_TX_BUFS=2000", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=1000000 needs"));
	fits = number_after("set VMA_RX_BUFS=");
	assert_true(fits > 10000 && fits < 100000);
	assert_non_null(strstr(test_log, "4096 bytes a buffer"));
	test_stop();
	assert_int_equal(in_use(), before);
	snprintf(set, sizeof(set), "VMA_RX_BUFS=%lu", fits);
	test_conf(set, "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_int_equal(pools_rx(0)->size, fits);
	test_stop();
	assert_int_equal(in_use(), before);
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=1000000", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_true(number_after("set VMA_TX_BUFS=") < 100000);
	test_stop();
	assert_int_equal(in_use(), before);
}

/* Nobody set them: what fits, both in proportion, and room for the queues. */
static void
test_defaults(void **state)
{
	(void)state;
	test_conf(NULL);
	init(0);
	assert_int_equal(lines(), 2);
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=200000"));
	assert_true(pools_rx(0)->size > 10000 && pools_rx(0)->size < 200000);
	assert_int_equal(pools_rx(0)->size / 64, pools_tx(0)->size / 64);
	assert_true(pools_memory_free(0) > 8 << 20);
	test_stop();
	/* one is set and stays, the other gives way */
	test_conf("VMA_RX_BUFS=20000", NULL);
	init(0);
	assert_int_equal(pools_rx(0)->size, 20000);
	assert_true(pools_tx(0)->size > 1000 && pools_tx(0)->size < 200000);
	test_stop();
}

static void
test_types(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 2; type++) {
		test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000",
				type == 0 ? "VMA_MEM_ALLOC_TYPE=0" : "VMA_MEM_ALLOC_TYPE=1", NULL);
		init(0);
		assert_int_equal(lines(), 1);
		test_stop();
	}
	assert_int_equal(rte_eal_has_hugepages(), 0);
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_MEM_ALLOC_TYPE=2", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_MEM_ALLOC_TYPE=2"));
	test_stop();
	/* a profile wishes for them, and does without */
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", "VMA_SPEC=latency", NULL);
	init(0);
	assert_int_equal(lines(), 2);
	test_stop();
}

/* Packets that the application holds keep their pool, which the next start takes up again. */
static void
test_held(void **state)
{
	struct rte_mempool *pool;
	struct rte_mbuf *m;

	(void)state;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	pool = pools_rx(0);
	m = rte_pktmbuf_alloc(pool);
	test_stop();
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_ptr_equal(pools_rx(0), pool);
	assert_int_equal(rte_mempool_in_use_count(pool), 1);
	test_stop();
	/* other numbers: another pool beside it */
	test_conf("VMA_RX_BUFS=3000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_ptr_not_equal(pools_rx(0), pool);
	assert_int_equal(pools_rx(0)->size, 3000);
	rte_pktmbuf_free(m);
	test_stop();
}

/* An allocator of the program, which has so many bytes to give. */
static size_t given, give_most;
static unsigned int areas, released;
static bool keep; /* what comes back, as a program may */
static void *kept;
static struct {
	char *at;
	size_t len;
} area[4];

static void *
give(size_t len)
{
	void *at = given + len <= give_most ? malloc(len) : NULL;

	if (at == NULL)
		return NULL;
	assert_true(areas < RTE_DIM(area));
	area[areas].at = at;
	area[areas++].len = len;
	given += len;
	return at;
}

static void
take_back(void *at)
{
	released++;
	for (unsigned int i = 0; i < areas; i++)
		if (area[i].at == at) {
			given -= area[i].len;
			area[i] = area[--areas];
			if (keep)
				kept = at;
			else
				free(at);
			return;
		}
	fail_msg("%p was not given", at);
}

static bool
lies_in_an_area(const void *p)
{
	for (unsigned int i = 0; i < areas; i++)
		if ((const char *)p >= area[i].at && (const char *)p < area[i].at + area[i].len)
			return true;
	return false;
}

/* Every buffer of the pool is there, is whole and lies where it should. */
static void
assert_pool(struct rte_mempool *pool, bool in_area)
{
	struct rte_mbuf **m = calloc(pool->size, sizeof(*m));
	unsigned int n = pool->size;

	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, n), 0);
	for (unsigned int i = 0; i < n; i++) {
		const char *why;
		char *data = rte_pktmbuf_append(m[i], rte_pktmbuf_tailroom(m[i]));

		assert_non_null(data);
		memset(data, (int)i, rte_pktmbuf_pkt_len(m[i]));
		assert_int_equal(rte_mbuf_check(m[i], 1, &why), 0);
		assert_int_equal(lies_in_an_area(m[i]), in_area);
		assert_int_equal(lies_in_an_area(data + rte_pktmbuf_pkt_len(m[i]) - 1), in_area);
		assert_true(rte_mempool_virt2iova(m[i]) != RTE_BAD_IOVA);
		assert_true(ring_mbuf_is(m[i]));
	}
	rte_pktmbuf_free_bulk(m, n);
	free(m);
}

/* Whether a child of fork() has the page that the buffer lies in. */
static bool
child_has(const void *p)
{
	uintptr_t page = (uintptr_t)p & ~(uintptr_t)4095;
	unsigned char in;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(mincore((void *)page, 4096, &in) == 0 ? 1 : errno == ENOMEM ? 2 : 3);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 3);
	return WEXITSTATUS(status) == 1;
}

/* From here on every pool is the allocator's: of receive buffers first, then of both. */
static void
test_given(void **state)
{
	struct ring_memory functions = { NULL, take_back };
	uint64_t before = in_use();
	void *held;

	(void)state;
	assert_int_equal(ring_memory_from(RING_RX, &functions), -EINVAL);
	functions.alloc = give;
	assert_int_equal(ring_memory_from(RING_RX, &functions), 0);
	give_most = SIZE_MAX;
	test_conf("VMA_RX_BUFS=5000", "VMA_TX_BUFS=3000", NULL);
	init(0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "5000 receive buffers of 2176 bytes in the program's"));
	assert_int_equal(areas, 1);
	assert_true(given > 5000 * 2176);
	assert_pool(pools_rx(0), true);
	assert_pool(pools_tx(0), false);
	held = pools_rx(0)->mem_list.stqh_first->addr;
	assert_false(child_has(held));
	assert_true(child_has(&before));
	keep = true;
	test_stop();
	/* the program's again, and its children's */
	assert_true(child_has(held));
	keep = false;
	free(kept);
	assert_int_equal(areas, 0);
	assert_int_equal(released, 1);
	assert_int_equal(in_use(), before);

	/* more than EAL has, and hardly anything of EAL's */
	assert_int_equal(ring_memory_from(RING_TX, &functions), 0);
	test_conf("VMA_RX_BUFS=30000", "VMA_TX_BUFS=20000", NULL);
	init(0);
	assert_int_equal(areas, 2);
	assert_true(given > 128u << 20);
	assert_true(in_use() - before < 8 << 20);
	assert_pool(pools_rx(0), true);
	assert_pool(pools_tx(0), true);
	test_stop();
	assert_int_equal(areas, 0);
	assert_int_equal(in_use(), before);
}

/* The device, which may refuse memory. */
static int map_error;
static unsigned int maps, unmaps;
static struct {
	const char *at;
	size_t len;
} mapped;

int __wrap_rte_dev_dma_map(struct rte_device *dev, void *at, uint64_t iova, size_t len);
int
__wrap_rte_dev_dma_map(struct rte_device *dev, void *at, uint64_t iova, size_t len)
{
	(void)dev;
	maps++;
	if (map_error != 0) {
		rte_errno = map_error;
		return -1;
	}
	assert_true(iova == (uintptr_t)at);
	mapped.at = at;
	mapped.len = len;
	return 0;
}

int __wrap_rte_dev_dma_unmap(struct rte_device *dev, void *at, uint64_t iova, size_t len);
int
__wrap_rte_dev_dma_unmap(struct rte_device *dev, void *at, uint64_t iova, size_t len)
{
	(void)dev;
	(void)iova;
	unmaps++;
	/* while it is the stack's still */
	assert_true(lies_in_an_area(at) && lies_in_an_area((char *)at + len - 1));
	return 0;
}

/* The port's device is let in before the pool is used, and shut out before the memory goes. */
static void
test_given_mapped(void **state)
{
	(void)state;
	give_most = SIZE_MAX;
	maps = unmaps = 0;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_int_equal(maps, 2);
	for (const struct rte_mempool_memhdr *c = pools_tx(0)->mem_list.stqh_first; c != NULL;
			c = c->next.stqe_next)
		assert_true((char *)c->addr >= mapped.at &&
				(char *)c->addr + c->len <= mapped.at + mapped.len);
	assert_int_equal(unmaps, 0);
	test_stop();
	assert_int_equal(unmaps, 2);
	assert_int_equal(areas, 0);
	/* a bus that maps nothing: there is nothing to undo */
	map_error = ENOTSUP;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_int_equal(maps, 4);
	test_stop();
	assert_int_equal(unmaps, 2);
	/* a device that will not have it, whatever the number of buffers */
	map_error = ENOSPC;
	test_conf("VMA_TX_BUFS=2000", NULL);
	init(-EIO);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "cannot be mapped for device net_null0"));
	assert_int_equal(maps, 5);
	test_stop();
	assert_int_equal(unmaps, 2);
	assert_int_equal(areas, 0);
	map_error = 0;
}

/* What the program gives may move to other pages, and such a device would not hear of it. */
static void
test_given_physical(void **state)
{
	(void)state;
	give_most = SIZE_MAX;
	maps = 0;
	test_conf("VMA_TX_BUFS=2000", NULL);
	assert_true(ports_init() > 0);
	test_log[0] = '\0';
	ring_test_physical = true;
	assert_int_equal(rings_init(), -EIO);
	ring_test_physical = false;
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "--iova-mode=va"));
	assert_int_equal(maps, 0);
	assert_int_equal(areas, 0);
	test_stop();
}

static void
test_given_little(void **state)
{
	uint64_t before = in_use();

	(void)state;
	/* nobody set the numbers: as many as there is memory for */
	give_most = 64 << 20;
	test_conf(NULL);
	init(0);
	assert_true(pools_rx(0)->size >= 11000 && pools_rx(0)->size < 30000);
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=200000 did not fit"));
	assert_pool(pools_rx(0), true);
	test_stop();
	assert_int_equal(given, 0);
	/* somebody did */
	test_conf("VMA_RX_BUFS=100000", "VMA_TX_BUFS=1000", NULL);
	init(-ENOMEM);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=100000: the allocator"));
	test_stop();
	assert_int_equal(given, 0);
	assert_int_equal(in_use(), before);
}

/* What the application holds packets in is not given back. */
static void
test_given_held(void **state)
{
	unsigned int n = released;
	struct rte_mbuf *m;

	(void)state;
	give_most = SIZE_MAX;
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	m = rte_pktmbuf_alloc(pools_rx(0));
	test_stop();
	assert_int_equal(released, n + 1);
	assert_true(areas == 1 && lies_in_an_area(m));
	test_conf("VMA_RX_BUFS=2000", "VMA_TX_BUFS=2000", NULL);
	init(0);
	assert_ptr_equal(m->pool, pools_rx(0));
	rte_pktmbuf_free(m);
	test_stop();
	assert_int_equal(areas, 0);
}

static int
setup(void **state)
{
	(void)state;
	test_eal("128", "net_null0", NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	test_eal_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_given_mapped),
		cmocka_unit_test(test_given_physical),
		cmocka_unit_test(test_given_little),
		cmocka_unit_test(test_given_held),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
