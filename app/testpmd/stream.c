/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The modes on TCP connections: stream moves bytes one way, rr asks and waits for the answer. With
 * --peer the program connects, sends and asks; without it listens, receives and answers.
 *
 * Connections take turns, a call each. The bytes are those of one pattern from the connection's
 * first byte on, which --check compares.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "dpvma.h"
#include "testpmd.h"

#define PERIOD 65521u /* prime: in step with no segment or write */
#define BACKLOG 4096
#define ACCEPT_EVERY 256 /* turns between looks at the listener */
#define END_MS 10000	 /* for the peer to take what is on the way */

struct tp_conn {
	int fd;
	bool over;
	uint64_t in, out; /* bytes so far */
	uint64_t asked;	  /* TSC; 0: nothing is */
};

static uint8_t *pattern, *buffer;

static const uint8_t *
pattern_at(uint64_t position)
{
	return &pattern[position % PERIOD];
}

static int
make_pattern(uint32_t size)
{
	uint32_t x = 1, i;

	pattern = malloc(PERIOD + size);
	buffer = malloc(size);
	if (pattern == NULL || buffer == NULL)
		return -1;
	for (i = 0; i < PERIOD + size; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = i < PERIOD ? (uint8_t)(x >> 24) : pattern[i - PERIOD];
	}
	return 0;
}

static void
conn_over(struct tp *tp, struct tp_count *count, struct tp_conn *c, int error)
{
	c->over = true;
	tp->over++;
	if (error != 0) {
		fprintf(stderr, "dpvma-testpmd: connection %ld: %s\n", (long)(c - tp->conns),
				strerror(error));
		count->failed++;
	}
	/* what nobody was ever connected to goes on waiting */
	if (tp->over == tp->n_conns)
		tp_stop = true;
}

/** @name Opening and ending */
/** @{ */
static int
fail(const char *what, const char *where)
{
	fprintf(stderr, "dpvma-testpmd: %s %s: %s\n", what, where, strerror(errno));
	return -1;
}

static int
offloaded(int fd)
{
	char why[256];

	if (dpvma_explain(fd, why, sizeof(why)) == DPVMA_OFFLOADED)
		return 0;
	fprintf(stderr, "dpvma-testpmd: the socket is not offloaded: %s\n", why);
	return -1;
}

static void
conn_add(struct tp *tp, int fd)
{
	const int on = 1;

	dpvma_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	tp->conns[tp->n_conns++] = (struct tp_conn){ .fd = fd };
}

static int
open_active(struct tp *tp)
{
	struct sockaddr_in sin;
	struct ip_addr peer;
	uint32_t i;

	if (ip_parse(tp->args.peer, &peer) != 0) {
		fprintf(stderr, "dpvma-testpmd: --peer=%s: not an IP address\n", tp->args.peer);
		return -1;
	}
	ip_to_sockaddr(&peer, rte_cpu_to_be_16((uint16_t)tp->args.udp_port), &sin);
	for (i = 0; i < tp->args.sockets; i++) {
		int fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			return fail("socket for", tp->args.peer);
		conn_add(tp, fd);
		if (dpvma_connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
			return fail("connect to", tp->args.peer);
		if (offloaded(fd) != 0)
			return -1;
	}
	tp->fds[0] = tp->conns[0].fd;
	return 0;
}

static int
open_passive(struct tp *tp, const struct ip_addr *local)
{
	char text[IP_ADDR_STRLEN];
	struct sockaddr_in sin;
	int fd = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail("socket", "");
	tp->fds[0] = fd;
	ip_to_sockaddr(local, rte_cpu_to_be_16((uint16_t)tp->args.udp_port), &sin);
	if (dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
			dpvma_listen(fd, BACKLOG) != 0)
		return fail("listen on", ip_format(local, text));
	return offloaded(fd);
}

int
tp_stream_open(struct tp *tp, const struct ip_addr *local)
{
	bool active = tp->args.peer[0] != '\0';

	tp->max_conns = active ? tp->args.sockets : TP_SOCKETS_MAX;
	tp->conns = calloc(tp->max_conns, sizeof(*tp->conns));
	tp->fds = malloc(sizeof(*tp->fds));
	if (tp->conns == NULL || tp->fds == NULL || make_pattern(tp->args.size) != 0)
		return fail("memory for", "connections");
	tp->fds[0] = -1;
	return active ? open_active(tp) : open_passive(tp, local);
}

/* Whoever is there, now and then; most turns find nobody. */
static void
accept_some(struct tp *tp)
{
	int fd;

	if (tp->args.peer[0] != '\0' || tp->turn++ % ACCEPT_EVERY != 0)
		return;
	while (tp->n_conns < tp->max_conns) {
		fd = dpvma_accept(tp->fds[0], NULL, NULL);
		if (fd < 0)
			return;
		conn_add(tp, fd);
	}
}

/* Read to the end, which says that the peer has all of ours. */
static bool
drain(struct tp *tp, struct tp_conn *c, uint64_t until)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t n;

	while (clock_ms() < until) {
		n = dpvma_recv(c->fd, buffer, tp->args.size, MSG_DONTWAIT);
		if (n == 0)
			return true;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n < 0)
			dpvma_poll(&p, 1, 100);
	}
	return false;
}

unsigned int
tp_stream_end(struct tp *tp)
{
	uint64_t until = clock_ms() + END_MS;
	unsigned int failed = 0;
	uint32_t i;

	for (i = 0; i < tp->n_conns; i++)
		dpvma_shutdown(tp->conns[i].fd, SHUT_WR);
	for (i = 0; i < tp->n_conns; i++)
		if (!tp->conns[i].over && !drain(tp, &tp->conns[i], until))
			failed++;
	if (failed > 0)
		printf("FAILED: %u connections did not end in order\n", failed);
	return failed;
}

void
tp_stream_close(struct tp *tp)
{
	uint32_t i;

	for (i = 0; i < tp->n_conns; i++)
		dpvma_close(tp->conns[i].fd);
	if (tp->args.peer[0] == '\0' && tp->fds != NULL && tp->fds[0] >= 0)
		dpvma_close(tp->fds[0]);
	free(tp->conns);
	free(pattern);
	free(buffer);
	tp->conns = NULL;
	pattern = buffer = NULL;
}
/** @} */

/** @name Turns */
/** @{ */
static struct tp_conn *
next_conn(struct tp *tp)
{
	uint32_t i;

	accept_some(tp);
	for (i = 0; i < tp->n_conns; i++) {
		struct tp_conn *c = &tp->conns[tp->next_fd];

		tp->next_fd = tp->next_fd + 1 < tp->n_conns ? tp->next_fd + 1 : 0;
		if (likely(!c->over))
			return c;
	}
	return NULL;
}

static ssize_t
put(struct tp *tp, struct tp_count *count, struct tp_conn *c, uint32_t len)
{
	ssize_t n = dpvma_send(c->fd, pattern_at(c->out), len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (likely(n > 0)) {
		c->out += (uint64_t)n;
		count->bytes += (uint64_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		conn_over(tp, count, c, errno);
	}
	return n;
}

static ssize_t
get(struct tp *tp, struct tp_count *count, struct tp_conn *c, uint32_t len)
{
	ssize_t n = dpvma_recv(c->fd, buffer, len, MSG_DONTWAIT);

	if (likely(n > 0)) {
		if (tp->args.check && memcmp(buffer, pattern_at(c->in), (size_t)n) != 0)
			count->bad_payload++;
		c->in += (uint64_t)n;
		count->bytes += (uint64_t)n;
	} else if (n == 0) {
		conn_over(tp, count, c, 0);
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_over(tp, count, c, errno);
	}
	return n;
}

/*
 * A full connection has room again when acknowledgements were taken in, which is what reading does.
 * A receiver that has enough says so by ending its half.
 */
static void
attend(struct tp *tp, struct tp_count *count, struct tp_conn *c)
{
	uint8_t byte;

	if (dpvma_recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
		conn_over(tp, count, c, 0);
}

unsigned int
tp_stream_turn(struct tp *tp, struct tp_count *count)
{
	struct tp_conn *c = next_conn(tp);
	ssize_t n;

	if (c == NULL)
		return 0;
	if ((tp->args.peer[0] != '\0') == tp->args.reverse) {
		n = get(tp, count, c, tp->args.size);
	} else {
		n = put(tp, count, c, tp->args.size);
		if (n < 0 && !c->over)
			attend(tp, count, c);
	}
	return n > 0;
}

/* One question at a time on each connection. */
static unsigned int
ask(struct tp *tp, struct tp_count *count, struct tp_conn *c)
{
	uint32_t size = tp->args.size;

	if (c->out % size != 0 || c->out == c->in) {
		if (c->asked == 0)
			c->asked = rte_rdtsc();
		put(tp, count, c, size - (uint32_t)(c->out % size));
	}
	if (c->over || c->in == c->out || get(tp, count, c, size - (uint32_t)(c->in % size)) <= 0 ||
			c->in % size != 0)
		return 0;
	tp_latency_add(&tp->latency, rte_rdtsc() - c->asked);
	c->asked = 0;
	return 1;
}

/* What came goes back, a whole question at a time. */
static unsigned int
answer(struct tp *tp, struct tp_count *count, struct tp_conn *c)
{
	uint32_t size = tp->args.size;
	bool whole = false;

	if (c->in % size != 0 || c->in == c->out)
		whole = get(tp, count, c, size - (uint32_t)(c->in % size)) > 0 && c->in % size == 0;
	if (!c->over && c->in > c->out && c->in % size == 0)
		put(tp, count, c, (uint32_t)(c->in - c->out));
	return whole;
}

unsigned int
tp_rr_turn(struct tp *tp, struct tp_count *count)
{
	struct tp_conn *c = next_conn(tp);

	if (c == NULL)
		return 0;
	return tp->args.peer[0] != '\0' ? ask(tp, count, c) : answer(tp, count, c);
}
/** @} */
