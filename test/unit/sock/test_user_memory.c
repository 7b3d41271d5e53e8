/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cyclic buffer in memory of the application: what it must be, that packets lie there, who shares
 * it, and that it is the application's alone when the ring has ended.
 */
#include <sys/mman.h>
#include <sys/uio.h>

#include "cyclic/cyclic.h"
#include "sock/sock.h"
#include "sock_test.h"

/** As struct vma_ring_alloc_logic_attr. */
struct logic {
	uint32_t mask, logic, profile, user_id, directions;
};
#define SO_VMA_RING_ALLOC_LOGIC 2810
#define SO_VMA_RING_USER_MEMORY 2811
#define PROFILE 1u
#define USER_ID 2u
#define INGRESS 4u

#define PAGE ((size_t)4096)

static char *area;

static int
with_profile(enum cyclic_mode mode, uint16_t hdr_bytes, uint32_t user_id,
		const struct iovec *memory)
{
	const struct ring_profile profile = { .type = RING_PROFILE_CYCLIC,
		.num = 300,
		.stride_bytes = 64,
		.hdr_bytes = hdr_bytes,
		.mode = mode,
		.external = true };
	struct logic logic = { .mask = PROFILE | USER_ID | INGRESS,
		.logic = CONF_RING_PER_USER_ID,
		.profile = (uint32_t)ring_profile_add(&profile),
		.user_id = user_id,
		.directions = 1 };
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic,
					 sizeof(logic)),
			0);
	if (memory != NULL)
		assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, memory,
						 sizeof(*memory)),
				0);
	return fd;
}

static int
bind_at(int fd, uint16_t port)
{
	struct sockaddr_in sin = test_addr(LOCAL, port);

	return dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static void
read_one(int ring_fd, struct cyclic_run *run)
{
	uint64_t end = clock_ms() + 5000;
	struct cyclic *cyclic;

	assert_int_equal(cyclic_get(ring_by_fd(ring_fd), &cyclic), 0);
	do
		assert_int_equal(cyclic_read(cyclic, 1, 1, false, run), 0);
	while (run->packets == 0 && clock_ms() < end);
	assert_int_equal(run->packets, 1);
}

static bool
inside(const void *at, size_t len)
{
	return (const char *)at >= area && (const char *)at + len <= area + 32 * PAGE;
}

static void
user_memory(void **state)
{
	/* 300 packets of 64 bytes of payload, each with 46 + 8 bytes of headers */
	const size_t need = 300 * 64 + 300 * (46 + 8);
	struct iovec memory = { NULL, need };
	int fd, other, ring_fd_of, again;
	struct cyclic *cyclic;
	struct cyclic_run run;
	uint16_t port;
	char buf[16];
	size_t len;
	void *at;

	(void)state;
	area = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	/* none, too little, unmapped */
	test_log[0] = '\0';
	fd = with_profile(CYCLIC_SEPARATE, 8, 1, NULL);
	assert_errno(bind_at(fd, 6000), EINVAL);
	assert_non_null(strstr(test_log, "SO_VMA_RING_USER_MEMORY, 35400 bytes"));
	memory = (struct iovec){ area, need - 1 };
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, &memory, 16), 0);
	test_log[0] = '\0';
	assert_errno(bind_at(fd, 6000), EINVAL);
	assert_non_null(strstr(test_log, "has 35399 bytes, and the ring profile needs 35400"));
	assert_null(strchr(strchr(test_log, '\n') + 1, '\n'));
	assert_int_equal(munmap(area + 3 * PAGE, PAGE), 0);
	memory = (struct iovec){ area + 1, need };
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, &memory, 16), 0);
	assert_errno(bind_at(fd, 6000), EFAULT);
	/* a port without a queue for it: the ring would be other sockets', too */
	memory.iov_base = area + 4 * PAGE + 1;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, &memory, 16), 0);
	other = test_bound(&port);
	assert_errno(bind_at(fd, 6000), ENOSPC);
	dpvma_close(other);
	/* enough, at an odd address; and the refused socket is as good as new */
	assert_int_equal(bind_at(fd, 6000), 0);
	assert_errno(dpvma_setsockopt(fd, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, &memory, 16),
			EINVAL);
	assert_int_equal(sock_ring_fds(fd, &ring_fd_of, 1), 1);
	test_inject_text(6000, "user hdrin the application's memory");
	read_one(ring_fd_of, &run);
	assert_true(inside(run.payload, run.payload_len));
	assert_memory_equal(run.payload, "in the application's memory", 27);
	assert_true(inside(run.usr_hdr, run.usr_hdr_len));
	assert_int_equal(run.usr_hdr_len, 42 + 8);
	assert_memory_equal((char *)run.usr_hdr + 42, "user hdr", 8);
	assert_int_equal(cyclic_get(ring_by_fd(ring_fd_of), &cyclic), 0);
	assert_int_equal(cyclic_memory(cyclic, &at, &len), 0);
	assert_ptr_equal(at, memory.iov_base);
	assert_int_equal(len, 300 * 64);
	assert_string_equal(cyclic_source_name(cyclic), "copy");
	/* who comes later shares the ring, and needs none */
	other = with_profile(CYCLIC_SEPARATE, 8, 1, NULL);
	assert_int_equal(bind_at(other, 6001), 0);
	assert_int_equal(sock_ring_fds(other, &again, 1), 1);
	assert_int_equal(again, ring_fd_of);
	dpvma_close(fd);
	test_inject_text(6001, "user hdrof another socket");
	read_one(again, &run);
	assert_true(inside(run.payload, run.payload_len));
	assert_memory_equal(run.payload, "of another socket", 17);
	/* with the ring's end the memory is the application's alone */
	dpvma_close(other);
	assert_null(ring_by_fd(again));
	assert_int_equal(munmap(area, 32 * PAGE), 0);
	test_inject_text(6001, "to nobody");
	fd = test_bound(&port);
	test_inject_text(port, "goes on");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), 0), 7);
	dpvma_close(fd);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_memory),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
