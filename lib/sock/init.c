/* SPDX-License-Identifier: BSD-3-Clause */
/* Start and end of the stack: rooms from the lowest up, and back down when one fails. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "callback.h"
#include "net/net.h"
#include "port/port.h"
#include "rate.h"
#include "sock/version.h"
#include "sock_priv.h"

/** How long dpvma_exit() waits for calls of other threads to come back. */
#define LEAVE_MS 1000
/** How long a process that ends waits for all of it. */
#define END_S 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int state; /**< 0 not started, 1 started, < 0 the errno of a start that failed */
static bool own_eal;
bool sock_shared, sock_forked, sock_ending;
static __thread bool starting; /**< a start opens files itself */
static __thread bool changing; /**< this thread has the lock */

/*
 * Rooms that start on a running EAL; each says in one line why it cannot. The first has nothing to
 * start: it ends last, when no queue holds packets of the pools any more.
 */
static const struct {
	const char *name;
	int (*init)(void);
	void (*fini)(void);
} rooms[] = {
	{ "pools", NULL, ring_pools_fini },
	{ "ports", ports_init, ports_fini },
	{ "rings", rings_init, rings_fini },
	{ "net", net_init, net_fini },
	{ "udp", udp_init, udp_fini },
	{ "stream", stream_init, stream_fini },
	{ "kernel", kernel_follow, kernel_unfollow },
	{ "callbacks", NULL, callbacks_forget },
	{ "SIGINT", sigint_start, sigint_stop },
	{ "engine", engine_start, engine_stop },
};

static void
stop_rooms(unsigned int n)
{
	while (n-- > 0)
		rooms[n].fini();
	if (own_eal)
		port_eal_stop();
	own_eal = false;
}

/** @name fork() */
/** @{ */
/* No child of half a start or half an end. */
static void
before_fork(void)
{
	if (!changing)
		pthread_mutex_lock(&lock);
	port_fork_prepare();
}

static void
in_parent(void)
{
	sock_shared |= state == 1;
	port_fork_parent();
	if (!changing)
		pthread_mutex_unlock(&lock);
}

/*
 * The devices are its parent's, and so is their memory: to a child all descriptors are the
 * kernel's, and so are sockets that it opens. What is called here is what a signal handler may
 * call.
 */
static void
in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	if (state != 0 || changing) {
		sigint_stop();
		sock_table_forget();
		rate_forget_all();
		report_forget();
		ring_thread_forget();
		rings_forget();
		state = -ENOTSUP;
		sock_forked = true;
		own_eal = false;
	}
	port_fork_child();
	changing = starting = false;
}
/** @} */

static void
take_lock(void)
{
	pthread_mutex_lock(&lock);
	changing = true;
}

static void
give_lock(void)
{
	changing = false;
	pthread_mutex_unlock(&lock);
}

static int
start_rooms(void)
{
	unsigned int i;
	int ret;

	ret = port_eal_start(program_invocation_name);
	if (ret != 0 && ret != -EALREADY)
		return ret;
	own_eal = ret == 0;
	if (own_eal)
		port_fork_spare_memory();
	for (i = 0; i < RTE_DIM(rooms); i++) {
		ret = rooms[i].init != NULL ? rooms[i].init() : 0;
		/* ports_init() tells how many there are */
		if (ret < 0) {
			LOG_DEBUG("dpvma did not start: %s: %s", rooms[i].name, strerror(-ret));
			stop_rooms(i);
			return ret;
		}
	}
	return 0;
}

static int
start(void)
{
	static bool once;
	int ret;

	ret = conf_load();
	if (ret != 0)
		return ret;
	ret = sock_table_init();
	if (ret != 0)
		return ret;
	if (!once)
		once = pthread_atfork(before_fork, in_parent, in_child) == 0;
	LOG_INFO("dpvma %s", DPVMA_VERSION);
	port_fork_watch();
	ret = epolls_init();
	if (ret == 0)
		ret = start_rooms();
	port_fork_keep();
	if (ret != 0)
		return ret;
	dump_export();
	conf_log();
	port_memory_report();
	sock_own(log_file());
	sock_host_started();
	return 0;
}

int
dpvma_init(void)
{
	int ret;

	if (likely(__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 1))
		return 0;
	if (starting)
		return fail(-EINPROGRESS);
	/* destructors of other libraries may open sockets after ours, and nobody would stop the
	 * ports */
	if (sock_ending)
		return fail(-ESHUTDOWN);
	take_lock();
	if (state == 0) {
		starting = true;
		ret = start();
		starting = false;
		__atomic_store_n(&state, ret == 0 ? 1 : ret, __ATOMIC_RELEASE);
		if (ret != 0 && conf()->exception_handling == CONF_EXCEPTION_ABORT)
			abort();
		if (ret != 0 && conf()->exception_handling == CONF_EXCEPTION_EXIT)
			_exit(EXIT_FAILURE);
	}
	ret = state;
	give_lock();
	return ret == 1 ? 0 : fail(ret);
}

bool
sock_is_started(void)
{
	return __atomic_load_n(&state, __ATOMIC_ACQUIRE) == 1;
}

int
sock_start_error(void)
{
	int now = __atomic_load_n(&state, __ATOMIC_ACQUIRE);

	return now < 0 ? now : 0;
}

/* A child that outlives us has the kernel's sockets, which are to hear what was ours so far. */
static void
close_one(struct sock *s, void *ctx)
{
	(void)ctx;
	/* an epoll is the kernel's again, with what else the program has in it */
	while (__atomic_load_n(&s->names, __ATOMIC_ACQUIRE) != 0 && s->epoll != NULL)
		dpvma_forget(s->fd);
	if (sock_shared)
		kernel_leave(s);
	while (__atomic_load_n(&s->names, __ATOMIC_ACQUIRE) != 0)
		dpvma_close(s->fd);
}

/* Threads inside a call were woken and come back with EBADF. */
static bool
all_left(void)
{
	uint64_t end = clock_ms() + LEAVE_MS;

	while (sock_alive() != 0) {
		if (clock_ms() >= end)
			return false;
		usleep(100);
	}
	return true;
}

void
dpvma_exit(void)
{
	report_write();
	take_lock();
	if (state == 1) {
		sock_foreach(close_one, NULL);
		if (all_left()) {
			stop_rooms(RTE_DIM(rooms));
		} else if (sock_ending) {
			/* exit() in a signal handler, or while threads run: nobody's mistake */
			LOG_INFO("%u sockets are in use at the end: the ports end with the process",
					sock_alive());
			engine_stop();
		} else {
			LOG_ERROR("%u sockets are in use by other threads still: the ports are "
				  "left "
				  "running; end those calls before dpvma_exit()",
					sock_alive());
			engine_stop();
		}
	}
	/* what came to life by fork() cannot start */
	if (state != -ENOTSUP)
		__atomic_store_n(&state, 0, __ATOMIC_RELEASE);
	give_lock();
}

static void *
end(void *arg)
{
	(void)arg;
	dpvma_exit();
	return NULL;
}

/*
 * In a thread of its own: a signal handler that calls exit() may have interrupted a call of ours
 * with a lock in its hand, which is given back by nobody. Then the process ends without the rest.
 */
static void
end_in_time(void)
{
	sigset_t all, before;
	struct timespec until;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&thread, NULL, end, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret != 0) {
		dpvma_exit();
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_S;
	if (pthread_timedjoin_np(thread, NULL, &until) != 0)
		LOG_WARNING("exit() came from within a call of dpvma, as in a signal handler: the "
			    "ports end with the process; let the handler set a flag, or call "
			    "_exit()");
}

/*
 * A program that just ends must leave the NIC to the kernel, too: rules go, ports stop. An EAL of
 * the program's own may be gone already at this point: that program calls dpvma_exit().
 */
void
dpvma_end_of_process(void)
{
	if (sock_ending)
		return;
	sock_ending = true;
	if (sock_is_started() && own_eal)
		end_in_time();
	else
		report_write();
}

static void __attribute__((destructor)) unloaded(void)
{
	dpvma_end_of_process();
}

int
sock_memory_from(bool rx, bool tx, const struct ring_memory *functions)
{
	int ret;

	/* the start that this thread is in asks for memory just now */
	if (starting)
		return -EINVAL;
	take_lock();
	ret = state == 0 ? 0 : -EINVAL;
	if (ret == 0 && rx)
		ret = ring_memory_from(RING_RX, functions);
	if (ret == 0 && tx)
		ret = ring_memory_from(RING_TX, functions);
	give_lock();
	return ret;
}

const char *
dpvma_version(void)
{
	return DPVMA_VERSION;
}

int
dpvma_set_option(const char *name, const char *value)
{
	int ret = sock_is_started() ? -EBUSY : conf_set(name, value);

	return ret == 0 ? 0 : fail(ret);
}

void
dpvma_print_options(FILE *f)
{
	conf_help(f);
}
