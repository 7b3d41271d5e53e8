/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end: what cannot start says why in one line, and a second start works like the first.
 */
#include "sock_test.h"

static unsigned int
lines(void)
{
	unsigned int n = 0;
	const char *p;

	for (p = test_log; *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

static void
no_such_port(void **state)
{
	int fd;
	char why[200];

	(void)state;
	assert_int_equal(dpvma_set_option("DPVMA_PORTS", "nobody=10.9.0.1/24"), 0);
	assert_errno(dpvma_init(), ENODEV);
	if (lines() != 1)
		fail_msg("not one line:\n%s", test_log);
	assert_non_null(strstr(test_log, "nobody"));
	/* asked again: the same answer, and the line is not repeated */
	assert_errno(dpvma_init(), ENODEV);
	assert_int_equal(lines(), 1);
	/* by default sockets are the kernel's then */
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(dpvma_explain(fd, why, sizeof(why)), DPVMA_KERNEL);
	assert_non_null(strstr(why, "did not start"));
	assert_int_equal(dpvma_close(fd), 0);
	dpvma_exit();
}

static void
handling_returns_the_error(void **state)
{
	(void)state;
	assert_int_equal(dpvma_set_option("VMA_EXCEPTION_HANDLING", "2"), 0);
	assert_errno(dpvma_socket(AF_INET, SOCK_DGRAM, 0), ENODEV);
	assert_int_equal(dpvma_set_option("VMA_EXCEPTION_HANDLING", "-1"), 0);
	dpvma_exit();
}

static void
start_twice(void **state)
{
	uint16_t port;
	int fd, i;
	char buf[4];

	(void)state;
	assert_int_equal(dpvma_set_option("DPVMA_PORTS", "net_ring_wire=" LOCAL "/24"), 0);
	for (i = 0; i < 2; i++) {
		test_log[0] = '\0';
		if (dpvma_init() != 0)
			fail_msg("start %d: %s\n%s", i, strerror(errno), test_log);
		assert_int_equal(dpvma_init(), 0);
		assert_errno(dpvma_set_option("VMA_RX_BUFS", "100"), EBUSY);
		fd = test_bound(&port);
		test_inject_text(port, "abc");
		assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 3);
		/* frames on the wire, as the announcement of the address, hold buffers */
		test_drain();
		/* dpvma_exit() closes it */
		dpvma_exit();
		assert_errno(dpvma_close(fd), EBADF);
		test_drain();
		/* EAL is the test's own and goes on: nothing of dpvma's stays in its memory */
		assert_null(rte_mempool_lookup("dpvma_rx_0"));
		assert_null(rte_mempool_lookup("dpvma_tx_0"));
	}
	assert_errno(dpvma_set_option("VMA_NO_SUCH", "1"), ENOENT);
	assert_string_equal(dpvma_version(), "0.1.0");
}

static void
counters_in_a_file(void **state)
{
	char path[] = "/tmp/sock_test_XXXXXX", line[512] = "";
	uint16_t port;
	FILE *f;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	f = fdopen(fd, "r");
	assert_int_equal(dpvma_set_option("VMA_STATS_FILE", path), 0);
	assert_int_equal(dpvma_init(), 0);
	fd = test_bound(&port);
	test_inject_text(port, "abc");
	assert_int_equal(dpvma_recv(fd, line, sizeof(line), 0), 3);
	dpvma_close(fd);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line, "rx_packets 1 rx_bytes 3 rx_read 1"));
	fclose(f);
	unlink(path);
	dpvma_exit();
}

static int
setup(void **state)
{
	(void)state;
	test_eal(NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_such_port),
		cmocka_unit_test(handling_returns_the_error),
		cmocka_unit_test(start_twice),
		cmocka_unit_test(counters_in_a_file),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
