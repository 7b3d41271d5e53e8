/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a connection object: made, negotiated, established, finished, freed. What the
 * segments of its life say is input.c's, what the application asks for call.c's.
 */
#include <stdlib.h>

#include "tcp_priv.h"

#define FREE_KEPT 1024u /**< objects kept for the next connections */
#define QUICK_START                                                                                \
	16 /**< segments acknowledged at once at the start, while the peer slow starts */
#define IP_TCP_HDR 40u

static struct tcp_conn *
object_get(struct tcp_engine *engine)
{
	size_t size = RTE_ALIGN(tcp_conn_size(engine), (size_t)RTE_CACHE_LINE_SIZE);
	struct tcp_conn *conn = engine->free_conns;

	if (conn != NULL) {
		engine->free_conns = conn->owner;
		engine->n_free--;
	} else {
		conn = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
		if (conn == NULL)
			return NULL;
	}
	memset(conn, 0, size);
	return conn;
}

static void
object_put(struct tcp_engine *engine, struct tcp_conn *conn)
{
	if (engine->n_free >= FREE_KEPT) {
		free(conn);
		return;
	}
	conn->owner = engine->free_conns;
	engine->free_conns = conn;
	engine->n_free++;
}

void
engine_reap(struct tcp_engine *engine)
{
	struct tcp_conn *conn;

	while (unlikely((conn = TAILQ_FIRST(&engine->dead)) != NULL)) {
		TAILQ_REMOVE(&engine->dead, conn, link);
		rcvq_free(conn);
		marks_free(conn);
		if (engine->config.ops.gone != NULL)
			engine->config.ops.gone(engine->config.ctx, conn);
		object_put(engine, conn);
	}
}

int
conn_create(struct tcp_engine *engine, const struct tcp_key *key, uint32_t hash,
		const struct tcp_options *opt, struct tcp_conn **out)
{
	uint16_t mtu = engine->config.ops.mtu(engine->config.ctx, key);
	struct tcp_conn *conn;
	unsigned int t;

	if (mtu < IP_TCP_HDR + MSS_MIN)
		return -ENETUNREACH;
	if (engine->config.max_conns != 0 && engine->n_conns >= engine->config.max_conns)
		return -ENOBUFS;
	conn = object_get(engine);
	if (conn == NULL)
		return -ENOMEM;
	conn->key = *key;
	conn->hash = hash;
	conn->engine = engine;
	conn->opt = *opt;
	conn->mtu = mtu;
	if (table_add(&engine->conns, conn) != 0) {
		object_put(engine, conn);
		return -ENOMEM;
	}
	engine->n_conns++;
	for (t = 0; t < TIMER_MAX; t++)
		conn->deadline[t] = UINT64_MAX;
	conn->iss = isn_make(&engine->secret, key, engine->now);
	conn->snd_una = conn->snd_nxt = conn->snd_up = conn->iss;
	conn->snd_sml = conn->iss;
	conn->ts_off = ts_offset(&engine->secret, key);
	conn->peer_mss = MSS_DEFAULT;
	conn->last_received = engine->now;
	conn->quick = QUICK_START;
	loss_init(conn);
	conn_set_mss(conn);
	*out = conn;
	return 0;
}

uint8_t
scale_for(uint32_t rcvbuf)
{
	uint8_t shift = 0;

	while (shift < WSCALE_MAX && (rcvbuf >> shift) > UINT16_MAX)
		shift++;
	return shift;
}

void
conn_negotiate(struct tcp_conn *conn, const struct tcp_opts *opts)
{
	const struct tcp_options *opt = &conn->opt;

	conn->flags &= ~(uint32_t)(F_TS | F_SACK | F_WSCALE);
	if (opt->timestamps && (opts->have & OPT_TS) != 0) {
		conn->flags |= F_TS;
		conn->ts_recent = opts->ts_val;
		conn->ts_recent_at = conn_now(conn);
	}
	if (opt->sack && (opts->have & OPT_SACK_OK) != 0)
		conn->flags |= F_SACK;
	if (opt->window_scaling && (opts->have & OPT_WS) != 0) {
		conn->flags |= F_WSCALE;
		conn->snd_wscale = RTE_MIN(opts->wscale, WSCALE_MAX);
		conn->rcv_wscale = scale_for(opt->rcvbuf);
	} else {
		conn->snd_wscale = conn->rcv_wscale = 0;
	}
	conn->peer_mss = (opts->have & OPT_MSS) != 0 ? RTE_MAX(opts->mss, (uint16_t)MSS_MIN)
						     : MSS_DEFAULT;
	conn_set_mss(conn);
}

void
conn_set_mss(struct tcp_conn *conn)
{
	uint16_t mss = RTE_MIN((uint16_t)(conn->mtu - IP_TCP_HDR), conn->peer_mss);

	if (conn->opt.mss != 0)
		mss = RTE_MIN(mss, conn->opt.mss);
	mss = RTE_MAX(mss, (uint16_t)MSS_MIN);
	/* options are part of the packet, not of the MSS (RFC 6691) */
	conn->snd_mss_base = mss;
	conn->snd_mss = mss - ((conn->flags & F_TS) != 0 ? 12 : 0);
	/* Eff.snd.MSS, which RFC 9293 3.8.6.2.2 takes for the peer's too */
	conn->rcv_mss = RTE_MAX(conn->rcv_mss, (uint32_t)conn->snd_mss);
}

#define MTU_RETRY (600 * SEC) /* RFC 1191 6.3, RFC 4821 7.7: a path may have become wider */

void
conn_narrow(struct tcp_conn *conn, uint16_t mtu)
{
	conn->mtu = mtu;
	conn->mtu_retry = conn_now(conn) + MTU_RETRY;
	conn_set_mss(conn);
}

void
conn_widen(struct tcp_conn *conn)
{
	struct tcp_engine *engine = conn->engine;
	uint16_t mtu;

	if (conn_now(conn) < conn->mtu_retry)
		return;
	conn->mtu_retry = 0;
	mtu = engine->config.ops.mtu(engine->config.ctx, &conn->key);
	if (mtu <= conn->mtu)
		return;
	conn->mtu = mtu;
	conn_set_mss(conn);
}

void
conn_event(struct tcp_conn *conn, unsigned int events)
{
	struct tcp_engine *engine = conn->engine;

	if (conn->owner != NULL && (conn->flags & F_ORPHAN) == 0 && !engine->ending)
		engine->config.ops.event(engine->config.ctx, conn->owner, events);
}

void
conn_established(struct tcp_conn *conn)
{
	uint64_t now = conn_now(conn);

	COUNT(conn->engine, established);
	conn->state = TCP_S_ESTABLISHED;
	cc_init(&conn->cc, conn->opt.cc, conn->snd_mss, now);
	if (conn->syn_times == 1)
		rtt_sample(conn, RTE_MAX(now - conn->life_at, UINT64_C(1)));
	else if (conn->syn_times > 1) {
		/* the SYN was lost: RFC 6298 5.7, RFC 5681 3.1 */
		conn->loss.rto = RTO_AFTER_SYN;
		if (conn->opt.cc != TCP_CC_NONE)
			conn->cc.cwnd = conn->snd_mss;
	}
	conn->life_at = now;
	life_arm(conn);
	conn_event(conn, TCP_E_CONNECTED | TCP_E_WRITABLE);
}

void
conn_time_wait(struct tcp_conn *conn)
{
	conn->state = TCP_S_TIME_WAIT;
	conn->life_at = conn_now(conn);
	timer_stop(conn, TIMER_LOSS);
	timer_stop(conn, TIMER_SEND);
	sndq_free(conn);
	life_arm(conn);
	conn_event(conn, TCP_E_CLOSED | TCP_E_READABLE);
}

void
conn_finish(struct tcp_conn *conn)
{
	struct tcp_engine *engine = conn->engine;
	unsigned int t;

	if ((conn->flags & F_FINISHED) != 0)
		return;
	conn->state = TCP_S_CLOSED;
	conn->flags |= F_FINISHED;
	for (t = 0; t < TIMER_MAX; t++)
		timer_stop(conn, t);
	wheel_del(&engine->wheel, &conn->timer);
	if ((conn->flags & F_DUE) != 0)
		TAILQ_REMOVE(&engine->due, conn, due);
	conn->flags &= ~(uint32_t)F_DUE;
	listen_forget(conn);
	if (!engine->ending)
		table_del(&engine->conns, conn);
	engine->n_conns--;
	sndq_free(conn);
	if ((conn->flags & F_ORPHAN) != 0)
		TAILQ_INSERT_TAIL(&engine->dead, conn, link);
	else
		TAILQ_INSERT_TAIL(&engine->ended, conn, link);
}

void
conn_drop(struct tcp_conn *conn, int error)
{
	/* one that nobody has accepted yet is nobody's */
	if (conn->owner == NULL)
		conn->flags |= F_ORPHAN;
	if (error != 0)
		conn->error = (uint8_t)error;
	conn_finish(conn);
	conn_event(conn,
			(error != 0 ? TCP_E_ERROR : 0) | TCP_E_CLOSED | TCP_E_READABLE |
					TCP_E_WRITABLE);
}
