/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files about cells and flows share: cell.c, flow.c, flows.c, legs.c, rings.c. All of it
 * with the control lock held.
 */
#ifndef DPVMA_UDP_FLOW_PRIV_H
#define DPVMA_UDP_FLOW_PRIV_H

#include "udp/udp_priv.h"

/** @name Cells (cell.c) */
/** @{ */
#define PLACES_MAX (PORT_MAX * (PORT_ADDRS_MAX + 1))

/** A port and VLAN on which a cell's address may be reached. */
struct place {
	struct port *port;
	uint16_t vlan_id;
	struct mc_group *group; /**< of a multicast address */
};
/** What cell_places() found last. */
extern struct place cell_place[PLACES_MAX];
extern unsigned int cell_places_n;
/** All zeros: no address in a key. */
extern const struct ip_addr cell_no_addr;

struct cell *cell_find(const struct lport *lp, const struct ip_addr *local,
		const struct ip_addr *remote, uint16_t rport);
/** The same, made when there is none; NULL: no memory. */
struct cell *cell_get(struct lport *lp, const struct ip_addr *local, enum udp_local_kind kind,
		const struct ip_addr *remote, uint16_t rport);
/** Free it when it has neither sockets nor flows. */
void cell_put(struct cell *c);
void cell_places(const struct cell *c);
/** Whether the device that the socket is bound to is that port and VLAN. */
bool cell_device_fits(const struct udp_sock *s, const struct port *port, uint16_t vlan_id);
/** Who gets packets of the cell's key there, if a flow brings them: at most lport.socks_n. */
uint32_t cell_candidates(const struct cell *c, const struct port *port, uint16_t vlan_id,
		struct fan_entry *out);
/** Whether it takes a flow to bring them to this one. */
bool cell_asks(const struct fan_entry *e, const struct cell *c, const struct port *port);
/** @} */

/** @name One flow (flow.c) */
/** @{ */
unsigned int flow_flags(const struct cell *c, const struct udp_sock *owner);
/** The address that the ring is for when rings are by address; NULL: none. */
const struct ip_addr *flow_ring_addr(const struct udp_flow *f);
/** The first that was made there. */
struct udp_flow *flow_at(const struct cell *c, const struct place *at);
static inline bool
flow_is_at(const struct udp_flow *f, const struct place *at)
{
	return f->port == at->port && f->key.vlan_id == at->vlan_id;
}
/**
 * Make it for those entries.
 * @param ring takes the reference, whatever comes of it; NULL: the owner's logic chooses one
 */
int flow_new(struct cell *c, const struct place *at, struct udp_sock *owner, struct ring *ring,
		const struct fan_entry *e, uint32_t n, struct udp_flow **out);
/** Where another leg is left, it gets what waits in the queue. */
void flow_close(struct udp_flow *f);
/** Put those behind the flow that are to be there. Needs no memory when somebody left. */
int flow_sinks(struct udp_flow *f, const struct cell *c, const struct fan_entry *e, uint32_t n,
		struct sink **out);
bool flow_among(const struct udp_sock *s, const struct fan_entry *e, uint32_t n);
/** The socket that decides the ring of a new flow: the first that asks. */
struct udp_sock *flow_asker(const struct cell *c, const struct port *port,
		const struct fan_entry *e, uint32_t n);
/** @} */

/** @name Groups of SO_REUSEPORT over several rings (legs.c) */
/** @{ */
/** Whether sockets bound to any address share, and their logics may name different rings. */
bool legs_any_spreads(const struct lport *lp);
/**
 * Give each socket that shares its leg, and make the legs that lack; those in use are wanted.
 * @param e marked by fan_mark(); leg is set
 * @param keep the flow that is there, which those without a leg share
 */
void legs_renew(struct cell *c, const struct place *at, struct fan_entry *e, uint32_t n,
		struct udp_flow *keep, bool *changed);
/** The leg whose datagrams it shares there, NULL: it has none. */
struct udp_flow *leg_of(const struct udp_sock *s, const struct cell *c, const struct port *port,
		uint16_t vlan_id);
/** Whether it has one of any address on the port. */
bool legs_on_port(const struct udp_sock *s, const struct port *port);
/** Whether datagrams for the socket may come by this flow, of those of its key. */
bool leg_serves(const struct udp_flow *f, const struct udp_sock *s);
/** Whether there is another leg of the same key. */
bool leg_has_twin(const struct udp_flow *f);
/**
 * A socket with a seat goes to another ring, that its logic names now, where others stay behind or
 * are there already; then the cell has to be renewed.
 * @param to with a reference, which is taken when true is returned
 * @param[out] rc set when that ring could have no leg: it stays where it is
 * @return false: it has its leg alone, and that may move
 */
bool seat_migrate(struct udp_seat *seat, struct ring *to, int *rc);
/** The socket leaves its cell. */
void seats_leave(struct udp_sock *s);
/** The flow ends. */
void seats_clear(struct udp_flow *f);
/** @} */

/** @name Renewal (flows.c) */
/** @{ */
/** The cell's flows, sinks and its sockets' rings as they have to be; nobody's success counts. */
void flows_renew_cell(struct cell *c);
/** @} */

/** @name Rings of a socket (rings.c) */
/** @{ */
/** Poll what the flows that are wanted now use; without memory (-ENOMEM) nothing. */
int rings_update(struct udp_sock *s);
/** Of all that the cell's flows concern. The result is that of @p sock, which may be NULL. */
int rings_update_cell(const struct cell *c, const struct udp_sock *sock);
/** @} */

#endif
