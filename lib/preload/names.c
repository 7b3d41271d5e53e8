/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that open, name, connect and close sockets. */
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "preload.h"

static bool
fits(int domain, int type, int protocol)
{
	type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (domain != AF_INET)
		return false;
	if (type == SOCK_DGRAM)
		return protocol == 0 || protocol == IPPROTO_UDP;
	return type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
}

/*
 * Not yet dpvma's: most such sockets of DPDK, of libnl and of many programs only carry an ioctl,
 * and EAL must not start for them.
 */
EXPORT int
socket(int domain, int type, int protocol)
{
	int fd = fresh(os.socket(domain, type, protocol));

	if (fd < 0 || !fits(domain, type, protocol) || mark_of(fd) == SOCK_MARK_STACK)
		return fd;
	if (core_loaded() != NULL)
		core_loaded()->opened(fd);
	else
		mark_set(fd, SOCK_MARK_CANDIDATE);
	return fd;
}

/* @p caller is where the call was made. */
static int
close_marked(int fd, const void *caller)
{
	const struct core *c = core_loaded();
	int err = errno;

	if (mark_of(fd) == SOCK_MARK_STACK && caller_is_stack(caller))
		c = NULL;
	/* also of what libc carries: DPVMA_EXPLAIN tells of it */
	if (c != NULL) {
		/* of one that was adopted, too: an option may have come while it was */
		candidate_forget(fd);
		errno = err;
		return c->close(fd);
	}
	/* before the number can be another's */
	mark_gone(fd);
	return os.close(fd);
}

EXPORT int
close(int fd)
{
	if (likely(mark_of(fd) == SOCK_MARK_NONE))
		return os.close(fd);
	return close_marked(fd, __builtin_return_address(0));
}
ALIAS(__close, close);

/* A stream that ends closes its descriptor inside libc. */
EXPORT int
fclose(FILE *f)
{
	int err = errno, fd = fileno(f);

	if (unlikely(mark_of(fd) != SOCK_MARK_NONE)) {
		fflush(f);
		mark_gone(fd);
	}
	errno = err;
	return libc.fclose(f);
}

EXPORT int
shutdown(int fd, int how)
{
	const struct core *c = core_for_call(fd);

	return c != NULL ? c->shutdown(fd, how) : os.shutdown(fd, how);
}

/* @return the one to ask for a call that needs a port, or NULL: libc */
static const struct core *
for_port(int fd)
{
	enum sock_mark mark = mark_of(fd);

	if (mark == SOCK_MARK_CANDIDATE)
		candidate_adopt(fd);
	return core_for_call(fd);
}

/* No port of ours has these addresses: the kernel's socket is all that it will ever need. */
static bool
stays_on_loopback(int fd, const struct sockaddr *addr, socklen_t len)
{
	return mark_of(fd) == SOCK_MARK_CANDIDATE && candidate_loopback(addr, len);
}

/* No address at all, the kernel will say. */
static bool
stays_unnamed(int fd, const struct sockaddr *addr)
{
	return mark_of(fd) == SOCK_MARK_CANDIDATE && !maybe_memory(addr);
}

static void
leave_on_loopback(int fd)
{
	candidate_forget(fd);
	mark_set(fd, SOCK_MARK_LOOPBACK);
}

EXPORT int
bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct core *c;
	int ret;

	if (stays_on_loopback(fd, addr, len)) {
		ret = os.bind(fd, addr, len);
		/* the next try may be another address */
		if (ret == 0)
			leave_on_loopback(fd);
		return ret;
	}
	c = stays_unnamed(fd, addr) ? NULL : for_port(fd);
	return c != NULL ? c->bind(fd, addr, len) : os.bind(fd, addr, len);
}

EXPORT int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	const struct core *c;

	if (stays_on_loopback(fd, addr, len)) {
		leave_on_loopback(fd);
		return os.connect(fd, addr, len);
	}
	c = stays_unnamed(fd, addr) ? NULL : for_port(fd);
	return c != NULL ? c->connect(fd, addr, len) : os.connect(fd, addr, len);
}
ALIAS(__connect, connect);

EXPORT int
listen(int fd, int backlog)
{
	const struct core *c = for_port(fd);

	return c != NULL ? c->listen(fd, backlog) : os.listen(fd, backlog);
}

static inline __attribute__((always_inline)) int
accept_for(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	const struct core *c = core_for_call(fd);

	return c != NULL ? c->accept4(fd, addr, len, flags)
			 : fresh(os.accept4(fd, addr, len, flags));
}

EXPORT int
accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return accept_for(fd, addr, len, flags);
}

EXPORT int
accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept_for(fd, addr, len, 0);
}

EXPORT int
getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct core *c = core_for_call(fd);

	return c != NULL ? c->getsockname(fd, addr, len) : os.getsockname(fd, addr, len);
}

EXPORT int
getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	const struct core *c = core_for_call(fd);

	return c != NULL ? c->getpeername(fd, addr, len) : os.getpeername(fd, addr, len);
}

/* Numbers within a range, the marked ones, are closed as by close(). */
static void
close_all_marked(unsigned int first, unsigned int last, const void *caller)
{
	int fd;

	if (first >= SOCK_MARKS)
		return;
	for (fd = (int)first; (unsigned int)(fd = mark_next(fd)) <= last && fd < (int)SOCK_MARKS;
			fd++)
		close_marked(fd, caller);
}

/* dpvma knows which numbers are to stay. */
static int
close_rest(unsigned int first, unsigned int last, int flags)
{
	const struct core *c = core_loaded();

	return c != NULL ? c->close_range(first, last, flags)
			 : libc.close_range(first, last, flags);
}

EXPORT int
close_range(unsigned int first, unsigned int last, int flags)
{
	int err = errno;

	if (first > last || (flags & ~(int)CLOSE_RANGE_UNSHARE) != 0)
		return libc.close_range(first, last, flags);
	close_all_marked(first, last, __builtin_return_address(0));
	errno = err;
	return close_rest(first, last, flags);
}

EXPORT void
closefrom(int low)
{
	unsigned int first = low < 0 ? 0 : (unsigned int)low;
	int err = errno;

	close_all_marked(first, UINT32_MAX, __builtin_return_address(0));
	errno = err;
	/* an older kernel has no close_range() */
	if (core_loaded() == NULL || close_rest(first, UINT32_MAX, 0) != 0)
		libc.closefrom(low);
}
