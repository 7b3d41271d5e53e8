/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that was compiled with the header of one family of the extra API, run under
 * libdpvma-preload.so with DPVMA_VMA_ABI: each member of its table is the function of that name,
 * does what it says, and the mask says so. Built once for each family, by FAMILY and FAMILY_HEADER;
 * under another family's DPVMA_VMA_ABI it does not get far.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../program.h"

#include FAMILY_HEADER

#define IS(family) (FAMILY == #family[0])
#define CYCLIC (FAMILY <= 'B')

/* The table of B, as words: what its members do is other tests' to say. */
static uintptr_t *b;
static struct vma_api_t *api;

#define SAME(member, offset_in_b) CHECK((uintptr_t)api->member == b[(offset_in_b) / 8])

/* libdpvma.so knows whether it has started: then options cannot be set. */
static int
has_started(void *library)
{
	int (*set)(const char *, const char *);

	*(void **)&set = dlsym(library, "dpvma_set_option");
	CHECK(set != NULL);
	CHECK(set("NO_SUCH_OPTION", "1") == -1);
	return errno == EBUSY;
}

/* A table that was asked for early answers early, and starts nothing. */
static void
before_start(void)
{
	struct vma_modify_ring_attr arm = { .comp_bit_mask = VMA_MODIFY_RING_CQ_ARM, .ring_fd = 3 };
	struct vma_ring_type_attr attr = { .ring_type = VMA_RING_PACKET };
	static char room[256];
	uint16_t header = 0;
	uint32_t mem_key;
	int ring = -7, key, flags = 0;

	CHECK(api->add_conf_rule("use os udp_connect *:54") == 0);
	CHECK(api->thread_offload(1, pthread_self()) == 0);
	CHECK(api->get_socket_rings_num(0) <= 0);
	CHECK(api->get_socket_rings_fds(0, &ring, 1) <= 0 && ring == -7);
	FAILS(api->get_socket_tx_ring_fd(0, NULL, 0), EINVAL);
	FAILS(api->get_socket_network_header(0, NULL, &header), EINVAL);
	FAILS(api->vma_modify_ring(&arm), EBADF);
	CHECK(api->dump_fd_stats(0, 8) == 0);
	FAILS(api->register_recv_callback(-1, NULL, NULL), EINVAL);
	FAILS(api->recvfrom_zcopy(-1, room, sizeof(room), &flags, NULL, NULL), EBADF);
	CHECK(api->free_packets(-1, (void *)room, 1) == -1);
	CHECK(api->socketxtreme_poll(3, (void *)room, 1, 0) == -1);
	CHECK(api->socketxtreme_free_vma_packets((void *)room, 1) == -1);
	CHECK(api->socketxtreme_ref_vma_buff((void *)room) == -1);
	CHECK(api->socketxtreme_free_vma_buff((void *)room) == -1);
	CHECK(api->get_ring_direct_descriptors(3, (void *)room) == -1);
	CHECK(api->register_memory_on_ring(3, room, sizeof(room), &mem_key) == -1);
	CHECK(api->deregister_memory_on_ring(3, room, sizeof(room)) == -1);
	CHECK(api->vma_add_ring_profile(&attr, &key) == 0 && key > 0);
}

static void
ask(void)
{
	void *library;
	socklen_t len = sizeof(api), less = sizeof(api) - 1, more = 2 * sizeof(api);
	struct vma_api_t *again[2] = { NULL, NULL };
	void *(*get_b)(void);

	/* what is no question for the table is the kernel's to refuse */
	FAILS(getsockopt(-1, SOL_SOCKET, 2800, &api, &less), EBADF);
	FAILS(getsockopt(-1, SOL_SOCKET, 2800, &api, NULL), EBADF);
	FAILS(getsockopt(-1, IPPROTO_IP, 2800, &api, &len), EBADF);
	FAILS(getsockopt(-2, SOL_SOCKET, 2800, &api, &len), EBADF);
	CHECK(getsockopt(-1, SOL_SOCKET, 2800, &api, &len) == 0 && api != NULL);
	CHECK(len == sizeof(api));
	library = dlopen("libdpvma.so.0", RTLD_NOW | RTLD_NOLOAD);
	CHECK(library != NULL);
	CHECK(has_started(library) == !IS(E));
	/* with more room than it needs it leaves the rest, and the length */
	CHECK(getsockopt(-1, SOL_SOCKET, 2800, again, &more) == 0);
	CHECK(again[0] == api && again[1] == NULL && more == sizeof(again));
	*(void **)&get_b = dlsym(library, "dpvma_get_api");
	CHECK(get_b != NULL);
	if (IS(E)) {
		before_start();
		CHECK(!has_started(library));
	}
	b = get_b();
	CHECK(b != NULL && has_started(library));
	CHECK(IS(B) == ((void *)b == (void *)api));
	/* the same table, with what the ports can do */
	CHECK(getsockopt(-1, SOL_SOCKET, 2800, again, &len) == 0 && again[0] == api);
}

static void
places(void)
{
	SAME(register_recv_callback, 0);
	SAME(recvfrom_zcopy, 8);
	SAME(free_packets, 16);
	SAME(add_conf_rule, 24);
	SAME(thread_offload, 32);
	SAME(socketxtreme_poll, 40);
	SAME(get_socket_rings_num, 48);
	SAME(get_socket_rings_fds, 56);
	SAME(get_socket_tx_ring_fd, 64);
	SAME(socketxtreme_free_vma_packets, 72);
	SAME(socketxtreme_ref_vma_buff, 80);
	SAME(socketxtreme_free_vma_buff, 88);
	SAME(dump_fd_stats, 96);
	SAME(get_socket_network_header, 120);
	SAME(get_ring_direct_descriptors, 128);
	SAME(register_memory_on_ring, 136);
	SAME(deregister_memory_on_ring, 144);
	SAME(vma_modify_ring, 160);
#if FAMILY <= 'B'
	SAME(vma_cyclic_buffer_read, 104);
	SAME(vma_add_ring_profile, 112);
	SAME(get_mem_info, 152);
#endif
#if FAMILY == 'B' || FAMILY == 'C'
	SAME(get_dpcp_devices, 176);
#endif
}

static void
sizes(void)
{
	static const size_t table[] = { 176, 184, 168, 160, 168 };

	CHECK(sizeof(*api) == table[FAMILY - 'A']);
	CHECK(offsetof(struct vma_api_t, vma_extra_supported_mask) == (CYCLIC ? 168 : 152));
	CHECK(offsetof(struct vma_api_t, vma_add_ring_profile) == (CYCLIC ? 112 : 104));
	CHECK(sizeof(struct vma_ring_type_attr) == (CYCLIC ? 24 : 12));
#if FAMILY == 'E'
	CHECK(offsetof(struct vma_api_t, ioctl) == 160);
#endif
}

/* Bits that B has, but for functions that the family lacks; bit 21 is E's ioctl. */
static void
mask(void)
{
	uint64_t of_b = b[168 / 8], has = api->vma_extra_supported_mask;
	uint64_t cyclic = 1 << 15 | 1 << 19;

	CHECK((has & ~(1ull << 21)) == (CYCLIC ? of_b : of_b & ~cyclic));
	CHECK((has >> 21) == (IS(E) ? 1 : 0));
	CHECK((has & 0x113c38) == 0x113c38);
}

static int
udp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.9.0.1") };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

static void
profiles(void)
{
	struct vma_ring_type_attr attr = { .ring_type = VMA_RING_PACKET };
	int key = 0, again = 0;

	CHECK(api->vma_add_ring_profile(&attr, &key) == 0 && key > 0);
	CHECK(api->vma_add_ring_profile(&attr, &again) == 0 && again == key);
	FAILS(api->vma_add_ring_profile(&attr, NULL), EINVAL);
	FAILS(api->vma_add_ring_profile(NULL, &key), EINVAL);
#if FAMILY <= 'B'
	attr.ring_type = VMA_RING_CYCLIC_BUFFER;
	attr.ring_cyclicb.num = 512;
	attr.ring_cyclicb.stride_bytes = 64;
	CHECK(api->vma_add_ring_profile(&attr, &again) == 0 && again != key);
#else
	/* what is cyclic elsewhere is memory of the program here, and 2 is nothing */
	attr.ring_type = 2;
	FAILS(api->vma_add_ring_profile(&attr, &key), EOPNOTSUPP);
	attr.ring_type = -1;
	FAILS(api->vma_add_ring_profile(&attr, &key), EOPNOTSUPP);
#endif
	attr.ring_type = VMA_RING_EXTERNAL_MEM;
	CHECK(api->vma_add_ring_profile(&attr, &again) == 0 ? again != key : errno == EOPNOTSUPP);
}

static void
rings(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = inet_addr("10.9.0.2") };
	struct vma_modify_ring_attr arm = { .comp_bit_mask = VMA_MODIFY_RING_CQ_ARM,
		.ring_fd = -1 };
	int fd = udp(), ring = -1;
	uint16_t len = 0;

	CHECK(api->get_socket_rings_num(fd) == 1);
	CHECK(api->get_socket_rings_fds(fd, &ring, 1) == 1 && ring >= 0 && ring != fd);
	FAILS(api->get_socket_tx_ring_fd(fd, NULL, 0), EINVAL);
	FAILS(api->get_socket_network_header(fd, NULL, &len), ENOTCONN);
	FAILS(api->vma_modify_ring(&arm), EBADF);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CHECK(api->get_socket_network_header(fd, NULL, &len) == 0 && len == 42);
	CHECK(api->get_socket_tx_ring_fd(fd, (struct sockaddr *)&to, sizeof(to)) == ring);
	CHECK(api->dump_fd_stats(fd, 8) == 0);
	FAILS(api->dump_fd_stats(fd, 9), EINVAL);
	CHECK(close(fd) == 0);
}

static void
others(void)
{
	FAILS(api->add_conf_rule(NULL), EINVAL);
	CHECK(api->add_conf_rule("use os udp_connect *:53") == 0);
	FAILS(api->thread_offload(2, pthread_self()), EINVAL);
	CHECK(api->thread_offload(1, pthread_self()) == 0);
#if FAMILY <= 'B'
	{
		uint32_t key;
		size_t len;
		void *addr;

		FAILS(api->vma_cyclic_buffer_read(-1, NULL, 1, 1, MSG_DONTWAIT), EINVAL);
		FAILS(api->get_mem_info(-1, &addr, &len, &key), EBADF);
	}
#endif
#if FAMILY == 'B' || FAMILY == 'C'
	{
		size_t n = 0;

		FAILS(api->get_dpcp_devices(NULL, &n), EOPNOTSUPP);
	}
#endif
#if FAMILY == 'E'
	/* the stack has started */
	{
		struct vma_cmsg_ioctl_user_alloc_t u = { VMA_IOCTL_USER_ALLOC_FLAG_RX, malloc,
			free };
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(u))] = { 0 };
		struct cmsghdr *cmsg = (struct cmsghdr *)control;

		*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(u)), SOL_SOCKET,
			CMSG_VMA_IOCTL_USER_ALLOC };
		memcpy(CMSG_DATA(cmsg), &u, sizeof(u));
		FAILS(api->ioctl(control, sizeof(control)), EINVAL);
		FAILS(api->ioctl(NULL, 0), EINVAL);
	}
#endif
}

int
main(void)
{
	sizes();
	ask();
	places();
	mask();
	profiles();
	rings();
	others();
	return 0;
}
