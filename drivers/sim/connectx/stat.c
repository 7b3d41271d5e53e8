/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters of a NIC, told. */
#include "connectx.h"

static const struct {
	const char *name, *help;
	size_t at;
} fields[] = {
#define FIELD(name, help) { #name, help, offsetof(struct cx_stats, name) },
	CX_STATS(FIELD)
#undef FIELD
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static uint64_t
value(const struct cx_stats *s, size_t i)
{
	return *(const uint64_t *)((const uint8_t *)s + fields[i].at);
}

/* What is not zero, at the end. */
void
cx_stat_summary(const struct cx_dev *d)
{
	size_t i;

	for (i = 0; i < N_FIELDS; i++)
		if (value(&d->stat, i) != 0)
			cx_log(1, "%s: %lu %s: %s", d->conf.name, value(&d->stat, i),
					fields[i].name, fields[i].help);
}

void
cx_stat_text(FILE *f, const struct cx_stats *s)
{
	size_t i;

	for (i = 0; i < N_FIELDS; i++)
		fprintf(f, "  %-14s %14lu  %s\n", fields[i].name, value(s, i), fields[i].help);
}

void
cx_stat_json(FILE *f, const struct cx_stats *s)
{
	size_t i;

	for (i = 0; i < N_FIELDS; i++)
		fprintf(f, "%s\"%s\":%lu", i == 0 ? "{" : ",", fields[i].name, value(s, i));
	fputc('}', f);
}
