/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of cases and the start of one: cxtest CASE [EAL arguments]. */
#include "cxtest.h"
#include <rte_eal.h>

#define MPRQ(num, size, more)                                                                      \
	"mprq_en=1,rxqs_min_mprq=1,mprq_max_memcpy_len=0,mprq_log_stride_num=" num                 \
	",mprq_log_stride_size=" size more
#define SCALAR ",rx_vec_en=0"
#define GEN "gen:dst=10.99.0.2,port=5000"
#define GEN_CHECKED GEN ",ports=3,flows=5,count=200000"

static const struct test_case cases[] = {
	{ .name = "gen",
			.wire = GEN_CHECKED ",size=101",
			.devargs = MPRQ("10", "8", ""),
			.run = case_gen,
			.a = 200000,
			.b = 3 },
	{ .name = "gen-scalar",
			.wire = GEN_CHECKED,
			.devargs = MPRQ("10", "8", SCALAR),
			.run = case_gen,
			.a = 200000,
			.b = 3 },
	{ .name = "gen-sprq",
			.wire = GEN_CHECKED ",size=1472",
			.devargs = "mprq_en=0",
			.run = case_gen,
			.a = 200000,
			.b = 3 },
	/* bursts of 27, so that a session would cross the end of the ring if it could */
	{ .name = "gen-compressed",
			.wire = GEN_CHECKED ",burst=27",
			.devargs = MPRQ("10", "8", ""),
			.run = case_gen,
			.env = "CONNECTX_CQE_COMP=1",
			.a = 200000,
			.b = 3 },
	{ .name = "gen-compressed-sprq",
			.wire = GEN_CHECKED ",burst=27",
			.devargs = "mprq_en=0",
			.run = case_gen,
			.env = "CONNECTX_CQE_COMP=1",
			.a = 200000,
			.b = 3 },
	/* the other format of a session, and the scalar paths */
	{ .name = "gen-compressed-csum",
			.wire = GEN_CHECKED ",burst=27",
			.devargs = MPRQ("10", "8", ",rxq_cqe_comp_en=3"),
			.run = case_gen,
			.env = "CONNECTX_CQE_COMP=1",
			.a = 200000,
			.b = 3 },
	{ .name = "gen-compressed-csum-scalar",
			.wire = GEN_CHECKED ",burst=27",
			.devargs = MPRQ("10", "8", ",rxq_cqe_comp_en=3" SCALAR),
			.run = case_gen,
			.env = "CONNECTX_CQE_COMP=1",
			.a = 200000,
			.b = 3 },
	{ .name = "gen-compressed-sprq-scalar",
			.wire = GEN_CHECKED ",burst=27",
			.devargs = "mprq_en=0" SCALAR,
			.run = case_gen,
			.env = "CONNECTX_CQE_COMP=1",
			.a = 200000,
			.b = 3 },
	/* three strides a frame, and a buffer of 64 holds 21 of them */
	{ .name = "gen-filler",
			.wire = GEN_CHECKED ",size=600",
			.devargs = MPRQ("6", "8", ""),
			.run = case_gen,
			.a = 200000,
			.b = 3 },
	{ .name = "gen-rate",
			.wire = GEN ",rate=20000,count=10000",
			.devargs = MPRQ("10", "8", ""),
			.run = case_gen,
			.a = 10000,
			.b = 1 },
	{ .name = "gen-verbs",
			.wire = GEN_CHECKED,
			.devargs = "mprq_en=0,dv_flow_en=0",
			.run = case_gen,
			.env = "CONNECTX_DEVX=0",
			.a = 200000,
			.b = 3 },
	{ .name = "overload",
			.wire = GEN ",lossless=0,count=300000",
			.devargs = MPRQ("10", "8", ""),
			.run = case_overload,
			.a = 300000 },
	{ .name = "stride-64x2048",
			.wire = GEN ",size=1400,count=8000",
			.devargs = MPRQ("6", "11", ""),
			.run = case_stride,
			.a = 64,
			.b = 2048 },
	{ .name = "stride-256x2048",
			.wire = GEN ",size=1400,count=8000",
			.devargs = MPRQ("8", "11", ""),
			.run = case_stride,
			.a = 256,
			.b = 2048 },
	{ .name = "stride-1024x256",
			.wire = GEN ",size=64,count=8000",
			.devargs = MPRQ("10", "8", ""),
			.run = case_stride,
			.a = 1024,
			.b = 256 },
	{ .name = "stride-2048x512",
			.wire = GEN ",size=300,count=20000",
			.devargs = MPRQ("11", "9", ""),
			.run = case_stride,
			.a = 2048,
			.b = 512 },
	{ .name = "stride-64x2048-scalar",
			.wire = GEN ",size=1400,count=8000",
			.devargs = MPRQ("6", "11", SCALAR),
			.run = case_stride,
			.a = 64,
			.b = 2048 },
	{ .name = "stride-256x2048-scalar",
			.wire = GEN ",size=1400,count=8000",
			.devargs = MPRQ("8", "11", SCALAR),
			.run = case_stride,
			.a = 256,
			.b = 2048 },
	{ .name = "stride-1024x256-scalar",
			.wire = GEN ",size=64,count=8000",
			.devargs = MPRQ("10", "8", SCALAR),
			.run = case_stride,
			.a = 1024,
			.b = 256 },
	{ .name = "stride-2048x512-scalar",
			.wire = GEN ",size=300,count=20000",
			.devargs = MPRQ("11", "9", SCALAR),
			.run = case_stride,
			.a = 2048,
			.b = 512 },
	{ .name = "flow", .wire = "tap:" WIRE, .devargs = MPRQ("6", "11", ""), .run = case_flow },
	{ .name = "rules",
			.wire = GEN ",ports=10000",
			.devargs = MPRQ("10", "8", ""),
			.run = case_rules,
			.a = 10000 },
	{ .name = "control",
			.wire = GEN ",lossless=0",
			.devargs = MPRQ("10", "8", ""),
			.run = case_control,
			.env = "CONNECTX_SLEEP_US=0",
			.a = 2000 },
	{ .name = "rss", .wire = "tap:" WIRE, .devargs = MPRQ("6", "11", ""), .run = case_rss },
	{ .name = "rss-verbs",
			.wire = "tap:" WIRE,
			.devargs = "mprq_en=0,dv_flow_en=0",
			.run = case_rss,
			.env = "CONNECTX_DEVX=0" },
	{ .name = "lro",
			.wire = "tap:" WIRE,
			.devargs = "mprq_en=1,rxqs_min_mprq=1,lro_timeout_usec=1024",
			.run = case_lro },
	{ .name = "lro-rules",
			.wire = "loop",
			.devargs = "mprq_en=0,lro_timeout_usec=1024",
			.run = case_lro_rules,
			.a = 16000 },
	{ .name = "lro-rules-strip",
			.wire = "loop",
			.devargs = "mprq_en=0,lro_timeout_usec=1024",
			.run = case_lro_rules,
			.a = 16000,
			.b = 1 },
	/* the PMD wants a stride to hold the largest frame */
	{ .name = "lro-rules-mprq",
			.wire = "loop",
			.devargs = MPRQ("6", "13", ",lro_timeout_usec=1024"),
			.run = case_lro_rules,
			.a = 7936,
			.b = 1 },
	{ .name = "rss-fields",
			.wire = "loop",
			.devargs = MPRQ("6", "11", ""),
			.run = case_rss_fields },
	{ .name = "steer", .wire = "loop", .devargs = MPRQ("6", "11", ""), .run = case_steer },
	{ .name = "steer-many",
			.wire = GEN ",ports=8",
			.devargs = MPRQ("10", "8", ""),
			.run = case_steer_many,
			.a = 20000 },
	{ .name = "steer-churn",
			.wire = GEN ",ports=8",
			.devargs = "mprq_en=0,rx_vec_en=0",
			.run = case_steer_churn,
			.a = 200 },
	/* The vector path of DPDK 22.11 does not get over an error: it looks for the end of the
	 * completions at the one that it has consumed. */
	{ .name = "rx-error",
			.wire = "loop",
			.devargs = "mprq_en=0,max_dump_files_num=1" SCALAR,
			.run = case_rx_error },
	{ .name = "rx-error-mprq",
			.wire = "loop",
			.devargs = MPRQ("6", "11", ",max_dump_files_num=1") SCALAR,
			.run = case_rx_error },
	{ .name = "timestamp",
			.wire = "loop",
			.devargs = MPRQ("6", "11", ""),
			.run = case_timestamp },
	{ .name = "timestamp-scatter",
			.wire = "loop",
			.devargs = "mprq_en=0",
			.run = case_timestamp,
			.a = 1 },
	{ .name = "timestamp-scatter-mprq",
			.wire = "loop",
			.devargs = MPRQ("8", "8", ""),
			.run = case_timestamp,
			.a = 2 },
	{ .name = "intr", .wire = "tap:" WIRE, .devargs = MPRQ("6", "11", ""), .run = case_intr },
	{ .name = "restart",
			.wire = "tap:" WIRE,
			.devargs = MPRQ("6", "11", ""),
			.run = case_restart },
	{ .name = "afp", .wire = "afp:cxv0", .devargs = MPRQ("6", "11", ""), .run = case_restart },
	{ .name = "loop", .wire = "loop", .devargs = MPRQ("6", "11", ""), .run = case_loop },
	/* the PMD stops single queues in this mode only */
	{ .name = "restart-queue",
			.wire = "tap:" WIRE,
			.devargs = "mprq_en=0,rx_vec_en=0",
			.run = case_restart,
			.a = 1 },
	{ .name = "csum", .wire = "tap:" WIRE, .devargs = MPRQ("6", "11", ""), .run = case_csum },
	/* inline data and multi-packet entries; pointers alone */
	{ .name = "tx",
			.wire = "tap:" WIRE,
			.devargs = "txqs_min_inline=1",
			.run = case_tx,
			.a = 1 },
	{ .name = "tx-pointers", .wire = "tap:" WIRE, .devargs = "txq_mpw_en=0", .run = case_tx },
	{ .name = "bad-wire",
			.wire = "wet:string",
			.devargs = "",
			.run = case_bad_wire,
			.before = before_bad_wire },
	{ .name = "bad-gen-option",
			.wire = GEN ",colour=red",
			.devargs = "",
			.run = case_bad_wire,
			.before = before_bad_wire },
	{ .name = "bad-gen-number",
			.wire = GEN ",size=3",
			.devargs = "",
			.run = case_bad_wire,
			.before = before_bad_wire },
	{ .name = "bad-gen-nothing",
			.wire = "gen:",
			.devargs = "",
			.run = case_bad_wire,
			.before = before_bad_wire },
	{ .name = "bad-afp",
			.wire = "afp:nosuchif",
			.devargs = "",
			.run = case_bad_wire,
			.before = before_bad_wire },
	{ .name = "bad-pci",
			.wire = "null",
			.devargs = "",
			.run = case_bad_wire,
			.env = "CONNECTX_PCI=banana",
			.before = before_bad_wire },
	{ .name = "tree", .wire = "null", .devargs = "", .run = case_tree, .before = before_tree },
};

/* geometry-NUM-SIZE[-scalar]: a striding queue with those logarithms. Whole frames must be right,
 * whatever part of a stride, or how many strides, they take. */
static const struct test_case *
geometry(const char *name)
{
	static struct test_case t = { .run = case_gen, .a = 20000, .b = 3 };
	static char devargs[200];
	unsigned int num, size;

	if (sscanf(name, "geometry-%u-%u", &num, &size) != 2)
		return NULL;
	snprintf(devargs, sizeof(devargs), MPRQ("%u", "%u", "%s"), num, size,
			strstr(name, "scalar") ? SCALAR : "");
	t.name = name;
	t.devargs = devargs;
	/* 700 bytes take eleven strides of the smallest */
	t.wire = GEN ",ports=3,flows=5,count=20000,size=700";
	return &t;
}

int
main(int argc, char **argv)
{
	const struct test_case *c;
	char device[256], *eal[32];
	int i, n = 0;
	size_t k;

	for (k = 0; k < RTE_DIM(cases) && argc > 1; k++)
		if (strcmp(cases[k].name, argv[1]) == 0)
			break;
	c = k < RTE_DIM(cases) ? &cases[k] : argc > 1 ? geometry(argv[1]) : NULL;
	if (argc < 2 || c == NULL) {
		for (k = 0; k < RTE_DIM(cases); k++)
			printf("%s\n", cases[k].name);
		return argc < 2 ? 0 : 2;
	}
	setenv("CONNECTX_WIRE", c->wire, 1);
	if (c->env != NULL)
		putenv((char *)(uintptr_t)c->env);
	snprintf(device, sizeof(device), "0000:03:00.0%s%s", c->devargs[0] ? "," : "", c->devargs);
	eal[n++] = argv[0];
	eal[n++] = (char *)(uintptr_t) "--no-telemetry";
	eal[n++] = (char *)(uintptr_t) "-a";
	eal[n++] = device;
	for (i = 2; i < argc && n < 31; i++)
		eal[n++] = argv[i];
	eal[n] = NULL;
	if (c->before != NULL)
		c->before();
	CHECK(rte_eal_init(n, eal) >= 0, "EAL");
	c->run(c);
	CHECK(rte_eal_cleanup() == 0, "cleanup");
	printf("ok %s\n", c->name);
	return 0;
}
