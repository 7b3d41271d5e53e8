/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of the extra API that are not offered: each refuses with EOPNOTSUPP, and its bit of the
 * mask is clear. In the table, so that a program which does not look at the mask gets an error and
 * not a crash.
 */
#include <rte_common.h>

#include "vma/vma_priv.h"

static int
refuse(void)
{
	return vma_result(-EOPNOTSUPP);
}

int
vma_no_dpcp(uintptr_t **devices __rte_unused, size_t *num __rte_unused)
{
	return refuse();
}
