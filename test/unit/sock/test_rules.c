/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of libvma.conf over sockets: who carries each afterwards, in both directions of a datagram
 * socket, and that the rule is named. The port is one that the kernel does not know, so what is
 * its own goes by the loopback device.
 */
#include <poll.h>

#include "sock/sock.h"
#include "sock_test.h"

/** Port numbers of this process: its rules and sockets meet no other test's. */
#define NUMBERS 60
#define P(n) ((uint16_t)(10000 + getpid() % 300 * NUMBERS + (n)))

static char path[] = "/tmp/dpvma-test-rules-XXXXXX";

static void
assert_why(int fd, enum dpvma_carrier carrier, const char *part)
{
	char why[400];

	assert_int_equal(dpvma_explain(fd, why, sizeof(why)), carrier);
	if (strstr(why, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, why);
}

static int
kernel_socket(int type, struct sockaddr_in *sin, uint16_t port)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, type, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	*sin = test_addr("127.0.0.1", port);
	assert_int_equal(bind(fd, (struct sockaddr *)sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

static void
tcp_servers(void **state)
{
	struct sockaddr_in any = test_addr("0.0.0.0", 0), to;
	socklen_t len = sizeof(any);
	int l = dpvma_socket(AF_INET, SOCK_STREAM, 0), s, c, on = 1, i;

	(void)state;
	/* of the numbers that the rule speaks of one is free */
	assert_int_equal(dpvma_setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	for (i = 0; i < 10; i++) {
		any.sin_port = htons(P(i));
		if (dpvma_bind(l, (struct sockaddr *)&any, sizeof(any)) == 0)
			break;
	}
	assert_true(i < 10);
	/* a binding decides nothing, as nobody knows yet what it will be */
	assert_why(l, DPVMA_OFFLOADED, "bound to 0.0.0.0");
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_why(l, DPVMA_KERNEL, ":2: use os tcp_server *:");
	to = any;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c, (struct sockaddr *)&to, sizeof(to)), 0);
	s = dpvma_accept(l, (struct sockaddr *)&any, &len);
	assert_true(s >= 0);
	assert_why(s, DPVMA_KERNEL, ":2: use os tcp_server");
	assert_int_equal(dpvma_send(s, "x", 1, 0), 1);
	close(c);
	dpvma_close(s);
	assert_why(s, DPVMA_KERNEL, "no socket");
	dpvma_close(l);
	/* another number is ours */
	l = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	any = test_addr("0.0.0.0", 0);
	assert_int_equal(dpvma_bind(l, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_listen(l, 4), 0);
	assert_why(l, DPVMA_OFFLOADED, "listens on 0.0.0.0");
	dpvma_close(l);
	/* and what the kernel cannot listen on is said */
	l = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	any = test_addr(LOCAL, 0);
	assert_int_equal(dpvma_bind(l, (struct sockaddr *)&any, sizeof(any)), 0);
	test_log[0] = '\0';
	assert_errno(dpvma_listen(l, 4), EADDRNOTAVAIL);
	assert_non_null(strstr(test_log, ":9: use os tcp_server 10.9.0.1:*"));
	dpvma_close(l);
}

static void
tcp_clients(void **state)
{
	struct sockaddr_in to = test_addr(PEER, P(11)), sin;
	int l = kernel_socket(SOCK_STREAM, &sin, P(10)), c, flags = SOCK_STREAM | SOCK_NONBLOCK;

	(void)state;
	assert_int_equal(listen(l, 4), 0);
	c = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(dpvma_connect(c, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_why(c, DPVMA_KERNEL, ":3: use os tcp_client *:");
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	dpvma_close(c);
	c = dpvma_socket(AF_INET, flags, 0);
	assert_errno(dpvma_connect(c, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
	assert_why(c, DPVMA_OFFLOADED, "bound to " LOCAL);
	dpvma_close(c);
	/* bound where the kernel is not: neither may carry it */
	c = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	sin = test_addr(LOCAL, 0);
	to = test_addr(PEER, P(10));
	assert_int_equal(dpvma_bind(c, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_errno(dpvma_connect(c, (struct sockaddr *)&to, sizeof(to)), ENETUNREACH);
	dpvma_close(c);
	close(l);
}

static void
udp_peers(void **state)
{
	struct sockaddr_in to, any = test_addr("0.0.0.0", 0);
	int peer = kernel_socket(SOCK_DGRAM, &to, P(20)), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(any);
	char buf[8];

	(void)state;
	/* with datagrams of the port on their way to it: from now on the kernel has it alone */
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&any, &len), 0);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_why(fd, DPVMA_KERNEL, ":5: use os udp_connect *:");
	test_inject_text(ntohs(any.sin_port), "wire");
	assert_int_equal(dpvma_send(fd, "k", 1, 0), 1);
	len = sizeof(any);
	assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&any, &len), 1);
	assert_int_equal(sendto(peer, "back", 4, 0, (struct sockaddr *)&any, len), 4);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	assert_memory_equal(buf, "back", 4);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	dpvma_close(fd);
	close(peer);
	/* the rule before it keeps this number with us */
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	to = test_addr(PEER, P(21));
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_why(fd, DPVMA_OFFLOADED, "connected to " PEER);
	dpvma_close(fd);
	test_drain();
}

/* Received by the kernel, sent by the port. */
static void
udp_receivers(void **state)
{
	struct sockaddr_in any = test_addr("0.0.0.0", P(30)), to, name;
	int peer = kernel_socket(SOCK_DGRAM, &to, 0), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	socklen_t len = sizeof(name);
	struct rte_mbuf *m;
	char buf[8];
	int ttl = 9;

	(void)state;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_why(fd, DPVMA_KERNEL, ":6: use os udp_receiver *:");
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(ntohs(name.sin_port), P(30));
	/* an option of both halves */
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	test_drain();
	to = test_addr(PEER, PEER_PORT);
	assert_int_equal(dpvma_sendto(fd, "out", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	m = test_sent();
	assert_non_null(m);
	assert_int_equal(test_udp(m)->src_port, htons(P(30)));
	assert_int_equal(test_ip(m)->time_to_live, 9);
	rte_pktmbuf_free(m);
	/* what comes by the port is not for it */
	test_inject_text(P(30), "wire");
	assert_int_equal(dpvma_poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT);
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sendto(peer, "in", 2, 0, (struct sockaddr *)&any, sizeof(any)), 2);
	p.events = POLLIN;
	assert_int_equal(dpvma_poll(&p, 1, 2000), 1);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 2);
	dpvma_close(fd);
	/* a first send that binds, of another number, is ours in both directions */
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(dpvma_sendto(fd, "out", 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
	assert_why(fd, DPVMA_OFFLOADED, "bound to 0.0.0.0");
	dpvma_close(fd);
	close(peer);
	test_drain();
}

/* Sent by the kernel, received by the port and the kernel. */
static void
udp_senders(void **state)
{
	struct sockaddr_in to, ours = test_addr(PEER, PEER_PORT), any;
	int peer = kernel_socket(SOCK_DGRAM, &to, P(40)), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(any);
	struct rte_mbuf *m;
	char buf[8];
	int i;

	(void)state;
	test_drain();
	/* the cache of destinations answers both ways, again and again */
	for (i = 0; i < 4; i++) {
		assert_int_equal(
				dpvma_sendto(fd, "k", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
		assert_int_equal(
				dpvma_sendto(fd, "v", 1, 0, (struct sockaddr *)&ours, sizeof(ours)),
				1);
		len = sizeof(any);
		assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&any, &len),
				1);
		assert_int_equal(buf[0], 'k');
		m = test_sent();
		assert_non_null(m);
		assert_int_equal(test_udp(m)->dst_port, htons(PEER_PORT));
		/* one number, whoever sends */
		assert_int_equal(test_udp(m)->src_port, any.sin_port);
		rte_pktmbuf_free(m);
	}
	assert_null(test_sent());
	assert_why(fd, DPVMA_OFFLOADED, ":7: use os udp_sender *:");
	test_inject_text(ntohs(any.sin_port), "wire");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	assert_int_equal(sendto(peer, "loop!", 5, 0, (struct sockaddr *)&any, sizeof(any)), 5);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 5);
	dpvma_close(fd);
	close(peer);
	test_drain();
}

/* A peer that is sent to by the kernel; without it, or with another, sends are ours again. */
static void
udp_sender_connected(void **state)
{
	struct sockaddr_in to = test_addr(PEER, P(40)), none = { .sin_family = AF_UNSPEC };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct rte_mbuf *m;
	ssize_t ret;

	(void)state;
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_why(fd, DPVMA_OFFLOADED, ":7: use os udp_sender *:");
	test_drain();
	/* whether the kernel has a way is not ours to know */
	ret = dpvma_send(fd, "k", 1, 0);
	assert_true(ret == 1 || ret == -1);
	assert_null(test_sent());
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&none, sizeof(none)), 0);
	to = test_addr(PEER, PEER_PORT);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dpvma_send(fd, "v", 1, 0), 1);
	m = test_sent();
	assert_non_null(m);
	rte_pktmbuf_free(m);
	dpvma_close(fd);
}

/* A group of the kernel's beside one of ours. */
static void
groups(void **state)
{
	struct ip_mreq kernels = { .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	struct ip_mreq mine = { .imr_interface.s_addr = inet_addr(LOCAL) };
	struct sockaddr_in any = test_addr("0.0.0.0", 0);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(any);
	struct test_frame f = { .data = "grp", .len = 3 };
	char buf[8];

	(void)state;
	kernels.imr_multiaddr.s_addr = inet_addr("239.1.1.7");
	mine.imr_multiaddr.s_addr = inet_addr("239.2.2.7");
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&any, &len), 0);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mine, sizeof(mine)),
			0);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &kernels,
					 sizeof(kernels)),
			0);
	assert_why(fd, DPVMA_OFFLOADED, "239.1.1.7");
	assert_why(fd, DPVMA_OFFLOADED, ":8: use os udp_receiver 239.1.1.0/24:*");
	f.dport = ntohs(any.sin_port);
	f.dst = "239.2.2.7";
	test_inject(&f);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 3);
	/* the kernel says what is wrong with the second */
	assert_errno(dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &kernels, sizeof(kernels)),
			EADDRINUSE);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &kernels,
					 sizeof(kernels)),
			0);
	assert_errno(dpvma_setsockopt(
				     fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &kernels, sizeof(kernels)),
			EADDRNOTAVAIL);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mine, sizeof(mine)),
			0);
	dpvma_close(fd);
	test_drain();
}

static void
write_rules(FILE *f)
{
	fprintf(f, "# the tests' rules\n");
	fprintf(f, "use os tcp_server *:%u-%u\n", P(0), P(9));
	fprintf(f, "use os tcp_client *:%u\n", P(10));
	fprintf(f, "use vma udp_connect *:%u\n", P(21));
	fprintf(f, "use os udp_connect *:%u-%u\n", P(20), P(29));
	fprintf(f, "use os udp_receiver *:%u\n", P(30));
	fprintf(f, "use os udp_sender *:%u\n", P(40));
	fprintf(f, "use os udp_receiver 239.1.1.0/24:*\n");
	fprintf(f, "use os tcp_server 10.9.0.1:*\n");
}

static int
start(void **state)
{
	char option[sizeof(path) + 32];
	int fd = mkstemp(path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	(void)state;
	if (f == NULL)
		return -1;
	write_rules(f);
	fclose(f);
	snprintf(option, sizeof(option), "VMA_CONFIG_FILE=%s", path);
	test_start(option, NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	unlink(path);
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_servers),
		cmocka_unit_test(tcp_clients),
		cmocka_unit_test(udp_peers),
		cmocka_unit_test(udp_receivers),
		cmocka_unit_test(udp_senders),
		cmocka_unit_test(udp_sender_connected),
		cmocka_unit_test(groups),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
