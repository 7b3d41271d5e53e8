/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pktmbuf pool over the operations of stride_ops.c: one data area from a memzone, and mbufs
 * whose pinned external buffers are its strides. Control path only, but for freeing a clone.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "stride_priv.h"

RTE_LOG_REGISTER(stride_logtype, dpvma.mempool.stride, NOTICE);

#define STRIDE_LOG(level, fmt, ...)                                                                \
	rte_log(RTE_LOG_##level, (uint32_t)stride_logtype, "dpvma: stride pool " fmt "\n",         \
			__VA_ARGS__)

static const char more_memory[] = "fewer strides, more huge pages or a larger -m";

static bool
args_ok(const char *name, unsigned int n, uint32_t stride, uint32_t headroom)
{
	if (name == NULL || name[0] == '\0' ||
			strnlen(name, RTE_MEMPOOL_NAMESIZE) == RTE_MEMPOOL_NAMESIZE) {
		STRIDE_LOG(ERR, "needs a name of 1 to %zu characters",
				(size_t)RTE_MEMPOOL_NAMESIZE - 1);
		return false;
	}
	if (n == 0 || n > UINT32_C(1) << 31) {
		STRIDE_LOG(ERR, "%s: %u strides asked for, 1 to %u are possible", name, n,
				UINT32_C(1) << 31);
		return false;
	}
	if (stride < STRIDE_MIN || stride > STRIDE_MAX || stride % STRIDE_MIN != 0) {
		STRIDE_LOG(ERR, "%s: a stride of %u bytes is not a multiple of %u from %u to %u",
				name, stride, STRIDE_MIN, STRIDE_MIN, STRIDE_MAX);
		return false;
	}
	if (headroom != RTE_PKTMBUF_HEADROOM) {
		STRIDE_LOG(ERR,
				"%s: headroom of %u bytes, but PMDs write at RTE_PKTMBUF_HEADROOM, "
				"%u",
				name, headroom, RTE_PKTMBUF_HEADROOM);
		return false;
	}
	return true;
}

/* By the memory's own table: asking the kernel would be a system call for each stride. */
static rte_iova_t
iova_of(const char *addr)
{
	const struct rte_memseg *ms = rte_mem_virt2memseg(addr, NULL);

	if (ms == NULL || ms->iova == RTE_BAD_IOVA)
		return RTE_BAD_IOVA;
	return ms->iova + RTE_PTR_DIFF(addr, ms->addr);
}

/*
 * An area whose pages are not contiguous for a device will do where no stride lies across two
 * pages; a page is larger than any stride here. The headroom may lie across: a device writes
 * nothing there (but see virtio in stride.h).
 */
static bool
strides_contiguous(const char *name, const struct stride_pool_info *info)
{
	uint32_t i, last = info->stride - 1;

	for (i = 0; i < info->n; i++) {
		const char *addr = (const char *)info->base + (size_t)i * info->stride;

		if (iova_of(addr) != RTE_BAD_IOVA && iova_of(addr + last) == iova_of(addr) + last)
			continue;
		STRIDE_LOG(ERR,
				"%s: stride %u of %u bytes lies across two physical pages: use "
				"--iova-mode=va, larger huge pages, or a power of two",
				name, i, info->stride);
		return false;
	}
	return true;
}

/*
 * Reserve the data area. Its strides are aligned to the power of two not below their size, so that
 * those that are one never lie across two pages.
 */
static const struct rte_memzone *
area_reserve(const char *name, unsigned int n, uint32_t stride, uint32_t headroom, int socket_id,
		struct stride_pool_info *info)
{
	uint32_t align = rte_align32pow2(stride);
	size_t pad = RTE_ALIGN_CEIL(headroom, align);
	size_t len = pad + (size_t)n * stride;
	char zone[RTE_MEMZONE_NAMESIZE];
	const struct rte_memzone *mz;
	bool contiguous = true;

	snprintf(zone, sizeof(zone), "ST_%s", name);
	mz = rte_memzone_reserve_aligned(zone, len, socket_id, RTE_MEMZONE_IOVA_CONTIG, align);
	if (mz == NULL && rte_errno == ENOMEM && rte_eal_iova_mode() == RTE_IOVA_PA) {
		contiguous = false;
		mz = rte_memzone_reserve_aligned(zone, len, socket_id, 0, align);
	}
	if (mz == NULL) {
		int err = rte_errno;

		STRIDE_LOG(ERR, "%s: no %zu contiguous bytes for %u strides of %u bytes (%s): %s",
				name, len, n, stride, rte_strerror(err), more_memory);
		rte_errno = err;
		return NULL;
	}
	info->base = RTE_PTR_ADD(mz->addr, pad);
	info->len = (size_t)n * stride;
	info->stride = stride;
	info->n = n;
	if (!contiguous && !strides_contiguous(name, info)) {
		rte_memzone_free(mz);
		rte_errno = ENOMEM;
		return NULL;
	}
	return mz;
}

/*
 * The last clone of a packet whose own mbuf was freed before it. The address is not looked at: it
 * is that of the clone.
 */
static void
pinned_free(void *addr __rte_unused, void *opaque)
{
	struct rte_mbuf *m = opaque;

	rte_mbuf_ext_refcnt_set(m->shinfo, 1);
	m->ol_flags = RTE_MBUF_F_EXTERNAL;
	m->next = NULL;
	m->nb_segs = 1;
	rte_mbuf_raw_free(m);
}

static void
obj_init(struct rte_mempool *mp, void *opaque, void *obj, unsigned int idx __rte_unused)
{
	const struct stride_pool_priv *priv = opaque;
	const struct stride_pool_info *info = &priv->info;
	struct stride_obj *o = obj;
	struct rte_mbuf *m = &o->mbuf;
	char *data = (char *)info->base + (size_t)o->slot * info->stride;

	memset(m, 0, sizeof(*m));
	m->buf_addr = data - RTE_PKTMBUF_HEADROOM;
	m->buf_len = rte_pktmbuf_data_room_size(mp);
	m->data_off = RTE_PKTMBUF_HEADROOM;
	/* From the data's own address: the headroom may lie on another page. */
	rte_mbuf_iova_set(m, iova_of(data) - RTE_PKTMBUF_HEADROOM);
	m->pool = mp;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	m->ol_flags = RTE_MBUF_F_EXTERNAL;
	rte_mbuf_refcnt_set(m, 1);
	m->shinfo = &o->shinfo;
	o->shinfo.free_cb = pinned_free;
	o->shinfo.fcb_opaque = m;
	rte_mbuf_ext_refcnt_set(&o->shinfo, 1);
}

/* The mempool of the mbufs. Sets rte_errno. */
static struct rte_mempool *
mbufs_create(const char *name, unsigned int n, int socket_id, const struct stride_pool_priv *init)
{
	struct stride_pool_priv *priv;
	struct rte_mempool *mp;
	int ret;

	mp = rte_mempool_create_empty(name, n, sizeof(struct stride_obj), 0, sizeof(*priv),
			socket_id, RTE_MEMPOOL_F_NO_SPREAD);
	if (mp == NULL)
		return NULL;
	priv = rte_mempool_get_priv(mp);
	rte_pktmbuf_pool_init(mp, (void *)(uintptr_t)&init->mbp);
	priv->mz = init->mz;
	priv->info = init->info;
	ret = rte_mempool_set_ops_byname(mp, stride_ops_name, priv);
	if (ret == 0)
		ret = rte_mempool_populate_default(mp);
	if (ret < 0) {
		rte_mempool_free(mp);
		rte_errno = -ret;
		return NULL;
	}
	rte_mempool_obj_iter(mp, obj_init, priv);
	return mp;
}

struct rte_mempool *
stride_pool_create(const char *name, unsigned int n, uint32_t stride, uint32_t headroom,
		int socket_id, struct stride_pool_info *info)
{
	struct stride_pool_priv init = {
		.mbp = {
			.mbuf_data_room_size = (uint16_t)(stride + headroom),
			.flags = RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF,
		},
	};
	struct rte_mempool *mp;
	size_t len;
	int err;

	if (!args_ok(name, n, stride, headroom)) {
		rte_errno = EINVAL;
		return NULL;
	}
	if (rte_mempool_lookup(name) != NULL) {
		STRIDE_LOG(ERR, "%s: there is a pool of that name", name);
		rte_errno = EEXIST;
		return NULL;
	}
	init.mz = area_reserve(name, n, stride, headroom, socket_id, &init.info);
	if (init.mz == NULL)
		return NULL;
	mp = mbufs_create(name, n, socket_id, &init);
	if (mp == NULL) {
		err = rte_errno;
		len = rte_mempool_calc_obj_size(
				sizeof(struct stride_obj), RTE_MEMPOOL_F_NO_SPREAD, NULL);
		len = n * (len + sizeof(void *));
		STRIDE_LOG(ERR, "%s: no %zu bytes for %u mbufs (%s): %s", name, len, n,
				rte_strerror(err), more_memory);
		rte_memzone_free(init.mz);
		rte_errno = err;
		return NULL;
	}
	if (info != NULL)
		*info = init.info;
	return mp;
}

static struct stride_pool_priv *
priv_of(const struct rte_mempool *mp)
{
	if (strcmp(rte_mempool_get_ops(mp->ops_index)->name, stride_ops_name) != 0)
		return NULL;
	return rte_mempool_get_priv((struct rte_mempool *)(uintptr_t)mp);
}

void
stride_pool_free(struct rte_mempool *mp)
{
	const struct stride_pool_priv *priv;
	const struct rte_memzone *mz;
	unsigned int out;

	if (mp == NULL)
		return;
	priv = priv_of(mp);
	if (priv == NULL) {
		STRIDE_LOG(ERR, "%s: not one, not freed", mp->name);
		return;
	}
	out = rte_mempool_in_use_count(mp);
	if (out > 0)
		STRIDE_LOG(WARNING, "%s: freed while %u of %u mbufs are in use", mp->name, out,
				mp->size);
	mz = priv->mz;
	rte_mempool_free(mp);
	rte_memzone_free(mz);
}

const struct stride_pool_info *
stride_pool_info_get(const struct rte_mempool *mp)
{
	const struct stride_pool_priv *priv = priv_of(mp);

	return priv == NULL ? NULL : &priv->info;
}
