/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the application that devices may read and write: EAL's table of memory, and the
 * device's mapping. Both are made of *pieces* that never overlap and are counted: what is
 * registered takes the pieces that are there and makes those that are missing.
 *
 * A device that translates by itself (mlx5) has a key for each mapping, and finds it by the address
 * at which a packet's buffer begins. So there a range is one piece of exactly its bytes: a buffer
 * across two would be a fault that stops the queue. Others map pages and have no such borders.
 */
/* rte_dev_dma_map() */
#define ALLOW_EXPERIMENTAL_API
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "ring/ring_priv.h"

/** EAL counts in pages of either kind, the device in none. */
#define LARGE_PAGE (UINT64_C(2) << 20)
/** Pages that mincore() is asked about at once. */
#define ASK_PAGES 4096

/** What EAL (device NULL) or a device was told of. */
struct piece {
	LIST_ENTRY(piece) next;
	struct rte_device *device;
	uintptr_t from, to;
	uint32_t refs;
	bool made; /**< else there was nothing to do */
};

/** One range of one ring. */
struct extmem {
	SLIST_ENTRY(extmem) next;
	struct rte_device *device; /**< it may be gone: look device_of() up before using it */
	uintptr_t from, to;
	uint32_t count, key;
};

static LIST_HEAD(, piece) pieces = LIST_HEAD_INITIALIZER(pieces);

static uintptr_t
page_size(void)
{
	return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static struct rte_device *
device_of(const struct ring *ring)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(ring->port_id, &info) == 0 ? info.device : NULL;
}

/** @name What EAL and devices are told; 1: there was nothing to tell */
/** @{ */
static int
tell_eal(uintptr_t from, uintptr_t to)
{
	uint64_t page = (from | to) % LARGE_PAGE == 0 ? LARGE_PAGE : page_size();
	size_t n = (to - from) / page;
	rte_iova_t *iova;
	int ret;

	if (rte_mem_virt2memseg_list((void *)from) != NULL)
		return 1;
	iova = reallocarray(NULL, n, sizeof(*iova));
	if (iova == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		iova[i] = from + i * page;
	ret = rte_extmem_register((void *)from, to - from, iova, (unsigned int)n, page);
	free(iova);
	return ret == 0 ? 0 : -rte_errno;
}

static int
tell_device(struct rte_device *device, uintptr_t from, uintptr_t to)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list((void *)from);

	if (msl != NULL && !msl->external)
		return 1; /* EAL's own: devices know it */
	if (rte_dev_dma_map(device, (void *)from, from, to - from) == 0)
		return 0;
	return rte_errno == ENOTSUP ? 1 : rte_errno != 0 ? -rte_errno : -EIO;
}
/** @} */

/** @name Pieces */
/** @{ */
static struct piece *
piece_at(const struct rte_device *device, uintptr_t at)
{
	struct piece *p;

	LIST_FOREACH (p, &pieces, next)
		if (p->device == device && p->from <= at && at < p->to)
			return p;
	return NULL;
}

/** Where the next piece begins, or @p to when none does before. */
static uintptr_t
next_from(const struct rte_device *device, uintptr_t at, uintptr_t to)
{
	struct piece *p;

	LIST_FOREACH (p, &pieces, next)
		if (p->device == device && p->from > at && p->from < to)
			to = p->from;
	return to;
}

static int
piece_make(struct rte_device *device, uintptr_t from, uintptr_t to)
{
	struct piece *p = malloc(sizeof(*p));
	int ret;

	if (p == NULL)
		return -ENOMEM;
	ret = device == NULL ? tell_eal(from, to) : tell_device(device, from, to);
	if (ret < 0) {
		free(p);
		return ret;
	}
	*p = (struct piece){
		.device = device, .from = from, .to = to, .refs = 1, .made = ret == 0
	};
	LIST_INSERT_HEAD(&pieces, p, next);
	return 0;
}

static void
piece_unmake(struct piece *p, bool gone)
{
	void *addr = (void *)p->from;
	size_t len = p->to - p->from;
	int ret = 0;

	if (p->made && p->device == NULL)
		ret = rte_extmem_unregister(addr, len);
	else if (p->made && !gone)
		ret = rte_dev_dma_unmap(p->device, addr, p->from, len);
	if (ret != 0)
		LOG_WARNING("memory at %p, %zu bytes, cannot be given back%s: %s", addr, len,
				p->device != NULL ? " by the device" : "", rte_strerror(rte_errno));
	LIST_REMOVE(p, next);
	free(p);
}

/** @param gone the device is not there any more */
static void
pieces_put(struct rte_device *device, uintptr_t from, uintptr_t to, bool gone)
{
	struct piece *p, *next;

	for (p = LIST_FIRST(&pieces); p != NULL; p = next) {
		next = LIST_NEXT(p, next);
		if (p->device == device && p->from < to && from < p->to && --p->refs == 0)
			piece_unmake(p, gone);
	}
}

static int
pieces_get(struct rte_device *device, uintptr_t from, uintptr_t to)
{
	uintptr_t at = from, end;
	struct piece *p;
	int ret;

	while (at < to) {
		p = piece_at(device, at);
		if (p != NULL) {
			p->refs++;
			at = p->to;
			continue;
		}
		end = next_from(device, at, to);
		ret = piece_make(device, at, end);
		if (ret != 0) {
			pieces_put(device, from, at, false);
			return ret;
		}
		at = end;
	}
	return 0;
}

/** Whether it is inside one piece or touches none. */
static bool
one_piece(const struct rte_device *device, uintptr_t from, uintptr_t to)
{
	const struct piece *p = piece_at(device, from);

	return p != NULL ? p->to >= to : next_from(device, from, to) == to;
}
/** @} */

/** @name Ranges */
/** @{ */
/** The bytes that the device is told of for a range. */
static void
device_range(const struct ring *ring, const struct extmem *m, uintptr_t *from, uintptr_t *to)
{
	bool keys = ring->port->driver->own_translation;

	*from = keys ? m->from : RTE_ALIGN_FLOOR(m->from, page_size());
	*to = keys ? m->to : RTE_ALIGN_CEIL(m->to, page_size());
}

static bool
is_mapped(uintptr_t from, uintptr_t to)
{
	static unsigned char ignored[ASK_PAGES]; /* the table lock is held */
	const uintptr_t most = ASK_PAGES * page_size();

	for (; from < to; from += RTE_MIN(most, to - from))
		if (mincore((void *)from, RTE_MIN(most, to - from), ignored) != 0)
			return false;
	return true;
}

bool
extmem_mapped(const void *addr, size_t len)
{
	const uintptr_t page = page_size(), from = (uintptr_t)addr;

	return from + len > from && from + len <= UINTPTR_MAX - page &&
			is_mapped(RTE_ALIGN_FLOOR(from, page), RTE_ALIGN_CEIL(from + len, page));
}

static struct extmem *
find(const struct ring_ctl *ctl, uintptr_t from, uintptr_t to)
{
	struct extmem *m;

	SLIST_FOREACH (m, &ctl->memory, next)
		if (m->from == from && m->to == to)
			return m;
	return NULL;
}

/** The list is changed under the table lock, and read by senders without it. */
static void
list_add(struct ring_ctl *ctl, struct extmem *m)
{
	rte_spinlock_lock(&ctl->memory_lock);
	SLIST_INSERT_HEAD(&ctl->memory, m, next);
	rte_spinlock_unlock(&ctl->memory_lock);
}

static void
list_del(struct ring_ctl *ctl, struct extmem *m)
{
	rte_spinlock_lock(&ctl->memory_lock);
	SLIST_REMOVE(&ctl->memory, m, extmem, next);
	rte_spinlock_unlock(&ctl->memory_lock);
}

/** The number that another ring of the device has for the same range, else a new one. */
static uint32_t
key_for(const struct ring_ctl *ctl, uintptr_t from, uintptr_t to)
{
	static uint32_t latest;
	const struct ring_ctl *other;
	const struct extmem *m;

	TAILQ_FOREACH (other, &ctl->owner->rings, next) {
		m = find(other, from, to);
		if (m != NULL)
			return m->key;
	}
	if (++latest == 0)
		latest = 1;
	return latest;
}

bool
extmem_needs_physical(const struct port *port, const struct rte_device *device)
{
	return rte_eal_iova_mode() != RTE_IOVA_VA && !port->driver->own_translation &&
			strcmp(rte_bus_name(rte_dev_bus(device)), "vdev") != 0;
}

static int
take(struct ring *ring, const struct extmem *m)
{
	const uintptr_t page = page_size();
	uintptr_t low = RTE_ALIGN_FLOOR(m->from, page), high = RTE_ALIGN_CEIL(m->to, page);
	struct rte_device *device = device_of(ring);
	uintptr_t from, to;
	int ret;

	if (device == NULL)
		return -ENODEV;
	if (extmem_needs_physical(ring->port, device))
		return -EOPNOTSUPP;
	if (!is_mapped(low, high))
		return -EFAULT;
	device_range(ring, m, &from, &to);
	if (ring->port->driver->own_translation && !one_piece(device, from, to))
		return -EEXIST;
	ret = pieces_get(NULL, low, high);
	if (ret != 0)
		return ret;
	ret = pieces_get(device, from, to);
	if (ret != 0)
		pieces_put(NULL, low, high, false);
	return ret;
}

static void
drop(struct ring *ring, const struct extmem *m)
{
	struct rte_device *device = device_of(ring);
	const uintptr_t page = page_size();
	uintptr_t from, to;

	device_range(ring, m, &from, &to);
	pieces_put(m->device, from, to, device != m->device);
	pieces_put(NULL, RTE_ALIGN_FLOOR(m->from, page), RTE_ALIGN_CEIL(m->to, page), false);
}

static __rte_noinline void
tell(const struct ring *ring, const void *addr, size_t len, int err)
{
	const char *why = err == -EEXIST     ? "it overlaps what is registered and goes beyond"
			: err == -EFAULT     ? "not all of it is mapped"
			: err == -EOPNOTSUPP ? "devices use physical addresses, give EAL "
					       "--iova-mode=va"
			: err == -ENODEV     ? "the device is gone"
					     : rte_strerror(-err);

	LOG_ERROR("port %s: memory at %p, %zu bytes, cannot be registered: %s", ring->port->name,
			addr, len, why);
}

int
ring_memory_add(struct ring *ring, void *addr, size_t len, uint32_t *key)
{
	uintptr_t from = (uintptr_t)addr, to = from + len;
	struct ring_ctl *ctl = ring_ctl(ring);
	struct extmem *m;
	int ret = -ENOMEM;

	/* the last page has no end that a number could tell */
	if (addr == NULL || len == 0 || to <= from || to > UINTPTR_MAX - page_size())
		return -EINVAL;
	table_lock();
	m = find(ctl, from, to);
	if (m != NULL) {
		m->count++;
		*key = m->key;
		table_unlock();
		return 0;
	}
	m = malloc(sizeof(*m));
	if (m != NULL) {
		*m = (struct extmem){ .from = from,
			.to = to,
			.count = 1,
			.device = device_of(ring),
			.key = key_for(ctl, from, to) };
		ret = take(ring, m);
	}
	if (ret == 0) {
		list_add(ctl, m);
		*key = m->key;
	} else {
		free(m);
		tell(ring, addr, len, ret);
	}
	table_unlock();
	return ret;
}

int
ring_memory_del(struct ring *ring, void *addr, size_t len)
{
	struct ring_ctl *ctl = ring_ctl(ring);
	struct extmem *m;
	bool found;

	table_lock();
	m = find(ctl, (uintptr_t)addr, (uintptr_t)addr + len);
	found = m != NULL;
	if (m != NULL && --m->count == 0) {
		list_del(ctl, m);
		drop(ring, m);
		free(m);
	}
	table_unlock();
	return found ? 0 : -ENOENT;
}

static bool
in_registered(struct ring_ctl *ctl, uintptr_t from, uintptr_t to)
{
	const struct extmem *m;

	rte_spinlock_lock(&ctl->memory_lock);
	SLIST_FOREACH (m, &ctl->memory, next)
		if (m->from <= from && to <= m->to)
			break;
	rte_spinlock_unlock(&ctl->memory_lock);
	return m != NULL;
}

/** EAL's memory may be given back in its middle: only what begins and ends in one list counts. */
static bool
in_eal(uintptr_t from, uintptr_t to)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list((const void *)from);

	return msl != NULL && !msl->external && msl == rte_mem_virt2memseg_list((void *)(to - 1));
}

bool
ring_sends_from(struct ring *ring, const void *addr, size_t len)
{
	uintptr_t from = (uintptr_t)addr, to = from + len;

	if (!ring->port->caps.tx_multi_seg || len == 0 || to < from)
		return false;
	switch (ring->port->sends_from) {
	case PORT_SENDS_ANY:
		return true;
	case PORT_SENDS_REGISTERED:
		return in_registered(ring_ctl(ring), from, to) || in_eal(from, to);
	default:
		return false;
	}
}

void
extmem_end(struct ring_ctl *ctl)
{
	struct extmem *m;

	while ((m = SLIST_FIRST(&ctl->memory)) != NULL) {
		list_del(ctl, m);
		drop(&ctl->ring, m);
		free(m);
	}
}
/** @} */
