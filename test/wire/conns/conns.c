/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that are opened, exchange a few bytes and are closed, many at a time:
 *
 *	conns serve ADDRESS PORT LISTENERS
 *	conns open ADDRESS PORT CONNECTIONS AT-ONCE
 *	conns hold ADDRESS PORT CONNECTIONS BYTES
 *	conns share ADDRESS PORT BYTES
 *
 * "serve" listens at as many numbers from PORT on.
 * "open" has AT-ONCE of them under way until CONNECTIONS are over, and prints how many a second;
 * the server ends each. "hold" has all of them open, says so, and sends the bytes through each when
 * a line comes in; the server sends them back. "share" holds one whose own number has a listener,
 * too. Each reads lines of its standard input: "rings" prints the sums of the rings' counters,
 *"why" how many sockets are not ours and why the last one is not, "restart" restarts the port,
 *"quit" ends it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/port.h"
#include "ring/ring.h"
#include "sock/dpvma.h"
#include "sock/sock.h"

#define FDS 131072
#define EVENTS 256
#define QUESTION 16

static int epfd;
static struct conn {
	uint32_t in, out; /**< bytes received, and sent */
	uint32_t number;
	bool asked, listens;
} * conns;
static bool ended, go_on;
static int *fds; /* those to be told of */
static unsigned int fds_n;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	fflush(stdout);
	_exit(1);
}

static uint8_t
byte_at(uint32_t number, uint32_t i)
{
	return (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

static void
add_ring(struct ring *ring, void *ctx)
{
	struct ring_stats *all = ctx, one;

	ring_stats_sum(ring, &one);
	for (unsigned int i = 0; i < RING_STAT_MAX; i++)
		all->c[i] += one.c[i];
}

static void
print_rings(void)
{
	struct ring_stats all = { 0 };

	ring_foreach(add_ring, &all);
	printf("rings");
	for (unsigned int i = 0; i < RING_STAT_MAX; i++)
		printf(" %s=%llu", stat_ring.names[i], (unsigned long long)all.c[i]);
	printf("\n");
	fflush(stdout);
}

static void
watch(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	if (dpvma_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
		die("epoll_ctl");
}

/* Rings of their own until the port has no queue left for another: it starts again with more. */
static void
restart(void)
{
	struct port *port = port_get(0);
	unsigned int before = port->n_queues;
	struct ring_alloc s;
	struct ring *ring;

	ring_alloc_init(&s, RING_RX, FDS);
	s.logic = CONF_RING_PER_SOCKET;
	while (port->n_queues == before) {
		if (s.sock++ == FDS + RING_SPARE_MAX)
			die("%u queues are all there will be", before);
		if (ring_acquire(port, RING_RX, &s, NULL, &ring) != 0)
			die("a ring more");
	}
	printf("restarted %u\n", port->n_queues);
	fflush(stdout);
}

static void
explain(void)
{
	char last[256] = "", text[256];
	unsigned int kernels = 0;

	for (unsigned int i = 0; i < fds_n; i++) {
		if (dpvma_explain(fds[i], text, sizeof(text)) == DPVMA_OFFLOADED)
			continue;
		kernels++;
		memcpy(last, text, sizeof(last));
	}
	printf("why %u %s\n", kernels, last);
	fflush(stdout);
}

static void
command(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char line[64];

	if (poll(&in, 1, 0) != 1)
		return;
	if (fgets(line, sizeof(line), stdin) == NULL || strcmp(line, "quit\n") == 0)
		ended = true;
	else if (strcmp(line, "rings\n") == 0)
		print_rings();
	else if (strcmp(line, "restart\n") == 0)
		restart();
	else if (strcmp(line, "why\n") == 0)
		explain();
	else if (strcmp(line, "go\n") == 0)
		go_on = true;
}

static int
new_socket(void)
{
	int fd = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || fd >= FDS)
		die("socket %d", fd);
	return fd;
}

static int
open_one(int fd, const struct sockaddr_in *to)
{
	conns[fd] = (struct conn){ 0 };
	if (dpvma_connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 &&
			errno != EINPROGRESS)
		die("connect");
	watch(fd, EPOLLOUT);
	return fd;
}

static void
want(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	if (dpvma_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &ev) != 0)
		die("epoll_ctl");
}

/** @name Server */
/** @{ */
static void
take_all(int listener)
{
	int fd;

	while ((fd = dpvma_accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		conns[fd] = (struct conn){ 0 };
		watch(fd, EPOLLIN);
	}
	if (errno != EAGAIN)
		die("accept");
}

/* What comes goes back; who asks with a 1 in front is answered once and for all. */
static void
give_back(int fd)
{
	char buf[65536];
	ssize_t n = dpvma_recv(fd, buf, sizeof(buf), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && dpvma_send(fd, buf, (size_t)n, 0) != n)
		die("send back");
	conns[fd].in += (uint32_t)RTE_MAX(n, 0);
	if (n > 0 && buf[0] != 1)
		return;
	dpvma_close(fd);
}

static void
listen_at(int fd, const struct sockaddr_in *at)
{
	if (dpvma_bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 ||
			dpvma_listen(fd, 4096) != 0)
		die("listen");
}

static void
serve(struct sockaddr_in *at)
{
	struct epoll_event ev[EVENTS];

	for (unsigned int i = 0; i < fds_n; i++) {
		listen_at(fds[i], at);
		conns[fds[i]].listens = true;
		watch(fds[i], EPOLLIN);
		at->sin_port = htons(ntohs(at->sin_port) + 1);
	}
	printf("ready\n");
	fflush(stdout);
	while (!ended) {
		int n = dpvma_epoll_wait(epfd, ev, EVENTS, 1);

		for (int i = 0; i < n; i++) {
			if (conns[ev[i].data.fd].listens)
				take_all(ev[i].data.fd);
			else
				give_back(ev[i].data.fd);
		}
		command();
	}
}
/** @} */

/** @name Connections one after another */
/** @{ */
/* @return whether it is over */
static bool
ask(int fd, uint32_t events)
{
	char buf[QUESTION] = { 1 };
	ssize_t n;

	if (!conns[fd].asked) {
		if ((events & (EPOLLERR | EPOLLHUP)) != 0)
			die("connection %d: events %x", fd, events);
		memset(buf + 1, fd, sizeof(buf) - 1);
		if (dpvma_send(fd, buf, sizeof(buf), 0) != (ssize_t)sizeof(buf))
			die("send");
		conns[fd].asked = true;
		want(fd, EPOLLIN);
		return false;
	}
	while ((n = dpvma_recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++, conns[fd].in++)
			if (buf[i] != (conns[fd].in == 0 ? 1 : (char)fd))
				die("byte %u of %d", conns[fd].in, fd);
	}
	if (n < 0 && errno != EAGAIN)
		die("recv");
	if (n == 0 && conns[fd].in != QUESTION)
		die("%u bytes", conns[fd].in);
	return n == 0;
}

static void
open_many(const struct sockaddr_in *to, unsigned int all, unsigned int at_once)
{
	unsigned int begun = 0, over = 0;
	struct epoll_event ev[EVENTS];
	uint64_t start = clock_ns();
	double s;

	while (over < all) {
		int n;

		while (begun < all && begun - over < at_once) {
			open_one(new_socket(), to);
			begun++;
		}
		n = dpvma_epoll_wait(epfd, ev, EVENTS, 1);
		for (int i = 0; i < n; i++) {
			if (!ask(ev[i].data.fd, ev[i].events))
				continue;
			dpvma_close(ev[i].data.fd);
			over++;
		}
	}
	s = (double)(clock_ns() - start) / 1e9;
	printf("done %u in %.2f s: %.0f a second\n", over, s, over / s);
	fflush(stdout);
	while (!ended) {
		dpvma_epoll_wait(epfd, ev, EVENTS, 1);
		command();
	}
}
/** @} */

/** @name Connections all at once */
/** @{ */
static void
push(int fd, uint32_t bytes)
{
	struct conn *c = &conns[fd];
	uint8_t buf[1024];

	while (c->out < bytes) {
		uint32_t len = RTE_MIN(bytes - c->out, (uint32_t)sizeof(buf));
		ssize_t n;

		/* the first one is never the 1 that ends */
		for (uint32_t i = 0; i < len; i++)
			buf[i] = byte_at(c->number, c->out + i) | 2;
		n = dpvma_send(fd, buf, len, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("send");
		c->out += (uint32_t)n;
	}
}

static void
pull(int fd)
{
	struct conn *c = &conns[fd];
	uint8_t buf[4096];
	ssize_t n;

	while ((n = dpvma_recv(fd, buf, sizeof(buf), 0)) > 0)
		for (ssize_t i = 0; i < n; i++, c->in++)
			if (buf[i] != (byte_at(c->number, c->in) | 2))
				die("byte %u of connection %u", c->in, c->number);
	if (n == 0 || errno != EAGAIN)
		die("recv %zd", n);
}

static void
hold(const struct sockaddr_in *to, unsigned int all, uint32_t bytes)
{
	unsigned int there = 0, over = 0;
	struct epoll_event ev[EVENTS];

	for (unsigned int i = 0; i < all; i++) {
		open_one(fds[i], to);
		conns[fds[i]].number = i;
	}
	while (there < all) {
		int n = dpvma_epoll_wait(epfd, ev, EVENTS, 1);

		for (int i = 0; i < n; i++, there++) {
			if ((ev[i].events & (EPOLLERR | EPOLLHUP)) != 0)
				die("connection %d: events %x", ev[i].data.fd, ev[i].events);
			want(ev[i].data.fd, EPOLLIN);
		}
	}
	printf("open %u\n", there);
	fflush(stdout);
	while (!ended) {
		int n = dpvma_epoll_wait(epfd, ev, EVENTS, 1);

		if (go_on) {
			for (unsigned int i = 0; i < all; i++)
				push(fds[i], bytes);
			go_on = false;
		}
		for (int i = 0; i < n; i++) {
			uint32_t before = conns[ev[i].data.fd].in;

			pull(ev[i].data.fd);
			push(ev[i].data.fd, before > 0 ? bytes : 0);
			if (before < bytes && conns[ev[i].data.fd].in == bytes && ++over == all) {
				printf("done %u\n", over);
				fflush(stdout);
			}
		}
		command();
	}
	for (unsigned int i = 0; i < all; i++)
		dpvma_close(fds[i]);
}

/* The last of the sockets listens at the number that the first connects from. */
static void
share(const struct sockaddr_in *to, uint32_t bytes)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = RTE_BE16(7777) };
	int on = 1;

	for (unsigned int i = 0; i < fds_n; i++)
		if (dpvma_setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
			die("SO_REUSEPORT");
	listen_at(fds[1], &own);
	if (dpvma_bind(fds[0], (struct sockaddr *)&own, sizeof(own)) != 0)
		die("bind");
	hold(to, 1, bytes);
}
/** @} */

static void
new_sockets(int n)
{
	fds_n = (unsigned int)n;
	fds = calloc(fds_n, sizeof(*fds));
	for (unsigned int i = 0; i < fds_n; i++)
		fds[i] = new_socket();
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };

	if (argc < 5 || inet_pton(AF_INET, argv[2], &at.sin_addr) != 1)
		return 2;
	at.sin_port = htons((uint16_t)atoi(argv[3]));
	conns = calloc(FDS, sizeof(*conns));
	if (conns == NULL || dpvma_init() != 0)
		die("start");
	epfd = dpvma_epoll_create1(0);
	if (strcmp(argv[1], "open") != 0)
		new_sockets(strcmp(argv[1], "share") == 0 ? 2 : atoi(argv[4]));
	if (strcmp(argv[1], "serve") == 0)
		serve(&at);
	else if (strcmp(argv[1], "share") == 0)
		share(&at, (uint32_t)atoi(argv[4]));
	else if (argc == 6 && strcmp(argv[1], "open") == 0)
		open_many(&at, (unsigned int)atoi(argv[4]), (unsigned int)atoi(argv[5]));
	else if (argc == 6 && strcmp(argv[1], "hold") == 0)
		hold(&at, (unsigned int)atoi(argv[4]), (uint32_t)atoi(argv[5]));
	else
		return 2;
	dpvma_exit();
	free(conns);
	free(fds);
	printf("bye\n");
	return 0;
}
