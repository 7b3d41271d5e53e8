/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that is stopped, a queue that is stopped, a device that is taken out: traffic comes back.
 */
#include "cxtest.h"
#include <rte_dev.h>

#define ROUNDS 5

static int s;

/* a: stop the queue too */
void
case_restart(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1 };
	char args[300];
	unsigned int i;

	port_start(&pc);
	s = peer_open(WIRE);
	peer_traffic(s, "first start");
	for (i = 0; i < ROUNDS; i++) {
		CHECK(rte_eth_dev_stop(0) == 0, "stop");
		CHECK(rte_eth_dev_start(0) == 0, "start");
		peer_traffic(s, "port restarted");
		if (!c->a)
			continue;
		CHECK(rte_eth_dev_rx_queue_stop(0, 0) == 0, "queue stop");
		CHECK(rte_eth_dev_rx_queue_start(0, 0) == 0, "queue start");
		peer_traffic(s, "queue restarted");
	}
	port_stop();
	CHECK(rte_eal_hotplug_remove("pci", "0000:03:00.0") == 0, "remove");
	CHECK(rte_eth_dev_count_avail() == 0, "still there");
	snprintf(args, sizeof(args), "%s", c->devargs);
	CHECK(rte_eal_hotplug_add("pci", "0000:03:00.0", args) == 0, "add");
	port_start(&pc);
	peer_traffic(s, "after removal");
	port_stop();
}
