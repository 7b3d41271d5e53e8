/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From file descriptor to socket: a flat table, read without a lock. A lookup takes a reference and
 * looks again; since the memory of a struct sock is used for nothing else, ever, the reference of a
 * lookup that lost against a close lands in a struct sock and is taken back.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sock_priv.h"

#define TABLE_MAX (1u << 20)

static struct sock **table;
static uint32_t table_size;
static uint32_t table_top; /**< no entry at or above it */
static rte_spinlock_t free_lock = RTE_SPINLOCK_INITIALIZER;
static SLIST_HEAD(, sock) free_list = SLIST_HEAD_INITIALIZER(free_list);

int
sock_table_init(void)
{
	struct rlimit lim;

	if (table != NULL)
		return 0;
	table_size = TABLE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_max < TABLE_MAX)
		table_size = (uint32_t)RTE_MAX(lim.rlim_max, (rlim_t)65536);
	/* pages come when they are touched */
	table = mmap(NULL, table_size * sizeof(*table), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED) {
		table = NULL;
		return -ENOMEM;
	}
	return 0;
}

struct sock *
sock_new(int fd)
{
	struct sock *s;

	if ((uint32_t)fd >= table_size)
		return NULL;
	rte_spinlock_lock(&free_lock);
	s = SLIST_FIRST(&free_list);
	if (s != NULL)
		SLIST_REMOVE_HEAD(&free_list, next_free);
	rte_spinlock_unlock(&free_lock);
	if (s == NULL) {
		s = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*s), RTE_CACHE_LINE_SIZE));
		if (s == NULL)
			return NULL;
		memset(s, 0, sizeof(*s));
	}
	/* users may be held by a lookup that lost: it is added to, never set */
	s->fd = fd;
	s->udp = NULL;
	s->offloaded = s->nonblock = s->closing = s->bound = s->os_pollable = s->shut_read = false;
	s->wants = s->stamping = 0;
	s->os_countdown = conf()->rx_udp_poll_os_ratio;
	s->rcv_timeout_ns = 0;
	s->sleepers = 0;
	s->wake_fd = -1;
	s->user_data = (uint64_t)fd;
	s->flow_tag = 0;
	s->bind_device[0] = s->why[0] = '\0';
	rte_spinlock_init(&s->lock);
	__atomic_fetch_add(&s->users, 1, __ATOMIC_RELAXED);
	rte_spinlock_lock(&free_lock);
	if ((uint32_t)fd >= table_top)
		table_top = (uint32_t)fd + 1;
	rte_spinlock_unlock(&free_lock);
	__atomic_store_n(&table[fd], s, __ATOMIC_RELEASE);
	return s;
}

struct sock *
sock_get(int fd)
{
	struct sock *s;

	if (unlikely((uint32_t)fd >= table_size))
		return NULL;
	s = __atomic_load_n(&table[fd], __ATOMIC_ACQUIRE);
	if (unlikely(s == NULL))
		return NULL;
	__atomic_fetch_add(&s->users, 1, __ATOMIC_ACQ_REL);
	if (likely(__atomic_load_n(&table[fd], __ATOMIC_ACQUIRE) == s))
		return s;
	sock_put(s);
	return NULL;
}

static __rte_noinline void
destroy(struct sock *s)
{
	if (s->udp != NULL)
		udp_close(s->udp);
	s->udp = NULL;
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	s->wake_fd = -1;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	rte_spinlock_lock(&free_lock);
	SLIST_INSERT_HEAD(&free_list, s, next_free);
	rte_spinlock_unlock(&free_lock);
}

void
sock_put(struct sock *s)
{
	/* a stray reference on an object that is free already does not destroy it again */
	if (__atomic_sub_fetch(&s->users, 1, __ATOMIC_ACQ_REL) == 0 &&
			__atomic_exchange_n(&s->closing, false, __ATOMIC_ACQ_REL))
		destroy(s);
}

struct sock *
sock_detach(int fd)
{
	struct sock *s;

	if ((uint32_t)fd >= table_size)
		return NULL;
	s = __atomic_exchange_n(&table[fd], NULL, __ATOMIC_ACQ_REL);
	if (s != NULL)
		__atomic_store_n(&s->closing, true, __ATOMIC_RELEASE);
	return s;
}

void
sock_foreach(void (*cb)(struct sock *s, void *ctx), void *ctx)
{
	uint32_t fd;

	for (fd = 0; fd < table_top; fd++) {
		struct sock *s = sock_get((int)fd);

		if (s == NULL)
			continue;
		cb(s, ctx);
		sock_put(s);
	}
}
