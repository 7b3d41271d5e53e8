/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a library that interposes libc's calls (libdpvma-preload.so) stands over this one. It is
 * small and loads libdpvma.so only when a socket first needs a port; until then, and for every
 * descriptor that is not ours, calls of the program go straight to libc.
 *
 * Both sides share a table of marks, a byte a descriptor: what an interposed call looks at first.
 * No header of DPDK is needed to include this.
 */
#ifndef DPVMA_ATTACH_H
#define DPVMA_ATTACH_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "sock/dpvma.h"

/** Calls that dpvma offers, with its prefix, under the names of libc's: type, name, parameters. */
#define SOCK_BOTH_CALLS(X)                                                                         \
	X(int, close, (int fd))                                                                    \
	X(int, shutdown, (int fd, int how))                                                        \
	X(int, bind, (int fd, const struct sockaddr *addr, socklen_t len))                         \
	X(int, connect, (int fd, const struct sockaddr *addr, socklen_t len))                      \
	X(int, listen, (int fd, int backlog))                                                      \
	X(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags))                \
	X(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len))                       \
	X(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len))                       \
	X(int, setsockopt, (int fd, int level, int name, const void *val, socklen_t len))          \
	X(int, getsockopt, (int fd, int level, int name, void *val, socklen_t *len))               \
	X(int, fcntl, (int fd, int cmd, ...))                                                      \
	X(int, ioctl, (int fd, unsigned long request, ...))                                        \
	X(int, dup, (int fd))                                                                      \
	X(int, dup2, (int fd, int to))                                                             \
	X(int, dup3, (int fd, int to, int flags))                                                  \
	X(ssize_t, read, (int fd, void *buf, size_t len))                                          \
	X(ssize_t, readv, (int fd, const struct iovec *iov, int iovcnt))                           \
	X(ssize_t, recv, (int fd, void *buf, size_t len, int flags))                               \
	X(ssize_t, recvfrom,                                                                       \
			(int fd, void *buf, size_t len, int flags, struct sockaddr *from,          \
					socklen_t *fromlen))                                       \
	X(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags))                               \
	X(int, recvmmsg,                                                                           \
			(int fd, struct mmsghdr *vec, unsigned int n, int flags,                   \
					struct timespec *timeout))                                 \
	X(ssize_t, write, (int fd, const void *buf, size_t len))                                   \
	X(ssize_t, writev, (int fd, const struct iovec *iov, int iovcnt))                          \
	X(ssize_t, send, (int fd, const void *buf, size_t len, int flags))                         \
	X(ssize_t, sendto,                                                                         \
			(int fd, const void *buf, size_t len, int flags,                           \
					const struct sockaddr *to, socklen_t tolen))               \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags))                         \
	X(int, sendmmsg, (int fd, struct mmsghdr *vec, unsigned int n, int flags))                 \
	X(ssize_t, sendfile, (int fd, int file, off_t *offset, size_t count))                      \
	X(int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms))                              \
	X(int, ppoll,                                                                              \
			(struct pollfd * fds, nfds_t n, const struct timespec *timeout,            \
					const sigset_t *sigmask))                                  \
	X(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout))          \
	X(int, pselect,                                                                            \
			(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,   \
					const sigset_t *sigmask))                                  \
	X(int, epoll_ctl, (int epfd, int op, int fd, struct epoll_event *event))                   \
	X(int, epoll_pwait,                                                                        \
			(int epfd, struct epoll_event *events, int n, int timeout_ms,              \
					const sigset_t *sigmask))

/**
 * Calls of libc that dpvma itself makes on descriptors of the program. They must reach libc though
 * a preloaded library interposes them.
 */
#define SOCK_OS_CALLS(X)                                                                           \
	SOCK_BOTH_CALLS(X)                                                                         \
	X(int, socket, (int domain, int type, int protocol))                                       \
	X(int, epoll_create1, (int flags))

/**
 * Functions of the extra API under the names by which releases of families A and B exported them,
 * as they were spelled: name, parameters, arguments. Parameters are those of
 * <mellanox/vma_extra.h>, here without its types.
 */
struct vma_buff_t;
struct vma_completion_cb_t;
struct vma_completion_t;
struct vma_mlx_hw_device_data;
struct vma_modify_ring_attr;
struct vma_packet_desc_t;
struct vma_packet_t;
struct vma_ring_type_attr;
#define SOCK_OLD_CALLS(X)                                                                          \
	X(vma_register_recv_callback, (int fd, void *callback, void *context),                     \
			(fd, callback, context))                                                   \
	X(vma_recvfrom_zcopy,                                                                      \
			(int fd, void *buf, size_t len, int *flags, struct sockaddr *from,         \
					socklen_t *fromlen),                                       \
			(fd, buf, len, flags, from, fromlen))                                      \
	X(vma_free_packets, (int fd, struct vma_packet_t *pkts, size_t count), (fd, pkts, count))  \
	X(vma_add_conf_rule, (const char *line), (line))                                           \
	X(vma_thread_offload, (int offload, pthread_t tid), (offload, tid))                        \
	X(vma_dump_fd_stats, (int fd, int level), (fd, level))                                     \
	X(vma_get_socket_rings_num, (int fd), (fd))                                                \
	X(vma_get_socket_rings_fds, (int fd, int *ring_fds, int n), (fd, ring_fds, n))             \
	X(vma_get_socket_tx_ring_fd, (int fd, struct sockaddr *to, socklen_t len), (fd, to, len))  \
	X(vma_socketxtreme_poll,                                                                   \
			(int fd, struct vma_completion_t *completions, unsigned int n, int flags), \
			(fd, completions, n, flags))                                               \
	X(vma_socketxtreme_free_vma_packets, (struct vma_packet_desc_t * packets, int n),          \
			(packets, n))                                                              \
	X(vma_socketxtreme_ref_vma_buff, (struct vma_buff_t * buff), (buff))                       \
	X(vma_socketxtreme_free_vma_buff, (struct vma_buff_t * buff), (buff))                      \
	X(vma_cyclic_buffer_read,                                                                  \
			(int fd, struct vma_completion_cb_t *completion, size_t min, size_t max,   \
					int flags),                                                \
			(fd, completion, min, max, flags))                                         \
	X(vma_get_mem_info, (int fd, void **addr, size_t *len, uint32_t *lkey),                    \
			(fd, addr, len, lkey))                                                     \
	X(vma_add_ring_profile, (struct vma_ring_type_attr * profile, int *key), (profile, key))   \
	X(vma_modify_ring, (struct vma_modify_ring_attr * attr), (attr))                           \
	X(vma_get_socket_netowrk_header, (int fd, void *ptr, uint16_t *len), (fd, ptr, len))       \
	X(vma_get_ring_direct_descriptors, (int fd, struct vma_mlx_hw_device_data *data),          \
			(fd, data))                                                                \
	X(vma_reg_mr_on_ring, (int fd, void *addr, size_t len, uint32_t *key),                     \
			(fd, addr, len, key))                                                      \
	X(vma_dereg_mr_on_ring, (int fd, void *addr, size_t len), (fd, addr, len))                 \
	X(vma_get_dpcp_devices, (uintptr_t * *devices, size_t * n), (devices, n))

struct sock_old {
#define SOCK_OLD_MEMBER(name, params, args) int(*name) params;
	SOCK_OLD_CALLS(SOCK_OLD_MEMBER)
#undef SOCK_OLD_MEMBER
};

struct sock_os {
#define SOCK_OS_MEMBER(ret, name, params) ret(*name) params;
	SOCK_OS_CALLS(SOCK_OS_MEMBER)
#undef SOCK_OS_MEMBER
};

/**
 * What a descriptor is. Calls that move data, and waits, concern dpvma from SOCK_MARK_CANDIDATE on;
 * calls that open, name, set or close concern it for every mark but the first, and STACK only
 * where they would take the number away.
 */
enum sock_mark {
	SOCK_MARK_NONE,	     /**< libc's alone */
	SOCK_MARK_KERNEL,    /**< dpvma knows it, and the kernel carries it, for good */
	SOCK_MARK_EPOLL,     /**< an epoll descriptor in which no socket of ours is yet */
	SOCK_MARK_LOOPBACK,  /**< bound or sent to 127.0.0.0/8: the kernel's, for good */
	SOCK_MARK_STACK,     /**< dpvma's or DPDK's own: not the program's to close */
	SOCK_MARK_CANDIDATE, /**< AF_INET, UDP or TCP, and nothing has needed a port yet */
	SOCK_MARK_OURS,	     /**< in dpvma's table: an offloaded socket, or an epoll with one */
};
#define SOCK_MARKS (1u << 20) /**< descriptors that dpvma can have */

/** Signals that the program's handlers have seen in the calling thread, ever. */
struct sock_signals {
	volatile uint32_t all;
	volatile uint32_t ending; /**< those whose handler was set without SA_RESTART */
};

/** What the interposing library brings. */
struct sock_host {
	const struct sock_os *os;
	uint8_t *marks; /**< SOCK_MARKS of them */
	/**
	 * Whether a thread is in the kernel's wait for that epoll, by a call that was not dpvma's.
	 * Who begins after a change of the mark that came before this question sees the change.
	 */
	bool (*epoll_waits)(int epfd);
	/** Those of the calling thread; NULL: signals are seen by sleeping calls only. */
	const struct sock_signals *(*signals)(void);
	/** Whether handlers of bad addresses are in place, so that EFAULT can be told. */
	bool faults;
	/** A call of dpvma's own, not libc's, is about a CANDIDATE: have it adopted, options and
	 * all. */
	bool (*adopt)(int fd);
	/** dpvma has started: what it and DPDK load is loaded. */
	void (*started)(void);
};

/** Bytes of vma_rate_limit_t, a form of SO_MAX_PACING_RATE that the kernel does not know. */
#define SOCK_RATE_LIMIT 12
/** Its rate in the kernel's unit, bytes/s, all ones for no limit. @param kbits kbit/s, 0: none */
static inline uint64_t
sock_rate_bytes(uint32_t kbits)
{
	return kbits == 0 ? UINT64_MAX : (uint64_t)kbits * 125;
}

/**
 * Before any other call. The host stays for good.
 * @return 0, -1 with errno EBUSY: a socket is open already
 */
DPVMA_API int dpvma_attach(const struct sock_host *host);

/** The functions that libdpvma.so exports by their old names, each as the table has it. */
DPVMA_API const struct sock_old *dpvma_old_calls(void);

/**
 * libc's socket() gave this number, of AF_INET and UDP or TCP, in the calling thread. Marks it a
 * CANDIDATE unless options or thread_offload say otherwise, which is remembered. With
 * thread_offload on it is adopted here and now, as the thread may turn that off before it binds.
 */
DPVMA_API void dpvma_opened(int fd);

/**
 * A kernel's socket, neither bound nor connected, becomes one of ours if it is one that dpvma
 * offloads and dpvma starts. What was set on it is told by dpvma_option_taken(). Marks it
 * OURS, else KERNEL, and keeps why. To be called by one thread at a time.
 * @return 0, or -1: the kernel's
 */
DPVMA_API int dpvma_adopt(int fd);

/**
 * The kernel took this option before the socket was adopted: what it means to dpvma. The kernel is
 * not asked again, as one option may change what another has set.
 */
DPVMA_API void dpvma_option_taken(int fd, int level, int name, const void *val, socklen_t len);

/**
 * What the kernel gave to one that epoll_waits() of the host tells of, which was called out if the
 * epoll is dpvma's now. It has taken itself off that count.
 * @return events that are the program's; 0: call dpvma_epoll_pwait() for the rest of the time
 */
DPVMA_API int dpvma_epoll_called_out(int epfd, struct epoll_event *events, int n);

/**
 * In a child of fork() whose parent has ended without a word, as in daemon(): the sockets that it
 * has from its parent hear what the kernel was kept from for the parent's sake.
 */
DPVMA_API void dpvma_inherit(void);

/**
 * For handlers of SIGSEGV and SIGBUS, before anybody else's: whether dpvma was looking if an
 * address of the program is good. If so the handler returns, and the call that was given it gives
 * EFAULT. Safe in a handler, at any time. struct sock_host.faults says that such handlers are
 * there.
 */
DPVMA_API bool dpvma_fault(void *ucontext);

/**
 * As sigaction() of SIGINT, if VMA_HANDLE_SIGINTR has it be ours: what is set is called after us.
 * @return false: it is not, libc's sigaction() is to be called
 */
DPVMA_API bool dpvma_sigint(const struct sigaction *act, struct sigaction *old);

/** The stack itself, or DPDK, opened it by a call of libc's. */
DPVMA_API void dpvma_own(int fd);

/** The number is another file's now, that was opened behind our back: forget what it was. */
DPVMA_API void dpvma_forget(int fd);

/**
 * The process ends. From the host's destructor, which comes before that of a driver's library which
 * is preloaded after the host: connections say goodbye by a device that still works.
 */
DPVMA_API void dpvma_end_of_process(void);

/** Memory is about to be unmapped: when this is the doing of a driver, its last burst ends first.
 */
DPVMA_API void dpvma_before_unmap(void);

#endif
