/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of socketxtreme share: the table, counters of mistakes, buffers that are out. */
#ifndef XTREME_TEST_H
#define XTREME_TEST_H

#include <sys/epoll.h>

#include <rte_mempool.h>

#include "ring/ring.h"
#include "sock_test.h"
#include "vma/mellanox/vma_extra.h"

#define PACKET ((uint64_t)VMA_SOCKETXTREME_PACKET)
#define ACCEPTED ((uint64_t)VMA_SOCKETXTREME_NEW_CONNECTION_ACCEPTED)

static struct vma_api_t *vma;

/** A counter of the process's own by its name. */
static inline unsigned long
mistakes(const char *name)
{
	char key[64], *text = NULL;
	unsigned long value;
	const char *at;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(dpvma_dump_json(f), 0);
	fclose(f);
	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(text, "\"extra\":");
	assert_non_null(at);
	at = strstr(at, key);
	assert_non_null(at);
	value = strtoul(at + strlen(key), NULL, 10);
	free(text);
	return value;
}

#define assert_mistake(name, call)                                                                 \
	do {                                                                                       \
		unsigned long before_ = mistakes(name);                                            \
		assert_errno(call, strcmp(name, "stale_ring") == 0 ? EBADFD : EINVAL);             \
		assert_int_equal(mistakes(name), before_ + 1);                                     \
	} while (0)

/** Of the pool that frames come from. */
static struct rte_mempool *frames;

static inline unsigned int
buffers_out(void)
{
	return rte_mempool_in_use_count(frames);
}

/** The one ring that it receives by. */
static inline int
ring_of(int fd)
{
	int ring = -5;

	assert_int_equal(vma->get_socket_rings_num(fd), 1);
	assert_int_equal(vma->get_socket_rings_fds(fd, &ring, 1), 1);
	assert_true(ring >= 0);
	return ring;
}

static inline int
no_ring(int fd)
{
	int ring = -5;

	assert_int_equal(vma->get_socket_rings_num(fd), 0);
	return vma->get_socket_rings_fds(fd, &ring, 1) <= 0 && ring == -5;
}

static inline void
give_back(struct vma_completion_t *c)
{
	assert_int_equal(vma->socketxtreme_free_vma_packets(&c->packet, 1), 0);
}

/** Frames come as they are from a pool of the test's: they are lent as well. */
static inline void
know_pool(const char *name)
{
	frames = rte_mempool_lookup(name);
	assert_non_null(frames);
	assert_int_equal(ring_pool_known(frames), 0);
}

#endif
