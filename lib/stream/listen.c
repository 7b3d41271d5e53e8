/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: a desk in each engine at which connections wait, and flows that lead there, one for
 * each address that counts. A listener on any address follows ports and addresses as they come and
 * go.
 */
#include <stdlib.h>

#include "stream/stream_priv.h"

/* net.core.somaxconn */
#define BACKLOG_MAX 4096
/* Of the rings that listeners of several rings share, besides numbers that programs choose. */
#define LISTEN_USER_ID 0xfffe0000u

bool listen_stale;

/* Linux takes one connection more than was asked for, and a negative number for a large one. */
static unsigned int
depth(int backlog)
{
	return RTE_MIN((unsigned int)backlog, BACKLOG_MAX - 1u) + 1;
}

static struct desk *
desk_of(const struct stream *s, const struct stream_engine *e)
{
	for (unsigned int i = 0; i < s->n_desks; i++)
		if (s->desks[i].engine == e)
			return &s->desks[i];
	return NULL;
}

static int
desk_open(struct stream *s, struct stream_engine *e)
{
	struct ip_addr local = s->local;
	struct tcp_listener *l;
	struct desk *grown;
	int ret;

	if (desk_of(s, e) != NULL)
		return 0;
	if (s->n_desks == ENGINES_MAX)
		return -ENOBUFS;
	if (ip_is_any(&local))
		memset(&local, 0, sizeof(local));
	rte_spinlock_lock(&s->desk_lock);
	grown = realloc(s->desks, (s->n_desks + 1) * sizeof(*grown));
	if (grown == NULL) {
		rte_spinlock_unlock(&s->desk_lock);
		return -ENOMEM;
	}
	s->desks = grown;
	engine_enter(e);
	ret = tcp_listen(e->tcp, &local, s->lp->port, depth(s->backlog), &s->opt.tcp, s, &l);
	engine_leave(e);
	if (ret == 0)
		s->desks[s->n_desks++] = (struct desk){ .engine = e, .listener = l };
	rte_spinlock_unlock(&s->desk_lock);
	return ret;
}

/* The one that was opened last. */
static void
desk_shut(struct stream *s)
{
	struct desk last;

	rte_spinlock_lock(&s->desk_lock);
	last = s->desks[--s->n_desks];
	rte_spinlock_unlock(&s->desk_lock);
	engine_enter(last.engine);
	tcp_listener_close(last.listener);
	engine_leave(last.engine);
}

static int
seat_room(struct stream *s)
{
	struct stream_flow **grown;

	if (s->n_seats < s->cap_seats)
		return 0;
	grown = realloc(s->seats, (s->cap_seats + 4) * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	s->seats = grown;
	s->cap_seats += 4;
	return 0;
}

/* How many it has there. */
static unsigned int
seated(const struct stream *s, const struct port *port, const struct flow_key *key)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_seats; i++)
		n += s->seats[i]->port == port && memcmp(&s->seats[i]->key, key, sizeof(*key)) == 0;
	return n;
}

/* The nth ring of a listener: its own, and then those that all listeners of several rings share. */
static int
seat_flow(struct stream *s, struct port *port, const struct flow_key *key, unsigned int n,
		struct stream_flow **f)
{
	bool spread = s->opt.tcp.reuse_port || conf()->listen_rings > 1;
	struct ring_alloc alloc = s->alloc;

	if (n == 0)
		return flow_get_seat(s->lp, port, key, &s->alloc, spread, f);
	alloc.logic = CONF_RING_PER_USER_ID;
	alloc.user_id = LISTEN_USER_ID + n;
	return flow_get_seat(s->lp, port, key, &alloc, true, f);
}

static bool
has_seat(const struct stream *s, const struct stream_flow *f)
{
	for (unsigned int i = 0; i < s->n_seats; i++)
		if (s->seats[i] == f)
			return true;
	return false;
}

/* The flow that there is one listener for, or more, and the desk to which it leads. */
static int
seat_one(struct stream *s, struct port *port, const struct flow_key *key, unsigned int nth)
{
	struct stream_flow *f;
	int ret = seat_room(s);
	bool fresh;

	if (ret == 0)
		ret = seat_flow(s, port, key, nth, &f);
	if (ret != 0)
		return ret;
	/* a port with few queues gives one ring to several */
	ret = has_seat(s, f) ? -EALREADY : 0;
	fresh = desk_of(s, f->engine) == NULL;
	if (ret == 0)
		ret = desk_open(s, f->engine);
	/* nothing may come there before somebody is there: others listen, too */
	if (ret == 0) {
		ret = flow_open_seat(f);
		if (ret != 0 && fresh)
			desk_shut(s);
	}
	if (ret != 0) {
		flow_unseat(f);
		flow_put(f);
		return ret == -EALREADY ? 0 : ret;
	}
	s->seats[s->n_seats++] = f;
	if (s->wake != NULL)
		s->wake(s->wake_ctx, NULL, RING_CHANGED);
	return 0;
}

static int
seat_add(struct stream *s, struct port *port, const struct ip_addr *local, uint16_t vlan_id)
{
	struct flow_key key = { .lport = s->lp->port, .vlan_id = vlan_id, .proto = IPPROTO_TCP };
	unsigned int have;
	int ret = 0;

	if (local != NULL)
		key.local = *local;
	have = seated(s, port, &key);
	if (have > 0)
		return 0;
	while (ret == 0 && have < (unsigned int)conf()->listen_rings)
		ret = seat_one(s, port, &key, have++);
	return ret;
}

static bool
device_fits(const struct stream *s, const struct port *port, const struct port_addr *a)
{
	if (s->opt.bind_port != NULL && s->opt.bind_port != port)
		return false;
	return s->opt.bind_ifindex == 0 || a == NULL || a->ifindex == 0 ||
			a->ifindex == s->opt.bind_ifindex;
}

/* Where the device steers, every address takes a rule; elsewhere one flow is for all of them. */
static int
seats_on(struct stream *s, struct port *port, unsigned int *made)
{
	bool any = ip_is_any(&s->local), steers = port->caps.flow || port->caps.isolated;
	int ret = 0, one;

	for (unsigned int i = 0; i < port->n_addrs; i++) {
		const struct port_addr *a = &port->addrs[i];

		if (!ip_is_v4(&a->addr) || !device_fits(s, port, a) ||
				(any ? !steers : !ip_equal(&a->addr, &s->local)))
			continue;
		one = seat_add(s, port, &a->addr, a->vlan_id);
		*made += one == 0;
		ret = ret == 0 ? one : ret;
	}
	if (any && !port->caps.isolated && device_fits(s, port, NULL)) {
		one = seat_add(s, port, NULL, FLOW_VLAN_ANY);
		*made += one == 0;
		ret = ret == 0 ? one : ret;
	}
	return ret;
}

/* One way in is enough to listen; what the others said is told. */
static int
seats_renew(struct stream *s)
{
	unsigned int made = 0;
	int ret = 0, one;

	for (unsigned int i = 0; i < port_count(); i++) {
		one = seats_on(s, port_get(i), &made);
		ret = ret == 0 ? one : ret;
	}
	if (made == 0)
		return ret != 0 ? ret : -EADDRNOTAVAIL;
	s->partial = ret != 0;
	if (ret != 0)
		LOG_WARNING("TCP port %u: not every address can be listened on: %s",
				rte_be_to_cpu_16(s->lp->port), strerror(-ret));
	return 0;
}

bool
stream_partial(const struct stream *s)
{
	return s->partial;
}

static void
follow(struct lport *lp, void *ctx)
{
	struct stream *s;

	(void)ctx;
	TAILQ_FOREACH (s, &lp->streams, same_port) {
		if (s->phase != STREAM_LISTENING || !ip_is_any(&s->local))
			continue;
		/* a flow to an address that went brings nothing and stays */
		seats_renew(s);
	}
}

void
listen_follow(void)
{
	if (likely(!__atomic_load_n(&listen_stale, __ATOMIC_RELAXED)))
		return;
	/* cleared first: a change that comes meanwhile is seen the next time */
	if (__atomic_exchange_n(&listen_stale, false, __ATOMIC_ACQ_REL))
		number_foreach(follow, NULL);
}

void
stream_unlisten(struct stream *s)
{
	struct desk *desks;
	unsigned int n;

	stream_control_lock();
	rte_spinlock_lock(&s->desk_lock);
	desks = s->desks;
	n = s->n_desks;
	s->desks = NULL;
	s->n_desks = 0;
	if (s->phase == STREAM_LISTENING)
		s->phase = STREAM_IDLE;
	rte_spinlock_unlock(&s->desk_lock);
	/* first: whoever else listens gets what comes from now on */
	for (unsigned int i = 0; i < s->n_seats; i++)
		flow_unseat(s->seats[i]);
	for (unsigned int i = 0; i < n; i++) {
		engine_enter(desks[i].engine);
		tcp_listener_close(desks[i].listener);
		engine_leave(desks[i].engine);
	}
	for (unsigned int i = 0; i < s->n_seats; i++)
		flow_put(s->seats[i]);
	s->n_seats = s->cap_seats = 0;
	free(s->seats);
	s->seats = NULL;
	free(desks);
	if (s->wake != NULL)
		s->wake(s->wake_ctx, NULL, RING_CHANGED);
	stream_control_unlock();
}

/* Another backlog, or options that later connections inherit. */
static void
desks_set(struct stream *s)
{
	rte_spinlock_lock(&s->desk_lock);
	for (unsigned int i = 0; i < s->n_desks; i++) {
		engine_enter(s->desks[i].engine);
		tcp_listener_set(s->desks[i].listener, depth(s->backlog), &s->opt.tcp);
		engine_leave(s->desks[i].engine);
	}
	rte_spinlock_unlock(&s->desk_lock);
}

void
listen_apply(struct stream *s)
{
	desks_set(s);
}

static int
begin(struct stream *s)
{
	int ret;

	if (number_conflict(s, &s->local, s->lp->port, true))
		return -EADDRINUSE;
	/* deliveries and events come from now on, before this call returns */
	s->phase = STREAM_LISTENING;
	ret = seats_renew(s);
	if (ret != 0)
		stream_unlisten(s);
	return ret;
}

int
stream_listen(struct stream *s, int backlog)
{
	int ret = 0;

	stream_control_lock();
	s->backlog = backlog;
	if (s->phase == STREAM_LISTENING)
		desks_set(s);
	else if (s->phase != STREAM_IDLE || s->lp == NULL)
		ret = -EINVAL;
	else
		ret = begin(s);
	stream_control_unlock();
	return ret;
}

unsigned int
stream_waiting(struct stream *s)
{
	unsigned int n = 0;

	rte_spinlock_lock(&s->desk_lock);
	for (unsigned int i = 0; i < s->n_desks; i++) {
		engine_enter(s->desks[i].engine);
		n += tcp_accept_waiting(s->desks[i].listener);
		engine_leave(s->desks[i].engine);
	}
	rte_spinlock_unlock(&s->desk_lock);
	return n;
}

/* The flow by which a connection came: that of its own address, or that for any. */
static struct stream_flow *
seat_of(const struct stream *l, const struct stream_engine *e, const struct tcp_key *key)
{
	struct stream_flow *any = NULL;

	for (unsigned int i = 0; i < l->n_seats; i++) {
		struct stream_flow *f = l->seats[i];

		if (f->engine != e)
			continue;
		if (ip_equal(&f->key.local, &key->local))
			return f;
		if (ip_is_any(&f->key.local))
			any = f;
	}
	return any;
}

/* Engine locked. Whoever listens on its address has a flow to it. */
static void
take(struct stream *l, const struct desk *desk, struct tcp_conn *conn, struct stream *s)
{
	const struct tcp_key *key = tcp_conn_key(conn);

	s->opt = l->opt;
	s->opt.tcp = *tcp_get_options(conn);
	s->alloc = l->alloc;
	stream_own(s, desk->engine, conn, flow_hold(seat_of(l, desk->engine, key)));
	s->phase = STREAM_CONNECTED;
	own_want(desk->engine, conn);
}

static int
accept_at(struct stream *l, const struct desk *desk, struct stream *s)
{
	struct tcp_conn *conn;

	engine_enter(desk->engine);
	conn = tcp_accept(desk->listener);
	if (conn != NULL)
		take(l, desk, conn, s);
	engine_leave(desk->engine);
	return conn != NULL ? 0 : -EAGAIN;
}

/* From the desks in turn. */
static int
accept_any(struct stream *l, struct stream *s)
{
	unsigned int at = l->next_desk;

	for (unsigned int i = 0; i < l->n_desks; i++, at++) {
		at = at < l->n_desks ? at : 0;
		if (accept_at(l, &l->desks[at], s) == 0) {
			l->next_desk = at + 1;
			return 0;
		}
	}
	return -EAGAIN;
}

int
stream_accept(struct stream *l, struct stream *s)
{
	int ret = -EINVAL;

	/* seats and the number's sockets are changed with this lock only */
	stream_control_lock();
	if (l->phase == STREAM_LISTENING) {
		ret = number_enter(s, &l->local, l->lp->port);
		if (ret == 0)
			ret = accept_any(l, s);
		if (ret == 0)
			s->local = tcp_conn_key(s->conn)->local;
		else
			number_leave(s);
	}
	stream_control_unlock();
	return ret;
}
