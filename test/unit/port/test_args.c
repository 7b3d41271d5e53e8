/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of EAL: words and quotes, what is added to it and what is left alone. Devices
 * come from a directory of PCI devices made here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port_test.h"

#include "port/port_priv.h"

static char pci_dir[64];

static void
make_file(const char *device, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", pci_dir, device);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", pci_dir, device, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
make_pci(void **state)
{
	(void)state;
	snprintf(pci_dir, sizeof(pci_dir), "/tmp/test_port-XXXXXX");
	if (mkdtemp(pci_dir) == NULL)
		return -1;
	make_file("0000:01:00.0", "vendor", "0x15b3\n");
	make_file("0000:01:00.0", "device", "0x101d\n");
	make_file("0000:02:00.0", "vendor", "0x8086\n");
	make_file("0000:02:00.0", "device", "0x1572\n");
	make_file("0000:04:00.0", "vendor", "0x15b3\n");
	make_file("0000:04:00.0", "device", "0x1003\n");
	return setenv("SYSFS_PCI_DEVICES", pci_dir, 1);
}

static int
remove_pci(void **state)
{
	static const char *const devices[] = { "0000:01:00.0", "0000:02:00.0", "0000:04:00.0" };
	char path[256];
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(devices); i++) {
		snprintf(path, sizeof(path), "%s/%s/vendor", pci_dir, devices[i]);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%s/device", pci_dir, devices[i]);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%s", pci_dir, devices[i]);
		rmdir(path);
	}
	return rmdir(pci_dir);
}

static void
test_split(void **state)
{
	static const struct {
		const char *text, *words[5];
	} rows[] = {
		{ "", { NULL } },
		{ "  \t ", { NULL } },
		{ "-a 03:00.0", { "-a", "03:00.0" } },
		{ " -l  0,1 -n 4 ", { "-l", "0,1", "-n", "4" } },
		{ "--vdev 'net_x0,a=b c'", { "--vdev", "net_x0,a=b c" } },
		{ "\"a b\"c d", { "a bc", "d" } },
		{ "a\\ b 'c\\d' \"e\\\"f\"", { "a b", "c\\d", "e\"f" } },
		{ "'' x", { "", "x" } },
	};
	unsigned int i, w;

	(void)state;
	for (i = 0; i < RTE_DIM(rows); i++) {
		struct port_args args = { 0 };

		assert_int_equal(port_args_split(rows[i].text, &args), 0);
		for (w = 0; rows[i].words[w] != NULL; w++) {
			assert_true((int)w < args.argc);
			assert_string_equal(args.argv[w], rows[i].words[w]);
		}
		assert_int_equal(args.argc, w);
		port_args_free(&args);
	}
}

static void
test_open_quote(void **state)
{
	struct port_args args = { 0 };

	(void)state;
	assert_int_equal(port_args_split("-a '03:00.0", &args), -EINVAL);
	port_args_free(&args);
	assert_int_equal(port_args_split("-a \"x\\\"", &args), -EINVAL);
	port_args_free(&args);
}

static void
test_has(void **state)
{
	struct port_args args = { 0 };

	(void)state;
	port_args_split("-m512 --lcores=0@0 --no-pci -a x", &args);
	assert_true(port_args_has(&args, "-m", NULL));
	assert_true(port_args_has(&args, "--lcores", NULL));
	assert_true(port_args_has(&args, "--nope", "--no-pci", NULL));
	assert_false(port_args_has(&args, "--lcore", NULL));
	assert_false(port_args_has(&args, "-b", "--vdev", NULL));
	port_args_free(&args);
}

/* The command line that comes of @p text, in a static buffer. */
static const char *
completed(const char *text)
{
	static char buf[4096];
	struct port_args args = { 0 };

	assert_int_equal(port_args_split(text, &args), 0);
	assert_int_equal(port_args_complete(&args), 0);
	port_args_text(&args, buf, sizeof(buf));
	port_args_free(&args);
	return buf;
}

static void
test_devargs(void **state)
{
	const char *text;

	(void)state;
	test_conf("DPVMA_MPRQ_STRIDE=1024", "DPVMA_MPRQ_STRIDES=256", NULL);
	text = completed("-a 01:00.0");
	assert_memory_equal(text,
			"-a 01:00.0,mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_num=8,"
			"mprq_log_stride_size=10,mprq_max_memcpy_len=0,",
			78);
	assert_null(strstr(text, "--no-pci"));
	/* every way to name it; what the program gave stays */
	assert_non_null(strstr(completed("-a0000:01:00.0,rxqs_min_mprq=4"),
			"-a0000:01:00.0,rxqs_min_mprq=4,mprq_en=1,mprq_log_stride_num=8,"));
	assert_non_null(strstr(completed("--allow=pci:0000:01:00.0,mprq_log_stride_num=3"),
			"mprq_log_stride_num=3,mprq_en=1,rxqs_min_mprq=1,mprq_log_stride_size="
			"10,"));
	assert_non_null(strstr(completed("--allow 01:00.0"), "--allow 01:00.0,mprq_en=1,"));
	assert_null(strstr(completed("-a 01:00.0,mprq_en=0"), "stride"));
	/* another vendor, and a card of this one that is another driver's */
	assert_null(strstr(completed("-a 02:00.0"), "mprq"));
	assert_null(strstr(completed("-a 04:00.0"), "mprq"));
	assert_string_equal(test_log, "");
	/* more strides than the PMD has descriptors for */
	test_conf("DPVMA_MPRQ_STRIDES=65536", NULL);
	assert_non_null(strstr(completed("-a 01:00.0"), "mprq_log_stride_num=14,"));
	assert_non_null(strstr(test_log, "DPVMA_MPRQ_STRIDES=65536"));
	assert_non_null(strstr(test_log, "16384"));
	/* a stride that has no room beside the headroom: the PMD would enlarge it */
	test_conf("DPVMA_MPRQ_STRIDE=64", NULL);
	assert_non_null(strstr(
			completed("-a 01:00.0"), "mprq_log_stride_num=10,mprq_log_stride_size=8,"));
	assert_string_equal(strchr(test_log, 'D'),
			"DPVMA_MPRQ_STRIDE=64 is not possible on mlx5: 256 is used\n");
	/* buffers of less than the device takes, and of more than memory has */
	test_conf("DPVMA_MPRQ_STRIDE=256", "DPVMA_MPRQ_STRIDES=8", NULL);
	assert_non_null(strstr(completed("-a 01:00.0"), "mprq_log_stride_num=6,"));
	assert_non_null(strstr(test_log, "DPVMA_MPRQ_STRIDES=8 is not possible on mlx5: 64 "));
	test_conf("DPVMA_MPRQ_STRIDE=8192", "DPVMA_MPRQ_STRIDES=16384", NULL);
	assert_non_null(strstr(completed("-a 01:00.0"), "mprq_log_stride_num=12,"));
	assert_non_null(strstr(test_log, "DPVMA_MPRQ_STRIDES=16384 is not possible"));
}

static void
test_devices(void **state)
{
	const char *text;

	(void)state;
	test_conf(NULL);
	/* nothing said: the cards that can be shared with the kernel, and none else */
	text = completed("");
	assert_non_null(strstr(text, "--allow=0000:01:00.0,mprq_en=1"));
	assert_null(strstr(text, "02:00.0"));
	assert_null(strstr(text, "04:00.0"));
	assert_null(strstr(text, "--no-pci"));
	text = completed("--vdev=net_null0");
	assert_non_null(strstr(text, "--no-pci"));
	assert_null(strstr(text, "01:00.0"));
	text = completed("-b 02:00.0");
	assert_null(strstr(text, "--allow"));
	assert_null(strstr(text, "--no-pci"));
	/* virtual addresses only where every card takes them, and nobody said otherwise */
	assert_non_null(strstr(completed(""), "--iova-mode=va"));
	assert_non_null(strstr(completed("-a 01:00.0"), "--iova-mode=va"));
	assert_null(strstr(completed("-a 01:00.0 -a 02:00.0"), "--iova-mode"));
	assert_null(strstr(completed("--vdev=net_null0"), "--iova-mode"));
	assert_null(strstr(completed("-a 01:00.0 --iova-mode=pa"), "--iova-mode=va"));
}

static void
test_rest(void **state)
{
	char prefix[64];
	const char *text;

	(void)state;
	snprintf(prefix, sizeof(prefix), "--file-prefix=dpvma-%d", getpid());
	test_conf("VMA_MEM_ALLOC_TYPE=0", "VMA_RX_BUFS=10000", "VMA_TX_BUFS=10000", NULL);
	text = completed("--vdev=net_null0");
	assert_non_null(strstr(text, "--no-huge"));
	assert_non_null(strstr(text, "--no-shconf"));
	assert_non_null(strstr(text, " -m"));
	/* refused by EAL beside --no-huge */
	assert_null(strstr(text, "--in-memory"));
	assert_non_null(strstr(text, prefix));
	assert_non_null(strstr(text, "--lcores=0@("));
	assert_non_null(strstr(text, "--log-level=warning"));
	text = completed("--vdev=net_null0 --no-huge -m 77 -l 0 --file-prefix=mine --log-level=8");
	assert_string_equal(text,
			"--vdev=net_null0 --no-huge -m 77 -l 0 --file-prefix=mine "
			"--log-level=8 --no-pci --no-shconf");
	test_conf("VMA_MEM_ALLOC_TYPE=2", NULL);
	assert_non_null(strstr(completed("--huge-dir=/x"), "--single-file-segments"));
	text = completed("--vdev=net_null0 --proc-type=secondary --file-prefix=x --lcores=0 "
			 "--log-level=8 --huge-dir=/x");
	assert_null(strstr(text, "--in-memory"));
	assert_null(strstr(text, "--no-huge"));
}

/* Without the line for it nobody would know which of many variables is wrong. */
static void
test_start_refused(void **state)
{
	(void)state;
	test_conf("DPVMA_EAL_ARGS=--vdev='net_null0", NULL);
	assert_int_equal(port_eal_start("test"), -EINVAL);
	assert_non_null(strstr(test_log, "DPVMA_EAL_ARGS"));
	assert_non_null(strstr(test_log, "quote"));
	assert_false(port_eal_is_ours());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_open_quote),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_devargs),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_start_refused),
	};

	return cmocka_run_group_tests(tests, make_pci, remove_pci);
}
