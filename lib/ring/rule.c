/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One flow as one rte_flow rule: what identifies it is matched exactly, the packet is marked with
 * the flow's number where the device can, and goes to the ring's queue. When a rule is wanted is
 * flow.c's.
 */
#include <errno.h>

#include <rte_errno.h>
#include <rte_flow.h>

#include "ring/ring_priv.h"

/* The items of one rule, with what they point at. */
struct pattern {
	struct rte_flow_item items[5];
	unsigned int n;
	struct rte_flow_item_eth eth, eth_mask;
	struct rte_flow_item_vlan vlan, vlan_mask;
	struct rte_flow_item_ipv4 ip4, ip4_mask;
	struct rte_flow_item_ipv6 ip6, ip6_mask;
	struct rte_flow_item_udp udp, udp_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
};

static void
item(struct pattern *p, enum rte_flow_item_type type, const void *spec, const void *mask)
{
	p->items[p->n++] = (struct rte_flow_item){ .type = type, .spec = spec, .mask = mask };
}

/* RFC 1112 section 6.4, RFC 2464 section 7. */
static void
multicast_mac(const struct ip_addr *group, uint8_t *mac)
{
	if (ip_is_v4(group)) {
		mac[0] = 0x01;
		mac[1] = 0x00;
		mac[2] = 0x5e;
		mac[3] = group->b[13] & 0x7f;
	} else {
		mac[0] = mac[1] = 0x33;
		mac[2] = group->b[12];
		mac[3] = group->b[13];
	}
	mac[4] = group->b[14];
	mac[5] = group->b[15];
}

/* The destination address stands first in every version of the structure. */
static void
item_eth(struct pattern *p, const struct flow_key *k)
{
	if (!ip_is_multicast(&k->local)) {
		item(p, RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
		return;
	}
	multicast_mac(&k->local, (uint8_t *)&p->eth);
	memset(&p->eth_mask, 0xff, RTE_ETHER_ADDR_LEN);
	item(p, RTE_FLOW_ITEM_TYPE_ETH, &p->eth, &p->eth_mask);
}

/* The tag control stands first in every version of the structure; twelve bits of it are the id. */
static void
item_vlan(struct pattern *p, const struct flow_key *k)
{
	uint16_t id = rte_cpu_to_be_16(k->vlan_id), mask = RTE_BE16(0x0fff);

	memcpy(&p->vlan, &id, sizeof(id));
	memcpy(&p->vlan_mask, &mask, sizeof(mask));
	item(p, RTE_FLOW_ITEM_TYPE_VLAN, &p->vlan, &p->vlan_mask);
}

static void
item_ip(struct pattern *p, const struct flow_key *k, bool connected)
{
	if (ip_is_v4(&k->local)) {
		p->ip4.hdr.dst_addr = ip_v4(&k->local);
		p->ip4_mask.hdr.dst_addr = UINT32_MAX;
		if (connected) {
			p->ip4.hdr.src_addr = ip_v4(&k->remote);
			p->ip4_mask.hdr.src_addr = UINT32_MAX;
		}
		item(p, RTE_FLOW_ITEM_TYPE_IPV4, &p->ip4, &p->ip4_mask);
		return;
	}
	memcpy(&p->ip6.hdr.dst_addr, k->local.b, sizeof(k->local));
	memset(&p->ip6_mask.hdr.dst_addr, 0xff, sizeof(k->local));
	if (connected) {
		memcpy(&p->ip6.hdr.src_addr, k->remote.b, sizeof(k->remote));
		memset(&p->ip6_mask.hdr.src_addr, 0xff, sizeof(k->remote));
	}
	item(p, RTE_FLOW_ITEM_TYPE_IPV6, &p->ip6, &p->ip6_mask);
}

static void
item_l4(struct pattern *p, const struct flow_key *k, bool connected)
{
	if (k->proto == IPPROTO_UDP) {
		p->udp.hdr.dst_port = k->lport;
		p->udp_mask.hdr.dst_port = UINT16_MAX;
		if (connected) {
			p->udp.hdr.src_port = k->rport;
			p->udp_mask.hdr.src_port = UINT16_MAX;
		}
		item(p, RTE_FLOW_ITEM_TYPE_UDP, &p->udp, &p->udp_mask);
		return;
	}
	p->tcp.hdr.dst_port = k->lport;
	p->tcp_mask.hdr.dst_port = UINT16_MAX;
	if (connected) {
		p->tcp.hdr.src_port = k->rport;
		p->tcp_mask.hdr.src_port = UINT16_MAX;
	}
	item(p, RTE_FLOW_ITEM_TYPE_TCP, &p->tcp, &p->tcp_mask);
}

/* A multicast key without ports is a rule on the MAC address alone. */
static void
pattern_of(struct pattern *p, const struct flow_key *k)
{
	bool connected = (k->remote.d[0] | k->remote.d[1]) != 0;
	bool l2_only = k->lport == 0 && ip_is_multicast(&k->local);

	memset(p, 0, sizeof(*p));
	item_eth(p, k);
	if (k->vlan_id != 0)
		item_vlan(p, k);
	if (!l2_only)
		item_ip(p, k, connected);
	if (k->lport != 0)
		item_l4(p, k, connected);
	item(p, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
}

/* The more specific rule first where two match one packet: 5-tuple, 3-tuple, without ports. */
static uint32_t
priority_of(const struct flow_key *k)
{
	if (k->lport == 0)
		return 2;
	return (k->remote.d[0] | k->remote.d[1]) != 0 ? 0 : 1;
}

/* @param rss where to, NULL: to the queue, with a mark */
static struct rte_flow *
create(struct ring_port *rp, const struct flow_ctl *f, uint32_t priority, uint16_t queue,
		const struct rte_flow_action_rss *rss, struct rte_flow_error *err)
{
	struct rte_flow_attr attr = { .ingress = 1, .priority = priority };
	struct rte_flow_action_mark mark = { .id = f->flow.mark };
	struct rte_flow_action_queue q = { .index = queue };
	struct rte_flow_action actions[3];
	struct pattern p;
	unsigned int n = 0;

	pattern_of(&p, &f->flow.key);
	/* A rule without ports stands for several flows: software finds which. */
	if (rss == NULL && rp->port->caps.flow_mark && f->flow.key.lport != 0)
		actions[n++] = (struct rte_flow_action){ .type = RTE_FLOW_ACTION_TYPE_MARK,
			.conf = &mark };
	if (rss != NULL)
		actions[n++] = (struct rte_flow_action){ .type = RTE_FLOW_ACTION_TYPE_RSS,
			.conf = rss };
	else
		actions[n++] = (struct rte_flow_action){ .type = RTE_FLOW_ACTION_TYPE_QUEUE,
			.conf = &q };
	actions[n++] = (struct rte_flow_action){ .type = RTE_FLOW_ACTION_TYPE_END };
	memset(err, 0, sizeof(*err));
	return rte_flow_create(rp->port->id, &attr, p.items, actions, err);
}

static int
create_anyhow(struct ring_port *rp, struct flow_ctl *f, uint16_t queue,
		const struct rte_flow_action_rss *rss, char *why, size_t len,
		struct rte_flow **rule)
{
	uint32_t priority = rp->flat_priority ? 0 : priority_of(&f->flow.key);
	struct rte_flow_error err;
	int ret;

	*rule = create(rp, f, priority, queue, rss, &err);
	ret = *rule == NULL ? rte_errno : 0;
	if (ret != 0 && ret != EEXIST && priority != 0) {
		*rule = create(rp, f, 0, queue, rss, &err);
		if (*rule != NULL)
			rp->flat_priority = true;
		ret = *rule == NULL ? rte_errno : 0;
	}
	if (ret == 0)
		return 0;
	snprintf(why, len, "%s", err.message != NULL ? err.message : rte_strerror(ret));
	return ret > 0 ? -ret : -EIO;
}

int
rule_create(struct ring_port *rp, struct flow_ctl *f, uint16_t queue, char *why, size_t len,
		struct rte_flow **rule)
{
	return create_anyhow(rp, f, queue, NULL, why, len, rule);
}

int
rule_create_rss(struct ring_port *rp, struct flow_ctl *f, const struct rte_flow_action_rss *rss,
		char *why, size_t len, struct rte_flow **rule)
{
	return create_anyhow(rp, f, 0, rss, why, len, rule);
}

void
rule_destroy(struct ring_port *rp, struct rte_flow *rule)
{
	struct rte_flow_error err;

	memset(&err, 0, sizeof(err));
	if (rte_flow_destroy(rp->port->id, rule, &err) != 0)
		LOG_DEBUG("%s: a steering rule could not be removed: %s", rp->port->name,
				err.message != NULL ? err.message : rte_strerror(rte_errno));
}
