/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that open what is never ours. A number that still has a mark was closed behind our back, by
 * a system call of the program's own or inside libc.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "preload.h"

_Static_assert(sizeof(off_t) == sizeof(off64_t), "open64 opens what open opens");

EXPORT int
open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return fresh(libc.open(path, flags, mode));
}
ALIAS(open64, open);
ALIAS(__open, open);
ALIAS(__open64, open);

EXPORT int
openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return fresh(libc.openat(dir, path, flags, mode));
}
ALIAS(openat64, openat);

/* As compiled with _FORTIFY_SOURCE. */
EXPORT int __open_2(const char *path, int flags);
int
__open_2(const char *path, int flags)
{
	return fresh(libc.__open_2(path, flags));
}
ALIAS(__open64_2, __open_2);

EXPORT int __openat_2(int dir, const char *path, int flags);
int
__openat_2(int dir, const char *path, int flags)
{
	return fresh(libc.__openat_2(dir, path, flags));
}
ALIAS(__openat64_2, __openat_2);

EXPORT int
creat(const char *path, mode_t mode)
{
	return fresh(libc.creat(path, mode));
}
ALIAS(creat64, creat);

static inline __attribute__((always_inline)) int
fresh_pair(int ret, const int fds[2])
{
	if (ret == 0) {
		fresh(fds[0]);
		fresh(fds[1]);
	}
	return ret;
}

EXPORT int
pipe2(int fds[2], int flags)
{
	return fresh_pair(libc.pipe2(fds, flags), fds);
}

EXPORT int
pipe(int fds[2])
{
	return fresh_pair(libc.pipe2(fds, 0), fds);
}
ALIAS(__pipe, pipe);

EXPORT int
socketpair(int domain, int type, int protocol, int fds[2])
{
	return fresh_pair(libc.socketpair(domain, type, protocol, fds), fds);
}

EXPORT int
eventfd(unsigned int count, int flags)
{
	return fresh(libc.eventfd(count, flags));
}

EXPORT int
timerfd_create(clockid_t clock, int flags)
{
	return fresh(libc.timerfd_create(clock, flags));
}

EXPORT int
inotify_init1(int flags)
{
	return fresh(libc.inotify_init1(flags));
}

EXPORT int
memfd_create(const char *name, unsigned int flags)
{
	return fresh(libc.memfd_create(name, flags));
}
