/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues of ports without flow rules: how many there are, who gets which, restarts that keep ids,
 * and packets that arrive after all of that. net_null cannot set a queue up while it runs, so
 * everything that does not fit a spare queue is a restart there.
 */
#include <errno.h>

#include "port_test.h"

/* A PMD that wants a buffer for every descriptor at once, and one of which nothing is known. */
static bool greedy, may_steer;
static int refusal;

int __real_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *mp);
int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *mp);
int __real_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
		const struct rte_flow_item *pattern, const struct rte_flow_action *actions,
		struct rte_flow_error *error);
int __wrap_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
		const struct rte_flow_item *pattern, const struct rte_flow_action *actions,
		struct rte_flow_error *error);

int
__wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t desc, unsigned int socket,
		const struct rte_eth_rxconf *conf, struct rte_mempool *mp)
{
	if (refusal != 0)
		return refusal;
	if (greedy && (queue + 1u) * desc > mp->size)
		return -ENOMEM;
	return __real_rte_eth_rx_queue_setup(port, queue, desc, socket, conf, mp);
}

int
__wrap_rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
		const struct rte_flow_item *pattern, const struct rte_flow_action *actions,
		struct rte_flow_error *error)
{
	if (may_steer)
		return 0;
	return __real_rte_flow_validate(port, attr, pattern, actions, error);
}

static unsigned int downs, ups;
static bool started_when_up;

static void
on_restart(struct port *port, bool up, void *ctx)
{
	(void)ctx;
	if (up) {
		ups++;
		started_when_up = port->started;
	} else {
		downs++;
	}
}

static struct port *
port_of(const char *name)
{
	struct port *port = port_by_name(name);

	assert_non_null(port);
	return port;
}

static void
init(void)
{
	downs = ups = 0;
	assert_true(ports_init() > 0);
	assert_int_equal(port_on_restart(on_restart, &downs), 0);
	assert_int_equal(port_on_restart(on_restart, &downs), 0);
	test_log[0] = '\0'; /* no address, which test_table.c looks at */
}

static void
fini(void)
{
	port_off(&downs);
	ports_fini();
	assert_int_equal(port_count(), 0);
}

/* Without DPVMA_QUEUES a port that does not steer has one pair, and a second ring shares. */
static void
test_one_queue(void **state)
{
	struct rte_mempool *pool = test_pool("one", 2047);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;
	uint16_t spare;

	(void)state;
	test_conf("VMA_RX_WRE=512", "VMA_TX_WRE=256", NULL);
	init();
	port = port_of("net_null0");
	assert_false(port->started);
	assert_int_equal(port_queue_get(port, &(struct port_queue_conf){ 0 }), -EINVAL);
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_true(port->started);
	assert_true(port->up);
	assert_int_equal(port->n_queues, 1);
	assert_false(port->caps.flow);
	assert_false(port->caps.rx_interrupt);
	assert_false(port->caps.striding);
	assert_int_equal(port_queue_get(port, &want), -ENOSPC);
	assert_int_equal(port_rx_fd(port, 0), -ENOTSUP);
	assert_int_equal(port_spares(port, &spare, 1), 0);
	assert_true(port_pool_used(pool));
	port_queue_put(port, 0);
	assert_int_equal(port_spares(port, &spare, 1), 1);
	assert_int_equal(port_queue_get(port, &want), 0);
	fini();
	assert_string_equal(test_log, "");
}

/* Asked for where there is none: said once. */
static void
test_no_lro(void **state)
{
	struct rte_mempool *pool = test_pool("lro", 2047);
	struct port_queue_conf want = { .pool = pool, .lro = true };
	struct port *port;

	(void)state;
	test_conf("VMA_RX_WRE=512", "VMA_TX_WRE=256", "DPVMA_QUEUES=2", "DPVMA_LRO=on", NULL);
	init();
	port = port_of("net_null0");
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_int_equal(port_queue_get(port, &want), 1);
	assert_false(port->caps.lro);
	assert_string_equal(test_log,
			"dpvma warning: port net_null0 has no large receive offload: "
			"DPVMA_LRO=on does nothing there\n");
	fini();
}

/* DPVMA_QUEUES is how many there are and how many are given; ids last over a restart. */
static void
test_restart(void **state)
{
	struct rte_mempool *pool = test_pool("many", 4095), *other = test_pool("other", 1023);
	struct port_queue_conf want = { .pool = pool }, special = { .pool = other, .rx_desc = 128 };
	uint16_t spares[8];
	struct port *port;

	(void)state;
	test_conf("VMA_RX_WRE=256", "DPVMA_QUEUES=4", NULL);
	init();
	port = port_of("net_null0");
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_int_equal(port->n_queues, 4);
	assert_int_equal(port_spares(port, spares, 8), 3);
	assert_int_equal(spares[0], 1);
	assert_int_equal(downs, 0);
	assert_int_equal(port_queue_get(port, &want), 1);
	assert_int_equal(ups, 1); /* its poller had to know */
	downs = ups = 0;
	/* no spare fits: a restart, in which 0 and 1 stay what they are */
	assert_int_equal(port_queue_get(port, &special), 2);
	assert_int_equal(downs, 1);
	assert_int_equal(ups, 1);
	assert_true(started_when_up);
	assert_true(port->started);
	assert_int_equal(port_queue_get(port, &want), 3);
	assert_int_equal(port_queue_get(port, &want), -ENOSPC);
	assert_int_equal(port_spares(port, spares, 8), 0);
	/* given back, the special pair waits for one that asks alike */
	downs = ups = 0;
	port_queue_put(port, 2);
	assert_true(port_pool_used(other));
	assert_int_equal(port_spares(port, spares, 8), 1);
	assert_int_equal(port_queue_get(port, &special), 2);
	assert_int_equal(downs, 2);
	port_queue_put(port, 2);
	port_queue_put(port, 2); /* twice is once */
	assert_int_equal(port_queue_get(port, &want), 2);
	assert_false(port_pool_used(other));
	fini();
	assert_string_equal(test_log, "");
}

/* A special request that comes first is queue 0. */
static void
test_special_first(void **state)
{
	struct rte_mempool *pool = test_pool("first", 1023);
	struct port_queue_conf special = { .pool = pool, .striding = true, .min_strides = 400 };
	struct port *port;

	(void)state;
	test_conf("VMA_RX_WRE=64", NULL);
	init();
	port = port_of("net_null0");
	assert_int_equal(port_queue_get(port, &special), 0);
	assert_int_equal(port->n_queues, 1);
	assert_int_equal(port_queue_get(port, &special), -ENOSPC);
	fini();
}

/* net_ring: what is sent on queue i arrives at queue i, before and after a restart. */
static void
test_packets(void **state)
{
	struct rte_mempool *pool = test_pool("ring", 4095), *other = test_pool("ring2", 1023);
	struct port_queue_conf want = { .pool = pool }, special = { .pool = other };
	struct rte_mbuf *m, *got[4];
	unsigned int round;
	struct port *port;
	int q;

	(void)state;
	test_conf("VMA_RX_WRE=256", "DPVMA_QUEUES=2", NULL);
	init();
	port = port_of("net_ring0");
	assert_int_equal(port_queue_get(port, &want), 0);
	for (round = 0; round < 2; round++) {
		for (q = 0; q < 2; q++) {
			m = rte_pktmbuf_alloc(pool);
			rte_pktmbuf_append(m, 60);
			assert_int_equal(rte_eth_tx_burst(port->id, (uint16_t)q, &m, 1), 1);
			assert_int_equal(rte_eth_rx_burst(port->id, (uint16_t)q, got, 4), 1);
			assert_ptr_equal(got[0], m);
			rte_pktmbuf_free(m);
		}
		if (round == 0)
			assert_int_equal(port_queue_get(port, &special), 1);
	}
	fini();
}

/* Too few buffers shorten a default queue, and nothing else. */
static void
test_shrinks(void **state)
{
	struct rte_mempool *pool = test_pool("small", 1023);
	struct port_queue_conf want = { .pool = pool };
	struct rte_eth_rxq_info info;
	struct port *port;

	(void)state;
	test_conf(NULL);
	init();
	port = port_of("net_null0");
	assert_int_equal(port_queue_get(port, &want), 0);
	if (rte_eth_rx_queue_info_get(port->id, 0, &info) == 0)
		assert_true(info.nb_desc <= 512);
	fini();
}

/* Too few buffers for what was asked: one line with the numbers that would do, and they do. */
static void
test_too_few(void **state)
{
	struct rte_mempool *pool = test_pool("few", 1023), *enough = test_pool("enough", 2112);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;

	(void)state;
	greedy = true;
	test_conf("VMA_RX_WRE=512", "DPVMA_QUEUES=4", NULL);
	init();
	port = port_of("net_null0");
	assert_int_equal(port_queue_get(port, &want), -ENOMEM);
	assert_ptr_equal(strchr(test_log, '\n'), test_log + strlen(test_log) - 1);
	/* 4 queues of 512, and a burst of 64 */
	assert_non_null(strstr(test_log, "need 2112 buffers and the pool has 1023"));
	assert_non_null(strstr(test_log, "VMA_RX_BUFS=2112 "));
	assert_non_null(strstr(test_log, "VMA_RX_WRE=128\n"));
	want.pool = enough;
	assert_int_equal(port_queue_get(port, &want), 0);
	fini();
	test_conf("VMA_RX_WRE=128", "DPVMA_QUEUES=4", NULL);
	init();
	want.pool = pool;
	assert_int_equal(port_queue_get(port_of("net_null0"), &want), 0);
	fini();
	assert_string_equal(test_log, "");
	/* enough of them: then it is not the pool's number that has to change */
	greedy = false;
	test_conf("VMA_RX_WRE=128", "DPVMA_QUEUES=4", NULL);
	init();
	refusal = -ENOMEM;
	assert_int_equal(port_queue_get(port_of("net_null0"), &want), -ENOMEM);
	assert_null(strstr(test_log, "VMA_RX_BUFS"));
	assert_non_null(strstr(test_log, "VMA_RX_WRE=128"));
	assert_non_null(strstr(test_log, "huge pages"));
	/* whoever has another pool to offer hears nothing */
	test_log[0] = '\0';
	want.tentative = true;
	assert_int_equal(port_queue_get(port_of("net_null0"), &want), -ENOMEM);
	assert_string_equal(test_log, "");
	refusal = 0;
	fini();
}

/* A trial start that fails: the port is there, and one line says why it steers nothing. */
static void
test_trial(void **state)
{
	(void)state;
	may_steer = true;
	test_conf(NULL);
	refusal = -ENOMEM;
	assert_true(ports_init() > 0);
	assert_non_null(strstr(test_log, "net_null0: no memory"));
	assert_non_null(strstr(test_log, "huge pages"));
	fini();
	test_conf(NULL);
	refusal = -EINVAL;
	assert_true(ports_init() > 0);
	assert_non_null(strstr(test_log, "net_null0: its driver net_null refuses"));
	assert_non_null(strstr(test_log, "leave the port out of DPVMA_PORTS"));
	refusal = 0;
	may_steer = false;
	fini();
}

static void
test_multicast(void **state)
{
	const struct rte_ether_addr group = { { 0x01, 0x00, 0x5e, 1, 2, 3 } };
	const struct rte_ether_addr unicast = { { 0x02, 0x00, 0x5e, 1, 2, 3 } };
	struct rte_mempool *pool = test_pool("mc", 1023);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;
	uint16_t id;

	(void)state;
	test_conf("VMA_RX_WRE=64", NULL);
	init();
	port = port_of("net_ring0");
	id = port->id;
	assert_int_equal(port_mc_add(port, &unicast), -EINVAL);
	/* before the port runs too: it is done at its start */
	assert_int_equal(port_mc_add(port, &group), 0);
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_int_equal(rte_eth_allmulticast_get(id) | rte_eth_promiscuous_get(id), 1);
	assert_int_equal(port_mc_add(port, &group), 0);
	port_mc_del(port, &group);
	assert_int_equal(rte_eth_allmulticast_get(id) | rte_eth_promiscuous_get(id), 1);
	port_mc_del(port, &group);
	port_mc_del(port, &group);
	/* net_ring lets everything in by itself: that is not ours to end */
	assert_int_equal(rte_eth_allmulticast_get(id) | rte_eth_promiscuous_get(id), 1);
	fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_queue),
		cmocka_unit_test(test_no_lro),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_special_first),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_too_few),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_multicast),
	};
	int ret;

	test_eal("net_null0", "net_ring0", NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
