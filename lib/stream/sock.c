/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP socket as an object: made, bound, asked about, closed; and the room as a whole.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_tcp.h>

#include "stream/stream_priv.h"

#define DRAIN_MS 200	  /* what dpvma_exit() gives connections to say goodbye */
#define SETTLE_NS 1000000 /* to the next look at rules that are under way */
#define PROGRESS_MS 100	  /* longest time without a look at flows and ports */

static pthread_mutex_t control = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void
stream_control_lock(void)
{
	pthread_mutex_lock(&control);
}

void
stream_control_unlock(void)
{
	pthread_mutex_unlock(&control);
}

/** @name Options */
/** @{ */
/* VMA_TCP_TIMESTAMP_OPTION=2 */
static bool
kernel_timestamps(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_timestamps", "r");
	int value = 1;

	if (f == NULL)
		return true;
	if (fscanf(f, "%d", &value) != 1)
		value = 1;
	fclose(f);
	return value != 0;
}

static bool
timestamps(void)
{
	static int kernel = -1;

	if (conf()->tcp_timestamp_option != CONF_TCP_TS_OS)
		return conf()->tcp_timestamp_option == CONF_TCP_TS_ON;
	if (kernel < 0)
		kernel = kernel_timestamps();
	return kernel == 1;
}

static void
options_default(struct stream_options *o)
{
	static const uint8_t algo[] = {
		[CONF_TCP_CC_RENO] = TCP_CC_NEWRENO,
		[CONF_TCP_CC_CUBIC] = TCP_CC_CUBIC,
		[CONF_TCP_CC_NONE] = TCP_CC_NONE,
	};

	memset(o, 0, sizeof(*o));
	tcp_options_default(&o->tcp);
	o->tcp.cc = algo[conf()->tcp_cc_algo];
	o->tcp.mss = (uint16_t)conf()->mss;
	o->tcp.nodelay = conf()->tcp_nodelay;
	o->tcp.quickack = conf()->tcp_quickack;
	o->tcp.timestamps = timestamps();
	o->rcv_lowat = 1;
	o->ttl = 64;
}

struct stream_options *
stream_options(struct stream *s)
{
	return &s->opt;
}

void
stream_apply(struct stream *s)
{
	struct conn_extra *x;

	if (s->phase == STREAM_LISTENING) {
		listen_apply(s);
		return;
	}
	if (s->engine == NULL)
		return;
	engine_enter(s->engine);
	if (s->conn != NULL) {
		tcp_set_options(s->conn, &s->opt.tcp);
		x = extra_of(s->conn);
		x->reuse = s->opt.reuse_addr;
		x->share = s->opt.tcp.reuse_port;
		if (x->ttl != s->opt.ttl || x->tos != s->opt.tos)
			x->d.resolved = false;
		x->ttl = s->opt.ttl;
		x->tos = s->opt.tos;
	}
	engine_leave(s->engine);
}
/** @} */

void
stream_set_recverr(struct stream *s, net_report_cb cb)
{
	s->report = cb;
	s->opt.tcp.recverr = cb != NULL;
	stream_apply(s);
}

int
stream_open(int id, stream_wake_cb wake, void *ctx, struct stream **stream)
{
	struct stream *s = aligned_alloc(
			RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*s), RTE_CACHE_LINE_SIZE));

	if (s == NULL)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->wake = wake;
	s->wake_ctx = ctx;
	s->local = ip_from_v4(0);
	rte_spinlock_init(&s->desk_lock);
	options_default(&s->opt);
	ring_alloc_init(&s->alloc, RING_RX, id);
	s->alloc.lro = true;
	*stream = s;
	return 0;
}

/* Linux tells of data by these, and of urgent ones no otherwise. */
#define IN (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)

/* Not the end of them, which is a change of state. Engine locked. */
static bool
is_data(const struct stream *s)
{
	return s->conn != NULL && s->shut == 0 && !stream_ended(tcp_conn_state(s->conn));
}

void
stream_event(void *ctx, void *owner, unsigned int events)
{
	struct stream_engine *e = ctx;
	struct stream *s = owner;

	if (unlikely(s == NULL) || s->wake == NULL)
		return;
	if (unlikely(s->filter != 0) && (events & TCP_E_READABLE) && s->conn != NULL &&
			!filter_event(s, e->ring) && events == TCP_E_READABLE && is_data(s))
		return;
	if (events == TCP_E_READABLE && is_data(s)) {
		/* SO_RCVLOWAT: too little is nothing that anybody waits for */
		if (tcp_recv_queued(s->conn) < s->opt.rcv_lowat)
			return;
		events = IN;
	} else if (events == TCP_E_WRITABLE) {
		events = POLLOUT | POLLWRNORM | POLLWRBAND;
	} else if (events == TCP_E_ACCEPT || events == TCP_E_URGENT) {
		events = IN;
	} else {
		events = 0;
	}
	s->wake(s->wake_ctx, e->ring, events);
}

void
stream_on_mark(struct stream *s, stream_mark_cb cb)
{
	__atomic_store_n(&s->mark, cb, __ATOMIC_RELEASE);
}

void
stream_marked(void *ctx, void *owner, unsigned int what, uint32_t key)
{
	struct stream *s = owner;
	stream_mark_cb cb = __atomic_load_n(&s->mark, __ATOMIC_ACQUIRE);

	(void)ctx;
	if (cb != NULL)
		cb(s->wake_ctx, what, key);
}

void
stream_own(struct stream *s, struct stream_engine *e, struct tcp_conn *conn,
		struct stream_flow *flow)
{
	struct conn_extra *x = extra_of(conn);

	x->flow = flow;
	x->ttl = s->opt.ttl;
	x->tos = s->opt.tos;
	x->set = true;
	x->reuse = s->opt.reuse_addr;
	x->share = s->opt.tcp.reuse_port;
	/* what came before was sent without these */
	x->d.resolved = false;
	tcp_set_owner(conn, s);
	/* the engine must not go while a call may be on its way to it */
	if (s->flow != NULL)
		flow_put(s->flow);
	s->flow = flow_hold(flow);
	s->engine = e;
	s->conn = conn;
	if (s->wake != NULL)
		s->wake(s->wake_ctx, NULL, RING_CHANGED);
}

/* The connection lives on without its socket: the number stays taken as long. */
static void
let_go(struct stream *s, bool abort)
{
	struct tcp_conn *conn;
	struct conn_extra *x;

	if (s->engine == NULL)
		return;
	engine_enter(s->engine);
	conn = s->conn;
	s->conn = NULL;
	/* a batch that is being judged is of no connection any more */
	s->filter &= (uint8_t) ~(FILTER_OUT | FILTER_TOLD);
	/* nor are data that passed: those of the next one are judged from the first byte on */
	if (s->filter & FILTER_ON)
		s->filter |= FILTER_HIDES;
	if (conn != NULL) {
		x = extra_of(conn);
		own_end(s->engine, x);
		x->orphan = true;
		__atomic_fetch_add(&x->flow->left, 1, __ATOMIC_RELAXED);
		if (!x->reuse)
			__atomic_fetch_add(&x->flow->left_strict, 1, __ATOMIC_RELAXED);
		if (!x->share)
			__atomic_fetch_add(&x->flow->left_alone, 1, __ATOMIC_RELAXED);
		if (abort)
			tcp_abort(conn);
		else
			tcp_close(conn);
	}
	engine_leave(s->engine);
}

void
stream_close(struct stream *s, bool abort)
{
	stream_control_lock();
	stream_unlisten(s);
	let_go(s, abort);
	number_leave(s);
	if (s->flow != NULL)
		flow_put(s->flow);
	if (s->reserved != NULL)
		ring_release(s->reserved);
	aim_over(s);
	flow_reap();
	stream_control_unlock();
	free(s);
}

void
stream_disconnect(struct stream *s)
{
	bool bound;

	stream_control_lock();
	/* Linux says so to who looks */
	s->error = s->conn == NULL || tcp_conn_state(s->conn) == TCP_S_CLOSED ? 0 : ECONNRESET;
	let_go(s, true);
	s->phase = STREAM_IDLE;
	s->shut = 0;
	bound = s->port_bound;
	if (s->lp != NULL && !bound)
		number_leave(s);
	else if (s->lp != NULL && !s->addr_bound)
		s->local = ip_from_v4(0);
	stream_control_unlock();
}

/** @name Names */
/** @{ */
int
stream_bind(struct stream *s, const struct ip_addr *addr, uint16_t *port_be)
{
	uint16_t port = *port_be;
	int ret;

	if (!ip_is_any(addr) && port_by_addr(addr) == NULL)
		return -EREMOTE;
	stream_control_lock();
	flow_reap();
	if (s->lp != NULL || s->phase != STREAM_IDLE)
		ret = -EINVAL;
	else if (port == 0)
		ret = (port = number_choose(s, addr, false, NULL, NULL)) != 0 ? 0 : -EADDRINUSE;
	else
		ret = number_conflict(s, addr, port, false) ? -EADDRINUSE : 0;
	if (ret == 0)
		ret = number_enter(s, addr, port);
	if (ret == 0) {
		s->port_bound = true;
		s->addr_bound = !ip_is_any(addr);
		*port_be = port;
	}
	stream_control_unlock();
	return ret;
}

void
stream_local(const struct stream *s, struct ip_addr *addr, uint16_t *port_be)
{
	const struct lport *lp;

	stream_control_lock();
	lp = s->lp;
	*addr = s->local;
	*port_be = lp != NULL ? lp->port : 0;
	stream_control_unlock();
}

/* Linux: not before the handshake is done, nor when all is over. */
static bool
has_peer(enum tcp_state state)
{
	return state != TCP_S_SYN_SENT && state != TCP_S_CLOSED;
}

static bool
remote_of(struct stream *s, bool any_state, struct ip_addr *addr, uint16_t *port_be)
{
	bool is = false;

	if (s->engine == NULL)
		return false;
	engine_enter(s->engine);
	if (s->conn != NULL && (any_state || has_peer(tcp_conn_state(s->conn)))) {
		*addr = tcp_conn_key(s->conn)->remote;
		*port_be = tcp_conn_key(s->conn)->rport;
		is = true;
	}
	engine_leave(s->engine);
	return is;
}

bool
stream_peer(struct stream *s, struct ip_addr *addr, uint16_t *port_be)
{
	return remote_of(s, false, addr, port_be);
}

/* The engine's lock is held. */
static int
write_headers(struct stream *s, uint8_t *buf, uint16_t len)
{
	const struct tcp_key *key = tcp_conn_key(s->conn);
	const struct rte_tcp_hdr tcp = {
		.src_port = key->lport,
		.dst_port = key->rport,
		.data_off = (sizeof(tcp) / 4) << 4,
		.tcp_flags = RTE_TCP_ACK_FLAG,
	};
	struct net_dst *d;
	int ret = way_of(s->engine, s->conn, &d);

	if (ret != 0)
		return ret;
	ret = d->hdr_len + (int)sizeof(tcp);
	if (len >= ret) {
		memcpy(buf, d->hdr, d->hdr_len);
		memcpy(buf + d->hdr_len, &tcp, sizeof(tcp));
	}
	return ret;
}

int
stream_headers(struct stream *s, void *buf, uint16_t len)
{
	int ret = -ENOTCONN;

	if (s->engine == NULL)
		return ret;
	engine_enter(s->engine);
	if (s->conn != NULL && has_peer(tcp_conn_state(s->conn)))
		ret = write_headers(s, buf, len);
	engine_leave(s->engine);
	return ret;
}

bool
stream_remote(struct stream *s, struct ip_addr *addr, uint16_t *port_be)
{
	return remote_of(s, true, addr, port_be);
}

enum stream_phase
stream_phase(const struct stream *s)
{
	return s->phase;
}

struct ring_alloc *
stream_ring_alloc(struct stream *s)
{
	return &s->alloc;
}
/** @} */

/** @name Time */
/** @{ */
static unsigned int
engines_of(struct stream *s, struct stream_engine **e)
{
	unsigned int n = 0;

	if (s->phase != STREAM_LISTENING) {
		e[0] = s->engine;
		return e[0] != NULL;
	}
	rte_spinlock_lock(&s->desk_lock);
	for (; n < s->n_desks; n++)
		e[n] = s->desks[n].engine;
	rte_spinlock_unlock(&s->desk_lock);
	return n;
}

/* With VMA_THREAD_MODE=0 the internal thread leaves engines alone: somebody must look after them.
 */
static __rte_noinline void
progress_single(void)
{
	static uint64_t again_tsc;
	uint64_t now = rte_rdtsc();

	if (now < again_tsc)
		return;
	again_tsc = now + rte_get_tsc_hz() / 100;
	stream_progress(clock_ns());
}

unsigned int
stream_poll(struct stream *s)
{
	struct stream_engine *e[ENGINES_MAX];
	unsigned int n = engines_of(s, e), got = 0;

	for (unsigned int i = 0; i < n; i++) {
		got += net_poll(e[i]->ring);
		engine_timers(e[i]);
	}
	if (unlikely(n != 0 && e[0]->lockless))
		progress_single();
	return got;
}

void
stream_attend(struct stream *s)
{
	struct stream_engine *e = s->engine;

	if (likely(e != NULL && rte_rdtsc() < __atomic_load_n(&e->check_tsc, __ATOMIC_RELAXED)))
		return;
	stream_poll(s);
}

uint64_t
stream_due(struct stream *s)
{
	struct stream_engine *e[ENGINES_MAX];
	unsigned int n = engines_of(s, e);
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < n; i++)
		due = RTE_MIN(due, __atomic_load_n(&e[i]->due, __ATOMIC_RELAXED));
	return due;
}

unsigned int
stream_rings(struct stream *s, struct ring **rings, unsigned int n)
{
	struct stream_engine *e[ENGINES_MAX];
	unsigned int all = engines_of(s, e);
	struct ring *reserved;

	for (unsigned int i = 0; i < RTE_MIN(n, all); i++)
		rings[i] = e[i]->ring;
	if (likely(all != 0))
		return all;
	reserved = __atomic_load_n(&s->reserved, __ATOMIC_ACQUIRE);
	if (reserved != NULL && n != 0)
		rings[0] = reserved;
	return reserved != NULL;
}

/* With rings per address it is that of the port's first one. */
int
stream_reserve(struct stream *s, struct port *port)
{
	struct ring *ring = NULL, *before;
	int ret = 0;

	stream_control_lock();
	if (port != NULL)
		ret = ring_acquire(port, RING_RX, &s->alloc,
				s->addr_bound			     ? &s->local
						: port->n_addrs != 0 ? &port->addrs[0].addr
								     : NULL,
				&ring);
	before = s->reserved;
	if (ret == 0)
		__atomic_store_n(&s->reserved, ring, __ATOMIC_RELEASE);
	if (ret == 0 && before != NULL)
		ring_release(before);
	stream_control_unlock();
	if (ret == 0 && s->wake != NULL)
		s->wake(s->wake_ctx, NULL, RING_CHANGED);
	return ret;
}

/* With the control lock no flow goes, nor the ring behind it. */
unsigned int
stream_hold_rings(struct stream *s, struct ring **rings, unsigned int n)
{
	stream_control_lock();
	n = RTE_MIN(n, stream_rings(s, rings, n));
	for (unsigned int i = 0; i < n; i++)
		ring_hold(rings[i]);
	stream_control_unlock();
	return n;
}

static void
earlier(struct stream_engine *e, void *ctx)
{
	uint64_t *next = ctx;

	*next = RTE_MIN(*next, __atomic_load_n(&e->due, __ATOMIC_RELAXED));
}

uint64_t
stream_next(void)
{
	uint64_t next = UINT64_MAX;

	engine_foreach(earlier, &next);
	return next;
}

struct turn {
	uint64_t now, next;
};

/* Who runs the timers of an engine that another thread attends to has that one wait at its lock. */
static void
turn_of(struct stream_engine *e, void *ctx)
{
	struct turn *t = ctx;
	uint64_t next;

	if (engine_attended(e))
		next = RTE_MAX(__atomic_load_n(&e->due, __ATOMIC_RELAXED),
				t->now + UINT64_C(1000000000) / UNATTENDED_PER_S);
	else
		next = engine_run(e, t->now);
	t->next = RTE_MIN(t->next, next);
}

void
stream_turn(const struct ring *ring)
{
	struct stream_engine *e = engine_of(ring);

	if (e == NULL)
		return;
	engine_timers(e);
	if (unlikely(e->lockless))
		progress_single();
}

/*
 * The control lock keeps engines where they are; without it (somebody is busy with a device) the
 * list's lock does, which a new engine has to wait for.
 */
uint64_t
stream_progress(uint64_t now)
{
	struct turn t = { .now = now, .next = now + PROGRESS_MS * UINT64_C(1000000) };
	uint64_t due;

	engine_foreach(turn_of, &t);
	if (pthread_mutex_trylock(&control) == 0) {
		listen_follow();
		flow_reap();
		own_run();
		stream_control_unlock();
	}
	due = own_due(now);
	if (ring_flow_settle())
		due = RTE_MIN(due, now + SETTLE_NS);
	t.next = RTE_MIN(t.next, due);
	return t.next;
}
/** @} */

/** @name The room */
/** @{ */
struct message {
	struct tcp_key key;
	const struct flow_key *about;
	const struct net_error *e;
};

static void
icmp(struct stream_engine *engine, void *ctx)
{
	const struct message *m = ctx;
	struct stream *s;

	engine_enter(engine);
	s = tcp_icmp_owner(engine->tcp, &m->key, m->e->seq, m->e->err);
	if (s != NULL && s->report != NULL)
		s->report(s->wake_ctx, m->about, m->e);
	tcp_icmp(engine->tcp, &m->key, m->e->seq, m->e->err, (uint16_t)m->e->info);
	engine_leave(engine);
}

/* Which engine has the connection is not known here, and there are few of them. */
static void
on_icmp(const struct flow_key *key, const struct net_error *e)
{
	struct message m = { .about = key, .e = e };

	m.key = (struct tcp_key){
		.local = key->local, .remote = key->remote, .lport = key->lport, .rport = key->rport
	};
	engine_foreach(icmp, &m);
}

static void
note_change(struct port *port, void *ctx)
{
	(void)port;
	(void)ctx;
	__atomic_store_n(&listen_stale, true, __ATOMIC_RELEASE);
}

int
stream_init(void)
{
	net_on_icmp_error(IPPROTO_TCP, on_icmp);
	return port_on_change(note_change, &listen_stale);
}

static void
unfinished(struct tcp_conn *conn, void *ctx)
{
	unsigned int *n = ctx;
	enum tcp_state state = tcp_conn_state(conn);

	/* a FIN that was acknowledged, or none of ours to come */
	*n += state == TCP_S_FIN_WAIT_1 || state == TCP_S_CLOSING || state == TCP_S_LAST_ACK;
}

static void
busy(struct stream_engine *e, void *ctx)
{
	engine_enter(e);
	tcp_foreach(e->tcp, unfinished, ctx);
	engine_leave(e);
}

struct rings {
	unsigned int n;
	struct ring *ring[ENGINES_MAX];
};

static void
ring_of(struct stream_engine *e, void *ctx)
{
	struct rings *r = ctx;

	if (r->n < ENGINES_MAX)
		r->ring[r->n++] = e->ring;
}

/* Nobody else is here any more. What a turn brings may look through the list of engines. */
static void
drain(unsigned int ms)
{
	uint64_t now = clock_ns(), end = now + ms * UINT64_C(1000000);
	struct rings r = { 0 };
	unsigned int n = 0;

	engine_foreach(ring_of, &r);
	engine_foreach(busy, &n);
	while (n != 0 && now < end) {
		struct turn t = { .now = now };

		for (unsigned int i = 0; i < r.n; i++)
			net_poll(r.ring[i]);
		engine_foreach(turn_of, &t);
		n = 0;
		engine_foreach(busy, &n);
		now = clock_ns();
	}
}

void
stream_fini(void)
{
	drain(DRAIN_MS);
	net_on_icmp_error(IPPROTO_TCP, NULL);
	port_off(&listen_stale);
	stream_control_lock();
	flows_free();
	stream_control_unlock();
}

struct shown {
	void (*cb)(const struct ring *ring, const struct tcp_stats *stats, unsigned int conns,
			void *ctx);
	void *ctx;
};

static void
show(struct stream_engine *e, void *ctx)
{
	const struct shown *s = ctx;

	s->cb(e->ring, tcp_engine_stats(e->tcp), tcp_engine_conns(e->tcp), s->ctx);
}

void
stream_foreach_engine(void (*cb)(const struct ring *ring, const struct tcp_stats *stats,
				      unsigned int conns, void *ctx),
		void *ctx)
{
	struct shown s = { .cb = cb, .ctx = ctx };

	engine_foreach(show, &s);
}
/** @} */
