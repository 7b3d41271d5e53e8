/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VMA_SND_FLAGS_DUMMY by every call that has flags: what is as if it were sent, what is refused,
 * and that nothing leaves and nothing changes.
 */
#include <fcntl.h>
#include <poll.h>
#include <linux/tcp.h>

/* before cmocka, which has a fail() too */
#include "sock/sock_priv.h"
#include "cable.h"

#define DUMMY 0x400
#define LEN 100

static char data[4096];

enum how { SEND, SENDTO, SENDMSG, SENDMMSG, CALLS };

/* Bytes, or -1 with errno. */
static int
call(enum how how, int fd, size_t len, int flags)
{
	struct iovec iov = { data, len };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	int ret;

	switch (how) {
	case SEND:
		return (int)dpvma_send(fd, data, len, flags);
	case SENDTO:
		return (int)dpvma_sendto(fd, data, len, flags, NULL, 0);
	case SENDMSG:
		return (int)dpvma_sendmsg(fd, &m.msg_hdr, flags);
	default:
		ret = dpvma_sendmmsg(fd, &m, 1, flags);
		return ret == 1 ? (int)m.msg_len : ret;
	}
}

static void
refused(int fd, size_t len, int flags, int err)
{
	for (enum how how = 0; how < CALLS; how++)
		assert_errno(call(how, fd, len, flags), err);
}

/* Never the kernel's to do, which would send it. */
static void
kernels(void **state)
{
	struct sockaddr_in to = test_addr("127.0.0.1", 0);
	socklen_t len = sizeof(to);
	int peer = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0);
	int stream = socket(AF_INET, SOCK_STREAM, 0), ours = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	int pipes[2];

	(void)state;
	assert_int_equal(bind(peer, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(peer, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	refused(fd, LEN, DUMMY, EINVAL);
	refused(stream, LEN, DUMMY, EINVAL);
	assert_int_equal(pipe(pipes), 0);
	refused(pipes[1], LEN, DUMMY, EINVAL);
	/* one of ours whose peer only the kernel reaches */
	assert_errno((int)dpvma_sendto(ours, data, LEN, DUMMY, (struct sockaddr *)&to, sizeof(to)),
			EINVAL);
	assert_int_equal(dpvma_connect(ours, (struct sockaddr *)&to, sizeof(to)), 0);
	refused(ours, LEN, DUMMY, EINVAL);
	assert_int_equal(recv(peer, data, sizeof(data), MSG_DONTWAIT), -1);
	close(pipes[0]);
	close(pipes[1]);
	close(stream);
	close(fd);
	close(peer);
	dpvma_close(ours);
}

static uint64_t
count(int fd, enum sock_stat which)
{
	struct sock *s = sock_get(fd);
	uint64_t n = s->ops->stats(s)->c[which];

	sock_put(s);
	return n;
}

static void
datagrams(void **state)
{
	struct sockaddr_in at = test_addr(B, 0), to;
	int rx = dpvma_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(at);
	struct pollfd p = { .fd = rx, .events = POLLIN };
	char got[8];

	(void)state;
	refused(fd, LEN, DUMMY, EDESTADDRREQ);
	assert_int_equal(dpvma_bind(rx, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(dpvma_getsockname(rx, (struct sockaddr *)&at, &len), 0);
	to = test_addr(B_SEEN, ntohs(at.sin_port));
	assert_int_equal(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	/* before and after the peer's link address is known */
	for (int i = 0; i < 2; i++) {
		for (enum how how = 0; how < CALLS; how++)
			assert_int_equal(call(how, fd, LEN, DUMMY), LEN);
		assert_int_equal(call(SEND, fd, 0, DUMMY), 0);
		assert_int_equal(dpvma_sendto(fd, data, LEN, DUMMY, (struct sockaddr *)&to,
						 sizeof(to)),
				LEN);
		assert_int_equal(dpvma_send(fd, "real", 4, 0), 4);
		assert_int_equal(dpvma_poll(&p, 1, 5000), 1);
		assert_int_equal(dpvma_recv(rx, got, sizeof(got), 0), 4);
		assert_memory_equal(got, "real", 4);
	}
	cable_settle();
	assert_errno((int)dpvma_recv(rx, got, sizeof(got), 0), EAGAIN);
	assert_int_equal(count(fd, SOCK_STAT_tx_packets), 2);
	assert_int_equal(count(fd, SOCK_STAT_tx_bytes), 8);
	refused(fd, LEN, DUMMY | MSG_MORE, EOPNOTSUPP);
	assert_errno((int)dpvma_send(fd, data, 70000, DUMMY), EMSGSIZE);
	assert_errno((int)dpvma_send(fd, NULL, LEN, DUMMY), EFAULT);
	dpvma_close(fd);
	dpvma_close(rx);
}

static struct tcp_info
info(int fd)
{
	struct tcp_info i = { 0 };
	socklen_t len = sizeof(i);

	assert_int_equal(dpvma_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len), 0);
	return i;
}

static void
streams(void **state)
{
	struct iovec two[2] = { { data, 10 }, { data, 10 } };
	struct msghdr msg = { .msg_iov = two, .msg_iovlen = 2 };
	struct tcp_info before, after;
	int client, server, done = 0, got;
	char buf[1024];

	(void)state;
	cable_pair(&client, &server, 0);
	cable_settle();
	before = info(client);
	for (enum how how = 0; how < CALLS; how++)
		assert_int_equal(call(how, client, LEN, DUMMY), LEN);
	assert_int_equal(call(SEND, client, before.tcpi_snd_mss, DUMMY), before.tcpi_snd_mss);
	cable_settle();
	after = info(client);
	assert_int_equal(after.tcpi_segs_out, before.tcpi_segs_out);
	assert_int_equal(after.tcpi_bytes_sent, before.tcpi_bytes_sent);
	assert_int_equal(after.tcpi_unacked, 0);
	assert_int_equal(count(client, SOCK_STAT_tx_bytes), 0);
	assert_errno((int)dpvma_recv(server, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	/* what is not one segment at once */
	refused(client, before.tcpi_snd_mss + 1, DUMMY, EAGAIN);
	refused(client, 0, DUMMY, EAGAIN);
	refused(client, LEN, DUMMY | MSG_MORE, EAGAIN);
	refused(client, LEN, DUMMY | MSG_OOB, EAGAIN);
	assert_errno((int)dpvma_sendmsg(client, &msg, DUMMY), EAGAIN);
	assert_errno((int)dpvma_send(client, NULL, LEN, DUMMY), EFAULT);
	/* something waits */
	assert_int_equal(dpvma_send(client, "re", 2, MSG_MORE), 2);
	refused(client, LEN, DUMMY, EAGAIN);
	assert_int_equal(dpvma_send(client, "al", 2, 0), 2);
	while (done < 4) {
		got = (int)dpvma_recv(server, buf + done, sizeof(buf) - (size_t)done, 0);
		assert_true(got > 0);
		done += got;
	}
	assert_int_equal(done, 4);
	assert_memory_equal(buf, "real", 4);
	/* and the other way, with nothing behind it */
	assert_int_equal(dpvma_send(server, data, LEN, DUMMY), LEN);
	assert_int_equal(dpvma_shutdown(client, SHUT_WR), 0);
	/* no signal is raised: nobody wrote */
	refused(client, LEN, DUMMY, EPIPE);
	assert_int_equal(dpvma_recv(server, buf, sizeof(buf), 0), 0);
	dpvma_close(client);
	dpvma_close(server);
}

static void
unconnected(void **state)
{
	struct sockaddr_in to;
	uint16_t port;
	int l = cable_listener(&port);
	int fd = dpvma_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)state;
	to = test_addr(B_SEEN, port);
	refused(fd, LEN, DUMMY, EPIPE);
	refused(l, LEN, DUMMY, EPIPE);
	cable_cut(true);
	assert_errno(dpvma_connect(fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
	refused(fd, LEN, DUMMY, EAGAIN);
	cable_cut(false);
	dpvma_close(fd);
	dpvma_close(l);
}

static int
setup(void **state)
{
	(void)state;
	cable_start(NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cable_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels),
		cmocka_unit_test(datagrams),
		cmocka_unit_test(streams),
		cmocka_unit_test(unconnected),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
