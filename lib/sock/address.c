/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names: bind, connect and who is at either end, whatever the socket is. What it does then is in
 * dgram.c and stream.c.
 */
#include <unistd.h>

#include "net/net.h"
#include "port/port.h"
#include "sock_priv.h"
#include "user.h"

int
sock_name_given(const struct sockaddr *sa, socklen_t len)
{
	/* as move_addr_to_kernel() does it */
	if (unlikely(len > sizeof(struct sockaddr_storage)))
		return -EINVAL;
	return likely(user_in(sa, len)) ? 0 : -EFAULT;
}

int
sock_address(const struct sockaddr *sa, socklen_t len, struct ip_addr *addr, uint16_t *port_be)
{
	struct sockaddr_in sin;

	int ret = sock_name_given(sa, len);

	if (unlikely(ret != 0))
		return ret;
	if (unlikely(len < sizeof(sin)))
		return -EINVAL;
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

enum sock_reason
sock_elsewhere(const struct ip_addr *addr, enum sock_reason otherwise)
{
	return ip_is_v4(addr) && addr->b[12] == IN_LOOPBACKNET ? REASON_LOOPBACK : otherwise;
}

bool
sock_kernel_may_send(const struct sock *s)
{
	return !s->bound || s->kernel_bound;
}

int
sock_bind_address(const struct sockaddr *sa, socklen_t len, struct ip_addr *addr, uint16_t *port_be)
{
	int ret = sock_address(sa, len, addr, port_be);

	if (ret == 0 && sa->sa_family == AF_UNSPEC && !ip_is_any(addr))
		return -EAFNOSUPPORT;
	return ret;
}

/* What it does not take either leaves the socket as it was. */
static int
bind_kernels(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	int ret = os.bind(s->fd, sa, len);

	if (ret != 0)
		sock_to_us(s);
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
		return os.bind(fd, sa, len);
	if (!s->offloaded) {
		ret = os.bind(fd, sa, len);
	} else if ((ret = sock_bind_address(sa, len, &addr, &port_be)) != 0) {
		ret = fail(ret);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = s->bound ? -EINVAL : s->ops->bind(s, &addr, port_be);
		rte_spinlock_unlock(&s->lock);
		if (ret == -EREMOTE)
			ret = bind_kernels(s, sa, len);
		else if (ret != 0)
			ret = fail(ret);
	}
	sock_put(s);
	return ret;
}

int
dpvma_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return os.connect(fd, sa, len);
	ret = s->offloaded || s->sends ? sock_name_given(sa, len) : -EREMOTE;
	if (ret == 0)
		ret = s->ops->connect(s, sa, len);
	if (ret == -EREMOTE)
		ret = os.connect(fd, sa, len);
	else if (ret != 0)
		ret = fail(ret);
	sock_put(s);
	return ret;
}

int
sock_give_name(const struct ip_addr *addr, uint16_t port_be, struct sockaddr *sa, socklen_t *len)
{
	struct sockaddr_in sin;

	if (!user_out(len, sizeof(*len)))
		return fail(-EFAULT);
	if ((int)*len < 0)
		return fail(-EINVAL);
	if (!user_out(sa, RTE_MIN(*len, (socklen_t)sizeof(sin))))
		return fail(-EFAULT);
	ip_to_sockaddr(addr, port_be, &sin);
	memcpy(sa, &sin, RTE_MIN(*len, (socklen_t)sizeof(sin)));
	*len = sizeof(sin);
	return 0;
}

int
dpvma_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct sock *s = sock_get(fd);
	struct ip_addr addr;
	uint16_t port_be;
	int ret;

	if (s == NULL)
		return os.getsockname(fd, sa, len);
	if (s->offloaded) {
		if (conf()->trigger_dummy_send_getsockname && s->udp != NULL)
			dgram_warm_up(s);
		s->ops->local(s, &addr, &port_be);
		ret = sock_give_name(&addr, port_be, sa, len);
	} else {
		ret = os.getsockname(fd, sa, len);
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
		return os.getpeername(fd, sa, len);
	if (!s->offloaded)
		ret = os.getpeername(fd, sa, len);
	else if (s->ops->peer(s, &addr, &port_be))
		ret = sock_give_name(&addr, port_be, sa, len);
	else
		ret = fail(-ENOTCONN);
	sock_put(s);
	return ret;
}
