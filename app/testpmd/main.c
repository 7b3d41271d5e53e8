/* SPDX-License-Identifier: BSD-3-Clause */
/* dpvma-testpmd <EAL arguments> -- <options>: see tp_help(). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "dpvma.h"
#include "calls.h"
#include "testpmd.h"

#define LINK_PATIENCE 5 /**< seconds in which a port that sends may come up */
#define TP_FRAME_MAX 1472
#define TP_QUESTION_MAX 16384 /**< of connect: fits any send buffer */

static void
on_signal(int sig)
{
	(void)sig;
	tp_stop = true;
}

static int
wrong(const char *option, const char *value, const char *cure)
{
	fprintf(stderr, "dpvma-testpmd: --%s=%s: %s\n", option, value, cure);
	return -EINVAL;
}

static int
tcp_options(const struct tp_args *args, const struct tp_mode *mode)
{
	if (args->size == 0)
		return wrong("size", "0", "the modes of TCP need a byte at least");
	if (mode->connects && args->size > TP_QUESTION_MAX)
		return wrong("size", "...", "connect asks with 16384 bytes at most");
	if (args->wait[0] != '\0' && strcmp(args->wait, "poll") != 0 &&
			strcmp(args->wait, "epoll") != 0)
		return wrong("wait", args->wait, "give poll or epoll");
	if (mode->connects && args->wait[0] == 'p')
		return wrong("wait", args->wait, "connect takes epoll");
	if (strcmp(args->close, "server") != 0 && strcmp(args->close, "client") != 0 &&
			strcmp(args->close, "reset") != 0)
		return wrong("close", args->close, "give server, client or reset");
	return 0;
}

static int
kernel_alone(const struct tp *tp)
{
	if (!tp->args.kernel)
		return 0;
	return wrong("kernel", "1", "only the modes of TCP have the kernel's sockets");
}

static int
choose_modes(struct tp *tp)
{
	char *save, *name, *list = tp->args.modes;
	bool alone = false, queue = false;
	unsigned int i;

	tp->cyclic = strcmp(tp->args.like, "cyclic") == 0;
	if (!tp->cyclic && tp->args.like[0] != '\0' && strcmp(tp->args.like, "recv") != 0) {
		fprintf(stderr, "dpvma-testpmd: --like=%s: give cyclic or recv\n", tp->args.like);
		return -EINVAL;
	}
	for (name = strtok_r(list, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save)) {
		const struct tp_mode *mode = tp_mode_find(name);

		if (mode == NULL || tp->modes == TP_MODES_MAX) {
			fprintf(stderr,
					"dpvma-testpmd: --modes: %s: not a mode, or one of more "
					"than %d; see "
					"--help\n",
					name, TP_MODES_MAX);
			return -EINVAL;
		}
		tp->cyclic |= mode->wants_cyclic;
		queue |= mode->wants_queue;
		tp->mode[tp->modes++] = mode;
	}
	for (i = 0; i < tp->modes; i++)
		alone |= tp->mode[i]->sends || tp->mode[i]->trips || tp->mode[i]->step != NULL;
	if (tp->modes == 0 || (alone && tp->modes > 1)) {
		fprintf(stderr,
				"dpvma-testpmd: --modes: name at least one; send, txonly, trip and "
				"the modes of "
				"TCP "
				"go alone\n");
		return -EINVAL;
	}
	if (tp->cyclic && queue) {
		fprintf(stderr,
				"dpvma-testpmd: --modes: sockets on a cyclic ring give nothing to "
				"recv, zcopy, callback and xtreme: run cyclic apart\n");
		return -EINVAL;
	}
	tp->sends = tp->mode[0]->sends || (tp->mode[0]->trips && tp->args.peer[0] != '\0');
	if (tp->mode[0]->frames && (tp->args.size < TP_SEQ_BYTES || tp->args.size > TP_FRAME_MAX))
		return wrong("size", "...", "frames carry 16 to 1472 bytes");
	if (tp->mode[0]->sends && tp->args.size > TP_DATAGRAM_MAX) {
		fprintf(stderr,
				"dpvma-testpmd: --size=%u: send's datagrams have at most %d "
				"bytes\n",
				tp->args.size, TP_DATAGRAM_MAX);
		return -EINVAL;
	}
	return tp->mode[0]->step != NULL ? tcp_options(&tp->args, tp->mode[0]) : kernel_alone(tp);
}

/* EAL leaves the directory of its prefix behind; it goes unless another process uses it. */
static void
end_eal(void)
{
	rte_eal_cleanup();
	rmdir(rte_eal_get_runtime_dir());
}

static unsigned int
links_up(void)
{
	struct rte_eth_link link;
	unsigned int n = 0;
	uint16_t port;

	/* the library owns its ports, and RTE_ETH_FOREACH_DEV passes over those */
	for (port = 0; port < RTE_MAX_ETHPORTS; port++)
		n += rte_eth_dev_is_valid_port(port) && rte_eth_link_get_nowait(port, &link) == 0 &&
				link.link_status;
	return n;
}

/*
 * net_memif unmaps its rings in EAL's interrupt thread when the other end goes, under a receiver
 * that is in the middle of a burst (seen with 22.11). So the end that is not polling goes last.
 */
static void
linger(double seconds)
{
	unsigned int up = links_up();
	unsigned int turns = (unsigned int)(seconds * 100);

	/* without a link nobody is there to wait for */
	while (up > 0 && turns-- > 0 && links_up() == up)
		rte_delay_us_sleep(10000);
}

/* What is sent before there is a link is lost: the other end of a memif comes when it comes. */
static void
await_link(void)
{
	unsigned int turns = LINK_PATIENCE * 100;

	while (turns-- > 0 && links_up() == 0 && !tp_stop)
		rte_delay_us_sleep(10000);
}

static uint64_t
look_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What the TSC does in a second, where EAL did not find out. */
static double
measure_tsc(void)
{
	const uint64_t length = 50000000;
	uint64_t tsc = rte_rdtsc(), ns = look_ns();

	while (look_ns() - ns < length)
		;
	return (double)(rte_rdtsc() - tsc) * 1e9 / (double)(look_ns() - ns);
}

/** @return the place of "--", with --kernel behind it; 0: EAL is to be started */
static int
kernel_from(int argc, char **argv)
{
	int i, from = 0;

	for (i = 1; i < argc; i++) {
		if (from == 0 && strcmp(argv[i], "--") == 0)
			from = i;
		if (from != 0 && strcmp(argv[i], "--kernel") == 0)
			return from;
	}
	return 0;
}

static int
start_eal(int argc, char **argv)
{
	int eal = rte_eal_init(argc, argv);

	if (eal >= 0)
		return eal;
	fprintf(stderr, "dpvma-testpmd: EAL did not start: %s; its own lines above say why\n",
			rte_strerror(rte_errno));
	rmdir(rte_eal_get_runtime_dir());
	return -1;
}

static int
run(struct tp *tp)
{
	int failed = 0;

	printf("READY\n");
	fflush(stdout);
	if (tp->args.interactive) {
		failed = tp_interactive(tp);
	} else {
		if (tp->sends ||
				(tp->mode[0]->connects && tp->args.peer[0] != '\0' &&
						!tp->args.kernel))
			await_link();
		tp_run(tp);
		if (tp->workers != NULL)
			failed += (int)tp_tcp_end(tp);
		if (!tp->args.kernel)
			linger(tp->args.linger);
		tp_report(tp, stdout);
		failed += tp_verdict(tp);
	}
	if (tp->args.json[0] != '\0' && tp_report_json(tp, tp->args.json) != 0)
		failed++;
	return failed;
}

static int
with_kernel(struct tp *tp)
{
	int failed = 1;

	tp_calls = &tp_calls_kernel;
	tp->tsc_hz = measure_tsc();
	if (tp_sockets_open(tp) == 0)
		failed = run(tp);
	tp_sockets_close(tp);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int
with_dpvma(struct tp *tp)
{
	int failed = 1;

	tp->tsc_hz = (double)rte_get_tsc_hz();
	if (dpvma_init() == 0 && tp_sockets_open(tp) == 0)
		failed = run(tp);
	tp_sockets_close(tp);
	dpvma_exit();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	int eal, kernel = kernel_from(argc, argv), ret, i;
	static struct tp tp;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			tp_help(argv[0], stdout);
			return 0;
		}
	eal = kernel ? kernel : start_eal(argc, argv);
	if (eal < 0)
		return EXIT_FAILURE;
	ret = tp_args_parse(argc - eal, argv + eal, &tp.args);
	if (ret != 0 || choose_modes(&tp) != 0) {
		if (!kernel)
			end_eal();
		return ret > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (kernel)
		return with_kernel(&tp);
	ret = with_dpvma(&tp);
	end_eal();
	return ret;
}
