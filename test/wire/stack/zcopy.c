/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An echo server that never copies: what it receives by recvfrom_zcopy it sends from where it lies,
 * and gives back then. Written for the extra API, under libdpvma-preload.so.
 *   zcopy ADDRESS PORT GROUP
 * Datagrams at ADDRESS:PORT, streams there, and at PORT + 1 a group that two sockets joined: each
 * of them answers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../unit/program.h"
#include "mellanox/vma_extra.h"

#define HELD 8 /* packets of datagrams in hand at once */
#define SOCKETS 4

static struct vma_api_t *api;

/* Held for a while, and given back in another order than they came. */
static struct {
	int fd;
	struct vma_packet_t packet;
} held[HELD];
static unsigned int held_n;

static int
bound(int type, const char *ip, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0), on = 1;

	CHECK(inet_pton(AF_INET, ip, &sin.sin_addr) == 1);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	CHECK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	return fd;
}

static int
member(const char *ip, const char *group, uint16_t port)
{
	int fd = bound(SOCK_DGRAM, group, port);
	struct ip_mreq mreq;

	CHECK(inet_pton(AF_INET, group, &mreq.imr_multiaddr) == 1);
	CHECK(inet_pton(AF_INET, ip, &mreq.imr_interface) == 1);
	CHECK(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) == 0);
	return fd;
}

static void
hold(int fd, void *packet_id)
{
	unsigned int at = (unsigned int)(held_n++ * 5) % HELD;

	if (held[at].packet.packet_id != NULL)
		CHECK(api->free_packets(held[at].fd, &held[at].packet, 1) == 0);
	held[at].fd = fd;
	held[at].packet.packet_id = packet_id;
}

/* What the kernel has put together of fragments that no rule of mlx5 takes; it must be copied. */
static void
echo_copied(int fd)
{
	static union {
		struct vma_packets_t packets;
		char bytes[65536];
	} room;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int flags = MSG_DONTWAIT, n;

	n = api->recvfrom_zcopy(fd, &room, sizeof(room), &flags, (struct sockaddr *)&from, &len);
	CHECK(n >= 0 && flags == MSG_DONTWAIT);
	CHECK(sendto(fd, room.bytes, (size_t)n, 0, (struct sockaddr *)&from, len) == n);
}

static void
echo_datagrams(int fd)
{
	union {
		struct vma_packets_t packets;
		char bytes[2048];
	} room;
	struct vma_packet_t *p = room.packets.pkts;
	struct iovec iov[64];
	struct sockaddr_in from;

	for (;;) {
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from) };
		socklen_t len = sizeof(from);
		int flags = MSG_DONTWAIT | MSG_VMA_ZCOPY_FORCE, n;

		n = api->recvfrom_zcopy(
				fd, &room, sizeof(room), &flags, (struct sockaddr *)&from, &len);
		if (n < 0 && errno == EOPNOTSUPP) {
			echo_copied(fd);
			continue;
		}
		if (n < 0)
			break;
		CHECK((flags & MSG_VMA_ZCOPY) && !(flags & MSG_TRUNC));
		CHECK(room.packets.n_packet_num == 1 && p->sz_iov <= 64);
		memcpy(iov, p->iov, p->sz_iov * sizeof(*iov));
		msg.msg_iov = iov;
		msg.msg_iovlen = p->sz_iov;
		CHECK(sendmsg(fd, &msg, 0) == n);
		hold(fd, p->packet_id);
	}
	CHECK(errno == EAGAIN);
}

/* @return bytes */
static int
echo_stream(int fd)
{
	union {
		struct vma_packets_t packets;
		char bytes[1400];
	} room;
	struct vma_packet_t *p = room.packets.pkts;
	int flags = 0, n;

	n = api->recvfrom_zcopy(fd, &room, sizeof(room), &flags, NULL, NULL);
	CHECK(n >= 0);
	if (n == 0)
		return 0;
	CHECK(flags == MSG_VMA_ZCOPY);
	for (size_t i = 0; i < room.packets.n_packet_num; i++) {
		for (size_t k = 0; k < p->sz_iov; k++) {
			struct iovec piece = p->iov[k];

			CHECK(send(fd, piece.iov_base, piece.iov_len, 0) == (ssize_t)piece.iov_len);
		}
		p = (struct vma_packet_t *)(void *)&p->iov[p->sz_iov];
	}
	CHECK(api->free_packets(fd, room.packets.pkts, room.packets.n_packet_num) == 0);
	return n;
}

int
main(int argc, char **argv)
{
	struct pollfd fds[SOCKETS + 1];
	socklen_t len = sizeof(api);
	nfds_t n = SOCKETS;
	uint16_t port;

	CHECK(argc == 4);
	port = (uint16_t)atoi(argv[2]);
	CHECK(getsockopt(-1, SOL_SOCKET, SO_VMA_GET_API, &api, &len) == 0);
	CHECK(api->vma_extra_supported_mask & VMA_EXTRA_API_RECVFROM_ZCOPY);
	fds[0].fd = bound(SOCK_DGRAM, argv[1], port);
	fds[1].fd = member(argv[1], argv[3], (uint16_t)(port + 1));
	fds[2].fd = member(argv[1], argv[3], (uint16_t)(port + 1));
	fds[3].fd = bound(SOCK_STREAM, argv[1], port);
	CHECK(listen(fds[3].fd, 4) == 0);
	for (unsigned int i = 0; i <= SOCKETS; i++)
		fds[i].events = POLLIN;
	printf("READY\n");
	fflush(stdout);
	for (;;) {
		CHECK(poll(fds, n, -1) > 0);
		for (unsigned int i = 0; i < SOCKETS - 1; i++)
			if (fds[i].revents)
				echo_datagrams(fds[i].fd);
		/* one connection at a time */
		if (n == SOCKETS && fds[3].revents) {
			fds[SOCKETS].fd = accept(fds[3].fd, NULL, NULL);
			fds[SOCKETS].revents = 0;
			n++;
		}
		if (n > SOCKETS && fds[SOCKETS].revents && echo_stream(fds[SOCKETS].fd) == 0) {
			close(fds[SOCKETS].fd);
			n--;
		}
	}
}
