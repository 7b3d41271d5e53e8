/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends of streams with MSG_ZEROCOPY, and the part of a send that both ways of sending have. */
#ifndef DPVMA_SOCK_ZEROCOPY_H
#define DPVMA_SOCK_ZEROCOPY_H

#include "sock_priv.h"

/** Bytes of a send that all go the same way. */
struct stream_part {
	const struct iovec *iov; /**< copied from here, without its first @p skip bytes */
	int iovcnt;
	size_t skip;
	struct tcp_zc *zc; /**< or not copied from here; NULL: copied */
	size_t len;	   /**< to send */
};
/**
 * Send a part, and wait for room as flags and socket say.
 * @return bytes, or why there are none, -errno
 */
ssize_t stream_sock_send(
		struct sock *s, const struct stream_part *part, int flags, struct sock_wait *w);

/**
 * A send with MSG_ZEROCOPY on a socket with SO_ZEROCOPY: what is large and lies where the device
 * sends from goes without a copy, and the error queue tells when it is done with; else all is
 * copied, and the error queue says so.
 * @return as send()
 */
ssize_t zerocopy_send(struct sock *s, const struct msghdr *msg, int flags);

#endif
