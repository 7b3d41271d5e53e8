/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel has in an epoll of ours: its half of a socket that is bound to any address,
 * sockets that become its own while an epoll has them, connections that come by it, and what a
 * child of fork() is left with. The kernel's traffic goes by the loopback device.
 */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "sock_test.h"

/** Port numbers of this process, of which rules speak: ten for datagrams, ten for listeners. */
#define P(n) ((uint16_t)(28000 + getpid() % 200 * 20 + (n)))

static char path[] = "/tmp/dpvma-test-epoll-XXXXXX";
static int sender; /* of the kernel's */

static int
ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return dpvma_epoll_ctl(ep, op, fd, &ev);
}

/* One event, or with @p events 0 none. */
static void
tells(int ep, int ms, uint32_t events, uint64_t data)
{
	struct epoll_event ev[4];
	int n = dpvma_epoll_wait(ep, ev, 4, ms);

	assert_int_equal(n, events != 0);
	if (events != 0) {
		assert_int_equal(ev[0].data.u64, data);
		assert_int_equal(ev[0].events, events);
	}
}

static struct sockaddr_in
loopback_name(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sin;
}

static void
send_to(const struct sockaddr_in *to)
{
	assert_int_equal(sendto(sender, "x", 1, 0, (const struct sockaddr *)to, sizeof(*to)), 1);
}

static void
take(int fd, int n)
{
	char c;

	while (n-- != 0)
		assert_int_equal(dpvma_recv(fd, &c, 1, MSG_DONTWAIT), 1);
	assert_errno((int)dpvma_recv(fd, &c, 1, MSG_DONTWAIT), EAGAIN);
}

static bool
is_kernels(int fd)
{
	char why[200];

	return dpvma_explain(fd, why, sizeof(why)) == DPVMA_KERNEL;
}

/** @name What another thread does once this one sleeps */
/** @{ */
struct later {
	pthread_t thread;
	pid_t sleeper;
	int connects; /**< -1, or this first */
	int type;
	struct sockaddr_in to;
};

static void
wait_asleep(pid_t tid)
{
	char status[64], line[128], now = '?';
	FILE *f;

	snprintf(status, sizeof(status), "/proc/self/task/%d/status", tid);
	while (now != 'S') {
		f = fopen(status, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "State: %c", &now);
		fclose(f);
	}
}

static void *
act(void *arg)
{
	struct later *l = arg;
	struct sockaddr_in name = l->to;

	wait_asleep(l->sleeper);
	if (l->connects >= 0) {
		/* to the sender, from where it answers */
		name = loopback_name(sender);
		dpvma_connect(l->connects, (struct sockaddr *)&name, sizeof(name));
		name = loopback_name(l->connects);
	}
	if (l->type == SOCK_DGRAM)
		sendto(sender, "x", 1, 0, (struct sockaddr *)&name, sizeof(name));
	else
		connect(l->type, (struct sockaddr *)&name, sizeof(name));
	return NULL;
}

/* A datagram to there comes by the kernel. */
static void
later_datagram(struct later *l, const struct sockaddr_in *to)
{
	*l = (struct later){ .sleeper = gettid(), .connects = -1, .type = SOCK_DGRAM, .to = *to };
	assert_int_equal(pthread_create(&l->thread, NULL, act, l), 0);
}

static void
later_done(struct later *l)
{
	assert_int_equal(pthread_join(l->thread, NULL), 0);
}
/** @} */

/** @name The kernel's half */
/** @{ */
static int
bound_to_any(struct sockaddr_in *to)
{
	struct sockaddr_in any = test_addr("0.0.0.0", 0);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_false(is_kernels(fd));
	*to = loopback_name(fd);
	return fd;
}

static void
half_level(void **state)
{
	int ep = dpvma_epoll_create1(0), fd;
	struct sockaddr_in to;
	struct later l;

	(void)state;
	fd = bound_to_any(&to);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1), 0);
	later_datagram(&l, &to);
	tells(ep, -1, EPOLLIN, 1);
	later_done(&l);
	tells(ep, 0, EPOLLIN, 1);
	take(fd, 1);
	tells(ep, 0, 0, 0);
	/* by the wire, and both ways at once: one event */
	test_inject_text(ntohs(to.sin_port), "w");
	tells(ep, -1, EPOLLIN, 1);
	send_to(&to);
	tells(ep, 0, EPOLLIN, 1);
	take(fd, 2);
	tells(ep, 0, 0, 0);
	/* what was there before it came in, and before it is wanted */
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, fd, 0, 0), 0);
	send_to(&to);
	tells(ep, 0, 0, 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, 0, 2), 0);
	tells(ep, 0, 0, 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN, 3), 0);
	tells(ep, 0, EPOLLIN, 3);
	take(fd, 1);
	dpvma_close(fd);
	dpvma_close(ep);
}

static void
half_edge(void **state)
{
	int ep = dpvma_epoll_create1(0), fd;
	struct sockaddr_in to;
	struct later l;

	(void)state;
	fd = bound_to_any(&to);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 1), 0);
	for (int i = 0; i < 3; i++) {
		later_datagram(&l, &to);
		tells(ep, -1, EPOLLIN, 1);
		later_done(&l);
		tells(ep, 0, 0, 0);
	}
	test_inject_text(ntohs(to.sin_port), "w");
	tells(ep, -1, EPOLLIN, 1);
	tells(ep, 0, 0, 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET, 2), 0);
	tells(ep, 0, EPOLLIN, 2);
	tells(ep, 0, 0, 0);
	take(fd, 4);
	tells(ep, 0, 0, 0);
	/* once */
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 3), 0);
	tells(ep, 0, 0, 0);
	send_to(&to);
	tells(ep, 0, EPOLLIN, 3);
	send_to(&to);
	tells(ep, 5, 0, 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT | EPOLLET, 4), 0);
	tells(ep, 0, EPOLLIN, 4);
	tells(ep, 0, 0, 0);
	take(fd, 2);
	dpvma_close(fd);
	dpvma_close(ep);
}

static void
half_nested(void **state)
{
	int ep = dpvma_epoll_create1(0), outer = dpvma_epoll_create1(0), fd;
	struct pollfd p = { .fd = outer, .events = POLLIN };
	struct sockaddr_in to;
	struct later l;

	(void)state;
	fd = bound_to_any(&to);
	assert_int_equal(ctl(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 1), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 2), 0);
	later_datagram(&l, &to);
	tells(outer, -1, EPOLLIN, 1);
	later_done(&l);
	tells(ep, 0, EPOLLIN, 2);
	take(fd, 1);
	tells(outer, 0, 0, 0);
	later_datagram(&l, &to);
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
	later_done(&l);
	take(fd, 1);
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	p.fd = ep;
	later_datagram(&l, &to);
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
	later_done(&l);
	take(fd, 1);
	p.fd = fd;
	later_datagram(&l, &to);
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	later_done(&l);
	take(fd, 1);
	dpvma_close(fd);
	dpvma_close(ep);
	dpvma_close(outer);
}
/** @} */

/** @name Sockets that become the kernel's */
/** @{ */
static void
datagrams_handed_over(void **state)
{
	static const uint32_t how[] = { EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT };
	int ep = dpvma_epoll_create1(0), outer = dpvma_epoll_create1(0), fd;
	struct later l;
	struct sockaddr_in to;

	(void)state;
	assert_int_equal(ctl(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 9), 0);
	for (unsigned int i = 0; i < 6; i++) {
		fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, how[i % 3], 1), 0);
		assert_false(is_kernels(fd));
		/* while a thread sleeps on it, or on the outer one */
		l = (struct later){ .sleeper = gettid(), .connects = fd, .type = SOCK_DGRAM };
		assert_int_equal(pthread_create(&l.thread, NULL, act, &l), 0);
		if (i < 3)
			tells(ep, -1, EPOLLIN, 1);
		else
			tells(outer, -1, EPOLLIN, 9);
		later_done(&l);
		assert_true(is_kernels(fd));
		take(fd, 1);
		to = loopback_name(fd);
		assert_int_equal(ctl(ep, EPOLL_CTL_MOD, fd, how[i % 3], 2), 0);
		send_to(&to);
		tells(ep, -1, EPOLLIN, 2);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 3), -1);
		assert_int_equal(errno, EEXIST);
		assert_int_equal(ctl(ep, EPOLL_CTL_DEL, fd, 0, 0), 0);
		tells(ep, 0, 0, 0);
		dpvma_close(fd);
	}
	dpvma_close(ep);
	dpvma_close(outer);
}

static int
bound_by(int fd, uint16_t first)
{
	struct sockaddr_in any;
	uint16_t i;

	/* of the numbers that the rule speaks of one is free */
	for (i = 0; i < 10; i++) {
		any = test_addr("0.0.0.0", (uint16_t)(first + i));
		if (dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0)
			return 0;
	}
	return -1;
}

static void
handed_over_by_rules(void **state)
{
	int ep = dpvma_epoll_create1(0), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0),
	    l = dpvma_socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s;
	struct sockaddr_in to;

	(void)state;
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, l, EPOLLIN | EPOLLET, 2), 0);
	/* Linux says of a stream that is not connected that it hung up, once as it is an edge */
	tells(ep, 0, EPOLLHUP, 2);
	assert_int_equal(bound_by(fd, P(0)), 0);
	to = loopback_name(fd);
	send_to(&to);
	tells(ep, -1, EPOLLIN, 1);
	take(fd, 1);
	tells(ep, 0, 0, 0);
	assert_int_equal(bound_by(l, P(10)), 0);
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_true(is_kernels(l));
	to = loopback_name(l);
	assert_int_equal(connect(c, (struct sockaddr *)&to, sizeof(to)), 0);
	tells(ep, -1, EPOLLIN, 2);
	s = dpvma_accept(l, NULL, NULL);
	assert_true(s >= 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 3), 0);
	assert_int_equal(send(c, "x", 1, 0), 1);
	tells(ep, -1, EPOLLIN, 3);
	close(c);
	dpvma_close(s);
	dpvma_close(l);
	dpvma_close(fd);
	tells(ep, 0, 0, 0);
	dpvma_close(ep);
}

static void
stream_handed_over(void **state)
{
	struct sockaddr_in to = test_addr("127.0.0.1", 0);
	socklen_t len = sizeof(to);
	int ep = dpvma_epoll_create1(0), c = dpvma_socket(AF_INET, SOCK_STREAM, 0),
	    l = socket(AF_INET, SOCK_STREAM, 0), s;

	(void)state;
	assert_int_equal(bind(l, (struct sockaddr *)&to, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, c, EPOLLIN | EPOLLRDHUP, 1), 0);
	tells(ep, 0, EPOLLHUP, 1);
	assert_int_equal(dpvma_connect(c, (struct sockaddr *)&to, len), 0);
	assert_true(is_kernels(c));
	tells(ep, 0, 0, 0);
	s = accept(l, NULL, NULL);
	assert_true(s >= 0);
	assert_int_equal(send(s, "x", 1, 0), 1);
	tells(ep, -1, EPOLLIN, 1);
	take(c, 1);
	close(s);
	tells(ep, -1, EPOLLIN | EPOLLRDHUP, 1);
	dpvma_close(c);
	tells(ep, 0, 0, 0);
	close(l);
	dpvma_close(ep);
}
/** @} */

static void
connections_by_the_kernel(void **state)
{
	struct sockaddr_in to = test_addr("0.0.0.0", 0);
	int ep = dpvma_epoll_create1(0), l = dpvma_socket(AF_INET, SOCK_STREAM, 0), c, s;
	struct later w;

	(void)state;
	assert_int_equal(dpvma_bind(l, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_false(is_kernels(l));
	to = loopback_name(l);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, l, EPOLLIN | (i & 1 ? EPOLLET : 0), 1), 0);
		c = socket(AF_INET, SOCK_STREAM, 0);
		w = (struct later){ .sleeper = gettid(), .connects = -1, .type = c, .to = to };
		assert_int_equal(pthread_create(&w.thread, NULL, act, &w), 0);
		tells(ep, -1, EPOLLIN, 1);
		later_done(&w);
		s = dpvma_accept(l, NULL, NULL);
		assert_true(s >= 0);
		assert_true(is_kernels(s));
		tells(ep, 0, 0, 0);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 2), 0);
		assert_int_equal(send(c, "x", 1, 0), 1);
		tells(ep, -1, EPOLLIN, 2);
		close(c);
		dpvma_close(s);
		assert_int_equal(ctl(ep, EPOLL_CTL_DEL, l, 0, 0), 0);
	}
	dpvma_close(l);
	dpvma_close(ep);
}

/** @name fork() */
/** @{ */
/* What is wrong, as the child's exit code. */
static int
in_child(int ep, int fd, const int *pipes)
{
	struct epoll_event ev[4];
	int own = dpvma_epoll_create1(0), s = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	if (dpvma_epoll_wait(ep, ev, 4, 0) != 0)
		return 1;
	if (write(pipes[1], "p", 1) != 1)
		return 2;
	if (dpvma_epoll_wait(ep, ev, 4, -1) != 1 || ev[0].data.u64 != 2)
		return 3;
	/* an epoll of its own, with what the kernel has of the parent's */
	if (ctl(own, EPOLL_CTL_ADD, pipes[0], EPOLLIN, 3) != 0 ||
			ctl(own, EPOLL_CTL_ADD, s, EPOLLIN, 4) != 0 ||
			ctl(own, EPOLL_CTL_ADD, ep, EPOLLIN, 5) != 0)
		return 4;
	if (dpvma_epoll_wait(own, ev, 4, -1) != 2)
		return 5;
	if (dpvma_close(own) != 0 || dpvma_close(ep) != 0 || dpvma_close(fd) != 0)
		return 6;
	return 0;
}

static void
child_of_fork(void **state)
{
	int ep = dpvma_epoll_create1(0), fd, pipes[2], status;
	struct epoll_event ev[4];
	uint16_t port;
	pid_t pid;
	char c;

	(void)state;
	fd = test_bound(&port);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, pipes[0], EPOLLIN, 2), 0);
	test_inject_text(port, "before");
	pid = fork();
	if (pid == 0)
		_exit(in_child(ep, fd, pipes));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(dpvma_epoll_wait(ep, ev, 4, -1), 2);
	assert_int_equal(ev[0].data.u64 + ev[1].data.u64, 3);
	take(fd, 1);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	tells(ep, 0, 0, 0);
	test_inject_text(port, "after");
	tells(ep, -1, EPOLLIN, 1);
	close(pipes[0]);
	close(pipes[1]);
	dpvma_close(fd);
	dpvma_close(ep);
}
/** @} */

static int
start(void **state)
{
	struct sockaddr_in name = test_addr("127.0.0.1", 0);
	char option[sizeof(path) + 32];
	int fd = mkstemp(path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	(void)state;
	if (f == NULL)
		return -1;
	fprintf(f, "use os udp_receiver *:%u-%u\n", P(0), P(9));
	fprintf(f, "use os tcp_server *:%u-%u\n", P(10), P(19));
	fclose(f);
	snprintf(option, sizeof(option), "VMA_CONFIG_FILE=%s", path);
	test_start(option, "VMA_SELECT_SKIP_OS=0", NULL);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	return bind(sender, (struct sockaddr *)&name, sizeof(name));
}

static int
stop(void **state)
{
	(void)state;
	unlink(path);
	close(sender);
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_level),
		cmocka_unit_test(half_edge),
		cmocka_unit_test(half_nested),
		cmocka_unit_test(datagrams_handed_over),
		cmocka_unit_test(handed_over_by_rules),
		cmocka_unit_test(stream_handed_over),
		cmocka_unit_test(connections_by_the_kernel),
		cmocka_unit_test(child_of_fork),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
