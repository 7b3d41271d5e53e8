/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What way.c and send.c share. The socket's tx_lock is held, but by way_close().
 */
#ifndef DPVMA_UDP_WAY_PRIV_H
#define DPVMA_UDP_WAY_PRIV_H

#include "udp/udp_priv.h"

#define WAYS 8

/* A destination, with what its way was asked for. */
struct way {
	struct net_dst d;
	struct ip_addr dst, src; /**< src: as asked */
	struct port *port;	 /**< as asked */
	struct ring *ring;
	uint32_t used;	      /**< when, for replacement */
	uint32_t chunk;	      /**< that uses it */
	bool valid;	      /**< dst and the rest are set */
	bool several;	      /**< multicast or broadcast */
	bool broadcast, loop; /**< loop: see loop_back() */
	uint8_t ttl, tos;
	bool df, no_check;
};

struct udp_tx {
	struct way peer;
	struct way cache[WAYS];
	uint32_t clock, chunk;
	struct ring *last;
	struct ring *rings[PORT_MAX];
	struct ring *old[PORT_MAX]; /**< before a migration: somebody may look at it still */
};

/** Memory for ways: 0, -ENOMEM. */
int way_ready(struct udp_sock *s);
/**
 * The way of one datagram.
 * @return 0; 1 when the chunk under way must be sent before there is room for it; what net_route()
 *         and ring_acquire() say; -EDESTADDRREQ
 */
int way_get(struct udp_sock *s, const struct udp_out *o, struct way **way);

#endif
