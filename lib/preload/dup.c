/* SPDX-License-Identifier: BSD-3-Clause */
/* Duplicates of descriptors. */
#include <fcntl.h>
#include <unistd.h>

#include "preload.h"

/*
 * Two names of a candidate would be one socket to the kernel, and dpvma, when one of them needs a
 * port, would know of that one only.
 */
const struct core *
core_for_duplicate(int fd)
{
	if (mark_of(fd) == SOCK_MARK_CANDIDATE)
		candidate_adopt(fd);
	return core_for_call(fd);
}

EXPORT int
dup(int fd)
{
	const struct core *c = core_for_duplicate(fd);

	return c != NULL ? c->dup(fd) : fresh(os.dup(fd));
}

/* @return who is to do it; what had the number, and dpvma does not know, is forgotten */
static const struct core *
for_onto(int fd, int to, const void *caller)
{
	const struct core *c;
	int err = errno;

	if (fd != to && mark_of(to) == SOCK_MARK_STACK && !caller_is_stack(caller))
		return core_loaded();
	if (fd == to || likely(mark_of(fd) == SOCK_MARK_NONE && mark_of(to) == SOCK_MARK_NONE))
		return NULL;
	c = core_for_duplicate(fd);
	if (c == NULL)
		c = core_for_call(to);
	if (core_for_call(to) == NULL && os.fcntl(fd, F_GETFD) >= 0)
		mark_gone(to);
	errno = err;
	return c;
}

EXPORT int
dup2(int fd, int to)
{
	const struct core *c = for_onto(fd, to, __builtin_return_address(0));

	return c != NULL ? c->dup2(fd, to) : os.dup2(fd, to);
}
ALIAS(__dup2, dup2);

EXPORT int
dup3(int fd, int to, int flags)
{
	const struct core *c = (flags & ~O_CLOEXEC) == 0
			? for_onto(fd, to, __builtin_return_address(0))
			: NULL;

	return c != NULL ? c->dup3(fd, to, flags) : os.dup3(fd, to, flags);
}
