/* SPDX-License-Identifier: BSD-3-Clause */
/* Stream sockets that wait: blocking calls, what ends them, buffers that fill, a cable that loses.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <time.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>

#include "cable.h"

#define BULK (8u << 20)

static uint64_t
ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
timeout_of(int fd, int name, int millis)
{
	struct timeval tv = { .tv_sec = millis / 1000, .tv_usec = millis % 1000 * 1000 };

	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)), 0);
}

/** @name Another thread does something after a while */
/** @{ */
struct later {
	pthread_t thread, caller;
	int fd;
	enum { SEND, CLOSE, SIGNAL, SHUT, DIAL, DRAIN } what;
	size_t bytes;
};

static void
drain(int fd, size_t bytes)
{
	char buf[4096];
	size_t done = 0, i;
	ssize_t n;

	while (done < bytes) {
		n = dpvma_recv(fd, buf, sizeof(buf), 0);
		assert_true(n > 0);
		for (i = 0; i < (size_t)n; i++)
			assert_int_equal((uint8_t)buf[i], (uint8_t)((done + i) * 31 >> 3));
		done += (size_t)n;
	}
}

static void *
do_later(void *arg)
{
	struct later *l = arg;

	usleep(60000);
	switch (l->what) {
	case SEND:
		assert_int_equal(dpvma_send(l->fd, "late", 4, 0), 4);
		break;
	case CLOSE:
		dpvma_close(l->fd);
		break;
	case SIGNAL:
		pthread_kill(l->caller, SIGUSR1);
		break;
	case SHUT:
		dpvma_shutdown(l->fd, SHUT_RD);
		break;
	case DIAL:
		assert_int_equal(cable_dial(l->fd, (uint16_t)l->bytes), 0);
		break;
	case DRAIN:
		drain(l->fd, l->bytes);
		break;
	}
	return NULL;
}

static void
later(struct later *l)
{
	l->caller = pthread_self();
	assert_int_equal(pthread_create(&l->thread, NULL, do_later, l), 0);
}

static void
on_signal(int sig)
{
	(void)sig;
}
/** @} */

static void
receive_waits(void **state)
{
	struct later l = { .what = SEND };
	int c, s;
	char buf[8];

	(void)state;
	cable_pair(&c, &s, 0);
	l.fd = c;
	later(&l);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 4);
	pthread_join(l.thread, NULL);
	/* all of them, though they come in two */
	later(&l);
	assert_int_equal(dpvma_send(c, "soon", 4, 0), 4);
	assert_int_equal(dpvma_recv(s, buf, 8, MSG_WAITALL), 8);
	assert_memory_equal(buf, "soonlate", 8);
	pthread_join(l.thread, NULL);
	l.fd = s;
	l.what = SHUT;
	later(&l);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 0);
	pthread_join(l.thread, NULL);
	dpvma_close(c);
	dpvma_close(s);
}

static void
poll_waits(void **state)
{
	struct later l = { .what = SEND };
	struct pollfd p = { .events = POLLIN };
	int c, s;

	(void)state;
	cable_pair(&c, &s, 0);
	p.fd = s;
	l.fd = c;
	assert_int_equal(dpvma_poll(&p, 1, 20), 0);
	later(&l);
	assert_int_equal(dpvma_poll(&p, 1, 5000), 1);
	assert_int_equal(p.revents, POLLIN);
	pthread_join(l.thread, NULL);
	dpvma_close(c);
	dpvma_close(s);
}

static void
accept_waits(void **state)
{
	struct later l = { .what = DIAL };
	uint16_t port;
	int fd = cable_listener(&port), c = dpvma_socket(AF_INET, SOCK_STREAM, 0), s;

	(void)state;
	timeout_of(fd, SO_RCVTIMEO, 50);
	assert_errno(dpvma_accept(fd, NULL, NULL), EAGAIN);
	timeout_of(fd, SO_RCVTIMEO, 0);
	l.fd = c;
	l.bytes = port;
	later(&l);
	s = dpvma_accept(fd, NULL, NULL);
	assert_true(s >= 0);
	pthread_join(l.thread, NULL);
	l.fd = fd;
	l.what = CLOSE;
	later(&l);
	assert_errno(dpvma_accept(fd, NULL, NULL), EBADF);
	pthread_join(l.thread, NULL);
	dpvma_close(c);
	dpvma_close(s);
}

static void
calls_end(void **state)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct later l = { .what = SIGNAL };
	int c, s;
	char buf[8];
	uint64_t before;

	(void)state;
	sigaction(SIGUSR1, &act, NULL);
	cable_pair(&c, &s, 0);
	later(&l);
	assert_errno((int)dpvma_recv(s, buf, sizeof(buf), 0), EINTR);
	pthread_join(l.thread, NULL);
	timeout_of(s, SO_RCVTIMEO, 80);
	before = ms();
	assert_errno((int)dpvma_recv(s, buf, sizeof(buf), 0), EAGAIN);
	assert_true(ms() >= before + 75);
	timeout_of(s, SO_RCVTIMEO, 0);
	l.what = CLOSE;
	l.fd = s;
	later(&l);
	assert_errno((int)dpvma_recv(s, buf, sizeof(buf), 0), EBADF);
	pthread_join(l.thread, NULL);
	dpvma_close(c);
}

static char *
pattern(size_t len)
{
	char *p = malloc(len);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(i * 31 >> 3);
	return p;
}

/* A peer that does not read holds the sender up, and lets it go on when it does. */
static void
send_waits(void **state)
{
	struct later l = { .what = DRAIN, .bytes = 1u << 20 };
	char *bytes = pattern(l.bytes);
	struct pollfd p = { .events = POLLOUT };
	size_t done = 0;
	ssize_t n;
	int c, s;

	(void)state;
	cable_pair(&c, &s, 32768);
	while ((n = dpvma_send(c, bytes + done, l.bytes - done, MSG_DONTWAIT)) > 0 || done == 0)
		done += n > 0 ? (size_t)n : 0;
	assert_int_equal(errno, EAGAIN);
	assert_true(done < l.bytes);
	p.fd = c;
	assert_int_equal(dpvma_poll(&p, 1, 20), 0);
	timeout_of(c, SO_SNDTIMEO, 50);
	n = dpvma_send(c, bytes + done, l.bytes - done, 0);
	if (n > 0)
		done += (size_t)n;
	else
		assert_int_equal(errno, EAGAIN);
	timeout_of(c, SO_SNDTIMEO, 0);
	l.fd = s;
	later(&l);
	assert_int_equal(dpvma_poll(&p, 1, 5000), 1);
	assert_int_equal(p.revents, POLLOUT);
	assert_int_equal(dpvma_send(c, bytes + done, l.bytes - done, 0), l.bytes - done);
	pthread_join(l.thread, NULL);
	dpvma_close(c);
	dpvma_close(s);
	free(bytes);
}

static void
losses_are_repaired(void **state)
{
	struct later l = { .what = DRAIN, .bytes = BULK };
	char *bytes = pattern(BULK);
	int c, s;

	(void)state;
	cable_pair(&c, &s, 0);
	cable_lossy(300);
	l.fd = s;
	later(&l);
	assert_int_equal(dpvma_send(c, bytes, BULK, 0), BULK);
	pthread_join(l.thread, NULL);
	cable_lossy(0);
	dpvma_close(c);
	dpvma_close(s);
	free(bytes);
}

static void
file_is_sent(void **state)
{
	struct later l = { .what = DRAIN, .bytes = 200000 };
	char *bytes = pattern(l.bytes);
	FILE *f = tmpfile();
	off_t offset = 0;
	int c, s;

	(void)state;
	assert_int_equal(fwrite(bytes, 1, l.bytes, f), l.bytes);
	fflush(f);
	cable_pair(&c, &s, 0);
	l.fd = s;
	later(&l);
	assert_int_equal(dpvma_sendfile(c, fileno(f), &offset, l.bytes + 100), l.bytes);
	assert_int_equal(offset, l.bytes);
	pthread_join(l.thread, NULL);
	dpvma_close(c);
	dpvma_close(s);
	fclose(f);
	free(bytes);
}

static unsigned int pipes;

static void
on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void
broken_pipe(void **state)
{
	struct sigaction act = { .sa_handler = on_pipe };
	int c, s;

	(void)state;
	sigaction(SIGPIPE, &act, NULL);
	cable_pair(&c, &s, 0);
	assert_int_equal(dpvma_shutdown(c, SHUT_WR), 0);
	assert_errno((int)dpvma_send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(pipes, 0);
	assert_errno((int)dpvma_write(c, "x", 1), EPIPE);
	assert_int_equal(pipes, 1);
	dpvma_close(c);
	dpvma_close(s);
}

static void
silence(void **state)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 1 };
	struct pollfd p = { .events = POLLOUT };
	uint16_t port;
	int l = cable_listener(&port), fd = dpvma_socket(AF_INET, SOCK_STREAM, 0), c, s;
	uint64_t before;

	(void)state;
	cable_cut(true);
	timeout_of(fd, SO_SNDTIMEO, 60);
	assert_errno(cable_dial(fd, port), EINPROGRESS);
	assert_errno(cable_dial(fd, port), EALREADY);
	p.fd = fd;
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_errno((int)dpvma_send(fd, "x", 1, MSG_DONTWAIT), EAGAIN);
	cable_cut(false);
	/* the SYN is sent again after a second, by whoever waits */
	assert_int_equal(dpvma_poll(&p, 1, 5000), 1);
	assert_int_equal(cable_dial(fd, port), 0);
	s = dpvma_accept(l, NULL, NULL);
	dpvma_close(fd);
	dpvma_close(s);
	dpvma_close(l);

	cable_pair(&c, &s, 0);
	assert_int_equal(dpvma_setsockopt(c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	before = ms();
	dpvma_close(c);
	assert_true(ms() < before + 900);
	dpvma_close(s);
	cable_pair(&c, &s, 0);
	assert_int_equal(dpvma_setsockopt(c, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	cable_cut(true);
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	before = ms();
	dpvma_close(c);
	assert_true(ms() >= before + 990);
	cable_cut(false);
	dpvma_close(s);
}

static void
looked_at(void **state)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int c, s, n = 0;
	char buf[8], why[200], *text = NULL;
	size_t size = 0;
	FILE *f;

	(void)state;
	cable_pair(&c, &s, 0);
	assert_int_equal(dpvma_send(c, "12345", 5, 0), 5);
	assert_int_equal(dpvma_recv(s, buf, sizeof(buf), 0), 5);
	for (n = 1; n != 0; dpvma_ioctl(c, SIOCOUTQ, &n))
		usleep(100);
	assert_int_equal(dpvma_getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(len, sizeof(info));
	assert_int_equal(info.tcpi_state, 1);
	assert_int_equal(info.tcpi_snd_mss, 1448);
	assert_int_equal(info.tcpi_pmtu, 1500);
	assert_int_equal(info.tcpi_bytes_acked, 5);
	assert_true(info.tcpi_options & TCPI_OPT_TIMESTAMPS);
	assert_true(info.tcpi_rtt > 0);
	len = 4;
	assert_int_equal(dpvma_getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(len, 4);
	len = sizeof(n);
	assert_int_equal(dpvma_getsockopt(c, IPPROTO_IP, IP_MTU, &n, &len), 0);
	assert_int_equal(n, 1500);
	assert_int_equal(dpvma_explain(c, why, sizeof(why)), DPVMA_OFFLOADED);
	assert_non_null(strstr(why, "connected to " B_SEEN));
	f = open_memstream(&text, &size);
	assert_int_equal(dpvma_dump(0, f), 0);
	assert_int_equal(dpvma_dump(c, f), 0);
	fclose(f);
	assert_non_null(strstr(text, "opens_active"));
	assert_non_null(strstr(text, "tx_bytes 5"));
	assert_non_null(strstr(text, "rx_bytes 5"));
	free(text);
	dpvma_close(c);
	dpvma_close(s);
}

/** @name Threads that come and go */
/** @{ */
#define CLIENTS 4
#define ROUNDS 100
#define PLACES 64

struct churn {
	pthread_t thread;
	unsigned int seed, bad;
	uint16_t port;
};

static unsigned int
draw(struct churn *c, unsigned int below)
{
	c->seed = c->seed * 1664525u + 1013904223u;
	return (c->seed >> 8) % below;
}

/* A message there and back, in whichever way it ends. */
static void
one_round(struct churn *c)
{
	static __thread char out[8000], back[8000];
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	size_t len = 1 + draw(c, sizeof(out));
	int fd = dpvma_socket(AF_INET, SOCK_STREAM, 0);

	memset(out, (int)c->seed, len);
	if (cable_dial(fd, c->port) != 0 || dpvma_send(fd, out, len, MSG_NOSIGNAL) != (ssize_t)len)
		c->bad++;
	else if (draw(c, 4) == 0)
		dpvma_setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	else if (dpvma_recv(fd, back, len, MSG_WAITALL) != (ssize_t)len ||
			memcmp(out, back, len) != 0)
		c->bad++;
	dpvma_close(fd);
}

static void *
client(void *arg)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		one_round(arg);
	return NULL;
}

static void
serve(struct pollfd *fds)
{
	static char buf[16384];
	ssize_t n;

	for (unsigned int i = 1; i < PLACES; i++) {
		if (fds[i].fd >= 0 && fds[i].revents != 0) {
			n = dpvma_recv(fds[i].fd, buf, sizeof(buf), MSG_DONTWAIT);
			if (n > 0)
				dpvma_send(fds[i].fd, buf, (size_t)n, MSG_NOSIGNAL);
			if (n <= 0 && (n == 0 || errno != EAGAIN)) {
				dpvma_close(fds[i].fd);
				fds[i].fd = -1;
			}
		}
		if (fds[i].fd < 0 && (fds[0].revents & POLLIN)) {
			fds[i].fd = dpvma_accept4(fds[0].fd, NULL, NULL, SOCK_NONBLOCK);
			fds[0].revents = 0;
		}
	}
}

static void *
server(void *arg)
{
	struct pollfd fds[PLACES];
	struct churn *c = arg;
	int l = cable_listener(&c->port);

	dpvma_ioctl(l, FIONBIO, &(int){ 1 });
	for (unsigned int i = 0; i < PLACES; i++)
		fds[i] = (struct pollfd){ .fd = i == 0 ? l : -1, .events = POLLIN };
	__atomic_store_n(&c->seed, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&c->seed, __ATOMIC_ACQUIRE) != 2)
		if (dpvma_poll(fds, PLACES, 20) > 0)
			serve(fds);
	for (unsigned int i = 0; i < PLACES; i++)
		if (fds[i].fd >= 0)
			dpvma_close(fds[i].fd);
	return NULL;
}

static void
threads_come_and_go(void **state)
{
	struct churn c[CLIENTS] = { 0 }, s = { 0 };
	unsigned int i;

	(void)state;
	pthread_create(&s.thread, NULL, server, &s);
	while (__atomic_load_n(&s.seed, __ATOMIC_ACQUIRE) != 1)
		usleep(100);
	for (i = 0; i < CLIENTS; i++) {
		c[i] = (struct churn){ .seed = i + 7, .port = s.port };
		pthread_create(&c[i].thread, NULL, client, &c[i]);
	}
	for (i = 0; i < CLIENTS; i++) {
		pthread_join(c[i].thread, NULL);
		assert_int_equal(c[i].bad, 0);
	}
	__atomic_store_n(&s.seed, 2, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
}
/** @} */

static void
check_header(unsigned int ttl, unsigned int tos)
{
	unsigned int got[2];

	for (unsigned int i = 0; i < 1000; i++) {
		cable_last(&got[0], &got[1]);
		if (got[0] == ttl && got[1] == tos)
			return;
		usleep(1000);
	}
	fail_msg("TTL %u, TOS %x instead of %u, %x", got[0], got[1], ttl, tos);
}

/* From the SYN on, and anew when they change. The bits of ECN are nobody's but TCP's. */
static void
header_fields(void **state)
{
	int c = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ttl = 17, tos = 0x11, s;
	uint16_t port;
	int l = cable_listener(&port);

	(void)state;
	assert_int_equal(dpvma_setsockopt(c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(dpvma_setsockopt(c, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	assert_errno(cable_dial(c, port), EINPROGRESS);
	check_header(17, 0x10);
	s = dpvma_accept(l, NULL, NULL);
	assert_true(s >= 0);
	ttl = 99;
	tos = 0x20;
	assert_int_equal(dpvma_setsockopt(c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(dpvma_setsockopt(c, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
	assert_int_equal(dpvma_send(c, "x", 1, 0), 1);
	check_header(99, 0x20);
	dpvma_close(c);
	dpvma_close(s);
	dpvma_close(l);
}

static int
start(void **state)
{
	(void)state;
	cable_start("VMA_TCP_TIMESTAMP_OPTION=1", NULL);
	return 0;
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receive_waits),
		cmocka_unit_test(poll_waits),
		cmocka_unit_test(accept_waits),
		cmocka_unit_test(calls_end),
		cmocka_unit_test(send_waits),
		cmocka_unit_test(losses_are_repaired),
		cmocka_unit_test(file_is_sent),
		cmocka_unit_test(broken_pipe),
		cmocka_unit_test(silence),
		cmocka_unit_test(looked_at),
		cmocka_unit_test(header_fields),
		cmocka_unit_test(threads_come_and_go),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
