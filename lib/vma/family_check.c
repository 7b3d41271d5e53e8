/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds the tables of the families A, C, D and E, and the structures that differ from those of B,
 * as abi_check.c holds B: at compile time. No code.
 */
#include "vma/families.h"

#define TYPE(type, size)                                                                           \
	_Static_assert(sizeof(type) == (size) && _Alignof(type) == 1, "size of " #type)
#define AT(type, field, offset)                                                                    \
	_Static_assert(offsetof(type, field) == (offset) && sizeof(((type *)0)->field) == 8,       \
			#type "." #field)

/* The first thirteen stand alike in all. */
#define COMMON(type)                                                                               \
	AT(type, register_recv_callback, 0);                                                       \
	AT(type, recvfrom_zcopy, 8);                                                               \
	AT(type, free_packets, 16);                                                                \
	AT(type, add_conf_rule, 24);                                                               \
	AT(type, thread_offload, 32);                                                              \
	AT(type, socketxtreme_poll, 40);                                                           \
	AT(type, get_socket_rings_num, 48);                                                        \
	AT(type, get_socket_rings_fds, 56);                                                        \
	AT(type, get_socket_tx_ring_fd, 64);                                                       \
	AT(type, socketxtreme_free_vma_packets, 72);                                               \
	AT(type, socketxtreme_ref_vma_buff, 80);                                                   \
	AT(type, socketxtreme_free_vma_buff, 88);                                                  \
	AT(type, dump_fd_stats, 96)

COMMON(struct vma_api_a);
AT(struct vma_api_a, vma_cyclic_buffer_read, 104);
AT(struct vma_api_a, vma_add_ring_profile, 112);
AT(struct vma_api_a, get_socket_network_header, 120);
AT(struct vma_api_a, get_ring_direct_descriptors, 128);
AT(struct vma_api_a, register_memory_on_ring, 136);
AT(struct vma_api_a, deregister_memory_on_ring, 144);
AT(struct vma_api_a, get_mem_info, 152);
AT(struct vma_api_a, vma_modify_ring, 160);
AT(struct vma_api_a, vma_extra_supported_mask, 168);
TYPE(struct vma_api_a, 176);

/* Nothing cyclic any more, so that what follows stands before. */
#define WITHOUT_CYCLIC(type)                                                                       \
	AT(type, vma_add_ring_profile, 104);                                                       \
	AT(type, get_socket_network_header, 112);                                                  \
	AT(type, get_ring_direct_descriptors, 120);                                                \
	AT(type, register_memory_on_ring, 128);                                                    \
	AT(type, deregister_memory_on_ring, 136);                                                  \
	AT(type, vma_modify_ring, 144);                                                            \
	AT(type, vma_extra_supported_mask, 152)

COMMON(struct vma_api_c);
WITHOUT_CYCLIC(struct vma_api_c);
AT(struct vma_api_c, get_dpcp_devices, 160);
TYPE(struct vma_api_c, 168);

COMMON(struct vma_api_d);
WITHOUT_CYCLIC(struct vma_api_d);
TYPE(struct vma_api_d, 160);

COMMON(struct vma_api_e);
WITHOUT_CYCLIC(struct vma_api_e);
AT(struct vma_api_e, ioctl, 160);
TYPE(struct vma_api_e, 168);

_Static_assert(sizeof(struct vma_ring_type_attr_c) == 12, "ring profile of C");
_Static_assert(offsetof(struct vma_ring_type_attr_c, ring_type) == 4, "ring profile of C");
_Static_assert(VMA_C_RING_EXTERNAL_MEM == 1, "ring types of C");
