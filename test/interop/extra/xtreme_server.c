/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xtreme_server ADDR PORT CONNECTIONS FILE: a TCP server by completions: connections come accepted,
 * requests come as buffers, answers go by send(). What came is echoed, and noted in a journal
 * (FILE) from buffers that it keeps for that. It ends when so many connections have come and gone.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

#define COMPLETIONS 32
#define FDS 4096

static struct vma_api_t *vma;
static FILE *journal;
static unsigned char is_open[FDS];
static unsigned long accepted, closed, packets, bytes, odd;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
on_connection(const struct vma_completion_t *c, int listener)
{
	int fd = (int)c->user_data, one = 1;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);

	if (c->listen_fd != listener || fd < 0 || fd >= FDS || is_open[fd] ||
			getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
			peer.sin_addr.s_addr != c->src.sin_addr.s_addr ||
			peer.sin_port != c->src.sin_port)
		odd++;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	is_open[fd] = 1;
	accepted++;
}

static void
send_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len != 0; data += n, len -= (size_t)n) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			die("send");
	}
}

static void
on_packet(struct vma_completion_t *c)
{
	int fd = (int)c->user_data;
	struct vma_buff_t *first = c->packet.buff_lst, *buff;
	size_t total = 0, n = 0;
	uint32_t head[2];

	for (buff = first; buff != NULL; buff = buff->next) {
		send_all(fd, buff->payload, buff->len);
		total += buff->len;
		n++;
	}
	if (n != c->packet.num_bufs || total != c->packet.total_len)
		odd++;
	/* the journal has the first buffer of each, and is written after the packet was given back
	 */
	if (vma->socketxtreme_ref_vma_buff(first) != 2)
		odd++;
	head[0] = (uint32_t)fd;
	head[1] = first->len;
	if (vma->socketxtreme_free_vma_packets(&c->packet, 1) != 0)
		die("socketxtreme_free_vma_packets");
	fwrite(head, sizeof(head), 1, journal);
	fwrite(first->payload, 1, first->len, journal);
	if (vma->socketxtreme_free_vma_buff(first) != 0)
		odd++;
	packets++;
	bytes += total;
}

static void
on_completion(struct vma_completion_t *c, int listener)
{
	if ((c->events & VMA_SOCKETXTREME_NEW_CONNECTION_ACCEPTED) != 0)
		on_connection(c, listener);
	if ((c->events & VMA_SOCKETXTREME_PACKET) != 0)
		on_packet(c);
	if ((c->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
		int fd = (int)c->user_data;

		if (fd < FDS && is_open[fd]) {
			is_open[fd] = 0;
			close(fd);
			closed++;
		}
	}
}

int
main(int argc, char **argv)
{
	struct vma_completion_t done[COMPLETIONS];
	struct sockaddr_in local = { .sin_family = AF_INET };
	unsigned long wanted;
	int fd, ring, one = 1, n, i;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1)
		return 2;
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	wanted = strtoul(argv[3], NULL, 10);
	journal = fopen(argv[4], "w");
	vma = vma_get_api();
	if (vma == NULL || journal == NULL)
		return 3;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
			bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 ||
			listen(fd, 64) != 0)
		die("listen");
	if (vma->get_socket_rings_num(fd) < 1 || vma->get_socket_rings_fds(fd, &ring, 1) != 1)
		die("rings of the listener");
	printf("ready vma\n");
	fflush(stdout);
	while (closed < wanted) {
		n = vma->socketxtreme_poll(ring, done, COMPLETIONS, 0);
		if (n < 0)
			die("socketxtreme_poll");
		for (i = 0; i < n; i++)
			on_completion(&done[i], fd);
	}
	printf("accepted %lu closed %lu packets %lu bytes %lu odd %lu\n", accepted, closed, packets,
			bytes, odd);
	fclose(journal);
	close(fd);
	return 0;
}
