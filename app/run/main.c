/* SPDX-License-Identifier: BSD-3-Clause */
/* dpvma-run: from the command line to the program. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

void
run_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("dpvma-run: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int
run_exec(char **program)
{
	execvp(program[0], program);
	if (errno == ENOENT) {
		run_error("%s: there is no such program: correct the name, or give its path",
				program[0]);
		return RUN_NOT_FOUND;
	}
	run_error("%s: it cannot be run: %s", program[0], strerror(errno));
	return RUN_CANNOT_RUN;
}

/*
 * Words about the log as the library would have them while it prints warnings only, and without
 * those of two PMDs: mlx5's misses what a model of its device does not have, memif's the files of
 * EAL that other processes would use.
 */
static const char *
quiet(const struct run_args *a, const char *words)
{
	bool memif = strstr(words, "net_memif") != NULL;

	if ((!a->sim && !memif) || conf()->tracelevel > CONF_TRACE_WARNING ||
			strstr(words, "--log-level") != NULL)
		return "";
	return " --log-level=warning --log-level=lib.eal:error --log-level=lib.telemetry:error"
	       " --log-level=pmd.net.mlx5:error --log-level=pmd.net.memif:error";
}

/* DPVMA_EAL_ARGS, from the ports, memory, and what was said beside. */
static int
set_eal_args(const struct run_args *a)
{
	char ports[CONF_ARGS_SIZE] = "", memory[128], words[2 * CONF_ARGS_SIZE];
	const char *env = getenv("DPVMA_EAL_ARGS"), *more = a->eal != NULL ? a->eal : "";

	/* who names no port has said in the environment which */
	if (a->n_ports == 0 && env != NULL)
		snprintf(ports, sizeof(ports), "%s", env);
	else if (ports_eal(a, ports, sizeof(ports)) != 0)
		return -1;
	snprintf(words, sizeof(words), "%s %s", ports, more);
	if (run_memory(a, words, memory, sizeof(memory)) != 0)
		return -1;
	snprintf(words, sizeof(words), "%s%s%s%s%s%s", ports, *ports && *more ? " " : "", more,
			(*ports || *more) && *memory ? " " : "", memory, quiet(a, words));
	if (strlen(words) >= CONF_ARGS_SIZE) {
		run_error("the arguments for EAL are longer than %d characters: give fewer",
				CONF_ARGS_SIZE - 1);
		return -1;
	}
	return run_env_set("DPVMA_EAL_ARGS", words);
}

static int
prepare(struct run_args *a)
{
	if (run_env_keep() != 0 || run_vars_set(a) != 0)
		return -1;
	if (a->sim ? sim_prepare(a) != 0 : ports_choose(a) != 0)
		return -1;
	if (ports_addrs(a) != 0 || set_eal_args(a) != 0)
		return -1;
	if (a->explain && explain_prepare() != 0)
		return -1;
	return run_env_preload(a->sim);
}

/* With a parent that stays. The exit code. */
static int
run_below(const struct run_args *a)
{
	int peer_ns = -2, ret = RUN_OWN_ERROR;

	if (a->sim)
		peer_ns = sim_start(a);
	if (peer_ns != -1)
		ret = supervise(a, peer_ns);
	explain_end(peer_ns != -1);
	return ret;
}

int
main(int argc, char **argv)
{
	static struct run_args args;
	int ret;

	ret = run_args_parse(argc, argv, &args);
	if (ret != 0)
		return ret > 0 ? 0 : RUN_OWN_ERROR;
	if (args.list) {
		ports_list(stdout);
		return fflush(stdout) == 0 ? 0 : RUN_OWN_ERROR;
	}
	if (args.pid != 0)
		return explain_running(&args);
	if (prepare(&args) != 0) {
		explain_end(false);
		return RUN_OWN_ERROR;
	}
	if (args.verbose || args.dry_run)
		run_env_print(args.dry_run ? stdout : stderr, args.program);
	if (args.dry_run) {
		explain_end(false);
		return fflush(stdout) == 0 ? 0 : RUN_OWN_ERROR;
	}
	elf_warn(args.program[0]);
	return args.sim || args.explain ? run_below(&args) : run_exec(args.program);
}
