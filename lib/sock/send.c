/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending: messages become datagrams for room udp, a batch at a time; the rest is the kernel's. */
#include <stdio.h>
#include <unistd.h>

#include "sock_priv.h"

#define SEND_FLAG_DUMMY 0x400 /**< VMA_SND_FLAGS_DUMMY: walk the way, send nothing */

/** The addresses a datagram refers to, beside it. */
struct out_addrs {
	struct ip_addr to, src;
};

static int
from_message(const struct msghdr *msg, struct udp_out *out, struct out_addrs *addrs)
{
	int ret;

	*out = (struct udp_out){
		.iov = msg->msg_iov,
		.iovcnt = (unsigned int)msg->msg_iovlen,
		.tos = -1,
		.ttl = -1,
	};
	if (unlikely(msg->msg_iovlen > IOV_MAX))
		return -EMSGSIZE;
	if (msg->msg_name != NULL) {
		ret = ip_from_sockaddr(msg->msg_name, msg->msg_namelen, &addrs->to, &out->port_be);
		if (ret != 0)
			return ret;
		/* Linux: 0.0.0.0 means this host */
		if (ip_is_any(&addrs->to))
			return -EREMOTE;
		if (out->port_be == 0)
			return -EINVAL;
		out->addr = &addrs->to;
	}
	if (unlikely(msg->msg_controllen != 0))
		return cmsg_read(msg, out, &addrs->src);
	return 0;
}

static int
send_out(struct sock *s, const struct udp_out *out, unsigned int n, int flags)
{
	int ret;

	if (unlikely(!s->bound) && (ret = sock_autobind(s)) != 0)
		return ret;
	ret = udp_send(s->udp, out, n, (flags & SEND_FLAG_DUMMY) != 0);
	/* a blocking sender waits for the queue; UDP's queue drains in microseconds */
	while (unlikely(ret == -EAGAIN) && !s->nonblock && !(flags & MSG_DONTWAIT) && !s->closing) {
		rte_pause();
		ret = udp_send(s->udp, out, n, false);
	}
	return ret;
}

static ssize_t
message_len(const struct msghdr *msg)
{
	size_t i, len = 0;

	for (i = 0; i < msg->msg_iovlen; i++)
		len += msg->msg_iov[i].iov_len;
	return (ssize_t)len;
}

static ssize_t
os_sent(struct sock *s, ssize_t ret)
{
	if (ret >= 0)
		STAT_INC(udp_stats(s->udp), SOCK, tx_os);
	return ret;
}

ssize_t
dpvma_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sock *s = sock_get(fd);
	struct out_addrs addrs;
	struct udp_out out;
	ssize_t ret;

	if (s == NULL || !s->offloaded) {
		if (s != NULL)
			sock_put(s);
		/* a dummy never reaches the kernel, which would send it */
		return flags & SEND_FLAG_DUMMY ? fail(-EINVAL) : sendmsg(fd, msg, flags);
	}
	if (msg == NULL || (msg->msg_iov == NULL && msg->msg_iovlen != 0))
		ret = -EFAULT;
	else if (unlikely(flags & MSG_OOB))
		ret = -EOPNOTSUPP;
	else
		ret = from_message(msg, &out, &addrs);
	if (ret == 0)
		ret = send_out(s, &out, 1, flags);
	if (ret > 0)
		ret = message_len(msg);
	else if (ret == -EREMOTE && !(flags & SEND_FLAG_DUMMY))
		ret = os_sent(s, sendmsg(fd, msg, flags));
	else if (ret < 0)
		ret = fail((int)ret);
	sock_put(s);
	return ret;
}

ssize_t
dpvma_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = tolen,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};

	return dpvma_sendmsg(fd, &msg, flags);
}

ssize_t
dpvma_send(int fd, const void *buf, size_t len, int flags)
{
	return dpvma_sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t
dpvma_write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };

	return dpvma_writev(fd, &iov, 1);
}

ssize_t
dpvma_writev(int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt };
	struct sock *s = sock_get(fd);

	if (s == NULL)
		return writev(fd, iov, iovcnt);
	sock_put(s);
	if (iovcnt < 0 || iovcnt > IOV_MAX)
		return fail(-EINVAL);
	return dpvma_sendmsg(fd, &msg, 0);
}

static int
send_many(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags)
{
	struct udp_out out[SOCK_BATCH];
	struct out_addrs addrs[SOCK_BATCH];
	unsigned int done = 0;
	int ret = 0;

	while (done < n) {
		unsigned int want = RTE_MIN(n - done, (unsigned int)SOCK_BATCH), made, i;

		for (made = 0; made < want; made++) {
			ret = from_message(&vec[done + made].msg_hdr, &out[made], &addrs[made]);
			if (ret != 0)
				break;
		}
		if (made != 0) {
			int sent = send_out(s, out, made, flags);

			if (sent < 0) {
				ret = sent;
				break;
			}
			for (i = 0; i < (unsigned int)sent; i++)
				vec[done + i].msg_len = (unsigned int)message_len(&vec[done + i].msg_hdr);
			done += (unsigned int)sent;
			if ((unsigned int)sent < made)
				break;
		}
		if (ret != 0)
			break;
	}
	return done != 0 ? (int)done : ret;
}

int
dpvma_sendmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL || !s->offloaded) {
		if (s != NULL)
			sock_put(s);
		return flags & SEND_FLAG_DUMMY ? fail(-EINVAL) : sendmmsg(fd, vec, n, flags);
	}
	ret = vec == NULL && n != 0 ? -EFAULT : send_many(s, vec, RTE_MIN(n, (unsigned int)IOV_MAX), flags);
	if (ret == -EREMOTE && !(flags & SEND_FLAG_DUMMY))
		ret = (int)os_sent(s, sendmmsg(fd, vec, n, flags));
	else if (ret < 0)
		ret = fail(ret);
	sock_put(s);
	return ret;
}
