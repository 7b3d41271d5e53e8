/* SPDX-License-Identifier: BSD-3-Clause */
/* See ring_test.h. */
#include <unistd.h>

#include <rte_eal.h>

#include "ring_test.h"

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
test_eal(const char *mb, const char *first, ...)
{
	char prefix[64], program[] = "test_ring";
	const char *argv[32] = { program, "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"-m", mb, "--lcores", "0@0", prefix };
	int argc = 10;
	const char *v;
	va_list ap;

	snprintf(prefix, sizeof(prefix), "--file-prefix=test_ring-%d", getpid());
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

static void
conf_from(const char *first, va_list ap)
{
	char *env[32];
	unsigned int n = 0;

	for (const char *v = first; v != NULL; v = va_arg(ap, const char *))
		env[n++] = (char *)(uintptr_t)v;
	env[n] = NULL;
	log_set_callback(capture);
	conf_reload(env);
	test_log[0] = '\0';
}

void
test_conf(const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	conf_from(first, ap);
	va_end(ap);
}

void
test_start(const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	conf_from(first, ap);
	va_end(ap);
	assert_true(ports_init() > 0);
	assert_int_equal(rings_init(), 0);
	test_log[0] = '\0';
}

static void
none(struct ring *ring, void *ctx)
{
	(void)ring;
	(*(unsigned int *)ctx)++;
}

void
test_stop(void)
{
	unsigned int n = 0;

	rings_fini();
	ring_foreach(none, &n);
	assert_int_equal(n, 0);
	ports_fini();
	ring_pools_fini();
}

struct flow_key
test_key(uint8_t local, uint16_t lport, uint8_t remote, uint16_t rport)
{
	struct flow_key k = {
		.local = ip_from_v4(local == 0 ? 0 : RTE_BE32(RTE_IPV4(10, 0, 0, local))),
		.lport = rte_cpu_to_be_16(lport),
		.rport = rte_cpu_to_be_16(rport),
		.proto = IPPROTO_UDP,
	};

	if (remote != 0)
		k.remote = ip_from_v4(RTE_BE32(RTE_IPV4(10, 0, 1, remote)));
	return k;
}

struct ring_alloc
test_alloc(enum conf_ring_logic logic)
{
	struct ring_alloc a;

	ring_alloc_init(&a, RING_RX, 3);
	a.logic = logic;
	return a;
}

struct ring *
test_acquire(struct port *port, struct ring_alloc *alloc)
{
	struct ring *ring = NULL;

	assert_int_equal(ring_acquire(port, RING_RX, alloc, NULL, &ring), 0);
	assert_non_null(ring);
	return ring;
}

static void
deliver(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct test_sink *s = container_of(sink, struct test_sink, sink);

	s->packets += n;
	s->ring = ring;
	rte_pktmbuf_free_bulk(pkts, n);
}

void
test_sink_init(struct test_sink *s)
{
	memset(s, 0, sizeof(*s));
	s->sink.deliver = deliver;
}
