/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of rings: which there are, which port each belongs to, and the lock of the control
 * path. Who gets which ring is alloc.c's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "ring/ring_priv.h"

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct ring_ctl **rings; /* by index, NULL where there is none */
static uint32_t rings_n;
static struct ring_port *ports[PORT_MAX];

void
table_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
table_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* A thread of the parent may have had it. */
void
table_forget(void)
{
	lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

struct ring_port *
table_port_peek(const struct port *port)
{
	return ports[port->index];
}

struct ring_port *
table_port(struct port *port)
{
	struct ring_port *rp = ports[port->index];

	if (rp != NULL)
		return rp;
	rp = calloc(1, sizeof(*rp));
	if (rp == NULL)
		return NULL;
	rp->port = port;
	rp->all = flow_table_create();
	if (rp->all == NULL) {
		free(rp);
		return NULL;
	}
	TAILQ_INIT(&rp->rings);
	TAILQ_INIT(&rp->flows);
	TAILQ_INIT(&rp->spreads);
	TAILQ_INIT(&rp->ending);
	ports[port->index] = rp;
	return rp;
}

void
table_foreach_port(void (*cb)(struct ring_port *rp))
{
	for (unsigned int i = 0; i < PORT_MAX; i++)
		if (ports[i] != NULL)
			cb(ports[i]);
}

/* A free index, the lowest. */
static int
slot_get(uint32_t *index)
{
	struct ring_ctl **more;
	uint32_t i = 0;

	while (i < rings_n && rings[i] != NULL)
		i++;
	*index = i;
	if (i < rings_n)
		return 0;
	more = reallocarray(rings, rings_n == 0 ? 16 : rings_n * 2, sizeof(*rings));
	if (more == NULL)
		return -ENOMEM;
	rings = more;
	rings_n = rings_n == 0 ? 16 : rings_n * 2;
	memset(&rings[i], 0, (rings_n - i) * sizeof(*rings));
	return 0;
}

int
table_insert(struct ring_ctl *ctl)
{
	int ret = slot_get(&ctl->ring.index);

	if (ret != 0)
		return ret;
	rings[ctl->ring.index] = ctl;
	TAILQ_INSERT_TAIL(&ctl->owner->rings, ctl, next);
	ctl->owner->rings_n++;
	return 0;
}

void
table_remove(struct ring_ctl *ctl)
{
	rings[ctl->ring.index] = NULL;
	TAILQ_REMOVE(&ctl->owner->rings, ctl, next);
	ctl->owner->rings_n--;
}

void
table_update_spare(struct ring_port *rp)
{
	uint16_t queues[RING_SPARE_MAX];
	struct ring_ctl *ctl;
	unsigned int n;

	TAILQ_FOREACH (ctl, &rp->rings, next) {
		struct ring *ring = &ctl->ring;

		if (!ring->is_default)
			continue;
		n = port_spares(rp->port, queues, RING_SPARE_MAX);
		if (!rp->restarting)
			ring_rx_lock(ring);
		memcpy(ring->spare, queues, n * sizeof(*queues));
		ring->spare_queues = (uint16_t)n;
		if (!rp->restarting)
			ring_rx_unlock(ring);
	}
}

/* The next ring from index i on, pinned; NULL at the end. */
static struct ring_ctl *
next_pinned(uint32_t *i)
{
	struct ring_ctl *ctl = NULL;

	table_lock();
	while (*i < rings_n && ctl == NULL)
		ctl = rings[(*i)++];
	if (ctl != NULL)
		ctl->pins++;
	table_unlock();
	return ctl;
}

void
table_unpin(struct ring_ctl *ctl)
{
	struct port *port = ctl->ring.port;

	port_lock(port);
	table_lock();
	ctl->pins--;
	if (ctl->pins == 0 && ctl->ring.refs == 0)
		ring_destroy(ctl);
	table_unlock();
	port_unlock(port);
}

void
ring_foreach(void (*cb)(struct ring *ring, void *ctx), void *ctx)
{
	struct ring_ctl *ctl;
	uint32_t i = 0;

	while ((ctl = next_pinned(&i)) != NULL) {
		cb(&ctl->ring, ctx);
		table_unpin(ctl);
	}
}

struct ring_ctl *
table_at(uint32_t nth)
{
	for (uint32_t i = 0; i < rings_n; i++)
		if (rings[i] != NULL && nth-- == 0)
			return rings[i];
	return NULL;
}

/*
 * A poller may hold one ring's rx_lock and want the tx_lock of another, so all rx_locks are taken
 * first.
 */
static void
port_down(struct ring_port *rp)
{
	struct ring_ctl *ctl;

	TAILQ_FOREACH (ctl, &rp->rings, next)
		ring_rx_lock(&ctl->ring);
	TAILQ_FOREACH (ctl, &rp->rings, next)
		if (!ctl->ring.lockless)
			rte_spinlock_lock(&ctl->ring.tx_lock);
	rp->restarting = true;
	flow_port_down(rp);
}

static void
port_up(struct ring_port *rp)
{
	struct ring_ctl *ctl;

	if (rp->port->started) {
		flow_port_up(rp);
		table_update_spare(rp);
	}
	/* a port that is gone has no interrupts any more */
	TAILQ_FOREACH (ctl, &rp->rings, next)
		sleep_restart(ctl);
	rp->restarting = false;
	TAILQ_FOREACH (ctl, &rp->rings, next) {
		if (!ctl->ring.lockless)
			rte_spinlock_unlock(&ctl->ring.tx_lock);
		ring_rx_unlock(&ctl->ring);
	}
}

/* The table stays locked while the port restarts, so that no flow and no ring comes or goes. */
static void
on_restart(struct port *port, bool up, void *ctx)
{
	struct ring_port *rp;

	RTE_SET_USED(ctx);
	if (!up)
		table_lock();
	rp = table_port_peek(port);
	if (rp != NULL && !up)
		port_down(rp);
	else if (rp != NULL && rp->restarting)
		port_up(rp);
	if (up)
		table_unlock();
}

int
ring_table_init(void)
{
	return port_on_restart(on_restart, ports);
}

void
ring_table_fini(void)
{
	port_off(ports);
	table_lock();
	for (unsigned int i = 0; i < PORT_MAX; i++) {
		if (ports[i] == NULL)
			continue;
		flow_port_free(ports[i]);
		free(ports[i]);
		ports[i] = NULL;
	}
	free(rings);
	rings = NULL;
	rings_n = 0;
	table_unlock();
}
