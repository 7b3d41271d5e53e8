/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of rings share: an EAL without pages and PCI, options, log lines, packets. */
#ifndef RING_TEST_H
#define RING_TEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/ring_priv.h"

/** Start EAL with so many MB and these --vdev arguments, up to NULL. */
void test_eal(const char *mb, const char *first, ...);
void test_eal_stop(void);

/**
 * Options from "NAME=VALUE" strings, up to NULL; then ports and rings are started. Lines are
 * captured from then on.
 */
void test_start(const char *first, ...);
/** The same without the start. */
void test_conf(const char *first, ...);
/** Rings and ports end; pools too. */
void test_stop(void);

/** Lines logged at level info and above since the last options. */
extern char test_log[8192];

/** The key of a UDP flow to 10.0.0.1 or, for local 0, any address; remote 0: a 3-tuple. */
struct flow_key test_key(uint8_t local, uint16_t lport, uint8_t remote, uint16_t rport);

/** An allocation as a socket makes it, with this logic. */
struct ring_alloc test_alloc(enum conf_ring_logic logic);

/** ring_acquire() for receiving that must work. */
struct ring *test_acquire(struct port *port, struct ring_alloc *alloc);

/** A sink that counts and frees, and keeps the last ring that delivered. */
struct test_sink {
	struct sink sink;
	unsigned int packets;
	struct ring *ring;
};
void test_sink_init(struct test_sink *s);

#endif
