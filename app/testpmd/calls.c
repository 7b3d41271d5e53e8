/* SPDX-License-Identifier: BSD-3-Clause */
#include <unistd.h>

#include "calls.h"
#include "dpvma.h"

const struct tp_calls tp_calls_dpvma = {
	.socket = dpvma_socket,
	.bind = dpvma_bind,
	.connect = dpvma_connect,
	.listen = dpvma_listen,
	.accept = dpvma_accept4,
	.setsockopt = dpvma_setsockopt,
	.getsockopt = dpvma_getsockopt,
	.send = dpvma_send,
	.recv = dpvma_recv,
	.shutdown = dpvma_shutdown,
	.close = dpvma_close,
	.epoll_create = dpvma_epoll_create1,
	.epoll_ctl = dpvma_epoll_ctl,
	.epoll_wait = dpvma_epoll_wait,
};

/* glibc's addresses are unions in the prototypes, so that these have other types */
static int
kernel_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return bind(fd, addr, len);
}

static int
kernel_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return connect(fd, addr, len);
}

static int
kernel_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return accept4(fd, addr, len, flags);
}

const struct tp_calls tp_calls_kernel = {
	.socket = socket,
	.bind = kernel_bind,
	.connect = kernel_connect,
	.listen = listen,
	.accept = kernel_accept,
	.setsockopt = setsockopt,
	.getsockopt = getsockopt,
	.send = send,
	.recv = recv,
	.shutdown = shutdown,
	.close = close,
	.epoll_create = epoll_create1,
	.epoll_ctl = epoll_ctl,
	.epoll_wait = epoll_wait,
};

const struct tp_calls *tp_calls = &tp_calls_dpvma;
