/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that move data. Where the descriptor is not ours, the look at its mark is all that they
 * cost.
 */
#include <sys/sendfile.h>
#include <unistd.h>

#include "preload.h"

#define BY_MARK(name, args)                                                                        \
	do {                                                                                       \
		enum sock_mark mark = mark_of(fd);                                                 \
		const struct core *c;                                                              \
                                                                                                   \
		if (likely(mark < SOCK_MARK_CANDIDATE))                                            \
			return os.name args;                                                       \
		c = core_for_data(fd, mark);                                                       \
		return c != NULL ? c->name args : os.name args;                                    \
	} while (0)

/* A candidate that has no peer: the kernel says so, and no port is needed for that. */
#define BY_MARK_OF_PEER(name, args)                                                                \
	do {                                                                                       \
		const struct core *c;                                                              \
                                                                                                   \
		if (likely(mark_of(fd) <= SOCK_MARK_CANDIDATE))                                    \
			return os.name args;                                                       \
		c = core_loaded();                                                                 \
		return c != NULL ? c->name args : os.name args;                                    \
	} while (0)

EXPORT ssize_t
read(int fd, void *buf, size_t len)
{
	BY_MARK(read, (fd, buf, len));
}
ALIAS(__read, read);

EXPORT ssize_t
readv(int fd, const struct iovec *iov, int iovcnt)
{
	BY_MARK(readv, (fd, iov, iovcnt));
}

EXPORT ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
	BY_MARK(recv, (fd, buf, len, flags));
}

EXPORT ssize_t
recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	BY_MARK(recvfrom, (fd, buf, len, flags, from, fromlen));
}

EXPORT ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	BY_MARK(recvmsg, (fd, msg, flags));
}

EXPORT int
recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	BY_MARK(recvmmsg, (fd, vec, n, flags, timeout));
}

EXPORT ssize_t
write(int fd, const void *buf, size_t len)
{
	BY_MARK_OF_PEER(write, (fd, buf, len));
}
ALIAS(__write, write);

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int iovcnt)
{
	BY_MARK_OF_PEER(writev, (fd, iov, iovcnt));
}

EXPORT ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
	BY_MARK_OF_PEER(send, (fd, buf, len, flags));
}
ALIAS(__send, send);

EXPORT ssize_t
sendfile(int fd, int file, off_t *offset, size_t count)
{
	BY_MARK_OF_PEER(sendfile, (fd, file, offset, count));
}
_Static_assert(sizeof(off_t) == sizeof(off64_t), "sendfile64 takes what sendfile takes");
ALIAS(sendfile64, sendfile);

/* The first datagram of a candidate: one to loopback, and the like of it, leave it the kernel's. */
static bool
first_to(int fd, enum sock_mark mark, const struct sockaddr *to, socklen_t len)
{
	if (mark != SOCK_MARK_CANDIDATE || !candidate_loopback(to, len))
		return false;
	candidate_forget(fd);
	mark_set(fd, SOCK_MARK_LOOPBACK);
	return true;
}

EXPORT ssize_t
sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	enum sock_mark mark = mark_of(fd);
	const struct core *c;

	if (likely(mark < SOCK_MARK_CANDIDATE) || first_to(fd, mark, to, tolen))
		return os.sendto(fd, buf, len, flags, to, tolen);
	c = core_for_data(fd, mark);
	return c != NULL ? c->sendto(fd, buf, len, flags, to, tolen)
			 : os.sendto(fd, buf, len, flags, to, tolen);
}

EXPORT ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	enum sock_mark mark = mark_of(fd);
	const struct core *c;

	if (likely(mark < SOCK_MARK_CANDIDATE) || !maybe_memory(msg) ||
			(mark == SOCK_MARK_CANDIDATE &&
					first_to(fd, mark, msg->msg_name, msg->msg_namelen)))
		return os.sendmsg(fd, msg, flags);
	c = core_for_data(fd, mark);
	return c != NULL ? c->sendmsg(fd, msg, flags) : os.sendmsg(fd, msg, flags);
}

EXPORT int
sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	enum sock_mark mark = mark_of(fd);
	const struct core *c;

	if (likely(mark < SOCK_MARK_CANDIDATE) || !maybe_memory(vec) || n == 0 ||
			(mark == SOCK_MARK_CANDIDATE &&
					first_to(fd, mark, vec->msg_hdr.msg_name,
							vec->msg_hdr.msg_namelen)))
		return os.sendmmsg(fd, vec, n, flags);
	c = core_for_data(fd, mark);
	return c != NULL ? c->sendmmsg(fd, vec, n, flags) : os.sendmmsg(fd, vec, n, flags);
}

/* What programs compiled with _FORTIFY_SOURCE call; too small a buffer ends them inside libc. */
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t
__read_chk(int fd, void *buf, size_t len, size_t room)
{
	return likely(len <= room) ? read(fd, buf, len) : libc.__read_chk(fd, buf, len, room);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t
__recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	return likely(len <= room) ? recv(fd, buf, len, flags)
				   : libc.__recv_chk(fd, buf, len, room, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
		struct sockaddr *from, socklen_t *fromlen);
ssize_t
__recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
		socklen_t *fromlen)
{
	return likely(len <= room) ? recvfrom(fd, buf, len, flags, from, fromlen)
				   : libc.__recvfrom_chk(fd, buf, len, room, flags, from, fromlen);
}
