/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cyclic socket on a port without a queue for it: it shares the ring of an ordinary one, each
 * gets its own packets, and the reader ends with the ring.
 */
#include <rte_mempool.h>

#include "cyclic/cyclic.h"
#include "net/net.h"
#include "sock/sock.h"
#include "sock_test.h"

/** As struct vma_ring_alloc_logic_attr. */
struct logic {
	uint32_t mask, logic, profile, user_id, directions;
};
#define SO_VMA_RING_ALLOC_LOGIC 2810
#define WITH_PROFILE_AND_INGRESS 0x5

static struct ring *
ring_of(int fd)
{
	struct ring *ring;

	assert_int_equal(sock_rings(fd, &ring, 1), 1);
	return ring;
}

static int
cyclic_bound(uint16_t *port)
{
	const struct ring_profile profile = {
		.type = RING_PROFILE_CYCLIC, .num = 1024, .stride_bytes = 200, .mode = CYCLIC_PADDED
	};
	int key = ring_profile_add(&profile), fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	struct logic logic = { .mask = WITH_PROFILE_AND_INGRESS,
		.logic = CONF_RING_PER_SOCKET,
		.profile = (uint32_t)key,
		.directions = 1 };
	struct sockaddr_in sin = test_addr(LOCAL, 0);
	socklen_t len = sizeof(sin);

	assert_true(key > 0);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic,
					 sizeof(logic)),
			0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
read_n(struct cyclic *cyclic, size_t n)
{
	struct cyclic_run run;

	assert_int_equal(cyclic_read(cyclic, 0, 100, false, &run), 0);
	assert_int_equal(run.packets, n);
	if (n > 0)
		assert_memory_equal((char *)run.payload + RING_PROFILE_NET_HDR, "cyclic", 6);
}

static void
shares(void **state)
{
	uint16_t plain_port, cyclic_port;
	struct rte_mempool *pool;
	struct cyclic *cyclic;
	int plain, fd;
	char buf[16];
	unsigned int free_before;

	(void)state;
	plain = test_bound(&plain_port);
	fd = cyclic_bound(&cyclic_port);
	assert_ptr_equal(ring_of(plain), ring_of(fd));
	/* as the extra API does: by the ring's fd, without the socket */
	assert_int_equal(cyclic_get(ring_by_fd(ring_fd(ring_of(fd))), &cyclic), 0);
	assert_string_equal(cyclic_source_name(cyclic), "copy");
	test_inject_text(cyclic_port, "cyclic");
	test_inject_text(plain_port, "plain");
	test_inject_text(cyclic_port, "cyclic");
	read_n(cyclic, 2);
	assert_int_equal(dpvma_recv(plain, buf, sizeof(buf), MSG_DONTWAIT), 5);
	assert_memory_equal(buf, "plain", 5);
	read_n(cyclic, 0);
	/* the other's poll keeps what is for the reader */
	test_inject_text(cyclic_port, "cyclic");
	assert_errno(dpvma_recv(plain, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	read_n(cyclic, 1);
	/* and what nobody reads any more is given back with the ring */
	test_inject_text(cyclic_port, "cyclic");
	pool = rte_mempool_lookup("wire");
	assert_non_null(pool);
	free_before = rte_mempool_avail_count(pool);
	net_poll(ring_of(fd));
	assert_true(cyclic_waiting(cyclic));
	assert_int_equal(dpvma_close(fd), 0);
	assert_int_equal(rte_mempool_avail_count(pool), free_before);
	assert_int_equal(dpvma_close(plain), 0);
	assert_int_equal(rte_mempool_avail_count(pool), free_before + 1);
}

static int
setup(void **state)
{
	(void)state;
	test_start("DPVMA_QUEUES=1", NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(shares) };

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
