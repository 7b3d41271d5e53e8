/* SPDX-License-Identifier: BSD-3-Clause */
#include "loss_world.h"

#include "../stride/eal.h"

struct world w;
struct rte_mempool *world_pool;

/* --- stand-ins --- */

void
timer_set(struct tcp_conn *conn, enum timer t, uint64_t at)
{
	conn->deadline[t] = at;
}

uint32_t
ts_now(const struct tcp_conn *conn)
{
	return (uint32_t)(conn_now(conn) / MSEC) + conn->ts_off;
}

void
conn_narrow(struct tcp_conn *conn, uint16_t mtu)
{
	conn->mtu = mtu;
	conn->snd_mss = mtu - 40;
}

void
conn_drop(struct tcp_conn *conn, int error)
{
	w.drops++;
	w.drop_error = error;
	conn->state = TCP_S_CLOSED;
	conn->deadline[TIMER_LOSS] = UINT64_MAX;
}

void
output_probe(struct tcp_conn *conn)
{
	(void)conn;
	w.probes++;
}

int
output_piece(struct tcp_conn *conn, uint32_t i)
{
	struct seg *s;

	if (w.no_output)
		return -ENOBUFS;
	if (sndq_at(&conn->sndq, i)->len > conn->snd_mss)
		assert_int_equal(sndq_split(conn, i, conn->snd_mss), 0);
	s = sndq_at(&conn->sndq, i);
	assert_true((s->flags & SEG_SACKED) == 0);
	if ((s->flags & SEG_SENT) == 0) {
		assert_int_equal(s->seq, conn->snd_nxt);
		conn->snd_nxt = seg_end(s);
	}
	loss_sent(conn, i);
	conn->last_sent = conn_now(conn);
	assert_true(w.n_sent < RTE_DIM(w.sent));
	w.sent[w.n_sent++] = (struct sent){ conn_now(conn), s->seq - FIRST, s->len, s->times,
		(s->flags & SEG_FIN) != 0 };
	return 0;
}

bool
output_new_piece(struct tcp_conn *conn)
{
	uint32_t i = conn->sndq.n_sent;

	return i < conn->sndq.n && window_left(conn) >= sndq_at(&conn->sndq, i)->len &&
			output_piece(conn, i) == 0;
}

void
output(struct tcp_conn *conn)
{
	struct sndq *q = &conn->sndq;
	uint32_t i;

	while ((i = loss_next(conn, 0)) < q->n_sent) {
		if (loss_room(conn, false) < seg_seqs(sndq_at(q, i)) && conn_pipe(conn) != 0)
			break;
		if (output_piece(conn, i) != 0)
			break;
	}
	conn->flags &= ~(uint32_t)F_CWND_LIMITED;
	while (q->n_sent < q->n) {
		if (window_left(conn) < sndq_at(q, q->n_sent)->len)
			break;
		if (loss_room(conn, true) < seg_seqs(sndq_at(q, q->n_sent))) {
			conn->flags |= F_CWND_LIMITED;
			break;
		}
		if (output_piece(conn, q->n_sent) != 0)
			break;
	}
	loss_arm(conn);
}

/* A congestion control that only halves, so that windows in the tests are easy to know. */
static void
half_ack(struct cc *cc, const struct cc_ack *a)
{
	w.cc_acks++;
	w.cc_last = *a;
	if (cc->cwnd < cc->ssthresh)
		cc->cwnd += RTE_MIN(a->acked, 2 * MSS);
}

static uint32_t
half_congestion(struct cc *cc, uint32_t in_flight, uint32_t mss, bool ecn, uint64_t now)
{
	(void)cc, (void)ecn, (void)now;
	w.congestions++;
	return RTE_MAX(in_flight / 2, 2 * mss);
}

static uint32_t
half_timeout(struct cc *cc, uint32_t in_flight, uint32_t mss, uint64_t now)
{
	(void)cc, (void)now;
	w.cc_timeouts++;
	return RTE_MAX(in_flight / 2, 2 * mss);
}

static void
half_undo(struct cc *cc, uint64_t now)
{
	(void)cc, (void)now;
	w.cc_undos++;
}

static const struct cc_ops half = {
	.name = "half",
	.ack = half_ack,
	.congestion = half_congestion,
	.timeout = half_timeout,
	.undo = half_undo,
};

const struct cc_ops *
cc_ops(const struct cc *cc)
{
	(void)cc;
	return &half;
}

uint32_t
cc_initial_window(uint32_t mss)
{
	return 10 * mss;
}

/* --- the world --- */

int
world_start(void **state)
{
	(void)state;
	if (eal_up("loss") != 0)
		return -1;
	world_pool = rte_pktmbuf_pool_create("loss", 8191, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	return world_pool != NULL ? 0 : -1;
}

int
world_stop(void **state)
{
	(void)state;
	rte_mempool_free(world_pool);
	eal_down();
	return 0;
}

int
world_open(void **state)
{
	struct tcp_conn *conn = &w.conn;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.engine.config.tx_pool = world_pool;
	w.engine.now = START;
	TAILQ_INIT(&w.engine.zc);
	w.engine.zc_at = UINT64_MAX;
	conn->engine = &w.engine;
	conn->state = TCP_S_ESTABLISHED;
	conn->flags = F_SACK | F_TS;
	conn->iss = FIRST - 1;
	conn->snd_una = conn->snd_nxt = FIRST;
	conn->snd_mss = MSS;
	conn->mtu = MSS + 40;
	conn->snd_wnd = conn->snd_wnd_max = 1 << 20;
	conn->snd_wl2 = FIRST;
	conn->ts_off = 12345;
	conn->opt.sndbuf = 1 << 22;
	conn->opt.retries = 15;
	conn->cc.cwnd = 10 * MSS;
	conn->cc.ssthresh = UINT32_MAX;
	for (unsigned int i = 0; i < TIMER_MAX; i++)
		conn->deadline[i] = UINT64_MAX;
	loss_init(conn);
	rtt_sample(conn, 100 * MSEC);
	return 0;
}

int
world_close(void **state)
{
	(void)state;
	sndq_free(&w.conn);
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
	return 0;
}

void
world_queue(uint32_t bytes)
{
	static uint8_t data[1 << 20];
	struct iovec iov = { data, bytes };

	assert_int_equal(sndq_append(&w.conn, &iov, 1, 0, UINT32_MAX, true), bytes);
}

void
world_send(uint32_t bytes)
{
	world_queue(bytes);
	output(&w.conn);
}

void
world_output(void)
{
	output(&w.conn);
}

void
world_wait(uint64_t ns)
{
	uint64_t end = w.engine.now + ns;

	while (w.conn.deadline[TIMER_LOSS] <= end) {
		w.engine.now = RTE_MAX(w.engine.now, w.conn.deadline[TIMER_LOSS]);
		w.conn.deadline[TIMER_LOSS] = UINT64_MAX;
		loss_timeout(&w.conn);
		world_check();
	}
	w.engine.now = end;
}

/* RFC 8985 6.2 step 5 over every piece: what is due is marked. In its recovery from an RTO, too. */
static void
check_rack(void)
{
	struct sndq *q = &w.conn.sndq;

	if ((w.conn.flags & F_SACK) == 0 || L->state == REC_OPEN || L->rack_at == 0)
		return;
	for (uint32_t i = 0; i < q->n_sent; i++) {
		const struct seg *s = sndq_at(q, i);
		uint64_t wnd = RTE_MIN(L->reo_mult * L->min_rtt / 4, L->srtt);

		if ((s->flags & (SEG_SACKED | SEG_LOST)) == 0 &&
				sent_after(L->rack_at, L->rack_end, s->sent_at, seg_end(s)))
			assert_true(s->sent_at + L->rack_rtt + wnd > w.engine.now);
	}
}

bool
world_ack_in(struct tcp_in *in, uint32_t ack)
{
	bool news;

	in->ack = FIRST + ack;
	in->flags |= RTE_TCP_ACK_FLAG;
	if ((w.conn.flags & F_TS) != 0 && in->opts.ts_ecr != 0)
		in->opts.have |= OPT_TS;
	w.conn.last_received = w.engine.now;
	news = ack_process(&w.conn, in);
	world_check();
	check_rack();
	output(&w.conn);
	world_check();
	return news;
}

bool
world_ack(uint32_t ack, ...)
{
	struct tcp_in in = { .wnd = w.conn.snd_wnd };
	va_list ap;
	int start;

	va_start(ap, ack);
	while ((start = va_arg(ap, int)) >= 0) {
		in.opts.sack[in.opts.n_sack].start = FIRST + (uint32_t)start;
		in.opts.sack[in.opts.n_sack++].end = FIRST + (uint32_t)va_arg(ap, int);
	}
	va_end(ap);
	return world_ack_in(&in, ack);
}

void
expect_sent(uint32_t seq, uint32_t len)
{
	assert_true(w.taken < w.n_sent);
	assert_int_equal(w.sent[w.taken].seq, seq);
	assert_int_equal(w.sent[w.taken].len, len);
	w.taken++;
}

void
expect_quiet(void)
{
	assert_int_equal(w.taken, w.n_sent);
}

void
world_check(void)
{
	struct sndq *q = &w.conn.sndq;
	uint32_t sacked = 0, segs = 0, lost = 0, retrans = 0, i, k, first = q->n_sent;
	uint32_t seq = w.conn.snd_una;

	for (i = 0; i < q->n; i++) {
		const struct seg *s = sndq_at(q, i);

		assert_int_equal(s->seq, seq);
		seq = seg_end(s);
		assert_int_equal((s->flags & SEG_SENT) != 0, i < q->n_sent);
		if ((s->flags & SEG_SACKED) != 0) {
			assert_true((s->flags & SEG_LOST) == 0);
			sacked += seg_seqs(s);
			segs++;
			for (k = 1; k < s->skip; k++)
				assert_true((sndq_at(q, i + k)->flags & SEG_SACKED) != 0);
			continue;
		}
		if ((s->flags & SEG_LOST) != 0) {
			lost += seg_seqs(s);
			first = RTE_MIN(first, i);
		}
		if ((s->flags & SEG_RETRANS) != 0)
			retrans += seg_seqs(s);
	}
	if (q->n_sent != 0)
		assert_int_equal(seg_end(sndq_at(q, q->n_sent - 1)), w.conn.snd_nxt);
	else
		assert_int_equal(w.conn.snd_nxt, w.conn.snd_una);
	if ((w.conn.flags & F_SACK) != 0) {
		assert_int_equal(L->sacked, sacked);
		assert_int_equal(L->sacked_segs, segs);
	}
	assert_int_equal(L->lost, lost);
	assert_int_equal(L->retrans, retrans);
	if (L->frto == 0)
		assert_int_equal(loss_next(&w.conn, 0), first);
	/* nothing that waits for an answer is without a timer */
	if (q->n_sent != 0 && w.conn.state != TCP_S_CLOSED)
		assert_true(timer_runs(&w.conn, TIMER_LOSS) || w.conn.engine->now == 0 ||
				L->timer != LOSS_NONE);
}
