/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application: each call with the result that the script expects of it. What it sends is the
 * pattern, what it reads is checked against the pattern.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "run.h"

static void
check(struct runner *r, int64_t got)
{
	const struct step *s = r->step;
	char text[2][32];
	int64_t v[2] = { got, s->expect };
	unsigned int i;

	run_trace(r, r->now, NULL, "%s -> %" PRId64, s->text, got);
	if (got == s->expect)
		return;
	for (i = 0; i < 2; i++) {
		if (v[i] < 0)
			snprintf(text[i], sizeof(text[i]), "-%s", errno_name((int)-v[i]));
		else
			snprintf(text[i], sizeof(text[i]), "%" PRId64, v[i]);
	}
	run_fail(r, "the call returned %s, should be %s", text[0], text[1]);
}

static void
do_listen(struct runner *r)
{
	struct ip_addr any = { 0 };
	int rc;

	rc = tcp_listen(r->engine, &any, RTE_BE16(80), (unsigned int)r->step->value, &r->opt,
			&r->listening, &r->listener);
	r->lopt = r->opt;
	check(r, rc);
}

static void
do_listener(struct runner *r)
{
	if (r->listener == NULL) {
		run_fail(r, "there is no listener");
		return;
	}
	field_set(r->step->field, &r->lopt, r->step->value);
	tcp_listener_set(r->listener, 16, &r->lopt);
}

static void
do_unlisten(struct runner *r)
{
	if (r->listener == NULL) {
		run_fail(r, "there is no listener");
		return;
	}
	tcp_listener_close(r->listener);
	r->listener = NULL;
	run_trace(r, r->now, NULL, "unlisten");
}

static void
do_connect(struct runner *r, struct flow *flow)
{
	struct tcp_conn *conn = NULL;
	int rc;

	/* As a client: the well known port is the peer's. */
	if (flow->key.lport == RTE_BE16(80)) {
		flow->key.lport = flow->key.rport;
		flow->key.rport = RTE_BE16(80);
	}
	rc = tcp_connect(r->engine, &flow->key, &r->opt, flow, &conn);
	if (rc == 0)
		flow->conn = conn;
	check(r, rc);
}

static void
do_accept(struct runner *r, struct flow *flow)
{
	struct tcp_conn *conn;

	if (r->listener == NULL) {
		run_fail(r, "there is no listener");
		return;
	}
	conn = tcp_accept(r->listener);
	if (conn == NULL) {
		check(r, -EAGAIN);
		return;
	}
	if (run_flow_by_key(r, tcp_conn_key(conn)) != flow) {
		run_fail(r, "accept gave the connection of another flow");
		return;
	}
	flow->conn = conn;
	tcp_set_owner(conn, flow);
	check(r, 0);
}

/* In three pieces behind seven bytes that are to be left out. */
static void
do_send(struct runner *r, struct flow *flow)
{
	size_t n = (size_t)r->step->value, i;
	uint8_t *buf = malloc(n + 7);
	struct iovec iov[3] = { { buf, 4 }, { buf + 4, 3 + n / 3 },
		{ buf + 7 + n / 3, n - n / 3 } };
	ssize_t rc;

	for (i = 0; i < n + 7; i++)
		buf[i] = i < 7 ? 0xee : pattern_out(flow->sent + (uint32_t)i - 7);
	/* Before the call: it is sent from within. */
	flow->sent += (uint32_t)n;
	rc = tcp_send(flow->conn, iov, 3, 7, r->step->flags);
	flow->sent -= (uint32_t)n - (uint32_t)(rc > 0 ? rc : 0);
	free(buf);
	check(r, rc);
}

/* It makes a packet that is not to be sent; the connection is as it was, and no timer is set. */
static void
do_dummy(struct runner *r, struct flow *flow)
{
	size_t n = (size_t)r->step->value;
	struct tcp_snapshot before, after;
	uint64_t timer = tcp_next_timer(r->engine);
	unsigned int dummies = r->dummies;
	uint8_t *buf = calloc(1, n + 1);
	struct iovec iov = { buf, n };
	ssize_t rc;

	memset(&before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	tcp_look(flow->conn, &before);
	rc = tcp_dummy(flow->conn, &iov, 1, r->step->flags);
	tcp_look(flow->conn, &after);
	free(buf);
	if (memcmp(&before, &after, sizeof(before)) != 0)
		run_fail(r, "a dummy changed the connection");
	else if (tcp_next_timer(r->engine) != timer)
		run_fail(r, "a dummy set a timer");
	else if (r->dummies - dummies != (rc > 0 ? 1 : 0))
		run_fail(r, "%u packets went the way", r->dummies - dummies);
	else
		check(r, rc);
}

static bool
is_urgent(const struct flow *flow, uint32_t offset)
{
	unsigned int i;

	for (i = 0; i < flow->n_urgent; i++)
		if (flow->urgent[i] == offset)
			return true;
	return false;
}

/* An urgent byte that was taken out of the stream is passed over. */
static void
check_read(struct runner *r, struct flow *flow, const uint8_t *buf, size_t n, bool peek)
{
	uint32_t offset = flow->read;
	size_t i;

	for (i = 0; i < n; i++, offset++) {
		if (buf[i] != pattern_in(offset) && is_urgent(flow, offset))
			offset++;
		if (buf[i] != pattern_in(offset)) {
			run_fail(r, "the application read a wrong byte at stream offset %" PRIu32,
					offset);
			return;
		}
	}
	if (!peek)
		flow->read = offset;
}

static void
check_urgent(struct runner *r, struct flow *flow, uint8_t byte)
{
	if (flow->n_urgent == 0 || byte != pattern_in(flow->urgent[flow->n_urgent - 1]))
		run_fail(r, "the application read a wrong urgent byte");
}

static void
do_recv(struct runner *r, struct flow *flow)
{
	size_t n = (size_t)r->step->value;
	unsigned int flags = r->step->flags;
	uint8_t *buf = calloc(1, n + 8);
	struct iovec iov[2] = { { buf, 3 + n / 2 }, { buf + 3 + n / 2, n - n / 2 } };
	ssize_t rc;

	rc = tcp_recv(flow->conn, iov, 2, 3, flags);
	check(r, rc);
	if (rc > 0 && !r->failed) {
		if (flags & TCP_RECV_OOB)
			check_urgent(r, flow, buf[3]);
		else if (flags & TCP_RECV_TRUNC)
			flow->read += (uint32_t)rc;
		else
			check_read(r, flow, buf + 3, (size_t)rc, flags & TCP_RECV_PEEK);
	}
	free(buf);
}

static void
do_mbufs(struct runner *r, struct flow *flow)
{
	struct rte_mbuf *chain = NULL, *m;
	ssize_t rc;

	rc = tcp_recv_mbufs(flow->conn, (size_t)r->step->value, &chain);
	check(r, rc);
	if (rc <= 0)
		return;
	if (!r->failed && chain->pkt_len != (uint32_t)rc)
		run_fail(r, "the chain has %" PRIu32 " bytes", chain->pkt_len);
	for (m = chain; m != NULL && !r->failed; m = m->next)
		check_read(r, flow, rte_pktmbuf_mtod(m, uint8_t *), m->data_len, false);
	rte_pktmbuf_free(chain);
}

static void
do_set(struct runner *r, struct flow *flow)
{
	struct tcp_options opt = *tcp_get_options(flow->conn);

	field_set(r->step->field, &opt, r->step->value);
	run_trace(r, r->now, flow, "%s", r->step->text);
	tcp_set_options(flow->conn, &opt);
}

static void
do_end(struct runner *r, struct flow *flow)
{
	struct tcp_conn *conn = flow->conn;

	run_trace(r, r->now, flow, "%s", r->step->text);
	flow->conn = NULL;
	flow->events = 0;
	if (r->step->op == OP_CLOSE)
		tcp_close(conn);
	else
		tcp_abort(conn);
}

static void
do_icmp(struct runner *r, struct flow *flow)
{
	run_trace(r, r->now, flow, "%s", r->step->text);
	tcp_icmp(r->engine, &flow->key, flow->iss + (uint32_t)r->step->number, (int)r->step->value,
			(uint16_t)r->step->flags);
}

static void
on_connection(struct runner *r, struct flow *flow)
{
	const struct step *s = r->step;

	switch (s->op) {
	case OP_DUMMY:
		do_dummy(r, flow);
		break;
	case OP_SEND:
		do_send(r, flow);
		break;
	case OP_RECV:
		do_recv(r, flow);
		break;
	case OP_MBUFS:
		do_mbufs(r, flow);
		break;
	case OP_DONE:
		tcp_recv_done(flow->conn, (size_t)s->value);
		break;
	case OP_SHUTDOWN:
		check(r, tcp_shutdown(flow->conn, (int)s->value));
		break;
	case OP_ERROR:
		check(r, tcp_error(flow->conn, true));
		break;
	case OP_SET:
		do_set(r, flow);
		break;
	default:
		do_end(r, flow);
		break;
	}
}

void
call_run(struct runner *r, struct flow *flow)
{
	switch (r->step->op) {
	case OP_LISTEN:
		do_listen(r);
		break;
	case OP_LISTENER:
		do_listener(r);
		break;
	case OP_UNLISTEN:
		do_unlisten(r);
		break;
	case OP_CONNECT:
		do_connect(r, flow);
		break;
	case OP_ACCEPT:
		do_accept(r, flow);
		break;
	case OP_ICMP:
		do_icmp(r, flow);
		break;
	default:
		if (flow->conn == NULL)
			run_fail(r, "the flow has no connection of the application's");
		else
			on_connection(r, flow);
	}
}
