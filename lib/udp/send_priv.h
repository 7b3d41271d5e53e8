/* SPDX-License-Identifier: BSD-3-Clause */
/* What send.c and pace.c share. The socket's tx_lock is held. */
#ifndef DPVMA_UDP_SEND_PRIV_H
#define DPVMA_UDP_SEND_PRIV_H

#include "udp/udp_priv.h"

enum send_how {
	SEND_NOW,
	SEND_DUMMY, /**< VMA_SND_FLAGS_DUMMY */
	SEND_TIMED, /**< each at its pace_time() */
};

/** Datagrams that went, of @p n; and what the first that did not said, else 0. */
unsigned int send_now(struct udp_sock *s, const struct udp_out *out, unsigned int n,
		enum send_how how, int *err);
/** The time of the next datagram of a timed batch, as ring_mbuf_send_at() takes it; 0: at once. */
uint64_t pace_time(struct udp_sock *s);
/** As udp_send(), of a socket with a rate. */
int pace_send(struct udp_sock *s, const struct udp_out *out, unsigned int n);

#endif
