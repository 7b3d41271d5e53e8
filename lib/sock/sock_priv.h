/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside room sock: the object behind a file descriptor. Memory of these objects is never given back
 * to the system, only used again, so that a lookup that races with a close reads a struct sock in any
 * case and finds out by the table that it is not its own.
 */
#ifndef DPVMA_SOCK_PRIV_H
#define DPVMA_SOCK_PRIV_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "conf/conf.h"
#include "ring/ring.h"
#include "sock/dpvma.h"
#include "sock/sock.h"
#include "udp/udp.h"

#define SOCK_BATCH 64  /**< datagrams a call handles at once */
#define SOCK_RINGS PORT_MAX
#define SOCK_WHY 192

/** Ancillary data a receiver asked for. */
enum {
	WANT_PKTINFO = 0x01,
	WANT_TTL = 0x02,
	WANT_TOS = 0x04,
	WANT_TIME = 0x08,
	WANT_TIME_NS = 0x10,
	WANT_STAMPING = 0x20,
	WANT_ORIGDST = 0x40,
};

struct sock {
	/* read by every call */
	int fd;
	uint32_t users;          /**< the table's reference and those of calls under way */
	struct udp_sock *udp;
	bool offloaded;          /**< else the kernel carries it */
	bool nonblock;
	bool closing;
	bool bound;              /**< has a local port */
	bool os_pollable;        /**< the kernel's socket may have datagrams, too */
	bool shut_read;
	uint32_t wants;          /**< WANT_* */
	uint32_t stamping;       /**< SOF_TIMESTAMPING_* */
	int os_countdown;        /**< ring polls until the kernel's socket is looked at */
	int64_t rcv_timeout_ns;  /**< 0: none */

	/* sleeping */
	uint32_t sleepers;
	int wake_fd;             /**< an eventfd, -1 until somebody slept */

	/* control */
	rte_spinlock_t lock __rte_cache_aligned;
	uint64_t user_data;
	uint32_t flow_tag;
	char bind_device[IF_NAMESIZE];
	char why[SOCK_WHY];      /**< why it is carried by whom it is */
	SLIST_ENTRY(sock) next_free;
};

/* fdtable.c */
int sock_table_init(void);
struct sock *sock_new(int fd);
/** The socket with one more user, or NULL: not one of ours. */
struct sock *sock_get(int fd);
void sock_put(struct sock *s);
/** Take it out of the table; the last user destroys it. */
struct sock *sock_detach(int fd);
void sock_foreach(void (*cb)(struct sock *s, void *ctx), void *ctx);

/* socket.c */
void sock_to_kernel(struct sock *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int sock_autobind(struct sock *s);
bool sock_is_started(void);

/* kernel.c: the kernel's socket behind ours */
int kernel_bind(struct sock *s, const struct ip_addr *addr, uint16_t *port_be);
void kernel_membership(struct sock *s, enum udp_mc_op op, const struct ip_addr *group,
		struct port *port, const struct ip_addr *source);
bool kernel_readable(int fd);

/* wait.c */
/**
 * Sleep until the socket may have something, the deadline passes or a signal comes.
 * @return 0, -EINTR, -EAGAIN (deadline), -EREMOTE (the kernel's socket is readable)
 */
int sock_sleep(struct sock *s, uint64_t deadline_ns);
void sock_wake(void *sock);
/** The eventfd that sock_wake() writes; a sleeper counts itself in sleepers, then leaves by sock_awake(). */
int sock_wake_fd(struct sock *s);
void sock_awake(struct sock *s);

/* recv.c */
/**
 * Take datagrams, waiting as the socket and @p flags say.
 * @return > 0; 0: receiving was shut down; -EAGAIN, -EINTR, -EBADF, a pending error; -EREMOTE: read
 *         the kernel's socket
 */
int sock_take(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags);

/* cmsg.c */
void cmsg_write(struct sock *s, struct msghdr *msg, const struct rte_mbuf *m);
int cmsg_read(const struct msghdr *msg, struct udp_out *out, struct ip_addr *src);

/* options.c */
int sock_setsockopt(struct sock *s, int level, int name, const void *val, socklen_t len);
int sock_getsockopt(struct sock *s, int level, int name, void *val, socklen_t *len);
/* membership.c */
int sock_membership(struct sock *s, int name, const void *val, socklen_t len);
bool sock_membership_name(int level, int name);
struct port *sock_port_of(const struct ip_addr *addr, uint32_t ifindex);

/* engine.c */
int engine_start(void);
void engine_stop(void);

static inline int
fail(int negative_errno)
{
	errno = -negative_errno;
	return -1;
}

#endif
