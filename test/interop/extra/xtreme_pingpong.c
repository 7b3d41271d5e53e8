/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xtreme_pingpong udp|tcp ADDR PORT MESSAGES BYTES: the asking end of a ping-pong by completions,
 * as latency tools have it: a non-blocking socket, user data of its own, one message on the way.
 * Each answer is compared with what was asked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

#define COMPLETIONS 16
#define WORD 0x1122334455667788u /**< what completions of the socket are to carry */

static struct vma_api_t *vma;
static unsigned long odd;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Until one of the events has come, or @p len bytes that equal @p data. */
static void
await(int ring, uint64_t events, const char *data, size_t len)
{
	struct vma_completion_t done[COMPLETIONS];
	double end = now() + 30;
	size_t at = 0;
	int n, i;

	for (;;) {
		n = vma->socketxtreme_poll(ring, done, COMPLETIONS, 0);
		if (n < 0)
			die("socketxtreme_poll");
		for (i = 0; i < n; i++) {
			struct vma_buff_t *b;

			odd += done[i].user_data != WORD;
			if ((done[i].events & (EPOLLERR | EPOLLHUP)) != 0)
				die("the connection failed");
			if (events != 0 && (done[i].events & events) != 0)
				return;
			if ((done[i].events & VMA_SOCKETXTREME_PACKET) == 0)
				continue;
			for (b = done[i].packet.buff_lst; b != NULL; at += b->len, b = b->next)
				odd += b->len > len - at ||
						memcmp(b->payload, data + at, b->len) != 0;
			if (vma->socketxtreme_free_vma_packets(&done[i].packet, 1) != 0)
				die("socketxtreme_free_vma_packets");
		}
		if (events == 0 && at >= len)
			return;
		if (now() > end) {
			fprintf(stderr, "nothing comes\n");
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint64_t word = WORD;
	int tcp, fd, ring, one = 1, messages, i;
	size_t len, j;
	char *data;
	double start;

	if (argc != 6 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1)
		return 2;
	tcp = strcmp(argv[1], "tcp") == 0;
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	messages = atoi(argv[4]);
	len = strtoul(argv[5], NULL, 10);
	data = malloc(len);
	vma = vma_get_api();
	if (vma == NULL || data == NULL)
		return 3;
	fd = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_VMA_USER_DATA, &word, sizeof(word)) != 0 ||
			(tcp && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0))
		die("socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		die("connect");
	if (vma->get_socket_rings_fds(fd, &ring, 1) != 1)
		die("ring");
	if (tcp)
		await(ring, EPOLLOUT, NULL, 0);
	start = now();
	for (i = 0; i < messages; i++) {
		for (j = 0; j < len; j++)
			data[j] = (char)(i * 31 + (int)j * 7 + (int)(j >> 8));
		if (send(fd, data, len, 0) != (ssize_t)len)
			die("send");
		await(ring, 0, data, len);
	}
	printf("messages %d odd %lu\n%.1f us each\n", messages, odd,
			(now() - start) * 1e6 / messages);
	close(fd);
	free(data);
	return 0;
}
