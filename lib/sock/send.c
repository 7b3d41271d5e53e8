/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending: messages become datagrams for room udp, a batch at a time; the rest is the kernel's. */
#include <limits.h>
#include <unistd.h>

#include "errqueue.h"
#include "rate.h"
#include "user.h"

/** The addresses a datagram refers to, beside it. */
struct out_addrs {
	struct ip_addr to, src;
};

/* sendmsg() takes what is too long for what it may be, where sendto() refuses it. */
static socklen_t
name_length(const struct msghdr *msg)
{
	return RTE_MIN(msg->msg_namelen, (socklen_t)sizeof(struct sockaddr_storage));
}

static int
from_message(struct sock *s, const struct msghdr *msg, struct udp_out *out, struct out_addrs *addrs,
		uint32_t *stamping)
{
	int ret;

	*stamping = s->stamping;
	*out = (struct udp_out){
		.iov = msg->msg_iov,
		.iovcnt = (unsigned int)msg->msg_iovlen,
		.tos = -1,
		.ttl = -1,
	};
	/* Linux looks for the way first */
	if (unlikely(!user_iov_in(msg->msg_iov, msg->msg_iovlen, SIZE_MAX)))
		return msg->msg_name == NULL && !udp_peer(s->udp, &addrs->to, &out->port_be)
				? -EDESTADDRREQ
				: -EFAULT;
	if (msg->msg_name != NULL) {
		ret = sock_address(msg->msg_name, name_length(msg), &addrs->to, &out->port_be);
		if (unlikely(ret != 0))
			return ret;
		if (unlikely(out->port_be == 0))
			return -EINVAL;
		/* Linux: 0.0.0.0 means this host */
		if (unlikely(ip_is_any(&addrs->to)))
			return -EREMOTE;
		if (unlikely(s->mc_kernel && ip_is_multicast(&addrs->to)))
			return -EREMOTE;
		if (unlikely(conf_offload_asked(CONF_UDP_SENDER)) &&
				rules_sends(s, &addrs->to, out->port_be))
			return -EREMOTE;
		out->addr = &addrs->to;
	} else if (unlikely(s->peer_os)) {
		return -EREMOTE;
	}
	if (unlikely(msg->msg_controllen != 0 && !user_in(msg->msg_control, msg->msg_controllen)))
		return -EFAULT;
	if (unlikely(msg->msg_controllen != 0))
		return cmsg_read(s, msg, out, &addrs->src, stamping);
	return 0;
}

/* A blocking sender waits for the queue, which drains in microseconds while the link is up. */
static __rte_noinline int
send_blocking(struct sock *s, const struct udp_out *out, unsigned int n)
{
	uint64_t deadline =
			s->snd_timeout_ns ? clock_ns() + (uint64_t)s->snd_timeout_ns : UINT64_MAX;
	unsigned int tries = 0;
	int ret;

	do {
		rte_pause();
		ret = udp_send(s->udp, out, n, false);
		if ((++tries & 0xff) == 0 && deadline != UINT64_MAX && clock_ns() >= deadline)
			break;
	} while (ret == -EAGAIN && !s->closing);
	return ret == -EAGAIN && s->closing ? -EBADF : ret;
}

/* Each at its time: what is not blocking sends what may go now. */
static __rte_noinline int
send_paced(struct sock *s, const struct udp_out *out, unsigned int n, int flags)
{
	struct sock_wait w = sock_wait_of(s->snd_timeout_ns);
	unsigned int done = 0;
	int ret;

	for (;;) {
		ret = udp_send(s->udp, out + done, n - done, false);
		if (ret > 0)
			done += (unsigned int)ret;
		if (done == n || (ret < 0 && ret != -EAGAIN))
			break;
		ret = -EAGAIN;
		if (s->nonblock || (flags & MSG_DONTWAIT))
			break;
		w.restarts &= done == 0;
		ret = rate_wait(s, &w);
		if (ret != 0)
			break;
	}
	if (done != 0)
		return (int)done;
	if (ret == -EAGAIN) {
		STAT_INC(udp_stats(s->udp), SOCK, tx_eagain);
		epoll_no_room(s);
		sock_wake_sleepers(s);
	}
	return ret;
}

static int
send_all(struct sock *s, const struct udp_out *out, unsigned int n, int flags)
{
	int ret;

	if (unlikely(s->paced) && !(flags & SOCK_SEND_DUMMY))
		return send_paced(s, out, n, flags);
	ret = udp_send(s->udp, out, n, (flags & SOCK_SEND_DUMMY) != 0);
	if (unlikely(ret == -EAGAIN)) {
		if (!s->nonblock && !(flags & MSG_DONTWAIT))
			ret = send_blocking(s, out, n);
		if (ret == -EAGAIN) {
			STAT_INC(udp_stats(s->udp), SOCK, tx_eagain);
			/* nobody says when there is room again: who waits for that edge tries again
			 */
			epoll_no_room(s);
		}
	}
	return ret;
}

static __rte_noinline int
send_noted(struct sock *s, const struct udp_out *out, const uint32_t *stamping, unsigned int n,
		int flags)
{
	uint64_t before = note_now();
	int ret = note_before(s, flags);

	if (ret == 0)
		ret = send_all(s, out, n, flags);
	if (ret > 0)
		note_sent(s, out, stamping, (unsigned int)ret, flags, before);
	return ret;
}

static int
send_out(struct sock *s, const struct udp_out *out, const uint32_t *stamping, unsigned int n,
		int flags)
{
	int ret;

	if (unlikely(!s->bound)) {
		ret = sock_autobind(s);
		if (ret != 0 || (!s->offloaded && !s->sends))
			return ret != 0 ? ret : -EREMOTE;
	}
	/* the error queue of one that the kernel receives for is the kernel's */
	if (unlikely(s->notes != 0) && s->offloaded && !(flags & SOCK_SEND_DUMMY))
		return send_noted(s, out, stamping, n, flags);
	return send_all(s, out, n, flags);
}

static ssize_t
message_len(const struct msghdr *msg)
{
	size_t i, len = 0;

	for (i = 0; i < msg->msg_iovlen; i++)
		len += msg->msg_iov[i].iov_len;
	return (ssize_t)len;
}

/* What leads through no port of ours goes by the kernel's socket; a dummy never does. */
static __rte_noinline ssize_t
send_by_kernel(struct sock *s, const struct msghdr *msg, int flags)
{
	ssize_t ret;
	int err;

	if (flags & SOCK_SEND_DUMMY)
		return fail(-EINVAL);
	/* with our number, so that answers find us whichever way they come */
	if (!s->bound && (err = sock_autobind(s)) != 0)
		return fail(err);
	if (!sock_kernel_may_send(s))
		return fail(-ENETUNREACH);
	/* numbers of sends are ours: the kernel copies, and the send is done */
	ret = os.sendmsg(s->fd, msg, flags & ~MSG_ZEROCOPY);
	if (ret >= 0)
		STAT_INC(udp_stats(s->udp), SOCK, tx_os);
	if (unlikely((s->notes & NOTE_ZEROCOPY) && (flags & MSG_ZEROCOPY)) && ret > 0)
		errqueue_zerocopy(s);
	return ret;
}

/* Flags that change what is sent, and that we do not know. */
static int
check_flags(int flags)
{
	return unlikely(flags & (MSG_OOB | MSG_MORE)) ? -EOPNOTSUPP : 0;
}

/* By the call that the program made, as they differ in what they refuse. */
static __rte_noinline ssize_t
kernels_send(int fd, const struct msghdr *msg, int flags, enum user_given given)
{
	if (given != USER_BUF)
		return os.sendmsg(fd, msg, flags);
	return os.sendto(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags, msg->msg_name,
			msg->msg_namelen);
}

static inline ssize_t
transmit(int fd, const struct msghdr *msg, int flags, enum user_given given)
{
	struct sock *s = sock_get(fd);
	struct out_addrs addrs;
	struct udp_out out;
	uint32_t stamping;
	ssize_t ret;

	if (s == NULL || unlikely(!s->offloaded && !s->sends)) {
		if (s != NULL)
			sock_put(s);
		/* a dummy never reaches the kernel, which would send it */
		return flags & SOCK_SEND_DUMMY ? fail(-EINVAL)
					       : kernels_send(fd, msg, flags, given);
	}
	ret = user_given(msg, given);
	if (unlikely(given == USER_BUF && msg->msg_name != NULL &&
			    msg->msg_namelen > sizeof(struct sockaddr_storage)))
		ret = -EINVAL;
	if (unlikely(s->udp == NULL)) {
		/* of no use, and looked at all the same */
		if (unlikely(ret == 0 && msg->msg_name != NULL))
			ret = sock_name_given(msg->msg_name, name_length(msg));
		ret = ret == 0 ? stream_sock_sendmsg(s, msg, flags) : fail((int)ret);
		sock_put(s);
		return ret;
	}
	if (likely(ret == 0))
		ret = check_flags(flags);
	if (ret == 0)
		ret = from_message(s, msg, &out, &addrs, &stamping);
	if (ret == 0)
		ret = send_out(s, &out, &stamping, 1, flags);
	if (likely(ret > 0))
		ret = message_len(msg);
	else if (ret == -EREMOTE)
		ret = send_by_kernel(s, msg, flags);
	else if (ret < 0)
		ret = fail((int)ret);
	sock_put(s);
	return ret;
}

ssize_t
dpvma_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return transmit(fd, msg, flags, USER_MSG);
}

ssize_t
dpvma_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		socklen_t tolen)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = user_length(len) };
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = tolen,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	return transmit(fd, &msg, flags, USER_BUF);
}

ssize_t
dpvma_send(int fd, const void *buf, size_t len, int flags)
{
	return dpvma_sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t
dpvma_write(int fd, const void *buf, size_t len)
{
	if (!sock_is_ours(fd))
		return os.write(fd, buf, len);
	if (unlikely(!user_range(buf, len)))
		return fail(-EFAULT);
	return dpvma_sendto(fd, buf, len, 0, NULL, 0);
}

/* What is no socket of ours is written as what it is: a file, a pipe. */
ssize_t
dpvma_writev(int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)iovcnt };

	if (!sock_is_ours(fd))
		return os.writev(fd, iov, iovcnt);
	if (iovcnt < 0 || iovcnt > IOV_MAX)
		return fail(-EINVAL);
	return transmit(fd, &msg, 0, USER_IOV);
}

/**
 * One batch: messages up to the first that cannot be made or is the kernel's business.
 * @return messages taken, or an error of the first
 */
static int
send_batch(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags)
{
	struct udp_out out[SOCK_BATCH];
	struct out_addrs addrs[SOCK_BATCH];
	uint32_t stamping[SOCK_BATCH];
	unsigned int made;
	int ret = 0, i;

	for (made = 0; made < n; made++) {
		ret = user_out(&vec[made], sizeof(vec[made])) ? user_msg(&vec[made].msg_hdr)
							      : -EFAULT;
		if (likely(ret == 0))
			ret = from_message(s, &vec[made].msg_hdr, &out[made], &addrs[made],
					&stamping[made]);
		if (unlikely(ret != 0))
			break;
	}
	if (made != 0)
		ret = send_out(s, out, stamping, made, flags);
	for (i = 0; i < ret; i++)
		vec[i].msg_len = (unsigned int)message_len(&vec[i].msg_hdr);
	return ret;
}

static int
send_many(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags)
{
	unsigned int done = 0;
	int ret = check_flags(flags);

	while (ret >= 0 && done < n) {
		ret = send_batch(s, vec + done, RTE_MIN(n - done, (unsigned int)SOCK_BATCH), flags);
		if (unlikely(ret == -EREMOTE)) {
			ssize_t len = send_by_kernel(s, &vec[done].msg_hdr, flags);

			vec[done].msg_len = len < 0 ? 0 : (unsigned int)len;
			ret = len < 0 ? -errno : 1;
		}
		if (ret == 0)
			break;
		if (ret > 0)
			done += (unsigned int)ret;
	}
	return done != 0 ? (int)done : ret;
}

static int
sendmmsg_stream(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags)
{
	unsigned int i;
	ssize_t ret;

	for (i = 0; i < n; i++) {
		ret = user_out(&vec[i], sizeof(vec[i])) ? user_msg(&vec[i].msg_hdr) : -EFAULT;
		ret = ret == 0 ? stream_sock_sendmsg(s, &vec[i].msg_hdr, flags) : fail((int)ret);
		if (ret < 0)
			return i != 0 ? (int)i : -errno;
		vec[i].msg_len = (unsigned int)ret;
	}
	return (int)i;
}

int
dpvma_sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL || unlikely(!s->offloaded && !s->sends)) {
		if (s != NULL)
			sock_put(s);
		return flags & SOCK_SEND_DUMMY ? fail(-EINVAL) : os.sendmmsg(fd, vec, n, flags);
	}
	if (unlikely(s->udp == NULL))
		ret = sendmmsg_stream(s, vec, RTE_MIN(n, (unsigned int)SOCK_MSGS_MAX), flags);
	else
		ret = send_many(s, vec, RTE_MIN(n, (unsigned int)SOCK_MSGS_MAX), flags);
	sock_put(s);
	return ret < 0 ? fail(ret) : ret;
}
