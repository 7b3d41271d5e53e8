/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports found, named and given addresses by the configuration; what is wrong in it is said in one
 * line and nothing stays. Link changes reach those who asked for them.
 */
#include <errno.h>
#include <poll.h>

#include "port_test.h"

static unsigned int changes;

static void
on_change(struct port *port, void *ctx)
{
	(void)port;
	(void)ctx;
	changes++;
}

static struct ip_addr
ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static unsigned int
lines(const char *text)
{
	unsigned int n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void
test_find(void **state)
{
	struct port *null, *ring;

	(void)state;
	test_conf(NULL);
	assert_int_equal(ports_init(), 4);
	assert_int_equal(ports_init(), 4);
	assert_int_equal(port_count(), 4);
	assert_null(port_get(4));
	null = port_by_name("net_null0");
	ring = port_by_name("net_ring0");
	assert_non_null(null);
	assert_non_null(ring);
	assert_string_equal(null->driver->name, "net_null");
	assert_string_equal(ring->driver->name, "net_ring");
	assert_int_equal(ring->kernel, KERNEL_NONE);
	assert_true(ring->driver->handles_scatter);
	assert_null(port_by_name("net_null1"));
	assert_null(port_by_ifindex(0));
	assert_ptr_equal(port_get(ring->index), ring);
	assert_ptr_equal(port_by_ethdev(ring->id), ring);
	assert_null(port_by_ethdev(77));
	/* who has no address is told how to give one */
	assert_int_equal(lines(test_log), 4);
	assert_non_null(strstr(test_log, "DPVMA_PORTS='net_ring0=192.0.2.1/24'"));
	ports_fini();
}

static void
test_addresses(void **state)
{
	struct ip_addr a, b;
	struct port *port;

	(void)state;
	test_conf("DPVMA_PORTS=net_ring0=192.0.2.1/24,198.51.100.9/16,10.0.0.1/31,mtu=1400;"
		  "net_null0=192.0.2.2/32",
			NULL);
	/* only those that are named */
	assert_int_equal(ports_init(), 2);
	assert_string_equal(test_log, "");
	port = port_by_name("net_ring0");
	assert_int_equal(port->mtu, 1400);
	assert_int_equal(port->n_addrs, 3);
	a = ip("192.0.2.1");
	assert_ptr_equal(port_by_addr(&a), port);
	assert_true(ip_equal(&port_addr_find(port, &a)->addr, &a));
	a = ip("192.0.2.255");
	assert_null(port_by_addr(&a));
	assert_true(ip_equal(&port->addrs[0].broadcast, &a));
	a = ip("198.51.255.255");
	assert_true(ip_equal(&port->addrs[1].broadcast, &a));
	/* RFC 3021: a network of two has no broadcast */
	assert_true(ip_is_any(&port->addrs[2].broadcast));
	/* the source on the same network, else the first of the family */
	a = ip("198.51.7.7");
	b = ip("198.51.100.9");
	assert_true(ip_equal(&port_source(port, &a)->addr, &b));
	a = ip("203.0.113.1");
	b = ip("192.0.2.1");
	assert_true(ip_equal(&port_source(port, &a)->addr, &b));
	a = ip("2001:db8::1");
	assert_null(port_source(port, &a));
	assert_null(port_by_name("net_memif0"));
	ports_fini();
}

static void
test_unknown_port(void **state)
{
	(void)state;
	test_conf("DPVMA_PORTS=net_ring0=192.0.2.1/24;net_rnig0=192.0.2.2/24", NULL);
	assert_int_equal(ports_init(), -ENODEV);
	assert_int_equal(port_count(), 0);
	assert_int_equal(lines(test_log), 1);
	assert_non_null(strstr(test_log, "net_rnig0"));
	assert_non_null(strstr(test_log, "net_null0"));
	assert_non_null(strstr(test_log, "DPVMA_EAL_ARGS"));
}

static void
test_mtu(void **state)
{
	struct port *port;

	(void)state;
	/* memif's frames are 1518 bytes, whatever its max_mtu says */
	test_conf("DPVMA_PORTS=net_memif0=192.0.2.1/24,mtu=9000", NULL);
	assert_int_equal(ports_init(), 1);
	port = port_by_name("net_memif0");
	assert_int_equal(port->caps.max_mtu, 1500);
	assert_int_equal(port->mtu, 1500);
	assert_int_equal(lines(test_log), 1);
	assert_non_null(strstr(test_log, "9000"));
	assert_non_null(strstr(test_log, "1500 is used"));
	ports_fini();
	test_conf("DPVMA_PORTS=net_ring0=192.0.2.1/24", "VMA_MTU=4000", NULL);
	assert_int_equal(ports_init(), 1);
	assert_int_equal(port_by_name("net_ring0")->mtu, 4000);
	assert_string_equal(test_log, "");
	ports_fini();
}

/* A frame over one buffer needs SCATTER, which net_ring says it has. */
static void
test_scatter(void **state)
{
	struct rte_mempool *pool = test_pool("scatter", 1023);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;

	(void)state;
	test_conf("DPVMA_PORTS=net_ring0=192.0.2.1/24,mtu=4000", "VMA_RX_WRE=64", NULL);
	assert_int_equal(ports_init(), 1);
	port = port_by_name("net_ring0");
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_true(port->caps.rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER);
	assert_true(port->caps.tx_multi_seg);
	ports_fini();
	test_conf("DPVMA_PORTS=net_ring0=192.0.2.1/24", "VMA_RX_WRE=64", NULL);
	assert_int_equal(ports_init(), 1);
	port = port_by_name("net_ring0");
	assert_int_equal(port_queue_get(port, &want), 0);
	assert_false(port->caps.rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER);
	assert_false(port->ip_rx_checksum);
	assert_false(port->l4_rx_checksum);
	ports_fini();
}

/* The program has started the port itself: said, and left alone. */
static void
test_busy(void **state)
{
	struct rte_mempool *pool = test_pool("busy", 1023);
	struct port_queue_conf want = { .pool = pool };
	const struct rte_eth_conf plain = { 0 };
	struct port *port;
	uint16_t id;

	(void)state;
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	assert_int_equal(rte_eth_dev_configure(id, 1, 1, &plain), 0);
	assert_int_equal(rte_eth_rx_queue_setup(id, 0, 64, 0, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(id, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(id), 0);
	test_conf("DPVMA_PORTS=net_null0=192.0.2.1/24", NULL);
	assert_int_equal(ports_init(), 1);
	port = port_by_name("net_null0");
	assert_int_equal(port_queue_get(port, &want), -EBUSY);
	assert_int_equal(lines(test_log), 1);
	assert_non_null(strstr(test_log, "already started"));
	ports_fini();
	assert_int_equal(rte_eth_dev_stop(id), 0);
}

/* memif has link changes of its own: the client connects when both sides run. */
static void
test_link(void **state)
{
	struct rte_mempool *pool = test_pool("memif", 2047);
	struct port_queue_conf want = { .pool = pool };
	struct port *server, *client;
	struct pollfd event;
	unsigned int tries;

	(void)state;
	test_conf("DPVMA_PORTS=net_memif0=192.0.2.1/24;net_memif1=192.0.2.2/24", NULL);
	changes = 0;
	assert_int_equal(ports_init(), 2);
	assert_int_equal(port_on_change(on_change, &changes), 0);
	server = port_by_name("net_memif0");
	client = port_by_name("net_memif1");
	assert_int_equal(port_queue_get(server, &want), 0);
	port_poll();
	assert_false(server->up);
	assert_int_equal(port_queue_get(client, &want), 0);
	/* the two ends shake hands on EAL's interrupt thread */
	event = (struct pollfd){ .fd = port_event_fd(), .events = POLLIN };
	assert_true(event.fd >= 0);
	for (tries = 0; tries < 200 && !(server->up && client->up); tries++) {
		poll(&event, 1, 20);
		port_poll();
	}
	assert_true(server->up);
	assert_true(client->up);
	/* both may have come by one look */
	assert_true(changes >= 1);
	assert_true(server->generation >= 1);
	port_off(&changes);
	changes = 0;
	ports_fini();
	assert_int_equal(changes, 0);
	assert_int_equal(port_event_fd(), -1);
}

/* Unplugged while in use: everybody is told, and nothing is given out any more. Comes last. */
static void
test_removed(void **state)
{
	struct rte_mempool *pool = test_pool("removed", 1023);
	struct port_queue_conf want = { .pool = pool };
	struct port *port;

	(void)state;
	test_conf("DPVMA_PORTS=net_ring0=192.0.2.1/24", "VMA_RX_WRE=64", NULL);
	changes = 0;
	assert_int_equal(ports_init(), 1);
	assert_int_equal(port_on_change(on_change, &changes), 0);
	port = port_by_name("net_ring0");
	assert_int_equal(port_queue_get(port, &want), 0);
	port_poll();
	assert_true(port->up);
	test_event(port->id, RTE_ETH_EVENT_INTR_RMV);
	assert_true(port->up); /* nothing is done on the thread of the event */
	port_poll();
	assert_false(port->up);
	assert_false(port->started);
	assert_int_equal(changes, 1);
	assert_int_equal(port_queue_get(port, &want), -ENODEV);
	assert_int_equal(lines(test_log), 1);
	assert_non_null(strstr(test_log, "net_ring0 was removed"));
	port_off(&changes);
	ports_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_unknown_port),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_scatter),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_removed),
	};
	char socket[128], server[256], client[256];
	int ret;

	snprintf(socket, sizeof(socket), "/tmp/test_port-%d.sock", getpid());
	snprintf(server, sizeof(server), "net_memif0,role=server,id=0,socket-abstract=no,socket=%s",
			socket);
	snprintf(client, sizeof(client), "net_memif1,role=client,id=0,socket-abstract=no,socket=%s",
			socket);
	test_eal("net_null0", "net_ring0", server, client, NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	unlink(socket);
	return ret;
}
