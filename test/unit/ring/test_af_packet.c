/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cyclic profiles over net_af_packet, in a namespace of this process: its frames are longer than
 * short strides, which it refuses, and the ring has to come up with buffers that it takes.
 */
#include <sched.h>

#include <rte_ethdev.h>

#include "ring_test.h"

#define SKIP 77

static void
bring_up(uint16_t stride_bytes, bool ordered)
{
	struct ring_profile p = { .type = RING_PROFILE_CYCLIC,
		.num = 1000,
		.stride_bytes = stride_bytes,
		.mode = CYCLIC_PADDED };
	struct ring_alloc a = test_alloc(CONF_RING_PER_INTERFACE);
	struct port *port;
	struct ring *ring;

	test_start("VMA_RX_BUFS=4096", "VMA_TX_BUFS=2048", "VMA_RX_WRE=256", "VMA_TX_WRE=256",
			NULL);
	port = port_by_name("net_af_packet0");
	assert_non_null(port);
	a.profile = ring_profile_add(&p);
	ring = test_acquire(port, &a);
	assert_true(port->started);
	assert_int_equal(ring->stride_pool, ordered);
	if (!ordered) {
		assert_ptr_equal(strchr(test_log, '\n'), test_log + strlen(test_log) - 1);
		assert_non_null(strstr(test_log, "stride_bytes of 983 to 2006 would"));
		/* the port is never restarted: its queue is there for the next one, too */
		ring_release(ring);
		ring = test_acquire(port, &a);
		assert_false(ring->stride_pool);
	} else {
		assert_string_equal(test_log, "");
	}
	ring_release(ring);
	test_stop();
}

static void
test_short(void **state)
{
	(void)state;
	bring_up(200, false);
}

static void
test_long(void **state)
{
	(void)state;
	bring_up(983, true);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
	};
	const struct CMUnitTest long_tests[] = {
		cmocka_unit_test(test_long),
	};
	int ret;

	(void)argv;
	if (unshare(CLONE_NEWNET) != 0) {
		perror("a network namespace is not permitted");
		return SKIP;
	}
	if (system("ip link add d0 type veth peer name d1 && ip link set d0 up && "
		   "ip link set d1 up && ip addr add 192.0.2.1/24 dev d0") != 0)
		return 1;
	test_eal("256", "net_af_packet0,iface=d0", NULL);
	/* once a port has stopped it does not start again: one process for each */
	if (argc > 1)
		ret = cmocka_run_group_tests(long_tests, NULL, NULL);
	else
		ret = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return ret;
}
