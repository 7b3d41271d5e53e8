/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From sockets to flows: which keys a cell needs on which ports, who is behind each, and which
 * rings a socket therefore polls. Everything is derived anew from what the sockets are now, so that
 * bind, connect, membership, close and a change of ports are one and the same operation.
 */
#include "udp/flow_priv.h"

bool flows_stale;

/* What came of a socket's wishes. */
struct outcome {
	struct udp_sock *sock;
	unsigned int asked, made;
	int err;
};

/* Those whose flow was lost when it was to be replaced. */
static void
close_broken(struct cell *c, const struct place *at)
{
	struct udp_flow *f, *after;

	for (f = LIST_FIRST(&c->flows); f != NULL; f = after) {
		after = LIST_NEXT(f, next);
		if (flow_is_at(f, at) && f->flow == NULL)
			flow_close(f);
	}
}

/* The flow that is there, and its legs. Those that end change too, as their rest is handed over. */
static int
renew_there(struct cell *c, const struct place *at, struct fan_entry *e, uint32_t n,
		struct udp_flow *keep, struct udp_sock *owner, bool *changed)
{
	struct udp_flow *f;
	struct sink *sink;
	int rc = 0, one;

	legs_renew(c, at, e, n, keep, changed);
	LIST_FOREACH (f, &c->flows, next) {
		if (!flow_is_at(f, at))
			continue;
		if (!flow_among(f->owner, e, n))
			f->owner = owner;
		one = flow_sinks(f, c, e, n, &sink);
		if (one < 0 && f->wanted)
			rc = one;
		*changed |= f != keep;
	}
	return rc;
}

static void
forsake(struct cell *c, const struct place *at)
{
	struct udp_flow *f;

	LIST_FOREACH (f, &c->flows, next)
		if (flow_is_at(f, at))
			f->wanted = false;
}

static void
renew_place(struct cell *c, const struct place *at, struct outcome *o, bool *changed)
{
	struct fan_entry *e = c->lp->scratch;
	uint32_t n = cell_candidates(c, at->port, at->vlan_id, e);
	struct udp_sock *owner = flow_asker(c, at->port, e, n);
	struct udp_flow *f;
	bool mine = false;
	int rc = 0;

	if (owner == NULL)
		return;
	/* Where rules alone bring packets, the flow without address brings none. */
	if (o->sock != NULL && !(c->kind == LOCAL_ANY && at->port->caps.isolated))
		for (uint32_t i = 0; i < n; i++)
			mine |= e[i].sock == o->sock && cell_asks(&e[i], c, at->port);
	close_broken(c, at);
	fan_mark(e, n);
	f = flow_at(c, at);
	if (f == NULL) {
		rc = flow_new(c, at, owner, NULL, e, n, &f);
		*changed |= rc == 0;
	}
	if (rc == 0) {
		rc = renew_there(c, at, e, n, f, owner, changed);
		/* Somebody left and nobody goes back: rather no flow than one to who is not there.
		 */
		if (rc < 0 && o->sock == NULL)
			forsake(c, at);
	}
	if (mine) {
		o->asked++;
		o->made += rc == 0;
	}
	if (rc < 0 && o->err == 0)
		o->err = rc;
}

/* First what is new; on return the flows that nobody wants are still there, but not wanted. */
static bool
renew_cell(struct cell *c, struct outcome *o)
{
	struct udp_flow *f;
	bool changed = false;

	c->dirty = false;
	LIST_FOREACH (f, &c->flows, next)
		f->wanted = false;
	cell_places(c);
	for (unsigned int i = 0; i < cell_places_n; i++)
		renew_place(c, &cell_place[i], o, &changed);
	LIST_FOREACH (f, &c->flows, next)
		changed |= !f->wanted;
	return changed;
}

static void
sweep_cell(struct cell *c)
{
	struct udp_flow *f, *after;
	bool leg = false;

	for (f = LIST_FIRST(&c->flows); f != NULL; f = after) {
		after = LIST_NEXT(f, next);
		if (f->wanted)
			continue;
		leg |= leg_has_twin(f);
		flow_close(f);
	}
	/* Perhaps the device has refused to spread over those that are left: leg_serves(). */
	if (leg)
		rings_update_cell(c, NULL);
	cell_put(c);
}

/* The socket wished for flows and got none, or memory is short: its caller goes back. */
static bool
failed(const struct outcome *o, int rc)
{
	return o->sock != NULL && (rc < 0 || (o->asked != 0 && o->made == 0));
}

/* A socket bound to any needs cells where its port and group flows can be. */
static int
cells_for_any(struct lport *lp)
{
	const struct udp_member *m;
	const struct udp_sock *s;
	unsigned int n = port_count();

	for (unsigned int i = 0; i < n; i++) {
		const struct port *port = port_get(i);

		if (!port->caps.flow && !port->caps.isolated && !lp->any_spreads)
			continue;
		for (unsigned int k = 0; k < port->n_addrs; k++)
			if (cell_get(lp, &port->addrs[k].addr, LOCAL_UNICAST, &cell_no_addr, 0) ==
					NULL)
				return -ENOMEM;
	}
	TAILQ_FOREACH (s, &lp->any->socks, same_cell)
		LIST_FOREACH (m, &s->members, next)
			if (cell_get(lp, &m->group->addr, LOCAL_MULTICAST, &cell_no_addr, 0) ==
					NULL)
				return -ENOMEM;
	return 0;
}

static int
renew_all(struct lport *lp, struct outcome *o)
{
	struct cell *c, *after;
	struct udp_sock *s;
	int rc = 0, one;

	lp->any_spreads = legs_any_spreads(lp);
	if (lp->any != NULL)
		rc = cells_for_any(lp);
	LIST_FOREACH (c, &lp->cells, same_port)
		renew_cell(c, o);
	TAILQ_FOREACH (s, &lp->socks, same_port) {
		one = rings_update(s);
		if (s == o->sock && rc == 0)
			rc = one;
	}
	for (c = LIST_FIRST(&lp->cells); c != NULL && !failed(o, rc); c = after) {
		after = LIST_NEXT(c, same_port);
		sweep_cell(c);
	}
	return rc;
}

static int
renew_one(struct cell *c, struct outcome *o)
{
	int rc = 0;

	if (renew_cell(c, o))
		rc = rings_update_cell(c, o->sock);
	else if (o->sock != NULL)
		rc = rings_update(o->sock);
	if (!failed(o, rc))
		sweep_cell(c);
	return rc;
}

void
flows_renew_cell(struct cell *c)
{
	struct outcome o = { 0 };

	renew_one(c, &o);
}

int
flows_renew(struct lport *lp, struct udp_sock *s, const struct ip_addr *local)
{
	struct outcome o = { .sock = s };
	struct cell *c;
	struct cell *after;
	int rc = 0, one;

	if (local == NULL) {
		rc = renew_all(lp, &o);
	} else {
		if (ip_is_multicast(local) && lp->any != NULL &&
				cell_get(lp, local, LOCAL_MULTICAST, &cell_no_addr, 0) == NULL)
			rc = -ENOMEM;
		/* Connected sockets may be in cells of their own at the same address. */
		for (c = LIST_FIRST(&lp->cells); c != NULL; c = after) {
			after = LIST_NEXT(c, same_port);
			if (!ip_equal(&c->local, local) || (c->rport != 0 && !c->dirty))
				continue;
			one = renew_one(c, &o);
			if (rc == 0)
				rc = one;
		}
	}
	if (s == NULL)
		return 0;
	if (rc < 0)
		return rc;
	return failed(&o, 0) ? o.err : 0;
}

struct udp_flow *
flows_find(const struct lport *lp, const struct port *port, const struct ip_addr *addr)
{
	struct cell *c = cell_find(lp, addr, &cell_no_addr, 0);
	struct udp_flow *f;

	for (unsigned int pass = 0; pass < 2; pass++, c = lp->any) {
		if (c != NULL)
			LIST_FOREACH (f, &c->flows, next)
				if (f->port == port)
					return f;
	}
	return NULL;
}

void
flows_note_change(struct port *port, void *ctx)
{
	(void)port;
	(void)ctx;
	__atomic_store_n(&flows_stale, true, __ATOMIC_RELEASE);
}

static void
follow(struct lport *lp)
{
	struct outcome o = { 0 };
	int rc = renew_all(lp, &o);

	if (rc == 0)
		rc = o.err;
	if (rc < 0)
		LOG_WARNING("UDP port %u: not all flows could be made on the addresses that came: "
			    "%s",
				rte_be_to_cpu_16(lp->port), strerror(-rc));
}

void
udp_progress(void)
{
	if (!__atomic_load_n(&flows_stale, __ATOMIC_RELAXED))
		return;
	control_lock();
	/* Cleared first: a change that comes meanwhile is seen the next time. */
	if (__atomic_exchange_n(&flows_stale, false, __ATOMIC_ACQ_REL))
		lport_foreach(follow);
	control_unlock();
}
