/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The internal thread: timers, TCP's too, the kernel's news, device events, and rings that nobody
 * polls, every VMA_PROGRESS_ENGINE_INTERVAL. With the interval 0 it attends to no ring and still
 * keeps timers.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_thread.h>

#include "kern/kern.h"
#include "net/net.h"
#include "port/port.h"
#include "sock_priv.h"

#define LONGEST_WAIT_MS 100u

static pthread_t thread;
static int stop_fd = -1;

static void
set_affinity(void)
{
	const cpu_set_t *cpus = &conf()->internal_thread_affinity;

	if (CPU_COUNT(cpus) != 0 &&
			pthread_setaffinity_np(pthread_self(), sizeof(*cpus), cpus) != 0)
		LOG_WARNING("VMA_INTERNAL_THREAD_AFFINITY: no such processor; the thread runs "
			    "anywhere");
}

/* VMA_INTERNAL_THREAD_CPUSET: a directory of the cpuset file system, entered by this thread alone.
 */
static void
enter_cpuset(void)
{
	const char *dir = conf()->internal_thread_cpuset;
	char path[CONF_PATH_MAX + 8];
	FILE *f;

	if (dir[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%.*s/tasks", CONF_PATH_MAX - 1, dir);
	f = fopen(path, "w");
	if (f == NULL || fprintf(f, "%d", gettid()) < 0 || fflush(f) != 0)
		LOG_WARNING("VMA_INTERNAL_THREAD_CPUSET=%s: %s", dir, strerror(errno));
	if (f != NULL)
		fclose(f);
}

/*
 * TCP's timers, so that an idle program retransmits, too. With VMA_THREAD_MODE=0 they are the
 * business of the one thread that may touch engines.
 */
static unsigned int
tcp_wait_ms(void)
{
	uint64_t now = clock_ns(), next;

	if (conf()->thread_mode == CONF_THREAD_SINGLE)
		return LONGEST_WAIT_MS;
	next = stream_progress(now);
	return next <= now ? 1
			   : (unsigned int)RTE_MIN((next - now) / 1000000u + 1, LONGEST_WAIT_MS);
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "dpvma");
	enter_cpuset();
	set_affinity();
	rte_thread_register();
	for (;;) {
		struct pollfd fds[4] = {
			{ .fd = stop_fd, .events = POLLIN },
			{ .fd = port_event_fd(), .events = POLLIN },
			{ .fd = kern_fd(), .events = POLLIN },
			{ .fd = sigint_fd(), .events = POLLIN },
		};
		unsigned int wait = RTE_MIN(net_progress(clock_ms()), tcp_wait_ms());

		if (conf()->progress_engine_interval > 0)
			wait = RTE_MIN(wait, (unsigned int)conf()->progress_engine_interval);
		poll(fds, RTE_DIM(fds), (int)RTE_MIN(wait, LONGEST_WAIT_MS));
		if (fds[0].revents != 0)
			break;
		if (fds[3].revents != 0)
			sigint_turn();
		port_poll();
		udp_progress();
	}
	rte_thread_unregister();
	return NULL;
}

int
engine_start(void)
{
	sigset_t all, before;
	int ret;

	stop_fd = eventfd(0, EFD_CLOEXEC);
	if (stop_fd < 0)
		return -errno;
	/* the program's signals are for the program's threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret != 0) {
		LOG_ERROR("no internal thread: %s; raise the limit of threads (ulimit -u)",
				strerror(ret));
		port_fork_close(stop_fd);
		stop_fd = -1;
	}
	return -ret;
}

void
engine_stop(void)
{
	uint64_t one = 1;

	if (stop_fd < 0)
		return;
	/* it may be the one that ends the process */
	if (!pthread_equal(pthread_self(), thread) &&
			write(stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(thread, NULL);
	port_fork_close(stop_fd);
	stop_fd = -1;
}
