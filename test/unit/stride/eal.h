/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An EAL for the tests of this folder: ordinary pages, no devices, nothing left behind.
 * (DPDK 22.11 does not take --in-memory together with --no-huge.)
 */
#ifndef TEST_STRIDE_EAL_H
#define TEST_STRIDE_EAL_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>

static char eal_dir[PATH_MAX];

static inline int
eal_up(const char *name)
{
	char prefix[64];
	char *args[] = { (char *)(uintptr_t)name, (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"-m", (char *)"256",
		(char *)"-l", (char *)"0", prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s_%d", name, (int)getpid());
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return -1;
	snprintf(eal_dir, sizeof(eal_dir), "%s", rte_eal_get_runtime_dir());
	return 0;
}

static inline void
eal_down(void)
{
	rte_eal_cleanup();
	rmdir(eal_dir); /* empty without shared configuration */
}

#endif /* TEST_STRIDE_EAL_H */
