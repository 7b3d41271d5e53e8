/* SPDX-License-Identifier: BSD-3-Clause */
/* See port_test.h. */
#include "port_test.h"

/* Of ethdev's interface for PMDs, whose header is not installed everywhere. */
struct rte_eth_dev *rte_eth_dev_allocated(const char *name);
int rte_eth_dev_callback_process(
		struct rte_eth_dev *dev, enum rte_eth_event_type event, void *param);

char test_log[8192];
static char dir[4096];

static void
capture(int level, const char *line)
{
	size_t len = strlen(test_log);

	if (level > LOG_LEVEL_INFO)
		return;
	snprintf(test_log + len, sizeof(test_log) - len, "%s%s", line,
			line[0] != '\0' && line[strlen(line) - 1] == '\n' ? "" : "\n");
}

void
test_eal(const char *first, ...)
{
	char prefix[64], program[] = "test_port";
	const char *argv[32] = { program, "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"-m", "256", "--lcores", "0@0", prefix };
	int argc = 10;
	const char *v;
	va_list ap;

	snprintf(prefix, sizeof(prefix), "--file-prefix=test_port-%d", getpid());
	va_start(ap, first);
	for (v = first; v != NULL; v = va_arg(ap, const char *)) {
		argv[argc++] = "--vdev";
		argv[argc++] = v;
	}
	va_end(ap);
	if (rte_eal_init(argc, (char **)(uintptr_t)argv) < 0)
		exit(1);
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
}

void
test_eal_stop(void)
{
	rte_eal_cleanup();
	rmdir(dir);
}

void
test_conf(const char *first, ...)
{
	char *env[32];
	unsigned int n = 0;
	const char *v;
	va_list ap;

	va_start(ap, first);
	for (v = first; v != NULL; v = va_arg(ap, const char *))
		env[n++] = (char *)(uintptr_t)v;
	va_end(ap);
	env[n] = NULL;
	log_set_callback(capture);
	conf_reload(env);
	test_log[0] = '\0';
}

struct rte_mempool *
test_pool(const char *name, unsigned int n)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, n, 0, 0, 2048 + 128, 0);

	assert_non_null(pool);
	return pool;
}

void
test_event(uint16_t port_id, enum rte_eth_event_type type)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	assert_int_equal(rte_eth_dev_get_name_by_port(port_id, name), 0);
	rte_eth_dev_callback_process(rte_eth_dev_allocated(name), type, NULL);
}
