/* SPDX-License-Identifier: BSD-3-Clause */
/* How the connections of a worker begin and end. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "dpvma.h"
#include "mellanox/vma_extra.h"
#include "port/port.h"
#include "tcp.h"

#define BACKLOG 4096
#define END_MS 10000 /* for the peer to take what is on the way */
#define END_BURST 64 /* halves that end before the answers are looked at */

static int
fail(const char *what, const char *where)
{
	fprintf(stderr, "dpvma-testpmd: %s %s: %s\n", what, where, strerror(errno));
	return -1;
}

static int
offloaded(const struct tp *tp, int fd)
{
	char why[256];

	if (tp->args.kernel || dpvma_explain(fd, why, sizeof(why)) == DPVMA_OFFLOADED)
		return 0;
	fprintf(stderr, "dpvma-testpmd: the socket is not offloaded: %s\n", why);
	return -1;
}

static int
watch(struct tp_worker *w, uint64_t data, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	if (tp_calls->epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
		return fail("epoll of", "a connection");
	return 0;
}

/** @name Epoll: from the start, or when connections become many */
/** @{ */
static bool
sends_stream(const struct tp *tp)
{
	return tp->mode[0]->step == tp_stream_step && tp_active(tp) != tp->args.reverse;
}

static int
use_epoll(struct tp_worker *w)
{
	uint32_t events = sends_stream(w->tp) ? EPOLLIN | EPOLLOUT : EPOLLIN, i;

	w->epfd = tp_calls->epoll_create(0);
	if (w->epfd < 0)
		return fail("epoll", "");
	for (i = 0; i < w->n_listeners; i++)
		if (watch(w, TP_LISTENER | i, w->listeners[i], EPOLLIN) != 0)
			return -1;
	for (i = 0; i < w->n_conns; i++) {
		w->conns[i].wants_out = (events & EPOLLOUT) != 0;
		if (!w->conns[i].over && watch(w, i, w->conns[i].fd, events) != 0)
			return -1;
	}
	return 0;
}

static bool
wants_epoll(const struct tp_worker *w)
{
	if (w->epfd >= 0)
		return false;
	if (w->tp->args.wait[0] != '\0')
		return w->tp->args.wait[0] == 'e';
	return w->tp->mode[0]->connects || w->n_conns > TP_POLLED_MAX;
}
/** @} */

struct tp_conn *
tp_conn_add(struct tp_worker *w, int fd, uint32_t events)
{
	const int on = 1;
	struct tp_conn *c;

	if (w->n_unused == 0 && w->n_conns == w->max_conns) {
		fprintf(stderr, "dpvma-testpmd: more than %u connections\n", w->max_conns);
		w->count.failed++;
		tp_calls->close(fd);
		return NULL;
	}
	c = &w->conns[w->n_unused > 0 ? w->unused[--w->n_unused] : w->n_conns++];
	tp_calls->setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (w->tp->args.zerocopy)
		tp_calls->setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
	*c = (struct tp_conn){ .fd = fd, .wants_out = (events & EPOLLOUT) != 0 };
	__atomic_store_n(&w->opened, w->opened + 1, __ATOMIC_RELAXED);
	if (w->epfd >= 0 && watch(w, (uint64_t)(c - w->conns), fd, events) != 0)
		w->count.failed++;
	else if (wants_epoll(w) && use_epoll(w) != 0)
		w->count.failed++;
	return c;
}

void
tp_conn_del(struct tp_worker *w, struct tp_conn *c)
{
	tp_calls->close(c->fd);
	c->fd = -1;
	c->over = true;
	w->unused[w->n_unused++] = (uint32_t)(c - w->conns);
	__atomic_store_n(&w->over, w->over + 1, __ATOMIC_RELAXED);
}

unsigned int
tp_accept(struct tp_worker *w, uint32_t listener)
{
	const struct tp_mode *mode = w->tp->mode[0];
	unsigned int done = 0;
	struct tp_conn *c;
	int fd;

	while ((fd = tp_calls->accept(w->listeners[listener], NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		c = tp_conn_add(w, fd, sends_stream(w->tp) ? EPOLLIN | EPOLLOUT : EPOLLIN);
		if (c != NULL && mode->connects)
			done += tp_connect_accepted(w, c);
		w->worked = true;
	}
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		w->count.failed++;
	return done;
}

/** @name Who connects */
/** @{ */
/*
 * Connection by connection the next port of the peer, then its next address, then our next one:
 * each has all the numbers of ours.
 */
int
tp_conn_socket(struct tp_worker *w, int flags, struct sockaddr_in *to)
{
	struct tp *tp = w->tp;
	uint32_t i = w->opened * tp->args.threads + w->index;
	int fd = tp_calls->socket(AF_INET, SOCK_STREAM | flags, 0);
	const int on = 1;
	struct sockaddr_in from;

	if (fd < 0)
		return fail("socket for", tp->args.peer);
	ip_to_sockaddr(&tp->peers[i / tp->args.ports % tp->n_peers],
			rte_cpu_to_be_16((uint16_t)(tp->args.udp_port + i % tp->args.ports)), to);
	if (tp->args.address[0] == '\0')
		return fd;
	/* the number is chosen when the peer is known */
	ip_to_sockaddr(&tp->locals[i / tp->args.ports / tp->n_peers % tp->n_locals], 0, &from);
	tp_calls->setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (tp_calls->bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0)
		return fd;
	fail("bind to", tp->args.address);
	tp_calls->close(fd);
	return -1;
}

static int
connect_one(struct tp_worker *w)
{
	struct sockaddr_in to;
	int fd = tp_conn_socket(w, 0, &to);

	if (fd < 0)
		return -1;
	if (tp_calls->connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		fail("connect to", w->tp->args.peer);
		tp_calls->close(fd);
		return -1;
	}
	if (tp_conn_add(w, fd, sends_stream(w->tp) ? EPOLLIN | EPOLLOUT : EPOLLIN) == NULL)
		return -1;
	return w->n_conns > 1 ? 0 : offloaded(w->tp, fd);
}

static uint32_t
share(const struct tp_worker *w, uint32_t all)
{
	return all / w->tp->args.threads + (w->index < all % w->tp->args.threads);
}

static int
open_active(struct tp_worker *w)
{
	uint32_t all;

	w->active = share(w, w->tp->args.sockets);
	if (w->tp->mode[0]->connects)
		return 0;
	all = w->active + share(w, w->tp->args.idle_connections);
	while (w->n_conns < all) {
		if (tp_stop || connect_one(w) != 0)
			return -1;
		if (w->index == 0 && w->n_conns == w->active)
			tp_memory_note(w->tp, &w->tp->memory_before);
	}
	return 0;
}
/** @} */

/** @name Who listens */
/** @{ */
static int
listen_one(struct tp_worker *w, const struct ip_addr *local, uint32_t port)
{
	char text[IP_ADDR_STRLEN];
	struct sockaddr_in sin;
	const int on = 1;
	int fd = tp_calls->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail("socket", "");
	w->listeners[w->n_listeners++] = fd;
	tp_calls->setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (w->tp->args.threads > 1)
		tp_calls->setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	ip_to_sockaddr(local, rte_cpu_to_be_16((uint16_t)port), &sin);
	if (tp_calls->bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
			tp_calls->listen(fd, BACKLOG) != 0)
		return fail("listen on", ip_format(local, text));
	return offloaded(w->tp, fd);
}

static int
open_passive(struct tp_worker *w)
{
	const struct tp *tp = w->tp;
	uint32_t i, j;

	w->listeners = calloc(tp->n_locals * tp->args.ports, sizeof(*w->listeners));
	if (w->listeners == NULL)
		return fail("memory for", "listeners");
	for (i = 0; i < tp->n_locals; i++)
		for (j = 0; j < tp->args.ports; j++)
			if (listen_one(w, &tp->locals[i], tp->args.udp_port + j) != 0)
				return -1;
	return 0;
}
/** @} */

/* What a look at a ring brought tells whether a turn was idle. */
static void
find_rings(struct tp_worker *w)
{
	int fd = w->n_listeners != 0 ? w->listeners[0] : w->n_conns != 0 ? w->conns[0].fd : -1;
	int fds[TP_RINGS_MAX], n, i;

	if (w->tp->args.kernel || fd < 0)
		return;
	n = dpvma_get_api()->get_socket_rings_fds(fd, fds, TP_RINGS_MAX);
	for (i = 0; i < n; i++)
		if ((w->rings[w->n_rings] = ring_by_fd(fds[i])) != NULL)
			w->n_rings++;
}

int
tp_worker_open(struct tp_worker *w)
{
	const struct tp *tp = w->tp;
	bool active = tp_active(tp);
	int ret;

	w->epfd = -1;
	w->max_conns = active ? share(w, tp->args.sockets) + share(w, tp->args.idle_connections)
			      : TP_CONNS_MAX;
	w->conns = calloc(w->max_conns, sizeof(*w->conns));
	w->unused = calloc(w->max_conns, sizeof(*w->unused));
	w->buffer = malloc(tp->args.size);
	if (w->conns == NULL || w->unused == NULL || w->buffer == NULL)
		return fail("memory for", "connections");
	ret = active ? open_active(w) : open_passive(w);
	if (ret == 0 && wants_epoll(w))
		ret = use_epoll(w);
	if (ret == 0)
		find_rings(w);
	return ret;
}

/** @name Ending */
/** @{ */
static void
read_on(struct tp_worker *w, struct tp_conn *c)
{
	ssize_t n;

	do
		n = tp_calls->recv(c->fd, w->buffer, w->tp->args.size, MSG_DONTWAIT);
	while (n > 0);
	if (n == 0) {
		c->over = true;
		w->over++;
	} else if (errno != EAGAIN && errno != EINTR) {
		c->over = true;
		w->over++;
		w->count.failed++;
	}
}

/* To the end of each, which says that the peer has all of ours. */
void
tp_worker_end(struct tp_worker *w)
{
	uint64_t until = clock_ms() + END_MS + w->n_conns;
	uint32_t ended = 0, i;

	if (w->tp->mode[0]->connects) {
		tp_connect_goodbye(w);
		return;
	}
	while (w->over < w->opened || ended < w->n_conns) {
		if (clock_ms() >= until)
			break;
		for (i = 0; i < END_BURST && ended < w->n_conns; i++)
			tp_calls->shutdown(w->conns[ended++].fd, SHUT_WR);
		/* a look at one takes in what came for all; a round over all finds the ends */
		for (i = ended < w->n_conns ? ended - 1 : 0; i < ended; i++)
			if (!w->conns[i].over)
				read_on(w, &w->conns[i]);
	}
	w->not_ended = w->opened - w->over;
}

void
tp_worker_close(struct tp_worker *w)
{
	uint32_t i;

	for (i = 0; i < w->n_conns; i++)
		if (w->conns[i].fd >= 0)
			tp_calls->close(w->conns[i].fd);
	for (i = 0; i < w->n_listeners; i++)
		tp_calls->close(w->listeners[i]);
	if (w->epfd >= 0)
		tp_calls->close(w->epfd);
	free(w->conns);
	free(w->unused);
	free(w->buffer);
	free(w->listeners);
	w->conns = NULL;
	w->unused = NULL;
	w->buffer = NULL;
	w->listeners = NULL;
	w->n_conns = w->n_listeners = 0;
	w->epfd = -1;
}
/** @} */
