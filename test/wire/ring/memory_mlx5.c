/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions of the extra API that take a ring's descriptor, on mlx5: memory of the application
 * that the device reads a frame from, what is known of the device, and descriptors of rings that
 * are gone. What the port sends comes back to it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_udp.h>

#include "ring/ring.h"
#include "sock/dpvma.h"
#include "vma/mellanox/vma_extra.h"

#define LOCAL "10.99.0.2"
#define PEER "10.99.0.1"
#define WAIT_MS 5000
#define PAGE ((size_t)4096)
#define PAGES 16

static struct vma_api_t *api;
static int fd, ring_fd_of_socket;
static uint16_t port_be;
static char *area;

#define FAILS(call, err)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		assert_int_equal(call, -1);                                                        \
		assert_int_equal(errno, err);                                                      \
	} while (0)

static int
bound(struct sockaddr_in *sin)
{
	int s = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*sin);

	assert_true(s >= 0);
	*sin = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(LOCAL) };
	assert_int_equal(dpvma_bind(s, (struct sockaddr *)sin, len), 0);
	assert_int_equal(dpvma_getsockname(s, (struct sockaddr *)sin, &len), 0);
	return s;
}

/* A datagram to the socket, written at that address. Its length. */
static uint16_t
write_frame(char *at, const struct ring *ring, const char *text)
{
	uint16_t payload = (uint16_t)strlen(text);
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)at;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	memset(at, 0, sizeof(*eth) + sizeof(*ip) + sizeof(*udp));
	eth->dst_addr = eth->src_addr = ring->port->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = 0x45,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = inet_addr(PEER),
		.dst_addr = inet_addr(LOCAL),
		.total_length = rte_cpu_to_be_16(
				(uint16_t)(sizeof(*ip) + sizeof(*udp) + payload)) };
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){ .src_port = RTE_BE16(7),
		.dst_port = port_be,
		.dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + payload)) };
	memcpy(udp + 1, text, payload);
	return (uint16_t)(sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + payload);
}

static void
on_free(void *addr, void *opaque)
{
	(void)addr;
	(void)opaque;
}

/* Out from where it lies. */
static void
send_from(char *at, const char *text)
{
	/* one each: the driver gives packets back when it needs their place */
	static struct rte_mbuf_ext_shared_info all[16];
	static unsigned int used;
	struct rte_mbuf_ext_shared_info *shared = &all[used++];
	struct ring *ring = ring_by_fd(ring_fd_of_socket);
	uint16_t len = write_frame(at, ring, text);
	struct rte_mbuf *m;

	assert_int_equal(ring_tx_alloc(ring, &m, 1), 0);
	assert_true(used <= RTE_DIM(all));
	*shared = (struct rte_mbuf_ext_shared_info){ .free_cb = on_free, .refcnt = 1 };
	rte_pktmbuf_attach_extbuf(m, at, (rte_iova_t)(uintptr_t)at, 2048, shared);
	m->data_off = 0;
	m->data_len = len;
	m->pkt_len = len;
	/* past ring_tx(), which would have it look like what our stack makes */
	assert_int_equal(rte_eth_tx_burst(ring->port_id, ring->queue, &m, 1), 1);
}

/* The text that comes within that time, "" for none. */
static const char *
receive(unsigned int ms)
{
	uint64_t end = clock_ms() + ms;
	static char text[256];
	ssize_t n;

	do
		n = dpvma_recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	while (n < 0 && clock_ms() < end);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* The device reads what the application has written into memory of its own. */
static void
test_sent_from(void **state)
{
	uint32_t key = 0, inner = 0;
	char *odd = area + 3 * PAGE + 40;

	(void)state;
	assert_int_equal(api->register_memory_on_ring(ring_fd_of_socket, area, 2 * PAGE, &key), 0);
	assert_true(key >= 1);
	send_from(area + 64, "from the first page");
	assert_string_equal(receive(WAIT_MS), "from the first page");
	send_from(area + PAGE - 70, "across the border of two pages, as one range has them");
	assert_string_equal(
			receive(WAIT_MS), "across the border of two pages, as one range has them");
	/* one more, of no page's shape, beside a part of the first */
	assert_int_equal(api->register_memory_on_ring(ring_fd_of_socket, odd, 3000, &key), 0);
	assert_int_equal(api->register_memory_on_ring(ring_fd_of_socket, area + 8, 100, &inner), 0);
	send_from(odd, "an odd address");
	assert_string_equal(receive(WAIT_MS), "an odd address");
	assert_int_equal(api->deregister_memory_on_ring(ring_fd_of_socket, area, 2 * PAGE), 0);
	/* its part is registered yet, and with it the range that it was part of */
	send_from(area + 64, "again");
	assert_string_equal(receive(WAIT_MS), "again");
	assert_int_equal(api->deregister_memory_on_ring(ring_fd_of_socket, area + 8, 100), 0);
	assert_int_equal(api->deregister_memory_on_ring(ring_fd_of_socket, odd, 3000), 0);
}

static void
test_registration_errors(void **state)
{
	uint32_t key = 0, same = 0;
	struct sockaddr_in sin;
	int other, other_ring;

	(void)state;
	FAILS(api->register_memory_on_ring(ring_fd_of_socket, NULL, PAGE, &key), EINVAL);
	FAILS(api->register_memory_on_ring(ring_fd_of_socket, area, 0, &key), EINVAL);
	FAILS(api->register_memory_on_ring(ring_fd_of_socket, area, PAGE, NULL), EINVAL);
	FAILS(api->register_memory_on_ring(ring_fd_of_socket, area, PAGES * PAGE + PAGE, &key),
			EFAULT);
	FAILS(api->register_memory_on_ring(fd, area, PAGE, &key), EBADF);
	assert_int_equal(api->register_memory_on_ring(ring_fd_of_socket, area, PAGE, &key), 0);
	FAILS(api->register_memory_on_ring(ring_fd_of_socket, area + 100, PAGE, &same), EEXIST);
	FAILS(api->deregister_memory_on_ring(ring_fd_of_socket, area, 2 * PAGE), ENOENT);
	/* the same ring under another socket, and a second one of the device */
	other = bound(&sin);
	assert_int_equal(api->get_socket_rings_fds(other, &other_ring, 1), 1);
	assert_int_not_equal(other_ring, ring_fd_of_socket);
	FAILS(api->deregister_memory_on_ring(other_ring, area, PAGE), ENOENT);
	assert_int_equal(api->register_memory_on_ring(other_ring, area, PAGE, &same), 0);
	assert_int_equal(same, key);
	assert_int_equal(api->deregister_memory_on_ring(ring_fd_of_socket, area, PAGE), 0);
	send_from(area, "the other ring's");
	assert_string_equal(receive(WAIT_MS), "the other ring's");
	/* and that ring ends */
	assert_int_equal(dpvma_close(other), 0);
	FAILS(api->deregister_memory_on_ring(other_ring, area, PAGE), EBADF);
	FAILS(api->deregister_memory_on_ring(ring_fd_of_socket, area, PAGE), ENOENT);
	assert_int_equal(api->register_memory_on_ring(ring_fd_of_socket, area, 3 * PAGE, &key), 0);
	assert_int_equal(api->deregister_memory_on_ring(ring_fd_of_socket, area, 3 * PAGE), 0);
}

/* The device strides into buffers of its own; what the reader gives lies in the application's. */
static void
test_user_memory(void **state)
{
	struct vma_ring_type_attr attr = { .ring_type = VMA_RING_CYCLIC_BUFFER,
		.ring_cyclicb = { .comp_mask = VMA_CB_EXTERNAL_MEM,
				.num = 16,
				.stride_bytes = 100,
				.packet_receive_mode = STRIP_NETWORK_HDRS } };
	struct vma_ring_alloc_logic_attr logic = { .comp_mask = 1 | 2 | 4,
		.ring_alloc_logic = RING_LOGIC_PER_USER_ID,
		.user_id = 9,
		.ingress = 1 };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(LOCAL) };
	struct iovec memory = { area, 256 * 100 - 1 };
	int s = dpvma_socket(AF_INET, SOCK_DGRAM, 0), ring, key;
	struct vma_completion_cb_t run = { 0 };
	uint64_t end = clock_ms() + WAIT_MS;
	uint16_t port_before = port_be;
	socklen_t len = sizeof(sin);
	uint32_t lkey;
	size_t size;
	void *at;

	(void)state;
	assert_int_equal(api->vma_add_ring_profile(&attr, &key), 0);
	logic.ring_profile_key = (uint32_t)key;
	assert_int_equal(dpvma_setsockopt(s, SOL_SOCKET, SO_VMA_RING_ALLOC_LOGIC, &logic,
					 sizeof(logic)),
			0);
	assert_int_equal(dpvma_setsockopt(s, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, &memory,
					 sizeof(memory)),
			0);
	FAILS(dpvma_bind(s, (struct sockaddr *)&sin, sizeof(sin)), EINVAL);
	memory.iov_len++;
	assert_int_equal(dpvma_setsockopt(s, SOL_SOCKET, SO_VMA_RING_USER_MEMORY, &memory,
					 sizeof(memory)),
			0);
	assert_int_equal(dpvma_bind(s, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(dpvma_getsockname(s, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(api->get_socket_rings_fds(s, &ring, 1), 1);
	/* the first read makes the reader */
	assert_int_equal(api->vma_cyclic_buffer_read(ring, &run, 1, 1, MSG_DONTWAIT), 0);
	port_be = sin.sin_port;
	assert_int_equal(api->register_memory_on_ring(
					 ring_fd_of_socket, area + 10 * PAGE, PAGE, &lkey),
			0);
	send_from(area + 10 * PAGE, "into the application's memory");
	while (run.packets == 0 && clock_ms() < end)
		assert_int_equal(api->vma_cyclic_buffer_read(ring, &run, 1, 1, MSG_DONTWAIT), 0);
	assert_int_equal(run.packets, 1);
	assert_ptr_equal(run.payload_ptr, area);
	assert_memory_equal(area, "into the application's memory", 29);
	assert_int_equal(api->get_mem_info(ring, &at, &size, &lkey), 0);
	assert_ptr_equal(at, area);
	assert_int_equal(size, 256 * 100);
	assert_int_equal(api->deregister_memory_on_ring(ring_fd_of_socket, area + 10 * PAGE, PAGE),
			0);
	port_be = port_before;
	assert_int_equal(dpvma_close(s), 0);
	FAILS(api->vma_cyclic_buffer_read(ring, &run, 1, 1, MSG_DONTWAIT), EBADF);
	FAILS(api->get_mem_info(ring, &at, &size, &lkey), EBADF);
}

static void
test_device(void **state)
{
	struct vma_mlx_hw_device_data data;

	(void)state;
	memset(&data, 0xff, sizeof(data));
	assert_int_equal(api->get_ring_direct_descriptors(ring_fd_of_socket, &data), 0);
	assert_int_equal(data.valid_mask, 0);
	assert_int_equal(data.dev_data.vendor_id, 0x02c9);
	assert_int_equal(data.dev_data.vendor_part_id >> 8, 0x10);
	assert_int_equal(data.dev_data.device_cap, VMA_HW_MP_RQ_EN);
	assert_null(data.rq_data.wq_data.buf);
	FAILS(api->get_ring_direct_descriptors(ring_fd_of_socket, NULL), EINVAL);
	FAILS(api->get_ring_direct_descriptors(fd, &data), EBADF);
	assert_true((api->vma_extra_supported_mask & VMA_EXTRA_API_GET_RING_DIRECT_DESCRIPTORS) !=
			0);
}

static int
setup(void **state)
{
	struct sockaddr_in sin;
	uint64_t end = clock_ms() + WAIT_MS;

	(void)state;
	dpvma_set_option("DPVMA_EAL_ARGS", "-a 03:00.0");
	dpvma_set_option("DPVMA_MPRQ_STRIDE", "2048");
	dpvma_set_option("DPVMA_MPRQ_STRIDES", "64");
	dpvma_set_option("VMA_MEM_ALLOC_TYPE", "0");
	dpvma_set_option("VMA_RX_BUFS", "16384");
	dpvma_set_option("VMA_TX_BUFS", "4096");
	dpvma_set_option("VMA_CONFIG_FILE", "/dev/null");
	dpvma_set_option("VMA_RING_ALLOCATION_LOGIC_RX", "10");
	api = dpvma_get_api();
	if (api == NULL || system("ip link set cx0 up && ip addr add " LOCAL "/24 dev cx0") != 0)
		return -1;
	/* until the kernel's news have come */
	for (fd = bound(&sin); api->get_socket_rings_fds(fd, &ring_fd_of_socket, 1) != 1;
			fd = bound(&sin)) {
		assert_int_equal(dpvma_close(fd), 0);
		if (clock_ms() > end)
			return -1;
		usleep(1000);
	}
	port_be = sin.sin_port;
	area = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	/* a hole behind it */
	return area == MAP_FAILED ? -1 : munmap(area + PAGES * PAGE, PAGE);
}

static int
teardown(void **state)
{
	uint32_t key;

	(void)state;
	if (area == NULL)
		return -1;
	/* what is left is undone with the ring */
	assert_int_equal(api->register_memory_on_ring(ring_fd_of_socket, area, PAGE, &key), 0);
	assert_int_equal(dpvma_close(fd), 0);
	FAILS(api->register_memory_on_ring(ring_fd_of_socket, area, PAGE, &key), EBADF);
	assert_int_equal(munmap(area, PAGES * PAGE), 0);
	dpvma_exit();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent_from),
		cmocka_unit_test(test_registration_errors),
		cmocka_unit_test(test_user_memory),
		cmocka_unit_test(test_device),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
