/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks: packets that are staged until a thread of the application judges them.
 */
#ifndef DPVMA_SOCK_CALLBACK_H
#define DPVMA_SOCK_CALLBACK_H

#include "sock_priv.h"

/** Sockets whose staged packets wait for a thread of the application. */
extern uint32_t callbacks_waiting;
/** Run them, but inside of one. @return whether any ran */
bool callbacks_run(void);
/** After each turn of rings of a receive, poll, select or epoll call; no lock is held. */
static inline bool
callbacks_turn(void)
{
	return unlikely(__atomic_load_n(&callbacks_waiting, __ATOMIC_RELAXED) != 0) &&
			callbacks_run();
}
/** udp_staged_cb: the socket has something to judge. Any lock of rooms below may be held. */
void callbacks_staged(void *sock, struct ring *ring);
/**
 * Judge a batch of the socket's. What passes is moved to its front, in order, what is kept is lent,
 * the rest freed.
 * @return how many passed
 */
unsigned int callback_judge(struct sock *s, struct sock_judging *judging);
/**
 * Whether another thread's callback may have been asked about the packet just now, and has held it
 * since; the verdict is waited for. Not inside of a callback.
 */
bool callback_asked(struct sock *s, const void *packet);
/** Its last name is gone: no callback of it begins any more. */
void callback_forget(struct sock *s);
void callback_free(struct sock *s);
/** A child of fork(). */
void callbacks_forget(void);
/**
 * A sleep begins: staged packets end it, whoever staged them.
 * @return a descriptor to sleep on, -1: there are no callbacks
 */
int callbacks_asleep(void);
/** After the look that follows: whether some wait already. */
bool callbacks_pending(void);
void callbacks_awake(int fd);
/** A receive call of a socket with a callback, from inside of one: nothing would come. */
static inline bool
callback_bars(const struct sock *s)
{
	return s->callback != NULL && sock_in_callback();
}

#endif
