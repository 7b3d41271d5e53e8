/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of libc with all kinds of descriptors and arguments, a line each with what came back. The
 * test compares the lines of this program as it is with those under libdpvma-preload.so, which must
 * not be told apart. Descriptor and port numbers differ between runs and are printed as "some".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNTOUCHED 9999 /**< what errno must still be after a success */

/* A call and its line; the value of the call. */
#define DO(call)                                                                                   \
	({                                                                                         \
		long ret_;                                                                         \
		errno = UNTOUCHED;                                                                 \
		ret_ = (long)(call);                                                               \
		tell(__LINE__, #call, ret_, ret_);                                                 \
		ret_;                                                                              \
	})
/* The same of one that returns a new descriptor. */
#define OPEN(call)                                                                                 \
	({                                                                                         \
		int fd_;                                                                           \
		errno = UNTOUCHED;                                                                 \
		fd_ = (call);                                                                      \
		tell(__LINE__, #call, fd_, fd_ > 2 ? 3 : fd_);                                     \
		fd_;                                                                               \
	})

static void
tell(int line, const char *call, long ret, long shown)
{
	int err = errno;

	if (ret < 0)
		printf("%d %s = %s\n", line, call, strerrorname_np(err));
	else
		printf("%d %s = %ld%s\n", line, call, shown,
				err == UNTOUCHED ? "" : " and errno was touched");
	fflush(stdout);
}

static struct sockaddr_in
in(const char *addr, int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = inet_addr(addr) };
}

#define ADDR(a) (const struct sockaddr *)&(a), sizeof(a)

/* What a descriptor's own name is, without the number of the port. */
static void
name_of(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);
	int ret = getsockname(fd, (struct sockaddr *)&a, &len);

	printf("  name %d %u %s %s\n", ret, len, inet_ntoa(a.sin_addr), a.sin_port ? "some" : "0");
}

static struct sockaddr_in
bound_name(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return a;
}

/* Everything that must fail on a descriptor of no use, and how. */
static void
all_calls(int fd)
{
	char buf[64] = "data";
	struct iovec iov = { buf, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = msg };
	struct sockaddr_in a = in("127.0.0.1", 9);
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct epoll_event event = { .events = EPOLLIN };
	int value = 1, ep = epoll_create1(0);
	off_t at = 0;

	DO(recv(fd, buf, 4, MSG_DONTWAIT));
	DO(recvfrom(fd, buf, 4, MSG_DONTWAIT, (struct sockaddr *)&from, &len));
	DO(recvmsg(fd, &msg, MSG_DONTWAIT));
	DO(recvmmsg(fd, &mm, 1, MSG_DONTWAIT, NULL));
	DO(send(fd, buf, 0, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(sendmmsg(fd, &mm, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(sendmmsg(fd, &mm, 0, MSG_DONTWAIT | MSG_NOSIGNAL));
	DO(sendfile(fd, -1, &at, 1));
	DO(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)));
	DO(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, 1));
	DO(setsockopt(fd, SOL_SOCKET, 12345, &value, sizeof(value)));
	DO(setsockopt(fd, IPPROTO_IP, IP_TTL, &value, sizeof(value)));
	len = sizeof(value);
	DO(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &len));
	DO(getsockopt(fd, SOL_SOCKET, 12345, &value, &len));
	DO(shutdown(fd, 17));
	len = sizeof(from);
	DO(getpeername(fd, (struct sockaddr *)&from, &len));
	DO(fcntl(fd, F_GETFD));
	DO(fcntl(fd, F_SETFD, FD_CLOEXEC));
	DO(fcntl(fd, F_GETFD));
	DO(fcntl(fd, F_SETFL, O_NONBLOCK));
	DO(fcntl(fd, F_GETFL) & O_NONBLOCK);
	DO(fcntl(fd, 12345, 0));
	DO(ioctl(fd, FIONBIO, &value));
	DO(ioctl(fd, 12345, &value));
	DO(accept(fd, NULL, NULL));
	DO(accept4(fd, NULL, NULL, 12345));
	DO(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	DO(poll(&(struct pollfd){ fd, POLLIN | POLLOUT, 0 }, 1, 0));
	DO(sendto(fd, buf, 0, MSG_DONTWAIT | MSG_NOSIGNAL, ADDR(a)));
	DO(connect(fd, ADDR(a)));
	DO(listen(fd, 1));
	close(ep);
}

static void
bad_descriptors(void)
{
	int pipes[2], pair[2], fd;

	printf("# -1\n");
	all_calls(-1);
	DO(close(-1));
	printf("# a number that is not open\n");
	all_calls(900);
	DO(close(900));
	printf("# a number beyond all tables\n");
	all_calls(1 << 24);
	DO(close(1 << 24));
	printf("# pipe\n");
	DO(pipe(pipes));
	all_calls(pipes[0]);
	DO(write(pipes[1], "abc", 3));
	DO(close(pipes[0]));
	DO(close(pipes[1]));
	DO(close(pipes[1]));
	printf("# file\n");
	fd = OPEN(open("/dev/null", O_RDWR));
	all_calls(fd);
	DO(close(fd));
	printf("# socketpair\n");
	DO(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	all_calls(pair[0]);
	DO(close(pair[0]));
	DO(close(pair[1]));
	DO(socketpair(AF_INET, SOCK_STREAM, 0, pair));
	OPEN(socket(AF_INET, 77, 0));
	OPEN(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	OPEN(socket(777, SOCK_STREAM, 0));
	OPEN(open("/no/such/file", O_RDONLY));
	OPEN(openat(-1, "no", O_RDONLY));
	OPEN(dup(-1));
	OPEN(dup3(1, 1, 0));
	OPEN(dup3(1, 900, 12345));
	DO(close_range(5, 4, 0));
	DO(close_range(900, 901, 12345));
}

static void
kernels_sockets(void)
{
	int fd;

	printf("# UNIX\n");
	fd = OPEN(socket(AF_UNIX, SOCK_DGRAM, 0));
	all_calls(fd);
	DO(close(fd));
	printf("# UDP, a candidate\n");
	fd = OPEN(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
	all_calls(fd);
	DO(close(fd));
	DO(close(fd));
	printf("# TCP, a candidate\n");
	fd = OPEN(socket(AF_INET, SOCK_STREAM, 0));
	all_calls(fd);
	DO(close(fd));
}

/* Options of a socket before and after it has a port. */
static void
options(int type)
{
	static const struct {
		int level, name, value;
	} all[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 1 },
		{ SOL_SOCKET, SO_BROADCAST, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ SOL_SOCKET, SO_PRIORITY, 3 },
		{ SOL_SOCKET, SO_TIMESTAMP, 1 },
		{ IPPROTO_IP, IP_TOS, 0x10 },
		{ IPPROTO_IP, IP_TTL, 7 },
		{ IPPROTO_IP, IP_PKTINFO, 1 },
		{ IPPROTO_IP, IP_RECVTTL, 1 },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 44 },
		{ IPPROTO_TCP, TCP_MAXSEG, 700 },
	};
	struct timeval tv = { 0, 20000 };
	struct linger linger = { 1, 3 };
	struct sockaddr_in any = in("0.0.0.0", 0);
	char buf[8];
	int fd = OPEN(socket(AF_INET, type, 0)), value;
	unsigned int i, round;
	socklen_t len;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		printf("  %d %d\n", all[i].level, all[i].name);
		DO(setsockopt(fd, all[i].level, all[i].name, &all[i].value, sizeof(int)));
	}
	DO(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	DO(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	for (round = 0; round < 2; round++) {
		for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			len = sizeof(value);
			value = -1;
			if (DO(getsockopt(fd, all[i].level, all[i].name, &value, &len)) == 0)
				printf("  %d %d is %d\n", all[i].level, all[i].name, value);
		}
		len = sizeof(tv);
		DO(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
		printf("  %ld.%06ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
		len = sizeof(linger);
		DO(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
		printf("  linger %d %d\n", linger.l_onoff, linger.l_linger);
		if (round == 0)
			DO(bind(fd, ADDR(any)));
		name_of(fd);
	}
	/* the timeout was set on the candidate, and holds on what it became */
	if (type == SOCK_DGRAM)
		DO(recv(fd, buf, sizeof(buf), 0));
	DO(bind(fd, ADDR(any)));
	DO(close(fd));
}

static void
udp_between(const char *addr)
{
	int a = OPEN(socket(AF_INET, SOCK_DGRAM, 0)), b = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in self = in(addr, 0), to;
	struct iovec iov[2] = { { (void *)(uintptr_t) "ab", 2 }, { (void *)(uintptr_t) "cde", 3 } };
	struct pollfd p = { .fd = b, .events = POLLIN };
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char buf[64];

	printf("# UDP by %s\n", addr);
	DO(bind(b, ADDR(self)));
	to = bound_name(b);
	to.sin_addr.s_addr = inet_addr("127.0.0.1");
	DO(sendto(a, "hello", 5, 0, ADDR(to)));
	DO(poll(&p, 1, 5000));
	DO(recvfrom(b, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len));
	printf("  %.5s from %s\n", buf, inet_ntoa(from.sin_addr));
	DO(connect(a, ADDR(to)));
	name_of(a);
	DO(writev(a, iov, 2));
	DO(recv(b, buf, sizeof(buf), MSG_PEEK));
	DO(read(b, buf, sizeof(buf)));
	printf("  %.5s\n", buf);
	DO(write(a, "", 0));
	DO(recv(b, buf, sizeof(buf), 0));
	DO(recv(b, buf, sizeof(buf), MSG_DONTWAIT));
	DO(send(a, "x", 1, 0));
	DO(close(b));
	DO(shutdown(a, SHUT_RDWR));
	DO(close(a));
}

static void
tcp_between(const char *addr)
{
	int l = OPEN(socket(AF_INET, SOCK_STREAM, 0)), c = OPEN(socket(AF_INET, SOCK_STREAM, 0)), s;
	struct sockaddr_in self = in(addr, 0), to;
	struct pollfd p = { .fd = l, .events = POLLIN };
	int on = 1, file = OPEN(open("/proc/self/exe", O_RDONLY));
	char buf[64];
	off_t at = 1;

	printf("# TCP by %s\n", addr);
	DO(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	DO(bind(l, ADDR(self)));
	DO(listen(l, 5));
	to = bound_name(l);
	to.sin_addr.s_addr = inet_addr("127.0.0.1");
	DO(connect(c, ADDR(to)));
	DO(poll(&p, 1, 5000));
	s = OPEN(accept4(l, NULL, NULL, SOCK_CLOEXEC));
	DO(fcntl(s, F_GETFD));
	DO(send(c, "hello", 5, 0));
	DO(recv(s, buf, 5, MSG_WAITALL));
	DO(sendfile(s, file, &at, 3));
	DO(read(c, buf, sizeof(buf)));
	printf("  %.3s\n", buf);
	DO(shutdown(c, SHUT_WR));
	DO(recv(s, buf, sizeof(buf), 0));
	DO(close(s));
	DO(recv(c, buf, sizeof(buf), 0));
	DO(close(c));
	DO(close(l));
	DO(close(file));
	/* nobody there any more */
	c = OPEN(socket(AF_INET, SOCK_STREAM, 0));
	DO(connect(c, ADDR(to)));
	DO(close(c));
}

/* Descriptors that close() never saw closed; what comes to their numbers must be itself. */
static void
behind_our_back(void)
{
	struct sockaddr_in any = in("0.0.0.0", 0);
	int fd, pipes[2], other;
	char buf[4];
	FILE *f;

	printf("# fclose\n");
	fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(fd, ADDR(any)));
	f = fdopen(fd, "r+");
	DO(fclose(f));
	DO(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	printf("# a system call of the program's own\n");
	fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(fd, ADDR(any)));
	DO(syscall(SYS_close, fd));
	DO(pipe(pipes));
	DO(pipes[0] == fd || pipes[1] == fd);
	DO(write(pipes[1], "abc", 3));
	DO(read(pipes[0], buf, 3));
	DO(close(pipes[0]));
	DO(close(pipes[1]));
	DO(close(fd));
	printf("# dup2 onto a socket\n");
	fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(fd, ADDR(any)));
	DO(dup2(-1, fd));
	name_of(fd);
	other = OPEN(open("/dev/null", O_RDONLY));
	DO(dup2(other, fd) == fd);
	DO(read(fd, buf, sizeof(buf)));
	DO(getsockname(fd, NULL, NULL));
	DO(close(other));
	DO(close(fd));
	printf("# close_range\n");
	fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(fd, ADDR(any)));
	DO(close_range((unsigned int)fd, (unsigned int)fd, 0));
	DO(close(fd));
	fd = OPEN(socket(AF_INET, SOCK_STREAM, 0));
	DO(close_range((unsigned int)fd, (unsigned int)fd, 0));
	DO(fcntl(fd, F_GETFL));
}

/* All names of a socket are one, whichever of them needed a port. */
static void
duplicates(void)
{
	struct sockaddr_in any = in("0.0.0.0", 0), to;
	int fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0)), two, three, spare;
	struct timeval tv = { 5, 0 };
	char buf[8];
	fd_set set;

	printf("# duplicates\n");
	two = OPEN(dup(fd));
	DO(bind(two, ADDR(any)));
	name_of(fd);
	three = OPEN(fcntl(two, F_DUPFD_CLOEXEC, 100));
	DO(fcntl(three, F_GETFD));
	DO(close(fd));
	to = bound_name(three);
	to.sin_addr.s_addr = inet_addr("127.0.0.1");
	DO(sendto(two, "dup", 3, 0, ADDR(to)));
	FD_ZERO(&set);
	FD_SET(three, &set);
	DO(select(three + 1, &set, NULL, NULL, &tv));
	DO(FD_ISSET(three, &set) != 0);
	DO(recv(three, buf, sizeof(buf), 0));
	spare = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(spare, ADDR(any)));
	DO(dup2(two, spare) == spare);
	DO(close(two));
	DO(dup3(three, three, 0));
	DO(send(spare, "x", 1, MSG_DONTWAIT));
	DO(sendto(spare, "end", 3, 0, ADDR(to)));
	DO(recv(three, buf, sizeof(buf), 0));
	DO(recv(three, buf, sizeof(buf), MSG_DONTWAIT));
	DO(close(three));
	FD_ZERO(&set);
	FD_SET(spare, &set);
	tv = (struct timeval){ 0, 1000 };
	DO(select(spare + 1, &set, NULL, NULL, &tv));
	name_of(spare);
	/* the old socket's number is a candidate's now, and then a file's */
	fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(dup2(spare, fd) == fd);
	DO(close(spare));
	name_of(fd);
	DO(dup2(0, fd) == fd);
	DO(getsockname(fd, NULL, NULL));
	DO(close(fd));
	DO(pselect(0, NULL, NULL, NULL, &(struct timespec){ 0, 1000 }, NULL));
	DO(select(-1, NULL, NULL, NULL, NULL));
}

/* Addresses where nothing can be. */
static void
bad_addresses(int type)
{
	void *bad[] = { NULL, (void *)(uintptr_t)8, (void *)(UINTPTR_MAX - 4095) };
	int fd = OPEN(socket(AF_INET, type, 0));
	unsigned int i;

	printf("# bad addresses\n");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		DO(bind(fd, bad[i], 16));
		DO(connect(fd, bad[i], 16));
		DO(bind(fd, bad[i], 4));
		DO(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad[i], 4));
		DO(getsockname(fd, bad[i], bad[i]));
		if (i != 0 || type == SOCK_DGRAM) {
			DO(sendmsg(fd, bad[i], MSG_NOSIGNAL));
			DO(sendmmsg(fd, bad[i], 1, MSG_NOSIGNAL));
		}
		DO(poll(bad[i], 1, 0));
		if (i != 0)
			DO(select(fd + 1, bad[i], NULL, NULL, NULL));
	}
	DO(close(fd));
}

/* A number far beyond the set: behind the set there is no memory. */
static void
select_beyond(void)
{
	struct sockaddr_in any = in("0.0.0.0", 0);
	struct timeval tv = { 0, 1000 };
	struct rlimit before, limit;
	long page = sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd_set *set = (fd_set *)(void *)(two + page - (long)sizeof(*set));
	int fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));

	printf("# select\n");
	DO(mprotect(two + page, (size_t)page, PROT_NONE));
	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = limit.rlim_max < 100000 ? limit.rlim_max : 100000;
	DO(setrlimit(RLIMIT_NOFILE, &limit));
	DO(bind(fd, ADDR(any)));
	FD_ZERO(set);
	FD_SET(fd, set);
	DO(select((int)limit.rlim_cur, set, NULL, NULL, &tv));
	FD_SET(fd, set);
	DO(select((int)limit.rlim_cur, NULL, set, NULL, &tv));
	DO(FD_ISSET(fd, set) != 0);
	DO(close(fd));
	DO(setrlimit(RLIMIT_NOFILE, &before));
	munmap(two, 2 * (size_t)page);
}

static void
many(void)
{
	struct sockaddr_in any = in("0.0.0.0", 0);
	int fds[200], i, round, bad = 0;

	printf("# many\n");
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 200; i++) {
			fds[i] = socket(AF_INET, i % 2 ? SOCK_DGRAM : SOCK_STREAM, 0);
			bad += fds[i] < 0;
			if (i % 4 == 1 && round % 5 == 0)
				bad += bind(fds[i], ADDR(any)) != 0;
		}
		for (i = 0; i < 200; i++)
			bad += close(fds[i]) != 0;
	}
	DO(bad);
}

static void
processes(void)
{
	int status = -1, fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in lo = in("127.0.0.1", 0);
	pid_t pid;

	printf("# vfork and exec\n");
	pid = vfork();
	if (pid == 0) {
		close(fd);
		execl("/bin/true", "true", (char *)NULL);
		_exit(99);
	}
	DO(waitpid(pid, &status, 0) == pid);
	DO(status);
	DO(bind(fd, ADDR(lo)));
	printf("# fork\n");
	pid = fork();
	if (pid == 0) {
		int mine = socket(AF_INET, SOCK_DGRAM, 0);

		status = mine < 0 || bind(mine, ADDR(lo)) != 0 || close(mine) != 0 ||
				close(fd) != 0;
		_exit(status);
	}
	DO(waitpid(pid, &status, 0) == pid);
	DO(status);
	name_of(fd);
	DO(close(fd));
	DO(system("exit 3"));
}

static void *
uses(void *ctx)
{
	struct sockaddr_in any = in("0.0.0.0", 0), to;
	int fd = *(int *)ctx, mine = -1, i;
	long bad = 0;
	char c;

	/* one socket for all threads: its first user is any of them */
	to = in("127.0.0.1", 9);
	bind(fd, ADDR(any));
	bad += sendto(fd, "x", 1, 0, ADDR(to)) != 1;
	for (i = 0; i < 50; i++) {
		mine = socket(AF_INET, SOCK_DGRAM, 0);
		bad += mine < 0 || bind(mine, ADDR(any)) != 0;
		to = bound_name(mine);
		to.sin_addr.s_addr = inet_addr("127.0.0.1");
		bad += sendto(mine, "y", 1, 0, ADDR(to)) != 1;
		bad += recv(mine, &c, 1, 0) != 1 || c != 'y';
		bad += close(mine) != 0;
	}
	return (void *)bad;
}

static void
threads(void)
{
	int fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0)), i;
	pthread_t all[4];
	void *bad;

	printf("# threads\n");
	for (i = 0; i < 4; i++)
		pthread_create(&all[i], NULL, uses, &fd);
	for (i = 0; i < 4; i++) {
		pthread_join(all[i], &bad);
		DO((long)bad);
	}
	name_of(fd);
	DO(close(fd));
}

/* A child of a process whose stack runs: its sockets are the kernel's, the old ones, too. */
static void
child_of_a_stack(void)
{
	struct sockaddr_in any = in("0.0.0.0", 0), to;
	int fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0)), candidate, status = -1;
	char buf[8];
	pid_t pid;

	printf("# a child\n");
	DO(bind(fd, ADDR(any)));
	candidate = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	to = bound_name(fd);
	to.sin_addr.s_addr = inet_addr("127.0.0.1");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int more = OPEN(socket(AF_INET, SOCK_DGRAM, 0));

		DO(bind(candidate, ADDR(any)));
		DO(sendto(candidate, "child", 5, 0, ADDR(to)));
		DO(close(candidate));
		DO(recv(fd, buf, sizeof(buf), 0));
		name_of(fd);
		DO(close(fd));
		DO(bind(more, ADDR(any)));
		DO(close(more));
		DO(close_range(3, ~0U, 0));
		exit(7);
	}
	DO(waitpid(pid, &status, 0) == pid);
	DO(WEXITSTATUS(status));
	/* the parent's own are as they were */
	DO(sendto(candidate, "again", 5, 0, ADDR(to)));
	DO(recv(fd, buf, sizeof(buf), 0));
	printf("  %.5s\n", buf);
	DO(close(candidate));
	DO(close(fd));
}

/* Until another thread is in a system call of that family, or has left. */
static void
wait_asleep(volatile pid_t *tid)
{
	char path[64], line[64];
	long number = -1;
	FILE *f;

	while (*tid == 0)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", *tid);
	while (number != SYS_epoll_wait && number != SYS_epoll_pwait &&
			number != SYS_epoll_pwait2) {
		f = fopen(path, "r");
		if (f == NULL)
			return;
		line[0] = '\0';
		if (fgets(line, sizeof(line), f) == NULL || sscanf(line, "%ld", &number) != 1)
			number = -1;
		fclose(f);
		sched_yield();
	}
}

static struct {
	int ep;
	volatile pid_t tid;
	bool precise;
	uint64_t data;
} waiter;

static void *
wait_in_epoll(void *ctx)
{
	struct epoll_event event = { 0 };
	long ret;

	(void)ctx;
	waiter.tid = gettid();
	ret = waiter.precise ? epoll_pwait2(waiter.ep, &event, 1, &(struct timespec){ 20, 0 }, NULL)
			     : epoll_wait(waiter.ep, &event, 1, -1);
	waiter.data = event.data.u64;
	return (void *)ret;
}

/* A socket comes to an epoll in which a thread sleeps already, and to one in another. */
static void
epolls(bool precise)
{
	struct sockaddr_in any = in("0.0.0.0", 0), to;
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 77 };
	int outer = OPEN(epoll_create(1)), inner, late, unbound, fd, plain[2];
	pthread_t thread;
	void *ret;

	printf("# epoll\n");
	DO(pipe(plain));
	waiter.ep = OPEN(epoll_create1(EPOLL_CLOEXEC));
	DO(epoll_ctl(waiter.ep, EPOLL_CTL_ADD, plain[0], &event));
	waiter.precise = precise;
	waiter.tid = 0;
	pthread_create(&thread, NULL, wait_in_epoll, NULL);
	wait_asleep(&waiter.tid);
	fd = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	DO(bind(fd, ADDR(any)));
	to = bound_name(fd);
	to.sin_addr.s_addr = inet_addr("127.0.0.1");
	event.data.u64 = 78;
	DO(epoll_ctl(waiter.ep, EPOLL_CTL_ADD, fd, &event));
	DO(epoll_ctl(waiter.ep, EPOLL_CTL_ADD, fd, &event));
	DO(sendto(fd, "x", 1, 0, ADDR(to)));
	pthread_join(thread, &ret);
	DO((long)ret);
	DO(waiter.data);
	DO(epoll_wait(waiter.ep, &event, 1, 0));
	DO(event.data.u64);
	DO(epoll_ctl(waiter.ep, EPOLL_CTL_DEL, fd, NULL));
	DO(epoll_wait(waiter.ep, &event, 1, 1));
	DO(write(plain[1], "y", 1));
	DO(epoll_wait(waiter.ep, &event, 1, -1));
	DO(event.data.u64);
	/* the kernel's first descriptor in an epoll that had none: only who asks hears of it */
	late = OPEN(epoll_create1(0));
	unbound = OPEN(socket(AF_INET, SOCK_DGRAM, 0));
	event = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 79 };
	DO(epoll_ctl(late, EPOLL_CTL_ADD, unbound, &event));
	DO(write(plain[1], "z", 1));
	event.data.u64 = 80;
	DO(epoll_ctl(late, EPOLL_CTL_ADD, plain[0], &event));
	DO(epoll_wait(late, &event, 1, -1));
	DO(event.data.u64);
	DO(close(unbound));
	DO(close(late));
	DO(close(waiter.ep));
	DO(epoll_wait(waiter.ep, &event, 1, 0));
	/* a candidate, and nested */
	inner = OPEN(epoll_create1(0));
	event = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 5 };
	DO(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
	DO(epoll_ctl(inner, EPOLL_CTL_ADD, fd, &event));
	DO(epoll_ctl(inner, EPOLL_CTL_ADD, inner, &event));
	DO(epoll_wait(outer, &event, 1, -1));
	DO(event.data.u64);
	DO(close(fd));
	DO(epoll_wait(outer, &event, 1, 0));
	fd = OPEN(socket(AF_INET, SOCK_STREAM, 0));
	DO(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event));
	DO(epoll_wait(outer, &event, 1, -1));
	DO((long)event.events);
	DO(close(inner));
	DO(close(outer));
	DO(close(fd));
	DO(close(plain[0]));
	DO(close(plain[1]));
}

static bool
loaded(const char *library)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	bool found = false;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		found |= strstr(line, library) != NULL;
	if (f != NULL)
		fclose(f);
	return found;
}

/* Nothing up to here needed a port. */
static void
not_loaded(const char *when)
{
	if (!loaded("libdpvma.so"))
		return;
	printf("libdpvma.so was loaded %s\n", when);
	exit(1);
}

/* Before the constructors of a preloaded library may have run. */
static int early_fd = -2;

static void
early(void)
{
	early_fd = socket(AF_INET, SOCK_DGRAM, 0);
	close(early_fd);
}
static void (*const preinit[])(void) __attribute__((section(".preinit_array"), used)) = { early };

int
main(int argc, char **argv)
{
	bool whole = argc > 1 && strcmp(argv[1], "ports") == 0;

	printf("early %d\n", early_fd >= 0);
	bad_descriptors();
	processes();
	udp_between("127.0.0.1");
	tcp_between("127.0.0.1");
	not_loaded("for loopback");
	if (!whole)
		return 0;
	epolls(false);
	epolls(true);
	kernels_sockets();
	options(SOCK_DGRAM);
	options(SOCK_STREAM);
	udp_between("0.0.0.0");
	tcp_between("0.0.0.0");
	behind_our_back();
	duplicates();
	bad_addresses(SOCK_DGRAM);
	bad_addresses(SOCK_STREAM);
	select_beyond();
	many();
	processes();
	child_of_a_stack();
	threads();
	/* what the comparison is about */
	fprintf(stderr, "libdpvma.so %s\n", loaded("libdpvma.so") ? "loaded" : "not loaded");
	return 0;
}
