/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine costs by itself: cycles of its calls alone, no device and no copy of the wire.
 *
 *  - bulk: two engines back to back, one connection, full segments in order: cycles a segment at
 *    the sender (send call, acknowledgements) and at the receiver (input, read);
 *  - from ten connections to a million held by a server: accepting one more (SYN, ACK, accept, and
 *    its abort apart); a segment of 64 bytes to any of them (input and read), and the timer that
 *    acknowledges it; the memory of an idle one.
 *
 * The lowest of several rounds. Peers of the second part are packets made here.
 * Usage: engine_bench [MOST-CONNECTIONS]
 */
#include <limits.h>
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

/* A span of a burst that took longer was interrupted by another process, and does not count. */
#define INTERRUPTED UINT64_C(1000000)

/* What calls cost, and for how many things. */
struct meter {
	uint64_t cycles, n, start;
};

static inline void
meter_start(struct meter *m)
{
	m->start = rte_rdtsc_precise();
}

static inline void
meter_stop(struct meter *m, unsigned int n)
{
	uint64_t cycles = rte_rdtsc_precise() - m->start;

	if (cycles >= INTERRUPTED)
		return;
	m->cycles += cycles;
	m->n += n;
}

static double
meter_each(const struct meter *m)
{
	return (double)m->cycles / (double)RTE_MAX(m->n, UINT64_C(1));
}

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

/* What from has sent goes in at the other end, in bursts; the number of packets. */
static unsigned int
wire(struct end *from, struct end *to, unsigned int burst, struct meter *meter)
{
	struct rte_mbuf *in[BURST];
	unsigned int n = from->n_out;

	for (unsigned int done = 0, k; done < n; done += k) {
		for (k = 0; k < burst && done + k < n; k++) {
			const struct rte_mbuf *m = from->out[done + k];
			char *p;

			in[k] = packet(from->src[done + k], from->dst[done + k], m->pkt_len);
			p = rte_pktmbuf_mtod_offset(in[k], char *, sizeof(struct rte_ipv4_hdr));
			for (; m != NULL; p += m->data_len, m = m->next)
				memcpy(p, rte_pktmbuf_mtod(m, void *), m->data_len);
		}
		meter_start(meter);
		tcp_input(to->engine, in, (uint16_t)k);
		meter_stop(meter, k);
	}
	end_clear(from);
	return n;
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
	struct meter unused = { .n = 0 };

	if (tcp_listen(b->engine, &any, PORT, 16, opt, NULL, &l) != 0 ||
			tcp_connect(a->engine, &key, opt, a, &conn) != 0)
		DIE("no connection\n");
	for (unsigned int i = 0; i < 4; i++) {
		wire(a, b, BURST, &unused);
		wire(b, a, BURST, &unused);
	}
	*accepted = tcp_accept(l);
	if (*accepted == NULL)
		DIE("not accepted\n");
	tcp_set_owner(*accepted, b);
	return conn;
}

struct bulk {
	struct meter send, acks, input, read;
};

/* A segment's cycles at both ends; acknowledgements are fewer. */
static double
bulk_cost(const struct bulk *r)
{
	return meter_each(&r->send) + (double)r->acks.cycles / (double)r->input.n +
			meter_each(&r->input) + meter_each(&r->read);
}

static struct bulk
bulk_round(struct end *a, struct end *b, struct tcp_conn *from, struct tcp_conn *to,
		unsigned int burst)
{
	static char data[32 * 1448];
	struct iovec iov = { data, sizeof(data) };
	struct bulk r = { .send = { 0 } };

	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int n;

		tick(a, b, 50000);
		meter_start(&r.send);
		tcp_send(from, &iov, 1, 0, 0);
		tcp_timers(a->engine);
		meter_stop(&r.send, a->n_out);
		n = wire(a, b, burst, &r.input);
		meter_start(&r.read);
		while (tcp_recv(to, &iov, 1, 0, 0) > 0)
			;
		tcp_timers(b->engine);
		meter_stop(&r.read, n);
		wire(b, a, BURST, &r.acks);
	}
	return r;
}

/* @param burst packets that arrive at once; what is in order gets one acknowledgement a burst */
static void
bulk(unsigned int burst)
{
	static struct end a, b;
	struct tcp_options opt;
	struct tcp_conn *from, *to;
	struct bulk best = { .send = { 0 } };

	end_open(&a);
	end_open(&b);
	tcp_options_default(&opt);
	opt.sndbuf = opt.rcvbuf = 1 << 20;
	from = connect_ends(&a, &b, &opt, &to);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct bulk r = bulk_round(&a, &b, from, to, burst);

		if (r.input.n == 0)
			DIE("nothing moves\n");
		if (best.input.n == 0 || bulk_cost(&r) < bulk_cost(&best))
			best = r;
	}
	printf("bulk, bursts of %2u: cycles a segment of %u bytes: send %.0f, acknowledgements "
	       "%.0f "
	       "(%.0f each); input %.0f, read %.0f\n",
			burst, MTU - 52, meter_each(&best.send),
			(double)best.acks.cycles / (double)best.input.n, meter_each(&best.acks),
			meter_each(&best.input), meter_each(&best.read));
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

static uint32_t
peer_of(uint32_t addr, uint16_t port)
{
	return (rte_be_to_cpu_32(addr) - 0x0b000001) * 50000 + rte_be_to_cpu_16(port) - 1024;
}

static void
take_syn_acks(uint32_t first)
{
	for (unsigned int k = 0; k < server.n_out; k++) {
		const struct rte_mbuf *m = server.out[k];
		const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
		uint32_t i = peer_of(server.dst[k], th->dst_port);
		struct tcp_opts o;

		if (i - first >= BURST || opts_parse(th, m->data_len, &o) != 0)
			DIE("an answer to nobody\n");
		peers[i].ack = rte_be_to_cpu_32(th->sent_seq) + 1;
		peers[i].seq++;
		peers[i].ts_ecr = o.ts_val;
	}
	end_clear(&server);
}

/* Peers first to first + n - 1 become connections. */
static void
accept_burst(uint32_t first, unsigned int n, struct meter *meter)
{
	struct rte_mbuf *burst[BURST];
	struct tcp_conn *conn[BURST];

	for (unsigned int k = 0; k < n; k++) {
		peers[first + k] = (struct peer){ .seq = 1000 };
		burst[k] = segment(first + k, RTE_TCP_SYN_FLAG, 0);
	}
	meter_start(meter);
	tcp_input(server.engine, burst, (uint16_t)n);
	meter_stop(meter, 0);
	take_syn_acks(first);
	for (unsigned int k = 0; k < n; k++)
		burst[k] = segment(first + k, RTE_TCP_ACK_FLAG, 0);
	meter_start(meter);
	tcp_input(server.engine, burst, (uint16_t)n);
	for (unsigned int k = 0; k < n; k++) {
		conn[k] = tcp_accept(listener);
		if (conn[k] != NULL)
			tcp_set_owner(conn[k], &server);
	}
	meter_stop(meter, n);
	for (unsigned int k = 0; k < n; k++) {
		if (conn[k] == NULL)
			DIE("peer %u is not accepted\n", first + k);
		peers[peer_of(ip_v4(&tcp_conn_key(conn[k])->remote), tcp_conn_key(conn[k])->rport)]
				.conn = conn[k];
	}
	end_clear(&server);
}

/* With n held: some come and go. */
static void
accept_more(uint32_t n, struct meter *accept, struct meter *abortion)
{
	for (unsigned int t = 0; t < 64; t++) {
		now += 20000;
		tcp_clock(server.engine, now);
		accept_burst(n, BURST, accept);
		meter_start(abortion);
		for (unsigned int k = 0; k < BURST; k++)
			tcp_abort(peers[n + k].conn);
		meter_stop(abortion, BURST);
		end_clear(&server);
	}
}

/*
 * A burst of segments to different ones of n, the reading of them, and then as much time as makes
 * every acknowledgement wait for its timer, whatever n is.
 */
static void
segments(uint32_t n, struct meter *input, struct meter *timers)
{
	static char data[SEGMENT];
	struct iovec iov = { data, sizeof(data) };
	struct rte_mbuf *burst[BURST];
	uint32_t who[BURST], some = RTE_MIN(n, BURST);

	for (unsigned int t = 0; t < 1024; t++) {
		uint32_t first = (uint32_t)rte_rand_max(n);

		for (unsigned int k = 0; k < some; k++) {
			/* different ones, far apart */
			who[k] = (uint32_t)((first + (uint64_t)k * n / some) % n);
			burst[k] = segment(who[k], RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, SEGMENT);
			peers[who[k]].seq += SEGMENT;
		}
		meter_start(input);
		tcp_input(server.engine, burst, (uint16_t)some);
		for (unsigned int k = 0; k < some; k++)
			tcp_recv(peers[who[k]].conn, &iov, 1, 0, 0);
		meter_stop(input, some);
		for (unsigned int i = 0; i < 50; i++) {
			now += 50 * MSEC / 10;
			tcp_clock(server.engine, now);
			meter_start(timers);
			tcp_timers(server.engine);
			meter_stop(timers, i == 0 ? some : 0);
		}
		end_clear(&server);
	}
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
	double first[4] = { 0 };
	struct meter unused = { .n = 0 };
	uint32_t held = 0;
	size_t before;

	end_open(&server);
	tcp_options_default(&opt);
	if (tcp_listen(server.engine, &any, PORT, 1024, &opt, NULL, &listener) != 0)
		DIE("cannot listen\n");
	peers = malloc((most + BURST) * sizeof(*peers));
	memset(peers, 1, (most + BURST) * sizeof(*peers));
	before = resident();
	printf("%8s %14s %14s %14s %14s %8s   cycles each (times ten's)\n", "held", "accept",
			"abort", "64 B segment", "its timers", "bytes");
	for (uint32_t n = 10; n <= most; n *= 10) {
		double best[4] = { 1e12, 1e12, 1e12, 1e12 };

		for (unsigned int k; held < n; held += k) {
			k = RTE_MIN(n - held, BURST);
			now += 20000;
			tcp_clock(server.engine, now);
			accept_burst(held, k, &unused);
			tcp_timers(server.engine);
			end_clear(&server);
		}
		for (unsigned int r = 0; r < ROUNDS; r++) {
			struct meter m[4] = { { .n = 0 } };

			accept_more(n, &m[0], &m[1]);
			segments(n, &m[2], &m[3]);
			for (unsigned int i = 0; i < RTE_DIM(m); i++) {
				double c = meter_each(&m[i]);

				best[i] = RTE_MIN(best[i], c);
			}
		}
		printf("%8u", n);
		for (unsigned int i = 0; i < RTE_DIM(best); i++) {
			first[i] = n == 10 ? best[i] : first[i];
			printf(" %7.0f (%4.2f)", best[i], best[i] / first[i]);
		}
		printf(" %8zu\n", (resident() - before) / n);
	}
	free(peers);
	tcp_engine_destroy(server.engine);
}

int
main(int argc, char **argv)
{
	char prefix[64], dir[PATH_MAX];
	char *args[] = { argv[0], (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-shconf",
		(char *)"--no-telemetry", (char *)"-m", (char *)"256", (char *)"-l", (char *)"0",
		prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=tcp_bench-%d", (int)getpid());
	if (rte_eal_init(RTE_DIM(args), args) < 0)
		return EXIT_FAILURE;
	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	pool = rte_pktmbuf_pool_create("bench", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (pool == NULL)
		DIE("no pool\n");
	rte_srand(1);
	bulk(BURST);
	bulk(2);
	many(argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000);
	rte_eal_cleanup();
	rmdir(dir); /* empty without shared configuration */
	return EXIT_SUCCESS;
}
