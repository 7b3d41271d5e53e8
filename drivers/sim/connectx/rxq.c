/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive queues: putting a frame into the memory that the PMD posted, and its completion. Two
 * kinds: an entry of data segments for each frame, or striding entries that many frames share
 * (MPRQ).
 *
 * An entry that the device cannot use ends in an error completion, and its queue in the error
 * state: nothing is received on it until the driver resets it.
 */
#include "connectx.h"
#include "hw.h"

#define VLAN_LEN 4
#define MACS_LEN 12

/* A frame without the bytes that the queue strips: two pieces, the second may be all of it. */
struct frame {
	const uint8_t *data;
	uint32_t len;
	bool stripped;
};

static void
fill_cqe(struct hw_cqe *c, const struct mlx5dv_devx_obj *rq, const struct cx_pkt *p, bool stripped)
{
	uint16_t type;

	memset(c, 0, sizeof(*c));
	c->hash = htobe32(p->hash);
	c->hash_type = p->hashed;
	type = HDR_L2_OK | HDR_L3(p->l3) | HDR_L4(p->l4);
	if (p->l3_ok)
		type |= HDR_L3_OK;
	if (p->l4_ok)
		type |= HDR_L4_OK;
	if (p->fragment)
		type |= HDR_FRAGMENT;
	if (stripped) {
		type |= HDR_VLAN_STRIPPED;
		c->vlan = htobe16(p->vlan_tci);
	}
	c->hdr_type = htobe16(type);
	c->segs = 1;
	c->user_index[0] = rq->q.user_index >> 16;
	put16(&c->user_index[1], rq->q.user_index);
	c->timestamp = cx_timestamp(rq->dev);
	c->flow_tag = htobe32(p->tag);
}

static void
add_lro(struct hw_cqe *c, const struct cx_lro_info *l)
{
	c->lro_flags = l->psh ? CQE_LRO_PSH : 0;
	c->lro_min_ttl = l->min_ttl;
	c->lro_win = l->win;
	c->lro_ack = l->ack;
	c->csum = l->csum;
	c->segs = l->segs;
}

/* The rest of an entry that the frame does not fit into is given up with a completion of its own.
 */
static void
post_filler(const struct mlx5dv_devx_obj *rq, struct cx_wq *w, const struct cx_pkt *p)
{
	uint32_t left = (1u << w->log_strides) - w->stride;
	struct hw_cqe c;

	fill_cqe(&c, rq, p, false);
	c.wqe_id = htobe16(w->ci);
	c.counter = htobe16(w->stride);
	c.byte_cnt = htobe32(CQE_FILLER | left << 16);
	cx_cq_post(&rq->q.cq_obj->cq, &c, CQE_OP_RESP_SEND);
	rq->dev->stat.rx_fillers++;
	w->ci++;
	w->stride = 0;
}

/* Reads the doorbell record; one that cannot be right is as good as none. */
static void
read_doorbell(struct cx_dev *d, struct cx_wq *w)
{
	uint16_t pi = be32toh(__atomic_load_n(w->db, __ATOMIC_ACQUIRE));

	if (cx_likely((uint16_t)(pi - w->ci) <= 1u << w->log_size)) {
		w->seen_pi = pi;
		return;
	}
	if (d->stat.bad_doorbell++ == 0)
		cx_log(0,
				"%s: receive doorbell %u is %u entries ahead of a ring of %u: "
				"refused, counted from now on",
				d->conf.name, pi, (uint16_t)(pi - w->ci), 1u << w->log_size);
}

/* Entries that the PMD has posted and the device has not used up. */
static inline uint16_t
posted(struct cx_dev *d, struct cx_wq *w)
{
	if (w->seen_pi == w->ci)
		read_doorbell(d, w);
	return w->seen_pi - w->ci;
}

bool
cx_rxq_room(struct mlx5dv_devx_obj *rq)
{
	struct cx_wq *w = rq->q.rmp != NULL ? &rq->q.rmp->q.wq : &rq->q.wq;

	return posted(rq->dev, w) != 0 && cx_cq_room(&rq->q.cq_obj->cq);
}

/* Those that a driver has to reset the queue for; after others it goes on. */
static bool
fatal(uint8_t syndrome)
{
	return syndrome == SYNDROME_QP_OPERATION || syndrome == SYNDROME_LOCAL_PROTECTION ||
			syndrome == SYNDROME_FLUSHED;
}

enum cx_rx_result
cx_rxq_fail(struct mlx5dv_devx_obj *rq, uint8_t syndrome)
{
	struct cx_wq *w = rq->q.rmp != NULL ? &rq->q.rmp->q.wq : &rq->q.wq;
	struct cx_dev *d = rq->dev;
	struct hw_cqe c = { 0 };

	rq->q.errors++;
	if (d->stat.rx_errors++ == 0)
		cx_log(0,
				"%s: RQ %#x, entry %u: error completion, syndrome %#x; counted "
				"from now on",
				d->conf.name, rq->id, w->ci, syndrome);
	c.wqe_id = htobe16(w->ci);
	c.counter = htobe16(w->striding ? w->stride : w->ci);
	c.timestamp = cx_timestamp(d);
	((uint8_t *)&c)[CQE_SYNDROME_AT] = syndrome;
	cx_cq_post(&rq->q.cq_obj->cq, &c, CQE_OP_RESP_ERR);
	if (fatal(syndrome)) {
		rq->state = CX_QUEUE_ERROR;
		cx_lro_forget(rq);
		return CX_RX_ERROR;
	}
	/* the entry, or the stride, of the frame that is lost */
	if (!w->striding) {
		w->ci++;
	} else if (++w->stride == 1u << w->log_strides) {
		w->ci++;
		w->stride = 0;
	}
	return CX_RX_ERROR;
}

/*
 * The doorbell record starts from zero, too. The PMD clears that of a receive queue itself, and
 * leaves that of a send queue as it is: hardware looks at it when the doorbell is rung, the model
 * at all times, and would send what lies in the ring once more.
 */
void
cx_wq_reset(struct cx_wq *w)
{
	if (w->db != NULL)
		__atomic_store_n(w->db, 0, __ATOMIC_RELEASE);
	w->ci = 0;
	w->seen_pi = 0;
	w->stride = 0;
}

static enum cx_rx_result
deliver_striding(struct mlx5dv_devx_obj *rq, struct cx_wq *w, const struct cx_pkt *p,
		const struct frame *f, const struct cx_lro_info *lro)
{
	struct cx_cq *q = &rq->q.cq_obj->cq;
	uint32_t strides = 1u << w->log_strides;
	uint32_t need = (f->len + w->shift + (1u << w->log_stride_bytes) - 1) >>
			w->log_stride_bytes;
	uint16_t avail = posted(rq->dev, w);
	const struct hw_data_seg *seg;
	struct hw_cqe c;
	uint8_t *dst;

	if (cx_unlikely(need > strides)) {
		rq->dev->stat.rx_too_long++;
		rq->q.errors++;
		return CX_RX_ERROR;
	}
	if (avail == 0 || !cx_cq_room(q))
		return CX_RX_NO_BUF;
	if (cx_unlikely(w->stride + need > strides)) {
		post_filler(rq, w, p);
		if ((avail == 1 && posted(rq->dev, w) == 0) || !cx_cq_room(q))
			return CX_RX_NO_BUF;
	}
	seg = (const void *)(w->buf +
			((size_t)(w->ci & ((1u << w->log_size) - 1)) << w->log_entry) +
			RX_STRIDING_HDR);
	dst = cx_mr_check(rq->dev, be32toh(seg->lkey), be64toh(seg->addr), be32toh(seg->bytes));
	if (cx_unlikely(dst == NULL))
		return cx_rxq_fail(rq, SYNDROME_LOCAL_PROTECTION);
	if (cx_unlikely(be32toh(seg->bytes) < (w->stride + need) << w->log_stride_bytes))
		return cx_rxq_fail(rq, SYNDROME_LOCAL_LENGTH);
	dst += (size_t)w->stride << w->log_stride_bytes;
	memcpy(dst + w->shift, f->data, f->len);
	fill_cqe(&c, rq, p, f->stripped);
	if (cx_unlikely(lro != NULL))
		add_lro(&c, lro);
	c.wqe_id = htobe16(w->ci);
	c.counter = htobe16(w->stride);
	c.byte_cnt = htobe32(need << 16 | f->len);
	w->stride += need;
	if (w->stride == strides) {
		w->ci++;
		w->stride = 0;
	} else {
		__builtin_prefetch(dst + ((size_t)need << w->log_stride_bytes), 1);
	}
	cx_cq_post(q, &c, CQE_OP_RESP_SEND);
	return CX_RX_TAKEN;
}

static enum cx_rx_result
deliver_plain(struct mlx5dv_devx_obj *rq, struct cx_wq *w, const struct cx_pkt *p,
		const struct frame *f, const struct cx_lro_info *lro)
{
	uint32_t off = 0, i, n_segs = 1u << (w->log_entry - 4);
	struct cx_cq *q = &rq->q.cq_obj->cq;
	const struct hw_data_seg *seg;
	struct hw_cqe c;

	if (posted(rq->dev, w) == 0 || !cx_cq_room(q))
		return CX_RX_NO_BUF;
	seg = (const void *)(w->buf +
			((size_t)(w->ci & ((1u << w->log_size) - 1)) << w->log_entry));
	for (i = 0; i < n_segs && off < f->len; i++) {
		uint32_t room = be32toh(seg[i].bytes);
		uint32_t part = f->len - off < room ? f->len - off : room;
		uint8_t *dst;

		if (part == 0)
			continue;
		dst = cx_mr_check(rq->dev, be32toh(seg[i].lkey), be64toh(seg[i].addr), part);
		if (dst == NULL)
			return cx_rxq_fail(rq, SYNDROME_LOCAL_PROTECTION);
		memcpy(dst, f->data + off, part);
		off += part;
	}
	if (cx_unlikely(off < f->len)) {
		rq->dev->stat.rx_too_long++;
		return cx_rxq_fail(rq, SYNDROME_LOCAL_LENGTH);
	}
	fill_cqe(&c, rq, p, f->stripped);
	if (lro != NULL)
		add_lro(&c, lro);
	c.counter = htobe16(w->ci);
	c.byte_cnt = htobe32(f->len);
	w->ci++;
	cx_cq_post(q, &c, CQE_OP_RESP_SEND);
	return CX_RX_TAKEN;
}

enum cx_rx_result
cx_rxq_deliver(struct mlx5dv_devx_obj *rq, struct cx_pkt *p, const struct cx_lro_info *lro)
{
	struct cx_wq *w = rq->q.rmp != NULL ? &rq->q.rmp->q.wq : &rq->q.wq;
	struct frame f = { .data = p->data, .len = p->len };
	uint8_t macs[MACS_LEN];
	enum cx_rx_result ret;

	f.stripped = p->vlan && !rq->q.keep_vlan;
	if (cx_unlikely(f.stripped)) {
		/* the addresses over the tag, and back: the frame may be offered again */
		memcpy(macs, p->data + VLAN_LEN, MACS_LEN);
		memmove(p->data + VLAN_LEN, p->data, MACS_LEN);
		f.data += VLAN_LEN;
		f.len -= VLAN_LEN;
	}
	if (w->striding)
		ret = deliver_striding(rq, w, p, &f, lro);
	else
		ret = deliver_plain(rq, w, p, &f, lro);
	if (cx_unlikely(f.stripped)) {
		memmove(p->data, p->data + VLAN_LEN, MACS_LEN);
		memcpy(p->data + VLAN_LEN, macs, MACS_LEN);
	}
	if (cx_likely(ret == CX_RX_TAKEN)) {
		rq->dev->stat.rx_delivered++;
		rq->q.done.pkts++;
		rq->q.done.bytes += p->len;
	}
	return ret;
}

/* A frame that found no buffer and is gone: what the driver reads as out_of_buffer. */
void
cx_rxq_no_buf(struct mlx5dv_devx_obj *rq)
{
	rq->dev->stat.rx_no_buf++;
	rq->q.no_buf++;
	if (rq->q.q_counter != NULL)
		rq->q.q_counter->q_counter.out_of_buffer++;
}
