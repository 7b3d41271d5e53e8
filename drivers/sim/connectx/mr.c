/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that the device may touch: regions with a local key, which every access of the data path
 * is checked against, and umems, in which the PMD keeps rings and doorbell records.
 */
#include "connectx.h"

#include <sys/mman.h>

#define KEY_VARIANT_BITS 8
#define PAGE 4096ul

/* pub is the application's to write: what the device believes is beside it. */
struct mr {
	struct ibv_mr pub;
	struct cx_dev *dev;
	uint8_t *addr;
	uint64_t len, iova; /* iova: where the device sees addr */
	uint32_t id, lkey;
};

/* Whether all of it is mapped, as the kernel makes sure when it pins the pages of a region. */
static bool
mapped(const void *addr, size_t len)
{
	uintptr_t from = (uintptr_t)addr & ~(PAGE - 1), to;

	/* the kernel rounds up, and takes what overflows then for nothing */
	if (__builtin_add_overflow((uintptr_t)addr, len, &to) || len == 0 || to > -PAGE)
		return false;
	/* nothing is written back: for memory that is not a file's this walks the mappings only */
	return msync((void *)from, to - from, MS_ASYNC) == 0;
}

/* Returns the memory, or NULL: counted, the first time logged. */
void *
cx_mr_check(struct cx_dev *d, uint32_t lkey, uint64_t addr, uint64_t len)
{
	const struct mr *m = cx_table_get(&d->mrs, lkey >> KEY_VARIANT_BITS);

	if (cx_unlikely(m == NULL || m->lkey != lkey || addr < m->iova || len > m->len ||
			    addr - m->iova > m->len - len)) {
		if (d->stat.bad_lkey++ == 0)
			cx_log(0,
					"local key %#x does not cover address %#lx, %lu bytes: "
					"dropped, "
					"counted from now on",
					lkey, addr, len);
		return NULL;
	}
	return m->addr + (addr - m->iova);
}

/* A region of which something is unmapped becomes an empty one, which any access is outside of. */
void
cx_mr_unmapped(struct cx_dev *d, uintptr_t from, uintptr_t to)
{
	uint32_t id;

	for (id = 0; id < d->mrs.n_slots; id++) {
		struct mr *m = d->mrs.slot[id];

		if (m != NULL && from < (uintptr_t)m->addr + m->len && (uintptr_t)m->addr < to)
			m->len = 0;
	}
}

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

CX_EXPORT struct ibv_mr *
ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, unsigned int access)
{
	static uint8_t variant; /* of all NICs: any two that follow each other differ */
	struct cx_dev *d = cx_dev_of(pd->context);
	struct mr *m;

	(void)access;
	if (cx_context_gone(pd->context))
		return NULL;
	if (!mapped(addr, len)) {
		cx_log(0,
				"%s: region %p, %zu bytes: not all of it is mapped memory of this "
				"process",
				d->conf.name, addr, len);
		errno = EFAULT;
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->dev = d;
	m->addr = addr;
	m->len = len;
	m->iova = iova;
	cx_lock(d);
	m->id = cx_table_add(&d->mrs, m);
	if (m->id != 0) {
		/* a key that was given up is not the key of who gets the number next */
		m->lkey = m->id << KEY_VARIANT_BITS |
				__atomic_add_fetch(&variant, 1, __ATOMIC_RELAXED);
		m->pub.lkey = m->pub.rkey = m->lkey;
		m->pub.handle = m->id;
		m->pub.context = pd->context;
		m->pub.pd = pd;
		m->pub.addr = addr;
		m->pub.length = len;
	}
	cx_unlock(d);
	if (m->id == 0) {
		free(m);
		return NULL;
	}
	cx_log(3, "region %p, %zu bytes: key %#x", addr, len, m->lkey);
	return &m->pub;
}

CX_EXPORT struct ibv_mr *
ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t len, int access)
{
	return ibv_reg_mr_iova2(pd, addr, len, (uintptr_t)addr, access);
}

CX_EXPORT struct ibv_mr *
ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova, int access)
{
	return ibv_reg_mr_iova2(pd, addr, len, iova, access);
}

CX_EXPORT int
ibv_dereg_mr(struct ibv_mr *pub)
{
	struct mr *m = (struct mr *)pub;

	cx_lock(m->dev);
	cx_table_del(&m->dev->mrs, m->id);
	cx_unlock(m->dev);
	free(m);
	return 0;
}

CX_EXPORT struct mlx5dv_devx_umem *
mlx5dv_devx_umem_reg(struct ibv_context *c, void *addr, size_t len, uint32_t access)
{
	struct cx_umem *u;

	(void)access;
	if (!mapped(addr, len)) {
		errno = EFAULT;
		return NULL;
	}
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return NULL;
	u->dev = cx_dev_of(c);
	u->addr = addr;
	u->len = len;
	cx_lock(u->dev);
	u->id = u->pub.umem_id = cx_table_add(&u->dev->umems, u);
	cx_unlock(u->dev);
	if (u->id == 0) {
		free(u);
		return NULL;
	}
	return &u->pub;
}

CX_EXPORT int
mlx5dv_devx_umem_dereg(struct mlx5dv_devx_umem *pub)
{
	struct cx_umem *u = (struct cx_umem *)pub;
	struct cx_dev *d = u->dev;
	int ret = 0;

	cx_lock(d);
	if (u->refs > 0) {
		ret = cx_busy(d, "umem");
	} else {
		cx_table_del(&d->umems, u->id);
		free(u);
	}
	cx_unlock(d);
	return ret;
}

void *
cx_umem_get(struct cx_dev *d, uint32_t id, uint64_t off, uint64_t len, uint32_t align,
		struct cx_umem **umem)
{
	struct cx_umem *u = cx_table_get(&d->umems, id);

	if (u == NULL || len > u->len || off > u->len - len ||
			((uintptr_t)u->addr + off) % align != 0)
		return NULL;
	u->refs++;
	*umem = u;
	return u->addr + off;
}

/* The two of a queue. */
void
cx_umem_put(struct cx_umem **umem)
{
	int i;

	for (i = 0; i < 2; i++)
		if (umem[i] != NULL)
			umem[i]->refs--;
	umem[0] = umem[1] = NULL;
}
