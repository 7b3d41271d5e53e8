/* SPDX-License-Identifier: BSD-3-Clause */
/* agent: threads that open a socket each, in the middle of something else that the agent does. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"

static struct sockaddr_in local;
static char path[256];
static int opened, failed;

/* Until the test writes a byte for each into the FIFO. */
static void *
opener(void *arg)
{
	int fifo = open(path, O_RDONLY | O_CLOEXEC), fd = -1;
	char byte;

	(void)arg;
	if (fifo >= 0 && read(fifo, &byte, 1) == 1)
		fd = call->socket(AF_INET, SOCK_DGRAM, 0);
	if (fd >= 0 && call->bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0)
		__atomic_add_fetch(&opened, 1, __ATOMIC_RELEASE);
	else
		__atomic_add_fetch(&failed, 1, __ATOMIC_RELEASE);
	if (fifo >= 0)
		close(fifo);
	return NULL;
}

/* rings N ADDR FIFO: so many threads, which open a socket each when a byte for it is in the FIFO */
int
do_rings(void)
{
	int i, ret = 0;
	pthread_t t;

	local = address(2);
	local.sin_port = 0;
	snprintf(path, sizeof(path), "%s", word(3));
	for (i = 0; i < number(1) && ret == 0; i++) {
		ret = pthread_create(&t, NULL, opener, NULL);
		if (ret == 0)
			pthread_detach(t);
	}
	errno = ret;
	return answer(ret == 0 ? 0 : -1);
}

/* opened: how many of them have, and how many could not */
int
do_opened(void)
{
	printf("ok %d %d\n", __atomic_load_n(&opened, __ATOMIC_ACQUIRE),
			__atomic_load_n(&failed, __ATOMIC_ACQUIRE));
	return 0;
}
