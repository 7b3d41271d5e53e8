/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error queue of a socket, which recvmsg(MSG_ERRQUEUE) reads: ICMP errors (IP_RECVERR), sends
 * with MSG_ZEROCOPY that are done, and when datagrams and bytes were sent (SO_TIMESTAMPING). It is
 * there from the first option on that asks for one of these.
 */
#ifndef DPVMA_SOCK_ERRQUEUE_H
#define DPVMA_SOCK_ERRQUEUE_H

#include "sock_priv.h"

/** One vector of a send that goes without a copy. */
struct zerocopy_range {
	struct tcp_zc zc;
	struct zerocopy_call *call;
};
/** A send with MSG_ZEROCOPY that is not done when it returns. */
struct zerocopy_call {
	STAILQ_ENTRY(zerocopy_call) next;
	struct errqueue *q;
	uint32_t number;
	uint32_t left; /**< ranges that are not done with, and the call itself */
	uint32_t ranges;
	bool copied;
	struct zerocopy_range range[];
};

/** Make it, if there is none. 0, -ENOMEM. sock.lock is held. */
int errqueue_open(struct sock *s);
void errqueue_free(struct sock *s);

/** net_report_cb of IP_RECVERR; @p sock is the socket. */
void errqueue_icmp(void *sock, const struct flow_key *key, const struct net_error *e);

/**
 * One more send with MSG_ZEROCOPY gets its number and is done with its memory, which was copied. It
 * is told of when all before it are; consecutive ones share an entry.
 */
void errqueue_zerocopy(struct sock *s);
/** One that may go without a copy, with room for @p n ranges. NULL: no memory */
struct zerocopy_call *errqueue_zerocopy_begin(struct sock *s, unsigned int n);
/** Of which nothing refers to the range any more; see tcp_zc.done. */
void errqueue_zerocopy_done(struct tcp_zc *zc);
/**
 * The call returns: it gets its number, or with @p sent false none. Its ranges are closed, and it
 * is not the caller's any more.
 */
void errqueue_zerocopy_end(struct sock *s, struct zerocopy_call *call, bool sent);
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
