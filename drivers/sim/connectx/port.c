/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The NIC's port: the one way in from the wire and the one way out to it, and the state of the
 * link, which the kernel's interface shows.
 */
#include "connectx.h"

enum cx_rx_result
cx_port_rx(struct cx_dev *d, uint8_t *frame, uint32_t len, unsigned int flags)
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

bool
cx_port_room(struct cx_dev *d)
{
	return d->wire.ops->room == NULL || !d->link_up || d->wire.ops->room(d);
}

uint8_t *
cx_port_reserve(struct cx_dev *d, size_t max)
{
	if (d->wire.ops->reserve == NULL || !d->link_up)
		return NULL;
	return d->wire.ops->reserve(d, max);
}

void
cx_port_commit(struct cx_dev *d, size_t len, unsigned int flags)
{
	d->stat.tx_frames++;
	d->stat.tx_bytes += len;
	d->wire.ops->commit(d, len, flags);
}

void
cx_port_send(struct cx_dev *d, const uint8_t *frame, size_t len, unsigned int flags)
{
	if (cx_unlikely(!d->link_up)) {
		d->stat.tx_no_link++;
		return;
	}
	d->stat.tx_frames++;
	d->stat.tx_bytes += len;
	d->wire.ops->send(d, frame, len, flags);
}

/* Once a turn: the link is up when the wire has another end. */
void
cx_port_poll(struct cx_dev *d)
{
	bool up = d->wire.carrier;

	if (cx_likely(up == d->link_up))
		return;
	/* a control call reads it without the lock */
	__atomic_store_n(&d->link_up, up, __ATOMIC_RELAXED);
	cx_netdev_carrier(d, up);
	cx_log(1, "%s: link %s", d->conf.name, up ? "up" : "down");
}
