/* SPDX-License-Identifier: BSD-3-Clause */
/* A command line as words, from one string and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "port/port_priv.h"

static int
add_owned(struct port_args *args, char *word)
{
	char **argv;

	if (word == NULL)
		return -ENOMEM;
	argv = realloc(args->argv, ((size_t)args->argc + 2) * sizeof(*argv));
	if (argv == NULL) {
		free(word);
		return -ENOMEM;
	}
	args->argv = argv;
	argv[args->argc++] = word;
	argv[args->argc] = NULL;
	return 0;
}

int
port_args_addf(struct port_args *args, const char *fmt, ...)
{
	char *word = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&word, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : add_owned(args, word);
}

/*
 * One word from @p text on, unquoted into @p word, which has room for all of it. Returns what comes
 * after, NULL for an open quote.
 */
static const char *
one_word(const char *text, char *word)
{
	char quote = '\0';

	for (; *text != '\0'; text++) {
		if (quote == '\0' && strchr(" \t\n", *text) != NULL)
			break;
		if (*text == '\\' && quote != '\'' && text[1] != '\0') {
			*word++ = *++text;
		} else if (quote == '\0' && (*text == '\'' || *text == '"')) {
			quote = *text;
		} else if (quote != '\0' && *text == quote) {
			quote = '\0';
		} else {
			*word++ = *text;
		}
	}
	*word = '\0';
	return quote == '\0' ? text : NULL;
}

int
port_args_split(const char *text, struct port_args *args)
{
	char *word = malloc(strlen(text) + 1);
	int ret = 0;

	if (word == NULL)
		return -ENOMEM;
	while (ret == 0) {
		text += strspn(text, " \t\n");
		if (*text == '\0')
			break;
		text = one_word(text, word);
		if (text == NULL)
			ret = -EINVAL;
		else
			ret = add_owned(args, strdup(word));
	}
	free(word);
	return ret;
}

static bool
is_option(const char *arg, const char *option)
{
	size_t len = strlen(option);

	if (strncmp(arg, option, len) != 0)
		return false;
	/* "-m512" is -m, but "--lcores" is not --l */
	return option[1] != '-' || arg[len] == '\0' || arg[len] == '=';
}

bool
port_args_has(const struct port_args *args, ...)
{
	const char *option;
	bool found = false;
	va_list ap;
	int i;

	va_start(ap, args);
	while ((option = va_arg(ap, const char *)) != NULL)
		for (i = 0; i < args->argc; i++)
			found |= is_option(args->argv[i], option);
	va_end(ap);
	return found;
}

char *
port_args_text(const struct port_args *args, char *buf, size_t size)
{
	size_t len = 0;
	int i;

	buf[0] = '\0';
	for (i = 0; i < args->argc && len < size; i++)
		len += (size_t)snprintf(
				buf + len, size - len, "%s%s", i == 0 ? "" : " ", args->argv[i]);
	return buf;
}

void
port_args_free(struct port_args *args)
{
	int i;

	for (i = 0; i < args->argc; i++)
		free(args->argv[i]);
	free(args->argv);
	*args = (struct port_args){ 0 };
}
