/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connect: connections that are opened, asked one question and closed, --sockets of them at a time.
 * Who closes first has them in TIME-WAIT; when that is the server, the client's port numbers are
 * free again at once.
 */
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "calls.h"
#include "tcp.h"

#define SAID_MAX 10 /* lines about what failed */
#define END_MS 3000 /* for those on the way when time is up */

static void
set_events(struct tp_worker *w, struct tp_conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)(c - w->conns) };

	if (tp_calls->epoll_ctl(w->epfd, EPOLL_CTL_MOD, c->fd, &ev) != 0)
		w->count.failed++;
}

static void
begin_one(struct tp_worker *w)
{
	const struct linger reset = { .l_onoff = 1 };
	uint64_t now = rte_rdtsc();
	struct sockaddr_in to;
	struct tp_conn *c;
	int fd;

	if (w->closing)
		return;
	fd = tp_conn_socket(w, SOCK_NONBLOCK, &to);
	if (fd < 0) {
		w->count.failed++;
		return;
	}
	if (w->tp->args.close[0] == 'r')
		tp_calls->setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (tp_calls->connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
			errno != EINPROGRESS) {
		if (w->count.failed++ < SAID_MAX)
			fprintf(stderr, "dpvma-testpmd: connect: %s\n", strerror(errno));
		tp_calls->close(fd);
		return;
	}
	c = tp_conn_add(w, fd, EPOLLOUT);
	if (c == NULL)
		return;
	c->phase = TP_CONNECTING;
	c->asked = now;
}

void
tp_connect_begin(struct tp_worker *w)
{
	uint32_t share = w->tp->args.sockets / w->tp->args.threads;
	uint32_t i;

	share += w->index < w->tp->args.sockets % w->tp->args.threads;
	w->closing = false;
	for (i = 0; tp_active(w->tp) && i < share; i++)
		begin_one(w);
}

/* Over: whichever way it was to end. */
static unsigned int
finish(struct tp_worker *w, struct tp_conn *c, int error)
{
	bool good = error == 0;

	if (good) {
		if (tp_active(w->tp))
			tp_latency_add(&w->latency, rte_rdtsc() - c->asked);
	} else {
		if (w->count.failed++ < SAID_MAX)
			fprintf(stderr, "dpvma-testpmd: a connection: %s\n", strerror(error));
	}
	tp_conn_del(w, c);
	if (tp_active(w->tp))
		begin_one(w);
	return good;
}

static unsigned int
established(struct tp_worker *w, struct tp_conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (tp_calls->getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0)
		return finish(w, c, error);
	if (w->tp->args.no_request) {
		if (w->tp->args.close[0] != 's')
			return finish(w, c, 0);
		c->phase = TP_END;
	} else {
		c->phase = TP_ANSWER;
		if (tp_calls->send(c->fd, tp_pattern_at(0), w->tp->args.size, MSG_NOSIGNAL) !=
				(ssize_t)w->tp->args.size)
			return finish(w, c, EMSGSIZE);
		c->out = w->tp->args.size;
		w->count.bytes += c->out;
	}
	set_events(w, c, EPOLLIN);
	return 0;
}

/* What there is; ends, resets included. */
static ssize_t
take(struct tp_worker *w, struct tp_conn *c)
{
	ssize_t n = tp_calls->recv(c->fd, w->buffer, w->tp->args.size, MSG_DONTWAIT);

	if (n > 0) {
		if (w->tp->args.check && memcmp(w->buffer, tp_pattern_at(c->in), (size_t)n) != 0)
			w->count.bad_payload++;
		c->in += (uint64_t)n;
		w->count.bytes += (uint64_t)n;
	}
	return n;
}

static unsigned int
client_step(struct tp_worker *w, struct tp_conn *c)
{
	ssize_t n;

	if (c->phase == TP_CONNECTING)
		return established(w, c);
	n = take(w, c);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : finish(w, c, errno);
	if (c->phase == TP_ANSWER && c->in >= w->tp->args.size) {
		if (w->tp->args.close[0] != 's')
			return finish(w, c, 0);
		c->phase = TP_END;
		/* the end often comes with the answer */
		if (n > 0)
			n = take(w, c);
	}
	if (n != 0)
		return 0;
	return finish(w, c, c->phase == TP_END ? 0 : ECONNRESET);
}

/* Not one of those that are counted. */
static void
goodbye_came(struct tp_worker *w, struct tp_conn *c)
{
	tp_conn_del(w, c);
	__atomic_store_n(&w->over, w->over - 1, __ATOMIC_RELAXED);
	__atomic_store_n(&w->opened, w->opened - 1, __ATOMIC_RELAXED);
	tp_stop = true;
}

static unsigned int
server_step(struct tp_worker *w, struct tp_conn *c)
{
	ssize_t n = take(w, c);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 && c->in == 0 && !w->tp->args.no_request) {
		goodbye_came(w, c);
		return 0;
	}
	if (n <= 0) {
		bool done = c->phase == TP_END || w->tp->args.no_request;
		int error = n == 0 ? ECONNRESET : errno;

		/* a reset is how --close=reset ends them */
		return finish(w, c, done && (n == 0 || w->tp->args.close[0] == 'r') ? 0 : error);
	}
	if (c->in < w->tp->args.size || w->tp->args.no_request)
		return 0;
	if (tp_calls->send(c->fd, tp_pattern_at(0), w->tp->args.size,
			    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)w->tp->args.size)
		return finish(w, c, EMSGSIZE);
	w->count.bytes += w->tp->args.size;
	c->phase = TP_END;
	return w->tp->args.close[0] == 's' ? finish(w, c, 0) : 0;
}

unsigned int
tp_connect_step(struct tp_worker *w, struct tp_conn *c, uint32_t events)
{
	(void)events;
	return tp_active(w->tp) ? client_step(w, c) : server_step(w, c);
}

unsigned int
tp_connect_accepted(struct tp_worker *w, struct tp_conn *c)
{
	return w->tp->args.no_request && w->tp->args.close[0] == 's' ? finish(w, c, 0) : 0;
}

void
tp_connect_end(struct tp_worker *w)
{
	uint64_t until = clock_ms() + END_MS;

	w->closing = true;
	while (w->over < w->opened && clock_ms() < until)
		w->count.packets += tp_tcp_turn(w);
	if (tp_active(w->tp))
		w->count.failed += w->opened - w->over;
}

/* A connection that ends without a question says that no more will come. */
void
tp_connect_goodbye(struct tp_worker *w)
{
	struct sockaddr_in to;
	char byte;
	int fd;

	if (!tp_active(w->tp) || w->index != 0 || w->tp->args.no_request)
		return;
	fd = tp_conn_socket(w, 0, &to);
	if (fd < 0)
		return;
	if (tp_calls->connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
			tp_calls->shutdown(fd, SHUT_WR) == 0)
		tp_calls->recv(fd, &byte, sizeof(byte), 0);
	tp_calls->close(fd);
}
