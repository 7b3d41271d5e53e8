/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open, bind, connect, names, close: what decides whether dpvma or the kernel carries a socket. The
 * kernel's socket behind the descriptor makes the fallback whole: whatever is refused here with
 * -EREMOTE is done there.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sock_priv.h"

static __thread int thread_offload = -1; /**< -1: as VMA_OFFLOADED_SOCKETS says */

void
sock_thread_offload(bool on)
{
	thread_offload = on;
}

/* From here on the kernel's, for good; what is in the queue stays readable until close. */
void
sock_to_kernel(struct sock *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->offloaded = false;
	LOG_DEBUG("fd %d: not offloaded: %s", s->fd, s->why);
}

static bool
wanted(int domain, int type, char *why, size_t len)
{
	bool on = thread_offload < 0 ? conf()->offloaded_sockets : thread_offload;

	why[0] = '\0';
	if (!on)
		snprintf(why, len, "%s", thread_offload < 0 ? "VMA_OFFLOADED_SOCKETS=0"
							     : "thread_offload is off in the thread that opened it");
	else if (domain != AF_INET)
		snprintf(why, len, "address family %d: only AF_INET is offloaded", domain);
	else if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_DGRAM)
		snprintf(why, len, "socket type %d: only SOCK_DGRAM is offloaded",
				type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC));
	return why[0] == '\0';
}

int
dpvma_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);
	char why[SOCK_WHY];
	struct sock *s;
	int ret;

	if (fd < 0 || !wanted(domain, type, why, sizeof(why)))
		return fd;
	if (dpvma_init() != 0) {
		/* the cause was logged; VMA_EXCEPTION_HANDLING=2 and above wants to hear of it */
		if (conf()->exception_handling >= CONF_EXCEPTION_RETURN) {
			ret = errno;
			close(fd);
			return fail(-ret);
		}
		return fd;
	}
	s = sock_new(fd);
	if (s == NULL) {
		close(fd);
		return fail(-ENOMEM);
	}
	s->nonblock = (type & SOCK_NONBLOCK) != 0;
	ret = udp_open(fd, sock_wake, s, &s->udp);
	if (ret != 0) {
		sock_put(sock_detach(fd));
		return fail(ret);
	}
	s->offloaded = true;
	snprintf(s->why, sizeof(s->why), "offloaded; not bound yet");
	return fd;
}

int
dpvma_close(int fd)
{
	struct sock *s = sock_detach(fd);

	if (s == NULL)
		return close(fd);
	sock_wake(s);
	sock_put(s);
	return 0;
}

int
dpvma_shutdown(int fd, int how)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return shutdown(fd, how);
	if (!s->offloaded) {
		ret = shutdown(fd, how);
	} else {
		ret = udp_shutdown(s->udp, how);
		if (ret == 0) {
			s->shut_read |= how != SHUT_WR;
			sock_wake(s);
		}
		ret = ret == 0 ? 0 : fail(ret);
	}
	sock_put(s);
	return ret;
}

static void
explain_bound(struct sock *s)
{
	struct ip_addr addr;
	char text[IP_ADDR_STRLEN];
	struct ring *ring = NULL;
	uint16_t port_be;

	udp_local(s->udp, &addr, &port_be);
	udp_rings(s->udp, &ring, 1);
	if (ring == NULL)
		snprintf(s->why, sizeof(s->why), "offloaded: bound to %s:%u", ip_format(&addr, text),
				rte_be_to_cpu_16(port_be));
	else
		snprintf(s->why, sizeof(s->why), "offloaded: bound to %s:%u, port %s, ring %u on queue %u",
				ip_format(&addr, text), rte_be_to_cpu_16(port_be), ring->port->name,
				ring->index, ring->queue);
}

/*
 * The kernel's socket first: it knows who else on this machine has the port number. Where the kernel
 * has nothing to do with the address it is left unbound.
 */
static int
bind_offloaded(struct sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	char text[IP_ADDR_STRLEN];
	int ret;

	if (!ip_is_any(addr) && !ip_is_multicast(addr) && port_by_addr(addr) == NULL) {
		sock_to_kernel(s, "bound to %s, which is no address of a dpvma port", ip_format(addr, text));
		return -EREMOTE;
	}
	ret = kernel_bind(s, addr, &port_be);
	if (ret != 0)
		return ret;
	ret = udp_bind(s->udp, addr, &port_be);
	if (ret == -EREMOTE) {
		sock_to_kernel(s, "bound to %s: no dpvma port takes it", ip_format(addr, text));
		return s->bound ? 0 : ret;
	}
	if (ret != 0)
		return ret;
	s->bound = true;
	explain_bound(s);
	return 0;
}

int
sock_autobind(struct sock *s)
{
	struct ip_addr any = ip_from_v4(0);
	int ret;

	if (s->bound)
		return 0;
	rte_spinlock_lock(&s->lock);
	ret = s->bound ? 0 : bind_offloaded(s, &any, 0);
	rte_spinlock_unlock(&s->lock);
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
	} else if ((ret = ip_from_sockaddr(sa, len, &addr, &port_be)) != 0) {
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

static int
connect_offloaded(struct sock *s, const struct sockaddr *sa, socklen_t len)
{
	struct ip_addr addr;
	char text[IP_ADDR_STRLEN];
	uint16_t port_be;
	int ret;

	if (sa != NULL && sa->sa_family == AF_UNSPEC) {
		ret = udp_connect(s->udp, NULL, 0);
		connect(s->fd, sa, len);
		return ret;
	}
	ret = ip_from_sockaddr(sa, len, &addr, &port_be);
	if (ret != 0)
		return ret;
	ret = sock_autobind(s);
	if (ret == 0)
		ret = udp_connect(s->udp, &addr, port_be);
	if (ret == -EREMOTE && s->offloaded)
		sock_to_kernel(s, "connected to %s: the route leads through no dpvma port",
				ip_format(&addr, text));
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
	else
		explain_bound(s);
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

int
dpvma_fcntl(int fd, int cmd, ...)
{
	struct sock *s = sock_get(fd);
	va_list ap;
	long arg;
	int ret;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	ret = fcntl(fd, cmd, arg);
	if (s != NULL) {
		if (ret >= 0 && cmd == F_SETFL)
			s->nonblock = (arg & O_NONBLOCK) != 0;
		sock_put(s);
	}
	return ret;
}

int
dpvma_ioctl(int fd, unsigned long request, ...)
{
	struct sock *s = sock_get(fd);
	uint32_t pkts, bytes, first;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (s == NULL)
		return ioctl(fd, request, arg);
	if (request == FIONREAD && s->offloaded) {
		udp_queued(s->udp, &pkts, &bytes, &first);
		if (pkts == 0 && udp_poll(s->udp) != 0)
			udp_queued(s->udp, &pkts, &bytes, &first);
		if (arg == NULL)
			ret = fail(-EFAULT);
		else if (pkts == 0 && s->os_pollable)
			ret = ioctl(fd, request, arg);
		else
			ret = (*(int *)arg = (int)first, 0);
	} else {
		ret = ioctl(fd, request, arg);
		if (ret == 0 && request == FIONBIO)
			s->nonblock = *(int *)arg != 0;
	}
	sock_put(s);
	return ret;
}

int
sock_rings(int fd, struct ring **rings, int n)
{
	struct sock *s = sock_get(fd);
	int ret = 0;

	if (s == NULL)
		return 0;
	if (s->offloaded && s->bound)
		ret = (int)udp_rings(s->udp, rings, n > 0 ? (unsigned int)n : 0);
	sock_put(s);
	return ret;
}

struct ring *
sock_tx_ring(int fd, const struct sockaddr *to, socklen_t len)
{
	struct sock *s = sock_get(fd);
	struct ring *ring = NULL;
	struct ip_addr addr;
	uint16_t port_be;

	if (s == NULL || !s->offloaded || to == NULL || ip_from_sockaddr(to, len, &addr, &port_be) != 0)
		errno = EINVAL;
	else if ((ring = udp_tx_ring(s->udp)) == NULL)
		errno = ENODATA;
	if (s != NULL)
		sock_put(s);
	return ring;
}

int
sock_headers(int fd, void *buf, uint16_t *len)
{
	struct sock *s = sock_get(fd);
	uint8_t hdr[128];
	int n = -EINVAL;

	if (s == NULL)
		return fail(-EINVAL);
	if (s->offloaded && len != NULL)
		n = udp_headers(s->udp, hdr, sizeof(hdr));
	sock_put(s);
	if (n < 0)
		return fail(n);
	if (buf != NULL && *len < n)
		return fail(-ENOBUFS);
	if (buf != NULL)
		memcpy(buf, hdr, (size_t)n);
	*len = (uint16_t)n;
	return 0;
}
