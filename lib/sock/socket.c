/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, and the calls on a descriptor that are neither names nor data. The kernel's
 * socket behind the descriptor makes the fallback whole: whatever is refused here with -EREMOTE is
 * done there.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fronts.h"
#include "sock_priv.h"

static void
mark_name(int fd, void *ctx)
{
	sock_mark(fd, *(enum sock_mark *)ctx);
}

static void
mark_names(struct sock *s, enum sock_mark mark)
{
	sock_names_lock();
	sock_foreach_name(s, mark_name, &mark);
	sock_names_unlock();
}

/* From here on the kernel's, for good. */
void
sock_to_kernel(struct sock *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->sends = false;
	if (unlikely(s->untold))
		carry_tell(s);
	__atomic_store_n(&s->offloaded, false, __ATOMIC_RELEASE);
	if (unlikely(s->front != NULL))
		front_return(s);
	mark_names(s, SOCK_MARK_KERNEL);
	epoll_follow(s);
	sock_wake_all(s);
	LOG_DEBUG("fd %d: not offloaded: %s", s->fd, s->why);
}

void
sock_to_sends(struct sock *s)
{
	s->sends = true;
	mark_names(s, SOCK_MARK_OURS);
}

void
sock_to_us(struct sock *s)
{
	s->why[0] = '\0';
	s->reason = REASON_NONE;
	__atomic_store_n(&s->offloaded, true, __ATOMIC_RELEASE);
	mark_names(s, SOCK_MARK_OURS);
	epoll_follow(s);
}

static enum sock_reason
unwanted_here(void)
{
	int on = thread_offload();

	if (on == 0)
		return REASON_THREAD;
	if (on < 0 && !conf()->offloaded_sockets)
		return REASON_OPTION;
	return REASON_NONE;
}

static enum sock_reason
unwanted(int domain, int type, int protocol)
{
	type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (domain != AF_INET)
		return REASON_FAMILY;
	if (type != SOCK_DGRAM && type != SOCK_STREAM)
		return REASON_TYPE;
	if (protocol != 0 && protocol != (type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP))
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
	os.close(fd);
	return fail(-err);
}

struct sock *
sock_make(int fd, int type, bool nonblock, int *err)
{
	struct sock *s = sock_new(fd);

	*err = -EMFILE;
	if (s == NULL)
		return NULL;
	s->nonblock = nonblock;
	s->ops = type == SOCK_STREAM ? &stream_ops : &dgram_ops;
	*err = s->ops->open(s);
	if (*err == 0)
		return s;
	/* the number is the caller's still */
	s->fd = -1;
	s->closing = true;
	sock_put(s);
	return NULL;
}

/* @return 0, or a negative errno: the kernel's socket is all there is, and why is remembered */
static int
take_over(int fd, int type, bool nonblock)
{
	struct sock *s;
	int ret;

	s = sock_make(fd, type, nonblock, &ret);
	if (s == NULL) {
		explain_remember(fd, REASON_TABLE);
		return ret;
	}
	s->ops->start(s);
	s->offloaded = true;
	sock_publish(s);
	return 0;
}

int
dpvma_socket(int domain, int type, int protocol)
{
	int fd = os.socket(domain, type, protocol), ret;
	enum sock_reason reason;

	if (fd < 0)
		return fd;
	reason = unwanted_here();
	if (reason == REASON_NONE)
		reason = unwanted(domain, type, protocol);
	if (reason != REASON_NONE) {
		explain_remember(fd, reason);
		return fd;
	}
	if (dpvma_init() != 0)
		return not_started(fd);
	explain_remember(fd, REASON_NONE);
	ret = take_over(fd, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), (type & SOCK_NONBLOCK) != 0);
	if (ret == 0 || ret == -EMFILE)
		return fd;
	os.close(fd);
	return fail(ret);
}

/* @return whether it is ours now, else why is remembered */
static bool
adopt(int fd)
{
	int domain, type, protocol, flags = os.fcntl(fd, F_GETFL);
	enum sock_reason reason;

	if (flags < 0 || !option_of(fd, SOL_SOCKET, SO_DOMAIN, &domain) ||
			!option_of(fd, SOL_SOCKET, SO_TYPE, &type) ||
			!option_of(fd, SOL_SOCKET, SO_PROTOCOL, &protocol)) {
		sock_mark(fd, SOCK_MARK_NONE);
		return false;
	}
	reason = unwanted(domain, type, protocol);
	if (reason == REASON_NONE && dpvma_init() != 0)
		reason = REASON_START;
	if (reason == REASON_NONE)
		return take_over(fd, type, (flags & O_NONBLOCK) != 0) == 0;
	explain_remember(fd, reason);
	return false;
}

void
dpvma_opened(int fd)
{
	enum sock_reason reason = unwanted_here();
	int err = errno;

	if (reason != REASON_NONE)
		explain_remember(fd, reason);
	else if (thread_offload() > 0)
		adopt(fd);
	else
		sock_mark(fd, SOCK_MARK_CANDIDATE);
	report_opened();
	errno = err;
}

int
dpvma_adopt(int fd)
{
	int err = errno;
	bool ours;

	/* thread_offload is that of the thread that opened it: dpvma_opened() */
	if (!conf()->offloaded_sockets) {
		explain_remember(fd, REASON_OPTION);
		ours = false;
	} else {
		ours = adopt(fd);
	}
	errno = err;
	return ours ? 0 : -1;
}

int
dpvma_shutdown(int fd, int how)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return os.shutdown(fd, how);
	if (!s->offloaded) {
		ret = os.shutdown(fd, how);
		if (s->sends)
			udp_shutdown(s->udp, how);
	} else if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
		ret = fail(-EINVAL);
	} else {
		ret = s->ops->shutdown(s, how);
		ret = ret == 0 ? 0 : fail(ret);
	}
	sock_put(s);
	return ret;
}

int
dpvma_fcntl(int fd, int cmd, ...)
{
	struct sock *s;
	va_list ap;
	long arg;
	int ret;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return sock_dup(fd, cmd, (int)arg);
	s = sock_get(fd);
	ret = os.fcntl(fd, cmd, arg);
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
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (s == NULL)
		return os.ioctl(fd, request, arg);
	ret = s->offloaded ? s->ops->ioctl(s, request, arg) : -EREMOTE;
	if (ret == -EREMOTE) {
		ret = os.ioctl(fd, request, arg);
		if (ret == 0 && request == FIONBIO)
			s->nonblock = *(int *)arg != 0;
	} else if (ret != 0) {
		ret = fail(ret);
	}
	sock_put(s);
	return ret;
}
