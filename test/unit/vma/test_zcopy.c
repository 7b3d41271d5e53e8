/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How packets that room sock lends are laid out in the caller's buffer, byte by byte, and how they
 * are found again to be given back; over a stand-in for that room.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sock/front.h"
#include "sock/sock.h"
#include "vma/vma_priv.h"

#define MBUFS 8
#define FD 5

int ring_mbuf_meta_offset = offsetof(struct rte_mbuf, dynfield1);
static struct rte_mbuf mbufs[MBUFS];
static char data[MBUFS][64];
static struct sock_loan asked;
static struct rte_mbuf *next_packet;
static ssize_t result;
static int next_got;
static bool next_kernels;
static int type;
static void *back[256];
static unsigned int back_n, back_bad;

static bool at_hand; /* the packet comes by the calling thread's front */
static struct reader reader;
static struct front front, *front_table[FD + 1] = { [FD] = &front };
static unsigned int flushed;

__thread struct reader *front_reader = &reader;
struct front **fronts = front_table;
uint32_t fronts_n = FD + 1;

void
front_flush(struct front *f)
{
	assert_ptr_equal(f, &front);
	flushed += f->back_n;
	f->back_n = 0;
}

int
sock_named_room(struct sockaddr *from, socklen_t *fromlen)
{
	(void)from;
	return *fromlen > sizeof(struct sockaddr_in) ? -EINVAL : 0;
}

void
sock_lent_name(struct rte_mbuf *m, struct sockaddr *from, socklen_t *fromlen)
{
	from->sa_family = m->data_len;
	*fromlen = 3;
}

ssize_t
sock_lend(int fd, struct sock_loan *loan)
{
	assert_int_equal(fd, FD);
	asked = *loan;
	loan->first = next_packet;
	loan->got = next_got;
	loan->kernels = next_kernels;
	return result;
}

int
sock_lender(int fd)
{
	assert_int_equal(fd, FD);
	return type;
}

int
sock_lent_back(int fd, void *const *packets, unsigned int n)
{
	assert_int_equal(fd, FD);
	if (type < 0)
		return type;
	for (unsigned int i = 0; i < n; i++) {
		if (back_n == back_bad)
			return i != 0 ? (int)i : -ENOENT;
		back[back_n++] = packets[i];
	}
	return (int)n;
}

/* A packet of the buffers from @p i on, of these lengths. */
static struct rte_mbuf *
packet(unsigned int i, unsigned int n, const uint16_t *lens)
{
	struct rte_mbuf *first = &mbufs[i];

	memset(first, 0, n * sizeof(*first));
	for (unsigned int k = 0; k < n; k++) {
		struct rte_mbuf *m = first + k;

		m->buf_addr = data[i + k];
		m->data_off = 3;
		m->data_len = lens[k];
		m->next = k + 1 < n ? m + 1 : NULL;
		first->pkt_len += lens[k];
	}
	first->nb_segs = (uint16_t)n;
	front.first = first;
	front.n = at_hand ? 1 : 0;
	return first;
}

static int
up(void **state)
{
	at_hand = *state != NULL;
	front = (struct front){ .owner = at_hand ? &reader : NULL, .serial = 7 };
	flushed = 0;
	next_packet = NULL;
	next_got = 0;
	next_kernels = false;
	type = SOCK_DGRAM;
	back_n = 0;
	back_bad = UINT32_MAX;
	return 0;
}

#define FAILS(call, err)                                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		assert_int_equal(call, -1);                                                        \
		assert_int_equal(errno, err);                                                      \
	} while (0)

static void
one_piece(void **state)
{
	static const uint16_t lens[] = { 9 };
	uint64_t buf[6], expected[5];
	int flags = MSG_DONTWAIT;

	(void)state;
	next_packet = packet(0, 1, lens);
	result = 9;
	memset(buf, 0x55, sizeof(buf));
	assert_int_equal(vma_zcopy_recv(FD, buf, 40, &flags, NULL, NULL), 9);
	assert_int_equal(flags, MSG_DONTWAIT | MSG_VMA_ZCOPY);
	if (!at_hand) {
		assert_int_equal(asked.flags, MSG_DONTWAIT);
		assert_int_equal(asked.pieces, 1);
		assert_false(asked.forced);
	}
	expected[0] = 1;
	expected[1] = (uintptr_t)&mbufs[0];
	expected[2] = 1;
	expected[3] = (uintptr_t)(data[0] + 3);
	expected[4] = 9;
	assert_memory_equal(buf, expected, sizeof(expected));
	/* not a byte behind what was given */
	assert_int_equal(buf[5], 0x5555555555555555);
}

static void
room(void **state)
{
	static const struct {
		size_t len;
		unsigned int pieces;
	} cases[] = {
		{ 0, 0 },
		{ 7, 0 },
		{ 39, 0 },
		{ 40, 1 },
		{ 55, 1 },
		{ 56, 2 },
		{ 8 + 528, 32 },
		/* a second packet's first fields, but no piece */
		{ 8 + 528 + 31, 32 },
		{ 8 + 528 + 32, 33 },
		{ 8 + 3 * 528 + 16 + 5 * 16 + 15, 101 },
		{ SIZE_MAX, UINT16_MAX },
	};
	char buf[8];
	int flags;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		flags = MSG_VMA_ZCOPY_FORCE | MSG_VMA_ZCOPY | MSG_WAITALL;
		result = -EAGAIN;
		FAILS(vma_zcopy_recv(FD, buf, cases[i].len, &flags, NULL, NULL), EAGAIN);
		assert_int_equal(asked.pieces, cases[i].pieces);
		assert_true(asked.forced);
		assert_int_equal(asked.flags, MSG_WAITALL);
		/* of a call that failed nothing is said */
		assert_int_equal(flags, MSG_VMA_ZCOPY_FORCE | MSG_VMA_ZCOPY | MSG_WAITALL);
	}
	FAILS(vma_zcopy_recv(FD, buf, sizeof(buf), NULL, NULL, NULL), EFAULT);
}

/* What is not for the next datagram at hand, or has no room for it, goes the long way. */
static void
long_way(void **state)
{
	static const uint16_t lens[] = { 9 };
	static const int strange[] = { MSG_PEEK, MSG_OOB, MSG_ERRQUEUE, MSG_DONTWAIT | MSG_PEEK };
	char buf[64];
	int flags;

	(void)state;
	next_packet = packet(0, 1, lens);
	result = -EAGAIN;
	for (size_t i = 0; i < RTE_DIM(strange); i++) {
		flags = strange[i];
		FAILS(vma_zcopy_recv(FD, buf, sizeof(buf), &flags, NULL, NULL), EAGAIN);
		assert_int_equal(asked.flags, strange[i]);
	}
	flags = 0;
	result = -ENOBUFS;
	FAILS(vma_zcopy_recv(FD, buf, 39, &flags, NULL, NULL), ENOBUFS);
	FAILS(vma_zcopy_recv(FD, NULL, 64, &flags, NULL, NULL), ENOBUFS);
	assert_int_equal(front.n, 1);
}

static void
pieces(void **state)
{
	static const uint16_t lens[] = { 10, 20, 30, 0 };
	union {
		struct vma_packets_t p;
		char bytes[88];
	} u;
	int flags = 0;

	(void)state;
	next_packet = packet(0, 4, lens);
	result = 60;
	assert_int_equal(vma_zcopy_recv(FD, &u, 8 + 16 + 4 * 16, &flags, NULL, NULL), 60);
	assert_int_equal(flags, MSG_VMA_ZCOPY);
	/* one without data is none */
	assert_int_equal(u.p.pkts[0].sz_iov, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_ptr_equal(u.p.pkts[0].iov[i].iov_base, data[i] + 3);
		assert_int_equal(u.p.pkts[0].iov[i].iov_len, lens[i]);
	}
	/* no room for the third: cut, and told so */
	memset(&u, 0x55, sizeof(u));
	flags = 0;
	assert_int_equal(vma_zcopy_recv(FD, &u, 8 + 16 + 3 * 16 - 1, &flags, NULL, NULL), 30);
	assert_int_equal(flags, MSG_VMA_ZCOPY | MSG_TRUNC);
	assert_int_equal(u.p.n_packet_num, 1);
	assert_int_equal(u.p.pkts[0].sz_iov, 2);
	assert_int_equal((uint8_t)u.bytes[8 + 16 + 2 * 16], 0x55);
	/* MSG_TRUNC in asks for the whole length */
	flags = MSG_TRUNC;
	assert_int_equal(vma_zcopy_recv(FD, &u, 8 + 16 + 2 * 16, &flags, NULL, NULL), 60);
	assert_int_equal(flags, MSG_VMA_ZCOPY | MSG_TRUNC);
	/* and says nothing where all of it is there */
	flags = MSG_TRUNC;
	assert_int_equal(vma_zcopy_recv(FD, &u, sizeof(u), &flags, NULL, NULL), 60);
	assert_int_equal(flags, MSG_VMA_ZCOPY);
}

static void
empty_datagram(void **state)
{
	static const uint16_t lens[] = { 0 };
	union {
		struct vma_packets_t p;
		char bytes[40];
	} u;
	int flags = 0;

	(void)state;
	next_packet = packet(0, 1, lens);
	result = 0;
	assert_int_equal(vma_zcopy_recv(FD, &u, sizeof(u), &flags, NULL, NULL), 0);
	/* a packet all the same, to be given back */
	assert_int_equal(flags, MSG_VMA_ZCOPY);
	assert_int_equal(u.p.n_packet_num, 1);
	assert_int_equal(u.p.pkts[0].sz_iov, 1);
	assert_int_equal(u.p.pkts[0].iov[0].iov_len, 0);
	/* the end of a stream is none */
	at_hand = false;
	next_packet = NULL;
	assert_int_equal(vma_zcopy_recv(FD, &u, sizeof(u), &flags, NULL, NULL), 0);
	assert_int_equal(flags, 0);
}

static void
copied(void **state)
{
	char buf[64];
	int flags = MSG_VMA_ZCOPY | MSG_DONTWAIT;

	(void)state;
	result = 12;
	next_got = MSG_TRUNC;
	assert_int_equal(vma_zcopy_recv(FD, buf, sizeof(buf), &flags, NULL, NULL), 12);
	assert_int_equal(flags, MSG_DONTWAIT | MSG_TRUNC);
	/* not offloaded: untouched */
	next_kernels = true;
	flags = MSG_VMA_ZCOPY | MSG_DONTWAIT;
	assert_int_equal(vma_zcopy_recv(FD, buf, sizeof(buf), &flags, NULL, NULL), 12);
	assert_int_equal(flags, MSG_VMA_ZCOPY | MSG_DONTWAIT);
}

static void
several(void **state)
{
	static const uint16_t lens[] = { 5, 6, 7 };
	union {
		struct vma_packets_t p;
		char bytes[256];
	} u;
	struct vma_packet_t *p;
	int flags = 0;

	(void)state;
	next_packet = packet(0, 2, lens);
	*ring_mbuf_link(&mbufs[0]) = packet(2, 3, lens);
	*ring_mbuf_link(&mbufs[2]) = packet(5, 1, lens);
	result = 11 + 18 + 5;
	assert_int_equal(vma_zcopy_recv(FD, &u, sizeof(u), &flags, NULL, NULL), 34);
	assert_int_equal(flags, MSG_VMA_ZCOPY);
	assert_int_equal(u.p.n_packet_num, 3);
	p = u.p.pkts;
	assert_ptr_equal(p->packet_id, &mbufs[0]);
	assert_int_equal(p->sz_iov, 2);
	p = (void *)(u.bytes + 8 + 16 + 32);
	assert_ptr_equal(p->packet_id, &mbufs[2]);
	assert_int_equal(p->sz_iov, 3);
	assert_ptr_equal(p->iov[2].iov_base, data[4] + 3);
	p = (void *)(u.bytes + 8 + 16 + 32 + 16 + 48);
	assert_ptr_equal(p->packet_id, &mbufs[5]);
	assert_int_equal(p->sz_iov, 1);

	/* and back by the same way */
	type = SOCK_STREAM;
	assert_int_equal(vma_zcopy_free(FD, u.p.pkts, 3), 0);
	assert_int_equal(back_n, 3);
	assert_ptr_equal(back[0], &mbufs[0]);
	assert_ptr_equal(back[1], &mbufs[2]);
	assert_ptr_equal(back[2], &mbufs[5]);
}

static void
back_one(void **state)
{
	/* as programs do that were given a packet by their callback: 8 bytes and no more */
	void **id = malloc(sizeof(*id));

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		type = i == 0 ? SOCK_DGRAM : SOCK_STREAM;
		*id = &mbufs[3];
		assert_int_equal(vma_zcopy_free(FD, (struct vma_packet_t *)(void *)id, 1), 0);
		assert_ptr_equal(back[i], &mbufs[3]);
	}
	free(id);
	assert_int_equal(vma_zcopy_free(FD, (struct vma_packet_t *)(void *)&back, 0), 0);
	assert_int_equal(back_n, 2);
	FAILS(vma_zcopy_free(FD, NULL, 1), EINVAL);
	type = -EINVAL;
	FAILS(vma_zcopy_free(FD, (struct vma_packet_t *)(void *)&back, 1), EINVAL);
	FAILS(vma_zcopy_free(FD, (struct vma_packet_t *)(void *)&back, 2), EINVAL);
}

static void
back_many(void **state)
{
	enum { N = 150 };
	struct {
		uint64_t id, sz;
	} *p = malloc(N * sizeof(*p));
	void *packets = p;

	(void)state;
	/* of datagrams 16 bytes each, whatever sz_iov says */
	for (unsigned int i = 0; i < N; i++) {
		p[i].id = 64 * (i + 1);
		p[i].sz = 1;
	}
	assert_int_equal(vma_zcopy_free(FD, packets, N), 0);
	assert_int_equal(back_n, N);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal((uintptr_t)back[i], 64 * (i + 1));
	/* the first bad one ends it */
	for (unsigned int bad = 0; bad < N; bad += 37) {
		back_n = 0;
		back_bad = bad;
		FAILS(vma_zcopy_free(FD, packets, N), ENOENT);
		assert_int_equal(back_n, bad);
	}
	free(p);
}

#define AT_HAND(test) cmocka_unit_test_prestate_setup_teardown(test, up, NULL, &at_hand)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_piece, up),
		cmocka_unit_test_setup(room, up),
		cmocka_unit_test_setup(pieces, up),
		cmocka_unit_test_setup(empty_datagram, up),
		AT_HAND(one_piece),
		AT_HAND(pieces),
		AT_HAND(empty_datagram),
		AT_HAND(long_way),
		cmocka_unit_test_setup(copied, up),
		cmocka_unit_test_setup(several, up),
		cmocka_unit_test_setup(back_one, up),
		cmocka_unit_test_setup(back_many, up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
