/* SPDX-License-Identifier: BSD-3-Clause */
/* The marks of descriptors, a byte each; untouched pages of them cost nothing. */
#include "preload.h"

uint8_t preload_marks[SOCK_MARKS] __attribute__((aligned(64)));

void
mark_set(int fd, enum sock_mark mark)
{
	if ((unsigned int)fd < SOCK_MARKS)
		__atomic_store_n(&preload_marks[fd], (uint8_t)mark, __ATOMIC_RELEASE);
}

void
mark_gone(int fd)
{
	const struct core *c = mark_of(fd) == SOCK_MARK_STACK ? core_loaded() : core_for_call(fd);
	int err = errno;

	candidate_forget(fd);
	if (c != NULL)
		c->forget(fd);
	mark_set(fd, SOCK_MARK_NONE);
	errno = err;
}

int
mark_next(int fd)
{
	const uint64_t *eight = (const uint64_t *)preload_marks;

	while (fd < (int)SOCK_MARKS) {
		if (fd % 8 == 0 && __atomic_load_n(&eight[fd / 8], __ATOMIC_ACQUIRE) == 0)
			fd += 8;
		else if (mark_of(fd) != SOCK_MARK_NONE)
			break;
		else
			fd++;
	}
	return fd;
}
