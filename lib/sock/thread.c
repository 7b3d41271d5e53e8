/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * thread_offload: whether sockets that a thread opens are offloaded. What a thread says of itself
 * is a variable of that thread; what another says waits on a list until the thread opens its next
 * socket.
 *
 * A waiting word names the thread by its pthread_t and by the kernel's id: the C library gives the
 * first to another thread when one has ended, the kernel the second, but hardly ever both. Words
 * for threads that have ended go when the next is added.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sock_priv.h"

struct word {
	LIST_ENTRY(word) next;
	pthread_t thread;
	pid_t tid;
	bool on;
};

static LIST_HEAD(, word) words = LIST_HEAD_INITIALIZER(words);
static unsigned int words_n; /**< read without the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int said = -1; /**< -1: as VMA_OFFLOADED_SOCKETS says */

static bool
lives(pid_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) == 0;
}

/* The kernel reads the set, if there is one, before it finds that no mask is changed that way. */
static bool
readable(uintptr_t at)
{
	return at != 0 && syscall(SYS_rt_sigprocmask, -1, at, NULL, (size_t)8) < 0 &&
			errno != EFAULT;
}

/*
 * A thread that has been joined is no thread any more, and its id may lead nowhere: not to be
 * handed to the C library unseen. The first word of a thread's block is the block's own address
 * (System V ABI, thread-local storage).
 */
static bool
is_thread(pthread_t thread)
{
#ifdef __x86_64__
	const uintptr_t *block = (const uintptr_t *)thread;

	return (uintptr_t)block % sizeof(*block) == 0 && readable((uintptr_t)block) &&
			*block == (uintptr_t)block;
#else
	return readable((uintptr_t)thread);
#endif
}

/* The clock of a thread has the kernel's id in it: ~tid << 3. 0: there is no such thread. */
static pid_t
tid_of(pthread_t thread)
{
	clockid_t clock;
	pid_t tid;

	if (!is_thread(thread) || pthread_getcpuclockid(thread, &clock) != 0)
		return 0;
	tid = ~(clock >> 3);
	return tid > 0 && lives(tid) ? tid : 0;
}

/* Locked. @return what was said of that thread, -1: nothing */
static int
take(pthread_t thread, pid_t tid)
{
	struct word *w, *next;
	int on = -1;

	for (w = LIST_FIRST(&words); w != NULL; w = next) {
		next = LIST_NEXT(w, next);
		if (pthread_equal(w->thread, thread) && w->tid == tid)
			on = w->on;
		else if (lives(w->tid))
			continue;
		LIST_REMOVE(w, next);
		free(w);
		__atomic_sub_fetch(&words_n, 1, __ATOMIC_RELEASE);
	}
	return on;
}

static int
take_own(void)
{
	int on, err = errno;

	if (likely(__atomic_load_n(&words_n, __ATOMIC_ACQUIRE) == 0))
		return -1;
	pthread_mutex_lock(&lock);
	on = take(pthread_self(), gettid());
	pthread_mutex_unlock(&lock);
	errno = err;
	return on;
}

int
thread_offload(void)
{
	int on = take_own();

	if (on >= 0)
		said = on;
	return said;
}

/* A child has one thread, under another id. */
static void
before_fork(void)
{
	thread_offload();
	pthread_mutex_lock(&lock);
}

static void
in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void
in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	LIST_INIT(&words);
	words_n = 0;
}

static void
follow_fork(void)
{
	pthread_atfork(before_fork, in_parent, in_child);
}

int
sock_thread_offload(pthread_t thread, bool on)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct word *w;
	pid_t tid;

	if (pthread_equal(thread, pthread_self())) {
		take_own();
		said = on;
		return 0;
	}
	tid = tid_of(thread);
	if (tid == 0)
		return -ESRCH;
	w = malloc(sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	*w = (struct word){ .thread = thread, .tid = tid, .on = on };
	pthread_once(&once, follow_fork);
	pthread_mutex_lock(&lock);
	take(thread, tid);
	LIST_INSERT_HEAD(&words, w, next);
	__atomic_add_fetch(&words_n, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return 0;
}
