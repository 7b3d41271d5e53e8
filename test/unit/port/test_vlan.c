/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VLAN of the kernel on top of a port's network device: its addresses are the port's, with the
 * VLAN id. The kernel's side is played here, since not every kernel has VLANs.
 */
#include <errno.h>

#include "fake_kern.h"

#define DEVICE 5
#define VLAN 6

static const struct kern_link links[] = {
	{ .ifindex = DEVICE, .name = "d0", .mtu = 1500, .up = true },
	{ .ifindex = VLAN, .name = "d0.7", .mtu = 1500, .up = true, .lower = DEVICE, .vlan_id = 7 },
	{ .ifindex = 9, .name = "x0", .mtu = 1500, .up = true },
};

static struct port *port;

static void
init(const char *ports)
{
	memcpy(fake_links, links, sizeof(links));
	test_conf(ports, NULL);
	assert_int_equal(ports_init(), 1);
	port = port_get(0);
	/* as if the PMD had named a device */
	port->ifindex = DEVICE;
	port->kernel = KERNEL_COPIES;
	fake_links[0].mac = port->mac;
}

static void
tell_addr(uint32_t ifindex, const char *text, bool gone)
{
	struct kern_addr a = { .ifindex = ifindex, .prefix = 24 };

	assert_int_equal(ip_parse(text, &a.addr), 0);
	fake_events.addr(&a, gone, fake_events.ctx);
}

static const struct port_addr *
have(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return port_addr_find(port, &a);
}

static void
test_vlan(void **state)
{
	(void)state;
	init(NULL);
	tell_addr(DEVICE, "192.0.2.1", false);
	tell_addr(VLAN, "192.0.2.7", false);
	tell_addr(VLAN, "198.51.100.7", false);
	tell_addr(9, "203.0.113.1", false);
	assert_int_equal(port->n_addrs, 3);
	assert_int_equal(have("192.0.2.1")->vlan_id, 0);
	assert_int_equal(have("192.0.2.7")->vlan_id, 7);
	assert_int_equal(have("192.0.2.7")->ifindex, VLAN);
	assert_ptr_equal(port_by_ifindex(VLAN), port);
	assert_null(port_by_ifindex(9));
	/* told again is the same */
	tell_addr(VLAN, "192.0.2.7", false);
	assert_int_equal(port->n_addrs, 3);
	tell_addr(VLAN, "192.0.2.7", true);
	assert_null(have("192.0.2.7"));
	/* with the device go its addresses, not those of the port */
	fake_events.link(&fake_links[1], true, fake_events.ctx);
	assert_null(have("198.51.100.7"));
	assert_non_null(have("192.0.2.1"));
	assert_int_equal(port->ifindex, DEVICE);
	ports_fini();
	assert_null(fake_events.addr);
}

static void
test_many(void **state)
{
	char text[32];
	unsigned int i;

	(void)state;
	init(NULL);
	test_log[0] = '\0';
	for (i = 0; i < PORT_ADDRS_MAX + 2; i++) {
		snprintf(text, sizeof(text), "192.0.2.%u", i + 1);
		tell_addr(DEVICE, text, false);
	}
	assert_int_equal(port->n_addrs, PORT_ADDRS_MAX);
	assert_non_null(strstr(test_log, "192.0.2.33"));
	ports_fini();
}

/* Who gives addresses in the configuration wants those and no others. */
static void
test_configured(void **state)
{
	(void)state;
	init("DPVMA_PORTS=net_null0=198.51.100.9/24");
	tell_addr(DEVICE, "192.0.2.1", false);
	assert_int_equal(port->n_addrs, 1);
	assert_non_null(have("198.51.100.9"));
	ports_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_configured),
	};
	int ret;

	test_eal("net_null0", NULL);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
