/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_MAX_PACING_RATE: the option, and who waits for a datagram's time.
 */
#ifndef DPVMA_SOCK_RATE_H
#define DPVMA_SOCK_RATE_H

#include "sock_priv.h"

int rate_set(struct sock *s, int name, const void *val, socklen_t len);
int rate_get(struct sock *s, int name, void *val, socklen_t *len);
/** The extra API's form, SOCK_RATE_LIMIT bytes, of a socket that the kernel carries: as the call.
 */
int rate_set_kernels(int fd, const void *val, socklen_t len);
int rate_get_kernels(int fd, void *val, socklen_t *len);
/** Until a datagram may go. 0, -EAGAIN (deadline), -EINTR, -EBADF (closed) */
int rate_wait(struct sock *s, struct sock_wait *w);
/** Of a socket that is paced: whether one may go now. If not, epolls are told when. */
bool rate_has_room(struct sock *s);
/** When the first of them is to be told, ns; UINT64_MAX: none waits. */
extern uint64_t rate_next;
void rate_turn_due(void);
/** Tell those whose time has come; for who polls rings for an epoll. */
static inline void
rate_turn(void)
{
	if (unlikely(__atomic_load_n(&rate_next, __ATOMIC_RELAXED) != UINT64_MAX))
		rate_turn_due();
}
void rate_forget(struct sock *s);
/** The child of a fork() has none. */
void rate_forget_all(void);

#endif
