/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extra API's say in what is offloaded: a rule more, and the sockets of a thread.
 */
#include "conf/conf.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

/* Sockets that a rule has decided about stay where they are. */
int
vma_conf_rule(const char *line)
{
	return vma_result(conf_offload_add(line));
}

int
vma_thread_offload_to(int offload, pthread_t tid)
{
	if (offload != 0 && offload != 1)
		return vma_result(-EINVAL);
	return vma_result(sock_thread_offload(tid, offload == 1));
}
