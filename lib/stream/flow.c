/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that lead segments to engines. A flow is found by its key, so that a listener, connections
 * that came by it, and a later listener on the same number share one. The last reference may be
 * dropped by a delivery, which must not take flows away: those without a reference wait in a list.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port/port.h"
#include "stream/stream_priv.h"

#define BATCH 64 /* flows that go at once */

static SLIST_HEAD(, stream_flow) dead = SLIST_HEAD_INITIALIZER(dead);
static rte_spinlock_t dead_lock = RTE_SPINLOCK_INITIALIZER;

int
flow_compare(const struct stream_flow *a, const struct stream_flow *b)
{
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (memcmp(&a->key, &b->key, sizeof(a->key)) != 0)
		return memcmp(&a->key, &b->key, sizeof(a->key));
	if (a->spread != b->spread)
		return a->spread ? 1 : -1;
	if (!a->spread || a->ring == b->ring)
		return 0;
	return a->ring < b->ring ? -1 : 1;
}

RB_GENERATE(flow_tree, stream_flow, next, flow_compare)

static bool
same_key(const struct stream_flow *f, const struct port *port, const struct flow_key *key)
{
	return f->port == port && memcmp(&f->key, key, sizeof(*key)) == 0;
}

struct stream_flow *
flow_first(struct lport *lp, struct port *port, const struct flow_key *key)
{
	struct stream_flow like = { .port = port, .key = *key };
	struct stream_flow *f = RB_NFIND(flow_tree, &lp->flows, &like);

	return f != NULL && same_key(f, port, key) ? f : NULL;
}

/* Nobody listens there: it takes no new connections away from those who do. */
static void
leave_group(struct stream_flow *f)
{
	ring_flow_del(f->flow);
	f->flow = NULL;
}

/* @p f has a listener. */
static void
leave_to(struct stream_flow *f)
{
	struct stream_flow *o = flow_first(f->lp, f->port, &f->key);

	for (; o != NULL && same_key(o, f->port, &f->key); o = RB_NEXT(flow_tree, &f->lp->flows, o))
		if (o->seats == 0 && o->flow != NULL)
			leave_group(o);
}

void
flow_unseat(struct stream_flow *f)
{
	struct stream_flow *o;

	if (--f->seats != 0 || !f->spread || f->flow == NULL)
		return;
	for (o = flow_first(f->lp, f->port, &f->key); o != NULL && same_key(o, f->port, &f->key);
			o = RB_NEXT(flow_tree, &f->lp->flows, o))
		if (o->seats != 0) {
			leave_group(f);
			return;
		}
}

static unsigned int
flags_of(const struct stream_flow *f)
{
	return (ip_is_any(&f->key.local) ? 0 : FLOW_RULE) | (f->spread ? FLOW_SPREAD : 0);
}

/* With the ring that it has; one that is shared opens with its seat. */
static int
open_flow(struct stream_flow *f)
{
	int ret;

	ret = engine_get(f->ring, &f->engine);
	if (ret == 0 && !f->spread) {
		ret = ring_flow_add(f->ring, &f->key, &f->engine->sink, flags_of(f), &f->flow);
		if (ret != 0)
			engine_put(f->engine);
	}
	return ret;
}

/* Takes the ring. */
static int
make(struct lport *lp, const struct stream_flow *like, struct stream_flow **flow)
{
	struct stream_flow *f = calloc(1, sizeof(*f));
	int ret = -ENOMEM;

	if (f != NULL) {
		*f = *like;
		f->lp = lp;
		f->guard = -1;
		ret = open_flow(f);
	}
	if (ret != 0) {
		ring_release(like->ring);
		free(f);
		return ret == -EEXIST ? -EADDRINUSE : ret;
	}
	f->refs = 1;
	RB_INSERT(flow_tree, &lp->flows, f);
	*flow = f;
	return 0;
}

static int
ring_for(const struct stream_flow *like, struct ring_alloc *alloc, struct ring **ring)
{
	const struct ip_addr *local = ip_is_any(&like->key.local) ? NULL : &like->key.local;

	return ring_acquire(like->port, RING_RX, alloc, local, ring);
}

int
flow_get(struct lport *lp, struct port *port, const struct flow_key *key, struct ring_alloc *alloc,
		struct stream_flow **flow)
{
	struct stream_flow like = { .port = port, .key = *key };
	struct stream_flow *f = RB_FIND(flow_tree, &lp->flows, &like);
	int ret;

	if (f != NULL) {
		*flow = flow_hold(f);
		return 0;
	}
	ret = ring_for(&like, alloc, &like.ring);
	return ret == 0 ? make(lp, &like, flow) : ret;
}

/* That of the listener's ring, there already or new. */
static int
get_spread(struct lport *lp, struct stream_flow *like, struct ring_alloc *alloc,
		struct stream_flow **flow)
{
	struct stream_flow *f;
	int ret = ring_for(like, alloc, &like->ring);

	if (ret != 0)
		return ret;
	f = RB_FIND(flow_tree, &lp->flows, like);
	if (f == NULL)
		return make(lp, like, flow);
	ring_release(like->ring);
	*flow = flow_hold(f);
	return 0;
}

int
flow_get_seat(struct lport *lp, struct port *port, const struct flow_key *key,
		struct ring_alloc *alloc, bool spread, struct stream_flow **flow)
{
	struct stream_flow like = { .port = port, .key = *key, .spread = true };
	struct stream_flow *other = flow_first(lp, port, key);
	int ret;

	/* connections of a listener that is gone may have it, of either kind */
	if (other != NULL ? !other->spread : !spread) {
		ret = flow_get(lp, port, key, alloc, flow);
		if (ret == 0)
			(*flow)->seats++;
		return ret;
	}
	stray_expect();
	ret = get_spread(lp, &like, alloc, flow);
	if (ret == 0)
		(*flow)->seats++;
	return ret;
}

int
flow_open_seat(struct stream_flow *f)
{
	int ret = 0;

	if (f->flow == NULL)
		ret = ring_flow_add(f->ring, &f->key, &f->engine->sink, flags_of(f), &f->flow);
	if (ret == 0 && f->spread)
		leave_to(f);
	return ret == -EEXIST ? -EADDRINUSE : ret;
}

void
flow_put(struct stream_flow *f)
{
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	rte_spinlock_lock(&dead_lock);
	if (!f->dead) {
		f->dead = true;
		SLIST_INSERT_HEAD(&dead, f, next_dead);
	}
	rte_spinlock_unlock(&dead_lock);
}

static bool
unguard(struct stream_flow *f)
{
	if (f->guard < 0)
		return false;
	port_fork_close(f->guard);
	f->guard = -1;
	return true;
}

static void
guard(struct stream_flow *f, int fd)
{
	if (f->guard >= 0)
		return;
	/* not by its name: that may lead to room sock, to which it would be one more of the
	 * socket's */
	f->guard = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	/* a child would keep the number from being bound again */
	if (f->guard >= 0)
		port_fork_own(f->guard);
}

void
stream_guard(struct stream *s, int fd)
{
	stream_control_lock();
	for (unsigned int i = 0; i < s->n_seats; i++)
		guard(s->seats[i], fd);
	if (s->flow != NULL)
		guard(s->flow, fd);
	stream_control_unlock();
}

void
stream_foreach_flow(struct stream *s, void (*cb)(struct flow *flow, void *ctx), void *ctx)
{
	struct flow *own;

	stream_control_lock();
	for (unsigned int i = 0; i < s->n_seats; i++)
		if (s->seats[i]->flow != NULL)
			cb(s->seats[i]->flow, ctx);
	if (s->phase == STREAM_CONNECTING || s->phase == STREAM_CONNECTED)
		if (s->flow != NULL && s->flow->flow != NULL)
			cb(s->flow->flow, ctx);
	own = own_of(s);
	if (own != NULL)
		cb(own, ctx);
	stream_control_unlock();
}

static bool
listened(const struct lport *lp)
{
	const struct stream *s;

	TAILQ_FOREACH (s, &lp->streams, same_port)
		if (s->phase == STREAM_LISTENING)
			return true;
	return false;
}

bool
stream_unguard(uint16_t port_be)
{
	struct stream_flow *f;
	struct lport *lp;
	bool any = false;

	stream_control_lock();
	lp = number_find(port_be);
	if (lp != NULL && !listened(lp))
		RB_FOREACH(f, flow_tree, &lp->flows)
	any |= unguard(f);
	stream_control_unlock();
	return any;
}

static void
free_flow(struct stream_flow *f)
{
	struct lport *lp = f->lp;

	unguard(f);
	RB_REMOVE(flow_tree, &lp->flows, f);
	engine_put(f->engine);
	ring_release(f->ring);
	free(f);
	number_put(lp);
}

/* Who takes one up again has the control lock. */
static unsigned int
take_dead(struct stream_flow **f)
{
	unsigned int n = 0;

	rte_spinlock_lock(&dead_lock);
	while (n < BATCH && !SLIST_EMPTY(&dead)) {
		f[n] = SLIST_FIRST(&dead);
		SLIST_REMOVE_HEAD(&dead, next_dead);
		f[n]->dead = false;
		n += __atomic_load_n(&f[n]->refs, __ATOMIC_ACQUIRE) == 0;
	}
	rte_spinlock_unlock(&dead_lock);
	return n;
}

void
flow_reap(void)
{
	struct stream_flow *f[BATCH];
	struct flow *flows[BATCH];
	unsigned int n;

	if (likely(SLIST_EMPTY(&dead) && !own_ended()))
		return;
	do {
		n = take_dead(f);
		/* whatever leads to the engines of these has ended before them */
		own_reap();
		for (unsigned int i = 0; i < n; i++)
			flows[i] = f[i]->flow;
		ring_flow_del_many(flows, n);
		for (unsigned int i = 0; i < n; i++)
			free_flow(f[i]);
	} while (n == BATCH);
}

void
flow_conn_gone(void *ctx, struct tcp_conn *conn)
{
	struct conn_extra *x = extra_of(conn);

	/* first: its listener's flow keeps the engine */
	own_end(ctx, x);
	if (x->flow == NULL)
		return;
	if (x->orphan) {
		__atomic_fetch_sub(&x->flow->left, 1, __ATOMIC_RELAXED);
		if (!x->reuse)
			__atomic_fetch_sub(&x->flow->left_strict, 1, __ATOMIC_RELAXED);
		if (!x->share)
			__atomic_fetch_sub(&x->flow->left_alone, 1, __ATOMIC_RELAXED);
	}
	flow_put(x->flow);
	x->flow = NULL;
}

/* Deliveries end first, for all of them; then engines, whose connections give flows back; then the
 * flows. */
static void
undeliver(struct lport *lp, void *ctx)
{
	struct stream_flow *f;

	(void)ctx;
	RB_FOREACH(f, flow_tree, &lp->flows)
	{
		ring_flow_del(f->flow);
		f->flow = NULL;
	}
}

static void
free_all(struct lport *lp, void *ctx)
{
	struct stream_flow *f;

	(void)ctx;
	while ((f = RB_MIN(flow_tree, &lp->flows)) != NULL) {
		RB_REMOVE(flow_tree, &lp->flows, f);
		unguard(f);
		ring_release(f->ring);
		free(f);
	}
	number_put(lp);
}

void
flows_free(void)
{
	own_free();
	number_foreach(undeliver, NULL);
	engines_free();
	SLIST_INIT(&dead);
	number_foreach(free_all, NULL);
}
