/* SPDX-License-Identifier: BSD-3-Clause */
/* Entry points the PMD links against but the model does not implement: they
 * fail with EOPNOTSUPP. Kept apart from the headers so one shape fits all. */
#include <errno.h>

#include <stddef.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define EXP __attribute__((visibility("default")))
#define SP(n)                                                                                      \
	EXP void *n(void)                                                                          \
	{                                                                                          \
		errno = EOPNOTSUPP;                                                                \
		return NULL;                                                                       \
	}
#define SI(n)                                                                                      \
	EXP int n(void)                                                                            \
	{                                                                                          \
		errno = EOPNOTSUPP;                                                                \
		return EOPNOTSUPP;                                                                 \
	}
SP(mlx5dv_alloc_var)
SI(mlx5dv_free_var) SP(mlx5dv_create_flow) SP(mlx5dv_create_flow_action_modify_header) SP(
		mlx5dv_create_flow_action_packet_reformat) SP(mlx5dv_create_flow_matcher)
		SI(mlx5dv_destroy_flow_matcher) SI(mlx5dv_devx_obj_query_async) SP(mlx5dv_pp_alloc) SI(
				mlx5dv_pp_free) SP(mlx5dv_dr_action_create_aso) SP(mlx5dv_dr_action_create_dest_array)
				SP(mlx5dv_dr_action_create_dest_ib_port) SP(mlx5dv_dr_action_create_dest_root_table) SP(
						mlx5dv_dr_action_create_flow_meter) SP(mlx5dv_dr_action_create_flow_sampler)
						SP(mlx5dv_dr_action_create_modify_header) SP(
								mlx5dv_dr_action_create_packet_reformat)
								SI(mlx5dv_dr_action_modify_flow_meter) SP(
										mlx5dv_dr_action_create_pop_vlan)
										SP(mlx5dv_dr_action_create_push_vlan)
