/* SPDX-License-Identifier: BSD-3-Clause */
/* What send.c and pace.c share. The socket's tx_lock is held. */
#ifndef DPVMA_UDP_SEND_PRIV_H
#define DPVMA_UDP_SEND_PRIV_H

#include "udp/udp_priv.h"

/** Datagrams that went, of @p n; and what the first that did not said, else 0. */
unsigned int send_now(struct udp_sock *s, const struct udp_out *out, unsigned int n, int *err);
/** As udp_send(), of a socket with a rate. */
int pace_send(struct udp_sock *s, const struct udp_out *out, unsigned int n);

#endif
