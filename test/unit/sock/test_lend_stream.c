/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams received without a copy, both ends ours: the bytes, packets and their pieces, what
 * does not fit, the window, the end, and what is given back late.
 */
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

#include "cable.h"
#include "ring/ring.h"
#include "sock/sock.h"
#include "vma/mellanox/vma_extra.h"

struct vma_api_t *dpvma_get_api(void);

#define BULK 200000

static struct vma_api_t *api;
static char sent[BULK], got[BULK];

/** A call's buffer and what it said. */
struct zcopy {
	union {
		struct vma_packets_t p;
		char bytes[8 + 4 * (16 + SOCK_LOAN_BUFS * 16)];
	};
	int flags;
};

static int
take(int fd, struct zcopy *z, size_t room, int flags)
{
	z->flags = flags;
	return api->recvfrom_zcopy(fd, &z->p, room, &z->flags, NULL, NULL);
}

static struct vma_packet_t *
behind(struct vma_packet_t *p)
{
	return (struct vma_packet_t *)(void *)((char *)p + 16 + 16 * p->sz_iov);
}

/* The bytes of a call's packets, which must be as many as it said. */
static size_t
gather(const struct zcopy *z, char *to, int said)
{
	struct vma_packet_t *p = (struct vma_packet_t *)(uintptr_t)z->p.pkts;
	size_t n = 0;

	assert_true(z->flags & MSG_VMA_ZCOPY);
	assert_true(z->p.n_packet_num >= 1);
	for (size_t i = 0; i < z->p.n_packet_num; i++, p = behind(p)) {
		assert_true(p->sz_iov >= 1 && p->sz_iov <= SOCK_LOAN_BUFS);
		for (size_t k = 0; k < p->sz_iov; k++) {
			memcpy(to + n, p->iov[k].iov_base, p->iov[k].iov_len);
			n += p->iov[k].iov_len;
		}
	}
	assert_int_equal(n, said);
	return n;
}

static int
give(int fd, struct zcopy *z)
{
	return api->free_packets(fd, z->p.pkts, z->p.n_packet_num);
}

static void
message(void **state)
{
	int a, b;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct zcopy z;

	(void)state;
	cable_pair(&a, &b, 0);
	assert_errno(take(b, &z, sizeof(z.bytes), MSG_DONTWAIT), EAGAIN);
	assert_errno(take(b, &z, 39, 0), ENOBUFS);
	assert_int_equal(dpvma_send(a, "hello", 5, 0), 5);
	z.flags = 0;
	assert_int_equal(api->recvfrom_zcopy(b, &z.p, sizeof(z.bytes), &z.flags,
					 (struct sockaddr *)&from, &len),
			5);
	assert_int_equal(z.flags, MSG_VMA_ZCOPY);
	assert_int_equal(len, 0);
	assert_int_equal(z.p.n_packet_num, 1);
	assert_int_equal(z.p.pkts[0].sz_iov, 1);
	assert_memory_equal(z.p.pkts[0].iov[0].iov_base, "hello", 5);
	assert_errno(give(a, &z), ENOENT);
	assert_int_equal(give(b, &z), 0);
	assert_errno(give(b, &z), ENOENT);
	/* peeked at: copied */
	assert_int_equal(dpvma_send(a, "again", 5, 0), 5);
	cable_settle();
	assert_int_equal(take(b, &z, sizeof(z.bytes), MSG_PEEK), 5);
	assert_int_equal(z.flags, MSG_PEEK);
	assert_memory_equal(z.bytes, "again", 5);
	assert_errno(take(b, &z, sizeof(z.bytes), MSG_PEEK | MSG_VMA_ZCOPY_FORCE), EOPNOTSUPP);
	assert_int_equal(take(b, &z, sizeof(z.bytes), MSG_VMA_ZCOPY_FORCE), 5);
	assert_int_equal(give(b, &z), 0);
	/* the end */
	assert_int_equal(dpvma_shutdown(a, SHUT_WR), 0);
	assert_int_equal(take(b, &z, sizeof(z.bytes), 0), 0);
	assert_int_equal(z.flags, 0);
	dpvma_close(a);
	dpvma_close(b);
}

/* Send all of it, as far as the window lets us. */
static size_t
push(int fd, size_t from)
{
	ssize_t n = dpvma_send(fd, sent + from, BULK - from, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

/* With room for so many bytes a call; ordinary reads in between. */
static void
bulk_with(size_t room, bool mixed)
{
	size_t out = 0, in = 0, calls = 0, most = 0;
	struct zcopy z;
	int a, b, n;

	cable_pair(&a, &b, 0);
	memset(got, 0, sizeof(got));
	while (in < BULK) {
		out += push(a, out);
		cable_settle();
		if (mixed && calls++ % 3 == 2) {
			n = (int)dpvma_recv(
					b, got + in, RTE_MIN((size_t)777, BULK - in), MSG_DONTWAIT);
			in += n > 0 ? (size_t)n : 0;
			continue;
		}
		n = take(b, &z, room, MSG_DONTWAIT);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			continue;
		}
		most = RTE_MAX(most, z.p.n_packet_num);
		in += gather(&z, got + in, n);
		assert_int_equal(give(b, &z), 0);
	}
	assert_int_equal(in, BULK);
	assert_memory_equal(got, sent, BULK);
	/* room for one buffer gives one packet, much room several */
	if (room < 8 + 528 + 32)
		assert_int_equal(most, 1);
	else
		assert_true(most > 1);
	dpvma_close(a);
	dpvma_close(b);
}

static void
bulk(void **state)
{
	(void)state;
	bulk_with(40, false);
	bulk_with(40 + 5 * 16, true);
	bulk_with(sizeof(((struct zcopy *)NULL)->bytes), false);
	bulk_with(sizeof(((struct zcopy *)NULL)->bytes), true);
}

/* Until so much waits at @p b. */
static void
arrived(int a, int b, int bytes)
{
	struct pollfd p[] = { { .fd = a, .events = POLLOUT }, { .fd = b, .events = POLLIN } };
	int n = 0;

	while (n < bytes) {
		cable_settle();
		dpvma_poll(p, 2, 0);
		assert_int_equal(dpvma_ioctl(b, FIONREAD, &n), 0);
	}
}

/* What does not fit stays at the head: all of it comes by the next call. */
static void
split(void **state)
{
	struct zcopy z1, z2;
	int a, b, n1, n2, left;

	(void)state;
	cable_pair(&a, &b, 0);
	assert_int_equal(dpvma_send(a, sent, 20000, 0), 20000);
	arrived(a, b, 20000);
	n1 = take(b, &z1, 8 + 16 + 3 * 16, 0);
	assert_int_equal(z1.p.n_packet_num, 1);
	assert_int_equal(z1.p.pkts[0].sz_iov, 3);
	gather(&z1, got, n1);
	assert_int_equal(dpvma_ioctl(b, FIONREAD, &left), 0);
	assert_int_equal(left, 20000 - n1);
	n2 = take(b, &z2, sizeof(z2.bytes), 0);
	assert_int_equal(n1 + n2, 20000);
	gather(&z2, got + n1, n2);
	assert_memory_equal(got, sent, 20000);
	/* the second first */
	assert_int_equal(give(b, &z2), 0);
	assert_int_equal(give(b, &z1), 0);
	dpvma_close(a);
	dpvma_close(b);
}

/* What is held closes the window, and giving it back opens it. */
static void
window(void **state)
{
	static struct zcopy z[64];
	size_t out = 0, in = 0, stuck;
	unsigned int calls = 0, i;
	int a, b, n, idle = 0;

	(void)state;
	cable_pair(&a, &b, 32768);
	while (idle < 5 && calls < RTE_DIM(z)) {
		out += push(a, out);
		cable_settle();
		n = take(b, &z[calls], sizeof(z[0].bytes), MSG_DONTWAIT);
		if (n < 0) {
			idle++;
			continue;
		}
		idle = 0;
		in += gather(&z[calls++], got + in, n);
	}
	/* it cannot all have come: SO_RCVBUF counts double, as on Linux */
	assert_true(calls < RTE_DIM(z) && in <= 2 * 32768 + 4096);
	assert_true(in < BULK);
	assert_memory_equal(got, sent, in);
	stuck = in;
	for (i = 0; i < calls; i++)
		assert_int_equal(give(b, &z[i]), 0);
	while (in < BULK) {
		out += push(a, out);
		cable_settle();
		n = take(b, &z[0], sizeof(z[0].bytes), MSG_DONTWAIT);
		if (n < 0)
			continue;
		in += gather(&z[0], got + in, n);
		assert_int_equal(give(b, &z[0]), 0);
	}
	assert_true(in > stuck);
	assert_memory_equal(got, sent, BULK);
	dpvma_close(a);
	dpvma_close(b);
}

/* Waiting for as much as was asked for, or for SO_RCVLOWAT; time ends it with what there is. */
static void
waits(void **state)
{
	struct timeval short_time = { .tv_usec = 3000 };
	int a, b, lowat = 10, on = 1;
	struct zcopy z;

	(void)state;
	cable_pair(&a, &b, 0);
	assert_int_equal(dpvma_setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	assert_int_equal(dpvma_setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &short_time,
					 sizeof(short_time)),
			0);
	assert_errno(take(b, &z, sizeof(z.bytes), 0), EAGAIN);
	assert_int_equal(dpvma_send(a, sent, 30, 0), 30);
	arrived(a, b, 30);
	assert_int_equal(take(b, &z, 100, MSG_WAITALL), 30);
	assert_int_equal(give(b, &z), 0);
	assert_int_equal(dpvma_send(a, sent, 100, 0), 100);
	arrived(a, b, 100);
	assert_int_equal(take(b, &z, 100, MSG_WAITALL), 100);
	assert_int_equal(give(b, &z), 0);
	assert_int_equal(dpvma_setsockopt(b, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)), 0);
	assert_int_equal(dpvma_send(a, sent, 9, 0), 9);
	arrived(a, b, 9);
	assert_int_equal(take(b, &z, sizeof(z.bytes), 0), 9);
	assert_int_equal(give(b, &z), 0);
	dpvma_close(a);
	dpvma_close(b);
}

/* More than the window holds does not come as long as what came is in hand: it is not waited for.
 */
static void
waits_for_a_window(void **state)
{
	static union {
		struct vma_packets_t p;
		char bytes[60000];
	} large;
	struct timeval long_time = { .tv_sec = 10 };
	int a, b, ret, flags = MSG_WAITALL;
	struct timespec t0, t1;

	(void)state;
	cable_pair(&a, &b, 4096);
	assert_int_equal(
			dpvma_setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof(long_time)),
			0);
	while (dpvma_send(a, sent, sizeof(large), MSG_DONTWAIT) > 0)
		cable_settle();
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ret = api->recvfrom_zcopy(b, &large.p, sizeof(large.bytes), &flags, NULL, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true(ret > 0);
	assert_true(t1.tv_sec - t0.tv_sec < 5);
	assert_int_equal(api->free_packets(b, large.p.pkts, large.p.n_packet_num), 0);
	dpvma_close(a);
	dpvma_close(b);
}

/* The connection has gone, the descriptor has not. */
static void
after_reset(void **state)
{
	struct linger hard = { .l_onoff = 1 };
	struct zcopy z;
	uint16_t port;
	int a, b, l;

	(void)state;
	cable_pair(&a, &b, 0);
	assert_int_equal(dpvma_send(a, "kept", 4, 0), 4);
	assert_int_equal(take(b, &z, sizeof(z.bytes), 0), 4);
	assert_int_equal(dpvma_setsockopt(a, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	dpvma_close(a);
	cable_settle();
	assert_memory_equal(z.p.pkts[0].iov[0].iov_base, "kept", 4);
	assert_int_equal(give(b, &z), 0);
	assert_errno(take(b, &z, sizeof(z.bytes), 0), ECONNRESET);
	assert_int_equal(take(b, &z, sizeof(z.bytes), 0), 0);
	dpvma_close(b);
	/* where there is no stream */
	l = cable_listener(&port);
	assert_errno(take(l, &z, sizeof(z.bytes), MSG_DONTWAIT), ENOTCONN);
	dpvma_close(l);
	a = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	assert_errno(take(a, &z, sizeof(z.bytes), MSG_DONTWAIT), ENOTCONN);
	dpvma_close(a);
}

static int
start(void **state)
{
	(void)state;
	cable_start(NULL);
	assert_int_equal(ring_pool_known(rte_mempool_lookup("cable")), 0);
	for (unsigned int i = 0; i < BULK; i++)
		sent[i] = (char)(i * 2654435761u >> 13);
	api = dpvma_get_api();
	return api == NULL;
}

static int
stop(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message),
		cmocka_unit_test(bulk),
		cmocka_unit_test(split),
		cmocka_unit_test(window),
		cmocka_unit_test(waits),
		cmocka_unit_test(waits_for_a_window),
		cmocka_unit_test(after_reset),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
