/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An echo server without a receive call: polls the ring of one socket and sends back what came for
 * any socket on it, UDP or TCP, out of the buffers in which it arrived.
 *
 *     VMA_SOCKETXTREME=1 DPVMA_PORTS=... socketxtreme_echo udp|tcp ADDRESS PORT
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <dpvma.h>
#include <mellanox/vma_extra.h>

#define BATCH 32

static void
fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* A reply that does not fit at once is cut: the peer asks faster than it reads. */
static void
echo(int udp, const struct vma_completion_t *c)
{
	const struct vma_buff_t *b = c->packet.buff_lst;
	struct iovec iov[64];
	struct msghdr msg = { .msg_iov = iov };

	if (udp >= 0) {
		msg.msg_name = (void *)(uintptr_t)&c->src;
		msg.msg_namelen = sizeof(c->src);
	}
	for (; b != NULL; b = b->next) {
		iov[msg.msg_iovlen].iov_base = b->payload;
		iov[msg.msg_iovlen++].iov_len = b->len;
		if (b->next != NULL && msg.msg_iovlen < 64)
			continue;
		if (dpvma_sendmsg(udp >= 0 ? udp : (int)c->user_data, &msg, MSG_DONTWAIT) < 0)
			perror("sendmsg");
		msg.msg_iovlen = 0;
	}
}

static int
server(int type, const char *address, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = dpvma_socket(AF_INET, type, 0), one = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		fail(address);
	dpvma_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		fail("bind");
	if (type == SOCK_STREAM && dpvma_listen(fd, 1024) != 0)
		fail("listen");
	return fd;
}

int
main(int argc, char **argv)
{
	struct vma_api_t *vma = dpvma_get_api();
	struct vma_completion_t c[BATCH];
	int udp, fd, ring, n, i;

	if (argc != 4 || vma == NULL) {
		fprintf(stderr, "usage: %s udp|tcp ADDRESS PORT\n", argv[0]);
		return EXIT_FAILURE;
	}
	udp = strcmp(argv[1], "udp") == 0;
	fd = server(udp ? SOCK_DGRAM : SOCK_STREAM, argv[2], argv[3]);
	if (vma->get_socket_rings_fds(fd, &ring, 1) != 1)
		fail("no ring");
	printf("ready\n");
	fflush(stdout);
	while ((n = vma->socketxtreme_poll(ring, c, BATCH, 0)) >= 0) {
		for (i = 0; i < n; i++) {
			if (c[i].events & VMA_SOCKETXTREME_PACKET) {
				echo(udp ? fd : -1, &c[i]);
				vma->socketxtreme_free_vma_packets(&c[i].packet, 1);
			}
			/* a connection says goodbye, or is gone */
			if (!udp && (c[i].events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
				dpvma_close((int)c[i].user_data);
		}
	}
	fail("socketxtreme_poll");
}
