/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's socket behind ours. It reserves the port number among the programs of this machine,
 * joins groups where the kernel speaks IGMP for the port, and receives what the kernel keeps:
 * loopback, fragments and broadcasts of a port whose rest is the kernel's.
 *
 * Where the kernel sees a copy of every frame of the port (af_packet), its socket would deliver each
 * datagram a second time: a filter lets in only what came over the loopback device.
 */
#include <linux/filter.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/port.h"
#include "sock_priv.h"

static bool
any_port(const struct ip_addr *addr, bool (*is)(enum port_kernel kernel))
{
	const struct port *only = ip_is_any(addr) || ip_is_multicast(addr) ? NULL : port_by_addr(addr);
	unsigned int i;

	if (only != NULL)
		return is(only->kernel);
	for (i = 0; i < port_count(); i++)
		if (is(port_get(i)->kernel))
			return true;
	return false;
}

static bool
kernel_has_device(enum port_kernel kernel)
{
	return kernel == KERNEL_RESTS || kernel == KERNEL_COPIES || kernel == KERNEL_BLIND;
}

static bool
kernel_gets_copies(enum port_kernel kernel)
{
	return kernel == KERNEL_COPIES;
}

static void
only_loopback(int fd)
{
	uint32_t lo = if_nametoindex("lo");
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, lo, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = RTE_DIM(code), .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0)
		LOG_WARNING("fd %d: the kernel refused a filter (%s): datagrams may arrive twice", fd,
				strerror(errno));
}

int
kernel_bind(struct sock *s, const struct ip_addr *addr, uint16_t *port_be)
{
	bool any = ip_is_any(addr);
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	if (!any && !any_port(addr, kernel_has_device))
		return 0;
	if (any_port(addr, kernel_gets_copies))
		only_loopback(s->fd);
	ip_to_sockaddr(addr, *port_be, &sin);
	if (bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		return -errno;
	if (getsockname(s->fd, (struct sockaddr *)&sin, &len) == 0)
		*port_be = sin.sin_port;
	s->os_pollable = conf()->rx_udp_poll_os_ratio != 0;
	s->bound = true;
	return 0;
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

	if (port == NULL || !kernel_has_device(port->kernel) || port->ifindex == 0)
		return;
	plain.imr_ifindex = (int)port->ifindex;
	if (source != NULL) {
		if (port->n_addrs != 0)
			with_source.imr_interface.s_addr = ip_v4(&port->addrs[0].addr);
		with_source.imr_sourceaddr.s_addr = ip_v4(source);
		ret = setsockopt(s->fd, IPPROTO_IP, op_names[op], &with_source, sizeof(with_source));
	} else {
		ret = setsockopt(s->fd, IPPROTO_IP, op_names[op], &plain, sizeof(plain));
	}
	if (ret != 0)
		LOG_WARNING("fd %d: the kernel did not take the membership on %s: %s", s->fd,
				port->netdev, strerror(errno));
}

bool
kernel_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}
