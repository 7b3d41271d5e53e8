/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows of accepted connections. Each comes by its listener's flow. Where the device steers, those
 * that stay get a flow of their own with a rule, which leads to the ring where they live whatever
 * becomes of the listener's; short ones never cost a rule. The rules are made by who calls
 * stream_progress(), some dozens at a time, and go with the socket: what comes to a connection
 * without one is little, and comes by the listener's flow again.
 *
 * The listener's flow stays until the last of its connections is gone: it keeps the number.
 */
#include <stdlib.h>

#include "stream/stream_priv.h"

#define AGE_MS 20	/* of a connection that is taken to stay */
#define PAUSE_MS 1000	/* without a try after the device has refused one */
#define BATCH 64	/* rules that one engine gets in a turn */
#define BATCH_SLOW 8	/* of rules that are made one by one */
#define TURN_NS 5000000 /* between two turns */

struct made {
	struct conn_extra *x;
	struct flow_key key;
	struct flow *flow;
};

/* Flows to be removed: room for all there are, since those who add to it may not allocate. */
static struct flow **ended;
static unsigned int ended_n, ended_cap, alive;
static rte_spinlock_t ended_lock = RTE_SPINLOCK_INITIALIZER;
static uint32_t young; /**< atomic: connections that wait */

static bool
may_have_one(const struct stream_flow *seat)
{
	const struct port_caps *caps = &seat->port->caps;

	return (caps->flow || caps->isolated) && !conf()->tcp_3t_rules &&
			!ip_is_any(&seat->key.local) && seat->key.vlan_id != FLOW_VLAN_ANY &&
			seat->key.rport == 0;
}

static void
wait_for_one(struct stream_engine *e, struct conn_extra *x)
{
	x->since = (uint32_t)clock_ms();
	x->own_state = OWN_YOUNG;
	TAILQ_INSERT_TAIL(&e->young, x, next_young);
	__atomic_fetch_add(&young, 1, __ATOMIC_RELAXED);
}

void
own_want(struct stream_engine *e, struct tcp_conn *conn)
{
	struct conn_extra *x = extra_of(conn);

	if (may_have_one(x->flow))
		wait_for_one(e, x);
}

void
own_want_stray(struct stream_engine *e, struct tcp_conn *conn)
{
	struct conn_extra *x = extra_of(conn);

	if (x->own_state == OWN_NONE && !x->orphan && x->flow != NULL &&
			!ip_is_any(&x->flow->key.local) && x->flow->key.rport == 0)
		wait_for_one(e, x);
}

/* Out of whichever list it is in. */
static void
grown(struct stream_engine *e, struct conn_extra *x)
{
	if (x->own_state == OWN_YOUNG) {
		TAILQ_REMOVE(&e->young, x, next_young);
		__atomic_fetch_sub(&young, 1, __ATOMIC_RELAXED);
	} else if (x->own_state == OWN_MAKING) {
		TAILQ_REMOVE(&e->making, x, next_young);
	}
	x->own_state = OWN_NONE;
}

void
own_end(struct stream_engine *e, struct conn_extra *x)
{
	if (x->own_state != OWN_HAS) {
		grown(e, x);
		return;
	}
	rte_spinlock_lock(&ended_lock);
	ended[ended_n] = x->own;
	__atomic_store_n(&ended_n, ended_n + 1, __ATOMIC_RELAXED);
	rte_spinlock_unlock(&ended_lock);
	x->own_state = OWN_NONE;
}

bool
own_ended(void)
{
	return __atomic_load_n(&ended_n, __ATOMIC_RELAXED) != 0;
}

void
own_reap(void)
{
	struct flow *batch[BATCH];
	unsigned int n;

	do {
		rte_spinlock_lock(&ended_lock);
		n = RTE_MIN(ended_n, (unsigned int)BATCH);
		__atomic_store_n(&ended_n, ended_n - n, __ATOMIC_RELAXED);
		memcpy(batch, &ended[ended_n], n * sizeof(*batch));
		alive -= n;
		rte_spinlock_unlock(&ended_lock);
		ring_flow_del_many(batch, n);
	} while (n == BATCH);
}

/* Control lock held. */
static bool
room_for(unsigned int n)
{
	unsigned int cap = ended_cap;
	struct flow **more, **old;

	if (alive + n > cap) {
		cap = RTE_MAX(2 * cap, alive + n);
		more = malloc(cap * sizeof(*more));
		if (more == NULL)
			return false;
		rte_spinlock_lock(&ended_lock);
		memcpy(more, ended, ended_n * sizeof(*more));
		old = ended;
		ended = more;
		ended_cap = cap;
		rte_spinlock_unlock(&ended_lock);
		free(old);
	}
	alive += n;
	return true;
}

static bool
stays(struct tcp_conn *conn)
{
	enum tcp_state state = tcp_conn_state(conn);

	return state == TCP_S_ESTABLISHED || state == TCP_S_CLOSE_WAIT;
}

/* Those that are old enough, oldest first. */
static unsigned int
pick(struct stream_engine *e, struct made *made)
{
	uint64_t now = clock_ms();
	/* a device that makes them one by one is waited for, with accept() behind */
	unsigned int most = e->ring->port->caps.flow_queue > 0 ? BATCH : BATCH_SLOW;
	struct conn_extra *x;
	unsigned int n = 0;

	if (now < e->no_rules_before)
		return 0;
	engine_enter(e);
	while (n < most && (x = TAILQ_FIRST(&e->young)) != NULL &&
			(uint32_t)now - x->since >= AGE_MS) {
		struct tcp_conn *conn = tcp_conn_of_extra(x);
		const struct tcp_key *key = tcp_conn_key(conn);

		grown(e, x);
		if (!stays(conn))
			continue;
		x->own_state = OWN_MAKING;
		TAILQ_INSERT_TAIL(&e->making, x, next_young);
		made[n++] = (struct made){
			.x = x,
			.key = { .local = key->local,
					.remote = key->remote,
					.lport = key->lport,
					.rport = key->rport,
					.vlan_id = x->flow->key.vlan_id,
					.proto = IPPROTO_TCP },
		};
	}
	engine_leave(e);
	return n;
}

/* What the device refuses once it refuses for a while. Without the engine's lock. */
static void
make(struct stream_engine *e, struct made *made, unsigned int n)
{
	int ret = 0;

	for (unsigned int i = 0; i < n && ret != -ENOSPC; i++)
		ret = ring_flow_add(e->ring, &made[i].key, &e->sink, FLOW_RULE | FLOW_EXTRA,
				&made[i].flow);
	if (ret == -ENOSPC)
		e->no_rules_before = clock_ms() + PAUSE_MS;
}

/* Connections may have gone meanwhile, and others may lie where they lay: those are not in the
 * list. */
static void
give(struct stream_engine *e, struct made *made, unsigned int n)
{
	struct flow *left[BATCH];
	struct conn_extra *x;
	unsigned int i = 0, lefts = 0;

	engine_enter(e);
	while ((x = TAILQ_FIRST(&e->making)) != NULL) {
		while (made[i].x != x)
			i++;
		grown(e, x);
		if (made[i].flow == NULL)
			continue;
		x->own = made[i].flow;
		x->own_state = OWN_HAS;
		made[i].flow = NULL;
	}
	engine_leave(e);
	for (i = 0; i < n; i++)
		if (made[i].flow != NULL)
			left[lefts++] = made[i].flow;
	ring_flow_del_many(left, lefts);
	rte_spinlock_lock(&ended_lock);
	alive -= lefts;
	rte_spinlock_unlock(&ended_lock);
}

static void
turn(struct stream_engine *e)
{
	struct made made[BATCH];
	unsigned int n, missed = 0;

	if (!room_for(BATCH))
		return;
	n = pick(e, made);
	make(e, made, n);
	for (unsigned int i = 0; i < n; i++)
		missed += made[i].flow == NULL;
	give(e, made, n);
	rte_spinlock_lock(&ended_lock);
	alive -= BATCH - n + missed;
	rte_spinlock_unlock(&ended_lock);
}

void
own_run(void)
{
	if (__atomic_load_n(&young, __ATOMIC_RELAXED) == 0)
		return;
	for (struct stream_engine *e = engine_next(NULL); e != NULL; e = engine_next(e))
		if (!TAILQ_EMPTY(&e->young))
			turn(e);
}

uint64_t
own_due(uint64_t now)
{
	return __atomic_load_n(&young, __ATOMIC_RELAXED) == 0 ? UINT64_MAX : now + TURN_NS;
}

struct flow *
own_of(struct stream *s)
{
	struct flow *flow = NULL;

	if (s->engine == NULL)
		return NULL;
	engine_enter(s->engine);
	if (s->conn != NULL && extra_of(s->conn)->own_state == OWN_HAS)
		flow = extra_of(s->conn)->own;
	engine_leave(s->engine);
	return flow;
}

static void
end(struct tcp_conn *conn, void *ctx)
{
	own_end(ctx, extra_of(conn));
}

void
own_free(void)
{
	for (struct stream_engine *e = engine_next(NULL); e != NULL; e = engine_next(e)) {
		engine_enter(e);
		tcp_foreach(e->tcp, end, e);
		engine_leave(e);
	}
	own_reap();
	free(ended);
	ended = NULL;
	ended_cap = 0;
}
