/* SPDX-License-Identifier: BSD-3-Clause */
/* Options that only datagram sockets have, or that room udp acts on. */
#include <linux/net_tstamp.h>
#include <linux/udp.h>
#include <unistd.h>

#include "net/net.h"
#include "port/port.h"
#include "errqueue.h"

/* Names for the other size of time_t; on 64-bit machines they are the same structures. */
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

/* Times of sending that are told; those by the device no port gives. */
#define TX_STAMPS (SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE)

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
	uint32_t before = s->stamping;

	(void)value;
	/* the kernel keeps one of the first two at a time */
	want(s, WANT_TIME, option_held(s, SOL_SOCKET, SO_TIMESTAMP) != 0);
	want(s, WANT_TIME_NS, option_held(s, SOL_SOCKET, SO_TIMESTAMPNS) != 0);
	s->stamping = (uint32_t)option_held(s, SOL_SOCKET, SO_TIMESTAMPING);
	want(s, WANT_STAMPING,
			s->stamping & (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE));
	if (s->stamping & ~before & SOF_TIMESTAMPING_OPT_ID)
		s->stamp_key = 0;
	if ((s->stamping & TX_STAMPS) != 0 && errqueue_open(s) == 0)
		s->notes |= NOTE_STAMP;
	else
		s->notes &= ~(uint32_t)NOTE_STAMP;
	udp_options(s->udp)->want_time = (s->wants & (WANT_TIME | WANT_TIME_NS)) ||
			(s->stamping & SOF_TIMESTAMPING_SOFTWARE);
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
mirror_recverr(struct sock *s, int value)
{
	if (value != 0 && errqueue_open(s) != 0)
		return;
	udp_set_recverr(s->udp, value != 0 ? errqueue_icmp : NULL);
}

static void
mirror_reuse_port(struct sock *s, int value)
{
	udp_options(s->udp)->reuse_port = value != 0;
	udp_options(s->udp)->uid = geteuid();
	if (s->bound)
		udp_renew(s->udp);
}
#undef MIRROR
/** @} */

/** @name Options of our own making */
/** @{ */
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
	os.setsockopt(s->fd, SOL_SOCKET, name, val, len);
	return 0;
}

static int
get_rcvbuf(struct sock *s, int name, void *val, socklen_t *len)
{
	int value = (int)udp_options(s->udp)->rcvbuf;

	(void)name;
	return option_give(val, len, &value, sizeof(value));
}

static int
get_error(struct sock *s, int name, void *val, socklen_t *len)
{
	int value = udp_take_error(s->udp);

	if (value == 0)
		value = option_held(s, SOL_SOCKET, name);
	return option_give(val, len, &value, sizeof(value));
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
			os.setsockopt(s->fd, IPPROTO_IP, name, val, len) != 0)
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
		return os.getsockopt(s->fd, IPPROTO_IP, name, val, len) == 0 ? 0 : -errno;
	return option_give(val, len, &addr, sizeof(addr));
}

/* Sends would go at once that were to be one datagram. */
static int
set_cork(struct sock *s, int name, const void *val, socklen_t len)
{
	int ret = os.setsockopt(s->fd, IPPROTO_UDP, name, val, len) == 0 ? 0 : -errno;
	int off = 0;

	if (ret != 0 || option_held(s, IPPROTO_UDP, name) == 0)
		return ret;
	os.setsockopt(s->fd, IPPROTO_UDP, name, &off, sizeof(off));
	return -EOPNOTSUPP;
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
	return option_give(val, len, &value, sizeof(value));
}
/** @} */

const struct option dgram_options[] = {
	OPTION_MIRROR(SOL_SOCKET, SO_REUSEADDR, mirror_reuse_addr),
	OPTION_MIRROR(SOL_SOCKET, SO_REUSEPORT, mirror_reuse_port),
	OPTION_MIRROR(SOL_SOCKET, SO_BROADCAST, mirror_broadcast),
	OPTION_MIRROR(SOL_SOCKET, SO_NO_CHECK, mirror_no_check),
	OPTION_MIRROR(SOL_SOCKET, SO_TIMESTAMP, mirror_time),
	OPTION_MIRROR(SOL_SOCKET, SO_TIMESTAMPNS, mirror_time),
	OPTION_MIRROR(SOL_SOCKET, SO_TIMESTAMPING, mirror_time),
	OPTION_MIRROR(SOL_SOCKET, SO_TIMESTAMP_NEW, mirror_time),
	OPTION_MIRROR(SOL_SOCKET, SO_TIMESTAMPNS_NEW, mirror_time),
	OPTION_MIRROR(SOL_SOCKET, SO_TIMESTAMPING_NEW, mirror_time),
	{ SOL_SOCKET, SO_RCVBUF, NULL, set_rcvbuf, get_rcvbuf },
	{ SOL_SOCKET, SO_RCVBUFFORCE, NULL, set_rcvbuf, NULL },
	{ SOL_SOCKET, SO_ERROR, NULL, NULL, get_error },

	OPTION_MIRROR(IPPROTO_IP, IP_TTL, mirror_ttl),
	OPTION_MIRROR(IPPROTO_IP, IP_TOS, mirror_tos),
	OPTION_MIRROR(IPPROTO_IP, IP_MTU_DISCOVER, mirror_df),
	OPTION_MIRROR(IPPROTO_IP, IP_MULTICAST_TTL, mirror_mc_ttl),
	OPTION_MIRROR(IPPROTO_IP, IP_MULTICAST_LOOP, mirror_mc_loop),
	OPTION_MIRROR(IPPROTO_IP, IP_MULTICAST_ALL, mirror_mc_all),
	OPTION_MIRROR(IPPROTO_IP, IP_PKTINFO, mirror_pktinfo),
	OPTION_MIRROR(IPPROTO_IP, IP_RECVTTL, mirror_recvttl),
	OPTION_MIRROR(IPPROTO_IP, IP_RECVTOS, mirror_recvtos),
	OPTION_MIRROR(IPPROTO_IP, IP_RECVORIGDSTADDR, mirror_origdst),
	OPTION_MIRROR(IPPROTO_IP, IP_RECVERR, mirror_recverr),
	{ IPPROTO_IP, IP_MULTICAST_IF, NULL, set_mc_if, get_mc_if },
	{ IPPROTO_IP, IP_MTU, NULL, NULL, get_mtu },

	OPTION_MIRROR(IPPROTO_UDP, UDP_SEGMENT, mirror_gso),
	{ IPPROTO_UDP, UDP_CORK, NULL, set_cork, NULL },
	{ 0 },
};
