/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration file: options and ports from it, the environment over it, and its mistakes.
 */
#include <sys/stat.h>

#include "conf_test.h"

static char path[] = "/tmp/dpvma-test-conf-XXXXXX";

/* Load with a file of this text, and one variable more unless it is NULL. */
static int
load_file(const char *text, const char *env)
{
	char set[sizeof(path) + 16];
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	snprintf(set, sizeof(set), "DPVMA_CONFIG=%s", path);
	return load(set, env, NULL);
}

static void
test_good(void **state)
{
	const struct conf_port *p;

	(void)state;
	assert_int_equal(load_file("# a comment\n"
				   "\n"
				   "[options]\n"
				   "VMA_RX_WRE = 512   # here too\n"
				   "VMA_SPEC=latency\n"
				   "DPVMA_EAL_ARGS = -l 0 --vdev=net_null0,size=64\n"
				   "DPVMA_PORTS = x=10.5.0.1/24;y=10.6.0.1/24\n"
				   "VMA_STATS_SHMEM_DIR =\n"
				   "[port net_memif0]\n"
				   "address = 10.0.0.1/24, 10.0.0.2/24\n"
				   "address2 = fd00::1/64\n"
				   "gateway = 10.0.0.254\n"
				   "mtu = 9000\n"
				   "route1 = 10.9.0.0/16@10.0.0.7\n"
				   "route2 = 10.8.0.0/16@10.0.0.7, 10.7.0.0/16@10.0.0.8\n"
				   "neighbour = 10.0.0.7@02:00:00:00:00:07\n"
				   "[port 0000:03:00.0]\n"
				   "address=10.1.0.1/24", /* no end of line */
					 NULL),
			0);
	assert_int_equal(said_n, 0);
	assert_int_equal(conf()->rx_wre, 512);
	assert_int_equal(conf()->tx_wre, 256);
	assert_true(conf_is_set("VMA_RX_WRE"));
	assert_string_equal(conf()->eal_args, "-l 0 --vdev=net_null0,size=64");
	assert_string_equal(conf()->stats_shmem_dir, "");
	assert_int_equal(conf_ports_n(), 4);
	assert_non_null(conf_port_find("y"));
	assert_non_null(conf_port_find("03:00.0"));
	p = conf_port_find("net_memif0");
	assert_non_null(p);
	assert_int_equal(p->addrs_n, 3);
	assert_int_equal(p->routes_n, 3);
	assert_int_equal(p->neighs_n, 1);
	assert_int_equal(p->mtu, 9000);
	assert_true(p->has_gateway);
	load(NULL);
	assert_int_equal(conf()->rx_wre, 16000);
	assert_int_equal(conf_ports_n(), 0);
}

static void
test_environment_wins(void **state)
{
	static const char text[] = "[options]\nVMA_RX_WRE=512\nVMA_TX_WRE=300\n"
				   "[port p]\naddress=10.0.0.1/24\nmtu=9000\n"
				   "[port q]\naddress=10.1.0.1/24\n";

	(void)state;
	assert_int_equal(load_file(text, "VMA_RX_WRE=600"), 0);
	assert_int_equal(conf()->rx_wre, 600);
	assert_int_equal(conf()->tx_wre, 300);
	/* a bad one in the environment does not bring the file's back */
	assert_int_equal(load_file(text, "VMA_RX_WRE=x"), 0);
	assert_int_equal(conf()->rx_wre, 16000);
	said_once("VMA_RX_WRE=x is not a whole decimal number: using 16000");
	/* the profile of the file, the variable of the environment */
	assert_int_equal(load_file("[options]\nVMA_SPEC=latency\n", "VMA_RX_WRE=600"), 0);
	assert_int_equal(conf()->rx_wre, 600);
	/* a port is taken as a whole from one of them */
	assert_int_equal(load_file(text, "DPVMA_PORTS=p=10.9.0.1/16"), 0);
	assert_int_equal(conf_ports_n(), 2);
	assert_int_equal(conf_port_find("p")->addrs[0].prefix, 16);
	assert_int_equal(conf_port_find("p")->mtu, 0);
}

static void
test_warnings(void **state)
{
	char line[256];

	(void)state;
	assert_int_equal(load_file("VMA_RX_WRE=1\n"
				   "[options]\n"
				   "VMA_NOPE=1\n"
				   "rx_bufs_batch=1\n"
				   "DPVMA_CONFIG=/etc/other\n"
				   "VMA_TX_WRE=many\n"
				   "VMA_RX_SKIP_OS=5\n"
				   "[port p]\n"
				   "address=10.0.0.1/24\n"
				   "colour=red\n"
				   "mtu2=1500\n"
				   "[ports]\n"
				   "a=b\n"
				   "[port ]\n",
					 NULL),
			0);
	assert_int_equal(conf()->rx_wre, 16000);
	assert_int_equal(conf()->rx_udp_poll_os_ratio, 5);
	assert_non_null(conf_port_find("p"));
	snprintf(line, sizeof(line), "%s: VMA_RX_WRE stands before any section: ignored", path);
	said_once(line);
	snprintf(line, sizeof(line), "%s: [options] VMA_NOPE is not a known variable", path);
	said_once(line);
	said_once("[options] rx_bufs_batch is not a known variable");
	said_once("[options] DPVMA_CONFIG cannot name another file");
	said_once("VMA_TX_WRE=many in the configuration file is not a whole decimal number: using "
		  "2048");
	said_once("VMA_RX_SKIP_OS is retired");
	snprintf(line, sizeof(line), "%s: [port p] colour is not one of address,", path);
	said_once(line);
	said_once("[port p] mtu2 is not one of");
	snprintf(line, sizeof(line), "%s: [ports] is neither [options] nor [port NAME]", path);
	said_once(line);
	said_once("[port] is neither [options] nor [port NAME]");
	assert_int_equal(said_n, 10);
}

static void
test_bad_port(void **state)
{
	(void)state;
	assert_int_equal(load_file("[options]\nVMA_RX_WRE=512\n"
				   "[port p]\naddress=10.0.0.1\n[port q]\naddress=10.1.0.1/24\n",
					 NULL),
			-EINVAL);
	said_once("[port p] address: address 10.0.0.1 has no prefix length: write 10.0.0.1/24: "
		  "this "
		  "port's section is left out");
	assert_int_equal(said_n, 1);
	assert_null(conf_port_find("p"));
	assert_non_null(conf_port_find("q"));
	assert_int_equal(conf()->rx_wre, 512);
	assert_int_equal(load_file("[port p]\naddress=10.0.0.1/24\ngateway=10.1.0.1\n", NULL),
			-EINVAL);
	said_once("[port p] gateway 10.1.0.1 is in none of the port's networks");
	assert_int_equal(load_file("[port p]\nmtu=\n", NULL), -EINVAL);
	said_once("[port p] mtu: a value is missing");
	assert_int_equal(load_file("[port p]\nmtu=1500\n[port p]\nmtu=1500\n", NULL), -EINVAL);
	said_once("[port p] the port is described twice");
	assert_int_equal(conf_ports_n(), 1);
}

static void
test_bad_lines(void **state)
{
	static const struct {
		const char *text;
		const char *line;
	} bad[] = {
		{ "just words\n", "neither [SECTION] nor KEY=VALUE nor # COMMENT" },
		{ "; x\n", "neither [SECTION] nor" },
		{ "[options\n", "a section without ]" },
		{ "=3\n", "no key before the =" },
		{ "K123456789012345678901234567890123456789012345678901234567890123=1\n",
				"a key longer than 63 characters" },
		{ "[port 12345678901234567890123456789012345678901234567890123456789]\n",
				"a section's name longer than 63 characters" },
	};
	char text[1024], line[256];
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(bad); i++) {
		snprintf(text, sizeof(text), "[options]\nVMA_RX_WRE=512\n%s", bad[i].text);
		assert_int_equal(load_file(text, NULL), -EINVAL);
		assert_int_equal(said_n, 1);
		snprintf(line, sizeof(line), "%s line 3: %s", path, bad[i].line);
		said_once(line);
		said_once("nothing of the file is used");
		assert_int_equal(conf()->rx_wre, 16000);
	}
	snprintf(text, sizeof(text), "[options]\nDPVMA_EAL_ARGS=%0255d\n", 7);
	assert_int_equal(load_file(text, NULL), 0);
	assert_int_equal(strlen(conf()->eal_args), 255);
	snprintf(text, sizeof(text), "[options]\nDPVMA_EAL_ARGS=%0256d\n", 7);
	assert_int_equal(load_file(text, NULL), -EINVAL);
	said_once("line 2: a value longer than 255 characters: use the environment");
	/* a comment may be as long as it likes to be */
	snprintf(text, sizeof(text), "[options]\nVMA_RX_WRE=512\n# %0200d\n", 7);
	assert_int_equal(load_file(text, NULL), 0);
}

static void
test_unreadable(void **state)
{
	(void)state;
	assert_int_equal(load("DPVMA_CONFIG=/nonexistent/dpvma.ini", "VMA_RX_WRE=512", NULL),
			-ENOENT);
	said_once("DPVMA_CONFIG=/nonexistent/dpvma.ini cannot be opened: No such file");
	assert_int_equal(said_n, 1);
	assert_int_equal(conf()->rx_wre, 512);
	assert_int_equal(conf_load(), -ENOENT);
	assert_int_equal(load("DPVMA_CONFIG=/tmp", NULL), -EINVAL);
	said_once("DPVMA_CONFIG=/tmp is not a regular file");
}

static int
setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int
teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_environment_wins),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_bad_port),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
