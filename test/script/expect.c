/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments into the engine, and segments and events of it that a line expects.
 */
#include "run.h"

#define FOREVER INT64_C(1000000000000000)

bool
run_has_output(const struct runner *r, const struct flow *flow)
{
	unsigned int i;

	for (i = 0; i < r->n_out; i++)
		if (!r->out[i].taken && (flow == NULL || r->out[i].flow == flow))
			return true;
	return false;
}

void
run_inject(struct runner *r, struct flow *flow)
{
	const struct segment *seg = &r->step->seg;
	struct rte_mbuf *m;

	run_trace(r, r->now, flow, "%s", r->step->text);
	if ((seg->flags & FL_URG) && !(seg->any & ANY_URG) &&
			flow->n_urgent < RTE_DIM(flow->urgent))
		flow->urgent[flow->n_urgent++] = seg->seq - 1 + seg->urg - 1;
	m = packet_make(r, flow, seg);
	if (m == NULL)
		return;
	r->burst[r->n_burst++] = m;
	if (r->step->flags && r->n_burst < BURST_MAX)
		return;
	tcp_input(r->engine, r->burst, (uint16_t)r->n_burst);
	r->n_burst = 0;
}

static struct out *
next_out(struct runner *r, const struct flow *flow)
{
	unsigned int i;

	for (i = 0; i < r->n_out; i++)
		if (!r->out[i].taken && r->out[i].flow == flow)
			return &r->out[i];
	return NULL;
}

static void
expect_one(struct runner *r, struct flow *flow, const struct segment *want)
{
	const struct step *s = r->step;
	int64_t from = s->when == WHEN_ANY ? 0 : run_line_time(r, s->at) - s->tolerance;
	int64_t until = s->when == WHEN_ANY ? FOREVER
			: s->ranged	    ? run_line_time(r, s->until)
					    : run_line_time(r, s->at) + s->tolerance;
	const char *what;
	char text[256];
	struct out *out;

	if (s->ranged)
		from += s->tolerance;
	run_pass_time(r, until > r->now ? until : r->now, flow);
	out = next_out(r, flow);
	if (r->failed)
		return;
	if (out == NULL) {
		run_fail(r, "the engine sent nothing till %.6f", (double)until / 1e9);
		return;
	}
	out->taken = true;
	segment_print(&out->seg, text, sizeof(text));
	what = segment_differs(want, &out->seg);
	if (what != NULL)
		run_fail(r, "%s; at %.6f came > %s", what, (double)out->at / 1e9, text);
	else if (out->at < from || out->at > until)
		run_fail(r, "it came at %.6f, not between %.6f and %.6f: > %s",
				(double)out->at / 1e9, (double)from / 1e9, (double)until / 1e9,
				text);
	r->reference = out->at > r->reference ? out->at : r->reference;
}

/* PSH and FIN are the last one's. */
void
run_expect(struct runner *r, struct flow *flow)
{
	const struct segment *want = &r->step->seg;
	struct segment one = *want;
	uint32_t done = 0;

	if (want->each == 0) {
		expect_one(r, flow, want);
		return;
	}
	while (done < want->len && !r->failed) {
		one.seq = want->seq + done;
		one.len = RTE_MIN(want->each, want->len - done);
		done += one.len;
		one.flags = done == want->len ? want->flags
					      : want->flags & (uint8_t) ~(FL_PSH | FL_FIN);
		expect_one(r, flow, &one);
	}
}

void
run_expect_events(struct runner *r, struct flow *flow)
{
	unsigned int want = r->step->flags & ~EVENT_ONLY;
	bool only = (r->step->flags & EVENT_ONLY) || want == 0;
	char text[2][96];

	if (want & TCP_E_ACCEPT)
		flow = &r->listening;
	if ((flow->events & want) != want || (only && flow->events != want)) {
		events_print(want, text[0], sizeof(text[0]));
		events_print(flow->events, text[1], sizeof(text[1]));
		run_fail(r, "events since the last such line: %s; should be %s", text[1], text[0]);
	}
	flow->events = 0;
}
