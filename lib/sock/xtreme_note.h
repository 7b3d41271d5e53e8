/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * socketxtreme: what happened to a socket outside of a poll that could tell at once.
 */
#ifndef DPVMA_SOCK_XTREME_NOTE_H
#define DPVMA_SOCK_XTREME_NOTE_H

#include "sock_priv.h"

/**
 * A poll of the ring shall look at the socket. Any lock of the rooms below may be held.
 * @param ring NULL: the first one of the socket's that is polled
 * @param events as sock_wake()
 */
void xtreme_note(struct sock *s, struct ring *ring, unsigned int events);
/** Its rings are others. */
void xtreme_moved(struct sock *s);
/** Nobody can note anything of it any more, nor find it. */
void xtreme_forget(struct sock *s);
/** Number of sockets to be looked at; @p ring takes those over that no ring has. */
unsigned int xtreme_noted(struct ring *ring);
/** The oldest of them with one more user, NULL: it has gone, or there is none. */
struct sock *xtreme_next(struct ring *ring);
/** From now on xtreme_of_serial() finds it, until xtreme_forget(). */
void xtreme_known(struct sock *s);
/** The socket with one more user; NULL: closed. */
struct sock *xtreme_of_serial(uint32_t serial);

#endif
