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

/* NIC i is turned by thread i modulo CONNECTX_THREADS, which is there while one of its NICs is
 * used. */
static struct worker {
	pthread_t thread;
	unsigned int users, first;
	bool stopping;
} workers[CX_MAX_NICS];

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
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
choose_cpus(cpu_set_t *set, unsigned int thread)
{
	cpu_set_t busy;
	int i;

	if (cx_conf.cpu >= 0) {
		CPU_ZERO(set);
		CPU_SET(cx_conf.cpu + thread, set);
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
device_lock(struct cx_dev *d)
{
	/* Mutexes are not fair: without this a control call might wait for ever. */
	while (__atomic_load_n(&d->waiters, __ATOMIC_ACQUIRE) != 0)
		sched_yield();
	pthread_mutex_lock(&d->lock);
}

static void
idle(const struct worker *w)
{
	struct timespec ts = { .tv_nsec = cx_conf.sleep_us * 1000l };
	struct pollfd fds[2 * CX_MAX_NICS];
	bool busy = cx_conf.sleep_us == 0;
	unsigned int i, n = 0;

	for (i = w->first; i < cx_n_devs; i += cx_conf.threads) {
		const struct cx_dev *d = cx_devs[i];

		if (__atomic_load_n(&d->contexts, __ATOMIC_ACQUIRE) == 0)
			continue;
		busy |= d->wire.busy;
		fds[n++] = (struct pollfd){ .fd = d->wire.fd, .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = d->netdev_fd, .events = POLLIN };
	}
	if (busy)
		sched_yield();
	else
		ppoll(fds, n, &ts, NULL);
}

static bool
turn(struct cx_dev *d)
{
	bool work;

	device_lock(d);
	d->now = cx_clock();
	cx_port_poll(d);
	work = cx_tx_poll(d);
	work |= d->wire.ops->poll(d);
	if (!work || d->now - d->last_netdev > NETDEV_PERIOD_NS) {
		work |= cx_netdev_poll(d);
		d->last_netdev = d->now;
	}
	if (d->now - d->last_lro > LRO_PERIOD_NS) {
		cx_lro_poll(d);
		d->last_lro = d->now;
	}
	if (d->wire.ops->flush != NULL)
		d->wire.ops->flush(d);
	cx_cq_flush_all(d);
	cx_events_fire(d);
	pthread_mutex_unlock(&d->lock);
	return work;
}

static void *
device(void *arg)
{
	struct worker *w = arg;
	unsigned int i, n_idle = 0;
	bool work;

	/* the default slack of 50 us is longer than the sleep */
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	while (!__atomic_load_n(&w->stopping, __ATOMIC_ACQUIRE)) {
		work = false;
		for (i = w->first; i < cx_n_devs; i += cx_conf.threads)
			if (__atomic_load_n(&cx_devs[i]->contexts, __ATOMIC_ACQUIRE) != 0)
				work |= turn(cx_devs[i]);
		if (work)
			n_idle = 0;
		else if (++n_idle > IDLE_TURNS)
			idle(w);
	}
	return NULL;
}

/* 0, or -1 after one log line. */
static int
start(struct worker *w)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	choose_cpus(&set, w->first);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	w->stopping = false;
	ret = pthread_create(&w->thread, &attr, device, w);
	pthread_attr_destroy(&attr);
	if (ret != 0) {
		errno = ret;
		cx_log(0, "cannot start the device thread%s: %m",
				cx_conf.cpu >= 0 ? " (is CONNECTX_CPU one of this machine's?)"
						 : "");
		return -1;
	}
	pthread_setname_np(w->thread, "connectx");
	return 0;
}

static void
stop(struct worker *w)
{
	__atomic_store_n(&w->stopping, true, __ATOMIC_RELEASE);
	pthread_join(w->thread, NULL);
}

/* For each context of a NIC that is opened. */
int
cx_thread_use(struct cx_dev *d)
{
	struct worker *w = &workers[d->index % cx_conf.threads];
	int ret = 0;

	pthread_mutex_lock(&starting);
	if (w->users == 0) {
		w->first = d->index % cx_conf.threads;
		ret = start(w);
	}
	if (ret == 0) {
		w->users++;
		__atomic_add_fetch(&d->contexts, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&starting);
	return ret;
}

void
cx_thread_unuse(struct cx_dev *d)
{
	struct worker *w = &workers[d->index % cx_conf.threads];

	pthread_mutex_lock(&starting);
	__atomic_sub_fetch(&d->contexts, 1, __ATOMIC_RELEASE);
	if (--w->users == 0)
		stop(w);
	pthread_mutex_unlock(&starting);
	/* the turn that may still be on its way */
	cx_lock(d);
	cx_unlock(d);
}

/* At the end of the process, whatever is still open. */
void
cx_threads_stop(void)
{
	unsigned int i;

	pthread_mutex_lock(&starting);
	for (i = 0; i < CX_MAX_NICS; i++) {
		if (workers[i].users != 0)
			stop(&workers[i]);
		workers[i].users = 0;
	}
	pthread_mutex_unlock(&starting);
}
