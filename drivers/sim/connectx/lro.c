/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large receive offload: segments of one TCP connection, in order and alike but for their sequence,
 * become one frame, whose headers the driver rebuilds from the completion.
 *
 * A segment is merged when it has payload, no flags but ACK and PSH, right checksums, no IP options
 * and no TCP options but time stamps in their plain form (RFC 7323, appendix A: NOP NOP TS). It
 * goes on with a session when it is the next in sequence and its addresses, VLAN tag, TOS (with
 * the ECN bits: a mark must not vanish), DF bit or flow label, ports and time stamps are those of
 * the session. The completion has no place for time stamps that the driver would look at, so the
 * merged frame shows the first segment's: with equal ones only, neither an RTT (TSecr) nor PAWS
 * and TS.Recent (TSval) see anything but what the sender wrote. Linux' GRO asks for the same.
 *
 * PSH ends a session and shows in it. Any other segment of its connection ends it too and is
 * delivered behind it; so do the size limit, 255 segments, and the time of lro_timeout_period_usecs
 * from its first segment on.
 */
#include "connectx.h"
#include "hw.h"

#define SESSIONS 256
#define MAX_SEGS 255
#define FRAME_MAX (CX_MAX_FRAME + 256)
#define FLAG_PSH 0x08
#define FLAG_ACK 0x10
#define DATA_OFF_PLAIN 5
#define DATA_OFF_TIMESTAMPS 8
#define IPV4_NO_OPTIONS 0x45
#define IPV4_DF 0x4000
#define IPV4_FRAGMENT_FLAGS 0xe000
#define TS_OPTION 0x0101080a /* NOP, NOP, time stamps, ten bytes */
#define TS_BYTES 12
#define MASK_IPV4 1 /* of lro_enable_mask */
#define MASK_IPV6 2

/* Words of the match layout, see parse.c. */
#define W_L2 0 /* addresses, EtherType, VLAN tag */
#define N_L2 4
#define W_TCP_PORTS 5
#define W_ADDRESSES 8
#define N_ADDRESSES 8

struct session {
	const struct mlx5dv_devx_obj *tir;
	struct mlx5dv_devx_obj *rq; /* NULL: free */
	uint32_t len, hdr, next_seq, segs, max;
	uint32_t padded; /* length of the first segment with what Ethernet appends to short ones */
	uint64_t deadline;
	struct cx_lro_info info;
	struct cx_pkt first; /* metadata of the first segment */
	uint8_t buf[FRAME_MAX];
};

struct cx_lro {
	struct session *at[SESSIONS];
	unsigned int n_active;
};

/* Ends a session. What it holds was taken from the wire: without a buffer it is lost, each segment
 * of it. */
static void
end(struct cx_lro *l, struct session *s)
{
	struct mlx5dv_devx_obj *rq = s->rq;
	enum cx_rx_result ret = CX_RX_CLOSED;
	uint32_t i;

	/* The driver takes the TCP checksum of the merged frame from the sum of its payload. */
	if (s->segs > 1)
		s->info.csum = cx_fold(cx_sum(s->buf + s->hdr, s->len - s->hdr));
	s->info.segs = s->segs;
	s->first.data = s->buf;
	s->first.len = s->segs > 1 ? s->len : s->padded;
	s->rq = NULL;
	l->n_active--;
	rq->dev->stat.lro_out++;
	if (rq->state == CX_QUEUE_READY)
		ret = cx_rxq_deliver(rq, &s->first, s->segs > 1 ? &s->info : NULL);
	for (i = 0; i < s->segs && ret == CX_RX_NO_BUF; i++)
		cx_rxq_no_buf(rq);
	if (ret == CX_RX_CLOSED)
		rq->dev->stat.rx_closed += s->segs;
}

/* The queue is gone or reset: what was merged for it is lost, as in the device. */
void
cx_lro_forget(const struct mlx5dv_devx_obj *rq)
{
	struct cx_lro *l = rq->dev->lro;
	unsigned int i;

	if (l == NULL)
		return;
	for (i = 0; i < SESSIONS; i++) {
		if (l->at[i] != NULL && l->at[i]->rq == rq) {
			l->at[i]->rq = NULL;
			l->n_active--;
		}
	}
}

void
cx_lro_poll(struct cx_dev *d)
{
	struct cx_lro *l = d->lro;
	unsigned int i;

	if (l == NULL || l->n_active == 0)
		return;
	for (i = 0; i < SESSIONS; i++)
		if (l->at[i] != NULL && l->at[i]->rq != NULL && d->now >= l->at[i]->deadline)
			end(l, l->at[i]);
}

static bool
same_connection(const struct cx_pkt *a, const struct cx_pkt *b)
{
	return a->l3 == b->l3 && a->match[W_TCP_PORTS] == b->match[W_TCP_PORTS] &&
			memcmp(&a->match[W_ADDRESSES], &b->match[W_ADDRESSES], 4 * N_ADDRESSES) ==
			0;
}

static struct session **
place(struct cx_lro *l, const struct cx_pkt *p)
{
	uint32_t key[1 + N_ADDRESSES];

	key[0] = p->match[W_TCP_PORTS];
	memcpy(key + 1, &p->match[W_ADDRESSES], 4 * N_ADDRESSES);
	return &l->at[cx_steer_hash(key, 1 + N_ADDRESSES) % SESSIONS];
}

static const uint8_t *
tcp_of(const struct cx_pkt *p)
{
	return p->data + p->l4_off;
}

/* What must be the same in the IP headers, beside the addresses. */
static uint32_t
ip_kind(const struct cx_pkt *p)
{
	const uint8_t *ip = p->data + p->l3_off;

	if (p->l3 == L3_IPV6)
		return be32(ip); /* traffic class and flow label */
	return (uint32_t)ip[1] << 16 | (be16(ip + 6) & IPV4_FRAGMENT_FLAGS);
}

static bool
options_ok(const uint8_t *tcp)
{
	/* the low bits are NS, and reserved ones */
	if (tcp[12] == DATA_OFF_PLAIN << 4)
		return true;
	return tcp[12] == DATA_OFF_TIMESTAMPS << 4 && be32(tcp + 20) == TS_OPTION;
}

static bool
mergeable(const struct cx_pkt *p)
{
	const uint8_t *ip = p->data + p->l3_off, *tcp = tcp_of(p);
	uint32_t want = p->l3 == L3_IPV6 ? MASK_IPV6 : MASK_IPV4;

	if (!(p->tir->tir.lro_mask & want) || p->pay_len == 0 || !p->l3_ok || !p->l4_ok)
		return false;
	if (p->l3 == L3_IPV4 &&
			(ip[0] != IPV4_NO_OPTIONS ||
					(be16(ip + 6) & IPV4_FRAGMENT_FLAGS & ~IPV4_DF)))
		return false;
	return (tcp[13] & ~FLAG_PSH) == FLAG_ACK && options_ok(tcp);
}

static uint8_t
ttl(const struct cx_pkt *p)
{
	return p->data[p->l3_off + (p->l3 == L3_IPV4 ? 8 : 7)];
}

/* p is of the session's connection and mergeable. */
static bool
continues(const struct session *s, const struct cx_pkt *p)
{
	const struct cx_pkt *f = &s->first;

	return be32(tcp_of(p) + 4) == s->next_seq && p->pay_off == s->hdr && p->tag == f->tag &&
			s->rq == p->rq && s->tir == p->tir && s->len + p->pay_len <= s->max &&
			s->segs < MAX_SEGS &&
			memcmp(&p->match[W_L2], &f->match[W_L2], 4 * N_L2) == 0 &&
			p->vlan == f->vlan && ip_kind(p) == ip_kind(f) &&
			(tcp_of(p)[12] == DATA_OFF_PLAIN << 4 ||
					memcmp(tcp_of(p) + 20, tcp_of(f) + 20, TS_BYTES) == 0);
}

static void
start(struct cx_lro *l, struct session *s, const struct cx_pkt *p)
{
	s->tir = p->tir;
	s->rq = p->rq;
	s->first = *p;
	s->first.data = s->buf;
	s->hdr = p->pay_off;
	s->len = p->pay_off + p->pay_len;
	s->padded = p->len;
	s->segs = 1;
	/* the limit counts from the TCP header on */
	s->max = p->tir->tir.lro_max + p->l4_off;
	if (s->max > FRAME_MAX)
		s->max = FRAME_MAX;
	s->deadline = p->rq->dev->now + p->tir->tir.lro_usec * 1000ull;
	memset(&s->info, 0, sizeof(s->info));
	s->info.min_ttl = ttl(p);
	memcpy(s->buf, p->data, p->len);
	l->n_active++;
}

static void
append(struct session *s, const struct cx_pkt *p)
{
	memcpy(s->buf + s->len, p->data + p->pay_off, p->pay_len);
	s->len += p->pay_len;
	s->segs++;
	if (ttl(p) < s->info.min_ttl)
		s->info.min_ttl = ttl(p);
}

/* The session that p goes to, new or old; NULL when it is to be delivered by itself. Those that p
 * puts an end to are delivered. */
static struct session *
session_for(struct cx_lro *l, const struct cx_pkt *p)
{
	struct session **at = place(l, p), *s = *at;
	bool ok = mergeable(p);

	if (s != NULL && s->rq != NULL) {
		bool same = same_connection(&s->first, p);

		if (ok && same && continues(s, p))
			return s;
		/* another connection ends a session only when it needs its place */
		if (ok || same)
			end(l, s);
	}
	if (!ok)
		return NULL;
	if (s == NULL)
		s = *at = calloc(1, sizeof(*s));
	return s;
}

/* A TCP segment for a TIR that merges. */
enum cx_rx_result
cx_lro_input(struct cx_dev *d, struct cx_pkt *p)
{
	const uint8_t *tcp = tcp_of(p);
	struct session *s = NULL;

	d->stat.lro_in++;
	if (d->lro == NULL)
		d->lro = calloc(1, sizeof(*d->lro));
	if (d->lro != NULL)
		s = session_for(d->lro, p);
	if (s == NULL) {
		d->stat.lro_out++;
		/* the end of a session may have left the queue in error */
		return p->rq->state == CX_QUEUE_READY ? cx_rxq_deliver(p->rq, p, NULL)
						      : CX_RX_CLOSED;
	}
	if (s->rq == NULL)
		start(d->lro, s, p);
	else
		append(s, p);
	memcpy(&s->info.win, tcp + 14, 2);
	memcpy(&s->info.ack, tcp + 8, 4);
	s->next_seq = be32(tcp + 4) + p->pay_len;
	if (tcp[13] & FLAG_PSH) {
		s->info.psh = 1;
		end(d->lro, s);
	}
	return CX_RX_TAKEN;
}

void
cx_lro_free(struct cx_dev *d)
{
	unsigned int i;

	for (i = 0; d->lro != NULL && i < SESSIONS; i++)
		free(d->lro->at[i]);
	free(d->lro);
	d->lro = NULL;
}
