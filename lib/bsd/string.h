/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands before libbsd's header of this name and is no room. DPDK's rte_string_fns.h includes
 * <bsd/string.h>; that one, compiled with the overlay that gives us <sys/tree.h>, asks for the next
 * <string.h> after /usr/include, where there is none. With the overlay <string.h> has all of it.
 */
#ifdef LIBBSD_OVERLAY
#include <string.h>
#else
#include_next <bsd/string.h>
#endif
