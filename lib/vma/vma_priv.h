/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions that families.h puts into the tables, by the file that has them, and structures of
 * families other than that of the header.
 */
#ifndef DPVMA_VMA_PRIV_H
#define DPVMA_VMA_PRIV_H

#include <errno.h>
#include <stdbool.h>

#include "vma/mellanox/vma_extra.h"

/** A negative errno becomes -1 and errno; anything else is returned as it is. */
static inline int
vma_result(int ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

/** Families C to E: a ring profile without anything cyclic in it. */
struct vma_ring_type_attr_c {
	uint32_t comp_mask;
	int32_t ring_type;  /**< VMA_RING_PACKET, VMA_C_RING_EXTERNAL_MEM */
	uint32_t ring_mask; /**< comp_mask of the structure of that type */
};
/** Another number than before, as there is no cyclic buffer. */
#define VMA_C_RING_EXTERNAL_MEM 1

/* callback_api.c */
int vma_register_callback(int s, vma_recv_callback_t callback, void *context);

/* cyclic_api.c */
int vma_cyclic_read(int ring_fd, struct vma_completion_cb_t *completion, size_t min, size_t max,
		int flags);
int vma_add_profile(struct vma_ring_type_attr *profile, vma_ring_profile_key *key);
int vma_add_profile_c(struct vma_ring_type_attr_c *profile, vma_ring_profile_key *key);

/* ring_api.c */
int vma_rings_num(int fd);
int vma_rings_fds(int fd, int *ring_fds, int n);
int vma_tx_ring_fd(int fd, struct sockaddr *to, socklen_t len);
int vma_network_header(int fd, void *ptr, uint16_t *len);
int vma_modify(struct vma_modify_ring_attr *attr);
int vma_dump(int fd, int level);

/* ioctl_api.c */
int vma_ioctl(void *control, size_t len);

/* memory_api.c */
struct ring;
/** The ring with that fd, to be unpinned; NULL is counted as a mistake of the program. */
struct ring *vma_ring_pin(int ring_fd);
/** The same with one more reference, for who uses its reader; to be released. */
struct ring *vma_ring_hold(int ring_fd);
int vma_register_memory(int ring_fd, void *addr, size_t length, uint32_t *key);
int vma_deregister_memory(int ring_fd, void *addr, size_t length);
int vma_mem_info(int ring_fd, void **addr, size_t *length, uint32_t *lkey);
int vma_descriptors(int ring_fd, struct vma_mlx_hw_device_data *data);
/** Whether there is a port that the former can tell of; the stack has started. */
bool vma_descriptors_offered(void);

/* offload_api.c */
int vma_conf_rule(const char *line);
int vma_thread_offload_to(int offload, pthread_t tid);

/* xtreme_api.c */
int vma_xtreme_poll(int fd, struct vma_completion_t *completions, unsigned int n, int flags);
int vma_xtreme_free_packets(struct vma_packet_desc_t *packets, int n);
int vma_xtreme_ref_buff(struct vma_buff_t *buff);
int vma_xtreme_free_buff(struct vma_buff_t *buff);

/* zcopy_api.c */
int vma_zcopy_recv(int fd, void *buf, size_t len, int *flags, struct sockaddr *from,
		socklen_t *fromlen);
int vma_zcopy_free(int fd, struct vma_packet_t *packets, size_t n);

/* unsupported.c */
int vma_no_dpcp(uintptr_t **devices, size_t *num);

#endif
