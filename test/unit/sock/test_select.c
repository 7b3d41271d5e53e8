/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select and pselect over offloaded and kernel descriptors. Time is only spent where a limit
 * itself is looked at.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include "sock/sock_priv.h"
#include "sock_test.h"

static fd_set
set_of(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return set;
}

static void
bits(void **state)
{
	struct timeval none = { 0 };
	uint16_t port;
	int fd = test_bound(&port), pipes[2], n, i, seen = 0;
	fd_set r, w, e;
	char c;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	n = RTE_MAX(fd, pipes[1]) + 1;
	r = set_of(fd);
	FD_SET(pipes[0], &r);
	assert_int_equal(dpvma_select(n, &r, NULL, NULL, &none), 0);
	assert_false(FD_ISSET(fd, &r) || FD_ISSET(pipes[0], &r));
	/* one descriptor, two bits */
	test_inject_text(port, "x");
	r = w = e = set_of(fd);
	FD_SET(pipes[0], &r);
	assert_int_equal(dpvma_select(n, &r, &w, &e, NULL), 2);
	assert_true(FD_ISSET(fd, &r) && FD_ISSET(fd, &w));
	assert_false(FD_ISSET(fd, &e) || FD_ISSET(pipes[0], &r));
	/* asked for by no set */
	r = set_of(pipes[0]);
	w = set_of(fd);
	assert_int_equal(dpvma_select(fd, &r, &w, NULL, &none), 0);
	assert_int_equal(write(pipes[1], "y", 1), 1);
	for (i = 0; i < 8; i++) {
		r = set_of(fd);
		FD_SET(pipes[0], &r);
		assert_true(dpvma_select(n, &r, NULL, NULL, NULL) >= 1);
		assert_true(FD_ISSET(fd, &r));
		seen += FD_ISSET(pipes[0], &r) != 0;
	}
	assert_int_equal(seen, 2);
	assert_int_equal(dpvma_recv(fd, &c, 1, 0), 1);
	r = set_of(fd);
	FD_SET(pipes[0], &r);
	w = set_of(pipes[1]);
	assert_int_equal(dpvma_select(n, &r, &w, NULL, NULL), 2);
	assert_true(FD_ISSET(pipes[0], &r) && FD_ISSET(pipes[1], &w));
	assert_false(FD_ISSET(fd, &r));
	/* the kernel's alone */
	r = set_of(pipes[0]);
	assert_int_equal(dpvma_select(n, &r, NULL, NULL, NULL), 1);
	close(pipes[0]);
	close(pipes[1]);
	dpvma_close(fd);
}

static void
refuses(void **state)
{
	struct timeval none = { 0 }, past = { .tv_sec = -1 }, before = { .tv_usec = -1 };
	struct timespec odd = { .tv_nsec = 1000000000 };
	uint16_t port;
	int fd = test_bound(&port), pipes[2], n, i, errors = 0;
	fd_set r, kept;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	n = RTE_MAX(fd, pipes[1]) + 1;
	r = set_of(fd);
	assert_errno(dpvma_select(-1, &r, NULL, NULL, &none), EINVAL);
	assert_errno(dpvma_pselect(-1, &r, NULL, NULL, NULL, NULL), EINVAL);
	assert_errno(dpvma_select(n, &r, NULL, NULL, &past), EINVAL);
	assert_errno(dpvma_select(n, &r, NULL, NULL, &before), EINVAL);
	assert_errno(dpvma_pselect(n, &r, NULL, NULL, &odd, NULL), EINVAL);
	assert_true(FD_ISSET(fd, &r));
	/* a closed one is an error, and the sets stay as they were */
	FD_SET(pipes[0], &r);
	close(pipes[0]);
	kept = r;
	assert_errno(dpvma_select(n, &r, NULL, NULL, &none), EBADF);
	assert_memory_equal(&kept, &r, sizeof(r));
	test_inject_text(port, "x");
	for (i = 0; i < conf()->select_skip_os; i++) {
		r = kept;
		errors += dpvma_select(n, &r, NULL, NULL, &none) < 0 && errno == EBADF;
	}
	assert_int_equal(errors, 1);
	close(pipes[1]);
	dpvma_close(fd);
	r = set_of(fd);
	assert_errno(dpvma_select(n, &r, NULL, NULL, &none), EBADF);
}

static void
limits(void **state)
{
	struct timeval tv = { .tv_usec = 30000 };
	struct timespec ts = { .tv_nsec = 20000000 };
	uint16_t port;
	int fd = test_bound(&port);
	uint64_t start = clock_ns();
	fd_set r = set_of(fd);

	(void)state;
	assert_int_equal(dpvma_select(fd + 1, &r, NULL, NULL, &tv), 0);
	assert_true(clock_ns() - start >= 30000000u);
	assert_int_equal(tv.tv_sec, 0);
	assert_int_equal(tv.tv_usec, 0);
	assert_false(FD_ISSET(fd, &r));
	start = clock_ns();
	r = set_of(fd);
	assert_int_equal(dpvma_pselect(fd + 1, &r, NULL, NULL, &ts, NULL), 0);
	assert_true(clock_ns() - start >= 20000000u);
	assert_int_equal(ts.tv_nsec, 20000000);
	/* what is left; more microseconds than a second has are taken */
	test_inject_text(port, "x");
	tv = (struct timeval){ .tv_sec = 1000, .tv_usec = 5000000 };
	r = set_of(fd);
	assert_int_equal(dpvma_select(fd + 1, &r, NULL, NULL, &tv), 1);
	assert_true(tv.tv_sec > 900 && tv.tv_sec <= 1005);
	assert_true(tv.tv_usec < 1000000);
	tv = (struct timeval){ .tv_sec = INT64_MAX, .tv_usec = 999999 };
	r = set_of(fd);
	assert_int_equal(dpvma_select(fd + 1, &r, NULL, NULL, &tv), 1);
	dpvma_close(fd);
}

static void
ignore(int sig)
{
	(void)sig;
}

static void
signals(void **state)
{
	struct sigaction act = { .sa_handler = ignore };
	struct itimerval timer = { .it_value.tv_usec = 20000 };
	struct timeval tv = { .tv_sec = 1000 };
	sigset_t none, alarms;
	uint16_t port;
	int fd = test_bound(&port);
	fd_set r = set_of(fd);

	(void)state;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	assert_errno(dpvma_select(fd + 1, &r, NULL, NULL, &tv), EINTR);
	assert_true(FD_ISSET(fd, &r));
	assert_true(tv.tv_sec < 1000);
	sigemptyset(&none);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	raise(SIGALRM);
	assert_errno(dpvma_pselect(fd + 1, &r, NULL, NULL, NULL, &none), EINTR);
	raise(SIGALRM);
	tv = (struct timeval){ .tv_usec = 5000 };
	assert_int_equal(dpvma_select(fd + 1, &r, NULL, NULL, &tv), 0);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	dpvma_close(fd);
}

#define MANY 3000

/* Numbers beyond an fd_set, which programs put into arrays of their own. */
static void
large_sets(void **state)
{
	struct rlimit before, raised;
	static fd_mask r[MANY / NFDBITS + 1];
	uint16_t port;
	int fd = test_bound(&port), high;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	raised = before;
	raised.rlim_cur = MANY;
	raised.rlim_max = RTE_MAX(before.rlim_max, (rlim_t)MANY);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &raised), 0);
	high = dpvma_fcntl(fd, F_DUPFD, MANY - 1);
	assert_int_equal(high, MANY - 1);
	r[high / NFDBITS] = (fd_mask)1 << high % NFDBITS;
	r[fd / NFDBITS] |= (fd_mask)1 << fd % NFDBITS;
	test_inject_text(port, "x");
	/* the kernel looks at no number that is none; it would be beyond the array */
	assert_int_equal(dpvma_select(INT32_MAX, (fd_set *)r, NULL, NULL, NULL), 2);
	assert_true(r[high / NFDBITS] >> high % NFDBITS & 1);
	assert_true(r[fd / NFDBITS] >> fd % NFDBITS & 1);
	dpvma_close(high);
	dpvma_close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void
many(void **state)
{
	struct timeval tv = { .tv_sec = 10 };
	uint16_t port, last = 0;
	int fds[200], i;
	fd_set r;

	(void)state;
	FD_ZERO(&r);
	for (i = 0; i < 200; i++) {
		fds[i] = test_bound(&port);
		FD_SET(fds[i], &r);
		last = port;
	}
	test_inject_text(last, "x");
	assert_int_equal(dpvma_select(fds[199] + 1, &r, NULL, NULL, &tv), 1);
	assert_true(FD_ISSET(fds[199], &r));
	for (i = 0; i < 199; i++)
		assert_false(FD_ISSET(fds[i], &r));
	for (i = 0; i < 200; i++)
		dpvma_close(fds[i]);
}

/*
 * A pipe whose readers have gone tells POLLERR at every look, and in the set of exceptions it means
 * nothing: the call waits.
 */
static void
what_does_not_count(void **state)
{
	struct timeval tv = { .tv_usec = 20000 };
	uint16_t port;
	int fd = test_bound(&port), pipes[2];
	uint64_t start = clock_ns();
	fd_set r = set_of(fd), e;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	close(pipes[0]);
	e = set_of(pipes[1]);
	assert_int_equal(dpvma_select(pipes[1] + 1, &r, NULL, &e, &tv), 0);
	assert_true(clock_ns() - start >= 20000000u);
	assert_false(FD_ISSET(pipes[1], &e));
	/* datagrams that nobody asks for neither */
	test_inject_text(port, "x");
	tv.tv_usec = 20000;
	start = clock_ns();
	e = set_of(fd);
	assert_int_equal(dpvma_select(fd + 1, NULL, NULL, &e, &tv), 0);
	assert_true(clock_ns() - start >= 20000000u);
	close(pipes[1]);
	dpvma_close(fd);
}

static void *
close_it(void *arg)
{
	/* it sleeps when it counts as one */
	while (__atomic_load_n(&((struct sock *)arg)->sleepers, __ATOMIC_ACQUIRE) == 0)
		usleep(100);
	dpvma_close(((struct sock *)arg)->fd);
	return NULL;
}

static void
close_ends(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);
	fd_set r = set_of(fd);
	pthread_t thread;

	(void)state;
	if (conf()->thread_mode == CONF_THREAD_SINGLE)
		skip();
	pthread_create(&thread, NULL, close_it, sock_held(fd));
	assert_errno(dpvma_select(fd + 1, &r, NULL, NULL, NULL), EBADF);
	pthread_join(thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits),
		cmocka_unit_test(refuses),
		cmocka_unit_test(limits),
		cmocka_unit_test(signals),
		cmocka_unit_test(large_sets),
		cmocka_unit_test(many),
		cmocka_unit_test(what_does_not_count),
		cmocka_unit_test(close_ends),
	};

	return cmocka_run_group_tests(tests, test_group_start, test_group_stop);
}
