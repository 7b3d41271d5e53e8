/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams received without a copy, by the table of the extra API over the whole stack: what comes
 * out, what waits, what other calls see meanwhile, giving back, and each mistake in it.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "ring/ring.h"
#include "sock/sock_priv.h"
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

/* What a socket lent before it became the kernel's it takes back, and nothing else. */
static void
kernels_later(void **state)
{
	struct rte_mempool *wire = rte_mempool_lookup("wire");
	unsigned int before = rte_mempool_avail_count(wire);
	struct sockaddr_in any = test_addr("0.0.0.0", 0), to = test_addr("127.0.0.1", 9);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(any);
	struct zcopy z[2];

	(void)state;
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&any, &len), 0);
	for (unsigned int i = 0; i < 2; i++) {
		test_inject_text(ntohs(any.sin_port), "lent");
		assert_int_equal(take(fd, &z[i], 0), 4);
	}
	assert_int_equal(sock_lender(fd), SOCK_DGRAM);
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(sock_lender(fd), -EINVAL);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(give(fd, z[i].p.pkts[0].packet_id), 0);
		assert_errno(give(fd, z[i].p.pkts[0].packet_id), EINVAL);
	}
	assert_errno(give(fd, NULL), EINVAL);
	assert_int_equal(caught("given_back_twice"), 0);
	dpvma_close(fd);
	assert_int_equal(rte_mempool_avail_count(wire), before);
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

/* Several in a row, so that some are at hand without asking the queue. */
static void
put_numbers(uint16_t port, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		test_inject(&(struct test_frame){ .dport = port, .data = &i, .len = sizeof(i) });
}

/* The next number, given back; UINT32_MAX: there is none. */
static uint32_t
next_number(int fd)
{
	uint32_t value;
	struct zcopy z;

	if (take(fd, &z, MSG_DONTWAIT) < 0)
		return UINT32_MAX;
	memcpy(&value, z.p.pkts[0].iov[0].iov_base, sizeof(value));
	assert_int_equal(give(fd, z.p.pkts[0].packet_id), 0);
	return value;
}

/* A number is one socket's, and then another's: what is at hand is of that which it is. */
static void
numbers(void **state)
{
	uint16_t port, other_port;
	int fd = test_bound(&port), twin, other;

	(void)state;
	twin = dpvma_dup(fd);
	assert_true(twin >= 0);
	put_numbers(port, 0, 20);
	assert_int_equal(next_number(fd), 0);
	assert_int_equal(next_number(fd), 1);
	assert_int_equal(next_number(twin), 2);
	assert_int_equal(next_number(twin), 3);
	assert_int_equal(next_number(fd), 4);
	dpvma_close(fd);
	other = test_bound(&other_port);
	assert_int_equal(other, fd);
	assert_int_equal(next_number(other), UINT32_MAX);
	assert_int_equal(next_number(twin), 5);
	put_numbers(other_port, 100, 5);
	assert_int_equal(next_number(other), 100);
	assert_int_equal(next_number(twin), 6);
	assert_int_equal(next_number(other), 101);
	/* one number onto the other */
	assert_int_equal(dpvma_dup2(twin, other), other);
	assert_int_equal(next_number(other), 7);
	dpvma_close(twin);
	assert_int_equal(next_number(twin), UINT32_MAX);
	assert_int_equal(next_number(other), 8);
	dpvma_close(other);
}

static unsigned int
counted(int fd, const char *name)
{
	char text[16384], key[64], *at;
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_int_equal(dpvma_dump(fd, f), 0);
	fclose(f);
	snprintf(key, sizeof(key), "%s ", name);
	at = strstr(text, key);
	return at == NULL ? 0 : (unsigned int)strtoul(at + strlen(key), NULL, 10);
}

static void
counters(void **state)
{
	uint16_t port;
	int fd = test_bound(&port);
	struct zcopy z[3];

	(void)state;
	put_numbers(port, 0, 10);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(take(fd, &z[i], 0), 4);
		assert_int_equal(counted(fd, "rx_lent"), i + 1);
	}
	assert_int_equal(give(fd, z[2].p.pkts[0].packet_id), 0);
	assert_int_equal(counted(fd, "rx_lent_back"), 1);
	assert_int_equal(give(fd, z[0].p.pkts[0].packet_id), 0);
	assert_int_equal(give(fd, z[1].p.pkts[0].packet_id), 0);
	assert_int_equal(counted(fd, "rx_lent_back"), 3);
	for (uint32_t i = 3; i < 10; i++)
		assert_int_equal(next_number(fd), i);
	assert_int_equal(counted(fd, "rx_lent"), 10);
	assert_int_equal(counted(fd, "rx_lent_back"), 10);
	assert_int_equal(counted(fd, "rx_read"), 10);
	dpvma_close(fd);
}

/* An epoll tells of what is at hand as long as there is some. */
static void
epolls(void **state)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = dpvma_epoll_create1(0), fd;
	uint16_t port;

	(void)state;
	fd = test_bound(&port);
	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
	put_numbers(port, 0, 5);
	for (uint32_t i = 0; i < 5; i++) {
		e.events = 0;
		assert_int_equal(dpvma_epoll_wait(ep, &e, 1, 0), 1);
		assert_int_equal(e.events, EPOLLIN);
		assert_int_equal(next_number(fd), i);
	}
	assert_int_equal(dpvma_epoll_wait(ep, &e, 1, 0), 0);
	dpvma_close(fd);
	dpvma_close(ep);
}

static int freed_inside, freed_errno, victim;
static void *victims;

static vma_recv_callback_retval_t
frees_inside(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	(void)fd;
	(void)n;
	(void)iov;
	(void)info;
	(void)context;
	errno = 0;
	freed_inside = give(victim, victims);
	freed_errno = errno;
	return VMA_PACKET_DROP;
}

/* The packet that was handed out last is no exception inside of a callback. */
static void
inside_callback(void **state)
{
	uint16_t port, other_port;
	int other = test_bound(&other_port);
	struct zcopy z;

	(void)state;
	victim = test_bound(&port);
	put_numbers(port, 0, 3);
	assert_int_equal(take(victim, &z, 0), 4);
	victims = z.p.pkts[0].packet_id;
	assert_int_equal(api->register_recv_callback(other, frees_inside, NULL), 0);
	test_inject_text(other_port, "go");
	assert_errno(take(other, &z, MSG_DONTWAIT), EAGAIN);
	assert_int_equal(freed_inside, -1);
	assert_int_equal(freed_errno, EDEADLK);
	assert_int_equal(caught("free_in_callback"), 1);
	assert_int_equal(give(victim, victims), 0);
	assert_int_equal(next_number(victim), 1);
	/* what passes one is received without a copy as well */
	assert_int_equal(api->register_recv_callback(other, NULL, NULL), 0);
	test_inject_text(other_port, "pass");
	expect(other, "pass");
	dpvma_close(other);
	dpvma_close(victim);
}

/** @name Several threads */
/** @{ */
static int shared_fd;
static uint32_t turn_of, numbers_left;
static uint8_t seen[20000];

static void *
take_one(void *number)
{
	*(uint32_t *)number = next_number(shared_fd);
	return NULL;
}

static uint32_t
by_another(void)
{
	uint32_t number;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, take_one, &number), 0);
	pthread_join(t, NULL);
	return number;
}

/* Each in turn, often enough that the socket has no front any more in the end. */
static void
in_turns(void **state)
{
	uint32_t next = 0;
	uint16_t port;

	(void)state;
	shared_fd = test_bound(&port);
	for (unsigned int round = 0; round < 40; round++) {
		put_numbers(port, next, 6);
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(next_number(shared_fd), next);
			assert_int_equal(by_another(), next + 1);
			next += 2;
		}
	}
	assert_int_equal(by_another(), UINT32_MAX);
	dpvma_close(shared_fd);
}

static void *
take_in_turn(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, number;

	while (__atomic_load_n(&numbers_left, __ATOMIC_ACQUIRE) != 0) {
		if (__atomic_load_n(&turn_of, __ATOMIC_ACQUIRE) != me) {
			sched_yield();
			continue;
		}
		number = next_number(shared_fd);
		if (number < sizeof(seen)) {
			__atomic_fetch_add(&seen[number], 1, __ATOMIC_RELAXED);
			__atomic_fetch_sub(&numbers_left, 1, __ATOMIC_ACQ_REL);
		}
		if (number % 100 < 3)
			__atomic_store_n(&turn_of, (me + 1) % 2, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *
take_any(void *arg)
{
	uint32_t number;

	(void)arg;
	while (__atomic_load_n(&numbers_left, __ATOMIC_ACQUIRE) != 0) {
		number = next_number(shared_fd);
		if (number == UINT32_MAX)
			continue;
		__atomic_fetch_add(&seen[number], 1, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&numbers_left, 1, __ATOMIC_ACQ_REL);
	}
	return NULL;
}

/* Every datagram comes to one of the threads, and to one alone. */
static void
shared_by(void *(*first)(void *), void *(*second)(void *))
{
	enum { ALL = sizeof(seen), PART = 200 };
	pthread_t t[2];
	uint16_t port;

	shared_fd = test_bound(&port);
	memset(seen, 0, sizeof(seen));
	turn_of = 0;
	numbers_left = ALL;
	assert_int_equal(pthread_create(&t[0], NULL, first, (void *)0), 0);
	assert_int_equal(pthread_create(&t[1], NULL, second, (void *)1), 0);
	for (uint32_t i = 0; i < ALL; i += PART) {
		put_numbers(port, i, PART);
		while (__atomic_load_n(&numbers_left, __ATOMIC_ACQUIRE) > ALL - i)
			sched_yield();
	}
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	for (uint32_t i = 0; i < ALL; i++)
		assert_int_equal(seen[i], 1);
	dpvma_close(shared_fd);
}

static void
shared(void **state)
{
	(void)state;
	shared_by(take_in_turn, take_in_turn);
	shared_by(take_any, take_any);
}

static void *
take_until_closed(void *arg)
{
	struct zcopy z;

	(void)arg;
	for (;;) {
		if (take(shared_fd, &z, MSG_DONTWAIT) >= 0) {
			/* may be closed by now */
			give(shared_fd, z.p.pkts[0].packet_id);
			__atomic_fetch_add(&turn_of, 1, __ATOMIC_RELEASE);
		} else if (errno != EAGAIN) {
			return NULL;
		}
	}
}

/* The socket goes while another thread takes from it. */
static void
closed_by_another(void **state)
{
	pthread_t t;

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		uint16_t port;

		shared_fd = test_bound(&port);
		turn_of = 0;
		put_numbers(port, 0, 60);
		assert_int_equal(pthread_create(&t, NULL, take_until_closed, NULL), 0);
		while (__atomic_load_n(&turn_of, __ATOMIC_ACQUIRE) < round)
			sched_yield();
		dpvma_close(shared_fd);
		pthread_join(t, NULL);
	}
}

static struct sock *watched_sock;
static uint32_t there, missed; /* there is odd while there is always one that can be read */

static void *
watch_it(void *arg)
{
	uint32_t before;
	bool readable;

	(void)arg;
	while ((before = __atomic_load_n(&there, __ATOMIC_ACQUIRE)) != UINT32_MAX) {
		readable = (watched_sock->ops->revents(watched_sock) & POLLIN) != 0;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (before % 2 != 0 && __atomic_load_n(&there, __ATOMIC_RELAXED) == before)
			missed += !readable;
	}
	return NULL;
}

/* On their way from the queue to a thread's hand, and back, datagrams can be read all the time. */
static void
never_hidden(void **state)
{
	enum { ROUNDS = 3000, EACH = 8 };
	uint32_t number;
	uint16_t port;
	pthread_t t;

	(void)state;
	shared_fd = test_bound(&port);
	watched_sock = sock_get(shared_fd);
	there = missed = 0;
	assert_int_equal(pthread_create(&t, NULL, watch_it, NULL), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		put_numbers(port, 0, EACH);
		assert_int_equal(next_number(shared_fd), 0);
		__atomic_add_fetch(&there, 1, __ATOMIC_RELEASE);
		for (uint32_t i = 1; i + 1 < EACH; i++) {
			assert_int_equal(dpvma_recv(shared_fd, &number, sizeof(number), MSG_PEEK),
					4);
			assert_int_equal(number, i);
			assert_int_equal(next_number(shared_fd), i);
		}
		__atomic_add_fetch(&there, 1, __ATOMIC_RELEASE);
		assert_int_equal(next_number(shared_fd), EACH - 1);
	}
	__atomic_store_n(&there, UINT32_MAX, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(missed, 0);
	sock_put(watched_sock);
	dpvma_close(shared_fd);
}

/* Another thread's plain receive gets what one has at hand, and may give back what it took. */
static void
taken_over(void **state)
{
	struct zcopy z;
	uint32_t number;
	uint16_t port;
	pthread_t t;

	(void)state;
	shared_fd = test_bound(&port);
	put_numbers(port, 0, 10);
	assert_int_equal(pthread_create(&t, NULL, take_one, &number), 0);
	pthread_join(t, NULL);
	assert_int_equal(number, 0);
	/* its thread has ended, with nine at hand */
	assert_int_equal(dpvma_recv(shared_fd, &number, sizeof(number), MSG_DONTWAIT), 4);
	assert_int_equal(number, 1);
	assert_int_equal(take(shared_fd, &z, 0), 4);
	assert_int_equal(by_another(), 3);
	assert_int_equal(give(shared_fd, z.p.pkts[0].packet_id), 0);
	assert_errno(give(shared_fd, z.p.pkts[0].packet_id), ENOENT);
	assert_int_equal(next_number(shared_fd), 4);
	dpvma_close(shared_fd);
}
/** @} */

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
		cmocka_unit_test(kernels_later),
		cmocka_unit_test(waits),
		cmocka_unit_test(nothing_lost),
		cmocka_unit_test(numbers),
		cmocka_unit_test(counters),
		cmocka_unit_test(epolls),
		cmocka_unit_test(inside_callback),
	};
	const struct CMUnitTest threads[] = {
		cmocka_unit_test(in_turns),
		cmocka_unit_test(taken_over),
		cmocka_unit_test(shared),
		cmocka_unit_test(closed_by_another),
		cmocka_unit_test(never_hidden),
	};
	int failed;

	/* one stack a process, so one group */
	start(NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (!test_given("VMA_THREAD_MODE=0"))
		failed += cmocka_run_group_tests(threads, NULL, NULL);
	stop(NULL);
	return failed;
}
