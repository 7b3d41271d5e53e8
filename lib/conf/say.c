/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines about options. They wait until the options for the log itself are known, and a line that
 * was said is not said again when the options are put together once more.
 */
#include <stdlib.h>
#include <sys/queue.h>

#include "conf/conf_priv.h"

struct line {
	STAILQ_ENTRY(line) next;
	int level;
	bool said;
	char text[];
};

static STAILQ_HEAD(, line) lines = STAILQ_HEAD_INITIALIZER(lines);

void
conf_say(int level, const char *fmt, ...)
{
	char text[1024], *p;
	struct line *l;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* values come from outside: one line, and nothing that moves a terminal's cursor */
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	STAILQ_FOREACH (l, &lines, next)
		if (strcmp(l->text, text) == 0)
			return;
	len = strlen(text) + 1;
	l = malloc(sizeof(*l) + len);
	if (l == NULL) {
		log_write(level, "%s", text);
		return;
	}
	l->level = level;
	l->said = false;
	memcpy(l->text, text, len);
	STAILQ_INSERT_TAIL(&lines, l, next);
}

void
conf_said(void)
{
	struct line *l;

	STAILQ_FOREACH (l, &lines, next) {
		if (!l->said)
			LOG_AT(l->level, "%s", l->text);
		l->said = true;
	}
}

void
conf_say_forget(void)
{
	struct line *l;

	while ((l = STAILQ_FIRST(&lines)) != NULL) {
		STAILQ_REMOVE_HEAD(&lines, next);
		free(l);
	}
}
