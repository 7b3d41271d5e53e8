/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf-doc: prints doc/parameters.md.
 */
#include "conf/conf.h"

int
main(void)
{
	conf_doc(stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
