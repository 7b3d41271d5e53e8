/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local port numbers by which answers arrive at the right ring: on a port that spreads by its hash
 * the number decides where the segments of a connection come, so it is chosen for that. What comes
 * to another ring all the same (a number that the program named, none that suits) is handed over
 * there.
 */
#include "port/port.h"
#include "stream/stream_priv.h"

struct target {
	struct candidate c;
	struct port *port;
	uint16_t queue;
};

static struct port_tuple
tuple_of(const struct tcp_key *key)
{
	return (struct port_tuple){
		.remote = key->remote,
		.local = key->local,
		.rport = key->rport,
		.lport = key->lport,
		.proto = IPPROTO_TCP,
	};
}

static bool
fit(uint16_t *port_be, void *ctx)
{
	struct target *to = ctx;
	struct port_tuple t = tuple_of(&to->c.key);

	t.lport = *port_be;
	if (!port_rss_fit(to->port, &t, to->queue))
		return false;
	*port_be = t.lport;
	return true;
}

static bool
is_free(uint16_t port_be, void *ctx)
{
	struct target *to = ctx;

	return candidate_is_free(port_be, &to->c);
}

uint16_t
aim_number(struct stream *s, const struct ip_addr *peer, uint16_t port_be, const struct net_dst *d)
{
	struct target to = { .c.key = { .local = d->src, .remote = *peer, .rport = port_be },
		.port = d->port };
	struct number_wish wish = { fit, is_free, &to };

	if (!d->port->caps.rss)
		return 0;
	/* kept, lest it be made and ended again and again: that moves the table of the port */
	aim_over(s);
	if (ring_acquire(d->port, RING_RX, &s->alloc, &d->src, &s->aimed) != 0) {
		s->aimed = NULL;
		return 0;
	}
	to.queue = s->aimed->queue;
	return number_fit(s, &d->src, &wish);
}

void
aim_over(struct stream *s)
{
	if (s->aimed != NULL)
		ring_release(s->aimed);
	s->aimed = NULL;
}

void
aim_check(const struct stream_flow *flow, const struct tcp_key *key)
{
	struct port_tuple t = tuple_of(key);
	struct ring *ring = flow->ring;
	int queue;

	if (!flow->port->caps.rss)
		return;
	queue = port_rss_queue(flow->port, &t);
	if (queue < 0 || queue == ring->queue)
		return;
	ring_rx_lock(ring);
	STAT_INC(&ring->stats, RING, source_port_misses);
	ring_rx_unlock(ring);
}

uint16_t
stream_number(struct stream *s, const struct ip_addr *peer, uint16_t port_be)
{
	uint16_t number = 0;
	struct net_dst d;

	stream_control_lock();
	if (s->lp == NULL && connect_way(s, peer, &d) == 0)
		number = aim_number(s, peer, port_be, &d);
	stream_control_unlock();
	return number;
}
