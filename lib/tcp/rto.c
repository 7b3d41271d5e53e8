/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The round trip and the one timer of loss recovery (RFC 6298): when it is due and what then
 * happens, as retransmission timeout, tail loss probe, reordering timer or probe of a closed
 * window. Whether a timeout was spurious (RFC 5682), when to give up (RFC 1122 4.2.3.5, RFC 5482),
 * and segments that vanish because they are too large (RFC 4821 7.7 in the small). What a timeout
 * does to the window is recovery.c's.
 */
#include "tcp/loss_priv.h"

#define MIN_RTT_LIFE 300000u /* ms; a path may become longer */
#define MTU_SAFE 1200u	     /* IPv6's minimum less a tunnel */
#define MTU_LEAST 576u	     /* RFC 9293 3.7.1 */

void
loss_init(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	memset(l, 0, sizeof(*l));
	l->rto = RTO_INIT;
	l->reo_mult = 1;
	l->reo_persist = 16;
	l->fack = l->scan = conn->snd_una;
}

/* --- the round trip --- */

static void
min_rtt(struct loss *l, uint64_t rtt, uint64_t now)
{
	uint32_t ms = (uint32_t)(now / MSEC);

	if (l->min_rtt != 0 && rtt > l->min_rtt && ms - l->min_rtt_at < MIN_RTT_LIFE)
		return;
	l->min_rtt = rtt;
	l->min_rtt_at = ms;
}

/*
 * RFC 6298 2, with the gains of RFC 7323 appendix G: a window of samples is worth one. The
 * variation counts for RTO_MIN at least, so that the RTO exceeds the round trip by what a peer may
 * delay an acknowledgement.
 */
void
rtt_sample(struct tcp_conn *conn, uint64_t rtt)
{
	struct loss *l = &conn->loss;
	uint32_t samples = conn_flight(conn) / (2u * RTE_MAX(conn->snd_mss, MSS_MIN));
	unsigned int shift = samples > 1 ? 31u - (unsigned int)__builtin_clz(samples) : 0;
	int64_t diff;

	min_rtt(l, rtt, conn_now(conn));
	l->tlp_ready = true;
	if (l->srtt == 0) {
		l->srtt = rtt;
		l->rttvar = rtt / 2;
	} else {
		diff = (int64_t)(rtt - l->srtt);
		l->rttvar = (uint64_t)((int64_t)l->rttvar +
				(RTE_MAX(diff, -diff) - (int64_t)l->rttvar) / (4 << shift));
		l->srtt = (uint64_t)((int64_t)l->srtt + diff / (8 << shift));
	}
	l->rto = l->srtt + RTE_MAX(4 * l->rttvar, RTO_MIN);
	l->rto = RTE_MIN(l->rto, RTO_MAX);
}

/* --- when the timer is due --- */

static uint64_t
probe_distance(const struct loss *l)
{
	uint64_t distance = l->rto << RTE_MIN(l->probes, 16);

	return RTE_MIN(distance, RTO_MAX);
}

/* Nothing is on the way. Data that the window is too small for need a probe. */
static void
arm_idle(struct tcp_conn *conn)
{
	const struct sndq *q = &conn->sndq;
	struct loss *l = &conn->loss;

	l->reo_at = 0;
	if (q->n == 0 || !conn_synchronized(conn) ||
			window_left(conn) >= RTE_MIN(sndq_at(q, 0)->len, conn->snd_mss)) {
		l->timer = LOSS_NONE;
		timer_stop(conn, TIMER_LOSS);
		return;
	}
	/* what else arrives meanwhile does not put the probe off */
	if (l->timer == LOSS_PROBE && timer_runs(conn, TIMER_LOSS))
		return;
	l->timer = LOSS_PROBE;
	timer_set(conn, TIMER_LOSS, conn_now(conn) + probe_distance(l));
}

void
loss_arm(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;
	uint64_t at = l->rto_from + l->rto, probe, limit;

	if (conn->sndq.n_sent == 0) {
		arm_idle(conn);
		return;
	}
	l->timer = LOSS_RTO;
	if (unlikely(l->reo_at != 0)) {
		if (l->reo_at < at) {
			l->timer = LOSS_REO;
			at = l->reo_at;
		}
	} else if ((probe = tlp_timeout(conn)) != 0) {
		/* after the last transmission or acknowledgement, but not after the RTO */
		l->timer = LOSS_TLP;
		probe += RTE_MAX(l->rto_from, conn->last_sent);
		at = RTE_MIN(at, probe);
	} else if (unlikely(l->backoff != 0 && conn->opt.user_timeout_ms != 0)) {
		limit = l->first_rto_at + conn->opt.user_timeout_ms * MSEC;
		at = RTE_MIN(at, limit);
	}
	timer_set(conn, TIMER_LOSS, at);
}

/* --- what happens --- */

/* RFC 1122 4.2.3.5 R2; RFC 5482 takes its place when set. */
static bool
expired(const struct tcp_conn *conn, unsigned int unanswered)
{
	const struct tcp_options *opt = &conn->opt;

	if (opt->user_timeout_ms != 0)
		return conn_now(conn) - conn->loss.first_rto_at >= opt->user_timeout_ms * MSEC;
	return unanswered > opt->retries;
}

static void
give_up(struct tcp_conn *conn)
{
	COUNT(conn->engine, timeouts);
	conn_drop(conn, conn->soft_error != 0 ? conn->soft_error : ETIMEDOUT);
}

/* Full segments get no answer, time after time: perhaps none of that size arrives. An outage looks
 * the same, so this is not for ever either: conn_narrow(). */
static void
black_hole(struct tcp_conn *conn)
{
	const struct loss *l = &conn->loss;
	uint16_t mtu = conn->mtu;

	if (!conn->opt.pmtud || l->backoff < 3 || l->backoff % 2 == 0 ||
			sndq_at(&conn->sndq, 0)->len < conn->snd_mss)
		return;
	if (mtu > MTU_SAFE)
		mtu = MTU_SAFE;
	else if (mtu > MTU_LEAST)
		mtu = MTU_LEAST;
	else
		return;
	COUNT(conn->engine, black_holes);
	conn_narrow(conn, mtu);
}

static void
retransmission_timeout(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;

	if (l->first_rto_at == 0)
		l->first_rto_at = l->rto_from;
	if (l->backoff < UINT8_MAX)
		l->backoff++;
	if (conn->snd_wnd == 0 && conn->last_received >= l->rto_from) {
		/* a peer that took its window back and answers is alive (RFC 9293 3.8.6) */
		l->first_rto_at = conn_now(conn);
		l->backoff = RTE_MIN(l->backoff, conn->opt.retries);
	} else if (expired(conn, l->backoff)) {
		give_up(conn);
		return;
	}
	COUNT(conn->engine, rtos);
	black_hole(conn);
	recovery_rto(conn);
	l->rto = RTE_MIN(2 * l->rto, RTO_MAX); /* RFC 6298 5.5 */
	l->rto_from = conn_now(conn);
	if (output_piece(conn, 0) != 0)
		l->frto = 0; /* output() does it as soon as there are buffers */
}

static void
window_probe(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;
	const struct sndq *q = &conn->sndq;
	uint32_t room = window_left(conn);

	if (q->n == 0 || q->n_sent != 0)
		return;
	if (room != 0) {
		/* RFC 9293 3.8.6.2.1: it stays small, so small segments have to do */
		if (room >= sndq_at(q, 0)->len || sndq_split(conn, 0, (uint16_t)room) == 0)
			output_piece(conn, 0);
		return;
	}
	if (l->silent == 0)
		l->first_rto_at = conn_now(conn);
	else if (expired(conn, l->silent + 1u)) {
		give_up(conn);
		return;
	}
	if (l->silent < UINT8_MAX)
		l->silent++;
	if (l->probes < UINT8_MAX)
		l->probes++;
	COUNT(conn->engine, zero_window_probes);
	output_probe(conn);
}

static void
reordering_timeout(struct tcp_conn *conn)
{
	COUNT(conn->engine, rack_timeouts);
	if (!rack_detect(conn))
		return;
	recovery_lost(conn);
	output(conn);
}

void
loss_timeout(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;
	uint8_t timer = l->timer;

	l->timer = LOSS_NONE;
	timer_stop(conn, TIMER_LOSS);
	switch (timer) {
	case LOSS_RTO:
		if (conn->sndq.n_sent != 0)
			retransmission_timeout(conn);
		break;
	case LOSS_TLP:
		tlp_send(conn);
		break;
	case LOSS_REO:
		reordering_timeout(conn);
		break;
	case LOSS_PROBE:
		window_probe(conn);
		break;
	default:
		break;
	}
	if (conn->state != TCP_S_CLOSED)
		loss_arm(conn);
}

/* --- F-RTO --- */

/*
 * Step 2 sends two new segments instead of what was marked. Without new data or a window for them
 * nothing can be learnt.
 */
static void
frto_step2(struct tcp_conn *conn)
{
	struct loss *l = &conn->loss;
	const struct sndq *q = &conn->sndq;

	if (q->n_sent == q->n || window_left(conn) < sndq_at(q, q->n_sent)->len) {
		l->frto = 0;
		return;
	}
	l->frto = 2;
	l->recover = conn->snd_nxt;
	conn->cc.cwnd = conn_pipe(conn) + 2u * conn->snd_mss;
}

static void
frto_conventional(struct tcp_conn *conn)
{
	conn->loss.frto = 0;
	/* two are on the way, and one may be sent again */
	conn->cc.cwnd = 3u * conn->snd_mss;
}

bool
frto_process(struct tcp_conn *conn, const struct acked *a)
{
	struct loss *l = &conn->loss;
	bool sack = (conn->flags & F_SACK) != 0;

	if (l->frto == 1) {
		if (a->advance == 0) {
			if (a->dup && !sack) /* 2.1 step 2 a */
				l->frto = 0;
		} else if (seq_geq(conn->snd_una, l->recover)) {
			l->frto = 0;
		} else {
			frto_step2(conn);
		}
		return false;
	}
	/* 3.1 step 3 a: what was sent after the timeout arrives before what was sent before it */
	if (seq_gt(l->fack, l->recover) || (a->dup && !sack)) {
		frto_conventional(conn);
		return false;
	}
	return a->original_acked; /* step 3 b */
}
