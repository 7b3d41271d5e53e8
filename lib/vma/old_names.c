/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions of the extra API by the names that releases of families A and B exported, for
 * programs that call or look them up directly. Each starts the stack, as asking for the table does,
 * and goes on as the table of B has it.
 *
 * The names themselves may be interposed by libdpvma-preload.so, which has them, too: what is
 * called in here are functions that only this file knows.
 */
#include "sock/attach.h"
#include "sock/dpvma.h"
#include "vma/families.h"

/* clang-format off */
#define B_vma_register_recv_callback register_recv_callback
#define B_vma_recvfrom_zcopy recvfrom_zcopy
#define B_vma_free_packets free_packets
#define B_vma_add_conf_rule add_conf_rule
#define B_vma_thread_offload thread_offload
#define B_vma_dump_fd_stats dump_fd_stats
#define B_vma_get_socket_rings_num get_socket_rings_num
#define B_vma_get_socket_rings_fds get_socket_rings_fds
#define B_vma_get_socket_tx_ring_fd get_socket_tx_ring_fd
#define B_vma_socketxtreme_poll socketxtreme_poll
#define B_vma_socketxtreme_free_vma_packets socketxtreme_free_vma_packets
#define B_vma_socketxtreme_ref_vma_buff socketxtreme_ref_vma_buff
#define B_vma_socketxtreme_free_vma_buff socketxtreme_free_vma_buff
#define B_vma_cyclic_buffer_read vma_cyclic_buffer_read
#define B_vma_get_mem_info get_mem_info
#define B_vma_add_ring_profile vma_add_ring_profile
#define B_vma_modify_ring vma_modify_ring
#define B_vma_get_socket_netowrk_header get_socket_network_header
#define B_vma_get_ring_direct_descriptors get_ring_direct_descriptors
#define B_vma_reg_mr_on_ring register_memory_on_ring
#define B_vma_dereg_mr_on_ring deregister_memory_on_ring
#define B_vma_get_dpcp_devices get_dpcp_devices
/* clang-format on */

#define INNER(name, params, args)                                                                  \
	static int inner_##name params                                                             \
	{                                                                                          \
		const struct vma_api_t *api = dpvma_get_api();                                     \
                                                                                                   \
		return api != NULL ? api->B_##name args : -1;                                      \
	}
SOCK_OLD_CALLS(INNER)

#define EXPORTED(name, params, args)                                                               \
	DPVMA_API int name params;                                                                 \
	DPVMA_API int name params                                                                  \
	{                                                                                          \
		return inner_##name args;                                                          \
	}
SOCK_OLD_CALLS(EXPORTED)

const struct sock_old *
dpvma_old_calls(void)
{
	static const struct sock_old old = {
#define OLD_MEMBER(name, params, args) .name = inner_##name,
		SOCK_OLD_CALLS(OLD_MEMBER)
	};

	return &old;
}
