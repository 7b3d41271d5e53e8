/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options and modes of a descriptor. What is set on a candidate the kernel takes
 * and judges; only what the kernel cannot know makes it dpvma's at once.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "preload.h"

#define SO_VMA_FIRST 2800 /**< SO_VMA_GET_API */
#define SO_VMA_LAST 2829
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

/* SO_MAX_PACING_RATE in the extra API's form, which the kernel would take for its own. */
static bool
rate_limit(int level, int name, socklen_t len)
{
	return unlikely(name == SO_MAX_PACING_RATE) && level == SOL_SOCKET &&
			len == SOCK_RATE_LIMIT;
}

/* Of what the kernel carries. */
static int
set_kernels(int fd, int level, int name, const void *val, socklen_t len)
{
	uint64_t bytes;
	uint32_t kbits;

	if (likely(!rate_limit(level, name, len)))
		return os.setsockopt(fd, level, name, val, len);
	if (!maybe_memory(val)) {
		errno = EFAULT;
		return -1;
	}
	memcpy(&kbits, val, sizeof(kbits));
	bytes = sock_rate_bytes(kbits);
	return os.setsockopt(fd, level, name, &bytes, sizeof(bytes));
}

static bool
vma_name(int level, int name)
{
	return level == SOL_SOCKET && name >= SO_VMA_FIRST && name <= SO_VMA_LAST;
}

/* dpvma's own, and those that name a device or an address that may be a port's alone. */
static bool
only_dpvma_knows(int level, int name)
{
	if (level == SOL_SOCKET)
		return name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX || vma_name(level, name);
	return level == IPPROTO_IP &&
			(name == IP_MULTICAST_IF ||
					(name >= IP_ADD_MEMBERSHIP && name <= MCAST_MSFILTER));
}

/* Values with pointers in them, which the kernel has followed: they mean nothing later. */
static bool
has_pointers(int level, int name)
{
	return level == SOL_SOCKET &&
			(name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF);
}

EXPORT int
setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	enum sock_mark mark = mark_of(fd);
	const struct core *c;
	int ret;

	if (mark == SOCK_MARK_CANDIDATE &&
			(only_dpvma_knows(level, name) || rate_limit(level, name, len)))
		candidate_adopt(fd);
	c = core_for_call(fd);
	if (c != NULL)
		return c->setsockopt(fd, level, name, val, len);
	ret = set_kernels(fd, level, name, val, len);
	if (ret == 0 && mark == SOCK_MARK_CANDIDATE && !has_pointers(level, name))
		candidate_remember(fd, level, name, val, len);
	return ret;
}

EXPORT int
getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	const struct core *c;

	if (unlikely(vma_name(level, name) ||
			    (name == SO_MAX_PACING_RATE && maybe_memory(len) &&
					    rate_limit(level, name, *len)))) {
		/* whether the library is there is asked without a socket */
		if (fd == -1 && name == SO_VMA_FIRST)
			core();
		else if (mark_of(fd) == SOCK_MARK_CANDIDATE)
			candidate_adopt(fd);
		c = core_loaded();
	} else {
		c = core_for_call(fd);
	}
	return c != NULL ? c->getsockopt(fd, level, name, val, len)
			 : os.getsockopt(fd, level, name, val, len);
}

EXPORT int
fcntl(int fd, int cmd, ...)
{
	bool duplicates = cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
	const struct core *c;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	c = unlikely(duplicates) ? core_for_duplicate(fd) : core_for_call(fd);
	if (unlikely(c != NULL))
		return c->fcntl(fd, cmd, arg);
	ret = os.fcntl(fd, cmd, arg);
	return duplicates ? fresh(ret) : ret;
}
ALIAS(fcntl64, fcntl);
ALIAS(__fcntl, fcntl);

EXPORT int
ioctl(int fd, unsigned long request, ...)
{
	const struct core *c = core_for_call(fd);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return c != NULL ? c->ioctl(fd, request, arg) : os.ioctl(fd, request, arg);
}
