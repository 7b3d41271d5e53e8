/* SPDX-License-Identifier: BSD-3-Clause */
/* Ancillary data: what a receiver asked to know, and what a sender wants for one datagram. */
#include <sys/time.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "port/port.h"
#include "errqueue.h"

void
cmsg_put(struct msghdr *msg, size_t room, size_t *used, int level, int type, const void *data,
		size_t len)
{
	struct cmsghdr *c;

	if (*used + CMSG_SPACE(len) > room) {
		if (*used + CMSG_LEN(len) > room) {
			msg->msg_flags |= MSG_CTRUNC;
			return;
		}
	}
	c = (struct cmsghdr *)((uint8_t *)msg->msg_control + *used);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	*used = RTE_MIN(*used + CMSG_SPACE(len), room);
}

static struct timespec
to_timespec(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u) };
}

/* The clock is that of the port it came by; any ring of that port knows it. */
uint64_t
cmsg_hardware_ns(struct sock *s, const struct rte_mbuf *m)
{
	struct ring *rings[PORT_MAX];
	unsigned int n, i;

	if (!(m->ol_flags & ring_mbuf_timestamp_flag))
		return 0;
	n = RTE_MIN(s->ops->rings(s, rings, PORT_MAX), (unsigned int)PORT_MAX);
	for (i = 0; i < n; i++)
		if (rings[i]->port_id == m->port)
			return ring_timestamp_ns(rings[i], m);
	return 0;
}

static void
put_times(struct sock *s, struct msghdr *msg, size_t room, size_t *used, uint64_t ns,
		uint64_t hardware)
{
	struct timespec soft = to_timespec(ns);
	struct scm_timestamping all = { 0 };

	if (s->wants & WANT_TIME_NS) {
		cmsg_put(msg, room, used, SOL_SOCKET, SCM_TIMESTAMPNS, &soft, sizeof(soft));
	} else if (s->wants & WANT_TIME) {
		struct timeval tv = { .tv_sec = soft.tv_sec, .tv_usec = soft.tv_nsec / 1000 };

		cmsg_put(msg, room, used, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
	}
	if (!(s->wants & WANT_STAMPING))
		return;
	if (s->stamping & SOF_TIMESTAMPING_SOFTWARE)
		all.ts[0] = soft;
	if (hardware != 0)
		all.ts[2] = to_timespec(hardware);
	if (all.ts[0].tv_sec != 0 || hardware != 0)
		cmsg_put(msg, room, used, SOL_SOCKET, SCM_TIMESTAMPING, &all, sizeof(all));
}

void
cmsg_put_times(struct sock *s, struct msghdr *msg, size_t room, size_t *used, uint64_t ns)
{
	put_times(s, msg, room, used, ns, 0);
}

static void
put_arrival(struct sock *s, struct msghdr *msg, size_t room, size_t *used, const struct rte_mbuf *m)
{
	bool wanted = (s->stamping & SOF_TIMESTAMPING_RAW_HARDWARE) != 0;

	put_times(s, msg, room, used, *ring_mbuf_swtime((struct rte_mbuf *)(uintptr_t)m),
			wanted ? cmsg_hardware_ns(s, m) : 0);
}

void
cmsg_write(struct sock *s, struct msghdr *msg, const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = udp_packet_ip(m);
	size_t room = msg->msg_control == NULL ? 0 : msg->msg_controllen, used = 0;
	int ttl = ip->time_to_live;

	if (s->wants & (WANT_TIME | WANT_TIME_NS | WANT_STAMPING))
		put_arrival(s, msg, room, &used, m);
	if (s->wants & WANT_PKTINFO) {
		const struct port *port = port_by_ethdev(m->port);
		struct in_pktinfo info = {
			.ipi_ifindex = port != NULL ? (int)port->ifindex : 0,
			.ipi_addr.s_addr = ip->dst_addr,
			.ipi_spec_dst.s_addr = ip->dst_addr,
		};
		struct ip_addr dst = ip_from_v4(ip->dst_addr);

		if (port != NULL && port_addr_find(port, &dst) == NULL && port->n_addrs != 0)
			info.ipi_spec_dst.s_addr = ip_v4(&port->addrs[0].addr);
		cmsg_put(msg, room, &used, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (s->wants & WANT_TTL)
		cmsg_put(msg, room, &used, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (s->wants & WANT_TOS)
		cmsg_put(msg, room, &used, IPPROTO_IP, IP_TOS, &ip->type_of_service, 1);
	if (s->wants & WANT_ORIGDST) {
		struct sockaddr_in sin = {
			.sin_family = AF_INET,
			.sin_port = udp_packet_udp(m)->dst_port,
			.sin_addr.s_addr = ip->dst_addr,
		};

		cmsg_put(msg, room, &used, IPPROTO_IP, IP_ORIGDSTADDR, &sin, sizeof(sin));
	}
	msg->msg_controllen = used;
}

#define TX_FLAGS                                                                                   \
	(SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | \
			SOF_TIMESTAMPING_TX_ACK)

/* What is to be recorded of this datagram; the rest is as the socket has it. */
static int
read_stamping(struct sock *s, const struct cmsghdr *c, uint32_t *stamping)
{
	uint32_t value;
	int ret;

	if (c->cmsg_len != CMSG_LEN(sizeof(value)))
		return -EINVAL;
	memcpy(&value, CMSG_DATA(c), sizeof(value));
	if ((value & ~(uint32_t)TX_FLAGS) != 0)
		return -EINVAL;
	*stamping = (s->stamping & ~(uint32_t)TX_FLAGS) | value;
	if (s->notes & NOTE_STAMP)
		return 0;
	rte_spinlock_lock(&s->lock);
	ret = errqueue_open(s);
	if (ret == 0)
		s->notes |= NOTE_STAMP;
	rte_spinlock_unlock(&s->lock);
	return ret;
}

int
cmsg_read(struct sock *s, const struct msghdr *msg, struct udp_out *out, struct ip_addr *src,
		uint32_t *stamping)
{
	struct msghdr *m = (struct msghdr *)(uintptr_t)msg;
	struct cmsghdr *c;
	int value, ret;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_len < sizeof(*c))
			return -EINVAL;
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
			ret = read_stamping(s, c, stamping);
			if (ret != 0)
				return ret;
			continue;
		}
		/* segments of one call, transmit times: the kernel sends such a message */
		if (c->cmsg_level == IPPROTO_UDP || c->cmsg_level == SOL_SOCKET)
			return -EREMOTE;
		if (c->cmsg_level != IPPROTO_IP)
			continue;
		switch (c->cmsg_type) {
		case IP_PKTINFO: {
			struct in_pktinfo info;

			if (len < sizeof(info))
				return -EINVAL;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			if (info.ipi_spec_dst.s_addr != 0) {
				*src = ip_from_v4(info.ipi_spec_dst.s_addr);
				out->src = src;
			}
			break;
		}
		case IP_TTL:
		case IP_TOS:
			if (len != sizeof(value) && !(c->cmsg_type == IP_TOS && len == 1))
				return -EINVAL;
			value = *CMSG_DATA(c);
			if (len == sizeof(value))
				memcpy(&value, CMSG_DATA(c), sizeof(value));
			if (value < (c->cmsg_type == IP_TTL ? 1 : 0) || value > 255)
				return -EINVAL;
			if (c->cmsg_type == IP_TTL)
				out->ttl = (int16_t)value;
			else
				out->tos = (int16_t)value;
			break;
		default:
			return -EREMOTE;
		}
	}
	return 0;
}
