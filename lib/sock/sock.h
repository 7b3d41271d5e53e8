/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What room sock offers to the room above it: the stack behind a file descriptor. Programs use
 * dpvma.h.
 */
#ifndef DPVMA_SOCK_H
#define DPVMA_SOCK_H

#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dpvma.h"
#include "ring/ring.h"
#include "stat/stat.h"

struct udp_sock;

/** @return rings the socket receives from, at most @p n of them written; 0 when it is not offloaded
 */
int sock_rings(int fd, struct ring **rings, int n);

/** @return the ring a send to @p to would use; NULL with errno EINVAL or ENODATA */
struct ring *sock_tx_ring(int fd, const struct sockaddr *to, socklen_t len);

/**
 * The headers a packet to the peer carries.
 * @param[in,out] len room in @p buf, then bytes written; @p buf NULL: bytes needed
 * @return 0; -1 with errno EINVAL (not offloaded), ENOTCONN, ENOBUFS
 */
int sock_headers(int fd, void *buf, uint16_t *len);

/**
 * Who gives the table that getsockopt(-1, SOL_SOCKET, SO_VMA_GET_API) stores; NULL: there is none,
 * the call is the kernel's.
 */
void sock_set_api(void *(*get)(void));

/** A mistake of the program, which was refused: counted for the process. Any thread. */
void sock_misused(enum extra_stat what);

/**
 * VMA's thread_offload: whether sockets that the thread opens from now on are offloaded. Of another
 * thread it counts from its next socket on; the last word wins.
 * @return 0, -ESRCH: there is no such thread (any more), -ENOMEM
 */
int sock_thread_offload(pthread_t thread, bool on);

#endif
