/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the extra API asks of sockets, of both kinds, over a cable: when they have rings, by which
 * they send, and the headers of their packets.
 */
#include "cable.h"
#include "sock/sock.h"

static int
tx_ring(int fd, const char *ip)
{
	struct sockaddr_in sin = test_addr(ip, 9);

	return sock_tx_ring_fd(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int
bound_at(const char *ip, uint16_t port)
{
	struct sockaddr_in sin = test_addr(ip, port);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void
datagrams(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), a, b, fds[4] = { -7, -7, -7, -7 };
	struct sockaddr_in sin = test_addr(B_SEEN, 9);

	(void)state;
	/* nobody's, and one that only exists */
	assert_int_equal(sock_ring_fds(0, fds, 4), 0);
	assert_int_equal(sock_ring_fds(-1, fds, 4), 0);
	assert_int_equal(sock_ring_fds(fd, fds, 4), 0);
	assert_int_equal(fds[0], -7);
	assert_int_equal(tx_ring(0, B_SEEN), -EINVAL);
	assert_int_equal(sock_tx_ring_fd(fd, NULL, 0), -EINVAL);
	assert_int_equal(sock_tx_ring_fd(fd, (struct sockaddr *)&sin, 3), -EINVAL);
	assert_int_equal(tx_ring(fd, B_SEEN), -ENODATA);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(sock_ring_fds(fd, fds, 4), 1);
	assert_int_equal(fds[1], -7);
	assert_non_null(ring_by_fd(fds[0]));
	assert_ptr_equal(ring_by_fd(tx_ring(fd, B_SEEN))->port, ring_by_fd(fds[0])->port);
	dpvma_close(fd);

	/* bound: two ports are two rings, and each way out has its own */
	a = bound_at(A, 5000);
	b = bound_at(B, 5001);
	assert_int_equal(sock_ring_fds(a, &fds[0], 1), 1);
	assert_int_equal(sock_ring_fds(b, &fds[1], 1), 1);
	assert_int_not_equal(fds[0], fds[1]);
	assert_true(tx_ring(a, B_SEEN) >= 0);
	assert_ptr_equal(ring_by_fd(tx_ring(a, B_SEEN))->port, ring_by_fd(fds[0])->port);
	fd = bound_at("0.0.0.0", 5002);
	assert_int_equal(sock_ring_fds(fd, fds, 4), 2);
	assert_ptr_equal(ring_by_fd(tx_ring(fd, B_SEEN))->port,
			ring_by_fd(tx_ring(a, B_SEEN))->port);
	assert_ptr_not_equal(ring_by_fd(tx_ring(fd, A_SEEN))->port,
			ring_by_fd(tx_ring(fd, B_SEEN))->port);
	/* no more than there is room for */
	fds[1] = -7;
	assert_int_equal(sock_ring_fds(fd, fds, 1), 1);
	assert_int_equal(fds[1], -7);
	dpvma_close(fd);
	dpvma_close(a);
	dpvma_close(b);
}

static void
streams(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_STREAM, 0), client, server, fds[4] = { -7, -7, -7, -7 };
	struct sockaddr_in sin = test_addr(A, 5100);

	(void)state;
	assert_int_equal(sock_ring_fds(fd, fds, 4), 0);
	assert_int_equal(tx_ring(fd, B_SEEN), -ENODATA);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	/* bound alone has none */
	assert_int_equal(sock_ring_fds(fd, fds, 4), 0);
	assert_int_equal(fds[0], -7);
	assert_int_equal(dpvma_listen(fd, 5), 0);
	assert_int_equal(sock_ring_fds(fd, fds, 4), 1);
	dpvma_close(fd);
	cable_pair(&client, &server, 0);
	assert_int_equal(sock_ring_fds(client, &fds[0], 1), 1);
	assert_int_equal(sock_ring_fds(server, &fds[1], 1), 1);
	assert_int_not_equal(fds[0], fds[1]);
	/* a connection sends by the ring that it receives by */
	assert_int_equal(tx_ring(client, B_SEEN), fds[0]);
	assert_int_equal(tx_ring(server, A_SEEN), fds[1]);
	dpvma_close(client);
	dpvma_close(server);
}

/* With a peer: Ethernet, IPv4 and the transport's; each errno otherwise. */
static void
check_headers(int fd, uint16_t want, uint8_t proto, uint16_t rport)
{
	uint8_t hdr[128];
	uint16_t len = 0;

	assert_int_equal(sock_headers(fd, NULL, &len), 0);
	assert_int_equal(len, want);
	memset(hdr, 0xee, sizeof(hdr));
	len = (uint16_t)(want - 1);
	assert_errno(sock_headers(fd, hdr, &len), ENOBUFS);
	assert_int_equal(hdr[0], 0xee);
	len = sizeof(hdr);
	assert_int_equal(sock_headers(fd, hdr, &len), 0);
	assert_int_equal(len, want);
	assert_int_equal(hdr[want], 0xee);
	assert_int_equal(hdr[12] << 8 | hdr[13], 0x0800);
	assert_int_equal(hdr[14], 0x45);
	assert_int_equal(hdr[23], proto);
	assert_int_equal(hdr[36] << 8 | hdr[37], rport);
	assert_errno(sock_headers(fd, hdr, NULL), EINVAL);
}

static void
headers(void **state)
{
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), client, server, ep = dpvma_epoll_create1(0);
	struct sockaddr_in sin = test_addr(B_SEEN, 777);
	socklen_t size = sizeof(sin);
	uint16_t len = 128;
	uint8_t hdr[128];

	(void)state;
	assert_errno(sock_headers(-1, hdr, &len), EINVAL);
	assert_errno(sock_headers(0, hdr, &len), EINVAL);
	assert_errno(sock_headers(ep, hdr, &len), EINVAL);
	assert_errno(sock_headers(fd, hdr, &len), ENOTCONN);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	check_headers(fd, 42, IPPROTO_UDP, 777);
	dpvma_close(fd);
	/* a neighbour who does not answer */
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	sin = test_addr("10.9.0.77", 777);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_errno(sock_headers(fd, hdr, &len), EAGAIN);
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_errno(sock_headers(fd, hdr, &len), ENOTCONN);
	dpvma_close(fd);
	cable_pair(&client, &server, 0);
	assert_int_equal(dpvma_getpeername(client, (struct sockaddr *)&sin, &size), 0);
	check_headers(client, 54, IPPROTO_TCP, ntohs(sin.sin_port));
	assert_int_equal(dpvma_getpeername(server, (struct sockaddr *)&sin, &size), 0);
	check_headers(server, 54, IPPROTO_TCP, ntohs(sin.sin_port));
	/* as TCP's first bytes after the ports: five words, an acknowledgement */
	len = sizeof(hdr);
	assert_int_equal(sock_headers(server, hdr, &len), 0);
	assert_int_equal(hdr[46], 0x50);
	assert_int_equal(hdr[47], 0x10);
	dpvma_close(client);
	dpvma_close(server);
	dpvma_close(ep);
}

static int
setup(void **state)
{
	(void)state;
	cable_start("DPVMA_QUEUES=1", NULL);
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
		cmocka_unit_test(datagrams),
		cmocka_unit_test(streams),
		cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
