/* SPDX-License-Identifier: BSD-3-Clause */
/* The port under test: set-up, receiving, rules. */
#include "cxtest.h"

#define BURST 32

/* the key of Microsoft's RSS verification suite */
const uint8_t toeplitz_key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25,
	0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb,
	0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

struct rte_mempool *pool;
__thread uint16_t port_id;

void
port_start(const struct port_conf *pc)
{
	struct rte_eth_conf conf = {
		.rxmode.mq_mode = pc->rss ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE,
		.rxmode.offloads = pc->rx_offloads,
		.rxmode.max_lro_pkt_size = pc->lro_size,
		.txmode.offloads = pc->tx_offloads,
		.rx_adv_conf.rss_conf = {
			.rss_key = (uint8_t *)(uintptr_t)toeplitz_key,
			.rss_key_len = sizeof(toeplitz_key),
			.rss_hf = pc->rss,
		},
		.intr_conf.rxq = pc->intr,
		.intr_conf.lsc = pc->lsc,
		.intr_conf.rmv = pc->rmv,
	};
	struct rte_flow_error fe = { 0 };
	uint16_t q;
	int ret;

	CHECK(rte_eth_dev_is_valid_port(port_id), "the model's port is missing");
	if (pool == NULL)
		pool = rte_pktmbuf_pool_create("cxtest", 16383, 0, 0,
				pc->buffer ? pc->buffer : 2176, SOCKET_ID_ANY);
	CHECK(pool != NULL, "no mbuf pool");
	if (pc->isolated)
		CHECK(rte_flow_isolate(port_id, 1, &fe) == 0, "%s", fe.message);
	ret = rte_eth_dev_configure(port_id, pc->rxqs, 1, &conf);
	CHECK(ret == 0, "configure: %d", ret);
	for (q = 0; q < pc->rxqs; q++) {
		ret = rte_eth_rx_queue_setup(
				port_id, q, pc->rxd ? pc->rxd : 1024, SOCKET_ID_ANY, NULL, pool);
		CHECK(ret == 0, "rx queue %u: %d", q, ret);
	}
	ret = rte_eth_tx_queue_setup(port_id, 0, 1024, SOCKET_ID_ANY, NULL);
	CHECK(ret == 0, "tx queue: %d", ret);
	if (pc->before_start != NULL)
		pc->before_start();
	ret = rte_eth_dev_start(port_id);
	CHECK(ret == 0, "start: %d", ret);
	if (!pc->isolated)
		CHECK(rte_eth_promiscuous_enable(port_id) == 0, "promiscuous");
}

void
port_stop(void)
{
	CHECK(rte_eth_dev_stop(port_id) == 0, "stop");
	CHECK(rte_eth_dev_close(port_id) == 0, "close");
}

/* Frames of the kernel's own (neighbour discovery and the like) are not the test's. */
static bool
ours(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *next = (const uint8_t *)(eth + 1);
	uint16_t type = rte_be_to_cpu_16(eth->ether_type);

	if (type == RTE_ETHER_TYPE_VLAN) {
		type = next[2] << 8 | next[3];
		next += 4;
	}
	if (type == RTE_ETHER_TYPE_IPV4)
		return next[9] == IPPROTO_UDP || next[9] == IPPROTO_TCP;
	return type == RTE_ETHER_TYPE_IPV6 && (next[6] == IPPROTO_UDP || next[6] == IPPROTO_TCP);
}

/*
 * The vector paths of the PMD want bursts of four at least: what the caller did not ask for waits
 * here for the next call.
 */
static struct left {
	struct rte_mbuf *m[BURST];
	unsigned int at, n;
	uint16_t queue;
} left_of[RTE_MAX_ETHPORTS];

unsigned int
port_receive(struct rte_mbuf **m, uint16_t *queue, unsigned int n, unsigned int rxqs)
{
	uint64_t quiet = rte_get_timer_hz(), last = rte_get_timer_cycles();
	unsigned int got = 0;
	struct left *left = &left_of[port_id];
	uint16_t q = 0;

	while (got < n) {
		if (left->at == left->n) {
			left->queue = q;
			left->n = rte_eth_rx_burst(port_id, q, left->m, BURST);
			left->at = 0;
			q = (q + 1) % rxqs;
			if (left->n == 0 && rte_get_timer_cycles() - last > quiet)
				break;
			continue;
		}
		if (!ours(left->m[left->at])) {
			rte_pktmbuf_free(left->m[left->at++]);
			continue;
		}
		if (queue != NULL)
			queue[got] = left->queue;
		m[got++] = left->m[left->at++];
		last = rte_get_timer_cycles();
	}
	return got;
}

void
port_receive_all(struct rte_mbuf **m, unsigned int n)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	unsigned int got = 0;

	while (got < n) {
		got += port_receive(m + got, NULL, n - got, 1);
		CHECK(got == n || rte_get_timer_cycles() < end, "%u of %u frames came", got, n);
	}
}

struct rte_mbuf *
port_next(void)
{
	struct rte_mbuf *m;
	int i;

	for (i = 0; i < PATIENCE; i++)
		if (port_receive(&m, NULL, 1, 1) == 1)
			return m;
	return NULL;
}

struct rte_flow *
port_udp_rule(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint32_t priority,
		const struct rte_flow_action *actions)
{
	struct rte_flow_attr attr = { .ingress = 1, .priority = priority };
	struct rte_flow_item_ipv4 ip = { .hdr.src_addr = rte_cpu_to_be_32(src),
		.hdr.dst_addr = rte_cpu_to_be_32(dst) };
	struct rte_flow_item_ipv4 ip_mask = { .hdr.src_addr = src ? RTE_BE32(UINT32_MAX) : 0,
		.hdr.dst_addr = dst ? RTE_BE32(UINT32_MAX) : 0 };
	struct rte_flow_item_udp udp = { .hdr.src_port = rte_cpu_to_be_16(sport),
		.hdr.dst_port = rte_cpu_to_be_16(dport) };
	struct rte_flow_item_udp udp_mask = { .hdr.src_port = sport ? RTE_BE16(UINT16_MAX) : 0,
		.hdr.dst_port = dport ? RTE_BE16(UINT16_MAX) : 0 };
	struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip, .mask = &ip_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	struct rte_flow_error fe = { 0 };
	struct rte_flow *f = rte_flow_create(port_id, &attr, pattern, actions, &fe);

	CHECK(f != NULL, "rule: %s", fe.message);
	return f;
}

void
port_send(const void *frame, uint32_t len)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_mbuf *m = NULL, *s;
	uint32_t off, n;

	/* several buffers when they are small */
	for (off = 0; off < len; off += n) {
		s = rte_pktmbuf_alloc(pool);
		CHECK(s != NULL, "no mbuf");
		n = RTE_MIN(len - off, (uint32_t)rte_pktmbuf_tailroom(s));
		memcpy(rte_pktmbuf_mtod(s, void *), (const uint8_t *)frame + off, n);
		s->data_len = s->pkt_len = n;
		if (m == NULL)
			m = s;
		else
			CHECK(rte_pktmbuf_chain(m, s) == 0, "chain");
	}
	while (rte_eth_tx_burst(0, 0, &m, 1) == 0)
		CHECK(rte_get_timer_cycles() < end, "the send queue is full");
}

struct rte_mbuf *
port_wait(uint16_t *queue, unsigned int rxqs, const char *what)
{
	uint64_t end = rte_get_timer_cycles() + PATIENCE * rte_get_timer_hz();
	struct rte_mbuf *m;

	while (port_receive(&m, queue, 1, rxqs) == 0)
		CHECK(rte_get_timer_cycles() < end, "%s: no frame", what);
	return m;
}
