/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue by which rules get into the device while the port runs, where the PMD has such: to be
 * asked for after the port is configured and before it starts, each time (rte_flow_configure()).
 */
#define ALLOW_EXPERIMENTAL_API /* rte_flow_configure() and its like, since 22.03 */
#include <rte_errno.h>
#include <rte_flow.h>

#include "port/port_priv.h"

/* Rules under way at a time: as many as are posted in one go, and some more. */
#define FLOW_QUEUE_MAX 256

void
port_flow_queue(struct port *port)
{
	const struct rte_flow_port_attr attr = { 0 };
	struct rte_flow_queue_attr queue = { .size = FLOW_QUEUE_MAX };
	const struct rte_flow_queue_attr *queues[] = { &queue };
	struct rte_flow_port_info info = { 0 };
	struct rte_flow_queue_info queue_info = { 0 };
	struct rte_flow_error error = { 0 };

	port->caps.flow_queue = 0;
	if (!port_may_use_rules() || rte_flow_info_get(port->id, &info, &queue_info, &error) != 0 ||
			info.max_nb_queues == 0)
		return;
	queue.size = RTE_MIN(queue.size, queue_info.max_size);
	if (queue.size == 0)
		return;
	if (rte_flow_configure(port->id, &attr, 1, queues, &error) == 0)
		port->caps.flow_queue = queue.size;
	else
		LOG_WARNING("port %s: no queue for flow rules: %s", port->name,
				error.message != NULL ? error.message : rte_strerror(rte_errno));
}
