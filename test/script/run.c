/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs steps against an engine. Time is the script's: the engine is told of each moment at which
 * one of its timers is due, and of each line's. What it sends is kept until a line expects it; a
 * line that lets time pass or does something fails while anything is left.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "run.h"

#define STALLS_MAX 1000

static const char *
flow_prefix(const struct runner *r, const struct flow *flow, char *buf, size_t len)
{
	if (flow == NULL || r->n_flows < 2)
		return "";
	snprintf(buf, len, "@%.31s ", flow->name);
	return buf;
}

void
run_trace(struct runner *r, int64_t at, const struct flow *flow, const char *fmt, ...)
{
	char *line = r->trace[r->n_trace++ % TRACE_MAX];
	char prefix[40];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(r->trace[0]), "%11.6f %s", (double)at / 1e9,
			flow_prefix(r, flow, prefix, sizeof(prefix)));
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(r->trace[0]) - (size_t)n, fmt, ap);
	va_end(ap);
}

void
run_fail(struct runner *r, const char *fmt, ...)
{
	const struct step *s = r->step;
	unsigned int i;
	va_list ap;

	if (r->failed)
		return;
	r->failed = true;
	fprintf(r->log, "%s:%u: ", s->line->file, s->line->number);
	va_start(ap, fmt);
	vfprintf(r->log, fmt, ap);
	va_end(ap);
	fprintf(r->log, "\n    line: %s\n", s->line->text);
	fprintf(r->log, "    what happened, up to %.6f:\n", (double)r->now / 1e9);
	for (i = r->n_trace > TRACE_MAX ? r->n_trace - TRACE_MAX : 0; i < r->n_trace; i++)
		fprintf(r->log, "    %s\n", r->trace[i % TRACE_MAX]);
}

/* What the engine calls. */

static void
take_packet(struct runner *r, const struct tcp_out *to, struct rte_mbuf *m)
{
	struct flow *flow = run_flow_by_key(r, to->key);
	char text[256];
	struct out *out;

	if (flow == NULL || r->n_out == OUT_MAX) {
		run_fail(r,
				flow == NULL ? "the engine sent to an unknown flow"
					     : "too many segments were sent");
		rte_pktmbuf_free(m);
		return;
	}
	out = &r->out[r->n_out++];
	memset(out, 0, sizeof(*out));
	out->flow = flow;
	out->at = r->now;
	packet_decode(r, flow, to, m, &out->seg);
	segment_print(&out->seg, text, sizeof(text));
	run_trace(r, r->now, flow, "> %s", text);
	if (r->hold && r->n_held < HELD_MAX)
		r->held[r->n_held++] = m;
	else
		rte_pktmbuf_free(m);
}

static void
on_output(void *ctx, const struct tcp_out *to, struct rte_mbuf **pkts, uint16_t n)
{
	struct runner *r = ctx;
	uint16_t i;

	if (to->dummy) {
		r->dummies += n;
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	for (i = 0; i < n; i++)
		take_packet(r, to, pkts[i]);
}

static void
on_event(void *ctx, void *owner, unsigned int events)
{
	struct runner *r = ctx;
	struct flow *flow = owner;
	char text[96];

	if (flow == NULL) {
		run_fail(r, "an event for a connection without an owner");
		return;
	}
	flow->events |= events;
	events_print(events, text, sizeof(text));
	run_trace(r, r->now, flow == &r->listening ? NULL : flow, "event %s", text);
}

static uint16_t
on_mtu(void *ctx, const struct tcp_key *key)
{
	const struct runner *r = ctx;

	(void)key;
	return (uint16_t)r->mtu;
}

static void
free_held(struct runner *r)
{
	unsigned int i;

	for (i = 0; i < r->n_held; i++)
		rte_pktmbuf_free(r->held[i]);
	r->n_held = 0;
}

static void
on_reclaim(void *ctx)
{
	struct runner *r = ctx;

	if (r->lazy)
		free_held(r);
}

/* Time. */

static void
clock_to(struct runner *r, int64_t at)
{
	r->now = at;
	tcp_clock(r->engine, TIME_BASE + (uint64_t)at);
	tcp_timers(r->engine);
}

void
run_pass_time(struct runner *r, int64_t until, const struct flow *flow)
{
	unsigned int stalls = 0;

	while (!r->failed && !(flow != NULL && run_has_output(r, flow))) {
		uint64_t next = tcp_next_timer(r->engine);
		int64_t at = next == UINT64_MAX ? INT64_MAX : (int64_t)(next - TIME_BASE);

		if (at > until) {
			clock_to(r, until);
			return;
		}
		/* The next timer is a lower bound, of a tick at worst. */
		if (at <= r->now) {
			at = r->now + 16384;
			if (++stalls == STALLS_MAX) {
				run_fail(r, "timers do not progress");
				return;
			}
			if (at > until) {
				clock_to(r, until);
				return;
			}
		} else {
			stalls = 0;
		}
		clock_to(r, at);
	}
}

int64_t
run_line_time(const struct runner *r, int64_t at)
{
	return r->step->when == WHEN_RELATIVE		 ? r->reference + at
			: r->step->when == WHEN_ABSOLUTE ? at
							 : r->reference;
}

static void
check_nothing_left(struct runner *r)
{
	char text[256];
	unsigned int i;

	for (i = 0; i < r->n_out && !r->failed; i++)
		if (!r->out[i].taken) {
			segment_print(&r->out[i].seg, text, sizeof(text));
			run_fail(r, "the engine sent what no line expects, at %.6f: > %s",
					(double)r->out[i].at / 1e9, text);
		}
	r->n_out = 0;
}

/* To the time of a line that does something. */
static void
advance(struct runner *r)
{
	int64_t at = run_line_time(r, r->step->at);

	check_nothing_left(r);
	if (r->failed)
		return;
	/* A segment may have come late by its tolerance, and the line means the time before. */
	if (at < r->now)
		at = r->now;
	if (at > r->now || r->step->when != WHEN_NOW)
		run_pass_time(r, at, NULL);
	r->reference = at;
	check_nothing_left(r);
}

/* The engine, from the first line that is not its configuration. */

static int
engine_up(struct runner *r)
{
	const struct script *script = r->script;
	unsigned int i;

	r->config = (struct tcp_config){ .ops = { .output = on_output,
							 .event = on_event,
							 .mtu = on_mtu,
							 .reclaim = on_reclaim },
		.ctx = r,
		.tx_pool = script_tx_pool,
		.seed = 1,
		.conn_extra = 8,
		.multi_seg = true };
	for (i = 0; i < script->n && script->steps[i].op == OP_ENGINE; i++)
		field_set(script->steps[i].field, &r->config, script->steps[i].value);
	r->mtu = 1500;
	tcp_options_default(&r->opt);
	r->opt.pacing = false;
	r->step = script->steps;
	if (tcp_engine_create(&r->config, &r->engine) < 0) {
		run_fail(r, "no engine");
		return -1;
	}
	tcp_clock(r->engine, TIME_BASE);
	return 0;
}

static void
release(struct runner *r)
{
	free_held(r);
	r->hold = false;
}

static void
setting(struct runner *r, struct flow *flow)
{
	const struct step *s = r->step;

	switch (s->op) {
	case OP_DRAIN:
		r->n_out = 0;
		break;
	case OP_FLOW:
		run_flow_line(r);
		break;
	case OP_AGAIN:
		run_flow_again(flow);
		break;
	case OP_ISN:
		flow->irs = (uint32_t)s->value;
		break;
	case OP_PEER_TS:
		flow->ts_auto = s->value != 0;
		break;
	case OP_LINK:
		r->link = (unsigned int)s->value;
		break;
	case OP_MTU:
		r->mtu = s->value;
		break;
	case OP_OPTION:
		field_set(s->field, &r->opt, s->value);
		break;
	case OP_HOLD:
		r->hold = true;
		r->lazy = s->value != 0;
		break;
	case OP_RELEASE:
		release(r);
		break;
	default:
		break;
	}
}

/* Something happens to the engine, so that nothing may be left of before. */
static bool
acts(enum op op)
{
	return op == OP_IN || (op >= OP_SET && op <= OP_ICMP);
}

static void
run_step(struct runner *r)
{
	const struct step *s = r->step;
	struct flow *flow = NULL;

	/* The first flow is made when it is needed, so that a line may name it. */
	if (s->op != OP_ENGINE && s->op != OP_FLOW) {
		if (r->flow == NULL)
			r->flow = run_flow_get(r, "a");
		flow = s->name[0] != '\0' ? run_flow_get(r, s->name) : r->flow;
	}
	if (s->op == OP_OUT) {
		run_expect(r, flow);
		return;
	}
	/* Lines that only look may stand between segments that were sent at once. */
	if (s->op != OP_DRAIN && (s->when != WHEN_NOW || acts(s->op)))
		advance(r);
	if (r->failed)
		return;
	switch (s->op) {
	case OP_IN:
		run_inject(r, flow);
		break;
	case OP_ASSERT:
		look_run(r, flow);
		break;
	case OP_EVENT:
		run_expect_events(r, flow);
		break;
	case OP_ENGINE:
	case OP_NOTHING:
		break;
	default:
		if (acts(s->op))
			call_run(r, flow);
		else
			setting(r, flow);
		break;
	}
}

/* Whatever became of the script, no buffer may be lost. */
static void
engine_down(struct runner *r)
{
	unsigned int rx, tx;

	release(r);
	if (r->n_burst > 0) {
		run_fail(r, "a burst has no end");
		rte_pktmbuf_free_bulk(r->burst, r->n_burst);
	}
	tcp_engine_destroy(r->engine);
	rx = rte_mempool_in_use_count(script_rx_pool) - r->rx_in_use;
	tx = rte_mempool_in_use_count(script_tx_pool) - r->tx_in_use;
	if (rx != 0 || tx != 0)
		run_fail(r, "%u received and %u own buffers were not given back", rx, tx);
}

int
script_run(const struct script *script, FILE *log)
{
	struct runner *r = calloc(1, sizeof(*r));
	unsigned int i;
	int rc;

	r->script = script;
	r->log = log;
	r->rx_in_use = rte_mempool_in_use_count(script_rx_pool);
	r->tx_in_use = rte_mempool_in_use_count(script_tx_pool);
	if (script->n == 0 || engine_up(r) < 0) {
		free(r);
		return -1;
	}
	for (i = 0; i < script->n && !r->failed; i++) {
		r->step = &script->steps[i];
		run_step(r);
	}
	if (!r->failed)
		check_nothing_left(r);
	engine_down(r);
	rc = r->failed ? -1 : 0;
	free(r);
	return rc;
}
