/* SPDX-License-Identifier: BSD-3-Clause */
/* Data of stream sockets: what of a call waits, how long, and what it says then. */
#include <limits.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "callback.h"
#include "errqueue.h"
#include "user.h"
#include "zerocopy.h"

#define LOOK_ROUNDS 8	 /**< turns between looks at what comes without a stir */
#define OS_ROUNDS 100	 /**< turns between looks at the kernel's socket of a listener */
#define WINDOW 65536	 /**< bytes of a buffer that are made sure of, asked for or not */
#define FILE_CHUNK 65536 /**< bytes of a file that are read at once */

static bool
there(struct sock *s, short want)
{
	return s->closing || s->ops->awaited(s, want);
}

static int
wait_sleeping(struct sock *s, short want, struct sock_wait *w)
{
	sigset_t before;
	int ret;

	STAT_INC(stream_counters(s->stream), SOCK, rx_poll_miss);
	signals_hold(&before);
	do {
		ret = sock_sleep(s, want, w, &before);
		stream_poll(s->stream);
		if (want & POLLIN)
			callbacks_turn();
		if ((ret == -EAGAIN || ret == -EINTR) && there(s, want))
			ret = 0;
	} while (ret == 0 && !there(s, want));
	signals_release(&before);
	return ret;
}

int
stream_sock_wait(struct sock *s, short want, struct sock_wait *w)
{
	int rounds = conf()->rx_poll, round, ret;
	uint32_t stirs = s->stirs;

	sock_wait_begin(w);
	for (round = 0; rounds < 0 || round < rounds; round = (round + 1) & INT_MAX) {
		stream_poll(s->stream);
		if (want & POLLIN)
			callbacks_turn();
		/* data or an end: the caller looks under the engine's lock, and need not do so
		 * twice */
		if ((__atomic_load_n(&s->stirs, __ATOMIC_ACQUIRE) != stirs && !sock_late(w)) ||
				(round % LOOK_ROUNDS == 0 && there(s, want))) {
			STAT_INC(stream_counters(s->stream), SOCK, rx_poll_hit);
			return s->closing ? -EBADF : 0;
		}
		if (s->os_pollable && round % OS_ROUNDS == 0 && kernel_readable(s->fd))
			return -EREMOTE;
		ret = sock_turned(w, round);
		if (ret != 0)
			return ret;
	}
	ret = wait_sleeping(s, want, w);
	return s->closing ? -EBADF : ret;
}

static size_t
length(const struct msghdr *msg)
{
	size_t i, len = 0;

	for (i = 0; i < msg->msg_iovlen; i++)
		len += msg->msg_iov[i].iov_len;
	return RTE_MIN(len, (size_t)INT_MAX);
}

/** @name Receive */
/** @{ */
/** A receive call that is under way. */
struct receive {
	struct sock *s;
	struct msghdr *msg;
	unsigned int flags; /**< of tcp_recv() */
	size_t len, target; /**< bytes that would fit, and that are waited for */
	size_t done;
};

/* Only what would have been stored is a fault: else it says what there is instead. */
static __rte_noinline ssize_t
take_fault(struct receive *r)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	ssize_t ret = stream_recv(r->s->stream, &iov, 1, 0, TCP_RECV_PEEK);

	return ret > 0 ? -EFAULT : ret;
}

/*
 * A buffer of which the pages are not all there may do for what has come, and those of a large one
 * may never have been touched: what is queued is looked for room for, a vector's part at a time.
 */
static __rte_noinline ssize_t
take_queued(struct receive *r)
{
	const struct iovec *iov = r->msg->msg_iov;
	size_t skip = r->flags & TCP_RECV_PEEK ? 0 : r->done;
	struct stream_queued q;
	struct iovec part;
	ssize_t ret;

	for (; skip >= iov->iov_len; iov++)
		skip -= iov->iov_len;
	if (stream_queued(r->s->stream, &q) != 0 || q.rx == 0)
		return take_fault(r);
	part.iov_base = (char *)iov->iov_base + skip;
	part.iov_len = RTE_MIN(iov->iov_len - skip, (size_t)q.rx);
	if (!user_out(part.iov_base, part.iov_len))
		return take_fault(r);
	ret = stream_recv(r->s->stream, &part, 1, 0, r->flags);
	if (ret > 0)
		r->done = (r->flags & TCP_RECV_PEEK) ? (size_t)ret : r->done + (size_t)ret;
	return ret;
}

static ssize_t
take_all(struct receive *r)
{
	ssize_t ret = stream_recv(r->s->stream, r->msg->msg_iov, (int)r->msg->msg_iovlen,
			r->flags & TCP_RECV_PEEK ? 0 : r->done, r->flags);

	if (ret > 0)
		r->done = (r->flags & TCP_RECV_PEEK) ? (size_t)ret : r->done + (size_t)ret;
	return ret;
}

static ssize_t
take(struct receive *r)
{
	if (unlikely(r->flags & TCP_RECV_TRUNC))
		return take_all(r);
	if (likely((r->len <= WINDOW || !sock_faults) &&
			    user_iov_out(r->msg->msg_iov, r->msg->msg_iovlen, r->len)))
		return take_all(r);
	return take_queued(r);
}

bool
stream_sock_must_stop(struct sock *s)
{
	struct stream_queued q;

	return stream_error(s->stream, false) != 0 ||
			(stream_queued(s->stream, &q) == 0 && q.at_mark);
}

static __rte_noinline ssize_t
receive_more(struct receive *r, int flags)
{
	struct sock_wait w = sock_wait_of(r->s->rcv_timeout_ns);
	ssize_t ret;
	int wait;

	for (;;) {
		if (r->done != 0 && stream_sock_must_stop(r->s))
			return 0;
		ret = take(r);
		if (ret == 0 || (ret < 0 && ret != -EAGAIN) || r->done >= r->target)
			return ret;
		if (sock_dont_wait(r->s, flags) || callback_bars(r->s))
			return -EAGAIN;
		w.restarts &= r->done == 0;
		wait = stream_sock_wait(r->s, POLLIN, &w);
		if (wait != 0)
			return wait;
	}
}

/* Linux waits for data though none are asked for. */
static __rte_noinline ssize_t
receive_nothing(struct sock *s, int flags)
{
	struct sock_wait w = sock_wait_of(s->rcv_timeout_ns);
	int ret, err;

	stream_poll(s->stream);
	callbacks_turn();
	while (!s->ops->awaited(s, POLLIN)) {
		ret = sock_dont_wait(s, flags) || callback_bars(s)
				? -EAGAIN
				: stream_sock_wait(s, POLLIN, &w);
		if (ret != 0)
			return ret;
	}
	err = stream_error(s->stream, true);
	return err == 0 && stream_phase(s->stream) == STREAM_IDLE ? -ENOTCONN : -err;
}

static ssize_t
receive(struct sock *s, struct msghdr *msg, int flags)
{
	struct receive r = { .s = s, .msg = msg, .len = length(msg) };
	ssize_t ret;

	if (unlikely(r.len == 0))
		return receive_nothing(s, flags);
	r.flags = (flags & MSG_PEEK ? TCP_RECV_PEEK : 0) | (flags & MSG_TRUNC ? TCP_RECV_TRUNC : 0);
	r.target = flags & MSG_WAITALL
			? r.len
			: RTE_MIN(r.len, (size_t)stream_options(s->stream)->rcv_lowat);
	ret = take(&r);
	if (likely(ret > 0 && r.done >= r.target))
		return ret;
	if (ret == 0 || (ret < 0 && ret != -EAGAIN))
		return ret;
	stream_poll(s->stream);
	callbacks_turn();
	ret = receive_more(&r, flags);
	return r.done != 0 ? (ssize_t)r.done : ret;
}

static ssize_t
receive_urgent(struct sock *s, struct msghdr *msg, int flags)
{
	ssize_t ret;

	char byte;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };

	stream_poll(s->stream);
	if (unlikely(!user_iov_out(msg->msg_iov, msg->msg_iovlen, 1))) {
		ret = stream_recv(s->stream, &one, 1, 0, TCP_RECV_OOB | TCP_RECV_PEEK);
		ret = ret > 0 ? -EFAULT : ret;
	} else {
		ret = stream_recv(s->stream, msg->msg_iov, (int)msg->msg_iovlen, 0,
				TCP_RECV_OOB | (flags & MSG_PEEK ? TCP_RECV_PEEK : 0));
	}
	if (ret > 0)
		msg->msg_flags |= MSG_OOB;
	/* Linux asks for the byte before it asks for a connection */
	return ret == -ENOTCONN ? -EINVAL : ret;
}

/* TCP_INQ: what a next call would get; 1 where that is the end, as on Linux. */
static __rte_noinline void
write_queued(struct sock *s, struct msghdr *msg)
{
	size_t room = msg->msg_control == NULL ? 0 : msg->msg_controllen, used = 0;
	struct stream_queued q;
	int left;

	if (stream_queued(s->stream, &q) != 0)
		q.rx = 0;
	left = (int)q.rx;
	if (left == 0 && (stream_revents(s->stream) & POLLRDHUP))
		left = 1;
	cmsg_put(msg, room, &used, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof(left));
	msg->msg_controllen = used;
}

ssize_t
stream_sock_recvmsg(struct sock *s, struct msghdr *msg, int flags)
{
	ssize_t ret;

	if (unlikely(flags & MSG_ERRQUEUE)) {
		ret = errqueue_recv(s, msg);
		return ret < 0 ? fail((int)ret) : ret;
	}
	msg->msg_flags = 0;
	if (unlikely(stream_phase(s->stream) == STREAM_LISTENING))
		ret = -ENOTCONN;
	else if (unlikely(flags & MSG_OOB))
		ret = receive_urgent(s, msg, flags);
	else
		ret = receive(s, msg, flags);
	if (unlikely(ret < 0)) {
		if (ret == -EAGAIN)
			STAT_INC(stream_counters(s->stream), SOCK, rx_eagain);
		return fail((int)ret);
	}
	msg->msg_namelen = 0;
	if (unlikely((s->wants & WANT_INQ) != 0))
		write_queued(s, msg);
	else
		msg->msg_controllen = 0;
	return ret;
}
/** @} */

/** @name Send */
/** @{ */
static __rte_noinline int
wait_room(struct sock *s, int flags, struct sock_wait *w)
{
	/* acknowledgements may be waiting in the ring */
	if (stream_poll(s->stream) != 0 && s->ops->awaited(s, POLLOUT))
		return 0;
	if (sock_dont_wait(s, flags))
		return -EAGAIN;
	if (w->deadline_ns == 0)
		w->deadline_ns = sock_deadline(s->snd_timeout_ns);
	return stream_sock_wait(s, POLLOUT, w);
}

ssize_t
stream_sock_send(struct sock *s, const struct stream_part *p, int flags, struct sock_wait *w)
{
	unsigned int how = (flags & MSG_MORE ? TCP_SEND_MORE : 0) |
			(flags & MSG_OOB ? TCP_SEND_OOB : 0);
	size_t done = 0;
	ssize_t ret;

	do {
		ret = likely(p->zc == NULL)
				? stream_send(s->stream, p->iov, p->iovcnt, p->skip + done, how)
				: stream_send_zc(s->stream, p->zc, (uint32_t)done, how);
		if (likely(ret >= 0)) {
			done += (size_t)ret;
			w->restarts &= ret == 0;
		} else if (ret == -EAGAIN) {
			ret = wait_room(s, flags, w);
		}
		/* an error is for the next call when something went */
		if (ret >= 0 && done != 0 && done < p->len && stream_error(s->stream, false) != 0)
			break;
	} while (ret >= 0 && done < p->len);
	return done != 0 ? (ssize_t)done : ret;
}

static ssize_t
send_all(struct sock *s, const struct msghdr *msg, int flags)
{
	const struct stream_part all = {
		.iov = msg->msg_iov, .iovcnt = (int)msg->msg_iovlen, .len = length(msg)
	};
	struct sock_wait w = { .restarts = s->snd_timeout_ns == 0 };

	return stream_sock_send(s, &all, flags, &w);
}

/* One that copies is done with its memory when it returns. */
static __rte_noinline ssize_t
send_noted(struct sock *s, const struct msghdr *msg, int flags)
{
	ssize_t ret = note_before(s, flags);

	if (ret == 0)
		ret = (flags & MSG_ZEROCOPY) && (s->notes & NOTE_ZEROCOPY)
				? zerocopy_send(s, msg, flags)
				: send_all(s, msg, flags);
	if (ret > 0 && (s->notes & NOTE_STAMP))
		note_written(s, (size_t)ret);
	return ret;
}

/* VMA_SND_FLAGS_DUMMY; nothing waits, and no signal is raised for what is not sent. */
static __rte_noinline ssize_t
send_dummy(struct sock *s, const struct msghdr *msg, int flags, ssize_t ret)
{
	if (ret == 0)
		ret = stream_dummy(s->stream, msg->msg_iov, (int)msg->msg_iovlen,
				(flags & MSG_MORE ? TCP_SEND_MORE : 0) |
						(flags & MSG_OOB ? TCP_SEND_OOB : 0));
	return ret < 0 ? fail((int)ret) : ret;
}

ssize_t
stream_sock_sendmsg(struct sock *s, const struct msghdr *msg, int flags)
{
	ssize_t ret = 0;

	if (unlikely(!user_iov_in(msg->msg_iov, msg->msg_iovlen, SIZE_MAX))) {
		ret = stream_send(s->stream, NULL, 0, 0, 0);
		ret = ret < 0 ? ret : -EFAULT;
	}
	if (unlikely(flags & SOCK_SEND_DUMMY))
		return send_dummy(s, msg, flags, ret);
	if (unlikely(ret == 0 && (flags & MSG_FASTOPEN) &&
			    stream_phase(s->stream) == STREAM_IDLE)) {
		ret = s->ops->connect(s, msg->msg_name, msg->msg_namelen);
		if (ret == -EREMOTE)
			return os.sendmsg(s->fd, msg, flags);
	}
	if (unlikely(conf()->rx_poll_on_tx_tcp))
		stream_poll(s->stream);
	if (unlikely(ret == 0 && s->notes != 0))
		ret = send_noted(s, msg, flags);
	else if (likely(ret == 0))
		ret = send_all(s, msg, flags);
	stream_attend(s->stream);
	if (likely(ret >= 0))
		return ret;
	if (ret == -EAGAIN)
		STAT_INC(stream_counters(s->stream), SOCK, tx_eagain);
	if (ret == -EPIPE && !(flags & MSG_NOSIGNAL))
		raise(SIGPIPE);
	return fail((int)ret);
}

/* Read and send: no page of a file can be lent to a device. */
static ssize_t
send_file(int fd, int file, off_t *offset, size_t count)
{
	char buf[FILE_CHUNK];
	size_t done = 0;
	ssize_t got, sent;

	while (done < count) {
		size_t part = RTE_MIN(count - done, sizeof(buf));

		got = offset != NULL ? pread(file, buf, part, *offset) : os.read(file, buf, part);
		if (got <= 0)
			return done != 0 ? (ssize_t)done : got;
		sent = dpvma_send(fd, buf, (size_t)got, done + (size_t)got < count ? MSG_MORE : 0);
		if (offset != NULL)
			*offset += sent > 0 ? sent : 0;
		else if (sent < got)
			/* what was read and not sent is read again */
			lseek(file, (sent > 0 ? sent : 0) - got, SEEK_CUR);
		if (sent <= 0)
			return done != 0 ? (ssize_t)done : sent;
		done += (size_t)sent;
		if (sent < got)
			break;
	}
	return (ssize_t)done;
}

ssize_t
dpvma_sendfile(int fd, int file, off_t *offset, size_t count)
{
	struct sock *s = sock_get(fd);
	bool ours = s != NULL && s->offloaded && s->stream != NULL;

	if (s != NULL)
		sock_put(s);
	return ours ? send_file(fd, file, offset, count) : os.sendfile(fd, file, offset, count);
}
/** @} */
