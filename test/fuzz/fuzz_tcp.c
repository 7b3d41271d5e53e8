/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzing the TCP engine: one with a listener and up to eight connections in any state, peers and
 * an application that do what an input says (fuzz_tcp.h). After each operation everything that
 * fuzz_tcp_check.c knows has to hold; packets that the device still has must not change; at the end
 * every buffer has to be back.
 */
#include "fuzz_tcp_world.h"

#include <rte_eal.h>

#define OPS_MAX 400
#define RX_BUFS 2048
#define OUR_IP UINT32_C(0x0a000001)
#define PEER_IP UINT32_C(0x0a000002)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world w;
static bool trace; /* FUZZ_TRACE is set: what an input does */

static void
say(unsigned int op, const struct peer *peer)
{
	const struct tcp_conn *conn = conn_of(peer);

	fprintf(stderr, "%.6f op %u peer %u", (double)w.now / 1e9, op,
			(unsigned int)(peer - w.peers));
	if (conn != NULL)
		fprintf(stderr,
				": %s una %u nxt %u queued %u+%u wnd %u cwnd %u, rcv_nxt %u adv "
				"%u, "
				"%u bytes",
				tcp_state_name(conn->state), conn->snd_una - conn->iss,
				conn->snd_nxt - conn->iss, conn->sndq.n_sent,
				conn->sndq.n - conn->sndq.n_sent, conn->snd_wnd, conn->cc.cwnd,
				conn->rcv_nxt - conn->irs, conn->rcv_adv - conn->irs,
				conn->rcvq.bytes);
	fputc('\n', stderr);
}

struct peer *
peer_of(const struct tcp_key *key)
{
	unsigned int i;

	for (i = 0; i < PEERS; i++)
		if (memcmp(&w.peers[i].key, key, sizeof(*key)) == 0)
			return &w.peers[i];
	return NULL;
}

/* Over what a device looks at; nothing of it may change while the device has the packet. */
static uint32_t
hash(const struct rte_mbuf *m)
{
	uint32_t h = m->pkt_len * 31 + m->nb_segs, i;

	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		h = h * 31 + m->data_len;
		for (i = 0; i < m->data_len; i++)
			h = h * 31 + p[i];
	}
	return h;
}

static void
release(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		REQUIRE(hash(w.held[i]) == w.held_hash[i]);
		rte_pktmbuf_free(w.held[i]);
	}
	w.n_held -= n;
	memmove(w.held, w.held + n, w.n_held * sizeof(w.held[0]));
	memmove(w.held_hash, w.held_hash + n, w.n_held * sizeof(w.held_hash[0]));
}

static void
output_one(const struct tcp_out *out, struct rte_mbuf *m)
{
	const struct rte_tcp_hdr *th = rte_pktmbuf_mtod(m, const struct rte_tcp_hdr *);
	struct peer *peer = peer_of(out->key);
	struct tcp_opts opts;
	uint32_t hdr = (uint32_t)(th->data_off >> 4) * 4;

	check_output(out, m);
	if (peer != NULL && (th->tcp_flags & RTE_TCP_RST_FLAG) == 0) {
		peer->ack = rte_be_to_cpu_32(th->sent_seq) + m->pkt_len - hdr +
				((th->tcp_flags & RTE_TCP_SYN_FLAG) != 0) +
				((th->tcp_flags & RTE_TCP_FIN_FLAG) != 0);
		opts_parse(th, hdr, &opts);
		if ((opts.have & OPT_TS) != 0)
			peer->ts = opts.ts_val;
	}
	if ((w.config & FUZZ_HOLD) == 0) {
		rte_pktmbuf_free(m);
		return;
	}
	if (w.n_held == HELD_MAX)
		release(1);
	w.held_hash[w.n_held] = hash(m);
	w.held[w.n_held++] = m;
}

static void
on_output(void *ctx, const struct tcp_out *out, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	REQUIRE(ctx == &w && w.inside && n > 0);
	for (i = 0; i < n; i++)
		output_one(out, pkts[i]);
}

static void
on_event(void *ctx, void *owner, unsigned int events)
{
	struct peer *peer = owner;

	REQUIRE(ctx == &w && w.inside && events != 0);
	if (owner == &w.listener) {
		REQUIRE(events == TCP_E_ACCEPT);
		return;
	}
	REQUIRE(peer >= w.peers && peer < w.peers + PEERS && (peer->conn != NULL || peer->opening));
	REQUIRE((events & TCP_E_ACCEPT) == 0);
}

static uint16_t
on_mtu(void *ctx, const struct tcp_key *key)
{
	REQUIRE(ctx == &w && w.inside && key->zero == 0);
	return w.mtu;
}

struct tcp_conn *
conn_of(const struct peer *peer)
{
	return table_find(&w.engine->conns, &peer->key, table_hash(&w.engine->conns, &peer->key));
}

static void
time_passes(uint64_t ns)
{
	uint64_t next;

	w.now += ns;
	tcp_clock(w.engine, w.now);
	w.inside = true;
	next = tcp_timers(w.engine);
	w.inside = false;
	REQUIRE(next > w.now && next == tcp_next_timer(w.engine));
}

static void
buffers_left(unsigned int n)
{
	while (w.n_taken > 0 && (n == 0 || rte_mempool_avail_count(w.tx_pool) < n))
		rte_pktmbuf_free(w.taken[--w.n_taken]);
	while (n != 0 && rte_mempool_avail_count(w.tx_pool) > n)
		w.taken[w.n_taken++] = rte_pktmbuf_alloc(w.tx_pool);
}

static void
op_run(unsigned int op, struct peer *peer)
{
	uint64_t next;
	uint8_t a;

	switch (op) {
	case OP_TIME:
		a = u8();
		time_passes((1 + (a & UINT64_C(15))) << (10 + 2 * (a >> 4)));
		break;
	case OP_NEXT_TIMER:
		next = tcp_next_timer(w.engine);
		if (next != UINT64_MAX) /* one that was just set may be due */
			time_passes(RTE_MAX(next, w.now) - w.now);
		break;
	case OP_MTU:
		w.mtu = u8() * 16u;
		break;
	case OP_RELEASE:
		release(w.n_held);
		break;
	case OP_BUFFERS:
		buffers_left(u8());
		break;
	case OP_SEGMENT:
	case OP_SEGMENT_MORE:
	case OP_RAW:
	case OP_ACK_ALL:
	case OP_DATA:
	case OP_FIN:
	case OP_RST:
	case OP_SACK_ALL:
	case OP_OPEN:
	case OP_ICMP:
		peer_op(op, peer);
		break;
	default:
		app_op(op, peer);
		break;
	}
}

static void
world_up(void)
{
	struct tcp_config config = {
		.ops = { .output = on_output, .event = on_event, .mtu = on_mtu },
		.ctx = &w,
		.tx_pool = w.tx_pool,
		.seed = 1,
		.conn_extra = sizeof(struct note),
	};
	unsigned int i;

	w.config = u8();
	config.multi_seg = (w.config & FUZZ_MULTI_SEG) != 0;
	config.tso_max = (w.config & FUZZ_TSO) != 0 ? 65000 : 0;
	config.syn_rate = (w.config & FUZZ_SYN_RATE) != 0 ? 2 : 0;
	config.max_conns = (w.config & FUZZ_FEW_CONNS) != 0 ? 3 : 0;
	config.time_wait_ms = (w.config & FUZZ_TIME_WAIT) != 0 ? 1000 : 0;
	w.now = 1000 * SEC;
	w.mtu = 1500;
	REQUIRE(tcp_engine_create(&config, &w.engine) == 0);
	tcp_clock(w.engine, w.now);
	for (i = 0; i < PEERS; i++) {
		bool passive = i < PEERS / 2;

		w.peers[i] = (struct peer){ .seq = 1000,
			.key = { .local = ip_from_v4(rte_cpu_to_be_32(OUR_IP)),
					.remote = ip_from_v4(rte_cpu_to_be_32(PEER_IP)),
					.lport = rte_cpu_to_be_16(passive ? OUR_PORT : 5000 + i),
					.rport = rte_cpu_to_be_16(passive ? 1000 + i : 7) } };
	}
	options_read(&w.options);
	app_listen(0);
	if ((w.config & FUZZ_SCARCE) != 0)
		buffers_left(20);
}

static void
world_down(void)
{
	unsigned int i;

	w.inside = true;
	tcp_engine_destroy(w.engine);
	w.inside = false;
	w.engine = NULL;
	w.listener = NULL;
	for (i = 0; i < w.n_batch; i++)
		rte_pktmbuf_free(w.batch[i]);
	w.n_batch = 0;
	release(w.n_held);
	buffers_left(0);
	REQUIRE(rte_mempool_avail_count(w.tx_pool) == TX_BUFS);
	REQUIRE(rte_mempool_avail_count(w.rx_pool) == RX_BUFS);
}

/* Dead connections are the application's until it closes them; living ones may go with the engine.
 */
static void
leave(bool all)
{
	unsigned int i;

	for (i = 0; i < PEERS; i++) {
		struct tcp_conn *conn = w.peers[i].conn;

		if (conn != NULL && (all || tcp_conn_state(conn) == TCP_S_CLOSED))
			app_close(&w.peers[i], false);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char args[][32] = { "fuzz_tcp", "--no-huge", "--no-pci", "--no-shconf",
		"--no-telemetry", "-m", "128", "-l", "0", "--log-level=*:3" };
	char *eal_argv[RTE_DIM(args) + 1] = { NULL };
	unsigned int i;

	(void)argc;
	(void)argv;
	trace = getenv("FUZZ_TRACE") != NULL;
	for (i = 0; i < RTE_DIM(args); i++)
		eal_argv[i] = args[i];
	if (rte_eal_init((int)RTE_DIM(args), eal_argv) < 0)
		return -1;
	w.tx_pool = rte_pktmbuf_pool_create(
			"tx", TX_BUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	w.rx_pool = rte_pktmbuf_pool_create(
			"rx", RX_BUFS, 0, 0, RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	REQUIRE(w.tx_pool != NULL && w.rx_pool != NULL);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int n;

	w.p = data;
	w.end = data + size;
	world_up();
	for (n = 0; w.p < w.end && n < OPS_MAX; n++) {
		uint8_t op = u8();

		if (trace)
			say((op & 31) % OP_MAX, &w.peers[op >> 5]);
		op_run((op & 31) % OP_MAX, &w.peers[op >> 5]);
		check_engine(w.engine);
	}
	leave(n % 2 == 0);
	world_down();
	return 0;
}
