/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of ports share: an EAL without pages and PCI, and the lines that were logged. */
#ifndef PORT_TEST_H
#define PORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "port/port.h"

/** Start EAL with these --vdev arguments, up to NULL. */
void test_eal(const char *first, ...);
void test_eal_stop(void);

/** Load the options from "NAME=VALUE" strings, up to NULL; lines are captured from now on. */
void test_conf(const char *first, ...);

/** The lines logged at level info and above since test_conf(), each ending in a newline. */
extern char test_log[8192];

/** Have ethdev tell of an event, as a PMD would, on this thread. */
void test_event(uint16_t port_id, enum rte_eth_event_type type);

struct rte_mempool *test_pool(const char *name, unsigned int n);

#endif
