/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to received packets that are no plain datagrams with a socket: sorting them to ARP,
 * ICMP, IGMP and reassembly, answering for ports nobody is bound to, and the copies of multicast
 * that come back to us.
 */
#include "net/net_priv.h"

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)
#define LOOP_MAX 1024

/* A fragment's datagram must be for us before it may take room. */
static bool
for_us(const struct port *port, const struct flow_key *key)
{
	if (ip_is_multicast(&key->local))
		return net_joined(port, key->vlan_id, &key->local);
	return net_own(port, key->vlan_id, &key->local) != NULL ||
			net_is_broadcast(port, key->vlan_id, &key->local);
}

struct rte_mbuf *
net_slow(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	switch (net_parse_slow(ring, m, pkt)) {
	case NET_TRANSPORT:
		return m;
	case NET_DROP:
		rte_pktmbuf_free(m);
		return NULL;
	case NET_SLOW:
		break;
	}
	switch (pkt->kind) {
	case NET_SLOW_ARP:
		COUNT(ring, arp_in);
		arp_input(ring, m, pkt);
		return NULL;
	case NET_SLOW_ICMP:
		COUNT(ring, icmp_in);
		icmp_input(ring, m, pkt);
		return NULL;
	case NET_SLOW_IGMP:
		COUNT(ring, igmp_in);
		igmp_input(ring, m, pkt);
		return NULL;
	default:
		break;
	}
	COUNT(ring, fragments_in);
	if (!for_us(ring->port, &pkt->key)) {
		COUNT(ring, drop_not_ours);
		rte_pktmbuf_free(m);
		return NULL;
	}
	m = fragment_input(ring, m, pkt);
	if (m == NULL)
		return NULL;
	COUNT(ring, reassembled);
	switch (pkt->key.proto) {
	case IPPROTO_UDP:
	case IPPROTO_TCP:
		/* what the device said was about fragments */
		m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
		if (net_parse_transport(ring, m, pkt) == NET_TRANSPORT)
			return m;
		break;
	case IPPROTO_ICMP:
		COUNT(ring, icmp_in);
		icmp_input(ring, m, pkt);
		return NULL;
	default:
		COUNT(ring, drop_protocol);
		break;
	}
	rte_pktmbuf_free(m);
	return NULL;
}

void
net_no_flow(struct ring *ring, struct rte_mbuf *m, const struct flow_key *key)
{
	const struct port *port = ring->port;
	bool one = net_own(port, key->vlan_id, &key->local) != NULL;

	if (!one &&
			!(ip_is_multicast(&key->local) ? net_joined(port, key->vlan_id, &key->local)
						       : net_is_broadcast(port, key->vlan_id,
									 &key->local)))
		COUNT(ring, drop_not_ours);
	else if (key->proto == IPPROTO_TCP)
		COUNT(ring, drop_no_listener);
	else
		COUNT(ring, drop_no_socket);
	/* to one of us only: parse.c dropped what came in a frame to everybody */
	if (one && net_answers(port)) {
		if (key->proto == IPPROTO_TCP)
			tcp_reset(ring, m, key);
		else
			icmp_port_unreachable(ring, m);
	}
	rte_pktmbuf_free(m);
}

/*
 * Looped copies whose ring was being polled when they were made. The poller may be this very
 * thread, inside a delivery, so waiting for the lock is out of the question.
 */
struct looped {
	STAILQ_ENTRY(looped) next;
	struct ring *ring;
	struct rte_mbuf *m;
};
static STAILQ_HEAD(, looped) loop_list = STAILQ_HEAD_INITIALIZER(loop_list);
static pthread_mutex_t loop_lock = PTHREAD_MUTEX_INITIALIZER;
_Atomic uint32_t net_loop_waiting;

static struct rte_mbuf *
loop_copy(struct ring *ring, const struct net_dst *d, struct rte_mbuf *m)
{
	struct rte_mempool *pool = ring->tx_pool != NULL ? ring->tx_pool : m->pool;
	uint16_t total = (uint16_t)(d->hdr_len - d->l2_len + m->pkt_len);
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	struct rte_ipv4_hdr *ip;
	char *head;

	if (copy == NULL)
		return NULL;
	head = rte_pktmbuf_prepend(copy, d->hdr_len);
	if (head == NULL) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	memcpy(head, d->hdr, d->hdr_len);
	ip = (struct rte_ipv4_hdr *)(head + d->l2_len);
	ip->total_length = rte_cpu_to_be_16(total);
	ip->hdr_checksum = (uint16_t)~net_fold((uint32_t)d->hdr_sum + ip->total_length);
	copy->port = ring->port_id;
	copy->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	copy->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	copy->tx_offload = rte_mbuf_tx_offload(d->l2_len, d->hdr_len - d->l2_len, 0, 0, 0, 0, 0);
	return copy;
}

void
net_loopback(struct ring *ring, const struct net_dst *d, struct rte_mbuf *m)
{
	struct rte_mbuf *copy;
	struct looped *l;

	if (d->hdr_len - d->l2_len + m->pkt_len > UINT16_MAX)
		return;
	copy = loop_copy(ring, d, m);
	if (copy == NULL)
		return;
	if (ring_rx_trylock(ring)) {
		net_input_checked(ring, &copy, 1);
		ring_rx_unlock(ring);
		return;
	}
	l = malloc(sizeof(*l));
	pthread_mutex_lock(&loop_lock);
	if (l == NULL || net_loop_waiting >= LOOP_MAX) {
		pthread_mutex_unlock(&loop_lock);
		free(l);
		rte_pktmbuf_free(copy);
		return;
	}
	l->ring = ring;
	l->m = copy;
	STAILQ_INSERT_TAIL(&loop_list, l, next);
	net_loop_waiting++;
	pthread_mutex_unlock(&loop_lock);
	/* the poller may have looked just before */
	if (ring_rx_trylock(ring)) {
		net_loop_drain(ring);
		ring_rx_unlock(ring);
	}
}

void
net_loop_drain(struct ring *ring)
{
	STAILQ_HEAD(, looped) mine = STAILQ_HEAD_INITIALIZER(mine);
	struct looped *l, *tmp;

	pthread_mutex_lock(&loop_lock);
	STAILQ_FOREACH_SAFE (l, &loop_list, next, tmp) {
		if (l->ring == ring) {
			STAILQ_REMOVE(&loop_list, l, looped, next);
			STAILQ_INSERT_TAIL(&mine, l, next);
			net_loop_waiting--;
		}
	}
	pthread_mutex_unlock(&loop_lock);
	while ((l = STAILQ_FIRST(&mine)) != NULL) {
		STAILQ_REMOVE_HEAD(&mine, next);
		net_input_checked(ring, &l->m, 1);
		free(l);
	}
}

void
net_loop_fini(void)
{
	struct looped *l;

	while ((l = STAILQ_FIRST(&loop_list)) != NULL) {
		STAILQ_REMOVE_HEAD(&loop_list, next);
		rte_pktmbuf_free(l->m);
		free(l);
	}
	net_loop_waiting = 0;
}
