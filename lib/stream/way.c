/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way out of an engine: from its packets to net_output(). A connection keeps its way behind
 * itself; what has no connection (resets, SYN cookies, the first look at the MTU) goes by a small
 * cache. Everything leaves by the ring that it came by, whatever a route prefers.
 */
#include <rte_jhash.h>
#include <rte_tcp.h>

#include "stream/stream_priv.h"

#define TTL 64 /* RFC 1700 */

/* What a connection asks of its way; one that has not been accepted has no wishes yet. */
static void
ask(const struct stream_engine *e, const struct tcp_key *key, const struct conn_extra *x, bool df,
		struct net_way *way)
{
	*way = (struct net_way){
		.dst = key->remote, .src = key->local, .ttl = TTL, .proto = IPPROTO_TCP, .df = df
	};
	if (x != NULL && x->set) {
		way->ttl = x->ttl;
		way->tos = x->tos;
	} else if (e->opening != NULL) {
		way->ttl = e->opening->opt.ttl;
		way->tos = e->opening->opt.tos;
	}
	/* the two bits of ECN are TCP's */
	way->tos &= 0xfc;
}

static int
route(const struct stream_engine *e, struct net_way *way, struct net_dst *d)
{
	int ret = net_route(way, d);

	if (ret == -EREMOTE || (ret == 0 && d->port != e->ring->port)) {
		way->port = e->ring->port;
		ret = net_route(way, d);
	}
	return ret;
}

static struct way *
cached(struct stream_engine *e, const struct net_way *way)
{
	struct way *w = &e->ways[rte_jhash_2words(ip_v4(&way->dst), ip_v4(&way->src), 0) &
			(WAYS - 1)];

	if (w->used &&
			(!ip_equal(&w->d.dst, &way->dst) || !ip_equal(&w->src, &way->src) ||
					w->ttl != way->ttl || w->tos != way->tos ||
					w->d.df != way->df))
		w->used = false;
	return w;
}

/* In the cache, asked for anew when it is not good any more. */
static int
find(struct stream_engine *e, struct net_way *way, struct net_dst **d)
{
	struct way *w = cached(e, way);
	int ret;

	if (!w->used || !net_dst_valid(&w->d)) {
		w->used = false;
		ret = route(e, way, &w->d);
		if (ret != 0)
			return ret;
		w->src = way->src;
		w->ttl = way->ttl;
		w->tos = way->tos;
		w->used = true;
	}
	*d = &w->d;
	return 0;
}

uint16_t
way_mtu(void *ctx, const struct tcp_key *key)
{
	struct stream_engine *e = ctx;
	struct net_way way;
	struct net_dst *d;

	ask(e, key, NULL, true, &way);
	return find(e, &way, &d) == 0 ? d->mtu : 0;
}

/* Of a SYN the application hears; whatever comes later is a hint (RFC 5461), and for the timers. */
static __rte_noinline void
no_way(struct stream_engine *e, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n,
		int err)
{
	bool final = err == -EHOSTUNREACH || err == -ENETUNREACH || err == -EACCES;

	if (final && out->conn != NULL && e->troubles < TROUBLES) {
		const struct rte_tcp_hdr *th =
				rte_pktmbuf_mtod(pkts[0], const struct rte_tcp_hdr *);

		e->trouble[e->troubles++] = (struct trouble){
			.key = *out->key, .seq = rte_be_to_cpu_32(th->sent_seq), .err = -err
		};
	}
	STAT_ADD(&e->ring->tx_stats, RING, tx_no_neighbour, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

/* The way of one call, renewed: a connection's own is a copy of the cache's. */
static __rte_noinline int
renew(struct stream_engine *e, const struct tcp_out *out, struct net_dst **d)
{
	struct conn_extra *x = out->conn != NULL ? extra_of(out->conn) : NULL;
	struct net_dst *found;
	struct net_way way;
	int ret;

	ask(e, out->key, x, out->df, &way);
	ret = find(e, &way, &found);
	if (ret != 0)
		return ret;
	*d = found;
	if (x != NULL) {
		x->d = *found;
		*d = &x->d;
	}
	return 0;
}

void
way_output(void *ctx, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct stream_engine *e = ctx;
	struct net_dst *d = NULL;
	int ret;

	if (likely(out->conn != NULL))
		d = &extra_of(out->conn)->d;
	if (unlikely(d == NULL || !net_dst_valid(d) || d->df != out->df)) {
		ret = renew(e, out, &d);
		if (ret != 0) {
			if (out->dummy)
				rte_pktmbuf_free_bulk(pkts, n);
			else
				no_way(e, out, pkts, n, ret);
			return;
		}
	}
	net_dst_ecn(d, out->ecn);
	if (unlikely(out->dummy))
		net_dummy(d, e->ring, pkts, n);
	else
		net_output(d, e->ring, pkts, n);
}

int
way_of(struct stream_engine *e, struct tcp_conn *conn, struct net_dst **d)
{
	const struct tcp_out out = { .conn = conn, .key = tcp_conn_key(conn), .df = true };
	int ret = 0;

	*d = &extra_of(conn)->d;
	if (!net_dst_valid(*d))
		ret = renew(e, &out, d);
	return ret == 0 && !(*d)->resolved ? -EAGAIN : ret;
}

void
way_reclaim(void *ctx)
{
	const struct stream_engine *e = ctx;

	ring_tx_reclaim(e->ring);
}
