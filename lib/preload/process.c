/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New processes, and memory that goes. What fork() does to dpvma its own handlers of
 * pthread_atfork() see to, in daemon() too.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "preload.h"

/*
 * A child of the real vfork() runs in its parent's memory: what it closes and opens before exec
 * would take the parent's tables apart.
 */
EXPORT pid_t
vfork(void)
{
	return libc.fork();
}
ALIAS(__vfork, vfork);

/* The child's descriptors 0, 1 and 2 are /dev/null now. */
EXPORT int
daemon(int nochdir, int noclose)
{
	int ret = libc.daemon(nochdir, noclose), fd;

	for (fd = 0; ret == 0 && noclose == 0 && fd <= 2; fd++)
		fresh(fd);
	/* libc's _exit() of the parent went by us */
	if (ret == 0 && core_loaded() != NULL)
		core_loaded()->inherit();
	return ret;
}

/* A driver may unmap what its peer shared while a thread of the program is receiving from it. */
EXPORT int
munmap(void *addr, size_t len)
{
	if (core_loaded() != NULL)
		core_loaded()->before_unmap();
	return libc.munmap(addr, len);
}
