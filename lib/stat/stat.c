/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables behind the counters of stat.h, and their printed forms. Who owns a counter block and
 * when it is written is not known here.
 */
#include <inttypes.h>
#include <stdbool.h>

#include <rte_common.h>

#include "stat/stat.h"

#define NAME(name, help) #name,
#define HELP(name, help) help,

static const char *const ring_names[] = { RING_COUNTERS(NAME) };
static const char *const ring_helps[] = { RING_COUNTERS(HELP) };
static const char *const sock_names[] = { SOCK_COUNTERS(NAME) };
static const char *const sock_helps[] = { SOCK_COUNTERS(HELP) };
static const char *const tcp_names[] = { TCP_COUNTERS(NAME) };
static const char *const tcp_helps[] = { TCP_COUNTERS(HELP) };
static const char *const cyclic_names[] = { CYCLIC_COUNTERS(NAME) };
static const char *const cyclic_helps[] = { CYCLIC_COUNTERS(HELP) };
static const char *const extra_names[] = { EXTRA_COUNTERS(NAME) };
static const char *const extra_helps[] = { EXTRA_COUNTERS(HELP) };

const struct stat_desc stat_ring = { "ring", RING_STAT_MAX, ring_names, ring_helps };
const struct stat_desc stat_sock = { "socket", SOCK_STAT_MAX, sock_names, sock_helps };
const struct stat_desc stat_tcp = { "tcp", TCP_STAT_MAX, tcp_names, tcp_helps };
const struct stat_desc stat_cyclic = { "cyclic", CYCLIC_STAT_MAX, cyclic_names, cyclic_helps };
const struct stat_desc stat_extra = { "extra", EXTRA_STAT_MAX, extra_names, extra_helps };

void
stat_print(FILE *f, const struct stat_desc *desc, const uint64_t *c)
{
	const char *sep = "";
	unsigned int i;

	for (i = 0; i < desc->n; i++) {
		if (c[i] == 0)
			continue;
		fprintf(f, "%s%s %" PRIu64, sep, desc->names[i], c[i]);
		sep = " ";
	}
	fputc('\n', f);
}

void
stat_json(FILE *f, const struct stat_desc *desc, const uint64_t *c)
{
	unsigned int i;

	fputc('{', f);
	for (i = 0; i < desc->n; i++)
		fprintf(f, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", desc->names[i], c[i]);
	fputc('}', f);
}

void
stat_doc(FILE *f)
{
	static const struct {
		const struct stat_desc *desc;
		const char *title;
	} kinds[] = {
		{ &stat_ring, "Rings" },
		{ &stat_sock, "Sockets" },
		{ &stat_tcp, "TCP" },
		{ &stat_cyclic, "Cyclic readers" },
		{ &stat_extra, "The extra API" },
	};
	unsigned int k, i;

	fputs("# Counters\n\nEach kind is also told by telemetry: `/dpvma/KIND` lists what there "
	      "is, "
	      "`/dpvma/KIND,INDEX`\ngives the counters of one.\n",
			f);
	for (k = 0; k < RTE_DIM(kinds); k++) {
		fprintf(f, "\n## %s (`%s`)\n\n| counter | counts |\n|---|---|\n", kinds[k].title,
				kinds[k].desc->kind);
		for (i = 0; i < kinds[k].desc->n; i++)
			fprintf(f, "| `%s` | %s |\n", kinds[k].desc->names[i],
					kinds[k].desc->helps[i]);
	}
}
