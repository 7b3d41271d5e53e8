/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network layer: Ethernet, VLAN, ARP, IPv4, ICMP, IGMP, fragments, routes and neighbours.
 * In: net_poll() takes a burst from a ring, checks it, finds each packet's flow and delivers runs
 * of packets to the flows' sinks. Out: net_output() puts link and IP headers before what a
 * transport made and gives it to a ring. Nothing here knows a socket.
 */
#ifndef DPVMA_NET_H
#define DPVMA_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "base/base.h"
#include "port/port.h"
#include "ring/ring.h"

/** Room a transport must leave before its own header: Ethernet, VLAN, IPv4 without options. */
#define NET_HEADROOM (RTE_ETHER_HDR_LEN + 4 + 20)
_Static_assert(RTE_PKTMBUF_HEADROOM >= NET_HEADROOM + 60, "and for TCP with all its options");

/** @name In */
/** @{ */
/**
 * One turn of a ring: what other rings handed over, then one burst from the device, delivered. A
 * ring whose port does not steer also takes a turn for the port's default ring, where its packets
 * may arrive. Returns at once with 0 when another thread has the ring.
 *
 * @return packets taken
 */
unsigned int net_poll(struct ring *ring);
/**
 * The same; datagrams go to @p harvest first.
 * @param want the burst from the device is no longer than this, or than what its driver needs
 */
unsigned int net_reap(struct ring *ring, struct ring_harvest *harvest, uint16_t want);

/**
 * Check, look up, deliver. rx_lock held; takes the packets. For packets that a cyclic reader found
 * to be somebody else's; net_poll() does this itself. Counts no received packets: whoever took the
 * burst does.
 */
void net_input(struct ring *ring, struct rte_mbuf **pkts, uint16_t n);

/**
 * The same for packets in the state in which a sink gets them (ring_rx_handover()): no check is
 * made again, only their flow is looked up.
 */
void net_input_checked(struct ring *ring, struct rte_mbuf **pkts, uint16_t n);

/** What net_parse() found out about a packet. */
struct net_packet {
	struct flow_key key; /**< with both addresses and ports: a 5-tuple */
	uint16_t l2_len, l3_len;
	uint16_t l4_len; /**< bytes from the transport header to the end of the IP packet */
	uint8_t kind;	 /**< of a NET_SLOW packet, for net_input() */
};
enum net_verdict {
	NET_TRANSPORT, /**< a whole, good UDP or TCP packet: look its flow up */
	NET_SLOW,      /**< ARP, ICMP, IGMP, a fragment: net_input() knows what to do */
	NET_DROP,      /**< counted; the caller frees it */
};
/**
 * Headers of one packet, all checks made and failures counted (length, version, header and
 * transport checksum by what the device said or in software where it said nothing). Touches the
 * first cache line of the frame. For net_input() and for a cyclic reader on a port that does not
 * steer. A NET_TRANSPORT packet is trimmed to what its transport header says and has l2_len and
 * l3_len set.
 */
enum net_verdict net_parse(struct ring *ring, struct rte_mbuf *m, struct net_packet *pkt);

/** The key of a packet that is in the state in which a sink gets it. */
void net_key(const struct rte_mbuf *m, struct flow_key *key);
/** @} */

/** @name Out */
/** @{ */
/** The way to one destination, kept by a socket and renewed when routes or neighbours change. */
struct net_dst {
	uint32_t generation; /**< of routes, addresses, neighbours when this was made */
	uint16_t mtu;	     /**< IP packet bytes on this way */
	uint8_t hdr_len;     /**< of @ref hdr: Ethernet, VLAN, IPv4 */
	uint8_t l2_len;
	bool resolved; /**< the link address is in @ref hdr */
	bool local;    /**< to one of our own addresses, or nowhere: the kernel's business */
	bool broadcast, multicast; /**< what dst is on this way */
	uint8_t ttl, tos, proto;
	bool df;	  /**< don't fragment */
	bool no_check;	  /**< leave the UDP checksum zero */
	uint16_t vlan_id; /**< 0: untagged */
	uint16_t hdr_sum; /**< of the IP header's fixed words, for its checksum */
	struct port *port;
	uint32_t pseudo_sum; /**< of the addresses and protocol, for transport checksums */
	uint8_t hdr[64];     /**< Ethernet + VLAN + IPv4, but for length, id and checksum */
	struct ip_addr dst, src, next_hop;
	struct neigh *neigh;
};

/** Grows whenever a net_dst may have become wrong. */
extern uint32_t net_generation;
static inline bool
net_dst_valid(const struct net_dst *d)
{
	return likely(d->resolved && d->generation == net_generation);
}

/** What the next packets carry in the two ECN bits of their IP header (RFC 3168 section 5). */
static inline void
net_dst_ecn(struct net_dst *d, uint8_t ecn)
{
	uint8_t *ip = d->hdr + d->l2_len;
	uint16_t before, after;
	uint32_t sum;

	if (likely((ip[1] & RTE_IPV4_HDR_ECN_MASK) == ecn))
		return;
	memcpy(&before, ip, sizeof(before));
	ip[1] = (uint8_t)((ip[1] & ~RTE_IPV4_HDR_ECN_MASK) | ecn);
	memcpy(&after, ip, sizeof(after));
	/* RFC 1624 */
	sum = (uint32_t)d->hdr_sum + (uint16_t)~before + after;
	sum = (sum & 0xffff) + (sum >> 16);
	d->hdr_sum = (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/** How to reach an address, from the socket's side. */
struct net_way {
	struct ip_addr dst;
	struct ip_addr src; /**< any: choose */
	struct port *port;  /**< NULL: by the routes; else SO_BINDTODEVICE, IP_MULTICAST_IF */
	uint32_t ifindex;   /**< 0: any; for VLAN devices of the port */
	uint8_t ttl, tos, proto;
	bool df;
	bool no_check; /**< SO_NO_CHECK */
};

/**
 * Fill @p d: route, source address, next hop, template. Starts neighbour resolution when needed.
 * Control path: called when net_dst_valid() says no, which it does as long as d is not resolved.
 *
 * @return 0 (check d->resolved; unresolved packets wait a little in net_output), -ENETUNREACH,
 *         -EHOSTUNREACH (the neighbour did not answer, or a route says so), -EACCES (a route
 *         prohibits it), -EADDRNOTAVAIL (src is not ours), -ENOBUFS (too many neighbours),
 *         -EREMOTE (the way leads through no port of ours, or to ourselves (d->local): the kernel's
 *         business)
 */
int net_route(const struct net_way *way, struct net_dst *d);

/**
 * Send packets that begin with their transport header (checksum field zero) and have NET_HEADROOM.
 * Adds headers, computes or offloads checksums, fragments what exceeds the MTU when DF is off.
 * Chains are made one buffer where the port does not take them.
 *
 * A TCP packet with RTE_MBUF_F_TX_TCP_SEG, l4_len and tso_segsz set is cut into segments of
 * tso_segsz bytes, which with their headers must fit the MTU; by the device on a port with
 * caps.tx_tso, else by software, but for those that would have to wait for a neighbour. All of its
 * IP packet is at most 65,535 bytes.
 *
 * Takes all packets. While the neighbour is being resolved a few packets wait with it (the rest
 * dropped and counted), as RFC 1122 2.3.2.2 asks.
 *
 * @return packets accepted (sent or waiting); the rest were freed and counted
 */
uint16_t net_output(struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);
/**
 * The same way with packets that are not to be sent (VMA_SND_FLAGS_DUMMY): headers and checksums
 * are made, the ring is touched, and they are freed. Nothing is counted, nobody is asked for a link
 * address.
 */
void net_dummy(const struct net_dst *d, struct ring *ring, struct rte_mbuf **pkts, uint16_t n);

/**
 * A copy of multicast or broadcast sent goes to our own sinks (IP_MULTICAST_LOOP) through this.
 *
 * @param ring one that knows the group's flow: flow->ring, or on a port that does not steer any;
 * its rx_lock is taken, or the copy waits for its next turn when it is being polled
 * @param m as for net_output(), before it; stays the caller's
 */
void net_loopback(struct ring *ring, const struct net_dst *d, struct rte_mbuf *m);
/** @} */

/** @name Multicast membership */
/** @{ */
/** RFC 3376: the filter of the interface for one group, merged from all sockets by the caller. */
struct net_mc_filter {
	bool exclude; /**< EXCLUDE(sources), else INCLUDE(sources) */
	unsigned int n;
	const struct ip_addr *sources;
};
/**
 * Make the group's frames reach the port: MAC filter, and IGMP v3 or v2 reports where no kernel
 * device does that. Repeated calls change the filter; NULL leaves the group.
 * @return 0, -EINVAL (no multicast address), -ENOBUFS (too many groups or sources)
 */
int net_mc_filter(struct port *port, const struct ip_addr *group, uint16_t vlan_id,
		const struct net_mc_filter *filter);
/** @} */

/** An ICMP error about a packet of ours. */
struct net_error {
	int err;		 /**< an errno */
	uint8_t type, code;	 /**< ICMP's */
	uint32_t info;		 /**< with EMSGSIZE the MTU, with EPROTO the byte that is wrong */
	uint32_t seq;		 /**< what follows the ports: TCP's sequence number, host order */
	struct ip_addr offender; /**< who says so; all zeros: found here, before it was sent */
	struct port *port;	 /**< by which the message came; NULL: by none */
	uint8_t ttl, tos;	 /**< of the message */
	const uint8_t *quote;	 /**< what is left of the packet, from its transport header on */
	uint32_t quote_len;	 /**< 8 at least, or 0: nothing is */
};
/**
 * ICMP errors for what we sent: the transport finds the socket. @p key has our address as local. A
 * next hop of ours that does not answer is told of as host unreachable, too, from net_progress(),
 * with ourselves as the offender. Else called with the rx_lock of the ring that received it held;
 * must not call into net, and what @p e points to is gone when it returns.
 */
typedef void (*net_error_cb)(const struct flow_key *key, const struct net_error *e);
/** The same on its way from a transport to the socket that it concerns. */
typedef void (*net_report_cb)(void *ctx, const struct flow_key *key, const struct net_error *e);
void net_on_icmp_error(uint8_t proto, net_error_cb cb);

/**
 * Timers (neighbours, IGMP, reassembly), netlink, and a turn for every ring that nobody polled
 * since the last call (VMA_PROGRESS_ENGINE_WCE_MAX packets at most). For the internal thread. One
 * thread at a time.
 * @param now_ms of any monotonic clock; the caller's, so that tests have their own
 * @return milliseconds until it wants to be called again
 */
unsigned int net_progress(uint64_t now_ms);

/** Read routes, rules, neighbours (netlink or configuration). Ports and rings exist. 0 or -errno.
 */
int net_init(void);
void net_fini(void);

#endif
