/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path: RQ/CQ/SQ ring engines, LRO. */
#include "connectx.h"
#include <unistd.h>

#define OP_RESP_SEND 2
#define OP_REQ 0
#define OP_RESP_ERR 0xe
#define OP_REQ_ERR 0xd

static void *
mr_check(uint32_t lkey, uint64_t addr, uint64_t len)
{
	uint32_t i = (lkey >> 8) & 0xffff;
	struct sim_mr *m = i < 4096 ? sim.mrs[i] : NULL;

	if (!m || m->pub.lkey != lkey || addr < (uintptr_t)m->pub.addr ||
			addr + len > (uintptr_t)m->pub.addr + m->pub.length) {
		if (!sim.bad_lkey++)
			sim_log(0, "protection error: lkey %08x addr %lx len %lu", lkey, addr, len);
		return NULL;
	}
	return (void *)(uintptr_t)addr;
}

static bool
cq_room(struct sim_cq *q)
{
	/* The PMD keeps a 16-bit consumer index for Tx CQs, so only the low
	 * log_sz + 1 bits of the doorbell can be compared. */
	uint32_t ci = be32toh(q->db[0]);

	return q->oi || ((q->pi - ci) & ((2u << q->log_sz) - 1)) < (1u << q->log_sz);
}

static uint8_t *
cq_slot(struct sim_cq *q, uint32_t i)
{
	return q->buf + ((size_t)(i & ((1u << q->log_sz) - 1)) << 6);
}

static void
cq_write(struct sim_cq *q, uint32_t i, const uint8_t *cqe, uint8_t op_fmt)
{
	uint8_t *d = cq_slot(q, i);

	memcpy(d, cqe, 63);
	__atomic_store_n(d + 63, (uint8_t)(op_fmt | ((i >> q->log_sz) & 1)), __ATOMIC_RELEASE);
}

/* Make the held-back completions visible, as one compressed session when it
 * pays: a title entry, then arrays of eight mini entries at +1, +8, +16 ... */
static void
cq_flush(struct sim_cq *q)
{
	uint32_t i, n = q->pend_n, at = q->pend_at;
	uint8_t t[64];

	q->pend_n = 0;
	if (n < 3) {
		for (i = 0; i < n; i++)
			cq_write(q, at + i, q->pend[i], q->pend[i][63]);
		return;
	}
	for (i = 0; i < n; i++) {
		uint32_t g = i / 8;
		uint8_t *m = cq_slot(q, at + (g ? 8 * g : 1)) + 8 * (i % 8);

		if (q->fmt == 0) {
			memcpy(m, q->pend[i] + 12, 4); /* RSS hash */
		} else {
			memcpy(m, q->pend[i] + 20, 2);	   /* checksum */
			memcpy(m + 2, q->pend[i] + 60, 2); /* stride index */
		}
		memcpy(m + 4, q->pend[i] + 44, 4); /* byte count */
	}
	memcpy(t, q->pend[0], 64);
	t[44] = 0;
	t[45] = 0;
	t[46] = n >> 8;
	t[47] = n;
	cq_write(q, at, t, q->pend[0][63] | 3 << 2);
	sim.comp_sess++;
	sim.comp_cqes += n;
}

static struct sim_cq *flush_list;
void
cq_flush_all(void)
{
	struct sim_cq *q;

	while ((q = flush_list)) {
		flush_list = q->flush_next;
		q->on_flush_list = false;
		cq_flush(q);
	}
}

/* Fire one event per arm, as soon as the ring is ahead of the armed index. */
void
cq_events(void)
{
	struct sim_cq *q;

	for (q = sim.ev_cqs; q; q = q->ev_next) {
		uint32_t v = q->db[1];
		uint64_t one = 1;

		if (v == q->last_arm || !((q->pi - be32toh(v)) & 0xffffff))
			continue;
		q->last_arm = v;
		if (q->chan->h - q->chan->t < 64) {
			q->chan->q[q->chan->h++ % 64] = q->cookie;
			if (write(q->chan->pub.fd, &one, 8) != 8)
				sim_log(0, "event write: %m");
		}
	}
}

static bool
cq_joinable(const struct sim_cq *q, const uint8_t *a, const uint8_t *c)
{
	return !memcmp(a + 2, c + 2, 2) && !memcmp(a + 28, c + 28, 4) && a[32] <= 1 && c[32] <= 1 &&
			!memcmp(a + 56, c + 56, 4) && !(c[44] & 0x80) && !(a[44] & 0x80) &&
			(q->fmt == 0 || !memcmp(a + 12, c + 12, 4));
}

static void
cq_post(struct sim_cq *q, const uint8_t *cqe, unsigned int opcode)
{
	if (!cq_room(q)) {
		if (!sim.cq_overrun++)
			sim_log(0, "CQ overrun");
		return;
	}
	if (!q->comp_en || !sim.cqe_comp || opcode != OP_RESP_SEND ||
			(q->fmt != 0 && q->fmt != 3)) {
		if (q->pend_n)
			cq_flush(q);
		cq_write(q, q->pi++, cqe, opcode << 4);
		return;
	}
	if (!q->pend)
		q->pend = calloc(64, 64);
	/* The vectorised PMD path indexes its rings linearly: a compressed
	 * session must never cross the end of the CQ. */
	if (q->pend_n &&
			(q->pend_n == 64 || !(q->pi & ((1u << q->log_sz) - 1)) ||
					!cq_joinable(q, q->pend[0], cqe)))
		cq_flush(q);
	if (!q->pend_n)
		q->pend_at = q->pi;
	memcpy(q->pend[q->pend_n], cqe, 64);
	q->pend[q->pend_n++][63] = opcode << 4;
	q->pi++;
	if (!q->on_flush_list) {
		q->on_flush_list = true;
		q->flush_next = flush_list;
		flush_list = q;
	}
}

static void
w16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}
static void
w32(uint8_t *p, uint32_t v)
{
	w16(p, v >> 16);
	w16(p + 2, v);
}
static uint32_t
rd32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}
static uint64_t
rd64(const uint8_t *p)
{
	return (uint64_t)rd32(p) << 32 | rd32(p + 4);
}

static void
cqe_fill(uint8_t *c, struct mlx5dv_devx_obj *rq, const struct pkt *p, const struct lro_info *l,
		bool stripped)
{
	uint16_t t = 0;
	uint64_t ts = htobe64(now_ns());

	memset(c, 0, 64);
	w32(c + 12, p->hash);
	c[16] = p->hash_type;
	t = 1 << 8 | (p->l3_ok ? 1 << 9 : 0) | (p->l4_ok ? 1 << 10 : 0) | p->l3 << 2 | p->l4 << 4 |
			(p->frag ? 1 << 7 : 0) | (stripped ? 1 : 0);
	w16(c + 28, t);
	if (stripped)
		w16(c + 30, p->vlan_tci);
	c[32] = 1;
	c[33] = rq->user_index >> 16;
	w16(c + 34, rq->user_index);
	memcpy(c + 48, &ts, 8);
	w32(c + 56, p->tag);
	if (l) {
		c[4] = l->psh ? 0x40 : 0;
		c[5] = l->min_ttl;
		memcpy(c + 6, &l->win, 2);
		memcpy(c + 8, &l->ack, 4);
		memcpy(c + 20, &l->csum, 2);
		c[32] = l->segs;
	}
}

void
rx_deliver(struct mlx5dv_devx_obj *rq, struct pkt *p, const struct lro_info *l)
{
	struct sim_wq *w = rq->rmp ? &rq->rmp->wq : &rq->wq;
	struct sim_cq *q = &rq->cqo->cq;
	uint16_t avail = (uint16_t)(be32toh(*w->db)) - w->ci;
	uint8_t cqe[64], *wqe;
	uint8_t *src = p->d;
	uint32_t len = p->len;
	bool strip = !rq->vsd && p->has_vlan;

	if (strip) { /* move the MAC addresses over the tag */
		memmove(src + 4, src, 12);
		src += 4;
		len -= 4;
	}
	if (w->striding) {
		uint32_t ns = 1u << w->log_strides, ss = 1u << w->log_stride_bytes;
		uint32_t need = (len + w->shift2 + ss - 1) >> w->log_stride_bytes;
		uint8_t *dst;

		if (need > ns) {
			sim.rx_toobig++;
			return;
		}
		if (avail && w->strd + need > ns) { /* does not fit: filler, next WQE */
			if (!cq_room(q))
				goto nobuf;
			cqe_fill(cqe, rq, p, NULL, false);
			w16(cqe + 2, w->ci);
			w16(cqe + 60, w->strd);
			w32(cqe + 44, 0x80000000u | (ns - w->strd) << 16);
			cq_post(q, cqe, OP_RESP_SEND);
			sim.fillers++;
			w->ci++;
			w->strd = 0;
			avail--;
		}
		if (!avail || !cq_room(q))
			goto nobuf;
		wqe = w->buf + ((size_t)(w->ci & ((1u << w->log_sz) - 1)) << w->log_stride) + 16;
		dst = mr_check(rd32(wqe + 4), rd64(wqe + 8), rd32(wqe));
		if (!dst)
			return;
		memcpy(dst + (size_t)w->strd * ss + w->shift2, src, len);
		cqe_fill(cqe, rq, p, l, strip);
		w16(cqe + 2, w->ci);
		w16(cqe + 60, w->strd);
		w32(cqe + 44, need << 16 | len);
		w->strd += need;
		if (w->strd == ns) {
			w->ci++;
			w->strd = 0;
		}
		cq_post(q, cqe, OP_RESP_SEND);
	} else {
		uint32_t off = 0, i, n = 1u << (w->log_stride - 4);

		if (!avail || !cq_room(q))
			goto nobuf;
		wqe = w->buf + ((size_t)(w->ci & ((1u << w->log_sz) - 1)) << w->log_stride);
		for (i = 0; i < n && off < len; i++) {
			uint32_t bc = rd32(wqe + 16 * i), lk = rd32(wqe + 16 * i + 4);
			uint32_t part = len - off < bc ? len - off : bc;
			uint8_t *dst;

			if (!bc)
				continue;
			dst = mr_check(lk, rd64(wqe + 16 * i + 8), part);
			if (!dst)
				return;
			memcpy(dst, src + off, part);
			off += part;
		}
		cqe_fill(cqe, rq, p, l, strip);
		w16(cqe + 60, w->ci);
		w32(cqe + 44, len);
		w->ci++;
		if (off < len) { /* local length error completion */
			sim.rx_toobig++;
			memset(cqe, 0, 60);
			cqe[55] = 0x01;
			cq_post(q, cqe, OP_RESP_ERR);
			return;
		}
		cq_post(q, cqe, OP_RESP_SEND);
	}
	sim.rx_deliv++;
	return;
nobuf:
	sim.rx_nobuf++;
}

void
sim_rx_frame(uint8_t *d, uint32_t len)
{
	struct pkt p = { .d = d, .len = len };

	pkt_parse(&p);
	switch (steer_rx(&p)) {
	case 0:
		sim.rx_drop++;
		return;
	case -1:
		sim.rx_miss++;
		kernel_tx(d, len);
		return;
	}
	rss(&p);
	if (!p.rq || p.rq->state != 1) {
		sim.rx_drop++;
		return;
	}
	if (p.tir->lro_mask && p.l4 && p.l4 != 2 && !p.frag)
		lro_input(&p);
	else
		rx_deliver(p.rq, &p, NULL);
}

/* ---- LRO ---- */
#define LRO_N 64
struct sim_lro {
	struct mlx5dv_devx_obj *rq;
	uint8_t buf[65536];
	uint32_t len, hdr, next_seq, segs, max;
	uint64_t deadline, csum;
	struct pkt p; /* metadata of the first segment */
	struct lro_info i;
	bool odd;
};
static struct sim_lro *lro[LRO_N];

static uint64_t
sum16(const uint8_t *p, uint32_t n)
{
	uint64_t s = 0;
	uint32_t i;

	for (i = 0; i + 1 < n; i += 2) {
		uint16_t v;

		memcpy(&v, p + i, 2);
		s += v;
	}
	if (n & 1)
		s += p[n - 1];
	return s;
}

static void
lro_close(struct sim_lro *s)
{
	uint64_t c = sum16(s->buf + s->hdr, s->len - s->hdr);

	while (c >> 16)
		c = (c & 0xffff) + (c >> 16);
	s->i.csum = c;
	s->i.segs = s->segs;
	s->p.d = s->buf;
	s->p.len = s->len;
	sim.lro_out++;
	rx_deliver(s->rq, &s->p, s->segs > 1 ? &s->i : NULL);
	s->rq = NULL;
}

void
lro_flush_rq(struct mlx5dv_devx_obj *rq)
{
	int i;

	for (i = 0; i < LRO_N; i++)
		if (lro[i] && lro[i]->rq == rq)
			lro[i]->rq = NULL;
}

void
lro_poll(uint64_t t)
{
	int i;

	for (i = 0; i < LRO_N; i++)
		if (lro[i] && lro[i]->rq && t >= lro[i]->deadline)
			lro_close(lro[i]);
}

void
lro_input(struct pkt *p)
{
	uint8_t *tcp = p->d + p->l4_off, fl = tcp[13];
	uint32_t seq = rd32(tcp + 4), tot = p->pay_off + p->pay_len;
	/* eligible: ACK (and PSH) only, some payload, options nothing but timestamps */
	bool ok = (fl & ~0x08) == 0x10 && p->pay_len &&
			(p->l3 == 1 || (p->d[p->l3_off] & 15) == 5) &&
			(tcp[12] >> 4 == 5 || tcp[12] >> 4 == 8);
	struct sim_lro *s = NULL, *f = NULL;
	int i;

	sim.lro_in++;
	for (i = 0; i < LRO_N; i++) {
		if (!lro[i])
			continue;
		if (!lro[i]->rq) {
			f = lro[i];
		} else if (lro[i]->rq == p->rq && lro[i]->p.l3 == p->l3 &&
				!memcmp((uint8_t *)lro[i]->p.mp + 20, (uint8_t *)p->mp + 20, 4) &&
				!memcmp((uint8_t *)lro[i]->p.mp + 32, (uint8_t *)p->mp + 32, 32)) {
			s = lro[i];
		}
	}
	if (s &&
			(!ok || seq != s->next_seq || s->len + p->pay_len > s->max ||
					s->segs == 255 || p->pay_off != s->hdr ||
					p->tag != s->p.tag)) {
		lro_close(s);
		f = s;
		s = NULL;
	}
	if (!ok) {
		rx_deliver(p->rq, p, NULL);
		return;
	}
	if (!s) {
		for (i = 0; !f && i < LRO_N; i++)
			if (!lro[i])
				f = lro[i] = calloc(1, sizeof(*f));
		if (!f) {
			rx_deliver(p->rq, p, NULL);
			return;
		}
		s = f;
		s->rq = p->rq;
		s->p = *p;
		s->hdr = p->pay_off;
		s->len = tot;
		s->segs = 1;
		s->max = p->tir->lro_max + p->l4_off; /* size counted from L4 */
		memcpy(s->buf, p->d, tot);
		s->deadline = now_ns() + p->tir->lro_usec * 1000ull;
		memset(&s->i, 0, sizeof(s->i));
		s->i.min_ttl = p->d[p->l3_off + (p->l3 == 2 ? 8 : 7)];
	} else {
		uint8_t ttl = p->d[p->l3_off + (p->l3 == 2 ? 8 : 7)];

		memcpy(s->buf + s->len, p->d + p->pay_off, p->pay_len);
		s->len += p->pay_len;
		s->segs++;
		if (ttl < s->i.min_ttl)
			s->i.min_ttl = ttl;
	}
	memcpy(&s->i.win, tcp + 14, 2);
	memcpy(&s->i.ack, tcp + 8, 4);
	s->i.psh |= !!(fl & 8);
	s->next_seq = seq + p->pay_len;
	if (fl & 8)
		lro_close(s);
}

/* ---- transmit ---- */
static uint16_t
fold(uint64_t c)
{
	while (c >> 16)
		c = (c & 0xffff) + (c >> 16);
	return c;
}

static void
csum_fix(uint8_t *d, uint32_t len, uint8_t cs)
{
	struct pkt p = { .d = d, .len = len };
	uint16_t v;

	pkt_parse(&p);
	if ((cs & 0x40) && p.l3 == 2) {
		uint8_t *ip = d + p.l3_off;

		w16(ip + 10, 0);
		v = ~fold(sum16(ip, (ip[0] & 15) * 4));
		memcpy(ip + 10, &v, 2);
	}
	if ((cs & 0x80) && p.l4) {
		uint8_t *ip = d + p.l3_off, *l4 = d + p.l4_off;
		uint32_t ll = p.pay_off + p.pay_len - p.l4_off;
		bool udp = p.l4 == 2;
		uint8_t *f = l4 + (udp ? 6 : 16);
		uint64_t s;

		w16(f, 0);
		s = sum16(l4, ll) + htobe16(ll) + htobe16(udp ? 17 : 6);
		s += p.l3 == 2 ? sum16(ip + 12, 8) : sum16(ip + 8, 32);
		v = ~fold(s);
		if (udp && !v)
			v = 0xffff;
		memcpy(f, &v, 2);
	}
}

static void
tx_frame(uint8_t *d, uint32_t len, uint8_t cs)
{
	if (cs)
		csum_fix(d, len, cs);
	sim.tx_pkts++;
	sim.tx_bytes += len;
	wire_tx(d, len);
}

static void
tx_tso(uint8_t *d, uint32_t len, uint32_t hdr, uint32_t mss)
{
	static uint8_t out[16384];
	struct pkt p = { .d = d, .len = len };
	uint32_t off, seq;
	uint16_t id;

	/* the IP length of a TSO template may not match: parse only the headers */
	p.len = len;
	pkt_parse(&p);
	if (!p.l4 || p.l4 == 2 || !mss || hdr + mss > sizeof(out)) {
		sim.tx_err++;
		return;
	}
	seq = rd32(d + p.l4_off + 4);
	id = d[p.l3_off + 4] << 8 | d[p.l3_off + 5];
	for (off = hdr; off < len; off += mss) {
		uint32_t n = len - off < mss ? len - off : mss;

		memcpy(out, d, hdr);
		memcpy(out + hdr, d + off, n);
		if (p.l3 == 2) {
			w16(out + p.l3_off + 2, hdr - p.l3_off + n);
			w16(out + p.l3_off + 4, id++);
		} else {
			w16(out + p.l3_off + 4, hdr - p.l3_off - 40 + n);
		}
		w32(out + p.l4_off + 4, seq + off - hdr);
		if (off + n < len)
			out[p.l4_off + 13] &= ~0x09; /* FIN, PSH only on the last one */
		tx_frame(out, hdr + n, 0xc0);
	}
}

static bool
tx_one(struct mlx5dv_devx_obj *sq)
{
	static uint8_t frame[262144 + 4096];
	struct sim_wq *w = &sq->wq;
	uint32_t bytes = 64u << w->log_sz, off, ds, op, i, pos, flen = 0;
	uint8_t wqe[64 * 16], cs, cqe[64];
	uint32_t mss, inl, vlan = 0;

	off = (w->ci & ((1u << w->log_sz) - 1)) << 6;
	ds = w->buf[off + 7] & 0x3f;
	if (!ds) {
		sim.tx_err++;
		w->ci++;
		return false;
	}
	for (i = 0; i < ds; i++, off = (off + 16) % bytes)
		memcpy(wqe + 16 * i, w->buf + off, 16);
	op = wqe[3];
	sim.tx_wqes++;
	if (op != 0 && op != 0x0f) {
		cs = wqe[16 + 4] & 0xc0;
		mss = (wqe[16 + 6] << 8 | wqe[16 + 7]) & 0x3fff;
		inl = wqe[16 + 12] << 8 | wqe[16 + 13];
		if (inl & 0x8000) {
			vlan = 0x81000000u | wqe[16 + 14] << 8 | wqe[16 + 15];
			inl = 0;
		}
		pos = 32;
		if (inl) {
			memcpy(frame, wqe + 16 + 14, inl);
			flen = inl;
			pos = 16 + (14 + inl + 15) / 16 * 16;
		}
		while (pos < ds * 16) {
			uint32_t bc = rd32(wqe + pos), n = bc & 0x7fffffff;

			if (bc & 0x80000000u) {
				if (pos + 4 + n > ds * 16)
					break;
				memcpy(frame + flen, wqe + pos + 4, n);
				pos += (4 + n + 15) / 16 * 16;
			} else {
				uint8_t *s;

				if (!n) {
					pos += 16;
					continue;
				}
				s = mr_check(rd32(wqe + pos + 4), rd64(wqe + pos + 8), n);
				if (!s) {
					sim.tx_err++;
					n = 0;
				} else {
					memcpy(frame + flen, s, n);
				}
				pos += 16;
			}
			flen += n;
			if (op == 0x29) { /* every data segment is one packet */
				tx_frame(frame, flen, cs);
				flen = 0;
			}
		}
		if (vlan && flen > 12) {
			memmove(frame + 16, frame + 12, flen - 12);
			w32(frame + 12, vlan);
			flen += 4;
		}
		if (op == 0x0a && flen)
			tx_frame(frame, flen, cs);
		else if (op == 0x0e && flen)
			tx_tso(frame, flen, inl, mss);
		else if (op != 0x29 && op != 0x0a && op != 0x0e)
			sim_log(1, "SQ opcode %#x not modelled", op);
	}
	if (((wqe[11] >> 2) & 3) >= 2) {
		memset(cqe, 0, sizeof(cqe));
		w32(cqe + 56, op << 24 | sq->id);
		w16(cqe + 60, w->ci);
		cq_post(&sq->cqo->cq, cqe, OP_REQ);
	}
	w->ci += (ds + 3) / 4;
	return true;
}

bool
sim_poll_tx(void)
{
	struct mlx5dv_devx_obj *sq;
	bool work = false;

	for (sq = sim.sqs; sq; sq = sq->next) {
		uint16_t pi = be32toh(__atomic_load_n(sq->wq.db, __ATOMIC_ACQUIRE));
		int budget = 64;

		if (sq->state != 1)
			continue;
		while (sq->wq.ci != pi && budget--) {
			tx_one(sq);
			work = true;
		}
	}
	return work;
}
