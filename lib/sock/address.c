/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names: bind, connect and who is at either end. Here is decided whether dpvma or the kernel
 * carries a socket.
 */
#include <unistd.h>

#include "net/net.h"
#include "port/port.h"
#include "sock_priv.h"

int
sock_address(const struct sockaddr *sa, socklen_t len, struct ip_addr *addr, uint16_t *port_be)
{
	struct sockaddr_in sin;

	if (sa == NULL)
		return -EFAULT;
	if (len >= sizeof(sin) && sa->sa_family == AF_UNSPEC) {
		memcpy(&sin, sa, sizeof(sin));
		*addr = ip_from_v4(sin.sin_addr.s_addr);
		*port_be = sin.sin_port;
		return 0;
	}
	if (len >= sizeof(sin) && sa->sa_family != AF_INET)
		return -EAFNOSUPPORT;
	return ip_from_sockaddr(sa, len, addr, port_be);
}

bool
sock_kernel_may_send(const struct sock *s)
{
	return !s->bound || s->kernel_bound;
}

/*
 * The kernel's socket first: it knows who else on this machine has the port number. Where the
 * kernel has nothing to do with the address it is left unbound.
 */
static int
bind_offloaded(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	char text[IP_ADDR_STRLEN];
	int ret;

	if (!ip_is_any(addr) && !ip_is_multicast(addr) && port_by_addr(addr) == NULL) {
		sock_to_kernel(s, "bound to %s, which is no address of a dpvma port",
				ip_format(addr, text));
		return -EREMOTE;
	}
	ret = kernel_bind(s, addr, &port_be);
	if (ret != 0)
		return ret;
	ret = udp_bind(s->udp, addr, &port_be);
	if (ret == -EREMOTE) {
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

/* AF_UNSPEC with address any is Linux's concession to old programs. */
static int
bind_address(const struct sockaddr *sa, socklen_t len, struct ip_addr *addr, uint16_t *port_be)
{
	int ret = sock_address(sa, len, addr, port_be);

	if (ret == 0 && sa->sa_family == AF_UNSPEC && !ip_is_any(addr))
		return -EAFNOSUPPORT;
	return ret;
}

int
dpvma_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sock *s = sock_get(fd);
	struct ip_addr addr;
	uint16_t port_be;
	int ret;

	if (s == NULL)
		return bind(fd, sa, len);
	if (!s->offloaded) {
		ret = bind(fd, sa, len);
	} else if ((ret = bind_address(sa, len, &addr, &port_be)) != 0) {
		ret = fail(ret);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = s->bound ? -EINVAL : bind_offloaded(s, &addr, port_be);
		rte_spinlock_unlock(&s->lock);
		if (ret == -EREMOTE)
			ret = bind(fd, sa, len);
		else if (ret != 0)
			ret = fail(ret);
	}
	sock_put(s);
	return ret;
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

	if (ret == 0)
		kernel_disconnect(s);
	return ret;
}

static int
connect_offloaded(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	struct ip_addr addr;
	char text[IP_ADDR_STRLEN];
	uint16_t port_be;
	int ret;

	if (sa != NULL && len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNSPEC)
		return dissolve(s);
	ret = sock_address(sa, len, &addr, &port_be);
	if (ret != 0)
		return ret;
	ret = ask_route(s, &addr);
	if (ret == 0)
		ret = sock_autobind(s);
	if (ret == 0)
		ret = udp_connect(s->udp, &addr, port_be);
	if (ret == 0)
		kernel_connect(s, &addr, port_be);
	if (ret != -EREMOTE || !s->offloaded)
		return ret;
	if (!sock_kernel_may_send(s))
		return -ENETUNREACH;
	rte_spinlock_lock(&s->lock);
	sock_to_kernel(s, "connected to %s: the way there leads through no dpvma port",
			ip_format(&addr, text));
	rte_spinlock_unlock(&s->lock);
	return ret;
}

int
dpvma_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return connect(fd, sa, len);
	ret = s->offloaded ? connect_offloaded(s, sa, len) : -EREMOTE;
	if (ret == -EREMOTE)
		ret = connect(fd, sa, len);
	else if (ret != 0)
		ret = fail(ret);
	sock_put(s);
	return ret;
}

static int
give_name(const struct ip_addr *addr, uint16_t port_be, struct sockaddr *sa, socklen_t *len)
{
	struct sockaddr_in sin;

	if (sa == NULL || len == NULL)
		return fail(-EFAULT);
	if ((int)*len < 0)
		return fail(-EINVAL);
	ip_to_sockaddr(addr, port_be, &sin);
	memcpy(sa, &sin, RTE_MIN(*len, (socklen_t)sizeof(sin)));
	*len = sizeof(sin);
	return 0;
}

/* VMA_TRIGGER_DUMMY_SEND_GETSOCKNAME */
static __rte_noinline void
warm_up(struct sock *s)
{
	struct udp_out out = { .tos = -1, .ttl = -1 };
	struct ip_addr addr;
	uint16_t port_be;

	if (udp_peer(s->udp, &addr, &port_be))
		udp_send(s->udp, &out, 1, true);
}

int
dpvma_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct sock *s = sock_get(fd);
	struct ip_addr addr;
	uint16_t port_be;
	int ret;

	if (s == NULL)
		return getsockname(fd, sa, len);
	if (s->offloaded) {
		if (conf()->trigger_dummy_send_getsockname)
			warm_up(s);
		udp_local(s->udp, &addr, &port_be);
		ret = give_name(&addr, port_be, sa, len);
	} else {
		ret = getsockname(fd, sa, len);
	}
	sock_put(s);
	return ret;
}

int
dpvma_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct sock *s = sock_get(fd);
	struct ip_addr addr;
	uint16_t port_be;
	int ret;

	if (s == NULL)
		return getpeername(fd, sa, len);
	if (!s->offloaded)
		ret = getpeername(fd, sa, len);
	else if (udp_peer(s->udp, &addr, &port_be))
		ret = give_name(&addr, port_be, sa, len);
	else
		ret = fail(-ENOTCONN);
	sock_put(s);
	return ret;
}
