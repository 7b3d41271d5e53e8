/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending: the data path out. A batch is planned (which way, how long, allowed or not), then its
 * packets are taken from the pool at once and filled, then runs of one destination go to
 * net_output(). The ways to the peer and to a few recent destinations are kept; nothing of this
 * exists for a socket that only receives.
 */
#include "conf/conf.h"
#include "udp/send_priv.h"
#include "udp/way_priv.h"

#define PAYLOAD_MAX 65507 /* 65535 less IPv4 and UDP headers */
#define HDRS (sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
/* A chunk may split into more packets where datagrams are segmented. */
#define PKTS_MAX (UDP_SEND_CHUNK + UDP_SEGMENTS_MAX)

_Static_assert(RTE_PKTMBUF_HEADROOM >= NET_HEADROOM, "a buffer's headroom holds all headers");

struct plan {
	struct way *way;
	uint32_t len;
	uint16_t pkts; /**< more than one with UDP_SEGMENT */
};

/* Where in its vector the next byte of a datagram is. */
struct cursor {
	const struct iovec *v;
	size_t off;
};

/** @name Planning */
/** @{ */
static int
plan_one(struct udp_sock *s, const struct udp_out *o, struct plan *p)
{
	const struct way *w;
	uint64_t len = 0;
	uint16_t gso = s->opt.gso_size;
	int rc;

	for (unsigned int i = 0; i < o->iovcnt; i++)
		len += o->iov[i].iov_len;
	if (unlikely(len > UINT16_MAX))
		return -EMSGSIZE;
	if (unlikely(o->addr != NULL && o->port_be == 0))
		return -EINVAL;
	rc = way_get(s, o, &p->way);
	if (unlikely(rc != 0))
		return rc;
	w = p->way;
	if (unlikely(w->broadcast && !s->opt.broadcast))
		return -EACCES;
	p->len = (uint32_t)len;
	p->pkts = 1;
	if (unlikely(gso != 0)) {
		if (gso + HDRS > w->d.mtu || len > (uint64_t)gso * UDP_SEGMENTS_MAX)
			return -EINVAL;
		if (len > gso)
			p->pkts = (uint16_t)((len + gso - 1) / gso);
	}
	if (unlikely(len > PAYLOAD_MAX || (gso == 0 && s->opt.df && len + HDRS > w->d.mtu))) {
		error_too_long(s, o, w->d.mtu);
		return -EMSGSIZE;
	}
	return 0;
}

/* As many as can be made together. */
static unsigned int
plan(struct udp_sock *s, const struct udp_out *out, unsigned int n, struct plan *plans,
		unsigned int *pkts, int *err)
{
	unsigned int i;

	*pkts = 0;
	*err = 0;
	s->tx->chunk++;
	for (i = 0; i < n && i < UDP_SEND_CHUNK; i++) {
		int rc = plan_one(s, &out[i], &plans[i]);

		if (rc < 0)
			*err = rc;
		if (rc != 0 || *pkts + plans[i].pkts > PKTS_MAX)
			break;
		*pkts += plans[i].pkts;
	}
	return i;
}
/** @} */

/** @name Making */
/** @{ */
static void
copy(struct cursor *c, uint8_t *to, uint32_t len)
{
	while (len != 0) {
		size_t n = RTE_MIN(c->v->iov_len - c->off, (size_t)len);

		if (n != 0)
			memcpy(to, (const uint8_t *)c->v->iov_base + c->off, n);
		to += n;
		len -= (uint32_t)n;
		c->off += n;
		if (c->off == c->v->iov_len) {
			c->v++;
			c->off = 0;
		}
	}
}

/* What does not fit the first buffer goes into more of them. */
static __rte_noinline int
fill_more(struct ring *ring, struct rte_mbuf *m, struct cursor *c, uint32_t left)
{
	struct rte_mbuf *seg, *last = m;
	uint32_t part;

	while (left != 0) {
		if (m->nb_segs == RTE_MBUF_MAX_NB_SEGS || ring_tx_alloc(ring, &seg, 1) != 0)
			return -ENOBUFS;
		/* Room for the headers of fragments is not needed here. */
		seg->data_off = 0;
		part = RTE_MIN(left, (uint32_t)seg->buf_len);
		seg->data_len = (uint16_t)part;
		copy(c, rte_pktmbuf_mtod(seg, uint8_t *), part);
		last->next = seg;
		last = seg;
		m->nb_segs++;
		m->pkt_len += part;
		left -= part;
	}
	return 0;
}

static int
fill(const struct way *w, struct rte_mbuf *m, uint16_t src_port, uint16_t dst_port,
		struct cursor *c, uint32_t len)
{
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod(m, struct rte_udp_hdr *);
	uint32_t room = rte_pktmbuf_tailroom(m) - sizeof(*udp), part = RTE_MIN(len, room);

	udp->src_port = src_port;
	udp->dst_port = dst_port;
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(len + sizeof(*udp)));
	udp->dgram_cksum = 0;
	if (likely(part != 0 && c->off == 0 && c->v->iov_len >= part)) {
		memcpy(udp + 1, c->v->iov_base, part);
		c->off = part;
	} else {
		copy(c, (uint8_t *)(udp + 1), part);
	}
	m->data_len = (uint16_t)(part + sizeof(*udp));
	m->pkt_len = part + sizeof(*udp);
	return likely(part == len) ? 0 : fill_more(w->ring, m, c, len - part);
}

static int
fill_one(struct udp_sock *s, const struct udp_out *o, const struct plan *p, struct rte_mbuf **pkts)
{
	uint16_t dst_port = o->addr != NULL ? o->port_be : s->head.peer_port;
	struct cursor c = { .v = o->iovcnt != 0 ? o->iov : NULL };
	uint32_t left = p->len, len;

	for (uint16_t i = 0; i < p->pkts; i++) {
		len = p->pkts == 1 ? left : RTE_MIN(left, (uint32_t)s->opt.gso_size);
		if (fill(p->way, pkts[i], s->lport, dst_port, &c, len) < 0)
			return -ENOBUFS;
		left -= len;
	}
	return 0;
}

/* Buffers for the whole chunk, each from the ring it leaves by. */
static int
make(struct udp_sock *s, const struct udp_out *out, const struct plan *plans, unsigned int n,
		struct rte_mbuf **pkts)
{
	unsigned int i, k = 0, from = 0;
	uint16_t run = 0;

	for (i = 0; i < n; i++) {
		run += plans[i].pkts;
		if (i + 1 < n && plans[i + 1].way->ring == plans[i].way->ring)
			continue;
		if (unlikely(ring_tx_alloc(plans[i].way->ring, pkts + from, run) != 0))
			goto fail;
		from += run;
		run = 0;
	}
	for (i = 0; i < n; k += plans[i].pkts, i++)
		if (unlikely(fill_one(s, &out[i], &plans[i], pkts + k) < 0))
			goto fail;
	return 0;
fail:
	rte_pktmbuf_free_bulk(pkts, from);
	return -ENOBUFS;
}
/** @} */

/** @name Giving away */
/** @{ */
/*
 * Our own sockets hear what goes to several: multicast with IP_MULTICAST_LOOP, broadcast always.
 * The control lock keeps the flow and its ring; it is taken only when somebody here has that port.
 */
static __rte_noinline void
loop_back(struct udp_sock *s, struct way *w, struct rte_mbuf *m)
{
	uint16_t port = rte_pktmbuf_mtod(m, const struct rte_udp_hdr *)->dst_port;
	const struct udp_flow *f = NULL;
	const struct lport *lp;

	if (!w->broadcast && !(s->opt.mc_loop && mc_joined(w->d.port, ip_v4(&w->d.dst))))
		return;
	if (lport_find(port) == NULL)
		return;
	control_lock();
	lp = lport_find(port);
	if (lp != NULL)
		f = flows_find(lp, w->d.port, &w->d.dst);
	if (f != NULL)
		net_loopback(f->ring, &w->d, m);
	control_unlock();
}

static unsigned int
give_run(struct udp_sock *s, struct way *w, struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(w->several))
		for (uint16_t i = 0; i < n; i++)
			loop_back(s, w, pkts[i]);
	return net_output(&w->d, w->ring, pkts, n);
}

/* Datagrams that were taken: all, unless the program wants to hear of a full queue. */
static unsigned int
give(struct udp_sock *s, const struct plan *plans, unsigned int n, struct rte_mbuf **pkts)
{
	bool tell = conf()->tx_nonblocked_eagains;
	unsigned int i, k = 0, sent = 0, from = 0, taken = n, accepted;
	uint64_t bytes = 0;

	for (i = 0; i < n; i++) {
		k += plans[i].pkts;
		bytes += plans[i].len;
		if (i + 1 < n && plans[i + 1].way == plans[i].way)
			continue;
		accepted = give_run(s, plans[i].way, pkts + from, (uint16_t)(k - from));
		sent += accepted;
		from = k;
	}
	s->tx->last = plans[n - 1].way->ring;
	STAT_ADD(&s->stats, SOCK, tx_packets, sent);
	STAT_ADD(&s->stats, SOCK, tx_bytes, bytes);
	if (unlikely(sent != k)) {
		STAT_ADD(&s->stats, SOCK, tx_drop, k - sent);
		if (tell)
			taken = n * sent / k;
	}
	return taken;
}
/** @} */

/* Each datagram is one packet here: pace.c gives no time to others. */
static __rte_noinline void
give_times(struct udp_sock *s, const struct plan *plans, unsigned int n, struct rte_mbuf **pkts)
{
	unsigned int i, k = 0;
	uint64_t at;

	for (i = 0; i < n; k += plans[i].pkts, i++) {
		at = pace_time(s);
		if (at != 0)
			ring_mbuf_send_at(pkts[k], at);
	}
}

/* VMA_SND_FLAGS_DUMMY: the same way, up to the device. */
static __rte_noinline void
give_dummies(const struct plan *plans, unsigned int n, struct rte_mbuf **pkts)
{
	unsigned int i, k = 0, from = 0;

	for (i = 0; i < n; i++) {
		k += plans[i].pkts;
		if (i + 1 < n && plans[i + 1].way == plans[i].way)
			continue;
		net_dummy(&plans[i].way->d, plans[i].way->ring, pkts + from, (uint16_t)(k - from));
		from = k;
	}
}

static unsigned int
send_chunk(struct udp_sock *s, const struct udp_out *out, unsigned int n, enum send_how how,
		int *err)
{
	struct plan plans[UDP_SEND_CHUNK];
	struct rte_mbuf *pkts[PKTS_MAX];
	unsigned int pkts_n, planned = plan(s, out, n, plans, &pkts_n, err), taken;
	int rc;

	if (planned == 0)
		return 0;
	rc = make(s, out, plans, planned, pkts);
	if (unlikely(rc < 0)) {
		if (how != SEND_DUMMY)
			STAT_ADD(&s->stats, SOCK, tx_drop, planned);
		*err = rc;
		return 0;
	}
	if (unlikely(how != SEND_NOW)) {
		if (how == SEND_DUMMY) {
			give_dummies(plans, planned, pkts);
			return planned;
		}
		give_times(s, plans, planned, pkts);
	}
	taken = give(s, plans, planned, pkts);
	if (unlikely(taken != planned)) {
		STAT_ADD(&s->stats, SOCK, tx_eagain, planned - taken);
		*err = -EAGAIN;
	}
	return taken;
}

/* The transmit lock is held: whatever a send needs exists. */
static int
ready(struct udp_sock *s)
{
	int rc;

	if (unlikely(s->head.shut & 2))
		return -EPIPE;
	if (unlikely(s->lport == 0)) {
		rc = bind_auto(s);
		if (rc < 0)
			return rc;
	}
	if (unlikely(way_ready(s) < 0))
		return -ENOMEM;
	if (unlikely(s->tx_migrates) && ring_alloc_migrate(&s->tx_alloc))
		way_reset(s);
	return 0;
}

static inline unsigned int
send_chunks(struct udp_sock *s, const struct udp_out *out, unsigned int n, enum send_how how,
		int *err)
{
	unsigned int done = 0;

	while (*err == 0 && done < n)
		done += send_chunk(s, out + done, n - done, how, err);
	return done;
}

unsigned int
send_now(struct udp_sock *s, const struct udp_out *out, unsigned int n, enum send_how how, int *err)
{
	return send_chunks(s, out, n, how, err);
}

int
udp_send(struct udp_sock *s, const struct udp_out *out, unsigned int n, bool dummy)
{
	unsigned int done;
	int err;

	/* as Linux: what came of an earlier datagram is said once, to whoever asks first */
	if (unlikely(s->head.error != 0) && (err = udp_take_error(s)) != 0)
		return -err;
	rte_spinlock_lock(&s->tx_lock);
	err = ready(s);
	if (unlikely(s->pace != NULL) && err == 0 && !dummy) {
		err = pace_send(s, out, n);
		rte_spinlock_unlock(&s->tx_lock);
		return err;
	}
	done = send_chunks(s, out, n, dummy ? SEND_DUMMY : SEND_NOW, &err);
	rte_spinlock_unlock(&s->tx_lock);
	return done != 0 ? (int)done : err;
}

struct ring *
udp_tx_ring(struct udp_sock *s, const struct ip_addr *addr, uint16_t port_be)
{
	struct udp_out o = { .addr = addr, .port_be = port_be, .tos = -1, .ttl = -1 };
	struct ring *ring = NULL;
	struct way *w;

	rte_spinlock_lock(&s->tx_lock);
	if (s->connected)
		o.addr = NULL;
	if (s->connected && s->tx != NULL && s->tx->peer.valid) {
		ring = s->tx->peer.ring;
	} else if ((s->connected || s->lport != 0 || s->members_n != 0) && ready(s) == 0) {
		s->tx->chunk++;
		if (way_get(s, &o, &w) == 0)
			ring = w->ring;
	}
	if (ring != NULL)
		ring_hold(ring);
	rte_spinlock_unlock(&s->tx_lock);
	return ring;
}

/* @return the way, with the transmit lock held, or NULL and why in @p rc */
static struct way *
known_way(struct udp_sock *s, const struct udp_out *o, int *rc)
{
	struct way *w = NULL;

	rte_spinlock_lock(&s->tx_lock);
	*rc = o->addr == NULL && !s->connected ? -ENOTCONN : ready(s);
	if (*rc == 0) {
		s->tx->chunk++;
		*rc = way_get(s, o, &w);
	}
	if (*rc == 0 && !w->d.resolved)
		*rc = -EAGAIN;
	if (*rc == 0)
		return w;
	rte_spinlock_unlock(&s->tx_lock);
	return NULL;
}

int
udp_headers(struct udp_sock *s, void *buf, uint16_t len)
{
	struct udp_out o = { .tos = -1, .ttl = -1 };
	struct rte_udp_hdr udp = { 0 };
	struct way *w;
	int rc;

	w = known_way(s, &o, &rc);
	if (w == NULL)
		return rc;
	rc = w->d.hdr_len + (int)sizeof(udp);
	udp.src_port = s->lport;
	udp.dst_port = s->head.peer_port;
	if (buf != NULL && len >= rc) {
		memcpy(buf, w->d.hdr, w->d.hdr_len);
		memcpy((uint8_t *)buf + w->d.hdr_len, &udp, sizeof(udp));
	}
	rte_spinlock_unlock(&s->tx_lock);
	return rc;
}

int
udp_frame_headers(struct udp_sock *s, const struct udp_out *o, void *buf, uint16_t len)
{
	struct rte_udp_hdr udp = { 0 };
	struct rte_ipv4_hdr ip;
	uint64_t payload = 0;
	struct way *w;
	int rc;

	w = known_way(s, o, &rc);
	if (w == NULL)
		return rc;
	rc = w->d.hdr_len + (int)sizeof(udp);
	if (len < rc) {
		rte_spinlock_unlock(&s->tx_lock);
		return -EMSGSIZE;
	}
	for (unsigned int i = 0; i < o->iovcnt; i++)
		payload += o->iov[i].iov_len;
	udp.src_port = s->lport;
	udp.dst_port = o->addr != NULL ? o->port_be : s->head.peer_port;
	udp.dgram_len = rte_cpu_to_be_16((uint16_t)(payload + sizeof(udp)));
	memcpy(buf, w->d.hdr, w->d.hdr_len);
	memcpy(&ip, (uint8_t *)buf + w->d.l2_len, sizeof(ip));
	ip.total_length = rte_cpu_to_be_16((uint16_t)(payload + HDRS));
	ip.hdr_checksum = 0;
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy((uint8_t *)buf + w->d.l2_len, &ip, sizeof(ip));
	memcpy((uint8_t *)buf + w->d.hdr_len, &udp, sizeof(udp));
	rte_spinlock_unlock(&s->tx_lock);
	return rc;
}
