/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams in and out: contents, names, truncation, batches, ancillary data, groups. */
#include <linux/net_tstamp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <linux/errqueue.h>

#include "sock_test.h"

#define MANY 150

static void
receive_with_name(void **state)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint16_t port;
	int fd = test_bound(&port);
	char buf[32];

	(void)state;
	test_inject_text(port, "hello");
	assert_int_equal(
			dpvma_recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(len, sizeof(from));
	assert_int_equal(from.sin_family, AF_INET);
	assert_int_equal(ntohs(from.sin_port), PEER_PORT);
	assert_int_equal(from.sin_addr.s_addr, inet_addr(PEER));
	/* an empty datagram is one, too */
	test_inject_text(port, "");
	assert_int_equal(dpvma_read(fd, buf, sizeof(buf)), 0);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	dpvma_close(fd);
}

static void
send_with_options(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	int fd, ttl = 5, tos = 0x10;
	struct rte_mbuf *m;
	uint16_t port, sum;

	(void)state;
	fd = test_bound(&port);
	test_drain();
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	assert_int_equal(dpvma_sendto(fd, "ping!", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	m = test_sent();
	assert_non_null(m);
	assert_int_equal(test_ip(m)->src_addr, inet_addr(LOCAL));
	assert_int_equal(test_ip(m)->dst_addr, inet_addr(PEER));
	assert_int_equal(test_ip(m)->time_to_live, 5);
	assert_int_equal(test_ip(m)->type_of_service, 0x10);
	assert_int_equal(ntohs(test_udp(m)->src_port), port);
	assert_int_equal(ntohs(test_udp(m)->dst_port), PEER_PORT);
	assert_memory_equal(test_payload(m), "ping!", 5);
	sum = test_udp(m)->dgram_cksum;
	((struct rte_udp_hdr *)(uintptr_t)test_udp(m))->dgram_cksum = 0;
	assert_int_equal(rte_ipv4_udptcp_cksum(test_ip(m), test_udp(m)), sum);
	rte_pktmbuf_free(m);
	assert_null(test_sent());
	dpvma_close(fd);
}

static void
dummy_sends_nothing(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT), lo = test_addr("127.0.0.1", 9);
	uint16_t port;
	int fd = test_bound(&port), kernels = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	test_drain();
	assert_int_equal(dpvma_sendto(fd, "x", 1, 0x400, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_null(test_sent());
	assert_errno((int)dpvma_sendto(fd, "x", 1, 0x400, (struct sockaddr *)&lo, sizeof(lo)),
			EINVAL);
	assert_errno((int)dpvma_sendto(kernels, "x", 1, 0x400, (struct sockaddr *)&lo, sizeof(lo)),
			EINVAL);
	close(kernels);
	dpvma_close(fd);
}

static void
connected(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT), name;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	socklen_t len = sizeof(name);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct rte_mbuf *m;
	char buf[16];

	(void)state;
	test_drain();
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dpvma_getpeername(fd, (struct sockaddr *)&name, &len), 0);
	assert_memory_equal(&name, &to, sizeof(to));
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(name.sin_addr.s_addr, inet_addr(LOCAL));
	assert_int_equal(dpvma_write(fd, "a", 1), 1);
	m = test_sent();
	assert_non_null(m);
	assert_int_equal(test_udp(m)->src_port, name.sin_port);
	rte_pktmbuf_free(m);
	/* the peer is heard, another is not */
	test_inject(&(struct test_frame){
			.dport = ntohs(name.sin_port), .sport = 1, .data = "bad", .len = 3 });
	test_inject_text(ntohs(name.sin_port), "good");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	assert_memory_equal(buf, "good", 4);
	assert_int_equal(dpvma_connect(fd, &none, sizeof(none)), 0);
	assert_errno(dpvma_getpeername(fd, (struct sockaddr *)&name, &len), ENOTCONN);
	assert_errno((int)dpvma_send(fd, "a", 1, 0), EDESTADDRREQ);
	dpvma_close(fd);
}

static void
truncated_and_peeked(void **state)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	uint16_t port;
	int fd = test_bound(&port), n = 0;
	char a[3], b[4], buf[32];

	(void)state;
	test_inject_text(port, "0123456789");
	assert_int_equal(dpvma_ioctl(fd, FIONREAD, &n), 0);
	assert_int_equal(n, 10);
	iov[0] = (struct iovec){ a, sizeof(a) };
	iov[1] = (struct iovec){ b, sizeof(b) };
	assert_int_equal(dpvma_recvmsg(fd, &msg, MSG_PEEK), 7);
	assert_true(msg.msg_flags & MSG_TRUNC);
	assert_memory_equal(a, "012", 3);
	assert_memory_equal(b, "3456", 4);
	assert_int_equal(dpvma_recv(fd, buf, 4, MSG_PEEK | MSG_TRUNC), 10);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 10);
	assert_memory_equal(buf, "0123456789", 10);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK), EAGAIN);
	/* what was cut is gone */
	test_inject_text(port, "0123456789");
	assert_int_equal(dpvma_recv(fd, buf, 4, 0), 4);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	dpvma_close(fd);
}

static void
receive_many(void **state)
{
	static struct mmsghdr vec[MANY];
	static struct iovec iov[MANY];
	static uint32_t data[MANY];
	struct timespec short_time = { .tv_nsec = 2000000 };
	struct sockaddr_in from[2];
	uint16_t port;
	int fd = test_bound(&port);
	uint32_t i;

	(void)state;
	memset(vec, 0, sizeof(vec));
	for (i = 0; i < MANY; i++) {
		iov[i] = (struct iovec){ &data[i], sizeof(data[i]) };
		vec[i].msg_hdr.msg_iov = &iov[i];
		vec[i].msg_hdr.msg_iovlen = 1;
		test_inject(&(struct test_frame){ .dport = port, .data = &i, .len = sizeof(i) });
	}
	vec[1].msg_hdr.msg_name = &from[1];
	vec[1].msg_hdr.msg_namelen = sizeof(from[1]);
	/* more than a batch, without waiting for the last of them */
	assert_int_equal(dpvma_recvmmsg(fd, vec, MANY, MSG_WAITFORONE, NULL), MANY);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(data[i], i);
		assert_int_equal(vec[i].msg_len, sizeof(data[i]));
	}
	assert_int_equal(ntohs(from[1].sin_port), PEER_PORT);
	assert_errno(dpvma_recvmmsg(fd, vec, 2, MSG_DONTWAIT, NULL), EAGAIN);
	/* the time ends the wait for the second */
	test_inject_text(port, "one");
	assert_int_equal(dpvma_recvmmsg(fd, vec, 2, 0, &short_time), 1);
	short_time.tv_nsec = 1000000000;
	assert_errno(dpvma_recvmmsg(fd, vec, 2, 0, &short_time), EINVAL);
	assert_errno(dpvma_recvmmsg(fd, NULL, 2, MSG_DONTWAIT, NULL), EFAULT);
	dpvma_close(fd);
}

static void
send_many(void **state)
{
	static struct mmsghdr vec[MANY];
	struct sockaddr_in to = test_addr(PEER, PEER_PORT), bad = to;
	static struct iovec iov[MANY];
	static uint32_t data[MANY];
	struct rte_mbuf *m;
	uint16_t port;
	int fd = test_bound(&port);
	uint32_t i;

	(void)state;
	test_drain();
	memset(vec, 0, sizeof(vec));
	for (i = 0; i < MANY; i++) {
		data[i] = i;
		iov[i] = (struct iovec){ &data[i], sizeof(data[i]) };
		vec[i].msg_hdr.msg_iov = &iov[i];
		vec[i].msg_hdr.msg_iovlen = 1;
		vec[i].msg_hdr.msg_name = &to;
		vec[i].msg_hdr.msg_namelen = sizeof(to);
	}
	assert_int_equal(dpvma_sendmmsg(fd, vec, MANY, 0), MANY);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(vec[i].msg_len, sizeof(data[i]));
		m = test_sent();
		assert_non_null(m);
		assert_memory_equal(test_payload(m), &i, sizeof(i));
		rte_pktmbuf_free(m);
	}
	assert_null(test_sent());
	/* one that cannot be sent: those before it are, and the next call says why */
	bad.sin_port = 0;
	vec[3].msg_hdr.msg_name = &bad;
	assert_int_equal(dpvma_sendmmsg(fd, vec, 5, 0), 3);
	assert_errno(dpvma_sendmmsg(fd, vec + 3, 2, 0), EINVAL);
	for (i = 0; i < 3; i++)
		rte_pktmbuf_free(test_sent());
	assert_null(test_sent());
	dpvma_close(fd);
}

static void
on(int fd, int level, int name, int value)
{
	assert_int_equal(dpvma_setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static const void *
ancillary(struct msghdr *msg, int level, int type)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return CMSG_DATA(c);
	return NULL;
}

static void
ancillary_in(void **state)
{
	char buf[16], control[512];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct timespec now, stamp;
	struct scm_timestamping stamps;
	struct in_pktinfo info;
	uint16_t port;
	int fd = test_bound(&port), ttl;

	(void)state;
	on(fd, IPPROTO_IP, IP_PKTINFO, 1);
	on(fd, IPPROTO_IP, IP_RECVTTL, 1);
	on(fd, IPPROTO_IP, IP_RECVTOS, 1);
	on(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	on(fd, SOL_SOCKET, SO_TIMESTAMPING,
			SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
	clock_gettime(CLOCK_REALTIME, &now);
	test_inject(&(struct test_frame){
			.dport = port, .ttl = 33, .tos = 0x20, .data = "x", .len = 1 });
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	assert_int_equal(dpvma_recvmsg(fd, &msg, 0), 1);
	assert_int_equal(msg.msg_flags, 0);
	assert_non_null(ancillary(&msg, IPPROTO_IP, IP_PKTINFO));
	memcpy(&info, ancillary(&msg, IPPROTO_IP, IP_PKTINFO), sizeof(info));
	assert_int_equal(info.ipi_addr.s_addr, inet_addr(LOCAL));
	assert_int_equal(info.ipi_spec_dst.s_addr, inet_addr(LOCAL));
	memcpy(&ttl, ancillary(&msg, IPPROTO_IP, IP_TTL), sizeof(ttl));
	assert_int_equal(ttl, 33);
	assert_int_equal(*(const uint8_t *)ancillary(&msg, IPPROTO_IP, IP_TOS), 0x20);
	assert_non_null(ancillary(&msg, SOL_SOCKET, SCM_TIMESTAMPNS));
	memcpy(&stamp, ancillary(&msg, SOL_SOCKET, SCM_TIMESTAMPNS), sizeof(stamp));
	assert_true(stamp.tv_sec >= now.tv_sec && stamp.tv_sec <= now.tv_sec + 10);
	memcpy(&stamps, ancillary(&msg, SOL_SOCKET, SCM_TIMESTAMPING), sizeof(stamps));
	assert_memory_equal(&stamps.ts[0], &stamp, sizeof(stamp));
	assert_int_equal(stamps.ts[2].tv_sec, 0);
	/* no room: said, and the datagram is there all the same */
	test_inject_text(port, "y");
	msg.msg_controllen = CMSG_SPACE(sizeof(stamp));
	assert_int_equal(dpvma_recvmsg(fd, &msg, 0), 1);
	assert_int_equal(msg.msg_flags, MSG_CTRUNC);
	assert_int_equal(buf[0], 'y');
	assert_non_null(ancillary(&msg, SOL_SOCKET, SCM_TIMESTAMPNS));
	dpvma_close(fd);
}

static ssize_t
send_ancillary(int fd, int level, int type, const void *data, size_t len)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	char control[CMSG_SPACE(64)] = { 0 };
	struct iovec iov = { (char *)(uintptr_t) "z", 1 };
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(len),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	return dpvma_sendmsg(fd, &msg, 0);
}

static void
ancillary_out(void **state)
{
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = inet_addr(LOCAL) };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), value = 7;
	struct rte_mbuf *m;

	(void)state;
	test_drain();
	assert_int_equal(send_ancillary(fd, IPPROTO_IP, IP_TTL, &value, sizeof(value)), 1);
	m = test_sent();
	assert_non_null(m);
	assert_int_equal(test_ip(m)->time_to_live, 7);
	rte_pktmbuf_free(m);
	value = 0x88;
	assert_int_equal(send_ancillary(fd, IPPROTO_IP, IP_TOS, &value, sizeof(value)), 1);
	m = test_sent();
	assert_int_equal(test_ip(m)->type_of_service, 0x88);
	assert_int_equal(test_ip(m)->time_to_live, 64);
	rte_pktmbuf_free(m);
	assert_int_equal(send_ancillary(fd, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)), 1);
	rte_pktmbuf_free(test_sent());
	value = 256;
	assert_errno((int)send_ancillary(fd, IPPROTO_IP, IP_TTL, &value, sizeof(value)), EINVAL);
	assert_errno((int)send_ancillary(fd, IPPROTO_IP, IP_TTL, &value, 2), EINVAL);
	dpvma_close(fd);
}

static void
too_large(void **state)
{
	static char big[70000];
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	assert_errno((int)dpvma_sendto(fd, big, 65508, 0, (struct sockaddr *)&to, sizeof(to)),
			EMSGSIZE);
	on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	assert_errno((int)dpvma_sendto(fd, big, 2000, 0, (struct sockaddr *)&to, sizeof(to)),
			EMSGSIZE);
	test_drain();
	dpvma_close(fd);
}

static void
broadcast_needs_leave(void **state)
{
	struct sockaddr_in to = test_addr("10.9.0.255", PEER_PORT);
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	assert_errno((int)dpvma_sendto(fd, "b", 1, 0, (struct sockaddr *)&to, sizeof(to)), EACCES);
	on(fd, SOL_SOCKET, SO_BROADCAST, 1);
	test_drain();
	assert_int_equal(dpvma_sendto(fd, "b", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	rte_pktmbuf_free(test_sent());
	dpvma_close(fd);
}

static void
groups(void **state)
{
	struct sockaddr_in group = test_addr("239.1.2.3", 0);
	struct ip_mreq req = { .imr_multiaddr = group.sin_addr,
		.imr_interface.s_addr = inet_addr(LOCAL) };
	struct ip_mreq_source block = { .imr_multiaddr = group.sin_addr,
		.imr_interface.s_addr = inet_addr(LOCAL),
		.imr_sourceaddr.s_addr = inet_addr(PEER) };
	struct ip_mreq wrong = { .imr_multiaddr.s_addr = inet_addr(PEER),
		.imr_interface.s_addr = inet_addr(LOCAL) };
	struct test_frame frame = { .dst = "239.1.2.3", .data = "mc", .len = 2 };
	socklen_t len = sizeof(group);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	char buf[8];

	(void)state;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&group, sizeof(group)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&group, &len), 0);
	frame.dport = ntohs(group.sin_port);
	assert_errno(dpvma_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &req, sizeof(req)),
			EADDRNOTAVAIL);
	assert_errno(dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &wrong, sizeof(wrong)),
			EINVAL);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)), 0);
	assert_errno(dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)),
			EADDRINUSE);
	test_inject(&frame);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 2);
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &block, sizeof(block)),
			0);
	test_inject(&frame);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	frame.src = "10.9.0.3";
	test_inject(&frame);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 2);
	assert_int_equal(
			dpvma_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &req, sizeof(req)), 0);
	test_inject(&frame);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	test_drain();
	dpvma_close(fd);
}

static void
multicast_interface(void **state)
{
	struct sockaddr_in to = test_addr("239.9.9.9", 4000);
	struct in_addr local = { inet_addr(LOCAL) }, got = { 0 };
	socklen_t len = sizeof(got);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct rte_mbuf *m;

	(void)state;
	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &local, sizeof(local)),
			0);
	assert_int_equal(dpvma_getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &got, &len), 0);
	assert_int_equal(got.s_addr, local.s_addr);
	on(fd, IPPROTO_IP, IP_MULTICAST_TTL, 3);
	test_drain();
	assert_int_equal(dpvma_sendto(fd, "m", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	m = test_sent();
	assert_non_null(m);
	assert_int_equal(test_ip(m)->time_to_live, 3);
	assert_int_equal(test_ip(m)->src_addr, local.s_addr);
	rte_pktmbuf_free(m);
	dpvma_close(fd);
}

/* The peer's host answers that nobody is there. */
static void
refused(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), err = 0, i;
	struct pollfd p = { .fd = fd };
	socklen_t len = sizeof(err);
	struct rte_mbuf *m;
	char c;

	(void)state;
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	test_drain();
	assert_int_equal(dpvma_send(fd, "x", 1, 0), 1);
	m = test_sent();
	assert_non_null(m);
	for (i = 0; i < 2; i++) {
		test_inject_unreachable(m);
		assert_int_equal(dpvma_poll(&p, 1, 0), 1);
		assert_int_equal(p.revents, POLLERR);
		if (i == 0)
			assert_errno((int)dpvma_recv(fd, &c, 1, 0), ECONNREFUSED);
		else
			assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
		assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	}
	assert_int_equal(err, ECONNREFUSED);
	rte_pktmbuf_free(m);
	dpvma_close(fd);
}

static void
mtu_of_the_way(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), mtu = 0;
	socklen_t len = sizeof(mtu);

	(void)state;
	assert_errno(dpvma_getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len), ENOTCONN);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dpvma_getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
	assert_int_equal(mtu, 1500);
	dpvma_close(fd);
}

static void
port_in_use(void **state)
{
	struct sockaddr_in sin = test_addr(LOCAL, 0);
	uint16_t port;
	int a = test_bound(&port), b = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	sin.sin_port = htons(port);
	assert_errno(dpvma_bind(b, (struct sockaddr *)&sin, sizeof(sin)), EADDRINUSE);
	assert_errno(dpvma_bind(a, (struct sockaddr *)&sin, sizeof(sin)), EINVAL);
	/* any address with that number is taken, too; afterwards the socket can still be bound */
	sin.sin_addr.s_addr = 0;
	assert_errno(dpvma_bind(b, (struct sockaddr *)&sin, sizeof(sin)), EADDRINUSE);
	sin.sin_port = 0;
	assert_int_equal(dpvma_bind(b, (struct sockaddr *)&sin, sizeof(sin)), 0);
	dpvma_close(a);
	dpvma_close(b);
}

static void
counted_and_dumped(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);
	char buf[4], *text = NULL, find[64];
	size_t len;
	FILE *f;

	(void)state;
	test_inject_text(port, "12345");
	test_inject_text(port, "67");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 2);
	f = open_memstream(&text, &len);
	assert_int_equal(dpvma_dump(fd, f), 0);
	fflush(f);
	snprintf(find, sizeof(find), "socket %d, offloaded: bound to %s:%u", fd, LOCAL, port);
	assert_non_null(strstr(text, find));
	assert_non_null(strstr(text, "rx_packets 2 rx_bytes 7 rx_read 2 rx_truncated 1"));
	assert_non_null(strstr(text, "ring 0 port net_ring_wire"));
	fclose(f);
	free(text);
	f = open_memstream(&text, &len);
	assert_int_equal(dpvma_dump_json(f), 0);
	fflush(f);
	assert_int_equal(strncmp(text, "{\"rings\":[{\"index\":", 19), 0);
	snprintf(find, sizeof(find), "\"sockets\":[{\"fd\":%d,\"why\":\"offloaded", fd);
	assert_non_null(strstr(text, find));
	assert_non_null(strstr(text, "],\"cyclic\":[],\"tcp\":[],\"extra\":{"));
	fclose(f);
	free(text);
	assert_errno(dpvma_dump(999999, stdout), EBADF);
	dpvma_close(fd);
}

static int
setup(void **state)
{
	(void)state;
	test_start("VMA_RX_UDP_POLL_OS_RATIO=100", NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receive_with_name),
		cmocka_unit_test(send_with_options),
		cmocka_unit_test(dummy_sends_nothing),
		cmocka_unit_test(connected),
		cmocka_unit_test(truncated_and_peeked),
		cmocka_unit_test(receive_many),
		cmocka_unit_test(send_many),
		cmocka_unit_test(ancillary_in),
		cmocka_unit_test(ancillary_out),
		cmocka_unit_test(too_large),
		cmocka_unit_test(broadcast_needs_leave),
		cmocka_unit_test(groups),
		cmocka_unit_test(multicast_interface),
		cmocka_unit_test(refused),
		cmocka_unit_test(mtu_of_the_way),
		cmocka_unit_test(port_in_use),
		cmocka_unit_test(counted_and_dumped),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
