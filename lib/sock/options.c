/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options. The kernel's socket behind ours takes most of them first: it knows what is valid,
 * what a default or a one-byte value amounts to, and it needs them itself when it carries the
 * traffic. What it then holds is mirrored into ours. Tables say which options matter here, those of
 * every socket in this file and those of datagrams and streams in theirs; every other one is the
 * kernel's alone.
 */
#include <net/if.h>
#include <sys/time.h>
#include <unistd.h>

#include "port/port.h"
#include "errqueue.h"
#include "rate.h"
#include "user.h"

/* Old names for both sizes of time_t; on 64-bit machines they are the same structures. */
#ifndef SO_RCVTIMEO_NEW
#define SO_RCVTIMEO_NEW 66
#define SO_SNDTIMEO_NEW 67
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

int
option_held(const struct sock *s, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (os.getsockopt(s->fd, level, name, &value, &len) != 0)
		return 0;
	return value;
}

bool
option_of(int fd, int level, int name, int *value)
{
	socklen_t len = sizeof(*value);

	*value = 0;
	return os.getsockopt(fd, level, name, value, &len) == 0;
}

int
option_give(void *val, socklen_t *len, const void *from, socklen_t size)
{
	if (!user_out(len, sizeof(*len)))
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	size = RTE_MIN(*len, size);
	if (!user_out(val, size))
		return -EFAULT;
	*len = size;
	memcpy(val, from, *len);
	return 0;
}

static void
mirror_timeout(struct sock *s, int value)
{
	struct timeval tv = { 0 };
	socklen_t len = sizeof(tv);

	(void)value;
	if (os.getsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0)
		s->rcv_timeout_ns = (int64_t)tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
	len = sizeof(tv);
	if (os.getsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len) == 0)
		s->snd_timeout_ns = (int64_t)tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
}

/* The kernel has a device of that index bound, or none with 0. */
static int
bound_to_ifindex(struct sock *s, const char *name, uint32_t ifindex)
{
	struct port *port = ifindex != 0 ? port_by_ifindex(ifindex) : NULL;

	s->bind_device[0] = '\0';
	if (ifindex != 0 && port == NULL) {
		s->reason = REASON_DEVICE;
		sock_to_kernel(s, "bound to the device %s, which is no dpvma port", name);
		return 0;
	}
	return s->ops->bind_device(s, port, ifindex);
}

/* Without privilege the kernel may refuse; ours is a matter of this process only. */
static int
kernel_takes(struct sock *s, int name, const void *val, socklen_t len)
{
	if (os.setsockopt(s->fd, SOL_SOCKET, name, val, len) == 0)
		return 0;
	return errno == EPERM && conf()->allow_privileged_sock_opt ? 0 : -errno;
}

static int
set_device(struct sock *s, int name, const void *val, socklen_t len)
{
	char device[RTE_ETH_NAME_MAX_LEN] = "";
	struct port *port;
	int ret;

	if (val == NULL && len != 0)
		return -EFAULT;
	memcpy(device, val, RTE_MIN(len, (socklen_t)sizeof(device) - 1));
	port = device[0] != '\0' ? port_by_name(device) : NULL;
	if (port != NULL && !kernel_knows(port)) {
		strlcpy(s->bind_device, device, sizeof(s->bind_device));
		return s->ops->bind_device(s, port, port->ifindex);
	}
	if (port != NULL) {
		ret = kernel_takes(s, name, port->netdev, (socklen_t)strlen(port->netdev) + 1);
		return ret == 0 ? bound_to_ifindex(s, device, port->ifindex) : ret;
	}
	ret = kernel_takes(s, name, val, len);
	return ret == 0 ? bound_to_ifindex(s, device, if_nametoindex(device)) : ret;
}

static int
get_device(struct sock *s, int name, void *val, socklen_t *len)
{
	if (s->bind_device[0] != '\0')
		return option_give(val, len, s->bind_device, (socklen_t)strlen(s->bind_device) + 1);
	return os.getsockopt(s->fd, SOL_SOCKET, name, val, len) == 0 ? 0 : -errno;
}

static int
set_ifindex(struct sock *s, int name, const void *val, socklen_t len)
{
	char device[IF_NAMESIZE] = "";
	int ifindex, ret;

	ret = kernel_takes(s, name, val, len);
	if (ret != 0)
		return ret;
	memcpy(&ifindex, val, sizeof(ifindex));
	return bound_to_ifindex(
			s, if_indextoname((unsigned int)ifindex, device), (uint32_t)ifindex);
}

static void
mirror_zerocopy(struct sock *s, int value)
{
	if (value != 0 && errqueue_open(s) == 0)
		s->notes |= NOTE_ZEROCOPY;
	else
		s->notes &= ~(uint32_t)NOTE_ZEROCOPY;
}

/* MSG_PEEK begins at the first byte: a place to begin at is refused as by protocols without one. */
static int
set_peek_off(struct sock *s, int name, const void *val, socklen_t len)
{
	int value;

	if (val != NULL && len >= sizeof(value)) {
		memcpy(&value, val, sizeof(value));
		if (value >= 0)
			return -EOPNOTSUPP;
	}
	return os.setsockopt(s->fd, SOL_SOCKET, name, val, len) == 0 ? 0 : -errno;
}

static int
get_peer_name(struct sock *s, int name, void *val, socklen_t *len)
{
	struct sockaddr_in sin;
	struct ip_addr addr;
	uint16_t port_be;

	(void)name;
	if (len == NULL)
		return -EFAULT;
	if (!s->ops->peer(s, &addr, &port_be))
		return -ENOTCONN;
	if (*len > sizeof(sin))
		return -EINVAL;
	ip_to_sockaddr(&addr, port_be, &sin);
	return option_give(val, len, &sin, sizeof(sin));
}

static const struct option options[] = {
	{ SOL_SOCKET, SO_PEERNAME, NULL, NULL, get_peer_name },
	{ SOL_SOCKET, SO_PEEK_OFF, NULL, set_peek_off, NULL },
	OPTION_MIRROR(SOL_SOCKET, SO_ZEROCOPY, mirror_zerocopy),
	OPTION_MIRROR(SOL_SOCKET, SO_RCVTIMEO, mirror_timeout),
	OPTION_MIRROR(SOL_SOCKET, SO_SNDTIMEO, mirror_timeout),
	OPTION_MIRROR(SOL_SOCKET, SO_RCVTIMEO_NEW, mirror_timeout),
	OPTION_MIRROR(SOL_SOCKET, SO_SNDTIMEO_NEW, mirror_timeout),
	{ SOL_SOCKET, SO_BINDTODEVICE, NULL, set_device, get_device },
	{ SOL_SOCKET, SO_BINDTOIFINDEX, NULL, set_ifindex, NULL },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, NULL, rate_set, rate_get },
	{ 0 },
};

static const struct option *
find_in(const struct option *o, int level, int name)
{
	for (; o->mirror != NULL || o->set != NULL || o->get != NULL; o++)
		if (o->level == level && o->name == name)
			return o;
	return NULL;
}

static const struct option *
find(const struct sock *s, int level, int name)
{
	const struct option *o = find_in(s->ops->options, level, name);

	return o != NULL ? o : find_in(options, level, name);
}

const struct option *
option_ours(const struct sock *s, int level, int name)
{
	const struct option *o = find(s, level, name);

	return o != NULL && o->get != NULL && (o->mirror != NULL || o->set != NULL) ? o : NULL;
}

/* VMA_AVOID_SYS_CALLS_ON_TCP_FD: nobody will ask the kernel's socket of a connection any more. */
static bool
alone(const struct sock *s)
{
	return conf()->avoid_sys_calls_on_tcp_fd && s->stream != NULL &&
			(stream_phase(s->stream) == STREAM_CONNECTING ||
					stream_phase(s->stream) == STREAM_CONNECTED);
}

/** Bytes of a value that are looked at here, at most: a group_source_req has 264. */
#define OPTION_MAX ((socklen_t)264)

static int
set_locked(struct sock *s, int level, int name, const void *val, socklen_t len)
{
	const struct option *o = find(s, level, name);
	int ret, value;

	/* what the kernel reads it looks at itself */
	if ((int)len >= (int)sizeof(value) && !user_in(val, RTE_MIN(len, OPTION_MAX)))
		val = NULL;
	if (level == SOL_SOCKET && (ret = vma_option_set(s, name, val, len)) != -EREMOTE)
		return ret;
	if (s->udp != NULL && s->offloaded && membership_name(level, name))
		return membership_set(s, name, val, len);
	if (o != NULL && o->set != NULL)
		return o->set(s, name, val, len);
	if (unlikely(o != NULL && o->mirror != NULL && o->get != NULL && len == sizeof(value) &&
			    alone(s))) {
		memcpy(&value, val, sizeof(value));
		o->mirror(s, value);
		s->untold = true;
		return 0;
	}
	if (os.setsockopt(s->fd, level, name, val, len) != 0)
		return -errno;
	if (o != NULL && o->mirror != NULL)
		o->mirror(s, option_held(s, level, name));
	return 0;
}

static int
get_locked(struct sock *s, int level, int name, void *val, socklen_t *len)
{
	const struct option *o = find(s, level, name);
	int ret;

	if (!user_out(len, sizeof(*len)))
		return -EFAULT;
	if (level == SOL_SOCKET && (ret = vma_option_get(s, name, val, len)) != -EREMOTE)
		return ret;
	if (o != NULL && o->get != NULL)
		return o->get(s, name, val, len);
	return os.getsockopt(s->fd, level, name, val, len) == 0 ? 0 : -errno;
}

/* The kernel would take its first eight bytes for a rate. */
static inline bool
is_rate_limit(int level, int name, socklen_t len)
{
	return unlikely(name == SO_MAX_PACING_RATE) && level == SOL_SOCKET &&
			len == SOCK_RATE_LIMIT;
}

static int
set_kernels(int fd, int level, int name, const void *val, socklen_t len)
{
	return is_rate_limit(level, name, len) ? rate_set_kernels(fd, val, len)
					       : os.setsockopt(fd, level, name, val, len);
}

static int
get_kernels(int fd, int level, int name, void *val, socklen_t *len)
{
	return unlikely(name == SO_MAX_PACING_RATE) && user_in(len, sizeof(*len)) &&
					is_rate_limit(level, name, *len)
			? rate_get_kernels(fd, val, len)
			: os.getsockopt(fd, level, name, val, len);
}

int
dpvma_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct sock *s = sock_get(fd);
	int ret, err = errno;

	if (s == NULL)
		return set_kernels(fd, level, name, val, len);
	/* what is sent by our ports obeys its options, whoever receives */
	if ((int)len < 0) {
		ret = fail(-EINVAL);
	} else if (!s->offloaded && !s->sends) {
		ret = set_kernels(fd, level, name, val, len);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = set_locked(s, level, name, val, len);
		if (ret == 0)
			carry_note(s, level, name);
		rte_spinlock_unlock(&s->lock);
		/* what the kernel was asked in between is nobody's business */
		errno = err;
		ret = ret == 0 ? 0 : fail(ret);
	}
	sock_put(s);
	return ret;
}

int
dpvma_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct sock *s;
	int ret, err = errno;

	/* the question whether the library is there comes without a socket */
	if (unlikely(fd == -1) && vma_option_api(fd, level, name, val, len))
		return 0;
	s = sock_get(fd);
	if (s == NULL)
		return get_kernels(fd, level, name, val, len);
	if (!s->offloaded) {
		ret = get_kernels(fd, level, name, val, len);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = get_locked(s, level, name, val, len);
		rte_spinlock_unlock(&s->lock);
		/* what the kernel was asked in between is nobody's business */
		errno = err;
		ret = ret == 0 ? 0 : fail(ret);
	}
	sock_put(s);
	return ret;
}

void
dpvma_option_taken(int fd, int level, int name, const void *val, socklen_t len)
{
	struct sock *s = sock_get(fd);
	const struct option *o;
	int err = errno;

	if (s == NULL)
		return;
	o = find(s, level, name);
	rte_spinlock_lock(&s->lock);
	carry_note(s, level, name);
	if (s->offloaded && o != NULL && o->set != NULL)
		o->set(s, name, val, len);
	else if (s->offloaded && o != NULL && o->mirror != NULL)
		o->mirror(s, option_held(s, level, name));
	rte_spinlock_unlock(&s->lock);
	sock_put(s);
	errno = err;
}
