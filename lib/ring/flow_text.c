/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flow and what steers it, as text for people: the pattern, and the rule in the device with its
 * mark and queue, or why software looks for it instead.
 */
#include "ring/ring_priv.h"

static bool
no_addr(const struct ip_addr *a)
{
	return (a->d[0] | a->d[1]) == 0;
}

/* What packets have in common. */
static size_t
pattern_text(const struct flow_key *k, char *buf, size_t len)
{
	const char *proto = k->proto == IPPROTO_TCP ? "tcp" : "udp";
	char local[IP_ADDR_STRLEN], remote[IP_ADDR_STRLEN], vlan[16] = "";
	int n;

	if (k->vlan_id != 0 && k->vlan_id != FLOW_VLAN_ANY)
		snprintf(vlan, sizeof(vlan), " vlan %u", k->vlan_id);
	if (no_addr(&k->local))
		n = snprintf(buf, len, "%s port %u of any address%s", proto,
				rte_be_to_cpu_16(k->lport), vlan);
	else if (no_addr(&k->remote))
		n = snprintf(buf, len, "3-tuple %s to %s:%u%s", proto, ip_format(&k->local, local),
				rte_be_to_cpu_16(k->lport), vlan);
	else
		n = snprintf(buf, len, "5-tuple %s %s:%u to %s:%u%s", proto,
				ip_format(&k->remote, remote), rte_be_to_cpu_16(k->rport),
				ip_format(&k->local, local), rte_be_to_cpu_16(k->lport), vlan);
	return RTE_MIN((size_t)n, len - 1);
}

const char *
flow_why_software(const struct ring_port *rp, const struct flow_ctl *f)
{
	if (no_addr(&f->flow.key.local))
		return "no rule can name any address";
	if (!rp->port->caps.flow && !rp->port->caps.isolated)
		return "the port takes no rules";
	if ((f->flow.flags & FLOW_RULE) == 0)
		return ip_is_multicast(&f->flow.key.local) ? "a rule on the group's MAC address "
							     "brings its packets"
							   : "its packets come without a rule";
	return f->refused != NULL ? f->refused : "the port restarts";
}

void
ring_flow_text(struct flow *flow, char *buf, size_t len)
{
	struct ring_port *rp;
	size_t at;

	table_lock();
	rp = ring_ctl(flow->ring)->owner;
	at = pattern_text(&flow->key, buf, len);
	if (flow->spread != NULL && spread_text(rp, flow_ctl(flow), buf + at, len - at) > 0) {
		table_unlock();
		return;
	}
	if (flow->in_device && rp->port->caps.flow_mark && flow->key.lport != 0)
		snprintf(buf + at, len - at, ": rule in the device, mark %u, to queue %u",
				flow->mark, flow_ctl(flow)->rule_queue);
	else if (flow->in_device)
		snprintf(buf + at, len - at, ": rule in the device, to queue %u",
				flow_ctl(flow)->rule_queue);
	else
		snprintf(buf + at, len - at, ": software steers to ring %u, as %s",
				flow->ring->index, flow_why_software(rp, flow_ctl(flow)));
	table_unlock();
}
