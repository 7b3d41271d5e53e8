/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks of datagram sockets, by the table: verdicts, what is shown, which calls run
 * them, what may be called inside, how they are replaced and end. One thread; what takes several is
 * in test_callback_wait.c.
 */
#include <linux/net_tstamp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#include "sock/callback.h"
#include "sock/sock_priv.h"
#include "sock_test.h"
#include "vma/mellanox/vma_extra.h"

static struct vma_api_t *api;

/** What a callback was shown, and what it says; each test has a fresh one. */
struct seen {
	char text[256]; /**< first bytes of the packets, up to their length, with a blank behind */
	unsigned int n, depth;
	size_t iovs;
	vma_recv_callback_retval_t verdict;
	void (*act)(struct seen *seen, int fd);
	struct vma_info_t info; /**< of the last */
	struct sockaddr_in src, dst;
	void *held[16];
	unsigned int n_held;
	int fd, other, result, error;
	char only; /**< act and verdict are for packets that begin so; 0: for all */
};

static vma_recv_callback_retval_t
look(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	struct seen *seen = context;
	bool mine = seen->only == 0 || *(char *)iov[0].iov_base == seen->only;
	size_t used = strlen(seen->text), i;

	assert_int_equal(seen->depth, 0);
	assert_true(sock_in_callback());
	seen->depth++;
	seen->n++;
	seen->fd = fd;
	seen->info = *info;
	seen->src = *info->src;
	seen->dst = *info->dst;
	seen->iovs = n;
	for (i = 0; i < n && used + iov[i].iov_len + 2 < sizeof(seen->text); i++) {
		memcpy(seen->text + used, iov[i].iov_base, iov[i].iov_len);
		used += iov[i].iov_len;
	}
	memcpy(seen->text + RTE_MIN(used, sizeof(seen->text) - 2), " ", 2);
	if (seen->act != NULL && mine)
		seen->act(seen, fd);
	if (mine && seen->verdict == VMA_PACKET_HOLD)
		seen->held[seen->n_held++] = info->packet_id;
	/* all of it is the library's, and its own affair after the return */
	memset(info, 0xee, sizeof(*info));
	memset(iov, 0xee, n * sizeof(*iov));
	seen->depth--;
	return mine ? seen->verdict : VMA_PACKET_RECV;
}

static int
judged(uint16_t *port, struct seen *seen)
{
	int fd = test_bound(port);

	assert_int_equal(api->register_recv_callback(fd, look, seen), 0);
	return fd;
}

static ssize_t
recv_now(int fd, char *buf, size_t len)
{
	memset(buf, 0, len);
	return dpvma_recv(fd, buf, len, MSG_DONTWAIT);
}

/* Everything that can be read now, with blanks. */
static const char *
read_all(int fd)
{
	static char text[256];
	char buf[64];

	text[0] = '\0';
	while (recv_now(fd, buf, sizeof(buf)) >= 0) {
		strcat(text, buf);
		strcat(text, " ");
	}
	assert_int_equal(errno, EAGAIN);
	return text;
}

static uint64_t
counter(int fd, enum sock_stat which)
{
	struct sock *s = sock_get(fd);
	uint64_t value = s->ops->stats(s)->c[which];

	sock_put(s);
	return value;
}

static void
registration(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP }, other = { .verdict = VMA_PACKET_DROP };
	struct sockaddr_in away = test_addr("127.0.0.1", 0);
	int fd, kernels = socket(AF_INET, SOCK_DGRAM, 0), pipes[2];
	uint16_t port;

	(void)state;
	assert_true(api->vma_extra_supported_mask & VMA_EXTRA_API_REGISTER_RECV_CALLBACK);
	assert_errno(api->register_recv_callback(kernels, look, &seen), EINVAL);
	assert_errno(api->register_recv_callback(kernels, NULL, NULL), EINVAL);
	assert_errno(api->register_recv_callback(-1, look, &seen), EINVAL);
	assert_int_equal(pipe(pipes), 0);
	assert_errno(api->register_recv_callback(pipes[0], look, &seen), EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	close(kernels);
	/* carried by the kernel */
	fd = dpvma_socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(dpvma_bind(fd, (struct sockaddr *)&away, sizeof(away)), 0);
	assert_errno(api->register_recv_callback(fd, look, &seen), EINVAL);
	dpvma_close(fd);
	/* NULL where there is none is no mistake */
	fd = test_bound(&port);
	assert_int_equal(api->register_recv_callback(fd, NULL, NULL), 0);
	assert_int_equal(api->register_recv_callback(fd, look, &seen), 0);
	test_inject_text(port, "a");
	assert_string_equal(read_all(fd), "");
	assert_string_equal(seen.text, "a ");
	/* replaces */
	assert_int_equal(api->register_recv_callback(fd, look, &other), 0);
	test_inject_text(port, "b");
	assert_string_equal(read_all(fd), "");
	assert_string_equal(seen.text, "a ");
	assert_string_equal(other.text, "b ");
	assert_int_equal(api->register_recv_callback(fd, NULL, &other), 0);
	test_inject_text(port, "c");
	assert_string_equal(read_all(fd), "c ");
	assert_string_equal(other.text, "b ");
	dpvma_close(fd);
	assert_errno(api->register_recv_callback(fd, look, &seen), EINVAL);
}

/* What is staged, as a delivery that no receive call made left it, passes in order. */
static void
unregister_passes(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP };
	uint16_t port;
	int fd = judged(&port, &seen), queued;
	struct sock *s = sock_get(fd);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)state;
	test_inject_text(port, "a");
	test_inject_text(port, "b");
	assert_int_equal(s->ops->poll(s), 2);
	sock_put(s);
	assert_int_equal(seen.n, 0);
	/* not the application's: no call sees it that runs no callback */
	assert_int_equal(dpvma_ioctl(fd, FIONREAD, &queued), 0);
	assert_int_equal(queued, 0);
	assert_int_equal(api->register_recv_callback(fd, NULL, NULL), 0);
	assert_int_equal(dpvma_poll(&p, 1, 0), 1);
	test_inject_text(port, "c");
	assert_string_equal(read_all(fd), "a b c ");
	assert_int_equal(seen.n, 0);
	dpvma_close(fd);
}

static void
verdicts(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_HOLD, .only = 'h' };
	uint16_t port, other_port;
	int fd = judged(&port, &seen), other = test_bound(&other_port), i;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)state;
	test_inject_text(port, "r1");
	test_inject_text(port, "h1");
	test_inject_text(port, "r2");
	assert_int_equal(dpvma_poll(&p, 1, 0), 1);
	assert_string_equal(seen.text, "r1 h1 r2 ");
	assert_string_equal(read_all(fd), "r1 r2 ");
	/* HOLD and DROP: nobody has something to read */
	test_inject_text(port, "h2");
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_string_equal(read_all(fd), "");
	seen.only = 0;
	seen.verdict = VMA_PACKET_DROP;
	test_inject_text(port, "d1");
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_string_equal(read_all(fd), "");
	/* none that there is: it is not lost */
	seen.verdict = (vma_recv_callback_retval_t)7;
	test_inject_text(port, "x1");
	assert_string_equal(read_all(fd), "x1 ");
	assert_int_equal(counter(fd, SOCK_STAT_rx_callback_drop), 1);
	assert_int_equal(counter(fd, SOCK_STAT_rx_callback_hold), 2);
	assert_int_equal(counter(fd, SOCK_STAT_rx_lent), 2);
	assert_int_equal(counter(fd, SOCK_STAT_rx_packets), 6);
	assert_int_equal(counter(fd, SOCK_STAT_rx_read), 3);
	/* what is held is there, whatever came since, and is the socket's to give back */
	assert_int_equal(seen.n_held, 2);
	for (i = 0; i < 2; i++) {
		struct rte_mbuf *m = seen.held[i];
		struct vma_packet_t packet = { .packet_id = m, .sz_iov = 0xdead };

		/* the wire hands over buffers of its own pool, which is none of the stack's */
		assert_int_equal(ring_pool_known(m->pool), 0);
		assert_memory_equal(rte_pktmbuf_mtod(m, char *), i == 0 ? "h1" : "h2", 2);
		assert_int_equal(m->pkt_len, 2);
		assert_errno(api->free_packets(other, &packet, 1), ENOENT);
		assert_int_equal(api->free_packets(fd, &packet, 1), 0);
		assert_errno(api->free_packets(fd, &packet, 1), ENOENT);
		ring_pool_forgotten(m->pool);
	}
	assert_int_equal(counter(fd, SOCK_STAT_rx_lent_back), 2);
	dpvma_close(other);
	dpvma_close(fd);
}

static void
info(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV };
	uint16_t port;
	int fd = judged(&port, &seen),
	    on = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
	struct timespec before, after;
	char big[400];
	struct test_frame frame;

	(void)state;
	memset(big, 'b', sizeof(big));
	test_inject_text(port, "first");
	test_inject_text(port, "second!");
	assert_string_equal(read_all(fd), "first second! ");
	assert_int_equal(seen.fd, fd);
	assert_int_equal(seen.info.struct_sz, 80);
	assert_int_equal(seen.info.payload_sz, 7);
	assert_non_null(seen.info.packet_id);
	assert_int_equal(seen.src.sin_family, AF_INET);
	assert_int_equal(seen.src.sin_addr.s_addr, inet_addr(PEER));
	assert_int_equal(ntohs(seen.src.sin_port), PEER_PORT);
	assert_int_equal(seen.dst.sin_family, AF_INET);
	assert_int_equal(seen.dst.sin_addr.s_addr, inet_addr(LOCAL));
	assert_int_equal(ntohs(seen.dst.sin_port), port);
	/* before this packet */
	assert_int_equal(seen.info.socket_ready_queue_pkt_count, 1);
	assert_int_equal(seen.info.socket_ready_queue_byte_count, 5);
	/* nobody asked for times */
	assert_int_equal(seen.info.sw_timestamp.tv_sec, 0);
	assert_int_equal(seen.info.hw_timestamp.tv_sec, 0);
	assert_int_equal(dpvma_setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof(on)), 0);
	clock_gettime(CLOCK_REALTIME, &before);
	frame = (struct test_frame){ .dport = port, .data = big, .len = sizeof(big) };
	test_inject(&frame);
	assert_int_equal(recv_now(fd, big, sizeof(big)), sizeof(big));
	clock_gettime(CLOCK_REALTIME, &after);
	assert_int_equal(seen.info.payload_sz, sizeof(big));
	assert_int_equal(seen.info.socket_ready_queue_pkt_count, 0);
	assert_true(seen.info.sw_timestamp.tv_sec >= before.tv_sec);
	assert_true(seen.info.sw_timestamp.tv_sec <= after.tv_sec);
	/* raw hardware was not asked for, and the wire has none */
	assert_int_equal(seen.info.hw_timestamp.tv_sec, 0);
	dpvma_close(fd);
}

/* Each call that receives or waits runs them, for whatever socket they are. */
static void
runs_in(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP };
	uint16_t port, other_port;
	int fd = judged(&port, &seen), other = test_bound(&other_port), ep, n = 0;
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { .fd = other, .events = POLLIN };
	struct timeval none = { 0 };
	struct iovec iov;
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	fd_set set;
	char buf[8];

	(void)state;
	iov = (struct iovec){ buf, sizeof(buf) };
	test_inject_text(port, "x");
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	assert_int_equal(seen.n, ++n);
	test_inject_text(port, "x");
	assert_errno((int)dpvma_recv(other, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	assert_int_equal(seen.n, ++n);
	test_inject_text(port, "x");
	assert_errno(dpvma_recvmmsg(other, &vec, 1, MSG_DONTWAIT, NULL), EAGAIN);
	assert_int_equal(seen.n, ++n);
	test_inject_text(port, "x");
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_int_equal(seen.n, ++n);
	FD_ZERO(&set);
	FD_SET(other, &set);
	test_inject_text(port, "x");
	assert_int_equal(dpvma_select(other + 1, &set, NULL, NULL, &none), 0);
	assert_int_equal(seen.n, ++n);
	ep = dpvma_epoll_create1(0);
	assert_int_equal(dpvma_epoll_ctl(ep, EPOLL_CTL_ADD, other, &ev), 0);
	test_inject_text(port, "x");
	assert_int_equal(dpvma_epoll_wait(ep, &ev, 1, 0), 0);
	assert_int_equal(seen.n, ++n);
	/* a send turns no ring of its own accord, nor does it call */
	test_inject_text(port, "x");
	{
		struct sockaddr_in to = test_addr(PEER, PEER_PORT);

		assert_int_equal(
				dpvma_sendto(fd, "y", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	}
	assert_int_equal(seen.n, n);
	assert_errno((int)dpvma_recv(fd, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	assert_int_equal(seen.n, ++n);
	dpvma_close(ep);
	dpvma_close(other);
	dpvma_close(fd);
	test_drain();
}

/** @name What is called inside */
/** @{ */
static void
use_control(struct seen *seen, int fd)
{
	struct sockaddr_in to = test_addr(PEER, 999), any = test_addr(LOCAL, 0);
	int on = 1, made = dpvma_socket(AF_INET, SOCK_DGRAM, 0);

	seen->result = dpvma_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	seen->result |= dpvma_connect(fd, (struct sockaddr *)&seen->src, sizeof(seen->src));
	seen->result |= dpvma_send(fd, "same", 4, 0) != 4;
	seen->result |= dpvma_bind(made, (struct sockaddr *)&any, sizeof(any));
	seen->result |= dpvma_connect(made, (struct sockaddr *)&to, sizeof(to));
	seen->result |= dpvma_send(made, "new", 3, 0) != 3;
	seen->result |= dpvma_send(seen->other, "other", 5, 0) != 5;
	seen->result |= dpvma_close(made);
}

static void
recv_inside(struct seen *seen, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[8];

	errno = 0;
	/* a blocking call */
	seen->result = (int)dpvma_recv(fd, buf, sizeof(buf), 0);
	seen->error = errno;
	seen->result += dpvma_poll(&p, 1, -1);
}

static void
free_inside(struct seen *seen, int fd)
{
	struct vma_packet_t packet = { .packet_id = seen->held[0] };

	seen->result = api->free_packets(fd, &packet, 1);
	seen->error = errno;
}

static void
close_it(struct seen *seen, int fd)
{
	seen->result = dpvma_close(fd);
}

static void
close_other(struct seen *seen, int fd)
{
	(void)fd;
	seen->result = dpvma_close(seen->other);
}

static void
unregister_inside(struct seen *seen, int fd)
{
	seen->result = api->register_recv_callback(fd, NULL, NULL);
}

static struct seen replacement;

static void
replace_inside(struct seen *seen, int fd)
{
	seen->result = api->register_recv_callback(fd, look, &replacement);
}

static void
inside(void **state)
{
	struct sockaddr_in to = test_addr(PEER, PEER_PORT);
	struct seen seen = { .verdict = VMA_PACKET_RECV, .result = -1, .act = use_control };
	uint16_t port, other_port;
	int fd = judged(&port, &seen);

	(void)state;
	seen.other = test_bound(&other_port);
	assert_int_equal(dpvma_connect(seen.other, (struct sockaddr *)&to, sizeof(to)), 0);
	test_drain();
	test_inject_text(port, "a");
	assert_string_equal(read_all(fd), "a ");
	assert_int_equal(seen.result, 0);
	assert_memory_equal(test_payload(test_sent()), "same", 4);
	assert_memory_equal(test_payload(test_sent()), "new", 3);
	assert_memory_equal(test_payload(test_sent()), "other", 5);
	/* receive: neither recursion nor a wait */
	seen.act = recv_inside;
	test_inject_text(port, "b");
	test_inject_text(port, "c");
	assert_string_equal(read_all(fd), "b c ");
	assert_int_equal(seen.result, -1);
	assert_int_equal(seen.error, EAGAIN);
	assert_string_equal(seen.text, "a b c ");
	assert_false(sock_in_callback());
	/* nor does anything come back from inside */
	seen.act = free_inside;
	seen.held[0] = seen.info.packet_id;
	test_inject_text(port, "f");
	assert_string_equal(read_all(fd), "f ");
	assert_int_equal(seen.result, -1);
	assert_int_equal(seen.error, EDEADLK);
	/* the other one is waited for in the same call, and closed under it */
	seen.act = close_other;
	{
		struct pollfd p[2] = { { .fd = seen.other, .events = POLLIN },
			{ .fd = fd, .events = POLLIN } };

		test_inject_text(port, "d");
		assert_int_equal(dpvma_poll(p, 2, 1000), 2);
		assert_int_equal(p[0].revents, POLLNVAL);
		assert_int_equal(p[1].revents, POLLIN);
	}
	assert_int_equal(seen.result, 0);
	dpvma_close(fd);
	test_drain();
}

/* The rest of the batch goes where the new state says. */
static void
changed_inside(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP, .act = unregister_inside, .only = '2' };
	uint16_t port;
	int fd = judged(&port, &seen);

	(void)state;
	test_inject_text(port, "1");
	test_inject_text(port, "2");
	test_inject_text(port, "3");
	test_inject_text(port, "4");
	assert_string_equal(read_all(fd), "1 3 4 ");
	assert_string_equal(seen.text, "1 2 ");
	test_inject_text(port, "5");
	assert_string_equal(read_all(fd), "5 ");
	seen.act = replace_inside;
	seen.text[0] = '\0';
	replacement = (struct seen){ .verdict = VMA_PACKET_DROP, .only = '4' };
	assert_int_equal(api->register_recv_callback(fd, look, &seen), 0);
	test_inject_text(port, "1");
	test_inject_text(port, "2");
	test_inject_text(port, "3");
	test_inject_text(port, "4");
	assert_string_equal(read_all(fd), "1 3 ");
	assert_string_equal(seen.text, "1 2 ");
	assert_string_equal(replacement.text, "3 4 ");
	assert_int_equal(replacement.info.socket_ready_queue_pkt_count, 2);
	dpvma_close(fd);
}

static void
closed_inside(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV, .act = close_it, .only = '2' };
	unsigned int alive = sock_alive();
	char buf[8];
	uint16_t port;
	int fd = judged(&port, &seen);

	(void)state;
	test_inject_text(port, "1");
	test_inject_text(port, "2");
	test_inject_text(port, "3");
	/* what was passed before is read still, as the call has the socket */
	assert_int_equal(recv_now(fd, buf, sizeof(buf)), 1);
	assert_int_equal(seen.result, 0);
	assert_string_equal(seen.text, "1 2 ");
	assert_false(sock_is_ours(fd));
	assert_int_equal(sock_alive(), alive);
}

/* With more than a batch behind it, nothing is left in the list, nor of the socket. */
static void
closed_with_many(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP, .act = close_it };
	unsigned int alive = sock_alive(), left = 200;
	uint16_t port;
	int fd = judged(&port, &seen);
	struct sock *s = sock_get(fd);
	char buf[8];

	(void)state;
	for (unsigned int i = 0; i < left; i++)
		test_inject_text(port, "1");
	while (left > 0)
		left -= s->ops->poll(s);
	sock_put(s);
	assert_int_equal(recv_now(fd, buf, sizeof(buf)), 1);
	assert_int_equal(seen.n, 1);
	assert_int_equal(callbacks_waiting, 0);
	assert_int_equal(sock_alive(), alive);
}

/* Registered anew by the first of more than a batch: those behind it are judged all the same. */
static void
replaced_with_many(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV, .act = replace_inside };
	unsigned int left = 200, got = 0;
	uint16_t port;
	int fd = judged(&port, &seen);
	struct sock *s = sock_get(fd);
	char buf[8];

	(void)state;
	replacement = (struct seen){ .verdict = VMA_PACKET_RECV };
	for (unsigned int i = 0; i < left; i++)
		test_inject_text(port, "1");
	while (left > 0)
		left -= s->ops->poll(s);
	sock_put(s);
	while (recv_now(fd, buf, sizeof(buf)) > 0)
		got++;
	assert_int_equal(got, 200);
	assert_int_equal(seen.n, 1);
	assert_int_equal(replacement.n, 199);
	assert_int_equal(callbacks_waiting, 0);
	dpvma_close(fd);
}

/* With packets staged that nobody comes to judge. */
static void
closed_while_staged(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV };
	unsigned int alive = sock_alive(), i;
	uint16_t port, other_port;
	int fd, other = test_bound(&other_port);
	char buf[8];

	(void)state;
	for (i = 0; i < 3; i++) {
		struct sock *s;

		fd = judged(&port, &seen);
		s = sock_get(fd);
		test_inject_text(port, "1");
		assert_int_equal(s->ops->poll(s), 1);
		sock_put(s);
		assert_int_equal(callbacks_waiting, 1);
		dpvma_close(fd);
		assert_int_equal(callbacks_waiting, 0);
	}
	assert_errno((int)dpvma_recv(other, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN);
	assert_int_equal(seen.n, 0);
	dpvma_close(other);
	assert_int_equal(sock_alive(), alive);
}
/** @} */

/* More than a call's share: all in order, in as many calls as it takes, none lost. */
static void
many(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV };
	uint16_t port;
	int fd = judged(&port, &seen), i, got = 0;
	struct sock *s = sock_get(fd);
	char buf[16], want[16];

	(void)state;
	for (i = 0; i < 400; i++) {
		snprintf(want, sizeof(want), "%d", i);
		test_inject_text(port, want);
	}
	while (i > 0)
		i -= (int)s->ops->poll(s);
	sock_put(s);
	while (recv_now(fd, buf, sizeof(buf)) > 0) {
		snprintf(want, sizeof(want), "%d", got++);
		assert_string_equal(buf, want);
	}
	assert_int_equal(got, 400);
	assert_int_equal(seen.n, 400);
	dpvma_close(fd);
}

static int
setup(void **state)
{
	(void)state;
	test_start(NULL);
	api = dpvma_get_api();
	assert_non_null(api);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registration),
		cmocka_unit_test(unregister_passes),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(info),
		cmocka_unit_test(runs_in),
		cmocka_unit_test(inside),
		cmocka_unit_test(changed_inside),
		cmocka_unit_test(closed_inside),
		cmocka_unit_test(closed_with_many),
		cmocka_unit_test(replaced_with_many),
		cmocka_unit_test(closed_while_staged),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, setup, test_group_stop);
}
