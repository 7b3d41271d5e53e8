/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bad input: each call of a table is made on the kernel's sockets, over loopback, and on ours, in
 * every state that a socket may be in, and both must return the same with the same errno. What
 * differs on purpose stands in a table of its own, with the reason, and must differ.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>

#include "sock/sock_priv.h"

#include "cable.h"

/** @name Addresses that are bad in different ways */
/** @{ */
#define LOW ((void *)16)
#define HIGH ((void *)0xffff800000000000u)
static char *unmapped, *read_only, *edge; /* edge: 16 good bytes, and then none */
static char good[65536];

static void
on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)info;
	if (dpvma_fault(ucontext))
		return;
	signal(sig, SIG_DFL);
}

static void
catch_faults(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
	assert_int_equal(sigaction(SIGBUS, &act, NULL), 0);
}

static void
make_bad(void)
{
	struct sock_os host_os = os;
	struct sock_host host = { .os = &host_os, .faults = true };
	char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	edge = p + 4096 - 16;
	unmapped = p + 4096;
	read_only = p + 2 * 4096;
	/* not munmap(): somebody else would get the place */
	assert_int_equal(mprotect(unmapped, 4096, PROT_NONE), 0);
	assert_int_equal(mprotect(read_only, 4096, PROT_READ), 0);
	assert_int_equal(dpvma_attach(&host), 0);
}
/** @} */

/** @name States of a socket */
/** @{ */
enum kind { UDP, UDP_CONNECTED, TCP, TCP_LISTENING, TCP_CONNECTED, KINDS };
static const char *const kinds[] = { "udp", "connected udp", "tcp", "listening tcp",
	"connected tcp" };

struct subject {
	enum kind kind;
	bool ours;
	int fd, peer, listener;
	struct sockaddr_in to; /* where nobody listens */
};

static int
open_one(const struct subject *s, int type)
{
	type |= SOCK_NONBLOCK;
	return s->ours ? dpvma_socket(AF_INET, type, 0) : socket(AF_INET, type, 0);
}

static void
listen_on(struct subject *s, int fd, struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);

	*sin = test_addr(s->ours ? B : "127.0.0.1", 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)sin, len), 0);
	assert_int_equal(dpvma_listen(fd, 4), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)sin, &len), 0);
	if (s->ours)
		inet_pton(AF_INET, B_SEEN, &sin->sin_addr);
}

static void
make_pair(struct subject *s)
{
	struct pollfd p = { .events = POLLIN };
	struct sockaddr_in sin;

	s->listener = open_one(s, SOCK_STREAM);
	listen_on(s, s->listener, &sin);
	assert_errno(dpvma_connect(s->fd, (struct sockaddr *)&sin, sizeof(sin)), EINPROGRESS);
	p.fd = s->listener;
	assert_int_equal(dpvma_poll(&p, 1, 20000), 1);
	s->peer = dpvma_accept(s->listener, NULL, NULL);
	assert_true(s->peer >= 0);
	/* something to read, and the handshake is over at both ends */
	assert_int_equal(dpvma_send(s->peer, good, 100, 0), 100);
	p.fd = s->fd;
	assert_int_equal(dpvma_poll(&p, 1, 20000), 1);
}

static struct subject
make(enum kind kind, bool ours)
{
	struct subject s = { .kind = kind, .ours = ours, .peer = -1, .listener = -1 };
	struct sockaddr_in sin;

	s.to = test_addr(ours ? B_SEEN : "127.0.0.1", 1);
	s.fd = open_one(&s, kind >= TCP ? SOCK_STREAM : SOCK_DGRAM);
	assert_true(s.fd >= 0);
	if (kind == UDP_CONNECTED)
		assert_int_equal(dpvma_connect(s.fd, (struct sockaddr *)&s.to, sizeof(s.to)), 0);
	else if (kind == TCP_LISTENING)
		listen_on(&s, s.fd, &sin);
	else if (kind == TCP_CONNECTED)
		make_pair(&s);
	return s;
}

static void
unmake(struct subject *s)
{
	dpvma_close(s->fd);
	if (s->peer >= 0)
		dpvma_close(s->peer);
	if (s->listener >= 0)
		dpvma_close(s->listener);
}
/** @} */

/** @name The calls */
/** @{ */
static long
message(int fd, bool out, const struct msghdr *wrong)
{
	struct iovec iov = { good, 8 };
	struct msghdr msg = *wrong;

	if (msg.msg_iovlen == 0) {
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
	}
	return out ? dpvma_sendmsg(fd, &msg, MSG_NOSIGNAL) : dpvma_recvmsg(fd, &msg, 0);
}

static long
vector(int fd, bool out, struct iovec *iov, int n)
{
	return out ? dpvma_writev(fd, iov, n) : dpvma_readv(fd, iov, n);
}

static long
option(int fd, int level, int name, void *val, socklen_t len)
{
	return dpvma_getsockopt(fd, level, name, val, &len);
}

static long
named(int fd, int (*call)(int, struct sockaddr *, socklen_t *), void *sa, int len)
{
	socklen_t l = (socklen_t)len;

	return call(fd, sa, &l);
}

static long
selects(int fd, int n, void *set, void *timeout)
{
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	return dpvma_select(n < 0 ? n : fd + 1, set != NULL ? set : &r, NULL, NULL, timeout);
}

static long
polls(int fd, long ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec ts = { .tv_nsec = ns };

	return dpvma_ppoll(&p, 1, &ts, NULL);
}

static long
refused(const struct subject *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (dpvma_connect(s->fd, (const struct sockaddr *)&s->to, sizeof(s->to)) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -1;
	if (dpvma_poll(&p, 1, 20000) != 1)
		return -2;
	dpvma_getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return 1000 + err;
}

/* A connect that is bound to fail at once. */
static long
connects(int fd, int family, const char *ip, int len)
{
	struct sockaddr_in sin = test_addr(ip, 9);

	sin.sin_family = (sa_family_t)family;
	return dpvma_connect(fd, (struct sockaddr *)&sin, (socklen_t)len);
}

static long
sends_to(const struct subject *s, int family, int port, int len)
{
	struct sockaddr_in sin = s->to;

	sin.sin_family = (sa_family_t)family;
	sin.sin_port = htons((uint16_t)port);
	return dpvma_sendto(s->fd, good, 4, MSG_NOSIGNAL, (struct sockaddr *)&sin, (socklen_t)len);
}

#define FROM ((struct sockaddr *)good)
#define SET(level, name, val, len) dpvma_setsockopt(fd, level, name, val, (socklen_t)(len))
#define IOV(p, n) (&(struct iovec){ (void *)(p), (size_t)(n) })
#define MSG(...) (&(struct msghdr){ __VA_ARGS__ })
static socklen_t some = 16, negative = (socklen_t)-1;
static int one = 1;

/* Name of the row, expression of fd and s. */
#define ROWS(X)                                                                                    \
	X(recv_null, dpvma_recv(fd, NULL, 8, 0))                                                   \
	X(recv_low, dpvma_recv(fd, LOW, 8, 0))                                                     \
	X(recv_high, dpvma_recv(fd, HIGH, 8, 0))                                                   \
	X(recv_unmapped, dpvma_recv(fd, unmapped, 8, 0))                                           \
	X(recv_edge, dpvma_recv(fd, edge, 4096, 0))                                                \
	X(recv_edge_fits, dpvma_recv(fd, unmapped - 100, 8192, 0))                                 \
	X(recv_edge_window, dpvma_recv(fd, unmapped - 100, 1 << 20, MSG_PEEK))                     \
	X(recv_minus_fd, dpvma_recv(-1, LOW, 8, 0))                                                \
	X(send_no_fd, dpvma_send(99999, LOW, 8, 0))                                                \
	X(close_no_fd, dpvma_close(99999))                                                         \
	X(bind_no_fd, dpvma_bind(-1, LOW, 16))                                                     \
	X(option_no_fd, dpvma_setsockopt(-1, 1, 1, LOW, 4))                                        \
	X(send_more, dpvma_send(fd, good, 8, MSG_MORE | MSG_NOSIGNAL))                             \
	X(send_oob, dpvma_send(fd, good, 8, MSG_OOB | MSG_NOSIGNAL))                               \
	X(send_edge, dpvma_send(fd, edge, 17, MSG_NOSIGNAL))                                       \
	X(recv_read_only, dpvma_recv(fd, read_only, 8, 0))                                         \
	X(recv_nothing, dpvma_recv(fd, NULL, 0, 0))                                                \
	X(recv_huge, dpvma_recv(fd, good, SIZE_MAX, MSG_PEEK))                                     \
	X(read_huge, dpvma_read(fd, good, SIZE_MAX))                                               \
	X(read_unmapped, dpvma_read(fd, unmapped, 8))                                              \
	X(recv_oob, dpvma_recv(fd, good, 1, MSG_OOB))                                              \
	X(recv_dontwait, dpvma_recv(fd, good, 8, MSG_DONTWAIT))                                    \
	X(recv_errqueue, dpvma_recv(fd, good, 8, MSG_ERRQUEUE))                                    \
	X(recv_unknown_flag, dpvma_recv(fd, good, 8, 0x800000))                                    \
	X(recvfrom_bad_len, dpvma_recvfrom(fd, good, 8, 0, FROM, LOW))                             \
	X(recvfrom_negative, dpvma_recvfrom(fd, good, 8, 0, FROM, &negative))                      \
	X(recvmsg_null, dpvma_recvmsg(fd, NULL, 0))                                                \
	X(recvmsg_unmapped, dpvma_recvmsg(fd, (void *)unmapped, 0))                                \
	X(recvmsg_edge, dpvma_recvmsg(fd, (void *)edge, 0))                                        \
	X(recvmsg_iov_null, message(fd, false, MSG(.msg_iovlen = 1)))                              \
	X(recvmsg_iov_low, message(fd, false, MSG(.msg_iov = LOW, .msg_iovlen = 1)))               \
	X(recvmsg_iov_many, message(fd, false, MSG(.msg_iov = IOV(good, 1), .msg_iovlen = 1025)))  \
	X(recvmsg_base, message(fd, false, MSG(.msg_iov = IOV(unmapped, 8), .msg_iovlen = 1)))     \
	X(recvmsg_high, message(fd, false, MSG(.msg_iov = IOV(HIGH, 8), .msg_iovlen = 1)))         \
	X(recvmsg_minus, message(fd, false, MSG(.msg_iov = IOV(good, -1), .msg_iovlen = 1)))       \
	X(recvmsg_namelen, message(fd, false, MSG(.msg_name = good, .msg_namelen = negative)))     \
	X(readv_minus, vector(fd, false, IOV(good, 1), -1))                                        \
	X(readv_many, vector(fd, false, IOV(good, 1), 1025))                                       \
	X(readv_null, vector(fd, false, NULL, 1))                                                  \
	X(readv_unmapped, vector(fd, false, IOV(unmapped, 1), 1))                                  \
	X(readv_negative, vector(fd, false, IOV(good, -1), 1))                                     \
	X(recvmmsg_null, dpvma_recvmmsg(fd, NULL, 1, 0, NULL))                                     \
	X(recvmmsg_low, dpvma_recvmmsg(fd, LOW, 1, 0, NULL))                                       \
	X(recvmmsg_time, dpvma_recvmmsg(fd, (void *)good, 1, 0, LOW))                              \
	X(send_null, dpvma_send(fd, NULL, 8, MSG_NOSIGNAL))                                        \
	X(send_low, dpvma_send(fd, LOW, 8, MSG_NOSIGNAL))                                          \
	X(send_high, dpvma_send(fd, HIGH, 8, MSG_NOSIGNAL))                                        \
	X(send_unmapped, dpvma_send(fd, unmapped, 8, MSG_NOSIGNAL))                                \
	X(send_nothing, dpvma_send(fd, NULL, 0, MSG_NOSIGNAL))                                     \
	X(send_read_only, dpvma_send(fd, read_only, 8, MSG_NOSIGNAL))                              \
	X(send_too_long, dpvma_send(fd, good, 65508, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)             \
	X(sendto_null_name, dpvma_sendto(fd, good, 8, MSG_NOSIGNAL, NULL, 16))                     \
	X(sendto_low_name, dpvma_sendto(fd, good, 8, MSG_NOSIGNAL, LOW, 16))                       \
	X(sendto_long_name, dpvma_sendto(fd, good, 8, MSG_NOSIGNAL, FROM, 129))                    \
	X(sendto_short_name, sends_to(s, AF_INET, 9, 8))                                           \
	X(sendto_family, sends_to(s, AF_INET6, 9, 16))                                             \
	X(sendto_port_0, sends_to(s, AF_INET, 0, 16))                                              \
	X(sendmsg_null, dpvma_sendmsg(fd, NULL, MSG_NOSIGNAL))                                     \
	X(sendmsg_unmapped, dpvma_sendmsg(fd, (void *)unmapped, MSG_NOSIGNAL))                     \
	X(sendmsg_iov_low, message(fd, true, MSG(.msg_iov = LOW, .msg_iovlen = 1)))                \
	X(sendmsg_iov_many, message(fd, true, MSG(.msg_iov = IOV(good, 1), .msg_iovlen = 1025)))   \
	X(sendmsg_base, message(fd, true, MSG(.msg_iov = IOV(unmapped, 8), .msg_iovlen = 1)))      \
	X(sendmsg_minus, message(fd, true, MSG(.msg_iov = IOV(good, -1), .msg_iovlen = 1)))        \
	X(sendmsg_namelen, message(fd, true, MSG(.msg_name = good, .msg_namelen = negative)))      \
	X(writev_minus, vector(fd, true, IOV(good, 1), -1))                                        \
	X(writev_many, vector(fd, true, IOV(good, 1), 1025))                                       \
	X(writev_low, vector(fd, true, LOW, 1))                                                    \
	X(write_huge, dpvma_write(fd, good, SIZE_MAX))                                             \
	X(sendmmsg_low, dpvma_sendmmsg(fd, LOW, 1, MSG_NOSIGNAL))                                  \
	X(sendmmsg_none, dpvma_sendmmsg(fd, NULL, 0, MSG_NOSIGNAL))                                \
	X(bind_null, dpvma_bind(fd, NULL, 16))                                                     \
	X(bind_low, dpvma_bind(fd, LOW, 16))                                                       \
	X(bind_unmapped, dpvma_bind(fd, (void *)unmapped, 16))                                     \
	X(bind_short, dpvma_bind(fd, FROM, 2))                                                     \
	X(bind_long, dpvma_bind(fd, FROM, 129))                                                    \
	X(connect_null, dpvma_connect(fd, NULL, 16))                                               \
	X(connect_none, dpvma_connect(fd, NULL, 0))                                                \
	X(connect_low, dpvma_connect(fd, LOW, 16))                                                 \
	X(connect_long, dpvma_connect(fd, FROM, 129))                                              \
	X(connect_short, connects(fd, AF_INET, "127.0.0.1", 8))                                    \
	X(connect_one_byte, connects(fd, AF_INET, "127.0.0.1", 1))                                 \
	X(connect_family, connects(fd, AF_INET6, "127.0.0.1", 16))                                 \
	X(connect_refused, refused(s))                                                             \
	X(accept_low, dpvma_accept(fd, LOW, &some))                                                \
	X(accept_flags, dpvma_accept4(fd, NULL, NULL, 1 << 20))                                    \
	X(accept_none, dpvma_accept(fd, NULL, NULL))                                               \
	X(listen_again, dpvma_listen(fd, -1))                                                      \
	X(shutdown_how, dpvma_shutdown(fd, 3))                                                     \
	X(shutdown_minus, dpvma_shutdown(fd, -1))                                                  \
	X(shutdown_write, dpvma_shutdown(fd, SHUT_WR))                                             \
	X(sockname_null, named(fd, dpvma_getsockname, NULL, 16))                                   \
	X(sockname_low, named(fd, dpvma_getsockname, LOW, 16))                                     \
	X(sockname_unmapped, named(fd, dpvma_getsockname, unmapped, 16))                           \
	X(sockname_negative, named(fd, dpvma_getsockname, good, -1))                               \
	X(sockname_empty, named(fd, dpvma_getsockname, NULL, 0))                                   \
	X(sockname_len, dpvma_getsockname(fd, FROM, NULL))                                         \
	X(sockname_read_only, named(fd, dpvma_getsockname, read_only, 16))                         \
	X(peername_low, named(fd, dpvma_getpeername, LOW, 16))                                     \
	X(peername_negative, named(fd, dpvma_getpeername, good, -1))                               \
	X(peername_len, dpvma_getpeername(fd, FROM, LOW))                                          \
	X(set_level, SET(9999, 1, &one, 4))                                                        \
	X(set_name, SET(SOL_SOCKET, 9999, &one, 4))                                                \
	X(set_ip_name, SET(IPPROTO_IP, 9999, &one, 4))                                             \
	X(set_tcp_name, SET(IPPROTO_TCP, 9999, &one, 4))                                           \
	X(set_low, SET(SOL_SOCKET, SO_RCVBUF, LOW, 4))                                             \
	X(set_null, SET(SOL_SOCKET, SO_RCVBUF, NULL, 4))                                           \
	X(set_unmapped, SET(SOL_SOCKET, SO_SNDBUF, unmapped, 4))                                   \
	X(set_short, SET(SOL_SOCKET, SO_RCVBUF, &one, 3))                                          \
	X(set_negative, SET(SOL_SOCKET, SO_RCVBUF, &one, -1))                                      \
	X(set_reuse_low, SET(SOL_SOCKET, SO_REUSEADDR, LOW, 4))                                    \
	X(set_linger_short, SET(SOL_SOCKET, SO_LINGER, good, 4))                                   \
	X(set_linger_low, SET(SOL_SOCKET, SO_LINGER, LOW, 8))                                      \
	X(set_timeout_short, SET(SOL_SOCKET, SO_RCVTIMEO, good, 4))                                \
	X(set_ttl_0, SET(IPPROTO_IP, IP_TTL, &(int){ 0 }, 4))                                      \
	X(set_ttl_256, SET(IPPROTO_IP, IP_TTL, &(int){ 256 }, 4))                                  \
	X(set_group_short, SET(IPPROTO_IP, IP_ADD_MEMBERSHIP, good, 4))                            \
	X(set_group_low, SET(IPPROTO_IP, IP_ADD_MEMBERSHIP, LOW, 8))                               \
	X(set_group_none, SET(IPPROTO_IP, IP_ADD_MEMBERSHIP, good + 1000, 8))                      \
	X(set_mc_if_low, SET(IPPROTO_IP, IP_MULTICAST_IF, LOW, 12))                                \
	X(set_mc_if_short, SET(IPPROTO_IP, IP_MULTICAST_IF, good, 3))                              \
	X(set_device_low, SET(SOL_SOCKET, SO_BINDTODEVICE, LOW, 4))                                \
	X(set_device_none, SET(SOL_SOCKET, SO_BINDTODEVICE, "nodev9", 7))                          \
	X(set_congestion, SET(IPPROTO_TCP, TCP_CONGESTION_NAME, "nocc9", 5))                       \
	X(set_congestion_low, SET(IPPROTO_TCP, TCP_CONGESTION_NAME, LOW, 5))                       \
	X(set_congestion_empty, SET(IPPROTO_TCP, TCP_CONGESTION_NAME, good, 0))                    \
	X(set_keepidle, SET(IPPROTO_TCP, 4, &(int){ 0 }, 4))                                       \
	X(set_mss_small, SET(IPPROTO_TCP, 2, &one, 4))                                             \
	X(get_level, option(fd, 9999, 1, good, 4))                                                 \
	X(get_name, option(fd, SOL_SOCKET, 9999, good, 4))                                         \
	X(get_ip_name, option(fd, IPPROTO_IP, 9999, good, 4))                                      \
	X(get_low, option(fd, SOL_SOCKET, SO_RCVBUF, LOW, 4))                                      \
	X(get_null, option(fd, SOL_SOCKET, SO_RCVBUF, NULL, 4))                                    \
	X(get_read_only, option(fd, SOL_SOCKET, SO_RCVBUF, read_only, 4))                          \
	X(get_negative, option(fd, SOL_SOCKET, SO_RCVBUF, good, negative))                         \
	X(get_empty, option(fd, SOL_SOCKET, SO_RCVBUF, NULL, 0))                                   \
	X(get_len, dpvma_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, good, NULL))                        \
	X(get_error_low, option(fd, SOL_SOCKET, SO_ERROR, LOW, 4))                                 \
	X(get_mtu, option(fd, IPPROTO_IP, IP_MTU, good, 4) < 0)                                    \
	X(get_info_low, option(fd, IPPROTO_TCP, 11, LOW, 8))                                       \
	X(ioctl_unknown, dpvma_ioctl(fd, 0x12345678, good))                                        \
	X(ioctl_in_low, dpvma_ioctl(fd, SIOCINQ, LOW))                                             \
	X(ioctl_out_low, dpvma_ioctl(fd, SIOCOUTQ, LOW))                                           \
	X(ioctl_nbio_low, dpvma_ioctl(fd, FIONBIO, LOW))                                           \
	X(ioctl_mark, dpvma_ioctl(fd, SIOCATMARK, good))                                           \
	X(fcntl_unknown, dpvma_fcntl(fd, 9999, 0))                                                 \
	X(dup_range, dpvma_fcntl(fd, F_DUPFD, -1))                                                 \
	X(dup2_range, dpvma_dup2(fd, -1))                                                          \
	X(dup3_same, dpvma_dup3(fd, fd, 0))                                                        \
	X(poll_low, dpvma_poll(LOW, 1, 0))                                                         \
	X(poll_unmapped, dpvma_poll((void *)unmapped, 1, 0))                                       \
	X(ppoll_time, polls(fd, -1))                                                               \
	X(select_minus, selects(fd, -1, NULL, NULL))                                               \
	X(select_low, selects(fd, 1, LOW, NULL))                                                   \
	X(select_time, selects(fd, 1, NULL, &(struct timeval){ .tv_sec = -1 }))

#define TCP_CONGESTION_NAME 13
#define FUNCTION(name, call)                                                                       \
	static long row_##name(const struct subject *s)                                            \
	{                                                                                          \
		int fd = s->fd;                                                                    \
		(void)fd;                                                                          \
		return (call);                                                                     \
	}
ROWS(FUNCTION)

static const struct {
	const char *name;
	long (*call)(const struct subject *s);
} rows[] = {
#define ROW(name, call) { #name, row_##name },
	ROWS(ROW)
};
/** @} */

/** @name Differences that are meant */
/** @{ */
static const struct {
	const char *row;
	int kind; /* -1: all */
	const char *why;
} meant[] = {
	{ "send_more", UDP, "MSG_MORE gathers no datagram" },
	{ "send_more", UDP_CONNECTED, "MSG_MORE gathers no datagram" },
};

static bool
is_meant(const char *row, enum kind kind)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(meant); i++)
		if (strcmp(meant[i].row, row) == 0 &&
				(meant[i].kind < 0 || meant[i].kind == (int)kind))
			return true;
	return false;
}
/** @} */

static long
run_row(unsigned int row, enum kind kind, bool ours, int *err)
{
	struct subject s = make(kind, ours);
	long ret;

	some = 16;
	errno = 0;
	ret = rows[row].call(&s);
	*err = ret == -1 ? errno : 0;
	unmake(&s);
	return ret;
}

static void
same_everywhere(void **state)
{
	unsigned int row, bad = 0, n = 0;
	int kind, err[2];
	long ret[2];

	(void)state;
	/* cmocka has its own until here */
	catch_faults();
	for (row = 0; row < RTE_DIM(rows); row++)
		for (kind = 0; kind < KINDS; kind++) {
			ret[0] = run_row(row, kind, false, &err[0]);
			ret[1] = run_row(row, kind, true, &err[1]);
			n++;
			if ((ret[0] != ret[1] || err[0] != err[1]) ==
					is_meant(rows[row].name, kind))
				continue;
			print_error("%s, %s: the kernel %ld %s, ours %ld %s\n", rows[row].name,
					kinds[kind], ret[0], strerrorname_np(err[0]), ret[1],
					strerrorname_np(err[1]));
			bad++;
		}
	print_message("%u calls\n", n);
	assert_int_equal(bad, 0);
}

static int
start(void **state)
{
	(void)state;
	make_bad();
	cable_start(NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_everywhere),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start, stop);
}
