/* SPDX-License-Identifier: BSD-3-Clause */
/* How rules get into a device: what is matched (rule.c), one by one (rule.c), by a queue
 * (rule_queue.c). The table lock is held throughout. */
#ifndef DPVMA_RULE_PRIV_H
#define DPVMA_RULE_PRIV_H

#include <rte_flow.h>

#include "ring/ring_priv.h"

/** The items of one rule, with what they point at. */
struct rule_pattern {
	struct rte_flow_item items[5];
	unsigned int n;
	struct rte_flow_item_eth eth, eth_mask;
	struct rte_flow_item_vlan vlan, vlan_mask;
	struct rte_flow_item_ipv4 ip4, ip4_mask;
	struct rte_flow_item_ipv6 ip6, ip6_mask;
	struct rte_flow_item_udp udp, udp_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
};
/** @param any_mac a rule on a group's ports does not look at its MAC address */
void rule_pattern(struct rule_pattern *p, const struct flow_key *key, bool any_mac);
/** The lower the sooner. */
uint32_t rule_priority(const struct flow_key *key);
/** A rule without ports stands for several flows: software finds which. */
bool rule_marks(const struct ring_port *rp, const struct flow_key *key);

struct rule_ops {
	/** As rule_create(); with @p rss as rule_create_rss(). */
	int (*create)(struct ring_port *rp, struct flow_ctl *f, uint16_t queue,
			const struct rte_flow_action_rss *rss, bool wait, char *why, size_t len,
			struct rte_flow **rule);
	/** As rule_destroy(). */
	void (*destroy)(struct ring_port *rp, struct flow_ctl *f, struct rte_flow *rule,
			uint8_t table, bool ends);
	/** As rule_settle(). */
	void (*settle)(struct ring_port *rp, bool all);
	/** As rule_close(). */
	void (*close)(struct ring_port *rp);
};
extern const struct rule_ops rule_queue_ops;

/** @name Tables of rules that a queue makes (rule_table.c) */
/** @{ */
#define RULE_KINDS 18
#define RULE_TABLES 4

/** Rules that have one pattern. */
struct rule_table {
	struct rte_flow_pattern_template *pattern;
	struct rte_flow_template_table *table;
	uint32_t n, size;
};

struct rule_queue {
	struct rule_table kinds[RULE_KINDS][RULE_TABLES];
	struct rte_flow_actions_template *actions[2]; /**< without a mark, with one */
	struct rte_flow_actions_template *jump_actions;
	struct rule_table jump;
	struct rte_flow *to_group; /**< the rule that jumps */
	bool to_group_done, dead;
	unsigned int under_way, depth;
};

extern const struct rte_flow_item rule_any_frame[];
extern const struct rte_flow_action rule_jump[];
/** Below RULE_KINDS: keys of one kind have the same fields. */
unsigned int rule_kind(const struct flow_key *key);
/** Templates of what rules do. 0, or -ENOTSUP: rule_tables_free() is to follow */
int rule_tables_open(uint16_t port, struct rule_queue *queue);
/** The table of group 0. 0 or what the PMD said */
int rule_table_jump(uint16_t port, struct rule_queue *queue);
/** The i-th of the key's kind; NULL: it is full, or cannot be made. */
struct rule_table *rule_table_of(struct ring_port *rp, const struct flow_key *key,
		const struct rule_pattern *pattern, unsigned int i);
/** All, and rp->queue. */
void rule_tables_free(struct ring_port *rp);
/** @} */

#endif
