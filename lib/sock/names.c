/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of a socket: the numbers that dup() and its kin give it, and their end. All lead to one
 * struct sock, as in the kernel they lead to one file: what is set by one name holds for all, and
 * only the last close ends the socket. The kernel's socket is duplicated with them, and s->fd is
 * one of the numbers; when that one goes another takes its place.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "callback.h"
#include "sock_priv.h"

/** @name Closing */
/** @{ */
static void
last_close(struct sock *s)
{
	epoll_forget(s);
	callback_forget(s);
	if (conf()->stats_file[0] != '\0')
		dump_closed(s);
	sock_wake_all(s);
	if (s->stream != NULL && s->offloaded)
		stream_sock_linger(s);
	else if (sock_shared && s->udp != NULL)
		kernel_leave(s);
}

int
dpvma_close(int fd)
{
	struct sock *s;
	bool last;

	if (unlikely(sock_is_stacks(fd)))
		return fail(-EBADF);
	if (unlikely(conf()->explain[0] != '\0'))
		report_closing(fd);
	s = sock_detach(fd, &last);
	explain_remember(fd, REASON_NONE);
	if (s == NULL) {
		sock_mark(fd, SOCK_MARK_NONE);
		return os.close(fd);
	}
	if (last)
		last_close(s);
	sock_release(s);
	return last ? 0 : os.close(fd);
}

/* From @p fd up to @p last the first that is to stay; UINT32_MAX: none. */
static unsigned int
next_to_spare(unsigned int fd, unsigned int last)
{
	for (; fd <= last && fd < sock_stacks_top(); fd++)
		if (sock_is_stacks((int)fd))
			return fd;
	return UINT32_MAX;
}

/* Not by its name: that may lead back here. */
static int
close_all(unsigned int first, unsigned int last, int flags)
{
	return first > last ? 0 : (int)syscall(SYS_close_range, first, last, flags);
}

int
dpvma_close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int fd, spared;
	int ret = 0;

	if (first > last || (flags & ~CLOSE_RANGE_UNSHARE) != 0)
		return (int)syscall(SYS_close_range, first, last, flags);
	for (fd = first; fd <= last && fd < sock_table_top(); fd++)
		if (sock_is_ours((int)fd))
			dpvma_close((int)fd);
	for (fd = first; ret == 0 && (spared = next_to_spare(fd, last)) != UINT32_MAX;
			fd = spared + 1)
		if (spared > fd) {
			explain_forget(fd, spared - 1);
			ret = close_all(fd, spared - 1, flags);
		}
	explain_forget(fd, last);
	return ret == 0 ? close_all(fd, last, flags) : ret;
}
/** @} */

/** @name Duplicating */
/** @{ */
/* The kernel made a duplicate of @p fd; names_lock is held. */
static int
name_too(int fd, int to)
{
	struct sock *s = sock_held(fd);

	if (to < 0)
		return to;
	if (s == NULL)
		explain_copy(fd, to);
	else if (!sock_add_name(s, to))
		explain_remember(to, REASON_TABLE);
	return to;
}

int
sock_dup(int fd, int cmd, int from)
{
	int to;

	if (!sock_is_ours(fd)) {
		to = os.fcntl(fd, cmd, from);
		if (to >= 0)
			explain_copy(fd, to);
		return to;
	}
	sock_names_lock();
	to = name_too(fd, os.fcntl(fd, cmd, from));
	sock_names_unlock();
	return to;
}

int
dpvma_dup(int fd)
{
	return sock_dup(fd, F_DUPFD, 0);
}

/* The last name of a socket, whose number gets another file: the number is not closed. */
static void
leave_number(struct sock *s)
{
	if (s->stream != NULL && s->offloaded && stream_phase(s->stream) == STREAM_LISTENING)
		kernel_unlisten(s);
	s->fd = -1;
}

/* VMA_CLOSE_ON_DUP2: to its end, before the number changes hands. */
static void
vacate(int fd)
{
	bool last;
	struct sock *s = sock_detach(fd, &last);

	if (s == NULL)
		return;
	if (last) {
		last_close(s);
		s->fd = -1;
	}
	sock_release(s);
}

/* @return 0, or -1 with errno: the number that it is to have cannot be given away */
static int
may_lose(int fd, int to)
{
	if (likely(!sock_is_stacks(to)))
		return 0;
	/* a descriptor that is none is the first that Linux complains of */
	if (os.fcntl(fd, F_GETFD) < 0)
		return -1;
	LOG_WARNING("dup2() onto descriptor %d, which dpvma or DPDK opened for itself: refused; "
		    "have the program open its files before its first socket",
			to);
	return fail(-EBUSY);
}

/* dup3(): a descriptor that is ours, or onto one. */
static int
dup_onto(int fd, int to, int flags)
{
	struct sock *old;
	bool last;
	int ret;

	if (os.fcntl(fd, F_GETFD) < 0)
		return -1;
	if ((flags & ~O_CLOEXEC) != 0)
		return fail(-EINVAL);
	if (conf()->close_on_dup2)
		vacate(to);
	sock_names_lock();
	old = sock_detach_locked(to, &last);
	if (last)
		leave_number(old);
	ret = os.dup3(fd, to, flags);
	if (ret >= 0)
		ret = name_too(fd, ret);
	sock_names_unlock();
	if (last)
		last_close(old);
	if (old != NULL)
		sock_release(old);
	return ret;
}

int
dpvma_dup2(int fd, int to)
{
	int ret;

	if (fd != to && may_lose(fd, to) != 0)
		return -1;
	if (fd != to && (sock_is_ours(fd) || sock_is_ours(to)))
		return dup_onto(fd, to, 0);
	ret = os.dup2(fd, to);
	if (ret >= 0 && fd != to)
		explain_copy(fd, to);
	return ret;
}

int
dpvma_dup3(int fd, int to, int flags)
{
	int ret;

	if (fd != to && may_lose(fd, to) != 0)
		return -1;
	if (fd != to && (sock_is_ours(fd) || sock_is_ours(to)))
		return dup_onto(fd, to, flags);
	ret = os.dup3(fd, to, flags);
	if (ret >= 0)
		explain_copy(fd, to);
	return ret;
}
/** @} */
