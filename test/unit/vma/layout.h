/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of <mellanox/vma_extra.h> as a list of numbers, and the checks over it. Compiled as C
 * and as C++: both have to see the same. Included by one source file of each language.
 */
#ifndef TEST_VMA_LAYOUT_H
#define TEST_VMA_LAYOUT_H

#include <mellanox/vma_extra.h>

#include <stdio.h>
#include <string.h>

struct layout {
	const char *name;
	size_t is[2];  /* size and alignment of a type, or offset and size of a member */
	size_t has[2]; /* what the interface has */
};

#ifdef __cplusplus
#define ALIGN(t) alignof(t)
#else
#define ALIGN(t) _Alignof(t)
#endif

#define T(t, size, align)                                                                          \
	{                                                                                          \
#t, { sizeof(t), ALIGN(t) },                                                       \
		{                                                                                  \
			size, align                                                                \
		}                                                                                  \
	}
#define M(t, m, off, size)                                                                         \
	{                                                                                          \
#t "." #m, { offsetof(t, m), sizeof(((t *)0)->m) },                                \
		{                                                                                  \
			off, size                                                                  \
		}                                                                                  \
	}
#define TAIL(t, m, off)                                                                            \
	{                                                                                          \
#t "." #m, { offsetof(t, m), 0 },                                                  \
		{                                                                                  \
			off, 0                                                                     \
		}                                                                                  \
	}
#define V(n, v)                                                                                    \
	{                                                                                          \
#n, { (size_t)(n), 0 },                                                            \
		{                                                                                  \
			v, 0                                                                       \
		}                                                                                  \
	}

static const struct layout layouts[] = {
	T(struct vma_packets_t, 8, 1),
	M(struct vma_packets_t, n_packet_num, 0, 8),
	TAIL(struct vma_packets_t, pkts, 8),
	T(struct vma_packet_t, 16, 1),
	M(struct vma_packet_t, packet_id, 0, 8),
	M(struct vma_packet_t, sz_iov, 8, 8),
	TAIL(struct vma_packet_t, iov, 16),
	T(struct vma_info_t, 80, 1),
	M(struct vma_info_t, struct_sz, 0, 8),
	M(struct vma_info_t, packet_id, 8, 8),
	M(struct vma_info_t, src, 16, 8),
	M(struct vma_info_t, dst, 24, 8),
	M(struct vma_info_t, payload_sz, 32, 8),
	M(struct vma_info_t, socket_ready_queue_pkt_count, 40, 4),
	M(struct vma_info_t, socket_ready_queue_byte_count, 44, 4),
	M(struct vma_info_t, hw_timestamp, 48, 16),
	M(struct vma_info_t, sw_timestamp, 64, 16),
	T(struct vma_buff_t, 24, 8),
	M(struct vma_buff_t, next, 0, 8),
	M(struct vma_buff_t, payload, 8, 8),
	M(struct vma_buff_t, len, 16, 2),
	T(struct vma_packet_desc_t, 40, 8),
	M(struct vma_packet_desc_t, num_bufs, 0, 8),
	M(struct vma_packet_desc_t, total_len, 8, 2),
	M(struct vma_packet_desc_t, buff_lst, 16, 8),
	M(struct vma_packet_desc_t, hw_timestamp, 24, 16),
	T(struct vma_completion_t, 80, 8),
	M(struct vma_completion_t, packet, 0, 40),
	M(struct vma_completion_t, events, 40, 8),
	M(struct vma_completion_t, user_data, 48, 8),
	M(struct vma_completion_t, src, 56, 16),
	M(struct vma_completion_t, listen_fd, 72, 4),
	T(struct vma_rate_limit_t, 12, 4),
	M(struct vma_rate_limit_t, rate, 0, 4),
	M(struct vma_rate_limit_t, max_burst_sz, 4, 4),
	M(struct vma_rate_limit_t, typical_pkt_sz, 8, 2),
	T(struct vma_ring_alloc_logic_attr, 20, 4),
	M(struct vma_ring_alloc_logic_attr, comp_mask, 0, 4),
	M(struct vma_ring_alloc_logic_attr, ring_alloc_logic, 4, 4),
	M(struct vma_ring_alloc_logic_attr, ring_profile_key, 8, 4),
	M(struct vma_ring_alloc_logic_attr, user_id, 12, 4),
	T(struct vma_ring_type_attr, 24, 4),
	M(struct vma_ring_type_attr, comp_mask, 0, 4),
	M(struct vma_ring_type_attr, ring_type, 4, 4),
	M(struct vma_ring_type_attr, ring_cyclicb, 8, 16),
	M(struct vma_ring_type_attr, ring_pktq, 8, 4),
	M(struct vma_ring_type_attr, ring_ext, 8, 4),
	T(struct vma_cyclic_buffer_ring_attr, 16, 4),
	M(struct vma_cyclic_buffer_ring_attr, comp_mask, 0, 4),
	M(struct vma_cyclic_buffer_ring_attr, num, 4, 4),
	M(struct vma_cyclic_buffer_ring_attr, stride_bytes, 8, 2),
	M(struct vma_cyclic_buffer_ring_attr, hdr_bytes, 10, 2),
	M(struct vma_cyclic_buffer_ring_attr, packet_receive_mode, 12, 4),
	T(struct vma_packet_queue_ring_attr, 4, 4),
	M(struct vma_packet_queue_ring_attr, comp_mask, 0, 4),
	T(struct vma_external_mem_attr, 4, 4),
	M(struct vma_external_mem_attr, comp_mask, 0, 4),
	T(struct vma_completion_cb_t, 64, 8),
	M(struct vma_completion_cb_t, comp_mask, 0, 4),
	M(struct vma_completion_cb_t, payload_ptr, 8, 8),
	M(struct vma_completion_cb_t, payload_length, 16, 8),
	M(struct vma_completion_cb_t, packets, 24, 8),
	M(struct vma_completion_cb_t, usr_hdr_ptr, 32, 8),
	M(struct vma_completion_cb_t, usr_hdr_ptr_length, 40, 8),
	M(struct vma_completion_cb_t, hw_timestamp, 48, 16),
	T(struct vma_modify_ring_attr, 16, 4),
	M(struct vma_modify_ring_attr, comp_bit_mask, 0, 4),
	M(struct vma_modify_ring_attr, ring_fd, 4, 4),
	M(struct vma_modify_ring_attr, cq_moderation, 8, 8),
	TAIL(struct vma_modify_ring_attr, cq_arm, 8),
	T(struct vma_cq_moderation_attr, 8, 4),
	M(struct vma_cq_moderation_attr, cq_moderation_count, 0, 4),
	M(struct vma_cq_moderation_attr, cq_moderation_period_usec, 4, 4),
	T(struct dev_data, 12, 4),
	M(struct dev_data, vendor_id, 0, 4),
	M(struct dev_data, vendor_part_id, 4, 4),
	M(struct dev_data, device_cap, 8, 4),
	T(struct hw_cq_data, 48, 8),
	M(struct hw_cq_data, buf, 0, 8),
	M(struct hw_cq_data, dbrec, 8, 8),
	M(struct hw_cq_data, cq_size, 16, 4),
	M(struct hw_cq_data, cqe_size, 20, 4),
	M(struct hw_cq_data, cqn, 24, 4),
	M(struct hw_cq_data, uar, 32, 8),
	M(struct hw_cq_data, cons_idx, 40, 8),
	T(struct hw_wq_data, 72, 8),
	M(struct hw_wq_data, buf, 0, 8),
	M(struct hw_wq_data, wqe_cnt, 8, 4),
	M(struct hw_wq_data, stride, 12, 4),
	M(struct hw_wq_data, dbrec, 16, 8),
	M(struct hw_wq_data, cq_data, 24, 48),
	T(struct hw_rq_data, 88, 8),
	M(struct hw_rq_data, wq_data, 0, 72),
	M(struct hw_rq_data, head, 72, 8),
	M(struct hw_rq_data, tail, 80, 8),
	T(struct hw_sq_data, 96, 8),
	M(struct hw_sq_data, wq_data, 0, 72),
	M(struct hw_sq_data, sq_num, 72, 4),
	M(struct hw_sq_data, bf, 80, 16),
	M(struct hw_sq_data, bf.reg, 80, 8),
	M(struct hw_sq_data, bf.size, 88, 4),
	M(struct hw_sq_data, bf.offset, 92, 4),
	T(struct vma_mlx_hw_device_data, 200, 8),
	M(struct vma_mlx_hw_device_data, valid_mask, 0, 4),
	M(struct vma_mlx_hw_device_data, dev_data, 4, 12),
	M(struct vma_mlx_hw_device_data, sq_data, 16, 96),
	M(struct vma_mlx_hw_device_data, rq_data, 112, 88),
	T(struct vma_api_t, 184, 1),
	M(struct vma_api_t, register_recv_callback, 0, 8),
	M(struct vma_api_t, recvfrom_zcopy, 8, 8),
	M(struct vma_api_t, free_packets, 16, 8),
	M(struct vma_api_t, add_conf_rule, 24, 8),
	M(struct vma_api_t, thread_offload, 32, 8),
	M(struct vma_api_t, socketxtreme_poll, 40, 8),
	M(struct vma_api_t, get_socket_rings_num, 48, 8),
	M(struct vma_api_t, get_socket_rings_fds, 56, 8),
	M(struct vma_api_t, get_socket_tx_ring_fd, 64, 8),
	M(struct vma_api_t, socketxtreme_free_vma_packets, 72, 8),
	M(struct vma_api_t, socketxtreme_ref_vma_buff, 80, 8),
	M(struct vma_api_t, socketxtreme_free_vma_buff, 88, 8),
	M(struct vma_api_t, dump_fd_stats, 96, 8),
	M(struct vma_api_t, vma_cyclic_buffer_read, 104, 8),
	M(struct vma_api_t, vma_add_ring_profile, 112, 8),
	M(struct vma_api_t, get_socket_network_header, 120, 8),
	M(struct vma_api_t, get_ring_direct_descriptors, 128, 8),
	M(struct vma_api_t, register_memory_on_ring, 136, 8),
	M(struct vma_api_t, deregister_memory_on_ring, 144, 8),
	M(struct vma_api_t, get_mem_info, 152, 8),
	M(struct vma_api_t, vma_modify_ring, 160, 8),
	M(struct vma_api_t, vma_extra_supported_mask, 168, 8),
	M(struct vma_api_t, get_dpcp_devices, 176, 8),

	T(vma_recv_callback_retval_t, 4, 4),
	V(VMA_PACKET_DROP, 0),
	V(VMA_PACKET_RECV, 1),
	V(VMA_PACKET_HOLD, 2),
	T(vma_socketxtreme_events_t, 8, 8),
	V(VMA_SOCKETXTREME_PACKET, 0x100000000),
	V(VMA_SOCKETXTREME_NEW_CONNECTION_ACCEPTED, 0x200000000),
	T(ring_logic_t, 4, 4),
	V(RING_LOGIC_PER_INTERFACE, 0),
	V(RING_LOGIC_PER_IP, 1),
	V(RING_LOGIC_PER_SOCKET, 10),
	V(RING_LOGIC_PER_USER_ID, 11),
	V(RING_LOGIC_PER_THREAD, 20),
	V(RING_LOGIC_PER_CORE, 30),
	V(RING_LOGIC_PER_CORE_ATTACH_THREADS, 31),
	V(RING_LOGIC_LAST, 32),
	T(vma_ring_alloc_logic_attr_comp_mask, 4, 4),
	V(VMA_RING_ALLOC_MASK_RING_PROFILE_KEY, 1),
	V(VMA_RING_ALLOC_MASK_RING_USER_ID, 2),
	V(VMA_RING_ALLOC_MASK_RING_INGRESS, 4),
	V(VMA_RING_ALLOC_MASK_RING_ENGRESS, 8),
	T(vma_ring_type, 4, 4),
	V(VMA_RING_PACKET, 0),
	V(VMA_RING_CYCLIC_BUFFER, 1),
	V(VMA_RING_EXTERNAL_MEM, 2),
	T(vma_ring_type_attr_mask, 4, 4),
	V(VMA_RING_ATTR_LAST, 0),
	T(vma_cb_packet_rec_mode, 4, 4),
	V(RAW_PACKET, 0),
	V(STRIP_NETWORK_HDRS, 1),
	V(SEPERATE_NETWORK_HDRS, 2),
	V(PADDED_PACKET, 3),
	T(vma_cb_ring_attr_mask, 4, 4),
	V(VMA_CB_HDR_BYTE, 1),
	V(VMA_CB_EXTERNAL_MEM, 2),
	T(vma_completion_cb_mask, 4, 4),
	V(VMA_CB_MASK_TIMESTAMP, 1),
	T(vma_modify_ring_mask, 4, 4),
	V(VMA_MODIFY_RING_CQ_MODERATION, 1),
	V(VMA_MODIFY_RING_CQ_ARM, 2),
	T(mlx_hw_device_cap, 4, 4),
	V(VMA_HW_PP_EN, 1),
	V(VMA_HW_UMR_EN, 2),
	V(VMA_HW_MP_RQ_EN, 4),
	V(VMA_HW_PP_BURST_EN, 8),
	T(vma_mlx_hw_valid_data_mask, 4, 4),
	V(DATA_VALID_DEV, 0),
	V(DATA_VALID_SQ, 1),
	V(DATA_VALID_RQ, 2),
	T(vma_extra_api_mask, 4, 4),
	V(VMA_EXTRA_API_REGISTER_RECV_CALLBACK, 1),
	V(VMA_EXTRA_API_RECVFROM_ZCOPY, 2),
	V(VMA_EXTRA_API_FREE_PACKETS, 4),
	V(VMA_EXTRA_API_ADD_CONF_RULE, 8),
	V(VMA_EXTRA_API_THREAD_OFFLOAD, 16),
	V(VMA_EXTRA_API_DUMP_FD_STATS, 32),
	V(VMA_EXTRA_API_SOCKETXTREME_POLL, 64),
	V(VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_PACKETS, 128),
	V(VMA_EXTRA_API_SOCKETXTREME_REF_VMA_BUFF, 256),
	V(VMA_EXTRA_API_SOCKETXTREME_FREE_VMA_BUFF, 512),
	V(VMA_EXTRA_API_GET_SOCKET_RINGS_NUM, 1024),
	V(VMA_EXTRA_API_GET_SOCKET_RINGS_FDS, 2048),
	V(VMA_EXTRA_API_GET_SOCKET_TX_RING_FD, 4096),
	V(VMA_EXTRA_API_GET_SOCKET_NETWORK_HEADER, 8192),
	V(VMA_EXTRA_API_GET_RING_DIRECT_DESCRIPTORS, 16384),
	V(VMA_EXTRA_API_CYCLIC_BUFFER_READ, 32768),
	V(VMA_EXTRA_API_ADD_RING_PROFILE, 65536),
	V(VMA_EXTRA_API_REGISTER_MEMORY_ON_RING, 131072),
	V(VMA_EXTRA_API_DEREGISTER_MEMORY_ON_RING, 262144),
	V(VMA_EXTRA_API_GET_MEM_INFO, 524288),
	V(VMA_EXTRA_API_MODIFY_RING, 1048576),
	V(VMA_EXTRA_API_GET_DPCP_DEVICES, 2097152),
	V(MSG_VMA_ZCOPY_FORCE, 0x01000000),
	V(MSG_VMA_ZCOPY, 0x00040000),
	V(VMA_SND_FLAGS_DUMMY, 0x400),
	V(SO_VMA_GET_API, 2800),
	V(SO_VMA_USER_DATA, 2801),
	V(SO_VMA_RING_ALLOC_LOGIC, 2810),
	V(SO_VMA_RING_USER_MEMORY, 2811),
	V(SO_VMA_FLOW_TAG, 2820),
	V(SO_VMA_SHUTDOWN_RX, 2821),
};

/* Number of differences; each is said on stderr. */
static int
layout_errors(void)
{
	struct vma_ring_alloc_logic_attr attr;
	uint32_t word;
	int errors = 0;

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		const struct layout *l = &layouts[i];

		if (l->is[0] == l->has[0] && l->is[1] == l->has[1])
			continue;
		fprintf(stderr, "%s: %zu, %zu instead of %zu, %zu\n", l->name, l->is[0], l->is[1],
				l->has[0], l->has[1]);
		errors++;
	}
	/* Bit fields have no offset: look at the word. */
	memset(&attr, 0, sizeof(attr));
	attr.ingress = 1;
	memcpy(&word, (const char *)&attr + 16, sizeof(word));
	errors += word != 1;
	attr.ingress = 0;
	attr.engress = 1;
	memcpy(&word, (const char *)&attr + 16, sizeof(word));
	errors += word != 2;
	attr.reserved = 0x3fffffff;
	attr.engress = 0;
	memcpy(&word, (const char *)&attr + 16, sizeof(word));
	errors += word != 0xfffffffc;
	return errors;
}

#endif /* TEST_VMA_LAYOUT_H */
