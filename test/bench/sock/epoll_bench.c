/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What epoll costs with many idle sockets: the same calls with ten and with ten thousand datagram
 * sockets of one ring, in turns within one run, so that both see the same machine. Nanoseconds a
 * call, the median of the rounds:
 *
 *   nothing      epoll_wait(0) with nothing ready
 *   arrival      epoll_wait() that takes a datagram from the ring and finds its socket
 *   level        epoll_wait(0) again, with the socket still readable
 *   poll         poll(0) over the same sockets with nothing ready, for comparison
 *
 * With an argument, so many sockets instead of ten thousand.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "sock_test.h"

#define FEW 10
#define ROUNDS 31
#define CALLS 2000
#define POLLS 20

struct set {
	int n, ep;
	struct pollfd *fds;
	uint16_t last;
	double ns[4][ROUNDS];
};

static double
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void
open_set(struct set *s, int n)
{
	struct epoll_event ev = { .events = EPOLLIN };

	s->n = n;
	s->ep = dpvma_epoll_create1(0);
	s->fds = calloc((size_t)n, sizeof(*s->fds));
	assert_non_null(s->fds);
	for (int i = 0; i < n; i++) {
		s->fds[i] = (struct pollfd){ .fd = test_bound(&s->last), .events = POLLIN };
		ev.data.fd = s->fds[i].fd;
		assert_int_equal(dpvma_epoll_ctl(s->ep, EPOLL_CTL_ADD, ev.data.fd, &ev), 0);
	}
}

static void
one_round(struct set *s, int r)
{
	double spent = 0, start = now_ns();
	struct epoll_event ev;
	char c;
	int i;

	for (i = 0; i < CALLS; i++)
		assert_int_equal(dpvma_epoll_wait(s->ep, &ev, 1, 0), 0);
	s->ns[0][r] = (now_ns() - start) / CALLS;
	for (i = 0; i < CALLS; i++) {
		test_inject_text(s->last, "x");
		start = now_ns();
		assert_int_equal(dpvma_epoll_wait(s->ep, &ev, 1, -1), 1);
		spent += now_ns() - start;
		assert_int_equal(dpvma_recv(ev.data.fd, &c, 1, 0), 1);
	}
	s->ns[1][r] = spent / CALLS;
	test_inject_text(s->last, "x");
	start = now_ns();
	for (i = 0; i < CALLS; i++)
		assert_int_equal(dpvma_epoll_wait(s->ep, &ev, 1, -1), 1);
	s->ns[2][r] = (now_ns() - start) / CALLS;
	assert_int_equal(dpvma_recv(ev.data.fd, &c, 1, 0), 1);
	start = now_ns();
	for (i = 0; i < POLLS; i++)
		assert_int_equal(dpvma_poll(s->fds, (nfds_t)s->n, 0), 0);
	s->ns[3][r] = (now_ns() - start) / POLLS;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
tell(struct set *s)
{
	for (int k = 0; k < 4; k++)
		qsort(s->ns[k], ROUNDS, sizeof(s->ns[k][0]), by_size);
	printf("%6d sockets: nothing %.0f ns, arrival %.0f ns, level %.0f ns; poll %.0f ns\n", s->n,
			s->ns[0][ROUNDS / 2], s->ns[1][ROUNDS / 2], s->ns[2][ROUNDS / 2],
			s->ns[3][ROUNDS / 2]);
}

int
main(int argc, char **argv)
{
	static struct set few, many;
	int n = argc > 1 ? atoi(argv[1]) : 10000;
	struct rlimit lim;

	if (n < 1 || getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 2;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	if (lim.rlim_cur < (rlim_t)n + 200) {
		fprintf(stderr, "%d sockets need more descriptors: raise ulimit -Hn\n", n);
		return 2;
	}
	test_start(NULL);
	open_set(&few, FEW);
	open_set(&many, n);
	for (int r = 0; r < ROUNDS; r++) {
		one_round(&few, r);
		one_round(&many, r);
	}
	tell(&few);
	tell(&many);
	test_stop();
	return 0;
}
