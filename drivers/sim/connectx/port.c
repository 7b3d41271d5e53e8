/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NIC's port: the one way in from the wire and the one way out to it, through a stage of faults
 * and shaping in each direction if there is one, and the state of the link, which the kernel's
 * interface shows.
 */
#include "connectx.h"

enum cx_rx_result
cx_port_deliver(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags)
{
	if (cx_unlikely(!d->link_up)) {
		d->stat.rx_no_link++;
		return CX_RX_ERROR;
	}
	if (cx_unlikely(len > d->max_frame) && !cx_netdev_fits(d, len)) {
		d->stat.rx_too_long++;
		return CX_RX_ERROR;
	}
	return cx_rx_frame(d, frame, len, flags);
}

enum cx_rx_result
cx_port_rx(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags)
{
	if (cx_unlikely(d->stage[CX_RX] != NULL) && d->link_up)
		return cx_stage_rx(d->stage[CX_RX], frame, len, flags);
	return cx_port_deliver(d, frame, len, flags);
}

bool
cx_port_room(struct cx_dev *d)
{
	if (d->wire.ops->room == NULL || !d->link_up)
		return true;
	/* the queue of a shaped link drops what it has no room for */
	if (cx_unlikely(d->stage[CX_TX] != NULL) && cx_stage_shaped(d->stage[CX_TX]))
		return true;
	return d->wire.ops->room(d);
}

uint8_t *
cx_port_reserve(struct cx_dev *d, size_t max)
{
	if (d->wire.ops->reserve == NULL || !d->link_up || d->stage[CX_TX] != NULL)
		return NULL;
	return d->wire.ops->reserve(d, max);
}

/* What a send queue handed over, whatever becomes of it on the way. */
static inline void
count_sent(struct cx_dev *d, size_t len)
{
	if (d->tx_sq != NULL) {
		d->tx_sq->q.done.pkts++;
		d->tx_sq->q.done.bytes += len;
	}
}

void
cx_port_commit(struct cx_dev *d, size_t len, unsigned int flags)
{
	d->stat.tx_frames++;
	d->stat.tx_bytes += len;
	count_sent(d, len);
	d->wire.ops->commit(d, len, flags);
}

void
cx_port_transmit(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	if (cx_unlikely(!d->link_up)) {
		d->stat.tx_no_link++;
		return;
	}
	d->stat.tx_frames++;
	d->stat.tx_bytes += len;
	d->wire.ops->send(d, frame, len, flags);
}

void
cx_port_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	if (d->link_up)
		count_sent(d, len);
	if (cx_unlikely(d->stage[CX_TX] != NULL) && d->link_up)
		cx_stage_tx(d->stage[CX_TX], frame, len, flags);
	else
		cx_port_transmit(d, frame, len, flags);
}

/* Up when the wire has another end and no fault says otherwise. */
static void
update_link(struct cx_dev *d)
{
	bool ours = d->now >= d->down_until && !d->gone, up = ours && d->wire.carrier;

	if (cx_unlikely(ours != d->port_up)) {
		d->port_up = ours;
		if (d->wire.ops->link != NULL)
			d->wire.ops->link(d, ours);
	}
	if (cx_likely(up == d->link_up))
		return;
	/* a control call reads it without the lock */
	__atomic_store_n(&d->link_up, up, __ATOMIC_RELAXED);
	cx_netdev_carrier(d, up);
	cx_async_post(d, up ? IBV_EVENT_PORT_ACTIVE : IBV_EVENT_PORT_ERR, 1);
	cx_log(1, "%s: link %s", d->conf.name, up ? "up" : "down");
}

void
cx_port_down(struct cx_dev *d, uint64_t ns)
{
	uint64_t until = ns != 0 && ns < UINT64_MAX - d->now ? d->now + ns : UINT64_MAX;

	d->stat.link_downs++;
	if (until > d->down_until)
		d->down_until = until;
	update_link(d);
}

bool
cx_port_poll(struct cx_dev *d)
{
	bool work = false;

	update_link(d);
	if (cx_unlikely(d->impair != NULL))
		work = cx_impair_poll(d);
	return work;
}
