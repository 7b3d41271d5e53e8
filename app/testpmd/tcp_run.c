/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads of the TCP modes: the main thread is the first worker, and what all are to do next it
 * does with them, between two barriers.
 *
 * A turn counts as work when it moved bytes, or packets of the worker's ring, or when epoll had
 * something to tell; other turns found nothing and cost nobody anything.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "dpvma.h"
#include "tcp.h"

static pthread_barrier_t begin, end;
static void (*job)(struct tp_worker *w); /* NULL: leave */

static void
job_open(struct tp_worker *w)
{
	w->failed = tp_worker_open(w) != 0;
}

static uint64_t
ring_packets(const struct tp_worker *w)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < w->n_rings; i++)
		n += w->rings[i]->stats.c[RING_STAT_rx_packets] +
				w->rings[i]->stats.c[RING_STAT_handover_in];
	return n;
}

/** @name The loop */
/** @{ */
static void
turns(struct tp_worker *w, uint64_t length, uint64_t most)
{
	struct tp_count *count = &w->count;
	uint64_t start = rte_rdtsc(), now = start, packets = ring_packets(w);

	while (now - start < length && !tp_stop && count->packets < most) {
		unsigned int n = tp_tcp_turn(w);
		uint64_t then = rte_rdtsc(), after = ring_packets(w);

		if (n != 0) {
			count->packets += n;
			count->turns++;
		} else {
			count->empty++;
		}
		if (n != 0 || after != packets || w->worked)
			count->cycles += then - now;
		w->worked = false;
		packets = after;
		now = then;
	}
}

/* What all have done so far, for the line of a second. */
static void
add_up(struct tp *tp)
{
	struct tp_count *sum = &tp->count[0];
	uint32_t i;

	memset(sum, 0, sizeof(*sum));
	tp->n_conns = 0;
	for (i = 0; i < tp->args.threads; i++) {
		const struct tp_count *c = &tp->workers[i].count;

		sum->packets += c->packets;
		sum->bytes += c->bytes;
		sum->turns += c->turns;
		sum->cycles += c->cycles;
		sum->empty += c->empty;
		sum->bad_payload += c->bad_payload;
		sum->failed += c->failed;
		sum->seconds = RTE_MAX(sum->seconds, c->seconds);
		tp->n_conns += tp->workers[i].opened;
	}
}

static void
each_second(struct tp *tp, struct tp_count *shown, uint64_t *last, uint64_t now)
{
	if (tp->args.quiet || now - *last < (uint64_t)tp->tsc_hz)
		return;
	add_up(tp);
	tp_report_second(tp, 0, shown, (double)(now - *last) / tp->tsc_hz);
	*shown = tp->count[0];
	*last = now;
}

static void
note_window(struct tp_worker *w, uint64_t packets, uint64_t cycles)
{
	struct tp *tp = w->tp;

	if (w->index == 0 && tp->windows[0] < TP_WINDOWS_MAX)
		tp->window[0][tp->windows[0]++] = packets == 0 ? 0 : (float)cycles / (float)packets;
}

/* A server of connections that come and go is done when none came for so long. */
static double
patience(const struct tp *tp)
{
	if (tp->args.idle > 0)
		return tp->args.idle;
	return tp->mode[0]->connects && !tp_active(tp) ? TP_CONNECT_IDLE : 1e9;
}

static void
job_run(struct tp_worker *w)
{
	const struct tp_args *args = &w->tp->args;
	uint64_t hz = (uint64_t)w->tp->tsc_hz, start = rte_rdtsc(), now = start, last = start;
	uint64_t most = args->packets ? args->packets / args->threads : UINT64_MAX;
	uint64_t seen = UINT64_MAX;
	struct tp_count shown = { 0 };

	if (w->tp->mode[0]->begin_tcp != NULL)
		w->tp->mode[0]->begin_tcp(w);
	while (!tp_stop && w->count.packets < most) {
		struct tp_count before = w->count;

		turns(w, hz / 20, most);
		if (w->count.packets != before.packets) {
			seen = rte_rdtsc();
			w->count.seconds += (double)(seen - now) / (double)hz;
		}
		now = rte_rdtsc();
		note_window(w, w->count.packets - before.packets, w->count.cycles - before.cycles);
		if (w->index == 0)
			each_second(w->tp, &shown, &last, now);
		if (args->duration > 0 && (double)(now - start) >= args->duration * (double)hz)
			break;
		if (now > seen && (double)(now - seen) > patience(w->tp) * (double)hz)
			break;
	}
	if (w->tp->mode[0]->end_tcp != NULL)
		w->tp->mode[0]->end_tcp(w);
}
/** @} */

/** @name Threads */
/** @{ */
/* Worker by worker the next of EAL's processors, or of those that the program may use. */
static void
pin(const struct tp_worker *w)
{
	uint32_t n = 0, i, wanted;
	rte_cpuset_t set, one;

	if (w->tp->args.kernel) {
		if (sched_getaffinity(0, sizeof(set), &set) != 0)
			return;
	} else {
		unsigned int lcore;

		CPU_ZERO(&set);
		for (lcore = 0; lcore < RTE_MAX_LCORE; lcore++)
			if (rte_lcore_is_enabled(lcore)) {
				one = rte_lcore_cpuset(lcore);
				RTE_CPU_OR(&set, &set, &one);
			}
	}
	wanted = w->index % (uint32_t)CPU_COUNT(&set);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set) && n++ == wanted)
			break;
	CPU_ZERO(&one);
	CPU_SET(i, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static void
do_all(struct tp *tp, void (*what)(struct tp_worker *w))
{
	job = what;
	pthread_barrier_wait(&begin);
	if (what == NULL)
		return;
	what(&tp->workers[0]);
	pthread_barrier_wait(&end);
}

static void *
worker(void *arg)
{
	struct tp_worker *w = arg;

	pin(w);
	for (;;) {
		pthread_barrier_wait(&begin);
		if (job == NULL)
			return NULL;
		job(w);
		pthread_barrier_wait(&end);
	}
}

/* One thread waits for nobody. */
static int
start_threads(struct tp *tp)
{
	uint32_t i;

	pthread_barrier_init(&begin, NULL, tp->args.threads);
	pthread_barrier_init(&end, NULL, tp->args.threads);
	tp->workers = aligned_alloc(
			RTE_CACHE_LINE_SIZE, tp->args.threads * sizeof(struct tp_worker));
	if (tp->workers == NULL)
		return -1;
	memset(tp->workers, 0, tp->args.threads * sizeof(struct tp_worker));
	for (i = 0; i < tp->args.threads; i++) {
		tp->workers[i].tp = tp;
		tp->workers[i].index = i;
		tp->workers[i].epfd = -1;
	}
	if (tp->args.threads > 1)
		pin(&tp->workers[0]);
	for (i = 1; i < tp->args.threads; i++)
		if (pthread_create(&tp->workers[i].thread, NULL, worker, &tp->workers[i]) != 0) {
			/* those that began wait for one that never comes */
			fprintf(stderr, "dpvma-testpmd: --threads=%u: %s\n", tp->args.threads,
					strerror(errno));
			exit(EXIT_FAILURE);
		}
	return 0;
}
/** @} */

int
tp_tcp_open(struct tp *tp)
{
	bool failed = false;
	uint32_t i;

	if (tp_pattern_make(tp->args.size, tp->args.zerocopy && !tp->args.kernel) != 0 ||
			start_threads(tp) != 0) {
		fprintf(stderr, "dpvma-testpmd: no memory\n");
		return -1;
	}
	do_all(tp, job_open);
	/* who connects did so before the idle ones */
	if (!tp_active(tp) || tp->mode[0]->connects)
		tp_memory_note(tp, &tp->memory_before);
	for (i = 0; i < tp->args.threads; i++)
		failed |= tp->workers[i].failed;
	add_up(tp);
	return failed ? -1 : 0;
}

/* Opening and closing count, too: what the run itself did is the difference. */
static void
counters_note(struct tp *tp, char **json)
{
	size_t len;
	FILE *f;

	if (tp->args.kernel || tp->args.json[0] == '\0')
		return;
	free(*json);
	*json = NULL;
	f = open_memstream(json, &len);
	if (f == NULL)
		return;
	dpvma_dump_json(f);
	fclose(f);
}

void
tp_tcp_run(struct tp *tp)
{
	uint32_t i;

	counters_note(tp, &tp->counters[0]);
	do_all(tp, job_run);
	counters_note(tp, &tp->counters[1]);
	tp_memory_note(tp, &tp->memory_after);
	add_up(tp);
	memset(&tp->latency, 0, sizeof(tp->latency));
	for (i = 0; i < tp->args.threads; i++)
		tp_latency_sum(&tp->latency, &tp->workers[i].latency);
}

unsigned int
tp_tcp_end(struct tp *tp)
{
	unsigned int failed = 0;
	uint32_t i;

	do_all(tp, tp_worker_end);
	for (i = 0; i < tp->args.threads; i++)
		failed += tp->workers[i].not_ended;
	add_up(tp);
	if (failed > 0)
		printf("FAILED: %u connections did not end in order\n", failed);
	return failed;
}

void
tp_tcp_clear(struct tp *tp)
{
	uint32_t i;

	for (i = 0; i < tp->args.threads; i++) {
		memset(&tp->workers[i].count, 0, sizeof(tp->workers[i].count));
		memset(&tp->workers[i].latency, 0, sizeof(tp->workers[i].latency));
	}
	add_up(tp);
}

void
tp_tcp_close(struct tp *tp)
{
	uint32_t i;

	if (tp->workers == NULL)
		return;
	do_all(tp, tp_worker_close);
	do_all(tp, NULL);
	for (i = 1; i < tp->args.threads; i++)
		pthread_join(tp->workers[i].thread, NULL);
	pthread_barrier_destroy(&begin);
	pthread_barrier_destroy(&end);
	free(tp->workers);
	tp->workers = NULL;
	for (i = 0; i < RTE_DIM(tp->counters); i++)
		free(tp->counters[i]);
	tp_pattern_free();
}
