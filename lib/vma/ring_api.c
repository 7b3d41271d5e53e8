/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extra API's questions about sockets and their rings: ring fds, events, headers, statistics.
 */
#include <stdlib.h>

#include "conf/conf.h"
#include "cyclic/cyclic.h"
#include "sock/dpvma.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

/** Rings that one socket can receive from: one a port, and a few while it moves. */
#define RINGS_MAX 64

int
vma_rings_num(int fd)
{
	struct ring *rings[RINGS_MAX];

	return sock_rings(fd, rings, RINGS_MAX);
}

int
vma_rings_fds(int fd, int *ring_fds, int n)
{
	if (ring_fds == NULL || n <= 0)
		return vma_result(-EINVAL);
	return vma_result(sock_ring_fds(fd, ring_fds, (unsigned int)n));
}

int
vma_tx_ring_fd(int fd, struct sockaddr *to, socklen_t len)
{
	return vma_result(sock_tx_ring_fd(fd, to, len));
}

int
vma_network_header(int fd, void *ptr, uint16_t *len)
{
	return len == NULL ? vma_result(-EINVAL) : sock_headers(fd, ptr, len);
}

/**
 * Arm a ring that was drained. What was armed before by its descriptor is undone, what threads
 * armed that sleep is not.
 * @return 0 armed; 1 notifications were pending, or packets are waiting: nothing is armed
 */
static int
arm(struct ring *ring)
{
	const struct cyclic *cyclic = cyclic_of(ring);
	int ret;

	if (__atomic_exchange_n(&ring->armed, false, __ATOMIC_ACQ_REL) && ring_disarm(ring) > 0)
		return 1;
	/* Packets that the reader has taken from the queue raise no interrupt any more. */
	if (cyclic != NULL && cyclic_waiting(cyclic))
		return 1;
	if (sock_xtreme_waiting(ring))
		return 1;
	ret = ring_arm(ring);
	if (ret >= 0)
		__atomic_store_n(&ring->armed, true, __ATOMIC_RELEASE);
	return ret;
}

int
vma_modify(struct vma_modify_ring_attr *attr)
{
	struct ring *ring;
	int ret = -EINVAL;

	if (attr == NULL)
		return vma_result(-EINVAL);
	ring = vma_ring_hold(attr->ring_fd);
	if (ring == NULL)
		return vma_result(-EBADF);
	if ((attr->comp_bit_mask & VMA_MODIFY_RING_CQ_ARM) != 0)
		ret = arm(ring);
	else if ((attr->comp_bit_mask & VMA_MODIFY_RING_CQ_MODERATION) != 0)
		ret = ring_moderate(ring, attr->cq_moderation.cq_moderation_count,
				attr->cq_moderation.cq_moderation_period_usec);
	ring_release(ring);
	return vma_result(ret);
}

int
vma_dump(int fd, int level)
{
	char *text = NULL, *line, *rest;
	size_t len;
	FILE *f;
	int ret;

	if (conf()->socketxtreme)
		return vma_result(-EOPNOTSUPP);
	if (level < LOG_LEVEL_PANIC || level > LOG_LEVEL_ALL)
		return vma_result(-EINVAL);
	if (level > log_level_now)
		return 0;
	f = open_memstream(&text, &len);
	if (f == NULL)
		return -1;
	ret = dpvma_dump(fd, f);
	if (fclose(f) == 0) {
		for (line = strtok_r(text, "\n", &rest); line != NULL;
				line = strtok_r(NULL, "\n", &rest))
			LOG_AT(level, "%s", line);
	}
	free(text);
	return ret;
}
