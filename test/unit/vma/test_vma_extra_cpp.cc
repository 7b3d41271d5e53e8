/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * <mellanox/vma_extra.h> as a C++ program sees it: the same layout as in C, and no preload library
 * in front of the kernel, which has to make vma_get_api() return nothing.
 */
#include <mellanox/vma_extra.h>

#include "layout.h"

int
main()
{
	/* The one difference of the languages: an empty structure has a size in C++. */
	static_assert(sizeof(struct vma_modify_ring_attr) == 16, "vma_modify_ring_attr");
	struct vma_completion_cb_t completion = {};

	completion.comp_mask = VMA_CB_MASK_TIMESTAMP;
	if (vma_get_api() != nullptr) {
		fprintf(stderr, "vma_get_api: a table without a library\n");
		return 1;
	}
	return layout_errors() == 0 && completion.packets == 0 ? 0 : 1;
}
