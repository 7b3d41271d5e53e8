/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * goodput [--rate 1G] [--delay 10ms] [--loss 0.01] [--queue 2500k] [--seconds 30] [--runs 5]
 *         [--cc cubic,reno] [--link more=of,the=link's] [--trace]
 *
 * Bytes acknowledged over a simulated link, in virtual time, median of several seeds. Without
 * --loss a table of several. linux_goodput.py gives the kernel's TCP the same link.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "sim_eal.h"

#define SEC UINT64_C(1000000000)
#define BUFFER (8u << 20)
#define RUNS_MAX 101

static struct sim sim;
static struct {
	const char *rate, *delay, *loss, *queue, *cc, *link;
	double seconds;
	unsigned int runs;
	uint64_t seed;
	bool trace;
} args = { .rate = "1G",
	.delay = "10ms",
	.queue = "2500k",
	.cc = "cubic,reno",
	.link = "",
	.seconds = 30,
	.runs = 5,
	.seed = 1 };

struct result {
	double mbit;
	struct tcp_snapshot look;
	uint64_t rtos, recoveries, undos, tlps;
};

static void
parse(struct sim_link_params *link, const char *loss, const char *more)
{
	char text[512], bad[128];

	snprintf(text, sizeof(text), "rate=%s,delay=%s,queue=%s,overhead=38%s%s%s%s", args.rate,
			args.delay, args.queue, loss != NULL ? ",loss=" : "",
			loss != NULL ? loss : "", more[0] != '\0' ? "," : "", more);
	if (sim_link_parse(link, text, bad, sizeof(bad)) != 0) {
		fprintf(stderr, "what is '%s'?\n", bad);
		exit(2);
	}
}

/** One connection that sends as fast as it can. */
static void
run(const char *loss, int cc, uint64_t seed, struct result *r)
{
	struct sim_params params = { .seed = seed, .until = (uint64_t)(args.seconds * 1e9) };
	struct sim_flow_params flow;
	const struct tcp_stats *stats;

	parse(&params.link[0], loss, args.link);
	parse(&params.link[1], NULL, "");
	params.trace = args.trace ? stdout : NULL;
	params.check_each = 100000;
	params.host[0].tso_max = 65000;
	params.host[0].multi_seg = true;
	sim_flow_default(&flow);
	flow.app[0].send = SIM_NEVER;
	flow.app[0].end = SIM_END_NOT;
	for (unsigned int i = 0; i < 2; i++) {
		flow.opt[i].cc = (uint8_t)cc;
		flow.opt[i].sndbuf = BUFFER;
		flow.opt[i].rcvbuf = BUFFER;
	}
	if (sim_init(&sim, &params) == 0) {
		struct sim_flow *f = sim_flow_add(&sim, &flow);

		if (sim_run(&sim, SIM_NEVER) == 0) {
			tcp_look(f->app[0].conn, &r->look);
			r->mbit = (double)r->look.bytes_acked * 8 / args.seconds / 1e6;
		}
		stats = tcp_engine_stats(sim.host[0].engine);
		r->rtos = stats->c[TCP_STAT_rtos];
		r->recoveries = stats->c[TCP_STAT_recoveries];
		r->undos = stats->c[TCP_STAT_undos];
		r->tlps = stats->c[TCP_STAT_tlp_probes];
	}
	if (sim_fini(&sim) != 0) {
		fprintf(stderr, "%s, seed %lu: %s\n", tcp_cc_name((enum tcp_cc_algo)cc),
				(unsigned long)seed, sim.failure);
		exit(1);
	}
}

static int
by_rate(const void *a, const void *b)
{
	double d = ((const struct result *)a)->mbit - ((const struct result *)b)->mbit;

	return d < 0 ? -1 : d > 0;
}

static void
line(const char *loss, int cc)
{
	static struct result r[RUNS_MAX];
	const struct result *m = &r[args.runs / 2];

	for (unsigned int i = 0; i < args.runs; i++)
		run(loss, cc, args.seed + i, &r[i]);
	qsort(r, args.runs, sizeof(r[0]), by_rate);
	printf("%-6s loss %-6s median %8.2f Mbit/s, %8.2f to %8.2f; of the median: %lu sent again, "
	       "%lu recoveries, %lu undone, %lu TLP, %lu RTO, round trip %.1f ms\n",
			tcp_cc_name((enum tcp_cc_algo)cc), loss, m->mbit, r[0].mbit,
			r[args.runs - 1].mbit, (unsigned long)m->look.segs_retransmitted,
			(unsigned long)m->recoveries, (unsigned long)m->undos,
			(unsigned long)m->tlps, (unsigned long)m->rtos, (double)m->look.srtt / 1e6);
	fflush(stdout);
}

static void
read_args(int argc, char **argv)
{
	static const struct option options[] = { { "rate", 1, NULL, 'r' },
		{ "delay", 1, NULL, 'd' }, { "loss", 1, NULL, 'l' }, { "queue", 1, NULL, 'q' },
		{ "seconds", 1, NULL, 's' }, { "runs", 1, NULL, 'n' }, { "cc", 1, NULL, 'c' },
		{ "link", 1, NULL, 'm' }, { "seed", 1, NULL, 'S' }, { "trace", 0, NULL, 't' },
		{ NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			args.rate = optarg;
			break;
		case 'd':
			args.delay = optarg;
			break;
		case 'l':
			args.loss = optarg;
			break;
		case 'q':
			args.queue = optarg;
			break;
		case 's':
			args.seconds = atof(optarg);
			break;
		case 'n':
			args.runs = (unsigned int)atoi(optarg);
			break;
		case 'c':
			args.cc = optarg;
			break;
		case 'm':
			args.link = optarg;
			break;
		case 'S':
			args.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			args.trace = true;
			break;
		default:
			exit(2);
		}
	}
	if (args.runs < 1 || args.runs > RUNS_MAX || args.seconds <= 0)
		exit(2);
}

int
main(int argc, char **argv)
{
	static const char *const losses[] = { "0", "0.001", "0.01", "0.03" };
	char names[128], *save = NULL;

	read_args(argc, argv);
	if (sim_eal_up("goodput", "400") != 0 || sim_pools(32767, 49151) != 0)
		return 1;
	snprintf(names, sizeof(names), "%s", args.cc);
	for (char *name = strtok_r(names, ",", &save); name != NULL;
			name = strtok_r(NULL, ",", &save)) {
		int cc = tcp_cc_by_name(name);

		if (cc < 0) {
			fprintf(stderr, "%s: no congestion control\n", name);
			return 2;
		}
		for (unsigned int i = 0; i < (args.loss != NULL ? 1 : RTE_DIM(losses)); i++)
			line(args.loss != NULL ? args.loss : losses[i], cc);
	}
	sim_eal_down();
	return 0;
}
