/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open and close, and the calls on a descriptor that are neither names nor data. The kernel's
 * socket behind the descriptor makes the fallback whole: whatever is refused here with -EREMOTE is
 * done there.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sock_priv.h"

static __thread int thread_offload = -1; /**< -1: as VMA_OFFLOADED_SOCKETS says */

void
sock_thread_offload(bool on)
{
	thread_offload = on;
}

/* From here on the kernel's, for good. */
void
sock_to_kernel(struct sock *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	__atomic_store_n(&s->offloaded, false, __ATOMIC_RELEASE);
	LOG_DEBUG("fd %d: not offloaded: %s", s->fd, s->why);
}

static enum sock_reason
unwanted(int domain, int type, int protocol)
{
	type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (thread_offload == 0)
		return REASON_THREAD;
	if (thread_offload < 0 && !conf()->offloaded_sockets)
		return REASON_OPTION;
	if (domain != AF_INET)
		return REASON_FAMILY;
	if (type != SOCK_DGRAM)
		return REASON_TYPE;
	if (protocol != 0 && protocol != IPPROTO_UDP)
		return REASON_PROTOCOL;
	return REASON_NONE;
}

/* The cause was logged; VMA_EXCEPTION_HANDLING=2 and above wants to hear of it. */
static int
not_started(int fd)
{
	int err = errno;

	if (conf()->exception_handling < CONF_EXCEPTION_RETURN) {
		explain_remember(fd, REASON_START);
		return fd;
	}
	close(fd);
	return fail(-err);
}

/* SO_RCVBUF of the kernel's choosing is what a program expects that does not set it. */
static void
start_as_kernel(struct sock *s)
{
	struct udp_options *o = udp_options(s->udp);
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &value, &len) == 0 && value > 0)
		o->rcvbuf = RTE_MAX((uint32_t)value, (uint32_t)conf()->rx_bytes_min);
	/* the kernel's sysctl net.ipv4.ip_default_ttl */
	if (getsockopt(s->fd, IPPROTO_IP, IP_TTL, &value, &len) == 0 && value > 0)
		o->ttl = (uint8_t)value;
	value = o->mc_loop;
	setsockopt(s->fd, IPPROTO_IP, IP_MULTICAST_LOOP, &value, sizeof(value));
}

int
dpvma_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol), ret;
	enum sock_reason reason;
	struct sock *s;

	if (fd < 0)
		return fd;
	reason = unwanted(domain, type, protocol);
	if (reason != REASON_NONE) {
		explain_remember(fd, reason);
		return fd;
	}
	if (dpvma_init() != 0)
		return not_started(fd);
	explain_remember(fd, REASON_NONE);
	s = sock_new(fd);
	if (s == NULL) {
		explain_remember(fd, REASON_TABLE);
		return fd;
	}
	s->nonblock = (type & SOCK_NONBLOCK) != 0;
	ret = udp_open(fd, sock_wake, s, &s->udp);
	if (ret != 0) {
		s->closing = true;
		sock_put(s);
		return fail(ret);
	}
	udp_set_wake(s->udp, false);
	start_as_kernel(s);
	s->offloaded = true;
	sock_publish(s);
	return fd;
}

int
dpvma_close(int fd)
{
	struct sock *s = sock_detach(fd);

	explain_remember(fd, REASON_NONE);
	if (s == NULL)
		return close(fd);
	if (conf()->stats_file[0] != '\0')
		dump_closed(s);
	sock_wake_all(s);
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
		/* without a peer it takes effect and is an error, as on Linux */
		if (ret == 0 || ret == -ENOTCONN) {
			if (how != SHUT_WR)
				s->shut_read = true;
			sock_wake_all(s);
		}
		ret = ret == 0 ? 0 : fail(ret);
	}
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
