/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses as 16 bytes: prefixes, text, sockaddr. Control path only; the compares that the data
 * path needs are inline in base.h.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "base/base.h"

/* Bits of the mapped form that stand before an IPv4 address. */
#define MAPPED_BITS 96

bool
ip_in_prefix(const struct ip_addr *a, const struct ip_addr *net, unsigned int prefix)
{
	unsigned int bytes, bits;
	uint8_t mask;

	/* ::/0 is everything; any other network has addresses of its own family only */
	if (prefix == 0 && !ip_is_v4(net))
		return true;
	if (ip_is_v4(a) != ip_is_v4(net))
		return false;
	if (ip_is_v4(net))
		prefix += MAPPED_BITS;
	prefix = RTE_MIN(prefix, 128u);
	bytes = prefix / 8;
	bits = prefix % 8;
	if (memcmp(a->b, net->b, bytes) != 0)
		return false;
	if (bits == 0)
		return true;
	mask = (uint8_t)(0xff00u >> bits);
	return ((a->b[bytes] ^ net->b[bytes]) & mask) == 0;
}

char *
ip_format(const struct ip_addr *a, char *buf)
{
	const char *text;

	if (ip_is_v4(a))
		text = inet_ntop(AF_INET, &a->w[3], buf, IP_ADDR_STRLEN);
	else
		text = inet_ntop(AF_INET6, a->b, buf, IP_ADDR_STRLEN);
	if (text == NULL)
		buf[0] = '\0';
	return buf;
}

int
ip_parse(const char *text, struct ip_addr *a)
{
	struct ip_addr parsed;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		parsed = ip_from_v4(v4.s_addr);
	else if (inet_pton(AF_INET6, text, parsed.b) != 1)
		return -EINVAL;
	*a = parsed;
	return 0;
}

int
ip_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct ip_addr *a, uint16_t *port_be)
{
	/* copied, because a program's pointer may have any alignment */
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	uint16_t port;

	if (sa == NULL || len < offsetof(struct sockaddr, sa_data))
		return -EINVAL;
	switch (sa->sa_family) {
	case AF_INET:
		if (len < sizeof(sin))
			return -EINVAL;
		memcpy(&sin, sa, sizeof(sin));
		*a = ip_from_v4(sin.sin_addr.s_addr);
		port = sin.sin_port;
		break;
	case AF_INET6:
		/* sin6_scope_id came later than RFC 2133, so that it may be absent */
		if (len < offsetof(struct sockaddr_in6, sin6_scope_id))
			return -EINVAL;
		memcpy(&sin6, sa, offsetof(struct sockaddr_in6, sin6_scope_id));
		memcpy(a->b, &sin6.sin6_addr, sizeof(a->b));
		port = sin6.sin6_port;
		break;
	default:
		return -EAFNOSUPPORT;
	}
	if (port_be != NULL)
		*port_be = port;
	return 0;
}

void
ip_to_sockaddr(const struct ip_addr *a, uint16_t port_be, struct sockaddr_in *sin)
{
	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_port = port_be;
	sin->sin_addr.s_addr = ip_v4(a);
}
