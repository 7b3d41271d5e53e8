/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds the layout of <mellanox/vma_extra.h>: every size, alignment, offset and value, at compile
 * time. A program that was compiled for the interface has these numbers in it; none may change.
 * No code.
 */
#include "vma/mellanox/vma_extra.h"

#define TYPE(type, size, align)                                                                    \
	_Static_assert(sizeof(type) == (size) && _Alignof(type) == (align), #type)
#define FIELD(type, field, offset, size)                                                           \
	_Static_assert(offsetof(type, field) == (offset) && sizeof(((type *)0)->field) == (size),  \
			#type "." #field)
/* An array at the end, without a size of its own. */
#define TAIL(type, field, offset)                                                                  \
	_Static_assert(offsetof(type, field) == (offset), #type "." #field)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

TYPE(struct vma_packets_t, 8, 1);
FIELD(struct vma_packets_t, n_packet_num, 0, 8);
TAIL(struct vma_packets_t, pkts, 8);

TYPE(struct vma_packet_t, 16, 1);
FIELD(struct vma_packet_t, packet_id, 0, 8);
FIELD(struct vma_packet_t, sz_iov, 8, 8);
TAIL(struct vma_packet_t, iov, 16);

TYPE(struct vma_info_t, 80, 1);
FIELD(struct vma_info_t, struct_sz, 0, 8);
FIELD(struct vma_info_t, packet_id, 8, 8);
FIELD(struct vma_info_t, src, 16, 8);
FIELD(struct vma_info_t, dst, 24, 8);
FIELD(struct vma_info_t, payload_sz, 32, 8);
FIELD(struct vma_info_t, socket_ready_queue_pkt_count, 40, 4);
FIELD(struct vma_info_t, socket_ready_queue_byte_count, 44, 4);
FIELD(struct vma_info_t, hw_timestamp, 48, 16);
FIELD(struct vma_info_t, sw_timestamp, 64, 16);

TYPE(struct vma_buff_t, 24, 8);
FIELD(struct vma_buff_t, next, 0, 8);
FIELD(struct vma_buff_t, payload, 8, 8);
FIELD(struct vma_buff_t, len, 16, 2);

TYPE(struct vma_packet_desc_t, 40, 8);
FIELD(struct vma_packet_desc_t, num_bufs, 0, 8);
FIELD(struct vma_packet_desc_t, total_len, 8, 2);
FIELD(struct vma_packet_desc_t, buff_lst, 16, 8);
FIELD(struct vma_packet_desc_t, hw_timestamp, 24, 16);

TYPE(struct vma_completion_t, 80, 8);
FIELD(struct vma_completion_t, packet, 0, 40);
FIELD(struct vma_completion_t, events, 40, 8);
FIELD(struct vma_completion_t, user_data, 48, 8);
FIELD(struct vma_completion_t, src, 56, 16);
FIELD(struct vma_completion_t, listen_fd, 72, 4);

TYPE(struct vma_rate_limit_t, 12, 4);
FIELD(struct vma_rate_limit_t, rate, 0, 4);
FIELD(struct vma_rate_limit_t, max_burst_sz, 4, 4);
FIELD(struct vma_rate_limit_t, typical_pkt_sz, 8, 2);

TYPE(struct vma_ring_alloc_logic_attr, 20, 4);
FIELD(struct vma_ring_alloc_logic_attr, comp_mask, 0, 4);
FIELD(struct vma_ring_alloc_logic_attr, ring_alloc_logic, 4, 4);
FIELD(struct vma_ring_alloc_logic_attr, ring_profile_key, 8, 4);
FIELD(struct vma_ring_alloc_logic_attr, user_id, 12, 4);

TYPE(struct vma_ring_type_attr, 24, 4);
FIELD(struct vma_ring_type_attr, comp_mask, 0, 4);
FIELD(struct vma_ring_type_attr, ring_type, 4, 4);
FIELD(struct vma_ring_type_attr, ring_cyclicb, 8, 16);
FIELD(struct vma_ring_type_attr, ring_pktq, 8, 4);
FIELD(struct vma_ring_type_attr, ring_ext, 8, 4);

TYPE(struct vma_cyclic_buffer_ring_attr, 16, 4);
FIELD(struct vma_cyclic_buffer_ring_attr, comp_mask, 0, 4);
FIELD(struct vma_cyclic_buffer_ring_attr, num, 4, 4);
FIELD(struct vma_cyclic_buffer_ring_attr, stride_bytes, 8, 2);
FIELD(struct vma_cyclic_buffer_ring_attr, hdr_bytes, 10, 2);
FIELD(struct vma_cyclic_buffer_ring_attr, packet_receive_mode, 12, 4);

TYPE(struct vma_packet_queue_ring_attr, 4, 4);
FIELD(struct vma_packet_queue_ring_attr, comp_mask, 0, 4);

TYPE(struct vma_external_mem_attr, 4, 4);
FIELD(struct vma_external_mem_attr, comp_mask, 0, 4);

TYPE(struct vma_completion_cb_t, 64, 8);
FIELD(struct vma_completion_cb_t, comp_mask, 0, 4);
FIELD(struct vma_completion_cb_t, payload_ptr, 8, 8);
FIELD(struct vma_completion_cb_t, payload_length, 16, 8);
FIELD(struct vma_completion_cb_t, packets, 24, 8);
FIELD(struct vma_completion_cb_t, usr_hdr_ptr, 32, 8);
FIELD(struct vma_completion_cb_t, usr_hdr_ptr_length, 40, 8);
FIELD(struct vma_completion_cb_t, hw_timestamp, 48, 16);

TYPE(struct vma_modify_ring_attr, 16, 4);
FIELD(struct vma_modify_ring_attr, comp_bit_mask, 0, 4);
FIELD(struct vma_modify_ring_attr, ring_fd, 4, 4);
FIELD(struct vma_modify_ring_attr, cq_moderation, 8, 8);
FIELD(struct vma_modify_ring_attr, cq_arm, 8, 0);

TYPE(struct vma_cq_moderation_attr, 8, 4);
FIELD(struct vma_cq_moderation_attr, cq_moderation_count, 0, 4);
FIELD(struct vma_cq_moderation_attr, cq_moderation_period_usec, 4, 4);

TYPE(struct dev_data, 12, 4);
FIELD(struct dev_data, vendor_id, 0, 4);
FIELD(struct dev_data, vendor_part_id, 4, 4);
FIELD(struct dev_data, device_cap, 8, 4);

TYPE(struct hw_cq_data, 48, 8);
FIELD(struct hw_cq_data, buf, 0, 8);
FIELD(struct hw_cq_data, dbrec, 8, 8);
FIELD(struct hw_cq_data, cq_size, 16, 4);
FIELD(struct hw_cq_data, cqe_size, 20, 4);
FIELD(struct hw_cq_data, cqn, 24, 4);
FIELD(struct hw_cq_data, uar, 32, 8);
FIELD(struct hw_cq_data, cons_idx, 40, 8);

TYPE(struct hw_wq_data, 72, 8);
FIELD(struct hw_wq_data, buf, 0, 8);
FIELD(struct hw_wq_data, wqe_cnt, 8, 4);
FIELD(struct hw_wq_data, stride, 12, 4);
FIELD(struct hw_wq_data, dbrec, 16, 8);
FIELD(struct hw_wq_data, cq_data, 24, 48);

TYPE(struct hw_rq_data, 88, 8);
FIELD(struct hw_rq_data, wq_data, 0, 72);
FIELD(struct hw_rq_data, head, 72, 8);
FIELD(struct hw_rq_data, tail, 80, 8);

TYPE(struct hw_sq_data, 96, 8);
FIELD(struct hw_sq_data, wq_data, 0, 72);
FIELD(struct hw_sq_data, sq_num, 72, 4);
FIELD(struct hw_sq_data, bf, 80, 16);
FIELD(struct hw_sq_data, bf.reg, 80, 8);
FIELD(struct hw_sq_data, bf.size, 88, 4);
FIELD(struct hw_sq_data, bf.offset, 92, 4);

TYPE(struct vma_mlx_hw_device_data, 200, 8);
FIELD(struct vma_mlx_hw_device_data, valid_mask, 0, 4);
FIELD(struct vma_mlx_hw_device_data, dev_data, 4, 12);
FIELD(struct vma_mlx_hw_device_data, sq_data, 16, 96);
FIELD(struct vma_mlx_hw_device_data, rq_data, 112, 88);

TYPE(struct vma_api_t, 184, 1);
FIELD(struct vma_api_t, register_recv_callback, 0, 8);
FIELD(struct vma_api_t, recvfrom_zcopy, 8, 8);
FIELD(struct vma_api_t, free_packets, 16, 8);
FIELD(struct vma_api_t, add_conf_rule, 24, 8);
FIELD(struct vma_api_t, thread_offload, 32, 8);
FIELD(struct vma_api_t, socketxtreme_poll, 40, 8);
FIELD(struct vma_api_t, get_socket_rings_num, 48, 8);
FIELD(struct vma_api_t, get_socket_rings_fds, 56, 8);
FIELD(struct vma_api_t, get_socket_tx_ring_fd, 64, 8);
FIELD(struct vma_api_t, socketxtreme_free_vma_packets, 72, 8);
FIELD(struct vma_api_t, socketxtreme_ref_vma_buff, 80, 8);
FIELD(struct vma_api_t, socketxtreme_free_vma_buff, 88, 8);
FIELD(struct vma_api_t, dump_fd_stats, 96, 8);
FIELD(struct vma_api_t, vma_cyclic_buffer_read, 104, 8);
FIELD(struct vma_api_t, vma_add_ring_profile, 112, 8);
FIELD(struct vma_api_t, get_socket_network_header, 120, 8);
FIELD(struct vma_api_t, get_ring_direct_descriptors, 128, 8);
FIELD(struct vma_api_t, register_memory_on_ring, 136, 8);
FIELD(struct vma_api_t, deregister_memory_on_ring, 144, 8);
FIELD(struct vma_api_t, get_mem_info, 152, 8);
FIELD(struct vma_api_t, vma_modify_ring, 160, 8);
FIELD(struct vma_api_t, vma_extra_supported_mask, 168, 8);
FIELD(struct vma_api_t, get_dpcp_devices, 176, 8);

TYPE(vma_recv_callback_retval_t, 4, 4);
VALUE(VMA_PACKET_DROP, 0);
VALUE(VMA_PACKET_RECV, 1);
VALUE(VMA_PACKET_HOLD, 2);

TYPE(vma_socketxtreme_events_t, 8, 8);
VALUE(VMA_SOCKETXTREME_PACKET, 0x100000000);
VALUE(VMA_SOCKETXTREME_NEW_CONNECTION_ACCEPTED, 0x200000000);

TYPE(ring_logic_t, 4, 4);
VALUE(RING_LOGIC_PER_INTERFACE, 0);
VALUE(RING_LOGIC_PER_IP, 1);
VALUE(RING_LOGIC_PER_SOCKET, 10);
VALUE(RING_LOGIC_PER_USER_ID, 11);
VALUE(RING_LOGIC_PER_THREAD, 20);
VALUE(RING_LOGIC_PER_CORE, 30);
VALUE(RING_LOGIC_PER_CORE_ATTACH_THREADS, 31);
VALUE(RING_LOGIC_LAST, 32);

TYPE(vma_ring_alloc_logic_attr_comp_mask, 4, 4);
VALUE(VMA_RING_ALLOC_MASK_RING_PROFILE_KEY, 1);
VALUE(VMA_RING_ALLOC_MASK_RING_USER_ID, 2);
VALUE(VMA_RING_ALLOC_MASK_RING_INGRESS, 4);
VALUE(VMA_RING_ALLOC_MASK_RING_ENGRESS, 8);

TYPE(vma_ring_type, 4, 4);
VALUE(VMA_RING_PACKET, 0);
VALUE(VMA_RING_CYCLIC_BUFFER, 1);
VALUE(VMA_RING_EXTERNAL_MEM, 2);

TYPE(vma_ring_type_attr_mask, 4, 4);
VALUE(VMA_RING_ATTR_LAST, 0);

TYPE(vma_cb_packet_rec_mode, 4, 4);
VALUE(RAW_PACKET, 0);
VALUE(STRIP_NETWORK_HDRS, 1);
VALUE(SEPERATE_NETWORK_HDRS, 2);
VALUE(PADDED_PACKET, 3);

TYPE(vma_cb_ring_attr_mask, 4, 4);
VALUE(VMA_CB_HDR_BYTE, 1);
VALUE(VMA_CB_EXTERNAL_MEM, 2);

TYPE(vma_completion_cb_mask, 4, 4);
VALUE(VMA_CB_MASK_TIMESTAMP, 1);

TYPE(vma_modify_ring_mask, 4, 4);
VALUE(VMA_MODIFY_RING_CQ_MODERATION, 1);
VALUE(VMA_MODIFY_RING_CQ_ARM, 2);

TYPE(mlx_hw_device_cap, 4, 4);
VALUE(VMA_HW_PP_EN, 1);
VALUE(VMA_HW_UMR_EN, 2);
VALUE(VMA_HW_MP_RQ_EN, 4);
VALUE(VMA_HW_PP_BURST_EN, 8);

TYPE(vma_mlx_hw_valid_data_mask, 4, 4);
VALUE(DATA_VALID_DEV, 0);
VALUE(DATA_VALID_SQ, 1);
VALUE(DATA_VALID_RQ, 2);

TYPE(vma_extra_api_mask, 4, 4);
VALUE(VMA_EXTRA_API_REGISTER_RECV_CALLBACK, 1 << 0);
VALUE(VMA_EXTRA_API_RECVFROM_ZCOPY, 1 << 1);
VALUE(VMA_EXTRA_API_FREE_PACKETS, 1 << 2);
VALUE(VMA_EXTRA_API_ADD_CONF_RULE, 1 << 3);
VALUE(VMA_EXTRA_API_THREAD_OFFLOAD, 1 << 4);
VALUE(VMA_EXTRA_API_DUMP_FD_STATS, 1 << 5);
VALUE(VMA_EXTRA_API_SOCKETXTREME_POLL, 1 << 6);
VALUE(VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_PACKETS, 1 << 7);
VALUE(VMA_EXTRA_API_SOCKETXTREME_REF_VMA_BUFF, 1 << 8);
VALUE(VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_BUFF, 1 << 9);
VALUE(VMA_EXTRA_API_GET_SOCKET_RINGS_NUM, 1 << 10);
VALUE(VMA_EXTRA_API_GET_SOCKET_RINGS_FDS, 1 << 11);
VALUE(VMA_EXTRA_API_GET_SOCKET_TX_RING_FD, 1 << 12);
VALUE(VMA_EXTRA_API_GET_SOCKET_NETWORK_HEADER, 1 << 13);
VALUE(VMA_EXTRA_API_GET_RING_DIRECT_DESCRIPTORS, 1 << 14);
VALUE(VMA_EXTRA_API_CYCLIC_BUFFER_READ, 1 << 15);
VALUE(VMA_EXTRA_API_ADD_RING_PROFILE, 1 << 16);
VALUE(VMA_EXTRA_API_REGISTER_MEMORY_ON_RING, 1 << 17);
VALUE(VMA_EXTRA_API_DEREGISTER_MEMORY_ON_RING, 1 << 18);
VALUE(VMA_EXTRA_API_GET_MEM_INFO, 1 << 19);
VALUE(VMA_EXTRA_API_MODIFY_RING, 1 << 20);
VALUE(VMA_EXTRA_API_GET_DPCP_DEVICES, 1 << 21);

VALUE(MSG_VMA_ZCOPY_FORCE, 0x01000000);
VALUE(MSG_VMA_ZCOPY, 0x00040000);
VALUE(VMA_SND_FLAGS_DUMMY, 0x400);
VALUE(SO_VMA_GET_API, 2800);
VALUE(SO_VMA_USER_DATA, 2801);
VALUE(SO_VMA_RING_ALLOC_LOGIC, 2810);
VALUE(SO_VMA_RING_USER_MEMORY, 2811);
VALUE(SO_VMA_FLOW_TAG, 2820);
VALUE(SO_VMA_SHUTDOWN_RX, 2821);
