/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's own functions: those that come next after this library's in the order of lookup. Another
 * library's constructor may call us before ours has run, so that a table member begins as
 * a function which resolves all of them and goes on with its own.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "preload.h"

static void resolve(void);

/*
 * No call has more than seven arguments, all of them integers or pointers. The ABIs that DPDK runs
 * on pass these alike whether a function is variadic or not.
 */
typedef long (*any_call)(long a, long b, long c, long d, long e, long f, long g);
#define FIRST(table, name)                                                                         \
	static long table##_first_##name(long a, long b, long c, long d, long e, long f, long g)   \
	{                                                                                          \
		resolve();                                                                         \
		return ((any_call)(void *)table.name)(a, b, c, d, e, f, g);                        \
	}
#define OS_FIRST(ret, name, params) FIRST(os, name)
#define LIBC_FIRST(ret, name, params) FIRST(libc, name)
SOCK_OS_CALLS(OS_FIRST)
PRELOAD_CALLS(LIBC_FIRST)

struct sock_os os = {
#define OS_INITIAL(ret, name, params) .name = (ret(*) params)(void *)os_first_##name,
	SOCK_OS_CALLS(OS_INITIAL)
};
struct preload_libc libc = {
#define LIBC_INITIAL(ret, name, params) .name = (ret(*) params)(void *)libc_first_##name,
	PRELOAD_CALLS(LIBC_INITIAL)
};

/* A call that this libc lacks, so that nobody linked it against this libc either. */
static long
missing(void)
{
	errno = ENOSYS;
	return -1;
}

static void *
next(const char *name)
{
	void *at = dlsym(RTLD_NEXT, name);

	return at != NULL ? at : (void *)missing;
}

/* Threads that come by at once store the same. */
static void
resolve(void)
{
	int err = errno;

#define RESOLVE(table, name) __atomic_store_n((void **)&table.name, next(#name), __ATOMIC_RELAXED);
#define OS_RESOLVE(ret, name, params) RESOLVE(os, name)
#define LIBC_RESOLVE(ret, name, params) RESOLVE(libc, name)
	SOCK_OS_CALLS(OS_RESOLVE)
	PRELOAD_CALLS(LIBC_RESOLVE)
	errno = err;
}

static void __attribute__((constructor(101))) resolve_early(void)
{
	resolve();
}
