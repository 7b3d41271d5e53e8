/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream sockets with several names, select on them, and what closing does to other threads: every
 * call that waits is woken, and what comes and goes leaves nothing behind.
 */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/select.h>

#include "net/net.h"
#include "ring/ring.h"
#include "sock/sock_priv.h"

#include "cable.h"

/** @name Names */
/** @{ */
static void
last_close_ends(void **state)
{
	int c, s, name;
	char buf[8];

	(void)state;
	cable_pair(&c, &s, 0);
	name = dpvma_dup(c);
	assert_int_equal(dpvma_close(c), 0);
	assert_int_equal(dpvma_send(name, "go", 2, 0), 2);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 2);
	assert_errno((int)dpvma_recv(s, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	/* the end of one direction is the end by all names */
	c = dpvma_dup(name);
	assert_int_equal(dpvma_shutdown(c, SHUT_WR), 0);
	assert_errno((int)dpvma_send(name, "x", 1, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 0);
	assert_int_equal(dpvma_send(s, "on", 2, 0), 2);
	assert_int_equal(dpvma_recv(name, buf, sizeof(buf), 0), 2);
	assert_int_equal(dpvma_close(name), 0);
	assert_int_equal(dpvma_send(s, "on", 2, 0), 2);
	assert_int_equal(dpvma_recv(c, buf, sizeof(buf), 0), 2);
	assert_int_equal(dpvma_close(c), 0);
	dpvma_close(s);
}

static void
one_queue(void **state)
{
	uint16_t port;
	int l = cable_listener(&port), name = dpvma_dup(l), fds[2],
	    fd = dpvma_socket(AF_INET, 1, 0);

	(void)state;
	fds[0] = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	fds[1] = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(cable_dial(fds[0], port), 0);
	assert_int_equal(cable_dial(fds[1], port), 0);
	dpvma_close(fds[0]);
	dpvma_close(fds[1]);
	fds[0] = dpvma_accept(l, NULL, NULL);
	assert_int_equal(dpvma_close(l), 0);
	fds[1] = dpvma_accept(name, NULL, NULL);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	dpvma_close(fds[0]);
	dpvma_close(fds[1]);
	/* a connection onto the listener's last name: nobody listens any more */
	assert_int_equal(dpvma_dup2(fd, name), name);
	fds[0] = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_errno(cable_dial(fds[0], port), ECONNREFUSED);
	dpvma_close(fds[0]);
	dpvma_close(fd);
	dpvma_close(name);
}

/* A number that the kernel refused to give twice is exchanged under all names. */
static void
connects_by_one(void **state)
{
	uint16_t port;
	int l = cable_listener(&port), fd = dpvma_socket(AF_INET, SOCK_STREAM, 0),
	    name = dpvma_dup(fd);
	char c;
	int s;

	(void)state;
	assert_errno(cable_dial(fd, (uint16_t)(port ^ 1)), ECONNREFUSED);
	assert_int_equal(dpvma_fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_true(dpvma_fcntl(name, F_GETFL) & O_NONBLOCK);
	assert_int_equal(dpvma_fcntl(name, F_SETFL, 0), 0);
	assert_int_equal(cable_dial(name, port), 0);
	s = dpvma_accept(l, NULL, NULL);
	assert_int_equal(dpvma_send(s, "x", 1, 0), 1);
	assert_int_equal(dpvma_recv(fd, &c, 1, 0), 1);
	dpvma_close(fd);
	dpvma_close(s);
	assert_int_equal(dpvma_recv(name, &c, 1, 0), 0);
	dpvma_close(name);
	dpvma_close(l);
}

/** @} */

/** @name select */
/** @{ */
static int
select_one(int fd, bool r, bool w, bool e, int *got)
{
	struct timeval tv = { 0 };
	fd_set sets[3];
	int n;

	for (n = 0; n < 3; n++) {
		FD_ZERO(&sets[n]);
		FD_SET(fd, &sets[n]);
	}
	n = dpvma_select(
			fd + 1, r ? &sets[0] : NULL, w ? &sets[1] : NULL, e ? &sets[2] : NULL, &tv);
	*got = (r && FD_ISSET(fd, &sets[0])) | (w && FD_ISSET(fd, &sets[1])) << 1 |
			(e && FD_ISSET(fd, &sets[2])) << 2;
	return n;
}

static void
select_sets(void **state)
{
	struct timeval tv = { .tv_sec = 20 };
	struct pollfd p = { .events = POLLIN };
	int c, s, got;
	fd_set e;
	char b;

	(void)state;
	cable_pair(&c, &s, 0);
	assert_int_equal(select_one(s, true, true, true, &got), 1);
	assert_int_equal(got, 2);
	assert_int_equal(dpvma_send(c, "!", 1, MSG_OOB), 1);
	FD_ZERO(&e);
	FD_SET(s, &e);
	assert_int_equal(dpvma_select(s + 1, NULL, NULL, &e, &tv), 1);
	assert_true(FD_ISSET(s, &e));
	assert_int_equal(dpvma_recv(s, &b, 1, MSG_OOB), 1);
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	p.fd = s;
	assert_int_equal(dpvma_poll(&p, 1, 20000), 1);
	assert_int_equal(select_one(s, true, true, true, &got), 2);
	assert_int_equal(got, 3);
	assert_int_equal(dpvma_recv(s, &b, 1, 0), 1);
	/* both ends gone: readable and writable, and no exception */
	dpvma_shutdown(s, SHUT_WR);
	dpvma_close(c);
	assert_int_equal(dpvma_poll(&p, 1, 20000), 1);
	assert_int_equal(select_one(s, true, true, true, &got), 2);
	assert_int_equal(got, 3);
	assert_int_equal(select_one(s, false, false, true, &got), 0);
	dpvma_close(s);
}
/** @} */

/** @name Closed by another thread */
/** @{ */
enum what { RECV, SEND, ACCEPT, CONNECT, POLL, SELECT };

struct caller {
	pthread_t thread;
	enum what what;
	int fd, err;
	uint16_t port;
	ssize_t ret;
};

static void *
call(void *arg)
{
	static char bulk[1 << 20];
	struct caller *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	fd_set r;

	switch (c->what) {
	case RECV:
		c->ret = dpvma_recv(c->fd, bulk, 1, 0);
		break;
	case SEND:
		do
			c->ret = dpvma_send(c->fd, bulk, sizeof(bulk), MSG_NOSIGNAL);
		while (c->ret > 0);
		break;
	case ACCEPT:
		c->ret = dpvma_accept(c->fd, NULL, NULL);
		break;
	case CONNECT:
		c->ret = cable_dial(c->fd, c->port);
		break;
	case POLL:
		c->ret = dpvma_poll(&p, 1, -1);
		c->err = p.revents;
		return NULL;
	case SELECT:
		FD_ZERO(&r);
		FD_SET(c->fd, &r);
		c->ret = dpvma_select(c->fd + 1, &r, NULL, NULL, NULL);
		break;
	}
	c->err = errno;
	return NULL;
}

/* It is in, and sleeps. */
static void
begin(struct caller *c, int fd, enum what what)
{
	struct sock *s = sock_get(fd);
	unsigned int before = __atomic_load_n(&s->sleepers, __ATOMIC_ACQUIRE);

	c->fd = fd;
	c->what = what;
	assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
	while (__atomic_load_n(&s->sleepers, __ATOMIC_ACQUIRE) == before)
		usleep(100);
	sock_put(s);
}

static void
ends_with(struct caller *c, ssize_t ret, int err)
{
	pthread_join(c->thread, NULL);
	assert_int_equal(c->ret, ret);
	if (ret < 0)
		assert_int_equal(c->err, err);
	else
		assert_int_equal(c->err & err, err);
}

static void
close_wakes(void **state)
{
	struct caller a[4] = { 0 };
	uint16_t port;
	int c, s, l;

	(void)state;
	cable_pair(&c, &s, 0);
	begin(&a[0], s, RECV);
	begin(&a[1], s, POLL);
	begin(&a[2], s, SELECT);
	begin(&a[3], s, RECV);
	assert_int_equal(dpvma_close(s), 0);
	ends_with(&a[0], -1, EBADF);
	ends_with(&a[1], 1, POLLNVAL);
	ends_with(&a[2], -1, EBADF);
	ends_with(&a[3], -1, EBADF);
	dpvma_close(c);

	cable_pair(&c, &s, 0);
	begin(&a[0], c, SEND);
	assert_int_equal(dpvma_close(c), 0);
	ends_with(&a[0], -1, EBADF);
	dpvma_close(s);

	l = cable_listener(&port);
	begin(&a[0], l, ACCEPT);
	begin(&a[1], l, POLL);
	begin(&a[2], l, SELECT);
	assert_int_equal(dpvma_close(l), 0);
	ends_with(&a[0], -1, EBADF);
	ends_with(&a[1], 1, POLLNVAL);
	ends_with(&a[2], -1, EBADF);

	cable_cut(true);
	c = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	a[0].port = 9;
	begin(&a[0], c, CONNECT);
	begin(&a[1], c, POLL);
	assert_int_equal(dpvma_close(c), 0);
	ends_with(&a[0], -1, EBADF);
	ends_with(&a[1], 1, POLLNVAL);
	cable_cut(false);
}

/* Threads sleep by a name that is closed, and are none the worse for it. */
static void
outlives_its_name(void **state)
{
	struct caller a[3] = { 0 };
	int c, s, name, file;

	(void)state;
	cable_pair(&c, &s, 0);
	begin(&a[0], s, RECV);
	begin(&a[1], s, POLL);
	begin(&a[2], s, SELECT);
	name = dpvma_dup(s);
	assert_int_equal(dpvma_close(s), 0);
	file = open("/dev/null", O_RDWR);
	assert_int_equal(file, s);
	assert_int_equal(dpvma_send(c, "xyz", 3, 0), 3);
	ends_with(&a[0], 1, 0);
	ends_with(&a[1], 1, POLLIN);
	ends_with(&a[2], 1, 0);
	close(file);
	dpvma_close(name);
	dpvma_close(c);
}
/** @} */

/** @name Nothing is left */
/** @{ */
#define ROUNDS 300

static unsigned int
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
count_flows(struct ring *ring, void *ctx)
{
	*(unsigned int *)ctx += 1 + 1000 * __atomic_load_n(&ring->plain_flows, __ATOMIC_RELAXED);
}

/* Both in one number. At rest: a ring at each end, with a datagram socket's flow, and a listener.
 */
#define AT_REST 3002

static unsigned int
rings_and_flows(void)
{
	unsigned int n = 0;

	ring_foreach(count_flows, &n);
	return n;
}

static void
one_of_each(unsigned int i, int l, uint16_t port)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	int d = dpvma_socket(AF_INET, SOCK_DGRAM, 0), c = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sin = test_addr(A, 0);
	int name = dpvma_dup(d), s;
	struct pollfd p = { .fd = c, .events = POLLIN };

	assert_int_equal(dpvma_bind(d, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_poll(&p, 1, 0), 1); /* never connected: POLLHUP */
	/* no TIME-WAIT of thousands */
	dpvma_setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	assert_int_equal(cable_dial(c, port), 0);
	s = dpvma_accept(l, NULL, NULL);
	assert_true(s >= 0);
	assert_int_equal(dpvma_dup2(i & 1 ? name : c, s), s);
	dpvma_close(d);
	dpvma_close(s);
	dpvma_close(c);
	dpvma_close(name);
}

static void
nothing_stays(void **state)
{
	struct mallinfo2 before, after;
	unsigned int fds, i, socks;
	uint16_t port;
	int l = cable_listener(&port);
	uint64_t end;

	(void)state;
	for (i = 0; i < 100; i++)
		one_of_each(i, l, port);
	fds = descriptors();
	socks = sock_alive();
	before = mallinfo2();
	for (i = 0; i < ROUNDS; i++)
		one_of_each(i, l, port);
	/* connections go when their last segments have passed, those of earlier tests after a while
	 */
	for (end = clock_ms() + 90000; rings_and_flows() != AT_REST && clock_ms() < end;)
		usleep(1000);
	after = mallinfo2();
	assert_int_equal(rings_and_flows(), AT_REST);
	assert_int_equal(descriptors(), fds);
	assert_int_equal(sock_alive(), socks);
	/* less than a connection a round, for what grows to its size once */
	if (after.uordblks > before.uordblks + 256 * ROUNDS)
		fail_msg("%zu bytes before, %zu after", before.uordblks, after.uordblks);
	dpvma_close(l);
}
/** @} */

static int
start(void **state)
{
	(void)state;
	cable_start(NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		/* first: what other tests leave in TIME-WAIT stays for a minute */
		cmocka_unit_test(nothing_stays),
		cmocka_unit_test(last_close_ends),
		cmocka_unit_test(one_queue),
		cmocka_unit_test(connects_by_one),
		cmocka_unit_test(select_sets),
		cmocka_unit_test(close_wakes),
		cmocka_unit_test(outlives_its_name),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
