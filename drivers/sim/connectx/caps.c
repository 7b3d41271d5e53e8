/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device says it can do, to mlx5dv queries and to QUERY_HCA_CAP, and the user access
 * regions, which are plain memory here: doorbell records are polled. What is not set is zero, the
 * eswitch manager above all, and then the PMD does not ask for it.
 */
#include "connectx.h"
#include "hws.h"
#include "prm.h"
#include <sys/mman.h>

#define PAGE 4096
#define MAX_FT_LEVEL 64
#define BLUEFLAME_AT 0x800 /* in a UAR page */

/* QUERY_HCA_CAP, capability type */
enum {
	CAP_GENERAL = 0x00,
	CAP_ETHERNET = 0x01,
	CAP_NIC_FLOW_TABLE = 0x07,
	CAP_WQE_FLOW_TABLE = 0x1b,
	CAP_GENERAL_2 = 0x20,
};

CX_EXPORT struct ibv_context *
mlx5dv_open_device(struct ibv_device *d, struct mlx5dv_context_attr *a)
{
	(void)a;
	if (!cx_conf.devx) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	return ibv_open_device(d);
}

CX_EXPORT int
mlx5dv_set_context_attr(struct ibv_context *c, enum mlx5dv_set_ctx_attr_type t, void *a)
{
	(void)c;
	(void)t;
	(void)a;
	return 0;
}

CX_EXPORT int
mlx5dv_query_device(struct ibv_context *c, struct mlx5dv_context *o)
{
	uint64_t want = o->comp_mask;

	(void)c;
	o->version = 1; /* CQE version 1 */
	o->flags = MLX5DV_CONTEXT_FLAGS_CQE_V1 | MLX5DV_CONTEXT_FLAGS_MPW_ALLOWED |
			MLX5DV_CONTEXT_FLAGS_ENHANCED_MPW;
	o->comp_mask = want &
			(MLX5DV_CONTEXT_MASK_SWP | MLX5DV_CONTEXT_MASK_STRIDING_RQ |
					MLX5DV_CONTEXT_MASK_TUNNEL_OFFLOADS);
	if (want & MLX5DV_CONTEXT_MASK_SWP)
		memset(&o->sw_parsing_caps, 0, sizeof(o->sw_parsing_caps));
	if (want & MLX5DV_CONTEXT_MASK_STRIDING_RQ)
		o->striding_rq_caps = (struct mlx5dv_striding_rq_caps){
			.min_single_stride_log_num_of_bytes = 6,
			.max_single_stride_log_num_of_bytes = 13,
			.min_single_wqe_log_num_of_strides = 3,
			.max_single_wqe_log_num_of_strides = 16,
			.supported_qpts = 1 << IBV_QPT_RAW_PACKET,
		};
	if (want & MLX5DV_CONTEXT_MASK_TUNNEL_OFFLOADS)
		o->tunnel_offloads_caps = 0;
	return 0;
}

CX_EXPORT int
_mlx5dv_query_port(struct ibv_context *c, uint32_t port, struct mlx5dv_port *i, size_t len)
{
	(void)c;
	(void)port;
	memset(i, 0, len);
	return 0;
}

CX_EXPORT struct mlx5dv_devx_uar *
mlx5dv_devx_alloc_uar(struct ibv_context *c, uint32_t flags)
{
	static uint32_t page = 1;
	/* bits 8 and up of the page offset tell the mapping: 3 is non-cached */
	uint32_t mapping = flags == MLX5DV_UAR_ALLOC_TYPE_NC ? 3 : 0;
	struct mlx5dv_devx_uar *u = cx_context_gone(c) ? NULL : calloc(1, sizeof(*u));
	uint8_t *m;

	if (u == NULL)
		return NULL;
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED) {
		free(u);
		return NULL;
	}
	u->base_addr = m;
	u->reg_addr = m + BLUEFLAME_AT;
	u->page_id = __atomic_fetch_add(&page, 1, __ATOMIC_RELAXED);
	u->mmap_off = (off_t)(mapping << 8 | u->page_id) * PAGE;
	return u;
}

CX_EXPORT void
mlx5dv_devx_free_uar(struct mlx5dv_devx_uar *u)
{
	munmap(u->base_addr, PAGE);
	free(u);
}

static void
fill_general(void *c)
{
	SET(c, F_cmd_hca_cap__max_wqe_sz_sq, 1024);
	SET(c, F_cmd_hca_cap__log_max_rqt_size, 9);
	SET(c, F_cmd_hca_cap__relaxed_ordering_write, 1);
	SET(c, F_cmd_hca_cap__relaxed_ordering_read, 1);
	SET(c, F_cmd_hca_cap__eth_net_offloads, 1);
	SET(c, F_cmd_hca_cap__num_lag_ports, 1);
	SET(c, F_cmd_hca_cap__device_frequency_khz, 1000000);
	SET(c, F_cmd_hca_cap__log_max_cq, 20);
	SET(c, F_cmd_hca_cap__log_max_qp, 17);
	SET(c, F_cmd_hca_cap__log_max_cq_sz, 22);
	SET(c, F_cmd_hca_cap__log_max_qp_sz, 15);
	SET(c, F_cmd_hca_cap__log_max_mrw_sz, 0x40);
	SET(c, F_cmd_hca_cap__log_max_pd, 20);
	SET(c, F_cmd_hca_cap__log_max_srq, 17);
	SET(c, F_cmd_hca_cap__log_max_srq_sz, 15);
	SET(c, F_cmd_hca_cap__hca_cap_2, 1);
	SET(c, F_cmd_hca_cap__nic_flow_table, 1);
	SET(c, F_cmd_hca_cap__mem_rq_rmp, 1);
	SET(c, F_cmd_hca_cap__log_max_rmp, 10);
	SET(c, F_cmd_hca_cap__wqe_based_flow_table_update_cap, 1);
	SET(c, F_cmd_hca_cap__match_definer_format_supported, 1ull << CX_DEFINER_SELECT);
}

/* Rules written by send queues: hws.c has what these allow. */
static void
fill_wqe_flow_table(void *c)
{
	SET(c, F_wqe_based_flow_table_cap__stc_alloc_log_max, CX_LOG_MAX_STC);
	SET(c, F_wqe_based_flow_table_cap__ste_alloc_log_max, CX_LOG_MAX_STE);
	SET(c, F_wqe_based_flow_table_cap__rtc_reparse_mode, 1 << CX_RTC_REPARSE_ALWAYS);
	SET(c, F_wqe_based_flow_table_cap__rtc_index_mode,
			1 << CX_RTC_BY_HASH | 1 << CX_RTC_BY_OFFSET);
	SET(c, F_wqe_based_flow_table_cap__rtc_log_depth_max, CX_RTC_LOG_MAX_DEPTH);
	SET(c, F_wqe_based_flow_table_cap__ste_format, 1 << CX_STE_8DW | 1 << CX_STE_11DW);
	SET(c, F_wqe_based_flow_table_cap__trivial_match_definer, CX_TRIVIAL_DEFINER);
}

static void
fill_ethernet(void *c)
{
	static const uint32_t periods_us[] = { 32, 64, 128, 1024 };
	uint8_t *p = PTR(c, F_per_protocol_networking_offload_caps__lro_timer_supported_periods);
	unsigned int i;

	SET(c, F_per_protocol_networking_offload_caps__csum_cap, 1);
	SET(c, F_per_protocol_networking_offload_caps__vlan_cap, 1);
	SET(c, F_per_protocol_networking_offload_caps__lro_cap, 1);
	SET(c, F_per_protocol_networking_offload_caps__lro_max_msg_sz_mode, 0);
	SET(c, F_per_protocol_networking_offload_caps__lro_min_mss_size, 0);
	SET(c, F_per_protocol_networking_offload_caps__max_lso_cap, 18);
	/* 2: the queue decides how much of a header is inline */
	SET(c, F_per_protocol_networking_offload_caps__wqe_inline_mode, 2);
	SET(c, F_per_protocol_networking_offload_caps__wqe_vlan_insert, 1);
	SET(c, F_per_protocol_networking_offload_caps__rss_ind_tbl_cap, 9);
	for (i = 0; i < sizeof(periods_us) / sizeof(periods_us[0]); i++)
		put32(p + 4 * i, periods_us[i]);
}

void
cx_caps_fill(const struct cx_dev *d, unsigned int type, void *caps)
{
	switch (type) {
	case CAP_GENERAL:
		fill_general(caps);
		SET(caps, F_cmd_hca_cap__wait_on_time, d->conf.wait_on_time);
		break;
	case CAP_GENERAL_2:
		/* lets striding buffers be as small as 512 bytes */
		SET(caps, F_cmd_hca_cap_2__log_min_stride_wqe_sz, 9);
		break;
	case CAP_ETHERNET:
		fill_ethernet(caps);
		break;
	case CAP_NIC_FLOW_TABLE:
		SET(caps, F_flow_table_nic_cap__nic_receive_max_ft_level, MAX_FT_LEVEL);
		SET(caps, F_flow_table_nic_cap__nic_receive_reparse, 1);
		break;
	case CAP_WQE_FLOW_TABLE:
		fill_wqe_flow_table(caps);
		break;
	default:
		break;
	}
}
