/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands for libvma.so.9 when a program is linked; never run, as the loader then finds a link to
 * libdpvma-preload.so by that name.
 */
#define NONE(name)                                                                                 \
	__attribute__((visibility("default"))) int name(void);                                     \
	int name(void)                                                                             \
	{                                                                                          \
		return 77;                                                                         \
	}

NONE(vma_register_recv_callback)
NONE(vma_recvfrom_zcopy)
NONE(vma_free_packets)
NONE(vma_add_conf_rule)
NONE(vma_thread_offload)
NONE(vma_dump_fd_stats)
NONE(vma_get_socket_rings_num)
NONE(vma_get_socket_rings_fds)
NONE(vma_get_socket_tx_ring_fd)
NONE(vma_socketxtreme_poll)
NONE(vma_socketxtreme_free_vma_packets)
NONE(vma_socketxtreme_ref_vma_buff)
NONE(vma_socketxtreme_free_vma_buff)
NONE(vma_cyclic_buffer_read)
NONE(vma_get_mem_info)
NONE(vma_add_ring_profile)
NONE(vma_modify_ring)
NONE(vma_get_socket_netowrk_header)
NONE(vma_get_ring_direct_descriptors)
NONE(vma_reg_mr_on_ring)
NONE(vma_dereg_mr_on_ring)
NONE(vma_get_dpcp_devices)
