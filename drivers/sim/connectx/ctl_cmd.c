/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of the control socket: one table, which the help comes from too. A NIC is locked
 * only while what is shown of it is copied.
 */
#include "ctl.h"
#include <ctype.h>
#include <stdarg.h>
#include <unistd.h>

#define MAX_ARGS 8
#define RULES_SHOWN 100 /* of one NIC, unless the request says how many */
#define MAX_RULES_SHOWN 4096

void
cx_ctl_error(FILE *out, const char *fmt, ...)
{
	va_list ap;

	fputs("error: ", out);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
}

void
cx_ctl_json_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", *text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static struct cx_dev *
by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++)
		if (strcmp(cx_devs[i]->conf.name, name) == 0)
			return cx_devs[i];
	return NULL;
}

struct cx_dev *
cx_ctl_nic(FILE *out, const char *name)
{
	struct cx_dev *d = by_name(name);

	if (d == NULL)
		cx_ctl_error(out, "no NIC \"%s\" (\"nics\" lists them)", name);
	return d;
}

/* Whether argv[1] is a NIC, or there is none: all of them then. */
static bool
check_args(FILE *out, unsigned int argc, char **argv, unsigned int max)
{
	if (argc > max) {
		cx_ctl_error(out, "%s: \"%s\" is one word too many", argv[0], argv[max]);
		return false;
	}
	return argc < 2 || cx_ctl_nic(out, argv[1]) != NULL;
}

/* The next NIC that argv[1] selects, from *i on. */
static struct cx_dev *
next_nic(unsigned int *i, unsigned int argc, char **argv)
{
	while (*i < cx_n_devs) {
		struct cx_dev *d = cx_devs[(*i)++];

		if (argc < 2 || strcmp(d->conf.name, argv[1]) == 0)
			return d;
	}
	return NULL;
}

struct state {
	struct cx_stats stat;
	bool link_up, used;
	const char *use;
};

static void
copy_state(struct cx_dev *d, struct state *s)
{
	cx_lock(d);
	s->stat = d->stat;
	s->link_up = d->link_up;
	s->used = d->contexts != 0;
	s->use = d->halted	    ? "its memory is gone"
			: s->used   ? "in use"
			: d->broken ? "failed to open"
				    : "not in use";
	cx_unlock(d);
}

static void
show_head(FILE *out, const struct cx_dev *d, const struct state *s)
{
	fprintf(out, "%s: pci %s, netdev %s, wire %s, link %s, %s\n", d->conf.name, d->conf.pci,
			d->conf.netdev, d->conf.wire, s->link_up ? "up" : "down", s->use);
}

static void
run_nics(FILE *out, unsigned int argc, char **argv)
{
	unsigned int i = 0;
	struct cx_dev *d;
	struct state s;

	if (!check_args(out, argc, argv, 2))
		return;
	while ((d = next_nic(&i, argc, argv)) != NULL) {
		copy_state(d, &s);
		show_head(out, d, &s);
	}
}

static void
run_stats(FILE *out, unsigned int argc, char **argv)
{
	unsigned int i = 0;
	struct cx_dev *d;
	struct state s;

	if (!check_args(out, argc, argv, 2))
		return;
	while ((d = next_nic(&i, argc, argv)) != NULL) {
		copy_state(d, &s);
		show_head(out, d, &s);
		cx_stat_text(out, &s.stat);
	}
}

static void
json_head(FILE *out, const struct cx_dev *d, bool first)
{
	fputs(first ? "[{\"name\":" : ",\n{\"name\":", out);
	cx_ctl_json_text(out, d->conf.name);
}

static void
run_stats_json(FILE *out, unsigned int argc, char **argv)
{
	unsigned int i = 0, n = 0;
	struct cx_dev *d;
	struct state s;

	if (!check_args(out, argc, argv, 2))
		return;
	while ((d = next_nic(&i, argc, argv)) != NULL) {
		copy_state(d, &s);
		json_head(out, d, n++ == 0);
		fputs(",\"pci\":", out);
		cx_ctl_json_text(out, d->conf.pci);
		fputs(",\"netdev\":", out);
		cx_ctl_json_text(out, d->conf.netdev);
		fputs(",\"wire\":", out);
		cx_ctl_json_text(out, d->conf.wire);
		fprintf(out, ",\"link\":%s,\"in_use\":%s,\"stats\":", s.link_up ? "true" : "false",
				s.used ? "true" : "false");
		cx_stat_json(out, &s.stat);
		fputc('}', out);
	}
	fputs("]\n", out);
}

/* A NIC's name, and what show() tells of it, for each. */
static void
tell(FILE *out, unsigned int argc, char **argv, void (*show)(FILE *out, struct cx_dev *d))
{
	unsigned int i = 0;
	struct cx_dev *d;

	if (!check_args(out, argc, argv, 2))
		return;
	while ((d = next_nic(&i, argc, argv)) != NULL) {
		fprintf(out, "%s:\n", d->conf.name);
		show(out, d);
	}
}

static void
run_queues(FILE *out, unsigned int argc, char **argv)
{
	tell(out, argc, argv, cx_ctl_queues);
}

static void
run_queues_json(FILE *out, unsigned int argc, char **argv)
{
	unsigned int i = 0, n = 0;
	struct cx_dev *d;

	if (!check_args(out, argc, argv, 2))
		return;
	while ((d = next_nic(&i, argc, argv)) != NULL) {
		json_head(out, d, n++ == 0);
		fputs(",\"queues\":", out);
		cx_ctl_queues_json(out, d);
		fputc('}', out);
	}
	fputs("]\n", out);
}

static void
run_objects(FILE *out, unsigned int argc, char **argv)
{
	tell(out, argc, argv, cx_ctl_objects);
}

static bool
is_number(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* rules [NIC] [LIMIT], or rules LIMIT when no NIC has that name */
static void
run_rules(FILE *out, unsigned int argc, char **argv)
{
	unsigned long limit = RULES_SHOWN;
	unsigned int i = 0;
	struct cx_dev *d;

	if (argc > 1 && is_number(argv[argc - 1]) && by_name(argv[argc - 1]) == NULL)
		limit = strtoul(argv[--argc], NULL, 10);
	if (limit > MAX_RULES_SHOWN) {
		cx_ctl_error(out, "rules: a limit of %u at most", MAX_RULES_SHOWN);
		return;
	}
	if (!check_args(out, argc, argv, 2))
		return;
	while ((d = next_nic(&i, argc, argv)) != NULL) {
		fprintf(out, "%s:\n", d->conf.name);
		cx_ctl_rules(out, d, limit);
	}
}

static void
run_fault(FILE *out, unsigned int argc, char **argv)
{
	struct cx_dev *d;
	char error[256];

	if (argc != 3) {
		cx_ctl_error(out, "fault NIC ENTRY[,ENTRY...]: as CONNECTX_FAULTS has them");
		return;
	}
	d = cx_ctl_nic(out, argv[1]);
	if (d != NULL && cx_faults_add(d, argv[2], error, sizeof(error)) != 0)
		cx_ctl_error(out, "%s", error);
}

static void run_help(FILE *out, unsigned int argc, char **argv);

static const struct cx_command commands[] = {
	{ "help", "", "this list", run_help },
	{ "nics", "[NIC]", "the NICs: PCI address, interface, wire, link", run_nics },
	{ "stats", "[NIC]", "the counters", run_stats },
	{ "stats-json", "[NIC]", "the same as JSON", run_stats_json },
	{ "queues", "[NIC]", "receive, send and completion queues: state, indexes, counters",
			run_queues },
	{ "queues-json", "[NIC]", "the same as JSON", run_queues_json },
	{ "rules", "[NIC] [LIMIT]",
			"steering: tables, matchers, and at most LIMIT rules of a NIC (100)",
			run_rules },
	{ "fault", "NIC LIST",
			"faults from now on, as CONNECTX_FAULTS has them; packet:+N and time:+T "
			"count from now",
			run_fault },
	{ "objects", "[NIC]", "how many objects there are of each kind, and the tables they are in",
			run_objects },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
run_help(FILE *out, unsigned int argc, char **argv)
{
	size_t i;

	(void)argc;
	(void)argv;
	for (i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-12s %-14s %s\n", commands[i].name, commands[i].args,
				commands[i].help);
}

/* What a client sent may be anything: it must not reach a terminal as it is. */
static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (!isprint((unsigned char)*text) && *text != ' ')
			*text = *text == '\t' || *text == '\r' ? ' ' : '?';
}

void
cx_ctl_run(FILE *out, char *line)
{
	char *argv[MAX_ARGS + 1], *word, *p;
	unsigned int argc = 0;
	size_t i;

	if (strlen(line) >= CX_CTL_LINE - 1) {
		cx_ctl_error(out, "a request is one line of less than %u characters",
				CX_CTL_LINE - 1);
		return;
	}
	make_printable(line);
	for (word = strtok_r(line, " ", &p); word != NULL && argc <= MAX_ARGS;
			word = strtok_r(NULL, " ", &p))
		argv[argc++] = word;
	if (argc == 0 || argc > MAX_ARGS) {
		cx_ctl_error(out,
				"a request is a command and at most %u words (\"help\" lists "
				"the commands)",
				MAX_ARGS - 1);
		return;
	}
	for (i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, argv[0]) == 0) {
			commands[i].run(out, argc, argv);
			return;
		}
	}
	cx_ctl_error(out, "no command \"%s\" (\"help\" lists them)", argv[0]);
}
