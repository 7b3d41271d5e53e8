/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Send queues: entries with inline data, pointers, many frames in one (enhanced MPW) or one that is
 * segmented (TSO); checksums and VLAN tags put in; a completion where the entry asks for one. A
 * frame is put together where the wire wants it, if it has memory of its own.
 *
 * An entry that the device cannot carry out ends in an error completion, and its queue in the error
 * state: what was posted behind it is flushed, until the driver resets the queue.
 */
#include "hw.h"
#include "hws.h"
#include <netinet/in.h>

#define BURST 64		     /* entries of one queue in one turn */
#define TEMPLATE_MAX (262144 + 4096) /* max_lso_cap and headers */
#define MSS_MASK 0x3fff
#define VLAN_TPID 0x81000000u
#define TCP_FIN_PSH 0x09
#define NS 1000000000ll

/* An entry as it lies in the ring, or a copy of one that crosses its end. */
struct entry {
	const uint8_t *b;
	uint32_t len;
	uint8_t opmod, opcode, fm_ce_se, csum_flags;
	bool refused; /* a rule that was not written: its completion says so, asked for or not */
};

struct cx_tx_scratch {
	uint8_t entry[WQE_SEG_SIZE * (WQE_MAX_SEGS + 1)];
	uint8_t frame[CX_MAX_FRAME];
	uint8_t template[TEMPLATE_MAX];
};

/* A frame that is being put together. */
struct out {
	struct cx_dev *dev;
	uint8_t *buf;
	uint32_t len, max;
	bool in_wire;
};

int
cx_tx_init(struct cx_dev *d)
{
	d->tx = malloc(sizeof(*d->tx));
	return d->tx != NULL ? 0 : -1;
}

static void
put_checksums(uint8_t *d, uint32_t len, uint8_t flags)
{
	struct cx_pkt p;
	uint16_t v;

	memset(&p, 0, offsetof(struct cx_pkt, hit));
	p.data = d;
	p.len = len;
	cx_parse(&p, false);
	if (flags & WQE_CSUM_L3 && p.l3 == L3_IPV4) {
		uint8_t *ip = d + p.l3_off;

		put16(ip + 10, 0);
		v = ~cx_fold(cx_sum(ip, (ip[0] & 15) * 4));
		memcpy(ip + 10, &v, 2);
	}
	if (flags & WQE_CSUM_L4 && p.l4 != L4_NONE) {
		uint32_t l4_len = p.pay_off + p.pay_len - p.l4_off;
		bool udp = p.l4 == L4_UDP;
		uint8_t *field = d + p.l4_off + (udp ? 6 : 16);

		put16(field, 0);
		v = ~cx_fold(cx_sum(d + p.l4_off, l4_len) +
				cx_sum_pseudo(&p, l4_len, udp ? IPPROTO_UDP : IPPROTO_TCP));
		if (udp && v == 0)
			v = 0xffff; /* zero means none (RFC 768) */
		memcpy(field, &v, 2);
	}
}

static void
begin(struct out *o, struct cx_dev *d)
{
	o->dev = d;
	o->len = 0;
	o->max = CX_MAX_FRAME;
	o->buf = cx_port_reserve(d, CX_MAX_FRAME);
	o->in_wire = o->buf != NULL;
	if (!o->in_wire)
		o->buf = d->tx->frame;
}

static void
finish(struct out *o, uint8_t csum_flags)
{
	unsigned int flags = 0;

	if (csum_flags) {
		put_checksums(o->buf, o->len, csum_flags);
		if (csum_flags == (WQE_CSUM_L3 | WQE_CSUM_L4))
			flags = CX_WIRE_CSUM_OK;
	}
	if (o->in_wire)
		cx_port_commit(o->dev, o->len, flags);
	else
		cx_port_send(o->dev, o->buf, o->len, flags);
}

/* Appends a piece; false when it does not fit. */
static bool
append(struct out *o, const void *piece, uint32_t n)
{
	if (cx_unlikely(n > o->max - o->len))
		return false;
	memcpy(o->buf + o->len, piece, n);
	o->len += n;
	return true;
}

static uint8_t
send_segments(struct cx_dev *d, uint8_t *t, uint32_t len, uint32_t hdr, uint32_t mss)
{
	uint32_t off, seq, n;
	struct cx_pkt p;
	struct out o;
	uint16_t id;

	memset(&p, 0, offsetof(struct cx_pkt, hit));
	p.data = t;
	p.len = len;
	/* the IP length of a template need not be that of the frame */
	cx_parse_headers(&p);
	if (p.l4 == L4_NONE || p.l4 == L4_UDP || mss == 0 || hdr != p.pay_off ||
			hdr + mss > CX_MAX_FRAME)
		return SYNDROME_QP_OPERATION;
	seq = be32(t + p.l4_off + 4);
	id = be16(t + p.l3_off + 4);
	for (off = hdr; off < len; off += n) {
		n = len - off < mss ? len - off : mss;
		begin(&o, d);
		append(&o, t, hdr);
		append(&o, t + off, n);
		if (p.l3 == L3_IPV4) {
			put16(o.buf + p.l3_off + 2, hdr - p.l3_off + n);
			put16(o.buf + p.l3_off + 4, id++);
		} else {
			put16(o.buf + p.l3_off + 4, hdr - p.l4_off + n);
		}
		put32(o.buf + p.l4_off + 4, seq + off - hdr);
		if (off + n < len)
			o.buf[p.l4_off + 13] &= ~TCP_FIN_PSH; /* on the last one only */
		finish(&o, WQE_CSUM_L3 | WQE_CSUM_L4);
	}
	return 0;
}

/* One data segment at pos; *next is where the one after it starts. Returns 0 or a syndrome. */
static uint8_t
append_segment(struct out *o, const struct entry *e, uint32_t pos, uint32_t *next)
{
	uint32_t n = be32(e->b + pos);
	const void *piece;

	if (n & WQE_DATA_INLINE) {
		n &= ~WQE_DATA_INLINE;
		if (n > e->len - pos - 4)
			return SYNDROME_LOCAL_LENGTH;
		piece = e->b + pos + 4;
		*next = pos + (4 + n + WQE_SEG_SIZE - 1) / WQE_SEG_SIZE * WQE_SEG_SIZE;
	} else {
		*next = pos + WQE_SEG_SIZE;
		if (n == 0)
			return 0;
		piece = cx_mr_check(o->dev, be32(e->b + pos + 4), be64(e->b + pos + 8), n);
		if (piece == NULL)
			return SYNDROME_LOCAL_PROTECTION;
	}
	return append(o, piece, n) ? 0 : SYNDROME_LOCAL_LENGTH;
}

/* Each data segment is a frame of its own. */
static uint8_t
send_multi_packet(struct cx_dev *d, const struct entry *e)
{
	uint32_t pos = 2 * WQE_SEG_SIZE;
	struct out o;
	uint8_t bad;

	while (pos + WQE_SEG_SIZE <= e->len) {
		begin(&o, d);
		bad = append_segment(&o, e, pos, &pos);
		if (cx_unlikely(bad != 0))
			return bad;
		if (o.len > 0)
			finish(&o, e->csum_flags);
	}
	return 0;
}

static void
insert_vlan(struct out *o, uint32_t tag)
{
	memmove(o->buf + 16, o->buf + 12, o->len - 12);
	put32(o->buf + 12, tag);
	o->len += 4;
}

static uint8_t
send_packet(struct cx_dev *d, const struct entry *e)
{
	const struct hw_wqe_eth *eth = (const void *)(e->b + WQE_SEG_SIZE);
	uint32_t inline_len = be16toh(eth->inline_len), pos = 2 * WQE_SEG_SIZE, vlan = 0;
	struct out o;
	uint8_t bad;

	begin(&o, d);
	if (e->opcode == WQE_TSO) {
		o.buf = d->tx->template;
		o.max = TEMPLATE_MAX;
	}
	if (inline_len & WQE_VLAN_INSERT) {
		vlan = VLAN_TPID | be16(eth->inline_data);
		inline_len = 0;
		o.max -= sizeof(vlan);
	}
	if (inline_len > 0) {
		pos = eth->inline_data - e->b + inline_len;
		if (pos > e->len || !append(&o, eth->inline_data, inline_len))
			return SYNDROME_LOCAL_LENGTH;
		pos = (pos + WQE_SEG_SIZE - 1) / WQE_SEG_SIZE * WQE_SEG_SIZE;
	}
	while (pos + WQE_SEG_SIZE <= e->len) {
		bad = append_segment(&o, e, pos, &pos);
		if (cx_unlikely(bad != 0))
			return bad;
	}
	if (o.len == 0)
		return 0;
	if (vlan != 0 && o.len > 12)
		insert_vlan(&o, vlan);
	if (e->opcode == WQE_TSO)
		return send_segments(d, o.buf, o.len, inline_len, be16toh(eth->mss) & MSS_MASK);
	finish(&o, e->csum_flags);
	return 0;
}

/* Reads the entry at the queue's index: 0 or a syndrome. */
static uint8_t
read_entry(const struct mlx5dv_devx_obj *sq, struct entry *e)
{
	const struct cx_wq *w = &sq->q.wq;
	uint32_t bytes = (uint32_t)WQEBB_SIZE << w->log_size;
	uint32_t off = (w->ci & ((1u << w->log_size) - 1)) * WQEBB_SIZE;
	struct cx_tx_scratch *t = sq->dev->tx;

	e->b = w->buf + off;
	e->len = (e->b[offsetof(struct hw_wqe_ctrl, segs)] & WQE_MAX_SEGS) * WQE_SEG_SIZE;
	if (e->len == 0 || e->len > bytes) {
		e->len = WQE_SEG_SIZE;
		e->fm_ce_se = 0;
		e->refused = false;
		e->opmod = 0;
		e->opcode = WQE_WAIT;
		return SYNDROME_QP_OPERATION;
	}
	if (cx_unlikely(e->len > bytes - off)) {
		memcpy(t->entry, e->b, bytes - off);
		memcpy(t->entry + bytes - off, w->buf, e->len - (bytes - off));
		e->b = t->entry;
	}
	e->opmod = e->b[offsetof(struct hw_wqe_ctrl, opmod)];
	e->opcode = e->b[offsetof(struct hw_wqe_ctrl, opcode)];
	e->fm_ce_se = e->b[offsetof(struct hw_wqe_ctrl, fm_ce_se)];
	e->csum_flags = 0;
	e->refused = false;
	return 0;
}

/*
 * The queue goes on when the device's clock reaches the entry's value, of which the mask leaves
 * some bits: it is behind by half of their range at most, or has passed.
 *
 * What was posted before its time leaves at that time, and not when this thread came to it: the
 * clock is set to it for the rest of the queue's turn.
 */
static uint8_t
wait_for_time(struct cx_dev *d, const struct entry *e)
{
	const struct hw_wqe_wait *w = (const void *)(e->b + WQE_SEG_SIZE);
	struct mlx5dv_devx_obj *sq = d->tx_sq;
	uint64_t now = d->turned + d->clock_offset, value, mask, due;
	int64_t secs, left;

	if (!d->conf.wait_on_time || e->opmod != WQE_WAIT_TIME ||
			e->len < WQE_SEG_SIZE + sizeof(*w) ||
			be32toh(w->operation) != WQE_WAIT_CYCLIC_SMALLER) {
		cx_log(1, "%s: wait of kind %u is not modelled", d->conf.name, e->opmod);
		return SYNDROME_QP_OPERATION;
	}
	value = be64toh(w->value);
	mask = be64toh(w->mask) >> 32;
	secs = ((value >> 32) - now / NS) & mask;
	if ((uint64_t)secs > mask / 2)
		secs -= (int64_t)mask + 1;
	left = secs * NS + (int64_t)(value & UINT32_MAX) - (int64_t)(now % NS);
	due = d->turned + left;
	if (left > 0) {
		sq->q.stall_until = due;
		sq->q.waits = true;
		d->stat.tx_time_waits++;
		return 0;
	}
	sq->q.held = sq->q.held && (int16_t)(sq->q.held_pi - sq->q.wq.ci) > 0;
	if (due > sq->q.sent_at)
		sq->q.sent_at = due;
	d->now = sq->q.held ? sq->q.sent_at : d->turned;
	return 0;
}

static uint8_t
carry_out(struct cx_dev *d, struct entry *e)
{
	switch (e->opcode) {
	case WQE_NOP:
		return 0;
	case WQE_WAIT:
		return wait_for_time(d, e);
	case WQE_SEND:
	case WQE_TSO:
	case WQE_EMPW:
		if (e->len < 2 * WQE_SEG_SIZE)
			return SYNDROME_QP_OPERATION;
		e->csum_flags = e->b[WQE_SEG_SIZE + offsetof(struct hw_wqe_eth, csum_flags)] &
				(WQE_CSUM_L3 | WQE_CSUM_L4);
		return e->opcode == WQE_EMPW ? send_multi_packet(d, e) : send_packet(d, e);
	case WQE_TABLE_ACCESS:
		return cx_hws_write(d, e->b, e->len, &e->refused);
	default:
		cx_log(1, "%s: send opcode %#x is not modelled", d->conf.name, e->opcode);
		return SYNDROME_QP_OPERATION;
	}
}

static void
complete(struct mlx5dv_devx_obj *sq, const struct entry *e, uint8_t syndrome)
{
	struct hw_cqe c = { 0 };

	c.flow_tag = htobe32((uint32_t)e->opcode << 24 | (sq->id & 0xffffff));
	c.counter = htobe16(sq->q.wq.ci);
	c.timestamp = cx_timestamp(sq->dev);
	if (e->refused)
		c.byte_cnt = htobe32(CQE_STE_REFUSED);
	if (syndrome != 0)
		((uint8_t *)&c)[CQE_SYNDROME_AT] = syndrome;
	cx_cq_post(&sq->q.cq_obj->cq, &c, syndrome != 0 ? CQE_OP_REQ_ERR : CQE_OP_REQ);
}

static void
advance(struct cx_wq *w, const struct entry *e)
{
	w->ci += (e->len + WQEBB_SIZE - 1) / WQEBB_SIZE;
}

static void
send_one(struct mlx5dv_devx_obj *sq)
{
	struct cx_dev *d = sq->dev;
	struct entry e;
	uint8_t bad;

	bad = read_entry(sq, &e);
	if (cx_likely(bad == 0)) {
		d->tx_sq = sq;
		bad = carry_out(d, &e);
		d->tx_sq = NULL;
	}
	if (cx_unlikely(sq->q.waits))
		return;
	d->stat.tx_wqes++;
	if (cx_unlikely(d->tx_syndrome != 0)) {
		bad = d->tx_syndrome;
		d->tx_syndrome = 0;
	}
	if (cx_unlikely(bad != 0)) {
		if (d->stat.tx_errors++ == 0)
			cx_log(0,
					"%s: SQ %#x, entry %u: error completion, syndrome %#x; "
					"counted "
					"from now on",
					d->conf.name, sq->id, sq->q.wq.ci, bad);
		sq->q.errors++;
		complete(sq, &e, bad);
		sq->state = CX_QUEUE_ERROR;
	} else if (WQE_COMPLETION(e.fm_ce_se) >= WQE_COMPLETION_ALWAYS || e.refused) {
		complete(sq, &e, 0);
	}
	advance(&sq->q.wq, &e);
}

/* A queue in error: its entries complete as flushed. */
static void
flush_one(struct mlx5dv_devx_obj *sq)
{
	struct entry e;

	if (read_entry(sq, &e) != 0 || WQE_COMPLETION(e.fm_ce_se) >= WQE_COMPLETION_ALWAYS)
		complete(sq, &e, SYNDROME_FLUSHED);
	advance(&sq->q.wq, &e);
}

/* The producer index of the doorbell record; the device's own where it cannot be right. */
static uint16_t
posted(struct mlx5dv_devx_obj *sq)
{
	struct cx_wq *w = &sq->q.wq;
	uint16_t pi = be32toh(__atomic_load_n(w->db, __ATOMIC_ACQUIRE));

	if (cx_likely((uint16_t)(pi - w->ci) <= 1u << w->log_size))
		return pi;
	if (sq->dev->stat.bad_doorbell++ == 0)
		cx_log(0, "%s: SQ %#x: doorbell %u is %u entries ahead of a ring of %u: refused",
				sq->dev->conf.name, sq->id, pi, (uint16_t)(pi - w->ci),
				1u << w->log_size);
	return w->ci;
}

bool
cx_tx_poll(struct cx_dev *d)
{
	struct mlx5dv_devx_obj *sq;
	bool work = false;

	d->turned = d->now;
	for (sq = d->sqs; sq != NULL; sq = sq->next) {
		struct cx_wq *w = &sq->q.wq;
		int budget = BURST;
		uint16_t pi;

		if (sq->state != CX_QUEUE_READY && sq->state != CX_QUEUE_ERROR)
			continue;
		if (cx_unlikely(sq->q.stall_until != 0)) {
			if (d->now < sq->q.stall_until)
				continue;
			sq->q.stall_until = 0;
			sq->q.waits = false;
		}
		for (pi = posted(sq); w->ci != pi && budget > 0; budget--) {
			if (cx_unlikely(sq->q.stall_until != 0))
				break;
			if (cx_unlikely(sq->state == CX_QUEUE_ERROR)) {
				flush_one(sq);
			} else if (sq->q.non_wire || cx_port_room(d)) {
				send_one(sq);
			} else {
				d->stat.tx_waits++;
				break;
			}
			/* an entry that lies about its length */
			if (cx_unlikely((uint16_t)(pi - w->ci) > 1u << w->log_size))
				w->ci = pi;
		}
		if (cx_unlikely(sq->q.waits)) {
			sq->q.held = true;
			sq->q.held_pi = pi;
		}
		d->now = d->turned;
		work |= budget < BURST;
	}
	return work;
}
