/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of conf: load from variables given in place of the environment, and keep the lines
 * that were said.
 */
#ifndef CONF_TEST_H
#define CONF_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"

#define SAID_MAX 32
#define ENV_MAX 16

static char said[SAID_MAX][2200];
static int said_level[SAID_MAX];
static unsigned int said_n;

static inline void
said_put(int level, const char *line)
{
	assert_true(said_n < SAID_MAX);
	snprintf(said[said_n], sizeof(said[0]), "%s", line);
	said_level[said_n++] = level;
}

/* The only line that contains @p what; fails when there is none or a second. */
static inline const char *
said_once(const char *what)
{
	const char *found = NULL;
	unsigned int i;

	for (i = 0; i < said_n; i++)
		if (strstr(said[i], what) != NULL) {
			if (found != NULL)
				fail_msg("said twice: %s", found);
			found = said[i];
		}
	if (found == NULL)
		fail_msg("not said: %s (%u lines, first: %s)", what, said_n, said_n ? said[0] : "");
	return found;
}

/* Load from "NAME=VALUE", ..., NULL. */
static inline int __attribute__((sentinel)) load_vars(int none, ...)
{
	char *env[ENV_MAX + 2], cb[64];
	void (*put)(int, const char *) = said_put;
	unsigned int n = 0;
	const char *s;
	va_list ap;
	void *p;

	memcpy(&p, &put, sizeof(p));
	snprintf(cb, sizeof(cb), "VMA_LOG_CB_FUNC_PTR=%p", p);
	env[n++] = cb;
	va_start(ap, none);
	while ((s = va_arg(ap, const char *)) != NULL) {
		assert_true(n <= ENV_MAX);
		env[n++] = (char *)(uintptr_t)s;
	}
	va_end(ap);
	env[n] = NULL;
	said_n = 0;
	return conf_reload(env);
}

/* A sentinel cannot be the first argument. */
#define load(...) load_vars(0, __VA_ARGS__)

#endif
