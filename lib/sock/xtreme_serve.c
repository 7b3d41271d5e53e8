/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completions: from datagrams as a ring delivers them, and from what waits at a socket. The buffers
 * of a packet are the mbufs themselves, in whose field of ring_meta the application reads; each is
 * lent by itself.
 */
#include "fronts.h"
#include "xtreme.h"

#define EVENTS ((uint32_t)(POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP))

/** @name Packets */
/** @{ */
static __rte_always_inline struct ring_meta *
lend(struct rte_mbuf *m, uint32_t owner)
{
	struct ring_meta *meta = ring_mbuf_meta(m);

	meta->next = NULL;
	meta->payload = rte_pktmbuf_mtod(m, void *);
	meta->len = m->data_len;
	meta->lent = RING_LENT_BUFF;
	meta->owner = owner;
	return meta;
}

/* A buffer is given back by itself, in any order: nothing holds the chain together any more. */
static __rte_noinline void
lend_chain(struct sock_packet *p, struct rte_mbuf *m, uint32_t owner)
{
	struct ring_meta **link = &p->buffs;
	struct rte_mbuf *next;

	p->num_bufs = 0;
	for (; m != NULL; m = next) {
		next = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		*link = lend(m, owner);
		link = &(*link)->next;
		p->num_bufs++;
	}
}

/*
 * A chain that is to be cut, and that somebody else may be walking (MSG_PEEK): then a copy of it.
 * NULL: no buffer
 */
static __rte_noinline struct rte_mbuf *
unshared(struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (rte_mbuf_refcnt_read(m) == 1)
		return m;
	copy = rte_pktmbuf_copy(m, RTE_MBUF_CLONED(m) ? rte_mbuf_from_indirect(m)->pool : m->pool,
			0, UINT32_MAX);
	rte_pktmbuf_free(m);
	return copy;
}

/* The ring that brought it, for its clock: that of the poll, or one of the socket's. */
static __rte_noinline void
find_clock(struct reap *r, struct sock *s, const struct rte_mbuf *m)
{
	struct ring *rings[SOCK_RINGS], *ring = r->ring;
	unsigned int n;

	r->clock.kind = RING_CLOCK_NONE;
	r->clock_port = m->port;

	if (ring == NULL) {
		n = RTE_MIN(s->ops->rings(s, rings, SOCK_RINGS), (unsigned int)SOCK_RINGS);
		while (n != 0 && ring == NULL)
			if (rings[--n]->port_id == m->port)
				ring = rings[n];
	}
	if (ring != NULL)
		ring_clock_of(ring, m, &r->clock);
}

static __rte_always_inline void
stamp(struct sock_packet *p, struct reap *r, struct sock *s, const struct rte_mbuf *m)
{
	uint64_t ns;

	if (unlikely(r->clock_port != m->port))
		find_clock(r, s, m);
	ns = ring_clock_ns(&r->clock, m);
	p->hw_timestamp.tv_sec = (time_t)(ns / 1000000000u);
	p->hw_timestamp.tv_nsec = (long)(ns % 1000000000u);
}

static __rte_always_inline void
put_datagram(struct reap *r, struct sock *s, struct rte_mbuf *m)
{
	const struct rte_udp_hdr *udp = udp_packet_udp(m);
	struct sock_completion *c = r->at++;

	c->packet = (struct sock_packet){ .num_bufs = 1, .total_len = (uint16_t)m->pkt_len };
	c->events = SOCK_XTREME_PACKET;
	c->user_data = s->user_data;
	c->src = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = udp->src_port,
		.sin_addr.s_addr = udp_packet_ip(m)->src_addr };
	c->listen_fd = 0;
	if (unlikely(m->ol_flags & ring_mbuf_timestamp_flag))
		stamp(&c->packet, r, s, m);
	if (likely(m->next == NULL)) {
		c->packet.buffs = lend(m, s->serial);
	} else if ((m = unshared(m)) != NULL) {
		lend_chain(&c->packet, m, s->serial);
	} else {
		r->at--;
		STAT_INC(udp_stats(s->udp), SOCK, rx_drop_full);
	}
}

uint16_t
xtreme_take(struct ring_harvest *harvest, void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	struct reap *r = (struct reap *)harvest;
	struct sock *s = ctx;
	uint16_t i;

	n = RTE_MIN(n, (size_t)(r->end - r->at));
	for (i = 0; i < n; i++)
		put_datagram(r, s, pkts[i]);
	return n;
}
/** @} */

/** @name Events */
/** @{ */
/*
 * Those that hold and were not told of. What comes as packets or as connections is no EPOLLIN, and
 * a datagram socket can always be written to.
 */
static uint32_t
news(struct sock *s)
{
	uint32_t holds = (uint16_t)s->ops->revents(s) & EVENTS, before;

	if (!(holds & POLLRDHUP))
		holds &= ~(uint32_t)POLLIN;
	if (s->udp != NULL)
		holds &= ~(uint32_t)POLLOUT;
	before = __atomic_exchange_n(&s->told, holds, __ATOMIC_RELAXED);
	return holds & ~before;
}

/* With the packet before it, if that is of the same socket. */
static bool
put_events(struct sock *s, struct reap *r, bool with_packet)
{
	struct sock_completion *c;
	uint32_t events;

	if (!with_packet && r->at == r->end)
		return true;
	events = news(s);
	if (events == 0)
		return false;
	if (with_packet) {
		r->at[-1].events |= events;
		return false;
	}
	c = r->at++;
	memset(c, 0, sizeof(*c));
	c->events = events;
	c->user_data = s->user_data;
	return false;
}
/** @} */

/* @return whether something is left for want of room */
static bool
serve_datagrams(struct sock *s, struct reap *r)
{
	struct rte_mbuf *pkts[SOCK_BATCH];
	struct sock_completion *first = r->at;
	unsigned int n, i;
	size_t room;

	if (front_has(s))
		front_return(s);
	while ((room = (size_t)(r->end - r->at)) != 0) {
		n = udp_dequeue(s->udp, pkts, RTE_MIN(room, (size_t)SOCK_BATCH));
		/* a thread has some at hand since we looked */
		if (n == 0 && front_has(s) && front_return(s))
			continue;
		if (n == 0)
			break;
		for (i = 0; i < n; i++)
			put_datagram(r, s, pkts[i]);
		STAT_ADD(udp_stats(s->udp), SOCK, rx_lent, n);
	}
	return room == 0 || put_events(s, r, r->at != first);
}

/** @name Streams */
/** @{ */
#define SEGMENTS UINT16_MAX /**< bytes of one completion */

static void
put_peer(struct sock_completion *c, struct sock *s)
{
	struct ip_addr peer;
	uint16_t port_be;

	if (stream_remote(s->stream, &peer, &port_be))
		ip_to_sockaddr(&peer, port_be, &c->src);
}

static void
put_segments(struct reap *r, struct sock *s, struct rte_mbuf *chain, uint16_t len)
{
	struct sock_completion *c = r->at++;

	memset(c, 0, sizeof(*c));
	c->events = SOCK_XTREME_PACKET;
	c->user_data = s->user_data;
	put_peer(c, s);
	c->packet.total_len = len;
	if (unlikely(chain->ol_flags & ring_mbuf_timestamp_flag))
		stamp(&c->packet, r, s, chain);
	lend_chain(&c->packet, chain, s->serial);
	STAT_INC(stream_counters(s->stream), SOCK, rx_lent);
}

/* The pending error is left for who asks for it: only data are taken. */
static bool
serve_connection(struct sock *s, struct reap *r)
{
	struct sock_completion *first = r->at;
	struct stream_queued q;
	struct rte_mbuf *chain;
	ssize_t n;

	while (stream_queued(s->stream, &q) == 0 && q.rx != 0) {
		if (r->at == r->end)
			return true;
		n = stream_recv_mbufs(s->stream, SEGMENTS, &chain);
		if (n <= 0)
			return n == -ENOBUFS;
		put_segments(r, s, chain, (uint16_t)n);
	}
	return put_events(s, r, r->at != first);
}

static void
put_accepted(struct reap *r, const struct sock *l, int fd)
{
	struct sock_completion *c = r->at++;
	struct sock *s = sock_get(fd);

	memset(c, 0, sizeof(*c));
	c->events = SOCK_XTREME_ACCEPTED;
	c->user_data = (uint64_t)fd;
	c->listen_fd = l->fd;
	/* another thread may have guessed its number and closed it */
	if (s == NULL)
		return;
	c->user_data = s->user_data;
	if (s->stream != NULL)
		put_peer(c, s);
	sock_put(s);
}

/* Without a descriptor to be had the connection waits on, and so does the note. */
static bool
serve_listener(struct sock *l, struct reap *r)
{
	int fd;

	while (r->at != r->end) {
		fd = stream_sock_accept(l, 0);
		if (fd < 0)
			return fd != -EAGAIN && fd != -EINVAL;
		put_accepted(r, l, fd);
	}
	return true;
}
/** @} */

bool
xtreme_serve(struct sock *s, struct reap *r)
{
	if (unlikely(!s->offloaded))
		return false;
	if (s->udp != NULL)
		return serve_datagrams(s, r);
	switch (stream_phase(s->stream)) {
	case STREAM_LISTENING:
		return serve_listener(s, r);
	case STREAM_IDLE:
		return false;
	default:
		return serve_connection(s, r);
	}
}
