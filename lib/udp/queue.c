/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of received datagrams, filled by the flow's sink and emptied by receive calls: the data
 * path in. It is a list through the packets themselves, so an idle socket costs its struct and no
 * more. A run is linked and measured before the lock is taken; the lock covers one splice.
 */
#include <poll.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "conf/conf.h"
#include "udp/udp_priv.h"

/* Linux tells of an arrival by these. */
#define ARRIVED (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)

/* RFC 768: the datagram may be shorter than what IP carries. */
static __rte_noinline void
queue_wait(struct udp_sock *s)
{
	rte_spinlock_lock(&s->queue_lock);
	STAT_INC(&s->stats, SOCK, rx_queue_waits);
}

static __rte_always_inline void
queue_lock(struct udp_sock *s)
{
	if (unlikely(!rte_spinlock_trylock(&s->queue_lock)))
		queue_wait(s);
}

static __rte_noinline void
shorten(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *seg = m;
	uint32_t left = len;

	m->pkt_len = len;
	for (; seg->next != NULL && left > seg->data_len; seg = seg->next)
		left -= seg->data_len;
	seg->data_len = (uint16_t)left;
	for (seg = seg->next; seg != NULL; seg = seg->next)
		seg->data_len = 0;
}

/* As a delivery leaves it: the headers lie before the data. */
static __rte_always_inline uint32_t
strip(struct rte_mbuf *m)
{
	uint16_t hdr = m->l2_len + m->l3_len + sizeof(struct rte_udp_hdr);
	uint32_t payload;

	m->data_off += hdr;
	m->data_len -= hdr;
	m->pkt_len -= hdr;
	payload = rte_be_to_cpu_16(udp_packet_udp(m)->dgram_len) - sizeof(struct rte_udp_hdr);
	if (unlikely(payload < m->pkt_len))
		shorten(m, payload);
	return m->pkt_len;
}

static __rte_noinline void
stamp(struct rte_mbuf **pkts, uint16_t n)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	for (uint16_t i = 0; i < n; i++)
		*ring_mbuf_swtime(pkts[i]) = now;
}

static __rte_always_inline uint32_t
limit_of(const struct udp_sock *s)
{
	return RTE_MAX(s->opt.rcvbuf, (uint32_t)conf()->rx_bytes_min);
}

static __rte_always_inline void
splice(struct udp_sock *s, struct ring *ring, struct rte_mbuf *first, struct rte_mbuf *last,
		uint32_t n, uint32_t bytes)
{
	uint32_t queued = s->head.queued;

	if (queued == 0)
		s->first = first;
	else
		*ring_mbuf_link(s->last) = first;
	s->last = last;
	s->bytes += bytes;
	__atomic_store_n(&s->head.queued, queued + n, __ATOMIC_RELEASE);
	if ((queued == 0 && (s->head.checks & CHECK_WAKE)) ||
			unlikely(s->head.checks & CHECK_WAKE_ARRIVAL))
		s->wake(s->wake_ctx, ring, ARRIVED);
}

/* By no ring: a datagram that was staged may have come by several. */
void
queue_splice(struct udp_sock *s, struct rte_mbuf *first, struct rte_mbuf *last, uint32_t n,
		uint32_t bytes)
{
	splice(s, NULL, first, last, n, bytes);
}

/* The run does not fit: what comes before the limit is taken, the rest dropped. Lock held. */
static __rte_noinline uint16_t
splice_some(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n,
		uint32_t limit)
{
	uint32_t bytes = 0;
	uint16_t fit = 0;

	while (fit < n && s->bytes + bytes < limit)
		bytes += pkts[fit++]->pkt_len + UDP_PACKET_CHARGE;
	if (fit != 0)
		splice(s, ring, pkts[0], pkts[fit - 1], fit, bytes);
	STAT_ADD(&s->stats, SOCK, rx_drop_full, n - fit);
	return fit;
}

/* What is not for the harvest any more, or comes behind what waits; lock held. @return taken */
static uint16_t
splice_rest(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i + 1 < n; i++)
		*ring_mbuf_link(pkts[i]) = pkts[i + 1];
	return splice_some(s, ring, pkts, n, limit_of(s));
}

/* As append(), of a ring that somebody turns to have the packets at once. */
static __rte_noinline void
reap(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct ring_harvest *h = ring->harvest;
	uint16_t took = 0, fit;
	uint32_t bytes = 0;

	rte_prefetch0(&s->read_packets);
	rte_prefetch0((const char *)s + (ptrdiff_t)s->companion * RTE_CACHE_LINE_SIZE);
	for (uint16_t i = 0; i < n; i++)
		bytes += strip(pkts[i]);
	if (unlikely(s->opt.want_time))
		stamp(pkts, n);
	queue_lock(s);
	if (likely(s->head.queued == 0))
		took = h->take(h, s->wake_ctx, pkts, n);
	fit = n - took;
	if (unlikely(fit != 0)) {
		for (uint16_t i = took; i < n; i++)
			bytes -= pkts[i]->pkt_len;
		fit = splice_rest(s, ring, pkts + took, fit);
	}
	s->read_packets += took;
	s->read_bytes += bytes;
	STAT_ADD(&s->stats, SOCK, rx_lent, took);
	rte_spinlock_unlock(&s->queue_lock);
	fit += took;
	if (unlikely(fit != n))
		rte_pktmbuf_free_bulk(pkts + fit, n - fit);
}

static __rte_always_inline void
append(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t bytes = n * UDP_PACKET_CHARGE, limit = limit_of(s);
	uint16_t fit = n, last = n - 1;

	/* who has a receive callback keeps it */
	if (unlikely(ring->harvest != NULL) && !(s->head.checks & CHECK_STAGE)) {
		reap(s, ring, pkts, n);
		return;
	}
	/* with thousands of sockets the reader would wait for both */
	rte_prefetch0(&s->read_packets);
	rte_prefetch0((const char *)s + (ptrdiff_t)s->companion * RTE_CACHE_LINE_SIZE);
	for (uint16_t i = 0; i < last; i++) {
		bytes += strip(pkts[i]);
		*ring_mbuf_link(pkts[i]) = pkts[i + 1];
	}
	bytes += strip(pkts[last]);
	if (unlikely(s->opt.want_time))
		stamp(pkts, n);
	queue_lock(s);
	if (unlikely(s->head.checks & CHECK_STAGE))
		fit = stage_append(s, ring, pkts, n, bytes, limit);
	else if (likely(s->bytes + bytes <= limit))
		splice(s, ring, pkts[0], pkts[last], n, bytes);
	else
		fit = splice_some(s, ring, pkts, n, limit);
	rte_spinlock_unlock(&s->queue_lock);
	if (unlikely(fit != n))
		rte_pktmbuf_free_bulk(pkts + fit, n - fit);
}

void
queue_append(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	append(s, ring, pkts, n);
}

/* Drop what is not from the peer: the rule of a connected socket may be a 3-tuple's. */
static uint16_t
only_peer(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(frame_ip(m)->src_addr == s->peer_ip &&
				    frame_udp(m)->src_port == s->head.peer_port)) {
			pkts[kept++] = m;
		} else {
			STAT_INC(&ring->stats, RING, drop_no_socket);
			rte_pktmbuf_free(m);
		}
	}
	return kept;
}

void
queue_deliver(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct udp_sock *s = sock_of_sink(sink);

	if (s->head.checks & CHECK_PEER) {
		n = only_peer(s, ring, pkts, n);
		if (n == 0)
			return;
	}
	append(s, ring, pkts, n);
}

/*
 * Multicast that no flow of its own took is the socket's when IP_MULTICAST_ALL says so and anybody
 * here joined the group; all else that is addressed to several is broadcast.
 */
static __rte_noinline uint16_t
only_joined(struct udp_sock *s, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t dst = frame_ip(m)->dst_addr;

		if (ip_is_group(dst) && !(s->opt.mc_all && mc_joined(ring->port, dst))) {
			STAT_INC(&ring->stats, RING, drop_not_ours);
			rte_pktmbuf_free(m);
		} else {
			pkts[kept++] = m;
		}
	}
	return kept;
}

void
queue_deliver_any(struct sink *sink, struct ring *ring, struct rte_mbuf **pkts, uint16_t n)
{
	struct udp_sock *s = sock_of_sink_any(sink);
	bool group = false;

	for (uint16_t i = 0; i < n; i++)
		group |= frame_is_group(pkts[i]);
	if (unlikely(group)) {
		n = only_joined(s, ring, pkts, n);
		if (n == 0)
			return;
	}
	append(s, ring, pkts, n);
}

/* Everything that is queued, or the first n; the lock is held. */
static __rte_always_inline struct rte_mbuf *
detach(struct udp_sock *s, unsigned int n, uint32_t *bytes)
{
	struct rte_mbuf *first = s->first, *m = first;
	uint32_t taken = 0;

	if (n == s->head.queued) {
		taken = s->bytes;
		s->last = NULL;
	} else {
		for (unsigned int i = 0; i < n; i++) {
			taken += m->pkt_len + UDP_PACKET_CHARGE;
			m = *ring_mbuf_link(m);
		}
		s->first = m;
	}
	s->bytes -= taken;
	__atomic_store_n(&s->head.queued, s->head.queued - n, __ATOMIC_RELAXED);
	*bytes = taken - n * UDP_PACKET_CHARGE;
	return first;
}

unsigned int
udp_dequeue(struct udp_sock *s, struct rte_mbuf **pkts, unsigned int n)
{
	struct rte_mbuf *m;
	uint32_t bytes;

	if (__atomic_load_n(&s->head.queued, __ATOMIC_ACQUIRE) == 0 || n == 0)
		return 0;
	queue_lock(s);
	if (n > s->head.queued)
		n = s->head.queued;
	if (n == 0) {
		rte_spinlock_unlock(&s->queue_lock);
		return 0;
	}
	m = detach(s, n, &bytes);
	s->read_packets += n;
	s->read_bytes += bytes;
	rte_spinlock_unlock(&s->queue_lock);
	/* The link of the last one may be stale: it is not followed. */
	for (unsigned int i = 0;;) {
		pkts[i] = m;
		if (++i == n)
			break;
		m = *ring_mbuf_link(m);
	}
	if (unlikely(s->rx_migrates) && ring_alloc_migrate(&s->rx_alloc)) {
		control_lock();
		flows_migrate(s);
		control_unlock();
	}
	return n;
}

unsigned int
udp_dequeue_list(struct udp_sock *s, struct rte_mbuf **first, unsigned int all, unsigned int n)
{
	unsigned int queued;
	uint32_t bytes;

	if (__atomic_load_n(&s->head.queued, __ATOMIC_ACQUIRE) == 0)
		return 0;
	queue_lock(s);
	queued = s->head.queued;
	n = queued <= all ? queued : n;
	if (n != 0) {
		*first = detach(s, n, &bytes);
		s->read_packets += n;
		s->read_bytes += bytes;
	}
	rte_spinlock_unlock(&s->queue_lock);
	return n;
}

void
udp_requeue(struct udp_sock *s, struct rte_mbuf *first, unsigned int n)
{
	struct rte_mbuf *last = first;
	uint32_t bytes = first->pkt_len, queued;

	for (unsigned int i = 1; i < n; i++) {
		last = *ring_mbuf_link(last);
		bytes += last->pkt_len;
	}
	queue_lock(s);
	queued = s->head.queued;
	if (queued == 0)
		s->last = last;
	else
		*ring_mbuf_link(last) = s->first;
	s->first = first;
	s->bytes += bytes + n * UDP_PACKET_CHARGE;
	s->read_packets -= n;
	s->read_bytes -= bytes;
	__atomic_store_n(&s->head.queued, queued + n, __ATOMIC_RELEASE);
	rte_spinlock_unlock(&s->queue_lock);
}

struct rte_mbuf *
udp_peek(struct udp_sock *s)
{
	struct rte_mbuf *m = NULL;

	queue_lock(s);
	if (s->head.queued != 0) {
		m = s->first;
		rte_pktmbuf_refcnt_update(m, 1);
	}
	rte_spinlock_unlock(&s->queue_lock);
	return m;
}

void
udp_queued(const struct udp_sock *sock, uint32_t *pkts, uint32_t *bytes, uint32_t *first)
{
	struct udp_sock *s = (struct udp_sock *)(uintptr_t)sock;

	queue_lock(s);
	if (pkts != NULL)
		*pkts = s->head.queued;
	if (bytes != NULL)
		*bytes = s->bytes - s->head.queued * UDP_PACKET_CHARGE;
	if (first != NULL)
		*first = s->head.queued != 0 ? s->first->pkt_len : 0;
	rte_spinlock_unlock(&s->queue_lock);
}

void
udp_set_wake(struct udp_sock *s, enum udp_wake when)
{
	uint8_t checks = 0;

	if (s->wake != NULL && when != UDP_WAKE_NEVER)
		checks = when == UDP_WAKE_ARRIVAL ? CHECK_WAKE | CHECK_WAKE_ARRIVAL : CHECK_WAKE;
	queue_lock(s);
	s->head.checks &= (uint8_t) ~(CHECK_WAKE | CHECK_WAKE_ARRIVAL);
	s->head.checks |= checks;
	rte_spinlock_unlock(&s->queue_lock);
}

unsigned int
udp_poll(struct udp_sock *s)
{
	unsigned int n = 0;

	if (unlikely(__atomic_load_n(&flows_stale, __ATOMIC_RELAXED)))
		udp_progress();
	/* Another thread polls for this socket, or its rings are being changed. */
	if (!rte_spinlock_trylock(&s->poll_lock))
		return 0;
	for (uint16_t i = 0; i < s->rings_n; i++)
		n += net_poll(s->rings[i]);
	rte_spinlock_unlock(&s->poll_lock);
	return n;
}

unsigned int
udp_rings(struct udp_sock *s, struct ring **rings, unsigned int n)
{
	unsigned int all;

	rte_spinlock_lock(&s->poll_lock);
	all = s->rings_n;
	for (unsigned int i = 0; i < RTE_MIN(n, all); i++)
		rings[i] = s->rings[i];
	rte_spinlock_unlock(&s->poll_lock);
	return all;
}

/* What the socket polls its flows hold, and flows let go of a ring after the socket forgot it. */
unsigned int
udp_hold_rings(struct udp_sock *s, struct ring **rings, unsigned int n)
{
	rte_spinlock_lock(&s->poll_lock);
	n = RTE_MIN(n, (unsigned int)s->rings_n);
	for (unsigned int i = 0; i < n; i++) {
		rings[i] = s->rings[i];
		ring_hold(rings[i]);
	}
	rte_spinlock_unlock(&s->poll_lock);
	return n;
}

void
queue_free(struct udp_sock *s)
{
	struct rte_mbuf *pkts[64];
	unsigned int n;

	udp_set_stage(s, NULL);
	s->rx_migrates = false;
	while ((n = udp_dequeue(s, pkts, RTE_DIM(pkts))) != 0)
		rte_pktmbuf_free_bulk(pkts, n);
}
