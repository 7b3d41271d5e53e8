/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From file descriptor to socket: a flat table, read without a lock. A lookup takes a reference and
 * looks again; since the memory of a struct sock is used for nothing else, ever, the reference of a
 * lookup that lost against a close lands in a struct sock and is taken back.
 *
 * Several numbers may name one socket (names.c). Each holds a reference, and names come and go
 * under a lock, so that a number which enters the table is the kernel's number of that socket
 * still.
 *
 * With VMA_THREAD_MODE=0 one thread uses all sockets, and no call holds a reference: a close can
 * come between calls only. That ends with the first receive callback, which may close what the call
 * that it runs in uses.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "callback.h"
#include "epoll_priv.h"
#include "errqueue.h"
#include "fronts.h"
#include "port/port.h"
#include "xtreme_note.h"

#define TABLE_SIZE SOCK_MARKS

struct sock **sock_table;
uint32_t sock_table_size;

static uint32_t table_top;     /**< no entry at or above it */
static uint32_t inherited_top; /**< the same when this process was forked */
static uint32_t alive;
static uint32_t serial; /**< of the last socket made */
static bool single;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static rte_spinlock_t free_lock = RTE_SPINLOCK_INITIALIZER;
static SLIST_HEAD(, sock) free_list = SLIST_HEAD_INITIALIZER(free_list);

int
sock_table_init(void)
{
	void *p;

	single = conf()->thread_mode == CONF_THREAD_SINGLE;
	if (fronts_init(TABLE_SIZE) != 0)
		return -ENOMEM;
	if (sock_table != NULL)
		return 0;
	/* pages come when they are touched */
	p = mmap(NULL, TABLE_SIZE * sizeof(*sock_table), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	sock_table = p;
	__atomic_store_n(&sock_table_size, TABLE_SIZE, __ATOMIC_RELEASE);
	return 0;
}

void
sock_table_forget(void)
{
	uint32_t fd;

	for (fd = 0; fd < table_top; fd++) {
		if (sock_table[fd] == NULL)
			continue;
		sock_mark((int)fd, SOCK_MARK_NONE);
		front_forget((int)fd);
		if (sock_table[fd]->wake_fd >= 0)
			sock_own_close(sock_table[fd]->wake_fd);
		if (sock_table[fd]->epoll != NULL && sock_table[fd]->epoll->own_fd >= 0)
			sock_own_close(sock_table[fd]->epoll->own_fd);
		/* it may have other names */
		sock_table[fd]->wake_fd = -1;
		if (sock_table[fd]->epoll != NULL)
			sock_table[fd]->epoll->own_fd = -1;
	}
	/* what the stack has opened is no more than a file here */
	for (fd = 0; fd < sock_stacks_top(); fd++)
		sock_own_told((int)fd, false);
	callbacks_forget();
	inherited_top = table_top;
	sock_table_size = 0;
	table_top = 0;
}

/* The table is as the parent's was. */
void
dpvma_inherit(void)
{
	uint32_t fd;

	for (fd = 0; fd < inherited_top; fd++)
		if (sock_table[fd] != NULL)
			kernel_leave(sock_table[fd]);
	inherited_top = 0;
}

struct sock *
sock_new(int fd)
{
	struct sock *s;

	if ((uint32_t)fd >= __atomic_load_n(&sock_table_size, __ATOMIC_ACQUIRE))
		return NULL;
	/* the kernel gave the number anew: what had it was closed behind our back */
	if (unlikely(sock_at(fd) != NULL))
		dpvma_forget(fd);
	rte_spinlock_lock(&free_lock);
	s = SLIST_FIRST(&free_list);
	if (s != NULL)
		SLIST_REMOVE_HEAD(&free_list, next_free);
	rte_spinlock_unlock(&free_lock);
	if (s == NULL) {
		s = aligned_alloc(RTE_CACHE_LINE_SIZE,
				RTE_ALIGN_CEIL(sizeof(*s), RTE_CACHE_LINE_SIZE));
		if (s == NULL)
			return NULL;
		memset(s, 0, sizeof(*s));
	}
	/* users may be held by a lookup that lost: it is added to, never set */
	s->fd = fd;
	s->names = 0;
	s->serial = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
	s->udp = NULL;
	s->stream = NULL;
	s->epoll = NULL;
	s->watched = 0;
	TAILQ_INIT(&s->watches);
	s->linger = false;
	s->linger_s = 0;
	s->sends = s->peer_os = false;
	s->reason = REASON_NONE;
	s->rule = s->send_rule = 0;
	s->os_groups_n = 0;
	memset(s->sent, 0, sizeof(s->sent));
	s->offloaded = s->nonblock = s->closing = s->bound = s->shut_read = false;
	s->os_pollable = s->kernel_bound = s->mc_kernel = false;
	s->wants = s->stamping = s->notes = s->errors_queued = s->stamp_key = 0;
	s->errqueue = NULL;
	s->callback = NULL;
	s->carried[0] = s->carried[1] = 0;
	s->untold = false;
	s->os_countdown = conf()->rx_udp_poll_os_ratio;
	s->os_told = false;
	s->rcv_timeout_ns = s->snd_timeout_ns = 0;
	s->drained_tsc = 0;
	s->sleepers = 0;
	s->wake_fd = -1;
	s->user_data = (uint64_t)fd;
	s->noted = NULL;
	s->note_in = NULL;
	s->told = 0;
	s->flow_tag = 0;
	s->rate = (struct sock_rate){ .bytes = UINT64_MAX };
	s->paced = false;
	s->room_at = 0;
	s->profile_set[RING_RX] = s->profile_set[RING_TX] = false;
	s->bind_device[0] = s->why[0] = '\0';
	rte_spinlock_init(&s->lock);
	rte_spinlock_init(&s->wake_lock);
	rte_spinlock_init(&s->watch_lock);
	__atomic_fetch_add(&s->users, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
	return s;
}

/* @p fd is the table's from now on; names_lock is held, or nobody can know of the socket yet. */
static void
enter(struct sock *s, int fd)
{
	if (unlikely(conf()->socketxtreme) && s->names == 0)
		xtreme_known(s);
	s->names++;
	rte_spinlock_lock(&free_lock);
	if ((uint32_t)fd >= table_top)
		table_top = (uint32_t)fd + 1;
	rte_spinlock_unlock(&free_lock);
	front_forget(fd);
	__atomic_store_n(&sock_table[fd], s, __ATOMIC_RELEASE);
	sock_mark(fd,
			s->offloaded || s->sends || s->epoll != NULL ? SOCK_MARK_OURS
								     : SOCK_MARK_KERNEL);
}

void
sock_publish(struct sock *s)
{
	enter(s, s->fd);
	report_opened();
}

static __rte_noinline void
destroy(struct sock *s)
{
	int fd = s->fd;

	s->ops->destroy(s);
	if (unlikely(conf()->socketxtreme))
		xtreme_forget(s);
	if (unlikely(s->errqueue != NULL))
		errqueue_free(s);
	if (unlikely(s->callback != NULL))
		callback_free(s);
	if (s->wake_fd >= 0)
		sock_own_close(s->wake_fd);
	s->wake_fd = -1;
	if (unlikely(s->loud))
		kernel_forget(s);
	s->fd = -1;
	rte_spinlock_lock(&free_lock);
	SLIST_INSERT_HEAD(&free_list, s, next_free);
	rte_spinlock_unlock(&free_lock);
	__atomic_fetch_sub(&alive, 1, __ATOMIC_RELEASE);
	/* last: from here on the number may be another socket's; < 0: it is already */
	if (fd >= 0)
		os.close(fd);
}

static inline void
drop(struct sock *s)
{
	/* a stray reference on an object that is free already does not destroy it again */
	if (__atomic_sub_fetch(&s->users, 1, __ATOMIC_ACQ_REL) == 0 &&
			__atomic_exchange_n(&s->closing, false, __ATOMIC_ACQ_REL))
		destroy(s);
}

static inline struct sock *
hold(int fd)
{
	struct sock *s = sock_at(fd);

	if (s == NULL)
		return NULL;
	__atomic_fetch_add(&s->users, 1, __ATOMIC_ACQ_REL);
	if (likely(sock_at(fd) == s))
		return s;
	drop(s);
	return NULL;
}

struct sock *
sock_get(int fd)
{
	return single ? sock_at(fd) : hold(fd);
}

void
sock_count_users(void)
{
	single = false;
}

void
sock_hold(struct sock *s)
{
	__atomic_fetch_add(&s->users, 1, __ATOMIC_ACQ_REL);
}

void
sock_put(struct sock *s)
{
	/* single: only the table's reference counts, which whoever detached it drops */
	if (!single || s->closing)
		drop(s);
}

bool
sock_is_ours(int fd)
{
	return sock_at(fd) != NULL;
}

unsigned int
sock_table_top(void)
{
	return __atomic_load_n(&table_top, __ATOMIC_RELAXED);
}

void
sock_release(struct sock *s)
{
	drop(s);
}

/** @name Names */
/** @{ */
void
sock_names_lock(void)
{
	pthread_mutex_lock(&names_lock);
}

void
sock_names_unlock(void)
{
	pthread_mutex_unlock(&names_lock);
}

struct sock *
sock_held(int fd)
{
	return sock_at(fd);
}

void
sock_foreach_name(struct sock *s, void (*cb)(int fd, void *ctx), void *ctx)
{
	uint32_t fd, left = s->names;

	for (fd = 0; left != 0 && fd < table_top; fd++)
		if (sock_table[fd] == s) {
			cb((int)fd, ctx);
			left--;
		}
}

bool
sock_add_name(struct sock *s, int fd)
{
	if (s->names == 0 || (uint32_t)fd >= sock_table_size)
		return false;
	__atomic_fetch_add(&s->users, 1, __ATOMIC_ACQ_REL);
	enter(s, fd);
	return true;
}

static void
take_name(int fd, void *ctx)
{
	struct sock *s = ctx;

	if (s->fd < 0)
		__atomic_store_n(&s->fd, fd, __ATOMIC_RELEASE);
}

struct sock *
sock_detach_locked(int fd, bool *last)
{
	struct sock *s = sock_at(fd);

	*last = false;
	if (s == NULL)
		return NULL;
	__atomic_store_n(&sock_table[fd], NULL, __ATOMIC_SEQ_CST);
	front_forget(fd);
	sock_mark(fd, SOCK_MARK_NONE);
	*last = --s->names == 0;
	if (*last) {
		__atomic_store_n(&s->closing, true, __ATOMIC_SEQ_CST);
	} else if (s->fd == fd) {
		s->fd = -1;
		sock_foreach_name(s, take_name, s);
		/* who sleeps on the number that goes sleeps on the other from now on */
		sock_wake_all(s);
	}
	return s;
}

struct sock *
sock_detach(int fd, bool *last)
{
	struct sock *s;

	*last = false;
	if (sock_at(fd) == NULL)
		return NULL;
	sock_names_lock();
	s = sock_detach_locked(fd, last);
	sock_names_unlock();
	return s;
}
/** @} */

void
dpvma_forget(int fd)
{
	bool last;
	struct sock *s = sock_detach(fd, &last);

	if (sock_marked(fd) == SOCK_MARK_STACK)
		port_fork_disown(fd);
	explain_remember(fd, REASON_NONE);
	sock_mark(fd, SOCK_MARK_NONE);
	if (s == NULL)
		return;
	if (last) {
		s->fd = -1;
		epoll_forget(s);
		callback_forget(s);
		sock_wake_all(s);
	}
	sock_release(s);
}

unsigned int
sock_alive(void)
{
	return __atomic_load_n(&alive, __ATOMIC_ACQUIRE);
}

/* Other threads ask this way, too (telemetry): the reference is a real one in any thread mode. */
void
sock_foreach(void (*cb)(struct sock *s, void *ctx), void *ctx)
{
	uint32_t fd;

	for (fd = 0; fd < __atomic_load_n(&table_top, __ATOMIC_RELAXED); fd++) {
		struct sock *s = hold((int)fd);

		if (s == NULL)
			continue;
		/* once, however many names it has */
		if (s->fd == (int)fd)
			cb(s, ctx);
		drop(s);
	}
}
