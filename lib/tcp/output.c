/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be sent now: retransmissions first, then new data as far as congestion control, the
 * peer's window, Nagle's rule and pacing let it, and an acknowledgement if nothing carried it.
 * How a segment is made is segment.c's.
 */
#include "tcp_priv.h"

#define CORK_TIME (200 * MSEC)
#define PACE_SLACK (1 * MSEC) /* what a late timer may make good at once */
#define NO_BUFFER_TIME (10 * MSEC)
#define CHALLENGES_PER_S 100u /* RFC 5961 7 */

void
output_later(struct tcp_conn *conn)
{
	if ((conn->flags & F_DUE) != 0 || conn->state == TCP_S_CLOSED)
		return;
	conn->flags |= F_DUE;
	TAILQ_INSERT_TAIL(&conn->engine->due, conn, due);
}

void
output_due(struct tcp_engine *engine)
{
	struct tcp_conn *conn;

	while ((conn = TAILQ_FIRST(&engine->due)) != NULL) {
		TAILQ_REMOVE(&engine->due, conn, due);
		conn->flags &= ~(uint32_t)F_DUE;
		output(conn);
		/* what went waits no more */
		if (unlikely(conn->opt.notsent_lowat != 0))
			conn_writable(conn);
	}
}

/* --- want of buffers --- */

/* With nothing on the way no acknowledgement and no timer would make it try again. */
static __rte_noinline void
no_buffer(struct tcp_conn *conn)
{
	if (!timer_runs(conn, TIMER_SEND))
		timer_set(conn, TIMER_SEND, conn_now(conn) + NO_BUFFER_TIME);
}

static bool
split(struct tcp_conn *conn, uint32_t i, uint32_t len)
{
	if (likely(sndq_split(conn, i, (uint16_t)len) == 0))
		return true;
	no_buffer(conn);
	return false;
}

static inline bool
send_pieces(struct tcp_conn *conn, uint32_t i, uint32_t n)
{
	if (likely(segment_data(conn, i, n) == 0))
		return true;
	no_buffer(conn);
	return false;
}

/* --- what holds data back --- */

static inline bool
paces(const struct tcp_conn *conn)
{
	return conn->opt.pacing || conn->opt.pacing_rate != 0;
}

static uint64_t
pacing_rate(const struct tcp_conn *conn)
{
	uint64_t rate = conn->opt.pacing ? cc_pacing_rate(&conn->cc, conn->loss.srtt) : 0;

	if (conn->opt.pacing_rate != 0)
		rate = rate == 0 ? conn->opt.pacing_rate : RTE_MIN(rate, conn->opt.pacing_rate);
	return rate;
}

static bool
pace_holds(struct tcp_conn *conn)
{
	if (likely(!paces(conn)) || conn->pace_next <= conn_now(conn))
		return false;
	COUNT(conn->engine, paced);
	timer_set(conn, TIMER_SEND, conn->pace_next);
	return true;
}

/*
 * How far behind the clock the next time may be, which is what may go at once after a pause. Of a
 * burst that was given the packet itself is a part; one that is the whole burst has half of its
 * distance made good when it is late, so that the rate is kept.
 */
static uint64_t
pace_slack(const struct tcp_conn *conn, uint32_t bytes, uint64_t rate)
{
	uint32_t burst = conn->opt.pacing_rate != 0 ? conn->opt.pacing_burst : 0;

	if (burst == 0)
		return PACE_SLACK;
	return burst > bytes ? (burst - bytes) * SEC / rate : bytes * SEC / rate / 2;
}

static void
pace_sent(struct tcp_conn *conn, uint32_t bytes)
{
	uint64_t now = conn_now(conn), rate, slack;

	if (likely(!paces(conn)) || (rate = pacing_rate(conn)) == 0)
		return;
	slack = pace_slack(conn, bytes, rate);
	conn->pace_next = RTE_MAX(conn->pace_next, now > slack ? now - slack : 0) +
			bytes * SEC / rate;
}

/* Bytes of one packet handed out: a segment, or as many as the device cuts. */
static uint32_t
packet_limit(const struct tcp_conn *conn)
{
	const struct tcp_config *config = &conn->engine->config;
	uint64_t paced;
	uint32_t limit;

	if (config->tso_max <= conn->snd_mss || !config->multi_seg)
		return conn->snd_mss;
	limit = config->tso_max;
	paced = paces(conn) ? pacing_rate(conn) / 1000 : 0;
	if (paced != 0) {
		/* no more at once than goes in a millisecond, or than may */
		paced = RTE_MAX(paced, (uint64_t)2 * conn->snd_mss);
		limit = (uint32_t)RTE_MIN((uint64_t)limit, paced);
		if (conn->opt.pacing_rate != 0 && conn->opt.pacing_burst != 0) {
			paced = RTE_MIN(limit, conn->opt.pacing_burst);
			limit = RTE_MAX((uint32_t)paced, (uint32_t)conn->snd_mss);
		}
	}
	return limit;
}

/* MSG_MORE and TCP_CORK: a part of a segment waits for more, but not for ever. */
static bool
cork_holds(struct tcp_conn *conn)
{
	uint64_t now = conn_now(conn);

	if (!conn->opt.cork && (conn->flags & F_MORE) == 0)
		return false;
	if ((conn->flags & F_CORKED) == 0) {
		conn->flags |= F_CORKED;
		conn->cork_at = now + CORK_TIME;
	}
	if (now >= conn->cork_at)
		return false;
	timer_set(conn, TIMER_SEND, conn->cork_at);
	return true;
}

/* Whether a piece that fills no segment has to wait (RFC 9293 3.7.4, in Minshall's form: only a
 * small segment that is on the way holds the next one back). */
static bool
small_holds(struct tcp_conn *conn, const struct seg *s, bool is_last)
{
	if (!is_last || (s->flags & SEG_FIN) != 0 ||
			((conn->flags & F_URG_OUT) != 0 && seq_gt(conn->snd_up, s->seq)))
		return false;
	if (cork_holds(conn))
		return true;
	if (conn->opt.nodelay)
		return false;
	return seq_gt(conn->snd_sml, conn->snd_una) && seq_lt(conn->snd_una, conn->snd_nxt);
}

/* Data bytes of the window that the peer offers and that are not used. */
static inline uint32_t
window_room(const struct tcp_conn *conn)
{
	uint32_t edge = conn->snd_una + conn->snd_wnd;

	return seq_gt(edge, conn->snd_nxt) ? edge - conn->snd_nxt : 0;
}

/*
 * The next new piece fits the window, or is cut to fit where that is worth a segment (RFC 9293
 * 3.8.6.2.1). False: it waits.
 */
static bool
window_takes(struct tcp_conn *conn, uint32_t i, uint32_t room)
{
	const struct seg *s = sndq_at(&conn->sndq, i);

	if (likely(s->len <= room))
		return true;
	COUNT(conn->engine, rwnd_limited);
	if (room == 0 || (room < conn->snd_mss && room < conn->snd_wnd_max / 2))
		return false;
	return split(conn, i, room);
}

/* A path that became narrower: what was queued for the wider one is cut. */
static inline bool
fits_mss(struct tcp_conn *conn, uint32_t i)
{
	return likely(sndq_at(&conn->sndq, i)->len <= conn->snd_mss) ||
			split(conn, i, conn->snd_mss);
}

/* --- sending --- */

static void
send_again(struct tcp_conn *conn)
{
	uint32_t i = loss_next(conn, 0), sent = 0;

	while (i < conn->sndq.n_sent) {
		const struct seg *s = sndq_at(&conn->sndq, i);
		uint32_t room = loss_room(conn, false);

		/* never wait when nothing is on the way that could bring an answer */
		if (room < RTE_MIN(seg_seqs(s), (uint32_t)conn->snd_mss) && conn_pipe(conn) != 0) {
			conn->flags |= F_CWND_LIMITED;
			break;
		}
		if (sent != 0 && pace_holds(conn))
			break;
		if (!fits_mss(conn, i) || !send_pieces(conn, i, 1))
			break;
		sent = sndq_at(&conn->sndq, i)->len;
		pace_sent(conn, sent);
		i = loss_next(conn, i + 1);
	}
}

/* Short pauses count too: time in which nothing was sent is none of CUBIC's (RFC 9438 5.8). */
static void
after_idle(struct tcp_conn *conn)
{
	uint64_t idle = conn_now(conn) - conn->last_sent;

	if (conn->snd_nxt == conn->snd_una && conn->last_sent != 0)
		cc_ops(&conn->cc)->idle(
				&conn->cc, idle, conn->loss.rto, conn->snd_mss, conn_now(conn));
}

/* How many pieces from @p i on go as one packet. */
static uint32_t
run_of(const struct tcp_conn *conn, uint32_t i, uint32_t limit, uint32_t window, uint32_t cwnd)
{
	const struct sndq *q = &conn->sndq;
	const struct seg *s = sndq_at(q, i);
	uint32_t max, n;

	if (!conn->engine->config.multi_seg)
		return 1;
	limit = RTE_MIN(limit, window);
	cwnd = RTE_MAX(cwnd, (uint32_t)s->len);
	limit = RTE_MIN(limit, cwnd);
	n = segment_run(conn, i, q->n - i, limit);
	/* the last may have to wait for more; all pieces of a cut packet but the last are full */
	for (max = 1; max < n; max++) {
		const struct seg *before = sndq_at(q, i + max - 1), *t = sndq_at(q, i + max);

		if (limit > conn->snd_mss && before->len != conn->snd_mss)
			break;
		if (i + max == q->n - 1 && t->len < conn->snd_mss && (t->flags & SEG_FIN) == 0)
			break;
	}
	return max;
}

static void
send_new(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	uint32_t limit = packet_limit(conn);

	after_idle(conn);
	conn->flags &= ~(uint32_t)F_CWND_LIMITED;
	while (q->n_sent < q->n) {
		uint32_t i = q->n_sent, cwnd = loss_room(conn, true), window = window_room(conn);
		uint32_t n, k, bytes = 0;
		const struct seg *s;

		if (!fits_mss(conn, i) || !window_takes(conn, i, window))
			break;
		s = sndq_at(q, i);
		if (cwnd < RTE_MIN(seg_seqs(s), (uint32_t)conn->snd_mss) &&
				(cwnd == 0 || conn_pipe(conn) != 0)) {
			conn->flags |= F_CWND_LIMITED;
			COUNT(conn->engine, cwnd_limited);
			break;
		}
		if (s->len < conn->snd_mss && small_holds(conn, s, i + 1 == q->n))
			break;
		if (pace_holds(conn))
			break;
		n = run_of(conn, i, limit, window, cwnd);
		for (k = 0; k < n; k++)
			bytes += sndq_at(q, i + k)->len;
		if (!send_pieces(conn, i, n))
			break;
		pace_sent(conn, bytes);
	}
	if (q->n_sent == q->n)
		conn->flags &= ~(uint32_t)F_CORKED;
	/* slow start may grow while at least half of the window is used (RFC 7661 has the reason)
	 */
	if (conn->cc.cwnd < conn->cc.ssthresh && conn_flight(conn) >= conn->cc.cwnd / 2)
		conn->flags |= F_CWND_LIMITED;
}

void
output(struct tcp_conn *conn)
{
	if (unlikely(conn->state < TCP_S_ESTABLISHED)) {
		if (conn->state == TCP_S_SYN_RECEIVED && (conn->flags & F_ACK_NOW) != 0)
			output_ack(conn);
		return;
	}
	if (conn->sndq.n != 0) {
		segments_hold(conn);
		if (unlikely(conn->loss.lost != 0))
			send_again(conn);
		if (conn->sndq.n_sent < conn->sndq.n)
			send_new(conn);
		segments_flush(conn);
		loss_arm(conn);
	}
	if ((conn->flags & F_ACK_NOW) != 0) {
		output_ack(conn);
		if (unlikely((conn->flags & F_ACK_NOW) != 0))
			no_buffer(conn);
	}
}

int
output_piece(struct tcp_conn *conn, uint32_t i)
{
	if (!fits_mss(conn, i))
		return -ENOBUFS;
	return segment_data(conn, i, 1);
}

bool
output_new_piece(struct tcp_conn *conn)
{
	uint32_t i = conn->sndq.n_sent;

	if (i == conn->sndq.n || window_room(conn) < sndq_at(&conn->sndq, i)->len)
		return false;
	return output_piece(conn, i) == 0;
}

void
output_ack(struct tcp_conn *conn)
{
	segment_ack(conn, conn->snd_nxt);
}

void
output_probe(struct tcp_conn *conn)
{
	segment_ack(conn, conn->snd_una - 1);
}

void
output_syn(struct tcp_conn *conn)
{
	bool answer = conn->state == TCP_S_SYN_RECEIVED;
	const struct tcp_options *opt = &conn->opt;
	uint16_t mss = conn->mtu - 40;
	uint8_t flags = RTE_TCP_SYN_FLAG;
	struct tcp_opts o = { .have = OPT_MSS };

	o.mss = opt->mss != 0 ? RTE_MIN(mss, opt->mss) : mss;
	if (answer ? (conn->flags & F_TS) != 0 : opt->timestamps) {
		o.have |= OPT_TS;
		o.ts_val = ts_now(conn);
		o.ts_ecr = answer ? conn->ts_recent : 0;
	}
	if (answer ? (conn->flags & F_SACK) != 0 : opt->sack)
		o.have |= OPT_SACK_OK;
	if (answer ? (conn->flags & F_WSCALE) != 0 : opt->window_scaling) {
		o.have |= OPT_WS;
		o.wscale = answer ? conn->rcv_wscale : scale_for(opt->rcvbuf);
	}
	if (answer)
		flags |= RTE_TCP_ACK_FLAG | ((conn->flags & F_ECN) != 0 ? RTE_TCP_ECE_FLAG : 0);
	else if (opt->ecn && conn->syn_times < 2) /* RFC 3168 6.1.1.1: some drop such a SYN */
		flags |= RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG;
	if (conn->syn_times < UINT8_MAX)
		conn->syn_times++;
	conn->snd_nxt = conn->iss + 1;
	/* a round trip is measured from the only one */
	if (conn->syn_times == 1)
		conn->life_at = conn_now(conn);
	segment_bare(conn, conn->iss, flags, &o);
}

void
output_reset(struct tcp_conn *conn)
{
	struct tcp_opts o = { 0 };

	if ((conn->flags & F_TS) != 0) { /* RFC 7323 3.2 */
		o.have = OPT_TS;
		o.ts_val = ts_now(conn);
		o.ts_ecr = conn->ts_recent;
	}
	COUNT(conn->engine, resets_out);
	segment_bare(conn, conn->snd_nxt, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, &o);
}

void
output_challenge(struct tcp_conn *conn)
{
	struct tcp_engine *engine = conn->engine;
	uint64_t now = engine->now, second = now / SEC;

	if (engine->challenge_second != second) {
		engine->challenge_second = second;
		/* a limit that an attacker can count to tells of other connections */
		engine->challenge_count = CHALLENGES_PER_S / 2 +
				(uint32_t)(random_next(&engine->random) % CHALLENGES_PER_S);
	}
	if (engine->challenge_count == 0 ||
			(conn->challenge_at != 0 && now - conn->challenge_at < CHALLENGE_GAP)) {
		COUNT(engine, challenge_limited);
		return;
	}
	engine->challenge_count--;
	conn->challenge_at = now;
	COUNT(engine, challenge_acks);
	output_ack(conn);
}

/* Whether so many bytes would go at once, as one segment. */
bool
output_would_go(struct tcp_conn *conn, uint32_t len)
{
	uint32_t room = rte_pktmbuf_data_room_size(conn->engine->config.tx_pool) -
			RTE_PKTMBUF_HEADROOM;

	return conn->sndq.n == conn->sndq.n_sent && len <= conn->snd_mss && len <= room &&
			len <= window_room(conn) && len <= loss_room(conn, true);
}
