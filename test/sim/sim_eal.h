/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An EAL for mbufs alone: ordinary pages, no devices, nothing left behind.
 * (DPDK 22.11 does not take --in-memory together with --no-huge.)
 */
#ifndef TEST_SIM_EAL_H
#define TEST_SIM_EAL_H

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>

static char sim_eal_dir[PATH_MAX];

static inline int
sim_eal_up(const char *name, const char *megabytes)
{
	char prefix[64];
	char *args[] = { (char *)(uintptr_t)name, (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"-m",
		(char *)(uintptr_t)megabytes, (char *)"-l", (char *)"0",
		(char *)"--log-level=error", prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s-%d", name, (int)getpid());
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return -1;
	snprintf(sim_eal_dir, sizeof(sim_eal_dir), "%s", rte_eal_get_runtime_dir());
	return 0;
}

static inline void
sim_eal_down(void)
{
	rte_eal_cleanup();
	rmdir(sim_eal_dir); /* empty without shared configuration */
}

#endif /* TEST_SIM_EAL_H */
