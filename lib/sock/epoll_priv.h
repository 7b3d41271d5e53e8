/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside epoll: what the files epoll*.c and watch*.c share.
 *
 * An epoll descriptor is the kernel's, and what the kernel carries is in the kernel's epoll with
 * the program's own data. A struct epoll stands beside it from the first socket of ours on. It has
 * a second epoll of the kernel's, in which are the kernel's halves of our sockets, the descriptors
 * of epolls in it, and the eventfd by which others wake who sleeps; nobody but us reads that one.
 *
 * Locks, from the outside: epoll.lock (an outer epoll's before an inner's), sock.wake_lock, those
 * of the rooms below, sock.watch_lock, epoll.ready_lock; that of epoll_nest.c before
 * sock.watch_lock. sock.watch_lock and what follows are taken by wake callbacks, under any lock of
 * the rooms below.
 */
#ifndef DPVMA_EPOLL_PRIV_H
#define DPVMA_EPOLL_PRIV_H

#include <pthread.h>
#include <sys/epoll.h>

#include "sock_priv.h"

/** Bits of a watch that are no events: without others it is off, as after EPOLLONESHOT. */
#define WATCH_HOW ((uint32_t)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))
#define WATCH_RINGS 2 /**< rings of a watch that need no allocation */

/** One socket, by one number, in one epoll. Under epoll.lock where nothing else is said. */
struct watch {
	struct epoll *ep;
	struct sock *s;
	int fd;
	uint32_t events; /**< written under sock.watch_lock, too */
	uint64_t data;
	bool ready, stale; /**< in the list of that name; epoll.ready_lock */
	bool in_kernel;	   /**< the kernel carries the socket: it is in the kernel's epoll */
	bool half;	   /**< the kernel's half is in the private epoll */
	bool kernel_ready; /**< and was seen to be readable: ask it */
	uint16_t n_rings;
	struct ring **rings; /**< that are counted for it */
	struct ring *few[WATCH_RINGS];
	struct watch *same_hash;
	TAILQ_ENTRY(watch) of_sock;	       /**< sock.watch_lock */
	TAILQ_ENTRY(watch) of_ready, of_stale; /**< epoll.ready_lock */
	TAILQ_ENTRY(watch) of_nested;	       /**< the lock of epoll_nest.c */
};
TAILQ_HEAD(watch_list, watch);

/** The rings that an epoll polls, and the epolls in it: made anew at each change, never changed. */
struct ring_snap {
	uint32_t refs;
	unsigned int n, n_nested;
	struct ring **rings; /**< with a reference each */
	struct epoll **nested;
};

/** A ring and how many watches have it. */
struct ring_count {
	struct ring *ring;
	unsigned int n;
};

struct epoll {
	uint32_t refs; /**< its socket's, its watches', and those that are about to lock it */
	int own_fd;    /**< the private one */
	struct sock *s;
	pthread_mutex_t lock; /**< control calls, and looking at what is ready */

	bool kernel_used; /**< there may be something in the kernel's */

	/* under lock */
	struct watch **table; /**< by fd */
	unsigned int n_buckets, n_watches;
	unsigned int n_ours; /**< not the kernel's; read without the lock */
	unsigned int n_halves, n_streams;
	struct ring_count *counts;
	unsigned int n_counts, cap_counts;

	struct watch_list nested; /**< epolls in it; the lock of epoll_nest.c */
	unsigned int visited;

	rte_spinlock_t snap_lock;
	struct ring_snap *snap;	 /**< NULL: none */
	uint32_t stirs;		 /**< of epoll_stir() */
	unsigned int n_current;	 /**< sleepers since the last one */
	unsigned int n_outdated; /**< sleepers from before it; read without the lock */

	/* written by wake callbacks */
	rte_spinlock_t ready_lock __rte_cache_aligned;
	unsigned int n_ready, n_stale; /**< read without the lock */
	uint32_t waiting;	       /**< threads that wait for events */
	unsigned int skipped;	       /**< calls that did not ask the kernel */
	struct watch_list ready;       /**< perhaps: revents() tells */
	struct watch_list stale;       /**< who carries the socket, or its rings, changed */
};

/* epoll.c */
void epoll_unref(struct epoll *ep);

/* epoll_kernel.c */
int epoll_kernel_init(void);
/** Whether what has this number is an epoll with sockets of ours. */
bool epoll_is_ours(int epfd);
/** It is ours from now on: threads that wait for it in the kernel come out. */
void epoll_call_out(int epfd);
/** The event that calls them out was taken for one: take it away or pass it on. */
bool epoll_is_kick(const struct epoll_event *ev);
void epoll_kicked(int epfd);
/** @return as epoll_wait(2); 0 with @p kicked: the epoll is another now, look again */
int epoll_wait_kernels(int epfd, struct epoll_event *events, int n, uint64_t deadline,
		const sigset_t *mask, bool *kicked);
/** The program has made it. */
void epoll_made(int epfd);

/* epoll_nest.c */
/** An epoll comes into another: 0, -ELOOP, -ENOMEM */
int epoll_nest(struct watch *w);
void epoll_unnest(struct watch *w);

/* watch.c; epoll.lock is held where nothing else is said */
/** The first of those, by same_hash, among which are all of this number. */
struct watch *watch_chain(struct epoll *ep, int fd);
struct watch *watch_find(struct epoll *ep, const struct sock *s, int fd);
/** 0, -ENOMEM, -EBADF (it is being closed), -ELOOP */
int watch_add(struct epoll *ep, struct sock *s, int fd, const struct epoll_event *ev);
int watch_change(struct watch *w, const struct epoll_event *ev);
void watch_remove(struct watch *w);

/* watch_kernel.c; the same */
/** Who carries the socket, and its rings, as they are now. 0, -ENOMEM */
int watch_follow(struct watch *w);
/** The same of all whose have changed. Takes the lock. */
void watches_follow(struct epoll *ep);
/** The kernel tells nothing of it any more. */
void watch_leave_kernel(struct watch *w);
/** What the private epoll has to tell. */
void watches_harvest(struct epoll *ep);
/** Events that hold among those wanted. */
uint32_t watch_revents(struct watch *w);

/* watch_ready.c; the same */
/** A call may have found it ready. Linux tells an outer epoll once, and of every arrival. */
void watch_look(struct watch *w);
/** The oldest of those that are ready perhaps, taken off the list; NULL. */
struct watch *watch_next_ready(struct epoll *ep);
/** Back to its front or end, if it did not come back by itself. */
void watch_ready_again(struct watch *w, bool front);
/** One whose carrier, or rings, changed, taken off that list; NULL. */
struct watch *watch_next_stale(struct epoll *ep);
/** Off both lists. */
void watch_delist(struct watch *w);
/* epoll_rings.c */
/** Count the rings that the socket has now for the watch, and no others. 0, -ENOMEM */
int rings_follow(struct watch *w, bool none);
/** Epolls in it came or went. */
int rings_renew(struct epoll *ep);
struct ring_snap *rings_get(struct epoll *ep);
void rings_put(struct ring_snap *snap);
/** Its rings are others, or will be: who sleeps on it, or on one that it is in, shall look. */
void epoll_stir(struct epoll *ep);
/** For who sleeps on it, after sock_asleep(); what it returns is for epoll_awake(). */
uint32_t epoll_asleep(struct epoll *ep);
void epoll_awake(struct epoll *ep, uint32_t stirs);

/* epoll_wait.c */
/** A turn of all its rings. */
void epoll_turn(struct epoll *ep);
int epoll_wait_ours(struct sock *e, struct epoll_event *events, int n, uint64_t deadline,
		const sigset_t *sigmask);

#endif
