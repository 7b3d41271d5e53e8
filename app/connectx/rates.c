/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters again and again: what changed, in units per second. */
#include "tool.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS 1000000000ull

struct counter {
	char nic[64], name[32];
	uint64_t value;
};

struct sample {
	struct counter *c;
	size_t n;
	uint64_t at; /* ns */
};

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

/* A line that starts with a blank is a counter of the NIC of the last line that did not. */
static void
parse(struct sample *s, char *text)
{
	char nic[64] = "", *line, *p;
	struct counter *c;

	for (line = strtok_r(text, "\n", &p); line != NULL; line = strtok_r(NULL, "\n", &p)) {
		if (line[0] != ' ') {
			snprintf(nic, sizeof(nic), "%.*s", (int)strcspn(line, ":"), line);
			continue;
		}
		c = realloc(s->c, (s->n + 1) * sizeof(*c));
		if (c == NULL)
			return;
		s->c = c;
		c += s->n;
		if (sscanf(line, " %31s %" SCNu64, c->name, &c->value) != 2)
			continue;
		memcpy(c->nic, nic, sizeof(nic));
		s->n++;
	}
}

/* 0, or -1 after one line. */
static int
take(struct sample *s, const struct process *p, const char *request)
{
	char *text = ask(p, request);

	*s = (struct sample){ .at = now() };
	if (text == NULL) {
		no_answer(p);
		return -1;
	}
	if (refused(p, text)) {
		free(text);
		return -1;
	}
	parse(s, text);
	free(text);
	return 0;
}

static const struct counter *
same(const struct sample *s, const struct counter *c, size_t guess)
{
	size_t i;

	if (guess < s->n && strcmp(s->c[guess].name, c->name) == 0 &&
			strcmp(s->c[guess].nic, c->nic) == 0)
		return &s->c[guess];
	for (i = 0; i < s->n; i++)
		if (strcmp(s->c[i].name, c->name) == 0 && strcmp(s->c[i].nic, c->nic) == 0)
			return &s->c[i];
	return NULL;
}

static void
show(const struct sample *before, const struct sample *after)
{
	double seconds = (double)(after->at - before->at) / NS;
	const char *nic = "";
	size_t i;

	for (i = 0; i < after->n; i++) {
		const struct counter *c = &after->c[i], *old = same(before, c, i);

		if (old == NULL || old->value == c->value)
			continue;
		if (strcmp(nic, c->nic) != 0)
			printf("%s\n", c->nic);
		nic = c->nic;
		printf("  %-14s %14.1f /s %16" PRIu64 "\n", c->name,
				(double)(c->value - old->value) / seconds, c->value);
	}
	if (nic[0] == '\0')
		printf("nothing changed\n");
}

static void
wait_until(uint64_t at)
{
	struct timespec ts = { .tv_sec = at / NS, .tv_nsec = at % NS };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

int
watch(const struct process *list, size_t n, const char *request, double seconds, long count)
{
	struct sample *before = calloc(n, sizeof(*before)), after;
	uint64_t next = now();
	int ret = 0;
	size_t i;
	long k;

	if (before == NULL)
		return 1;
	for (i = 0; i < n && ret == 0; i++)
		ret = take(&before[i], &list[i], request);
	for (k = 0; (count == 0 || k < count) && ret == 0; k++) {
		next += (uint64_t)(seconds * NS);
		wait_until(next);
		if (k > 0)
			putchar('\n');
		for (i = 0; i < n && ret == 0; i++) {
			ret = take(&after, &list[i], request);
			if (ret != 0)
				break;
			if (n > 1)
				show_process(&list[i]);
			show(&before[i], &after);
			free(before[i].c);
			before[i] = after;
		}
		fflush(stdout);
	}
	for (i = 0; i < n; i++)
		free(before[i].c);
	free(before);
	return ret == 0 ? 0 : 1;
}
