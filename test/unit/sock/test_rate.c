/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SO_MAX_PACING_RATE: the forms of the option, on sockets of ours and of the kernel's; and how a
 * datagram that must wait for its time makes callers wait. When exactly it leaves is
 * test/unit/udp/test_pace.c's, with a clock of its own; here nothing may come too early.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "sock/callback.h"
#include "sock/rate.h"
#include "vma/mellanox/vma_extra.h"
#include "sock/sock_priv.h"
#include "sock_test.h"

#define LEN 958
#define FRAME 1000u /* of LEN bytes, with headers */
#define MS UINT64_C(1000000)

static char data[LEN];

/** Once, as the thread holds signals back: that is before it counts itself as asleep. */
static __thread void (*before_sleep)(void);

int
pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
	void (*now)(void) = before_sleep;

	before_sleep = NULL;
	if (now != NULL)
		now();
	return syscall(SYS_rt_sigprocmask, how, set, before, 8) == 0 ? 0 : errno;
}

/** @name The option */
/** @{ */
static void
expect(int fd, uint32_t small, uint64_t bytes, struct vma_rate_limit_t limit)
{
	struct vma_rate_limit_t l = { 1, 1, 1 };
	socklen_t len = sizeof(small);
	uint32_t s = 1;
	uint64_t b = 1;

	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &s, &len), 0);
	assert_int_equal(len, 4);
	assert_int_equal(s, small);
	len = sizeof(b);
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &b, &len), 0);
	assert_int_equal(len, 8);
	assert_true(b == bytes);
	len = sizeof(l);
	assert_int_equal(dpvma_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &l, &len), 0);
	assert_int_equal(len, 12);
	assert_int_equal(l.rate, limit.rate);
	assert_int_equal(l.max_burst_sz, limit.max_burst_sz);
	assert_int_equal(l.typical_pkt_sz, limit.typical_pkt_sz);
}

static int
set(int fd, const void *val, socklen_t len)
{
	return dpvma_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, val, len);
}

static void
forms_of(int fd)
{
	struct vma_rate_limit_t limit = { 8000, 5000, 1400 }, none = { 0 };
	uint32_t small = 123456, all = UINT32_MAX;
	uint64_t bytes = UINT64_C(12500000000), no_limit = UINT64_MAX, held = 0;
	char other[64] = { 0 };
	socklen_t len;

	expect(fd, UINT32_MAX, UINT64_MAX, none);
	assert_int_equal(set(fd, &small, sizeof(small)), 0);
	/* up to the next kbit */
	expect(fd, 123456, 123456, (struct vma_rate_limit_t){ .rate = 988 });
	assert_int_equal(set(fd, &bytes, sizeof(bytes)), 0);
	expect(fd, UINT32_MAX, bytes, (struct vma_rate_limit_t){ .rate = 100000000 });
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	expect(fd, 1000000, 1000000, limit);
	/* the kernel's socket knows, for what goes by it */
	len = sizeof(held);
	assert_int_equal(os.getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &held, &len), 0);
	assert_int_equal(held, 1000000);
	for (len = 0; len <= sizeof(other); len++) {
		socklen_t asked = len;

		if (len == 4 || len == 8 || len == 12)
			continue;
		assert_errno(set(fd, other, len), EINVAL);
		assert_errno(dpvma_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, other, &asked),
				EINVAL);
	}
	assert_errno(set(fd, NULL, 4), EFAULT);
	assert_errno(set(fd, NULL, 8), EFAULT);
	assert_errno(set(fd, NULL, 12), EFAULT);
	assert_errno(dpvma_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, other, NULL), EFAULT);
	/* nothing of it counted */
	expect(fd, 1000000, 1000000, limit);
	assert_int_equal(set(fd, &none, sizeof(none)), 0);
	expect(fd, UINT32_MAX, UINT64_MAX, none);
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	assert_int_equal(set(fd, &all, sizeof(all)), 0);
	expect(fd, UINT32_MAX, UINT64_MAX, none);
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	assert_int_equal(set(fd, &no_limit, sizeof(no_limit)), 0);
	expect(fd, UINT32_MAX, UINT64_MAX, none);
}

static void
forms(void **state)
{
	struct vma_rate_limit_t most = { UINT32_MAX, UINT32_MAX, UINT16_MAX };
	uint16_t port;
	int fd = test_bound(&port);

	(void)state;
	forms_of(fd);
	assert_int_equal(set(fd, &most, sizeof(most)), 0);
	expect(fd, UINT32_MAX, UINT32_MAX * UINT64_C(125), most);
	dpvma_close(fd);
	fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	forms_of(fd);
	dpvma_close(fd);
}

/* The kernel would take twelve bytes for eight, and the burst for a part of the rate. */
static void
forms_of_kernels(void **state)
{
	struct vma_rate_limit_t limit = { 8000, 5000, 1400 }, none = { 0 };
	int pipes[2], fds[] = { socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET, SOCK_STREAM, 0) };
	socklen_t len = sizeof(limit);
	uint64_t held;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		expect(fds[i], UINT32_MAX, UINT64_MAX, none);
		assert_int_equal(set(fds[i], &limit, sizeof(limit)), 0);
		expect(fds[i], 1000000, 1000000, (struct vma_rate_limit_t){ .rate = 8000 });
		assert_errno(set(fds[i], NULL, sizeof(limit)), EFAULT);
		assert_int_equal(set(fds[i], &none, sizeof(none)), 0);
		len = sizeof(held);
		assert_int_equal(
				getsockopt(fds[i], SOL_SOCKET, SO_MAX_PACING_RATE, &held, &len), 0);
		assert_true(held == UINT64_MAX);
		close(fds[i]);
	}
	assert_int_equal(pipe(pipes), 0);
	len = sizeof(limit);
	assert_errno(set(pipes[0], &limit, sizeof(limit)), ENOTSOCK);
	assert_errno(dpvma_getsockopt(pipes[0], SOL_SOCKET, SO_MAX_PACING_RATE, &limit, &len),
			ENOTSOCK);
	close(pipes[0]);
	close(pipes[1]);
	assert_errno(set(pipes[0], &limit, sizeof(limit)), EBADF);
}
/** @} */

/** @name Waiting */
/** @{ */
/* Connected, a frame in so many ms; the first one's time has not come yet. */
static int
paced(unsigned int ms, bool nonblock)
{
	struct vma_rate_limit_t limit = { .rate = FRAME * 8 / ms, .typical_pkt_sz = FRAME };
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM | (nonblock ? SOCK_NONBLOCK : 0), 0);

	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	assert_int_equal(dpvma_send(fd, data, LEN, 0), LEN);
	return fd;
}

static uint64_t
count(int fd, enum sock_stat which)
{
	struct sock *s = sock_get(fd);
	uint64_t n = udp_stats(s->udp)->c[which];

	sock_put(s);
	return n;
}

static uint64_t
send_at(int fd)
{
	struct sock *s = sock_get(fd);
	uint64_t at = udp_send_at(s->udp);

	sock_put(s);
	return at;
}

static void
expect_time(int fd, uint64_t at)
{
	assert_true(clock_ns() >= at);
	assert_int_equal(dpvma_send(fd, data, LEN, 0), LEN);
}

static void
not_blocking(void **state)
{
	int fd = paced(8000, true), blocking = paced(8000, false);

	(void)state;
	assert_errno((int)dpvma_send(fd, data, LEN, 0), EAGAIN);
	assert_int_equal(count(fd, SOCK_STAT_tx_paced), 1);
	assert_int_equal(count(fd, SOCK_STAT_tx_eagain), 1);
	assert_errno((int)dpvma_send(blocking, data, LEN, MSG_DONTWAIT), EAGAIN);
	/* a dummy is no datagram */
	assert_int_equal(dpvma_send(fd, data, LEN, VMA_SND_FLAGS_DUMMY), LEN);
	assert_int_equal(count(fd, SOCK_STAT_tx_packets), 1);
	dpvma_close(fd);
	dpvma_close(blocking);
	test_drain();
}

static void
poll_and_select(void **state)
{
	int fd = paced(400, true);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t at = send_at(fd);
	fd_set w;

	(void)state;
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLOUT);
	expect_time(fd, at);
	at = send_at(fd);
	FD_ZERO(&w);
	FD_SET(fd, &w);
	assert_int_equal(dpvma_select(fd + 1, NULL, &w, NULL, NULL), 1);
	assert_true(FD_ISSET(fd, &w));
	expect_time(fd, at);
	dpvma_close(fd);
	/* a time limit that ends first */
	fd = p.fd = paced(8000, true);
	assert_int_equal(dpvma_poll(&p, 1, 1), 0);
	/* data come at any time */
	p.events = POLLOUT | POLLIN;
	struct sockaddr_in me;
	socklen_t len = sizeof(me);

	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)&me, &len), 0);
	test_inject_text(ntohs(me.sin_port), "x");
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_true((p.revents & POLLIN) != 0);
	dpvma_close(fd);
	test_drain();
}

static void
epoll(void **state)
{
	static const uint32_t how[] = { EPOLLOUT, EPOLLOUT | EPOLLET, EPOLLOUT | EPOLLONESHOT };
	struct epoll_event ev = { 0 };
	struct pollfd p = { .events = POLLIN };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(how); i++) {
		int fd = paced(400, true), ep = dpvma_epoll_create1(0);
		uint64_t at = send_at(fd);

		ev.events = how[i];
		assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
		assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
		assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, -1), 1);
		assert_int_equal(ev.events, EPOLLOUT);
		expect_time(fd, at);
		ev.events = how[i];
		if (how[i] & EPOLLONESHOT)
			assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev), 0);
		assert_errno((int)dpvma_send(fd, data, LEN, 0), EAGAIN);
		at = send_at(fd);
		/* of an epoll that it is in poll says the same */
		p.fd = ep;
		assert_int_equal(dpvma_poll(&p, 1, -1), 1);
		assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 1);
		expect_time(fd, at);
		/* closed while it waits */
		assert_errno((int)dpvma_send(fd, data, LEN, 0), EAGAIN);
		assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
		dpvma_close(fd);
		assert_true(rate_next == UINT64_MAX);
		assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 1), 0);
		dpvma_close(ep);
	}
	test_drain();
}

static void *
waiter(void *arg)
{
	struct epoll_event ev;
	int n = dpvma_epoll_wait(*(int *)arg, &ev, 1, -1);

	return (void *)(uintptr_t)(n == 1 && (ev.events & EPOLLOUT) != 0);
}

/* Who waits already when another thread finds no room hears of it in time. */
static void
epoll_thread(void **state)
{
	struct vma_rate_limit_t limit = { .rate = FRAME * 8 / 400, .typical_pkt_sz = FRAME };
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), ep = dpvma_epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	struct sock *s = sock_get(ep);
	pthread_t thread;
	uint64_t at;
	void *ok;

	(void)state;
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 1);
	s = sock_get(ep);
	assert_int_equal(pthread_create(&thread, NULL, waiter, &ep), 0);
	/* asleep, unless told to spin for ever */
	while (__atomic_load_n(&s->sleepers, __ATOMIC_ACQUIRE) == 0 && conf()->select_poll >= 0)
		sched_yield();
	sock_put(s);
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	assert_int_equal(dpvma_send(fd, data, LEN, 0), LEN);
	assert_errno((int)dpvma_send(fd, data, LEN, 0), EAGAIN);
	at = send_at(fd);
	assert_int_equal(pthread_join(thread, &ok), 0);
	assert_non_null(ok);
	expect_time(fd, at);
	dpvma_close(ep);
	dpvma_close(fd);
	test_drain();
}

/* Near enough to spin, and far enough to sleep. */
static void
blocking(void **state)
{
	static const unsigned int us[] = { 50, 3000 };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(us); i++) {
		int fd = paced(1, false);
		struct vma_rate_limit_t limit = { .rate = FRAME * 8000 / us[i] };
		uint64_t start = clock_ns();

		assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
		for (unsigned int k = 0; k < 10; k++)
			assert_int_equal(dpvma_send(fd, data, LEN, 0), LEN);
		/* nine distances, each at least half and all together whole but for the first */
		assert_true(clock_ns() - start >= us[i] * UINT64_C(8500) - 10);
		/* all but those for which this thread came late itself */
		assert_true(count(fd, SOCK_STAT_tx_paced) > 0);
		assert_int_equal(count(fd, SOCK_STAT_tx_eagain), 0);
		assert_int_equal(count(fd, SOCK_STAT_tx_packets), 11);
		dpvma_close(fd);
		test_drain();
	}
}

static void
many(void **state)
{
	struct vma_rate_limit_t limit = { .rate = FRAME * 8, .max_burst_sz = 3 * FRAME };
	struct iovec iov = { data, LEN };
	struct mmsghdr vec[8];
	int fd = paced(1, true);
	uint64_t start;

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		vec[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	assert_int_equal(dpvma_sendmmsg(fd, vec, 8, 0), 3);
	assert_int_equal(count(fd, SOCK_STAT_tx_packets), 4);
	assert_int_equal(vec[2].msg_len, LEN);
	dpvma_close(fd);
	fd = paced(1, false);
	assert_int_equal(set(fd, &limit, sizeof(limit)), 0);
	start = clock_ns();
	assert_int_equal(dpvma_sendmmsg(fd, vec, 8, 0), 8);
	assert_true(clock_ns() - start >= 5 * MS);
	assert_int_equal(count(fd, SOCK_STAT_tx_packets), 9);
	dpvma_close(fd);
	test_drain();
}

static void
ignore(int sig)
{
	(void)sig;
}

/* A time limit, a signal, and a rate that is raised. */
static void
ends(void **state)
{
	struct timeval tv = { .tv_usec = 20000 }, none = { 0 };
	struct sigaction sa = { .sa_handler = ignore }, before;
	struct itimerval alarm_at = { .it_value = { .tv_usec = 20000 } };
	int fd = paced(8000, false);
	uint64_t start = clock_ns();
	uint32_t no_limit = UINT32_MAX;

	(void)state;
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
	assert_errno((int)dpvma_send(fd, data, LEN, 0), EAGAIN);
	assert_true(clock_ns() - start >= 20 * MS);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none)), 0);
	assert_int_equal(sigaction(SIGALRM, &sa, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &alarm_at, NULL), 0);
	assert_errno((int)dpvma_send(fd, data, LEN, 0), EINTR);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_int_equal(set(fd, &no_limit, sizeof(no_limit)), 0);
	assert_int_equal(dpvma_send(fd, data, LEN, 0), LEN);
	assert_int_equal(count(fd, SOCK_STAT_tx_packets), 2);
	dpvma_close(fd);
	test_drain();
}

static void *
sender(void *arg)
{
	errno = 0;
	return (void *)(uintptr_t)(dpvma_send(*(int *)arg, data, LEN, 0) == LEN ? 1000 : errno);
}

static void
await_sleeper(int fd)
{
	struct sock *s = sock_get(fd);

	while (__atomic_load_n(&s->sleepers, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	sock_put(s);
}

/* Another thread closes the socket, or raises the rate, while a send waits. */
static void
ends_by_threads(void **state)
{
	int fd = paced(8000, false);
	uint32_t no_limit = UINT32_MAX;
	pthread_t thread;
	void *ret;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, sender, &fd), 0);
	await_sleeper(fd);
	assert_int_equal(set(fd, &no_limit, sizeof(no_limit)), 0);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_int_equal((uintptr_t)ret, 1000);
	dpvma_close(fd);
	fd = paced(8000, false);
	assert_int_equal(pthread_create(&thread, NULL, sender, &fd), 0);
	await_sleeper(fd);
	dpvma_close(fd);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_int_equal((uintptr_t)ret, EBADF);
	test_drain();
}
/** @} */

/** @name Moments */
/** @{ */
static int lifted_fd;

static void
lift(void)
{
	uint64_t no_limit = UINT64_MAX;

	assert_int_equal(set(lifted_fd, &no_limit, sizeof(no_limit)), 0);
}

/* Another rate between the look at the time and the sleep: nobody sleeps who could be woken. */
static void
lifted_before_sleep(void **state)
{
	struct timeval limit = { .tv_sec = 4 };

	(void)state;
	lifted_fd = paced(8000, false);
	assert_int_equal(
			dpvma_setsockopt(lifted_fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
			0);
	before_sleep = lift;
	assert_int_equal(dpvma_send(lifted_fd, data, LEN, 0), LEN);
	assert_null(before_sleep);
	dpvma_close(lifted_fd);
	test_drain();
}

static unsigned int
judges_none(const struct sock_callback *callback, struct sock_judging *j)
{
	(void)callback;
	memset(j->verdicts, SOCK_DROP, j->n);
	return j->n;
}

/* Who sleeps to send runs no callback, so those that wait for one do not end its sleep. */
static void
sleeps_beside_callbacks(void **state)
{
	const struct sock_callback callback = { .judge = judges_none };
	struct sock_wait w = { 0 };
	uint16_t port;
	int fd = paced(8000, false), other = test_bound(&port);
	struct sock *s = sock_get(other), *sends = sock_get(fd);
	unsigned int naps = 0;
	int ret;
	char c;

	(void)state;
	assert_int_equal(sock_set_callback(other, &callback), 0);
	test_inject_text(port, "x");
	assert_int_equal(s->ops->poll(s), 1);
	assert_int_equal(callbacks_waiting, 1);
	w.deadline_ns = clock_ns() + 20 * MS;
	sock_wait_begin(&w);
	while ((ret = sock_sleep(sends, POLLOUT, &w, NULL)) == 0)
		naps++;
	assert_int_equal(ret, -EAGAIN);
	/* the wire has no interrupt: it naps, and does not spin */
	assert_true(naps <= 20000u / (unsigned int)conf()->nap_usec + 1);
	assert_int_equal(callbacks_waiting, 1);
	assert_errno((int)dpvma_recv(other, &c, 1, MSG_DONTWAIT), EAGAIN);
	assert_int_equal(callbacks_waiting, 0);
	sock_put(sends);
	sock_put(s);
	dpvma_close(other);
	dpvma_close(fd);
	test_drain();
}
/** @} */

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(forms_of_kernels),
		cmocka_unit_test(not_blocking),
		cmocka_unit_test(poll_and_select),
		cmocka_unit_test(epoll),
		cmocka_unit_test(epoll_thread),
		cmocka_unit_test(blocking),
		cmocka_unit_test(many),
		cmocka_unit_test(ends),
		cmocka_unit_test(ends_by_threads),
		cmocka_unit_test(lifted_before_sleep),
		cmocka_unit_test(sleeps_beside_callbacks),
	};

	return cmocka_run_group_tests(tests, test_group_start, test_group_stop);
}
