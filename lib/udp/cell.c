/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cells: the sockets that compete for the packets of one address and port, where such packets may
 * come from, and who gets them.
 */
#include <stdlib.h>

#include <rte_jhash.h>

#include "conf/conf.h"
#include "udp/flow_priv.h"

#define BUCKETS 8192

static LIST_HEAD(, cell) buckets[BUCKETS];
struct place cell_place[PLACES_MAX];
unsigned int cell_places_n;

const struct ip_addr cell_no_addr;

static unsigned int
bucket_of(uint16_t lport, const struct ip_addr *local, const struct ip_addr *remote, uint16_t rport)
{
	return rte_jhash_3words(ip_v4(local), ip_v4(remote), (uint32_t)lport << 16 | rport, 0) %
			BUCKETS;
}

struct cell *
cell_find(const struct lport *lp, const struct ip_addr *local, const struct ip_addr *remote,
		uint16_t rport)
{
	struct cell *c;

	LIST_FOREACH (c, &buckets[bucket_of(lp->port, local, remote, rport)], same_hash)
		if (c->lp == lp && c->rport == rport && ip_equal(&c->local, local) &&
				ip_equal(&c->remote, remote))
			return c;
	return NULL;
}

struct cell *
cell_get(struct lport *lp, const struct ip_addr *local, enum udp_local_kind kind,
		const struct ip_addr *remote, uint16_t rport)
{
	struct cell *c = cell_find(lp, local, remote, rport);

	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->lp = lp;
	c->local = *local;
	c->remote = *remote;
	c->rport = rport;
	c->kind = kind;
	TAILQ_INIT(&c->socks);
	LIST_INIT(&c->flows);
	LIST_INSERT_HEAD(&buckets[bucket_of(lp->port, local, remote, rport)], c, same_hash);
	LIST_INSERT_HEAD(&lp->cells, c, same_port);
	if (kind == LOCAL_ANY)
		lp->any = c;
	return c;
}

void
cell_put(struct cell *c)
{
	if (!TAILQ_EMPTY(&c->socks) || !LIST_EMPTY(&c->flows))
		return;
	if (c->lp->any == c)
		c->lp->any = NULL;
	LIST_REMOVE(c, same_hash);
	LIST_REMOVE(c, same_port);
	free(c);
}

int
cell_enter(struct lport *lp, struct udp_sock *s)
{
	bool five = s->connected && s->kind == LOCAL_UNICAST && !conf()->udp_3t_rules;
	struct cell *c = cell_get(lp, &s->local, s->kind, five ? &s->peer : &cell_no_addr,
			five ? s->head.peer_port : 0);

	if (c == NULL)
		return -ENOMEM;
	s->cell = c;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&c->socks, s, same_cell);
	return 0;
}

void
cell_leave(struct udp_sock *s)
{
	if (s->cell == NULL)
		return;
	TAILQ_REMOVE(&s->cell->socks, s, same_cell);
	s->cell->dirty = true;
	s->cell = NULL;
	seats_leave(s);
}

static void
place_add(struct port *port, uint16_t vlan_id, struct mc_group *group)
{
	for (unsigned int i = 0; i < cell_places_n; i++)
		if (cell_place[i].port == port && cell_place[i].vlan_id == vlan_id)
			return;
	if (cell_places_n < PLACES_MAX)
		cell_place[cell_places_n++] = (struct place){ port, vlan_id, group };
}

static void
place_group(struct mc_group *group, void *ctx)
{
	(void)ctx;
	place_add(group->port, group->vlan_id, group);
}

/* The VLAN of the device that a socket is bound to; FLOW_VLAN_ANY when it is to none. */
static uint16_t
vlan_of(const struct udp_sock *s, const struct port *port)
{
	if (s->opt.bind_ifindex != 0)
		for (unsigned int i = 0; i < port->n_addrs; i++)
			if (port->addrs[i].ifindex == s->opt.bind_ifindex)
				return port->addrs[i].vlan_id;
	return FLOW_VLAN_ANY;
}

static void
places_any(const struct cell *c, struct port *port)
{
	const struct udp_sock *s;

	TAILQ_FOREACH (s, &c->socks, same_cell)
		place_add(port, vlan_of(s, port), NULL);
}

static void
places_broadcast(const struct cell *c, struct port *port)
{
	bool limited = ip_v4(&c->local) == INADDR_BROADCAST;

	if (port->caps.isolated)
		return;
	if (limited && port->n_addrs == 0)
		place_add(port, 0, NULL);
	for (unsigned int i = 0; i < port->n_addrs; i++)
		if (limited || ip_equal(&port->addrs[i].broadcast, &c->local))
			place_add(port, port->addrs[i].vlan_id, NULL);
}

void
cell_places(const struct cell *c)
{
	const struct port_addr *a;
	unsigned int n = port_count();

	cell_places_n = 0;
	if (c->kind == LOCAL_MULTICAST) {
		mc_group_foreach(&c->local, place_group, NULL);
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct port *port = port_get(i);

		if (c->kind == LOCAL_ANY) {
			places_any(c, port);
		} else if (c->kind == LOCAL_BROADCAST) {
			places_broadcast(c, port);
		} else {
			a = port_addr_find(port, &c->local);
			if (a != NULL)
				place_add(port, a->vlan_id, NULL);
		}
	}
}

bool
cell_device_fits(const struct udp_sock *s, const struct port *port, uint16_t vlan_id)
{
	uint16_t vlan;

	if (s->opt.deaf || (s->opt.bind_port != NULL && s->opt.bind_port != port))
		return false;
	vlan = vlan_of(s, port);
	return vlan == FLOW_VLAN_ANY || vlan == vlan_id;
}

static uint32_t
collect(const struct cell *c, const struct cell *from, const struct port *port, uint16_t vlan_id,
		struct fan_entry *out)
{
	const struct udp_member *m;
	struct udp_sock *s;
	uint32_t n = 0;

	TAILQ_FOREACH (s, &from->socks, same_cell) {
		if (!cell_device_fits(s, port, vlan_id))
			continue;
		out[n] = (struct fan_entry){ .sock = s };
		m = c->kind == LOCAL_MULTICAST ? member_find(s, &c->local, port) : NULL;
		if (m != NULL) {
			out[n].member = true;
			/* EXCLUDE of nothing lets everything pass. */
			if (!m->filter->exclude || m->filter->n != 0)
				out[n].filter = m->filter;
		}
		n++;
	}
	return n;
}

/* Who gets packets of the cell's key there, if a flow brings them. */
uint32_t
cell_candidates(const struct cell *c, const struct port *port, uint16_t vlan_id,
		struct fan_entry *out)
{
	uint32_t n = collect(c, c, port, vlan_id, out);

	if (c->rport == 0 && c->kind != LOCAL_ANY && c->lp->any != NULL)
		n += collect(c, c->lp->any, port, vlan_id, out + n);
	return n;
}

/* Whether it takes a flow to bring them to this one. */
bool
cell_asks(const struct fan_entry *e, const struct cell *c, const struct port *port)
{
	bool exact = e->sock->cell == c;

	if (c->kind == LOCAL_MULTICAST)
		return e->member || (exact && e->sock->opt.mc_all);
	return exact ||
			(c->kind == LOCAL_UNICAST &&
					(port->caps.flow || port->caps.isolated ||
							c->lp->any_spreads));
}
