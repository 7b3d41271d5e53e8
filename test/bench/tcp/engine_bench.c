/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine costs by itself: cycles of its calls alone, no device and no copy of the wire.
 *
 *  - bulk: two engines back to back, one connection, full segments in order: cycles a segment at
 *    the sender (send call, acknowledgements) and at the receiver (input, read);
 *  - from ten connections to a million held by a server: accepting one more (SYN, ACK, accept, and
 *    its abort apart), and a segment of 64 bytes to any of them (input, read, timers), whose
 *    acknowledgement the timer sends; and the memory of an idle one.
 *
 * The lowest of several rounds. Peers of the second part are packets made here.
 * Usage: engine_bench [MOST-CONNECTIONS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_random.h>

#include "tcp/tcp_priv.h"

#define BURST 32u
#define QUEUE 4096u
#define MTU 1500u
#define ROUNDS 7
#define PORT RTE_BE16(80)
#define SEGMENT 64u

/* An engine and what it has sent. */
struct end {
	struct tcp_engine *engine;
	struct rte_mbuf *out[QUEUE];
	uint32_t src[QUEUE], dst[QUEUE]; /* network order */
	unsigned int n_out;
};

static struct rte_mempool *pool;
static uint64_t now = SEC;

#define DIE(...) rte_exit(EXIT_FAILURE, __VA_ARGS__)

static void
engine_out(void *ctx, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct end *e = ctx;

	for (uint16_t i = 0; i < n; i++) {
		if (e->n_out == QUEUE)
			DIE("more than %u packets at once\n", QUEUE);
		e->src[e->n_out] = ip_v4(&out->key->local);
		e->dst[e->n_out] = ip_v4(&out->key->remote);
		e->out[e->n_out++] = pkts[i];
	}
}

static void
event(void *ctx, void *owner, unsigned int events)
{
	(void)ctx;
	(void)owner;
	(void)events;
}

static uint16_t
mtu(void *ctx, const struct tcp_key *key)
{
	(void)ctx;
	(void)key;
	return MTU;
}

static void
end_open(struct end *e)
{
	struct tcp_config config = { .ops = { .output = engine_out, .event = event, .mtu = mtu },
		.ctx = e,
		.tx_pool = pool,
		.seed = 7 };

	memset(e, 0, sizeof(*e));
	if (tcp_engine_create(&config, &e->engine) != 0)
		DIE("no engine\n");
	tcp_clock(e->engine, now);
}

static void
end_clear(struct end *e)
{
	rte_pktmbuf_free_bulk(e->out, e->n_out);
	e->n_out = 0;
}

/* An IP packet for an engine, its header made and room for len bytes of TCP behind it. */
static struct rte_mbuf *
packet(uint32_t src, uint32_t dst, unsigned int len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv4_hdr *ip;

	if (m == NULL)
		DIE("no buffers\n");
	ip = (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*ip) + len));
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = src,
		.dst_addr = dst,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len)) };
	m->l2_len = 0;
	m->l3_len = sizeof(*ip);
	return m;
}

/* Cycles of the engine at the other end for all that from has sent; the number of packets in n. */
static uint64_t
wire(struct end *from, struct end *to, unsigned int *n)
{
	struct rte_mbuf *burst[BURST];
	uint64_t cycles = 0, start;

	*n = from->n_out;
	for (unsigned int done = 0, k; done < from->n_out; done += k) {
		for (k = 0; k < BURST && done + k < from->n_out; k++) {
			const struct rte_mbuf *m = from->out[done + k];
			char *p;

			burst[k] = packet(from->src[done + k], from->dst[done + k], m->pkt_len);
			p = rte_pktmbuf_mtod_offset(burst[k], char *, sizeof(struct rte_ipv4_hdr));
			for (; m != NULL; p += m->data_len, m = m->next)
				memcpy(p, rte_pktmbuf_mtod(m, void *), m->data_len);
		}
		start = rte_rdtsc_precise();
		tcp_input(to->engine, burst, (uint16_t)k);
		cycles += rte_rdtsc_precise() - start;
	}
	end_clear(from);
	return cycles;
}

static void
tick(struct end *a, struct end *b, uint64_t ns)
{
	now += ns;
	tcp_clock(a->engine, now);
	tcp_clock(b->engine, now);
}

static struct tcp_conn *
connect_ends(struct end *a, struct end *b, const struct tcp_options *opt,
		struct tcp_conn **accepted)
{
	struct tcp_key key = { .local = ip_from_v4(RTE_BE32(0x0a000001)),
		.remote = ip_from_v4(RTE_BE32(0x0a000002)),
		.lport = RTE_BE16(1024),
		.rport = PORT };
	struct ip_addr any = { .d = { 0, 0 } };
	struct tcp_listener *l;
	struct tcp_conn *conn;
	unsigned int n;

	if (tcp_listen(b->engine, &any, PORT, 16, opt, NULL, &l) != 0 ||
			tcp_connect(a->engine, &key, opt, a, &conn) != 0)
		DIE("no connection\n");
	for (unsigned int i = 0; i < 4; i++) {
		wire(a, b, &n);
		wire(b, a, &n);
	}
	*accepted = tcp_accept(l);
	if (*accepted == NULL)
		DIE("not accepted\n");
	tcp_set_owner(*accepted, b);
	return conn;
}

struct bulk {
	uint64_t send, acks, input, read;
	unsigned int segs, ack_segs;
};

static struct bulk
bulk_round(struct end *a, struct end *b, struct tcp_conn *from, struct tcp_conn *to)
{
	static char data[32 * 1448];
	struct iovec iov = { data, sizeof(data) };
	struct bulk r = { .segs = 0 };
	unsigned int n;

	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t start;

		tick(a, b, 50000);
		start = rte_rdtsc_precise();
		tcp_send(from, &iov, 1, 0, 0);
		tcp_timers(a->engine);
		r.send += rte_rdtsc_precise() - start;
		r.input += wire(a, b, &n);
		r.segs += n;
		start = rte_rdtsc_precise();
		while (tcp_recv(to, &iov, 1, 0, 0) > 0)
			;
		tcp_timers(b->engine);
		r.read += rte_rdtsc_precise() - start;
		r.acks += wire(b, a, &n);
		r.ack_segs += n;
	}
	return r;
}

static void
bulk(void)
{
	static struct end a, b;
	struct tcp_options opt;
	struct tcp_conn *from, *to;
	struct bulk best = { .segs = 0 };

	end_open(&a);
	end_open(&b);
	tcp_options_default(&opt);
	opt.sndbuf = opt.rcvbuf = 1 << 20;
	from = connect_ends(&a, &b, &opt, &to);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct bulk r = bulk_round(&a, &b, from, to);

		if (r.segs == 0)
			DIE("nothing moves\n");
		if (best.segs == 0 ||
				(r.send + r.acks + r.input + r.read) / r.segs <
						(best.send + best.acks + best.input + best.read) /
								best.segs)
			best = r;
	}
	printf("bulk, cycles a segment of %u: send %.0f, acknowledgements %.0f; input %.0f, read "
	       "%.0f; %.2f segments an acknowledgement; %u at once\n",
			MTU - 52, (double)best.send / best.segs, (double)best.acks / best.segs,
			(double)best.input / best.segs, (double)best.read / best.segs,
			(double)best.segs / RTE_MAX(best.ack_segs, 1u), best.segs / 1000);
	tcp_engine_destroy(a.engine);
	tcp_engine_destroy(b.engine);
}

/* --- many connections --- */

/* The other end of one, which is nothing but numbers. */
struct peer {
	struct tcp_conn *conn;
	uint32_t seq, ack, ts_ecr;
};

static struct end server;
static struct tcp_listener *listener;
static struct peer *peers;

/* A segment of peer i; options are timestamps, and those of a SYN besides. */
static struct rte_mbuf *
segment(uint32_t i, uint8_t flags, unsigned int len)
{
	struct tcp_opts o = { .have = OPT_TS,
		.mss = 1460,
		.wscale = 7,
		.ts_ecr = peers[i].ts_ecr,
		.ts_val = (uint32_t)(now / MSEC) };
	struct rte_tcp_hdr *th;
	struct rte_mbuf *m;
	unsigned int hdr;

	if ((flags & RTE_TCP_SYN_FLAG) != 0)
		o.have |= OPT_MSS | OPT_WS | OPT_SACK_OK;
	hdr = TCP_HDR_MIN + opts_len(&o);
	m = packet(rte_cpu_to_be_32(0x0b000001 + i / 50000), RTE_BE32(0x0a000001), hdr + len);
	th = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, sizeof(struct rte_ipv4_hdr));
	*th = (struct rte_tcp_hdr){ .src_port = rte_cpu_to_be_16((uint16_t)(1024 + i % 50000)),
		.dst_port = PORT,
		.sent_seq = rte_cpu_to_be_32(peers[i].seq),
		.recv_ack = rte_cpu_to_be_32(peers[i].ack),
		.data_off = (uint8_t)(hdr / 4 << 4),
		.tcp_flags = flags,
		.rx_win = RTE_BE16(0xffff) };
	opts_write((uint8_t *)(th + 1), &o);
	return m;
}

static void
take_syn_acks(uint32_t first)
{
	for (unsigned int k = 0; k < server.n_out; k++) {
		const struct rte_mbuf *m = server.out[k];
		const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
		uint32_t i = (rte_be_to_cpu_32(server.dst[k]) - 0x0b000001) * 50000 +
				rte_be_to_cpu_16(th->dst_port) - 1024;
		struct tcp_opts o;

		if (i - first >= BURST || opts_parse(th, m->data_len, &o) != 0)
			DIE("an answer to nobody\n");
		peers[i].ack = rte_be_to_cpu_32(th->sent_seq) + 1;
		peers[i].seq++;
		peers[i].ts_ecr = o.ts_val;
	}
	end_clear(&server);
}

/* Peers first to first + n - 1 become connections; the cycles of it. */
static uint64_t
accept_burst(uint32_t first, unsigned int n)
{
	struct rte_mbuf *burst[BURST];
	struct tcp_conn *conn[BURST];
	uint64_t cycles, start;

	for (unsigned int k = 0; k < n; k++) {
		peers[first + k] = (struct peer){ .seq = 1000 };
		burst[k] = segment(first + k, RTE_TCP_SYN_FLAG, 0);
	}
	start = rte_rdtsc_precise();
	tcp_input(server.engine, burst, (uint16_t)n);
	cycles = rte_rdtsc_precise() - start;
	take_syn_acks(first);
	for (unsigned int k = 0; k < n; k++)
		burst[k] = segment(first + k, RTE_TCP_ACK_FLAG, 0);
	start = rte_rdtsc_precise();
	tcp_input(server.engine, burst, (uint16_t)n);
	for (unsigned int k = 0; k < n; k++) {
		conn[k] = tcp_accept(listener);
		if (conn[k] != NULL)
			tcp_set_owner(conn[k], &server);
	}
	cycles += rte_rdtsc_precise() - start;
	for (unsigned int k = 0; k < n; k++) {
		uint32_t i;

		if (conn[k] == NULL)
			DIE("peer %u is not accepted\n", first + k);
		i = (rte_be_to_cpu_32(ip_v4(&tcp_conn_key(conn[k])->remote)) - 0x0b000001) * 50000 +
				rte_be_to_cpu_16(tcp_conn_key(conn[k])->rport) - 1024;
		peers[i].conn = conn[k];
	}
	end_clear(&server);
	return cycles;
}

/* With n held: as many as make a number worth dividing by come and go. Cycles each. */
static double
accept_more(uint32_t n, double *abort_cycles)
{
	uint64_t cycles = 0, aborts = 0;
	enum { TIMES = 64 };

	for (unsigned int t = 0; t < TIMES; t++) {
		uint64_t start;

		now += 20000;
		tcp_clock(server.engine, now);
		cycles += accept_burst(n, BURST);
		start = rte_rdtsc_precise();
		for (unsigned int k = 0; k < BURST; k++)
			tcp_abort(peers[n + k].conn);
		aborts += rte_rdtsc_precise() - start;
		end_clear(&server);
	}
	*abort_cycles = (double)aborts / (TIMES * BURST);
	return (double)cycles / (TIMES * BURST);
}

/* Segments to any of n, the reading of them, and the timers that acknowledge. Cycles each. */
static double
segments(uint32_t n)
{
	static char data[SEGMENT];
	struct iovec iov = { data, sizeof(data) };
	struct rte_mbuf *burst[BURST];
	uint32_t who[BURST];
	uint64_t cycles = 0, start;
	enum { TIMES = 1024 };

	for (unsigned int t = 0; t < TIMES; t++) {
		now += 100000;
		tcp_clock(server.engine, now);
		for (unsigned int k = 0; k < BURST; k++) {
			who[k] = (uint32_t)rte_rand_max(n);
			burst[k] = segment(who[k], RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, SEGMENT);
			peers[who[k]].seq += SEGMENT;
		}
		start = rte_rdtsc_precise();
		tcp_input(server.engine, burst, BURST);
		for (unsigned int k = 0; k < BURST; k++)
			tcp_recv(peers[who[k]].conn, &iov, 1, 0, 0);
		tcp_timers(server.engine);
		cycles += rte_rdtsc_precise() - start;
		end_clear(&server);
	}
	return (double)cycles / (TIMES * BURST);
}

static size_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, pages = 0;

	if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void
many(uint32_t most)
{
	struct tcp_options opt;
	struct ip_addr any = { .d = { 0, 0 } };
	double first[3] = { 0 };
	uint32_t held = 0;
	size_t before;

	end_open(&server);
	tcp_options_default(&opt);
	if (tcp_listen(server.engine, &any, PORT, 1024, &opt, NULL, &listener) != 0)
		DIE("cannot listen\n");
	peers = calloc(most + BURST, sizeof(*peers));
	memset(peers, 1, (most + BURST) * sizeof(*peers));
	before = resident();
	printf("%8s %16s %16s %16s %14s   cycles each (times ten's)\n", "held", "accept", "abort",
			"64 B segment", "bytes each");
	for (uint32_t n = 10; n <= most; n *= 10) {
		double best[3] = { 1e12, 1e12, 1e12 };

		while (held < n) {
			unsigned int k = RTE_MIN(n - held, BURST);

			now += 20000;
			tcp_clock(server.engine, now);
			accept_burst(held, k);
			tcp_timers(server.engine);
			end_clear(&server);
			held += k;
		}
		for (unsigned int r = 0; r < ROUNDS; r++) {
			double c[3];

			c[0] = accept_more(n, &c[1]);
			c[2] = segments(n);
			for (unsigned int i = 0; i < 3; i++)
				best[i] = RTE_MIN(best[i], c[i]);
		}
		printf("%8u", n);
		for (unsigned int i = 0; i < 3; i++) {
			first[i] = n == 10 ? best[i] : first[i];
			printf(" %9.0f (%4.2f)", best[i], best[i] / first[i]);
		}
		printf(" %14zu\n", (resident() - before) / n);
	}
	free(peers);
	tcp_engine_destroy(server.engine);
}

int
main(int argc, char **argv)
{
	char prefix[64];
	char *args[] = { argv[0], (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-shconf",
		(char *)"--no-telemetry", (char *)"-m", (char *)"256", (char *)"-l", (char *)"0",
		prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=tcp_bench-%d", (int)getpid());
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create("bench", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL)
		DIE("no pool\n");
	rte_srand(1);
	bulk();
	many(argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000);
	return rte_eal_cleanup() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
