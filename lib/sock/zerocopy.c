/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sends of streams with MSG_ZEROCOPY. Each vector is looked at by itself: a header before a body is
 * copied, the body is not. Of memory that the device does not send from all is copied: pages that
 * the program has not registered may go, and nobody would tell the device.
 */
#include <limits.h>

#include "errqueue.h"
#include "zerocopy.h"

/* Linux advises to copy what is less: pages, or here buffers and references, cost something, too.
 */
#define RANGE_MIN 10240u

static bool
goes(struct sock *s, const struct iovec *iov)
{
	return iov->iov_len >= RANGE_MIN && iov->iov_len <= INT_MAX &&
			stream_sends_from(s->stream, iov->iov_base, iov->iov_len);
}

static ssize_t
copied(struct sock *s, const struct msghdr *msg, int flags, size_t len)
{
	const struct stream_part all = {
		.iov = msg->msg_iov, .iovcnt = (int)msg->msg_iovlen, .len = len
	};
	struct sock_wait w = { .restarts = s->snd_timeout_ns == 0 };
	ssize_t ret = stream_sock_send(s, &all, flags, &w);

	if (ret > 0)
		errqueue_zerocopy(s);
	return ret;
}

/* A vector without a copy; somebody else's bytes may have come between, then with one. */
static ssize_t
lend(struct sock *s, struct zerocopy_range *range, const struct iovec *iov, int flags,
		struct sock_wait *w)
{
	struct stream_part part = {
		.iov = iov, .iovcnt = 1, .zc = &range->zc, .len = iov->iov_len
	};
	ssize_t sent, more;

	tcp_zc_open(&range->zc, iov->iov_base, (uint32_t)iov->iov_len, errqueue_zerocopy_done);
	sent = stream_sock_send(s, &part, flags, w);
	if (likely(!range->zc.stale))
		return sent;
	sent = RTE_MAX(sent, 0);
	if (sent != 0 && stream_error(s->stream, false) != 0)
		return sent;
	part = (struct stream_part){
		.iov = iov, .iovcnt = 1, .skip = (size_t)sent, .len = iov->iov_len - (size_t)sent
	};
	more = stream_sock_send(s, &part, flags, w);
	if (more > 0)
		range->call->copied = true;
	return more > 0 ? sent + more : sent > 0 ? sent : more;
}

static ssize_t
send_vectors(struct sock *s, struct zerocopy_call *call, const struct msghdr *msg, size_t last,
		int flags)
{
	struct sock_wait w = { .restarts = s->snd_timeout_ns == 0 };
	struct zerocopy_range *range = call->range;
	size_t done = 0, i;
	ssize_t ret = 0;

	for (i = 0; i <= last; i++) {
		const struct iovec *iov = &msg->msg_iov[i];
		const struct stream_part part = { .iov = iov, .iovcnt = 1, .len = iov->iov_len };
		int how = i < last ? flags | MSG_MORE : flags;

		if (iov->iov_len == 0)
			continue;
		if (goes(s, iov) && range - call->range < call->ranges) {
			ret = lend(s, range++, iov, how, &w);
		} else {
			ret = stream_sock_send(s, &part, how, &w);
			call->copied |= iov->iov_len >= RANGE_MIN;
		}
		if (ret > 0)
			done += (size_t)ret;
		if (ret < 0 || (size_t)ret < iov->iov_len)
			break;
	}
	/* an error that was taken although something went is the next call's */
	if (done != 0 && ret < 0 && ret != -EAGAIN && ret != -EINTR && ret != -EBADF &&
			ret != -EPIPE)
		stream_put_error(s->stream, (int)-ret);
	return done != 0 ? (ssize_t)done : ret;
}

/* Those that were not begun are closed as those that were. */
static void
close_ranges(struct sock *s, struct zerocopy_call *call)
{
	struct zerocopy_range *range = call->range, *end = range + call->ranges;

	for (; range < end; range++) {
		if (range->zc.done == NULL)
			tcp_zc_open(&range->zc, NULL, 0, errqueue_zerocopy_done);
		stream_zc_close(s->stream, &range->zc);
	}
}

ssize_t
zerocopy_send(struct sock *s, const struct msghdr *msg, int flags)
{
	struct zerocopy_call *call = NULL;
	size_t i, last = 0, len = 0;
	unsigned int n = 0;
	ssize_t ret;

	for (i = 0; i < msg->msg_iovlen; i++) {
		len += msg->msg_iov[i].iov_len;
		last = msg->msg_iov[i].iov_len != 0 ? i : last;
		n += goes(s, &msg->msg_iov[i]);
	}
	/* an urgent byte is none of many */
	if (n != 0 && len <= INT_MAX && (flags & MSG_OOB) == 0)
		call = errqueue_zerocopy_begin(s, n);
	if (call == NULL)
		return copied(s, msg, flags, RTE_MIN(len, (size_t)INT_MAX));
	ret = send_vectors(s, call, msg, last, flags);
	if (ret > 0 && call->copied)
		STAT_INC(stream_counters(s->stream), SOCK, tx_zerocopy_copied);
	else if (ret > 0)
		STAT_INC(stream_counters(s->stream), SOCK, tx_zerocopy);
	close_ranges(s, call);
	errqueue_zerocopy_end(s, call, ret > 0);
	return ret;
}
