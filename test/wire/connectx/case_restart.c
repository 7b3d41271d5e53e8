/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that is stopped, a queue that is stopped, a device that is taken out: traffic comes back.
 */
#include "cxtest.h"
#include <rte_dev.h>

#define ROUNDS 5
#define FRAMES 100 /* more than one buffer of 64 strides */

static int s;

static void
traffic(const char *when)
{
	struct rte_mbuf *m[FRAMES];
	unsigned int i, n;

	for (i = 0; i < FRAMES; i++) {
		struct segment seg = { .src = 0x0a630001,
			.dst = 0x0a630002,
			.sport = 1000 + i,
			.dport = 5000,
			.proto = IPPROTO_UDP,
			.fill = i,
			.len = 100 };

		peer_segment(s, &seg);
	}
	n = port_receive(m, NULL, FRAMES, 1);
	CHECK(n == FRAMES, "%s: %u of %u frames", when, n, FRAMES);
	for (i = 0; i < n; i++) {
		CHECK(rte_pktmbuf_mtod(m[i], uint8_t *)[42 + 50] == i, "%s: frame %u", when, i);
		rte_pktmbuf_free(m[i]);
	}
}

/* a: stop the queue too */
void
case_restart(const struct test_case *c)
{
	struct port_conf pc = { .rxqs = 1 };
	char args[300];
	unsigned int i;

	port_start(&pc);
	s = peer_open(WIRE);
	traffic("first start");
	for (i = 0; i < ROUNDS; i++) {
		CHECK(rte_eth_dev_stop(0) == 0, "stop");
		CHECK(rte_eth_dev_start(0) == 0, "start");
		traffic("port restarted");
		if (!c->a)
			continue;
		CHECK(rte_eth_dev_rx_queue_stop(0, 0) == 0, "queue stop");
		CHECK(rte_eth_dev_rx_queue_start(0, 0) == 0, "queue start");
		traffic("queue restarted");
	}
	port_stop();
	CHECK(rte_eal_hotplug_remove("pci", "0000:03:00.0") == 0, "remove");
	CHECK(rte_eth_dev_count_avail() == 0, "still there");
	snprintf(args, sizeof(args), "%s", c->devargs);
	CHECK(rte_eal_hotplug_add("pci", "0000:03:00.0", args) == 0, "add");
	port_start(&pc);
	traffic("after removal");
	port_stop();
}
