/* SPDX-License-Identifier: BSD-3-Clause */
/* The prompt, in testpmd's manner, on librte_cmdline. */
#include <string.h>

#include <cmdline.h>
#include <cmdline_parse.h>
#include <cmdline_parse_string.h>
#include <cmdline_socket.h>
#include <rte_cycles.h>

#include "dpvma.h"
#include "testpmd.h"

static struct tp *the_tp;

struct words {
	cmdline_fixed_string_t verb;
	cmdline_fixed_string_t what;
};

static void
run_parsed(void *parsed, struct cmdline *cl, void *data)
{
	double duration = the_tp->args.duration;
	struct words *words = parsed;

	(void)cl;
	(void)data;
	if (words->what[0] != '\0')
		the_tp->args.duration = strtod(words->what, NULL);
	tp_stop = false;
	tp_run(the_tp);
	tp_stop = false;
	tp_report(the_tp, stdout);
	the_tp->args.duration = duration;
}

static void
mode_parsed(void *parsed, struct cmdline *cl, void *data)
{
	const struct tp_mode *mode = tp_mode_find(((struct words *)parsed)->what);

	(void)data;
	if (mode == NULL || mode->wants_cyclic > the_tp->cyclic ||
			(mode->wants_queue && the_tp->cyclic) ||
			mode->sends != the_tp->mode[0]->sends ||
			mode->trips != the_tp->mode[0]->trips ||
			(mode->step != NULL) != (the_tp->mode[0]->step != NULL) ||
			mode->connects != the_tp->mode[0]->connects) {
		cmdline_printf(cl, "not a mode of these sockets; see --help\n");
		return;
	}
	if (mode->step == NULL && tp_mode_works(the_tp, mode) != 0)
		return;
	the_tp->mode[0] = mode;
	the_tp->modes = 1;
	tp_clear(the_tp);
}

static void
show_parsed(void *parsed, struct cmdline *cl, void *data)
{
	const char *what = ((struct words *)parsed)->what;

	(void)data;
	if (strcmp(what, "stats") == 0)
		tp_report(the_tp, stdout);
	else if (strcmp(what, "all") == 0)
		dpvma_dump(0, stdout);
	else if (strcmp(what, "options") == 0)
		dpvma_print_options(stdout);
	else
		cmdline_printf(cl, "show stats|all|options\n");
}

static void
clear_parsed(void *parsed, struct cmdline *cl, void *data)
{
	(void)parsed;
	(void)cl;
	(void)data;
	tp_clear(the_tp);
}

static void
quit_parsed(void *parsed, struct cmdline *cl, void *data)
{
	(void)parsed;
	(void)data;
	cmdline_quit(cl);
}

static cmdline_parse_token_string_t
		start_word = TOKEN_STRING_INITIALIZER(struct words, verb, "start"),
		run_word = TOKEN_STRING_INITIALIZER(struct words, verb, "run"),
		mode_word = TOKEN_STRING_INITIALIZER(struct words, verb, "mode"),
		show_word = TOKEN_STRING_INITIALIZER(struct words, verb, "show"),
		clear_word = TOKEN_STRING_INITIALIZER(struct words, verb, "clear"),
		quit_word = TOKEN_STRING_INITIALIZER(struct words, verb, "quit"),
		any_word = TOKEN_STRING_INITIALIZER(struct words, what, NULL);

#define COMMAND(name, function, help, ...)                                                         \
	static cmdline_parse_inst_t name = {                                                       \
		.f = function, .help_str = help, .tokens = { __VA_ARGS__, NULL }                   \
	}

COMMAND(start_command, run_parsed, "start: run for --duration", (void *)&start_word);
COMMAND(run_command, run_parsed, "run SECONDS", (void *)&run_word, (void *)&any_word);
COMMAND(mode_command, mode_parsed, "mode NAME: switch", (void *)&mode_word, (void *)&any_word);
COMMAND(show_command, show_parsed, "show stats|all|options", (void *)&show_word, (void *)&any_word);
COMMAND(clear_command, clear_parsed, "clear: statistics", (void *)&clear_word);
COMMAND(quit_command, quit_parsed, "quit", (void *)&quit_word);

static cmdline_parse_ctx_t commands[] = { &start_command, &run_command, &mode_command,
	&show_command, &clear_command, &quit_command, NULL };

int
tp_interactive(struct tp *tp)
{
	struct cmdline *cl = cmdline_stdin_new(commands, "dpvma-testpmd> ");

	if (cl == NULL) {
		fprintf(stderr, "dpvma-testpmd: no prompt on standard input; leave -i out\n");
		return -1;
	}
	the_tp = tp;
	cmdline_interact(cl);
	cmdline_stdin_exit(cl);
	return 0;
}
