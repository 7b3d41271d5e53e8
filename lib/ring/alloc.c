/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which socket gets which ring: the allocation logic makes a key, sockets of one key share a ring,
 * and when a port has no ring left the least used one is shared by strangers. Here rings are made
 * and end. Migration only decides; moving flows is flow.c's.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "ring/ring_priv.h"

static bool initialised;
/* Who finds a ring by its descriptor may look at it just when it ends, so the memory is kept. */
static SLIST_HEAD(, ring_ctl) unused = SLIST_HEAD_INITIALIZER(unused);

void
ring_alloc_init(struct ring_alloc *alloc, enum ring_dir dir, int sock)
{
	const struct conf *c = conf();

	*alloc = (struct ring_alloc){
		.logic = dir == RING_RX ? c->ring_allocation_logic_rx : c->ring_allocation_logic_tx,
		.sock = (uint32_t)sock,
		.creator = (uint32_t)rte_gettid(),
		.ratio = dir == RING_RX ? c->ring_migration_ratio_rx : c->ring_migration_ratio_tx,
	};
	/* Segments that the device is to cut would leave by two queues and overtake each other. */
	if (dir == RING_TX && c->tso)
		alloc->ratio = -1;
}

/* Where the caller is, in the sense of the logic; 0 where that has no meaning. */
static uint64_t
whereabouts(const struct ring_alloc *alloc)
{
	int cpu;

	switch (alloc->logic) {
	case CONF_RING_PER_THREAD:
		return (uint32_t)rte_gettid();
	case CONF_RING_PER_CORE:
	case CONF_RING_PER_CORE_ATTACH:
		cpu = sched_getcpu();
		return cpu < 0 ? 1 : (uint64_t)cpu + 1;
	default:
		return 0;
	}
}

bool
ring_alloc_migrate(struct ring_alloc *alloc)
{
	uint64_t now;

	if (alloc->logic < CONF_RING_PER_THREAD || alloc->ratio < 0 || alloc->here == 0)
		return false;
	now = whereabouts(alloc);
	if (likely(now == alloc->here)) {
		alloc->away = 0;
		return false;
	}
	if (++alloc->away < alloc->ratio)
		return false;
	alloc->away = 0;
	alloc->here = now;
	return true;
}

/* The thread stays on the core whose ring it takes. */
static void
attach_thread(uint64_t here)
{
	cpu_set_t set;
	int ret;

	CPU_ZERO(&set);
	CPU_SET(here - 1, &set);
	ret = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (ret != 0)
		LOG_DEBUG("the thread cannot be pinned to core %u: %s", (unsigned int)here - 1,
				strerror(ret));
}

/* The place a ring is taken for now. */
static void
settle(struct ring_alloc *alloc)
{
	alloc->away = 0;
	if (alloc->logic != CONF_RING_PER_THREAD)
		alloc->here = whereabouts(alloc);
	else if (alloc->here == 0)
		alloc->here = alloc->creator;
	if (alloc->logic == CONF_RING_PER_CORE_ATTACH)
		attach_thread(alloc->here);
}

static void
key_of(const struct ring_alloc *alloc, const struct ip_addr *local, struct ring_key *key)
{
	memset(key, 0, sizeof(*key));
	key->logic = alloc->logic;
	key->profile = alloc->profile;
	switch (alloc->logic) {
	case CONF_RING_PER_IP:
		if (local != NULL && !ip_is_any(local))
			key->local = *local;
		break;
	case CONF_RING_PER_SOCKET:
		key->id = alloc->sock;
		break;
	case CONF_RING_PER_USER_ID:
		key->id = alloc->user_id;
		break;
	case CONF_RING_PER_THREAD:
	case CONF_RING_PER_CORE:
	case CONF_RING_PER_CORE_ATTACH:
		key->id = alloc->here;
		break;
	default:
		break;
	}
}

static bool
same_key(const struct ring_key *a, const struct ring_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct ring_ctl *
find(const struct ring_port *rp, const struct ring_key *key)
{
	struct ring_ctl *ctl;
	struct ring_alias *alias;

	TAILQ_FOREACH (ctl, &rp->rings, next) {
		if (same_key(&ctl->key, key))
			return ctl;
		SLIST_FOREACH (alias, &ctl->aliases, next)
			if (same_key(&alias->key, key))
				return ctl;
	}
	return NULL;
}

static bool
is_cyclic_profile(int profile)
{
	const struct ring_profile *p = ring_profile_get(profile);

	return p != NULL && p->type == RING_PROFILE_CYCLIC;
}

static bool
is_cyclic(const struct ring_ctl *ctl)
{
	return is_cyclic_profile(ctl->key.profile);
}

/*
 * The least used ring, and one without a cyclic reader rather than with. Those whose sockets must
 * meet again, as they share an address, a user id or a core, are remembered; sockets and threads
 * come and go too many.
 */
static struct ring_ctl *
share(struct ring_port *rp, const struct ring_key *key)
{
	struct ring_ctl *ctl, *best = NULL;
	struct ring_alias *alias;

	TAILQ_FOREACH (ctl, &rp->rings, next) {
		if (best == NULL || is_cyclic(ctl) < is_cyclic(best) ||
				(is_cyclic(ctl) == is_cyclic(best) &&
						ctl->ring.refs < best->ring.refs))
			best = ctl;
	}
	if (best == NULL || key->logic == CONF_RING_PER_SOCKET ||
			key->logic == CONF_RING_PER_THREAD)
		return best;
	alias = malloc(sizeof(*alias));
	if (alias != NULL) {
		alias->key = *key;
		SLIST_INSERT_HEAD(&best->aliases, alias, next);
	}
	return best;
}

/* What the data path reads; the queue is there and the port runs. */
static void
fill(struct ring_ctl *ctl, const struct port_queue_conf *queue)
{
	struct ring *ring = &ctl->ring;
	struct port *port = ring->port;
	struct ring_ctl *first = TAILQ_FIRST(&ctl->owner->rings);

	ring->port_id = port->id;
	ring->burst = (uint16_t)conf()->rx_burst;
	ring->lockless = conf()->thread_mode == CONF_THREAD_SINGLE;
	ring->isolated = port->caps.isolated;
	ring->marks = port->caps.flow_mark;
	rte_spinlock_init(&ring->rx_lock);
	rte_spinlock_init(&ring->tx_lock);
	ring->tx_prepare = (port->caps.tx_offloads &
					   (RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
							   RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
							   RTE_ETH_TX_OFFLOAD_TCP_TSO)) != 0;
	ring->tx_times = schedule_works(port);
	ring->tx_pool = pools_tx(port->socket_id);
	ring->rx_pool = queue->pool;
	if (ring->striding && !port->caps.striding) {
		ring->striding = false;
		ring->stride = ring->strides = 0;
	}
	if (port->caps.isolated)
		return;
	ring->is_default = first == NULL;
	if (first != NULL) {
		ring->helps = &first->ring;
		first->pins++;
	}
}

static int
queue_get(struct ring_ctl *ctl)
{
	const struct ring_profile *profile = ring_profile_get(ctl->key.profile);
	struct port_queue_conf queue = { .pool = pools_rx(ctl->ring.port->socket_id),
		.lro = ctl->ring.alloc.lro };
	int ret = 0;

	if (profile != NULL)
		ret = profile_queue(ctl, profile, &queue);
	if (ret != 0)
		return ret;
	ret = port_queue_get(ctl->ring.port, &queue);
	if (ret < 0 && queue.tentative)
		ret = profile_queue_plain(ctl, profile, ret, &queue);
	if (ret < 0)
		return ret;
	ctl->ring.queue = (uint16_t)ret;
	fill(ctl, &queue);
	return 0;
}

static void
aliases_free(struct ring_ctl *ctl)
{
	struct ring_alias *alias;

	while ((alias = SLIST_FIRST(&ctl->aliases)) != NULL) {
		SLIST_REMOVE_HEAD(&ctl->aliases, next);
		free(alias);
	}
}

/* Nobody uses the ring any more, and it is in no list. */
static void
ring_free(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;
	void *pkts[64];
	unsigned int n;

	while (ring->handover != NULL &&
			(n = rte_ring_sc_dequeue_burst(ring->handover, pkts, RTE_DIM(pkts), NULL)) >
					0)
		rte_pktmbuf_free_bulk((struct rte_mbuf **)pkts, n);
	rte_ring_free(ring->handover);
	flow_table_free(ring->flows);
	aliases_free(ctl);
	profile_pool_put(ctl);
	extmem_end(ctl);
	SLIST_INSERT_HEAD(&unused, ctl, unused);
}

/* All zero, but for the count of those who are finding out that it is not the ring they look for.
 */
static struct ring_ctl *
ring_new(void)
{
	const size_t before = offsetof(struct ring, callers);
	const size_t after = before + sizeof(((struct ring *)NULL)->callers);
	struct ring_ctl *ctl = SLIST_FIRST(&unused);
	void *p;

	if (ctl != NULL) {
		SLIST_REMOVE_HEAD(&unused, unused);
		memset(ctl, 0, before);
		memset((char *)ctl + after, 0, sizeof(*ctl) - after);
	} else {
		if (posix_memalign(&p, RTE_CACHE_LINE_SIZE, sizeof(*ctl)) != 0)
			return NULL;
		ctl = memset(p, 0, sizeof(*ctl));
	}
	ctl->ring.fd = -1;
	return ctl;
}

static int
make(struct ring_port *rp, enum ring_dir dir, const struct ring_alloc *alloc,
		const struct ring_key *key, struct ring_ctl **made)
{
	int limit = conf()->ring_limit_per_interface;
	struct ring_ctl *ctl;
	int ret;

	if (limit > 0 && rp->rings_n >= (unsigned int)limit)
		return -ENOSPC;
	ctl = ring_new();
	if (ctl == NULL)
		return -ENOMEM;
	ctl->owner = rp;
	ctl->key = *key;
	SLIST_INIT(&ctl->aliases);
	SLIST_INIT(&ctl->memory);
	rte_spinlock_init(&ctl->memory_lock);
	ctl->ring.port = rp->port;
	ctl->ring.dir = dir;
	ctl->ring.alloc = *alloc;
	ctl->ring.local = key->local;
	ctl->ring.profile = key->profile;
	ctl->ring.flows = flow_table_create();
	ret = ctl->ring.flows == NULL ? -ENOMEM : queue_get(ctl);
	if (ret != 0) {
		ring_free(ctl);
		return ret;
	}
	timestamp_port(rp->port);
	sleep_init(ctl);
	ret = table_insert(ctl);
	if (ret == 0)
		ret = flow_teach(ctl);
	if (ret != 0) {
		ring_destroy(ctl);
		return ret;
	}
	table_update_spare(rp);
	LOG_DEBUG("port %s: ring %u on queue %u%s%s", rp->port->name, ctl->ring.index,
			ctl->ring.queue, ctl->ring.striding ? ", striding" : "",
			ctl->ring.stride_pool ? ", ordered strides" : "");
	*made = ctl;
	return 0;
}

void
ring_destroy(struct ring_ctl *ctl)
{
	struct ring_port *rp = ctl->owner;
	struct ring *ring = &ctl->ring;
	struct ring_ctl *other, *helped = ring->helps != NULL ? ring_ctl(ring->helps) : NULL;

	table_remove(ctl);
	/* Others may be about to hand packets over: be with each of them once. */
	TAILQ_FOREACH (other, &rp->rings, next) {
		ring_rx_lock(&other->ring);
		ring_rx_unlock(&other->ring);
	}
	ring_rx_lock(ring);
	ring_rx_unlock(ring);
	sleep_fini(ctl);
	/* What it holds is of the queue's buffers, which the device wants back. */
	if (ring->reader_end != NULL)
		ring->reader_end(ring, ring->reader);
	port_queue_put(ring->port, ring->queue);
	LOG_DEBUG("port %s: ring %u ends", ring->port->name, ring->index);
	ring_free(ctl);
	table_update_spare(rp);
	if (helped != NULL && --helped->pins == 0 && helped->ring.refs == 0)
		ring_destroy(helped);
}

/* Out of line: the one line for what neither the port nor the pools have said. */
static __rte_noinline void
tell(const struct port *port, int ret)
{
	if (ret == -ENODEV)
		LOG_ERROR("port %s: no ring, the device is gone or could not be started again",
				port->name);
	else if (ret == -ENOSPC)
		LOG_ERROR("port %s: no ring, the device has no queue left; raise DPVMA_QUEUES",
				port->name);
}

static int
acquire(struct port *port, enum ring_dir dir, const struct ring_alloc *alloc,
		const struct ring_key *key, struct ring **ring)
{
	const struct ring_profile *profile = ring_profile_get(key->profile);
	struct ring_port *rp = table_port(port);
	struct ring_ctl *ctl;
	int ret = 0;

	if (rp == NULL)
		return -ENOMEM;
	ctl = find(rp, key);
	/* who makes the ring brings its memory */
	if (dir == RING_RX && (ctl == NULL || ctl->ring.memory.iov_base == NULL))
		ret = profile_memory(port, profile, &alloc->memory);
	if (ret != 0)
		return ret;
	if (ctl == NULL) {
		ret = make(rp, dir, alloc, key, &ctl);
		/* the application's memory is let go of with its ring, so that ring is its own */
		if (ret == -ENOSPC && !(dir == RING_RX && profile != NULL && profile->external))
			ctl = share(rp, key);
		if (ctl == NULL) {
			tell(port, ret);
			return ret;
		}
	}
	/* A cyclic socket without a queue of its own: the reader has to copy as its profile says.
	 */
	if (dir == RING_RX && ctl->ring.shared_profile == 0 && !is_cyclic(ctl) &&
			is_cyclic_profile(key->profile))
		ctl->ring.shared_profile = key->profile;
	if (dir == RING_RX && ctl->ring.memory.iov_base == NULL && profile != NULL &&
			profile->external)
		ctl->ring.memory = alloc->memory;
	ring_hold(&ctl->ring);
	*ring = &ctl->ring;
	return 0;
}

int
ring_acquire(struct port *port, enum ring_dir dir, struct ring_alloc *alloc,
		const struct ip_addr *local, struct ring **ring)
{
	struct ring_key key;
	int ret;

	if (!initialised || pools_rx(port->socket_id) == NULL) {
		LOG_ERROR("port %s: no ring before rings_init()", port->name);
		return -ENODEV;
	}
	if (alloc->profile != 0 && ring_profile_get(alloc->profile) == NULL) {
		LOG_ERROR("port %s: there is no ring profile %d; register it first", port->name,
				alloc->profile);
		return -EINVAL;
	}
	settle(alloc);
	key_of(alloc, local, &key);
	port_lock(port);
	table_lock();
	ret = acquire(port, dir, alloc, &key, ring);
	table_unlock();
	port_unlock(port);
	return ret;
}

/* One of several needs no lock. */
static bool
drop_one_of_several(struct ring *ring)
{
	uint32_t refs = __atomic_load_n(&ring->refs, __ATOMIC_RELAXED);

	while (refs > 1)
		if (__atomic_compare_exchange_n(&ring->refs, &refs, refs - 1, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Others need the ring; for its own sockets it has ended, and so for their memory. */
static void
let_go(struct ring_ctl *ctl)
{
	struct ring *ring = &ctl->ring;

	if (ring->memory.iov_base == NULL)
		return;
	sleep_fini(ctl);
	if (ring->reader_end != NULL)
		ring->reader_end(ring, ring->reader);
	ring->memory = (struct iovec){ NULL, 0 };
}

void
ring_release(struct ring *ring)
{
	struct port *port = ring->port;
	struct ring_ctl *ctl = ring_ctl(ring);

	if (drop_one_of_several(ring))
		return;
	port_lock(port);
	table_lock();
	if (__atomic_sub_fetch(&ring->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		if (ctl->pins == 0)
			ring_destroy(ctl);
		else
			let_go(ctl);
	}
	table_unlock();
	port_unlock(port);
}

static const uint64_t *
stats_at(unsigned int index)
{
	static struct ring_stats sum; /* the telemetry thread is the only one */
	struct ring_ctl *ctl;

	table_lock();
	ctl = table_at(index);
	if (ctl != NULL)
		ring_stats_sum(&ctl->ring, &sum);
	table_unlock();
	return ctl != NULL ? sum.c : NULL;
}

static void
label_at(unsigned int index, char *buf, size_t len)
{
	struct ring_ctl *ctl;

	table_lock();
	ctl = table_at(index);
	if (ctl != NULL)
		snprintf(buf, len, "%s queue %u", ctl->ring.port->name, ctl->ring.queue);
	else if (len > 0)
		buf[0] = '\0';
	table_unlock();
}

int
rings_init(void)
{
	static bool exported;
	int ret;

	if (initialised)
		return 0;
	ret = timestamp_init();
	if (ret == 0)
		ret = pools_init();
	if (ret == 0)
		ret = ring_table_init();
	if (ret != 0)
		return ret;
	if (!exported)
		exported = stat_export(&stat_ring, stats_at, label_at) == 0;
	initialised = true;
	return 0;
}

/* The default ring of a port goes last: others keep it alive. */
static struct ring_ctl *
any_ring(void)
{
	struct ring_ctl *ctl;

	for (uint32_t i = 0; (ctl = table_at(i)) != NULL; i++)
		if (ctl->ring.helps != NULL)
			return ctl;
	return table_at(0);
}

void
rings_fini(void)
{
	struct ring_ctl *ctl;
	struct port *port;

	while ((ctl = any_ring()) != NULL) {
		port = ctl->ring.port;
		port_lock(port);
		table_lock();
		ctl->ring.refs = 0;
		ring_destroy(ctl);
		table_unlock();
		port_unlock(port);
	}
	if (initialised)
		ring_table_fini();
	ring_pools_fini();
	initialised = false;
}

void
rings_forget(void)
{
	table_forget();
	rules_under_way = 0;
	fds_forget();
	lend_forget();
}

void
ring_pools_fini(void)
{
	profile_pools_fini();
	pools_fini();
	lend_fini();
}
