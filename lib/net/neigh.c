/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: the link addresses of next hops. Where a kernel device stands behind the port the
 * kernel resolves and we follow; elsewhere it is our ARP, with the timing of RFC 4861 section 7.3
 * (which Linux uses for ARP too) and the numbers of VMA_NEIGH_*.
 *
 * Everything runs under net_lock, but for the flag that senders set to say a neighbour is in use.
 */
#include "net/net_priv.h"

#include <linux/neighbour.h>
#include <stdlib.h>

#include <rte_jhash.h>

#define BUCKETS 1024
#define BROADCAST_TRIES 3    /* requests an attempt */
#define RETRY_MS 1000	     /* between requests */
#define KERNEL_MS 4000	     /* the kernel's own tries take 3 s */
#define KERNEL_TRIES_MS 2500 /* and less than that is not all of them */
#define FAILED_MS 1000	     /* before a failed neighbour is tried anew */
#define FORGET_MS 300000     /* an unused one is forgotten */
#define FORGET_FAILED_MS 60000

#define USABLE(n) ((n)->state != NEIGH_INCOMPLETE && (n)->state != NEIGH_FAILED)
#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

static LIST_HEAD(, neigh) buckets[BUCKETS];
static TAILQ_HEAD(, neigh) all = TAILQ_HEAD_INITIALIZER(all);
static TAILQ_HEAD(, neigh) active = TAILQ_HEAD_INITIALIZER(active);
/* Forgotten ones are kept for reuse, never freed before the end: senders' templates point at them.
 */
static LIST_HEAD(, neigh) spare = LIST_HEAD_INITIALIZER(spare);
static unsigned int count;

static unsigned int
bucket(const struct port *port, uint16_t vlan_id, const struct ip_addr *addr)
{
	return rte_jhash_3words(ip_v4(addr), addr->w[1], (uint32_t)port->index << 16 | vlan_id, 0) %
			BUCKETS;
}

static struct neigh *
find(const struct port *port, uint16_t vlan_id, const struct ip_addr *addr)
{
	struct neigh *n;

	LIST_FOREACH (n, &buckets[bucket(port, vlan_id, addr)], hash)
		if (n->port == port && n->vlan_id == vlan_id && ip_equal(&n->addr, addr))
			return n;
	return NULL;
}

static void
activate(struct neigh *n)
{
	if (!n->is_active)
		TAILQ_INSERT_TAIL(&active, n, active);
	n->is_active = true;
}

static void
deactivate(struct neigh *n)
{
	if (n->is_active)
		TAILQ_REMOVE(&active, n, active);
	n->is_active = false;
}

static void
touch(struct neigh *n)
{
	n->at_ms = net_now;
	TAILQ_REMOVE(&all, n, age);
	TAILQ_INSERT_TAIL(&all, n, age);
}

static void
drop_waiting(struct neigh *n, struct ring *ring)
{
	if (n->waiting_n == 0)
		return;
	if (ring != NULL)
		net_count_tx(ring, RING_STAT_tx_no_neighbour, n->waiting_n);
	rte_pktmbuf_free_bulk(n->waiting, n->waiting_n);
	n->waiting_n = 0;
}

static void
forget(struct neigh *n)
{
	drop_waiting(n, NULL);
	deactivate(n);
	LIST_REMOVE(n, hash);
	TAILQ_REMOVE(&all, n, age);
	LIST_INSERT_HEAD(&spare, n, hash);
	count--;
	if (USABLE(n))
		net_changed();
}

/* Which kernel device asks for neighbours on this VLAN of the port; 0: we do. */
static uint32_t
kernel_device(const struct port *port, uint16_t vlan_id)
{
	unsigned int i;

	if (net_answers(port))
		return 0;
	for (i = 0; i < port->n_addrs; i++)
		if (port->addrs[i].vlan_id == vlan_id && port->addrs[i].ifindex != 0)
			return port->addrs[i].ifindex;
	return vlan_id == 0 ? port->ifindex : 0;
}

static struct neigh *
create(struct port *port, uint16_t vlan_id, const struct ip_addr *addr)
{
	struct neigh *n;

	if (count >= NEIGH_MAX) {
		TAILQ_FOREACH (n, &all, age)
			if (n->waiting_n == 0 && !n->used &&
					(n->state == NEIGH_FAILED || n->state == NEIGH_STALE))
				break;
		if (n == NULL)
			return NULL;
		forget(n);
	}
	n = LIST_FIRST(&spare);
	if (n != NULL)
		LIST_REMOVE(n, hash);
	else
		n = malloc(sizeof(*n));
	if (n == NULL)
		return NULL;
	*n = (struct neigh){ .addr = *addr,
		.port = port,
		.vlan_id = vlan_id,
		.state = NEIGH_INCOMPLETE,
		.at_ms = net_now,
		.ifindex = kernel_device(port, vlan_id) };
	n->kernel = n->ifindex != 0;
	LIST_INSERT_HEAD(&buckets[bucket(port, vlan_id, addr)], n, hash);
	TAILQ_INSERT_TAIL(&all, n, age);
	count++;
	return n;
}

static void
send_frame(struct ring *ring, struct rte_mbuf *m, const struct neigh *n)
{
	uint16_t mtu = (uint16_t)m->hash.usr;

	rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->dst_addr = n->mac;
	if (m->pkt_len - m->l2_len > mtu)
		fragment_send(ring, m, m->l2_len, mtu);
	else
		ring_tx(ring, &m, 1, false);
}

static void
send_waiting(struct neigh *n, struct ring *ring)
{
	unsigned int i, k = n->waiting_n;

	n->waiting_n = 0;
	for (i = 0; i < k; i++)
		send_frame(ring, n->waiting[i], n);
}

static void
set_mac(struct neigh *n, const struct rte_ether_addr *mac, enum neigh_state state)
{
	if (USABLE(n) && !rte_is_same_ether_addr(&n->mac, mac))
		net_changed();
	n->mac = *mac;
	n->state = state;
	n->tries = 0;
	n->errors = 0;
	touch(n);
	if (n->waiting_n > 0)
		activate(n);
	else if (state != NEIGH_PROBE)
		deactivate(n);
}

static void
fail(struct neigh *n, struct ring *ring)
{
	unsigned int i;

	if (USABLE(n))
		net_changed();
	for (i = 0; i < n->waiting_n; i++)
		lost_note(n->waiting[i], n->vlan_id);
	drop_waiting(n, ring);
	n->state = NEIGH_FAILED;
	touch(n);
	deactivate(n);
}

static void
restart(struct neigh *n)
{
	n->state = NEIGH_INCOMPLETE;
	n->tries = 0;
	n->errors = 0;
	n->ask = n->kernel;
	touch(n);
	activate(n);
}

int
neigh_resolve(struct net_dst *d, uint32_t *ask_ifindex)
{
	struct neigh *n = find(d->port, d->vlan_id, &d->next_hop);

	*ask_ifindex = 0;
	if (n == NULL) {
		n = create(d->port, d->vlan_id, &d->next_hop);
		if (n == NULL)
			return -ENOBUFS;
		restart(n);
	}
	n->used = true;
	d->neigh = n;
	if (n->state == NEIGH_FAILED) {
		if (net_now < n->at_ms + FAILED_MS)
			return -EHOSTUNREACH;
		restart(n);
	}
	if (n->ask)
		*ask_ifindex = n->ifindex;
	n->ask = false;
	if (USABLE(n)) {
		memcpy(d->hdr, &n->mac, sizeof(n->mac));
		d->resolved = true;
	}
	return 0;
}

static void
request(struct neigh *n, struct ring *ring, bool unicast)
{
	const struct port_addr *src = net_source(n->port, n->vlan_id, &n->addr);

	n->tries++;
	n->at_ms = net_now;
	if (src != NULL)
		arp_request(ring, n->vlan_id, &n->addr, &src->addr, unicast ? &n->mac : NULL);
}

uint16_t
neigh_hold(struct net_dst *d, struct ring *ring, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t i, drop = 0;
	struct neigh *nb;

	pthread_mutex_lock(&net_lock);
	nb = find(d->port, d->vlan_id, &d->next_hop);
	if (nb != NULL && nb->state == NEIGH_FAILED && net_now >= nb->at_ms + FAILED_MS)
		restart(nb);
	if (nb == NULL || nb->state == NEIGH_FAILED) {
		for (i = 0; nb != NULL && i < n; i++)
			lost_note(frames[i], d->vlan_id);
		pthread_mutex_unlock(&net_lock);
		net_count_tx(ring, RING_STAT_tx_no_neighbour, n);
		rte_pktmbuf_free_bulk(frames, n);
		return 0;
	}
	if (USABLE(nb)) {
		send_waiting(nb, ring);
		for (i = 0; i < n; i++)
			send_frame(ring, frames[i], nb);
		pthread_mutex_unlock(&net_lock);
		return n;
	}
	/* the latest ones wait (RFC 1122 2.3.2.2), for the earlier ones nobody waits any more */
	for (i = 0; i < n; i++) {
		if (nb->waiting_n == NEIGH_WAIT_MAX) {
			rte_pktmbuf_free(nb->waiting[0]);
			memmove(&nb->waiting[0], &nb->waiting[1],
					(NEIGH_WAIT_MAX - 1) * sizeof(nb->waiting[0]));
			nb->waiting_n--;
			drop++;
		}
		nb->waiting[nb->waiting_n++] = frames[i];
	}
	activate(nb);
	if (!nb->kernel && nb->tries == 0)
		request(nb, ring, false);
	pthread_mutex_unlock(&net_lock);
	if (drop > 0)
		net_count_tx(ring, RING_STAT_tx_no_neighbour, drop);
	return n > NEIGH_WAIT_MAX ? NEIGH_WAIT_MAX : n;
}

void
neigh_heard(struct ring *ring, uint16_t vlan_id, const struct ip_addr *addr,
		const struct rte_ether_addr *mac, bool may_create, bool answer)
{
	struct neigh *n;

	pthread_mutex_lock(&net_lock);
	n = find(ring->port, vlan_id, addr);
	if (n == NULL && may_create)
		n = create(ring->port, vlan_id, addr);
	if (n != NULL && n->state != NEIGH_PERMANENT && !n->kernel) {
		if (answer)
			set_mac(n, mac, NEIGH_REACHABLE);
		else if (!USABLE(n) || !rte_is_same_ether_addr(&n->mac, mac))
			set_mac(n, mac, NEIGH_STALE);
		if (n->waiting_n > 0) {
			send_waiting(n, ring);
			deactivate(n);
		}
	}
	pthread_mutex_unlock(&net_lock);
}

void
neigh_kernel(const struct kern_neigh *kn, bool gone)
{
	struct port *port;
	uint32_t ask = 0;
	uint16_t vlan_id;
	struct neigh *n;

	if (!ip_is_v4(&kn->addr) || ip_is_multicast(&kn->addr) ||
			!net_device(kn->ifindex, &port, &vlan_id) || port->kernel == KERNEL_PEER)
		return;
	pthread_mutex_lock(&net_lock);
	n = find(port, vlan_id, &kn->addr);
	if (gone) {
		/* collected, as the kernel does not know that we use it */
		if (n != NULL && n->kernel && USABLE(n)) {
			n->state = NEIGH_STALE;
			n->ask = true;
		}
	} else if ((kn->state & NUD_USABLE) != 0) {
		bool sure = (kn->state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP)) != 0;

		if (n == NULL && (!net_answers(port) || (kn->state & NUD_PERMANENT) != 0))
			n = create(port, vlan_id, &kn->addr);
		if (n != NULL && (n->kernel || (kn->state & NUD_PERMANENT) != 0))
			set_mac(n, &kn->mac,
					(kn->state & NUD_PERMANENT) != 0 ? NEIGH_PERMANENT
							: sure		 ? NEIGH_REACHABLE
									 : NEIGH_STALE);
	} else if ((kn->state & NUD_FAILED) != 0) {
		/* too early to be about our question: an attempt of before us, with no wire yet */
		if (n != NULL && n->kernel && n->state == NEIGH_INCOMPLETE &&
				net_now < n->at_ms + KERNEL_TRIES_MS)
			ask = n->ifindex;
		else if (n != NULL && n->kernel && n->state != NEIGH_FAILED)
			fail(n, NULL);
	}
	pthread_mutex_unlock(&net_lock);
	if (ask != 0)
		kern_neigh_resolve(ask, &kn->addr);
}

/* One step for a neighbour that has something to do. */
static void
step(struct neigh *n, struct ring *ring, uint64_t now)
{
	const unsigned int quota = (unsigned int)conf()->neigh_uc_arp_quata;

	if (USABLE(n) && n->waiting_n > 0)
		send_waiting(n, ring);
	switch (n->state) {
	case NEIGH_INCOMPLETE:
		if (n->kernel) {
			if (now >= n->at_ms + KERNEL_MS)
				fail(n, ring);
			return;
		}
		if (n->tries > 0 && now < n->at_ms + RETRY_MS)
			return;
		/* before LACP has agreed nobody can answer */
		if (n->tries >= BROADCAST_TRIES && n->port->needs_bursts && !n->port->up)
			n->tries = 1;
		if (n->tries >= BROADCAST_TRIES) {
			if (n->errors >= conf()->neigh_num_err_retries) {
				fail(n, ring);
				return;
			}
			n->errors++;
			n->tries = 0;
		}
		request(n, ring, false);
		return;
	case NEIGH_PROBE:
		if (n->tries > 0 && now < n->at_ms + RETRY_MS)
			return;
		if (n->tries >= quota + BROADCAST_TRIES)
			fail(n, ring);
		else
			request(n, ring, n->tries < quota);
		return;
	default:
		deactivate(n);
		return;
	}
}

void
neigh_timers(struct ring *ring, uint64_t now)
{
	struct neigh *n, *next;

	pthread_mutex_lock(&net_lock);
	TAILQ_FOREACH_SAFE (n, &active, active, next)
		if (n->port == ring->port)
			step(n, ring, now);
	pthread_mutex_unlock(&net_lock);
}

void
neigh_age(uint64_t now)
{
	struct {
		uint32_t ifindex;
		struct ip_addr addr;
	} ask[64];
	unsigned int i, asks = 0;
	struct neigh *n, *next;

	pthread_mutex_lock(&net_lock);
	TAILQ_FOREACH_SAFE (n, &all, age, next) {
		switch (n->state) {
		case NEIGH_REACHABLE:
			if (now >= n->at_ms + (unsigned int)conf()->neigh_uc_arp_delay_msec) {
				n->state = NEIGH_STALE;
				n->used = false;
				n->ask = n->kernel;
			}
			break;
		case NEIGH_STALE:
			if (n->used && !n->kernel) {
				n->state = NEIGH_PROBE;
				n->tries = 0;
				activate(n);
			} else if (n->used && asks < RTE_DIM(ask) &&
					(n->ask || now >= n->at_ms + KERNEL_MS)) {
				ask[asks].ifindex = n->ifindex;
				ask[asks++].addr = n->addr;
				n->ask = false;
				n->used = false;
				n->at_ms = now;
			} else if (!n->used && now >= n->at_ms + FORGET_MS) {
				forget(n);
			}
			break;
		case NEIGH_FAILED:
			if (now >= n->at_ms + FORGET_FAILED_MS)
				forget(n);
			break;
		default:
			break;
		}
	}
	pthread_mutex_unlock(&net_lock);
	for (i = 0; i < asks; i++)
		kern_neigh_resolve(ask[i].ifindex, &ask[i].addr);
}

void
neigh_link_up(const struct port *port)
{
	struct neigh *n;

	pthread_mutex_lock(&net_lock);
	TAILQ_FOREACH (n, &active, active)
		if (n->port == port && n->state == NEIGH_INCOMPLETE && !n->kernel)
			n->tries = 0;
	pthread_mutex_unlock(&net_lock);
}

void
neigh_configure(struct port *port)
{
	unsigned int i;

	if (port->conf == NULL)
		return;
	pthread_mutex_lock(&net_lock);
	for (i = 0; i < port->conf->neighs_n; i++) {
		const struct conf_neigh *c = &port->conf->neighs[i];
		const struct port_addr *a = port_source(port, &c->addr);
		uint16_t vlan_id = a != NULL ? a->vlan_id : 0;
		struct neigh *n = find(port, vlan_id, &c->addr);

		if (n == NULL)
			n = create(port, vlan_id, &c->addr);
		if (n != NULL)
			set_mac(n, &c->mac, NEIGH_PERMANENT);
	}
	pthread_mutex_unlock(&net_lock);
}

void
neigh_foreach(void (*cb)(const struct neigh *n, void *ctx), void *ctx)
{
	struct neigh *n;

	pthread_mutex_lock(&net_lock);
	TAILQ_FOREACH (n, &all, age)
		cb(n, ctx);
	pthread_mutex_unlock(&net_lock);
}

const char *
neigh_state_name(const struct neigh *n)
{
	static const char *const names[] = {
		[NEIGH_INCOMPLETE] = "incomplete",
		[NEIGH_REACHABLE] = "reachable",
		[NEIGH_STALE] = "stale",
		[NEIGH_PROBE] = "probe",
		[NEIGH_PERMANENT] = "permanent",
		[NEIGH_FAILED] = "failed",
	};

	return names[n->state];
}

void
neigh_fini(void)
{
	struct neigh *n;

	pthread_mutex_lock(&net_lock);
	while ((n = TAILQ_FIRST(&all)) != NULL)
		forget(n);
	while ((n = LIST_FIRST(&spare)) != NULL) {
		LIST_REMOVE(n, hash);
		free(n);
	}
	pthread_mutex_unlock(&net_lock);
}
