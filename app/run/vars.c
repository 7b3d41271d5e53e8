/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Variables of the library: their names and values are checked by the table and the parser that
 * the library itself uses, before there is a program that would only warn of them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define NAME_MAX_LEN 63

static const char *const names[] = {
#define CONF_BOOL(field, name, ...) #name,
#define CONF_INT(field, name, ...) #name,
#define CONF_ENUM(field, name, ...) #name,
#define CONF_STR(field, name, ...) #name,
#define CONF_CPUS(field, name, ...) #name,
#define CONF_PTR(field, name, ...) #name,
#include "conf/options.h"
};

static char said[1024]; /* the last line of conf about something wrong */

static void
listen_to_conf(int level, const char *line)
{
	/* behind the head that the log gives it */
	const char *text = strstr(line, ": ");

	if (level > LOG_LEVEL_WARNING)
		return;
	snprintf(said, sizeof(said), "%s", text != NULL ? text + 2 : line);
	said[strcspn(said, "\n")] = '\0';
	/* what the library does then, and we do not */
	text = strstr(said, ": left as it was");
	if (text != NULL)
		said[text - said] = '\0';
}

/* Changes that make one name of the other: how far a typing mistake is off. */
static unsigned int
distance(const char *a, const char *b)
{
	unsigned int row[NAME_MAX_LEN + 1], i, j, diagonal, above;

	for (j = 0; j <= strlen(b); j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; b[j - 1] != '\0'; j++) {
			above = row[j];
			row[j] = diagonal + (toupper((unsigned char)a[i - 1]) != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diagonal = above;
		}
	}
	return row[strlen(b)];
}

static bool
is_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *
nearest(const char *name)
{
	unsigned int i, d, least = UINT_MAX;
	const char *best = names[0];

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		d = strlen(names[i]) <= NAME_MAX_LEN ? distance(name, names[i]) : UINT_MAX;
		if (d < least) {
			least = d;
			best = names[i];
		}
	}
	return best;
}

int
run_var_set(const char *name, const char *value, const char *option)
{
	int ret;

	said[0] = '\0';
	ret = conf_set(name, value);
	if (ret == 0)
		return run_env_set(name, value);
	if (ret == -ENOENT && !is_name(name))
		run_error("%s: %s is no variable of dpvma's: is %s meant? All are in "
			  "doc/parameters.md",
				option, name, nearest(name));
	else
		run_error("%s: %s", option, said[0] != '\0' ? said : strerror(-ret));
	return -1;
}

static int
set_one(const char *text)
{
	char name[NAME_MAX_LEN + 1], option[NAME_MAX_LEN + 16];
	size_t len = strcspn(text, "=");

	if (text[len] != '=' || len == 0 || len > NAME_MAX_LEN) {
		run_error("--set=%s: give NAME=VALUE, as --set=VMA_RX_POLL=0", text);
		return -1;
	}
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	snprintf(option, sizeof(option), "--set=%s", name);
	return run_var_set(name, text + len + 1, option);
}

static int
set_rules(const char *file)
{
	char *path;
	int ret;

	/* the program may go to another directory before it is read */
	path = realpath(file, NULL);
	if (path == NULL || access(path, R_OK) != 0) {
		run_error("--rules=%s: %s: give a file of rules that can be read", file,
				strerror(errno));
		free(path);
		return -1;
	}
	ret = run_var_set("VMA_CONFIG_FILE", path, "--rules");
	free(path);
	return ret;
}

int
run_vars_set(const struct run_args *a)
{
	unsigned int i;

	log_set_callback(listen_to_conf);
	if (conf_load() != 0) {
		run_error("the environment: %s", said);
		return -1;
	}
	if (a->profile != NULL && run_var_set("VMA_SPEC", a->profile, "--profile") != 0)
		return -1;
	if (a->rules != NULL && set_rules(a->rules) != 0)
		return -1;
	for (i = 0; i < a->n_sets; i++)
		if (set_one(a->sets[i]) != 0)
			return -1;
	/* among the output of a program that knows nothing of dpvma, only what is wrong */
	if (!a->verbose && !conf_is_set("VMA_TRACELEVEL") && conf()->tracelevel == CONF_TRACE_INFO)
		return run_var_set("VMA_TRACELEVEL", "warning", "defaults");
	return 0;
}
