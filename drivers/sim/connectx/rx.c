/* SPDX-License-Identifier: BSD-3-Clause */
/* A frame's way in: parse, steer, spread, then LRO or its queue; or the kernel's interface. */
#include "connectx.h"
#include "hw.h"

static inline void
count(struct cx_dev *d, const struct cx_pkt *p)
{
	d->stat.rx_wire++;
	d->stat.rx_bytes += p->len;
}

static enum cx_rx_result
to_kernel(struct cx_dev *d, struct cx_pkt *p)
{
	cx_steer_commit(p);
	count(d, p);
	d->stat.rx_miss++;
	cx_netdev_send(d, p->data, p->len);
	return CX_RX_MISS;
}

static enum cx_rx_result
to_queue(struct cx_dev *d, struct cx_pkt *p)
{
	if (cx_unlikely(p->rq == NULL || p->rq->state != CX_QUEUE_READY))
		return CX_RX_CLOSED;
	if (cx_unlikely(d->stage[CX_RX] != NULL)) {
		enum cx_rx_result ret = cx_impair_rxq(d, p->rq);

		if (ret != CX_RX_TAKEN)
			return ret;
	}
	if (cx_unlikely(p->tir->tir.lro_mask != 0 && p->l4 != L4_NONE && p->l4 != L4_UDP))
		return cx_lro_input(d, p);
	return cx_rxq_deliver(p->rq, p, NULL);
}

static int
look(struct cx_dev *d, struct cx_pkt *p, uint8_t *frame, uint32_t len, bool verify)
{
	int verdict;

	memset(p, 0, offsetof(struct cx_pkt, hit));
	p->data = frame;
	p->len = len;
	cx_parse(p, verify);
	verdict = cx_steer(d, p);
	if (verdict == CX_STEER_QUEUE)
		cx_rss(p);
	return verdict;
}

enum cx_rx_result
cx_rx_frame(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags)
{
	enum cx_rx_result ret;
	struct cx_pkt p;

	switch (look(d, &p, frame, len, !(flags & CX_RX_CSUM_OK))) {
	case CX_STEER_DROP:
		if (flags & CX_RX_FIRST)
			return CX_RX_MISS;
		cx_steer_commit(&p);
		count(d, &p);
		d->stat.rx_dropped++;
		return CX_RX_TAKEN;
	case CX_STEER_MISS:
		return flags & CX_RX_HOLD ? CX_RX_MISS : to_kernel(d, &p);
	default:
		break;
	}
	ret = to_queue(d, &p);
	if (ret != CX_RX_TAKEN && flags & CX_RX_HOLD && ret != CX_RX_ERROR)
		return ret;
	if (ret == CX_RX_NO_BUF && flags & CX_RX_PAUSE)
		return ret;
	if (ret == CX_RX_NO_BUF)
		cx_rxq_no_buf(p.rq);
	else if (ret == CX_RX_CLOSED)
		d->stat.rx_closed++;
	cx_steer_commit(&p);
	count(d, &p);
	return ret;
}

enum cx_rx_result
cx_rx_would_take(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags)
{
	struct cx_pkt p;

	switch (look(d, &p, frame, len, !(flags & CX_RX_CSUM_OK))) {
	case CX_STEER_DROP:
		return flags & CX_RX_FIRST ? CX_RX_MISS : CX_RX_TAKEN;
	case CX_STEER_MISS:
		return CX_RX_MISS;
	default:
		break;
	}
	if (p.rq == NULL || p.rq->state != CX_QUEUE_READY)
		return CX_RX_CLOSED;
	return cx_rxq_room(p.rq) ? CX_RX_TAKEN : CX_RX_NO_BUF;
}
