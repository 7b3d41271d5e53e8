/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the application: EAL's table, the device's mapping, ranges that touch and overlap,
 * several rings, and what is left when they end. The device's side is played by the test.
 */
#define ALLOW_EXPERIMENTAL_API
#include <sys/mman.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "ring_physical.h"
#include "ring_test.h"

#define PAGE ((size_t)4096)
#define PAGES 64

int __wrap_rte_dev_dma_map(struct rte_device *dev, void *addr, uint64_t iova, size_t len);
int __wrap_rte_dev_dma_unmap(struct rte_device *dev, void *addr, uint64_t iova, size_t len);
int __real_rte_dev_dma_map(struct rte_device *dev, void *addr, uint64_t iova, size_t len);
int __real_rte_dev_dma_unmap(struct rte_device *dev, void *addr, uint64_t iova, size_t len);

/* What the device has mapped. */
static struct {
	char *addr;
	size_t len;
} maps[32];
static unsigned int maps_n;
static int device_errno; /* -1: the bus itself is asked */

int
__wrap_rte_dev_dma_map(struct rte_device *dev, void *addr, uint64_t iova, size_t len)
{
	if (device_errno < 0)
		return __real_rte_dev_dma_map(dev, addr, iova, len);
	if (device_errno != 0) {
		rte_errno = device_errno;
		return -1;
	}
	assert_int_equal(iova, (uintptr_t)addr);
	for (unsigned int i = 0; i < maps_n; i++)
		assert_true((char *)addr + len <= maps[i].addr ||
				maps[i].addr + maps[i].len <= (char *)addr);
	maps[maps_n].addr = addr;
	maps[maps_n++].len = len;
	return 0;
}

int
__wrap_rte_dev_dma_unmap(struct rte_device *dev, void *addr, uint64_t iova, size_t len)
{
	unsigned int i = 0;

	if (device_errno < 0)
		return __real_rte_dev_dma_unmap(dev, addr, iova, len);
	while (i < maps_n && (maps[i].addr != addr || maps[i].len != len))
		i++;
	assert_true(i < maps_n);
	maps[i] = maps[--maps_n];
	return 0;
}

static bool
device_has(const char *addr, size_t len)
{
	for (unsigned int i = 0; i < maps_n; i++)
		if (maps[i].addr <= addr && addr + len <= maps[i].addr + maps[i].len)
			return true;
	return false;
}

static bool
eal_has(const char *addr)
{
	return rte_mem_virt2memseg_list(addr) != NULL;
}

static struct port *port;
static struct port_driver driver; /* the port's, with keys or without */
static struct ring *a, *b;
static char *area;

static void
test_one(void **state)
{
	uint32_t key = 0, again = 0, other = 0;

	(void)state;
	assert_false(eal_has(area));
	assert_int_equal(ring_memory_add(a, area, 3 * PAGE, &key), 0);
	assert_true(key >= 1);
	assert_true(device_has(area, 3 * PAGE));
	assert_int_equal(maps_n, 1);
	for (size_t i = 0; i < 3; i++) {
		assert_true(eal_has(area + i * PAGE));
		assert_int_equal(rte_mem_virt2iova(area + i * PAGE + 5),
				(uintptr_t)area + i * PAGE + 5);
	}
	assert_false(eal_has(area + 3 * PAGE));
	/* once more is counted */
	assert_int_equal(ring_memory_add(a, area, 3 * PAGE, &again), 0);
	assert_int_equal(again, key);
	assert_int_equal(ring_memory_add(a, area + 8 * PAGE, PAGE, &other), 0);
	assert_int_not_equal(other, key);
	assert_int_equal(maps_n, 2);
	assert_int_equal(ring_memory_del(a, area, 3 * PAGE), 0);
	assert_true(device_has(area, 3 * PAGE));
	assert_int_equal(ring_memory_del(a, area, 3 * PAGE), 0);
	assert_int_equal(maps_n, 1);
	assert_false(eal_has(area));
	assert_int_equal(ring_memory_del(a, area, 3 * PAGE), -ENOENT);
	assert_int_equal(ring_memory_del(a, area + 8 * PAGE, PAGE), 0);
	assert_int_equal(maps_n, 0);
}

static void
test_refused(void **state)
{
	uint32_t key = 5;

	(void)state;
	assert_int_equal(ring_memory_add(a, NULL, PAGE, &key), -EINVAL);
	assert_int_equal(ring_memory_add(a, area, 0, &key), -EINVAL);
	assert_int_equal(ring_memory_add(a, area, SIZE_MAX, &key), -EINVAL);
	assert_int_equal(ring_memory_add(a, (void *)(UINTPTR_MAX - 100), 100, &key), -EINVAL);
	assert_string_equal(test_log, "");
	/* a page of it is not there */
	assert_int_equal(munmap(area + 5 * PAGE, PAGE), 0);
	assert_int_equal(ring_memory_add(a, area, 10 * PAGE, &key), -EFAULT);
	assert_non_null(strstr(test_log, "not all of it is mapped"));
	/* the device's own reasons, after which EAL knows nothing of it either */
	device_errno = ENOSPC;
	assert_int_equal(ring_memory_add(a, area, PAGE, &key), -ENOSPC);
	assert_false(eal_has(area));
	device_errno = 0;
	assert_int_equal(key, 5);
	assert_int_equal(maps_n, 0);
	/* what was not registered: another length, address, ring */
	assert_int_equal(ring_memory_add(a, area, 2 * PAGE, &key), 0);
	assert_int_equal(ring_memory_del(a, area, PAGE), -ENOENT);
	assert_int_equal(ring_memory_del(a, area + PAGE, PAGE), -ENOENT);
	assert_int_equal(ring_memory_del(b, area, 2 * PAGE), -ENOENT);
	assert_int_equal(ring_memory_del(a, area, 2 * PAGE), 0);
}

/* Two rings of one device: mapped once, under one number, until both have let go. */
static void
test_two_rings(void **state)
{
	uint32_t key_a, key_b;

	(void)state;
	assert_int_equal(ring_memory_add(a, area, 4 * PAGE, &key_a), 0);
	assert_int_equal(ring_memory_add(b, area, 4 * PAGE, &key_b), 0);
	assert_int_equal(key_a, key_b);
	assert_int_equal(maps_n, 1);
	assert_int_equal(ring_memory_del(a, area, 4 * PAGE), 0);
	assert_true(device_has(area, 4 * PAGE));
	/* a ring's end is the end of its ranges */
	ring_release(b);
	b = NULL;
	assert_int_equal(maps_n, 0);
	assert_false(eal_has(area));
}

/* Devices that map pages: what overlaps shares, what is missing is added. */
static void
test_overlap_pages(void **state)
{
	uint32_t key;

	(void)state;
	/* neighbours that share a page, as a heap makes them */
	assert_int_equal(ring_memory_add(a, area + 100, PAGE, &key), 0);
	assert_true(device_has(area, 2 * PAGE));
	assert_int_equal(ring_memory_add(a, area + PAGE + 200, 3 * PAGE, &key), 0);
	assert_int_equal(maps_n, 2);
	/* around both, and a hole's worth more on each side */
	assert_int_equal(ring_memory_add(b, area - PAGE, 8 * PAGE, &key), 0);
	assert_int_equal(ring_memory_add(b, area + 2 * PAGE, 10, &key), 0);
	assert_int_equal(ring_memory_del(a, area + 100, PAGE), 0);
	assert_int_equal(ring_memory_del(a, area + PAGE + 200, 3 * PAGE), 0);
	for (size_t i = 0; i < 8; i++) {
		assert_true(device_has(area - PAGE + i * PAGE, PAGE));
		assert_true(eal_has(area - PAGE + i * PAGE));
	}
	assert_int_equal(ring_memory_del(b, area - PAGE, 8 * PAGE), 0);
	/* of the rest nobody needs more than the piece that it is in */
	assert_int_equal(maps_n, 1);
	assert_true(device_has(area + 2 * PAGE, PAGE));
	assert_int_equal(ring_memory_del(b, area + 2 * PAGE, 10), 0);
	assert_int_equal(maps_n, 0);
	assert_false(eal_has(area + 2 * PAGE));
}

/* Devices with keys: exactly these bytes, and no packet may lie across two. */
static void
test_overlap_keys(void **state)
{
	uint32_t key, inner;

	(void)state;
	driver.own_translation = true;
	assert_int_equal(ring_memory_add(a, area + 100, PAGE, &key), 0);
	assert_false(device_has(area, 2 * PAGE));
	assert_true(device_has(area + 100, PAGE));
	/* beside it, in the same page */
	assert_int_equal(ring_memory_add(a, area + 100 + PAGE, 3 * PAGE, &key), 0);
	assert_int_equal(maps_n, 2);
	/* inside */
	assert_int_equal(ring_memory_add(a, area + 100 + 2 * PAGE, 10, &inner), 0);
	assert_int_not_equal(inner, key);
	assert_int_equal(maps_n, 2);
	test_log[0] = '\0';
	/* beyond either end, around, from one into the next */
	assert_int_equal(ring_memory_add(a, area, 200, &key), -EEXIST);
	assert_non_null(strstr(test_log, "overlaps"));
	assert_int_equal(ring_memory_add(a, area + 4 * PAGE, 2 * PAGE, &key), -EEXIST);
	assert_int_equal(ring_memory_add(b, area, 20 * PAGE, &key), -EEXIST);
	assert_int_equal(ring_memory_add(b, area + PAGE, PAGE, &key), -EEXIST);
	assert_int_equal(maps_n, 2);
	/* the inner one keeps its piece */
	assert_int_equal(ring_memory_del(a, area + 100 + PAGE, 3 * PAGE), 0);
	assert_true(device_has(area + 100 + 2 * PAGE, 10));
	assert_int_equal(ring_memory_del(a, area + 100 + 2 * PAGE, 10), 0);
	assert_int_equal(ring_memory_del(a, area + 100, PAGE), 0);
	assert_int_equal(maps_n, 0);
	assert_false(eal_has(area));
}

/* The bus of virtual devices has no mappings: EAL's table is all. EAL's own memory needs nothing.
 */
static void
test_nothing_to_map(void **state)
{
	void *own = rte_malloc(NULL, 2 * PAGE, PAGE);
	uint32_t key;

	(void)state;
	assert_non_null(own);
	assert_int_equal(ring_memory_add(a, own, 2 * PAGE, &key), 0);
	assert_int_equal(maps_n, 0);
	assert_int_equal(ring_memory_del(a, own, 2 * PAGE), 0);
	assert_true(eal_has(own));
	rte_free(own);
	device_errno = -1;
	assert_int_equal(ring_memory_add(a, area, PAGE, &key), 0);
	assert_true(key >= 1);
	assert_true(eal_has(area));
	assert_int_equal(ring_memory_del(a, area, PAGE), 0);
	assert_false(eal_has(area));
	/* large pages are counted as such */
	device_errno = 0;
	assert_string_equal(test_log, "");
}

/* Pages of the application may move, and a device without keys of its own would not hear of it. */
static void
test_physical(void **state)
{
	uint32_t key = 5;

	(void)state;
	ring_test_physical = true;
	assert_int_equal(ring_memory_add(a, area, PAGE, &key), -EOPNOTSUPP);
	assert_non_null(strstr(test_log, "--iova-mode=va"));
	assert_int_equal(key, 5);
	assert_false(eal_has(area));
	assert_int_equal(maps_n, 0);
	driver.own_translation = true;
	assert_int_equal(ring_memory_add(a, area, PAGE, &key), 0);
	assert_int_equal(ring_memory_del(a, area, PAGE), 0);
	ring_test_physical = false;
}

/* A device that was unplugged: nothing can be added, and what it had is not its any more. */
static void
test_gone(void **state)
{
	uint16_t id = a->port_id;
	uint32_t key = 5;

	(void)state;
	assert_int_equal(ring_memory_add(a, area, PAGE, &key), 0);
	assert_int_equal(maps_n, 1);
	a->port_id = RTE_MAX_ETHPORTS - 1;
	assert_int_equal(ring_memory_add(a, area + 8 * PAGE, PAGE, &key), -ENODEV);
	assert_non_null(strstr(test_log, "the device is gone"));
	assert_int_equal(ring_memory_del(a, area, PAGE), 0);
	assert_false(eal_has(area));
	/* it was not asked */
	assert_int_equal(maps_n, 1);
	maps_n = 0;
	a->port_id = id;
}

/* Exit: what is registered goes with the rings. */
static void
test_exit(void **state)
{
	uint32_t key;

	(void)state;
	assert_int_equal(ring_memory_add(a, area, PAGE, &key), 0);
	assert_int_equal(ring_memory_add(b, area, 2 * PAGE, &key), 0);
	rings_fini();
	a = b = NULL;
	assert_int_equal(maps_n, 0);
	assert_false(eal_has(area));
	assert_false(eal_has(area + PAGE));
	/* and the memory is the application's to unmap */
	assert_int_equal(munmap(area, PAGE), 0);
}

static unsigned int ends;

static void
reader_end(struct ring *ring, void *reader)
{
	(void)reader;
	ring->reader_end = NULL;
	ends++;
}

/* A ring that others depend on outlives its sockets: their memory is let go of all the same. */
/* What a ring sends from without a copy: see enum port_sends_from. */
static void
test_sends_from(void **state)
{
	char *own = rte_malloc(NULL, 2 * PAGE, PAGE);
	uint32_t key;

	(void)state;
	assert_non_null(own);
	port->caps.tx_multi_seg = true;
	port->sends_from = PORT_SENDS_REGISTERED;
	assert_false(ring_sends_from(a, area, PAGE));
	assert_int_equal(ring_memory_add(a, area + PAGE, 2 * PAGE, &key), 0);
	assert_int_equal(ring_memory_add(a, area + 3 * PAGE, PAGE, &key), 0);
	assert_true(ring_sends_from(a, area + PAGE, 2 * PAGE));
	assert_true(ring_sends_from(a, area + 2 * PAGE + 1, PAGE - 1));
	assert_false(ring_sends_from(a, area + PAGE - 1, 2));
	assert_false(ring_sends_from(a, area + PAGE, 2 * PAGE + 1)); /* two ranges are two keys */
	assert_false(ring_sends_from(a, area + PAGE, 0));
	assert_false(ring_sends_from(a, area + PAGE, SIZE_MAX));
	assert_false(ring_sends_from(b, area + PAGE, PAGE)); /* another ring's */
	assert_true(ring_sends_from(b, own, 2 * PAGE));
	assert_int_equal(ring_memory_del(a, area + PAGE, 2 * PAGE), 0);
	assert_false(ring_sends_from(a, area + PAGE, PAGE));
	assert_true(ring_sends_from(a, area + 3 * PAGE, PAGE));
	port->sends_from = PORT_SENDS_OWN;
	assert_false(ring_sends_from(a, area + 3 * PAGE, PAGE));
	assert_false(ring_sends_from(a, own, PAGE));
	port->sends_from = PORT_SENDS_ANY;
	assert_true(ring_sends_from(a, area, PAGE));
	port->caps.tx_multi_seg = false; /* headers lie elsewhere */
	assert_false(ring_sends_from(a, area, PAGE));
	assert_int_equal(ring_memory_del(a, area + 3 * PAGE, PAGE), 0);
	rte_free(own);
}

static void
test_let_go(void **state)
{
	struct ring_profile p = { .type = RING_PROFILE_CYCLIC,
		.num = 10,
		.stride_bytes = 64,
		.mode = CYCLIC_STRIP,
		.external = true };
	struct ring_alloc alloc = test_alloc(CONF_RING_PER_USER_ID);
	struct ring *first, *helped;
	int fd;

	(void)state;
	alloc.profile = ring_profile_add(&p);
	ring_release(a);
	ring_release(b);
	a = b = NULL;
	assert_int_equal(ring_acquire(port, RING_RX, &alloc, NULL, &first), -EINVAL);
	alloc.memory = (struct iovec){ area, 256 * 64 };
	first = test_acquire(port, &alloc);
	assert_true(first->is_default);
	assert_ptr_equal(first->memory.iov_base, area);
	assert_false(first->stride_pool);
	a = helped = test_acquire(port, &(struct ring_alloc){ .logic = CONF_RING_PER_SOCKET });
	assert_ptr_equal(helped->helps, first);
	fd = ring_fd(first);
	first->reader_end = reader_end;
	ends = 0;
	ring_release(first);
	assert_int_equal(ends, 1);
	assert_null(ring_by_fd(fd));
	assert_null(first->memory.iov_base);
	/* the next of its kind brings its own */
	alloc.memory = (struct iovec){ NULL, 0 };
	assert_int_equal(ring_acquire(port, RING_RX, &alloc, NULL, &first), -EINVAL);
	alloc.memory = (struct iovec){ area + PAGE, 256 * 64 };
	b = test_acquire(port, &alloc);
	assert_ptr_equal(b, helped->helps);
	assert_ptr_equal(b->memory.iov_base, area + PAGE);
	assert_int_not_equal(ring_fd(b), fd);
	/* one that is there already is as it is, whatever a second socket brings */
	alloc.memory = (struct iovec){ area, 1 };
	assert_ptr_equal(test_acquire(port, &alloc), b);
	assert_ptr_equal(b->memory.iov_base, area + PAGE);
	ring_release(b);
}

static int
up(void **state)
{
	struct ring_alloc alloc;

	(void)state;
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=8", NULL);
	port = port_by_name("net_null0");
	driver = *port->driver;
	port->driver = &driver;
	alloc = test_alloc(CONF_RING_PER_SOCKET);
	a = test_acquire(port, &alloc);
	alloc.sock++;
	b = test_acquire(port, &alloc);
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	area += PAGE;
	device_errno = 0;
	test_log[0] = '\0';
	return 0;
}

static int
down(void **state)
{
	(void)state;
	if (a != NULL)
		ring_release(a);
	if (b != NULL)
		ring_release(b);
	test_stop();
	munmap(area - PAGE, PAGES * PAGE);
	assert_int_equal(maps_n, 0);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, up, down),
		cmocka_unit_test_setup_teardown(test_refused, up, down),
		cmocka_unit_test_setup_teardown(test_two_rings, up, down),
		cmocka_unit_test_setup_teardown(test_overlap_pages, up, down),
		cmocka_unit_test_setup_teardown(test_overlap_keys, up, down),
		cmocka_unit_test_setup_teardown(test_nothing_to_map, up, down),
		cmocka_unit_test_setup_teardown(test_sends_from, up, down),
		cmocka_unit_test_setup_teardown(test_let_go, up, down),
		cmocka_unit_test_setup_teardown(test_physical, up, down),
		cmocka_unit_test_setup_teardown(test_gone, up, down),
		cmocka_unit_test_setup_teardown(test_exit, up, down),
	};
	int ret;

	test_eal("128", "net_null0,no-rx=1", NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
