/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options that outlive the kernel's socket on which they were set: connections inherit their
 * listener's as on Linux, another kernel's socket that takes the place of one has them, and so has
 * one that the kernel carries in the end.
 */
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include "cable.h"
#include "sock/attach.h"

#define NOBODY 9

struct set {
	int level, name;
	union {
		int number;
		struct timeval time;
		struct linger linger;
	} value;
	socklen_t len;
};
#define NUMBER(level, name, n)                                                                     \
	{                                                                                          \
		level, name, { .number = n }, sizeof(int)                                          \
	}

static const struct set sets[] = {
	NUMBER(SOL_SOCKET, SO_KEEPALIVE, 1),
	NUMBER(SOL_SOCKET, SO_OOBINLINE, 1),
	NUMBER(SOL_SOCKET, SO_PRIORITY, 3),
	NUMBER(SOL_SOCKET, SO_RCVLOWAT, 7),
	NUMBER(SOL_SOCKET, SO_MAX_PACING_RATE, 123456),
	NUMBER(SOL_SOCKET, SO_ZEROCOPY, 1),
	NUMBER(SOL_SOCKET, SO_REUSEADDR, 1),
	NUMBER(SOL_SOCKET, SO_TIMESTAMPNS, 1),
	{ SOL_SOCKET, SO_RCVTIMEO, { .time = { 5, 0 } }, sizeof(struct timeval) },
	{ SOL_SOCKET, SO_SNDTIMEO, { .time = { 6, 0 } }, sizeof(struct timeval) },
	{ SOL_SOCKET, SO_LINGER, { .linger = { 1, 0 } }, sizeof(struct linger) },
	NUMBER(IPPROTO_IP, IP_TOS, 0x20),
	NUMBER(IPPROTO_IP, IP_TTL, 33),
	NUMBER(IPPROTO_IP, IP_RECVTOS, 1),
	NUMBER(IPPROTO_IP, IP_RECVERR, 1),
	NUMBER(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT),
	NUMBER(IPPROTO_TCP, TCP_NODELAY, 1),
	NUMBER(IPPROTO_TCP, TCP_KEEPIDLE, 77),
	NUMBER(IPPROTO_TCP, TCP_KEEPINTVL, 11),
	NUMBER(IPPROTO_TCP, TCP_KEEPCNT, 5),
	NUMBER(IPPROTO_TCP, TCP_SYNCNT, 3),
	NUMBER(IPPROTO_TCP, TCP_LINGER2, 12),
	NUMBER(IPPROTO_TCP, TCP_USER_TIMEOUT, 9000),
	NUMBER(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 30000),
	NUMBER(IPPROTO_TCP, TCP_INQ, 1),
	NUMBER(IPPROTO_TCP, TCP_FASTOPEN, 4),
};

static int
opened(bool ours, const char *ip, uint16_t *port)
{
	struct sockaddr_in sin = test_addr(ip, *port);
	socklen_t len = sizeof(sin);
	int fd = ours ? dpvma_socket(AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(ours ? dpvma_bind(fd, (void *)&sin, sizeof(sin))
			      : bind(fd, (void *)&sin, sizeof(sin)),
			0);
	assert_int_equal(ours ? dpvma_getsockname(fd, (void *)&sin, &len)
			      : getsockname(fd, (void *)&sin, &len),
			0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
set_all(bool ours, int fd)
{
	for (unsigned int i = 0; i < RTE_DIM(sets); i++) {
		const struct set *s = &sets[i];

		if ((ours ? dpvma_setsockopt(fd, s->level, s->name, &s->value, s->len)
			  : setsockopt(fd, s->level, s->name, &s->value, s->len)) != 0)
			fail_msg("level %d option %d: %s", s->level, s->name, strerror(errno));
	}
}

/* @return the connection that was accepted */
static int
accepted(bool ours, int l, uint16_t port, int *client)
{
	struct sockaddr_in sin = test_addr(ours ? B_SEEN : "127.0.0.1", port);
	struct pollfd p = { .fd = l, .events = POLLIN };
	int fd;

	*client = ours ? dpvma_socket(AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(ours ? dpvma_connect(*client, (void *)&sin, sizeof(sin))
			      : connect(*client, (void *)&sin, sizeof(sin)),
			0);
	assert_int_equal(ours ? dpvma_poll(&p, 1, 5000) : poll(&p, 1, 5000), 1);
	fd = ours ? dpvma_accept(l, NULL, NULL) : accept(l, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

/* What each says of its options, read by the calls of dpvma or of the kernel, must be the same. */
static void
same(int kernel, int fd, bool ours, unsigned int except)
{
	for (unsigned int i = 0; i < RTE_DIM(sets); i++) {
		const struct set *s = &sets[i];
		uint8_t k[16] = { 0 }, o[16] = { 0 };
		/* ours takes no lengths that are not those of its forms */
		socklen_t klen = s->name == SO_MAX_PACING_RATE ? s->len : sizeof(k), olen = klen;

		if (s->level == IPPROTO_TCP && (unsigned int)s->name == except)
			continue;
		assert_int_equal(getsockopt(kernel, s->level, s->name, k, &klen), 0);
		assert_int_equal(ours ? dpvma_getsockopt(fd, s->level, s->name, o, &olen)
				      : getsockopt(fd, s->level, s->name, o, &olen),
				0);
		if (klen != olen || memcmp(k, o, klen) != 0)
			fail_msg("level %d option %d: kernel %d, we %d", s->level, s->name,
					*(int *)(void *)k, *(int *)(void *)o);
	}
}

/* Set before the accept; and when the kernel gets that socket after all, it knows of them. */
static void
inherit_from(const int *l, const uint16_t *port)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in loop = test_addr("127.0.0.1", NOBODY);
	int c[2], s[2];
	char why[256];

	assert_int_equal(listen(l[0], 4), 0);
	assert_int_equal(dpvma_listen(l[1], 4), 0);
	s[0] = accepted(false, l[0], port[0], &c[0]);
	s[1] = accepted(true, l[1], port[1], &c[1]);
	same(s[0], s[1], true, 0);
	/* dissolved, and connected by a way that is the kernel's */
	assert_int_equal(dpvma_connect(s[1], &none, sizeof(none)), 0);
	assert_errno(dpvma_connect(s[1], (void *)&loop, sizeof(loop)), ECONNREFUSED);
	assert_int_equal(dpvma_explain(s[1], why, sizeof(why)), DPVMA_KERNEL);
	same(s[0], s[1], false, 0);
	for (unsigned int i = 0; i < 2; i++) {
		(i == 0 ? close : dpvma_close)(s[i]);
		(i == 0 ? close : dpvma_close)(c[i]);
		(i == 0 ? close : dpvma_close)(l[i]);
	}
}

static void
inherited(void **state)
{
	uint16_t port[2] = { 0, 0 };
	int l[2];

	(void)state;
	l[0] = opened(false, "127.0.0.1", &port[0]);
	l[1] = opened(true, B, &port[1]);
	set_all(false, l[0]);
	set_all(true, l[1]);
	inherit_from(l, port);
}

/* Set on the kernel's socket before it is ours, as a program does under a preloaded library. */
static void
inherited_from_adopted(void **state)
{
	struct sockaddr_in sin = test_addr(B, 0);
	socklen_t len = sizeof(sin);
	uint16_t port[2] = { 0, 0 };
	int l[2];

	(void)state;
	l[0] = opened(false, "127.0.0.1", &port[0]);
	l[1] = socket(AF_INET, SOCK_STREAM, 0);
	set_all(false, l[0]);
	set_all(false, l[1]);
	assert_int_equal(dpvma_adopt(l[1]), 0);
	for (unsigned int i = 0; i < RTE_DIM(sets); i++)
		dpvma_option_taken(l[1], sets[i].level, sets[i].name, &sets[i].value, sets[i].len);
	assert_int_equal(dpvma_bind(l[1], (void *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_getsockname(l[1], (void *)&sin, &len), 0);
	port[1] = ntohs(sin.sin_port);
	inherit_from(l, port);
}

/* A number that one of ours has and the kernel does not know: its socket is bound, and replaced. */
static void
replaced(void **state)
{
	uint16_t port = 0, other = 0;
	int first = opened(true, B, &port), kernel = opened(false, "127.0.0.1", &other), fd;
	struct sockaddr_in any = test_addr("0.0.0.0", port);
	socklen_t len = sizeof(any);

	(void)state;
	fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	set_all(true, fd);
	set_all(false, kernel);
	assert_errno(dpvma_bind(fd, (void *)&any, sizeof(any)), EADDRINUSE);
	/* it is another one, as that one is not bound */
	assert_int_equal(getsockname(fd, (void *)&any, &len), 0);
	assert_int_equal(any.sin_port, 0);
	same(kernel, fd, false, 0);
	same(kernel, fd, true, 0);
	dpvma_close(first);
	dpvma_close(fd);
	close(kernel);
}

/* What is set on a connection alone is told to the kernel when it gets the socket. */
static void
told_later(void **state)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in loop = test_addr("127.0.0.1", NOBODY);
	uint16_t port = 0, other = 0;
	int l = opened(true, B, &port), kernel = opened(false, "127.0.0.1", &other), c, s, on = 1;
	int value = 0;
	socklen_t len = sizeof(value);

	(void)state;
	assert_int_equal(dpvma_listen(l, 4), 0);
	s = accepted(true, l, port, &c);
	assert_int_equal(dpvma_setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	assert_int_equal(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	assert_int_equal(value, 0); /* no call was made */
	assert_int_equal(dpvma_connect(c, &none, sizeof(none)), 0);
	assert_errno(dpvma_connect(c, (void *)&loop, sizeof(loop)), ECONNREFUSED);
	assert_int_equal(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	assert_int_equal(value, 1);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(l);
	close(kernel);
}

/* MSG_FASTOPEN connects and sends. */
static void
fast_open(void **state)
{
	uint16_t port = 0;
	int l = opened(true, B, &port), c = dpvma_socket(AF_INET, SOCK_STREAM, 0), s;
	struct sockaddr_in sin = test_addr(B_SEEN, port);
	struct pollfd p = { .fd = l, .events = POLLIN };
	char buf[16];

	(void)state;
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_int_equal(dpvma_sendto(c, "hello", 5, MSG_FASTOPEN, (void *)&sin, sizeof(sin)), 5);
	assert_int_equal(dpvma_poll(&p, 1, 5000), 1);
	s = dpvma_accept(l, NULL, NULL);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "hello", 5);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(l);
}

/* TCP_NOTSENT_LOWAT: little waits unsent, however large the buffer is. TCP_INQ tells the rest. */
static void
unsent(void **state)
{
	static char data[65536];
	uint16_t port = 0;
	int l = opened(true, B, &port), c, s, on = 1, low = 20000, big = 1 << 20;
	char cmsgs[64];
	struct iovec iov = { .iov_base = data, .iov_len = 1000 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = cmsgs };
	struct cmsghdr *cm;
	struct pollfd p = { .events = POLLOUT };
	ssize_t n, total = 0;
	int left = 0;

	(void)state;
	assert_int_equal(dpvma_listen(l, 4), 0);
	s = accepted(true, l, port, &c);
	dpvma_setsockopt(c, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	dpvma_setsockopt(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	cable_cut(true);
	while ((n = dpvma_send(c, data, sizeof(data), MSG_DONTWAIT)) > 0)
		total += n;
	assert_int_equal(errno, EAGAIN);
	/* the first window, and what may wait behind it with the segment that was begun */
	assert_in_range(total, low, 3 * low);
	p.fd = c;
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	cable_cut(false);
	assert_int_equal(dpvma_poll(&p, 1, 10000), 1);
	assert_int_equal(p.revents, POLLOUT);
	assert_true(dpvma_send(c, data, sizeof(data), MSG_DONTWAIT) > 0);
	dpvma_setsockopt(s, IPPROTO_TCP, TCP_INQ, &on, sizeof(on));
	msg.msg_controllen = sizeof(cmsgs);
	assert_int_equal(dpvma_recvmsg(s, &msg, MSG_WAITALL), 1000);
	cm = CMSG_FIRSTHDR(&msg);
	assert_non_null(cm);
	assert_int_equal(cm->cmsg_level, IPPROTO_TCP);
	assert_int_equal(cm->cmsg_type, TCP_CM_INQ);
	memcpy(&left, CMSG_DATA(cm), sizeof(left));
	assert_true(left >= 0);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(l);
}

/* The next entry of the error queue, waited for. */
static void
stamped(int fd, uint32_t kind, uint32_t key, struct timespec *at)
{
	struct pollfd p = { .fd = fd };
	char cmsgs[256];
	struct msghdr msg = { .msg_control = cmsgs, .msg_controllen = sizeof(cmsgs) };
	struct sock_extended_err ee = { 0 };
	struct scm_timestamping times = { 0 };
	struct cmsghdr *c;

	assert_int_equal(dpvma_poll(&p, 1, 10000), 1);
	assert_true(p.revents & POLLERR);
	assert_int_equal(dpvma_recvmsg(fd, &msg, MSG_ERRQUEUE), 0);
	for (c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING)
			memcpy(&times, CMSG_DATA(c), sizeof(times));
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR)
			memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	}
	assert_int_equal(ee.ee_errno, ENOMSG);
	assert_int_equal(ee.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
	assert_int_equal(ee.ee_info, kind);
	assert_int_equal(ee.ee_data, key);
	/* none is before the one before it */
	assert_true(times.ts[0].tv_sec > at->tv_sec ||
			(times.ts[0].tv_sec == at->tv_sec && times.ts[0].tv_nsec >= at->tv_nsec));
	*at = times.ts[0];
}

/* When bytes of a stream went, and when the peer had them. */
static void
stamps(void **state)
{
	const int flags = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
			SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK |
			SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	static char data[200000];
	uint16_t port = 0;
	int l = opened(true, B, &port), c, s, value = 0;
	struct timespec at;
	socklen_t len = sizeof(value);
	ssize_t n;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &at);
	assert_int_equal(dpvma_listen(l, 4), 0);
	/* without a connection no byte has a number */
	assert_errno(dpvma_setsockopt(l, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)),
			EINVAL);
	s = accepted(true, l, port, &c);
	assert_int_equal(dpvma_send(c, data, 10, 0), 10);
	assert_int_equal(dpvma_recv(s, data, 10, MSG_WAITALL), 10);
	/* bytes are counted from the first that the peer does not have */
	do
		assert_int_equal(dpvma_ioctl(c, SIOCOUTQ, &value), 0);
	while (value != 0);
	assert_int_equal(
			dpvma_setsockopt(c, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)), 0);
	assert_int_equal(dpvma_getsockopt(c, SOL_SOCKET, SO_TIMESTAMPING, &value, &len), 0);
	assert_int_equal(value, flags);
	assert_int_equal(dpvma_send(c, data, 100, 0), 100);
	assert_int_equal(dpvma_recv(s, data, 100, MSG_WAITALL), 100);
	stamped(c, SCM_TSTAMP_SCHED, 99, &at);
	stamped(c, SCM_TSTAMP_SND, 99, &at);
	stamped(c, SCM_TSTAMP_ACK, 99, &at);
	/* what cannot go at once is not said to have gone */
	cable_cut(true);
	n = dpvma_send(c, data, sizeof(data), MSG_DONTWAIT);
	assert_true(n > 30000);
	value = 0;
	assert_int_equal(dpvma_recvmsg(c, &(struct msghdr){ 0 }, MSG_ERRQUEUE), -1);
	assert_int_equal(errno, EAGAIN);
	cable_cut(false);
	for (ssize_t got = 0, one; got < n; got += one) {
		one = dpvma_recv(s, data, sizeof(data), 0);
		assert_true(one > 0);
	}
	stamped(c, SCM_TSTAMP_SCHED, (uint32_t)(99 + n), &at);
	stamped(c, SCM_TSTAMP_SND, (uint32_t)(99 + n), &at);
	stamped(c, SCM_TSTAMP_ACK, (uint32_t)(99 + n), &at);
	/* nobody is there to be told when the rest is acknowledged */
	cable_cut(true);
	assert_int_equal(dpvma_send(c, data, 100, 0), 100);
	dpvma_close(c);
	cable_cut(false);
	assert_int_equal(dpvma_recv(s, data, 200, MSG_WAITALL), 100);
	assert_int_equal(dpvma_recv(s, data, 1, 0), 0);
	dpvma_close(s);
	dpvma_close(l);
}

static int
start(void **state)
{
	(void)state;
	cable_start("VMA_TCP_TIMESTAMP_OPTION=1", "VMA_AVOID_SYS_CALLS_ON_TCP_FD=1", NULL);
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
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inherited),
		cmocka_unit_test(inherited_from_adopted),
		cmocka_unit_test(replaced),
		cmocka_unit_test(told_later),
		cmocka_unit_test(fast_open),
		cmocka_unit_test(unsent),
		cmocka_unit_test(stamps),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
