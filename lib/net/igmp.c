/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IGMP, host side: version 3 (RFC 3376) with the fall-back to 2 (RFC 2236) and 1 when an older
 * querier is heard. The filter of each group comes from above, merged; this file reports it, when
 * it changes and when it is asked for. Where a kernel device stands behind the port its kernel
 * reports, and only the MAC filter is set here.
 *
 * Each source and the filter mode carry the number of reports they still have to appear in. That
 * is the "retransmission state" of RFC 3376 section 5.1, kept so that changes in a row need no
 * queue of records.
 */
#include "net/net_priv.h"

#include <stdlib.h>

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)

#define GROUPS_MAX 2048	  /* of a port */
#define SOURCES_MAX 128	  /* of a group; a record of them all fits a packet of 576 bytes */
#define JOINED_SLOTS 4096 /* at most half of them in use */

/* RFC 3376 section 8, milliseconds */
#define ROBUSTNESS 2
#define QUERY_INTERVAL 125000
#define QUERY_RESPONSE 10000
#define UNSOLICITED_V3 1000
#define UNSOLICITED_V2 10000
#define V1_MAX_RESP 10000

enum { QUERY = 0x11, V1_REPORT = 0x12, V2_REPORT = 0x16, V2_LEAVE = 0x17, V3_REPORT = 0x22 };
enum record { IS_IN = 1, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK };

#define ALL_HOSTS RTE_BE32(RTE_IPV4(224, 0, 0, 1))
#define ALL_ROUTERS RTE_BE32(RTE_IPV4(224, 0, 0, 2))
#define V3_ROUTERS RTE_BE32(RTE_IPV4(224, 0, 0, 22))

#define IP_LEN 24 /* with the router alert option */
#define MESSAGE_LEN 8
#define RECORD_LEN 8

struct source {
	uint32_t addr;
	bool in;     /* in the filter's list now */
	bool asked;  /* by a pending group-and-source query */
	uint8_t rtx; /* reports in which its change has still to appear */
};

struct group {
	TAILQ_ENTRY(group) next;
	uint32_t addr;
	uint16_t vlan_id;
	bool member; /* else only kept until its leaving has been reported */
	bool exclude;
	uint8_t mode_rtx; /* reports of a changed filter mode that are still to be sent */
	unsigned int n;
	struct source src[SOURCES_MAX];
	uint64_t change_ms;  /* next report of changes; 0: none */
	uint64_t answer_ms;  /* answer to a query of this group; 0: none */
	bool answer_sources; /* of the sources marked asked only */
	bool last_reporter;  /* v2: our report was the last, so that we have to leave aloud */
};

struct igmp {
	TAILQ_HEAD(, group) groups;
	unsigned int n;
	uint8_t version; /* of the querier: 3 unless an older one is heard */
	uint64_t v1_until_ms, v2_until_ms;
	uint8_t robustness;
	uint32_t query_interval;
	uint64_t general_ms; /* answer to a general query; 0: none */
	uint64_t due_ms;     /* nothing is due before */
};

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

/* net_lock held. */
static void
joined_set(struct net_port *np, uint16_t vlan_id, uint32_t addr, bool on)
{
	struct joined *j = (struct joined *)(uintptr_t)np->joined;
	uint64_t key = joined_key(vlan_id, addr), got;
	unsigned int i, k;

	for (i = joined_slot(key), k = 0; k < JOINED_SLOTS; i = (i + 1) % JOINED_SLOTS, k++) {
		got = atomic_load_explicit(&j->slot[i], memory_order_relaxed);
		if (on ? got <= 1 : got == key) {
			atomic_store_explicit(&j->slot[i], on ? key : 1, memory_order_relaxed);
			return;
		}
	}
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

static struct group *
find(const struct igmp *ig, uint16_t vlan_id, uint32_t addr)
{
	struct group *g;

	TAILQ_FOREACH (g, &ig->groups, next)
		if (g->addr == addr && g->vlan_id == vlan_id)
			return g;
	return NULL;
}

static void
group_free(struct igmp *ig, struct group *g)
{
	TAILQ_REMOVE(&ig->groups, g, next);
	ig->n--;
	free(g);
}

/* RFC 2236 section 6 and 3376 section 5: of this group nobody ever reports. */
static bool
reported(const struct group *g)
{
	return g->addr != ALL_HOSTS;
}

/** @name Changes */
/** @{ */

static struct source *
source_of(struct group *g, uint32_t addr)
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
static void
tidy(struct group *g)
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

	tidy(g);
	for (i = 0; i < n; i++) {
		struct source *s = source_of(g, ip_v4(&sources[i]));

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
			s->rtx = mode_changed ? 0 : times;
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
static void
hush(struct group *g)
{
	unsigned int i;

	for (i = 0; i < g->n; i++)
		g->src[i].rtx = 0;
	g->mode_rtx = 0;
	g->change_ms = 0;
	tidy(g);
}
/** @} */

/** @name Messages out */
/** @{ */

/* A message of the given length behind Ethernet and IP; NULL without a buffer. */
static struct rte_mbuf *
begin(struct ring *ring, uint16_t vlan_id, uint32_t dst, uint16_t len, uint8_t **body)
{
	const struct port *port = ring->port;
	uint16_t l2 = RTE_ETHER_HDR_LEN + (vlan_id != 0 ? NET_VLAN_LEN : 0);
	struct rte_mbuf *m = net_reply_buf(ring, l2 + IP_LEN + len);
	const struct ip_addr to = ip_from_v4(dst);
	struct rte_ether_addr mac = net_group_mac(&to);
	static const uint8_t router_alert[4] = { 0x94, 4, 0, 0 }; /* RFC 2113 */
	const struct port_addr *src;
	struct rte_ipv4_hdr *ip;
	char *p;

	if (m == NULL)
		return NULL;
	src = net_source(port, vlan_id, &to);
	p = rte_pktmbuf_mtod(m, char *);
	net_link_header(p, &mac, port, vlan_id, RTE_BE16(RTE_ETHER_TYPE_IPV4));
	ip = (struct rte_ipv4_hdr *)(p + l2);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = 0x46,
		.type_of_service = 0xc0,
		.total_length = rte_cpu_to_be_16(IP_LEN + len),
		.packet_id = rte_cpu_to_be_16(net_ip_id(1)),
		.time_to_live = 1,
		.next_proto_id = IPPROTO_IGMP,
		.src_addr = src != NULL ? ip_v4(&src->addr) : 0,
		.dst_addr = dst };
	memcpy(ip + 1, router_alert, sizeof(router_alert));
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*body = (uint8_t *)(ip + 1) + sizeof(router_alert);
	memset(*body, 0, len);
	return m;
}

static void
finish(struct ring *ring, struct rte_mbuf *m, uint8_t *body, uint16_t len)
{
	uint16_t sum = (uint16_t)~rte_raw_cksum(body, len);

	memcpy(body + 2, &sum, sizeof(sum));
	net_send(ring, m);
}

static void
send_old(struct ring *ring, const struct group *g, uint8_t type, uint32_t dst)
{
	uint8_t *body;
	struct rte_mbuf *m = begin(ring, g->vlan_id, dst, MESSAGE_LEN, &body);

	if (m == NULL)
		return;
	body[0] = type;
	memcpy(body + 4, &g->addr, sizeof(g->addr));
	finish(ring, m, body, MESSAGE_LEN);
}

static bool
in_record(const struct group *g, const struct source *s, enum record type, bool asked)
{
	switch (type) {
	case ALLOW: /* told sources that may pass now */
		return s->rtx > 0 && s->in != g->exclude;
	case BLOCK:
		return s->rtx > 0 && s->in == g->exclude;
	case IS_IN:
		if (asked) /* those asked for that may pass: RFC 3376 5.2 */
			return s->asked && s->in != g->exclude;
		return s->in;
	default:
		return s->in;
	}
}

/* One record in a report of its own. Returns false when there was nothing to say. */
static bool
send_record(struct ring *ring, const struct group *g, enum record type, bool asked)
{
	unsigned int i, n = 0;
	uint16_t len, count;
	struct rte_mbuf *m;
	uint8_t *body, *p;

	for (i = 0; i < g->n; i++)
		n += in_record(g, &g->src[i], type, asked) ? 1 : 0;
	if (n == 0 && (type == ALLOW || type == BLOCK || (type == IS_IN && asked)))
		return false;
	len = (uint16_t)(MESSAGE_LEN + RECORD_LEN + 4 * n);
	m = begin(ring, g->vlan_id, V3_ROUTERS, len, &body);
	if (m == NULL)
		return false;
	body[0] = V3_REPORT;
	body[7] = 1; /* records */
	p = body + MESSAGE_LEN;
	p[0] = (uint8_t)type;
	count = rte_cpu_to_be_16((uint16_t)n);
	memcpy(p + 2, &count, sizeof(count));
	memcpy(p + 4, &g->addr, sizeof(g->addr));
	p += RECORD_LEN;
	for (i = 0; i < g->n; i++) {
		if (in_record(g, &g->src[i], type, asked)) {
			memcpy(p, &g->src[i].addr, 4);
			p += 4;
		}
	}
	finish(ring, m, body, len);
	return true;
}

static void
send_change(struct ring *ring, struct group *g)
{
	unsigned int i;

	if (g->mode_rtx > 0) {
		send_record(ring, g, g->exclude ? TO_EX : TO_IN, false);
		g->mode_rtx--;
	} else {
		send_record(ring, g, ALLOW, false);
		send_record(ring, g, BLOCK, false);
		for (i = 0; i < g->n; i++)
			g->src[i].rtx -= g->src[i].rtx > 0 ? 1 : 0;
	}
	tidy(g);
}

static bool
changes_left(const struct group *g)
{
	unsigned int i;

	for (i = 0; i < g->n; i++)
		if (g->src[i].rtx > 0)
			return true;
	return g->mode_rtx > 0;
}

/* An unsolicited report, or a leave, in the querier's version. */
static void
report_change(struct igmp *ig, struct ring *ring, struct group *g)
{
	uint32_t interval = ig->version == 3 ? UNSOLICITED_V3 : UNSOLICITED_V2;

	if (ig->version == 3) {
		send_change(ring, g);
	} else if (g->member) {
		send_old(ring, g, ig->version == 2 ? V2_REPORT : V1_REPORT, g->addr);
		g->last_reporter = true;
		g->mode_rtx -= g->mode_rtx > 0 ? 1 : 0;
	} else {
		if (ig->version == 2 && g->last_reporter)
			send_old(ring, g, V2_LEAVE, ALL_ROUTERS);
		g->mode_rtx = 0;
	}
	if (changes_left(g))
		g->change_ms = net_now + 1 + net_random(interval);
	else
		hush(g);
}

static void
report_state(struct igmp *ig, struct ring *ring, struct group *g, bool asked)
{
	if (!g->member || !reported(g))
		return;
	if (ig->version != 3) {
		send_old(ring, g, ig->version == 2 ? V2_REPORT : V1_REPORT, g->addr);
		g->last_reporter = true;
	} else if (asked) {
		send_record(ring, g, IS_IN, true);
	} else if (g->exclude || g->n > 0) {
		send_record(ring, g, g->exclude ? IS_EX : IS_IN, false);
	}
}

/* 0 is never. */
static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return b != 0 && b < a ? b : a;
}

void
igmp_timers(struct ring *ring, uint64_t now)
{
	struct net_port *np = net_port_of(ring->port);
	struct igmp *ig = np->igmp;
	struct group *g, *next;
	bool general;
	unsigned int i;

	if (ig == NULL)
		return;
	pthread_mutex_lock(&net_lock);
	if (now < ig->due_ms) {
		pthread_mutex_unlock(&net_lock);
		return;
	}
	ig->due_ms = ig->version < 3 ? now + UNSOLICITED_V3 : UINT64_MAX;
	if (ig->version < 3 && now >= ig->v1_until_ms)
		ig->version = now >= ig->v2_until_ms ? 3 : 2;
	general = ig->general_ms != 0 && now >= ig->general_ms;
	if (general)
		ig->general_ms = 0;
	TAILQ_FOREACH_SAFE (g, &ig->groups, next, next) {
		if (general) {
			report_state(ig, ring, g, false);
			g->answer_ms = 0;
		} else if (g->answer_ms != 0 && now >= g->answer_ms) {
			report_state(ig, ring, g, g->answer_sources);
			g->answer_ms = 0;
		}
		if (g->answer_ms == 0)
			for (i = 0; i < g->n; i++)
				g->src[i].asked = false;
		if (g->change_ms != 0 && now >= g->change_ms)
			report_change(ig, ring, g);
		if (!g->member && g->change_ms == 0) {
			group_free(ig, g);
			continue;
		}
		ig->due_ms = sooner(sooner(ig->due_ms, g->change_ms), g->answer_ms);
	}
	ig->due_ms = sooner(ig->due_ms, ig->general_ms);
	pthread_mutex_unlock(&net_lock);
}
/** @} */

/** @name Messages in */
/** @{ */

/* RFC 3376 4.1.1: a small floating point number above 127. */
static uint32_t
code_value(uint8_t code)
{
	return code < 128 ? code : (uint32_t)((code & 0xf) | 0x10) << (((code >> 4) & 7) + 3);
}

static void
older_querier(struct igmp *ig, uint8_t version)
{
	uint64_t until = net_now + (uint64_t)ig->robustness * ig->query_interval + QUERY_RESPONSE;
	struct group *g;

	if (version == 1)
		ig->v1_until_ms = until;
	else
		ig->v2_until_ms = until;
	if (version >= ig->version)
		return;
	ig->version = version;
	/* RFC 3376 7.2.1: what was pending is of the other version */
	ig->general_ms = 0;
	TAILQ_FOREACH (g, &ig->groups, next) {
		g->answer_ms = 0;
		if (g->member) {
			g->change_ms = 0;
			g->mode_rtx = 0;
		}
	}
}

static bool
mark_asked(struct group *g, const uint8_t *sources, unsigned int n)
{
	unsigned int i, k;
	uint32_t addr;

	for (i = 0; i < n; i++) {
		struct source *s = NULL;

		memcpy(&addr, sources + 4 * i, sizeof(addr));
		for (k = 0; k < g->n; k++)
			if (g->src[k].addr == addr)
				s = &g->src[k];
		if (s == NULL && g->exclude) {
			/* one that passes since nobody excluded it: remembered for the answer */
			s = source_of(g, addr);
			if (s == NULL)
				return false;
		}
		if (s != NULL)
			s->asked = true;
	}
	return true;
}

/* RFC 3376 section 5.2; times are when the answer is due. */
static void
query(struct igmp *ig, uint16_t vlan_id, const uint8_t *body, uint16_t len)
{
	uint32_t group_addr, max_ms;
	const uint8_t *sources = body + 12;
	unsigned int n = 0;
	struct group *g;
	uint64_t at;

	memcpy(&group_addr, body + 4, sizeof(group_addr));
	ig->due_ms = 0;
	if (len >= 12) {
		max_ms = code_value(body[1]) * 100;
		n = (unsigned int)body[10] << 8 | body[11];
		if ((body[8] & 7) != 0)
			ig->robustness = body[8] & 7;
		if (body[9] != 0)
			ig->query_interval = code_value(body[9]) * 1000;
	} else {
		max_ms = body[1] == 0 ? V1_MAX_RESP : body[1] * 100u;
		older_querier(ig, body[1] == 0 ? 1 : 2);
	}
	max_ms = RTE_MAX(max_ms, 1u);
	at = RTE_MAX(net_now + net_random(max_ms), (uint64_t)1);
	if (ig->general_ms != 0 && ig->general_ms <= at)
		return;
	if (group_addr == 0) {
		if (n == 0)
			ig->general_ms = at;
		return;
	}
	g = find(ig, vlan_id, group_addr);
	if (g == NULL || !g->member)
		return;
	if (g->answer_ms == 0) {
		g->answer_ms = at;
		g->answer_sources = n > 0 && mark_asked(g, sources, n);
	} else {
		if (n == 0 || !g->answer_sources)
			g->answer_sources = false;
		else
			g->answer_sources = mark_asked(g, sources, n);
		g->answer_ms = RTE_MIN(g->answer_ms, at);
	}
}

void
igmp_input(struct ring *ring, struct rte_mbuf *m, const struct net_packet *pkt)
{
	struct net_port *np = net_port_of(ring->port);
	uint16_t at = pkt->l2_len + pkt->l3_len, len = pkt->l4_len;
	const struct rte_ipv4_hdr *ip;
	const uint8_t *body;
	uint32_t group_addr;
	struct group *g;

	if (!net_answers(ring->port))
		goto done;
	if (len < MESSAGE_LEN || !net_pull(m, at + len) || net_sum(m, at, len) != 0xffff)
		goto malformed;
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, pkt->l2_len);
	body = rte_pktmbuf_mtod_offset(m, const uint8_t *, at);
	if (ip->time_to_live != 1)
		goto malformed;
	memcpy(&group_addr, body + 4, sizeof(group_addr));
	pthread_mutex_lock(&net_lock);
	if (np->igmp == NULL) {
		pthread_mutex_unlock(&net_lock);
		goto done;
	}
	switch (body[0]) {
	case QUERY:
		/* a general query goes to all hosts (RFC 3376 section 9); 9 to 11 bytes are none */
		if ((len > MESSAGE_LEN && len < 12) ||
				(group_addr == 0 && ip->dst_addr != ALL_HOSTS) ||
				(len >= 12 && len < 12 + 4 * ((unsigned int)body[10] << 8 | body[11]))) {
			pthread_mutex_unlock(&net_lock);
			goto malformed;
		}
		query(np->igmp, pkt->key.vlan_id, body, len);
		break;
	case V1_REPORT:
	case V2_REPORT:
		/* another member answered: nobody needs to hear us (RFC 2236 section 3) */
		g = find(np->igmp, pkt->key.vlan_id, group_addr);
		if (g != NULL && np->igmp->version != 3 && g->member) {
			g->answer_ms = 0;
			g->change_ms = 0;
			g->mode_rtx = 0;
			g->last_reporter = false;
		}
		break;
	default:
		break;
	}
	pthread_mutex_unlock(&net_lock);
	goto done;

malformed:
	COUNT(ring, drop_icmp);
done:
	rte_pktmbuf_free(m);
}
/** @} */

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
	g = find(ig, vlan_id, ip_v4(group));
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
		hush(g);
		g->mode_rtx = *fresh ? times : 0;
		g->change_ms = *fresh ? RTE_MAX(net_now, (uint64_t)1) : 0;
	}
	/* where the kernel reports, or for a group of which nobody does, there is nothing to say */
	if (!net_answers(port) || !reported(g))
		hush(g);
	ig->due_ms = 0;
	if (!g->member && g->change_ms == 0)
		group_free(ig, g);
	return 0;
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
				pthread_mutex_lock(&net_lock);
				set_filter(np, port, group, vlan_id, NULL, &fresh);
				pthread_mutex_unlock(&net_lock);
			}
		}
	}
	pthread_mutex_unlock(&member_lock);
	return rc;
}

void
igmp_fini(void)
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
