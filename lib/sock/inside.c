/* SPDX-License-Identifier: BSD-3-Clause */
/* What sock.h offers to the room above it: the rings and headers behind a file descriptor. */
#include "sock_priv.h"

/* A ring fd names what receives: a socket that is only open, or only a name of TCP's, has none. */
static bool
receives(const struct sock *s)
{
	return s->offloaded && (s->bound || s->stream != NULL);
}

static bool
is_socket(const struct sock *s)
{
	return s != NULL && s->epoll == NULL;
}

int
sock_rings(int fd, struct ring **rings, int n)
{
	struct sock *s = sock_get_named(fd);
	int ret = 0;

	if (s == NULL)
		return 0;
	if (receives(s))
		ret = (int)s->ops->rings(s, rings, n > 0 ? (unsigned int)n : 0);
	sock_put(s);
	return ret;
}

int
sock_ring_fds(int fd, int *ring_fds, unsigned int n)
{
	struct sock *s = sock_get_named(fd);
	struct ring *rings[SOCK_RINGS];
	unsigned int i, held = 0;
	int ret = 0;

	if (s == NULL)
		return 0;
	if (receives(s))
		held = s->ops->hold_rings(s, rings, RTE_MIN(n, (unsigned int)SOCK_RINGS));
	sock_put(s);
	for (i = 0; i < held; i++) {
		int number = ret < 0 ? ret : ring_fd(rings[i]);

		if (number < 0)
			ret = number;
		else
			ring_fds[ret++] = number;
		ring_release(rings[i]);
	}
	return ret;
}

int
sock_tx_ring_fd(int fd, const struct sockaddr *to, socklen_t len)
{
	struct sock *s = sock_get_named(fd);
	struct ring *ring = NULL;
	struct ip_addr addr;
	uint16_t port_be;
	int ret = -EINVAL;

	if (is_socket(s) && s->offloaded && sock_address(to, len, &addr, &port_be) == 0) {
		ring = s->ops->tx_ring(s, &addr, port_be);
		ret = ring != NULL ? ring_fd(ring) : -ENODATA;
	}
	if (ring != NULL)
		ring_release(ring);
	if (s != NULL)
		sock_put(s);
	return ret;
}

int
sock_headers(int fd, void *buf, uint16_t *len)
{
	struct sock *s = sock_get_named(fd);
	uint8_t hdr[128];
	int n = -EINVAL;

	if (s == NULL)
		return fail(-EINVAL);
	if (is_socket(s) && len != NULL)
		n = s->offloaded ? s->ops->headers(s, hdr, sizeof(hdr)) : -ENOTCONN;
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
