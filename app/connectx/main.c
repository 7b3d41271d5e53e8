/* SPDX-License-Identifier: BSD-3-Clause */
/* dpvma-connectx: the command line. The commands themselves are the model's. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST 512 /* bytes, the model's limit */

static struct {
	long pid, count;
	double seconds;
	bool help;
} opt;

static bool
set_pid(const char *text)
{
	char *end;

	opt.pid = strtol(text, &end, 10);
	return *end == '\0' && opt.pid > 0;
}

static bool
set_seconds(const char *text)
{
	char *end;

	opt.seconds = strtod(text, &end);
	return *end == '\0' && opt.seconds >= 0.01 && opt.seconds <= 1e6;
}

static bool
set_count(const char *text)
{
	char *end;

	opt.count = strtol(text, &end, 10);
	return *end == '\0' && opt.count > 0;
}

static bool
set_help(const char *text)
{
	(void)text;
	opt.help = true;
	return true;
}

static const struct {
	char letter;
	const char *arg; /* or NULL */
	const char *help;
	bool (*set)(const char *text);
	const char *want; /* what the argument must be */
} options[] = {
	{ 'p', "PID", "ask that process only, not all that run a software ConnectX", set_pid,
			"the number of a process" },
	{ 'w', "SECONDS",
			"stats: ask again and again, and show what changed, per second, and its "
			"sum",
			set_seconds, "from 0.01 to 1000000 seconds" },
	{ 'n', "COUNT", "with -w: end after so many times", set_count, "a number above 0" },
	{ 'h', NULL, "this", set_help, NULL },
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static void
usage(FILE *f)
{
	size_t i;

	fputs("dpvma-connectx [OPTION...] COMMAND [ARGUMENT...]\n"
	      "asks the software ConnectX of processes of this machine while they run.\n",
			f);
	for (i = 0; i < N_OPTIONS; i++)
		fprintf(f, "  -%c %-8s %s\n", options[i].letter,
				options[i].arg != NULL ? options[i].arg : "", options[i].help);
	fputs("\"dpvma-connectx help\" lists the commands of a running one.\n", f);
}

static bool
read_options(int argc, char **argv)
{
	char letters[2 * N_OPTIONS + 2], *p = letters;
	size_t i;
	int c;

	*p++ = ':';
	for (i = 0; i < N_OPTIONS; i++) {
		*p++ = options[i].letter;
		if (options[i].arg != NULL)
			*p++ = ':';
	}
	*p = '\0';
	while ((c = getopt(argc, argv, letters)) != -1) {
		for (i = 0; i < N_OPTIONS && options[i].letter != c; i++)
			;
		if (i == N_OPTIONS) {
			complain(c == ':' ? "-%c needs an argument (-h explains)"
					  : "no option -%c (-h lists them)",
					optopt);
			return false;
		}
		if (!options[i].set(optarg)) {
			complain("-%c %s: not %s", c, optarg, options[i].want);
			return false;
		}
	}
	return true;
}

/* The words of the command as one line. */
static bool
make_request(char *line, int n, char **words)
{
	size_t len = 0;
	int i;

	for (i = 0; i < n; i++) {
		if (len + strlen(words[i]) + 2 > REQUEST || strchr(words[i], '\n') != NULL) {
			complain("the command is longer than a line of %u characters", REQUEST);
			return false;
		}
		len += sprintf(line + len, "%s%s", i > 0 ? " " : "", words[i]);
	}
	strcpy(line + len, "\n");
	return true;
}

static int
ask_all(const struct process *list, size_t n, const char *request)
{
	int ret = 0;
	char *text;
	size_t i;

	for (i = 0; i < n; i++) {
		text = ask(&list[i], request);
		if (text == NULL) {
			no_answer(&list[i]);
			ret = 1;
		} else if (refused(&list[i], text)) {
			ret = 1;
		} else {
			if (n > 1)
				show_process(&list[i]);
			fputs(text, stdout);
		}
		free(text);
	}
	return ret;
}

int
main(int argc, char **argv)
{
	char request[REQUEST + 1];
	struct process *list;
	size_t n;
	int ret;

	if (!read_options(argc, argv))
		return 2;
	if (opt.help) {
		usage(stdout);
		return 0;
	}
	if (optind == argc) {
		usage(stderr);
		return 2;
	}
	if (opt.seconds > 0 && strcmp(argv[optind], "stats") != 0) {
		complain("-w shows the rates of \"stats\", not of \"%s\"", argv[optind]);
		return 2;
	}
	if (opt.count > 0 && !(opt.seconds > 0)) {
		complain("-n goes with -w");
		return 2;
	}
	if (!make_request(request, argc - optind, argv + optind))
		return 2;
	n = find_processes(&list, opt.pid);
	if (n == 0)
		ret = 1;
	else if (opt.seconds > 0)
		ret = watch(list, n, request, opt.seconds, opt.count);
	else
		ret = ask_all(list, n, request);
	free(list);
	return ret;
}
