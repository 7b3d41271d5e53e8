/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options as text for people: what is set, --help, and doc/parameters.md.
 */
#include <stdlib.h>

#include "conf/conf_priv.h"

static bool
is_variable(const struct conf_option *o)
{
	return o->type != CONF_T_GROUP && o->type != CONF_T_DERIVED && o->type != CONF_T_RETIRED;
}

/* The default as it is in the table, before options act on each other. */
static char *
default_text(const struct conf_option *o, char *buf, size_t size)
{
	const struct conf_word *w;

	switch (o->type) {
	case CONF_T_STR:
		snprintf(buf, size, "%s", o->text);
		break;
	case CONF_T_CPUS:
		snprintf(buf, size, "-1");
		break;
	case CONF_T_PTR:
		buf[0] = '\0';
		break;
	case CONF_T_ENUM:
		for (w = o->words; w->words != NULL; w++)
			if (w->value == o->def)
				snprintf(buf, size, "%.*s", (int)strcspn(w->words, " "), w->words);
		break;
	default:
		snprintf(buf, size, "%d", o->def);
	}
	return buf;
}

/* Hand every line of the banner to @p put. */
static void
banner(void (*put)(void *arg, const char *line), void *arg)
{
	const struct conf *c = conf(), *d = conf_defaults();
	bool all = log_level_now >= LOG_LEVEL_DETAILS;
	char now[CONF_VALUE_SIZE], def[CONF_VALUE_SIZE], line[2 * CONF_VALUE_SIZE + 128];
	unsigned int i;

	for (i = 0; i < CONF_OPTIONS_N; i++) {
		const struct conf_option *o = &conf_options[i];
		bool same = conf_value_equal(o, c, d);

		if (!is_variable(o))
			continue;
		conf_value_format(o, c, now, sizeof(now));
		default_text(o, def, sizeof(def));
		/* a default that others among the defaults force is nobody's choice either */
		same |= strcmp(now, def) == 0;
		if (same && !all)
			continue;
		if (same)
			snprintf(line, sizeof(line), "%-34s %s", o->name, now);
		else
			snprintf(line, sizeof(line), "%-34s %s (default %s)%s", o->name, now,
					def[0] != '\0' ? def : "empty",
					o->flags & CONF_F_NOP ? ", no meaning on DPDK" : "");
		put(arg, line);
	}
}

static void
to_file(void *arg, const char *line)
{
	fprintf(arg, "%s\n", line);
}

static void
to_log(void *arg __rte_unused, const char *line)
{
	LOG_INFO("%s", line);
}

void
conf_print(FILE *f)
{
	banner(to_file, f);
}

void
conf_log(void)
{
	banner(to_log, NULL);
}

static char *
range_text(const struct conf_option *o, char *buf, size_t size)
{
	const struct conf_word *w;
	const char *zero = o->flags & CONF_F_ZERO ? "0, " : "";
	size_t at = 0;

	buf[0] = '\0';
	switch (o->type) {
	case CONF_T_BOOL:
		snprintf(buf, size, "0, 1");
		break;
	case CONF_T_INT:
		if (o->min == INT_MIN && o->max == INT_MAX)
			snprintf(buf, size, "any number");
		else if (o->max == INT_MAX)
			snprintf(buf, size, "%sat least %d", zero, o->min);
		else
			snprintf(buf, size, "%s%d..%d", zero, o->min, o->max);
		at = strlen(buf);
		if (o->unit[0] != '\0')
			at += snprintf(buf + at, size - at, " %s", o->unit);
		if (o->flags & CONF_F_POW2)
			at += snprintf(buf + at, size - at, ", power of two");
		if (o->flags & CONF_F_CLAMP)
			snprintf(buf + at, size - at, ", clamped");
		break;
	case CONF_T_ENUM:
		for (w = o->words; w->words != NULL && at < size; w++)
			at += snprintf(buf + at, size - at, "%s%.*s", at > 0 ? ", " : "",
					(int)strcspn(w->words, " "), w->words);
		break;
	case CONF_T_STR:
		snprintf(buf, size, "up to %zu characters", o->size - 1);
		break;
	case CONF_T_CPUS:
		snprintf(buf, size, "list, mask, -1");
		break;
	case CONF_T_PTR:
		snprintf(buf, size, "0x...");
		break;
	default:
		break;
	}
	return buf;
}

static void
wrapped(FILE *f, const char *text, int indent, unsigned int columns)
{
	unsigned int at = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (at != 0 && at + 1 + n > columns) {
			fputc('\n', f);
			at = 0;
		}
		fprintf(f, "%*s%.*s", at == 0 ? indent : 1, "", (int)n, text);
		at += (at == 0 ? 0 : 1) + (unsigned int)n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', f);
}

void
conf_help(FILE *f)
{
	char def[256], range[256], line[640];
	const struct conf_word *w;
	unsigned int i;

	for (i = 0; i < CONF_OPTIONS_N; i++) {
		const struct conf_option *o = &conf_options[i];

		if (o->type == CONF_T_GROUP)
			fprintf(f, "%s%s:\n", i == 0 ? "" : "\n", o->name);
		if (!is_variable(o))
			continue;
		default_text(o, def, sizeof(def));
		range_text(o, range, sizeof(range));
		fprintf(f, "  %s (%s; default %s)\n", o->name, range, *def != '\0' ? def : "empty");
		snprintf(line, sizeof(line), "%s%s",
				o->flags & CONF_F_NOP ? "No meaning on DPDK: " : "", o->help);
		wrapped(f, line, 6, 96);
		for (w = o->words; w != NULL && w->words != NULL; w++)
			if (w->help != NULL) {
				snprintf(line, sizeof(line), "%s: %s", w->words, w->help);
				wrapped(f, line, 8, 96);
			}
	}
}

static void
doc_values(FILE *f, const struct conf_option *o)
{
	const struct conf_word *w;
	char range[256];
	const char *p;

	if (o->type != CONF_T_ENUM) {
		fputs(range_text(o, range, sizeof(range)), f);
		return;
	}
	for (w = o->words; w->words != NULL; w++) {
		fputs(w == o->words ? "`" : "; `", f);
		for (p = w->words; *p != '\0'; p++)
			fputs(*p == ' ' ? "`, `" : (char[]){ *p, '\0' }, f);
		fprintf(f, "`%s%s", w->help != NULL ? " " : "", w->help != NULL ? w->help : "");
	}
}

static void
doc_options(FILE *f)
{
	char def[256];
	unsigned int i;

	for (i = 0; i < CONF_OPTIONS_N; i++) {
		const struct conf_option *o = &conf_options[i];

		if (o->type == CONF_T_GROUP)
			fprintf(f,
					"\n## %s\n\n| variable | default | values | meaning |\n"
					"|---|---|---|---|\n",
					o->name);
		if (!is_variable(o))
			continue;
		default_text(o, def, sizeof(def));
		fprintf(f, "| `%s` | %s%s%s | ", o->name, *def != '\0' ? "`" : "empty", def,
				*def != '\0' ? "`" : "");
		doc_values(f, o);
		fprintf(f, " | %s%s |\n", o->flags & CONF_F_NOP ? "*No meaning on DPDK.* " : "",
				o->help);
	}
}

static void
doc_retired(FILE *f)
{
	unsigned int i;

	fputs("\n## Retired\n\nAccepted with a warning.\n\n| variable | instead |\n|---|---|\n", f);
	for (i = 0; i < CONF_OPTIONS_N; i++) {
		const struct conf_option *o = &conf_options[i];

		if (o->type != CONF_T_RETIRED)
			continue;
		if (o->flags & CONF_F_TAKE)
			fprintf(f, "| `%s` | `%s`, which gets the value |\n", o->name, o->text);
		else
			fprintf(f, "| `%s` | %s |\n", o->name, o->help);
	}
}

static void
doc_profiles(FILE *f)
{
	const struct conf_word *w = conf_options[CONF_O_spec].words;
	const struct conf_profile *p;

	fputs("\n## What the profiles change\n\n| `VMA_SPEC` | values |\n|---|---|\n", f);
	for (; w->words != NULL; w++) {
		const char *comma = "";

		if (w->value == CONF_SPEC_NONE)
			continue;
		fprintf(f, "| `%.*s` | ", (int)strcspn(w->words, " "), w->words);
		if (w->value == CONF_SPEC_ULTRA_LATENCY) {
			fputs("as `latency`", f);
			comma = ", ";
		}
		for (p = conf_profiles; p->name != NULL; p++) {
			const struct conf_option *o = &conf_options[conf_option_find(p->name)];

			if ((int)p->spec != w->value)
				continue;
			fprintf(f, "%s%s %s", comma, o->type == CONF_T_DERIVED ? o->help : p->name,
					p->value);
			comma = ", ";
		}
		fputs(" |\n", f);
	}
}

static const char doc_head[] =
		"# Parameters\n\n"
		"This file is written by `conf-doc` from the table in `lib/conf/options.h`; change "
		"it "
		"there.\n\n"
		"Variables are read once from the environment, and from a configuration file. What "
		"is "
		"said later in this list wins:\n\n"
		"1. the defaults below,\n"
		"2. what `VMA_SOCKETXTREME` changes,\n"
		"3. the profile `VMA_SPEC`,\n"
		"4. each variable by itself: from the file, from the environment, from the program "
		"before it initialises the library.\n\n"
		"Numbers are decimal; a truth value is 0 or any other number. A value that cannot "
		"be "
		"taken is reported in one line that names the variable, the value and what is used "
		"instead: the value that it had without the variable, or for a range marked "
		"*clamped* the nearer end. A variable without meaning on DPDK is accepted, and "
		"said so "
		"at level debug. A variable that starts with `VMA_` or `DPVMA_` and is not listed "
		"here "
		"is reported.\n";

static const char doc_tail[] =
		"\n## Ports\n\n"
		"A port with a network device of the kernel behind it has its addresses, routes "
		"and "
		"neighbours from there. A port without one has them from `DPVMA_PORTS`:\n\n"
		"```\n"
		"PORT=ADDR/LEN[@VLAN][,ADDR/LEN...][,gw=ADDR][,mtu=N][,neigh=ADDR@MAC][,route=NET/"
		"LEN@GW]"
		"[;PORT=...]\n"
		"```\n\n"
		"`PORT` is the ethdev's name or its PCI address; the order of what follows is "
		"free, "
		"`neigh=` and `route=` may stand there several times. `10.1.0.1/24@7` is an "
		"address "
		"in VLAN 7, beside those without a tag. Example:\n\n"
		"```\n"
		"DPVMA_PORTS='net_memif0=10.0.0.1/24,gw=10.0.0.254,mtu=9000;"
		"0000:03:00.0=192.168.1.2/24,route=10.9.0.0/16@192.168.1.7'\n"
		"```\n\n"
		"A description with a mistake is reported and left out as a whole.\n\n"
		"## Configuration file\n\n"
		"`DPVMA_CONFIG` names a file. `#` begins a comment. A value has at most 255 "
		"characters. A port that `DPVMA_PORTS` describes too is taken from there.\n\n"
		"```\n"
		"[options]\n"
		"VMA_SPEC = latency\n"
		"DPVMA_EAL_ARGS = -a 0000:03:00.0\n"
		"\n"
		"[port net_memif0]\n"
		"address = 10.0.0.1/24, 10.0.0.2/24   # several by commas, or address1, address2\n"
		"gateway = 10.0.0.254\n"
		"mtu = 9000\n"
		"route1 = 10.9.0.0/16@10.0.0.7\n"
		"neighbour1 = 10.0.0.7@02:00:00:00:00:07\n"
		"```\n";

void
conf_doc(FILE *f)
{
	fputs(doc_head, f);
	doc_options(f);
	doc_profiles(f);
	doc_retired(f);
	fputs(doc_tail, f);
}
