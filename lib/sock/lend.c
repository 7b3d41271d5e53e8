/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that the application has in its hands: received without a copy, and given back. What they
 * look like to it is the business of the room above.
 */
#include "callback.h"
#include "fronts.h"
#include "sock_priv.h"
#include "user.h"

/** @name Out */
/** @{ */
int
sock_named_room(struct sockaddr *from, socklen_t *fromlen)
{
	if (!user_out(fromlen, sizeof(*fromlen)))
		return -EFAULT;
	if ((int)*fromlen < 0)
		return -EINVAL;
	return user_out(from, RTE_MIN((size_t)*fromlen, sizeof(struct sockaddr_in))) ? 0 : -EFAULT;
}

void
sock_lent_name(struct rte_mbuf *m, struct sockaddr *from, socklen_t *fromlen)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = udp_packet_udp(m)->src_port,
		.sin_addr.s_addr = udp_packet_ip(m)->src_addr,
	};

	memcpy(from, &sin, RTE_MIN(*fromlen, sizeof(sin)));
	*fromlen = sizeof(sin);
}

/* The kernel's socket has it: @p flags in place of the call's. */
static ssize_t
copy(struct sock *s, struct sock_loan *loan, int flags)
{
	struct iovec iov = { .iov_base = loan->buf, .iov_len = user_length(loan->len) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = loan->from };
	ssize_t ret;

	if (loan->from != NULL)
		msg.msg_namelen = *loan->fromlen;
	ret = os.recvmsg(s->fd, &msg, flags);
	if (ret < 0)
		return -errno;
	STAT_INC(udp_stats(s->udp), SOCK, rx_os);
	loan->got = msg.msg_flags;
	if (loan->from != NULL)
		*loan->fromlen = msg.msg_namelen;
	return ret;
}

static ssize_t
lend_datagram(struct sock *s, int fd, struct sock_loan *loan)
{
	struct sock_wait w = sock_wait_of(sock_dont_wait(s, loan->flags) ? 0 : s->rcv_timeout_ns);
	struct rte_mbuf *m;
	ssize_t ret;

	do {
		ret = sock_take(s, &m, 1, loan->flags, &w);
		if (likely(ret > 0)) {
			front_fill(s, fd, m);
			loan->first = m;
			*ring_mbuf_link(m) = NULL;
			if (loan->from != NULL)
				sock_lent_name(m, loan->from, loan->fromlen);
			return m->pkt_len;
		}
		if (ret == -EAGAIN && sock_dont_wait(s, loan->flags))
			STAT_INC(udp_stats(s->udp), SOCK, rx_eagain);
		if (ret != -EREMOTE)
			return ret;
		if (loan->forced)
			return -EOPNOTSUPP;
		if (!s->offloaded) {
			loan->kernels = true;
			return copy(s, loan, loan->flags);
		}
		ret = copy(s, loan, loan->flags | MSG_DONTWAIT);
		errno = ret < 0 ? (int)-ret : 0;
	} while (sock_try_again(s, ret, loan->flags));
	return ret;
}

/* Not ours, or what cannot be lent as it is to stay, or is no packet. */
static ssize_t
receive_plain(int fd, struct sock_loan *loan)
{
	struct iovec iov = { .iov_base = loan->buf, .iov_len = user_length(loan->len) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = loan->from };
	ssize_t ret;

	if (loan->forced)
		return -EOPNOTSUPP;
	if (loan->kernels) {
		ret = os.recvfrom(fd, loan->buf, loan->len, loan->flags, loan->from, loan->fromlen);
		return ret < 0 ? -errno : ret;
	}
	if (loan->from != NULL)
		msg.msg_namelen = *loan->fromlen;
	ret = dpvma_recvmsg(fd, &msg, loan->flags);
	if (ret < 0)
		return -errno;
	loan->got = msg.msg_flags;
	if (loan->from != NULL)
		*loan->fromlen = msg.msg_namelen;
	return ret;
}

static ssize_t
lend(struct sock *s, int fd, struct sock_loan *loan)
{
	ssize_t ret = sock_lent_room(loan->from, loan->fromlen);

	if (unlikely(ret != 0))
		return ret;
	if (unlikely(loan->pieces == 0))
		return -ENOBUFS;
	if (unlikely(!user_out(loan->buf, RTE_MIN(loan->len, loan->written))))
		return -EFAULT;
	if (likely(s->udp != NULL))
		return lend_datagram(s, fd, loan);
	ret = stream_sock_lend(s, loan);
	if (ret >= 0 && loan->from != NULL)
		*loan->fromlen = 0;
	return ret;
}

ssize_t
sock_lend(int fd, struct sock_loan *loan)
{
	struct sock *s = sock_get_named(fd);
	ssize_t ret;

	loan->first = NULL;
	loan->got = 0;
	loan->kernels = s == NULL || !s->offloaded;
	if (loan->kernels || (loan->flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)))
		ret = receive_plain(fd, loan);
	else
		ret = lend(s, fd, loan);
	if (s != NULL)
		sock_put(s);
	return ret;
}
/** @} */

/** @name Back */
/** @{ */
/*
 * One that has become the kernel's with packets of it in the application's hands takes those, and
 * knows of nothing else.
 */
static __rte_noinline bool
lent_before(const struct sock *s, void *const *packets, unsigned int n)
{
	const struct ring_meta *meta;

	if (s->epoll != NULL || n == 0 || !ring_mbuf_is(packets[0]))
		return false;
	meta = ring_mbuf_meta(packets[0]);
	return meta->lent == RING_LENT_PACKET && meta->owner == s->serial;
}

int
sock_lender(int fd)
{
	struct sock *s = sock_get_named(fd);
	int type = -EINVAL;

	if (s == NULL)
		return type;
	if (s->offloaded)
		type = s->ops->type;
	sock_put(s);
	return type;
}

static __rte_noinline void
refused(int err)
{
	sock_misused(err == -EFAULT			   ? EXTRA_STAT_unknown_buffer
					: err == -EALREADY ? EXTRA_STAT_given_back_twice
							   : EXTRA_STAT_foreign_buffer);
}

/* @return how many came back, and the bytes that were in them */
static unsigned int
take_back(struct sock *s, void *const *packets, unsigned int n, size_t *bytes)
{
	unsigned int i;
	int err;

	*bytes = 0;
	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = packets[i];

		err = ring_lent_back(m, RING_LENT_PACKET, s->serial);
		/* a callback gave it away before it said that it holds it */
		if (unlikely(err == -EALREADY) && callback_asked(s, m))
			err = ring_lent_back(m, RING_LENT_PACKET, s->serial);
		if (unlikely(err != 0)) {
			refused(err);
			break;
		}
		*bytes += m->pkt_len;
		rte_pktmbuf_free(m);
	}
	return i;
}

int
sock_lent_back(int fd, void *const *packets, unsigned int n)
{
	struct sock *s;
	unsigned int done = 0;
	size_t bytes;
	int ret;

	if (unlikely(sock_in_callback())) {
		sock_misused(EXTRA_STAT_free_in_callback);
		return -EDEADLK;
	}
	s = sock_get_named(fd);
	if (unlikely(s == NULL))
		return -EINVAL;
	if (likely(s->offloaded) || lent_before(s, packets, n)) {
		done = take_back(s, packets, n, &bytes);
		STAT_ADD(s->ops->counters(s), SOCK, rx_lent_back, done);
		if (s->stream != NULL && bytes != 0)
			stream_recv_done(s->stream, bytes);
	}
	ret = likely(done != 0 || (n == 0 && s->offloaded)) ? (int)done
			: s->offloaded			    ? -ENOENT
							    : -EINVAL;
	sock_put(s);
	return ret;
}
/** @} */
