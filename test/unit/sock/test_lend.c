/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams received without a copy, by the table of the extra API over the whole stack: what comes
 * out, what waits, what other calls see meanwhile, giving back, and each mistake in it.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "ring/ring.h"
#include "sock/sock.h"
#include "sock_test.h"
#include "vma/mellanox/vma_extra.h"

struct vma_api_t *dpvma_get_api(void);

#define MANY 300

static struct vma_api_t *api;
static unsigned int misuses[EXTRA_STAT_MAX];

/** A call's buffer and what it said. */
struct zcopy {
	union {
		struct vma_packets_t p;
		char bytes[8 + 16 + 16];
	};
	int flags;
	int ret;
	struct sockaddr_in from;
	socklen_t fromlen;
};

static int
take(int fd, struct zcopy *z, int flags)
{
	z->flags = flags;
	z->fromlen = sizeof(z->from);
	z->ret = api->recvfrom_zcopy(fd, &z->p, sizeof(z->bytes), &z->flags,
			(struct sockaddr *)&z->from, &z->fromlen);
	return z->ret;
}

static int
give(int fd, void *packet_id)
{
	return api->free_packets(fd, (struct vma_packet_t *)(void *)&packet_id, 1);
}

/* That text, without a copy; it is given back. */
static void
expect(int fd, const char *text)
{
	struct zcopy z;

	assert_int_equal(take(fd, &z, MSG_DONTWAIT), strlen(text));
	assert_int_equal(z.flags, MSG_DONTWAIT | MSG_VMA_ZCOPY);
	assert_int_equal(z.p.n_packet_num, 1);
	assert_int_equal(z.p.pkts[0].sz_iov, 1);
	assert_int_equal(z.p.pkts[0].iov[0].iov_len, strlen(text));
	assert_memory_equal(z.p.pkts[0].iov[0].iov_base, text, strlen(text));
	assert_int_equal(give(fd, z.p.pkts[0].packet_id), 0);
}

/* How often the program was caught at it since the last look. */
static unsigned int
caught(const char *name)
{
	static char text[65536];
	FILE *f = fmemopen(text, sizeof(text), "w");
	char *at, key[64];
	unsigned int now = 0, before, i;

	assert_int_equal(dpvma_dump_json(f), 0);
	fclose(f);
	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(text, key);
	if (at != NULL)
		now = (unsigned int)strtoul(at + strlen(key), NULL, 10);
	for (i = 0; i < EXTRA_STAT_MAX && strcmp(stat_extra.names[i], name) != 0; i++)
		;
	assert_true(i < EXTRA_STAT_MAX);
	before = misuses[i];
	misuses[i] = now;
	return now - before;
}

static void
datagrams(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);
	struct zcopy z;

	(void)state;
	assert_errno(take(fd, &z, MSG_DONTWAIT), EAGAIN);
	assert_int_equal(z.flags, MSG_DONTWAIT);
	test_inject_text(port, "one");
	test_inject_text(port, "");
	test_inject_text(port, "three");
	assert_int_equal(take(fd, &z, 0), 3);
	assert_int_equal(z.flags, MSG_VMA_ZCOPY);
	assert_int_equal(z.fromlen, sizeof(z.from));
	assert_int_equal(z.from.sin_family, AF_INET);
	assert_int_equal(ntohs(z.from.sin_port), PEER_PORT);
	assert_int_equal(z.from.sin_addr.s_addr, inet_addr(PEER));
	assert_memory_equal(z.p.pkts[0].iov[0].iov_base, "one", 3);
	assert_int_equal(give(fd, z.p.pkts[0].packet_id), 0);
	expect(fd, "");
	expect(fd, "three");
	assert_errno(take(fd, &z, MSG_DONTWAIT), EAGAIN);
	dpvma_close(fd);
}

/* A name is cut as recvfrom() cuts it; a bad one is seen before anything is taken. */
static void
arguments(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), flags = MSG_DONTWAIT;
	struct sockaddr_in from = { 0 };
	socklen_t len = 4;
	struct zcopy z;

	(void)state;
	test_inject_text(port, "kept");
	assert_errno(api->recvfrom_zcopy(fd, &z.p, 39, &flags, NULL, NULL), ENOBUFS);
	assert_errno(api->recvfrom_zcopy(fd, &z.p, 0, &flags, NULL, NULL), ENOBUFS);
	assert_errno(api->recvfrom_zcopy(fd, NULL, 40, &flags, NULL, NULL), EFAULT);
	assert_errno(api->recvfrom_zcopy(fd, &z.p, 40, NULL, NULL, NULL), EFAULT);
	assert_errno(api->recvfrom_zcopy(fd, &z.p, 40, &flags, (struct sockaddr *)&from, NULL),
			EFAULT);
	len = (socklen_t)-1;
	assert_errno(api->recvfrom_zcopy(fd, &z.p, 40, &flags, (struct sockaddr *)&from, &len),
			EINVAL);
	assert_int_equal(flags, MSG_DONTWAIT);
	len = 4;
	assert_int_equal(api->recvfrom_zcopy(fd, &z.p, 40, &flags, (struct sockaddr *)&from, &len),
			4);
	assert_int_equal(len, sizeof(from));
	assert_int_equal(ntohs(from.sin_port), PEER_PORT);
	assert_int_equal(from.sin_addr.s_addr, 0);
	assert_int_equal(give(fd, z.p.pkts[0].packet_id), 0);
	dpvma_close(fd);
}

/* What is peeked at stays, so it is copied; one that must not be is told so. */
static void
peeked(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);
	struct zcopy z;

	(void)state;
	test_inject_text(port, "look");
	assert_int_equal(take(fd, &z, MSG_PEEK | MSG_DONTWAIT), 4);
	assert_int_equal(z.flags, MSG_PEEK | MSG_DONTWAIT);
	assert_memory_equal(z.bytes, "look", 4);
	assert_int_equal(ntohs(z.from.sin_port), PEER_PORT);
	assert_errno(take(fd, &z, MSG_PEEK | MSG_VMA_ZCOPY_FORCE), EOPNOTSUPP);
	assert_errno(take(fd, &z, MSG_ERRQUEUE), EAGAIN);
	assert_int_equal(take(fd, &z, MSG_VMA_ZCOPY_FORCE), 4);
	assert_int_equal(z.flags, MSG_VMA_ZCOPY_FORCE | MSG_VMA_ZCOPY);
	assert_int_equal(give(fd, z.p.pkts[0].packet_id), 0);
	/* a copy that does not fit */
	test_inject(&(struct test_frame){ .dport = port, .data = test_log, .len = 100 });
	assert_int_equal(take(fd, &z, MSG_PEEK), 40);
	assert_int_equal(z.flags, MSG_PEEK | MSG_TRUNC);
	assert_int_equal(take(fd, &z, 0), 100);
	assert_int_equal(give(fd, z.p.pkts[0].packet_id), 0);
	dpvma_close(fd);
}

/* Others see what is there, and get it in order, whoever began. */
static void
beside_others(void **state)
{
	uint16_t port;
	int fd = test_bound(&port), n;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct zcopy z;
	char buf[32];

	(void)state;
	for (n = 0; n < 6; n++) {
		snprintf(buf, sizeof(buf), "%d%.*s", n, n, "------");
		test_inject_text(port, buf);
	}
	expect(fd, "0");
	assert_int_equal(dpvma_poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLIN);
	expect(fd, "1-");
	assert_int_equal(dpvma_ioctl(fd, FIONREAD, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT), 3);
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 3);
	assert_memory_equal(buf, "2--", 3);
	expect(fd, "3---");
	test_inject_text(port, "6");
	assert_int_equal(dpvma_read(fd, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "4----", 5);
	expect(fd, "5-----");
	assert_int_equal(dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 1);
	assert_memory_equal(buf, "6", 1);
	assert_errno(take(fd, &z, MSG_DONTWAIT), EAGAIN);
	p.revents = 0;
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_int_equal(dpvma_ioctl(fd, FIONREAD, &n), 0);
	assert_int_equal(n, 0);
	/* some left behind for the close */
	test_inject_text(port, "left");
	test_inject_text(port, "over");
	expect(fd, "left");
	dpvma_close(fd);
}

/* Many in hand at once, given back in any order and several at a time. */
static void
held(void **state)
{
	static struct {
		void *id;
		size_t sz;
	} p[MANY];
	uint16_t port;
	int fd = test_bound(&port);
	uint32_t i, value;
	struct zcopy z;

	(void)state;
	for (i = 0; i < MANY; i++) {
		test_inject(&(struct test_frame){ .dport = port, .data = &i, .len = sizeof(i) });
		assert_int_equal(take(fd, &z, 0), sizeof(i));
		memcpy(&value, z.p.pkts[0].iov[0].iov_base, sizeof(value));
		assert_int_equal(value, i);
		p[i].id = z.p.pkts[0].packet_id;
		p[i].sz = 77;
	}
	/* the bytes are there still */
	for (i = 0; i < MANY; i++)
		assert_memory_equal(rte_pktmbuf_mtod((struct rte_mbuf *)p[i].id, void *), &i,
				sizeof(i));
	for (i = 0; i < MANY / 2; i += 2)
		assert_int_equal(give(fd, p[i].id), 0);
	for (i = 1; i < MANY / 2; i += 2)
		assert_int_equal(give(fd, p[i].id), 0);
	/* one in the middle is not to be had any more: those before it are */
	assert_int_equal(give(fd, p[MANY / 2 + 100].id), 0);
	assert_errno(api->free_packets(fd, (struct vma_packet_t *)(void *)&p[MANY / 2], MANY / 2),
			ENOENT);
	assert_int_equal(caught("given_back_twice"), 1);
	assert_errno(give(fd, p[MANY / 2 + 99].id), ENOENT);
	assert_int_equal(caught("given_back_twice"), 1);
	assert_int_equal(api->free_packets(fd, (struct vma_packet_t *)(void *)&p[MANY / 2 + 101],
					 MANY / 2 - 101),
			0);
	dpvma_close(fd);
}

static void
mistakes(void **state)
{
	static char none[256] __attribute__((aligned(64)));
	uint16_t port, other_port;
	int fd = test_bound(&port), other = test_bound(&other_port);
	int kernels = socket(AF_INET, SOCK_DGRAM, 0);
	struct zcopy z;
	void *id;

	(void)state;
	test_inject_text(port, "mine");
	assert_int_equal(take(fd, &z, 0), 4);
	id = z.p.pkts[0].packet_id;
	assert_errno(give(kernels, id), EINVAL);
	assert_errno(give(-1, id), EINVAL);
	assert_errno(give(1000000, id), EINVAL);
	assert_errno(api->free_packets(fd, NULL, 1), EINVAL);
	assert_errno(give(other, id), ENOENT);
	assert_int_equal(caught("foreign_buffer"), 1);
	assert_errno(give(fd, NULL), ENOENT);
	assert_errno(give(fd, none + 64), ENOENT);
	assert_errno(give(fd, (char *)id + 1), ENOENT);
	assert_errno(give(fd, (char *)id + 64), ENOENT);
	assert_errno(give(fd, z.p.pkts[0].iov[0].iov_base), ENOENT);
	assert_errno(give(fd, (void *)(uintptr_t)-64), ENOENT);
	assert_int_equal(caught("unknown_buffer"), 6);
	assert_int_equal(give(fd, id), 0);
	assert_errno(give(fd, id), ENOENT);
	assert_errno(give(other, id), ENOENT);
	assert_int_equal(caught("given_back_twice"), 2);
	assert_int_equal(caught("foreign_buffer"), 0);
	close(kernels);
	dpvma_close(other);
	dpvma_close(fd);
	/* the number is nobody's any more */
	assert_errno(give(fd, id), EINVAL);
}

/* Not offloaded: recvfrom(), and not a word in the flags. */
static void
kernels_own(void **state)
{
	struct sockaddr_in sin = test_addr("127.0.0.1", 0);
	int kinds[2] = { socket(AF_INET, SOCK_DGRAM, 0), dpvma_socket(AF_INET, SOCK_DGRAM, 0) };
	struct zcopy z;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		socklen_t len = sizeof(sin);
		int fd = kinds[i];

		sin.sin_port = 0;
		assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
		assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&sin, &len), 0);
		assert_errno(take(fd, &z, MSG_DONTWAIT), EAGAIN);
		assert_int_equal(dpvma_sendto(fd, "kernel", 6, 0, (struct sockaddr *)&sin, len), 6);
		assert_errno(take(fd, &z, MSG_VMA_ZCOPY_FORCE), EOPNOTSUPP);
		assert_int_equal(take(fd, &z, MSG_DONTWAIT), 6);
		assert_int_equal(z.flags, MSG_DONTWAIT);
		assert_memory_equal(z.bytes, "kernel", 6);
		assert_int_equal(z.from.sin_port, sin.sin_port);
		dpvma_close(fd);
	}
	assert_errno(take(-1, &z, MSG_DONTWAIT), EBADF);
}

/* Of a socket that has a half in the kernel too that one's datagrams are copied. */
static void
kernels_half(void **state)
{
	struct sockaddr_in any = test_addr("0.0.0.0", 0), to;
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(any);
	struct zcopy z;

	(void)state;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&any, &len), 0);
	to = test_addr("127.0.0.1", ntohs(any.sin_port));
	assert_int_equal(sendto(out, "by kernel", 9, 0, (struct sockaddr *)&to, sizeof(to)), 9);
	/* where it may not be copied it stays */
	assert_errno(take(fd, &z, MSG_VMA_ZCOPY_FORCE), EOPNOTSUPP);
	assert_int_equal(take(fd, &z, 0), 9);
	assert_int_equal(z.flags, 0);
	assert_memory_equal(z.bytes, "by kernel", 9);
	assert_int_equal(z.from.sin_addr.s_addr, inet_addr("127.0.0.1"));
	test_inject_text(ntohs(any.sin_port), "by port");
	expect(fd, "by port");
	close(out);
	dpvma_close(fd);
}

/* Waits as other receives: time, and the end. */
static void
waits(void **state)
{
	struct timeval short_time = { .tv_usec = 3000 };
	struct timespec t0, t1;
	uint16_t port;
	int fd = test_bound(&port);
	struct zcopy z;

	(void)state;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_time,
					 sizeof(short_time)),
			0);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	assert_errno(take(fd, &z, 0), EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true((t1.tv_sec - t0.tv_sec) * 1000000000 + t1.tv_nsec - t0.tv_nsec >= 3000000);
	assert_int_equal(dpvma_fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_errno(take(fd, &z, 0), EAGAIN);
	/* after the end what had come is read, then nothing */
	test_inject_text(port, "last");
	test_inject_text(port, "very last");
	expect(fd, "last");
	dpvma_shutdown(fd, SHUT_RD);
	expect(fd, "very last");
	assert_int_equal(take(fd, &z, 0), 0);
	assert_int_equal(z.flags, 0);
	dpvma_close(fd);
}

/* Every buffer has come back: were one lost each time, the pool would be empty long since. */
static void
nothing_lost(void **state)
{
	struct rte_mempool *wire = rte_mempool_lookup("wire");
	unsigned int before = rte_mempool_avail_count(wire);
	uint16_t port;
	int fd = test_bound(&port);
	struct zcopy z;

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		void *ids[40];

		for (unsigned int i = 0; i < RTE_DIM(ids); i++)
			test_inject_text(port, "again");
		for (unsigned int i = 0; i < RTE_DIM(ids); i++) {
			assert_int_equal(take(fd, &z, MSG_DONTWAIT), 5);
			ids[i] = z.p.pkts[0].packet_id;
			if (round % 2 == 0)
				assert_int_equal(give(fd, ids[i]), 0);
		}
		for (unsigned int i = 0; round % 2 != 0 && i < RTE_DIM(ids); i++)
			assert_int_equal(give(fd, ids[i]), 0);
	}
	assert_errno(take(fd, &z, MSG_DONTWAIT), EAGAIN);
	assert_int_equal(rte_mempool_avail_count(wire), before);
	/* and by a close with some on their way */
	for (unsigned int i = 0; i < 10; i++)
		test_inject_text(port, "again");
	expect(fd, "again");
	dpvma_close(fd);
	assert_int_equal(rte_mempool_avail_count(wire), before);
}

static int
start(void **state)
{
	(void)state;
	test_start("VMA_RX_UDP_POLL_OS_RATIO=1", NULL);
	assert_int_equal(ring_pool_known(rte_mempool_lookup("wire")), 0);
	api = dpvma_get_api();
	return api == NULL;
}

static int
stop(void **state)
{
	(void)state;
	test_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams),
		cmocka_unit_test(arguments),
		cmocka_unit_test(peeked),
		cmocka_unit_test(beside_others),
		cmocka_unit_test(held),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(kernels_own),
		cmocka_unit_test(kernels_half),
		cmocka_unit_test(waits),
		cmocka_unit_test(nothing_lost),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
