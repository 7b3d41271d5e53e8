/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sock_test.h"
#include "twice.h"

static char text[2][16384];
static char *at;

void
say(const char *fmt, ...)
{
	size_t used = strlen(at);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(at + used, sizeof(text[0]) - used, fmt, ap);
	va_end(ap);
}

void
result(const char *what, long ret)
{
	if (ret < 0)
		say("%s: %s\n", what, strerrorname_np(errno));
	else
		say("%s: %ld\n", what, ret);
}

void
twice(void (*choose)(unsigned int whose), void (*script)(void))
{
	for (unsigned int i = 0; i < 2; i++) {
		choose(i);
		at = text[i];
		at[0] = '\0';
		script();
	}
	if (strcmp(text[0], text[1]) != 0)
		fail_msg("the kernel says\n%s\nand we\n%s\n", text[0], text[1]);
	/* a script that says nothing compares nothing */
	assert_true(strlen(text[0]) > 8);
}
