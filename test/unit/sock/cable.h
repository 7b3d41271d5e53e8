/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stack on two ports and the cable between them, for connections of which both ends are ours. An
 * address of one's own is the kernel's business, so the cable gives each end another name: what A
 * (10.9.0.1) sends to B_SEEN arrives at B (10.9.1.1) as if it came from A_SEEN.
 */
#ifndef CABLE_H
#define CABLE_H

#include <stdbool.h>

#include "sock_test.h"

#define A "10.9.0.1"
#define B "10.9.1.1"
#define B_SEEN "10.9.0.9" /* what A calls B */
#define A_SEEN "10.9.1.9" /* and B calls A */

#define CABLE_QUEUES 4
/** Of each port, before the start; what arrives is spread over them by the sender's number. */
extern unsigned int cable_queues;
/** How far that is turned; may change at any time, atomically. */
extern unsigned int cable_turn;
/** EAL, both ports, dpvma with options "NAME=VALUE" up to NULL, and a thread that is the cable. */
void cable_start(const char *first, ...);
void cable_stop(void);

/** Nothing passes while it is cut. */
void cable_cut(bool cut);
/** One frame in so many is lost; 0: none. */
void cable_lossy(unsigned int one_in);
/** Wait until what was sent has arrived at the other port, or was lost. */
void cable_settle(void);
/** TTL and TOS of the last frame from A. */
void cable_last(unsigned int *ttl, unsigned int *tos);

/** @name Connections of A's with B */
/** @{ */
/** A listener at B and its number. */
int cable_listener(uint16_t *port);
/** connect() to it, from A. */
int cable_dial(int fd, uint16_t port);
/** Both ends of a connection; with buffers of @p bufs bytes if not 0. */
void cable_pair(int *client, int *server, int bufs);
/** @} */

#endif
