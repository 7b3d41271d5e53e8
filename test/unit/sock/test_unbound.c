/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting on a datagram socket that has no port: it gets none by that, and what comes when another
 * thread has bound it ends the wait. The kernel's sockets, ours, and ours that are bound to an
 * address of the kernel's must do the same. With "spin" calls poll for ever, else they sleep.
 */
#include <poll.h>
#include <pthread.h>

#include "sock_test.h"

static bool spins;

struct waiter {
	pthread_t thread;
	int fd;
	pid_t tid;
	enum { BY_RECV, BY_RECVMMSG, BY_POLL } by;
	int ret;
	char c;
};

static void *
wait_for_one(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	struct iovec iov = { &w->c, 1 };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->ret = 1;
	if (w->by == BY_POLL) {
		w->ret = dpvma_poll(&p, 1, -1);
		assert_int_equal(p.revents, POLLIN);
	}
	if (w->ret == 1 && w->by != BY_RECVMMSG)
		w->ret = (int)dpvma_recv(w->fd, &w->c, 1, 0);
	else if (w->ret == 1)
		w->ret = dpvma_recvmmsg(w->fd, &vec, 1, 0, NULL);
	return NULL;
}

/* Asleep in its call; who polls is somewhere in it. */
static void
wait_until_there(struct waiter *w)
{
	char path[64], line[128], now = '?';
	FILE *f;

	while (__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE) == 0)
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", w->tid);
	while (!spins && now != 'S') {
		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "State: %c", &now);
		fclose(f);
	}
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

static void
send_one(const char *addr, uint16_t port)
{
	struct sockaddr_in to = test_addr(addr, port);
	int tx;

	if (strcmp(addr, LOCAL) == 0) {
		test_inject_text(port, "u");
		return;
	}
	tx = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(sendto(tx, "u", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	close(tx);
}

static void
bound_while_waiting(int fd, const char *addr, int by)
{
	struct sockaddr_in sin = test_addr(addr, 0);
	struct waiter w = { .fd = fd, .by = by };
	char c;

	assert_errno((int)dpvma_recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
	assert_int_equal(port_of(fd), 0);
	assert_int_equal(pthread_create(&w.thread, NULL, wait_for_one, &w), 0);
	wait_until_there(&w);
	assert_int_equal(port_of(fd), 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	/* it may be asleep again, or on its way */
	send_one(addr, port_of(fd));
	pthread_join(w.thread, NULL);
	assert_int_equal(w.ret, 1);
	assert_int_equal(w.c, 'u');
	dpvma_close(fd);
}

static void
binding_is_noticed(void **state)
{
	int by;

	(void)state;
	for (by = BY_RECV; by <= BY_POLL; by++) {
		bound_while_waiting(socket(AF_INET, SOCK_DGRAM, 0), "127.0.0.1", by);
		bound_while_waiting(dpvma_socket(AF_INET, SOCK_DGRAM, 0), "127.0.0.1", by);
		bound_while_waiting(dpvma_socket(AF_INET, SOCK_DGRAM, 0), LOCAL, by);
	}
}

static void
limit_and_shutdown(int fd)
{
	struct timeval tv = { .tv_usec = 2000 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_errno((int)dpvma_recv(fd, &c, 1, 0), EAGAIN);
	assert_int_equal(dpvma_poll(&p, 1, 2), 0);
	assert_int_equal(port_of(fd), 0);
	assert_errno(dpvma_shutdown(fd, SHUT_RD), ENOTCONN);
	assert_int_equal(dpvma_recv(fd, &c, 1, 0), 0);
	assert_int_equal(port_of(fd), 0);
	dpvma_close(fd);
}

static void
ends_without_a_port(void **state)
{
	(void)state;
	limit_and_shutdown(socket(AF_INET, SOCK_DGRAM, 0));
	limit_and_shutdown(dpvma_socket(AF_INET, SOCK_DGRAM, 0));
}

static int
setup(void **state)
{
	(void)state;
	test_start(spins ? "VMA_RX_POLL=-1" : "VMA_RX_POLL=0",
			spins ? "VMA_SELECT_POLL=-1" : "VMA_SELECT_POLL=0", NULL);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binding_is_noticed),
		cmocka_unit_test(ends_without_a_port),
	};

	spins = argc > 1 && strcmp(argv[1], "spin") == 0;
	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
