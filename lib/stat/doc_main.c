/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stat-doc: prints doc/counters.md.
 */
#include "stat/stat.h"

int
main(void)
{
	stat_doc(stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
