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

#include "dpvma.h"
#include "testpmd.h"

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

	tp->cyclic = strcmp(tp->args.like, "cyclic") == 0;
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
		tp->mode[tp->modes++] = mode;
	}
	if (tp->modes == 0 || (tp->mode[0]->sends && tp->modes > 1)) {
		fprintf(stderr, "dpvma-testpmd: --modes: name at least one; send goes alone\n");
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
		tp_run(&tp);
		tp_report(&tp, stdout);
		failed = tp_verdict(&tp);
	}
	if (tp.args.json[0] != '\0' && tp_report_json(&tp, tp.args.json) != 0)
		failed++;
	tp_sockets_close(&tp);
	dpvma_exit();
	end_eal();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
