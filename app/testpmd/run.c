/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop: modes take turns of a window each on the same queue, A B A B, so that what drifts on
 * the machine drifts for all. Only calls that brought packets count as work.
 */
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "testpmd.h"

volatile bool tp_stop;

static uint64_t
device_missed(const struct tp *tp)
{
	struct rte_eth_stats stats;

	if (tp->ring == NULL || rte_eth_stats_get(tp->ring->port_id, &stats) != 0)
		return 0;
	return stats.imissed;
}

/* One window of one mode; returns packets. */
static uint64_t
window(struct tp *tp, unsigned int m, uint64_t length, uint64_t limit)
{
	const struct tp_mode *mode = tp->mode[m];
	struct tp_count *count = &tp->count[m];
	uint64_t gather = (uint64_t)(tp->args.gather_us * tp->tsc_hz / 1e6);
	uint64_t start = rte_rdtsc(), now = start, before = count->packets;
	uint64_t missed = device_missed(tp), cycles = count->cycles;

	tp_check_forget(tp);
	if (mode->begin != NULL)
		mode->begin(tp, count);
	while (now - start < length && !tp_stop && count->packets - before < limit) {
		unsigned int n = mode->turn(tp, count);
		uint64_t end = rte_rdtsc();

		if (n != 0) {
			count->packets += n;
			count->cycles += end - now;
			count->turns++;
		} else {
			count->empty++;
		}
		for (now = end; now - end < gather;)
			now = rte_rdtsc();
	}
	if (mode->end != NULL)
		mode->end(tp, count);
	if (tp->modes > 1 && !tp->cyclic)
		tp_drain(tp);
	if (tp->windows[m] < TP_WINDOWS_MAX)
		tp->window[m][tp->windows[m]++] = (float)(count->packets == before
						? 0
						: (double)(count->cycles - cycles) /
								(double)(count->packets - before));
	/* rates are of the time in which something came */
	if (count->packets != before)
		count->seconds += (double)(now - start) / tp->tsc_hz;
	count->missed += device_missed(tp) - missed;
	return count->packets - before;
}

void
tp_clear(struct tp *tp)
{
	memset(tp->count, 0, sizeof(tp->count));
	memset(tp->windows, 0, sizeof(tp->windows));
	if (tp->workers != NULL)
		tp_tcp_clear(tp);
}

void
tp_run(struct tp *tp)
{
	uint64_t length = (uint64_t)(tp->args.window_ms * tp->tsc_hz / 1000);
	uint64_t end = (uint64_t)(tp->args.duration * tp->tsc_hz);
	uint64_t start = rte_rdtsc(), last = start, seen = start, total = 0;
	struct tp_count shown[TP_MODES_MAX] = { 0 };
	unsigned int m = 0, i;

	if (tp->workers != NULL) {
		tp_tcp_run(tp);
		return;
	}
	if (tp->modes == 1)
		length = RTE_MIN(length, (uint64_t)(tp->tsc_hz / 20));
	while (!tp_stop) {
		uint64_t left = tp->args.packets ? tp->args.packets - total : UINT64_MAX;
		uint64_t got = window(tp, m, length, left), now = rte_rdtsc();

		total += got;
		if (got != 0)
			seen = now;
		if (now - last >= (uint64_t)tp->tsc_hz && !tp->args.quiet) {
			for (i = 0; i < tp->modes; i++) {
				tp_report_second(tp, i, &shown[i],
						(double)(now - last) / tp->tsc_hz);
				shown[i] = tp->count[i];
			}
			last = now;
		}
		m = (m + 1) % tp->modes;
		if (tp->args.packets != 0 && total >= tp->args.packets)
			break;
		if (end != 0 && now - start >= end)
			break;
		if (tp->args.idle > 0 && total != 0 &&
				(double)(now - seen) > tp->args.idle * tp->tsc_hz)
			break;
	}
}
