/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's socket behind ours. It reserves the port number among the programs of this machine,
 * joins groups where the kernel speaks IGMP for the port, and receives what the kernel keeps:
 * loopback, other devices, fragments and broadcasts of a port whose rest is the kernel's.
 *
 * Where the kernel sees a copy of every frame of the port (af_packet), its socket would deliver
 * each datagram a second time: a filter keeps out what came by such a device.
 *
 * A port whose rest is the kernel's has no rules for the moment in which it is started anew, and
 * the kernel would reset connections that it does not know: sockets that listen have that filter
 * there, too, and those that connected are made silent when it comes to that.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/port.h"
#include "sock_priv.h"

bool
kernel_knows(const struct port *port)
{
	return port->ifindex != 0 &&
			(port->kernel == KERNEL_RESTS || port->kernel == KERNEL_COPIES ||
					port->kernel == KERNEL_BLIND);
}

static bool
copies(const struct port *port)
{
	return port->ifindex != 0 && port->kernel == KERNEL_COPIES;
}

/** Where the kernel may see segments of our connections, now or while the port is started anew. */
static bool
may_reset(const struct port *port)
{
	return port->ifindex != 0 &&
			(port->kernel == KERNEL_COPIES || port->kernel == KERNEL_RESTS);
}

/** Whether a port that can get packets for this address is one of those. */
static bool
any_port(const struct ip_addr *addr, bool (*is)(const struct port *port))
{
	bool all = ip_is_any(addr) || ip_is_multicast(addr);
	unsigned int i;

	for (i = 0; i < port_count(); i++)
		if ((all || port_addr_find(port_get(i), addr) != NULL) && is(port_get(i)))
			return true;
	return false;
}

static bool
has_port(bool (*is)(const struct port *port))
{
	unsigned int i;

	for (i = 0; i < port_count(); i++)
		if (is(port_get(i)))
			return true;
	return false;
}

static bool
any_port_copies(void)
{
	return has_port(copies);
}

/** Packets of this device end there; a VLAN's has an index of its own. */
static unsigned int
keep_out(struct sock_filter *code, uint32_t ifindex)
{
	code[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ifindex, 0, 1);
	code[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return 2;
}

/** Datagrams to this group come in whatever device brings them. */
static unsigned int
let_in(struct sock_filter *code, uint32_t group_be)
{
	code[0] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, rte_be_to_cpu_32(group_be), 0, 1);
	code[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	return 2;
}

static void
filter_ports(const struct sock *s, bool (*is)(const struct port *port))
{
	struct sock_filter code[3 + 2 * SOCK_OS_GROUPS + 2 * PORT_MAX * (1 + PORT_ADDRS_MAX)];
	struct sock_fprog prog = { .filter = code };
	unsigned int n = 0, i, j;
	int fd = s->fd;

	if (s->os_groups_n != 0)
		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
				(uint32_t)SKF_NET_OFF + offsetof(struct rte_ipv4_hdr, dst_addr));
	for (i = 0; i < s->os_groups_n; i++)
		n += let_in(&code[n], s->os_groups[i].addr);
	code[n++] = (struct sock_filter)BPF_STMT(
			BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX));
	for (i = 0; i < port_count(); i++) {
		const struct port *port = port_get(i);

		if (!is(port))
			continue;
		n += keep_out(&code[n], port->ifindex);
		for (j = 0; j < port->n_addrs; j++)
			if (port->addrs[j].ifindex != 0 && port->addrs[j].ifindex != port->ifindex)
				n += keep_out(&code[n], port->addrs[j].ifindex);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	prog.len = (unsigned short)n;
	if (os.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0)
		LOG_WARNING("fd %d: the kernel refused a filter (%s): datagrams may arrive twice",
				fd, strerror(errno));
}

static void
filter_copies(const struct sock *s)
{
	filter_ports(s, copies);
}

/* Whether something may come by the kernel's socket; epolls that have ours look there, too. */
static void
half_is(struct sock *s, bool pollable)
{
	s->os_pollable = pollable;
	epoll_follow(s);
}

int
kernel_bind_alone(struct sock *s, const struct ip_addr *addr, uint16_t *port_be)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	ip_to_sockaddr(addr, *port_be, &sin);
	if (os.bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		return -errno;
	if (os.getsockname(s->fd, (struct sockaddr *)&sin, &len) == 0)
		*port_be = sin.sin_port;
	s->kernel_bound = true;
	return 0;
}

int
kernel_bind(struct sock *s, const struct ip_addr *addr, uint16_t *port_be)
{
	int ret;

	if (!ip_is_any(addr) && !any_port(addr, kernel_knows))
		return 0;
	if (any_port(addr, copies))
		filter_copies(s);
	ret = kernel_bind_alone(s, addr, port_be);
	/* of a stream nothing comes by it before it listens */
	if (ret == 0)
		half_is(s, s->udp != NULL && conf()->rx_udp_poll_os_ratio != 0);
	return ret;
}

int
kernel_takes_over(struct sock *s)
{
	int none = 0;

	if (s->bound && !s->kernel_bound)
		return -ENETUNREACH;
	kernel_forget(s);
	if (has_port(may_reset))
		os.setsockopt(s->fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none));
	if (s->udp != NULL) {
		udp_options(s->udp)->deaf = true;
		udp_renew(s->udp);
	}
	return 0;
}

/** @name Groups that rules leave to the kernel */
/** @{ */
int
kernel_group(struct sock *s, const struct ip_addr *group, uint32_t rule)
{
	if (s->os_groups_n == SOCK_OS_GROUPS)
		return -ENOBUFS;
	s->os_groups[s->os_groups_n++] = (struct os_group){ .addr = ip_v4(group), .rule = rule };
	if (any_port_copies())
		filter_copies(s);
	return 0;
}

void
kernel_group_left(struct sock *s, const struct ip_addr *group)
{
	unsigned int i;

	for (i = 0; i < s->os_groups_n; i++)
		if (s->os_groups[i].addr == ip_v4(group))
			break;
	if (i == s->os_groups_n)
		return;
	s->os_groups[i] = s->os_groups[--s->os_groups_n];
	if (any_port_copies())
		filter_copies(s);
}
/** @} */

bool
kernel_sees(const struct ip_addr *addr)
{
	return any_port(addr, copies);
}

bool
kernel_may_reset(const struct ip_addr *addr)
{
	return any_port(addr, may_reset);
}

static void
filter_all(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &none };

	if (os.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0)
		LOG_WARNING("fd %d: the kernel refused a filter (%s): it may reset connections", fd,
				strerror(errno));
}

void
kernel_deaf(struct sock *s)
{
	filter_all(s->fd);
}

/* The program's own. */
static bool
has_filter(int fd)
{
	socklen_t n = 0;

	return os.getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) == 0 && n != 0;
}

/*
 * A connection that the kernel made before our flows were there would be reset with the first
 * segment that comes to us: until kernel_hears() it takes none. Where it sees copies the filter of
 * kernel_bind() keeps it from hearing what is ours at any time.
 */
int
kernel_listen(struct sock *s, int backlog)
{
	if (!s->kernel_bound)
		return 0;
	kernel_forget(s);
	/* an attempt to connect may have left a filter that takes nothing */
	if (has_port(may_reset))
		filter_ports(s, may_reset);
	else if (!has_filter(s->fd))
		filter_all(s->fd);
	if (os.listen(s->fd, backlog) != 0)
		return -errno;
	half_is(s, true);
	return 0;
}

void
kernel_hears(struct sock *s)
{
	struct sock_filter none;
	socklen_t n = 1;
	int unused = 0;

	/* ours is one instruction, that says none */
	if (s->kernel_bound && !has_port(may_reset) &&
			os.getsockopt(s->fd, SOL_SOCKET, SO_GET_FILTER, &none, &n) == 0 && n == 1 &&
			none.code == (BPF_RET | BPF_K) && none.k == 0)
		os.setsockopt(s->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

/* Connections of these may be reset while a port is started anew; else they could not be made. */
void
kernel_hears_rest(struct sock *s)
{
	if (s->kernel_bound)
		filter_copies(s);
}

void
kernel_unlisten(struct sock *s)
{
	if (!s->os_pollable)
		return;
	half_is(s, false);
	/* where connections of ours go on, it stays and says nothing */
	if (any_port_copies())
		filter_all(s->fd);
	else
		os.shutdown(s->fd, SHUT_RDWR);
}

/* A filter of the program's own is on no socket that is offloaded. */
void
kernel_leave(struct sock *s)
{
	int none = 0, err = errno;

	if (s->offloaded && s->kernel_bound &&
			(s->udp != NULL || stream_phase(s->stream) == STREAM_LISTENING))
		os.setsockopt(s->fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none));
	/* there may be none */
	errno = err;
}

static void
exchange(int name, void *ctx)
{
	int flags = os.fcntl(name, F_GETFD), *fd = ctx;

	if (*fd >= 0 && os.dup3(*fd, name, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		*fd = -1;
}

/* Under all names, so that they are names of one socket still. */
static bool
exchange_all(struct sock *s, int fd)
{
	sock_names_lock();
	if (s->names == 0)
		exchange(s->fd, &fd);
	sock_foreach_name(s, exchange, &fd);
	sock_names_unlock();
	return fd >= 0;
}

/*
 * A binding to a number that the program named cannot be undone: another socket takes its place
 * behind the descriptor.
 */
void
kernel_unbind(struct sock *s)
{
	int modes = os.fcntl(s->fd, F_GETFL);
	int fd = os.socket(AF_INET, s->ops->type | SOCK_CLOEXEC, 0);

	kernel_forget(s);
	if (fd < 0)
		return;
	carry_along(s, fd);
	if (exchange_all(s, fd)) {
		os.fcntl(s->fd, F_SETFL, modes);
		s->kernel_bound = false;
		half_is(s, false);
	}
	os.close(fd);
}

/* Its kernel part hears the peer only, too. */
int
kernel_connect(struct sock *s, const struct ip_addr *peer, uint16_t port_be)
{
	struct sockaddr_in sin;

	if (!s->kernel_bound)
		return 0;
	ip_to_sockaddr(peer, port_be, &sin);
	if (os.connect(s->fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return 0;
	half_is(s, false);
	return -errno;
}

void
kernel_disconnect(struct sock *s)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in sin;
	struct ip_addr addr;
	socklen_t len = sizeof(sin);
	uint16_t port_be;

	if (!s->kernel_bound)
		return;
	os.connect(s->fd, &none, sizeof(none));
	half_is(s, conf()->rx_udp_poll_os_ratio != 0);
	/* a number that the kernel chose is given back by that; ours keeps it */
	if (os.getsockname(s->fd, (struct sockaddr *)&sin, &len) != 0 || sin.sin_port != 0)
		return;
	s->ops->local(s, &addr, &port_be);
	ip_to_sockaddr(&addr, port_be, &sin);
	if (os.bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		s->kernel_bound = false;
		half_is(s, false);
	}
}

static const int op_names[] = {
	[UDP_MC_JOIN] = IP_ADD_MEMBERSHIP,
	[UDP_MC_LEAVE] = IP_DROP_MEMBERSHIP,
	[UDP_MC_JOIN_SOURCE] = IP_ADD_SOURCE_MEMBERSHIP,
	[UDP_MC_LEAVE_SOURCE] = IP_DROP_SOURCE_MEMBERSHIP,
	[UDP_MC_BLOCK] = IP_BLOCK_SOURCE,
	[UDP_MC_UNBLOCK] = IP_UNBLOCK_SOURCE,
};

/* The kernel reports the membership to routers and switches, and sets the device's filter. */
void
kernel_membership(struct sock *s, enum udp_mc_op op, const struct ip_addr *group, struct port *port,
		const struct ip_addr *source)
{
	struct ip_mreq_source with_source = { .imr_multiaddr.s_addr = ip_v4(group) };
	struct ip_mreqn plain = { .imr_multiaddr.s_addr = ip_v4(group) };
	int ret;

	if (port == NULL || !kernel_knows(port))
		return;
	plain.imr_ifindex = (int)port->ifindex;
	if (source != NULL) {
		if (port->n_addrs != 0)
			with_source.imr_interface.s_addr = ip_v4(&port->addrs[0].addr);
		with_source.imr_sourceaddr.s_addr = ip_v4(source);
		ret = os.setsockopt(
				s->fd, IPPROTO_IP, op_names[op], &with_source, sizeof(with_source));
	} else {
		ret = os.setsockopt(s->fd, IPPROTO_IP, op_names[op], &plain, sizeof(plain));
	}
	if (ret != 0)
		LOG_WARNING("fd %d: the kernel did not take the membership on %s: %s", s->fd,
				port->netdev, strerror(errno));
}

bool
kernel_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return os.poll(&p, 1, 0) == 1;
}
