/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cyclic_feed ADDR PORT PAYLOAD MESSAGES FILE: three feeds of messages of one size, on PORT, PORT +
 * 1 and PORT + 2. The first two share a ring by their user id and are read as frames, padded; the
 * third has a ring to itself, with bare payloads. FILE.0, FILE.1, FILE.2 have what came to each.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

#define ETHER 14
#define FEEDS 3

static struct vma_api_t *vma;
static FILE *out[FEEDS];
static unsigned long got[FEEDS], odd;
static uint16_t first_port;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
profile(vma_cb_packet_rec_mode mode, uint16_t payload)
{
	struct vma_ring_type_attr attr;
	int key;

	memset(&attr, 0, sizeof(attr));
	attr.ring_type = VMA_RING_CYCLIC_BUFFER;
	attr.ring_cyclicb.num = 4096;
	attr.ring_cyclicb.stride_bytes = payload;
	attr.ring_cyclicb.packet_receive_mode = mode;
	if (vma->vma_add_ring_profile(&attr, &key) != 0)
		die("vma_add_ring_profile");
	return key;
}

/* A socket on the ring of its user id, or, with 0, on one that nobody shares. */
static int
feed(const struct sockaddr_in *local, int key, uint32_t user_id, int *ring)
{
	struct vma_ring_alloc_logic_attr logic;
	int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);

	memset(&logic, 0, sizeof(logic));
	logic.comp_mask = VMA_RING_ALLOC_MASK_RING_PROFILE_KEY | VMA_RING_ALLOC_MASK_RING_INGRESS;
	logic.ring_alloc_logic = RING_LOGIC_PER_SOCKET;
	logic.ring_profile_key = (uint32_t)key;
	logic.ingress = 1;
	if (user_id != 0) {
		logic.comp_mask |= VMA_RING_ALLOC_MASK_RING_USER_ID;
		logic.ring_alloc_logic = RING_LOGIC_PER_USER_ID;
		logic.user_id = user_id;
	}
	if (fd < 0 ||
			setsockopt(fd, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic,
					sizeof(logic)) != 0)
		die("SO_VMA_RING_ALLOC_LOGIC");
	if (bind(fd, (const struct sockaddr *)local, sizeof(*local)) != 0)
		die("bind");
	if (vma->get_socket_rings_num(fd) != 1 || vma->get_socket_rings_fds(fd, ring, 1) != 1)
		die("ring");
	return fd;
}

static void
take_frame(const uint8_t *frame)
{
	const struct iphdr *ip = (const void *)(frame + ETHER);
	const struct udphdr *udp = (const void *)((const uint8_t *)ip + ip->ihl * 4);
	unsigned int which = (unsigned int)(ntohs(udp->dest) - first_port);

	if (which > 1) {
		odd++;
		return;
	}
	fwrite(udp + 1, 1, ntohs(udp->len) - sizeof(*udp), out[which]);
	got[which]++;
}

/* One read; packets. */
static size_t
read_ring(int ring, int frames, size_t payload)
{
	struct vma_completion_cb_t run;
	size_t i, stride;

	memset(&run, 0, sizeof(run));
	if (vma->vma_cyclic_buffer_read(ring, &run, 1, 64, MSG_DONTWAIT) != 0)
		die("vma_cyclic_buffer_read");
	if (run.packets == 0)
		return 0;
	stride = run.payload_length / run.packets;
	for (i = 0; i < run.packets; i++) {
		const uint8_t *at = (const uint8_t *)run.payload_ptr + i * stride;

		if (frames) {
			take_frame(at);
			continue;
		}
		odd += stride != payload;
		fwrite(at, 1, payload, out[2]);
		got[2]++;
	}
	return run.packets;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	int fd[FEEDS], ring[FEEDS], frames, stripped, i;
	unsigned long wanted;
	uint16_t payload;
	char name[4096];

	if (argc != 6 || inet_pton(AF_INET, argv[1], &local.sin_addr) != 1)
		return 2;
	first_port = (uint16_t)atoi(argv[2]);
	payload = (uint16_t)atoi(argv[3]);
	wanted = strtoul(argv[4], NULL, 10);
	vma = vma_get_api();
	if (vma == NULL || (vma->vma_extra_supported_mask & VMA_EXTRA_API_CYCLIC_BUFFER_READ) == 0)
		return 3;
	frames = profile(PADDED_PACKET, payload);
	stripped = profile(STRIP_NETWORK_HDRS, payload);
	for (i = 0; i < FEEDS; i++) {
		snprintf(name, sizeof(name), "%s.%d", argv[5], i);
		out[i] = fopen(name, "w");
		if (out[i] == NULL)
			die(name);
		local.sin_port = htons((uint16_t)(first_port + i));
		fd[i] = feed(&local, i < 2 ? frames : stripped, i < 2 ? 7 : 0, &ring[i]);
	}
	if (ring[0] != ring[1] || ring[2] == ring[0])
		odd++;
	printf("ready vma\n");
	fflush(stdout);
	while (got[0] < wanted || got[1] < wanted || got[2] < wanted) {
		read_ring(ring[0], 1, payload);
		read_ring(ring[2], 0, payload);
	}
	printf("got %lu %lu %lu odd %lu\n", got[0], got[1], got[2], odd);
	for (i = 0; i < FEEDS; i++) {
		fclose(out[i]);
		close(fd[i]);
	}
	return 0;
}
