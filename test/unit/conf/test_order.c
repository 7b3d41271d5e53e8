/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who wins: defaults, VMA_SOCKETXTREME, profiles, variables, the program; and what options force on
 * each other.
 */
#include "conf_test.h"

static void
test_latency(void **state)
{
	const struct conf *c = conf();

	(void)state;
	load("VMA_SPEC=Latency", NULL);
	assert_int_equal(said_n, 0);
	assert_int_equal(c->spec, CONF_SPEC_LATENCY);
	assert_int_equal(c->tx_wre, 256);
	assert_int_equal(c->tx_wre_batching, 4);
	assert_int_equal(c->rx_wre, 256);
	assert_int_equal(c->rx_wre_batching, 4);
	assert_int_equal(c->tx_bufs_batch_tcp, 1);
	assert_int_equal(c->tx_bufs_batch_udp, 1);
	assert_int_equal(c->rx_bufs_batch, 4);
	assert_int_equal(c->rx_poll, -1);
	assert_int_equal(c->select_poll, -1);
	assert_int_equal(c->select_poll_os_ratio, 1);
	assert_int_equal(c->select_skip_os, 1);
	assert_int_equal(c->rx_prefetch_bytes_before_poll, 256);
	assert_int_equal(c->gro_streams_max, 0);
	assert_false(c->cq_keep_qp_full);
	assert_int_equal(c->thread_mode, CONF_THREAD_SINGLE);
	assert_int_equal(c->mem_alloc_type, CONF_MEM_HUGE);
	assert_int_equal(CPU_COUNT(&c->internal_thread_affinity), 1);
	assert_true(CPU_ISSET(0, &c->internal_thread_affinity));
	assert_int_equal(c->progress_engine_interval, 100);
	assert_true(c->avoid_sys_calls_on_tcp_fd);
	assert_true(c->tcp_nodelay);
	assert_int_equal(c->ring_dev_mem_tx, 16384);
	assert_false(c->tso);
	assert_int_equal(c->ring_migration_ratio_tx, 100);
	assert_false(c->cq_moderation_enable); /* polling for ever */
	assert_int_equal(c->tx_bufs, 200000);
	assert_false(conf_is_set("VMA_RX_WRE")); /* by nobody but the profile */
	assert_true(conf_is_set("VMA_SPEC"));
}

static void
test_other_profiles(void **state)
{
	const struct conf *c = conf();

	(void)state;
	load("VMA_SPEC=10", NULL);
	assert_int_equal(c->spec, CONF_SPEC_ULTRA_LATENCY);
	assert_int_equal(c->rx_wre, 256); /* as latency */
	assert_int_equal(c->tx_segs_tcp, 512);
	assert_int_equal(c->tx_bufs, 512);
	assert_int_equal(c->rx_bufs, 1024);
	assert_int_equal(c->rx_udp_poll_os_ratio, 0);
	assert_int_equal(c->select_poll_os_ratio, 0);
	assert_int_equal(c->select_skip_os, 0);
	assert_int_equal(c->progress_engine_interval, 0);

	load("VMA_SPEC=multi_ring_latency", NULL);
	assert_int_equal(c->ring_allocation_logic_tx, CONF_RING_PER_THREAD);
	assert_int_equal(c->ring_allocation_logic_rx, CONF_RING_PER_THREAD);
	assert_int_equal(c->mem_alloc_type, CONF_MEM_HUGE);
	assert_int_equal(c->rx_poll, -1);
	assert_int_equal(c->select_poll, -1);
	assert_int_equal(c->select_poll_os_ratio, 0);
	assert_int_equal(c->select_skip_os, 0);
	assert_true(c->rx_poll_on_tx_tcp);
	assert_true(c->trigger_dummy_send_getsockname);
	assert_int_equal(c->rx_wre, 16000);

	load("VMA_SPEC=29west", NULL);
	assert_int_equal(c->spec_param1, 5000);
	assert_int_equal(c->spec_param2, 50);
	assert_int_equal(c->rx_poll, 1); /* 0 */
	assert_int_equal(c->select_poll_os_ratio, 100);
	assert_int_equal(c->select_skip_os, 50);

	load("VMA_SPEC=554", "VMA_SPEC_PARAM1=7", NULL);
	assert_int_equal(c->spec, CONF_SPEC_WOMBAT_FH);
	assert_int_equal(c->spec_param1, 7);
	assert_int_equal(c->spec_param2, 50);
	assert_int_equal(c->select_poll, 0);
	assert_int_equal(c->select_skip_os, 20);

	load("VMA_SPEC=mcd", NULL);
	assert_int_equal(c->ring_allocation_logic_rx, CONF_RING_PER_CORE_ATTACH);
	assert_int_equal(c->select_poll, 100000);
	assert_true(c->cq_moderation_enable);

	load("VMA_SPEC=mcd-irq", NULL);
	assert_int_equal(c->ring_allocation_logic_tx, CONF_RING_PER_CORE_ATTACH);
	assert_int_equal(c->select_poll, 0);
	assert_false(c->cq_moderation_enable);

	load("VMA_SPEC=784", NULL);
	assert_int_equal(c->rx_poll, -1);
	assert_int_equal(c->select_poll, 100000);

	load("VMA_SPEC=7750", NULL);
	assert_int_equal(c->tx_bufs, 8192);
	assert_int_equal(c->rx_bufs, 204800);
	assert_int_equal(c->tracelevel, CONF_TRACE_WARNING);
	assert_int_equal(c->stats_fd_num, 1024);
	assert_int_equal(CPU_COUNT(&c->internal_thread_affinity), 2);
	assert_true(c->tcp_3t_rules);
	assert_int_equal(c->buffer_batching_mode, CONF_BATCHING_NONE);
	assert_int_equal(c->tx_bufs_batch_tcp, 1);
	assert_int_equal(c->rx_bufs_batch, 1);
	assert_int_equal(c->tcp_ctl_thread, CONF_TCP_CTL_NO_WAKE);
	assert_int_equal(said_n, 0);
}

static void
test_variable_beats_profile(void **state)
{
	(void)state;
	load("VMA_RX_WRE=512", "VMA_SPEC=latency", "VMA_RX_POLL=0", NULL);
	assert_int_equal(conf()->rx_wre, 512);
	assert_int_equal(conf()->rx_poll, 1);
	assert_int_equal(conf()->tx_wre, 256);
	assert_true(conf_is_set("VMA_RX_WRE"));
	/* one that cannot be taken leaves the profile's */
	load("VMA_RX_WRE=many", "VMA_SPEC=latency", NULL);
	assert_int_equal(conf()->rx_wre, 256);
	said_once("VMA_RX_WRE=many is not a whole decimal number: using 256");
	assert_false(conf_is_set("VMA_RX_WRE"));
}

static void
test_socketxtreme(void **state)
{
	const struct conf *c = conf();

	(void)state;
	load("VMA_SOCKETXTREME=1", NULL);
	assert_int_equal(c->rx_wre, 1024);
	assert_int_equal(c->gro_streams_max, 0);
	assert_int_equal(c->progress_engine_interval, 0);
	assert_int_equal(said_n, 0);
	/* the profile beats its side effects, variables beat both, but one of them holds */
	load("VMA_SOCKETXTREME=1", "VMA_SPEC=latency", NULL);
	assert_int_equal(c->rx_wre, 256);
	assert_int_equal(c->progress_engine_interval, 0);
	assert_int_equal(said_n, 0);
	load("VMA_SOCKETXTREME=1", "VMA_GRO_STREAMS_MAX=5", "VMA_PROGRESS_ENGINE_INTERVAL=20",
			NULL);
	assert_int_equal(c->gro_streams_max, 5);
	assert_int_equal(c->progress_engine_interval, 0);
	said_once("VMA_PROGRESS_ENGINE_INTERVAL=20 does not go with VMA_SOCKETXTREME=1: using 0");
}

static void
test_forced(void **state)
{
	const struct conf *c = conf();

	(void)state;
	load("VMA_RX_WRE=100", "VMA_RX_WRE_BATCHING=1000", NULL);
	assert_int_equal(c->rx_wre, 2000);
	assert_int_equal(c->qp_compensation_level, 1000);
	said_once("VMA_RX_WRE=100 is less than twice VMA_RX_WRE_BATCHING: using 2000");
	assert_int_equal(said_n, 1);
	load("VMA_TX_WRE=100", NULL);
	assert_int_equal(c->tx_wre, 128);
	load("VMA_RING_MIGRATION_RATIO_TX=50", NULL);
	assert_int_equal(c->ring_migration_ratio_tx, -1);
	said_once("VMA_RING_MIGRATION_RATIO_TX=50 does not go with VMA_TSO=1: using -1");
	load("VMA_RING_MIGRATION_RATIO_TX=50", "VMA_TSO=0", NULL);
	assert_int_equal(c->ring_migration_ratio_tx, 50);
	assert_int_equal(said_n, 0);

	load("VMA_SELECT_POLL_OS_FORCE=1", NULL);
	assert_int_equal(c->select_poll_os_ratio, 1);
	assert_int_equal(c->select_skip_os, 1);
	load("VMA_SELECT_POLL_OS_FORCE=1", "VMA_SELECT_SKIP_OS=8", NULL);
	assert_int_equal(c->select_poll_os_ratio, 1);
	assert_int_equal(c->select_skip_os, 8);

	load("VMA_RX_POLL=-1", NULL);
	assert_false(c->cq_moderation_enable);
	assert_int_equal(c->cq_aim_interval_msec, 0);
	load("VMA_SELECT_POLL=-1", "VMA_CQ_MODERATION_ENABLE=1", NULL);
	assert_true(c->cq_moderation_enable);
	assert_int_equal(c->cq_aim_interval_msec, 250);
	load("VMA_CQ_MODERATION_ENABLE=0", "VMA_CQ_AIM_INTERVAL_MSEC=9", NULL);
	assert_int_equal(c->cq_aim_interval_msec, 0);
	said_once("VMA_CQ_AIM_INTERVAL_MSEC=9 does not go with VMA_CQ_MODERATION_ENABLE=0: using "
		  "0");
	load("VMA_RX_WRE=1000", "VMA_CQ_MODERATION_COUNT=501", NULL);
	assert_int_equal(c->cq_moderation_count, 500);
	assert_int_equal(c->cq_aim_max_count, 500);
	assert_int_equal(said_n, 1);

	load("VMA_TIMER_RESOLUTION_MSEC=200", NULL);
	assert_int_equal(c->tcp_timer_resolution_msec, 200);
	load("VMA_MTU=100", "VMA_TX_BUF_SIZE=99", NULL);
	assert_int_equal(c->tx_prefetch_bytes, 100);
	assert_int_equal(c->tx_buf_size, 0);
	said_once("VMA_TX_BUF_SIZE=99 is less than VMA_MTU: using 0");
	load("VMA_BUFFER_BATCHING_MODE=0", NULL);
	assert_int_equal(c->tx_bufs_batch_udp, 1);
	load("DPVMA_EPHEMERAL_FIRST=61000", NULL);
	assert_int_equal(c->ephemeral_first, 32768);
	assert_int_equal(c->ephemeral_last, 60999);
	said_once("DPVMA_EPHEMERAL_FIRST=61000 is greater than DPVMA_EPHEMERAL_LAST=60999");
}

static void
test_program(void **state)
{
	const struct conf *c = conf();

	(void)state;
	load("VMA_RX_WRE=512", "VMA_TX_WRE=bad", NULL);
	assert_int_equal(said_n, 1);
	assert_int_equal(conf_set("VMA_RX_WRE", "1000"), 0);
	assert_int_equal(c->rx_wre, 1000); /* wins over the environment */
	assert_true(conf_is_set("VMA_RX_WRE"));
	assert_int_equal(conf_set("VMA_SPEC", "latency"), 0);
	assert_int_equal(c->rx_wre, 1000);
	assert_int_equal(c->tx_wre_batching, 4);
	/* of what was wrong before only what changed is said once more: VMA_TX_WRE, now 256 */
	assert_int_equal(said_n, 2);
	said_once("VMA_TX_WRE=bad is not a whole decimal number: using 256");
	said_n = 0;
	assert_int_equal(conf_set("VMA_RX_WRE", "x"), -EINVAL);
	said_once("VMA_RX_WRE=x is not a whole decimal number: left as it was");
	assert_int_equal(conf_set("VMA_TX_WRE_BATCHING", "65"), -EINVAL);
	assert_int_equal(c->rx_wre, 1000);
	assert_int_equal(c->tx_wre_batching, 4);
	assert_int_equal(conf_set("VMA_NOPE", "1"), -ENOENT);
	assert_int_equal(conf_set("rx_bufs_batch", "1"), -ENOENT);
	assert_int_equal(conf_set("Transmit", "1"), -ENOENT);
	assert_int_equal(conf_set("VMA_RX_SKIP_OS", "3"), 0);
	assert_int_equal(c->rx_udp_poll_os_ratio, 3);

	assert_int_equal(conf_set("DPVMA_PORTS", "p=10.0.0.1/24"), 0);
	assert_non_null(conf_port_find("p"));
	assert_int_equal(conf_set("DPVMA_PORTS", "q=10.0.0.1"), -EINVAL);
	assert_non_null(conf_port_find("p"));
	assert_null(conf_port_find("q"));
	assert_int_equal(conf_set("DPVMA_CONFIG", "/nonexistent/file"), -ENOENT);
	assert_string_equal(c->config, "");

	/* what the program puts right is right */
	assert_int_equal(load("DPVMA_PORTS=p=10.0.0.1", NULL), -EINVAL);
	assert_int_equal(conf_set("VMA_RX_WRE", "1000"), 0);
	assert_int_equal(conf_load(), -EINVAL);
	assert_int_equal(conf_set("DPVMA_PORTS", "p=10.0.0.1/24"), 0);
	assert_int_equal(conf_load(), 0);

	/* idempotent, and forgotten by a reload */
	assert_int_equal(conf_load(), 0);
	assert_int_equal(c->rx_wre, 1000);
	load(NULL);
	assert_int_equal(c->rx_wre, 16000);
	assert_int_equal(conf_ports_n(), 0);
	assert_false(conf_is_set("VMA_NOPE"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_other_profiles),
		cmocka_unit_test(test_variable_beats_profile),
		cmocka_unit_test(test_socketxtreme),
		cmocka_unit_test(test_forced),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
