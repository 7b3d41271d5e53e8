/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals that are handled while a call waits, of whose handlers the host's counters tell. A wait
 * is entered by functions of the test: sched_yield() in each turn of a spin, the host's poll and
 * ppoll in looks at the kernel and sleeps. There signals are raised and data sent, in the very
 * thread that waits. As "spin" the calls never sleep, as "sleep" they never spin.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>

#include "cable.h"
#include "sock/attach.h"

#define TURN 5 /**< turns of a wait until something happens, and between */

static __thread struct sock_signals counts;
static const struct sock_signals *
counts_of_thread(void)
{
	return &counts;
}

static void
ending(int sig)
{
	(void)sig;
	counts.all++;
	counts.ending++;
}

static void
restarting(int sig)
{
	(void)sig;
	counts.all++;
}

/** @name What happens inside a wait */
/** @{ */
static __thread int turns;
static __thread const char *plan; /**< a step each TURN turns; NULL: nothing happens any more */
static int feeder;		  /**< 'd' sends here */

static void
step(char what)
{
	switch (what) {
	case 'e':
		raise(SIGUSR1);
		break;
	case 'r':
		raise(SIGUSR2);
		break;
	case 'u':
		raise(SIGPWR);
		break;
	case 'd':
		assert_int_equal(dpvma_send(feeder, "d", 1, 0), 1);
		cable_settle();
		break;
	default:
		break;
	}
}

static void
in_wait(void)
{
	if (plan == NULL || ++turns % TURN != 0)
		return;
	if (*plan != '\0')
		step(*plan++);
}

static void
begin(const char *steps)
{
	plan = steps;
	turns = 0;
}

/* All steps were made. */
static void
end(void)
{
	assert_string_equal(plan, "");
	plan = NULL;
}

int
sched_yield(void)
{
	in_wait();
	return 0;
}

static int
host_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	in_wait();
	return poll(fds, n, timeout_ms);
}

static int
host_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	in_wait();
	return ppoll(fds, n, timeout, mask);
}
/** @} */

static int
bound(const char *ip, int type, struct sockaddr_in *sin)
{
	int fd = dpvma_socket(AF_INET, type, 0);
	socklen_t len = sizeof(*sin);

	*sin = test_addr(ip, 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)sin, sizeof(*sin)), 0);
	assert_int_equal(dpvma_getsockname(fd, (struct sockaddr *)sin, &len), 0);
	return fd;
}

static int
dial(int fd, const struct sockaddr_in *to)
{
	struct sockaddr_in seen = test_addr(B_SEEN, ntohs(to->sin_port));

	return dpvma_connect(fd, (struct sockaddr *)&seen, sizeof(seen));
}

/* Two connected sockets: of datagrams, of a stream. */
static void
pair(int type, int *a, int *b)
{
	struct sockaddr_in sin;
	int fd = bound(B, type, &sin), one = 1;

	*a = dpvma_socket(AF_INET, type, 0);
	if (type == SOCK_STREAM)
		assert_int_equal(dpvma_listen(fd, 8), 0);
	assert_int_equal(dial(*a, &sin), 0);
	*b = fd;
	if (type == SOCK_STREAM) {
		*b = dpvma_accept(fd, NULL, NULL);
		assert_true(*b >= 0);
		dpvma_close(fd);
		assert_int_equal(dpvma_setsockopt(*a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)),
				0);
	}
	feeder = *a;
}

static void
time_limit(int fd, int name, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)), 0);
}

#define assert_ended(steps, call)                                                                  \
	do {                                                                                       \
		begin(steps);                                                                      \
		assert_errno((int)(call), EINTR);                                                  \
		end();                                                                             \
	} while (0)

static void
receiving(void **state)
{
	static const int types[] = { SOCK_DGRAM, SOCK_STREAM };
	unsigned int i;
	uint32_t before;
	int a, b;
	char c;

	(void)state;
	for (i = 0; i < 2; i++) {
		pair(types[i], &a, &b);
		assert_ended("e", dpvma_recv(b, &c, 1, 0));
		assert_ended("re", dpvma_recv(b, &c, 1, MSG_PEEK));
		before = counts.all;
		begin("rrd");
		assert_int_equal(dpvma_recv(b, &c, 1, 0), 1);
		end();
		assert_int_equal(counts.all, before + 2);
		/* a limit makes of every handler one that ends */
		time_limit(b, SO_RCVTIMEO, 1000);
		assert_ended("r", dpvma_recv(b, &c, 1, 0));
		dpvma_close(a);
		dpvma_close(b);
	}
}

static void
batches(void **state)
{
	struct iovec iov[2];
	struct mmsghdr vec[2] = { { .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } } };
	char buf[2];
	int a, b, i;

	(void)state;
	for (i = 0; i < 2; i++)
		iov[i] = (struct iovec){ .iov_base = &buf[i], .iov_len = 1 };
	pair(SOCK_DGRAM, &a, &b);
	assert_ended("e", dpvma_recvmmsg(b, vec, 2, 0, NULL));
	begin("rdd");
	assert_int_equal(dpvma_recvmmsg(b, vec, 2, 0, NULL), 2);
	end();
	/* what it has it returns, whatever the handler */
	begin("dr");
	assert_int_equal(dpvma_recvmmsg(b, vec, 2, 0, NULL), 1);
	end();
	dpvma_close(a);
	dpvma_close(b);
}

static void
wait_for_all(void **state)
{
	char buf[8];
	int a, b;

	(void)state;
	pair(SOCK_STREAM, &a, &b);
	begin("rddr");
	assert_int_equal(dpvma_recv(b, buf, sizeof(buf), MSG_WAITALL), 2);
	end();
	/* one that was handled before there was anything does not cut short */
	begin("rdd");
	assert_int_equal(dpvma_recv(b, buf, 2, MSG_WAITALL), 2);
	end();
	dpvma_close(a);
	dpvma_close(b);
}

static void
sending(void **state)
{
	static char bulk[1 << 22];
	int a, b;

	(void)state;
	pair(SOCK_STREAM, &a, &b);
	cable_cut(true);
	begin("r");
	/* it takes what fits its buffer */
	assert_in_range(dpvma_send(a, bulk, sizeof(bulk), 0), 1, sizeof(bulk) - 1);
	end();
	assert_ended("re", dpvma_send(a, bulk, sizeof(bulk), 0));
	time_limit(a, SO_SNDTIMEO, 1000);
	assert_ended("r", dpvma_send(a, bulk, sizeof(bulk), 0));
	cable_cut(false);
	dpvma_close(a);
	dpvma_close(b);
}

static void
connecting(void **state)
{
	struct sockaddr_in sin;
	int l = bound(B, SOCK_STREAM, &sin), a = dpvma_socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = { .fd = a, .events = POLLOUT };
	int error = -1;
	socklen_t len = sizeof(error);

	(void)state;
	assert_int_equal(dpvma_listen(l, 8), 0);
	cable_cut(true);
	assert_ended("re", dial(a, &sin));
	cable_cut(false);
	/* the attempt goes on */
	assert_int_equal(dpvma_poll(&p, 1, -1), 1);
	assert_int_equal(dpvma_getsockopt(a, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	assert_int_equal(error, 0);
	dpvma_close(a);
	dpvma_close(l);
}

static void
accepting(void **state)
{
	struct sockaddr_in sin;
	int l = bound(B, SOCK_STREAM, &sin);

	(void)state;
	assert_int_equal(dpvma_listen(l, 8), 0);
	assert_ended("re", dpvma_accept(l, NULL, NULL));
	time_limit(l, SO_RCVTIMEO, 1000);
	assert_ended("r", dpvma_accept(l, NULL, NULL));
	dpvma_close(l);
}

static void
polling(void **state)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	sigset_t none, both, before;
	int a, b, pipes[2];
	uint32_t seen;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pair(SOCK_DGRAM, &a, &b);
	p[0].fd = b;
	p[1].fd = pipes[0];
	assert_ended("e", dpvma_poll(p, 2, -1));
	assert_ended("r", dpvma_poll(p, 2, -1));
	/* held back by the call, it comes when the call has ended */
	sigemptyset(&none);
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	seen = counts.all;
	begin("ed");
	assert_int_equal(dpvma_ppoll(p, 2, NULL, &both), 1);
	assert_int_equal(counts.all, seen + 1);
	end();
	assert_int_equal(dpvma_recv(b, &(char){ 0 }, 1, 0), 1);
	/* held back by the thread, it comes in the call */
	pthread_sigmask(SIG_BLOCK, &both, &before);
	assert_ended("r", dpvma_ppoll(p, 1, NULL, &none));
	raise(SIGUSR1);
	assert_errno(dpvma_ppoll(p, 2, NULL, &none), EINTR);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	dpvma_close(a);
	dpvma_close(b);
	close(pipes[0]);
	close(pipes[1]);
}

static void
lingering(void **state)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 1000 };
	struct itimerval timer = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	int a, b;

	(void)state;
	pair(SOCK_STREAM, &a, &b);
	assert_int_equal(dpvma_setsockopt(a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	cable_cut(true);
	assert_int_equal(dpvma_send(a, "x", 1, 0), 1);
	/* no step leads in here: the next alarm does */
	setitimer(ITIMER_REAL, &timer, NULL);
	assert_int_equal(dpvma_close(a), 0);
	timer.it_value.tv_usec = timer.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	cable_cut(false);
	dpvma_close(b);
}

/* Of a handler that the host does not know only a sleep tells. */
static void
uncounted(void **state)
{
	int a, b;
	char c;

	(void)state;
	pair(SOCK_DGRAM, &a, &b);
	assert_ended("u", dpvma_recv(b, &c, 1, 0));
	assert_ended("ru", dpvma_recv(b, &c, 1, 0));
	dpvma_close(a);
	dpvma_close(b);
	pair(SOCK_STREAM, &a, &b);
	assert_ended("ru", dpvma_recv(b, &c, 1, 0));
	dpvma_close(a);
	dpvma_close(b);
}

static void
handle(int sig, void (*handler)(int), int flags)
{
	const struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	assert_int_equal(sigaction(sig, &act, NULL), 0);
}

static void
nothing(int sig)
{
	(void)sig;
}

static void
start(const char *polls)
{
	static uint8_t marks[SOCK_MARKS];
	static struct sock_os table = {
#define AS_LINKED(ret, name, params) .name = name,
		SOCK_OS_CALLS(AS_LINKED)
	};
	const struct sock_host host = { .os = &table, .marks = marks, .signals = counts_of_thread };
	char rx_poll[32], select_poll[32];

	table.poll = host_poll;
	table.ppoll = host_ppoll;
	assert_int_equal(dpvma_attach(&host), 0);
	handle(SIGUSR1, ending, 0);
	handle(SIGUSR2, restarting, SA_RESTART);
	handle(SIGALRM, restarting, SA_RESTART);
	handle(SIGPWR, nothing, 0);
	snprintf(rx_poll, sizeof(rx_poll), "VMA_RX_POLL=%s", polls);
	snprintf(select_poll, sizeof(select_poll), "VMA_SELECT_POLL=%s", polls);
	cable_start("VMA_RX_POLL_YIELD=1", "VMA_SELECT_POLL_OS_RATIO=1", rx_poll, select_poll,
			NULL);
}

static int
stop(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(int argc, char **argv)
{
	const bool sleeping = argc > 1 && strcmp(argv[1], "sleep") == 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receiving),
		cmocka_unit_test(batches),
		cmocka_unit_test(wait_for_all),
		cmocka_unit_test(sending),
		cmocka_unit_test(connecting),
		cmocka_unit_test(accepting),
		cmocka_unit_test(polling),
		cmocka_unit_test(lingering),
		cmocka_unit_test(uncounted),
	};

	if (!sleeping)
		cmocka_set_skip_filter("uncounted");
	start(sleeping ? "0" : "-1");
	return cmocka_run_group_tests(tests, NULL, stop);
}
