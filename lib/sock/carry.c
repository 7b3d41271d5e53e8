/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options that a program set and that only the kernel's socket holds. Another kernel's socket takes
 * the place of that one (after a binding that did not last), or stands behind a connection that was
 * accepted: it gets them too. What is ours to say is not copied there but told when the kernel is
 * to carry the socket after all.
 */
#include <string.h>

#include <netinet/tcp.h>
#include <linux/udp.h>

#include "sock_priv.h"

/* Names that the headers of an older C library lack. */
#define SO_PREFER_BUSY_POLL_ 69
#define SO_BUSY_POLL_BUDGET_ 70
#define SO_TXREHASH_ 74
#define IP_LOCAL_PORT_RANGE_ 51
#define TCP_TX_DELAY_ 37

enum {
	ONLY_ON = 0x1,	/**< zero is what it has anyway, and setting it undoes another */
	HALVED = 0x2,	/**< is set as half of what is read */
	OWN = 0x4,	/**< Linux gives it to no connection that is accepted */
	DATAGRAM = 0x8, /**< of no use to a stream */
	LONG = 0x10,	/**< is asked for with eight bytes */
};

static const struct carried {
	int level, name;
	unsigned int how;
} carried[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 0 },
	{ SOL_SOCKET, SO_REUSEPORT, 0 },
	{ SOL_SOCKET, SO_BROADCAST, 0 },
	{ SOL_SOCKET, SO_KEEPALIVE, 0 },
	{ SOL_SOCKET, SO_OOBINLINE, 0 },
	{ SOL_SOCKET, SO_DONTROUTE, 0 },
	{ SOL_SOCKET, SO_NO_CHECK, 0 },
	{ SOL_SOCKET, SO_PRIORITY, 0 },
	{ SOL_SOCKET, SO_LINGER, 0 },
	{ SOL_SOCKET, SO_SNDBUF, HALVED },
	{ SOL_SOCKET, SO_RCVBUF, HALVED },
	{ SOL_SOCKET, SO_RCVLOWAT, 0 },
	{ SOL_SOCKET, SO_RCVTIMEO, 0 },
	{ SOL_SOCKET, SO_SNDTIMEO, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, ONLY_ON },
	{ SOL_SOCKET, SO_TIMESTAMPNS, ONLY_ON },
	{ SOL_SOCKET, SO_TIMESTAMPING, 0 },
	{ SOL_SOCKET, SO_BINDTODEVICE, ONLY_ON },
	{ SOL_SOCKET, SO_MARK, 0 },
	{ SOL_SOCKET, SO_RXQ_OVFL, 0 },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL, 0 },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL_, 0 },
	{ SOL_SOCKET, SO_BUSY_POLL_BUDGET_, 0 },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, LONG },
	{ SOL_SOCKET, SO_ZEROCOPY, 0 },
	{ SOL_SOCKET, SO_TXREHASH_, 0 },
	{ IPPROTO_IP, IP_TOS, 0 },
	{ IPPROTO_IP, IP_TTL, 0 },
	{ IPPROTO_IP, IP_RECVOPTS, 0 },
	{ IPPROTO_IP, IP_RETOPTS, 0 },
	{ IPPROTO_IP, IP_PKTINFO, 0 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, 0 },
	{ IPPROTO_IP, IP_RECVERR, 0 },
	{ IPPROTO_IP, IP_RECVTTL, 0 },
	{ IPPROTO_IP, IP_RECVTOS, 0 },
	{ IPPROTO_IP, IP_FREEBIND, 0 },
	{ IPPROTO_IP, IP_TRANSPARENT, 0 },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, 0 },
	{ IPPROTO_IP, IP_MINTTL, 0 },
	{ IPPROTO_IP, IP_CHECKSUM, 0 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0 },
	{ IPPROTO_IP, IP_RECVFRAGSIZE, 0 },
	{ IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 0 },
	{ IPPROTO_IP, IP_MULTICAST_TTL, DATAGRAM },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, DATAGRAM },
	{ IPPROTO_IP, IP_MULTICAST_ALL, DATAGRAM },
	{ IPPROTO_IP, IP_MULTICAST_IF, DATAGRAM | ONLY_ON },
	{ IPPROTO_TCP, TCP_NODELAY, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 0 },
	{ IPPROTO_TCP, TCP_CORK, 0 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 0 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 0 },
	{ IPPROTO_TCP, TCP_KEEPCNT, 0 },
	{ IPPROTO_TCP, TCP_SYNCNT, 0 },
	{ IPPROTO_TCP, TCP_LINGER2, 0 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, OWN },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, 0 },
	{ IPPROTO_TCP, TCP_QUICKACK, 0 },
	{ IPPROTO_TCP, TCP_CONGESTION, 0 },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN, OWN },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0 },
	{ IPPROTO_TCP, TCP_SAVE_SYN, 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, OWN },
	{ IPPROTO_TCP, TCP_INQ, 0 },
	{ IPPROTO_TCP, TCP_TX_DELAY_, 0 },
	{ IPPROTO_UDP, UDP_CORK, 0 },
	{ IPPROTO_UDP, UDP_SEGMENT, 0 },
	{ IPPROTO_UDP, UDP_GRO, 0 },
};
_Static_assert(RTE_DIM(carried) <= SOCK_CARRIED, "a bit for each");

/* Of two names one: those of the other size of time_t, those without limits. */
static int
plain(int level, int name)
{
	static const int same[][2] = { { 62, SO_BINDTODEVICE }, { 63, SO_TIMESTAMP },
		{ 64, SO_TIMESTAMPNS }, { 65, SO_TIMESTAMPING }, { 66, SO_RCVTIMEO },
		{ 67, SO_SNDTIMEO }, { SO_SNDBUFFORCE, SO_SNDBUF }, { SO_RCVBUFFORCE, SO_RCVBUF } };

	for (unsigned int i = 0; level == SOL_SOCKET && i < RTE_DIM(same); i++)
		if (same[i][0] == name)
			return same[i][1];
	return name;
}

void
carry_note(struct sock *s, int level, int name)
{
	name = plain(level, name);
	for (unsigned int i = 0; i < RTE_DIM(carried); i++)
		if (carried[i].level == level && carried[i].name == name)
			s->carried[i / 64] |= UINT64_C(1) << i % 64;
}

static bool
noted(const struct sock *s, unsigned int i)
{
	return (s->carried[i / 64] >> i % 64 & 1) != 0;
}

static bool
zero(const uint8_t *bytes, socklen_t len)
{
	for (socklen_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static void
copy(const struct carried *c, int from, int to)
{
	uint8_t value[64] = { 0 };
	socklen_t len = sizeof(value);
	int number;

	if (os.getsockopt(from, c->level, c->name, value, &len) != 0)
		return;
	if ((c->how & ONLY_ON) && zero(value, len))
		return;
	if (c->how & HALVED) {
		memcpy(&number, value, sizeof(number));
		number /= 2;
		memcpy(value, &number, sizeof(number));
	}
	if (os.setsockopt(to, c->level, c->name, value, len) != 0)
		LOG_DEBUG("fd %d: option %d of level %d does not go along: %s", from, c->name,
				c->level, strerror(errno));
}

void
carry_along(struct sock *s, int fd)
{
	for (unsigned int i = 0; i < RTE_DIM(carried); i++)
		if (noted(s, i))
			copy(&carried[i], s->fd, fd);
}

void
carry_inherit(struct sock *s, const struct sock *listener)
{
	/* what is ours to say is told to the kernel only when it is to carry the socket */
	s->untold = true;
	if ((listener->carried[0] | listener->carried[1]) == 0)
		return;
	for (unsigned int i = 0; i < RTE_DIM(carried); i++) {
		const struct carried *c = &carried[i];

		if (!noted(listener, i) || (c->how & (OWN | DATAGRAM)))
			continue;
		s->carried[i / 64] |= UINT64_C(1) << i % 64;
		if (option_ours(s, c->level, c->name) == NULL || (c->how & HALVED))
			copy(c, listener->fd, s->fd);
	}
}

void
carry_tell(struct sock *s)
{
	for (unsigned int i = 0; i < RTE_DIM(carried); i++) {
		const struct carried *c = &carried[i];
		const struct option *o = option_ours(s, c->level, c->name);
		uint8_t value[64] = { 0 };
		socklen_t len = c->how & LONG ? sizeof(uint64_t) : sizeof(value);

		if (!noted(s, i) || o == NULL || (c->how & HALVED) ||
				o->get(s, c->name, value, &len) != 0)
			continue;
		if (os.setsockopt(s->fd, c->level, c->name, value, len) != 0)
			LOG_DEBUG("fd %d: the kernel does not take option %d of level %d: %s",
					s->fd, c->name, c->level, strerror(errno));
	}
	s->untold = false;
}
