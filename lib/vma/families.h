/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one list of what the extra API has, and from it the tables of all families. A program has
 * the offsets of the header that it was compiled with in it; DPVMA_VMA_ABI names that header's
 * family: A, B (<mellanox/vma_extra.h> here), C, D, E. Where each member stands then is held by
 * abi_check.c and family_check.c.
 */
#ifndef DPVMA_VMA_FAMILIES_H
#define DPVMA_VMA_FAMILIES_H

#include "conf/conf.h"
#include "vma/vma_priv.h"

/**
 * In the order of the tables: MEMBER(families, name, function, mask bit, announced), and MASK where
 * the mask stands.
 *
 * Announced is an expression, worked out when the table is asked for: whether the function does
 * what its name says. Families but E have the stack started by then, so it may ask the ports; in E
 * it is worked out before, and again when the table is asked for again.
 *
 * The socketxtreme functions are announced though they refuse while VMA_SOCKETXTREME is off, and
 * the cyclic read though no port may have strides: programs ask the mask whether the header knows
 * them, and errno whether they are switched on.
 */
/* clang-format off */
#define VMA_MEMBERS(MEMBER, MASK)                                                                  \
	MEMBER(ALL, register_recv_callback, vma_register_callback, 0, true)                        \
	MEMBER(ALL, recvfrom_zcopy, vma_zcopy_recv, 1, true)                                       \
	MEMBER(ALL, free_packets, vma_zcopy_free, 2, true)                                         \
	MEMBER(ALL, add_conf_rule, vma_conf_rule, 3, true)                                         \
	MEMBER(ALL, thread_offload, vma_thread_offload_to, 4, true)                                \
	MEMBER(ALL, socketxtreme_poll, vma_xtreme_poll, 6, true)                                   \
	MEMBER(ALL, get_socket_rings_num, vma_rings_num, 10, true)                                 \
	MEMBER(ALL, get_socket_rings_fds, vma_rings_fds, 11, true)                                 \
	MEMBER(ALL, get_socket_tx_ring_fd, vma_tx_ring_fd, 12, true)                               \
	MEMBER(ALL, socketxtreme_free_vma_packets, vma_xtreme_free_packets, 7, true)               \
	MEMBER(ALL, socketxtreme_ref_vma_buff, vma_xtreme_ref_buff, 8, true)                       \
	MEMBER(ALL, socketxtreme_free_vma_buff, vma_xtreme_free_buff, 9, true)                     \
	MEMBER(ALL, dump_fd_stats, vma_dump, 5, !conf()->socketxtreme)                             \
	MEMBER(AB, vma_cyclic_buffer_read, vma_cyclic_read, 15, true)                              \
	MEMBER(AB, vma_add_ring_profile, vma_add_profile, 16, true)                                \
	MEMBER(CDE, vma_add_ring_profile, vma_add_profile_c, 16, true)                             \
	MEMBER(ALL, get_socket_network_header, vma_network_header, 13, true)                       \
	MEMBER(ALL, get_ring_direct_descriptors, vma_descriptors, 14,                              \
			vma_descriptors_offered())                                         \
	MEMBER(ALL, register_memory_on_ring, vma_register_memory, 17, true)                        \
	MEMBER(ALL, deregister_memory_on_ring, vma_deregister_memory, 18, true)                    \
	MEMBER(AB, get_mem_info, vma_mem_info, 19, true)                                           \
	MEMBER(ALL, vma_modify_ring, vma_modify, 20, true)                                         \
	MASK                                                                                       \
	MEMBER(BC, get_dpcp_devices, vma_no_dpcp, 21, false)                                       \
	MEMBER(E, ioctl, vma_ioctl, 21, true)

/** Sets of families, as above. */
enum vma_families {
	VMA_FAMILY_A = 1,
	VMA_FAMILY_B = 2,
	VMA_FAMILY_C = 4,
	VMA_FAMILY_D = 8,
	VMA_FAMILY_E = 16,
	VMA_FAMILY_AB = VMA_FAMILY_A | VMA_FAMILY_B,
	VMA_FAMILY_BC = VMA_FAMILY_B | VMA_FAMILY_C,
	VMA_FAMILY_CDE = VMA_FAMILY_C | VMA_FAMILY_D | VMA_FAMILY_E,
	VMA_FAMILY_ALL = VMA_FAMILY_AB | VMA_FAMILY_CDE,
};

/* VMA_IN_family_set(what): what, if the family is in the set. */
#define VMA_IN_A_ALL(...) __VA_ARGS__
#define VMA_IN_A_AB(...) __VA_ARGS__
#define VMA_IN_A_BC(...)
#define VMA_IN_A_CDE(...)
#define VMA_IN_A_E(...)
#define VMA_IN_B_ALL(...) __VA_ARGS__
#define VMA_IN_B_AB(...) __VA_ARGS__
#define VMA_IN_B_BC(...) __VA_ARGS__
#define VMA_IN_B_CDE(...)
#define VMA_IN_B_E(...)
#define VMA_IN_C_ALL(...) __VA_ARGS__
#define VMA_IN_C_AB(...)
#define VMA_IN_C_BC(...) __VA_ARGS__
#define VMA_IN_C_CDE(...) __VA_ARGS__
#define VMA_IN_C_E(...)
#define VMA_IN_D_ALL(...) __VA_ARGS__
#define VMA_IN_D_AB(...)
#define VMA_IN_D_BC(...)
#define VMA_IN_D_CDE(...) __VA_ARGS__
#define VMA_IN_D_E(...)
#define VMA_IN_E_ALL(...) __VA_ARGS__
#define VMA_IN_E_AB(...)
#define VMA_IN_E_BC(...)
#define VMA_IN_E_CDE(...) __VA_ARGS__
#define VMA_IN_E_E(...) __VA_ARGS__

#define VMA_FIELD_A(families, name, function, ...) VMA_IN_A_##families(__typeof__(&function) name;)
#define VMA_FIELD_C(families, name, function, ...) VMA_IN_C_##families(__typeof__(&function) name;)
#define VMA_FIELD_D(families, name, function, ...) VMA_IN_D_##families(__typeof__(&function) name;)
#define VMA_FIELD_E(families, name, function, ...) VMA_IN_E_##families(__typeof__(&function) name;)
/* clang-format on */

#define VMA_MASK_FIELD uint64_t vma_extra_supported_mask;

/** The tables of the other families; that of B is struct vma_api_t. */
struct __attribute__((packed)) vma_api_a {
	VMA_MEMBERS(VMA_FIELD_A, VMA_MASK_FIELD)
};
struct __attribute__((packed)) vma_api_c {
	VMA_MEMBERS(VMA_FIELD_C, VMA_MASK_FIELD)
};
struct __attribute__((packed)) vma_api_d {
	VMA_MEMBERS(VMA_FIELD_D, VMA_MASK_FIELD)
};
struct __attribute__((packed)) vma_api_e {
	VMA_MEMBERS(VMA_FIELD_E, VMA_MASK_FIELD)
};

#endif
