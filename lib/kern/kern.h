/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel knows about its network devices: links, addresses, routes, rules and neighbours,
 * read by netlink (libnl) and kept current by its notifications. This room keeps no copy of routes
 * for others to search; it tells, and the rooms above keep what they need.
 *
 * Control path only. All callbacks run in the thread that calls kern_start(), kern_subscribe() or
 * kern_poll(), with no lock of this room held; these three are not called at the same time. The
 * others may be called by any thread.
 *
 * IPv4 only for now: parse.c passes over the rest. IPv4 addresses and networks are
 * always in the mapped form, the default route too; "none" is all zero.
 */
#ifndef DPVMA_KERN_H
#define DPVMA_KERN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "base/base.h"

/** A network device of the kernel. */
struct kern_link {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	struct rte_ether_addr mac;
	uint16_t mtu;
	bool up;	  /**< administratively up and with carrier */
	uint32_t lower;	  /**< ifindex of the device a VLAN lies on, else 0 */
	uint32_t master;  /**< ifindex of the bond, bridge or VRF that it is a slave of, else 0 */
	uint16_t vlan_id; /**< 0 when it is no VLAN */
	bool bond;	  /**< it is a bond of others */
};

struct kern_addr {
	uint32_t ifindex;
	struct ip_addr addr;
	struct ip_addr broadcast; /**< all zero when there is none */
	uint8_t prefix;
};

/** A route of several next hops is told as its first. */
struct kern_route {
	uint32_t table;
	struct ip_addr dst; /**< network; 0.0.0.0 (mapped) and prefix 0: default */
	uint8_t prefix;
	uint32_t ifindex;
	struct ip_addr gateway; /**< any: on link */
	struct ip_addr prefsrc; /**< any: none given */
	uint32_t metric;
	uint32_t mtu; /**< 0: none given */
	uint8_t type; /**< RTN_UNICAST, RTN_LOCAL, RTN_BLACKHOLE, ... */
};

/** A policy rule: which table for which source. */
struct kern_rule {
	uint32_t priority;
	uint32_t table;
	struct ip_addr src;
	uint8_t src_prefix; /**< 0: any source */
	struct ip_addr dst;
	uint8_t dst_prefix;
	uint32_t iif, oif; /**< 0: any; a device that does not exist: UINT32_MAX */
	uint8_t tos;
	uint8_t action; /**< FR_ACT_TO_TBL, FR_ACT_BLACKHOLE, ... */
};

struct kern_neigh {
	uint32_t ifindex;
	struct ip_addr addr;
	struct rte_ether_addr mac;
	uint16_t state; /**< NUD_* */
};

/**
 * Every member may be NULL. @p gone: the entry was removed.
 *
 * An entry that changed is told anew, without @p gone, and takes the place of the one with the same
 * identity. That is for a link the ifindex; an address ifindex, addr and prefix; a neighbour
 * ifindex and addr. Routes and rules that changed are told as gone first, then as they are now.
 */
struct kern_events {
	void (*link)(const struct kern_link *link, bool gone, void *ctx);
	void (*addr)(const struct kern_addr *addr, bool gone, void *ctx);
	void (*route)(const struct kern_route *route, bool gone, void *ctx);
	void (*rule)(const struct kern_rule *rule, bool gone, void *ctx);
	void (*neigh)(const struct kern_neigh *neigh, bool gone, void *ctx);
	void *ctx;
};

/**
 * Register for events; may be called by several rooms. Those registered after kern_start() are
 * called for all that exists now before this returns.
 *
 * @return 0, -ENOMEM
 */
int kern_subscribe(const struct kern_events *events);
void kern_unsubscribe(void *ctx);

/**
 * Open netlink, read all, call every subscriber. 0 or a negative errno with one log line. Counted:
 * a further call does nothing but ask for one kern_stop() more.
 */
int kern_start(void);
void kern_stop(void);

/** The fd to wait on for changes, -1 before kern_start(). */
int kern_fd(void);

/**
 * Handle what is pending, never blocks. When the kernel had more to tell than its socket holds, all
 * is read again and the differences are told.
 * @return number of changes told, or a negative errno
 */
int kern_poll(void);

/**
 * The links now known; NULL when there is none of that index or name. For the thread that calls
 * kern_poll(); valid until it does.
 */
const struct kern_link *kern_link_by_index(uint32_t ifindex);
const struct kern_link *kern_link_by_name(const char *name);

/**
 * Ask the kernel to resolve a neighbour (its own ARP or ND); the answer is a neigh event. Does not
 * wait for it.
 * @return 0, -EPERM without CAP_NET_ADMIN, or what the kernel says
 */
int kern_neigh_resolve(uint32_t ifindex, const struct ip_addr *addr);

/**
 * Tell the kernel that a neighbour was heard of and is reachable, as a TCP ACK confirms it. A
 * neighbour that is permanent stays so.
 * @return 0, -ENOENT for one the kernel does not know, or what the kernel says
 */
int kern_neigh_confirm(uint32_t ifindex, const struct ip_addr *addr);

#endif
