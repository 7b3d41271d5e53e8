/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socketxtreme with connections: A at one port, B at another, a cable between, both polled by one
 * thread. What a poll tells of connections, data, their ends and errors; the window; ring fds.
 */
#include <fcntl.h>
#include <netinet/tcp.h>

#include "cable.h"
#include "xtreme_test.h"

#define ROOM 512
#define TIMEOUT 10 /* s */
#define BULK 600000u

/** What a ring gave and no test has taken yet. */
struct side {
	int ring;
	unsigned int n;
	struct vma_completion_t c[ROOM];
};
static struct side a, b;

static void
turn(struct side *s)
{
	int n = vma->socketxtreme_poll(s->ring, &s->c[s->n], ROOM - s->n, 0);

	assert_true(n >= 0);
	s->n += (unsigned int)n;
}

static struct vma_completion_t
take(struct side *s)
{
	struct vma_completion_t first;
	time_t end = time(NULL) + TIMEOUT;

	while (s->n == 0) {
		turn(&a);
		turn(&b);
		if (time(NULL) > end)
			fail_msg("nothing came by ring %d", s->ring);
	}
	first = s->c[0];
	s->n--;
	memmove(s->c, s->c + 1, s->n * sizeof(s->c[0]));
	return first;
}

/* Both have nothing more to tell. */
static void
assert_quiet(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		cable_settle();
		turn(&a);
		turn(&b);
	}
	assert_int_equal(a.n, 0);
	assert_int_equal(b.n, 0);
}

static int
dial(uint16_t port)
{
	int fd = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	assert_int_equal(dpvma_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	assert_errno(cable_dial(fd, port), EINPROGRESS);
	return fd;
}

static struct sockaddr_in
name_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	return sin;
}

/* As a program does that never calls accept(). */
static void
connected(int l, uint16_t port, int *client, int *server)
{
	struct vma_completion_t c;

	*client = dial(port);
	c = take(&b);
	assert_true(c.events == ACCEPTED);
	assert_int_equal(c.listen_fd, l);
	*server = (int)c.user_data;
	c = take(&a);
	assert_true(c.events == EPOLLOUT);
	assert_int_equal(c.user_data, *client);
	assert_int_equal(dpvma_fcntl(*server, F_SETFL, O_NONBLOCK), 0);
}

static void
test_rings(void **state)
{
	struct sockaddr_in sin = test_addr(B, 0);
	int fd = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), l, bound, kept;
	uint16_t port;

	(void)state;
	assert_true(no_ring(fd));
	l = cable_listener(&port);
	assert_int_equal(ring_of(l), b.ring);
	bound = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(dpvma_bind(bound, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_true(no_ring(bound));
	assert_int_equal(dpvma_listen(bound, 1), 0);
	assert_int_equal(ring_of(bound), b.ring);
	assert_errno(cable_dial(fd, port), EINPROGRESS);
	assert_int_equal(ring_of(fd), a.ring);
	assert_int_not_equal(a.ring, b.ring);

	/* the device gives the ring before there is a connection, which keeps it */
	kept = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(dpvma_setsockopt(kept, SOL_SOCKET, SO_BINDTODEVICE, "net_ring_b", 11), 0);
	assert_int_equal(ring_of(kept), b.ring);
	assert_int_equal(dpvma_setsockopt(kept, SOL_SOCKET, SO_BINDTODEVICE, "", 0), 0);
	assert_true(no_ring(kept));
	assert_int_equal(dpvma_setsockopt(kept, SOL_SOCKET, SO_BINDTODEVICE, "net_ring_a", 11), 0);
	assert_int_equal(ring_of(kept), a.ring);
	assert_errno(cable_dial(kept, port), EINPROGRESS);
	assert_int_equal(ring_of(kept), a.ring);
	for (int i = 0; i < 2; i++) {
		struct vma_completion_t c = take(&b);

		assert_true(c.events == ACCEPTED);
		dpvma_close((int)c.user_data);
		c = take(&a);
		assert_true((c.events & EPOLLOUT) != 0);
	}
	dpvma_close(fd);
	dpvma_close(kept);
	dpvma_close(bound);
	dpvma_close(l);
	cable_settle();
	a.n = b.n = 0;
}

static void
test_accepted(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_in own, seen = test_addr(A_SEEN, 0);
	struct vma_completion_t c;
	int ep = dpvma_epoll_create1(0), l, client, server, kernel;
	socklen_t len = sizeof(own);
	uint16_t port;

	(void)state;
	l = cable_listener(&port);
	assert_int_equal(dpvma_fcntl(l, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev), 0);
	client = dial(port);
	c = take(&b);
	assert_true(c.events == ACCEPTED);
	assert_int_equal(c.listen_fd, l);
	assert_int_equal(c.src.sin_family, AF_INET);
	assert_int_equal(c.src.sin_addr.s_addr, seen.sin_addr.s_addr);
	assert_int_equal(c.src.sin_port, name_of(client).sin_port);
	server = (int)c.user_data;
	/* a descriptor as accept() gives one, with a socket of the kernel's behind */
	assert_int_equal(dpvma_getpeername(server, (struct sockaddr *)&own, &len), 0);
	assert_int_equal(own.sin_port, c.src.sin_port);
	assert_int_equal(getsockopt(server, SOL_SOCKET, SO_TYPE, &kernel, &(socklen_t){ 4 }), 0);
	assert_int_equal(kernel, SOCK_STREAM);
	assert_int_equal(ring_of(server), b.ring);
	assert_errno(dpvma_accept(l, NULL, NULL), EAGAIN);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
	c = take(&a);
	assert_true(c.events == EPOLLOUT);
	assert_int_equal(c.user_data, client);
	assert_quiet();
	dpvma_close(ep);
	dpvma_close(l);
	dpvma_close(server);
	dpvma_close(client);
	cable_settle();
	a.n = b.n = 0;
}

static void
test_data(void **state)
{
	uint64_t data = 0x1234567812345678u;
	struct vma_completion_t c;
	int l, client, server;
	char buf[16];
	uint16_t port;

	(void)state;
	l = cable_listener(&port);
	connected(l, port, &client, &server);
	assert_int_equal(dpvma_send(client, "ping", 4, 0), 4);
	c = take(&b);
	assert_true(c.events == PACKET);
	assert_int_equal(c.user_data, server);
	assert_int_equal(c.packet.num_bufs, 1);
	assert_int_equal(c.packet.total_len, 4);
	assert_int_equal(c.packet.buff_lst->len, 4);
	assert_null(c.packet.buff_lst->next);
	assert_memory_equal(c.packet.buff_lst->payload, "ping", 4);
	assert_int_equal(c.src.sin_port, name_of(client).sin_port);
	assert_int_equal(c.src.sin_addr.s_addr, inet_addr(A_SEEN));
	give_back(&c);
	assert_errno(dpvma_recv(server, buf, sizeof(buf), 0), EAGAIN);
	assert_int_equal(dpvma_setsockopt(client, SOL_SOCKET, SO_VMA_USER_DATA, &data, 8), 0);
	assert_int_equal(dpvma_send(server, "pong", 4, 0), 4);
	c = take(&a);
	assert_true(c.events == PACKET);
	assert_true(c.user_data == data);
	assert_memory_equal(c.packet.buff_lst->payload, "pong", 4);
	give_back(&c);
	/* a call of the program's takes them, too; what it leaves comes by the poll */
	assert_int_equal(dpvma_send(client, "call", 4, 0), 4);
	cable_settle();
	assert_int_equal(dpvma_recv(server, buf, 2, 0), 2);
	c = take(&b);
	assert_int_equal(c.packet.total_len, 2);
	assert_memory_equal(c.packet.buff_lst->payload, "ll", 2);
	give_back(&c);
	/* by the socket's descriptor */
	assert_int_equal(dpvma_send(client, "sock", 4, 0), 4);
	cable_settle();
	assert_int_equal(vma->socketxtreme_poll(server, &c, 1, 0), 1);
	assert_int_equal(c.packet.total_len, 4);
	give_back(&c);
	assert_quiet();
	dpvma_close(client);
	dpvma_close(server);
	dpvma_close(l);
	cable_settle();
	a.n = b.n = 0;
}

/* The bytes at one place of the stream. */
static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static size_t
check(const struct vma_packet_desc_t *p, size_t at)
{
	unsigned int bufs = 0;
	size_t len = 0;

	for (const struct vma_buff_t *buf = p->buff_lst; buf != NULL; buf = buf->next) {
		const uint8_t *bytes = buf->payload;

		for (size_t i = 0; i < buf->len; i++)
			if (bytes[i] != byte_at(at + len + i))
				fail_msg("byte %zu is another", at + len + i);
		len += buf->len;
		bufs++;
	}
	assert_int_equal(len, p->total_len);
	assert_int_equal(bufs, p->num_bufs);
	return len;
}

static size_t
send_more(int fd, size_t at)
{
	uint8_t chunk[4096];
	size_t n = RTE_MIN(sizeof(chunk), BULK - at);
	ssize_t ret;

	for (size_t i = 0; i < n; i++)
		chunk[i] = byte_at(at + i);
	ret = n != 0 ? dpvma_send(fd, chunk, n, MSG_DONTWAIT) : 0;
	return ret > 0 ? (size_t)ret : 0;
}

/* What is not given back counts in the window: the sender stops, and goes on. */
static void
test_window(void **state)
{
	struct vma_packet_desc_t *held = calloc(ROOM * 16, sizeof(*held));
	struct vma_completion_t c;
	size_t sent = 0, got = 0, more, stopped;
	unsigned int n = 0, idle = 0;
	int l, client, server, size = 65536;
	uint16_t port;

	(void)state;
	l = cable_listener(&port);
	assert_int_equal(dpvma_setsockopt(l, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	connected(l, port, &client, &server);
	while (idle < 200) {
		more = send_more(client, sent);
		sent += more;
		turn(&a);
		turn(&b);
		idle = more == 0 && b.n == 0 ? idle + 1 : 0;
		for (; b.n != 0; n++) {
			c = take(&b);
			assert_true(c.events == PACKET);
			assert_true(n < ROOM * 16);
			held[n] = c.packet;
			got += check(&c.packet, got);
		}
		cable_settle();
	}
	stopped = got;
	assert_true(got > 0 && got < BULK);
	assert_true(got <= 2u * (unsigned int)size);
	/* half by packets, half by buffers */
	assert_int_equal(vma->socketxtreme_free_vma_packets(held, (int)(n / 2)), 0);
	for (unsigned int i = n / 2; i < n; i++)
		for (struct vma_buff_t *buf = held[i].buff_lst, *next; buf != NULL; buf = next) {
			next = buf->next;
			assert_int_equal(vma->socketxtreme_free_vma_buff(buf), 0);
		}
	for (time_t end = time(NULL) + 30; got < BULK && time(NULL) < end;) {
		sent += send_more(client, sent);
		turn(&a);
		turn(&b);
		while (b.n != 0) {
			c = take(&b);
			got += check(&c.packet, got);
			give_back(&c);
		}
	}
	assert_int_equal(got, BULK);
	assert_true(stopped < got);
	free(held);
	dpvma_close(client);
	dpvma_close(server);
	dpvma_close(l);
	cable_settle();
	a.n = b.n = 0;
}

static void
test_ends(void **state)
{
	const struct linger abort = { .l_onoff = 1, .l_linger = 0 };
	struct vma_completion_t c;
	int l, client, server;
	uint64_t seen = 0;
	uint16_t port;

	(void)state;
	l = cable_listener(&port);
	/* FIN, behind the last data */
	connected(l, port, &client, &server);
	assert_int_equal(dpvma_send(client, "last", 4, 0), 4);
	assert_int_equal(dpvma_shutdown(client, SHUT_WR), 0);
	while ((seen & EPOLLRDHUP) == 0) {
		c = take(&b);
		assert_int_equal(c.user_data, server);
		if (c.events & PACKET) {
			assert_true((seen & PACKET) == 0);
			assert_int_equal(c.packet.total_len, 4);
			give_back(&c);
		}
		seen |= c.events;
	}
	assert_true(seen == (PACKET | EPOLLIN | EPOLLRDHUP));
	assert_quiet();
	dpvma_close(server);
	c = take(&a);
	assert_true((c.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) ==
			(EPOLLIN | EPOLLRDHUP | EPOLLHUP));
	dpvma_close(client);
	cable_settle();
	a.n = b.n = 0;
	/* RST */
	connected(l, port, &client, &server);
	assert_int_equal(dpvma_setsockopt(client, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)), 0);
	dpvma_close(client);
	c = take(&b);
	assert_int_equal(c.user_data, server);
	assert_true((c.events & (EPOLLERR | EPOLLHUP)) == (EPOLLERR | EPOLLHUP));
	assert_true((c.events & PACKET) == 0);
	assert_quiet();
	dpvma_close(server);
	dpvma_close(l);
	/* nobody listens there */
	client = dial(port);
	c = take(&a);
	assert_int_equal(c.user_data, client);
	assert_true((c.events & (EPOLLERR | EPOLLHUP)) == (EPOLLERR | EPOLLHUP));
	dpvma_close(client);
	cable_settle();
	a.n = b.n = 0;
}

/* A number that is used again is another socket: what the first one's buffers count is nobody's. */
static void
test_closed_meanwhile(void **state)
{
	struct vma_completion_t c;
	int l, client, server, again;
	uint16_t port;

	(void)state;
	l = cable_listener(&port);
	connected(l, port, &client, &server);
	assert_int_equal(dpvma_send(client, "held", 4, 0), 4);
	c = take(&b);
	dpvma_close(server);
	again = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(again, server);
	assert_memory_equal(c.packet.buff_lst->payload, "held", 4);
	give_back(&c);
	assert_mistake("given_back_twice", vma->socketxtreme_free_vma_packets(&c.packet, 1));
	dpvma_close(again);
	dpvma_close(client);
	dpvma_close(l);
	cable_settle();
	a.n = b.n = 0;
}

/* One after the other, an exchange each, on the same numbers of descriptors. */
static void
test_reconnects(void **state)
{
	struct vma_completion_t c;
	int l, client, server;
	uint16_t port;

	(void)state;
	l = cable_listener(&port);
	for (unsigned int i = 0; i < 200; i++) {
		connected(l, port, &client, &server);
		assert_int_equal(dpvma_send(client, &i, sizeof(i), 0), sizeof(i));
		c = take(&b);
		assert_int_equal(c.user_data, server);
		assert_int_equal(c.packet.total_len, sizeof(i));
		assert_memory_equal(c.packet.buff_lst->payload, &i, sizeof(i));
		give_back(&c);
		dpvma_close(client);
		c = take(&b);
		assert_true((c.events & EPOLLRDHUP) != 0);
		dpvma_close(server);
		a.n = b.n = 0;
	}
	dpvma_close(l);
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
		cmocka_unit_test(test_rings),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_closed_meanwhile),
		cmocka_unit_test(test_reconnects),
	};
	struct sockaddr_in sin = test_addr(A, 0);
	int fd;

	cable_start("VMA_SOCKETXTREME=1", NULL);
	know_pool("cable");
	vma = dpvma_get_api();
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	if (dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
			vma->get_socket_rings_fds(fd, &a.ring, 1) != 1)
		return 1;
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	sin = test_addr(B, 0);
	if (dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
			vma->get_socket_rings_fds(fd, &b.ring, 1) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, stop);
}
