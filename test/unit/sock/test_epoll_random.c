/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random calls on epolls, of datagram sockets and of each other, on ours and on the kernel's at
 * once: return values, errors, events and their order must be the same, always. The kernel is the
 * model. Seeds are fixed.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <rte_common.h>

#include "sock/epoll_priv.h"
#include "sock_test.h"

#define EPOLLS 3
#define SOCKS 6
#define TARGETS (SOCKS + EPOLLS)
#define STEPS 4000
#define SEEDS 8

/* One of the two worlds; the targets are sockets, then epolls. */
struct side {
	const char *name;
	int (*create)(int flags);
	int (*ctl)(int epfd, int op, int fd, struct epoll_event *ev);
	int (*wait)(int epfd, struct epoll_event *ev, int n, int ms);
	int (*poll)(struct pollfd *fds, nfds_t n, int ms);
	int (*close)(int fd);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	int fd[TARGETS];
	uint16_t port[SOCKS];
	/* what the last call said */
	int ret, err;
	struct epoll_event ev[TARGETS];
};

static struct side sides[2] = {
	{ "kernel", epoll_create1, epoll_ctl, epoll_wait, poll, close, recv, { 0 }, { 0 }, 0, 0,
			{ { 0, { 0 } } } },
	{ "ours", dpvma_epoll_create1, dpvma_epoll_ctl, dpvma_epoll_wait, dpvma_poll, dpvma_close,
			dpvma_recv, { 0 }, { 0 }, 0, 0, { { 0, { 0 } } } },
};
static int sender, helper;
static uint32_t state_of_random;

static unsigned int
draw(unsigned int below)
{
	state_of_random = state_of_random * 1664525u + 1013904223u;
	return (state_of_random >> 8) % below;
}

static int
kernel_bound(uint16_t *port)
{
	struct sockaddr_in sin = test_addr("127.0.0.1", 0);
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
open_target(unsigned int t)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (t >= SOCKS)
			sides[i].fd[t] = sides[i].create(0);
		else if (i == 0)
			sides[i].fd[t] = kernel_bound(&sides[i].port[t]);
		else
			sides[i].fd[t] = test_bound(&sides[i].port[t]);
		assert_true(sides[i].fd[t] >= 0);
	}
}

static void
close_target(unsigned int t)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		assert_int_equal(sides[i].close(sides[i].fd[t]), 0);
}

/* Both have it when this returns. */
static void
deliver(unsigned int t)
{
	struct sockaddr_in to = test_addr("127.0.0.1", sides[0].port[t]);
	char c;

	assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	test_inject_text(sides[1].port[t], "x");
	assert_errno((int)dpvma_recv(helper, &c, 1, MSG_DONTWAIT), EAGAIN);
}

static uint32_t
draw_events(void)
{
	static const uint32_t basic[] = { EPOLLIN, EPOLLIN, EPOLLIN | EPOLLOUT, EPOLLOUT, 0,
		EPOLLPRI, EPOLLIN | EPOLLRDHUP, EPOLLRDNORM | EPOLLWRNORM | EPOLLWRBAND };
	uint32_t events = basic[draw(RTE_DIM(basic))];

	if (draw(2) == 0)
		events |= EPOLLET;
	if (draw(4) == 0)
		events |= EPOLLONESHOT;
	if (draw(8) == 0)
		events |= EPOLLEXCLUSIVE;
	return events;
}

static void
said(struct side *s, int ret)
{
	s->err = ret < 0 ? errno : 0;
	s->ret = ret;
}

static void
control(char *what, size_t len)
{
	static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_MOD,
		EPOLL_CTL_DEL, 9 };
	int op = ops[draw(draw(20) == 0 ? 6 : 5)];
	unsigned int e = SOCKS + draw(EPOLLS), t = draw(draw(4) == 0 ? TARGETS : SOCKS), i;
	struct epoll_event ev = { .events = draw_events(), .data.u64 = t };

	snprintf(what, len, "ctl(%u, %d, %u, %x)", e, op, t, ev.events);
	for (i = 0; i < 2; i++)
		said(&sides[i], sides[i].ctl(sides[i].fd[e], op, sides[i].fd[t], &ev));
}

static void
receive(char *what, size_t len)
{
	unsigned int t = draw(SOCKS), i;
	char c;

	snprintf(what, len, "recv(%u)", t);
	for (i = 0; i < 2; i++)
		said(&sides[i], (int)sides[i].recv(sides[i].fd[t], &c, 1, MSG_DONTWAIT));
}

static void
look(char *what, size_t len)
{
	unsigned int e = SOCKS + draw(EPOLLS), i;
	int n = 1 + (int)draw(draw(2) == 0 ? 2 : TARGETS);

	snprintf(what, len, "wait(%u, %d)", e, n);
	for (i = 0; i < 2; i++)
		said(&sides[i], sides[i].wait(sides[i].fd[e], sides[i].ev, n, 0));
}

static void
poll_it(char *what, size_t len)
{
	unsigned int t = draw(TARGETS), i;
	struct pollfd p;

	snprintf(what, len, "poll(%u)", t);
	for (i = 0; i < 2; i++) {
		p = (struct pollfd){ .fd = sides[i].fd[t], .events = POLLIN };
		said(&sides[i], sides[i].poll(&p, 1, 0));
		sides[i].err = p.revents;
	}
}

static void
step(char *what, size_t len)
{
	unsigned int t, k = draw(100);

	sides[0].ret = sides[1].ret = sides[0].err = sides[1].err = 0;
	if (k < 30) {
		control(what, len);
	} else if (k < 50) {
		t = draw(SOCKS);
		snprintf(what, len, "send(%u)", t);
		deliver(t);
	} else if (k < 65) {
		receive(what, len);
	} else if (k < 92) {
		look(what, len);
	} else if (k < 97) {
		poll_it(what, len);
	} else {
		t = draw(draw(3) == 0 ? TARGETS : SOCKS);
		snprintf(what, len, "reopen(%u)", t);
		close_target(t);
		open_target(t);
	}
}

static bool
same(const char *what)
{
	const struct side *k = &sides[0], *o = &sides[1];
	bool events = strncmp(what, "wait", 4) == 0;
	int i;

	if (k->ret != o->ret || k->err != o->err)
		return false;
	for (i = 0; events && i < k->ret; i++)
		if (k->ev[i].events != o->ev[i].events || k->ev[i].data.u64 != o->ev[i].data.u64)
			return false;
	return true;
}

static void
tell(unsigned int seed, char log[][64], unsigned int n)
{
	unsigned int i, first = n > 40 ? n - 40 : 0;
	int j;

	for (i = first; i <= n; i++)
		print_message("%u: %s\n", i, log[i]);
	for (i = 0; i < 2; i++) {
		print_message("%s: %d, %d:", sides[i].name, sides[i].ret, sides[i].err);
		for (j = 0; j < sides[i].ret && j < TARGETS; j++)
			print_message(" %u:%x", (unsigned int)sides[i].ev[j].data.u64,
					sides[i].ev[j].events);
		print_message("\n");
	}
	fail_msg("seed %u, step %u", seed, n);
}

static void
run(unsigned int seed)
{
	static char log[STEPS][64];
	unsigned int i;

	state_of_random = seed;
	for (i = 0; i < TARGETS; i++)
		open_target(i);
	for (i = 0; i < STEPS; i++) {
		step(log[i], sizeof(log[i]));
		if (!same(log[i]))
			tell(seed, log, i);
	}
	for (i = 0; i < TARGETS; i++)
		close_target(i);
}

static void
as_the_kernel(void **state)
{
	uint16_t port;

	(void)state;
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	helper = test_bound(&port);
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		run(seed);
	close(sender);
	dpvma_close(helper);
}

/* Idle ones are not looked at: one ring is polled, and what is ready is all that is listed. */
static void
ten_thousand(void **state)
{
	int ep = dpvma_epoll_create1(0), n = 10000, *fds, i;
	struct epoll_event ev = { .events = EPOLLIN };
	struct rlimit lim;
	struct sock *e;
	uint16_t port = 0, middle = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	n = (int)RTE_MIN((rlim_t)n, lim.rlim_cur - 100);
	fds = calloc((size_t)n, sizeof(*fds));
	assert_non_null(fds);
	for (i = 0; i < n; i++) {
		fds[i] = test_bound(&port);
		middle = i == n / 2 ? port : middle;
		ev.data.fd = i;
		assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev), 0);
	}
	e = sock_get(ep);
	assert_non_null(e);
	assert_int_equal(e->epoll->n_watches, n);
	assert_int_equal(e->epoll->snap->n, 1);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
	assert_int_equal(e->epoll->n_ready, 0);
	test_inject_text(middle, "x");
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, -1), 1);
	assert_int_equal(ev.data.fd, n / 2);
	assert_int_equal(e->epoll->n_ready, 1);
	sock_put(e);
	for (i = 0; i < n; i++)
		dpvma_close(fds[i]);
	assert_int_equal(e->epoll->n_watches, 0);
	assert_int_equal(e->epoll->snap->n, 0);
	dpvma_close(ep);
	free(fds);
}

/* A send that found no room is followed by an edge. */
static void
room_again(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	int ep = dpvma_epoll_create1(0), fd, n = 0;
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	uint16_t port;

	(void)state;
	fd = test_bound(&port);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 1);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
	/* the wire takes some thousands, and nobody takes them off */
	while (n < 100000 && dpvma_send(fd, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 1);
	assert_int_equal(ev.events, EPOLLOUT);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
	test_drain();
	assert_int_equal(dpvma_send(fd, "x", 1, MSG_DONTWAIT), 1);
	dpvma_close(fd);
	dpvma_close(ep);
}

static int
start(void **state)
{
	(void)state;
	test_start("VMA_SELECT_SKIP_OS=0", "VMA_TX_NONBLOCKED_EAGAINS=1", NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_kernel),
		cmocka_unit_test(ten_thousand),
		cmocka_unit_test(room_again),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
