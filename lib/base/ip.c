/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses to and from text and sockaddr, and the prefix compare. Control path only.
 */
#include <arpa/inet.h>
#include <errno.h>

#include "base/base.h"

bool
ip_in_prefix(const struct ip_addr *a, const struct ip_addr *net, unsigned int prefix)
{
	unsigned int bits = prefix, bytes, mask;

	if (ip_is_v4(a) != ip_is_v4(net))
		return false;
	if (ip_is_v4(a))
		bits += 96;
	if (bits > 128)
		bits = 128;
	bytes = bits / 8;
	mask = 0xff00u >> (bits % 8) & 0xff;
	if (memcmp(a->b, net->b, bytes) != 0)
		return false;
	return mask == 0 || ((a->b[bytes] ^ net->b[bytes]) & mask) == 0;
}

char *
ip_format(const struct ip_addr *a, char *buf)
{
	if (ip_is_v4(a))
		inet_ntop(AF_INET, &a->w[3], buf, IP_ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, a->b, buf, IP_ADDR_STRLEN);
	return buf;
}

int
ip_parse(const char *text, struct ip_addr *a)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*a = ip_from_v4(v4.s_addr);
		return 0;
	}
	return inet_pton(AF_INET6, text, a->b) == 1 ? 0 : -EINVAL;
}

int
ip_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct ip_addr *a, uint16_t *port_be)
{
	if (sa == NULL || len < offsetof(struct sockaddr, sa_data))
		return -EINVAL;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;

		if (len < sizeof(sin))
			return -EINVAL;
		memcpy(&sin, sa, sizeof(sin)); /* the program's may be unaligned */
		*a = ip_from_v4(sin.sin_addr.s_addr);
		*port_be = sin.sin_port;
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		if (len < sizeof(sin6))
			return -EINVAL;
		memcpy(&sin6, sa, sizeof(sin6));
		memcpy(a->b, &sin6.sin6_addr, sizeof(a->b));
		*port_be = sin6.sin6_port;
		return 0;
	}
	return -EAFNOSUPPORT;
}

void
ip_to_sockaddr(const struct ip_addr *a, uint16_t port_be, struct sockaddr_in *sin)
{
	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_port = port_be;
	sin->sin_addr.s_addr = ip_v4(a);
}
