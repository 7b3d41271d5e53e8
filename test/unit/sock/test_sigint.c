/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VMA_HANDLE_SIGINTR: calls of all threads end, the program's own handler is called, and without
 * one the process ends by exit(). With "spin" calls poll for ever, else they sleep.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <rte_eal.h>

#include "sock_test.h"

static bool spins;
static volatile sig_atomic_t handled;

static void
start(void)
{
	test_start(spins ? "VMA_RX_POLL=-1" : "VMA_RX_POLL=0",
			spins ? "VMA_SELECT_POLL=-1" : "VMA_SELECT_POLL=0", "VMA_HANDLE_SIGINTR=1",
			NULL);
}

static void
handler(int sig)
{
	handled += sig == SIGINT;
}

struct call {
	pthread_t thread;
	enum { BY_RECV, BY_POLL, BY_EPOLL, BY_ACCEPT, CALLS } by;
	int fd, ret, err;
	bool ended;
};

static void *
wait_in_it(void *arg)
{
	struct call *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = -1;
	char byte;

	if (c->by == BY_EPOLL) {
		epfd = dpvma_epoll_create1(0);
		dpvma_epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev);
	}
	errno = 0;
	if (c->by == BY_RECV)
		c->ret = (int)dpvma_recv(c->fd, &byte, 1, 0);
	else if (c->by == BY_POLL)
		c->ret = dpvma_poll(&p, 1, -1);
	else if (c->by == BY_EPOLL)
		c->ret = dpvma_epoll_wait(epfd, &ev, 1, -1);
	else
		c->ret = dpvma_accept(c->fd, NULL, NULL);
	c->err = errno;
	if (epfd >= 0)
		dpvma_close(epfd);
	__atomic_store_n(&c->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static int
listener(void)
{
	struct sockaddr_in sin = test_addr(LOCAL, 0);
	int fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_listen(fd, 4), 0);
	return fd;
}

/* One that came before a call began does not end it: as often as it takes. */
static void
all_threads(void **state)
{
	struct call calls[CALLS] = { 0 };
	sigset_t block;
	uint16_t port;
	int i;

	(void)state;
	/* it is this thread that is interrupted, and those that are not must end */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	for (i = 0; i < CALLS; i++) {
		calls[i].by = i;
		calls[i].fd = i == BY_ACCEPT ? listener() : test_bound(&port);
		assert_int_equal(pthread_create(&calls[i].thread, NULL, wait_in_it, &calls[i]), 0);
	}
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);
	handled = 0;
	for (i = 0; i < CALLS; i++)
		while (!__atomic_load_n(&calls[i].ended, __ATOMIC_ACQUIRE)) {
			assert_int_equal(kill(getpid(), SIGINT), 0);
			usleep(1000);
		}
	assert_true(handled > 0);
	for (i = 0; i < CALLS; i++) {
		pthread_join(calls[i].thread, NULL);
		assert_int_equal(calls[i].ret, -1);
		assert_int_equal(calls[i].err, EINTR);
		dpvma_close(calls[i].fd);
	}
}

/* What begins later waits as ever. */
static void
goes_on(void **state)
{
	struct timeval tv = { .tv_usec = 2000 };
	uint16_t port;
	int fd = test_bound(&port);
	char c;

	(void)state;
	handled = 0;
	raise(SIGINT);
	assert_int_equal(handled, 1);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_errno((int)dpvma_recv(fd, &c, 1, 0), EAGAIN);
	test_inject_text(port, "x");
	assert_int_equal(dpvma_recv(fd, &c, 1, 0), 1);
	dpvma_close(fd);
}

/* An end of the process closes the stack: its marker is written by a handler of exit(). */
static void
at_exit(void)
{
	/* nothing stays of EAL, which the test started */
	if (write(STDOUT_FILENO, "exit\n", 5) != 5 || rmdir(rte_eal_get_runtime_dir()) != 0)
		_exit(1);
}

static int
by_default(void)
{
	uint16_t port;
	char c;
	int fd;

	signal(SIGINT, SIG_DFL);
	start();
	fd = test_bound(&port);
	atexit(at_exit);
	raise(SIGINT);
	/* until the other thread has ended it */
	while (dpvma_recv(fd, &c, 1, 0) < 0)
		;
	return 1;
}

static void
ends_without_handler(void **state)
{
	char said[16] = "";
	int status, fds[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "test_sock_sigint", spins ? "spin" : "sleep", "default",
				(char *)NULL);
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
	assert_true(read(fds[0], said, sizeof(said) - 1) > 0);
	assert_string_equal(said, "exit\n");
	close(fds[0]);
}

/* The child has no stack: SIGINT is what the program made of it. */
static void
in_a_child(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		handled = 0;
		raise(SIGINT);
		_exit(handled == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
setup(void **state)
{
	(void)state;
	signal(SIGINT, handler);
	start();
	return 0;
}

static int
teardown(void **state)
{
	struct sigaction now;

	(void)state;
	test_stop();
	/* as the program had it */
	assert_int_equal(sigaction(SIGINT, NULL, &now), 0);
	return now.sa_handler == handler ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_without_handler),
		cmocka_unit_test(all_threads),
		cmocka_unit_test(goes_on),
		cmocka_unit_test(in_a_child),
	};

	spins = argc > 1 && strcmp(argv[1], "spin") == 0;
	if (argc > 2)
		return by_default();
	return cmocka_run_group_tests(tests, setup, teardown);
}
