/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Send queues: entries with inline data, pointers, many frames in one (enhanced MPW) or one that is
 * segmented (TSO); checksums and VLAN tags put in; a completion where the entry asks for one.
 */
#include "connectx.h"
#include "hw.h"
#include <netinet/in.h>

#define BURST 64		  /* entries of one queue in one turn */
#define FRAME_MAX (262144 + 4096) /* max_lso_cap and headers */
#define SEG_ROOM 16384
#define MSS_MASK 0x3fff
#define VLAN_TPID 0x81000000u
#define TCP_FIN_PSH 0x09

struct wqe {
	union {
		struct {
			struct hw_wqe_ctrl ctrl;
			struct hw_wqe_eth eth;
		};
		uint8_t b[WQE_SEG_SIZE * (WQE_MAX_SEGS + 1)];
	};
	uint32_t len;
};

static uint8_t frame[FRAME_MAX], segment[SEG_ROOM];

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
send_frame(uint8_t *d, uint32_t len, uint8_t csum_flags)
{
	if (csum_flags)
		put_checksums(d, len, csum_flags);
	cx.stat.tx_frames++;
	cx.stat.tx_bytes += len;
	cx.wire->send(d, len);
}

static void
send_segments(uint8_t *d, uint32_t len, uint32_t hdr, uint32_t mss)
{
	uint32_t off, seq, n;
	struct cx_pkt p;
	uint16_t id;

	memset(&p, 0, offsetof(struct cx_pkt, hit));
	p.data = d;
	p.len = len;
	/* the IP length of a template need not be that of the frame */
	cx_parse_headers(&p);
	if (p.l4 == L4_NONE || p.l4 == L4_UDP || mss == 0 || hdr != p.pay_off ||
			hdr + mss > sizeof(segment)) {
		cx.stat.tx_errors++;
		return;
	}
	seq = be32(d + p.l4_off + 4);
	id = be16(d + p.l3_off + 4);
	for (off = hdr; off < len; off += n) {
		n = len - off < mss ? len - off : mss;
		memcpy(segment, d, hdr);
		memcpy(segment + hdr, d + off, n);
		if (p.l3 == L3_IPV4) {
			put16(segment + p.l3_off + 2, hdr - p.l3_off + n);
			put16(segment + p.l3_off + 4, id++);
		} else {
			put16(segment + p.l3_off + 4, hdr - p.l4_off + n);
		}
		put32(segment + p.l4_off + 4, seq + off - hdr);
		if (off + n < len)
			segment[p.l4_off + 13] &= ~TCP_FIN_PSH; /* on the last one only */
		send_frame(segment, hdr + n, WQE_CSUM_L3 | WQE_CSUM_L4);
	}
}

/* Appends a piece to the frame of *len bytes; false when it is not there or does not fit. */
static bool
gather(uint32_t *len, const void *piece, uint32_t n)
{
	if (piece == NULL || n > FRAME_MAX - 4 - *len)
		return false;
	memcpy(frame + *len, piece, n);
	*len += n;
	return true;
}

static void
insert_vlan(uint32_t *len, uint32_t tag)
{
	memmove(frame + 16, frame + 12, *len - 12);
	put32(frame + 12, tag);
	*len += 4;
}

/* The data segments from pos on; each is a frame of its own in an enhanced MPW. */
static bool
gather_segments(const struct wqe *e, uint32_t pos, uint32_t *len, uint8_t csum_flags)
{
	while (pos + WQE_SEG_SIZE <= e->len) {
		uint32_t n = be32(e->b + pos);
		bool ok;

		if (n & WQE_DATA_INLINE) {
			n &= ~WQE_DATA_INLINE;
			if (n > e->len - pos - 4)
				return false;
			ok = gather(len, e->b + pos + 4, n);
			pos += (4 + n + WQE_SEG_SIZE - 1) / WQE_SEG_SIZE * WQE_SEG_SIZE;
		} else {
			uint32_t lkey = be32(e->b + pos + 4);

			ok = n == 0 || gather(len, cx_mr_check(lkey, be64(e->b + pos + 8), n), n);
			pos += WQE_SEG_SIZE;
		}
		if (!ok)
			return false;
		if (e->ctrl.opcode == WQE_EMPW && *len > 0) {
			send_frame(frame, *len, csum_flags);
			*len = 0;
		}
	}
	return true;
}

static bool
send_entry(const struct wqe *e)
{
	uint8_t csum_flags = e->eth.csum_flags & (WQE_CSUM_L3 | WQE_CSUM_L4);
	uint32_t inline_len = be16toh(e->eth.inline_len), pos = 2 * WQE_SEG_SIZE;
	uint32_t vlan = 0, len = 0;
	const uint8_t *inline_data = e->b + WQE_SEG_SIZE + offsetof(struct hw_wqe_eth, inline_data);

	if (inline_len & WQE_VLAN_INSERT) {
		vlan = VLAN_TPID | be16(e->eth.inline_data);
		inline_len = 0;
	}
	if (inline_len > 0) {
		pos = inline_data - e->b + inline_len;
		if (pos > e->len || !gather(&len, inline_data, inline_len))
			return false;
		pos = (pos + WQE_SEG_SIZE - 1) / WQE_SEG_SIZE * WQE_SEG_SIZE;
	}
	if (!gather_segments(e, pos, &len, csum_flags))
		return false;
	if (len == 0)
		return true;
	if (vlan != 0 && len > 12)
		insert_vlan(&len, vlan);
	if (e->ctrl.opcode == WQE_TSO)
		send_segments(frame, len, inline_len, be16toh(e->eth.mss) & MSS_MASK);
	else
		send_frame(frame, len, csum_flags);
	return true;
}

static void
complete(struct mlx5dv_devx_obj *sq, const struct wqe *e)
{
	struct hw_cqe c = { 0 };

	c.flow_tag = htobe32((uint32_t)e->ctrl.opcode << 24 | (sq->id & 0xffffff));
	c.counter = htobe16(sq->q.wq.ci);
	c.timestamp = htobe64(cx.now);
	cx_cq_post(&sq->q.cq_obj->cq, &c, CQE_OP_REQ);
}

static void
send_one(struct mlx5dv_devx_obj *sq)
{
	struct cx_wq *w = &sq->q.wq;
	uint32_t bytes = (uint32_t)WQEBB_SIZE << w->log_size;
	uint32_t off = (w->ci & ((1u << w->log_size) - 1)) * WQEBB_SIZE, first;
	struct wqe e;

	e.len = (w->buf[off + offsetof(struct hw_wqe_ctrl, segs)] & WQE_MAX_SEGS) * WQE_SEG_SIZE;
	cx.stat.tx_wqes++;
	if (e.len == 0 || e.len > bytes) {
		cx.stat.tx_errors++;
		w->ci++;
		return;
	}
	first = e.len < bytes - off ? e.len : bytes - off;
	memcpy(e.b, w->buf + off, first);
	memcpy(e.b + first, w->buf, e.len - first);
	switch (e.ctrl.opcode) {
	case WQE_NOP:
	case WQE_ERROR_NOP:
		break;
	case WQE_SEND:
	case WQE_TSO:
	case WQE_EMPW:
		if (e.len < 2 * WQE_SEG_SIZE || !send_entry(&e))
			cx.stat.tx_errors++;
		break;
	default:
		if (cx.stat.tx_errors++ == 0)
			cx_log(0, "send opcode %#x is not modelled", e.ctrl.opcode);
		break;
	}
	if (WQE_COMPLETION(e.ctrl.fm_ce_se) >= WQE_COMPLETION_ALWAYS)
		complete(sq, &e);
	w->ci += (e.len + WQEBB_SIZE - 1) / WQEBB_SIZE;
}

bool
cx_tx_poll(void)
{
	struct mlx5dv_devx_obj *sq;
	bool work = false;

	for (sq = cx.sqs; sq != NULL; sq = sq->next) {
		struct cx_wq *w = &sq->q.wq;
		uint16_t pi = be32toh(__atomic_load_n(w->db, __ATOMIC_ACQUIRE));
		int budget = BURST;

		if (sq->state != CX_QUEUE_READY)
			continue;
		while (w->ci != pi && budget-- > 0) {
			send_one(sq);
			work = true;
		}
	}
	return work;
}
