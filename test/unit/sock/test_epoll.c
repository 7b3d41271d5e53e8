/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll over stream sockets: scripts that run on the kernel's sockets and on ours, and write down
 * what every call said, which must be the same; then threads that wait while others add, change,
 * take out, close, send and signal. A thread is known to wait by its state, or by what its epoll
 * counts when it never sleeps (VMA_SELECT_POLL=-1), not by time.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "sock/epoll_priv.h"

#include "cable.h"
#include "twice.h"

struct api {
	const char *server, *server_seen;
	int (*socket)(int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *sa, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *sa, socklen_t *len);
	int (*connect)(int fd, const struct sockaddr *sa, socklen_t len);
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	int (*getsockname)(int fd, struct sockaddr *sa, socklen_t *len);
	int (*setsockopt)(int fd, int level, int name, const void *val, socklen_t len);
	int (*create)(int flags);
	int (*ctl)(int epfd, int op, int fd, struct epoll_event *ev);
	int (*wait)(int epfd, struct epoll_event *ev, int n, int ms);
};

static int
libc_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return bind(fd, sa, len);
}
static int
libc_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	return connect(fd, sa, len);
}
static int
libc_accept(int fd, struct sockaddr *sa, socklen_t *len)
{
	return accept(fd, sa, len);
}
static int
libc_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}

static const struct api kernel = {
	.server = "127.0.0.1",
	.server_seen = "127.0.0.1",
	.socket = socket,
	.bind = libc_bind,
	.listen = listen,
	.accept = libc_accept,
	.connect = libc_connect,
	.shutdown = shutdown,
	.close = close,
	.recv = recv,
	.send = send,
	.getsockname = libc_getsockname,
	.setsockopt = setsockopt,
	.create = epoll_create1,
	.ctl = epoll_ctl,
	.wait = epoll_wait,
};
static const struct api ours = {
	.server = B,
	.server_seen = B_SEEN,
	.socket = dpvma_socket,
	.bind = dpvma_bind,
	.listen = dpvma_listen,
	.accept = dpvma_accept,
	.connect = dpvma_connect,
	.shutdown = dpvma_shutdown,
	.close = dpvma_close,
	.recv = dpvma_recv,
	.send = dpvma_send,
	.getsockname = dpvma_getsockname,
	.setsockopt = dpvma_setsockopt,
	.create = dpvma_epoll_create1,
	.ctl = dpvma_epoll_ctl,
	.wait = dpvma_epoll_wait,
};

/** @name Writing down */
/** @{ */
static const struct api *api;

static void
choose(unsigned int whose)
{
	api = whose == 0 ? &kernel : &ours;
}

static int
ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return api->ctl(ep, op, fd, &ev);
}

static void
say_events(const char *what, const struct epoll_event *ev, int n)
{
	int i;

	say("%s: %d", what, n);
	for (i = 0; i < n; i++)
		say(" %u:%x", (unsigned int)ev[i].data.u64, ev[i].events);
	say("\n");
}

/* What is there in the end: what the last segments change is no event that one could wait for. */
static void
settle(int ep)
{
	struct epoll_event ev[8];
	int other = api->create(0), i;

	/* a turn of the same rings, which takes no event of the epoll's */
	ctl(other, EPOLL_CTL_ADD, ep, 0, 0);
	for (i = 0; i < 20; i++) {
		api->wait(other, ev, 8, 0);
		usleep(500);
	}
	api->close(other);
}

static void
look(const char *what, int ep, int max)
{
	struct epoll_event ev[8];
	int n;

	settle(ep);
	n = api->wait(ep, ev, max, 0);
	say_events(what, ev, n);
}
/** @} */

/** @name Sockets */
/** @{ */
static int
listener(uint16_t *port)
{
	struct sockaddr_in sin = test_addr(api->server, 0);
	socklen_t len = sizeof(sin);
	int fd = api->socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(api->bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(api->listen(fd, 8), 0);
	assert_int_equal(api->getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static int
dial(int fd, uint16_t port)
{
	struct sockaddr_in sin = test_addr(api->server_seen, port);

	return api->connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static void
pair(int *client, int *server)
{
	uint16_t port;
	int l = listener(&port);

	*client = api->socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(dial(*client, port), 0);
	*server = api->accept(l, NULL, NULL);
	assert_true(*server >= 0);
	api->close(l);
}

/** @} */

/** @name Scripts */
/** @{ */
static void
levels(void)
{
	int ep = api->create(0), c, s;
	char buf[8];

	pair(&c, &s);
	DO(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN | EPOLLRDHUP, 1));
	DO(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 1));
	look("nothing", ep, 8);
	DO(api->send(c, "abc", 3, 0));
	look("data", ep, 8);
	look("still", ep, 8);
	DO(api->recv(s, buf, 2, 0));
	look("one left", ep, 8);
	DO(api->recv(s, buf, 2, 0));
	look("none left", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLOUT, 2));
	look("out", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, 0, 3));
	look("nothing wanted", ep, 8);
	DO(api->shutdown(c, SHUT_WR));
	look("nothing wanted of the end", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLRDHUP, 4));
	look("the end", ep, 8);
	DO(api->shutdown(s, SHUT_WR));
	look("both ends", ep, 8);
	DO(ctl(ep, EPOLL_CTL_DEL, s, 0, 0));
	DO(ctl(ep, EPOLL_CTL_DEL, s, 0, 0));
	DO(ctl(ep, EPOLL_CTL_MOD, s, 0, 0));
	look("out of it", ep, 8);
	api->close(c);
	api->close(s);
	api->close(ep);
}

static void
edges(void)
{
	int ep = api->create(0), c, s;
	char buf[8];

	pair(&c, &s);
	DO(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN | EPOLLOUT | EPOLLET, 1));
	look("room", ep, 8);
	look("told", ep, 8);
	DO(api->send(s, "out", 3, 0));
	look("an acknowledgement is no edge", ep, 8);
	DO(api->send(c, "a", 1, 0));
	look("first", ep, 8);
	look("told", ep, 8);
	DO(api->send(c, "b", 1, 0));
	look("second", ep, 8);
	DO(api->recv(s, buf, 1, 0));
	look("reading is no edge", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLET, 1));
	look("changing is", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLET | EPOLLONESHOT, 1));
	look("once", ep, 8);
	DO(api->send(c, "c", 1, 0));
	look("and no more", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLONESHOT, 1));
	look("again", ep, 8);
	look("and no more", ep, 8);
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLOUT | EPOLLET, 1));
	look("out", ep, 8);
	DO(api->send(c, "d", 1, 0));
	look("data are no edge of it", ep, 8);
	DO(api->shutdown(s, SHUT_WR));
	look("a change of state is", ep, 8);
	api->close(c);
	look("and another", ep, 8);
	api->close(s);
	api->close(ep);
}

static void
opening(void)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	int ep = api->create(0), c = api->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s, l;
	uint16_t port;

	DO(ctl(ep, EPOLL_CTL_ADD, c, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 1));
	look("not connected", ep, 8);
	l = listener(&port);
	DO(ctl(ep, EPOLL_CTL_ADD, l, EPOLLIN, 2));
	dial(c, port);
	look("connected", ep, 8);
	s = api->accept(l, NULL, NULL);
	look("accepted", ep, 8);
	DO(api->setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	api->close(s);
	look("reset", ep, 8);
	api->close(l);
	look("without the listener", ep, 8);
	api->close(c);
	look("without all", ep, 8);
	/* nobody there */
	c = api->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	dial(c, port);
	DO(ctl(ep, EPOLL_CTL_ADD, c, EPOLLOUT | EPOLLET, 3));
	look("refused", ep, 8);
	look("told", ep, 8);
	api->close(c);
	api->close(ep);
}

static void
nested(void)
{
	int ep[7], c, s, i;
	char buf[8];

	for (i = 0; i < 7; i++)
		ep[i] = api->create(0);
	pair(&c, &s);
	DO(ctl(ep[0], EPOLL_CTL_ADD, s, EPOLLIN, 1));
	DO(ctl(ep[1], EPOLL_CTL_ADD, ep[0], EPOLLIN, 2));
	DO(ctl(ep[2], EPOLL_CTL_ADD, ep[1], EPOLLIN | EPOLLET, 3));
	DO(ctl(ep[0], EPOLL_CTL_ADD, ep[2], EPOLLIN, 4));
	DO(ctl(ep[0], EPOLL_CTL_ADD, ep[0], EPOLLIN, 4));
	DO(ctl(ep[1], EPOLL_CTL_ADD, ep[0], EPOLLIN, 4));
	DO(ctl(ep[3], EPOLL_CTL_ADD, ep[0], EPOLLIN | EPOLLEXCLUSIVE, 4));
	DO(ctl(ep[3], EPOLL_CTL_ADD, ep[2], EPOLLIN, 4));
	DO(ctl(ep[4], EPOLL_CTL_ADD, ep[3], EPOLLIN, 5));
	DO(ctl(ep[5], EPOLL_CTL_ADD, ep[4], EPOLLIN, 6));
	DO(ctl(ep[5], EPOLL_CTL_ADD, s, EPOLLIN, 7));
	for (i = 0; i < 6; i++)
		look("quiet", ep[i], 8);
	DO(api->send(c, "x", 1, 0));
	for (i = 4; i >= 0; i--)
		look("data", ep[i], 8);
	look("edge told", ep[2], 8);
	DO(api->recv(s, buf, 1, 0));
	for (i = 0; i < 6; i++)
		look("none", ep[i], 8);
	api->close(s);
	api->close(c);
	for (i = 0; i < 7; i++)
		api->close(ep[i]);
}

static void
mixed(void)
{
	int ep = api->create(0), c, s, ev = eventfd(0, EFD_NONBLOCK), file = fileno(stdin),
	    pipes[2];
	struct epoll_event got[4];
	uint64_t n = 1;

	pair(&c, &s);
	assert_int_equal(pipe(pipes), 0);
	file = fileno(tmpfile());
	DO(ctl(ep, EPOLL_CTL_ADD, ev, EPOLLIN, 1));
	DO(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 2));
	DO(ctl(ep, EPOLL_CTL_ADD, pipes[0], EPOLLIN, 3));
	DO(ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN, 4));
	DO(ctl(ep, EPOLL_CTL_ADD, -1, EPOLLIN, 4));
	DO(ctl(-1, EPOLL_CTL_ADD, s, EPOLLIN, 4));
	DO(ctl(c, EPOLL_CTL_ADD, s, EPOLLIN, 4));
	DO(ctl(ev, EPOLL_CTL_ADD, s, EPOLLIN, 4));
	DO(ctl(ep, 17, s, EPOLLIN, 4));
	DO(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLEXCLUSIVE, 4));
	DO(ctl(ep, EPOLL_CTL_ADD, c, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 4));
	DO(api->ctl(ep, EPOLL_CTL_ADD, c, NULL));
	DO(api->wait(ep, got, 0, 0));
	DO(api->wait(ep, got, -1, 0));
	DO(api->wait(c, got, 1, 0));
	DO(api->wait(-1, got, 1, 0));
	look("nothing", ep, 8);
	DO(write(ev, &n, sizeof(n)));
	look("the kernel's", ep, 8);
	DO(read(ev, &n, sizeof(n)));
	DO(api->send(c, "x", 1, 0));
	look("a socket's", ep, 8);
	DO(api->wait(ep, NULL, 1, 0));
	look("not lost by that", ep, 8);
	close(pipes[1]);
	DO(ctl(ep, EPOLL_CTL_DEL, s, 0, 0));
	look("a pipe's end", ep, 8);
	close(pipes[0]);
	close(ev);
	close(file);
	look("closed", ep, 8);
	api->close(c);
	api->close(s);
	api->close(ep);
}

static void
same_levels(void **state)
{
	(void)state;
	twice(choose, levels);
}
static void
same_edges(void **state)
{
	(void)state;
	twice(choose, edges);
}
static void
same_opening(void **state)
{
	(void)state;
	twice(choose, opening);
}
static void
same_nested(void **state)
{
	(void)state;
	twice(choose, nested);
}
static void
same_mixed(void **state)
{
	(void)state;
	twice(choose, mixed);
}
/** @} */

/** @name Threads */
/** @{ */
struct waiter {
	pthread_t thread;
	pid_t tid;
	int ep, ret, err;
	struct epoll_event ev;
	struct pollfd p; /**< by poll, with this; fd -1: by epoll_wait */
};

static void *
wait_one(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	if (w->p.fd >= 0)
		w->ret = dpvma_poll(&w->p, 1, -1);
	else
		w->ret = dpvma_epoll_wait(w->ep, &w->ev, 1, -1);
	w->err = errno;
	return NULL;
}

static bool
never_sleeps(void)
{
	const char *poll = getenv("VMA_SELECT_POLL");

	return poll != NULL && strcmp(poll, "-1") == 0;
}

/* A thread at least. */
static bool
is_waited_on(int ep)
{
	struct sock *e = sock_get(ep);
	bool is = e != NULL && e->epoll != NULL &&
			__atomic_load_n(&e->epoll->waiting, __ATOMIC_ACQUIRE) != 0;

	if (e != NULL)
		sock_put(e);
	return is;
}

static void
wait_asleep(struct waiter *w)
{
	char path[64], line[128], now = '?';
	FILE *f;

	while (__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE) == 0)
		usleep(100);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", w->tid);
	while (now != 'S' && !(never_sleeps() && is_waited_on(w->ep))) {
		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "State: %c", &now);
		fclose(f);
	}
}

static void
begin(struct waiter *w, int ep)
{
	*w = (struct waiter){ .ep = ep, .p.fd = -1 };
	assert_int_equal(pthread_create(&w->thread, NULL, wait_one, w), 0);
	wait_asleep(w);
}

static void
ends_with(struct waiter *w, uint64_t data, uint32_t events)
{
	pthread_join(w->thread, NULL);
	assert_int_equal(w->ret, 1);
	assert_int_equal(w->ev.data.u64, data);
	assert_int_equal(w->ev.events, events);
}

static void
wakes(void **state)
{
	int ep = dpvma_epoll_create1(0), outer = dpvma_epoll_create1(0), c, s, e;
	struct waiter w;
	uint64_t one = 1;
	char ch;

	(void)state;
	api = &ours;
	pair(&c, &s);
	/* it waits in the kernel when the epoll becomes ours */
	begin(&w, ep);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 1), 0);
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	ends_with(&w, 1, EPOLLIN);
	assert_int_equal(dpvma_recv(s, &ch, 1, 0), 1);
	begin(&w, ep);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLOUT, 2), 0);
	ends_with(&w, 2, EPOLLOUT);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLONESHOT, 3), 0);
	begin(&w, ep);
	assert_int_equal(dpvma_send(c, "y", 1, 0), 1);
	ends_with(&w, 3, EPOLLIN);
	/* re-armed while another waits */
	begin(&w, ep);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, s, EPOLLIN | EPOLLONESHOT, 4), 0);
	ends_with(&w, 4, EPOLLIN);
	/* what it waits for is taken out, and closed; the kernel's goes on */
	begin(&w, ep);
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, s, 0, 0), 0);
	e = eventfd(0, 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLPRI, 5), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, e, EPOLLIN, 6), 0);
	dpvma_close(s);
	assert_int_equal(write(e, &one, sizeof(one)), sizeof(one));
	ends_with(&w, 6, EPOLLIN);
	close(e);
	dpvma_close(c);
	/* two deep */
	pair(&c, &s);
	assert_int_equal(ctl(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 7), 0);
	begin(&w, outer);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN | EPOLLET, 8), 0);
	assert_int_equal(dpvma_send(c, "z", 1, 0), 1);
	ends_with(&w, 7, EPOLLIN);
	/* a descriptor of the kernel's in the inner one */
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, s, 0, 0), 0);
	e = eventfd(0, 0);
	begin(&w, outer);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, e, EPOLLIN, 9), 0);
	assert_int_equal(write(e, &one, sizeof(one)), sizeof(one));
	ends_with(&w, 7, EPOLLIN);
	close(e);
	/* the epoll itself is closed */
	begin(&w, ep);
	assert_int_equal(dpvma_close(ep), 0);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.ret, -1);
	assert_int_equal(w.err, EBADF);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(outer);
}

/* Threads that poll an epoll, or wait on it, in the kernel when it becomes ours. */
static void
called_out(void **state)
{
	int ep = dpvma_epoll_create1(0), c, s, i;
	struct waiter w[3];
	struct pollfd p = { .fd = ep, .events = POLLIN };

	(void)state;
	api = &ours;
	pair(&c, &s);
	begin(&w[0], ep);
	for (i = 1; i < 3; i++) {
		w[i] = (struct waiter){ .ep = ep, .p = { .fd = ep, .events = POLLIN } };
		assert_int_equal(pthread_create(&w[i].thread, NULL, wait_one, &w[i]), 0);
		wait_asleep(&w[i]);
	}
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 1), 0);
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	ends_with(&w[0], 1, EPOLLIN);
	for (i = 1; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].ret, 1);
		assert_int_equal(w[i].p.revents, POLLIN);
	}
	assert_int_equal(dpvma_poll(&p, 1, 0), 1);
	/* what called them out is gone */
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, s, 0, 0), 0);
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(ep);
}

/* Each event is for one of several that wait, and who takes one leaves the other for the next. */
static void
many_wait(void **state)
{
	int ep = dpvma_epoll_create1(0), c[2], s[2];
	struct waiter w[2];

	(void)state;
	api = &ours;
	for (int i = 0; i < 2; i++) {
		pair(&c[i], &s[i]);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s[i], EPOLLIN | EPOLLET, (uint64_t)i), 0);
	}
	begin(&w[0], ep);
	begin(&w[1], ep);
	assert_int_equal(dpvma_send(c[0], "x", 1, 0), 1);
	assert_int_equal(dpvma_send(c[1], "x", 1, 0), 1);
	pthread_join(w[0].thread, NULL);
	pthread_join(w[1].thread, NULL);
	assert_int_equal(w[0].ret, 1);
	assert_int_equal(w[1].ret, 1);
	assert_int_equal(w[0].ev.data.u64 + w[1].ev.data.u64, 1);
	for (int i = 0; i < 2; i++) {
		dpvma_close(c[i]);
		dpvma_close(s[i]);
	}
	/* nothing is left but its end, of which both hear */
	begin(&w[0], ep);
	begin(&w[1], ep);
	dpvma_close(ep);
	for (int i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].ret, -1);
		assert_int_equal(w[i].err, EBADF);
	}
}

static void
ignore(int sig)
{
	(void)sig;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
signals_and_time(void **state)
{
	struct sigaction act = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct timespec limit = { .tv_nsec = 1500 }, wrong = { .tv_nsec = 1000000000 };
	int ep = dpvma_epoll_create1(0), c, s, i;
	struct epoll_event ev;
	struct waiter w;
	sigset_t none, held;
	uint64_t before;

	(void)state;
	api = &ours;
	pair(&c, &s);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 1), 0);
	sigaction(SIGUSR1, &act, NULL);
	/* a wait is not gone on with, with SA_RESTART neither; who spins hears of signals by libc's
	 * interposed calls only */
	if (!never_sleeps()) {
		begin(&w, ep);
		pthread_kill(w.thread, SIGUSR1);
		pthread_join(w.thread, NULL);
		assert_int_equal(w.ret, -1);
		assert_int_equal(w.err, EINTR);
	}
	/* held back, but let through by the call: pending is enough */
	sigemptyset(&none);
	sigemptyset(&held);
	sigaddset(&held, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &held, NULL);
	raise(SIGUSR1);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 5), 0);
	assert_errno(dpvma_epoll_pwait(ep, &ev, 1, -1, &none), EINTR);
	raise(SIGUSR1);
	assert_errno(dpvma_epoll_pwait2(ep, &ev, 1, NULL, &none), EINTR);
	pthread_sigmask(SIG_UNBLOCK, &held, NULL);
	for (i = 0; i < 50; i++) {
		limit.tv_nsec = 1500 + i * 37000;
		before = now_ns();
		assert_int_equal(dpvma_epoll_pwait2(ep, &ev, 1, &limit, NULL), 0);
		assert_true(now_ns() - before >= (uint64_t)limit.tv_nsec);
	}
	before = now_ns();
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 3), 0);
	assert_true(now_ns() - before >= 3000000);
	assert_errno(dpvma_epoll_pwait2(ep, &ev, 1, &wrong, NULL), EINVAL);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(ep);
}

/* Of two epolls with EPOLLEXCLUSIVE in which threads wait, an arrival calls one. */
static void
exclusive(void **state)
{
	int ep[2] = { dpvma_epoll_create1(0), dpvma_epoll_create1(0) }, c, s, i;
	struct waiter w[2];
	char ch;

	(void)state;
	api = &ours;
	pair(&c, &s);
	for (i = 0; i < 2; i++) {
		assert_int_equal(ctl(ep[i], EPOLL_CTL_ADD, s, EPOLLIN | EPOLLEXCLUSIVE, 5), 0);
		begin(&w[i], ep[i]);
	}
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	/* the first that was added is called, and nobody waits there when the second one comes */
	ends_with(&w[0], 5, EPOLLIN);
	assert_int_equal(dpvma_recv(s, &ch, 1, 0), 1);
	wait_asleep(&w[1]);
	assert_int_equal(dpvma_send(c, "y", 1, 0), 1);
	ends_with(&w[1], 5, EPOLLIN);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(ep[0]);
	dpvma_close(ep[1]);
}

/* One that was cancelled in the kernel's wait is not called out of it any more. */
static void
cancelled(void **state)
{
	int ep = dpvma_epoll_create1(0), c, s;
	char path[64], line[128];
	struct waiter w;
	FILE *f;

	(void)state;
	api = &ours;
	pair(&c, &s);
	begin(&w, ep);
	pthread_cancel(w.thread);
	pthread_join(w.thread, NULL);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, s, EPOLLIN, 1), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "tfd:", 4) == 0)
			fail_msg("the kernel's epoll is not empty: %s", line);
	fclose(f);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(ep);
}

static int
bound(const char *ip, struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	*sin = test_addr(ip, 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)sin, sizeof(*sin)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

/* @return which of the two */
static int
one_ends(struct waiter *w)
{
	int i = 0;

	while (pthread_tryjoin_np(w[i].thread, NULL) != 0) {
		usleep(100);
		i = !i;
	}
	return i;
}

/*
 * Nobody polls the ring of a socket but who waits for it: one that comes while a thread sleeps must
 * call that thread, also in an epoll that is in its own, and also when it is the second of two.
 */
static void
rings_come(void **state)
{
	int ep = dpvma_epoll_create1(0), outer = dpvma_epoll_create1(0);
	struct sockaddr_in from, to;
	int a = bound(A, &from), b = bound(B, &to);
	struct waiter w[2];
	int first;
	char ch;

	(void)state;
	api = &ours;
	to = test_addr(B_SEEN, ntohs(to.sin_port));
	/* from now on they are ours, and have no ring */
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, a, EPOLLIN, 1), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, a, 0, 0), 0);
	assert_int_equal(ctl(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 2), 0);
	for (int around = 0; around < 2; around++) {
		begin(&w[0], around ? outer : ep);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, b, EPOLLIN, 3), 0);
		assert_int_equal(dpvma_sendto(a, "x", 1, 0, (void *)&to, sizeof(to)), 1);
		ends_with(&w[0], around ? 2 : 3, EPOLLIN);
		assert_int_equal(dpvma_recv(b, &ch, 1, MSG_DONTWAIT), 1);
		assert_int_equal(ctl(ep, EPOLL_CTL_DEL, b, 0, 0), 0);
	}
	begin(&w[0], ep);
	begin(&w[1], ep);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, b, EPOLLIN | EPOLLONESHOT, 4), 0);
	assert_int_equal(dpvma_sendto(a, "y", 1, 0, (void *)&to, sizeof(to)), 1);
	first = one_ends(w);
	assert_int_equal(w[first].ev.data.u64, 4);
	assert_int_equal(dpvma_recv(b, &ch, 1, MSG_DONTWAIT), 1);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, b, EPOLLIN | EPOLLONESHOT, 5), 0);
	assert_int_equal(dpvma_sendto(a, "z", 1, 0, (void *)&to, sizeof(to)), 1);
	ends_with(&w[!first], 5, EPOLLIN);
	dpvma_close(a);
	dpvma_close(b);
	dpvma_close(outer);
	dpvma_close(ep);
}

/** @name Everything at once */
/** @{ */
#define PAIRS 4
#define ROUNDS 1500

struct storm {
	int ep[2];
	int fd[PAIRS];
	unsigned int stop, seen;
};

static void *
storm_wait(void *arg)
{
	struct storm *st = arg;
	struct epoll_event ev[3];
	char buf[64];
	int n, i, k = 0;

	while (!__atomic_load_n(&st->stop, __ATOMIC_ACQUIRE)) {
		n = dpvma_epoll_wait(st->ep[k++ & 1], ev, 3, 1);
		for (i = 0; i < n; i++) {
			int fd = __atomic_load_n(&st->fd[ev[i].data.u32 % PAIRS], __ATOMIC_ACQUIRE);

			__atomic_fetch_add(&st->seen, 1, __ATOMIC_RELAXED);
			dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		}
	}
	return NULL;
}

/* Sockets come and go in epolls in which threads wait, and epolls in epolls. */
static void
storm(void **state)
{
	static const uint32_t how[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE };
	struct storm st = { .ep = { dpvma_epoll_create1(0), dpvma_epoll_create1(0) } };
	pthread_t threads[3];
	int c[PAIRS], r;
	uint16_t port;

	(void)state;
	api = &ours;
	for (int i = 0; i < PAIRS; i++)
		pair(&c[i], &st.fd[i]);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, storm_wait, &st);
	for (r = 0; r < ROUNDS; r++) {
		unsigned int i = (unsigned int)r * 7 % PAIRS;

		ctl(st.ep[r & 1], r % 3 == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, st.fd[i],
				EPOLLIN | how[r % 4], i);
		ctl(st.ep[r & 1], EPOLL_CTL_MOD, st.fd[i], EPOLLIN | how[r % 3], i);
		ctl(st.ep[0], r % 5 < 2 ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, st.ep[1], EPOLLIN, 0);
		assert_true(dpvma_send(c[i], "x", 1, MSG_NOSIGNAL) == 1);
		if (r % 50 == 0) {
			int old = st.fd[i], oldc = c[i], fresh;

			pair(&c[i], &fresh);
			__atomic_store_n(&st.fd[i], fresh, __ATOMIC_RELEASE);
			dpvma_close(old);
			dpvma_close(oldc);
		}
	}
	/* all that was taken out and closed is forgotten: what is added now is seen */
	for (int i = 0; i < PAIRS; i++) {
		ctl(st.ep[0], EPOLL_CTL_DEL, st.fd[i], 0, 0);
		assert_int_equal(ctl(st.ep[0], EPOLL_CTL_ADD, st.fd[i], EPOLLIN, (uint64_t)i), 0);
	}
	r = (int)__atomic_load_n(&st.seen, __ATOMIC_RELAXED);
	assert_int_equal(dpvma_send(c[0], "x", 1, 0), 1);
	while (__atomic_load_n(&st.seen, __ATOMIC_RELAXED) == (unsigned int)r)
		usleep(100);
	__atomic_store_n(&st.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < PAIRS; i++) {
		dpvma_close(c[i]);
		dpvma_close(st.fd[i]);
	}
	dpvma_close(st.ep[0]);
	dpvma_close(st.ep[1]);
	dpvma_close(listener(&port));
}
/** @} */

static int
start(void **state)
{
	(void)state;
	cable_start("VMA_SELECT_SKIP_OS=0", NULL);
	return 0;
}

/* Without the internal thread's turns of rings that nobody polls. */
static int
start_alone(void **state)
{
	(void)state;
	cable_start("VMA_PROGRESS_ENGINE_INTERVAL=0", "VMA_SELECT_POLL=0", NULL);
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
		cmocka_unit_test(same_levels),
		cmocka_unit_test(same_edges),
		cmocka_unit_test(same_opening),
		cmocka_unit_test(same_nested),
		cmocka_unit_test(same_mixed),
		cmocka_unit_test(wakes),
		cmocka_unit_test(called_out),
		cmocka_unit_test(many_wait),
		cmocka_unit_test(signals_and_time),
		cmocka_unit_test(exclusive),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(storm),
	};
	const struct CMUnitTest alone[] = { cmocka_unit_test(rings_come) };

	if (argc > 1 && strcmp(argv[1], "alone") == 0)
		return cmocka_run_group_tests(alone, start_alone, stop);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
