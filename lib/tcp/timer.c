/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is due: a connection's deadlines, and the life timer (handshake, keepalive, FIN-WAIT-2,
 * TIME-WAIT). The loss timer's work is rto.c's and rack.c's, the wheel is wheel.c's.
 */
#include "tcp_priv.h"

/* A peer that answers probes of its closed window keeps a connection for ever (RFC 1122 4.2.2.17);
 * one that nobody owns any more only so long (RFC 6429 3). */
#define ORPHAN_STALL (120 * SEC)
/* TCP_DEFER_ACCEPT: who connects and says nothing does not keep a place in the queue for ever. */
#define DEFER_TIME (60 * SEC)

void
timer_set(struct tcp_conn *conn, enum timer t, uint64_t at)
{
	conn->deadline[t] = at;
	/* an entry that fires early is put in again; only one that would be late moves */
	if (at != UINT64_MAX && (conn->timer.prev == NULL || at < conn->timer.at))
		wheel_set(&conn->engine->wheel, &conn->timer, at);
}

static uint64_t
earliest(const struct tcp_conn *conn)
{
	uint64_t at = conn->deadline[0];
	unsigned int t;

	for (t = 1; t < TIMER_MAX; t++)
		at = RTE_MIN(at, conn->deadline[t]);
	return at;
}

/* What ran has put the entry in for its own deadline; another may be earlier. */
static void
cover(struct tcp_conn *conn)
{
	uint64_t at = earliest(conn);

	if (at != UINT64_MAX && (conn->timer.prev == NULL || at < conn->timer.at))
		wheel_set(&conn->engine->wheel, &conn->timer, at);
}

static bool
keepalive_wanted(const struct tcp_conn *conn)
{
	/* what is on the way has timers of its own, and ends a dead connection sooner */
	return conn->opt.keepalive && conn->sndq.n == 0 && (conn->flags & F_ORPHAN) == 0;
}

static uint64_t
syn_timeout(const struct tcp_conn *conn)
{
	unsigned int doubled = conn->syn_times > 0 ? conn->syn_times - 1 : 0;

	return doubled > 6 ? RTO_MAX : RTE_MIN(RTO_INIT << doubled, RTO_MAX);
}

void
life_arm(struct tcp_conn *conn)
{
	uint64_t now = conn_now(conn), at = UINT64_MAX;

	switch (conn->state) {
	case TCP_S_SYN_SENT:
	case TCP_S_SYN_RECEIVED:
		at = now + syn_timeout(conn);
		break;
	case TCP_S_TIME_WAIT:
		at = conn->life_at + conn->engine->config.time_wait_ms * MSEC;
		break;
	case TCP_S_FIN_WAIT_2:
		if ((conn->flags & F_ORPHAN) != 0) {
			at = conn->life_at + (uint64_t)RTE_MAX(conn->opt.fin_wait_s, 0) * SEC;
			break;
		}
		/* FALLTHROUGH */
	case TCP_S_ESTABLISHED:
	case TCP_S_CLOSE_WAIT:
		if ((conn->flags & F_DEFERRED) != 0)
			at = conn->life_at + DEFER_TIME;
		else if (keepalive_wanted(conn))
			at = conn->keep_sent == 0
					? conn->last_received + conn->opt.keep_idle_s * SEC
					: now + conn->opt.keep_interval_s * SEC;
		break;
	default:
		if ((conn->flags & F_ORPHAN) != 0) {
			conn->life_una = conn->snd_una;
			at = now + ORPHAN_STALL;
		}
		break;
	}
	timer_set(conn, TIMER_LIFE, at);
}

static void
syn_again(struct tcp_conn *conn)
{
	if (conn->syn_times > conn->opt.syn_retries) {
		COUNT(conn->engine, timeouts);
		conn_drop(conn, conn->soft_error != 0 ? conn->soft_error : ETIMEDOUT);
		return;
	}
	COUNT(conn->engine, retransmits);
	output_syn(conn);
	life_arm(conn);
}

/* RFC 9293 3.8.4. With a user timeout that decides instead of the count (RFC 5482 4.2). */
static void
keepalive(struct tcp_conn *conn)
{
	uint64_t now = conn_now(conn), silent = now - conn->last_received;
	bool over;

	if (!keepalive_wanted(conn))
		return;
	if (silent < conn->opt.keep_idle_s * SEC) {
		conn->keep_sent = 0;
		life_arm(conn);
		return;
	}
	over = conn->opt.user_timeout_ms != 0
			? conn->keep_sent > 0 && silent >= conn->opt.user_timeout_ms * MSEC
			: conn->keep_sent >= conn->opt.keep_count;
	if (over) {
		COUNT(conn->engine, timeouts);
		output_reset(conn);
		conn_drop(conn, conn->soft_error != 0 ? conn->soft_error : ETIMEDOUT);
		return;
	}
	conn->keep_sent++;
	COUNT(conn->engine, keepalives_out);
	output_probe(conn);
	life_arm(conn);
}

static void
silent_peer(struct tcp_conn *conn)
{
	COUNT(conn->engine, timeouts);
	output_reset(conn);
	conn_drop(conn, 0);
}

static void
orphan(struct tcp_conn *conn)
{
	if (conn->snd_una == conn->life_una) {
		COUNT(conn->engine, timeouts);
		output_reset(conn);
		conn_finish(conn);
	} else {
		life_arm(conn);
	}
}

static void
life(struct tcp_conn *conn)
{
	switch (conn->state) {
	case TCP_S_SYN_SENT:
	case TCP_S_SYN_RECEIVED:
		syn_again(conn);
		break;
	case TCP_S_TIME_WAIT:
		conn_finish(conn);
		break;
	case TCP_S_FIN_WAIT_2:
		if ((conn->flags & F_ORPHAN) != 0)
			conn_finish(conn);
		else
			keepalive(conn);
		break;
	default:
		if ((conn->flags & F_DEFERRED) != 0)
			silent_peer(conn);
		else if ((conn->flags & F_ORPHAN) != 0)
			orphan(conn);
		else
			keepalive(conn);
		break;
	}
}

static bool
due(struct tcp_conn *conn, enum timer t)
{
	if (conn->state == TCP_S_CLOSED || conn->deadline[t] > conn_now(conn))
		return false;
	conn->deadline[t] = UINT64_MAX;
	return true;
}

static void
run(struct tcp_conn *conn)
{
	if (due(conn, TIMER_LOSS))
		loss_timeout(conn);
	if (due(conn, TIMER_ACK)) {
		COUNT(conn->engine, delayed_acks);
		conn->flags |= F_ACK_NOW;
		output(conn);
	}
	if (due(conn, TIMER_SEND))
		output(conn);
	if (due(conn, TIMER_LIFE))
		life(conn);
	if (conn->state != TCP_S_CLOSED)
		cover(conn);
}

uint64_t
tcp_timers(struct tcp_engine *engine)
{
	struct wheel_entry *e;

	while ((e = wheel_take(&engine->wheel, engine->now)) != NULL)
		run((struct tcp_conn *)((char *)e - offsetof(struct tcp_conn, timer)));
	output_due(engine);
	if (unlikely(engine->zc_at <= engine->now))
		zc_settle(engine);
	engine_reap(engine);
	return tcp_next_timer(engine);
}

uint64_t
tcp_next_timer(const struct tcp_engine *engine)
{
	return RTE_MIN(wheel_next(&engine->wheel), engine->zc_at);
}
