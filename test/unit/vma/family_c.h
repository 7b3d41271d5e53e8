/* SPDX-License-Identifier: BSD-3-Clause */
/* The extra API as a program of family C has it: releases 9.3.0 to 9.8.31: nothing cyclic. */
#ifndef FAMILY_C_H
#define FAMILY_C_H

#include "family_types.h"

/* 12 bytes */
struct vma_ring_type_attr {
	uint32_t comp_mask;
	int ring_type;
	struct {
		uint32_t comp_mask;
	} ring_pktq;
};
#define VMA_RING_EXTERNAL_MEM 1

struct __attribute__((packed)) vma_api_t {
	int (*register_recv_callback)(int fd, vma_recv_callback_t callback, void *context);
	int (*recvfrom_zcopy)(int fd, void *buf, size_t len, int *flags, struct sockaddr *from,
			socklen_t *fromlen);
	int (*free_packets)(int fd, struct vma_packet_t *packets, size_t count);
	int (*add_conf_rule)(const char *line);
	int (*thread_offload)(int offload, pthread_t tid);
	int (*socketxtreme_poll)(
			int fd, struct vma_completion_t *completions, unsigned int n, int flags);
	int (*get_socket_rings_num)(int fd);
	int (*get_socket_rings_fds)(int fd, int *ring_fds, int n);
	int (*get_socket_tx_ring_fd)(int fd, struct sockaddr *to, socklen_t len);
	int (*socketxtreme_free_vma_packets)(struct vma_packet_desc_t *packets, int n);
	int (*socketxtreme_ref_vma_buff)(struct vma_buff_t *buff);
	int (*socketxtreme_free_vma_buff)(struct vma_buff_t *buff);
	int (*dump_fd_stats)(int fd, int level);
	int (*vma_add_ring_profile)(struct vma_ring_type_attr *profile, int *key);
	int (*get_socket_network_header)(int fd, void *buf, uint16_t *len);
	int (*get_ring_direct_descriptors)(int ring_fd, struct vma_mlx_hw_device_data *data);
	int (*register_memory_on_ring)(int ring_fd, void *addr, size_t len, uint32_t *key);
	int (*deregister_memory_on_ring)(int ring_fd, void *addr, size_t len);
	int (*vma_modify_ring)(struct vma_modify_ring_attr *attr);
	uint64_t vma_extra_supported_mask;
	int (*get_dpcp_devices)(uintptr_t **devices, size_t *num);
};

#endif
