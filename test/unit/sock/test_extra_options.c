/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_VMA_USER_DATA, SO_VMA_FLOW_TAG and SO_VMA_SHUTDOWN_RX: values, lengths, connections that are
 * accepted, sockets that the kernel carries; and what is left of a socket that receives no more.
 */
#include <poll.h>

/* before cmocka, which has a fail() too */
#include "sock/sock_priv.h"
#include "udp/udp_priv.h"
#include "cable.h"

#define USER_DATA 2801
#define FLOW_TAG 2820
#define SHUTDOWN_RX 2821

static char buf[256];

static int
set(int fd, int name, const void *val, socklen_t len)
{
	return dpvma_setsockopt(fd, SOL_SOCKET, name, val, len);
}

static uint64_t
get(int fd, int name, socklen_t size)
{
	uint64_t value = 0;
	socklen_t len = size;

	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, name, &value, &len), 0);
	assert_int_equal(len, size);
	return value;
}

/* Exactly so many bytes, both ways; nothing else changes it. */
static void
value(int fd, int name, socklen_t size, uint64_t before)
{
	uint64_t v = UINT64_C(0x1122334455667788), mask = size == 8 ? UINT64_MAX : UINT32_MAX;
	uint64_t other[2] = { 0 };

	assert_true(get(fd, name, size) == before);
	assert_int_equal(set(fd, name, &v, size), 0);
	assert_true(get(fd, name, size) == (v & mask));
	for (socklen_t len = 0; len <= sizeof(other); len++) {
		socklen_t asked = len;

		if (len == size)
			continue;
		assert_errno(set(fd, name, other, len), EINVAL);
		assert_errno(dpvma_getsockopt(fd, SOL_SOCKET, name, other, &asked), EINVAL);
	}
	assert_errno(set(fd, name, NULL, size), EINVAL);
	assert_errno(dpvma_getsockopt(fd, SOL_SOCKET, name, NULL, &size), EFAULT);
	assert_errno(dpvma_getsockopt(fd, SOL_SOCKET, name, other, NULL), EFAULT);
	assert_true(get(fd, name, size) == (v & mask));
}

static void
values(void **state)
{
	int types[] = { SOCK_DGRAM, SOCK_STREAM };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		int fd = dpvma_socket(AF_INET, types[i], 0);

		value(fd, USER_DATA, 8, (uint64_t)fd);
		value(fd, FLOW_TAG, 4, 0);
		dpvma_close(fd);
	}
}

/* What the listener has is the listener's: the child's user data are its own number. */
static void
accepted(void **state)
{
	struct pollfd p = { .events = POLLIN };
	uint64_t data = 99;
	uint32_t tag = 7;
	uint16_t port;
	int l = cable_listener(&port), fd = dpvma_socket(AF_INET, SOCK_STREAM, 0), child;

	(void)state;
	assert_int_equal(set(l, USER_DATA, &data, 8), 0);
	assert_int_equal(set(l, FLOW_TAG, &tag, 4), 0);
	assert_int_equal(cable_dial(fd, port), 0);
	p.fd = l;
	assert_int_equal(dpvma_poll(&p, 1, 5000), 1);
	child = dpvma_accept(l, NULL, NULL);
	assert_true(child >= 0);
	assert_int_equal(get(child, USER_DATA, 8), child);
	assert_int_equal(get(child, FLOW_TAG, 4), 0);
	assert_int_equal(get(l, USER_DATA, 8), 99);
	assert_int_equal(get(l, FLOW_TAG, 4), 7);
	dpvma_close(child);
	dpvma_close(fd);
	dpvma_close(l);
}

/* The kernel knows none of these. */
static void
kernels(void **state)
{
	static const int names[] = { USER_DATA, FLOW_TAG, SHUTDOWN_RX };
	struct sockaddr_in loop = test_addr("127.0.0.1", 9);
	int fds[] = { socket(AF_INET, SOCK_DGRAM, 0), dpvma_socket(AF_INET, SOCK_DGRAM, 0) };
	uint64_t v = 0;

	(void)state;
	assert_int_equal(dpvma_connect(fds[1], (struct sockaddr *)&loop, sizeof(loop)), 0);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < RTE_DIM(names); k++) {
			socklen_t len = sizeof(v);

			assert_errno(set(fds[i], names[k], &v, 8), ENOPROTOOPT);
			assert_errno(dpvma_getsockopt(fds[i], SOL_SOCKET, names[k], &v, &len),
					ENOPROTOOPT);
		}
	close(fds[0]);
	dpvma_close(fds[1]);
}

static void
add(struct flow *flow, void *ctx)
{
	(void)flow;
	++*(unsigned int *)ctx;
}

static unsigned int
flows(int fd)
{
	struct sock *s = sock_get(fd);
	unsigned int n = 0;

	control_lock();
	udp_foreach_flow(s->udp, add, &n);
	control_unlock();
	sock_put(s);
	return n;
}

/* The flow goes, and its rule with it; sending goes on, and so do others on the number. */
static void
shutdown_datagrams(void **state)
{
	struct sockaddr_in at = test_addr(B, 0), from;
	int rx = dpvma_socket(AF_INET, SOCK_DGRAM, 0), tx = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = { .fd = rx, .events = POLLIN | POLLOUT };
	socklen_t len = sizeof(at);

	(void)state;
	assert_int_equal(dpvma_bind(rx, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(dpvma_getsockname(rx, (struct sockaddr *)&at, &len), 0);
	from = test_addr(B_SEEN, ntohs(at.sin_port));
	assert_int_equal(dpvma_connect(tx, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(dpvma_send(tx, "one", 3, 0), 3);
	assert_int_equal(dpvma_recv(rx, buf, sizeof(buf), 0), 3);
	assert_int_equal(flows(rx), 1);
	/* the value does not matter */
	assert_int_equal(set(rx, SHUTDOWN_RX, NULL, 0), 0);
	assert_int_equal(flows(rx), 0);
	assert_int_equal(dpvma_send(tx, "two", 3, 0), 3);
	cable_settle();
	/* the end, at once and again; it is writable still */
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_true((p.revents & (POLLIN | POLLOUT)) == (POLLIN | POLLOUT));
	assert_int_equal(dpvma_recv(rx, buf, sizeof(buf), 0), 0);
	assert_int_equal(dpvma_recv(rx, buf, sizeof(buf), 0), 0);
	assert_int_equal(set(rx, SHUTDOWN_RX, NULL, 0), 0);
	len = sizeof(from);
	assert_int_equal(dpvma_getsockname(tx, (struct sockaddr *)&from, &len), 0);
	from = test_addr(A_SEEN, ntohs(from.sin_port));
	assert_int_equal(dpvma_sendto(rx, "back", 4, 0, (struct sockaddr *)&from, sizeof(from)), 4);
	/* the number is taken as long as it is open */
	p.fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	assert_errno(dpvma_bind(p.fd, (struct sockaddr *)&at, sizeof(at)), EADDRINUSE);
	dpvma_close(rx);
	assert_int_equal(dpvma_bind(p.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(flows(p.fd), 1);
	dpvma_close(p.fd);
	dpvma_close(tx);
}

/* Before there is anything to receive: no flow is made at all. */
static void
shutdown_first(void **state)
{
	struct sockaddr_in to = test_addr(B_SEEN, 9);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(set(fd, SHUTDOWN_RX, NULL, 0), 0);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(flows(fd), 0);
	assert_int_equal(dpvma_send(fd, "x", 1, 0), 1);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 0);
	dpvma_close(fd);
}

/* A connection hears its peer's acknowledgements still. */
static void
shutdown_streams(void **state)
{
	static char big[100000];
	int client, server, done = 0, got, n;

	(void)state;
	cable_pair(&client, &server, 0);
	assert_int_equal(set(client, SHUTDOWN_RX, NULL, 0), 0);
	assert_int_equal(dpvma_recv(client, buf, sizeof(buf), 0), 0);
	/* more than the peer takes without an acknowledgement on the way back */
	n = (int)dpvma_send(client, big, sizeof(big), MSG_DONTWAIT);
	assert_true(n > 20000);
	while (done < n) {
		got = (int)dpvma_recv(server, buf, sizeof(buf), 0);
		assert_true(got > 0);
		done += got;
	}
	dpvma_close(client);
	dpvma_close(server);
}

static int
setup(void **state)
{
	(void)state;
	cable_start(NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(accepted),
		cmocka_unit_test(kernels),
		cmocka_unit_test(shutdown_datagrams),
		cmocka_unit_test(shutdown_first),
		cmocka_unit_test(shutdown_streams),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
