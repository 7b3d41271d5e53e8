/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has which queue pair of a port, how many there are, and what happens when they do not do: a
 * queue is set up anew while the port runs, or the port is restarted with what is wanted.
 */
#include <errno.h>

#include <rte_errno.h>
#include <rte_mempool.h>

#include "port/port_priv.h"

/* Pairs up front on a port with flow rules or RSS, when DPVMA_QUEUES does not say. */
#define QUEUES_AUTO 4
/* Fewest descriptors that shortage of memory may lead to. */
#define DESC_MIN 256
/* Bursts taken from a spare queue to empty it of packets for its former owner. */
#define DRAIN_BURST 32

void
port_lock(struct port *port)
{
	pthread_mutex_lock(&port->queues->lock);
}

void
port_unlock(struct port *port)
{
	pthread_mutex_unlock(&port->queues->lock);
}

/* The most pairs this port may ever have. */
static uint16_t
queues_limit(const struct port *port)
{
	uint32_t max = RTE_MIN(port->caps.max_rx_queues, port->caps.max_tx_queues);

	max = RTE_MIN(max, (uint32_t)PORT_QUEUES_MAX);
	if (conf()->queues > 0)
		return (uint16_t)RTE_MIN(max, (uint32_t)conf()->queues);
	if (!port->caps.flow && !port->caps.rss)
		return RTE_MIN(max, 1u);
	if (conf()->ring_limit_per_interface > 0)
		max = RTE_MIN(max, (uint32_t)conf()->ring_limit_per_interface);
	return (uint16_t)max;
}

/* Buffers that queues of this pool may post: what is free in it, and what we posted ourselves. */
static uint32_t
pool_budget(const struct port *port, const struct rte_mempool *pool)
{
	const struct port_queues *qs = port->queues;
	uint32_t n = rte_mempool_avail_count(pool);
	unsigned int i;

	for (i = 0; port->started && i < qs->n; i++)
		if (qs->q[i].pool == pool)
			n += (uint32_t)qs->q[i].rx_desc * qs->behind;
	return RTE_MIN(n, pool->size);
}

/*
 * Queues of the ordinary pool that memory allows: half of its buffers at most are posted, and what
 * striding buffers take besides is no more than the pool itself, nor than what there is.
 */
static uint16_t
affordable(const struct port *port, struct rte_mempool *pool, uint16_t desc, uint16_t want)
{
	uint64_t bytes = (uint64_t)pool->size * rte_pktmbuf_data_room_size(pool);
	uint32_t budget = pool_budget(port, pool) / port->queues->behind;
	uint16_t n = want, by_bytes;

	while (n > 1 && (uint64_t)n * desc > budget / 2)
		n--;
	if (n < want)
		LOG_DEBUG("port %s: %u queue pairs instead of %u: %u descriptors each (VMA_RX_WRE) "
			  "out of %u buffers (VMA_RX_BUFS)",
				port->name, n, want, desc, budget);
	if (port->driver->queue_bytes == NULL)
		return n;
	if (!port->started)
		bytes = RTE_MIN(bytes, port_memory_free(port->socket_id));
	for (by_bytes = n; n > 1 && port->driver->queue_bytes(port, n, desc) > bytes;)
		n--;
	if (n < by_bytes)
		LOG_DEBUG("port %s: %u queue pairs instead of %u: their striding buffers "
			  "(DPVMA_MPRQ_STRIDES, DPVMA_MPRQ_STRIDE) take %u MB each",
				port->name, n, by_bytes,
				(unsigned int)(port->driver->queue_bytes(port, 1, desc) >> 20));
	return n;
}

/* The defaults, once the first ordinary pool is known. */
static void
choose_defaults(struct port *port, const struct port_queue_conf *want)
{
	struct port_queues *qs = port->queues;
	const struct port_queue_conf plain = { .pool = want->pool };
	uint32_t budget;
	uint16_t rx, tx;

	port_desc(port, &plain, &rx, &tx);
	budget = pool_budget(port, want->pool) / qs->behind;
	if (rx > budget / 2 && !conf_is_set("VMA_RX_WRE")) {
		qs->default_rx_desc = (uint16_t)RTE_MAX(rte_align32prevpow2(budget / 2), 64u);
		LOG_DEBUG("port %s: %u receive descriptors instead of %u (VMA_RX_WRE), as the pool "
			  "has %u buffers (VMA_RX_BUFS)",
				port->name, qs->default_rx_desc, rx, budget);
		port_desc(port, &plain, &rx, &tx);
	}
	qs->default_rx_desc = rx;
	qs->default_tx_desc = tx;
}

static bool
is_ordinary(const struct port_queue_conf *want)
{
	return !want->striding && want->rx_desc == 0 && want->tx_desc == 0;
}

static __rte_noinline void
say_no_lro(struct port *port)
{
	if (port->queues->lro_said)
		return;
	port->queues->lro_said = true;
	LOG_WARNING("port %s has no large receive offload: DPVMA_LRO=on does nothing there",
			port->name);
}

/*
 * Whether the next start, for one more queue, asks for LRO. On mlx5 it takes the vector burst from
 * all queues of the port, which costs whoever receives datagrams: so TCP has it of a port that
 * starts for it, and no cyclic ring beside.
 */
static bool
wants_lro(struct port *port, const struct port_queue_conf *want)
{
	const struct port_queues *qs = port->queues;
	bool may = port_may_lro(port);
	unsigned int i;

	if (!may && conf()->lro == CONF_LRO_ON)
		say_no_lro(port);
	if (!may || conf()->lro == CONF_LRO_ON)
		return may;
	for (i = 0; i < qs->n; i++)
		if (qs->q[i].owned && qs->q[i].striding)
			return false;
	return !want->striding && (want->lro || port->caps.lro);
}

static void
fill_queue(struct port *port, uint16_t queue, const struct port_queue_conf *want)
{
	struct port_queue *q = &port->queues->q[queue];

	port_desc(port, want, &q->rx_desc, &q->tx_desc);
	q->pool = want->pool;
	q->striding = want->striding;
}

static void
fill_spare(struct port *port, uint16_t queue, struct rte_mempool *other)
{
	struct port_queues *qs = port->queues;
	const struct port_queue_conf plain = { .pool = qs->default_pool != NULL ? qs->default_pool
										: other };

	fill_queue(port, queue, &plain);
	qs->q[queue].owned = false;
	qs->q[queue].used = false;
}

/* Stop what nobody reads, on a port where nothing arrives there anyhow. */
static void
stop_spares(struct port *port)
{
	struct port_queues *qs = port->queues;
	unsigned int i;

	if (!port->caps.flow || port->driver->keeps_queues)
		return;
	for (i = 0; i < qs->n; i++)
		if (!qs->q[i].owned && !qs->q[i].stopped)
			qs->q[i].stopped = rte_eth_dev_rx_queue_stop(port->id, (uint16_t)i) == 0;
}

/* Buffers of this pool that the queues of every port post; this port's as they were asked for. */
static uint32_t
posted_in(const struct port *port, const struct rte_mempool *pool)
{
	uint32_t posted = 0;
	unsigned int p, i;

	for (p = 0; p < n_ports; p++) {
		const struct port_queues *qs = ports[p]->queues;

		for (i = 0; (ports[p] == port || ports[p]->started) && i < qs->n; i++)
			if (qs->q[i].pool == pool)
				posted += (uint32_t)qs->q[i].rx_desc * qs->behind;
	}
	return posted;
}

/* Nodes with a port: VMA_RX_BUFS is shared out among them. */
static uint32_t
nodes_n(void)
{
	uint64_t nodes = 0;
	unsigned int p;

	for (p = 0; p < n_ports; p++)
		nodes |= UINT64_C(1) << (ports[p]->socket_id & 63);
	return (uint32_t)__builtin_popcountll(nodes);
}

static void __attribute__((cold)) say_no_memory(const struct port *port)
{
	const struct port_queues *qs = port->queues;
	uint16_t last = qs->n - 1, desc = qs->q[last].rx_desc;
	const struct rte_mempool *pool = qs->q[last].pool;
	uint32_t burst = (uint32_t)conf()->rx_burst, need = posted_in(port, pool) + burst;
	uint32_t over = need - RTE_MIN(need, pool->size), n = 0, fits;
	unsigned int i;

	for (i = 0; i < qs->n; i++)
		n += qs->q[i].pool == pool;
	/* what each of this port's queues may post when the others stay */
	fits = n * desc > over ? (n * desc - over) / n : 0;
	fits = fits > 0 ? rte_align32prevpow2(fits) : 0;
	if (over == 0)
		LOG_ERROR("port %s: EAL has no memory for %u%s receive queues of %u descriptors "
			  "(%u of %u buffers): lower VMA_RX_WRE=%u%s, or give EAL more memory "
			  "(-m, huge pages)",
				port->name, qs->n, port->caps.striding ? " striding" : "", desc,
				need, pool->size, desc,
				port->caps.striding ? " or DPVMA_MPRQ_STRIDES" : "");
	else if (fits >= 64)
		LOG_ERROR("port %s: %u receive queues of %u descriptors need %u buffers and the "
			  "pool has %u: give VMA_RX_BUFS=%u and the memory for it, or "
			  "VMA_RX_WRE=%u",
				port->name, qs->n, desc, need, pool->size, need * nodes_n(), fits);
	else
		LOG_ERROR("port %s: %u receive queues of %u descriptors need %u buffers and the "
			  "pool has %u: give VMA_RX_BUFS=%u and the memory for it, or fewer "
			  "queues (DPVMA_QUEUES)",
				port->name, qs->n, desc, need, pool->size, need * nodes_n());
}

static void __attribute__((cold)) say_failure(const struct port *port, int ret)
{
	const struct port_queues *qs = port->queues;

	if (ret == -ENOMEM)
		say_no_memory(port);
	else if (ret == -EBUSY)
		LOG_ERROR("port %s is already started by the program: stop it before, or name "
			  "other "
			  "ports in DPVMA_PORTS",
				port->name);
	else
		LOG_ERROR("port %s cannot be started with %u queue pairs: %s", port->name, qs->n,
				rte_strerror(-ret));
}

/*
 * Start with the queues as they are; for want of memory with fewer spare ones, then with shorter
 * ones where nobody asked for the length.
 */
static int
start_within_memory(struct port *port, bool tentative)
{
	struct port_queues *qs = port->queues;
	uint16_t last_owned, before;
	unsigned int i;
	int ret;

	for (;;) {
		ret = port_start(port);
		if (ret != -ENOMEM || tentative || conf()->queues > 0)
			return ret;
		for (last_owned = 0, i = 0; i < qs->n; i++)
			if (qs->q[i].owned)
				last_owned = (uint16_t)i;
		if (qs->n > last_owned + 1u) {
			qs->n = RTE_MAX(qs->n / 2, last_owned + 1);
			LOG_DEBUG("port %s: short of memory: %u queue pairs", port->name, qs->n);
			continue;
		}
		before = qs->q[0].rx_desc;
		if (conf_is_set("VMA_RX_WRE") || qs->n > 1 || qs->q[0].striding ||
				before / 2 < DESC_MIN)
			return ret;
		qs->default_rx_desc = before / 2;
		fill_queue(port, 0, &(struct port_queue_conf){ .pool = qs->q[0].pool });
		if (qs->q[0].rx_desc >= before)
			return ret;
		LOG_DEBUG("port %s: short of memory: %u receive descriptors", port->name,
				qs->q[0].rx_desc);
	}
}

/* The first queue of a port decides about its queues; the request becomes queue 0. */
static int
start_first(struct port *port, const struct port_queue_conf *want)
{
	struct port_queues *qs = port->queues;
	bool ordinary = is_ordinary(want);
	uint16_t limit;
	unsigned int i;
	int ret;

	port_rss_decide(port);
	limit = queues_limit(port);
	if (limit == 0) {
		LOG_ERROR("port %s has no queue pair at all: %u receive, %u transmit queues",
				port->name, port->caps.max_rx_queues, port->caps.max_tx_queues);
		return -ENOSPC;
	}
	if (ordinary) {
		choose_defaults(port, want);
		qs->default_pool = want->pool;
	}
	fill_queue(port, 0, want);
	qs->lro = wants_lro(port, want);
	if (conf()->queues > 0)
		qs->n = limit;
	else if (!ordinary)
		qs->n = 1; /* whoever comes next brings the pool for more */
	else
		qs->n = affordable(port, want->pool, qs->q[0].rx_desc,
				RTE_MIN(limit, (uint16_t)QUEUES_AUTO));
	qs->q[0].owned = true;
	for (i = 1; i < qs->n; i++)
		fill_spare(port, (uint16_t)i, want->pool);
	ret = start_within_memory(port, want->tentative);
	if (ret != 0) {
		if (!want->tentative)
			say_failure(port, ret);
		qs->q[0].owned = false;
		qs->n = 0;
		return ret;
	}
	qs->n_owned = 1;
	port_probe_running(port);
	stop_spares(port);
	LOG_DEBUG("port %s: started with %u queue pairs of %u and %u descriptors%s%s%s%s%s",
			port->name, qs->n, qs->q[0].rx_desc, qs->q[0].tx_desc,
			port->caps.flow			 ? ", flow rules"
					: port->caps.rss ? ", RSS"
							 : "",
			port->caps.isolated ? ", isolated" : "",
			port->caps.rx_interrupt ? ", interrupts" : "",
			port->caps.striding ? ", striding" : "", port->caps.lro ? ", LRO" : "");
	return 0;
}

static bool
fits(const struct port_queue *q, const struct port_queue_conf *want, uint16_t rx, uint16_t tx)
{
	return q->pool == want->pool && q->rx_desc == rx && q->tx_desc == tx;
}

/* What is left in a queue was for its former owner. */
static void
drain(struct port *port, uint16_t queue)
{
	struct rte_mbuf *pkts[DRAIN_BURST];
	unsigned int left = port->queues->q[queue].rx_desc / DRAIN_BURST + 1;
	uint16_t n;

	do {
		n = rte_eth_rx_burst(port->id, queue, pkts, DRAIN_BURST);
		rte_pktmbuf_free_bulk(pkts, n);
	} while (n != 0 && left-- != 0);
}

/*
 * Spare queues of a port without rules are polled by whoever polls queue 0, so a queue changes
 * hands with every poller aside; and so the table of a port that spreads.
 */
static void
hand_over(struct port *port, struct port_queue *q, bool owned)
{
	bool polled = !port->caps.flow && port->started;

	if (polled)
		port_restarting(port, false);
	q->owned = owned;
	q->used = true;
	port->queues->n_owned += owned ? 1 : -1;
	if (polled)
		port_rss_rewrite(port);
	if (polled)
		port_restarting(port, true);
}

static int
take(struct port *port, uint16_t queue)
{
	struct port_queue *q = &port->queues->q[queue];
	int ret;

	if (q->stopped) {
		ret = rte_eth_dev_rx_queue_start(port->id, queue);
		if (ret != 0)
			return ret;
		q->stopped = false;
	}
	if (q->used && port->caps.flow)
		drain(port, queue);
	hand_over(port, q, true);
	return queue;
}

/* Set a spare queue up anew while the port runs. -ENOTSUP when a restart is needed for it. */
static int
take_anew(struct port *port, uint16_t queue, const struct port_queue_conf *want)
{
	struct port_queues *qs = port->queues;
	struct port_queue *q = &qs->q[queue], before = *q;
	uint16_t rx, tx;
	int ret;

	port_desc(port, want, &rx, &tx);
	/* without rules somebody polls the spare queue, who would have to be aside */
	if (!port->caps.runtime_rx_queue || !port->caps.flow || tx != q->tx_desc)
		return -ENOTSUP;
	if (!q->stopped) {
		if (port->driver->keeps_queues || rte_eth_dev_rx_queue_stop(port->id, queue) != 0)
			return -ENOTSUP;
		q->stopped = true;
	}
	fill_queue(port, queue, want);
	ret = port_setup_rx(port, queue);
	if (ret == 0)
		ret = take(port, queue);
	if (ret >= 0)
		return ret;
	*q = before;
	q->stopped = true;
	if (port_setup_rx(port, queue) != 0)
		LOG_DEBUG("port %s: receive queue %u stays stopped", port->name, queue);
	return ret;
}

int
port_restart(struct port *port, bool reset)
{
	int ret = 0;

	port_restarting(port, false);
	port_stop(port);
	if (reset)
		ret = rte_eth_dev_reset(port->id);
	if (ret == 0)
		ret = port_start(port);
	if (ret == 0)
		stop_spares(port);
	port_restarting(port, true);
	return ret;
}

static void __attribute__((cold)) start_as_before(struct port *port)
{
	int ret = port_start(port);

	if (ret == 0)
		return;
	port->queues->broken = true;
	LOG_ERROR("port %s cannot be started again (%s): nothing goes through it until the program "
		  "starts anew",
			port->name, rte_strerror(-ret));
}

/*
 * Restart with the request in a spare place or in a new one; as it was before when that fails. More
 * than one place is made at a time where buffers allow, so that a hundred rings are not as many
 * restarts.
 */
static int
take_by_restart(struct port *port, int spare, const struct port_queue_conf *want)
{
	struct port_queues *qs = port->queues;
	uint16_t n_before = qs->n, limit = queues_limit(port), n = qs->n, more, queue;
	struct port_queue before;
	bool lro = qs->lro;
	unsigned int i;
	int ret;

	if (port->driver->stop_is_final || (spare < 0 && qs->n >= limit))
		return -ENOSPC;
	queue = spare >= 0 ? (uint16_t)spare : qs->n;
	if (spare < 0)
		n++;
	if (conf()->queues == 0 && qs->default_pool != NULL) {
		more = RTE_MIN(limit, n_before <= QUEUES_AUTO / 2 ? QUEUES_AUTO : 2 * n_before);
		more = affordable(port, qs->default_pool, qs->default_rx_desc, more);
		n = RTE_MAX(n, more);
	}
	if (want->pool == qs->default_pool && is_ordinary(want) &&
			(uint32_t)(qs->n_owned + 1) * qs->default_rx_desc >
					pool_budget(port, want->pool) / qs->behind) {
		LOG_DEBUG("port %s: no buffers for one more queue of %u descriptors (VMA_RX_WRE): "
			  "VMA_RX_BUFS=%d is too few",
				port->name, qs->default_rx_desc, conf()->rx_bufs);
		return -ENOSPC;
	}
	before = qs->q[queue];
	for (i = n_before; i < n; i++)
		fill_spare(port, (uint16_t)i, want->pool);
	qs->lro = wants_lro(port, want);
	fill_queue(port, queue, want);
	qs->q[queue].owned = true;
	qs->q[queue].used = false;
	qs->n = n;
	LOG_DEBUG("port %s: restart with %u queue pairs", port->name, n);
	port_restarting(port, false);
	port_stop(port);
	ret = port_start(port);
	if (ret != 0) {
		if (!want->tentative)
			say_failure(port, ret);
		qs->q[queue] = before;
		qs->q[queue].owned = false;
		qs->n = n_before;
		qs->lro = lro;
		start_as_before(port);
	}
	if (port->started)
		stop_spares(port);
	port_restarting(port, true);
	if (ret != 0)
		return ret;
	qs->n_owned++;
	return queue;
}

static int
take_another(struct port *port, const struct port_queue_conf *want)
{
	struct port_queues *qs = port->queues;
	int spare = -1, ret;
	uint16_t rx, tx;
	unsigned int i;

	if (is_ordinary(want) && qs->default_pool == NULL) {
		choose_defaults(port, want);
		qs->default_pool = want->pool;
	}
	port_desc(port, want, &rx, &tx);
	for (i = 0; i < qs->n; i++) {
		if (qs->q[i].owned)
			continue;
		if (fits(&qs->q[i], want, rx, tx))
			return take(port, (uint16_t)i);
		if (spare < 0)
			spare = (int)i;
	}
	if (spare >= 0) {
		ret = take_anew(port, (uint16_t)spare, want);
		if (ret >= 0)
			return ret;
	}
	return take_by_restart(port, spare, want);
}

int
port_queue_get(struct port *port, const struct port_queue_conf *want)
{
	struct port_queues *qs = port->queues;
	int ret;

	if (want->pool == NULL)
		return -EINVAL;
	port_lock(port);
	if (qs->removed || qs->broken)
		ret = -ENODEV;
	else if (!port->started)
		ret = start_first(port, want);
	else
		ret = take_another(port, want);
	port_unlock(port);
	return ret;
}

void
port_queue_put(struct port *port, uint16_t queue)
{
	struct port_queues *qs = port->queues;
	struct port_queue *q = &qs->q[queue];

	port_lock(port);
	if (queue < qs->n && q->owned) {
		hand_over(port, q, false);
		if (port->started)
			stop_spares(port);
	}
	port_unlock(port);
}

/* With RSS nothing new comes but what the device has no hash for. */
static bool
may_receive(const struct port *port, uint16_t queue)
{
	const struct port_queue *q = &port->queues->q[queue];

	if (!port->started || port->caps.flow || q->owned || q->stopped)
		return false;
	return !port->caps.rss || q->used || queue == 0;
}

unsigned int
port_spares(struct port *port, uint16_t *queues, unsigned int n)
{
	struct port_queues *qs = port->queues;
	unsigned int i, found = 0;

	port_lock(port);
	for (i = 0; i < qs->n && found < n; i++)
		if (may_receive(port, (uint16_t)i))
			queues[found++] = (uint16_t)i;
	port_unlock(port);
	return found;
}

bool
port_pool_used(const struct rte_mempool *pool)
{
	bool used = false;
	unsigned int p, i;

	for (p = 0; p < n_ports; p++) {
		struct port_queues *qs = ports[p]->queues;

		port_lock(ports[p]);
		for (i = 0; i < qs->n; i++)
			used |= qs->q[i].pool == pool;
		port_unlock(ports[p]);
	}
	return used;
}

int
port_rx_fd(struct port *port, uint16_t queue)
{
	int fd;

	if (!port->started || !port->caps.rx_interrupt)
		return -ENOTSUP;
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, queue);
	return fd >= 0 ? fd : -ENOTSUP;
}
