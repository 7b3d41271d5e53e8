/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IGMP, host side: version 3 (RFC 3376) with the fall-back to 2 (RFC 2236) and 1 when an older
 * querier is heard. The filter of each group comes from above, merged; this file reports it, when
 * it changes and when it is asked for. Where a kernel device stands behind the port its kernel
 * reports, and only the MAC filter is set here.
 */
#include "net/net_priv.h"

#define COUNT(ring, name) STAT_INC(&(ring)->stats, RING, name)

/* RFC 3376 section 8, milliseconds */
#define QUERY_RESPONSE 10000
#define UNSOLICITED_V3 1000
#define UNSOLICITED_V2 10000
#define V1_MAX_RESP 10000

enum { QUERY = 0x11, V1_REPORT = 0x12, V2_REPORT = 0x16, V2_LEAVE = 0x17, V3_REPORT = 0x22 };
enum record { IS_IN = 1, IS_EX, TO_IN, TO_EX, ALLOW, BLOCK };

#define ALL_ROUTERS RTE_BE32(UINT32_C(0xe0000002)) /* 224.0.0.2 */
#define V3_ROUTERS RTE_BE32(UINT32_C(0xe0000016))  /* 224.0.0.22 */

#define IP_LEN 24 /* with the router alert option */
#define MESSAGE_LEN 8
#define RECORD_LEN 8
#define REPORT_MAX 1400 /* bytes; more than one record of SOURCES_MAX */

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

/* Records of one VLAN that wait to fill a packet. */
struct report {
	struct ring *ring;
	uint16_t vlan_id, len, records;
	uint8_t b[REPORT_MAX];
};

static void
flush(struct report *r)
{
	struct rte_mbuf *m;
	uint8_t *body;

	if (r->records == 0)
		return;
	m = begin(r->ring, r->vlan_id, V3_ROUTERS, r->len, &body);
	if (m != NULL) {
		memcpy(body + MESSAGE_LEN, r->b + MESSAGE_LEN, r->len - MESSAGE_LEN);
		body[0] = V3_REPORT;
		body[6] = (uint8_t)(r->records >> 8);
		body[7] = (uint8_t)r->records;
		finish(r->ring, m, body, r->len);
	}
	r->records = 0;
}

/* One more record, if there is anything to say. */
static void
add_record(struct report *r, const struct group *g, enum record type, bool asked)
{
	uint16_t room = RTE_MIN((uint16_t)REPORT_MAX, (uint16_t)(r->ring->port->mtu - IP_LEN));
	unsigned int i, n = 0;
	uint8_t *p;

	for (i = 0; i < g->n; i++)
		n += in_record(g, &g->src[i], type, asked) ? 1 : 0;
	if (n == 0 && (type == ALLOW || type == BLOCK || (type == IS_IN && asked)))
		return;
	if (r->records > 0 && (r->vlan_id != g->vlan_id || r->len + RECORD_LEN + 4 * n > room))
		flush(r);
	if (r->records == 0)
		r->len = MESSAGE_LEN;
	r->vlan_id = g->vlan_id;
	r->records++;
	p = r->b + r->len;
	r->len += (uint16_t)(RECORD_LEN + 4 * n);
	p[0] = (uint8_t)type;
	p[1] = 0;
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
	memcpy(p + 4, &g->addr, sizeof(g->addr));
	p += RECORD_LEN;
	for (i = 0; i < g->n; i++) {
		if (in_record(g, &g->src[i], type, asked)) {
			memcpy(p, &g->src[i].addr, 4);
			p += 4;
		}
	}
}

static void
add_change(struct report *r, struct group *g)
{
	unsigned int i;

	if (g->mode_rtx > 0) {
		add_record(r, g, g->exclude ? TO_EX : TO_IN, false);
		g->mode_rtx--;
	} else {
		add_record(r, g, ALLOW, false);
		add_record(r, g, BLOCK, false);
		for (i = 0; i < g->n; i++)
			g->src[i].rtx -= g->src[i].rtx > 0 ? 1 : 0;
	}
	group_tidy(g);
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
report_change(const struct igmp *ig, struct report *r, struct group *g)
{
	uint32_t interval = ig->version == 3 ? UNSOLICITED_V3 : UNSOLICITED_V2;

	if (ig->version == 3) {
		add_change(r, g);
	} else if (g->member) {
		send_old(r->ring, g, ig->version == 2 ? V2_REPORT : V1_REPORT, g->addr);
		g->last_reporter = true;
		g->mode_rtx -= g->mode_rtx > 0 ? 1 : 0;
	} else {
		if (ig->version == 2 && g->last_reporter)
			send_old(r->ring, g, V2_LEAVE, ALL_ROUTERS);
		g->mode_rtx = 0;
	}
	if (changes_left(g))
		g->change_ms = net_now + 1 + net_random(interval);
	else
		group_hush(g);
}

static void
report_state(const struct igmp *ig, struct report *r, struct group *g, bool asked)
{
	if (!g->member || !group_reported(g))
		return;
	if (ig->version != 3) {
		send_old(r->ring, g, ig->version == 2 ? V2_REPORT : V1_REPORT, g->addr);
		g->last_reporter = true;
	} else if (asked) {
		add_record(r, g, IS_IN, true);
	} else if (g->exclude || g->n > 0) {
		add_record(r, g, g->exclude ? IS_EX : IS_IN, false);
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
	struct report report = { .ring = ring };
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
			report_state(ig, &report, g, false);
			g->answer_ms = 0;
		} else if (g->answer_ms != 0 && now >= g->answer_ms) {
			report_state(ig, &report, g, g->answer_sources);
			g->answer_ms = 0;
		}
		if (g->answer_ms == 0)
			for (i = 0; i < g->n; i++)
				g->src[i].asked = false;
		if (g->change_ms != 0 && now >= g->change_ms)
			report_change(ig, &report, g);
		if (!g->member && g->change_ms == 0) {
			group_free(ig, g);
			continue;
		}
		ig->due_ms = sooner(sooner(ig->due_ms, g->change_ms), g->answer_ms);
	}
	flush(&report);
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
			s = group_source(g, addr);
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
	g = group_find(ig, vlan_id, group_addr);
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
		g = group_find(np->igmp, pkt->key.vlan_id, group_addr);
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
