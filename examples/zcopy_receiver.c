/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * zcopy_receiver ADDR PORT: read datagrams where the NIC put them, and say once a second how many
 * came and how many bytes they had. ADDR is an address of a port, or a multicast group.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <dpvma.h>
#include <mellanox/vma_extra.h>

#define PIECES 64 /**< of a datagram that is in many buffers */

static int
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
open_receiver(const struct sockaddr_in *local)
{
	struct ip_mreq group = { .imr_multiaddr = local->sin_addr };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || dpvma_bind(fd, (const struct sockaddr *)local, sizeof(*local)))
		die("socket");
	if (IN_MULTICAST(ntohl(local->sin_addr.s_addr)) &&
			dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		die("join");
	return fd;
}

int
main(int argc, char **argv)
{
	union {
		struct vma_packets_t packets;
		char bytes[sizeof(struct vma_packets_t) + sizeof(struct vma_packet_t) +
				PIECES * sizeof(struct iovec)];
	} room;
	struct vma_packet_t *packet = room.packets.pkts; /* of a datagram there is one */
	struct sockaddr_in local = { .sin_family = AF_INET };
	unsigned long packets = 0, bytes = 0, sum = 0;
	struct vma_api_t *api;
	time_t shown;
	int fd;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1) {
		fprintf(stderr, "usage: DPVMA_EAL_ARGS=... %s ADDR PORT\n", argv[0]);
		return 2;
	}
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	api = dpvma_get_api();
	if (api == NULL)
		die("dpvma");
	fd = open_receiver(&local);
	setlinebuf(stdout);
	for (shown = time(NULL);;) {
		int flags = 0, n = api->recvfrom_zcopy(fd, &room, sizeof(room), &flags, NULL, NULL);

		if (n < 0)
			die("receive");
		packets++;
		bytes += (unsigned long)n;
		/* without the flag the bytes are in the room: the kernel carried them */
		if (flags & MSG_VMA_ZCOPY) {
			for (size_t i = 0; i < packet->sz_iov; i++)
				sum += *(const unsigned char *)packet->iov[i].iov_base;
			if (api->free_packets(fd, packet, 1))
				die("free_packets");
		}
		if (time(NULL) != shown) {
			printf("%lu packets/s, %lu bytes, sum of first bytes %lu\n", packets, bytes,
					sum);
			packets = bytes = sum = 0;
			shown = time(NULL);
		}
	}
}
