/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting: poll and ppoll, time limits, signals, and what ends a call that is asleep. Threads are
 * let in by looking at where they are, not by sleeping; only the limits themselves take time.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "sock/sock_priv.h"
#include "sock_test.h"

static uint64_t
ms_since(uint64_t start)
{
	return clock_ms() - start;
}

static void
poll_events(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), pipes[2];
	struct pollfd p[3];
	char c;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	p[2] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = 9 };
	assert_int_equal(dpvma_poll(p, 3, 0), 0);
	assert_int_equal(p[2].revents, 0);
	p[0].events = POLLIN | POLLOUT;
	assert_int_equal(dpvma_poll(p, 3, -1), 1);
	assert_int_equal(p[0].revents, POLLOUT);
	p[0].events = POLLIN;
	test_inject_text(port, "x");
	assert_int_equal(dpvma_poll(p, 3, -1), 1);
	assert_int_equal(p[0].revents, POLLIN);
	assert_int_equal(p[1].revents, 0);
	/* level-triggered */
	assert_int_equal(dpvma_poll(p, 3, 0), 1);
	assert_int_equal(dpvma_recv(fd, &c, 1, 0), 1);
	assert_int_equal(dpvma_poll(p, 3, 0), 0);
	/* the kernel's descriptor alone */
	assert_int_equal(write(pipes[1], "y", 1), 1);
	assert_int_equal(dpvma_poll(p, 3, -1), 1);
	assert_int_equal(p[1].revents, POLLIN);
	assert_int_equal(p[0].revents, 0);
	close(pipes[1]);
	close(pipes[0]);
	/* closed since */
	assert_int_equal(dpvma_poll(p, 2, 0), 1);
	assert_int_equal(p[1].revents, POLLNVAL);
	dpvma_close(fd);
	assert_int_equal(dpvma_poll(p, 1, 0), 1);
	assert_int_equal(p[0].revents, POLLNVAL);
}

static void
poll_kernel_not_starved(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), pipes[2], i, seen = 0;
	struct pollfd p[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "y", 1), 1);
	test_inject_text(port, "x");
	p[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	/* VMA_SELECT_SKIP_OS is 4 */
	for (i = 0; i < 8; i++) {
		assert_true(dpvma_poll(p, 2, 0) >= 1);
		assert_int_equal(p[0].revents, POLLIN);
		seen += p[1].revents == POLLIN;
	}
	assert_int_equal(seen, 2);
	close(pipes[1]);
	close(pipes[0]);
	dpvma_close(fd);
}

static void
poll_many(void **state)
{
	struct pollfd p[200];
	uint16_t port, last = 0;
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		p[i] = (struct pollfd){ .fd = test_bound(&port), .events = POLLIN };
		last = port;
	}
	test_inject_text(last, "x");
	assert_int_equal(dpvma_poll(p, 200, 1000), 1);
	assert_int_equal(p[199].revents, POLLIN);
	assert_int_equal(p[0].revents, 0);
	for (i = 0; i < 200; i++)
		dpvma_close(p[i].fd);
}

static void
poll_limits(void **state)
{
	struct timespec ten_ms = { .tv_nsec = 10000000 }, wrong = { .tv_nsec = -1 };
	uint16_t port;
	int fd = test_bound(&port);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t start = clock_ns();

	(void)state;
	assert_int_equal(dpvma_poll(&p, 1, 10), 0);
	assert_true(clock_ns() - start >= 10000000u);
	start = clock_ns();
	assert_int_equal(dpvma_ppoll(&p, 1, &ten_ms, NULL), 0);
	assert_true(clock_ns() - start >= 10000000u);
	assert_errno(dpvma_ppoll(&p, 1, &wrong, NULL), EINVAL);
	assert_errno(dpvma_poll(NULL, 1, 0), EFAULT);
	dpvma_close(fd);
}

static void
receive_limit(void **state)
{
	struct timeval tv = { .tv_usec = 20000 };
	uint16_t port;
	int fd = test_bound(&port);
	uint64_t start = clock_ns();
	char c;

	(void)state;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_errno((int)dpvma_recv(fd, &c, 1, 0), EAGAIN);
	assert_true(clock_ns() - start >= 20000000u);
	start = clock_ns();
	assert_errno((int)dpvma_recv(fd, &c, 1, MSG_PEEK), EAGAIN);
	assert_true(clock_ns() - start >= 20000000u);
	dpvma_close(fd);
}

static void
ignore(int sig)
{
	(void)sig;
}

static void
alarm_in_ms(int ms)
{
	struct itimerval timer = { .it_value.tv_usec = ms * 1000 };
	struct sigaction act = { .sa_handler = ignore };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void
signals_end_calls(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	sigset_t none, alarms;
	char c;

	(void)state;
	alarm_in_ms(20);
	assert_errno((int)dpvma_recv(fd, &c, 1, 0), EINTR);
	alarm_in_ms(20);
	assert_errno(dpvma_poll(&p, 1, -1), EINTR);
	/* blocked, but let through by ppoll; pending already counts */
	sigemptyset(&none);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	raise(SIGALRM);
	assert_errno(dpvma_ppoll(&p, 1, NULL, &none), EINTR);
	alarm_in_ms(20);
	assert_errno(dpvma_ppoll(&p, 1, NULL, &none), EINTR);
	/* blocked it stays for a poll that does not let it through */
	raise(SIGALRM);
	assert_int_equal(dpvma_poll(&p, 1, 5), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	dpvma_close(fd);
}

/* A thread in a call, and what came of it. */
struct caller {
	pthread_t thread;
	int fd;
	pid_t tid;
	bool poll;
	ssize_t ret;
	int err;
	char c;
};

static void *
call(void *arg)
{
	struct caller *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	__atomic_store_n(&c->tid, gettid(), __ATOMIC_RELEASE);
	c->ret = c->poll ? dpvma_poll(&p, 1, -1) : dpvma_recv(c->fd, &c->c, 1, 0);
	c->err = c->ret < 0 ? errno : p.revents;
	return NULL;
}

/* Until the thread has polled out, and naps or sleeps. */
static void
wait_asleep(struct caller *c)
{
	char path[64], line[128], now = '?';
	FILE *f;

	while (__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE) == 0)
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", c->tid);
	while (now != 'S') {
		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "State: %c", &now);
		fclose(f);
	}
}

static void
begin(struct caller *c, int fd, bool poll)
{
	*c = (struct caller){ .fd = fd, .poll = poll };
	assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
	wait_asleep(c);
}

static void
close_wakes(void **state)
{
	uint64_t start = clock_ms();
	struct caller a, b;
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	begin(&a, fd, false);
	begin(&b, fd, true);
	assert_int_equal(dpvma_close(fd), 0);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	assert_int_equal(a.ret, -1);
	assert_int_equal(a.err, EBADF);
	assert_int_equal(b.ret, 1);
	assert_true(b.err & POLLNVAL);
	assert_true(ms_since(start) < 20000);
}

static void *
send_on(void *arg)
{
	struct caller *c = arg;
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);

	do
		c->ret = dpvma_sendto(c->fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	while (c->ret == 1);
	c->err = errno;
	return NULL;
}

/* A sender for whom the queue has no room, as nobody takes from the wire. */
static void
close_ends_send(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	uint16_t port;
	struct caller c = { .fd = test_bound(&port) };

	(void)state;
	while (dpvma_sendto(c.fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(pthread_create(&c.thread, NULL, send_on, &c), 0);
	assert_int_equal(dpvma_close(c.fd), 0);
	pthread_join(c.thread, NULL);
	assert_int_equal(c.ret, -1);
	assert_int_equal(c.err, EBADF);
	test_drain();
}

static void
shutdown_wakes(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	struct caller a;
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	begin(&a, fd, false);
	assert_int_equal(dpvma_shutdown(fd, SHUT_RD), 0);
	pthread_join(a.thread, NULL);
	assert_int_equal(a.ret, 0);
	dpvma_close(fd);
}

/*
 * A socket without rings has nothing to nap for: who does not wake its sleeper lets it sleep for
 * ever, which the test's time limit tells.
 */
static void
sleep_without_naps(void **state)
{
	struct caller a, b;
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct sock *s = sock_get(fd);

	(void)state;
	begin(&a, fd, true);
	begin(&b, fd, true);
	assert_int_equal(s->sleepers, 2);
	/* for nothing: they look and go to sleep again */
	sock_wake(s, NULL, 0);
	sock_put(s);
	assert_errno(dpvma_shutdown(fd, SHUT_RD), ENOTCONN);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	assert_int_equal(a.ret, 1);
	assert_int_equal(a.err, POLLIN);
	assert_int_equal(b.err, POLLIN);
	assert_int_equal(s->sleepers, 0);
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	begin(&a, fd, true);
	assert_int_equal(dpvma_close(fd), 0);
	pthread_join(a.thread, NULL);
	assert_true(a.err & POLLNVAL);
}

/* The sleeper is told by the thread that polls: both sockets are on one ring. */
static void
delivery_wakes(void **state)
{
	uint16_t port, other_port;
	int fd = test_bound(&port), other = test_bound(&other_port), i;
	struct caller a;
	char c;

	(void)state;
	for (i = 0; i < 20; i++) {
		begin(&a, fd, i & 1);
		test_inject_text(port, "w");
		assert_errno((int)dpvma_recv(other, &c, 1, MSG_DONTWAIT), EAGAIN);
		pthread_join(a.thread, NULL);
		assert_int_equal(a.ret, 1);
		if (a.poll)
			assert_int_equal(dpvma_recv(fd, &a.c, 1, MSG_DONTWAIT), 1);
		assert_int_equal(a.c, 'w');
	}
	dpvma_close(fd);
	dpvma_close(other);
}

#define THREADS 3
#define ROUNDS 3000

static int shared_fd[16];
static uint64_t received;
static bool stop;

static void *
use_any(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	char c;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int fd = __atomic_load_n(&shared_fd[rand_r(&seed) % 16], __ATOMIC_RELAXED);

		if (dpvma_recv(fd, &c, 1, MSG_DONTWAIT) == 1)
			__atomic_fetch_add(&received, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Sockets come and go under the hands of threads that use them. */
static void
concurrent_close(void **state)
{
	pthread_t threads[THREADS];
	uint16_t port;
	int i;

	(void)state;
	for (i = 0; i < 16; i++)
		shared_fd[i] = test_bound(&port);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, use_any, (void *)(uintptr_t)(i + 1));
	/* on a busy machine the threads may not have had a turn by then */
	for (i = 0; i < ROUNDS || __atomic_load_n(&received, __ATOMIC_RELAXED) == 0; i++) {
		dpvma_close(shared_fd[i % 16]);
		shared_fd[i % 16] = test_bound(&port);
		test_inject_text(port, "x");
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(received > 0);
	for (i = 0; i < 16; i++)
		dpvma_close(shared_fd[i]);
}

static int
setup(void **state)
{
	(void)state;
	/* a send waits for room in the queue */
	test_start("VMA_TX_NONBLOCKED_EAGAINS=1", NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poll_events),
		cmocka_unit_test(poll_kernel_not_starved),
		cmocka_unit_test(poll_many),
		cmocka_unit_test(poll_limits),
		cmocka_unit_test(receive_limit),
		cmocka_unit_test(signals_end_calls),
		cmocka_unit_test(close_wakes),
		cmocka_unit_test(close_ends_send),
		cmocka_unit_test(shutdown_wakes),
		cmocka_unit_test(sleep_without_naps),
		cmocka_unit_test(delivery_wakes),
		cmocka_unit_test(concurrent_close),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
