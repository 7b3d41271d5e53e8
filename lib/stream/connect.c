/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connecting: the way, a local address and number, a flow for the answers, then the SYN; and how it
 * went.
 */
#include "stream/stream_priv.h"

int
connect_way(const struct stream *s, const struct ip_addr *peer, struct net_dst *d)
{
	struct net_way way = { .dst = *peer,
		.src = s->addr_bound ? s->local : ip_from_v4(0),
		.port = s->opt.bind_port,
		.ifindex = s->opt.bind_ifindex,
		.ttl = s->opt.ttl,
		.tos = s->opt.tos,
		.proto = IPPROTO_TCP,
		.df = true };
	int ret;

	if (!ip_is_v4(peer))
		return -EREMOTE;
	ret = net_route(&way, d);
	if (ret == 0 && d->local)
		return -EREMOTE;
	if (ret == 0 && (d->broadcast || d->multicast))
		return -ENETUNREACH;
	return ret;
}

int
stream_way(struct stream *s, const struct ip_addr *peer, struct ip_addr *local)
{
	struct net_dst d;
	int ret = connect_way(s, peer, &d);

	if (ret == 0)
		*local = d.src;
	return ret;
}

/* Connections of that number, whichever engine has them. */
static void
in_use(struct stream_engine *e, void *ctx)
{
	struct candidate *c = ctx;

	engine_enter(e);
	c->used |= tcp_key_in_use(e->tcp, &c->key);
	engine_leave(e);
}

bool
candidate_is_free(uint16_t port_be, struct candidate *c)
{
	/* a number that nobody has has no connections either */
	if (number_find(port_be) == NULL)
		return true;
	c->key.lport = port_be;
	c->used = false;
	engine_foreach(in_use, c);
	return !c->used;
}

static bool
is_free(uint16_t port_be, void *ctx)
{
	return candidate_is_free(port_be, ctx);
}

static int
choose_number(struct stream *s, const struct ip_addr *peer, uint16_t port_be,
		const struct net_dst *d, uint16_t *lport_be)
{
	const struct ip_addr *local = &d->src;
	struct candidate c = { .key = { .local = *local, .remote = *peer, .rport = port_be } };

	if (*lport_be == 0) {
		*lport_be = aim_number(s, peer, port_be, d);
		if (*lport_be == 0)
			*lport_be = number_choose(s, local, true, is_free, &c);
		return *lport_be != 0 ? 0 : -EADDRNOTAVAIL;
	}
	return number_conflict(s, local, *lport_be, false) || !is_free(*lport_be, &c) ? -EADDRINUSE
										      : 0;
}

static int
open_conn(struct stream *s, struct stream_flow *flow, const struct tcp_key *key)
{
	struct stream_engine *e = flow->engine;
	struct tcp_conn *conn;
	int ret;

	engine_enter(e);
	e->opening = s;
	ret = tcp_connect(e->tcp, key, &s->opt.tcp, s, &conn);
	e->opening = NULL;
	if (ret == 0) {
		stream_own(s, e, conn, flow);
		s->phase = STREAM_CONNECTING;
		s->shut = 0;
		s->error = 0;
	}
	engine_leave(e);
	return ret;
}

/* The device took no rule for it: a flow to its address and number brings its segments, too. */
static struct stream_flow *
shared(struct stream *s, const struct net_dst *d)
{
	struct flow_key key = {
		.local = d->src, .lport = s->lp->port, .vlan_id = d->vlan_id, .proto = IPPROTO_TCP
	};
	struct stream_flow *f = flow_first(s->lp, d->port, &key);

	/* of several rings that share it, what comes by another than this is a stray */
	if (f == NULL || f->flow == NULL || !f->flow->in_device)
		return NULL;
	ring_rx_lock(f->ring);
	STAT_INC(&f->ring->stats, RING, rules_shared);
	ring_rx_unlock(f->ring);
	return flow_hold(f);
}

/* A flow of its own, or with VMA_TCP_3T_RULES that of its address and number. */
static int
connect_from(struct stream *s, const struct ip_addr *peer, uint16_t port_be,
		const struct net_dst *d)
{
	struct tcp_key key = {
		.local = d->src, .remote = *peer, .lport = s->lp->port, .rport = port_be
	};
	struct flow_key fk = {
		.local = d->src, .lport = s->lp->port, .vlan_id = d->vlan_id, .proto = IPPROTO_TCP
	};
	struct stream_flow *flow;
	int ret;

	if (!conf()->tcp_3t_rules) {
		fk.remote = *peer;
		fk.rport = port_be;
	}
	ret = flow_get(s->lp, d->port, &fk, &s->alloc, &flow);
	if (ret == -ENOSPC && (flow = shared(s, d)) != NULL)
		ret = 0;
	if (ret != 0)
		return ret;
	ret = open_conn(s, flow, &key);
	if (ret != 0) {
		flow_put(flow);
		flow_reap();
	} else {
		aim_check(flow, &key);
	}
	return ret;
}

static int
connect_locked(struct stream *s, const struct ip_addr *peer, uint16_t port_be, uint16_t lport_be)
{
	bool fresh = s->lp == NULL;
	struct net_dst d;
	int ret;

	if (s->phase != STREAM_IDLE)
		return s->phase == STREAM_CONNECTING ? -EALREADY : -EISCONN;
	ret = connect_way(s, peer, &d);
	if (ret != 0)
		return ret;
	flow_reap();
	if (fresh) {
		ret = choose_number(s, peer, port_be, &d, &lport_be);
		if (ret == 0)
			ret = number_enter(s, &d.src, lport_be);
		if (ret != 0)
			return ret;
	}
	ret = connect_from(s, peer, port_be, &d);
	if (ret == 0)
		s->local = d.src;
	else if (fresh)
		number_leave(s);
	/* Linux: of a number that the program named it says this */
	return ret == -EADDRINUSE && !fresh ? -EADDRNOTAVAIL : ret;
}

int
stream_connect(struct stream *s, const struct ip_addr *peer, uint16_t port_be, uint16_t lport_be)
{
	int ret;

	stream_control_lock();
	ret = connect_locked(s, peer, port_be, lport_be);
	aim_over(s);
	stream_control_unlock();
	return ret;
}

static int
result(struct stream *s)
{
	enum tcp_state state;
	int err;

	if (s->conn == NULL)
		return -ECONNABORTED;
	state = tcp_conn_state(s->conn);
	if (state == TCP_S_SYN_SENT || state == TCP_S_SYN_RECEIVED)
		return -EALREADY;
	if (state != TCP_S_CLOSED) {
		s->phase = STREAM_CONNECTED;
		return 0;
	}
	err = tcp_error(s->conn, true);
	return err != 0 ? -err : -ECONNABORTED;
}

int
stream_connect_result(struct stream *s)
{
	int ret;

	stream_control_lock();
	if (s->phase != STREAM_CONNECTING) {
		stream_control_unlock();
		return s->phase == STREAM_CONNECTED ? -EISCONN : -ECONNABORTED;
	}
	engine_enter(s->engine);
	ret = result(s);
	engine_leave(s->engine);
	if (ret != 0 && ret != -EALREADY)
		stream_disconnect(s);
	stream_control_unlock();
	return ret;
}
