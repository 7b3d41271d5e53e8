/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs of their own, which tests run, check by: no cmocka, and nothing of dpvma's. */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #what,       \
					errno);                                                    \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)
#define FAILS(call, err) CHECK((errno = 0, (call)) == -1 && errno == (err))

#endif
