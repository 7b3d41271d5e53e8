/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entry points that the PMD is linked with but that the model does not have: the PMD binds them all
 * when it is loaded. They fail with EOPNOTSUPP. No header is included, so that one shape fits all.
 */
#include <errno.h>
#include <stddef.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define EXPORT __attribute__((visibility("default")))

#define NO_POINTER(name)                                                                           \
	EXPORT void *name(void)                                                                    \
	{                                                                                          \
		errno = EOPNOTSUPP;                                                                \
		return NULL;                                                                       \
	}

#define NO_CALL(name)                                                                              \
	EXPORT int name(void)                                                                      \
	{                                                                                          \
		errno = EOPNOTSUPP;                                                                \
		return EOPNOTSUPP;                                                                 \
	}

/* clang-format off */
NO_POINTER(mlx5dv_alloc_var)
NO_CALL(mlx5dv_free_var)
NO_POINTER(mlx5dv_create_flow_action_modify_header)
NO_POINTER(mlx5dv_create_flow_action_packet_reformat)
NO_CALL(mlx5dv_devx_obj_query_async)
NO_POINTER(mlx5dv_pp_alloc)
NO_CALL(mlx5dv_pp_free)
NO_POINTER(mlx5dv_dr_action_create_aso)
NO_POINTER(mlx5dv_dr_action_create_dest_array)
NO_POINTER(mlx5dv_dr_action_create_dest_ib_port)
NO_POINTER(mlx5dv_dr_action_create_dest_root_table)
NO_POINTER(mlx5dv_dr_action_create_flow_meter)
NO_POINTER(mlx5dv_dr_action_create_flow_sampler)
NO_POINTER(mlx5dv_dr_action_create_modify_header)
NO_POINTER(mlx5dv_dr_action_create_packet_reformat)
NO_CALL(mlx5dv_dr_action_modify_flow_meter)
NO_POINTER(mlx5dv_dr_action_create_pop_vlan)
NO_POINTER(mlx5dv_dr_action_create_push_vlan)
