/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ways: what a socket keeps of its peer and of a few recent destinations, and the rings it sends
 * by. A way is asked for anew when options, routes or neighbours changed. Nothing of this exists
 * for a socket that only receives.
 */
#include <stdlib.h>

#include "udp/way_priv.h"

int
way_ready(struct udp_sock *s)
{
	if (unlikely(s->tx == NULL))
		s->tx = calloc(1, sizeof(*s->tx));
	return s->tx != NULL ? 0 : -ENOMEM;
}

static void
rings_release(struct ring **rings)
{
	for (unsigned int i = 0; i < PORT_MAX; i++) {
		if (rings[i] != NULL)
			ring_release(rings[i]);
		rings[i] = NULL;
	}
}

/* Out of the cached ways; the rings stay until the next time. */
static void
forget(struct udp_tx *tx)
{
	tx->peer.valid = false;
	for (unsigned int i = 0; i < WAYS; i++)
		tx->cache[i].valid = false;
	tx->last = NULL;
}

void
way_reset(struct udp_sock *s)
{
	struct udp_tx *tx = s->tx;

	if (tx == NULL)
		return;
	forget(tx);
	rings_release(tx->old);
	memcpy(tx->old, tx->rings, sizeof(tx->old));
	memset(tx->rings, 0, sizeof(tx->rings));
}

void
way_close(struct udp_sock *s)
{
	if (s->tx == NULL)
		return;
	rings_release(s->tx->old);
	rings_release(s->tx->rings);
	free(s->tx);
	s->tx = NULL;
}

static const struct ip_addr *
source_of(const struct udp_sock *s, bool multicast)
{
	static const struct ip_addr any = { .w = { 0, 0, RTE_BE32(0xffff), 0 } };

	if (s->kind == LOCAL_UNICAST)
		return &s->local;
	if (multicast && !ip_is_any(&s->opt.mc_addr))
		return &s->opt.mc_addr;
	return &any;
}

void
way_ask(const struct udp_sock *s, const struct ip_addr *dst, struct net_way *way)
{
	bool multicast = ip_is_multicast(dst);

	*way = (struct net_way){ .dst = *dst,
		.src = *source_of(s, multicast),
		.port = multicast && s->opt.mc_port != NULL ? s->opt.mc_port : s->opt.bind_port,
		.ifindex = s->opt.bind_ifindex,
		.ttl = multicast ? s->opt.mc_ttl : s->opt.ttl,
		.tos = s->opt.tos,
		.proto = IPPROTO_UDP,
		.df = s->opt.df,
		.no_check = s->opt.no_check };
}

bool
way_is_broadcast(const struct ip_addr *dst, const struct port *port)
{
	if (ip_is_v4(dst) && ip_v4(dst) == INADDR_BROADCAST)
		return true;
	for (unsigned int i = 0; port != NULL && i < port->n_addrs; i++)
		if (!ip_is_any(&port->addrs[i].broadcast) &&
				ip_equal(dst, &port->addrs[i].broadcast))
			return true;
	return false;
}

static __rte_noinline int
tx_ring(struct udp_sock *s, const struct port *port, struct ring **ring)
{
	struct ring **r = &s->tx->rings[port->index];
	int rc;

	if (*r == NULL) {
		rc = ring_acquire((struct port *)(uintptr_t)port, RING_TX, &s->tx_alloc,
				s->kind == LOCAL_UNICAST ? &s->local : NULL, r);
		if (rc < 0) {
			*r = NULL;
			return rc;
		}
	}
	*ring = *r;
	return 0;
}

/* Ask for the way anew: it is the first time, options changed, or the network did. */
static __rte_noinline int
renew(struct udp_sock *s, struct way *w, const struct net_way *ask)
{
	struct net_dst d;
	int rc;

	w->valid = false;
	memset(&d, 0, sizeof(d));
	rc = net_route(ask, &d);
	/*
	 * A neighbour that did not answer is no error of the datagram that finds it so, on Linux:
	 * it is dropped, and who is connected to that peer hears of it as of an ICMP error.
	 */
	if (rc == -EHOSTUNREACH && d.neigh != NULL)
		rc = 0;
	if (rc == 0 && d.local)
		rc = -EREMOTE;
	if (rc == 0)
		rc = tx_ring(s, d.port, &w->ring);
	/* The old way stays: packets of this chunk may be meant for it. */
	if (rc < 0)
		return rc;
	w->d = d;
	w->dst = ask->dst;
	w->src = ask->src;
	w->port = ask->port;
	w->ttl = ask->ttl;
	w->tos = ask->tos;
	w->df = ask->df;
	w->no_check = ask->no_check;
	w->broadcast = way_is_broadcast(&ask->dst, w->d.port);
	w->several = w->broadcast || ip_is_multicast(&ask->dst);
	w->valid = true;
	return 0;
}

/* Whether the way is what is asked for now; the options may change at any time. */
static inline bool
fits(const struct way *w, const struct udp_sock *s, const struct udp_out *o)
{
	const struct udp_options *opt = &s->opt;
	uint8_t ttl, tos = o->tos >= 0 ? (uint8_t)o->tos : opt->tos;
	bool multicast;

	if (!w->valid)
		return false;
	multicast = w->several && !w->broadcast;
	ttl = o->ttl >= 0 ? (uint8_t)o->ttl : multicast ? opt->mc_ttl : opt->ttl;
	if (w->ttl != ttl || w->tos != tos || w->df != opt->df || w->no_check != opt->no_check ||
			w->port !=
					(multicast && opt->mc_port != NULL ? opt->mc_port
									   : opt->bind_port))
		return false;
	return ip_equal(&w->src, o->src != NULL ? o->src : source_of(s, multicast));
}

static __rte_noinline int
find(struct udp_sock *s, struct way *w, const struct udp_out *o, const struct ip_addr *dst)
{
	struct net_way ask;

	way_ask(s, dst, &ask);
	if (o->src != NULL)
		ask.src = *o->src;
	if (o->tos >= 0)
		ask.tos = (uint8_t)o->tos;
	if (o->ttl >= 0)
		ask.ttl = (uint8_t)o->ttl;
	return renew(s, w, &ask);
}

/* In the cache, or the least recently used entry that this chunk does not use; NULL: all in use. */
static struct way *
cached(struct udp_tx *tx, const struct udp_sock *s, const struct udp_out *o)
{
	struct way *oldest = NULL;

	for (unsigned int i = 0; i < WAYS; i++) {
		struct way *w = &tx->cache[i];

		if (w->valid && ip_equal(&w->dst, o->addr) && fits(w, s, o))
			return w;
		if (w->chunk == tx->chunk)
			continue;
		if (oldest == NULL || w->used < oldest->used)
			oldest = w;
	}
	if (oldest != NULL)
		oldest->valid = false;
	return oldest;
}

int
way_get(struct udp_sock *s, const struct udp_out *o, struct way **way)
{
	struct udp_tx *tx = s->tx;
	struct way *w;
	int rc;

	if (o->addr == NULL && !s->connected)
		return -EDESTADDRREQ;
	if (o->addr == NULL) {
		w = &tx->peer;
		/* Its packets of this chunk are made for the way as it was. */
		if (w->valid && w->chunk == tx->chunk && !fits(w, s, o))
			return 1;
	} else {
		w = cached(tx, s, o);
		if (w == NULL)
			return 1;
		w->used = ++tx->clock;
	}
	if (unlikely(!w->valid || !net_dst_valid(&w->d) || !fits(w, s, o))) {
		rc = find(s, w, o, o->addr != NULL ? o->addr : &s->peer);
		if (rc < 0)
			return rc;
	}
	w->chunk = tx->chunk;
	*way = w;
	return 0;
}
