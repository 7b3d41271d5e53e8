/* SPDX-License-Identifier: BSD-3-Clause */
/* dpvma-testpmd <EAL arguments> -- <options>: see tp_help(). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "dpvma.h"
#include "testpmd.h"

#define LINK_PATIENCE 5 /**< seconds in which a port that sends may come up */

static void
on_signal(int sig)
{
	(void)sig;
	tp_stop = true;
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
		alone |= tp->mode[i]->sends || tp->mode[i]->stream;
	if (tp->modes == 0 || (alone && tp->modes > 1)) {
		fprintf(stderr,
				"dpvma-testpmd: --modes: name at least one; send, stream and rr go "
				"alone\n");
		return -EINVAL;
	}
	if (tp->cyclic && queue) {
		fprintf(stderr,
				"dpvma-testpmd: --modes: sockets on a cyclic ring give nothing to "
				"recv, zcopy, callback and xtreme: run cyclic apart\n");
		return -EINVAL;
	}
	if (tp->mode[0]->sends && tp->args.size > TP_DATAGRAM_MAX) {
		fprintf(stderr,
				"dpvma-testpmd: --size=%u: send's datagrams have at most %d "
				"bytes\n",
				tp->args.size, TP_DATAGRAM_MAX);
		return -EINVAL;
	}
	if (tp->mode[0]->stream && tp->args.size == 0) {
		fprintf(stderr, "dpvma-testpmd: --size=0: stream and rr need a byte at least\n");
		return -EINVAL;
	}
	return 0;
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

	while (turns-- > 0 && links_up() == up)
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

int
main(int argc, char **argv)
{
	static struct tp tp;
	int eal, failed = 0, i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			tp_help(argv[0], stdout);
			return 0;
		}
	eal = rte_eal_init(argc, argv);
	if (eal < 0) {
		fprintf(stderr,
				"dpvma-testpmd: EAL did not start: %s; its own lines above say "
				"why\n",
				rte_strerror(rte_errno));
		rmdir(rte_eal_get_runtime_dir());
		return EXIT_FAILURE;
	}
	i = tp_args_parse(argc - eal, argv + eal, &tp.args);
	if (i != 0 || choose_modes(&tp) != 0) {
		end_eal();
		return i > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	tp.tsc_hz = (double)rte_get_tsc_hz();
	if (dpvma_init() != 0 || tp_sockets_open(&tp) != 0) {
		tp_sockets_close(&tp);
		dpvma_exit();
		end_eal();
		return EXIT_FAILURE;
	}
	printf("READY\n");
	fflush(stdout);
	if (tp.args.interactive) {
		failed = tp_interactive(&tp);
	} else {
		if (tp.mode[0]->sends)
			await_link();
		tp_run(&tp);
		if (tp.mode[0]->stream)
			failed += (int)tp_stream_end(&tp);
		linger(tp.args.linger);
		tp_report(&tp, stdout);
		failed += tp_verdict(&tp);
	}
	if (tp.args.json[0] != '\0' && tp_report_json(&tp, tp.args.json) != 0)
		failed++;
	tp_sockets_close(&tp);
	dpvma_exit();
	end_eal();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
