/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * md_receiver ADDR PORT MESSAGES FILE: a market-data receiver as programs for libvma have it. It
 * knows the header alone: where a library answers for its socket calls it reads messages where they
 * lie, where none does it makes the kernel's calls. Each message starts with its number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

static struct vma_api_t *vma;
static unsigned long messages, pieces, copied, gaps;
static uint32_t expected;
static FILE *out;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Of one message, piece by piece; its length goes before it. */
static void
take(const struct iovec *iov, size_t n)
{
	uint32_t len = 0, number;
	size_t i;

	for (i = 0; i < n; i++)
		len += (uint32_t)iov[i].iov_len;
	memcpy(&number, iov[0].iov_base, sizeof(number));
	number = ntohl(number);
	gaps += number != expected;
	expected = number + 1;
	fwrite(&len, sizeof(len), 1, out);
	for (i = 0; i < n; i++)
		fwrite(iov[i].iov_base, 1, iov[i].iov_len, out);
	fflush(out); /* the sender may wait for it */
	messages++;
	pieces += n;
}

static int
read_without_copy(int fd)
{
	static char buf[65536];
	struct vma_packets_t *packets = (struct vma_packets_t *)buf;
	struct sockaddr_in from;
	socklen_t fromlen = sizeof(from);
	int flags = MSG_DONTWAIT;
	int len = vma->recvfrom_zcopy(
			fd, buf, sizeof(buf), &flags, (struct sockaddr *)&from, &fromlen);
	struct vma_packet_t *packet = packets->pkts;
	size_t i;

	if (len < 0)
		return errno == EAGAIN ? 0 : -1;
	if ((flags & MSG_VMA_ZCOPY) == 0) {
		struct iovec iov = { buf, (size_t)len };

		copied++;
		take(&iov, 1);
		return 1;
	}
	for (i = 0; i < packets->n_packet_num; i++) {
		struct vma_packet_t *next = (struct vma_packet_t *)&packet->iov[packet->sz_iov];

		take(packet->iov, packet->sz_iov);
		if (vma->free_packets(fd, packet, 1) != 0)
			return -1;
		packet = next;
	}
	return 1;
}

static int
read_with_copy(int fd)
{
	static char buf[65536];
	ssize_t len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	struct iovec iov = { buf, (size_t)len };

	if (len < 0)
		return errno == EAGAIN ? 0 : -1;
	copied++;
	take(&iov, 1);
	return 1;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN };
	struct ip_mreq group = { 0 };
	unsigned long wanted;
	int fd, epfd, got;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1)
		return 2;
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	wanted = strtoul(argv[3], NULL, 10);
	out = fopen(argv[4], "w");
	vma = vma_get_api();
	fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	if (out == NULL || fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		die("open");
	group.imr_multiaddr = local.sin_addr;
	if (IN_MULTICAST(ntohl(local.sin_addr.s_addr)) &&
			setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
		die("join");
	epfd = epoll_create1(0);
	if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll");
	printf("ready %s\n", vma != NULL ? "vma" : "kernel");
	fflush(stdout);
	while (messages < wanted) {
		if (epoll_wait(epfd, &event, 1, 30000) != 1) {
			fprintf(stderr, "%lu messages, and no more come\n", messages);
			return 1;
		}
		while ((got = vma != NULL ? read_without_copy(fd) : read_with_copy(fd)) > 0)
			;
		if (got < 0)
			die("receive");
	}
	printf("messages %lu pieces %lu copied %lu gaps %lu\n", messages, pieces, copied, gaps);
	fclose(out);
	close(epfd);
	close(fd);
	return 0;
}
