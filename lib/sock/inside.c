/* SPDX-License-Identifier: BSD-3-Clause */
/* What sock.h offers to the room above: the rings and headers behind a file descriptor. */
#include "sock_priv.h"

int
sock_rings(int fd, struct ring **rings, int n)
{
	struct sock *s = sock_get_named(fd);
	int ret = 0;

	if (s == NULL)
		return 0;
	if (s->offloaded && (s->bound || s->stream != NULL))
		ret = (int)s->ops->rings(s, rings, n > 0 ? (unsigned int)n : 0);
	sock_put(s);
	return ret;
}

struct ring *
sock_tx_ring(int fd, const struct sockaddr *to, socklen_t len)
{
	struct sock *s = sock_get_named(fd);
	struct ring *ring = NULL;
	struct ip_addr addr;
	uint16_t port_be;

	if (s == NULL || !s->offloaded || sock_address(to, len, &addr, &port_be) != 0)
		errno = EINVAL;
	else if ((ring = s->ops->tx_ring(s)) == NULL)
		errno = ENODATA;
	if (s != NULL)
		sock_put(s);
	return ring;
}

int
sock_headers(int fd, void *buf, uint16_t *len)
{
	struct sock *s = sock_get_named(fd);
	uint8_t hdr[128];
	int n = -EINVAL;

	if (s == NULL)
		return fail(-EINVAL);
	if (s->offloaded && s->udp != NULL && len != NULL)
		n = udp_headers(s->udp, hdr, sizeof(hdr));
	sock_put(s);
	if (n < 0)
		return fail(n);
	if (buf != NULL && *len < n)
		return fail(-ENOBUFS);
	if (buf != NULL)
		memcpy(buf, hdr, (size_t)n);
	*len = (uint16_t)n;
	return 0;
}
