/* SPDX-License-Identifier: BSD-3-Clause */
/* Of the TCP modes: each thread's part, and the memory of connections. */
#include "tcp.h"

int
tp_first_fd(const struct tp *tp)
{
	const struct tp_worker *w = tp->workers;

	if (w == NULL)
		return tp->fds[0];
	if (w->n_listeners != 0)
		return w->listeners[0];
	return w->n_conns != 0 ? w->conns[0].fd : -1;
}

static double
per(uint64_t a, uint64_t b)
{
	return b > 0 ? (double)a / (double)b : 0;
}

static double
mb(uint64_t bytes)
{
	return (double)bytes / 1048576;
}

void
tp_tcp_report(const struct tp *tp, FILE *f)
{
	const struct tp_memory *before = &tp->memory_before, *after = &tp->memory_after;
	uint32_t i;

	if (tp->workers == NULL)
		return;
	fprintf(f,
			"\n%u connections; memory %.1f MB before, %.1f MB after; EAL's heap %.1f, "
			"%.1f MB\n",
			tp->n_conns, mb(before->resident), mb(after->resident), mb(before->heap),
			mb(after->heap));
	for (i = 0; tp->args.threads > 1 && i < tp->args.threads; i++) {
		const struct tp_worker *w = &tp->workers[i];
		const struct tp_count *c = &w->count;

		fprintf(f,
				"thread %u: %lu packets, %.3f Gbit/s, %.1f cycles/packet, %.3f "
				"cycles/byte, %u connections\n",
				i, c->packets,
				c->seconds > 0 ? (double)c->bytes * 8e-9 / c->seconds : 0,
				per(c->cycles, c->packets), per(c->cycles, c->bytes), w->opened);
	}
}

void
tp_tcp_json(const struct tp *tp, FILE *f)
{
	const struct tp_memory *before = &tp->memory_before, *after = &tp->memory_after;
	uint32_t i;

	if (tp->workers == NULL)
		return;
	fprintf(f,
			",\"memory\":{\"before\":%lu,\"after\":%lu,\"heap_before\":%lu,\"heap_"
			"after\":%lu},"
			"\"kernel\":%s,\"threads\":[",
			before->resident, after->resident, before->heap, after->heap,
			tp->args.kernel ? "true" : "false");
	for (i = 0; i < tp->args.threads; i++) {
		const struct tp_worker *w = &tp->workers[i];

		fprintf(f,
				"%s{\"packets\":%lu,\"bytes\":%lu,\"cycles\":%lu,\"seconds\":%.6f,"
				"\"connections\":%u,\"failed\":%lu}",
				i ? "," : "", w->count.packets, w->count.bytes, w->count.cycles,
				w->count.seconds, w->opened, w->count.failed);
	}
	fprintf(f, "]");
	if (tp->counters[0] != NULL && tp->counters[1] != NULL)
		fprintf(f, ",\"run\":{\"before\":%s,\"after\":%s}", tp->counters[0],
				tp->counters[1]);
}
