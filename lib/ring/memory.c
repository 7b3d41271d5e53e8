/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers in memory that functions of the program give: a pool of one area, which EAL is
 * told of and every port's device may reach. An area goes back when its pool is freed, after the
 * device has let it go.
 */
#define ALLOW_EXPERIMENTAL_API /* rte_dev_dma_map() is one of those, for eight years */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>

#include "conf/conf.h"
#include "ring/ring_priv.h"

struct area {
	LIST_ENTRY(area) next;
	struct rte_mempool *pool;
	void (*release)(void *given);
	void *given, *addr; /**< what the program gave; from its first whole page on */
	size_t len;
	bool known; /**< to EAL */
	unsigned int devices_n;
	struct rte_device *devices[PORT_MAX]; /**< that were let in */
};

static LIST_HEAD(, area) areas = LIST_HEAD_INITIALIZER(areas);
static struct ring_memory from[2]; /**< by enum ring_dir */

int
ring_memory_from(enum ring_dir dir, const struct ring_memory *functions)
{
	if (functions->alloc == NULL)
		return -EINVAL;
	from[dir] = *functions;
	return 0;
}

bool
memory_is_given(enum ring_dir dir)
{
	return from[dir].alloc != NULL;
}

/** @name Who may reach it */
/** @{ */
static int
let_in(struct area *a, struct rte_device *device, const struct rte_mempool_memhdr *chunk)
{
	if (rte_dev_dma_map(device, chunk->addr, chunk->iova, chunk->len) == 0)
		return 1;
	/* buses of software devices, and those that find the memory of a pool themselves */
	if (rte_errno == ENOTSUP)
		return 0;
	LOG_ERROR("memory: %zu bytes at %p cannot be mapped for device %s: %s", a->len, a->addr,
			rte_dev_name(device), rte_strerror(rte_errno));
	return -rte_errno;
}

static void
shut_out(struct area *a)
{
	const struct rte_mempool_memhdr *chunk;

	while (a->devices_n > 0) {
		a->devices_n--;
		STAILQ_FOREACH (chunk, &a->pool->mem_list, next)
			rte_dev_dma_unmap(a->devices[a->devices_n], chunk->addr, chunk->iova,
					chunk->len);
	}
}

static int
let_in_all(struct area *a)
{
	const struct rte_mempool_memhdr *chunk;
	struct rte_eth_dev_info info;
	int ret = 0;

	for (unsigned int i = 0; i < port_count() && ret >= 0; i++) {
		if (rte_eth_dev_info_get(port_get(i)->id, &info) != 0 || info.device == NULL)
			continue;
		ret = 0;
		STAILQ_FOREACH (chunk, &a->pool->mem_list, next)
			if ((ret = let_in(a, info.device, chunk)) < 0)
				break;
		if (ret == 1)
			a->devices[a->devices_n++] = info.device;
	}
	return RTE_MIN(ret, 0);
}
/** @} */

/*
 * While a device writes there, no page may come to be a child's and another the parent's: as EAL's
 * memory, a child has none of it.
 */
static void
keep_from_children(struct area *a, bool keep)
{
	if (conf()->fork && madvise(a->addr, a->len, keep ? MADV_DONTFORK : MADV_DOFORK) != 0)
		LOG_DEBUG("memory: a child will inherit %zu MB of the program's: %s", a->len >> 20,
				strerror(errno));
}

static void
give_back(struct area *a)
{
	if (a->known) {
		rte_extmem_unregister(a->addr, a->len);
		keep_from_children(a, false);
	}
	if (a->release != NULL)
		a->release(a->given);
	free(a);
}

/*
 * Bytes for that many objects, none of which is to cross a page as mempool has it; rte_mempool has
 * the call, but keeps it to itself.
 */
static ssize_t
bytes_for(struct rte_mempool *mp, unsigned int n, size_t *align)
{
	rte_mempool_calc_mem_size_t calc = rte_mempool_get_ops(mp->ops_index)->calc_mem_size;
	size_t page, least;

	if (calc == NULL)
		calc = rte_mempool_op_calc_mem_size_default;
	if (rte_mempool_get_page_size(mp, &page) != 0)
		return -1;
	return calc(mp, n, page != 0 ? rte_bsf64(page) : 0, &least, align);
}

/* NULL with rte_errno; EIO: said why. */
static struct area *
get_area(struct rte_mempool *mp, unsigned int n, enum ring_dir dir)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), align;
	ssize_t len = bytes_for(mp, n, &align);
	struct area *a = calloc(1, sizeof(*a));

	rte_errno = ENOMEM;
	if (a == NULL || len < 0) {
		free(a);
		return NULL;
	}
	a->pool = mp;
	a->release = from[dir].release;
	a->len = RTE_ALIGN_CEIL((size_t)len, page);
	align = RTE_MAX(align, page);
	a->given = from[dir].alloc(a->len + align - 1);
	if (a->given == NULL) {
		free(a);
		rte_errno = ENOMEM;
		return NULL;
	}
	a->addr = RTE_PTR_ALIGN_CEIL(a->given, align);
	a->known = rte_extmem_register(a->addr, a->len, NULL, 0, page) == 0;
	if (a->known) {
		keep_from_children(a, true);
		return a;
	}
	LOG_ERROR("memory: EAL does not take the %zu bytes at %p of the program's allocator: %s",
			a->len, a->addr, rte_strerror(rte_errno));
	give_back(a);
	rte_errno = EIO;
	return NULL;
}

/* 0; -ENOTSUP, said why: a device that can work with physical addresses only, which may change. */
static int
without_physical(void)
{
	struct rte_eth_dev_info info;

	for (unsigned int i = 0; i < port_count(); i++) {
		const struct port *port = port_get(i);

		if (rte_eth_dev_info_get(port->id, &info) != 0 || info.device == NULL ||
				!extmem_needs_physical(port, info.device))
			continue;
		LOG_ERROR("memory: port %s works by physical addresses, which memory of the "
			  "program's allocator does not keep: start EAL with --iova-mode=va",
				port->name);
		return -ENOTSUP;
	}
	return 0;
}

/*
 * By physical addresses it would be in pieces of a page, and no device here asks for them.
 * @return objects
 */
static int
populate(struct rte_mempool *mp, const struct area *a)
{
	if (rte_eal_iova_mode() != RTE_IOVA_VA)
		return rte_mempool_populate_iova(mp, a->addr, RTE_BAD_IOVA, a->len, NULL, NULL);
	return rte_mempool_populate_virt(
			mp, a->addr, a->len, (size_t)sysconf(_SC_PAGESIZE), NULL, NULL);
}

static struct rte_mempool *
make_empty(const char *name, unsigned int n, unsigned int cache, uint32_t room, int socket_id)
{
	struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = (uint16_t)room };
	struct rte_mempool *mp = rte_mempool_create_empty(name, n,
			(unsigned int)sizeof(struct rte_mbuf) + room, cache, sizeof(priv),
			socket_id, 0);

	if (mp == NULL)
		return NULL;
	if (rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL) != 0) {
		rte_mempool_free(mp);
		rte_errno = ENOMEM;
		return NULL;
	}
	rte_pktmbuf_pool_init(mp, &priv);
	return mp;
}

struct rte_mempool *
memory_pool_create(const char *name, unsigned int n, unsigned int cache, uint32_t room,
		int socket_id, enum ring_dir dir)
{
	struct rte_mempool *mp = make_empty(name, n, cache, room, socket_id);
	struct area *a = NULL;
	int err = 0;

	if (mp != NULL && without_physical() != 0)
		rte_errno = EIO;
	else if (mp != NULL)
		a = get_area(mp, n, dir);

	if (a == NULL) {
		err = rte_errno;
		rte_mempool_free(mp);
		rte_errno = err;
		return NULL;
	}
	LIST_INSERT_HEAD(&areas, a, next);
	if (populate(mp, a) < (int)n)
		err = ENOMEM;
	else if (let_in_all(a) != 0)
		err = EIO;
	if (err != 0) {
		memory_pool_free(mp);
		rte_errno = err;
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

bool
memory_pool_free(struct rte_mempool *pool)
{
	struct area *a;

	LIST_FOREACH (a, &areas, next)
		if (a->pool == pool)
			break;
	if (a == NULL)
		return false;
	LIST_REMOVE(a, next);
	shut_out(a);
	rte_mempool_free(pool);
	give_back(a);
	return true;
}
