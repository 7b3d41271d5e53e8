/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving: take datagrams from the socket's queue, polling its rings as VMA_RX_POLL says and then
 * sleeping, and copy them out. A batch costs one queue lock and one bulk free.
 */
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "callback.h"
#include "errqueue.h"
#include "fronts.h"
#include "user.h"

static struct sock_wait
wait_of(const struct sock *s, int flags)
{
	return sock_wait_of(sock_dont_wait(s, flags) ? 0 : s->rcv_timeout_ns);
}

/*
 * The kernel's socket is looked at once in VMA_RX_UDP_POLL_OS_RATIO turns, those that found
 * something at once included: else a busy ring would keep its datagrams waiting for ever.
 */
static bool
os_turn(struct sock *s)
{
	if (likely(!s->os_pollable) || --s->os_countdown > 0)
		return false;
	s->os_countdown = conf()->rx_udp_poll_os_ratio;
	return kernel_readable(s->fd);
}

/* What was told of the kernel's half is there for who asks for it, whatever the ratio. */
static __rte_noinline bool
os_told_turn(struct sock *s)
{
	/* in this order: it may be told again meanwhile */
	__atomic_store_n(&s->os_told, false, __ATOMIC_SEQ_CST);
	if (!kernel_readable(s->fd))
		return false;
	__atomic_store_n(&s->os_told, true, __ATOMIC_RELAXED);
	return true;
}

static inline unsigned int
fetch(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags)
{
	if (unlikely(flags & MSG_PEEK))
		return (pkts[0] = udp_peek(s->udp)) != NULL;
	return udp_dequeue(s->udp, pkts, n);
}

static int
look(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags)
{
	unsigned int got;
	int err;

	if (front_has(s))
		front_return(s);
	got = fetch(s, pkts, n, flags);
	/* another thread has some at hand since */
	if (got == 0 && front_has(s) && front_return(s))
		got = fetch(s, pkts, n, flags);
	if (got != 0)
		return (int)got;
	if (unlikely(udp_has_error(s->udp)) && (err = udp_take_error(s->udp)) != 0)
		return -err;
	if (unlikely(s->closing))
		return -EBADF;
	/* another thread bound or connected it, and the kernel's it became */
	if (unlikely(!s->offloaded))
		return -EREMOTE;
	return s->shut_read ? 0 : -EAGAIN;
}

/* With signals held back but in the sleep: one that comes between two naps ends the call, too. */
static int
take_sleeping(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags,
		struct sock_wait *w)
{
	int ret = -EAGAIN, slept = 0;
	sigset_t before;

	signals_hold(&before);
	while (ret == -EAGAIN && slept == 0) {
		slept = sock_sleep(s, POLLIN, w, &before);
		udp_poll(s->udp);
		callbacks_turn();
		ret = look(s, pkts, n, flags);
	}
	signals_release(&before);
	return ret == -EAGAIN ? slept : ret;
}

static __rte_noinline int
take_blocking(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags,
		struct sock_wait *w)
{
	int rounds = conf()->rx_poll, round, ret;

	sock_wait_begin(w);
	for (round = 0; rounds < 0 || round < rounds; round = (round + 1) & INT_MAX) {
		udp_poll(s->udp);
		callbacks_turn();
		ret = look(s, pkts, n, flags);
		if (ret != -EAGAIN) {
			STAT_INC(udp_stats(s->udp), SOCK, rx_poll_hit);
			return ret;
		}
		if (os_turn(s))
			return -EREMOTE;
		ret = sock_turned(w, round);
		if (ret != 0)
			return ret;
	}
	STAT_INC(udp_stats(s->udp), SOCK, rx_poll_miss);
	return take_sleeping(s, pkts, n, flags, w);
}

/* VMA_RX_CQ_DRAIN_RATE_NSEC: the rings get a turn though the socket has datagrams. */
static __rte_noinline void
drain(struct sock *s)
{
	uint64_t now = rte_rdtsc();

	if (now - s->drained_tsc <
			(uint64_t)conf()->rx_cq_drain_rate_nsec * rte_get_tsc_hz() / 1000000000u)
		return;
	s->drained_tsc = now;
	udp_poll(s->udp);
}

int
sock_take(struct sock *s, struct rte_mbuf **pkts, unsigned int n, int flags, struct sock_wait *w)
{
	bool came;
	int ret;

	if (unlikely(conf()->rx_cq_drain_rate_nsec != 0))
		drain(s);
	if (unlikely(os_turn(s)))
		return -EREMOTE;
	ret = look(s, pkts, n, flags);
	if (ret != -EAGAIN)
		return ret;
	/* one without a port gets none by this, as on Linux: it waits until somebody binds it */
	came = udp_poll(s->udp) != 0;
	came |= callbacks_turn();
	if (came) {
		ret = look(s, pkts, n, flags);
		if (ret != -EAGAIN)
			return ret;
	}
	if (!sock_dont_wait(s, flags) && !callback_bars(s))
		return take_blocking(s, pkts, n, flags, w);
	return unlikely(__atomic_load_n(&s->os_told, __ATOMIC_RELAXED)) && os_told_turn(s)
			? -EREMOTE
			: -EAGAIN;
}

/** Copy a datagram out; bytes copied, or -EFAULT. */
static ssize_t
copy_out(const struct rte_mbuf *m, const struct iovec *iov, size_t iovcnt)
{
	size_t left = m->pkt_len, done = 0, seg_off = 0, i;

	if (likely(iovcnt == 1 && m->nb_segs == 1)) {
		done = RTE_MIN(left, iov->iov_len);
		if (unlikely(!user_out(iov->iov_base, done)))
			return -EFAULT;
		rte_memcpy(iov->iov_base, rte_pktmbuf_mtod(m, const void *), done);
		return (ssize_t)done;
	}
	if (unlikely(!user_iov_out(iov, iovcnt, left)))
		return -EFAULT;
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
	return (ssize_t)done;
}

static int
write_name(struct msghdr *msg, const struct rte_mbuf *m)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = udp_packet_udp(m)->src_port,
		.sin_addr.s_addr = udp_packet_ip(m)->src_addr,
	};

	socklen_t len = RTE_MIN(msg->msg_namelen, (socklen_t)sizeof(sin));

	if (unlikely(!user_out(msg->msg_name, len)))
		return -EFAULT;
	memcpy(msg->msg_name, &sin, len);
	msg->msg_namelen = sizeof(sin);
	return 0;
}

/** Fill one message; what recvmsg() returns for it, or -EFAULT. */
static inline ssize_t
fill(struct sock *s, struct msghdr *msg, const struct rte_mbuf *m, int flags)
{
	ssize_t len = copy_out(m, msg->msg_iov, msg->msg_iovlen);

	if (unlikely(len < 0))
		return len;
	msg->msg_flags = 0;
	if (unlikely((size_t)len < m->pkt_len)) {
		msg->msg_flags |= MSG_TRUNC;
		STAT_INC(udp_stats(s->udp), SOCK, rx_truncated);
		if (flags & MSG_TRUNC)
			len = m->pkt_len;
	}
	if (msg->msg_name != NULL && unlikely(write_name(msg, m) != 0))
		return -EFAULT;
	if (unlikely(s->wants != 0)) {
		if (!user_out(msg->msg_control, msg->msg_control == NULL ? 0 : msg->msg_controllen))
			return -EFAULT;
		cmsg_write(s, msg, m);
	} else
		msg->msg_controllen = 0;
	return len;
}

/* What the kernel's socket sent has its errors there. */
static __rte_noinline ssize_t
recv_error(struct sock *s, struct msghdr *msg)
{
	ssize_t ret = errqueue_recv(s, msg);

	return ret == -EAGAIN && s->kernel_bound ? -EREMOTE : ret;
}

static ssize_t
recv_one(struct sock *s, struct msghdr *msg, int flags, struct sock_wait *w)
{
	struct rte_mbuf *m;
	ssize_t len;
	int ret;

	if (unlikely(flags & MSG_ERRQUEUE))
		return recv_error(s, msg);
	ret = sock_take(s, &m, 1, flags, w);
	if (unlikely(ret <= 0)) {
		if (ret == 0) {
			msg->msg_namelen = 0;
			msg->msg_controllen = 0;
			msg->msg_flags = 0;
		}
		return ret;
	}
	len = fill(s, msg, m, flags);
	rte_pktmbuf_free(m);
	return len;
}

static ssize_t
recvmsg_offloaded(struct sock *s, struct msghdr *msg, int flags)
{
	struct sock_wait w = wait_of(s, flags);
	ssize_t ret;

	do {
		ret = recv_one(s, msg, flags, &w);
		if (likely(ret >= 0))
			return ret;
		if (ret == -EAGAIN && sock_dont_wait(s, flags))
			STAT_INC(udp_stats(s->udp), SOCK, rx_eagain);
		if (ret != -EREMOTE)
			return fail((int)ret);
		if (!s->offloaded)
			return os.recvmsg(s->fd, msg, flags);
		ret = os.recvmsg(s->fd, msg, flags | MSG_DONTWAIT);
	} while (sock_try_again(s, ret, flags));
	if (ret >= 0)
		STAT_INC(udp_stats(s->udp), SOCK, rx_os);
	return ret;
}

static __rte_noinline ssize_t
kernels_recv(int fd, struct msghdr *msg, int flags, enum user_given given)
{
	if (given != USER_BUF)
		return os.recvmsg(fd, msg, flags);
	return os.recv(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags);
}

/** A message that the program gave, or one that we made of what it gave. */
static inline ssize_t
receive(int fd, struct msghdr *msg, int flags, enum user_given given)
{
	struct sock *s = sock_get(fd);
	ssize_t ret;

	if (s == NULL)
		return kernels_recv(fd, msg, flags, given);
	if (unlikely(!s->offloaded)) {
		sock_put(s);
		return kernels_recv(fd, msg, flags, given);
	}
	if (given == USER_MSG && unlikely(!user_out(msg, sizeof(*msg))))
		ret = -EFAULT;
	else
		ret = user_given(msg, given);
	if (unlikely(ret != 0))
		ret = fail((int)ret);
	else if (likely(s->udp != NULL))
		ret = recvmsg_offloaded(s, msg, flags);
	else
		ret = stream_sock_recvmsg(s, msg, flags);
	sock_put(s);
	return ret;
}

ssize_t
dpvma_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return receive(fd, msg, flags, USER_MSG);
}

/* Linux looks for room for the address after it has received. */
static __rte_noinline ssize_t
receive_named(int fd, struct msghdr *msg, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct sock *s = sock_get(fd);
	bool offloaded = s != NULL && s->offloaded;
	struct sockaddr_storage name;
	ssize_t ret;

	if (s != NULL)
		sock_put(s);
	if (!offloaded)
		return os.recvfrom(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags, from,
				fromlen);
	msg->msg_name = &name;
	msg->msg_namelen = sizeof(name);
	ret = receive(fd, msg, flags, USER_BUF);
	if (ret < 0)
		return ret;
	if (!user_out(fromlen, sizeof(*fromlen)))
		return fail(-EFAULT);
	if ((int)*fromlen < 0)
		return fail(-EINVAL);
	if (!user_out(from, RTE_MIN(*fromlen, msg->msg_namelen)))
		return fail(-EFAULT);
	memcpy(from, &name, RTE_MIN(*fromlen, msg->msg_namelen));
	*fromlen = msg->msg_namelen;
	return ret;
}

ssize_t
dpvma_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct iovec iov = { .iov_base = buf, .iov_len = user_length(len) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (from != NULL)
		return receive_named(fd, &msg, flags, from, fromlen);
	return receive(fd, &msg, flags, USER_BUF);
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
	if (!sock_is_ours(fd))
		return os.read(fd, buf, len);
	if (unlikely(!user_range(buf, len)))
		return fail(-EFAULT);
	return dpvma_recvfrom(fd, buf, len, 0, NULL, NULL);
}

ssize_t
dpvma_readv(int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)iovcnt };

	if (!sock_is_ours(fd))
		return os.readv(fd, iov, iovcnt);
	if (iovcnt < 0 || iovcnt > IOV_MAX)
		return fail(-EINVAL);
	return receive(fd, &msg, 0, USER_IOV);
}

/* @return messages filled; what comes after one that has no room is lost with it, as on Linux */
static int
fill_batch(struct sock *s, struct mmsghdr *vec, struct rte_mbuf **pkts, unsigned int n, int flags)
{
	unsigned int i, done = 0;
	int bad = 0;

	for (i = 0; i < n && i < 4; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], const void *));
	for (i = 0; i < n; i++) {
		ssize_t len;

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], const void *));
		len = user_out(&vec[i], sizeof(vec[i])) ? user_msg(&vec[i].msg_hdr) : -EFAULT;
		if (likely(len == 0))
			len = fill(s, &vec[i].msg_hdr, pkts[i], flags);
		if (unlikely(len < 0)) {
			bad = (int)len;
			break;
		}
		vec[i].msg_len = (unsigned int)len;
		done++;
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return done != 0 ? (int)done : bad;
}

static int
recv_many(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags, struct sock_wait *w)
{
	struct rte_mbuf *pkts[SOCK_BATCH];
	unsigned int done = 0;
	int ret = 0, ask;

	while (done < n) {
		bool wait = done == 0 || !(flags & MSG_WAITFORONE);

		ret = sock_take(s, pkts, RTE_MIN(n - done, (unsigned int)SOCK_BATCH),
				wait ? flags : flags | MSG_DONTWAIT, w);
		if (ret <= 0)
			break;
		w->restarts = false;
		ask = ret;
		ret = fill_batch(s, vec + done, pkts, (unsigned int)ask, flags);
		done += ret > 0 ? (unsigned int)ret : 0;
		if (unlikely(ret != ask))
			break;
	}
	return done != 0 ? (int)done : ret;
}

/* Flags that are for a single datagram: the first one, as often as it is asked for. */
static int
recv_singly(struct sock *s, struct mmsghdr *vec, int flags)
{
	ssize_t ret = user_out(vec, sizeof(*vec)) ? user_msg(&vec[0].msg_hdr) : -EFAULT;

	if (ret != 0)
		return (int)ret;
	ret = recvmsg_offloaded(s, &vec[0].msg_hdr, flags);

	if (ret < 0)
		return -errno;
	vec[0].msg_len = (unsigned int)ret;
	return 1;
}

/* Each takes what there is; only the first waits with MSG_WAITFORONE. */
static int
recvmmsg_stream(struct sock *s, struct mmsghdr *vec, unsigned int n, int flags)
{
	unsigned int i;
	ssize_t ret;

	for (i = 0; i < RTE_MIN(n, (unsigned int)SOCK_MSGS_MAX); i++) {
		ret = user_out(&vec[i], sizeof(vec[i])) ? user_msg(&vec[i].msg_hdr) : -EFAULT;
		if (ret != 0)
			return i != 0 ? (int)i : (int)ret;
		ret = stream_sock_recvmsg(s, &vec[i].msg_hdr,
				(flags & MSG_WAITFORONE) && i != 0 ? flags | MSG_DONTWAIT : flags);
		if (ret < 0)
			return i != 0 ? (int)i : -errno;
		vec[i].msg_len = (unsigned int)ret;
	}
	return (int)i;
}

static int
recvmmsg_offloaded(
		struct sock *s, struct mmsghdr *vec, unsigned int n, int flags, struct sock_wait *w)
{
	int ret;

	if (n == 0)
		return 0;
	/* before anything is waited for, as Linux does */
	ret = user_out(vec, sizeof(*vec)) ? user_msg(&vec[0].msg_hdr) : -EFAULT;
	if (unlikely(ret != 0))
		return ret;
	if (unlikely(flags & (MSG_PEEK | MSG_ERRQUEUE)))
		return recv_singly(s, vec, flags);
	do {
		ret = recv_many(s, vec, RTE_MIN(n, (unsigned int)SOCK_MSGS_MAX), flags, w);
		if (likely(ret >= 0))
			return ret;
		if (ret == -EAGAIN && sock_dont_wait(s, flags))
			STAT_INC(udp_stats(s->udp), SOCK, rx_eagain);
		if (ret != -EREMOTE)
			return ret;
		if (!s->offloaded)
			return -EREMOTE;
		ret = os.recvmmsg(s->fd, vec, n, flags | MSG_DONTWAIT, NULL);
	} while (sock_try_again(s, ret, flags));
	if (ret > 0)
		STAT_ADD(udp_stats(s->udp), SOCK, rx_os, (uint64_t)ret);
	return ret < 0 ? -errno : ret;
}

int
dpvma_recvmmsg(int fd, struct mmsghdr *vec, unsigned int n, int flags, struct timespec *timeout)
{
	struct sock *s = sock_get(fd);
	struct sock_wait w;
	int ret = -EREMOTE;

	if (s == NULL)
		return os.recvmmsg(fd, vec, n, flags, timeout);
	if (likely(s->offloaded)) {
		ret = timeout == NULL ? 0 : poll_timeout(timeout);
		if (ret != 0) {
			sock_put(s);
			return fail(ret);
		}
		w = wait_of(s, flags);
		if (timeout != NULL)
			w.deadline_ns = clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
					(uint64_t)timeout->tv_nsec;
		ret = s->udp != NULL ? recvmmsg_offloaded(s, vec, n, flags, &w)
				     : recvmmsg_stream(s, vec, n, flags);
		if (timeout != NULL && ret >= 0)
			*timeout = timespec_until(w.deadline_ns, false);
	}
	sock_put(s);
	if (unlikely(ret == -EREMOTE))
		return os.recvmmsg(fd, vec, n, flags, timeout);
	return ret < 0 ? fail(ret) : ret;
}
