/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port can do. What dev_info says is taken; what it leaves open is tried on the running
 * port: a rule is created, an interrupt is armed. validate() and the mere presence of an fd say
 * nothing: net_tap passes both and can neither.
 */
#include <errno.h>

#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_log.h>
#include <rte_mempool.h>

#include "port/port_priv.h"

/* Of a rule that is only tried: documentation addresses, 192.0.2.253 and 192.0.2.254. */
#define TRY_SRC RTE_BE32(0xc00002fd)
#define TRY_DST RTE_BE32(0xc00002fe)
/* Descriptors of a trial, where striding does not ask for more. */
#define TRIAL_DESC 256
/* Ethernet header and FCS, where dev_info does not tell them apart. */
#define OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN)

/* The largest packet that rte_eth_dev_configure() will take, by its own arithmetic. */
static uint16_t
max_mtu_of(const struct rte_eth_dev_info *info)
{
	uint32_t mtu = info->max_mtu, overhead = OVERHEAD;

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		overhead = info->max_rx_pktlen - info->max_mtu;
	if (info->max_rx_pktlen > overhead)
		mtu = RTE_MIN(mtu, info->max_rx_pktlen - overhead);
	return (uint16_t)mtu;
}

int
port_probe_info(struct port *port)
{
	struct rte_eth_dev_info *info = &port->queues->info;
	struct port_caps *caps = &port->caps;
	int ret;

	ret = rte_eth_dev_info_get(port->id, info);
	if (ret != 0) {
		LOG_ERROR("port %s does not tell what it can do: %s; leave it out of DPVMA_PORTS "
			  "or DPVMA_EAL_ARGS",
				port->name, rte_strerror(-ret));
		return ret;
	}
	caps->max_rx_queues = info->max_rx_queues;
	caps->max_tx_queues = info->max_tx_queues;
	caps->max_mtu = max_mtu_of(info);
	caps->tx_fast_free = (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	caps->runtime_rx_queue = (info->dev_capa & RTE_ETH_DEV_CAPA_RUNTIME_RX_QUEUE_SETUP) != 0;
	if (port->socket_id < 0)
		port->socket_id = 0;
	return 0;
}

/* A UDP 5-tuple between documentation addresses, created and destroyed: 0 when it could be. */
static int
try_rule(struct port *port, bool mark, bool validate_only)
{
	const struct rte_flow_attr attr = { .ingress = 1 };
	const struct rte_flow_item_ipv4 ip = { .hdr = { .src_addr = TRY_SRC,
							       .dst_addr = TRY_DST } };
	const struct rte_flow_item_ipv4 ip_mask = { .hdr = { .src_addr = UINT32_MAX,
								    .dst_addr = UINT32_MAX } };
	const struct rte_flow_item_udp udp = { .hdr = { .src_port = RTE_BE16(9),
							       .dst_port = RTE_BE16(9) } };
	const struct rte_flow_item_udp udp_mask = { .hdr = { .src_port = UINT16_MAX,
								    .dst_port = UINT16_MAX } };
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip, .mask = &ip_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action_mark id = { .id = 1 };
	const struct rte_flow_action_queue queue = { .index = 0 };
	const struct rte_flow_action actions[] = {
		{ .type = mark ? RTE_FLOW_ACTION_TYPE_MARK : RTE_FLOW_ACTION_TYPE_VOID,
				.conf = &id },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error error = { 0 };
	struct rte_flow *rule;

	if (validate_only)
		return rte_flow_validate(port->id, &attr, pattern, actions, &error);
	rule = rte_flow_create(port->id, &attr, pattern, actions, &error);
	if (rule == NULL) {
		LOG_DEBUG("port %s: no rule%s: %s", port->name, mark ? " with a mark" : "",
				error.message != NULL ? error.message : rte_strerror(rte_errno));
		return -rte_errno;
	}
	rte_flow_destroy(port->id, rule, &error);
	return 0;
}

/* Enable first: PMDs without the operation say so quietly there, but not when asked for the fd. */
static bool
try_interrupt(struct port *port)
{
	int ret;

	if (port->queues->eth_conf.intr_conf.rxq == 0)
		return false;
	ret = rte_eth_dev_rx_intr_enable(port->id, 0);
	if (ret != 0)
		return false;
	/* mlx5 returns -EAGAIN when no event came while it was enabled */
	ret = rte_eth_dev_rx_intr_disable(port->id, 0);
	if (ret != 0 && ret != -EAGAIN)
		return false;
	return rte_eth_dev_rx_intr_ctl_q_get_fd(port->id, 0) >= 0;
}

void
port_probe_running(struct port *port)
{
	struct port_caps *caps = &port->caps;
	uint32_t stride = 0, strides = 0, level;

	if (!port->queues->probed) {
		/* these are questions: that a PMD calls the answer an error is not for the user */
		level = rte_log_get_global_level();
		if (log_level_now < LOG_LEVEL_DEBUG)
			rte_log_set_global_level(RTE_LOG_CRIT);
		/* mlx5 makes no rules one by one where it has queues for them */
		caps->flow_mark = caps->flow_queue > 0 ||
				(port_may_use_rules() && try_rule(port, true, false) == 0);
		caps->flow = caps->flow_mark ||
				(port_may_use_rules() && try_rule(port, false, false) == 0);
		caps->rx_interrupt = try_interrupt(port);
		rte_log_set_global_level(level);
		port->queues->probed = true;
		if (conf()->steering == CONF_STEERING_RULES && !caps->flow)
			LOG_WARNING("port %s: no DPVMA_STEERING=rules here, as it took no rule for "
				    "a UDP 5-tuple; software hands packets to their ring: give "
				    "DPVMA_STEERING=auto",
					port->name);
	}
	caps->striding = port->driver->striding != NULL &&
			port->driver->striding(port, &stride, &strides);
	caps->stride = caps->striding ? stride : 0;
	caps->strides = caps->striding ? strides : 0;
}

/* One queue on a pool of its own, which stays until the queue gets another. */
static int
trial_queue(struct port *port)
{
	struct port_queues *qs = port->queues;
	struct port_queue_conf want = { .tx_desc = TRIAL_DESC };
	uint32_t desc = 0;
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t room, posted;

	if (port->driver->striding_desc != NULL)
		desc = port->driver->striding_desc(port);
	desc = RTE_MAX(desc, (uint32_t)TRIAL_DESC);
	want.rx_desc = (uint16_t)RTE_MIN(desc, (uint32_t)UINT16_MAX);
	port_desc(port, &want, &qs->q[0].rx_desc, &qs->q[0].tx_desc);
	posted = (uint32_t)qs->q[0].rx_desc * qs->behind;
	room = RTE_MAX((uint32_t)port->mtu + 64, 2048u) + RTE_PKTMBUF_HEADROOM;
	snprintf(name, sizeof(name), "dpvma_trial_%u", port->id);
	/* a program that started EAL itself may come here a second time */
	qs->trial_pool = rte_mempool_lookup(name);
	if (qs->trial_pool != NULL && qs->trial_pool->size < posted + 64)
		return -EEXIST;
	if (qs->trial_pool == NULL)
		qs->trial_pool = rte_pktmbuf_pool_create(name, posted + 64, 0, 0,
				(uint16_t)RTE_MIN(room, (uint32_t)UINT16_MAX), port->socket_id);
	if (qs->trial_pool == NULL)
		return -rte_errno;
	qs->q[0].pool = qs->trial_pool;
	qs->n = 1;
	qs->lro = port_may_lro(port);
	return 0;
}

void
port_probe_trial(struct port *port)
{
	struct port_queues *qs = port->queues;
	const struct rte_eth_conf plain = { .rxmode = { .mtu = port->mtu } };
	int ret;

	if (port->driver->stop_is_final)
		return;
	/* rules cannot be tried before it runs, but PMDs that know none say so now */
	if (port->driver->striding == NULL) {
		ret = rte_eth_dev_configure(port->id, 1, 1, &plain);
		if (ret != 0 || !port_may_use_rules() || try_rule(port, false, true) == -ENOSYS)
			return;
	}
	ret = trial_queue(port);
	if (ret == 0)
		ret = port_start(port);
	if (ret == 0) {
		port_probe_running(port);
		port_stop(port);
	} else if (ret == -EBUSY) {
		/* said when a queue is asked for */
		LOG_DEBUG("port %s: started by the program itself", port->name);
	} else if (ret == -ENOMEM) {
		LOG_WARNING("port %s: no memory to start it with one queue of %u descriptors and "
			    "see what it can do; it is taken as one that does not steer: give EAL "
			    "more memory (-m, huge pages)%s",
				port->name, qs->q[0].rx_desc,
				port->driver->striding != NULL ? " or lower DPVMA_MPRQ_STRIDES"
							       : "");
	} else {
		LOG_WARNING("port %s: its driver %s refuses to start it with one queue of %u "
			    "descriptors (%s), so what it can do is not known and it is taken as "
			    "one that does not steer: see what the driver says "
			    "(DPVMA_EAL_ARGS=--log-level=pmd:debug), or leave the port out of "
			    "DPVMA_PORTS",
				port->name, port->queues->info.driver_name, qs->q[0].rx_desc,
				rte_strerror(-ret));
	}
	/* whether the first ring gets it, is another question */
	qs->lro = port->caps.lro = false;
	qs->n = 0;
}
