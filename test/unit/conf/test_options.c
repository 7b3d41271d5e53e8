/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One option at a time: defaults, ranges, garbage, words, and what is said about them. The expected
 * numbers are written out here and not taken from the table.
 */
#include "conf_test.h"

#define D(name, value)                                                                             \
	{                                                                                          \
#name, value                                                                       \
	}

static const struct {
	const char *name;
	const char *value;
} defaults[] = {
	D(VMA_TRACELEVEL, "info"),
	D(VMA_LOG_DETAILS, "0"),
	D(VMA_LOG_COLORS, "1"),
	D(VMA_LOG_FILE, ""),
	D(VMA_STATS_FILE, ""),
	D(VMA_STATS_SHMEM_DIR, "/tmp/"),
	D(VMA_VMAD_NOTIFY_DIR, "/tmp/vma"),
	D(VMA_STATS_FD_NUM, "100"),
	D(VMA_CPU_USAGE_STATS, "0"),
	D(VMA_CONFIG_FILE, "/etc/libvma.conf"),
	D(VMA_APPLICATION_ID, "VMA_DEFAULT_APPLICATION_ID"),
	D(DPVMA_EXPLAIN, ""),
	D(VMA_HANDLE_SIGINTR, "0"),
	D(VMA_HANDLE_SIGSEGV, "0"),
	D(VMA_TIME_MEASURE_NUM_SAMPLES, "10000"),
	D(VMA_TIME_MEASURE_DUMP_FILE, "/tmp/VMA_inst.dump"),
	D(VMA_SPEC, "none"),
	D(VMA_SPEC_PARAM1, "1"),
	D(VMA_SPEC_PARAM2, "1"),
	D(VMA_TX_SEGS_TCP, "1000000"),
	D(VMA_TX_BUFS, "200000"),
	D(VMA_TX_BUF_SIZE, "0"),
	D(VMA_TX_WRE, "2048"),
	D(VMA_TX_WRE_BATCHING, "64"),
	D(VMA_TX_MAX_INLINE, "204"),
	D(VMA_TX_MC_LOOPBACK, "1"),
	D(VMA_TX_NONBLOCKED_EAGAINS, "0"),
	D(VMA_TX_PREFETCH_BYTES, "256"),
	D(VMA_TSO, "1"),
	D(VMA_TRIGGER_DUMMY_SEND_GETSOCKNAME, "0"),
	D(VMA_BF, "1"),
	D(VMA_RING_DEV_MEM_TX, "0"),
	D(VMA_RING_ALLOCATION_LOGIC_TX, "0"),
	D(VMA_RING_ALLOCATION_LOGIC_RX, "0"),
	D(VMA_RING_MIGRATION_RATIO_TX, "-1"), /* 100, but VMA_TSO is on */
	D(VMA_RING_MIGRATION_RATIO_RX, "100"),
	D(VMA_RING_LIMIT_PER_INTERFACE, "0"),
	D(VMA_RX_BUFS, "200000"),
	D(VMA_RX_WRE, "16000"),
	D(VMA_RX_WRE_BATCHING, "64"),
	D(VMA_RX_BYTES_MIN, "65536"),
	D(VMA_RX_POLL, "100000"),
	D(VMA_RX_POLL_INIT, "0"),
	D(VMA_RX_UDP_POLL_OS_RATIO, "100"),
	D(VMA_RX_POLL_YIELD, "0"),
	D(VMA_RX_PREFETCH_BYTES, "256"),
	D(VMA_RX_PREFETCH_BYTES_BEFORE_POLL, "0"),
	D(VMA_RX_CQ_DRAIN_RATE_NSEC, "0"),
	D(VMA_RX_POLL_ON_TX_TCP, "0"),
	D(VMA_GRO_STREAMS_MAX, "32"),
	D(VMA_TCP_3T_RULES, "0"),
	D(VMA_UDP_3T_RULES, "1"),
	D(VMA_ETH_MC_L2_ONLY_RULES, "0"),
	D(VMA_MC_FORCE_FLOWTAG, "0"),
	D(VMA_HW_TS_CONVERSION, "3"),
	D(VMA_SELECT_POLL, "100000"),
	D(VMA_SELECT_POLL_OS_FORCE, "0"),
	D(VMA_SELECT_POLL_OS_RATIO, "10"),
	D(VMA_SELECT_SKIP_OS, "4"),
	D(VMA_PROGRESS_ENGINE_INTERVAL, "10"),
	D(VMA_PROGRESS_ENGINE_WCE_MAX, "10000"),
	D(VMA_CQ_MODERATION_ENABLE, "1"),
	D(VMA_CQ_MODERATION_COUNT, "48"),
	D(VMA_CQ_MODERATION_PERIOD_USEC, "50"),
	D(VMA_CQ_AIM_MAX_COUNT, "560"),
	D(VMA_CQ_AIM_MAX_PERIOD_USEC, "250"),
	D(VMA_CQ_AIM_INTERVAL_MSEC, "250"),
	D(VMA_CQ_AIM_INTERRUPTS_RATE_PER_SEC, "5000"),
	D(VMA_CQ_POLL_BATCH_MAX, "16"),
	D(VMA_CQ_KEEP_QP_FULL, "1"),
	D(VMA_QP_COMPENSATION_LEVEL, "256"),
	D(VMA_OFFLOADED_SOCKETS, "1"),
	D(VMA_SOCKETXTREME, "0"),
	D(VMA_MTU, "0"),
	D(VMA_MSS, "0"),
	D(VMA_TCP_CC_ALGO, "1"),
	D(VMA_TCP_MAX_SYN_RATE, "0"),
	D(VMA_TCP_TIMER_RESOLUTION_MSEC, "100"),
	D(VMA_TIMER_RESOLUTION_MSEC, "10"),
	D(VMA_TCP_CTL_THREAD, "0"),
	D(VMA_TCP_TIMESTAMP_OPTION, "0"),
	D(VMA_TCP_NODELAY, "0"),
	D(VMA_TCP_QUICKACK, "0"),
	D(VMA_EXCEPTION_HANDLING, "-1"),
	D(VMA_AVOID_SYS_CALLS_ON_TCP_FD, "0"),
	D(VMA_ALLOW_PRIVILEGED_SOCK_OPT, "1"),
	D(VMA_CLOSE_ON_DUP2, "1"),
	D(VMA_FORK, "1"),
	D(VMA_WAIT_AFTER_JOIN_MSEC, "0"),
	D(VMA_IPOIB, "1"),
	D(VMA_DEFERRED_CLOSE, "0"),
	D(VMA_INTERNAL_THREAD_AFFINITY, "-1"),
	D(VMA_INTERNAL_THREAD_CPUSET, ""),
	D(VMA_INTERNAL_THREAD_ARM_CQ, "0"),
	D(VMA_INTERNAL_THREAD_TCP_TIMER_HANDLING, "0"),
	D(VMA_THREAD_MODE, "1"),
	D(VMA_BUFFER_BATCHING_MODE, "1"),
	D(VMA_MEM_ALLOC_TYPE, "1"),
	D(VMA_NEIGH_UC_ARP_QUATA, "3"),
	D(VMA_NEIGH_UC_ARP_DELAY_MSEC, "10000"),
	D(VMA_NEIGH_NUM_ERR_RETRIES, "1"),
	D(VMA_NETLINK_TIMER, "10000"),
	D(DPVMA_EAL_ARGS, ""),
	D(DPVMA_CONFIG, ""),
	D(DPVMA_PORTS, ""),
	D(DPVMA_QUEUES, "0"),
	D(DPVMA_STEERING, "auto"),
	D(DPVMA_LRO, "auto"),
	D(DPVMA_SPREAD, "hash"),
	D(DPVMA_LISTEN_RINGS, "1"),
	D(DPVMA_RX_BURST, "64"),
	D(DPVMA_TX_SCHEDULING, "0"),
	D(DPVMA_MPRQ_STRIDE, "2048"),
	D(DPVMA_MPRQ_STRIDES, "1024"),
	D(DPVMA_VMA_ABI, "B"),
	D(DPVMA_NAP_USEC, "50"),
	D(DPVMA_HANDOVER, "4096"),
	D(DPVMA_EPHEMERAL_FIRST, "32768"),
	D(DPVMA_EPHEMERAL_LAST, "60999"),
};

/* What conf_print() says at level details: every variable with its value. */
static char *
printed(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	conf_print(f);
	fclose(f);
	return text;
}

/* The value of @p name in what was printed, to the end of the line. */
static void
value_in(const char *text, const char *name, char *buf, size_t size)
{
	const char *at = text;
	size_t len = strlen(name);

	while (at != NULL && (strncmp(at, name, len) != 0 || at[len] != ' ')) {
		at = strchr(at, '\n');
		at = at != NULL && at[1] != '\0' ? at + 1 : NULL;
	}
	if (at == NULL)
		fail_msg("%s is not printed", name);
	at += len + strspn(at + len, " ");
	snprintf(buf, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void
test_defaults(void **state)
{
	unsigned int i, lines = 0;
	char value[128], *text;
	const char *p;

	(void)state;
	assert_int_equal(load(NULL), 0);
	log_level_now = LOG_LEVEL_DETAILS;
	text = printed();
	for (i = 0; i < RTE_DIM(defaults); i++) {
		value_in(text, defaults[i].name, value, sizeof(value));
		if (strcmp(value, defaults[i].value) != 0)
			fail_msg("%s is %s, not %s", defaults[i].name, value, defaults[i].value);
		assert_false(conf_is_set(defaults[i].name));
	}
	/* and no variable is without an expectation; the callback of this test is one more */
	for (p = text; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, RTE_DIM(defaults) + 1);
	free(text);
	assert_int_equal(said_n, 0);
	/* profiles and VMA_BUFFER_BATCHING_MODE only */
	assert_int_equal(conf()->tx_bufs_batch_tcp, 16);
	assert_int_equal(conf()->tx_bufs_batch_udp, 8);
	assert_int_equal(conf()->rx_bufs_batch, 64);
}

static void
test_print_differs(void **state)
{
	char *text;

	(void)state;
	load("VMA_RX_WRE=4096", "VMA_TCP_NODELAY=1", NULL);
	text = printed();
	assert_non_null(strstr(text, "VMA_RX_WRE "));
	assert_non_null(strstr(text, "4096 (default 16000)"));
	assert_non_null(strstr(text, "VMA_TCP_NODELAY "));
	assert_null(strstr(text, "VMA_TX_WRE"));
	assert_null(strstr(text, "VMA_RING_MIGRATION_RATIO_TX"));
	free(text);
	said_n = 0;
	conf_log();
	assert_int_equal(said_n, 3); /* with the callback */
	assert_int_equal(said_level[0], LOG_LEVEL_INFO);
}

/* A value, what comes of it, and what has to be in the one line about it; NULL: no line. */
struct given {
	const char *set;
	const char *value;
	const char *line;
};

static const struct given given[] = {
	/* whole decimal numbers */
	{ "VMA_RX_WRE=2000", "2000", NULL },
	{ "VMA_RX_WRE= 2000 ", "2000", NULL },
	{ "VMA_RX_WRE=", "16000", "VMA_RX_WRE= is not a whole decimal number: using 16000" },
	{ "VMA_RX_WRE=abc", "16000", "VMA_RX_WRE=abc is not a whole decimal number: using 16000" },
	{ "VMA_RX_WRE=100k", "16000", "VMA_RX_WRE=100k is not" },
	{ "VMA_RX_WRE=0x400", "16000", "VMA_RX_WRE=0x400 is not" },
	{ "VMA_RX_WRE=1.5", "16000", "VMA_RX_WRE=1.5 is not" },
	{ "VMA_RX_WRE=0", "16000", "VMA_RX_WRE=0 is not at least 1: using 16000" },
	{ "VMA_RX_WRE=99999999999999999999", "16000", "is not at least 1: using 16000" },
	{ "VMA_RX_POLL_INIT=010", "10", NULL }, /* not octal */
	/* ranges that clamp */
	{ "VMA_STATS_FD_NUM=1024", "1024", NULL },
	{ "VMA_STATS_FD_NUM=1025", "1024", "VMA_STATS_FD_NUM=1025 is outside 0..1024: using 1024" },
	{ "VMA_STATS_FD_NUM=-1", "0", "VMA_STATS_FD_NUM=-1 is outside 0..1024: using 0" },
	{ "VMA_TX_WRE_BATCHING=0", "1", "is outside 1..64: using 1" },
	{ "VMA_TX_WRE_BATCHING=65", "64", "is outside 1..64: using 64" },
	{ "VMA_RX_WRE_BATCHING=1025", "1024", "is outside 1..1024: using 1024" },
	{ "VMA_TX_MAX_INLINE=885", "884", "is outside 0..884: using 884" },
	{ "VMA_TCP_MAX_SYN_RATE=100001", "100000", "using 100000" },
	{ "VMA_TCP_MAX_SYN_RATE=99999999999999", "100000", "using 100000" },
	{ "VMA_RING_LIMIT_PER_INTERFACE=-5", "0", "is not at least 0: using 0" },
	{ "VMA_GRO_STREAMS_MAX=-1", "0", "is not at least 0: using 0" },
	{ "VMA_RING_DEV_MEM_TX=-1", "0", "is not at least 0: using 0" },
	/* ranges beyond which the default holds */
	{ "VMA_RX_POLL=-1", "-1", NULL },
	{ "VMA_RX_POLL=-2", "100000", "is outside -1..100000000: using 100000" },
	{ "VMA_RX_POLL=100000001", "100000", "using 100000" },
	{ "VMA_RX_POLL=0", "1", NULL }, /* at least one look */
	{ "VMA_SELECT_POLL=0", "0", NULL },
	{ "VMA_SELECT_POLL=100000001", "100000", "using 100000" },
	{ "VMA_RX_PREFETCH_BYTES=32", "32", NULL },
	{ "VMA_RX_PREFETCH_BYTES=31", "256", "is outside 32..2044: using 256" },
	{ "VMA_RX_PREFETCH_BYTES=2045", "256", "is outside 32..2044: using 256" },
	{ "VMA_RX_PREFETCH_BYTES_BEFORE_POLL=0", "0", NULL },
	{ "VMA_RX_PREFETCH_BYTES_BEFORE_POLL=31", "0", "is outside 0 or 32..2044: using 0" },
	{ "VMA_CQ_POLL_BATCH_MAX=128", "128", NULL },
	{ "VMA_CQ_POLL_BATCH_MAX=129", "16", "is outside 1..128: using 16" },
	{ "VMA_TX_BUF_SIZE=65280", "65280", NULL },
	{ "VMA_TX_BUF_SIZE=65281", "0", "is outside 0..65280: using 0" },
	{ "VMA_RING_MIGRATION_RATIO_RX=-2", "100", "is not at least -1: using 100" },
	{ "DPVMA_QUEUES=1025", "0", "is outside 0..1024: using 0" },
	{ "DPVMA_RX_BURST=7", "64", "is outside 8..256: using 64" },
	{ "DPVMA_NAP_USEC=10001", "50", "is outside 1..10000: using 50" },
	/* powers of two */
	{ "DPVMA_MPRQ_STRIDE=8192", "8192", NULL },
	{ "DPVMA_MPRQ_STRIDE=100", "2048",
			"DPVMA_MPRQ_STRIDE=100 is not a power of two: using 2048" },
	{ "DPVMA_MPRQ_STRIDE=32", "2048", "is outside 64..8192: using 2048" },
	{ "DPVMA_MPRQ_STRIDES=65536", "65536", NULL },
	{ "DPVMA_MPRQ_STRIDES=9", "1024", "is not a power of two: using 1024" },
	{ "DPVMA_HANDOVER=5000", "4096", "is not a power of two: using 4096" },
	/* truth values */
	{ "VMA_TCP_NODELAY=1", "1", NULL },
	{ "VMA_TCP_NODELAY=2", "1", NULL },
	{ "VMA_TCP_NODELAY=-1", "1", NULL },
	{ "VMA_TX_MC_LOOPBACK=0", "0", NULL },
	{ "VMA_TX_MC_LOOPBACK=no", "1", "VMA_TX_MC_LOOPBACK=no is neither 0 nor 1: using 1" },
	{ "VMA_TX_MC_LOOPBACK=", "1", "VMA_TX_MC_LOOPBACK= is neither 0 nor 1: using 1" },
	/* words */
	{ "VMA_RING_ALLOCATION_LOGIC_RX=31", "31", NULL },
	{ "VMA_RING_ALLOCATION_LOGIC_RX=11", "0", "is none of 0, 1, 10, 20, 30, 31: using 0" },
	{ "VMA_RING_ALLOCATION_LOGIC_TX=2", "0", "VMA_RING_ALLOCATION_LOGIC_TX=2 is none of" },
	{ "VMA_HW_TS_CONVERSION=4", "4", NULL },
	{ "VMA_HW_TS_CONVERSION=5", "3", "is none of 0, 1, 2, 3, 4: using 3" },
	{ "VMA_EXCEPTION_HANDLING=-2", "-2", NULL },
	{ "VMA_EXCEPTION_HANDLING=4", "-1", "using -1" },
	{ "VMA_THREAD_MODE=4", "1", "using 1" },
	{ "VMA_THREAD_MODE=02", "2", NULL },
	{ "VMA_MEM_ALLOC_TYPE=3", "1", "using 1" },
	{ "VMA_BUFFER_BATCHING_MODE=3", "1", "using 1" },
	{ "VMA_TCP_CTL_THREAD=3", "0", "using 0" },
	{ "VMA_TCP_TIMESTAMP_OPTION=3", "0", "using 0" },
	{ "VMA_TCP_CC_ALGO=x", "1", "is none of 0, 1, 2: using 1" },
	{ "VMA_SPEC=nothing", "none", "VMA_SPEC=nothing is none of none, latency" },
	{ "VMA_TRACELEVEL=loud", "info", "VMA_TRACELEVEL=loud is none of none, panic" },
	{ "VMA_TRACELEVEL=Information", "info", NULL },
	{ "DPVMA_VMA_ABI=b", "B", NULL },
	{ "DPVMA_VMA_ABI=A", "A", NULL },
	{ "DPVMA_VMA_ABI=C", "C", NULL },
	{ "DPVMA_VMA_ABI=D", "D", NULL },
	{ "DPVMA_VMA_ABI=E", "E", NULL },
	{ "DPVMA_VMA_ABI=F", "B", "is none of A, B, C, D, E: using B" },
	/* lists of CPUs */
	{ "VMA_INTERNAL_THREAD_AFFINITY=0,1,7-10", "0-1,7-10", NULL },
	{ "VMA_INTERNAL_THREAD_AFFINITY=0x9", "0,3", NULL },
	{ "VMA_INTERNAL_THREAD_AFFINITY=-1", "-1", NULL },
	{ "VMA_INTERNAL_THREAD_AFFINITY=3-1", "-1", "is neither a list of CPUs" },
	{ "VMA_INTERNAL_THREAD_AFFINITY=1,", "-1", "is neither a list of CPUs" },
	{ "VMA_INTERNAL_THREAD_AFFINITY=1-", "-1", "is neither a list of CPUs" },
	{ "VMA_INTERNAL_THREAD_AFFINITY=99999", "-1", "is neither a list of CPUs" },
	{ "VMA_INTERNAL_THREAD_AFFINITY=0x", "-1", "is neither a list of CPUs" },
	{ "VMA_INTERNAL_THREAD_AFFINITY=0x0", "-1", "is neither a list of CPUs" },
	{ "VMA_INTERNAL_THREAD_AFFINITY=0xg", "-1", "is neither a list of CPUs" },
	/* strings */
	{ "VMA_STATS_SHMEM_DIR=", "", NULL },
	{ "VMA_APPLICATION_ID=a b", "a b", NULL },
	{ "VMA_APPLICATION_ID=0123456789012345678901234567890123456789012345678901234567890123",
			"VMA_DEFAULT_APPLICATION_ID", "is longer than 63 characters" },
};

static void
test_given(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(given); i++) {
		char name[64], value[128], *text;
		const struct given *g = &given[i];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(g->set, "="), g->set);
		assert_int_equal(load(g->set, NULL), 0);
		log_level_now = LOG_LEVEL_DETAILS;
		text = printed();
		value_in(text, name, value, sizeof(value));
		value[strcspn(value, "(")] = '\0';
		value[strlen(value) - (strlen(value) > 0 && value[strlen(value) - 1] == ' ')] =
				'\0';
		free(text);
		if (strcmp(value, g->value) != 0)
			fail_msg("%s gives %s, not %s", g->set, value, g->value);
		if (g->line != NULL)
			said_once(g->line);
		if (said_n != (g->line != NULL))
			fail_msg("%s says %u lines", g->set, said_n);
		if (g->line != NULL)
			assert_int_equal(said_level[0], LOG_LEVEL_WARNING);
	}
}

static void
test_typed(void **state)
{
	char path[64];

	(void)state;
	load("VMA_TRACELEVEL=4", "VMA_SPEC=29", "VMA_RING_ALLOCATION_LOGIC_TX=20",
			"VMA_MEM_ALLOC_TYPE=2", "VMA_INTERNAL_THREAD_AFFINITY=1",
			"VMA_LOG_FILE=/dev/null", "VMA_STATS_FILE=/tmp/s.%d.%d", NULL);
	assert_int_equal(conf()->tracelevel, CONF_TRACE_DEBUG);
	assert_int_equal(log_level_now, LOG_LEVEL_DEBUG);
	assert_int_equal(conf()->log_details, 2);
	assert_int_equal(conf()->spec, CONF_SPEC_29WEST);
	assert_int_equal(conf()->ring_allocation_logic_tx, CONF_RING_PER_THREAD);
	assert_int_equal(conf()->mem_alloc_type, CONF_MEM_HUGE);
	assert_int_equal(CPU_COUNT(&conf()->internal_thread_affinity), 1);
	assert_true(CPU_ISSET(1, &conf()->internal_thread_affinity));
	assert_string_equal(conf()->log_file, "/dev/null");
	/* the first %d only */
	snprintf(path, sizeof(path), "/tmp/s.%d.%%d", (int)getpid());
	assert_string_equal(conf()->stats_file, path);
	load("VMA_TRACELEVEL=debug", "VMA_LOG_DETAILS=0", "VMA_STATS_SHMEM_DIR=%s%d", NULL);
	assert_int_equal(conf()->log_details, 0);
	snprintf(path, sizeof(path), "%%s%d", (int)getpid());
	assert_string_equal(conf()->stats_shmem_dir, path);
	load("DPVMA_EAL_ARGS=-l %d", NULL); /* no path */
	assert_string_equal(conf()->eal_args, "-l %d");
}

static void
test_no_meaning(void **state)
{
	unsigned int i;

	(void)state;
	load("VMA_BF=0", NULL);
	assert_int_equal(said_n, 0); /* below info */
	load("VMA_BF=0", "VMA_TRACELEVEL=debug", NULL);
	assert_false(conf()->bf);
	said_once("VMA_BF has no meaning on DPDK");
	for (i = 0; i < said_n; i++)
		assert_int_equal(said_level[i], LOG_LEVEL_DEBUG);
	load("VMA_TCP_NODELAY=1", "VMA_TRACELEVEL=debug", NULL);
	for (i = 0; i < said_n; i++)
		assert_null(strstr(said[i], "no meaning"));
}

static void
test_unknown(void **state)
{
	(void)state;
	assert_int_equal(load("VMA_RX_BUF=1", "DPVMA_NOPE=1", "OTHER_VMA_X=1", "XVMA_RX_BUFS=1",
					 "rx_bufs_batch=9", NULL),
			0);
	assert_int_equal(said_n, 2);
	said_once("VMA_RX_BUF is not a known variable: ignored");
	said_once("DPVMA_NOPE is not a known variable: ignored");
	assert_int_equal(conf()->rx_bufs_batch, 64);
	/* nothing in a value can break the line or the terminal */
	load("VMA_RX_WRE=\033[2J\nx", NULL);
	assert_int_equal(said_n, 1);
	assert_null(strchr(said[0], '\033'));
	assert_ptr_equal(strchr(said[0], '\n'), said[0] + strlen(said[0]) - 1);
}

static void
test_retired(void **state)
{
	(void)state;
	load("VMA_RX_POLL_OS_RATIO=7", NULL);
	assert_int_equal(conf()->rx_udp_poll_os_ratio, 7);
	assert_int_equal(said_n, 1);
	said_once("VMA_RX_POLL_OS_RATIO is retired: set VMA_RX_UDP_POLL_OS_RATIO=7 instead");
	assert_true(conf_is_set("VMA_RX_UDP_POLL_OS_RATIO"));
	load("VMA_RX_SKIP_OS=9", "VMA_SPEC=29west", NULL);
	assert_int_equal(conf()->rx_udp_poll_os_ratio, 9);
	said_once("VMA_RX_SKIP_OS is retired");
	/* the replacement wins */
	load("VMA_RX_SKIP_OS=9", "VMA_RX_UDP_POLL_OS_RATIO=3", NULL);
	assert_int_equal(conf()->rx_udp_poll_os_ratio, 3);
	said_once("VMA_RX_SKIP_OS is retired and ignored: VMA_RX_UDP_POLL_OS_RATIO is set too");
	load("VMA_RX_SKIP_OS=x", NULL);
	assert_int_equal(conf()->rx_udp_poll_os_ratio, 100);
	load("VMA_RX_UDP_HW_TS_CONVERSION=1", "VMA_MAX_INLINE=100", "VMA_TCP_MAX_SYN_FIN_RATE=5",
			NULL);
	assert_int_equal(conf()->hw_ts_conversion, CONF_HW_TS_RAW);
	assert_int_equal(conf()->tx_max_inline, 100);
	assert_int_equal(conf()->tcp_max_syn_rate, 5);
	assert_int_equal(said_n, 3);
	load("VMA_HUGETBL=1", "VMA_WINDOW_SCALING=1", NULL);
	assert_int_equal(said_n, 2);
	said_once("VMA_HUGETBL is retired and ignored: set VMA_MEM_ALLOC_TYPE=2");
	assert_int_equal(conf()->mem_alloc_type, CONF_MEM_CONTIG);
	/* what was forgotten is gone */
	load(NULL);
	assert_int_equal(conf()->rx_udp_poll_os_ratio, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_print_differs),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_typed),
		cmocka_unit_test(test_no_meaning),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_retired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
