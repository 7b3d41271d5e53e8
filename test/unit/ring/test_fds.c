/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings by their descriptors: found while they live, by nobody's number afterwards, not ended under
 * a caller, and never another ring that came later.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring_test.h"

static struct port *port;

static struct ring *
ring_of(uint32_t sock)
{
	struct ring_alloc a = test_alloc(CONF_RING_PER_SOCKET);

	a.sock = sock;
	return test_acquire(port, &a);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
test_named(void **state)
{
	struct ring *a = ring_of(1), *b = ring_of(2), *found;
	int fd = ring_fd(a), other = ring_fd(b);

	(void)state;
	assert_true(fd >= 0 && other >= 0 && fd != other);
	assert_int_equal(ring_fd(a), fd);
	assert_ptr_equal(ring_by_fd(fd), a);
	found = ring_enter(fd);
	assert_ptr_equal(found, a);
	assert_int_equal(a->callers, a->lockless ? 0 : 1);
	ring_leave(a);
	assert_int_equal(a->callers, 0);
	assert_ptr_equal(ring_pin(other), b);
	ring_unpin(b);
	/* numbers that are none of a ring's */
	assert_null(ring_enter(-1));
	assert_null(ring_enter(0));
	assert_null(ring_pin(1 << 20));
	assert_null(ring_enter(INT32_MAX));
	ring_release(a);
	assert_null(ring_enter(fd));
	assert_null(ring_pin(fd));
	assert_false(is_open(fd));
	assert_ptr_equal(ring_by_fd(other), b);
	ring_release(b);
}

/* The number that was a ring's is a file's, or one more ring's: never found as the latter. */
static void
test_reused(void **state)
{
	int first, file, fds[40];
	struct ring *r = ring_of(1);

	(void)state;
	first = ring_fd(r);
	ring_release(r);
	file = open("/dev/null", O_RDONLY);
	assert_int_equal(dup2(file, first), first);
	close(file);
	assert_null(ring_enter(first));
	assert_null(ring_pin(first));
	close(first);
	for (uint32_t i = 0; i < RTE_DIM(fds); i++) {
		r = ring_of(10 + i);
		fds[i] = ring_fd(r);
		assert_int_not_equal(fds[i], first);
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(fds[i], fds[j]);
		assert_null(ring_enter(first));
		assert_ptr_equal(ring_by_fd(fds[i]), r);
		/* what it is by is closed by exec, and polls as before */
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		ring_release(r);
		assert_false(is_open(fds[i]));
	}
	/* it does not go on for ever: numbers come again, long after */
	for (uint32_t i = 0; i < 200; i++) {
		r = ring_of(100 + i);
		assert_true(ring_fd(r) < fds[0] + 150);
		ring_release(r);
	}
}

/* Rather a number twice than no ring. */
static void
test_no_number(void **state)
{
	struct rlimit was, few;
	struct ring *r = ring_of(1);
	int fd = ring_fd(r);

	(void)state;
	ring_release(r);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = (rlim_t)fd + 1;
	r = ring_of(2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(ring_fd(r), fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_ptr_equal(ring_by_fd(fd), r);
	ring_release(r);
}

/* Who came by the number keeps the ring: a pinned one ends with the pin. */
static void
test_pinned(void **state)
{
	struct ring *r = ring_of(1);
	int fd = ring_fd(r);

	(void)state;
	assert_ptr_equal(ring_pin(fd), r);
	ring_release(r);
	assert_true(is_open(fd));
	assert_ptr_equal(ring_by_fd(fd), r);
	ring_unpin(r);
	assert_false(is_open(fd));
	assert_null(ring_by_fd(fd));
}

static struct ring *ending;
static bool ended;

static void *
release(void *arg)
{
	(void)arg;
	ring_release(ending);
	__atomic_store_n(&ended, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A ring that somebody is inside of waits with its end, but is found no more. */
static void
test_inside(void **state)
{
	pthread_t thread;
	int fd;

	(void)state;
	ending = ring_of(1);
	fd = ring_fd(ending);
	assert_ptr_equal(ring_enter(fd), ending);
	ended = false;
	assert_int_equal(pthread_create(&thread, NULL, release, NULL), 0);
	while (ring_by_fd(fd) != NULL)
		sched_yield();
	for (unsigned int i = 0; i < 1000; i++)
		sched_yield();
	assert_false(__atomic_load_n(&ended, __ATOMIC_SEQ_CST));
	assert_true(is_open(fd));
	assert_null(ring_enter(fd));
	ring_leave(ending);
	pthread_join(thread, NULL);
	assert_true(ended);
	assert_false(is_open(fd));
}

/* A child of fork() has no rings and no buffers, whatever numbers and addresses it has. */
static void
test_child(void **state)
{
	struct ring *r = ring_of(1);
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->rx_pool);
	int fd = ring_fd(r), status;
	pid_t pid;

	(void)state;
	assert_true(ring_mbuf_is(m));
	pid = fork();
	if (pid == 0) {
		rings_forget();
		if (ring_by_fd(fd) != NULL || ring_enter(fd) != NULL)
			_exit(1);
		if (ring_pin(fd) != NULL || ring_hold_by_fd(fd) != NULL)
			_exit(2);
		if (ring_pin(1 << 20) != NULL || ring_enter(1 << 20) != NULL)
			_exit(3);
		_exit(ring_mbuf_is(m) ? 4 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_ptr_equal(ring_by_fd(fd), r);
	assert_true(ring_mbuf_is(m));
	rte_pktmbuf_free(m);
	ring_release(r);
}

static int current;
static bool stop;

static void *
come_and_go(void *arg)
{
	unsigned long *found = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int fd = __atomic_load_n(&current, __ATOMIC_RELAXED);
		struct ring *r = ring_enter(fd);

		if (r == NULL)
			continue;
		/* it is the one of that number, and stays so */
		if (r->fd != fd && r->fd != -1)
			abort();
		++*found;
		ring_leave(r);
	}
	return NULL;
}

/* Rings end while others look for them: nobody meets memory that is not a ring's. */
static void
test_race(void **state)
{
	unsigned long found = 0;
	uint64_t end = clock_ms() + 10000;
	pthread_t thread;

	(void)state;
	stop = false;
	current = -1;
	assert_int_equal(pthread_create(&thread, NULL, come_and_go, &found), 0);
	for (uint32_t i = 0; i < 3000 ||
			(__atomic_load_n(&found, __ATOMIC_RELAXED) < 100 && clock_ms() < end);
			i++) {
		struct ring *r = ring_of(i);

		__atomic_store_n(&current, ring_fd(r), __ATOMIC_RELAXED);
		if (i % 64 == 0)
			sched_yield();
		ring_release(r);
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_true(found >= 100);
}

static int
up(void **state)
{
	(void)state;
	test_start("VMA_RX_BUFS=8192", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			"DPVMA_QUEUES=8", NULL);
	port = port_by_name("net_null0");
	/* the port's default ring, which lives as long as others do */
	ring_of(0);
	return port == NULL;
}

static int
down(void **state)
{
	(void)state;
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_named, up, down),
		cmocka_unit_test_setup_teardown(test_reused, up, down),
		cmocka_unit_test_setup_teardown(test_no_number, up, down),
		cmocka_unit_test_setup_teardown(test_pinned, up, down),
		cmocka_unit_test_setup_teardown(test_inside, up, down),
		cmocka_unit_test_setup_teardown(test_child, up, down),
		cmocka_unit_test_setup_teardown(test_race, up, down),
	};
	int ret;

	test_eal("128", "net_null0,no-rx=1", NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
