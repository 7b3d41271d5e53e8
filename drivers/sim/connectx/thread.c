/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device thread: one turn sends what the PMD posted, receives from the wire, exchanges frames
 * with the kernel's interface, ends LRO sessions, shows completions and raises events.
 */
#include "connectx.h"
#include <dirent.h>
#include <signal.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NETDEV_PERIOD_NS 10000 /* an empty read() of the TAP costs more than a frame */
#define LRO_PERIOD_NS 2000
/* Turns without work before the thread sleeps: alone on its CPU; with others that want it, who may
 * be the ones to make work. */
#define IDLE_TURNS 200
#define IDLE_TURNS_SHARED 2
#define TURNS_BETWEEN_LOOKS 5000
#define NICER 5
#define HAND_OVER_NS 2000
#define JOIN_S 5 /* a turn takes far less */
#define IMPAIR_SLEEP_NS 20000

/* NIC i is turned by thread i modulo CONNECTX_THREADS, which is there while one of its NICs is
 * used. */
static struct worker {
	pthread_t thread;
	unsigned int users, first;
	bool stopping;
	bool shared; /* others wanted the CPU lately */
	long preempted;
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

/* Whether this thread goes before others on its CPU. */
static __thread bool goes_before;

static void
device_lock(struct cx_dev *d)
{
	const struct timespec ts = { .tv_nsec = HAND_OVER_NS };

	/* Mutexes are not fair: without this a control call might wait for ever. It needs the CPU
	 * to take the lock, and this may be the one it runs on, where a thread that goes before
	 * others must sleep to let them. */
	while (__atomic_load_n(&d->waiters, __ATOMIC_ACQUIRE) != 0) {
		if (goes_before)
			nanosleep(&ts, NULL);
		else
			sched_yield();
	}
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

		if (__atomic_load_n(&d->contexts, __ATOMIC_ACQUIRE) == 0 || d->halted)
			continue;
		busy |= d->wire.busy;
		/* frames and events of its own that come in time */
		if (d->impair != NULL && ts.tv_nsec > IMPAIR_SLEEP_NS)
			ts.tv_nsec = IMPAIR_SLEEP_NS;
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
	if (cx_unlikely(d->halted)) {
		pthread_mutex_unlock(&d->lock);
		return false;
	}
	d->now = cx_clock();
	work = cx_port_poll(d);
	if (cx_unlikely(d->gone)) {
		/* what comes is lost */
		work |= d->wire.ops->poll(d);
		pthread_mutex_unlock(&d->lock);
		return work;
	}
	work |= cx_tx_poll(d);
	work |= d->wire.ops->poll(d);
	if (d->now - d->last_netdev > NETDEV_PERIOD_NS) {
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

/*
 * A thread that was taken off its CPU while it polled shares it with somebody. Both ends of a wire
 * on two CPUs do: two pollers and two devices.
 */
static void
look_around(struct worker *w)
{
	struct rusage ru;

	if (getrusage(RUSAGE_THREAD, &ru) != 0)
		return;
	w->shared = ru.ru_nivcsw != w->preempted;
	w->preempted = ru.ru_nivcsw;
}

/* Whether one of the thread's NICs makes its own traffic, and so would use a CPU up. */
static bool
makes_traffic(const struct worker *w)
{
	unsigned int i;

	for (i = w->first; i < cx_n_devs; i += cx_conf.threads)
		if (cx_devs[i]->wire.busy)
			return true;
	return false;
}

/*
 * A device has nothing to share a CPU with. So where its thread must, and sleeps when there is
 * nothing to do, it goes before the pollers, if the process may ask for that. The default slack of
 * timers, 50 us, is longer than the sleep.
 */
static void
set_up_scheduling(const struct worker *w)
{
	pid_t tid = gettid();

	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	goes_before = !makes_traffic(w) && cx_conf.sleep_us != 0;
	if (goes_before)
		setpriority(PRIO_PROCESS, tid, getpriority(PRIO_PROCESS, tid) - NICER);
}

static void *
device(void *arg)
{
	struct worker *w = arg;
	unsigned int i, n = 0, n_idle = 0;
	bool work;

	cx_held = 1;
	set_up_scheduling(w);
	while (!__atomic_load_n(&w->stopping, __ATOMIC_ACQUIRE)) {
		work = false;
		for (i = w->first; i < cx_n_devs; i += cx_conf.threads)
			if (__atomic_load_n(&cx_devs[i]->contexts, __ATOMIC_ACQUIRE) != 0)
				work |= turn(cx_devs[i]);
		if (work)
			n_idle = 0;
		else if (++n_idle > (w->shared ? IDLE_TURNS_SHARED : IDLE_TURNS))
			idle(w);
		if (++n > TURNS_BETWEEN_LOOKS) {
			n = 0;
			look_around(w);
		}
	}
	return NULL;
}

/* All but those that a thread raises itself by an error. */
static void
block_signals(sigset_t *old)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
	sigset_t all;
	size_t i;

	sigfillset(&all);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

int
cx_thread_start(pthread_t *t, const char *name, const cpu_set_t *set, void *(*run)(void *),
		void *arg)
{
	pthread_attr_t attr;
	sigset_t old;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(*set), set != NULL ? set : &cpus);
	/* inherited from the start on: no signal comes in between */
	block_signals(&old);
	ret = pthread_create(t, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret != 0) {
		errno = ret;
		return -1;
	}
	pthread_setname_np(*t, name);
	return 0;
}

static struct timespec
join_deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += JOIN_S;
	return ts;
}

/* By the clock of the day: ThreadSanitizer of GCC 12 knows no other join that ends. */
int
cx_thread_join(pthread_t t)
{
	struct timespec ts = join_deadline();

	return pthread_timedjoin_np(t, NULL, &ts) == 0 ? 0 : -1;
}

/* 0, or -1 after one log line. */
static int
start(struct worker *w)
{
	cpu_set_t set;

	choose_cpus(&set, w->first);
	w->stopping = false;
	if (cx_thread_start(&w->thread, "connectx", &set, device, w) != 0) {
		cx_log(0, "cannot start the device thread%s: %m",
				cx_conf.cpu >= 0 ? " (is CONNECTX_CPU one of this machine's?)"
						 : "");
		return -1;
	}
	return 0;
}

/* For each context of a NIC that is opened. */
int
cx_thread_use(struct cx_dev *d)
{
	struct worker *w = &workers[d->index % cx_conf.threads];
	int ret = 0;

	/* a NIC is its parent's */
	if (cx_forked) {
		errno = EIO;
		return -1;
	}
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
	if (--w->users == 0 && !cx_forked) {
		__atomic_store_n(&w->stopping, true, __ATOMIC_RELEASE);
		pthread_join(w->thread, NULL);
	}
	pthread_mutex_unlock(&starting);
	/* the turn that may still be on its way */
	cx_lock(d);
	cx_unlock(d);
}

/* At the end of the process, whatever is still open. */
int
cx_threads_stop(void)
{
	struct timespec ts = join_deadline();
	unsigned int i;
	int ret = 0;

	/* held for good when a signal handler ends the process in the midst of a call */
	if (pthread_mutex_timedlock(&starting, &ts) != 0)
		return -1;
	for (i = 0; i < CX_MAX_NICS; i++) {
		if (workers[i].users == 0)
			continue;
		__atomic_store_n(&workers[i].stopping, true, __ATOMIC_RELEASE);
		ret |= cx_thread_join(workers[i].thread);
		workers[i].users = 0;
	}
	pthread_mutex_unlock(&starting);
	return ret;
}

/* In a forked child: they are not there. */
void
cx_threads_forget(void)
{
	pthread_mutex_init(&starting, NULL);
}
