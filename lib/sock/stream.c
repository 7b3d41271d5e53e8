/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stream sockets: binding, listening, accepting, connecting, ending, as Linux does it for TCP; and
 * who carries one. The kernel's socket behind it reserves the number, listens for what comes by
 * devices that are not ours, and becomes the socket where the way leads through none of them.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "net/net.h"
#include "port/port.h"
#include "errqueue.h"
#include "user.h"
#include "xtreme_note.h"

#define TRIES 8		 /**< numbers of the kernel's that may be taken by connections of ours */
#define LINGER_NAP 50000 /**< ns between looks while close() lingers */

/** @name Opening and ending */
/** @{ */
static int
open_stream(struct sock *s)
{
	return stream_open((int)s->serial, sock_wake, s, &s->stream);
}

/* The sizes of buffers are ours: the kernel grows its own as it goes. */
static void
start(struct sock *s)
{
	int ttl = option_held(s, IPPROTO_IP, IP_TTL);

	if (ttl > 0)
		stream_options(s->stream)->ttl = (uint8_t)ttl;
}

static void
destroy(struct sock *s)
{
	if (s->stream != NULL)
		stream_close(s->stream, s->linger && s->linger_s == 0);
	s->stream = NULL;
}

/* A reset of unread data needs no farewell. A signal ends the wait, and not the connection. */
void
stream_sock_linger(struct sock *s)
{
	const struct timespec nap = { .tv_nsec = LINGER_NAP };
	struct sock_wait w = { 0 };
	struct stream_queued q;

	/* a child that has it, too, listens on */
	if (stream_phase(s->stream) == STREAM_LISTENING && !sock_shared)
		kernel_unlisten(s);
	/* as on Linux, a process that ends does not wait */
	if (sock_ending || !s->linger || s->linger_s == 0 || stream_queued(s->stream, &q) != 0 ||
			q.rx != 0 || stream_shutdown(s->stream, SHUT_WR) != 0)
		return;
	w.deadline_ns = clock_ns() + s->linger_s * UINT64_C(1000000000);
	sock_wait_begin(&w);
	while (!stream_drained(s->stream) && clock_ns() < w.deadline_ns && !sock_interrupted(&w))
		if (stream_poll(s->stream) == 0 && nanosleep(&nap, NULL) != 0)
			return;
}
/** @} */

/** @name Binding and listening */
/** @{ */
/* What is left of an earlier socket of ours does not keep the kernel's from its number. */
static int
reserve(struct sock *s, const struct ip_addr *addr, uint16_t *port_be)
{
	int ret = kernel_bind(s, addr, port_be);

	if (ret == -EADDRINUSE && stream_unguard(*port_be))
		ret = kernel_bind(s, addr, port_be);
	return ret;
}

static int
bind_offloaded(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	char text[IP_ADDR_STRLEN];
	int ret, tries = 0;
	uint16_t got;

	if (!ip_is_any(addr) && port_by_addr(addr) == NULL) {
		s->reason = sock_elsewhere(addr, REASON_ADDRESS);
		sock_to_kernel(s, "bound to %s, which is no address of a dpvma port",
				ip_format(addr, text));
		return -EREMOTE;
	}
	if (stream_phase(s->stream) != STREAM_IDLE)
		return -EINVAL;
	do {
		got = port_be;
		ret = reserve(s, addr, &got);
		if (ret == 0)
			ret = stream_bind(s->stream, addr, &got);
		if (ret != 0 && s->kernel_bound)
			kernel_unbind(s);
	} while (ret == -EADDRINUSE && port_be == 0 && ++tries < TRIES);
	s->bound = ret == 0;
	return ret;
}

/*
 * The device took no rule, and no other brings the packets: the kernel gets what no rule takes, so
 * it is the kernel's socket from now on.
 */
static int
without_rule(struct sock *s, const char *does, const struct ip_addr *addr)
{
	char text[IP_ADDR_STRLEN];
	int ret = kernel_takes_over(s);

	if (ret != 0)
		return -ENOBUFS;
	s->reason = REASON_STEERING;
	sock_to_kernel(s, "%s %s: the device has no room for the steering rule", does,
			ip_format(addr, text));
	return -EREMOTE;
}

static int
listen_offloaded(struct sock *s, int backlog)
{
	struct ip_addr addr = ip_from_v4(0);
	uint16_t port_be;
	int ret;

	if (!s->bound && stream_phase(s->stream) == STREAM_IDLE) {
		ret = bind_offloaded(s, &addr, 0);
		if (ret != 0)
			return ret;
	}
	if (stream_phase(s->stream) == STREAM_IDLE) {
		ret = rules_listen(s);
		if (ret != 0)
			return ret;
		/* first: where it sees a SYN of ours it must not answer */
		ret = kernel_listen(s, backlog);
		if (ret != 0)
			return ret;
	}
	ret = stream_listen(s->stream, backlog);
	kernel_hears(s);
	if (ret != 0) {
		if (ret == -ENOSPC && stream_phase(s->stream) == STREAM_IDLE) {
			stream_local(s->stream, &addr, &port_be);
			return without_rule(s, "listening at", &addr);
		}
		if (stream_phase(s->stream) == STREAM_IDLE)
			kernel_unlisten(s);
		return ret;
	}
	if (unlikely(stream_partial(s->stream)))
		kernel_hears_rest(s);
	stream_local(s->stream, &addr, &port_be);
	if (s->kernel_bound && kernel_sees(&addr))
		stream_guard(s->stream, s->fd);
	return 0;
}

int
dpvma_listen(int fd, int backlog)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return os.listen(fd, backlog);
	if (!s->offloaded || s->stream == NULL) {
		ret = os.listen(fd, backlog);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = listen_offloaded(s, backlog);
		rte_spinlock_unlock(&s->lock);
		if (ret == -EREMOTE)
			ret = os.listen(fd, backlog);
		else if (ret != 0)
			ret = fail(ret);
	}
	sock_put(s);
	return ret;
}
/** @} */

/** @name Accepting */
/** @{ */
static void
inherit(struct sock *s, const struct sock *from)
{
	s->rcv_timeout_ns = from->rcv_timeout_ns;
	s->snd_timeout_ns = from->snd_timeout_ns;
	s->linger = from->linger;
	s->linger_s = from->linger_s;
	s->rule = from->rule;
	s->wants = from->wants;
	s->rate = from->rate;
	carry_inherit(s, from);
	if (unlikely(from->errqueue != NULL) && errqueue_open(s) == 0) {
		s->notes = from->notes;
		s->stamping = from->stamping;
		stream_on_mark(s->stream, note_mark);
		if (stream_options(s->stream)->tcp.recverr)
			stream_set_recverr(s->stream, errqueue_icmp);
	}
}

/* The number first: without one the connection waits on, as on Linux. */
int
stream_sock_accept(struct sock *l, int flags)
{
	struct sock *s;
	int fd, ret;

	if (stream_waiting(l->stream) == 0)
		return stream_phase(l->stream) == STREAM_LISTENING ? -EAGAIN : -EINVAL;
	fd = os.socket(AF_INET, SOCK_STREAM | flags, 0);
	if (fd < 0)
		return -errno;
	s = sock_make(fd, SOCK_STREAM, (flags & SOCK_NONBLOCK) != 0, &ret);
	if (s == NULL) {
		os.close(fd);
		return ret;
	}
	ret = stream_accept(l->stream, s->stream);
	if (ret != 0) {
		s->closing = true;
		sock_put(s);
		return ret;
	}
	inherit(s, l);
	explain_remember(fd, REASON_NONE);
	s->offloaded = true;
	/* who accepts it knows that it can be written to */
	s->told = POLLOUT;
	/* another thread may guess its number, or close all */
	sock_hold(s);
	sock_publish(s);
	/* what came before nobody could note */
	if (unlikely(conf()->socketxtreme))
		xtreme_note(s, NULL, 0);
	sock_release(s);
	return fd;
}

/* One thread at a time, as the kernel's socket may block. */
static int
accept_kernels(struct sock *l, int flags)
{
	int fd = -EAGAIN;

	if (!l->os_pollable)
		return fd;
	rte_spinlock_lock(&l->lock);
	if (kernel_readable(l->fd)) {
		fd = os.accept4(l->fd, NULL, NULL, flags);
		fd = fd < 0 ? -errno : fd;
	}
	rte_spinlock_unlock(&l->lock);
	if (fd >= 0) {
		explain_remember(fd, REASON_ACCEPT);
		STAT_INC(stream_counters(l->stream), SOCK, rx_os);
	}
	return fd;
}

static int
accept_now(struct sock *l, int flags)
{
	int fd = stream_sock_accept(l, flags);

	return fd == -EAGAIN ? accept_kernels(l, flags) : fd;
}

static int
accept_offloaded(struct sock *l, int flags)
{
	struct sock_wait w;
	int fd = accept_now(l, flags), ret;

	if (fd != -EAGAIN)
		return fd;
	stream_poll(l->stream);
	w = sock_wait_of(l->rcv_timeout_ns);
	while ((fd = accept_now(l, flags)) == -EAGAIN && !l->nonblock) {
		ret = stream_sock_wait(l, POLLIN, &w);
		if (ret != 0 && ret != -EREMOTE)
			return ret;
	}
	return fd;
}

/* Of a connection that is over already, too. */
static int
accepted_name(int fd, struct sockaddr *addr, socklen_t *len)
{
	struct sock *s = sock_get(fd);
	struct ip_addr peer;
	uint16_t port_be;
	int ret;

	if (s == NULL)
		return os.getpeername(fd, addr, len);
	ret = stream_remote(s->stream, &peer, &port_be) ? sock_give_name(&peer, port_be, addr, len)
							: fail(-ECONNABORTED);
	sock_put(s);
	return ret;
}

/* What it is is what its listener is, and for the same reason. */
static int
accept_carried(const struct sock *l, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int ret = os.accept4(fd, addr, len, flags);

	if (ret >= 0 && l->reason == REASON_RULE)
		explain_remember_rule(ret, l->rule);
	else if (ret >= 0)
		explain_remember(ret, REASON_LISTENER);
	return ret;
}

int
dpvma_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return os.accept4(fd, addr, len, flags);
	if (!s->offloaded || s->stream == NULL)
		ret = accept_carried(s, fd, addr, len, flags);
	else if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
		ret = fail(-EINVAL);
	else if (stream_phase(s->stream) != STREAM_LISTENING)
		ret = fail(-EINVAL);
	else if ((ret = accept_offloaded(s, flags)) < 0)
		ret = fail(ret);
	else if (addr != NULL && accepted_name(ret, addr, len) != 0) {
		dpvma_close(ret);
		ret = -1;
	}
	sock_put(s);
	return ret;
}

int
dpvma_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return dpvma_accept4(fd, addr, len, 0);
}
/** @} */

/** @name Connecting */
/** @{ */
/*
 * A number that the kernel knows to be free, tried until no connection of ours is in the way: one
 * that brings answers to the right ring, where that depends on it, else the kernel's choice.
 */
static int
connect_reserved(struct sock *s, const struct ip_addr *local, const struct ip_addr *peer,
		uint16_t port_be)
{
	int ret = -EADDRINUSE, tries = 0;
	uint16_t got, wish;

	while (ret == -EADDRINUSE && tries++ < TRIES) {
		wish = tries <= TRIES / 2 ? stream_number(s->stream, peer, port_be) : 0;
		got = wish;
		ret = reserve(s, local, &got);
		if (ret == -EADDRINUSE && wish != 0)
			continue;
		/* none is left: those that we have may lead to other peers */
		if (ret == -EADDRINUSE)
			return stream_connect(s->stream, peer, port_be, 0);
		if (ret != 0)
			return ret;
		kernel_guard(s, local);
		ret = stream_connect(s->stream, peer, port_be, got);
		if (ret != 0 && s->kernel_bound)
			kernel_unbind(s);
	}
	return ret == -EADDRINUSE ? -EADDRNOTAVAIL : ret;
}

static int
begin(struct sock *s, const struct ip_addr *peer, uint16_t port_be)
{
	struct ip_addr local;
	char text[IP_ADDR_STRLEN];
	int ret = rules_connect(s, peer, port_be);

	if (ret != 0)
		return ret;
	ret = stream_way(s->stream, peer, &local);
	if (ret == -EREMOTE) {
		if (!sock_kernel_may_send(s))
			return -ENETUNREACH;
		s->reason = sock_elsewhere(peer, REASON_ROUTE);
		sock_to_kernel(s, "connected to %s: the way there leads through no dpvma port",
				ip_format(peer, text));
	}
	if (ret != 0)
		return ret;
	if (s->bound) {
		kernel_guard(s, &local);
		ret = stream_connect(s->stream, peer, port_be, 0);
	} else {
		ret = connect_reserved(s, &local, peer, port_be);
	}
	if (ret == -ENOSPC)
		return without_rule(s, "connected to", peer);
	if (ret == 0 && s->kernel_bound && kernel_sees(&local))
		stream_guard(s->stream, s->fd);
	return ret;
}

/* How it ended; the number that was reserved for a failure is free again. */
static int
result(struct sock *s)
{
	int ret = stream_connect_result(s->stream);

	if (ret != 0 && ret != -EALREADY && ret != -EISCONN && !s->bound && s->kernel_bound)
		kernel_unbind(s);
	return ret;
}

/* @return 0, what went wrong, or @p unfinished */
static int
wait_connected(struct sock *s, int unfinished)
{
	struct sock_wait w = sock_wait_of(s->snd_timeout_ns);
	int ret;

	if (s->nonblock)
		return unfinished;
	while ((ret = result(s)) == -EALREADY) {
		ret = stream_sock_wait(s, POLLOUT, &w);
		if (ret == -EAGAIN)
			return unfinished;
		if (ret != 0)
			return ret;
	}
	return ret;
}

static int
dissolve(struct sock *s)
{
	if (stream_phase(s->stream) == STREAM_LISTENING) {
		stream_unlisten(s->stream);
		kernel_unlisten(s);
		return 0;
	}
	stream_disconnect(s->stream);
	if (!s->bound && s->kernel_bound)
		kernel_unbind(s);
	sock_wake_all(s);
	return 0;
}

static int
connect_offloaded(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	struct ip_addr addr;
	uint16_t port_be;
	int ret;

	if (len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNSPEC)
		return dissolve(s);
	if (len < sizeof(sa->sa_family))
		return -EINVAL;
	/* Linux looks where it is before it looks at the address */
	switch (stream_phase(s->stream)) {
	case STREAM_CONNECTED:
	case STREAM_LISTENING:
		return -EISCONN;
	case STREAM_CONNECTING:
		stream_poll(s->stream);
		ret = result(s);
		return ret == -EALREADY ? wait_connected(s, -EALREADY) : ret;
	default:
		break;
	}
	ret = sock_address(sa, len, &addr, &port_be);
	if (ret != 0)
		return ret;
	rte_spinlock_lock(&s->lock);
	ret = begin(s, &addr, port_be);
	rte_spinlock_unlock(&s->lock);
	return ret == 0 ? wait_connected(s, -EINPROGRESS) : ret;
}

static int
shut(struct sock *s, int how)
{
	int ret;

	switch (stream_phase(s->stream)) {
	case STREAM_LISTENING:
		if (how == SHUT_WR)
			return 0;
		stream_unlisten(s->stream);
		kernel_unlisten(s);
		ret = 0;
		break;
	case STREAM_CONNECTING:
		/* Linux gives up the attempt */
		ret = stream_shutdown(s->stream, how);
		if (ret == -ENOTCONN) {
			dissolve(s);
			ret = 0;
		}
		break;
	default:
		ret = stream_shutdown(s->stream, how);
	}
	sock_wake_all(s);
	return ret;
}
/** @} */

/** @name Looking */
/** @{ */
static unsigned int
poll_rings(struct sock *s)
{
	return stream_poll(s->stream);
}

static unsigned int
rings(struct sock *s, struct ring **r, unsigned int n)
{
	return stream_rings(s->stream, r, n);
}

static unsigned int
hold_rings(struct sock *s, struct ring **r, unsigned int n)
{
	return stream_hold_rings(s->stream, r, n);
}

static short
revents(struct sock *s)
{
	short got = stream_revents(s->stream);

	return unlikely(s->errors_queued != 0) ? got | POLLERR : got;
}

/* The error queue is no reason to end a receive or a send that waits. */
static bool
awaited(struct sock *s, short want)
{
	if (unlikely((want & POLLERR) != 0 && s->errors_queued != 0))
		return true;
	return (stream_revents(s->stream) & (want | POLLERR | POLLHUP)) != 0;
}

/* Events come in any case, and ask whether somebody sleeps. */
static void
set_wake(struct sock *s, enum udp_wake when)
{
	(void)s;
	(void)when;
}

static uint64_t
due(struct sock *s)
{
	return stream_due(s->stream);
}

static void
local(struct sock *s, struct ip_addr *addr, uint16_t *port_be)
{
	stream_local(s->stream, addr, port_be);
}

static bool
peer(struct sock *s, struct ip_addr *addr, uint16_t *port_be)
{
	return stream_peer(s->stream, addr, port_be);
}

static int
control(struct sock *s, unsigned long request, void *arg)
{
	struct stream_queued q;
	int ret, value;

	if (request != SIOCINQ && request != SIOCOUTQ && request != SIOCOUTQNSD &&
			request != SIOCATMARK)
		return -EREMOTE;
	stream_poll(s->stream);
	ret = stream_queued(s->stream, &q);
	if (ret != 0 && request != SIOCATMARK)
		return ret;
	if (!user_out(arg, sizeof(int)))
		return -EFAULT;
	value = request == SIOCINQ		 ? (int)q.rx
			: request == SIOCOUTQ	 ? (int)q.tx
			: request == SIOCOUTQNSD ? (int)q.tx_unsent
						 : q.at_mark;
	memcpy(arg, &value, sizeof(value));
	return 0;
}

static struct ring *
tx_ring(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	struct ring *ring;

	(void)addr;
	(void)port_be;
	return stream_hold_rings(s->stream, &ring, 1) != 0 ? ring : NULL;
}

static int
headers(struct sock *s, void *buf, uint16_t len)
{
	return stream_headers(s->stream, buf, len);
}

/* A connection sends by the ring that it receives by. */
static struct ring_alloc *
alloc_of(struct sock *s, enum ring_dir dir)
{
	(void)dir;
	return stream_ring_alloc(s->stream);
}

static int
set_alloc(struct sock *s, enum ring_dir dir, const struct ring_alloc *alloc)
{
	if (dir == RING_RX)
		*stream_ring_alloc(s->stream) = *alloc;
	return 0;
}

static int
bind_device(struct sock *s, struct port *port, uint32_t ifindex)
{
	struct stream_options *o = stream_options(s->stream);

	o->bind_port = port;
	o->bind_ifindex = ifindex;
	/* a poll shall find the ring before there is a connection */
	return conf()->socketxtreme ? stream_reserve(s->stream, port) : 0;
}

static void
shut_rx(struct sock *s)
{
	shut(s, SHUT_RD);
}

static struct sock_stats *
stats(struct sock *s)
{
	return stream_stats(s->stream);
}
/** @} */

static struct sock_stats *
counters(struct sock *s)
{
	return stream_counters(s->stream);
}

static void
put_error(struct sock *s, int err)
{
	stream_put_error(s->stream, err);
}

const struct sock_ops stream_ops = {
	.open = open_stream,
	.start = start,
	.destroy = destroy,
	.poll = poll_rings,
	.rings = rings,
	.hold_rings = hold_rings,
	.revents = revents,
	.awaited = awaited,
	.set_wake = set_wake,
	.due = due,
	.bind = bind_offloaded,
	.connect = connect_offloaded,
	.shutdown = shut,
	.local = local,
	.peer = peer,
	.ioctl = control,
	.tx_ring = tx_ring,
	.headers = headers,
	.ring_alloc = alloc_of,
	.set_ring_alloc = set_alloc,
	.bind_device = bind_device,
	.shut_rx = shut_rx,
	.stats = stats,
	.counters = counters,
	.put_error = put_error,
	.set_stage = stream_sock_set_stage,
	.judge = stream_sock_judge,
	.options = stream_sock_options,
	.type = SOCK_STREAM,
};
