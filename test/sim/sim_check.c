/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of every connection between two calls of its engine, seen from the inside: sums
 * agree with what they sum up, numbers are in order, timers run that something waits for.
 */
#include <rte_ip.h>

#include "sim.h"
#include "tcp/tcp_priv.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			sim_fail(sim, "%u: invariant: %s (%s:%d)",                                 \
					rte_be_to_cpu_16(conn->key.lport), #cond, __FILE__,        \
					__LINE__);                                                 \
	} while (0)

static void
check_scoreboard(struct sim *sim, const struct tcp_conn *conn)
{
	const struct sndq *q = &conn->sndq;
	uint32_t bytes = 0, sacked = 0, lost = 0, retrans = 0, seq = conn->snd_una;

	CHECK(q->n_sent <= q->n);
	for (uint32_t i = 0; i < q->n; i++) {
		const struct seg *s = sndq_at(q, i);

		CHECK(s->seq == seq);
		CHECK((s->m != NULL) == (s->len > 0));
		CHECK(seg_seqs(s) > 0);
		CHECK(((s->flags & SEG_SENT) != 0) == (i < q->n_sent));
		CHECK((s->flags & (SEG_SACKED | SEG_LOST)) != (SEG_SACKED | SEG_LOST));
		CHECK(i < q->n_sent || (s->flags & (SEG_SACKED | SEG_LOST | SEG_RETRANS)) == 0);
		CHECK((s->flags & SEG_FIN) == 0 || i == q->n - 1);
		CHECK(i >= q->n_sent || s->times > 0);
		CHECK(i >= q->n_sent || s->sent_at <= conn->engine->now);
		seq = seg_end(s);
		bytes += s->len;
		if ((s->flags & SEG_SACKED) != 0)
			sacked += seg_seqs(s);
		if ((s->flags & SEG_LOST) != 0)
			lost += seg_seqs(s);
		if ((s->flags & (SEG_RETRANS | SEG_SACKED)) == SEG_RETRANS)
			retrans += seg_seqs(s);
		if (i + 1 == q->n_sent)
			CHECK(seg_end(s) == conn->snd_nxt);
	}
	CHECK(bytes == q->bytes);
	/* without SACK duplicate acknowledgements stand for what has arrived */
	CHECK((conn->flags & F_SACK) != 0 ? sacked == conn->loss.sacked : sacked == 0);
	CHECK(lost == conn->loss.lost);
	CHECK(retrans == conn->loss.retrans);
	CHECK(q->n_sent > 0 || conn->snd_una == conn->snd_nxt);
}

static void
check_send(struct sim *sim, const struct tcp_conn *conn)
{
	CHECK(seq_leq(conn->snd_una, conn->snd_nxt));
	CHECK(conn->loss.sacked + conn->loss.lost <= conn_flight(conn));
	CHECK(conn->cc.cwnd >= conn->snd_mss);
	CHECK(conn->snd_mss > 0);
	CHECK(conn->snd_mss + sizeof(struct rte_tcp_hdr) + sizeof(struct rte_ipv4_hdr) <=
			conn->mtu);
	/* something is on the way, or waits for the window: somebody will look */
	CHECK(conn->sndq.n == 0 || timer_runs(conn, TIMER_LOSS) || timer_runs(conn, TIMER_SEND) ||
			(conn->flags & F_DUE) != 0 || timer_runs(conn, TIMER_LIFE));
	CHECK(conn_flight(conn) == 0 || timer_runs(conn, TIMER_LOSS));
	CHECK((conn->flags & F_ACK_PENDING) == 0 || timer_runs(conn, TIMER_ACK));
	CHECK((conn->flags & F_ACK_NOW) == 0);
}

static void
check_receive(struct sim *sim, const struct tcp_conn *conn)
{
	const struct rcvq *q = &conn->rcvq;
	uint32_t bytes = 0, ooo_bytes = 0, bufs = 0, last = conn->rcv_nxt;

	for (const struct rte_mbuf *m = q->head; m != NULL; m = m->next) {
		bytes += m->data_len;
		bufs++;
		CHECK(m->next != NULL || m == q->tail);
	}
	CHECK(bytes == q->bytes);
	for (unsigned int i = 0; i < q->n_ooo; i++) {
		const struct ooo *o = &q->ooo[i];
		uint32_t len = 0;

		CHECK(seq_gt(o->start, last)); /* those that touch hang together */
		CHECK(seq_gt(o->end, o->start));
		for (const struct rte_mbuf *m = o->head; m != NULL; m = m->next) {
			len += m->data_len;
			bufs++;
		}
		CHECK(len == o->end - o->start);
		ooo_bytes += len;
		last = o->end;
	}
	CHECK(ooo_bytes == q->ooo_bytes);
	CHECK(bufs == q->bufs);
	CHECK(seq_geq(conn->rcv_adv, conn->rcv_nxt) || (conn->flags & F_FIN_IN) != 0);
}

void
sim_describe(const struct tcp_conn *conn, FILE *f)
{
	static const char *const timers[] = { "loss", "ack", "life", "send" };
	const struct loss *l = &conn->loss;
	uint64_t now = conn->engine->now;

	fprintf(f,
			"  port %u %s flags %x: una %u nxt +%u wnd %u mss %u cwnd %u ssthresh %u; "
			"pieces %u sent "
			"%u\n    recovery %u timer %u backoff %u dup %u frto %u: sacked %u lost %u "
			"retrans "
			"%u, srtt %.3f ms rto %.3f ms\n   ",
			rte_be_to_cpu_16(conn->key.lport), tcp_state_name(conn->state), conn->flags,
			conn->snd_una - conn->iss, conn_flight(conn), conn->snd_wnd, conn->snd_mss,
			conn->cc.cwnd, conn->cc.ssthresh, conn->sndq.n, conn->sndq.n_sent, l->state,
			l->timer, l->backoff, l->dup_acks, l->frto, l->sacked, l->lost, l->retrans,
			(double)l->srtt / 1e6, (double)l->rto / 1e6);
	for (unsigned int t = 0; t < TIMER_MAX; t++) {
		if (timer_runs(conn, (enum timer)t))
			fprintf(f, " %s in %.3f ms", timers[t],
					((double)conn->deadline[t] - (double)now) / 1e6);
	}
	fprintf(f, "; receive: %u to read, %u out of order, window %u\n", conn->rcvq.bytes,
			conn->rcvq.ooo_bytes, conn->rcv_adv - conn->rcv_nxt);
}

void
sim_check_conn(struct sim *sim, struct tcp_conn *conn)
{
	if (!conn_synchronized(conn) || conn->state == TCP_S_TIME_WAIT)
		return;
	check_scoreboard(sim, conn);
	check_send(sim, conn);
	check_receive(sim, conn);
	for (unsigned int t = 0; t < TIMER_MAX; t++)
		CHECK(!timer_runs(conn, (enum timer)t) || conn->timer.at <= conn->deadline[t]);
}

static void
check_one(struct tcp_conn *conn, void *ctx)
{
	sim_check_conn(ctx, conn);
}

/* Nothing is sent beyond what the peer has offered; a FIN is one more. */
static void
check_windows(struct sim *sim, const struct sim_flow *flow)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct tcp_conn *conn = flow->app[i].conn, *peer = flow->app[!i].conn;

		if (flow->app[0].closed || flow->app[1].closed || conn == NULL || peer == NULL ||
				!conn_synchronized(conn) || !conn_synchronized(peer))
			continue;
		CHECK(seq_leq(conn->snd_nxt, peer->rcv_adv + 1));
	}
}

void
sim_check(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->n_flows; i++)
		check_windows(sim, &sim->flow[i]);
	for (unsigned int i = 0; i < 2; i++)
		tcp_foreach(sim->host[i].engine, check_one, sim);
}
