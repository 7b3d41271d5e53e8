/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside socketxtreme: what its files share.
 */
#ifndef DPVMA_XTREME_H
#define DPVMA_XTREME_H

#include "sock_priv.h"

/** A poll that is under way. The harvest comes first: it is what a ring knows of it. */
struct reap {
	struct ring_harvest harvest;
	struct sock_completion *at, *end; /**< of the application's array, what is not written */
	struct ring *ring;		  /**< that is polled; NULL: those of a socket are */
	struct ring_clock clock;	  /**< of clock_port */
	uint16_t clock_port;		  /**< UINT16_MAX: none was asked for yet */
};

/** struct ring_harvest.take */
uint16_t xtreme_take(struct ring_harvest *harvest, void *sock, struct rte_mbuf **pkts, uint16_t n);
/**
 * What waits at a socket, as completions.
 * @return whether the poll must look again: there was no room, or no memory
 */
bool xtreme_serve(struct sock *s, struct reap *r);

#endif
