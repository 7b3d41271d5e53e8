/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP engines and their rings: one each, made with the first flow and freed with the last. Here is
 * who locks an engine, what time it is there, and who runs its timers. How its packets leave is in
 * way.c.
 */
#include <stdlib.h>

#include "stream/stream_priv.h"

/* Rings whose pollers keep their timers; those beyond are the internal thread's. */
#define RINGS_TURNED 1024

/* With its headers a packet of the device's segmentation must stay below 64 KB. */
#define TSO_MAX 64000u

static TAILQ_HEAD(, stream_engine) engines = TAILQ_HEAD_INITIALIZER(engines);
static rte_spinlock_t engines_lock = RTE_SPINLOCK_INITIALIZER;
/* Who polls a ring looks for its engine without a lock, and may come when that has just ended: the
 * memory of engines is used for engines alone, until the room ends. */
static TAILQ_HEAD(, stream_engine) ended = TAILQ_HEAD_INITIALIZER(ended);
static struct stream_engine *of_ring[RINGS_TURNED]; /* by ring->index */

static __rte_noinline void
engine_wait(struct stream_engine *e)
{
	rte_spinlock_lock(&e->lock);
	tcp_engine_waited(e->tcp);
}

void
engine_enter(struct stream_engine *e)
{
	/* of a thread unknown to EAL buffers come one by one */
	ring_thread();
	if (!e->lockless && unlikely(!rte_spinlock_trylock(&e->lock)))
		engine_wait(e);
	tcp_clock(e->tcp, clock_ns());
}

/* What happened to the way of a segment, as if a router had said so. */
static __rte_noinline void
tell_troubles(struct stream_engine *e)
{
	unsigned int n = e->troubles;

	e->troubles = 0;
	for (unsigned int i = 0; i < n; i++)
		tcp_icmp(e->tcp, &e->trouble[i].key, e->trouble[i].seq, e->trouble[i].err, 0);
}

void
engine_leave(struct stream_engine *e)
{
	if (unlikely(e->troubles != 0))
		tell_troubles(e);
	__atomic_store_n(&e->due, tcp_next_timer(e->tcp), __ATOMIC_RELAXED);
	if (!e->lockless)
		rte_spinlock_unlock(&e->lock);
}

/* The sink of every flow that leads here; acknowledgements are out when it returns. */
static void
deliver(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct stream_engine *e = (struct stream_engine *)((char *)sink -
			offsetof(struct stream_engine, sink));

	struct stray strays[STRAYS];
	unsigned int n_strays;

	engine_enter(e);
	tcp_input(e->tcp, pkts, n);
	n_strays = e->strays;
	if (unlikely(n_strays != 0)) {
		memcpy(strays, e->stray, n_strays * sizeof(*strays));
		e->strays = 0;
	}
	engine_leave(e);
	if (unlikely(n_strays != 0))
		strays_hand(e, ring, strays, n_strays);
}

/*
 * Whoever has the engine just now is followed by another turn soon. The internal thread must not
 * wait here: the one that it waits for may be a poller that lost its core to it.
 */
static bool
engine_try(struct stream_engine *e)
{
	if (!e->lockless && !rte_spinlock_trylock(&e->lock))
		return false;
	if (unlikely(e->tcp == NULL)) {
		if (!e->lockless)
			rte_spinlock_unlock(&e->lock);
		return false;
	}
	ring_thread();
	tcp_clock(e->tcp, clock_ns());
	return true;
}

uint64_t
engine_run(struct stream_engine *e, uint64_t now)
{
	if (__atomic_load_n(&e->due, __ATOMIC_RELAXED) > now || !engine_try(e))
		return __atomic_load_n(&e->due, __ATOMIC_RELAXED);
	tcp_timers(e->tcp);
	engine_leave(e);
	return __atomic_load_n(&e->due, __ATOMIC_RELAXED);
}

void
engine_timers(struct stream_engine *e)
{
	uint64_t tsc = rte_rdtsc();

	if (likely(tsc < __atomic_load_n(&e->check_tsc, __ATOMIC_RELAXED)))
		return;
	__atomic_store_n(&e->check_tsc, tsc + rte_get_tsc_hz() / CHECKS_PER_S, __ATOMIC_RELAXED);
	engine_run(e, clock_ns());
}

struct stream_engine *
engine_of(const struct ring *ring)
{
	return ring->index < RINGS_TURNED ? __atomic_load_n(&of_ring[ring->index], __ATOMIC_ACQUIRE)
					  : NULL;
}

bool
engine_attended(const struct stream_engine *e)
{
	return rte_rdtsc() < __atomic_load_n(&e->check_tsc, __ATOMIC_RELAXED) +
			rte_get_tsc_hz() / UNATTENDED_PER_S;
}

static void
configure(const struct ring *ring, struct tcp_config *c)
{
	const struct port_caps *caps = &ring->port->caps;

	c->ops = (struct tcp_ops){ .output = way_output,
		.event = stream_event,
		.mark = stream_marked,
		.gone = flow_conn_gone,
		.mtu = way_mtu,
		.stray = stray_take,
		.reclaim = way_reclaim };
	c->tx_pool = ring->tx_pool;
	c->conn_extra = sizeof(struct conn_extra);
	c->syn_rate = (uint32_t)conf()->tcp_max_syn_rate;
	c->tso_max = caps->tx_tso ? TSO_MAX : 0;
	c->multi_seg = caps->tx_multi_seg;
	c->zc_tells = ring->port->driver->tx_tells;
}

/* Without a lock: who comes to it by a ring it had finds that it has none. */
static struct stream_engine *
room_for_one(void)
{
	struct stream_engine *e = TAILQ_FIRST(&ended);

	if (e != NULL) {
		TAILQ_REMOVE(&ended, e, next);
		return e;
	}
	e = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*e), RTE_CACHE_LINE_SIZE));
	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->due = UINT64_MAX;
	rte_spinlock_init(&e->lock);
	return e;
}

static int
create(struct ring *ring, struct stream_engine **engine)
{
	struct stream_engine *e = room_for_one();
	struct tcp_config c = { 0 };
	struct tcp_engine *tcp;
	int ret;

	if (e == NULL)
		return -ENOMEM;
	e->ring = ring;
	e->lockless = conf()->thread_mode == CONF_THREAD_SINGLE;
	e->sink.deliver = deliver;
	TAILQ_INIT(&e->young);
	TAILQ_INIT(&e->making);
	configure(ring, &c);
	c.ctx = e;
	ret = tcp_engine_create(&c, &tcp);
	if (ret != 0) {
		TAILQ_INSERT_TAIL(&ended, e, next);
		return ret;
	}
	tcp_clock(tcp, clock_ns());
	rte_spinlock_lock(&e->lock);
	e->tcp = tcp;
	rte_spinlock_unlock(&e->lock);
	*engine = e;
	return 0;
}

int
engine_get(struct ring *ring, struct stream_engine **engine)
{
	struct stream_engine *e;
	int ret;

	TAILQ_FOREACH (e, &engines, next)
		if (e->ring == ring)
			break;
	if (e == NULL) {
		ret = create(ring, &e);
		if (ret != 0)
			return ret;
		rte_spinlock_lock(&engines_lock);
		TAILQ_INSERT_TAIL(&engines, e, next);
		rte_spinlock_unlock(&engines_lock);
		if (ring->index < RINGS_TURNED)
			__atomic_store_n(&of_ring[ring->index], e, __ATOMIC_RELEASE);
	}
	e->refs++;
	*engine = e;
	return 0;
}

static void
destroy(struct stream_engine *e)
{
	rte_spinlock_lock(&engines_lock);
	TAILQ_REMOVE(&engines, e, next);
	rte_spinlock_unlock(&engines_lock);
	if (engine_of(e->ring) == e)
		__atomic_store_n(&of_ring[e->ring->index], NULL, __ATOMIC_RELEASE);
	rte_spinlock_lock(&e->lock);
	tcp_engine_destroy(e->tcp);
	e->tcp = NULL;
	e->due = UINT64_MAX;
	e->check_tsc = 0;
	e->troubles = 0;
	memset(e->ways, 0, sizeof(e->ways));
	rte_spinlock_unlock(&e->lock);
	TAILQ_INSERT_TAIL(&ended, e, next);
}

/* Every connection has a flow, and so has every socket that could call: nobody comes any more. */
void
engine_put(struct stream_engine *e)
{
	if (--e->refs == 0)
		destroy(e);
}

void
engines_free(void)
{
	struct stream_engine *e;

	while ((e = TAILQ_FIRST(&engines)) != NULL)
		destroy(e);
	while ((e = TAILQ_FIRST(&ended)) != NULL) {
		TAILQ_REMOVE(&ended, e, next);
		free(e);
	}
}

struct stream_engine *
engine_next(const struct stream_engine *e)
{
	return e == NULL ? TAILQ_FIRST(&engines) : TAILQ_NEXT(e, next);
}

void
engine_foreach(void (*cb)(struct stream_engine *engine, void *ctx), void *ctx)
{
	struct stream_engine *e;

	rte_spinlock_lock(&engines_lock);
	TAILQ_FOREACH (e, &engines, next)
		cb(e, ctx);
	rte_spinlock_unlock(&engines_lock);
}
