/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The variables of the model: one table gives name, default, kind and help; reading, checking and
 * the help text come from it. CONNECTX_WIRE=help prints it.
 */
#include "connectx.h"
#include <limits.h>

extern char **environ;

enum kind { KIND_TEXT, KIND_UINT, KIND_INT };

struct var {
	const char *name;
	enum kind kind;
	size_t at, size; /* the field of struct cx_conf; size of a text */
	const char *dflt;
	long min, max;
	const char *help;
};

#define TEXT(f) KIND_TEXT, offsetof(struct cx_conf, f), sizeof(((struct cx_conf *)0)->f)
#define UINT(f) KIND_UINT, offsetof(struct cx_conf, f), 0
#define INT(f) KIND_INT, offsetof(struct cx_conf, f), 0

static const struct var vars[] = {
	{ "CONNECTX_WIRE", TEXT(wire), "null", 0, 0,
			"what the port is connected to (see the wires); setting it turns the model "
			"on, \"help\" prints this" },
	{ "CONNECTX_NETDEV", TEXT(netdev), "cx0", 0, 0,
			"the kernel's interface of the NIC: a TAP, attached to if it exists, made "
			"if not" },
	{ "CONNECTX_MAC", TEXT(mac), "02:11:22:33:44:55", 0, 0,
			"address of that interface when the model makes it" },
	{ "CONNECTX_PCI", TEXT(pci), "0000:03:00.0", 0, 0, "PCI address to show, for EAL's -a" },
	{ "CONNECTX_DEVID", TEXT(devid), "0x101d", 0, 0, "PCI device id to show (ConnectX-6 Dx)" },
	{ "CONNECTX_CQE_COMP", UINT(cqe_comp), "0", 0, 1,
			"1: compress completions on queues that allow it" },
	{ "CONNECTX_DEVX", UINT(devx), "1", 0, 1,
			"0: refuse DevX, so that the PMD takes its verbs path" },
	{ "CONNECTX_CPU", INT(cpu), "-1", -1, 1023,
			"CPU to pin the device thread to; -1: those of the process that no lcore "
			"has, if any" },
	{ "CONNECTX_SLEEP_US", UINT(sleep_us), "20", 0, 100000,
			"how long the device thread sleeps when there is nothing to do; 0: never" },
	{ "CONNECTX_VERBOSE", INT(verbose), "0", 0, 3,
			"0 errors, 1 a summary at the end, 2 objects and rules, 3 every command" },
	{ "CONNECTX", KIND_TEXT, 0, 0, "", 0, 0,
			"1: turn the model on without a wire; 0: keep it off whatever else is "
			"set" },
};

#define N_VARS (sizeof(vars) / sizeof(vars[0]))

/* getenv() is replaced in this library (core.c): look directly. */
static const char *
env(const char *name)
{
	size_t n = strlen(name);
	char **e;

	for (e = environ; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return (*e)[n + 1] != '\0' ? *e + n + 1 : NULL;
	return NULL;
}

bool
cx_conf_wanted(void)
{
	const char *on = env("CONNECTX");

	if (on != NULL)
		return strcmp(on, "0") != 0;
	return env("CONNECTX_WIRE") != NULL;
}

static void
set_text(struct cx_conf *c, const struct var *v, const char *text)
{
	char *field = (char *)c + v->at;

	if (strlen(text) >= v->size) {
		cx_log(0, "%s: longer than %zu characters: %s is used", v->name, v->size - 1,
				v->dflt);
		text = v->dflt;
	}
	memcpy(field, text, strlen(text) + 1);
}

static void
set_number(struct cx_conf *c, const struct var *v, const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 0);
	if (errno != 0 || *end != '\0' || end == text || n < v->min || n > v->max) {
		cx_log(0, "%s=%s: not a number from %ld to %ld: %s is used", v->name, text, v->min,
				v->max, v->dflt);
		n = strtol(v->dflt, NULL, 0);
	}
	*(int *)((char *)c + v->at) = (int)n;
}

/* A misspelt variable would else do nothing in silence. */
static void
warn_unknown(void)
{
	char **e;
	size_t i, n;

	for (e = environ; e != NULL && *e != NULL; e++) {
		if (strncmp(*e, "CONNECTX_", 9) != 0)
			continue;
		n = strcspn(*e, "=");
		for (i = 0; i < N_VARS; i++)
			if (strlen(vars[i].name) == n && strncmp(vars[i].name, *e, n) == 0)
				break;
		if (i == N_VARS)
			cx_log(0, "%.*s: no such variable (CONNECTX_WIRE=help lists them)", (int)n,
					*e);
	}
}

void
cx_conf_read(struct cx_conf *c)
{
	size_t i;

	for (i = 0; i < N_VARS; i++) {
		const struct var *v = &vars[i];
		const char *text = env(v->name);

		if (v->kind == KIND_TEXT && v->size == 0)
			continue;
		if (text == NULL)
			text = v->dflt;
		if (v->kind == KIND_TEXT)
			set_text(c, v, text);
		else
			set_number(c, v, text);
	}
	warn_unknown();
}

void
cx_conf_help(FILE *f)
{
	size_t i;

	fputs("Variables:\n", f);
	for (i = 0; i < N_VARS; i++)
		fprintf(f, "  %-18s %s (default: %s)\n", vars[i].name, vars[i].help,
				vars[i].dflt[0] != '\0' ? vars[i].dflt : "not set");
	fputs("Wires:\n", f);
	for (i = 0; cx_wires[i] != NULL; i++)
		fprintf(f, "  %-5s %s\n", cx_wires[i]->name, cx_wires[i]->help);
}
