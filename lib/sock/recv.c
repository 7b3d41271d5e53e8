/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving: take datagrams from the socket's queue, polling its rings as VMA_RX_POLL says and then
 * sleeping, and copy them out. A batch costs one queue lock and one bulk free.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sched.h>
#include <unistd.h>

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "sock_priv.h"

static bool
dont_wait(const struct sock *s, int flags)
{
	return s->nonblock || (flags & MSG_DONTWAIT);
}

/* The kernel's socket is looked at once in VMA_RX_UDP_POLL_OS_RATIO polls. */
static bool
os_turn(struct sock *s)
{
	if (likely(!s->os_pollable) || --s->os_countdown > 0)
		return false;
	s->os_countdown = conf()->rx_udp_poll_os_ratio;
	return kernel_readable(s->fd);
}

static int
look(struct sock *s, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int got = udp_dequeue(s->udp, pkts, n);
	int err;

	if (got != 0)
		return (int)got;
	if (unlikely(udp_has_error(s->udp)) && (err = udp_take_error(s->udp)) != 0)
		return -err;
	if (unlikely(s->closing))
		return -EBADF;
	return s->shut_read ? 0 : -EAGAIN;
}

static __rte_noinline int
take_blocking(struct sock *s, struct rte_mbuf **pkts, unsigned int n)
{
	uint64_t deadline = s->rcv_timeout_ns ? clock_ns() + (uint64_t)s->rcv_timeout_ns : UINT64_MAX;
	int rounds = conf()->rx_poll, yield = conf()->rx_poll_yield, round, ret;

	for (;;) {
		for (round = 0; rounds < 0 || round < rounds; round++) {
			if (udp_poll(s->udp) == 0 && os_turn(s))
				return -EREMOTE;
			ret = look(s, pkts, n);
			if (ret != -EAGAIN) {
				STAT_INC(udp_stats(s->udp), SOCK, rx_poll_hit);
				return ret;
			}
			if (unlikely((round & 0xff) == 0xff) && deadline != UINT64_MAX &&
					clock_ns() >= deadline)
				return -EAGAIN;
			if (unlikely(yield != 0 && round % yield == yield - 1))
				sched_yield();
			rte_pause();
		}
		STAT_INC(udp_stats(s->udp), SOCK, rx_poll_miss);
		ret = sock_sleep(s, deadline);
		if (ret != 0)
			return ret;
		udp_poll(s->udp);
		ret = look(s, pkts, n);
		if (ret != -EAGAIN)
			return ret;
	}
}

int
sock_take(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags)
{
	int ret = look(s, pkts, n);

	if (ret != -EAGAIN)
		return ret;
	if (unlikely(!s->bound) && (ret = sock_autobind(s)) != 0)
		return ret;
	if (udp_poll(s->udp) != 0) {
		ret = look(s, pkts, n);
		if (ret != -EAGAIN)
			return ret;
	}
	if (os_turn(s))
		return -EREMOTE;
	if (!dont_wait(s, flags))
		return take_blocking(s, pkts, n);
	STAT_INC(udp_stats(s->udp), SOCK, rx_eagain);
	return -EAGAIN;
}

/** Copy a datagram out; bytes copied. */
static size_t
copy_out(const struct rte_mbuf *m, const struct iovec *iov, size_t iovcnt)
{
	size_t left = m->pkt_len, done = 0, seg_off = 0, i;

	if (likely(iovcnt == 1 && m->nb_segs == 1)) {
		done = RTE_MIN(left, iov->iov_len);
		rte_memcpy(iov->iov_base, rte_pktmbuf_mtod(m, const void *), done);
		return done;
	}
	for (i = 0; i < iovcnt && left != 0; i++) {
		size_t room = iov[i].iov_len;
		uint8_t *to = iov[i].iov_base;

		while (room != 0 && left != 0) {
			size_t part = RTE_MIN(room, m->data_len - seg_off);

			memcpy(to, rte_pktmbuf_mtod_offset(m, const void *, seg_off), part);
			to += part;
			room -= part;
			left -= part;
			done += part;
			seg_off += part;
			if (seg_off == m->data_len) {
				m = m->next;
				seg_off = 0;
			}
		}
	}
	return done;
}

static void
write_name(struct msghdr *msg, const struct rte_mbuf *m)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = udp_packet_udp(m)->src_port,
		.sin_addr.s_addr = udp_packet_ip(m)->src_addr,
	};

	memcpy(msg->msg_name, &sin, RTE_MIN(msg->msg_namelen, (socklen_t)sizeof(sin)));
	msg->msg_namelen = sizeof(sin);
}

/** Fill one message; what recvmsg() returns for it. */
static inline size_t
fill(struct sock *s, struct msghdr *msg, const struct rte_mbuf *m, int flags)
{
	size_t len = copy_out(m, msg->msg_iov, msg->msg_iovlen);

	msg->msg_flags = 0;
	if (unlikely(len < m->pkt_len)) {
		msg->msg_flags |= MSG_TRUNC;
		STAT_INC(udp_stats(s->udp), SOCK, rx_truncated);
		if (flags & MSG_TRUNC)
			len = m->pkt_len;
	}
	if (msg->msg_name != NULL)
		write_name(msg, m);
	if (unlikely(s->wants != 0))
		cmsg_write(s, msg, m);
	else
		msg->msg_controllen = 0;
	return len;
}

static ssize_t
peek(struct sock *s, struct msghdr *msg, int flags)
{
	struct rte_mbuf *m = udp_peek(s->udp);
	ssize_t len;
	int ret;

	/* fetch one by the ordinary way would take it: poll until one is there */
	if (m == NULL) {
		uint64_t deadline = s->rcv_timeout_ns ? clock_ns() + (uint64_t)s->rcv_timeout_ns
						      : UINT64_MAX;

		for (;;) {
			udp_poll(s->udp);
			m = udp_peek(s->udp);
			if (m != NULL)
				break;
			if (dont_wait(s, flags))
				return -EAGAIN;
			if (s->closing)
				return -EBADF;
			if (s->shut_read)
				return 0;
			ret = sock_sleep(s, deadline);
			if (ret != 0)
				return ret;
		}
	}
	len = (ssize_t)fill(s, msg, m, flags);
	rte_pktmbuf_free(m);
	return len;
}

static ssize_t
recv_one(struct sock *s, struct msghdr *msg, int flags)
{
	struct rte_mbuf *m;
	ssize_t len;
	int ret;

	if (unlikely(flags & MSG_ERRQUEUE))
		return -EREMOTE;
	if (unlikely(flags & MSG_PEEK))
		return peek(s, msg, flags);
	ret = sock_take(s, &m, 1, flags);
	if (unlikely(ret <= 0)) {
		if (ret == 0) {
			msg->msg_namelen = 0;
			msg->msg_controllen = 0;
			msg->msg_flags = 0;
		}
		return ret;
	}
	len = (ssize_t)fill(s, msg, m, flags);
	STAT_INC(udp_stats(s->udp), SOCK, rx_read);
	rte_pktmbuf_free(m);
	return len;
}

ssize_t
dpvma_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sock *s = sock_get(fd);
	ssize_t ret = -EREMOTE;

	if (s != NULL && s->offloaded)
		ret = msg == NULL ? -EFAULT : recv_one(s, msg, flags);
	if (ret == -EREMOTE) {
		/* ours blocks by polling both: the kernel's part must not block alone */
		ret = recvmsg(fd, msg, s != NULL && s->offloaded ? flags | MSG_DONTWAIT : flags);
		if (ret >= 0 && s != NULL && s->offloaded)
			STAT_INC(udp_stats(s->udp), SOCK, rx_os);
	} else if (ret < 0) {
		ret = fail((int)ret);
	}
	if (s != NULL)
		sock_put(s);
	return ret;
}

ssize_t
dpvma_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t ret;

	if (from != NULL && fromlen != NULL) {
		msg.msg_name = from;
		msg.msg_namelen = *fromlen;
	}
	ret = dpvma_recvmsg(fd, &msg, flags);
	if (ret >= 0 && from != NULL && fromlen != NULL)
		*fromlen = msg.msg_namelen;
	return ret;
}

ssize_t
dpvma_recv(int fd, void *buf, size_t len, int flags)
{
	return dpvma_recvfrom(fd, buf, len, flags, NULL, NULL);
}

/* What is no socket of ours is read as what it is: a file, a pipe. */
ssize_t
dpvma_read(int fd, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	return dpvma_readv(fd, &iov, 1);
}

ssize_t
dpvma_readv(int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt };
	struct sock *s = sock_get(fd);

	if (s == NULL)
		return readv(fd, iov, iovcnt);
	sock_put(s);
	if (iovcnt < 0 || iovcnt > IOV_MAX)
		return fail(-EINVAL);
	return dpvma_recvmsg(fd, &msg, 0);
}

static unsigned int
fill_batch(struct sock *s, struct mmsghdr *vec, struct rte_mbuf **pkts, unsigned int n, int flags)
{
	unsigned int i;

	for (i = 0; i < n && i < 4; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], const void *));
	for (i = 0; i < n; i++) {
		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], const void *));
		vec[i].msg_len = (unsigned int)fill(s, &vec[i].msg_hdr, pkts[i], flags);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	STAT_ADD(udp_stats(s->udp), SOCK, rx_read, n);
	return n;
}

/*
 * As recvmmsg(2), with its flaw mended that a timeout is only looked at after a datagram: the time
 * bounds the wait for the first one, too.
 */
static int
recv_many(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags, const struct timespec *timeout)
{
	uint64_t deadline = timeout == NULL ? UINT64_MAX
					    : clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
							      (uint64_t)timeout->tv_nsec;
	struct rte_mbuf *pkts[SOCK_BATCH];
	unsigned int done = 0;
	int ret = -EAGAIN;

	while (done < n) {
		bool wait = !(flags & MSG_DONTWAIT) && !(done != 0 && (flags & MSG_WAITFORONE));

		ret = sock_take(s, pkts, RTE_MIN(n - done, (unsigned int)SOCK_BATCH),
				wait && timeout == NULL ? flags : flags | MSG_DONTWAIT);
		if (ret > 0) {
			done += fill_batch(s, vec + done, pkts, (unsigned int)ret, flags);
			continue;
		}
		if (ret != -EAGAIN || !wait || s->nonblock || timeout == NULL)
			break;
		if (clock_ns() >= deadline)
			break;
		ret = sock_sleep(s, deadline);
		if (ret != 0)
			break;
	}
	return done != 0 ? (int)done : ret;
}

int
dpvma_recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	struct sock *s = sock_get(fd);
	int ret = -EREMOTE;

	if (s != NULL && s->offloaded && !(flags & (MSG_PEEK | MSG_ERRQUEUE))) {
		if (vec == NULL)
			ret = n == 0 ? 0 : -EFAULT;
		else
			ret = recv_many(s, vec, n, flags, timeout);
	}
	if (ret == -EREMOTE) {
		ret = recvmmsg(fd, vec, n, s != NULL && s->offloaded ? flags | MSG_DONTWAIT : flags, timeout);
		if (ret > 0 && s != NULL && s->offloaded)
			STAT_ADD(udp_stats(s->udp), SOCK, rx_os, (uint64_t)ret);
	} else if (ret < 0) {
		ret = fail(ret);
	}
	if (s != NULL)
		sock_put(s);
	return ret;
}
