/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Life of the model in a process: nothing is made before somebody looks for PCI devices.
 *
 * A preloaded library is in every process of a command line: in timeout, in a shell, in the helpers
 * that the application runs. So the constructor makes nothing. EAL asks getenv() for the
 * directory of the PCI devices when it scans the bus; that question, answered here, is what brings
 * the NICs into being, in that process alone and with nothing left in the environment for its
 * children.
 */
#include "connectx.h"
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pid_t owner; /* 0: nobody is to clean up */
bool cx_forked;

void
cx_log(int level, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	if (level > cx_conf.verbose)
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

/*
 * A child of fork() has none of the threads, and neither a right to the tree nor to the interfaces:
 * an open descriptor of it would keep them after the parent's end. It calls nothing here that is
 * not safe in the child of a process with threads.
 */
static void
forked(void)
{
	cx_forked = true;
	owner = 0;
	cx_ctl_forget();
	cx_threads_forget();
	cx_devs_forget();
	cx_sysfs_forget();
}

static void
bring_up(void)
{
	if (cx_devs_make() != 0 || cx_sysfs_make() != 0)
		return;
	cx_shm_sweep();
	owner = getpid();
	pthread_atfork(NULL, NULL, forked);
	cx_ctl_start(cx_sysfs_root());
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
	/* the pid is for children that no handler was called in: of vfork() and clone() */
	if (owner == 0 || owner != getpid())
		return;
	cx_ctl_stop();
	/* exit() in a signal handler may have stopped a call of the driver's for good */
	if (cx_threads_stop() == 0)
		cx_devs_close();
	else
		cx_log(0, "the device threads do not end: was exit() called in a signal handler?");
	cx_sysfs_remove();
}
