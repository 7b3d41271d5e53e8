/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending: what leaves, in which bursts, what is refused and with which error, and what a full
 * queue does.
 */
#include "fake.h"

static uint8_t data[70000];

struct dest {
	struct ip_addr addr;
	struct iovec iov[3];
};

/* To somebody, or to the peer when text is NULL; d has to live as long. */
static struct udp_out
out(struct dest *d, const char *to, uint32_t from, uint32_t len)
{
	d->addr = addr(to);
	d->iov[0] = (struct iovec){ data + from, len };
	return (struct udp_out){ .iov = d->iov,
		.iovcnt = 1,
		.addr = to != NULL ? &d->addr : NULL,
		.port_be = RTE_BE16(9),
		.tos = -1,
		.ttl = -1 };
}

static int
send_len(struct udp_sock *s, const char *to, uint32_t len)
{
	struct dest d;
	struct udp_out o = out(&d, to, 0, len);

	return udp_send(s, &o, 1, false);
}

static void
batches(void **state)
{
	struct udp_sock *s = sock_new();
	struct udp_out o[100];
	struct dest d[100];
	unsigned int routes;

	(void)state;
	assert_int_equal(send_len(s, NULL, 1), -EDESTADDRREQ);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	assert_int_equal(send_len(s, NULL, 1), 1);
	routes = fake_routes;
	fake_sent_n = fake_bursts = 0;
	for (uint32_t i = 0; i < RTE_DIM(o); i++)
		o[i] = out(&d[i], NULL, i, i);
	assert_int_equal(udp_send(s, o, RTE_DIM(o), false), 100);
	assert_int_equal(fake_routes, routes);
	assert_int_equal(fake_bursts, 2);
	assert_int_equal(fake_sent_n, 100);
	for (uint32_t i = 0; i < RTE_DIM(o); i++) {
		const struct fake_sent *t = &fake_sent[i];

		assert_int_equal(t->len, i);
		assert_int_equal(t->dgram_len, i + 8);
		assert_int_equal(t->sport, sock_port(s));
		assert_int_equal(t->dport, 9);
		assert_memory_equal(t->data, data + i, i);
		assert_int_equal(t->ttl, 64);
	}
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_packets), 101);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_bytes), 1 + 99 * 100 / 2);
	/* Options count from the next call on; routes that changed are asked for again. */
	udp_options(s)->ttl = 7;
	udp_options(s)->tos = 0x10;
	udp_options(s)->no_check = true;
	assert_int_equal(send_len(s, NULL, 1), 1);
	assert_int_equal(fake_sent[100].ttl, 7);
	assert_int_equal(fake_sent[100].tos, 0x10);
	assert_true(fake_sent[100].no_check);
	net_generation++;
	assert_int_equal(send_len(s, NULL, 1), 1);
	assert_int_equal(fake_routes, routes + 2);
	udp_close(s);
}

/* Fragments of the program's memory, none of it, and more than a buffer holds. */
static void
vectors(void **state)
{
	struct udp_sock *s = sock_new();
	struct dest d;
	struct udp_out o = out(&d, PEER, 0, 5);

	(void)state;
	d.iov[1] = (struct iovec){ NULL, 0 };
	d.iov[2] = (struct iovec){ data + 100, 1000 };
	o.iovcnt = 3;
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(fake_sent[0].len, 1005);
	assert_memory_equal(fake_sent[0].data, data, 5);
	assert_memory_equal(fake_sent[0].data + 5, data + 100, 1000);
	o.iovcnt = 0;
	o.iov = NULL;
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(fake_sent[1].len, 0);
	o.iov = d.iov;
	o.iovcnt = 3;
	d.iov[2].iov_len = 20000;
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(fake_sent[2].len, 20005);
	assert_int_equal(fake_sent[2].dgram_len, 20013);
	assert_true(fake_sent[2].segs > 1);
	assert_memory_equal(fake_sent[2].data + 5, data + 100, sizeof(fake_sent[2].data) - 5);
	assert_int_equal(fake_sent[2].last, data[20099]);
	assert_int_equal(send_len(s, PEER, 65507), 1);
	assert_int_equal(fake_sent[3].len, 65507);
	assert_int_equal(fake_sent[3].last, data[65506]);
	udp_close(s);
}

static void
refusals(void **state)
{
	struct udp_sock *s = sock_new();
	struct dest d[3];
	struct udp_out o[3];

	(void)state;
	assert_int_equal(send_len(s, PEER, 65508), -EMSGSIZE);
	assert_int_equal(send_len(s, "192.168.1.1", 1), -ENETUNREACH);
	assert_int_equal(send_len(s, A0, 1), -EREMOTE);
	assert_int_equal(send_len(s, "255.255.255.255", 1), -EACCES);
	assert_int_equal(send_len(s, "10.0.0.255", 1), -EACCES);
	udp_options(s)->broadcast = true;
	assert_int_equal(send_len(s, "10.0.0.255", 1), 1);
	udp_options(s)->df = true;
	assert_int_equal(send_len(s, PEER, 1472), 1);
	assert_true(fake_sent[1].df);
	assert_int_equal(send_len(s, PEER, 1473), -EMSGSIZE);
	/* as on Linux, a neighbour that is silent is no error of the datagram */
	assert_int_equal(send_len(s, "10.0.0.99", 1), 1);
	fake_sent_n--;
	/* It stops at the first that cannot be. */
	o[0] = out(&d[0], PEER, 0, 1);
	o[1] = out(&d[1], "192.168.1.1", 0, 1);
	o[2] = out(&d[2], PEER, 0, 1);
	assert_int_equal(udp_send(s, o, 3, false), 1);
	o[0].port_be = 0;
	assert_int_equal(udp_send(s, o, 3, false), -EINVAL);
	assert_int_equal(fake_sent_n, 3);
	fake_tx_buffers = 1;
	o[0].port_be = RTE_BE16(9);
	assert_int_equal(send_len(s, PEER, 1), 1);
	assert_int_equal(send_len(s, PEER, 1), -ENOBUFS);
	/* The second buffer of a long one is lacking: the first goes back. */
	udp_options(s)->df = false;
	fake_tx_buffers = 1;
	assert_int_equal(send_len(s, PEER, 5000), -ENOBUFS);
	udp_close(s);
}

/* More destinations than are kept, each with its own data, and then the same ones again. */
static void
destinations(void **state)
{
	struct udp_sock *s = sock_new();
	struct udp_out o[40];
	struct dest d[40];
	char to[16];
	unsigned int routes;

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(o); i++) {
		snprintf(to, sizeof(to), "10.0.%u.%u", i & 1, 20 + i % 20);
		o[i] = out(&d[i], to, i, 8);
	}
	assert_int_equal(udp_send(s, o, RTE_DIM(o), false), 40);
	for (uint32_t i = 0; i < RTE_DIM(o); i++) {
		assert_true(ip_equal(&fake_sent[i].dst, &d[i].addr));
		assert_memory_equal(fake_sent[i].data, data + i, 8);
		assert_ptr_equal(fake_sent[i].ring->port, &fake_ports[i & 1]);
	}
	assert_int_equal(udp_send(s, o, 8, false), 8);
	routes = fake_routes;
	fake_bursts = 0;
	assert_int_equal(udp_send(s, o, 8, false), 8);
	assert_int_equal(fake_routes, routes);
	assert_int_equal(fake_bursts, 8);
	udp_close(s);
}

static void
sources(void **state)
{
	struct udp_sock *s = sock_new();
	struct ip_addr src = addr("10.0.0.77");
	struct dest d[2];
	struct udp_out o[2] = { out(&d[0], PEER, 0, 1), out(&d[1], PEER, 0, 1) };

	(void)state;
	o[0].src = &src;
	o[0].ttl = 3;
	o[0].tos = 9;
	assert_int_equal(udp_send(s, o, 2, false), 2);
	assert_true(ip_equal(&fake_sent[0].src, &src));
	assert_int_equal(fake_sent[0].ttl, 3);
	assert_int_equal(fake_sent[0].tos, 9);
	assert_false(ip_equal(&fake_sent[1].src, &src));
	assert_int_equal(fake_sent[1].ttl, 64);
	/* The same to a peer, whose way is one: the batch is cut between. */
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	o[0].addr = o[1].addr = NULL;
	assert_int_equal(udp_send(s, o, 2, false), 2);
	assert_int_equal(fake_sent[2].ttl, 3);
	assert_int_equal(fake_sent[3].ttl, 64);
	udp_close(s);
}

static void
segments(void **state)
{
	struct udp_sock *s = sock_new();
	struct dest d;
	struct udp_out o = out(&d, PEER, 0, 2500);

	(void)state;
	udp_options(s)->gso_size = 1000;
	d.iov[0].iov_len = 700;
	d.iov[1] = (struct iovec){ data + 700, 1800 };
	o.iovcnt = 2;
	assert_int_equal(udp_send(s, &o, 1, false), 1);
	assert_int_equal(fake_sent_n, 3);
	assert_int_equal(fake_bursts, 1);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(fake_sent[i].len, i < 2 ? 1000 : 500);
		assert_memory_equal(fake_sent[i].data, data + i * 1000, fake_sent[i].len);
	}
	assert_int_equal(send_len(s, PEER, 1000), 1);
	assert_int_equal(send_len(s, PEER, 0), 1);
	assert_int_equal(fake_sent_n, 5);
	udp_options(s)->gso_size = 10;
	assert_int_equal(send_len(s, PEER, 640), 1);
	assert_int_equal(fake_sent_n, 69);
	assert_int_equal(send_len(s, PEER, 641), -EINVAL);
	udp_options(s)->gso_size = 1473;
	assert_int_equal(send_len(s, PEER, 1), -EINVAL);
	udp_close(s);
}

/* A queue that takes some: silence, or VMA_TX_NONBLOCKED_EAGAINS. */
static void
full(void **state)
{
	struct udp_sock *s = sock_new();
	struct udp_out o[10];
	struct dest d[10];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(o); i++)
		o[i] = out(&d[i], PEER, 0, 1);
	fake_tx_room = 4;
	assert_int_equal(udp_send(s, o, 10, false), 10);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_drop), 6);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_packets), 4);
	assert_int_equal(conf_set("VMA_TX_NONBLOCKED_EAGAINS", "1"), 0);
	fake_tx_room = 4;
	assert_int_equal(udp_send(s, o, 10, false), 4);
	assert_int_equal(udp_send(s, o, 10, false), -EAGAIN);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_eagain), 16);
	assert_int_equal(conf_set("VMA_TX_NONBLOCKED_EAGAINS", "0"), 0);
	udp_close(s);
}

static void
multicast(void **state)
{
	struct udp_sock *s = sock_new(), *r = sock_new();
	struct ring *ring;

	(void)state;
	assert_int_equal(send_len(s, GROUP, 1), 1);
	assert_int_equal(fake_sent[0].ttl, 1);
	udp_options(s)->mc_ttl = 5;
	udp_options(s)->mc_port = &fake_ports[1];
	udp_options(s)->mc_addr = addr("10.0.1.1");
	assert_int_equal(send_len(s, GROUP, 1), 1);
	assert_int_equal(fake_sent[1].ttl, 5);
	assert_ptr_equal(fake_sent[1].ring->port, &fake_ports[1]);
	assert_true(ip_equal(&fake_sent[1].src, &udp_options(s)->mc_addr));
	assert_int_equal(fake_loops, 0);
	/* Somebody here listens, on that port number, on that port, and the sender lets it. */
	assert_int_equal(sock_bind(r, GROUP, 9), 0);
	assert_int_equal(sock_mc(r, UDP_MC_JOIN, GROUP, 0, NULL), 0);
	assert_int_equal(send_len(s, GROUP, 1), 1);
	assert_int_equal(fake_loops, 0);
	assert_int_equal(sock_mc(r, UDP_MC_JOIN, GROUP, 1, NULL), 0);
	assert_int_equal(send_len(s, GROUP, 1), 1);
	assert_int_equal(fake_loops, 1);
	assert_ptr_equal(fake_loop_ring->port, &fake_ports[1]);
	udp_options(s)->mc_loop = false;
	assert_int_equal(send_len(s, GROUP, 1), 1);
	assert_int_equal(fake_loops, 1);
	udp_close(r);
	/* Broadcast comes back whatever IP_MULTICAST_LOOP says. */
	r = sock_new();
	assert_int_equal(sock_bind(r, "0.0.0.0", 9), 0);
	assert_int_equal(udp_rings(r, &ring, 1), 2);
	udp_options(s)->broadcast = true;
	assert_int_equal(send_len(s, "255.255.255.255", 1), 1);
	assert_int_equal(fake_loops, 2);
	udp_close(r);
	udp_close(s);
}

static void
dummies_and_headers(void **state)
{
	struct udp_sock *s = sock_new();
	struct dest d;
	struct udp_out o = out(&d, PEER, 0, 100);
	uint8_t hdr[64];

	(void)state;
	assert_int_equal(udp_send(s, &o, 1, true), 1);
	assert_int_equal(fake_sent_n, 0);
	assert_int_equal(fake_dummies, 1);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_packets), 0);
	/* for want of a buffer there is nothing to walk with */
	fake_tx_buffers = 0;
	assert_int_equal(udp_send(s, &o, 1, true), -ENOBUFS);
	assert_int_equal(STAT_GET(udp_stats(s), SOCK, tx_drop), 0);
	fake_tx_buffers = UINT32_MAX;
	d.addr = addr("192.168.1.1");
	assert_int_equal(udp_send(s, &o, 1, true), -ENETUNREACH);
	assert_int_equal(udp_headers(s, hdr, sizeof(hdr)), -ENOTCONN);
	assert_int_equal(sock_connect(s, PEER, 9), 0);
	memset(hdr, 0xee, sizeof(hdr));
	assert_int_equal(udp_headers(s, hdr, 41), 42);
	assert_int_equal(hdr[0], 0xee);
	assert_int_equal(udp_headers(s, hdr, 42), 42);
	assert_int_equal(hdr[14], 0x45);
	assert_int_equal(hdr[36] << 8 | hdr[37], 9);
	assert_int_equal(hdr[42], 0xee);
	udp_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_reset, fake_check_clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(batches),
		TEST(vectors),
		TEST(refusals),
		TEST(destinations),
		TEST(sources),
		TEST(segments),
		TEST(full),
		TEST(multicast),
		TEST(dummies_and_headers),
	};

	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	return cmocka_run_group_tests(tests, fake_start, fake_stop);
}
