/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options and errors, differentially: the same calls on a kernel socket and on a dpvma one must
 * give the same results. What only dpvma has is tested by itself.
 */
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <linux/udp.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "sock/sock.h"
#include "sock_test.h"

#define USER_DATA 2801
#define ALLOC_LOGIC 2810
#define USER_MEMORY 2811
#define FLOW_TAG 2820
#define GET_API 2800

struct option_case {
	int level, name;
	int64_t value;
	socklen_t len;
};

static const struct option_case cases[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 1, 4 },
	{ SOL_SOCKET, SO_REUSEADDR, 7, 4 },
	{ SOL_SOCKET, SO_REUSEADDR, 1, 2 },
	{ SOL_SOCKET, SO_REUSEPORT, 1, 4 },
	{ SOL_SOCKET, SO_BROADCAST, 1, 4 },
	{ SOL_SOCKET, SO_BROADCAST, 0, 4 },
	{ SOL_SOCKET, SO_BROADCAST, 1, 0 },
	{ SOL_SOCKET, SO_NO_CHECK, 1, 4 },
	{ SOL_SOCKET, SO_RCVTIMEO, 2, 16 },
	{ SOL_SOCKET, SO_RCVTIMEO, 2, 8 },
	{ SOL_SOCKET, SO_SNDTIMEO, 3, 16 },
	{ SOL_SOCKET, SO_TIMESTAMP, 1, 4 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, 1, 4 },
	{ SOL_SOCKET, SO_TIMESTAMP, 0, 4 },
	{ SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE,
			4 },
	{ SOL_SOCKET, SO_TIMESTAMPING, 1 << 30, 4 },
	{ SOL_SOCKET, SO_SNDBUF, 100000, 4 },
	{ SOL_SOCKET, SO_RCVBUF, 1, 2 },
	{ SOL_SOCKET, SO_PRIORITY, 3, 4 },
	{ SOL_SOCKET, SO_ERROR, 0, 4 },
	{ SOL_SOCKET, SO_TYPE, 0, 4 },
	{ SOL_SOCKET, SO_DOMAIN, 0, 4 },
	{ SOL_SOCKET, SO_PROTOCOL, 0, 4 },
	{ SOL_SOCKET, SO_ACCEPTCONN, 0, 4 },
	{ SOL_SOCKET, 31337, 1, 4 },
	{ IPPROTO_IP, IP_TTL, 5, 4 },
	{ IPPROTO_IP, IP_TTL, 5, 1 },
	{ IPPROTO_IP, IP_TTL, -1, 4 },
	{ IPPROTO_IP, IP_TTL, 0, 4 },
	{ IPPROTO_IP, IP_TTL, 256, 4 },
	{ IPPROTO_IP, IP_TOS, 0x10, 4 },
	{ IPPROTO_IP, IP_TOS, 0x28, 1 },
	{ IPPROTO_IP, IP_TOS, 0x1ff, 4 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, 4 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 17, 4 },
	{ IPPROTO_IP, IP_MTU, 0, 4 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 9, 1 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, 999, 4 },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 0, 1 },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 1, 4 },
	{ IPPROTO_IP, IP_MULTICAST_ALL, 0, 4 },
	{ IPPROTO_IP, IP_MULTICAST_ALL, 2, 4 },
	{ IPPROTO_IP, IP_MULTICAST_IF, 0, 2 },
	{ IPPROTO_IP, IP_MULTICAST_IF, 0, 4 },
	{ IPPROTO_IP, IP_PKTINFO, 1, 4 },
	{ IPPROTO_IP, IP_RECVTTL, 1, 4 },
	{ IPPROTO_IP, IP_RECVTOS, 1, 1 },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, 1, 4 },
	{ IPPROTO_IP, IP_RECVERR, 1, 4 },
	{ IPPROTO_IP, IP_ADD_MEMBERSHIP, 0, 8 },
	{ IPPROTO_IP, IP_ADD_MEMBERSHIP, 0, 4 },
	{ IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, 0, 8 },
	{ IPPROTO_UDP, UDP_SEGMENT, 1000, 4 },
	{ IPPROTO_UDP, UDP_SEGMENT, 70000, 4 },
	{ IPPROTO_UDP, 31337, 1, 4 },
	{ 31337, 1, 1, 4 },
};

static void
options_as_kernel(void **state)
{
	int ours = dpvma_socket(AF_INET, SOCK_DGRAM, 0), kernels = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(cases); i++) {
		const struct option_case *c = &cases[i];
		int64_t value[2] = { c->value, 0 };
		uint8_t got[2][32] = { 0 };
		socklen_t len[2] = { sizeof(got[0]), sizeof(got[1]) };
		int ret[2], err[2];

		errno = 0;
		ret[0] = setsockopt(kernels, c->level, c->name, value, c->len);
		err[0] = errno;
		errno = 0;
		ret[1] = dpvma_setsockopt(ours, c->level, c->name, value, c->len);
		err[1] = errno;
		if (ret[0] != ret[1] || err[0] != err[1])
			fail_msg("set %d/%d=%d len %u: kernel %d errno %d, dpvma %d errno %d",
					c->level, c->name, (int)c->value, c->len, ret[0], err[0],
					ret[1], err[1]);
		errno = 0;
		ret[0] = getsockopt(kernels, c->level, c->name, got[0], &len[0]);
		err[0] = errno;
		errno = 0;
		ret[1] = dpvma_getsockopt(ours, c->level, c->name, got[1], &len[1]);
		err[1] = errno;
		if (c->name == SO_RCVBUF && c->level == SOL_SOCKET)
			continue;
		if (ret[0] != ret[1] || err[0] != err[1] || len[0] != len[1] ||
				memcmp(got[0], got[1], sizeof(got[0])) != 0)
			fail_msg("get %d/%d: kernel %d errno %d len %u, dpvma %d errno %d len %u",
					c->level, c->name, ret[0], err[0], len[0], ret[1], err[1],
					len[1]);
	}
	assert_int_equal(dpvma_close(ours), 0);
	close(kernels);
}

/* Calls that both must refuse alike; the socket is bound when bound is set. */
typedef int (*call_t)(int fd, bool ours);

#define OURS(name, ...) (ours ? dpvma_##name(__VA_ARGS__) : name(__VA_ARGS__))
#define CALL(id, expr)                                                                             \
	static int id(int fd, bool ours)                                                           \
	{                                                                                          \
		struct sockaddr_in sin = test_addr("127.0.0.1", 9);                                \
		struct sockaddr *sa = (struct sockaddr *)&sin;                                     \
		socklen_t len = sizeof(sin);                                                       \
		char buf[16] = { 0 };                                                              \
		(void)sa;                                                                          \
		(void)len;                                                                         \
		(void)buf;                                                                         \
		return (int)(expr);                                                                \
	}
CALL(bind_short, OURS(bind, fd, sa, 4))
CALL(bind_null, OURS(bind, fd, NULL, sizeof(sin)))
CALL(bind_family, (sin.sin_family = AF_INET6, OURS(bind, fd, sa, sizeof(sin))))
CALL(bind_unspec, (sin.sin_family = AF_UNSPEC, OURS(bind, fd, sa, sizeof(sin))))
CALL(bind_foreign, (sin.sin_addr.s_addr = inet_addr("8.8.8.8"), OURS(bind, fd, sa, sizeof(sin))))
CALL(connect_short, OURS(connect, fd, sa, 3))
CALL(connect_family, (sin.sin_family = AF_INET6, OURS(connect, fd, sa, sizeof(sin))))
CALL(peer_none, OURS(getpeername, fd, sa, &len))
CALL(peer_negative, (len = (socklen_t)-1, OURS(getsockname, fd, sa, &len)))
CALL(send_nowhere, OURS(send, fd, buf, 1, 0))
CALL(send_oob, OURS(sendto, fd, buf, 1, MSG_OOB, sa, sizeof(sin)))
CALL(send_short, OURS(sendto, fd, buf, 1, 0, sa, 4))
CALL(send_port0, (sin.sin_port = 0, OURS(sendto, fd, buf, 1, 0, sa, sizeof(sin))))
CALL(send_family, (sin.sin_family = AF_INET6, OURS(sendto, fd, buf, 1, 0, sa, sizeof(sin))))
CALL(send_null, OURS(sendmsg, fd, NULL, 0))
CALL(recv_null, OURS(recvmsg, fd, NULL, MSG_DONTWAIT))
CALL(recv_none, OURS(recv, fd, buf, 1, MSG_DONTWAIT))
CALL(recv_errqueue, OURS(recv, fd, buf, 1, MSG_ERRQUEUE))
CALL(shutdown_none, OURS(shutdown, fd, SHUT_RDWR))
CALL(shutdown_bad, OURS(shutdown, fd, 9))
#undef CALL

static const struct {
	const char *name;
	call_t call;
} calls[] = {
	{ "bind short", bind_short },
	{ "bind NULL", bind_null },
	{ "bind AF_INET6", bind_family },
	{ "bind AF_UNSPEC to an address", bind_unspec },
	{ "bind to an address of nobody", bind_foreign },
	{ "connect short", connect_short },
	{ "connect AF_INET6", connect_family },
	{ "getpeername unconnected", peer_none },
	{ "getsockname negative length", peer_negative },
	{ "send unconnected", send_nowhere },
	{ "send MSG_OOB", send_oob },
	{ "sendto short", send_short },
	{ "sendto port 0", send_port0 },
	{ "sendto AF_INET6", send_family },
	{ "sendmsg NULL", send_null },
	{ "recvmsg NULL", recv_null },
	{ "recv nothing", recv_none },
	{ "recv error queue", recv_errqueue },
	{ "shutdown unconnected", shutdown_none },
	{ "shutdown 9", shutdown_bad },
};

static void
errors_as_kernel(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < RTE_DIM(calls); i++) {
		int ours = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
		int kernels = socket(AF_INET, SOCK_DGRAM, 0), ret[2], err[2];

		errno = 0;
		ret[0] = calls[i].call(kernels, false);
		err[0] = errno;
		errno = 0;
		ret[1] = calls[i].call(ours, true);
		err[1] = errno;
		if (ret[0] != ret[1] || err[0] != err[1])
			fail_msg("%s: kernel %d (%s), dpvma %d (%s)", calls[i].name, ret[0],
					strerror(err[0]), ret[1], strerror(err[1]));
		close(kernels);
		assert_int_equal(dpvma_close(ours), 0);
	}
}

static void
bad_descriptors(void **state)
{
	char c;

	(void)state;
	assert_errno(dpvma_close(999999), EBADF);
	assert_errno((int)dpvma_recv(-1, &c, 1, 0), EBADF);
	assert_errno((int)dpvma_send(1 << 30, &c, 1, 0), EBADF);
	assert_errno(dpvma_setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &c, 4), EBADF);
}

static void
rcvbuf_has_a_floor(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), value = 100;
	socklen_t len = sizeof(value);

	(void)state;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, len), 0);
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
	assert_int_equal(value, 65536);
	value = 50000000;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, len), 0);
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
	assert_int_equal(value, 100000000);
	dpvma_close(fd);
}

static void
ring_logic(void **state)
{
	uint32_t o[5] = { 4, 10, 0, 0, 1 };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), 0);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 16), EINVAL);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, NULL, 20), EINVAL);
	o[0] = 16; /* no bit that is known */
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), EINVAL);
	o[0] = 16 | 4; /* one that is not, besides */
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), 0);
	o[1] = 12; /* no logic */
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), EINVAL);
	o[0] = 4 | 1;
	o[1] = 11;
	o[2] = 999; /* no profile */
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), EINVAL);
	o[0] = 1; /* neither direction: nothing to do */
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), 0);
	dpvma_close(fd);
}

static void
profile_only_once(void **state)
{
	struct ring_profile p = { .type = RING_PROFILE_PACKET };
	uint32_t o[5] = { 4 | 1, 10, 0, 0, 1 };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), key = ring_profile_add(&p);

	(void)state;
	assert_true(key > 0);
	o[2] = (uint32_t)key;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), 0);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, ALLOC_LOGIC, o, 20), EINVAL);
	dpvma_close(fd);
}

static void
user_data_and_tag(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t data = 0;
	uint32_t tag = 17;
	socklen_t len = sizeof(data);
	struct iovec iov = { 0 };

	(void)state;
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, USER_DATA, &data, &len), 0);
	assert_int_equal(data, fd);
	data = 0x1122334455667788u;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, USER_DATA, &data, 8), 0);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, USER_DATA, &data, 4), EINVAL);
	data = 0;
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, USER_DATA, &data, &len), 0);
	assert_true(data == 0x1122334455667788u);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, FLOW_TAG, &tag, 4), 0);
	tag = 0;
	len = sizeof(tag);
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, FLOW_TAG, &tag, &len), 0);
	assert_int_equal(tag, 17);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, USER_MEMORY, &iov, 3), EINVAL);
	/* no address, no bytes, no value */
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, USER_MEMORY, &iov, 16), EINVAL);
	iov.iov_base = &iov;
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, USER_MEMORY, &iov, 16), EINVAL);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, USER_MEMORY, NULL, 16), EINVAL);
	iov.iov_len = sizeof(iov);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, USER_MEMORY, &iov, 16), 0);
	dpvma_close(fd);
}

static void
api_without_a_socket(void **state)
{
	void *api = NULL;
	socklen_t len = sizeof(api);

	(void)state;
	assert_int_equal(dpvma_getsockopt(-1, SOL_SOCKET, GET_API, &api, &len), 0);
	assert_ptr_equal(api, dpvma_get_api());
	assert_int_equal(len, sizeof(api));
	len = 4;
	assert_errno(dpvma_getsockopt(-1, SOL_SOCKET, GET_API, &api, &len), EBADF);
}

static void
nonblocking_by_three_ways(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 0;
	char c;

	(void)state;
	assert_errno((int)dpvma_recv(fd, &c, 1, 0), EAGAIN);
	assert_int_equal(dpvma_ioctl(fd, FIONBIO, &on), 0);
	assert_int_equal(dpvma_fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(dpvma_fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_errno((int)dpvma_recv(fd, &c, 1, 0), EAGAIN);
	dpvma_close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_as_kernel),
		cmocka_unit_test(errors_as_kernel),
		cmocka_unit_test(bad_descriptors),
		cmocka_unit_test(rcvbuf_has_a_floor),
		cmocka_unit_test(ring_logic),
		cmocka_unit_test(profile_only_once),
		cmocka_unit_test(user_data_and_tag),
		cmocka_unit_test(api_without_a_socket),
		cmocka_unit_test(nonblocking_by_three_ways),
	};

	return cmocka_run_group_tests(tests, test_group_start, test_group_stop);
}
