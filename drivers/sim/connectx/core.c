/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of the device: nothing is made before somebody looks for PCI devices.
 *
 * A preloaded library is in every process of a command line: in timeout, in a shell, in the helpers
 * that the application runs. So the constructor makes nothing. EAL asks getenv() for the
 * directory of the PCI devices when it scans the bus; that question, answered here, is what brings
 * the device into being, in that process alone and with nothing left in the environment for its
 * children.
 */
#include "connectx.h"
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct cx_dev cx = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.netdev_fd = -1,
	/* numbers of 24 bits; a memory key is a number and 8 bits of variant */
	.objs = { .first = 0x100, .limit = 1 << 24 },
	.mrs = { .first = 1, .limit = 1 << 24 },
	.umems = { .first = 1, .limit = 1 << 24 },
};

static pid_t owner;

void
cx_log(int level, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	if (level > cx.conf.verbose)
		return;
	n = snprintf(line, sizeof(line) - 1, "connectx: ");
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* one write, so that lines of several threads do not mix */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

uint64_t
cx_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void
cx_lock(void)
{
	__atomic_fetch_add(&cx.waiters, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_lock(&cx.lock);
	__atomic_fetch_sub(&cx.waiters, 1, __ATOMIC_ACQ_REL);
}

void
cx_unlock(void)
{
	pthread_mutex_unlock(&cx.lock);
}

static void
bring_up(void)
{
	cx_conf_read(&cx.conf);
	if (cx_sysfs_make() != 0)
		return;
	owner = getpid();
}

/* SYSFS_PCI_DEVICES of EAL; every other name is looked up as ever. */
CX_EXPORT char *
getenv(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	size_t n = strlen(name);
	char **e;

	if (strcmp(name, "SYSFS_PCI_DEVICES") == 0 && cx_conf_wanted()) {
		pthread_once(&once, bring_up);
		if (cx_sysfs_pci() != NULL)
			return (char *)(uintptr_t)cx_sysfs_pci();
	}
	for (e = environ; n > 0 && e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

__attribute__((constructor)) static void
loaded(void)
{
	cx_thread_remember_cpus();
	if (getenv("CONNECTX_WIRE") != NULL && strcmp(getenv("CONNECTX_WIRE"), "help") == 0)
		cx_conf_help(stdout);
}

__attribute__((destructor)) static void
unloaded(void)
{
	/* A forked child has neither the thread nor a right to the tree. */
	if (owner != getpid())
		return;
	cx_thread_stop();
	if (cx.wire != NULL)
		cx.wire->close();
	cx_sysfs_remove();
}

static struct cx_wire *
wire_by_name(const char *name, size_t n)
{
	size_t i;

	for (i = 0; cx_wires[i] != NULL; i++)
		if (strlen(cx_wires[i]->name) == n && strncmp(cx_wires[i]->name, name, n) == 0)
			return cx_wires[i];
	return NULL;
}

/* Connects the port, once, when the driver first asks what devices there are. */
bool
cx_open_wire(void)
{
	static bool tried;
	const char *arg;
	struct cx_wire *w;
	size_t n;

	if (tried)
		return cx.wire != NULL;
	tried = true;
	n = strcspn(cx.conf.wire, ":");
	arg = cx.conf.wire[n] == ':' ? cx.conf.wire + n + 1 : "";
	w = wire_by_name(cx.conf.wire, n);
	if (w == NULL) {
		cx_log(0,
				"CONNECTX_WIRE=%s: no such wire: tap:IF, afp:IF, loop, null or "
				"gen:... "
				"(CONNECTX_WIRE=help explains them)",
				cx.conf.wire);
		return false;
	}
	if (cx_netdev_open() != 0 || w->open(arg) != 0)
		return false;
	cx.wire = w;
	return true;
}
