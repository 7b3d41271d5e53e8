/* SPDX-License-Identifier: BSD-3-Clause */
/* Epolls in epolls: no circles, and no deeper than Linux has it. */
#include "epoll_priv.h"

#define NESTS 4

static rte_spinlock_t nest_lock = RTE_SPINLOCK_INITIALIZER;

static unsigned int
depth_down(struct epoll *ep, const struct epoll *into, unsigned int left)
{
	unsigned int deepest = 0, d;
	struct watch *w;

	if (ep == into || left == 0)
		return left + 1;
	TAILQ_FOREACH (w, &ep->nested, of_nested) {
		d = 1 + depth_down(w->s->epoll, into, left - 1);
		deepest = RTE_MAX(deepest, d);
		if (deepest > left)
			break;
	}
	return deepest;
}

static unsigned int
depth_up(struct epoll *ep, unsigned int left)
{
	unsigned int highest = 0, d;
	struct watch *w;

	if (left == 0)
		return 1;
	rte_spinlock_lock(&ep->s->watch_lock);
	TAILQ_FOREACH (w, &ep->s->watches, of_sock) {
		d = 1 + depth_up(w->ep, left - 1);
		highest = RTE_MAX(highest, d);
	}
	rte_spinlock_unlock(&ep->s->watch_lock);
	return highest;
}

int
epoll_nest(struct watch *w)
{
	int ret = 0;

	rte_spinlock_lock(&nest_lock);
	if (depth_down(w->s->epoll, w->ep, NESTS) + 1 + depth_up(w->ep, NESTS) > NESTS)
		ret = -ELOOP;
	else
		TAILQ_INSERT_TAIL(&w->ep->nested, w, of_nested);
	rte_spinlock_unlock(&nest_lock);
	return ret != 0 ? ret : rings_renew(w->ep);
}

void
epoll_unnest(struct watch *w)
{
	rte_spinlock_lock(&nest_lock);
	TAILQ_REMOVE(&w->ep->nested, w, of_nested);
	rte_spinlock_unlock(&nest_lock);
	rings_renew(w->ep);
}
