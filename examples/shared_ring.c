/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shared_ring ADDR PORT: which sockets share a ring is the program's to say. Those on PORT and
 * PORT + 1 gave the same number and have one ring, that on PORT + 2 gave another; all three are
 * served by waiting for the events of the two rings' descriptors.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <dpvma.h>
#include <mellanox/vma_extra.h>

#define SOCKETS 3

static int
die(const char *what)
{
	perror(what);
	exit(1);
}

/* A socket on the ring of its number. */
static int
open_on(const struct sockaddr_in *local, uint32_t number)
{
	struct vma_ring_alloc_logic_attr logic = {
		.comp_mask = VMA_RING_ALLOC_MASK_RING_USER_ID | VMA_RING_ALLOC_MASK_RING_INGRESS,
		.ring_alloc_logic = RING_LOGIC_PER_USER_ID,
		.user_id = number,
		.ingress = 1,
	};
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 ||
			dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic,
					sizeof(logic)) ||
			dpvma_bind(fd, (const struct sockaddr *)local, sizeof(*local)))
		die("socket");
	return fd;
}

/* The next packet of a ring is to end a wait. Returns 1 where there is no need to wait. */
static int
arm(struct vma_api_t *api, int ring_fd)
{
	struct vma_modify_ring_attr attr = { .comp_bit_mask = VMA_MODIFY_RING_CQ_ARM,
		.ring_fd = ring_fd };

	int busy = api->vma_modify_ring(&attr);

	if (busy < 0)
		die("vma_modify_ring");
	return busy;
}

int
main(int argc, char **argv)
{
	static const uint32_t number[SOCKETS] = { 1, 1, 2 };
	struct sockaddr_in local = { .sin_family = AF_INET };
	int fd[SOCKETS], ring_fd[SOCKETS], i;
	struct vma_api_t *api;
	struct pollfd rings[2];
	char buf[2048];
	ssize_t n;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1) {
		fprintf(stderr, "usage: DPVMA_EAL_ARGS=... DPVMA_QUEUES=2 %s ADDR PORT\n", argv[0]);
		return 2;
	}
	api = dpvma_get_api();
	if (api == NULL)
		die("dpvma");
	setlinebuf(stdout);
	for (i = 0; i < SOCKETS; i++) {
		local.sin_port = htons((uint16_t)(atoi(argv[2]) + i));
		fd[i] = open_on(&local, number[i]);
		if (api->get_socket_rings_fds(fd[i], &ring_fd[i], 1) != 1)
			die("ring");
		printf("port %d: number %u, ring %d\n", ntohs(local.sin_port), number[i],
				ring_fd[i]);
	}
	rings[0] = (struct pollfd){ .fd = ring_fd[0], .events = POLLIN };
	rings[1] = (struct pollfd){ .fd = ring_fd[2], .events = POLLIN };
	for (;;) {
		if (arm(api, ring_fd[0]) + arm(api, ring_fd[2]) == 0)
			poll(rings, 2, 100);
		for (i = 0; i < SOCKETS; i++)
			while ((n = dpvma_recv(fd[i], buf, sizeof(buf), MSG_DONTWAIT)) >= 0)
				printf("port %d: %zd bytes\n", atoi(argv[2]) + i, n);
	}
}
