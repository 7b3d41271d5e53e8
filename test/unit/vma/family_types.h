/* SPDX-License-Identifier: BSD-3-Clause */
/* What is alike in the headers of all families, as far as family.c needs it. */
#ifndef FAMILY_TYPES_H
#define FAMILY_TYPES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct vma_buff_t;
struct vma_completion_cb_t;
struct vma_completion_t;
struct vma_info_t;
struct vma_mlx_hw_device_data;
struct vma_packet_desc_t;
struct vma_packet_t;

typedef int (*vma_recv_callback_t)(
		int fd, size_t n, struct iovec iov[], struct vma_info_t *info, void *context);

struct vma_modify_ring_attr {
	uint32_t comp_bit_mask;
	int ring_fd;
	uint32_t cq_moderation_count, cq_moderation_period_usec;
};
#define VMA_MODIFY_RING_CQ_ARM 2
#define VMA_RING_PACKET 0

#endif
