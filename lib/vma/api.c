/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of <mellanox/vma_extra.h>: which function stands where, and which of them are announced
 * as doing what they say. One static table, so callers may keep the pointer.
 */
#include "sock/dpvma.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

/*
 * The socketxtreme functions are announced though they refuse: so they always were, and programs
 * ask the mask whether the header knows them and errno whether they are switched on.
 */
static struct vma_api_t table = {
	.register_recv_callback = vma_no_callback,
	.recvfrom_zcopy = vma_no_zcopy,
	.free_packets = vma_no_free_packets,
	.add_conf_rule = vma_conf_rule,
	.thread_offload = vma_thread_offload_to,
	.socketxtreme_poll = vma_no_xtreme_poll,
	.get_socket_rings_num = vma_rings_num,
	.get_socket_rings_fds = vma_rings_fds,
	.get_socket_tx_ring_fd = vma_tx_ring_fd,
	.socketxtreme_free_vma_packets = vma_no_xtreme_free_packets,
	.socketxtreme_ref_vma_buff = vma_no_xtreme_buff,
	.socketxtreme_free_vma_buff = vma_no_xtreme_buff,
	.dump_fd_stats = vma_dump,
	.vma_cyclic_buffer_read = vma_cyclic_read,
	.vma_add_ring_profile = vma_add_profile,
	.get_socket_network_header = vma_network_header,
	.get_ring_direct_descriptors = vma_no_descriptors,
	.register_memory_on_ring = vma_no_register,
	.deregister_memory_on_ring = vma_no_deregister,
	.get_mem_info = vma_mem_info,
	.vma_modify_ring = vma_modify,
	.vma_extra_supported_mask = VMA_EXTRA_API_ADD_CONF_RULE | VMA_EXTRA_API_THREAD_OFFLOAD |
			VMA_EXTRA_API_DUMP_FD_STATS | VMA_EXTRA_API_SOCKETXTREME_POLL |
			VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_PACKETS |
			VMA_EXTRA_API_SOCKETXTREME_REF_VMA_BUFF |
			VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_BUFF |
			VMA_EXTRA_API_GET_SOCKET_RINGS_NUM | VMA_EXTRA_API_GET_SOCKET_RINGS_FDS |
			VMA_EXTRA_API_GET_SOCKET_TX_RING_FD |
			VMA_EXTRA_API_GET_SOCKET_NETWORK_HEADER | VMA_EXTRA_API_CYCLIC_BUFFER_READ |
			VMA_EXTRA_API_ADD_RING_PROFILE | VMA_EXTRA_API_GET_MEM_INFO |
			VMA_EXTRA_API_MODIFY_RING,
	.get_dpcp_devices = vma_no_dpcp,
};

struct vma_api_t *
dpvma_get_api(void)
{
	/* Asking for the table starts the stack, as it did in these releases. */
	return dpvma_init() == 0 ? &table : NULL;
}

/* Room sock answers getsockopt(-1, SO_VMA_GET_API) and may not include what is above it. */
static void __attribute__((constructor, used)) offer_table(void)
{
	sock_set_api(&table);
}
