/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bond is one port: its slaves are none, whoever names one is told of the bond, the kernel's bond
 * over the slaves' devices is its network device, and that another slave carries it now is a
 * change.
 */
#include <errno.h>

#include <rte_dev.h>

#include "fake_kern.h"

#define DEVICE 5 /* of the first slave, the next has the next */
#define MASTER 8

/* Slaves with network devices of the kernel, as those of mlx5 have. */
static bool with_devices;
int __real_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
char *__real_if_indextoname(unsigned int ifindex, char *name);
char *__wrap_if_indextoname(unsigned int ifindex, char *name);
int __real_rte_flow_isolate(uint16_t id, int set, struct rte_flow_error *error);
int __wrap_rte_flow_isolate(uint16_t id, int set, struct rte_flow_error *error);

int
__wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int ret = __real_rte_eth_dev_info_get(id, info);

	if (ret == 0 && with_devices && strcmp(info->driver_name, "net_null") == 0)
		info->if_index = DEVICE + id;
	return ret;
}

char *
__wrap_if_indextoname(unsigned int ifindex, char *name)
{
	return ifindex == MASTER ? strcpy(name, "bond0") : __real_if_indextoname(ifindex, name);
}

/* The slaves of these tests cannot be; what the PMD does with those that can is its own. */
int
__wrap_rte_flow_isolate(uint16_t id, int set, struct rte_flow_error *error)
{
	(void)id;
	(void)set;
	memset(error, 0, sizeof(*error));
	return 0;
}

static unsigned int changes;

static void
on_change(struct port *port, void *ctx)
{
	(void)port;
	(void)ctx;
	changes++;
}

static unsigned int
lines(void)
{
	unsigned int n = 0;
	const char *at;

	for (at = test_log; *at != '\0'; at++)
		n += *at == '\n';
	return n;
}

static void
test_slaves(void **state)
{
	struct rte_ether_addr mac;
	struct port *bond;
	uint16_t slave;

	(void)state;
	test_conf(NULL);
	assert_int_equal(ports_init(), 3);
	bond = port_by_name("net_bonding0");
	assert_non_null(bond);
	assert_string_equal(bond->driver->name, "net_bonding");
	assert_int_equal(bond->kernel, KERNEL_NONE);
	assert_false(bond->needs_bursts);
	assert_non_null(port_by_name("net_null4"));
	assert_null(port_by_name("net_null0"));
	assert_null(port_by_name("net_null1"));
	/* the first slave's address is the bond's */
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &slave), 0);
	assert_int_equal(rte_eth_macaddr_get(slave, &mac), 0);
	assert_true(rte_is_same_ether_addr(&mac, &bond->mac));
	/* LACP has to be kept alive */
	assert_true(port_by_name("net_bonding1")->needs_bursts);
	ports_fini();
	/* nothing is gathered twice */
	assert_int_equal(ports_init(), 3);
	ports_fini();
}

static void
test_named(void **state)
{
	(void)state;
	test_conf("DPVMA_PORTS=net_bonding0=192.0.2.1/24,198.51.100.1/24@7", NULL);
	assert_int_equal(ports_init(), 1);
	assert_string_equal(test_log, "");
	assert_int_equal(port_get(0)->addrs[0].vlan_id, 0);
	assert_int_equal(port_get(0)->addrs[1].vlan_id, 7);
	assert_int_equal(port_get(0)->addrs[1].ifindex, 0);
	ports_fini();
	test_conf("DPVMA_PORTS=net_null1=192.0.2.1/24", NULL);
	assert_int_equal(ports_init(), -EINVAL);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "net_null1"));
	assert_non_null(strstr(test_log, "slave of net_bonding0"));
	assert_int_equal(port_count(), 0);
}

static void
test_wrong(void **state)
{
	(void)state;
	test_conf(NULL);
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_bonding9", "mode=1,slave=net_null99"), 0);
	assert_true(ports_init() < 0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(test_log, "net_bonding9"));
	assert_non_null(strstr(test_log, "slave="));
	rte_eal_hotplug_remove("vdev", "net_bonding9");
}

/* The PMD looks at links of slaves without events every 10 ms, on a thread of its own. */
static bool
becomes(const bool *up, unsigned int want)
{
	uint64_t until = clock_ms() + 5000;

	while (*up == false || changes != want) {
		if (clock_ms() > until)
			return false;
		usleep(1000);
		port_poll();
	}
	return true;
}

/* The slave that carried the bond goes down: another does, and switches must learn it, once. */
static void
test_moved(void **state)
{
	struct rte_mempool *pool = test_pool("moved", 4096);
	const struct port_queue_conf conf = { .pool = pool };
	struct rte_mbuf *pkts[8];
	struct port *bond;
	uint16_t slave, n;

	(void)state;
	test_conf("DPVMA_PORTS=net_bonding0=192.0.2.1/24", NULL);
	assert_int_equal(ports_init(), 1);
	bond = port_get(0);
	assert_int_equal(port_queue_get(bond, &conf), 0);
	assert_false(bond->caps.flow);
	assert_false(bond->caps.rx_interrupt);
	changes = 0;
	assert_true(becomes(&bond->up, 0));
	n = rte_eth_rx_burst(bond->id, 0, pkts, RTE_DIM(pkts));
	assert_int_equal(n, RTE_DIM(pkts));
	rte_pktmbuf_free_bulk(pkts, n);
	port_poll(); /* who carries it now */
	assert_int_equal(port_on_change(on_change, &changes), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &slave), 0);
	/* news of a link that is as it was */
	test_event(slave, RTE_ETH_EVENT_INTR_LSC);
	port_poll();
	assert_int_equal(changes, 0);
	assert_int_equal(rte_eth_dev_stop(slave), 0);
	assert_true(becomes(&bond->up, 1));
	test_event(slave, RTE_ETH_EVENT_INTR_LSC);
	port_poll();
	assert_int_equal(changes, 1);
	assert_true(bond->up);
	port_off(&changes);
	port_queue_put(bond, 0);
	ports_fini();
	rte_mempool_free(pool);
}

static struct port *
beside_kernel(uint32_t second_master, bool is_bond)
{
	memset(fake_links, 0, sizeof(fake_links));
	fake_links[0] = (struct kern_link){ .ifindex = DEVICE, .mtu = 1500, .master = MASTER };
	fake_links[1] = (struct kern_link){
		.ifindex = DEVICE + 1, .mtu = 1500, .master = second_master
	};
	fake_links[2] = (struct kern_link){ .ifindex = MASTER, .mtu = 1400, .bond = is_bond };
	test_conf("DPVMA_PORTS=net_bonding0=192.0.2.1/24", NULL);
	assert_int_equal(ports_init(), 1);
	return port_get(0);
}

/* Its master's address, MTU and traffic, when that is a bond of all slaves and no bridge. */
static void
test_kernel(void **state)
{
	struct port *port;

	(void)state;
	with_devices = true;
	port = beside_kernel(MASTER, true);
	assert_int_equal(port->ifindex, MASTER);
	assert_string_equal(port->netdev, "bond0");
	assert_int_equal(port->kernel, KERNEL_RESTS);
	assert_true(port->caps.isolated);
	assert_int_equal(port->mtu, 1400);
	assert_int_equal(port->addrs[0].ifindex, MASTER);
	ports_fini();
	port = beside_kernel(MASTER, false);
	assert_int_equal(port->driver->netdev(port->id), 0);
	assert_int_equal(port->ifindex, 0);
	assert_int_equal(port->kernel, KERNEL_NONE);
	ports_fini();
	port = beside_kernel(0, true);
	assert_int_equal(port->driver->netdev(port->id), 0);
	ports_fini();
	with_devices = false;
	memset(fake_links, 0, sizeof(fake_links));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slaves),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_moved),
	};
	int ret;

	test_eal("net_null0", "net_null1", "net_null2", "net_null3", "net_null4",
			"net_bonding0,mode=1,slave=net_null0,slave=net_null1",
			"net_bonding1,mode=4,slave=net_null2,slave=net_null3", NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
