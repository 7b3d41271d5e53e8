/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that is unmapped while a NIC may touch it. Hardware would go on with pages that it has
 * pinned; the model's thread would crash. rte_eal_cleanup() with a port that is not stopped does
 * it: the port stays, its rings go.
 */
#include "connectx.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct range {
	uintptr_t from, to;
};

static bool
overlaps(const struct range *r, const void *addr, size_t len)
{
	return (uintptr_t)addr < r->to && (uintptr_t)addr + len > r->from;
}

static bool
has_ring(const struct cx_dev *d, const struct range *r)
{
	uint32_t id;

	for (id = 0; id < d->umems.n_slots; id++) {
		const struct cx_umem *u = d->umems.slot[id];

		if (u != NULL && overlaps(r, u->addr, u->len))
			return true;
	}
	return false;
}

static void
forget(const struct range *r)
{
	unsigned int i;

	for (i = 0; i < cx_n_devs; i++) {
		struct cx_dev *d = cx_devs[i];

		if (__atomic_load_n(&d->contexts, __ATOMIC_ACQUIRE) == 0)
			continue;
		cx_lock(d);
		cx_mr_unmapped(d, r->from, r->to);
		if (!d->halted && has_ring(d, r)) {
			d->halted = true;
			cx_log(1, "%s: stands still: its rings were unmapped while it was in use",
					d->conf.name);
		}
		cx_unlock(d);
	}
}

/* Of the application and its libraries; the C library's own calls do not come here. What the model
 * unmaps with a lock held is its own. */
CX_EXPORT int
munmap(void *addr, size_t len)
{
	struct range r = { (uintptr_t)addr, (uintptr_t)addr + len };

	if (cx_n_devs > 0 && !cx_forked && cx_held == 0)
		forget(&r);
	return syscall(SYS_munmap, addr, len);
}
