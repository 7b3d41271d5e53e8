/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a queue set to a running port: configure, set up every queue, start. What is asked for is
 * asked again with less where a PMD refuses what it might have had (interrupts). Who owns which
 * queue is queue.c's.
 */
#include <errno.h>

#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "port/port_priv.h"

#define RX_OFFLOADS                                                                                \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |                            \
			RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
/* MBUF_FAST_FREE is not among them: packets have several pools, and references */
#define TX_OFFLOADS                                                                                \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |                            \
			RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

#define TSO_NEEDS                                                                                  \
	(RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |                              \
			RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

/* Header, VLAN tag and FCS of a frame around the IP packet. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 2 * RTE_VLAN_HLEN)

static uint16_t
round_desc(uint32_t want, const struct rte_eth_desc_lim *lim)
{
	uint32_t align = RTE_MAX((uint32_t)lim->nb_align, 1u);
	uint32_t max = lim->nb_max == 0 ? UINT16_MAX : lim->nb_max;

	want = RTE_MAX(want, (uint32_t)lim->nb_min);
	if (want >= max)
		return (uint16_t)(max / align * align);
	want = RTE_ALIGN_MUL_CEIL(want, align);
	return (uint16_t)RTE_MIN(want, max / align * align);
}

void
port_desc(struct port *port, const struct port_queue_conf *want, uint16_t *rx, uint16_t *tx)
{
	const struct port_queues *qs = port->queues;
	uint32_t want_rx = want->rx_desc, want_tx = want->tx_desc;

	if (want_rx == 0)
		want_rx = qs->default_rx_desc != 0 ? qs->default_rx_desc : (uint32_t)conf()->rx_wre;
	if (want_tx == 0)
		want_tx = qs->default_tx_desc != 0 ? qs->default_tx_desc : (uint32_t)conf()->tx_wre;
	if (want->striding)
		want_rx = RTE_MAX(want_rx, want->min_strides);
	*rx = round_desc(want_rx, &qs->info.rx_desc_lim);
	*tx = round_desc(want_tx, &qs->info.tx_desc_lim);
	if (port->driver->rx_queue != NULL) {
		struct rte_eth_rxconf rxconf = qs->info.default_rxconf;

		port->driver->rx_queue(port, want, &rxconf, rx);
	}
}

/* A frame must fit in every queue's buffers, or the device must be able to cut it. */
static bool
needs_scatter(const struct port *port)
{
	const struct port_queues *qs = port->queues;
	unsigned int i;

	for (i = 0; i < qs->n; i++)
		if (qs->q[i].pool != NULL &&
				rte_pktmbuf_data_room_size(qs->q[i].pool) < (uint32_t)port->mtu +
								FRAME_OVERHEAD +
								RTE_PKTMBUF_HEADROOM)
			return true;
	return false;
}

bool
port_may_lro(const struct port *port)
{
	const struct conf *c = conf();

	return (port->queues->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0 &&
			(c->lro == CONF_LRO_ON ||
					(c->lro == CONF_LRO_AUTO && c->gro_streams_max != 0));
}

/*
 * The shortest queue and the smallest buffers bound what all of them can hold; the queue of a
 * trial, which is short and for no packets, does not.
 */
static uint32_t
lro_size(const struct port *port)
{
	const struct port_queues *qs = port->queues;
	uint32_t max = RTE_MIN(qs->info.max_lro_pkt_size, (uint32_t)UINT16_MAX), room = max;
	uint16_t desc = UINT16_MAX;
	unsigned int i;

	for (i = 0; i < qs->n; i++) {
		uint32_t here = rte_pktmbuf_data_room_size(qs->q[i].pool);

		here -= RTE_MIN(here, (uint32_t)RTE_PKTMBUF_HEADROOM);
		room = RTE_MIN(room, here);
		if (qs->q[i].pool != qs->trial_pool)
			desc = RTE_MIN(desc, qs->q[i].rx_desc);
	}
	return port->driver->lro_size != NULL ? port->driver->lro_size(port, desc, room, max) : max;
}

static void
ask_for_lro(struct port *port)
{
	const struct rte_eth_dev_info *info = &port->queues->info;
	struct rte_eth_rxmode *rx = &port->queues->eth_conf.rxmode;
	uint32_t size = lro_size(port);

	/* less than two segments are nothing to put together */
	if (size < 2u * port->mtu) {
		LOG_DEBUG("port %s: no LRO, frames would have at most %u bytes", port->name, size);
		return;
	}
	rx->max_lro_pkt_size = size;
	rx->offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
	rx->offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
}

static void
make_conf(struct port *port, bool interrupts)
{
	struct port_queues *qs = port->queues;
	const struct rte_eth_dev_info *info = &qs->info;
	struct rte_eth_conf *ec = &qs->eth_conf;

	memset(ec, 0, sizeof(*ec));
	ec->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	ec->txmode.mq_mode = RTE_ETH_MQ_TX_NONE;
	port_rss_configure(port, ec);
	ec->rxmode.mtu = port->mtu;
	/* VLAN tags stay in the frame: the stack parses them, and strides stay as they came */
	ec->rxmode.offloads = info->rx_offload_capa & RX_OFFLOADS;
	if (conf()->hw_ts_conversion != CONF_HW_TS_OFF)
		ec->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	if (needs_scatter(port))
		ec->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	if (qs->lro)
		ask_for_lro(port);
	ec->txmode.offloads = info->tx_offload_capa & TX_OFFLOADS;
	/* of use only for chains, as no buffer of ours is larger than a frame */
	if (conf()->tso && (info->tx_offload_capa & TSO_NEEDS) == TSO_NEEDS)
		ec->txmode.offloads |= TSO_NEEDS;
	/* a time means something only where the device's clock is held to the system's */
	if (conf()->tx_scheduling)
		ec->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP;
	ec->intr_conf.rxq = interrupts;
	ec->intr_conf.lsc = (*info->dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
	ec->intr_conf.rmv = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	if (port->driver->configure != NULL)
		port->driver->configure(port, ec);
	port->caps.rx_offloads = ec->rxmode.offloads;
	port->caps.tx_offloads = ec->txmode.offloads;
	port->caps.lro = (ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0;
	port->caps.hw_timestamp = (ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
	port->caps.tx_scheduled = conf()->tx_scheduling &&
			(ec->txmode.offloads & RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP) != 0;
	port->caps.tx_multi_seg = (ec->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	port->caps.tx_tso = (ec->txmode.offloads & TSO_NEEDS) == TSO_NEEDS;
	port->ip_rx_checksum = (ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
	port->l4_rx_checksum = (ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0 &&
			(ec->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0;
}

int
port_setup_rx(struct port *port, uint16_t queue)
{
	struct port_queues *qs = port->queues;
	const struct port_queue *q = &qs->q[queue];
	const struct port_queue_conf as_asked = {
		.rx_desc = q->rx_desc,
		.tx_desc = q->tx_desc,
		.pool = q->pool,
		.striding = q->striding,
	};
	struct rte_eth_rxconf rx = qs->info.default_rxconf;
	uint16_t desc = q->rx_desc;
	int ret;

	rx.offloads = qs->eth_conf.rxmode.offloads & qs->info.rx_queue_offload_capa;
	if (port->driver->rx_queue != NULL)
		port->driver->rx_queue(port, &as_asked, &rx, &desc);
	ret = rte_eth_rx_queue_setup(
			port->id, queue, desc, (unsigned int)port->socket_id, &rx, q->pool);
	if (ret != 0)
		LOG_DEBUG("port %s: receive queue %u of %u descriptors: %s", port->name, queue,
				desc, rte_strerror(-ret));
	return ret;
}

static int
setup_tx(struct port *port, uint16_t queue)
{
	struct port_queues *qs = port->queues;
	struct rte_eth_txconf tx = qs->info.default_txconf;
	int ret;

	tx.offloads = qs->eth_conf.txmode.offloads & qs->info.tx_queue_offload_capa;
	ret = rte_eth_tx_queue_setup(
			port->id, queue, qs->q[queue].tx_desc, (unsigned int)port->socket_id, &tx);
	if (ret != 0)
		LOG_DEBUG("port %s: transmit queue %u of %u descriptors: %s", port->name, queue,
				qs->q[queue].tx_desc, rte_strerror(-ret));
	return ret;
}

static int
configure_and_start(struct port *port, bool interrupts)
{
	struct port_queues *qs = port->queues;
	unsigned int i;
	int ret;

	make_conf(port, interrupts);
	ret = rte_eth_dev_configure(port->id, qs->n, qs->n, &qs->eth_conf);
	if (ret != 0) {
		LOG_DEBUG("port %s: configure with %u queue pairs%s: %s", port->name, qs->n,
				interrupts ? " and receive interrupts" : "", rte_strerror(-ret));
		return ret;
	}
	for (i = 0; i < qs->n && ret == 0; i++) {
		ret = port_setup_rx(port, (uint16_t)i);
		if (ret == 0)
			ret = setup_tx(port, (uint16_t)i);
		qs->q[i].stopped = false;
		qs->q[i].used = qs->q[i].owned;
	}
	if (ret != 0)
		return ret;
	port_rss_prepare(port);
	port_flow_queue(port);
	ret = rte_eth_dev_start(port->id);
	if (ret != 0)
		LOG_DEBUG("port %s: start: %s", port->name, rte_strerror(-ret));
	return ret;
}

static int
start_with_less(struct port *port)
{
	int ret = configure_and_start(port, true);

	/* some PMDs refuse a configuration with interrupts; memory and owner would not change */
	if (ret != 0 && ret != -ENOMEM && ret != -EBUSY)
		ret = configure_and_start(port, false);
	return ret;
}

int
port_start(struct port *port)
{
	struct port_queues *qs = port->queues;
	int ret;

	port_fork_watch();
	ret = start_with_less(port);
	/* who has the port has it without LRO, too */
	if (ret != 0 && ret != -EBUSY && port->caps.lro) {
		qs->lro = false;
		LOG_DEBUG("port %s: without LRO", port->name);
		ret = start_with_less(port);
		qs->lro = ret != 0;
	}
	if (ret == 0)
		port_rss_verify(port);
	port_fork_keep();
	if (ret != 0)
		return ret;
	port->started = true;
	port->n_queues = qs->n;
	if (qs->trial_pool != NULL && qs->q[0].pool != qs->trial_pool) {
		rte_mempool_free(qs->trial_pool);
		qs->trial_pool = NULL;
	}
	port->up = port_link_is_up(port);
	port_mc_restore(port);
	return 0;
}

void
port_stop(struct port *port)
{
	int ret;

	if (!port->started)
		return;
	ret = rte_eth_dev_stop(port->id);
	if (ret != 0)
		LOG_DEBUG("port %s: stop: %s", port->name, rte_strerror(-ret));
	port->started = false;
	port->up = false;
}
