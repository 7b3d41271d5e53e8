/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules through a flow queue (dv_flow_en=2): one queue, postponed operations, and what they end in.
 */
#ifndef FLOWQ_H
#define FLOWQ_H

#include "cxtest.h"

#define FLOWQ_GROUP 1 /* where the rules are: those of group 0 are the kernel's */

/* Operations that are under way, and how the others ended. */
struct flowq {
	unsigned int under_way, done, failed;
	uint32_t queue; /* that they go through; change it when none is under way */
};
extern struct flowq flowq;

/* For port_conf.before_start: two queues. */
void flowq_configure(void);
/* Actions that have the same type in masks and no conf there are the rule's. */
struct rte_flow_template_table *flowq_table(uint32_t group, uint32_t priority, uint32_t n,
		const struct rte_flow_item *pattern, const struct rte_flow_action *actions,
		const struct rte_flow_action *masks);
/* NULL when the driver refuses it at once. */
struct rte_flow *flowq_add(struct rte_flow_template_table *t, const struct rte_flow_item *pattern,
		const struct rte_flow_action *actions);
void flowq_remove(struct rte_flow *f);
/* Until all operations have ended. */
void flowq_wait(void);
/* A rule of group 0 for all frames, to the group of the rules; it is there on return. */
struct rte_flow *flowq_jump(void);

#endif
