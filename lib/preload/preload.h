/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside libdpvma-preload.so: libc's calls, interposed. This library is small and needs libc only;
 * libdpvma.so, with DPDK behind it, is loaded when a socket of the program first needs a port.
 *
 * Every interposed call begins with one look at the mark of its descriptor (sock/attach.h). What is
 * libc's alone goes there at once, and errno is what libc leaves.
 */
#ifndef DPVMA_PRELOAD_H
#define DPVMA_PRELOAD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sock/attach.h"

#define EXPORT __attribute__((visibility("default")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/** Another name that glibc gives a call and programs link. */
#define ALIAS(name, of) extern __typeof(of) name EXPORT __attribute__((alias(#of), copy(of)))

/** Further calls of libc that are interposed and that libdpvma.so does not make itself. */
#define PRELOAD_CALLS(X)                                                                           \
	X(int, open, (const char *path, int flags, ...))                                           \
	X(int, openat, (int dir, const char *path, int flags, ...))                                \
	X(int, creat, (const char *path, mode_t mode))                                             \
	X(int, __open_2, (const char *path, int flags))                                            \
	X(int, __openat_2, (int dir, const char *path, int flags))                                 \
	X(int, pipe2, (int fds[2], int flags))                                                     \
	X(int, socketpair, (int domain, int type, int protocol, int fds[2]))                       \
	X(int, eventfd, (unsigned int count, int flags))                                           \
	X(int, timerfd_create, (int clock, int flags))                                             \
	X(int, inotify_init1, (int flags))                                                         \
	X(int, memfd_create, (const char *name, unsigned int flags))                               \
	X(int, fclose, (FILE * f))                                                                 \
	X(int, close_range, (unsigned int first, unsigned int last, int flags))                    \
	X(void, closefrom, (int low))                                                              \
	X(ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t room))                       \
	X(ssize_t, __recv_chk, (int fd, void *buf, size_t len, size_t room, int flags))            \
	X(ssize_t, __recvfrom_chk,                                                                 \
			(int fd, void *buf, size_t len, size_t room, int flags,                    \
					struct sockaddr *from, socklen_t *fromlen))                \
	X(int, __poll_chk, (struct pollfd * fds, nfds_t n, int timeout_ms, size_t room))           \
	X(int, __ppoll_chk,                                                                        \
			(struct pollfd * fds, nfds_t n, const struct timespec *timeout,            \
					const sigset_t *sigmask, size_t room))                     \
	X(int, epoll_create, (int size))                                                           \
	X(int, epoll_wait, (int epfd, struct epoll_event *events, int n, int timeout_ms))          \
	X(int, epoll_pwait2,                                                                       \
			(int epfd, struct epoll_event *events, int n,                              \
					const struct timespec *timeout, const sigset_t *sigmask))  \
	X(pid_t, fork, (void))                                                                     \
	X(int, daemon, (int nochdir, int noclose))                                                 \
	X(int, munmap, (void *addr, size_t len))                                                   \
	X(int, sigaction, (int sig, const struct sigaction *act, struct sigaction *old))

/** @name libc (libc.c) */
/** @{ */
/**
 * libc's own functions, never by their names. Usable at any time: before the first call has
 * resolved them, each member resolves all and goes on.
 */
extern struct sock_os os;
struct preload_libc {
#define PRELOAD_MEMBER(ret, name, params) ret(*name) params;
	PRELOAD_CALLS(PRELOAD_MEMBER)
#undef PRELOAD_MEMBER
};
extern struct preload_libc libc;
/** @} */

/** @name Who calls (caller.c) */
/** @{ */
/** Before dpvma is loaded: what is there is the program's. */
void caller_before(void);
/** What has come since is dpvma's and DPDK's. To be called again when more of it is loaded. */
void caller_after(void);
/**
 * Whether code of dpvma or DPDK lies there. Always so where the program came with them itself, as
 * nobody can tell whose calls are whose then.
 */
bool caller_is_stack(const void *address);
/** All of it lies between these. */
extern uintptr_t caller_lowest, caller_highest;
/** A quick look for calls that do not concern it most often. */
static inline bool
caller_may_be_stack(const void *address)
{
	return (uintptr_t)address - caller_lowest < caller_highest - caller_lowest;
}
/** The number is the stack's if it was that who called. */
void caller_opened(int fd, const void *address);
/** @} */

/** @name Marks (marks.c) */
/** @{ */
extern uint8_t preload_marks[SOCK_MARKS];
/** Whether a thread is in the kernel's epoll_wait(2) for that one. */
bool preload_waits(int epfd);

static inline enum sock_mark
mark_of(int fd)
{
	if (unlikely((unsigned int)fd >= SOCK_MARKS))
		return SOCK_MARK_NONE;
	return (enum sock_mark)__atomic_load_n(&preload_marks[fd], __ATOMIC_ACQUIRE);
}

void mark_set(int fd, enum sock_mark mark);
/** The first descriptor with a mark, from @p fd on; SOCK_MARKS: there is none. */
int mark_next(int fd);
/** The number is closed, or another file's: forget what it was. errno stays. */
void mark_gone(int fd);

/**
 * A number that libc just gave. One with a mark was closed behind our back; one that was opened by
 * dpvma or DPDK is marked as theirs.
 */
static inline __attribute__((always_inline)) int
fresh_for(int fd, const void *caller)
{
	if (unlikely(mark_of(fd) != SOCK_MARK_NONE))
		mark_gone(fd);
	if (unlikely(caller_may_be_stack(caller)))
		caller_opened(fd, caller);
	return fd;
}
/** For the outermost function only: it is its caller that counts. */
#define fresh(fd) fresh_for(fd, __builtin_return_address(0))
/** @} */

/**
 * Whether the program's memory may be there, by the address alone. What cannot be is libc's to
 * complain of.
 */
static inline bool
maybe_memory(const void *at)
{
	return (uintptr_t)at >= 4096 && (intptr_t)at > 0;
}

/** @name Candidates (candidate.c) */
/** @{ */
/** @return true: it is dpvma's now, or was already; false: libc's */
bool candidate_adopt(int fd);
/** What was set on it, for dpvma. errno stays. */
void candidate_remember(int fd, int level, int name, const void *val, socklen_t len);
/** It is closed. */
void candidate_forget(int fd);
/** Whether nothing but the kernel can carry what goes to or comes by this address. */
bool candidate_loopback(const struct sockaddr *addr, socklen_t len);
/** @} */

/** @name libdpvma.so (core.c) */
/** @{ */
/** What of it is called: return type, name without dpvma_, parameters. */
#define CORE_CALLS(X)                                                                              \
	SOCK_BOTH_CALLS(X)                                                                         \
	X(int, attach, (const struct sock_host *host))                                             \
	X(const struct sock_old *, old_calls, (void))                                              \
	X(void, own, (int fd))                                                                     \
	X(void, opened, (int fd))                                                                  \
	X(int, adopt, (int fd))                                                                    \
	X(void, option_taken, (int fd, int level, int name, const void *val, socklen_t len))       \
	X(bool, sigint, (const struct sigaction *act, struct sigaction *old))                      \
	X(bool, fault, (void *context))                                                            \
	X(void, inherit, (void))                                                                   \
	X(void, forget, (int fd))                                                                  \
	X(void, end_of_process, (void))                                                            \
	X(void, before_unmap, (void))                                                              \
	X(int, close_range, (unsigned int first, unsigned int last, int flags))                    \
	X(int, epoll_pwait2,                                                                       \
			(int epfd, struct epoll_event *events, int n,                              \
					const struct timespec *timeout, const sigset_t *sigmask))  \
	X(int, epoll_called_out, (int epfd, struct epoll_event *events, int n))

struct core {
#define CORE_MEMBER(ret, name, params) ret(*name) params;
	CORE_CALLS(CORE_MEMBER)
#undef CORE_MEMBER
};
/** Loaded and attached to on first need. NULL: it cannot be, which was said once; all is libc's. */
const struct core *core(void);
/** The same if it is there already. */
const struct core *core_loaded(void);

/** For a call that moves data: NULL when the descriptor's mark, not NONE, leaves it to libc. */
static inline const struct core *
core_for_data(int fd, enum sock_mark mark)
{
	if (mark == SOCK_MARK_CANDIDATE && !candidate_adopt(fd))
		return NULL;
	return core_loaded();
}

/** For any other call that a candidate need not be adopted for. */
static inline const struct core *
core_for_call(int fd)
{
	enum sock_mark mark = mark_of(fd);

	return mark == SOCK_MARK_KERNEL || mark == SOCK_MARK_OURS ? core_loaded() : NULL;
}
/** For a duplicate of the descriptor (dup.c). */
const struct core *core_for_duplicate(int fd);
/** @} */

/** @name Signals (signals.c) */
/** @{ */
const struct sock_signals *preload_signals(void);
/** As sigaction(), for the kernel; of SIGSEGV and SIGBUS what stands behind ours (fault.c). */
int fault_action(int sig, const struct sigaction *act, struct sigaction *old);
/** Handlers of ours for bad addresses; false: there are none. */
bool preload_guard(void);
/** The same while nobody sets a handler. */
bool fault_guard(void);
/** @} */

#endif
