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

static uint64_t
value(const struct cx_dev *d, size_t i)
{
	return *(const uint64_t *)((const uint8_t *)&d->stat + fields[i].at);
}

/* What is not zero, at the end. */
void
cx_stat_summary(const struct cx_dev *d)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (value(d, i) != 0)
			cx_log(1, "%s: %lu %s: %s", d->conf.name, value(d, i), fields[i].name,
					fields[i].help);
}
