/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error queue of a socket, which recvmsg(MSG_ERRQUEUE) reads: ICMP errors (IP_RECVERR), sends
 * with MSG_ZEROCOPY that are done, and when datagrams and bytes were sent (SO_TIMESTAMPING). It is
 * there from the first option on that asks for one of these.
 */
#ifndef DPVMA_SOCK_ERRQUEUE_H
#define DPVMA_SOCK_ERRQUEUE_H

#include "sock_priv.h"

/** Make it, if there is none. 0, -ENOMEM. sock.lock is held. */
int errqueue_open(struct sock *s);
void errqueue_free(struct sock *s);

/** net_report_cb of IP_RECVERR; @p sock is the socket. */
void errqueue_icmp(void *sock, const struct flow_key *key, const struct net_error *e);

/**
 * One more send with MSG_ZEROCOPY gets its number and is done at once, as sending copies.
 * Consecutive ones share an entry.
 */
void errqueue_zerocopy(struct sock *s);
/** Whether there is room for what that notes: else a send is refused with ENOBUFS. */
bool errqueue_zerocopy_room(struct sock *s);

/**
 * A timestamp of what was sent.
 * @param kind SCM_TSTAMP_*
 * @param key what SOF_TIMESTAMPING_OPT_ID tells of it
 * @param data of the packet, @p len bytes of it, from the link header on
 */
void errqueue_stamp(struct sock *s, uint32_t kind, uint32_t key, uint64_t ns, const void *data,
		size_t len);

/** As recvmsg(): bytes, -EAGAIN. */
ssize_t errqueue_recv(struct sock *s, struct msghdr *msg);

#endif
