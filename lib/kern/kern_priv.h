/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this room share: kern.c reads and follows, parse.c turns libnl's objects into
 * the structures of kern.h, neigh.c asks the kernel about neighbours.
 */
#ifndef KERN_PRIV_H
#define KERN_PRIV_H

#include <pthread.h>

#include <netlink/netlink.h>
#include <netlink/object.h>

#include "kern/kern.h"

/** The kinds, in the order in which they are told: an address needs its link. */
enum kern_kind { KERN_LINK, KERN_ADDR, KERN_ROUTE, KERN_RULE, KERN_NEIGH, KERN_KINDS };

/** One thing to tell. */
struct kern_change {
	enum kern_kind kind;
	bool gone;
	union {
		struct kern_link link;
		struct kern_addr addr;
		struct kern_route route;
		struct kern_rule rule;
		struct kern_neigh neigh;
	};
};

/** Fill in from a libnl object; false for one that nobody here uses (IPv6, bridge tables, ...). */
bool kern_parse(enum kern_kind kind, struct nl_object *obj, struct kern_change *change);

/** A libnl error as a negative errno. */
int kern_errno(int nlerr);

/** State of a known neighbour, 0 for none. Any thread. */
uint16_t kern_neigh_state(uint32_t ifindex, const struct ip_addr *addr);
int kern_neigh_open(void);
void kern_neigh_close(void);

#endif
