/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Applications. They act on events and on their own time alone, never by looking again just in
 * case: an event that the engine forgets stops them, and the run with them.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"
#include "sim_rand.h"

#define CHUNK 65536u

static uint8_t chunk[CHUNK];

/** Word @p i of a stream. */
static uint64_t
word_at(uint64_t pattern, uint64_t i)
{
	uint64_t z = (pattern + i) * UINT64_C(0x9e3779b97f4a7c15);

	return z ^ (z >> 32);
}

void
sim_pattern(uint64_t pattern, uint64_t offset, uint8_t *p, size_t len)
{
	while (len > 0) {
		uint64_t word = word_at(pattern, offset / 8);
		size_t skip = offset % 8, n = RTE_MIN(8 - skip, len);

		memcpy(p, (const uint8_t *)&word + skip, n);
		p += n;
		offset += n;
		len -= n;
	}
}

size_t
sim_pattern_check(uint64_t pattern, uint64_t offset, const uint8_t *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t word = word_at(pattern, (offset + done) / 8);
		size_t skip = (offset + done) % 8, n = RTE_MIN(8 - skip, len - done);

		if (memcmp(p + done, (const uint8_t *)&word + skip, n) != 0) {
			while (p[done] == ((const uint8_t *)&word)[skip]) {
				done++;
				skip++;
			}
			return done;
		}
		done += n;
	}
	return len;
}

static void
moved(struct sim_app *app)
{
	struct sim *sim = app->flow->sim;

	sim->moved_at = RTE_MAX(sim->moved_at, sim->now);
}

static unsigned int
index_of(const struct sim_app *app)
{
	return (unsigned int)(app - app->flow->app);
}

static void
died(struct sim_app *app, int error, const char *call)
{
	const struct sim_flow_params *p = &app->flow->params;
	bool allowed = (p->may_reset &&
				       (error == ECONNRESET || error == EPIPE ||
						       error == ECONNREFUSED)) ||
			(p->may_time_out && error == ETIMEDOUT);

	app->error = error;
	if (!allowed)
		sim_fail(app->flow->sim, "host %u: %s: %s, %lu bytes sent and %lu received",
				index_of(app), call, strerror(error), (unsigned long)app->sent,
				(unsigned long)app->received);
}

static void
app_close(struct sim_app *app)
{
	app->closed = true;
	app->closed_at = app->flow->sim->now;
	moved(app);
}

static uint64_t
pattern_of(const struct sim_flow *flow, unsigned int index)
{
	return sim_mix(flow->sim->params.seed * 1000 + flow->ports[0] * 2u + index);
}

static void
listen_at(struct sim_app *app)
{
	struct sim_flow *flow = app->flow;
	int ret;

	tcp_clock(app->host->engine, flow->sim->now);
	ret = tcp_listen(app->host->engine, &app->host->addr, rte_cpu_to_be_16(flow->ports[1]), 8,
			&flow->params.opt[1], app, &flow->listener);
	if (ret != 0)
		sim_fail(flow->sim, "listen: %s", strerror(-ret));
}

static void
connect_to(struct sim_app *app)
{
	unsigned int i = index_of(app);
	struct tcp_key key = { .local = app->host->addr,
		.remote = app->peer->host->addr,
		.lport = rte_cpu_to_be_16(app->flow->ports[i]),
		.rport = rte_cpu_to_be_16(app->flow->ports[!i]) };
	int ret;

	tcp_clock(app->host->engine, app->flow->sim->now);
	ret = tcp_connect(app->host->engine, &key, &app->flow->params.opt[i], app, &app->conn);
	if (ret != 0)
		sim_fail(app->flow->sim, "connect: %s", strerror(-ret));
}

void
sim_app_start(struct sim_app *app)
{
	app->pattern = pattern_of(app->flow, index_of(app));
	if (index_of(app) == 1 && !app->flow->params.simultaneous)
		listen_at(app);
	else
		connect_to(app);
}

void
sim_app_event(struct sim_app *app, unsigned int events)
{
	app->events |= events;
	if (app->closed)
		sim_fail(app->flow->sim, "host %u: events %x after the close", index_of(app),
				events);
}

static void
connected(struct sim_app *app)
{
	app->connected = true;
	app->connected_at = app->flow->sim->now;
	app->can_write = true;
	app->can_read = true; /* what came with the handshake may have come before the owner */
	moved(app);
}

static void
accept_one(struct sim_app *app)
{
	struct sim_flow *flow = app->flow;
	struct tcp_conn *conn = tcp_accept(flow->listener);

	if (conn == NULL)
		return; /* it came and went */
	if (app->conn != NULL) {
		sim_fail(flow->sim, "a second connection");
		return;
	}
	app->conn = conn;
	tcp_set_owner(conn, app);
	connected(app);
}

static void
look_at_events(struct sim_app *app)
{
	unsigned int events = app->events;

	app->events = 0;
	if ((events & TCP_E_ACCEPT) != 0 && app->flow->listener != NULL)
		accept_one(app);
	if ((events & TCP_E_CONNECTED) != 0 && !app->connected)
		connected(app);
	if ((events & TCP_E_READABLE) != 0)
		app->can_read = true;
	if ((events & TCP_E_WRITABLE) != 0)
		app->can_write = true;
	if ((events & TCP_E_ERROR) != 0 && app->conn != NULL && app->error == 0) {
		app->can_read = true; /* data come before the error */
		app->can_write = true;
		if (!app->connected)
			died(app, tcp_error(app->conn, true), "event");
	}
}

/** Data at @p p are what the peer sent next. */
static bool
verify(struct sim_app *app, const uint8_t *p, size_t len)
{
	size_t good;

	if (app->received + len > app->peer->sent) {
		sim_fail(app->flow->sim, "host %u: %lu bytes received, %lu were sent",
				index_of(app), (unsigned long)(app->received + len),
				(unsigned long)app->peer->sent);
		return false;
	}
	good = sim_pattern_check(app->peer->pattern, app->received, p, len);
	app->received += good;
	if (good < len)
		sim_fail(app->flow->sim, "host %u: byte %lu received is wrong", index_of(app),
				(unsigned long)app->received);
	return good == len;
}

static ssize_t
read_buffers(struct sim_app *app, size_t max)
{
	struct rte_mbuf *chain = NULL, *m;
	ssize_t n = tcp_recv_mbufs(app->conn, max, &chain);
	size_t total = 0;

	if (n <= 0)
		return n;
	for (m = chain; m != NULL; m = m->next) {
		total += m->data_len;
		if (!verify(app, rte_pktmbuf_mtod(m, uint8_t *), m->data_len))
			break;
	}
	rte_pktmbuf_free(chain);
	if (m == NULL && total != (size_t)n)
		sim_fail(app->flow->sim, "tcp_recv_mbufs: %zd bytes, %zu in the chain", n, total);
	tcp_recv_done(app->conn, (size_t)n);
	return n;
}

static ssize_t
read_some(struct sim_app *app)
{
	size_t max = app->params.read_size != 0 ? app->params.read_size : CHUNK;
	struct iovec iov[2];
	ssize_t n;

	max = RTE_MIN(max, CHUNK);
	if (app->params.pause_for != 0 && !app->paused)
		max = RTE_MIN(max, app->params.pause_at - app->received);
	if (app->params.zero_copy)
		return read_buffers(app, max);
	/* in two pieces, the first of a size that nobody thought of */
	iov[0] = (struct iovec){ .iov_base = chunk, .iov_len = max / 3 };
	iov[1] = (struct iovec){ .iov_base = chunk + max / 3, .iov_len = max - max / 3 };
	n = tcp_recv(app->conn, iov, 2, 0, 0);
	if (n > 0)
		verify(app, chunk, (size_t)n);
	return n;
}

/** @return false: nothing more now */
static bool
read_once(struct sim_app *app)
{
	uint64_t now = app->flow->sim->now;
	ssize_t n;

	if (app->params.pause_for != 0 && !app->paused && app->received >= app->params.pause_at) {
		app->paused = true;
		app->paused_until = now + app->params.pause_for;
		if (app->paused_until > app->flow->sim->moved_at)
			app->flow->sim->moved_at = app->paused_until; /* nobody expects more */
	}
	if (!app->can_read || app->end_read || app->error != 0 || now < app->paused_until ||
			now < app->next_read)
		return false;
	n = read_some(app);
	if (n == -EAGAIN) {
		app->can_read = false;
	} else if (n < 0) {
		died(app, (int)-n, "recv");
	} else if (n == 0) {
		app->end_read = true;
		app->end_at = now;
		moved(app);
		if (app->received != app->peer->params.send)
			sim_fail(app->flow->sim, "host %u: the end after %lu bytes of %lu",
					index_of(app), (unsigned long)app->received,
					(unsigned long)app->peer->params.send);
	} else {
		app->next_read = now + app->params.read_gap;
		moved(app);
		return app->params.read_gap == 0;
	}
	return false;
}

/** Bytes it may have sent by now in all. */
static uint64_t
allowed(const struct sim_app *app)
{
	const struct sim_app_params *p = &app->params;
	uint64_t more;

	if (p->per_read == 0)
		return p->send;
	more = p->send_first + app->received / p->per_read * p->send_each;
	return RTE_MIN(p->send, more);
}

static bool
write_once(struct sim_app *app)
{
	uint64_t now = app->flow->sim->now, left = allowed(app) - app->sent;
	size_t max = app->params.write_size != 0 ? app->params.write_size : CHUNK;
	struct iovec iov[2];
	ssize_t n;

	if (!app->can_write || app->shut || app->error != 0 || left == 0 || now < app->next_write)
		return false;
	max = RTE_MIN(max, CHUNK);
	max = RTE_MIN(max, left);
	sim_pattern(app->pattern, app->sent, chunk, max);
	iov[0] = (struct iovec){ .iov_base = chunk, .iov_len = max / 2 };
	iov[1] = (struct iovec){ .iov_base = chunk + max / 2, .iov_len = max - max / 2 };
	n = tcp_send(app->conn, iov, 2, 0, 0);
	if (n > 0) {
		app->sent += (uint64_t)n;
		app->next_write = now + app->params.write_gap;
		return app->params.write_gap == 0;
	}
	if (n == -EAGAIN)
		app->can_write = false;
	else if (n < 0)
		died(app, (int)-n, "send");
	else
		sim_fail(app->flow->sim, "host %u: send took nothing", index_of(app));
	return false;
}

static void
finish(struct sim_app *app)
{
	const struct sim_app_params *p = &app->params;
	bool all_sent = app->sent >= p->send;
	int ret;

	if (app->error != 0) {
		tcp_close(app->conn);
		app_close(app);
		return;
	}
	switch ((enum sim_end)p->end) {
	case SIM_END_SHUT:
		if (all_sent && !app->shut) {
			app->shut = true;
			ret = tcp_shutdown(app->conn, SHUT_WR);
			if (ret != 0)
				died(app, -ret, "shutdown");
		}
		if (!app->shut || !app->end_read)
			return;
		break;
	case SIM_END_WAIT:
		if (!all_sent || !app->end_read)
			return;
		break;
	case SIM_END_CLOSE:
		if (!all_sent || app->received < app->peer->params.send)
			return;
		break;
	case SIM_END_ABORT:
		if (!all_sent || app->received < p->abort_read)
			return;
		tcp_abort(app->conn);
		app_close(app);
		return;
	case SIM_END_NOT:
		return;
	}
	tcp_close(app->conn);
	app_close(app);
}

void
sim_app_turn(struct sim_app *app)
{
	bool again;

	if (app->closed)
		return;
	tcp_clock(app->host->engine, app->flow->sim->now);
	do {
		look_at_events(app);
		if (app->conn == NULL)
			return;
		if (app->connected) {
			do {
				again = read_once(app);
				again |= write_once(app);
			} while (again && app->flow->sim->failure[0] == '\0');
		}
		if (app->connected || app->error != 0)
			finish(app);
	} while (app->events != 0 && !app->closed && app->flow->sim->failure[0] == '\0');
}

uint64_t
sim_app_next(const struct sim_app *app)
{
	uint64_t at = SIM_NEVER;

	if (app->closed || !app->flow->started)
		return SIM_NEVER;
	if (app->events != 0)
		return app->flow->sim->now;
	if (!app->connected || app->error != 0)
		return SIM_NEVER;
	if (app->can_read && !app->end_read)
		at = RTE_MAX(app->next_read, app->paused_until);
	if (app->can_write && !app->shut && allowed(app) > app->sent)
		at = RTE_MIN(at, app->next_write);
	return at;
}

bool
sim_app_done(const struct sim_app *app)
{
	/* one whose peer gave up before it was there */
	return app->closed ||
			(app->conn == NULL && app->flow->params.may_reset && app->peer->closed);
}
