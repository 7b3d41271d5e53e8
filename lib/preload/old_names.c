/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extra API's functions by their old names, which a program finds here although libdpvma.so is
 * loaded only now, and out of its sight.
 */
#include "preload.h"

#define FORWARD(name, params, args)                                                                \
	EXPORT int name params;                                                                    \
	EXPORT int name params                                                                     \
	{                                                                                          \
		const struct core *c = core();                                                     \
                                                                                                   \
		if (c != NULL)                                                                     \
			return c->old_calls()->name args;                                          \
		errno = EOPNOTSUPP;                                                                \
		return -1;                                                                         \
	}
SOCK_OLD_CALLS(FORWARD)
