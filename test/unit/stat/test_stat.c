/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters: the tables agree with the enums, the printed forms hold what was counted, and telemetry
 * answers with it (asked through its socket, as any client would).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "stat/stat.h"

static struct ring_stats blocks[3];

static const uint64_t *
get_block(unsigned int index)
{
	return index < RTE_DIM(blocks) ? blocks[index].c : NULL;
}

static void
label_block(unsigned int index, char *buf, size_t len)
{
	snprintf(buf, len, "ring number %u", index);
}

static void
test_tables(void **state)
{
	const struct stat_desc *all[] = { &stat_ring, &stat_sock, &stat_tcp, &stat_cyclic };
	unsigned int k, i, j;

	(void)state;
	assert_int_equal(stat_ring.n, RING_STAT_MAX);
	assert_string_equal(stat_ring.names[RING_STAT_migrations], "migrations");
	assert_string_equal(stat_sock.names[SOCK_STAT_rx_drop_full], "rx_drop_full");
	assert_string_equal(stat_cyclic.names[CYCLIC_STAT_pool_low], "pool_low");
	for (k = 0; k < RTE_DIM(all); k++) {
		for (i = 0; i < all[k]->n; i++) {
			assert_true(strlen(all[k]->helps[i]) > 5);
			for (j = 0; j < i; j++)
				assert_string_not_equal(all[k]->names[i], all[k]->names[j]);
		}
	}
}

static void
test_macros(void **state)
{
	struct ring_stats s = { 0 };

	(void)state;
	STAT_ADD(&s, RING, rx_bytes, 40);
	STAT_ADD(&s, RING, rx_bytes, 2);
	STAT_INC(&s, RING, sleeps);
	assert_int_equal(STAT_GET(&s, RING, rx_bytes), 42);
	assert_int_equal(s.c[RING_STAT_sleeps], 1);
}

static char *
printed(void (*print)(FILE *, const struct stat_desc *, const uint64_t *), const uint64_t *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f, &stat_ring, c);
	fclose(f);
	return text;
}

static void
test_print(void **state)
{
	struct ring_stats s = { 0 };
	char *text;

	(void)state;
	text = printed(stat_print, s.c);
	assert_string_equal(text, "\n");
	free(text);
	STAT_ADD(&s, RING, rx_packets, 3);
	STAT_ADD(&s, RING, migrations, UINT64_MAX);
	text = printed(stat_print, s.c);
	assert_string_equal(text, "rx_packets 3 migrations 18446744073709551615\n");
	free(text);
	text = printed(stat_json, s.c);
	assert_memory_equal(text, "{\"rx_packets\":3,\"rx_bytes\":0,", 29);
	assert_non_null(strstr(text, ",\"migrations\":18446744073709551615"));
	assert_int_equal(text[strlen(text) - 1], '}');
	free(text);
}

static void
test_doc(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	stat_doc(f);
	fclose(f);
	assert_non_null(strstr(text, "| `drop_no_socket` | datagrams for a port"));
	assert_non_null(strstr(text, "| `rx_truncated` |"));
	assert_non_null(strstr(text, "## Cyclic readers (`cyclic`)"));
	free(text);
}

/* Send one command over an open telemetry connection; the answer replaces @p buf. */
static void
ask(int fd, const char *command, char *buf, size_t size)
{
	ssize_t n;

	assert_int_equal(send(fd, command, strlen(command), 0), (ssize_t)strlen(command));
	n = recv(fd, buf, size - 1, 0);
	assert_true(n > 0);
	buf[n] = '\0';
}

static void
test_telemetry(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char buf[16384];
	int fd;

	(void)state;
	STAT_ADD(&blocks[1], RING, drop_short, 77);
	assert_int_equal(stat_export(&stat_ring, get_block, label_block), 0);
	assert_int_equal(stat_export(&stat_ring, get_block, label_block), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dpdk_telemetry.v2",
			rte_eal_get_runtime_dir());
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
	ask(fd, "/dpvma/ring", buf, sizeof(buf));
	assert_non_null(strstr(buf, "\"2\":\"ring number 2\""));
	assert_null(strstr(buf, "\"3\""));
	ask(fd, "/dpvma/ring,1", buf, sizeof(buf));
	assert_non_null(strstr(buf, "\"label\":\"ring number 1\""));
	assert_non_null(strstr(buf, "\"drop_short\":77"));
	ask(fd, "/dpvma/ring,3", buf, sizeof(buf));
	assert_null(strstr(buf, "drop_short"));
	ask(fd, "/dpvma/ring,1x", buf, sizeof(buf));
	assert_null(strstr(buf, "drop_short"));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_doc),
		cmocka_unit_test(test_telemetry),
	};
	char prefix[64], program[] = "test_stat", dir[4096], name[4200];
	const char *argv[] = { program, "--no-huge", "--no-pci", "--no-shconf", prefix, "-m", "64",
		"--lcores", "0@0", NULL };
	int ret;

	snprintf(prefix, sizeof(prefix), "--file-prefix=test_stat-%d", getpid());
	if (rte_eal_init(RTE_DIM(argv) - 1, (char **)(uintptr_t)argv) < 0)
		return 1;
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	/* telemetry unlinks its socket when the process ends, which is too late for the directory
	 */
	snprintf(name, sizeof(name), "%s/dpdk_telemetry.v2", dir);
	unlink(name);
	rmdir(dir);
	return ret;
}
