/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826) on ports where no kernel answers for us, address announcement and conflict
 * detection (RFC 5227). What it learns is kept by neigh.c, which also decides when to ask.
 */
#include "net/net_priv.h"

#include "stat/stat.h"

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)
#define ANNOUNCE_MS 2000      /* RFC 5227: two announcements, two seconds apart */
#define CONFLICT_LOG_MS 10000 /* at most a line per port and this time */

static void
send_arp(struct ring *ring, uint16_t vlan_id, uint16_t op, const struct rte_ether_addr *link_dst,
		uint32_t sender, const struct rte_ether_addr *target_mac, uint32_t target)
{
	const struct port *port = ring->port;
	uint16_t l2 = RTE_ETHER_HDR_LEN + (vlan_id != 0 ? NET_VLAN_LEN : 0);
	struct rte_mbuf *m = net_reply_buf(ring, l2 + sizeof(struct rte_arp_hdr));
	struct rte_arp_hdr *arp;

	if (m == NULL)
		return;
	net_link_header(rte_pktmbuf_mtod(m, void *), link_dst, port, vlan_id,
			RTE_BE16(RTE_ETHER_TYPE_ARP));
	arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, l2);
	*arp = (struct rte_arp_hdr){ .arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(op),
		.arp_data = { .arp_sha = port->mac,
				.arp_sip = sender,
				.arp_tha = *target_mac,
				.arp_tip = target } };
	net_send(ring, m);
}

void
arp_request(struct ring *ring, uint16_t vlan_id, const struct ip_addr *target,
		const struct ip_addr *sender, const struct rte_ether_addr *mac)
{
	static const struct rte_ether_addr broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	static const struct rte_ether_addr unknown;

	send_arp(ring, vlan_id, RTE_ARP_OP_REQUEST, mac != NULL ? mac : &broadcast, ip_v4(sender),
			&unknown, ip_v4(target));
}

static __rte_cold void
conflict(struct ring *ring, const struct ip_addr *addr, const struct rte_ether_addr *mac)
{
	struct net_port *np = net_port_of(ring->port);
	char text[IP_ADDR_STRLEN];
	bool tell;

	pthread_mutex_lock(&net_lock);
	tell = np->conflict_ms == 0 || net_now >= np->conflict_ms + CONFLICT_LOG_MS;
	if (tell)
		np->conflict_ms = RTE_MAX(net_now, (uint64_t)1);
	pthread_mutex_unlock(&net_lock);
	if (tell)
		LOG_WARNING("net: port %s: address %s is also used by " RTE_ETHER_ADDR_PRT_FMT
			    "; give one of the two another",
				ring->port->name, ip_format(addr, text), RTE_ETHER_ADDR_BYTES(mac));
}

static bool
well_formed(const struct rte_arp_hdr *arp)
{
	return arp->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
			arp->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
			arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == 4 &&
			(arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
					arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY)) &&
			rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha);
}

void
arp_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt)
{
	struct port *port = ring->port;
	uint16_t vlan_id = pkt->key.vlan_id;
	const struct rte_arp_hdr *arp;
	const struct rte_ether_hdr *eth;
	struct ip_addr sender, target;
	bool request, for_us;

	if (!net_pull(m, pkt->l2_len + sizeof(*arp))) {
		COUNT(ring, drop_short);
		goto done;
	}
	eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	arp = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, pkt->l2_len);
	sender = ip_from_v4(arp->arp_data.arp_sip);
	target = ip_from_v4(arp->arp_data.arp_tip);
	if (!well_formed(arp) || ip_is_multicast(&sender) || sender.b[12] == 127 ||
			net_is_broadcast(port, vlan_id, &sender)) {
		COUNT(ring, drop_arp);
		goto done;
	}
	if (net_own(port, vlan_id, &sender) != NULL) {
		COUNT(ring, drop_arp);
		if (net_answers(port) &&
				!rte_is_same_ether_addr(&arp->arp_data.arp_sha, &port->mac))
			conflict(ring, &sender, &arp->arp_data.arp_sha);
		goto done;
	}
	request = arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);
	for_us = net_own(port, vlan_id, &target) != NULL;
	/*
	 * Only who asks for us will be answered and hence becomes a neighbour; everybody else's
	 * news count if we knew him, so that a flood fills no table. A probe has no sender address.
	 */
	if (!ip_is_any(&sender))
		neigh_heard(ring, vlan_id, &sender, &arp->arp_data.arp_sha,
				request && for_us && net_answers(port),
				!request && for_us &&
						rte_is_same_ether_addr(&eth->dst_addr, &port->mac));
	if (request && for_us && net_answers(port))
		send_arp(ring, vlan_id, RTE_ARP_OP_REPLY, &arp->arp_data.arp_sha,
				arp->arp_data.arp_tip, &arp->arp_data.arp_sha,
				arp->arp_data.arp_sip);
done:
	rte_pktmbuf_free(m);
}

void
arp_announce(struct ring *ring, uint64_t now)
{
	struct port *port = ring->port;
	struct net_port *np = net_port_of(port);
	uint32_t generation = port->generation + 1;
	bool say;
	unsigned int i;

	if (!port->up || !net_answers(port))
		return;
	pthread_mutex_lock(&net_lock);
	say = np->announced != generation ||
			(np->announce_again == generation && now >= np->announce_ms);
	if (np->announced != generation) {
		np->announced = np->announce_again = generation;
		np->announce_ms = now + ANNOUNCE_MS;
	} else if (say) {
		np->announce_again = 0;
	}
	pthread_mutex_unlock(&net_lock);
	for (i = 0; say && i < port->n_addrs; i++)
		if (ip_is_v4(&port->addrs[i].addr))
			arp_request(ring, port->addrs[i].vlan_id, &port->addrs[i].addr,
					&port->addrs[i].addr, NULL);
}
