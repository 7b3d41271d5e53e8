/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which port is meant, on machines with network cards that this one has not: the list of network
 * devices is made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"

static struct netdev machine[4];
static unsigned int n_machine;
static char said[2048];

unsigned int
netdevs_read(struct netdev *list, unsigned int max)
{
	unsigned int i;

	for (i = 0; i < n_machine && i < max; i++)
		list[i] = machine[i];
	return i;
}

bool
netdev_has_addr(const struct netdev *d)
{
	return d->addrs[0] != '\0';
}

void
run_error(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
}

int
run_env_set(const char *name, const char *value)
{
	return setenv(name, value, 1);
}

static const struct netdev mlx_a = { .name = "ens1f0",
	.driver = "mlx5_core",
	.bus = "0000:03:00.0",
	.addrs = "10.0.0.1/24",
	.mtu = 9000,
	.up = true,
	.mlx5 = true };
static const struct netdev mlx_b = { .name = "ens1f1",
	.driver = "mlx5_core",
	.bus = "0000:03:00.1",
	.addrs = "10.0.1.1/24",
	.mtu = 1500,
	.up = true,
	.mlx5 = true };
static const struct netdev function = { .name = "en3f0pf0sf88",
	.driver = "mlx5_core",
	.bus = "mlx5_core.sf.4",
	.addrs = "10.0.2.1/24",
	.up = true,
	.mlx5 = true };
static const struct netdev other = { .name = "eth0",
	.driver = "virtio_net",
	.bus = "0000:00:03.0",
	.addrs = "192.0.2.2/24",
	.mtu = 1500,
	.up = true };

static void
a_machine_of(unsigned int n, ...)
{
	va_list ap;

	va_start(ap, n);
	for (n_machine = 0; n_machine < n; n_machine++)
		machine[n_machine] = *va_arg(ap, const struct netdev *);
	va_end(ap);
	said[0] = '\0';
}

/* EAL's words for these ports; NULL when they are refused. */
static const char *
eal_of(struct run_args *a)
{
	static char words[CONF_ARGS_SIZE];

	return ports_choose(a) == 0 && ports_eal(a, words, sizeof(words)) == 0 ? words : NULL;
}

static void
the_only_one(void **state)
{
	struct run_args a = { 0 };

	(void)state;
	a_machine_of(2, &other, &mlx_a);
	assert_string_equal(eal_of(&a), "-a 0000:03:00.0" RUN_MLX5_ARGS);
	/* one that is down, or has no address, is not meant */
	a_machine_of(3, &other, &mlx_a, &mlx_b);
	machine[1].up = false;
	a = (struct run_args){ 0 };
	assert_string_equal(eal_of(&a), "-a 0000:03:00.1" RUN_MLX5_ARGS);
	machine[2].addrs[0] = '\0';
	a = (struct run_args){ 0 };
	assert_null(eal_of(&a));
	assert_non_null(strstr(said, "no mlx5 device"));
}

static void
several(void **state)
{
	struct run_args a = { 0 };

	(void)state;
	a_machine_of(2, &mlx_a, &mlx_b);
	assert_null(eal_of(&a));
	assert_non_null(strstr(said, "several"));
}

static void
environment(void **state)
{
	struct run_args a = { 0 };

	(void)state;
	a_machine_of(0);
	setenv("DPVMA_EAL_ARGS", "--vdev=net_null0", 1);
	assert_int_equal(ports_choose(&a), 0);
	assert_int_equal(a.n_ports, 0);
	/* an address has no port to belong to */
	a.ports[0].addr = "10.0.0.1/24";
	assert_int_equal(ports_choose(&a), -1);
	unsetenv("DPVMA_EAL_ARGS");
}

static void
named(void **state)
{
	static const struct {
		const char *spec, *pmd, *eal;
	} cases[] = {
		{ "ens1f1", NULL, "-a 0000:03:00.1" RUN_MLX5_ARGS },
		{ "0000:03:00.1", NULL, "-a 0000:03:00.1" RUN_MLX5_ARGS },
		{ "03:00.1", NULL, "-a 0000:03:00.1" RUN_MLX5_ARGS },
		/* who gives arguments has thought of them */
		{ "03:00.1,mprq_en=1", NULL, "-a 0000:03:00.1,mprq_en=1" },
		{ "en3f0pf0sf88", NULL, "-a auxiliary:mlx5_core.sf.4" RUN_MLX5_ARGS },
		{ "ens1f1", "af_xdp", "--vdev=net_af_xdp0,iface=ens1f1" },
		{ "eth0", NULL, "--vdev=net_af_packet0,iface=eth0" },
	};
	unsigned int i;

	(void)state;
	a_machine_of(4, &mlx_a, &mlx_b, &function, &other);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run_args a = { .n_ports = 1, .pmd = cases[i].pmd };

		a.ports[0].spec = cases[i].spec;
		assert_string_equal(eal_of(&a), cases[i].eal);
		assert_string_equal(said, "");
	}
}

/* What looks like an address of PCI and is none. */
static void
unnamed(void **state)
{
	static const char *const cases[] = { "0000:03:00", "000:03:00.1", "0000:03:00.1x", "03:00",
		"0000:0g:00.1", "x", "", "memif", "memif:", "tap:" };
	unsigned int i;

	(void)state;
	a_machine_of(1, &mlx_a);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run_args a = { .n_ports = 1 };

		said[0] = '\0';
		a.ports[0].spec = cases[i];
		assert_null(eal_of(&a));
		assert_non_null(strstr(said, "--port="));
	}
}

/* Beside a port that is told its address, the others keep what their kernel has. */
static void
addresses(void **state)
{
	struct run_args a = { .n_ports = 2 };

	(void)state;
	a_machine_of(2, &mlx_a, &other);
	a.ports[0] = (struct run_port){ .spec = "tap:t0", .addr = "10.9.0.1/24,gw=10.9.0.2" };
	a.ports[1] = (struct run_port){ .spec = "ens1f0" };
	assert_non_null(eal_of(&a));
	assert_int_equal(ports_addrs(&a), 0);
	assert_string_equal(getenv("DPVMA_PORTS"),
			"net_tap0=10.9.0.1/24,gw=10.9.0.2;0000:03:00.0=mtu=9000");
	assert_int_equal(conf_ports_n(), 2);
	assert_int_equal(conf_port_find("net_tap0")->addrs_n, 1);
	assert_int_equal(conf_port_find("0000:03:00.0")->addrs_n, 0);
	unsetenv("DPVMA_PORTS");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_only_one),
		cmocka_unit_test(several),
		cmocka_unit_test(environment),
		cmocka_unit_test(named),
		cmocka_unit_test(unnamed),
		cmocka_unit_test(addresses),
	};

	unsetenv("DPVMA_EAL_ARGS");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
