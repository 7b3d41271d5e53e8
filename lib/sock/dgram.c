/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagram sockets: what of a socket is particular to them, but for their data (recv.c, send.c),
 * options and groups. Here is decided whether dpvma or the kernel carries one.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "callback.h"
#include "fronts.h"
#include "net/net.h"
#include "port/port.h"
#include "rate.h"
#include "sock_priv.h"
#include "user.h"

#define ROOM (POLLOUT | POLLWRNORM | POLLWRBAND)

/* A rule says that the kernel receives: our half has the number only, to send from. */
static int
bind_received(struct sock *s, const struct ip_addr *addr, uint16_t port_be,
		const struct conf_offload *rule)
{
	int ret = kernel_bind_alone(s, addr, &port_be);

	if (ret != 0)
		return ret;
	udp_options(s->udp)->deaf = true;
	ret = udp_bind(s->udp, addr, &port_be);
	if (ret == 0 || ret == -EREMOTE) {
		rules_whole(s, rule);
		s->bound = true;
		if (ret == 0)
			sock_to_sends(s);
		return 0;
	}
	udp_options(s->udp)->deaf = false;
	kernel_unbind(s);
	return ret;
}

/*
 * The kernel's socket first: it knows who else on this machine has the port number. Where the
 * kernel has nothing to do with the address it is left unbound.
 */
static int
bind_offloaded(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	char text[IP_ADDR_STRLEN];
	struct conf_offload rule;
	int ret;

	if (!ip_is_any(addr) && !ip_is_multicast(addr) && port_by_addr(addr) == NULL) {
		s->reason = sock_elsewhere(addr, REASON_ADDRESS);
		sock_to_kernel(s, "bound to %s, which is no address of a dpvma port",
				ip_format(addr, text));
		return -EREMOTE;
	}
	if (rules_receiver(addr, port_be, &rule))
		return bind_received(s, addr, port_be, &rule);
	if (rule.rule != 0)
		s->rule = rule.rule;
	ret = kernel_bind(s, addr, &port_be);
	if (ret != 0)
		return ret;
	ret = udp_bind(s->udp, addr, &port_be);
	if (ret == -EREMOTE) {
		s->reason = REASON_ADDRESS;
		sock_to_kernel(s, "bound to %s: no dpvma port takes it", ip_format(addr, text));
		return s->kernel_bound ? 0 : ret;
	}
	if (ret != 0) {
		if (s->kernel_bound)
			kernel_unbind(s);
		return ret;
	}
	s->bound = true;
	return 0;
}

int
sock_autobind(struct sock *s)
{
	struct ip_addr any = ip_from_v4(0);
	int ret, tries = 0;

	rte_spinlock_lock(&s->lock);
	/* a number free in the kernel may be taken by a socket that the kernel does not know */
	do
		ret = s->bound ? 0 : bind_offloaded(s, &any, 0);
	while (ret == -EADDRINUSE && ++tries < 8);
	rte_spinlock_unlock(&s->lock);
	return ret;
}

/*
 * A number that brings the peer's datagrams to the socket's ring, where the number decides that;
 * else any. The ring is kept for the connect.
 */
static int
autobind_for(struct sock *s, const struct ip_addr *peer, uint16_t port_be, struct ring **ring)
{
	struct ip_addr any = ip_from_v4(0);
	int ret = -EADDRINUSE, tries = 0;
	uint16_t number;

	rte_spinlock_lock(&s->lock);
	while (!s->bound && ret == -EADDRINUSE && tries++ < 4) {
		if (*ring != NULL)
			ring_release(*ring);
		number = udp_number(s->udp, peer, port_be, ring);
		if (number == 0)
			break;
		ret = bind_offloaded(s, &any, number);
	}
	rte_spinlock_unlock(&s->lock);
	return ret == -EADDRINUSE ? sock_autobind(s) : ret;
}

/*
 * Where the peer is decides before a port number is taken: -EREMOTE when the way is the kernel's.
 * Everything else is said by udp_connect().
 */
static int
ask_route(struct sock *s, const struct ip_addr *peer)
{
	const struct udp_options *o = udp_options(s->udp);
	struct net_way way = {
		.dst = *peer,
		.src = ip_from_v4(0),
		.port = ip_is_multicast(peer) && o->mc_port != NULL ? o->mc_port : o->bind_port,
		.ifindex = o->bind_ifindex,
		.ttl = 64,
		.proto = IPPROTO_UDP,
	};
	struct net_dst dst;

	if (ip_is_any(peer) || (s->mc_kernel && ip_is_multicast(peer)))
		return -EREMOTE;
	return net_route(&way, &dst) == -EREMOTE ? -EREMOTE : 0;
}

static int
dissolve(struct sock *s)
{
	int ret = udp_connect(s->udp, NULL, 0);

	s->peer_os = false;
	if (ret == 0)
		kernel_disconnect(s);
	return ret;
}

/* Both halves have the peer; one that the kernel receives for must. */
static int
connected(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	int ret = kernel_connect(s, addr, port_be);

	if (ret != 0 && s->sends) {
		udp_connect(s->udp, NULL, 0);
		return ret;
	}
	rules_peer(s, addr, port_be);
	return 0;
}

static int
connect_offloaded(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	struct ring *ring = NULL;
	struct ip_addr addr;
	char text[IP_ADDR_STRLEN];
	uint16_t port_be;
	int ret;

	if (len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNSPEC)
		return dissolve(s);
	ret = sock_address(sa, len, &addr, &port_be);
	if (ret != 0)
		return ret;
	rte_spinlock_lock(&s->lock);
	ret = rules_connect(s, &addr, port_be);
	rte_spinlock_unlock(&s->lock);
	if (ret != 0)
		return ret;
	ret = ask_route(s, &addr);
	if (ret == 0)
		ret = autobind_for(s, &addr, port_be, &ring);
	/* that may have made it the kernel's */
	if (ret == 0 && (s->offloaded || s->sends))
		ret = udp_connect(s->udp, &addr, port_be);
	else if (ret == 0)
		ret = -EREMOTE;
	if (ring != NULL)
		ring_release(ring);
	if (ret == 0)
		ret = connected(s, &addr, port_be);
	if (ret != -EREMOTE || (!s->offloaded && !s->sends))
		return ret;
	if (!sock_kernel_may_send(s))
		return -ENETUNREACH;
	rte_spinlock_lock(&s->lock);
	s->reason = sock_elsewhere(&addr, REASON_ROUTE);
	sock_to_kernel(s, "connected to %s: the way there leads through no dpvma port",
			ip_format(&addr, text));
	rte_spinlock_unlock(&s->lock);
	return ret;
}

/* VMA_TRIGGER_DUMMY_SEND_GETSOCKNAME */
void
dgram_warm_up(struct sock *s)
{
	struct udp_out out = { .tos = -1, .ttl = -1 };
	struct ip_addr addr;
	uint16_t port_be;

	if (udp_peer(s->udp, &addr, &port_be))
		udp_send(s->udp, &out, 1, true);
}

/* SO_RCVBUF of the kernel's choosing is what a program expects that does not set it. */
static void
start(struct sock *s)
{
	struct udp_options *o = udp_options(s->udp);
	int value;
	socklen_t len = sizeof(value);

	if (os.getsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &value, &len) == 0 && value > 0)
		o->rcvbuf = RTE_MAX((uint32_t)value, (uint32_t)conf()->rx_bytes_min);
	/* the kernel's sysctl net.ipv4.ip_default_ttl */
	if (os.getsockopt(s->fd, IPPROTO_IP, IP_TTL, &value, &len) == 0 && value > 0)
		o->ttl = (uint8_t)value;
	value = o->mc_loop;
	os.setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_LOOP, &value, sizeof(value));
	carry_note(s, IPPROTO_IP, IP_MULTICAST_LOOP);
}

static int
open_udp(struct sock *s)
{
	int ret = udp_open((int)s->serial, sock_wake, s, &s->udp);

	if (ret == 0)
		udp_set_wake(s->udp, conf()->socketxtreme ? UDP_WAKE_READABLE : UDP_WAKE_NEVER);
	return ret;
}

static void
destroy(struct sock *s)
{
	rate_forget(s);
	front_end(s);
	if (s->udp != NULL)
		udp_close(s->udp);
	s->udp = NULL;
}

static unsigned int
poll_rings(struct sock *s)
{
	return udp_poll(s->udp);
}

static unsigned int
rings(struct sock *s, struct ring **r, unsigned int n)
{
	return udp_rings(s->udp, r, n);
}

static unsigned int
hold_rings(struct sock *s, struct ring **r, unsigned int n)
{
	return udp_hold_rings(s->udp, r, n);
}

/* It is always writable, but for what a rate holds back. */
static inline bool
has_room(struct sock *s)
{
	return likely(!s->paced) || rate_has_room(s);
}

static short
revents(struct sock *s)
{
	short got = has_room(s) ? ROOM : 0;

	if (s->shut_read || front_readable(s))
		got |= POLLIN | POLLRDNORM;
	if (s->shut_read)
		got |= POLLRDHUP;
	if (udp_has_error(s->udp) || unlikely(s->errors_queued != 0))
		got |= POLLERR;
	return got;
}

/* Datagrams or an error are there, as seen under the queue lock. */
static bool
awaited(struct sock *s, short want)
{
	uint32_t pkts, bytes, first;

	udp_queued(s->udp, &pkts, &bytes, &first);
	if (unlikely((want & POLLERR) != 0 && s->errors_queued != 0))
		return true;
	if ((want & ROOM) != 0 && has_room(s))
		return true;
	return pkts != 0 || s->shut_read || front_readable(s);
}

static void
set_wake(struct sock *s, enum udp_wake when)
{
	udp_set_wake(s->udp, when);
}

/* Once it has room nothing else happens by itself. */
static uint64_t
due(struct sock *s)
{
	uint64_t at = unlikely(s->paced) ? udp_send_at(s->udp) : 0;

	return at > clock_ns() ? at : UINT64_MAX;
}

static int
shut(struct sock *s, int how)
{
	int ret = udp_shutdown(s->udp, how);

	/* without a peer it takes effect and is an error, as on Linux */
	if (ret == 0 || ret == -ENOTCONN) {
		if (how != SHUT_WR)
			s->shut_read = true;
		sock_wake_all(s);
	}
	return ret;
}

static void
local(struct sock *s, struct ip_addr *addr, uint16_t *port_be)
{
	udp_local(s->udp, addr, port_be);
}

static bool
peer(struct sock *s, struct ip_addr *addr, uint16_t *port_be)
{
	return udp_peer(s->udp, addr, port_be);
}

static int
control(struct sock *s, unsigned long request, void *arg)
{
	uint32_t pkts, bytes, first;

	if (request != FIONREAD)
		return -EREMOTE;
	if (front_has(s))
		front_return(s);
	udp_queued(s->udp, &pkts, &bytes, &first);
	if (pkts == 0 && udp_poll(s->udp) != 0)
		udp_queued(s->udp, &pkts, &bytes, &first);
	if (!user_out(arg, sizeof(int)))
		return -EFAULT;
	if (pkts == 0 && s->os_pollable)
		return -EREMOTE;
	*(int *)arg = (int)first;
	return 0;
}

static struct ring *
tx_ring(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	return udp_tx_ring(s->udp, addr, port_be);
}

static int
headers(struct sock *s, void *buf, uint16_t len)
{
	return udp_headers(s->udp, buf, len);
}

static struct ring_alloc *
alloc_of(struct sock *s, enum ring_dir dir)
{
	return udp_ring_alloc(s->udp, dir);
}

static int
set_alloc(struct sock *s, enum ring_dir dir, const struct ring_alloc *alloc)
{
	return udp_set_ring_alloc(s->udp, dir, alloc);
}

static int
bind_device(struct sock *s, struct port *port, uint32_t ifindex)
{
	struct udp_options *o = udp_options(s->udp);

	o->bind_port = port;
	o->bind_ifindex = ifindex;
	return s->bound ? udp_renew(s->udp) : 0;
}

/* No flow and no rule leads here any more; what the kernel sees then its half takes, and drops. */
static void
shut_rx(struct sock *s)
{
	udp_options(s->udp)->deaf = true;
	if (s->bound)
		udp_renew(s->udp);
	kernel_deaf(s);
	udp_shutdown(s->udp, SHUT_RD);
	s->shut_read = true;
	sock_wake_all(s);
}

static struct sock_stats *
stats(struct sock *s)
{
	front_count(s);
	return udp_stats(s->udp);
}

static struct sock_stats *
counters(struct sock *s)
{
	return udp_stats(s->udp);
}

static void
put_error(struct sock *s, int err)
{
	udp_put_error(s->udp, err);
}

static void
set_stage(struct sock *s, bool on)
{
	udp_set_stage(s->udp, on ? callbacks_staged : NULL);
}

static unsigned int
judge(struct sock *s)
{
	struct rte_mbuf *pkts[SOCK_BATCH];
	struct sock_judging j = { .pkts = pkts };
	uint32_t bytes = 0;
	unsigned int n = udp_stage_take(s->udp, pkts, SOCK_BATCH), i;

	if (n == 0)
		return 0;
	for (i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	j.n = n;
	if (udp_readable(s->udp))
		udp_queued(s->udp, &j.ready_pkts, &j.ready_bytes, NULL);
	udp_stage_settle(s->udp, pkts, callback_judge(s, &j), bytes);
	return n;
}

const struct sock_ops dgram_ops = {
	.open = open_udp,
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
	.set_stage = set_stage,
	.judge = judge,
	.options = dgram_options,
	.type = SOCK_DGRAM,
};
