/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parsers of lines and segments are made of: words, numbers, names of errors.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "script.h"

void
parse_error(struct cursor *c, const char *fmt, ...)
{
	va_list ap;

	if (c->error != NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(c->buf, sizeof(c->buf), fmt, ap);
	va_end(ap);
	c->error = c->buf;
}

void
parse_space(struct cursor *c)
{
	while (*c->p == ' ' || *c->p == '\t')
		c->p++;
}

static size_t
word_len(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || (p[n] != '\0' && strchr("_.-", p[n]) != NULL))
		n++;
	return n;
}

bool
parse_word(struct cursor *c, const char *word)
{
	size_t n;

	parse_space(c);
	n = word_len(c->p);
	if (n == 0 || n != strlen(word) || strncmp(c->p, word, n) != 0)
		return false;
	c->p += n;
	parse_space(c);
	return true;
}

size_t
parse_any_word(struct cursor *c, char *buf, size_t len)
{
	size_t n;

	parse_space(c);
	n = word_len(c->p);
	if (n >= len)
		n = len - 1;
	memcpy(buf, c->p, n);
	buf[n] = '\0';
	c->p += n;
	return n;
}

bool
parse_char(struct cursor *c, char ch)
{
	parse_space(c);
	if (*c->p != ch)
		return false;
	c->p++;
	return true;
}

int64_t
parse_number(struct cursor *c)
{
	char *end;
	int64_t v;

	parse_space(c);
	v = strtoll(c->p, &end, 10);
	if (end == c->p)
		parse_error(c, "a number should be at '%s'", c->p);
	c->p = end;
	return v;
}

static const struct {
	const char *name;
	int err;
} errors[] = { { "EAGAIN", EAGAIN }, { "ENOTCONN", ENOTCONN }, { "EPIPE", EPIPE },
	{ "ECONNRESET", ECONNRESET }, { "ECONNREFUSED", ECONNREFUSED }, { "ETIMEDOUT", ETIMEDOUT },
	{ "EHOSTUNREACH", EHOSTUNREACH }, { "ENETUNREACH", ENETUNREACH },
	{ "EADDRINUSE", EADDRINUSE }, { "EINVAL", EINVAL }, { "EMSGSIZE", EMSGSIZE },
	{ "ENOPROTOOPT", ENOPROTOOPT }, { "EPROTO", EPROTO }, { "EOPNOTSUPP", EOPNOTSUPP },
	{ "ECONNABORTED", ECONNABORTED }, { "ENOBUFS", ENOBUFS }, { "ENOMEM", ENOMEM } };

int
errno_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(errors); i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].err;
	return -1;
}

const char *
errno_name(int err)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(errors); i++)
		if (errors[i].err == err)
			return errors[i].name;
	return strerror(err);
}
