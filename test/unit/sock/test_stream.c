/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream sockets against the kernel's: each script runs twice, once on the kernel's sockets over
 * loopback and once on ours over a cable, and writes down what every call said. The two texts must
 * be the same.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "cable.h"
#include "twice.h"

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

/* The calls of one side, and the names of the two ends. */
struct api {
	const char *client, *server, *server_seen;
	int (*socket)(int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *sa, socklen_t len);
	int (*listen)(int fd, int backlog);
	int (*accept4)(int fd, struct sockaddr *sa, socklen_t *len, int flags);
	int (*connect)(int fd, const struct sockaddr *sa, socklen_t len);
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);
	int (*poll)(struct pollfd *fds, nfds_t n, int ms);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	int (*getsockname)(int fd, struct sockaddr *sa, socklen_t *len);
	int (*getpeername)(int fd, struct sockaddr *sa, socklen_t *len);
	int (*setsockopt)(int fd, int level, int name, const void *val, socklen_t len);
	int (*getsockopt)(int fd, int level, int name, void *val, socklen_t *len);
	int (*ioctl)(int fd, unsigned long request, ...);
};

static int
kernel_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return bind(fd, sa, len);
}
static int
kernel_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	return connect(fd, sa, len);
}
static int
kernel_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	return accept4(fd, sa, len, flags);
}
static int
kernel_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getsockname(fd, sa, len);
}
static int
kernel_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	return getpeername(fd, sa, len);
}

static const struct api kernel = {
	.client = "127.0.0.1",
	.server = "127.0.0.1",
	.server_seen = "127.0.0.1",
	.socket = socket,
	.bind = kernel_bind,
	.listen = listen,
	.accept4 = kernel_accept4,
	.connect = kernel_connect,
	.shutdown = shutdown,
	.close = close,
	.poll = poll,
	.recvmsg = recvmsg,
	.recv = recv,
	.send = send,
	.getsockname = kernel_getsockname,
	.getpeername = kernel_getpeername,
	.setsockopt = setsockopt,
	.getsockopt = getsockopt,
	.ioctl = ioctl,
};
static const struct api ours = {
	.client = A,
	.server = B,
	.server_seen = B_SEEN,
	.socket = dpvma_socket,
	.bind = dpvma_bind,
	.listen = dpvma_listen,
	.accept4 = dpvma_accept4,
	.connect = dpvma_connect,
	.shutdown = dpvma_shutdown,
	.close = dpvma_close,
	.poll = dpvma_poll,
	.recvmsg = dpvma_recvmsg,
	.recv = dpvma_recv,
	.send = dpvma_send,
	.getsockname = dpvma_getsockname,
	.getpeername = dpvma_getpeername,
	.setsockopt = dpvma_setsockopt,
	.getsockopt = dpvma_getsockopt,
	.ioctl = dpvma_ioctl,
};

/** @name Writing down */
/** @{ */
static const struct api *api;

static void
choose(unsigned int whose)
{
	api = whose == 0 ? &kernel : &ours;
}

static void
events(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = ALL };
	int ret = api->poll(&p, 1, 0);

	say("%s: poll %d%s%s%s%s%s%s\n", what, ret, p.revents & POLLIN ? " IN" : "",
			p.revents & POLLOUT ? " OUT" : "", p.revents & POLLPRI ? " PRI" : "",
			p.revents & POLLRDHUP ? " RDHUP" : "", p.revents & POLLERR ? " ERR" : "",
			p.revents & POLLHUP ? " HUP" : "");
}

/* Until one of these holds. */
static void
await(int fd, short want)
{
	struct pollfd p = { .fd = fd, .events = want };

	if (api->poll(&p, 1, 5000) != 1)
		say("nothing of %x came\n", want);
}

/* What the last segments change is no event that one could wait for. */
static void
settle(int fd)
{
	struct pollfd p = { .fd = fd };

	for (unsigned int i = 0; i < 20; i++) {
		api->poll(&p, 1, 0);
		usleep(500);
	}
}

static void
received(const char *what, int fd, size_t len, int flags)
{
	char buf[256] = "";
	ssize_t n = api->recv(fd, buf, len, flags);

	if (n < 0)
		say("%s: %s\n", what, strerrorname_np(errno));
	else
		say("%s: %zd \"%.*s\"\n", what, n, (int)n, buf);
}

static void
option(const char *what, int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);
	int ret = api->getsockopt(fd, level, name, &value, &len);

	if (ret < 0)
		say("%s: %s\n", what, strerrorname_np(errno));
	else
		say("%s: %d, %u bytes\n", what, value, len);
}
#define OPTION(fd, level, name) option(#name, fd, level, name)

static void
set_option(const char *what, int fd, int level, int name, int value)
{
	int ret = api->setsockopt(fd, level, name, &value, sizeof(value));

	say("%s = %d: %s, ", what, value, ret == 0 ? "0" : strerrorname_np(errno));
	option("then", fd, level, name);
}
#define SET(fd, level, name, value) set_option(#name, fd, level, name, value)
/** @} */

/** @name Sockets */
/** @{ */
static int
bound(const char *ip, uint16_t port)
{
	struct sockaddr_in sin = test_addr(ip, port);
	int fd = api->socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(api->bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	assert_int_equal(api->getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

static int
listener(int backlog)
{
	int fd = bound(api->server, 0);

	assert_int_equal(api->listen(fd, backlog), 0);
	return fd;
}

static int
dial(int fd, uint16_t port)
{
	struct sockaddr_in sin = test_addr(api->server_seen, port);

	return api->connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

/* Two ends of a connection. */
static void
pair(int *client, int *server)
{
	int l = listener(4);

	*client = api->socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(dial(*client, port_of(l)), 0);
	await(l, POLLIN);
	*server = api->accept4(l, NULL, NULL, 0);
	assert_true(*server >= 0);
	api->close(l);
}
/** @} */

/** @name Scripts */
/** @{ */
static void
fresh(void)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = api->socket(AF_INET, SOCK_STREAM, 0), n;
	char buf[4];

	events("fresh", fd);
	DO(api->recv(fd, buf, 4, 0));
	DO(api->send(fd, "x", 1, MSG_NOSIGNAL));
	DO(api->shutdown(fd, SHUT_RDWR));
	DO(api->shutdown(fd, 7));
	DO(api->getpeername(fd, (struct sockaddr *)&sin, &len));
	DO(api->accept4(fd, NULL, NULL, 0));
	DO(api->ioctl(fd, SIOCINQ, &n));
	DO(api->ioctl(fd, SIOCOUTQ, &n));
	OPTION(fd, SOL_SOCKET, SO_ERROR);
	OPTION(fd, SOL_SOCKET, SO_TYPE);
	OPTION(fd, SOL_SOCKET, SO_ACCEPTCONN);
	OPTION(fd, SOL_SOCKET, SO_PROTOCOL);
	OPTION(fd, SOL_SOCKET, SO_DOMAIN);
	say("name %d\n", port_of(fd));
	api->close(fd);
}

static void
refused(void)
{
	int l = listener(1), fd;
	uint16_t port = port_of(l);
	char buf[4];

	api->close(l);
	fd = api->socket(AF_INET, SOCK_STREAM, 0);
	DO(dial(fd, port));
	events("refused, told", fd);
	OPTION(fd, SOL_SOCKET, SO_ERROR);
	DO(dial(fd, port));
	api->close(fd);
	fd = api->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	DO(dial(fd, port));
	await(fd, POLLOUT);
	events("refused", fd);
	OPTION(fd, SOL_SOCKET, SO_ERROR);
	OPTION(fd, SOL_SOCKET, SO_ERROR);
	events("refused, error taken", fd);
	DO(api->recv(fd, buf, 4, 0));
	DO(api->send(fd, "x", 1, MSG_NOSIGNAL));
	DO(dial(fd, port));
	DO(dial(fd, port));
	await(fd, POLLOUT);
	DO(dial(fd, port));
	api->close(fd);
	fd = api->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	DO(dial(fd, port));
	await(fd, POLLOUT);
	DO(api->recv(fd, buf, 4, 0));
	DO(api->recv(fd, buf, 4, 0));
	api->close(fd);
}

static void
connecting(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int l = listener(4), fd = api->socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s;
	uint16_t port = port_of(l);

	events("listens", l);
	DO(dial(l, port));
	DO(dial(fd, port));
	await(fd, POLLOUT);
	events("connected", fd);
	OPTION(fd, SOL_SOCKET, SO_ERROR);
	DO(dial(fd, port));
	DO(dial(fd, port));
	DO(api->listen(fd, 1));
	await(l, POLLIN);
	events("accepts", l);
	s = api->accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	say("accepted %d, flags %x %x\n", s >= 0, fcntl(s, F_GETFL) & O_NONBLOCK,
			fcntl(s, F_GETFD));
	say("ports match %d\n", port_of(s) == port);
	DO(api->accept4(l, NULL, NULL, 0x10));
	fcntl(l, F_SETFL, O_NONBLOCK);
	api->ioctl(l, FIONBIO, &(int){ 1 });
	DO(api->accept4(l, NULL, NULL, 0));
	DO(api->connect(fd, &none, sizeof(none)));
	events("dissolved", fd);
	await(s, POLLIN);
	events("reset", s);
	received("reset", s, 4, 0);
	received("reset", s, 4, 0);
	DO(dial(fd, port));
	await(fd, POLLOUT);
	OPTION(fd, SOL_SOCKET, SO_ERROR);
	api->close(s);
	DO(api->shutdown(l, SHUT_RD));
	DO(api->accept4(l, NULL, NULL, 0));
	events("listened", l);
	api->close(fd);
	api->close(l);
}

static void
data(void)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct sockaddr_in sin;
	int c, s, n = -1;
	char a[3], b[4];

	pair(&c, &s);
	events("pair", c);
	received("nothing", s, 4, MSG_DONTWAIT);
	DO(api->send(c, "0123456789", 10, 0));
	await(s, POLLIN);
	events("data", s);
	DO(api->ioctl(s, FIONREAD, &n));
	say("%d\n", n);
	received("peek", s, 4, MSG_PEEK);
	received("peek", s, 20, MSG_PEEK | MSG_DONTWAIT);
	DO(api->recv(s, NULL, 3, MSG_TRUNC));
	iov[0] = (struct iovec){ a, sizeof(a) };
	iov[1] = (struct iovec){ b, 2 };
	msg.msg_name = &sin;
	msg.msg_namelen = sizeof(sin);
	DO(api->recvmsg(s, &msg, 0));
	say("%.3s %.2s flags %x name %u\n", a, b, (unsigned int)msg.msg_flags, msg.msg_namelen);
	received("rest", s, 20, 0);
	DO(api->recv(s, a, 0, MSG_DONTWAIT));
	DO(api->send(c, "", 0, 0));
	DO(api->recv(s, a, 0, MSG_DONTWAIT));
	DO(api->send(c, "ab", 2, MSG_MORE));
	DO(api->send(c, "cd", 2, 0));
	await(s, POLLIN);
	DO(api->recv(s, a, 0, 0));
	received("all", s, 4, MSG_WAITALL);
	SET(s, SOL_SOCKET, SO_RCVLOWAT, 3);
	DO(api->send(c, "ef", 2, 0));
	settle(c);
	settle(s);
	events("below the low mark", s);
	received("below", s, 8, MSG_DONTWAIT);
	DO(api->send(c, "xyz", 3, 0));
	await(s, POLLIN);
	received("above", s, 8, 0);
	settle(s);
	settle(c);
	DO(api->ioctl(c, SIOCOUTQ, &n));
	say("%d\n", n);
	api->close(c);
	api->close(s);
}

static void
halves(void)
{
	int c, s;

	pair(&c, &s);
	DO(api->send(c, "last", 4, 0));
	DO(api->shutdown(c, SHUT_WR));
	DO(api->send(c, "x", 1, MSG_NOSIGNAL));
	events("shut", c);
	await(s, POLLRDHUP);
	events("half closed", s);
	received("last", s, 8, 0);
	received("end", s, 8, 0);
	received("end", s, 8, 0);
	DO(api->send(s, "answer", 6, 0));
	await(c, POLLIN);
	received("answer", c, 8, 0);
	DO(api->shutdown(s, SHUT_WR));
	await(c, POLLRDHUP);
	events("closed", c);
	received("end", c, 8, 0);
	settle(c);
	settle(s);
	events("closed", s);
	DO(api->shutdown(s, SHUT_RDWR));
	api->close(c);
	api->close(s);

	pair(&c, &s);
	DO(api->shutdown(s, SHUT_RD));
	events("reads no more", s);
	received("shut", s, 4, 0);
	DO(api->send(s, "x", 1, 0));
	await(c, POLLIN);
	received("other way", c, 4, 0);
	api->close(c);
	api->close(s);
}

static void
resets(void)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	socklen_t len = sizeof(hard);
	int c, s;

	pair(&c, &s);
	DO(api->send(c, "unread", 6, 0));
	await(s, POLLIN);
	api->close(s);
	await(c, POLLIN);
	events("unread data", c);
	received("unread data", c, 4, 0);
	received("once more", c, 4, 0);
	DO(api->send(c, "x", 1, MSG_NOSIGNAL));
	OPTION(c, SOL_SOCKET, SO_ERROR);
	api->close(c);

	pair(&c, &s);
	DO(api->setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	hard.l_onoff = 7;
	DO(api->getsockopt(s, SOL_SOCKET, SO_LINGER, &hard, &len));
	say("%d %d %u\n", hard.l_onoff, hard.l_linger, len);
	api->close(s);
	await(c, POLLIN);
	OPTION(c, SOL_SOCKET, SO_ERROR);
	events("reset", c);
	DO(api->send(c, "x", 1, MSG_NOSIGNAL));
	received("reset", c, 4, 0);
	api->close(c);

	/* what was read before the reset is not lost to the reader */
	pair(&c, &s);
	DO(api->send(s, "x", 1, 0));
	await(c, POLLIN);
	DO(api->send(c, "y", 1, 0));
	await(s, POLLIN);
	api->close(c);
	await(s, POLLRDHUP);
	DO(api->send(s, "z", 1, MSG_NOSIGNAL));
	api->close(s);
}

static void
urgent(void)
{
	int c, s, mark = -1;

	pair(&c, &s);
	received("none", s, 1, MSG_OOB);
	DO(api->send(c, "abc", 3, 0));
	DO(api->send(c, "de!", 3, MSG_OOB));
	DO(api->send(c, "fg", 2, 0));
	await(s, POLLPRI);
	await(s, POLLIN);
	events("urgent", s);
	DO(api->ioctl(s, SIOCATMARK, &mark));
	say("%d\n", mark);
	received("up to the mark", s, 20, 0);
	DO(api->ioctl(s, SIOCATMARK, &mark));
	say("%d\n", mark);
	received("byte", s, 1, MSG_OOB | MSG_PEEK);
	received("byte", s, 1, MSG_OOB);
	received("byte again", s, 1, MSG_OOB);
	settle(c);
	settle(s);
	events("passed", s);
	received("after", s, 20, 0);
	api->close(c);
	api->close(s);

	/* nobody who waits for more is led over the mark */
	pair(&c, &s);
	DO(api->send(c, "abc!", 4, MSG_OOB));
	DO(api->send(c, "de", 2, 0));
	settle(c);
	settle(s);
	received("all", s, 5, MSG_WAITALL);
	received("all", s, 2, MSG_WAITALL);
	api->close(c);
	api->close(s);

	pair(&c, &s);
	SET(s, SOL_SOCKET, SO_OOBINLINE, 1);
	DO(api->send(c, "ab!", 3, MSG_OOB));
	DO(api->send(c, "cd", 2, 0));
	await(s, POLLPRI);
	received("not so", s, 1, MSG_OOB);
	received("up to the mark", s, 20, 0);
	settle(c);
	settle(s);
	received("inline", s, 20, 0);
	api->close(c);
	api->close(s);
}

static int
try_bind(int fd, const char *ip, uint16_t port)
{
	struct sockaddr_in sin = test_addr(ip, port);

	return api->bind(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static void
binding(void)
{
	int a = bound(api->server, 0), b = api->socket(AF_INET, SOCK_STREAM, 0), one = 1, c, s;
	uint16_t port = port_of(a);

	DO(try_bind(a, api->server, 0));
	DO(try_bind(b, api->server, port));
	DO(try_bind(b, "0.0.0.0", port));
	DO(try_bind(b, "203.0.113.5", 0));
	api->setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	DO(try_bind(b, api->server, port));
	api->setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	DO(try_bind(b, api->server, port));
	DO(api->listen(a, 4));
	DO(api->listen(b, 4));
	api->close(b);
	b = api->socket(AF_INET, SOCK_STREAM, 0);
	api->setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	DO(try_bind(b, api->server, port));
	DO(try_bind(b, api->server, 1));
	/* a connection that came there, and no listener any more */
	c = api->socket(AF_INET, SOCK_STREAM, 0);
	DO(dial(c, port));
	await(a, POLLIN);
	s = api->accept4(a, NULL, NULL, 0);
	OPTION(s, SOL_SOCKET, SO_REUSEADDR);
	api->close(a);
	api->close(b);
	a = api->socket(AF_INET, SOCK_STREAM, 0);
	DO(try_bind(a, api->server, port));
	/* the server closes first: TIME-WAIT is at its end */
	DO(api->shutdown(s, SHUT_RDWR));
	await(c, POLLRDHUP);
	api->close(c);
	await(s, POLLHUP);
	api->close(s);
	DO(try_bind(a, api->server, port));
	api->setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	DO(try_bind(a, api->server, port));
	DO(api->listen(a, 1));
	c = api->socket(AF_INET, SOCK_STREAM, 0);
	DO(dial(c, port));
	api->close(c);
	api->close(a);
}

#define GROUP 4
#define DIALS 64

static int
shared(uint16_t port, bool share)
{
	int fd = api->socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (share)
		api->setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	DO(try_bind(fd, api->server, port));
	return fd;
}

/* Connections, one by one; how many of the listeners were chosen, and none twice or not at all. */
static void
spread(const int *l, unsigned int n, uint16_t port)
{
	unsigned int chosen = 0, got[GROUP] = { 0 }, total = 0;
	struct pollfd p[GROUP];
	int c[DIALS];

	for (unsigned int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = l[i], .events = POLLIN };
	for (unsigned int k = 0; k < DIALS; k++) {
		c[k] = api->socket(AF_INET, SOCK_STREAM, 0);
		if (dial(c[k], port) != 0)
			say("one is not let in: %s\n", strerrorname_np(errno));
		if (api->poll(p, n, 5000) != 1)
			say("not one of them has it\n");
		for (unsigned int i = 0; i < n; i++) {
			if (!(p[i].revents & POLLIN))
				continue;
			got[i]++;
			api->close(api->accept4(l[i], NULL, NULL, 0));
		}
		api->close(c[k]);
	}
	for (unsigned int i = 0; i < n; i++) {
		chosen += got[i] != 0;
		total += got[i];
	}
	/* 64 of 4 leave one out once in 25 million times */
	say("%u of %u listeners, %u connections\n", chosen, n, total);
}

/* SO_REUSEPORT: several listeners on one address and number. */
static void
sharing(void)
{
	int l[GROUP], other, one = 1, c;
	uint16_t port;

	l[0] = shared(0, true);
	port = port_of(l[0]);
	for (unsigned int i = 1; i < GROUP; i++)
		l[i] = shared(port, true);
	for (unsigned int i = 0; i < GROUP; i++)
		DO(api->listen(l[i], 16));
	other = shared(port, false);
	api->setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	DO(try_bind(other, api->server, port));
	api->close(other);
	spread(l, GROUP, port);
	/* what waits at one that is closed is reset, the others go on */
	api->close(l[1]);
	l[1] = l[3];
	spread(l, 3, port);
	api->close(l[0]);
	api->close(l[1]);
	spread(l + 2, 1, port);
	/* another joins while connections are there, and one that closed theirs */
	l[0] = shared(port, true);
	DO(api->listen(l[0], 16));
	l[1] = l[2];
	spread(l, 2, port);
	api->close(l[0]);
	api->close(l[1]);
	c = api->socket(AF_INET, SOCK_STREAM, 0);
	DO(dial(c, port));
	api->close(c);
}

static void
names(void)
{
	struct sockaddr_in sin, one, other;
	socklen_t len = sizeof(sin), n = sizeof(sin);
	int l = listener(4), c = api->socket(AF_INET, SOCK_STREAM, 0), s;

	DO(api->getpeername(l, (struct sockaddr *)&sin, &len));
	DO(dial(c, port_of(l)));
	await(l, POLLIN);
	len = 4;
	s = api->accept4(l, (struct sockaddr *)&sin, &len, 0);
	say("accepted, %u bytes, family %d\n", len, sin.sin_family);
	DO(api->getsockname(c, (struct sockaddr *)&one, &n));
	n = sizeof(other);
	DO(api->getpeername(s, (struct sockaddr *)&other, &n));
	say("same port %d, length %u, source %d\n", one.sin_port == other.sin_port, n,
			one.sin_addr.s_addr == inet_addr(api->client));
	DO(api->getpeername(c, (struct sockaddr *)&other, &n));
	say("server %d\n",
			other.sin_addr.s_addr == inet_addr(api->server_seen) &&
					other.sin_port == htons(port_of(l)));
	DO(api->getpeername(c, NULL, &n));
	len = (socklen_t)-1;
	DO(api->getpeername(c, (struct sockaddr *)&other, &len));
	DO(api->accept4(l, NULL, NULL, 0x1234));
	api->close(c);
	api->close(s);
	api->close(l);
}

static void
options_of(int fd)
{
	SET(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	SET(fd, SOL_SOCKET, SO_KEEPALIVE, 7);
	SET(fd, SOL_SOCKET, SO_OOBINLINE, 0);
	SET(fd, SOL_SOCKET, SO_RCVLOWAT, 0);
	SET(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	SET(fd, SOL_SOCKET, SO_SNDLOWAT, 5);
	SET(fd, SOL_SOCKET, SO_SNDBUF, 10000);
	SET(fd, SOL_SOCKET, SO_RCVBUF, 10000);
	SET(fd, SOL_SOCKET, SO_SNDBUF, 1);
	SET(fd, SOL_SOCKET, SO_RCVBUF, 1);
	SET(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 1000000);
	SET(fd, SOL_SOCKET, SO_MAX_PACING_RATE, -1);
	SET(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	SET(fd, IPPROTO_TCP, TCP_NODELAY, 0);
	SET(fd, IPPROTO_TCP, TCP_CORK, 1);
	SET(fd, IPPROTO_TCP, TCP_CORK, 0);
	SET(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
	SET(fd, IPPROTO_TCP, TCP_KEEPIDLE, 33);
	SET(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0);
	SET(fd, IPPROTO_TCP, TCP_KEEPINTVL, 12);
	SET(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	SET(fd, IPPROTO_TCP, TCP_KEEPCNT, 200);
	SET(fd, IPPROTO_TCP, TCP_SYNCNT, 4);
	SET(fd, IPPROTO_TCP, TCP_SYNCNT, 0);
	SET(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
	SET(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1);
	SET(fd, IPPROTO_TCP, TCP_LINGER2, 20);
	SET(fd, IPPROTO_IP, IP_TTL, 17);
	SET(fd, IPPROTO_IP, IP_TTL, 256);
	SET(fd, IPPROTO_IP, IP_TOS, 0x10);
	SET(fd, IPPROTO_TCP, 12345, 1);
}

static void
options(void)
{
	int fd = api->socket(AF_INET, SOCK_STREAM, 0), c, s;
	char name[16] = "";
	socklen_t len = sizeof(name);

	OPTION(fd, SOL_SOCKET, SO_KEEPALIVE);
	OPTION(fd, SOL_SOCKET, SO_RCVLOWAT);
	OPTION(fd, IPPROTO_TCP, TCP_NODELAY);
	OPTION(fd, IPPROTO_TCP, TCP_KEEPIDLE);
	OPTION(fd, IPPROTO_TCP, TCP_KEEPINTVL);
	OPTION(fd, IPPROTO_TCP, TCP_KEEPCNT);
	OPTION(fd, IPPROTO_TCP, TCP_SYNCNT);
	OPTION(fd, IPPROTO_TCP, TCP_MAXSEG);
	OPTION(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT);
	OPTION(fd, IPPROTO_IP, IP_MTU);
	SET(fd, IPPROTO_TCP, TCP_MAXSEG, 40);
	SET(fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
	options_of(fd);
	DO(api->setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	DO(api->getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	say("%s %u\n", name, len);
	DO(api->setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8));
	api->close(fd);
	pair(&c, &s);
	options_of(s);
	api->close(c);
	api->close(s);
}
/** @} */

#define SCRIPT(name)                                                                               \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		twice(choose, name);                                                               \
	}
SCRIPT(fresh)
SCRIPT(refused)
SCRIPT(connecting)
SCRIPT(data)
SCRIPT(halves)
SCRIPT(resets)
SCRIPT(urgent)
SCRIPT(binding)
SCRIPT(sharing)
SCRIPT(names)
SCRIPT(options)

static int
start(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	cable_start("VMA_TCP_TIMESTAMP_OPTION=1", NULL);
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
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_connecting),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_options),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
