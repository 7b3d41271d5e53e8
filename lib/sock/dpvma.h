/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * dpvma: UDP and TCP sockets on DPDK ports, with the calls of POSIX under a prefix.
 *
 * A socket's file descriptor is the kernel's: dpvma_socket() opens a kernel socket behind it, so
 * its number meets no other, and what dpvma cannot carry (an address that is no port's, a route
 * that leads elsewhere) the kernel carries, through the same call. Any thread may use any socket.
 * Errors are -1 with errno as Linux gives it; on success errno is left alone.
 *
 * The calls differ from POSIX in nothing but the prefix, unless said here:
 *
 * - A signal ends a call that sleeps with EINTR, with SA_RESTART too; one that is handled while the
 *   call still polls (VMA_RX_POLL, VMA_SELECT_POLL) counts as handled before it. Under
 *   libdpvma-preload.so, which knows what is handled and when, both are as signal(7) has it.
 * - close() of a socket's last name ends calls of other threads on it: EBADF, and POLLNVAL from
 *   poll.
 * - The time of recvmmsg() bounds the wait for the first datagram, too; what is left of it is
 * stored.
 * - What each socket option does: doc/options.md.
 * - SO_RCVBUF has a floor, VMA_RX_BYTES_MIN, and not the kernel's limit.
 * - MSG_MORE is EOPNOTSUPP on an offloaded datagram socket.
 * - A bad address is EFAULT, and not a crash, where the host of attach.h catches faults; without
 *   that, NULL, the first page and what no program can have are.
 * - SO_SNDBUF and SO_RCVBUF of a stream socket are what it has: neither grows by itself.
 * - close() of a stream socket leaves the connection to dpvma, which ends it as TCP asks. What is
 *   not sent when dpvma_exit() has waited for 0.2 s is lost.
 * - Sockets that share a number by SO_REUSEPORT share what comes when they are of one process; of
 *   another process's the device or the kernel knows nothing.
 * - TCP_DEFER_ACCEPT is on or off: a connection is accepted with its first data, and reset after
 *   a minute without any.
 * - To dup(), a descriptor that came into the process by no call below is the kernel's alone; so is
 *   every socket in a child of fork().
 * - poll and select tell of a closed descriptor of the kernel's when they ask the kernel, at the
 *   latest in the VMA_SELECT_SKIP_OS-th call.
 * - With VMA_THREAD_MODE=0 all calls must come from one thread, and TCP's timers run in them.
 */
#ifndef DPVMA_H
#define DPVMA_H

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DPVMA_API __attribute__((visibility("default")))

struct vma_api_t;

/**
 * Start. On an EAL the program has started (rte_eal_init() before this call) its ports are used as
 * they are: not configured or started by the program. Otherwise EAL is started from DPVMA_EAL_ARGS,
 * in a thread of its own, so that the caller keeps its affinity and signal mask. Idempotent;
 * dpvma_socket() calls it when the program did not.
 *
 * @return 0, or -1 with errno and one line in the log that names cause and cure:
 *         ENODEV no port, ENOMEM memory or huge pages, EACCES permission, EINVAL arguments
 */
DPVMA_API int dpvma_init(void);

/** Close every socket, stop the ports, end the internal thread. EAL is ended only if we started it.
 */
DPVMA_API void dpvma_exit(void);

/** The version as a string, "0.1.0". */
DPVMA_API const char *dpvma_version(void);

/**
 * Set an option (VMA_*, DPVMA_*) before dpvma_init(), as the environment would.
 * @return 0, or -1 with errno ENOENT (no such option), EINVAL (value, also said in the log), EBUSY
 *         (started already)
 */
DPVMA_API int dpvma_set_option(const char *name, const char *value);

/** Every option with type, range, default and help. */
DPVMA_API void dpvma_print_options(FILE *f);

/**
 * The table of <mellanox/vma_extra.h> as it comes with dpvma, whatever DPVMA_VMA_ABI says of the
 * table that getsockopt(SO_VMA_GET_API) gives; static, never freed. NULL with errno when it cannot
 * start.
 */
DPVMA_API struct vma_api_t *dpvma_get_api(void);

/**
 * AF_INET with SOCK_DGRAM or SOCK_STREAM is offloaded (with SOCK_NONBLOCK, SOCK_CLOEXEC);
 * everything else is a plain kernel socket on which the calls below work all the same.
 */
DPVMA_API int dpvma_socket(int domain, int type, int protocol);
DPVMA_API int dpvma_close(int fd);
/**
 * Ours among them as dpvma_close() does it, for all threads, also with CLOSE_RANGE_UNSHARE. What
 * dpvma and DPDK have opened for themselves is spared under libdpvma-preload.so only, where close()
 * of it is EBADF, too, and dup2() onto it EBUSY (not with VMA_FORK=0).
 */
DPVMA_API int dpvma_close_range(unsigned int first, unsigned int last, int flags);
/** Another name for the same socket, also by fcntl(): whatever is set by one name holds for all. */
DPVMA_API int dpvma_dup(int fd);
DPVMA_API int dpvma_dup2(int fd, int to);
DPVMA_API int dpvma_dup3(int fd, int to, int flags);
DPVMA_API int dpvma_shutdown(int fd, int how);
DPVMA_API int dpvma_bind(int fd, const struct sockaddr *addr, socklen_t len);
DPVMA_API int dpvma_connect(int fd, const struct sockaddr *addr, socklen_t len);
DPVMA_API int dpvma_listen(int fd, int backlog);
/**
 * A listener on an address that other devices have, too, gives their connections as well, which
 * are the kernel's then.
 */
DPVMA_API int dpvma_accept(int fd, struct sockaddr *addr, socklen_t *len);
DPVMA_API int dpvma_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
DPVMA_API int dpvma_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
DPVMA_API int dpvma_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
DPVMA_API int dpvma_setsockopt(int fd, int level, int name, const void *val, socklen_t len);
DPVMA_API int dpvma_getsockopt(int fd, int level, int name, void *val, socklen_t *len);
DPVMA_API int dpvma_fcntl(int fd, int cmd, ...);
DPVMA_API int dpvma_ioctl(int fd, unsigned long request, ...);

DPVMA_API ssize_t dpvma_read(int fd, void *buf, size_t len);
DPVMA_API ssize_t dpvma_readv(int fd, const struct iovec *iov, int iovcnt);
DPVMA_API ssize_t dpvma_recv(int fd, void *buf, size_t len, int flags);
DPVMA_API ssize_t dpvma_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
		socklen_t *fromlen);
DPVMA_API ssize_t dpvma_recvmsg(int fd, struct msghdr *msg, int flags);
DPVMA_API int dpvma_recvmmsg(
		int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout);

DPVMA_API ssize_t dpvma_write(int fd, const void *buf, size_t len);
DPVMA_API ssize_t dpvma_writev(int fd, const struct iovec *iov, int iovcnt);
DPVMA_API ssize_t dpvma_send(int fd, const void *buf, size_t len, int flags);
DPVMA_API ssize_t dpvma_sendto(int fd, const void *buf, size_t len, int flags,
		const struct sockaddr *to, socklen_t tolen);
DPVMA_API ssize_t dpvma_sendmsg(int fd, const struct msghdr *msg, int flags);
DPVMA_API int dpvma_sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags);

/** Into a stream socket of dpvma it copies. */
DPVMA_API ssize_t dpvma_sendfile(int fd, int file, off_t *offset, size_t count);

DPVMA_API int dpvma_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
DPVMA_API int dpvma_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *sigmask);
/** Sets may be larger than an fd_set, and what is left of the time is stored. */
DPVMA_API int dpvma_select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout);
DPVMA_API int dpvma_pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
		const sigset_t *sigmask);

/**
 * @name epoll
 * As Linux has it, but that closing an epoll ends waits on it, with EBADF. Any descriptor can be in
 * an epoll, and an epoll in another; only what is added by dpvma_epoll_ctl() is seen by
 * dpvma_epoll_wait(). dpvma_poll() takes an epoll, too.
 */
/** @{ */
DPVMA_API int dpvma_epoll_create1(int flags);
DPVMA_API int dpvma_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
DPVMA_API int dpvma_epoll_wait(int epfd, struct epoll_event *events, int n, int timeout_ms);
DPVMA_API int dpvma_epoll_pwait(int epfd, struct epoll_event *events, int n, int timeout_ms,
		const sigset_t *sigmask);
DPVMA_API int dpvma_epoll_pwait2(int epfd, struct epoll_event *events, int n,
		const struct timespec *timeout, const sigset_t *sigmask);
/** @} */

/** Whether the kernel or dpvma carries a socket. */
enum dpvma_carrier { DPVMA_KERNEL, DPVMA_OFFLOADED };
/**
 * Why a socket is where it is, as one line of text; never NULL.
 * @param[out] why at most @p len bytes with the terminator
 */
DPVMA_API enum dpvma_carrier dpvma_explain(int fd, char *why, size_t len);

/**
 * The same of every socket of the process, a paragraph each: who carries it and what decided that
 * (a rule, a route, an address, ...), names, state, rings, steering, counters; with DPVMA_EXPLAIN
 * set also a line for each that was closed.
 * @return 0, or -1 with errno EIO
 */
DPVMA_API int dpvma_explain_all(FILE *f);
/**
 * The same as one JSON object on a line: {"sockets":[{"fd":,"type":,"carrier":,"decided":,"why":,
 * "local":,"remote":,"state":,"rings":[{"index":,"queue":,"port":,"netdev":}],"steering":[],
 * "counters":{}}],"closed":[],"closed_dropped":}. carrier is offloaded, kernel or mixed.
 */
DPVMA_API int dpvma_explain_json(FILE *f);

/**
 * Counters of a socket, its rings and its cyclic reader; 0: of everything, TCP's engines too. EBADF
 * for no socket.
 */
DPVMA_API int dpvma_dump(int fd, FILE *f);
/**
 * The same as one JSON object on a line:
 * {"rings":[{"index":,"port":,"queue":,"counters":{}}],"sockets":[{"fd":,"why":,"counters":{}}],
 * "cyclic":[{"ring":,"source":,"counters":{}}],"tcp":[{"ring":,"connections":,"counters":{}}]}
 * @return 0, or -1 with errno EIO
 */
DPVMA_API int dpvma_dump_json(FILE *f);

#ifdef __cplusplus
}
#endif

#endif
