/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast groups of the ports: what their filters are, as merged above, and what of a change has
 * still to be reported, which igmp.c does. Also the set that the data path asks whether a group was
 * joined, and the MAC filter.
 *
 * Each source and the filter mode carry the number of reports they still have to appear in. That
 * is the "retransmission state" of RFC 3376 section 5.1, kept so that changes in a row need no
 * queue of records.
 */
#include "net/net_priv.h"

#include <stdlib.h>

#define GROUPS_MAX 2048	  /* of a port */
#define JOINED_SLOTS 4096 /* at most half of them in use */

/* RFC 3376 section 8, until a querier says otherwise */
#define ROBUSTNESS 2
#define QUERY_INTERVAL 125000

/* What the data path looks at: an open-addressed set of (VLAN, group), written under net_lock. */
struct joined {
	_Atomic uint64_t slot[JOINED_SLOTS]; /* 0: never used, 1: was used */
};

/* Serialises changes of membership, since MAC filters are set without net_lock. */
static pthread_mutex_t member_lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t
joined_key(uint16_t vlan_id, uint32_t addr)
{
	return (uint64_t)vlan_id << 32 | addr;
}

static unsigned int
joined_slot(uint64_t key)
{
	return (unsigned int)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 52) % JOINED_SLOTS;
}

bool
net_joined(const struct port *port, uint16_t vlan_id, const struct ip_addr *addr)
{
	const struct joined *j = __atomic_load_n(&net_ports[port->index].joined, __ATOMIC_ACQUIRE);
	uint64_t key = joined_key(vlan_id, ip_v4(addr)), got;
	unsigned int i, k;

	if (ip_v4(addr) == ALL_HOSTS)
		return true;
	if (j == NULL)
		return false;
	for (i = joined_slot(key), k = 0; k < JOINED_SLOTS; i = (i + 1) % JOINED_SLOTS, k++) {
		got = atomic_load_explicit(&j->slot[i], memory_order_relaxed);
		if (got == key || got == 0)
			break;
	}
	return k < JOINED_SLOTS && got == key;
}

static uint64_t
slot_get(const struct joined *j, unsigned int i)
{
	return atomic_load_explicit(&j->slot[i % JOINED_SLOTS], memory_order_relaxed);
}

static void
slot_set(struct joined *j, unsigned int i, uint64_t v)
{
	atomic_store_explicit(&j->slot[i % JOINED_SLOTS], v, memory_order_relaxed);
}

/* net_lock held. The set is never full, see GROUPS_MAX. */
static void
joined_set(struct net_port *np, uint16_t vlan_id, uint32_t addr, bool on)
{
	struct joined *j = (struct joined *)(uintptr_t)np->joined;
	uint64_t key = joined_key(vlan_id, addr);
	unsigned int i = joined_slot(key), end = i + JOINED_SLOTS;

	while (i < end && (on ? slot_get(j, i) > 1 : slot_get(j, i) != key))
		i++;
	if (i == end)
		return;
	slot_set(j, i, on ? key : 1);
	/* what was used and ends a search anyway is as good as new, or searches would grow long */
	for (i += JOINED_SLOTS; !on && slot_get(j, i) == 1 && slot_get(j, i + 1) == 0; i--)
		slot_set(j, i, 0);
}

static struct igmp *
igmp_of(struct net_port *np)
{
	struct joined *j;
	struct igmp *ig;

	if (np->igmp != NULL)
		return np->igmp;
	ig = calloc(1, sizeof(*ig));
	j = calloc(1, sizeof(*j));
	if (ig == NULL || j == NULL) {
		free(ig);
		free(j);
		return NULL;
	}
	TAILQ_INIT(&ig->groups);
	ig->version = 3;
	ig->robustness = ROBUSTNESS;
	ig->query_interval = QUERY_INTERVAL;
	np->igmp = ig;
	__atomic_store_n(&np->joined, j, __ATOMIC_RELEASE);
	return ig;
}

struct group *
group_find(const struct igmp *ig, uint16_t vlan_id, uint32_t addr)
{
	struct group *g;

	TAILQ_FOREACH (g, &ig->groups, next)
		if (g->addr == addr && g->vlan_id == vlan_id)
			return g;
	return NULL;
}

void
group_free(struct igmp *ig, struct group *g)
{
	TAILQ_REMOVE(&ig->groups, g, next);
	ig->n--;
	free(g);
}

/* RFC 2236 section 6 and 3376 section 5: of this group nobody ever reports. */
bool
group_reported(const struct group *g)
{
	return g->addr != ALL_HOSTS;
}

struct source *
group_source(struct group *g, uint32_t addr)
{
	unsigned int i;

	for (i = 0; i < g->n; i++)
		if (g->src[i].addr == addr)
			return &g->src[i];
	if (g->n == SOURCES_MAX)
		return NULL;
	g->src[g->n] = (struct source){ .addr = addr };
	return &g->src[g->n++];
}

/* Forget sources that are neither in the filter nor to be reported. */
void
group_tidy(struct group *g)
{
	unsigned int i, k = 0;

	for (i = 0; i < g->n; i++)
		if (g->src[i].in || g->src[i].rtx > 0 || g->src[i].asked)
			g->src[k++] = g->src[i];
	g->n = k;
}

/* The new filter, and what of it has to be told (RFC 3376 section 5.1). */
static void
change(struct group *g, bool exclude, const struct ip_addr *sources, unsigned int n, uint8_t times)
{
	bool mode_changed = g->exclude != exclude, any = mode_changed;
	bool keep[SOURCES_MAX] = { false };
	unsigned int i;

	group_tidy(g);
	for (i = 0; i < n; i++) {
		struct source *s = group_source(g, ip_v4(&sources[i]));

		if (s == NULL) {
			/* make room: a block of what is gone need not be told */
			unsigned int k;

			for (k = 0; k < g->n && (g->src[k].in || keep[k]); k++)
				;
			if (k == g->n)
				continue;
			g->src[k] = (struct source){ .addr = ip_v4(&sources[i]) };
			s = &g->src[k];
		}
		keep[s - g->src] = true;
	}
	for (i = 0; i < g->n; i++) {
		struct source *s = &g->src[i];

		if (s->in != keep[i]) {
			s->in = keep[i];
			s->rtx = times;
			any = true;
		}
		if (mode_changed)
			s->rtx = 0;
	}
	g->exclude = exclude;
	if (mode_changed)
		g->mode_rtx = times;
	if (any)
		g->change_ms = RTE_MAX(net_now, (uint64_t)1);
}

/* Nothing of this will be reported. */
void
group_hush(struct group *g)
{
	unsigned int i;

	for (i = 0; i < g->n; i++)
		g->src[i].rtx = 0;
	g->mode_rtx = 0;
	g->change_ms = 0;
	group_tidy(g);
}
/* net_lock held. @p add: the group was not joined. */
static int
set_filter(struct net_port *np, const struct port *port, const struct ip_addr *group,
		uint16_t vlan_id, const struct net_mc_filter *filter, bool *fresh)
{
	struct igmp *ig = igmp_of(np);
	uint8_t times;
	struct group *g;

	if (ig == NULL)
		return -ENOMEM;
	times = RTE_MAX(ig->robustness, (uint8_t)1);
	g = group_find(ig, vlan_id, ip_v4(group));
	if (g == NULL) {
		if (filter == NULL)
			return 0;
		if (ig->n >= GROUPS_MAX)
			return -ENOBUFS;
		g = calloc(1, sizeof(*g));
		if (g == NULL)
			return -ENOMEM;
		g->addr = ip_v4(group);
		g->vlan_id = vlan_id;
		TAILQ_INSERT_TAIL(&ig->groups, g, next);
		ig->n++;
	}
	*fresh = g->member != (filter != NULL);
	if (*fresh)
		joined_set(np, vlan_id, g->addr, filter != NULL);
	g->member = filter != NULL;
	if (filter != NULL)
		change(g, filter->exclude, filter->sources, filter->n, times);
	else
		change(g, false, NULL, 0, times);
	if (ig->version != 3) {
		/* an older querier hears of membership only */
		group_hush(g);
		g->mode_rtx = *fresh ? times : 0;
		g->change_ms = *fresh ? RTE_MAX(net_now, (uint64_t)1) : 0;
	}
	/* where the kernel reports, or for a group of which nobody does, there is nothing to say */
	if (!net_answers(port) || !group_reported(g))
		group_hush(g);
	ig->due_ms = 0;
	if (!g->member && g->change_ms == 0)
		group_free(ig, g);
	return 0;
}

static void
tell(struct ring *ring, void *ctx)
{
	if (ring->port == ctx)
		igmp_timers(ring, net_now);
}

int
net_mc_filter(struct port *port, const struct ip_addr *group, uint16_t vlan_id,
		const struct net_mc_filter *filter)
{
	struct net_port *np = net_port_of(port);
	struct rte_ether_addr mac = net_group_mac(group);
	bool fresh = false;
	int rc;

	if (!ip_is_v4(group) || !ip_is_multicast(group))
		return -EINVAL;
	if (filter != NULL && filter->n > SOURCES_MAX)
		return -ENOBUFS;
	/* INCLUDE of nothing is no membership: RFC 3376 section 3.1 */
	if (filter != NULL && !filter->exclude && filter->n == 0)
		filter = NULL;
	pthread_mutex_lock(&member_lock);
	pthread_mutex_lock(&net_lock);
	rc = set_filter(np, port, group, vlan_id, filter, &fresh);
	pthread_mutex_unlock(&net_lock);
	if (rc == 0 && fresh) {
		if (filter == NULL) {
			port_mc_del(port, &mac);
		} else {
			rc = port_mc_add(port, &mac);
			if (rc != 0) {
				/* never a member: nothing of it to tell */
				pthread_mutex_lock(&net_lock);
				joined_set(np, vlan_id, ip_v4(group), false);
				group_free(np->igmp, group_find(np->igmp, vlan_id, ip_v4(group)));
				pthread_mutex_unlock(&net_lock);
			}
		}
	}
	pthread_mutex_unlock(&member_lock);
	/* whoever leaves may take the port's last ring along: it is told while there is one */
	if (rc == 0 && fresh && filter == NULL)
		ring_foreach(tell, port);
	return rc;
}

void
groups_fini(void)
{
	unsigned int i;

	pthread_mutex_lock(&net_lock);
	for (i = 0; i < PORT_MAX; i++) {
		struct igmp *ig = net_ports[i].igmp;
		struct group *g;

		if (ig == NULL)
			continue;
		while ((g = TAILQ_FIRST(&ig->groups)) != NULL)
			group_free(ig, g);
		free(ig);
		free((void *)(uintptr_t)net_ports[i].joined);
		net_ports[i].igmp = NULL;
		net_ports[i].joined = NULL;
	}
	pthread_mutex_unlock(&net_lock);
}
