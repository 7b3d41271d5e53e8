/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PMD alone on the wire that the sockets use: txonly sends frames to rxonly at the other end,
 * trip gives one frame back and forth. They have the ring to themselves for a window, so that the
 * internal thread does not meet them.
 */
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "dpvma.h"
#include "net/net.h"
#include "testpmd.h"

#define RESOLVE_MS 5000
#define AGAIN_MS 20 /* a frame that was lost is sent again */

static uint8_t head[64]; /* Ethernet, IPv4 and UDP */
static uint32_t head_len;
static struct rte_mbuf *left[TP_BATCH_MAX]; /* that the queue had no room for */
static uint16_t n_left;
static uint64_t asked; /* TSC; 0: no frame is on its way */

static void
lock(struct ring *ring)
{
	ring_rx_lock(ring);
	if (!ring->lockless)
		rte_spinlock_lock(&ring->tx_lock);
}

static void
unlock(struct ring *ring)
{
	if (!ring->lockless)
		rte_spinlock_unlock(&ring->tx_lock);
	ring_rx_unlock(ring);
}

static uint16_t
local_port(const struct tp *tp)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	dpvma_getsockname(tp->fds[0], (struct sockaddr *)&sin, &len);
	return sin.sin_port;
}

static void
make_head(const struct tp *tp, const struct net_dst *d)
{
	uint16_t bytes = (uint16_t)(sizeof(struct rte_udp_hdr) + tp->args.size);
	struct rte_ipv4_hdr *ip = (void *)(head + d->l2_len);
	struct rte_udp_hdr *udp = (void *)(head + d->hdr_len);

	memcpy(head, d->hdr, d->hdr_len);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + bytes));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	/* no checksum, as RFC 768 allows */
	*udp = (struct rte_udp_hdr){ .src_port = local_port(tp),
		.dst_port = rte_cpu_to_be_16((uint16_t)tp->args.udp_port),
		.dgram_len = rte_cpu_to_be_16(bytes) };
	head_len = d->hdr_len + (uint32_t)sizeof(*udp);
}

/* The way is the stack's: its link address, its VLAN. */
static void
find_way(struct tp *tp, struct tp_count *count)
{
	struct net_way way = { .ttl = 64, .proto = IPPROTO_UDP };
	uint64_t until = clock_ms() + RESOLVE_MS;
	struct net_dst d;

	if (head_len != 0)
		return;
	if (ip_parse(tp->args.peer, &way.dst) != 0) {
		count->failed++;
		return;
	}
	while (net_route(&way, &d) == 0 && !d.resolved && clock_ms() < until)
		net_poll(tp->ring);
	if (d.resolved) {
		make_head(tp, &d);
	} else {
		fprintf(stderr, "dpvma-testpmd: %s does not answer\n", tp->args.peer);
		count->failed++;
		tp_stop = true;
	}
}

static uint16_t
make(struct tp *tp, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t size = tp->args.size;
	uint16_t i;

	if (head_len == 0 || rte_pktmbuf_alloc_bulk(tp->ring->tx_pool, pkts, n) != 0)
		return 0;
	for (i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		memcpy(frame, head, head_len);
		if (tp->args.check)
			tp_fill_payload(frame + head_len, size, tp->send_seq++);
		pkts[i]->data_len = (uint16_t)(head_len + size);
		pkts[i]->pkt_len = head_len + size;
	}
	return n;
}

/** @name txonly */
/** @{ */
void
tp_txonly_begin(struct tp *tp, struct tp_count *count)
{
	find_way(tp, count);
	lock(tp->ring);
}

void
tp_txonly_end(struct tp *tp, struct tp_count *count)
{
	(void)count;
	if (tp_stop) {
		rte_pktmbuf_free_bulk(left, n_left);
		n_left = 0;
	}
	unlock(tp->ring);
}

/* What the queue did not take goes first with the next turn: nothing is lost on this side. */
unsigned int
tp_txonly_turn(struct tp *tp, struct tp_count *count)
{
	struct ring *ring = tp->ring;
	uint16_t sent;

	if (n_left == 0)
		n_left = make(tp, left, (uint16_t)tp->args.batch);
	sent = rte_eth_tx_burst(ring->port_id, ring->queue, left, n_left);
	n_left = (uint16_t)(n_left - sent);
	if (unlikely(n_left != 0))
		memmove(left, left + sent, n_left * sizeof(left[0]));
	count->bytes += sent * (head_len + tp->args.size);
	return sent;
}
/** @} */

/** @name trip */
/** @{ */
void
tp_trip_begin(struct tp *tp, struct tp_count *count)
{
	if (tp->sends)
		find_way(tp, count);
	lock(tp->ring);
}

void
tp_trip_end(struct tp *tp, struct tp_count *count)
{
	(void)count;
	unlock(tp->ring);
}

static struct rte_udp_hdr *
udp_of(struct rte_mbuf *m, struct rte_ether_hdr **eth, struct rte_ipv4_hdr **ip)
{
	uint32_t l2 = RTE_ETHER_HDR_LEN;

	*eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	if ((*eth)->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN))
		l2 += (uint32_t)sizeof(struct rte_vlan_hdr);
	*ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l2);
	if (m->data_len < l2 + sizeof(**ip) + sizeof(struct rte_udp_hdr) ||
			(*ip)->version_ihl != RTE_IPV4_VHL_DEF ||
			(*ip)->next_proto_id != IPPROTO_UDP)
		return NULL;
	return (struct rte_udp_hdr *)(*ip + 1);
}

/* ARP above all, which the stack answers. */
static void
others(struct ring *ring, struct rte_mbuf *m)
{
	if (!ring->lockless)
		rte_spinlock_unlock(&ring->tx_lock);
	net_input(ring, &m, 1);
	if (!ring->lockless)
		rte_spinlock_lock(&ring->tx_lock);
}

static void
give(struct ring *ring, struct rte_mbuf *m)
{
	if (rte_eth_tx_burst(ring->port_id, ring->queue, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

/* Both addresses and both ports change places; no checksum changes. */
static void
give_back(struct ring *ring, struct rte_mbuf *m, struct rte_ether_hdr *eth, struct rte_ipv4_hdr *ip,
		struct rte_udp_hdr *udp)
{
	struct rte_ether_addr mac = eth->src_addr;

	eth->src_addr = eth->dst_addr;
	eth->dst_addr = mac;
	RTE_SWAP(ip->src_addr, ip->dst_addr);
	RTE_SWAP(udp->src_port, udp->dst_port);
	m->ol_flags = 0;
	give(ring, m);
}

static void
ask(struct tp *tp, uint64_t now)
{
	struct rte_mbuf *m;

	if (asked != 0 && now - asked < (uint64_t)(tp->tsc_hz * AGAIN_MS / 1000))
		return;
	if (make(tp, &m, 1) == 0)
		return;
	asked = now;
	give(tp->ring, m);
}

unsigned int
tp_trip_turn(struct tp *tp, struct tp_count *count)
{
	struct ring *ring = tp->ring;
	struct rte_mbuf *pkts[TP_BATCH_MAX];
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	unsigned int got = 0;
	uint16_t i, n;

	if (tp->sends)
		ask(tp, rte_rdtsc());
	n = rte_eth_rx_burst(ring->port_id, ring->queue, pkts, (uint16_t)tp->args.batch);
	for (i = 0; i < n; i++) {
		udp = udp_of(pkts[i], &eth, &ip);
		if (udp == NULL) {
			others(ring, pkts[i]);
			continue;
		}
		got++;
		count->bytes += pkts[i]->pkt_len;
		if (!tp->sends) {
			give_back(ring, pkts[i], eth, ip, udp);
			continue;
		}
		/* the second answer to what was asked twice is none */
		if (asked != 0)
			tp_latency_add(&tp->latency, rte_rdtsc() - asked);
		asked = 0;
		rte_pktmbuf_free(pkts[i]);
	}
	return got;
}
/** @} */
