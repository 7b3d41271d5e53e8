/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks and threads: calls that are asleep, or spin, run them and wait on unless
 * something passes; threads that poll the same rings run those of one socket one at a time and in
 * order; callbacks that come, go and are replaced meanwhile. A thread is known to wait by its
 * state, not by time.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "sock/callback.h"
#include "sock/sock_priv.h"
#include "sock_test.h"
#include "vma/mellanox/vma_extra.h"

static struct vma_api_t *api;

enum call { CALL_RECV, CALL_RECVMMSG, CALL_POLL, CALL_SELECT, CALL_EPOLL, CALLS };

struct caller {
	pthread_t thread;
	enum call call;
	int fd;
	pid_t tid;
	int ret;
	char c;
};

static int
wait_for(struct caller *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct iovec iov = { &c->c, 1 };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	struct epoll_event ev = { .events = EPOLLIN };
	fd_set set;
	int ep, ret;

	switch (c->call) {
	case CALL_RECV:
		return (int)dpvma_recv(c->fd, &c->c, 1, 0);
	case CALL_RECVMMSG:
		return dpvma_recvmmsg(c->fd, &vec, 1, 0, NULL);
	case CALL_POLL:
		return dpvma_poll(&p, 1, -1);
	case CALL_SELECT:
		FD_ZERO(&set);
		FD_SET(c->fd, &set);
		return dpvma_select(c->fd + 1, &set, NULL, NULL, NULL);
	default:
		ep = dpvma_epoll_create1(0);
		assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev), 0);
		ret = dpvma_epoll_wait(ep, &ev, 1, -1);
		dpvma_close(ep);
		return ret;
	}
}

static void *
call(void *arg)
{
	struct caller *c = arg;

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	c->ret = wait_for(c);
	return NULL;
}

static void
until_asleep(struct caller *c)
{
	char path[64], line[128], now = '?';
	FILE *f;

	while (__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", c->tid);
	while (now != 'S') {
		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "State: %c", &now);
		fclose(f);
	}
}

/** What a callback does: counts, and passes what begins with 'p'. */
struct filter {
	uint32_t calls;
	pid_t by;
	uint32_t running, at_once; /**< threads in it, and the most there were */
	uint32_t last, disorder;
	bool numbers;
};

static vma_recv_callback_retval_t
filter(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	struct filter *f = context;
	const char *data = iov[0].iov_base;
	uint32_t running = __atomic_add_fetch(&f->running, 1, __ATOMIC_RELAXED), number;

	(void)fd;
	(void)info;
	assert_int_equal(n, 1);
	f->at_once = RTE_MAX(f->at_once, running);
	f->by = gettid();
	if (f->numbers) {
		number = (uint32_t)atoi(data + 1);
		f->disorder += number <= f->last && f->last != 0;
		f->last = number;
	}
	__atomic_sub_fetch(&f->running, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&f->calls, 1, __ATOMIC_RELEASE);
	return *data == 'p' ? VMA_PACKET_RECV : VMA_PACKET_DROP;
}

static void
until_called(const struct filter *f, uint32_t n)
{
	while (__atomic_load_n(&f->calls, __ATOMIC_ACQUIRE) < n)
		sched_yield();
}

/* As a thread does that is none of the application's: the ring is turned, nothing else. */
static void
deliver(int fd)
{
	struct sock *s = sock_get(fd);

	s->ops->poll(s);
	sock_put(s);
}

/* The sleeper waits for the socket itself, or for another. */
static void
sleeper_runs(void **state)
{
	struct filter f = { 0 };
	uint16_t port, other_port;
	int fd = test_bound(&port), other = test_bound(&other_port), i;

	(void)state;
	assert_int_equal(api->register_recv_callback(fd, filter, &f), 0);
	for (i = 0; i < 2 * CALLS; i++) {
		struct caller c = { .call = i / 2, .fd = i & 1 ? other : fd };
		uint32_t calls = f.calls;
		char left;

		assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
		until_asleep(&c);
		test_inject_text(port, "drop");
		deliver(fd);
		until_called(&f, calls + 1);
		assert_int_equal(f.by, c.tid);
		/* nothing was passed: it waits on */
		until_asleep(&c);
		test_inject_text(i & 1 ? other_port : port, "pass");
		deliver(fd);
		pthread_join(c.thread, NULL);
		assert_int_equal(c.ret, 1);
		assert_int_equal(f.calls, calls + (i & 1 ? 1 : 2));
		if (c.call > CALL_RECVMMSG)
			assert_int_equal(dpvma_recv(c.fd, &c.c, 1, MSG_DONTWAIT), 1);
		assert_int_equal(c.c, 'p');
		assert_errno((int)dpvma_recv(c.fd, &left, 1, MSG_DONTWAIT), EAGAIN);
	}
	dpvma_close(other);
	dpvma_close(fd);
}

/** Given back by another thread. */
struct returned {
	pthread_t thread;
	int fd;
	void *packet;
	int ret;
};

static void *
give_back(void *arg)
{
	struct returned *r = arg;

	r->ret = api->free_packets(r->fd, (struct vma_packet_t *)(void *)&r->packet, 1);
	return NULL;
}

static struct returned returned[3];

/* The first is given back while the second is judged, the others as soon as they are shown. */
static vma_recv_callback_retval_t
passes_on(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	unsigned int *calls = context;
	struct returned *r = &returned[*calls];

	(void)n;
	(void)iov;
	*r = (struct returned){ .fd = fd, .packet = info->packet_id, .ret = 1 };
	if (*calls == 1) {
		assert_int_equal(pthread_create(&returned[0].thread, NULL, give_back, &returned[0]),
				0);
		pthread_join(returned[0].thread, NULL);
	}
	if (*calls != 0)
		assert_int_equal(pthread_create(&r->thread, NULL, give_back, r), 0);
	++*calls;
	return VMA_PACKET_HOLD;
}

/* What is held is the application's at once, and not when all that came with it is judged. */
static void
held_at_once(void **state)
{
	unsigned int before, calls = 0, i;
	uint16_t port;
	int fd = test_bound(&port);
	struct rte_mempool *wire = rte_mempool_lookup("wire");
	char c;

	(void)state;
	assert_int_equal(ring_pool_known(wire), 0);
	before = rte_mempool_in_use_count(wire);
	assert_int_equal(api->register_recv_callback(fd, passes_on, &calls), 0);
	for (i = 0; i < RTE_DIM(returned); i++)
		test_inject_text(port, "hold");
	deliver(fd);
	assert_errno((int)dpvma_recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
	assert_int_equal(calls, RTE_DIM(returned));
	for (i = 1; i < calls; i++)
		pthread_join(returned[i].thread, NULL);
	for (i = 0; i < calls; i++)
		assert_int_equal(returned[i].ret, 0);
	assert_int_equal(rte_mempool_in_use_count(wire), before);
	dpvma_close(fd);
	ring_pool_forgotten(wire);
}

/* Nothing else than what is staged can wake one that has no ring to sleep on, and no nap. */
static void
woken_by_staging(void **state)
{
	struct filter f = { 0 };
	uint16_t port;
	int fd = test_bound(&port), i;

	(void)state;
	assert_int_equal(api->register_recv_callback(fd, filter, &f), 0);
	for (i = 0; i < CALLS; i++) {
		struct caller c = { .call = i, .fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0) };

		assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
		until_asleep(&c);
		test_inject_text(port, "drop");
		deliver(fd);
		until_called(&f, (uint32_t)i + 1);
		assert_int_equal(f.by, c.tid);
		until_asleep(&c);
		assert_errno(dpvma_shutdown(c.fd, SHUT_RD), ENOTCONN);
		pthread_join(c.thread, NULL);
		dpvma_close(c.fd);
	}
	dpvma_close(fd);
}

/* Who sleeps already when the first callback is registered hears of it. */
static void
registered_meanwhile(void **state)
{
	struct filter f = { 0 };
	struct caller c = { .call = CALL_EPOLL };
	uint16_t port;

	(void)state;
	c.fd = test_bound(&port);
	assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
	until_asleep(&c);
	assert_int_equal(api->register_recv_callback(c.fd, filter, &f), 0);
	until_asleep(&c);
	test_inject_text(port, "drop");
	deliver(c.fd);
	until_called(&f, 1);
	test_inject_text(port, "pass");
	pthread_join(c.thread, NULL);
	assert_int_equal(c.ret, 1);
	assert_int_equal(f.calls, 2);
	dpvma_close(c.fd);
}

/* The time of a wait is not prolonged by callbacks that pass nothing. */
static void
time_passes(void **state)
{
	struct filter f = { 0 };
	uint16_t port;
	int fd = test_bound(&port);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t start = clock_ms();

	(void)state;
	assert_int_equal(api->register_recv_callback(fd, filter, &f), 0);
	test_inject_text(port, "drop");
	assert_int_equal(dpvma_poll(&p, 1, 30), 0);
	assert_true(clock_ms() - start >= 29);
	assert_int_equal(f.calls, 1);
	dpvma_close(fd);
}

/** @name Threads that poll at once */
/** @{ */
#define POLLERS 4
#define PACKETS 4000
#define IN_FLIGHT 512

static int shared_fd[2];
static struct filter shared_filter[2];
static bool stop;
static uint32_t read_back;

static void *
poller(void *arg)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;
	struct pollfd p[2] = { { .fd = shared_fd[0], .events = POLLIN },
		{ .fd = shared_fd[1], .events = POLLIN } };
	char buf[16];

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (i & 1)
			dpvma_poll(p, 2, 0);
		if (dpvma_recv(shared_fd[i / 2 % 2], buf, sizeof(buf), MSG_DONTWAIT) > 0)
			__atomic_add_fetch(&read_back, 1, __ATOMIC_RELAXED);
		sched_yield();
	}
	return NULL;
}

static uint32_t
all_calls(void)
{
	return __atomic_load_n(&shared_filter[0].calls, __ATOMIC_ACQUIRE) +
			__atomic_load_n(&shared_filter[1].calls, __ATOMIC_ACQUIRE);
}

static void
one_at_a_time(void **state)
{
	pthread_t threads[POLLERS];
	uint16_t port[2];
	uint32_t passed = 0, i;
	char text[16];

	(void)state;
	for (i = 0; i < 2; i++) {
		shared_filter[i] = (struct filter){ .numbers = true };
		shared_fd[i] = test_bound(&port[i]);
		assert_int_equal(api->register_recv_callback(
						 shared_fd[i], filter, &shared_filter[i]),
				0);
	}
	for (i = 0; i < POLLERS; i++)
		assert_int_equal(
				pthread_create(&threads[i], NULL, poller, (void *)(uintptr_t)i), 0);
	for (i = 0; i < PACKETS; i++) {
		while (i - all_calls() >= IN_FLIGHT)
			sched_yield();
		snprintf(text, sizeof(text), "%c%u", i % 7 == 0 ? 'p' : 'd', i / 2 + 1);
		passed += i % 7 == 0;
		test_inject_text(port[i % 2], text);
	}
	while (all_calls() < PACKETS || __atomic_load_n(&read_back, __ATOMIC_RELAXED) < passed)
		sched_yield();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < POLLERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 2; i++) {
		assert_int_equal(shared_filter[i].calls, PACKETS / 2);
		assert_int_equal(shared_filter[i].at_once, 1);
		assert_int_equal(shared_filter[i].disorder, 0);
		assert_int_equal(shared_filter[i].last, PACKETS / 2);
		dpvma_close(shared_fd[i]);
	}
	assert_int_equal(read_back, passed);
	assert_int_equal(callbacks_waiting, 0);
}

/* Registered, replaced, taken away and closed while threads poll: every packet is judged or read.
 */
static void
changes(void **state)
{
	unsigned int alive = sock_alive();
	pthread_t threads[POLLERS];
	uint16_t port[2];
	uint32_t i;

	(void)state;
	stop = false;
	read_back = 0;
	memset(shared_filter, 0, sizeof(shared_filter));
	for (i = 0; i < 2; i++)
		shared_fd[i] = test_bound(&port[i]);
	for (i = 0; i < POLLERS; i++)
		assert_int_equal(
				pthread_create(&threads[i], NULL, poller, (void *)(uintptr_t)i), 0);
	for (i = 0; i < PACKETS; i++) {
		while (i - all_calls() - __atomic_load_n(&read_back, __ATOMIC_RELAXED) >= IN_FLIGHT)
			sched_yield();
		if (i % 5 == 0)
			assert_int_equal(api->register_recv_callback(shared_fd[i % 2],
							 i % 3 == 0 ? NULL : filter,
							 &shared_filter[i % 2]),
					0);
		test_inject_text(port[i % 2], "d");
	}
	while (all_calls() + __atomic_load_n(&read_back, __ATOMIC_RELAXED) < PACKETS)
		sched_yield();
	assert_true(shared_filter[0].calls > 0 && shared_filter[1].calls > 0);
	assert_true(read_back > 0);
	/* with packets on their way */
	for (i = 0; i < 64; i++)
		test_inject_text(port[i % 2], "d");
	dpvma_close(shared_fd[0]);
	dpvma_close(shared_fd[1]);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < POLLERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(all_calls() + read_back >= PACKETS, 1);
	assert_int_equal(callbacks_waiting, 0);
	assert_int_equal(sock_alive(), alive);
}
/** @} */

static int
setup(void **state)
{
	(void)state;
	test_start(NULL);
	api = dpvma_get_api();
	assert_non_null(api);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registered_meanwhile),
		cmocka_unit_test(sleeper_runs),
		cmocka_unit_test(woken_by_staging),
		cmocka_unit_test(time_passes),
		cmocka_unit_test(held_at_once),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(changes),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
