/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One flow as one rte_flow rule: what identifies it is matched exactly, the packet is marked with
 * the flow's number where the device can, and goes to the ring's queue. Made one by one, or by a
 * queue where the port has one (rule_queue.c). When a rule is wanted is flow.c's.
 */
#include <errno.h>

#include <rte_errno.h>

#include "ring/rule_priv.h"

static void
item(struct rule_pattern *p, enum rte_flow_item_type type, const void *spec, const void *mask)
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
item_eth(struct rule_pattern *p, const struct flow_key *k, bool any_mac)
{
	if (!ip_is_multicast(&k->local) || any_mac) {
		item(p, RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
		return;
	}
	multicast_mac(&k->local, (uint8_t *)&p->eth);
	memset(&p->eth_mask, 0xff, RTE_ETHER_ADDR_LEN);
	item(p, RTE_FLOW_ITEM_TYPE_ETH, &p->eth, &p->eth_mask);
}

/* The tag control stands first in every version of the structure; twelve bits of it are the id. */
static void
item_vlan(struct rule_pattern *p, const struct flow_key *k)
{
	uint16_t id = rte_cpu_to_be_16(k->vlan_id), mask = RTE_BE16(0x0fff);

	memcpy(&p->vlan, &id, sizeof(id));
	memcpy(&p->vlan_mask, &mask, sizeof(mask));
	item(p, RTE_FLOW_ITEM_TYPE_VLAN, &p->vlan, &p->vlan_mask);
}

static void
item_ip(struct rule_pattern *p, const struct flow_key *k, bool connected)
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
item_l4(struct rule_pattern *p, const struct flow_key *k, bool connected)
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
void
rule_pattern(struct rule_pattern *p, const struct flow_key *k, bool any_mac)
{
	bool connected = (k->remote.d[0] | k->remote.d[1]) != 0;
	bool l2_only = k->lport == 0 && ip_is_multicast(&k->local);

	memset(p, 0, sizeof(*p));
	item_eth(p, k, any_mac && !l2_only);
	if (k->vlan_id != 0)
		item_vlan(p, k);
	if (!l2_only)
		item_ip(p, k, connected);
	if (k->lport != 0)
		item_l4(p, k, connected);
	item(p, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
}

/* The more specific rule first where two match one packet: 5-tuple, 3-tuple, without ports. */
uint32_t
rule_priority(const struct flow_key *k)
{
	if (k->lport == 0)
		return 2;
	return (k->remote.d[0] | k->remote.d[1]) != 0 ? 0 : 1;
}

bool
rule_marks(const struct ring_port *rp, const struct flow_key *k)
{
	return rp->port->caps.flow_mark && k->lport != 0;
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
	struct rule_pattern p;
	unsigned int n = 0;

	rule_pattern(&p, &f->flow.key, false);
	if (rss == NULL && rule_marks(rp, &f->flow.key))
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
create_now(struct ring_port *rp, struct flow_ctl *f, uint16_t queue,
		const struct rte_flow_action_rss *rss, bool wait, char *why, size_t len,
		struct rte_flow **rule)
{
	uint32_t priority = rp->flat_priority ? 0 : rule_priority(&f->flow.key);
	struct rte_flow_error err;
	int ret;

	(void)wait;
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

static void
destroy_now(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule, uint8_t table,
		bool ends)
{
	struct rte_flow_error err;

	(void)f;
	(void)table;
	(void)ends;
	memset(&err, 0, sizeof(err));
	if (rte_flow_destroy(rp->port->id, rule, &err) != 0)
		LOG_DEBUG("%s: a steering rule could not be removed: %s", rp->port->name,
				err.message != NULL ? err.message : rte_strerror(rte_errno));
}

static void
nothing_late(struct ring_port *rp, bool all)
{
	(void)rp;
	(void)all;
}

static void
nothing_open(struct ring_port *rp)
{
	(void)rp;
}

static const struct rule_ops one_by_one = {
	.create = create_now, .destroy = destroy_now, .settle = nothing_late, .close = nothing_open
};

/* What the port had when it started last; what was made by a queue goes by it. */
static const struct rule_ops *
ops_of(const struct ring_port *rp)
{
	return rp->port->caps.flow_queue > 0 || rp->queue != NULL ? &rule_queue_ops : &one_by_one;
}

int
rule_create(struct ring_port *rp, struct flow_ctl *f, uint16_t queue, bool wait, char *why,
		size_t len, struct rte_flow **rule)
{
	return ops_of(rp)->create(rp, f, queue, NULL, wait, why, len, rule);
}

int
rule_create_rss(struct ring_port *rp, struct flow_ctl *f, const struct rte_flow_action_rss *rss,
		char *why, size_t len, struct rte_flow **rule)
{
	return ops_of(rp)->create(rp, f, 0, rss, true, why, len, rule);
}

void
rule_destroy(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule, uint8_t table,
		bool ends)
{
	ops_of(rp)->destroy(rp, f, rule, table, ends);
}

void
rule_settle(struct ring_port *rp, bool all)
{
	ops_of(rp)->settle(rp, all);
}

void
rule_close(struct ring_port *rp)
{
	ops_of(rp)->close(rp);
}
