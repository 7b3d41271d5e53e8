/* SPDX-License-Identifier: BSD-3-Clause */
/* What was measured: a line each second, the table at the end, the same as JSON, the verdict. */
#include <errno.h>
#include <string.h>

#include "dpvma.h"
#include "port/port.h"
#include "testpmd.h"

static double
per(double a, double b)
{
	return b > 0 ? a / b : 0;
}

void
tp_report_second(const struct tp *tp, unsigned int mode, const struct tp_count *since,
		double seconds)
{
	const struct tp_count *now = &tp->count[mode];
	double packets = (double)(now->packets - since->packets);
	double ran = now->seconds - since->seconds;

	(void)seconds;
	printf("%-7s %11.0f packets/s %8.3f Gbit/s %7.1f cycles/packet %7.3f cycles/byte %6.1f "
	       "packets/call, missed "
	       "%lu, "
	       "lost %lu, wrong %lu\n",
			tp->mode[mode]->name, per(packets, ran),
			per((double)(now->bytes - since->bytes) * 8e-9, ran),
			per((double)(now->cycles - since->cycles), packets),
			per((double)(now->cycles - since->cycles),
					(double)(now->bytes - since->bytes)),
			per(packets, (double)(now->turns - since->turns)),
			now->missed - since->missed, now->seq_lost - since->seq_lost,
			now->seq_wrong - since->seq_wrong);
	fflush(stdout);
}

/* In microseconds. */
static double
us(const struct tp *tp, double cycles)
{
	return cycles * 1e6 / tp->tsc_hz;
}

static void
report_latency(const struct tp *tp, FILE *f)
{
	const struct tp_latency *l = &tp->latency;

	if (l->n == 0)
		return;
	fprintf(f,
			"\nround trip in us: min %.2f, mean %.2f, 50 %% %.2f, 90 %% %.2f, 99 %% "
			"%.2f, "
			"99.9 %% %.2f, max %.2f\n",
			us(tp, (double)l->min), us(tp, per((double)l->sum, (double)l->n)),
			us(tp, tp_latency_percentile(l, 50)), us(tp, tp_latency_percentile(l, 90)),
			us(tp, tp_latency_percentile(l, 99)),
			us(tp, tp_latency_percentile(l, 99.9)), us(tp, (double)l->max));
}

static void
json_latency(const struct tp *tp, FILE *f)
{
	const struct tp_latency *l = &tp->latency;

	if (l->n == 0)
		return;
	fprintf(f,
			",\"round_trip_us\":{\"min\":%.3f,\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,"
			"\"p99\":%.3f,\"p99.9\":%.3f,\"max\":%.3f}",
			us(tp, (double)l->min), us(tp, per((double)l->sum, (double)l->n)),
			us(tp, tp_latency_percentile(l, 50)), us(tp, tp_latency_percentile(l, 90)),
			us(tp, tp_latency_percentile(l, 99)),
			us(tp, tp_latency_percentile(l, 99.9)), us(tp, (double)l->max));
}

static void
report_ratios(const struct tp *tp, FILE *f)
{
	unsigned int base = tp_base(tp), i;

	fputc('\n', f);
	for (i = 0; tp->modes > 1 && i < tp->modes; i++)
		if (i != base)
			fprintf(f, "%s costs %.2f times the cycles of %s (median of %u rounds)\n",
					tp->mode[i]->name, tp_ratio(tp, i), tp->mode[base]->name,
					RTE_MIN(tp->windows[i], tp->windows[base]));
	if (tp->modes > 1)
		fputc('\n', f);
}

void
tp_report(const struct tp *tp, FILE *f)
{
	unsigned int i;

	fprintf(f, "\n%-8s %12s %12s %9s %14s %12s %13s %9s %9s %7s %7s\n", "mode", "packets",
			"packets/s", "Gbit/s", "cycles/packet", "cycles/byte", "packets/call",
			"mean run", "missed", "lost", "bad");
	for (i = 0; i < tp->modes; i++) {
		const struct tp_count *c = &tp->count[i];

		fprintf(f, "%-8s %12lu %12.0f %9.3f %14.1f %12.3f %13.1f %9.1f %9lu %7lu %7lu\n",
				tp->mode[i]->name, c->packets, per((double)c->packets, c->seconds),
				per((double)c->bytes * 8e-9, c->seconds),
				per((double)c->cycles, (double)c->packets),
				per((double)c->cycles, (double)c->bytes),
				per((double)c->packets, (double)c->turns),
				per((double)c->packets, (double)c->runs), c->missed, c->seq_lost,
				c->seq_wrong + c->bad_payload);
	}
	report_latency(tp, f);
	tp_tcp_report(tp, f);
	report_ratios(tp, f);
	if (!tp->args.kernel)
		dpvma_dump(tp_first_fd(tp), f);
}

int
tp_report_json(const struct tp *tp, const char *path)
{
	FILE *f = fopen(path, "w");
	unsigned int i;

	if (f == NULL) {
		fprintf(stderr, "dpvma-testpmd: --json=%s: %s\n", path, strerror(errno));
		return -1;
	}
	fprintf(f,
			"{\"version\":\"%s\",\"port\":\"%s\",\"driver\":\"%s\",\"size\":%u,"
			"\"sockets\":%u,\"tsc_hz\":%.0f,\"base\":\"%s\","
			"\"modes\":[",
			dpvma_version(), tp->ring ? tp->ring->port->name : "",
			tp->ring ? tp->ring->port->driver->name : "", tp->args.size,
			tp->args.sockets, tp->tsc_hz, tp->mode[tp_base(tp)]->name);
	for (i = 0; i < tp->modes; i++) {
		const struct tp_count *c = &tp->count[i];

		fprintf(f,
				"%s{\"mode\":\"%s\",\"packets\":%lu,\"bytes\":%lu,\"seconds\":%.6f,"
				"\"packets_per_second\":%.1f,\"gbit_per_second\":%.6f,"
				"\"cycles_per_packet\":%.2f,\"cycles_per_byte\":%.5f,"
				"\"packets_per_call\":%.2f,\"mean_run\":"
				"%.2f,"
				"\"missed\":%lu,\"lost\":%lu,\"wrong\":%lu,\"bad_payload\":%lu,"
				"\"copied\":%lu,\"windows\":%u,\"median_cycles_per_packet\":%.2f,"
				"\"median_ratio\":%.4f,"
				"\"connections\":%u,\"failed\":%lu}",
				i ? "," : "", tp->mode[i]->name, c->packets, c->bytes, c->seconds,
				per((double)c->packets, c->seconds),
				per((double)c->bytes * 8e-9, c->seconds),
				per((double)c->cycles, (double)c->packets),
				per((double)c->cycles, (double)c->bytes),
				per((double)c->packets, (double)c->turns),
				per((double)c->packets, (double)c->runs), c->missed, c->seq_lost,
				c->seq_wrong, c->bad_payload, c->copied, tp->windows[i],
				tp_median(tp, i), tp_ratio(tp, i), tp->n_conns, c->failed);
	}
	fprintf(f, "]");
	json_latency(tp, f);
	tp_tcp_json(tp, f);
	if (!tp->args.kernel) {
		fprintf(f, ",\"counters\":");
		dpvma_dump_json(f);
	}
	fprintf(f, "}\n");
	return fclose(f) == 0 ? 0 : -1;
}

/* Modes that cost more than they may. */
static int
ratios_failed(const struct tp *tp)
{
	unsigned int base = tp_base(tp), i, failed = 0;

	for (i = 0; i < tp->modes; i++) {
		double ratio = tp_ratio(tp, i);

		if (i == base || (i > 0 && !tp->mode[base]->bare) ||
				(ratio > 0 && ratio <= tp->args.max_ratio))
			continue;
		printf("FAILED: %s costs %.2f times %s, --max-ratio=%g\n", tp->mode[i]->name, ratio,
				tp->mode[base]->name, tp->args.max_ratio);
		failed++;
	}
	return (int)failed;
}

int
tp_verdict(const struct tp *tp)
{
	int failed = 0;
	unsigned int i;

	for (i = 0; i < tp->modes; i++) {
		const struct tp_count *c = &tp->count[i];

		if (c->packets < tp->args.min_packets) {
			printf("FAILED: %s got %lu packets, --min-packets=%lu\n", tp->mode[i]->name,
					c->packets, tp->args.min_packets);
			failed++;
		}
		if (c->failed != 0) {
			printf(tp->mode[i]->step != NULL ? "FAILED: %s lost %lu connections\n"
							 : "FAILED: %s: %lu calls that must not "
							   "fail "
							   "failed\n",
					tp->mode[i]->name, c->failed);
			failed++;
		}
		if (tp->args.check && (c->seq_wrong != 0 || c->bad_payload != 0)) {
			printf("FAILED: %s got %lu packets out of order and %lu with a bad "
			       "payload\n",
					tp->mode[i]->name, c->seq_wrong, c->bad_payload);
			failed++;
		}
	}
	if (tp->args.max_ratio > 0 && tp->modes > 1)
		failed += ratios_failed(tp);
	return failed;
}
