/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments, both ways. Out: librte_ip_frag cuts, without copying the data.
 *
 * In: a table of our own. librte_ip_frag is compiled for RTE_LIBRTE_IP_FRAG_MAX_FRAG fragments a
 * datagram, which is 8, while a datagram of 64 KB over an Ethernet has 45; and one fragment sent
 * twice makes it lose the whole. Here adjacent fragments are joined as they come, so that a
 * datagram in order is one piece at any time, and only gaps take room in the table.
 *
 * Overlaps: a fragment that brings nothing new is ignored, one that overlaps in part condemns its
 * datagram (RFC 5722 in spirit: nobody sends such but to deceive).
 */
#include "net/net_priv.h"

#include <stdlib.h>

#include <rte_ip_frag.h>
#include <rte_jhash.h>

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)

#define DATAGRAMS 256
#define BUCKETS 256
#define PIECES 16	 /* gaps + 1 that a datagram may have */
#define BUFFERS_MAX 4096 /* of the Rx pool, together; a quarter of it when that is less */
#define TIMEOUT_MS 30000 /* shorter than RFC 1122's 60 s, as buffers are dear */
#define OUT_MAX 1366	 /* fragments of 64 KB at NET_MTU_MIN */

/* Bytes [start, end) of the datagram's data; the mbufs' headers are cut off, but for start 0. */
struct piece {
	uint16_t start, end;
	struct rte_mbuf *head, *last;
};

struct datagram {
	uint32_t src, dst;
	uint16_t id, vlan_id;
	uint8_t proto;
	const struct port *port;

	uint8_t n;
	uint16_t buffers;
	int32_t total; /* bytes of data; -1: the last fragment has not come */
	uint64_t since_ms;
	uint16_t l2_len, l3_len; /* of the first fragment */
	struct piece piece[PIECES];
	LIST_ENTRY(datagram) hash;
	TAILQ_ENTRY(datagram) age; /* the oldest first, or free */
};

static LIST_HEAD(, datagram) buckets[BUCKETS];
static TAILQ_HEAD(, datagram) waiting, unused;
static struct datagram *datagrams;
static uint32_t buffers_held, buffers_max;

int
fragment_init(void)
{
	unsigned int i;

	TAILQ_INIT(&waiting);
	TAILQ_INIT(&unused);
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&buckets[i]);
	datagrams = calloc(DATAGRAMS, sizeof(*datagrams));
	if (datagrams == NULL)
		return -ENOMEM;
	for (i = 0; i < DATAGRAMS; i++)
		TAILQ_INSERT_TAIL(&unused, &datagrams[i], age);
	buffers_held = 0;
	buffers_max = RTE_MAX(64u, (uint32_t)conf()->rx_bufs / 4);
	buffers_max = RTE_MIN((uint32_t)BUFFERS_MAX, buffers_max);
	return 0;
}

static void
forget(struct datagram *d)
{
	buffers_held -= d->buffers;
	LIST_REMOVE(d, hash);
	TAILQ_REMOVE(&waiting, d, age);
	TAILQ_INSERT_HEAD(&unused, d, age);
}

static void
discard(struct ring *ring, struct datagram *d)
{
	unsigned int i;

	for (i = 0; i < d->n; i++)
		rte_pktmbuf_free(d->piece[i].head);
	if (ring != NULL)
		STAT_ADD(&ring->stats, RING, drop_fragment, d->buffers);
	forget(d);
}

void
fragment_fini(void)
{
	struct datagram *d;

	if (datagrams == NULL)
		return;
	while ((d = TAILQ_FIRST(&waiting)) != NULL)
		discard(NULL, d);
	free(datagrams);
	datagrams = NULL;
}

void
fragment_timers(struct ring *ring, uint64_t now)
{
	struct datagram *d;

	pthread_mutex_lock(&net_lock);
	while ((d = TAILQ_FIRST(&waiting)) != NULL && now >= d->since_ms + TIMEOUT_MS)
		discard(ring, d);
	pthread_mutex_unlock(&net_lock);
}

static struct datagram *
lookup(struct ring *ring, const struct rte_ipv4_hdr *ip, uint16_t vlan_id)
{
	uint32_t h = rte_jhash_3words(ip->src_addr, ip->dst_addr,
			(uint32_t)ip->packet_id << 16 | ip->next_proto_id, vlan_id);
	struct datagram *d;

	LIST_FOREACH (d, &buckets[h % BUCKETS], hash)
		if (d->src == ip->src_addr && d->dst == ip->dst_addr && d->id == ip->packet_id &&
				d->proto == ip->next_proto_id && d->vlan_id == vlan_id &&
				d->port == ring->port)
			return d;
	if (TAILQ_EMPTY(&unused))
		discard(ring, TAILQ_FIRST(&waiting));
	d = TAILQ_FIRST(&unused);
	TAILQ_REMOVE(&unused, d, age);
	*d = (struct datagram){ .src = ip->src_addr,
		.dst = ip->dst_addr,
		.id = ip->packet_id,
		.proto = ip->next_proto_id,
		.vlan_id = vlan_id,
		.port = ring->port,
		.total = -1,
		.since_ms = net_now };
	LIST_INSERT_HEAD(&buckets[h % BUCKETS], d, hash);
	TAILQ_INSERT_TAIL(&waiting, d, age);
	return d;
}

/* b follows a without a gap. */
static void
join(struct piece *a, const struct piece *b)
{
	a->last->next = b->head;
	a->head->nb_segs += b->head->nb_segs;
	a->head->pkt_len += b->head->pkt_len;
	a->last = b->last;
	a->end = b->end;
}

enum outcome { TAKEN, USELESS, CONDEMNED };

static enum outcome
insert(struct datagram *d, const struct piece *new)
{
	struct piece *p = d->piece;
	unsigned int i, k;

	for (i = 0; i < d->n && p[i].end <= new->start; i++)
		;
	/* the first piece that ends behind the start */
	if (i < d->n && p[i].start < new->end)
		return p[i].start <= new->start &&p[i].end >= new->end ? USELESS : CONDEMNED;
	if (i > 0 && p[i - 1].end == new->start) {
		join(&p[i - 1], new);
		k = i - 1;
	} else if (d->n < PIECES) {
		memmove(&p[i + 1], &p[i], (d->n - i) * sizeof(*p));
		p[i] = *new;
		d->n++;
		k = i;
	} else {
		return CONDEMNED;
	}
	if (k + 1u < d->n && p[k].end == p[k + 1].start) {
		join(&p[k], &p[k + 1]);
		memmove(&p[k + 1], &p[k + 2], (d->n - k - 2) * sizeof(*p));
		d->n--;
	}
	return TAKEN;
}

/* All is there: one packet as if it had never been cut. */
static struct rte_mbuf *
finish(struct datagram *d, struct net_packet *pkt)
{
	struct rte_mbuf *m = d->piece[0].head;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, d->l2_len);

	ip->total_length = rte_cpu_to_be_16((uint16_t)(d->l3_len + d->total));
	ip->fragment_offset = 0;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, d->l3_len);
	pkt->l2_len = d->l2_len;
	pkt->l3_len = d->l3_len;
	pkt->l4_len = (uint16_t)d->total;
	forget(d);
	return m;
}

static struct rte_mbuf *
add(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	const struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
	uint16_t field = rte_be_to_cpu_16(ip->fragment_offset);
	uint32_t start = (field & RTE_IPV4_HDR_OFFSET_MASK) * 8u, end = start + pkt->l4_len;
	bool more = (field & RTE_IPV4_HDR_MF_FLAG) != 0;
	struct piece new = { .start = (uint16_t)start, .end = (uint16_t)end, .head = m };
	struct datagram *d;
	uint16_t segs = m->nb_segs;

	/* all but the last come in units of eight bytes, and none is empty (RFC 791 3.2) */
	if (pkt->l4_len == 0 || (more && pkt->l4_len % 8 != 0) || end + pkt->l3_len > UINT16_MAX) {
		COUNT(ring, drop_fragment);
		rte_pktmbuf_free(m);
		return NULL;
	}
	d = lookup(ring, ip, pkt->key.vlan_id);
	while (buffers_held + segs > buffers_max && TAILQ_FIRST(&waiting) != d)
		discard(ring, TAILQ_FIRST(&waiting));
	if (buffers_held + segs > buffers_max)
		goto condemned;
	if (!more) {
		if (d->total >= 0 ? d->total != (int32_t)end
				  : d->n > 0 && d->piece[d->n - 1].end > end)
			goto condemned;
		d->total = (int32_t)end;
	} else if (d->total >= 0 && (int32_t)end > d->total) {
		goto condemned;
	}
	if (start == 0) {
		/* a second first one is seen to be useless below */
		if (d->n == 0 || d->piece[0].start != 0) {
			d->l2_len = pkt->l2_len;
			d->l3_len = pkt->l3_len;
		}
	} else {
		rte_pktmbuf_adj(m, pkt->l2_len + pkt->l3_len);
	}
	new.last = rte_pktmbuf_lastseg(m);
	switch (insert(d, &new)) {
	case TAKEN:
		d->buffers += segs;
		buffers_held += segs;
		break;
	case USELESS:
		COUNT(ring, drop_fragment);
		rte_pktmbuf_free(m);
		return NULL;
	case CONDEMNED:
		goto condemned;
	}
	if (d->n == 1 && d->piece[0].start == 0 && d->total == d->piece[0].end)
		return finish(d, pkt);
	return NULL;

condemned:
	COUNT(ring, drop_fragment);
	rte_pktmbuf_free(m);
	discard(ring, d);
	return NULL;
}

struct rte_mbuf *
fragment_input(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt)
{
	pthread_mutex_lock(&net_lock);
	m = add(ring, m, pkt);
	pthread_mutex_unlock(&net_lock);
	return m;
}

bool
fragment_send(struct ring *ring, struct rte_mbuf *frame, uint16_t l2_len, uint16_t mtu)
{
	struct rte_mbuf *out[OUT_MAX];
	uint8_t link[RTE_ETHER_HDR_LEN + sizeof(struct rte_vlan_hdr)];
	int32_t i, n;
	uint16_t sent = 0, part;

	memcpy(link, rte_pktmbuf_mtod(frame, void *), l2_len);
	rte_pktmbuf_adj(frame, l2_len);
	n = rte_ipv4_fragment_packet(frame, out, OUT_MAX, mtu, ring->tx_pool, ring->tx_pool);
	rte_pktmbuf_free(frame); /* the pieces hold what they need of it */
	if (n <= 0) {
		net_count_tx(ring, RING_STAT_tx_no_mbuf, 1);
		return false;
	}
	for (i = 0; i < n; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(out[i], struct rte_ipv4_hdr *);
		char *head;

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		out[i]->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
		head = rte_pktmbuf_prepend(out[i], l2_len);
		if (head == NULL ||
				(!ring->port->caps.tx_multi_seg &&
						rte_pktmbuf_linearize(out[i]) != 0)) {
			rte_pktmbuf_free_bulk(&out[0], n);
			net_count_tx(ring, RING_STAT_tx_no_mbuf, 1);
			return false;
		}
		memcpy(head, link, l2_len);
	}
	for (i = 0; i < n; i += part) {
		part = (uint16_t)RTE_MIN(n - i, RING_BURST_MAX);
		sent += ring_tx(ring, &out[i], part, false);
	}
	return sent == n;
}
