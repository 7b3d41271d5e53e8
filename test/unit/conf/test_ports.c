/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The grammar of DPVMA_PORTS: what is right, and every kind of mistake with the line it earns.
 */
#include "conf_test.h"

static struct ip_addr
ip(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(text, &a), 0);
	return a;
}

static void
assert_ip(const struct ip_addr *a, const char *text)
{
	char buf[IP_ADDR_STRLEN];

	assert_string_equal(ip_format(a, buf), text);
}

static int
load_ports(const char *value)
{
	char set[4096];

	snprintf(set, sizeof(set), "DPVMA_PORTS=%s", value);
	return load(set, NULL);
}

static void
test_full(void **state)
{
	const struct conf_port *p;
	struct ip_addr want = ip("10.9.0.0");

	(void)state;
	assert_int_equal(load_ports("net_memif0=10.0.0.1/24,10.0.1.1/16,gw=10.0.0.254,mtu=9000,"
				    "neigh=10.0.0.7@02:00:00:00:00:07,neigh=10.0.0.8@02-00-00-00-"
				    "00-08,"
				    "route=10.9.0.0/16@10.0.0.7,route=0.0.0.0/1@10.0.0.8"),
			-EINVAL); /* dashes are no MAC address */
	assert_int_equal(load_ports(" net_memif0 = 10.0.0.1/24 , 10.0.1.1/16,gw = 10.0.0.254,"
				    "mtu=9000,neigh=10.0.0.7@02:00:00:00:00:07,"
				    "neigh=10.0.0.8@02:00:00:00:00:08,"
				    "route=10.9.0.0/16@10.0.0.7,route=0.0.0.0/1@10.0.0.8; "
				    "0000:03:00.0=fd00::1/64,gw=fe80::2,route=fd01::/16@fd00::3;"),
			0);
	assert_int_equal(said_n, 0);
	assert_int_equal(conf_ports_n(), 2);
	p = conf_port_find("net_memif0");
	assert_ptr_equal(p, conf_port_at(0));
	assert_null(conf_port_at(2));
	assert_string_equal(p->name, "net_memif0");
	assert_int_equal(p->mtu, 9000);
	assert_int_equal(p->addrs_n, 2);
	assert_ip(&p->addrs[0].addr, "10.0.0.1");
	assert_int_equal(p->addrs[0].prefix, 24);
	assert_ip(&p->addrs[1].addr, "10.0.1.1");
	assert_int_equal(p->addrs[1].prefix, 16);
	assert_true(p->has_gateway);
	assert_ip(&p->gateway, "10.0.0.254");
	assert_int_equal(p->neighs_n, 2);
	assert_ip(&p->neighs[1].addr, "10.0.0.8");
	assert_int_equal(p->neighs[1].mac.addr_bytes[0], 2);
	assert_int_equal(p->neighs[1].mac.addr_bytes[5], 8);
	assert_int_equal(p->routes_n, 2);
	assert_true(ip_equal(&p->routes[0].net, &want));
	assert_int_equal(p->routes[0].prefix, 16);
	assert_ip(&p->routes[0].via, "10.0.0.7");
	assert_int_equal(p->routes[1].prefix, 1);

	/* a PCI address with its domain and without */
	p = conf_port_find("03:00.0");
	assert_non_null(p);
	assert_ptr_equal(p, conf_port_find("0000:03:00.0"));
	assert_null(conf_port_find("0001:03:00.0"));
	assert_null(conf_port_find("net_memif1"));
	assert_false(ip_is_v4(&p->addrs[0].addr));
	assert_int_equal(p->addrs[0].prefix, 64);
	assert_ip(&p->routes[0].via, "fd00::3");
	assert_int_equal(p->mtu, 0);
	assert_false(conf_port_find("net_memif0") == p);

	assert_int_equal(load_ports(""), 0);
	assert_int_equal(conf_ports_n(), 0);
	assert_null(conf_port_find("net_memif0"));
	/* addresses from elsewhere, a gateway that cannot be checked, host addresses */
	assert_int_equal(load_ports("a=mtu=68,gw=10.0.0.1;b=10.0.0.1/32,gw=10.1.1.1;"
				    "c=0.0.0.0/0"),
			-EINVAL);
	assert_int_equal(conf_ports_n(), 2);
	assert_int_equal(conf_port_find("a")->addrs_n, 0);
	assert_int_equal(conf_port_find("a")->mtu, 68);
}

static void
test_vlan(void **state)
{
	const struct conf_port *p;

	(void)state;
	assert_int_equal(load_ports("p=10.0.0.1/24,10.1.0.1/16@1,10.2.0.1/30@4094,gw=10.1.0.2"), 0);
	assert_int_equal(said_n, 0);
	p = conf_port_find("p");
	assert_int_equal(p->addrs_n, 3);
	assert_int_equal(p->addrs[0].vlan_id, 0);
	assert_int_equal(p->addrs[1].vlan_id, 1);
	assert_int_equal(p->addrs[1].prefix, 16);
	assert_ip(&p->addrs[1].addr, "10.1.0.1");
	assert_int_equal(p->addrs[2].vlan_id, 4094);
	assert_int_equal(p->addrs[2].prefix, 30);
}

static const struct {
	const char *value;
	const char *line;
} mistakes[] = {
	{ "p", "there is no = after the port's name" },
	{ "=10.0.0.1/24", "no port's name stands before the =" },
	{ "p=", "nothing stands between two commas, or at an end" },
	{ "p=10.0.0.1/24,", "nothing stands between two commas, or at an end" },
	{ "p=10.0.0.1/24,,mtu=1500", "nothing stands between two commas" },
	{ "p123456789012345678901234567890123456789012345678901234567890123=10.0.0.1/24",
			"the port's name is longer than 63 characters" },
	{ "p=10.0.0.1", "address 10.0.0.1 has no prefix length: write 10.0.0.1/24" },
	{ "p=fd00::1", "address fd00::1 has no prefix length: write fd00::1/64" },
	{ "p=10.0.0/24", "address 10.0.0 is neither an IPv4 nor an IPv6 address" },
	{ "p=10.0.0.256/24", "address 10.0.0.256 is neither" },
	{ "p=host/24", "address host is neither" },
	{ "p=10.0.0.1/24@0", "address 10.0.0.1/24 has the VLAN 0, which is not in 1..4094" },
	{ "p=10.0.0.1/24@4095", "has the VLAN 4095, which is not in 1..4094" },
	{ "p=10.0.0.1/24@", "has the VLAN , which is not in 1..4094" },
	{ "p=10.0.0.1/24@nic0.7", "has the VLAN nic0.7, which is not in 1..4094" },
	{ "p=10.0.0.1@7", "address 10.0.0.1 has no prefix length" },
	{ "p=10.0.0.1/24,10.0.0.1/24@7", "address 10.0.0.1 is given twice" },
	{ "p=10.0.0.1/33", "has the prefix length 33, which is not in 0..32" },
	{ "p=10.0.0.1/-1", "has the prefix length -1, which is not in 0..32" },
	{ "p=10.0.0.1/", "has the prefix length , which is not in 0..32" },
	{ "p=10.0.0.1/2x", "has the prefix length 2x" },
	{ "p=fd00::1/129", "has the prefix length 129, which is not in 0..128" },
	{ "p=0.0.0.0/24", "address 0.0.0.0 is not the address of one host" },
	{ "p=::/64", "address :: is not the address of one host" },
	{ "p=224.0.0.1/24", "address 224.0.0.1 is not the address of one host" },
	{ "p=255.255.255.255/24", "is not the address of one host" },
	{ "p=ff02::1/64", "is not the address of one host" },
	{ "p=10.0.0.1/24,10.0.0.1/16", "address 10.0.0.1 is given twice" },
	{ "p=10.0.0.1/24,foo=1", "foo= is not one of gw=, mtu=, neigh=, route=" },
	{ "p=10.0.0.1/24,gw=", "gw= has no value" },
	{ "p=10.0.0.1/24,gw=x", "gateway x is neither" },
	{ "p=10.0.0.1/24,gw=239.1.1.1", "gateway 239.1.1.1 is not the address of one host" },
	{ "p=10.0.0.1/24,gw=10.0.0.1", "gateway 10.0.0.1 is the port's own address" },
	{ "p=10.0.0.1/24,gw=10.0.1.1", "gateway 10.0.1.1 is in none of the port's networks" },
	{ "p=gw=fd00::2,10.0.0.1/24", "gateway fd00::2 is in none of the port's networks" },
	{ "p=10.0.0.1/24,gw=10.0.0.2,gw=10.0.0.3", "a second gateway, 10.0.0.3" },
	{ "p=10.0.0.1/24,mtu=67", "mtu 67 is not a number in 68..65535" },
	{ "p=10.0.0.1/24,mtu=65536", "mtu 65536 is not a number in 68..65535" },
	{ "p=10.0.0.1/24,mtu=big", "mtu big is not a number in 68..65535" },
	{ "p=10.0.0.1/24,mtu=1500,mtu=1500", "a second mtu, 1500" },
	{ "p=10.0.0.1/24,neigh=10.0.0.2", "neighbour 10.0.0.2 is not written ADDR@MAC" },
	{ "p=10.0.0.1/24,neigh=10.0.0.2@", "has , which is not a MAC address" },
	{ "p=10.0.0.1/24,neigh=10.0.0.2@02:00:00:00:00", "which is not a MAC address" },
	{ "p=10.0.0.1/24,neigh=10.0.0.2@02:00:00:00:00:0g", "which is not a MAC address" },
	{ "p=10.0.0.1/24,neigh=10.0.0.2@00:00:00:00:00:00", "not the address of one station" },
	{ "p=10.0.0.1/24,neigh=10.0.0.2@01:00:5e:00:00:01", "not the address of one station" },
	{ "p=10.0.0.1/24,neigh=0.0.0.0@02:00:00:00:00:01", "not the address of one host" },
	{ "p=neigh=10.0.0.2@02:00:00:00:00:01,neigh=10.0.0.2@02:00:00:00:00:02",
			"neighbour 10.0.0.2 is given twice" },
	{ "p=10.0.0.1/24,route=10.9.0.0/16", "route 10.9.0.0/16 is not written NET/LEN@GATEWAY" },
	{ "p=10.0.0.1/24,route=10.9.0.0@10.0.0.2", "route 10.9.0.0 has no prefix length" },
	{ "p=10.0.0.1/24,route=10.9.0.0/40@10.0.0.2", "route 10.9.0.0 has the prefix length 40" },
	{ "p=10.0.0.1/24,route=10.9.0.1/16@10.0.0.2",
			"route 10.9.0.1 has bits beyond its prefix: write 10.9.0.0/16" },
	{ "p=10.0.0.1/24,route=10.9.0.0/16@", "route's gateway  is neither" },
	{ "p=10.0.0.1/24,route=10.9.0.0/16@10.1.0.2",
			"route's gateway 10.1.0.2 is in none of the port's networks" },
	{ "p=10.0.0.1/24,route=10.9.0.0/16@10.0.0.1",
			"route's gateway 10.0.0.1 is the port's own address" },
	{ "p=10.0.0.1/24,route=fd01::/16@10.0.0.2", "are not of one IP version" },
	{ "p=route=10.9.0.0/16@10.0.0.2,route=10.9.0.0/16@10.0.0.3",
			"route 10.9.0.0/16 is given twice" },
};

static void
test_mistakes(void **state)
{
	unsigned int i;
	char value[512];

	(void)state;
	for (i = 0; i < RTE_DIM(mistakes); i++) {
		/* the ports beside it stand */
		snprintf(value, sizeof(value), "a=10.7.0.1/24;%s;z=10.8.0.1/24", mistakes[i].value);
		if (load_ports(value) != -EINVAL)
			fail_msg("%s is taken", mistakes[i].value);
		if (said_n != 1)
			fail_msg("%s says %u lines", mistakes[i].value, said_n);
		said_once(mistakes[i].line);
		said_once("this port's entry is left out");
		said_once("DPVMA_PORTS: \"");
		assert_int_equal(said_level[0], LOG_LEVEL_ERROR);
		assert_int_equal(conf_ports_n(), 2);
		assert_non_null(conf_port_find("a"));
		assert_non_null(conf_port_find("z"));
		assert_null(conf_port_find("p"));
	}
	/* asked again it is the same */
	assert_int_equal(conf_load(), -EINVAL);
}

static void
test_twice(void **state)
{
	(void)state;
	assert_int_equal(load_ports("p=10.0.0.1/24;p=10.0.0.2/24"), -EINVAL);
	said_once("the port is described twice");
	assert_int_equal(conf_ports_n(), 1);
	assert_ip(&conf_port_find("p")->addrs[0].addr, "10.0.0.1");
	assert_int_equal(load_ports("03:00.0=10.0.0.1/24;0000:03:00.0=10.0.0.2/24"), -EINVAL);
	said_once("the port is described twice");
}

/* n times format with 1..n, separated by sep. */
static void
many(char *buf, size_t size, const char *format, const char *sep, unsigned int n)
{
	size_t at = strlen(buf);
	unsigned int i;

	for (i = 1; i <= n; i++) {
		at += (size_t)snprintf(buf + at, size - at, "%s", i > 1 ? sep : "");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		at += (size_t)snprintf(buf + at, size - at, format, i, i);
#pragma GCC diagnostic pop
		assert_true(at < size);
	}
}

static void
test_limits(void **state)
{
	static char longer[5000];
	char value[4000];

	(void)state;
	snprintf(longer, sizeof(longer), "DPVMA_PORTS=p=10.0.0.1/24,mtu=%04096d", 1500);
	assert_int_equal(load(longer, NULL), -EINVAL);
	said_once("is longer than 4095 characters");
	assert_int_equal(said_n, 1);

	strcpy(value, "p=");
	many(value, sizeof(value), "10.0.0.%u/24", ",", 16);
	assert_int_equal(load_ports(value), 0);
	assert_int_equal(conf_port_find("p")->addrs_n, 16);
	strcpy(value, "p=");
	many(value, sizeof(value), "10.0.0.%u/24", ",", 17);
	assert_int_equal(load_ports(value), -EINVAL);
	said_once("more than 16 addresses");

	strcpy(value, "p=");
	many(value, sizeof(value), "route=10.%u.0.0/16@10.0.0.9", ",", 17);
	assert_int_equal(load_ports(value), -EINVAL);
	said_once("more than 16 routes");

	strcpy(value, "p=");
	many(value, sizeof(value), "neigh=10.0.0.%u@02:00:00:00:00:%02x", ",", 64);
	assert_int_equal(load_ports(value), 0);
	assert_int_equal(conf_port_find("p")->neighs_n, 64);
	strcpy(value, "p=");
	many(value, sizeof(value), "neigh=10.0.0.%u@02:00:00:00:00:%02x", ",", 65);
	assert_int_equal(load_ports(value), -EINVAL);
	said_once("more than 64 neighbours");

	value[0] = '\0';
	many(value, sizeof(value), "p%u=10.0.0.1/24", ";", 32);
	assert_int_equal(load_ports(value), 0);
	assert_int_equal(conf_ports_n(), 32);
	value[0] = '\0';
	many(value, sizeof(value), "p%u=10.0.0.1/24", ";", 33);
	assert_int_equal(load_ports(value), -EINVAL);
	said_once("more than 32 ports");
	assert_int_equal(conf_ports_n(), 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
