/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands: their codes, the status of an answer, and their fields as pairs "offset, width" in
 * bits, see bits.h. Layouts of rings are in hw.h.
 */
#ifndef CONNECTX_PRM_H
#define CONNECTX_PRM_H

enum {
	OP_QUERY_HCA_CAP = 0x100,
	OP_CREATE_MKEY = 0x200,
	OP_CREATE_CQ = 0x400,
	OP_ALLOC_Q_COUNTER = 0x771,
	OP_QUERY_Q_COUNTER = 0x773,
	OP_ALLOC_TD = 0x816,
	OP_CREATE_TIR = 0x900,
	OP_MODIFY_TIR = 0x901,
	OP_CREATE_SQ = 0x904,
	OP_MODIFY_SQ = 0x905,
	OP_CREATE_RQ = 0x908,
	OP_MODIFY_RQ = 0x909,
	OP_CREATE_RMP = 0x90c,
	OP_CREATE_TIS = 0x912,
	OP_CREATE_RQT = 0x916,
	OP_MODIFY_RQT = 0x917,
	OP_ALLOC_FLOW_COUNTER = 0x939,
	OP_CREATE_FLOW_TABLE = 0x930,
	OP_QUERY_FLOW_COUNTER = 0x93b,
	OP_MODIFY_FLOW_TABLE = 0x93c,
	OP_CREATE_GENERAL_OBJECT = 0xa00,
	OP_MODIFY_GENERAL_OBJECT = 0xa01,
};

/* Kinds of general objects. */
enum { OBJ_DEFINER = 0x18, OBJ_STC = 0x40, OBJ_RTC = 0x41, OBJ_STE = 0x42 };

#define STATUS_INTERNAL 0x1
#define STATUS_BAD_OPCODE 0x2
#define STATUS_BAD_PARAM 0x3
#define STATUS_NO_RESOURCES 0xf
#define STATUS_BAD_INPUT_LEN 0x50
#define STATUS_BAD_OUTPUT_LEN 0x51

#define F_cmd_hca_cap__max_wqe_sz_sq 656, 16
#define F_cmd_hca_cap__flow_counter_bulk_alloc 784, 8
#define F_cmd_hca_cap__flow_counters_dump 865, 1
#define F_cmd_hca_cap__log_max_rqt_size 915, 5
#define F_cmd_hca_cap__log_max_rmp 899, 5
#define F_cmd_hca_cap__mem_rq_rmp 898, 1
#define F_cmd_hca_cap__relaxed_ordering_write 232, 1
#define F_cmd_hca_cap__relaxed_ordering_read 233, 1
#define F_cmd_hca_cap__eth_net_offloads 540, 1
#define F_cmd_hca_cap__num_lag_ports 636, 4
#define F_cmd_hca_cap__device_frequency_khz 1248, 32
#define F_cmd_hca_cap__rq_ts_format 1090, 2
#define F_cmd_hca_cap__sq_ts_format 1088, 2
#define F_cmd_hca_cap__steering_format_version 1092, 4
#define F_cmd_hca_cap__log_max_cq 219, 5
#define F_cmd_hca_cap__log_max_qp 155, 5
#define F_cmd_hca_cap__log_max_cq_sz 200, 8
#define F_cmd_hca_cap__log_max_qp_sz 136, 8
#define F_cmd_hca_cap__log_max_mrw_sz 265, 7
#define F_cmd_hca_cap__log_max_pd 811, 5
#define F_cmd_hca_cap__log_max_srq 171, 5
#define F_cmd_hca_cap__log_max_srq_sz 128, 8
#define F_cmd_hca_cap__wait_on_time 1676, 1
#define F_cmd_hca_cap__cqe_compression 1471, 1
#define F_cmd_hca_cap__mini_cqe_resp_flow_tag 1466, 1
#define F_cmd_hca_cap__mini_cqe_resp_l3_l4_tag 1465, 1
#define F_cmd_hca_cap__hca_cap_2 32, 1
#define F_cmd_hca_cap__nic_flow_table 422, 1
#define F_cmd_hca_cap__rq_delay_drop 389, 1
#define F_cmd_hca_cap__vhca_id 48, 16
#define F_cmd_hca_cap__wqe_based_flow_table_update_cap 507, 1
#define F_cmd_hca_cap__match_definer_format_supported 1984, 64
#define F_cmd_hca_cap_2__log_min_stride_wqe_sz 195, 5
#define F_flow_table_nic_cap__nic_receive_max_ft_level 568, 8
#define F_flow_table_nic_cap__nic_receive_reparse 618, 1
#define F_wqe_based_flow_table_cap__stc_alloc_log_max 43, 5
#define F_wqe_based_flow_table_cap__ste_alloc_log_max 59, 5
#define F_wqe_based_flow_table_cap__rtc_reparse_mode 75, 5
#define F_wqe_based_flow_table_cap__rtc_index_mode 83, 5
#define F_wqe_based_flow_table_cap__rtc_log_depth_max 91, 5
#define F_wqe_based_flow_table_cap__ste_format 112, 16
#define F_wqe_based_flow_table_cap__trivial_match_definer 288, 32
#define F_per_protocol_networking_offload_caps__csum_cap 0, 1
#define F_per_protocol_networking_offload_caps__vlan_cap 1, 1
#define F_per_protocol_networking_offload_caps__lro_cap 2, 1
#define F_per_protocol_networking_offload_caps__lro_max_msg_sz_mode 5, 2
#define F_per_protocol_networking_offload_caps__lro_min_mss_size 80, 16
#define F_per_protocol_networking_offload_caps__max_lso_cap 11, 5
#define F_per_protocol_networking_offload_caps__wqe_inline_mode 18, 2
#define F_per_protocol_networking_offload_caps__wqe_vlan_insert 7, 1
#define F_per_protocol_networking_offload_caps__rss_ind_tbl_cap 20, 4
#define F_per_protocol_networking_offload_caps__scatter_fcs 25, 1
#define F_per_protocol_networking_offload_caps__swp 32, 1
#define F_per_protocol_networking_offload_caps__lro_timer_supported_periods 384, 32
#define F_cqc__cqe_comp_en 17, 1
#define F_cqc__mini_cqe_res_format 18, 2
#define F_cqc__log_cq_size 99, 5
#define F_cqc__dbr_umem_valid 6, 1
#define F_cqc__dbr_umem_id 32, 32
#define F_cqc__dbr_addr 448, 64
#define F_cqc__oi 14, 1
#define F_cqc__cqe_sz 8, 3
#define F_cqc__uar_page 104, 24
#define F_create_cq_in__cq_context 128, 512
#define F_create_cq_in__cq_umem_offset 640, 64
#define F_create_cq_in__cq_umem_id 704, 32
#define F_create_cq_in__cq_umem_valid 736, 1
#define F_create_rq_in__ctx 256, 1920
#define F_modify_rq_in__ctx 256, 1920
#define F_modify_rq_in__modify_bitmask 128, 64
#define F_modify_rq_in__rq_state 64, 4
#define F_rqc__vsd 3, 1
#define F_rqc__scatter_fcs 2, 1
#define F_rqc__mem_rq_type 4, 4
#define F_rqc__state 8, 4
#define F_rqc__user_index 40, 24
#define F_rqc__cqn 72, 24
#define F_rqc__counter_set_id 96, 8
#define F_rqc__rmpn 136, 24
#define F_rqc__wq 384, 1536
#define F_sqc__state 8, 4
#define F_sqc__non_wire 15, 1
#define F_sqc__cqn 72, 24
#define F_sqc__user_index 40, 24
#define F_sqc__wq 384, 1536
#define F_create_sq_in__ctx 256, 1920
#define F_modify_sq_in__ctx 256, 1920
#define F_wq__wq_type 0, 4
#define F_wq__dbr_addr 128, 64
#define F_wq__log_wq_stride 268, 4
#define F_wq__log_wq_sz 283, 5
#define F_wq__dbr_umem_valid 288, 1
#define F_wq__wq_umem_valid 289, 1
#define F_wq__single_wqe_log_num_of_strides 308, 4
#define F_wq__two_byte_shift_en 312, 1
#define F_wq__single_stride_log_num_of_bytes 317, 3
#define F_wq__dbr_umem_id 320, 32
#define F_wq__wq_umem_id 352, 32
#define F_wq__wq_umem_offset 384, 64
#define F_wq__end_padding_mode 5, 2
#define F_create_rmp_in__ctx 256, 1920
#define F_rmpc__wq 384, 1536
#define F_create_tir_in__ctx 256, 1920
#define F_modify_tir_in__ctx 256, 1920
#define F_modify_tir_in__modify_bitmask 128, 64
#define F_tirc__disp_type 32, 4
#define F_tirc__lro_timeout_period_usecs 132, 16
#define F_tirc__lro_enable_mask 148, 4
#define F_tirc__lro_max_msg_sz 152, 8
#define F_tirc__inline_rqn 232, 24
#define F_tirc__rx_hash_symmetric 256, 1
#define F_tirc__indirect_table 264, 24
#define F_tirc__rx_hash_fn 288, 4
#define F_tirc__rx_hash_toeplitz_key 320, 32
#define F_tirc__rx_hash_field_selector_outer 640, 32
#define F_tirc__rx_hash_field_selector_inner 672, 32
#define F_rx_hash_field_select__l3_prot_type 0, 1
#define F_rx_hash_field_select__l4_prot_type 1, 1
#define F_rx_hash_field_select__selected_fields 2, 30
#define F_create_rqt_in__rqt_context 256, 1920
#define F_modify_rqt_in__rqt_context 256, 1920
#define F_rqtc__rqt_actual_size 208, 16
#define F_rqtc__rqt_max_size 176, 16
#define F_rqtc__rq_num 1920, 32
#define F_query_hca_cap_in__op_mod 48, 16
#define F_query_hca_cap_out__capability 128, 32768
#define F_alloc_flow_counter_in__flow_counter_bulk 120, 8
#define F_alloc_flow_counter_in__flow_counter_bulk_log_size 115, 5
#define F_query_flow_counter_in__mkey 96, 32
#define F_query_flow_counter_in__address 128, 64
#define F_query_flow_counter_in__clear 192, 1
#define F_query_flow_counter_in__dump_to_memory 193, 1
#define F_query_flow_counter_in__num_of_counters 194, 30
#define F_query_flow_counter_in__flow_counter_id 224, 32
#define F_query_flow_counter_out__flow_statistics 128, 128
#define F_query_q_counter_out__out_of_buffer 384, 32
#define F_create_mkey_in__memory_key_mkey_entry 128, 512
#define F_create_mkey_in__klm_pas_mtt 2176, 32
#define F_mkc__start_addr 128, 64
#define F_mkc__len 192, 64
#define F_fte_match_set_lyr_2_4__smac_47_16 0, 32
#define F_fte_match_set_lyr_2_4__smac_15_0 32, 16
#define F_fte_match_set_lyr_2_4__ethertype 48, 16
#define F_fte_match_set_lyr_2_4__dmac_47_16 64, 32
#define F_fte_match_set_lyr_2_4__dmac_15_0 96, 16
#define F_fte_match_set_lyr_2_4__first_prio 112, 3
#define F_fte_match_set_lyr_2_4__first_vid 116, 12
#define F_fte_match_set_lyr_2_4__ip_protocol 128, 8
#define F_fte_match_set_lyr_2_4__ip_dscp 136, 6
#define F_fte_match_set_lyr_2_4__ip_ecn 142, 2
#define F_fte_match_set_lyr_2_4__cvlan_tag 144, 1
#define F_fte_match_set_lyr_2_4__svlan_tag 145, 1
#define F_fte_match_set_lyr_2_4__frag 146, 1
#define F_fte_match_set_lyr_2_4__ip_version 147, 4
#define F_fte_match_set_lyr_2_4__tcp_flags 151, 9
#define F_fte_match_set_lyr_2_4__tcp_sport 160, 16
#define F_fte_match_set_lyr_2_4__tcp_dport 176, 16
#define F_fte_match_set_lyr_2_4__ip_ttl_hoplimit 216, 8
#define F_fte_match_set_lyr_2_4__ipv4_ihl 208, 4
#define F_fte_match_set_lyr_2_4__udp_sport 224, 16
#define F_fte_match_set_lyr_2_4__udp_dport 240, 16
#define F_fte_match_set_lyr_2_4__src_ipv4_src_ipv6 256, 128
#define F_fte_match_set_lyr_2_4__dst_ipv4_dst_ipv6 384, 128
#define F_fte_match_param__outer_headers 0, 512
#define F_fte_match_param__misc_parameters 512, 512
#define F_fte_match_param__inner_headers 1024, 512
#define F_fte_match_param__misc_parameters_2 1536, 512
#define F_fte_match_param__misc_parameters_3 2048, 512
#define F_fte_match_set_misc2__metadata_reg_a 384, 32
#define F_fte_match_set_misc2__metadata_reg_c_0 352, 32

#define F_general_obj_in__obj_type 48, 16
#define F_general_obj_in__obj_offset 96, 32
#define F_general_obj_in__log_obj_range 99, 5
#define F_general_obj_in__object 128, 1024
#define F_rtc__update_index_mode 128, 2
#define F_rtc__access_index_mode 169, 3
#define F_rtc__log_depth 179, 5
#define F_rtc__log_hash_size 184, 8
#define F_rtc__ste_format_0 192, 8
#define F_rtc__table_type 200, 8
#define F_rtc__ste_format_1 208, 8
#define F_rtc__match_definer_0 224, 32
#define F_rtc__stc_id 256, 32
#define F_rtc__ste_table_base_id 288, 32
#define F_rtc__ste_table_offset 320, 32
#define F_rtc__miss_flow_table_id 360, 24
#define F_stc__table_type 136, 8
#define F_stc__ste_action_offset 144, 8
#define F_stc__action_type 152, 8
#define F_stc__param_id 264, 24 /* of a TIR or a flow table */
#define F_stc__param_ste_obj_id 256, 32
#define F_stc__param_ste_log_hash_size 323, 5
#define F_definer__format_id 144, 16
#define F_definer__format_select_dw3 256, 8 /* then 2, 1, 0, and 7 to 4 */
#define F_definer__format_select_dw8 344, 8
#define F_definer__format_select_byte3 384, 8 /* then 2, 1, 0, and 7 to 4 */
#define F_definer__match_mask 672, 352
#define F_create_flow_table_in__table_type 128, 8
#define F_create_flow_table_in__ctx 192, 320
#define F_modify_flow_table_in__modify_field_select 112, 16
#define F_modify_flow_table_in__ctx 192, 320
#define F_flow_table_context__table_miss_action 4, 4
#define F_flow_table_context__table_miss_id 40, 24
#define F_flow_table_context__rtc_id_0 192, 32

#endif
