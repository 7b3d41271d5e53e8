/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel beside us: what it carries, why, and that both arrive through one descriptor. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>

#include "sock/sock.h"
#include "sock_test.h"

/* A kernel socket on the loopback device, and its port. */
static int
loopback(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*sin = test_addr("127.0.0.1", 0);
	assert_int_equal(bind(fd, (struct sockaddr *)sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

static void
assert_explained(int fd, enum dpvma_carrier carrier, const char *part)
{
	char why[200];

	assert_int_equal(dpvma_explain(fd, why, sizeof(why)), carrier);
	if (strstr(why, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, why);
}

static void
carried_by_the_kernel(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	(void)state;
	/* takes a privilege */
	if (fd >= 0) {
		assert_explained(fd, DPVMA_KERNEL, "SOCK_DGRAM");
		dpvma_close(fd);
	}
	fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_explained(fd, DPVMA_OFFLOADED, "not bound");
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET6, SOCK_DGRAM, 0);
	assert_explained(fd, DPVMA_KERNEL, "AF_INET");
	dpvma_close(fd);
	assert_explained(fd, DPVMA_KERNEL, "no socket");
	sock_thread_offload(pthread_self(), false);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	sock_thread_offload(pthread_self(), true);
	assert_explained(fd, DPVMA_KERNEL, "thread_offload");
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	assert_explained(fd, DPVMA_OFFLOADED, "not bound");
	dpvma_close(fd);
}

/* A thread that opens a socket when it is told to. */
struct opener {
	pthread_t thread;
	sem_t go, done;
	int fd;
	bool over;
};

static void *
open_when_told(void *arg)
{
	struct opener *o = arg;

	for (;;) {
		sem_wait(&o->go);
		if (o->over)
			return NULL;
		o->fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
		sem_post(&o->done);
	}
}

static void
start_opener(struct opener *o)
{
	o->over = false;
	sem_init(&o->go, 0, 0);
	sem_init(&o->done, 0, 0);
	assert_int_equal(pthread_create(&o->thread, NULL, open_when_told, o), 0);
}

static void
end_opener(struct opener *o)
{
	o->over = true;
	sem_post(&o->go);
	assert_int_equal(pthread_join(o->thread, NULL), 0);
}

static void
assert_opens(struct opener *o, enum dpvma_carrier carrier)
{
	char why[200];

	sem_post(&o->go);
	sem_wait(&o->done);
	assert_int_equal(dpvma_explain(o->fd, why, sizeof(why)), carrier);
	assert_int_equal(strstr(why, "thread_offload") != NULL, carrier == DPVMA_KERNEL);
	dpvma_close(o->fd);
}

/* One thread says it of another; the last word wins, and nobody else is meant. */
static void
offloading_of_threads(void **state)
{
	struct opener a, b, later;
	pthread_t gone;
	int words;

	(void)state;
	start_opener(&a);
	start_opener(&b);
	assert_int_equal(sock_thread_offload(a.thread, false), 0);
	assert_opens(&b, DPVMA_OFFLOADED);
	assert_opens(&a, DPVMA_KERNEL);
	assert_opens(&a, DPVMA_KERNEL);
	assert_int_equal(sock_thread_offload(a.thread, true), 0);
	assert_int_equal(sock_thread_offload(b.thread, true), 0);
	assert_int_equal(sock_thread_offload(b.thread, false), 0);
	assert_opens(&a, DPVMA_OFFLOADED);
	assert_opens(&b, DPVMA_KERNEL);
	/* a word that its thread never heard is nothing to the next that has its pthread_t */
	assert_int_equal(sock_thread_offload(a.thread, false), 0);
	gone = a.thread;
	end_opener(&a);
	assert_int_equal(sock_thread_offload(gone, false), -ESRCH);
	for (words = 0; words < 64; words++) {
		start_opener(&later);
		assert_opens(&later, DPVMA_OFFLOADED);
		end_opener(&later);
		if (pthread_equal(later.thread, gone))
			break;
	}
	/* the C library gives it out again, or this has shown nothing */
	assert_true(words < 64);
	end_opener(&b);
	assert_int_equal(sock_thread_offload((pthread_t)0, false), -ESRCH);
	assert_int_equal(sock_thread_offload(pthread_self() + 1, false), -ESRCH);
	assert_int_equal(sock_thread_offload((pthread_t)&words, false), -ESRCH);
	assert_int_equal(sock_thread_offload((pthread_t)-4096, false), -ESRCH);
}

/* A stream to loopback is the kernel's; a listener on any address hears both. */
static void
streams_of_the_kernel(void **state)
{
	struct sockaddr_in sin = test_addr("0.0.0.0", 0), name;
	int l = dpvma_socket(AF_INET, SOCK_STREAM, 0), c = dpvma_socket(AF_INET, SOCK_STREAM, 0), s;
	struct pollfd p = { .fd = l, .events = POLLIN };
	socklen_t len = sizeof(sin);
	char buf[8];

	(void)state;
	assert_int_equal(dpvma_bind(l, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_explained(l, DPVMA_OFFLOADED, "listens on 0.0.0.0");
	assert_int_equal(dpvma_getsockname(l, (struct sockaddr *)&sin, &len), 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(dpvma_connect(c, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_explained(c, DPVMA_KERNEL, "127.0.0.1");
	assert_int_equal(dpvma_poll(&p, 1, 2000), 1);
	assert_int_equal(p.revents, POLLIN);
	s = dpvma_accept(l, (struct sockaddr *)&name, &len);
	assert_true(s >= 0);
	assert_int_equal(name.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_explained(s, DPVMA_KERNEL, "through no dpvma port");
	assert_int_equal(dpvma_send(c, "ping", 4, 0), 4);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 4);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(l);
	/* and so is one that is bound there */
	l = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	sin = test_addr("127.0.0.1", 0);
	assert_int_equal(dpvma_bind(l, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_explained(l, DPVMA_KERNEL, "no address of a dpvma port");
	dpvma_close(l);
}

static void
bound_to_loopback(void **state)
{
	struct sockaddr_in sin = test_addr("127.0.0.1", 0), to;
	int peer = loopback(&to), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	char buf[8];

	(void)state;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_explained(fd, DPVMA_KERNEL, "bound to 127.0.0.1");
	assert_int_equal(dpvma_sendto(fd, "lo", 2, 0, (struct sockaddr *)&to, sizeof(to)), 2);
	assert_int_equal(recv(peer, buf, sizeof(buf), 0), 2);
	dpvma_close(fd);
	close(peer);
}

static void
connected_to_loopback(void **state)
{
	struct sockaddr_in to, name;
	socklen_t len = sizeof(name);
	int peer = loopback(&to), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	char buf[8];

	(void)state;
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_explained(fd, DPVMA_KERNEL, "connected to 127.0.0.1");
	assert_int_equal(dpvma_send(fd, "lo", 2, 0), 2);
	assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&name, &len), 2);
	assert_int_equal(sendto(peer, "answer", 6, 0, (struct sockaddr *)&name, len), 6);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 6);
	dpvma_close(fd);
	close(peer);
}

/* One socket, bound to any address: the wire and the loopback device both reach it. */
static void
both_through_one(void **state)
{
	struct sockaddr_in any = test_addr("0.0.0.0", 0), to;
	socklen_t len = sizeof(any);
	int peer = loopback(&to), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct rte_mbuf *m;
	char buf[8];

	(void)state;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&any, &len), 0);
	assert_explained(fd, DPVMA_OFFLOADED, "bound to 0.0.0.0");
	inet_pton(AF_INET, "127.0.0.1", &any.sin_addr);
	test_inject_text(ntohs(any.sin_port), "wire");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	assert_int_equal(sendto(peer, "loop!", 5, 0, (struct sockaddr *)&any, sizeof(any)), 5);
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "loop!", 5);
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	/* out, each its way; the socket stays ours */
	assert_int_equal(dpvma_sendto(fd, "lo", 2, 0, (struct sockaddr *)&to, sizeof(to)), 2);
	assert_int_equal(recv(peer, buf, sizeof(buf), 0), 2);
	to = test_addr(PEER, PEER_PORT);
	test_drain();
	assert_int_equal(dpvma_sendto(fd, "out", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	m = test_sent();
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_explained(fd, DPVMA_OFFLOADED, "bound to 0.0.0.0");
	dpvma_close(fd);
	close(peer);
}

/* One call sends both ways: only what is the kernel's goes there. */
static void
mixed_batch(void **state)
{
	struct sockaddr_in to[3];
	int peer = loopback(&to[1]), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), i;
	struct iovec iov = { (char *)(uintptr_t) "mix", 3 };
	struct mmsghdr vec[3] = { 0 };
	char buf[8];

	(void)state;
	to[0] = to[2] = test_addr(PEER, PEER_PORT);
	for (i = 0; i < 3; i++)
		vec[i].msg_hdr = (struct msghdr){ .msg_name = &to[i],
			.msg_namelen = sizeof(to[i]),
			.msg_iov = &iov,
			.msg_iovlen = 1 };
	test_drain();
	assert_int_equal(dpvma_sendmmsg(fd, vec, 3, 0), 3);
	assert_int_equal(recv(peer, buf, sizeof(buf), MSG_DONTWAIT), 3);
	assert_int_equal(recv(peer, buf, sizeof(buf), MSG_DONTWAIT), -1);
	rte_pktmbuf_free(test_sent());
	rte_pktmbuf_free(test_sent());
	assert_null(test_sent());
	dpvma_close(fd);
	close(peer);
}

/* The kernel cannot send from an address that it does not have. */
static void
no_way_from_here(void **state)
{
	struct sockaddr_in to = test_addr("127.0.0.1", 9);
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	assert_errno((int)dpvma_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)),
			ENETUNREACH);
	assert_errno(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), ENETUNREACH);
	dpvma_close(fd);
}

/* Two programs on one machine: a number that a kernel socket has is taken. */
static void
number_of_the_kernel(void **state)
{
	struct sockaddr_in any = test_addr("0.0.0.0", 0);
	socklen_t len = sizeof(any);
	int other = socket(AF_INET, SOCK_DGRAM, 0), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(bind(other, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&any, &len), 0);
	assert_errno(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), EADDRINUSE);
	any.sin_port = 0;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	close(other);
	dpvma_close(fd);
}

static void
bound_to_device(void **state)
{
	static const char ours[] = "net_ring_wire";
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	struct sockaddr_in to = test_addr("224.0.0.77", 5000);
	char name[32] = "";
	socklen_t len = sizeof(name);
	struct rte_mbuf *m;

	(void)state;
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nobody0", 8), ENODEV);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ours, sizeof(ours)), 0);
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, ours);
	/* no route tells where that group is: the device does */
	test_drain();
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(dpvma_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	m = test_sent();
	assert_non_null(m);
	assert_int_equal(test_ip(m)->src_addr, inet_addr(LOCAL));
	rte_pktmbuf_free(m);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_explained(fd, DPVMA_KERNEL, "device lo");
	dpvma_close(fd);
}

/* Descriptors that dpvma did not open are used as they are. */
static void
other_descriptors(void **state)
{
	int pipes[2];
	char buf[8];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(dpvma_write(pipes[1], "pipe", 4), 4);
	assert_int_equal(dpvma_read(pipes[0], buf, sizeof(buf)), 4);
	assert_int_equal(dpvma_close(pipes[0]), 0);
	assert_int_equal(dpvma_close(pipes[1]), 0);
}

/* A child of fork() has the kernel's sockets only, and its end leaves the port alone. */
static void
child_of_fork(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), status;
	pid_t pid = fork();
	char buf[8];

	(void)state;
	if (pid == 0) {
		int s = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
		char why[200];

		if (s < 0 || dpvma_explain(s, why, sizeof(why)) != DPVMA_KERNEL)
			_exit(1);
		if (dpvma_explain(fd, why, sizeof(why)) != DPVMA_KERNEL)
			_exit(3);
		if (dpvma_close(fd) != 0 || dpvma_init() == 0)
			_exit(2);
		dpvma_exit();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	test_inject_text(port, "still");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 5);
	dpvma_close(fd);
}

static int
setup(void **state)
{
	(void)state;
	test_start("VMA_RX_UDP_POLL_OS_RATIO=3", NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carried_by_the_kernel),
		cmocka_unit_test(offloading_of_threads),
		cmocka_unit_test(streams_of_the_kernel),
		cmocka_unit_test(bound_to_loopback),
		cmocka_unit_test(connected_to_loopback),
		cmocka_unit_test(both_through_one),
		cmocka_unit_test(mixed_batch),
		cmocka_unit_test(no_way_from_here),
		cmocka_unit_test(number_of_the_kernel),
		cmocka_unit_test(bound_to_device),
		cmocka_unit_test(other_descriptors),
		cmocka_unit_test(child_of_fork),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
