/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process needs once to run scripts: an EAL on ordinary pages, without devices and with
 * nothing left behind, and two pools.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "run.h"

#define BUFFERS 4096u

struct rte_mempool *script_rx_pool, *script_tx_pool;
static char eal_dir[PATH_MAX];

int
script_world_up(const char *name)
{
	char prefix[64];
	char *args[] = { (char *)(uintptr_t)name, (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"-m", (char *)"64",
		(char *)"-l", (char *)"0", (char *)"--log-level=*:error", prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s_%d", name, (int)getpid());
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return -1;
	snprintf(eal_dir, sizeof(eal_dir), "%s", rte_eal_get_runtime_dir());
	script_rx_pool = rte_pktmbuf_pool_create(
			"script_rx", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	script_tx_pool = rte_pktmbuf_pool_create(
			"script_tx", BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return script_rx_pool != NULL && script_tx_pool != NULL ? 0 : -1;
}

void
script_world_down(void)
{
	rte_mempool_free(script_rx_pool);
	rte_mempool_free(script_tx_pool);
	rte_eal_cleanup();
	rmdir(eal_dir); /* empty without shared configuration */
}
