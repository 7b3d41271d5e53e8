/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that need no connection: RST to what belongs to none, SYN-ACK with a cookie.
 */
#include "tcp_priv.h"

static struct rte_mbuf *
answer(struct tcp_engine *engine, const struct tcp_key *key, unsigned int hdr_len)
{
	struct rte_mbuf *m = buffer_bare(engine);
	struct rte_tcp_hdr *th;

	if (m == NULL)
		return NULL;
	th = (struct rte_tcp_hdr *)(void *)rte_pktmbuf_append(m, (uint16_t)hdr_len);
	memset(th, 0, hdr_len);
	th->src_port = key->lport;
	th->dst_port = key->rport;
	th->data_off = (uint8_t)(hdr_len / 4 << 4);
	return m;
}

static void
give(struct tcp_engine *engine, const struct tcp_key *key, struct rte_mbuf *m)
{
	struct tcp_out out = { .key = key, .df = true };

	COUNT(engine, segs_out);
	engine->config.ops.output(engine->config.ctx, &out, &m, 1);
}

void
stray_reset(struct tcp_engine *engine, const struct tcp_in *in)
{
	struct rte_tcp_hdr *th;
	struct rte_mbuf *m;

	if ((in->flags & RTE_TCP_RST_FLAG) != 0)
		return;
	m = answer(engine, &in->key, TCP_HDR_MIN);
	if (m == NULL)
		return;
	th = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	th->tcp_flags = RTE_TCP_RST_FLAG;
	if ((in->flags & RTE_TCP_ACK_FLAG) != 0) {
		th->sent_seq = rte_cpu_to_be_32(in->ack);
	} else {
		th->tcp_flags |= RTE_TCP_ACK_FLAG;
		th->recv_ack = rte_cpu_to_be_32(in_end(in));
	}
	COUNT(engine, resets_out);
	give(engine, &in->key, m);
}

/*
 * The cookie has room for the MSS alone. What else the SYN offered goes into the last bits of our
 * timestamp, which comes back; not ahead of the clock, or what follows would look old.
 */
static uint32_t
cookie_timestamp(const struct tcp_listener *l, const struct tcp_in *in)
{
	uint32_t now = (uint32_t)(l->engine->now / MSEC) + ts_offset(&l->engine->secret, &in->key);
	uint32_t bits = COOKIE_NO_SCALE, ts;

	if (l->opt.window_scaling && (in->opts.have & OPT_WS) != 0)
		bits = RTE_MIN(in->opts.wscale, WSCALE_MAX);
	if (l->opt.sack && (in->opts.have & OPT_SACK_OK) != 0)
		bits |= COOKIE_SACK;
	ts = (now & ~COOKIE_BITS) | bits;
	return seq_gt(ts, now) ? ts - (COOKIE_BITS + 1) : ts;
}

static void
cookie_options(const struct tcp_listener *l, const struct tcp_in *in, struct tcp_opts *o)
{
	if (!l->opt.timestamps || (in->opts.have & OPT_TS) == 0)
		return;
	o->have |= OPT_TS;
	o->ts_ecr = in->opts.ts_val;
	o->ts_val = cookie_timestamp(l, in);
	if ((o->ts_val & COOKIE_SACK) != 0)
		o->have |= OPT_SACK_OK;
	if ((o->ts_val & COOKIE_NO_SCALE) != COOKIE_NO_SCALE) {
		o->have |= OPT_WS;
		o->wscale = scale_for(l->opt.rcvbuf);
	}
}

void
stray_cookie(struct tcp_listener *l, const struct tcp_in *in)
{
	struct tcp_engine *engine = l->engine;
	uint16_t mtu = engine->config.ops.mtu(engine->config.ctx, &in->key);
	struct tcp_opts o = { .have = OPT_MSS };
	uint16_t mss = (in->opts.have & OPT_MSS) != 0 ? in->opts.mss : MSS_DEFAULT;
	struct rte_tcp_hdr *th;
	struct rte_mbuf *m;

	if (mtu < 40 + MSS_MIN)
		return;
	o.mss = mtu - 40;
	if (l->opt.mss != 0)
		o.mss = RTE_MIN(o.mss, l->opt.mss);
	cookie_options(l, in, &o);
	m = answer(engine, &in->key, TCP_HDR_MIN + opts_len(&o));
	if (m == NULL)
		return;
	th = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);
	th->tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	th->sent_seq = rte_cpu_to_be_32(
			cookie_make(&engine->secret, &in->key, in->seq, mss, engine->now));
	th->recv_ack = rte_cpu_to_be_32(in->seq + 1);
	th->rx_win = rte_cpu_to_be_16((uint16_t)RTE_MIN(l->opt.rcvbuf, (uint32_t)UINT16_MAX));
	opts_write((uint8_t *)(th + 1), &o);
	give(engine, &in->key, m);
}
