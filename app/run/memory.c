/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers and memory for a program of which nothing is known, on a machine of any size. libvma's
 * numbers of buffers are for a server that does nothing else: here they are what some hundred busy
 * connections use, and whoever needs more says so.
 */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define SYSFS_HUGE "/sys/kernel/mm/hugepages"
#define MB (UINT64_C(1) << 20)
#define FIXED (256 * MB) /* EAL, devices' rings, flow tables */
#define ROOM 2048u	 /* bytes of data in a buffer, and beside them */
#define OVERHEAD 512u

/* Taken where neither a variable nor a profile says otherwise. */
static const struct {
	const char *name, *value;
	int libvma; /* its default, by which it is told that nobody chose */
} defaults[] = {
	{ "VMA_RX_BUFS", "32768", 200000 },
	{ "VMA_TX_BUFS", "16384", 200000 },
	{ "VMA_RX_WRE", "2048", 16000 },
};

static int
chosen(unsigned int i)
{
	const struct conf *c = conf();
	const int now[] = { c->rx_bufs, c->tx_bufs, c->rx_wre };

	return now[i];
}

static int
set_defaults(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!conf_is_set(defaults[i].name) && chosen(i) == defaults[i].libvma &&
				run_var_set(defaults[i].name, defaults[i].value, "defaults") != 0)
			return -1;
	return 0;
}

static uint64_t
huge_free_mb(void)
{
	char path[PATH_MAX];
	struct dirent *entry;
	uint64_t kb, n, total = 0;
	DIR *dir = opendir(SYSFS_HUGE);
	FILE *f;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), SYSFS_HUGE "/%s/free_hugepages", entry->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%" SCNu64, &n) == 1)
			total += n * kb / 1024;
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return total;
}

static uint64_t
wanted_mb(void)
{
	uint64_t bufs = (uint64_t)conf()->rx_bufs + (uint64_t)conf()->tx_bufs;
	uint64_t room = conf()->mtu > (int)ROOM - 64 ? (uint64_t)conf()->mtu + 64 : ROOM;

	/* half as much again: pools lie in pieces, and rings have more of them */
	return (bufs * (room + OVERHEAD) / 2 * 3 + FIXED) / MB;
}

/* Whether one of these words, or one that goes on with digits, is among EAL's. */
static bool
says(const char *eal, const char *option)
{
	size_t len = strlen(option);
	const char *at = eal;

	while ((at = strstr(at, option)) != NULL) {
		bool begins = at == eal || at[-1] == ' ';

		if (begins && (at[len] == '\0' || strchr(" =0123456789", at[len]) != NULL))
			return true;
		at += len;
	}
	return false;
}

int
run_memory(const struct run_args *a, const char *eal, char *words, size_t size)
{
	uint64_t want, free_mb = huge_free_mb();
	bool huge, ordered;

	words[0] = '\0';
	if (set_defaults() != 0)
		return -1;
	want = a->memory_mb != 0 ? a->memory_mb : wanted_mb();
	ordered = says(eal, "-m") || says(eal, "--no-huge") || says(eal, "--in-memory") ||
			says(eal, "--socket-mem") || says(eal, "--huge-dir") ||
			says(eal, "--legacy-mem");
	if (ordered && (a->huge || a->no_huge || a->memory_mb != 0)) {
		run_error("--memory, --huge or --no-huge: the arguments for EAL say it already "
			  "('%s'): leave one of them out",
				eal);
		return -1;
	}
	if (ordered)
		return 0;
	if (a->huge && free_mb < want) {
		run_error("--huge: %" PRIu64 " MB of huge pages are free, %" PRIu64
			  " are needed: echo %" PRIu64 " > /proc/sys/vm/nr_hugepages",
				free_mb, want, want / 2 + 1);
		return -1;
	}
	huge = a->huge ||
			(!a->no_huge && free_mb >= want && conf()->mem_alloc_type != CONF_MEM_ANON);
	if (a->verbose)
		fprintf(stderr,
				"dpvma-run: %" PRIu64 " MB for %d receive and %d transmit buffers, "
				"in %s pages (%" PRIu64 " MB of huge ones are free)\n",
				want, conf()->rx_bufs, conf()->tx_bufs, huge ? "huge" : "ordinary",
				free_mb);
	if (!huge)
		snprintf(words, size, "--no-huge -m %" PRIu64, want);
	else if (a->memory_mb != 0)
		snprintf(words, size, "--in-memory -m %" PRIu64, want);
	else
		snprintf(words, size, "--in-memory");
	return 0;
}
