/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports with a network device of the kernel, in a namespace of this process: af_packet, which sees
 * copies and cannot be started twice, and tap, of which the kernel is the other end.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kern/kern.h"
#include "port_test.h"

#define SKIP 77

static unsigned int downs;
static struct port *veth, *tap;
static struct rte_mempool *pool;

static void
on_restart(struct port *port, bool up, void *ctx)
{
	(void)port;
	(void)ctx;
	downs += !up;
}

static void
sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static struct ip_addr
ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void
device_mac(const char *name, struct rte_ether_addr *mac)
{
	struct ifreq req = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &req), 0);
	memcpy(mac, req.ifr_hwaddr.sa_data, sizeof(*mac));
	close(fd);
}

static int
setup(void **state)
{
	(void)state;
	test_conf("VMA_RX_WRE=256", NULL);
	if (ports_init() != 2)
		return -1;
	veth = port_by_name("net_af_packet0");
	tap = port_by_name("net_tap0");
	pool = test_pool("netdev", 4095);
	return port_on_restart(on_restart, &downs);
}

static int
teardown(void **state)
{
	(void)state;
	port_off(&downs);
	ports_fini();
	return 0;
}

static void
test_roles(void **state)
{
	struct rte_ether_addr mac;
	struct ip_addr a = ip("192.0.2.1");

	(void)state;
	assert_int_equal(veth->kernel, KERNEL_COPIES);
	assert_string_equal(veth->netdev, "d0");
	assert_int_equal(veth->mtu, 1400);
	assert_ptr_equal(port_by_addr(&a), veth);
	assert_int_equal(veth->addrs[0].ifindex, if_nametoindex("d0"));
	device_mac("d0", &mac);
	assert_true(rte_is_same_ether_addr(&mac, &veth->mac));

	/* two ends of one wire have two MACs, and the kernel's addresses are not ours */
	assert_int_equal(tap->kernel, KERNEL_PEER);
	assert_string_equal(tap->netdev, "dt0");
	device_mac("dt0", &mac);
	assert_false(rte_is_same_ether_addr(&mac, &tap->mac));
	assert_int_equal(tap->n_addrs, 0);
	assert_non_null(strstr(test_log, "DPVMA_PORTS='net_tap0=192.0.2.1/24'"));
	assert_null(strstr(test_log, "net_af_packet0"));
}

static void
test_follow(void **state)
{
	struct ip_addr more = ip("198.51.100.1"), theirs = ip("203.0.113.1");
	struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 9 } };
	uint32_t before = veth->generation;

	(void)state;
	sh("ip addr add 198.51.100.1/24 dev d0 && ip addr add 203.0.113.1/24 dev dt0 && "
	   "ip link set d0 address 02:00:00:00:00:09 mtu 1300");
	assert_true(kern_poll() > 0);
	assert_ptr_equal(port_by_addr(&more), veth);
	assert_null(port_by_addr(&theirs));
	assert_true(rte_is_same_ether_addr(&veth->mac, &mac));
	assert_false(rte_is_same_ether_addr(&tap->mac, &mac));
	assert_int_equal(veth->mtu, 1300);
	assert_true(veth->generation > before);
	sh("ip addr del 198.51.100.1/24 dev d0");
	assert_true(kern_poll() > 0);
	assert_null(port_by_addr(&more));
}

static void
test_vlan(void **state)
{
	struct ip_addr a = ip("198.51.100.7");

	(void)state;
	if (system("ip link add link d0 name d0.7 type vlan id 7 2>/dev/null") != 0)
		skip(); /* a kernel without VLANs */
	sh("ip addr add 198.51.100.7/24 dev d0.7");
	assert_true(kern_poll() > 0);
	assert_ptr_equal(port_by_addr(&a), veth);
	assert_int_equal(port_addr_find(veth, &a)->vlan_id, 7);
	assert_int_equal(port_addr_find(veth, &a)->ifindex, if_nametoindex("d0.7"));
	assert_ptr_equal(port_by_ifindex(if_nametoindex("d0.7")), veth);
	sh("ip link del d0.7");
	assert_true(kern_poll() > 0);
	assert_null(port_by_addr(&a));
}

/* What is sent on the other end arrives, also after requests that would restart another port. */
static void
test_packets(void **state)
{
	struct port_queue_conf want = { .pool = pool }, other = { .pool = test_pool("other", 511) };
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex("d1") };
	uint8_t frame[64] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5, 42 };
	uint64_t end = clock_ms() + 5000;
	struct rte_mbuf *m;
	bool found = false;
	int fd;

	(void)state;
	assert_int_equal(port_queue_get(veth, &want), 0);
	assert_true(veth->up);
	assert_int_equal(port_queue_get(veth, &other), -ENOSPC);
	port_queue_put(veth, 0);
	/* it cannot be given another pool without a restart, which would be its end */
	assert_int_equal(port_queue_get(veth, &other), -ENOSPC);
	assert_int_equal(port_queue_get(veth, &want), 0);
	assert_int_equal(port_queue_get(tap, &want), 0);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			sizeof(frame));
	close(fd);
	while (!found && clock_ms() < end) {
		if (rte_eth_rx_burst(veth->id, 0, &m, 1) == 0)
			continue;
		found = rte_pktmbuf_data_len(m) >= 15 && rte_pktmbuf_mtod(m, uint8_t *)[14] == 42;
		rte_pktmbuf_free(m);
	}
	assert_true(found);
}

static void
test_multicast(void **state)
{
	const struct rte_ether_addr group = { { 0x01, 0x00, 0x5e, 1, 2, 3 } };

	(void)state;
	sh("! ip -d link show d0 | grep -q 'promiscuity 1'");
	assert_int_equal(port_mc_add(veth, &group), 0);
	sh("ip -d link show d0 | grep -q 'promiscuity 1'");
	port_mc_del(veth, &group);
	sh("! ip -d link show d0 | grep -q 'promiscuity 1'");
}

/* The other end goes down, and comes back. */
static void
test_link(void **state)
{
	uint64_t end = clock_ms() + 5000;

	(void)state;
	sh("ip link set d1 down");
	/* the kernel tells of a lost carrier in its own time */
	while (veth->up && clock_ms() < end) {
		kern_poll();
		port_poll();
	}
	assert_false(veth->up);
	sh("ip link set d1 up");
	while (!veth->up && clock_ms() < end) {
		kern_poll();
		port_poll();
	}
	assert_true(veth->up);
}

static void
test_device_gone(void **state)
{
	(void)state;
	test_log[0] = '\0';
	sh("ip link del d0");
	assert_true(kern_poll() > 0);
	assert_int_equal(veth->n_addrs, 0);
	assert_int_equal(veth->ifindex, 0);
	assert_false(veth->up);
	assert_non_null(strstr(test_log, "d0 is gone"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_multicast),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_device_gone),
	};
	int ret;

	if (unshare(CLONE_NEWNET) != 0) {
		perror("a network namespace is not permitted");
		return SKIP;
	}
	if (system("ip link add d0 mtu 1400 type veth peer name d1 && ip link set d0 up && "
		   "ip link set d1 up && ip addr add 192.0.2.1/24 dev d0") != 0)
		return 1;
	test_eal("net_af_packet0,iface=d0", "net_tap0,iface=dt0", NULL);
	ret = cmocka_run_group_tests(tests, setup, teardown);
	test_eal_stop();
	return ret;
}
