/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fan: what is behind a flow that several sockets share. Unicast goes to one of them, chosen as
 * Linux does: the connected one whose peer it comes from, else the one bound to the address, bound
 * last; sockets with SO_REUSEPORT share by hash, those of one ring what comes by it. Multicast and
 * broadcast go to all that match, each its own mbuf of one and the same data.
 */
#include <stdlib.h>

#include <rte_jhash.h>
#include <rte_mempool.h>

#include "conf/conf.h"
#include "udp/udp_priv.h"

#define CLONES_MAX 65535
#define CLONES_CACHE 256
#define CLONES_NAME "dpvma_udp_clones"

static struct rte_mempool *clones;

int
fan_pool(void)
{
	unsigned int n = RTE_MIN((unsigned int)conf()->rx_bufs, (unsigned int)CLONES_MAX);
	unsigned int cache = RTE_MIN(n * 2 / 3, (unsigned int)CLONES_CACHE);

	if (clones != NULL)
		return 0;
	clones = rte_mempool_lookup(CLONES_NAME);
	if (clones != NULL)
		return 0;
	clones = rte_pktmbuf_pool_create(CLONES_NAME, n, cache, 0, 0, SOCKET_ID_ANY);
	if (clones != NULL && ring_pool_known(clones) != 0) {
		rte_mempool_free(clones);
		clones = NULL;
	}
	if (clones == NULL) {
		LOG_ERROR("several sockets of one group share packets through %u buffer headers, "
			  "for which memory is lacking: lower VMA_RX_BUFS or give more memory",
				n);
		return -ENOMEM;
	}
	return 0;
}

void
fan_pool_free(void)
{
	/* Copies may still be with the application: then the pool stays, and is found again. */
	if (clones != NULL && rte_mempool_full(clones)) {
		ring_pool_forgotten(clones);
		rte_mempool_free(clones);
	}
	clones = NULL;
}

static uint32_t
peer_hash(uint32_t ip, uint16_t port)
{
	return rte_jhash_2words(ip, port, 0x7564);
}

/* The entry whose peer sent it, the last bound first; NULL for none. */
static inline struct fan_entry *
by_peer(struct fan *fan, uint32_t ip, uint16_t port)
{
	uint32_t i = peer_hash(ip, port) & fan->peers_mask;

	for (; fan->peers[i] != 0; i = (i + 1) & fan->peers_mask) {
		struct fan_entry *e = &fan->e[fan->peers[i] - 1];

		if (e->sock->peer_ip == ip && e->sock->head.peer_port == port)
			return e;
	}
	return NULL;
}

/* Of a group with SO_REUSEPORT: all of the 4-tuple but the port number, which is common to it. */
static uint32_t
spread_hash(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = frame_ip(m);

	return rte_jhash_3words(ip->src_addr, ip->dst_addr, frame_udp(m)->src_port, 0x7270);
}

static inline struct udp_sock *
pick(struct fan *fan, const struct rte_mbuf *m)
{
	uint32_t ip = frame_ip(m)->src_addr;
	uint16_t port = frame_udp(m)->src_port;
	struct fan_entry *e;

	if (fan->open != fan->n) {
		e = by_peer(fan, ip, port);
		if (e != NULL)
			return e->sock;
	}
	if (fan->open == 0)
		return NULL;
	if (fan->spread > 1)
		return fan->e[(uint64_t)spread_hash(m) * fan->spread >> 32].sock;
	return fan->e[0].sock;
}

/* A run for one socket; NULL: for none. */
static void
hand(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	if (n == 0)
		return;
	if (s != NULL) {
		queue_append(s, ring, pkts, n);
		return;
	}
	STAT_ADD(&ring->stats, RING, drop_no_socket, n);
	rte_pktmbuf_free_bulk(pkts, n);
}

static void
to_one(struct fan *fan, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct udp_sock *s, *taker = NULL;
	uint16_t run = 0;

	for (uint16_t i = 0; i < n; i++) {
		s = pick(fan, pkts[i]);
		if (s != taker) {
			hand(taker, ring, pkts + run, i - run);
			taker = s;
			run = i;
		}
	}
	hand(taker, ring, pkts + run, n - run);
}

/* Whether a packet for several is one for this socket too. */
static bool
matches(const struct fan *fan, const struct fan_entry *e, const struct rte_mbuf *m)
{
	const struct udp_sock *s = e->sock;
	const struct rte_ipv4_hdr *ip = frame_ip(m);

	if ((s->head.checks & CHECK_PEER) &&
			(ip->src_addr != s->peer_ip || frame_udp(m)->src_port != s->head.peer_port))
		return false;
	if (e->member)
		return filter_passes(e->filter, ip->src_addr);
	if (fan->kind == LOCAL_MULTICAST)
		return s->opt.mc_all;
	if (ip_is_group(ip->dst_addr))
		return s->opt.mc_all && mc_joined(fan->port, ip->dst_addr);
	return true;
}

/* Nobody takes it: no socket lets its source pass, or nobody joined the group. */
static void
lost(struct fan *fan, struct ring *ring, struct rte_mbuf *m)
{
	if (fan->kind == LOCAL_MULTICAST)
		STAT_INC(&ring->stats, RING, drop_source_filter);
	else
		STAT_INC(&ring->stats, RING, drop_not_ours);
	rte_pktmbuf_free(m);
}

/*
 * The last one that a packet is for takes the packet itself, for then nobody makes a copy any more;
 * each socket gets its packets in one run and in order.
 */
static void
to_all(struct fan *fan, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *out[RING_BURST_MAX];
	uint32_t last[RING_BURST_MAX];
	uint16_t k, missing;

	for (uint16_t i = 0; i < n; i++) {
		last[i] = fan->n;
		while (last[i] != 0 && !matches(fan, &fan->e[last[i] - 1], pkts[i]))
			last[i]--;
		if (unlikely(last[i] == 0))
			lost(fan, ring, pkts[i]);
	}
	for (uint32_t j = 1; j <= fan->n; j++) {
		const struct fan_entry *e = &fan->e[j - 1];

		k = missing = 0;
		for (uint16_t i = 0; i < n; i++) {
			if (j == last[i])
				out[k++] = pkts[i];
			else if (j > last[i] || !matches(fan, e, pkts[i]))
				continue;
			else if (likely((out[k] = rte_pktmbuf_clone(pkts[i], clones)) != NULL))
				k++;
			else
				missing++;
		}
		if (unlikely(missing != 0)) {
			rte_spinlock_lock(&e->sock->queue_lock);
			STAT_ADD(&e->sock->stats, SOCK, rx_drop_full, missing);
			rte_spinlock_unlock(&e->sock->queue_lock);
		}
		if (k != 0)
			queue_append(e->sock, ring, out, k);
	}
}

static void
deliver_one(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	to_one((struct fan *)sink, ring, pkts, n);
}

static void
deliver_all(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t k; n != 0; pkts += k, n -= k) {
		k = RTE_MIN(n, RING_BURST_MAX);
		to_all((struct fan *)sink, ring, pkts, k);
	}
}

/* Without a local address both may come; runs of one kind go their way. */
static void
deliver_any(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t run = 0;
	bool group = frame_is_group(pkts[0]);

	for (uint16_t i = 1; i <= n; i++) {
		if (i < n && frame_is_group(pkts[i]) == group)
			continue;
		(group ? deliver_all : deliver_one)(sink, ring, pkts + run, i - run);
		run = i;
		if (i < n)
			group = !group;
	}
}

struct sink *
fan_single(enum udp_local_kind kind, const struct fan_entry *e)
{
	if (kind == LOCAL_ANY)
		return &e->sock->sink_any;
	if (kind == LOCAL_MULTICAST && (!e->member || e->filter != NULL))
		return NULL;
	return &e->sock->sink;
}

struct fan *
fan_create(struct port *port, enum udp_local_kind kind, uint32_t cap)
{
	uint32_t slots = rte_align32pow2(cap * 2 + 1);
	struct fan *fan;

	if (kind != LOCAL_UNICAST && fan_pool() < 0)
		return NULL;
	fan = calloc(1, sizeof(*fan) + cap * sizeof(fan->e[0]));
	if (fan == NULL)
		return NULL;
	fan->peers = calloc(slots, sizeof(*fan->peers));
	if (fan->peers == NULL) {
		free(fan);
		return NULL;
	}
	fan->peers_mask = slots - 1;
	fan->port = port;
	fan->kind = kind;
	fan->cap = cap;
	fan->sink.deliver = kind == LOCAL_ANY	? deliver_any
			: kind == LOCAL_UNICAST ? deliver_one
						: deliver_all;
	return fan;
}

void
fan_free(struct fan *fan)
{
	if (fan == NULL)
		return;
	free(fan->peers);
	free(fan);
}

/*
 * The order in which unicast is offered: those without a peer first, of them those bound to the
 * address before those bound to any, those bound to a device before the others. In a class the one
 * bound last comes first.
 */
static unsigned int
class_of(const struct udp_sock *s)
{
	if (s->connected)
		return 4;
	return (s->kind == LOCAL_ANY ? 2u : 0u) + (s->opt.bind_port == NULL ? 1u : 0u);
}

static bool
alike(const struct udp_sock *a, const struct udp_sock *b)
{
	return a->opt.reuse_port && b->opt.reuse_port && a->kind == b->kind &&
			a->opt.bind_port == b->opt.bind_port;
}

uint32_t
fan_mark(struct fan_entry *entries, uint32_t n)
{
	const struct udp_sock *top = NULL;
	bool ended = false;
	uint32_t marked = 0;

	for (uint32_t i = 0; i < n; i++)
		if (!entries[i].sock->connected &&
				(top == NULL || class_of(entries[i].sock) <= class_of(top)))
			top = entries[i].sock;
	for (uint32_t i = n; i-- > 0;) {
		struct fan_entry *e = &entries[i];

		e->shares = false;
		if (top == NULL || class_of(e->sock) != class_of(top))
			continue;
		ended |= !alike(top, e->sock);
		e->shares = !ended;
		marked += !ended;
	}
	return marked;
}

static bool
is_own(const struct fan_entry *e, const struct udp_flow *leg)
{
	return e->shares && e->leg == leg;
}

void
fan_fill(struct fan *fan, const struct fan_entry *entries, uint32_t n, const struct udp_flow *leg)
{
	uint32_t own;

	/* Those that share are of the class that comes first. */
	fan->n = 0;
	for (uint32_t i = n; i-- > 0;)
		if (is_own(&entries[i], leg))
			fan->e[fan->n++] = entries[i];
	own = fan->n;
	for (unsigned int class = 0; class <= 4; class ++)
		for (uint32_t i = n; i-- > 0;)
			if (class_of(entries[i].sock) == class && !is_own(&entries[i], leg))
				fan->e[fan->n++] = entries[i];
	memset(fan->peers, 0, (fan->peers_mask + 1) * sizeof(*fan->peers));
	fan->open = 0;
	while (fan->open < n && !fan->e[fan->open].sock->connected)
		fan->open++;
	fan->spread = own;
	while (own == 0 && fan->spread < fan->open && fan->e[fan->spread].shares)
		fan->spread++;
	for (uint32_t j = fan->open; j < n; j++) {
		const struct udp_sock *s = fan->e[j].sock;
		uint32_t i = peer_hash(s->peer_ip, s->head.peer_port) & fan->peers_mask;

		while (fan->peers[i] != 0)
			i = (i + 1) & fan->peers_mask;
		fan->peers[i] = j + 1;
	}
}
