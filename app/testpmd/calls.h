/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket calls that the TCP modes make: dpvma's, or with --kernel libc's. */
#ifndef TESTPMD_CALLS_H
#define TESTPMD_CALLS_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

struct tp_calls {
	int (*socket)(int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *len, int flags);
	int (*setsockopt)(int fd, int level, int name, const void *val, socklen_t len);
	int (*getsockopt)(int fd, int level, int name, void *val, socklen_t *len);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);
	int (*epoll_create)(int flags);
	int (*epoll_ctl)(int epfd, int op, int fd, struct epoll_event *event);
	int (*epoll_wait)(int epfd, struct epoll_event *events, int n, int timeout_ms);
};

/** Chosen once at the start. */
extern const struct tp_calls *tp_calls;
extern const struct tp_calls tp_calls_dpvma, tp_calls_kernel;

#endif
