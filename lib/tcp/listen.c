/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: SYNs, half open connections, those that wait to be accepted, SYN cookies when there is
 * no room for more half open ones, the limit of SYNs a second.
 */
#include <stdlib.h>

#include "tcp_priv.h"

#define COOKIE_TIME (120 * SEC) /* for so long after the last one an ACK may hold a cookie */

static unsigned int
bucket(uint16_t lport)
{
	return (rte_be_to_cpu_16(lport) * 2654435761u) >> 26;
}

/* Listeners of just this address; the first of them. */
static struct tcp_listener *
group(struct tcp_engine *engine, const struct ip_addr *local, uint16_t lport, unsigned int *n)
{
	struct tcp_listener *l, *first = NULL;

	*n = 0;
	LIST_FOREACH (l, &engine->listeners[bucket(lport)], next) {
		if (l->lport != lport || !ip_equal(&l->local, local))
			continue;
		if (first == NULL)
			first = l;
		++*n;
	}
	return first;
}

/* Number @p i of them, counted from the first. */
static struct tcp_listener *
member(struct tcp_listener *l, unsigned int i)
{
	const struct tcp_listener *first = l;

	while (i != 0) {
		l = LIST_NEXT(l, next);
		i -= l->lport == first->lport && ip_equal(&l->local, &first->local);
	}
	return l;
}

/* Those of the address before those of any; of several the one that the key's hash falls on. */
struct tcp_listener *
listener_find(struct tcp_engine *engine, const struct tcp_key *key, uint32_t hash)
{
	static const struct ip_addr any;
	struct tcp_listener *l;
	unsigned int n;

	l = group(engine, &key->local, key->lport, &n);
	if (l == NULL)
		l = group(engine, &any, key->lport, &n);
	if (likely(n <= 1))
		return l;
	return member(l, (unsigned int)((uint64_t)hash * n >> 32));
}

int
tcp_listen(struct tcp_engine *engine, const struct ip_addr *local, uint16_t lport,
		unsigned int backlog, const struct tcp_options *opt, void *owner,
		struct tcp_listener **listener)
{
	struct ip_addr addr = ip_is_any(local) ? (struct ip_addr){ .d = { 0, 0 } } : *local;
	struct tcp_listener *l;
	unsigned int n;

	l = group(engine, &addr, lport, &n);
	if (l != NULL && !(l->opt.reuse_port && opt->reuse_port))
		return -EADDRINUSE;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->engine = engine;
	l->local = addr;
	l->lport = lport;
	l->owner = owner;
	TAILQ_INIT(&l->half);
	TAILQ_INIT(&l->ready);
	tcp_listener_set(l, backlog, opt);
	LIST_INSERT_HEAD(&engine->listeners[bucket(lport)], l, next);
	*listener = l;
	return 0;
}

void
tcp_listener_set(struct tcp_listener *l, unsigned int backlog, const struct tcp_options *opt)
{
	l->backlog = RTE_MAX(backlog, 1u);
	l->opt = *opt;
}

void
listen_forget(struct tcp_conn *conn)
{
	struct tcp_listener *l = conn->listener;

	if ((conn->flags & F_ACCEPTING) == 0)
		return;
	conn->flags &= ~(uint32_t)F_ACCEPTING;
	conn->listener = NULL;
	if ((conn->flags & F_READY) != 0) {
		TAILQ_REMOVE(&l->ready, conn, link);
		l->n_ready--;
	} else {
		TAILQ_REMOVE(&l->half, conn, link);
		l->n_half--;
	}
}

static void
reset_all(struct tcp_listener *l, bool ready)
{
	struct tcp_conn *conn;

	while ((conn = ready ? TAILQ_FIRST(&l->ready) : TAILQ_FIRST(&l->half)) != NULL) {
		output_reset(conn);
		conn_drop(conn, 0);
	}
}

void
tcp_listener_close(struct tcp_listener *l)
{
	struct tcp_engine *engine = l->engine;

	reset_all(l, false);
	reset_all(l, true);
	LIST_REMOVE(l, next);
	free(l);
	engine_reap(engine);
}

struct tcp_conn *
tcp_accept(struct tcp_listener *l)
{
	struct tcp_conn *conn = TAILQ_FIRST(&l->ready);

	if (conn == NULL)
		return NULL;
	listen_forget(conn);
	COUNT(l->engine, accepted);
	return conn;
}

unsigned int
tcp_accept_waiting(const struct tcp_listener *l)
{
	return l->n_ready;
}

static void
event(struct tcp_listener *l)
{
	l->engine->config.ops.event(l->engine->config.ctx, l->owner, TCP_E_ACCEPT);
}

static void
ready(struct tcp_conn *conn)
{
	struct tcp_listener *l = conn->listener;

	TAILQ_REMOVE(&l->half, conn, link);
	l->n_half--;
	TAILQ_INSERT_TAIL(&l->ready, conn, link);
	l->n_ready++;
	conn->flags |= F_READY;
	event(l);
}

bool
listen_established(struct tcp_conn *conn)
{
	struct tcp_listener *l = conn->listener;

	if (l->n_ready >= l->backlog)
		return false;
	if (conn->opt.defer_accept) {
		conn->flags |= F_DEFERRED;
		return true;
	}
	ready(conn);
	return true;
}

void
listen_data(struct tcp_conn *conn)
{
	conn->flags &= ~(uint32_t)F_DEFERRED;
	life_arm(conn);
	if ((conn->flags & F_ACCEPTING) != 0)
		ready(conn);
}

/* --- segments --- */

static bool
rate_exceeded(struct tcp_listener *l)
{
	uint32_t limit = l->engine->config.syn_rate;
	uint64_t second = l->engine->now / SEC;

	if (limit == 0)
		return false;
	if (l->syn_second != second) {
		l->syn_second = second;
		l->syn_count = 0;
	}
	return ++l->syn_count > limit;
}

static struct tcp_conn *
embryo(struct tcp_listener *l, const struct tcp_in *in)
{
	struct tcp_conn *conn;

	if (conn_create(l->engine, &in->key, in->hash, &l->opt, &conn) != 0) {
		COUNT(l->engine, drop_no_memory);
		return NULL;
	}
	conn->flags |= F_ACCEPTING;
	conn->listener = l;
	conn->state = TCP_S_SYN_RECEIVED;
	TAILQ_INSERT_TAIL(&l->half, conn, link);
	l->n_half++;
	COUNT(l->engine, opens_passive);
	return conn;
}

/* RFC 9293 3.10.7.2, third step. Data in the SYN are left to be sent again. */
static void
syn(struct tcp_listener *l, const struct tcp_in *in)
{
	struct tcp_conn *conn;

	if (rate_exceeded(l)) {
		COUNT(l->engine, drop_syn_rate);
		return;
	}
	if (l->n_ready >= l->backlog) {
		/* whoever is let in now would wait in vain */
		COUNT(l->engine, drop_backlog);
		return;
	}
	if (l->n_half >= l->backlog) {
		l->cookie_at = l->engine->now;
		l->cookies = true;
		COUNT(l->engine, syn_cookies_out);
		stray_cookie(l, in);
		return;
	}
	conn = embryo(l, in);
	if (conn == NULL)
		return;
	conn->irs = in->seq;
	conn->rcv_nxt = conn->rcv_adv = conn->rcv_acked = conn->rcv_up = in->seq + 1;
	conn_negotiate(conn, &in->opts);
	/* who asks gets it, whether we would have asked or not */
	if ((in->flags & (RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG)) ==
			(RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG))
		conn->flags |= F_ECN;
	conn->snd_wnd = conn->snd_wnd_max = in->wnd;
	conn->snd_wl1 = in->seq;
	output_syn(conn);
	life_arm(conn);
}

/* What the SYN offered, from our timestamp that came back (stray.c). Forged bits harm the forger.
 */
static void
cookie_options(const struct tcp_in *in, struct tcp_opts *o)
{
	uint32_t bits = in->opts.ts_ecr & COOKIE_BITS;

	if ((in->opts.have & OPT_TS) == 0)
		return;
	o->have |= OPT_TS;
	o->ts_val = in->opts.ts_val;
	if ((bits & COOKIE_SACK) != 0)
		o->have |= OPT_SACK_OK;
	if ((bits & COOKIE_NO_SCALE) != COOKIE_NO_SCALE) {
		o->have |= OPT_WS;
		o->wscale = bits & COOKIE_NO_SCALE;
	}
}

/* An ACK without a connection: it may answer a cookie. */
static struct tcp_conn *
cookie(struct tcp_listener *l, const struct tcp_in *in)
{
	struct tcp_engine *engine = l->engine;
	struct tcp_opts opts = { .have = OPT_MSS };
	struct tcp_conn *conn;

	if (!l->cookies || engine->now - l->cookie_at > COOKIE_TIME) {
		l->cookies = false;
		COUNT(engine, drop_not_syn);
		stray_reset(engine, in);
		return NULL;
	}
	opts.mss = cookie_check(&engine->secret, &in->key, in->seq - 1, in->ack - 1, engine->now);
	if (opts.mss == 0) {
		COUNT(engine, drop_bad_cookie);
		stray_reset(engine, in);
		return NULL;
	}
	if (l->n_ready >= l->backlog) {
		COUNT(engine, drop_backlog);
		return NULL;
	}
	conn = embryo(l, in);
	if (conn == NULL)
		return NULL;
	COUNT(engine, syn_cookies_in);
	conn->iss = in->ack - 1;
	conn->snd_una = conn->snd_up = conn->snd_sml = conn->iss;
	conn->snd_nxt = in->ack;
	conn->irs = in->seq - 1;
	conn->rcv_nxt = conn->rcv_acked = conn->rcv_up = in->seq;
	conn->rcv_adv = in->seq + RTE_MIN(conn->opt.rcvbuf, (uint32_t)UINT16_MAX);
	cookie_options(in, &opts);
	conn_negotiate(conn, &opts);
	return conn;
}

struct tcp_conn *
listen_input(struct tcp_listener *l, struct tcp_in *in)
{
	if ((in->flags & RTE_TCP_RST_FLAG) != 0) {
		COUNT(l->engine, drop_not_syn);
		return NULL;
	}
	if ((in->flags & RTE_TCP_ACK_FLAG) != 0) {
		if ((in->flags & RTE_TCP_SYN_FLAG) == 0)
			return cookie(l, in);
		COUNT(l->engine, drop_not_syn);
		stray_reset(l->engine, in);
		return NULL;
	}
	if ((in->flags & RTE_TCP_SYN_FLAG) == 0 || (in->flags & RTE_TCP_FIN_FLAG) != 0) {
		COUNT(l->engine, drop_not_syn);
		return NULL;
	}
	syn(l, in);
	return NULL;
}
