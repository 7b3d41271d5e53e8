/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socketxtreme with datagrams, on one port whose wire the test holds: every completion, what comes
 * first, ordinary calls beside it, and every mistake. With the argument "off": nothing of it works.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <rte_ethdev.h>
#include <rte_ring.h>

#include "sock/sock_priv.h"
#include "xtreme_test.h"

#define MANY 64

static struct vma_completion_t got[MANY];

static int
poll_ring(int ring, unsigned int n)
{
	memset(got, 0x5a, sizeof(got));
	return vma->socketxtreme_poll(ring, got, n, 0);
}

static void
assert_text(const struct vma_completion_t *c, const char *text)
{
	const struct vma_buff_t *b = c->packet.buff_lst;

	assert_true((c->events & PACKET) != 0);
	assert_int_equal(c->packet.num_bufs, 1);
	assert_int_equal(c->packet.total_len, strlen(text));
	assert_non_null(b);
	assert_null(b->next);
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(b->payload, text, strlen(text));
}

static void
inject_number(uint16_t port, unsigned int i)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", i);
	test_inject_text(port, text);
}

static void
assert_number(const struct vma_completion_t *c, unsigned int i)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", i);
	assert_text(c, text);
}

static void
give_all(int n)
{
	for (int i = 0; i < n; i++)
		if (got[i].events & PACKET)
			give_back(&got[i]);
}

/* Ring fds are there after bind or connect, and for nothing else. */
static void
test_rings(void **state)
{
	struct sockaddr_in peer = test_addr(PEER, PEER_PORT);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), fds[4] = { -5, -5, -5, -5 };
	int other = dpvma_socket(AF_INET, SOCK_DGRAM, 0),
	    v6 = dpvma_socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in own = test_addr(LOCAL, 0);

	(void)state;
	assert_true(no_ring(fd));
	assert_true(no_ring(0));
	assert_true(no_ring(v6));
	assert_errno(vma->get_socket_rings_fds(fd, NULL, 1), EINVAL);
	assert_errno(vma->get_socket_rings_fds(fd, fds, 0), EINVAL);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(vma->get_socket_rings_fds(fd, fds, 4), 1);
	assert_int_equal(fds[0], ring_of(fd));
	assert_int_equal(fds[1], -5);
	assert_int_equal(dpvma_connect(other, (struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(ring_of(other), ring_of(fd));
	dpvma_close(v6);
	dpvma_close(other);
	dpvma_close(fd);
}

static void
test_arguments(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	int foreign = eventfd(0, 0);

	(void)state;
	assert_errno(vma->socketxtreme_poll(ring, NULL, 1, 0), EINVAL);
	assert_errno(vma->socketxtreme_poll(ring, got, 0, 0), EINVAL);
	assert_int_equal(poll_ring(ring, MANY), 0);
	/* flags are not looked at */
	assert_int_equal(vma->socketxtreme_poll(ring, got, MANY, 0x7fff), 0);
	assert_mistake("stale_ring", poll_ring(-1, 1));
	assert_mistake("stale_ring", poll_ring(0, 1));
	assert_mistake("stale_ring", poll_ring(foreign, 1));
	assert_mistake("stale_ring", poll_ring(1 << 20, 1));
	close(foreign);
	dpvma_close(fd);
	assert_mistake("stale_ring", poll_ring(ring, 1));
}

static void
test_packet(void **state)
{
	uint64_t data = 0xfedcba9876543210u;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	unsigned int before = buffers_out();

	(void)state;
	test_inject_text(port, "hello");
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_text(&got[0], "hello");
	assert_int_equal(got[0].events, PACKET);
	assert_int_equal(got[0].user_data, fd);
	assert_int_equal(got[0].src.sin_family, AF_INET);
	assert_int_equal(ntohs(got[0].src.sin_port), PEER_PORT);
	assert_int_equal(got[0].src.sin_addr.s_addr, inet_addr(PEER));
	assert_int_equal(got[0].packet.hw_timestamp.tv_sec, 0);
	assert_int_equal(got[0].packet.hw_timestamp.tv_nsec, 0);
	give_back(&got[0]);
	/* an empty one is a packet, too */
	test_inject_text(port, "");
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_text(&got[0], "");
	give_back(&got[0]);

	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_USER_DATA, &data, 4), EINVAL);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_USER_DATA, &data, 9), EINVAL);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_USER_DATA, &data, 8), 0);
	test_inject_text(port, "again");
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_true(got[0].user_data == data);
	give_back(&got[0]);
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd);
}

/* Two sockets on a ring: in the order of arrival, also of what found no room at once. */
static void
test_order(void **state)
{
	uint16_t port[2];
	int fd[2] = { test_bound(&port[0]), test_bound(&port[1]) }, ring = ring_of(fd[0]);
	unsigned int before = buffers_out(), i, n, at = 0;

	(void)state;
	assert_int_equal(ring, ring_of(fd[1]));
	for (i = 0; i < 20; i++)
		inject_number(port[i & 1], i);
	assert_int_equal(poll_ring(ring, 20), 20);
	for (i = 0; i < 20; i++) {
		assert_number(&got[i], i);
		assert_int_equal(got[i].user_data, fd[i & 1]);
	}
	give_all(20);
	for (i = 0; i < 20; i++)
		inject_number(port[0], i);
	while (at < 20) {
		n = (unsigned int)poll_ring(ring, 3);
		assert_true(n >= 1 && n <= 3);
		for (i = 0; i < n; i++)
			assert_number(&got[i], at++);
		give_all((int)n);
	}
	assert_int_equal(poll_ring(ring, 3), 0);
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd[0]);
	dpvma_close(fd[1]);
}

#define LONG 2000u /* bytes of a datagram in two fragments, */
#define CUT 1000u  /* of which the first has so many of what IP carries */

/* Bytes of the datagram from @p at on, its UDP header included. */
static void
inject_fragment(const uint8_t *udp, uint16_t at, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(frames);
	struct sockaddr_in src = test_addr(PEER, 0), dst = test_addr(LOCAL, 0);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;

	assert_non_null(m);
	eth = (void *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*eth) + sizeof(*ip) + len));
	ip = (void *)(eth + 1);
	memset(eth, 2, sizeof(*eth));
	rte_eth_macaddr_get(0, &eth->dst_addr);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = 0x45,
		.total_length = htons((uint16_t)(sizeof(*ip) + len)),
		.packet_id = htons(77),
		.fragment_offset = htons((uint16_t)(at / 8 | (at == 0 ? 0x2000 : 0))),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = src.sin_addr.s_addr,
		.dst_addr = dst.sin_addr.s_addr };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(ip + 1, udp + at, len);
	assert_int_equal(rte_ring_enqueue(rte_ring_lookup("to_port"), m), 0);
}

/* Each buffer of a datagram of several is the program's by itself, in any order. */
static void
test_chain(void **state)
{
	uint8_t udp[sizeof(struct rte_udp_hdr) + LONG];
	struct rte_udp_hdr *hdr = (void *)udp;
	struct vma_buff_t *first, *second;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	unsigned int before = buffers_out();

	(void)state;
	for (unsigned int i = 0; i < sizeof(udp); i++)
		udp[i] = (uint8_t)(i * 7 + (i >> 8));
	*hdr = (struct rte_udp_hdr){ .src_port = htons(PEER_PORT),
		.dst_port = htons(port),
		.dgram_len = htons(sizeof(udp)) };
	for (int i = 0; i < 2; i++) {
		inject_fragment(udp, 0, CUT);
		inject_fragment(udp, CUT, sizeof(udp) - CUT);
		assert_int_equal(poll_ring(ring, MANY), 1);
		assert_int_equal(got[0].packet.num_bufs, 2);
		assert_int_equal(got[0].packet.total_len, LONG);
		first = got[0].packet.buff_lst;
		second = first->next;
		assert_int_equal(first->len, CUT - sizeof(*hdr));
		assert_int_equal(second->len, sizeof(udp) - CUT);
		assert_null(second->next);
		assert_memory_equal(first->payload, hdr + 1, first->len);
		assert_memory_equal(second->payload, udp + CUT, second->len);
		if (i == 0) {
			give_back(&got[0]);
			continue;
		}
		assert_int_equal(vma->socketxtreme_free_vma_buff(first), 0);
		assert_memory_equal(second->payload, udp + CUT, second->len);
		assert_int_equal(vma->socketxtreme_free_vma_buff(second), 0);
	}
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd);
}

/* Another thread is amid a look at a chain (MSG_PEEK) when it is handed out: both have it whole. */
static void
test_peeked_chain(void **state)
{
	uint8_t udp[sizeof(struct rte_udp_hdr) + LONG] = { 0 };
	unsigned int before = buffers_out();
	struct rte_mbuf *peeked;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	struct sock *s = sock_get(fd);
	char buf[4];

	(void)state;
	memcpy(udp,
			&(struct rte_udp_hdr){ .src_port = htons(PEER_PORT),
					.dst_port = htons(port),
					.dgram_len = htons(sizeof(udp)) },
			sizeof(struct rte_udp_hdr));
	udp[sizeof(udp) - 1] = 'z';
	inject_fragment(udp, 0, CUT);
	inject_fragment(udp, CUT, sizeof(udp) - CUT);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_PEEK), sizeof(buf));
	peeked = udp_peek(s->udp);
	assert_non_null(peeked);
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_int_equal(got[0].packet.total_len, LONG);
	assert_ptr_not_equal(got[0].packet.buff_lst, ring_mbuf_meta(peeked));
	assert_int_equal(peeked->nb_segs, 2);
	assert_int_equal(peeked->next->data_len, sizeof(udp) - CUT);
	rte_pktmbuf_free(peeked);
	give_back(&got[0]);
	assert_int_equal(buffers_out(), before);
	sock_put(s);
	dpvma_close(fd);
}

/* A call of the program's turned the ring: what it left comes first, what it took does not come. */
static void
test_ordinary(void **state)
{
	uint16_t port, other_port;
	int fd = test_bound(&port), other = test_bound(&other_port), ring = ring_of(fd);
	int ep = dpvma_epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
	char buf[16];

	(void)state;
	test_inject_text(port, "first");
	assert_errno(dpvma_recv(other, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	test_inject_text(port, "second");
	assert_int_equal(poll_ring(ring, MANY), 2);
	assert_text(&got[0], "first");
	assert_text(&got[1], "second");
	give_all(2);

	test_inject_text(port, "read");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 4);
	assert_memory_equal(buf, "read", 4);
	assert_int_equal(poll_ring(ring, MANY), 0);

	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	test_inject_text(port, "woken");
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 1000), 1);
	assert_int_equal(ev.data.fd, fd);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 5);
	test_inject_text(port, "seen");
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 1000), 1);
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_text(&got[0], "seen");
	give_all(1);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
	dpvma_close(ep);
	dpvma_close(other);
	dpvma_close(fd);
}

/* What recvfrom_zcopy has at hand for its next calls is as good as queued. */
static void
test_beside_zcopy(void **state)
{
	union {
		struct vma_packets_t packets;
		char bytes[40];
	} room;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd), flags = MSG_DONTWAIT, i;

	(void)state;
	for (i = 0; i < 5; i++)
		inject_number(port, (unsigned int)i);
	for (i = 0; i < 2; i++) {
		assert_int_equal(vma->recvfrom_zcopy(fd, &room, sizeof(room), &flags, NULL, NULL),
				1);
		assert_int_equal(*(char *)room.packets.pkts[0].iov[0].iov_base, '0' + i);
		assert_int_equal(vma->free_packets(fd, room.packets.pkts, 1), 0);
	}
	assert_int_equal(poll_ring(ring, 2), 2);
	assert_number(&got[0], 2);
	assert_number(&got[1], 3);
	give_all(2);
	assert_int_equal(vma->recvfrom_zcopy(fd, &room, sizeof(room), &flags, NULL, NULL), 1);
	assert_int_equal(*(char *)room.packets.pkts[0].iov[0].iov_base, '4');
	assert_int_equal(vma->free_packets(fd, room.packets.pkts, 1), 0);
	dpvma_close(fd);
}

static void
test_socket_and_epoll_fd(void **state)
{
	uint16_t port, other_port;
	int fd = test_bound(&port), other = test_bound(&other_port), ring = ring_of(fd);
	int ep = dpvma_epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	(void)state;
	test_inject_text(port, "mine");
	test_inject_text(other_port, "other");
	assert_int_equal(poll_ring(fd, MANY), 1);
	assert_text(&got[0], "mine");
	give_all(1);
	assert_int_equal(poll_ring(fd, MANY), 0);
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_text(&got[0], "other");
	give_all(1);

	/* without a socket of ours it is the kernel's epoll */
	assert_mistake("stale_ring", poll_ring(ep, 1));
	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(poll_ring(ep, MANY), 0);
	for (unsigned int i = 0; i < 5; i++)
		inject_number(port, i);
	test_inject_text(other_port, "other");
	assert_int_equal(poll_ring(ep, 2), 2);
	assert_number(&got[0], 0);
	assert_number(&got[1], 1);
	give_all(2);
	assert_int_equal(poll_ring(ep, MANY), 3);
	assert_number(&got[0], 2);
	assert_number(&got[2], 4);
	give_all(3);
	assert_int_equal(poll_ring(ep, MANY), 0);
	assert_int_equal(poll_ring(other, MANY), 1);
	assert_text(&got[0], "other");
	give_all(1);
	dpvma_close(ep);
	dpvma_close(other);
	dpvma_close(fd);
}

/* What is no packet: an error of the wire, the end of receiving. Each is told once. */
static void
test_events(void **state)
{
	struct sockaddr_in peer = test_addr(PEER, PEER_PORT);
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd), err = 0;
	socklen_t len = sizeof(err);
	struct rte_mbuf *sent;

	(void)state;
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dpvma_send(fd, "x", 1, 0), 1);
		sent = test_sent();
		assert_non_null(sent);
		test_inject_unreachable(sent);
		rte_pktmbuf_free(sent);
		assert_int_equal(poll_ring(ring, MANY), 1);
		assert_int_equal(got[0].events, EPOLLERR);
		assert_int_equal(got[0].user_data, fd);
		assert_int_equal(poll_ring(ring, MANY), 0);
		assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
		assert_int_equal(err, ECONNREFUSED);
	}
	assert_int_equal(dpvma_shutdown(fd, SHUT_RD), 0);
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_int_equal(got[0].events, EPOLLIN | EPOLLRDHUP);
	assert_int_equal(poll_ring(ring, MANY), 0);
	dpvma_close(fd);
}

static void
test_references(void **state)
{
	struct vma_completion_t kept;
	struct vma_buff_t *b;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	unsigned int before = buffers_out();

	(void)state;
	test_inject_text(port, "kept");
	assert_int_equal(poll_ring(ring, MANY), 1);
	kept = got[0];
	b = kept.packet.buff_lst;
	assert_int_equal(vma->socketxtreme_ref_vma_buff(b), 2);
	assert_int_equal(vma->socketxtreme_ref_vma_buff(b), 3);
	assert_int_equal(vma->socketxtreme_free_vma_buff(b), 2);
	give_back(&kept);
	assert_memory_equal(b->payload, "kept", 4);
	assert_true(buffers_out() > before);
	assert_int_equal(vma->socketxtreme_free_vma_buff(b), 0);
	assert_int_equal(buffers_out(), before);
	assert_mistake("given_back_twice", vma->socketxtreme_free_vma_buff(b));
	assert_mistake("given_back_twice", vma->socketxtreme_ref_vma_buff(b));
	assert_mistake("given_back_twice", vma->socketxtreme_free_vma_packets(&kept.packet, 1));

	test_inject_text(port, "once");
	assert_int_equal(poll_ring(ring, MANY), 1);
	assert_int_equal(vma->socketxtreme_free_vma_buff(got[0].packet.buff_lst), 0);
	assert_int_equal(buffers_out(), before);

	/* more references than can be counted are refused, and the buffer is whole */
	test_inject_text(port, "many");
	assert_int_equal(poll_ring(ring, MANY), 1);
	b = got[0].packet.buff_lst;
	for (int i = 2; i <= 2048; i++)
		assert_int_equal(vma->socketxtreme_ref_vma_buff(b), i);
	assert_errno(vma->socketxtreme_ref_vma_buff(b), EINVAL);
	for (int i = 2047; i >= 0; i--)
		assert_int_equal(vma->socketxtreme_free_vma_buff(b), i);
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd);
}

static void
test_mistakes(void **state)
{
	struct vma_buff_t none = { .payload = NULL }, *b;
	struct vma_packet_desc_t desc[3], foreign = { .num_bufs = 1, .buff_lst = &none };
	static char __attribute__((aligned(64))) somewhere[4096], lent[256];
	struct vma_packet_t *packet;
	int flags = MSG_DONTWAIT;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	unsigned int before = buffers_out();

	(void)state;
	assert_errno(vma->socketxtreme_free_vma_packets(NULL, 1), EINVAL);
	assert_errno(vma->socketxtreme_free_vma_packets(&foreign, -1), EINVAL);
	assert_int_equal(vma->socketxtreme_free_vma_packets(&foreign, 0), 0);
	assert_errno(vma->socketxtreme_ref_vma_buff(NULL), EINVAL);
	assert_errno(vma->socketxtreme_free_vma_buff(NULL), EINVAL);
	assert_mistake("unknown_buffer", vma->socketxtreme_ref_vma_buff(&none));
	assert_mistake("unknown_buffer", vma->socketxtreme_free_vma_buff(&none));
	assert_mistake("unknown_buffer", vma->socketxtreme_free_vma_packets(&foreign, 1));
	/* addresses that nothing can be read at, and each place of a page that is not ours */
	for (size_t i = 0; i < sizeof(somewhere); i += 8)
		assert_mistake("unknown_buffer",
				vma->socketxtreme_free_vma_buff(
						(struct vma_buff_t *)(void *)(somewhere + i)));
	assert_mistake("unknown_buffer",
			vma->socketxtreme_free_vma_buff((struct vma_buff_t *)(uintptr_t)8));
	assert_mistake("unknown_buffer",
			vma->socketxtreme_free_vma_buff((struct vma_buff_t *)(uintptr_t)-8));

	for (unsigned int i = 0; i < 3; i++)
		inject_number(port, i);
	assert_int_equal(poll_ring(ring, MANY), 3);
	b = got[0].packet.buff_lst;
	/* a place within a buffer of ours, and within its payload */
	assert_mistake("unknown_buffer",
			vma->socketxtreme_free_vma_buff(
					(struct vma_buff_t *)(void *)((char *)b + 8)));
	assert_mistake("unknown_buffer", vma->socketxtreme_free_vma_buff(b->payload));
	/* those before the one without buffers are taken, that one and those after it are not */
	for (int i = 0; i < 3; i++)
		desc[i] = got[i].packet;
	desc[1].buff_lst = NULL;
	assert_errno(vma->socketxtreme_free_vma_packets(desc, 3), EINVAL);
	assert_mistake("given_back_twice", vma->socketxtreme_free_vma_packets(&desc[0], 1));
	give_back(&got[1]);
	give_back(&got[2]);
	/* the same twice in one array */
	test_inject_text(port, "twice");
	assert_int_equal(poll_ring(ring, MANY), 1);
	desc[0] = desc[1] = got[0].packet;
	assert_mistake("given_back_twice", vma->socketxtreme_free_vma_packets(desc, 2));
	/* what another call has lent */
	test_inject_text(port, "lent");
	assert_int_equal(vma->recvfrom_zcopy(fd, lent, sizeof(lent), &flags, NULL, NULL), 4);
	packet = ((struct vma_packets_t *)(void *)lent)->pkts;
	b = (struct vma_buff_t *)(void *)((char *)packet->packet_id + ring_mbuf_meta_offset);
	assert_mistake("foreign_buffer", vma->socketxtreme_free_vma_buff(b));
	assert_int_equal(vma->free_packets(fd, packet, 1), 0);
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd);
}

/* The socket has gone, and another has its number. */
static void
test_closed_meanwhile(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd), keep, again;
	unsigned int before = buffers_out();

	(void)state;
	keep = test_bound(&port);
	test_inject_text(port, "held");
	test_inject_text(port, "held");
	assert_int_equal(poll_ring(ring, MANY), 2);
	dpvma_close(keep);
	give_back(&got[0]);
	again = test_bound(&port);
	assert_int_equal(again, keep);
	give_back(&got[1]);
	assert_int_equal(buffers_out(), before);
	/* noted, and closed before anybody looked */
	test_inject_text(port, "lost");
	assert_int_equal(dpvma_poll(&(struct pollfd){ .fd = again, .events = POLLIN }, 1, 1000), 1);
	dpvma_close(again);
	assert_int_equal(poll_ring(ring, MANY), 0);
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd);
}

/** @name Two threads on one ring */
/** @{ */
#define TOTAL 20000u

static unsigned int seen[TOTAL];
static unsigned int counted;

static void *
poller(void *ring)
{
	struct vma_completion_t c[8];
	struct vma_packet_desc_t desc[8];
	unsigned int number;
	int i, n;

	while (__atomic_load_n(&counted, __ATOMIC_ACQUIRE) < TOTAL) {
		n = vma->socketxtreme_poll(*(int *)ring, c, 8, 0);
		for (i = 0; i < n; i++) {
			memcpy(&number, c[i].packet.buff_lst->payload, sizeof(number));
			__atomic_fetch_add(&seen[number % TOTAL], 1, __ATOMIC_RELAXED);
			__atomic_fetch_add(&counted, 1, __ATOMIC_RELEASE);
			desc[i] = c[i].packet;
		}
		if (n > 0 && vma->socketxtreme_free_vma_packets(desc, n) != 0)
			break;
	}
	return NULL;
}

static void
test_threads(void **state)
{
	uint16_t port[2];
	int fd[2] = { test_bound(&port[0]), test_bound(&port[1]) }, ring = ring_of(fd[0]);
	unsigned int before = buffers_out(), i;
	pthread_t thread[2];

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, poller, &ring), 0);
	for (i = 0; i < TOTAL; i++) {
		test_inject(&(struct test_frame){
				.dport = port[i & 1], .data = &i, .len = sizeof(i) });
		/* as many as the queues of both sockets hold */
		while (i + 1 - __atomic_load_n(&counted, __ATOMIC_ACQUIRE) > 256)
			usleep(10);
	}
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < TOTAL; i++)
		assert_int_equal(seen[i], 1);
	/* caches of the threads have gone with them */
	assert_int_equal(buffers_out(), before);
	dpvma_close(fd[0]);
	dpvma_close(fd[1]);
}

static void *
closer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		uint16_t port;
		int fd = test_bound(&port);

		test_inject_text(port, "x");
		dpvma_close(fd);
	}
	__atomic_store_n(&counted, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* The ring comes and goes while it is polled. */
static void
test_vanishing_ring(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd), n;
	pthread_t thread;

	(void)state;
	dpvma_close(fd);
	counted = 0;
	assert_int_equal(pthread_create(&thread, NULL, closer, NULL), 0);
	while (__atomic_load_n(&counted, __ATOMIC_ACQUIRE) == 0) {
		n = poll_ring(ring, MANY);
		if (n > 0)
			give_all(n);
		else if (n < 0)
			assert_int_equal(errno, EBADFD);
	}
	pthread_join(thread, NULL);
}
/** @} */

static void
test_dump(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	assert_errno(vma->dump_fd_stats(fd, 5), EOPNOTSUPP);
	dpvma_close(fd);
}

static struct sock *renamed;

/* As in the middle of a close of one of two names. */
static void *
take_name_late(void *number)
{
	const struct timespec nap = { .tv_nsec = 2000000 };

	nanosleep(&nap, NULL);
	__atomic_store_n(&renamed->fd, *(int *)number, __ATOMIC_RELEASE);
	return NULL;
}

/* Buffers that come back while a socket has no number find it as soon as it has one again. */
static void
test_between_names(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	pthread_t t;

	(void)state;
	renamed = sock_get(fd);
	test_inject_text(port, "lent");
	assert_int_equal(poll_ring(ring, MANY), 1);
	__atomic_store_n(&renamed->fd, -1, __ATOMIC_RELEASE);
	assert_int_equal(pthread_create(&t, NULL, take_name_late, &fd), 0);
	give_back(&got[0]);
	pthread_join(t, NULL);
	assert_int_equal(renamed->ops->stats(renamed)->c[SOCK_STAT_rx_lent_back], 1);
	sock_put(renamed);
	dpvma_close(fd);
}

/* A child of fork() has its parent's numbers and pointers, and nothing of what they name. */
static int
in_a_child(int ring)
{
	struct vma_completion_t c;
	struct vma_buff_t *buff = got[0].packet.buff_lst;

	if (vma->socketxtreme_poll(ring, &c, 1, 0) != -1 || errno != EBADFD)
		return 1;
	if (vma->socketxtreme_free_vma_packets(&got[0].packet, 1) != -1 || errno != EINVAL)
		return 2;
	if (vma->socketxtreme_ref_vma_buff(buff) != -1 || errno != EINVAL)
		return 3;
	return vma->socketxtreme_free_vma_buff(buff) != -1 || errno != EINVAL ? 4 : 0;
}

static void
test_child(void **state)
{
	int status, fd, ring;
	uint16_t port;
	pid_t pid;

	(void)state;
	fd = test_bound(&port);
	ring = ring_of(fd);
	test_inject_text(port, "the parent's");
	assert_int_equal(poll_ring(ring, MANY), 1);
	pid = fork();
	if (pid == 0)
		_exit(in_a_child(ring));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_text(&got[0], "the parent's");
	give_back(&got[0]);
	assert_int_equal(poll_ring(ring, MANY), 0);
	dpvma_close(fd);
}

/* VMA_SOCKETXTREME=0 */
static void
test_off(void **state)
{
	struct vma_packet_desc_t desc = { .num_bufs = 1 };
	struct vma_buff_t buff;
	uint16_t port;
	int fd = test_bound(&port), ring = ring_of(fd);
	char buf[8];

	(void)state;
	test_inject_text(port, "off");
	assert_errno(poll_ring(ring, MANY), EOPNOTSUPP);
	assert_errno(poll_ring(-1, MANY), EOPNOTSUPP);
	assert_errno(vma->socketxtreme_poll(ring, NULL, 0, 0), EOPNOTSUPP);
	assert_errno(vma->socketxtreme_free_vma_packets(&desc, 1), EOPNOTSUPP);
	assert_errno(vma->socketxtreme_ref_vma_buff(&buff), EOPNOTSUPP);
	assert_errno(vma->socketxtreme_free_vma_buff(&buff), EOPNOTSUPP);
	assert_int_equal(vma->dump_fd_stats(fd, 5), 0);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 3);
	dpvma_close(fd);
}

static int
stop(void **state)
{
	(void)state;
	test_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	bool off = argc > 1 && strcmp(argv[1], "off") == 0;
	const struct CMUnitTest switched_off[] = { cmocka_unit_test(test_off) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rings),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_peeked_chain),
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_beside_zcopy),
		cmocka_unit_test(test_socket_and_epoll_fd),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_closed_meanwhile),
		cmocka_unit_test(test_between_names),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_dump),
	};
	/* with VMA_THREAD_MODE=0 a program has one */
	const struct CMUnitTest threads[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_vanishing_ring),
	};
	int ret;

	test_start(off ? "VMA_SOCKETXTREME=0" : "VMA_SOCKETXTREME=1", NULL);
	know_pool("wire");
	vma = dpvma_get_api();
	if (off)
		return cmocka_run_group_tests(switched_off, NULL, stop);
	if (getenv("VMA_THREAD_MODE") != NULL)
		return cmocka_run_group_tests(tests, NULL, stop);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	return ret != 0 ? ret : cmocka_run_group_tests(threads, NULL, stop);
}
