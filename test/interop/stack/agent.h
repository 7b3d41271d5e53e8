/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the agent share: the words of a command, its answer, and the calls it makes,
 * which are the native API's or, for a peer, the kernel's.
 */
#ifndef STACK_AGENT_H
#define STACK_AGENT_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct calls {
	int (*socket)(int domain, int type, int protocol);
	int (*close)(int fd);
	int (*shutdown)(int fd, int how);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t len);
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*getpeername)(int fd, struct sockaddr *addr, socklen_t *len);
	int (*setsockopt)(int fd, int level, int name, const void *val, socklen_t len);
	int (*getsockopt)(int fd, int level, int name, void *val, socklen_t *len);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*sendto)(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
			socklen_t tolen);
	ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	int (*poll)(struct pollfd *fds, nfds_t n, int timeout_ms);
};
extern const struct calls *call;

#define WORDS_MAX 2048
extern int words_n;
const char *word(int i);
int number(int i);
/** Words i and i + 1. */
struct sockaddr_in address(int i);
/** "ok RET", or "err ENAME text" for a negative one. */
int answer(long ret);

/* stream.c */
/** Wait for the end of a connect that is under way. True when it is connected; else errno. */
bool connect_end(int fd);
int do_listen(void);
int do_accept(void);
int do_many(void);
int do_stream(void);
int do_sink(void);
int do_run(void);
int do_file(void);

/* rings.c */
int do_rings(void);
int do_opened(void);

/* epoll.c */
int do_epoll(void);
int do_epoll_ctl(void);
int do_epoll_wait(void);
int do_beside(void);
/** Around a command. */
void beside_begin(void);
void beside_end(void);

#endif
