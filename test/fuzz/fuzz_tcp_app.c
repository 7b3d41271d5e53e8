/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application of fuzz_tcp: the calls that tcp.h has, in any order. What is sent is what a
 * byte's sequence number says, and what is received is compared with that.
 */
#include "fuzz_tcp_world.h"

#include <sys/socket.h>

void
options_read(struct tcp_options *opt)
{
	uint8_t a = u8(), b = u8(), cc = u8(), snd = u8(), rcv = u8(), times = u8();

	tcp_options_default(opt);
	opt->nodelay ^= (a & 0x01) != 0;
	opt->cork ^= (a & 0x02) != 0;
	opt->quickack ^= (a & 0x04) != 0;
	opt->oob_inline ^= (a & 0x08) != 0;
	opt->pacing ^= (a & 0x10) != 0;
	opt->keepalive ^= (a & 0x20) != 0;
	opt->pmtud ^= (a & 0x40) != 0;
	opt->pacing_rate = (a & 0x80) != 0 ? 100000 : 0;
	opt->timestamps ^= (b & 0x01) != 0;
	opt->sack ^= (b & 0x02) != 0;
	opt->window_scaling ^= (b & 0x04) != 0;
	opt->ecn ^= (b & 0x08) != 0;
	opt->defer_accept ^= (b & 0x10) != 0;
	opt->mss = (b & 0x20) != 0 ? 300 : 0;
	opt->lowat = (b & 0x40) != 0 ? 2000 : 0;
	opt->cc = cc % TCP_CC_MAX;
	if (snd != 0)
		opt->sndbuf = snd * 1024u;
	if (rcv != 0)
		opt->rcvbuf = (rcv & 0x80) != 0 ? (rcv & 0x7fu) * 65536 : rcv * 256u;
	opt->user_timeout_ms = (times & 7u) * 5000;
	opt->keep_idle_s = 1 + (times >> 3 & 7u) * 10;
	opt->keep_interval_s = 1 + (times >> 3 & 7u);
	opt->keep_count = 1 + (times >> 6);
	opt->retries = (times & 1) != 0 ? 3 : opt->retries;
}

void
app_close(struct peer *peer, bool abort)
{
	struct tcp_conn *conn = peer->conn;

	if (conn == NULL)
		return;
	peer->conn = NULL; /* no event may follow */
	peer->lent = 0;
	w.inside = true;
	if (abort)
		tcp_abort(conn);
	else
		tcp_close(conn);
	w.inside = false;
}

void
app_connect(struct peer *peer, const struct tcp_options *opt)
{
	struct tcp_conn *conn;

	if (peer->conn != NULL)
		return;
	w.inside = true;
	peer->opening = true;
	if (tcp_connect(w.engine, &peer->key, opt, peer, &conn) == 0)
		peer->conn = conn;
	peer->opening = false;
	w.inside = false;
}

void
app_accept(void)
{
	unsigned int waiting;
	struct tcp_conn *conn;
	struct peer *peer;

	if (w.listener == NULL)
		return;
	waiting = tcp_accept_waiting(w.listener);
	w.inside = true;
	conn = tcp_accept(w.listener);
	w.inside = false;
	REQUIRE((conn != NULL) == (waiting != 0));
	if (conn == NULL)
		return;
	REQUIRE(tcp_accept_waiting(w.listener) == waiting - 1);
	peer = peer_of(tcp_conn_key(conn));
	REQUIRE(peer != NULL);
	app_close(peer, false);
	tcp_set_owner(conn, peer);
	peer->conn = conn;
}

/* Cut @p b into up to four vectors, with something to skip in front. */
static size_t
cut(struct iovec iov[4], uint8_t *b, size_t len, uint8_t how)
{
	size_t part = (how >> 4) * 97u, skip = RTE_MIN((size_t)(how >> 6), len);
	int i;

	for (i = 0; i < 3; i++) {
		iov[i].iov_base = b;
		iov[i].iov_len = RTE_MIN(part, len);
		b += iov[i].iov_len;
		len -= iov[i].iov_len;
	}
	iov[3].iov_base = b;
	iov[3].iov_len = len;
	return skip;
}

static void
app_send(struct peer *peer)
{
	static uint8_t b[256 * 64 + 16];
	size_t len = u8() * 64u, skip, i;
	struct tcp_conn *conn = peer->conn;
	uint8_t flags = u8();
	struct iovec iov[4];
	uint32_t seq, room;
	ssize_t ret;

	if (conn == NULL)
		return;
	len += flags >> 4 & 3;
	skip = cut(iov, b, len, flags);
	seq = conn->snd_una + conn->sndq.bytes - (uint32_t)skip;
	if (conn->state == TCP_S_SYN_SENT || conn->state == TCP_S_SYN_RECEIVED)
		seq = conn->iss + 1 - (uint32_t)skip;
	for (i = 0; i < len; i++)
		b[i] = stream_byte(seq + (uint32_t)i);
	room = tcp_send_room(conn);
	w.inside = true;
	ret = tcp_send(conn, iov, 4, skip, flags & 3);
	w.inside = false;
	REQUIRE(ret <= (ssize_t)(len - skip) && (ret != 0 || len == skip));
	REQUIRE(ret < 0 || (size_t)ret <= RTE_MAX(room, (uint32_t)UINT16_MAX));
}

static uint32_t
read_seq(const struct tcp_conn *conn)
{
	const struct rcvq *q = &conn->rcvq;

	return conn->rcv_nxt - q->bytes - (q->fin && conn->rcv_nxt == q->fin_seq + 1);
}

static void
app_recv(struct peer *peer)
{
	static uint8_t b[256 * 64 + 16];
	size_t len = u8() * 64u, skip, i;
	struct tcp_conn *conn = peer->conn;
	uint8_t flags = u8();
	uint32_t seq, queued;
	struct iovec iov[4];
	ssize_t ret;

	if (conn == NULL)
		return;
	len += flags >> 4 & 3;
	skip = cut(iov, b, len, flags);
	seq = read_seq(conn);
	queued = tcp_recv_queued(conn);
	memset(b, 0xee, sizeof(b));
	w.inside = true;
	ret = tcp_recv(conn, iov, 4, skip, flags & 7);
	w.inside = false;
	REQUIRE(ret <= (ssize_t)(len - skip));
	for (i = len; i < sizeof(b); i++)
		REQUIRE(b[i] == 0xee);
	if (ret <= 0 || (flags & TCP_RECV_OOB) != 0)
		return;
	REQUIRE((size_t)ret <= queued + 1u);
	if ((flags & TCP_RECV_TRUNC) != 0 || note_of(conn)->urgent)
		return;
	for (i = 0; i < (size_t)ret; i++)
		REQUIRE(b[skip + i] == stream_byte(seq + (uint32_t)i));
}

static void
app_recv_mbufs(struct peer *peer)
{
	size_t max = u8() * 64u, k = 0, i;
	struct rte_mbuf *chain = NULL, *m;
	struct tcp_conn *conn = peer->conn;
	uint32_t seq;
	ssize_t ret;

	if (conn == NULL)
		return;
	seq = read_seq(conn);
	w.inside = true;
	ret = tcp_recv_mbufs(conn, max, &chain);
	w.inside = false;
	if (ret <= 0)
		return;
	for (m = chain; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (i = 0; i < m->data_len && !note_of(conn)->urgent; i++)
			REQUIRE(p[i] == stream_byte(seq + (uint32_t)(k + i)));
		k += m->data_len;
	}
	REQUIRE(k == (size_t)ret);
	rte_mbuf_sanity_check(chain, 1);
	rte_pktmbuf_free(chain);
	peer->lent += k;
}

static void
app_look(struct peer *peer)
{
	struct tcp_conn *conn = peer->conn;
	bool take = (u8() & 1) != 0;
	struct tcp_snapshot snapshot;
	uint32_t unsent, ready;

	if (conn == NULL)
		return;
	tcp_look(conn, &snapshot);
	REQUIRE(snapshot.state == tcp_conn_state(conn));
	REQUIRE(tcp_state_name(snapshot.state) != NULL);
	REQUIRE(tcp_send_queued(conn, &unsent) >= unsent);
	tcp_at_mark(conn);
	ready = tcp_ready(conn);
	REQUIRE((ready & TCP_E_ERROR) == 0 || tcp_error(conn, take) != 0);
	REQUIRE(!take || tcp_error(conn, false) == 0);
	REQUIRE(tcp_get_options(conn) != NULL && tcp_conn_engine(conn) == w.engine);
	REQUIRE(tcp_owner(conn) == peer);
}

void
app_listen(uint8_t backlog)
{
	const struct ip_addr any = { .d = { 0, 0 } };

	w.inside = true;
	if (w.listener != NULL && backlog != 0) {
		tcp_listener_set(w.listener, backlog, &w.options);
	} else {
		if (w.listener != NULL)
			tcp_listener_close(w.listener);
		w.listener = NULL;
		REQUIRE(tcp_listen(w.engine, &any, rte_cpu_to_be_16(OUR_PORT),
					(w.config & FUZZ_BACKLOG) != 0 ? 1 : 8, &w.options,
					&w.listener, &w.listener) == 0);
	}
	w.inside = false;
}

static void
op_options(struct peer *peer)
{
	struct tcp_options opt;

	options_read(&opt);
	if (peer->conn == NULL)
		return;
	w.inside = true;
	tcp_set_options(peer->conn, &opt);
	w.inside = false;
}

static void
op_recv_done(struct peer *peer)
{
	size_t n = RTE_MIN(u8() * 64u, peer->lent);

	if (peer->conn == NULL || n == 0)
		return;
	peer->lent -= n;
	w.inside = true;
	tcp_recv_done(peer->conn, n);
	w.inside = false;
}

static void
op_shutdown(struct peer *peer)
{
	int how = u8() % 3;

	if (peer->conn == NULL)
		return;
	w.inside = true;
	tcp_shutdown(peer->conn, how);
	w.inside = false;
}

void
app_op(unsigned int op, struct peer *peer)
{
	struct tcp_options opt;

	switch (op) {
	case OP_CONNECT:
		options_read(&opt);
		app_connect(peer, &opt);
		break;
	case OP_ACCEPT:
		app_accept();
		break;
	case OP_SEND:
		app_send(peer);
		break;
	case OP_RECV:
		app_recv(peer);
		break;
	case OP_RECV_MBUFS:
		app_recv_mbufs(peer);
		break;
	case OP_RECV_DONE:
		op_recv_done(peer);
		break;
	case OP_SHUTDOWN:
		op_shutdown(peer);
		break;
	case OP_CLOSE:
	case OP_ABORT:
		app_close(peer, op == OP_ABORT);
		break;
	case OP_OPTIONS:
		op_options(peer);
		break;
	case OP_LOOK:
		app_look(peer);
		break;
	default:
		app_listen(u8());
		break;
	}
}
