/* SPDX-License-Identifier: BSD-3-Clause */
/* What the process has of memory, for what connections cost. */
#include <unistd.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include "testpmd.h"

void
tp_memory_note(const struct tp *tp, struct tp_memory *m)
{
	struct rte_malloc_socket_stats heap;
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned int i;

	*m = (struct tp_memory){ 0 };
	if (f != NULL && fscanf(f, "%lu %lu", &size, &resident) == 2)
		m->resident = resident * (uint64_t)sysconf(_SC_PAGESIZE);
	if (f != NULL)
		fclose(f);
	for (i = 0; !tp->args.kernel && i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats((int)i, &heap) == 0)
			m->heap += heap.heap_allocsz_bytes;
}
