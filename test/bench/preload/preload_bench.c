/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libdpvma-preload.so costs a call whose descriptor is not ours: the name as the program links
 * it against libc's own function, in turns. To be run with LD_PRELOAD; without it both are the same
 * function, and the difference is the measurement's error. With an address of a port as argument a
 * socket of dpvma is open meanwhile, so that the stack runs.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLS 2000 /**< of one function at a stretch */
#define ROUNDS 1500

typedef ssize_t (*data_fn)(int fd, void *buf, size_t len, int flags);
typedef int (*poll_fn)(struct pollfd *fds, nfds_t n, int timeout_ms);
typedef int (*select_fn)(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout);
typedef int (*epoll_fn)(int epfd, struct epoll_event *events, int n, int timeout_ms);

struct subject {
	const char *name;
	void *linked; /**< what the dynamic linker gives the program */
	int fd;
	void (*call)(void *fn, int fd);
};

static void
move(void *fn, int fd)
{
	char byte = 0;

	((data_fn)fn)(fd, &byte, 1, MSG_DONTWAIT);
}

static void
by_poll(void *fn, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	((poll_fn)fn)(&p, 1, 0);
}

static void
by_select(void *fn, int fd)
{
	struct timeval none = { 0 };
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	((select_fn)fn)(fd + 1, &r, NULL, NULL, &none);
}

static void
by_epoll(void *fn, int fd)
{
	struct epoll_event ev;

	((epoll_fn)fn)(fd, &ev, 1, 0);
}

/* One that may sleep, and finds something. */
static void
by_epoll_ready(void *fn, int fd)
{
	struct epoll_event ev;

	((epoll_fn)fn)(fd, &ev, 1, 1000);
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ns a call */
static double
stretch(const struct subject *s, void *fn)
{
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < CALLS; i++)
		s->call(fn, s->fd);
	return (double)(now_ns() - start) / CALLS;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), ascending);
	return v[n / 2];
}

/* Pairs one after the other, either first in turn; what counts is the median of differences. */
static void
compare(const struct subject *s, void *libc)
{
	static double bare[ROUNDS], extra[ROUNDS];
	void *own = dlsym(libc, s->name);
	double linked, cost, whole;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (i % 2 == 0)
			bare[i] = stretch(s, own);
		linked = stretch(s, s->linked);
		if (i % 2 != 0)
			bare[i] = stretch(s, own);
		extra[i] = linked - bare[i];
	}
	whole = median(bare, ROUNDS);
	cost = median(extra, ROUNDS);
	printf("%-14s %8.1f ns bare %+7.2f ns %+6.2f %%  %s\n", s->name, whole, cost,
			100 * cost / whole, own == s->linked ? "(not interposed)" : "");
}

/* A socket of dpvma's; without an argument there is none. */
static int
start_stack(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	if (argc < 2)
		return 0;
	return inet_pton(AF_INET, argv[1], &a.sin_addr) == 1
			? bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&a, sizeof(a))
			: -1;
}

int
main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int zero = open("/dev/zero", O_RDWR), to = socket(AF_INET, SOCK_DGRAM, 0),
	    from = socket(AF_INET, SOCK_DGRAM, 0), ep = epoll_create1(0), ready = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	unsigned int i;

	if (libc == NULL || zero < 0 || bind(to, (struct sockaddr *)&a, sizeof(a)) != 0 ||
			getsockname(to, (struct sockaddr *)&a, &len) != 0 ||
			connect(from, (struct sockaddr *)&a, sizeof(a)) != 0 ||
			epoll_ctl(ep, EPOLL_CTL_ADD, from, &ev) != 0 ||
			epoll_ctl(ready, EPOLL_CTL_ADD, from,
					&(struct epoll_event){ .events = EPOLLOUT }) != 0 ||
			start_stack(argc, argv) != 0) {
		perror("setup");
		return 1;
	}
	const struct subject subjects[] = {
		{ "read", (void *)read, zero, move },
		{ "write", (void *)write, zero, move },
		/* nothing is there: EAGAIN */
		{ "recv", (void *)recv, from, move },
		/* a queue that is full drops */
		{ "send", (void *)send, from, move },
		{ "poll", (void *)poll, from, by_poll },
		{ "select", (void *)select, from, by_select },
		{ "epoll_wait", (void *)epoll_wait, ep, by_epoll },
		{ "epoll_wait", (void *)epoll_wait, ready, by_epoll_ready },
	};
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		compare(&subjects[i], libc);
	return 0;
}
