/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The room as a whole: start and end, what the kernel tells, addresses of ports, time passing.
 */
#include "net/net_priv.h"

#include <stdlib.h>

#include <rte_random.h>

#define RINGS_SEEN                                                                                 \
	1024	   /* a power of two; rings beyond share a place, which costs an extra turn        \
		    */
#define BUSY_MS 10 /* as VMA_PROGRESS_ENGINE_INTERVAL is by default */
#define SECOND_MS 1000
#define ALIVE_MS 30 /* the bonding PMD wants 100 at most */

struct net_port net_ports[PORT_MAX];
uint16_t net_prefetch = RTE_CACHE_LINE_SIZE;
uint32_t net_gro_streams;
pthread_mutex_t net_lock = PTHREAD_MUTEX_INITIALIZER;
_Atomic uint64_t net_now;

static uint64_t random_state = 1;
static uint64_t polls_seen[RINGS_SEEN];
static uint64_t aged_ms, attended_ms;
static bool started, kernel_started;

uint32_t
net_random(uint32_t below)
{
	uint64_t x = random_state;

	/* xorshift64*: delays only have to differ between hosts */
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random_state = x;
	return (uint32_t)(((x * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * below >> 32);
}

void
net_random_seed(uint64_t seed)
{
	random_state = seed | 1;
}

bool
net_device(uint32_t ifindex, struct port **port, uint16_t *vlan_id)
{
	const struct kern_link *link;

	*vlan_id = 0;
	*port = NULL;
	if (ifindex == 0)
		return false;
	*port = port_by_ifindex(ifindex);
	if (*port != NULL && (*port)->ifindex == ifindex)
		return true;
	link = kern_link_by_index(ifindex);
	if (link != NULL) {
		*vlan_id = link->vlan_id;
		if (*port == NULL && link->lower != 0)
			*port = port_by_ifindex(link->lower);
	}
	return *port != NULL;
}

const struct port_addr *
net_source(const struct port *port, uint16_t vlan_id, const struct ip_addr *dst)
{
	const struct port_addr *first = NULL;
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++) {
		const struct port_addr *a = &port->addrs[i];

		if (a->vlan_id != vlan_id || !ip_is_v4(&a->addr))
			continue;
		if (ip_in_prefix(dst, &a->addr, a->prefix))
			return a;
		if (first == NULL)
			first = a;
	}
	return first;
}

const struct port_addr *
net_own(const struct port *port, uint16_t vlan_id, const struct ip_addr *addr)
{
	unsigned int i;

	for (i = 0; i < port->n_addrs; i++)
		if (ip_equal(&port->addrs[i].addr, addr) && port->addrs[i].vlan_id == vlan_id)
			return &port->addrs[i];
	return NULL;
}

bool
net_is_broadcast(const struct port *port, uint16_t vlan_id, const struct ip_addr *addr)
{
	unsigned int i;

	if (ip_v4(addr) == UINT32_MAX)
		return true;
	for (i = 0; i < port->n_addrs; i++)
		if (!ip_is_any(&port->addrs[i].broadcast) && port->addrs[i].vlan_id == vlan_id &&
				ip_equal(&port->addrs[i].broadcast, addr))
			return true;
	return false;
}

static void
on_route(const struct kern_route *route, bool gone, void *ctx)
{
	RTE_SET_USED(ctx);
	route_kernel(route, gone);
}

static void
on_rule(const struct kern_rule *rule, bool gone, void *ctx)
{
	RTE_SET_USED(ctx);
	route_kernel_rule(rule, gone);
}

static void
on_neigh(const struct kern_neigh *neigh, bool gone, void *ctx)
{
	RTE_SET_USED(ctx);
	neigh_kernel(neigh, gone);
}

static void
on_port_change(struct port *port, void *ctx)
{
	struct net_port *np = net_port_of(port);

	RTE_SET_USED(ctx);
	route_configure();
	neigh_configure(port);
	/* a program's first packet may be made while the other end of a memif shakes hands */
	if (port->up && !np->was_up)
		neigh_link_up(port);
	np->was_up = port->up;
	net_changed();
}

int
net_init(void)
{
	static const struct kern_events events = {
		.route = on_route, .rule = on_rule, .neigh = on_neigh, .ctx = net_ports
	};
	bool kernel = false;
	unsigned int i;
	int rc;

	if (started)
		return 0;
	memset(net_ports, 0, sizeof(net_ports));
	net_random_seed(rte_rand());
	net_prefetch = (uint16_t)conf()->rx_prefetch_bytes;
	net_gro_streams = (uint32_t)conf()->gro_streams_max;
	if (net_now == 0)
		net_now = clock_ms();
	rc = fragment_init();
	if (rc != 0) {
		LOG_ERROR("net: no memory for reassembly");
		return rc;
	}
	started = true;
	route_configure();
	for (i = 0; i < port_count(); i++) {
		net_port_of(port_get(i));
		neigh_configure(port_get(i));
		kernel |= port_get(i)->ifindex != 0;
	}
	rc = port_on_change(on_port_change, net_ports);
	/* without netlink, which logs that itself, there is still the configuration */
	if (rc == 0 && kernel && kern_fd() < 0)
		kernel_started = kern_start() == 0;
	if (rc == 0 && kern_fd() >= 0)
		rc = kern_subscribe(&events);
	if (rc != 0) {
		net_fini();
		return rc;
	}
	telemetry_init();
	return 0;
}

void
net_fini(void)
{
	if (!started)
		return;
	port_off(net_ports);
	kern_unsubscribe(net_ports);
	if (kernel_started)
		kern_stop();
	kernel_started = false;
	net_loop_fini();
	fragment_fini();
	groups_fini();
	icmp_fini();
	lost_tell();
	neigh_fini();
	pmtu_fini();
	route_fini();
	memset(polls_seen, 0, sizeof(polls_seen));
	aged_ms = attended_ms = 0;
	net_changed();
	started = false;
}

struct turn {
	uint64_t now;
	bool attend;
	bool done[PORT_MAX]; /* ports whose timers have run */
};

/* Turns that a ring had, whoever took them. */
static uint64_t
polls(const struct ring *ring)
{
	return STAT_GET(&ring->stats, RING, rx_bursts) + STAT_GET(&ring->stats, RING, rx_empty);
}

/* Rings that nobody polled since the last time. */
static void
attend(struct ring *ring)
{
	const unsigned int limit = (unsigned int)conf()->progress_engine_wce_max;
	uint64_t *seen = &polls_seen[ring->index & (RINGS_SEEN - 1)];
	unsigned int n, taken = 0;

	if (polls(ring) == *seen) {
		do {
			n = net_poll(ring);
			taken += n;
		} while (n > 0 && taken < limit);
	}
	*seen = polls(ring);
}

/*
 * A bond with LACP speaks it from its burst functions: also when the program sleeps, sends nothing,
 * or has turned the attendance to rings off.
 */
static __rte_cold void
keep_alive(struct ring *ring, uint64_t now)
{
	struct net_port *np = net_port_of(ring->port);

	if (conf()->thread_mode == CONF_THREAD_SINGLE || now < np->alive_ms + ALIVE_MS)
		return;
	np->alive_ms = now;
	if (polls(ring) == np->alive_polls)
		net_poll(ring);
	np->alive_polls = polls(ring);
	ring_tx_warm(ring);
}

static void
one_ring(struct ring *ring, void *ctx)
{
	struct turn *turn = ctx;

	if (turn->attend)
		attend(ring);
	if (turn->done[ring->port->index])
		return;
	turn->done[ring->port->index] = true;
	if (unlikely(ring->port->needs_bursts))
		keep_alive(ring, turn->now);
	arp_announce(ring, turn->now);
	neigh_timers(ring, turn->now);
	igmp_timers(ring, turn->now);
	fragment_timers(ring, turn->now);
}

unsigned int
net_progress(uint64_t now_ms)
{
	const uint64_t interval = (uint64_t)conf()->progress_engine_interval;
	struct turn turn = { .now = now_ms };

	net_now = now_ms;
	/* with VMA_THREAD_MODE=0 rings are the application's thread's alone */
	turn.attend = interval > 0 && now_ms >= attended_ms + interval &&
			conf()->thread_mode != CONF_THREAD_SINGLE;
	if (turn.attend)
		attended_ms = now_ms;
	if (kern_fd() >= 0)
		kern_poll();
	if (aged_ms == 0 || now_ms >= aged_ms + SECOND_MS) {
		aged_ms = RTE_MAX(now_ms, (uint64_t)1);
		neigh_age(now_ms);
		pmtu_timers(now_ms);
	}
	ring_foreach(one_ring, &turn);
	lost_tell();
	return BUSY_MS;
}
