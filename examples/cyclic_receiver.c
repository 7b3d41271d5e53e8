/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cyclic_receiver ADDR PORT PAYLOAD: read a stream of UDP packets of one size where the NIC put
 * them, and say once a second how many came. ADDR is an address of a port, or a multicast group.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <dpvma.h>
#include <mellanox/vma_extra.h>

static int
die(const char *what)
{
	perror(what);
	exit(1);
}

/* A socket on a ring of its own, whose packets lie at equal distances. */
static int
open_receiver(struct vma_api_t *api, const struct sockaddr_in *local, int key)
{
	struct vma_ring_alloc_logic_attr logic = {
		.comp_mask = VMA_RING_ALLOC_MASK_RING_PROFILE_KEY |
				VMA_RING_ALLOC_MASK_RING_USER_ID | VMA_RING_ALLOC_MASK_RING_INGRESS,
		.ring_alloc_logic = RING_LOGIC_PER_USER_ID,
		.ring_profile_key = (uint32_t)key,
		.user_id = 1,
		.ingress = 1,
	};
	struct ip_mreq group = { .imr_multiaddr = local->sin_addr };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), ring_fd;

	if (fd < 0 ||
			dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic,
					sizeof(logic)))
		die("socket");
	if (dpvma_bind(fd, (const struct sockaddr *)local, sizeof(*local)))
		die("bind");
	if (IN_MULTICAST(ntohl(local->sin_addr.s_addr)) &&
			dpvma_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		die("join");
	if (api->get_socket_rings_fds(fd, &ring_fd, 1) != 1)
		die("ring");
	return ring_fd;
}

int
main(int argc, char **argv)
{
	struct vma_ring_type_attr profile = { .ring_type = VMA_RING_CYCLIC_BUFFER };
	struct sockaddr_in local = { .sin_family = AF_INET };
	struct vma_completion_cb_t run;
	unsigned long packets = 0;
	struct vma_api_t *api;
	int key, ring_fd;
	time_t shown;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1) {
		fprintf(stderr, "usage: DPVMA_EAL_ARGS=... %s ADDR PORT PAYLOAD\n", argv[0]);
		return 2;
	}
	local.sin_port = htons((uint16_t)atoi(argv[2]));
	api = dpvma_get_api();
	if (api == NULL)
		die("dpvma");
	profile.ring_cyclicb.num = 16384;
	profile.ring_cyclicb.stride_bytes = (uint16_t)atoi(argv[3]);
	profile.ring_cyclicb.packet_receive_mode = PADDED_PACKET;
	if (api->vma_add_ring_profile(&profile, &key))
		die("profile");
	ring_fd = open_receiver(api, &local, key);
	setlinebuf(stdout);
	for (shown = time(NULL);;) {
		run.packets = 0;
		run.comp_mask = 0;
		if (api->vma_cyclic_buffer_read(ring_fd, &run, 1, 4096, MSG_DONTWAIT))
			die("read");
		/* the frames stand at run.payload_ptr, payload_length / packets bytes apart, until
		 * the next read */
		packets += run.packets;
		if (time(NULL) != shown) {
			printf("%lu packets/s\n", packets);
			packets = 0;
			shown = time(NULL);
		}
	}
}
