/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that takes the extra API's functions by the names that old releases exported: it looks
 * them up in what is loaded already, or, as LINKED, was linked with a library that has them. Its
 * sockets are offloaded where libdpvma-preload.so is, by LD_PRELOAD or as libvma.so.9; with the
 * argument "alone" it has libdpvma.so and nobody answers for libc's calls; with "missing" it is the
 * other way round.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mellanox/vma_extra.h>

#include "../program.h"

#define NAMES(X)                                                                                   \
	X(vma_register_recv_callback, (int, vma_recv_callback_t, void *))                          \
	X(vma_recvfrom_zcopy, (int, void *, size_t, int *, struct sockaddr *, socklen_t *))        \
	X(vma_free_packets, (int, struct vma_packet_t *, size_t))                                  \
	X(vma_add_conf_rule, (const char *))                                                       \
	X(vma_thread_offload, (int, pthread_t))                                                    \
	X(vma_dump_fd_stats, (int, int))                                                           \
	X(vma_get_socket_rings_num, (int))                                                         \
	X(vma_get_socket_rings_fds, (int, int *, int))                                             \
	X(vma_get_socket_tx_ring_fd, (int, struct sockaddr *, socklen_t))                          \
	X(vma_socketxtreme_poll, (int, struct vma_completion_t *, unsigned int, int))              \
	X(vma_socketxtreme_free_vma_packets, (struct vma_packet_desc_t *, int))                    \
	X(vma_socketxtreme_ref_vma_buff, (struct vma_buff_t *))                                    \
	X(vma_socketxtreme_free_vma_buff, (struct vma_buff_t *))                                   \
	X(vma_cyclic_buffer_read, (int, struct vma_completion_cb_t *, size_t, size_t, int))        \
	X(vma_get_mem_info, (int, void **, size_t *, uint32_t *))                                  \
	X(vma_add_ring_profile, (struct vma_ring_type_attr *, vma_ring_profile_key *))             \
	X(vma_modify_ring, (struct vma_modify_ring_attr *))                                        \
	X(vma_get_socket_netowrk_header, (int, void *, uint16_t *))                                \
	X(vma_get_ring_direct_descriptors, (int, struct vma_mlx_hw_device_data *))                 \
	X(vma_reg_mr_on_ring, (int, void *, size_t, uint32_t *))                                   \
	X(vma_dereg_mr_on_ring, (int, void *, size_t))                                             \
	X(vma_get_dpcp_devices, (uintptr_t **, size_t *))

#ifdef LINKED
#define DECLARE(name, params) int name params;
NAMES(DECLARE)
#define FIND(name, params) CHECK(dlsym(RTLD_DEFAULT, #name) == (void *)name);
#else
#define DECLARE(name, params) static int(*name) params;
NAMES(DECLARE)
#define FIND(name, params)                                                                         \
	*(void **)&name = dlsym(RTLD_DEFAULT, #name);                                              \
	CHECK(name != NULL);
#endif

static bool offloaded = true;

static void *
library(void)
{
	return dlopen("libdpvma.so.0", RTLD_NOW | RTLD_NOLOAD);
}

static bool
has_started(void)
{
	int (*set)(const char *, const char *);

	*(void **)&set = dlsym(library(), "dpvma_set_option");
	CHECK(set != NULL);
	CHECK(set("NO_SUCH_OPTION", "1") == -1);
	return errno == EBUSY;
}

/* Each name reaches the function of the table: by what it says to arguments that are wrong. */
static void
refusals(void)
{
	struct vma_packet_t packet = { 0 };
	struct vma_completion_cb_t completion;
	struct vma_ring_type_attr attr = { .ring_type = VMA_RING_PACKET };
	vma_ring_profile_key key = 0;
	uint32_t mem_key;
	uint16_t len = 0;
	size_t n = 0;
	void *addr;
	int ring;

	FAILS(vma_thread_offload(7, pthread_self()), EINVAL);
	CHECK(vma_thread_offload(1, pthread_self()) == 0);
	CHECK(vma_free_packets(-1, &packet, 1) == -1);
	FAILS(vma_dump_fd_stats(-1, 99), EINVAL);
	CHECK(vma_get_socket_rings_num(-1) <= 0);
	FAILS(vma_get_socket_rings_fds(-1, NULL, 1), EINVAL);
	CHECK(vma_get_socket_rings_fds(-1, &ring, 1) <= 0);
	FAILS(vma_get_socket_tx_ring_fd(-1, NULL, 0), EINVAL);
	FAILS(vma_socketxtreme_poll(-1, NULL, 0, 0), EOPNOTSUPP);
	FAILS(vma_socketxtreme_free_vma_packets(NULL, 1), EOPNOTSUPP);
	FAILS(vma_socketxtreme_ref_vma_buff(NULL), EOPNOTSUPP);
	FAILS(vma_socketxtreme_free_vma_buff(NULL), EOPNOTSUPP);
	FAILS(vma_cyclic_buffer_read(-1, NULL, 1, 1, MSG_DONTWAIT), EINVAL);
	FAILS(vma_cyclic_buffer_read(-1, &completion, 1, 1, 0), EINVAL);
	FAILS(vma_get_mem_info(-1, &addr, &n, &mem_key), EBADF);
	FAILS(vma_modify_ring(NULL), EINVAL);
	FAILS(vma_add_ring_profile(NULL, &key), EINVAL);
	CHECK(vma_add_ring_profile(&attr, &key) == 0 && key > 0);
	FAILS(vma_get_socket_netowrk_header(-1, NULL, NULL), EINVAL);
	FAILS(vma_get_socket_netowrk_header(-1, NULL, &len), EINVAL);
	CHECK(vma_get_ring_direct_descriptors(-1, NULL) == -1);
	CHECK(vma_reg_mr_on_ring(-1, NULL, 0, NULL) == -1);
	CHECK(vma_dereg_mr_on_ring(-1, NULL, 0) == -1);
	FAILS(vma_get_dpcp_devices(NULL, &n), EOPNOTSUPP);
}

static void
a_socket(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = inet_addr("10.9.0.2") };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ring = -1;
	uint16_t len = 0;

	CHECK(fd >= 0);
	if (!offloaded) {
		CHECK(vma_get_socket_rings_num(fd) == 0);
		CHECK(vma_register_recv_callback(fd, NULL, NULL) == -1);
		CHECK(close(fd) == 0);
		return;
	}
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CHECK(vma_get_socket_rings_num(fd) == 1);
	CHECK(vma_get_socket_rings_fds(fd, &ring, 1) == 1 && ring >= 0);
	CHECK(vma_get_socket_netowrk_header(fd, NULL, &len) == 0 && len == 42);
	CHECK(vma_dump_fd_stats(fd, 8) == 0);
	CHECK(close(fd) == 0);
}

int
main(int argc, char **argv)
{
	NAMES(FIND)
	if (argc > 1 && strcmp(argv[1], "missing") == 0) {
		FAILS(vma_add_conf_rule(NULL), EOPNOTSUPP);
		FAILS(vma_get_socket_rings_num(0), EOPNOTSUPP);
		CHECK(library() == NULL && vma_get_api() == NULL);
		return 0;
	}
	offloaded = argc < 2 || strcmp(argv[1], "alone") != 0;
	/* the first call loads the library, if need be, and starts it, as asking for the table does
	 */
	if (library() != NULL)
		CHECK(!has_started());
	FAILS(vma_add_conf_rule(NULL), EINVAL);
	CHECK(library() != NULL && has_started());
	refusals();
	a_socket();
	CHECK((vma_get_api() != NULL) == offloaded);
	return 0;
}
