/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast membership: the options of RFC 1112 and RFC 3678, in all the structures that Linux
 * takes for IPv4. Where the interface is no port of ours, the kernel's socket joins alone; where
 * the kernel speaks IGMP for the port, it joins as well.
 */
#include <net/if.h>
#include <unistd.h>

#include "net/net.h"
#include "port/port.h"
#include "sock_priv.h"

/** What an option asks for, from whichever structure. */
struct request {
	struct ip_addr group, source, local;
	uint32_t ifindex;
};

/** Structures: the shape of what the program gives. */
enum shape { SHAPE_MREQ, SHAPE_MREQ_SOURCE, SHAPE_GROUP, SHAPE_GROUP_SOURCE };

static const struct {
	int name;
	enum udp_mc_op op;
	enum shape shape;
} requests[] = {
	{ IP_ADD_MEMBERSHIP, UDP_MC_JOIN, SHAPE_MREQ },
	{ IP_DROP_MEMBERSHIP, UDP_MC_LEAVE, SHAPE_MREQ },
	{ IP_ADD_SOURCE_MEMBERSHIP, UDP_MC_JOIN_SOURCE, SHAPE_MREQ_SOURCE },
	{ IP_DROP_SOURCE_MEMBERSHIP, UDP_MC_LEAVE_SOURCE, SHAPE_MREQ_SOURCE },
	{ IP_BLOCK_SOURCE, UDP_MC_BLOCK, SHAPE_MREQ_SOURCE },
	{ IP_UNBLOCK_SOURCE, UDP_MC_UNBLOCK, SHAPE_MREQ_SOURCE },
	{ MCAST_JOIN_GROUP, UDP_MC_JOIN, SHAPE_GROUP },
	{ MCAST_LEAVE_GROUP, UDP_MC_LEAVE, SHAPE_GROUP },
	{ MCAST_JOIN_SOURCE_GROUP, UDP_MC_JOIN_SOURCE, SHAPE_GROUP_SOURCE },
	{ MCAST_LEAVE_SOURCE_GROUP, UDP_MC_LEAVE_SOURCE, SHAPE_GROUP_SOURCE },
	{ MCAST_BLOCK_SOURCE, UDP_MC_BLOCK, SHAPE_GROUP_SOURCE },
	{ MCAST_UNBLOCK_SOURCE, UDP_MC_UNBLOCK, SHAPE_GROUP_SOURCE },
};

static int
find(int name)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(requests); i++)
		if (requests[i].name == name)
			return (int)i;
	return -1;
}

bool
membership_name(int level, int name)
{
	return level == IPPROTO_IP && find(name) >= 0;
}

static int
from_storage(const struct sockaddr_storage *ss, struct ip_addr *addr)
{
	uint16_t port_be;

	/* Linux: a group of another family than the socket's is invalid */
	if (ss->ss_family != AF_INET)
		return -EADDRNOTAVAIL;
	return ip_from_sockaddr((const struct sockaddr *)ss, sizeof(*ss), addr, &port_be);
}

static int
read_mreq(const void *val, socklen_t len, struct request *r)
{
	struct ip_mreqn req = { 0 };

	if (len < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&req, val, len >= sizeof(req) ? sizeof(req) : sizeof(struct ip_mreq));
	r->group = ip_from_v4(req.imr_multiaddr.s_addr);
	r->local = ip_from_v4(req.imr_address.s_addr);
	r->ifindex = (uint32_t)req.imr_ifindex;
	return 0;
}

static int
read_mreq_source(const void *val, socklen_t len, struct request *r)
{
	struct ip_mreq_source req;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, val, sizeof(req));
	r->group = ip_from_v4(req.imr_multiaddr.s_addr);
	r->local = ip_from_v4(req.imr_interface.s_addr);
	r->source = ip_from_v4(req.imr_sourceaddr.s_addr);
	return 0;
}

static int
read_group(const void *val, socklen_t len, struct request *r)
{
	struct group_req req;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, val, sizeof(req));
	r->ifindex = req.gr_interface;
	return from_storage(&req.gr_group, &r->group) == 0 ? 0 : -EINVAL;
}

static int
read_group_source(const void *val, socklen_t len, struct request *r)
{
	struct group_source_req req;
	int ret;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, val, sizeof(req));
	r->ifindex = req.gsr_interface;
	ret = from_storage(&req.gsr_group, &r->group);
	return ret == 0 ? from_storage(&req.gsr_source, &r->source) : ret;
}

static int
read_request(enum shape shape, const void *val, socklen_t len, struct request *r)
{
	if (val == NULL)
		return -EFAULT;
	*r = (struct request){ .source = ip_from_v4(0), .local = ip_from_v4(0) };
	switch (shape) {
	case SHAPE_MREQ:
		return read_mreq(val, len, r);
	case SHAPE_MREQ_SOURCE:
		return read_mreq_source(val, len, r);
	case SHAPE_GROUP:
		return read_group(val, len, r);
	default:
		return read_group_source(val, len, r);
	}
}

/**
 * The port of a request.
 * @return 0 (port may be NULL: no hint was given and no route tells), -EREMOTE: the kernel's
 */
static int
port_of(struct sock *s, const struct request *r, struct port **port)
{
	const struct udp_options *o = udp_options(s->udp);
	struct net_way way = {
		.dst = r->group, .src = ip_from_v4(0), .ttl = 1, .proto = IPPROTO_UDP
	};
	struct net_dst dst;
	int ret;

	*port = o->bind_port;
	if (r->ifindex != 0)
		*port = port_by_ifindex(r->ifindex);
	else if (!ip_is_any(&r->local))
		*port = port_by_addr(&r->local);
	if (*port != NULL)
		return 0;
	if (r->ifindex != 0 || !ip_is_any(&r->local))
		return -EREMOTE;
	ret = net_route(&way, &dst);
	if (ret == 0)
		*port = dst.port;
	return ret == -EREMOTE ? ret : 0;
}

static bool
is_kernels(const struct sock *s, const struct ip_addr *group)
{
	unsigned int i;

	for (i = 0; i < s->os_groups_n; i++)
		if (s->os_groups[i].addr == ip_v4(group))
			return true;
	return false;
}

/**
 * A rule may leave a group to the kernel, and what comes later goes the same way.
 * @return 1: it was done there; 0: it is ours; a negative errno
 */
static int
by_rule(struct sock *s, enum udp_mc_op op, const struct ip_addr *group, int name, const void *val,
		socklen_t len)
{
	bool joined = is_kernels(s, group);
	bool join = op == UDP_MC_JOIN || op == UDP_MC_JOIN_SOURCE;
	struct conf_offload o;
	struct ip_addr local;
	uint16_t port_be;
	int ret;

	if (!joined && !join)
		return 0;
	s->ops->local(s, &local, &port_be);
	if (!joined && !rules_receiver(group, port_be, &o))
		return 0;
	if (!joined && s->os_groups_n == SOCK_OS_GROUPS)
		return -ENOBUFS;
	if (os.setsockopt(s->fd, IPPROTO_IP, name, val, len) != 0)
		return -errno;
	ret = joined ? 0 : kernel_group(s, group, o.rule);
	/* the last source that is left ends the membership, too: then nothing comes any more */
	if (op == UDP_MC_LEAVE)
		kernel_group_left(s, group);
	return ret == 0 ? 1 : ret;
}

int
membership_set(struct sock *s, int name, const void *val, socklen_t len)
{
	int i = find(name), ret;
	struct request r;
	struct port *port;
	bool with_source = requests[i].shape == SHAPE_MREQ_SOURCE ||
			requests[i].shape == SHAPE_GROUP_SOURCE;

	ret = read_request(requests[i].shape, val, len, &r);
	if (ret != 0)
		return ret;
	/* Linux looks among the memberships first */
	if (!ip_is_multicast(&r.group))
		return requests[i].op == UDP_MC_LEAVE ? -EADDRNOTAVAIL : -EINVAL;
	ret = by_rule(s, requests[i].op, &r.group, name, val, len);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	ret = port_of(s, &r, &port);
	if (ret == 0)
		ret = udp_membership(s->udp, requests[i].op, &r.group, port,
				with_source ? &r.source : NULL);
	if (ret == -EREMOTE)
		return os.setsockopt(s->fd, IPPROTO_IP, name, val, len) == 0 ? 0 : -errno;
	if (ret == 0)
		kernel_membership(
				s, requests[i].op, &r.group, port, with_source ? &r.source : NULL);
	return ret;
}
