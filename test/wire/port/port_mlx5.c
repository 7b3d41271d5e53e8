/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port that has everything: isolated mlx5 with striding queues, flow rules with a mark, receive
 * interrupts and a network device of the kernel. The wire brings datagrams to 10.99.0.2:5000.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "kern/kern.h"
#include "port/port.h"

#define STRIDE 2048
#define STRIDES 64
#define NAME "0000:03:00.0"
#define MARK 77

static struct port *port;
static struct rte_mempool *pool, *special_pool;
static struct rte_flow *rule;
static uint16_t rule_queue;
static unsigned int downs, ups, changes;
static char last_line[4096];

static void
on_line(int level, const char *line)
{
	if (level <= LOG_LEVEL_WARNING)
		snprintf(last_line, sizeof(last_line), "%s", line);
}

static void
on_change(struct port *p, void *ctx)
{
	(void)ctx;
	assert_ptr_equal(p, port);
	changes++;
}

static void
add_rule(void)
{
	const struct rte_flow_attr attr = { .ingress = 1 };
	const struct rte_flow_item_ipv4 ip = { .hdr.dst_addr = RTE_BE32(RTE_IPV4(10, 99, 0, 2)) };
	const struct rte_flow_item_ipv4 ip_mask = { .hdr.dst_addr = UINT32_MAX };
	const struct rte_flow_item_udp udp = { .hdr.dst_port = RTE_BE16(5000) };
	const struct rte_flow_item_udp udp_mask = { .hdr.dst_port = UINT16_MAX };
	const struct rte_flow_item pattern[] = {
		{ .type = RTE_FLOW_ITEM_TYPE_ETH },
		{ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip, .mask = &ip_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask },
		{ .type = RTE_FLOW_ITEM_TYPE_END },
	};
	const struct rte_flow_action_mark mark = { .id = MARK };
	const struct rte_flow_action_queue queue = { .index = rule_queue };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
		{ .type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error error = { 0 };

	rule = rte_flow_create(port->id, &attr, pattern, actions, &error);
	if (rule == NULL)
		fail_msg("rule: %s", error.message);
}

static void
del_rule(void)
{
	struct rte_flow_error error;

	if (rule != NULL)
		assert_int_equal(rte_flow_destroy(port->id, rule, &error), 0);
	rule = NULL;
}

/* As the room above does: rules go before a restart and come back after it. */
static void
on_restart(struct port *p, bool up, void *ctx)
{
	static bool had_rule;

	(void)ctx;
	assert_ptr_equal(p, port);
	if (!up) {
		downs++;
		had_rule = rule != NULL;
		del_rule();
	} else {
		ups++;
		if (had_rule && p->started)
			add_rule();
	}
}

/* Receive @p n packets of the rule, each with its mark; how many lay one stride after another. */
static unsigned int
receive(uint16_t queue, unsigned int n, const struct rte_mempool *from)
{
	struct rte_mbuf *pkts[32];
	uint64_t end = clock_ms() + 10000;
	unsigned int got = 0, steps = 0;
	uintptr_t last = 0;
	uint16_t i, k;

	while (got < n && clock_ms() < end) {
		k = rte_eth_rx_burst(port->id, queue, pkts, 32);
		for (i = 0; i < k; i++) {
			uintptr_t at = (uintptr_t)rte_pktmbuf_mtod(pkts[i], void *);

			assert_true((pkts[i]->ol_flags & RTE_MBUF_F_RX_FDIR_ID) != 0);
			assert_int_equal(pkts[i]->hash.fdir.hi, MARK);
			assert_ptr_equal(pkts[i]->pool, from);
			steps += at == last + STRIDE;
			last = at;
			rte_pktmbuf_free(pkts[i]);
		}
		got += k;
	}
	assert_true(got >= n);
	return steps;
}

static int
setup(void **state)
{
	cpu_set_t before, after;

	(void)state;
	log_set_callback(on_line);
	sched_getaffinity(0, sizeof(before), &before);
	conf_set("DPVMA_EAL_ARGS", "-a 03:00.0");
	conf_set("DPVMA_MPRQ_STRIDE", "2048");
	conf_set("DPVMA_MPRQ_STRIDES", "64");
	conf_set("VMA_MEM_ALLOC_TYPE", "0");
	conf_set("VMA_RX_BUFS", "65536");
	conf_set("VMA_TX_BUFS", "4096");
	conf_set("VMA_RX_WRE", "1000");
	if (port_eal_start(NULL) != 0)
		return -1;
	sched_getaffinity(0, sizeof(after), &after);
	if (!CPU_EQUAL(&before, &after) || rte_lcore_id() != LCORE_ID_ANY)
		return -1;
	if (ports_init() != 1)
		return -1;
	port = port_get(0);
	pool = rte_pktmbuf_pool_create("ordinary", 49151, 0, 0, 2048 + 128, 0);
	special_pool = rte_pktmbuf_pool_create("special", 8191, 0, 0, 2048 + 128, 0);
	if (pool == NULL || special_pool == NULL)
		return -1;
	return port_on_restart(on_restart, &downs) | port_on_change(on_change, &downs);
}

static int
teardown(void **state)
{
	(void)state;
	port_off(&downs);
	ports_fini();
	port_eal_stop();
	return 0;
}

/* All of this is known before a queue is asked for. */
static void
test_caps(void **state)
{
	(void)state;
	assert_string_equal(port->name, NAME);
	assert_string_equal(port->driver->name, "mlx5_pci");
	assert_int_equal(port->kernel, KERNEL_RESTS);
	assert_false(port->started);
	assert_true(port->caps.isolated);
	assert_true(port->caps.flow);
	assert_true(port->caps.flow_mark);
	assert_true(port->caps.rx_interrupt);
	assert_true(port->caps.striding);
	assert_int_equal(port->caps.stride, STRIDE);
	assert_int_equal(port->caps.strides, STRIDES);
	assert_true(port->ip_rx_checksum);
	assert_true(port->l4_rx_checksum);
	assert_ptr_equal(port_by_name("03:00.0"), port);
	assert_string_equal(last_line, "");
}

static void
test_netdev(void **state)
{
	struct ip_addr a;

	(void)state;
	assert_string_equal(port->netdev, "cx0");
	assert_ptr_equal(port_by_name("cx0"), port);
	assert_ptr_equal(port_by_ifindex(if_nametoindex("cx0")), port);
	assert_int_equal(port->mtu, 1500);
	ip_parse("10.99.0.2", &a);
	assert_null(port_by_addr(&a));
	changes = 0;
	assert_int_equal(system("ip link set cx0 up && ip addr add 10.99.0.2/24 dev cx0"), 0);
	assert_true(kern_poll() > 0);
	assert_ptr_equal(port_by_addr(&a), port);
	assert_int_equal(port->addrs[0].prefix, 24);
	assert_int_equal(port->addrs[0].ifindex, port->ifindex);
	assert_true(changes >= 1);
	assert_int_equal(system("ip addr add 10.98.0.2/24 dev cx0 && ip addr del 10.98.0.2/24 dev "
				"cx0 "
				"&& ip link set cx0 mtu 1400"),
			0);
	assert_true(kern_poll() > 0);
	assert_int_equal(port->n_addrs, 1);
	assert_int_equal(port->mtu, 1400);
	assert_int_equal(system("ip link set cx0 mtu 1500"), 0);
	kern_poll();
	assert_int_equal(port->mtu, 1500);
}

/* Four to begin with; each can be taken without a restart. */
static void
test_queues(void **state)
{
	struct port_queue_conf want = { .pool = pool, .lro = true };
	struct rte_eth_rxq_info info;
	unsigned int i;

	(void)state;
	assert_false(port->caps.lro);
	for (i = 0; i < 4; i++) {
		assert_int_equal(port_queue_get(port, &want), i);
		/* the first is for TCP; those that come later change nothing */
		want.lro = false;
		assert_true(port->caps.lro);
	}
	assert_int_equal(port->n_queues, 4);
	assert_int_equal(downs, 0);
	assert_true(port->up);
	/* a power of two, and more than a buffer has strides */
	assert_int_equal(rte_eth_rx_queue_info_get(port->id, 0, &info), 0);
	assert_int_equal(info.nb_desc, 1024);
	assert_true(port->caps.striding);
	assert_int_equal(port->caps.tx_tso, conf()->tso);
	assert_int_equal((port->caps.tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0, conf()->tso);
}

static void
test_packets(void **state)
{
	(void)state;
	rule_queue = 2;
	add_rule();
	/* nearly all: a buffer of 64 ends now and then */
	assert_true(receive(2, 4000, pool) > 4000 * 8 / 10);
}

static void
test_interrupt(void **state)
{
	struct rte_mbuf *pkts[32];
	struct pollfd p = { .fd = port_rx_fd(port, 2), .events = POLLIN };
	uint64_t end = clock_ms() + 5000;
	uint16_t n;

	(void)state;
	assert_true(p.fd >= 0);
	assert_int_not_equal(p.fd, port_rx_fd(port, 1));
	/* silence, then the rule again */
	del_rule();
	do {
		n = rte_eth_rx_burst(port->id, 2, pkts, 32);
		rte_pktmbuf_free_bulk(pkts, n);
	} while (n != 0 && clock_ms() < end);
	assert_int_equal(rte_eth_dev_rx_intr_enable(port->id, 2), 0);
	assert_int_equal(poll(&p, 1, 50), 0);
	add_rule();
	assert_int_equal(poll(&p, 1, 5000), 1);
	rte_eth_dev_rx_intr_disable(port->id, 2);
	receive(2, 100, pool);
}

/* A fifth queue is a restart: the ids stay, the rules come back, packets go on. */
static void
test_restart(void **state)
{
	struct port_queue_conf special = {
		.pool = special_pool, .striding = true, .min_strides = 1500
	};
	struct rte_eth_rxq_info info;

	(void)state;
	downs = ups = 0;
	assert_int_equal(port_queue_get(port, &special), 4);
	assert_int_equal(downs, 1);
	assert_int_equal(ups, 1);
	assert_true(port->n_queues > 5);
	assert_true(port->caps.striding);
	/* a cyclic ring takes LRO away */
	assert_false(port->caps.lro);
	assert_int_equal(rte_eth_rx_queue_info_get(port->id, 4, &info), 0);
	assert_int_equal(info.nb_desc, 2048);
	receive(2, 1000, pool);
	/* the next is one of the spares that came with it */
	assert_int_equal(port_queue_get(port, &(struct port_queue_conf){ .pool = pool }), 5);
	assert_int_equal(downs, 1);
	/* given back and taken again: nothing of what came before is in it */
	del_rule();
	rule_queue = 4;
	add_rule();
	receive(4, 100, special_pool);
	del_rule();
	port_queue_put(port, 4);
	assert_true(port_pool_used(special_pool));
	assert_int_equal(port_queue_get(port, &special), 4);
	assert_int_equal(downs, 1);
	assert_int_equal(rte_eth_rx_burst(port->id, 4, &(struct rte_mbuf *){ NULL }, 1), 0);
}

/* More strides than there is memory for: one line, and the port goes on as it was. */
static void
test_no_memory(void **state)
{
	struct rte_mempool *tiny = rte_pktmbuf_pool_create("tiny", 511, 0, 0, 2048 + 128, 0);
	struct port_queue_conf special = { .pool = tiny, .striding = true, .min_strides = 16000 };

	(void)state;
	assert_non_null(tiny);
	rule_queue = 2;
	add_rule();
	downs = ups = 0;
	last_line[0] = '\0';
	assert_int_equal(port_queue_get(port, &special), -ENOMEM);
	assert_int_equal(ups, downs);
	assert_non_null(strstr(last_line, "VMA_RX_WRE"));
	assert_true(port->started);
	assert_false(port_pool_used(tiny));
	rte_mempool_free(tiny);
	receive(2, 1000, pool);
	del_rule();
}

static void
test_multicast(void **state)
{
	const struct rte_ether_addr group = { { 0x01, 0x00, 0x5e, 1, 2, 3 } };

	(void)state;
	/* isolated: rules take it, the kernel's membership opens the NIC; nothing is changed here
	 */
	assert_int_equal(port_mc_add(port, &group), 0);
	assert_int_equal(rte_eth_promiscuous_get(port->id), 0);
	assert_int_equal(rte_eth_allmulticast_get(port->id), 0);
	port_mc_del(port, &group);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_netdev),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_multicast),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
