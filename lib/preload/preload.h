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

#include <stdbool.h>
#include <stdint.h>

#include "sock/attach.h"

#define EXPORT __attribute__((visibility("default")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/** Further calls of libc that are interposed and that libdpvma.so does not make itself. */
#define PRELOAD_CALLS(X)                                                                           \
	X(pid_t, fork, (void))                                                                     \
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

/** @name Marks */
/** @{ */
extern uint8_t preload_marks[SOCK_MARKS];

static inline enum sock_mark
mark_of(int fd)
{
	if (unlikely((unsigned int)fd >= SOCK_MARKS))
		return SOCK_MARK_NONE;
	return (enum sock_mark)__atomic_load_n(&preload_marks[fd], __ATOMIC_ACQUIRE);
}
/** @} */

/** @name libdpvma.so (core.c) */
/** @{ */
/** What of it is called: return type, name without dpvma_, parameters. */
#define CORE_CALLS(X)                                                                              \
	X(int, attach, (const struct sock_host *host))                                             \
	X(int, adopt, (int fd))                                                                    \
	X(void, forget, (int fd))                                                                  \
	X(int, close, (int fd))
struct core {
#define CORE_MEMBER(ret, name, params) ret(*name) params;
	CORE_CALLS(CORE_MEMBER)
#undef CORE_MEMBER
};
/** Loaded and attached to on first need. NULL: it cannot be, which was said once; all is libc's. */
const struct core *core(void);
/** The same if it is there already. */
const struct core *core_loaded(void);
/** @} */

/** @name Signals (signals.c) */
/** @{ */
const struct sock_signals *preload_signals(void);
/** @} */

#endif
