/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive callbacks of streams: what verdicts do to data and to the window, when data are asked
 * about and when not, what receive calls see of those that nobody has judged, ends of all kinds.
 */
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "sock/callback.h"
#include "sock/sock_priv.h"

#include "cable.h"
#include "vma/mellanox/vma_extra.h"

static struct vma_api_t *api;

struct seen {
	char text[64];
	unsigned int n;
	size_t bytes;
	vma_recv_callback_retval_t verdict;
	void (*act)(struct seen *seen, int fd);
	struct vma_info_t info;
	struct sockaddr_in src, dst;
	void *held[512];
	unsigned int n_held;
	int result, error;
};

static vma_recv_callback_retval_t
look(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	struct seen *seen = context;
	size_t used = strlen(seen->text);

	assert_int_equal(n, 1);
	assert_true(sock_in_callback());
	seen->n++;
	seen->bytes += iov->iov_len;
	seen->info = *info;
	seen->src = *info->src;
	seen->dst = *info->dst;
	assert_int_equal(info->payload_sz, iov->iov_len);
	if (used + iov->iov_len < sizeof(seen->text))
		memcpy(seen->text + used, iov->iov_base, iov->iov_len);
	if (seen->act != NULL)
		seen->act(seen, fd);
	if (seen->verdict == VMA_PACKET_HOLD)
		seen->held[seen->n_held++ % RTE_DIM(seen->held)] = info->packet_id;
	return seen->verdict;
}

static void
pair(int *client, int *server, struct seen *seen)
{
	int on = 1;

	cable_pair(client, server, 0);
	assert_int_equal(dpvma_setsockopt(*client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	assert_int_equal(api->register_recv_callback(*server, look, seen), 0);
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(dpvma_send(fd, text, strlen(text), 0), strlen(text));
	cable_settle();
}

static ssize_t
recv_now(int fd, char *buf, size_t len)
{
	memset(buf, 0, len);
	return dpvma_recv(fd, buf, len, MSG_DONTWAIT);
}

/* Nothing can be read, and who asks has had callbacks run. */
static void
reads_nothing(int fd)
{
	char c;

	assert_errno((int)recv_now(fd, &c, 1), EAGAIN);
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
end(int a, int b)
{
	dpvma_close(a);
	dpvma_close(b);
}

static void
passes(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV };
	int client, server, on = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE, queued;
	struct pollfd p = { .events = POLLIN };
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	char buf[16];

	(void)state;
	pair(&client, &server, &seen);
	p.fd = server;
	send_text(client, "one");
	assert_int_equal(dpvma_poll(&p, 1, 1000), 1);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.text, "one");
	assert_int_equal(seen.info.struct_sz, 80);
	assert_int_equal(seen.info.socket_ready_queue_pkt_count, 0);
	assert_int_equal(seen.info.socket_ready_queue_byte_count, 0);
	assert_int_equal(seen.info.sw_timestamp.tv_sec | seen.info.hw_timestamp.tv_sec, 0);
	assert_int_equal(dpvma_getpeername(server, (struct sockaddr *)&sin, &len), 0);
	assert_memory_equal(&seen.src, &sin, 8);
	assert_int_equal(dpvma_getsockname(server, (struct sockaddr *)&sin, &len), 0);
	assert_memory_equal(&seen.dst, &sin, 8);
	/* the queue is not empty: it is not asked */
	send_text(client, "two");
	assert_int_equal(dpvma_poll(&p, 1, 0), 1);
	assert_int_equal(dpvma_ioctl(server, FIONREAD, &queued), 0);
	assert_int_equal(queued, 6);
	assert_int_equal(recv_now(server, buf, sizeof(buf)), 6);
	assert_string_equal(buf, "onetwo");
	assert_int_equal(seen.n, 1);
	/* and is again once it is */
	dpvma_setsockopt(server, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof(on));
	send_text(client, "three");
	assert_int_equal(recv_now(server, buf, sizeof(buf)), 5);
	assert_string_equal(seen.text, "onethree");
	assert_true(seen.info.sw_timestamp.tv_sec > 1000000000);
	end(client, server);
}

/* More than the window is dropped: it opens again each time. */
static void
drops(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP };
	static char data[65536];
	size_t all = 4 << 20, sent = 0;
	int client, server;
	char c;

	(void)state;
	pair(&client, &server, &seen);
	while (sent < all || seen.bytes < sent) {
		ssize_t n = sent < all ? dpvma_send(client, data, sizeof(data), MSG_DONTWAIT) : 0;

		sent += n > 0 ? (size_t)n : 0;
		assert_errno((int)recv_now(client, &c, 1), EAGAIN);
		reads_nothing(server);
	}
	assert_int_equal(seen.bytes, sent);
	assert_int_equal(counter(server, SOCK_STAT_rx_callback_drop), seen.n);
	assert_int_equal(counter(server, SOCK_STAT_rx_bytes), sent);
	/* the end is seen behind what was dropped */
	send_text(client, "x");
	dpvma_close(client);
	cable_settle();
	while (recv_now(server, &c, 1) != 0)
		assert_int_equal(errno, EAGAIN);
	assert_int_equal(seen.bytes, sent + 1);
	dpvma_close(server);
}

static void
give_back(int fd, struct seen *seen)
{
	for (unsigned int i = 0; i < seen->n_held; i++) {
		struct vma_packet_t packet = { .packet_id = seen->held[i], .sz_iov = 0xdead };

		assert_int_equal(api->free_packets(fd, &packet, 1), 0);
	}
	seen->n_held = 0;
}

/* Held, data count in the window until they are given back. */
static void
holds(void **state)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	static char data[4096];
	struct vma_packet_t packet;
	int client, server, bufs = 32768;
	struct rte_mempool *pool;
	size_t sent = 0, last;
	unsigned int idle = 0, held;
	struct pollfd p = { .events = POLLIN };
	char c;

	(void)state;
	cable_pair(&client, &server, bufs);
	seen->verdict = VMA_PACKET_HOLD;
	assert_int_equal(api->register_recv_callback(server, look, seen), 0);
	p.fd = server;
	memset(data, 'h', sizeof(data));
	while (idle < 50) {
		ssize_t n = dpvma_send(client, data, sizeof(data), MSG_DONTWAIT);

		last = seen->bytes;
		sent += n > 0 ? (size_t)n : 0;
		cable_settle();
		assert_errno((int)recv_now(client, &c, 1), EAGAIN);
		assert_int_equal(dpvma_poll(&p, 1, 0), 0);
		idle = seen->bytes == last ? idle + 1 : 0;
	}
	/* the window is full, and what was sent beyond waits at the sender */
	assert_true(seen->bytes < sent && seen->bytes <= 2u * (size_t)bufs);
	held = seen->n_held;
	assert_true(held < RTE_DIM(seen->held));
	assert_int_equal(counter(server, SOCK_STAT_rx_callback_hold), held);
	/* buffers of the cable, which the stack does not know */
	pool = ((struct rte_mbuf *)seen->held[0])->pool;
	assert_int_equal(ring_pool_known(pool), 0);
	assert_int_equal(*rte_pktmbuf_mtod((struct rte_mbuf *)seen->held[0], char *), 'h');
	packet.packet_id = seen->held[0];
	give_back(server, seen);
	assert_errno(api->free_packets(server, &packet, 1), ENOENT);
	assert_int_equal(counter(server, SOCK_STAT_rx_lent_back), held);
	seen->verdict = VMA_PACKET_DROP;
	while (seen->bytes < sent) {
		cable_settle();
		assert_errno((int)recv_now(client, &c, 1), EAGAIN);
		reads_nothing(server);
	}
	ring_pool_forgotten(pool);
	end(client, server);
	free(seen);
}

/* As another than the application's threads leaves them. */
static void
deliver(int fd)
{
	struct sock *s = sock_get(fd);

	while (__atomic_load_n(&callbacks_waiting, __ATOMIC_RELAXED) == 0)
		s->ops->poll(s);
	sock_put(s);
}

static void
hidden(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP };
	int client, server, queued;
	struct sock *s;
	char buf[16];

	(void)state;
	pair(&client, &server, &seen);
	s = sock_get(server);
	send_text(client, "ab");
	deliver(server);
	assert_int_equal(s->ops->revents(s) & POLLIN, 0);
	assert_int_equal(dpvma_ioctl(server, FIONREAD, &queued), 0);
	assert_int_equal(queued, 0);
	/* without a callback it is everybody's, in order, and what is queued when one comes stays
	 * so */
	assert_int_equal(api->register_recv_callback(server, NULL, NULL), 0);
	send_text(client, "cd");
	while (queued != 4) {
		s->ops->poll(s);
		assert_int_equal(dpvma_ioctl(server, FIONREAD, &queued), 0);
	}
	sock_put(s);
	assert_int_equal(recv_now(server, buf, 3), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(api->register_recv_callback(server, look, &seen), 0);
	assert_int_equal(recv_now(server, buf, sizeof(buf)), 1);
	assert_string_equal(buf, "d");
	assert_int_equal(seen.n, 0);
	send_text(client, "e");
	reads_nothing(server);
	assert_string_equal(seen.text, "e");
	/* closed with data that nobody judged */
	send_text(client, "f");
	deliver(server);
	dpvma_close(server);
	assert_int_equal(callbacks_waiting, 0);
	assert_int_equal(seen.n, 1);
	dpvma_close(client);
}

static void
not_inherited(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP };
	int client = dpvma_socket(AF_INET, SOCK_STREAM, 0), server, l;
	uint16_t port;
	char buf[8];

	(void)state;
	l = cable_listener(&port);
	assert_int_equal(api->register_recv_callback(l, look, &seen), 0);
	/* before there is a connection */
	assert_int_equal(api->register_recv_callback(client, look, &seen), 0);
	assert_int_equal(cable_dial(client, port), 0);
	server = dpvma_accept(l, NULL, NULL);
	assert_true(server >= 0);
	send_text(client, "x");
	assert_int_equal(dpvma_recv(server, buf, sizeof(buf), 0), 1);
	assert_int_equal(seen.n, 0);
	send_text(server, "y");
	reads_nothing(client);
	assert_string_equal(seen.text, "y");
	dpvma_close(l);
	end(client, server);
}

/** @name Inside */
/** @{ */
static void
answer_inside(struct seen *seen, int fd)
{
	char c;

	errno = 0;
	seen->result = (int)dpvma_recv(fd, &c, 1, 0);
	seen->error = errno;
	seen->result += dpvma_send(fd, "re", 2, 0) != 2;
}

static void
close_inside(struct seen *seen, int fd)
{
	seen->result = dpvma_close(fd);
}

static void
leave_inside(struct seen *seen, int fd)
{
	seen->result = api->register_recv_callback(fd, NULL, NULL);
}

/* The batch is of a connection that is no more when it is settled. */
static void
disconnect_inside(struct seen *seen, int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	seen->result = dpvma_connect(fd, &none, sizeof(none));
}

static void
inside(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_DROP, .act = answer_inside };
	unsigned int alive = sock_alive();
	int client, server;
	char buf[8];

	(void)state;
	pair(&client, &server, &seen);
	send_text(client, "a");
	reads_nothing(server);
	assert_int_equal(seen.result, -1);
	assert_int_equal(seen.error, EAGAIN);
	assert_int_equal(dpvma_recv(client, buf, sizeof(buf), 0), 2);
	assert_memory_equal(buf, "re", 2);
	seen.act = leave_inside;
	seen.verdict = VMA_PACKET_RECV;
	send_text(client, "b");
	assert_int_equal(recv_now(server, buf, sizeof(buf)), 1);
	send_text(client, "c");
	assert_int_equal(recv_now(server, buf, sizeof(buf)), 1);
	assert_string_equal(seen.text, "ab");
	seen.act = close_inside;
	assert_int_equal(api->register_recv_callback(server, look, &seen), 0);
	send_text(client, "d");
	dpvma_recv(server, buf, sizeof(buf), MSG_DONTWAIT);
	assert_string_equal(seen.text, "abd");
	assert_int_equal(seen.result, 0);
	assert_false(sock_is_ours(server));
	dpvma_close(client);
	pair(&client, &server, &seen);
	seen.act = disconnect_inside;
	send_text(client, "e");
	assert_int_equal(recv_now(server, buf, sizeof(buf)), -1);
	assert_string_equal(seen.text, "abde");
	assert_int_equal(seen.result, 0);
	end(client, server);
	assert_int_equal(sock_alive(), alive);
}
/** @} */

/** @name A reader that sleeps */
/** @{ */
struct sleeper {
	pthread_t thread;
	int fd;
	uint32_t turns, sum, got;
	ssize_t ret;
};

static vma_recv_callback_retval_t
every_other(int fd, size_t n, struct iovec *iov, struct vma_info_t *info, void *context)
{
	struct sleeper *r = context;
	size_t i;

	(void)fd;
	(void)n;
	(void)info;
	if (__atomic_fetch_add(&r->turns, 1, __ATOMIC_RELAXED) % 2 == 0)
		return VMA_PACKET_RECV;
	for (i = 0; i < iov->iov_len; i++)
		r->sum += ((uint8_t *)iov->iov_base)[i];
	r->got += (uint32_t)iov->iov_len;
	return VMA_PACKET_DROP;
}

static void *
reads(void *arg)
{
	struct sleeper *r = arg;
	uint8_t buf[8192];
	ssize_t i;

	while ((r->ret = dpvma_recv(r->fd, buf, sizeof(buf), 0)) > 0) {
		for (i = 0; i < r->ret; i++)
			r->sum += buf[i];
		r->got += (uint32_t)r->ret;
	}
	return NULL;
}

/* What is read and what is dropped is together what was sent, whoever delivers. */
static void
whole(void **state)
{
	struct sleeper r = { 0 };
	uint32_t sum = 0, sent = 0;
	uint8_t data[3000];
	int client, i;

	(void)state;
	cable_pair(&client, &r.fd, 0);
	assert_int_equal(api->register_recv_callback(r.fd, every_other, &r), 0);
	assert_int_equal(pthread_create(&r.thread, NULL, reads, &r), 0);
	for (i = 0; i < 500; i++) {
		size_t len = 1 + (size_t)(i * 37) % sizeof(data), k;

		for (k = 0; k < len; k++) {
			data[k] = (uint8_t)(i * 7 + (int)k);
			sum += data[k];
		}
		assert_int_equal(dpvma_send(client, data, len, 0), len);
		sent += (uint32_t)len;
	}
	dpvma_shutdown(client, SHUT_WR);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.ret, 0);
	assert_int_equal(r.got, sent);
	assert_int_equal(r.sum, sum);
	assert_true(r.turns > 1);
	end(client, r.fd);
}
/** @} */

/* What passed of one connection and was not read opens nothing for the next. */
static void
next_connection(void **state)
{
	struct seen seen = { .verdict = VMA_PACKET_RECV };
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	uint16_t port;
	int l = cable_listener(&port), fd = dpvma_socket(AF_INET, SOCK_STREAM, 0), peer;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)state;
	assert_int_equal(cable_dial(fd, port), 0);
	peer = dpvma_accept(l, NULL, NULL);
	assert_int_equal(api->register_recv_callback(fd, look, &seen), 0);
	send_text(peer, "old");
	assert_int_equal(dpvma_poll(&p, 1, 1000), 1);
	assert_string_equal(seen.text, "old");
	assert_int_equal(dpvma_connect(fd, &none, sizeof(none)), 0);
	dpvma_close(peer);
	assert_int_equal(cable_dial(fd, port), 0);
	peer = dpvma_accept(l, NULL, NULL);
	seen.verdict = VMA_PACKET_DROP;
	send_text(peer, "new");
	/* before any receive call, which would find the queue empty */
	assert_int_equal(dpvma_poll(&p, 1, 0), 0);
	assert_string_equal(seen.text, "oldnew");
	dpvma_close(l);
	end(peer, fd);
}

static int
setup(void **state)
{
	(void)state;
	cable_start(NULL);
	api = dpvma_get_api();
	assert_non_null(api);
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
		cmocka_unit_test(passes),
		cmocka_unit_test(drops),
		cmocka_unit_test(holds),
		cmocka_unit_test(hidden),
		cmocka_unit_test(not_inherited),
		cmocka_unit_test(next_connection),
		cmocka_unit_test(inside),
		cmocka_unit_test(whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
