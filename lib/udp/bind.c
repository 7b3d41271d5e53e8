/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who has which local address and port, and which peer: bind and connect as Linux does them for
 * UDP. What follows from it for flows is in flows.c.
 */
#include <stdlib.h>

#include <rte_random.h>

#include "conf/conf.h"
#include "udp/udp_priv.h"

static struct lport *lports[UINT16_MAX + 1];
struct udp_sock_list bind_multicast = LIST_HEAD_INITIALIZER(bind_multicast);

struct lport *
lport_find(uint16_t port_be)
{
	return __atomic_load_n(&lports[port_be], __ATOMIC_RELAXED);
}

void
lport_foreach(void (*cb)(struct lport *lp))
{
	for (unsigned int i = 0; i <= UINT16_MAX; i++)
		if (lports[i] != NULL)
			cb(lports[i]);
}

/* With room for one socket more. */
static struct lport *
lport_get(uint16_t port_be)
{
	struct lport *lp = lports[port_be];
	struct fan_entry *grown;
	unsigned int n;

	if (lp == NULL) {
		lp = calloc(1, sizeof(*lp));
		if (lp == NULL)
			return NULL;
		lp->port = port_be;
		TAILQ_INIT(&lp->socks);
		LIST_INIT(&lp->cells);
		__atomic_store_n(&lports[port_be], lp, __ATOMIC_RELAXED);
	}
	if (lp->socks_n == lp->scratch_n) {
		n = lp->scratch_n == 0 ? 2 : lp->scratch_n * 2;
		grown = realloc(lp->scratch, n * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		lp->scratch = grown;
		lp->scratch_n = n;
	}
	return lp;
}

static void
lport_put(struct lport *lp)
{
	if (lp->socks_n != 0)
		return;
	__atomic_store_n(&lports[lp->port], NULL, __ATOMIC_RELAXED);
	free(lp->scratch);
	free(lp);
}

/* Linux, udp_lib_lport_inuse() and inet_rcv_saddr_equal(): what each of two sockets allows. */
static bool
conflicts(const struct udp_sock *a, const struct ip_addr *addr, const struct udp_sock *b)
{
	if (a->opt.reuse_addr && b->opt.reuse_addr)
		return false;
	if (a->opt.reuse_port && b->opt.reuse_port && a->opt.uid == b->opt.uid)
		return false;
	if (a->opt.bind_ifindex != 0 && b->opt.bind_ifindex != 0 &&
			a->opt.bind_ifindex != b->opt.bind_ifindex)
		return false;
	if (a->opt.bind_port != NULL && b->opt.bind_port != NULL &&
			a->opt.bind_port != b->opt.bind_port)
		return false;
	return ip_is_any(addr) || b->kind == LOCAL_ANY || ip_equal(addr, &b->local);
}

static bool
in_use(const struct udp_sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	const struct lport *lp = lports[port_be];
	const struct udp_sock *other;

	if (lp == NULL)
		return false;
	TAILQ_FOREACH (other, &lp->socks, same_port)
		if (other != s && conflicts(s, addr, other))
			return true;
	return false;
}

bool
bind_is_free(uint16_t port_be)
{
	return lports[port_be] == NULL;
}

/* A port that nobody has here, else one that may be shared; 0 for none. */
static uint16_t
choose(const struct udp_sock *s, const struct ip_addr *addr)
{
	uint32_t first = (uint32_t)conf()->ephemeral_first, n;
	uint32_t last = (uint32_t)conf()->ephemeral_last, start;

	if (last < first)
		last = first;
	n = last - first + 1;
	start = (uint32_t)rte_rand_max(n);
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < n; i++) {
			uint16_t p = rte_cpu_to_be_16((uint16_t)(first + (start + i) % n));

			if (pass == 0 ? lports[p] == NULL : !in_use(s, addr, p))
				return p;
		}
	}
	return 0;
}

static bool
is_broadcast_of(const struct ip_addr *addr, const struct port *port)
{
	for (unsigned int i = 0; i < port->n_addrs; i++)
		if (!ip_is_any(&port->addrs[i].broadcast) &&
				ip_equal(addr, &port->addrs[i].broadcast))
			return true;
	return false;
}

/* What the address is on our ports, and whether any of them could bring us its datagrams. */
static int
kind_of(const struct udp_sock *s, const struct ip_addr *addr, enum udp_local_kind *kind)
{
	const struct port *port;
	unsigned int ports = port_count();
	bool broadcast = ip_is_v4(addr) && ip_v4(addr) == INADDR_BROADCAST;
	bool found = broadcast, open = false;

	if (ports == 0 || (s->opt.bind_ifindex != 0 && s->opt.bind_port == NULL))
		return -EREMOTE;
	if (ip_is_any(addr)) {
		*kind = LOCAL_ANY;
		return 0;
	}
	if (!ip_is_v4(addr) || addr->b[12] == IN_LOOPBACKNET)
		return -EREMOTE;
	if (ip_is_multicast(addr)) {
		*kind = LOCAL_MULTICAST;
		return 0;
	}
	port = port_by_addr(addr);
	if (port != NULL) {
		*kind = LOCAL_UNICAST;
		/* Only the device that has the address brings its datagrams here. */
		return s->opt.bind_port != NULL && s->opt.bind_port != port ? -EREMOTE : 0;
	}
	for (unsigned int i = 0; i < ports; i++) {
		port = port_get(i);
		if (broadcast || is_broadcast_of(addr, port)) {
			found = true;
			open |= !port->caps.isolated;
		}
	}
	*kind = LOCAL_BROADCAST;
	/* Where rules alone bring packets, the kernel gets broadcasts. */
	return !found ? -EADDRNOTAVAIL : open ? 0 : -EREMOTE;
}

/* Enter port number and cell and make flows, or leave everything as it was. */
static int
enter(struct udp_sock *s, const struct ip_addr *addr, enum udp_local_kind kind, uint16_t port_be)
{
	struct lport *lp = lport_get(port_be);
	int rc = -ENOMEM;

	if (lp != NULL) {
		s->local = *addr;
		s->kind = kind;
		s->lport = port_be;
		TAILQ_INSERT_TAIL(&lp->socks, s, same_port);
		lp->socks_n++;
		if (kind == LOCAL_MULTICAST)
			LIST_INSERT_HEAD(&bind_multicast, s, same_group);
		rc = cell_enter(lp, s);
		if (rc == 0)
			rc = flows_renew(lp, s, kind == LOCAL_ANY ? NULL : addr);
		if (rc < 0)
			bind_leave(s);
	} else if (lports[port_be] != NULL) {
		lport_put(lports[port_be]);
	}
	return rc == -EEXIST ? -EADDRINUSE : rc;
}

static void
peer_set(struct udp_sock *s, bool on, const struct ip_addr *peer, uint16_t port_be)
{
	bool check = on && (conf()->udp_3t_rules || s->kind != LOCAL_UNICAST);

	error_forget(s);
	rte_spinlock_lock(&s->queue_lock);
	s->connected = on;
	s->peer = on ? *peer : ip_from_v4(0);
	s->peer_ip = ip_v4(&s->peer);
	s->head.peer_port = on ? port_be : 0;
	s->head.checks = (uint8_t)((s->head.checks & ~CHECK_PEER) | (check ? CHECK_PEER : 0));
	rte_spinlock_unlock(&s->queue_lock);
	error_watch(s);
}

void
bind_leave(struct udp_sock *s)
{
	struct lport *lp;
	struct ip_addr local = s->local;
	/* Without a cell a change of address failed half-way: look everywhere. */
	bool any = s->kind == LOCAL_ANY || s->cell == NULL;

	if (s->lport == 0)
		return;
	lp = lports[s->lport];
	peer_set(s, false, NULL, 0);
	error_forget(s);
	if (s->kind == LOCAL_MULTICAST)
		LIST_REMOVE(s, same_group);
	flows_forget_rings(s);
	TAILQ_REMOVE(&lp->socks, s, same_port);
	lp->socks_n--;
	cell_leave(s);
	flows_renew(lp, NULL, any ? NULL : &local);
	lport_put(lp);
	s->lport = 0;
	s->kind = LOCAL_ANY;
	s->local = ip_from_v4(0);
	s->addr_bound = s->port_bound = false;
}

static int
bind_locked(struct udp_sock *s, const struct ip_addr *addr, uint16_t *port_be)
{
	enum udp_local_kind kind;
	uint16_t port = *port_be;
	int rc;

	if (s->lport != 0)
		return -EINVAL;
	rc = kind_of(s, addr, &kind);
	if (rc < 0)
		return rc;
	if (port == 0)
		port = choose(s, addr);
	else if (in_use(s, addr, port))
		port = 0;
	if (port == 0)
		return -EADDRINUSE;
	rc = enter(s,
			kind == LOCAL_ANY ? &(struct ip_addr){ .w = { 0, 0, RTE_BE32(0xffff), 0 } }
					  : addr,
			kind, port);
	if (rc < 0)
		return rc;
	error_watch(s);
	s->addr_bound = kind != LOCAL_ANY;
	s->port_bound = *port_be != 0;
	*port_be = port;
	return 0;
}

int
udp_bind(struct udp_sock *s, const struct ip_addr *addr, uint16_t *port_be)
{
	int rc;

	rte_spinlock_lock(&s->tx_lock);
	control_lock();
	rc = bind_locked(s, addr, port_be);
	if (rc == 0)
		way_reset(s);
	control_unlock();
	rte_spinlock_unlock(&s->tx_lock);
	return rc;
}

int
bind_auto(struct udp_sock *s)
{
	struct ip_addr any = ip_from_v4(0);
	uint16_t port = 0;
	int rc;

	control_lock();
	rc = s->lport != 0 ? 0 : bind_locked(s, &any, &port);
	control_unlock();
	return rc;
}

/* Another peer or none, another local address: to the cell that this makes, flows first. */
static int
readdress(struct udp_sock *s, const struct ip_addr *local, enum udp_local_kind kind,
		const struct ip_addr *peer, uint16_t peer_port)
{
	struct lport *lp = lports[s->lport];
	struct ip_addr old_local = s->local;
	bool any = s->kind == LOCAL_ANY || kind == LOCAL_ANY;
	int rc;

	cell_leave(s);
	s->local = *local;
	s->kind = kind;
	peer_set(s, peer != NULL, peer, peer_port);
	rc = cell_enter(lp, s);
	if (rc == 0)
		rc = flows_renew(lp, s, any ? NULL : local);
	if (rc == 0 && !any && !ip_equal(local, &old_local))
		rc = flows_renew(lp, NULL, &old_local);
	return rc;
}

static int
dissolve(struct udp_sock *s)
{
	struct ip_addr any = ip_from_v4(0);

	if (!s->connected)
		return 0;
	if (!s->port_bound) {
		bind_leave(s);
		return 0;
	}
	return readdress(s, s->addr_bound ? &s->local : &any, s->addr_bound ? s->kind : LOCAL_ANY,
			NULL, 0);
}

static int
connect_locked(struct udp_sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	struct ip_addr old_local = s->local, old_peer = s->peer;
	enum udp_local_kind old_kind = s->kind;
	uint16_t old_port = s->head.peer_port;
	bool was = s->connected;
	struct net_way way;
	struct net_dst d;
	int rc;

	way_ask(s, addr, &way);
	memset(&d, 0, sizeof(d));
	rc = net_route(&way, &d);
	if (rc == 0 && d.local)
		rc = -EREMOTE;
	if (rc == 0 && !s->opt.broadcast && way_is_broadcast(addr, d.port))
		rc = -EACCES;
	if (rc < 0)
		return rc;
	if (s->kind == LOCAL_ANY && !ip_is_any(&d.src))
		rc = readdress(s, &d.src, LOCAL_UNICAST, addr, port_be);
	else
		rc = readdress(s, &s->local, s->kind, addr, port_be);
	/* Its flows still exist: what went there goes there again. */
	if (rc < 0 && readdress(s, &old_local, old_kind, was ? &old_peer : NULL, old_port) < 0)
		bind_leave(s);
	return rc;
}

int
udp_connect(struct udp_sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	bool fresh;
	int rc = 0;

	if (addr != NULL && port_be == 0)
		return -EINVAL;
	if (addr != NULL && (ip_is_any(addr) || !ip_is_v4(addr) || addr->b[12] == IN_LOOPBACKNET))
		return -EREMOTE;
	rte_spinlock_lock(&s->tx_lock);
	control_lock();
	fresh = s->lport == 0;
	if (addr == NULL) {
		rc = dissolve(s);
	} else {
		rc = bind_auto(s);
		if (rc == 0)
			rc = connect_locked(s, addr, port_be);
		if (rc < 0 && fresh)
			bind_leave(s);
	}
	way_reset(s);
	control_unlock();
	rte_spinlock_unlock(&s->tx_lock);
	return rc == -EEXIST ? -EADDRINUSE : rc;
}

void
udp_local(const struct udp_sock *s, struct ip_addr *addr, uint16_t *port_be)
{
	*addr = s->lport != 0 ? s->local : ip_from_v4(0);
	*port_be = s->lport;
}

bool
udp_peer(const struct udp_sock *s, struct ip_addr *addr, uint16_t *port_be)
{
	if (!s->connected)
		return false;
	*addr = s->peer;
	*port_be = s->head.peer_port;
	return true;
}
