/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory: what the options ask for, what huge pages there are, and what it came to. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include "port/port_priv.h"

#define SYSFS_HUGE "/sys/kernel/mm/hugepages"
#define MB (UINT64_C(1) << 20)

/* For EAL itself, devices' rings, flow tables. */
#define FIXED (256 * MB)
/* Beside its data, an mbuf has its header, headroom, and the pool's own header. */
#define MBUF_OVERHEAD (sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + 2 * RTE_CACHE_LINE_SIZE)

unsigned int
port_memory_wanted_mb(void)
{
	uint64_t room = conf()->mtu > 0 ? (uint64_t)conf()->mtu : 0, bytes, ram;

	room = RTE_MAX(room + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN, (uint64_t)2048);
	bytes = ((uint64_t)conf()->rx_bufs + (uint64_t)conf()->tx_bufs) * (room + MBUF_OVERHEAD);
	/* again as much for striding buffers and cyclic rings, whose number is not known yet */
	bytes = 2 * bytes + FIXED;
	ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	bytes = RTE_MIN(bytes, ram / 4 * 3);
	return (unsigned int)RTE_MIN(bytes / MB + 1, (uint64_t)INT_MAX);
}

uint64_t
port_memory_huge_free(void)
{
	char path[PATH_MAX];
	struct dirent *entry;
	uint64_t kb, n, total = 0;
	DIR *dir = opendir(SYSFS_HUGE);
	FILE *f;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), SYSFS_HUGE "/%s/free_hugepages", entry->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%" SCNu64, &n) == 1)
			total += n * kb << 10;
		fclose(f);
	}
	closedir(dir);
	return total;
}

uint64_t
port_memory_free(int socket_id)
{
	struct rte_malloc_socket_stats stats;
	uint64_t bytes = 0;

	if (rte_malloc_get_socket_stats(RTE_MAX(socket_id, 0), &stats) == 0)
		bytes = stats.heap_freesz_bytes;
	return rte_eal_has_hugepages() ? bytes + port_memory_huge_free() : bytes;
}

struct pools {
	unsigned int n;
	uint64_t objects, bytes;
};

static void
add_pool(struct rte_mempool *pool, void *arg)
{
	const struct rte_mempool_memhdr *chunk;
	struct pools *sum = arg;

	sum->n++;
	sum->objects += pool->size;
	STAILQ_FOREACH (chunk, &pool->mem_list, next)
		sum->bytes += chunk->len;
}

struct pages {
	uint64_t bytes, size;
};

static int
add_pages(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct pages *sum = arg;

	if (!msl->external) {
		sum->bytes += ms->len;
		sum->size = RTE_MAX(sum->size, ms->hugepage_sz);
	}
	return 0;
}

void
port_memory_report(void)
{
	struct pools pools = { 0 };
	struct pages pages = { 0 };

	rte_mempool_walk(add_pool, &pools);
	rte_memseg_walk(add_pages, &pages);
	LOG_DETAILS("memory: %u pools of %" PRIu64 " buffers, %" PRIu64 " MB; EAL has %" PRIu64
		    " MB in pages of %" PRIu64 " kB%s",
			pools.n, pools.objects, pools.bytes / MB, pages.bytes / MB,
			pages.size >> 10,
			rte_eal_has_hugepages() ? "" : ", reserved, used as touched");
}
