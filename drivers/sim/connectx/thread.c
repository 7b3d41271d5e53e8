/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device thread: one turn sends what the PMD posted, receives from the wire, exchanges frames
 * with the kernel's interface, ends LRO sessions, shows completions and raises events.
 */
#include "connectx.h"
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NETDEV_PERIOD_NS 10000 /* an empty read() of the TAP costs more than a frame */
#define LRO_PERIOD_NS 2000
#define IDLE_TURNS 200 /* without work before the thread sleeps */

static pthread_t thread;
static bool stopping;
static cpu_set_t cpus;

/* The process' CPUs before EAL pinned its threads: the thread that opens the device is pinned. */
void
cx_thread_remember_cpus(void)
{
	sched_getaffinity(0, sizeof(cpus), &cpus);
}

/* The CPUs that EAL's lcores are pinned to: the main thread, and those with a worker's name. */
static void
lcore_cpus(cpu_set_t *busy)
{
	DIR *d = opendir("/proc/self/task");
	char path[64], name[32];
	struct dirent *e;
	cpu_set_t set;
	FILE *f;
	pid_t tid;

	CPU_ZERO(busy);
	while (d != NULL && (e = readdir(d)) != NULL) {
		tid = atoi(e->d_name);
		if (tid <= 0 || sched_getaffinity(tid, sizeof(set), &set) != 0 ||
				CPU_COUNT(&set) != 1)
			continue;
		name[0] = '\0';
		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)tid);
		f = fopen(path, "re");
		if (f != NULL) {
			if (fgets(name, sizeof(name), f) == NULL)
				name[0] = '\0';
			fclose(f);
		}
		if (tid == getpid() || strstr(name, "worker") != NULL)
			CPU_OR(busy, busy, &set);
	}
	if (d != NULL)
		closedir(d);
}

/* Where EAL lets its control threads run: beside the lcores if there is room, else anywhere. Two
 * threads that poll on one CPU take turns of milliseconds. */
static void
choose_cpus(cpu_set_t *set)
{
	cpu_set_t busy;
	int i;

	if (cx.conf.cpu >= 0) {
		CPU_ZERO(set);
		CPU_SET(cx.conf.cpu, set);
		return;
	}
	lcore_cpus(&busy);
	*set = cpus;
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &busy))
			CPU_CLR(i, set);
	if (CPU_COUNT(set) == 0)
		*set = cpus;
}

static void
device_lock(void)
{
	/* Mutexes are not fair: without this a control call might wait for ever. */
	while (__atomic_load_n(&cx.waiters, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
	pthread_mutex_lock(&cx.lock);
}

static void
idle(void)
{
	struct pollfd fds[2] = {
		{ .fd = cx.wire->fd, .events = POLLIN },
		{ .fd = cx.netdev_fd, .events = POLLIN },
	};
	struct timespec ts = { .tv_nsec = cx.conf.sleep_us * 1000l };

	if (cx.conf.sleep_us == 0 || cx.wire->busy)
		sched_yield();
	else
		ppoll(fds, 2, &ts, NULL);
}

static bool
turn(void)
{
	static uint64_t last_lro, last_netdev;
	bool work;

	device_lock();
	cx.now = cx_clock();
	work = cx_tx_poll();
	work |= cx.wire->poll();
	if (!work || cx.now - last_netdev > NETDEV_PERIOD_NS) {
		work |= cx_netdev_poll();
		last_netdev = cx.now;
	}
	if (cx.now - last_lro > LRO_PERIOD_NS) {
		cx_lro_poll();
		last_lro = cx.now;
	}
	cx_cq_flush_all();
	cx_events_fire();
	pthread_mutex_unlock(&cx.lock);
	return work;
}

static void *
device(void *arg)
{
	unsigned int n_idle = 0;

	(void)arg;
	/* the default slack of 50 us is longer than the sleep */
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
		if (turn())
			n_idle = 0;
		else if (++n_idle > IDLE_TURNS)
			idle();
	}
	return NULL;
}

int
cx_thread_start(void)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	if (cx.running)
		return 0;
	choose_cpus(&set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	stopping = false;
	ret = pthread_create(&thread, &attr, device, NULL);
	pthread_attr_destroy(&attr);
	if (ret != 0) {
		errno = ret;
		cx_log(0, "cannot start the device thread%s: %m",
				cx.conf.cpu >= 0 ? " (is CONNECTX_CPU one of this machine's?)"
						 : "");
		return -1;
	}
	pthread_setname_np(thread, "connectx");
	cx.running = true;
	return 0;
}

static void
summary(void)
{
	const struct cx_stats *s = &cx.stat;

	cx_log(1, "rx: %lu from the wire, %lu delivered, %lu to the kernel, %lu dropped by rules",
			s->rx_wire, s->rx_delivered, s->rx_miss, s->rx_dropped);
	cx_log(1, "rx: %lu no buffer, %lu no queue, %lu too long, %lu fillers, LRO %lu to %lu",
			s->rx_no_buf, s->rx_closed, s->rx_too_big, s->rx_fillers, s->lro_in,
			s->lro_out);
	cx_log(1, "tx: %lu frames, %lu bytes, %lu entries, %lu errors, %lu lost by the wire",
			s->tx_frames, s->tx_bytes, s->tx_wqes, s->tx_errors, s->tx_lost);
	cx_log(1,
			"%lu from the kernel, %lu bad keys, %lu CQ overruns, %lu completions in "
			"%lu sessions",
			s->from_kernel, s->bad_lkey, s->cq_overrun, s->comp_cqes, s->comp_sessions);
}

void
cx_thread_stop(void)
{
	if (!cx.running)
		return;
	__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	cx.running = false;
	summary();
}
