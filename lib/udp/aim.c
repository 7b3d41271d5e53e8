/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The port number of a socket that connects unbound: on a port that spreads by its hash it decides
 * at which ring the peer's datagrams arrive, so it is chosen for that.
 */
#include <rte_random.h>

#include "port/port.h"
#include "udp/flow_priv.h"
#include "udp/way_priv.h"

#define FITS 256 /* numbers that are looked at */

static uint16_t
fitting(struct port *port, struct port_tuple *t, uint16_t queue)
{
	uint32_t first = (uint32_t)conf()->ephemeral_first, last = (uint32_t)conf()->ephemeral_last;
	uint32_t n = last > first ? last - first + 1 : 1, start = (uint32_t)rte_rand_max(n), number;

	for (uint32_t i = 0; i < FITS; i++) {
		t->lport = rte_cpu_to_be_16((uint16_t)(first + (start + i) % n));
		if (!port_rss_fit(port, t, queue))
			continue;
		number = rte_be_to_cpu_16(t->lport);
		if (number >= first && number <= last && bind_is_free(t->lport))
			return t->lport;
	}
	return 0;
}

static uint16_t
number_for(struct udp_sock *s, const struct ip_addr *peer, uint16_t port_be, struct ring **ring)
{
	struct port_tuple t = { .remote = *peer, .rport = port_be, .proto = IPPROTO_UDP };
	struct net_way way;
	struct net_dst d;

	memset(&d, 0, sizeof(d));
	way_ask(s, peer, &way);
	if (net_route(&way, &d) != 0 || d.local || d.port == NULL || !d.port->caps.rss)
		return 0;
	if (ring_acquire(d.port, RING_RX, &s->rx_alloc, &d.src, ring) != 0) {
		*ring = NULL;
		return 0;
	}
	t.local = d.src;
	return fitting(d.port, &t, (*ring)->queue);
}

uint16_t
udp_number(struct udp_sock *s, const struct ip_addr *peer, uint16_t port_be, struct ring **ring)
{
	uint16_t number = 0;

	*ring = NULL;
	if (!ip_is_v4(peer) || ip_is_multicast(peer))
		return 0;
	rte_spinlock_lock(&s->tx_lock);
	control_lock();
	if (s->lport == 0)
		number = number_for(s, peer, port_be, ring);
	control_unlock();
	rte_spinlock_unlock(&s->tx_lock);
	return number;
}
