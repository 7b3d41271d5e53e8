/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Socket options. The kernel's socket behind ours takes most of them first: it knows what is valid,
 * what a default or a one-byte value amounts to, and it needs them itself when it carries the
 * traffic. What it then holds is mirrored into ours. The table says which options matter here;
 * every other one is the kernel's alone.
 */
#include <linux/net_tstamp.h>
#include <linux/udp.h>
#include <net/if.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/net.h"
#include "port/port.h"
#include "sock_priv.h"

/* Old names for both sizes of time_t; on 64-bit machines they are the same structures. */
#ifndef SO_RCVTIMEO_NEW
#define SO_RCVTIMEO_NEW 66
#define SO_SNDTIMEO_NEW 67
#endif
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

/** One option that dpvma itself acts on. A member that is NULL: the kernel's call alone. */
struct option {
	int level, name;
	/** After the kernel took it: take over what it now holds. */
	void (*mirror)(struct sock *s, int value);
	/** In place of the kernel's call. */
	int (*set)(struct sock *s, int name, const void *val, socklen_t len);
	int (*get)(struct sock *s, int name, void *val, socklen_t *len);
};

/* What the kernel's socket holds; 0 when it does not tell. */
static int
held(const struct sock *s, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(s->fd, level, name, &value, &len) != 0)
		return 0;
	return value;
}

/** @name Mirrors */
/** @{ */
static void
want(struct sock *s, uint32_t what, bool on)
{
	s->wants = on ? s->wants | what : s->wants & ~what;
}

static void
mirror_time(struct sock *s, int value)
{
	(void)value;
	/* the kernel keeps one of the first two at a time */
	want(s, WANT_TIME, held(s, SOL_SOCKET, SO_TIMESTAMP) != 0);
	want(s, WANT_TIME_NS, held(s, SOL_SOCKET, SO_TIMESTAMPNS) != 0);
	s->stamping = (uint32_t)held(s, SOL_SOCKET, SO_TIMESTAMPING);
	want(s, WANT_STAMPING,
			s->stamping & (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE));
	udp_options(s->udp)->want_time = (s->wants & (WANT_TIME | WANT_TIME_NS)) ||
			(s->stamping & SOF_TIMESTAMPING_SOFTWARE);
}

static void
mirror_timeout(struct sock *s, int value)
{
	struct timeval tv = { 0 };
	socklen_t len = sizeof(tv);

	(void)value;
	if (getsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0)
		s->rcv_timeout_ns = (int64_t)tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
	len = sizeof(tv);
	if (getsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len) == 0)
		s->snd_timeout_ns = (int64_t)tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
}

#define MIRROR(suffix, statement)                                                                  \
	static void mirror_##suffix(struct sock *s, int value)                                     \
	{                                                                                          \
		statement;                                                                         \
	}
MIRROR(reuse_addr, udp_options(s->udp)->reuse_addr = value != 0)
MIRROR(broadcast, udp_options(s->udp)->broadcast = value != 0)
MIRROR(no_check, udp_options(s->udp)->no_check = value != 0)
MIRROR(ttl, udp_options(s->udp)->ttl = (uint8_t)value)
MIRROR(tos, udp_options(s->udp)->tos = (uint8_t)value)
MIRROR(df, udp_options(s->udp)->df = value == IP_PMTUDISC_DO || value == IP_PMTUDISC_PROBE)
MIRROR(mc_ttl, udp_options(s->udp)->mc_ttl = (uint8_t)value)
MIRROR(mc_loop, udp_options(s->udp)->mc_loop = value != 0)
MIRROR(mc_all, udp_options(s->udp)->mc_all = value != 0)
MIRROR(gso, udp_options(s->udp)->gso_size = (uint16_t)value)
MIRROR(pktinfo, want(s, WANT_PKTINFO, value != 0))
MIRROR(recvttl, want(s, WANT_TTL, value != 0))
MIRROR(recvtos, want(s, WANT_TOS, value != 0))
MIRROR(origdst, want(s, WANT_ORIGDST, value != 0))

static void
mirror_reuse_port(struct sock *s, int value)
{
	udp_options(s->udp)->reuse_port = value != 0;
	if (s->bound)
		udp_renew(s->udp);
}
#undef MIRROR
/** @} */

/** @name Options of our own making */
/** @{ */
static int
give(void *val, socklen_t *len, const void *from, socklen_t size)
{
	if (val == NULL || len == NULL)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	*len = RTE_MIN(*len, size);
	memcpy(val, from, *len);
	return 0;
}

/* Doubled as in the kernel, but without its limit net.core.rmem_max: the memory is ours. */
static int
set_rcvbuf(struct sock *s, int name, const void *val, socklen_t len)
{
	uint32_t bytes;
	int value;

	if (val == NULL)
		return -EFAULT;
	if (len < sizeof(value))
		return -EINVAL;
	memcpy(&value, val, sizeof(value));
	bytes = value < 0 ? 0 : RTE_MIN((uint32_t)value, (uint32_t)INT32_MAX / 2) * 2;
	udp_options(s->udp)->rcvbuf = RTE_MAX(bytes, (uint32_t)conf()->rx_bytes_min);
	/* more than it allows, or no privilege: its part gets what it may have */
	setsockopt(s->fd, SOL_SOCKET, name, val, len);
	return 0;
}

static int
get_rcvbuf(struct sock *s, int name, void *val, socklen_t *len)
{
	int value = (int)udp_options(s->udp)->rcvbuf;

	(void)name;
	return give(val, len, &value, sizeof(value));
}

static int
get_error(struct sock *s, int name, void *val, socklen_t *len)
{
	int value = udp_take_error(s->udp);

	if (value == 0)
		value = held(s, SOL_SOCKET, name);
	return give(val, len, &value, sizeof(value));
}

static int
bind_to(struct sock *s, struct port *port, uint32_t ifindex)
{
	struct udp_options *o = udp_options(s->udp);

	o->bind_port = port;
	o->bind_ifindex = ifindex;
	return s->bound ? udp_renew(s->udp) : 0;
}

/* The kernel has a device of that index bound, or none with 0. */
static int
bound_to_ifindex(struct sock *s, const char *name, uint32_t ifindex)
{
	struct port *port = port_by_ifindex(ifindex);

	s->bind_device[0] = '\0';
	if (ifindex != 0 && port == NULL) {
		sock_to_kernel(s, "bound to the device %s, which is no dpvma port", name);
		return 0;
	}
	return bind_to(s, port, ifindex);
}

/* Without privilege the kernel may refuse; ours is a matter of this process only. */
static int
kernel_takes(struct sock *s, int name, const void *val, socklen_t len)
{
	if (setsockopt(s->fd, SOL_SOCKET, name, val, len) == 0)
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
		return bind_to(s, port, port->ifindex);
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
		return give(val, len, s->bind_device, (socklen_t)strlen(s->bind_device) + 1);
	return getsockopt(s->fd, SOL_SOCKET, name, val, len) == 0 ? 0 : -errno;
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

/* Any of three structures, of which the address comes first or second and the index last. */
static int
set_mc_if(struct sock *s, int name, const void *val, socklen_t len)
{
	struct udp_options *o = udp_options(s->udp);
	struct ip_mreqn req = { 0 };
	struct port *port = NULL;
	struct ip_addr addr;

	if (val == NULL)
		return -EFAULT;
	if (len >= sizeof(req))
		memcpy(&req, val, sizeof(req));
	else if (len >= sizeof(struct ip_mreq))
		memcpy(&req, val, sizeof(struct ip_mreq));
	else if (len >= sizeof(req.imr_address))
		memcpy(&req.imr_address, val, sizeof(req.imr_address));
	else
		return -EINVAL;
	addr = ip_from_v4(req.imr_address.s_addr);
	if (req.imr_ifindex != 0)
		port = port_by_ifindex((uint32_t)req.imr_ifindex);
	else if (!ip_is_any(&addr))
		port = port_by_addr(&addr);
	/* a port that the kernel does not know it cannot refuse */
	if ((port == NULL || kernel_knows(port)) &&
			setsockopt(s->fd, IPPROTO_IP, name, val, len) != 0)
		return -errno;
	s->mc_kernel = port == NULL && (req.imr_ifindex != 0 || !ip_is_any(&addr));
	if (port != NULL && ip_is_any(&addr) && port->n_addrs != 0)
		addr = port->addrs[0].addr;
	o->mc_port = port;
	o->mc_addr = addr;
	return 0;
}

static int
get_mc_if(struct sock *s, int name, void *val, socklen_t *len)
{
	struct udp_options *o = udp_options(s->udp);
	uint32_t addr = ip_v4(&o->mc_addr);

	if (o->mc_port == NULL || kernel_knows(o->mc_port))
		return getsockopt(s->fd, IPPROTO_IP, name, val, len) == 0 ? 0 : -errno;
	return give(val, len, &addr, sizeof(addr));
}

/* Of the way to the peer. */
static int
get_mtu(struct sock *s, int name, void *val, socklen_t *len)
{
	struct net_way way = { .src = ip_from_v4(0), .ttl = 64, .proto = IPPROTO_UDP };
	struct net_dst dst;
	uint16_t port_be;
	int value, ret;

	(void)name;
	if (!udp_peer(s->udp, &way.dst, &port_be))
		return -ENOTCONN;
	way.port = udp_options(s->udp)->bind_port;
	ret = net_route(&way, &dst);
	if (ret != 0)
		return ret;
	value = dst.mtu;
	return give(val, len, &value, sizeof(value));
}
/** @} */

#define KERNEL_FIRST(level, name, mirror)                                                          \
	{                                                                                          \
		level, name, mirror, NULL, NULL                                                    \
	}
static const struct option options[] = {
	KERNEL_FIRST(SOL_SOCKET, SO_REUSEADDR, mirror_reuse_addr),
	KERNEL_FIRST(SOL_SOCKET, SO_REUSEPORT, mirror_reuse_port),
	KERNEL_FIRST(SOL_SOCKET, SO_BROADCAST, mirror_broadcast),
	KERNEL_FIRST(SOL_SOCKET, SO_NO_CHECK, mirror_no_check),
	KERNEL_FIRST(SOL_SOCKET, SO_RCVTIMEO, mirror_timeout),
	KERNEL_FIRST(SOL_SOCKET, SO_SNDTIMEO, mirror_timeout),
	KERNEL_FIRST(SOL_SOCKET, SO_RCVTIMEO_NEW, mirror_timeout),
	KERNEL_FIRST(SOL_SOCKET, SO_SNDTIMEO_NEW, mirror_timeout),
	KERNEL_FIRST(SOL_SOCKET, SO_TIMESTAMP, mirror_time),
	KERNEL_FIRST(SOL_SOCKET, SO_TIMESTAMPNS, mirror_time),
	KERNEL_FIRST(SOL_SOCKET, SO_TIMESTAMPING, mirror_time),
	KERNEL_FIRST(SOL_SOCKET, SO_TIMESTAMP_NEW, mirror_time),
	KERNEL_FIRST(SOL_SOCKET, SO_TIMESTAMPNS_NEW, mirror_time),
	KERNEL_FIRST(SOL_SOCKET, SO_TIMESTAMPING_NEW, mirror_time),
	{ SOL_SOCKET, SO_RCVBUF, NULL, set_rcvbuf, get_rcvbuf },
	{ SOL_SOCKET, SO_RCVBUFFORCE, NULL, set_rcvbuf, NULL },
	{ SOL_SOCKET, SO_ERROR, NULL, NULL, get_error },
	{ SOL_SOCKET, SO_BINDTODEVICE, NULL, set_device, get_device },
	{ SOL_SOCKET, SO_BINDTOIFINDEX, NULL, set_ifindex, NULL },

	KERNEL_FIRST(IPPROTO_IP, IP_TTL, mirror_ttl),
	KERNEL_FIRST(IPPROTO_IP, IP_TOS, mirror_tos),
	KERNEL_FIRST(IPPROTO_IP, IP_MTU_DISCOVER, mirror_df),
	KERNEL_FIRST(IPPROTO_IP, IP_MULTICAST_TTL, mirror_mc_ttl),
	KERNEL_FIRST(IPPROTO_IP, IP_MULTICAST_LOOP, mirror_mc_loop),
	KERNEL_FIRST(IPPROTO_IP, IP_MULTICAST_ALL, mirror_mc_all),
	KERNEL_FIRST(IPPROTO_IP, IP_PKTINFO, mirror_pktinfo),
	KERNEL_FIRST(IPPROTO_IP, IP_RECVTTL, mirror_recvttl),
	KERNEL_FIRST(IPPROTO_IP, IP_RECVTOS, mirror_recvtos),
	KERNEL_FIRST(IPPROTO_IP, IP_RECVORIGDSTADDR, mirror_origdst),
	{ IPPROTO_IP, IP_MULTICAST_IF, NULL, set_mc_if, get_mc_if },
	{ IPPROTO_IP, IP_MTU, NULL, NULL, get_mtu },

	KERNEL_FIRST(IPPROTO_UDP, UDP_SEGMENT, mirror_gso),
};

static const struct option *
find(int level, int name)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(options); i++)
		if (options[i].level == level && options[i].name == name)
			return &options[i];
	return NULL;
}

static int
set_locked(struct sock *s, int level, int name, const void *val, socklen_t len)
{
	const struct option *o = find(level, name);
	int ret;

	if (level == SOL_SOCKET && (ret = vma_option_set(s, name, val, len)) != -EREMOTE)
		return ret;
	if (membership_name(level, name))
		return membership_set(s, name, val, len);
	if (o != NULL && o->set != NULL)
		return o->set(s, name, val, len);
	if (setsockopt(s->fd, level, name, val, len) != 0)
		return -errno;
	if (o != NULL && o->mirror != NULL)
		o->mirror(s, held(s, level, name));
	return 0;
}

static int
get_locked(struct sock *s, int level, int name, void *val, socklen_t *len)
{
	const struct option *o = find(level, name);
	int ret;

	if (level == SOL_SOCKET && (ret = vma_option_get(s, name, val, len)) != -EREMOTE)
		return ret;
	if (o != NULL && o->get != NULL)
		return o->get(s, name, val, len);
	return getsockopt(s->fd, level, name, val, len) == 0 ? 0 : -errno;
}

int
dpvma_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (s == NULL)
		return setsockopt(fd, level, name, val, len);
	if (!s->offloaded) {
		ret = setsockopt(fd, level, name, val, len);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = set_locked(s, level, name, val, len);
		rte_spinlock_unlock(&s->lock);
		ret = ret == 0 ? 0 : fail(ret);
	}
	sock_put(s);
	return ret;
}

int
dpvma_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct sock *s;
	int ret;

	/* the question whether the library is there comes without a socket */
	if (unlikely(fd == -1) && vma_option_api(fd, level, name, val, len))
		return 0;
	s = sock_get(fd);
	if (s == NULL)
		return getsockopt(fd, level, name, val, len);
	if (!s->offloaded) {
		ret = getsockopt(fd, level, name, val, len);
	} else {
		rte_spinlock_lock(&s->lock);
		ret = get_locked(s, level, name, val, len);
		rte_spinlock_unlock(&s->lock);
		ret = ret == 0 ? 0 : fail(ret);
	}
	sock_put(s);
	return ret;
}
